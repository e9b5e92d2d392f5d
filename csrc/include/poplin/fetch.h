/*
 * poplin/fetch.h - fetching without loss: which messages to take, to keep and to delete, and when each step is safe.
 *
 * The engine speaks POP3 over links and decides; what is the host's to do it asks for, one event at a time:
 *
 *     while ((status = poplin_fetch_next(fetch, &event)) != POPLIN_END)
 *         if (status == POPLIN_NEED_INPUT)
 *             poplin_fetch_wait(fetch, -1);
 *         else if (status == POPLIN_OK)
 *             ... do what event.kind asks for; poplin_fetch_answer(fetch, POPLIN_OK or why not, NULL)
 *         else
 *             ... poplin_fetch_error(fetch) says why; nothing is lost, and the next fetch goes on from there
 *
 * poplin_seen_serve (poplin/seen.h) does RECALL and RECORD with an SQLite file, poplin_places_serve (poplin/places.h)
 * BEGIN, PIECE, DELIVER, ABANDON and SETTLE with Maildirs.
 *
 * The order in which things happen to a message, and what makes it safe to be stopped between any two of them:
 *
 *     RECORD taken       what follows may be found half done
 *     RETR; BEGIN, PIECE..., DELIVER    the message is complete
 *     SETTLE             ... and stands in its place, also when the power fails
 *     RECORD delivered   it is not taken again; from here on it may be deleted
 *     DELE               rides along with the RETRs of the next messages
 *     RECORD deleted, QUIT, RECORD confirmed   where QUIT is not answered, the next listing tells
 *
 * Where a fetch fails, what was begun is abandoned, what was delivered is settled and recorded all the same, and what was recorded
 * as taken, but its turn never came, gets back the record that it had, or none. So taken stays what failed, what may have been
 * delivered when a fetch was killed or its store failed, and the message at which the session ended: the one on its way, or whose
 * header was, for FILTER, or, between two, the next one. Such messages wait until all others have had their turn, those first that
 * were tried longest ago; and where a session has something to delete, it ends by QUIT, and they are tried in another
 * one, unless the server wants more than a minute between two logins. They are recorded as taken anew, and taken, in rounds of one,
 * two, four and so on. So a message at which each session ends, or the fetch is killed each time, holds up no other.
 *
 * A message is known by the account, its unique-id, and, where the server lists one id for several messages, by which of these
 * it is (RFC 1939 section 7 allows that; T-UID-4). Nothing is deleted by a number whose unique-id was not listed in the
 * same session, nor where the size listed is not that of the message that was taken (T-UID-5, T-NUM-6). Where a server
 * has no UIDL, the SHA-256 of the header, by TOP, stands for the unique-id; where it has no TOP either, messages cannot
 * be told from each other, and only a fetch that keeps none is possible.
 *
 * A fetch belongs to one thread at a time: that of its links' loop.
 */
#ifndef POPLIN_FETCH_H
#define POPLIN_FETCH_H

#include <poplin/link.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct poplin_fetch poplin_fetch;

#define POPLIN_KEEP_FOREVER UINT64_MAX

typedef struct poplin_fetch_config {
    /* Names the maildrop in the records: the same for each fetch of it, and another's for none. */
    const char *account;
    /* Seconds that a message stays on the server, from when it was first seen; 0: it is deleted when it is delivered;
       POPLIN_KEEP_FOREVER, the default. */
    uint64_t keep;
    /* Messages to take at most; 0: all. */
    uint32_t limit;
    bool newest_first;   /* the highest numbers first, among those that were not tried before */
    uint64_t max_octets; /* larger messages are left where they are; 0: none is too large */
    bool large_headers;  /* ... but their headers are delivered, once */
    bool filter;         /* ask FILTER for each message that is new */
    /* After so many messages QUIT, so that deletions are made, and connect again; 0: never. Nor where the server wants more than
       an hour between two logins, or has neither UIDL nor TOP. */
    uint32_t commit_every;
    bool dry_run; /* take, record and delete nothing: RESULT tells what would be done */
    /* Messages delivered between two SETTLEs at most (default 64); 1 where a repeated delivery is a second one, as it is
       not in a Maildir. Besides, each second has one. */
    uint32_t settle_every;
    int64_t now; /* seconds since 1970 that count as now; 0: as the clock says */
} poplin_fetch_config;

/* How far a message has come. Recorded by name in lower case; the order is the order of things. */
#define POPLIN_STEP_TABLE(X) \
    X(TAKEN, "taken")         /* it is about to be delivered, or was when the fetch was stopped */ \
    X(HEADERS, "headers")     /* its header is delivered, it was too large to be taken */ \
    X(DELIVERED, "delivered") /* it is safe where it was delivered to */ \
    X(REJECTED, "rejected")   /* the filter had it deleted, and it was marked so */ \
    X(DELETED, "deleted")     /* delivered, and marked as deleted on the server */ \
    X(CONFIRMED, "confirmed") /* gone from the server */

