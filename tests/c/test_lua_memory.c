/*
 * test_lua_memory.c - memory runs out in a Lua state, at each of its allocations in turn, while test_lua_memory.lua uses
 * test servers, and while test_lua_memory_uses.lua does everything else that a script may do: its own servers, messages,
 * headers, failures, tasks, the trace, another event loop.
 */
#include "lua_memory.h"

#define SERVERS "tests/c/test_lua_memory.lua"
#define USES "tests/c/test_lua_memory_uses.lua"

/* holds: T-API-5 B */
static void test_no_memory_from_then_on_with_test_servers(void **state) {
    (void)state;
    play_all(SERVERS, false);
}

/* holds: T-API-5 B */
static void test_no_memory_once_with_test_servers(void **state) {
    (void)state;
    play_all(SERVERS, true);
}

/* holds: T-API-5 B */
static void test_no_memory_from_then_on_with_all_else(void **state) {
    (void)state;
    play_all(USES, false);
}

/* holds: T-API-5 B */
static void test_no_memory_once_with_all_else(void **state) {
    (void)state;
    play_all(USES, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_memory_from_then_on_with_test_servers),
        cmocka_unit_test(test_no_memory_once_with_test_servers),
        cmocka_unit_test(test_no_memory_from_then_on_with_all_else),
        cmocka_unit_test(test_no_memory_once_with_all_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
