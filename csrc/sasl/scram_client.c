/*
 * sasl/scram_client.c - the client's half of SCRAM: says who it is, proves that it knows the password, and believes the server only
 * when that has proved the same (RFC 5802 section 5).
 */
#include "sasl/prepare.h"
#include "sasl/scram.h"
#include "wire/base64.h"
#include "wire/grammar.h"

#include <stdlib.h>
#include <string.h>

enum { SALT_MAX = 1024, ITERATIONS_MAX = 1000000 };

enum stage { BEGIN, SERVER_FIRST, SERVER_FINAL, OVER };

struct scram_client {
    poplin_sasl_client head;
    enum poplin_scram_hash hash;
    enum stage stage;
    uint32_t min_iterations, max_iterations;
    poplin_buffer password; /* prepared */
    poplin_buffer binding;  /* what c= holds: the GS2 header, and the channel binding's data */
    size_t header;          /* octets of the GS2 header */
    poplin_buffer messages; /* AuthMessage as it grows; it begins with the client's first message, bare */
    size_t nonce;           /* octets of the client's nonce, which that message ends in */
    unsigned char server_signature[SCRAM_HASH_MAX];
};

static int fail(const char **reason, const char *why) {
    *reason = why;
    return POPLIN_ERR_PROTOCOL;
}

/* ---- the beginning ---- */

/* A name is sent prepared and escaped. */
static int append_name(poplin_slice name, poplin_buffer *output, const char *why, const char **reason) {
    poplin_buffer prepared = {0};
    int status = poplin_prepare(name, POPLIN_PREPARE_QUERY, &prepared);

    if (status == POPLIN_ERR_PROTOCOL)
        *reason = why;
    if (status == POPLIN_OK)
        status = poplin_scram_escape(poplin_buffer_slice(&prepared), output);
    poplin_buffer_free(&prepared);
    return status;
}

/* p: bound to the channel; y: could be, but the server does not know of it; n: cannot be, or need not. */
static int append_flag(struct scram_client *client, bool binds, const poplin_sasl_client_config *config) {
    if (binds) {
        const poplin_slice flag[] = {poplin_slice_of("p="), poplin_slice_of(config->binding.type),
                                     poplin_slice_of(",")};

        return poplin_scram_join(&client->binding, flag, 3);
    }
    bool unseen = config->binding.type != NULL && !config->plus_offered;

    return poplin_buffer_append(&client->binding, unseen ? "y," : "n,", 2);
}

static int write_binding(struct scram_client *client, bool binds, const poplin_sasl_client_config *config,
                         const char **reason) {
    poplin_buffer *binding = &client->binding;
    int status = append_flag(client, binds, config);

    if (status == POPLIN_OK && config->authorize.size > 0) {
        status = poplin_buffer_append(binding, "a=", 2);
        if (status == POPLIN_OK)
            status = append_name(config->authorize, binding, "SASLprep refuses the name to act as", reason);
    }
    if (status == POPLIN_OK)
        status = poplin_buffer_append(binding, ",", 1);
    client->header = binding->size;
    if (status == POPLIN_OK && binds)
        status = poplin_buffer_append(binding, config->binding.data.data, config->binding.data.size);
    return status;
}

static int write_bare(struct scram_client *client, const poplin_sasl_client_config *config, const char **reason) {
    poplin_buffer *bare = &client->messages;
    int status = poplin_buffer_append(bare, "n=", 2);

    if (status == POPLIN_OK)
        status = append_name(config->user, bare, "SASLprep refuses the user name", reason);
    if (status == POPLIN_OK)
        status = poplin_buffer_append(bare, ",r=", 3);
    size_t before = bare->size;

    if (status == POPLIN_OK)
        status = poplin_scram_nonce(config->nonce, bare);
    client->nonce = bare->size - before;
    return status;
}

static int prepare_client(struct scram_client *client, bool binds, const poplin_sasl_client_config *config,
                          const char **reason) {
    int status = write_binding(client, binds, config, reason);

    if (status == POPLIN_OK)
        status = write_bare(client, config, reason);
    if (status != POPLIN_OK)
        return status;
    status = poplin_prepare(config->password, POPLIN_PREPARE_STORED, &client->password);
    if (status == POPLIN_ERR_PROTOCOL)
        *reason = "SASLprep refuses the password";
    return status;
}

