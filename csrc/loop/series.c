/*
 * loop/series.c - message after message by RETR, the pipeline kept full: the series of poplin/link.h.
 *
 * The client machine sends ahead; a series only takes what arrives. As a rule one message is here at a time, since
 * nothing is decoded before somebody asks. Where the host waits for another command in between, the messages in
 * flight queue up here; the RETRs that were not sent yet are taken back, and given to the machine again when the
 * queue is empty: so what is kept never exceeds one window, however often that happens.
 */
#include "loop/calls.h"
#include "loop/link.h"

#include <stdlib.h>
#include <string.h>

/* One message that arrived, or the one that is arriving: always the last of the queue. */
struct arrival {
    struct arrival *next;
    poplin_message message;
    char text[POPLIN_REPLY_TEXT_MAX];
    poplin_gather content;
    bool complete;
};

struct poplin_series {
    poplin_asker asker;
    poplin_wanted *wanted;
    size_t count;
    size_t given;          /* how many of them the machine has, or had: those before were or will be answered */
    size_t answered;       /* how many replies are complete */
    struct arrival *first; /* the queue */
    struct arrival *last;
    struct arrival *spare; /* one, with its memory, for the next message */
    uint64_t held;         /* octets of content in the queue */
    bool first_taken;      /* the host has seen it: it goes at the next call */
    bool forgotten;        /* the host has freed it; replies are still to come */
};

static void free_arrival(struct arrival *arrival) {
    if (!arrival)
        return;
    poplin_gather_free(&arrival->content);
    free(arrival);
}

static void drop_first(poplin_series *series) {
    struct arrival *arrival = series->first;

    series->held -= arrival->content.size;
    series->first = arrival->next;
    if (!series->first)
        series->last = NULL;
    free_arrival(series->spare);
    series->spare = arrival;
    poplin_gather_reset(&arrival->content);
}

/* The message that the host was given lived until now. */
static void drop_taken(poplin_series *series) {
    if (series->first_taken)
        drop_first(series);
    series->first_taken = false;
}

static void destroy(poplin_asker *asker) {
    poplin_series *series = (poplin_series *)asker;

    while (series->first)
        drop_first(series);
    free_arrival(series->spare);
    free(series->wanted);
    free(series);
}

static void discard(poplin_series *series) {
    poplin_calls_remove(&series->asker);
    destroy(&series->asker);
}

/* Gives the machine what it has not got. */
static int ask(poplin_series *series) {
    int status;

    if (series->given == series->count)
        return POPLIN_OK;
    status = poplin_link_submit_retr_all(series->asker.link, series->wanted + series->given,
                                         series->count - series->given, (uint64_t)(uintptr_t)series);
    if (status == POPLIN_OK)
        series->given = series->count;
    return status;
}

/* Takes back what the machine has not sent. */
static void take_back(poplin_series *series) {
    series->given -= poplin_link_stop_retr(series->asker.link);
}

void poplin_series_hold(poplin_link *link) {
    if (link->calls.series)
        take_back(link->calls.series);
}

static int take(poplin_asker *asker, const poplin_client_event *event, bool asked);
static int keep(poplin_asker *asker);

int poplin_link_retr_all(poplin_link *link, const poplin_wanted *wanted, size_t count, poplin_series **series) {
    poplin_series *made;
    int status;

    *series = NULL;
    if (link->calls.series)
        return POPLIN_ERR_STATE;
    made = calloc(1, sizeof *made);
    if (!made)
        return POPLIN_ERR_NOMEM;
    made->asker = (poplin_asker){.link = link, .take = take, .keep = keep, .destroy = destroy};
    made->count = count;
    poplin_calls_add(&made->asker);
    made->wanted = calloc(count ? count : 1, sizeof *wanted);
    status = made->wanted ? POPLIN_OK : POPLIN_ERR_NOMEM;
    if (status == POPLIN_OK) {
        if (count)
            memcpy(made->wanted, wanted, count * sizeof *wanted);
        status = ask(made);
    }
    if (status == POPLIN_OK)
        *series = link->calls.series = made;
    else
        discard(made);
    return status;
}

