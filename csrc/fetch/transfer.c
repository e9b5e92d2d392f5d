/*
 * fetch/transfer.c - messages by RETR, asked for ahead so that the line is never idle, handed to the host piece by piece, and the
 * deletions among them: a DELE goes out as soon as the delivery is on record.
 */
#include "fetch/fetch.h"

#include "wire/failure.h"

/* Commands ahead of their replies; the machine's window, in octets too, is what bounds those that are sent. */
enum { AHEAD = 256 };

/* Deliveries are settled and recorded at the latest after so many milliseconds, where the line leaves the time. */
enum { SETTLE_MS = 1000 };

/* Messages before deletions, so that one at whose deletion the session ends each time keeps none from coming. */
static int ask_ahead(poplin_fetch *fetch) {
    int status = POPLIN_OK;
    while (status == POPLIN_OK && fetch->in_flight < AHEAD && fetch->sent < fetch->order_count) {
        const poplin_item *item = &fetch->items[fetch->order[fetch->sent++]];
        status = poplin_fetch_submit(fetch, item->plan == POPLIN_PLAN_HEADERS ? POPLIN_TOP : POPLIN_RETR, item);
    }
    while (status == POPLIN_OK && fetch->in_flight < 2 * AHEAD && fetch->doomed_sent < fetch->doomed_count)
        status = poplin_fetch_submit(fetch, POPLIN_DELE, &fetch->items[fetch->doomed[fetch->doomed_sent++]]);
    return status;
}

/* ---- one message ---- */

/* The sizes listed may be guesses, or lies: what is left is set right by what comes. */
static void count_octets(poplin_fetch *fetch, uint64_t octets) {
    const uint64_t expected = octets < fetch->item_left ? octets : fetch->item_left;
    fetch->item_left -= expected;
    fetch->octets_left -= expected;
    fetch->progress.octets_done += octets;
}

static void count_message(poplin_fetch *fetch) {
    fetch->order_ended++;
    fetch->progress.messages_done++;
    fetch->octets_left -= fetch->item_left;
    fetch->item_left = 0;
}

static int refuse(poplin_fetch *fetch, poplin_item *item, const poplin_client_event *reply) {
    poplin_error error;
    count_message(fetch);
    poplin_client_describe(reply, &error);
    int status = poplin_fetch_note_error(fetch, item, POPLIN_RESULT_REFUSED, &error);
    return status == POPLIN_OK ? POPLIN_WAITING : status;
}

/* A message begins, or the server does not give it. */
static int begin(poplin_fetch *fetch, poplin_item *item, const poplin_client_event *reply, poplin_fetch_event *event) {
    fetch->item_left = poplin_fetch_expected(item);
    fetch->dropped = reply->status != POPLIN_OK;
    if (fetch->dropped)
        return refuse(fetch, item, reply);
    fetch->begun = true;
    return poplin_fetch_ask_of(fetch, event, POPLIN_FETCH_BEGIN, item);
}

static int go_on(poplin_fetch *fetch, poplin_item *item, poplin_slice octets, poplin_fetch_event *event) {
    count_octets(fetch, octets.size);
    if (fetch->dropped)
        return POPLIN_WAITING;
    event->text = octets;
    return poplin_fetch_ask_of(fetch, event, POPLIN_FETCH_PIECE, item);
}

static int end(poplin_fetch *fetch, poplin_item *item, poplin_fetch_event *event) {
    count_message(fetch);
    if (fetch->dropped)
        return POPLIN_WAITING;
    return poplin_fetch_ask_of(fetch, event, POPLIN_FETCH_DELIVER, item);
}

void poplin_fetch_not_delivered(poplin_fetch *fetch, poplin_item *item, int status, const poplin_error *error) {
    poplin_error plain;
    (void)poplin_fail(&plain, status, "delivery", "%s", poplin_status_text(status));
    (void)poplin_fetch_note_error(fetch, item, POPLIN_RESULT_FAILED, error != NULL ? error : &plain);
}

