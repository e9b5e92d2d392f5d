/*
 * test_lua_memory.c - memory runs out in a Lua state, at each of its allocations in turn, while test_lua_memory.lua uses
 * test servers: it is told as any error of Lua's, nothing is lost or used after it is gone, and the next time is none the
 * worse for it.
 */
#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>

#include "support.h"

int luaopen_poplin_core(lua_State *L);

enum { KINDS = 5 }; /* of servers that the script plays with */

typedef struct limited_heap {
    size_t allocations; /* counted where failing is not 0 */
    size_t failing;     /* from which on there is no memory; 0: there always is */
    bool once;          /* there is again after it, and after Lua has collected and asked once more */
    bool failed;
} limited_heap;

static bool runs_out(limited_heap *heap) {
    if (heap->failing == 0 || ++heap->allocations < heap->failing)
        return false;
    if (heap->once && heap->allocations > heap->failing + 1)
        return false;
    heap->failed = true;
    return true;
}

static void *allocate(void *context, void *memory, size_t before, size_t size) {
    if (size == 0) {
        free(memory);
        return NULL;
    }
    if ((memory == NULL || size > before) && runs_out(context))
        return NULL;
    return realloc(memory, size);
}

static void ignore_warning(void *context, const char *message, int continued) {
    (void)context;
    (void)message;
    (void)continued;
}

/* A state with the script's functions at index 1. */
static lua_State *new_state(limited_heap *heap) {
    lua_State *L = lua_newstate(allocate, heap);
    assert_non_null(L);
    lua_setwarnf(L, ignore_warning, NULL);
    luaL_openlibs(L);
    luaL_requiref(L, "poplin.core", luaopen_poplin_core, 0);
    lua_settop(L, 0);
    if (luaL_dofile(L, "tests/c/test_lua_memory.lua") != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
    return L;
}

/* Plays until nothing fails any more, when all must go well. */
static void play(lua_State *L, limited_heap *heap, lua_Integer kind) {
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
    } while (heap->failed);
    assert_true(played * stride > 100);
}

static void play_all(bool once) {
    limited_heap heap = {.once = once};
    for (lua_Integer kind = 1; kind <= KINDS; kind++) {
        lua_State *L = new_state(&heap);
        play(L, &heap, kind);
        lua_close(L);
    }
}

static void test_no_memory_from_then_on(void **state) {
    (void)state;
    play_all(false);
}

static void test_no_memory_once(void **state) {
    (void)state;
    play_all(true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_memory_from_then_on),
        cmocka_unit_test(test_no_memory_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
