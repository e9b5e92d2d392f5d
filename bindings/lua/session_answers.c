/*
 * session_answers.c - the methods of a session machine that answer its questions: true, or nil and an error, which a late or second
 * answer is too and does no harm. What a script gave is read before the machine is looked at, since reading may run a script's
 * metamethods.
 */
#include <stdio.h>
#include <string.h>

#include "machine.h"

static uint64_t check_question(lua_State *L) {
    int exact = 0;
    lua_Integer question = lua_type(L, 2) == LUA_TNUMBER ? lua_tointegerx(L, 2, &exact) : 0;
    if (!exact) {
        luaL_error(L, "a question is an event, or its number");
    }
    return (uint64_t)question;
}

/* A string at index; raises, with its name, for anything else. */
static poplin_slice check_octets(lua_State *L, int index, const char *name) {
    if (lua_type(L, index) != LUA_TSTRING) {
        luaL_error(L, "%s must be a string, not a %s", name, luaL_typename(L, index));
    }
    return poplin_lua_slice(L, index);
}

/* Ends an answer. */
static int finish(lua_State *L, int status) {
    return poplin_lua_session_finish(L, status, "this question is not open any more, or takes another kind of answer");
}

/* session:accept(question): yes. */
static int session_accept(lua_State *L) {
    uint64_t question = check_question(L);
    poplin_lua_session *self = poplin_lua_session_enter(L);
    return self == NULL ? 2 : finish(L, poplin_session_accept(self->session, question));
}

/* session:accept_as(question, user): yes, and it is this user who logs in. */
static int session_accept_as(lua_State *L) {
    uint64_t question = check_question(L);
    poplin_slice user = check_octets(L, 3, "user");
    if (user.size == 0) {
        return luaL_error(L, "user is empty");
    }
    poplin_lua_session *self = poplin_lua_session_enter(L);
    return self == NULL ? 2 : finish(L, poplin_session_accept_as(self->session, question, user));
}

/* session:secret(question, password): what the user's password is. */
static int session_secret(lua_State *L) {
    uint64_t question = check_question(L);
    poplin_slice password = check_octets(L, 3, "password");
    poplin_lua_session *self = poplin_lua_session_enter(L);
    return self == NULL ? 2 : finish(L, poplin_session_secret(self->session, question, password));
}

/* session:keys(question, text): what the user's SCRAM keys are. */
static int session_keys(lua_State *L) {
    uint64_t question = check_question(L);
    poplin_slice text = check_octets(L, 3, "keys");
    poplin_lua_session *self = poplin_lua_session_enter(L);
    if (self == NULL) {
        return 2;
    }
    char storage[POPLIN_SCRAM_STORAGE];
    poplin_scram_keys keys;
    int status = poplin_scram_keys_parse(text, storage, &keys);
    if (status == POPLIN_OK) {
        status = poplin_session_keys(self->session, question, &keys);
    } else if (status == POPLIN_ERR_PROTOCOL) { /* which they are is not shown */
        explicit_bzero(storage, sizeof storage);
        return poplin_lua_fail_with(L, status, NULL, "these are no SCRAM keys");
    }
    explicit_bzero(storage, sizeof storage);
    return finish(L, status);
}

/* session:refuse(question, kind, text or nil): no. */
static int session_refuse(lua_State *L) {
    uint64_t question = check_question(L);
    int kind = poplin_lua_status(luaL_checkstring(L, 3));
    const char *text = lua_isnoneornil(L, 4) ? NULL : poplin_lua_text(L, 4);
    poplin_lua_session *self = poplin_lua_session_enter(L);
    return self == NULL ? 2 : finish(L, poplin_session_refuse(self->session, question, kind, text));
}

/* session:refuse_delay(question, text or nil): no, it is too soon (LOGIN-DELAY). */
static int session_refuse_delay(lua_State *L) {
    uint64_t question = check_question(L);
    const char *text = lua_isnoneornil(L, 3) ? NULL : poplin_lua_text(L, 3);
    poplin_lua_session *self = poplin_lua_session_enter(L);
    return self == NULL ? 2
                        : finish(L, poplin_session_refuse_with(self->session, question, POPLIN_CODE_LOGIN_DELAY, text));
}

