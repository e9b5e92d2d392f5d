/*
 * fetch_run.c - what a fetch does without Python: it waits, and delivers to its places. All of it runs without the interpreter's lock.
 */
#include "fetch.h"

/* Whether the event is one that Python has to see. */
static bool is_pythons(poplin_py_fetch *self) {
    if (self->event.kind == POPLIN_FETCH_BEGIN && self->routed) {
        return true;
    }
    return !poplin_places_serve(self->places, self->fetch, &self->event);
}

static bool has_to_tell(poplin_py_fetch *self) {
    const bool news = self->tells && poplin_fetch_has_news(self->fetch, &self->told);
    self->heard = self->heard || news;
    return news;
}

int poplin_py_fetch_run(poplin_py_fetch *self, bool wait) {
    const int64_t until = poplin_py_milliseconds_now() + POPLIN_PY_SIGNAL_MS;
    for (;;) {
        if (has_to_tell(self)) {
            return POPLIN_PY_FETCH_TELL;
        }
        int status = poplin_fetch_next(self->fetch, &self->event);
        const int64_t left = until - poplin_py_milliseconds_now();
        if (status == POPLIN_OK && is_pythons(self)) {
            return POPLIN_OK;
        }
        if (status == POPLIN_NEED_INPUT && wait && left > 0) {
            status = poplin_fetch_wait(self->fetch, (int)left);
        }
        if (status == POPLIN_NEED_INPUT && wait) {
            return POPLIN_INTERRUPTED;
        }
        if (status == POPLIN_END && self->tells && !self->heard) { /* there was nothing to do: that is news, too */
            self->heard = true;
            poplin_fetch_progress_now(self->fetch, &self->told);
            return POPLIN_PY_FETCH_TELL;
        }
        if (status != POPLIN_OK) {
            return status;
        }
        if (wait && left <= 0) {
            return POPLIN_INTERRUPTED;
        }
    }
}
