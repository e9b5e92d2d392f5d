/* Servers that would have a fetch run without end, lose its way, or take one message for another. */
#include "fetched.h"

#include "fetch/fetch.h"

static const char A[] = "message A\r\n", B[] = "message B\r\n", C[] = "message C\r\n", LONG[] = "a longer message\r\n";

static const char *const ALL[] = {A, B, C};

/* Milliseconds that pass each time that the engine looks. */
static uint64_t passing, passed;

uint64_t __wrap_poplin_fetch_clock(void);
uint64_t __wrap_poplin_fetch_clock(void) {
    return passed += passing;
}

static void start(struct fetched *fetched, const char *const *texts, size_t count) {
    passing = 0;
    kitted_start(&fetched->kitted, 0, 0);
    fetched_has(fetched, texts, count);
}

static void expect_each_once(const struct fetched *fetched, const char *const *texts, size_t count) {
    for (size_t i = 0; i < count; i++)
        assert_int_equal(fetched_count_of(fetched, texts[i]), 1);
}

/* ---- one unique-id for several messages ---- */

/* holds: T-UID-4 C */
static void test_repeated_id_over_several_sessions(void **state) {
    struct fetched *fetched = *state;
    start(fetched, ALL, 3);
    fetched_tell_ids(fetched, "1 same\\r\\n2 same\\r\\n3 same\\r\\n");
    fetched->config.commit_every = 2;
    fetched_complete(fetched);
    assert_int_equal(fetched->connects, 2);
    assert_int_equal(fetched->begun, 3);
    expect_each_once(fetched, ALL, 3);
    fetched_complete(fetched);
    assert_int_equal(fetched->begun, 0);
}

static void test_repeated_id_and_a_limit(void **state) {
    struct fetched *fetched = *state;
    start(fetched, ALL, 3);
    fetched_tell_ids(fetched, "1 same\\r\\n2 same\\r\\n3 other\\r\\n");
    fetched->config.limit = 1;
    for (size_t i = 0; i < 3; i++)
        fetched_complete(fetched);
    expect_each_once(fetched, ALL, 3);
}

/* holds: T-UID-4 C */
static void test_repeated_id_of_which_one_has_gone(void **state) {
    struct fetched *fetched = *state;
    start(fetched, ALL, 3);
    fetched_tell_ids(fetched, "1 same\\r\\n2 same\\r\\n3 same\\r\\n");
    fetched_complete(fetched);
    fetched_has(fetched, ALL, 2);
    fetched_tell_ids(fetched, "1 same\\r\\n2 same\\r\\n");
    fetched_complete(fetched); /* which of them has gone cannot be known */
    fetched_complete(fetched);
    assert_int_equal(fetched->begun, 0);
    fetched_has(fetched, ALL, 1);
    fetched_tell_ids(fetched, "1 same\\r\\n");
    fetched_complete(fetched);
    fetched_complete(fetched);
    assert_int_equal(fetched->begun, 0);
    expect_each_once(fetched, ALL, 3);
}

/* A record that was to be written over, since nothing says whose it is, does not come back where the fetch ends before. */
/* holds: T-UID-4 C */
static void test_repeated_id_and_a_line_that_drops(void **state) {
    static const char *const others[] = {C, B, LONG};
    struct fetched *fetched = *state;
    start(fetched, ALL, 1);
    fetched_tell_ids(fetched, "1 same\\r\\n");
    fetched_complete(fetched);
    fetched_has(fetched, others, 3);
    fetched_tell_ids(fetched, "1 other\\r\\n2 same\\r\\n3 same\\r\\n");
    kitted_fault(&fetched->kitted, "RETR message=1 drop_before");
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_CLOSED);
    assert_int_equal(fetched->mail_count, 1);
    fetched_has(fetched, others + 1, 1);
    fetched_tell_ids(fetched, "1 same\\r\\n");
    fetched_complete(fetched);
    assert_int_equal(fetched_count_of(fetched, B), 1);
}

