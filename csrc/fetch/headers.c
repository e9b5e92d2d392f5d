/*
 * fetch/headers.c - headers by TOP, many asked for ahead: of all messages, where their SHA-256 stands for the unique-ids
 * that the server does not have; of those that are new, for the host's filter.
 *
 * What a server sends behind the header, as some do for TOP with no lines, is dropped.
 */
#include "fetch/fetch.h"

#include <string.h>

#include "wire/grammar.h"

/*
 * TOPs that are asked for ahead; those that may be refused one after the other until there seems to be no TOP: some servers hang
 * up after a few commands that they do not know; octets of a header that are looked at.
 */
enum { AHEAD = 64, REFUSALS_MAX = 2, HEADER_MAX = 1 << 20 };

static bool identifies(const poplin_fetch *fetch) {
    return fetch->phase == POPLIN_PHASE_IDENTIFY;
}

/* How many messages take part in the phase, and which is the one at this place. */
static size_t participants(const poplin_fetch *fetch) {
    if (identifies(fetch))
        return fetch->no_uidl ? fetch->item_count : 0;
    return fetch->config.filter ? fetch->order_count : 0;
}

static poplin_item *participant(poplin_fetch *fetch, size_t place) {
    return &fetch->items[identifies(fetch) ? place : fetch->order[place]];
}

/* The filter has let through as many as may be taken in this session. */
static bool is_full(const poplin_fetch *fetch) {
    return !identifies(fetch) && fetch->accepted >= poplin_fetch_room(fetch);
}

/* How many may be asked for that are not there yet: until one has come that identifies a message, as many as may be in vain. */
static uint32_t most_in_flight(const poplin_fetch *fetch) {
    if (!identifies(fetch) || fetch->accepted > 0)
        return AHEAD;
    return fetch->sent < REFUSALS_MAX ? REFUSALS_MAX : 0;
}

static int ask_ahead(poplin_fetch *fetch) {
    int status = POPLIN_OK;
    while (status == POPLIN_OK && fetch->in_flight < most_in_flight(fetch) && fetch->sent < participants(fetch) &&
           !is_full(fetch))
        status = poplin_fetch_submit(fetch, POPLIN_TOP, participant(fetch, fetch->sent++));
    return status;
}

/* The octets up to the empty line that ends a header; all, where there is none. */
static poplin_slice header_of(const poplin_fetch *fetch) {
    poplin_slice all = poplin_buffer_slice(&fetch->header);
    if (all.size >= 2 && memcmp(all.data, "\r\n", 2) == 0)
        return (poplin_slice){all.data, 0};
    const char *end = all.size > 0 ? memmem(all.data, all.size, "\r\n\r\n", 4) : NULL;
    return end != NULL ? (poplin_slice){all.data, (size_t)(end - all.data) + 2} : all;
}

static int keep(poplin_fetch *fetch, poplin_slice octets) {
    size_t room = HEADER_MAX - fetch->header.size;
    return poplin_buffer_append(&fetch->header, octets.data, octets.size < room ? octets.size : room);
}

static int refused(poplin_fetch *fetch, poplin_item *item, const poplin_client_event *event) {
    poplin_error error;
    if (identifies(fetch))
        return POPLIN_OK; /* it has no key: the plan sees that */
    poplin_client_describe(event, &error);
    return poplin_fetch_note_error(fetch, item, POPLIN_RESULT_REFUSED, &error);
}

/* A header is there. OK with an event where the filter is asked; WAITING: on with the next. */
static int have_header(poplin_fetch *fetch, poplin_item *item, poplin_fetch_event *event) {
    if (identifies(fetch)) {
        int status = poplin_fetch_key_by_header(fetch, item, header_of(fetch));
        fetch->accepted++;
        return status == POPLIN_OK ? POPLIN_WAITING : status;
    }
    if (is_full(fetch))
        return POPLIN_WAITING; /* asked for ahead, in vain */
    event->text = header_of(fetch);
    return poplin_fetch_ask_of(fetch, event, POPLIN_FETCH_FILTER, item);
}

