/*
 * fetch/plan.c - the listing beside the records: which messages are new, which are known, whose time is over.
 *
 * Both are sorted by key and walked through together. Usually a key has one message and one record. Where a server lists one
 * unique-id several times, nothing says which of the messages is which: unless all of them are on record as delivered, all
 * are taken again, and nothing is deleted on the word of a record (T-UID-4). Rather twice than never.
 */
#include "fetch/fetch.h"

#include <stdlib.h>
#include <string.h>

#include "wire/failure.h"

/* Records of what is gone are kept for so many seconds, since a server may forget its unique-ids for a while. */
static const int64_t MEMORY = (int64_t)90 * 86400;

/* ---- what was recalled ---- */

static bool is_key(poplin_slice key) {
    if (key.size == 0 || key.size > 1600)
        return false;
    for (size_t at = 0; at < key.size; at++)
        if ((unsigned char)key.data[at] < ' ' || (unsigned char)key.data[at] >= 0x7F)
            return false;
    return true;
}

/* A time that a record can have: between 1970 and the year 9999. */
static bool is_time(int64_t seconds) {
    return seconds >= 0 && seconds <= INT64_C(253402300799);
}

int poplin_fetch_recall(poplin_fetch *fetch, const poplin_seen_record *record) {
    if (!fetch->asked || fetch->question != POPLIN_FETCH_RECALL)
        return POPLIN_ERR_STATE;
    if (!is_key(record->uid) || poplin_step_name(record->step) == NULL || !is_time(record->first_seen) ||
        !is_time(record->changed) || !is_time(record->gone))
        return POPLIN_ERR_PROTOCOL;
    if (fetch->row_count == fetch->row_capacity) {
        size_t capacity = 2 * fetch->row_capacity + 64;
        poplin_row *rows = realloc(fetch->rows, capacity * sizeof *rows);
        if (rows == NULL)
            return POPLIN_ERR_NOMEM;
        fetch->rows = rows;
        fetch->row_capacity = capacity;
    }
    fetch->rows[fetch->row_count] = (poplin_row){
        .key = fetch->octets.size,
        .key_size = record->uid.size,
        .copy = record->copy,
        .step = record->step,
        .octets = record->octets,
        .first_seen = record->first_seen,
        .changed = record->changed,
        .gone = record->gone,
    };
    if (poplin_buffer_append(&fetch->octets, record->uid.data, record->uid.size) != POPLIN_OK)
        return POPLIN_ERR_NOMEM;
    fetch->row_count++;
    return POPLIN_OK;
}

/* ---- keys ---- */

