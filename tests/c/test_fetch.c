/* What a fetch takes, keeps, deletes and records (poplin/fetch.h). */
#include "fetched.h"

static void start(struct fetched *fetched, size_t messages) {
    kitted_start(&fetched->kitted, messages, 3);
}

static void expect_steps(struct fetched *fetched, size_t first, size_t last, enum poplin_step step) {
    for (size_t number = first; number <= last; number++)
        assert_int_equal(fetched_step(fetched, number), step);
}

static void test_keep_forever(void **state) {
    struct fetched *fetched = *state;
    start(fetched, 5);
    fetched_complete(fetched);
    fetched_expect_once(fetched, 5);
    assert_int_equal(served_count(fetched->served), 5);
    expect_steps(fetched, 1, 5, POPLIN_STEP_DELIVERED);
    assert_int_equal(fetched->result_count, 5);
    fetched_complete(fetched);
    fetched_expect_once(fetched, 5);
    assert_int_equal(fetched->result_count, 0);
    assert_int_equal(fetched->pieces, 0);
}

static void test_keep_none(void **state) {
    struct fetched *fetched = *state;
    start(fetched, 5);
    fetched->config.keep = 0;
    fetched_complete(fetched);
    fetched_expect_once(fetched, 5);
    assert_int_equal(served_count(fetched->served), 0);
    expect_steps(fetched, 1, 5, POPLIN_STEP_CONFIRMED);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(fetched->results[i].result, POPLIN_RESULT_DELIVERED);
        assert_true(fetched->results[i].deleted);
    }
}

static void test_keep_days(void **state) {
    struct fetched *fetched = *state;
    start(fetched, 3);
    fetched->config.keep = 14 * 86400;
    fetched_complete(fetched);
    fetched->config.now += 14 * 86400 - 1;
    fetched_complete(fetched);
    assert_int_equal(served_count(fetched->served), 3);
    fetched->config.now += 1;
    fetched_complete(fetched);
    assert_int_equal(served_count(fetched->served), 0);
    fetched_expect_once(fetched, 3);
    assert_int_equal(fetched->results[0].result, POPLIN_RESULT_EXPIRED);
    assert_true(fetched->results[0].deleted);
}

static void test_limit_and_newest_first(void **state) {
    struct fetched *fetched = *state;
    start(fetched, 5);
    fetched->config.limit = 2;
    fetched->config.newest_first = true;
    fetched_complete(fetched);
    assert_int_equal(fetched->mail_count, 2);
    assert_int_equal(fetched_count(fetched, 5) + fetched_count(fetched, 4), 2);
    fetched_complete(fetched);
    fetched_complete(fetched);
    fetched_expect_once(fetched, 5);
}

static void test_commit_every(void **state) {
    struct fetched *fetched = *state;
    start(fetched, 5);
    fetched->config.keep = 0;
    fetched->config.commit_every = 2;
    fetched_complete(fetched);
    assert_int_equal(fetched->connects, 3);
    fetched_expect_once(fetched, 5);
    assert_int_equal(served_count(fetched->served), 0);
    assert_int_equal(fetched->result_count, 5);
    assert_int_equal(fetched->progress.listed, 5);
}

/* What the sessions before have delivered is no news of an earlier fetch. */
static void test_commit_every_and_what_is_known(void **state) {
    struct fetched *fetched = *state;
    start(fetched, 5);
    fetched->config.limit = 1;
    fetched_complete(fetched);
    fetched->config.limit = 0;
    fetched->config.commit_every = 2;
    fetched_complete(fetched);
    assert_int_equal(fetched->connects, 2);
    assert_int_equal(fetched->progress.listed, 5);
    assert_int_equal(fetched->progress.known, 1);
}

