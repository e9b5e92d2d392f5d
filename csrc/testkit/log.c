/*
 * testkit/log.c - the log: a list of sessions, and for each of them three buffers that only grow.
 *
 * Replies go out in the order of their commands, one after the other, so first lines and texts can stand behind each
 * other in one buffer although they come in pieces.
 */
#include "testkit/log.h"

#include <stdlib.h>
#include <string.h>

#include "wire/grammar.h"

enum { REPLY_KEPT = 1024, TEXT_KEPT = 4096, FEWEST = 8 };

/* ---- the list ---- */

static void free_session(poplin_logged_session *session) {
    poplin_buffer_free(&session->words);
    poplin_buffer_free(&session->said);
    poplin_buffer_free(&session->retrieved);
    poplin_buffer_free(&session->marked);
    free(session->exchanges);
    free(session);
}

/* It is in the list no more; its tap may go on with it. */
static void drop_session(poplin_logged_session *session) {
    session->kept = false;
    if (!session->held)
        free_session(session);
}

void poplin_log_free(poplin_log *log) {
    for (size_t i = 0; i < log->count; i++)
        drop_session(log->sessions[log->first + i]);
    free(log->sessions);
    log->sessions = NULL;
    log->first = log->count = log->capacity = 0;
}

void poplin_log_reset(poplin_log *log) {
    size_t left = 0;
    for (size_t i = 0; i < log->count; i++) {
        poplin_logged_session *session = log->sessions[log->first + i];
        if (session->open)
            log->sessions[left++] = session;
        else
            drop_session(session);
    }
    log->first = 0;
    log->count = left;
    log->not_kept = 0;
    if (left == 0)
        log->last_number = 0;
}

/* Makes room for one more at the end. False: out of memory. */
static bool make_room(poplin_log *log) {
    if (log->first + log->count < log->capacity)
        return true;
    if (log->first > log->capacity / 2) {
        memmove(log->sessions, log->sessions + log->first, log->count * sizeof *log->sessions);
        log->first = 0;
        return true;
    }
    size_t capacity = log->capacity == 0 ? FEWEST : log->capacity * 2;
    poplin_logged_session **sessions = realloc(log->sessions, capacity * sizeof *sessions);
    if (sessions == NULL)
        return false;
    log->sessions = sessions;
    log->capacity = capacity;
    return true;
}

static void remove_at(poplin_log *log, size_t index) {
    poplin_logged_session **place = log->sessions + log->first + index;
    drop_session(*place);
    log->count--;
    if (index == 0)
        log->first++;
    else
        memmove(place, place + 1, (log->count - index) * sizeof *place);
    log->not_kept++;
}

/* The oldest that have ended go, until no more are left than are to be kept, or than are open. */
static void trim(poplin_log *log) {
    size_t index = 0;
    while (log->count > log->sessions_kept && index < log->count) {
        if (log->sessions[log->first + index]->open)
            index++;
        else
            remove_at(log, index);
    }
}

poplin_logged_session *poplin_log_open(poplin_log *log, const char *peer) {
    poplin_logged_session *session = make_room(log) ? calloc(1, sizeof *session) : NULL;
    if (session == NULL)
        return NULL;
    session->open = session->kept = session->held = true;
    session->outcome = POPLIN_DROPPED; /* unless another is told */
    (void)poplin_log_word(session, (poplin_slice){"", 0});
    session->peer = poplin_log_word(session, poplin_slice_of(peer));
    if (session->out_of_memory) {
        free_session(session);
        return NULL;
    }
    session->number = ++log->last_number;
    log->sessions[log->first + log->count++] = session;
    trim(log);
    return session;
}

void poplin_log_outcome(poplin_logged_session *session, enum poplin_outcome outcome, const char *error) {
    session->outcome = outcome;
    session->error = poplin_log_word(session, poplin_slice_of(error));
}

void poplin_log_end(poplin_log *log, poplin_logged_session *session) {
    if (!session->open)
        return;
    session->open = false;
    trim(log);
}

void poplin_log_release(poplin_log *log, poplin_logged_session *session) {
    poplin_log_end(log, session);
    session->held = false;
    if (!session->kept)
        free_session(session);
}

poplin_logged_session *poplin_log_find(const poplin_log *log, uint64_t number) {
    size_t low = log->first, high = log->first + log->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (log->sessions[middle]->number < number)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < log->first + log->count && log->sessions[low]->number == number;
    return found ? log->sessions[low] : NULL;
}

