/*
 * poplin/session.h - the server's state machine: one POP3 session seen from the server, without any I/O.
 *
 * It is driven like poplin/client.h: input is lent, events are pulled, output is taken. Most events are questions
 * to the host: is this password right, which messages are there, give me the body, delete these. Each question has
 * a number that is never used again in this session; the host answers it at once or later, in any call that names
 * the number. A late or second answer returns STATE and does no harm. While a question is open the session
 * keeps what the client pipelines (in the lent octets) and next answers WAITING.
 *
 * Numbering, deletion marks, RSET, TOP, dot-stuffing, line ends and sizes are the session's; a mailbox only
 * lists, gives octets, and deletes at the commit. Deletion happens at the commit and nowhere else.
 *
 * A machine belongs to one thread at a time. Source: RFC 1939, 2449, 2595, 3206, 5034, and those of the mechanisms.
 */
#ifndef POPLIN_SESSION_H
#define POPLIN_SESSION_H

#include <poplin/scram.h>
#include <poplin/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct poplin_session poplin_session;

typedef struct poplin_session_config {
    bool stls;            /* STLS may be offered: the host has a certificate */
    bool link_protected;  /* loopback or Unix socket: passwords are allowed without TLS (POP-TLS-20) */
    bool allow_cleartext; /* passwords are allowed on any link: only where the owner said so by name */
    unsigned asks; /* what the host can be asked about who logs in: POPLIN_ASK_ bits (default POPLIN_ASK_CHECK) */
    const char *mechanisms; /* the ways to log in that may be offered, as in poplin/client.h; copied. NULL: all that
                                   can be asked about, but for those that are used only by name (APOP, LOGIN, CRAM-MD5,
                                   EXTERNAL, ANONYMOUS). Which of them are offered depends on asks and on the link */
    const char *host;    /* what the server is called: in the challenges of APOP and CRAM-MD5 (NULL: "localhost"), and
                                   the one name that OAUTHBEARER takes (NULL: any); copied */
    uint16_t port;       /* the one port that OAUTHBEARER takes; 0: any */
    poplin_slice pepper; /* the server's own secret, from which SCRAM's salts for unknown users are made: those of a
                                   name stay the same as long as it does; copied. {NULL, 0}: made up for each exchange, so
                                   that who asks twice sees which names are unknown (SASL-SCRAM-9) */
    uint32_t iterations; /* of SCRAM, for passwords and for unknown users; POPLIN_SCRAM_ITERATIONS at least. Each login
                                   takes the time that so many take */
    bool utf8; /* the UTF8 command and names and passwords in UTF-8 are offered (RFC 6856; default false). Nothing is
                                   converted: RETR and TOP of a message whose listing says utf8 are then refused with
                                   [UTF8] to a client that has not sent UTF8, as most never do */
    const char
        *languages; /* the languages of the replies, besides English, for LANG (RFC 6856 section 3); NULL: none, and no
                                  LANG. UTF-8, line by line: one "tag description" for each language, the first being what the
                                  client gets that asks for "*", and below it, each behind a TAB, the texts: English, TAB,
                                  translation. A number is "{}" in both; what has no translation stays as it is. A tag has
                                  up to 35 letters and digits, with "-" between its parts; a text up to 400 octets, of
                                  which the first is no "[".
                                  Lent, as long as the session lives; poplin_server_new copies it */
    bool delays;    /* DELAY events are wanted (default false) */
    uint32_t login_delay; /* seconds between two logins of a user, announced (RFC 2449 section 6.5); 0: none. The
                                   host refuses with POPLIN_CODE_LOGIN_DELAY who comes sooner */
    uint32_t
        expire; /* days for which mail stays at least, announced (RFC 2449 section 6.7). 0: it stays until it was fetched: at
                                   QUIT, COMMIT names each message that was sent whole by RETR, whatever RSET came behind it,
                                   but not where read_only. With more days it is the maildrop that keeps or deletes.
                                   POPLIN_EXPIRE_NEVER: for ever; POPLIN_EXPIRE_UNSAID, the default: nothing is announced */
    bool
        login_delay_by_user; /* users differ: login_delay is the largest of all, and is announced with USER before the login;
                                   then the user's own, as poplin_session_terms said */
    bool expire_by_user;  /* the same; expire is the smallest of all */
    const char *greeting; /* the greeting's text (default "poplin ready"), in which "<" and ">" become brackets, since
                                   they would offer APOP; copied */
    size_t max_line;      /* octets of a command line, CRLF included (LIM-1) */
    size_t
        max_sasl_line; /* octets of an AUTH line or response (LIM-3); 0, the default: 12288, or 20480 where tokens can be
                             asked about, since some are 10 KB long */
    unsigned max_bad_commands;  /* in a session, the last of which ends it (LIM-10) */
    unsigned max_failed_logins; /* the same (LIM-10) */
    size_t max_messages;        /* of a maildrop (LIM-6) */
    size_t max_output;          /* octets of output kept; the session goes on when they are sent (default 64 KiB) */
    bool watched;               /* COMMAND and REPLIED events are wanted (default false) */
} poplin_session_config;