int poplin_fetch_transferred(poplin_fetch *fetch, int status, const poplin_error *error) {
    const bool delivering = fetch->question == POPLIN_FETCH_DELIVER;
    if (status != POPLIN_OK) {
        fetch->dropped = true;
        fetch->begun = false;
        poplin_fetch_not_delivered(fetch, fetch->item, status, error);
    } else if (delivering) {
        fetch->begun = false;
        fetch->item->result =
            fetch->item->plan == POPLIN_PLAN_HEADERS ? POPLIN_RESULT_HEADERS : POPLIN_RESULT_DELIVERED;
        poplin_fetch_note_delivered(fetch, fetch->item);
    }
    return POPLIN_OK;
}

/* A refused deletion is told, but the message is safe, and the next fetch tries again. */
static int note_deletion(poplin_fetch *fetch, poplin_item *item, const poplin_client_event *reply) {
    poplin_error error;
    int status = POPLIN_OK;
    item->deleted = reply->status == POPLIN_OK;
    if (!item->deleted) {
        poplin_client_describe(reply, &error);
        status = poplin_fetch_note_error(fetch, item, item->result, &error);
    }
    return status == POPLIN_OK ? POPLIN_WAITING : status;
}

static int take(poplin_fetch *fetch, poplin_item *item, const poplin_client_event *told, poplin_fetch_event *event) {
    switch (told->kind) {
    case POPLIN_CLIENT_REPLY:
        return told->verb == POPLIN_DELE ? note_deletion(fetch, item, told) : begin(fetch, item, told, event);
    case POPLIN_CLIENT_BODY:
        return go_on(fetch, item, told->text, event);
    case POPLIN_CLIENT_END:
        return end(fetch, item, event);
    default:
        return POPLIN_WAITING;
    }
}

/* ---- the phase ---- */

static bool is_time_to_settle(const poplin_fetch *fetch) {
    if (fetch->delivered_count >= fetch->config.settle_every)
        return true;
    return fetch->delivered_count > 0 && !fetch->begun && poplin_fetch_clock() - fetch->settled_at >= SETTLE_MS;
}

static int pull(poplin_fetch *fetch, poplin_fetch_event *event) {
    poplin_client_event told;
    poplin_item *item;
    int status = ask_ahead(fetch);
    if (status == POPLIN_OK && fetch->in_flight == 0)
        return POPLIN_END;
    if (status == POPLIN_OK)
        status = poplin_fetch_pull(fetch, &told, &item);
    return status == POPLIN_OK ? take(fetch, item, &told, event) : status;
}

/* Nothing is asked for: what would have been done is told. */
static int pretend(poplin_fetch *fetch) {
    for (size_t place = 0; place < fetch->order_count; place++) {
        poplin_item *item = &fetch->items[fetch->order[place]];
        item->result = item->plan == POPLIN_PLAN_TAKE ? POPLIN_RESULT_DELIVERED : POPLIN_RESULT_HEADERS;
        item->deleted = poplin_fetch_is_due(fetch, item);
    }
    fetch->doomed_count = 0;
    return POPLIN_END;
}

int poplin_fetch_transfer(poplin_fetch *fetch, poplin_fetch_event *event) {
    if (fetch->config.dry_run)
        return pretend(fetch);
    int status = POPLIN_OK;
    if (!fetch->begun_phase) { /* a fetch that finds it half done looks for it first */
        fetch->begun_phase = true;
        status = poplin_fetch_note_taken(fetch);
        fetch->settled_at = poplin_fetch_clock();
        fetch->recording = true;
    }
    while (status == POPLIN_OK || status == POPLIN_WAITING) {
        fetch->recording = fetch->recording || is_time_to_settle(fetch);
        if (fetch->recording) {
            status = poplin_fetch_write_down(fetch, event);
            if (status != POPLIN_END)
                return status;
            fetch->recording = false;
            fetch->order_taken = true;
        }
        status = pull(fetch, event);
        if (status == POPLIN_OK || status == POPLIN_NEED_INPUT)
            return status;
        if (status == POPLIN_END && fetch->delivered_count > 0) { /* the last ones, and then their deletions */
            fetch->recording = true;
            status = POPLIN_WAITING;
        }
    }
    return status;
}