enum poplin_step {
    POPLIN_STEP_NONE, /* nothing is known of it; in a RECORD: forget what is */
#define POPLIN_STEP_ENUM(name, text) POPLIN_STEP_##name,
    POPLIN_STEP_TABLE(POPLIN_STEP_ENUM)
#undef POPLIN_STEP_ENUM
};

/* "taken"; NULL for NONE and what is no step. Static. */
POPLIN_API const char *poplin_step_name(enum poplin_step step);

/* The step of a name; NONE where it is none's. */
POPLIN_API enum poplin_step poplin_step_parse(poplin_slice name);

/* What is remembered of one message of the account. */
typedef struct poplin_seen_record {
    /* The unique-id, octets outside 0x21-0x7E and "%" as %XX; or "sha256 " and hexadecimal digits where the server has none; or
       "number " and more, of no meaning to another session, where there is no TOP either. At most 1,600 octets, never with a
       control character. */
    poplin_slice uid;
    uint32_t copy; /* 0; of several messages with one unique-id the second has 1, and so on */
    enum poplin_step step;
    uint64_t octets;    /* as LIST told; POPLIN_OCTETS_UNKNOWN where it did not */
    int64_t first_seen; /* seconds since 1970; of two messages with this uid and copy, the later one's is later */
    int64_t changed;    /* when the step was reached; TAKEN: later than at any earlier try, whatever the clock says */
    int64_t gone;       /* since when it has not been listed any more; 0: it was listed last time */
} poplin_seen_record;

/* One message of the maildrop, as the host is told of it. */
typedef struct poplin_fetch_message {
    uint32_t number;        /* in this session */
    poplin_slice unique_id; /* as the server told it; {NULL, 0}: it has none */
    uint64_t octets;        /* as LIST told */
    const poplin_seen_record *record;
    /* It is on record as taken: an earlier fetch was stopped while it took this one, or could not deliver it, and may have
       delivered it; what stands under its name is it. This is so after a mere failure, too: one of several places may have it, a
       function may have failed behind its work; and where nothing has it, there is nothing under its name that could be
       mistaken for it. Else a unique-id that was there before may be another message's now. */
    bool resumed;
    bool headers_only;
} poplin_fetch_message;

/* What a filter can say. */
enum poplin_choice {
    POPLIN_CHOICE_TAKE,
    POPLIN_CHOICE_SKIP,  /* leave it; the next fetch asks again */
    POPLIN_CHOICE_REJECT /* delete it on the server, undelivered */
};

/* What became of a message. */
#define POPLIN_RESULT_TABLE(X) \
    X(DELIVERED, "delivered") \
    X(HEADERS, "headers")   /* too large: its header was delivered */ \
    X(EXPIRED, "expired")   /* delivered by an earlier fetch; the time to keep it is over */ \
    X(REJECTED, "rejected") /* by the filter */ \
    X(SKIPPED, "skipped")   /* by the filter */ \
    X(TOO_LARGE, "too large") \
    X(NO_ID, "no unique-id") /* the server told none for this one: it cannot be known again */ \
    X(FAILED, "failed")      /* it could not be delivered, and stays */ \
    X(REFUSED, "refused")    /* the server did not give it, and it stays */

enum poplin_result {
    POPLIN_RESULT_NONE,
#define POPLIN_RESULT_ENUM(name, text) POPLIN_RESULT_##name,
    POPLIN_RESULT_TABLE(POPLIN_RESULT_ENUM)
#undef POPLIN_RESULT_ENUM
};

/* "delivered"; NULL for NONE. Static. */
POPLIN_API const char *poplin_result_name(enum poplin_result result);

enum poplin_fetch_event_kind {
    POPLIN_FETCH_CONNECT, /* open a link to the account, logged in, in delay_ms at the earliest (RFC 2449 section 6.5:
                              LOGIN-DELAY); poplin_fetch_use, then answer. The link before it may be freed */
    POPLIN_FETCH_RECALL,  /* poplin_fetch_recall each record of the account, in any order, then answer */
    POPLIN_FETCH_RECORD,  /* write records[0 .. count) down, all or none, safe from a power failure; then answer */
    POPLIN_FETCH_FILTER,  /* message; text: its header. Answer with poplin_fetch_choose, or a failure: it is left */
    POPLIN_FETCH_BEGIN,   /* message: its content follows. Answer */
    POPLIN_FETCH_PIECE,   /* message; text: the next octets, CRLF line ends. Answer */
    POPLIN_FETCH_DELIVER, /* message: that was all, put it in its place, at the latest with SETTLE. Answer */
    POPLIN_FETCH_ABANDON, /* message: what was begun does not come to its end, remove it. No answer */
    POPLIN_FETCH_SETTLE, /* all that was delivered since the last is in its place, and survives a power failure. Answer */
    POPLIN_FETCH_RESULT, /* message, result, deleted, error: for a report. No answer */
};

