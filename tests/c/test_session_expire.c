/*
 * test_session_expire.c - EXPIRE 0, with which a session deletes what was fetched, and only at its QUIT; and what holds for one user
 * where users differ: announced before the login as the worst of all, afterwards as it is (RFC 2449 sections 6.5 and 6.7).
 */
#include "session_auth.h"

#define LOGIN "AUTH PLAIN AGEAYg==\r\n"

/* ---- mail that goes once it was fetched ---- */

/* A session in TRANSACTION in which mail stays for so many days. */
static void start_with(uint32_t expire) {
    begin_again();
    h.config.expire = expire;
    host_start_logged_in(&h);
}

/* What the session asked for at its end: "COMMIT 0 1", or "" where nothing is to be deleted; and how that ended. */
static const char *end_of(const char *said) {
    static char end[64];
    char *last = NULL;

    host_say(&h, said);
    char text[1024];
    copy_text(text, sizeof text, host_events(&h));
    end[0] = '\0';
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
        if (strncmp(line, "COMMIT", 6) == 0)
            last = line;
    if (last != NULL)
        copy_text(end, sizeof end, last);
    assert_int_equal(h.closed.kind, POPLIN_SESSION_CLOSED);
    return end;
}

/* holds: POP-UPD-7 S, POP-RETR-1 S */
static void what_was_fetched_goes_at_quit(void **state) {
    (void)state;
    start_with(0);
    host_say(&h, "RETR 2\r\n");
    host_heard(&h);
    expect(&h, "STAT\r\nLIST 2\r\nDELE 2\r\n",
           "+OK 2 52\r\n+OK 2 32\r\n+OK message 2 marked\r\n"); /* until then it stays */
    assert_string_equal(end_of("RETR 1\r\nQUIT\r\n"), "COMMIT 0 1");
    assert_int_equal(h.closed.outcome, POPLIN_COMMITTED);
}

/* holds: POP-UPD-7 S, POP-RSET-1 S */
static void rset_takes_no_fetching_back(void **state) {
    (void)state;
    start_with(0);
    assert_string_equal(end_of("DELE 2\r\nRETR 1\r\nRSET\r\nQUIT\r\n"), "COMMIT 0");
    start_with(0);
    assert_string_equal(end_of("RETR 1\r\nDELE 1\r\nRSET\r\nRETR 1\r\nQUIT\r\n"), "COMMIT 0");
}

/* holds: POP-UPD-7 S */
static void only_whole_messages_of_retr_count(void **state) {
    (void)state;
    start_with(0);
    assert_string_equal(end_of("TOP 1 100\r\nLIST\r\nRETR 9\r\nQUIT\r\n"), "");
    assert_int_equal(h.closed.outcome, POPLIN_COMMITTED);
    start_with(0);
    h.broken = "two";
    h.piece = 4;
    assert_string_equal(end_of("RETR 1\r\nRETR 2\r\nQUIT\r\n"), ""); /* the body fails in its middle */
    assert_int_equal(h.closed.outcome, POPLIN_FAILED);
}

/* holds: POP-UPD-7 S, POP-UPD-2 S */
static void a_session_that_ends_otherwise_deletes_nothing(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        start_with(0);
        host_say(&h, "RETR 1\r\nRETR 2\r\n");
        if (i == 0)
            host_eof(&h);
        else if (i == 1)
            assert_int_equal(poplin_session_timeout(h.session), POPLIN_OK);
        else if (i == 2)
            assert_int_equal(poplin_session_drop(h.session, POPLIN_OK, NULL), POPLIN_OK);
        else
            assert_int_equal(poplin_session_abort(h.session, POPLIN_ERR_CANCELLED, NULL), POPLIN_OK);
        host_pump(&h);
        assert_int_equal(h.closed.kind, POPLIN_SESSION_CLOSED);
        assert_null(strstr(host_events(&h), "COMMIT"));
    }
}

static void more_days_leave_it_to_the_maildrop(void **state) {
    static const uint32_t days[] = {1, POPLIN_EXPIRE_NEVER, POPLIN_EXPIRE_UNSAID};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(days); i++) {
        start_with(days[i]);
        assert_string_equal(end_of("RETR 1\r\nDELE 2\r\nQUIT\r\n"), "COMMIT 1");
    }
}

