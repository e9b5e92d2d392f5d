/*
 * loop/call.c - one command and what came of it: the part of poplin/link.h that bindings use for single commands.
 */
#include "loop/calls.h"
#include "loop/link.h"
#include "wire/buffer.h"
#include "wire/grammar.h"

#include <stdlib.h>
#include <string.h>

/* A piece that is worth a host's attention: fewer and larger ones are cheaper in every language. */
enum { PIECE_OCTETS = 64 << 10 };

struct poplin_call {
    poplin_asker asker;
    enum poplin_verb verb;
    bool streamed;
    bool done;
    bool forgotten;   /* the host has freed it; its reply is still to come */
    bool piece_taken; /* the content gathered was handed out and goes at the next call */
    poplin_reply reply;
    poplin_buffer text;
    poplin_gather content;
    poplin_line *lines;
    size_t line_count;
    size_t line_capacity;
    poplin_buffer unique_ids; /* one behind the other, in the order of the lines */
};

static void destroy(poplin_asker *asker) {
    poplin_call *call = (poplin_call *)asker;

    poplin_gather_free(&call->content);
    poplin_buffer_free(&call->text);
    poplin_buffer_free(&call->unique_ids);
    free(call->lines);
    free(call);
}

static void discard(poplin_call *call) {
    poplin_calls_remove(&call->asker);
    destroy(&call->asker);
}

static int take(poplin_asker *asker, const poplin_client_event *event, bool asked);
static int keep(poplin_asker *asker);

static int create(poplin_link *link, enum poplin_verb verb, poplin_call **call) {
    *call = calloc(1, sizeof **call);
    if (!*call)
        return POPLIN_ERR_NOMEM;
    (*call)->asker = (poplin_asker){.link = link, .take = take, .keep = keep, .destroy = destroy};
    (*call)->verb = verb;
    poplin_calls_add(&(*call)->asker);
    return POPLIN_OK;
}

/* The outcome of submitting the command of a new call, which goes again where that failed. */
static int submitted(poplin_call **call, int status) {
    if (status == POPLIN_OK)
        return status;
    discard(*call);
    *call = NULL;
    return status;
}

int poplin_link_call(poplin_link *link, const poplin_command *command, bool streamed, poplin_call **call) {
    int status = create(link, command->verb, call);

    if (status != POPLIN_OK)
        return status;
    (*call)->streamed = streamed;
    poplin_series_hold(link);
    return submitted(call, poplin_link_submit(link, command, (uint64_t)(uintptr_t)*call));
}

int poplin_link_login(poplin_link *link, const poplin_credentials *login, poplin_call **call) {
    int status = create(link, POPLIN_PASS, call);

    if (status != POPLIN_OK)
        return status;
    return submitted(call, poplin_link_submit_login(link, login, (uint64_t)(uintptr_t)*call));
}

/* ---- what comes in ---- */

static int add_line(poplin_call *call, const poplin_client_event *event) {
    if (call->line_count == call->line_capacity) {
        size_t capacity = call->line_capacity ? 2 * call->line_capacity : 64;
        poplin_line *lines = realloc(call->lines, capacity * sizeof *lines);

        if (!lines)
            return POPLIN_ERR_NOMEM;
        call->lines = lines;
        call->line_capacity = capacity;
    }
    call->lines[call->line_count++] = (poplin_line){
        .number = event->number, .octets = event->octets, .unique_id = {.data = NULL, .size = event->text.size}};
    return poplin_buffer_append(&call->unique_ids, event->text.data, event->text.size);
}

/* The unique-ids have stopped moving: lets the lines point to them. */
static void point_lines(poplin_call *call) {
    const char *at = poplin_buffer_slice(&call->unique_ids).data;

    for (size_t i = 0; i < call->line_count; i++) {
        call->lines[i].unique_id.data = at;
        if (at)
            at += call->lines[i].unique_id.size;
    }
}

static void finish(poplin_call *call) {
    point_lines(call);
    call->done = true;
    if (call->forgotten)
        discard(call);
}

static int take_reply(poplin_call *call, const poplin_client_event *event) {
    size_t size = event->text.size < POPLIN_REPLY_TEXT_MAX ? event->text.size : POPLIN_REPLY_TEXT_MAX;
    int status = poplin_buffer_append(&call->text, event->text.data, size);

    if (status != POPLIN_OK)
        return status;
    call->reply = (poplin_reply){.status = event->status,
                                 .code = event->code,
                                 .text = poplin_buffer_slice(&call->text),
                                 .number = event->number,
                                 .count = event->count,
                                 .octets = event->octets};
    if (event->complete || event->kind == POPLIN_CLIENT_OPENED)
        finish(call);
    return POPLIN_OK;
}