static int take(poplin_fetch *fetch, poplin_item *item, const poplin_client_event *told, poplin_fetch_event *event) {
    int status;
    switch (told->kind) {
    case POPLIN_CLIENT_REPLY:
        poplin_buffer_consume(&fetch->header, fetch->header.size); /* no secret: a clear would wipe a MiB each time */
        status = told->status != POPLIN_OK ? refused(fetch, item, told) : POPLIN_OK;
        return status == POPLIN_OK ? POPLIN_WAITING : status;
    case POPLIN_CLIENT_BODY:
        status = keep(fetch, told->text);
        return status == POPLIN_OK ? POPLIN_WAITING : status;
    case POPLIN_CLIENT_END:
        return have_header(fetch, item, event);
    default:
        return POPLIN_WAITING;
    }
}

/* Without a single header there is no TOP either, and nothing by which messages could be known again. */
static int identify_by_number(poplin_fetch *fetch) {
    if (fetch->config.keep != 0)
        return poplin_fetch_fail_because(
            fetch, POPLIN_ERR_UNSUPPORTED, "fetch",
            "the server has neither UIDL nor TOP, so that what was taken cannot be told from what is "
            "new: keep none on it");
    fetch->by_number = true;
    return poplin_fetch_key_by_number(fetch);
}

/* The session ends at a header that the filter is to see: it waits from now on, as a message that was taken in vain. */
static void note_failure(poplin_fetch *fetch) {
    poplin_item *item = &fetch->items[fetch->order[fetch->sent - fetch->in_flight]];
    (void)poplin_fetch_note_step(fetch, item, POPLIN_STEP_TAKEN); /* no memory: as if there had been no time */
}

/* The phase is over. END or a failure. */
static int finish(poplin_fetch *fetch) {
    int status = POPLIN_OK;
    poplin_buffer_free(&fetch->header);
    if (identifies(fetch) && participants(fetch) > 0 && fetch->accepted == 0)
        status = identify_by_number(fetch);
    else if (!identifies(fetch))
        poplin_fetch_close_order(fetch);
    fetch->accepted = 0;
    return status == POPLIN_OK ? POPLIN_END : status;
}

int poplin_fetch_headers(poplin_fetch *fetch, poplin_fetch_event *event) {
    poplin_client_event told;
    poplin_item *item;
    const bool filters = !identifies(fetch);
    for (;;) {
        int status = ask_ahead(fetch);
        if (status == POPLIN_OK && fetch->in_flight == 0)
            return finish(fetch);
        if (status == POPLIN_OK && (status = poplin_fetch_pull(fetch, &told, &item)) < 0 && filters)
            note_failure(fetch);
        if (status == POPLIN_OK)
            status = take(fetch, item, &told, event);
        if (status != POPLIN_WAITING)
            return status;
    }
}

int poplin_fetch_choose(poplin_fetch *fetch, enum poplin_choice choice) {
    if (!fetch->asked || fetch->question != POPLIN_FETCH_FILTER)
        return POPLIN_ERR_STATE;
    poplin_item *item = fetch->item;
    switch (choice) {
    case POPLIN_CHOICE_TAKE:
        item->accepted = true;
        fetch->accepted++;
        break;
    case POPLIN_CHOICE_REJECT:
        item->plan = POPLIN_PLAN_DELETE;
        item->result = POPLIN_RESULT_REJECTED;
        item->deleted = fetch->config.dry_run;
        fetch->doomed[fetch->doomed_count++] = (size_t)(item - fetch->items);
        break;
    case POPLIN_CHOICE_SKIP:
        (void)poplin_fetch_note_error(fetch, item, POPLIN_RESULT_SKIPPED, NULL);
        break;
    default:
        return POPLIN_ERR_PROTOCOL;
    }
    fetch->asked = false;
    return POPLIN_OK;
}
