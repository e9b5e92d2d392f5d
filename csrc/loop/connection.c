/*
 * loop/connection.c - one connection of a server, driven: handshake, conversation, farewell, and the deadlines of each.
 *
 * A run goes on until there is nothing left to do, or until it has done its share and others get their turn. Replies
 * leave when the session wants more input or has enough output, so that many pipelined commands share a write.
 */
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "loop/serving.h"

/* What one run may do: an event costs one unit, a buffer filled or emptied as many as WHOLE_BUFFER. */
#define SHARE 256
#define WHOLE_BUFFER 32

/* How long a peer may take to close after the last octet went out. */
#define LINGER_MS 2000

void poplin_connection_wake(poplin_connection *connection) {
    if (!connection->running)
        poplin_ready_queue(&connection->ready);
}

/* Closes the socket and leaves the server's books. The session has ended; the memory stays until free_connection. */
static void vanish(poplin_connection *connection) {
    poplin_server *server = connection->server;
    if (connection->phase == POPLIN_GONE)
        return;
    connection->phase = POPLIN_GONE;
    poplin_deadline_clear(&connection->deadline);
    poplin_ready_remove(&connection->ready);
    poplin_transport_free(&connection->transport);
    poplin_requests_leave(&server->requests, connection->place);
    poplin_server_remove(server, connection);
}

/* For a connection that has vanished and is not running. */
static void free_connection(poplin_connection *connection) {
    poplin_server *server = connection->server;
    poplin_session_free(connection->session);
    free(connection->user);
    free(connection);
    poplin_server_release(server);
}

/*
 * Ends the session from this side. What the host gave for a message goes back first: if the host frees the server
 * meanwhile, all that remains, the maildrop's close included, happens in there.
 */
static void abort_session(poplin_connection *connection, int status, const char *reason) {
    connection->asked = POPLIN_ASKED_NOTHING;
    poplin_body_done(connection);
    (void)poplin_session_abort(connection->session, status, reason);
    poplin_connection_finish(connection);
}

/* The same; what the session's output still holds is not for this peer. */
static void give_up(poplin_connection *connection, int status, const char *reason) {
    connection->mute = true;
    abort_session(connection, status, reason);
}

/* ---- output ---- */

/* Sends what the session has. False: some of it is left, since the socket is full or broken. */
static bool flush(poplin_connection *connection) {
    const char *data;
    size_t size;
    for (poplin_session_output(connection->session, &data, &size); size > 0;
         poplin_session_output(connection->session, &data, &size)) {
        size_t taken = 0;
        if (poplin_transport_write(&connection->transport, data, size, &taken) != POPLIN_OK) {
            connection->mute = true;
            return false;
        }
        poplin_session_sent(connection->session, taken);
        connection->taken += taken;
        if (taken < size)
            return false;
    }
    return true;
}

/* Whether output has not gone out that is to go out at all. */
static bool has_unsent(const poplin_connection *connection) {
    const char *data;
    size_t size = 0;
    if (!connection->mute)
        poplin_session_output(connection->session, &data, &size);
    return size > 0 || poplin_transport_is_pending(&connection->transport);
}

/* ---- the phases: each goes on as far as it can ---- */

static void shake_hands(poplin_connection *connection) {
    poplin_tls_facts facts;
    int status = poplin_transport_handshake(&connection->transport);
    if (status == POPLIN_NEED_INPUT)
        return;
    if (status == POPLIN_OK)
        status = poplin_tls_get_facts(connection->transport.tls, &facts);
    if (status == POPLIN_OK)
        status = poplin_session_tls(connection->session, &facts);
    if (status == POPLIN_OK)
        connection->phase = POPLIN_TALKING;
    else
        give_up(connection, status, "the TLS handshake failed");
}

/*
 * Nothing may be there in clear when TLS takes over (POP-STLS-3), and what came before the client saw the +OK cannot be
 * its handshake. What comes later goes to TLS, which accepts nothing else.
 */
static void start_tls(poplin_connection *connection) {
    poplin_transport_consume(&connection->transport, connection->lent);
    connection->lent = 0;
    if (poplin_transport_is_unread(&connection->transport)) {
        give_up(connection, POPLIN_ERR_PROTOCOL, "octets in clear behind STLS");
        return;
    }
    if (!flush(connection))
        return;
    poplin_tls *tls;
    int status = poplin_tls_server_new(connection->server->config.credentials, &tls);
    if (status != POPLIN_OK) {
        give_up(connection, status, "TLS cannot be started");
        return;
    }
    poplin_transport_start_tls(&connection->transport, tls);
    connection->phase = POPLIN_SHAKING_HANDS;
}

