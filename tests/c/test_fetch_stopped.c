/* A fetch that is stopped at every event and wait there is, by a kill or by a power failure, and then run again. */
#include "fetched.h"

/* New mail, and nothing remembered of any before. */
static void begin_anew(struct fetched *fetched, size_t messages) {
    poplin_memory *memory = fetched->served->memory;
    for (size_t i = 0; i < fetched->mail_count; i++) {
        free(fetched->mail[i].text);
        fetched->mail[i].text = NULL;
    }
    fetched->mail_count = fetched->record_count = 0;
    assert_int_equal(poplin_memory_remove_user(memory, SLICE("alice")), POPLIN_OK);
    assert_int_equal(poplin_memory_add_user(memory, SLICE("alice"), SLICE("secret")), POPLIN_OK);
    for (size_t number = 1; number <= messages; number++) {
        char text[32];
        const size_t size = (size_t)snprintf(text, sizeof text, "message %zu\r\n", number);
        assert_int_equal(poplin_memory_deliver(memory, SLICE("alice"), text, size, fetched->kitted.ids[number - 1]),
                         POPLIN_OK);
    }
}

/* Fetches to the end what was begun. */
static void expect_good_end(struct fetched *fetched, size_t messages) {
    const bool cut = fetched->cut;
    fetched_expect_nothing_lost(fetched, messages);
    fetched_complete(fetched);
    fetched->cut = cut;
    fetched_expect_once(fetched, messages);
    assert_int_equal(served_count(fetched->served), fetched->config.keep == 0 ? 0 : messages);
    for (size_t number = 1; number <= messages && fetched->config.keep == 0; number++)
        assert_int_equal(fetched_step(fetched, number), POPLIN_STEP_CONFIRMED);
}

/* A fetch of so many messages, stopped at one event after the other. */
static void stop_everywhere(struct fetched *fetched, size_t messages) {
    int status = POPLIN_OK;
    for (size_t at = 1; status != POPLIN_END; at++) {
        begin_anew(fetched, messages);
        fetched->stop_at = at;
        status = fetched_run(fetched);
        expect_good_end(fetched, messages);
    }
}

/* holds: T-DLV-1 C, T-DLV-2 C */
static void test_killed(void **state) {
    struct fetched *fetched = *state;
    kitted_start(&fetched->kitted, 0, 0);
    fetched->config.keep = 0;
    fetched->config.settle_every = 2;
    stop_everywhere(fetched, 5);
}

static void test_power_fails(void **state) {
    struct fetched *fetched = *state;
    kitted_start(&fetched->kitted, 0, 0);
    fetched->power = true;
    fetched->config.keep = 0;
    fetched->config.settle_every = 2;
    stop_everywhere(fetched, 5);
}

static void test_power_fails_and_messages_are_kept(void **state) {
    struct fetched *fetched = *state;
    kitted_start(&fetched->kitted, 0, 0);
    fetched->power = true;
    stop_everywhere(fetched, 5);
}

static void test_power_fails_between_commits(void **state) {
    struct fetched *fetched = *state;
    kitted_start(&fetched->kitted, 0, 0);
    fetched->power = true;
    fetched->config.keep = 0;
    fetched->config.commit_every = 2;
    stop_everywhere(fetched, 5);
}

/* holds: T-DLV-2 C */
static void test_line_is_cut_at_every_octet(void **state) {
    struct fetched *fetched = *state;
    int status = POPLIN_OK;
    kitted_start(&fetched->kitted, 0, 0);
    fetched->cut = true;
    fetched->config.keep = 0;
    for (size_t at = 1; status != POPLIN_END; at += test_stride()) {
        begin_anew(fetched, 3);
        fetched->cut_at = at;
        status = fetched_run(fetched);
        expect_good_end(fetched, 3);
    }
}

/* holds: T-DLV-2 C */
static void test_server_commits_and_never_answers_quit(void **state) {
    struct fetched *fetched = *state;
    kitted_start(&fetched->kitted, 0, 0);
    fetched->config.keep = 0;
    begin_anew(fetched, 3);
    kitted_fault(&fetched->kitted, "QUIT drop_before times=1"); /* nothing is committed */
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_CLOSED);
    assert_int_equal(served_count(fetched->served), 3);
    kitted_fault(&fetched->kitted, "QUIT drop_after=0 times=1"); /* all is, and nothing said */
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_CLOSED);
    assert_int_equal(served_count(fetched->served), 0);
    assert_int_equal(fetched_step(fetched, 1), POPLIN_STEP_DELETED);
    expect_good_end(fetched, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FETCHED_TEST(test_killed),
        FETCHED_TEST(test_power_fails),
        FETCHED_TEST(test_power_fails_and_messages_are_kept),
        FETCHED_TEST(test_power_fails_between_commits),
        FETCHED_TEST(test_line_is_cut_at_every_octet),
        FETCHED_TEST(test_server_commits_and_never_answers_quit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