static void test_dry_run(void **state) {
    struct fetched *fetched = *state;
    start(fetched, 3);
    fetched->config.keep = 0;
    fetched->config.dry_run = true;
    fetched_complete(fetched);
    assert_int_equal(fetched->mail_count + fetched->record_count, 0);
    assert_int_equal(served_count(fetched->served), 3);
    assert_int_equal(fetched->result_count, 3);
    assert_true(fetched->results[2].deleted);
}

static enum poplin_choice by_text(const poplin_fetch_message *message, poplin_slice header) {
    (void)header;
    return message->number == 2 ? POPLIN_CHOICE_SKIP : message->number == 3 ? POPLIN_CHOICE_REJECT : POPLIN_CHOICE_TAKE;
}

static void test_filter(void **state) {
    struct fetched *fetched = *state;
    start(fetched, 5);
    fetched->config.filter = true;
    fetched->filter = by_text;
    fetched_complete(fetched);
    assert_int_equal(fetched->mail_count, 3);
    assert_int_equal(fetched_count(fetched, 2) + fetched_count(fetched, 3), 0);
    assert_int_equal(served_count(fetched->served), 4);
    assert_int_equal(fetched_step(fetched, 2), POPLIN_STEP_NONE);
    assert_int_equal(fetched_step(fetched, 3), POPLIN_STEP_CONFIRMED);
    assert_int_equal(fetched->results[1].result, POPLIN_RESULT_SKIPPED);
    assert_int_equal(fetched->results[2].result, POPLIN_RESULT_REJECTED);
    assert_true(fetched->results[2].deleted);
}

static enum poplin_choice take_odd(const poplin_fetch_message *message, poplin_slice header) {
    (void)header;
    return message->number % 2 == 1 ? POPLIN_CHOICE_TAKE : POPLIN_CHOICE_SKIP;
}

static void test_filter_with_limits(void **state) {
    struct fetched *fetched = *state;
    start(fetched, 9);
    fetched->config.filter = true;
    fetched->config.commit_every = 2;
    fetched->config.limit = 4;
    fetched->filter = take_odd;
    fetched_complete(fetched);
    assert_int_equal(fetched->mail_count, 4);
    assert_int_equal(fetched->connects, 2);
    fetched_complete(fetched);
    assert_int_equal(fetched->mail_count, 5);
}

static void test_too_large(void **state) {
    struct fetched *fetched = *state;
    start(fetched, 2);
    fetched->config.max_octets = 20;
    fetched->config.keep = 0;
    fetched_complete(fetched);
    assert_int_equal(fetched->mail_count, 0);
    assert_int_equal(fetched->results[0].result, POPLIN_RESULT_TOO_LARGE);
    fetched->config.large_headers = true;
    fetched_complete(fetched);
    assert_int_equal(fetched->mail_count, 2);
    assert_int_equal(fetched->results[0].result, POPLIN_RESULT_HEADERS);
    assert_false(fetched->results[0].deleted);
    fetched_complete(fetched);
    assert_int_equal(fetched->result_count, 0);
    assert_int_equal(fetched->progress.known, 2);
    assert_int_equal(served_count(fetched->served), 2);
    fetched->config.max_octets = 0;
    fetched_complete(fetched);
    assert_int_equal(fetched->mail_count, 4);
    assert_int_equal(served_count(fetched->served), 0);
}

/* holds: T-DLV-3 C */
static void test_failed_delivery_holds_back_its_message_only(void **state) {
    static const enum poplin_fetch_event_kind kinds[] = {POPLIN_FETCH_BEGIN, POPLIN_FETCH_PIECE, POPLIN_FETCH_DELIVER};
    struct fetched *fetched = *state;
    start(fetched, 4);
    fetched->config.keep = 0;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        fetched->fail_event = kinds[i];
        fetched->fail_nth = 1;
        fetched_complete(fetched);
        assert_int_equal(served_count(fetched->served), 1);
        char id[POPLIN_UNIQUE_ID_MAX + 1];
        char text[32];
        const size_t size = (size_t)snprintf(text, sizeof text, "message %zu\r\n", 5 + i);
        assert_int_equal(fetched->results[i > 0].result, POPLIN_RESULT_FAILED); /* behind the one before */
        assert_int_equal(poplin_memory_deliver(fetched->served->memory, SLICE("alice"), text, size, id), POPLIN_OK);
    }
    fetched_complete(fetched);
    fetched_expect_once(fetched, 7);
    assert_int_equal(served_count(fetched->served), 0);
}

