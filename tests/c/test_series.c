/*
 * test_series.c - message after message over one link: the order, what comes out, how it ends.
 */
#include "linked.h"

/* ---- the series alone ---- */

/* holds: POP-PIPE-2 C */
static void messages_come_in_order_and_refusals_in_their_midst(void **state) {
    struct linked *linked = *state;
    poplin_message message;

    linked_open(linked);
    poplin_series *series = retrieve(linked, 5);
    hear_retr(linked, 1, 5); /* all at once */
    say_message(linked, 1);
    peer_say(&linked->peer, "-ERR [SYS/TEMP] it is being written\r\n");
    say_message(linked, 3);
    peer_say(&linked->peer, "+OK\r\n.\r\n-ERR gone\r\n");
    expect_message(linked, series, 1);
    assert_int_equal(linked_next(linked, series, &message), POPLIN_OK);
    assert_int_equal(message.number, 2);
    assert_int_equal(message.status, POPLIN_ERR_TEMPORARY);
    assert_int_equal(message.code, POPLIN_CODE_SYS_TEMP);
    assert_int_equal(message.text.size, 19);
    assert_memory_equal(message.text.data, "it is being written", 19);
    assert_int_equal(message.body.size, 0);
    expect_message(linked, series, 3);
    assert_int_equal(linked_next(linked, series, &message), POPLIN_OK);
    assert_int_equal(message.status, POPLIN_OK);
    assert_int_equal(message.body.size, 0);
    assert_int_equal(message.body.count, 0);
    assert_int_equal(linked_next(linked, series, &message), POPLIN_OK);
    assert_int_equal(message.number, 5);
    assert_int_equal(message.status, POPLIN_ERR_REFUSED);
    assert_int_equal(message.code, POPLIN_CODE_NONE);
    expect_end(linked, series);
    assert_null(poplin_link_error(linked->link));
    assert_null(poplin_link_refusal(linked->link)); /* they were told: nothing is left to tell */
}

static void contents_come_out_equal(struct linked *linked, size_t largest) {
    enum { MESSAGES = 12 };
    poplin_wanted wanted[MESSAGES];
    char *contents[MESSAGES];
    size_t sizes[MESSAGES];
    poplin_series *series;
    poplin_message message;
    uint64_t seed = largest;

    for (uint32_t i = 0; i < MESSAGES; i++) {
        sizes[i] = random_below(&seed, largest);
        contents[i] = make_content(&sizes[i], seed);
        wanted[i] = (poplin_wanted){.number = 100 + i, .octets = sizes[i]};
    }
    assert_int_equal(poplin_link_retr_all(linked->link, wanted, MESSAGES, &series), POPLIN_OK);
    hear_retr(linked, 100, 99 + MESSAGES);
    for (size_t i = 0; i < MESSAGES; i++)
        peer_say_content(&linked->peer, "+OK\r\n", contents[i]);
    for (size_t i = 0; i < MESSAGES; i++) {
        assert_int_equal(linked_next(linked, series, &message), POPLIN_OK);
        assert_int_equal(message.number, 100 + i);
        assert_body(&message.body, contents[i], sizes[i]);
        free(contents[i]);
    }
    expect_end(linked, series);
    poplin_series_free(series);
}

/* holds: POP-ML-5 C, POP-ML-3 C */
static void messages_come_out_equal_however_they_lie_in_buffers(void **state) {
    struct linked *linked = *state;
    static const size_t buffers[] = {8, 11, 100, 1000, 5000, 200000};

    for (size_t i = 0; i < COUNT_OF(buffers); i++) {
        linked->loop->large.size = buffers[i];
        linked_open(linked);
        contents_come_out_equal(linked, 3000);
        assert_int_equal(linked_tear_down(state), 0);
        assert_int_equal(linked_set_up(state), 0);
        linked = *state;
    }
}

/* holds: POP-ML-5 C */
static void and_so_they_do_under_tls(void **state) {
    struct linked *linked = *state;

    linked->loop->large.size = 700;
    linked_use_tls(linked);
    linked_open(linked);
    contents_come_out_equal(linked, 3000);
    contents_come_out_equal(linked, 20);
}

