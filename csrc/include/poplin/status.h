/*
 * poplin/status.h - what a call can answer, and what is known about a failure.
 *
 * Every function that can fail returns an int: POPLIN_OK, one of the positive answers that are no failures, or
 * one of the negative statuses (POPLIN_ERR_...; the headers name them without the prefix). Results come back through pointers. The library prints nothing.
 */
#ifndef POPLIN_STATUS_H
#define POPLIN_STATUS_H

#include <stddef.h>

/* A build that puts the library inside something else, a Python extension say, defines it empty: nothing is exported. */
#ifndef POPLIN_API
#ifdef __GNUC__
#define POPLIN_API __attribute__((visibility("default")))
#else
#define POPLIN_API
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The failures, each with its value and what it means in one phrase. The order is stable: append only. */
#define POPLIN_STATUS_TABLE(X) \
    X(PROTOCOL, -1, "the peer broke the protocol") \
    X(REFUSED, -2, "the server refused (-ERR)") \
    X(AUTH, -3, "the server did not accept the credentials") \
    X(IN_USE, -4, "the maildrop is in use by another session") \
    X(TEMPORARY, -5, "the server cannot do this just now") \
    X(TLS, -6, "TLS failed") \
    X(CERTIFICATE, -7, "the peer's certificate was not accepted") \
    X(TIMEOUT, -8, "the time allowed ran out") \
    X(CLOSED, -9, "the connection was closed") \
    X(IO, -10, "the operating system reported an error") \
    X(LIMIT, -11, "a limit was exceeded") \
    X(STATE, -12, "the call does not fit the state that the object is in") \
    X(CANCELLED, -13, "the operation was interrupted or cancelled") \
    X(UNSUPPORTED, -14, "the peer or this build does not support it") \
    X(NOMEM, -15, "out of memory")

enum poplin_status {
    POPLIN_OK = 0,
    POPLIN_NEED_INPUT = 1,  /* nothing to report until more octets arrive */
    POPLIN_WAITING = 2,     /* nothing to report until the host has answered or output has drained */
    POPLIN_INTERRUPTED = 3, /* a wait was broken by a signal; it may be taken up again */
    POPLIN_END = 4,         /* a sequence has no more elements */
#define POPLIN_STATUS_ENUM(name, value, text) POPLIN_ERR_##name = (value),
    POPLIN_STATUS_TABLE(POPLIN_STATUS_ENUM)
#undef POPLIN_STATUS_ENUM
};

/* Response codes of RFC 2449 section 8 and RFC 3206, with the status that an -ERR carrying them becomes. */
#define POPLIN_CODE_TABLE(X) \
    X(LOGIN_DELAY, "LOGIN-DELAY", POPLIN_ERR_TEMPORARY) \
    X(IN_USE, "IN-USE", POPLIN_ERR_IN_USE) \
    X(SYS_TEMP, "SYS/TEMP", POPLIN_ERR_TEMPORARY) \
    X(SYS_PERM, "SYS/PERM", POPLIN_ERR_REFUSED) \
    X(AUTH, "AUTH", POPLIN_ERR_AUTH) \
    X(UTF8, "UTF8", POPLIN_ERR_REFUSED)

enum poplin_code {
    POPLIN_CODE_NONE,
#define POPLIN_CODE_ENUM(name, text, status) POPLIN_CODE_##name,
    POPLIN_CODE_TABLE(POPLIN_CODE_ENUM)
#undef POPLIN_CODE_ENUM
};

/*
 * What is known about a failure. All strings end in NUL, are plain printable text (control characters and
 * octets of the peer's outside ASCII are shown as \xNN) and never hold a secret. An empty string: not known.
 */
typedef struct poplin_error {
    int status;            /* one of the failures above */
    enum poplin_code code; /* the response code that the server sent, if any */
    char doing[96];        /* what was being done: "RETR 3", "TLS handshake" */
    char host[280];        /* to whom: "mail.example.org:995" */
    char reason[320];      /* what went wrong and, where that is known, what to do about it */
    char peer[320];        /* the peer's own words, cut to fit */
} poplin_error;

/* The phrase for a status ("the time allowed ran out"); "unknown status" for a number that is none. Static. */
POPLIN_API const char *poplin_status_text(int status);

/* The name of a status ("TIMEOUT", "OK"); NULL for a number that is none. Static. */
POPLIN_API const char *poplin_status_name(int status);

/* The code as it stands on the wire, without brackets ("IN-USE"); NULL for POPLIN_CODE_NONE. Static. */
POPLIN_API const char *poplin_code_text(enum poplin_code code);

/*
 * Writes the whole message for a person, "RETR 3 at mail.example.org:995: the connection was closed ...", into
 * buffer, cut to size and always ended by NUL (if size > 0). Returns the length without the NUL.
 */
POPLIN_API size_t poplin_error_format(const poplin_error *error, char *buffer, size_t size);

/* The version of the library, "0.1.0". Static. */
POPLIN_API const char *poplin_version(void);

#ifdef __cplusplus
}
#endif
#endif
