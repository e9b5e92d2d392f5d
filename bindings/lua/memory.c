/*
 * memory.c - the type memory: users and their maildrops in memory.
 */
#include "core.h"

static poplin_memory **check_handle(lua_State *L, int index) {
    return luaL_checkudata(L, index, POPLIN_LUA_MEMORY);
}

poplin_memory *poplin_lua_check_memory(lua_State *L, int index) {
    poplin_memory *memory = *check_handle(L, index);
    luaL_argcheck(L, memory != NULL, index, "these maildrops are gone");
    return memory;
}

static poplin_slice check_slice(lua_State *L, int index) {
    luaL_checktype(L, index, LUA_TSTRING);
    return poplin_lua_slice(L, index);
}

static int fail(lua_State *L, int status, const char *doing) {
    const char *reason = NULL;
    if (status == POPLIN_ERR_REFUSED) {
        reason = "there is no such user";
    } else if (status == POPLIN_ERR_LIMIT) {
        reason = "the message is larger than max_message";
    }
    return poplin_lua_fail_with(L, status, doing, reason);
}

static int succeed(lua_State *L) {
    lua_pushboolean(L, true);
    return 1;
}

/* core.memory(): maildrops without users, or nil and an error. */
int poplin_lua_memory_new(lua_State *L) {
    poplin_memory **self = lua_newuserdatauv(L, sizeof *self, 0);
    *self = NULL;
    luaL_setmetatable(L, POPLIN_LUA_MEMORY);
    int status = poplin_memory_new(self);
    return status == POPLIN_OK ? 1 : fail(L, status, "making maildrops in memory");
}

/* ---- users ---- */

/* memory:limit(octets): of a message delivered from now on. */
static int memory_limit(lua_State *L) {
    lua_Integer octets = luaL_checkinteger(L, 2);
    luaL_argcheck(L, octets > 0, 2, "a limit is above 0");
    poplin_memory_limit(poplin_lua_check_memory(L, 1), (size_t)octets);
    return 0;
}

/* memory:add_user(name, password): true, or nil and an error. */
static int memory_add_user(lua_State *L) {
    poplin_slice user = check_slice(L, 2);
    int status = poplin_memory_add_user(poplin_lua_check_memory(L, 1), user, check_slice(L, 3));
    if (status == POPLIN_ERR_STATE) {
        return poplin_lua_fail_with(L, status, "adding a user", "there is one of this name");
    }
    return status == POPLIN_OK ? succeed(L) : fail(L, status, "adding a user");
}

/* memory:set_token(user, token or nil): true, or nil and an error. */
static int memory_set_token(lua_State *L) {
    poplin_slice user = check_slice(L, 2);
    poplin_slice token = lua_isnoneornil(L, 3) ? (poplin_slice){NULL, 0} : check_slice(L, 3);
    int status = poplin_memory_set_token(poplin_lua_check_memory(L, 1), user, token);
    return status == POPLIN_OK ? succeed(L) : fail(L, status, "setting a token");
}

/* memory:remove_user(name): true, or nil and an error. */
static int memory_remove_user(lua_State *L) {
    int status = poplin_memory_remove_user(poplin_lua_check_memory(L, 1), check_slice(L, 2));
    return status == POPLIN_OK ? succeed(L) : fail(L, status, "removing a user");
}

/* ---- lists ---- */

/* A list that is being put into Lua's terms, which may raise an error. */
static poplin_memory_list **check_list(lua_State *L, int index) {
    return luaL_checkudata(L, index, POPLIN_LUA_MEMORY_LIST);
}

/* Pushes one that is not there yet. */
static poplin_memory_list **new_list(lua_State *L) {
    poplin_memory_list **list = lua_newuserdatauv(L, sizeof *list, 0);
    *list = NULL;
    luaL_setmetatable(L, POPLIN_LUA_MEMORY_LIST);
    return list;
}

/* Messages may be large, and Lua's collector does not know of these. */
static void let_go(poplin_memory_list **list) {
    poplin_memory_list_free(*list);
    *list = NULL;
}

static int list_free(lua_State *L) {
    let_go(check_list(L, 1));
    return 0;
}

