/* test_session.c - what a session does with bad input, how it ends, and what it keeps in memory. */
#include "session_host.h"

/* ---- what is not a command ---- */

/* holds: POP-GEN-14 S, POP-GEN-15 S, T-RES-6 S */
static void bad_lines_get_one_err_each(void **state) {
    static const char *const rows[][2] = {
        {"\r\n", "-ERR unknown command\r\n"},
        {" NOOP\r\n", "-ERR unknown command\r\n"},
        {"NOOP x\r\n", "-ERR wrong arguments\r\n"},
        {"NOOP \r\n", "-ERR wrong arguments\r\n"},
        {"NOOP\tx\r\n", "-ERR unknown command\r\n"},
        {"STAT 1\r\n", "-ERR wrong arguments\r\n"},
        {"RETR\r\n", "-ERR wrong arguments\r\n"},
        {"RETR  1\r\n", "-ERR wrong arguments\r\n"},
        {"RETR 1 2\r\n", "-ERR wrong arguments\r\n"},
        {"TOP 1\r\n", "-ERR wrong arguments\r\n"},
        {"LAST\r\n", "-ERR unknown command\r\n"},
        {"XTND XMIT\r\n", "-ERR unknown command\r\n"},
        {"N\r\n", "-ERR unknown command\r\n"},
        {"NOOPS\r\n", "-ERR unknown command\r\n"},
        {"a:b:\r\n", "-ERR unknown command\r\n"},
        {"\xff\xfe\r\n", "-ERR unknown command\r\n"},
        {"NOOP\rNOOP\r\n", "-ERR NUL, bare CR or bare LF in a line\r\n"},
        {"NOOP\nNOOP\r\n", "-ERR NUL, bare CR or bare LF in a line\r\n"},
    };

    (void)state;
    h.config.max_bad_commands = 100;
    host_start_logged_in(&h);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        expect(&h, rows[i][0], rows[i][1]);
    host_feed(&h, "NO\0P\r\n", 6);
    assert_string_equal(host_heard(&h), "-ERR NUL, bare CR or bare LF in a line\r\n");
    expect(&h, "noop\r\n", "+OK nothing done\r\n");
    assert_string_equal(host_events(&h), "");
}

/* holds: POP-ST-6 S, POP-GEN-14 S, POP-AUTH-4 S */
static void commands_are_bound_to_their_state(void **state) {
    static const char *const before[] = {"STAT", "LIST", "UIDL", "RETR 1", "TOP 1 0", "DELE 1", "NOOP", "RSET"};
    static const char *const after[] = {"USER alice", "PASS secret", "AUTH PLAIN", "STLS"};
    char line[32];

    (void)state;
    h.config.stls = true;
    h.config.max_bad_commands = 100;
    start_and_skip_greeting();
    for (size_t i = 0; i < COUNT_OF(before); i++) {
        snprintf(line, sizeof line, "%s\r\n", before[i]);
        expect(&h, line, "-ERR log in first\r\n");
    }
    host_say(&h, "USER alice\r\nPASS secret\r\n");
    host_heard(&h);
    host_events(&h);
    for (size_t i = 0; i < COUNT_OF(after); i++) {
        snprintf(line, sizeof line, "%s\r\n", after[i]);
        expect(&h, line, "-ERR already logged in\r\n");
    }
    assert_string_equal(host_events(&h), "");
}

/* holds: POP-GEN-4 S, POP-GEN-6 S, T-RES-3 S */
static void long_lines_are_swallowed_whole(void **state) {
    (void)state;
    start_and_skip_greeting();
    say_line_of(255, "USER ", 'u');
    assert_string_equal(host_heard(&h), "+OK send PASS\r\n");
    say_line_of(1024, "USER ", 'u');
    assert_string_equal(host_heard(&h), "+OK send PASS\r\n");
    say_line_of(1025, "USER ", 'u');
    assert_string_equal(host_heard(&h), "-ERR line too long\r\n");
    expect(&h, "PASS x\r\n", "-ERR PASS goes right behind USER\r\n");
    say_line_of(20000, "USER ", 'u');
    assert_string_equal(host_heard(&h), "-ERR line too long\r\n");
    host_say(&h, "USER alice\r\nPASS secret\r\n");
    host_heard(&h);
    say_line_of(1025, "NOOP ", ' ');
    assert_string_equal(host_heard(&h), "-ERR line too long\r\n");
    say_line_of(40000, "XTND ", 'x');
    assert_string_equal(host_heard(&h), "-ERR line too long\r\n");
    expect(&h, "NOOP\r\n", "+OK nothing done\r\n");
}

