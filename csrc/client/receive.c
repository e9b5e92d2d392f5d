/*
 * client/receive.c - what the server sends: the greeting, replies, listings, bodies; each step takes one line, or one
 * slice of content, and makes one event of it.
 */
#include "client/machine.h"

#include "sasl/apop.h"

#include <string.h>

/* Octets of a line inside AUTH (LIM-3). */
enum { CHALLENGE_MAX = 12288 };

static const poplin_slice nothing = {NULL, 0};

static int broken(poplin_client *client, poplin_slice line, const char *reason) {
    return poplin_step_fail(client, POPLIN_ERR_PROTOCOL, line, reason);
}

static int no_memory(poplin_client *client) {
    return poplin_step_fail(client, POPLIN_ERR_NOMEM, nothing, poplin_status_text(POPLIN_ERR_NOMEM));
}

/* Takes a line: OK, NEED_INPUT, or AGAIN where the machine failed. */
static int take_line(poplin_client *client, size_t limit, poplin_slice *line) {
    client->lines.limit = limit;
    int result = poplin_line_take(&client->lines, &client->cursor, client->end, line);
    switch (result) {
    case POPLIN_NEED_INPUT:
        return poplin_step_starved(client);
    case POPLIN_ERR_LIMIT:
        return poplin_step_fail(client, POPLIN_ERR_LIMIT, nothing, "the server sent a line longer than the limit");
    case POPLIN_ERR_PROTOCOL:
        return broken(client, *line, "the server's line holds a NUL, or a CR or LF that is not part of a CRLF");
    case POPLIN_ERR_NOMEM:
        return no_memory(client);
    default:
        return result;
    }
}

/* Takes a line of a multi-line reply, its stuffed dot removed. END: it was the terminator. */
static int take_content_line(poplin_client *client, size_t limit, poplin_slice *line) {
    int result = take_line(client, limit, line);
    if (result != POPLIN_OK || line->size == 0 || line->data[0] != '.')
        return result;
    line->data++;
    line->size--;
    return line->size == 0 ? POPLIN_END : POPLIN_OK;
}

static void begin_event(poplin_client_event *event, enum poplin_client_event_kind kind, const poplin_pending *command) {
    event->kind = kind;
    event->verb = command->verb;
    event->tag = command->tag;
    event->number = command->number;
}

/* ---- status lines ---- */

int poplin_step_greeting(poplin_client *client, poplin_client_event *event) {
    poplin_slice line, timestamp;
    poplin_status_line status;
    int result = take_line(client, client->config.max_line, &line);
    if (result != POPLIN_OK)
        return result;
    if (client->tell != NULL)
        poplin_trace_received(client, line);
    if (poplin_status_parse(line, &status) < 0 || status.challenge)
        return broken(client, line, "this is not how a POP3 server greets; check host, port and TLS mode");
    if (!status.ok) {
        poplin_step_fail(client, poplin_code_status(status.code), status.rest,
                         "the server refused the connection; try again later");
        client->error.code = status.code;
        return POPLIN_AGAIN;
    }
    if (poplin_apop_timestamp(status.text, &timestamp) &&
        poplin_buffer_append(&client->timestamp, timestamp.data, timestamp.size) < 0)
        return no_memory(client);
    event->kind = POPLIN_CLIENT_GREETING;
    event->text = status.text;
    event->line = line;
    client->phase = POPLIN_AUTHORIZATION;
    client->reading = POPLIN_READING_REPLY;
    return poplin_opening_ask(client) < 0 ? no_memory(client) : POPLIN_OK;
}

/* No command is in flight: whatever comes is unasked (T-FRM-12). */
static int unasked(poplin_client *client) {
    if (client->cursor == client->end)
        return poplin_step_starved(client);
    poplin_slice octets = {client->cursor, (size_t)(client->end - client->cursor)};
    const char *line_end = memchr(octets.data, '\r', octets.size);
    if (line_end != NULL)
        octets.size = (size_t)(line_end - octets.data);
    return broken(client, octets, "the server sent octets that nothing had asked for");
}

/* LIST n and UIDL n: the reply is the listing of that message (POP-LIST-4). */
static int read_echo(poplin_client *client, poplin_client_event *event) {
    uint32_t number;
    poplin_slice unique_id;
    int result = event->verb == POPLIN_LIST
                     ? poplin_listing_parse(event->text, &number, &event->octets)
                     : poplin_unique_id_parse(event->text, client->config.strict, &number, &unique_id);
    if (result < 0 || number != event->number)
        return broken(client, event->text, "the reply is no listing of the message that was asked for");
    if (event->verb == POPLIN_UIDL)
        event->text = unique_id;
    return POPLIN_OK;
}

