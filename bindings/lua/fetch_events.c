/*
 * fetch_events.c - what a fetch asks Lua code: the engine's events as a word and what belongs to it.
 */
#include <string.h>

#include "fetch.h"

static void set_integer(lua_State *L, const char *name, uint64_t value) {
    lua_pushinteger(L, value > LUA_MAXINTEGER ? LUA_MAXINTEGER : (lua_Integer)value);
    lua_setfield(L, -2, name);
}

static void set_boolean(lua_State *L, const char *name, bool value) {
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

/* Pushes a table: number, uid, octets, headers_only, resumed. */
static void push_message(lua_State *L, const poplin_fetch_message *message) {
    lua_createtable(L, 0, 8);
    set_integer(L, "number", message->number);
    if (message->unique_id.data != NULL) {
        poplin_lua_push_slice(L, message->unique_id);
        lua_setfield(L, -2, "uid");
    }
    if (message->octets != POPLIN_OCTETS_UNKNOWN) {
        set_integer(L, "octets", message->octets);
    }
    set_boolean(L, "headers_only", message->headers_only);
    set_boolean(L, "resumed", message->resumed);
}

void poplin_lua_fetch_push_progress(lua_State *L, const poplin_fetch_progress *progress) {
    lua_createtable(L, 0, 7);
    set_integer(L, "messages_done", progress->messages_done);
    set_integer(L, "messages_to_do", progress->messages_to_do);
    set_integer(L, "octets_done", progress->octets_done);
    set_integer(L, "octets_to_do", progress->octets_to_do);
    set_integer(L, "listed", progress->listed);
    set_integer(L, "known", progress->known);
    set_integer(L, "deleted", progress->deleted);
}

/* "result", the message with its result, and the error or nil. */
static int push_result(lua_State *L, const poplin_fetch_event *event) {
    lua_pushliteral(L, "result");
    push_message(L, event->message);
    lua_pushstring(L, poplin_result_name(event->result));
    lua_setfield(L, -2, "result");
    set_boolean(L, "deleted", event->deleted);
    if (event->error == NULL) {
        return 2;
    }
    poplin_lua_push_error(L, event->error);
    return 3;
}

/* "deliver", the message, with its data where Lua wants that, and the names of the files that it stands in. */
static int push_delivered(lua_State *L, const poplin_lua_fetch *self) {
    lua_pushliteral(L, "deliver");
    push_message(L, self->event.message);
    const poplin_slice octets = poplin_places_octets(self->places);
    if (octets.data != NULL) {
        poplin_lua_push_slice(L, octets);
        lua_setfield(L, -2, "data");
    }
    lua_newtable(L);
    for (size_t i = 0; i < poplin_places_count(self->places); i++) {
        const char *name = poplin_places_name(self->places, i);
        if (name != NULL) {
            lua_pushstring(L, name);
            lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
        }
    }
    return 3;
}

/* "record" and the records. */
static int push_records(lua_State *L, const poplin_fetch_event *event) {
    lua_pushliteral(L, "record");
    lua_createtable(L, event->count > 100000 ? 100000 : (int)event->count, 0);
    for (size_t i = 0; i < event->count; i++) {
        poplin_lua_push_record(L, &event->records[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 2;
}

int poplin_lua_fetch_push_event(lua_State *L, const poplin_lua_fetch *self) {
    const poplin_fetch_event *event = &self->event;
    switch (event->kind) {
    case POPLIN_FETCH_CONNECT:
        lua_pushliteral(L, "connect");
        lua_pushinteger(L, (lua_Integer)event->delay_ms);
        return 2;
    case POPLIN_FETCH_RECALL:
        lua_pushliteral(L, "recall");
        return 1;
    case POPLIN_FETCH_RECORD:
        return push_records(L, event);
    case POPLIN_FETCH_FILTER:
        lua_pushliteral(L, "filter");
        push_message(L, event->message);
        poplin_lua_push_slice(L, event->text);
        lua_setfield(L, -2, "data");
        return 2;
    case POPLIN_FETCH_BEGIN:
        lua_pushliteral(L, "begin");
        push_message(L, event->message);
        return 2;
    case POPLIN_FETCH_DELIVER:
        return push_delivered(L, self);
    default:
        return push_result(L, event);
    }
}
