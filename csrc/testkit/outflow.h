/*
 * testkit/outflow.h - the replies of one connection on their way out, and which octet belongs to which of them. No lock, no
 * log: it belongs to the tap of the connection.
 *
 * Replies without a play are gathered and leave together; one with a play leaves after those before it, as its play says, and
 * nothing comes behind it until it is done. Octets are first given (by the session), then offered (to the connection, which may
 * come back for them), then sent.
 */
#ifndef POPLIN_TESTKIT_OUTFLOW_H
#define POPLIN_TESTKIT_OUTFLOW_H

#include "testkit/play.h"
#include "wire/buffer.h"

/* A reply that has not landed: not all of it was sent. */
typedef struct poplin_flight {
    size_t exchange;       /* its place in the log */
    enum poplin_verb verb; /* what was carried out */
    uint32_t number;       /* the message, and its unique-id */
    char unique_id[POPLIN_UNIQUE_ID_MAX + 1];
    bool ok;       /* the session answered +OK */
    bool over;     /* the session has given all of it */
    bool cut_off;  /* the session ended before that */
    bool faithful; /* what leaves is what the session gave */
    uint64_t given;
    uint64_t end; /* octets sent on the connection when it has landed; UINT64_MAX: not known yet */
} poplin_flight;

/* All zero: nothing is on its way. */
typedef struct poplin_outflow {
    poplin_buffer leaving;         /* has been offered, and stays where it is until it was sent */
    poplin_buffer gathering;       /* what was given meanwhile */
    poplin_play *play;             /* of the last flight; or NULL */
    uint64_t given, offered, sent; /* octets of the connection */
    uint64_t barrier;              /* what stands behind it is offered when all before it was sent */
    poplin_flight *flights;        /* [first, count) */
    size_t first, offering, count, capacity;
} poplin_outflow;

void poplin_outflow_free(poplin_outflow *outflow);

/* A reply will come; play (or NULL) becomes the outflow's. NULL: out of memory, and the play is freed. */
poplin_flight *poplin_outflow_begin(poplin_outflow *outflow, poplin_play *play);

/* The last flight, where the session has not given all of it; else NULL. */
poplin_flight *poplin_outflow_open(const poplin_outflow *outflow);

/* Octets of its reply. OK; WAITING: the session should not go on before next is IDLE; NOMEM. */
int poplin_outflow_give(poplin_outflow *outflow, poplin_slice octets, bool last);

/* As poplin_tap.next. */
enum poplin_tap_step poplin_outflow_next(poplin_outflow *outflow, poplin_slice *octets, uint32_t *milliseconds);

/* The flight to which the next octet that was never offered belongs; up to size octets of it, the result, are taken as offered. */
size_t poplin_outflow_offer(poplin_outflow *outflow, size_t size, poplin_flight **flight);

/* The same for octets that were sent. */
size_t poplin_outflow_sent(poplin_outflow *outflow, size_t size, poplin_flight **flight);

bool poplin_outflow_has_landed(const poplin_outflow *outflow);

/* The next flight that has landed, forgotten by this call; lives until the next begin. NULL: none. */
poplin_flight *poplin_outflow_landed(poplin_outflow *outflow);

#endif
