/*
 * claim.c - the type claim: that no other fetch of an account is under way. See poplin/seen.h.
 */
#include "core.h"

/* seen:claim(account): the claim; or nil and an error. */
int poplin_lua_claim_new(lua_State *L) {
    const poplin_seen *seen = poplin_lua_check_seen(L, 1);
    const char *account = poplin_lua_text(L, 2);
    poplin_claim **self = lua_newuserdatauv(L, sizeof *self, 0);
    *self = NULL;
    luaL_setmetatable(L, POPLIN_LUA_CLAIM);
    poplin_error error = {.status = POPLIN_OK};
    int status = poplin_seen_claim(seen, account, self, &error);
    if (status == POPLIN_ERR_PROTOCOL) { /* it is the script that gave what can be no account */
        return luaL_error(L, "%s", error.reason);
    }
    return status == POPLIN_OK ? 1 : poplin_lua_fail(L, &error);
}

/* claim:close(): closing twice is peaceful. Also its finalizer. */
static int claim_close(lua_State *L) {
    poplin_claim **self = luaL_checkudata(L, 1, POPLIN_LUA_CLAIM);
    poplin_claim_free(*self);
    *self = NULL;
    return 0;
}

void poplin_lua_claim_type(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"close", claim_close},
        {"__close", claim_close},
        {"__gc", claim_close},
        {NULL, NULL},
    };
    poplin_lua_type(L, POPLIN_LUA_CLAIM, methods);
}
