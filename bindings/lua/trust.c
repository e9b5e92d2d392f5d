/*
 * trust.c - what a connection trusts: the same credentials as for an earlier one that was to trust the same, since they
 * keep the TLS sessions by which a server that was met before is met again more quickly.
 *
 * They belong to the loop, as a table in its user value, from a string of all that they were made of. Those that show a
 * certificate, log keys or resume nothing are made anew each time; so are those whose file of CAs has changed.
 */
#include <string.h>
#include <sys/stat.h>

#include "core.h"

enum { KEPT_MAX = 16 };

/* Whether nothing but the default trust is wished for, which the loop keeps itself. */
static bool is_default(const poplin_tls_trust *trust, const char *key_log) {
    return trust->verify && !trust->no_resumption && trust->ca_file == NULL && trust->ca_pem.data == NULL &&
           trust->cert_file == NULL && trust->key_file == NULL && trust->pins == NULL &&
           trust->first_use_file == NULL && key_log == NULL;
}

static bool is_kept(const poplin_tls_trust *trust, const char *key_log) {
    return !trust->no_resumption && trust->cert_file == NULL && trust->key_file == NULL && key_log == NULL;
}

/* ---- what they were made of ---- */

/* A text with its size before it, so that no two keys look the same; "-" for NULL. Pushes one string. */
static void push_part(lua_State *L, poplin_slice text) {
    if (text.data == NULL) {
        lua_pushliteral(L, "-");
        return;
    }
    lua_pushfstring(L, "%I:", (LUAI_UACINT)text.size);
    lua_pushlstring(L, text.data, text.size);
    lua_concat(L, 2);
}

static void push_text(lua_State *L, const char *text) {
    push_part(L, text == NULL ? (poplin_slice){NULL, 0} : (poplin_slice){text, strlen(text)});
}

/* By which it is seen that a file was changed or exchanged. */
static void push_state(lua_State *L, const char *path) {
    struct stat state = {.st_size = -1};
    if (path != NULL) {
        (void)stat(path, &state);
    }
    lua_pushfstring(L, "%I.%I.%I.%I.%I ", (LUAI_UACINT)state.st_dev, (LUAI_UACINT)state.st_ino,
                    (LUAI_UACINT)state.st_size, (LUAI_UACINT)state.st_mtim.tv_sec, (LUAI_UACINT)state.st_mtim.tv_nsec);
}

static void push_key(lua_State *L, const poplin_tls_trust *trust) {
    luaL_checkstack(L, 10, NULL);
    lua_pushstring(L, trust->verify ? "verify " : "");
    push_state(L, trust->ca_file);
    push_text(L, trust->ca_file);
    push_part(L, trust->ca_pem);
    push_text(L, trust->pins);
    push_text(L, trust->first_use_file);
    lua_concat(L, 6);
}

/* ---- those that are kept ---- */

static int kept_gc(lua_State *L) {
    poplin_tls_credentials **self = luaL_checkudata(L, 1, POPLIN_LUA_TRUST);
    poplin_tls_credentials_free(*self);
    *self = NULL;
    return 0;
}

/* Pushes the table of the loop at index 1, with how many there are at [1]; an empty one where there are too many. */
static void push_table(lua_State *L) {
    if (lua_getiuservalue(L, 1, 1) == LUA_TTABLE) {
        lua_rawgeti(L, -1, 1);
        lua_Integer count = lua_tointeger(L, -1);
        lua_pop(L, 1);
        if (count < KEPT_MAX) {
            return;
        }
    }
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushinteger(L, 0);
    lua_rawseti(L, -2, 1);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, 1);
}

/* Puts what is on top, of the key below, into the table below that, which has one more then. */
static void keep(lua_State *L, int table) {
    lua_rawset(L, table);
    lua_rawgeti(L, table, 1);
    lua_pushinteger(L, lua_tointeger(L, -1) + 1);
    lua_rawseti(L, table, 1);
    lua_pop(L, 1);
}

/* What there is, or was made, for the trust. */
static int find(lua_State *L, const poplin_tls_trust *trust, poplin_tls_credentials **credentials,
                poplin_error *error) {
    push_table(L);
    int table = lua_gettop(L);
    push_key(L, trust);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, table) == LUA_TUSERDATA) {
        *credentials = poplin_tls_credentials_ref(*(poplin_tls_credentials **)lua_touserdata(L, -1));
        return POPLIN_OK;
    }
    lua_pop(L, 1);
    poplin_tls_credentials **made = lua_newuserdatauv(L, sizeof *made, 0);
    *made = NULL;
    luaL_setmetatable(L, POPLIN_LUA_TRUST);
    int status = poplin_tls_client_credentials(trust, made, error);
    if (status == POPLIN_OK) {
        keep(L, table);
        *credentials = poplin_tls_credentials_ref(*made);
    }
    return status;
}

static int make(const poplin_tls_trust *trust, const char *key_log, poplin_tls_credentials **credentials,
                poplin_error *error) {
    int status = poplin_tls_client_credentials(trust, credentials, error);
    if (status == POPLIN_OK && key_log != NULL) {
        status = poplin_tls_credentials_key_log(*credentials, key_log, error);
        if (status != POPLIN_OK) {
            poplin_tls_credentials_free(*credentials);
            *credentials = NULL;
        }
    }
    return status;
}

int poplin_lua_trust(lua_State *L, const poplin_tls_trust *trust, const char *key_log,
                     poplin_tls_credentials **credentials, poplin_error *error) {
    int top = lua_gettop(L), status = POPLIN_OK;
    *credentials = NULL;
    if (is_kept(trust, key_log) && !is_default(trust, key_log)) {
        status = find(L, trust, credentials, error);
    } else if (!is_default(trust, key_log)) {
        status = make(trust, key_log, credentials, error);
    }
    lua_settop(L, top);
    return status;
}

void poplin_lua_trust_type(lua_State *L) {
    static const luaL_Reg methods[] = {{"__gc", kept_gc}, {NULL, NULL}};
    poplin_lua_type(L, POPLIN_LUA_TRUST, methods);
}
