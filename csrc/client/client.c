/*
 * client/client.c - the machine as an object: made and freed, octets lent to it, events pulled out of it.
 */
#include "client/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STRICT_LINE = 512 }; /* RFC 1939 section 3 */

void poplin_client_config_init(poplin_client_config *config) {
    *config = (poplin_client_config){
        .tls = POPLIN_TLS_IMPLICIT,
        .pipelining = true,
        .max_line = 8192,
        .max_listing = 1024,
        .max_listings = 1000000,
        .max_capabilities = 256,
        .max_message = (uint64_t)1 << 30,
        .window_commands = 1000,
        .window_octets = (uint64_t)16 << 20,
    };
}

int poplin_client_new(const poplin_client_config *config, poplin_client **client) {
    if (config->max_line == 0 || config->max_listing == 0 || config->max_listings == 0 ||
        config->max_capabilities == 0 || config->window_commands == 0 || config->window_octets == 0)
        return POPLIN_ERR_LIMIT;
    poplin_client *made = calloc(1, sizeof *made);
    if (made == NULL)
        return POPLIN_ERR_NOMEM;
    made->ways = poplin_ways_parse(config->mechanisms);
    made->named = config->mechanisms != NULL;
    made->host = config->host != NULL ? strdup(config->host) : NULL;
    if (made->ways == 0 || (config->host != NULL && made->host == NULL)) {
        int status = made->ways == 0 ? POPLIN_ERR_UNSUPPORTED : POPLIN_ERR_NOMEM;
        poplin_client_free(made);
        return status;
    }
    made->lines.impatient = true;
    made->config = *config;
    made->config.mechanisms = made->config.host = NULL;
    if (config->strict && made->config.max_line > STRICT_LINE)
        made->config.max_line = STRICT_LINE;
    *client = made;
    return POPLIN_OK;
}

void poplin_client_free(poplin_client *client) {
    if (client == NULL)
        return;
    poplin_opening_end(client);
    poplin_buffer_free(&client->opening.said);
    poplin_buffer_free(&client->opening.answer);
    poplin_buffer_free(&client->timestamp);
    poplin_buffer_free(&client->language);
    free(client->host);
    poplin_step_queue_free(client);
    poplin_capabilities_free(&client->capabilities);
    poplin_line_free(&client->lines);
    poplin_buffer_free(&client->output);
    free(client->numbers.seen);
    free(client);
}

/* ---- failures ---- */

/* "RETR 3": the oldest command in flight, without what it may hold of a secret. */
static void describe(poplin_client *client, char *doing, size_t size) {
    const poplin_pending *head = poplin_step_head(client);
    if (client->reading == POPLIN_READING_GREETING)
        snprintf(doing, size, "greeting");
    else if (client->reading == POPLIN_STARTING_TLS || client->reading == POPLIN_IN_HANDSHAKE)
        snprintf(doing, size, "STLS");
    else if (head == NULL)
        snprintf(doing, size, "%s", client->opening.active ? "login" : "");
    else if (head->own)
        poplin_own_describe(head, doing, size);
    else if (head->verb == POPLIN_TOP)
        snprintf(doing, size, "TOP %u %u", head->number, head->lines);
    else if (head->number > 0)
        snprintf(doing, size, "%s %u", poplin_verb_name(head->verb), head->number);
    else
        snprintf(doing, size, "%s", poplin_verb_name(head->verb));
}

int poplin_step_fail(poplin_client *client, int status, poplin_slice peer, const char *reason) {
    if (client->tell != NULL)
        poplin_trace_content(client, ", and no more");
    client->error = (poplin_error){.status = status};
    describe(client, client->error.doing, sizeof client->error.doing);
    snprintf(client->error.reason, sizeof client->error.reason, "%s", reason);
    poplin_visible(poplin_login_conceal(client, peer), client->error.peer, sizeof client->error.peer);
    client->reading = POPLIN_FAILING;
    client->phase = 0;
    client->cursor = client->end = NULL;
    poplin_opening_end(client);
    poplin_step_forget(client);
    poplin_buffer_clear(&client->output);
    poplin_client_retr_stop(client);
    return POPLIN_AGAIN;
}

int poplin_step_starved(poplin_client *client) {
    static const char *const reasons[] = {
        "the server closed the connection before its reply was complete; reconnect: nothing was deleted",
        "TLS was cut short before the reply was complete, perhaps by somebody in between; reconnect: nothing was "
        "deleted",
        "the server closed the connection without answering QUIT; whether the deletions were made is not known: "
        "compare the unique-ids in the next session",
        "the server closed the connection while nothing was asked of it, perhaps after too long a silence; reconnect: "
        "nothing was deleted",
        "the server closed the connection before it had greeted; check host and port",
    };
    if (!client->eof)
        return POPLIN_NEED_INPUT;
    bool quit_sent = client->quitting && client->queue.in_flight == client->queue.count; /* nothing goes behind it */
    size_t which = !client->clean ? 1 : 0;
    if (client->reading == POPLIN_READING_GREETING)
        which = 4;
    else if (quit_sent)
        which = 2;
    else if (poplin_step_head(client) == NULL)
        which = 3;
    return poplin_step_fail(client, POPLIN_ERR_CLOSED, (poplin_slice){NULL, 0}, reasons[which]);
}

/* ---- input ---- */

