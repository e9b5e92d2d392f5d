/*
 * client/send.c - commands on their way out: the queue, the sliding window, the series of RETRs.
 *
 * Commands are written when the host asks for output, never before: all that may go then goes in one piece, and
 * octets that the server sent before it could know a command are never taken for that command's reply.
 *
 * The window bounds what is in flight, in commands and in octets of content that they will bring, so that the server's
 * output never grows beyond what the host is ready to hold; it is refilled when half of it has drained.
 */
#include "client/machine.h"

#include <stdlib.h>
#include <string.h>

/* What a message whose size is not known counts in the window. */
#define UNKNOWN_CONTENT ((uint64_t)64 * 1024)

/* Octets of a language range. */
enum { RANGE_MAX = 100 };

/* ---- the queue ---- */

static poplin_pending *slot(const poplin_queue *queue, size_t index) {
    return &queue->slots[(queue->head + index) & (queue->capacity - 1)];
}

static bool enlarge(poplin_queue *queue) {
    size_t capacity = queue->capacity > 0 ? 2 * queue->capacity : 16;
    if (capacity > SIZE_MAX / sizeof *queue->slots)
        return false;
    poplin_pending *slots = malloc(capacity * sizeof *slots);
    if (slots == NULL)
        return false;
    for (size_t i = 0; i < queue->count; i++)
        slots[i] = *slot(queue, i);
    free(queue->slots);
    queue->slots = slots;
    queue->capacity = capacity;
    queue->head = 0;
    return true;
}

int poplin_step_queue(poplin_client *client, const poplin_pending *command) {
    poplin_queue *queue = &client->queue;
    if (queue->count == queue->capacity && !enlarge(queue))
        return POPLIN_ERR_NOMEM;
    *slot(queue, queue->count++) = *command;
    return POPLIN_OK;
}

int poplin_step_queue_first(poplin_client *client, const poplin_pending *command) {
    poplin_queue *queue = &client->queue;
    if (queue->count == queue->capacity && !enlarge(queue))
        return POPLIN_ERR_NOMEM;
    queue->head = (queue->head - 1) & (queue->capacity - 1);
    queue->count++;
    *slot(queue, 0) = *command;
    return POPLIN_OK;
}

poplin_pending *poplin_step_head(const poplin_client *client) {
    return client->queue.in_flight > 0 ? slot(&client->queue, 0) : NULL;
}

void poplin_step_answered(poplin_client *client) {
    poplin_queue *queue = &client->queue;
    queue->charged -= slot(queue, 0)->charge;
    poplin_own_forget(slot(queue, 0));
    queue->head = (queue->head + 1) & (queue->capacity - 1);
    queue->count--;
    queue->in_flight--;
}

void poplin_step_received(poplin_client *client, uint64_t size) {
    poplin_queue *queue = &client->queue;
    poplin_pending *head = slot(queue, 0);
    client->received += size;
    if (client->received > head->charge) {
        queue->charged += client->received - head->charge;
        head->charge = client->received;
    }
}

void poplin_step_forget(poplin_client *client) {
    for (size_t i = 0; i < client->queue.count; i++)
        poplin_own_forget(slot(&client->queue, i));
}

void poplin_step_queue_free(poplin_client *client) {
    poplin_step_forget(client);
    free(client->queue.slots);
    free(client->series.wanted);
}

/* A message larger than the whole window fills it, and goes alone. */
uint64_t poplin_step_charge(const poplin_client *client, uint64_t octets) {
    uint64_t expected = octets == 0 || octets == POPLIN_OCTETS_UNKNOWN ? UNKNOWN_CONTENT : octets;
    return expected < client->config.window_octets ? expected : client->config.window_octets;
}

static uint64_t charge_of(const poplin_client *client, enum poplin_verb verb, uint64_t octets) {
    return verb == POPLIN_RETR || verb == POPLIN_TOP ? poplin_step_charge(client, octets) : 0;
}

/* ---- commands from the host ---- */