static void a_series_of_nothing_ends_at_once(void **state) {
    struct linked *linked = *state;

    linked_open(linked);
    poplin_series *series = retrieve(linked, 0);
    expect_end(linked, series);
    poplin_series_free(series);
    peer_hear_nothing(&linked->peer);
    poplin_series_free(NULL);
}

static void there_is_one_series_at_a_time(void **state) {
    struct linked *linked = *state;
    const poplin_wanted wanted = {.number = 1}, nought = {.number = 0};
    poplin_series *series, *second;

    linked_open(linked);
    assert_int_equal(poplin_link_retr_all(linked->link, &nought, 1, &series), POPLIN_ERR_PROTOCOL);
    assert_null(series);
    assert_int_equal(poplin_link_retr_all(linked->link, &wanted, 1, &series), POPLIN_OK);
    assert_int_equal(poplin_link_retr_all(linked->link, &wanted, 1, &second), POPLIN_ERR_STATE);
    assert_null(second);
    hear_retr(linked, 1, 1);
    say_message(linked, 1);
    expect_message(linked, series, 1);
    expect_end(linked, series);
    poplin_series_free(series);
    assert_null(linked->link->calls.askers);
    assert_int_equal(poplin_link_retr_all(linked->link, &wanted, 1, &second), POPLIN_OK);
    hear_retr(linked, 1, 1);
    say_message(linked, 1);
    expect_message(linked, second, 1);
}

/* ---- the end ---- */

static void a_series_freed_early_is_drained_by_the_next_command(void **state) {
    struct linked *linked = *state;

    linked->config.client.window_commands = 4;
    linked_open(linked);
    poplin_series *series = retrieve(linked, 30);
    hear_retr(linked, 1, 4);
    say_message(linked, 1);
    say_message(linked, 2);
    peer_say(&linked->peer, "+OK\r\nhalf a mess");
    expect_message(linked, series, 1);
    expect_message(linked, series, 2);
    poplin_message message;
    assert_int_equal(poplin_series_next(series, &message), POPLIN_NEED_INPUT); /* in the middle of the third */
    hear_retr(linked, 5, 6);
    poplin_series_free(series);
    poplin_call *stat = linked_call(linked, POPLIN_STAT, 0, false);
    poplin_link_on_ready(linked->link, linked_go_on_call, stat);
    peer_say(&linked->peer, "age\r\n.\r\n-ERR no\r\n");
    peer_hear(&linked->peer, "STAT\r\n"); /* and no further RETR */
    poplin_link_on_ready(linked->link, NULL, NULL);
    say_message(linked, 5);
    say_message(linked, 6);
    peer_say(&linked->peer, "+OK 30 3000\r\n");
    assert_int_equal(linked_reply(linked, stat)->count, 30);
    poplin_call_free(stat);
    assert_null(linked->link->calls.askers); /* it is gone with its last reply */
    series = retrieve(linked, 2);
    hear_retr(linked, 1, 2);
    say_message(linked, 1);
    say_message(linked, 2);
    expect_message(linked, series, 1);
    expect_message(linked, series, 2);
    expect_end(linked, series);
}

static void a_new_series_follows_one_that_is_still_in_flight(void **state) {
    struct linked *linked = *state;

    linked->config.client.window_commands = 2;
    linked_open(linked);
    for (int round = 0; round < 3; round++) {
        poplin_series *series = retrieve(linked, 5);
        if (round == 0)
            hear_retr(linked, 1, 2);
        poplin_series_free(series); /* in the later rounds nothing of it was sent */
    }
    const poplin_wanted wanted[] = {{7, 0}, {8, 0}};
    poplin_series *series;
    assert_int_equal(poplin_link_retr_all(linked->link, wanted, 2, &series), POPLIN_OK);
    say_message(linked, 1);
    peer_say(&linked->peer, "+OK\r\nmessage 2\r\n.\r\n");
    poplin_message message;
    assert_int_equal(poplin_series_next(series, &message), POPLIN_NEED_INPUT);
    linked_step(linked);
    assert_int_equal(poplin_series_next(series, &message), POPLIN_NEED_INPUT);
    hear_retr(linked, 7, 8);
    say_message(linked, 7);
    say_message(linked, 8);
    expect_message(linked, series, 7);
    expect_message(linked, series, 8);
    expect_end(linked, series);
}

