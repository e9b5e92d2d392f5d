/*
 * testkit/kit.h - what a kit is made of, for the files that share the work:
 *
 *   kit.c         made, freed, reset; faults and secrets added
 *   tap.c         the tap of a server: faults are chosen, replies go out, the log is written
 *   outflow.c     a connection's replies on their way out, and which octet belongs to which exchange
 *   log.c         sessions and exchanges as they are written
 *   record.c      a session copied for somebody outside, masked
 *   transcript.c  a record for a person; check.c judges it
 *   prose.c       text for people, written piece by piece
 *   secrets.c     what is never shown
 *   wait.c        waiting for a change
 *
 * The lock guards everything in here. Each change of the log is counted, and wakes who waits.
 */
#ifndef POPLIN_TESTKIT_KIT_H
#define POPLIN_TESTKIT_KIT_H

#include <pthread.h>

#include "testkit/faults.h"
#include "testkit/log.h"
#include "testkit/secrets.h"

/* One call of poplin_testkit_wait; it lives on the caller's stack. */
typedef struct poplin_waiter {
    struct poplin_waiter *next;
    int descriptor;
    bool woken;
} poplin_waiter;

struct poplin_testkit {
    pthread_mutex_t lock;
    poplin_faults *faults;
    poplin_secrets secrets;
    poplin_log log;
    uint64_t changes;
    poplin_waiter *waiters;
    poplin_loop *woken; /* NULL: none */
};

void poplin_kit_lock(poplin_testkit *kit);
void poplin_kit_unlock(poplin_testkit *kit);

/* Counts a change and wakes who waits, then unlocks. */
void poplin_kit_unlock_changed(poplin_testkit *kit);

/*
 * As poplin_testkit_record_numbered, without the exchanges before first. Where some are left out, unique-ids are left out too as
 * long as the session is open: a record that is taken again and again costs what is new.
 */
int poplin_kit_record_since(poplin_testkit *kit, uint64_t number, size_t first, poplin_record **record);

#endif
