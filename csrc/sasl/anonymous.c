/*
 * sasl/anonymous.c - ANONYMOUS: a line that says who calls, which proves nothing and may be empty (RFC 4505).
 */
#include "sasl/exchange.h"
#include "wire/grammar.h"
#include "wire/utf8.h"

enum { TRACE_MAX = 255 }; /* characters, not octets (RFC 4505 section 2) */

/* Of what section 3 prohibits in a trace, the controls. */
static bool is_trace(poplin_slice text) {
    return text.size <= (size_t)TRACE_MAX * 4 && poplin_is_utf8(text) && poplin_utf8_length(text) <= TRACE_MAX &&
           !poplin_has_control(text);
}

/* The user's name is the trace. */
static int client_new(enum poplin_mechanism mechanism, const poplin_sasl_client_config *config,
                      poplin_sasl_client **client, const char **reason) {
    (void)mechanism;
    if (!is_trace(config->user)) {
        *reason = "a trace is UTF-8 of at most 255 characters, without controls";
        return POPLIN_ERR_PROTOCOL;
    }
    return poplin_exchange_client_new(&config->user, 1, client, reason);
}

/* Logs in as "anonymous", whatever the trace says: it is a claim, and no name of a user. */
static int server_step(poplin_sasl_server *server, poplin_slice response, poplin_sasl_turn *turn) {
    static const char name[] = "anonymous";
    poplin_exchange_server *exchange = (poplin_exchange_server *)server;

    if (!is_trace(response))
        return poplin_sasl_settle(turn, POPLIN_ERR_PROTOCOL);
    if (poplin_buffer_append(&exchange->user, name, sizeof name - 1) != POPLIN_OK)
        return POPLIN_ERR_NOMEM;
    poplin_sasl_ask(turn, POPLIN_SASL_DONE, exchange);
    return POPLIN_OK;
}

const poplin_sasl_family poplin_family_anonymous = {
    .client_new = client_new,
    .client_step = poplin_exchange_client_step,
    .client_free = poplin_exchange_client_free,
    .server_new = poplin_exchange_server_new,
    .server_step = server_step,
    .server_free = poplin_exchange_server_free,
};