static int read_stat(poplin_client *client, poplin_client_event *event) {
    if (poplin_stat_parse(event->text, &event->count, &event->octets) < 0)
        return broken(client, event->text, "the reply to STAT is not two numbers");
    if (event->count > client->config.max_listings)
        return poplin_step_fail(client, POPLIN_ERR_LIMIT, event->text, "the maildrop has more messages than the limit");
    poplin_numbers_stat(&client->numbers, event->count);
    return POPLIN_OK;
}

/* LANG with a range: the reply tells the tag first, which is all that a program can use (POP-LANG-1). */
static int read_tag(poplin_client *client, poplin_client_event *event) {
    poplin_slice *text = &event->text;
    const char *space = text->size > 0 ? memchr(text->data, ' ', text->size) : NULL;
    if (space != NULL)
        text->size = (size_t)(space - text->data);
    return text->size > 0 ? POPLIN_OK : broken(client, *text, "the reply to LANG does not tell the language");
}

/* What a +OK to command means for the machine: OK, or AGAIN where it is no good answer. */
static int accept(poplin_client *client, const poplin_pending *command, poplin_client_event *event) {
    client->received = client->listed = 0;
    switch (command->verb) {
    case POPLIN_STAT:
        return read_stat(client, event);
    case POPLIN_LIST:
    case POPLIN_UIDL:
        if (command->number > 0)
            return read_echo(client, event);
        poplin_numbers_begin(&client->numbers);
        client->reading = POPLIN_READING_LISTING;
        break;
    case POPLIN_LANG:
        if (command->ranged)
            return read_tag(client, event);
        client->reading = POPLIN_READING_LISTING;
        break;
    case POPLIN_RETR:
    case POPLIN_TOP:
        client->reading = POPLIN_READING_BODY;
        break;
    case POPLIN_CAPA:
        poplin_capabilities_clear(&client->capabilities);
        client->reading = POPLIN_READING_CAPABILITIES;
        break;
    case POPLIN_DELE:
        client->numbers.deleted++;
        break;
    case POPLIN_RSET:
        client->numbers.deleted = 0;
        break;
    case POPLIN_STLS: /* of two that were queued in clear, the second goes out under TLS (POP-STLS-1) */
        if (client->tls)
            return broken(client, event->text, "the server accepted STLS although TLS stands already");
        client->reading = POPLIN_STARTING_TLS;
        break;
    case POPLIN_NO_VERB: /* the host's own: what it did is not known */
        poplin_numbers_forget(&client->numbers);
        if (command->multiline)
            client->reading = POPLIN_READING_BODY;
        break;
    default:
        break;
    }
    return POPLIN_OK;
}

/* What is told of the reply to a line of the host's own: all of it, but no secret. */
static void tell_own(poplin_client *client, const poplin_status_line *status, poplin_client_event *event) {
    event->text = poplin_login_conceal(client, status->text);
    event->challenge = client->challenged = status->challenge;
    if (event->text.data != status->text.data)
        event->line = poplin_slice_of(status->ok          ? "+OK (words that repeat the secret)"
                                      : status->challenge ? "+ (words that repeat the secret)"
                                                          : "-ERR (words that repeat the secret)");
}

/* "+ ..." asks for another line, which the host then gives: nothing multi-line follows. */
static int read_challenge(poplin_client *client, poplin_client_event *event) {
    event->status = POPLIN_OK;
    event->complete = true;
    poplin_step_answered(client);
    return POPLIN_OK;
}

static int read_reply(poplin_client *client, poplin_slice line, const poplin_status_line *status,
                      poplin_client_event *event) {
    const poplin_pending *command = poplin_step_head(client);
    bool codes = client->capabilities.codes;
    begin_event(event, POPLIN_CLIENT_REPLY, command);
    event->line = line;
    event->code = codes ? status->code : POPLIN_CODE_NONE;
    event->text = codes ? status->rest : status->text;
    event->status = status->ok ? POPLIN_OK : poplin_code_status(event->code);
    if (command->own)
        tell_own(client, status, event);
    if (status->challenge)
        return read_challenge(client, event);
    if (status->ok && accept(client, command, event) != POPLIN_OK)
        return POPLIN_AGAIN;
    if (!status->ok && command->verb == POPLIN_UTF8)
        client->utf8 = false;
    if (command->verb == POPLIN_QUIT) {
        client->reading = POPLIN_LEAVING;
        client->phase = 0;
    }
    event->complete = client->reading != POPLIN_READING_LISTING && client->reading != POPLIN_READING_BODY &&
                      client->reading != POPLIN_READING_CAPABILITIES;
    if (event->complete)
        poplin_step_answered(client);
    return POPLIN_OK;
}

