/*
 * fetch_world.h - what surrounds the fetch that fuzz_fetch.c drives: the letters of a maildrop, a store and a Maildir, in memory.
 */
#ifndef FETCH_WORLD_H
#define FETCH_WORLD_H

#include <poplin/fetch.h>

#include "../c/played_link.h"
#include "fuzz.h"

enum { LETTERS = 12, RECORDS = 128, MAIL = 200, EVENTS_MAX = 20000, TEXT_MAX = 400, DAY = 86400 };

/* What ends at the poison, one message of the maildrop, each time: the session at these commands, or the fetch, killed. */
enum { POISONS_RETR = 1, POISONS_TOP = 2, POISONS_DELE = 4, POISONS_BEGIN = 8 };

/* One message of the maildrop, for all its life. */
struct letter {
    size_t lines;
    size_t id; /* its unique-id: its own, or one that another had who is gone */
    bool there, marked;
    bool excused;  /* rejected, or removed by another client: it need not come */
    bool nameless; /* the server tells no unique-id */
};

struct record {
    char uid[96];
    poplin_seen_record record;
};

struct mail {
    uint32_t number; /* of the message, in the session that delivered or found it last; 0: an earlier one */
    char uid[96];
    uint32_t copy;
    int64_t first_seen;
    bool headers_only, settled;
    char text[TEXT_MAX];
    size_t size;
};

struct world {
    fuzz_tape tape;
    bool good; /* nothing fails */

    struct letter letters[LETTERS]; /* the server */
    size_t letter_count;
    size_t numbers[LETTERS]; /* of this session: which letter it is */
    size_t number_count;
    bool repeats, no_uidl, no_top, liar; /* its ways */
    bool loose;                          /* they do not let it be known what was delivered */
    size_t poison, poisons;              /* which letter, and what; 0: none */
    bool forgets;                        /* ... and with it what was not sent yet */
    poplin_link link;
    char said[64 * 1024];

    struct record records[RECORDS]; /* the store */
    size_t record_count;
    struct mail mail[MAIL]; /* the Maildir; the one behind the last is being written */
    size_t mail_count;
    bool writing;

    poplin_fetch_config config;
    poplin_fetch *fetch;
    size_t begun; /* messages, in this run */
};

/* Whether something goes wrong: seldom, and never in a good run or at the tape's end. */
static inline bool fails(struct world *world, size_t seldom) {
    return !world->good && world->tape.size > 0 && choose(&world->tape, seldom) == 1;
}

static inline size_t text_of(const struct world *world, size_t letter, char text[TEXT_MAX]) {
    const size_t subject = world->repeats ? letter / 2 : letter;
    size_t size = (size_t)snprintf(text, TEXT_MAX, "Subject: %zu\r\n\r\nmessage %zu\r\n", subject, letter);
    for (size_t line = 0; line < world->letters[letter].lines; line++)
        size += (size_t)snprintf(text + size, TEXT_MAX - size, ".123\r\n");
    return size;
}

/* ---- the store ---- */

static inline void write_record(struct world *world, const poplin_seen_record *record) {
    struct record *place = NULL;
    CHECK(record->uid.size > 0 && record->uid.size < sizeof place->uid);
    for (size_t i = 0; i < world->record_count && place == NULL; i++)
        if (world->records[i].record.copy == record->copy &&
            poplin_slice_equal(record->uid, poplin_slice_of(world->records[i].uid)))
            place = &world->records[i];
    if (record->step == POPLIN_STEP_NONE) {
        if (place != NULL)
            *place = world->records[--world->record_count];
        return;
    }
    if (place == NULL) {
        CHECK(world->record_count < RECORDS);
        place = &world->records[world->record_count++];
    }
    place->record = *record;
    snprintf(place->uid, sizeof place->uid, "%.*s", (int)record->uid.size, record->uid.data);
}

/* What is on record under a unique-id; NULL: nothing. */
static inline const struct record *record_of(const struct world *world, size_t id) {
    char uid[32];
    snprintf(uid, sizeof uid, "%%25id%zu", id);
    for (size_t i = 0; i < world->record_count; i++)
        if (strcmp(world->records[i].uid, uid) == 0)
            return &world->records[i];
    return NULL;
}

static inline int recall(struct world *world) {
    int status = POPLIN_OK;
    for (size_t i = 0; i < world->record_count && status == POPLIN_OK; i++) {
        poplin_seen_record record = world->records[i].record;
        record.uid = poplin_slice_of(world->records[i].uid);
        status = poplin_fetch_recall(world->fetch, &record);
    }
    return status;
}

/* ---- the Maildir ---- */

static inline void begin(struct world *world, const poplin_fetch_message *message) {
    struct mail *mail = &world->mail[world->mail_count];
    CHECK(!world->writing && world->mail_count < MAIL);
    *mail = (struct mail){.number = message->number,
                          .copy = message->record->copy,
                          .first_seen = message->record->first_seen,
                          .headers_only = message->headers_only};
    snprintf(mail->uid, sizeof mail->uid, "%.*s", (int)message->record->uid.size, message->record->uid.data);
    world->writing = true;
    world->begun++;
}

static inline void append(struct world *world, poplin_slice octets) {
    struct mail *mail = &world->mail[world->mail_count];
    CHECK(world->writing && octets.size <= TEXT_MAX - mail->size);
    memcpy(mail->text + mail->size, octets.data, octets.size);
    mail->size += octets.size;
}

/* As poplin/delivery.h: what is there is not there twice. */
static inline void deliver(struct world *world, const poplin_fetch_message *message) {
    const struct mail *mail = &world->mail[world->mail_count];
    char text[TEXT_MAX];
    const size_t size = text_of(world, world->numbers[message->number - 1], text);
    CHECK(world->writing);
    CHECK(mail->headers_only || (mail->size == size && memcmp(mail->text, text, size) == 0));
    world->writing = false;
    for (size_t i = 0; i < world->mail_count; i++) {
        const struct mail *other = &world->mail[i];
        const bool same = other->size == mail->size && memcmp(other->text, mail->text, mail->size) == 0;
        if (strcmp(other->uid, mail->uid) == 0 && other->copy == mail->copy &&
            other->headers_only == mail->headers_only &&
            (same || (message->resumed && other->first_seen == mail->first_seen))) {
            world->mail[i].number = message->number;
            return;
        }
    }
    world->mail_count++;
}

/* Some may not get to their place: those that this session has delivered. */
static inline void settle(struct world *world) {
    size_t kept = 0;
    for (size_t i = 0; i < world->mail_count; i++) {
        struct mail mail = world->mail[i];
        if (!mail.settled && mail.number != 0 && fails(world, 8) &&
            poplin_fetch_unsettled(world->fetch, mail.number, POPLIN_ERR_IO, NULL) == POPLIN_OK)
            continue;
        mail.settled = true;
        world->mail[kept++] = mail;
    }
    world->mail_count = kept;
}

/* Of what was not settled a power failure leaves some. */
static inline void lose_power(struct world *world) {
    size_t kept = 0;
    for (size_t i = 0; i < world->mail_count; i++)
        if (world->mail[i].settled || flip(&world->tape))
            world->mail[kept++] = world->mail[i];
    world->mail_count = kept;
}

static inline size_t count_of(const struct world *world, size_t letter) {
    char text[TEXT_MAX];
    const size_t size = text_of(world, letter, text);
    size_t count = 0;
    for (size_t i = 0; i < world->mail_count; i++)
        count += world->mail[i].size == size && memcmp(world->mail[i].text, text, size) == 0;
    return count;
}

#endif
