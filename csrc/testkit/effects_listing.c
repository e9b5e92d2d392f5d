/*
 * testkit/effects_listing.c - faults in numbers, sizes and unique-ids: in the lines of LIST and UIDL, in their reply
 * to one message number, in STAT and in the +OK of RETR.
 */
#include "testkit/effects.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "wire/grammar.h"

enum { LONG_UNIQUE_ID = 100, KIB = 1024, NUMBER_TEXT = 24 };

/* "+OK " at the front of every reply that these are about. */
static const poplin_slice indicator = {"+OK ", 4};

static bool is_ok(const poplin_reply_shape *reply) {
    return poplin_slice_equal(poplin_slice_head(reply->status, indicator.size), indicator);
}

static int put_number(poplin_buffer *output, uint64_t number) {
    char text[NUMBER_TEXT];
    int size = snprintf(text, sizeof text, "%" PRIu64, number);

    return poplin_buffer_append(output, text, (size_t)size);
}

/* ---- entries: "2 120", in a line or behind +OK ---- */

struct entry {
    poplin_slice number;
    poplin_slice value;
    poplin_slice tail; /* with the line end */
};

static bool split_entry(poplin_slice text, struct entry *entry) {
    poplin_slice rest = text;
    uint64_t number;

    if (poplin_number_take(&rest, UINT64_MAX, &number) < 0 || rest.size == 0 || *rest.data != ' ')
        return false;
    entry->number = poplin_slice_head(text, text.size - rest.size);
    entry->tail = entry->value = poplin_slice_tail(rest, 1);
    while (entry->tail.size > 0 && strchr(" \r\n", *entry->tail.data) == NULL)
        entry->tail = poplin_slice_tail(entry->tail, 1);
    entry->value.size -= entry->tail.size;
    return true;
}

typedef int entry_effect(const poplin_rewriting *about, const struct entry *entry, poplin_buffer *output);

static int put_entry(const poplin_rewriting *about, poplin_slice text, entry_effect *effect, poplin_buffer *output) {
    struct entry entry;

    return split_entry(text, &entry) ? effect(about, &entry, output) : POPLIN_PUT(output, text);
}

/* Puts the reply with each of its entries rewritten. */
static int put_entries(const poplin_rewriting *about, const poplin_reply_shape *reply, entry_effect *effect,
                       poplin_buffer *output) {
    poplin_slice content = reply->content, line;
    int status = POPLIN_OK;

    if (!about->multi_line && !is_ok(reply))
        return POPLIN_PUT(output, reply->whole);
    if (!about->multi_line) {
        if (POPLIN_PUT(output, indicator) < 0 ||
            put_entry(about, poplin_slice_tail(reply->status, indicator.size), effect, output) < 0)
            return POPLIN_ERR_NOMEM;
        return POPLIN_PUT(output, reply->rest);
    }
    if (POPLIN_PUT(output, reply->status) < 0)
        return POPLIN_ERR_NOMEM;
    while (status == POPLIN_OK && poplin_line_next(&content, &line))
        status = put_entry(about, line, effect, output);
    return status == POPLIN_OK ? POPLIN_PUT(output, reply->terminator, reply->rest) : status;
}

/* Puts the entry with another number as its value, where it had one. */
static int put_with_size(const struct entry *entry, uint64_t (*change)(uint64_t size, int64_t by), int64_t by,
                         poplin_buffer *output) {
    poplin_slice digits = entry->value;
    uint64_t size;

    if (poplin_number_take(&digits, UINT64_MAX, &size) < 0 || digits.size > 0)
        return POPLIN_PUT(output, entry->number, {" ", 1}, entry->value, entry->tail);
    if (POPLIN_PUT(output, entry->number, {" ", 1}) < 0 || put_number(output, change(size, by)) < 0)
        return POPLIN_ERR_NOMEM;
    return POPLIN_PUT(output, entry->tail);
}

/* ---- sizes ---- */

static uint64_t round_up(uint64_t size, int64_t unit) {
    uint64_t over = size % (uint64_t)unit;

    return over == 0 || size > UINT64_MAX - (uint64_t)unit ? size : size - over + (uint64_t)unit;
}

static int guess_entry(const poplin_rewriting *about, const struct entry *entry, poplin_buffer *output) {
    (void)about;
    return put_with_size(entry, round_up, KIB, output);
}

int poplin_effect_guess_sizes(const poplin_rewriting *about, const poplin_reply_shape *reply, poplin_buffer *output) {
    return put_entries(about, reply, guess_entry, output);
}

/* No number is below 0 or above what one holds. */
static uint64_t add(uint64_t size, int64_t by) {
    uint64_t amount = by < 0 ? (uint64_t)-by : (uint64_t)by;

    if (by < 0)
        return size > amount ? size - amount : 0;
    return size > UINT64_MAX - amount ? UINT64_MAX : size + amount;
}

