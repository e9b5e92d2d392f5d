/*
 * test_server_time.c - the server's deadlines, on the clock that tests move: autologout, clients that take no output,
 * and the times when no deadline runs.
 */
#include "served.h"

#define MINUTES(n) ((uint64_t)(n)*60 * 1000)

/* Lets the time pass and the server act on it. */
static void pass(struct served *served, uint64_t milliseconds) {
    raw_settle(served->loop);
    poplin_loop_advance(served->loop, milliseconds);
    raw_settle(served->loop);
}

/* holds: POP-TMO-1 S, POP-TMO-2 S, T-UPD-1 S */
static void test_autologout(void **state) {
    struct served *served = *state;
    struct raw raw;
    served_from_memory(served, 2);
    served_login(served, &raw);
    raw_say(&raw, "DELE 1\r\n");
    raw_expect(&raw, "+OK");
    pass(served, MINUTES(10) - 1000);
    raw_expect_silence(&raw);
    raw_say(&raw, "NOOP\r\n");
    raw_expect(&raw, "+OK");
    pass(served, MINUTES(10) - 1000);
    raw_expect_silence(&raw);
    pass(served, 2000);
    assert_int_equal(poplin_server_sessions(served->server), 0);
    raw_expect_closed(&raw); /* and nothing was sent */
    assert_false(raw.reset);
    assert_int_equal(served_count(served), 2);
    raw_close(&raw);
    served_login(served, &raw); /* the lock is free */
    raw_close(&raw);
}

/* holds: POP-TMO-3 S, LIM-11 S */
static void test_before_the_login_there_is_no_less_time(void **state) {
    struct served *served = *state;
    struct raw raw;
    served_from_memory(served, 0);
    served_dial(served, &raw);
    raw_expect(&raw, "+OK");
    pass(served, MINUTES(10) - 1000);
    raw_expect_silence(&raw);
    pass(served, 2000);
    raw_expect_closed(&raw);
    raw_close(&raw);
}

static void test_autologout_is_told_to_the_maildrop(void **state) {
    struct served *served = *state;
    struct raw raw;
    int maildrop;
    served_by_questions(served);
    served_let_in(served, &raw, &maildrop, 1);
    pass(served, MINUTES(11));
    served_expect_close(served, &maildrop, POPLIN_TIMED_OUT);
    assert_int_equal(served->question.error->status, POPLIN_ERR_TIMEOUT);
    raw_close(&raw);
}

/*
 * Octets are no command.
 * holds: T-RES-1 S
 */
static void test_a_line_that_never_ends_keeps_nobody_in(void **state) {
    struct served *served = *state;
    struct raw raw;
    served_from_memory(served, 0);
    served_dial(served, &raw);
    raw_expect(&raw, "+OK");
    for (int minute = 0; minute < 9; minute++) {
        raw_say(&raw, "X");
        pass(served, MINUTES(1));
        raw_expect_silence(&raw);
    }
    raw_say(&raw, "X");
    pass(served, MINUTES(1));
    raw_expect_closed(&raw);
    raw_close(&raw);
}

/*
 * What came just before the deadline was looked at counts.
 */
static void test_a_command_that_is_there_already_is_in_time(void **state) {
    struct served *served = *state;
    struct raw raw;
    served_from_memory(served, 0);
    served_dial(served, &raw);
    raw_expect(&raw, "+OK");
    raw_settle(served->loop);
    raw_say(&raw, "CAPA\r\n");
    poplin_loop_advance(served->loop, MINUTES(20));
    raw_expect(&raw, "+OK");
    (void)raw_skip_lines(&raw);
    raw_expect_silence(&raw);
    raw_close(&raw);
}

static void test_no_deadline_runs_while_the_host_thinks(void **state) {
    struct served *served = *state;
    struct raw raw;
    int maildrop;
    served_by_questions(served);
    served_let_in(served, &raw, &maildrop, 1);
    raw_say(&raw, "RETR 1\r\n");
    poplin_request body = served_question(served, POPLIN_QUESTION_BODY);
    pass(served, MINUTES(600));
    assert_int_equal(poplin_server_body(served->server, body, "x", 1, NULL, NULL), POPLIN_OK);
    raw_expect(&raw, "+OK");
    assert_int_equal(raw_skip_lines(&raw), 1);
    pass(served, MINUTES(9)); /* the client has its ten minutes from the reply on */
    raw_expect_silence(&raw);
    pass(served, MINUTES(2));
    raw_expect_closed(&raw);
    raw_close(&raw);
}

enum { LARGE = 16 << 20 };

static void deliver_large(struct served *served) {
    char *large = malloc(LARGE);
    memset(large, 'x', LARGE);
    assert_int_equal(poplin_memory_deliver(served->memory, SLICE("alice"), large, LARGE, NULL), POPLIN_OK);
    free(large);
}

/*
 * So little at a time that the server's socket has no room for hours: but the client does read.
 * holds: POP-TMO-4 S
 */
static void test_a_slow_reader_is_served_to_the_end(void **state) {
    struct served *served = *state;
    struct raw raw;
    size_t got = 0;
    deliver_large(served);
    served_from_memory(served, 0);
    raw_dial(&raw, served->loop, poplin_server_port(served->server), 4096);
    raw_login(&raw, "alice", "secret");
    raw_say(&raw, "RETR 1\r\n");
    raw_expect(&raw, "+OK");
    for (int minute = 0; minute < 30; minute++) {
        for (int read = 0; read < 10; read++) {
            (void)raw_receive(&raw, 1000);
            raw_settle(served->loop);
        }
        pass(served, MINUTES(1));
        assert_false(raw.closed);
    }
    assert_true(raw.size < LARGE);
    while (!(raw.size >= 5 && memcmp(raw.data + raw.size - 5, "\r\n.\r\n", 5) == 0)) {
        got += raw.size;
        raw_forget(&raw);
        while (!raw_receive(&raw, SIZE_MAX))
            raw_step(&raw);
        assert_false(raw.closed);
    }
    assert_true(got + raw.size >= LARGE);
    raw_close(&raw);
}

