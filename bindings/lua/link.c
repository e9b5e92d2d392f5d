/*
 * link.c - the type link: one client connection.
 */
#include <stdlib.h>
#include <unistd.h>

#include "core.h"

/* ---- the object ---- */

static poplin_lua_link *check_link(lua_State *L, int index) {
    poplin_lua_link **handle = luaL_checkudata(L, index, POPLIN_LUA_LINK);
    return *handle;
}

static poplin_link *open_link(lua_State *L) {
    poplin_lua_link *self = check_link(L, 1);
    return self == NULL ? NULL : self->link;
}

poplin_link *poplin_lua_owner(lua_State *L, int index) {
    poplin_link *link = NULL;
    if (lua_getiuservalue(L, index, 1) == LUA_TUSERDATA) {
        poplin_lua_link *owner = *(poplin_lua_link **)lua_touserdata(L, -1);
        link = owner == NULL ? NULL : owner->link;
    }
    lua_pop(L, 1);
    return link;
}

int poplin_lua_closed(lua_State *L) {
    return poplin_lua_fail_with(L, POPLIN_ERR_STATE, NULL, "this connection is closed");
}

int poplin_lua_link_fail(lua_State *L, const poplin_link *link, int status) {
    const poplin_error *error = poplin_link_error(link);
    const poplin_error *refusal = poplin_link_refusal(link);
    if (error == NULL && refusal != NULL && refusal->status == status) {
        error = refusal;
    }
    return error != NULL ? poplin_lua_fail(L, error) : poplin_lua_fail_with(L, status, NULL, NULL);
}

int poplin_lua_refusal(lua_State *L, const poplin_link *link, enum poplin_verb verb, const poplin_reply *reply) {
    poplin_error error;
    poplin_link_describe(link, verb, reply, &error);
    return poplin_lua_fail(L, &error);
}

/* ---- opening ---- */

/* All that core.open takes. */
typedef struct wishes {
    poplin_link_config config;
    poplin_tls_trust trust;
    const char *key_log;
    poplin_credentials login;
    bool wants_login;
} wishes;

