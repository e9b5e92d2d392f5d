/*
 * test_client_window.c - what is sent ahead, and when: PIPELINING, the sliding window, the series of RETRs.
 */
#include "client_support.h"

static poplin_client_config window(size_t commands, uint64_t octets) {
    poplin_client_config config = protected_config();
    config.window_commands = commands;
    config.window_octets = octets;
    return config;
}

static void submit_noops(conversation *talk, size_t count) {
    for (size_t i = 0; i < count; i++)
        assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_NOOP}, i), POPLIN_OK);
}

/* A series of count messages, from number 1, of so many octets each. */
static void retrieve(conversation *talk, size_t count, uint64_t octets) {
    poplin_wanted *wanted = calloc(count, sizeof *wanted);
    for (size_t i = 0; i < count; i++)
        wanted[i] = (poplin_wanted){(uint32_t)i + 1, octets};
    assert_int_equal(poplin_client_retr_all(talk->client, wanted, count, 3), POPLIN_OK);
    free(wanted);
}

/* holds: POP-PIPE-2 C */
static void one_by_one_without_pipelining(void **state) {
    (void)state;
    for (int announced = 0; announced <= 1; announced++) {
        poplin_client_config config = protected_config();
        config.pipelining = announced == 0;
        conversation *talk = logged_in(&config, announced ? "PIPELINING\r\n" : "");
        submit_noops(talk, 3);
        assert_int_equal(poplin_client_outstanding(talk->client), 3);
        for (size_t i = 0; i < 3; i++) {
            assert_sends(talk, "NOOP\r\n");
            assert_sends(talk, "");
            says(talk, "+OK\r\n");
        }
        assert_sends(talk, "");
        assert_events(talk, "REPLY #0 NOOP OK\nREPLY #1 NOOP OK\nREPLY #2 NOOP OK\n");
        hang_up(talk);
    }
}

/* holds: POP-PIPE-2 C, POP-PIPE-3 B */
static void window_of_commands_is_refilled_at_half_in_one_piece(void **state) {
    (void)state;
    poplin_client_config config = window(4, 1 << 20);
    conversation *talk = logged_in(&config, "PIPELINING\r\n");
    submit_noops(talk, 9);
    assert_sends(talk, "NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\n");
    says(talk, "+OK\r\n");
    assert_sends(talk, "");
    says(talk, "+OK\r\n");
    assert_sends(talk, "NOOP\r\nNOOP\r\n");
    says(talk, "+OK\r\n+OK\r\n+OK\r\n");
    assert_sends(talk, "NOOP\r\nNOOP\r\nNOOP\r\n");
    says(talk, "+OK\r\n-ERR\r\n+OK\r\n+OK\r\n");
    assert_int_equal(poplin_client_outstanding(talk->client), 0);
    assert_events(talk, "REPLY #0 NOOP OK\nREPLY #1 NOOP OK\nREPLY #2 NOOP OK\nREPLY #3 NOOP OK\nREPLY #4 NOOP OK\n"
                        "REPLY #5 NOOP OK\nREPLY #6 NOOP REFUSED\nREPLY #7 NOOP OK\nREPLY #8 NOOP OK\n");
    hang_up(talk);
}

/* holds: LIM-9 C */
static void window_of_octets(void **state) {
    (void)state;
    poplin_client_config config = window(100, 1000);
    conversation *talk = logged_in(&config, "PIPELINING\r\n");
    retrieve(talk, 6, 300);
    assert_sends(talk, "RETR 1\r\nRETR 2\r\nRETR 3\r\n");
    says(talk, "+OK\r\na\r\n.\r\n");
    assert_sends(talk, "");
    says(talk, "+OK\r\nb\r\n.\r\n");
    assert_sends(talk, "RETR 4\r\nRETR 5\r\n");
    says(talk, "-ERR gone\r\n+OK\r\n.\r\n");
    assert_sends(talk, "RETR 6\r\n");
    hang_up(talk);
}

static void large_message_goes_alone(void **state) {
    (void)state;
    poplin_client_config config = window(100, 1000);
    conversation *talk = logged_in(&config, "PIPELINING\r\n");
    const poplin_wanted wanted[] = {{1, 5000}, {2, 10}, {3, POPLIN_OCTETS_UNKNOWN}, {4, UINT64_MAX - 1}};
    assert_int_equal(poplin_client_retr_all(talk->client, wanted, COUNT_OF(wanted), 3), POPLIN_OK);
    assert_sends(talk, "RETR 1\r\n");
    says(talk, "+OK\r\nx\r\n.\r\n");
    assert_sends(talk, "RETR 2\r\n");
    says(talk, "+OK\r\nx\r\n.\r\n");
    assert_sends(talk, "RETR 3\r\n");
    says(talk, "+OK\r\nx\r\n.\r\n");
    assert_sends(talk, "RETR 4\r\n");
    hang_up(talk);
}