/* holds: POP-TMO-4 S, T-RES-1 S */
static void test_a_reader_that_stops_is_left(void **state) {
    struct served *served = *state;
    struct raw raw;
    deliver_large(served);
    served_from_memory(served, 0);
    served_login(served, &raw);
    raw_say(&raw, "DELE 1\r\nRSET\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n");
    pass(served, 119 * 1000);
    assert_int_equal(poplin_server_sessions(served->server), 1);
    /* a late acknowledgement from the client's kernel counts as reading, but there is only so much of it */
    for (int i = 0; i < 5 && poplin_server_sessions(served->server) > 0; i++)
        pass(served, 121 * 1000);
    assert_int_equal(poplin_server_sessions(served->server), 0);
    assert_int_equal(served_count(served), 1);
    raw_close(&raw);
}

/*
 * The whole reply is in the sockets' buffers, where the client takes it from ever so slowly.
 * holds: POP-TMO-4 S
 */
static void test_a_slow_reader_of_the_last_reply_is_not_logged_out(void **state) {
    struct served *served = *state;
    struct unix_address address;
    struct raw raw;
    served->config.path = unix_address_new(&address);
    served_from_memory(served, 0);
    raw_dial_unix(&raw, served->loop, address.path);
    raw_login(&raw, "alice", "secret");
    for (int i = 0; i < 100; i++) { /* each reply is a write of its own, which the kernel counts as a whole */
        raw_say(&raw, "CAPA\r\n");
        raw_settle(served->loop);
    }
    for (int step = 0; step < 8; step++) {
        pass(served, MINUTES(5));
        assert_int_equal(poplin_server_sessions(served->server), 1);
        assert_true(raw_receive(&raw, 500));
    }
    while (raw_waiting(&raw) > 0)
        assert_true(raw_receive(&raw, SIZE_MAX));
    pass(served, MINUTES(11)); /* it has ten minutes for the next command, and not more */
    assert_int_equal(poplin_server_sessions(served->server), 0);
    raw_close(&raw);
    unix_address_free(&address, served);
}

/* Commands are not what is waited for: their replies would only pile up. */
static void test_commands_do_not_stand_for_reading(void **state) {
    struct served *served = *state;
    struct unix_address address;
    struct raw raw;
    served->config.path = unix_address_new(&address);
    served_from_memory(served, 0);
    raw_dial_unix(&raw, served->loop, address.path);
    raw_login(&raw, "alice", "secret");
    (void)raw_fill(&raw);
    raw_say(&raw, "NOOP\r\n");
    pass(served, 100 * 1000);
    assert_int_equal(poplin_server_sessions(served->server), 1);
    raw_say(&raw, "NOOP\r\n");
    pass(served, 100 * 1000);
    assert_int_equal(poplin_server_sessions(served->server), 0);
    raw_close(&raw);
    unix_address_free(&address, served);
}

/* A client that neither reads the last reply nor closes is not waited for long; its session ended with the QUIT. */
static void test_a_client_that_does_not_close(void **state) {
    struct served *served = *state;
    struct raw raw;
    served_from_memory(served, 0);
    served_login(served, &raw);
    raw_say(&raw, "QUIT\r\n");
    raw_expect(&raw, "+OK");
    raw_expect_closed(&raw);
    assert_true(poplin_loop_timeout(served->loop) > 0);
    pass(served, 5000);
    assert_int_equal(poplin_loop_timeout(served->loop), -1);
    raw_close(&raw);
}

/* The last reply arrives although much more was sent behind the last command. */
static void test_the_last_reply_is_not_lost_to_a_reset(void **state) {
    struct served *served = *state;
    struct raw raw;
    static char flood[4096];
    memset(flood, '\n', sizeof flood);
    served_from_memory(served, 0);
    served_login(served, &raw);
    raw_say(&raw, "QUIT\r\n");
    for (int i = 0; i < 64; i++)
        (void)send(raw.descriptor, flood, sizeof flood, MSG_NOSIGNAL);
    raw_settle(served->loop);
    raw_expect(&raw, "+OK");
    raw_expect_closed(&raw);
    assert_false(raw.reset);
    raw_close(&raw);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVED_TEST(test_autologout),
        SERVED_TEST(test_before_the_login_there_is_no_less_time),
        SERVED_TEST(test_autologout_is_told_to_the_maildrop),
        SERVED_TEST(test_a_line_that_never_ends_keeps_nobody_in),
        SERVED_TEST(test_a_command_that_is_there_already_is_in_time),
        SERVED_TEST(test_no_deadline_runs_while_the_host_thinks),
        SERVED_TEST(test_a_slow_reader_is_served_to_the_end),
        SERVED_TEST(test_a_reader_that_stops_is_left),
        SERVED_TEST(test_a_slow_reader_of_the_last_reply_is_not_logged_out),
        SERVED_TEST(test_commands_do_not_stand_for_reading),
        SERVED_TEST(test_a_client_that_does_not_close),
        SERVED_TEST(test_the_last_reply_is_not_lost_to_a_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
