/*
 * server/mailbox.c - the snapshot of a maildrop, packed: 16 octets, one bit and the unique-id for each message.
 */
#include "server/mailbox.h"
#include "wire/grammar.h"

#include <stdlib.h>
#include <string.h>

/* How a set of unique-ids is hashed: open addressing; a slot holds an index plus one, 0 is empty. */
struct set {
    uint32_t *slots;
    size_t mask;
};

static uint64_t hash(poplin_slice octets) {
    uint64_t value = 0xCBF29CE484222325u; /* FNV-1a */

    for (size_t i = 0; i < octets.size; i++)
        value = (value ^ (unsigned char)octets.data[i]) * 0x100000001B3u;
    return value ^ value >> 32;
}

static bool make_set(struct set *set, size_t count) {
    size_t size = 2;

    while (size < 2 * count)
        size *= 2;
    *set = (struct set){calloc(size, sizeof *set->slots), size - 1};
    return set->slots != NULL;
}

/* Adds messages[index]; false: an equal unique-id is in the set. */
static bool add(struct set *set, const poplin_listing *messages, size_t index) {
    size_t at = (size_t)hash(messages[index].unique_id) & set->mask;

    for (; set->slots[at] != 0; at = (at + 1) & set->mask)
        if (poplin_slice_equal(messages[set->slots[at] - 1].unique_id, messages[index].unique_id))
            return false;
    set->slots[at] = (uint32_t)index + 1;
    return true;
}

/* Checks each message; *space becomes what the unique-ids take. */
static int check(const poplin_listing *messages, size_t count, size_t *space, size_t *bad) {
    int result = POPLIN_OK;
    uint64_t octets = 0;
    struct set set;

    if (!make_set(&set, count))
        return POPLIN_ERR_NOMEM;
    for (size_t i = 0; i < count && result == POPLIN_OK; i++) {
        uint64_t size = messages[i].octets == POPLIN_OCTETS_UNKNOWN ? 0 : messages[i].octets;

        *bad = i;
        if (!poplin_unique_id_valid(messages[i].unique_id) || size > INT64_MAX - octets || !add(&set, messages, i))
            result = POPLIN_ERR_PROTOCOL;
        octets += size;
        *space += 1 + messages[i].unique_id.size;
    }
    free(set.slots);
    return result;
}

/* Makes room for all in one piece. */
static bool allocate(poplin_mailbox *mailbox, size_t count, size_t space) {
    size_t table = count * sizeof *mailbox->messages, marks = count / 8 + 1;
    char *memory = malloc(table + marks + space);

    if (memory == NULL)
        return false;
    *mailbox = (poplin_mailbox){
        .messages = (poplin_message *)(void *)memory,
        .marks = (unsigned char *)memory + table,
        .unique_ids = memory + table + marks,
        .count = count,
    };
    memset(mailbox->marks, 0, marks);
    return true;
}

int poplin_mailbox_fill(poplin_mailbox *mailbox, const poplin_listing *messages, size_t count, size_t max,
                        size_t *bad) {
    size_t space = 0, at = 0;

    *bad = max;
    if (count > max)
        return POPLIN_ERR_LIMIT;
    int result = check(messages, count, &space, bad);

    if (result < 0)
        return result;
    if (!allocate(mailbox, count, space))
        return POPLIN_ERR_NOMEM;
    for (size_t i = 0; i < count; i++) {
        poplin_slice unique_id = messages[i].unique_id;

        mailbox->messages[i] = (poplin_message){messages[i].octets, at};
        mailbox->unique_ids[at] = (char)unique_id.size;
        memcpy(mailbox->unique_ids + at + 1, unique_id.data, unique_id.size);
        at += 1 + unique_id.size;
        if (messages[i].octets == POPLIN_OCTETS_UNKNOWN)
            mailbox->unmeasured++;
        else
            mailbox->octets += messages[i].octets;
    }
    return POPLIN_OK;
}

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

size_t *poplin_mailbox_marked(const poplin_mailbox *mailbox) {
    size_t *indexes = malloc(mailbox->marked * sizeof *indexes), count = 0;

    for (size_t i = 0; indexes != NULL && count < mailbox->marked; i++)
        if (poplin_mailbox_is_marked(mailbox, i))
            indexes[count++] = i;
    return indexes;
}
