/*
 * poplin/tap.h - somebody who sits between a server's sessions and their links: hears each command before it is carried
 * out, gets each reply before it leaves, and decides what goes out and when. The testkit is one (poplin/testkit.h).
 *
 * A server without a tap sends what its sessions say and nothing else. With one, the tap owns the way out: the
 * session's replies are handed to it, and what its next function gives is what the client gets.
 *
 * All functions are called by the loop's thread. They must not step the loop, nor answer a request, nor free the server.
 * Slices live during the call, those of next until sent or closed.
 */
#ifndef POPLIN_TAP_H
#define POPLIN_TAP_H

#include <poplin/session.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A line that a session has read, about to be carried out. */
typedef struct poplin_tap_command {
    enum poplin_verb verb;  /* AUTH also for each response of its exchange; NO_VERB: unknown, or no legal line */
    bool response;          /* a response to an AUTH challenge, not a command */
    bool initial;           /* AUTH with an initial response */
    bool secret;            /* shown hides something: a password, a digest, an authentication exchange */
    bool pipelined;         /* more was received behind it before its reply was sent */
    uint32_t number;        /* the message number that it names; 0: none */
    poplin_slice unique_id; /* of that message, where there is one */
    poplin_slice line;      /* without its CRLF, secrets included; empty where it was no legal line */
    const char *shown;      /* for people and logs: secrets as ****, control characters visible */
} poplin_tap_command;

enum poplin_verdict {
    POPLIN_CARRY_OUT,  /* as if there were no tap */
    POPLIN_SKIP,       /* leave it undone, say nothing: the tap has its own answer */
    POPLIN_SUBSTITUTE, /* carry out another line in its place */
};

/* What is to happen next on a link. */
enum poplin_tap_step {
    POPLIN_TAP_IDLE,    /* nothing to send, go on */
    POPLIN_TAP_SEND,    /* these octets, then tell sent */
    POPLIN_TAP_PAUSE,   /* ask again in so many milliseconds of the loop's clock; meanwhile nothing is read */
    POPLIN_TAP_SILENCE, /* send and carry out nothing any more, until the client goes */
    POPLIN_TAP_CLOSE,   /* close in good order: close_notify under TLS, FIN; the session ends as DROPPED */
    POPLIN_TAP_CUT,     /* FIN without close_notify; DROPPED */
    POPLIN_TAP_RESET    /* RST; DROPPED */
};

typedef struct poplin_tap {
    /* A connection has come, from peer ("127.0.0.1:40000", "unix"). *state is its own for the other functions. Anything but OK: it
     * is closed at once, and no other function is called for it. */
    int (*opened)(void *context, const char *peer, void **state);
    /* TLS stands; description as poplin_tls_describe. */
    void (*secured)(void *state, const char *description);
    /* A line was read. With SUBSTITUTE, *line is what is carried out instead. */
    enum poplin_verdict (*command)(void *state, const poplin_tap_command *command, poplin_slice *line);
    /* The maildrop is open: who has logged in, and how ("USER", "PLAIN"). Before the reply. */
    void (*login)(void *state, poplin_slice user, const char *mechanism);
    /*
     * Octets of the reply to the last command (or the greeting), to be taken over whole; last: the reply is complete,
     * and may be empty (skipped). OK; WAITING: taken too, but nothing else is to be done before next is IDLE again; NOMEM ends
     * the session.
     */
    int (*reply)(void *state, poplin_slice octets, bool last);
    /* The session is over; called once, before its last reply is given where there is one. */
    void (*ended)(void *state, enum poplin_outcome outcome, const poplin_error *error);
    /* What is to happen next; asked again whenever there may be something. With SEND *octets, with PAUSE *milliseconds. */
    enum poplin_tap_step (*next)(void *state, poplin_slice *octets, uint32_t *milliseconds);
    /* So many of the octets went out. */
    void (*sent)(void *state, size_t size);
    /* The connection is gone: frees state. Called once for every opened that returned OK. */
    void (*closed)(void *state);
    /* QUIT is about to delete this message, which was not marked but fetched, where mail does not stay longer (EXPIRE 0). May be NULL. */
    void (*implied)(void *state, poplin_slice unique_id);
} poplin_tap;

#ifdef __cplusplus
}
#endif
#endif
