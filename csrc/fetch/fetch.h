/*
 * fetch/fetch.h - inside a fetch: what its files share.
 *
 *   fetch.c      the engine as its host sees it, and the phases of a session one after the other
 *   listing.c    what the server lists: numbers, sizes, keys
 *   plan.c       the listing beside the records: what is to be done with each message
 *   order.c      what is taken in this session, in which order, and in which rounds
 *   headers.c    headers by TOP, many ahead: for keys where there is no UIDL, and for the filter
 *   transfer.c   messages by RETR, many ahead, and the deletions among them
 *   records.c    what is to be written down next
 */
#ifndef POPLIN_FETCH_INTERNAL_H
#define POPLIN_FETCH_INTERNAL_H

#include <poplin/fetch.h>

#include "wire/buffer.h"

/* What the plan has for a message. */
enum poplin_plan {
    POPLIN_PLAN_LEAVE,
    POPLIN_PLAN_TAKE,
    POPLIN_PLAN_HEADERS, /* too large: its header is taken */
    POPLIN_PLAN_DELETE   /* it was delivered, or rejected: only its deletion is left */
};

/* A record as it was recalled. */
typedef struct poplin_row {
    size_t key, key_size;
    uint32_t copy;
    enum poplin_step step;
    uint64_t octets;
    int64_t first_seen, changed, gone;
    bool listed;  /* one of this session's messages is it */
    bool amended; /* it is to be written as it is here now */
} poplin_row;

/* One message of the listing. */
typedef struct poplin_item {
    uint32_t number;
    uint32_t copy;
    uint64_t octets;
    size_t uid, uid_size; /* as the server told it, in the fetch's octets; size 0: none */
    size_t key, key_size; /* as it is recorded */
    int64_t first_seen;
    poplin_row *row; /* what is on record of it until it is taken; NULL: nothing */
    int64_t tried;   /* when it was begun, in vain, or where it may be another now; 0: never. What was not goes first */
    poplin_error *error; /* why it failed, or was not deleted; NULL */
    enum poplin_step step;
    enum poplin_plan plan;
    enum poplin_result result;
    bool resumed;  /* as in poplin_fetch_message */
    bool again;    /* what is on record as delivered, or rejected, may be another: it is taken as if it were not */
    bool accepted; /* by the filter */
    bool aside;    /* an earlier session of this fetch has dealt with it */
    bool deleted;  /* DELE was answered with +OK, and then that the session's QUIT was */
} poplin_item;

enum poplin_fetch_phase {
    POPLIN_PHASE_CONNECT,
    POPLIN_PHASE_LIST,
    POPLIN_PHASE_IDENTIFY,
    POPLIN_PHASE_RECALL,
    POPLIN_PHASE_FILTER, /* once in each round, as the next */
    POPLIN_PHASE_TRANSFER,
    POPLIN_PHASE_QUIT,
    POPLIN_PHASE_REPORT,
    POPLIN_PHASE_OVER
};

/* How far the session's end is. */
enum poplin_quit { POPLIN_QUIT_TO_COME, POPLIN_QUIT_SENT, POPLIN_QUIT_ANSWERED };

/* Records that the host is to write down next. */
typedef struct poplin_batch {
    poplin_seen_record *records;
    size_t count, capacity;
} poplin_batch;

struct poplin_fetch {
    poplin_fetch_config config;
    enum poplin_fetch_phase phase;
    poplin_link *link;
    enum poplin_quit quit;
    bool asked; /* the last event waits for its answer */
    enum poplin_fetch_event_kind question;
    bool failed; /* error says why; what was delivered is still recorded */
    poplin_error error;
    bool cut_short; /* by commit_every: another session follows */
    uint64_t login_delay_ms;
    uint64_t logged_in_at;

