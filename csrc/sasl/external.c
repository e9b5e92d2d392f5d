/*
 * sasl/external.c - EXTERNAL: the client's certificate says who it is, the message at most as whom it acts (RFC 4422
 * appendix A).
 */
#include "sasl/exchange.h"
#include "wire/grammar.h"

/*
 * A name that the user gave is sent, and nothing where there is none. A certificate may stand for several users, or for
 * another than was thought: who says "alice" shall not find himself in somebody else's maildrop.
 */
static int client_new(enum poplin_mechanism mechanism, const poplin_sasl_client_config *config,
                      poplin_sasl_client **client, const char **reason) {
    const poplin_slice identity = config->authorize.size > 0 ? config->authorize : config->user;
    int status = identity.size > 0 ? poplin_check_field(identity, reason) : POPLIN_OK;

    (void)mechanism;
    return status == POPLIN_OK ? poplin_exchange_client_new(&identity, 1, client, reason) : status;
}

/* ---- the server's half ---- */

/* The user is who the certificate says; one that says no name a user can have is none. */
static int server_new(enum poplin_mechanism mechanism, const poplin_sasl_server_config *config,
                      poplin_sasl_server **server) {
    poplin_sasl_server *made;
    int status = poplin_exchange_server_new(mechanism, config, &made);

    if (status != POPLIN_OK)
        return status;
    if (poplin_prepare_field(config->external, &((poplin_exchange_server *)made)->user) == POPLIN_ERR_NOMEM) {
        poplin_exchange_server_free(made);
        return POPLIN_ERR_NOMEM;
    }
    *server = made;
    return POPLIN_OK;
}

static int identify(poplin_exchange_server *exchange, poplin_slice asked, poplin_sasl_turn *turn) {
    const poplin_slice user = poplin_buffer_slice(&exchange->user);
    poplin_buffer prepared = {0};
    int status = asked.size > 0 ? poplin_prepare_field(asked, &prepared) : POPLIN_OK;
    bool other = asked.size > 0 && !poplin_slice_equal(poplin_buffer_slice(&prepared), user);

    if (status == POPLIN_OK && (user.size == 0 || other))
        status = POPLIN_ERR_AUTH;
    if (status == POPLIN_OK)
        poplin_sasl_ask(turn, POPLIN_SASL_DONE, exchange);
    poplin_buffer_free(&prepared);
    return status;
}

static int server_step(poplin_sasl_server *server, poplin_slice response, poplin_sasl_turn *turn) {
    return poplin_sasl_settle(turn, identify((poplin_exchange_server *)server, response, turn));
}

const poplin_sasl_family poplin_family_external = {
    .client_new = client_new,
    .client_step = poplin_exchange_client_step,
    .client_free = poplin_exchange_client_free,
    .server_new = server_new,
    .server_step = server_step,
    .server_free = poplin_exchange_server_free,
};
