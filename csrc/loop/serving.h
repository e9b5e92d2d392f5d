/*
 * loop/serving.h - what a server and its connections are made of, for the files that share the work:
 *
 *   server.c      listening and lifetime
 *   configured.c  what its owner configured: checked, completed, copied
 *   connection.c  one connection driven: handshake, conversation, farewell
 *   patience.c    what it waits for, and for how long
 *   asking.c      a session's events become calls of the backend
 *   guests.c      who may not log in just now: who failed, and who was here a moment ago
 *   answers.c     the backend's answers become calls on the session
 *   body.c        where a message's octets come from
 *   tapped.c      the way out: the session's output, or what the server's tap makes of it
 *
 * Backend functions are called from the loop's driver only, and may answer before they return, step the loop or free
 * the server. A connection that is running keeps its memory until it returns, and its server's: so whoever has called one
 * looks at the phase again afterwards.
 */
#ifndef POPLIN_LOOP_SERVING_H
#define POPLIN_LOOP_SERVING_H

#include <poplin/server.h>

#include "loop/deadline.h"
#include "loop/failures.h"
#include "loop/listen.h"
#include "loop/locks.h"
#include "loop/logins.h"
#include "loop/requests.h"
#include "loop/trace.h"
#include "loop/transport.h"
#include "wire/buffer.h"

typedef struct poplin_connection poplin_connection;

/* What session settings point to. */
typedef struct poplin_config_copies {
    char *greeting, *mechanisms, *host, *languages;
    poplin_buffer pepper;
} poplin_config_copies;

struct poplin_server {
    poplin_loop *loop;
    poplin_ready ready;          /* somebody wants to connect, or accepting was paused long enough */
    poplin_deadline pause;       /* until descriptors may be had again */
    size_t references;           /* the owner's, and one for each connection */
    bool stopped;                /* poplin_server_free was called */
    poplin_server_config config; /* its strings are not used after poplin_server_new, but for those that copies holds */
    poplin_config_copies copies;
    poplin_backend backend;
    void *context;
    poplin_listener listener;
    poplin_watch *watch; /* of the listener */
    poplin_requests requests;
    poplin_locks locks;
    poplin_failures failures;
    poplin_logins logins;
    poplin_connection *connections;
    size_t connection_count;
    _Atomic size_t sessions; /* connections whose session has not ended; other threads may look */
};

/* One owner less; the last one frees the memory. */
void poplin_server_release(poplin_server *server);

/* In a child after fork, for a server that may be in any state: closes what listens; all else stays. */
void poplin_server_abandon(poplin_server *server);

/* Enters a connection in the server's list, which takes a reference on the server, or takes it out. */
void poplin_server_add(poplin_server *server, poplin_connection *connection);
void poplin_server_remove(poplin_server *server, poplin_connection *connection);

/* True where more connections are taking leave than there may be sessions: then nobody is waited for. */
bool poplin_server_is_crowded(const poplin_server *server);

/* ---- configured.c ---- */

/* Says why there is no server; returns status. */
int poplin_server_fail(poplin_error *error, int status, const char *reason);

/* Keeps what the owner wants, completed, if a server can be made of it. Failures as poplin_server_new. */
int poplin_server_configure(poplin_server *server, const poplin_server_config *config, const poplin_backend *backend,
                            poplin_error *error);

/* Frees what was kept, secrets wiped. */
void poplin_server_forget_config(poplin_server *server);

/* ---- body.c ---- */

/* Where the octets of the message being sent come from. All zero: no message is being sent. */
typedef struct poplin_source {
    enum { POPLIN_SOURCE_NONE, POPLIN_SOURCE_OCTETS, POPLIN_SOURCE_FILE, POPLIN_SOURCE_PIECES } kind;
    bool wanted;      /* FILE, PIECES: the session waits for more */
    bool over;        /* PIECES: the host refused one, so the message ends here */
    const void *lent; /* by the host, until released is called */
    void (*released)(void *release_context, const void *data);
    void *release_context;
    bool is_lent;
    int descriptor; /* FILE */
    char *buffer;   /* FILE */
    size_t capacity;
    void *pieces; /* PIECES */
} poplin_source;

/* The session wants octets: its first, or the next. */
void poplin_body_ask(poplin_connection *connection, const poplin_session_event *event);

/* Gets what is wanted: reads it, or asks the backend for a piece. */
void poplin_body_produce(poplin_connection *connection);

/* The host's octets go to the session. As poplin_session_body. */
int poplin_body_lend(poplin_connection *connection, const void *data, size_t size, bool last,
                     void (*released)(void *release_context, const void *data), void *release_context);

