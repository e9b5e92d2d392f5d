/*
 * loop/patience.c - what a connection waits for, and how long it does (POP-TMO-1 to -4).
 *
 * A deadline is set when something new is awaited, and set anew when what is awaited has come in part.
 */
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "loop/serving.h"

/* How long a peer may take to close after the last octet went out. */
#define LINGER_MS 2000

/* Whether output has not gone out that is to go out at all. */
static bool has_unsent(const poplin_connection *connection) {
    return (!connection->mute && !poplin_outward_is_empty(connection)) ||
           poplin_transport_is_pending(&connection->transport);
}

/* A tap's pause comes first: what it holds back was said before the login failed. */
static bool is_paused(const poplin_connection *connection) {
    return !connection->mute && poplin_outward_step(connection) == POPLIN_TAP_PAUSE;
}

static enum poplin_awaited awaited_now(const poplin_connection *connection) {
    if (is_paused(connection))
        return POPLIN_AWAITS_PAUSE;
    switch (connection->phase) {
    case POPLIN_SHAKING_HANDS:
        return POPLIN_AWAITS_HANDSHAKE;
    case POPLIN_LINGERING:
        return POPLIN_AWAITS_CLOSE;
    case POPLIN_SILENT:
        return POPLIN_AWAITS_NOTHING;
    case POPLIN_TALKING:
        if (connection->asked == POPLIN_ASKED_DELAY)
            return POPLIN_AWAITS_DELAY;
        if (connection->asked == POPLIN_ASKED_LOCK)
            return POPLIN_AWAITS_LOCK;
        if (connection->unfinished || connection->asked != POPLIN_ASKED_NOTHING)
            return POPLIN_AWAITS_NOTHING;
        return has_unsent(connection) ? POPLIN_AWAITS_ROOM : POPLIN_AWAITS_COMMAND;
    default:
        return POPLIN_AWAITS_ROOM;
    }
}

static uint64_t allowed(const poplin_connection *connection) {
    const poplin_server_config *config = &connection->server->config;
    switch (connection->awaited) {
    case POPLIN_AWAITS_HANDSHAKE:
        return config->handshake_ms;
    case POPLIN_AWAITS_COMMAND:
        return config->inactivity_ms;
    case POPLIN_AWAITS_ROOM:
        return config->stall_ms;
    case POPLIN_AWAITS_PAUSE:
        return poplin_tapped_pause(connection);
    case POPLIN_AWAITS_DELAY:
        return connection->delay;
    case POPLIN_AWAITS_LOCK:
        return config->lock_wait_ms;
    default:
        return LINGER_MS;
    }
}

/* Octets of output that the kernel holds: the client has not taken them. */
static size_t held(const poplin_connection *connection) {
    int octets = 0;
    (void)ioctl(poplin_watch_descriptor(connection->transport.watch), SIOCOUTQ, &octets);
    return octets > 0 ? (size_t)octets : 0;
}

/*
 * A number that changes whenever the client takes output. What the kernel holds counts as not taken: a slow client that
 * drains it may take longer than the time allowed before the socket has room again.
 */
static uint64_t output_mark(const poplin_connection *connection) {
    const char *data;
    size_t encrypted = 0;
    if (connection->transport.tls != NULL)
        poplin_tls_output(connection->transport.tls, &data, &encrypted);
    return connection->taken - encrypted - held(connection);
}

/* How far things had moved, for what is awaited. */
static uint64_t progress_mark(const poplin_connection *connection) {
    if (connection->awaited == POPLIN_AWAITS_PAUSE)
        return poplin_tapped_pauses(connection);
    bool question = connection->awaited == POPLIN_AWAITS_DELAY || connection->awaited == POPLIN_AWAITS_LOCK;
    return question ? connection->question : output_mark(connection);
}

/* Whether what is awaited has come, in part at least, since the deadline was set. */
static bool has_moved(const poplin_connection *connection) {
    switch (connection->awaited) {
    case POPLIN_AWAITS_COMMAND: /* which cannot come while the client still drains the last reply */
        return poplin_session_commands(connection->session) != connection->commands ||
               (held(connection) > 0 && output_mark(connection) != connection->progress);
    case POPLIN_AWAITS_ROOM:
    case POPLIN_AWAITS_PAUSE:
    case POPLIN_AWAITS_DELAY:
    case POPLIN_AWAITS_LOCK:
        return progress_mark(connection) != connection->progress;
    default:
        return false;
    }
}

bool poplin_connection_is_late(poplin_connection *connection) {
    enum poplin_awaited awaited = awaited_now(connection);
    if (awaited == POPLIN_AWAITS_NOTHING) {
        connection->awaited = awaited;
        poplin_deadline_clear(&connection->deadline);
    } else if (awaited != connection->awaited || has_moved(connection)) {
        connection->awaited = awaited;
        connection->commands = poplin_session_commands(connection->session);
        connection->progress = progress_mark(connection);
        poplin_deadline_set(&connection->deadline, allowed(connection));
    } else {
        return connection->deadline.expired;
    }
    return false;
}
