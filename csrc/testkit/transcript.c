/*
 * testkit/transcript.c - a record for a person, who wants to see at a glance what was said, and what a fault made of it:
 *
 *     session 2 from 127.0.0.1:40312
 *     S: +OK poplin ready
 *     C: STLS
 *     S: +OK begin TLS
 *     -- TLS1.3 AES-256-GCM
 *     C: USER alice
 *     S: +OK
 *     C: PASS ****
 *     S: +OK 2 messages
 *     C: UIDL
 *     S: +OK 2 messages
 *          1 5f2c.1
 *          2 5f2c.2
 *          .
 *     C: RETR 1
 *     !! RETR drop_after=100
 *     S: +OK 2312 octets
 *          (100 of 2321 octets went out)
 *     == dropped: closed by a fault
 *        user: alice, by USER
 *        marked: 5f2c.1
 *
 * The fault stands between the command and what became of its reply.
 */
#include "testkit/transcript.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "testkit/kit.h"
#include "wire/grammar.h"

enum { TEXT_LINES = 12 };

static size_t count_lines(const char *text) {
    size_t count = 0;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        count++;
    return count;
}

/* The lines behind the first, the middle of many left out: the last shows whether there was a terminator. */
static void add_text(poplin_prose *prose, const char *text) {
    size_t count = count_lines(text);
    for (size_t i = 0; i < count; i++) {
        const char *end = strchr(text, '\n');
        if (count <= TEXT_LINES || i < TEXT_LINES - 2 || i == count - 1)
            poplin_prose_add(prose, "     %.*s\n", (int)(end - text), text);
        else if (i == TEXT_LINES - 2)
            poplin_prose_add(prose, "     ... (%zu more lines)\n", count - TEXT_LINES + 1);
        text = end + 1;
    }
}

static void add_reply(poplin_prose *prose, const poplin_record *record, const poplin_exchange *exchange) {
    const bool leaving = !record->open && record->connected && !exchange->landed; /* the last reply of a session */
    if (exchange->reply[0] != '\0')
        poplin_prose_add(prose, "S: %s\n", exchange->reply);
    else
        poplin_prose_add(prose, "S: (nothing)\n");
    add_text(prose, exchange->text);
    if (leaving)
        return;
    if (exchange->octets < exchange->octets_given)
        poplin_prose_add(prose, "     (%" PRIu64 " of %" PRIu64 " octets went out)\n", exchange->octets,
                         exchange->octets_given);
    else if (exchange->octets > 0 && !exchange->complete && exchange->fault[0] == '\0')
        poplin_prose_add(prose, "     (it broke off after %" PRIu64 " octets)\n", exchange->octets);
}

static void add_command(poplin_prose *prose, const poplin_exchange *exchange) {
    if (exchange->command[0] != '\0')
        poplin_prose_add(prose, "C: %s\n", exchange->command);
    if (exchange->fault[0] != '\0')
        poplin_prose_add(prose, "!! %s\n", exchange->fault);
}

static void add_tls(poplin_prose *prose, const poplin_record *record) {
    poplin_prose_add(prose, "-- %s\n", record->tls);
}

/* tls: whether the last exchange was under TLS. */
static void add_behind_exchanges(poplin_prose *prose, const poplin_record *record, bool tls) {
    if (record->tls[0] != '\0' && !tls)
        add_tls(prose, record);
    if (record->exchanges_not_kept > 0)
        poplin_prose_add(prose, ".. (%" PRIu64 " more exchanges were not kept)\n", record->exchanges_not_kept);
}

static void add_exchanges(poplin_prose *prose, const poplin_record *record, size_t most) {
    size_t count = record->exchange_count;
    size_t beginning = count > most ? most / 3 : count;
    size_t end = count > most ? count - (most - beginning) : count;
    bool tls = false;
    for (size_t i = 0; i < count; i++) {
        const poplin_exchange *exchange = &record->exchanges[i];
        if (exchange->tls && !tls)
            add_tls(prose, record);
        tls = exchange->tls;
        if (i == beginning)
            poplin_prose_add(prose, ".. (%zu exchanges are not shown)\n", end - beginning);
        if (i < beginning || i >= end) {
            add_command(prose, exchange);
            add_reply(prose, record, exchange);
        }
    }
    add_behind_exchanges(prose, record, tls);
}

