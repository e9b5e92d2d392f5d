/*
 * server.c - the type server: making and ending it.
 */
#include "server.h"

poplin_lua_server *poplin_lua_check_server(lua_State *L) {
    return luaL_checkudata(L, 1, POPLIN_LUA_SERVER);
}

/* ---- making ---- */

/* All that core.server takes. */
typedef struct wishes {
    poplin_server_config config;
    const char *cert_file;
    const char *key_file;
    poplin_slice cert_pem;
    poplin_slice key_pem;
} wishes;

#define SETTING(name, kind, member) \
    { name, POPLIN_LUA_##kind, offsetof(wishes, member) }
static const poplin_lua_setting settings[] = {
    SETTING("host", STRING, config.host),
    SETTING("port", U16, config.port),
    SETTING("path", STRING, config.path),
    SETTING("mode", INT, config.tls),
    SETTING("lock", INT, config.lock),
    SETTING("loopback_protected", BOOL, config.loopback_protected),
    SETTING("max_sessions", SIZE, config.max_sessions),
    SETTING("inactivity_ms", U32, config.inactivity_ms),
    SETTING("greeting", STRING, config.session.greeting),
    SETTING("allow_cleartext", BOOL, config.session.allow_cleartext),
    SETTING("cert_file", STRING, cert_file),
    SETTING("key_file", STRING, key_file),
    SETTING("cert_pem", SLICE, cert_pem),
    SETTING("key_pem", SLICE, key_pem),
    {NULL, POPLIN_LUA_BOOL, 0},
};
#undef SETTING

static int make_credentials(wishes *wanted, poplin_error *error) {
    if (wanted->cert_file != NULL) {
        return poplin_tls_server_credentials(wanted->cert_file, wanted->key_file, &wanted->config.credentials, error);
    }
    if (wanted->cert_pem.data != NULL) {
        return poplin_tls_server_credentials_pem(wanted->cert_pem, wanted->key_pem, &wanted->config.credentials, error);
    }
    return POPLIN_OK;
}

static poplin_lua_server *new_server(lua_State *L) {
    poplin_lua_server *self = lua_newuserdatauv(L, sizeof *self, 2);
    *self = (poplin_lua_server){0};
    luaL_setmetatable(L, POPLIN_LUA_SERVER);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, POPLIN_LUA_SERVER_LOOP);
    lua_newtable(L);
    lua_setiuservalue(L, -2, POPLIN_LUA_SERVER_LENT);
    return self;
}

/* core.server(loop, settings): a server that listens and accepts, or nil and an error. */
int poplin_lua_server_new(lua_State *L) {
    poplin_lua_loop *loop = poplin_lua_check_loop(L, 1);
    poplin_error error = {.status = POPLIN_ERR_NOMEM};
    wishes wanted = {.cert_file = NULL};
    poplin_server_config_init(&wanted.config);
    poplin_lua_settings(L, 2, settings, &wanted);
    poplin_lua_server *self = new_server(L);
    int status = poplin_questions_new(&self->questions);
    if (status == POPLIN_OK) {
        status = make_credentials(&wanted, &error);
    }
    if (status == POPLIN_OK) {
        status = poplin_server_new(loop->loop, &wanted.config, poplin_questions_backend(), self->questions,
                                   &self->server, &error);
        poplin_tls_credentials_free(wanted.config.credentials);
    }
    if (status == POPLIN_OK) {
        error.status = status = poplin_server_start(self->server);
    }
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
