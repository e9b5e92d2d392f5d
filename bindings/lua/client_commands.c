/*
 * client_commands.c - the methods of a client machine that log in and queue commands. Each answers the command's tag, or nil and an
 * error.
 */
#include "machine.h"

static int finish(lua_State *L, poplin_lua_client *self, int status, const char *unfit) {
    if (status != POPLIN_OK) {
        return poplin_lua_client_refuse(L, self, status, unfit);
    }
    lua_pushinteger(L, (lua_Integer)++self->tag);
    return 1;
}

/* A string at index, which may be absent; raises, with its name, for anything else. */
static poplin_slice check_octets(lua_State *L, int index, const char *name) {
    if (!lua_isnoneornil(L, index) && lua_type(L, index) != LUA_TSTRING) {
        luaL_error(L, "%s must be a string, not a %s", name, luaL_typename(L, index));
    }
    return poplin_lua_slice(L, index);
}

/* client:login(opening, wanted, user, password, token, authorize), the last four as the names say or nil. */
static int client_login(lua_State *L) {
    poplin_lua_client *self = poplin_lua_client_enter(L);
    if (self == NULL) {
        return 2;
    }
    bool opening = lua_toboolean(L, 2) != 0;
    const poplin_credentials credentials = {.user = check_octets(L, 4, "user"),
                                            .password = check_octets(L, 5, "password"),
                                            .token = check_octets(L, 6, "token"),
                                            .authorize = check_octets(L, 7, "authorize")};
    const poplin_credentials *given = lua_toboolean(L, 3) ? &credentials : NULL;
    uint64_t tag = self->tag + 1;
    int status = opening ? poplin_client_open(self->client, given, tag) : poplin_client_login(self->client, given, tag);
    return finish(L, self, status, "user, password or token is missing, empty, too long, or holds CR, LF or NUL");
}

/* client:submit(verb, number or nil, lines or nil, octets or nil, language or nil) */
static int client_submit(lua_State *L) {
    poplin_lua_client *self = poplin_lua_client_enter(L);
    if (self == NULL) {
        return 2;
    }
    poplin_command command = {.verb = poplin_verb_parse((poplin_slice){luaL_checkstring(L, 2), lua_rawlen(L, 2)})};
    if (!lua_isnoneornil(L, 3)) {
        command.number = (uint32_t)poplin_lua_machine_number(L, 3, "a message number", 1, POPLIN_NUMBER_MAX);
    }
    if (!lua_isnoneornil(L, 4)) {
        command.lines = (uint32_t)poplin_lua_machine_number(L, 4, "lines", 0, POPLIN_NUMBER_MAX);
    }
    if (!lua_isnoneornil(L, 5)) {
        command.octets = poplin_lua_machine_number(L, 5, "octets", 0, LUA_MAXINTEGER);
    }
    command.language = check_octets(L, 6, "language");
    const char *unfit = command.verb == POPLIN_LANG ? "a language is a tag of letters, digits and '-', or '*'"
                                                    : "this command needs a message number";
    return finish(L, self, poplin_client_submit(self->client, &command, self->tag + 1), unfit);
}

/* client:command(line, multiline, secret): a line of the script's own. */
static int client_command(lua_State *L) {
    poplin_lua_client *self = poplin_lua_client_enter(L);
    if (self == NULL) {
        return 2;
    }
    if (lua_isnoneornil(L, 2)) {
        return luaL_error(L, "a line is needed");
    }
    poplin_slice line = check_octets(L, 2, "line");
    bool multiline = lua_toboolean(L, 3) != 0, secret = lua_toboolean(L, 4) != 0;
    return finish(
        L, self, poplin_client_command(self->client, line, multiline, secret, self->tag + 1),
        "a command is one line, without CR, LF and NUL, of at most 65,536 octets; STLS and QUIT have methods of "
        "their own");
}

/* The message on top: a number, or a table with number and octets, as LIST tells it. */
static poplin_wanted check_wanted(lua_State *L) {
    poplin_wanted wanted = {0};
    int top = lua_gettop(L);
    if (lua_istable(L, top)) {
        if (lua_getfield(L, top, "octets") != LUA_TNIL) {
            wanted.octets = poplin_lua_machine_number(L, -1, "octets", 0, LUA_MAXINTEGER);
        }
        lua_getfield(L, top, "number");
    }
    wanted.number = (uint32_t)poplin_lua_machine_number(L, -1, "a message number", 1, POPLIN_NUMBER_MAX);
    lua_settop(L, top - 1);
    return wanted;
}

/* client:retr_all(array of messages) */
static int client_retr_all(lua_State *L) {
    if (!lua_istable(L, 2)) {
        return luaL_error(L, "messages must be an array, not a %s", luaL_typename(L, 2));
    }
    size_t count = lua_rawlen(L, 2);
    poplin_wanted *wanted = lua_newuserdatauv(L, (count + 1) * sizeof *wanted, 0);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 2, (lua_Integer)i + 1);
        wanted[i] = check_wanted(L);
    }
    poplin_lua_client *self = poplin_lua_client_enter(L); /* only now: a message's metamethods may have closed it */
    if (self == NULL) {
        return 2;
    }
    return finish(L, self, poplin_client_retr_all(self->client, wanted, count, self->tag + 1), NULL);
}

/* client:retr_stop(): how many messages of retr_all are not asked for any more. */
static int client_retr_stop(lua_State *L) {
    poplin_lua_client *self = poplin_lua_client_enter(L);
    if (self == NULL) {
        return 2;
    }
    lua_pushinteger(L, (lua_Integer)poplin_client_retr_stop(self->client));
    return 1;
}

const luaL_Reg poplin_lua_client_commands[] = {
    {"login", client_login},       {"submit", client_submit},       {"command", client_command},
    {"retr_all", client_retr_all}, {"retr_stop", client_retr_stop}, {NULL, NULL},
};