/* ... also where it waits for another round, behind what was begun in vain before. */
/* holds: T-UID-4 C */
static void test_repeated_id_whose_round_does_not_come(void **state) {
    static const char *const others[] = {C, B, LONG, LONG};
    struct fetched *fetched = *state;
    start(fetched, ALL, 1);
    fetched_tell_ids(fetched, "1 tried\r\n");
    kitted_fault(&fetched->kitted, "RETR message=1 drop_before");
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_CLOSED);
    fetched->config.now++;
    fetched_tell_ids(fetched, "1 same\r\n");
    fetched_complete(fetched);
    fetched_has(fetched, others, 4);
    fetched_tell_ids(fetched, "1 other\r\n2 same\r\n3 same\r\n4 tried\r\n");
    kitted_fault(&fetched->kitted, "RETR message=1 drop_before");
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_CLOSED);
    assert_int_equal(fetched->mail_count, 1);
    fetched_has(fetched, others + 1, 1);
    fetched_tell_ids(fetched, "1 same\r\n");
    fetched_complete(fetched);
    assert_int_equal(fetched_count_of(fetched, B), 1);
}

static enum poplin_choice reject_second(const poplin_fetch_message *message, poplin_slice header) {
    (void)header;
    return message->number == 2 ? POPLIN_CHOICE_REJECT : POPLIN_CHOICE_SKIP;
}

/* ... nor does one that is another's by its size stay, where a fetch leaves the message for the next one. */
/* holds: T-UID-4 C */
static void test_repeated_id_of_which_one_is_left(void **state) {
    static const char *const others[] = {LONG, B};
    struct fetched *fetched = *state;
    start(fetched, ALL, 1);
    fetched_tell_ids(fetched, "1 same\\r\\n");
    fetched_complete(fetched);
    fetched_has(fetched, others, 2);
    fetched_tell_ids(fetched, "1 same\\r\\n2 same\\r\\n");
    fetched->config.filter = true;
    fetched->filter = reject_second;
    fetched_complete(fetched);
    assert_int_equal(served_count(fetched->served), 1);
    fetched_tell_ids(fetched, "1 same\\r\\n");
    fetched->config.filter = false;
    fetched_complete(fetched);
    assert_int_equal(fetched_count_of(fetched, LONG), 1);
}

static void test_header_of_a_large_message_is_delivered_once(void **state) {
    struct fetched *fetched = *state;
    start(fetched, ALL, 2);
    fetched_tell_ids(fetched, "1 same\\r\\n2 same\\r\\n");
    fetched->config.max_octets = 5;
    fetched->config.large_headers = true;
    fetched_complete(fetched);
    assert_int_equal(fetched->begun, 2);
    fetched_complete(fetched);
    assert_int_equal(fetched->begun, 0);
}

static void test_header_of_a_large_message_that_was_away(void **state) {
    struct fetched *fetched = *state;
    start(fetched, ALL, 1);
    fetched_tell_ids(fetched, "1 a\\r\\n");
    fetched->config.max_octets = 5;
    fetched->config.large_headers = true;
    fetched_complete(fetched);
    fetched_has(fetched, ALL, 0);
    poplin_testkit_reset(fetched->kitted.kit);
    fetched_complete(fetched);
    assert_int_equal(fetched->records[0].record.gone, fetched->config.now);
    fetched_has(fetched, ALL, 1);
    fetched_tell_ids(fetched, "1 a\\r\\n");
    fetched_complete(fetched);
    assert_int_equal(fetched->records[0].record.gone, 0);
    assert_int_equal(fetched->begun, 0);
}

/* ---- a unique-id that is used again ---- */

/* In the second in which another message with it was delivered, and stopped at each event: what stands in the Maildir is not it. */
/* holds: T-UID-5 C, T-DLV-1 C */
static void test_id_used_again_within_a_second(void **state) {
    struct fetched *fetched = *state;
    int status = POPLIN_OK;
    start(fetched, ALL, 0);
    fetched->config.keep = 0;
    for (size_t at = 1; status != POPLIN_END; at++) {
        fetched_has(fetched, ALL, 1);
        fetched_tell_ids(fetched, "1 same\\r\\n");
        fetched_complete(fetched);
        fetched_has(fetched, ALL + 1, 1);
        fetched->stop_at = at;
        status = fetched_run(fetched);
        if (served_count(fetched->served) == 0)
            poplin_testkit_reset(fetched->kitted.kit);
        fetched_complete(fetched);
        expect_each_once(fetched, ALL, 2);
        for (fetched->record_count = 0; fetched->mail_count > 0;) {
            free(fetched->mail[--fetched->mail_count].text);
            fetched->mail[fetched->mail_count].text = NULL;
        }
    }
}

