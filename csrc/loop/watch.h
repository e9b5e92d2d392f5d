/*
 * loop/watch.h - one descriptor watched for readiness, whatever kind of socket it is.
 *
 * libuv (uv_poll) says when; what is done with the descriptor is the owner's: send with MSG_NOSIGNAL, recv,
 * accept, connect. Writing to a connection that is gone therefore never raises SIGPIPE, and the process's signal
 * dispositions are left alone.
 */
#ifndef POPLIN_LOOP_WATCH_H
#define POPLIN_LOOP_WATCH_H

#include "loop/internal.h"

/* May be or-ed. An error on the descriptor is told as both: the next system call shows it. */
enum { POPLIN_READABLE = 1, POPLIN_WRITABLE = 2 };

typedef struct poplin_watch poplin_watch;

/*
 * Makes a watch, which asks for nothing yet and makes the descriptor non-blocking. happened runs inside uv_run: it
 * may do system calls and queue a poplin_ready, and must not call the host nor free anything that runs. On failure (IO, with errno
 * set; NOMEM) the descriptor is still the caller's.
 */
int poplin_watch_new(poplin_loop *loop, int descriptor, void (*happened)(void *context, int events), void *context,
                     poplin_watch **watch);

/* Asks for these events from now on, 0: for none. Level-triggered. Cheap where nothing changes. */
void poplin_watch_ask(poplin_watch *watch, int events);

/* The descriptor. Owned by the watch. */
int poplin_watch_descriptor(const poplin_watch *watch);

/* Ends the watch and closes the descriptor. After a fork it only closes it. NULL is allowed. */
void poplin_watch_close(poplin_watch *watch);

/* Ends the watch and returns the descriptor, which is the caller's again. */
int poplin_watch_release(poplin_watch *watch);

#endif
