/*
 * questions.c - what a server asks of its script, one question at a time.
 */
#include "server.h"

static void push_handle(lua_State *L, const void *handle) {
    lua_pushinteger(L, (lua_Integer)(uintptr_t)handle);
}

static void push_error_or_nil(lua_State *L, const poplin_error *error) {
    if (error == NULL) {
        lua_pushnil(L);
    } else {
        poplin_lua_push_error(L, error);
    }
}

/* A token may have come without a name. */
static void push_user(lua_State *L, const poplin_question *question) {
    if (question->user.size == 0) {
        lua_pushnil(L);
    } else {
        poplin_lua_push_slice(L, question->user);
    }
}

/* What is asked about a user, and what the user has shown, where that is part of it. */
static int push_of_user(lua_State *L, const poplin_question *question, const char *name, const poplin_slice *shown) {
    lua_pushstring(L, name);
    lua_pushnil(L);
    lua_pushinteger(L, (lua_Integer)question->request);
    push_user(L, question);
    if (shown != NULL) {
        poplin_lua_push_slice(L, *shown);
    }
    return shown != NULL ? 5 : 4;
}

static int push_login_failed(lua_State *L, const poplin_question *question) {
    lua_pushliteral(L, "login_failed");
    lua_pushnil(L);
    lua_pushnil(L);
    push_user(L, question);
    lua_pushstring(L, question->address);
    return 5;
}

static int push_body(lua_State *L, const poplin_question *question) {
    lua_pushliteral(L, "body");
    push_handle(L, question->maildrop);
    lua_pushinteger(L, (lua_Integer)question->request);
    poplin_lua_push_slice(L, question->unique_id);
    return 4;
}

static int push_pieces(lua_State *L, const poplin_question *question) {
    lua_pushstring(L, question->kind == POPLIN_QUESTION_PIECE ? "piece" : "pieces_done");
    push_handle(L, question->maildrop);
    lua_pushinteger(L, (lua_Integer)question->request);
    push_handle(L, question->pieces);
    return 4;
}

static int push_commit(lua_State *L, const poplin_question *question) {
    lua_pushliteral(L, "commit");
    push_handle(L, question->maildrop);
    lua_pushinteger(L, (lua_Integer)question->request);
    lua_createtable(L, (int)question->count, 0);
    for (size_t i = 0; i < question->count; i++) {
        poplin_lua_push_slice(L, question->unique_ids[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 4;
}

static int push_close(lua_State *L, const poplin_question *question) {
    lua_pushliteral(L, "close");
    push_handle(L, question->maildrop);
    lua_pushnil(L);
    lua_pushstring(L, poplin_outcome_word(question->outcome));
    push_error_or_nil(L, question->error);
    return 5;
}

static int push_problem(lua_State *L, const poplin_question *question) {
    lua_pushliteral(L, "problem");
    lua_pushnil(L);
    lua_pushnil(L);
    push_error_or_nil(L, question->error);
    return 4;
}

static int push_question(lua_State *L, const poplin_question *question) {
    switch (question->kind) {
    case POPLIN_QUESTION_CHECK:
        return push_of_user(L, question, "check", &question->password);
    case POPLIN_QUESTION_SECRET:
        return push_of_user(L, question, "secret", NULL);
    case POPLIN_QUESTION_TOKEN:
        return push_of_user(L, question, "token", &question->token);
    case POPLIN_QUESTION_MAILDROP:
        return push_of_user(L, question, "maildrop", NULL);
    case POPLIN_QUESTION_BODY:
        return push_body(L, question);
    case POPLIN_QUESTION_PIECE:
    case POPLIN_QUESTION_PIECES_DONE:
        return push_pieces(L, question);
    case POPLIN_QUESTION_COMMIT:
        return push_commit(L, question);
    case POPLIN_QUESTION_CLOSE:
        return push_close(L, question);
    case POPLIN_QUESTION_PROBLEM:
        return push_problem(L, question);
    case POPLIN_QUESTION_LOGIN_FAILED:
        return push_login_failed(L, question);
    }
    return 0;
}

/*
 * server:question(): nothing where there is none now; else its name, the maildrop's handle or nil, the request to
 * answer or nil, and what belongs to it:
 *     check        user, password         secret       user
 *     token        user or nil, token     maildrop     user
 *     body         unique-id              piece        the pieces' handle
 *     pieces_done  the pieces' handle     commit       array of unique-ids
 *     close        outcome, error or nil  problem      error
 *     login_failed user or nil, address
 */
int poplin_lua_question(lua_State *L) {
    poplin_lua_server *self = poplin_lua_check_server(L);
    luaL_checkstack(L, 10, NULL);
    poplin_lua_let_go(L, self);
    if (self->questions == NULL) {
        return 0;
    }
    if (!self->asked && poplin_questions_next(self->questions, &self->question) != POPLIN_OK) {
        return 0;
    }
    self->asked = true;
    int results = push_question(L, &self->question);
    self->asked = false;
    return results;
}
