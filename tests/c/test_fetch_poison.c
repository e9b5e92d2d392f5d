/* A message at which the session ends each time, as a server may have one that it cannot read: it holds up no other. */
#include "fetched.h"

enum { MESSAGES = 10, POISON = 4 };

static void start(struct fetched *fetched, const char *fault) {
    kitted_start(&fetched->kitted, MESSAGES, 3);
    kitted_fault(&fetched->kitted, fault);
}

static void expect_steps(struct fetched *fetched, size_t first, size_t last, enum poplin_step step) {
    for (size_t number = first; number <= last; number++)
        assert_int_equal(fetched_step(fetched, number), step);
}

/* All are there, but the one. */
static void expect_others_once(const struct fetched *fetched) {
    for (size_t number = 1; number <= MESSAGES; number++)
        assert_int_equal(fetched_count(fetched, number), number != POISON);
    assert_int_equal(fetched->mail_count, MESSAGES - 1);
}

/* Once the server can read the message, it comes as any other. */
static void expect_cure(struct fetched *fetched) {
    poplin_testkit_reset(fetched->kitted.kit);
    fetched_complete(fetched);
    fetched_expect_once(fetched, MESSAGES);
}

/* The second fetch brings all the others, the third tries but the one. */
static void expect_others_in_the_second(struct fetched *fetched, int failure) {
    assert_int_equal(fetched_run(fetched), failure);
    assert_int_equal(fetched_step(fetched, POISON), POPLIN_STEP_TAKEN);
    assert_int_equal(fetched_run(fetched), failure);
    expect_others_once(fetched);
    assert_int_equal(fetched_run(fetched), failure);
    assert_true(fetched->begun <= 1);
    expect_others_once(fetched);
    expect_cure(fetched);
}

/* holds: T-DLV-3 C */
static void test_line_drops_in_it(void **state) {
    struct fetched *fetched = *state;
    start(fetched, "RETR message=4 drop_after=30");
    expect_others_in_the_second(fetched, POPLIN_ERR_CLOSED);
}

/* What the server does not even begin to send is known by being the first that is missing. */
static void test_line_drops_in_place_of_its_reply(void **state) {
    struct fetched *fetched = *state;
    start(fetched, "RETR message=4 drop_before");
    expect_others_in_the_second(fetched, POPLIN_ERR_CLOSED);
}

static void test_it_exceeds_a_limit(void **state) {
    struct fetched *fetched = *state;
    start(fetched, "RETR message=4 raw=\"+OK\\r\\nmuch more than was listed, and more than a client of good sense "
                   "takes for one message\\r\\n.\\r\\n\"");
    fetched->link_config.client.max_message = 60;
    expect_others_in_the_second(fetched, POPLIN_ERR_LIMIT);
}

static void test_newest_first(void **state) {
    struct fetched *fetched = *state;
    start(fetched, "RETR message=4 drop_after=30");
    fetched->config.newest_first = true;
    expect_others_in_the_second(fetched, POPLIN_ERR_CLOSED);
}

static void test_commit_every(void **state) {
    struct fetched *fetched = *state;
    start(fetched, "RETR message=4 drop_after=30");
    fetched->config.commit_every = 3;
    expect_others_in_the_second(fetched, POPLIN_ERR_CLOSED);
}

static void test_limit(void **state) {
    struct fetched *fetched = *state;
    size_t runs = 0;
    start(fetched, "RETR message=4 drop_after=30");
    fetched->config.limit = 2;
    for (; fetched->mail_count < MESSAGES - 1; runs++)
        (void)fetched_run(fetched);
    assert_int_equal(runs, 5); /* of two each, of which the second brought one */
    expect_others_once(fetched);
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_CLOSED);
    expect_cure(fetched);
}

