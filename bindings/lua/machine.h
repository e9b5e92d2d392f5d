/*
 * machine.h - what the two state machines of poplin.protocol have in common as Lua sees them: octets that are fed to them as they
 * come, the facts about TLS, and events that become tables.
 *
 * What an event points to is the machine's and goes with the next call on it, while making a table of it may leave by longjmp for
 * want of memory, and may run a script's finalizers. So an event stays noted until it is told whole: next_event tells it again after
 * a failure, and no other method gets to the machine meanwhile; and finalizers may only close.
 */
#ifndef POPLIN_LUA_MACHINE_H
#define POPLIN_LUA_MACHINE_H

#include "core.h"

/* The user values of a machine. */
enum {
    POPLIN_LUA_MACHINE_LENT = 1, /* the string that it reads */
    POPLIN_LUA_MACHINE_LATER,    /* a table of strings that have come behind that */
    POPLIN_LUA_MACHINE_EVENTS,   /* the metatable of its events */
    POPLIN_LUA_MACHINE_SETTINGS, /* which the machine borrows strings from */
    POPLIN_LUA_MACHINE_OWN,      /* a client: the event behind a body; a session: the string that it sends */
    POPLIN_LUA_MACHINE_VALUES = POPLIN_LUA_MACHINE_OWN
};

/* What waits to be read by a machine, and what of it is to be told. */
typedef struct poplin_lua_feed {
    bool telling;      /* an event was taken from the machine and is not told whole yet */
    bool discarded;    /* a finalizer has closed it */
    bool lent;         /* a string is */
    bool ended;        /* the peer has closed: nothing is received any more */
    bool clean;        /* and not in the middle of TLS */
    bool told;         /* the machine knows of it */
    lua_Integer first; /* of those that came later, the first that was not lent yet; 0: none */
    lua_Integer last;
} poplin_lua_feed;

/* How a machine takes octets and learns of their end. */
typedef struct poplin_lua_mouth {
    int (*input)(void *machine, const void *data, size_t size);
    int (*eof)(void *machine, bool clean);
} poplin_lua_mouth;

/* In all that follows the machine's userdata is at index 1. */

/* Gives the userdata on top, just made, its metatable, and what is at index 1, the settings, and 2, the metatable of its events. */
void poplin_lua_machine_new(lua_State *L, const char *name);

/* Begins a method: raises in a finalizer, and where an event is half told, unless the method tells it. */
void poplin_lua_feed_enter(lua_State *L, const poplin_lua_feed *feed, bool tells);

/* Whether the machine can be freed now: not by a finalizer, which may run in the middle of a method. The collector does it then. */
bool poplin_lua_feed_discard(lua_State *L, poplin_lua_feed *feed);

/* Takes the string at index 2 in: lends it now, or when those before it are read. A status. */
int poplin_lua_feed_put(lua_State *L, poplin_lua_feed *feed, const poplin_lua_mouth *mouth, void *machine);

/* The peer has closed; index 2: false where TLS was cut short. Only the first time counts. */
void poplin_lua_feed_end(lua_State *L, poplin_lua_feed *feed);

/*
 * The machine has answered with this status, and with an event that starts TLS or another one. Lends what has come since, or tells
 * of the end: true where the machine is to be asked again. What waits where TLS starts has come in clear: the machine has to see
 * it now, and fails, since later it would count as what came under TLS (T-STLS-1, T-STLS-4).
 */
bool poplin_lua_feed_go_on(lua_State *L, poplin_lua_feed *feed, int status, bool starts_tls,
                           const poplin_lua_mouth *mouth, void *machine);

/* The machine has come to its end: nothing is taken in any more, and what waits is let go of. */
void poplin_lua_feed_stop(lua_State *L, poplin_lua_feed *feed);

/* Pushes false and why there is no event: NEED_INPUT or WAITING. Returns 2. */
int poplin_lua_machine_pause(lua_State *L, int status);

/* The facts from the table at index 2 (verified, exporter, end_point, identity); raises where one does not fit. */
void poplin_lua_machine_facts(lua_State *L, poplin_tls_facts *facts);

/* A whole number at index; raises, with its name, for anything else. */
uint64_t poplin_lua_machine_number(lua_State *L, int index, const char *name, lua_Integer least, lua_Integer most);

/* Pushes the table of a new event, still without fields but for its type. */
void poplin_lua_event_new(lua_State *L, const char *type, int fields);

/* Set a field of the table on top; what is empty, NULL or {NULL, 0} is nil, but for octets. */
void poplin_lua_event_integer(lua_State *L, const char *name, uint64_t value);
void poplin_lua_event_boolean(lua_State *L, const char *name, bool value);
void poplin_lua_event_word(lua_State *L, const char *name, const char *word);
void poplin_lua_event_text(lua_State *L, const char *name, poplin_slice text);
void poplin_lua_event_octets(lua_State *L, const char *name, poplin_slice octets);

/* ---- client_machine.c, client_commands.c ---- */

/* Slices of a body that are joined to one event, at most. */
enum { POPLIN_LUA_SLICES_MAX = 256 };

typedef struct poplin_lua_client {
    poplin_client *client; /* NULL: closed */
    poplin_lua_feed feed;
    const poplin_error *failure; /* the machine's; NULL: it has not failed */
    bool over;                   /* CLOSED was told */
    uint64_t tag;                /* of the last command */
    poplin_client_event event;   /* that is being told, behind a body where there are slices */
    bool behind;                 /* there is one behind the body */
    uint64_t body_tag;
    size_t count;
    poplin_slice slices[POPLIN_LUA_SLICES_MAX];  /* of the body that is being told */
    char where[sizeof((poplin_error *)0)->host]; /* "host:port", or empty */
} poplin_lua_client;

/* The client at index 1, for a method that is no next_event: NULL where it is closed, and nil and an error were pushed. */
poplin_lua_client *poplin_lua_client_enter(lua_State *L);

/* Pushes nil and an error, with the host as it was given; returns 2. */
int poplin_lua_client_fail(lua_State *L, const poplin_lua_client *self, const poplin_error *failure);

/* Pushes nil and what a call that did not succeed is about. unfit: what PROTOCOL and LIMIT mean, or NULL. Returns 2. */
int poplin_lua_client_refuse(lua_State *L, const poplin_lua_client *self, int status, const char *unfit);

extern const luaL_Reg poplin_lua_client_commands[];

/* ---- session_machine.c, session_answers.c ---- */

typedef struct poplin_lua_session {
    poplin_session *session; /* NULL: closed */
    poplin_lua_feed feed;
    poplin_session_event event; /* that is being told */
} poplin_lua_session;

/* As for the client. */
poplin_lua_session *poplin_lua_session_enter(lua_State *L);

/* Pushes true, or nil and an error; misfit: what STATE means. Returns how many. */
int poplin_lua_session_finish(lua_State *L, int status, const char *misfit);

extern const luaL_Reg poplin_lua_session_answers[];

#endif
