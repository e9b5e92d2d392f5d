/*
 * sasl/scram_server.c - the server's half of SCRAM (RFC 5802 section 5): asks for a user's password or keys, checks the proof, and proves
 * itself. A user who is unknown has a salt like others, costs the same work and fails where a wrong password does.
 */
#include "sasl/exchange.h"
#include "sasl/prepare.h"
#include "sasl/scram.h"
#include "wire/base64.h"
#include "wire/grammar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SALT_OCTETS = 16, PEPPER_OCTETS = 32 };

enum stage { CLIENT_FIRST, CLIENT_FINAL, CONFIRMATION };

struct scram_server {
    poplin_sasl_server head;
    enum poplin_scram_hash hash;
    enum stage stage;
    bool binds; /* -PLUS was chosen */
    bool has_exporter, has_end_point;
    bool plus_offered;
    bool keeps_keys;
    uint32_t iterations;
    poplin_buffer exporter, end_point, pepper, salt; /* copies from the configuration */
    poplin_buffer user;                              /* prepared */
    poplin_buffer binding;                           /* what the client's c= has to hold */
    poplin_buffer nonce;                             /* of both sides */
    poplin_buffer messages;                          /* AuthMessage as it grows */
    poplin_buffer message;                           /* on its way out */
    bool known;                                      /* the keys are those of a user */
    unsigned char stored_key[SCRAM_HASH_MAX], server_key[SCRAM_HASH_MAX];
};

/* ---- the beginning ---- */

static int copy_slice(poplin_slice octets, poplin_buffer *copy) {
    return poplin_buffer_append(copy, octets.data, octets.size);
}

static void release(struct scram_server *server) {
    poplin_buffer *const owned[] = {&server->exporter, &server->end_point, &server->pepper,
                                    &server->salt,     &server->user,      &server->binding,
                                    &server->nonce,    &server->messages,  &server->message};

    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        poplin_buffer_free(owned[i]);
    poplin_wipe(server, sizeof *server);
    free(server);
}

/* Without a pepper of the owner's, salts differ from one exchange to the next, for everybody. */
static int make_pepper(struct scram_server *server) {
    char *place = poplin_buffer_reserve(&server->pepper, PEPPER_OCTETS);

    if (place == NULL)
        return POPLIN_ERR_NOMEM;
    poplin_buffer_grow(&server->pepper, PEPPER_OCTETS);
    return poplin_scram_random(place, PEPPER_OCTETS);
}

static int copy_config(struct scram_server *server, const poplin_sasl_server_config *config) {
    int status = copy_slice(config->exporter.data, &server->exporter);

    if (status == POPLIN_OK)
        status = copy_slice(config->end_point.data, &server->end_point);
    if (status == POPLIN_OK)
        status = copy_slice(config->salt, &server->salt);
    if (status == POPLIN_OK)
        status = copy_slice(config->nonce, &server->nonce);
    if (status != POPLIN_OK)
        return status;
    return config->pepper.size > 0 ? copy_slice(config->pepper, &server->pepper) : make_pepper(server);
}

int poplin_scram_server_new(enum poplin_mechanism mechanism, const poplin_sasl_server_config *config,
                            poplin_sasl_server **made) {
    struct scram_server *server = calloc(1, sizeof *server);

    if (server == NULL)
        return POPLIN_ERR_NOMEM;
    server->hash = poplin_scram_hash_of(mechanism);
    server->binds = (poplin_mechanism_traits(mechanism) & POPLIN_SASL_BINDS) != 0;
    server->has_exporter = config->exporter.type != NULL;
    server->has_end_point = config->end_point.type != NULL;
    server->plus_offered = config->plus_offered;
    server->keeps_keys = config->keeps_keys;
    server->iterations = config->iterations < POPLIN_SCRAM_ITERATIONS ? POPLIN_SCRAM_ITERATIONS : config->iterations;
    int status = copy_config(server, config);

    if (status == POPLIN_OK)
        *made = &server->head;
    else
        release(server);
    return status;
}

/* ---- the client's first message ---- */