static bool numbers_valid(const poplin_command *command, const poplin_verb_row *row) {
    switch (row->arguments) {
    case POPLIN_ARGS_NUMBER:
        return command->number > 0 && command->number <= POPLIN_NUMBER_MAX;
    case POPLIN_ARGS_NUMBER_LINES:
        return command->number > 0 && command->number <= POPLIN_NUMBER_MAX && command->lines <= POPLIN_NUMBER_MAX;
    case POPLIN_ARGS_NUMBER_OPTIONAL:
        return command->number <= POPLIN_NUMBER_MAX;
    default:
        return true;
    }
}

/* Letters, digits, "-" and "*", no more than fit a line (RFC 4647 section 2.1). */
static bool is_range(poplin_slice range) {
    for (size_t i = 0; i < range.size; i++) {
        char c = range.data[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '*')
            return false;
    }
    return range.data == NULL || (range.size > 0 && range.size <= RANGE_MAX);
}

/* True where the host may submit a command of this verb now. */
static bool fits_state(const poplin_client *client, enum poplin_verb verb) {
    if (client->opening.active || client->quitting || client->challenged || verb == POPLIN_AUTH ||
        verb == POPLIN_USER || verb == POPLIN_PASS || verb == POPLIN_APOP)
        return false;
    if (verb == POPLIN_STLS && (client->tls || client->utf8)) /* RFC 6856 section 2.1 */
        return false;
    return (poplin_verb_lookup(verb)->phases & (unsigned)client->phase) != 0;
}

int poplin_client_submit(poplin_client *client, const poplin_command *command, uint64_t tag) {
    if (!fits_state(client, command->verb))
        return POPLIN_ERR_STATE;
    const poplin_verb_row *row = poplin_verb_lookup(command->verb);
    bool ranged = command->verb == POPLIN_LANG && command->language.data != NULL;
    if (!numbers_valid(command, row) || (ranged && !is_range(command->language)))
        return POPLIN_ERR_PROTOCOL;
    if (ranged && client->language.size > 0)
        return POPLIN_ERR_STATE;
    bool numbered = row->arguments != POPLIN_ARGS_NONE && row->arguments != POPLIN_ARGS_NAME_OPTIONAL;
    poplin_pending pending = {
        .tag = tag,
        .verb = command->verb,
        .number = numbered ? command->number : 0,
        .lines = command->lines,
        .charge = charge_of(client, command->verb, command->octets),
        .ranged = ranged,
    };
    if (ranged && poplin_buffer_append(&client->language, command->language.data, command->language.size) < 0)
        return POPLIN_ERR_NOMEM;
    if (poplin_step_queue(client, &pending) < 0) {
        if (ranged)
            poplin_buffer_clear(&client->language);
        return POPLIN_ERR_NOMEM;
    }
    client->utf8 |= command->verb == POPLIN_UTF8;
    if (command->verb == POPLIN_QUIT) {
        client->quitting = true;
        poplin_client_retr_stop(client);
    }
    return POPLIN_OK;
}

int poplin_client_retr_all(poplin_client *client, const poplin_wanted *wanted, size_t count, uint64_t tag) {
    poplin_series_queue *series = &client->series;
    if (!fits_state(client, POPLIN_RETR) || series->next < series->count)
        return POPLIN_ERR_STATE;
    for (size_t i = 0; i < count; i++)
        if (wanted[i].number == 0 || wanted[i].number > POPLIN_NUMBER_MAX)
            return POPLIN_ERR_PROTOCOL;
    if (count == 0)
        return POPLIN_OK;
    if (count > SIZE_MAX / sizeof *wanted)
        return POPLIN_ERR_NOMEM;
    poplin_wanted *copy = malloc(count * sizeof *wanted);
    if (copy == NULL)
        return POPLIN_ERR_NOMEM;
    memcpy(copy, wanted, count * sizeof *wanted);
    free(series->wanted);
    *series = (poplin_series_queue){.wanted = copy, .count = count, .tag = tag};
    return POPLIN_OK;
}

size_t poplin_client_retr_stop(poplin_client *client) {
    size_t unsent = client->series.count - client->series.next;
    free(client->series.wanted);
    client->series = (poplin_series_queue){0};
    return unsent;
}