/* What was marked as deleted, and is listed with another size, is another message, however long messages are kept now. */
/* holds: T-UID-5 C */
static void test_id_used_again_after_an_unanswered_quit(void **state) {
    static const char *const other[] = {LONG};
    struct fetched *fetched = *state;
    start(fetched, ALL, 1);
    fetched_tell_ids(fetched, "1 same\\r\\n");
    kitted_fault(&fetched->kitted, "QUIT drop_after=0 times=1");
    fetched->config.keep = 0;
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_CLOSED);
    fetched_has(fetched, other, 1);
    fetched->config.keep = POPLIN_KEEP_FOREVER;
    fetched_complete(fetched);
    assert_int_equal(fetched_count_of(fetched, LONG), 1);
    assert_int_equal(served_count(fetched->served), 1);
}

/* A fetch that sees that it is another message, and does not come to it, has the next one know that, too. */
/* holds: T-UID-5 C */
static void test_id_used_again_and_a_limit(void **state) {
    static const char *const other[] = {LONG, B};
    struct fetched *fetched = *state;
    start(fetched, ALL, 1);
    fetched_tell_ids(fetched, "1 same\\r\\n");
    fetched_complete(fetched);
    fetched_has(fetched, ALL, 0);
    poplin_testkit_reset(fetched->kitted.kit);
    fetched_complete(fetched);
    fetched_has(fetched, other, 2);
    fetched_tell_ids(fetched, "1 same\\r\\n2 new\\r\\n");
    fetched->config.limit = 1;
    fetched->config.newest_first = true;
    fetched_complete(fetched);
    assert_int_equal(fetched_count_of(fetched, LONG), 0);
    fetched_complete(fetched);
    expect_each_once(fetched, other, 2);
}

/* holds: T-UID-5 C */
static void test_ids_that_change_in_each_session(void **state) {
    static const char *const ids[] = {"a", "b", "c", "d", "e", "f"};
    struct fetched *fetched = *state;
    start(fetched, ALL, 3);
    fetched->config.commit_every = 1;
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        char fault[200];
        (void)snprintf(fault, sizeof fault, "UIDL nth=%zu raw=\"+OK\\r\\n1 %s1\\r\\n2 %s2\\r\\n3 %s3\\r\\n.\\r\\n\"",
                       i + 1, ids[i], ids[i], ids[i]);
        kitted_fault(&fetched->kitted, fault);
    }
    fetched_complete(fetched);
    assert_int_equal(fetched->connects, 3);
}

/* ---- no unique-ids ---- */

static void without_identities(struct fetched *fetched) {
    kitted_fault(&fetched->kitted, "UIDL refuse=no");
    kitted_fault(&fetched->kitted, "TOP refuse=no");
    fetched->config.keep = 0;
}

/* Message 1 is another one then, of the same size, in the same second: that the first was to be deleted says nothing of it. */
/* holds: T-UID-5 C, T-DLV-2 C */
static void test_numbers_say_nothing_to_the_next_session(void **state) {
    struct fetched *fetched = *state;
    start(fetched, ALL, 2);
    without_identities(fetched);
    kitted_fault(&fetched->kitted, "QUIT drop_after=0 times=1");
    fetched->config.limit = 1;
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_CLOSED);
    assert_int_equal(served_count(fetched->served), 1);
    fetched_complete(fetched);
    assert_int_equal(served_count(fetched->served), 0);
    expect_each_once(fetched, ALL, 2);
}

static void test_numbers_and_commits(void **state) {
    struct fetched *fetched = *state;
    start(fetched, ALL, 3);
    without_identities(fetched);
    kitted_fault(&fetched->kitted, "RETR message=1 refuse=no");
    fetched->config.commit_every = 1;
    fetched_complete(fetched);
    assert_int_equal(served_count(fetched->served), 1);
    expect_each_once(fetched, ALL + 1, 2);
}

/* holds: POP-UIDL-6 C */
static void test_ids_that_are_refused_once(void **state) {
    struct fetched *fetched = *state;
    start(fetched, ALL, 2);
    fetched_complete(fetched);
    kitted_fault(&fetched->kitted, "UIDL refuse=no times=1");
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_TEMPORARY);
    expect_contains(fetched->error.reason, "try again later");
    fetched_complete(fetched);
    assert_int_equal(fetched->begun, 0);
    fetched_has(fetched, ALL, 0);
    kitted_fault(&fetched->kitted, "UIDL refuse=no times=1"); /* as some do where there are no messages */
    fetched_complete(fetched);
}