/* What was not begun is not on record: it was not taken, and cannot have been delivered. */
static void test_what_was_not_begun_is_forgotten(void **state) {
    struct fetched *fetched = *state;
    start(fetched, "RETR message=4 drop_after=30");
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_CLOSED);
    expect_steps(fetched, 1, 3, POPLIN_STEP_DELIVERED);
    expect_steps(fetched, 5, MESSAGES, POPLIN_STEP_NONE);
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_CLOSED);
    assert_int_equal(fetched->begun, MESSAGES - 3);
    assert_int_equal(fetched->resumed, 1);
}

/* ---- a filter, which sees headers before anything is taken ---- */

static enum poplin_choice take_all(const poplin_fetch_message *message, poplin_slice header) {
    (void)message;
    (void)header;
    return POPLIN_CHOICE_TAKE;
}

/* Only a message with this number is taken. */
static uint32_t taken;

static enum poplin_choice take_one(const poplin_fetch_message *message, poplin_slice header) {
    (void)header;
    return message->number == taken ? POPLIN_CHOICE_TAKE : POPLIN_CHOICE_SKIP;
}

static void start_filter(struct fetched *fetched, const char *fault) {
    start(fetched, fault);
    fetched->config.filter = true;
    fetched->filter = take_all;
}

/* holds: T-DLV-3 C */
static void test_line_drops_in_its_header(void **state) {
    struct fetched *fetched = *state;
    start_filter(fetched, "TOP message=4 drop_before");
    expect_others_in_the_second(fetched, POPLIN_ERR_CLOSED);
}

/* What waits though nothing is wrong with it is not lost among headers that are asked for in vain. */
static void test_line_drops_in_its_header_behind_a_kill(void **state) {
    struct fetched *fetched = *state;
    start_filter(fetched, "TOP message=4 drop_before");
    fetched->config.filter = false;
    fetched->stop_begun = 1;
    assert_int_equal(fetched_run(fetched), POPLIN_INTERRUPTED);
    fetched->stop_begun = 0;
    fetched->config.filter = true;
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_CLOSED);
    assert_int_equal(fetched->mail_count, POISON - 1);
    for (size_t runs = 0; runs < 2; runs++) /* the first of which asks for the header with those of others */
        assert_int_equal(fetched_run(fetched), POPLIN_ERR_CLOSED);
    expect_others_once(fetched);
    expect_cure(fetched);
}

static void test_others_are_deleted_that_the_filter_takes(void **state) {
    struct fetched *fetched = *state;
    start_filter(fetched, "TOP message=1 drop_before");
    fetched->config.keep = 0;
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_CLOSED);
    assert_int_equal(fetched->mail_count, 0);
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_CLOSED);
    assert_int_equal(fetched->connects, 2);
    assert_int_equal(fetched->mail_count, MESSAGES - 1);
    assert_int_equal(served_count(fetched->served), 1);
    expect_cure(fetched);
}

/* What the filter leaves each time is not what it waits for. */
static void test_it_comes_though_the_filter_leaves_others(void **state) {
    struct fetched *fetched = *state;
    start_filter(fetched, "TOP message=4 drop_before times=1");
    fetched->filter = take_one;
    taken = POISON;
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_CLOSED);
    fetched_complete(fetched);
    assert_int_equal(fetched->connects, 1);
    assert_int_equal(fetched_count(fetched, POISON), 1);
}

/* ---- deletions ---- */

/* One at whose deletion the session ends keeps no new message from coming. */
static void test_line_drops_in_its_deletion(void **state) {
    struct fetched *fetched = *state;
    start(fetched, "DELE message=4 drop_before");
    fetched_complete(fetched);
    assert_int_equal(poplin_memory_deliver(fetched->served->memory, SLICE("alice"), "new\r\n", 5, NULL), POPLIN_OK);
    fetched->config.keep = 0;
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_CLOSED);
    assert_int_equal(fetched_count_of(fetched, "new\r\n"), 1);
    assert_int_equal(served_count(fetched->served), MESSAGES + 1);
}

