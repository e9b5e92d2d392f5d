/*
 * core.h - what the files of the Lua module share: its objects, and how they fail.
 *
 * The module is poplin.core, the part that Lua code cannot do. Three rules hold everywhere in it. Nothing waits and
 * nothing yields: a method that is not ready answers false, and Lua code steps the loop and asks again; only what belongs
 * to a server on a thread of its own may block. Nothing calls into Lua, so no error and no yield crosses the core. A
 * lua_State is taken at each call and never kept.
 *
 * Lua's own functions may leave by longjmp when memory is short; so each userdata is made first and owns what is
 * then put into it.
 */
#ifndef POPLIN_LUA_CORE_H
#define POPLIN_LUA_CORE_H

#include <lauxlib.h>
#include <lua.h>

#include <poplin.h>

/* The names of the metatables. */
#define POPLIN_LUA_LOOP "poplin.loop"
#define POPLIN_LUA_LINK "poplin.link"
#define POPLIN_LUA_CALL "poplin.call"
#define POPLIN_LUA_SERIES "poplin.series"
#define POPLIN_LUA_LISTING "poplin.listing"
#define POPLIN_LUA_SERVER "poplin.core.server"
#define POPLIN_LUA_ERROR "poplin.error"
#define POPLIN_LUA_CERTIFICATE "poplin.certificate"
#define POPLIN_LUA_AUTHORITY "poplin.authority"
#define POPLIN_LUA_BACKGROUND "poplin.core.background"
#define POPLIN_LUA_MAILDIR "poplin.maildir"
#define POPLIN_LUA_MEMORY "poplin.core.memory"
#define POPLIN_LUA_MEMORY_LIST "poplin.core.memory.list"
#define POPLIN_LUA_RECORD "poplin.core.record"
#define POPLIN_LUA_SEEN "poplin.seen"
#define POPLIN_LUA_CLAIM "poplin.claim"
#define POPLIN_LUA_FETCH "poplin.core.fetch"
#define POPLIN_LUA_DELIVERY "poplin.core.delivery"
#define POPLIN_LUA_DECODER "poplin.core.decoder"
#define POPLIN_LUA_TESTKIT "poplin.core.testkit"
#define POPLIN_LUA_TRUST "poplin.core.trust"
#define POPLIN_LUA_CLIENT_MACHINE "poplin.core.client_machine"
#define POPLIN_LUA_SESSION_MACHINE "poplin.core.session_machine"

typedef struct poplin_lua_loop poplin_lua_loop;

/* What a link's userdata points to; its own allocation, since it may have to outlive the userdata until a step. */
typedef struct poplin_lua_link {
    poplin_link *link; /* NULL: closed */
    poplin_lua_loop *loop;
    lua_Integer id; /* what Lua code knows it by; never used again */
    bool ready;     /* stands in the loop's list of ready links */
    struct poplin_lua_link *next;
} poplin_lua_link;

/* The userdata of a loop. */
struct poplin_lua_loop {
    poplin_loop *loop;
    lua_Integer last_id;
    poplin_lua_link *first_ready; /* first come, first served */
    poplin_lua_link *last_ready;
    poplin_lua_link *collected; /* the collector does no network I/O: the next step closes these */
};

/* ---- core.c ---- */

/* By a clock that nothing sets or moves. */
int64_t poplin_lua_milliseconds_now(void);

/* ---- errors.c ---- */

/* Pushes nil and an error object; returns 2. */
int poplin_lua_fail(lua_State *L, const poplin_error *error);

/* The same from a status and what is known otherwise; either text may be NULL. */
int poplin_lua_fail_with(lua_State *L, int status, const char *doing, const char *reason);

/* Pushes the error object alone. */
void poplin_lua_push_error(lua_State *L, const poplin_error *error);

/* The status that a kind names ("in_use"); TEMPORARY for a word that names none. */
int poplin_lua_status(const char *kind);

/* core.error(kind, reason): an error object, for failures that Lua code sees first. */
int poplin_lua_new_error(lua_State *L);

