/*
 * fetch_run.c - what a fetch does without Lua: it delivers to its places, and remembers in its SQLite file.
 */
#include "fetch.h"

/* How long it goes on while there is something to do, before others have their turn. */
#define TURN_MS 20

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
static bool is_luas(poplin_lua_fetch *self) {
    switch (self->event.kind) {
    case POPLIN_FETCH_RECALL:
    case POPLIN_FETCH_RECORD:
        return remember(self);
    case POPLIN_FETCH_BEGIN:
        return self->routed || !poplin_places_serve(self->places, self->fetch, &self->event);
    default:
        return !poplin_places_serve(self->places, self->fetch, &self->event);
    }
}

int poplin_lua_fetch_run(poplin_lua_fetch *self) {
    const int64_t until = poplin_lua_milliseconds_now() + TURN_MS;
    for (;;) {
        if (self->tells && poplin_fetch_has_news(self->fetch, &self->told)) {
            return POPLIN_LUA_FETCH_TELL;
        }
        int status = poplin_fetch_next(self->fetch, &self->event);
        if (status != POPLIN_OK || is_luas(self)) {
            return status;
        }
        if (poplin_lua_milliseconds_now() >= until) {
            return POPLIN_INTERRUPTED;
        }
    }
}