static bool finished(const poplin_client *client) {
    return client->reading == POPLIN_FAILING || client->reading == POPLIN_OVER;
}

int poplin_client_input(poplin_client *client, const void *data, size_t size) {
    bool early = client->config.tls == POPLIN_TLS_IMPLICIT && !client->tls;
    if (finished(client) || client->eof || early || client->cursor != client->end)
        return POPLIN_ERR_STATE;
    if (size > 0) {
        client->cursor = data;
        client->end = client->cursor + size;
    }
    return POPLIN_OK;
}

int poplin_client_eof(poplin_client *client, bool clean) {
    if (finished(client))
        return POPLIN_ERR_STATE;
    client->eof = true;
    client->clean = clean;
    return POPLIN_OK;
}

/* Octets in clear where TLS has to begin (POP-STLS-4, T-STLS-4, T-STLS-5). */
static int injected(poplin_client *client) {
    poplin_slice octets = {client->cursor, (size_t)(client->end - client->cursor)};
    return poplin_step_fail(client, POPLIN_ERR_PROTOCOL, octets,
                            "octets in clear came behind the answer to STLS: somebody between here and the server may "
                            "be injecting commands; use pop3s:// if the server offers it");
}

static int handshake_awaited(poplin_client *client, poplin_client_event *event) {
    if (client->cursor != client->end)
        return injected(client);
    if (client->eof)
        return poplin_step_fail(client, POPLIN_ERR_CLOSED, (poplin_slice){NULL, 0},
                                "the server closed the connection where TLS was to begin");
    if (client->reading == POPLIN_IN_HANDSHAKE)
        return POPLIN_WAITING;
    client->reading = POPLIN_IN_HANDSHAKE;
    event->kind = POPLIN_CLIENT_START_TLS;
    return POPLIN_OK;
}

int poplin_client_tls(poplin_client *client, const poplin_tls_facts *facts) {
    if (client->reading == POPLIN_READING_GREETING && client->config.tls == POPLIN_TLS_IMPLICIT && !client->tls) {
        client->tls = true;
        client->facts = *facts;
        return POPLIN_OK;
    }
    if (client->reading != POPLIN_IN_HANDSHAKE)
        return POPLIN_ERR_STATE;
    if (client->cursor != client->end) {
        injected(client);
        return POPLIN_ERR_STATE;
    }
    client->tls = true;
    client->facts = *facts;
    client->reading = POPLIN_READING_REPLY;
    poplin_buffer_clear(&client->timestamp); /* it came in clear: whoever is in between may have made it (T-APOP-1) */
    poplin_capabilities_clear(&client->capabilities);
    if (poplin_opening_ask(client) < 0)
        poplin_step_fail(client, POPLIN_ERR_NOMEM, (poplin_slice){NULL, 0}, poplin_status_text(POPLIN_ERR_NOMEM));
    return POPLIN_OK;
}

/* ---- events ---- */

static int left(poplin_client *client, poplin_client_event *event) {
    if (client->cursor != client->end)
        return poplin_step_reply(client, event);
    if (!client->eof)
        return POPLIN_NEED_INPUT;
    client->reading = POPLIN_OVER;
    event->kind = POPLIN_CLIENT_CLOSED;
    return POPLIN_OK;
}

static int step(poplin_client *client, poplin_client_event *event) {
    switch (client->reading) {
    case POPLIN_READING_GREETING:
        return poplin_step_greeting(client, event);
    case POPLIN_READING_REPLY:
        return poplin_step_reply(client, event);
    case POPLIN_READING_LISTING:
        return poplin_step_listing(client, event);
    case POPLIN_READING_CAPABILITIES:
        return poplin_step_capabilities(client, event);
    case POPLIN_READING_BODY:
        return poplin_step_body(client, event);
    case POPLIN_STARTING_TLS:
    case POPLIN_IN_HANDSHAKE:
        return handshake_awaited(client, event);
    case POPLIN_LEAVING:
        return left(client, event);
    case POPLIN_FAILING:
        client->reading = POPLIN_OVER;
        event->kind = POPLIN_CLIENT_FAILED;
        event->error = &client->error;
        return POPLIN_OK;
    case POPLIN_OVER:
        break;
    }
    return POPLIN_ERR_STATE;
}

int poplin_client_next(poplin_client *client, poplin_client_event *event) {
    int result;
    do {
        *event = (poplin_client_event){0};
        result = step(client, event);
    } while (result == POPLIN_AGAIN);
    return result;
}

void poplin_client_describe(const poplin_client_event *event, poplin_error *error) {
    const char *command = event->verb != POPLIN_NO_VERB         ? poplin_verb_name(event->verb)
                          : event->kind == POPLIN_CLIENT_OPENED ? "login"
                                                                : "command";
    *error = (poplin_error){.status = event->status, .code = event->code};
    if (event->number > 0)
        snprintf(error->doing, sizeof error->doing, "%s %u", command, event->number);
    else
        snprintf(error->doing, sizeof error->doing, "%s", command);
    snprintf(error->reason, sizeof error->reason, "%s", poplin_status_text(event->status));
    poplin_visible(event->text, error->peer, sizeof error->peer);
}

int poplin_client_phase(const poplin_client *client) {
    return client->phase;
}

const char *poplin_client_mechanism(const poplin_client *client) {
    return client->mechanism;
}
