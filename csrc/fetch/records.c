/*
 * fetch/records.c - what is to be written down next, many records at a time; and, before a message is recorded as
 * delivered, that its delivery is made safe.
 */
#include "fetch/fetch.h"

#include <stdlib.h>

static int add(poplin_fetch *fetch, const poplin_seen_record *record) {
    poplin_batch *batch = &fetch->batch;
    if (fetch->config.dry_run)
        return POPLIN_OK;
    if (batch->count == batch->capacity) {
        size_t capacity = 2 * batch->capacity + 64;
        poplin_seen_record *records = realloc(batch->records, capacity * sizeof *records);
        if (records == NULL)
            return POPLIN_ERR_NOMEM;
        batch->records = records;
        batch->capacity = capacity;
    }
    batch->records[batch->count++] = *record;
    return POPLIN_OK;
}

int poplin_fetch_note_step(poplin_fetch *fetch, poplin_item *item, enum poplin_step step) {
    const int64_t now = poplin_fetch_now(fetch);
    const poplin_seen_record record = {
        .uid = poplin_fetch_octets(fetch, item->key, item->key_size),
        .copy = item->copy,
        .step = step,
        .octets = item->octets,
        .first_seen = item->first_seen,
        .changed = now,
        .gone = step == POPLIN_STEP_CONFIRMED ? now : 0,
    };
    item->step = step;
    return add(fetch, &record);
}

int poplin_fetch_note_row(poplin_fetch *fetch, const poplin_row *row) {
    const poplin_seen_record record = {
        .uid = poplin_fetch_octets(fetch, row->key, row->key_size),
        .copy = row->copy,
        .step = row->step,
        .octets = row->octets,
        .first_seen = row->first_seen,
        .changed = row->changed,
        .gone = row->gone,
    };
    return add(fetch, &record);
}

void poplin_fetch_note_delivered(poplin_fetch *fetch, poplin_item *item) {
    fetch->delivered[fetch->delivered_count++] = (size_t)(item - fetch->items);
}

static enum poplin_step step_of(const poplin_item *item) {
    return item->plan == POPLIN_PLAN_HEADERS ? POPLIN_STEP_HEADERS : POPLIN_STEP_DELIVERED;
}

int poplin_fetch_write_down(poplin_fetch *fetch, poplin_fetch_event *event) {
    int status = POPLIN_OK;
    if (fetch->delivered_count > 0 && !fetch->settled)
        return poplin_fetch_ask(fetch, event, POPLIN_FETCH_SETTLE);
    if (fetch->settled && !fetch->noted) {
        for (size_t index = 0; index < fetch->delivered_count && status == POPLIN_OK; index++) {
            poplin_item *item = &fetch->items[fetch->delivered[index]];
            status = poplin_fetch_note_step(fetch, item, step_of(item));
        }
        fetch->noted = true;
    }
    if (status != POPLIN_OK)
        return status;
    if (fetch->batch.count == 0)
        return POPLIN_END;
    event->records = fetch->batch.records;
    event->count = fetch->batch.count;
    return poplin_fetch_ask(fetch, event, POPLIN_FETCH_RECORD);
}

/* What is on record as delivered may be deleted on the server, where it is time. */
static void doom(poplin_fetch *fetch) {
    for (size_t index = 0; index < fetch->delivered_count; index++) {
        const poplin_item *item = &fetch->items[fetch->delivered[index]];
        if (item->plan == POPLIN_PLAN_TAKE && poplin_fetch_is_over(fetch, item->first_seen))
            fetch->doomed[fetch->doomed_count++] = fetch->delivered[index];
    }
}

void poplin_fetch_written_down(poplin_fetch *fetch, int status) {
    if (status == POPLIN_OK && fetch->question == POPLIN_FETCH_SETTLE) {
        fetch->settled = true;
        fetch->settled_at = poplin_fetch_clock();
        return;
    }
    if (status == POPLIN_OK)
        doom(fetch);
    fetch->batch.count = 0;
    fetch->delivered_count = 0;
    fetch->settled = fetch->noted = false;
}
