/*
 * sasl/sasl.h - the authentication mechanisms behind one edge, both halves (RFC 4422, RFC 5034). One file a mechanism, or a family of them, holds both halves side by
 * side; sasl.c holds the table.
 *
 * Messages are octets, decoded: base64, line lengths, "=" and "*" are the callers'. An exchange takes and gives one message at a time, does
 * no I/O, and knows nothing of commands. Secrets are wiped with the exchange.
 */
#ifndef POPLIN_SASL_SASL_H
#define POPLIN_SASL_SASL_H

#include <poplin/scram.h>
#include <poplin/types.h>

#include "wire/buffer.h"

/* What a client has to log in with, and what a server's owner can check. */
enum poplin_sasl_proof {
    POPLIN_PROOF_PASSWORD,
    POPLIN_PROOF_TOKEN,    /* OAuth 2 */
    POPLIN_PROOF_EXTERNAL, /* the client's certificate */
    POPLIN_PROOF_NONE      /* ANONYMOUS */
};

enum poplin_sasl_trait {
    POPLIN_SASL_CLIENT_FIRST = 1,  /* the client begins; its first message may be an initial response */
    POPLIN_SASL_SHOWS = 2,         /* the server learns password or token: never in clear unasked (POP-AUTH-21) */
    POPLIN_SASL_TLS_ONLY = 4,      /* never without TLS, asked for or not (RFC 7628 section 3) */
    POPLIN_SASL_BINDS = 8,         /* -PLUS: needs channel binding */
    POPLIN_SASL_MUTUAL = 16,       /* the server proves itself: a +OK before that is a lie (POP-AUTH-17) */
    POPLIN_SASL_NEEDS_SECRET = 32, /* the server needs the password itself: a check alone, or SCRAM keys, will not do */
    POPLIN_SASL_BY_NAME = 64       /* on both sides only where it is named: old, weak, or somebody's own business */
};

/*
 * The mechanisms, strongest first (POP-AUTH-24): identifier, name on the wire, proof, traits. Where a client may choose it takes the first that fits.
 */
#define POPLIN_MECHANISM_TABLE(X) \
    X(SCRAM_SHA_256_PLUS, "SCRAM-SHA-256-PLUS", PASSWORD, \
      POPLIN_SASL_CLIENT_FIRST | POPLIN_SASL_BINDS | POPLIN_SASL_MUTUAL, scram) \
    X(SCRAM_SHA_1_PLUS, "SCRAM-SHA-1-PLUS", PASSWORD, \
      POPLIN_SASL_CLIENT_FIRST | POPLIN_SASL_BINDS | POPLIN_SASL_MUTUAL, scram) \
    X(SCRAM_SHA_256, "SCRAM-SHA-256", PASSWORD, POPLIN_SASL_CLIENT_FIRST | POPLIN_SASL_MUTUAL, scram) \
    X(SCRAM_SHA_1, "SCRAM-SHA-1", PASSWORD, POPLIN_SASL_CLIENT_FIRST | POPLIN_SASL_MUTUAL, scram) \
    X(OAUTHBEARER, "OAUTHBEARER", TOKEN, POPLIN_SASL_CLIENT_FIRST | POPLIN_SASL_SHOWS | POPLIN_SASL_TLS_ONLY, oauth) \
    X(XOAUTH2, "XOAUTH2", TOKEN, POPLIN_SASL_CLIENT_FIRST | POPLIN_SASL_SHOWS | POPLIN_SASL_TLS_ONLY, oauth) \
    X(PLAIN, "PLAIN", PASSWORD, POPLIN_SASL_CLIENT_FIRST | POPLIN_SASL_SHOWS, plain) \
    X(LOGIN, "LOGIN", PASSWORD, POPLIN_SASL_SHOWS | POPLIN_SASL_BY_NAME, login) \
    X(CRAM_MD5, "CRAM-MD5", PASSWORD, POPLIN_SASL_NEEDS_SECRET | POPLIN_SASL_BY_NAME, cram) \
    X(EXTERNAL, "EXTERNAL", EXTERNAL, POPLIN_SASL_CLIENT_FIRST | POPLIN_SASL_TLS_ONLY | POPLIN_SASL_BY_NAME, external) \
    X(ANONYMOUS, "ANONYMOUS", NONE, POPLIN_SASL_CLIENT_FIRST | POPLIN_SASL_BY_NAME, anonymous)

enum poplin_mechanism {
#define POPLIN_MECHANISM_ENUM(id, name, proof, traits, family) POPLIN_MECHANISM_##id,
    POPLIN_MECHANISM_TABLE(POPLIN_MECHANISM_ENUM)
#undef POPLIN_MECHANISM_ENUM
        POPLIN_MECHANISM_COUNT
};

const char *poplin_mechanism_name(enum poplin_mechanism mechanism);
enum poplin_sasl_proof poplin_mechanism_proof(enum poplin_mechanism mechanism);
unsigned poplin_mechanism_traits(enum poplin_mechanism mechanism);

/* The mechanism of this name, in any case; POPLIN_MECHANISM_COUNT: none that is known. */
enum poplin_mechanism poplin_mechanism_lookup(poplin_slice name);

/* Channel binding of a TLS connection (RFC 5929, RFC 9266). */
typedef struct poplin_sasl_binding {
    const char *type; /* "tls-exporter", "tls-server-end-point"; NULL: none can be had */
    poplin_slice data;
} poplin_sasl_binding;

/* ---- the client's half ---- */

typedef struct poplin_sasl_client poplin_sasl_client;

