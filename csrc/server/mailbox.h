/*
 * server/mailbox.h - the snapshot that a session works on: sizes, unique-ids and deletion marks (RFC 1939 sections 4
 * and 5). It knows no protocol and no session.
 */
#ifndef POPLIN_SERVER_MAILBOX_H
#define POPLIN_SERVER_MAILBOX_H

#include <poplin/types.h>

typedef struct poplin_message {
    uint64_t octets;  /* or POPLIN_OCTETS_UNKNOWN */
    size_t unique_id; /* where it stands in unique_ids: one octet for its length, then its octets */
} poplin_message;

/* All zero is an empty one. messages is one allocation, in which the others lie too. */
typedef struct poplin_mailbox {
    poplin_message *messages;
    unsigned char *marks;   /* one bit a message */
    unsigned char *utf8;    /* the same: the header is not plain ASCII */
    unsigned char *gone;    /* the same: somebody else has deleted it */
    unsigned char *fetched; /* the same: it was sent whole */
    char *unique_ids;
    size_t count;
    size_t marked;
    size_t unmeasured;      /* messages of unknown size, marked ones included */
    uint64_t octets;        /* of all messages that were measured */
    uint64_t marked_octets; /* of those among them that are marked */
} poplin_mailbox;

/*
 * Copies the listing. ERR_LIMIT: more than max messages; ERR_PROTOCOL: a unique-id that is none or stands twice, or a sum
 * of octets beyond 2^63-1; ERR_NOMEM. *bad is then the index of the first message that is wrong.
 */
int poplin_mailbox_fill(poplin_mailbox *mailbox, const poplin_listing *messages, size_t count, size_t max, size_t *bad);

void poplin_mailbox_free(poplin_mailbox *mailbox);

poplin_slice poplin_mailbox_unique_id(const poplin_mailbox *mailbox, size_t index);

bool poplin_mailbox_is_marked(const poplin_mailbox *mailbox, size_t index);

bool poplin_mailbox_is_utf8(const poplin_mailbox *mailbox, size_t index);

/* Marks a message that is not marked. */
void poplin_mailbox_mark(poplin_mailbox *mailbox, size_t index);

void poplin_mailbox_unmark_all(poplin_mailbox *mailbox);

/* The first message from index on that is not marked; count: none. */
size_t poplin_mailbox_next(const poplin_mailbox *mailbox, size_t index);

/* Notes the size of a message of unknown size that is not marked. */
void poplin_mailbox_measured(poplin_mailbox *mailbox, size_t index, uint64_t octets);

/* Notes that a message was sent whole, which nothing takes back. */
void poplin_mailbox_fetch(poplin_mailbox *mailbox, size_t index);

/*
 * The indexes of the marked messages that are there, or of the fetched ones as well, ascending, for the caller to free; *count
 * may be 0. NULL: out of memory.
 */
size_t *poplin_mailbox_leaving(const poplin_mailbox *mailbox, bool fetched_too, size_t *count);

bool poplin_mailbox_is_gone(const poplin_mailbox *mailbox, size_t index);

/* Notes which messages somebody else has deleted. OK; ERR_NOMEM. */
int poplin_mailbox_lose(poplin_mailbox *mailbox, const poplin_slice *unique_ids, size_t count);

#endif
