/*
 * machine.c - what the two state machines have in common: see machine.h.
 */
#include <string.h>

#include "machine.h"

/* ---- the object ---- */

void poplin_lua_machine_new(lua_State *L, const char *name) {
    luaL_setmetatable(L, name);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, POPLIN_LUA_MACHINE_SETTINGS);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, -2, POPLIN_LUA_MACHINE_EVENTS);
}

static bool is_finalizing(lua_State *L) {
    return lua_gc(L, LUA_GCCOUNT) < 0;
}

void poplin_lua_feed_enter(lua_State *L, const poplin_lua_feed *feed, bool tells) {
    if (is_finalizing(L)) {
        luaL_error(L, "it cannot be used in a finalizer, only closed");
    }
    if (feed->telling && !tells) {
        luaL_error(L, "memory ran out while an event was told: call next_event again first");
    }
}

bool poplin_lua_feed_discard(lua_State *L, poplin_lua_feed *feed) {
    feed->discarded = is_finalizing(L);
    return !feed->discarded;
}

/* ---- octets ---- */

static void let_go(lua_State *L, int value) {
    lua_pushnil(L);
    lua_setiuservalue(L, 1, value);
}

/* The string on top is popped, and kept while it is lent. STATE, among others, where what was lent before is not read yet. */
static int lend(lua_State *L, poplin_lua_feed *feed, const poplin_lua_mouth *mouth, void *machine) {
    size_t size = 0;
    const char *data = lua_tolstring(L, -1, &size);
    int status = mouth->input(machine, data, size);
    if (status == POPLIN_OK) {
        feed->lent = true;
        lua_setiuservalue(L, 1, POPLIN_LUA_MACHINE_LENT);
    } else {
        lua_pop(L, 1);
    }
    return status;
}

/* Keeps the string at index 2 behind all that has come. */
static void keep(lua_State *L, poplin_lua_feed *feed) {
    if (feed->first == 0) {
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, 1, POPLIN_LUA_MACHINE_LATER);
    } else {
        lua_getiuservalue(L, 1, POPLIN_LUA_MACHINE_LATER);
    }
    lua_pushvalue(L, 2);
    lua_rawseti(L, -2, feed->last + 1);
    feed->first = feed->first == 0 ? 1 : feed->first;
    feed->last++;
    lua_pop(L, 1);
}

int poplin_lua_feed_put(lua_State *L, poplin_lua_feed *feed, const poplin_lua_mouth *mouth, void *machine) {
    if (lua_type(L, 2) != LUA_TSTRING) {
        luaL_error(L, "data must be a string, not a %s", luaL_typename(L, 2));
    }
    if (feed->ended) {
        return POPLIN_ERR_STATE;
    }
    if (lua_rawlen(L, 2) == 0) {
        return POPLIN_OK;
    }
    int status = POPLIN_ERR_STATE;
    if (feed->first == 0) {
        lua_pushvalue(L, 2);
        status = lend(L, feed, mouth, machine);
    }
    if (status != POPLIN_ERR_STATE || !feed->lent) {
        return status;
    }
    keep(L, feed);
    return POPLIN_OK;
}

void poplin_lua_feed_end(lua_State *L, poplin_lua_feed *feed) {
    if (!lua_isnoneornil(L, 2) && !lua_isboolean(L, 2)) {
        luaL_error(L, "clean must be true or false");
    }
    feed->clean = feed->ended ? feed->clean : lua_isnoneornil(L, 2) || lua_toboolean(L, 2);
    feed->ended = true;
}

/* The first of those that wait. There may be many, where a host receives while a question is open. */
static bool lend_next(lua_State *L, poplin_lua_feed *feed, const poplin_lua_mouth *mouth, void *machine) {
    lua_getiuservalue(L, 1, POPLIN_LUA_MACHINE_LATER);
    lua_rawgeti(L, -1, feed->first);
    if (lend(L, feed, mouth, machine) != POPLIN_OK) {
        lua_pop(L, 1);
        return false;
    }
    lua_pushnil(L);
    lua_rawseti(L, -2, feed->first); /* it is there: this needs no memory */
    lua_pop(L, 1);
    if (feed->first++ == feed->last) {
        feed->first = feed->last = 0;
        let_go(L, POPLIN_LUA_MACHINE_LATER);
    }
    return true;
}

