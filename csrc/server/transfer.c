/*
 * server/transfer.c - messages on their way out: RETR, TOP, and messages read only to be counted. What the host lends is
 * stuffed straight into the output, as far as that has room; no message is ever held here.
 */
#include "server/machine.h"

#include <inttypes.h>

static void begin(poplin_session *session, enum poplin_purpose purpose, size_t index, uint64_t lines) {
    session->transfer = (struct poplin_transfer){
        .purpose = purpose,
        .index = index,
        .stuffer = {.top = purpose == PURPOSE_TOP, .body_lines_left = lines},
    };
    poplin_turn_ask(session, POPLIN_SESSION_BODY);
}

/* Whether there is such a message, and the client may see it as it is (RFC 6856 section 2.1); if not, that is answered. */
static bool may_be_seen(poplin_session *session, uint32_t number) {
    if (!poplin_turn_has_message(session, number))
        return false;
    if (poplin_mailbox_is_gone(&session->mailbox, number - 1)) {
        poplin_turn_reply(session, "-ERR another session has deleted this message");
        return false;
    }
    if (!session->config.utf8 || session->utf8 || !poplin_mailbox_is_utf8(&session->mailbox, number - 1))
        return true;
    poplin_turn_reply_refused(session, POPLIN_CODE_UTF8, NULL);
    return false;
}

void poplin_turn_retr(poplin_session *session, const poplin_parsed_command *command) {
    if (may_be_seen(session, command->number))
        begin(session, PURPOSE_RETR, command->number - 1, 0);
}

void poplin_turn_top(poplin_session *session, const poplin_parsed_command *command) {
    if (may_be_seen(session, command->number))
        begin(session, PURPOSE_TOP, command->number - 1, command->lines);
}

void poplin_turn_measure(poplin_session *session, size_t index) {
    begin(session, PURPOSE_MEASURE, index, 0);
}

/* The +OK that waits for the first piece, since until then the host may still refuse. */
static void announce(poplin_session *session) {
    const struct poplin_transfer *transfer = &session->transfer;
    uint64_t octets = session->mailbox.messages[transfer->index].octets;

    if (transfer->purpose == PURPOSE_TOP)
        poplin_turn_reply(session, "+OK top of message follows");
    else if (transfer->purpose == PURPOSE_RETR && octets == POPLIN_OCTETS_UNKNOWN)
        poplin_turn_reply(session, "+OK message follows");
    else if (transfer->purpose == PURPOSE_RETR)
        poplin_turn_reply(session, "+OK %" PRIu64 " octets", octets);
}

void poplin_turn_piece(poplin_session *session, const char *data, size_t size, bool last) {
    struct poplin_transfer *transfer = &session->transfer;

    if (!transfer->lent)
        announce(session);
    transfer->lent = true;
    transfer->last = last;
    transfer->cursor = data;
    transfer->end = data + size;
    session->turn = TURN_SEND;
}

void poplin_turn_release(poplin_session *session) {
    if (!session->transfer.lent)
        return;
    session->transfer.lent = false;
    session->owed.done = true;
    session->owed.index = session->transfer.index;
}

/* Holds the octets of a whole message against what was announced, or keeps them where nothing was. */
static void compare_size(poplin_session *session, size_t index, uint64_t octets) {
    uint64_t announced = session->mailbox.messages[index].octets;

    if (announced == POPLIN_OCTETS_UNKNOWN)
        poplin_mailbox_measured(&session->mailbox, index, octets);
    else if (announced != octets)
        session->owed = (struct poplin_owed){true, true, index, announced, octets};
}

int poplin_turn_send(poplin_session *session) {
    struct poplin_transfer *transfer = &session->transfer;
    poplin_buffer *output = transfer->purpose == PURPOSE_MEASURE ? NULL : &session->output;
    int result = poplin_stuff(&transfer->stuffer, &transfer->cursor, transfer->end, output, session->config.max_output);

    if (result == POPLIN_WAITING)
        return POPLIN_WAITING;
    if (result == POPLIN_OK && !transfer->last) {
        poplin_turn_ask(session, POPLIN_SESSION_BODY);
        return POPLIN_END;
    }
    if (result < 0 || poplin_stuff_end(&transfer->stuffer, output) < 0) {
        session->out_of_memory = true;
        return POPLIN_END;
    }
    session->turn = TURN_READ;
    poplin_turn_trace_message(session, "");
    poplin_turn_release(session);
    if (transfer->purpose != PURPOSE_TOP)
        compare_size(session, transfer->index, transfer->stuffer.octets);
    if (transfer->purpose == PURPOSE_RETR)
        poplin_mailbox_fetch(&session->mailbox, transfer->index);
    if (transfer->purpose == PURPOSE_MEASURE)
        poplin_turn_list_measured(session);
    return POPLIN_END;
}

void poplin_turn_body_refused(poplin_session *session, int status, enum poplin_code code, const char *text) {
    bool begun = session->transfer.lent && session->transfer.purpose != PURPOSE_MEASURE;

    session->turn = TURN_READ;
    poplin_turn_release(session);
    if (session->transfer.purpose == PURPOSE_MEASURE &&
        status == POPLIN_ERR_REFUSED) { /* it is gone: nothing is left of it */
        poplin_mailbox_measured(&session->mailbox, session->transfer.index, 0);
        poplin_turn_list_measured(session);
    } else if (!begun)
        poplin_turn_reply_refused(session, code, text);
    else /* the client has a part of it: only a missing terminator tells it so */
        poplin_turn_end(session, POPLIN_FAILED, status < 0 ? status : POPLIN_ERR_TEMPORARY, "sending a message",
                        text != NULL ? text : "the message could not be read to its end");
}
