/*
 * fetched.h - what the tests of the fetch engine share: a server on maildrops in memory, and a host whose store and Maildir are in memory
 * too, so that the power can fail at any event: what was not settled or recorded then is gone.
 */
#ifndef FETCHED_H
#define FETCHED_H

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <poplin/fetch.h>

#include "kitted.h"

enum { FETCHED_MAX = 64 };

struct fetched_record {
    char uid[96];
    poplin_seen_record record;
};

struct fetched_mail {
    char uid[96];
    uint32_t number;
    uint32_t copy;
    int64_t first_seen;
    char *text;
    size_t size;
    bool headers_only;
    bool settled;
};

struct fetched_result {
    uint32_t number;
    enum poplin_result result;
    bool deleted;
    char reason[160];
};

struct fetched {
    struct served *served;
    struct kitted kitted;
    poplin_fetch_config config; /* may be changed before each run */
    poplin_link_config link_config;
    poplin_link *link;

    struct fetched_record records[FETCHED_MAX]; /* the store */
    size_t record_count;
    struct fetched_mail mail[FETCHED_MAX]; /* the Maildir; the one behind the last is being written */
    size_t mail_count;

    struct fetched_result results[FETCHED_MAX]; /* of the last run, as is all below */
    size_t result_count;
    size_t events, connects, recorded, pieces, begun, resumed, settled;
    poplin_fetch_progress progress;
    uint64_t delay_ms;
    size_t stop_at;                          /* the event, or wait, at which the run is stopped; 0: none */
    size_t stop_begun;                       /* it is stopped behind so many BEGINs; 0: not for that */
    uint32_t stop_number;                    /* ... or where the message of this number begins */
    bool power;                              /* the power fails at the stop, instead of the process */
    enum poplin_fetch_event_kind fail_event; /* the event that is answered with IO, the nth; 0 as nth: none */
    size_t fail_nth;
    bool misses[FETCHED_MAX + 1]; /* messages, by their numbers, that do not get to their place when all is settled */
    bool cut;                     /* the line goes through the test's hands, and is cut */
    size_t cut_at;                /* ... after so many octets in both directions together */
    size_t passed;                /* octets of the last run */
    int near, far;                /* the ends of the line that the test holds: to the link, to the server */
    enum poplin_choice (*filter)(const poplin_fetch_message *message, poplin_slice header);
    poplin_error error;
};

static inline int fetched_set_up(void **state) {
    void *served = NULL;
    struct fetched *fetched = calloc(1, sizeof *fetched);
    assert_int_equal(served_set_up(&served), 0);
    fetched->served = served;
    kitted_init(&fetched->kitted, served);
    poplin_fetch_config_init(&fetched->config);
    fetched->config.account = "alice@example.org";
    fetched->config.now = 1763800000;
    fetched->near = fetched->far = -1;
    poplin_link_config_init(&fetched->link_config);
    fetched->link_config.host = "127.0.0.1";
    fetched->link_config.client.tls = POPLIN_TLS_AUTO;
    *state = fetched;
    return 0;
}

static inline int fetched_tear_down(void **state) {
    struct fetched *fetched = *state;
    void *served = fetched->served;
    for (size_t i = 0; i < fetched->mail_count; i++)
        free(fetched->mail[i].text);
    kitted_free(&fetched->kitted);
    assert_int_equal(served_tear_down(&served), 0);
    free(fetched);
    return 0;
}

static inline void fetched_copy(char room[96], poplin_slice text) {
    assert_true(text.size < 96);
    memcpy(room, text.data, text.size);
    room[text.size] = '\0';
}

/* ---- the store ---- */

static inline struct fetched_record *fetched_find(struct fetched *fetched, poplin_slice uid, uint32_t copy) {
    for (size_t i = 0; i < fetched->record_count; i++) {
        struct fetched_record *record = &fetched->records[i];
        if (record->record.copy == copy && strlen(record->uid) == uid.size &&
            memcmp(record->uid, uid.data, uid.size) == 0)
            return record;
    }
    return NULL;
}

