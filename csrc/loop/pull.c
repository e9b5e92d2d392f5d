/*
 * loop/pull.c - a link's machine, asked for its next event and fed from the transport when it has none.
 *
 * Nothing is decoded before somebody asks: what the host does not pull stays in the receive buffer and then in the
 * server, by TCP's back-pressure.
 */
#include "loop/link.h"

#include <stdio.h>

int poplin_link_flush(poplin_link *link) {
    const char *data;
    size_t size, taken;
    if (link->traced != poplin_loop_is_traced(link->loop))
        poplin_link_retrace(link);
    poplin_client_output(link->client, &data, &size);
    while (size > 0) {
        int status = poplin_transport_write(&link->transport, data, size, &taken);
        if (status != POPLIN_OK)
            return poplin_link_tls_failed(link);
        if (taken == 0)
            return POPLIN_OK;
        poplin_client_sent(link->client, taken);
        poplin_client_output(link->client, &data, &size);
    }
    return POPLIN_OK;
}

/* Nothing came for too long. After an answered QUIT there is nothing to wait for but the server's end. */
static int timed_out(poplin_link *link) {
    const char *doing = poplin_buffer_slice(&link->greeting).data ? "waiting for a reply" : "waiting for the greeting";
    char time[24];
    if (link->quit)
        return POPLIN_END;
    if (link->total.expired)
        return poplin_link_out_of_total(link, doing);
    bool mute = link->transport.octets == 0 && !link->transport.tls;
    return poplin_link_fail_because(link, POPLIN_ERR_TIMEOUT, doing, "the server sent nothing for %s%s",
                                    poplin_duration(link->config.reply_ms, time),
                                    mute ? "; if this port speaks TLS from the first octet, use pop3s://" : "");
}

/*
 * The transport's next octets, as poplin_transport_peek; a deadline that has run out is found to be true here, when
 * there really is nothing. Past the total, what is there already counts, once.
 */
static int look(poplin_link *link, poplin_slice *octets) {
    if (link->total.expired && link->looked)
        return timed_out(link);
    link->looked = link->total.expired;
    int status = poplin_transport_peek(&link->transport, octets);
    if (status != POPLIN_NEED_INPUT || !(link->reply.expired || link->total.expired))
        return status;
    if (!poplin_transport_poll_again(&link->transport) && link->transport.octets == link->heard)
        return timed_out(link);
    return poplin_transport_peek(&link->transport, octets);
}

/* Nothing comes any more. END: the machine is to be asked what it makes of that. */
static int tell_end(poplin_link *link, bool clean) {
    if (poplin_client_eof(link->client, clean) != POPLIN_OK)
        return poplin_link_fail_because(link, POPLIN_ERR_CLOSED, "", "the connection is closed");
    return POPLIN_END;
}

/* The machine has used up what it was lent. END: it was given more, or told that nothing comes, and is to be asked again. */
static int feed(poplin_link *link) {
    poplin_slice octets = {NULL, 0};
    int status = poplin_link_flush(link);
    if (status != POPLIN_OK)
        return status;
    if (link->body_out) {
        link->body_out = false;
        return POPLIN_WAITING;
    }
    poplin_transport_consume(&link->transport, link->lent);
    link->lent = 0;
    status = look(link, &octets);
    if (status == POPLIN_OK) {
        link->lent = octets.size;
        status = poplin_client_input(link->client, octets.data, octets.size);
        return status == POPLIN_OK ? POPLIN_END
                                   : poplin_link_fail_because(link, status, "", "%s", poplin_status_text(status));
    }
    if (status == POPLIN_END) /* in clear nobody can tell an end from a cut */
        return tell_end(link, !link->transport.tls || poplin_transport_is_clean(&link->transport));
    if (status == POPLIN_ERR_TLS)
        return poplin_link_tls_failed(link);
    if (status < 0)
        return poplin_link_fail_because(link, status, "", "%s", poplin_status_text(status));
    return status;
}

