/*
 * poplin/link.h - one client connection on a loop: resolve, connect, TLS, the client machine, deadlines.
 *
 * Two ways to use it. Low: submit commands and pull the machine's events with poplin_link_next. High, what bindings
 * use: calls, which collect what one command brings, and a series, which hands over message after message.
 * Both are pulled: nothing is decoded before somebody asks, so a slow host slows the server (TCP's back-pressure)
 * and memory stays bounded. Do not mix the two ways on one link.
 *
 * Waiting, in both: when a function answers NEED_INPUT, step the loop and ask again (poplin_link_wait does both).
 */
#ifndef POPLIN_LINK_H
#define POPLIN_LINK_H

#include <poplin/client.h>
#include <poplin/loop.h>
#include <poplin/tls.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct poplin_link poplin_link;

typedef struct poplin_link_config {
    const char *host; /* name or IP literal; with path or descriptor too, the name that the certificate is for */
    uint16_t port;
    const char *path; /* a Unix socket instead of host and port */
    int descriptor;   /* a connected stream socket instead of both, or -1; the link owns it from open on, also
                             where open fails */
    poplin_tls_credentials *credentials; /* what to trust; NULL: the system's CAs, verified. A reference is taken */
    const char
        *mail_domain; /* of the user's address: another name to accept in the certificate (poplin_tls_peer); NULL */
    bool loopback_protected;     /* a loopback address or Unix socket needs no TLS (default true, POP-TLS-20) */
    poplin_client_config client; /* tls and limits; link_protected is filled in by the link */
    uint32_t connect_ms;         /* resolving and connecting, all addresses together */
    uint32_t handshake_ms;       /* TLS */
    uint32_t reply_ms;           /* silence while a reply is awaited, from the last octet (LIM-11) */
    uint32_t total_ms;           /* the whole of one wait for a command; 0: no limit */
} poplin_link_config;

/* Defaults: no address, TLS implicit and verified, 30 s to connect, 30 s to shake hands, 120 s for a reply. */
POPLIN_API void poplin_link_config_init(poplin_link_config *config);

/*
 * Begins to connect and returns at once; strings and config are copied. login may be NULL. The opening
 * (poplin_client_open) is done when poplin_link_opened is. STATE: after fork, no address; PROTOCOL, LIMIT: a login that
 * can never be sent, as poplin_client_open, or a limit of 0, as poplin_client_new; NOMEM.
 */
POPLIN_API int poplin_link_open(poplin_loop *loop, const poplin_link_config *config, const poplin_credentials *login,
                                poplin_link **link);

/* Closes the connection without QUIT, so that nothing is deleted, and frees the link and its calls and series. NULL is allowed. */
POPLIN_API void poplin_link_free(poplin_link *link);

/*
 * Ends what is going on: the link fails with CANCELLED and sends no QUIT. For an interrupted or cancelled wait.
 */
POPLIN_API void poplin_link_cancel(poplin_link *link);

/* Why the link failed; NULL while it has not. Owned by the link. */
POPLIN_API const poplin_error *poplin_link_error(const poplin_link *link);

/* Has ready(context) called by the loop's step whenever asking again may bring something. NULL ends it. */
POPLIN_API void poplin_link_on_ready(poplin_link *link, void (*ready)(void *context), void *context);

/* OK: the opening succeeded. NEED_INPUT: not yet. AUTH, IN_USE, TEMPORARY, REFUSED: login refused, link still up, see poplin_link_refusal. Other failures: see poplin_link_error. */
POPLIN_API int poplin_link_opened(poplin_link *link);

/*
 * What the server said of a token that it refused (JSON by RFC 7628 section 3.2.2; not to be trusted); {NULL, 0}: nothing. Lives as long as the
 * link.
 */
POPLIN_API poplin_slice poplin_link_token_answer(const poplin_link *link);

/* The greeting's text; {NULL, 0} before it came. Lives as long as the link. */
POPLIN_API poplin_slice poplin_link_greeting(const poplin_link *link);

/* The TLS of this link in words, NULL where there is none. */
POPLIN_API const char *poplin_link_tls(const poplin_link *link);

/* What was negotiated and verified. STATE: there is no TLS. */
POPLIN_API int poplin_link_tls_info(const poplin_link *link, poplin_tls_info *info);

/* True where passwords may go over this link: TLS, or loopback or Unix socket taken as protected. */
POPLIN_API bool poplin_link_protected(const poplin_link *link);

/* The machine, for what is only asked of it: phase, mechanism, capabilities. NULL before the connection stands. */
POPLIN_API const poplin_client *poplin_link_client(const poplin_link *link);

/* ---- low: the machine's events ---- */

/* As poplin_client_submit. */
POPLIN_API int poplin_link_submit(poplin_link *link, const poplin_command *command, uint64_t tag);

/*
 * The machine's next event, except START_TLS and OPENED, which the link handles. OK, NEED_INPUT, or a failure, which every later
 * call repeats. CLOSED was the last event: CLOSED. Body slices live until NEED_INPUT is answered.
 */
POPLIN_API int poplin_link_next(poplin_link *link, poplin_client_event *event);

/* ---- high: calls ---- */

/* One command and what came of it. Freed with its link at the latest. */
typedef struct poplin_call poplin_call;

