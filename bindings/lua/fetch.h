/*
 * fetch.h - a fetch as the Lua module has it: what its files share.
 *
 *   fetch.c          the type fetch: what Lua code asks of the engine and answers
 *   fetch_events.c   the engine's events and records as values of Lua, and back
 *   fetch_run.c      what needs no Lua: an SQLite file, and the places that messages go to
 *   delivery.c       the type delivery: a Maildir that is delivered to
 */
#ifndef POPLIN_LUA_FETCH_H
#define POPLIN_LUA_FETCH_H

#include "core.h"

/* The userdata of a delivery. */
typedef struct poplin_lua_delivery {
    poplin_delivery *delivery; /* NULL: closed */
} poplin_lua_delivery;

/* The userdata of a fetch; its deliveries, the store and the link are user values. */
typedef struct poplin_lua_fetch {
    poplin_fetch *fetch;
    poplin_fetch_event event; /* the last one */
    bool asked;               /* it waits for Lua's answer */
    bool routed;              /* Lua says where each message goes, or else all go where the first ones go */
    bool tells;               /* Lua wants to know how far it is */
    poplin_fetch_progress told;
    poplin_link *link;   /* NULL: no session */
    bool cut_off;        /* the link was closed meanwhile */
    poplin_seen **store; /* NULL: the store is the script's */
    poplin_places *places;
} poplin_lua_fetch;

/* What poplin_lua_fetch_run answers, beside statuses: messages were done, or many octets. */
#define POPLIN_LUA_FETCH_TELL 100

/* ---- delivery.c ---- */

poplin_lua_delivery *poplin_lua_check_delivery(lua_State *L, int index);

/* ---- fetch_run.c ---- */

/*
 * Goes on, for a moment. OK: the event is Lua's; POPLIN_LUA_FETCH_TELL; INTERRUPTED: the moment is over; NEED_INPUT, END or a
 * failure, as poplin_fetch_next.
 */
int poplin_lua_fetch_run(poplin_lua_fetch *self);

/* ---- fetch_events.c ---- */

/* Pushes the event's name and what belongs to it; returns how many values that are. */
int poplin_lua_fetch_push_event(lua_State *L, const poplin_lua_fetch *self);

/* Pushes a table of how far it is. */
void poplin_lua_fetch_push_progress(lua_State *L, const poplin_fetch_progress *progress);

#endif
