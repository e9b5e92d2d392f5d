/*
 * loop/asking.c - a session's events, each of which asks something of the backend or tells it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop/serving.h"

poplin_request poplin_ask(poplin_connection *connection, enum poplin_asked asked, uint64_t question) {
    connection->asked = asked;
    connection->question = question;
    return poplin_requests_open(&connection->server->requests, connection->place);
}

void poplin_server_problem(poplin_connection *connection, int status, const char *doing, const char *reason) {
    poplin_server *server = connection->server;
    if (server->backend.problem == NULL)
        return;
    poplin_error error = {.status = status};
    snprintf(error.doing, sizeof error.doing, "%s", doing);
    snprintf(error.reason, sizeof error.reason, "%s", reason);
    server->backend.problem(server->context, &error);
}

static void refuse(poplin_connection *connection, uint64_t question, int status, const char *text) {
    (void)poplin_session_refuse(connection->session, question, status, text);
}

/* Whether the backend has the function; asks says so, but nobody is let in where it is wrong. */
static bool can_answer(const poplin_backend *backend, enum poplin_asked asked) {
    return asked == POPLIN_ASKED_CHECK    ? backend->check != NULL
           : asked == POPLIN_ASKED_SECRET ? backend->secret != NULL
                                          : backend->token != NULL;
}

/* Asks who it is that logs in. proof: the password or token that was shown; with the name, it lives during the call. */
static void ask_who(poplin_connection *connection, const poplin_session_event *event, enum poplin_asked asked,
                    poplin_slice user, poplin_slice proof) {
    poplin_server *server = connection->server;
    const poplin_backend *backend = &server->backend;
    poplin_request request = poplin_ask(connection, asked, event->question);
    if (asked == POPLIN_ASKED_CHECK)
        backend->check(server->context, server, request, user, proof);
    else if (asked == POPLIN_ASKED_SECRET)
        backend->secret(server->context, server, request, user, event->mechanism);
    else
        backend->token(server->context, server, request, user, proof);
}

/* What was shown is copied, since the session wipes its own as soon as the backend answers. */
static void ask_login(poplin_connection *connection, const poplin_session_event *event, enum poplin_asked asked) {
    poplin_slice proof = asked == POPLIN_ASKED_CHECK ? event->password : event->token;
    poplin_buffer copy = {0};
    if (!can_answer(&connection->server->backend, asked) ||
        poplin_buffer_append(&copy, event->user.data, event->user.size) != POPLIN_OK ||
        poplin_buffer_append(&copy, proof.data, proof.size) != POPLIN_OK) {
        refuse(connection, event->question, POPLIN_ERR_TEMPORARY, NULL);
    } else {
        const char *octets = poplin_buffer_slice(&copy).data;
        poplin_slice user = {event->user.size > 0 ? octets : NULL, event->user.size};
        ask_who(connection, event, asked, user, (poplin_slice){octets + user.size, proof.size});
    }
    poplin_buffer_free(&copy);
}

/* Keeps the name, and takes the lock where there are locks; who deletes nothing needs none. */
static int claim(poplin_connection *connection, poplin_slice user, bool read_only) {
    poplin_server *server = connection->server;
    char *copy = malloc(user.size + 1);
    if (copy == NULL)
        return POPLIN_ERR_TEMPORARY;
    if (user.size > 0)
        memcpy(copy, user.data, user.size);
    free(connection->user);
    connection->user = copy;
    connection->user_size = user.size;
    if (server->config.lock != POPLIN_LOCK_EXCLUSIVE || read_only)
        return POPLIN_OK;
    int status = poplin_locks_take(&server->locks, user, &connection->lock);
    return status == POPLIN_ERR_NOMEM ? POPLIN_ERR_TEMPORARY : status;
}

static const char IN_USE[] = "another session has this maildrop open";

static void ask_for_maildrop(poplin_connection *connection, uint64_t question) {
    poplin_server *server = connection->server;
    poplin_slice user = {connection->user, connection->user_size};
    poplin_request request = poplin_ask(connection, POPLIN_ASKED_MAILDROP, question);
    server->backend.maildrop(server->context, server, request, user);
}

static void ask_maildrop(poplin_connection *connection, const poplin_session_event *event) {
    poplin_server *server = connection->server;
    if (!event->read_only && poplin_connection_is_early(connection, event->user, event->question))
        return;
    connection->mechanism = event->mechanism;
    connection->read_only = event->read_only;
    connection->login_delay = server->logins.delay;
    int status = claim(connection, event->user, event->read_only);
    if (status == POPLIN_OK) {
        ask_for_maildrop(connection, event->question);
    } else if (status == POPLIN_ERR_IN_USE && server->config.lock_wait_ms > 0) {
        (void)poplin_ask(connection, POPLIN_ASKED_LOCK, event->question);
        poplin_locks_queue(&server->locks, event->user, &connection->place_in_queue);
    } else {
        refuse(connection, event->question, status, status == POPLIN_ERR_IN_USE ? IN_USE : NULL);
    }
}

/* Others may have logged in meanwhile: it may be too early again. */
void poplin_connection_end_wait(poplin_connection *connection) {
    poplin_slice user = {connection->user, connection->user_size};
    poplin_locks_leave(&connection->place_in_queue);
    connection->asked = POPLIN_ASKED_NOTHING;
    if (connection->lock == NULL)
        refuse(connection, connection->question, POPLIN_ERR_IN_USE, IN_USE);
    else if (poplin_connection_is_early(connection, user, connection->question))
        poplin_connection_unlock(connection);
    else
        ask_for_maildrop(connection, connection->question);
}

