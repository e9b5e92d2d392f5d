/*
 * loop/answers.c - what the host answers: each answer finds its request, or that there is none any more.
 *
 * Nothing goes on in here but the session's own bookkeeping: the driver takes it up afterwards, so that a
 * host that answers a million questions at once, each in its call, needs no deeper stack than one.
 */
#include <stdio.h>
#include <unistd.h>

#include "loop/serving.h"

/* The connection whose request this is, if it is open and one of these kinds; it is closed now. */
static poplin_connection *take(poplin_server *server, poplin_request request, unsigned kinds) {
    if (!poplin_loop_is_ours(server->loop))
        return NULL;
    poplin_connection *connection = poplin_requests_find(&server->requests, request);
    if (connection == NULL || (connection->asked & kinds) == 0)
        return NULL;
    connection->asked = POPLIN_ASKED_NOTHING;
    poplin_connection_wake(connection);
    return connection;
}

int poplin_server_accept(poplin_server *server, poplin_request request) {
    poplin_connection *connection =
        take(server, request, POPLIN_ASKED_CHECK | POPLIN_ASKED_TOKEN | POPLIN_ASKED_COMMIT);
    if (connection == NULL)
        return POPLIN_ERR_STATE;
    poplin_connection_note_commit(connection);
    return poplin_session_accept(connection->session, connection->question);
}

int poplin_server_accept_as(poplin_server *server, poplin_request request, poplin_slice user) {
    poplin_connection *connection = take(server, request, POPLIN_ASKED_CHECK | POPLIN_ASKED_TOKEN);
    if (connection == NULL)
        return POPLIN_ERR_STATE;
    return poplin_session_accept_as(connection->session, connection->question, user);
}

int poplin_server_secret(poplin_server *server, poplin_request request, poplin_slice password) {
    poplin_connection *connection = take(server, request, POPLIN_ASKED_SECRET);
    if (connection == NULL)
        return POPLIN_ERR_STATE;
    return poplin_session_secret(connection->session, connection->question, password);
}

int poplin_server_keys(poplin_server *server, poplin_request request, const poplin_scram_keys *keys) {
    poplin_connection *connection = take(server, request, POPLIN_ASKED_SECRET);
    if (connection == NULL)
        return POPLIN_ERR_STATE;
    return poplin_session_keys(connection->session, connection->question, keys);
}

int poplin_server_refuse(poplin_server *server, poplin_request request, int status, const char *text) {
    poplin_connection *connection = take(server, request, ~(unsigned)(POPLIN_ASKED_DELAY | POPLIN_ASKED_LOCK));
    if (connection == NULL)
        return POPLIN_ERR_STATE;
    connection->source.over = connection->source.kind == POPLIN_SOURCE_PIECES;
    if (!connection->opened)
        poplin_connection_unlock(connection);
    return poplin_session_refuse(connection->session, connection->question, status, text);
}

static void tell_bad_listing(poplin_connection *connection, int status, size_t bad) {
    char reason[sizeof((poplin_error *)NULL)->reason];
    if (status == POPLIN_ERR_LIMIT)
        snprintf(reason, sizeof reason, "more messages than the limit (max_messages) allows");
    else
        snprintf(reason, sizeof reason,
                 "the unique-id at index %zu is not 1 to 70 printable ASCII characters without spaces, or stands twice",
                 bad);
    poplin_server_problem(connection, status, "open a maildrop", reason);
}

/* The request stays open: it is only looked up. */
int poplin_server_terms(poplin_server *server, poplin_request request, const poplin_user_terms *terms) {
    if (!poplin_loop_is_ours(server->loop))
        return POPLIN_ERR_STATE;
    poplin_connection *connection = poplin_requests_find(&server->requests, request);
    if (connection == NULL)
        return POPLIN_ERR_STATE;
    int status = poplin_session_terms(connection->session, connection->question, terms);
    if (status == POPLIN_OK && terms->own_login_delay)
        connection->login_delay = (uint64_t)terms->login_delay * 1000;
    return status;
}

int poplin_server_open(poplin_server *server, poplin_request request, void *maildrop, const poplin_listing *messages,
                       size_t count) {
    poplin_connection *connection = take(server, request, POPLIN_ASKED_MAILDROP);
    if (connection == NULL)
        return POPLIN_ERR_STATE;
    size_t bad = 0;
    int status = poplin_session_open(connection->session, connection->question, messages, count, &bad);
    if (status == POPLIN_OK) {
        connection->opened = true;
        connection->maildrop = maildrop;
        poplin_connection_note_login(connection);
        poplin_connection_trace_login(connection);
        poplin_tapped_login(connection);
        return POPLIN_OK;
    }
    poplin_connection_unlock(connection);
    if (status == POPLIN_ERR_PROTOCOL || status == POPLIN_ERR_LIMIT)
        tell_bad_listing(connection, status, bad);
    return status;
}

/* ---- bodies ---- */

static int lend(poplin_server *server, poplin_request request, enum poplin_asked asked, const void *data, size_t size,
                bool last, void (*released)(void *release_context, const void *data), void *release_context) {
    poplin_connection *connection = take(server, request, asked);
    if (connection != NULL)
        return poplin_body_lend(connection, data, size, last, released, release_context);
    if (released != NULL)
        released(release_context, data);
    return POPLIN_ERR_STATE;
}

int poplin_server_body(poplin_server *server, poplin_request request, const void *data, size_t size,
                       void (*released)(void *release_context, const void *data), void *release_context) {
    return lend(server, request, POPLIN_ASKED_BODY, data, size, true, released, release_context);
}

int poplin_server_piece(poplin_server *server, poplin_request request, const void *data, size_t size, bool last,
                        void (*released)(void *release_context, const void *data), void *release_context) {
    return lend(server, request, POPLIN_ASKED_PIECE, data, size, last, released, release_context);
}

int poplin_server_body_file(poplin_server *server, poplin_request request, int descriptor) {
    poplin_connection *connection = take(server, request, POPLIN_ASKED_BODY);
    if (connection != NULL)
        return poplin_body_from_file(connection, descriptor);
    (void)close(descriptor);
    return POPLIN_ERR_STATE;
}

int poplin_server_body_pieces(poplin_server *server, poplin_request request, void *pieces) {
    poplin_connection *connection = take(server, request, POPLIN_ASKED_BODY);
    if (connection == NULL)
        return POPLIN_ERR_STATE;
    connection->source = (poplin_source){.kind = POPLIN_SOURCE_PIECES, .wanted = true, .pieces = pieces};
    return POPLIN_OK;
}
