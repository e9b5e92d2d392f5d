/*
 * testkit.c - the type testkit: faults, and the log of what happened on the server that it taps.
 */
#include <limits.h>
#include <stdlib.h>

#include "core.h"

typedef struct testkit {
    poplin_testkit *kit;
    char *name; /* of the fault that was added last */
} testkit;

static testkit *check_testkit(lua_State *L, int index) {
    testkit *self = luaL_checkudata(L, index, POPLIN_LUA_TESTKIT);
    luaL_argcheck(L, self->kit != NULL, index, "this testkit is gone");
    return self;
}

poplin_testkit *poplin_lua_check_testkit(lua_State *L, int index) {
    return check_testkit(L, index)->kit;
}

/* core.testkit(sessions kept): a kit, or nil and an error. */
int poplin_lua_testkit_new(lua_State *L) {
    poplin_testkit_config config;
    lua_Integer kept = luaL_checkinteger(L, 1);
    luaL_argcheck(L, kept > 0, 1, "at least one session is kept");
    poplin_testkit_config_init(&config);
    config.sessions_kept = (size_t)kept;
    testkit *self = lua_newuserdatauv(L, sizeof *self, 0);
    *self = (testkit){NULL, NULL};
    luaL_setmetatable(L, POPLIN_LUA_TESTKIT);
    int status = poplin_testkit_new(&config, &self->kit);
    return status == POPLIN_OK ? 1 : poplin_lua_fail_with(L, status, "making a testkit", NULL);
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

/* The name of what was added, or nil and an error. */
static int added(lua_State *L, testkit *self, int status, const poplin_error *error) {
    if (status != POPLIN_OK) {
        return error->status == status ? poplin_lua_fail(L, error) : poplin_lua_fail_with(L, status, NULL, NULL);
    }
    free(self->name);
    self->name = poplin_testkit_newest(self->kit);
    if (self->name == NULL) {
        return luaL_error(L, "not enough memory");
    }
    lua_pushstring(L, self->name);
    return 1;
}

/* The setting at a place, from 1, of the array at index 3; its strings live as long as the array. */
static poplin_setting setting_at(lua_State *L, lua_Integer place) {
    lua_rawgeti(L, 3, 2 * place - 1);
    lua_rawgeti(L, 3, 2 * place);
    poplin_setting setting = {poplin_lua_text(L, -2), poplin_lua_slice(L, -1)};
    lua_pop(L, 2);
    return setting;
}

/* kit:fault(command or nil, array of name, value, name, value): the fault's name, or nil and an error. */
static int testkit_fault(lua_State *L) {
    poplin_error error = {.status = POPLIN_OK};
    testkit *self = check_testkit(L, 1);
    const char *command = lua_isnoneornil(L, 2) ? NULL : poplin_lua_text(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    size_t count = lua_rawlen(L, 3) / 2;
    poplin_setting *settings = lua_newuserdatauv(L, (count + 1) * sizeof *settings, 0);
    for (size_t i = 0; i < count; i++) {
        settings[i] = setting_at(L, (lua_Integer)i + 1);
    }
    int status = poplin_testkit_add_fault(self->kit, command, settings, count, &error);
    return added(L, self, status, &error);
}

/* kit:fault_text(text) and kit:profile(name): the same. */
static int testkit_fault_text(lua_State *L) {
    poplin_error error = {.status = POPLIN_OK};
    testkit *self = check_testkit(L, 1);
    return added(L, self, poplin_testkit_add_fault_text(self->kit, poplin_lua_text(L, 2), &error), &error);
}

static int testkit_profile(lua_State *L) {
    poplin_error error = {.status = POPLIN_OK};
    testkit *self = check_testkit(L, 1);
    return added(L, self, poplin_testkit_add_profile(self->kit, poplin_lua_text(L, 2), &error), &error);
}

/* kit:remove(name): false where no fault is of this name. */
static int testkit_remove(lua_State *L) {
    poplin_testkit *kit = poplin_lua_check_testkit(L, 1);
    lua_pushboolean(L, poplin_testkit_remove(kit, poplin_lua_text(L, 2)) == POPLIN_OK);
    return 1;
}

/* kit:fired(name): how often. */
static int testkit_fired(lua_State *L) {
    poplin_testkit *kit = poplin_lua_check_testkit(L, 1);
    lua_pushinteger(L, (lua_Integer)poplin_testkit_fired(kit, poplin_lua_text(L, 2)));
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

/*
 * kit:wait(seen, milliseconds): blocks until the count of changes is another, for so long at most, or until a signal
 * comes, so that Lua sees it: true; or nil and an error. Only for a server on a thread of its own.
 */
static int testkit_wait(lua_State *L) {
    poplin_testkit *kit = poplin_lua_check_testkit(L, 1);
    uint64_t seen = (uint64_t)luaL_checkinteger(L, 2);
    lua_Integer milliseconds = luaL_checkinteger(L, 3);
    int status = poplin_testkit_wait(kit, seen, milliseconds > INT_MAX ? INT_MAX : (int)milliseconds);
    if (status < 0 && status != POPLIN_ERR_TIMEOUT) {
        return poplin_lua_fail_with(L, status, "waiting for the test server", NULL);
    }
    lua_pushboolean(L, true);
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
        {"wait", testkit_wait},
        {"__gc", testkit_gc},
        {NULL, NULL},
    };
    poplin_lua_type(L, POPLIN_LUA_TESTKIT, methods);
}
