/*
 * test_lua_leaks.c - what test_lua_leaks.lua does again and again costs no more memory, of Lua's or of the whole
 * process, and no more descriptors the more often it is done.
 *
 * LEAK_ROUNDS says how often: 10000 for a long look, some hundreds without it.
 */
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>

#include "lua_host.h"

enum {
    ROUNDS = 300,
    STRETCHES = 4,
    LEAK = 24,  /* octets of a round; the smallest object that could be left each time has more, with what knows it */
    ONCE = 3000 /* octets that tables and buffers may still grow by in most stretches */
};

typedef struct sample {
    long lua;    /* octets */
    long memory; /* octets, of the whole process */
    int descriptors;
} sample;

static long rounds_wanted(void) {
    const char *text = getenv("LEAK_ROUNDS");
    return (text ? strtol(text, NULL, 10) : ROUNDS) / (long)test_stride();
}

/* The driver closes what the collector has found, and both ends of it. */
static sample take_sample(lua_State *L) {
    for (int i = 0; i < 3; i++) {
        lua_gc(L, LUA_GCCOLLECT);
        assert_int_equal(luaL_dostring(L, "require 'poplin'.step(0)"), LUA_OK);
    }
    lua_gc(L, LUA_GCCOLLECT);
    struct mallinfo2 info = mallinfo2();
    return (sample){.lua = 1024L * lua_gc(L, LUA_GCCOUNT) + lua_gc(L, LUA_GCCOUNTB),
                    .memory = (long)(info.uordblks + info.hblkhd),
                    .descriptors = open_descriptors()};
}

static int compare(const void *a, const void *b) {
    long first = *(const long *)a, second = *(const long *)b;
    return (first > second) - (first < second);
}

/* A leak shows in each stretch of the way; what grows once and stays, or shrinks again, in some only. */
static long usual(long growths[STRETCHES]) {
    qsort(growths, STRETCHES, sizeof growths[0], compare);
    return growths[1];
}

/* Calls the function on top so often in each stretch, of which the first only warms up. */
static sample growth_of(lua_State *L, long rounds) {
    long lua[STRETCHES], memory[STRETCHES], descriptors[STRETCHES];
    sample before = {.lua = 0};
    for (int stretch = 0; stretch <= STRETCHES; stretch++) {
        for (long i = 0; i < rounds; i++) {
            lua_pushvalue(L, -1);
            call(L, 0, 0);
        }
        sample now = take_sample(L);
        if (stretch > 0) {
            lua[stretch - 1] = now.lua - before.lua;
            memory[stretch - 1] = now.memory - before.memory;
            descriptors[stretch - 1] = now.descriptors - before.descriptors;
        }
        before = now;
    }
    return (sample){usual(lua), usual(memory), (int)usual(descriptors)};
}

static void watch(lua_Integer which, long rounds) {
    lua_State *L = with_poplin(luaL_newstate());
    run_script(L, "tests/c/test_lua_leaks.lua");
    assert_int_equal(lua_rawgeti(L, 1, which), LUA_TTABLE);
    assert_int_equal(lua_getfield(L, -1, "name"), LUA_TSTRING);
    const char *name = lua_tostring(L, -1);
    lua_getfield(L, -2, "slow");
    long stretch = rounds / (long)luaL_optinteger(L, -1, 1) / (STRETCHES + 1) + 1;
    lua_getfield(L, -3, "make");
    call(L, 0, 1);
    sample grown = growth_of(L, stretch);
    if (getenv("LEAK_ROUNDS"))
        print_message("%-40s %6ld rounds: %.2f octets of Lua's, %.2f in all, %d descriptors\n", name,
                      stretch * (STRETCHES + 1), (double)grown.lua / (double)stretch,
                      (double)grown.memory / (double)stretch, grown.descriptors);
    if (grown.lua / stretch >= LEAK + ONCE / stretch || grown.memory / stretch >= LEAK + ONCE / stretch)
        fail_msg("%s: %ld octets of Lua's, %ld in all, in %ld rounds", name, grown.lua, grown.memory, stretch);
    assert_true(grown.descriptors <= 0);
    lua_close(L);
}

static void test_leaks(void **state) {
    (void)state;
    lua_State *L = with_poplin(luaL_newstate());
    run_script(L, "tests/c/test_lua_leaks.lua");
    lua_Integer count = (lua_Integer)lua_rawlen(L, 1);
    lua_close(L);
    assert_true(count > 0);
    for (lua_Integer which = 1; which <= count; which++)
        watch(which, rounds_wanted());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
