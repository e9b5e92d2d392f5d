/*
 * answers.c - what a script answers to a server's questions.
 *
 * Each takes the request's number first. A late or second answer, or one after the server was stopped, is harmless:
 * it returns false.
 */
#include <fcntl.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server.h"

static poplin_request check_request(lua_State *L) {
    return (poplin_request)luaL_checkinteger(L, 2);
}

static void *check_handle(lua_State *L, int index) {
    return (void *)(uintptr_t)luaL_checkinteger(L, index); /* never dereferenced */
}

static int answered(lua_State *L, poplin_lua_server *self, int status) {
    poplin_lua_let_go(L, self);
    lua_pushboolean(L, status == POPLIN_OK);
    return 1;
}

/* ---- strings lent to the core ---- */

/* A string that is lent. */
struct poplin_lua_loan {
    poplin_lua_server *server;
    int reference; /* of the string in the server's table */
    poplin_lua_loan *next;
};

static void give_back(void *context, const void *data) {
    poplin_lua_loan *loan = context;
    (void)data;
    loan->next = loan->server->returned;
    loan->server->returned = loan;
}

void poplin_lua_let_go(lua_State *L, poplin_lua_server *self) {
    if (self->returned == NULL) {
        return;
    }
    lua_getiuservalue(L, 1, POPLIN_LUA_SERVER_LENT);
    while (self->returned != NULL) {
        poplin_lua_loan *loan = self->returned;
        self->returned = loan->next;
        luaL_unref(L, -1, loan->reference);
        free(loan);
    }
    lua_pop(L, 1);
}

/* Keeps the string at index 3 alive until it is given back. */
static poplin_lua_loan *lend(lua_State *L, poplin_lua_server *self) {
    lua_getiuservalue(L, 1, POPLIN_LUA_SERVER_LENT);
    lua_pushvalue(L, 3);
    int reference = luaL_ref(L, -2);
    poplin_lua_loan *loan = malloc(sizeof *loan);
    if (loan == NULL) {
        luaL_unref(L, -1, reference);
        luaL_error(L, "not enough memory");
        return NULL;
    }
    *loan = (poplin_lua_loan){self, reference, NULL};
    lua_pop(L, 1);
    return loan;
}

/* ---- answers ---- */

/* server:accept(request, user or nil): yes, to a check, a token or a commit; and who it is that logs in. */
static int accept_request(lua_State *L) {
    poplin_lua_server *self = poplin_lua_check_server(L);
    poplin_request request = check_request(L);
    poplin_slice user = poplin_lua_slice(L, 3);
    if (self->server == NULL) {
        return answered(L, self, POPLIN_ERR_STATE);
    }
    return answered(L, self,
                    user.data == NULL ? poplin_server_accept(self->server, request)
                                      : poplin_server_accept_as(self->server, request, user));
}

/* server:secret(request, password): what the user's password is. */
static int answer_secret(lua_State *L) {
    poplin_lua_server *self = poplin_lua_check_server(L);
    poplin_request request = check_request(L);
    luaL_checktype(L, 3, LUA_TSTRING);
    poplin_slice password = poplin_lua_slice(L, 3);
    return answered(L, self,
                    self->server == NULL ? POPLIN_ERR_STATE : poplin_server_secret(self->server, request, password));
}

/* server:keys(request, text): what the user's SCRAM keys are; nil where the text holds none and nothing was answered. */
static int answer_keys(lua_State *L) {
    poplin_lua_server *self = poplin_lua_check_server(L);
    poplin_request request = check_request(L);
    luaL_checktype(L, 3, LUA_TSTRING);
    char storage[POPLIN_SCRAM_STORAGE];
    poplin_scram_keys keys;
    int status = poplin_scram_keys_parse(poplin_lua_slice(L, 3), storage, &keys);
    if (status != POPLIN_OK) {
        lua_pushnil(L);
        return 1;
    }
    status = self->server == NULL ? POPLIN_ERR_STATE : poplin_server_keys(self->server, request, &keys);
    explicit_bzero(storage, sizeof storage);
    return answered(L, self, status);
}

/* server:refuse(request, kind, text or nil): no, to any question. */
static int refuse_request(lua_State *L) {
    poplin_lua_server *self = poplin_lua_check_server(L);
    poplin_request request = check_request(L);
    int status = poplin_lua_status(luaL_checkstring(L, 3));
    const char *text = luaL_optstring(L, 4, NULL);
    return answered(
        L, self, self->server == NULL ? POPLIN_ERR_STATE : poplin_server_refuse(self->server, request, status, text));
}

poplin_listing poplin_lua_listing(lua_State *L, int index, lua_Integer i) {
    poplin_listing listing = {{NULL, 0}, POPLIN_OCTETS_UNKNOWN, false};
    if (lua_rawgeti(L, index, i) != LUA_TTABLE || lua_rawgeti(L, -1, 1) != LUA_TSTRING) {
        luaL_error(L, "list: element %I must be { unique-id, octets or nil }", (LUAI_UACINT)i);
    }
    listing.unique_id = poplin_lua_slice(L, -1);
    if (lua_rawgeti(L, -2, 2) != LUA_TNIL) {
        int exact = 0;
        lua_Integer octets = lua_tointegerx(L, -1, &exact);
        if (!exact || octets < 0) {
            luaL_error(L, "list: element %I must be { unique-id, octets or nil }", (LUAI_UACINT)i);
        }
        listing.octets = (uint64_t)octets;
    }
    listing.utf8 = lua_getfield(L, -3, "utf8") != LUA_TNIL && lua_toboolean(L, -1);
    lua_pop(L, 4);
    return listing;
}