/* For poplin_connection_note_commit. Without the memory the others are told nothing, as without this lock. */
static void keep_committing(poplin_connection *connection, const poplin_slice *unique_ids, size_t count) {
    connection->committing = malloc(count * sizeof *unique_ids);
    if (connection->committing == NULL)
        return;
    memcpy(connection->committing, unique_ids, count * sizeof *unique_ids);
    connection->committing_count = count;
}

/* The indexes are copied, since the session may drop its own as soon as the backend answers. */
static void ask_commit(poplin_connection *connection, const poplin_session_event *event) {
    poplin_server *server = connection->server;
    poplin_slice *unique_ids = malloc(event->count * (sizeof *unique_ids + sizeof *event->indexes));
    if (unique_ids == NULL) {
        refuse(connection, event->question, POPLIN_ERR_TEMPORARY, NULL);
        return;
    }
    size_t *indexes = (size_t *)(void *)(unique_ids + event->count);
    memcpy(indexes, event->indexes, event->count * sizeof *indexes);
    for (size_t i = 0; i < event->count; i++)
        unique_ids[i] = poplin_session_unique_id(connection->session, indexes[i]);
    if (server->config.lock == POPLIN_LOCK_SNAPSHOT)
        keep_committing(connection, unique_ids, event->count);
    poplin_tapped_commit(connection, event);
    poplin_request request = poplin_ask(connection, POPLIN_ASKED_COMMIT, event->question);
    server->backend.commit(server->context, server, request, connection->maildrop, indexes, unique_ids, event->count);
    free(unique_ids);
}

static bool is_of_same_user(const poplin_connection *connection, const poplin_connection *other) {
    return other != connection && other->opened && other->user_size == connection->user_size &&
           memcmp(other->user, connection->user, connection->user_size) == 0;
}

/* Where there is no memory to tell one, its host has to say that a message is gone. */
void poplin_connection_note_commit(poplin_connection *connection) {
    if (connection->committing == NULL)
        return;
    for (poplin_connection *other = connection->server->connections; other != NULL; other = other->next)
        if (is_of_same_user(connection, other))
            (void)poplin_session_gone(other->session, connection->committing, connection->committing_count);
}

static void tell_mismatch(poplin_connection *connection, const poplin_session_event *event) {
    char doing[64], reason[256];
    snprintf(doing, sizeof doing, "RETR %zu", event->index + 1);
    snprintf(reason, sizeof reason, "unique-id %.*s: %llu octets were announced, %llu were sent",
             (int)event->unique_id.size, event->unique_id.data, (unsigned long long)event->announced,
             (unsigned long long)event->octets);
    poplin_server_problem(connection, POPLIN_ERR_PROTOCOL, doing, reason);
}

void poplin_connection_unlock(poplin_connection *connection) {
    poplin_locks_leave(&connection->place_in_queue);
    poplin_lock_place *next = poplin_locks_drop(&connection->server->locks, connection->lock);
    if (next != NULL) {
        poplin_connection *heir =
            (poplin_connection *)(void *)((char *)next - offsetof(poplin_connection, place_in_queue));
        heir->lock = connection->lock;
        poplin_connection_wake(heir);
    }
    connection->lock = NULL;
}

/*
 * Everything is set before the host hears of it, since it may free the server in any of its functions. The lock goes
 * last: whoever sees that close was called may log in again.
 */
static void end(poplin_connection *connection, const poplin_session_event *event) {
    poplin_server *server = connection->server;
    connection->phase = POPLIN_LEAVING;
    server->sessions--;
    poplin_connection_trace_end(connection, event->outcome, event->error);
    poplin_tapped_ended(connection, event);
    if (connection->opened) {
        connection->opened = false;
        poplin_session_end told = {event->outcome, {connection->user, connection->user_size}, event->error};
        server->backend.close(server->context, connection->maildrop, &told);
    }
    poplin_connection_unlock(connection);
}

void poplin_connection_handle(poplin_connection *connection, const poplin_session_event *event) {
    switch (event->kind) {
    case POPLIN_SESSION_CHECK:
        ask_login(connection, event, POPLIN_ASKED_CHECK);
        break;
    case POPLIN_SESSION_SECRET:
        ask_login(connection, event, POPLIN_ASKED_SECRET);
        break;
    case POPLIN_SESSION_TOKEN:
        ask_login(connection, event, POPLIN_ASKED_TOKEN);
        break;
    case POPLIN_SESSION_DELAY:
        poplin_connection_delay(connection, event);
        break;
    case POPLIN_SESSION_MAILDROP:
        ask_maildrop(connection, event);
        break;
    case POPLIN_SESSION_BODY:
        poplin_body_ask(connection, event);
        break;
    case POPLIN_SESSION_BODY_DONE:
        poplin_body_done(connection);
        break;
    case POPLIN_SESSION_COMMIT:
        ask_commit(connection, event);
        break;
    case POPLIN_SESSION_START_TLS:
        connection->phase = POPLIN_STARTING_TLS;
        break;
    case POPLIN_SESSION_MISMATCH:
        tell_mismatch(connection, event);
        break;
    case POPLIN_SESSION_COMMAND:
        poplin_tapped_command(connection, event->command);
        break;
    case POPLIN_SESSION_REPLIED:
        poplin_tapped_replied(connection);
        break;
    case POPLIN_SESSION_CLOSED:
        end(connection, event);
        break;
    }
}

void poplin_connection_finish(poplin_connection *connection) {
    poplin_session_event event;
    while (connection->phase < POPLIN_LEAVING && poplin_session_next(connection->session, &event) == POPLIN_OK)
        poplin_connection_handle(connection, &event);
}
