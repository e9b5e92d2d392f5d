/*
 * poplin/client.h - the client's state machine: one POP3 connection seen from the client, without any I/O.
 *
 * The host moves octets; the machine knows the protocol. A host's loop is always the same:
 *
 *     poplin_client_output(client, &data, &n)      what is to be sent; after sending: poplin_client_sent(client, n)
 *     poplin_client_input(client, octets, count)   what has arrived: lent until NEED_INPUT is answered
 *     while (poplin_client_next(client, &event) == POPLIN_OK)
 *         ... look at event ...
 *
 * Events are pulled one at a time, so the host may stop between any two and go on later. What an event points
 * to lies in the lent octets or in the machine and lives until the next call on the machine, with one promise
 * more for body slices: they point into the lent octets (or to static storage) and live as long as those do.
 *
 * The events are the same however the octets were cut, once neighbouring body slices are joined.
 * A failure is sticky: after POPLIN_CLIENT_FAILED every call but free answers STATE. An -ERR is no failure.
 *
 * A machine belongs to one thread at a time. Source: RFC 1939, 2449, 2595, 5034.
 */
#ifndef POPLIN_CLIENT_H
#define POPLIN_CLIENT_H

#include <poplin/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct poplin_client poplin_client;

typedef struct poplin_client_config {
    enum poplin_tls_mode tls;
    bool link_protected; /* the link needs no TLS (a loopback address, a Unix socket: POP-TLS-20) */
    bool strict;         /* 512-octet status lines, 70-octet unique-ids, nothing forgiven */
    const char
        *mechanisms;  /* the ways to log in that may be used, by name with SP between them: SASL mechanisms, "USER" for
                                USER and PASS, "APOP". NULL: all but those that are used only by name (APOP, LOGIN,
                                CRAM-MD5, EXTERNAL, ANONYMOUS) */
    bool two_step;    /* never an initial response with AUTH: some servers take none (Microsoft's) */
    const char *host; /* as the user named the server, told to it by OAUTHBEARER; NULL: not told */
    uint16_t port;    /* the same; 0: not told */
    bool utf8;        /* poplin_client_open sends UTF8 where the server announces it (RFC 6856) */
    bool pipelining;  /* use PIPELINING where the server announces it (default true) */
    size_t max_line;  /* octets of a status or CAPA line, CRLF included (LIM-2) */
    size_t max_listing;      /* octets of a LIST or UIDL line (LIM-5) */
    size_t max_listings;     /* lines of a LIST or UIDL reply (LIM-6) */
    size_t max_capabilities; /* lines of a CAPA reply (LIM-8) */
    uint64_t max_message;    /* octets of one RETR or TOP reply; 0: no limit (LIM-7) */
    size_t window_commands;  /* commands sent ahead (LIM-9) */
    uint64_t window_octets;  /* octets of content that they may bring (LIM-9); one message is always allowed */
} poplin_client_config;

enum poplin_client_event_kind {
    POPLIN_CLIENT_GREETING,  /* text. The machine is in AUTHORIZATION now, whatever the text says */
    POPLIN_CLIENT_START_TLS, /* the host must start the handshake now, then call poplin_client_tls */
    POPLIN_CLIENT_REPLY,     /* the first line of a reply: tag, verb, number, status, code, text, count, octets */
    POPLIN_CLIENT_LISTING, /* one line of LIST (number, octets), UIDL (number, text = unique-id) or LANG (text: the tag
                                  and, behind a SP, the description) */
    POPLIN_CLIENT_BODY,    /* text = octets of the content of a RETR, a TOP or a line of the host's own, unstuffed, CRLF
                                  line ends kept */
    POPLIN_CLIENT_END,     /* the multi-line reply is complete; octets = octets of content, where there were BODYs */
    POPLIN_CLIENT_OPENED,  /* what poplin_client_open began is done: tag; status, code, text as for a reply */
    POPLIN_CLIENT_CLOSED,  /* the server closed after QUIT was answered: the end of a good session */
    POPLIN_CLIENT_FAILED   /* error: the end of a bad one */
};

/*
 * One event; the fields that a kind does not name are zero. A multi-line reply is REPLY, any number of LISTING
 * or BODY, END; a single-line reply, and every -ERR, is REPLY alone. A CAPA reply is REPLY and END: its lines
 * are then read with poplin_client_capability.
 */