typedef struct poplin_sasl_client_config {
    poplin_slice user;
    poplin_slice authorize; /* act as; {NULL, 0}: as user */
    poplin_slice password;
    poplin_slice token;
    const char *host; /* as the user named it, for OAUTHBEARER */
    uint16_t port;
    poplin_sasl_binding binding;
    bool plus_offered; /* the server offers a -PLUS mechanism: the "y" flag would be a lie (SASL-CB-1) */
    uint32_t min_iterations, max_iterations; /* of SCRAM (LIM-12); 0: 4096 and 1,000,000 */
    poplin_slice nonce;                      /* for test vectors; {NULL, 0}: random */
} poplin_sasl_client_config;

/*
 * Begins an exchange; config is copied. PROTOCOL: a name, password or token that the mechanism cannot carry: *reason (static) says
 * why; STATE: it needs what config lacks; IO: no random numbers; NOMEM.
 */
int poplin_sasl_client_new(enum poplin_mechanism mechanism, const poplin_sasl_client_config *config,
                           poplin_sasl_client **client, const char **reason);

/*
 * The server's message, or {NULL, 0} for the first of a client-first mechanism; appends what to answer to response, which may be empty
 * and is sent all the same. OK. PROTOCOL: the server broke the mechanism's rules, or is not who it should be: cancel; *reason (static) says why. AUTH: it
 * says that name or password are wrong (SCRAM's e=): cancel as well. NOMEM; IO: GnuTLS refuses.
 */
int poplin_sasl_client_step(poplin_sasl_client *client, poplin_slice challenge, poplin_buffer *response,
                            const char **reason);

/* Whether +OK may be believed now. */
bool poplin_sasl_client_is_complete(const poplin_sasl_client *client);

/* What the server said of a refused token (RFC 7628 section 3.2.2): untrusted text, at most 8 KiB; {NULL, 0}: nothing. Lives as long as the exchange. */
poplin_slice poplin_sasl_client_answer(const poplin_sasl_client *client);

void poplin_sasl_client_free(poplin_sasl_client *client);

/* ---- the server's half ---- */

typedef struct poplin_sasl_server poplin_sasl_server;

typedef struct poplin_sasl_server_config {
    const char *host;              /* of CRAM-MD5's challenge, and what OAUTHBEARER's host must be; NULL: any */
    uint16_t port;                 /* 0: any */
    poplin_sasl_binding exporter;  /* tls-exporter; type NULL: none */
    poplin_sasl_binding end_point; /* tls-server-end-point; type NULL: none */
    bool plus_offered;             /* -PLUS is offered on this connection: a "y" is a sign of a downgrade (SASL-CB-2) */
    poplin_slice external;         /* the identity of the client's certificate; {NULL, 0}: none */
    poplin_slice pepper;           /* the server's own secret, for the salts of unknown users (SASL-SCRAM-9) */
    uint32_t iterations;           /* of SCRAM where the owner gave a password, and of unknown users (default 4096) */
    bool keeps_keys;               /* the owner answers with SCRAM keys: an unknown user costs no more than they do */
    poplin_slice nonce, salt;      /* for test vectors; {NULL, 0}: random */
} poplin_sasl_server_config;

/* What an exchange wants next. */
enum poplin_sasl_wish {
    POPLIN_SASL_CHALLENGE, /* message is to be sent, and the client's answer given to step */
    POPLIN_SASL_CHECK,     /* may user log in with password? poplin_sasl_server_accept or _refuse */
    POPLIN_SASL_SECRET, /* user's password or SCRAM keys: poplin_sasl_server_secret, _keys or, where there is no such user, _unknown */
    POPLIN_SASL_TOKEN, /* may user (which may be empty with OAUTHBEARER) log in with token? accept or refuse */
    POPLIN_SASL_DONE,  /* user has logged in */
    POPLIN_SASL_FAILED /* -ERR. malformed says whether the message broke the rules, or the proof was wrong */
};

typedef struct poplin_sasl_turn {
    enum poplin_sasl_wish wish;
    poplin_slice message; /* CHALLENGE: lives until the next call */
    poplin_slice user;    /* CHECK, SECRET, TOKEN, DONE: prepared (SASLprep); lives as long as the exchange */
    poplin_slice password;
    poplin_slice token;
    bool malformed;
} poplin_sasl_turn;

int poplin_sasl_server_new(enum poplin_mechanism mechanism, const poplin_sasl_server_config *config,
                           poplin_sasl_server **server);

/*
 * The client's message, or {NULL, 0} with no initial response, which a server-first mechanism demands. OK; NOMEM; IO: no random
 * numbers; STATE: the exchange waits for an answer, or is over.
 */
int poplin_sasl_server_step(poplin_sasl_server *server, poplin_slice response, poplin_sasl_turn *turn);

/* Answers; each goes on with the exchange: *turn. STATE: that was not asked. */
int poplin_sasl_server_accept(poplin_sasl_server *server, poplin_sasl_turn *turn);
int poplin_sasl_server_refuse(poplin_sasl_server *server, poplin_sasl_turn *turn);
int poplin_sasl_server_secret(poplin_sasl_server *server, poplin_slice password, poplin_sasl_turn *turn);
int poplin_sasl_server_keys(poplin_sasl_server *server, const poplin_scram_keys *keys, poplin_sasl_turn *turn);
int poplin_sasl_server_unknown(poplin_sasl_server *server, poplin_sasl_turn *turn);

void poplin_sasl_server_free(poplin_sasl_server *server);

#endif
