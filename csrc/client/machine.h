/*
 * client/machine.h - what the client's machine is made of, for the files of this directory only.
 *
 *     client.c        the object: made, freed, fed, pulled; failures
 *     send.c          commands: queued, held back, sent in a sliding window
 *     own.c           commands that only the host knows
 *     receive.c       replies, listings and bodies: read and turned into events
 *     open.c          the opening: CAPA and STLS, as commands of the machine's own
 *     login.c         the login: USER and PASS, APOP, or an exchange of AUTH
 *     choice.c        which way to log in
 *     capabilities.c  what the server announced
 *     trace.c         what is said, for people to see
 *     numbers.c       which message numbers a listing may name
 *
 * A step of the machine answers POPLIN_OK (the event is filled), POPLIN_NEED_INPUT, POPLIN_WAITING, or
 * POPLIN_AGAIN: something was read that makes no event of its own, or the machine has just failed.
 *
 * Functions that the files share are named poplin_step_..., since poplin_client_... is the host's; those that work on one
 * part of the machine are named after it: poplin_opening_..., poplin_capabilities_..., poplin_numbers_...
 */
#ifndef POPLIN_CLIENT_MACHINE_H
#define POPLIN_CLIENT_MACHINE_H

#include <poplin/client.h>

#include "sasl/ways.h"
#include "wire/dots.h"
#include "wire/grammar.h"
#include "wire/line.h"

enum { POPLIN_AGAIN = 100 };

/* What the next octets from the server are, or why none are wanted. */
typedef enum poplin_reading {
    POPLIN_READING_GREETING,
    POPLIN_READING_REPLY, /* the first line of the reply to the oldest command in flight */
    POPLIN_READING_LISTING,
    POPLIN_READING_CAPABILITIES,
    POPLIN_READING_BODY,
    POPLIN_STARTING_TLS, /* STLS was accepted, START_TLS is not handed out yet */
    POPLIN_IN_HANDSHAKE, /* until poplin_client_tls */
    POPLIN_LEAVING,      /* QUIT was answered: only the end is to come */
    POPLIN_FAILING,      /* FAILED is not handed out yet */
    POPLIN_OVER
} poplin_reading;

/* A command from its submission to the end of its reply. */
typedef struct poplin_pending {
    uint64_t tag;
    uint64_t charge; /* octets of content that the window holds for it */
    uint32_t number;
    uint32_t lines;
    enum poplin_verb verb;
    bool ranged;   /* LANG with a range */
    bool internal; /* the opening's own: its reply makes no REPLY event */

    /* Of poplin_client_command; the verb is then none: */
    bool own;
    bool multiline;
    bool secret;
    bool alone; /* nothing follows it until it is answered */
    char *line;
    size_t line_size;
} poplin_pending;

/* A ring of commands, oldest first: those in flight, then those not sent yet. */
typedef struct poplin_queue {
    poplin_pending *slots;
    size_t capacity; /* 0 or a power of two */
    size_t head;
    size_t count;
    size_t in_flight;
    uint64_t charged; /* the charges of those in flight */
} poplin_queue;

/* What poplin_client_retr_all has still to send: the message at next and those behind it. */
typedef struct poplin_series_queue {
    poplin_wanted *wanted;
    size_t count;
    size_t next;
    uint64_t tag;
} poplin_series_queue;

/* Where in capabilities.lines one capability's name stands, with its parameters behind it. */
typedef struct poplin_capability_place {
    size_t name, name_size;
    size_t parameters, parameters_size;
} poplin_capability_place;

typedef struct poplin_capabilities {
    poplin_buffer lines;
    poplin_buffer places; /* poplin_capability_place */
    size_t count;
    size_t lines_read; /* of the reply that is being read, ignored ones included */
    bool pipelining;   /* looked up once a reply, for they are asked for all the time */
    bool codes;
} poplin_capabilities;

/* Which message numbers exist, as far as the server said, and which the listing being read has named. */
typedef struct poplin_numbers {
    unsigned char *seen; /* one bit a number */
    size_t size;
    uint32_t highest; /* of this listing */
    bool bounded;     /* the maildrop's last number is known to be: */
    uint32_t last;
    uint32_t deleted; /* deletions that the server accepted since the login or RSET */
} poplin_numbers;

typedef enum poplin_due { POPLIN_NOTHING_DUE, POPLIN_RESPONSE_DUE, POPLIN_CANCEL_DUE } poplin_due;

