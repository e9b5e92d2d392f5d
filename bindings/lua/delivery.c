/*
 * delivery.c - the type delivery: a Maildir that fetches deliver to; and the folder that a seen store stands in unless the
 * script says otherwise.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fetch.h"

poplin_lua_delivery *poplin_lua_check_delivery(lua_State *L, int index) {
    return luaL_checkudata(L, index, POPLIN_LUA_DELIVERY);
}

/* core.delivery(path): the Maildir, made where there is none; or nil and an error. */
int poplin_lua_delivery_new(lua_State *L) {
    const char *path = poplin_lua_text(L, 1);
    poplin_error error = {.status = POPLIN_OK};
    poplin_lua_delivery *self = lua_newuserdatauv(L, sizeof *self, 0);
    self->delivery = NULL;
    luaL_setmetatable(L, POPLIN_LUA_DELIVERY);
    if (poplin_delivery_open(path, false, &self->delivery, &error) != POPLIN_OK) {
        self->delivery = NULL;
        return poplin_lua_fail(L, &error);
    }
    return 1;
}

/* delivery:close(): what was begun is abandoned. Closing twice is peaceful. Also its finalizer. */
static int delivery_close(lua_State *L) {
    poplin_lua_delivery *self = poplin_lua_check_delivery(L, 1);
    poplin_delivery_free(self->delivery);
    self->delivery = NULL;
    return 0;
}

void poplin_lua_delivery_type(lua_State *L) {
    static const luaL_Reg methods[] = {{"close", delivery_close}, {"__gc", delivery_close}, {NULL, NULL}};
    poplin_lua_type(L, POPLIN_LUA_DELIVERY, methods);
}

/* Makes the folder and those above it that are missing. 0, or errno. */
static int make_folders(char *path) {
    for (char *at = path + 1;; at++) {
        const char here = *at;
        if (here != '/' && here != '\0') {
            continue;
        }
        *at = '\0';
        const int failed = mkdir(path, 0700) == 0 ? 0 : errno;
        *at = here;
        if (failed != 0 && failed != EEXIST) {
            return failed;
        }
        if (here == '\0') {
            return 0;
        }
    }
}

/*
 * core.state_folder(look): poplin's own folder where this user's programs keep what they remember, which is made unless it is
 * only to be looked at; or nil and an error.
 */
int poplin_lua_state_folder(lua_State *L) {
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    char path[1024];
    int size = -1;
    if (state != NULL && state[0] == '/') { /* by the XDG Base Directory Specification others count for nothing */
        size = snprintf(path, sizeof path, "%s/poplin", state);
    } else if (home != NULL && home[0] == '/') {
        size = snprintf(path, sizeof path, "%s/.local/state/poplin", home);
    }
    if (size < 0 || (size_t)size >= sizeof path) {
        return poplin_lua_fail_with(L, POPLIN_ERR_IO, "seen store",
                                    "neither XDG_STATE_HOME nor HOME names a folder: say where it is to be");
    }
    const int failed = lua_toboolean(L, 1) ? 0 : make_folders(path);
    if (failed != 0) {
        char reason[1200];
        (void)snprintf(reason, sizeof reason, "%s cannot be made: %s", path, strerror(failed));
        return poplin_lua_fail_with(L, POPLIN_ERR_IO, "seen store", reason);
    }
    lua_pushstring(L, path);
    return 1;
}