static int compare(poplin_slice a, poplin_slice b) {
    const size_t size = a.size < b.size ? a.size : b.size;
    const int order = size > 0 ? memcmp(a.data, b.data, size) : 0;
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static poplin_slice key_of(const poplin_fetch *fetch, const poplin_item *item) {
    return poplin_fetch_octets(fetch, item->key, item->key_size);
}

static poplin_slice key_of_row(const poplin_fetch *fetch, const poplin_row *row) {
    return poplin_fetch_octets(fetch, row->key, row->key_size);
}

static int by_key(const void *left, const void *right, void *context) {
    const poplin_fetch *fetch = context;
    const poplin_item *a = &fetch->items[*(const size_t *)left], *b = &fetch->items[*(const size_t *)right];
    const int order = compare(key_of(fetch, a), key_of(fetch, b));
    return order != 0 ? order : (a->number > b->number) - (a->number < b->number);
}

static int rows_by_key(const void *left, const void *right, void *context) {
    const poplin_row *a = left, *b = right;
    const int order = compare(key_of_row(context, a), key_of_row(context, b));
    return order != 0 ? order : (a->copy > b->copy) - (a->copy < b->copy);
}

/* ---- messages that are not tried again ---- */

int poplin_fetch_set_aside(poplin_fetch *fetch, const poplin_item *item) {
    const poplin_slice key = key_of(fetch, item);
    int status = poplin_buffer_append(&fetch->aside, key.data, key.size);
    return status == POPLIN_OK ? poplin_buffer_append(&fetch->aside, "\n", 1) : status;
}

/* Marks the items, in the order of their keys, that were set aside in an earlier session of this fetch. */
static void leave_aside(poplin_fetch *fetch, const size_t *sorted) {
    poplin_slice rest = poplin_buffer_slice(&fetch->aside);
    while (rest.size > 0) {
        const char *end = memchr(rest.data, '\n', rest.size);
        const poplin_slice key = {rest.data, (size_t)(end - rest.data)};
        size_t low = 0, high = fetch->item_count;
        while (low < high) {
            const size_t middle = low + (high - low) / 2;
            if (compare(key_of(fetch, &fetch->items[sorted[middle]]), key) < 0)
                low = middle + 1;
            else
                high = middle;
        }
        for (; low < fetch->item_count; low++) {
            poplin_item *item = &fetch->items[sorted[low]];
            if (item->aside || compare(key_of(fetch, item), key) != 0) /* all of a key are marked at once */
                break;
            item->aside = true;
        }
        rest.size -= key.size + 1;
        rest.data = end + 1;
    }
}

/* ---- one key: its messages and its records ---- */

typedef struct group {
    poplin_fetch *fetch;
    const size_t *items; /* indexes */
    size_t item_count;
    poplin_row *rows;
    size_t row_count;
    size_t live;  /* rows that may be of these messages ... */
    bool present; /* ... of which those of messages that were there last time are enough */
} group;

static bool is_live(const poplin_row *row) {
    return row->step != POPLIN_STEP_CONFIRMED;
}

/* Whether its message was there when the server was last asked. */
static bool is_present(const poplin_row *row) {
    return is_live(row) && row->gone == 0;
}

static bool was_delivered(const poplin_row *row) {
    return row->step == POPLIN_STEP_DELIVERED || row->step == POPLIN_STEP_DELETED;
}

bool poplin_fetch_vouches(const poplin_row *row) {
    return was_delivered(row) || row->step == POPLIN_STEP_REJECTED;
}

static bool is_over(const poplin_fetch *fetch, int64_t first_seen) {
    const uint64_t keep = fetch->config.keep;
    const int64_t now = poplin_fetch_now(fetch);
    return keep != POPLIN_KEEP_FOREVER && (keep == 0 || (now > first_seen && (uint64_t)(now - first_seen) >= keep));
}

bool poplin_fetch_is_due(const poplin_fetch *fetch, const poplin_item *item) {
    return item->plan == POPLIN_PLAN_TAKE && is_over(fetch, item->first_seen);
}

int64_t poplin_fetch_later_than(const poplin_fetch *fetch, int64_t seconds) {
    const int64_t now = poplin_fetch_now(fetch);
    if (now > seconds)
        return now;
    return is_time(seconds + 1) ? seconds + 1 : seconds;
}

/* When a message was first seen that has a record of another's: later than that one, so that a file's name tells them apart. */
static int64_t seen_later(const poplin_fetch *fetch, const poplin_row *row) {
    return poplin_fetch_later_than(fetch, row->first_seen);
}

/* One that earlier fetches have delivered: before this fetch's first session, whose listing is looked at now. */
static void count_known(poplin_fetch *fetch) {
    fetch->progress.known += !fetch->planned;
}

/* The record is of a message that is listed again. */
static void amend_return(poplin_row *row) {
    row->amended = row->amended || row->gone != 0;
    row->gone = 0;
}

/*
 * The record is another's by its size, and the message is to be taken, whether this session comes to that or not: so that is what
 * it says from now on, else the next fetch might know less than this one, and leave the message, or delete it undelivered.
 */
static void amend_for(poplin_row *row, const poplin_item *item) {
    if (!poplin_fetch_vouches(row) || row->octets == item->octets)
        return;
    row->step = POPLIN_STEP_TAKEN;
    row->octets = item->octets;
    row->first_seen = item->first_seen;
    row->gone = 0;
    row->amended = true;
}

/* It is to be taken, as far as its size permits. */
static void want(poplin_fetch *fetch, poplin_item *item, int64_t first_seen, bool resumed) {
    const uint64_t most = fetch->config.max_octets;
    item->first_seen = first_seen;
    item->resumed = resumed;
    item->plan = POPLIN_PLAN_TAKE;
    if (item->row != NULL) {
        item->again = poplin_fetch_vouches(item->row);
        amend_for(item->row, item);
    }
    if (most == 0 || item->octets == POPLIN_OCTETS_UNKNOWN || item->octets <= most)
        return;
    item->plan = fetch->config.large_headers ? POPLIN_PLAN_HEADERS : POPLIN_PLAN_LEAVE;
    if (item->plan == POPLIN_PLAN_LEAVE) {
        item->result = POPLIN_RESULT_TOO_LARGE;
    } else if (item->step == POPLIN_STEP_HEADERS) {
        item->plan = POPLIN_PLAN_LEAVE;
        amend_return(item->row);
        count_known(fetch);
    }
}

static void delete (poplin_fetch *fetch, poplin_item *item, enum poplin_result result) {
    item->plan = POPLIN_PLAN_DELETE;
    item->result = result;
    item->deleted = fetch->config.dry_run;
}

/* What one record says of one message. */
static void pair(poplin_fetch *fetch, poplin_item *item, poplin_row *row, int64_t first_seen) {
    const bool resized = row->octets != POPLIN_OCTETS_UNKNOWN && item->octets != row->octets;
    const bool same = !resized && row->gone == 0;
    const bool over = is_over(fetch, first_seen);
    row->listed = true;
    item->row = row;
    item->copy = row->copy;
    item->step = row->step;
    item->first_seen = row->first_seen;
    item->tried = row->step == POPLIN_STEP_TAKEN ? row->changed : 0;
    if (row->step == POPLIN_STEP_REJECTED && !resized) {
        amend_return(row);
        delete (fetch, item, POPLIN_RESULT_REJECTED);
    } else if (!was_delivered(row)) {
        want(fetch, item, same ? row->first_seen : seen_later(fetch, row), same && row->step == POPLIN_STEP_TAKEN);
    } else if (resized && (over || row->gone != 0 || row->step == POPLIN_STEP_DELETED)) {
        /* another message may have the unique-id now (T-UID-5) */
        want(fetch, item, seen_later(fetch, row), false);
    } else {
        amend_return(row);
        count_known(fetch);
        if (over)
            delete (fetch, item, POPLIN_RESULT_EXPIRED);
    }
}

static int by_octets(const void *left, const void *right, void *context) {
    const poplin_fetch *fetch = context;
    const poplin_item *a = &fetch->items[*(const size_t *)left], *b = &fetch->items[*(const size_t *)right];
    return (a->octets > b->octets) - (a->octets < b->octets);
}

static bool counts(const group *given, const poplin_row *row) {
    return given->present ? is_present(row) : is_live(row);
}

/* Those that count first. */
static int rows_by_octets(const void *left, const void *right, void *context) {
    const poplin_row *a = left, *b = right;
    const bool first = counts(context, a), second = counts(context, b);
    return first != second ? second - first : (a->octets > b->octets) - (a->octets < b->octets);
}

/* Whether all messages of the key were delivered, whichever is which; sorts both by size. */
static bool all_delivered(group *given, size_t *items) {
    memcpy(items, given->items, given->item_count * sizeof *items);
    qsort_r(items, given->item_count, sizeof *items, by_octets, given->fetch);
    qsort_r(given->rows, given->row_count, sizeof *given->rows, rows_by_octets, given);
    for (size_t index = 0; index < given->item_count; index++)
        if (!was_delivered(&given->rows[index]) ||
            given->fetch->items[items[index]].octets != given->rows[index].octets)
            return false;
    return true;
}

static void pair_all(const group *given, const size_t *items) {
    int64_t latest = 0;
    for (size_t index = 0; index < given->item_count; index++)
        if (given->rows[index].first_seen > latest)
            latest = given->rows[index].first_seen;
    for (size_t index = 0; index < given->item_count; index++)
        pair(given->fetch, &given->fetch->items[items[index]], &given->rows[index], latest);
}

/* Takes them all again, as copies in the order of their numbers; those that have no record first. */
static void want_all(const group *given) {
    poplin_fetch *fetch = given->fetch;
    for (size_t index = 0; index < given->row_count; index++) {
        poplin_row *row = &given->rows[index];
        if (row->copy >= given->item_count)
            continue;
        poplin_item *item = &fetch->items[given->items[row->copy]];
        row->listed = true; /* this record is written over */
        item->row = row;
        item->tried = is_live(row) ? row->changed : 0;
        item->first_seen = seen_later(fetch, row);
        if (row->step == POPLIN_STEP_HEADERS && row->octets == item->octets)
            item->step = row->step;
    }
    for (size_t index = 0; index < given->item_count; index++) {
        poplin_item *item = &fetch->items[given->items[index]];
        item->copy = (uint32_t)index;
        want(fetch, item, item->first_seen != 0 ? item->first_seen : poplin_fetch_now(fetch), false);
    }
}

/* Several messages, or several records, of one key. */
static int pair_many(group *given) {
    size_t *items = malloc((given->item_count + 1) * sizeof *items);
    if (items == NULL)
        return POPLIN_ERR_NOMEM;
    if (given->live == given->item_count && all_delivered(given, items))
        pair_all(given, items);
    else
        want_all(given);
    free(items);
    return POPLIN_OK;
}

/* Where a message of the key has gone its record may come back, but while all that are there are on record it does not count. */
static int decide(group *given) {
    size_t live = 0, present = 0;
    for (size_t index = 0; index < given->row_count; index++) {
        live += is_live(&given->rows[index]);
        present += is_present(&given->rows[index]);
    }
    if (given->item_count == 0)
        return POPLIN_OK;
    given->present = present == given->item_count;
    given->live = given->present ? present : live;
    if (given->item_count > 1 || given->live > 1)
        return pair_many(given);
    poplin_item *item = &given->fetch->items[given->items[0]];
    for (size_t index = 0; index < given->row_count; index++) {
        poplin_row *row = &given->rows[index];
        if (counts(given, row)) {
            pair(given->fetch, item, row, row->first_seen);
            return POPLIN_OK;
        }
    }
    want_all(given);
    return POPLIN_OK;
}

/* ---- all keys ---- */

/* A record whose message is not there any more. */
static int note_absence(poplin_fetch *fetch, poplin_row row) {
    const int64_t now = poplin_fetch_now(fetch);
    if (row.gone != 0 && now - row.gone > MEMORY)
        row.step = POPLIN_STEP_NONE;
    else if (row.step == POPLIN_STEP_DELETED || row.step == POPLIN_STEP_REJECTED)
        row.step = POPLIN_STEP_CONFIRMED, row.changed = now;
    else if (row.gone != 0)
        return POPLIN_OK;
    row.gone = row.gone != 0 ? row.gone : now;
    return poplin_fetch_note_row(fetch, &row);
}

static int note_rows(poplin_fetch *fetch) {
    int status = POPLIN_OK;
    for (size_t index = 0; index < fetch->row_count && status == POPLIN_OK; index++) {
        const poplin_row *row = &fetch->rows[index];
        if (!row->listed)
            status = note_absence(fetch, *row);
        else if (row->amended)
            status = poplin_fetch_note_row(fetch, row);
    }
    return status;
}

static int match(poplin_fetch *fetch, const size_t *sorted) {
    int status = POPLIN_OK;
    size_t item = 0, row = 0;
    while ((item < fetch->item_count || row < fetch->row_count) && status == POPLIN_OK) {
        group next = {.fetch = fetch, .items = sorted + item};
        next.rows = row < fetch->row_count ? &fetch->rows[row] : NULL;
        const bool has_item = item < fetch->item_count;
        poplin_slice key = has_item ? key_of(fetch, &fetch->items[sorted[item]]) : (poplin_slice){NULL, 0};
        if (row < fetch->row_count && (!has_item || compare(key_of_row(fetch, &fetch->rows[row]), key) < 0))
            key = key_of_row(fetch, &fetch->rows[row]);
        while (item < fetch->item_count && compare(key_of(fetch, &fetch->items[sorted[item]]), key) == 0)
            item++, next.item_count++;
        while (row < fetch->row_count && compare(key_of_row(fetch, &fetch->rows[row]), key) == 0)
            row++, next.row_count++;
        if (key.size > 0)
            status = decide(&next);
    }
    return status;
}

static int make_room(poplin_fetch *fetch) {
    const size_t count = fetch->item_count + 1;
    fetch->queue = malloc(count * sizeof *fetch->queue);
    fetch->order = malloc(count * sizeof *fetch->order);
    fetch->doomed = malloc(count * sizeof *fetch->doomed);
    fetch->delivered = malloc(count * sizeof *fetch->delivered);
    return fetch->queue && fetch->order && fetch->doomed && fetch->delivered ? POPLIN_OK : POPLIN_ERR_NOMEM;
}

/* Whether messages that are there now are on record by their unique-ids. */
static bool has_known_ids(const poplin_fetch *fetch) {
    for (size_t index = 0; index < fetch->row_count; index++) {
        const poplin_slice key = key_of_row(fetch, &fetch->rows[index]);
        if (is_present(&fetch->rows[index]) && memchr(key.data, ' ', key.size) == NULL)
            return true;
    }
    return false;
}

int poplin_fetch_make_plan(poplin_fetch *fetch) {
    int status = make_room(fetch);
    if (status != POPLIN_OK)
        return status;
    if (fetch->no_uidl && fetch->item_count > 0 && has_known_ids(fetch)) /* all would count as new */
        return poplin_fetch_fail_because(
            fetch, POPLIN_ERR_TEMPORARY, "UIDL",
            "the server refuses to tell unique-ids, by which its messages were known "
            "until now: try again later; if it is so for good, forget the account's records");
    size_t *sorted = fetch->order; /* for as long as there is no order */
    for (size_t index = 0; index < fetch->item_count; index++)
        sorted[index] = index;
    if (fetch->item_count > 0)
        qsort_r(sorted, fetch->item_count, sizeof *sorted, by_key, fetch);
    if (fetch->row_count > 0)
        qsort_r(fetch->rows, fetch->row_count, sizeof *fetch->rows, rows_by_key, fetch);
    leave_aside(fetch, sorted);
    status = match(fetch, sorted);
    if (status == POPLIN_OK)
        status = note_rows(fetch);
    return status == POPLIN_OK ? poplin_fetch_arrange(fetch) : status;
}
