/*
 * testkit/check.c - records judged. An explanation says what was expected, what came nearest to it, and shows the
 * conversation:
 *
 *     expected these messages to be retrieved: 5f2c.1, 5f2c.2
 *       5f2c.2: RETR 2 was answered, but only 100 of 2321 octets went out (fault RETR drop_after=100)
 *
 *     session 2 from 127.0.0.1:40312
 *     ...
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "testkit/transcript.h"
#include "wire/grammar.h"

enum { EXCHANGES_SHOWN = 60, UNIQUE_IDS_SHOWN = 20 };

static char out_of_memory[] = "out of memory while the session was judged";

void poplin_explanation_free(char *explanation) {
    if (explanation != out_of_memory)
        free(explanation);
}

/* The transcript behind what was said. */
static char *explain(poplin_prose *prose, const poplin_record *record) {
    poplin_prose_add(prose, "\n");
    poplin_transcript_add(prose, record, EXCHANGES_SHOWN);
    char *text = poplin_prose_take(prose);
    return text != NULL ? text : out_of_memory;
}

static bool stands_among(const char *unique_id, const char *const *unique_ids, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(unique_ids[i], unique_id) == 0)
            return true;
    return false;
}

static size_t count_of(const char *const *list) {
    size_t count = 0;
    while (list[count] != NULL)
        count++;
    return count;
}

/* "a, b, c and 4 more", or "none". */
static void add_list(poplin_prose *prose, const char *const *list, size_t count) {
    if (count == 0)
        poplin_prose_add(prose, "none");
    for (size_t i = 0; i < count && i < UNIQUE_IDS_SHOWN; i++)
        poplin_prose_add(prose, i > 0 ? ", %s" : "%s", list[i]);
    if (count > UNIQUE_IDS_SHOWN)
        poplin_prose_add(prose, " and %zu more", count - UNIQUE_IDS_SHOWN);
}

static bool is_ok(const poplin_exchange *exchange) {
    return strncmp(exchange->reply, "+OK", 3) == 0;
}

/* The last exchange of the verb, and about the message where unique_id is not NULL; NULL: none. */
static const poplin_exchange *last_of(const poplin_record *record, enum poplin_verb verb, const char *unique_id) {
    for (size_t i = record->exchange_count; i > 0; i--) {
        const poplin_exchange *exchange = &record->exchanges[i - 1];
        if (exchange->verb == verb && (unique_id == NULL || strcmp(exchange->unique_id, unique_id) == 0))
            return exchange;
    }
    return NULL;
}

static const char *last_command(const poplin_record *record) {
    for (size_t i = record->exchange_count; i > 0; i--)
        if (record->exchanges[i - 1].command[0] != '\0')
            return record->exchanges[i - 1].command;
    return NULL;
}

static void add_fault(poplin_prose *prose, const poplin_exchange *exchange) {
    if (exchange->fault[0] != '\0')
        poplin_prose_add(prose, " (fault %s)", exchange->fault);
}

/* "RETR 2 was not answered", or with what, where that was no +OK. */
static void add_refusal(poplin_prose *prose, const poplin_exchange *exchange) {
    if (exchange->reply[0] == '\0')
        poplin_prose_add(prose, "%s was not answered", exchange->command);
    else
        poplin_prose_add(prose, "%s was answered \"%s\"", exchange->command, exchange->reply);
    add_fault(prose, exchange);
}

/* ---- quit ---- */

/* Whether a QUIT was carried out that may be among the exchanges that are not kept. */
static bool has_parted(const poplin_record *record) {
    bool quit = record->outcome == POPLIN_COMMITTED || record->outcome == POPLIN_LEFT;
    return record->exchanges_not_kept > 0 && !record->open && quit;
}

