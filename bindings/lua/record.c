/*
 * record.c - the type record: one session of a test server, as it was when the record was taken.
 *
 * What a field holds becomes a Lua value when it is asked for, since a record may hold thousands of exchanges.
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"

typedef struct record {
    poplin_record *record;
    char *transcript;
    char *explanation; /* of the check that was made last */
} record;

poplin_record **poplin_lua_record_new(lua_State *L) {
    record *self = lua_newuserdatauv(L, sizeof *self, 0);
    *self = (record){NULL, NULL, NULL};
    luaL_setmetatable(L, POPLIN_LUA_RECORD);
    return &self->record;
}

static record *check_record(lua_State *L) {
    record *self = luaL_checkudata(L, 1, POPLIN_LUA_RECORD);
    luaL_argcheck(L, self->record != NULL, 1, "this record is gone");
    return self;
}

/* ---- fields ---- */

static void push_octets(lua_State *L, uint64_t octets) {
    lua_pushinteger(L, (lua_Integer)octets);
}

/* An empty string is "nothing", which is nil. */
static void push_text(lua_State *L, const char *text) {
    lua_pushstring(L, text[0] == '\0' ? NULL : text);
}

static void push_strings(lua_State *L, const char *const *strings) {
    lua_newtable(L);
    for (lua_Integer i = 0; strings[i] != NULL; i++) {
        lua_pushstring(L, strings[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

static void push_outcome(lua_State *L, const poplin_record *of) {
    lua_pushstring(L, of->open ? NULL : poplin_record_outcome(of));
}

/* Those strings of the exchanges that are not empty. */
static void push_column(lua_State *L, const poplin_record *of, size_t offset) {
    lua_Integer count = 0;
    lua_newtable(L);
    for (size_t i = 0; i < of->exchange_count; i++) {
        const char *text = *(const char *const *)((const char *)&of->exchanges[i] + offset);
        if (text[0] != '\0') {
            lua_pushstring(L, text);
            lua_rawseti(L, -2, ++count);
        }
    }
}

static void push_commands(lua_State *L, const poplin_record *of) {
    push_column(L, of, offsetof(poplin_exchange, command));
}

static void push_replies(lua_State *L, const poplin_record *of) {
    push_column(L, of, offsetof(poplin_exchange, reply));
}

static void set_string(lua_State *L, const char *name, const char *value) {
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

static void set_boolean(lua_State *L, const char *name, bool value) {
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

static void push_exchange(lua_State *L, const poplin_exchange *exchange) {
    lua_createtable(L, 0, 9);
    set_string(L, "command", exchange->command);
    set_string(L, "reply", exchange->reply);
    set_string(L, "text", exchange->text);
    push_octets(L, exchange->octets);
    lua_setfield(L, -2, "octets");
    set_boolean(L, "tls", exchange->tls);
    set_boolean(L, "secret", exchange->secret);
    set_boolean(L, "leaked", exchange->leaked);
    set_boolean(L, "complete", exchange->complete);
    set_string(L, "fault", exchange->fault);
}

static void push_exchanges(lua_State *L, const poplin_record *of) {
    lua_createtable(L, (int)of->exchange_count, 0);
    for (size_t i = 0; i < of->exchange_count; i++) {
        push_exchange(L, &of->exchanges[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

enum kind { NUMBER, TEXT, FLAG, STRINGS, MADE };

#define FIELD(name, kind) \
    { #name, kind, offsetof(poplin_record, name), NULL }
static const struct {
    const char *name;
    enum kind kind;
    size_t offset;
    void (*push)(lua_State *L, const poplin_record *of); /* MADE */
} fields[] = {
    FIELD(number, NUMBER),
    FIELD(peer, TEXT),
    FIELD(open, FLAG),
    FIELD(error, TEXT),
    FIELD(tls, TEXT),
    FIELD(user, TEXT),
    FIELD(mechanism, TEXT),
    FIELD(octets_in, NUMBER),
    FIELD(octets_out, NUMBER),
    FIELD(retrieved, STRINGS),
    FIELD(deleted, STRINGS),
    FIELD(marked, STRINGS),
    FIELD(exchanges_not_kept, NUMBER),
    {"outcome", MADE, 0, push_outcome},
    {"commands", MADE, 0, push_commands},
    {"replies", MADE, 0, push_replies},
    {"exchanges", MADE, 0, push_exchanges},
};
#undef FIELD

static void push_field(lua_State *L, const poplin_record *of, size_t i) {
    const void *place = (const char *)of + fields[i].offset;
    switch (fields[i].kind) {
    case NUMBER:
        push_octets(L, *(const uint64_t *)place);
        break;
    case TEXT:
        push_text(L, *(const char *const *)place);
        break;
    case FLAG:
        lua_pushboolean(L, *(const bool *)place);
        break;
    case STRINGS:
        push_strings(L, *(const char *const *const *)place);
        break;
    case MADE:
        fields[i].push(L, of);
        break;
    }
}

/* record:get(name): a field's value, which may be nil; nothing where there is no such field. */
static int record_get(lua_State *L) {
    const record *self = check_record(L);
    const char *name = poplin_lua_text(L, 2);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (strcmp(name, fields[i].name) == 0) {
            push_field(L, self->record, i);
            return 1;
        }
    }
    return 0;
}

/* record:transcript(): the conversation, for a person. */
static int record_transcript(lua_State *L) {
    record *self = check_record(L);
    if (self->transcript == NULL) {
        self->transcript = poplin_record_transcript(self->record);
    }
    if (self->transcript == NULL) {
        return luaL_error(L, "not enough memory");
    }
    lua_pushstring(L, self->transcript);
    return 1;
}

/* ---- judging ---- */

/* The strings from index 3 on, in memory that Lua owns. */
static const char **check_strings(lua_State *L, size_t *count) {
    int last = lua_gettop(L);
    *count = (size_t)(last - 2);
    const char **strings = lua_newuserdatauv(L, (*count + 1) * sizeof *strings, 0);
    for (int i = 3; i <= last; i++) {
        strings[i - 3] = poplin_lua_text(L, i);
    }
    return strings;
}

static char *explain(const poplin_record *of, int check, const char *const *strings, size_t count) {
    switch (check) {
    case 0:
        return poplin_record_check_quit(of);
    case 1:
        return poplin_record_check_deleted(of, strings, count);
    case 2:
        return poplin_record_check_retrieved(of, strings, count);
    case 3:
        return poplin_record_check_no_cleartext_secret(of);
    default:
        return poplin_record_check_order(of, strings, count);
    }
}

/* core.outcomes(): an array of the words for them. */
int poplin_lua_outcomes(lua_State *L) {
    lua_newtable(L);
    for (int i = POPLIN_COMMITTED; i <= POPLIN_FAILED; i++) {
        lua_pushstring(L, poplin_outcome_word((enum poplin_outcome)i));
        lua_rawseti(L, -2, i - POPLIN_COMMITTED + 1);
    }
    return 1;
}

/* record:check(name, string, ...): nil where it is as it should be, else what is wrong. */
static int record_check(lua_State *L) {
    static const char *const checks[] = {"quit", "deleted", "retrieved", "no_cleartext_secret", "order", NULL};
    record *self = check_record(L);
    size_t count = 0;
    lua_settop(L, lua_gettop(L) < 2 ? 2 : lua_gettop(L));
    int check = luaL_checkoption(L, 2, NULL, checks);
    const char **strings = check_strings(L, &count);
    poplin_explanation_free(self->explanation);
    self->explanation = explain(self->record, check, strings, count);
    lua_pushstring(L, self->explanation);
    return 1;
}

/* record:close(), and the collector, which does not know how large a record is. */
static int record_close(lua_State *L) {
    record *self = luaL_checkudata(L, 1, POPLIN_LUA_RECORD);
    poplin_record_free(self->record);
    free(self->transcript);
    poplin_explanation_free(self->explanation);
    *self = (record){NULL, NULL, NULL};
    return 0;
}

void poplin_lua_record_type(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"get", record_get},     {"transcript", record_transcript},
        {"check", record_check}, {"close", record_close},
        {"__gc", record_close},  {NULL, NULL},
    };
    poplin_lua_type(L, POPLIN_LUA_RECORD, methods);
}
