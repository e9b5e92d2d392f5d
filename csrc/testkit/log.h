/*
 * testkit/log.h - sessions and their exchanges as they are being written. No lock: the kit holds its own around every call.
 *
 * What it holds may be secret; whoever reads it masks (record.c). It is wiped when it is freed.
 */
#ifndef POPLIN_TESTKIT_LOG_H
#define POPLIN_TESTKIT_LOG_H

#include <poplin/session.h>

#include "wire/buffer.h"

/* An exchange that was beyond the limit: its functions do nothing. */
#define POPLIN_NOT_LOGGED SIZE_MAX

/* Where a string begins in the words of a session. 0: "". */
typedef size_t poplin_word;

typedef struct poplin_logged_exchange {
    enum poplin_verb verb;
    bool tls, secret, leaked, complete;
    bool mail;       /* what stands behind the first line is counted, not kept */
    bool first_line; /* it has been said, its LF included */
    bool landed;     /* nothing of its reply is to come any more */
    bool text_cut, reply_cut;
    poplin_word command, fault, unique_id;
    size_t reply; /* where the first line begins in said; the text stands behind it */
    size_t reply_size, text_size;
    uint64_t octets, octets_given;
} poplin_logged_exchange;

typedef struct poplin_logged_session {
    uint64_t number;
    bool open;
    bool kept;          /* it is in the log's list */
    bool held;          /* its tap still writes to it */
    bool out_of_memory; /* something could not be written down */
    enum poplin_outcome outcome;
    uint64_t octets_in, octets_out;
    poplin_buffer words; /* strings, each ended by NUL */
    poplin_word peer, error, tls, user, mechanism;
    poplin_buffer said;              /* first lines and texts of replies, as they went out */
    poplin_buffer retrieved, marked; /* unique-ids, each ended by NUL */
    poplin_logged_exchange *exchanges;
    size_t exchange_count, exchange_capacity;
    uint64_t exchanges_not_kept;
    uint64_t leaks; /* of all exchanges */
} poplin_logged_session;

/* All zero but for the limits is an empty log. */
typedef struct poplin_log {
    size_t sessions_kept, exchanges_kept;
    poplin_logged_session **sessions; /* [first, first + count), in the order of their numbers */
    size_t first, count, capacity;
    uint64_t last_number;
    uint64_t not_kept;
} poplin_log;

void poplin_log_free(poplin_log *log);

/* Forgets ended sessions. Numbers begin anew where none is left. */
void poplin_log_reset(poplin_log *log);

/* The session of this number; NULL: it is not kept. */
poplin_logged_session *poplin_log_find(const poplin_log *log, uint64_t number);

/* Begins a session, held by its tap. NULL: out of memory. */
poplin_logged_session *poplin_log_open(poplin_log *log, const char *peer);

/* How it ends: DROPPED, if nobody tells. It is open until what it says last is written down. */
void poplin_log_outcome(poplin_logged_session *session, enum poplin_outcome outcome, const char *error);

/* It has ended. Sessions that are too many go. */
void poplin_log_end(poplin_log *log, poplin_logged_session *session);

/* Its tap is gone, and so it has ended. */
void poplin_log_release(poplin_log *log, poplin_logged_session *session);

/* ---- what is written about a session: where memory runs out, out_of_memory is set ---- */

/* Keeps a string. */
poplin_word poplin_log_word(poplin_logged_session *session, poplin_slice word);
const char *poplin_log_read(const poplin_logged_session *session, poplin_word word);

/* Whether the next exchange is going to be kept, and its strings are worth keeping. */
bool poplin_log_has_room(const poplin_log *log, const poplin_logged_session *session);

/* A command has come, and its strings are kept: where in exchanges it stands, or NOT_LOGGED. */
size_t poplin_log_exchange(const poplin_log *log, poplin_logged_session *session,
                           const poplin_logged_exchange *exchange);

/* Octets of its reply are going out: the next ones, that were not told before. */
void poplin_log_say(poplin_logged_session *session, size_t exchange, poplin_slice octets);

/* The exchange, or NULL for NOT_LOGGED. */
poplin_logged_exchange *poplin_log_at(poplin_logged_session *session, size_t exchange);

/* Adds a unique-id to retrieved or marked. */
void poplin_log_name(poplin_logged_session *session, poplin_buffer *names, poplin_slice unique_id);

#endif
