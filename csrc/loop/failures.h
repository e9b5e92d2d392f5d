/*
 * loop/failures.h - failed logins by where they came from, so that a guesser gains nothing by connecting anew (T-BRU-1).
 *
 * Times are of the loop's clock, in milliseconds, and never go back.
 */
#ifndef POPLIN_LOOP_FAILURES_H
#define POPLIN_LOOP_FAILURES_H

#include <poplin/types.h>

/* Networks that are kept: when there are more, the one whose last failure is the oldest is forgotten. */
#define POPLIN_FAILURES_MAX 4096

/* How long a failure counts. */
#define POPLIN_FAILURES_KEPT_MS ((uint64_t)10 * 60 * 1000)

/* How many failures of one network are told apart from more. */
#define POPLIN_FAILURES_COUNTED 5

/* One network, whose host or hosts failed. */
typedef struct poplin_failing {
    uint64_t network;
    uint64_t times[POPLIN_FAILURES_COUNTED]; /* the last ones, in a ring */
    uint64_t count;                          /* in all */
} poplin_failing;

/* All zero is the state in which none has failed. */
typedef struct poplin_failures {
    poplin_failing *networks;
    size_t count, capacity;
} poplin_failures;

/*
 * Notes a failure; returns how many there were from there lately, this one included, POPLIN_FAILURES_COUNTED where it is
 * more. Where there is no memory for it, it is not kept.
 */
unsigned poplin_failures_note(poplin_failures *failures, uint64_t network, uint64_t now);

void poplin_failures_free(poplin_failures *failures);

#endif
