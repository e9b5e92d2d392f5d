/*
 * loop/connection.c - one connection of a server, driven: handshake, conversation, farewell.
 *
 * A run goes on until there is nothing left to do, or until it has done its share and others get their turn. Replies
 * leave when the session wants more input or has enough output, so that many pipelined commands share a write.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "loop/serving.h"

/*
 * What one run may do: an event costs one unit, a buffer filled or emptied as many as WHOLE_BUFFER. A flush may send as
 * many pieces.
 */
#define SHARE 256
#define WHOLE_BUFFER 32

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
    poplin_tapped_close(connection);
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
    free(connection->committing);
    free(connection);
    poplin_server_release(server);
}

/*
 * Ends the session from this side, by poplin_session_abort or _drop. What the host gave for a message goes back first: if
 * the host frees the server meanwhile, all that remains, the maildrop's close included, happens in there.
 */
static void end_session(poplin_connection *connection, int (*end)(poplin_session *, int, const char *), int status,
                        const char *reason) {
    connection->asked = POPLIN_ASKED_NOTHING;
    poplin_body_done(connection);
    (void)end(connection->session, status, reason);
    poplin_connection_finish(connection);
}

/* Ends it as failed; what its output still holds is not for this peer. */
static void give_up(poplin_connection *connection, int status, const char *reason) {
    connection->mute = true;
    end_session(connection, poplin_session_abort, status, reason);
}

/* The same for a client that is gone or sent away. */
static void drop(poplin_connection *connection, const char *reason) {
    connection->mute = true;
    end_session(connection, poplin_session_drop, POPLIN_ERR_CLOSED, reason);
}

/* Ends it as failed since TLS does. TLS knows more than what was done to it, as a rule. */
static void give_up_tls(poplin_connection *connection, int status, const char *what) {
    const poplin_tls *tls = connection->transport.tls;
    const char *why = tls != NULL ? poplin_tls_error(tls)->reason : "";
    char reason[sizeof((poplin_error *)NULL)->reason];
    if (*why == '\0' && status == POPLIN_ERR_CLOSED)
        why = "the client closed the connection";
    snprintf(reason, sizeof reason, *why != '\0' ? "%s: %s" : "%s", what, why);
    give_up(connection, status, reason);
}

/* It has done its share, and goes on in the next pass of the driver. */
static void take_a_rest(poplin_connection *connection) {
    connection->unfinished = true;
    poplin_ready_queue(&connection->ready);
}

/* ---- output ---- */

/*
 * Sends what there is. False: something is left, since the socket is full or broken, the tap wants something else, or it
 * gives so little at a time that others get their turn first.
 */
static bool flush(poplin_connection *connection) {
    poplin_slice octets;
    for (unsigned pieces = 0; poplin_outward_next(connection, &octets); pieces++) {
        size_t taken = 0;
        if (pieces == SHARE) {
            take_a_rest(connection);
            return false;
        }
        if (poplin_transport_write(&connection->transport, octets.data, octets.size, &taken) != POPLIN_OK) {
            connection->mute = true;
            return false;
        }
        poplin_outward_sent(connection, taken);
        if (taken < octets.size)
            return false;
    }
    return poplin_outward_is_empty(connection);
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
    if (status != POPLIN_OK) {
        give_up_tls(connection, status, "the TLS handshake failed");
        return;
    }
    connection->phase = POPLIN_TALKING;
    poplin_connection_trace_tls(connection);
    poplin_tapped_secured(connection);
}

/*
 * Nothing may be there in clear when TLS takes over (POP-STLS-3), and what came before the client saw the +OK cannot be
 * its handshake. What comes later goes to TLS, which accepts nothing else; so does what comes while a tap lets the reply
 * trickle, since the client may have seen enough of it.
 */
static void start_tls(poplin_connection *connection) {
    poplin_transport_consume(&connection->transport, connection->lent);
    connection->lent = 0;
    if (!poplin_outward_has_begun(connection) && poplin_transport_is_unread(&connection->transport)) {
        give_up(connection, POPLIN_ERR_PROTOCOL, "octets came in clear behind STLS");
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
        give_up_tls(connection, status, "what was received cannot be read");
    }
    return true;
}