static inline void fetched_write(struct fetched *fetched, const poplin_seen_record *record) {
    struct fetched_record *place = fetched_find(fetched, record->uid, record->copy);
    if (record->step == POPLIN_STEP_NONE) {
        if (place != NULL)
            *place = fetched->records[--fetched->record_count];
        return;
    }
    if (place == NULL) {
        assert_true(fetched->record_count < FETCHED_MAX);
        place = &fetched->records[fetched->record_count++];
    }
    place->record = *record;
    fetched_copy(place->uid, record->uid);
}

static inline int fetched_recall(struct fetched *fetched, poplin_fetch *fetch) {
    int status = POPLIN_OK;
    for (size_t i = 0; i < fetched->record_count && status == POPLIN_OK; i++) {
        poplin_seen_record record = fetched->records[i].record;
        record.uid = (poplin_slice){fetched->records[i].uid, strlen(fetched->records[i].uid)};
        status = poplin_fetch_recall(fetch, &record);
    }
    return status;
}

/* ---- the Maildir ---- */

static inline void fetched_begin(struct fetched *fetched, const poplin_fetch_message *message) {
    assert_true(fetched->mail_count < FETCHED_MAX);
    struct fetched_mail *mail = &fetched->mail[fetched->mail_count];
    assert_null(mail->text);
    *mail = (struct fetched_mail){.number = message->number,
                                  .copy = message->record->copy,
                                  .first_seen = message->record->first_seen,
                                  .text = malloc(1),
                                  .headers_only = message->headers_only};
    fetched_copy(mail->uid, message->record->uid);
}

static inline void fetched_append(struct fetched *fetched, poplin_slice octets) {
    struct fetched_mail *mail = &fetched->mail[fetched->mail_count];
    assert_non_null(mail->text);
    mail->text = realloc(mail->text, mail->size + octets.size + 1);
    memcpy(mail->text + mail->size, octets.data, octets.size);
    mail->size += octets.size;
}

static inline void fetched_abandon(struct fetched *fetched) {
    struct fetched_mail *mail = &fetched->mail[fetched->mail_count];
    free(mail->text);
    mail->text = NULL;
}

/* As poplin/delivery.h: what is there is not there twice. */
static inline void fetched_deliver(struct fetched *fetched, bool resumed) {
    const struct fetched_mail *mail = &fetched->mail[fetched->mail_count];
    for (size_t i = 0; i < fetched->mail_count; i++) {
        const struct fetched_mail *other = &fetched->mail[i];
        const bool hash = strcmp(other->uid, mail->uid) == 0 && other->copy == mail->copy &&
                          other->headers_only == mail->headers_only;
        const bool same = other->size == mail->size && memcmp(other->text, mail->text, mail->size) == 0;
        if (hash && (same || (resumed && other->first_seen == mail->first_seen))) {
            fetched_abandon(fetched);
            return;
        }
    }
    fetched->mail_count++;
}

static inline void fetched_settle(struct fetched *fetched, poplin_fetch *fetch) {
    const poplin_error error = {.status = POPLIN_ERR_IO, .reason = "it did not get there"};
    size_t kept = 0;
    for (size_t i = 0; i < fetched->mail_count; i++) {
        struct fetched_mail mail = fetched->mail[i];
        fetched->mail[i].text = NULL;
        if (!mail.settled && fetched->misses[mail.number]) {
            assert_int_equal(poplin_fetch_unsettled(fetch, mail.number, POPLIN_ERR_IO, &error), POPLIN_OK);
            assert_int_equal(poplin_fetch_unsettled(fetch, mail.number, POPLIN_ERR_IO, &error), POPLIN_ERR_STATE);
            free(mail.text);
            continue;
        }
        mail.settled = true;
        fetched->mail[kept++] = mail;
    }
    fetched->mail_count = kept;
}

