/*
 * session_machine.c - the type session machine: the server's state machine of one session without any I/O. Octets go in, events and
 * questions come out, each as a table, and answers go in. poplin.protocol makes something pleasant of it.
 */
#include <limits.h>

#include "machine.h"

static int feed_session(void *machine, const void *data, size_t size) {
    return poplin_session_input(machine, data, size);
}

static int end_session(void *machine, bool clean) {
    return poplin_session_eof(machine, clean);
}

static const poplin_lua_mouth mouth = {feed_session, end_session};

#define IS_OVER "the session is over, or TLS has to stand first"

/* ---- made and freed ---- */

#define SETTING(name, kind, member) \
    { name, POPLIN_LUA_##kind, offsetof(poplin_session_config, member) }
static const poplin_lua_setting settings[] = {
    SETTING("stls", BOOL, stls),
    SETTING("protected", BOOL, link_protected),
    SETTING("allow_cleartext", BOOL, allow_cleartext),
    SETTING("asks", U32, asks),
    SETTING("mechanisms", STRING, mechanisms),
    SETTING("name", STRING, host),
    SETTING("port", U16, port),
    SETTING("pepper", SLICE, pepper),
    SETTING("iterations", U32, iterations),
    SETTING("utf8", BOOL, utf8),
    SETTING("languages", STRING, languages),
    SETTING("failed_logins", BOOL, delays),
    SETTING("login_delay", U32, login_delay),
    SETTING("expire", U32, expire),
    SETTING("login_delay_by_user", BOOL, login_delay_by_user),
    SETTING("expire_by_user", BOOL, expire_by_user),
    SETTING("greeting", STRING, greeting),
    SETTING("max_line", SIZE, max_line),
    SETTING("max_sasl_line", SIZE, max_sasl_line),
    SETTING("max_bad_commands", U32, max_bad_commands),
    SETTING("max_failed_logins", U32, max_failed_logins),
    SETTING("max_messages", SIZE, max_messages),
    SETTING("max_output", SIZE, max_output),
    {NULL, POPLIN_LUA_BOOL, 0},
};
#undef SETTING

static const char *unfit_reason(int status) {
    switch (status) {
    case POPLIN_ERR_LIMIT:
        return "a limit is too small";
    case POPLIN_ERR_UNSUPPORTED:
        return "auth names no mechanism, or one that is not known";
    case POPLIN_ERR_PROTOCOL:
        return "languages cannot be used";
    default:
        return NULL;
    }
}

/* core.session_machine(settings, metatable of the events): a machine, or nil and an error. */
int poplin_lua_session_machine_new(lua_State *L) {
    poplin_session_config config;
    lua_settop(L, 2);
    luaL_checktype(L, 2, LUA_TTABLE);
    poplin_session_config_init(&config);
    poplin_lua_settings(L, 1, settings, &config);
    poplin_lua_session *self = lua_newuserdatauv(L, sizeof *self, POPLIN_LUA_MACHINE_VALUES);
    *self = (poplin_lua_session){.session = NULL};
    poplin_lua_machine_new(L, POPLIN_LUA_SESSION_MACHINE);
    int status = poplin_session_new(&config, &self->session);
    return status == POPLIN_OK ? 1 : poplin_lua_fail_with(L, status, NULL, unfit_reason(status));
}

static poplin_lua_session *check_session(lua_State *L) {
    return luaL_checkudata(L, 1, POPLIN_LUA_SESSION_MACHINE);
}

/* session:close(): nothing is deleted. */
static int session_close(lua_State *L) {
    poplin_lua_session *self = check_session(L);
    if (poplin_lua_feed_discard(L, &self->feed)) {
        poplin_session_free(self->session);
        self->session = NULL;
        self->feed.telling = false;
    }
    return 0;
}

static int session_gc(lua_State *L) {
    poplin_lua_session *self = check_session(L);
    poplin_session_free(self->session);
    self->session = NULL;
    return 0;
}

poplin_lua_session *poplin_lua_session_enter(lua_State *L) {
    poplin_lua_session *self = check_session(L);
    poplin_lua_feed_enter(L, &self->feed, false);
    if (self->session != NULL && !self->feed.discarded) {
        return self;
    }
    (void)poplin_lua_closed(L);
    return NULL;
}

int poplin_lua_session_finish(lua_State *L, int status, const char *misfit) {
    if (status != POPLIN_OK) {
        return poplin_lua_fail_with(L, status, NULL, status == POPLIN_ERR_STATE ? misfit : NULL);
    }
    lua_pushboolean(L, true);
    return 1;
}

/* ---- octets in and out ---- */

/* session:input(data): takes in octets from the client. */
static int session_input(lua_State *L) {
    poplin_lua_session *self = poplin_lua_session_enter(L);
    return self == NULL
               ? 2
               : poplin_lua_session_finish(L, poplin_lua_feed_put(L, &self->feed, &mouth, self->session), IS_OVER);
}

/* session:eof(clean): the client closed. */
static int session_eof(lua_State *L) {
    poplin_lua_session *self = poplin_lua_session_enter(L);
    if (self == NULL) {
        return 2;
    }
    poplin_lua_feed_end(L, &self->feed);
    return poplin_lua_session_finish(L, POPLIN_OK, NULL);
}

/* session:output(): takes what is to be sent. */
static int session_output(lua_State *L) {
    poplin_lua_session *self = poplin_lua_session_enter(L);
    poplin_slice output = {NULL, 0};
    if (self == NULL) {
        return 2;
    }
    poplin_session_output(self->session, &output.data, &output.size);
    poplin_lua_push_slice(L, output);
    poplin_session_sent(self->session, output.size);
    return 1;
}

/* session:tls(facts): TLS now stands. */
static int session_tls(lua_State *L) {
    poplin_tls_facts facts;
    poplin_lua_session *self = poplin_lua_session_enter(L);
    if (self == NULL) {
        return 2;
    }
    poplin_lua_machine_facts(L, &facts);
    return poplin_lua_session_finish(L, poplin_session_tls(self->session, &facts),
                                     "TLS begins before the first octet, or after start_tls");
}

/* ---- how the host ends it ---- */

/* session:timeout(): autologout. */
static int session_timeout(lua_State *L) {
    poplin_lua_session *self = poplin_lua_session_enter(L);
    return self == NULL ? 2
                        : poplin_lua_session_finish(L, poplin_session_timeout(self->session),
                                                    "the session is over, or waits for the answer to a commit");
}

/* session:abort(reason): gives up. */
static int session_abort(lua_State *L) {
    poplin_lua_session *self = poplin_lua_session_enter(L);
    if (self == NULL) {
        return 2;
    }
    const char *reason = lua_isnoneornil(L, 2) ? NULL : poplin_lua_text(L, 2);
    return poplin_lua_session_finish(L, poplin_session_abort(self->session, POPLIN_ERR_CANCELLED, reason), IS_OVER);
}

/* ---- events ---- */

/* A question about who logs in. */
static void push_login(lua_State *L, const poplin_session_event *event, const char *type) {
    poplin_lua_event_new(L, type, 5);
    poplin_lua_event_integer(L, "question", event->question);
    poplin_lua_event_text(L, "user", event->user);
    poplin_lua_event_word(L, "mechanism", event->mechanism);
}

/* What is told about one message; its index is the place in what open was given. */
static void push_of_message(lua_State *L, const poplin_session_event *event, const char *type) {
    poplin_lua_event_new(L, type, 4);
    poplin_lua_event_integer(L, "index", event->index + 1);
    poplin_lua_event_octets(L, "uid", event->unique_id);
}

static void push_commit(lua_State *L, const poplin_session *session, const poplin_session_event *event) {
    poplin_lua_event_new(L, "commit", 2);
    poplin_lua_event_integer(L, "question", event->question);
    lua_createtable(L, event->count > INT_MAX ? INT_MAX : (int)event->count, 0);
    for (size_t i = 0; i < event->count; i++) {
        poplin_lua_push_slice(L, poplin_session_unique_id(session, event->indexes[i]));
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "uids");
}

static void push_closed(lua_State *L, const poplin_session_event *event) {
    poplin_lua_event_new(L, "session_closed", 2);
    poplin_lua_event_word(L, "outcome", poplin_outcome_word(event->outcome));
    if (event->error != NULL) {
        poplin_lua_push_error(L, event->error);
        lua_setfield(L, -2, "error");
    }
}

static void push_event(lua_State *L, const poplin_session *session, const poplin_session_event *event) {
    switch (event->kind) {
    case POPLIN_SESSION_CHECK:
        push_login(L, event, "check_password");
        poplin_lua_event_octets(L, "password", event->password);
        break;
    case POPLIN_SESSION_SECRET:
        push_login(L, event, "find_secret");
        break;
    case POPLIN_SESSION_TOKEN:
        push_login(L, event, "check_token");
        poplin_lua_event_octets(L, "token", event->token);
        break;
    case POPLIN_SESSION_DELAY:
        push_login(L, event, "failed_login");
        poplin_lua_event_integer(L, "failures", event->failures);
        break;
    case POPLIN_SESSION_MAILDROP:
        push_login(L, event, "open_maildrop");
        poplin_lua_event_boolean(L, "read_only", event->read_only);
        break;
    case POPLIN_SESSION_BODY:
        push_of_message(L, event, "send_body");
        poplin_lua_event_integer(L, "question", event->question);
        break;
    case POPLIN_SESSION_BODY_DONE:
        push_of_message(L, event, "body_done");
        break;
    case POPLIN_SESSION_MISMATCH:
        push_of_message(L, event, "mismatch");
        poplin_lua_event_integer(L, "announced", event->announced);
        poplin_lua_event_integer(L, "octets", event->octets);
        break;
    case POPLIN_SESSION_COMMIT:
        push_commit(L, session, event);
        break;
    case POPLIN_SESSION_CLOSED:
        push_closed(L, event);
        break;
    default:
        poplin_lua_event_new(L, "start_tls", 0);
        break;
    }
}

/* What was lent before a BODY or BODY_DONE is not needed any more. */
static void let_go_of_body(lua_State *L, const poplin_session_event *event) {
    if (event->kind == POPLIN_SESSION_BODY || event->kind == POPLIN_SESSION_BODY_DONE) {
        lua_pushnil(L);
        lua_setiuservalue(L, 1, POPLIN_LUA_MACHINE_OWN);
    }
}

/* Takes the next event from the machine, which then is to be told. A status of poplin_session_next. */
static int take(lua_State *L, poplin_lua_session *self) {
    int status;
    do {
        status = poplin_session_next(self->session, &self->event);
    } while (poplin_lua_feed_go_on(L, &self->feed, status, self->event.kind == POPLIN_SESSION_START_TLS, &mouth,
                                   self->session));
    if (status == POPLIN_OK) {
        self->feed.telling = true;
        let_go_of_body(L, &self->event);
    }
    return status;
}

/* session:next(): an event; false and "need_data" or "waiting"; or nil and an error. */
static int session_next(lua_State *L) {
    poplin_lua_session *self = check_session(L);
    poplin_lua_feed_enter(L, &self->feed, true);
    lua_settop(L, 1);
    if (self->session == NULL || self->feed.discarded) {
        return poplin_lua_closed(L);
    }
    int status = self->feed.telling ? POPLIN_OK : take(L, self);
    if (status == POPLIN_NEED_INPUT || status == POPLIN_WAITING) {
        return poplin_lua_machine_pause(L, status);
    }
    if (status != POPLIN_OK) {
        return poplin_lua_session_finish(L, status, "the session is over");
    }
    push_event(L, self->session, &self->event);
    self->feed.telling = false;
    if (self->event.kind == POPLIN_SESSION_CLOSED) {
        poplin_lua_feed_stop(L, &self->feed);
    }
    return 1;
}

/* session:facts(): phase, commands that were read. */
static int session_facts(lua_State *L) {
    const poplin_lua_session *self = check_session(L);
    const poplin_session *session = self->feed.discarded ? NULL : self->session;
    lua_pushinteger(L, session == NULL ? 0 : poplin_session_phase(session));
    lua_pushinteger(L, session == NULL ? 0 : (lua_Integer)poplin_session_commands(session));
    return 2;
}

void poplin_lua_session_machine_type(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"input", session_input},     {"eof", session_eof},     {"output", session_output}, {"tls", session_tls},
        {"timeout", session_timeout}, {"abort", session_abort}, {"next", session_next},     {"facts", session_facts},
        {"close", session_close},     {"__gc", session_gc},     {"__close", session_close}, {NULL, NULL},
    };
    poplin_lua_type(L, POPLIN_LUA_SESSION_MACHINE, methods);
    luaL_getmetatable(L, POPLIN_LUA_SESSION_MACHINE);
    luaL_setfuncs(L, poplin_lua_session_answers, 0);
    lua_pop(L, 1);
}
