/*
 * fetch.h - a fetch as the Lua module has it: what its files share.
 *
 *   fetch.c          the type fetch: what Lua code asks of the engine and answers
 *   fetch_events.c   the engine's events and records as values of Lua, and back
 *   fetch_serve.c    what needs no Lua: Maildirs, an SQLite file, the octets of a message
 *   delivery.c       the type delivery: a Maildir that is delivered to
 */
#ifndef POPLIN_LUA_FETCH_H
#define POPLIN_LUA_FETCH_H

#include "core.h"

/* The userdata of a delivery. */
typedef struct poplin_lua_delivery {
    poplin_delivery *delivery; /* NULL: closed */
    const char *name;          /* of the file that the message stands in; NULL: not delivered */
    bool out;                  /* it does not get this message, or cannot take the rest of it */
} poplin_lua_delivery;

/* The userdata of a fetch; its deliveries, the store and the link are user values. */
typedef struct poplin_lua_fetch {
    poplin_fetch *fetch;
    poplin_fetch_event event; /* the last one */
    bool asked;               /* it waits for Lua's answer */
    bool routed;              /* Lua says where each message goes, or else all go where the first ones go */
    bool always, wants;       /* Lua gets the octets: of all messages, of this one */
    bool tells;               /* Lua wants to know how far it is */
    poplin_fetch_progress told;
    poplin_link *link;   /* NULL: no session */
    bool cut_off;        /* the link was closed meanwhile */
    poplin_seen **store; /* NULL: the store is the script's */
    poplin_lua_delivery **attached;
    size_t attached_count;
    char *octets; /* of this message */
    size_t octet_count, octet_room;
    bool failed; /* a Maildir could not take this message */
    poplin_error failure;
} poplin_lua_fetch;

/* What poplin_lua_fetch_run answers, beside statuses: messages were done, or many octets. */
#define POPLIN_LUA_FETCH_TELL 100

/* ---- delivery.c ---- */

poplin_lua_delivery *poplin_lua_check_delivery(lua_State *L, int index);

/* ---- fetch_serve.c ---- */

/*
 * Goes on, for a moment. OK: the event is Lua's; POPLIN_LUA_FETCH_TELL; INTERRUPTED: the moment is over; NEED_INPUT, END or a
 * failure, as poplin_fetch_next.
 */
int poplin_lua_fetch_run(poplin_lua_fetch *self);

/* BEGIN: those deliveries that are not out get it. Answers the event. */
void poplin_lua_fetch_begin(poplin_lua_fetch *self);

/* Gives back the memory that a message took. */
void poplin_lua_fetch_drop_octets(poplin_lua_fetch *self);

/* ---- fetch_events.c ---- */

/* Pushes the event's name and what belongs to it; returns how many values that are. */
int poplin_lua_fetch_push_event(lua_State *L, const poplin_lua_fetch *self);

/* Pushes a table of how far it is. */
void poplin_lua_fetch_push_progress(lua_State *L, const poplin_fetch_progress *progress);

#endif
