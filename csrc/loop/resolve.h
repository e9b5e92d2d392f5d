/*
 * loop/resolve.h - host names to addresses by getaddrinfo, on detached threads of our own.
 *
 * libuv's pool would run few at a time and hold up the process's exit. Here at most 16 threads run, for all
 * loops together; further names wait. Nobody joins them: a name server that does not answer delays no exit.
 */
#ifndef POPLIN_LOOP_RESOLVE_H
#define POPLIN_LOOP_RESOLVE_H

#include <sys/socket.h>

#include "loop/internal.h"

typedef struct poplin_resolve poplin_resolve;

/* Where a socket may connect to. */
typedef struct poplin_address {
    struct sockaddr_storage storage;
    socklen_t size;
} poplin_address;

/*
 * Begins to resolve and queues ready when it is done. Literals and "localhost" need no thread and are done at
 * once. NOMEM, IO: no thread could be made.
 */
int poplin_resolve_new(poplin_loop *loop, const char *host, uint16_t port, poplin_ready *ready,
                       poplin_resolve **resolve);

/*
 * OK: count addresses, at least one, in the order of preference (RFC 6724); they live as long as the resolve.
 * NEED_INPUT: not yet. IO: *reason says why; static. NOMEM.
 */
int poplin_resolve_result(const poplin_resolve *resolve, const poplin_address **addresses, size_t *count,
                          const char **reason);

/* Forgets it; a thread that still waits for an answer ends by itself. NULL is allowed. */
void poplin_resolve_free(poplin_resolve *resolve);

#endif