int poplin_scram_client_new(enum poplin_mechanism mechanism, const poplin_sasl_client_config *config,
                            poplin_sasl_client **made, const char **reason) {
    bool binds = (poplin_mechanism_traits(mechanism) & POPLIN_SASL_BINDS) != 0;

    if (config->user.size == 0 || config->password.size == 0) {
        *reason = "it needs a user name and a password";
        return POPLIN_ERR_STATE;
    }
    if (binds && (config->binding.type == NULL || config->binding.data.size == 0)) {
        *reason = "this connection has nothing to bind to";
        return POPLIN_ERR_STATE;
    }
    struct scram_client *client = calloc(1, sizeof *client);

    if (client == NULL)
        return POPLIN_ERR_NOMEM;
    client->hash = poplin_scram_hash_of(mechanism);
    client->min_iterations = config->min_iterations != 0 ? config->min_iterations : POPLIN_SCRAM_ITERATIONS;
    client->max_iterations = config->max_iterations != 0 ? config->max_iterations : ITERATIONS_MAX;
    int status = prepare_client(client, binds, config, reason);

    if (status == POPLIN_OK)
        *made = &client->head;
    else
        poplin_scram_client_free(
            (poplin_sasl_client *)(void *)client); /* the whole, of which the head is the beginning */
    return status;
}

static int send_first(struct scram_client *client, poplin_buffer *response) {
    const poplin_slice parts[] = {{poplin_buffer_slice(&client->binding).data, client->header},
                                  poplin_buffer_slice(&client->messages)};

    return poplin_scram_join(response, parts, 2);
}

/* ---- the server's first message ---- */

struct server_first {
    poplin_slice nonce;
    poplin_slice salt; /* base64 */
    uint32_t iterations;
};

static int check_nonce(const struct scram_client *client, poplin_slice nonce, const char **reason) {
    const poplin_slice bare = poplin_buffer_slice(&client->messages);
    const char *own = bare.data + bare.size - client->nonce;

    if (!poplin_scram_is_nonce(nonce))
        return fail(reason, "the server's nonce is too long or not printable");
    if (nonce.size <= client->nonce || memcmp(nonce.data, own, client->nonce) != 0)
        return fail(reason, "the server's nonce does not go on from the client's");
    return POPLIN_OK;
}

static int check_iterations(const struct scram_client *client, uint64_t iterations, const char **reason) {
    if (iterations < client->min_iterations)
        return fail(reason, "the server asks for so few iterations that the password could be guessed from the proof");
    if (iterations > client->max_iterations)
        return fail(reason, "the server asks for more iterations than are allowed");
    return POPLIN_OK;
}

static int read_first(const struct scram_client *client, poplin_slice message, struct server_first *first,
                      const char **reason) {
    poplin_slice count;
    uint64_t iterations;

    if (!poplin_scram_take(&message, 'r', &first->nonce) || !poplin_scram_take(&message, 's', &first->salt) ||
        !poplin_scram_take(&message, 'i', &count) || !poplin_scram_skip(&message, 0))
        return fail(reason, "the server's first message is not nonce, salt and iterations");
    if (poplin_number_take(&count, UINT32_MAX, &iterations) != POPLIN_OK || count.size > 0)
        return fail(reason, "the server's iteration count is no number, or too large");
    int status = check_nonce(client, first->nonce, reason);

    first->iterations = (uint32_t)iterations;
    return status == POPLIN_OK ? check_iterations(client, iterations, reason) : status;
}

/* Appends "," server-first "," client-final-without-proof to AuthMessage; the last of these alone is *unproved. */
static int extend_messages(struct scram_client *client, poplin_slice server_first, poplin_slice nonce,
                           poplin_slice *unproved) {
    poplin_buffer *messages = &client->messages;
    const poplin_slice heard[] = {poplin_slice_of(","), server_first, poplin_slice_of(",")};
    const poplin_slice rest[] = {poplin_slice_of(",r="), nonce};
    int status = poplin_scram_join(messages, heard, 3);
    size_t before = messages->size;

    if (status == POPLIN_OK)
        status = poplin_buffer_append(messages, "c=", 2);
    if (status == POPLIN_OK)
        status = poplin_base64_encode(poplin_buffer_slice(&client->binding), messages);
    if (status == POPLIN_OK)
        status = poplin_scram_join(messages, rest, 2);
    if (status == POPLIN_OK)
        *unproved = (poplin_slice){poplin_buffer_slice(messages).data + before, messages->size - before};
    return status;
}

/* ClientKey XOR ClientSignature; and what the server will have to sign with. */
static int compute_proof(struct scram_client *client, poplin_slice salt, uint32_t iterations,
                         unsigned char proof[SCRAM_HASH_MAX]) {
    const poplin_slice messages = poplin_buffer_slice(&client->messages);
    size_t size = poplin_scram_size(client->hash);
    poplin_scram_derived keys;
    int status = poplin_scram_derive(client->hash, poplin_buffer_slice(&client->password), salt, iterations, &keys);

    if (status == POPLIN_OK)
        status = poplin_scram_hmac(client->hash, keys.stored_key, size, messages, proof);
    if (status == POPLIN_OK)
        status = poplin_scram_hmac(client->hash, keys.server_key, size, messages, client->server_signature);
    for (size_t i = 0; status == POPLIN_OK && i < size; i++)
        proof[i] ^= keys.client_key[i];
    poplin_wipe(&keys, sizeof keys);
    poplin_buffer_free(&client->password);
    return status;
}

