/*
 * loop/locks.h - which maildrops are in use: one session at a time for a user's name (RFC 1939 section 4).
 */
#ifndef POPLIN_LOOP_LOCKS_H
#define POPLIN_LOOP_LOCKS_H

#include <poplin/types.h>

/* One maildrop in use. */
typedef struct poplin_lock_held poplin_lock_held;

/* All zero is the state with no maildrop in use. */
typedef struct poplin_locks {
    poplin_lock_held **buckets;
    size_t bucket_count; /* a power of two, or 0 */
    size_t count;
} poplin_locks;

/* Marks the name's maildrop as in use. OK; ERR_IN_USE: it is already; ERR_NOMEM. */
int poplin_locks_take(poplin_locks *locks, poplin_slice name, poplin_lock_held **held);

/* Lets go. NULL is allowed. */
void poplin_locks_drop(poplin_locks *locks, poplin_lock_held *held);

/* Frees the table; every lock was dropped before. */
void poplin_locks_free(poplin_locks *locks);

#endif
