/*
 * discover.c - an address taken apart, and SRV records as servers to try.
 */
#include <string.h>

#include "core.h"

/* core.account(address): domain, an array of users, the two names to look up; or nil and an error. */
int poplin_lua_account(lua_State *L) {
    size_t size = 0;
    const char *text = luaL_checklstring(L, 1, &size);
    poplin_account account;
    poplin_error error;
    if (poplin_account_parse(text, size, &account, &error) != POPLIN_OK) {
        return poplin_lua_fail(L, &error);
    }
    lua_pushstring(L, account.domain);
    lua_createtable(L, (int)account.user_count, 0);
    for (size_t i = 0; i < account.user_count; i++) {
        lua_pushstring(L, account.users[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_pushstring(L, account.pop3s_name);
    lua_pushstring(L, account.pop3_name);
    return 4;
}

/* Four random octets for each record: there is no choice that needs more. */
static uint32_t draw(void *context, uint32_t most) {
    poplin_slice *numbers = context;
    uint32_t number = 0;
    if (numbers->size < sizeof number) {
        return 0;
    }
    memcpy(&number, numbers->data, sizeof number);
    numbers->data += sizeof number;
    numbers->size -= sizeof number;
    return (uint32_t)(number * ((uint64_t)most + 1) >> 32);
}

static const poplin_lua_setting settings[] = {
    {"pop3s", POPLIN_LUA_BOOL, offsetof(poplin_srv, pop3s)},
    {"signed", POPLIN_LUA_BOOL, offsetof(poplin_srv, is_signed)},
    {"priority", POPLIN_LUA_U16, offsetof(poplin_srv, priority)},
    {"weight", POPLIN_LUA_U16, offsetof(poplin_srv, weight)},
    {"port", POPLIN_LUA_U16, offsetof(poplin_srv, port)},
    {"target", POPLIN_LUA_SLICE, offsetof(poplin_srv, target)},
    {NULL, POPLIN_LUA_BOOL, 0},
};

/* An array of the collector's, left on the stack. */
static void *new_array(lua_State *L, size_t count, size_t size) {
    return memset(lua_newuserdatauv(L, (count + 1) * size, 0), 0, (count + 1) * size);
}

static void push_candidate(lua_State *L, const poplin_candidate *candidate) {
    lua_createtable(L, 0, 6);
    poplin_lua_push_slice(L, candidate->host);
    lua_setfield(L, -2, "host");
    lua_pushinteger(L, candidate->record->port);
    lua_setfield(L, -2, "port");
    lua_pushstring(L, poplin_tls_mode_word(candidate->tls));
    lua_setfield(L, -2, "tls");
    lua_pushboolean(L, candidate->verified);
    lua_setfield(L, -2, "verified");
}

/*
 * core.discover(domain, records, numbers, cleartext): an array of { host, port, tls, verified }, from an array of
 * { pop3s, priority, weight, port, target, signed } and a string with four random octets for each.
 */
int poplin_lua_discover(lua_State *L) {
    const char *domain = poplin_lua_text(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    poplin_slice numbers = poplin_lua_slice(L, 3);
    const bool cleartext = lua_toboolean(L, 4) != 0;
    size_t count = (size_t)lua_rawlen(L, 2);
    size_t found = 0;
    poplin_srv *records = new_array(L, count, sizeof *records);
    poplin_candidate *candidates = new_array(L, 2 * count, sizeof *candidates);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 2, (lua_Integer)i + 1); /* the table keeps the target's octets */
        poplin_lua_settings(L, lua_gettop(L), settings, &records[i]);
        lua_pop(L, 1);
    }
    const poplin_discovery discovery = {domain, cleartext, draw, &numbers};
    poplin_discover(&discovery, records, count, candidates, &found);
    lua_createtable(L, (int)found, 0);
    for (size_t i = 0; i < found; i++) {
        push_candidate(L, &candidates[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}