/* The peer has neither an ear nor a mouth any more. One that only said FIN may still listen. */
static bool is_gone(const poplin_connection *connection) {
    const poplin_transport *transport = &connection->transport;
    return transport->deaf || (transport->ended && transport->error != 0);
}

/*
 * The peer takes nothing any more, but what it sent before it went counts, a QUIT included. Not so where it asked for a
 * message that it cannot have got: a QUIT behind that would delete what nobody has seen. Nor is a tap's pause kept for it.
 */
static bool lost_message(const poplin_connection *connection) {
    return is_gone(connection) &&
           (connection->source.kind != POPLIN_SOURCE_NONE || connection->asked == POPLIN_ASKED_BODY);
}

/* A commit that the host is at is never taken back from here. */
static void check_output(poplin_connection *connection) {
    if (lost_message(connection))
        drop(connection, "the client went away in the middle of a message");
    else if (connection->mute && connection->asked != POPLIN_ASKED_COMMIT)
        give_up(connection, POPLIN_ERR_TLS, "output cannot be encrypted");
}

/* One step of the conversation: the work that it took; 0: it is the turn of the peer or of the host. */
static unsigned talk_once(poplin_connection *connection) {
    poplin_session_event event;
    if (!poplin_outward_is_open(connection) && !flush(connection))
        return 0;
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
        bool full = poplin_connection_has_output(connection);
        (void)flush(connection);
        bool open = connection->asked != POPLIN_ASKED_NOTHING;
        return full && !open && !poplin_connection_has_output(connection) ? WHOLE_BUFFER : 0;
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
    if (connection->phase == POPLIN_TALKING && step > 0)
        take_a_rest(connection);
}

/* Sends what is left, and FIN behind it. True: all is sent. */
static bool say_goodbye(poplin_connection *connection) {
    if (!connection->mute && !flush(connection) && !connection->mute)
        return false;
    return poplin_transport_shutdown(&connection->transport) != POPLIN_WAITING;
}

static void leave(poplin_connection *connection) {
    bool done = connection->resetting ? !poplin_transport_is_pending(&connection->transport) : say_goodbye(connection);
    if (poplin_server_is_crowded(connection->server) || (done && connection->resetting)) {
        vanish(connection);
    } else if (done) {
        poplin_transport_discard(&connection->transport);
        connection->phase = POPLIN_LINGERING;
    }
}

static bool has_closed(poplin_connection *connection) {
    poplin_slice octets;
    return poplin_transport_peek(&connection->transport, &octets) != POPLIN_NEED_INPUT;
}

static void linger(poplin_connection *connection) {
    if (has_closed(connection))
        vanish(connection);
}

