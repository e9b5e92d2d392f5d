/*
 * maildir.c - the type maildir: a Maildir with the methods of a maildrop, for a server's function to return.
 */
#include <errno.h>
#include <lualib.h>
#include <string.h>
#include <unistd.h>

#include "core.h"

/* The user value of a Maildir. */
enum { EXPIRE = 1 };

static poplin_maildir **check_handle(lua_State *L) {
    return luaL_checkudata(L, 1, POPLIN_LUA_MAILDIR);
}

static poplin_maildir *check_maildir(lua_State *L) {
    poplin_maildir *maildir = *check_handle(L);
    luaL_argcheck(L, maildir != NULL, 1, "this Maildir is closed");
    return maildir;
}

/* The options at index 2, whose only one is pushed: expire, a whole number, "never" or nil. Returns its days. */
static uint32_t push_expire(lua_State *L) {
    int exact = 0;
    if (lua_isnoneornil(L, 2)) {
        lua_pushnil(L);
        return 0;
    }
    luaL_checktype(L, 2, LUA_TTABLE);
    for (lua_pushnil(L); lua_next(L, 2) != 0; lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || strcmp(lua_tostring(L, -2), "expire") != 0) {
            luaL_error(L, "poplin.maildir: unknown option: %s", luaL_tolstring(L, -2, NULL));
        }
    }
    int type = lua_getfield(L, 2, "expire");
    if (type == LUA_TNIL || (type == LUA_TSTRING && strcmp(lua_tostring(L, -1), "never") == 0)) {
        return 0;
    }
    lua_Integer days = type == LUA_TNUMBER ? lua_tointegerx(L, -1, &exact) : 0;
    if (!exact || days < 0 || days >= POPLIN_EXPIRE_NEVER) {
        luaL_error(L, "poplin.maildir: expire must be a whole number of days or 'never', not %s",
                   luaL_tolstring(L, -1, NULL));
    }
    return (uint32_t)days;
}

/*
 * core.maildir(path, { expire = days, "never" or nil }): a snapshot, behind it an error where an old message could not be removed;
 * or nil and an error.
 */
int poplin_lua_maildir_new(lua_State *L) {
    const char *path = poplin_lua_text(L, 1);
    lua_settop(L, 2);
    poplin_maildir **self = lua_newuserdatauv(L, sizeof *self, EXPIRE);
    *self = NULL;
    luaL_setmetatable(L, POPLIN_LUA_MAILDIR);
    uint32_t days = push_expire(L);
    lua_setiuservalue(L, -2, EXPIRE);
    poplin_error error = {.status = POPLIN_OK}, left = {.status = POPLIN_OK};
    int removed = poplin_maildir_expire(path, days, &left);
    int status = poplin_maildir_open(path, self, &error);
    if (status != POPLIN_OK) {
        return poplin_lua_fail(L, &error);
    }
    if (removed != POPLIN_OK) {
        poplin_lua_fail(L, &left);
        lua_remove(L, -2); /* the nil */
        return 2;
    }
    return 1;
}

/* What is no method: maildir.expire, as it was given. */
static int maildir_index(lua_State *L) {
    static const char NAME[] = "expire";
    check_handle(L);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) == LUA_TNIL && lua_type(L, 2) == LUA_TSTRING &&
        strcmp(lua_tostring(L, 2), NAME) == 0) {
        lua_getiuservalue(L, 1, EXPIRE);
    }
    return 1;
}

