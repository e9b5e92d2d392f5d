/*
 * testkit.c - the type testkit: faults, and the log of what happened on the server that it taps.
 */
#include <stdlib.h>

#include "core.h"

enum { LOOP = 1 }; /* the user value of a kit */

typedef struct testkit {
    poplin_testkit *kit;
    char *name; /* of the fault that was added last, until Lua has it */
} testkit;

static testkit *check_testkit(lua_State *L, int index) {
    testkit *self = luaL_checkudata(L, index, POPLIN_LUA_TESTKIT);
    luaL_argcheck(L, self->kit != NULL, index, "this testkit is gone");
    return self;
}

poplin_testkit *poplin_lua_check_testkit(lua_State *L, int index) {
    return check_testkit(L, index)->kit;
}

/*
 * core.testkit(sessions kept, loop or nil): a kit, or nil and an error. The loop is woken by all that is logged, for a
 * server that is on a thread of its own; the kit refers to it, and is finalized before.
 */
int poplin_lua_testkit_new(lua_State *L) {
    poplin_testkit_config config;
    lua_Integer kept = luaL_checkinteger(L, 1);
    poplin_loop *loop = lua_isnoneornil(L, 2) ? NULL : poplin_lua_check_loop(L, 2)->loop;
    luaL_argcheck(L, kept > 0, 1, "at least one session is kept");
    poplin_testkit_config_init(&config);
    config.sessions_kept = (size_t)kept;
    lua_settop(L, 2);
    testkit *self = lua_newuserdatauv(L, sizeof *self, 1);
    *self = (testkit){NULL, NULL};
    luaL_setmetatable(L, POPLIN_LUA_TESTKIT);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, -2, LOOP);
    int status = poplin_testkit_new(&config, &self->kit);
    if (status != POPLIN_OK) {
        return poplin_lua_fail_with(L, status, "making a testkit", NULL);
    }
    poplin_testkit_wake(self->kit, loop);
    return 1;
}

/* kit:add_secret(string): true: it is never shown; or nil and an error. */
static int testkit_add_secret(lua_State *L) {
    luaL_checktype(L, 2, LUA_TSTRING);
    int status = poplin_testkit_add_secret(poplin_lua_check_testkit(L, 1), poplin_lua_slice(L, 2));
    if (status != POPLIN_OK) {
        return poplin_lua_fail_with(L, status, "hiding a secret", NULL);
    }
    lua_pushboolean(L, true);
    return 1;
}

static int testkit_reset(lua_State *L) {
    poplin_testkit_reset(poplin_lua_check_testkit(L, 1));
    return 0;
}

/* ---- faults ---- */

/* What was added: its id and its name; or nil and an error. */
static int added(lua_State *L, testkit *self, int status, const poplin_fault_handle *handle,
                 const poplin_error *error) {
    if (status != POPLIN_OK) {
        return error->status == status ? poplin_lua_fail(L, error) : poplin_lua_fail_with(L, status, NULL, NULL);
    }
    free(self->name);
    self->name = handle->name;
    lua_pushinteger(L, (lua_Integer)handle->id);
    lua_pushstring(L, self->name);
    return 2;
}

/* The setting at a place, from 1, of the array at index 3; its strings live as long as the array. */
static poplin_setting setting_at(lua_State *L, lua_Integer place) {
    lua_rawgeti(L, 3, 2 * place - 1);
    lua_rawgeti(L, 3, 2 * place);
    poplin_setting setting = {poplin_lua_text(L, -2), poplin_lua_slice(L, -1)};
    lua_pop(L, 2);
    return setting;
}