/* ---- failures, delays, lies ---- */

static void test_what_fails_does_not_block_what_may_be_taken(void **state) {
    struct fetched *fetched = *state;
    start(fetched, ALL, 3);
    kitted_fault(&fetched->kitted, "RETR message=1 refuse=no");
    kitted_fault(&fetched->kitted, "RETR message=2 refuse=no times=1");
    fetched->config.limit = 1;
    for (size_t i = 0; i < 5; i++, fetched->config.now++)
        fetched_complete(fetched);
    expect_each_once(fetched, ALL + 1, 2);
}

static void test_login_delay(void **state) {
    struct fetched *fetched = *state;
    start(fetched, ALL, 3);
    kitted_fault(&fetched->kitted, "CAPA add=\"LOGIN-DELAY 60\"");
    fetched->config.commit_every = 2;
    fetched_complete(fetched);
    assert_int_equal(fetched->connects, 2);
    assert_in_range(fetched->delay_ms, 1, 60000);
}

static void test_login_delay_of_a_day(void **state) {
    struct fetched *fetched = *state;
    start(fetched, ALL, 3);
    kitted_fault(&fetched->kitted, "CAPA add=\"LOGIN-DELAY 86400\"");
    fetched->config.commit_every = 2;
    fetched_complete(fetched);
    assert_int_equal(fetched->connects, 1);
    expect_each_once(fetched, ALL, 3);
}

static enum poplin_choice take_last(const poplin_fetch_message *message, poplin_slice header) {
    (void)header;
    return message->number == 3 ? POPLIN_CHOICE_TAKE : POPLIN_CHOICE_SKIP;
}

/* That it never exceeds what is to do is seen in each run (fetched.h). */
/* holds: T-NUM-5 C */
static void test_progress_with_sizes_that_are_lies(void **state) {
    struct fetched *fetched = *state;
    start(fetched, ALL, 3);
    kitted_fault(&fetched->kitted,
                 "LIST raw=\"+OK\\r\\n1 9223372036854775807\\r\\n2 9223372036854775807\\r\\n3 900\\r\\n.\\r\\n\"");
    fetched->config.filter = true;
    fetched->config.limit = 2;
    fetched->filter = take_last;
    fetched_complete(fetched);
    assert_int_equal(fetched->progress.messages_to_do, 1);
    assert_int_equal(fetched->progress.octets_to_do, sizeof C - 1);
    kitted_fault(&fetched->kitted, "RETR message=2 refuse=no");
    fetched->config.filter = false;
    fetched_complete(fetched);
    assert_int_equal(fetched->progress.messages_to_do, 2);
    assert_int_equal(fetched->progress.octets_to_do, sizeof A - 1);
}

/* Also while the line is never idle. */
static void test_settles_each_second(void **state) {
    struct fetched *fetched = *state;
    start(fetched, ALL, 3);
    passing = 1000;
    fetched_complete(fetched);
    assert_int_equal(fetched->settled, 3);
    expect_each_once(fetched, ALL, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FETCHED_TEST(test_repeated_id_over_several_sessions),
        FETCHED_TEST(test_repeated_id_and_a_limit),
        FETCHED_TEST(test_repeated_id_of_which_one_has_gone),
        FETCHED_TEST(test_repeated_id_and_a_line_that_drops),
        FETCHED_TEST(test_repeated_id_whose_round_does_not_come),
        FETCHED_TEST(test_repeated_id_of_which_one_is_left),
        FETCHED_TEST(test_header_of_a_large_message_is_delivered_once),
        FETCHED_TEST(test_header_of_a_large_message_that_was_away),
        FETCHED_TEST(test_id_used_again_within_a_second),
        FETCHED_TEST(test_id_used_again_after_an_unanswered_quit),
        FETCHED_TEST(test_id_used_again_and_a_limit),
        FETCHED_TEST(test_ids_that_change_in_each_session),
        FETCHED_TEST(test_numbers_say_nothing_to_the_next_session),
        FETCHED_TEST(test_numbers_and_commits),
        FETCHED_TEST(test_ids_that_are_refused_once),
        FETCHED_TEST(test_what_fails_does_not_block_what_may_be_taken),
        FETCHED_TEST(test_login_delay),
        FETCHED_TEST(test_login_delay_of_a_day),
        FETCHED_TEST(test_progress_with_sizes_that_are_lies),
        FETCHED_TEST(test_settles_each_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