typedef struct poplin_fetch_event {
    enum poplin_fetch_event_kind kind;
    const char *account;
    const poplin_fetch_message *message;
    poplin_slice text;
    const poplin_seen_record *records;
    size_t count;
    uint64_t delay_ms;
    enum poplin_result result;
    bool deleted;              /* the server has confirmed that it is gone; in a dry run: it would be */
    const poplin_error *error; /* RESULT: why it FAILED or was REFUSED, or was not deleted; else NULL */
} poplin_fetch_event;          /* what it points to lives until the next call */

/* How far the fetch is. What is to do is known when the first session's listing is, and the filter was asked. */
typedef struct poplin_fetch_progress {
    uint32_t messages_done, messages_to_do; /* of those that are taken; to do includes done */
    uint64_t octets_done, octets_to_do;
    uint32_t listed;  /* messages on the server when the fetch began */
    uint32_t known;   /* of these, were delivered by earlier fetches; also those too large whose header was */
    uint32_t deleted; /* confirmed */
} poplin_fetch_progress;

/* Keeps all, no limit, one session. */
POPLIN_API void poplin_fetch_config_init(poplin_fetch_config *config);

/* config is copied. PROTOCOL: the account is empty, longer than 1,000 octets or holds a control character; NOMEM. */
POPLIN_API int poplin_fetch_new(const poplin_fetch_config *config, poplin_fetch **fetch);

/* Lets it go at any time: no QUIT is sent. The link stays the host's to free, afterwards. NULL is allowed. */
POPLIN_API void poplin_fetch_free(poplin_fetch *fetch);

/*
 * The next event. NEED_INPUT: wait, and ask again. END: all is done. STATE: the last event was not answered. Any other
 * failure ends the fetch, once what was delivered is recorded, and what was not begun; each later call answers the same.
 */
POPLIN_API int poplin_fetch_next(poplin_fetch *fetch, poplin_fetch_event *event);

/*
 * Answers the event. status is POPLIN_OK or a failure, told by *error (may be NULL), which is copied. A failure of CONNECT, RECALL,
 * RECORD or SETTLE ends the fetch; one of the others leaves that message where it is. STATE: nothing was asked, or OK is no answer
 * to it: to CONNECT before poplin_fetch_use, to FILTER at all.
 */
POPLIN_API int poplin_fetch_answer(poplin_fetch *fetch, int status, const poplin_error *error);

/* CONNECT: this is the link, opened (poplin_link_opened); the engine alone uses it until the next CONNECT or the end. STATE. */
POPLIN_API int poplin_fetch_use(poplin_fetch *fetch, poplin_link *link);

/* RECALL: this is on record. Copied. STATE; PROTOCOL: no record that can be: the file was changed by another; NOMEM. */
POPLIN_API int poplin_fetch_recall(poplin_fetch *fetch, const poplin_seen_record *record);

/*
 * SETTLE, before its answer: this message of those delivered since the last one did not get to its place, after all. It counts as
 * not delivered, as if DELIVER had failed with it, and stays; the answer is about the others. STATE: nothing was asked, or it is
 * none of them (any more).
 */
POPLIN_API int poplin_fetch_unsettled(poplin_fetch *fetch, uint32_t number, int status, const poplin_error *error);

/* FILTER: the choice, which answers the event. STATE; PROTOCOL: there is no such choice. */
POPLIN_API int poplin_fetch_choose(poplin_fetch *fetch, enum poplin_choice choice);

/* Between two events: from now on settle_every is this; 0: the default. For a host that learns only now where messages go. */
POPLIN_API void poplin_fetch_settle_every(poplin_fetch *fetch, uint32_t messages);

/* Waits, at most milliseconds (-1: without limit), for what NEED_INPUT is about, as poplin_link_wait. */
POPLIN_API int poplin_fetch_wait(poplin_fetch *fetch, int milliseconds);

POPLIN_API void poplin_fetch_progress_now(const poplin_fetch *fetch, poplin_fetch_progress *progress);

/*
 * For a host that tells how far the fetch is: whether that is worth telling again, since another message is done, or to do, or known,
 * or deleted, or another 1 MiB has come. *told (zeros at first) is what was told last; it becomes what is so now, if true.
 */
POPLIN_API bool poplin_fetch_has_news(const poplin_fetch *fetch, poplin_fetch_progress *told);

/* Why it failed; NULL while it has not. Owned by the fetch. */
POPLIN_API const poplin_error *poplin_fetch_error(const poplin_fetch *fetch);

#ifdef __cplusplus
}
#endif
#endif
