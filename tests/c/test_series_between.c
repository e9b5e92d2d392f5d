/*
 * test_series_between.c - what other commands do to a series in whose midst they are sent: deletions that nobody waits
 * for, and commands that are waited for.
 */
#include "linked.h"

/* ---- deletions inside ---- */

static void a_deletion_goes_before_the_messages_not_asked_for_yet(void **state) {
    struct linked *linked = *state;

    linked->config.client.window_commands = 4;
    linked_open(linked);
    poplin_series *series = retrieve(linked, 6);
    hear_retr(linked, 1, 4);
    peer_hear_nothing(&linked->peer);
    say_message(linked, 1);
    say_message(linked, 2);
    expect_message(linked, series, 1);
    assert_int_equal(poplin_link_dele(linked->link, 1), POPLIN_OK);
    expect_message(linked, series, 2);
    assert_int_equal(poplin_link_dele(linked->link, 2), POPLIN_OK);
    peer_hear(&linked->peer, "DELE 1\r\nDELE 2\r\n"); /* half of the window has drained */
    say_message(linked, 3);
    say_message(linked, 4);
    peer_say(&linked->peer, "+OK\r\n+OK\r\n");
    expect_message(linked, series, 3);
    expect_message(linked, series, 4);
    poplin_message message;
    assert_int_equal(poplin_series_next(series, &message), POPLIN_NEED_INPUT);
    hear_retr(linked, 5, 6);
    say_message(linked, 5);
    say_message(linked, 6);
    expect_message(linked, series, 5);
    expect_message(linked, series, 6);
    expect_end(linked, series);
}

/* holds: POP-DELE-2 C */
static void a_refused_deletion_is_told_by_the_next_step_once(void **state) {
    struct linked *linked = *state;
    poplin_message message;

    linked->config.client.window_commands = 2;
    linked_open(linked);
    poplin_series *series = retrieve(linked, 4);
    hear_retr(linked, 1, 2);
    say_message(linked, 1);
    expect_message(linked, series, 1);
    assert_int_equal(poplin_link_dele(linked->link, 1), POPLIN_OK);
    peer_hear(&linked->peer, "DELE 1\r\n");
    say_message(linked, 2);
    peer_say(&linked->peer, "-ERR [SYS/PERM] read only\r\n");
    expect_message(linked, series, 2);
    assert_int_equal(poplin_series_next(series, &message), POPLIN_ERR_REFUSED);
    assert_string_equal(poplin_link_refusal(linked->link)->doing, "DELE 1");
    assert_int_equal(poplin_link_refusal(linked->link)->code, POPLIN_CODE_SYS_PERM);
    assert_int_equal(poplin_series_next(series, &message), POPLIN_NEED_INPUT); /* and the series goes on */
    hear_retr(linked, 3, 4);
    say_message(linked, 3);
    say_message(linked, 4);
    expect_message(linked, series, 3);
    expect_message(linked, series, 4);
    expect_end(linked, series);
    poplin_series_free(series);
    linked_exchange(linked, POPLIN_QUIT, "QUIT\r\n", "+OK\r\n");
}

static void a_deletion_refused_behind_the_last_message_is_told_by_quit(void **state) {
    struct linked *linked = *state;

    linked_open(linked);
    poplin_series *series = retrieve(linked, 1);
    hear_retr(linked, 1, 1);
    say_message(linked, 1);
    expect_message(linked, series, 1);
    assert_int_equal(poplin_link_dele(linked->link, 1), POPLIN_OK);
    expect_end(linked, series);
    poplin_series_free(series);
    poplin_call *quit = linked_call(linked, POPLIN_QUIT, 0, false);
    peer_hear(&linked->peer, "DELE 1\r\nQUIT\r\n");
    peer_say(&linked->peer, "-ERR [IN-USE] no\r\n+OK\r\n");
    assert_int_equal(linked_done(linked, quit), POPLIN_ERR_IN_USE);
    assert_int_equal(linked_done(linked, quit), POPLIN_OK);
}

static void a_deletion_refused_while_another_command_was_waited_for_is_told_next(void **state) {
    struct linked *linked = *state;
    poplin_message message;

    linked_open(linked);
    poplin_series *series = retrieve(linked, 2);
    hear_retr(linked, 1, 2);
    say_message(linked, 1);
    expect_message(linked, series, 1);
    assert_int_equal(poplin_link_dele(linked->link, 1), POPLIN_OK);
    peer_hear(&linked->peer, "DELE 1\r\n");
    say_message(linked, 2);
    peer_say(&linked->peer, "-ERR no\r\n");
    linked_exchange(linked, POPLIN_NOOP, "NOOP\r\n", "+OK\r\n");
    assert_int_equal(linked_next(linked, series, &message), POPLIN_ERR_REFUSED);
    expect_message(linked, series, 2);
    expect_end(linked, series);
}

/* ---- other commands inside ---- */

