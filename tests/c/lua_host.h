/*
 * lua_host.h - what the hosts of Lua share: states with the module inside, scripts, and a look at what is left of them.
 */
#ifndef LUA_HOST_H
#define LUA_HOST_H

#include <dirent.h>
#include <lauxlib.h>
#include <lualib.h>
#include <sched.h>
#include <time.h>

#include "support.h"

int luaopen_poplin_core(lua_State *L);

/* Has a new state know the module. */
static inline lua_State *with_poplin(lua_State *L) {
    assert_non_null(L);
    luaL_openlibs(L);
    luaL_requiref(L, "poplin.core", luaopen_poplin_core, 0);
    lua_settop(L, 0);
    return L;
}

/* Runs a script, whose results are left on the stack. */
static inline void run_script(lua_State *L, const char *path) {
    if (luaL_dofile(L, path) != LUA_OK)
        fail_msg("%s", luaL_tolstring(L, -1, NULL));
}

/* Calls what stands below so many arguments. */
static inline void call(lua_State *L, int arguments, int results) {
    if (lua_pcall(L, arguments, results, 0) != LUA_OK)
        fail_msg("%s", luaL_tolstring(L, -1, NULL));
}

static inline int entries_of(const char *path) {
    int count = 0;
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    (void)closedir(folder);
    return count;
}

/* How many descriptors are open; the look at them takes one. */
static inline int open_descriptors(void) {
    return entries_of("/proc/self/fd") - 1;
}

/* The threads of a process that has begun none, or has joined all: ThreadSanitizer has one of its own. */
#ifdef __SANITIZE_THREAD__
enum { ONE_THREAD = 2 };
#else
enum { ONE_THREAD = 1 };
#endif

/* How many threads there are, once there are no more than so many: one that was joined may be seen a little longer. */
static inline int threads_after(int wanted) {
    enum { PATIENCE = 30 }; /* seconds */
    time_t until = time(NULL) + PATIENCE;
    int count;
    while ((count = entries_of("/proc/self/task")) > wanted && time(NULL) < until)
        (void)sched_yield();
    return count;
}

#endif