/* ---- settings.c ---- */

/* How a setting is stored in the structure that it is for. */
typedef enum poplin_lua_kind {
    POPLIN_LUA_BOOL,   /* bool */
    POPLIN_LUA_INT,    /* int; also for an enum and a descriptor */
    POPLIN_LUA_U16,    /* uint16_t */
    POPLIN_LUA_U32,    /* uint32_t */
    POPLIN_LUA_U64,    /* uint64_t */
    POPLIN_LUA_SIZE,   /* size_t */
    POPLIN_LUA_STRING, /* const char *, without NUL inside; lives as long as the table */
    POPLIN_LUA_SLICE   /* poplin_slice; lives as long as the table */
} poplin_lua_kind;

typedef struct poplin_lua_setting {
    const char *name; /* NULL ends a list */
    poplin_lua_kind kind;
    size_t offset;
} poplin_lua_setting;

/* Fills in target from the table at index; what is absent there stays as it is. Raises where a value does not fit. */
void poplin_lua_settings(lua_State *L, int index, const poplin_lua_setting *settings, void *target);

/* The slice of the string at index; {NULL, 0} for nil. Raises for anything else. */
poplin_slice poplin_lua_slice(lua_State *L, int index);

/* The string at index, which holds no NUL; raises for anything else. */
const char *poplin_lua_text(lua_State *L, int index);

/* Pushes a slice as a string. */
void poplin_lua_push_slice(lua_State *L, poplin_slice slice);

/* A message number at index, from 1; raises for anything else. */
uint32_t poplin_lua_number(lua_State *L, int index);

/* ---- the types ---- */

/* Each registers a metatable under its name, with methods. */
void poplin_lua_type(lua_State *L, const char *name, const luaL_Reg *methods);
void poplin_lua_loop_type(lua_State *L);
void poplin_lua_link_type(lua_State *L);
void poplin_lua_call_type(lua_State *L);
void poplin_lua_series_type(lua_State *L);
void poplin_lua_listing_type(lua_State *L);
void poplin_lua_server_type(lua_State *L);
void poplin_lua_error_type(lua_State *L);
void poplin_lua_authority_type(lua_State *L);
void poplin_lua_background_type(lua_State *L);
void poplin_lua_maildir_type(lua_State *L);
void poplin_lua_memory_type(lua_State *L);
void poplin_lua_record_type(lua_State *L);
void poplin_lua_seen_type(lua_State *L);
void poplin_lua_claim_type(lua_State *L);
void poplin_lua_fetch_type(lua_State *L);
void poplin_lua_delivery_type(lua_State *L);
void poplin_lua_testkit_type(lua_State *L);
void poplin_lua_decoder_type(lua_State *L);
void poplin_lua_trust_type(lua_State *L);
void poplin_lua_client_machine_type(lua_State *L);
void poplin_lua_session_machine_type(lua_State *L);

/* Functions of the module: see the files that they stand in. */
int poplin_lua_loop_new(lua_State *L);
int poplin_lua_link_open(lua_State *L);
int poplin_lua_server_new(lua_State *L);
int poplin_lua_authority_new(lua_State *L);
int poplin_lua_background_new(lua_State *L);
int poplin_lua_maildir_new(lua_State *L);
int poplin_lua_memory_new(lua_State *L);
int poplin_lua_seen_new(lua_State *L);
int poplin_lua_claim_new(lua_State *L);
int poplin_lua_fetch_new(lua_State *L);
int poplin_lua_delivery_new(lua_State *L);
int poplin_lua_state_folder(lua_State *L);
int poplin_lua_testkit_new(lua_State *L);
int poplin_lua_attacks(lua_State *L);
int poplin_lua_blemishes(lua_State *L);
int poplin_lua_fault_settings(lua_State *L);
int poplin_lua_outcomes(lua_State *L);
int poplin_lua_quirks(lua_State *L);
int poplin_lua_parse_url(lua_State *L);
int poplin_lua_format_url(lua_State *L);
int poplin_lua_account(lua_State *L);
int poplin_lua_discover(lua_State *L);
int poplin_lua_header(lua_State *L);
int poplin_lua_fields(lua_State *L);
int poplin_lua_scram_keys(lua_State *L);
int poplin_lua_client_machine_new(lua_State *L);
int poplin_lua_session_machine_new(lua_State *L);