static void a_series_with_kept_messages_may_be_freed(void **state) {
    struct linked *linked = *state;

    linked_open(linked);
    poplin_series *series = retrieve(linked, 4);
    hear_retr(linked, 1, 4);
    for (uint32_t i = 1; i <= 4; i++)
        say_message(linked, i);
    expect_message(linked, series, 1);
    linked_exchange(linked, POPLIN_NOOP, "NOOP\r\n", "+OK\r\n");
    expect_message(linked, series, 2);
    poplin_series_free(series);
    assert_null(linked->link->calls.askers);
}

/* holds: T-API-2 C */
static void a_link_is_freed_with_its_series(void **state) {
    struct linked *linked = *state;
    poplin_message message;

    linked_open(linked);
    poplin_series_free(retrieve(linked, 2)); /* and with one that waits for its replies */
    poplin_series *series = retrieve(linked, 4);
    poplin_call *noop = linked_call(linked, POPLIN_NOOP, 0, false);
    peer_hear(&linked->peer, "NOOP\r\n");
    peer_say(&linked->peer, "+OK\r\n");
    assert_int_equal(linked_done(linked, noop), POPLIN_OK);
    assert_int_equal(poplin_series_next(series, &message), POPLIN_NEED_INPUT);
    hear_retr(linked, 1, 4);
    say_message(linked, 1);
    peer_say(&linked->peer, "+OK\r\nhalf");
    expect_message(linked, series, 1);
    assert_int_equal(poplin_link_dele(linked->link, 1), POPLIN_OK);
    noop = linked_call(linked, POPLIN_NOOP, 0, false);
    assert_int_equal(poplin_call_done(noop), POPLIN_NEED_INPUT);
    poplin_link_free(linked->link);
    linked->link = NULL;
    peer_hear(&linked->peer, "DELE 1\r\nNOOP\r\n");
    peer_hear_end(&linked->peer);
}

/* holds: POP-ML-10 C, T-FRM-4 C */
static void a_failure_ends_the_series_behind_what_came_whole(void **state) {
    struct linked *linked = *state;
    poplin_message message;
    poplin_series *second;
    const poplin_wanted wanted = {.number = 1};

    linked_open(linked);
    poplin_series *series = retrieve(linked, 3);
    hear_retr(linked, 1, 3);
    say_message(linked, 1);
    peer_say(&linked->peer, "+OK\r\nmessa");
    peer_close(&linked->peer);
    expect_message(linked, series, 1);
    assert_int_equal(linked_next(linked, series, &message), POPLIN_ERR_CLOSED);
    assert_int_equal(linked_next(linked, series, &message), POPLIN_ERR_CLOSED);
    linked_expect_failed(linked, POPLIN_ERR_CLOSED, "before its reply was complete");
    poplin_series_free(series);
    assert_null(linked->link->calls.askers);
    assert_int_equal(poplin_link_retr_all(linked->link, &wanted, 1, &second), POPLIN_ERR_CLOSED);
    assert_null(second);
}

static void a_cancelled_series_stays_cancelled(void **state) {
    struct linked *linked = *state;
    poplin_message message;

    linked_open(linked);
    poplin_series *series = retrieve(linked, 3);
    hear_retr(linked, 1, 3);
    assert_int_equal(poplin_series_next(series, &message), POPLIN_NEED_INPUT);
    poplin_link_cancel(linked->link);
    assert_int_equal(linked_next(linked, series, &message), POPLIN_ERR_CANCELLED);
    peer_hear_end(&linked->peer); /* no QUIT */
    assert_int_equal(linked_next(linked, series, &message), POPLIN_ERR_CANCELLED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        LINKED_TEST(messages_come_in_order_and_refusals_in_their_midst),
        LINKED_TEST(messages_come_out_equal_however_they_lie_in_buffers),
        LINKED_TEST(and_so_they_do_under_tls),
        LINKED_TEST(a_series_of_nothing_ends_at_once),
        LINKED_TEST(there_is_one_series_at_a_time),
        LINKED_TEST(a_series_freed_early_is_drained_by_the_next_command),
        LINKED_TEST(a_new_series_follows_one_that_is_still_in_flight),
        LINKED_TEST(a_series_with_kept_messages_may_be_freed),
        LINKED_TEST(a_link_is_freed_with_its_series),
        LINKED_TEST(a_failure_ends_the_series_behind_what_came_whole),
        LINKED_TEST(a_cancelled_series_stays_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
