/*
 * poplin/server.h - a POP3 server on a loop: it listens and runs sessions against a backend.
 *
 * A backend is a table of functions, each of which is asked by the loop's step, never inside libuv, and answers its
 * request at once or later, from the loop's thread (from another: poplin_loop_post). Requests are numbers that are
 * never used again on a server: a late or second answer returns STATE and does no harm, also when its session is gone.
 */
#ifndef POPLIN_SERVER_H
#define POPLIN_SERVER_H

#include <poplin/loop.h>
#include <poplin/session.h>
#include <poplin/tap.h>
#include <poplin/tls.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct poplin_server poplin_server;

typedef uint64_t poplin_request;

/* What a finished session is told to its maildrop and its owner. Slices live during the call. */
typedef struct poplin_session_end {
    enum poplin_outcome outcome;
    poplin_slice user;         /* who had logged in; {NULL, 0}: nobody */
    const poplin_error *error; /* or NULL */
} poplin_session_end;

/*
 * The backend. context is the server's; maildrop is what poplin_server_open was given. All slices live during the
 * call. A function that cannot answer later must answer before it returns. It may also step the loop or free the server.
 */
typedef struct poplin_backend {
    /*
     * Who logs in: at least one of the next three, unless only EXTERNAL or ANONYMOUS is allowed; the others may be NULL. Which are
     * there decides what is offered, as poplin_session_config.asks does, unless that is set.
     *
     * May user log in with password? poplin_server_accept or _refuse (AUTH).
     */
    void (*check)(void *context, poplin_server *server, poplin_request request, poplin_slice user,
                  poplin_slice password);
    /* What is user's password, or SCRAM keys? poplin_server_secret, _keys, or _refuse (AUTH): no such user. */
    void (*secret)(void *context, poplin_server *server, poplin_request request, poplin_slice user,
                   const char *mechanism);
    /* May user ({NULL, 0}: the token says who) log in with this token? poplin_server_accept, _accept_as or _refuse (AUTH). */
    void (*token)(void *context, poplin_server *server, poplin_request request, poplin_slice user, poplin_slice token);
    /* Open user's maildrop: poplin_server_open or _refuse (IN_USE, TEMPORARY). */
    void (*maildrop)(void *context, poplin_server *server, poplin_request request, poplin_slice user);
    /* The octets of one message: poplin_server_body, _body_file, _body_pieces or _refuse. */
    void (*body)(void *context, poplin_server *server, poplin_request request, void *maildrop, size_t index,
                 poplin_slice unique_id);
    /* The next piece, after poplin_server_body_pieces: poplin_server_piece, or _refuse, which ends the session. */
    void (*piece)(void *context, poplin_server *server, poplin_request request, void *maildrop, void *pieces);
    /* No more of these pieces are wanted: free them. Called once for every poplin_server_body_pieces that returned OK. */
    void (*pieces_done)(void *context, void *maildrop, void *pieces);
    /* Delete these, durably, all or say so: poplin_server_accept or _refuse. */
    void (*commit)(void *context, poplin_server *server, poplin_request request, void *maildrop, const size_t *indexes,
                   const poplin_slice *unique_ids, size_t count);
    /* The session is over: release the maildrop. Called once, last, for every poplin_server_open that returned OK. */
    void (*close)(void *context, void *maildrop, const poplin_session_end *end);
    /* Something the owner should know: a wrong size, a bad listing. May be NULL. */
    void (*problem)(void *context, const poplin_error *error);
    /*
     * Somebody gave a wrong name, password or token: for a log, or for a limit of the owner's own. user: as the client said,
     * {NULL, 0} where it was refused before that mattered. address: where from, an IP address as text, "" for a Unix socket; both
     * live during the call. May be NULL.
     */
    void (*login_failed)(void *context, poplin_slice user, const char *address, const char *mechanism);
} poplin_backend;

/* How many sessions a user may have at once (RFC 1939 section 4 demands the first). */
enum poplin_lock {
    POPLIN_LOCK_EXCLUSIVE, /* one */
    POPLIN_LOCK_SNAPSHOT, /* any number. What one of them has deleted the others are told is gone, and none deletes it again */
    POPLIN_LOCK_NONE /* any number, and what becomes of them is the backend's affair */
};