/* ---- words ---- */

poplin_word poplin_log_word(poplin_logged_session *session, poplin_slice word) {
    poplin_word at = session->words.size;
    char *place = NULL;
    if (word.size == 0 && at > 0)
        return 0;
    if (word.size < SIZE_MAX)
        place = poplin_buffer_reserve(&session->words, word.size + 1);
    if (place == NULL) {
        session->out_of_memory = true;
        return 0;
    }
    if (word.size > 0)
        memcpy(place, word.data, word.size);
    place[word.size] = '\0';
    poplin_buffer_grow(&session->words, word.size + 1);
    return at;
}

const char *poplin_log_read(const poplin_logged_session *session, poplin_word word) {
    return poplin_buffer_slice(&session->words).data + word;
}

void poplin_log_name(poplin_logged_session *session, poplin_buffer *names, poplin_slice unique_id) {
    char *place = poplin_buffer_reserve(names, unique_id.size + 1);
    if (place == NULL) {
        session->out_of_memory = true;
        return;
    }
    if (unique_id.size > 0)
        memcpy(place, unique_id.data, unique_id.size);
    place[unique_id.size] = '\0';
    poplin_buffer_grow(names, unique_id.size + 1);
}

/* ---- exchanges ---- */

bool poplin_log_has_room(const poplin_log *log, const poplin_logged_session *session) {
    return session->exchange_count < log->exchanges_kept;
}

static bool make_room_for_exchange(poplin_logged_session *session) {
    if (session->exchange_count < session->exchange_capacity)
        return true;
    size_t capacity = session->exchange_capacity == 0 ? FEWEST : session->exchange_capacity * 2;
    poplin_logged_exchange *exchanges = realloc(session->exchanges, capacity * sizeof *exchanges);
    if (exchanges == NULL)
        return false;
    session->exchanges = exchanges;
    session->exchange_capacity = capacity;
    return true;
}

size_t poplin_log_exchange(const poplin_log *log, poplin_logged_session *session,
                           const poplin_logged_exchange *exchange) {
    bool wanted = poplin_log_has_room(log, session);
    session->leaks += exchange->leaked;
    if (wanted && make_room_for_exchange(session)) {
        session->exchanges[session->exchange_count] = *exchange;
        return session->exchange_count++;
    }
    session->out_of_memory |= wanted;
    session->exchanges_not_kept++;
    return POPLIN_NOT_LOGGED;
}

poplin_logged_exchange *poplin_log_at(poplin_logged_session *session, size_t exchange) {
    return exchange == POPLIN_NOT_LOGGED ? NULL : &session->exchanges[exchange];
}

/* Keeps as many of the octets as are still wanted. Returns how many. */
static size_t keep(poplin_logged_session *session, poplin_slice octets, size_t wanted) {
    size_t size = octets.size < wanted ? octets.size : wanted;
    if (poplin_buffer_append(&session->said, octets.data, size) == POPLIN_OK)
        return size;
    session->out_of_memory = true;
    return 0;
}

/* Takes the first line, its LF included, from octets. */
static void say_first_line(poplin_logged_session *session, poplin_logged_exchange *exchange, poplin_slice *octets) {
    const char *end = memchr(octets->data, '\n', octets->size);
    size_t size = end != NULL ? (size_t)(end - octets->data) + 1 : octets->size;

    if (exchange->reply_size == 0)
        exchange->reply = session->said.size;
    size_t kept = keep(session, (poplin_slice){octets->data, size}, REPLY_KEPT - exchange->reply_size);
    exchange->reply_size += kept;
    exchange->reply_cut |= kept < size;
    exchange->first_line = end != NULL;
    octets->data += size;
    octets->size -= size;
}

void poplin_log_say(poplin_logged_session *session, size_t index, poplin_slice octets) {
    poplin_logged_exchange *exchange = poplin_log_at(session, index);
    if (exchange == NULL)
        return;
    if (!exchange->first_line && octets.size > 0)
        say_first_line(session, exchange, &octets);
    if (exchange->mail || octets.size == 0)
        return;
    size_t kept = keep(session, octets, TEXT_KEPT - exchange->text_size);
    exchange->text_size += kept;
    exchange->text_cut |= kept < octets.size;
}