bool poplin_lua_feed_go_on(lua_State *L, poplin_lua_feed *feed, int status, bool starts_tls,
                           const poplin_lua_mouth *mouth, void *machine) {
    if (status < 0 || (status == POPLIN_OK && !starts_tls)) {
        return false;
    }
    if (status == POPLIN_NEED_INPUT) {
        let_go(L, POPLIN_LUA_MACHINE_LENT);
        feed->lent = false;
    }
    if (feed->first != 0) {
        return lend_next(L, feed, mouth, machine);
    }
    if (status == POPLIN_OK || !feed->ended || feed->told) {
        return false;
    }
    feed->told = true;
    return mouth->eof(machine, feed->clean) == POPLIN_OK;
}

void poplin_lua_feed_stop(lua_State *L, poplin_lua_feed *feed) {
    feed->ended = feed->told = true;
    feed->lent = false;
    feed->first = feed->last = 0;
    let_go(L, POPLIN_LUA_MACHINE_LENT);
    let_go(L, POPLIN_LUA_MACHINE_LATER);
}

int poplin_lua_machine_pause(lua_State *L, int status) {
    lua_pushboolean(L, false);
    lua_pushstring(L, status == POPLIN_WAITING ? "waiting" : "need_data");
    return 2;
}

/* ---- arguments ---- */

/* What tls_started takes; the strings live as long as the table. */
typedef struct given_facts {
    bool verified;
    poplin_slice exporter;
    poplin_slice end_point;
    poplin_slice identity;
} given_facts;

#define SETTING(name, kind) \
    { #name, POPLIN_LUA_##kind, offsetof(given_facts, name) }
static const poplin_lua_setting settings[] = {
    SETTING(verified, BOOL),  SETTING(exporter, SLICE),   SETTING(end_point, SLICE),
    SETTING(identity, SLICE), {NULL, POPLIN_LUA_BOOL, 0},
};
#undef SETTING

static size_t copy_octets(lua_State *L, const char *name, poplin_slice from, size_t least, size_t room, void *to) {
    if (from.data == NULL) {
        return 0;
    }
    if (from.size < least || from.size > room) {
        luaL_error(L, "%s must have %d to %d octets", name, (int)least, (int)room);
    }
    memcpy(to, from.data, from.size);
    return from.size;
}

void poplin_lua_machine_facts(lua_State *L, poplin_tls_facts *facts) {
    given_facts given = {.verified = false};
    poplin_lua_settings(L, 2, settings, &given);
    *facts = (poplin_tls_facts){.verified = given.verified};
    facts->exporter_size =
        copy_octets(L, "exporter", given.exporter, sizeof facts->exporter, sizeof facts->exporter, facts->exporter);
    facts->end_point_size = copy_octets(L, "end_point", given.end_point, 1, sizeof facts->end_point, facts->end_point);
    facts->identity_size = copy_octets(L, "identity", given.identity, 1, sizeof facts->identity, facts->identity);
}

uint64_t poplin_lua_machine_number(lua_State *L, int index, const char *name, lua_Integer least, lua_Integer most) {
    int exact = 0;
    lua_Integer number = lua_type(L, index) == LUA_TNUMBER ? lua_tointegerx(L, index, &exact) : 0;
    if (!exact || number < least || number > most) {
        luaL_error(L, "%s must be a whole number from %I to %I", name, (LUAI_UACINT)least, (LUAI_UACINT)most);
    }
    return (uint64_t)number;
}

/* ---- events ---- */

void poplin_lua_event_new(lua_State *L, const char *type, int fields) {
    lua_createtable(L, 0, fields + 1);
    lua_getiuservalue(L, 1, POPLIN_LUA_MACHINE_EVENTS);
    lua_setmetatable(L, -2);
    poplin_lua_event_word(L, "type", type);
}

void poplin_lua_event_integer(lua_State *L, const char *name, uint64_t value) {
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

void poplin_lua_event_boolean(lua_State *L, const char *name, bool value) {
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

void poplin_lua_event_word(lua_State *L, const char *name, const char *word) {
    if (word != NULL && word[0] != '\0') {
        lua_pushstring(L, word);
        lua_setfield(L, -2, name);
    }
}

void poplin_lua_event_text(lua_State *L, const char *name, poplin_slice text) {
    if (text.data != NULL) {
        poplin_lua_event_octets(L, name, text);
    }
}

void poplin_lua_event_octets(lua_State *L, const char *name, poplin_slice octets) {
    poplin_lua_push_slice(L, octets);
    lua_setfield(L, -2, name);
}
