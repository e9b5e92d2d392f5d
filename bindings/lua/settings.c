/*
 * settings.c - values of Lua as the values that the core's structures hold.
 */
#include <limits.h>
#include <string.h>

#include "core.h"

static const char *setting_string(lua_State *L, const char *name) {
    size_t size = 0;
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &size) : NULL;
    if (text == NULL) {
        luaL_error(L, "%s must be a string", name);
    } else if (strlen(text) != size) {
        luaL_error(L, "%s holds a NUL", name);
    }
    return text;
}

static lua_Integer setting_integer(lua_State *L, const char *name, lua_Integer most) {
    int exact = 0;
    lua_Integer value = lua_type(L, -1) == LUA_TNUMBER ? lua_tointegerx(L, -1, &exact) : 0;
    if (!exact || value < 0 || value > most) {
        luaL_error(L, "%s must be a whole number from 0 to %I", name, (LUAI_UACINT)most);
    }
    return value;
}

static void store(lua_State *L, const poplin_lua_setting *setting, char *place) {
    const char *name = setting->name;
    switch (setting->kind) {
    case POPLIN_LUA_BOOL:
        if (!lua_isboolean(L, -1)) {
            luaL_error(L, "%s must be true or false", name);
        }
        *(bool *)place = lua_toboolean(L, -1) != 0;
        break;
    case POPLIN_LUA_INT:
        *(int *)place = (int)setting_integer(L, name, INT_MAX);
        break;
    case POPLIN_LUA_U16:
        *(uint16_t *)place = (uint16_t)setting_integer(L, name, UINT16_MAX);
        break;
    case POPLIN_LUA_U32:
        *(uint32_t *)place = (uint32_t)setting_integer(L, name, UINT32_MAX);
        break;
    case POPLIN_LUA_U64:
        *(uint64_t *)place = (uint64_t)setting_integer(L, name, LUA_MAXINTEGER);
        break;
    case POPLIN_LUA_SIZE:
        *(size_t *)place = (size_t)setting_integer(L, name, PTRDIFF_MAX);
        break;
    case POPLIN_LUA_STRING:
        *(const char **)place = setting_string(L, name);
        break;
    case POPLIN_LUA_SLICE:
        if (lua_type(L, -1) != LUA_TSTRING) {
            luaL_error(L, "%s must be a string", name);
        }
        *(poplin_slice *)place = poplin_lua_slice(L, -1);
        break;
    }
}

void poplin_lua_settings(lua_State *L, int index, const poplin_lua_setting *settings, void *target) {
    luaL_checktype(L, index, LUA_TTABLE);
    for (const poplin_lua_setting *setting = settings; setting->name != NULL; setting++) {
        if (lua_getfield(L, index, setting->name) != LUA_TNIL) {
            store(L, setting, (char *)target + setting->offset);
        }
        lua_pop(L, 1);
    }
}

poplin_slice poplin_lua_slice(lua_State *L, int index) {
    poplin_slice slice = {NULL, 0};
    if (lua_type(L, index) == LUA_TSTRING) {
        slice.data = lua_tolstring(L, index, &slice.size);
    } else if (!lua_isnoneornil(L, index)) {
        luaL_error(L, "a string expected, got %s", luaL_typename(L, index));
    }
    return slice;
}

const char *poplin_lua_text(lua_State *L, int index) {
    size_t size = 0;
    luaL_checktype(L, index, LUA_TSTRING);
    const char *text = lua_tolstring(L, index, &size);
    luaL_argcheck(L, strlen(text) == size, index, "it holds a NUL");
    return text;
}

void poplin_lua_push_slice(lua_State *L, poplin_slice slice) {
    lua_pushlstring(L, slice.data == NULL ? "" : slice.data, slice.size);
}

uint32_t poplin_lua_number(lua_State *L, int index) {
    lua_Integer number = luaL_checkinteger(L, index);
    luaL_argcheck(L, number >= 1 && number <= POPLIN_NUMBER_MAX, index, "message numbers are from 1 to 2147483647");
    return (uint32_t)number;
}
