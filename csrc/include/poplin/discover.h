/*
 * poplin/discover.h - which servers a mail domain names for POP3, by DNS (RFC 6186): the names to look up, and what comes
 * of the answers.
 *
 * Nothing here looks anything up: the host asks DNS and hands the SRV records in. Whoever can forge DNS can name any
 * server, with a good certificate of its own; so a candidate tells whether it is verified. One that is not is to be
 * shown to the user, who confirms it, before a password goes there, and what was found is to be kept: SRV records are
 * for setting an account up, not for every connection (RFC 6186 sections 4 and 6, RFC 8314 section 5.1).
 */
#ifndef POPLIN_DISCOVER_H
#define POPLIN_DISCOVER_H

#include <poplin/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of what is handed in, this many usable records count; the others are skipped. */
#define POPLIN_DISCOVER_MAX 1000

/* Whose mail: an address taken apart. Strings end in NUL. */
typedef struct poplin_account {
    char domain[242];     /* of the address; ASCII, without a final dot */
    size_t user_count;    /* 0: there was no address, only a domain */
    char users[2][256];   /* names to try at the login: the address, then its local part (RFC 6186 section 4) */
    char pop3s_name[256]; /* what to look up, both: _pop3s._tcp.domain */
    char pop3_name[256];
} poplin_account;

/*
 * Takes "alice@example.org" or "example.org" apart; the last @ splits. PROTOCOL: no such address, control characters,
 * not UTF-8, too long, or a domain that is no ASCII host name. *error (may be NULL) says what to do.
 */
POPLIN_API int poplin_account_parse(const char *text, size_t size, poplin_account *account, poplin_error *error);

/* One SRV record, as it came (RFC 2782). */
typedef struct poplin_srv {
    bool pop3s;     /* an answer for pop3s_name; else for pop3_name */
    bool is_signed; /* DNSSEC: a resolver says so that is trusted, over a way that is */
    uint16_t priority, weight, port;
    poplin_slice target; /* a host name, with or without a final dot; "." means that the service is not offered */
} poplin_srv;

/* A server to try. */
typedef struct poplin_candidate {
    const poplin_srv *record; /* where it comes from; borrowed */
    poplin_slice host;        /* the target without its final dot */
    enum poplin_tls_mode tls; /* IMPLICIT or STLS; NEVER only where cleartext was asked for */
    bool verified;            /* in the mail domain itself, or signed: the user need not confirm it */
} poplin_candidate;

typedef struct poplin_discovery {
    const char *domain; /* the account's */
    bool cleartext;     /* behind all others, list the pop3 servers once more, to be used without TLS */
    uint32_t (*random)(void *context, uint32_t most); /* a number from 0 to most, both included, all as likely */
    void *context;
} poplin_discovery;

/*
 * Orders what the records offer: pop3s (TLS from the first octet) before pop3 (where STLS is demanded), whatever their
 * priorities (RFC 8314 section 5.1); each by priority, and where that is the same by RFC 2782's weighted choice. Skipped:
 * the target ".", a target that is no host name or is an address, port 0, and what exceeds POPLIN_DISCOVER_MAX.
 * candidates has room for twice as many as there are records; *found says how many there are, 0 where POP3 is not
 * offered. Cannot fail.
 */
POPLIN_API void poplin_discover(const poplin_discovery *discovery, const poplin_srv *records, size_t count,
                                poplin_candidate *candidates, size_t *found);

#ifdef __cplusplus
}
#endif
#endif
