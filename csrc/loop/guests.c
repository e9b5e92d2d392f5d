/*
 * loop/guests.c - who may not log in just now: one who gave a wrong password hears of it the later the more often that was (T-BRU-1),
 * and one who logged in a moment ago has to wait (RFC 2449 section 6.5).
 *
 * A delay holds up its own connection and nobody else: the session waits for an answer as it does for the host's, and a deadline
 * gives it.
 */
#include <stdio.h>

#include "loop/serving.h"

/* How often the delay doubles. */
#define DOUBLINGS_MAX 4

/* How many logins failed in this session or lately from the same address, whichever is more; this one is noted. */
static unsigned count_failures(poplin_connection *connection, unsigned in_session) {
    poplin_server *server = connection->server;
    bool own_machine = server->config.loopback_protected && connection->transport.loopback;
    if (own_machine || !connection->origin.has_network)
        return in_session;
    unsigned from_there =
        poplin_failures_note(&server->failures, connection->origin.network, poplin_loop_now(server->loop));
    return from_there > in_session ? from_there : in_session;
}

static uint64_t delay_after(const poplin_server *server, unsigned failures) {
    unsigned doublings = failures > DOUBLINGS_MAX ? DOUBLINGS_MAX : failures - 1;
    return (uint64_t)server->config.failed_login_ms << doublings;
}

/* Set before the host hears of it, since it may free the server. */
void poplin_connection_delay(poplin_connection *connection, const poplin_session_event *event) {
    poplin_server *server = connection->server;
    connection->delay = delay_after(server, count_failures(connection, event->failures));
    (void)poplin_ask(connection, POPLIN_ASKED_DELAY, event->question);
    if (server->backend.login_failed != NULL)
        server->backend.login_failed(server->context, event->user, connection->origin.address, event->mechanism);
}

void poplin_connection_end_delay(poplin_connection *connection) {
    connection->asked = POPLIN_ASKED_NOTHING;
    (void)poplin_session_accept(connection->session, connection->question);
}

bool poplin_connection_is_early(poplin_connection *connection, poplin_slice user, uint64_t question) {
    poplin_server *server = connection->server;
    uint64_t wait = poplin_logins_wait(&server->logins, user, poplin_loop_now(server->loop));
    char text[64];
    if (wait == 0)
        return false;
    snprintf(text, sizeof text, "wait %llu s before the next login", (unsigned long long)(wait + 999) / 1000);
    (void)poplin_session_refuse_with(connection->session, question, POPLIN_CODE_LOGIN_DELAY, text);
    return true;
}

void poplin_connection_note_login(poplin_connection *connection) {
    poplin_server *server = connection->server;
    poplin_slice user = {connection->user, connection->user_size};
    if (!connection->read_only)
        poplin_logins_note(&server->logins, user, connection->login_delay, poplin_loop_now(server->loop));
}
