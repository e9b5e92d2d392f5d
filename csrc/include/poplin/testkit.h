/*
 * poplin/testkit.h - what makes a server a test server: faults on demand, quirks of real servers, and the log of what
 * happened. A kit is a tap (poplin/tap.h) of one server:
 *
 *     config.tap = poplin_testkit_tap();
 *     config.tap_context = kit;
 *
 * A fault has a command that it waits for, conditions, and effects; its settings are named, and written the same way in every
 * language:
 *
 *     RETR nth=2 drop_after=100
 *     LIST omit_line=3 times=1
 *     GREETING session=2 delay=0.5 jitter=0.2
 *     * pipelined drop_before                     (any command)
 *
 * The faults that fit a command take effect in the order in which they were added, each on what the one before it left; the
 * effects of one fault, in the order of the table of settings. The first that takes the command's place does so; delays add
 * up; the first trickle and the nearest end hold.
 * Everything else that leaves the server is what its sessions say: no illegal octet but by a fault (T-API-6).
 *
 * A kit has its own lock: every function but poplin_testkit_free may be called from any thread, though not in a child
 * after fork, in which a thread that is not there may hold it.
 */
#ifndef POPLIN_TESTKIT_H
#define POPLIN_TESTKIT_H

#include <poplin/loop.h>
#include <poplin/memory.h>
#include <poplin/tap.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct poplin_testkit poplin_testkit;

typedef struct poplin_testkit_config {
    size_t sessions_kept;  /* the oldest ended ones go first (default 10,000) */
    size_t exchanges_kept; /* of a session; later ones are only counted (default 10,000) */
    poplin_slice *secrets; /* never to be shown, wherever they turn up; copied. The users' passwords, say */
    size_t secret_count;
} poplin_testkit_config;

POPLIN_API void poplin_testkit_config_init(poplin_testkit_config *config);

/* config is copied. NOMEM. */
POPLIN_API int poplin_testkit_new(const poplin_testkit_config *config, poplin_testkit **kit);

/* The server that it taps must have been freed before. NULL is allowed. */
POPLIN_API void poplin_testkit_free(poplin_testkit *kit);

/* The tap to give to a server, with the kit as context. Static. */
POPLIN_API const poplin_tap *poplin_testkit_tap(void);

/*
 * One more string that is never shown, also inside base64: a user's password. Copied; wiped at the end. Empty ones are not taken. One of
 * fewer than 4 octets does not make a command a leak where it stands by chance. NOMEM.
 */
POPLIN_API int poplin_testkit_add_secret(poplin_testkit *kit, poplin_slice secret);

/* Forgets faults, quirks and ended sessions; open ones stay. Where none is open, numbers begin at 1 again. */
POPLIN_API void poplin_testkit_reset(poplin_testkit *kit);

/* ---- faults ---- */

/* What a setting's value is written as. */
enum poplin_setting_kind {
    POPLIN_SETTING_FLAG,    /* nothing: it is there or not ("yes", "no" and an empty value are understood) */
    POPLIN_SETTING_NUMBER,  /* a whole number, 0 or more */
    POPLIN_SETTING_SIGNED,  /* a whole number with or without a sign */
    POPLIN_SETTING_SECONDS, /* a decimal number of seconds */
    POPLIN_SETTING_SHARE,   /* a decimal number from 0 to 1 */
    POPLIN_SETTING_TEXT,    /* one line of text, without its line end */
    POPLIN_SETTING_OCTETS,  /* any octets */
    POPLIN_SETTING_WORD     /* one of a few words */
};

/* A kind of setting: the table of them all is what parser, bindings and documentation are made from. */
typedef struct poplin_setting_row {
    const char *name;
    enum poplin_setting_kind kind;
    const char *meaning; /* one sentence */
} poplin_setting_row;

/* The table, ended by a row whose name is NULL. Static. */
POPLIN_API const poplin_setting_row *poplin_testkit_settings(void);

typedef struct poplin_setting {
    const char *name;
    poplin_slice value; /* as text, or octets where the kind says so */
} poplin_setting;

/*
 * What was added. Two may have one name, but never one id: a kit counts them from 1, and goes on where it left off after
 * a reset.
 */
typedef struct poplin_fault_handle {
    uint64_t id;
    char *name; /* what transcripts call it. Freed by free() */
} poplin_fault_handle;

