/*
 * server/machine.h - the inside of poplin_session: what its files share.
 *
 * It is always the turn of one thing. Command lines are read at TURN_READ; a handler (server/commands.c) answers at once
 * or hands the turn on, and an answer of the host or poplin_session_next brings it back. Only poplin_session_next does
 * work: an answer notes what was said and writes at most one reply.
 *
 * Functions that the files share are named poplin_turn_..., since poplin_session_... is the host's.
 */
#ifndef POPLIN_SERVER_MACHINE_H
#define POPLIN_SERVER_MACHINE_H

#include <poplin/session.h>

#include "sasl/ways.h"
#include "server/mailbox.h"
#include "wire/buffer.h"
#include "wire/dots.h"
#include "wire/grammar.h"
#include "wire/line.h"
#include "wire/mask.h"

enum poplin_turn {
    TURN_READ,      /* reads the next command */
    TURN_RESPOND,   /* reads the client's answer to an AUTH challenge */
    TURN_TELL,      /* watched: the COMMAND of the line that was read is to be handed out */
    TURN_TOLD,      /* watched: it was, and the line is to be carried out */
    TURN_ASK,       /* a question is to be handed out */
    TURN_ASKED,     /* it was, and is open */
    TURN_SEND,      /* a piece of a message goes out, or is counted */
    TURN_LIST,      /* the lines of a LIST or UIDL go out */
    TURN_START_TLS, /* START_TLS is to be handed out */
    TURN_HANDSHAKE, /* it was: nothing may be read until TLS stands */
    TURN_CLOSE,     /* CLOSED is to be handed out */
    TURN_CLOSED
};

/* What a message is read for. */
enum poplin_purpose { PURPOSE_RETR, PURPOSE_TOP, PURPOSE_MEASURE };

/* The message that is being read. */
struct poplin_transfer {
    enum poplin_purpose purpose;
    size_t index;
    bool lent;          /* the host gave a piece and was not told yet that it may go */
    bool last;          /* the piece is the last one */
    const char *cursor; /* what is left of the piece */
    const char *end;
    poplin_stuffer stuffer;
};

/* Events about a message that are handed out before anything else happens. */
struct poplin_owed {
    bool done;
    bool mismatch;
    size_t index;
    uint64_t announced;
    uint64_t octets;
};

/* The STAT, LIST or UIDL that is being answered. */
struct poplin_listing_work {
    enum poplin_verb verb;
    uint32_t number; /* 0: all messages */
    size_t next;     /* the index to measure or to list next */
};

/* What only a watched session keeps. */
struct poplin_watched {
    bool replying; /* a reply was begun, or a line skipped, and REPLIED has not told of it */
    bool response; /* the line at hand was read at TURN_RESPOND */
    int result;    /* of the line at hand: OK, PROTOCOL or LIMIT */
    poplin_slice line;
    poplin_buffer substitute; /* holds the line where the host gave it */
    poplin_session_line told;
    char shown[POPLIN_SHOWN_MAX];
};

/* The login at hand. */
struct poplin_login {
    unsigned way;                 /* POPLIN_WAY_..., or a mechanism */
    bool named;                   /* the host said who it is */
    bool refused;                 /* the token was: that is counted, and told in the exchange */
    poplin_buffer user;           /* who logs in or has logged in */
    uint64_t user_line;           /* the line that held a good USER; PASS must be on the next */
    poplin_buffer secret;         /* the password of PASS, the digest of APOP, while it is verified */
    poplin_slice shown;           /* a password or token that the host is asked about: in secret, or the exchange's */
    poplin_sasl_server *exchange; /* of AUTH */
    poplin_buffer late;           /* what DELAY holds back: the -ERR, or a refused token's challenge */
};

struct poplin_session {
    poplin_session_config config; /* its strings are not used: what is needed of them follows */
    unsigned ways;                /* a set: to log in, where the link permits */
    char *host;                   /* or NULL */
    poplin_buffer pepper;
    poplin_buffer timestamp; /* of the greeting; empty: no APOP */
    int phase;               /* 0 at the end */
    enum poplin_turn turn;
    bool tls;
    bool eof;
    bool eof_clean;
    bool out_of_memory;             /* a reply could not be written: the session must end */
    struct poplin_watched *watched; /* NULL: it is not */

    const char *cursor; /* what is left of the lent octets */
    const char *end;
    bool input_seen;
    poplin_line_reader reader;
    size_t swallowed; /* octets of a line beyond the limit */
    uint64_t lines;   /* lines read, the one at hand included */
    poplin_buffer output;

    uint64_t question; /* the number of the last one */
    enum poplin_session_event_kind asks;

