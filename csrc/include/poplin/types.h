/*
 * poplin/types.h - the words of the protocol that both sides share: slices, verbs, listings, credentials.
 */
#ifndef POPLIN_TYPES_H
#define POPLIN_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <poplin/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Octets that somebody else owns; data may hold NUL and is not ended by one. {NULL, 0} is "none". */
typedef struct poplin_slice {
    const char *data;
    size_t size;
} poplin_slice;

/* In which states a command is valid (RFC 1939 sections 4 and 5; protocol.md POP-ST-6). */
enum poplin_phase { POPLIN_AUTHORIZATION = 1, POPLIN_TRANSACTION = 2 };

/* What a command takes behind its keyword. */
enum poplin_arguments {
    POPLIN_ARGS_NONE,
    POPLIN_ARGS_NUMBER,          /* one message number */
    POPLIN_ARGS_NUMBER_OPTIONAL, /* LIST, UIDL */
    POPLIN_ARGS_NUMBER_LINES,    /* TOP */
    POPLIN_ARGS_NAME,            /* one word: USER */
    POPLIN_ARGS_NAME_OPTIONAL,   /* LANG */
    POPLIN_ARGS_REST,            /* every octet up to the line's end: PASS, APOP */
    POPLIN_ARGS_MECHANISM        /* AUTH: mechanism and, optionally, an initial response */
};

/* The commands: keyword, states, arguments. Enum, names and parser come from here. */
#define POPLIN_VERB_TABLE(X) \
    X(USER, POPLIN_AUTHORIZATION, POPLIN_ARGS_NAME) \
    X(PASS, POPLIN_AUTHORIZATION, POPLIN_ARGS_REST) \
    X(APOP, POPLIN_AUTHORIZATION, POPLIN_ARGS_REST) \
    X(AUTH, POPLIN_AUTHORIZATION, POPLIN_ARGS_MECHANISM) \
    X(STLS, POPLIN_AUTHORIZATION, POPLIN_ARGS_NONE) \
    X(UTF8, POPLIN_AUTHORIZATION, POPLIN_ARGS_NONE) \
    X(LANG, POPLIN_AUTHORIZATION | POPLIN_TRANSACTION, POPLIN_ARGS_NAME_OPTIONAL) \
    X(CAPA, POPLIN_AUTHORIZATION | POPLIN_TRANSACTION, POPLIN_ARGS_NONE) \
    X(QUIT, POPLIN_AUTHORIZATION | POPLIN_TRANSACTION, POPLIN_ARGS_NONE) \
    X(STAT, POPLIN_TRANSACTION, POPLIN_ARGS_NONE) \
    X(LIST, POPLIN_TRANSACTION, POPLIN_ARGS_NUMBER_OPTIONAL) \
    X(UIDL, POPLIN_TRANSACTION, POPLIN_ARGS_NUMBER_OPTIONAL) \
    X(RETR, POPLIN_TRANSACTION, POPLIN_ARGS_NUMBER) \
    X(TOP, POPLIN_TRANSACTION, POPLIN_ARGS_NUMBER_LINES) \
    X(DELE, POPLIN_TRANSACTION, POPLIN_ARGS_NUMBER) \
    X(NOOP, POPLIN_TRANSACTION, POPLIN_ARGS_NONE) \
    X(RSET, POPLIN_TRANSACTION, POPLIN_ARGS_NONE)

enum poplin_verb {
    POPLIN_NO_VERB,
#define POPLIN_VERB_ENUM(name, phases, arguments) POPLIN_##name,
    POPLIN_VERB_TABLE(POPLIN_VERB_ENUM)
#undef POPLIN_VERB_ENUM
        POPLIN_VERB_COUNT
};

/* The keyword, "RETR"; "?" for a value that is none. Static. */
POPLIN_API const char *poplin_verb_name(enum poplin_verb verb);

/* The verb of a keyword, upper or lower case; POPLIN_NO_VERB where there is none. */
POPLIN_API enum poplin_verb poplin_verb_parse(poplin_slice keyword);

/* A size that nobody has counted yet. */
#define POPLIN_OCTETS_UNKNOWN UINT64_MAX

/* The largest message number and line count of either side (POP-GEN-19), and the longest unique-id (POP-UIDL-1). */
#define POPLIN_NUMBER_MAX 2147483647u
#define POPLIN_UNIQUE_ID_MAX 70

/* One message as a maildrop lists it. */
typedef struct poplin_listing {
    poplin_slice unique_id; /* 1 to 70 octets of 0x21-0x7E, different for each message of one maildrop */
    uint64_t octets;        /* as sent: each line end is two octets, none missing; or POPLIN_OCTETS_UNKNOWN */
    bool utf8;              /* its header is not plain ASCII: see poplin_session_config.utf8 */
} poplin_listing;

/* Who logs in, and with what. The octets are copied by every call that takes this, and wiped after use. */
typedef struct poplin_credentials {
    poplin_slice user;
    poplin_slice password;  /* {NULL, 0}: there is none */
    poplin_slice token;     /* an OAuth 2 access token; {NULL, 0}: there is none */
    poplin_slice authorize; /* whose maildrop, where it is not the user's own; {NULL, 0} */
} poplin_credentials;

/* How TLS comes about, or that it does not. */
enum poplin_tls_mode {
    POPLIN_TLS_IMPLICIT, /* TLS from the first octet (pop3s, port 995): the host starts it before any input */
    POPLIN_TLS_STLS,     /* TLS by STLS (RFC 2595), demanded: no STLS, no session */
    POPLIN_TLS_AUTO,     /* as STLS, but none where link_protected */
    POPLIN_TLS_NEVER     /* none, asked for by name: passwords go in clear, also over a network */
};

/* What a line of a trace is: see poplin/trace.h. */
enum poplin_trace_kind { POPLIN_TRACE_SENT, POPLIN_TRACE_RECEIVED, POPLIN_TRACE_NOTE };

/* Is told such a line; text lives during the call. It must not call the machine that tells it. */
typedef void poplin_teller(void *context, enum poplin_trace_kind kind, const char *text);

/* What the machines are told when TLS stands. */
typedef struct poplin_tls_facts {
    bool verified;               /* the peer's certificate and name were checked and found good */
    size_t exporter_size;        /* octets of exporter: 32, or 0 where the connection gives none (RFC 9266) */
    unsigned char exporter[32];  /* channel binding of type tls-exporter */
    size_t end_point_size;       /* octets of end_point; 0: none, or not to be used */
    unsigned char end_point[64]; /* channel binding of type tls-server-end-point (RFC 5929 section 4) */
    size_t identity_size;        /* octets of identity; 0: the client gave no certificate, or it names nobody */
    char identity[256];          /* to a server: whom the client's certificate, checked, names; for EXTERNAL */
} poplin_tls_facts;

#ifdef __cplusplus
}
#endif
#endif
