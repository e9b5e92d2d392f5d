/*
 * seen.c - the type seen: the memory of what was fetched, an SQLite file.
 *
 * Nothing calls into Lua while the core reads: a list is gathered first, and made a table afterwards.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core.h"

poplin_seen *poplin_lua_check_seen(lua_State *L, int index) {
    poplin_seen *seen = *(poplin_seen **)luaL_checkudata(L, index, POPLIN_LUA_SEEN);
    luaL_argcheck(L, seen != NULL, index, "this seen store is closed");
    return seen;
}

/* core.seen(path): the store; or nil and an error. */
int poplin_lua_seen_new(lua_State *L) {
    const char *path = poplin_lua_text(L, 1);
    poplin_seen **self = lua_newuserdatauv(L, sizeof *self, 0);
    *self = NULL;
    luaL_setmetatable(L, POPLIN_LUA_SEEN);
    poplin_error error = {.status = POPLIN_OK};
    if (poplin_seen_open(path, self, &error) != POPLIN_OK) {
        return poplin_lua_fail(L, &error);
    }
    return 1;
}

/* nil and the error; raises where it is the script that gave what can be on no record. */
static int fail(lua_State *L, const poplin_error *error) {
    if (error->status == POPLIN_ERR_PROTOCOL) {
        return luaL_error(L, "%s", error->reason);
    }
    return poplin_lua_fail(L, error);
}

/* true, or as fail. */
static int answer(lua_State *L, int status, const poplin_error *error) {
    if (status != POPLIN_OK) {
        return fail(L, error);
    }
    lua_pushboolean(L, true);
    return 1;
}

/* ---- lists, gathered ---- */

/* Octets that are owned by Lua through a userdata, so that an error of Lua's frees them. */
typedef struct gathered {
    char *octets;
    size_t size;
    size_t room;
} gathered;

static int gathered_free(lua_State *L) {
    gathered *self = lua_touserdata(L, 1);
    free(self->octets);
    self->octets = NULL;
    return 0;
}

static gathered *new_gathered(lua_State *L) {
    gathered *self = lua_newuserdatauv(L, sizeof *self, 0);
    *self = (gathered){NULL, 0, 0};
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, gathered_free);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    return self;
}

static int append(gathered *self, const void *octets, size_t size) {
    if (size > self->room - self->size) {
        size_t room = (self->size + size) * 2;
        char *larger = realloc(self->octets, room);
        if (larger == NULL) {
            return POPLIN_ERR_NOMEM;
        }
        self->octets = larger;
        self->room = room;
    }
    memcpy(self->octets + self->size, octets, size);
    self->size += size;
    return POPLIN_OK;
}

/* Takes the next size octets at *at, which is moved behind them. */
static const char *take(const gathered *self, size_t *at, void *octets, size_t size) {
    const char *begin = self->octets + *at;
    if (octets != NULL) {
        memcpy(octets, begin, size);
    }
    *at += size;
    return begin;
}

/* Nil and why the list could not be had. */
static int fail_list(lua_State *L, int status, const poplin_error *error) {
    if (error->status == POPLIN_OK) { /* memory ran out here and not in the core */
        return poplin_lua_fail_with(L, status, "reading the seen store", NULL);
    }
    return fail(L, error);
}

/* ---- reading ---- */

static int gather_account(void *context, const char *account, uint64_t messages) {
    size_t size = strlen(account);
    int status = append(context, &messages, sizeof messages);
    if (status == POPLIN_OK) {
        status = append(context, &size, sizeof size);
    }
    return status == POPLIN_OK ? append(context, account, size) : status;
}

