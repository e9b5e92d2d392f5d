/*
 * testkit/record.c - a session copied out of the log: masked, made visible, and all in one allocation.
 *
 * The strings are written one behind the other into a scratch buffer. Then the record is laid out, exchanges, lists of
 * unique-ids and strings behind it, and its pointers are set by walking through the strings in the order in which they were
 * written.
 */
#include <stdlib.h>
#include <string.h>

#include "testkit/kit.h"
#include "testkit/prose.h"
#include "wire/grammar.h"

/* ---- the strings ---- */

struct scribe {
    const poplin_logged_session *session;
    const poplin_secrets *secrets;
    size_t first; /* the exchanges before it are left out */
    const poplin_buffer *retrieved, *marked;
    poplin_prose prose;
    poplin_buffer masked; /* the string at hand, octets as they were */
};

static poplin_slice mask(struct scribe *scribe, poplin_slice octets, bool cut) {
    poplin_buffer_clear(&scribe->masked);
    if (poplin_secrets_mask(scribe->secrets, octets, cut, &scribe->masked) != POPLIN_OK)
        scribe->prose.failed = true;
    return poplin_buffer_slice(&scribe->masked);
}

static void write_octets(struct scribe *scribe, const char *octets, size_t size) {
    if (poplin_buffer_append(&scribe->prose.text, octets, size) != POPLIN_OK)
        scribe->prose.failed = true;
}

static void end_string(struct scribe *scribe) {
    write_octets(scribe, "", 1);
}

/* A string that names something is copied as it is. */
static void write_name(struct scribe *scribe, poplin_word word) {
    const char *name = poplin_log_read(scribe->session, word);
    write_octets(scribe, name, strlen(name) + 1);
}

static void write_masked(struct scribe *scribe, poplin_word word) {
    poplin_slice octets = mask(scribe, poplin_slice_of(poplin_log_read(scribe->session, word)), false);
    poplin_prose_add_visible(&scribe->prose, octets);
    end_string(scribe);
}

/* Writes a line that may end in CRLF, which is not shown, or in LF alone, which is. */
static void write_line(struct scribe *scribe, poplin_slice line) {
    if (line.size >= 2 && memcmp(line.data + line.size - 2, "\r\n", 2) == 0)
        line.size -= 2;
    poplin_prose_add_visible(&scribe->prose, line);
}

static void write_reply(struct scribe *scribe, const poplin_logged_exchange *exchange) {
    const char *said = poplin_buffer_slice(&scribe->session->said).data;
    poplin_slice reply = {NULL, 0};
    if (exchange->reply_size > 0)
        reply = mask(scribe, (poplin_slice){said + exchange->reply, exchange->reply_size}, exchange->reply_cut);
    write_line(scribe, reply);
    if (exchange->reply_cut)
        write_octets(scribe, "...", 3);
    end_string(scribe);
}

static void write_text(struct scribe *scribe, const poplin_logged_exchange *exchange) {
    const char *said = poplin_buffer_slice(&scribe->session->said).data;
    poplin_slice text = {NULL, 0};
    if (exchange->text_size > 0)
        text = mask(scribe, (poplin_slice){said + exchange->reply + exchange->reply_size, exchange->text_size},
                    exchange->text_cut);
    while (text.size > 0) {
        const char *end = memchr(text.data, '\n', text.size);
        poplin_slice line = {text.data, end != NULL ? (size_t)(end - text.data) + 1 : text.size};
        text.data += line.size;
        text.size -= line.size;
        write_line(scribe, line);
        if (end != NULL || !exchange->text_cut)
            write_octets(scribe, "\n", 1);
    }
    if (exchange->text_cut)
        write_octets(scribe, "...\n", 4);
    end_string(scribe);
}

static void write_exchange(struct scribe *scribe, const poplin_logged_exchange *exchange) {
    write_masked(scribe, exchange->command);
    write_reply(scribe, exchange);
    write_text(scribe, exchange);
    write_masked(scribe, exchange->fault);
    write_name(scribe, exchange->unique_id);
}

static void write_unique_ids(struct scribe *scribe, const poplin_buffer *names) {
    poplin_slice octets = poplin_buffer_slice(names);
    write_octets(scribe, octets.data, octets.size);
}

static void write_all(struct scribe *scribe) {
    const poplin_logged_session *session = scribe->session;
    write_name(scribe, session->peer);
    write_masked(scribe, session->error);
    write_name(scribe, session->tls);
    write_name(scribe, session->user);
    write_name(scribe, session->mechanism);
    for (size_t i = scribe->first; i < session->exchange_count; i++)
        write_exchange(scribe, &session->exchanges[i]);
    write_unique_ids(scribe, scribe->retrieved);
    write_unique_ids(scribe, scribe->marked);
}

/* ---- the record ---- */

static size_t count_names(const poplin_buffer *names) {
    poplin_slice octets = poplin_buffer_slice(names);
    size_t count = 0;
    for (size_t i = 0; i < octets.size; i++)
        count += octets.data[i] == '\0';
    return count;
}

/* The string at the cursor, which moves behind it. */
static const char *take(const char **cursor) {
    const char *string = *cursor;
    *cursor += strlen(string) + 1;
    return string;
}

