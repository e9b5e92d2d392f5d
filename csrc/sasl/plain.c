/*
 * sasl/plain.c - PLAIN: [authzid] NUL authcid NUL passwd (RFC 4616 section 2).
 *
 * The client sends name and password as it was given them, and the server prepares them, as queries, before it has them
 * verified: that section gives the work to the server, which alone knows how its own store was prepared.
 */
#include "sasl/exchange.h"
#include "wire/grammar.h"

/* ---- the client's half ---- */

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
    poplin_slice identity, user, password = text;

    if (!poplin_take_field(&password, '\0', &identity) || !poplin_take_field(&password, '\0', &user))
        return POPLIN_ERR_PROTOCOL;
    int status = poplin_prepare_field(user, &exchange->user);

    if (status == POPLIN_OK) /* which refuses a third NUL, too */
        status = poplin_prepare_field(password, &exchange->secret);
    if (status == POPLIN_OK)
        status = authorize(identity, poplin_buffer_slice(&exchange->user));
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