/* The opening or login that is under way, and the secrets that it needs. */
typedef struct poplin_opening {
    bool active;
    bool wants_login;
    uint64_t tag;
    poplin_buffer user;
    poplin_buffer password;
    poplin_buffer token;
    poplin_buffer authorize;
    unsigned way;                 /* that was chosen, of those above */
    poplin_sasl_client *exchange; /* of AUTH; NULL: none is under way */
    poplin_buffer message;        /* what the mechanism answers; or APOP's argument */
    poplin_buffer response;       /* the same in base64 */
    bool initial;                 /* it goes with the AUTH line */
    bool held;                    /* it was made, and waits for the empty challenge */
    poplin_due due;               /* a line of the SASL exchange that is to be sent */
    bool rejected;                /* the server said inside the exchange that the secret is wrong */
    const char *refusal;   /* why the exchange was cancelled: the machine fails with this when that is answered */
    enum poplin_code code; /* of the login's reply, as is said */
    poplin_buffer said;
    poplin_buffer answer; /* what the server said of the token */
} poplin_opening;

struct poplin_client {
    poplin_client_config config;
    poplin_reading reading;
    int phase;
    bool tls;
    bool quitting;    /* QUIT was submitted */
    bool utf8;        /* UTF8 was, and has not been refused */
    bool opened_utf8; /* it was by the opening, which asks but once */
    bool challenged;  /* a line of the host's own was answered by "+ ...": nothing is sent but another one */
    const char *mechanism;
    poplin_tls_facts facts;  /* all zero without TLS */
    bool bound;              /* the channel binding was used, which it may be once (SASL-CB-9) */
    unsigned ways;           /* that may be used, or-ed as 1 << way */
    bool named;              /* they were named, so those used only by name may be */
    char *host;              /* a copy of config's */
    poplin_buffer timestamp; /* of the greeting, where APOP may use it */

    const char *cursor; /* of what is lent */
    const char *end;
    bool eof;
    bool clean; /* eof: not cut short */
    poplin_line_reader lines;
    poplin_unstuffer unstuffer;
    uint64_t received; /* octets of the content being read */
    uint64_t listed;   /* lines of the listing being read */
    bool over_limit;   /* the content has octets beyond max_message */

    poplin_buffer output;
    bool output_secret; /* output held a secret: it is wiped when sent */
    poplin_queue queue;
    poplin_series_queue series;

    poplin_capabilities capabilities;
    poplin_numbers numbers;
    poplin_buffer language; /* the range of a LANG that is not sent yet */
    poplin_opening opening;
    poplin_teller *tell; /* NULL: nobody wants to know */
    void *tell_context;
    poplin_error error;
};

/* ---- client.c ---- */

/* Fails the machine: fills in the error, forgets output and secrets. peer: the server's words. Returns AGAIN. */
int poplin_step_fail(poplin_client *client, int status, poplin_slice peer, const char *reason);

/* What to answer where no octets are left: NEED_INPUT, or the failure that the end of the connection is. */
int poplin_step_starved(poplin_client *client);

/* ---- send.c ---- */

/* Queues a command; OK or ERR_NOMEM. */
int poplin_step_queue(poplin_client *client, const poplin_pending *command);

/* The same, before all others; only where none is in flight. */
int poplin_step_queue_first(poplin_client *client, const poplin_pending *command);

/* The oldest command in flight; NULL: none. */
poplin_pending *poplin_step_head(const poplin_client *client);

/* What the window holds for content of so many octets; 0: not known. */
uint64_t poplin_step_charge(const poplin_client *client, uint64_t octets);

/* The reply to the oldest command in flight is complete. */
void poplin_step_answered(poplin_client *client);

/* size octets of content came for the oldest command: beyond what it was charged for they count against the window. */
void poplin_step_received(poplin_client *client, uint64_t size);

/* Wipes and frees what the queue holds of the host's own lines: they are not sent any more. */
void poplin_step_forget(poplin_client *client);

void poplin_step_queue_free(poplin_client *client);

/* ---- own.c ---- */

/* Appends the line to the output. OK or ERR_NOMEM. */
int poplin_own_write(poplin_client *client, const poplin_pending *command);

/* Wipes and frees the line. */
void poplin_own_forget(poplin_pending *command);

/* Writes the line, masked, for an error. */
void poplin_own_describe(const poplin_pending *command, char *doing, size_t size);

/* Whether the server's words repeat the secret of this command. */
bool poplin_own_repeated(const poplin_pending *command, poplin_slice words);

/* ---- receive.c ---- */

/* One step in each place where octets are read. */
int poplin_step_greeting(poplin_client *client, poplin_client_event *event);
int poplin_step_reply(poplin_client *client, poplin_client_event *event);
int poplin_step_listing(poplin_client *client, poplin_client_event *event);
int poplin_step_capabilities(poplin_client *client, poplin_client_event *event);
int poplin_step_body(poplin_client *client, poplin_client_event *event);

/* ---- open.c ---- */

