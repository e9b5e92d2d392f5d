/*
 * loop.c - the type loop: the event loop of one Lua state, the links that became ready in a step, and those that the
 * collector found.
 */
#include <limits.h>
#include <stdlib.h>

#include "core.h"

poplin_lua_loop *poplin_lua_check_loop(lua_State *L, int index) {
    poplin_lua_loop *self = luaL_checkudata(L, index, POPLIN_LUA_LOOP);
    luaL_argcheck(L, self->loop != NULL, index, "this loop is gone");
    return self;
}

/* ---- ready links ---- */

void poplin_lua_loop_ready(poplin_lua_link *link) {
    poplin_lua_loop *loop = link->loop;
    if (link->ready) {
        return;
    }
    link->ready = true;
    link->next = NULL;
    if (loop->first_ready == NULL) {
        loop->first_ready = link;
    } else {
        loop->last_ready->next = link;
    }
    loop->last_ready = link;
}

static poplin_lua_link *take_ready(poplin_lua_loop *loop) {
    poplin_lua_link *link = loop->first_ready;
    if (link != NULL) {
        loop->first_ready = link->next;
        link->next = NULL;
        link->ready = false;
    }
    return link;
}

void poplin_lua_loop_unready(poplin_lua_link *link) {
    poplin_lua_link *before = NULL;
    if (!link->ready) {
        return;
    }
    for (poplin_lua_link *at = link->loop->first_ready; at != link; at = at->next) {
        before = at;
    }
    if (before == NULL) {
        take_ready(link->loop);
        return;
    }
    before->next = link->next;
    if (link->loop->last_ready == link) {
        link->loop->last_ready = before;
    }
    link->next = NULL;
    link->ready = false;
}

/* ---- methods ---- */

static void close_collected(poplin_lua_loop *self) {
    while (self->collected != NULL) {
        poplin_lua_link *link = self->collected;
        self->collected = link->next;
        poplin_link_free(link->link);
        free(link);
    }
}

/* core.loop(): a loop, or nil and an error. */
int poplin_lua_loop_new(lua_State *L) {
    poplin_lua_loop *self = lua_newuserdatauv(L, sizeof *self, 1); /* for trust.c */
    *self = (poplin_lua_loop){0};
    luaL_setmetatable(L, POPLIN_LUA_LOOP);
    int status = poplin_loop_new(&self->loop);
    return status == POPLIN_OK ? 1 : poplin_lua_fail_with(L, status, "making the event loop", NULL);
}

/* loop:step(milliseconds): true, also after a signal, so that Lua sees it; -1 waits without limit. */
static int loop_step(lua_State *L) {
    poplin_lua_loop *self = poplin_lua_check_loop(L, 1);
    lua_Integer milliseconds = luaL_checkinteger(L, 2);
    close_collected(self);
    int status = poplin_loop_step(self->loop, milliseconds > INT_MAX ? INT_MAX : (int)milliseconds);
    if (status < 0) {
        return poplin_lua_fail_with(L, status, "stepping the event loop", NULL);
    }
    lua_pushboolean(L, true);
    return 1;
}

/* loop:ready(): the id of a link that became ready, nil when all were taken. */
static int loop_ready(lua_State *L) {
    poplin_lua_link *link = take_ready(poplin_lua_check_loop(L, 1));
    if (link == NULL) {
        lua_pushnil(L);
    } else {
        lua_pushinteger(L, link->id);
    }
    return 1;
}

static int loop_fileno(lua_State *L) {
    lua_pushinteger(L, poplin_loop_fileno(poplin_lua_check_loop(L, 1)->loop));
    return 1;
}

/* loop:timeout(): milliseconds; links that wait to be closed are due now. */
static int loop_timeout(lua_State *L) {
    poplin_lua_loop *self = poplin_lua_check_loop(L, 1);
    lua_pushinteger(L, self->collected != NULL ? 0 : poplin_loop_timeout(self->loop));
    return 1;
}

static int loop_advance(lua_State *L) {
    poplin_lua_loop *self = poplin_lua_check_loop(L, 1);
    lua_Integer milliseconds = luaL_checkinteger(L, 2);
    luaL_argcheck(L, milliseconds >= 0, 2, "time goes forward only");
    poplin_loop_advance(self->loop, (uint64_t)milliseconds);
    return 0;
}

/* loop:trace(on): whether lines of the trace are kept from here on. */
static int loop_trace(lua_State *L) {
    poplin_lua_loop *self = poplin_lua_check_loop(L, 1);
    unsigned kinds = lua_toboolean(L, 2) ? POPLIN_TRACE_ALL : POPLIN_TRACE_NONE;
    (void)poplin_loop_trace(self->loop, kinds, NULL, NULL);
    return 0;
}

static void set_string(lua_State *L, const char *name, const char *value) {
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

/* loop:traced(): the oldest line that is kept, as text and as a table; nil: there is none. */
static int loop_traced(lua_State *L) {
    static const char *const kinds[] = {
        [POPLIN_TRACE_SENT] = "sent", [POPLIN_TRACE_RECEIVED] = "received", [POPLIN_TRACE_NOTE] = "note"};
    poplin_lua_loop *self = poplin_lua_check_loop(L, 1);
    char text[POPLIN_TRACE_LINE_MAX];
    poplin_trace_line line;
    if (poplin_loop_trace_next(self->loop, &line) != POPLIN_OK) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushstring(L, poplin_trace_format(&line, text, sizeof text));
    lua_createtable(L, 0, 5);
    set_string(L, "side", line.server ? "server" : "client");
    set_string(L, "peer", line.peer);
    set_string(L, "kind", kinds[line.kind]);
    set_string(L, "text", line.text);
    lua_pushinteger(L, (lua_Integer)line.connection);
    lua_setfield(L, -2, "connection");
    return 2;
}

/* Links and servers refer to their loop, so all of them were finalized before. */
static int loop_gc(lua_State *L) {
    poplin_lua_loop *self = luaL_checkudata(L, 1, POPLIN_LUA_LOOP);
    close_collected(self);
    poplin_loop_free(self->loop);
    self->loop = NULL;
    return 0;
}

void poplin_lua_loop_type(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"step", loop_step},       {"ready", loop_ready},     {"fileno", loop_fileno},
        {"timeout", loop_timeout}, {"advance", loop_advance}, {"trace", loop_trace},
        {"traced", loop_traced},   {"__gc", loop_gc},         {NULL, NULL},
    };
    poplin_lua_type(L, POPLIN_LUA_LOOP, methods);
}
