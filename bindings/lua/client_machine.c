/*
 * client_machine.c - the type client machine: the client's state machine without any I/O. Octets go in, events come out, each as
 * a table. poplin.protocol makes something pleasant of it.
 *
 * Neighbouring slices of a body are joined here, so that one with many dots does not become as many tables.
 */
#include <stdio.h>
#include <string.h>

#include "machine.h"

static int feed_client(void *machine, const void *data, size_t size) {
    return poplin_client_input(machine, data, size);
}

static int end_client(void *machine, bool clean) {
    return poplin_client_eof(machine, clean);
}

static const poplin_lua_mouth mouth = {feed_client, end_client};

/* ---- made and freed ---- */

#define SETTING(name, kind, member) \
    { name, POPLIN_LUA_##kind, offsetof(poplin_client_config, member) }
static const poplin_lua_setting settings[] = {
    SETTING("mode", INT, tls),
    SETTING("protected", BOOL, link_protected),
    SETTING("strict", BOOL, strict),
    SETTING("mechanisms", STRING, mechanisms),
    SETTING("two_step", BOOL, two_step),
    SETTING("host", STRING, host),
    SETTING("port", U16, port),
    SETTING("utf8", BOOL, utf8),
    SETTING("pipelining", BOOL, pipelining),
    SETTING("max_line", SIZE, max_line),
    SETTING("max_listing", SIZE, max_listing),
    SETTING("max_listings", SIZE, max_listings),
    SETTING("max_capabilities", SIZE, max_capabilities),
    SETTING("max_message", U64, max_message),
    SETTING("window_commands", SIZE, window_commands),
    SETTING("window_octets", U64, window_octets),
    {NULL, POPLIN_LUA_BOOL, 0},
};
#undef SETTING

/* core.client_machine(settings, metatable of the events): a machine, or nil and an error. */
int poplin_lua_client_machine_new(lua_State *L) {
    poplin_client_config config;
    lua_settop(L, 2);
    luaL_checktype(L, 2, LUA_TTABLE);
    poplin_client_config_init(&config);
    poplin_lua_settings(L, 1, settings, &config);
    poplin_lua_client *self = lua_newuserdatauv(L, sizeof *self, POPLIN_LUA_MACHINE_VALUES);
    *self = (poplin_lua_client){.client = NULL};
    poplin_lua_machine_new(L, POPLIN_LUA_CLIENT_MACHINE);
    int status = poplin_client_new(&config, &self->client);
    if (status != POPLIN_OK) {
        const char *reason = status == POPLIN_ERR_LIMIT ? "a limit must be 1 or more" : NULL;
        reason = status == POPLIN_ERR_UNSUPPORTED ? "auth names no mechanism, or one that is not known" : reason;
        return poplin_lua_fail_with(L, status, NULL, reason);
    }
    if (config.host != NULL && config.port > 0) {
        (void)snprintf(self->where, sizeof self->where, "%s:%u", config.host, (unsigned)config.port);
    } else if (config.host != NULL) {
        (void)snprintf(self->where, sizeof self->where, "%s", config.host);
    }
    return 1;
}

static poplin_lua_client *check_client(lua_State *L) {
    return luaL_checkudata(L, 1, POPLIN_LUA_CLIENT_MACHINE);
}

/* client:close(): sends nothing, so that nothing is deleted. */
static int client_close(lua_State *L) {
    poplin_lua_client *self = check_client(L);
    if (poplin_lua_feed_discard(L, &self->feed)) {
        poplin_client_free(self->client);
        self->client = NULL;
        self->failure = NULL;
        self->feed.telling = false;
    }
    return 0;
}

static int client_gc(lua_State *L) {
    poplin_lua_client *self = check_client(L);
    poplin_client_free(self->client);
    self->client = NULL;
    return 0;
}

/* ---- failures ---- */

int poplin_lua_client_fail(lua_State *L, const poplin_lua_client *self, const poplin_error *failure) {
    poplin_error error = *failure;
    memcpy(error.host, self->where, sizeof error.host);
    return poplin_lua_fail(L, &error);
}

static const char *misfit(const poplin_lua_client *self) {
    int phase = poplin_client_phase(self->client);
    if (self->over || self->feed.ended) {
        return "the session is over";
    }
    if (phase == 0) {
        return "the server has not greeted yet, or the session is over";
    }
    return phase == POPLIN_AUTHORIZATION ? "log in first, or wait until what was asked for before has ended"
                                         : "this is possible only before the login, or what was asked for before has "
                                           "to end first";
}

int poplin_lua_client_refuse(lua_State *L, const poplin_lua_client *self, int status, const char *unfit) {
    static const poplin_error no_tls = {.status = POPLIN_ERR_TLS,
                                        .reason = "TLS is demanded and does not stand yet; see stls()"};
    if (status == POPLIN_ERR_STATE && self->failure != NULL) {
        return poplin_lua_client_fail(L, self, self->failure);
    }
    if (status == POPLIN_ERR_TLS) {
        return poplin_lua_client_fail(L, self, &no_tls);
    }
    const char *reason = status == POPLIN_ERR_STATE ? misfit(self) : NULL;
    bool is_unfit = status == POPLIN_ERR_PROTOCOL || status == POPLIN_ERR_LIMIT;
    return poplin_lua_fail_with(L, status, NULL, is_unfit ? unfit : reason);
}

poplin_lua_client *poplin_lua_client_enter(lua_State *L) {
    poplin_lua_client *self = check_client(L);
    poplin_lua_feed_enter(L, &self->feed, false);
    if (self->client != NULL && !self->feed.discarded) {
        return self;
    }
    (void)poplin_lua_closed(L);
    return NULL;
}

/* Pushes true, or nil and an error. */
static int finish(lua_State *L, const poplin_lua_client *self, int status) {
    if (status != POPLIN_OK) {
        return poplin_lua_client_refuse(L, self, status, NULL);
    }
    lua_pushboolean(L, true);
    return 1;
}

/* ---- octets in and out ---- */

/* client:input(data): takes in octets from the server. */
static int client_input(lua_State *L) {
    poplin_lua_client *self = poplin_lua_client_enter(L);
    return self == NULL ? 2 : finish(L, self, poplin_lua_feed_put(L, &self->feed, &mouth, self->client));
}

/* client:eof(clean): the server closed. */
static int client_eof(lua_State *L) {
    poplin_lua_client *self = poplin_lua_client_enter(L);
    if (self == NULL) {
        return 2;
    }
    poplin_lua_feed_end(L, &self->feed);
    return finish(L, self, POPLIN_OK);
}

/* client:output(): takes what is to be sent. */
static int client_output(lua_State *L) {
    poplin_lua_client *self = poplin_lua_client_enter(L);
    poplin_slice output = {NULL, 0};
    if (self == NULL) {
        return 2;
    }
    poplin_client_output(self->client, &output.data, &output.size);
    poplin_lua_push_slice(L, output);
    poplin_client_sent(self->client, output.size);
    return 1;
}

/* client:tls(facts): TLS now stands. */
static int client_tls(lua_State *L) {
    poplin_tls_facts facts;
    poplin_lua_client *self = poplin_lua_client_enter(L);
    if (self == NULL) {
        return 2;
    }
    poplin_lua_machine_facts(L, &facts);
    return finish(L, self, poplin_client_tls(self->client, &facts));
}

/* ---- events ---- */

/* The field error of a REPLY or OPENED that is a failure. */
static void set_refusal(lua_State *L, const poplin_lua_client *self, const poplin_client_event *event) {
    poplin_error error;
    if (event->status == POPLIN_OK) {
        return;
    }
    poplin_client_describe(event, &error);
    memcpy(error.host, self->where, sizeof error.host);
    poplin_lua_push_error(L, &error);
    if (event->answer.size > 0) {
        poplin_lua_event_octets(L, "answer", event->answer);
    }
    lua_setfield(L, -2, "error");
}

/* What REPLY and OPENED have in common. */
static void set_outcome(lua_State *L, const poplin_lua_client *self, const poplin_client_event *event) {
    poplin_lua_event_integer(L, "tag", event->tag);
    poplin_lua_event_boolean(L, "ok", event->status == POPLIN_OK);
    poplin_lua_event_word(L, "code", poplin_code_text(event->code));
    poplin_lua_event_octets(L, "text", event->text);
    set_refusal(L, self, event);
}

static void push_reply(lua_State *L, const poplin_lua_client *self, const poplin_client_event *event) {
    poplin_lua_event_new(L, "reply", 12);
    set_outcome(L, self, event);
    poplin_lua_event_word(L, "verb", event->verb == POPLIN_NO_VERB ? NULL : poplin_verb_name(event->verb));
    poplin_lua_event_integer(L, "number", event->number);
    poplin_lua_event_integer(L, "count", event->count);
    poplin_lua_event_integer(L, "octets", event->octets);
    poplin_lua_event_boolean(L, "complete", event->complete);
    poplin_lua_event_boolean(L, "challenge", event->challenge);
    poplin_lua_event_octets(L, "line", event->line);
}

/* A line of LANG: the tag and, behind a SP, the description. */
static void push_language(lua_State *L, const poplin_client_event *event) {
    poplin_slice tag = event->text;
    const char *space = tag.size == 0 ? NULL : memchr(tag.data, ' ', tag.size);
    poplin_slice description = {NULL, 0};
    if (space != NULL) {
        tag.size = (size_t)(space - tag.data);
        description = (poplin_slice){space + 1, event->text.size - tag.size - 1};
    }
    poplin_lua_event_new(L, "language", 3);
    poplin_lua_event_octets(L, "language", tag);
    poplin_lua_event_octets(L, "description", description);
}

static void push_line(lua_State *L, const poplin_client_event *event) {
    if (event->verb == POPLIN_LANG) {
        push_language(L, event);
    } else if (event->verb == POPLIN_UIDL) {
        poplin_lua_event_new(L, "unique_id", 3);
        poplin_lua_event_octets(L, "uid", event->text);
        poplin_lua_event_integer(L, "number", event->number);
    } else {
        poplin_lua_event_new(L, "listing", 3);
        poplin_lua_event_integer(L, "octets", event->octets);
        poplin_lua_event_integer(L, "number", event->number);
    }
    poplin_lua_event_integer(L, "tag", event->tag);
}

/* Pushes any event but BODY and FAILED. */
static void push_event(lua_State *L, const poplin_lua_client *self, const poplin_client_event *event) {
    switch (event->kind) {
    case POPLIN_CLIENT_GREETING:
        poplin_lua_event_new(L, "greeting", 2);
        poplin_lua_event_octets(L, "text", event->text);
        poplin_lua_event_octets(L, "line", event->line);
        break;
    case POPLIN_CLIENT_START_TLS:
        poplin_lua_event_new(L, "start_tls", 1); /* with the host, which is not the machine's */
        break;
    case POPLIN_CLIENT_REPLY:
        push_reply(L, self, event);
        break;
    case POPLIN_CLIENT_LISTING:
        push_line(L, event);
        break;
    case POPLIN_CLIENT_OPENED:
        poplin_lua_event_new(L, "opened", 5);
        set_outcome(L, self, event);
        break;
    case POPLIN_CLIENT_CLOSED:
        poplin_lua_event_new(L, "closed", 1);
        poplin_lua_event_boolean(L, "clean", self->feed.clean);
        break;
    default:
        poplin_lua_event_new(L, "end", 2);
        poplin_lua_event_integer(L, "tag", event->tag);
        poplin_lua_event_integer(L, "octets", event->octets);
        break;
    }
}

static void push_body(lua_State *L, const poplin_lua_client *self) {
    poplin_body body = {.slices = self->slices, .count = self->count};
    for (size_t i = 0; i < body.count; i++) {
        body.size += body.slices[i].size;
    }
    poplin_lua_event_new(L, "body", 2);
    poplin_lua_event_integer(L, "tag", self->body_tag);
    poplin_lua_push_body(L, &body);
    lua_setfield(L, -2, "data");
}

/*
 * The slices of a body that follow the one that came, all in what is lent; and, perhaps, what comes behind them, which is to
 * become a table before anything else is asked of the machine.
 */
static void gather(poplin_lua_client *self) {
    int status;
    self->body_tag = self->event.tag;
    do {
        self->slices[self->count++] = self->event.text;
        status =
            self->count < POPLIN_LUA_SLICES_MAX ? poplin_client_next(self->client, &self->event) : POPLIN_NEED_INPUT;
    } while (status == POPLIN_OK && self->event.kind == POPLIN_CLIENT_BODY);
    self->behind = status == POPLIN_OK;
}

/* Takes the next event from the machine, which then is to be told. A status of poplin_client_next. */
static int take(lua_State *L, poplin_lua_client *self) {
    int status;
    do {
        status = poplin_client_next(self->client, &self->event);
    } while (poplin_lua_feed_go_on(L, &self->feed, status, self->event.kind == POPLIN_CLIENT_START_TLS, &mouth,
                                   self->client));
    if (status == POPLIN_OK) {
        self->feed.telling = true;
        if (self->event.kind == POPLIN_CLIENT_BODY) {
            gather(self);
        }
    }
    return status;
}

/* The event was told, or noted as a failure. */
static void told(lua_State *L, poplin_lua_client *self, bool whole) {
    self->feed.telling = false;
    self->count = 0;
    if (whole && self->event.kind == POPLIN_CLIENT_FAILED) {
        self->failure = self->event.error;
        poplin_lua_feed_stop(L, &self->feed);
    } else if (whole && self->event.kind == POPLIN_CLIENT_CLOSED) {
        self->over = true;
        poplin_lua_feed_stop(L, &self->feed);
    }
}

/* Pushes what was taken. */
static int tell(lua_State *L, poplin_lua_client *self) {
    bool whole = self->count == 0 || self->behind;
    if (self->count > 0) {
        push_body(L, self);
        if (self->behind && self->event.kind != POPLIN_CLIENT_FAILED) {
            push_event(L, self, &self->event);
            lua_setiuservalue(L, 1, POPLIN_LUA_MACHINE_OWN);
        }
    } else if (self->event.kind != POPLIN_CLIENT_FAILED) {
        push_event(L, self, &self->event);
    } else {
        told(L, self, whole);
        return poplin_lua_client_fail(L, self, self->failure);
    }
    told(L, self, whole);
    return 1;
}

/* What was put aside behind a body, if anything. */
static bool push_stashed(lua_State *L) {
    if (lua_getiuservalue(L, 1, POPLIN_LUA_MACHINE_OWN) == LUA_TNIL) {
        lua_pop(L, 1);
        return false;
    }
    lua_pushnil(L);
    lua_setiuservalue(L, 1, POPLIN_LUA_MACHINE_OWN);
    return true;
}

/* client:next(): an event; false and "need_data" or "waiting"; or nil and an error. */
static int client_next(lua_State *L) {
    poplin_lua_client *self = check_client(L);
    poplin_lua_feed_enter(L, &self->feed, true);
    lua_settop(L, 1);
    if (self->client == NULL || self->feed.discarded) {
        return poplin_lua_closed(L);
    }
    if (self->feed.telling) {
        return tell(L, self);
    }
    if (push_stashed(L)) {
        return 1;
    }
    if (self->failure != NULL) {
        return poplin_lua_client_fail(L, self, self->failure);
    }
    int status = take(L, self);
    if (status == POPLIN_NEED_INPUT || status == POPLIN_WAITING) {
        return poplin_lua_machine_pause(L, status);
    }
    return status == POPLIN_OK ? tell(L, self) : poplin_lua_client_refuse(L, self, status, NULL);
}

/* ---- what is known ---- */

/* client:facts(): phase, outstanding, mechanism or nil. */
static int client_facts(lua_State *L) {
    const poplin_lua_client *self = check_client(L);
    const poplin_client *client = self->feed.discarded ? NULL : self->client;
    lua_pushinteger(L, client == NULL ? 0 : poplin_client_phase(client));
    lua_pushinteger(L, client == NULL ? 0 : (lua_Integer)poplin_client_outstanding(client));
    lua_pushstring(L, client == NULL ? NULL : poplin_client_mechanism(client));
    return 3;
}

/* client:capabilities(): as link:capabilities(). */
static int client_capabilities(lua_State *L) {
    poplin_lua_client *self = poplin_lua_client_enter(L);
    if (self == NULL) {
        return 2;
    }
    poplin_lua_push_capabilities(L, self->client);
    return 1;
}

void poplin_lua_client_machine_type(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"input", client_input},
        {"eof", client_eof},
        {"output", client_output},
        {"tls", client_tls},
        {"next", client_next},
        {"facts", client_facts},
        {"close", client_close},
        {"__close", client_close},
        {"capabilities", client_capabilities},
        {"__gc", client_gc},
        {NULL, NULL},
    };
    poplin_lua_type(L, POPLIN_LUA_CLIENT_MACHINE, methods);
    luaL_getmetatable(L, POPLIN_LUA_CLIENT_MACHINE);
    luaL_setfuncs(L, poplin_lua_client_commands, 0);
    lua_pop(L, 1);
}