/* A session in which it is tried never comes to QUIT: the others are deleted by one before. */
static void test_others_are_deleted(void **state) {
    struct fetched *fetched = *state;
    start(fetched, "RETR message=4 drop_before");
    fetched->config.keep = 0;
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_CLOSED);
    assert_int_equal(served_count(fetched->served), MESSAGES);
    kitted_fault(&fetched->kitted, "RETR message=1 drop_before"); /* as it is called then */
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_CLOSED);
    assert_int_equal(fetched->connects, 2);
    assert_int_equal(served_count(fetched->served), 1);
    expect_others_once(fetched);
    expect_steps(fetched, 5, MESSAGES, POPLIN_STEP_CONFIRMED);
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_CLOSED);
    assert_int_equal(fetched->connects, 1); /* there was nothing to delete */
    expect_cure(fetched);
    assert_int_equal(served_count(fetched->served), 0);
}

static void test_others_are_deleted_with_a_limit(void **state) {
    struct fetched *fetched = *state;
    start(fetched, "RETR message=4 drop_before times=1");
    fetched->config.keep = 0;
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_CLOSED);
    fetched->config.limit = MESSAGES - 4;
    fetched_complete(fetched);
    assert_int_equal(fetched->connects, 1);
    expect_others_once(fetched);
    assert_int_equal(served_count(fetched->served), 1);
    fetched_complete(fetched);
    fetched_expect_once(fetched, MESSAGES);
}

/* Nobody has asked for a fetch that waits. */
static void test_login_delay(void **state) {
    struct fetched *fetched = *state;
    start(fetched, "RETR message=4 drop_before times=1");
    kitted_fault(&fetched->kitted, "CAPA add=\"LOGIN-DELAY 61\"");
    fetched->config.keep = 0;
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_CLOSED);
    fetched_complete(fetched);
    assert_int_equal(fetched->connects, 1);
    fetched_expect_once(fetched, MESSAGES);
    assert_int_equal(served_count(fetched->served), 0);
}

/* ---- kills, and a store that fails ---- */

/* A message that is more than the host can bear: nobody is left to say which one it was. */
/* holds: T-DLV-1 C */
static void test_it_kills(void **state) {
    struct fetched *fetched = *state;
    size_t runs = 0;
    start(fetched, "NOOP refuse=no");
    fetched->stop_number = POISON;
    for (; fetched->mail_count < MESSAGES - 1; runs++) {
        assert_true(runs < 5);
        assert_int_equal(fetched_run(fetched), POPLIN_INTERRUPTED);
    }
    expect_others_once(fetched);
    fetched->stop_number = 0;
    expect_cure(fetched);
}

/* What may have been delivered keeps its record until its turn comes, and so its name in a Maildir. */
/* holds: T-DLV-1 C */
static void test_killed_and_then_it_fails(void **state) {
    struct fetched *fetched = *state;
    const int64_t first = fetched->config.now;
    start(fetched, "RETR message=4 drop_after=30");
    fetched->stop_begun = 3;
    assert_int_equal(fetched_run(fetched), POPLIN_INTERRUPTED);
    expect_steps(fetched, 1, MESSAGES, POPLIN_STEP_TAKEN);
    fetched->stop_begun = 0;
    fetched->config.now -= 100; /* somebody sets the clock */
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_CLOSED);
    expect_steps(fetched, 1, POISON - 1, POPLIN_STEP_DELIVERED);
    expect_steps(fetched, POISON, MESSAGES, POPLIN_STEP_TAKEN);
    assert_true(fetched_record_of(fetched, POISON).changed > first);
    for (size_t number = POISON + 1; number <= MESSAGES; number++) {
        assert_int_equal(fetched_record_of(fetched, number).first_seen, first);
        assert_int_equal(fetched_record_of(fetched, number).changed, first);
    }
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_CLOSED);
    assert_int_equal(fetched->resumed, MESSAGES - POISON + 1);
    expect_others_once(fetched);
    for (size_t i = 0; i < fetched->mail_count; i++)
        assert_int_equal(fetched->mail[i].first_seen, first);
    expect_cure(fetched);
}