static void another_command_holds_the_series_and_it_goes_on(void **state) {
    struct linked *linked = *state;

    linked->config.client.window_commands = 4;
    linked->loop->large.size = 16; /* what is kept has to be copied out of it */
    linked_open(linked);
    poplin_series *series = retrieve(linked, 7);
    hear_retr(linked, 1, 4);
    say_message(linked, 1);
    say_message(linked, 2);
    expect_message(linked, series, 1);
    poplin_call *stat = linked_call(linked, POPLIN_STAT, 0, false);
    assert_int_equal(poplin_call_done(stat), POPLIN_NEED_INPUT);
    linked_step(linked);
    assert_int_equal(poplin_call_done(stat), POPLIN_NEED_INPUT);
    peer_hear(&linked->peer, "STAT\r\n");
    say_message(linked, 3);
    say_message(linked, 4);
    peer_say(&linked->peer, "+OK 7 700\r\n");
    assert_int_equal(linked_reply(linked, stat)->count, 7);
    linked_step(linked);
    peer_hear_nothing(&linked->peer); /* nothing more is asked for */
    expect_message(linked, series, 2);
    expect_message(linked, series, 3);
    linked_step(linked);
    peer_hear_nothing(&linked->peer); /* as long as something is kept */
    linked_exchange(linked, POPLIN_NOOP, "NOOP\r\n", "+OK\r\n");
    expect_message(linked, series, 4);
    poplin_message message;
    assert_int_equal(poplin_series_next(series, &message), POPLIN_NEED_INPUT);
    hear_retr(linked, 5, 7);
    for (uint32_t i = 5; i <= 7; i++)
        say_message(linked, i);
    for (uint32_t i = 5; i <= 7; i++)
        expect_message(linked, series, i);
    expect_end(linked, series);
}

/* A command after every message: what is kept must not grow from one to the next. */
static void a_command_after_every_message_never_meets_the_limit(void **state) {
    struct linked *linked = *state;
    enum { MESSAGES = 40 };
    uint32_t asked = 0;

    linked->config.client.window_commands = 8;
    linked->config.client.window_octets = 8 * sizeof "message 99\r";
    linked_open(linked);
    poplin_wanted wanted[MESSAGES];
    for (uint32_t i = 0; i < MESSAGES; i++)
        wanted[i] = (poplin_wanted){.number = i + 1, .octets = strlen("message 99\r\n")};
    poplin_series *series;
    assert_int_equal(poplin_link_retr_all(linked->link, wanted, MESSAGES, &series), POPLIN_OK);
    for (uint32_t i = 1; i <= MESSAGES; i++) {
        poplin_message message;
        if (i > asked) {
            assert_int_equal(poplin_series_next(series, &message), POPLIN_NEED_INPUT);
            uint32_t last = i + 7 < MESSAGES ? i + 7 : MESSAGES;
            hear_retr(linked, i, last);
            for (; asked < last; asked++)
                say_message(linked, asked + 1);
        }
        expect_message(linked, series, i);
        linked_exchange(linked, POPLIN_NOOP, "NOOP\r\n", "+OK\r\n");
    }
    expect_end(linked, series);
}

/* The host goes on with the series before it waits: the window is filled again then, but not while it waits. */
static void waiting_for_a_command_of_before_holds_the_series_too(void **state) {
    struct linked *linked = *state;

    linked->config.client.window_commands = 4;
    linked_open(linked);
    poplin_series *series = retrieve(linked, 8);
    hear_retr(linked, 1, 4);
    poplin_call *noop = linked_call(linked, POPLIN_NOOP, 0, false);
    say_message(linked, 1);
    expect_message(linked, series, 1);
    poplin_link_on_ready(linked->link, linked_go_on_call, noop);
    say_message(linked, 2);
    say_message(linked, 3);
    say_message(linked, 4);
    peer_hear(&linked->peer, "NOOP\r\n");
    poplin_link_on_ready(linked->link, NULL, NULL);
    linked_step(linked);
    peer_hear_nothing(&linked->peer);
    peer_say(&linked->peer, "+OK\r\n");
    assert_int_equal(linked_done(linked, noop), POPLIN_OK);
    for (uint32_t i = 2; i <= 4; i++)
        expect_message(linked, series, i);
    poplin_message message;
    assert_int_equal(poplin_series_next(series, &message), POPLIN_NEED_INPUT);
    hear_retr(linked, 5, 8);
}