#define SETTING(name, kind, member) \
    { name, POPLIN_LUA_##kind, offsetof(wishes, member) }
static const poplin_lua_setting settings[] = {
    SETTING("host", STRING, config.host),
    SETTING("port", U16, config.port),
    SETTING("path", STRING, config.path),
    SETTING("descriptor", INT, config.descriptor),
    SETTING("mail_domain", STRING, config.mail_domain),
    SETTING("loopback_protected", BOOL, config.loopback_protected),
    SETTING("connect_ms", U32, config.connect_ms),
    SETTING("handshake_ms", U32, config.handshake_ms),
    SETTING("reply_ms", U32, config.reply_ms),
    SETTING("total_ms", U32, config.total_ms),
    SETTING("mode", INT, config.client.tls),
    SETTING("strict", BOOL, config.client.strict),
    SETTING("utf8", BOOL, config.client.utf8),
    SETTING("mechanisms", STRING, config.client.mechanisms),
    SETTING("two_step", BOOL, config.client.two_step),
    SETTING("wants_login", BOOL, wants_login),
    SETTING("token", SLICE, login.token),
    SETTING("authorize", SLICE, login.authorize),
    SETTING("pipelining", BOOL, config.client.pipelining),
    SETTING("max_line", SIZE, config.client.max_line),
    SETTING("max_listing", SIZE, config.client.max_listing),
    SETTING("max_listings", SIZE, config.client.max_listings),
    SETTING("max_capabilities", SIZE, config.client.max_capabilities),
    SETTING("max_message", U64, config.client.max_message),
    SETTING("window_commands", SIZE, config.client.window_commands),
    SETTING("window_octets", U64, config.client.window_octets),
    SETTING("verify", BOOL, trust.verify),
    SETTING("no_resumption", BOOL, trust.no_resumption),
    SETTING("pins", STRING, trust.pins),
    SETTING("trust_on_first_use", STRING, trust.first_use_file),
    SETTING("key_log", STRING, key_log),
    SETTING("ca_file", STRING, trust.ca_file),
    SETTING("ca_pem", SLICE, trust.ca_pem),
    SETTING("client_cert", STRING, trust.cert_file),
    SETTING("client_key", STRING, trust.key_file),
    {NULL, POPLIN_LUA_BOOL, 0},
};
#undef SETTING

static void link_ready(void *context) {
    poplin_lua_loop_ready(context);
}

/* The userdata of a link, pushed, with nothing in it but its place. */
static poplin_lua_link *new_link(lua_State *L, poplin_lua_loop *loop) {
    poplin_lua_link **handle = lua_newuserdatauv(L, sizeof *handle, 1);
    *handle = NULL;
    luaL_setmetatable(L, POPLIN_LUA_LINK);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    poplin_lua_link *self = calloc(1, sizeof *self);
    if (self == NULL) {
        luaL_error(L, "not enough memory");
        return NULL;
    }
    *handle = self;
    self->loop = loop;
    self->id = ++loop->last_id;
    return self;
}

#define UNFIT_LOGIN "user or password is empty, too long for any login, or holds what no command can carry"

/*
 * core.open(loop, settings, user or nil, password or nil): a link that begins to connect, or nil and an error. The
 * descriptor among the settings is taken over, also where this fails.
 */
int poplin_lua_link_open(lua_State *L) {
    poplin_lua_loop *loop = poplin_lua_check_loop(L, 1);
    lua_settop(L, 4);
    poplin_error error = {.status = POPLIN_OK};
    wishes wanted = {.trust = {.verify = true},
                     .login = {.user = poplin_lua_slice(L, 3), .password = poplin_lua_slice(L, 4)}};
    poplin_link_config_init(&wanted.config);
    poplin_lua_settings(L, 2, settings, &wanted);
    poplin_lua_link *self = new_link(L, loop);
    int status = poplin_lua_trust(L, &wanted.trust, wanted.key_log, &wanted.config.credentials, &error);
    if (status != POPLIN_OK) {
        if (wanted.config.descriptor >= 0) {
            close(wanted.config.descriptor);
        }
        return poplin_lua_fail(L, &error);
    }
    status = poplin_link_open(loop->loop, &wanted.config, wanted.wants_login ? &wanted.login : NULL, &self->link);
    poplin_tls_credentials_free(wanted.config.credentials);
    if (status != POPLIN_OK) {
        const char *reason = status == POPLIN_ERR_PROTOCOL ? UNFIT_LOGIN : NULL;
        reason = status == POPLIN_ERR_UNSUPPORTED ? "auth names no mechanism, or one that is not known" : reason;
        reason = status == POPLIN_ERR_LIMIT ? "a limit is 0, or user or password is too long for any login" : reason;
        return poplin_lua_fail_with(L, status, "connecting", reason);
    }
    poplin_link_on_ready(self->link, link_ready, self);
    return 1;
}

/* link:opened(): false: not yet; true; nil and an error. */
static int link_opened(lua_State *L) {
    poplin_link *link = open_link(L);
    if (link == NULL) {
        return poplin_lua_closed(L);
    }
    int status = poplin_link_opened(link);
    if (status < 0) {
        return poplin_lua_link_fail(L, link, status);
    }
    lua_pushboolean(L, status == POPLIN_OK);
    return 1;
}

/* link:answer(): what the server said of a refused token, or nil. */
static int link_answer(lua_State *L) {
    poplin_link *link = open_link(L);
    poplin_slice answer = link != NULL ? poplin_link_token_answer(link) : (poplin_slice){NULL, 0};
    if (answer.size == 0) {
        lua_pushnil(L);
    } else {
        lua_pushlstring(L, answer.data, answer.size);
    }
    return 1;
}

/* ---- commands ---- */

/* What a submitting function answered at once: PROTOCOL and LIMIT are then of the arguments and not of the peer. */
static int submit_fail(lua_State *L, const poplin_link *link, int status, enum poplin_verb verb) {
    bool login = verb == POPLIN_NO_VERB;
    const char *reason = NULL;
    if (status == POPLIN_ERR_PROTOCOL || status == POPLIN_ERR_LIMIT) {
        reason = login                 ? UNFIT_LOGIN
                 : verb == POPLIN_LANG ? "a language is a tag of letters, digits and '-', or '*'"
                                       : "this command needs a message number";
    } else if (status == POPLIN_ERR_STATE && poplin_link_error(link) == NULL) {
        poplin_error error;
        poplin_link_explain(link, verb, &error);
        return poplin_lua_fail(L, &error);
    }
    if (reason == NULL || poplin_link_error(link) != NULL) {
        return poplin_lua_link_fail(L, link, status);
    }
    return poplin_lua_fail_with(L, status, login ? "login" : poplin_verb_name(verb), reason);
}

/* link:call(verb, number or nil, lines or nil, streamed, language or nil): a call, or nil and an error. */
static int link_call(lua_State *L) {
    poplin_command command = {.verb = poplin_verb_parse((poplin_slice){luaL_checkstring(L, 2), lua_rawlen(L, 2)})};
    poplin_link *link = open_link(L);
    luaL_argcheck(L, command.verb != POPLIN_NO_VERB, 2, "no such command");
    if (!lua_isnoneornil(L, 3)) {
        command.number = poplin_lua_number(L, 3);
    }
    lua_Integer lines = luaL_optinteger(L, 4, 0);
    luaL_argcheck(L, lines >= 0 && lines <= POPLIN_NUMBER_MAX, 4, "lines are from 0 to 2147483647");
    command.lines = (uint32_t)lines;
    bool streamed = lua_toboolean(L, 5) != 0;
    command.language = poplin_lua_slice(L, 6);
    if (link == NULL) {
        return poplin_lua_closed(L);
    }
    poplin_call **call = poplin_lua_call_new(L, command.verb);
    int status = poplin_link_call(link, &command, streamed, call);
    return status == POPLIN_OK ? 1 : submit_fail(L, link, status, command.verb);
}

/* link:login(user, password): a call, or nil and an error. */
static int link_login(lua_State *L) {
    poplin_link *link = open_link(L);
    luaL_checkstring(L, 2);
    luaL_checkstring(L, 3);
    poplin_credentials login = {.user = poplin_lua_slice(L, 2), .password = poplin_lua_slice(L, 3)};
    if (link == NULL) {
        return poplin_lua_closed(L);
    }
    poplin_call **call = poplin_lua_call_new(L, POPLIN_NO_VERB);
    int status = poplin_link_login(link, &login, call);
    return status == POPLIN_OK ? 1 : submit_fail(L, link, status, POPLIN_NO_VERB);
}

/* link:dele(number): a DELE that nobody waits for; true, or nil and an error. */
static int link_dele(lua_State *L) {
    poplin_link *link = open_link(L);
    uint32_t number = poplin_lua_number(L, 2);
    if (link == NULL) {
        return poplin_lua_closed(L);
    }
    int status = poplin_link_dele(link, number);
    if (status != POPLIN_OK) {
        return submit_fail(L, link, status, POPLIN_DELE);
    }
    lua_pushboolean(L, true);
    return 1;
}

/* link:retr_all(listing, metatable): a series of messages, or nil and an error. */
static int link_retr_all(lua_State *L) {
    poplin_link *link = open_link(L);
    size_t count = 0;
    lua_settop(L, 3);
    const poplin_line *lines = poplin_lua_check_listing(L, 2, &count);
    if (link == NULL) {
        return poplin_lua_closed(L);
    }
    poplin_series **series = poplin_lua_series_new(L);
    poplin_wanted *wanted = lua_newuserdatauv(L, (count + 1) * sizeof *wanted, 0);
    for (size_t i = 0; i < count; i++) {
        wanted[i] = (poplin_wanted){.number = lines[i].number, .octets = lines[i].octets};
    }
    int status = poplin_link_retr_all(link, wanted, count, series);
    lua_pop(L, 1);
    return status == POPLIN_OK ? 1 : submit_fail(L, link, status, POPLIN_RETR);
}

/* ---- what is known of it ---- */

/* Sets a field to text, or leaves it nil where that is empty. */
static void set_text(lua_State *L, const char *name, const char *text) {
    if (text[0] != '\0') {
        lua_pushstring(L, text);
        lua_setfield(L, -2, name);
    }
}

/* link:tls(): what was negotiated, a table; nil without TLS. */
static int link_tls(lua_State *L) {
    poplin_link *link = open_link(L);
    poplin_tls_info info;
    if (link == NULL || poplin_link_tls_info(link, &info) != POPLIN_OK) {
        return 0;
    }
    lua_newtable(L);
    set_text(L, "words", poplin_link_tls(link));
    set_text(L, "version", info.version);
    set_text(L, "cipher", info.cipher);
    set_text(L, "group", info.group);
    set_text(L, "alpn", info.alpn);
    set_text(L, "server_name", info.server_name);
    set_text(L, "verified", poplin_tls_proof_word(info.proof));
    set_text(L, "certificate", info.certificate);
    set_text(L, "pin", info.pin);
    lua_pushboolean(L, info.resumed);
    lua_setfield(L, -2, "resumed");
    lua_pushinteger(L, (lua_Integer)info.not_after);
    lua_setfield(L, -2, "not_after");
    return 1;
}

/* link:facts(): greeting, mechanism; each may be nil. */
static int link_facts(lua_State *L) {
    poplin_link *link = open_link(L);
    if (link == NULL) {
        return 0;
    }
    const poplin_client *client = poplin_link_client(link);
    poplin_slice greeting = poplin_link_greeting(link);
    lua_pushlstring(L, greeting.data == NULL ? "" : greeting.data, greeting.size);
    lua_pushstring(L, client == NULL ? NULL : poplin_client_mechanism(client));
    return 2;
}

void poplin_lua_push_capabilities(lua_State *L, const poplin_client *client) {
    poplin_capability capability;
    lua_newtable(L);
    for (size_t i = 0; client != NULL && poplin_client_capability(client, i, &capability) == POPLIN_OK; i++) {
        poplin_lua_push_slice(L, capability.name);
        lua_pushvalue(L, -1);
        if (lua_rawget(L, -3) == LUA_TNIL) {
            lua_pop(L, 1);
            lua_pushliteral(L, "");
        }
        lua_pushliteral(L, " ");
        poplin_lua_push_slice(L, capability.parameters);
        lua_concat(L, 3);
        lua_rawset(L, -3);
    }
}

/* link:capabilities(): as poplin_lua_push_capabilities; or nil and an error. */
static int link_capabilities(lua_State *L) {
    poplin_link *link = open_link(L);
    if (link == NULL) {
        return poplin_lua_closed(L);
    }
    poplin_lua_push_capabilities(L, poplin_link_client(link));
    return 1;
}

static int link_id(lua_State *L) {
    poplin_lua_link *self = check_link(L, 1);
    lua_pushinteger(L, self == NULL ? 0 : self->id);
    return 1;
}

/* ---- ending ---- */

static int link_cancel(lua_State *L) {
    poplin_link *link = open_link(L);
    if (link != NULL) {
        poplin_link_cancel(link);
    }
    return 0;
}

/* link:close(): without QUIT; closing twice is peaceful. */
static int link_close(lua_State *L) {
    poplin_lua_link *self = check_link(L, 1);
    if (self != NULL) {
        poplin_lua_loop_unready(self);
        poplin_link_free(self->link);
        self->link = NULL;
    }
    return 0;
}

/* No I/O in the collector: an open link is left to the loop's next step. */
static int link_gc(lua_State *L) {
    poplin_lua_link **handle = luaL_checkudata(L, 1, POPLIN_LUA_LINK);
    poplin_lua_link *self = *handle;
    *handle = NULL;
    if (self == NULL) {
        return 0;
    }
    poplin_lua_loop_unready(self);
    if (self->link == NULL) {
        free(self);
        return 0;
    }
    poplin_link_on_ready(self->link, NULL, NULL);
    self->next = self->loop->collected;
    self->loop->collected = self;
    return 0;
}

void poplin_lua_link_type(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"opened", link_opened}, {"answer", link_answer},
        {"login", link_login},   {"call", link_call},
        {"dele", link_dele},     {"cancel", link_cancel},
        {"close", link_close},   {"facts", link_facts},
        {"tls", link_tls},       {"capabilities", link_capabilities},
        {"id", link_id},         {"retr_all", link_retr_all},
        {"__gc", link_gc},       {NULL, NULL},
    };
    poplin_lua_type(L, POPLIN_LUA_LINK, methods);
}