    struct poplin_login login;
    poplin_tls_facts *facts; /* NULL: no TLS, or no longer needed */
    bool binds;              /* the connection has channel binding */
    bool bound;              /* and it was tried */
    bool certified;          /* the client's certificate names a user */
    bool utf8;               /* the client has sent UTF8 */
    bool translated;         /* and LANG: replies are in UTF-8, with the texts of */
    poplin_slice texts;      /* this language */
    unsigned bad_commands;
    unsigned failed_logins;

    uint32_t login_delay; /* of the user: what CAPA tells in TRANSACTION */
    uint32_t expire;
    poplin_mailbox mailbox;
    struct poplin_transfer transfer;
    struct poplin_owed owed;
    struct poplin_listing_work listing;
    size_t *indexes; /* what COMMIT names, so many: */
    size_t index_count;

    poplin_teller *tell; /* NULL: nobody wants to know */
    void *tell_context;

    enum poplin_outcome outcome;
    poplin_error error; /* status is POPLIN_OK: none is known */
};

/* ---- session.c ---- */

/* Asks the host; the fields of the event are taken from the session when it is handed out. */
void poplin_turn_ask(poplin_session *session, enum poplin_session_event_kind kind);

/* Ends the session; status may be POPLIN_OK. doing and reason may be NULL, and hold no secret. */
void poplin_turn_end(poplin_session *session, enum poplin_outcome outcome, int status, const char *doing,
                     const char *reason);

/* ---- reply.c ---- */

/* Writes one line, for which the caller bounds its texts to 400 octets. A failure is kept in out_of_memory. */
__attribute__((format(printf, 2, 3))) void poplin_turn_reply(poplin_session *session, const char *format, ...);

/* The host's words as one line of printable ASCII, cut to size, that does not begin like a response code. */
void poplin_turn_clean(const char *text, char *buffer, size_t size);

/* The response code that fits status in this state (RFC 3206). */
enum poplin_code poplin_turn_code_of(const poplin_session *session, int status);

/* -ERR with this code, and text, which may be NULL and is the host's. */
void poplin_turn_reply_refused(poplin_session *session, enum poplin_code code, const char *text);

/* ---- commands.c ---- */

/* Reads a line, and acts on it or tells of it. END: see whose turn it is now; NEED_INPUT; WAITING. */
int poplin_turn_read(poplin_session *session);

/* Acts on a line at TURN_READ or TURN_RESPOND. result: OK; PROTOCOL: no clean line; LIMIT: too long. */
void poplin_turn_act(poplin_session *session, int result, poplin_slice line);

/* Whether a line, complete, is longer than may be at this place. */
bool poplin_turn_is_too_long(const poplin_session *session, bool response, poplin_slice line);

/* Answers a command that cannot be done as it stands with -ERR, and counts it (LIM-10). */
void poplin_turn_bad_command(poplin_session *session, const char *text);

/* Whether there is such a message, not marked as deleted; if not, the command is answered with -ERR. */
bool poplin_turn_has_message(poplin_session *session, uint32_t number);

/* The host answered COMMIT. */
void poplin_turn_committed(poplin_session *session);
void poplin_turn_commit_refused(poplin_session *session, int status, enum poplin_code code, const char *text);

/* ---- watched.c: of watched sessions only ---- */

/* OK or ERR_NOMEM. */
int poplin_turn_watch(poplin_session *session);
void poplin_turn_unwatch(poplin_session *session);

/* A line was read: it is noted, to be handed out and then carried out. As poplin_turn_act. */
void poplin_turn_tell(poplin_session *session, int result, poplin_slice line);

/* Carries out the line at TURN_TOLD. */
void poplin_turn_carry_out(poplin_session *session);

/* Whether a reply is whole now of which REPLIED has not told; it then has. */
bool poplin_turn_has_replied(poplin_session *session);

/* ---- trace.c: each does nothing where nobody wants to know ---- */

/* A line was read; as poplin_turn_act. */
void poplin_turn_trace_line(const poplin_session *session, bool response, int result, poplin_slice line);

/* A line was written, or the terminator of several. */
void poplin_turn_trace_reply(const poplin_session *session, poplin_slice line);

/* Others were: a challenge; all lines of a LIST or UIDL. */
void poplin_turn_trace_challenge(const poplin_session *session);
void poplin_turn_trace_listing(const poplin_session *session);

/* The message being sent, if there is one, is over; end says how, if it is not whole. */
void poplin_turn_trace_message(const poplin_session *session, const char *end);

/* ---- offer.c ---- */