static void keep_silent(poplin_connection *connection) {
    if (!has_closed(connection))
        return;
    drop(connection, "the client went away after a fault had silenced the server");
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
    case POPLIN_SILENT:
        keep_silent(connection);
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

/* ---- what a tap wants beyond sending ---- */

static void fall_silent(poplin_connection *connection) {
    connection->mute = true;
    connection->phase = POPLIN_SILENT;
    poplin_transport_discard(&connection->transport);
}

static void part(poplin_connection *connection, enum poplin_tap_step step) {
    if (step == POPLIN_TAP_CUT)
        poplin_transport_omit_notify(&connection->transport);
    connection->resetting = step == POPLIN_TAP_RESET;
    if (connection->resetting)
        poplin_transport_reset_at_close(&connection->transport);
    drop(connection, "closed by a fault");
}

/* True: something was done. A commit that the host is at comes first. */
static bool obey(poplin_connection *connection) {
    int failure = poplin_tapped_failure(connection);
    enum poplin_tap_step step = poplin_outward_step(connection);
    if (connection->mute || connection->asked == POPLIN_ASKED_COMMIT)
        return false;
    if (failure != POPLIN_OK)
        give_up(connection, failure, "the server's tap failed");
    else if (step == POPLIN_TAP_PAUSE && is_gone(connection))
        drop(connection, "the client went away in the middle of a reply");
    else if (step == POPLIN_TAP_SILENCE)
        fall_silent(connection);
    else if (step > POPLIN_TAP_SILENCE)
        part(connection, step);
    else
        return false;
    return true;
}

/* ---- when time runs out ---- */

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

/* A pause is over; or the session is. An autologout says nothing, but a tap may. */
static void time_out(poplin_connection *connection) {
    bool autologout = connection->awaited == POPLIN_AWAITS_COMMAND;
    bool pause = connection->awaited == POPLIN_AWAITS_PAUSE || connection->awaited == POPLIN_AWAITS_DELAY ||
                 connection->awaited == POPLIN_AWAITS_LOCK;
    if (connection->phase < POPLIN_LEAVING && !pause)
        end_late_session(connection);
    if (connection->phase == POPLIN_GONE)
        return;
    if (pause || (autologout && connection->tapped != NULL)) {
        poplin_ready_queue(&connection->ready);
        return;
    }
    (void)poplin_transport_shutdown(&connection->transport);
    vanish(connection);
}

/* ---- the life of a connection ---- */

static void run(void *context) {
    poplin_connection *connection = context;
    enum poplin_connection_phase before;
    if (connection->running)
        return; /* it is being stopped, and its host steps the loop meanwhile */
    if (connection->traced != poplin_loop_traces_talk(connection->server->loop))
        poplin_connection_retrace(connection);
    connection->running = true;
    connection->unfinished = false;
    if (connection->deadline.expired)
        (void)poplin_transport_poll_again(&connection->transport);
    if (connection->deadline.expired && connection->awaited == POPLIN_AWAITS_PAUSE)
        poplin_tapped_resume(connection);
    if (connection->deadline.expired && connection->awaited == POPLIN_AWAITS_DELAY)
        poplin_connection_end_delay(connection);
    bool waited = connection->deadline.expired && connection->awaited == POPLIN_AWAITS_LOCK;
    if (connection->asked == POPLIN_ASKED_LOCK && (waited || connection->lock != NULL))
        poplin_connection_end_wait(connection);
    do {
        before = connection->phase;
        go_on(connection);
    } while (obey(connection) || connection->phase != before);
    if (connection->phase != POPLIN_GONE && poplin_connection_is_late(connection))
        time_out(connection);
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
    config.delays = true;
    config.watched = server->config.tap != NULL;
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

/* Enters it in the server's books, if its tap agrees. */
static int enter(poplin_connection *connection) {
    poplin_server *server = connection->server;
    char peer[64];
    int status = poplin_requests_enter(&server->requests, connection, &connection->place);
    poplin_peer_origin(poplin_watch_descriptor(connection->transport.watch), &connection->origin);
    if (status != POPLIN_OK || server->config.tap == NULL)
        return status;
    poplin_peer_name(poplin_watch_descriptor(connection->transport.watch), peer, sizeof peer);
    status = poplin_tapped_open(connection, peer);
    if (status != POPLIN_OK)
        poplin_requests_leave(&server->requests, connection->place);
    return status;
}

void poplin_connection_begin(poplin_server *server, int descriptor) {
    poplin_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        (void)close(descriptor);
        return;
    }
    connection->server = server;
    connection->number = ++server->loop->connections;
    connection->phase = POPLIN_TALKING;
    poplin_ready_init(&connection->ready, server->loop, run, connection);
    poplin_deadline_init(&connection->deadline, &connection->ready);
    if (poplin_transport_init(&connection->transport, server->loop, descriptor, &server->loop->small,
                              &connection->ready) != POPLIN_OK) {
        free(connection);
        return;
    }
    if (start_session(connection) != POPLIN_OK || enter(connection) != POPLIN_OK) {
        poplin_ready_remove(&connection->ready);
        poplin_transport_free(&connection->transport);
        poplin_session_free(connection->session);
        free(connection);
        return;
    }
    poplin_server_add(server, connection);
    poplin_connection_trace_begun(connection);
    poplin_ready_queue(&connection->ready);
}

void poplin_connection_stop(poplin_connection *connection) {
    bool nested = connection->running;
    connection->running = true;
    if (connection->phase < POPLIN_LEAVING) {
        connection->mute |= connection->phase != POPLIN_TALKING;
        end_session(connection, poplin_session_abort, POPLIN_ERR_CANCELLED, "the server was stopped");
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
    poplin_tapped_forget(connection);
    vanish(connection);
    if (!connection->running)
        free_connection(connection);
}
