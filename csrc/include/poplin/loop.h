/*
 * poplin/loop.h - the event loop that links and servers live on: a libuv loop of its own, a clock, deadlines.
 *
 * It can be driven three ways, and nothing else is needed:
 *   blocking    while (!done) poplin_loop_step(loop, -1);
 *   embedded    watch poplin_loop_fileno for reading, for at most poplin_loop_timeout milliseconds, then
 *               poplin_loop_step(loop, 0); ask for the timeout anew after every call that touches the loop
 *   a thread    one that does the first
 *
 * No host code runs inside libuv: its callbacks only note what happened, and step hands it out afterwards. So a
 * callback of the host may do anything, a blocking call on the same loop included.
 *
 * A loop, and everything on it, belongs to one thread; only poplin_loop_post and poplin_loop_wake may be called from
 * another. In a child after fork every call answers STATE, and freeing closes descriptors and does nothing else.
 */
#ifndef POPLIN_LOOP_H
#define POPLIN_LOOP_H

#include <poplin/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct poplin_loop poplin_loop;

/* Makes a loop. IO: the system has no descriptor left; NOMEM. */
POPLIN_API int poplin_loop_new(poplin_loop **loop);

/* Frees the loop. Links and servers on it must have been freed before. NULL is allowed. */
POPLIN_API void poplin_loop_free(poplin_loop *loop);

/*
 * Waits up to milliseconds (-1: without limit; 0: not at all) until something happens, handles all of it and
 * returns OK, also when nothing did. INTERRUPTED: a signal came; nothing is lost, call again. STATE: after fork, and inside a function
 * that is told of a trace.
 */
POPLIN_API int poplin_loop_step(poplin_loop *loop, int milliseconds);

/*
 * From any thread: ends the wait of the step that is under way, or else of the next one. The caller sees to it that the
 * loop is not freed meanwhile.
 */
POPLIN_API void poplin_loop_wake(poplin_loop *loop);

/* A descriptor that is readable when there is something to do. -1 after fork. */
POPLIN_API int poplin_loop_fileno(const poplin_loop *loop);

/* Milliseconds until step must be called even if the descriptor stays silent: 0 now, -1 never. */
POPLIN_API int poplin_loop_timeout(poplin_loop *loop);

/*
 * From any thread: has function(argument) called by the loop's thread, in its next step; that step is woken. Calls
 * are made in the order of the posts. function is called at the latest by poplin_loop_free, so that it can free its
 * argument; poplin_loop_is_closing tells it so. NOMEM; STATE: after fork.
 */
POPLIN_API int poplin_loop_post(poplin_loop *loop, void (*function)(void *argument), void *argument);

/* True inside a posted function that poplin_loop_free calls: do no more than free the argument. */
POPLIN_API bool poplin_loop_is_closing(const poplin_loop *loop);

/* The loop's clock in milliseconds, from an arbitrary start. From any thread. */
POPLIN_API uint64_t poplin_loop_now(poplin_loop *loop);

/* Moves the loop's clock forward; what is due then is handled by the next step. For tests. */
POPLIN_API void poplin_loop_advance(poplin_loop *loop, uint64_t milliseconds);

#ifdef __cplusplus
}
#endif
#endif
