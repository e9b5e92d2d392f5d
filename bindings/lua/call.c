/*
 * call.c - the type call: one command and what comes of it.
 *
 * Its methods answer false while the reply has not come, nil and an error where it is a refusal or the link failed,
 * and otherwise what the command brought. With that answer the call is used up and its memory given back, which Lua's
 * collector knows nothing of.
 */
#include "core.h"

typedef struct call {
    poplin_call *call; /* NULL: used up */
    enum poplin_verb verb;
} call;

poplin_call **poplin_lua_call_new(lua_State *L, enum poplin_verb verb) {
    call *self = lua_newuserdatauv(L, sizeof *self, 1);
    *self = (call){NULL, verb};
    luaL_setmetatable(L, POPLIN_LUA_CALL);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    return &self->call;
}

static call *check_call(lua_State *L) {
    return luaL_checkudata(L, 1, POPLIN_LUA_CALL);
}

/* A call's memory went with its link, where that was closed. */
static void forget(lua_State *L, call *self) {
    if (poplin_lua_owner(L, 1) != NULL) {
        poplin_call_free(self->call);
    }
    self->call = NULL;
}

/* The reply of a call that succeeded; otherwise NULL, and what there is to answer was pushed: *results values. */
static const poplin_reply *finished(lua_State *L, call *self, int *results) {
    poplin_link *link = poplin_lua_owner(L, 1);
    if (link == NULL || self->call == NULL) {
        *results = poplin_lua_closed(L);
        return NULL;
    }
    int status = poplin_call_done(self->call);
    if (status == POPLIN_NEED_INPUT) {
        lua_pushboolean(L, false);
        *results = 1;
        return NULL;
    }
    const poplin_reply *reply = status == POPLIN_OK ? poplin_call_reply(self->call) : NULL;
    if (reply != NULL && reply->status == POPLIN_OK) {
        return reply;
    }
    *results = reply != NULL ? poplin_lua_refusal(L, link, self->verb, reply) : poplin_lua_link_fail(L, link, status);
    forget(L, self);
    return NULL;
}

static void push_octets(lua_State *L, uint64_t octets) {
    lua_pushinteger(L, (lua_Integer)octets);
}

/* call:reply(): text, count, octets. */
static int call_reply(lua_State *L) {
    call *self = check_call(L);
    int results = 0;
    const poplin_reply *reply = finished(L, self, &results);
    if (reply == NULL) {
        return results;
    }
    poplin_lua_push_slice(L, reply->text);
    lua_pushinteger(L, reply->count);
    push_octets(L, reply->octets);
    forget(L, self);
    return 3;
}

