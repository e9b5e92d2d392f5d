/*
 * server.h - the type server, which three files share: server.c makes and ends it, questions.c asks, answers.c answers.
 *
 * The core lends what it sends: a body's string stays in a table of the server, its second user value, until the core
 * has given it back.
 */
#ifndef POPLIN_LUA_SERVER_H
#define POPLIN_LUA_SERVER_H

#include "core.h"

/* The user values of a server. */
enum { POPLIN_LUA_SERVER_LOOP = 1, POPLIN_LUA_SERVER_LENT = 2 };

typedef struct poplin_lua_loan poplin_lua_loan;

typedef struct poplin_lua_server {
    poplin_server *server; /* NULL: stopped; questions are left all the same */
    poplin_questions *questions;
    poplin_question question;  /* the one that is being put into Lua's terms */
    bool asked;                /* it has not been told whole yet: Lua ran out of memory over it */
    poplin_lua_loan *returned; /* strings that may be let go */
} poplin_lua_server;

/* The server at index 1. */
poplin_lua_server *poplin_lua_check_server(lua_State *L);

/* Lets go of the strings that the core has given back. */
void poplin_lua_let_go(lua_State *L, poplin_lua_server *self);

/* The methods that the other two files bring. */
int poplin_lua_question(lua_State *L);
extern const luaL_Reg poplin_lua_answers[];

#endif