/* holds: POP-UPD-7 S */
static void who_may_delete_nothing_fetches_and_leaves_it(void **state) {
    (void)state;
    h.config.expire = 0;
    h.config.mechanisms = "ANONYMOUS";
    start_and_skip_greeting();
    host_say(&h, "AUTH ANONYMOUS =\r\n");
    assert_string_equal(end_of("RETR 1\r\nQUIT\r\n"), "");
    assert_int_equal(h.closed.outcome, POPLIN_COMMITTED);
}

/* What another session has deleted is not deleted again, fetched or not. */
static void what_is_gone_is_left_out(void **state) {
    const poplin_slice gone = SLICE("one");

    (void)state;
    start_with(0);
    host_say(&h, "RETR 1\r\nRETR 2\r\n");
    assert_int_equal(poplin_session_gone(h.session, &gone, 1), POPLIN_OK);
    assert_string_equal(end_of("QUIT\r\n"), "COMMIT 1");
}

static void a_host_can_tell_marks_from_the_rest(void **state) {
    (void)state;
    start_with(0);
    host_say(&h, "RETR 1\r\nDELE 2\r\n");
    assert_false(poplin_session_is_marked(h.session, 0));
    assert_true(poplin_session_is_marked(h.session, 1));
    assert_false(poplin_session_is_marked(h.session, 2));
}

/* ---- what is the user's own ---- */

/* The lines of CAPA that tell of delays and of how long mail stays: "LOGIN-DELAY 9|EXPIRE 7". */
static const char *told(void) {
    static char lines[128];
    char text[1024];

    host_heard(&h);
    host_say(&h, "CAPA\r\n");
    copy_text(text, sizeof text, host_heard(&h));
    lines[0] = '\0';
    for (char *line = strtok(text, "\r\n"); line != NULL; line = strtok(NULL, "\r\n"))
        if (strncmp(line, "LOGIN-DELAY", 11) == 0 || strncmp(line, "EXPIRE", 6) == 0)
            snprintf(lines + strlen(lines), sizeof lines - strlen(lines), "%s%s", *lines != '\0' ? "|" : "", line);
    return lines;
}

static void start_varied(uint32_t login_delay, uint32_t expire) {
    begin_again();
    h.config.login_delay = login_delay;
    h.config.expire = expire;
    h.config.login_delay_by_user = login_delay > 0;
    h.config.expire_by_user = expire != POPLIN_EXPIRE_UNSAID;
    start_and_skip_greeting();
}

