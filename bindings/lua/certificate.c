/*
 * certificate.c - throw-away certificates, for tests and demonstrations.
 */
#include <limits.h>

#include "core.h"

static int certificate_gc(lua_State *L) {
    poplin_tls_throwaway *texts = luaL_checkudata(L, 1, POPLIN_LUA_CERTIFICATE);
    poplin_tls_throwaway_free(texts);
    *texts = (poplin_tls_throwaway){NULL, NULL, NULL};
    return 0;
}

/* core.certificate(name, ...): the CA's certificate, the server's, and its key, as PEM text. */
int poplin_lua_certificate(lua_State *L) {
    int count = lua_gettop(L);
    for (int i = 1; i <= count; i++) {
        luaL_checkstring(L, i);
    }
    const char **names = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *names, 0);
    for (int i = 0; i < count; i++) {
        names[i] = lua_tostring(L, i + 1);
    }
    poplin_tls_throwaway *texts = lua_newuserdatauv(L, sizeof *texts, 0);
    *texts = (poplin_tls_throwaway){NULL, NULL, NULL};
    luaL_setmetatable(L, POPLIN_LUA_CERTIFICATE);
    int status = poplin_tls_throwaway_new(names, (size_t)count, texts);
    if (status != POPLIN_OK) {
        return poplin_lua_fail_with(L, status, "making a certificate", NULL);
    }
    lua_pushstring(L, texts->ca_pem);
    lua_pushstring(L, texts->cert_pem);
    lua_pushstring(L, texts->key_pem);
    return 3;
}

void poplin_lua_certificate_type(lua_State *L) {
    static const luaL_Reg methods[] = {{"__gc", certificate_gc}, {NULL, NULL}};
    poplin_lua_type(L, POPLIN_LUA_CERTIFICATE, methods);
}