/* seen:accounts(): a table of account = messages; or nil and an error. */
static int seen_accounts(lua_State *L) {
    poplin_seen *seen = poplin_lua_check_seen(L, 1);
    gathered *list = new_gathered(L);
    poplin_error error = {.status = POPLIN_OK};
    int status = poplin_seen_accounts(seen, gather_account, list, &error);
    if (status != POPLIN_OK) {
        return fail_list(L, status, &error);
    }
    lua_newtable(L);
    for (size_t at = 0; at < list->size;) {
        uint64_t messages = 0;
        size_t size = 0;
        take(list, &at, &messages, sizeof messages);
        take(list, &at, &size, sizeof size);
        lua_pushlstring(L, take(list, &at, NULL, size), size);
        lua_pushinteger(L, (lua_Integer)messages);
        lua_rawset(L, -3);
    }
    return 1;
}

static int gather_record(void *context, const poplin_seen_record *record) {
    int status = append(context, record, sizeof *record);
    return status == POPLIN_OK ? append(context, record->uid.data, record->uid.size) : status;
}

static void set_integer(lua_State *L, const char *name, uint64_t value) {
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

void poplin_lua_push_record(lua_State *L, const poplin_seen_record *record) {
    lua_createtable(L, 0, 7);
    poplin_lua_push_slice(L, record->uid);
    lua_setfield(L, -2, "uid");
    set_integer(L, "copy", record->copy);
    lua_pushstring(L, poplin_step_name(record->step));
    lua_setfield(L, -2, "step");
    if (record->octets != POPLIN_OCTETS_UNKNOWN) {
        set_integer(L, "octets", record->octets);
    }
    set_integer(L, "first_seen", (uint64_t)record->first_seen);
    set_integer(L, "changed", (uint64_t)record->changed);
    if (record->gone != 0) {
        set_integer(L, "gone", (uint64_t)record->gone);
    }
}

/* seen:messages(account): an array of records; or nil and an error. */
static int seen_messages(lua_State *L) {
    poplin_seen *seen = poplin_lua_check_seen(L, 1);
    const char *account = poplin_lua_text(L, 2);
    gathered *list = new_gathered(L);
    poplin_error error = {.status = POPLIN_OK};
    int status = poplin_seen_recall(seen, account, gather_record, list, &error);
    if (status != POPLIN_OK) {
        return fail_list(L, status, &error);
    }
    lua_newtable(L);
    for (size_t at = 0; at < list->size;) {
        poplin_seen_record record;
        take(list, &at, &record, sizeof record);
        record.uid.data = take(list, &at, NULL, record.uid.size);
        poplin_lua_push_record(L, &record);
        lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    }
    return 1;
}

/* ---- writing ---- */

/* seen:mark(account, array of unique-ids, step or nil, which is "delivered"): true; or nil and an error. */
static int seen_mark(lua_State *L) {
    poplin_seen *seen = poplin_lua_check_seen(L, 1);
    const char *account = poplin_lua_text(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    enum poplin_step step = lua_isnoneornil(L, 4) ? POPLIN_STEP_DELIVERED : poplin_step_parse(poplin_lua_slice(L, 4));
    luaL_argcheck(L, step != POPLIN_STEP_NONE, 4, "no such step");
    size_t count = lua_rawlen(L, 3);
    poplin_slice *uids = lua_newuserdatauv(L, (count + 1) * sizeof *uids, 0);
    for (size_t i = 0; i < count; i++) {
        if (lua_rawgeti(L, 3, (lua_Integer)i + 1) != LUA_TSTRING) {
            return luaL_error(L, "mark: element %I must be a unique-id", (LUAI_UACINT)i + 1);
        }
        uids[i] = poplin_lua_slice(L, -1); /* lives in the array */
        lua_pop(L, 1);
    }
    poplin_error error = {.status = POPLIN_OK};
    return answer(L, poplin_seen_mark(seen, account, uids, count, step, (int64_t)time(NULL), &error), &error);
}

/* seen:forget(account, unique-id or nil): how many records that were; or nil and an error. */
static int seen_forget(lua_State *L) {
    poplin_seen *seen = poplin_lua_check_seen(L, 1);
    const char *account = poplin_lua_text(L, 2);
    poplin_slice uid = poplin_lua_slice(L, 3);
    poplin_error error = {.status = POPLIN_OK};
    uint64_t forgotten = 0;
    int status = poplin_seen_forget(seen, account, uid.data == NULL ? NULL : &uid, &forgotten, &error);
    if (status != POPLIN_OK) {
        return fail(L, &error);
    }
    lua_pushinteger(L, (lua_Integer)forgotten);
    return 1;
}

/* Pushes a field of the table on top: its own, so that a string lives as long as the table. */
static int push_own(lua_State *L, const char *name) {
    lua_pushstring(L, name);
    return lua_rawget(L, -2);
}

/* A whole number in a field of the record on top; absent: otherwise. Raises where it is none. */
static int64_t number_in(lua_State *L, const char *name, int64_t otherwise) {
    int exact = 1, type = push_own(L, name);
    lua_Integer number = type == LUA_TNIL ? otherwise : type == LUA_TNUMBER ? lua_tointegerx(L, -1, &exact) : -2;
    if (!exact || (type != LUA_TNIL && number < 0)) {
        luaL_error(L, "record: %s must be a whole number, not %s", name, luaL_tolstring(L, -1, NULL));
    }
    lua_pop(L, 1);
    return number;
}

poplin_seen_record poplin_lua_check_record(lua_State *L) {
    poplin_seen_record record = {.step = POPLIN_STEP_NONE};
    if (lua_type(L, -1) != LUA_TTABLE || push_own(L, "uid") != LUA_TSTRING) {
        luaL_error(L, "record: an array of records, each with a uid, is needed");
    }
    record.uid = poplin_lua_slice(L, -1);
    lua_pop(L, 1);
    int64_t copy = number_in(L, "copy", 0);
    int64_t octets = number_in(L, "octets", -1);
    record.octets = octets < 0 ? POPLIN_OCTETS_UNKNOWN : (uint64_t)octets;
    record.first_seen = number_in(L, "first_seen", 0);
    record.changed = number_in(L, "changed", 0);
    record.gone = number_in(L, "gone", 0);
    if (push_own(L, "step") != LUA_TNIL) {
        record.step = lua_type(L, -1) == LUA_TSTRING ? poplin_step_parse(poplin_lua_slice(L, -1)) : POPLIN_STEP_NONE;
        if (record.step == POPLIN_STEP_NONE) {
            luaL_error(L, "record: no such step: %s", luaL_tolstring(L, -1, NULL));
        }
    }
    lua_pop(L, 1);
    if (copy > UINT32_MAX) {
        luaL_error(L, "record: copy is too large");
    }
    record.copy = (uint32_t)copy;
    return record;
}

/* seen:record(account, array of records): all or none; one without step is forgotten. true; or nil and an error. */
static int seen_record(lua_State *L) {
    poplin_seen *seen = poplin_lua_check_seen(L, 1);
    const char *account = poplin_lua_text(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    size_t count = lua_rawlen(L, 3);
    poplin_seen_record *records = lua_newuserdatauv(L, (count + 1) * sizeof *records, 0);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 3, (lua_Integer)i + 1);
        records[i] = poplin_lua_check_record(L);
        lua_pop(L, 1);
    }
    poplin_error error = {.status = POPLIN_OK};
    return answer(L, poplin_seen_record_all(seen, account, records, count, &error), &error);
}

/* seen:close(): closing twice is peaceful. Also its finalizer. */
static int seen_close(lua_State *L) {
    poplin_seen **self = luaL_checkudata(L, 1, POPLIN_LUA_SEEN);
    poplin_seen_free(*self);
    *self = NULL;
    return 0;
}

void poplin_lua_seen_type(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"accounts", seen_accounts},
        {"messages", seen_messages},
        {"mark", seen_mark},
        {"forget", seen_forget},
        {"recall", seen_messages},
        {"record", seen_record},
        {"claim", poplin_lua_claim_new},
        {"close", seen_close},
        {"__close", seen_close},
        {"__gc", seen_close},
        {NULL, NULL},
    };
    poplin_lua_type(L, POPLIN_LUA_SEEN, methods);
}
