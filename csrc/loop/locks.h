/*
 * loop/locks.h - which maildrops are in use: one session at a time for a user's name (RFC 1939 section 4), and who waits for
 * theirs, in the order in which they came.
 */
#ifndef POPLIN_LOOP_LOCKS_H
#define POPLIN_LOOP_LOCKS_H

#include "loop/names.h"

typedef struct poplin_lock_held poplin_lock_held;

/* A place in the queue for a maildrop; embedded in what waits. All zero: in none. */
typedef struct poplin_lock_place {
    poplin_lock_held *awaited;
    struct poplin_lock_place *next, *previous;
} poplin_lock_place;

/* One maildrop in use. */
struct poplin_lock_held {
    poplin_named named;
    poplin_lock_place *first, *last; /* who waits for it */
};

/* All zero is the state with no maildrop in use. */
typedef poplin_names poplin_locks;

/* Marks the name's maildrop as in use. OK; ERR_IN_USE: it is already; ERR_NOMEM. */
int poplin_locks_take(poplin_locks *locks, poplin_slice name, poplin_lock_held **held);

/* Queues for the name's maildrop, which is in use. */
void poplin_locks_queue(poplin_locks *locks, poplin_slice name, poplin_lock_place *place);

/* Leaves the queue; does nothing where it is in none. */
void poplin_locks_leave(poplin_lock_place *place);

/*
 * Lets go. Where somebody waits the lock is theirs now: returns the place, which has left the queue; else NULL. held may be
 * NULL.
 */
poplin_lock_place *poplin_locks_drop(poplin_locks *locks, poplin_lock_held *held);

/* Frees the table; every lock was dropped before. */
void poplin_locks_free(poplin_locks *locks);

#endif