char *poplin_record_check_quit(const poplin_record *record) {
    const poplin_exchange *quit = last_of(record, POPLIN_QUIT, NULL);
    poplin_prose prose = {0};
    if (quit != NULL ? is_ok(quit) : has_parted(record))
        return NULL;
    poplin_prose_add(&prose, "expected QUIT to be said and answered +OK\n  ");
    if (quit != NULL) {
        add_refusal(&prose, quit);
    } else {
        const char *last = last_command(record);
        poplin_prose_add(&prose, "it was never said; ");
        if (last != NULL)
            poplin_prose_add(&prose, "the last command was %s", last);
        else
            poplin_prose_add(&prose, "nothing was");
    }
    poplin_prose_add(&prose, "\n");
    return explain(&prose, record);
}

/* ---- deleted ---- */

/* Whether marks were taken back after this exchange. */
static bool is_undone(const poplin_record *record, const poplin_exchange *exchange) {
    const poplin_exchange *reset = last_of(record, POPLIN_RSET, NULL);
    return reset != NULL && reset > exchange && is_ok(reset);
}

static void add_why_not_deleted(poplin_prose *prose, const poplin_record *record, const char *unique_id) {
    const poplin_exchange *dele = last_of(record, POPLIN_DELE, unique_id);
    const char *outcome = poplin_record_outcome(record);
    poplin_prose_add(prose, "  %s: ", unique_id);
    if (stands_among(unique_id, record->marked, count_of(record->marked))) {
        poplin_prose_add(
            prose, record->open ? "was marked, but the session is still %s" : "was marked, but the session ended as %s",
            outcome);
    } else if (dele == NULL) {
        poplin_prose_add(prose, "was never marked: no DELE named it");
    } else if (is_ok(dele) && is_undone(record, dele)) {
        poplin_prose_add(prose, "was marked by %s, and unmarked by RSET", dele->command);
    } else if (is_ok(dele)) {
        poplin_prose_add(prose, "%s was answered +OK, but not carried out", dele->command);
        add_fault(prose, dele);
    } else {
        add_refusal(prose, dele);
    }
    poplin_prose_add(prose, "\n");
}

char *poplin_record_check_deleted(const poplin_record *record, const char *const *unique_ids, size_t count) {
    size_t deleted = count_of(record->deleted), wrong = 0;
    poplin_prose prose = {0};
    poplin_prose_add(&prose, "expected these messages to be deleted: ");
    add_list(&prose, unique_ids, count);
    poplin_prose_add(&prose, "\nbut these were: ");
    add_list(&prose, record->deleted, deleted);
    poplin_prose_add(&prose, "\n");
    for (size_t i = 0; i < count; i++) {
        if (stands_among(unique_ids[i], record->deleted, deleted))
            continue;
        if (wrong++ < UNIQUE_IDS_SHOWN)
            add_why_not_deleted(&prose, record, unique_ids[i]);
    }
    for (size_t i = 0; i < deleted; i++) {
        if (stands_among(record->deleted[i], unique_ids, count))
            continue;
        if (wrong++ < UNIQUE_IDS_SHOWN)
            poplin_prose_add(&prose, "  %s: was deleted, and should not be\n", record->deleted[i]);
    }
    if (wrong > 0)
        return explain(&prose, record);
    poplin_buffer_free(&prose.text);
    return NULL;
}

/* ---- retrieved ---- */

static void add_why_not_retrieved(poplin_prose *prose, const poplin_record *record, const char *unique_id) {
    const poplin_exchange *retr = last_of(record, POPLIN_RETR, unique_id);
    const poplin_exchange *top = last_of(record, POPLIN_TOP, unique_id);
    poplin_prose_add(prose, "  %s: ", unique_id);
    if (retr == NULL && top != NULL) {
        poplin_prose_add(prose, "no RETR named it, only %s", top->command);
    } else if (retr == NULL) {
        poplin_prose_add(prose, "no RETR named it");
    } else if (!is_ok(retr)) {
        add_refusal(prose, retr);
    } else if (retr->octets < retr->octets_given) {
        poplin_prose_add(prose, "%s was answered, but only %" PRIu64 " of %" PRIu64 " octets went out", retr->command,
                         retr->octets, retr->octets_given);
        add_fault(prose, retr);
    } else if (retr->fault[0] == '\0') {
        poplin_prose_add(prose, "%s was answered, but broke off after %" PRIu64 " octets", retr->command, retr->octets);
    } else {
        poplin_prose_add(prose, "%s was answered, but not with the whole message as it is", retr->command);
        add_fault(prose, retr);
    }
    poplin_prose_add(prose, "\n");
}