/* Whether the flag fits the mechanism and the connection; *data is what the channel is bound by. */
static bool accept_flag(const struct scram_server *server, poplin_slice flag, poplin_slice *data) {
    *data = (poplin_slice){NULL, 0};
    if (!server->binds)
        return poplin_slice_equal(flag, poplin_slice_of("n")) ||
               (poplin_slice_equal(flag, poplin_slice_of("y")) && !server->plus_offered);
    if (server->has_exporter && poplin_slice_equal(flag, poplin_slice_of("p=tls-exporter")))
        *data = poplin_buffer_slice(&server->exporter);
    if (server->has_end_point && poplin_slice_equal(flag, poplin_slice_of("p=tls-server-end-point")))
        *data = poplin_buffer_slice(&server->end_point);
    return data->size > 0;
}

/* Reads the GS2 header from the front of *message, and notes what c= has to hold. */
static int read_header(struct scram_server *server, poplin_slice *message, poplin_slice *identity) {
    poplin_slice whole = *message, flag, data, name = {NULL, 0};

    if (!poplin_take_field(message, ',', &flag) || !poplin_take_field(message, ',', identity) ||
        !accept_flag(server, flag, &data))
        return POPLIN_ERR_PROTOCOL;
    if (identity->size > 0 && (!poplin_scram_take(identity, 'a', &name) || identity->size > 0))
        return POPLIN_ERR_PROTOCOL;
    *identity = name;
    const poplin_slice parts[] = {{whole.data, whole.size - message->size}, data};

    return poplin_scram_join(&server->binding, parts, 2);
}

/* A name as it travels, as it is compared. */
static int read_name(poplin_slice text, poplin_buffer *name) {
    poplin_buffer plain = {0};
    int status = poplin_scram_unescape(text, &plain);

    if (status == POPLIN_OK)
        status = poplin_prepare(poplin_buffer_slice(&plain), POPLIN_PREPARE_QUERY, name);
    poplin_buffer_free(&plain);
    return status;
}

/* AUTH: a user may act for nobody else. */
static int check_identity(const struct scram_server *server, poplin_slice text) {
    poplin_buffer identity = {0};

    if (text.size == 0)
        return POPLIN_OK;
    int status = read_name(text, &identity);

    if (status == POPLIN_OK && !poplin_slice_equal(poplin_buffer_slice(&identity), poplin_buffer_slice(&server->user)))
        status = POPLIN_ERR_AUTH;
    poplin_buffer_free(&identity);
    return status;
}

/* The client's nonce, with the server's behind it. */
static int make_nonce(struct scram_server *server, poplin_slice client_nonce) {
    poplin_buffer own = server->nonce;

    server->nonce = (poplin_buffer){0};
    int status = poplin_buffer_append(&server->nonce, client_nonce.data, client_nonce.size);

    if (status == POPLIN_OK)
        status = poplin_scram_nonce(poplin_buffer_slice(&own), &server->nonce);
    poplin_buffer_free(&own);
    return status;
}

static int read_first(struct scram_server *server, poplin_slice message) {
    poplin_slice identity, bare, name, nonce;
    int status = read_header(server, &message, &identity);

    if (status != POPLIN_OK)
        return status;
    bare = message;
    if (!poplin_scram_take(&message, 'n', &name) || !poplin_scram_take(&message, 'r', &nonce) ||
        !poplin_scram_skip(&message, 0) || !poplin_scram_is_nonce(nonce))
        return POPLIN_ERR_PROTOCOL;
    status = read_name(name, &server->user);
    if (status == POPLIN_OK)
        status = check_identity(server, identity);
    if (status == POPLIN_OK)
        status = make_nonce(server, nonce);
    if (status == POPLIN_OK)
        status = copy_slice(bare, &server->messages);
    return status;
}

static int ask_secret(struct scram_server *server, poplin_slice message, poplin_sasl_turn *turn) {
    int status = read_first(server, message);

    if (status == POPLIN_OK) {
        turn->wish = POPLIN_SASL_SECRET;
        turn->user = poplin_buffer_slice(&server->user);
    }
    return status;
}

/* ---- the keys, and the server's first message ---- */

/* The same for a name each time, known or not, and nothing that can be told from chance. */
static int derive_salt(struct scram_server *server) {
    const poplin_slice pepper = poplin_buffer_slice(&server->pepper);
    unsigned char digest[SCRAM_HASH_MAX];

    if (server->salt.size > 0)
        return POPLIN_OK;
    int status = poplin_scram_hmac(server->hash, pepper.data, pepper.size, poplin_buffer_slice(&server->user), digest);

    return status != POPLIN_OK ? status : poplin_buffer_append(&server->salt, digest, SALT_OCTETS);
}

