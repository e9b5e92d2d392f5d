/*
 * errors.c - error objects: a table with kind, code, text and more, and a __tostring.
 *
 * kind is the status in lower case ("timeout"), code the response code that the server sent ("SYS/TEMP") or nil, and text
 * the whole story in one line.
 */
#include <ctype.h>
#include <string.h>

#include "core.h"

static const struct {
    const char *name;
    int status;
} statuses[] = {
#define STATUS(name, value, text) {#name, value},
    POPLIN_STATUS_TABLE(STATUS)
#undef STATUS
};

static bool same_word(const char *lower, const char *upper) {
    while (*lower != '\0' && tolower((unsigned char)*upper) == *lower) {
        lower++;
        upper++;
    }
    return *lower == '\0' && *upper == '\0';
}

int poplin_lua_status(const char *kind) {
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        if (same_word(kind, statuses[i].name)) {
            return statuses[i].status;
        }
    }
    return POPLIN_ERR_TEMPORARY;
}

static void push_kind(lua_State *L, int status) {
    const char *name = poplin_status_name(status);
    char kind[32] = "";
    for (size_t i = 0; name != NULL && name[i] != '\0' && i + 1 < sizeof kind; i++) {
        kind[i] = (char)tolower((unsigned char)name[i]);
    }
    lua_pushstring(L, kind);
}

/* An empty string is "not known", and so is an absent field. */
static void set_text(lua_State *L, const char *field, const char *text) {
    if (text != NULL && text[0] != '\0') {
        lua_pushstring(L, text);
        lua_setfield(L, -2, field);
    }
}

void poplin_lua_push_error(lua_State *L, const poplin_error *error) {
    char text[1024];
    poplin_error_format(error, text, sizeof text);
    lua_createtable(L, 0, 7);
    push_kind(L, error->status);
    lua_setfield(L, -2, "kind");
    set_text(L, "code", poplin_code_text(error->code));
    set_text(L, "text", text);
    set_text(L, "doing", error->doing);
    set_text(L, "host", error->host);
    set_text(L, "reason", error->reason);
    set_text(L, "peer", error->peer);
    luaL_setmetatable(L, POPLIN_LUA_ERROR);
}

int poplin_lua_fail(lua_State *L, const poplin_error *error) {
    lua_pushnil(L);
    poplin_lua_push_error(L, error);
    return 2;
}

static void copy_text(char *to, size_t size, const char *from) {
    size_t length = from == NULL ? 0 : strnlen(from, size - 1);
    memcpy(to, length == 0 ? "" : from, length);
    to[length] = '\0';
}

int poplin_lua_fail_with(lua_State *L, int status, const char *doing, const char *reason) {
    poplin_error error = {.status = status};
    copy_text(error.doing, sizeof error.doing, doing);
    copy_text(error.reason, sizeof error.reason, reason);
    return poplin_lua_fail(L, &error);
}

int poplin_lua_new_error(lua_State *L) {
    int status = poplin_lua_status(luaL_checkstring(L, 1));
    poplin_lua_fail_with(L, status, NULL, luaL_checkstring(L, 2));
    return 1;
}

static int error_tostring(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_pushliteral(L, "text");
    lua_rawget(L, 1);
    luaL_tolstring(L, 2, NULL);
    return 1;
}

void poplin_lua_error_type(lua_State *L) {
    static const luaL_Reg methods[] = {{"__tostring", error_tostring}, {NULL, NULL}};
    luaL_newmetatable(L, POPLIN_LUA_ERROR);
    luaL_setfuncs(L, methods, 0);
    lua_pop(L, 1);
}