typedef struct poplin_client_event {
    enum poplin_client_event_kind kind;
    enum poplin_verb verb;     /* of the command that this answers; NO_VERB: a line of the host's own */
    uint64_t tag;              /* what submit was given */
    uint32_t number;           /* the command's message number, or the listing line's */
    int status;                /* POPLIN_OK for +OK; REFUSED, AUTH, IN_USE or TEMPORARY for -ERR */
    enum poplin_code code;     /* the response code, where the server announced RESP-CODES */
    bool complete;             /* REPLY: no LISTING, BODY or END follows */
    bool challenge;            /* REPLY to a line of the host's own: "+ ...", which asks for another line */
    poplin_slice text;         /* see the kinds; for a reply the text behind indicator and code; UIDL n: the id;
                                  LANG with a range: the tag that was chosen; to a line of the host's own: code included */
    poplin_slice line;         /* GREETING, REPLY: the whole line as it came, without CRLF */
    poplin_slice answer;       /* OPENED: what the server said of a token that it refused (JSON, not to be trusted) */
    uint32_t count;            /* REPLY to STAT: messages */
    uint64_t octets;           /* REPLY to STAT and LIST n: octets; LISTING, END: see the kinds */
    const poplin_error *error; /* FAILED: owned by the machine, lives as long as it */
} poplin_client_event;

/* A command for poplin_client_submit. Fields that the verb has no use for are ignored. */
typedef struct poplin_command {
    enum poplin_verb verb; /* any but AUTH, USER, PASS and APOP, which are poplin_client_open's and _login's */
    uint32_t number;       /* message number, from 1; 0: none (LIST and UIDL of everything) */
    uint32_t lines;        /* TOP: lines of the body */
    uint64_t octets; /* RETR, TOP: how much content is expected, from LIST; 0: not known. Only bounds the window */
    poplin_slice language; /* LANG: a range, "de", or "*", copied; {NULL, 0}: which are there? */
} poplin_command;

/* One message for poplin_client_retr_all. */
typedef struct poplin_wanted {
    uint32_t number;
    uint64_t octets; /* as for poplin_command */
} poplin_wanted;

/* Fills in the defaults of protocol.md section 13, with TLS implicit. */
POPLIN_API void poplin_client_config_init(poplin_client_config *config);

/*
 * Makes a machine that waits for the greeting. config is copied. LIMIT: a limit of 0; UNSUPPORTED: mechanisms names one that is
 * not known, or none; NOMEM.
 */
POPLIN_API int poplin_client_new(const poplin_client_config *config, poplin_client **client);

/* Frees the machine and all in it; secrets are wiped. NULL is allowed. Sends nothing, so nothing is deleted. */
POPLIN_API void poplin_client_free(poplin_client *client);

/*
 * Lends size octets from the server. They must stay where they are until poplin_client_next answers NEED_INPUT.
 * STATE: octets are still lent, TLS is IMPLICIT and poplin_client_tls was not called yet, or the machine has failed
 * or closed.
 */
POPLIN_API int poplin_client_input(poplin_client *client, const void *data, size_t size);

/*
 * Pulls the next event. OK: *event is filled. NEED_INPUT: everything lent is used up and copied where needed.
 * WAITING: the machine waits for poplin_client_tls. STATE: after FAILED or CLOSED was handed out.
 */
POPLIN_API int poplin_client_next(poplin_client *client, poplin_client_event *event);

/*
 * Fills in *error, without host, for a REPLY or OPENED whose status is a failure: what a host can raise or show, while the event
 * lives.
 */
POPLIN_API void poplin_client_describe(const poplin_client_event *event, poplin_error *error);

/* What is to be sent now: *size octets at *data, 0 if nothing. They live until the next call on the machine. */
POPLIN_API void poplin_client_output(poplin_client *client, const char **data, size_t *size);

/* The first size octets of the output were sent. */
POPLIN_API void poplin_client_sent(poplin_client *client, size_t size);

/* TLS now stands: for IMPLICIT before the first input, for STLS after START_TLS. STATE: at any other time. */
POPLIN_API int poplin_client_tls(poplin_client *client, const poplin_tls_facts *facts);

/*
 * The server closed; clean is false where TLS was cut without close_notify. The event that follows is CLOSED
 * after an answered QUIT and FAILED otherwise (POP-ML-10, POP-TLS-16).
 */
POPLIN_API int poplin_client_eof(poplin_client *client, bool clean);

/*
 * The opening in one: waits for the greeting, asks CAPA, does STLS where config.tls is STLS and asks CAPA again,
 * then, where credentials is not NULL, logs in with the strongest mechanism that the server offers and the link
 * permits, and asks CAPA again where the answer may differ (RFC 2449 section 6.5). Ends in one event OPENED;
 * where the login was refused its status is AUTH, IN_USE, TEMPORARY or REFUSED and the session is still in
 * AUTHORIZATION. A policy that cannot be met (no STLS; no TLS where a password would go in clear; no mechanism that fits
 * the server, or that can carry this name and password) is FAILED with UNSUPPORTED, LIMIT or TLS, before any secret is
 * sent (RFC 2595 section 9). Words of the server that repeat the password are replaced, in OPENED's text too.
 * LIMIT: user, password or token too long for any mechanism; PROTOCOL: there is neither password nor token (which EXTERNAL and
 * ANONYMOUS, being named, need not have), or something is empty that is given, or holds NUL, CR or LF; STATE: not the first
 * call.
 */
