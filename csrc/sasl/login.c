/*
 * sasl/login.c - LOGIN: two prompts, two answers (draft-murchison-sasl-login-00).
 *
 * As in PLAIN the client sends what it was given, and the server prepares it. The draft says nothing of either, and the
 * same store stands behind both mechanisms.
 */
#include "sasl/exchange.h"
#include "wire/grammar.h"

#include <stdlib.h>

/* ---- the client's half ---- */

typedef struct login_client {
    poplin_sasl_client head;
    poplin_buffer user, password;
    bool named;
} login_client;

static void client_free(poplin_sasl_client *client) {
    login_client *login = (login_client *)client;

    poplin_buffer_free(&login->user);
    poplin_buffer_free(&login->password);
    free(login);
}

static int client_new(enum poplin_mechanism mechanism, const poplin_sasl_client_config *config,
                      poplin_sasl_client **client, const char **reason) {
    int status = poplin_check_user(config, reason);

    (void)mechanism;
    if (status == POPLIN_OK)
        status = poplin_check_field(config->password, reason);
    if (status != POPLIN_OK)
        return status;

    login_client *login = calloc(1, sizeof *login);

    if (login == NULL)
        return POPLIN_ERR_NOMEM;
    if (poplin_buffer_append(&login->user, config->user.data, config->user.size) != POPLIN_OK ||
        poplin_buffer_append(&login->password, config->password.data, config->password.size) != POPLIN_OK) {
        client_free(&login->head);
        return POPLIN_ERR_NOMEM;
    }
    *client = &login->head;
    return POPLIN_OK;
}

/* The first prompt asks for the name and the second for the password, whatever they say (draft section 2). */
static int client_step(poplin_sasl_client *client, poplin_slice challenge, poplin_buffer *response,
                       const char **reason) {
    login_client *login = (login_client *)client;
    poplin_buffer *said = login->named ? &login->password : &login->user;

    (void)challenge;
    if (client->complete) {
        *reason = "the server asks for more than name and password";
        return POPLIN_ERR_PROTOCOL;
    }
    if (poplin_buffer_append(response, poplin_buffer_slice(said).data, said->size) != POPLIN_OK)
        return POPLIN_ERR_NOMEM;
    poplin_buffer_clear(said);
    client->complete = login->named;
    login->named = true;
    return POPLIN_OK;
}

/* ---- the server's half ---- */

static int take(poplin_exchange_server *exchange, poplin_slice response, poplin_sasl_turn *turn) {
    bool names = exchange->user.size == 0;
    int status = poplin_prepare_field(response, names ? &exchange->user : &exchange->secret);

    if (status == POPLIN_OK && names)
        poplin_sasl_challenge(turn, poplin_slice_of("Password:"));
    else if (status == POPLIN_OK)
        poplin_sasl_ask(turn, POPLIN_SASL_CHECK, exchange);
    return status;
}

static int server_step(poplin_sasl_server *server, poplin_slice response, poplin_sasl_turn *turn) {
    poplin_exchange_server *exchange = (poplin_exchange_server *)server;

    if (exchange->prompted)
        return poplin_sasl_settle(turn, take(exchange, response, turn));
    exchange->prompted = true;
    /* These very words: some clients look for them (SASL-LOGIN-2). */
    poplin_sasl_challenge(turn, poplin_slice_of("Username:"));
    return POPLIN_OK;
}

const poplin_sasl_family poplin_family_login = {
    .client_new = client_new,
    .client_step = client_step,
    .client_free = client_free,
    .server_new = poplin_exchange_server_new,
    .server_step = server_step,
    .server_answer = poplin_exchange_server_answer,
    .server_free = poplin_exchange_server_free,
};
