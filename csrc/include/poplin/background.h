/*
 * poplin/background.h - a server on a loop and a thread of its own, for programs that do not drive a loop themselves.
 *
 * The backend's functions are called by that thread. All functions here are for the thread that owns the background
 * server (never one of the backend's), except where a function says otherwise.
 */
#ifndef POPLIN_BACKGROUND_H
#define POPLIN_BACKGROUND_H

#include <poplin/server.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct poplin_background poplin_background;

/*
 * Binds and listens: port is known from here on, and a client may connect already; it is served from
 * poplin_background_start on. Failures as poplin_server_new and poplin_loop_new.
 */
POPLIN_API int poplin_background_new(const poplin_server_config *config, const poplin_backend *backend, void *context,
                                     poplin_background **background, poplin_error *error);

/* Serves, on a thread that blocks all signals. STATE: started before, or a child after fork; NOMEM: no thread can be had. */
POPLIN_API int poplin_background_start(poplin_background *background);

/*
 * Ends the server as poplin_server_free does and joins the thread. In a child after fork only descriptors are closed and
 * memory freed. NULL is allowed.
 */
POPLIN_API void poplin_background_free(poplin_background *background);

/* Its loop, for functions that any thread may call, such as poplin_loop_now and poplin_memory_expire; it lives as long as this. */
POPLIN_API poplin_loop *poplin_background_loop(poplin_background *background);

/* The port bound; 0 for a Unix socket. */
POPLIN_API uint16_t poplin_background_port(const poplin_background *background);

/*
 * Moves the server's clock forward, and returns when what was due by then has been handled: whoever was silent for too long
 * has been left. From any thread but the server's own. STATE: not started, or after fork; NOMEM.
 */
POPLIN_API int poplin_background_advance(poplin_background *background, uint64_t milliseconds);

/*
 * The same for any loop that another thread drives, blocking until it has been done; it returns CANCELLED where the loop is
 * freed instead.
 */
POPLIN_API int poplin_loop_advance_and_wait(poplin_loop *loop, uint64_t milliseconds);

#ifdef __cplusplus
}
#endif
#endif