static void push_message(lua_State *L, const poplin_memory_message *message) {
    lua_createtable(L, 0, 3);
    lua_pushstring(L, message->unique_id);
    lua_setfield(L, -2, "uid");
    lua_pushinteger(L, (lua_Integer)message->octets);
    lua_setfield(L, -2, "octets");
    poplin_lua_push_slice(L, message->data);
    lua_setfield(L, -2, "data");
}

static void push_unique_id(lua_State *L, const poplin_memory_message *message) {
    lua_pushstring(L, message->unique_id);
}

/* An array of what push makes of each message of the list, which is freed. */
static int push_array(lua_State *L, poplin_memory_list **list,
                      void (*push)(lua_State *L, const poplin_memory_message *message)) {
    size_t count = poplin_memory_list_count(*list);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        const poplin_memory_message message = poplin_memory_list_get(*list, i);
        push(L, &message);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    let_go(list);
    return 1;
}

/* The same for all messages of the user at index 2, or nil and an error. */
static int push_list(lua_State *L, void (*push)(lua_State *L, const poplin_memory_message *message)) {
    poplin_slice user = check_slice(L, 2);
    poplin_memory_list **list = new_list(L);
    int status = poplin_memory_list_new(poplin_lua_check_memory(L, 1), user, list);
    return status == POPLIN_OK ? push_array(L, list, push) : fail(L, status, "listing messages");
}

/* memory:list(user): an array of { uid = s, octets = n, data = s } in order of delivery, or nil and an error. */
static int memory_list(lua_State *L) {
    return push_list(L, push_message);
}

/* memory:unique_ids(user): an array, or nil and an error. */
static int memory_unique_ids(lua_State *L) {
    return push_list(L, push_unique_id);
}

/* ---- messages ---- */

/* memory:deliver(user, octets): the unique-id, or nil and an error. */
static int memory_deliver(lua_State *L) {
    char unique_id[POPLIN_UNIQUE_ID_MAX + 1];
    poplin_slice user = check_slice(L, 2);
    poplin_slice data = check_slice(L, 3);
    int status = poplin_memory_deliver(poplin_lua_check_memory(L, 1), user, data.data, data.size, unique_id);
    if (status != POPLIN_OK) {
        return fail(L, status, "delivering a message");
    }
    lua_pushstring(L, unique_id);
    return 1;
}

/* memory:load(user, path): an array of the unique-ids of what was delivered, or nil and an error. */
static int memory_load(lua_State *L) {
    poplin_error error = {.status = POPLIN_OK};
    poplin_slice user = check_slice(L, 2);
    const char *path = poplin_lua_text(L, 3);
    poplin_memory_list **list = new_list(L);
    int status = poplin_memory_load(poplin_lua_check_memory(L, 1), user, path, list, &error);
    if (status != POPLIN_OK) {
        return error.status == status ? poplin_lua_fail(L, &error) : fail(L, status, "loading messages");
    }
    return push_array(L, list, push_unique_id);
}

/* memory:remove(user, unique-id): true, or nil and an error. */
static int memory_remove(lua_State *L) {
    poplin_slice user = check_slice(L, 2);
    int status = poplin_memory_remove(poplin_lua_check_memory(L, 1), user, check_slice(L, 3));
    if (status == POPLIN_ERR_REFUSED) {
        return poplin_lua_fail_with(L, status, "removing a message", "there is no such user, or no such message");
    }
    return status == POPLIN_OK ? succeed(L) : fail(L, status, "removing a message");
}

/* Servers that use the maildrops refer to them, so all of those were finalized before. */
static int memory_gc(lua_State *L) {
    poplin_memory **self = check_handle(L, 1);
    poplin_memory_free(*self);
    *self = NULL;
    return 0;
}

void poplin_lua_memory_type(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"limit", memory_limit},
        {"add_user", memory_add_user},
        {"remove_user", memory_remove_user},
        {"set_token", memory_set_token},
        {"list", memory_list},
        {"unique_ids", memory_unique_ids},
        {"deliver", memory_deliver},
        {"load", memory_load},
        {"remove", memory_remove},
        {"__gc", memory_gc},
        {NULL, NULL},
    };
    static const luaL_Reg list_methods[] = {{"__gc", list_free}, {NULL, NULL}};
    poplin_lua_type(L, POPLIN_LUA_MEMORY, methods);
    poplin_lua_type(L, POPLIN_LUA_MEMORY_LIST, list_methods);
}