/* The same messages once more, under other unique-ids, and nothing of them here. */
static void serve_again(struct fetched *fetched, size_t messages) {
    char id[POPLIN_UNIQUE_ID_MAX + 1], text[32];
    for (size_t number = 1; number <= messages; number++) {
        const size_t size = (size_t)snprintf(text, sizeof text, "message %zu\r\n", number);
        assert_int_equal(poplin_memory_deliver(fetched->served->memory, SLICE("alice"), text, size, id), POPLIN_OK);
    }
    while (fetched->mail_count > 0) {
        struct fetched_mail *mail = &fetched->mail[--fetched->mail_count];
        free(mail->text);
        mail->text = NULL;
    }
}

/* holds: T-DLV-3 C */
static void test_what_misses_its_place_holds_back_no_other(void **state) {
    static const uint32_t every[] = {1, 2, 3, 4, 64};
    struct fetched *fetched = *state;
    start(fetched, 4);
    fetched->config.keep = 0;
    for (size_t i = 0; i < COUNT_OF(every); i++) {
        fetched->config.settle_every = every[i];
        fetched->misses[2] = fetched->misses[4] = true;
        fetched_complete(fetched);
        assert_int_equal(served_count(fetched->served), 2);
        for (size_t number = 1; number <= 4; number++) {
            const bool missed = fetched->misses[number];
            const struct fetched_result *result = &fetched->results[number - 1];
            assert_int_equal(result->result, missed ? POPLIN_RESULT_FAILED : POPLIN_RESULT_DELIVERED);
            assert_int_equal(result->deleted, !missed);
            assert_string_equal(result->reason, missed ? "it did not get there" : "");
        }
        memset(fetched->misses, 0, sizeof fetched->misses);
        fetched_complete(fetched);
        assert_int_equal(served_count(fetched->served), 0);
        fetched_expect_once(fetched, 4);
        serve_again(fetched, 4);
    }
}

/* All of them, and the link has nothing more to bring. */
static void test_all_that_was_delivered_may_miss_its_place(void **state) {
    struct fetched *fetched = *state;
    start(fetched, 3);
    memset(fetched->misses, true, sizeof fetched->misses);
    fetched_complete(fetched);
    assert_int_equal(fetched->mail_count, 0);
    assert_int_equal(fetched->settled, 1);
    memset(fetched->misses, false, sizeof fetched->misses);
    fetched_complete(fetched);
    fetched_expect_once(fetched, 3);
}

static void test_failed_record_ends_the_fetch(void **state) {
    static const enum poplin_fetch_event_kind kinds[] = {POPLIN_FETCH_RECORD, POPLIN_FETCH_SETTLE, POPLIN_FETCH_RECALL};
    struct fetched *fetched = *state;
    start(fetched, 4);
    fetched->config.keep = 0;
    fetched->config.settle_every = 1;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        fetched->fail_event = kinds[i];
        fetched->fail_nth = 1;
        assert_int_equal(fetched_run(fetched), POPLIN_ERR_IO);
        assert_int_equal(served_count(fetched->served), 4);
        fetched_expect_nothing_lost(fetched, 4);
    }
    fetched_complete(fetched);
    fetched_expect_once(fetched, 4);
    assert_int_equal(served_count(fetched->served), 0);
}