/*
 * Adds a fault. command is a keyword of POP3 in any case (also one that poplin does not know), "GREETING", "AUTOLOGOUT"
 * (the end of a silent session, to which a server should answer nothing), or NULL: any command. Its name is the setting
 * "name", or else its own text. *handle (may be NULL) gets what it is known by.
 * UNSUPPORTED: no such setting, the nearest is named; STATE: a value that is none, no effect, or two that exclude each
 * other; *error (may be NULL) tells. NOMEM.
 */
POPLIN_API int poplin_testkit_add_fault(poplin_testkit *kit, const char *command, const poplin_setting *settings,
                                        size_t count, poplin_fault_handle *handle, poplin_error *error);

/*
 * The same from text as above: a command, * for any, then settings. A value with spaces stands in double quotes, in
 * which \r \n \t \" \\ and \xNN are known.
 */
POPLIN_API int poplin_testkit_add_fault_text(poplin_testkit *kit, const char *text, poplin_fault_handle *handle,
                                             poplin_error *error);

/* A profile: faults under one name, that play a real server's behaviour or an attacker's. */
typedef struct poplin_profile {
    const char *name;          /* named after the behaviour: "first-dot-unstuffed" */
    const char *meaning;       /* what it does, and which servers do it */
    const char *const *faults; /* as text, ended by NULL */
} poplin_profile;

/* The quirks of real servers, and the attacks on STLS, each ended by a row whose name is NULL. Static. */
POPLIN_API const poplin_profile *poplin_testkit_quirks(void);
POPLIN_API const poplin_profile *poplin_testkit_attacks(void);

/*
 * Adds all faults of the quirk or attack of this name, under its name and one id. UNSUPPORTED: there is none, the nearest
 * is named; STATE: there are faults of this name already; *error (may be NULL) tells. NOMEM.
 */
POPLIN_API int poplin_testkit_add_profile(poplin_testkit *kit, const char *name, poplin_fault_handle *handle,
                                          poplin_error *error);

/*
 * Removes it; what it has begun goes on. *fired (may be NULL) gets how often it took effect. STATE: it is not there any
 * more.
 */
POPLIN_API int poplin_testkit_remove(poplin_testkit *kit, uint64_t id, uint64_t *fired);

/* How often it has taken effect so far, all faults of a profile together; 0 as well where it is not there any more. */
POPLIN_API uint64_t poplin_testkit_fired(poplin_testkit *kit, uint64_t id);

/* ---- what happened ---- */

/* A command and its reply, as they crossed the wire. */
typedef struct poplin_exchange {
    enum poplin_verb verb; /* NO_VERB: the greeting, the server's words at the end, or an unknown command */
    const char *command;   /* masked; "" for the greeting and for words at the end */
    const char *reply;     /* the first line as sent, masked, control characters visible; "" before it was sent */
    const char *text;      /* the lines behind it, each ended by LF, cut at 4 KiB; mail is left out */
    const char *unique_id; /* of the message that the command names; "" where there is none */
    uint64_t octets;       /* of the reply that went out */
    uint64_t octets_given; /* of the reply as the session gave it */
    bool tls;              /* under TLS */
    bool secret;           /* the command held a secret: a login's, or one of the kit's */
    bool leaked;           /* and it crossed in clear */
    bool complete;         /* all of the reply went out as the session gave it */
    bool landed;           /* nothing of the reply is to come any more, complete or not */
    const char *fault;     /* the names of the faults that took effect, by ", "; "" where none did */
} poplin_exchange;

/* One session, as it was at the moment of the call. All strings end in NUL and belong to the record. */
typedef struct poplin_record {
    uint64_t number; /* 1 for the first that connected */
    const char *peer;
    bool open;      /* not ended, or its last reply is still to leave: outcome means nothing yet */
    bool connected; /* its connection is not closed yet: more octets of the last replies may go out */
    enum poplin_outcome outcome;
    const char *error;                /* why it failed or was dropped, where that is known, else "" */
    const char *tls;                  /* as poplin_tls_describe; "" without TLS */
    const char *user;                 /* who logged in, octets as they came; "" nobody */
    const char *mechanism;            /* "USER", "PLAIN"; "" nobody */
    uint64_t octets_in;               /* of commands, without TLS */
    uint64_t octets_out;              /* of replies, without TLS */
    const char *const *retrieved;     /* unique-ids whose RETR was answered whole, in order, ended by NULL */
    const char *const *deleted;       /* unique-ids that the commit removed, ended by NULL: empty unless COMMITTED */
    const char *const *marked;        /* unique-ids that were marked last */
    const poplin_exchange *exchanges; /* in order; the greeting is the first */
    size_t exchange_count;
    uint64_t exchanges_not_kept;
    uint64_t leaks; /* how many commands leaked, those of exchanges that are not kept among them */
} poplin_record;

