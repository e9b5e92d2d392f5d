/*
 * authority.c - the type authority: a throw-away CA for tests, and the certificates that it issues, good or not.
 */
#include <string.h>

#include "core.h"

/* core.blemishes(): an array of { word, meaning }, the first of which is that there is none. */
int poplin_lua_blemishes(lua_State *L) {
    lua_createtable(L, POPLIN_BLEMISH_COUNT, 0);
    for (int i = 0; i < POPLIN_BLEMISH_COUNT; i++) {
        lua_createtable(L, 2, 0);
        lua_pushstring(L, poplin_blemish_word((enum poplin_blemish)i));
        lua_rawseti(L, -2, 1);
        lua_pushstring(L, poplin_blemish_meaning((enum poplin_blemish)i));
        lua_rawseti(L, -2, 2);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static enum poplin_blemish check_blemish(lua_State *L, int index) {
    const char *word = poplin_lua_text(L, index);
    int i = 0;
    while (i < POPLIN_BLEMISH_COUNT && strcmp(word, poplin_blemish_word((enum poplin_blemish)i)) != 0) {
        i++;
    }
    luaL_argcheck(L, i < POPLIN_BLEMISH_COUNT, index, "no such blemish");
    return (enum poplin_blemish)i;
}

/* ---- the authority ---- */

static poplin_tls_authority **check_authority(lua_State *L) {
    return luaL_checkudata(L, 1, POPLIN_LUA_AUTHORITY);
}

/* core.authority(): a CA, or nil and an error. */
int poplin_lua_authority_new(lua_State *L) {
    poplin_tls_authority **self = lua_newuserdatauv(L, sizeof *self, 0);
    *self = NULL;
    luaL_setmetatable(L, POPLIN_LUA_AUTHORITY);
    int status = poplin_tls_authority_new(self);
    return status == POPLIN_OK ? 1 : poplin_lua_fail_with(L, status, "making a CA", NULL);
}

/* The strings from index 3 on, in memory that Lua owns. */
static const char **check_names(lua_State *L, int count) {
    const char **names = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *names, 0);
    for (int i = 0; i < count; i++) {
        names[i] = poplin_lua_text(L, i + 3);
    }
    return names;
}

/* Pushes the userdata of a certificate, still empty. */
static poplin_tls_throwaway *new_texts(lua_State *L) {
    poplin_tls_throwaway *texts = lua_newuserdatauv(L, sizeof *texts, 0);
    *texts = (poplin_tls_throwaway){.ca_pem = NULL};
    luaL_setmetatable(L, POPLIN_LUA_CERTIFICATE);
    return texts;
}

static void push_texts(lua_State *L, const poplin_tls_throwaway *texts) {
    lua_pushstring(L, texts->ca_pem);
    lua_pushstring(L, texts->cert_pem);
    lua_pushstring(L, texts->key_pem);
}

/*
 * authority:issue(blemish, name, ...): the CA's certificate, the server's, and its key, as PEM text, and an OCSP
 * response or nil; or nil and an error.
 */
static int authority_issue(lua_State *L) {
    poplin_tls_authority *self = *check_authority(L);
    int count = lua_gettop(L) - 2;
    enum poplin_blemish blemish = check_blemish(L, 2);
    luaL_argcheck(L, self != NULL, 1, "this authority is gone");
    luaL_checkstack(L, 8, NULL);
    const char **names = check_names(L, count);
    poplin_tls_throwaway *texts = new_texts(L);
    int status = poplin_tls_authority_issue(self, blemish, names, (size_t)count, texts);
    if (status != POPLIN_OK) {
        const char *reason = status == POPLIN_ERR_CERTIFICATE ? "one of the names is no host name" : NULL;
        return poplin_lua_fail_with(L, status, "making a certificate", reason);
    }
    push_texts(L, texts);
    if (texts->staple == NULL) {
        lua_pushnil(L);
    } else {
        lua_pushlstring(L, texts->staple, texts->staple_size);
    }
    return 4;
}

/* authority:issue_client(user): the CA's certificate, the client's, and its key, as PEM text; or nil and an error. */
static int authority_issue_client(lua_State *L) {
    poplin_tls_authority *self = *check_authority(L);
    const char *user = poplin_lua_text(L, 2);
    luaL_argcheck(L, self != NULL, 1, "this authority is gone");
    poplin_tls_throwaway *texts = new_texts(L);
    int status = poplin_tls_authority_issue_client(self, user, texts);
    if (status != POPLIN_OK) {
        const char *reason =
            status == POPLIN_ERR_CERTIFICATE ? "the user's name is empty, too long or no plain text" : NULL;
        return poplin_lua_fail_with(L, status, "making a client's certificate", reason);
    }
    push_texts(L, texts);
    return 3;
}

static int authority_gc(lua_State *L) {
    poplin_tls_authority **self = check_authority(L);
    poplin_tls_authority_free(*self);
    *self = NULL;
    return 0;
}

static int certificate_gc(lua_State *L) {
    poplin_tls_throwaway *texts = luaL_checkudata(L, 1, POPLIN_LUA_CERTIFICATE);
    poplin_tls_throwaway_free(texts);
    *texts = (poplin_tls_throwaway){.ca_pem = NULL};
    return 0;
}

void poplin_lua_authority_type(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"issue", authority_issue}, {"issue_client", authority_issue_client}, {"__gc", authority_gc}, {NULL, NULL}};
    static const luaL_Reg certificate_methods[] = {{"__gc", certificate_gc}, {NULL, NULL}};
    poplin_lua_type(L, POPLIN_LUA_AUTHORITY, methods);
    poplin_lua_type(L, POPLIN_LUA_CERTIFICATE, certificate_methods);
}
