/*
 * server/trace.c - what a session receives and sends, told to whoever wants to see it (poplin_session_trace).
 */
#include "server/machine.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TOLD_MAX = 512 };

void poplin_session_trace(poplin_session *session, poplin_teller *tell, void *context) {
    session->tell = tell;
    session->tell_context = context;
}

static void tell(const poplin_session *session, enum poplin_trace_kind kind, const char *text) {
    session->tell(session->tell_context, kind, text);
}

void poplin_turn_trace_line(const poplin_session *session, bool response, int result, poplin_slice line) {
    char text[TOLD_MAX];

    if (session->tell == NULL)
        return;
    if (result == POPLIN_ERR_LIMIT)
        (void)snprintf(text, sizeof text, "(a line over the limit)");
    else if (response && line.size == 0)
        (void)snprintf(text, sizeof text, "****");
    else
        poplin_mask(line, response, text, sizeof text);
    tell(session, POPLIN_TRACE_RECEIVED, text);
}

/* Whether the host's words repeat what the client has shown. */
static bool repeats(poplin_slice line, poplin_slice shown) {
    return shown.size > 0 && memmem(line.data, line.size, shown.data, shown.size) != NULL;
}

void poplin_turn_trace_reply(const poplin_session *session, poplin_slice line) {
    const struct poplin_login *login = &session->login;
    char text[TOLD_MAX];

    if (session->tell == NULL || poplin_slice_equal(line, poplin_slice_of(".")))
        return;
    if (repeats(line, login->shown) || repeats(line, poplin_buffer_slice(&login->secret)))
        (void)snprintf(text, sizeof text, "%s (words that repeat the password)", line.data[0] == '+' ? "+OK" : "-ERR");
    else
        poplin_visible(line, text, sizeof text);
    tell(session, POPLIN_TRACE_SENT, text);
}

void poplin_turn_trace_challenge(const poplin_session *session) {
    if (session->tell != NULL)
        tell(session, POPLIN_TRACE_SENT, "+ ****");
}

void poplin_turn_trace_listing(const poplin_session *session) {
    char text[TOLD_MAX];

    if (session->tell == NULL)
        return;
    size_t count = session->mailbox.count - session->mailbox.marked;

    (void)snprintf(text, sizeof text, "%zu %s of listing", count, count == 1 ? "line" : "lines");
    tell(session, POPLIN_TRACE_SENT, text);
}

void poplin_turn_trace_message(const poplin_session *session, const char *end) {
    const struct poplin_transfer *transfer = &session->transfer;
    char text[TOLD_MAX];

    if (session->tell == NULL || transfer->purpose == PURPOSE_MEASURE || !transfer->lent)
        return;
    (void)snprintf(text, sizeof text, "%" PRIu64 " octets of message%s", transfer->stuffer.octets, end);
    tell(session, POPLIN_TRACE_SENT, text);
}
