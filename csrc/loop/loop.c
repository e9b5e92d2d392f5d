/*
 * loop/loop.c - the driver: one pass of libuv, then everything that it found out is handed out; posts; the clock.
 *
 * A pass is: wait on the backend descriptor (our own poll(2), so that a signal gets through), uv_run(NOWAIT), posted
 * functions, deadlines, and then whoever is queued as ready. What becomes ready meanwhile waits for the next pass, so that
 * nobody can keep the others from their turn.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "loop/deadline.h"
#include "loop/descriptors.h"
#include "loop/trace.h"

enum { LARGE_BUFFER = 256 << 10, SMALL_BUFFER = 64 << 10, KEPT_OCTETS = 1 << 20 };

struct poplin_post {
    poplin_post *next;
    void (*function)(void *argument);
    void *argument;
};

/* ---- which process this is ---- */

static atomic_uint forks;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void count_fork(void) {
    atomic_fetch_add(&forks, 1);
}

static void watch_forks(void) {
    (void)pthread_atfork(NULL, NULL, count_fork);
}

bool poplin_loop_is_ours(const poplin_loop *loop) {
    return loop->process == atomic_load_explicit(&forks, memory_order_relaxed);
}

/* ---- life ---- */

/* Wakes the backend descriptor; the posts are looked for in every pass. */
static void woken(uv_async_t *wake) {
    (void)wake;
}

/* libuv opens all its descriptors here. */
static int init_uv(poplin_loop *loop) {
    poplin_held held;
    if (poplin_descriptors_hold(&held) != POPLIN_OK)
        return POPLIN_ERR_IO;
    bool ready = uv_loop_init(&loop->uv) == 0;
    if (ready && uv_async_init(&loop->uv, &loop->wake, woken) != 0) {
        (void)uv_loop_close(&loop->uv);
        ready = false;
    }
    poplin_descriptors_release(&held);
    return ready ? POPLIN_OK : POPLIN_ERR_IO;
}

int poplin_loop_new(poplin_loop **made) {
    poplin_loop *loop = calloc(1, sizeof *loop);
    *made = NULL;
    if (!loop)
        return POPLIN_ERR_NOMEM;
    (void)pthread_once(&fork_once, watch_forks);
    loop->process = atomic_load(&forks);
    loop->dirty = true; /* the wake-up itself is watched only once libuv has run */
    loop->queue.next = loop->queue.previous = &loop->queue;
    loop->large.size = LARGE_BUFFER;
    loop->small.size = SMALL_BUFFER;
    loop->small.secret = true;
    int status = init_uv(loop);
    if (status != POPLIN_OK) {
        free(loop);
        return status;
    }
    (void)pthread_mutex_init(&loop->lock, NULL);
    *made = loop;
    return POPLIN_OK;
}

static void empty_pool(poplin_pool *pool) {
    while (pool->first) {
        void *buffer = pool->first;
        pool->first = *(void **)buffer;
        free(buffer);
    }
}

static poplin_post *take_post(poplin_loop *loop) {
    (void)pthread_mutex_lock(&loop->lock);
    poplin_post *post = loop->posts;
    if (post) {
        loop->posts = post->next;
        if (!loop->posts)
            loop->last_post = NULL;
    }
    (void)pthread_mutex_unlock(&loop->lock);
    return post;
}

static bool run_post(poplin_loop *loop) {
    poplin_post *post = take_post(loop);
    if (!post)
        return false;
    void (*function)(void *) = post->function;
    void *argument = post->argument;
    free(post);
    function(argument);
    return true;
}

/*
 * In a child after fork the descriptors are copies, but the epoll set behind one of them is still the parent's:
 * any libuv call would change it. The descriptors are closed by hand, and what else libuv holds is left.
 */
static void close_descriptors(poplin_loop *loop) {
    const int descriptors[] = {loop->uv.backend_fd, loop->uv.async_io_watcher.fd, loop->uv.async_wfd,
                               loop->uv.signal_pipefd[0], loop->uv.signal_pipefd[1]};
    for (size_t i = 0; i < sizeof descriptors / sizeof descriptors[0]; i++)
        if (descriptors[i] >= 0)
            (void)close(descriptors[i]);
}

void poplin_loop_abandon(poplin_loop *loop) {
    close_descriptors(loop);
}

void poplin_loop_free(poplin_loop *loop) {
    if (!loop)
        return;
    loop->closing = true;
    empty_pool(&loop->large);
    empty_pool(&loop->small);
    poplin_trace_free(loop);
    if (!poplin_loop_is_ours(loop)) {
        close_descriptors(loop);
        free(loop);
        return;
    }
    while (run_post(loop))
        ;
    poplin_tls_credentials_free(loop->trust);
    uv_close((uv_handle_t *)&loop->wake, NULL);
    (void)uv_run(&loop->uv, UV_RUN_NOWAIT);
    if (uv_loop_close(&loop->uv) != 0)
        return; /* something still lives on it, against the contract: its memory must stay */
    (void)pthread_mutex_destroy(&loop->lock);
    free(loop);
}

bool poplin_loop_is_closing(const poplin_loop *loop) {
    return loop->closing;
}

/* ---- the pass ---- */

/* The first in the queue that was queued before this pass and whose run function is not running already; NULL: none. */
static poplin_ready *first_runnable(const poplin_loop *loop, uint64_t pass) {
    for (poplin_ready *ready = loop->queue.next; ready != &loop->queue && ready->pass < pass; ready = ready->next)
        if (!ready->running)
            return ready;
    return NULL;
}