/* What stands at index; raises where there is none, or it was finalized. */
poplin_lua_loop *poplin_lua_check_loop(lua_State *L, int index);
poplin_memory *poplin_lua_check_memory(lua_State *L, int index);
poplin_seen *poplin_lua_check_seen(lua_State *L, int index);
poplin_testkit *poplin_lua_check_testkit(lua_State *L, int index);

/* Pushes a record of a seen store as a table. */
void poplin_lua_push_record(lua_State *L, const poplin_seen_record *record);

/* The record that the table on top is; its unique-id lives in it. Raises where it is none. */
poplin_seen_record poplin_lua_check_record(lua_State *L);

/* Makes the userdata of a record, still empty, and pushes it. */
poplin_record **poplin_lua_record_new(lua_State *L);

/*
 * What a link of the loop at index 1 is to trust, with one owner more: the same as before where nothing has changed, so that
 * sessions are resumed. NULL: the loop's own. OK, or as poplin_tls_client_credentials and poplin_tls_credentials_key_log.
 */
int poplin_lua_trust(lua_State *L, const poplin_tls_trust *trust, const char *key_log,
                     poplin_tls_credentials **credentials, poplin_error *error);

/* Notes that a link is ready, and takes that back. */
void poplin_lua_loop_ready(poplin_lua_link *link);
void poplin_lua_loop_unready(poplin_lua_link *link);

/* The open link that the call or series at index belongs to, NULL when it was closed. */
poplin_link *poplin_lua_owner(lua_State *L, int index);

/* Pushes nil and why the link failed, or refused, with this status; returns 2. */
int poplin_lua_link_fail(lua_State *L, const poplin_link *link, int status);

/* Pushes nil and the refusal that a reply is; returns 2. */
int poplin_lua_refusal(lua_State *L, const poplin_link *link, enum poplin_verb verb, const poplin_reply *reply);

/* Pushes nil and the failure of a method on a closed connection; returns 2. */
int poplin_lua_closed(lua_State *L);

/* Makes the userdata of a call of the link at index 1, still empty, and pushes it. */
poplin_call **poplin_lua_call_new(lua_State *L, enum poplin_verb verb);

/*
 * Makes the userdata of a series of the link at index 1, still empty, and pushes it. At index 2 is the listing that it
 * brings, at 3 the metatable of its messages.
 */
poplin_series **poplin_lua_series_new(lua_State *L);

/* Pushes a listing of these lines, copied. */
void poplin_lua_push_listing(lua_State *L, const poplin_line *lines, size_t count);

/* The lines of the listing at index, which live as long as it; raises where there is none. */
const poplin_line *poplin_lua_check_listing(lua_State *L, int index, size_t *count);

/* Pushes a message of the script's: a table with number, octets and uid, with the metatable. */
void poplin_lua_push_message(lua_State *L, const poplin_line *line, int metatable);

/*
 * Pushes what a client's server announced: a table from name to parameters, as one string, "" where there are none, all of them
 * where the name stands twice. The client may be NULL.
 */
void poplin_lua_push_capabilities(lua_State *L, const poplin_client *client);

/* Element i, { unique-id, octets or nil, utf8 = boolean or nil }, of the list at index; its strings live as long as the list. */
poplin_listing poplin_lua_listing(lua_State *L, int index, lua_Integer i);

/* What is a user's own: login_delay at index, expire behind it, or nil. Raises where one does not fit. */
void poplin_lua_terms(lua_State *L, int index, poplin_user_terms *terms);

/* Pushes a message's content as one string, in one copy where it lies in one slice. */
void poplin_lua_push_body(lua_State *L, const poplin_body *body);

#endif