/* What became of the maildrop that was given. */
static int finish_open(lua_State *L, int status, size_t bad) {
    char reason[160];
    switch (status) {
    case POPLIN_ERR_PROTOCOL:
        (void)snprintf(reason, sizeof reason,
                       "message %zu: a unique-id must be 1 to 70 of the characters \"!\" to \"~\", and stand once; the "
                       "login was refused",
                       bad + 1);
        return poplin_lua_fail_with(L, status, NULL, reason);
    case POPLIN_ERR_LIMIT:
        return poplin_lua_fail_with(L, status, NULL,
                                    "there are more messages than max_messages; the login was refused");
    default:
        return finish(L, status);
    }
}

/* session:open(question, array of { unique-id, octets or nil, utf8 = boolean or nil }, login_delay or nil, expire or nil) */
static int session_open(lua_State *L) {
    uint64_t question = check_question(L);
    poplin_user_terms terms;
    size_t bad = 0;
    if (!lua_istable(L, 3)) {
        return luaL_error(L, "messages must be an array, not a %s", luaL_typename(L, 3));
    }
    poplin_lua_terms(L, 4, &terms);
    size_t count = lua_rawlen(L, 3);
    poplin_listing *messages = lua_newuserdatauv(L, (count + 1) * sizeof *messages, 0);
    for (size_t i = 0; i < count; i++) {
        messages[i] = poplin_lua_listing(L, 3, (lua_Integer)i + 1);
    }
    poplin_lua_session *self = poplin_lua_session_enter(L);
    if (self == NULL) {
        return 2;
    }
    int status = poplin_session_terms(self->session, question, &terms);
    if (status == POPLIN_ERR_LIMIT) {
        return luaL_error(L,
                          "login_delay and expire of a user need login_delay_by_user and expire_by_user, and cannot be "
                          "harder than what was announced before the login");
    }
    if (status == POPLIN_OK) {
        status = poplin_session_open(self->session, question, messages, count, &bad);
    }
    return finish_open(L, status, bad);
}

/* session:body(question, data, last): the message's octets, or some of them. The string is kept while it is lent. */
static int session_body(lua_State *L) {
    uint64_t question = check_question(L);
    poplin_slice data = check_octets(L, 3, "data");
    bool last = lua_toboolean(L, 4) != 0;
    poplin_lua_session *self = poplin_lua_session_enter(L);
    if (self == NULL) {
        return 2;
    }
    int status = poplin_session_body(self->session, question, data.data, data.size, last);
    if (status == POPLIN_OK) {
        lua_pushvalue(L, 3);
        lua_setiuservalue(L, 1, POPLIN_LUA_MACHINE_OWN);
    }
    return finish(L, status);
}

/* session:gone(array of unique-ids): somebody else has deleted these messages. */
static int session_gone(lua_State *L) {
    if (!lua_istable(L, 2)) {
        return luaL_error(L, "the unique-ids must be an array, not a %s", luaL_typename(L, 2));
    }
    size_t count = lua_rawlen(L, 2);
    poplin_slice *unique_ids = lua_newuserdatauv(L, (count + 1) * sizeof *unique_ids, 0);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 2, (lua_Integer)i + 1);
        unique_ids[i] = check_octets(L, -1, "a unique-id"); /* it lives as long as the array */
        lua_pop(L, 1);
    }
    poplin_lua_session *self = poplin_lua_session_enter(L);
    return self == NULL ? 2
                        : poplin_lua_session_finish(L, poplin_session_gone(self->session, unique_ids, count),
                                                    "no maildrop is open");
}

const luaL_Reg poplin_lua_session_answers[] = {
    {"accept", session_accept}, {"accept_as", session_accept_as},
    {"secret", session_secret}, {"keys", session_keys},
    {"refuse", session_refuse}, {"refuse_delay", session_refuse_delay},
    {"open", session_open},     {"body", session_body},
    {"gone", session_gone},     {NULL, NULL},
};
