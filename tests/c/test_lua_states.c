/*
 * test_lua_states.c - several Lua states in one process, each with its own loop and servers, on one thread or on several;
 * and how they end: with servers that run, sessions that are open and tasks that wait.
 */
#include <pthread.h>

#include "lua_host.h"

enum { THREADS = 3, STATES = 5 };

static lua_State *new_state(void) {
    return with_poplin(luaL_newstate());
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
        call(other, 0, 0);
        lua_close(other);
    }
}

/* ---- two at once (test_lua_two.lua) ---- */

/* Calls this function of a state's, with a text or without. */
static void ask(lua_State *L, const char *name, const char *text) {
    lua_settop(L, 1);
    lua_getfield(L, 1, name);
    lua_pushstring(L, text);
    call(L, 1, 1);
}

static const char *text_of(lua_State *L, const char *name) {
    lua_settop(L, 1);
    lua_getfield(L, 1, name);
    return lua_tostring(L, -1);
}

static lua_Integer number_of(lua_State *L, const char *name) {
    ask(L, name, NULL);
    return lua_tointeger(L, -1);
}

static void open_two(lua_State *two[2]) {
    for (int i = 0; i < 2; i++) {
        two[i] = new_state();
        run_script(two[i], "tests/c/test_lua_two.lua");
    }
}

static void test_two_states_share_nothing(void **state) {
    lua_State *two[2];
    (void)state;
    open_two(two);
    assert_string_not_equal(text_of(two[0], "fileno"), text_of(two[1], "fileno"));
    ask(two[0], "mark", "first");
    ask(two[1], "check_mark", NULL);
    ask(two[1], "mark", "second");
    ask(two[0], "check_mark", "first");
    ask(two[0], "trace", NULL);
    ask(two[1], "work", NULL);
    assert_int_equal(number_of(two[0], "traced"), 0);
    ask(two[0], "work", NULL);
    assert_true(number_of(two[0], "traced") > 0);
    assert_int_equal(number_of(two[1], "traced"), 0);
    lua_close(two[0]);
    lua_close(two[1]);
}

static void test_one_closes_while_the_other_works(void **state) {
    (void)state;
    for (int first = 0; first < 2; first++) {
        lua_State *two[2];
        open_two(two);
        lua_State *gone = two[first], *other = two[1 - first];
        ask(gone, "begin_tasks", NULL);
        ask(other, "begin_tasks", NULL);
        ask(other, "connect_to_other", text_of(gone, "url"));
        ask(gone, "connect_to_other", text_of(other, "url"));
        lua_close(gone);
        ask(other, "check_tasks", NULL);
        ask(other, "check_other_gone", NULL);
        ask(other, "work", NULL);
        ask(other, "check_tasks", NULL);
        lua_close(other);
    }
}

/* ---- threads ---- */

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
        cmocka_unit_test(test_two_states_share_nothing),
        cmocka_unit_test(test_one_closes_while_the_other_works),
        cmocka_unit_test(test_states_on_threads_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