/* What a power failure leaves. */
static inline void fetched_lose(struct fetched *fetched) {
    size_t kept = 0;
    fetched_abandon(fetched);
    for (size_t i = 0; i < fetched->mail_count; i++) {
        struct fetched_mail mail = fetched->mail[i];
        fetched->mail[i].text = NULL;
        if (mail.settled)
            fetched->mail[kept++] = mail;
        else
            free(mail.text);
    }
    fetched->mail_count = kept;
}

/* ---- the line ---- */

static inline void fetched_hang_up(struct fetched *fetched) {
    if (fetched->near >= 0) {
        close(fetched->near);
        close(fetched->far);
    }
    fetched->near = fetched->far = -1;
}

/* One end of a line whose other end is the server. */
static inline int fetched_dial(struct fetched *fetched) {
    int pair[2];
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons(poplin_server_port(fetched->served->server))};
    fetched_hang_up(fetched);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    fetched->near = pair[0];
    fetched->far = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fetched->far, (struct sockaddr *)&address, sizeof address), 0);
    return pair[1];
}

static inline void fetched_move(struct fetched *fetched, int from, int to) {
    char octets[512];
    const size_t left = fetched->cut_at - fetched->passed;
    const ssize_t size = recv(from, octets, left < sizeof octets ? left : sizeof octets, MSG_DONTWAIT);
    if (size > 0) {
        fetched->passed += (size_t)size;
        assert_int_equal(send(to, octets, (size_t)size, MSG_NOSIGNAL), size);
    }
    if (size == 0 || fetched->passed == fetched->cut_at)
        fetched_hang_up(fetched);
}

/* Waits for the link, and moves what has come at one of the line's ends to the other. */
static inline void fetched_wait(struct fetched *fetched) {
    if (fetched->near >= 0)
        fetched_move(fetched, fetched->near, fetched->far);
    if (fetched->near >= 0)
        fetched_move(fetched, fetched->far, fetched->near);
    assert_int_equal(poplin_loop_step(fetched->served->loop, fetched->cut ? 0 : -1), POPLIN_OK);
}

/* ---- a run ---- */

static inline void fetched_connect(struct fetched *fetched, poplin_fetch *fetch, const poplin_fetch_event *event) {
    const poplin_credentials login = {.user = SLICE("alice"), .password = SLICE("secret")};
    int status;
    poplin_link_free(fetched->link);
    fetched->link = NULL;
    fetched->connects++;
    fetched->delay_ms = event->delay_ms;
    poplin_loop_advance(fetched->served->loop, event->delay_ms);
    fetched->link_config.port = poplin_server_port(fetched->served->server);
    fetched->link_config.descriptor = fetched->cut ? fetched_dial(fetched) : -1;
    assert_int_equal(poplin_link_open(fetched->served->loop, &fetched->link_config, &login, &fetched->link), POPLIN_OK);
    while ((status = poplin_link_opened(fetched->link)) == POPLIN_NEED_INPUT)
        fetched_wait(fetched);
    if (status == POPLIN_OK)
        assert_int_equal(poplin_fetch_use(fetch, fetched->link), POPLIN_OK);
    assert_int_equal(poplin_fetch_answer(fetch, status, poplin_link_error(fetched->link)), POPLIN_OK);
}

static inline void fetched_note(struct fetched *fetched, const poplin_fetch_event *event) {
    struct fetched_result *result = &fetched->results[fetched->result_count++];
    *result =
        (struct fetched_result){.number = event->message->number, .result = event->result, .deleted = event->deleted};
    if (event->error != NULL)
        (void)poplin_error_format(event->error, result->reason, sizeof result->reason);
}