/* What a finished command brought. Slices live as long as the call. */
typedef struct poplin_reply {
    int status; /* POPLIN_OK; REFUSED, AUTH, IN_USE, TEMPORARY for an -ERR */
    enum poplin_code code;
    poplin_slice text; /* behind indicator and code, cut at 512 octets */
    uint32_t number;
    uint32_t count;  /* STAT */
    uint64_t octets; /* STAT, LIST n; octets of content for RETR and TOP */
} poplin_reply;

/* One line of LIST or UIDL. */
typedef struct poplin_line {
    uint32_t number;
    uint64_t octets;        /* LIST */
    poplin_slice unique_id; /* UIDL; lives as long as the call */
} poplin_line;

/*
 * Submits a command. A RETR's or TOP's content is collected and taken with poplin_call_body, or, where streamed,
 * with poplin_call_piece. A series in between is held: its messages in flight are kept, up to window_octets,
 * else the link fails with LIMIT. Failures as poplin_client_submit.
 */
POPLIN_API int poplin_link_call(poplin_link *link, const poplin_command *command, bool streamed, poplin_call **call);

/* Logs in on a link opened without credentials. */
POPLIN_API int poplin_link_login(poplin_link *link, const poplin_credentials *login, poplin_call **call);

/*
 * Submits a DELE that nobody waits for and returns at once. If it is refused, the next poplin_series_next or the
 * next QUIT's poplin_call_done answers with that refusal, once, as poplin_link_refusal tells it.
 */
POPLIN_API int poplin_link_dele(poplin_link *link, uint32_t number);

/* OK: the call is finished and poplin_call_reply may be read. NEED_INPUT: not yet. A failure: the link's, or of a DELE before a QUIT. */
POPLIN_API int poplin_call_done(poplin_call *call);

/* The finished call's reply. Owned by the call. */
POPLIN_API const poplin_reply *poplin_call_reply(const poplin_call *call);

/* The finished call's lines of LIST or UIDL. Owned by the call. */
POPLIN_API const poplin_line *poplin_call_lines(const poplin_call *call, size_t *count);

/*
 * Gives each line of a finished LIST the unique-id that a finished UIDL tells for its number; {NULL, 0} where it tells
 * none. They live as long as uidl. NOMEM.
 */
POPLIN_API int poplin_call_join(poplin_call *list, const poplin_call *uidl);

/* Forgets the call. If its reply has not come, it is dropped when it comes. NULL is allowed. */
POPLIN_API void poplin_call_free(poplin_call *call);

/*
 * Content in several slices, so that a host can copy it once to where it wants it. Valid until the next function of
 * this header is called on the link.
 */
typedef struct poplin_body {
    const poplin_slice *slices;
    size_t count;
    size_t size; /* of all slices together */
} poplin_body;

/* Copies all slices, body->size octets, to destination. */
POPLIN_API void poplin_body_copy(const poplin_body *body, void *destination);

/* The finished call's content (not streamed). */
POPLIN_API int poplin_call_body(poplin_call *call, poplin_body *body);

/*
 * The next piece of a streamed call's content: OK with at least 64 KiB, or with what is left at the end.
 * END: there is no more, the call is finished and its reply may be read. NEED_INPUT. A failure.
 */
POPLIN_API int poplin_call_piece(poplin_call *call, poplin_body *body);

/* ---- high: a series of messages ---- */

/* Message after message by RETR, the pipeline kept full. One at a time on a link. */
typedef struct poplin_series poplin_series;

/* One message of a series. */
typedef struct poplin_message {
    uint32_t number;
    int status; /* as poplin_reply: an -ERR is an element of the series, not its end */
    enum poplin_code code;
    poplin_slice text; /* of the reply */
    poplin_body body;  /* where status is OK */
} poplin_message;

/* Begins a series over the messages wanted, which is copied. STATE: another one is not freed yet. */
POPLIN_API int poplin_link_retr_all(poplin_link *link, const poplin_wanted *wanted, size_t count,
                                    poplin_series **series);

/* OK: the next message. END: that was all. NEED_INPUT. A failure, or the refusal of a poplin_link_dele. */
POPLIN_API int poplin_series_next(poplin_series *series, poplin_message *message);

/* Ends the series: nothing more is asked for, and what is in flight is dropped as it comes. NULL is allowed. */
POPLIN_API void poplin_series_free(poplin_series *series);

/* What the server refused last (the opening's login, a poplin_link_dele). Owned by the link; NULL: nothing. */
POPLIN_API const poplin_error *poplin_link_refusal(const poplin_link *link);

/* A reply's refusal as an error, for a host that raises it: fills in error from reply, verb (POPLIN_NO_VERB: a login) and link. */
POPLIN_API void poplin_link_describe(const poplin_link *link, enum poplin_verb verb, const poplin_reply *reply,
                                     poplin_error *error);

/* Why verb (POPLIN_NO_VERB: a login) has just been answered with STATE, and what to do first: fills in error. */
POPLIN_API void poplin_link_explain(const poplin_link *link, enum poplin_verb verb, poplin_error *error);

/* ---- waiting ---- */

/*
 * Steps the link's loop once, at most milliseconds (-1: without limit). A host waits so:
 *     while ((status = poplin_call_done(call)) == POPLIN_NEED_INPUT)
 *         if (poplin_link_wait(link, -1) == POPLIN_INTERRUPTED && interrupted_by_the_user()) ...
 * The reply deadline runs only between a function that answered NEED_INPUT and the next that does not.
 */
POPLIN_API int poplin_link_wait(poplin_link *link, int milliseconds);

#ifdef __cplusplus
}
#endif
#endif