/* The message comes from a file; the descriptor is taken. UNSUPPORTED: not a regular file; the message is refused. */
int poplin_body_from_file(poplin_connection *connection, int descriptor);

/* The message is not needed further: gives back what was lent, closes the file, lets the pieces go. */
void poplin_body_done(poplin_connection *connection);

/* ---- connection.c ---- */

/* What a connection is doing. Only STLS leads back, to SHAKING_HANDS and TALKING. */
enum poplin_connection_phase {
    POPLIN_SHAKING_HANDS, /* the TLS handshake, implicit or after STLS */
    POPLIN_TALKING,       /* the session runs */
    POPLIN_STARTING_TLS,  /* the +OK to STLS goes out, then hands are shaken */
    POPLIN_SILENT,    /* the tap wants it: nothing is done until the client goes; the session may have ended before */
    POPLIN_LEAVING,   /* the session has ended; its last words go out */
    POPLIN_LINGERING, /* all was sent; the peer is given time to read it and to close */
    POPLIN_GONE       /* closed, and freed by whoever drives it */
};

/* What the deadline is for. */
enum poplin_awaited {
    POPLIN_AWAITS_NOTHING, /* the host has to answer, or there is work left: no deadline */
    POPLIN_AWAITS_HANDSHAKE,
    POPLIN_AWAITS_COMMAND,
    POPLIN_AWAITS_ROOM,  /* the client has to take output */
    POPLIN_AWAITS_PAUSE, /* the tap wants to be asked again later */
    POPLIN_AWAITS_LOCK,  /* another session has the maildrop */
    POPLIN_AWAITS_DELAY, /* a login has failed, and the client is to hear of it later */
    POPLIN_AWAITS_CLOSE
};

/* The request that is open. */
enum poplin_asked {
    POPLIN_ASKED_NOTHING = 0,
    POPLIN_ASKED_CHECK = 1,
    POPLIN_ASKED_SECRET = 2,
    POPLIN_ASKED_TOKEN = 4,
    POPLIN_ASKED_MAILDROP = 8,
    POPLIN_ASKED_BODY = 16,
    POPLIN_ASKED_PIECE = 32,
    POPLIN_ASKED_COMMIT = 64,
    POPLIN_ASKED_DELAY = 128, /* of the clock, not of the host, as is the next */
    POPLIN_ASKED_LOCK = 256   /* of the session that has the maildrop, or of the clock */
};

struct poplin_connection {
    poplin_server *server;
    poplin_connection *next, *previous;
    size_t place; /* among the requests */
    poplin_ready ready;
    poplin_transport transport;
    poplin_session *session;
    size_t lent; /* octets of the transport's that the session has */
    enum poplin_connection_phase phase;
    bool running;    /* a function that drives it is on the stack, and will free it if it is gone by then */
    bool unfinished; /* it stopped so that others get their turn */
    bool mute;       /* the session's output is not to be sent any more */
    bool cut_off;    /* the session was told that the peer closed */
    bool resetting;  /* the connection is to end with a reset */
    uint64_t number; /* among the connections of the loop */
    char peer[64];   /* for a trace; "": it was not needed yet */
    bool traced;     /* the session tells what it says */
    struct poplin_tapped *tapped; /* NULL: the server has no tap, or it was told that the connection is closed */

    poplin_deadline deadline;
    enum poplin_awaited awaited;
    uint64_t commands; /* read, when the deadline was set */
    uint64_t taken;    /* octets of output that went out, ever */
    uint64_t progress; /* how far output had moved, when the deadline was set */

    enum poplin_asked asked;
    uint64_t question; /* the session's number for it */
    uint64_t delay;    /* DELAY: in milliseconds */
    poplin_origin origin;
    poplin_source source;
    char *user; /* who logs in or has logged in */
    size_t user_size;
    const char *mechanism; /* by which. Static */
    bool read_only;        /* anybody may come so: that keeps nobody out */
    uint64_t login_delay;  /* the user's, in milliseconds */
    poplin_lock_held *lock;
    poplin_lock_place place_in_queue; /* while it waits for the lock */
    poplin_slice *committing;         /* SNAPSHOT: what the host is to delete */
    size_t committing_count;
    bool opened; /* maildrop is the host's, until close is called */
    void *maildrop;
};

/* Takes a descriptor over and begins the session; failing, closes it. */
void poplin_connection_begin(poplin_server *server, int descriptor);

/* Ends session and connection during the call. */
void poplin_connection_stop(poplin_connection *connection);

/* In a child after fork: frees, and calls nobody. */
void poplin_connection_forget(poplin_connection *connection);

/* Has it go on in the next pass of the driver, unless it is being run right now. */
void poplin_connection_wake(poplin_connection *connection);

