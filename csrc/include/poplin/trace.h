/*
 * poplin/trace.h - the conversations of a loop for people to see: what its links and the sessions of its servers send and
 * receive, line by line, and what became of their connections; secrets are masked.
 *
 * Of what is said these lines are shown: commands, the first lines of replies, the lines of CAPA and LANG. A message's
 * octets and the lines of LIST and UIDL are counted instead, since what matters of them stands in the commands that follow. Passwords,
 * digests, responses and challenges are ****, and words of the peer that repeat the secret of the login under way are
 * replaced. Everything that is not printable ASCII is spelled \xNN, and a line is cut at POPLIN_TRACE_MAX.
 *
 * What was said is shown when the protocol makes or reads it: what a tap (poplin/tap.h) makes of a reply is not.
 */
#ifndef POPLIN_TRACE_H
#define POPLIN_TRACE_H

#include <poplin/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The longest text of a line and the longest line of poplin_trace_format, NUL included. */
enum { POPLIN_TRACE_MAX = 512, POPLIN_TRACE_LINE_MAX = 1024 };

/* For poplin_loop_trace: one kind of line, all of them, none. */
#define POPLIN_TRACE_ONLY(kind) (1u << (kind))
#define POPLIN_TRACE_ALL \
    (POPLIN_TRACE_ONLY(POPLIN_TRACE_SENT) | POPLIN_TRACE_ONLY(POPLIN_TRACE_RECEIVED) | \
     POPLIN_TRACE_ONLY(POPLIN_TRACE_NOTE))
#define POPLIN_TRACE_NONE 0u

/* One line. The strings live during the call, or until the next call that touches the loop. */
typedef struct poplin_trace_line {
    enum poplin_trace_kind
        kind;            /* NOTE: connected; TLS: version, cipher, what was verified; logged in; closed, and how */
    bool server;         /* it is of a server's session, not of a link */
    uint64_t connection; /* a number for each connection, never used again on this loop; 0: of none */
    const char *peer; /* a link's: "mail.example.org:995" as it was named, or the socket's path; a session's: where the
                         client comes from, "192.0.2.1:40312" or "unix" */
    const char *text;
} poplin_trace_line;

/*
 * Has function(context, line) called for each line of these kinds (POPLIN_TRACE_ONLY, or-ed) on all links and servers of the
 * loop, those that stand already included, from here on; replaces what was set before, and POPLIN_TRACE_NONE ends it. Off it costs next
 * to nothing.
 *
 * It is called by the loop's thread, inside poplin_loop_step or another call that touches the loop, never inside libuv, while
 * something is under way there: of this loop it may call poplin_loop_post, _wake, _now and this function, and nothing
 * else; poplin_loop_step answers STATE meanwhile. Whatever it does holds up this loop and nothing else.
 *
 * function NULL: the lines are kept for poplin_loop_trace_next. STATE: after fork.
 */
POPLIN_API int poplin_loop_trace(poplin_loop *loop, unsigned kinds,
                                 void (*function)(void *context, const poplin_trace_line *line), void *context);

/*
 * For a host that cannot be called from just anywhere: takes the oldest line kept. OK; END: there is none. A megabyte is kept, and behind
 * it a NOTE of no connection that tells how many lines were not.
 */
POPLIN_API int poplin_loop_trace_next(poplin_loop *loop, poplin_trace_line *line);

/*
 * A line as one text, ended by NUL and cut to size: "C mail.example.org:995 #3 > RETR 1". C is a link's (client), S a session's
 * (server); ">" was sent, "<" received, "-" is a note. Returns buffer.
 */
POPLIN_API const char *poplin_trace_format(const poplin_trace_line *line, char *buffer, size_t size);

#ifdef __cplusplus
}
#endif
#endif