/*
 * What a host can answer when somebody logs in. Passwords that are shown (USER, PLAIN, LOGIN) are asked about by SECRET where that is
 * there, else by CHECK, and are compared here in the first case. SCRAM needs SECRET or KEYS; CRAM-MD5 and APOP need the password
 * itself. Where KEYS is there, each shown password that is compared here takes the time that keys take. Nobody acts as another: such
 * logins are refused (SASL-PLAIN-2).
 */
enum poplin_session_asks {
    POPLIN_ASK_CHECK = 1,  /* CHECK: is this password right? */
    POPLIN_ASK_SECRET = 2, /* SECRET: what is the password? */
    POPLIN_ASK_KEYS = 4,   /* SECRET: what are the SCRAM keys? Those of SHA-256, unless mechanisms names SCRAM-SHA-1 */
    POPLIN_ASK_TOKEN = 8   /* TOKEN: is this OAuth 2 token good? */
};

/* What poplin_session_config.expire may be besides a number of days. */
#define POPLIN_EXPIRE_UNSAID UINT32_MAX
#define POPLIN_EXPIRE_NEVER (UINT32_MAX - 1)

/* How a session ended. */
enum poplin_outcome {
    POPLIN_COMMITTED, /* QUIT in TRANSACTION, and the host's commit succeeded */
    POPLIN_LEFT,      /* QUIT before a login: no maildrop was open */
    POPLIN_DROPPED,   /* the client went without QUIT: nothing was deleted */
    POPLIN_TIMED_OUT, /* autologout: nothing was deleted */
    POPLIN_FAILED     /* commit refused, protocol broken, a limit, a host that stopped: see error */
};

/* The word for it, in every language: "committed", "left", "dropped", "timed out", "failed". Static. */
POPLIN_API const char *poplin_outcome_word(enum poplin_outcome outcome);

enum poplin_session_event_kind {
    POPLIN_SESSION_CHECK, /* question: may user log in with password? accept or refuse */
    POPLIN_SESSION_SECRET, /* question: user's password or SCRAM keys? poplin_session_secret, _keys, or refuse with AUTH where
                                 there is no such user: the exchange then goes on as with one, and fails at its end */
    POPLIN_SESSION_TOKEN, /* question: may user, {NULL, 0} where the client named none, log in with token? accept (with
                                 none named: poplin_session_accept_as) or refuse */
    POPLIN_SESSION_DELAY, /* question: a login failed, failures so far in this session: accept when the client may hear
                                 of it. Only where config.delays */
    POPLIN_SESSION_MAILDROP,  /* question: user's messages? poplin_session_open or refuse */
    POPLIN_SESSION_BODY,      /* question: octets of the message at index. poplin_session_body or refuse */
    POPLIN_SESSION_BODY_DONE, /* the body at index is not needed further: what was lent for it may go. Comes once for
                                 each message of which a piece was lent, before CLOSED at the latest */
    POPLIN_SESSION_COMMIT,    /* question: delete the messages at indexes. accept or refuse */
    POPLIN_SESSION_START_TLS, /* send what output holds, then start the handshake, then poplin_session_tls */
    POPLIN_SESSION_MISMATCH,  /* a body was not of the size announced: index, announced, octets. It was sent whole */
    POPLIN_SESSION_COMMAND,   /* watched: a line was read and will be carried out by the next call of next, unless
                                 poplin_session_skip or _substitute is called before: see command */
    POPLIN_SESSION_REPLIED,   /* watched: what was put into output since the last of these is one whole reply; the first
                                 is the greeting. The last reply of a session is ended by CLOSED instead */
    POPLIN_SESSION_CLOSED     /* the end: outcome, error where one is known. Send what output holds, then close */
};

