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

int64_t poplin_lua_milliseconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* core.now(): milliseconds of a clock that nothing sets or moves. */
static int now(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)poplin_lua_milliseconds_now());
    return 1;
}

/* core.need_no_secret(mechanisms): whether one of the named mechanisms logs in without password or token. */
static int need_no_secret(lua_State *L) {
    lua_pushboolean(L, poplin_mechanisms_need_no_secret(luaL_checkstring(L, 1)));
    return 1;
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
        {"maildir", poplin_lua_maildir_new},
        {"memory", poplin_lua_memory_new},
        {"seen", poplin_lua_seen_new},
        {"fetch", poplin_lua_fetch_new},
        {"delivery", poplin_lua_delivery_new},
        {"state_folder", poplin_lua_state_folder},
        {"testkit", poplin_lua_testkit_new},
        {"authority", poplin_lua_authority_new},
        {"attacks", poplin_lua_attacks},
        {"blemishes", poplin_lua_blemishes},
        {"fault_settings", poplin_lua_fault_settings},
        {"outcomes", poplin_lua_outcomes},
        {"quirks", poplin_lua_quirks},
        {"need_no_secret", need_no_secret},
        {"parse_url", poplin_lua_parse_url},
        {"format_url", poplin_lua_format_url},
        {"account", poplin_lua_account},
        {"discover", poplin_lua_discover},
        {"header", poplin_lua_header},
        {"fields", poplin_lua_fields},
        {"finalizing", finalizing},
        {"now", now},
        {"scram_keys", poplin_lua_scram_keys},
        {"client_machine", poplin_lua_client_machine_new},
        {"session_machine", poplin_lua_session_machine_new},
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
    poplin_lua_maildir_type(L);
    poplin_lua_memory_type(L);
    poplin_lua_record_type(L);
    poplin_lua_seen_type(L);
    poplin_lua_claim_type(L);
    poplin_lua_fetch_type(L);
    poplin_lua_delivery_type(L);
    poplin_lua_testkit_type(L);
    poplin_lua_decoder_type(L);
    poplin_lua_trust_type(L);
    poplin_lua_client_machine_type(L);
    poplin_lua_session_machine_type(L);
    luaL_newlib(L, functions);
    set_integer(L, "TLS_IMPLICIT", POPLIN_TLS_IMPLICIT);
    set_integer(L, "TLS_STLS", POPLIN_TLS_STLS);
    set_integer(L, "TLS_AUTO", POPLIN_TLS_AUTO);
    set_integer(L, "TLS_NEVER", POPLIN_TLS_NEVER);
    set_integer(L, "ASK_CHECK", POPLIN_ASK_CHECK);
    set_integer(L, "ASK_SECRET", POPLIN_ASK_SECRET);
    set_integer(L, "ASK_KEYS", POPLIN_ASK_KEYS);
    set_integer(L, "ASK_TOKEN", POPLIN_ASK_TOKEN);
    set_integer(L, "LOCK_EXCLUSIVE", POPLIN_LOCK_EXCLUSIVE);
    set_integer(L, "LOCK_SNAPSHOT", POPLIN_LOCK_SNAPSHOT);
    set_integer(L, "LOCK_NONE", POPLIN_LOCK_NONE);
    set_integer(L, "EXPIRE_NEVER", POPLIN_EXPIRE_NEVER);
    set_integer(L, "HEADER_MAX", POPLIN_HEADER_MAX);
    lua_pushstring(L, poplin_version());
    lua_setfield(L, -2, "version");
    return 1;
}
