/*
 * testkit/play.h - one exchange under the faults that were chosen for it: whether the command is carried out, what becomes
 * of the reply, and when what of it leaves.
 *
 * The reply is gathered whole, rewritten by each effect in turn, then given out as a plan of steps. Exchanges without a
 * fault have no play and stream.
 */
#ifndef POPLIN_TESTKIT_PLAY_H
#define POPLIN_TESTKIT_PLAY_H

#include "testkit/fault.h"
#include "testkit/faults.h"

/*
 * How faults.c makes a play: new for the occasion, add each fault that was chosen, with where its random numbers begin,
 * then begin. What is needed of the occasion is copied; the fault gets one more owner. NOMEM.
 */
int poplin_play_new(const poplin_occasion *occasion, poplin_play **play);
int poplin_play_add(poplin_play *play, poplin_fault *fault, uint64_t random);
int poplin_play_begin(poplin_play *play);

/* What is to be done with the command. With SUBSTITUTE, *line lives as long as the play. */
enum poplin_verdict poplin_play_verdict(const poplin_play *play, poplin_slice *line);

/* The names of the faults, by ", ". Lives as long as the play. */
const char *poplin_play_names(const poplin_play *play);

/* Octets of the session's reply; with last the reply is rewritten and its steps are ready. NOMEM. */
int poplin_play_reply(poplin_play *play, poplin_slice octets, bool last);

/* As in poplin/tap.h. IDLE before the last of the reply was given, and when all is done. */
enum poplin_tap_step poplin_play_next(poplin_play *play, poplin_slice *octets, uint32_t *milliseconds);
void poplin_play_sent(poplin_play *play, size_t size);

/*
 * True where what went out is all of the reply as the session gave it, octet for octet, whatever time it took. Never
 * where the command was skipped.
 */
bool poplin_play_is_faithful(const poplin_play *play);

void poplin_play_free(poplin_play *play); /* NULL is allowed */

#endif
