/*
 * series.c - the type series: message after message, the pipeline kept full.
 */
#include "core.h"

typedef struct series {
    poplin_series *series;
    const poplin_line *lines; /* of the listing, which is a user value */
    size_t next;
} series;

/* Its user values. */
enum { OWNER = 1, LISTING, METATABLE, USER_VALUES = METATABLE };

poplin_series **poplin_lua_series_new(lua_State *L) {
    size_t count = 0;
    const poplin_line *lines = poplin_lua_check_listing(L, 2, &count);
    series *self = lua_newuserdatauv(L, sizeof *self, USER_VALUES);
    *self = (series){NULL, lines, 0};
    luaL_setmetatable(L, POPLIN_LUA_SERIES);
    for (int i = OWNER; i <= USER_VALUES; i++) {
        lua_pushvalue(L, i);
        lua_setiuservalue(L, -2, i);
    }
    return &self->series;
}

static series *check_series(lua_State *L) {
    return luaL_checkudata(L, 1, POPLIN_LUA_SERIES);
}

static int push_message(lua_State *L, series *self, const poplin_message *message) {
    lua_settop(L, 1);
    (void)lua_getiuservalue(L, 1, METATABLE);
    poplin_lua_push_message(L, &self->lines[self->next], 2);
    poplin_lua_push_body(L, &message->body);
    lua_setfield(L, -2, "data");
    self->next++;
    return 1;
}

static int push_refusal(lua_State *L, const poplin_link *link, const poplin_message *message) {
    const poplin_reply reply = {
        .status = message->status, .code = message->code, .text = message->text, .number = message->number};
    return poplin_lua_refusal(L, link, POPLIN_RETR, &reply);
}

/* series:next(): false: not yet; a message with its data; nil at the end; nil and an error, also where it was refused. */
static int series_next(lua_State *L) {
    series *self = check_series(L);
    poplin_link *link = poplin_lua_owner(L, 1);
    poplin_message message;
    if (link == NULL) {
        return poplin_lua_closed(L);
    }
    if (self->series == NULL) {
        return poplin_lua_fail_with(L, POPLIN_ERR_STATE, poplin_verb_name(POPLIN_RETR),
                                    "the loop was ended: another retr_all began");
    }
    int status = poplin_series_next(self->series, &message);
    switch (status) {
    case POPLIN_OK:
        return message.status == POPLIN_OK ? push_message(L, self, &message) : push_refusal(L, link, &message);
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
    series *self = check_series(L);
    if (poplin_lua_owner(L, 1) != NULL) {
        poplin_series_free(self->series);
    }
    self->series = NULL;
    return 0;
}

void poplin_lua_series_type(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"next", series_next}, {"close", series_close}, {"__gc", series_close}, {NULL, NULL}};
    poplin_lua_type(L, POPLIN_LUA_SERIES, methods);
}