/* holds: POP-GEN-6 S, T-RES-3 S, POP-UPD-2 S */
static void line_without_end_ends_the_session(void **state) {
    static char flood[200000];

    (void)state;
    memset(flood, 'x', sizeof flood);
    host_start_logged_in(&h);
    host_say(&h, "DELE 1\r\n");
    host_heard(&h);
    host_feed(&h, flood, 60000);
    assert_string_equal(host_heard(&h), "-ERR line too long\r\n");
    host_feed(&h, flood, sizeof flood);
    assert_string_equal(host_heard(&h), "");
    assert_string_equal(host_events(&h), "CLOSED 4 LIMIT\n");
}

/* holds: POP-UPD-2 S, T-UPD-1 S, T-TLS-15 S */
static void too_many_bad_commands_end_the_session(void **state) {
    (void)state;
    h.config.max_bad_commands = 3;
    host_start_logged_in(&h);
    expect(&h, "DELE 1\r\nX\r\nNOOP\r\nRETR 9\r\nX\r\n",
           "+OK message 1 marked\r\n-ERR unknown command\r\n+OK nothing done\r\n-ERR no such message\r\n"
           "-ERR unknown command\r\n");
    expect(&h, "GET / HTTP/1.1\r\nQUIT\r\n", "-ERR unknown command\r\n");
    assert_string_equal(host_events(&h), "CLOSED 4 LIMIT\n");
    assert_string_equal(h.closed.error->reason, "too many bad commands");
}

/* holds: T-BRU-1 S, T-BRU-2 S */
static void too_many_failed_logins_end_the_session(void **state) {
    (void)state;
    h.check_status = POPLIN_ERR_AUTH;
    start_and_skip_greeting();
    expect(&h, "USER a\r\nPASS 1\r\nAUTH PLAIN !\r\nUSER a\r\nPASS 2\r\nUSER a\r\nPASS 3\r\n",
           "+OK send PASS\r\n-ERR [AUTH] name or password not accepted\r\n-ERR malformed PLAIN message\r\n"
           "+OK send PASS\r\n-ERR [AUTH] name or password not accepted\r\n");
    assert_string_equal(host_events(&h), "CHECK a 1 USER\nCHECK a 2 USER\nCLOSED 4 LIMIT\n");
    assert_int_equal(poplin_session_phase(h.session), 0);
}

/* ---- ends ---- */

/* holds: POP-UPD-1 S, POP-UPD-3 S, T-UPD-4 S */
static void quit_commits_what_is_marked(void **state) {
    const struct host_message messages[] = {{"a", "", 0}, {"b", "", 0}, {"c", "", 0}, {"d", "", 0}, {"e", "", 0}};

    (void)state;
    h.messages = messages;
    h.count = COUNT_OF(messages);
    host_start_logged_in(&h);
    host_say(&h, "DELE 1\r\nRSET\r\nDELE 5\r\nDELE 2\r\nDELE 4\r\nQUIT\r\n");
    assert_string_equal(host_events(&h), "COMMIT 1 3 4\nCLOSED 0 -\n");
    assert_string_equal(strstr(host_heard(&h), "+OK bye"), "+OK bye\r\n");
    assert_int_equal(poplin_session_next(h.session, &h.asked), POPLIN_ERR_STATE);
    assert_int_equal(poplin_session_abort(h.session, POPLIN_ERR_IO, NULL), POPLIN_ERR_STATE);
}

/* holds: POP-UPD-1 S, POP-ST-1 S */
static void quit_without_marks_asks_nothing(void **state) {
    (void)state;
    host_start_logged_in(&h);
    expect(&h, "DELE 1\r\nRSET\r\nQUIT\r\n", "+OK message 1 marked\r\n+OK no message is marked\r\n+OK bye\r\n");
    assert_string_equal(host_events(&h), "CLOSED 0 -\n");
    host_free(&h);

    host_init(&h);
    start_and_skip_greeting();
    expect(&h, "QUIT\r\n", "+OK bye\r\n");
    assert_string_equal(host_events(&h), "CLOSED 1 -\n");
}