int poplin_step_reply(poplin_client *client, poplin_client_event *event) {
    const poplin_pending *command = poplin_step_head(client);
    if (command == NULL || client->opening.due != POPLIN_NOTHING_DUE)
        return unasked(client);
    poplin_slice line;
    poplin_status_line status;
    bool authenticating = command->verb == POPLIN_AUTH || command->alone;
    int result = take_line(client, authenticating ? CHALLENGE_MAX : client->config.max_line, &line);
    if (result != POPLIN_OK)
        return result;
    if (client->tell != NULL)
        poplin_trace_received(client, line);
    if (poplin_status_parse(line, &status) < 0 || (status.challenge && !authenticating))
        return broken(client, line, "the server's line is no reply: it begins with neither +OK nor -ERR");
    return command->internal ? poplin_opening_reply(client, &status, event) : read_reply(client, line, &status, event);
}

/* ---- multi-line replies ---- */

static int finish(poplin_client *client, poplin_client_event *event) {
    begin_event(event, POPLIN_CLIENT_END, poplin_step_head(client));
    if (client->tell != NULL)
        poplin_trace_content(client, "");
    poplin_step_answered(client);
    client->reading = POPLIN_READING_REPLY;
    return POPLIN_OK;
}

static int add_number(poplin_client *client, uint32_t number, poplin_slice line) {
    switch (poplin_numbers_add(&client->numbers, number, client->config.max_listings)) {
    case POPLIN_OK:
        return POPLIN_OK;
    case POPLIN_ERR_LIMIT:
        return poplin_step_fail(client, POPLIN_ERR_LIMIT, line, "the listing has more messages than the limit");
    case POPLIN_ERR_PROTOCOL:
        return broken(client, line, "the listing names a message twice, or one that does not exist");
    default:
        return no_memory(client);
    }
}

/* A line of LANG: "tag description". They are counted as received, and bounded as capabilities are. */
static int read_language(poplin_client *client, poplin_slice line, poplin_client_event *event) {
    if (line.size == 0 || line.data[0] == ' ')
        return broken(client, line, "the server's line names no language");
    if (client->received++ == client->config.max_capabilities)
        return poplin_step_fail(client, POPLIN_ERR_LIMIT, line, "the server tells more languages than the limit");
    if (client->tell != NULL)
        poplin_trace_received(client, line);
    begin_event(event, POPLIN_CLIENT_LISTING, poplin_step_head(client));
    event->text = line;
    return POPLIN_OK;
}

int poplin_step_listing(poplin_client *client, poplin_client_event *event) {
    const poplin_pending *command = poplin_step_head(client);
    poplin_slice line;
    uint32_t number;
    int result = take_content_line(client, client->config.max_listing, &line);
    if (result == POPLIN_END) {
        if (command->verb == POPLIN_LIST)
            poplin_numbers_listed(&client->numbers);
        return finish(client, event);
    }
    if (result != POPLIN_OK)
        return result;
    client->listed++;
    if (command->verb == POPLIN_LANG)
        return read_language(client, line, event);
    result = command->verb == POPLIN_LIST ? poplin_listing_parse(line, &number, &event->octets)
                                          : poplin_unique_id_parse(line, client->config.strict, &number, &event->text);
    if (result < 0)
        return broken(client, line, "the server's line is no listing");
    begin_event(event, POPLIN_CLIENT_LISTING, command);
    event->number = number;
    return add_number(client, number, line);
}

int poplin_step_capabilities(poplin_client *client, poplin_client_event *event) {
    poplin_slice line;
    int result = take_content_line(client, client->config.max_line, &line);
    if (result == POPLIN_END) {
        bool internal = poplin_step_head(client)->internal;
        poplin_capabilities_done(&client->capabilities);
        finish(client, event);
        return internal ? poplin_opening_go_on(client, event) : POPLIN_OK;
    }
    if (result != POPLIN_OK)
        return result;
    if (client->tell != NULL)
        poplin_trace_received(client, line);
    if (client->capabilities.lines_read == client->config.max_capabilities)
        return poplin_step_fail(client, POPLIN_ERR_LIMIT, line,
                                "the server announces more capabilities than the limit");
    return poplin_capabilities_add(&client->capabilities, line) < 0 ? no_memory(client) : POPLIN_AGAIN;
}

int poplin_step_body(poplin_client *client, poplin_client_event *event) {
    if (client->over_limit)
        return poplin_step_fail(client, POPLIN_ERR_LIMIT, nothing, "the message is larger than the limit");
    poplin_slice content;
    int result = poplin_unstuff(&client->unstuffer, &client->cursor, client->end, &content);
    if (result == POPLIN_NEED_INPUT)
        return poplin_step_starved(client);
    if (result == POPLIN_END) {
        event->octets = client->received;
        return finish(client, event);
    }
    uint64_t limit = client->config.max_message;
    if (limit > 0 && content.size > limit - client->received) {
        /* What fits is handed out first, so that the events do not depend on how the octets were cut. */
        client->over_limit = true;
        content.size = (size_t)(limit - client->received);
        if (content.size == 0)
            return POPLIN_AGAIN;
    }
    poplin_step_received(client, content.size);
    begin_event(event, POPLIN_CLIENT_BODY, poplin_step_head(client));
    event->text = content;
    return POPLIN_OK;
}
