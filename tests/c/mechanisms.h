/*
 * mechanisms.h - the two halves of a mechanism, stepped by hand or against each other.
 */
#ifndef MECHANISMS_H
#define MECHANISMS_H

#include "sasl/sasl.h"
#include "support.h"
#include "wire/base64.h"
#include "wire/grammar.h"

static const poplin_slice nothing = {NULL, 0};

static inline void assert_slice(poplin_slice actual, poplin_slice expected) {
    assert_int_equal(actual.size, expected.size);
    assert_true(poplin_slice_equal(actual, expected));
}

/* What base64 stands for; lives until the fourth call from now. */
static inline poplin_slice decoded(const char *text) {
    static poplin_buffer kept[4];
    static size_t next;
    poplin_buffer *octets = &kept[next++ % COUNT_OF(kept)];

    poplin_buffer_free(octets);
    assert_int_equal(poplin_base64_decode(poplin_slice_of(text), octets), POPLIN_OK);
    return poplin_buffer_slice(octets);
}

static inline poplin_sasl_client *new_client(enum poplin_mechanism mechanism, const poplin_sasl_client_config *config) {
    poplin_sasl_client *client;
    const char *reason;

    assert_int_equal(poplin_sasl_client_new(mechanism, config, &client, &reason), POPLIN_OK);
    return client;
}

/* No client comes of this config, and a sentence says why. */
static inline void assert_no_client(enum poplin_mechanism mechanism, const poplin_sasl_client_config *config,
                                    int expected) {
    poplin_sasl_client *client;
    const char *reason = NULL;

    assert_int_equal(poplin_sasl_client_new(mechanism, config, &client, &reason), expected);
    assert_null(client);
    assert_non_null(reason);
}

/* As above, for its length, which is seen before anything is read or added up. */
static inline void assert_too_long(enum poplin_mechanism mechanism, const poplin_sasl_client_config *config) {
    poplin_sasl_client *client;
    const char *reason = "";

    assert_int_equal(poplin_sasl_client_new(mechanism, config, &client, &reason), POPLIN_ERR_PROTOCOL);
    assert_non_null(strstr(reason, "too long"));
}

/* A copy with nothing behind its end, which the caller frees. */
static inline poplin_slice exact(poplin_slice text) {
    char *copy = malloc(text.size > 0 ? text.size : 1);

    if (text.size > 0)
        memcpy(copy, text.data, text.size);
    return (poplin_slice){copy, text.size};
}

static inline void assert_says(poplin_sasl_client *client, poplin_slice challenge, poplin_slice expected) {
    poplin_buffer response = {0};
    const char *reason;

    assert_int_equal(poplin_sasl_client_step(client, challenge, &response, &reason), POPLIN_OK);
    assert_slice(poplin_buffer_slice(&response), expected);
    poplin_buffer_free(&response);
}

static inline void assert_cancels(poplin_sasl_client *client, poplin_slice challenge) {
    poplin_buffer response = {0};
    const char *reason = NULL;

    assert_int_equal(poplin_sasl_client_step(client, challenge, &response, &reason), POPLIN_ERR_PROTOCOL);
    assert_non_null(reason);
    assert_int_equal(response.size, 0);
}

static inline poplin_sasl_server *new_server(enum poplin_mechanism mechanism, const poplin_sasl_server_config *config) {
    poplin_sasl_server *server;

    assert_int_equal(poplin_sasl_server_new(mechanism, config, &server), POPLIN_OK);
    return server;
}

static inline poplin_sasl_turn take_step(poplin_sasl_server *server, poplin_slice response,
                                         enum poplin_sasl_wish wish) {
    poplin_sasl_turn turn;

    assert_int_equal(poplin_sasl_server_step(server, response, &turn), POPLIN_OK);
    assert_int_equal(turn.wish, wish);
    return turn;
}

/* A server that gets this as its initial response fails at once. */
static inline void assert_refused(enum poplin_mechanism mechanism, const poplin_sasl_server_config *config,
                                  poplin_slice message, bool malformed) {
    const poplin_slice copy = exact(message);
    poplin_sasl_server *server = new_server(mechanism, config);

    assert_int_equal(take_step(server, copy, POPLIN_SASL_FAILED).malformed, malformed);
    poplin_sasl_server_free(server);
    free((char *)copy.data);
}