char *poplin_record_check_retrieved(const poplin_record *record, const char *const *unique_ids, size_t count) {
    size_t retrieved = count_of(record->retrieved), missing = 0;
    poplin_prose prose = {0};
    poplin_prose_add(&prose, "expected these messages to be retrieved: ");
    add_list(&prose, unique_ids, count);
    poplin_prose_add(&prose, "\nbut of them were not:\n");
    for (size_t i = 0; i < count; i++)
        if (!stands_among(unique_ids[i], record->retrieved, retrieved) && missing++ < UNIQUE_IDS_SHOWN)
            add_why_not_retrieved(&prose, record, unique_ids[i]);
    if (missing > 0)
        return explain(&prose, record);
    poplin_buffer_free(&prose.text);
    return NULL;
}

/* ---- no secret in clear ---- */

char *poplin_record_check_no_cleartext_secret(const poplin_record *record) {
    poplin_prose prose = {0};
    uint64_t kept = 0;
    if (record->leaks == 0)
        return NULL;
    poplin_prose_add(&prose, "expected no secret to cross without TLS\n");
    for (size_t i = 0; i < record->exchange_count; i++) {
        const poplin_exchange *exchange = &record->exchanges[i];
        if (exchange->leaked && kept++ < UNIQUE_IDS_SHOWN)
            poplin_prose_add(&prose, "  %s: crossed in clear\n", exchange->command);
    }
    if (record->leaks > kept)
        poplin_prose_add(&prose, "  commands of exchanges that are not kept: %" PRIu64 "\n", record->leaks - kept);
    return explain(&prose, record);
}

/* ---- order ---- */

/* Whether the command begins with these words. */
static bool begins_with(const char *command, const char *words) {
    size_t size = strlen(words);
    if (strlen(command) < size || !poplin_slice_equal_nocase((poplin_slice){command, size}, words))
        return false;
    return command[size] == '\0' || command[size] == ' ' || (size > 0 && words[size - 1] == ' ');
}

/* What came behind the last of those that came in order. */
static void add_what_came_instead(poplin_prose *prose, const poplin_record *record, size_t from) {
    size_t shown = 0;
    for (size_t i = from; i < record->exchange_count && shown < UNIQUE_IDS_SHOWN; i++)
        if (record->exchanges[i].command[0] != '\0')
            poplin_prose_add(prose, shown++ > 0 ? ", %s" : "%s", record->exchanges[i].command);
    if (shown == 0)
        poplin_prose_add(prose, "no command any more");
}

char *poplin_record_check_order(const poplin_record *record, const char *const *commands, size_t count) {
    size_t matched = 0, behind = 0;
    poplin_prose prose = {0};
    for (size_t i = 0; i < record->exchange_count && matched < count; i++) {
        const char *command = record->exchanges[i].command;
        if (command[0] != '\0' && begins_with(command, commands[matched])) {
            matched++;
            behind = i + 1;
        }
    }
    if (matched == count)
        return NULL;
    poplin_prose_add(&prose, "expected these commands in this order: ");
    add_list(&prose, commands, count);
    poplin_prose_add(&prose, "\n  in order came: ");
    add_list(&prose, commands, matched);
    poplin_prose_add(&prose, "\n  then, where %s should come: ", commands[matched]);
    add_what_came_instead(&prose, record, behind);
    poplin_prose_add(&prose, "\n");
    return explain(&prose, record);
}
