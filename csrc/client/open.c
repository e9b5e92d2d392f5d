/*
 * client/open.c - the opening: greeting, CAPA, STLS, CAPA (RFC 2595 section 4), then the login (login.c), as commands of the
 * machine's own: each reply decides what comes next.
 *
 * Policy is settled before any secret is sent: an STLS that did not come about is never followed by a weaker attempt.
 */
#include "client/machine.h"

static const poplin_slice nothing = {NULL, 0};

int poplin_opening_queue(poplin_client *client, enum poplin_verb verb) {
    return poplin_step_queue(client, &(poplin_pending){.verb = verb, .internal = true});
}

int poplin_opening_going_on(poplin_client *client, int status) {
    if (status < 0)
        return poplin_step_fail(client, status, nothing, poplin_status_text(status));
    return POPLIN_AGAIN;
}

bool poplin_opening_wants_tls(const poplin_client *client) {
    enum poplin_tls_mode mode = client->config.tls;
    return !client->tls && (mode == POPLIN_TLS_STLS || (mode == POPLIN_TLS_AUTO && !client->config.link_protected));
}

void poplin_opening_end(poplin_client *client) {
    poplin_login_forget(&client->opening);
    client->opening.active = false;
    client->opening.due = POPLIN_NOTHING_DUE;
}

int poplin_opening_done(poplin_client *client, int status, poplin_client_event *event) {
    poplin_opening *opening = &client->opening;
    *event = (poplin_client_event){
        .kind = POPLIN_CLIENT_OPENED,
        .tag = opening->tag,
        .status = status,
        .code = opening->code,
        .text = poplin_buffer_slice(&opening->said),
        .answer = poplin_buffer_slice(&opening->answer),
    };
    poplin_opening_end(client);
    return POPLIN_OK;
}

/* ---- begun by the host ---- */

static int begin(poplin_client *client, const poplin_credentials *credentials, uint64_t tag) {
    poplin_opening *opening = &client->opening;
    int status = credentials != NULL ? poplin_login_keep(client, credentials) : POPLIN_OK;
    if (status < 0)
        return status;
    opening->active = true;
    opening->wants_login = credentials != NULL;
    opening->tag = tag;
    opening->code = POPLIN_CODE_NONE;
    poplin_buffer_clear(&opening->said);
    poplin_buffer_clear(&opening->answer);
    return POPLIN_OK;
}

int poplin_client_open(poplin_client *client, const poplin_credentials *credentials, uint64_t tag) {
    if (client->reading != POPLIN_READING_GREETING || client->opening.active)
        return POPLIN_ERR_STATE;
    return begin(client, credentials, tag);
}

int poplin_client_login(poplin_client *client, const poplin_credentials *credentials, uint64_t tag) {
    if (client->phase != POPLIN_AUTHORIZATION || client->reading != POPLIN_READING_REPLY || client->opening.active ||
        client->quitting || client->challenged || client->queue.count > 0)
        return POPLIN_ERR_STATE;
    int status = begin(client, credentials, tag);
    if (status == POPLIN_OK)
        poplin_login_begin(client); /* a policy that is not met fails the machine: the next event */
    return status;
}

/* ---- one step after the other ---- */

int poplin_opening_ask(poplin_client *client) {
    return client->opening.active ? poplin_opening_queue(client, POPLIN_CAPA) : POPLIN_OK;
}

int poplin_opening_go_on(poplin_client *client, poplin_client_event *event) {
    if (poplin_opening_wants_tls(client)) {
        if (poplin_capabilities_have(&client->capabilities, "STLS", NULL))
            return poplin_opening_going_on(client, poplin_opening_queue(client, POPLIN_STLS));
        return poplin_step_fail(
            client, POPLIN_ERR_UNSUPPORTED, nothing,
            "the server offers no STLS; use pop3s://, or tls='never' to send the password in clear");
    }
    if (client->config.utf8 && !client->opened_utf8 && poplin_capabilities_have(&client->capabilities, "UTF8", NULL)) {
        client->opened_utf8 = client->utf8 = true;
        return poplin_opening_going_on(client, poplin_opening_queue(client, POPLIN_UTF8));
    }
    if (client->opening.wants_login && client->phase == POPLIN_AUTHORIZATION)
        return poplin_login_begin(client);
    return poplin_opening_done(client, POPLIN_OK, event);
}

static int stls_answered(poplin_client *client, const poplin_status_line *status) {
    if (!status->ok)
        return poplin_step_fail(client, POPLIN_ERR_TLS, status->text,
                                "the server refused STLS; use pop3s://, or tls='never' to send the password in clear");
    poplin_step_answered(client);
    client->reading = POPLIN_STARTING_TLS;
    return POPLIN_AGAIN;
}

int poplin_opening_reply(poplin_client *client, const poplin_status_line *status, poplin_client_event *event) {
    switch (poplin_step_head(client)->verb) {
    case POPLIN_CAPA:
        if (status->ok) {
            poplin_capabilities_clear(&client->capabilities);
            client->reading = POPLIN_READING_CAPABILITIES;
            return POPLIN_AGAIN;
        }
        poplin_step_answered(client);
        return poplin_opening_go_on(client, event);
    case POPLIN_STLS:
        return stls_answered(client, status);
    case POPLIN_UTF8: /* a server that then refuses it serves its mail without */
        client->utf8 = status->ok;
        poplin_step_answered(client);
        return poplin_opening_go_on(client, event);
    default:
        return poplin_login_reply(client, status, event);
    }
}