/* How many sessions there were since the beginning or the last reset, and how many of the oldest are no longer kept. */
POPLIN_API void poplin_testkit_count(poplin_testkit *kit, uint64_t *sessions, uint64_t *not_kept);

/*
 * The session at index, counted from 0 among those that are kept: a copy for the caller. REFUSED: there is none; NOMEM: also
 * where memory ran out while it was written down.
 */
POPLIN_API int poplin_testkit_record(poplin_testkit *kit, size_t index, poplin_record **record);
POPLIN_API int poplin_testkit_record_numbered(poplin_testkit *kit, uint64_t number, poplin_record **record);
POPLIN_API void poplin_record_free(poplin_record *record);

/*
 * A word for the outcome, as poplin_outcome_word; "open" while it is. Static.
 */
POPLIN_API const char *poplin_record_outcome(const poplin_record *record);

/*
 * The conversation for a person, masked, a line each: "C: " what the client said, "S: " what it was told, "!! " the faults that took effect,
 * "== " how it ended. Freed by free(). NULL: out of memory.
 */
POPLIN_API char *poplin_record_transcript(const poplin_record *record);

/*
 * A transcript as it comes into being. *text gets the lines that have been added since the call before, and will not change
 * any more: a command at once, its reply when all of it has gone out that will, the end when the session has ended. It may be
 * empty; freed by free(). *position is 0 at first and this function's own from then on; POPLIN_TRANSCRIPT_OVER: nothing more
 * will come. The cost of a call is that of what is new. REFUSED: the session of this number is not kept; NOMEM as for records.
 */
#define POPLIN_TRANSCRIPT_OVER UINT64_MAX
POPLIN_API int poplin_testkit_follow(poplin_testkit *kit, uint64_t number, uint64_t *position, char **text);

/* ---- waiting for it ---- */

/*
 * Counts up with everything that is logged. poplin_testkit_wait returns OK as soon as it is not seen any more (at once where it is not), TIMEOUT after
 * so many milliseconds (-1: never), INTERRUPTED where a signal came, IO where the system has no descriptor left.
 */
POPLIN_API uint64_t poplin_testkit_changes(poplin_testkit *kit);
POPLIN_API int poplin_testkit_wait(poplin_testkit *kit, uint64_t seen, int milliseconds);

/*
 * For a host that has a loop and a server on another thread: each change wakes this loop from now on, so that it can wait in
 * poplin_loop_step. NULL: none, as at first. The loop is freed after the kit, or after a call with NULL.
 */
POPLIN_API void poplin_testkit_wake(poplin_testkit *kit, poplin_loop *loop);

/* ---- judging it ---- */

/*
 * Each returns NULL where the record is as it should be, else what is wrong, for a person: what was expected, the nearest to it that
 * happened, the transcript. Freed by poplin_explanation_free. A record of an open session is judged as it stands; out of memory is told
 * by an explanation too.
 *
 *   quit       the client said QUIT and was answered +OK
 *   deleted    the commit removed these, and nothing else
 *   retrieved  each of these was sent whole
 *   no_cleartext_secret  no password, digest or authentication exchange crossed without TLS
 *   order      these commands came in this order, others between them allowed: a keyword, or the first words of a command as shown ("DELE 2")
 */
POPLIN_API char *poplin_record_check_quit(const poplin_record *record);
POPLIN_API char *poplin_record_check_deleted(const poplin_record *record, const char *const *unique_ids, size_t count);
POPLIN_API char *poplin_record_check_retrieved(const poplin_record *record, const char *const *unique_ids,
                                               size_t count);
POPLIN_API char *poplin_record_check_no_cleartext_secret(const poplin_record *record);
POPLIN_API char *poplin_record_check_order(const poplin_record *record, const char *const *commands, size_t count);

/* Frees an explanation. NULL is allowed. */
POPLIN_API void poplin_explanation_free(char *explanation);

#ifdef __cplusplus
}
#endif
#endif
