/*
 * fetch.c - the type fetch: the engine as lua/poplin/fetch.lua drives it. next() hands out the events that are Lua's to deal
 * with (fetch_events.c); the others are done here (fetch_run.c).
 */
#include <string.h>

#include "fetch.h"

/* Its user values. */
enum { LINK = 1, STORE, DELIVERIES, USER_VALUES = DELIVERIES };

static poplin_lua_fetch *check_fetch(lua_State *L) {
    poplin_lua_fetch *self = luaL_checkudata(L, 1, POPLIN_LUA_FETCH);
    luaL_argcheck(L, self->fetch != NULL, 1, "this fetch is closed");
    return self;
}

/* ---- making and ending ---- */

/* All that core.fetch takes: the engine's configuration, and what is done here. */
typedef struct wishes {
    poplin_fetch_config config;
    bool wants, tells;
} wishes;

#define SETTING(name, kind) \
    { #name, POPLIN_LUA_##kind, offsetof(wishes, config.name) }
static const poplin_lua_setting settings[] = {
    SETTING(account, STRING),
    SETTING(keep, U64),
    SETTING(limit, U32),
    SETTING(newest_first, BOOL),
    SETTING(max_octets, U64),
    SETTING(large_headers, BOOL),
    SETTING(filter, BOOL),
    SETTING(commit_every, U32),
    SETTING(dry_run, BOOL),
    {"wants", POPLIN_LUA_BOOL, offsetof(wishes, wants)},
    {"tells", POPLIN_LUA_BOOL, offsetof(wishes, tells)},
    {NULL, POPLIN_LUA_BOOL, 0},
};
#undef SETTING

static poplin_lua_fetch *new_fetch(lua_State *L) {
    poplin_lua_fetch *self = lua_newuserdatauv(L, sizeof *self, USER_VALUES);
    memset(self, 0, sizeof *self);
    luaL_setmetatable(L, POPLIN_LUA_FETCH);
    lua_newtable(L);
    lua_setiuservalue(L, -2, DELIVERIES);
    return self;
}

/* core.fetch(settings, seen store; nil: it is the script's): a fetch; or nil and an error. Raises for a bad account. */
int poplin_lua_fetch_new(lua_State *L) {
    wishes wanted = {.wants = false};
    lua_settop(L, 2);
    poplin_fetch_config_init(&wanted.config);
    poplin_lua_settings(L, 1, settings, &wanted);
    poplin_lua_fetch *self = new_fetch(L);
    if (!lua_isnil(L, 2)) {
        self->store = luaL_checkudata(L, 2, POPLIN_LUA_SEEN);
        lua_pushvalue(L, 2);
        lua_setiuservalue(L, -2, STORE);
    }
    self->tells = wanted.tells;
    self->routed = wanted.config.filter;
    int status = poplin_places_new(&self->places);
    if (status == POPLIN_OK) {
        poplin_places_collect(self->places, wanted.wants);
        status = poplin_fetch_new(&wanted.config, &self->fetch);
    }
    if (status == POPLIN_ERR_PROTOCOL) {
        return luaL_error(L, "an account is 1 to 1,000 octets, none of them a control character");
    }
    return status == POPLIN_OK ? 1 : poplin_lua_fail_with(L, status, "fetch", NULL);
}

/* fetch:close(): as it is, in the middle or not; the link and the deliveries are the caller's. Also its finalizer. */
static int fetch_close(lua_State *L) {
    poplin_lua_fetch *self = luaL_checkudata(L, 1, POPLIN_LUA_FETCH);
    poplin_fetch_free(self->fetch);
    self->fetch = NULL;
    poplin_places_free(self->places);
    self->places = NULL;
    return 0;
}

/*
 * From the next message on it goes to the deliveries from index first on, too; they live as long as the fetch. OK, or STATE:
 * one of them is closed.
 */
static int add_places(lua_State *L, poplin_lua_fetch *self, int first) {
    const int last = lua_gettop(L);
    int status = POPLIN_OK;
    lua_getiuservalue(L, 1, DELIVERIES);
    for (int index = first; status == POPLIN_OK && index <= last; index++) {
        poplin_lua_delivery *delivery = poplin_lua_check_delivery(L, index);
        lua_pushvalue(L, index);
        lua_pushboolean(L, true);
        lua_rawset(L, -3);
        status = poplin_places_add(self->places, delivery->delivery);
    }
    lua_pop(L, 1);
    return status == POPLIN_ERR_NOMEM ? luaL_error(L, "not enough memory") : status;
}

/* fetch:attach(delivery...): it delivers there. */
static int fetch_attach(lua_State *L) {
    const int status = add_places(L, check_fetch(L), 2);
    return status == POPLIN_OK ? 0 : luaL_error(L, "a delivery is closed, or another fetch's");
}

/* ---- events ---- */

/* Whether the link, which is another userdata's, was closed meanwhile: nothing can be done any more then. */
static bool is_cut_off(lua_State *L, poplin_lua_fetch *self) {
    const poplin_lua_link *link = NULL;
    if (self->link == NULL) {
        return self->cut_off;
    }
    if (lua_getiuservalue(L, 1, LINK) == LUA_TUSERDATA) {
        link = *(poplin_lua_link **)lua_touserdata(L, -1);
    }
    lua_pop(L, 1);
    if (link != NULL && link->link != NULL) {
        return false;
    }
    self->link = NULL;
    self->cut_off = true;
    return true;
}

static int push_failure(lua_State *L, const poplin_lua_fetch *self, int status) {
    const poplin_error *error = poplin_fetch_error(self->fetch);
    return error != NULL ? poplin_lua_fail(L, error) : poplin_lua_fail_with(L, status, "fetch", NULL);
}

/*
 * fetch:next(): false: wait, and ask again; an event's name and what belongs to it; "pause": there is more to do, and others
 * may have their turn; "progress" and a table; "end"; or nil and why it failed, once all is recorded.
 */
static int fetch_next(lua_State *L) {
    poplin_lua_fetch *self = check_fetch(L);
    lua_settop(L, 1);
    if (is_cut_off(L, self)) {
        return poplin_lua_closed(L);
    }
    const int status = poplin_lua_fetch_run(self);
    switch (status) {
    case POPLIN_OK:
        self->asked = self->event.kind != POPLIN_FETCH_RESULT;
        if (self->event.kind == POPLIN_FETCH_CONNECT) {
            self->link = NULL;
        }
        return poplin_lua_fetch_push_event(L, self);
    case POPLIN_LUA_FETCH_TELL:
        lua_pushliteral(L, "progress");
        poplin_lua_fetch_push_progress(L, &self->told);
        return 2;
    case POPLIN_INTERRUPTED:
        lua_pushliteral(L, "pause");
        return 1;
    case POPLIN_END:
        lua_pushliteral(L, "end");
        return 1;
    case POPLIN_NEED_INPUT:
        lua_pushboolean(L, false);
        return 1;
    default:
        return push_failure(L, self, status);
    }
}

/* ---- answers ---- */

static poplin_lua_fetch *check_asked(lua_State *L, enum poplin_fetch_event_kind kind) {
    poplin_lua_fetch *self = check_fetch(L);
    luaL_argcheck(L, self->asked && self->event.kind == kind, 1, "nothing of the kind was asked");
    return self;
}

/* connect: fetch:use(link): it is open, and logged in; true, or nil and an error. */
static int fetch_use(lua_State *L) {
    poplin_lua_fetch *self = check_asked(L, POPLIN_FETCH_CONNECT);
    const poplin_lua_link *link = *(poplin_lua_link **)luaL_checkudata(L, 2, POPLIN_LUA_LINK);
    if (link == NULL || link->link == NULL) {
        return poplin_lua_closed(L);
    }
    lua_settop(L, 2);
    lua_setiuservalue(L, 1, LINK);
    int status = poplin_fetch_use(self->fetch, link->link);
    if (status == POPLIN_OK) {
        self->link = link->link;
        status = poplin_fetch_answer(self->fetch, POPLIN_OK, NULL);
        self->asked = false;
    }
    if (status != POPLIN_OK) {
        return poplin_lua_fail_with(L, status, "fetch", NULL);
    }
    lua_pushboolean(L, true);
    return 1;
}

/* recall: fetch:recall(records): these are on record. */
static int fetch_recall(lua_State *L) {
    poplin_lua_fetch *self = check_asked(L, POPLIN_FETCH_RECALL);
    luaL_checktype(L, 2, LUA_TTABLE);
    const lua_Integer count = (lua_Integer)lua_rawlen(L, 2);
    int status = POPLIN_OK;
    for (lua_Integer i = 1; status == POPLIN_OK && i <= count; i++) {
        lua_rawgeti(L, 2, i);
        const poplin_seen_record record = poplin_lua_check_record(L);
        status = poplin_fetch_recall(self->fetch, &record);
        lua_pop(L, 1);
    }
    const poplin_error error = {
        .status = status, .doing = "fetch", .reason = "the seen store recalls what can be no record"};
    self->asked = false;
    (void)poplin_fetch_answer(self->fetch, status, status == POPLIN_ERR_PROTOCOL ? &error : NULL);
    return 0;
}

/* filter: fetch:choose("take", "skip" or "delete"). */
static int fetch_choose(lua_State *L) {
    static const char *const words[] = {
        [POPLIN_CHOICE_TAKE] = "take", [POPLIN_CHOICE_SKIP] = "skip", [POPLIN_CHOICE_REJECT] = "delete", NULL};
    poplin_lua_fetch *self = check_asked(L, POPLIN_FETCH_FILTER);
    const int choice = luaL_checkoption(L, 2, NULL, words);
    self->asked = false;
    (void)poplin_fetch_choose(self->fetch, (enum poplin_choice)choice);
    return 0;
}

/* begin: fetch:begin(wants, delivery...): these get the message, and Lua its octets where it wants them. */
static int fetch_begin(lua_State *L) {
    poplin_lua_fetch *self = check_asked(L, POPLIN_FETCH_BEGIN);
    poplin_places_clear(self->places);
    poplin_places_collect(self->places, lua_toboolean(L, 2) != 0);
    const int status = add_places(L, self, 3);
    self->asked = false;
    if (status == POPLIN_OK) {
        (void)poplin_places_serve(self->places, self->fetch, &self->event);
    } else {
        (void)poplin_fetch_answer(self->fetch, status, NULL);
    }
    return 0;
}

static void answer(poplin_lua_fetch *self, int status, const poplin_error *error) {
    self->asked = false;
    if (self->event.kind == POPLIN_FETCH_DELIVER) {
        (void)poplin_places_answer(self->places, self->fetch, status, error);
    } else {
        (void)poplin_fetch_answer(self->fetch, status, error);
    }
}

/*
 * fetch:answer(kind or nil, reason): done; or why not. A message that a Maildir could not take is answered so in any case.
 */
static int fetch_answer(lua_State *L) {
    poplin_lua_fetch *self = check_fetch(L);
    luaL_argcheck(L, self->asked, 1, "nothing was asked");
    poplin_error error = {.status = POPLIN_OK};
    if (!lua_isnoneornil(L, 2)) {
        const char *reason = luaL_checkstring(L, 3);
        error.status = poplin_lua_status(luaL_checkstring(L, 2));
        strncpy(error.reason, reason, sizeof error.reason - 1);
    }
    answer(self, error.status, error.status == POPLIN_OK ? NULL : &error);
    return 0;
}

/* fetch:cancel(): the question, if there is one, is answered with that, and the session ends without QUIT. */
static int fetch_cancel(lua_State *L) {
    poplin_lua_fetch *self = check_fetch(L);
    lua_settop(L, 1);
    if (self->asked) {
        answer(self, POPLIN_ERR_CANCELLED, NULL);
    }
    if (!is_cut_off(L, self) && self->link != NULL) {
        poplin_link_cancel(self->link);
    }
    return 0;
}

/* fetch:settle_each(): from now on each message is recorded by itself. */
static int fetch_settle_each(lua_State *L) {
    poplin_fetch_settle_every(check_fetch(L)->fetch, 1);
    return 0;
}

/* fetch:progress(): how far it is, a table. */
static int fetch_progress(lua_State *L) {
    poplin_fetch_progress progress;
    poplin_fetch_progress_now(check_fetch(L)->fetch, &progress);
    poplin_lua_fetch_push_progress(L, &progress);
    return 1;
}

void poplin_lua_fetch_type(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"attach", fetch_attach},
        {"next", fetch_next},
        {"use", fetch_use},
        {"recall", fetch_recall},
        {"choose", fetch_choose},
        {"begin", fetch_begin},
        {"answer", fetch_answer},
        {"cancel", fetch_cancel},
        {"settle_each", fetch_settle_each},
        {"progress", fetch_progress},
        {"close", fetch_close},
        {"__gc", fetch_close},
        {NULL, NULL},
    };
    poplin_lua_type(L, POPLIN_LUA_FETCH, methods);
}
