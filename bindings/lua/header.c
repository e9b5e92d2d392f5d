/*
 * header.c - the fields of a message's header, decoded.
 */
#include "core.h"

/* Fields that a list of all may have: a header is bounded in octets, but a table takes many times those of a short field. */
enum { FIELDS_MAX = 10000 };

static int decoder_close(lua_State *L) {
    poplin_decoder **self = luaL_checkudata(L, 1, POPLIN_LUA_DECODER);
    poplin_decoder_free(*self);
    *self = NULL;
    return 0;
}

/* A decoder of the collector's, left on the stack; closed by close_decoder where nothing is raised before. */
static poplin_decoder **new_decoder(lua_State *L) {
    poplin_decoder **self = lua_newuserdatauv(L, sizeof *self, 0);
    *self = NULL;
    luaL_setmetatable(L, POPLIN_LUA_DECODER);
    if (poplin_decoder_new(self) != POPLIN_OK) {
        luaL_error(L, "not enough memory");
    }
    return self;
}

static void close_decoder(poplin_decoder **self) {
    poplin_decoder_free(*self);
    *self = NULL;
}

/* Pushes a value as a person reads it. */
static void push_value(lua_State *L, poplin_decoder *decoder, poplin_slice value) {
    poplin_slice text;
    if (poplin_decoder_value(decoder, value, &text) != POPLIN_OK) {
        luaL_error(L, "not enough memory"); /* a header's values are not too long */
    }
    poplin_lua_push_slice(L, text);
}

static int too_long(lua_State *L, const char *reason) {
    return poplin_lua_fail_with(L, POPLIN_ERR_LIMIT, "header", reason);
}

static const char longer[] = "it is longer than 1 MiB; what is no message has no empty line to end it";

/* core.header(text, name): the first field of this name, nil where there is none; or nil and an error. */
int poplin_lua_header(lua_State *L) {
    luaL_checktype(L, 1, LUA_TSTRING);
    const char *name = poplin_lua_text(L, 2);
    poplin_slice header;
    poplin_field field;
    if (poplin_header_of(poplin_lua_slice(L, 1), &header) != POPLIN_OK) {
        return too_long(L, longer);
    }
    if (poplin_header_find(&header, name, &field) != POPLIN_OK) {
        return 0;
    }
    poplin_decoder **decoder = new_decoder(L);
    push_value(L, *decoder, field.value);
    close_decoder(decoder);
    return 1;
}

/* Pushes what stands for a field in a list: its value where only one name is asked for, else { name, value, raw }. */
static void push_field(lua_State *L, poplin_decoder *decoder, const poplin_field *field, bool value_only) {
    if (value_only) {
        push_value(L, decoder, field->value);
        return;
    }
    lua_createtable(L, 0, 3);
    poplin_lua_push_slice(L, field->name);
    lua_setfield(L, -2, "name");
    push_value(L, decoder, field->value);
    lua_setfield(L, -2, "value");
    poplin_lua_push_slice(L, field->value);
    lua_setfield(L, -2, "raw");
}

/*
 * core.fields(text, name): an array of the values of all fields of this name; without a name, of { name, value, raw }, in
 * the message's order; or nil and an error.
 */
int poplin_lua_fields(lua_State *L) {
    luaL_checktype(L, 1, LUA_TSTRING);
    const char *name = lua_isnoneornil(L, 2) ? NULL : poplin_lua_text(L, 2);
    poplin_slice header;
    poplin_field field;
    if (poplin_header_of(poplin_lua_slice(L, 1), &header) != POPLIN_OK) {
        return too_long(L, longer);
    }
    poplin_decoder **decoder = new_decoder(L);
    lua_newtable(L);
    for (lua_Integer count = 1;
         (name == NULL ? poplin_header_next(&header, &field) : poplin_header_find(&header, name, &field)) == POPLIN_OK;
         count++) {
        if (count > FIELDS_MAX) {
            close_decoder(decoder);
            return too_long(L, "it has more than 10,000 fields");
        }
        push_field(L, *decoder, &field, name != NULL);
        lua_rawseti(L, -2, count);
    }
    close_decoder(decoder);
    return 1;
}

void poplin_lua_decoder_type(lua_State *L) {
    static const luaL_Reg methods[] = {{"__gc", decoder_close}, {NULL, NULL}};
    poplin_lua_type(L, POPLIN_LUA_DECODER, methods);
}