/* Lends the session what came next, or tells it that nothing will. False: nothing has come. */
static bool feed(poplin_connection *connection) {
    poplin_slice octets;
    poplin_transport_consume(&connection->transport, connection->lent);
    connection->lent = 0;
    int status = poplin_transport_peek(&connection->transport, &octets);
    if (status == POPLIN_NEED_INPUT)
        return false;
    if (status == POPLIN_OK) {
        connection->lent = octets.size;
        (void)poplin_session_input(connection->session, octets.data, octets.size);
    } else if (status == POPLIN_END && !connection->cut_off) {
        connection->cut_off = true;
        (void)poplin_session_eof(connection->session, poplin_transport_is_clean(&connection->transport));
    } else {
        give_up(connection, status, "what was received cannot be read");
    }
    return true;
}

/*
 * The peer takes nothing any more, but what it sent before it went counts, a QUIT included. Not so where it asked for a
 * message that it cannot have got: a QUIT behind that would delete what nobody has seen.
 */
static bool lost_message(const poplin_connection *connection) {
    return connection->transport.deaf &&
           (connection->source.kind != POPLIN_SOURCE_NONE || connection->asked == POPLIN_ASKED_BODY);
}

/* A commit that the host is at is never taken back from here. */
static void check_output(poplin_connection *connection) {
    if (lost_message(connection))
        give_up(connection, POPLIN_ERR_CLOSED, "the client went away in the middle of a message");
    else if (connection->mute && connection->asked != POPLIN_ASKED_COMMIT)
        give_up(connection, POPLIN_ERR_TLS, "output cannot be encrypted");
}

/* One step of the conversation: the work that it took; 0: it is the turn of the peer or of the host. */
static unsigned talk_once(poplin_connection *connection) {
    poplin_session_event event;
    if (connection->source.over) {
        poplin_body_done(connection);
        return 1;
    }
    if (connection->source.wanted) {
        poplin_body_produce(connection);
        return connection->source.kind == POPLIN_SOURCE_FILE ? WHOLE_BUFFER : 1;
    }
    int status = poplin_session_next(connection->session, &event);
    switch (status) {
    case POPLIN_OK:
        poplin_connection_handle(connection, &event);
        return 1;
    case POPLIN_NEED_INPUT:
        if (feed(connection))
            return WHOLE_BUFFER;
        (void)flush(connection);
        return 0;
    default: {
        uint64_t before = connection->taken;
        bool empty = flush(connection);
        bool open = connection->asked != POPLIN_ASKED_NOTHING;
        return empty && !open && connection->taken > before ? WHOLE_BUFFER : 0;
    }
    }
}

static void talk(poplin_connection *connection) {
    unsigned done = 0, step;
    do {
        step = talk_once(connection);
        done += step;
        if (connection->phase == POPLIN_TALKING)
            check_output(connection);
    } while (connection->phase == POPLIN_TALKING && step > 0 && done < SHARE);
    if (connection->phase == POPLIN_TALKING && step > 0) {
        connection->unfinished = true;
        poplin_ready_queue(&connection->ready);
    }
}

/* Sends what is left, and FIN behind it. True: all is sent. */
static bool say_goodbye(poplin_connection *connection) {
    if (!connection->mute && !flush(connection) && !connection->mute)
        return false;
    return poplin_transport_shutdown(&connection->transport) != POPLIN_WAITING;
}

static void leave(poplin_connection *connection) {
    bool done = say_goodbye(connection);
    if (poplin_server_is_crowded(connection->server)) {
        vanish(connection);
    } else if (done) {
        poplin_transport_discard(&connection->transport);
        connection->phase = POPLIN_LINGERING;
    }
}

static void linger(poplin_connection *connection) {
    poplin_slice octets;
    if (poplin_transport_peek(&connection->transport, &octets) != POPLIN_NEED_INPUT)
        vanish(connection);
}

static void go_on(poplin_connection *connection) {
    switch (connection->phase) {
    case POPLIN_SHAKING_HANDS:
        shake_hands(connection);
        break;
    case POPLIN_TALKING:
        talk(connection);
        break;
    case POPLIN_STARTING_TLS:
        start_tls(connection);
        break;
    case POPLIN_LEAVING:
        leave(connection);
        break;
    case POPLIN_LINGERING:
        linger(connection);
        break;
    case POPLIN_GONE:
        break;
    }
}

/* ---- deadlines (POP-TMO-1 to -4) ---- */