/* holds: T-DLV-3 C */
static void test_what_cannot_be_settled_is_not_told_as_delivered(void **state) {
    struct fetched *fetched = *state;
    start(fetched, 4);
    fetched->config.settle_every = 2;
    fetched->fail_event = POPLIN_FETCH_SETTLE;
    fetched->fail_nth = 2;
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_IO);
    assert_int_equal(fetched->result_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(fetched->results[i].result, i < 2 ? POPLIN_RESULT_DELIVERED : POPLIN_RESULT_FAILED);
    fetched->fail_nth = 0;
    fetched_complete(fetched);
    fetched_expect_once(fetched, 4);
}

static void test_refused_deletion_is_told_and_tried_again(void **state) {
    struct fetched *fetched = *state;
    kitted_fault(&fetched->kitted, "DELE message=2 refuse=\"not now\" times=1");
    start(fetched, 3);
    fetched->config.keep = 0;
    fetched_complete(fetched);
    assert_int_equal(fetched->results[1].result, POPLIN_RESULT_DELIVERED);
    assert_false(fetched->results[1].deleted);
    expect_contains(fetched->results[1].reason, "not now");
    assert_int_equal(fetched_step(fetched, 2), POPLIN_STEP_DELIVERED);
    fetched_complete(fetched);
    assert_int_equal(fetched->results[0].result, POPLIN_RESULT_EXPIRED);
    assert_int_equal(served_count(fetched->served), 0);
    fetched_expect_once(fetched, 3);
}

static void test_refused_message_stays(void **state) {
    struct fetched *fetched = *state;
    kitted_fault(&fetched->kitted, "RETR message=2 refuse=\"not now\" times=1");
    start(fetched, 3);
    fetched->config.keep = 0;
    fetched_complete(fetched);
    assert_int_equal(fetched->results[1].result, POPLIN_RESULT_REFUSED);
    assert_int_equal(served_count(fetched->served), 1);
    fetched_complete(fetched);
    fetched_expect_once(fetched, 3);
}

/* holds: POP-UIDL-6 C */
static void test_without_uidl(void **state) {
    struct fetched *fetched = *state;
    kitted_fault(&fetched->kitted, "UIDL refuse=\"not here\"");
    start(fetched, 4);
    fetched_complete(fetched);
    fetched_expect_once(fetched, 4);
    fetched_complete(fetched);
    fetched_expect_once(fetched, 4);
    assert_memory_equal(fetched->records[0].uid, "sha256 ", 7);
}

static void test_without_uidl_and_top(void **state) {
    struct fetched *fetched = *state;
    kitted_fault(&fetched->kitted, "UIDL refuse=\"not here\"");
    kitted_fault(&fetched->kitted, "TOP refuse=\"not here\"");
    start(fetched, 4);
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_UNSUPPORTED);
    expect_contains(fetched->error.reason, "keep none");
    fetched->config.keep = 0;
    fetched_complete(fetched);
    fetched_expect_once(fetched, 4);
    assert_int_equal(served_count(fetched->served), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FETCHED_TEST(test_keep_forever),
        FETCHED_TEST(test_keep_none),
        FETCHED_TEST(test_keep_days),
        FETCHED_TEST(test_limit_and_newest_first),
        FETCHED_TEST(test_commit_every),
        FETCHED_TEST(test_commit_every_and_what_is_known),
        FETCHED_TEST(test_dry_run),
        FETCHED_TEST(test_filter),
        FETCHED_TEST(test_filter_with_limits),
        FETCHED_TEST(test_too_large),
        FETCHED_TEST(test_failed_delivery_holds_back_its_message_only),
        FETCHED_TEST(test_what_misses_its_place_holds_back_no_other),
        FETCHED_TEST(test_all_that_was_delivered_may_miss_its_place),
        FETCHED_TEST(test_failed_record_ends_the_fetch),
        FETCHED_TEST(test_what_cannot_be_settled_is_not_told_as_delivered),
        FETCHED_TEST(test_refused_deletion_is_told_and_tried_again),
        FETCHED_TEST(test_refused_message_stays),
        FETCHED_TEST(test_without_uidl),
        FETCHED_TEST(test_without_uidl_and_top),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