/* Does what is asked for. */
static inline void fetched_serve(struct fetched *fetched, poplin_fetch *fetch, const poplin_fetch_event *event) {
    int status = POPLIN_OK;
    fetched->recorded += event->kind == POPLIN_FETCH_RECORD;
    if (fetched->fail_nth != 0 && event->kind == fetched->fail_event && --fetched->fail_nth == 0) {
        if (event->kind == POPLIN_FETCH_PIECE || event->kind == POPLIN_FETCH_DELIVER)
            fetched_abandon(fetched);
        assert_int_equal(poplin_fetch_answer(fetch, POPLIN_ERR_IO, NULL), POPLIN_OK);
        return;
    }
    switch (event->kind) {
    case POPLIN_FETCH_CONNECT:
        fetched_connect(fetched, fetch, event);
        return;
    case POPLIN_FETCH_RECALL:
        status = fetched_recall(fetched, fetch);
        break;
    case POPLIN_FETCH_RECORD:
        for (size_t i = 0; i < event->count; i++)
            fetched_write(fetched, &event->records[i]);
        break;
    case POPLIN_FETCH_FILTER:
        assert_int_equal(poplin_fetch_choose(fetch, fetched->filter(event->message, event->text)), POPLIN_OK);
        return;
    case POPLIN_FETCH_BEGIN:
        fetched->begun++;
        fetched->resumed += event->message->resumed;
        fetched_begin(fetched, event->message);
        break;
    case POPLIN_FETCH_PIECE:
        fetched->pieces++;
        fetched_append(fetched, event->text);
        break;
    case POPLIN_FETCH_DELIVER:
        fetched_deliver(fetched, event->message->resumed);
        break;
    case POPLIN_FETCH_SETTLE:
        fetched->settled++;
        fetched_settle(fetched, fetch);
        break;
    case POPLIN_FETCH_ABANDON:
        fetched_abandon(fetched);
        return;
    case POPLIN_FETCH_RESULT:
        fetched_note(fetched, event);
        return;
    }
    assert_int_equal(poplin_fetch_answer(fetch, status, NULL), POPLIN_OK);
}

/* How far the fetch is, which is never further than what is to do. */
static inline void fetched_measure(struct fetched *fetched, const poplin_fetch *fetch) {
    poplin_fetch_progress_now(fetch, &fetched->progress);
    assert_true(fetched->progress.messages_done <= fetched->progress.messages_to_do);
    assert_true(fetched->progress.octets_done <= fetched->progress.octets_to_do);
}

/* One fetch, to its end or to where it is stopped. POPLIN_END, a failure, or POPLIN_INTERRUPTED. */
static inline int fetched_run(struct fetched *fetched) {
    poplin_fetch *fetch;
    poplin_fetch_event event;
    int status;
    fetched->events = fetched->connects = fetched->result_count = fetched->pieces = fetched->passed = 0;
    fetched->recorded = fetched->begun = fetched->resumed = fetched->settled = 0;
    assert_int_equal(poplin_fetch_new(&fetched->config, &fetch), POPLIN_OK);
    while ((status = poplin_fetch_next(fetch, &event)) == POPLIN_OK || status == POPLIN_NEED_INPUT) {
        fetched_measure(fetched, fetch);
        const bool begins = status == POPLIN_OK && event.kind == POPLIN_FETCH_BEGIN;
        if (++fetched->events == fetched->stop_at ||
            (fetched->stop_begun != 0 && fetched->begun == fetched->stop_begun) ||
            (begins && event.message->number == fetched->stop_number)) {
            status = POPLIN_INTERRUPTED;
            break;
        }
        if (status == POPLIN_OK)
            fetched_serve(fetched, fetch, &event);
        else
            fetched_wait(fetched);
    }
    fetched_measure(fetched, fetch);
    if (poplin_fetch_error(fetch) != NULL)
        fetched->error = *poplin_fetch_error(fetch);
    if (status != POPLIN_INTERRUPTED) /* what was begun was delivered or abandoned */
        assert_null(fetched->mail[fetched->mail_count].text);
    poplin_fetch_free(fetch);
    poplin_link_free(fetched->link);
    fetched->link = NULL;
    fetched_hang_up(fetched);
    fetched_abandon(fetched);
    served_until_sessions(fetched->served, 0);
    if (status == POPLIN_INTERRUPTED && fetched->power)
        fetched_lose(fetched);
    return status;
}

