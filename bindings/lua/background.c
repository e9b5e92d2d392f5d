/*
 * background.c - the type background: a server over maildrops in memory on a thread of its own.
 *
 * That thread runs the core alone and knows nothing of Lua, whose state is never taken to it.
 */
#include "server.h"

/* The user values of a background server: what its thread uses. */
enum { KIT = 1, MEMORY };

static poplin_background **check_background(lua_State *L) {
    return luaL_checkudata(L, 1, POPLIN_LUA_BACKGROUND);
}

static poplin_background **new_background(lua_State *L) {
    poplin_background **self = lua_newuserdatauv(L, sizeof *self, 2);
    *self = NULL;
    luaL_setmetatable(L, POPLIN_LUA_BACKGROUND);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, -2, KIT);
    lua_pushvalue(L, 3);
    lua_setiuservalue(L, -2, MEMORY);
    return self;
}

/* core.background(settings, kit, memory): a server that serves, or nil and an error. */
int poplin_lua_background_new(lua_State *L) {
    poplin_error error = {.status = POPLIN_ERR_NOMEM};
    poplin_lua_serving wanted;
    lua_settop(L, 3);
    poplin_memory *memory = poplin_lua_check_memory(L, 3);
    luaL_checkudata(L, 2, POPLIN_LUA_TESTKIT);
    poplin_lua_serving_read(L, 1, 2, &wanted);
    poplin_background **self = new_background(L);
    int status = poplin_lua_serving_credentials(&wanted, &error);
    if (status == POPLIN_OK) {
        status = poplin_background_new(&wanted.config, poplin_lua_serving_memory(&wanted), memory, self, &error);
        poplin_tls_credentials_free(wanted.config.credentials);
    }
    if (status == POPLIN_OK) {
        poplin_memory_expire(memory, poplin_background_loop(*self), wanted.config.session.expire);
        error.status = status = poplin_background_start(*self);
    }
    return status == POPLIN_OK ? 1 : poplin_lua_fail(L, &error);
}

static int background_port(lua_State *L) {
    poplin_background *self = *check_background(L);
    lua_pushinteger(L, self == NULL ? 0 : poplin_background_port(self));
    return 1;
}

/* background:advance(milliseconds): true once what was due by then has been handled; nil and an error. */
static int background_advance(lua_State *L) {
    poplin_background *self = *check_background(L);
    lua_Integer milliseconds = luaL_checkinteger(L, 2);
    luaL_argcheck(L, milliseconds >= 0, 2, "time goes forward only");
    luaL_argcheck(L, self != NULL, 1, "this server is gone");
    int status = poplin_background_advance(self, (uint64_t)milliseconds);
    if (status != POPLIN_OK) {
        return poplin_lua_fail_with(L, status, "moving the server's clock", NULL);
    }
    lua_pushboolean(L, true);
    return 1;
}

/*
 * background:close(), and the collector: ends all sessions and joins the thread, which takes less than 5 ms, since
 * nothing there waits for a peer. The collector may do that: it is no network I/O of this thread's, and nobody else
 * is left who could end the other one before the memory that it uses goes.
 */
static int background_close(lua_State *L) {
    poplin_background **self = check_background(L);
    if (*self != NULL && poplin_loop_fileno(poplin_background_loop(*self)) >= 0) { /* else a child after fork */
        lua_getiuservalue(L, 1, MEMORY);
        poplin_memory_expire(poplin_lua_check_memory(L, -1), NULL, 0);
    }
    poplin_background_free(*self);
    *self = NULL;
    return 0;
}

void poplin_lua_background_type(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"port", background_port},
        {"advance", background_advance},
        {"close", background_close},
        {"__gc", background_close},
        {NULL, NULL},
    };
    poplin_lua_type(L, POPLIN_LUA_BACKGROUND, methods);
}