/* holds: T-UPD-2 S, POP-UPD-3 S */
static void refused_commit_is_an_err(void **state) {
    (void)state;
    h.commit_status = POPLIN_ERR_TEMPORARY;
    h.words = "disk full";
    host_start_logged_in(&h);
    expect(&h, "DELE 1\r\nQUIT\r\n", "+OK message 1 marked\r\n-ERR [SYS/TEMP] disk full\r\n");
    assert_string_equal(host_events(&h), "COMMIT 0\nCLOSED 4 TEMPORARY\n");
    assert_string_equal(h.closed.error->reason, "disk full");
    host_free(&h);

    host_init(&h);
    h.commit_status = POPLIN_ERR_REFUSED;
    host_start_logged_in(&h);
    expect(&h, "DELE 1\r\nQUIT\r\n", "+OK message 1 marked\r\n-ERR refused\r\n");
    assert_string_equal(host_events(&h), "COMMIT 0\nCLOSED 4 REFUSED\n");
}

/* holds: T-UPD-3 S, POP-UPD-4 S */
static void eof_behind_quit_does_not_undo_it(void **state) {
    (void)state;
    h.no_answer = true;
    host_start(&h);
    host_say(&h, "USER a\r\nPASS b\r\nDELE 1\r\nQUIT\r\n");
    assert_int_equal(poplin_session_eof(h.session, false), POPLIN_OK);
    assert_int_equal(poplin_session_eof(h.session, false), POPLIN_ERR_STATE);
    assert_int_equal(host_pump(&h), POPLIN_WAITING);
    h.no_answer = false;
    answer(&h); /* CHECK */
    h.late = true;
    host_pump(&h);
    assert_string_equal(host_events(&h), "CHECK a b USER\nMAILDROP a\nCOMMIT 0\nCLOSED 0 -\n");
}

/* holds: T-UPD-1 S, T-TLS-11 S, POP-UPD-2 S */
static void eof_without_quit_deletes_nothing(void **state) {
    (void)state;
    host_start_logged_in(&h);
    host_say(&h, "DELE 1\r\nQUI");
    host_eof(&h);
    assert_string_equal(host_events(&h), "CLOSED 2 -\n");
    host_free(&h);

    host_init(&h);
    host_start_logged_in(&h);
    host_say(&h, "DELE 1\r\n");
    assert_int_equal(poplin_session_eof(h.session, false), POPLIN_OK);
    host_pump(&h);
    assert_string_equal(host_events(&h), "CLOSED 2 CLOSED\n");
    host_free(&h);

    host_init(&h);
    host_start(&h);
    assert_int_equal(poplin_session_tls(h.session, &(poplin_tls_facts){0}), POPLIN_OK);
    host_say(&h, "USER a\r\nPASS b\r\nDELE 1\r\n");
    assert_int_equal(poplin_session_eof(h.session, false), POPLIN_OK);
    host_pump(&h);
    assert_string_equal(host_events(&h), "CHECK a b USER\nMAILDROP a\nCLOSED 2 TLS\n");
}

/* holds: T-UPD-1 S, POP-UPD-2 S */
static void drop_deletes_nothing_at_any_time(void **state) {
    (void)state;
    host_start_logged_in(&h);
    h.no_answer = true;
    host_say(&h, "DELE 1\r\nQUIT\r\n");
    assert_int_equal(poplin_session_drop(h.session, POPLIN_ERR_CLOSED, "sent away"), POPLIN_OK);
    assert_int_equal(poplin_session_accept(h.session, h.asked.question), POPLIN_ERR_STATE);
    assert_int_equal(poplin_session_drop(h.session, POPLIN_ERR_CLOSED, NULL), POPLIN_ERR_STATE);
    host_pump(&h);
    assert_string_equal(host_events(&h), "COMMIT 0\nCLOSED 2 CLOSED\n");
    assert_string_equal(h.closed.error->reason, "sent away");
}

/* holds: POP-TMO-2 S, T-UPD-1 S */
static void timeout_sends_and_deletes_nothing(void **state) {
    poplin_session_event event;
    const char *data;
    size_t size;

    (void)state;
    host_start_logged_in(&h);
    host_say(&h, "DELE 1\r\n");
    host_heard(&h);
    assert_int_equal(poplin_session_input(h.session, "NOOP\r\n", 6), POPLIN_OK);
    assert_int_equal(poplin_session_next(h.session, &event), POPLIN_NEED_INPUT);
    assert_int_equal(poplin_session_input(h.session, "QUIT\r\n", 6), POPLIN_OK);
    assert_int_equal(poplin_session_timeout(h.session), POPLIN_OK);
    poplin_session_output(h.session, &data, &size);
    assert_int_equal(size, 0);
    host_pump(&h);
    assert_string_equal(host_events(&h), "CLOSED 3 TIMEOUT\n");
    assert_string_equal(host_heard(&h), "");
}