/* maildir:list(): an array of { unique-id }. */
static int maildir_list(lua_State *L) {
    poplin_maildir *maildir = check_maildir(L);
    size_t count = poplin_maildir_count(maildir);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_createtable(L, 1, 0);
        poplin_lua_push_slice(L, poplin_maildir_get(maildir, i).unique_id);
        lua_rawseti(L, -2, 1);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* ---- messages ---- */

static int close_file(lua_State *L) {
    luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
    return luaL_fileresult(L, fclose(stream->f) == 0, NULL);
}

/* A file handle as Lua's own, still closed. */
static luaL_Stream *new_file(lua_State *L) {
    luaL_Stream *stream = lua_newuserdatauv(L, sizeof *stream, 0);
    stream->closef = NULL;
    luaL_setmetatable(L, LUA_FILEHANDLE);
    return stream;
}

/*
 * maildir:retr(unique-id): a file handle; or nil, an error, and what a client may be told, where the message is no longer
 * there or was never.
 */
static int maildir_retr(lua_State *L) {
    static const char NO_MESSAGE[] = "there is no such message";
    poplin_maildir *maildir = check_maildir(L);
    luaL_checktype(L, 2, LUA_TSTRING);
    luaL_Stream *stream = new_file(L);
    poplin_error error = {.status = POPLIN_OK};
    size_t index = 0;
    int descriptor = -1;
    if (poplin_maildir_find(maildir, poplin_lua_slice(L, 2), &index) != POPLIN_OK) {
        poplin_lua_fail_with(L, POPLIN_ERR_REFUSED, NULL, NO_MESSAGE);
        lua_pushstring(L, NO_MESSAGE);
        return 3;
    }
    int status = poplin_maildir_message(maildir, index, &descriptor, &error);
    if (status != POPLIN_OK) {
        poplin_lua_fail(L, &error);
        lua_pushstring(L, status == POPLIN_ERR_REFUSED ? error.reason : NULL);
        return 3;
    }
    stream->f = fdopen(descriptor, "rb");
    if (stream->f == NULL) {
        const char *reason = strerror(errno);
        close(descriptor);
        return poplin_lua_fail_with(L, POPLIN_ERR_IO, "reading a message", reason);
    }
    stream->closef = close_file;
    return 1;
}

/* ---- deleting and closing ---- */

/* The indexes of the unique-ids in the array at index 2, pushed as a userdata; NULL: one of them is none. */
static size_t *push_indexes(lua_State *L, const poplin_maildir *maildir, size_t count) {
    size_t *indexes = lua_newuserdatauv(L, (count + 1) * sizeof *indexes, 0);
    for (size_t i = 0; i < count; i++) {
        if (lua_rawgeti(L, 2, (lua_Integer)i + 1) != LUA_TSTRING) {
            luaL_error(L, "dele: element %I must be a unique-id", (LUAI_UACINT)i + 1);
        }
        int status = poplin_maildir_find(maildir, poplin_lua_slice(L, -1), &indexes[i]);
        lua_pop(L, 1);
        if (status != POPLIN_OK) {
            return NULL;
        }
    }
    return indexes;
}

/* maildir:dele(array of unique-ids): true, or nil and an error. */
static int maildir_dele(lua_State *L) {
    poplin_maildir *maildir = check_maildir(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    size_t count = lua_rawlen(L, 2);
    const size_t *indexes = push_indexes(L, maildir, count);
    if (indexes == NULL) {
        return poplin_lua_fail_with(L, POPLIN_ERR_REFUSED, "deleting messages", "there is no such message");
    }
    poplin_error error = {.status = POPLIN_OK};
    int status = poplin_maildir_remove(maildir, indexes, count, &error);
    if (status != POPLIN_OK) {
        return poplin_lua_fail(L, &error);
    }
    lua_pushboolean(L, true);
    return 1;
}

/* maildir:close(): closing twice is peaceful. Also its finalizer. */
static int maildir_close(lua_State *L) {
    poplin_maildir **self = check_handle(L);
    poplin_maildir_free(*self);
    *self = NULL;
    return 0;
}

void poplin_lua_maildir_type(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"list", maildir_list},  {"retr", maildir_retr},     {"dele", maildir_dele}, {"close", maildir_close},
        {"__gc", maildir_close}, {"__close", maildir_close}, {NULL, NULL},
    };
    poplin_lua_type(L, POPLIN_LUA_MAILDIR, methods);
    luaL_getmetatable(L, POPLIN_LUA_MAILDIR);
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, maildir_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