/* ---- traced.c ---- */

/* Has the session tell what it says, or not, as the loop's host wants it now. */
void poplin_connection_retrace(poplin_connection *connection);

/* Tells of the connection: it has begun, TLS stands, somebody has logged in, the session is over. Nothing where nobody wants to know. */
void poplin_connection_trace_begun(poplin_connection *connection);
void poplin_connection_trace_tls(poplin_connection *connection);
void poplin_connection_trace_login(poplin_connection *connection);
void poplin_connection_trace_end(poplin_connection *connection, enum poplin_outcome outcome, const poplin_error *error);

/* ---- patience.c ---- */

/* Sets the deadline for what is awaited now. True: it is awaited in vain, connection->awaited says what. */
bool poplin_connection_is_late(poplin_connection *connection);

/* ---- asking.c ---- */

/* Others may open its user's maildrop. Does nothing where it holds no lock. */
void poplin_connection_unlock(poplin_connection *connection);

/* What the connection waited for has come: it has the lock, or it has waited long enough. */
void poplin_connection_end_wait(poplin_connection *connection);

/* The host has deleted what a session wanted: the other sessions of this user are told, where they live side by side. */
void poplin_connection_note_commit(poplin_connection *connection);

/* Opens the connection's request of this kind for a session's question. */
poplin_request poplin_ask(poplin_connection *connection, enum poplin_asked asked, uint64_t question);

/* Does what the event says. After CLOSED the phase is LEAVING, or whatever the host brought about. */
void poplin_connection_handle(poplin_connection *connection, const poplin_session_event *event);

/* Pulls a session that was ended by its host to its last event. */
void poplin_connection_finish(poplin_connection *connection);

/* Tells the owner, if he wants to know. reason is for a person. */
void poplin_server_problem(poplin_connection *connection, int status, const char *doing, const char *reason);

/* ---- guests.c ---- */

/* A login failed: the owner is told, and the client after a while, which may be no time at all. */
void poplin_connection_delay(poplin_connection *connection, const poplin_session_event *event);

/* The while is over. */
void poplin_connection_end_delay(poplin_connection *connection);

/* Whether it is too early for this user to log in again (POP-RESP-5); then that is answered. */
bool poplin_connection_is_early(poplin_connection *connection, poplin_slice user, uint64_t question);

/* The user has logged in. */
void poplin_connection_note_login(poplin_connection *connection);

/* ---- tapped.c: what goes out ---- */

/* Whether the session has said something that has not been taken from it. */
bool poplin_connection_has_output(const poplin_connection *connection);

/* What is to be sent next. False: nothing; then poplin_outward_step tells what the tap wants instead. */
bool poplin_outward_next(poplin_connection *connection, poplin_slice *octets);

/* So much of it went out. */
void poplin_outward_sent(poplin_connection *connection, size_t size);

/* Everything went out, as far as is known without asking the tap; never where that has failed. */
bool poplin_outward_is_empty(const poplin_connection *connection);

/* False: the session must not go on before everything went out. */
bool poplin_outward_is_open(const poplin_connection *connection);

/* What the tap answered last; IDLE without a tap. */
enum poplin_tap_step poplin_outward_step(const poplin_connection *connection);

/* Some of what answers the last command went out already; false where there is no tap. */
bool poplin_outward_has_begun(const poplin_connection *connection);

/* ---- tapped.c: the tap; without one, all but the first do nothing ---- */

/* OK; what the tap says; NOMEM. */
int poplin_tapped_open(poplin_connection *connection, const char *peer);
void poplin_tapped_close(poplin_connection *connection);

/* In a child after fork: frees, and does not tell. */
void poplin_tapped_forget(poplin_connection *connection);

/* Why it is to be used no more, a status: OK as long as it is. */
int poplin_tapped_failure(const poplin_connection *connection);

/* TLS stands; the maildrop is open; the session is over, before the host is told. */
void poplin_tapped_secured(poplin_connection *connection);
void poplin_tapped_login(poplin_connection *connection);
void poplin_tapped_ended(poplin_connection *connection, const poplin_session_event *event);

/* The host is about to be asked to delete what the event names. */
void poplin_tapped_commit(poplin_connection *connection, const poplin_session_event *event);

/* For the events of a watched session. */
void poplin_tapped_command(poplin_connection *connection, const poplin_session_line *line);
void poplin_tapped_replied(poplin_connection *connection);

/* How many pauses it has asked for so far, how long the last one is in milliseconds, and that it is over. */
uint64_t poplin_tapped_pauses(const poplin_connection *connection);
uint32_t poplin_tapped_pause(const poplin_connection *connection);
void poplin_tapped_resume(poplin_connection *connection);

#endif
