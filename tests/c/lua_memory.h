/*
 * lua_memory.h - a Lua state whose memory runs out at each of its allocations in turn, while it plays what a script
 * returns: that is told as any error of Lua's, nothing is lost or used after it is gone, and the next time is none the
 * worse for it.
 */
#ifndef LUA_MEMORY_H
#define LUA_MEMORY_H

#include <stdbool.h>

#include "lua_host.h"

typedef struct limited_heap {
    size_t allocations; /* counted where failing is not 0 */
    size_t failing;     /* from which on there is no memory; 0: there always is */
    bool once;          /* there is again after it, and after Lua has collected and asked once more */
    bool failed;
} limited_heap;

static inline bool runs_out(limited_heap *heap) {
    if (heap->failing == 0 || ++heap->allocations < heap->failing)
        return false;
    if (heap->once && heap->allocations > heap->failing + 1)
        return false;
    heap->failed = true;
    return true;
}

static inline void *allocate(void *context, void *memory, size_t before, size_t size) {
    if (size == 0) {
        free(memory);
        return NULL;
    }
    if ((memory == NULL || size > before) && runs_out(context))
        return NULL;
    return realloc(memory, size);
}

static inline void ignore_warning(void *context, const char *message, int continued) {
    (void)context;
    (void)message;
    (void)continued;
}

/* A state with the functions that the script returns at index 1. */
static inline lua_State *new_limited_state(limited_heap *heap, const char *script) {
    lua_State *L = with_poplin(lua_newstate(allocate, heap));
    lua_setwarnf(L, ignore_warning, NULL);
    run_script(L, script);
    return L;
}

/* After an error: all tasks come to their end, and no server runs that was closed, or this would not return. */
static inline void settle(lua_State *L) {
    if (luaL_dostring(L, "repeat until pcall(require 'poplin'.run)") != LUA_OK)
        fail_msg("%s", luaL_tolstring(L, -1, NULL));
}

/* Plays until nothing fails any more, when all must go well. */
static inline void play(lua_State *L, limited_heap *heap, lua_Integer kind) {
    size_t played = 0, stride = test_stride();
    do {
        lua_settop(L, 1);
        lua_rawgeti(L, 1, kind);
        heap->allocations = 0;
        heap->failed = false;
        heap->failing = 1 + stride * played++;
        int status = lua_pcall(L, 0, 0, 0);
        heap->failing = 0;
        if (status != LUA_OK && !heap->failed)
            fail_msg("after %zu plays: %s", played, luaL_tolstring(L, -1, NULL));
        settle(L);
    } while (heap->failed);
    assert_true(played * stride > 40);
}

/* Plays all that the script returns, with a state of its own for each. */
static inline void play_all(const char *script, bool once) {
    limited_heap heap = {.once = once};
    lua_Integer kinds = 1;
    for (lua_Integer kind = 1; kind <= kinds; kind++) {
        lua_State *L = new_limited_state(&heap, script);
        kinds = (lua_Integer)lua_rawlen(L, 1);
        play(L, &heap, kind);
        lua_close(L);
    }
}

#endif