/* A line that was read, as COMMAND tells it. Slices and strings live until the next call on the machine. */
typedef struct poplin_session_line {
    enum poplin_verb verb; /* AUTH also for a response of its exchange; NO_VERB: unknown, or no legal line */
    bool response;         /* answers an AUTH challenge */
    bool initial;          /* AUTH with an initial response */
    bool secret;           /* shown hides something */
    bool pipelined;        /* more was received behind it */
    uint32_t number;       /* of the message that it names; 0: none */
    poplin_slice line;     /* without CRLF, secrets included; empty where it was no legal line (too long, a NUL) */
    const char *shown;     /* for people and logs: secrets as ****, cut, what is not printable ASCII as \xNN */
} poplin_session_line;

typedef struct poplin_session_event {
    enum poplin_session_event_kind kind;
    uint64_t question;           /* the number to answer with */
    poplin_slice user;           /* CHECK to MAILDROP: the name, prepared by SASLprep; {NULL, 0}: none was given */
    poplin_slice password;       /* CHECK: wiped when the question is answered, as is token */
    poplin_slice token;          /* TOKEN */
    const char *mechanism;       /* CHECK to MAILDROP: "USER", "APOP" or the SASL name. Static */
    bool read_only;              /* MAILDROP: this session deletes nothing, since anybody may come so (ANONYMOUS) */
    unsigned failures;           /* DELAY: logins that failed, this one included */
    size_t index;                /* BODY, BODY_DONE, MISMATCH: message number minus 1 */
    poplin_slice unique_id;      /* BODY, BODY_DONE, MISMATCH */
    const size_t *indexes;       /* COMMIT: ascending; lives until the next call on the machine */
    size_t count;                /* COMMIT: how many, at least 1. With no marks there is no question */
    uint64_t announced;          /* MISMATCH */
    uint64_t octets;             /* MISMATCH: octets sent */
    enum poplin_outcome outcome; /* CLOSED */
    const poplin_error *error;   /* CLOSED: or NULL; owned by the machine */
    const poplin_session_line *command; /* COMMAND */
} poplin_session_event;

/* Fills in the defaults of protocol.md section 13. */
POPLIN_API void poplin_session_config_init(poplin_session_config *config);

/*
 * Makes a machine whose output is the greeting. config is copied. LIMIT: a limit too small; UNSUPPORTED: mechanisms names one that
 * is not known, or none; PROTOCOL: languages is not as it should be; IO: no random numbers; NOMEM.
 */
POPLIN_API int poplin_session_new(const poplin_session_config *config, poplin_session **session);

/* Frees the machine and all in it; secrets are wiped. NULL is allowed. */
POPLIN_API void poplin_session_free(poplin_session *session);

/* As in poplin/client.h. */
POPLIN_API int poplin_session_input(poplin_session *session, const void *data, size_t size);
POPLIN_API int poplin_session_next(poplin_session *session, poplin_session_event *event);
POPLIN_API void poplin_session_output(poplin_session *session, const char **data, size_t *size);
POPLIN_API void poplin_session_sent(poplin_session *session, size_t size);

/*
 * TLS now stands: before the first input for implicit TLS, or after START_TLS. Whatever was lent in clear behind
 * the STLS line has ended the session already (POP-STLS-3). STATE: at any other time.
 */
POPLIN_API int poplin_session_tls(poplin_session *session, const poplin_tls_facts *facts);

/*
 * The client closed; clean is false where TLS was cut or the connection reset. What was lent before is still worked off, and a commit that is asked
 * for is still answered (POP-UPD-4); without a QUIT read by then: DROPPED. STATE: told before, or the session is over.
 */
POPLIN_API int poplin_session_eof(poplin_session *session, bool clean);

/*
 * Autologout: ends the session as TIMED_OUT, sends nothing, deletes nothing (RFC 1939 section 3). STATE: it is over, or
 * its QUIT was read and the commit is asked for, which the host's answer or poplin_session_abort ends.
 */
POPLIN_API int poplin_session_timeout(poplin_session *session);

/* The host gives up (shutdown, write failure): ends as FAILED with this status, nothing is deleted. reason is copied. */
POPLIN_API int poplin_session_abort(poplin_session *session, int status, const char *reason);

/* The client is gone, or sent away: ends as DROPPED at once, whatever was lent; status and reason as above. */
POPLIN_API int poplin_session_drop(poplin_session *session, int status, const char *reason);

/* Answers CHECK, TOKEN, DELAY or COMMIT with yes. STATE: no such question is open, here and in all answers below. */
POPLIN_API int poplin_session_accept(poplin_session *session, uint64_t question);

/*
 * Answers CHECK or TOKEN with yes, and says who it is that logs in: for tokens that came without a name, and for names that are
 * another's by rule. LIMIT: an empty name; the login is refused as TEMPORARY.
 */
