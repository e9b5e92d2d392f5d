/*
 * core.c - the module poplin.core: its functions, and its types.
 */
#include <string.h>
#include <time.h>

#include "core.h"

void poplin_lua_type(lua_State *L, const char *name, const luaL_Reg *methods) {
    luaL_newmetatable(L, name);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

/* core.finalizing(): true inside a finalizer, where Lua allows nothing to be asked of its collector. */
static int finalizing(lua_State *L) {
    lua_pushboolean(L, lua_gc(L, LUA_GCCOUNT) < 0);
    return 1;
}

/* core.now(): milliseconds of a clock that nothing sets or moves. */
static int now(lua_State *L) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    lua_pushinteger(L, (lua_Integer)time.tv_sec * 1000 + time.tv_nsec / 1000000);
    return 1;
}

/* core.same_secret(a, b): whether two strings are equal, in a time that does not tell where they differ. */
static int same_secret(lua_State *L) {
    size_t size = 0;
    size_t other_size = 0;
    const char *text = luaL_checklstring(L, 1, &size);
    const char *other = luaL_checklstring(L, 2, &other_size);
    volatile unsigned char difference = size != other_size;
    for (size_t i = 0; i < size; i++) {
        difference = (unsigned char)(difference | (text[i] ^ (other_size == 0 ? 0 : other[i % other_size])));
    }
    lua_pushboolean(L, difference == 0);
    return 1;
}

/* core.need_no_secret(mechanisms): whether one of the named mechanisms logs in without password or token. */
static int need_no_secret(lua_State *L) {
    lua_pushboolean(L, poplin_mechanisms_need_no_secret(luaL_checkstring(L, 1)));
    return 1;
}

/*
 * core.parse_url(url, tls): host, port, user or nil, auth or nil, and the mode of TLS; or nil and an error. An
 * unknown word for tls is misuse.
 */
static int parse_url(lua_State *L) {
    size_t size = 0;
    const char *text = luaL_checklstring(L, 1, &size);
    const char *word = luaL_checkstring(L, 2);
    poplin_url url;
    poplin_error error;
    enum poplin_tls_mode mode = POPLIN_TLS_IMPLICIT;
    if (poplin_url_parse(text, size, &url, &error) != POPLIN_OK) {
        return poplin_lua_fail(L, &error);
    }
    if (poplin_url_tls(&url, word, &mode) != POPLIN_OK) {
        return luaL_error(L, "tls must be 'auto', 'implicit', 'stls' or 'never'");
    }
    lua_pushstring(L, url.host);
    lua_pushinteger(L, url.port);
    lua_pushstring(L, url.user[0] == '\0' ? NULL : url.user);
    lua_pushstring(L, url.auth[0] == '\0' ? NULL : url.auth);
    lua_pushinteger(L, mode);
    return 5;
}

static void set_integer(lua_State *L, const char *name, lua_Integer value) {
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

POPLIN_API int luaopen_poplin_core(lua_State *L);

int luaopen_poplin_core(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"loop", poplin_lua_loop_new},
        {"open", poplin_lua_link_open},
        {"server", poplin_lua_server_new},
        {"error", poplin_lua_new_error},
        {"background", poplin_lua_background_new},
        {"memory", poplin_lua_memory_new},
        {"testkit", poplin_lua_testkit_new},
        {"authority", poplin_lua_authority_new},
        {"attacks", poplin_lua_attacks},
        {"blemishes", poplin_lua_blemishes},
        {"fault_settings", poplin_lua_fault_settings},
        {"outcomes", poplin_lua_outcomes},
        {"quirks", poplin_lua_quirks},
        {"need_no_secret", need_no_secret},
        {"parse_url", parse_url},
        {"finalizing", finalizing},
        {"now", now},
        {"same_secret", same_secret},
        {NULL, NULL},
    };
    luaL_checkversion(L);
    poplin_lua_error_type(L);
    poplin_lua_loop_type(L);
    poplin_lua_link_type(L);
    poplin_lua_call_type(L);
    poplin_lua_series_type(L);
    poplin_lua_listing_type(L);
    poplin_lua_server_type(L);
    poplin_lua_authority_type(L);
    poplin_lua_background_type(L);
    poplin_lua_memory_type(L);
    poplin_lua_record_type(L);
    poplin_lua_testkit_type(L);
    luaL_newlib(L, functions);
    set_integer(L, "TLS_IMPLICIT", POPLIN_TLS_IMPLICIT);
    set_integer(L, "TLS_STLS", POPLIN_TLS_STLS);
    set_integer(L, "TLS_NEVER", POPLIN_TLS_NEVER);
    set_integer(L, "LOCK_EXCLUSIVE", POPLIN_LOCK_EXCLUSIVE);
    set_integer(L, "LOCK_NONE", POPLIN_LOCK_NONE);
    lua_pushstring(L, poplin_version());
    lua_setfield(L, -2, "version");
    return 1;
}
