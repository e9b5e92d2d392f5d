/*
 * loop/logins.h - who logged in a short while ago, and may not yet do so again (LOGIN-DELAY, RFC 2449 section 6.5).
 *
 * Times are of the loop's clock, in milliseconds, and never go back. What is kept are the users of the last delay, the longest
 * that any user has, and no others: who came before is forgotten by whatever call comes next.
 */
#ifndef POPLIN_LOOP_LOGINS_H
#define POPLIN_LOOP_LOGINS_H

#include "loop/names.h"

struct poplin_login;

/* All zero but for delay is the state in which nobody has logged in. */
typedef struct poplin_logins {
    uint64_t delay; /* the longest between two logins of a user; 0: none, and nothing is kept */
    poplin_names names;
    struct poplin_login *first, *last; /* in the order of their times */
} poplin_logins;

/* How long the user still has to wait; 0: not at all. */
uint64_t poplin_logins_wait(poplin_logins *logins, poplin_slice user, uint64_t now);

/* The user has logged in, and may again after delay, which is none above logins'. Where there is no memory for that, it is not known. */
void poplin_logins_note(poplin_logins *logins, poplin_slice user, uint64_t delay, uint64_t now);

void poplin_logins_free(poplin_logins *logins);

#endif