/* holds: POP-UPD-4 S, POP-UPD-2 S */
static void commit_is_not_timed_out_but_can_be_aborted(void **state) {
    (void)state;
    host_start_logged_in(&h);
    h.no_answer = true;
    host_say(&h, "DELE 1\r\nQUIT\r\n");
    assert_int_equal(poplin_session_timeout(h.session), POPLIN_ERR_STATE);
    assert_int_equal(poplin_session_abort(h.session, POPLIN_ERR_CANCELLED, "the server stops"), POPLIN_OK);
    assert_int_equal(poplin_session_accept(h.session, h.asked.question), POPLIN_ERR_STATE);
    host_pump(&h);
    assert_string_equal(host_events(&h), "COMMIT 0\nCLOSED 4 CANCELLED\n");
    assert_string_equal(h.closed.error->reason, "the server stops");
}

/* holds: T-UPD-1 S, POP-UPD-2 S */
static void abort_gives_back_what_was_lent(void **state) {
    (void)state;
    h.config.max_output = 8;
    host_start_logged_in(&h);
    h.no_answer = true;
    host_say(&h, "DELE 2\r\nRETR 1\r\n");
    assert_int_equal(poplin_session_body(h.session, h.asked.question, "a\r\nb\r\n", 6, false), POPLIN_OK);
    host_pump(&h);
    assert_int_equal(poplin_session_abort(h.session, POPLIN_ERR_IO, "write failed"), POPLIN_OK);
    host_pump(&h);
    assert_string_equal(host_events(&h), "BODY one\nBODY one\nBODY_DONE one\nCLOSED 4 IO\n");
}

/* Pulls so many events, the questions among them answered, and no more. */
static void pull_events(size_t count) {
    poplin_session_event event;

    for (int result = POPLIN_OK; count > 0 && result != POPLIN_NEED_INPUT && result != POPLIN_ERR_STATE;) {
        result = poplin_session_next(h.session, &event);
        if (result == POPLIN_OK) {
            take_event(&h, &event);
            count--;
        } else if (result == POPLIN_WAITING && !take_output(&h)) {
            answer(&h);
        }
    }
}

static const char *outcome_after(int (*end)(poplin_session *session), size_t events) {
    static const char input[] = "USER a\r\nPASS b\r\nDELE 1\r\nTOP 2 1\r\nLIST\r\nRETR 2\r\nQUIT\r\n";

    host_init(&h);
    h.config.max_output = 8;
    h.piece = 5;
    h.late = true;
    host_start(&h);
    assert_int_equal(poplin_session_input(h.session, input, sizeof input - 1), POPLIN_OK);
    pull_events(events);
    (void)end(h.session);
    host_pump(&h);
    assert_int_equal(poplin_session_phase(h.session), 0);
    assert_null(h.lent);
    const char *happened = host_events(&h), *closed = strstr(happened, "CLOSED ");

    assert_non_null(closed);
    assert_null(strstr(closed + 1, "CLOSED "));
    assert_true(strstr(closed, "CLOSED 0") == NULL || strstr(happened, "COMMIT 0\n") != NULL);
    return closed;
}

static int hang_up(poplin_session *session) {
    return poplin_session_eof(session, true);
}

static int break_off(poplin_session *session) {
    return poplin_session_abort(session, POPLIN_ERR_IO, "write failed");
}

/* holds: POP-UPD-2 S, POP-UPD-4 S, T-UPD-3 S */
static void end_at_every_step(void **state) {
    enum { MOST = 100 };
    size_t events = 0;
    const char *closed;

    (void)state;
    do { /* up to the commit a timeout ends it, behind that nothing does but an abort */
        closed = outcome_after(poplin_session_timeout, ++events);
        assert_true(events < MOST);
        host_free(&h);
    } while (strcmp(closed, "CLOSED 3 TIMEOUT\n") == 0);
    assert_string_equal(closed, "CLOSED 0 -\n");
    for (size_t i = 0; i <= events; i++) {
        assert_string_equal(outcome_after(break_off, i), "CLOSED 4 IO\n");
        host_free(&h);
        assert_string_equal(outcome_after(hang_up, i), "CLOSED 0 -\n"); /* the QUIT was there before the end */
        if (i < events)
            host_free(&h);
    }
}