    poplin_item *items; /* by number */
    size_t item_count, item_capacity;
    size_t *queue; /* the indexes of the items that may be taken, in that order */
    size_t queue_count;
    size_t queue_open;  /* of these may be taken in this session; the others are put off */
    size_t queue_begun; /* of these the rounds have begun */
    size_t *order;      /* the indexes of those that are taken in this round */
    size_t order_count;
    size_t order_ended; /* of these have come, or will not; the next is on its way, if it was asked for */
    bool order_taken;   /* all of the order is on record as TAKEN */
    size_t *doomed;     /* the indexes of those whose deletion is due, DELE being sent for the first doomed_sent */
    size_t doomed_count, doomed_sent;
    size_t *delivered; /* the indexes of those that wait to be settled and recorded */
    size_t delivered_count;
    size_t reported; /* items, in the report */
    poplin_row *rows;
    size_t row_count, row_capacity;
    poplin_buffer octets; /* what items and rows point into */
    poplin_buffer aside;  /* keys that this fetch does not try again, each ended by LF */
    bool no_uidl;
    bool by_number; /* ... nor TOP: keys are no one's but this session's */

    bool begun_phase;     /* the phase has done what it does once */
    poplin_buffer header; /* that TOP is bringing */
    size_t sent;          /* how much of the order has been asked for in this phase */
    size_t accepted;    /* headers that served their purpose: of them a key was made, or the filter let them through */
    uint32_t in_flight; /* replies that are to come */
    bool planned;       /* the first session's listing has said: */
    uint32_t most;      /* ... messages to take in all sessions */
    uint32_t taken;     /* in all sessions, and in this one */
    uint32_t session_taken;
    size_t portion; /* of what was tried before: how many the next round takes */
    bool left;      /* some were left, for want of room, for another session */
    int64_t tried;  /* the time of what is begun in this session: later than that of any earlier try */
    bool retries;   /* what was tried before is not put off any more */

    poplin_item *item; /* that is being transferred, or asked about */
    bool begun;        /* its destination has been opened */
    bool dropped;      /* its delivery failed: the rest goes nowhere */
    bool settled;      /* what is in delivered is safe, and its record in the batch */
    bool recording;    /* the transfer waits until the batch is written down */
    uint64_t settled_at;
    uint64_t octets_left; /* to come, as far as the sizes listed can be believed */
    uint64_t item_left;   /* ... of the item that is being transferred */
    poplin_batch batch;
    poplin_fetch_message message;
    poplin_seen_record record;
    poplin_fetch_progress progress;
};

/* ---- fetch.c ---- */

/* Milliseconds from an arbitrary start, for what has to pass between two events. */
uint64_t poplin_fetch_clock(void);

/* Ends the fetch with this failure, once what was delivered is recorded. Returns status. */
int poplin_fetch_fail(poplin_fetch *fetch, const poplin_error *error);
int poplin_fetch_fail_because(poplin_fetch *fetch, int status, const char *doing, const char *reason);

/* Asks the host. Always OK. */
int poplin_fetch_ask(poplin_fetch *fetch, poplin_fetch_event *event, enum poplin_fetch_event_kind kind);

/* Asks about an item. Always OK. */
int poplin_fetch_ask_of(poplin_fetch *fetch, poplin_fetch_event *event, enum poplin_fetch_event_kind kind,
                        poplin_item *item);

/* Submits a command about an item (NULL: none); its replies carry both. */
int poplin_fetch_submit(poplin_fetch *fetch, enum poplin_verb verb, const poplin_item *item);

/* The link's next event, and the item that it is about; a failure of the link is the fetch's. */
int poplin_fetch_pull(poplin_fetch *fetch, poplin_client_event *event, poplin_item **item);

/* Notes why an item stays where it is. OK or NOMEM. */
int poplin_fetch_note_error(poplin_fetch *fetch, poplin_item *item, enum poplin_result result,
                            const poplin_error *error);

int64_t poplin_fetch_now(const poplin_fetch *fetch);

poplin_slice poplin_fetch_octets(const poplin_fetch *fetch, size_t place, size_t size);

