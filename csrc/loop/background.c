/*
 * loop/background.c - a server on a loop and a thread of its own; and the clock of a loop that another thread drives.
 */
#include <poplin/background.h>

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "loop/serving.h"

struct poplin_background {
    poplin_loop *loop;
    poplin_server *server; /* the thread's, once that runs */
    pthread_t thread;
    bool started;
    atomic_bool stopping;
    atomic_bool resting; /* the thread waits, and all that it works on is in order */
};

/* ---- the thread ---- */

static void rest(poplin_background *background) {
    struct pollfd events = {.fd = poplin_loop_fileno(background->loop), .events = POLLIN};
    int milliseconds = poplin_loop_timeout(background->loop);
    if (milliseconds == 0)
        return;
    atomic_store(&background->resting, true);
    (void)poll(&events, 1, milliseconds);
    atomic_store(&background->resting, false);
}

static void *serve(void *argument) {
    poplin_background *background = argument;
    while (!atomic_load(&background->stopping)) {
        rest(background);
        (void)poplin_loop_step(background->loop, 0);
    }
    poplin_server_free(background->server);
    return NULL;
}

/* With all signals blocked, so that each is for the threads of the host. False: there is none to be had. */
static bool start_thread(poplin_background *background) {
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&background->thread, NULL, serve, background);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failure == 0;
}

/* ---- its life ---- */

int poplin_background_new(const poplin_server_config *config, const poplin_backend *backend, void *context,
                          poplin_background **background, poplin_error *error) {
    poplin_background *made = calloc(1, sizeof *made);
    int status = made != NULL ? poplin_loop_new(&made->loop) : POPLIN_ERR_NOMEM;
    if (status != POPLIN_OK && error != NULL) {
        *error = (poplin_error){.status = status};
        snprintf(error->doing, sizeof error->doing, "start a server");
    }
    if (status == POPLIN_OK)
        status = poplin_server_new(made->loop, config, backend, context, &made->server, error);
    if (status == POPLIN_OK) {
        *background = made;
        return POPLIN_OK;
    }
    if (made != NULL)
        poplin_loop_free(made->loop);
    free(made);
    return status;
}

int poplin_background_start(poplin_background *background) {
    if (background->started)
        return POPLIN_ERR_STATE;
    int status = poplin_server_start(background->server);
    if (status != POPLIN_OK)
        return status;
    background->started = start_thread(background);
    return background->started ? POPLIN_OK : POPLIN_ERR_NOMEM;
}

/*
 * In a child after fork there is no thread. Where it was at work in the parent just then, what it worked on may be in any
 * state and is left as it is.
 */
static void forget(poplin_background *background) {
    if (background->started && !atomic_load(&background->resting)) {
        poplin_server_abandon(background->server);
        poplin_loop_abandon(background->loop);
        return;
    }
    poplin_server_free(background->server);
    poplin_loop_free(background->loop);
    free(background);
}

void poplin_background_free(poplin_background *background) {
    if (background == NULL)
        return;
    if (!poplin_loop_is_ours(background->loop)) {
        forget(background);
        return;
    }
    if (background->started) {
        atomic_store(&background->stopping, true);
        poplin_loop_wake(background->loop);
        (void)pthread_join(background->thread, NULL);
    } else {
        poplin_server_free(background->server);
    }
    poplin_loop_free(background->loop);
    free(background);
}

poplin_loop *poplin_background_loop(poplin_background *background) {
    return background->loop;
}

uint16_t poplin_background_port(const poplin_background *background) {
    return poplin_server_port(background->server);
}

/* ---- the clock ---- */

/* Somebody who waits until a loop has been advanced. */
struct advance {
    poplin_loop *loop;
    uint64_t milliseconds;
    int passes; /* of the driver that are still to come */
    pthread_mutex_t lock;
    pthread_cond_t told;
    bool over; /* status is known */
    int status;
};

static void tell(struct advance *advance, int status) {
    (void)pthread_mutex_lock(&advance->lock);
    advance->over = true;
    advance->status = status;
    (void)pthread_cond_signal(&advance->told);
    (void)pthread_mutex_unlock(&advance->lock);
}

/* In the loop's thread, at the beginning of a pass. */
static void await_passes(void *argument) {
    struct advance *advance = argument;
    int status = POPLIN_ERR_CANCELLED;
    if (!poplin_loop_is_closing(advance->loop)) {
        bool over = advance->passes-- == 0;
        status = over ? POPLIN_OK : poplin_loop_post(advance->loop, await_passes, advance);
        if (!over && status == POPLIN_OK)
            return;
    }
    tell(advance, status);
}

static void move_clock(void *argument) {
    struct advance *advance = argument;
    if (!poplin_loop_is_closing(advance->loop))
        poplin_loop_advance(advance->loop, advance->milliseconds);
    await_passes(advance);
}

/*
 * What is due is handled by the pass that moves the clock, and what follows from it, a last word say, by the next one. The
 * loop cannot be gone before the post has run, since freeing it runs the posts.
 */
int poplin_loop_advance_and_wait(poplin_loop *loop, uint64_t milliseconds) {
    struct advance advance = {.loop = loop,
                              .milliseconds = milliseconds,
                              .passes = 2,
                              .lock = PTHREAD_MUTEX_INITIALIZER,
                              .told = PTHREAD_COND_INITIALIZER};
    int status = poplin_loop_post(loop, move_clock, &advance);
    if (status != POPLIN_OK)
        return status;
    (void)pthread_mutex_lock(&advance.lock);
    while (!advance.over)
        (void)pthread_cond_wait(&advance.told, &advance.lock);
    (void)pthread_mutex_unlock(&advance.lock);
    (void)pthread_cond_destroy(&advance.told);
    (void)pthread_mutex_destroy(&advance.lock);
    return advance.status;
}

int poplin_background_advance(poplin_background *background, uint64_t milliseconds) {
    if (!background->started || pthread_equal(pthread_self(), background->thread))
        return POPLIN_ERR_STATE;
    return poplin_loop_advance_and_wait(background->loop, milliseconds);
}