POPLIN_API int poplin_session_accept_as(poplin_session *session, uint64_t question, poplin_slice user);

/* Answers SECRET with the user's password, or with the user's SCRAM keys; either is copied, and wiped after use. */
POPLIN_API int poplin_session_secret(poplin_session *session, uint64_t question, poplin_slice password);
POPLIN_API int poplin_session_keys(poplin_session *session, uint64_t question, const poplin_scram_keys *keys);

/*
 * Answers any question with no. status: AUTH (wrong password), IN_USE, TEMPORARY, REFUSED; any other counts as
 * TEMPORARY. A message whose BODY is asked for to be counted, and REFUSED, is gone for good: it counts as 0 octets. text (may be NULL) is told to the client behind the code that fits, cut to one line, what is not
 * printable ASCII replaced; not so for SECRET and TOKEN with AUTH, where the client is told what all are.
 */
POPLIN_API int poplin_session_refuse(poplin_session *session, uint64_t question, int status, const char *text);

/*
 * As poplin_session_refuse, with a code of the host's choice: POPLIN_CODE_LOGIN_DELAY, say. One that has no meaning for what was
 * asked is left out.
 */
POPLIN_API int poplin_session_refuse_with(poplin_session *session, uint64_t question, enum poplin_code code,
                                          const char *text);

/*
 * What holds for one user, where users differ. All zero: what holds for all.
 */
typedef struct poplin_user_terms {
    bool own_login_delay; /* login_delay is the user's own */
    bool own_expire;      /* expire is */
    uint32_t login_delay; /* as in poplin_session_config, as is expire */
    uint32_t expire;      /* but for POPLIN_EXPIRE_UNSAID */
} poplin_user_terms;

/*
 * Goes before the answer to MAILDROP, and leaves that question open. LIMIT: a login_delay above, an expire below what was announced
 * before the login, or another than that where login_delay_by_user or expire_by_user does not say that users differ; nothing is
 * changed then.
 */
POPLIN_API int poplin_session_terms(poplin_session *session, uint64_t question, const poplin_user_terms *terms);

/*
 * Answers MAILDROP: the snapshot that this session works on, copied. A unique-id that is not 1 to 70 octets of
 * 0x21-0x7E or stands twice, or too many messages, counts as refuse(TEMPORARY) and returns PROTOCOL or LIMIT
 * so that the owner learns of it; *bad (may be NULL) is then the index.
 */
POPLIN_API int poplin_session_open(poplin_session *session, uint64_t question, const poplin_listing *messages,
                                   size_t count, size_t *bad);

/*
 * Answers BODY with size octets, lent until the next BODY or BODY_DONE event (or the machine's end); last says
 * that the body ends with them. Otherwise another BODY event with a new question asks for more. Line ends may be
 * CRLF or LF; the wire gets CRLF. 0 octets with last is an empty rest.
 */
POPLIN_API int poplin_session_body(poplin_session *session, uint64_t question, const void *data, size_t size,
                                   bool last);

/*
 * After COMMAND: the line is not carried out and not answered, as if it had not come (an authentication exchange ends); or another
 * line, copied, is carried out in its place, without a COMMAND of its own. STATE: at any other time; NOMEM.
 */
POPLIN_API int poplin_session_skip(poplin_session *session);
POPLIN_API int poplin_session_substitute(poplin_session *session, poplin_slice line);

/*
 * These messages of the snapshot were deleted by somebody else: they are not asked for any more, keep number and size, and count as
 * deleted at the commit. A unique-id that is not in the snapshot is passed over. STATE: no maildrop is open; NOMEM.
 */
POPLIN_API int poplin_session_gone(poplin_session *session, const poplin_slice *unique_ids, size_t count);

/* How many command lines were read so far: the host restarts its inactivity timer when this changes. */
POPLIN_API uint64_t poplin_session_commands(const poplin_session *session);

/* The unique-id of the message at index of the snapshot, for COMMIT; lives as long as the session. {NULL, 0}: there is none. */
POPLIN_API poplin_slice poplin_session_unique_id(const poplin_session *session, size_t index);

/* Whether the message at index of the snapshot is marked. COMMIT names others too where expire is 0. */
POPLIN_API bool poplin_session_is_marked(const poplin_session *session, size_t index);

/* Has tell(context, ...) told what the session sends and receives, as poplin_client_trace; logins are not told. */
POPLIN_API void poplin_session_trace(poplin_session *session, poplin_teller *tell, void *context);

/* The state, as poplin_client_phase. */
POPLIN_API int poplin_session_phase(const poplin_session *session);

#ifdef __cplusplus
}
#endif
#endif
