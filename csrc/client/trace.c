/*
 * client/trace.c - what the machine sends and receives, told to whoever wants to see it (poplin_client_trace). Only here is
 * known which lines hold a secret.
 */
#include "client/machine.h"

#include "wire/mask.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TOLD_MAX = 512 };

void poplin_client_trace(poplin_client *client, poplin_teller *tell, void *context) {
    client->tell = tell;
    client->tell_context = context;
}

static void tell(const poplin_client *client, enum poplin_trace_kind kind, const char *text) {
    client->tell(client->tell_context, kind, text);
}

/* ---- what is sent ---- */

void poplin_trace_command(const poplin_client *client, const poplin_pending *command, size_t from) {
    char text[TOLD_MAX];
    poplin_slice output = poplin_buffer_slice(&client->output);
    const poplin_slice line = {output.data + from, output.size - from - 2};
    if (command->own)
        poplin_own_describe(command, text, sizeof text);
    else if (command->internal)
        poplin_mask(line, false, text, sizeof text);
    else
        poplin_visible(line, text, sizeof text);
    tell(client, POPLIN_TRACE_SENT, text);
}

void poplin_trace_response(const poplin_client *client, poplin_slice line) {
    char text[TOLD_MAX];
    poplin_mask(line, true, text, sizeof text);
    tell(client, POPLIN_TRACE_SENT, line.size > 0 ? text : "****");
}

/* ---- what is received ---- */

static bool begins_with(poplin_slice line, const char *beginning) {
    size_t size = strlen(beginning);
    return line.size >= size && memcmp(line.data, beginning, size) == 0;
}

/* A challenge is part of an exchange; other lines are hidden where they repeat what the client has sent. */
void poplin_trace_received(const poplin_client *client, poplin_slice line) {
    char text[TOLD_MAX];
    const char *sign = begins_with(line, "+OK") ? "+OK " : begins_with(line, "-ERR") ? "-ERR " : "";
    poplin_slice words = poplin_login_conceal(client, line);
    if (*sign == '\0' && begins_with(line, "+"))
        (void)snprintf(text, sizeof text, "+ ****");
    else if (words.data != line.data)
        (void)snprintf(text, sizeof text, "%s%.*s", sign, (int)words.size, words.data);
    else
        poplin_visible(line, text, sizeof text);
    tell(client, POPLIN_TRACE_RECEIVED, text);
}

void poplin_trace_content(const poplin_client *client, const char *end) {
    char text[TOLD_MAX];
    if (client->reading == POPLIN_READING_BODY)
        (void)snprintf(text, sizeof text, "%" PRIu64 " octets of %s%s", client->received,
                       poplin_step_head(client)->own ? "content" : "message", end);
    else if (client->reading == POPLIN_READING_LISTING && poplin_step_head(client)->verb != POPLIN_LANG)
        (void)snprintf(text, sizeof text, "%" PRIu64 " %s of listing%s", client->listed,
                       client->listed == 1 ? "line" : "lines", end);
    else
        return;
    tell(client, POPLIN_TRACE_RECEIVED, text);
}

/* ---- what came of it ---- */

void poplin_trace_login(const poplin_client *client) {
    const poplin_opening *opening = &client->opening;
    char user[TOLD_MAX / 4], owner[TOLD_MAX / 4], text[TOLD_MAX];
    poplin_visible(poplin_buffer_slice(&opening->user), user, sizeof user);
    poplin_visible(poplin_buffer_slice(&opening->authorize), owner, sizeof owner);
    (void)snprintf(text, sizeof text, "logged in%s%s%s%s by %s", *user != '\0' ? " as " : "", user,
                   *owner != '\0' ? " for " : "", owner, client->mechanism);
    tell(client, POPLIN_TRACE_NOTE, text);
}
