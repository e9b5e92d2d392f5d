/*
 * test_kit_follow.c - a transcript as it comes into being: each line once, when it will not change any more.
 */
#include "tapped.h"

/* What is new of session 1; position goes on. */
static void expect_new(poplin_testkit *kit, uint64_t *position, const char *expected) {
    char *text = NULL;
    assert_int_equal(poplin_testkit_follow(kit, 1, position, &text), POPLIN_OK);
    assert_string_equal(text, expected);
    free(text);
}

static void test_lines_come_when_they_are_settled(void **state) {
    poplin_testkit *kit = tapped_kit(10, 10);
    void *tap = tapped_open(kit);
    uint64_t position = 0;
    (void)state;
    expect_new(kit, &position, "session 1 from 127.0.0.1:4000\nS: +OK ready\n");
    expect_new(kit, &position, "");
    (void)tapped_command(tap, "LIST");
    expect_new(kit, &position, "C: LIST\n");
    assert_int_equal(tapped_reply(tap, "+OK\r\n1 10\r\n.\r\n", true), POPLIN_OK);
    (void)tapped_send(tap, 7);
    expect_new(kit, &position, "");
    tapped_exchange(tap, "NOOP", "+OK\r\n");
    expect_new(kit, &position, "");
    (void)tapped_send(tap, SIZE_MAX);
    expect_new(kit, &position, "S: +OK\n     1 10\n     .\nC: NOOP\nS: +OK\n");
    tapped_quit(tap);
    expect_new(kit, &position, "C: QUIT\nS: +OK bye\n== committed\n");
    assert_true(position == POPLIN_TRANSCRIPT_OVER);
    expect_new(kit, &position, "");
    poplin_testkit_free(kit);
}

/* However often it is asked for, the pieces are the transcript. */
static void test_the_pieces_are_the_transcript(void **state) {
    const char *lines[] = {"STLS", "USER alice", "PASS secret", "RETR 1", "DELE 1", "DELE 2", "NOOP"};
    (void)state;
    for (size_t every = 1; every < 9; every++) {
        poplin_testkit *kit = tapped_kit(10, 6);
        char all[4096] = "", *text = NULL;
        uint64_t position = 0;
        (void)tapped_fault(kit, "DELE nth=1 reply=\"+OK is that so?\"");
        void *tap = tapped_open(kit);
        for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
            tapped_exchange(tap, lines[i], "+OK\r\n");
            if (i % 3 == 0 || i == 4) /* nothing comes behind a fault before it is done */
                (void)tapped_send(tap, SIZE_MAX);
            if (i == 0)
                poplin_testkit_tap()->secured(tap, "TLS1.3");
            if (i % every != 0)
                continue;
            assert_int_equal(poplin_testkit_follow(kit, 1, &position, &text), POPLIN_OK);
            strcat(all, text);
            free(text);
        }
        tapped_quit(tap);
        assert_int_equal(poplin_testkit_follow(kit, 1, &position, &text), POPLIN_OK);
        strcat(all, text);
        free(text);
        poplin_record *record = tapped_record(kit, 0);
        text = poplin_record_transcript(record);
        assert_string_equal(all, text);
        free(text);
        poplin_record_free(record);
        poplin_testkit_free(kit);
    }
}

/* A fault has made something else of it, and that will not change. */
static void test_a_reply_that_a_fault_changed_is_not_held_back(void **state) {
    poplin_testkit *kit = tapped_kit(10, 10);
    uint64_t position = 0;
    (void)state;
    (void)tapped_fault(kit, "NOOP cut=3");
    (void)tapped_fault(kit, "STAT stall_after=3");
    void *tap = tapped_open(kit);
    expect_new(kit, &position, "session 1 from 127.0.0.1:4000\nS: +OK ready\n");
    tapped_say(tap, "NOOP", "+OK so be it\r\n");
    expect_new(kit, &position, "C: NOOP\n!! NOOP cut=3\nS: +OK\n     (3 of 14 octets went out)\n");
    tapped_say(tap, "STAT", "+OK 1 10\r\n");
    expect_new(kit, &position, "C: STAT\n!! STAT stall_after=3\nS: +OK\n     (3 of 10 octets went out)\n");
    tapped_end(tap, POPLIN_DROPPED);
    tapped_close(tap);
    expect_new(kit, &position, "== dropped: the client went in the middle of the fault STAT stall_after=3\n");
    poplin_testkit_free(kit);
}

/* A client that has the last reply may look before it is noted how much of it went out. */
static void test_the_last_reply_is_not_called_short_while_it_leaves(void **state) {
    poplin_testkit *kit = tapped_kit(10, 10);
    void *tap = tapped_open(kit);
    poplin_slice octets;
    uint32_t milliseconds;
    (void)state;
    (void)tapped_command(tap, "QUIT");
    tapped_end(tap, POPLIN_COMMITTED);
    (void)tapped_reply(tap, "+OK bye\r\n", true);
    assert_int_equal(poplin_testkit_tap()->next(tap, &octets, &milliseconds), POPLIN_TAP_SEND);
    poplin_record *before = tapped_record(kit, 0);
    poplin_testkit_tap()->sent(tap, octets.size);
    tapped_close(tap);
    poplin_record *after = tapped_record(kit, 0);
    char *texts[] = {poplin_record_transcript(before), poplin_record_transcript(after)};
    assert_false(before->open);
    assert_true(before->connected);
    assert_false(after->connected);
    assert_string_equal(texts[0], texts[1]);
    free(texts[0]);
    free(texts[1]);
    poplin_record_free(before);
    poplin_record_free(after);
    poplin_testkit_free(kit);
}

static void test_a_session_that_is_not_kept(void **state) {
    poplin_testkit *kit = tapped_kit(0, 10);
    uint64_t position = 0;
    char *text;
    (void)state;
    void *tap = tapped_open(kit);
    assert_int_equal(poplin_testkit_follow(kit, 2, &position, &text), POPLIN_ERR_REFUSED);
    tapped_end(tap, POPLIN_DROPPED);
    tapped_close(tap);
    assert_int_equal(poplin_testkit_follow(kit, 1, &position, &text), POPLIN_ERR_REFUSED);
    assert_int_equal(position, 0);
    poplin_testkit_free(kit);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_come_when_they_are_settled),
        cmocka_unit_test(test_the_pieces_are_the_transcript),
        cmocka_unit_test(test_a_reply_that_a_fault_changed_is_not_held_back),
        cmocka_unit_test(test_the_last_reply_is_not_called_short_while_it_leaves),
        cmocka_unit_test(test_a_session_that_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