static int miscount_entry(const poplin_rewriting *about, const struct entry *entry, poplin_buffer *output) {
    return put_with_size(entry, add, about->values[POPLIN_FAULT_MISCOUNT].number, output);
}

/* Puts the reply with its first number, if it has one behind +OK, changed by so much. */
static int put_with_first(const poplin_reply_shape *reply, int64_t by, poplin_buffer *output) {
    poplin_slice text = poplin_slice_tail(reply->status, indicator.size);
    uint64_t number;

    if (!is_ok(reply) || poplin_number_take(&text, UINT64_MAX, &number) < 0)
        return POPLIN_PUT(output, reply->status);
    if (POPLIN_PUT(output, indicator) < 0 || put_number(output, add(number, by)) < 0)
        return POPLIN_ERR_NOMEM;
    return POPLIN_PUT(output, text);
}

int poplin_effect_miscount(const poplin_rewriting *about, const poplin_reply_shape *reply, poplin_buffer *output) {
    if (about->verb != POPLIN_RETR)
        return put_entries(about, reply, miscount_entry, output);
    if (put_with_first(reply, about->values[POPLIN_FAULT_MISCOUNT].number, output) < 0)
        return POPLIN_ERR_NOMEM;
    return POPLIN_PUT(output, reply->content, reply->terminator, reply->rest);
}

/* ---- messages marked as deleted ---- */

static int put_deleted(uint32_t number, poplin_buffer *output) {
    return put_number(output, number) < 0 ? POPLIN_ERR_NOMEM : POPLIN_PUT(output, {" 0\r\n", 4});
}

/* The number that a listing line begins with; UINT32_MAX where it begins with none. */
static uint64_t number_of(poplin_slice line) {
    uint64_t number;

    return poplin_number_take(&line, UINT64_MAX, &number) < 0 ? UINT32_MAX : number;
}

static int put_listing_with_deleted(const poplin_rewriting *about, const poplin_reply_shape *reply,
                                    poplin_buffer *output) {
    poplin_slice content = reply->content, line;
    int status = POPLIN_OK;
    size_t next = 0;

    while (status == POPLIN_OK && poplin_line_next(&content, &line)) {
        for (; next < about->marked_count && about->marked[next] < number_of(line) && status == POPLIN_OK; next++)
            status = put_deleted(about->marked[next], output);
        if (status == POPLIN_OK)
            status = POPLIN_PUT(output, line);
    }
    for (; next < about->marked_count && status == POPLIN_OK; next++)
        status = put_deleted(about->marked[next], output);
    return status == POPLIN_OK ? POPLIN_PUT(output, reply->terminator, reply->rest) : status;
}

static bool is_marked(const poplin_rewriting *about, uint32_t number) {
    bool found = false;

    for (size_t i = 0; i < about->marked_count; i++)
        found = found || about->marked[i] == number;
    return found;
}

int poplin_effect_show_deleted(const poplin_rewriting *about, const poplin_reply_shape *reply, poplin_buffer *output) {
    bool counted = about->verb == POPLIN_STAT || (about->verb == POPLIN_LIST && about->multi_line);

    if (about->verb == POPLIN_LIST && is_marked(about, about->number)) {
        if (POPLIN_PUT(output, indicator) < 0 || put_deleted(about->number, output) < 0)
            return POPLIN_ERR_NOMEM;
        return POPLIN_PUT(output, reply->rest);
    }
    if (!counted)
        return POPLIN_PUT(output, reply->whole);
    if (put_with_first(reply, (int64_t)about->marked_count, output) < 0)
        return POPLIN_ERR_NOMEM;
    return about->multi_line ? put_listing_with_deleted(about, reply, output) : POPLIN_PUT(output, reply->rest);
}

/* ---- what stands in an entry ---- */

static int unnumbered_entry(const poplin_rewriting *about, const struct entry *entry, poplin_buffer *output) {
    (void)about;
    return POPLIN_PUT(output, entry->value, entry->tail);
}

int poplin_effect_no_numbers(const poplin_rewriting *about, const poplin_reply_shape *reply, poplin_buffer *output) {
    return put_entries(about, reply, unnumbered_entry, output);
}

static int unique_id_entry(const poplin_rewriting *about, const struct entry *entry, poplin_buffer *output) {
    const poplin_value *kind = &about->values[POPLIN_FAULT_UNIQUE_IDS];
    char padding[LONG_UNIQUE_ID];
    size_t missing = entry->value.size < sizeof padding ? sizeof padding - entry->value.size : 0;

    if (kind->number == 1)
        return POPLIN_PUT(output, entry->number, {" same", 5}, entry->tail);
    memset(padding, 'x', sizeof padding);
    return POPLIN_PUT(output, entry->number, {" ", 1}, entry->value, {padding, missing}, entry->tail);
}

int poplin_effect_unique_ids(const poplin_rewriting *about, const poplin_reply_shape *reply, poplin_buffer *output) {
    return put_entries(about, reply, unique_id_entry, output);
}
