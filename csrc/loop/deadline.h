/*
 * loop/deadline.h - the deadlines of a loop: one heap, ordered by when they are due.
 *
 * A deadline is embedded in its owner. When it is due the driver marks it as expired and queues the owner's
 * poplin_ready; nothing is called back. An expired deadline is a suspicion: the owner looks once more whether
 * what it waited for has come (poplin_transport_poll_again) before it calls it a time-out.
 */
#ifndef POPLIN_LOOP_DEADLINE_H
#define POPLIN_LOOP_DEADLINE_H

#include "loop/internal.h"

typedef struct poplin_deadline {
    poplin_ready *ready; /* its owner */
    uint64_t due;        /* on the loop's clock; valid while set */
    uint64_t place;      /* for when it is entered in the heap: not later than due, so that moving it back is free */
    struct poplin_deadline *child, *next, *previous; /* see deadline.c */
    bool set;                                        /* it is running */
    bool expired;                                    /* it ran out and was not set or cleared since */
} poplin_deadline;

/* Says who is told. The deadline is not running. */
void poplin_deadline_init(poplin_deadline *deadline, poplin_ready *ready);

/* Starts it, or starts it anew: due in milliseconds from now. */
void poplin_deadline_set(poplin_deadline *deadline, uint64_t milliseconds);

/* Stops it. To be called before its owner is freed. */
void poplin_deadline_clear(poplin_deadline *deadline);

/* For the driver: marks what is due and queues the owners. */
void poplin_deadlines_expire(poplin_loop *loop);

/* For the driver: when the first one is due, on the loop's clock; UINT64_MAX: none. */
uint64_t poplin_deadlines_next(poplin_loop *loop);

#endif