/* The piece that the host was given lived until now: what comes next must not be mixed up with it. */
static void drop_taken(poplin_call *call) {
    if (call->piece_taken)
        poplin_gather_reset(&call->content);
    call->piece_taken = false;
}

/* A content that is collected is wanted whole; a streamed one must not grow while nobody takes it. */
static int add_content(poplin_call *call, poplin_slice octets, bool asked) {
    drop_taken(call);
    if (call->streamed && !asked && call->content.size + octets.size > call->asker.link->config.client.window_octets)
        return POPLIN_ERR_LIMIT;
    return poplin_gather_add(&call->content, octets);
}

static int take(poplin_asker *asker, const poplin_client_event *event, bool asked) {
    poplin_call *call = (poplin_call *)asker;

    switch (event->kind) {
    case POPLIN_CLIENT_REPLY:
    case POPLIN_CLIENT_OPENED:
        return take_reply(call, event);
    case POPLIN_CLIENT_LISTING:
        return call->forgotten ? POPLIN_OK : add_line(call, event);
    case POPLIN_CLIENT_BODY:
        return call->forgotten ? POPLIN_OK : add_content(call, event->text, asked);
    case POPLIN_CLIENT_END:
        call->reply.octets = event->octets;
        finish(call);
        return POPLIN_OK;
    default:
        return POPLIN_OK;
    }
}

static int keep(poplin_asker *asker) {
    return poplin_gather_keep(&((poplin_call *)asker)->content);
}

/* ---- what the host takes ---- */

int poplin_call_done(poplin_call *call) {
    int status = POPLIN_OK;

    while (!call->done && status == POPLIN_OK)
        status = poplin_calls_route(call->asker.link, &call->asker);
    if (status == POPLIN_OK && call->verb == POPLIN_QUIT)
        status = poplin_calls_refused(call->asker.link);
    return poplin_link_answer(call->asker.link, status);
}

const poplin_reply *poplin_call_reply(const poplin_call *call) {
    return &call->reply;
}

const poplin_line *poplin_call_lines(const poplin_call *call, size_t *count) {
    *count = call->line_count;
    return call->lines;
}

static int compare_numbers(const void *a, const void *b) {
    const poplin_line *first = a, *second = b;

    return (first->number > second->number) - (first->number < second->number);
}

static bool is_ascending(const poplin_line *lines, size_t count) {
    size_t i = 1;

    while (i < count && lines[i - 1].number < lines[i].number)
        i++;
    return i >= count;
}

int poplin_call_join(poplin_call *list, const poplin_call *uidl) {
    const poplin_line *names = uidl->lines;
    size_t count = uidl->line_count, next = 0;
    poplin_line *sorted = NULL;

    if (!is_ascending(names, count)) {
        sorted = malloc(count * sizeof *sorted);
        if (!sorted)
            return POPLIN_ERR_NOMEM;
        memcpy(sorted, names, count * sizeof *sorted);
        qsort(sorted, count, sizeof *sorted, compare_numbers);
        names = sorted;
    }
    for (size_t i = 0; i < list->line_count; i++) {
        poplin_line *line = &list->lines[i];
        const poplin_line *name = NULL;

        if (next < count && names[next].number == line->number)
            name = &names[next];
        else if (count > 0)
            name = bsearch(line, names, count, sizeof *names, compare_numbers);
        line->unique_id = name ? name->unique_id : (poplin_slice){NULL, 0};
        if (name)
            next = (size_t)(name - names) + 1;
    }
    free(sorted);
    return POPLIN_OK;
}

int poplin_call_body(poplin_call *call, poplin_body *body) {
    if (!call->done || call->streamed)
        return POPLIN_ERR_STATE;
    *body = poplin_gather_body(&call->content);
    return POPLIN_OK;
}

int poplin_call_piece(poplin_call *call, poplin_body *body) {
    int status = POPLIN_OK;

    if (!call->streamed)
        return POPLIN_ERR_STATE;
    drop_taken(call);
    while (!call->done && call->content.size < PIECE_OCTETS && status == POPLIN_OK)
        status = poplin_calls_route(call->asker.link, &call->asker);
    if (status == POPLIN_OK && call->content.size == 0)
        status = POPLIN_END;
    if (status == POPLIN_OK) {
        *body = poplin_gather_body(&call->content);
        call->piece_taken = true;
    }
    return poplin_link_answer(call->asker.link, status);
}

void poplin_call_free(poplin_call *call) {
    if (!call)
        return;
    if (call->done || poplin_link_error(call->asker.link)) {
        discard(call);
        return;
    }
    call->forgotten = true;
    poplin_gather_free(&call->content);
}
