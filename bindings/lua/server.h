/*
 * server.h - the type server, which three files share: server.c makes and ends it, questions.c asks, answers.c answers;
 * and what a server is told to be, which serving.c reads for it and for the type background.
 *
 * The core lends what it sends: a body's string stays in a table of the server, its second user value, until the core
 * has given it back.
 */
#ifndef POPLIN_LUA_SERVER_H
#define POPLIN_LUA_SERVER_H

#include "core.h"

/* The user values of a server. */
enum { POPLIN_LUA_SERVER_LOOP = 1, POPLIN_LUA_SERVER_LENT, POPLIN_LUA_SERVER_KIT, POPLIN_LUA_SERVER_MEMORY };

typedef struct poplin_lua_loan poplin_lua_loan;

typedef struct poplin_lua_server {
    poplin_server *server;       /* NULL: stopped; questions are left all the same */
    poplin_questions *questions; /* NULL: none are asked, since the maildrops are in memory */
    poplin_memory *memory;       /* which keeps the loop's clock until this is stopped; or NULL */
    poplin_question question;    /* the one that is being put into Lua's terms */
    bool asked;                  /* it has not been told whole yet: Lua ran out of memory over it */
    poplin_lua_loan *returned;   /* strings that may be let go */
} poplin_lua_server;

/* The server at index 1. */
poplin_lua_server *poplin_lua_check_server(lua_State *L);

/* Lets go of the strings that the core has given back. */
void poplin_lua_let_go(lua_State *L, poplin_lua_server *self);

/* The methods that the other two files bring. */
int poplin_lua_question(lua_State *L);
extern const luaL_Reg poplin_lua_answers[];

/* ---- serving.c ---- */

/* All that core.server and core.background take. */
typedef struct poplin_lua_serving {
    poplin_server_config config;
    bool tokens; /* of memory: users may log in with tokens too */
    const char *cert_file;
    const char *key_file;
    poplin_slice cert_pem;
    poplin_slice key_pem;
    poplin_slice staple;
    struct poplin_lua_certificate {
        const char *cert_file;
        const char *key_file; /* NULL: in cert_file */
    } certificates[63];       /* further ones, by SNI; in the settings' table, which has to stay */
    size_t certificates_count;
    bool no_resumption;
    const char *key_log;
    const char *client_ca_file; /* of these two, one at most */
    poplin_slice client_ca_pem;
} poplin_lua_serving;

/* Reads the settings at index, and the testkit at kit, nil: none. Raises where something does not fit. */
void poplin_lua_serving_read(lua_State *L, int index, int kit, poplin_lua_serving *wanted);

/* The backend for maildrops in memory. */
const poplin_backend *poplin_lua_serving_memory(const poplin_lua_serving *wanted);

/* Makes the credentials that are wished for: config.credentials, which the caller frees; NULL: no TLS. */
int poplin_lua_serving_credentials(poplin_lua_serving *wanted, poplin_error *error);

#endif