/* The lines of a command that succeeded, as an array of tables with their number and what add puts in. */
static int push_lines(lua_State *L, void (*add)(lua_State *L, const poplin_line *line)) {
    call *self = check_call(L);
    int results = 0;
    size_t count = 0;
    if (finished(L, self, &results) == NULL) {
        return results;
    }
    const poplin_line *lines = poplin_call_lines(self->call, &count);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_createtable(L, 0, 2);
        lua_pushinteger(L, lines[i].number);
        lua_setfield(L, -2, "number");
        add(L, &lines[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    forget(L, self);
    return 1;
}

static void add_octets(lua_State *L, const poplin_line *line) {
    push_octets(L, line->octets);
    lua_setfield(L, -2, "octets");
}

static void add_unique_id(lua_State *L, const poplin_line *line) {
    poplin_lua_push_slice(L, line->unique_id);
    lua_setfield(L, -2, "uid");
}

/* call:sizes(): of a LIST, an array of { number = n, octets = n }. */
static int call_sizes(lua_State *L) {
    return push_lines(L, add_octets);
}

/* call:unique_ids(): of a UIDL, an array of { number = n, uid = string }. */
static int call_unique_ids(lua_State *L) {
    return push_lines(L, add_unique_id);
}

static void add_text(lua_State *L, const poplin_line *line) {
    poplin_lua_push_slice(L, line->unique_id);
    lua_setfield(L, -2, "text");
}

/* call:texts(): of a LANG, an array of { text = string }. */
static int call_texts(lua_State *L) {
    return push_lines(L, add_text);
}

/* call:done(): true once the command was answered well. */
static int call_done(lua_State *L) {
    int results = 0;
    if (finished(L, check_call(L), &results) == NULL) {
        return results;
    }
    lua_pushboolean(L, true);
    return 1;
}

/* call:listing(names or nil): of a LIST that is done, with a UIDL that is done, a listing. Uses up both. */
static int call_listing(lua_State *L) {
    call *self = check_call(L);
    call *names = lua_isnoneornil(L, 2) ? NULL : luaL_checkudata(L, 2, POPLIN_LUA_CALL);
    size_t count = 0;
    if (poplin_lua_owner(L, 1) == NULL || self->call == NULL || (names != NULL && names->call == NULL)) {
        return poplin_lua_closed(L);
    }
    if (names != NULL && poplin_call_join(self->call, names->call) != POPLIN_OK) {
        return poplin_lua_fail_with(L, POPLIN_ERR_NOMEM, poplin_verb_name(POPLIN_LIST), NULL);
    }
    const poplin_line *lines = poplin_call_lines(self->call, &count);
    poplin_lua_push_listing(L, lines, count);
    forget(L, self);
    if (names != NULL) {
        forget(L, names);
    }
    return 1;
}

void poplin_lua_push_body(lua_State *L, const poplin_body *body) {
    char small[16 << 10]; /* most mail fits, and needs no memory but the string's own */
    if (body->count <= 1) {
        lua_pushlstring(L, body->count == 0 ? "" : body->slices[0].data, body->size);
    } else if (body->size <= sizeof small) {
        poplin_body_copy(body, small);
        lua_pushlstring(L, small, body->size);
    } else {
        luaL_Buffer buffer;
        poplin_body_copy(body, luaL_buffinitsize(L, &buffer, body->size));
        luaL_pushresultsize(&buffer, body->size);
    }
}

/* call:body(): the content as a string. */
static int call_body(lua_State *L) {
    call *self = check_call(L);
    int results = 0;
    poplin_body body;
    if (finished(L, self, &results) == NULL) {
        return results;
    }
    int status = poplin_call_body(self->call, &body);
    if (status != POPLIN_OK) {
        return poplin_lua_link_fail(L, poplin_lua_owner(L, 1), status);
    }
    poplin_lua_push_body(L, &body);
    forget(L, self);
    return 1;
}

/* call:piece(): the next piece of a streamed call's content; at its end true and the octets of all. */
static int call_piece(lua_State *L) {
    call *self = check_call(L);
    poplin_link *link = poplin_lua_owner(L, 1);
    poplin_body body;
    int results = 0;
    if (link == NULL || self->call == NULL) {
        return poplin_lua_closed(L);
    }
    int status = poplin_call_piece(self->call, &body);
    if (status == POPLIN_NEED_INPUT) {
        lua_pushboolean(L, false);
        return 1;
    }
    if (status == POPLIN_OK) {
        poplin_lua_push_body(L, &body);
        return 1;
    }
    const poplin_reply *reply = finished(L, self, &results);
    if (reply == NULL) {
        return results;
    }
    lua_pushboolean(L, true);
    push_octets(L, reply->octets);
    forget(L, self);
    return 2;
}

/* call:close(): whatever comes of it is dropped as it comes. */
static int call_close(lua_State *L) {
    forget(L, check_call(L));
    return 0;
}

void poplin_lua_call_type(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"reply", call_reply}, {"sizes", call_sizes}, {"unique_ids", call_unique_ids},
        {"texts", call_texts}, {"done", call_done},   {"listing", call_listing},
        {"body", call_body},   {"piece", call_piece}, {"__close", call_close},
        {"__gc", call_close},  {NULL, NULL},
    };
    poplin_lua_type(L, POPLIN_LUA_CALL, methods);
}