static void add_heading(poplin_prose *prose, const poplin_record *record) {
    poplin_prose_add(prose, "session %" PRIu64 " from %s\n", record->number, record->peer);
}

static void add_unique_ids(poplin_prose *prose, const char *what, const char *const *unique_ids) {
    if (*unique_ids == NULL)
        return;
    poplin_prose_add(prose, "   %s: ", what);
    for (size_t i = 0; unique_ids[i] != NULL; i++)
        poplin_prose_add(prose, i > 0 ? ", %s" : "%s", unique_ids[i]);
    poplin_prose_add(prose, "\n");
}

static void add_end(poplin_prose *prose, const poplin_record *record) {
    const char *colon = record->error[0] != '\0' ? ": " : "";
    poplin_prose_add(prose, "== %s%s%s\n", poplin_record_outcome(record), colon, record->error);
    if (record->mechanism[0] != '\0') {
        poplin_prose_add(prose, "   user: ");
        poplin_prose_add_visible(prose, poplin_slice_of(record->user));
        poplin_prose_add(prose, ", by %s\n", record->mechanism);
    }
    add_unique_ids(prose, "retrieved", record->retrieved);
    if (*record->deleted != NULL)
        add_unique_ids(prose, "deleted", record->deleted);
    else
        add_unique_ids(prose, "marked", record->marked);
}

void poplin_transcript_add(poplin_prose *prose, const poplin_record *record, size_t most) {
    add_heading(prose, record);
    add_exchanges(prose, record, most);
    add_end(prose, record);
}

char *poplin_record_transcript(const poplin_record *record) {
    poplin_prose prose = {0};
    poplin_transcript_add(&prose, record, SIZE_MAX);
    return poplin_prose_take(&prose);
}

/* ---- as it comes into being ---- */

/*
 * Adds what is new behind position, which counts 1 for the heading, then 2 for each exchange: its command, its reply. first: how many
 * exchanges stand before those of the record.
 */
static void add_new(poplin_prose *prose, const poplin_record *record, uint64_t first, uint64_t *position) {
    bool tls = false;
    if (*position == 0) {
        add_heading(prose, record);
        ++*position;
    }
    for (size_t i = 0; i < record->exchange_count; i++) {
        const poplin_exchange *exchange = &record->exchanges[i];
        const uint64_t place = 1 + 2 * (first + i);
        if (*position == place) {
            if (exchange->tls && !tls)
                add_tls(prose, record);
            add_command(prose, exchange);
            ++*position;
        }
        if (*position == place + 1 && (exchange->landed || !record->connected)) {
            add_reply(prose, record, exchange);
            ++*position;
        }
        tls = exchange->tls;
    }
    if (!record->connected) {
        add_behind_exchanges(prose, record, tls);
        add_end(prose, record);
        *position = POPLIN_TRANSCRIPT_OVER;
    }
}

int poplin_testkit_follow(poplin_testkit *kit, uint64_t number, uint64_t *position, char **text) {
    const uint64_t shown = *position > 0 ? (*position - 1) / 2 : 0;
    const uint64_t first = shown > 0 ? shown - 1 : 0; /* the one before tells whether TLS is new */
    poplin_record *record = NULL;
    poplin_prose prose = {0};
    uint64_t reached = *position;
    *text = NULL;
    if (*position == POPLIN_TRANSCRIPT_OVER) {
        *text = strdup("");
        return *text != NULL ? POPLIN_OK : POPLIN_ERR_NOMEM;
    }
    int status = poplin_kit_record_since(kit, number, first, &record);
    if (status != POPLIN_OK)
        return status;
    add_new(&prose, record, first, &reached);
    poplin_record_free(record);
    *text = poplin_prose_take(&prose);
    if (*text == NULL)
        return POPLIN_ERR_NOMEM;
    *position = reached;
    return POPLIN_OK;
}