/* The opening, where one was begun, asks CAPA: after the greeting, and again when TLS stands. OK or ERR_NOMEM. */
int poplin_opening_ask(poplin_client *client);

/* The capabilities have been read, or the server does not know CAPA: what comes next? */
int poplin_opening_go_on(poplin_client *client, poplin_client_event *event);

/* The status line that answers one of the opening's own commands. */
int poplin_opening_reply(poplin_client *client, const poplin_status_line *status, poplin_client_event *event);

/* It ended, with this status: fills in OPENED. Returns OK. */
int poplin_opening_done(poplin_client *client, int status, poplin_client_event *event);

/* Queues a command of the machine's own. OK or ERR_NOMEM. */
int poplin_opening_queue(poplin_client *client, enum poplin_verb verb);

/* Ends a step that did what status says: AGAIN, or the machine has failed. */
int poplin_opening_going_on(poplin_client *client, int status);

/* Whether TLS is still to come by STLS. */
bool poplin_opening_wants_tls(const poplin_client *client);

/* The opening is over: secrets are wiped. */
void poplin_opening_end(poplin_client *client);

/* ---- login.c ---- */

/* Keeps what to log in with. As poplin_client_open. */
int poplin_login_keep(poplin_client *client, const poplin_credentials *credentials);

/* Wipes it. */
void poplin_login_forget(poplin_opening *opening);

/* Chooses a way and begins. AGAIN, also where the machine has failed because there is none. */
int poplin_login_begin(poplin_client *client);

/* The status line that answers USER, PASS, APOP or AUTH. */
int poplin_login_reply(poplin_client *client, const poplin_status_line *status, poplin_client_event *event);

/* Fills in what USER, PASS, APOP or AUTH sends. */
void poplin_login_arguments(poplin_client *client, poplin_parsed_command *line);

/* Appends the line of the SASL exchange that is due. OK or ERR_NOMEM. */
int poplin_login_write_due(poplin_client *client);

/* The server's words, or, where they repeat a secret of the login or of the host's own command, words that say so (T-SEC-1). */
poplin_slice poplin_login_conceal(const poplin_client *client, poplin_slice words);

/* ---- choice.c ---- */

/* Whether one of the ways needs neither password nor token. */
bool poplin_choice_is_free(unsigned ways);

/*
 * Begins the strongest way that server, credentials, link and host permit: opening->way, and opening->exchange where it is a
 * mechanism. OK; UNSUPPORTED: none, and *why, made by the call, lists what was offered and why each was passed over; NOMEM.
 */
int poplin_choice_make(poplin_client *client, poplin_buffer *why);

/* ---- capabilities.c ---- */

/* Empties the table for a new reply, or because TLS starts (RFC 2595 section 4). */
void poplin_capabilities_clear(poplin_capabilities *capabilities);

/* One line of a CAPA reply; a line that is no capability is ignored. OK or ERR_NOMEM. */
int poplin_capabilities_add(poplin_capabilities *capabilities, poplin_slice line);

/* The reply is complete. */
void poplin_capabilities_done(poplin_capabilities *capabilities);

/* True where name was announced, and, unless parameter is NULL, with that parameter. */
bool poplin_capabilities_have(const poplin_capabilities *capabilities, const char *name, const char *parameter);

void poplin_capabilities_free(poplin_capabilities *capabilities);

/* ---- trace.c: to be called where somebody wants to know, that is, tell is not NULL ---- */

/* A command was written behind so many octets of the output. */
void poplin_trace_command(const poplin_client *client, const poplin_pending *command, size_t from);

/* So was a line of the SASL exchange. */
void poplin_trace_response(const poplin_client *client, poplin_slice line);

/* A line came that is shown as it is, secrets aside. */
void poplin_trace_received(const poplin_client *client, poplin_slice line);

/* A body or listing is over; end says how, if it is not whole. */
void poplin_trace_content(const poplin_client *client, const char *end);

/* The login succeeded; what it was made with is still there. */
void poplin_trace_login(const poplin_client *client);

/* ---- numbers.c ---- */

/* A listing begins. */
void poplin_numbers_begin(poplin_numbers *numbers);

/* The listing names number. OK; ERR_PROTOCOL: twice, or above the last; ERR_LIMIT: above most; ERR_NOMEM. */
int poplin_numbers_add(poplin_numbers *numbers, uint32_t number, size_t most);

/* A LIST of everything is complete: what it says of the last number counts where nothing better is known. */
void poplin_numbers_listed(poplin_numbers *numbers);

/* STAT counts what is not deleted. */
void poplin_numbers_stat(poplin_numbers *numbers, uint32_t count);

/* Something may have been deleted, or the maildrop be another: no number is too high any more. */
void poplin_numbers_forget(poplin_numbers *numbers);

#endif