static inline void fetched_complete(struct fetched *fetched) {
    fetched->stop_at = fetched->stop_begun = 0;
    fetched->cut = false;
    int status = fetched_run(fetched);
    if (status != POPLIN_END)
        fail_msg("%s: %s", poplin_status_name(status), fetched->error.reason);
}

/* How often "message n" was delivered. */
static inline size_t fetched_count(const struct fetched *fetched, size_t number) {
    char wanted[32];
    size_t count = 0;
    const size_t size = (size_t)snprintf(wanted, sizeof wanted, "message %zu\r\n", number);
    for (size_t i = 0; i < fetched->mail_count; i++)
        count += fetched->mail[i].size >= size && memcmp(fetched->mail[i].text, wanted, size) == 0;
    return count;
}

static inline void fetched_expect_once(const struct fetched *fetched, size_t messages) {
    for (size_t number = 1; number <= messages; number++)
        assert_int_equal(fetched_count(fetched, number), 1);
    assert_int_equal(fetched->mail_count, messages);
}

/* No message is ever nowhere. */
static inline void fetched_expect_nothing_lost(struct fetched *fetched, size_t messages) {
    poplin_memory_list *list;
    assert_int_equal(poplin_memory_list_new(fetched->served->memory, SLICE("alice"), &list), POPLIN_OK);
    for (size_t number = 1; number <= messages; number++) {
        bool served = false;
        for (size_t i = 0; i < poplin_memory_list_count(list); i++)
            served = served || strcmp(poplin_memory_list_get(list, i).unique_id, fetched->kitted.ids[number - 1]) == 0;
        if (!served && fetched_count(fetched, number) == 0)
            fail_msg("message %zu is lost, stopped at %zu", number, fetched->stop_at);
    }
    poplin_memory_list_free(list);
}

/* What is on record of a message; of the step NONE where nothing is. */
static inline poplin_seen_record fetched_record_of(struct fetched *fetched, size_t number) {
    const char *uid = fetched->kitted.ids[number - 1];
    const struct fetched_record *record = fetched_find(fetched, (poplin_slice){uid, strlen(uid)}, 0);
    return record != NULL ? record->record : (poplin_seen_record){.step = POPLIN_STEP_NONE};
}

static inline enum poplin_step fetched_step(struct fetched *fetched, size_t number) {
    return fetched_record_of(fetched, number).step;
}

/* The server tells these unique-ids from now on, "1 a\r\n2 b\r\n". */
static inline void fetched_tell_ids(struct fetched *fetched, const char *lines) {
    char fault[400];
    poplin_testkit_reset(fetched->kitted.kit);
    (void)snprintf(fault, sizeof fault, "UIDL raw=\"+OK\\r\\n%s.\\r\\n\"", lines);
    kitted_fault(&fetched->kitted, fault);
}

/* Alice has these messages and no other. */
static inline void fetched_has(struct fetched *fetched, const char *const *texts, size_t count) {
    poplin_memory *memory = fetched->served->memory;
    assert_int_equal(poplin_memory_remove_user(memory, SLICE("alice")), POPLIN_OK);
    assert_int_equal(poplin_memory_add_user(memory, SLICE("alice"), SLICE("secret")), POPLIN_OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(poplin_memory_deliver(memory, SLICE("alice"), texts[i], strlen(texts[i]), NULL), POPLIN_OK);
}

static inline size_t fetched_count_of(const struct fetched *fetched, const char *text) {
    size_t count = 0;
    for (size_t i = 0; i < fetched->mail_count; i++)
        count += fetched->mail[i].size == strlen(text) && memcmp(fetched->mail[i].text, text, strlen(text)) == 0;
    return count;
}

#define FETCHED_TEST(function) cmocka_unit_test_setup_teardown(function, fetched_set_up, fetched_tear_down)

#endif
