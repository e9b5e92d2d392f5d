/*
 * sasl/plain.c - PLAIN: [authzid] NUL authcid NUL passwd (RFC 4616 section 2).
 *
 * The client sends name and password as it was given them, and the server prepares them, as queries, before it has them
 * verified: that section gives the work to the server, which alone knows how its own store was prepared.
 */
#include "sasl/plain.h"
#include "sasl/exchange.h"
#include "wire/grammar.h"

#include <string.h>

/* ---- the client's half ---- */

static bool is_sendable(poplin_slice field) {
    return field.size > 0 && memchr(field.data, 0, field.size) == NULL;
}

int poplin_plain_encode(const poplin_credentials *credentials, poplin_buffer *message) {
    if (!is_sendable(credentials->user) || !is_sendable(credentials->password))
        return POPLIN_ERR_PROTOCOL;

    const poplin_slice user = credentials->user, password = credentials->password;
    char *at = poplin_buffer_reserve(message, user.size + password.size + 2);

    if (at == NULL)
        return POPLIN_ERR_NOMEM;
    at[0] = 0;
    memcpy(at + 1, user.data, user.size);
    at[1 + user.size] = 0;
    memcpy(at + 2 + user.size, password.data, password.size);
    poplin_buffer_grow(message, user.size + password.size + 2);
    return POPLIN_OK;
}

static int client_new(enum poplin_mechanism mechanism, const poplin_sasl_client_config *config,
                      poplin_sasl_client **client, const char **reason) {
    const poplin_slice nul = {"", 1};
    const poplin_slice pieces[] = {config->authorize, nul, config->user, nul, config->password};
    int status = poplin_check_field(config->user, reason);

    (void)mechanism;
    if (status == POPLIN_OK)
        status = poplin_check_field(config->password, reason);
    if (status == POPLIN_OK && config->authorize.size > 0)
        status = poplin_check_field(config->authorize, reason);
    if (status != POPLIN_OK)
        return status;
    return poplin_exchange_client_new(pieces, sizeof pieces / sizeof *pieces, client, reason);
}

/* ---- the server's half ---- */

typedef struct plain_message {
    poplin_slice identity, user, password;
} plain_message;

static bool split(poplin_slice text, plain_message *message) {
    message->password = text;
    return poplin_take_field(&message->password, '\0', &message->identity) &&
           poplin_take_field(&message->password, '\0', &message->user) && is_sendable(message->user) &&
           is_sendable(message->password);
}

int poplin_plain_decode(poplin_slice text, poplin_credentials *credentials) {
    plain_message message;

    if (!split(text, &message) || message.user.size > POPLIN_FIELD_MAX || message.password.size > POPLIN_FIELD_MAX)
        return POPLIN_ERR_PROTOCOL;
    if (message.identity.size > 0 && !poplin_slice_equal(message.identity, message.user))
        return POPLIN_ERR_PROTOCOL;
    *credentials = (poplin_credentials){.user = message.user, .password = message.password};
    return POPLIN_OK;
}

/* Whether the user may act as identity: only as himself, however the two are spelled. OK, AUTH, PROTOCOL, NOMEM. */
static int authorize(poplin_slice identity, poplin_slice user) {
    if (identity.size == 0)
        return POPLIN_OK;

    poplin_buffer prepared = {0};
    int status = poplin_prepare_field(identity, &prepared);

    if (status == POPLIN_OK && !poplin_slice_equal(poplin_buffer_slice(&prepared), user))
        status = POPLIN_ERR_AUTH;
    poplin_buffer_free(&prepared);
    return status;
}

static int read_message(poplin_exchange_server *exchange, poplin_slice text, poplin_sasl_turn *turn) {
    plain_message message;
    int status = split(text, &message) ? POPLIN_OK : POPLIN_ERR_PROTOCOL;

    if (status == POPLIN_OK)
        status = poplin_prepare_field(message.user, &exchange->user);
    if (status == POPLIN_OK)
        status = poplin_prepare_field(message.password, &exchange->secret);
    if (status == POPLIN_OK)
        status = authorize(message.identity, poplin_buffer_slice(&exchange->user));
    if (status == POPLIN_OK)
        poplin_sasl_ask(turn, POPLIN_SASL_CHECK, exchange);
    return status;
}

static int server_step(poplin_sasl_server *server, poplin_slice response, poplin_sasl_turn *turn) {
    return poplin_sasl_settle(turn, read_message((poplin_exchange_server *)server, response, turn));
}

const poplin_sasl_family poplin_family_plain = {
    .client_new = client_new,
    .client_step = poplin_exchange_client_step,
    .client_free = poplin_exchange_client_free,
    .server_new = poplin_exchange_server_new,
    .server_step = server_step,
    .server_answer = poplin_exchange_server_answer,
    .server_free = poplin_exchange_server_free,
};