typedef struct poplin_server_config {
    const char *host;                    /* IP literal or "localhost" to listen on (default "127.0.0.1") */
    uint16_t port;                       /* 0: one that is free */
    const char *path;                    /* a Unix socket instead; removed first if it is a socket, and at the end */
    poplin_tls_credentials *credentials; /* NULL: no TLS. A reference is taken */
    enum poplin_tls_mode tls;            /* IMPLICIT or STLS with credentials, NEVER without */
    bool loopback_protected; /* a loopback address or Unix socket needs no TLS for passwords (default true) */
    enum poplin_lock lock;
    uint32_t
        lock_wait_ms;    /* EXCLUSIVE: for how long a login waits for the session before it, then IN_USE (default 0) */
    size_t max_sessions; /* more are closed at once with -ERR [SYS/TEMP] (default 10,000) */
    poplin_session_config
        session; /* stls, link_protected, delays and watched are filled in by the server; asks, where it is 0, which
                                      poplin_server_config_init makes it; pepper, where it has none, at random */
    uint32_t inactivity_ms;   /* autologout (default 600,000: RFC 1939 allows no less) */
    uint32_t handshake_ms;    /* default 30,000 */
    uint32_t stall_ms;        /* a client that takes no output (default 120,000) */
    uint32_t failed_login_ms; /* before a failed login is told (default 1,000; 0: at once), twice as much for each that
                                      failed before in this session, or from this address within ten minutes, up to 16
                                      times. Loopback addresses and Unix sockets that are protected are no addresses here */
    const poplin_tap *tap;    /* NULL: none. It and its context outlive the server */
    void *tap_context;
} poplin_server_config;

POPLIN_API void poplin_server_config_init(poplin_server_config *config);

/*
 * Binds and listens; connections are accepted from poplin_server_start on. config and backend are copied.
 * IO: the address cannot be bound, or there are no random numbers; STATE: no address, TLS asked for without credentials,
 * asks beyond the backend's functions, no way at all to log in, a session.host that is no host name, users that differ
 * (login_delay_by_user, expire_by_user) from nothing that is announced, or a loop of the parent process; UNSUPPORTED: mechanisms names one that is not known, or none; LIMIT: a limit or session.iterations that is too small,
 * or max_sessions over 1,048,576. *error (may be NULL) says why, in each case.
 */
POPLIN_API int poplin_server_new(poplin_loop *loop, const poplin_server_config *config, const poplin_backend *backend,
                                 void *context, poplin_server **server, poplin_error *error);

/* Accepts connections. */
POPLIN_API int poplin_server_start(poplin_server *server);

/*
 * Ends: open sessions end as FAILED, and nothing is deleted but by a commit that the backend is at; their maildrops are
 * closed during the call, and no answer is awaited any more. NULL is allowed.
 */
POPLIN_API void poplin_server_free(poplin_server *server);

/* The port bound; 0 for a Unix socket. */
POPLIN_API uint16_t poplin_server_port(const poplin_server *server);

/* How many sessions are open. Any thread may ask, while the server is there. */
POPLIN_API size_t poplin_server_sessions(const poplin_server *server);

/* ---- answers; each returns STATE where the request is not open (any more). Those to logins are as poplin_session_... ---- */

POPLIN_API int poplin_server_accept(poplin_server *server, poplin_request request);
POPLIN_API int poplin_server_accept_as(poplin_server *server, poplin_request request, poplin_slice user);
POPLIN_API int poplin_server_secret(poplin_server *server, poplin_request request, poplin_slice password);
POPLIN_API int poplin_server_keys(poplin_server *server, poplin_request request, const poplin_scram_keys *keys);
POPLIN_API int poplin_server_refuse(poplin_server *server, poplin_request request, int status, const char *text);

/*
 * What holds for this user, where the server's session.login_delay_by_user or expire_by_user says that users differ: goes before
 * poplin_server_open, and leaves the request open. The user's own login_delay counts for the next login. LIMIT: as
 * poplin_session_terms; nothing is changed, and the request is still to be answered.
 */
POPLIN_API int poplin_server_terms(poplin_server *server, poplin_request request, const poplin_user_terms *terms);

/*
 * Answers maildrop: the session's snapshot, copied; maildrop is handed back in later calls and to close. Where this
 * returns anything but OK the maildrop was not taken. PROTOCOL, LIMIT: as poplin_session_open, told to problem too.
 */
POPLIN_API int poplin_server_open(poplin_server *server, poplin_request request, void *maildrop,
                                  const poplin_listing *messages, size_t count);

/* Answers body: the whole message, lent until released(release_context, data) is called (may be NULL), which happens also where this returns STATE. */
POPLIN_API int poplin_server_body(poplin_server *server, poplin_request request, const void *data, size_t size,
                                  void (*released)(void *release_context, const void *data), void *release_context);

/*
 * Answers body: a regular file's descriptor, read from its current offset to its end in the loop's thread, then
 * closed; owned from now on, also where this fails. UNSUPPORTED: it is no regular file; NOMEM: the message is refused.
 */
POPLIN_API int poplin_server_body_file(poplin_server *server, poplin_request request, int descriptor);

/* Answers body: it will come in pieces; each is asked for with backend.piece. */
POPLIN_API int poplin_server_body_pieces(poplin_server *server, poplin_request request, void *pieces);

/* Answers piece: the next octets, lent as in poplin_server_body; last says that the message ends with them. */
POPLIN_API int poplin_server_piece(poplin_server *server, poplin_request request, const void *data, size_t size,
                                   bool last, void (*released)(void *release_context, const void *data),
                                   void *release_context);

#ifdef __cplusplus
}
#endif
#endif