/* ---- what comes in ---- */

/* A place for the message whose reply begins. */
static int begin(poplin_series *series, const poplin_client_event *event) {
    struct arrival *arrival = series->spare;
    size_t size = event->text.size;

    series->spare = NULL;
    if (!arrival)
        arrival = calloc(1, sizeof *arrival);
    if (!arrival)
        return POPLIN_ERR_NOMEM;
    if (size > sizeof arrival->text)
        size = sizeof arrival->text;
    if (size > 0)
        memcpy(arrival->text, event->text.data, size);
    arrival->next = NULL;
    arrival->complete = event->complete;
    arrival->message = (poplin_message){.number = event->number,
                                        .status = event->status,
                                        .code = event->code,
                                        .text = {.data = arrival->text, .size = size}};
    if (series->last)
        series->last->next = arrival;
    else
        series->first = arrival;
    series->last = arrival;
    return POPLIN_OK;
}

static int add(poplin_series *series, poplin_slice octets, bool asked) {
    if (!asked && series->held + octets.size > series->asker.link->config.client.window_octets)
        return POPLIN_ERR_LIMIT;
    series->held += octets.size;
    return poplin_gather_add(&series->last->content, octets);
}

static int take(poplin_asker *asker, const poplin_client_event *event, bool asked) {
    poplin_series *series = (poplin_series *)asker;
    int status = POPLIN_OK;

    if (event->kind == POPLIN_CLIENT_END || event->complete)
        series->answered++;
    if (series->forgotten) {
        if (series->answered == series->given)
            discard(series);
        return POPLIN_OK;
    }
    drop_taken(series);
    if (!asked)
        take_back(series); /* what is in flight is kept, and nothing is added to it */
    if (event->kind == POPLIN_CLIENT_REPLY)
        status = begin(series, event);
    else if (event->kind == POPLIN_CLIENT_BODY)
        status = add(series, event->text, asked);
    else if (event->kind == POPLIN_CLIENT_END)
        series->last->complete = true;
    return status;
}

static int keep(poplin_asker *asker) {
    int status = POPLIN_OK;

    for (struct arrival *arrival = ((poplin_series *)asker)->first; arrival && status == POPLIN_OK;
         arrival = arrival->next)
        status = poplin_gather_keep(&arrival->content);
    return status;
}

/* ---- what the host takes ---- */

static bool has_message(const poplin_series *series) {
    return series->first && series->first->complete;
}

/* Pulls an event; with nothing here to take, the pipeline may be filled again. */
static int go_on(poplin_series *series) {
    int status;

    if (series->answered == series->count)
        return POPLIN_END;
    status = ask(series);
    return status == POPLIN_OK ? poplin_calls_route(series->asker.link, &series->asker) : status;
}

int poplin_series_next(poplin_series *series, poplin_message *message) {
    poplin_link *link = series->asker.link;
    int status;

    drop_taken(series);
    status = poplin_calls_refused(link);
    while (status == POPLIN_OK && !has_message(series)) {
        status = go_on(series);
        if (status == POPLIN_OK)
            status = poplin_calls_refused(link); /* told in the order of the replies, however they were cut */
    }
    if (status == POPLIN_OK) {
        *message = series->first->message;
        message->body = poplin_gather_body(&series->first->content);
        series->first_taken = true;
    }
    return poplin_link_answer(link, status);
}

void poplin_series_free(poplin_series *series) {
    if (!series)
        return;
    take_back(series);
    series->asker.link->calls.series = NULL;
    while (series->first)
        drop_first(series);
    series->forgotten = true;
    if (series->answered == series->given || poplin_link_error(series->asker.link))
        discard(series);
}
