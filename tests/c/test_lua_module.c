/*
 * test_lua_module.c - the module as a program loads it, by require: it stays where it is when its state has been closed,
 * and lua_close has called dlclose, since threads of its own may still be at work in it.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <semaphore.h>
#include <stdbool.h>

#include "lua_host.h"

static sem_t asked, go_on; /* of the look-up of a name, which takes as long as the test likes */

typedef int look_up(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found);

/* In place of the C library's, also for the module. */
__attribute__((visibility("default"))) int getaddrinfo(const char *node, const char *service,
                                                       const struct addrinfo *hints, struct addrinfo **found) {
    if (strcmp(node, "mail.example.org") != 0 || (hints->ai_flags & AI_NUMERICHOST) != 0) {
        look_up *genuine = (look_up *)dlsym(RTLD_NEXT, "getaddrinfo");
        return genuine(node, service, hints, found);
    }
    (void)sem_post(&asked);
    while (sem_wait(&go_on) != 0)
        continue;
    return EAI_AGAIN;
}

/* A state that has loaded the module itself, and run the script. */
static lua_State *load(const char *script) {
    lua_State *L = luaL_newstate();
    assert_non_null(L);
    luaL_openlibs(L);
    if (luaL_dostring(L, "package.path = 'lua/?.lua;lua/?/init.lua'; package.cpath = '" LUA_MODULES "/?.so'") != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
    if (luaL_dostring(L, script) != LUA_OK)
        fail_msg("%s", luaL_tolstring(L, -1, NULL));
    return L;
}

static bool is_loaded(void) {
    void *handle = dlopen(LUA_MODULES "/poplin/core.so", RTLD_NOW | RTLD_NOLOAD);
    if (handle)
        (void)dlclose(handle);
    return handle != NULL;
}

static void test_it_stays_loaded(void **state) {
    (void)state;
    assert_false(is_loaded());
    for (int i = 0; i < 3; i++) {
        lua_State *L =
            load("server = require 'poplin.testing'.Server { users = { alice = 'secret' }, background = true }\n"
                 "pop = assert(require 'poplin'.connect(server.url, { user = 'alice', password = 'secret' }))");
        lua_close(L);
        assert_int_equal(threads_after(ONE_THREAD), ONE_THREAD);
        assert_true(is_loaded());
    }
}

static void test_a_thread_outlives_its_state(void **state) {
    (void)state;
    assert_int_equal(sem_init(&asked, 0, 0), 0);
    assert_int_equal(sem_init(&go_on, 0, 0), 0);
    lua_State *L = load("local poplin = require 'poplin'\n"
                        "poplin.spawn(poplin.connect, 'pop3://mail.example.org')\n"
                        "poplin.step(0)");
    while (sem_wait(&asked) != 0)
        continue;
    lua_close(L);
    assert_int_equal(entries_of("/proc/self/task"), ONE_THREAD + 1);
    assert_int_equal(sem_post(&go_on), 0);
    assert_int_equal(threads_after(ONE_THREAD), ONE_THREAD);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_stays_loaded),
        cmocka_unit_test(test_a_thread_outlives_its_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
