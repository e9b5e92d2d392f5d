/*
 * fetch/fetch.c - the engine as its host sees it: one event after the other, a session's phases in their order, answers,
 * and the failure that ends all.
 */
#include "fetch/fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wire/failure.h"
#include "wire/grammar.h"

enum { ACCOUNT_MAX = 1000, DEFAULT_SETTLE_EVERY = 64 };

/* ---- what the phases share ---- */

uint64_t poplin_fetch_clock(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int64_t poplin_fetch_now(const poplin_fetch *fetch) {
    return fetch->config.now != 0 ? fetch->config.now : (int64_t)time(NULL);
}

poplin_slice poplin_fetch_octets(const poplin_fetch *fetch, size_t place, size_t size) {
    return size > 0 ? (poplin_slice){poplin_buffer_slice(&fetch->octets).data + place, size} : (poplin_slice){"", 0};
}

int poplin_fetch_fail(poplin_fetch *fetch, const poplin_error *error) {
    if (!fetch->failed) {
        fetch->failed = true;
        fetch->error = *error;
        fetch->phase = POPLIN_PHASE_REPORT;
        fetch->cut_short = false;
    }
    return fetch->error.status;
}

int poplin_fetch_fail_because(poplin_fetch *fetch, int status, const char *doing, const char *reason) {
    poplin_error error;
    (void)poplin_fail(&error, status, doing, "%s", reason);
    return poplin_fetch_fail(fetch, &error);
}

int poplin_fetch_note_error(poplin_fetch *fetch, poplin_item *item, enum poplin_result result,
                            const poplin_error *error) {
    item->result = result;
    if (error != NULL && item->error == NULL && (item->error = malloc(sizeof *error)) != NULL)
        *item->error = *error; /* without memory it is told without its reason */
    if (poplin_fetch_set_aside(fetch, item) == POPLIN_OK)
        return POPLIN_OK;
    return poplin_fetch_fail_because(fetch, POPLIN_ERR_NOMEM, "fetch", poplin_status_text(POPLIN_ERR_NOMEM));
}

int poplin_fetch_ask(poplin_fetch *fetch, poplin_fetch_event *event, enum poplin_fetch_event_kind kind) {
    event->kind = kind;
    fetch->asked = kind != POPLIN_FETCH_ABANDON && kind != POPLIN_FETCH_RESULT;
    fetch->question = kind;
    return POPLIN_OK;
}

int poplin_fetch_ask_of(poplin_fetch *fetch, poplin_fetch_event *event, enum poplin_fetch_event_kind kind,
                        poplin_item *item) {
    fetch->record = (poplin_seen_record){
        .uid = poplin_fetch_octets(fetch, item->key, item->key_size),
        .copy = item->copy,
        .step = item->step,
        .octets = item->octets,
        .first_seen = item->first_seen,
        .changed = poplin_fetch_now(fetch),
    };
    fetch->message = (poplin_fetch_message){
        .number = item->number,
        .unique_id = poplin_fetch_octets(fetch, item->uid, item->uid_size),
        .octets = item->octets,
        .record = &fetch->record,
        .resumed = item->resumed,
        .headers_only = item->plan == POPLIN_PLAN_HEADERS,
    };
    if (item->uid_size == 0)
        fetch->message.unique_id = (poplin_slice){NULL, 0};
    fetch->item = item;
    event->message = &fetch->message;
    return poplin_fetch_ask(fetch, event, kind);
}

/* ---- commands and what comes of them ---- */

int poplin_fetch_submit(poplin_fetch *fetch, enum poplin_verb verb, const poplin_item *item) {
    poplin_command command = {.verb = verb};
    uint64_t tag = 0;
    if (item != NULL) {
        tag = (uint64_t)(item - fetch->items) + 1;
        command.number = item->number;
        command.octets = verb == POPLIN_RETR && item->octets != POPLIN_OCTETS_UNKNOWN ? item->octets : 0;
    }
    int status = poplin_link_submit(fetch->link, &command, tag);
    if (status == POPLIN_OK) {
        fetch->in_flight++;
        return POPLIN_OK;
    }
    const poplin_error *error = poplin_link_error(fetch->link);
    return error != NULL ? poplin_fetch_fail(fetch, error)
                         : poplin_fetch_fail_because(fetch, status, poplin_verb_name(verb), poplin_status_text(status));
}

int poplin_fetch_pull(poplin_fetch *fetch, poplin_client_event *event, poplin_item **item) {
    int status = poplin_link_next(fetch->link, event);
    const poplin_error *error = poplin_link_error(fetch->link);
    *item = NULL;
    if (status < 0)
        return error != NULL ? poplin_fetch_fail(fetch, error)
                             : poplin_fetch_fail_because(fetch, status, "fetch", poplin_status_text(status));
    if (status != POPLIN_OK)
        return status;
    if (event->tag > 0 && event->tag <= fetch->item_count)
        *item = &fetch->items[event->tag - 1];
    if ((event->kind == POPLIN_CLIENT_REPLY && event->complete) || event->kind == POPLIN_CLIENT_END)
        fetch->in_flight--;
    return POPLIN_OK;
}

/* ---- the phases that are short ---- */

static void forget_session(poplin_fetch *fetch) {
    for (size_t index = 0; index < fetch->item_count; index++)
        free(fetch->items[index].error);
    fetch->item_count = fetch->row_count = 0;
    fetch->queue_count = fetch->queue_open = fetch->queue_begun = fetch->order_count = fetch->order_ended = 0;
    fetch->doomed_count = fetch->doomed_sent = fetch->delivered_count = 0;
    fetch->order_taken = fetch->left = false;
    fetch->session_taken = 0;
    fetch->reported = 0;
    fetch->in_flight = 0;
    fetch->link = NULL;
    fetch->no_uidl = fetch->by_number = fetch->cut_short = false;
    poplin_buffer_clear(&fetch->octets);
    free(fetch->queue);
    free(fetch->order);
    free(fetch->doomed);
    free(fetch->delivered);
    fetch->queue = fetch->order = fetch->doomed = fetch->delivered = NULL;
}

/* The server's LOGIN-DELAY, in which RFC 2449 section 6.5 has seconds. */
static uint64_t login_delay(const poplin_link *link) {
    const poplin_client *client = poplin_link_client(link);
    poplin_capability capability;
    for (size_t index = 0; poplin_client_capability(client, index, &capability) == POPLIN_OK; index++) {
        static const char name[] = "LOGIN-DELAY";
        if (capability.name.size != sizeof name - 1 || memcmp(capability.name.data, name, sizeof name - 1) != 0)
            continue;
        uint64_t seconds = 0;
        for (size_t at = 0; at < capability.parameters.size && seconds < 86400; at++) {
            const char digit = capability.parameters.data[at];
            if (digit < '0' || digit > '9')
                break;
            seconds = seconds * 10 + (uint64_t)(digit - '0');
        }
        return seconds * 1000;
    }
    return 0;
}

static int connect(poplin_fetch *fetch, poplin_fetch_event *event) {
    if (fetch->link != NULL) {
        fetch->login_delay_ms = login_delay(fetch->link);
        fetch->logged_in_at = poplin_fetch_clock();
        return POPLIN_END;
    }
    uint64_t passed = poplin_fetch_clock() - fetch->logged_in_at;
    event->delay_ms = fetch->login_delay_ms > passed ? fetch->login_delay_ms - passed : 0;
    return poplin_fetch_ask(fetch, event, POPLIN_FETCH_CONNECT);
}

static int recall(poplin_fetch *fetch, poplin_fetch_event *event) {
    if (!fetch->begun_phase) {
        fetch->begun_phase = true;
        return poplin_fetch_ask(fetch, event, POPLIN_FETCH_RECALL);
    }
    int status = poplin_fetch_make_plan(fetch);
    return status == POPLIN_OK ? POPLIN_END : status;
}

/* What was deleted is recorded as far as it is known, before QUIT and behind its answer. */
static int note_deletions(poplin_fetch *fetch, bool confirmed) {
    int status = POPLIN_OK;
    for (size_t index = 0; index < fetch->doomed_count && status == POPLIN_OK; index++) {
        poplin_item *item = &fetch->items[fetch->doomed[index]];
        if (!item->deleted)
            continue;
        bool rejected = item->result == POPLIN_RESULT_REJECTED;
        enum poplin_step marked = rejected ? POPLIN_STEP_REJECTED : POPLIN_STEP_DELETED;
        status = poplin_fetch_note_step(fetch, item, confirmed ? POPLIN_STEP_CONFIRMED : marked);
        fetch->progress.deleted += confirmed;
    }
    return status;
}

static int quit_refused(poplin_fetch *fetch, const poplin_client_event *reply) {
    poplin_error error;
    poplin_client_describe(reply, &error);
    (void)snprintf(error.reason, sizeof error.reason,
                   "the server did not make the deletions, or not all: the next fetch finds out, and makes them again");
    return poplin_fetch_fail(fetch, &error);
}

static int quit(poplin_fetch *fetch, poplin_fetch_event *event) {
    poplin_client_event reply;
    poplin_item *none;
    int status;
    if (!fetch->begun_phase) {
        fetch->begun_phase = true;
        status = note_deletions(fetch, false);
        if (status != POPLIN_OK)
            return status;
    }
    status = poplin_fetch_write_down(fetch, event);
    if (status != POPLIN_END || fetch->quit == POPLIN_QUIT_ANSWERED)
        return status;
    if (fetch->quit == POPLIN_QUIT_TO_COME) {
        status = poplin_fetch_submit(fetch, POPLIN_QUIT, NULL);
        if (status != POPLIN_OK)
            return status;
        fetch->quit = POPLIN_QUIT_SENT;
    }
    status = poplin_fetch_pull(fetch, &reply, &none);
    if (status != POPLIN_OK)
        return status;
    if (reply.kind != POPLIN_CLIENT_REPLY || reply.verb != POPLIN_QUIT)
        return POPLIN_WAITING;
    if (reply.status != POPLIN_OK)
        return quit_refused(fetch, &reply);
    fetch->quit = POPLIN_QUIT_ANSWERED;
    status = note_deletions(fetch, true);
    return status == POPLIN_OK ? POPLIN_WAITING : status;
}

/* Where all has failed: what is half done is removed, what is done is recorded, the rest is as before. END: that was all. */
static int clean_up(poplin_fetch *fetch, poplin_fetch_event *event) {
    if (fetch->begun) {
        fetch->begun = false;
        return poplin_fetch_ask_of(fetch, event, POPLIN_FETCH_ABANDON, fetch->item);
    }
    poplin_fetch_note_untouched(fetch);
    return poplin_fetch_write_down(fetch, event);
}

static int report(poplin_fetch *fetch, poplin_fetch_event *event) {
    int status = fetch->failed ? clean_up(fetch, event) : POPLIN_END;
    if (status != POPLIN_END)
        return status;
    while (fetch->reported < fetch->item_count) {
        poplin_item *item = &fetch->items[fetch->reported++];
        if (item->result == POPLIN_RESULT_NONE)
            continue;
        event->result = item->result;
        event->deleted = fetch->config.dry_run ? item->deleted : item->step == POPLIN_STEP_CONFIRMED;
        event->error = item->error;
        return poplin_fetch_ask_of(fetch, event, POPLIN_FETCH_RESULT, item);
    }
    return POPLIN_END;
}

/* ---- one event after the other ---- */

static int step(poplin_fetch *fetch, poplin_fetch_event *event) {
    switch (fetch->phase) {
    case POPLIN_PHASE_CONNECT:
        return connect(fetch, event);
    case POPLIN_PHASE_LIST:
        return poplin_fetch_list(fetch);
    case POPLIN_PHASE_IDENTIFY:
    case POPLIN_PHASE_FILTER:
        return poplin_fetch_headers(fetch, event);
    case POPLIN_PHASE_RECALL:
        return recall(fetch, event);
    case POPLIN_PHASE_TRANSFER:
        return poplin_fetch_transfer(fetch, event);
    case POPLIN_PHASE_QUIT:
        return quit(fetch, event);
    case POPLIN_PHASE_REPORT:
        return report(fetch, event);
    default:
        return POPLIN_END;
    }
}

/* Goes on to the next phase; behind a round that may be another one, behind the report it is the next session, or the end. */
static void go_on(poplin_fetch *fetch) {
    fetch->begun_phase = false;
    fetch->sent = 0;
    if (fetch->phase == POPLIN_PHASE_REPORT && fetch->cut_short) {
        forget_session(fetch);
        fetch->quit = POPLIN_QUIT_TO_COME;
        fetch->phase = POPLIN_PHASE_CONNECT;
    } else if (fetch->phase == POPLIN_PHASE_TRANSFER && poplin_fetch_begin_round(fetch)) {
        fetch->phase = POPLIN_PHASE_FILTER;
    } else {
        fetch->phase++;
    }
}

int poplin_fetch_next(poplin_fetch *fetch, poplin_fetch_event *event) {
    if (fetch->asked)
        return POPLIN_ERR_STATE;
    for (;;) {
        *event = (poplin_fetch_event){.account = fetch->config.account};
        if (fetch->phase == POPLIN_PHASE_OVER)
            return fetch->failed ? fetch->error.status : POPLIN_END;
        const bool cleaning = fetch->failed;
        int status = step(fetch, event);
        if (status == POPLIN_OK || status == POPLIN_NEED_INPUT)
            return status;
        if (status == POPLIN_END)
            go_on(fetch);
        else if (status < 0 && cleaning)
            fetch->phase = POPLIN_PHASE_OVER;
        else if (status < 0)
            (void)poplin_fetch_fail_because(fetch, status, "fetch", poplin_status_text(status));
    }
}

/* ---- answers ---- */

/* The host could not do what was asked for, and nothing goes without that. */
static void fail_for(poplin_fetch *fetch, int status, const poplin_error *error) {
    if (error == NULL) {
        (void)poplin_fetch_fail_because(fetch, status, "fetch", poplin_status_text(status));
        return;
    }
    poplin_error told = *error;
    told.status = status;
    (void)poplin_fetch_fail(fetch, &told);
}

/* Any of them may not be in its place. */
static void note_unsettled(poplin_fetch *fetch, int status, const poplin_error *error) {
    for (size_t index = 0; index < fetch->delivered_count; index++)
        poplin_fetch_not_delivered(fetch, &fetch->items[fetch->delivered[index]], status, error);
}

int poplin_fetch_unsettled(poplin_fetch *fetch, uint32_t number, int status, const poplin_error *error) {
    size_t index = 0;
    if (!fetch->asked || fetch->question != POPLIN_FETCH_SETTLE)
        return POPLIN_ERR_STATE;
    while (index < fetch->delivered_count && fetch->items[fetch->delivered[index]].number != number)
        index++;
    if (index == fetch->delivered_count)
        return POPLIN_ERR_STATE;
    poplin_fetch_not_delivered(fetch, &fetch->items[fetch->delivered[index]], status, error);
    fetch->delivered_count--;
    memmove(fetch->delivered + index, fetch->delivered + index + 1,
            (fetch->delivered_count - index) * sizeof *fetch->delivered);
    return POPLIN_OK;
}

int poplin_fetch_answer(poplin_fetch *fetch, int status, const poplin_error *error) {
    const bool good = status == POPLIN_OK;
    if (!fetch->asked || (good && fetch->question == POPLIN_FETCH_CONNECT && fetch->link == NULL) ||
        (good && fetch->question == POPLIN_FETCH_FILTER))
        return POPLIN_ERR_STATE;
    fetch->asked = false;
    switch (fetch->question) {
    case POPLIN_FETCH_BEGIN:
    case POPLIN_FETCH_PIECE:
    case POPLIN_FETCH_DELIVER:
        return poplin_fetch_transferred(fetch, status, error);
    case POPLIN_FETCH_FILTER:
        (void)poplin_fetch_note_error(fetch, fetch->item, POPLIN_RESULT_FAILED, error);
        return POPLIN_OK;
    case POPLIN_FETCH_SETTLE:
        if (!good)
            note_unsettled(fetch, status, error);
        poplin_fetch_written_down(fetch, status);
        break;
    case POPLIN_FETCH_RECORD:
        poplin_fetch_written_down(fetch, status);
        break;
    default:
        break;
    }
    if (status != POPLIN_OK)
        fail_for(fetch, status, error);
    return POPLIN_OK;
}

int poplin_fetch_use(poplin_fetch *fetch, poplin_link *link) {
    if (!fetch->asked || fetch->question != POPLIN_FETCH_CONNECT || poplin_link_client(link) == NULL)
        return POPLIN_ERR_STATE;
    fetch->link = link;
    return POPLIN_OK;
}

/* ---- for the host ---- */

void poplin_fetch_config_init(poplin_fetch_config *config) {
    *config = (poplin_fetch_config){.keep = POPLIN_KEEP_FOREVER, .settle_every = DEFAULT_SETTLE_EVERY};
}

static bool is_account(const char *account) {
    size_t size = 0;
    for (; account[size] != '\0'; size++)
        if (size == ACCOUNT_MAX || (unsigned char)account[size] < ' ' || account[size] == 0x7F)
            return false;
    return size > 0;
}

int poplin_fetch_new(const poplin_fetch_config *config, poplin_fetch **made) {
    *made = NULL;
    if (config->account == NULL || !is_account(config->account))
        return POPLIN_ERR_PROTOCOL;
    poplin_fetch *fetch = calloc(1, sizeof *fetch);
    if (fetch == NULL)
        return POPLIN_ERR_NOMEM;
    fetch->config = *config;
    fetch->config.account = strdup(config->account);
    poplin_fetch_settle_every(fetch, config->settle_every);
    if (fetch->config.account == NULL) {
        free(fetch);
        return POPLIN_ERR_NOMEM;
    }
    *made = fetch;
    return POPLIN_OK;
}

void poplin_fetch_free(poplin_fetch *fetch) {
    if (fetch == NULL)
        return;
    forget_session(fetch);
    free(fetch->items);
    free(fetch->rows);
    free(fetch->batch.records);
    poplin_buffer_free(&fetch->octets);
    poplin_buffer_free(&fetch->aside);
    poplin_buffer_free(&fetch->header);
    free((char *)fetch->config.account);
    free(fetch);
}

void poplin_fetch_settle_every(poplin_fetch *fetch, uint32_t messages) {
    fetch->config.settle_every = messages != 0 ? messages : DEFAULT_SETTLE_EVERY;
}

int poplin_fetch_wait(poplin_fetch *fetch, int milliseconds) {
    return fetch->link != NULL ? poplin_link_wait(fetch->link, milliseconds) : POPLIN_ERR_STATE;
}

void poplin_fetch_progress_now(const poplin_fetch *fetch, poplin_fetch_progress *progress) {
    *progress = fetch->progress;
    progress->octets_to_do = progress->octets_done + fetch->octets_left;
}

const poplin_error *poplin_fetch_error(const poplin_fetch *fetch) {
    return fetch->failed ? &fetch->error : NULL;
}