/* holds: POP-EXP-1 S, POP-DLY-1 S */
static void the_worst_is_told_before_the_login_and_the_own_after_it(void **state) {
    static const struct {
        poplin_user_terms terms;
        const char *after;
    } rows[] = {
        {{.own_login_delay = true, .login_delay = 5, .own_expire = true, .expire = 31}, "LOGIN-DELAY 5|EXPIRE 31"},
        {{.own_login_delay = true, .login_delay = 0, .own_expire = true, .expire = 0}, "LOGIN-DELAY 0|EXPIRE 0"},
        {{.own_login_delay = true, .login_delay = 60}, "LOGIN-DELAY 60|EXPIRE 0"},
        {{.own_expire = true, .expire = POPLIN_EXPIRE_NEVER}, "LOGIN-DELAY 60|EXPIRE NEVER"},
        {{.login_delay = 1, .expire = 1}, "LOGIN-DELAY 60|EXPIRE 0"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        start_varied(60, 0);
        h.terms = rows[i].terms;
        assert_string_equal(told(), "LOGIN-DELAY 60 USER|EXPIRE 0 USER");
        host_say(&h, LOGIN);
        assert_string_equal(told(), rows[i].after);
    }
    start_varied(0, POPLIN_EXPIRE_NEVER);
    assert_string_equal(told(), "EXPIRE NEVER USER");
}

/* holds: POP-UPD-7 S, POP-EXP-1 S */
static void mail_goes_by_the_users_own(void **state) {
    (void)state;
    start_varied(0, 0);
    h.terms = (poplin_user_terms){.own_expire = true, .expire = 7};
    assert_string_equal(end_of(LOGIN "RETR 1\r\nQUIT\r\n"), "");
    start_varied(0, 0);
    h.terms = (poplin_user_terms){.own_expire = true, .expire = 0};
    assert_string_equal(end_of(LOGIN "RETR 1\r\nQUIT\r\n"), "COMMIT 0");
}

/* holds: POP-EXP-1 S, POP-DLY-1 S */
static void what_was_told_before_the_login_is_kept_to(void **state) {
    static const poplin_user_terms too_bad[] = {
        {.own_login_delay = true, .login_delay = 61},
        {.own_expire = true, .expire = 6},
        {.own_expire = true, .expire = 0},
        {.own_expire = true, .expire = POPLIN_EXPIRE_UNSAID},
        {.own_login_delay = true, .login_delay = 5, .own_expire = true, .expire = 6},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(too_bad); i++) {
        start_varied(60, 7);
        h.terms = too_bad[i];
        h.terms_status = POPLIN_ERR_LIMIT;
        host_say(&h, LOGIN);
        assert_string_equal(told(), "LOGIN-DELAY 60|EXPIRE 7"); /* nothing of it was taken */
    }
}

static void where_users_do_not_differ_nothing_else_is_taken(void **state) {
    static const struct {
        poplin_user_terms terms;
        int status;
    } rows[] = {
        {{.own_login_delay = true, .login_delay = 60, .own_expire = true, .expire = 7}, POPLIN_OK},
        {{.own_login_delay = true, .login_delay = 5}, POPLIN_ERR_LIMIT},
        {{.own_expire = true, .expire = 8}, POPLIN_ERR_LIMIT},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin_again();
        h.config.login_delay = 60;
        h.config.expire = 7;
        h.terms = rows[i].terms;
        h.terms_status = rows[i].status;
        start_and_skip_greeting();
        assert_string_equal(told(), "LOGIN-DELAY 60|EXPIRE 7");
        host_say(&h, LOGIN);
        assert_string_equal(told(), "LOGIN-DELAY 60|EXPIRE 7");
    }
}

/* A login that comes to nothing leaves nothing behind for the next one. */
static void the_next_login_begins_anew(void **state) {
    const poplin_user_terms terms = {.own_expire = true, .expire = 31};
    const poplin_listing twice[] = {{SLICE("a"), 1, false}, {SLICE("a"), 1, false}};

    (void)state;
    start_varied(0, 7);
    h.no_answer = true;
    host_say(&h, LOGIN);
    assert_int_equal(poplin_session_terms(h.session, h.asked.question, &terms), POPLIN_ERR_STATE); /* CHECK is asked */
    assert_int_equal(poplin_session_accept(h.session, h.asked.question), POPLIN_OK);
    host_pump(&h);
    assert_int_equal(poplin_session_terms(h.session, h.asked.question, &terms), POPLIN_OK);
    assert_int_equal(poplin_session_open(h.session, h.asked.question, twice, 2, NULL), POPLIN_ERR_PROTOCOL);
    assert_int_equal(poplin_session_terms(h.session, h.asked.question, &terms), POPLIN_ERR_STATE);
    host_pump(&h);
    h.no_answer = false;
    host_say(&h, LOGIN);
    assert_string_equal(told(), "EXPIRE 7");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SESSION_TEST(what_was_fetched_goes_at_quit),
        SESSION_TEST(rset_takes_no_fetching_back),
        SESSION_TEST(only_whole_messages_of_retr_count),
        SESSION_TEST(a_session_that_ends_otherwise_deletes_nothing),
        SESSION_TEST(more_days_leave_it_to_the_maildrop),
        SESSION_TEST(who_may_delete_nothing_fetches_and_leaves_it),
        SESSION_TEST(what_is_gone_is_left_out),
        SESSION_TEST(a_host_can_tell_marks_from_the_rest),
        SESSION_TEST(the_worst_is_told_before_the_login_and_the_own_after_it),
        SESSION_TEST(mail_goes_by_the_users_own),
        SESSION_TEST(what_was_told_before_the_login_is_kept_to),
        SESSION_TEST(where_users_do_not_differ_nothing_else_is_taken),
        SESSION_TEST(the_next_login_begins_anew),
    };

    return cmocka_run_group_tests_name("session expire", tests, NULL, NULL);
}
