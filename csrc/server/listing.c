/*
 * server/listing.c - STAT, LIST and UIDL (RFC 1939 sections 5 and 7). Sizes that the maildrop does not know are counted
 * first, message by message, and kept.
 */
#include "server/machine.h"

#include <inttypes.h>
#include <stdio.h>

/* The longest line: number, SP, unique-id or octets, CRLF; and a NUL on the way. */
enum { LINE_MAX_OCTETS = 96 };

static void answer_one(poplin_session *session, size_t index) {
    const poplin_mailbox *mailbox = &session->mailbox;
    poplin_slice unique_id = poplin_mailbox_unique_id(mailbox, index);

    if (session->listing.verb == POPLIN_LIST)
        poplin_turn_reply(session, "+OK %zu %" PRIu64, index + 1, mailbox->messages[index].octets);
    else
        poplin_turn_reply(session, "+OK %zu %.*s", index + 1, (int)unique_id.size, unique_id.data);
}

static void answer(poplin_session *session) {
    const poplin_mailbox *mailbox = &session->mailbox;
    size_t count = mailbox->count - mailbox->marked;

    session->turn = TURN_READ;
    if (session->listing.verb == POPLIN_STAT) {
        poplin_turn_reply(session, "+OK %zu %" PRIu64, count, mailbox->octets - mailbox->marked_octets);
    } else if (session->listing.number > 0) {
        answer_one(session, session->listing.number - 1);
    } else {
        poplin_turn_reply(session, "+OK %zu messages", count);
        session->listing.next = 0;
        session->turn = TURN_LIST;
    }
}

/* Measures the next message of those asked for that has no known size, or answers. */
static void measure_or_answer(poplin_session *session) {
    poplin_mailbox *mailbox = &session->mailbox;
    struct poplin_listing_work *work = &session->listing;
    size_t end = work->number > 0 ? work->number : mailbox->count;
    bool sizes = work->verb != POPLIN_UIDL && mailbox->unmeasured > 0;

    for (; sizes && work->next < end; work->next++) {
        bool marked = poplin_mailbox_is_marked(mailbox, work->next);

        if (marked || mailbox->messages[work->next].octets != POPLIN_OCTETS_UNKNOWN)
            continue;
        if (poplin_mailbox_is_gone(mailbox, work->next)) {
            poplin_mailbox_measured(mailbox, work->next, 0);
        } else {
            poplin_turn_measure(session, work->next);
            return;
        }
    }
    answer(session);
}

void poplin_turn_list(poplin_session *session, const poplin_parsed_command *command) {
    size_t first = command->number > 0 ? command->number - 1 : 0;

    if (command->number > 0 && !poplin_turn_has_message(session, command->number))
        return;
    session->listing = (struct poplin_listing_work){command->verb, command->number, first};
    measure_or_answer(session);
}

void poplin_turn_list_measured(poplin_session *session) {
    measure_or_answer(session);
}

/* Writes one line; false: out of memory. */
static bool write_line(poplin_session *session, size_t index) {
    const poplin_mailbox *mailbox = &session->mailbox;
    poplin_slice unique_id = poplin_mailbox_unique_id(mailbox, index);
    char *line = poplin_buffer_reserve(&session->output, LINE_MAX_OCTETS);
    int size;

    if (line == NULL)
        return false;
    if (session->listing.verb == POPLIN_LIST)
        size = snprintf(line, LINE_MAX_OCTETS, "%zu %" PRIu64 "\r\n", index + 1, mailbox->messages[index].octets);
    else
        size = snprintf(line, LINE_MAX_OCTETS, "%zu %.*s\r\n", index + 1, (int)unique_id.size, unique_id.data);
    poplin_buffer_grow(&session->output, (size_t)size);
    return true;
}

int poplin_turn_list_lines(poplin_session *session) {
    size_t *next = &session->listing.next;

    while ((*next = poplin_mailbox_next(&session->mailbox, *next)) < session->mailbox.count) {
        if (session->output.size >= session->config.max_output)
            return POPLIN_WAITING;
        if (!write_line(session, (*next)++)) {
            session->out_of_memory = true;
            return POPLIN_END;
        }
    }
    poplin_turn_trace_listing(session);
    poplin_turn_reply(session, ".");
    session->turn = TURN_READ;
    return POPLIN_END;
}
