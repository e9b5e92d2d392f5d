/*
 * sasl/exchange.c - what the plainer mechanisms share.
 */
#include "sasl/exchange.h"
#include "sasl/prepare.h"
#include "wire/grammar.h"
#include "wire/utf8.h"

#include <stdlib.h>
#include <string.h>

static const char too_long[] = "name, password or token are too long for one message";

int poplin_check_field(poplin_slice field, const char **reason) {
    if (field.data == NULL)
        return POPLIN_ERR_STATE;
    if (field.size == 0)
        *reason = "a name or password is empty";
    else if (field.size > POPLIN_MESSAGE_MAX)
        *reason = too_long;
    else if (memchr(field.data, 0, field.size) != NULL)
        *reason = "a name or password has a NUL octet in it";
    else if (!poplin_is_utf8(field))
        *reason = "a name or password is not UTF-8";
    else
        return POPLIN_OK;
    return POPLIN_ERR_PROTOCOL;
}

int poplin_check_user(const poplin_sasl_client_config *config, const char **reason) {
    if (config->authorize.size > 0 && !poplin_slice_equal(config->authorize, config->user)) {
        *reason = "it cannot say that one user acts as another";
        return POPLIN_ERR_PROTOCOL;
    }
    return poplin_check_field(config->user, reason);
}

bool poplin_has_control(poplin_slice text) {
    for (size_t i = 0; i < text.size; i++)
        if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7F)
            return true;
    return false;
}

bool poplin_take_field(poplin_slice *rest, char end, poplin_slice *field) {
    const char *found = rest->size > 0 ? memchr(rest->data, end, rest->size) : NULL;

    if (found == NULL)
        return false;
    *field = (poplin_slice){rest->data, (size_t)(found - rest->data)};
    rest->data = found + 1;
    rest->size -= field->size + 1;
    return true;
}

int poplin_prepare_field(poplin_slice field, poplin_buffer *prepared) {
    if (field.size == 0 || field.size > POPLIN_FIELD_MAX)
        return POPLIN_ERR_PROTOCOL;
    return poplin_prepare(field, POPLIN_PREPARE_QUERY, prepared);
}

/* ---- the client's half ---- */

int poplin_exchange_client_new(const poplin_slice *pieces, size_t count, poplin_sasl_client **client,
                               const char **reason) {
    size_t size = 0;

    for (size_t i = 0; i < count; i++) {
        if (pieces[i].size > POPLIN_MESSAGE_MAX - size) {
            *reason = too_long;
            return POPLIN_ERR_PROTOCOL;
        }
        size += pieces[i].size;
    }

    poplin_exchange_client *exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL || poplin_buffer_reserve(&exchange->message, size) == NULL) {
        free(exchange);
        return POPLIN_ERR_NOMEM;
    }
    for (size_t i = 0; i < count; i++)
        if (pieces[i].size > 0)
            (void)poplin_buffer_append(&exchange->message, pieces[i].data, pieces[i].size);
    *client = &exchange->head;
    return POPLIN_OK;
}

int poplin_exchange_client_step(poplin_sasl_client *client, poplin_slice challenge, poplin_buffer *response,
                                const char **reason) {
    poplin_exchange_client *exchange = (poplin_exchange_client *)client;

    (void)challenge; /* the first is empty, and there is no second */
    if (client->complete) {
        *reason = "the server asks for more than the mechanism has to say";
        return POPLIN_ERR_PROTOCOL;
    }
    if (exchange->message.size > 0 && poplin_buffer_append(response, poplin_buffer_slice(&exchange->message).data,
                                                           exchange->message.size) != POPLIN_OK)
        return POPLIN_ERR_NOMEM;
    poplin_buffer_clear(&exchange->message);
    client->complete = true;
    return POPLIN_OK;
}

void poplin_exchange_client_free(poplin_sasl_client *client) {
    poplin_exchange_client *exchange = (poplin_exchange_client *)client;

    poplin_buffer_free(&exchange->message);
    free(exchange);
}

/* ---- the server's half ---- */

int poplin_exchange_server_new(enum poplin_mechanism mechanism, const poplin_sasl_server_config *config,
                               poplin_sasl_server **server) {
    (void)mechanism, (void)config;
    poplin_exchange_server *exchange = calloc(1, sizeof *exchange);

    if (exchange == NULL)
        return POPLIN_ERR_NOMEM;
    *server = &exchange->head;
    return POPLIN_OK;
}

void poplin_exchange_server_wipe(poplin_exchange_server *exchange) {
    poplin_buffer_free(&exchange->user);
    poplin_buffer_free(&exchange->secret);
}

void poplin_exchange_server_free(poplin_sasl_server *server) {
    poplin_exchange_server *exchange = (poplin_exchange_server *)server;

    poplin_exchange_server_wipe(exchange);
    free(exchange);
}

int poplin_exchange_server_answer(poplin_sasl_server *server, enum poplin_sasl_answer answer, poplin_slice secret,
                                  const poplin_scram_keys *keys, poplin_sasl_turn *turn) {
    poplin_exchange_server *exchange = (poplin_exchange_server *)server;

    (void)secret, (void)keys;
    poplin_buffer_free(&exchange->secret);
    if (answer != POPLIN_ANSWER_YES)
        return poplin_sasl_settle(turn, POPLIN_ERR_AUTH);
    poplin_sasl_ask(turn, POPLIN_SASL_DONE, exchange);
    return POPLIN_OK;
}

/* ---- turns ---- */

void poplin_sasl_challenge(poplin_sasl_turn *turn, poplin_slice message) {
    *turn = (poplin_sasl_turn){.wish = POPLIN_SASL_CHALLENGE, .message = message};
}

void poplin_sasl_ask(poplin_sasl_turn *turn, enum poplin_sasl_wish wish, const poplin_exchange_server *exchange) {
    const poplin_slice none = {NULL, 0}, secret = poplin_buffer_slice(&exchange->secret);

    *turn = (poplin_sasl_turn){
        .wish = wish,
        .user = poplin_buffer_slice(&exchange->user),
        .password = wish == POPLIN_SASL_CHECK ? secret : none,
        .token = wish == POPLIN_SASL_TOKEN ? secret : none,
    };
}

int poplin_sasl_settle(poplin_sasl_turn *turn, int status) {
    if (status != POPLIN_ERR_PROTOCOL && status != POPLIN_ERR_AUTH)
        return status;
    *turn = (poplin_sasl_turn){.wish = POPLIN_SASL_FAILED, .malformed = status == POPLIN_ERR_PROTOCOL};
    return POPLIN_OK;
}