static int decode_salt(poplin_slice text, poplin_buffer *salt, const char **reason) {
    int status = poplin_base64_decode(text, salt);

    if (status == POPLIN_ERR_PROTOCOL || salt->size > SALT_MAX)
        return fail(reason, "the server's salt is no base64, or too long");
    return status;
}

static int answer_first(struct scram_client *client, poplin_slice message, poplin_buffer *response,
                        const char **reason) {
    struct server_first first;
    unsigned char proof[SCRAM_HASH_MAX];
    const poplin_slice octets = {(const char *)proof, poplin_scram_size(client->hash)};
    poplin_buffer salt = {0};
    poplin_slice unproved = {NULL, 0};
    int status = read_first(client, message, &first, reason);

    if (status == POPLIN_OK)
        status = decode_salt(first.salt, &salt, reason);
    if (status == POPLIN_OK)
        status = extend_messages(client, message, first.nonce, &unproved);
    if (status == POPLIN_OK)
        status = compute_proof(client, poplin_buffer_slice(&salt), first.iterations, proof);
    if (status == POPLIN_OK)
        status = poplin_scram_join(response, (const poplin_slice[]){unproved, poplin_slice_of(",p=")}, 2);
    if (status == POPLIN_OK)
        status = poplin_base64_encode(octets, response);
    poplin_wipe(proof, sizeof proof);
    poplin_buffer_free(&salt);
    return status;
}

/* ---- the server's final message ---- */

/* The server's own word that it goes no further (RFC 5802 section 7). */
static int read_error(poplin_slice error, const char **reason) {
    static const char *const about_binding[] = {
        "server-does-support-channel-binding",
        "channel-bindings-dont-match",
        "channel-binding-not-supported",
        "unsupported-channel-binding-type",
    };

    for (size_t i = 0; i < sizeof about_binding / sizeof *about_binding; i++)
        if (poplin_slice_equal(error, poplin_slice_of(about_binding[i])))
            return fail(reason, "the server sees another channel than the client: somebody may sit between them");
    *reason = "the server does not accept name or password";
    return POPLIN_ERR_AUTH;
}

static int check_final(struct scram_client *client, poplin_slice message, const char **reason) {
    poplin_slice text;
    poplin_buffer signature = {0};

    if (!poplin_scram_take(&message, 'v', &text) || !poplin_scram_skip(&message, 0))
        return fail(reason, "the server's final message holds no signature");
    int status = poplin_base64_decode(text, &signature);
    size_t size = poplin_scram_size(client->hash);

    if (status == POPLIN_OK && (signature.size != size || !poplin_scram_same(poplin_buffer_slice(&signature).data,
                                                                             client->server_signature, size)))
        status = POPLIN_ERR_PROTOCOL;
    if (status == POPLIN_ERR_PROTOCOL)
        *reason = "the server's signature is wrong: it does not know the password, and is not who it should be";
    poplin_buffer_free(&signature);
    client->head.complete = status == POPLIN_OK;
    return status;
}

/* ---- the exchange ---- */

static int take_turn(struct scram_client *client, enum stage stage, poplin_slice challenge, poplin_buffer *response,
                     const char **reason) {
    poplin_slice rest = challenge, error;

    if (challenge.size > SCRAM_MESSAGE_MAX)
        return fail(reason, "the server's message is too long");
    if (stage == BEGIN)
        return send_first(client, response);
    if (stage != OVER && poplin_scram_take(&rest, 'e', &error))
        return read_error(error, reason);
    switch (stage) {
    case SERVER_FIRST:
        return answer_first(client, challenge, response, reason);
    case SERVER_FINAL:
        return check_final(client, challenge, reason);
    default:
        return fail(reason, "the server goes on where the exchange is over");
    }
}

int poplin_scram_client_step(poplin_sasl_client *base, poplin_slice challenge, poplin_buffer *response,
                             const char **reason) {
    struct scram_client *client = (struct scram_client *)base;
    enum stage stage = client->stage;

    client->stage = OVER;
    base->complete = false;
    int status = take_turn(client, stage, challenge, response, reason);

    if (status == POPLIN_OK && stage < OVER)
        client->stage = stage + 1;
    return status;
}

void poplin_scram_client_free(poplin_sasl_client *base) {
    struct scram_client *client = (struct scram_client *)base;

    poplin_buffer_free(&client->password);
    poplin_buffer_free(&client->binding);
    poplin_buffer_free(&client->messages);
    poplin_wipe(client, sizeof *client);
    free(client);
}