static void unlink_ready(poplin_ready *ready) {
    if (!ready->next)
        return;
    ready->previous->next = ready->next;
    ready->next->previous = ready->previous;
    ready->next = ready->previous = NULL;
}

static void link_ready(poplin_ready *ready) {
    poplin_ready *head = &ready->loop->queue;
    ready->pass = ready->loop->pass;
    ready->previous = head->previous;
    ready->next = head;
    head->previous->next = ready;
    head->previous = ready;
}

static void run_ready(poplin_ready *ready) {
    struct poplin_running running = {ready};
    unlink_ready(ready);
    ready->running = &running;
    ready->run(ready->context);
    if (running.ready)
        ready->running = NULL;
}

/* Runs those who are queued now; who is queued meanwhile belongs to the next pass. */
static void run_queue(poplin_loop *loop) {
    uint64_t pass = ++loop->pass;
    poplin_ready *ready;
    while ((ready = first_runnable(loop, pass)))
        run_ready(ready);
}

/* As many as there are now; what is posted meanwhile waits. */
static void run_posts(poplin_loop *loop) {
    size_t count = 0;
    (void)pthread_mutex_lock(&loop->lock);
    for (const poplin_post *post = loop->posts; post; post = post->next)
        count++;
    (void)pthread_mutex_unlock(&loop->lock);
    while (count-- > 0 && run_post(loop))
        ;
}

int poplin_loop_timeout(poplin_loop *loop) {
    if (!poplin_loop_is_ours(loop) || loop->dirty || first_runnable(loop, UINT64_MAX))
        return 0;
    uint64_t due = poplin_deadlines_next(loop);
    if (due == UINT64_MAX)
        return -1;
    uint64_t now = poplin_loop_now(loop);
    if (due <= now)
        return 0;
    return due - now < INT_MAX ? (int)(due - now) : INT_MAX;
}

int poplin_loop_step(poplin_loop *loop, int milliseconds) {
    if (!poplin_loop_is_ours(loop) || loop->trace.telling)
        return POPLIN_ERR_STATE;
    int wait = poplin_loop_timeout(loop);
    if (wait < 0 || (milliseconds >= 0 && milliseconds < wait))
        wait = milliseconds;
    if (wait != 0) {
        struct pollfd backend = {.fd = uv_backend_fd(&loop->uv), .events = POLLIN};
        if (poll(&backend, 1, wait) < 0)
            return errno == EINTR ? POPLIN_INTERRUPTED : POPLIN_ERR_IO;
    }
    loop->dirty = false;
    (void)uv_run(&loop->uv, UV_RUN_NOWAIT);
    run_posts(loop);
    poplin_deadlines_expire(loop);
    run_queue(loop);
    return POPLIN_OK;
}

int poplin_loop_fileno(const poplin_loop *loop) {
    return poplin_loop_is_ours(loop) ? uv_backend_fd(&loop->uv) : -1;
}

void poplin_loop_wake(poplin_loop *loop) {
    (void)uv_async_send(&loop->wake);
}

int poplin_loop_post(poplin_loop *loop, void (*function)(void *argument), void *argument) {
    if (!poplin_loop_is_ours(loop))
        return POPLIN_ERR_STATE;
    poplin_post *post = malloc(sizeof *post);
    if (!post)
        return POPLIN_ERR_NOMEM;
    *post = (poplin_post){.function = function, .argument = argument};
    (void)pthread_mutex_lock(&loop->lock);
    if (loop->last_post)
        loop->last_post->next = post;
    else
        loop->posts = post;
    loop->last_post = post;
    (void)uv_async_send(&loop->wake); /* under the lock: the loop cannot be freed before this has returned */
    (void)pthread_mutex_unlock(&loop->lock);
    return POPLIN_OK;
}

/* ---- the clock: libuv's own, read anew each time, since the value that it caches is as old as its last pass ---- */

uint64_t poplin_loop_now(poplin_loop *loop) {
    return uv_hrtime() / 1000000 + atomic_load_explicit(&loop->offset, memory_order_relaxed);
}

void poplin_loop_advance(poplin_loop *loop, uint64_t milliseconds) {
    (void)atomic_fetch_add_explicit(&loop->offset, milliseconds, memory_order_relaxed);
}

/* ---- for the objects on the loop ---- */

void poplin_ready_init(poplin_ready *ready, poplin_loop *loop, void (*run)(void *context), void *context) {
    *ready = (poplin_ready){.loop = loop, .run = run, .context = context};
}

void poplin_ready_queue(poplin_ready *ready) {
    if (!ready->next)
        link_ready(ready);
}

void poplin_ready_remove(poplin_ready *ready) {
    unlink_ready(ready);
    if (ready->running)
        ready->running->ready = NULL;
    ready->running = NULL;
}

void *poplin_pool_take(poplin_pool *pool) {
    void *buffer = pool->first;
    if (!buffer)
        return malloc(pool->size);
    pool->first = *(void **)buffer;
    pool->count--;
    return buffer;
}

void poplin_pool_give(poplin_pool *pool, void *buffer) {
    if (!buffer)
        return;
    if ((pool->count + 1) * pool->size > KEPT_OCTETS) {
        free(buffer);
        return;
    }
    *(void **)buffer = pool->first;
    pool->first = buffer;
    pool->count++;
}

int poplin_loop_trust(poplin_loop *loop, poplin_tls_credentials **credentials, poplin_error *error) {
    const poplin_tls_trust trust = {.verify = true};
    int status = POPLIN_OK;
    if (!loop->trust)
        status = poplin_tls_client_credentials(&trust, &loop->trust, error);
    *credentials = loop->trust;
    return status;
}