/* kit:fault(command or nil, array of name, value, name, value): what was added. */
static int testkit_fault(lua_State *L) {
    poplin_error error = {.status = POPLIN_OK};
    poplin_fault_handle handle;
    testkit *self = check_testkit(L, 1);
    const char *command = lua_isnoneornil(L, 2) ? NULL : poplin_lua_text(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    size_t count = lua_rawlen(L, 3) / 2;
    poplin_setting *settings = lua_newuserdatauv(L, (count + 1) * sizeof *settings, 0);
    for (size_t i = 0; i < count; i++) {
        settings[i] = setting_at(L, (lua_Integer)i + 1);
    }
    int status = poplin_testkit_add_fault(self->kit, command, settings, count, &handle, &error);
    return added(L, self, status, &handle, &error);
}

/* kit:fault_text(text) and kit:profile(name): the same. */
static int testkit_fault_text(lua_State *L) {
    poplin_error error = {.status = POPLIN_OK};
    poplin_fault_handle handle;
    testkit *self = check_testkit(L, 1);
    int status = poplin_testkit_add_fault_text(self->kit, poplin_lua_text(L, 2), &handle, &error);
    return added(L, self, status, &handle, &error);
}

static int testkit_profile(lua_State *L) {
    poplin_error error = {.status = POPLIN_OK};
    poplin_fault_handle handle;
    testkit *self = check_testkit(L, 1);
    int status = poplin_testkit_add_profile(self->kit, poplin_lua_text(L, 2), &handle, &error);
    return added(L, self, status, &handle, &error);
}

/* kit:remove(id): how often it took effect; nil where it is not there any more. */
static int testkit_remove(lua_State *L) {
    poplin_testkit *kit = poplin_lua_check_testkit(L, 1);
    uint64_t fired = 0;
    if (poplin_testkit_remove(kit, (uint64_t)luaL_checkinteger(L, 2), &fired) == POPLIN_OK) {
        lua_pushinteger(L, (lua_Integer)fired);
    } else {
        lua_pushnil(L);
    }
    return 1;
}

/* kit:fired(id): how often so far. */
static int testkit_fired(lua_State *L) {
    poplin_testkit *kit = poplin_lua_check_testkit(L, 1);
    lua_pushinteger(L, (lua_Integer)poplin_testkit_fired(kit, (uint64_t)luaL_checkinteger(L, 2)));
    return 1;
}

static void set_meaning(lua_State *L, const char *name, const char *meaning) {
    lua_pushstring(L, meaning);
    lua_setfield(L, -2, name);
}

/* core.fault_settings(): a table from name to meaning. */
int poplin_lua_fault_settings(lua_State *L) {
    lua_newtable(L);
    for (const poplin_setting_row *row = poplin_testkit_settings(); row->name != NULL; row++) {
        set_meaning(L, row->name, row->meaning);
    }
    return 1;
}

static int push_profiles(lua_State *L, const poplin_profile *profile) {
    lua_newtable(L);
    for (; profile->name != NULL; profile++) {
        set_meaning(L, profile->name, profile->meaning);
    }
    return 1;
}

/* core.quirks() and core.attacks(): the same. */
int poplin_lua_quirks(lua_State *L) {
    return push_profiles(L, poplin_testkit_quirks());
}

int poplin_lua_attacks(lua_State *L) {
    return push_profiles(L, poplin_testkit_attacks());
}

/* ---- what happened ---- */

/* kit:count(): how many sessions are kept. */
static int testkit_count(lua_State *L) {
    uint64_t sessions = 0;
    uint64_t not_kept = 0;
    poplin_testkit_count(poplin_lua_check_testkit(L, 1), &sessions, &not_kept);
    lua_pushinteger(L, (lua_Integer)(sessions - not_kept));
    return 1;
}

static int answer_record(lua_State *L, int status) {
    if (status == POPLIN_ERR_REFUSED) {
        lua_pushnil(L);
        return 1;
    }
    return status == POPLIN_OK ? 1 : luaL_error(L, "not enough memory");
}

/* kit:record(i): of the session at place i, from 1, among those that are kept; nil where there is none. */
static int testkit_record(lua_State *L) {
    poplin_testkit *kit = poplin_lua_check_testkit(L, 1);
    lua_Integer place = luaL_checkinteger(L, 2);
    if (place < 1) {
        lua_pushnil(L);
        return 1;
    }
    return answer_record(L, poplin_testkit_record(kit, (size_t)place - 1, poplin_lua_record_new(L)));
}

/* kit:record_numbered(number): of this session; nil where it is not kept any more. */
static int testkit_record_numbered(lua_State *L) {
    poplin_testkit *kit = poplin_lua_check_testkit(L, 1);
    uint64_t number = (uint64_t)luaL_checkinteger(L, 2);
    return answer_record(L, poplin_testkit_record_numbered(kit, number, poplin_lua_record_new(L)));
}

/* kit:changes(): counts up with everything that is logged. */
static int testkit_changes(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)poplin_testkit_changes(poplin_lua_check_testkit(L, 1)));
    return 1;
}

/* The server that it taps refers to it, and so was finalized before. */
static int testkit_gc(lua_State *L) {
    testkit *self = luaL_checkudata(L, 1, POPLIN_LUA_TESTKIT);
    poplin_testkit_free(self->kit);
    free(self->name);
    *self = (testkit){NULL, NULL};
    return 0;
}

void poplin_lua_testkit_type(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"add_secret", testkit_add_secret},
        {"reset", testkit_reset},
        {"fault", testkit_fault},
        {"fault_text", testkit_fault_text},
        {"profile", testkit_profile},
        {"remove", testkit_remove},
        {"fired", testkit_fired},
        {"count", testkit_count},
        {"record", testkit_record},
        {"record_numbered", testkit_record_numbered},
        {"changes", testkit_changes},
        {"__gc", testkit_gc},
        {NULL, NULL},
    };
    poplin_lua_type(L, POPLIN_LUA_TESTKIT, methods);
}
