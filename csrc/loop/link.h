/*
 * loop/link.h - inside a link: what link.c shares with the calls and the series, which are built on it.
 */
#ifndef POPLIN_LOOP_LINK_INTERNAL_H
#define POPLIN_LOOP_LINK_INTERNAL_H

#include <poplin/link.h>

#include "loop/calls.h"
#include "loop/deadline.h"
#include "loop/dial.h"
#include "loop/trace.h"
#include "loop/transport.h"
#include "wire/buffer.h"

/* The tag of the opening; those of calls and series are addresses. */
#define POPLIN_OPENING_TAG 0

enum poplin_link_stage {
    POPLIN_LINK_DIALLING,
    POPLIN_LINK_SHAKING, /* a TLS handshake, the first thing or after STLS */
    POPLIN_LINK_TALKING,
    POPLIN_LINK_ENDED /* closed, failed or cancelled: error says which */
};

struct poplin_link {
    poplin_loop *loop;
    poplin_ready ready;
    enum poplin_link_stage stage;
    uint64_t number; /* among the connections of the loop */
    bool traced;     /* the machine tells what it says */

    poplin_link_config config; /* host and path are copies; client.link_protected is filled in when connected */
    bool has_login;
    poplin_buffer user, password, token, authorize; /* of the opening's login; wiped once the machine has them */
    char where[280];                                /* "mail.example.org:995", for errors */

    poplin_dial *dial;
    poplin_transport transport;
    poplin_client *client; /* NULL until the connection stands */
    size_t lent;           /* octets of the transport that the machine was lent */
    bool body_out;         /* slices of them were handed out: tell before they go */
    bool looked;           /* the total has run out, and the socket was looked at once more */
    bool quit;             /* QUIT was answered */
    bool has_early;        /* early is an event that poplin_link_settle met */
    poplin_client_event early;

    poplin_deadline connect;
    poplin_deadline handshake;
    poplin_deadline reply;
    poplin_deadline total;
    uint64_t heard; /* transport.octets when the reply deadline was last set */

    bool opened; /* the opening is over; opening is how it went */
    int opening;
    poplin_buffer greeting;
    poplin_buffer answer; /* the server's, to a token that it refused */
    poplin_error error;   /* why it ended; status is 0 while it has not */

    void (*on_ready)(void *context);
    void *on_ready_context;
    poplin_calls calls;
};

/*
 * The machine's next event, the core of poplin_link_next. START_TLS is handled inside, the greeting and the opening's outcome
 * are noted, and OPENED is passed on with its tag.
 * OK: *event is filled. WAITING: the receive buffer is used up and the next pull lets it go: what still points into it
 * must be copied before; then pull again. NEED_INPUT: nothing now, the output has been sent. A failure, sticky; CLOSED after the event CLOSED.
 */
int poplin_link_pull(poplin_link *link, poplin_client_event *event);

/*
 * Every high function that may answer NEED_INPUT returns through this: NEED_INPUT starts the reply deadline and the
 * total, or lets them run on; anything else stops them. Slices of events, but for bodies, are gone then. Returns status.
 */
int poplin_link_answer(poplin_link *link, int status);

/* As poplin_client_login, _retr_all and _retr_stop. */
int poplin_link_submit_login(poplin_link *link, const poplin_credentials *login, uint64_t tag);
int poplin_link_submit_retr_all(poplin_link *link, const poplin_wanted *wanted, size_t count, uint64_t tag);
size_t poplin_link_stop_retr(poplin_link *link);

/* Ends the link with this failure, if it has not ended yet: the connection is closed without QUIT. Returns the status that it ended with. */
int poplin_link_fail(poplin_link *link, int status, const char *reason);
int poplin_link_fail_because(poplin_link *link, int status, const char *doing, const char *reason, ...)
    __attribute__((format(printf, 4, 5)));
int poplin_link_end(poplin_link *link, const poplin_error *error);

/* ---- connect.c ---- */

/* Goes on as far as it goes without the machine: OK where the machine is to be asked, NEED_INPUT, a failure. */
int poplin_link_advance(poplin_link *link);

/* The server said +OK to STLS: shakes hands next. Octets in clear behind that line are an attack (POP-STLS-4). */
int poplin_link_start_stls(poplin_link *link);

/* Failures in common: of TLS, with the filter's own words; the total has run out. Return the status. */
int poplin_link_tls_failed(poplin_link *link);
int poplin_link_out_of_total(poplin_link *link, const char *doing);

/* True where the server began with a TLS record and text was expected. */
bool poplin_link_is_answered_in_tls(const poplin_link *link);

/* A time in words, "30 s" or "250 ms", in buffer. Returns buffer. */
const char *poplin_duration(uint32_t milliseconds, char buffer[24]);

/* ---- traced.c ---- */

/* Has the machine tell what it says, or not, as the loop's host wants it now. */
void poplin_link_retrace(poplin_link *link);

/* Tells of the link: it is connected, TLS stands, it has ended. Nothing where nobody wants to know. */
void poplin_link_trace_connected(poplin_link *link);
void poplin_link_trace_tls(poplin_link *link);
void poplin_link_trace_end(poplin_link *link);

/* ---- pull.c ---- */

/* Sends what the machine has to send, as far as the socket takes it. OK or a failure. */
int poplin_link_flush(poplin_link *link);

/*
 * Whoever waited has his answer. Where nothing else is outstanding and no body slice is out, the receive buffer is let go, so
 * that an idle link holds none; what the server sent unasked is kept for the next pull.
 */
void poplin_link_settle(poplin_link *link);

#endif