/* The window is for what is in flight: the message that the host has taken is none of it any more. */
static void the_message_taken_does_not_count_as_kept(void **state) {
    struct linked *linked = *state;
    poplin_wanted wanted[4];
    poplin_series *series;

    linked->config.client.window_octets = 24;
    linked_open(linked);
    for (uint32_t i = 0; i < 4; i++)
        wanted[i] = (poplin_wanted){.number = i + 1, .octets = 11};
    assert_int_equal(poplin_link_retr_all(linked->link, wanted, 4, &series), POPLIN_OK);
    hear_retr(linked, 1, 2);
    say_message(linked, 1);
    expect_message(linked, series, 1);
    say_message(linked, 2);
    linked_step(linked);
    hear_retr(linked, 3, 3); /* the window was filled again while the host looked at the first */
    poplin_call *noop = linked_call(linked, POPLIN_NOOP, 0, false);
    say_message(linked, 3);
    assert_int_equal(poplin_call_done(noop), POPLIN_NEED_INPUT);
    peer_hear(&linked->peer, "NOOP\r\n");
    peer_say(&linked->peer, "+OK\r\n");
    assert_int_equal(linked_done(linked, noop), POPLIN_OK);
    expect_message(linked, series, 2);
    expect_message(linked, series, 3);
}

static void more_than_the_window_is_not_kept(void **state) {
    struct linked *linked = *state;
    poplin_message message;

    linked->config.client.window_octets = 20;
    linked->config.client.window_commands = 3;
    linked_open(linked);
    const poplin_wanted wanted[] = {{1, 5}, {2, 5}, {3, 5}};
    poplin_series *series;
    assert_int_equal(poplin_link_retr_all(linked->link, wanted, 3, &series), POPLIN_OK);
    hear_retr(linked, 1, 3);
    say_message(linked, 1);
    say_message(linked, 2); /* 11 octets, where the listing said 5 */
    say_message(linked, 3);
    expect_message(linked, series, 1);
    poplin_call *stat = linked_call(linked, POPLIN_STAT, 0, false);
    assert_int_equal(linked_done(linked, stat), POPLIN_ERR_LIMIT);
    linked_expect_failed(linked, POPLIN_ERR_LIMIT, "take the messages first");
    expect_message(linked, series, 2); /* it came whole */
    assert_int_equal(linked_next(linked, series, &message), POPLIN_ERR_LIMIT);
    assert_int_equal(linked_next(linked, series, &message), POPLIN_ERR_LIMIT);
}

/* A message by itself may be larger than the window: whoever asks for it gets it. */
static void a_message_larger_than_the_window_comes_alone(void **state) {
    struct linked *linked = *state;
    size_t size = 5000;
    char *content = make_content(&size, 3);
    poplin_message message;
    poplin_series *series;

    linked->config.client.window_octets = 1000;
    linked->loop->large.size = 300;
    linked_open(linked);
    const poplin_wanted wanted[] = {{1, size}, {2, 11}};
    assert_int_equal(poplin_link_retr_all(linked->link, wanted, 2, &series), POPLIN_OK);
    hear_retr(linked, 1, 1);
    peer_hear_nothing(&linked->peer);
    peer_say_content(&linked->peer, "+OK\r\n", content);
    assert_int_equal(linked_next(linked, series, &message), POPLIN_OK);
    assert_body(&message.body, content, size);
    assert_int_equal(poplin_series_next(series, &message), POPLIN_NEED_INPUT);
    hear_retr(linked, 2, 2);
    say_message(linked, 2);
    expect_message(linked, series, 2);
    free(content);
}

static void quit_ends_the_series_behind_what_is_in_flight(void **state) {
    struct linked *linked = *state;
    poplin_message message;

    linked->config.client.window_commands = 2;
    linked_open(linked);
    poplin_series *series = retrieve(linked, 3);
    hear_retr(linked, 1, 2);
    poplin_call *quit = linked_call(linked, POPLIN_QUIT, 0, false);
    poplin_link_on_ready(linked->link, linked_go_on_call, quit);
    say_message(linked, 1);
    say_message(linked, 2);
    peer_hear(&linked->peer, "QUIT\r\n");
    poplin_link_on_ready(linked->link, NULL, NULL);
    peer_say(&linked->peer, "+OK\r\n");
    assert_int_equal(linked_done(linked, quit), POPLIN_OK);
    expect_message(linked, series, 1);
    expect_message(linked, series, 2);
    assert_int_equal(linked_next(linked, series, &message), POPLIN_ERR_STATE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        LINKED_TEST(a_deletion_goes_before_the_messages_not_asked_for_yet),
        LINKED_TEST(a_refused_deletion_is_told_by_the_next_step_once),
        LINKED_TEST(a_deletion_refused_behind_the_last_message_is_told_by_quit),
        LINKED_TEST(a_deletion_refused_while_another_command_was_waited_for_is_told_next),
        LINKED_TEST(another_command_holds_the_series_and_it_goes_on),
        LINKED_TEST(a_command_after_every_message_never_meets_the_limit),
        LINKED_TEST(waiting_for_a_command_of_before_holds_the_series_too),
        LINKED_TEST(the_message_taken_does_not_count_as_kept),
        LINKED_TEST(more_than_the_window_is_not_kept),
        LINKED_TEST(a_message_larger_than_the_window_comes_alone),
        LINKED_TEST(quit_ends_the_series_behind_what_is_in_flight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