static void unknown_sizes_count_too(void **state) {
    (void)state;
    poplin_client_config config = window(100, UINT64_C(196608));
    conversation *talk = logged_in(&config, "PIPELINING\r\n");
    retrieve(talk, 2, 0);
    assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_TOP, .number = 8, .lines = 2}, 4), POPLIN_OK);
    assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_TOP, .number = 9}, 4), POPLIN_OK);
    assert_sends(talk, "TOP 8 2\r\nTOP 9 0\r\nRETR 1\r\n");
    hang_up(talk);
}

/* What came beyond the listing stops the refilling until that message is through (T-NUM-5). */
static void content_beyond_what_was_expected_counts(void **state) {
    (void)state;
    char rest[700];
    poplin_client_config config = window(100, 1000);
    memset(rest, 'x', sizeof rest);
    for (size_t size = 100; size <= 700; size += 600) {
        conversation *talk = logged_in(&config, "PIPELINING\r\n");
        retrieve(talk, 12, 100);
        drain(talk);
        poplin_buffer_clear(&talk->sent);
        for (int i = 0; i < 5; i++)
            says(talk, "+OK\r\n.\r\n");
        says(talk, "+OK\r\n");
        server_says(talk, (poplin_slice){rest, size});
        assert_sends(talk, size == 700 ? "" : "RETR 11\r\nRETR 12\r\n");
        says(talk, "\r\n.\r\n");
        assert_sends(talk, size == 700 ? "RETR 11\r\nRETR 12\r\n" : "");
        hang_up(talk);
    }
}

static void submitted_commands_go_before_the_rest_of_the_series(void **state) {
    (void)state;
    poplin_client_config config = window(4, 1 << 20);
    conversation *talk = logged_in(&config, "PIPELINING\r\n");
    retrieve(talk, 8, 10);
    assert_sends(talk, "RETR 1\r\nRETR 2\r\nRETR 3\r\nRETR 4\r\n");
    assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_DELE, .number = 1}, 9), POPLIN_OK);
    assert_sends(talk, "");
    says(talk, "+OK\r\n.\r\n+OK\r\n.\r\n");
    assert_sends(talk, "DELE 1\r\nRETR 5\r\n");
    poplin_buffer_clear(&talk->events);
    says(talk, "+OK\r\n.\r\n+OK\r\n.\r\n+OK deleted\r\n");
    assert_events(talk, "REPLY #3 RETR 3 OK ...\nEND 0\nREPLY #3 RETR 4 OK ...\nEND 0\nREPLY #9 DELE 1 OK: deleted\n");
    hang_up(talk);
}

/* A RETR that the window had no room for is still one of the series: a later command overtakes it, stop counts it. */
static void series_waits_outside_the_queue(void **state) {
    (void)state;
    poplin_client_config config = window(100, 1000);
    conversation *talk = logged_in(&config, "PIPELINING\r\n");
    retrieve(talk, 3, 600);
    assert_sends(talk, "RETR 1\r\n");
    assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_NOOP}, 1), POPLIN_OK);
    says(talk, "+OK\r\n.\r\n");
    assert_sends(talk, "NOOP\r\nRETR 2\r\n");
    assert_int_equal(poplin_client_retr_stop(talk->client), 1);
    hang_up(talk);
}

static void stopped_series_is_answered_as_far_as_it_was_sent(void **state) {
    (void)state;
    poplin_client_config config = window(4, 1 << 20);
    conversation *talk = logged_in(&config, "PIPELINING\r\n");
    const poplin_wanted one = {1, 1};
    retrieve(talk, 10, 10);
    drain(talk);
    assert_int_equal(poplin_client_outstanding(talk->client), 10);
    assert_int_equal(poplin_client_retr_all(talk->client, &one, 1, 4), POPLIN_ERR_STATE);
    assert_int_equal(poplin_client_retr_stop(talk->client), 6);
    assert_int_equal(poplin_client_retr_stop(talk->client), 0);
    assert_int_equal(poplin_client_outstanding(talk->client), 4);
    assert_int_equal(poplin_client_retr_all(talk->client, &one, 1, 4), POPLIN_OK);
    poplin_buffer_clear(&talk->sent);
    says(talk, "+OK\r\n.\r\n+OK\r\n.\r\n-ERR\r\n+OK\r\n.\r\n");
    assert_sends(talk, "RETR 1\r\n");
    assert_events(talk, "REPLY #3 RETR 1 OK ...\nEND 0\nREPLY #3 RETR 2 OK ...\nEND 0\nREPLY #3 RETR 3 REFUSED\n"
                        "REPLY #3 RETR 4 OK ...\nEND 0\n");
    hang_up(talk);
}

static void empty_series_is_nothing(void **state) {
    (void)state;
    conversation *talk = transaction("");
    assert_int_equal(poplin_client_retr_all(talk->client, NULL, 0, 3), POPLIN_OK);
    assert_int_equal(poplin_client_outstanding(talk->client), 0);
    assert_sends(talk, "");
    hang_up(talk);
}

