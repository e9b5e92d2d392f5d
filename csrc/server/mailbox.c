/*
 * server/mailbox.c - the snapshot of a maildrop, packed: 16 octets, four bits and the unique-id for each message.
 */
#include "server/mailbox.h"
#include "wire/grammar.h"

#include <stdlib.h>
#include <string.h>

/*
 * What a million messages take is far larger than the caches. So memory that will be needed is asked for this many messages
 * ahead, for the waits to overlap.
 */
enum { AHEAD = 16 };

/* ---- copying ---- */

/* Makes room for so many messages in one piece. */
static bool allocate(poplin_mailbox *mailbox, const poplin_listing *messages, size_t count) {
    size_t table = count * sizeof *mailbox->messages, marks = count / 8 + 1, bits = 4 * marks, space = 0;

    for (size_t i = 0; i < count; i++) {
        size_t size = messages[i].unique_id.size;

        space += 1 + (size < POPLIN_UNIQUE_ID_MAX ? size : POPLIN_UNIQUE_ID_MAX); /* a longer one is refused */
    }
    char *memory = malloc(table + bits + space);

    if (memory == NULL)
        return false;
    *mailbox = (poplin_mailbox){
        .messages = (poplin_message *)(void *)memory,
        .marks = (unsigned char *)memory + table,
        .utf8 = (unsigned char *)memory + table + marks,
        .gone = (unsigned char *)memory + table + 2 * marks,
        .fetched = (unsigned char *)memory + table + 3 * marks,
        .unique_ids = memory + table + bits,
    };
    memset(mailbox->marks, 0, bits);
    return true;
}

/* Copies one message behind the others, its unique-id to *at. False: it is wrong, whatever the others are. */
static bool append(poplin_mailbox *mailbox, const poplin_listing *message, size_t *at) {
    poplin_slice unique_id = message->unique_id;
    bool known = message->octets != POPLIN_OCTETS_UNKNOWN;

    if (!poplin_unique_id_valid(unique_id) || (known && message->octets > INT64_MAX - mailbox->octets))
        return false;
    if (message->utf8)
        mailbox->utf8[mailbox->count / 8] |= (unsigned char)(1u << mailbox->count % 8);
    mailbox->messages[mailbox->count++] = (poplin_message){message->octets, *at};
    mailbox->unique_ids[*at] = (char)unique_id.size;
    memcpy(mailbox->unique_ids + *at + 1, unique_id.data, unique_id.size);
    *at += 1 + unique_id.size;
    mailbox->octets += known ? message->octets : 0;
    mailbox->unmeasured += !known;
    return true;
}

/* Copies the messages, up to the first that is wrong. */
static void copy(poplin_mailbox *mailbox, const poplin_listing *messages, size_t count) {
    size_t at = 0;

    for (size_t i = 0; i < count; i++) {
        if (count - i > AHEAD)
            __builtin_prefetch(messages[i + AHEAD].unique_id.data);
        if (!append(mailbox, &messages[i], &at))
            return;
    }
}

/* ---- unique-ids that stand twice ---- */

/*
 * A set of unique-ids, by open addressing. A slot holds an index plus one (0 is empty) and a part of the hash, so that a
 * slot taken by another unique-id is passed without a look at that one.
 */
struct slot {
    uint32_t occupant;
    uint32_t tag;
};

struct set {
    struct slot *slots;
    size_t mask;
};

static bool make_set(struct set *set, size_t count) {
    size_t size = 2;

    while (size < 2 * count)
        size *= 2;
    *set = (struct set){calloc(size, sizeof *set->slots), size - 1};
    return set->slots != NULL;
}

/* Eight octets at a time, what is left of them padded. */
static uint64_t hash(poplin_slice octets) {
    uint64_t value = octets.size;

    for (size_t at = 0; at < octets.size; at += sizeof value) {
        size_t left = octets.size - at;
        uint64_t word = 0;

        memcpy(&word, octets.data + at, left < sizeof word ? left : sizeof word);
        value = (value ^ word) * 0x9E3779B97F4A7C15u; /* 2^64 divided by the golden ratio */
        value ^= value >> 32;
    }
    return value * 0x9E3779B97F4A7C15u;
}

/* Where the search for a hash begins. */
static size_t home(const struct set *set, uint64_t hashed) {
    return (size_t)(hashed >> 32) & set->mask;
}

/* Adds the unique-id of the message at index; false: an equal one is in the set. */
static bool add(struct set *set, const poplin_mailbox *mailbox, size_t index, uint64_t hashed) {
    poplin_slice unique_id = poplin_mailbox_unique_id(mailbox, index);
    struct slot mine = {(uint32_t)index + 1, (uint32_t)hashed};
    size_t at = home(set, hashed);

    for (const struct slot *slot; (slot = &set->slots[at])->occupant != 0; at = (at + 1) & set->mask)
        if (slot->tag == mine.tag &&
            poplin_slice_equal(poplin_mailbox_unique_id(mailbox, slot->occupant - 1), unique_id))
            return false;
    set->slots[at] = mine;
    return true;
}

