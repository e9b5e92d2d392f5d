/*
 * test_lua_closing.c - a program that embeds Lua closes its states in the middle of everything that
 * test_lua_closing.lua begins: what is connected, iterates, sleeps, waits, serves or shakes hands. Nothing is left of
 * them, no thread and no descriptor.
 */
#include <setjmp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lua_host.h"

enum { STATES = 100, SILENT = 4 };

static int silent[SILENT]; /* what nobody reads at the other end of */
static size_t silent_count;
static jmp_buf host;

/* silent_socket(): a connected descriptor, at whose other end there is nobody. */
static int silent_socket(lua_State *L) {
    int ends[2];
    assert_true(silent_count < SILENT);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    silent[silent_count++] = ends[0];
    lua_pushinteger(L, ends[1]);
    return 1;
}

static void close_silent(void) {
    while (silent_count > 0)
        close(silent[--silent_count]);
}

/* leave(): closes the state that runs it, from wherever that is. */
static int leave(lua_State *L) {
    lua_close(L);
    longjmp(host, 1);
}

static lua_State *new_state(lua_Integer round, const char *place) {
    lua_State *L = with_poplin(luaL_newstate());
    lua_register(L, "silent_socket", silent_socket);
    lua_register(L, "leave", leave);
    lua_pushinteger(L, round);
    lua_setglobal(L, "round");
    lua_pushstring(L, place);
    lua_setglobal(L, "place");
    return L;
}

/* A state that was begun and closed, by itself where it names a place to do so. */
static void begin_and_close(lua_Integer round, const char *place) {
    lua_State *L = new_state(round, place);
    if (setjmp(host) == 0) {
        run_script(L, "tests/c/test_lua_closing.lua");
        assert_null(place);
        lua_close(L);
    }
    close_silent();
}

static void test_a_hundred_states_leave_nothing(void **state) {
    (void)state;
    begin_and_close(0, NULL); /* libuv opens some for the process, once */
    int descriptors = open_descriptors();
    for (size_t round = 0; round < STATES; round += test_stride()) {
        begin_and_close((lua_Integer)round, NULL);
        assert_int_equal(threads_after(ONE_THREAD), ONE_THREAD);
        assert_int_equal(open_descriptors(), descriptors);
    }
}

static void test_states_close_around_what_runs(void **state) {
    static const char *const places[] = {"main", "task", "generator", "callback", "pieces", "trace", "close"};
    (void)state;
    begin_and_close(0, NULL);
    int descriptors = open_descriptors();
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        begin_and_close((lua_Integer)i, places[i]);
        assert_int_equal(threads_after(ONE_THREAD), ONE_THREAD);
        assert_int_equal(open_descriptors(), descriptors);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_hundred_states_leave_nothing),
        cmocka_unit_test(test_states_close_around_what_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