/* ---- listing.c: OK: the phase is done; NEED_INPUT; a failure ---- */

int poplin_fetch_list(poplin_fetch *fetch);

/* Gives an item its key where there is no unique-id: of its header. OK, NOMEM, UNSUPPORTED. */
int poplin_fetch_key_by_header(poplin_fetch *fetch, poplin_item *item, poplin_slice header);

/* Gives each item a key that no other session has. OK, NOMEM, UNSUPPORTED. */
int poplin_fetch_key_by_number(poplin_fetch *fetch);

/* ---- plan.c ---- */

/* Decides, and adds to the batch what is known from the listing alone. OK, NOMEM, TEMPORARY. */
int poplin_fetch_make_plan(poplin_fetch *fetch);

/* Now, or, where the clock says less, just after that time. */
int64_t poplin_fetch_later_than(const poplin_fetch *fetch, int64_t seconds);

/* Whether a message may be deleted on the word of the record. */
bool poplin_fetch_vouches(const poplin_row *row);

/* Whether the time to keep a message is over, so that it is deleted as soon as it is delivered. */
bool poplin_fetch_is_due(const poplin_fetch *fetch, const poplin_item *item);

/* This fetch does not try the item again. OK or NOMEM. */
int poplin_fetch_set_aside(poplin_fetch *fetch, const poplin_item *item);

/* ---- order.c ---- */

/* Fills the queue and the doomed, notes what is left where it is, and begins the first round. OK or NOMEM. */
int poplin_fetch_arrange(poplin_fetch *fetch);

/* Fills the order with what is tried next. False: nothing is, in this session. */
bool poplin_fetch_begin_round(poplin_fetch *fetch);

/* How many messages may still be taken in this session. */
uint32_t poplin_fetch_room(const poplin_fetch *fetch);

/* The order is what is taken in this round, from here on. */
void poplin_fetch_close_order(poplin_fetch *fetch);

/* The octets that a message will bring, by its listing: for the progress, so within reason. */
uint64_t poplin_fetch_expected(const poplin_item *item);

/* ---- headers.c: OK with asks an event; END: the phase is done ---- */

int poplin_fetch_headers(poplin_fetch *fetch, poplin_fetch_event *event);

/* ---- transfer.c ---- */

int poplin_fetch_transfer(poplin_fetch *fetch, poplin_fetch_event *event);

/* What was asked for could not be delivered, and stays. *error may be NULL. */
void poplin_fetch_not_delivered(poplin_fetch *fetch, poplin_item *item, int status, const poplin_error *error);

/* The host's answer to BEGIN, PIECE or DELIVER. */
int poplin_fetch_transferred(poplin_fetch *fetch, int status, const poplin_error *error);

/* ---- records.c ---- */

/* Adds what is known of an item now, at a new step. OK or NOMEM. */
int poplin_fetch_note_step(poplin_fetch *fetch, poplin_item *item, enum poplin_step step);

/* Adds a row with another step or time. OK or NOMEM. */
int poplin_fetch_note_row(poplin_fetch *fetch, const poplin_row *row);

/* Adds all of the order as TAKEN, and, of what is still in the queue, that whose record may be another's. OK or NOMEM. */
int poplin_fetch_note_taken(poplin_fetch *fetch);

/*
 * Adds, of those in the order whose turn never came, what was on record before; once, where the order is on record. Not where
 * that was another's: rather twice than never.
 */
void poplin_fetch_note_untouched(poplin_fetch *fetch);

/* Asks for SETTLE and RECORD of what is there to be recorded: OK with an event; END: there is nothing. */
int poplin_fetch_write_down(poplin_fetch *fetch, poplin_fetch_event *event);

/* The host's answer to SETTLE or RECORD. */
void poplin_fetch_written_down(poplin_fetch *fetch, int status);

/* An item is delivered: it waits to be settled and recorded. */
void poplin_fetch_note_delivered(poplin_fetch *fetch, poplin_item *item);

#endif
