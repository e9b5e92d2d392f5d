/*
 * sasl/cram.c - CRAM-MD5: a keyed digest of what the server says (RFC 2195 section 2).
 *
 * Name and password are prepared on both sides, the password as a "stored" string, as APOP has it (RFC 6856 section
 * 2.2): a digest shows no spelling that the server could prepare afterwards.
 */
#include "sasl/apop.h"
#include "sasl/exchange.h"
#include "sasl/prepare.h"

#include <stdlib.h>
#include <string.h>

/* ---- the client's half ---- */

typedef struct cram_client {
    poplin_sasl_client head;
    poplin_buffer user, secret;
} cram_client;

static void client_free(poplin_sasl_client *client) {
    cram_client *cram = (cram_client *)client;

    poplin_buffer_free(&cram->user);
    poplin_buffer_free(&cram->secret);
    free(cram);
}

static int prepare(poplin_slice text, enum poplin_prepare how, poplin_buffer *prepared, const char **reason) {
    int status = poplin_prepare(text, how, prepared);

    if (status == POPLIN_ERR_PROTOCOL)
        *reason = "name or password has characters that SASLprep does not allow";
    return status;
}

static int client_new(enum poplin_mechanism mechanism, const poplin_sasl_client_config *config,
                      poplin_sasl_client **client, const char **reason) {
    int status = poplin_check_user(config, reason);

    (void)mechanism;
    if (status == POPLIN_OK)
        status = poplin_check_field(config->password, reason);
    if (status != POPLIN_OK)
        return status;

    cram_client *cram = calloc(1, sizeof *cram);

    if (cram == NULL)
        return POPLIN_ERR_NOMEM;
    status = prepare(config->user, POPLIN_PREPARE_QUERY, &cram->user, reason);
    if (status == POPLIN_OK)
        status = prepare(config->password, POPLIN_PREPARE_STORED, &cram->secret, reason);
    if (status == POPLIN_OK)
        *client = &cram->head;
    else
        client_free(&cram->head);
    return status;
}

/* Signs whatever the server says: HMAC gives nothing away by a chosen text, so that its form need not matter. */
static int client_step(poplin_sasl_client *client, poplin_slice challenge, poplin_buffer *response,
                       const char **reason) {
    cram_client *cram = (cram_client *)client;

    if (client->complete || challenge.size == 0) {
        *reason = client->complete ? "the server asks for a second answer" : "the server's challenge is empty";
        return POPLIN_ERR_PROTOCOL;
    }

    const poplin_slice user = poplin_buffer_slice(&cram->user);
    char *at = poplin_buffer_reserve(response, user.size + 1 + POPLIN_DIGEST_SIZE);

    if (at == NULL)
        return POPLIN_ERR_NOMEM;
    memcpy(at, user.data, user.size);
    at[user.size] = ' ';
    int status = poplin_digest_keyed(challenge, poplin_buffer_slice(&cram->secret), at + user.size + 1);
    if (status != POPLIN_OK)
        return status;
    poplin_buffer_grow(response, user.size + 1 + POPLIN_DIGEST_SIZE);
    poplin_buffer_free(&cram->secret);
    client->complete = true;
    return POPLIN_OK;
}

/* ---- the server's half ---- */

typedef struct cram_server {
    poplin_exchange_server exchange;
    poplin_buffer challenge;
    char digest[POPLIN_DIGEST_SIZE]; /* as the client says */
} cram_server;

static void server_free(poplin_sasl_server *server) {
    cram_server *cram = (cram_server *)server;

    poplin_exchange_server_wipe(&cram->exchange);
    poplin_buffer_free(&cram->challenge);
    poplin_wipe(cram->digest, sizeof cram->digest);
    free(cram);
}

static int server_new(enum poplin_mechanism mechanism, const poplin_sasl_server_config *config,
                      poplin_sasl_server **server) {
    cram_server *cram = calloc(1, sizeof *cram);

    (void)mechanism;
    if (cram == NULL)
        return POPLIN_ERR_NOMEM;
    int status = config->nonce.size > 0 ? poplin_buffer_append(&cram->challenge, config->nonce.data, config->nonce.size)
                                        : poplin_apop_make_timestamp(config->host, &cram->challenge);
    if (status == POPLIN_OK)
        *server = &cram->exchange.head;
    else
        server_free(&cram->exchange.head);
    return status;
}

/* Splits at the last SP, since names may have some (SASL-CRAM-2). */
static int read_answer(cram_server *cram, poplin_slice response, poplin_sasl_turn *turn) {
    if (response.size < 2 + POPLIN_DIGEST_SIZE)
        return POPLIN_ERR_PROTOCOL;

    const poplin_slice user = {response.data, response.size - POPLIN_DIGEST_SIZE - 1};
    const poplin_slice digest = {user.data + user.size + 1, POPLIN_DIGEST_SIZE};

    if (user.data[user.size] != ' ' || !poplin_digest_valid(digest))
        return POPLIN_ERR_PROTOCOL;
    memcpy(cram->digest, digest.data, digest.size);
    int status = poplin_prepare_field(user, &cram->exchange.user);
    if (status == POPLIN_OK)
        poplin_sasl_ask(turn, POPLIN_SASL_SECRET, &cram->exchange);
    return status;
}

static int server_step(poplin_sasl_server *server, poplin_slice response, poplin_sasl_turn *turn) {
    cram_server *cram = (cram_server *)server;

    if (cram->exchange.prompted)
        return poplin_sasl_settle(turn, read_answer(cram, response, turn));
    cram->exchange.prompted = true;
    poplin_sasl_challenge(turn, poplin_buffer_slice(&cram->challenge));
    return POPLIN_OK;
}

/*
 * OK, or AUTH: the client does not know secret. {NULL, 0}, for which nobody knows any, takes the same work (T-CMP-1).
 */
static int verify(const cram_server *cram, poplin_slice secret) {
    const poplin_slice challenge = poplin_buffer_slice(&cram->challenge);
    bool usable = secret.size > 0;
    char expected[POPLIN_DIGEST_SIZE];
    int status = poplin_digest_keyed(challenge, usable ? secret : challenge, expected);

    if (status != POPLIN_OK)
        return status;
    bool equal = poplin_digest_equal(expected, cram->digest);
    poplin_wipe(expected, sizeof expected);
    return equal && usable ? POPLIN_OK : POPLIN_ERR_AUTH;
}

static int server_answer(poplin_sasl_server *server, enum poplin_sasl_answer answer, poplin_slice secret,
                         const poplin_scram_keys *keys, poplin_sasl_turn *turn) {
    cram_server *cram = (cram_server *)server;
    poplin_buffer prepared = {0};
    int status = POPLIN_OK;

    (void)keys; /* of SCRAM: not to be used here */
    if (answer == POPLIN_ANSWER_SECRET)
        status = poplin_prepare(secret, POPLIN_PREPARE_STORED, &prepared);
    if (status == POPLIN_ERR_NOMEM)
        return status;
    /* A password that cannot be prepared is none. */
    status = verify(cram, status == POPLIN_OK ? poplin_buffer_slice(&prepared) : (poplin_slice){NULL, 0});
    poplin_buffer_free(&prepared);
    if (status == POPLIN_OK)
        poplin_sasl_ask(turn, POPLIN_SASL_DONE, &cram->exchange);
    return poplin_sasl_settle(turn, status);
}

const poplin_sasl_family poplin_family_cram = {
    .client_new = client_new,
    .client_step = client_step,
    .client_free = client_free,
    .server_new = server_new,
    .server_step = server_step,
    .server_answer = server_answer,
    .server_free = server_free,
};
