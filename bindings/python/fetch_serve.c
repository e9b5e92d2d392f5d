/*
 * fetch_serve.c - what a fetch does without Python: it waits, writes to its Maildirs, and collects the octets that Python wants.
 *
 * All of it runs without the interpreter's lock. Of several Maildirs each gets the message, also where another has failed
 * with it; the message counts as delivered only where none has.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fetch.h"

/* Octets of one message after which progress is told, though the message has not ended. */
#define TELL_OCTETS ((uint64_t)1 << 20)

static int64_t milliseconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Notes the first failure with this message. */
static void note(poplin_py_fetch *self, int status, const poplin_error *error) {
    if (status == POPLIN_OK || self->failed) {
        return;
    }
    self->failed = true;
    self->failure = *error;
    self->failure.status = status;
}

/* Whether nobody is left who would get the rest of the message. */
static bool is_lost(const poplin_py_fetch *self) {
    bool lost = self->failed && !self->wants;
    for (size_t i = 0; lost && i < self->attached_count; i++) {
        lost = self->attached[i]->out;
    }
    return lost;
}

static void answer(poplin_py_fetch *self) {
    const bool lost = is_lost(self);
    (void)poplin_fetch_answer(self->fetch, lost ? self->failure.status : POPLIN_OK, lost ? &self->failure : NULL);
}

void poplin_py_fetch_begin(poplin_py_fetch *self) {
    self->failed = false;
    self->octet_count = 0;
    for (size_t i = 0; i < self->attached_count; i++) {
        poplin_py_delivery *delivery = self->attached[i];
        free(delivery->name);
        delivery->name = NULL;
        if (!delivery->out) {
            poplin_error error = {0};
            note(self, poplin_py_delivery_begin(delivery, &self->event, &error), &error);
        }
    }
    answer(self);
}

static void abandon(poplin_py_fetch *self) {
    self->octet_count = 0;
    for (size_t i = 0; i < self->attached_count; i++) {
        poplin_delivery_abandon(self->attached[i]->delivery);
    }
}

/* Keeps octets for Python. False: there is no memory. */
static bool collect(poplin_py_fetch *self, poplin_slice octets) {
    if (octets.size > self->octet_room - self->octet_count) {
        const size_t room = 2 * self->octet_room + octets.size + 65536;
        char *more = realloc(self->octets, room);
        if (more == NULL) {
            return false;
        }
        self->octets = more;
        self->octet_room = room;
    }
    memcpy(self->octets + self->octet_count, octets.data, octets.size);
    self->octet_count += octets.size;
    return true;
}

static void take_piece(poplin_py_fetch *self) {
    const poplin_slice octets = self->event.text;
    if (self->wants && octets.size > 0 && !collect(self, octets)) {
        abandon(self);
        (void)poplin_fetch_answer(self->fetch, POPLIN_ERR_NOMEM, NULL);
        return;
    }
    for (size_t i = 0; i < self->attached_count; i++) {
        if (!self->attached[i]->out) {
            poplin_error error = {0};
            note(self, poplin_py_delivery_write(self->attached[i], octets, &error), &error);
        }
    }
    answer(self);
}

/* The Maildirs' part of it; what the others do with it, and the answer, is Python's. */
static void end(poplin_py_fetch *self) {
    for (size_t i = 0; i < self->attached_count; i++) {
        if (!self->attached[i]->out) {
            poplin_error error = {0};
            note(self, poplin_py_delivery_end(self->attached[i], &error), &error);
        }
    }
}

static void settle(poplin_py_fetch *self) {
    poplin_error error = {0};
    int status = POPLIN_OK;
    for (size_t i = 0; status == POPLIN_OK && i < self->attached_count; i++) {
        status = poplin_delivery_settle(self->attached[i]->delivery, &error);
    }
    (void)poplin_fetch_answer(self->fetch, status, status == POPLIN_OK ? NULL : &error);
}

/* Whether the event is one that Python has to see. */
static bool serve(poplin_py_fetch *self) {
    switch (self->event.kind) {
    case POPLIN_FETCH_BEGIN:
        if (self->routed) {
            return true;
        }
        self->wants = self->always;
        for (size_t i = 0; i < self->attached_count; i++) {
            self->attached[i]->out = false;
        }
        poplin_py_fetch_begin(self);
        return false;
    case POPLIN_FETCH_PIECE:
        take_piece(self);
        return false;
    case POPLIN_FETCH_ABANDON:
        abandon(self);
        return false;
    case POPLIN_FETCH_SETTLE:
        settle(self);
        return false;
    case POPLIN_FETCH_DELIVER:
        end(self);
        return true;
    default:
        return true;
    }
}

static bool has_to_tell(poplin_py_fetch *self) {
    poplin_fetch_progress now;
    if (!self->tells) {
        return false;
    }
    poplin_fetch_progress_now(self->fetch, &now);
    const poplin_fetch_progress *told = &self->told;
    if (now.messages_done == told->messages_done && now.messages_to_do == told->messages_to_do &&
        now.deleted == told->deleted && now.known == told->known && now.octets_done - told->octets_done < TELL_OCTETS) {
        return false;
    }
    self->told = now;
    self->heard = true;
    return true;
}

int poplin_py_fetch_run(poplin_py_fetch *self, bool wait) {
    const int64_t until = milliseconds_now() + POPLIN_PY_SIGNAL_MS;
    for (;;) {
        if (has_to_tell(self)) {
            return POPLIN_PY_FETCH_TELL;
        }
        int status = poplin_fetch_next(self->fetch, &self->event);
        const int64_t left = until - milliseconds_now();
        if (status == POPLIN_OK && serve(self)) {
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