/* Keeps what the link itself needs of an event. */
static int note_greeting(poplin_link *link, const poplin_client_event *event) {
    int status = poplin_buffer_append(&link->greeting, event->text.data ? event->text.data : "", event->text.size);
    if (status == POPLIN_OK)
        status = poplin_buffer_append(&link->greeting, "", 1); /* so that an empty one is there, too */
    return status == POPLIN_OK ? status : poplin_link_fail_because(link, status, "", "out of memory");
}

static void note_opened(poplin_link *link, const poplin_client_event *event) {
    const poplin_reply reply = {.status = event->status, .code = event->code, .text = event->text};
    if (event->tag != POPLIN_OPENING_TAG || link->opened)
        return;
    link->opened = true;
    link->opening = event->status;
    if (event->status == POPLIN_OK)
        return;
    if (event->answer.size > 0) /* out of memory it is not told, which is no worse than a server that tells nothing */
        (void)poplin_buffer_append(&link->answer, event->answer.data, event->answer.size);
    poplin_link_describe(link, event->verb, &reply, &link->calls.refusal);
    (void)snprintf(link->calls.refusal.doing, sizeof link->calls.refusal.doing, "login");
}

static int machine_failed(poplin_link *link, const poplin_error *failure) {
    poplin_error error = *failure;
    if (poplin_link_is_answered_in_tls(link))
        (void)snprintf(error.reason, sizeof error.reason,
                       "the server speaks TLS from the first octet on this port: use pop3s://");
    return poplin_link_end(link, &error);
}

static int closed(poplin_link *link) {
    (void)poplin_link_fail_because(link, POPLIN_ERR_CLOSED, "", "the session has ended with QUIT");
    return POPLIN_OK;
}

/* OK: the event is the caller's; END: it was the link's own. */
static int note(poplin_link *link, const poplin_client_event *event) {
    int status;
    switch (event->kind) {
    case POPLIN_CLIENT_GREETING:
        return note_greeting(link, event);
    case POPLIN_CLIENT_START_TLS:
        status = poplin_link_start_stls(link);
        return status == POPLIN_OK ? POPLIN_END : status;
    case POPLIN_CLIENT_OPENED:
        note_opened(link, event);
        return POPLIN_OK;
    case POPLIN_CLIENT_REPLY:
        link->quit = link->quit || event->verb == POPLIN_QUIT;
        return POPLIN_OK;
    case POPLIN_CLIENT_BODY:
        link->body_out = true;
        return POPLIN_OK;
    case POPLIN_CLIENT_CLOSED:
        return closed(link);
    case POPLIN_CLIENT_FAILED:
        return machine_failed(link, event->error);
    default:
        return POPLIN_OK;
    }
}

static int next_event(poplin_link *link, poplin_client_event *event) {
    if (!link->has_early)
        return poplin_client_next(link->client, event);
    link->has_early = false;
    *event = link->early;
    return POPLIN_OK;
}

void poplin_link_settle(poplin_link *link) {
    if (link->stage != POPLIN_LINK_TALKING || link->lent == 0 || link->body_out || link->has_early ||
        poplin_client_outstanding(link->client) > 0)
        return;
    int status = poplin_client_next(link->client, &link->early);
    link->has_early = status == POPLIN_OK;
    if (status == POPLIN_NEED_INPUT) {
        poplin_transport_consume(&link->transport, link->lent);
        link->lent = 0;
    }
}

int poplin_link_pull(poplin_link *link, poplin_client_event *event) {
    if (!poplin_loop_is_ours(link->loop))
        return POPLIN_ERR_STATE;
    for (;;) {
        int status = poplin_link_advance(link);
        if (status != POPLIN_OK)
            return status;
        status = next_event(link, event);
        if (status == POPLIN_OK)
            status = note(link, event);
        else if (status == POPLIN_NEED_INPUT)
            status = feed(link);
        else
            status = poplin_link_fail_because(link, status, "", "%s", poplin_status_text(status));
        if (status != POPLIN_END)
            return status;
    }
}
