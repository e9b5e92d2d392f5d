/*
 * series.c - the type series: message after message, the pipeline kept full.
 */
#include "core.h"

poplin_series **poplin_lua_series_new(lua_State *L) {
    poplin_series **self = lua_newuserdatauv(L, sizeof *self, 1);
    *self = NULL;
    luaL_setmetatable(L, POPLIN_LUA_SERIES);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    return self;
}

static poplin_series **check_series(lua_State *L) {
    return luaL_checkudata(L, 1, POPLIN_LUA_SERIES);
}

static int push_message(lua_State *L, const poplin_link *link, const poplin_message *message) {
    lua_pushinteger(L, message->number);
    if (message->status == POPLIN_OK) {
        poplin_lua_push_body(L, &message->body);
        return 2;
    }
    const poplin_reply reply = {
        .status = message->status, .code = message->code, .text = message->text, .number = message->number};
    return 1 + poplin_lua_refusal(L, link, POPLIN_RETR, &reply);
}

/*
 * series:next(): false: not yet; a number and the content; a number, nil and an error, where that message was refused;
 * nil at the end; nil and an error.
 */
static int series_next(lua_State *L) {
    poplin_series **self = check_series(L);
    poplin_link *link = poplin_lua_owner(L, 1);
    poplin_message message;
    if (link == NULL) {
        return poplin_lua_closed(L);
    }
    if (*self == NULL) {
        return poplin_lua_fail_with(L, POPLIN_ERR_STATE, "RETR", "the loop was ended: another retr_all began");
    }
    int status = poplin_series_next(*self, &message);
    switch (status) {
    case POPLIN_OK:
        return push_message(L, link, &message);
    case POPLIN_NEED_INPUT:
        lua_pushboolean(L, false);
        return 1;
    case POPLIN_END:
        lua_pushnil(L);
        return 1;
    default:
        return poplin_lua_link_fail(L, link, status);
    }
}

/* series:close(): what is in flight is dropped as it comes. */
static int series_close(lua_State *L) {
    poplin_series **self = check_series(L);
    if (poplin_lua_owner(L, 1) != NULL) {
        poplin_series_free(*self);
    }
    *self = NULL;
    return 0;
}

void poplin_lua_series_type(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"next", series_next}, {"close", series_close}, {"__gc", series_close}, {NULL, NULL}};
    poplin_lua_type(L, POPLIN_LUA_SERIES, methods);
}