/* ---- memory ---- */

/* Lends all at once and takes the output slowly; never is more of it kept than may be. Returns how many bodies were sent. */
static size_t pull_slowly(const char *input, size_t size, const char *body, size_t body_size) {
    poplin_session_event event;
    size_t asked = 0;

    assert_int_equal(poplin_session_input(h.session, input, size), POPLIN_OK);
    for (int result; (result = poplin_session_next(h.session, &event)) != POPLIN_NEED_INPUT;) {
        const char *data;

        if (result == POPLIN_OK && event.kind == POPLIN_SESSION_BODY && ++asked > 0)
            assert_int_equal(poplin_session_body(h.session, event.question, body, body_size, true), POPLIN_OK);
        poplin_session_output(h.session, &data, &size);
        assert_in_range(size, 0, h.config.max_output + 512);
        if (result == POPLIN_WAITING)
            poplin_session_sent(h.session, 1 + size / 2);
    }
    return asked;
}

/* holds: T-RES-4 S, POP-PIPE-5 S */
static void output_stays_bounded_under_a_flood(void **state) {
    enum { COMMANDS = 100000, RETRIEVED = 20 };
    static char flood[COMMANDS * 6 + RETRIEVED * 8], message[100000];
    char *at = flood;

    (void)state;
    memset(message, '.', sizeof message);
    h.config.max_output = 4096;
    host_start_logged_in(&h);
    for (size_t i = 0; i < COMMANDS; i++) {
        at = mempcpy(at, "NOOP\r\n", 6);
        if (i % (COMMANDS / RETRIEVED) == 0)
            at = mempcpy(at, "RETR 1\r\n", 8);
    }
    assert_int_equal(pull_slowly(flood, (size_t)(at - flood), message, sizeof message), RETRIEVED);
}

/* holds: T-RES-7 S, POP-ML-2 S */
static void output_stays_bounded_whatever_a_message_is(void **state) {
    enum { SIZE = 1 << 20 };
    static char message[SIZE];

    (void)state;
    h.config.max_output = 4096;
    host_start_logged_in(&h);
    for (size_t i = 0; i < 4; i++) {
        memset(message, "\n.x\r"[i], SIZE);
        assert_int_equal(pull_slowly("RETR 2\r\nTOP 2 9999999\r\nLIST\r\n", 29, message, SIZE), 2);
    }
}

/* holds: POP-GEN-4 S */
static void limits_that_the_protocol_does_not_permit(void **state) {
    poplin_session_config config;
    poplin_session *session = NULL;

    (void)state;
    poplin_session_config_init(&config);
    config.max_line = 254;
    assert_int_equal(poplin_session_new(&config, &session), POPLIN_ERR_LIMIT);
    poplin_session_config_init(&config);
    config.max_failed_logins = 0;
    assert_int_equal(poplin_session_new(&config, &session), POPLIN_ERR_LIMIT);
    assert_null(session);
    poplin_session_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SESSION_TEST(bad_lines_get_one_err_each),
        SESSION_TEST(commands_are_bound_to_their_state),
        SESSION_TEST(long_lines_are_swallowed_whole),
        SESSION_TEST(line_without_end_ends_the_session),
        SESSION_TEST(too_many_bad_commands_end_the_session),
        SESSION_TEST(too_many_failed_logins_end_the_session),
        SESSION_TEST(quit_commits_what_is_marked),
        SESSION_TEST(quit_without_marks_asks_nothing),
        SESSION_TEST(refused_commit_is_an_err),
        SESSION_TEST(eof_behind_quit_does_not_undo_it),
        SESSION_TEST(eof_without_quit_deletes_nothing),
        SESSION_TEST(drop_deletes_nothing_at_any_time),
        SESSION_TEST(timeout_sends_and_deletes_nothing),
        SESSION_TEST(commit_is_not_timed_out_but_can_be_aborted),
        SESSION_TEST(abort_gives_back_what_was_lent),
        SESSION_TEST(end_at_every_step),
        SESSION_TEST(output_stays_bounded_under_a_flood),
        SESSION_TEST(output_stays_bounded_whatever_a_message_is),
        cmocka_unit_test(limits_that_the_protocol_does_not_permit),
    };

    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