/* The index of the first message whose unique-id an earlier one has; the mailbox's count: there is none. */
static size_t first_double(const poplin_mailbox *mailbox, struct set *set) {
    uint64_t hashed[AHEAD];

    for (size_t i = 0; i < mailbox->count + AHEAD; i++) {
        if (i >= AHEAD && !add(set, mailbox, i - AHEAD, hashed[i % AHEAD]))
            return i - AHEAD;
        if (i >= mailbox->count)
            continue;
        hashed[i % AHEAD] = hash(poplin_mailbox_unique_id(mailbox, i));
        __builtin_prefetch(&set->slots[home(set, hashed[i % AHEAD])]);
    }
    return mailbox->count;
}

int poplin_mailbox_fill(poplin_mailbox *mailbox, const poplin_listing *messages, size_t count, size_t max,
                        size_t *bad) {
    struct set set;

    *bad = max;
    if (count > max)
        return POPLIN_ERR_LIMIT;
    if (!make_set(&set, count))
        return POPLIN_ERR_NOMEM;
    if (!allocate(mailbox, messages, count)) {
        free(set.slots);
        return POPLIN_ERR_NOMEM;
    }
    copy(mailbox, messages, count);
    *bad = first_double(mailbox, &set);
    free(set.slots);
    if (*bad == count)
        return POPLIN_OK;
    poplin_mailbox_free(mailbox);
    return POPLIN_ERR_PROTOCOL;
}

/* ---- what the session asks ---- */

void poplin_mailbox_free(poplin_mailbox *mailbox) {
    free(mailbox->messages);
    *mailbox = (poplin_mailbox){0};
}

poplin_slice poplin_mailbox_unique_id(const poplin_mailbox *mailbox, size_t index) {
    const char *at = mailbox->unique_ids + mailbox->messages[index].unique_id;

    return (poplin_slice){at + 1, (unsigned char)*at};
}

bool poplin_mailbox_is_marked(const poplin_mailbox *mailbox, size_t index) {
    return (mailbox->marks[index / 8] >> index % 8 & 1) != 0;
}

bool poplin_mailbox_is_utf8(const poplin_mailbox *mailbox, size_t index) {
    return (mailbox->utf8[index / 8] >> index % 8 & 1) != 0;
}

void poplin_mailbox_mark(poplin_mailbox *mailbox, size_t index) {
    uint64_t octets = mailbox->messages[index].octets;

    mailbox->marks[index / 8] |= (unsigned char)(1u << index % 8);
    mailbox->marked++;
    if (octets != POPLIN_OCTETS_UNKNOWN)
        mailbox->marked_octets += octets;
}

void poplin_mailbox_unmark_all(poplin_mailbox *mailbox) {
    memset(mailbox->marks, 0, mailbox->count / 8 + 1);
    mailbox->marked = 0;
    mailbox->marked_octets = 0;
}

size_t poplin_mailbox_next(const poplin_mailbox *mailbox, size_t index) {
    while (index < mailbox->count && poplin_mailbox_is_marked(mailbox, index))
        index++;
    return index;
}

void poplin_mailbox_measured(poplin_mailbox *mailbox, size_t index, uint64_t octets) {
    mailbox->messages[index].octets = octets;
    mailbox->octets += octets;
    mailbox->unmeasured--;
}

void poplin_mailbox_fetch(poplin_mailbox *mailbox, size_t index) {
    mailbox->fetched[index / 8] |= (unsigned char)(1u << index % 8);
}

static bool is_fetched(const poplin_mailbox *mailbox, size_t index) {
    return (mailbox->fetched[index / 8] >> index % 8 & 1) != 0;
}

size_t *poplin_mailbox_leaving(const poplin_mailbox *mailbox, bool fetched_too, size_t *count) {
    size_t most = fetched_too ? mailbox->count : mailbox->marked, seen = 0;
    size_t *indexes = malloc((most + 1) * sizeof *indexes);

    *count = 0;
    for (size_t i = 0; indexes != NULL && i < mailbox->count && seen < most; i++) {
        if (!poplin_mailbox_is_marked(mailbox, i) && !(fetched_too && is_fetched(mailbox, i)))
            continue;
        seen++;
        if (!poplin_mailbox_is_gone(mailbox, i))
            indexes[(*count)++] = i;
    }
    return indexes;
}

bool poplin_mailbox_is_gone(const poplin_mailbox *mailbox, size_t index) {
    return (mailbox->gone[index / 8] >> index % 8 & 1) != 0;
}

static int compare(const void *a, const void *b) {
    const poplin_slice *one = a, *other = b;
    int order = memcmp(one->data, other->data, one->size < other->size ? one->size : other->size);

    return order != 0 ? order : (one->size > other->size) - (one->size < other->size);
}

int poplin_mailbox_lose(poplin_mailbox *mailbox, const poplin_slice *unique_ids, size_t count) {
    poplin_slice *sorted = malloc((count + 1) * sizeof *sorted);

    if (sorted == NULL)
        return POPLIN_ERR_NOMEM;
    if (count > 0)
        memcpy(sorted, unique_ids, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare);
    for (size_t i = 0; i < mailbox->count; i++) {
        poplin_slice unique_id = poplin_mailbox_unique_id(mailbox, i);

        if (bsearch(&unique_id, sorted, count, sizeof *sorted, compare) != NULL)
            mailbox->gone[i / 8] |= (unsigned char)(1u << i % 8);
    }
    free(sorted);
    return POPLIN_OK;
}
