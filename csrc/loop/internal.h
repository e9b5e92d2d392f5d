/*
 * loop/internal.h - what a loop is made of, and how the objects that live on it are run.
 *
 * An object on a loop (a link, a server, a session) embeds one poplin_ready. Whatever happens to the object, octets
 * that came, room to write, a deadline, a resolved name, only queues its poplin_ready; the driver
 * (poplin_loop_step) calls its run function once uv_run has returned. run looks at everything that may have
 * happened, goes on as far as it can, and may call the host, free the object, or step the loop again: a nested step
 * runs all that is queued but the objects that are running already.
 */
#ifndef POPLIN_LOOP_INTERNAL_H
#define POPLIN_LOOP_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include <poplin/loop.h>
#include <poplin/tls.h>
#include <poplin/trace.h>

#include "wire/buffer.h"

typedef struct poplin_ready poplin_ready;

/* One object's place in the list of those that have something to do. */
struct poplin_ready {
    poplin_loop *loop;
    void (*run)(void *context);
    void *context;
    poplin_ready *next, *previous; /* NULL while it is not queued */
    uint64_t pass;                 /* of the driver, when it was queued */
    struct poplin_running *running;
};

/* A run function that has not returned yet; it lives on the driver's stack. */
struct poplin_running {
    poplin_ready *ready; /* NULL: the object was freed meanwhile */
};

/* Says who is run. */
void poplin_ready_init(poplin_ready *ready, poplin_loop *loop, void (*run)(void *context), void *context);

/* Has run called by the next pass of the driver, once, however often this is called before. */
void poplin_ready_queue(poplin_ready *ready);

/* Takes it out for good: to be called before its owner is freed, also from inside its run function. */
void poplin_ready_remove(poplin_ready *ready);

/* Receive buffers of one size, kept for the next that needs one, so that idle connections hold none. */
typedef struct poplin_pool {
    size_t size;  /* octets of a buffer */
    size_t count; /* buffers kept */
    bool secret;  /* what they held may be a password: it is wiped when they come back */
    void *first;  /* each begins with a pointer to the next */
} poplin_pool;

/* A buffer; NULL: out of memory. */
void *poplin_pool_take(poplin_pool *pool);

/* Gives a buffer back. NULL is allowed. */
void poplin_pool_give(poplin_pool *pool, void *buffer);

typedef struct poplin_post poplin_post;

/* Who wants to see what (trace.h). */
struct poplin_tracing {
    unsigned kinds;
    void (*function)(void *context, const poplin_trace_line *line); /* NULL: lines are kept */
    void *context;
    bool telling;       /* function is being called */
    poplin_buffer kept; /* lines, the oldest first; so much was handed out and is still looked at: */
    size_t taken;
    uint64_t lost; /* lines for which there was no room */
    char lost_text[64];
};

struct poplin_loop {
    uv_loop_t uv;
    uv_async_t wake;
    unsigned process; /* how many forks lie before this process; see poplin_loop_is_ours */
    bool dirty;       /* libuv was told something that it has not acted on: it must run before anyone waits */
    bool closing;     /* inside poplin_loop_free */
    atomic_uint_least64_t offset;  /* how far the clock was advanced, in milliseconds; read by any thread */
    poplin_ready queue;            /* head of a ring: who has something to do, in the order of arrival */
    uint64_t pass;                 /* how many times the queue was run */
    struct poplin_deadline *first; /* the top of the heap; see deadline.h */
    pthread_mutex_t lock;          /* guards the posts */
    poplin_post *posts, *last_post;
    poplin_pool large; /* for links, through which mail flows in */
    poplin_pool small; /* for sessions, which receive commands */
    struct poplin_tracing trace;
    uint64_t connections;          /* how many there were: each has a number */
    poplin_tls_credentials *trust; /* the system's CAs, loaded when first needed; see poplin_loop_trust */
};

/* True where the loop belongs to this process; false in a child after fork, where libuv must not be called. */
bool poplin_loop_is_ours(const poplin_loop *loop);

/* In a child after fork, for a loop that may be in any state: closes its descriptors; its memory stays. */
void poplin_loop_abandon(poplin_loop *loop);

/* The system's CAs, verified; borrowed, lives as long as the loop. Failures as poplin_tls_client_credentials. */
int poplin_loop_trust(poplin_loop *loop, poplin_tls_credentials **credentials, poplin_error *error);

#endif