/* The keys of the password; where there is none to be had, of the pepper, which costs the same. */
static int use_password(struct scram_server *server, poplin_slice password) {
    poplin_buffer prepared = {0};
    poplin_scram_derived keys = {0};
    int status = poplin_prepare(password, POPLIN_PREPARE_STORED, &prepared);

    server->known = status == POPLIN_OK;
    if (status == POPLIN_OK || status == POPLIN_ERR_PROTOCOL) {
        const poplin_slice key = poplin_buffer_slice(server->known ? &prepared : &server->pepper);

        status = poplin_scram_derive(server->hash, key, poplin_buffer_slice(&server->salt), server->iterations, &keys);
        memcpy(server->stored_key, keys.stored_key, sizeof keys.stored_key);
        memcpy(server->server_key, keys.server_key, sizeof keys.server_key);
    }
    poplin_wipe(&keys, sizeof keys);
    poplin_buffer_free(&prepared);
    return status;
}

/* Keys for another hash are as good as none. */
static int use_keys(struct scram_server *server, const poplin_scram_keys *keys) {
    size_t size = poplin_scram_size(server->hash);

    if (keys->stored_key.size != size || keys->server_key.size != size || keys->salt.size == 0 ||
        keys->salt.size > POPLIN_SCRAM_SALT_MAX || keys->iterations == 0)
        return POPLIN_OK;
    memcpy(server->stored_key, keys->stored_key.data, size);
    memcpy(server->server_key, keys->server_key.data, size);
    server->iterations = keys->iterations;
    server->known = true;
    poplin_buffer_clear(&server->salt);
    return copy_slice(keys->salt, &server->salt);
}

static int use_answer(struct scram_server *server, enum poplin_sasl_answer answer, poplin_slice secret,
                      const poplin_scram_keys *keys) {
    int status = derive_salt(server);

    if (status != POPLIN_OK)
        return status;
    if (answer == POPLIN_ANSWER_SECRET)
        return use_password(server, secret);
    if (!server->keeps_keys) /* nobody is answered faster than a user whose password is derived from */
        status = use_password(server, (poplin_slice){NULL, 0});
    return status == POPLIN_OK && answer == POPLIN_ANSWER_KEYS ? use_keys(server, keys) : status;
}

static int write_first(struct scram_server *server) {
    char count[16];
    const poplin_slice nonce[] = {poplin_slice_of("r="), poplin_buffer_slice(&server->nonce), poplin_slice_of(",s=")};
    int status = poplin_scram_join(&server->message, nonce, 3);
    int size = snprintf(count, sizeof count, ",i=%lu", (unsigned long)server->iterations);

    if (status == POPLIN_OK)
        status = poplin_base64_encode(poplin_buffer_slice(&server->salt), &server->message);
    return status != POPLIN_OK ? status : poplin_buffer_append(&server->message, count, (size_t)size);
}

static int challenge(struct scram_server *server, poplin_sasl_turn *turn) {
    poplin_sasl_challenge(turn, poplin_buffer_slice(&server->message));
    server->stage++;
    return POPLIN_OK;
}

int poplin_scram_server_answer(poplin_sasl_server *base, enum poplin_sasl_answer answer, poplin_slice secret,
                               const poplin_scram_keys *keys, poplin_sasl_turn *turn) {
    struct scram_server *server = (struct scram_server *)base;
    int status = use_answer(server, answer, secret, keys);

    if (status == POPLIN_OK)
        status = write_first(server);
    if (status == POPLIN_OK) {
        const poplin_slice parts[] = {poplin_slice_of(","), poplin_buffer_slice(&server->message),
                                      poplin_slice_of(",")};

        status = poplin_scram_join(&server->messages, parts, 3);
    }
    return status == POPLIN_OK ? challenge(server, turn) : status;
}

/* ---- the client's final message ---- */

static bool binding_fits(const struct scram_server *server, poplin_slice text, int *status) {
    poplin_buffer expected = {0};

    *status = poplin_base64_encode(poplin_buffer_slice(&server->binding), &expected);
    bool fits = *status == POPLIN_OK && text.size == expected.size &&
                poplin_scram_same(text.data, poplin_buffer_slice(&expected).data, text.size);

    poplin_buffer_free(&expected);
    return fits;
}