static enum poplin_awaited awaited_now(const poplin_connection *connection) {
    switch (connection->phase) {
    case POPLIN_SHAKING_HANDS:
        return POPLIN_AWAITS_HANDSHAKE;
    case POPLIN_LINGERING:
        return POPLIN_AWAITS_CLOSE;
    case POPLIN_TALKING:
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

/* Whether what is awaited has come, in part at least, since the deadline was set. */
static bool has_moved(const poplin_connection *connection) {
    switch (connection->awaited) {
    case POPLIN_AWAITS_COMMAND: /* which cannot come while the client still drains the last reply */
        return poplin_session_commands(connection->session) != connection->commands ||
               (held(connection) > 0 && output_mark(connection) != connection->progress);
    case POPLIN_AWAITS_ROOM:
        return output_mark(connection) != connection->progress;
    default:
        return false;
    }
}

static void end_late_session(poplin_connection *connection) {
    if (connection->awaited == POPLIN_AWAITS_COMMAND) {
        (void)poplin_session_timeout(connection->session);
        poplin_connection_finish(connection);
    } else if (connection->awaited == POPLIN_AWAITS_ROOM) {
        give_up(connection, POPLIN_ERR_TIMEOUT, "the client took no output within the time allowed");
    } else {
        give_up(connection, POPLIN_ERR_TIMEOUT, "the TLS handshake took too long");
    }
}

static void time_out(poplin_connection *connection) {
    if (connection->phase < POPLIN_LEAVING)
        end_late_session(connection);
    if (connection->phase == POPLIN_GONE)
        return;
    (void)poplin_transport_shutdown(&connection->transport);
    vanish(connection);
}

static void watch_the_clock(poplin_connection *connection) {
    enum poplin_awaited awaited = awaited_now(connection);
    if (awaited == POPLIN_AWAITS_NOTHING) {
        connection->awaited = awaited;
        poplin_deadline_clear(&connection->deadline);
    } else if (awaited != connection->awaited || has_moved(connection)) {
        connection->awaited = awaited;
        connection->commands = poplin_session_commands(connection->session);
        connection->progress = output_mark(connection);
        poplin_deadline_set(&connection->deadline, allowed(connection));
    } else if (connection->deadline.expired) {
        time_out(connection);
    }
}

/* ---- the life of a connection ---- */

static void run(void *context) {
    poplin_connection *connection = context;
    enum poplin_connection_phase before;
    if (connection->running)
        return; /* it is being stopped, and its host steps the loop meanwhile */
    connection->running = true;
    connection->unfinished = false;
    if (connection->deadline.expired)
        (void)poplin_transport_poll_again(&connection->transport);
    do {
        before = connection->phase;
        go_on(connection);
    } while (connection->phase != before);
    if (connection->phase != POPLIN_GONE)
        watch_the_clock(connection);
    connection->running = false;
    if (connection->phase == POPLIN_GONE)
        free_connection(connection);
}

static int start_session(poplin_connection *connection) {
    poplin_server *server = connection->server;
    poplin_session_config config = server->config.session;
    config.stls = server->config.credentials != NULL && server->config.tls != POPLIN_TLS_NEVER &&
                  server->config.tls != POPLIN_TLS_IMPLICIT;
    config.link_protected = server->config.loopback_protected && connection->transport.loopback;
    int status = poplin_session_new(&config, &connection->session);
    if (status != POPLIN_OK || server->config.tls != POPLIN_TLS_IMPLICIT)
        return status;
    poplin_tls *tls;
    status = poplin_tls_server_new(server->config.credentials, &tls);
    if (status == POPLIN_OK) {
        poplin_transport_start_tls(&connection->transport, tls);
        connection->phase = POPLIN_SHAKING_HANDS;
    }
    return status;
}

void poplin_connection_begin(poplin_server *server, int descriptor) {
    poplin_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        (void)close(descriptor);
        return;
    }
    connection->server = server;
    connection->phase = POPLIN_TALKING;
    poplin_ready_init(&connection->ready, server->loop, run, connection);
    poplin_deadline_init(&connection->deadline, &connection->ready);
    if (poplin_transport_init(&connection->transport, server->loop, descriptor, &server->loop->small,
                              &connection->ready) != POPLIN_OK) {
        free(connection);
        return;
    }
    if (start_session(connection) != POPLIN_OK ||
        poplin_requests_enter(&server->requests, connection, &connection->place) != POPLIN_OK) {
        poplin_ready_remove(&connection->ready);
        poplin_transport_free(&connection->transport);
        poplin_session_free(connection->session);
        free(connection);
        return;
    }
    poplin_server_add(server, connection);
    poplin_ready_queue(&connection->ready);
}

void poplin_connection_stop(poplin_connection *connection) {
    bool nested = connection->running;
    connection->running = true;
    if (connection->phase < POPLIN_LEAVING) {
        connection->mute |= connection->phase != POPLIN_TALKING;
        abort_session(connection, POPLIN_ERR_CANCELLED, "the server was stopped");
    }
    if (connection->phase != POPLIN_GONE && !connection->mute)
        (void)flush(connection);
    if (connection->phase != POPLIN_GONE)
        (void)poplin_transport_shutdown(&connection->transport);
    vanish(connection);
    connection->running = nested;
    if (!nested)
        free_connection(connection);
}

void poplin_connection_forget(poplin_connection *connection) {
    if (connection->source.kind == POPLIN_SOURCE_FILE) {
        (void)close(connection->source.descriptor);
        free(connection->source.buffer);
    }
    poplin_connection_unlock(connection);
    vanish(connection);
    if (!connection->running)
        free_connection(connection);
}
