/*
 * scram.c - SCRAM keys from passwords, for servers that store no passwords.
 */
#include <string.h>

#include "core.h"

typedef struct wishes {
    uint32_t iterations;
    poplin_slice salt;
    const char *hash;
} wishes;

#define SETTING(name, kind) \
    { #name, POPLIN_LUA_##kind, offsetof(wishes, name) }
static const poplin_lua_setting settings[] = {
    SETTING(iterations, U32),
    SETTING(salt, SLICE),
    SETTING(hash, STRING),
    {NULL, POPLIN_LUA_BOOL, 0},
};
#undef SETTING

static enum poplin_scram_hash hash_of(lua_State *L, const char *word) {
    if (strcmp(word, "SHA-1") != 0 && strcmp(word, "SHA-256") != 0) {
        luaL_error(L, "hash must be 'SHA-256' or 'SHA-1'");
    }
    return strcmp(word, "SHA-1") == 0 ? POPLIN_SCRAM_SHA_1 : POPLIN_SCRAM_SHA_256;
}

static int fail(lua_State *L, int status) {
    const char *reason = NULL;
    if (status == POPLIN_ERR_LIMIT) {
        return luaL_error(L, "iterations are %d or more, and a salt has 1 to %d octets", POPLIN_SCRAM_ITERATIONS,
                          POPLIN_SCRAM_SALT_MAX);
    }
    if (status == POPLIN_ERR_PROTOCOL) {
        reason = "the password is empty, longer than 4096 octets, no UTF-8 or holds what SASLprep prohibits";
    }
    return poplin_lua_fail_with(L, status, "making SCRAM keys", reason);
}

/* core.scram_keys(password, settings): the keys as text, or nil and an error. */
int poplin_lua_scram_keys(lua_State *L) {
    wishes wanted = {.iterations = POPLIN_SCRAM_ITERATIONS, .hash = "SHA-256"};
    if (lua_type(L, 1) != LUA_TSTRING) {
        return luaL_error(L, "the password must be a string, not a %s", luaL_typename(L, 1));
    }
    poplin_lua_settings(L, 2, settings, &wanted);
    enum poplin_scram_hash hash = hash_of(L, wanted.hash);
    if (wanted.salt.data != NULL && wanted.salt.size == 0) {
        return fail(L, POPLIN_ERR_LIMIT); /* to the core it would be a wish for a random one */
    }
    char storage[POPLIN_SCRAM_STORAGE];
    char text[POPLIN_SCRAM_TEXT];
    poplin_scram_keys keys;
    int status = poplin_scram_keys_make(hash, poplin_lua_slice(L, 1), wanted.salt, wanted.iterations, storage, &keys);
    if (status == POPLIN_OK) {
        status = poplin_scram_keys_write(&keys, text, sizeof text);
    }
    explicit_bzero(storage, sizeof storage);
    if (status != POPLIN_OK) {
        return fail(L, status);
    }
    lua_pushstring(L, text);
    return 1;
}