/* Decodes the proof and completes AuthMessage. */
static int read_final(struct scram_server *server, poplin_slice message, poplin_buffer *proof) {
    poplin_slice rest = message, binding, nonce, text;

    if (!poplin_scram_take(&rest, 'c', &binding) || !poplin_scram_take(&rest, 'r', &nonce) ||
        !poplin_scram_skip(&rest, 'p'))
        return POPLIN_ERR_PROTOCOL;
    size_t unproved = message.size - rest.size - 1;
    int status;

    if (!poplin_scram_take(&rest, 'p', &text) || rest.size > 0)
        return POPLIN_ERR_PROTOCOL;
    bool fits = binding_fits(server, binding, &status);

    if (status == POPLIN_OK && !fits) /* somebody between the two, or a client that reached another name */
        status = POPLIN_ERR_AUTH;
    if (status == POPLIN_OK && !poplin_slice_equal(nonce, poplin_buffer_slice(&server->nonce)))
        status = POPLIN_ERR_PROTOCOL;
    if (status == POPLIN_OK)
        status = poplin_base64_decode(text, proof);
    if (status == POPLIN_OK && proof->size != poplin_scram_size(server->hash))
        status = POPLIN_ERR_PROTOCOL;
    return status == POPLIN_OK ? poplin_buffer_append(&server->messages, message.data, unproved) : status;
}

/* AUTH: the proof is wrong, or nobody's. */
static int check_proof(const struct scram_server *server, poplin_slice proof) {
    unsigned char key[SCRAM_HASH_MAX], digest[SCRAM_HASH_MAX] = {0};
    const poplin_slice messages = poplin_buffer_slice(&server->messages);
    size_t size = poplin_scram_size(server->hash);
    int status = poplin_scram_hmac(server->hash, server->stored_key, size, messages, key);

    for (size_t i = 0; status == POPLIN_OK && i < size; i++)
        key[i] ^= (unsigned char)proof.data[i];
    if (status == POPLIN_OK)
        status = poplin_scram_digest(server->hash, (poplin_slice){(const char *)key, size}, digest);
    bool proved = poplin_scram_same(digest, server->stored_key, size);

    if (status == POPLIN_OK && !(proved && server->known))
        status = POPLIN_ERR_AUTH;
    poplin_wipe(key, sizeof key);
    return status;
}

static int write_final(struct scram_server *server) {
    unsigned char signature[SCRAM_HASH_MAX];
    size_t size = poplin_scram_size(server->hash);
    int status =
        poplin_scram_hmac(server->hash, server->server_key, size, poplin_buffer_slice(&server->messages), signature);

    poplin_buffer_clear(&server->message);
    if (status == POPLIN_OK)
        status = poplin_buffer_append(&server->message, "v=", 2);
    return status != POPLIN_OK ? status
                               : poplin_base64_encode((poplin_slice){(const char *)signature, size}, &server->message);
}

static int prove(struct scram_server *server, poplin_slice message, poplin_sasl_turn *turn) {
    poplin_buffer proof = {0};
    int status = read_final(server, message, &proof);

    if (status == POPLIN_OK)
        status = check_proof(server, poplin_buffer_slice(&proof));
    if (status == POPLIN_OK)
        status = write_final(server);
    poplin_buffer_free(&proof);
    return status == POPLIN_OK ? challenge(server, turn) : status;
}

/* ---- the exchange ---- */

/* POP3 carries nothing with its +OK: the client confirms the last challenge with an empty line (RFC 5034 section 4). */
static int confirm(const struct scram_server *server, poplin_slice response, poplin_sasl_turn *turn) {
    if (response.size > 0)
        return POPLIN_ERR_PROTOCOL;
    turn->wish = POPLIN_SASL_DONE;
    turn->user = poplin_buffer_slice(&server->user);
    return POPLIN_OK;
}

static int take_turn(struct scram_server *server, poplin_slice response, poplin_sasl_turn *turn) {
    if (response.size > SCRAM_MESSAGE_MAX)
        return POPLIN_ERR_PROTOCOL;
    switch (server->stage) {
    case CLIENT_FIRST:
        return ask_secret(server, response, turn);
    case CLIENT_FINAL:
        return prove(server, response, turn);
    default:
        return confirm(server, response, turn);
    }
}

int poplin_scram_server_step(poplin_sasl_server *base, poplin_slice response, poplin_sasl_turn *turn) {
    return poplin_sasl_settle(turn, take_turn((struct scram_server *)base, response, turn));
}

void poplin_scram_server_free(poplin_sasl_server *base) {
    release((struct scram_server *)base);
}
