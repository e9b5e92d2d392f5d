/*
 * test_lua_states.c - several Lua states in one process, each with its own loop and servers, on one thread or on several;
 * and how they end: with servers that run, sessions that are open and tasks that wait.
 */
#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>

#include "support.h"

int luaopen_poplin_core(lua_State *L);

enum { THREADS = 3, STATES = 5 };

static lua_State *new_state(void) {
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    luaL_requiref(L, "poplin.core", luaopen_poplin_core, 0);
    lua_settop(L, 0);
    return L;
}

/* Leaves what test_lua_states.lua returns. Returns NULL, or what went wrong. */
static const char *begin(lua_State *L) {
    return luaL_dofile(L, "tests/c/test_lua_states.lua") == LUA_OK ? NULL : luaL_tolstring(L, -1, NULL);
}

static void test_two_states_know_nothing_of_each_other(void **state) {
    (void)state;
    for (int first = 0; first < 2; first++) {
        lua_State *states[] = {new_state(), new_state()};
        assert_null(begin(states[0]));
        assert_null(begin(states[1]));
        lua_close(states[first]);
        lua_State *other = states[1 - first];
        lua_pushvalue(other, 1);
        if (lua_pcall(other, 0, 0, 0) != LUA_OK)
            fail_msg("%s", luaL_tolstring(other, -1, NULL));
        lua_close(other);
    }
}

static void *make_and_close(void *argument) {
    const char *complaint = NULL;
    (void)argument;
    for (int i = 0; complaint == NULL && i < STATES; i++) {
        lua_State *L = new_state();
        complaint = begin(L) == NULL ? NULL : "the script failed";
        lua_close(L);
    }
    return (void *)(uintptr_t)complaint;
}

static void test_states_on_threads_of_their_own(void **state) {
    pthread_t threads[THREADS];
    (void)state;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_and_close, NULL), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *complaint;
        assert_int_equal(pthread_join(threads[i], &complaint), 0);
        assert_null(complaint);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_states_know_nothing_of_each_other),
        cmocka_unit_test(test_states_on_threads_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
