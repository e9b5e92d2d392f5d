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
    const int64_t now = step == POPLIN_STEP_TAKEN ? fetch->tried : poplin_fetch_now(fetch);
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

int poplin_fetch_note_taken(poplin_fetch *fetch) {
    int status = POPLIN_OK;
    for (size_t place = 0; place < fetch->order_count && status == POPLIN_OK; place++)
        status = poplin_fetch_note_step(fetch, &fetch->items[fetch->order[place]], POPLIN_STEP_TAKEN);
    for (size_t place = fetch->queue_begun; place < fetch->queue_count && status == POPLIN_OK; place++)
        if (fetch->items[fetch->queue[place]].again)
            status = poplin_fetch_note_step(fetch, &fetch->items[fetch->queue[place]], POPLIN_STEP_TAKEN);
    return status;
}

/*
 * Replies come in the order of the commands: where the line drops, it is the first message without its end that the server
 * stumbles over, whether it has begun to send it or not. Those behind it have nothing to do with that. Where there is no memory
 * for one they stay as taken, as they do where there is no time.
 */
void poplin_fetch_note_untouched(poplin_fetch *fetch) {
    int status = POPLIN_OK;
    size_t place = fetch->sent > fetch->order_ended ? fetch->order_ended + 1 : fetch->order_ended;
    for (; fetch->order_taken && place < fetch->order_count && status == POPLIN_OK; place++) {
        poplin_item *item = &fetch->items[fetch->order[place]];
        if (item->row == NULL)
            status = poplin_fetch_note_step(fetch, item, POPLIN_STEP_NONE);
        else if (!poplin_fetch_vouches(item->row))
            status = poplin_fetch_note_row(fetch, item->row);
    }
    fetch->order_taken = false;
}

void poplin_fetch_note_delivered(poplin_fetch *fetch, poplin_item *item) {
    fetch->delivered[fetch->delivered_count++] = (size_t)(item - fetch->items);
}

static enum poplin_step step_of(const poplin_item *item) {
    return item->plan == POPLIN_PLAN_HEADERS ? POPLIN_STEP_HEADERS : POPLIN_STEP_DELIVERED;
}

int poplin_fetch_write_down(poplin_fetch *fetch, poplin_fetch_event *event) {
    if (fetch->delivered_count > 0 && !fetch->settled)
        return poplin_fetch_ask(fetch, event, POPLIN_FETCH_SETTLE);
    if (fetch->batch.count == 0)
        return POPLIN_END;
    event->records = fetch->batch.records;
    event->count = fetch->batch.count;
    return poplin_fetch_ask(fetch, event, POPLIN_FETCH_RECORD);
}

/* What was delivered is safe: its record is next. */
static void settle(poplin_fetch *fetch) {
    int status = POPLIN_OK;
    for (size_t index = 0; index < fetch->delivered_count && status == POPLIN_OK; index++) {
        poplin_item *item = &fetch->items[fetch->delivered[index]];
        status = poplin_fetch_note_step(fetch, item, step_of(item));
    }
    fetch->settled = fetch->delivered_count > 0; /* else there is no RECORD behind which it ends */
    fetch->settled_at = poplin_fetch_clock();
    if (status != POPLIN_OK)
        (void)poplin_fetch_fail_because(fetch, status, "fetch", poplin_status_text(status));
}

/* What is on record as delivered may be deleted on the server, where it is time. */
static void doom(poplin_fetch *fetch) {
    for (size_t index = 0; index < fetch->delivered_count; index++) {
        const poplin_item *item = &fetch->items[fetch->delivered[index]];
        if (poplin_fetch_is_due(fetch, item))
            fetch->doomed[fetch->doomed_count++] = fetch->delivered[index];
    }
}

void poplin_fetch_written_down(poplin_fetch *fetch, int status) {
    const bool settling = fetch->question == POPLIN_FETCH_SETTLE;
    if (settling && status == POPLIN_OK) {
        settle(fetch);
        return;
    }
    if (status == POPLIN_OK)
        doom(fetch);
    if (!settling) {
        fetch->batch.count = 0;
        fetch->order_taken = fetch->order_taken && status == POPLIN_OK; /* else nothing more is asked of the store */
    }
    fetch->delivered_count = 0;
    fetch->settled = false;
}