/* Notes which ways there are. UNSUPPORTED: mechanisms names one that is not known, or none. */
int poplin_turn_set_ways(poplin_session *session, const poplin_session_config *config);

/* Makes the greeting's timestamp, where there is APOP. OK; IO; NOMEM. */
int poplin_turn_make_timestamp(poplin_session *session);

/* Why a way is not offered on this link as it is now: words for the client; NULL: it is. POPLIN_WAY_COUNT is never. */
const char *poplin_turn_why_not(const poplin_session *session, unsigned way);

/* The lines of CAPA that say so. */
void poplin_turn_write_offers(poplin_session *session);

/* ---- language.c ---- */

/* Whether session_config.languages is as it should be. */
bool poplin_languages_are_good(const char *languages);

void poplin_turn_lang(poplin_session *session, const poplin_parsed_command *command);

/* Writes a text in the language that was chosen, or as it is. Returns its size; 0: it is longer than size. */
size_t poplin_turn_translate(const poplin_session *session, poplin_slice text, char *buffer, size_t size);

/* ---- auth.c ---- */

void poplin_turn_auth(poplin_session *session, const poplin_parsed_command *command);

/* A line at TURN_RESPOND; as poplin_turn_act. */
void poplin_turn_response(poplin_session *session, int result, poplin_slice line);

/* Does what the exchange wants next. status: of the call that said so; turn is not looked at where it is a failure. */
void poplin_turn_follow(poplin_session *session, int status, const poplin_sasl_turn *turn);

/* Wipes and frees it, if there is one. */
void poplin_turn_leave_exchange(poplin_session *session);

/* ---- login.c ---- */

void poplin_turn_user(poplin_session *session, const poplin_parsed_command *command);
void poplin_turn_pass(poplin_session *session, const poplin_parsed_command *command);
void poplin_turn_apop(poplin_session *session, const poplin_parsed_command *command);

/* Somebody begins to log in this way. */
void poplin_turn_begin_login(poplin_session *session, unsigned way);

/* Keeps the name of who logs in. False: out of memory, which is noted. */
bool poplin_turn_keep_user(poplin_session *session, poplin_slice user);

/* Asks the host whether the password that the user has shown, kept by the caller, is right. */
void poplin_turn_verify(poplin_session *session, poplin_slice password);

/* The host answered CHECK or TOKEN; SECRET, with a password, keys, or neither; or said no to any of them, or to MAILDROP. */
void poplin_turn_accepted(poplin_session *session);
void poplin_turn_secret(poplin_session *session, poplin_slice secret, const poplin_scram_keys *keys);
void poplin_turn_question_refused(poplin_session *session, int status, enum poplin_code code, const char *text);

/* How a login goes on: the user is who he says; the maildrop is open; -ERR; -ERR for a message that broke the rules. */
void poplin_turn_logged_in(poplin_session *session);
void poplin_turn_opened(poplin_session *session);
void poplin_turn_login_refused(poplin_session *session, int status, enum poplin_code code, const char *text);
void poplin_turn_login_malformed(poplin_session *session);

/* Whether who logs in, or has logged in, may delete nothing. */
bool poplin_turn_is_read_only(const poplin_session *session);

/* The client may hear what was held back. */
void poplin_turn_delay_over(poplin_session *session);

/* Ends the exchange and wipes what was shown, between two lines; or, at any time, what login keeps. */
void poplin_turn_forget_login(poplin_session *session);
void poplin_turn_wipe_login(poplin_session *session);

/* ---- listing.c ---- */

/* STAT, LIST and UIDL: measures first what has no known size. */
void poplin_turn_list(poplin_session *session, const poplin_parsed_command *command);

/* Goes on after a message was measured. */
void poplin_turn_list_measured(poplin_session *session);

/* Writes lines at TURN_LIST. END or WAITING. */
int poplin_turn_list_lines(poplin_session *session);

/* ---- transfer.c ---- */

void poplin_turn_retr(poplin_session *session, const poplin_parsed_command *command);
void poplin_turn_top(poplin_session *session, const poplin_parsed_command *command);

/* Counts the octets of a message, then calls poplin_turn_list_measured. */
void poplin_turn_measure(poplin_session *session, size_t index);

/* The host answered BODY. */
void poplin_turn_piece(poplin_session *session, const char *data, size_t size, bool last);
void poplin_turn_body_refused(poplin_session *session, int status, enum poplin_code code, const char *text);

/* Sends or counts what is left of the piece at TURN_SEND. END or WAITING. */
int poplin_turn_send(poplin_session *session);

/* The message is not read any further: what was lent of it may go. */
void poplin_turn_release(poplin_session *session);

#endif