/* New mail is not kept waiting either. */
static void test_new_mail_goes_first(void **state) {
    struct fetched *fetched = *state;
    start(fetched, "RETR message=4 drop_after=30");
    fetched->stop_begun = 1;
    assert_int_equal(fetched_run(fetched), POPLIN_INTERRUPTED);
    fetched->stop_begun = 0;
    assert_int_equal(poplin_memory_deliver(fetched->served->memory, SLICE("alice"), "new\r\n", 5, NULL), POPLIN_OK);
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_CLOSED);
    assert_int_equal(fetched_count_of(fetched, "new\r\n"), 1);
}

/* A store that has failed is not asked again, and what it has is as safe as after a kill. */
static void test_record_that_fails(void **state) {
    struct fetched *fetched = *state;
    start(fetched, "RETR message=4 drop_after=30");
    fetched->config.settle_every = 2;
    fetched->fail_event = POPLIN_FETCH_RECORD;
    fetched->fail_nth = 2;
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_IO);
    assert_int_equal(fetched->recorded, 2);
    expect_steps(fetched, 1, MESSAGES, POPLIN_STEP_TAKEN);
    expect_cure(fetched);
}

/* What may not be safe is taken again, what was not begun is forgotten. */
static void test_settle_that_fails(void **state) {
    struct fetched *fetched = *state;
    start(fetched, "RETR message=9 drop_after=30");
    fetched->config.settle_every = 2;
    fetched->fail_event = POPLIN_FETCH_SETTLE;
    fetched->fail_nth = 2;
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_IO);
    expect_steps(fetched, 1, 2, POPLIN_STEP_DELIVERED);
    expect_steps(fetched, 3, 4, POPLIN_STEP_TAKEN);
    expect_steps(fetched, 6, MESSAGES, POPLIN_STEP_NONE);
    expect_cure(fetched);
}

/* ... also where that is found out only when all has failed already. */
static void test_settle_that_fails_in_the_end(void **state) {
    struct fetched *fetched = *state;
    start(fetched, "RETR message=4 drop_after=30");
    fetched->fail_event = POPLIN_FETCH_SETTLE;
    fetched->fail_nth = 1;
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_CLOSED);
    expect_steps(fetched, 1, POISON, POPLIN_STEP_TAKEN);
    expect_steps(fetched, POISON + 1, MESSAGES, POPLIN_STEP_NONE);
    expect_cure(fetched);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FETCHED_TEST(test_line_drops_in_it),
        FETCHED_TEST(test_line_drops_in_place_of_its_reply),
        FETCHED_TEST(test_it_exceeds_a_limit),
        FETCHED_TEST(test_newest_first),
        FETCHED_TEST(test_commit_every),
        FETCHED_TEST(test_limit),
        FETCHED_TEST(test_what_was_not_begun_is_forgotten),
        FETCHED_TEST(test_line_drops_in_its_header),
        FETCHED_TEST(test_line_drops_in_its_header_behind_a_kill),
        FETCHED_TEST(test_others_are_deleted_that_the_filter_takes),
        FETCHED_TEST(test_it_comes_though_the_filter_leaves_others),
        FETCHED_TEST(test_line_drops_in_its_deletion),
        FETCHED_TEST(test_it_kills),
        FETCHED_TEST(test_others_are_deleted),
        FETCHED_TEST(test_others_are_deleted_with_a_limit),
        FETCHED_TEST(test_login_delay),
        FETCHED_TEST(test_killed_and_then_it_fails),
        FETCHED_TEST(test_new_mail_goes_first),
        FETCHED_TEST(test_record_that_fails),
        FETCHED_TEST(test_settle_that_fails),
        FETCHED_TEST(test_settle_that_fails_in_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
