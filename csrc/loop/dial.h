/*
 * loop/dial.h - from a name to a connected socket: resolving, then Happy Eyeballs (RFC 8305).
 */
#ifndef POPLIN_LOOP_DIAL_H
#define POPLIN_LOOP_DIAL_H

#include "loop/internal.h"

typedef struct poplin_dial poplin_dial;

/*
 * Begins to connect to host and port, or to the Unix socket at path where that is not NULL, and queues ready when it is
 * done. There is no time limit here: the owner has a deadline. STATE, NOMEM.
 */
int poplin_dial_new(poplin_loop *loop, const char *host, uint16_t port, const char *path, poplin_ready *ready,
                    poplin_dial **dial);

/*
 * OK: *descriptor is connected and the caller's. NEED_INPUT: not yet. IO: no address answered, or the name is not
 * known; *reason says so for each address, and lives as long as the dial. NOMEM.
 */
int poplin_dial_result(poplin_dial *dial, int *descriptor, const char **reason);

/* What it is at, for a time-out: "resolving the name", "connecting to 192.0.2.1". Lives until the next call on the dial. */
const char *poplin_dial_doing(poplin_dial *dial);

/* Gives up what is not done. NULL is allowed. */
void poplin_dial_free(poplin_dial *dial);

#endif