POPLIN_API int poplin_client_open(poplin_client *client, const poplin_credentials *credentials, uint64_t tag);

/* Logs in, as poplin_client_open does, on an opened connection in AUTHORIZATION with nothing outstanding. */
POPLIN_API int poplin_client_login(poplin_client *client, const poplin_credentials *credentials, uint64_t tag);

/*
 * Queues a command. It is sent when those before it permit: at once, or inside the window where the server
 * announced PIPELINING, else when all replies before it have come. Nothing is sent behind STLS or QUIT.
 * STATE: the verb does not fit the state (STLS does not after UTF8), QUIT was submitted, a challenge waits for its response
 * (poplin_client_command), or another LANG with a range has not been sent yet; PROTOCOL: a number out of range, or no language range.
 */
POPLIN_API int poplin_client_submit(poplin_client *client, const poplin_command *command, uint64_t tag);

/*
 * Queues a line of the host's own, copied, without CRLF: a command that the machine does not know ("XTND XLST Subject"), or knows
 * and is not to look at ("USER alice"), in any state after the greeting. It is sent in order with the others. It is answered by one
 * REPLY whose verb is POPLIN_NO_VERB; where multiline, and the answer is +OK, BODY events and END follow. The machine believes
 * nothing of what is answered: no state changes, no login is noted, and message numbers are no longer checked against earlier replies.
 * secret: the line holds a secret, as PASS, APOP and AUTH with an initial response do whatever is said. It is hidden in errors, words
 * of the server that repeat it (what follows the first SP, or the last word of that) are replaced in the reply, and nothing follows
 * it until it is answered, nor AUTH. What is sent so may also be answered by "+ ...": a REPLY with challenge set, to be answered
 * by another line, which then counts as secret and goes before all that is queued; nothing else can be submitted until then.
 * STATE: before the greeting, while the opening or a login is under way, or QUIT was submitted; TLS: the line is secret, or AUTH,
 * and TLS is demanded and does not stand yet; PROTOCOL: the line holds CR, LF or NUL, or is STLS or QUIT, which
 * poplin_client_submit sends; LIMIT: more than 65,536 octets; NOMEM.
 */
POPLIN_API int poplin_client_command(poplin_client *client, poplin_slice line, bool multiline, bool secret,
                                     uint64_t tag);

/*
 * Retrieves the messages one after the other, keeping the window full; each REPLY carries tag and number.
 * wanted is copied. Submitted commands go out before the RETRs that are not sent yet, so that a DELE or a STAT
 * does not wait for all of them; submitting QUIT ends the series as poplin_client_retr_stop does.
 * STATE: another such series has RETRs unsent; PROTOCOL: a number out of range.
 */
POPLIN_API int poplin_client_retr_all(poplin_client *client, const poplin_wanted *wanted, size_t count, uint64_t tag);

/*
 * Sends no further RETR of the series; those in flight are still answered. Returns how many were never sent:
 * they are the last ones of what retr_all was given.
 */
POPLIN_API size_t poplin_client_retr_stop(poplin_client *client);

/*
 * How many commands wait for their reply: sent, or queued, those of a series included, and the greeting where the
 * opening waits for it. The host's reply deadline runs only while this is not 0.
 */
POPLIN_API size_t poplin_client_outstanding(const poplin_client *client);

/* The state: POPLIN_AUTHORIZATION or POPLIN_TRANSACTION; 0 before the greeting and after the end. */
POPLIN_API int poplin_client_phase(const poplin_client *client);

/*
 * Whether one of the ways to log in that mechanisms (as in the config) names needs neither password nor token: EXTERNAL, ANONYMOUS. False for
 * NULL, since those are used only by name.
 */
POPLIN_API bool poplin_mechanisms_need_no_secret(const char *mechanisms);

/*
 * Has tell(context, ...) told, inside the calls on the machine, what it sends and receives, fit to be shown (poplin/trace.h), and
 * that a login succeeded. NULL: nobody, as at first.
 */
POPLIN_API void poplin_client_trace(poplin_client *client, poplin_teller *tell, void *context);

/* The mechanism of the login that succeeded: "SCRAM-SHA-256", "USER", "APOP"; NULL before. Static. */
POPLIN_API const char *poplin_client_mechanism(const poplin_client *client);

/* What the last CAPA reply announced. name is upper case as compared, parameters as sent, "" where none. */
typedef struct poplin_capability {
    poplin_slice name;
    poplin_slice parameters;
} poplin_capability;

/* How many capabilities are known; 0 as well where the server does not know CAPA. */
POPLIN_API size_t poplin_client_capability_count(const poplin_client *client);

/* The capability at index; what it points to lives until the next CAPA reply or TLS. END: index too large. */
POPLIN_API int poplin_client_capability(const poplin_client *client, size_t index, poplin_capability *capability);

#ifdef __cplusplus
}
#endif
#endif