/* Whom a server's owner lets in. */
typedef struct account {
    poplin_slice user, secret; /* password or token */
} account;

typedef struct ending {
    enum poplin_sasl_wish wish;
    char user[64];
    bool complete; /* on the client's side */
} ending;

static inline int decide(poplin_sasl_server *server, const account *owner, poplin_sasl_turn *turn) {
    bool known = poplin_slice_equal(turn->user, owner->user);
    const poplin_slice shown = turn->wish == POPLIN_SASL_TOKEN ? turn->token : turn->password;

    if (turn->wish == POPLIN_SASL_SECRET)
        return known ? poplin_sasl_server_secret(server, owner->secret, turn)
                     : poplin_sasl_server_unknown(server, turn);
    return known && poplin_slice_equal(shown, owner->secret) ? poplin_sasl_server_accept(server, turn)
                                                             : poplin_sasl_server_refuse(server, turn);
}

static inline int talk(poplin_sasl_client *client, poplin_sasl_server *server, const account *owner, ending *end) {
    poplin_sasl_turn turn;
    poplin_buffer said = {0};
    const char *reason;
    int status = poplin_sasl_server_step(server, nothing, &turn);

    while (status == POPLIN_OK && turn.wish != POPLIN_SASL_DONE && turn.wish != POPLIN_SASL_FAILED) {
        if (turn.wish != POPLIN_SASL_CHALLENGE) {
            status = decide(server, owner, &turn);
            continue;
        }
        poplin_buffer_clear(&said);
        status = poplin_sasl_client_step(client, turn.message, &said, &reason);
        if (status == POPLIN_OK)
            status = poplin_sasl_server_step(server, poplin_buffer_slice(&said), &turn);
    }
    if (status == POPLIN_OK) {
        *end = (ending){.wish = turn.wish, .complete = poplin_sasl_client_is_complete(client)};
        if (turn.user.size > 0)
            memcpy(end->user, turn.user.data, turn.user.size);
    }
    poplin_buffer_free(&said);
    return status;
}

/* An exchange from its beginning to its end. */
static inline int converse(enum poplin_mechanism mechanism, const poplin_sasl_client_config *mine,
                           const poplin_sasl_server_config *theirs, const account *owner, ending *end) {
    poplin_sasl_client *client = NULL;
    poplin_sasl_server *server = NULL;
    const char *reason;
    int status = poplin_sasl_client_new(mechanism, mine, &client, &reason);

    if (status == POPLIN_OK)
        status = poplin_sasl_server_new(mechanism, theirs, &server);
    if (status == POPLIN_OK)
        status = talk(client, server, owner, end);
    poplin_sasl_client_free(client);
    poplin_sasl_server_free(server);
    return status;
}

static inline void assert_let_in(enum poplin_mechanism mechanism, const poplin_sasl_client_config *mine,
                                 const poplin_sasl_server_config *theirs, const account *owner) {
    ending end;

    assert_int_equal(converse(mechanism, mine, theirs, owner, &end), POPLIN_OK);
    assert_int_equal(end.wish, POPLIN_SASL_DONE);
    assert_true(end.complete);
    assert_slice(poplin_slice_of(end.user), owner->user);
}

static inline void assert_kept_out(enum poplin_mechanism mechanism, const poplin_sasl_client_config *mine,
                                   const poplin_sasl_server_config *theirs, const account *owner) {
    ending end;

    assert_int_equal(converse(mechanism, mine, theirs, owner, &end), POPLIN_OK);
    assert_int_equal(end.wish, POPLIN_SASL_FAILED);
}

/* Lengths that an attacker would have a sum overflow with (T-SASL-6). There is less memory than that behind them. */
static const size_t huge_sizes[] = {
    49153, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF, SIZE_MAX / 2, SIZE_MAX - 1, SIZE_MAX,
};

#endif