/* A number that is there unless the value at index is nil. */
static uint32_t check_own(lua_State *L, int index, const char *name, bool *own) {
    lua_Integer number = 0;
    int exact = 1;
    *own = !lua_isnoneornil(L, index);
    if (*own) {
        number = lua_type(L, index) == LUA_TNUMBER ? lua_tointegerx(L, index, &exact) : -1;
    }
    if (!exact || number < 0 || number > UINT32_MAX) {
        luaL_error(L, "the maildrop's %s must be a whole number, 0 or more", name);
    }
    return (uint32_t)number;
}

void poplin_lua_terms(lua_State *L, int index, poplin_user_terms *terms) {
    *terms = (poplin_user_terms){0};
    terms->login_delay = check_own(L, index, "login_delay", &terms->own_login_delay);
    terms->expire = check_own(L, index + 1, "expire", &terms->own_expire);
}

/* What is the user's own: at index 5 login_delay, at 6 expire, or nil. */
static void tell_terms(lua_State *L, poplin_lua_server *self, poplin_request request) {
    poplin_user_terms terms;
    poplin_lua_terms(L, 5, &terms);
    if (self->server != NULL && poplin_server_terms(self->server, request, &terms) == POPLIN_ERR_LIMIT) {
        luaL_error(L, "the maildrop's own login_delay is above the server's, or its expire below: before the login "
                      "clients are told the largest delay, and the smallest expire");
    }
}

/* server:open(request, handle, array of { unique-id, octets or nil }, login_delay or nil, expire or nil): the maildrop. */
static int open_maildrop(lua_State *L) {
    poplin_lua_server *self = poplin_lua_check_server(L);
    poplin_request request = check_request(L);
    void *handle = check_handle(L, 3);
    luaL_checktype(L, 4, LUA_TTABLE);
    tell_terms(L, self, request);
    size_t count = lua_rawlen(L, 4);
    poplin_listing *messages = lua_newuserdatauv(L, (count + 1) * sizeof *messages, 0);
    for (size_t i = 0; i < count; i++) {
        messages[i] = poplin_lua_listing(L, 4, (lua_Integer)i + 1);
    }
    return answered(L, self,
                    self->server == NULL ? POPLIN_ERR_STATE
                                         : poplin_server_open(self->server, request, handle, messages, count));
}

/* server:body(request, string): the whole message. */
static int answer_body(lua_State *L) {
    poplin_lua_server *self = poplin_lua_check_server(L);
    poplin_request request = check_request(L);
    size_t size = 0;
    const char *data = luaL_checklstring(L, 3, &size);
    if (self->server == NULL) {
        return answered(L, self, POPLIN_ERR_STATE);
    }
    poplin_lua_loan *loan = lend(L, self);
    return answered(L, self, poplin_server_body(self->server, request, data, size, give_back, loan));
}

/* A descriptor of our own at the position that a Lua file has reached; -1 where it is not a regular file. */
static int regular_descriptor(FILE *file) {
    struct stat facts;
    if (fflush(file) != 0 || fstat(fileno(file), &facts) != 0 || !S_ISREG(facts.st_mode)) {
        return -1;
    }
    off_t position = ftello(file);
    int descriptor = fcntl(fileno(file), F_DUPFD_CLOEXEC, 0);
    if (descriptor >= 0 && (position < 0 || lseek(descriptor, position, SEEK_SET) < 0)) {
        close(descriptor);
        return -1;
    }
    return descriptor;
}

/*
 * server:body_file(request, file): the rest of a regular file; nil where it is none and nothing was answered. The
 * script closes its handle then, since both share one position.
 */
static int answer_body_file(lua_State *L) {
    poplin_lua_server *self = poplin_lua_check_server(L);
    poplin_request request = check_request(L);
    luaL_Stream *stream = luaL_checkudata(L, 3, LUA_FILEHANDLE);
    luaL_argcheck(L, stream->closef != NULL, 3, "the file is closed");
    if (self->server == NULL) {
        return answered(L, self, POPLIN_ERR_STATE);
    }
    int descriptor = regular_descriptor(stream->f);
    if (descriptor < 0) {
        lua_pushnil(L);
        return 1;
    }
    return answered(L, self, poplin_server_body_file(self->server, request, descriptor));
}

/* server:pieces(request, handle): the message will come in pieces. */
static int answer_pieces(lua_State *L) {
    poplin_lua_server *self = poplin_lua_check_server(L);
    poplin_request request = check_request(L);
    void *handle = check_handle(L, 3);
    return answered(L, self,
                    self->server == NULL ? POPLIN_ERR_STATE : poplin_server_body_pieces(self->server, request, handle));
}

/* server:piece(request, string, last): the next piece. */
static int answer_piece(lua_State *L) {
    poplin_lua_server *self = poplin_lua_check_server(L);
    poplin_request request = check_request(L);
    size_t size = 0;
    const char *data = luaL_checklstring(L, 3, &size);
    bool last = lua_toboolean(L, 4) != 0;
    if (self->server == NULL) {
        return answered(L, self, POPLIN_ERR_STATE);
    }
    poplin_lua_loan *loan = lend(L, self);
    return answered(L, self, poplin_server_piece(self->server, request, data, size, last, give_back, loan));
}

const luaL_Reg poplin_lua_answers[] = {
    {"accept", accept_request},      {"secret", answer_secret},
    {"keys", answer_keys},           {"refuse", refuse_request},
    {"open", open_maildrop},         {"body", answer_body},
    {"body_file", answer_body_file}, {"pieces", answer_pieces},
    {"piece", answer_piece},         {NULL, NULL},
};
