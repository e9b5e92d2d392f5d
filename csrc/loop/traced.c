/*
 * loop/traced.c - what a link, or a server's connection, tells of itself for the trace of its loop.
 */
#include <stdarg.h>
#include <stdio.h>

#include "loop/link.h"
#include "loop/serving.h"
#include "wire/grammar.h"

/* ---- links ---- */

static void tell_link(void *context, enum poplin_trace_kind kind, const char *text) {
    const poplin_link *link = context;
    const poplin_trace_line line = {.kind = kind, .connection = link->number, .peer = link->where, .text = text};
    poplin_loop_tell(link->loop, &line);
}

void poplin_link_retrace(poplin_link *link) {
    link->traced = poplin_loop_is_traced(link->loop); /* logins, too, are known to the machine alone */
    poplin_client_trace(link->client, link->traced ? tell_link : NULL, link);
}

void poplin_link_trace_connected(poplin_link *link) {
    char peer[64], text[POPLIN_TRACE_MAX];
    if (!poplin_loop_traces(link->loop, POPLIN_TRACE_NOTE))
        return;
    poplin_peer_name(poplin_watch_descriptor(link->transport.watch), peer, sizeof peer);
    (void)snprintf(text, sizeof text, "connected to %s", peer);
    tell_link(link, POPLIN_TRACE_NOTE, text);
}

void poplin_link_trace_tls(poplin_link *link) {
    char text[POPLIN_TRACE_MAX];
    if (!poplin_loop_traces(link->loop, POPLIN_TRACE_NOTE))
        return;
    poplin_trace_tls(link->transport.tls, false, text, sizeof text);
    tell_link(link, POPLIN_TRACE_NOTE, text);
}

void poplin_link_trace_end(poplin_link *link) {
    char failure[POPLIN_TRACE_MAX - 16], text[POPLIN_TRACE_MAX];
    if (!poplin_loop_traces(link->loop, POPLIN_TRACE_NOTE))
        return;
    if (link->error.status == POPLIN_OK) {
        tell_link(link, POPLIN_TRACE_NOTE, link->quit ? "closed after QUIT" : "closed without QUIT");
        return;
    }
    poplin_trace_failure(&link->error, failure, sizeof failure);
    (void)snprintf(text, sizeof text, "%s: %s", link->quit ? "closed" : "failed", failure);
    tell_link(link, POPLIN_TRACE_NOTE, text);
}

/* ---- connections of servers ---- */

static void tell_connection(void *context, enum poplin_trace_kind kind, const char *text) {
    poplin_connection *connection = context;
    poplin_watch *watch = connection->transport.watch;
    if (connection->peer[0] == '\0' && watch != NULL)
        poplin_peer_name(poplin_watch_descriptor(watch), connection->peer, sizeof connection->peer);
    const poplin_trace_line line = {
        .kind = kind, .server = true, .connection = connection->number, .peer = connection->peer, .text = text};
    poplin_loop_tell(connection->server->loop, &line);
}

void poplin_connection_retrace(poplin_connection *connection) {
    connection->traced = poplin_loop_traces_talk(connection->server->loop);
    poplin_session_trace(connection->session, connection->traced ? tell_connection : NULL, connection);
}

static bool is_noted(const poplin_connection *connection) {
    return poplin_loop_traces(connection->server->loop, POPLIN_TRACE_NOTE);
}

/* The session has made its greeting before anybody could be told. */
static void tell_greeting(poplin_connection *connection) {
    char text[POPLIN_TRACE_MAX];
    poplin_slice greeting;
    if (!poplin_loop_traces(connection->server->loop, POPLIN_TRACE_SENT))
        return;
    poplin_session_output(connection->session, &greeting.data, &greeting.size);
    poplin_visible((poplin_slice){greeting.data, greeting.size - 2}, text, sizeof text);
    tell_connection(connection, POPLIN_TRACE_SENT, text);
}

void poplin_connection_trace_begun(poplin_connection *connection) {
    if (is_noted(connection))
        tell_connection(connection, POPLIN_TRACE_NOTE, "connected");
    if (connection->phase == POPLIN_TALKING)
        tell_greeting(connection);
}

void poplin_connection_trace_tls(poplin_connection *connection) {
    char text[POPLIN_TRACE_MAX];
    if (is_noted(connection)) {
        poplin_trace_tls(connection->transport.tls, true, text, sizeof text);
        tell_connection(connection, POPLIN_TRACE_NOTE, text);
    }
    if (connection->server->config.tls == POPLIN_TLS_IMPLICIT)
        tell_greeting(connection);
}

void poplin_connection_trace_login(poplin_connection *connection) {
    char user[POPLIN_TRACE_MAX / 2], text[POPLIN_TRACE_MAX];
    if (!is_noted(connection))
        return;
    poplin_visible((poplin_slice){connection->user, connection->user_size}, user, sizeof user);
    (void)snprintf(text, sizeof text, "logged in as %s by %s", user, connection->mechanism);
    tell_connection(connection, POPLIN_TRACE_NOTE, text);
}

void poplin_connection_trace_end(poplin_connection *connection, enum poplin_outcome outcome,
                                 const poplin_error *error) {
    char failure[POPLIN_TRACE_MAX - 32], text[POPLIN_TRACE_MAX];
    if (!is_noted(connection))
        return;
    failure[0] = '\0';
    if (error != NULL)
        poplin_trace_failure(error, failure, sizeof failure);
    (void)snprintf(text, sizeof text, "%s%s%s", poplin_outcome_word(outcome), error != NULL ? ": " : "", failure);
    tell_connection(connection, POPLIN_TRACE_NOTE, text);
}
