/*
 * test_lua_memory_uses.c - memory runs out in a Lua state, at each of its allocations in turn, while
 * test_lua_memory_uses.lua does everything else that a script may do: its own servers, messages, headers, failures,
 * tasks, the trace, another event loop.
 */
#include "lua_memory.h"

#define SCRIPT "tests/c/test_lua_memory_uses.lua"

/* holds: T-API-5 B */
static void test_no_memory_from_then_on(void **state) {
    (void)state;
    play_all(SCRIPT, false);
}

/* holds: T-API-5 B */
static void test_no_memory_once(void **state) {
    (void)state;
    play_all(SCRIPT, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_memory_from_then_on),
        cmocka_unit_test(test_no_memory_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
