/*
 * server.c - the type server: making and ending it.
 */
#include "server.h"

poplin_lua_server *poplin_lua_check_server(lua_State *L) {
    return luaL_checkudata(L, 1, POPLIN_LUA_SERVER);
}

/* ---- making ---- */

static poplin_lua_server *new_server(lua_State *L) {
    poplin_lua_server *self = lua_newuserdatauv(L, sizeof *self, 4);
    *self = (poplin_lua_server){0};
    luaL_setmetatable(L, POPLIN_LUA_SERVER);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, POPLIN_LUA_SERVER_LOOP);
    lua_newtable(L);
    lua_setiuservalue(L, -2, POPLIN_LUA_SERVER_LENT);
    lua_pushvalue(L, 3);
    lua_setiuservalue(L, -2, POPLIN_LUA_SERVER_KIT);
    lua_pushvalue(L, 4);
    lua_setiuservalue(L, -2, POPLIN_LUA_SERVER_MEMORY);
    return self;
}

/* The backend of questions, without those about who logs in that the script has no function for. */
static poplin_backend asking(unsigned asks) {
    poplin_backend backend = *poplin_questions_backend();
    if ((asks & POPLIN_ASK_CHECK) == 0) {
        backend.check = NULL;
    }
    if ((asks & (POPLIN_ASK_SECRET | POPLIN_ASK_KEYS)) == 0) {
        backend.secret = NULL;
    }
    if ((asks & POPLIN_ASK_TOKEN) == 0) {
        backend.token = NULL;
    }
    return backend;
}

/* Listens, over memory or, where that is NULL, with questions. */
static int listen_on(poplin_loop *loop, poplin_lua_server *self, poplin_lua_serving *wanted, poplin_memory *memory,
                     poplin_error *error) {
    const poplin_backend backend =
        memory != NULL ? *poplin_lua_serving_memory(wanted) : asking(wanted->config.session.asks);
    int status = memory != NULL ? POPLIN_OK : poplin_questions_new(&self->questions);
    if (status == POPLIN_OK) {
        status = poplin_lua_serving_credentials(wanted, error);
    }
    if (status == POPLIN_OK) {
        void *context = memory != NULL ? (void *)memory : (void *)self->questions;
        status = poplin_server_new(loop, &wanted->config, &backend, context, &self->server, error);
        poplin_tls_credentials_free(wanted->config.credentials);
    }
    if (status == POPLIN_OK) {
        error->status = status = poplin_server_start(self->server);
    }
    if (status == POPLIN_OK && memory != NULL) {
        poplin_memory_expire(memory, loop, wanted->config.session.expire);
        self->memory = memory;
    }
    return status;
}

/*
 * core.server(loop, settings, kit or nil, memory or nil): a server that listens and accepts, or nil and an error.
 * With memory there are no questions.
 */
int poplin_lua_server_new(lua_State *L) {
    poplin_lua_loop *loop = poplin_lua_check_loop(L, 1);
    poplin_error error = {.status = POPLIN_ERR_NOMEM};
    poplin_lua_serving wanted;
    lua_settop(L, 4);
    poplin_lua_serving_read(L, 2, 3, &wanted);
    poplin_memory *memory = lua_isnil(L, 4) ? NULL : poplin_lua_check_memory(L, 4);
    poplin_lua_server *self = new_server(L);
    int status = listen_on(loop->loop, self, &wanted, memory, &error);
    return status == POPLIN_OK ? 1 : poplin_lua_fail(L, &error);
}

static int server_port(lua_State *L) {
    poplin_lua_server *self = poplin_lua_check_server(L);
    lua_pushinteger(L, self->server == NULL ? 0 : poplin_server_port(self->server));
    return 1;
}

/* server:sessions(): how many are open. */
static int server_sessions(lua_State *L) {
    poplin_lua_server *self = poplin_lua_check_server(L);
    lua_pushinteger(L, self->server == NULL ? 0 : (lua_Integer)poplin_server_sessions(self->server));
    return 1;
}

/* ---- ending ---- */

/* server:close(): ends all sessions; what is asked by that is left to be taken. */
static int server_close(lua_State *L) {
    poplin_lua_server *self = poplin_lua_check_server(L);
    if (self->memory != NULL) {
        poplin_memory_expire(self->memory, NULL, 0);
        self->memory = NULL;
    }
    poplin_server_free(self->server);
    self->server = NULL;
    poplin_lua_let_go(L, self);
    return 0;
}

/*
 * Lua code holds a server until it is stopped, so this one goes with all of its Lua code and no driver is left that
 * could end it later.
 */
static int server_gc(lua_State *L) {
    poplin_lua_server *self = poplin_lua_check_server(L);
    server_close(L);
    if (self->questions != NULL) {
        while (poplin_questions_next(self->questions, &self->question) == POPLIN_OK) {
        }
        poplin_questions_free(self->questions);
        self->questions = NULL;
    }
    return 0;
}

void poplin_lua_server_type(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"port", server_port},   {"sessions", server_sessions}, {"question", poplin_lua_question},
        {"close", server_close}, {"__gc", server_gc},           {NULL, NULL},
    };
    poplin_lua_type(L, POPLIN_LUA_SERVER, methods);
    luaL_getmetatable(L, POPLIN_LUA_SERVER);
    luaL_setfuncs(L, poplin_lua_answers, 0);
    lua_pop(L, 1);
}