size_t poplin_client_outstanding(const poplin_client *client) {
    if (client->reading == POPLIN_FAILING || client->reading == POPLIN_OVER)
        return 0;
    bool greeting = client->reading == POPLIN_READING_GREETING && client->opening.active;
    return client->queue.count + (client->series.count - client->series.next) + (greeting ? 1 : 0);
}

/* ---- sending ---- */

/*
 * True while nothing may follow STLS, or what may be a login of the host's own, or the server waits for what that goes on with,
 * or what was sent last ended the session (POP-PIPE-4). The opening's USER, PASS and AUTH, and QUIT, need no word here: the opening queues its commands one by one, and
 * nothing is queued behind QUIT.
 */
static bool held_back(const poplin_client *client) {
    const poplin_queue *queue = &client->queue;
    if (queue->in_flight == 0)
        return client->reading != POPLIN_READING_REPLY || client->challenged;
    const poplin_pending *last = slot(queue, queue->in_flight - 1);
    return last->verb == POPLIN_STLS || last->alone;
}

/* The command that goes next: what was submitted, then the series. False: there is none. */
static bool next_command(const poplin_client *client, poplin_pending *next) {
    const poplin_queue *queue = &client->queue;
    const poplin_series_queue *series = &client->series;
    if (queue->count > queue->in_flight) {
        *next = *slot(queue, queue->in_flight);
        return true;
    }
    if (series->next == series->count)
        return false;
    const poplin_wanted *wanted = &series->wanted[series->next];
    *next = (poplin_pending){
        .tag = series->tag,
        .verb = POPLIN_RETR,
        .number = wanted->number,
        .charge = charge_of(client, POPLIN_RETR, wanted->octets),
    };
    return true;
}

static int send_command(poplin_client *client, const poplin_pending *command) {
    poplin_queue *queue = &client->queue;
    bool queued = queue->count > queue->in_flight;
    if (!queued && poplin_step_queue(client, command) < 0)
        return POPLIN_ERR_NOMEM;
    client->series.next += !queued;

    poplin_parsed_command line = {.verb = command->verb, .number = command->number, .lines = command->lines};
    if (command->internal)
        poplin_login_arguments(client, &line);
    if (command->ranged)
        line.argument = poplin_buffer_slice(&client->language);
    queue->charged += command->charge;
    queue->in_flight++;
    size_t from = client->output.size;
    int status = command->own ? poplin_own_write(client, command) : poplin_command_write(&client->output, &line);
    if (client->tell != NULL && status == POPLIN_OK)
        poplin_trace_command(client, command, from);
    if (command->ranged)
        poplin_buffer_clear(&client->language);
    return status;
}

/* Sends what the window has room for, all in one piece, unless more than half of it is still in flight. */
static int refill(poplin_client *client) {
    const poplin_queue *queue = &client->queue;
    bool ahead = client->config.pipelining && client->capabilities.pipelining;
    size_t commands = ahead ? client->config.window_commands : 1;
    uint64_t octets = client->config.window_octets;
    if (queue->in_flight > commands / 2 || queue->charged > octets / 2)
        return POPLIN_OK;

    int status = POPLIN_OK;
    poplin_pending next;
    while (status == POPLIN_OK && queue->in_flight < commands && !held_back(client) && next_command(client, &next)) {
        if (queue->in_flight > 0 && next.charge > octets - queue->charged)
            break;
        status = send_command(client, &next);
    }
    return status;
}

void poplin_client_output(poplin_client *client, const char **data, size_t *size) {
    if (client->reading != POPLIN_FAILING && client->reading != POPLIN_OVER) {
        int status = client->opening.due != POPLIN_NOTHING_DUE ? poplin_login_write_due(client) : refill(client);
        if (status < 0)
            poplin_step_fail(client, status, (poplin_slice){NULL, 0}, poplin_status_text(status));
    }
    poplin_slice output = poplin_buffer_slice(&client->output);
    *data = output.data;
    *size = output.size;
}

void poplin_client_sent(poplin_client *client, size_t size) {
    if (size > client->output.size)
        size = client->output.size;
    poplin_buffer_consume(&client->output, size);
    if (client->output.size == 0 && client->output_secret) {
        poplin_buffer_clear(&client->output);
        client->output_secret = false;
    }
}
