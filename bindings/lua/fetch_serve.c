/*
 * fetch_serve.c - what a fetch does without Lua: it writes to its Maildirs and its SQLite file, and collects the octets that
 * Lua wants.
 *
 * Of several Maildirs each gets the message, also where another has failed with it; the message counts as delivered only
 * where none has.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fetch.h"

/* How long it goes on while there is something to do, before others have their turn. */
#define TURN_MS 20

/* Octets of one message after which progress is told, though the message has not ended. */
#define TELL_OCTETS ((uint64_t)1 << 20)

static int64_t milliseconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- one message ---- */

/* Notes the first failure with this message. */
static void note(poplin_lua_fetch *self, poplin_lua_delivery *delivery, int status, const poplin_error *error) {
    if (status == POPLIN_OK) {
        return;
    }
    delivery->out = true;
    if (!self->failed) {
        self->failed = true;
        self->failure = *error;
        self->failure.status = status;
    }
}

/* Whether nobody is left who would get the rest of the message. */
static bool is_lost(const poplin_lua_fetch *self) {
    bool lost = self->failed && !self->wants;
    for (size_t i = 0; lost && i < self->attached_count; i++) {
        lost = self->attached[i]->out;
    }
    return lost;
}

static void answer(poplin_lua_fetch *self) {
    const bool lost = is_lost(self);
    (void)poplin_fetch_answer(self->fetch, lost ? self->failure.status : POPLIN_OK, lost ? &self->failure : NULL);
}

static int begin_in(const poplin_lua_fetch *self, poplin_lua_delivery *delivery, poplin_error *error) {
    if (delivery->delivery == NULL) { /* the state is being closed */
        error->status = POPLIN_ERR_STATE;
        return POPLIN_ERR_STATE;
    }
    return poplin_delivery_begin(delivery->delivery, self->event.account, self->event.message, error);
}

void poplin_lua_fetch_begin(poplin_lua_fetch *self) {
    self->failed = false;
    self->octet_count = 0;
    for (size_t i = 0; i < self->attached_count; i++) {
        self->attached[i]->name = NULL;
        if (!self->attached[i]->out) {
            poplin_error error = {.status = POPLIN_OK};
            note(self, self->attached[i], begin_in(self, self->attached[i], &error), &error);
        }
    }
    answer(self);
}

void poplin_lua_fetch_drop_octets(poplin_lua_fetch *self) {
    free(self->octets);
    self->octets = NULL;
    self->octet_count = self->octet_room = 0;
}

static void abandon(poplin_lua_fetch *self) {
    poplin_lua_fetch_drop_octets(self);
    for (size_t i = 0; i < self->attached_count; i++) {
        if (self->attached[i]->delivery != NULL) {
            poplin_delivery_abandon(self->attached[i]->delivery);
        }
    }
}

/* Keeps octets for Lua. False: there is no memory. */
static bool collect(poplin_lua_fetch *self, poplin_slice octets) {
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

static void take_piece(poplin_lua_fetch *self) {
    const poplin_slice octets = self->event.text;
    if (self->wants && octets.size > 0 && !collect(self, octets)) {
        abandon(self);
        (void)poplin_fetch_answer(self->fetch, POPLIN_ERR_NOMEM, NULL);
        return;
    }
    for (size_t i = 0; i < self->attached_count; i++) {
        poplin_lua_delivery *delivery = self->attached[i];
        if (!delivery->out) {
            poplin_error error = {.status = POPLIN_OK};
            note(self, delivery, poplin_delivery_write(delivery->delivery, octets, &error), &error);
        }
    }
    answer(self);
}

/* The Maildirs' part of it; what the others do with it, and the answer, is Lua's. */
static void end(poplin_lua_fetch *self) {
    for (size_t i = 0; i < self->attached_count; i++) {
        poplin_lua_delivery *delivery = self->attached[i];
        if (!delivery->out) {
            poplin_error error = {.status = POPLIN_OK};
            note(self, delivery, poplin_delivery_end(delivery->delivery, &delivery->name, &error), &error);
        }
    }
}

/* ---- the rest ---- */

static void settle(poplin_lua_fetch *self) {
    poplin_error error = {.status = POPLIN_OK};
    int status = POPLIN_OK;
    for (size_t i = 0; status == POPLIN_OK && i < self->attached_count; i++) {
        if (self->attached[i]->delivery != NULL) {
            status = poplin_delivery_settle(self->attached[i]->delivery, &error);
        }
    }
    (void)poplin_fetch_answer(self->fetch, status, status == POPLIN_OK ? NULL : &error);
}

/* The store's events. Whether they are Lua's. */
static bool remember(poplin_lua_fetch *self) {
    if (self->store == NULL) {
        return true;
    }
    if (*self->store == NULL) {
        const poplin_error error = {
            .status = POPLIN_ERR_STATE, .doing = "fetch", .reason = "its seen store was closed meanwhile"};
        (void)poplin_fetch_answer(self->fetch, POPLIN_ERR_STATE, &error);
        return false;
    }
    (void)poplin_seen_serve(*self->store, self->fetch, &self->event);
    return false;
}

/* Whether the event is one that Lua has to see. */
static bool serve(poplin_lua_fetch *self) {
    switch (self->event.kind) {
    case POPLIN_FETCH_BEGIN:
        if (self->routed) {
            return true;
        }
        self->wants = self->always;
        for (size_t i = 0; i < self->attached_count; i++) {
            self->attached[i]->out = false;
        }
        poplin_lua_fetch_begin(self);
        return false;
    case POPLIN_FETCH_PIECE:
        take_piece(self);
        return false;
    case POPLIN_FETCH_DELIVER:
        end(self);
        return true;
    case POPLIN_FETCH_ABANDON:
        abandon(self);
        return false;
    case POPLIN_FETCH_SETTLE:
        settle(self);
        return false;
    case POPLIN_FETCH_RECALL:
    case POPLIN_FETCH_RECORD:
        return remember(self);
    default:
        return true;
    }
}

static bool has_to_tell(poplin_lua_fetch *self) {
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
    return true;
}

int poplin_lua_fetch_run(poplin_lua_fetch *self) {
    const int64_t until = milliseconds_now() + TURN_MS;
    for (;;) {
        if (has_to_tell(self)) {
            return POPLIN_LUA_FETCH_TELL;
        }
        int status = poplin_fetch_next(self->fetch, &self->event);
        if (status != POPLIN_OK || serve(self)) {
            return status;
        }
        if (milliseconds_now() >= until) {
            return POPLIN_INTERRUPTED;
        }
    }
}
