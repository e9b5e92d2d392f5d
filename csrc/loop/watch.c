/* loop/watch.c - readiness of one descriptor, by uv_poll. */
#include "loop/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct poplin_watch {
    uv_poll_t handle;
    poplin_loop *loop;
    int descriptor;
    int asked;
    void (*happened)(void *context, int events);
    void *context;
};

static void told(uv_poll_t *handle, int status, int events) {
    poplin_watch *watch = handle->data;
    int happened = 0;
    if (status < 0) {
        watch->asked = 0; /* libuv has stopped watching */
        happened = POPLIN_READABLE | POPLIN_WRITABLE;
    }
    if (events & UV_READABLE)
        happened |= POPLIN_READABLE;
    if (events & UV_WRITABLE)
        happened |= POPLIN_WRITABLE;
    watch->happened(watch->context, happened);
}

int poplin_watch_new(poplin_loop *loop, int descriptor, void (*happened)(void *context, int events), void *context,
                     poplin_watch **made) {
    poplin_watch *watch = malloc(sizeof *watch);
    *made = NULL;
    if (!watch)
        return POPLIN_ERR_NOMEM;
    *watch = (poplin_watch){.loop = loop, .descriptor = descriptor, .happened = happened, .context = context};
    int status = uv_poll_init(&loop->uv, &watch->handle, descriptor);
    if (status != 0) {
        free(watch);
        errno = -status;
        return POPLIN_ERR_IO;
    }
    watch->handle.data = watch;
    *made = watch;
    return POPLIN_OK;
}

void poplin_watch_ask(poplin_watch *watch, int events) {
    if (watch->asked == events)
        return;
    watch->asked = events;
    if (events != 0) /* to stop takes effect at once */
        watch->loop->dirty = true;
    (void)uv_poll_start(&watch->handle,
                        (events & POPLIN_READABLE ? UV_READABLE : 0) | (events & POPLIN_WRITABLE ? UV_WRITABLE : 0),
                        told);
}

int poplin_watch_descriptor(const poplin_watch *watch) {
    return watch->descriptor;
}

static void closed(uv_handle_t *handle) {
    free(handle->data);
}

int poplin_watch_release(poplin_watch *watch) {
    int descriptor = watch->descriptor;
    if (poplin_loop_is_ours(watch->loop)) {
        watch->loop->dirty = true;
        uv_close((uv_handle_t *)&watch->handle, closed);
    } else {
        free(watch);
    }
    return descriptor;
}

void poplin_watch_close(poplin_watch *watch) {
    if (watch)
        (void)close(poplin_watch_release(watch));
}