/* holds: POP-PIPE-4 C */
static void quit_ends_the_series_and_is_the_last(void **state) {
    (void)state;
    poplin_client_config config = window(4, 1 << 20);
    conversation *talk = logged_in(&config, "PIPELINING\r\n");
    const poplin_wanted one = {1, 1};
    retrieve(talk, 10, 10);
    drain(talk);
    poplin_buffer_clear(&talk->sent);
    assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_QUIT}, 5), POPLIN_OK);
    assert_int_equal(poplin_client_retr_all(talk->client, &one, 1, 4), POPLIN_ERR_STATE);
    assert_int_equal(poplin_client_outstanding(talk->client), 5);
    says(talk, "+OK\r\n.\r\n+OK\r\n.\r\n");
    assert_sends(talk, "QUIT\r\n");
    says(talk, "+OK\r\n.\r\n+OK\r\n.\r\n+OK bye\r\n");
    server_closes(talk, true);
    assert_sends(talk, "");
    hang_up(talk);
}

/* holds: POP-UPD-5 C */
static void cut_with_quit_in_flight_is_not_known_to_have_deleted_nothing(void **state) {
    (void)state;
    poplin_client_config config = window(4, 1 << 20);
    conversation *talk = logged_in(&config, "PIPELINING\r\n");
    ask(talk, (poplin_command){.verb = POPLIN_DELE, .number = 1});
    ask(talk, (poplin_command){.verb = POPLIN_QUIT});
    server_closes(talk, true);
    assert_failed(talk, POPLIN_ERR_CLOSED, "DELE 1", "not known");
    hang_up(talk);
}

/* holds: POP-UPD-5 C */
static void cut_before_quit_was_sent_deleted_nothing(void **state) {
    (void)state;
    conversation *talk = transaction("");
    ask(talk, (poplin_command){.verb = POPLIN_DELE, .number = 1});
    ask(talk, (poplin_command){.verb = POPLIN_QUIT});
    server_closes(talk, true);
    assert_failed(talk, POPLIN_ERR_CLOSED, "DELE 1", "nothing was deleted");
    hang_up(talk);
}

/* Ten thousand messages and a DELE for each: every reply finds its command, and no more are out than may be. */
static void long_series_keeps_its_order(void **state) {
    (void)state;
    enum { MESSAGES = 10000, WINDOW = 64 };
    poplin_client_config config = window(WINDOW, 1 << 20);
    conversation *talk = logged_in(&config, "PIPELINING\r\n");
    uint32_t expected = 1, deleted = 0;
    retrieve(talk, MESSAGES, 5);
    while (poplin_client_outstanding(talk->client) > 0) {
        poplin_client_event event;
        poplin_buffer_clear(&talk->sent);
        drain(talk);
        size_t commands = 0;
        poplin_buffer replies = {0};
        poplin_slice sent = poplin_buffer_slice(&talk->sent);
        for (size_t i = 0; i < sent.size; i++) {
            const char *reply = sent.data[i] == 'R' && sent.data[i + 1] == 'E' ? "+OK\r\nabc\r\n.\r\n" : "+OK\r\n";
            if (i == 0 || sent.data[i - 1] == '\n')
                poplin_buffer_append(&replies, reply, strlen(reply)), commands++;
        }
        assert_in_range(commands, 1, WINDOW);
        poplin_slice lent = poplin_buffer_slice(&replies);
        assert_int_equal(poplin_client_input(talk->client, lent.data, lent.size), POPLIN_OK);
        while (poplin_client_next(talk->client, &event) == POPLIN_OK) {
            if (event.kind == POPLIN_CLIENT_REPLY && event.verb == POPLIN_DELE)
                assert_int_equal(event.number, ++deleted);
            if (event.kind != POPLIN_CLIENT_END)
                continue;
            assert_int_equal(event.number, expected++);
            assert_int_equal(event.octets, 5);
            assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_DELE, .number = event.number}, 8), POPLIN_OK);
        }
        poplin_buffer_free(&replies);
    }
    assert_int_equal(expected, MESSAGES + 1);
    assert_int_equal(deleted, MESSAGES);
    hang_up(talk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_by_one_without_pipelining),
        cmocka_unit_test(window_of_commands_is_refilled_at_half_in_one_piece),
        cmocka_unit_test(window_of_octets),
        cmocka_unit_test(large_message_goes_alone),
        cmocka_unit_test(unknown_sizes_count_too),
        cmocka_unit_test(content_beyond_what_was_expected_counts),
        cmocka_unit_test(submitted_commands_go_before_the_rest_of_the_series),
        cmocka_unit_test(series_waits_outside_the_queue),
        cmocka_unit_test(stopped_series_is_answered_as_far_as_it_was_sent),
        cmocka_unit_test(empty_series_is_nothing),
        cmocka_unit_test(quit_ends_the_series_and_is_the_last),
        cmocka_unit_test(cut_with_quit_in_flight_is_not_known_to_have_deleted_nothing),
        cmocka_unit_test(cut_before_quit_was_sent_deleted_nothing),
        cmocka_unit_test(long_series_keeps_its_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