static void take_exchange(poplin_exchange *exchange, const poplin_logged_exchange *logged, const char **cursor) {
    *exchange = (poplin_exchange){
        .verb = logged->verb,
        .octets = logged->octets,
        .octets_given = logged->octets_given,
        .tls = logged->tls,
        .secret = logged->secret,
        .leaked = logged->leaked,
        .complete = logged->complete,
        .landed = logged->landed,
    };
    exchange->command = take(cursor);
    exchange->reply = take(cursor);
    exchange->text = take(cursor);
    exchange->fault = take(cursor);
    exchange->unique_id = take(cursor);
}

/* Takes as many unique-ids, and NULL behind them. Returns where the next list may begin. */
static const char **take_unique_ids(const char **list, size_t count, const char **cursor) {
    for (size_t i = 0; i < count; i++)
        *list++ = take(cursor);
    *list++ = NULL;
    return list;
}

static void take_all(poplin_record *record, const struct scribe *scribe, poplin_exchange *exchanges, const char **lists,
                     const char *cursor) {
    const poplin_logged_session *session = scribe->session;
    bool committed = !session->open && session->outcome == POPLIN_COMMITTED;
    *record = (poplin_record){
        .number = session->number,
        .open = session->open,
        .connected = session->held,
        .outcome = session->outcome,
        .octets_in = session->octets_in,
        .octets_out = session->octets_out,
        .exchanges = exchanges,
        .exchange_count = session->exchange_count - scribe->first,
        .exchanges_not_kept = session->exchanges_not_kept,
        .leaks = session->leaks,
    };
    record->peer = take(&cursor);
    record->error = take(&cursor);
    record->tls = take(&cursor);
    record->user = take(&cursor);
    record->mechanism = take(&cursor);
    for (size_t i = 0; i < record->exchange_count; i++)
        take_exchange(&exchanges[i], &session->exchanges[scribe->first + i], &cursor);
    record->retrieved = lists;
    lists = take_unique_ids(lists, count_names(scribe->retrieved), &cursor);
    record->marked = lists;
    lists = take_unique_ids(lists, count_names(scribe->marked), &cursor);
    record->deleted = committed ? record->marked : lists - 1; /* the NULL that ends marked: no unique-id */
}

/* A copy, in one allocation; NULL: out of memory. */
static poplin_record *copy(const poplin_logged_session *session, size_t first, const poplin_secrets *secrets) {
    static const poplin_buffer none;
    struct scribe scribe = {.session = session, .secrets = secrets};
    scribe.first = first < session->exchange_count ? first : session->exchange_count;
    scribe.retrieved = first == 0 || !session->open ? &session->retrieved : &none;
    scribe.marked = first == 0 || !session->open ? &session->marked : &none;
    write_all(&scribe);
    poplin_slice strings = poplin_buffer_slice(&scribe.prose.text);
    size_t exchanges = session->exchange_count - scribe.first;
    size_t exchanges_size = exchanges * sizeof(poplin_exchange);
    size_t lists_size = (count_names(scribe.retrieved) + count_names(scribe.marked) + 2) * sizeof(const char *);
    poplin_record *record =
        scribe.prose.failed ? NULL : malloc(sizeof *record + exchanges_size + lists_size + strings.size);
    if (record != NULL) {
        poplin_exchange *exchange = (poplin_exchange *)(record + 1);
        const char **lists = (const char **)(exchange + exchanges);
        char *octets = (char *)lists + lists_size;
        memcpy(octets, strings.data, strings.size);
        take_all(record, &scribe, exchange, lists, octets);
    }
    poplin_buffer_free(&scribe.prose.text);
    poplin_buffer_free(&scribe.masked);
    return record;
}

static int copy_out(const poplin_testkit *kit, const poplin_logged_session *session, size_t first,
                    poplin_record **record) {
    *record = NULL;
    if (session == NULL)
        return POPLIN_ERR_REFUSED;
    *record = session->out_of_memory ? NULL : copy(session, first, &kit->secrets);
    return *record != NULL ? POPLIN_OK : POPLIN_ERR_NOMEM;
}

/* ---- for those outside ---- */

void poplin_testkit_count(poplin_testkit *kit, uint64_t *sessions, uint64_t *not_kept) {
    poplin_kit_lock(kit);
    *not_kept = kit->log.not_kept;
    *sessions = kit->log.not_kept + kit->log.count;
    poplin_kit_unlock(kit);
}

int poplin_testkit_record(poplin_testkit *kit, size_t index, poplin_record **record) {
    poplin_kit_lock(kit);
    const poplin_log *log = &kit->log;
    int status = copy_out(kit, index < log->count ? log->sessions[log->first + index] : NULL, 0, record);
    poplin_kit_unlock(kit);
    return status;
}

int poplin_kit_record_since(poplin_testkit *kit, uint64_t number, size_t first, poplin_record **record) {
    poplin_kit_lock(kit);
    int status = copy_out(kit, poplin_log_find(&kit->log, number), first, record);
    poplin_kit_unlock(kit);
    return status;
}

int poplin_testkit_record_numbered(poplin_testkit *kit, uint64_t number, poplin_record **record) {
    return poplin_kit_record_since(kit, number, 0, record);
}

void poplin_record_free(poplin_record *record) {
    free(record);
}

const char *poplin_record_outcome(const poplin_record *record) {
    return record->open ? "open" : poplin_outcome_word(record->outcome);
}
