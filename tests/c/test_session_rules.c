/*
 * test_session_rules.c - rules of the protocol that belong to no single command: how commands are written and answered, what the
 * server says first, what it never says, and the words of other protocols' ages.
 */
#include "session_auth.h"

#define LOGIN "USER alice\r\nPASS secret\r\n"

/* holds: POP-GEN-2 S */
static void keywords_may_be_in_any_case_and_arguments_have_one_space(void **state) {
    static const char *const good[] = {"noop\r\n", "NoOp\r\n", "lIsT 1\r\n", "top 1 0\r\n", "uidl\r\n"};
    static const char *const bad[] = {"LIST  1\r\n", " LIST 1\r\n",  "LIST\t1\r\n",
                                      "LIST 1 \r\n", "TOP 1  0\r\n", "LIST1\r\n"};

    (void)state;
    h.config.max_bad_commands = 100;
    host_start_logged_in(&h);
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        host_say(&h, good[i]);
        assert_memory_equal(host_heard(&h), "+OK ", 4);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        host_say(&h, bad[i]);
        assert_memory_equal(host_heard(&h), "-ERR ", 5);
    }
}

/* Everything that a client can say, before and after the login. */
static const char *const lines[] = {
    "CAPA\r\n",
    "capa x\r\n",
    "USER alice\r\n",
    "PASS wrong\r\n",
    "APOP a b\r\n",
    "AUTH\r\n",
    "AUTH PLAIN AGEAYg==\r\n",
    "AUTH X\r\n",
    "STLS\r\n",
    "UTF8\r\n",
    "LANG\r\n",
    "LANG x\r\n",
    "STAT\r\n",
    "LIST\r\n",
    "LIST 1\r\n",
    "LIST 9\r\n",
    "UIDL\r\n",
    "UIDL 1\r\n",
    "UIDL 9\r\n",
    "RETR 1\r\n",
    "RETR 9\r\n",
    "TOP 1 0\r\n",
    "TOP 9 0\r\n",
    "DELE 1\r\n",
    "DELE 1\r\n",
    "NOOP\r\n",
    "RSET\r\n",
    "XTND\r\n",
    "\r\n",
    "\xFF\r\n",
    "QUIT\r\n",
};

/* holds: POP-GEN-7 S, POP-GEN-16 S */
static void every_reply_begins_with_one_of_two_words(void **state) {
    (void)state;
    for (int logged_in = 0; logged_in < 2; logged_in++) {
        begin_again();
        h.config.max_bad_commands = h.config.max_failed_logins = 100;
        h.check_status = POPLIN_ERR_AUTH;
        start_and_skip_greeting();
        if (logged_in > 0) {
            h.check_status = POPLIN_OK;
            expect(&h, LOGIN, "+OK send PASS\r\n" WELCOME);
        }
        for (size_t i = 0; i < COUNT_OF(lines); i++) {
            host_say(&h, lines[i]);
            const char *heard = host_heard(&h);

            assert_true(strncmp(heard, "+OK ", 4) == 0 || strncmp(heard, "-ERR ", 5) == 0);
            assert_memory_equal(heard + strlen(heard) - 2, "\r\n", 2);
        }
    }
}

/* holds: POP-OLD-1 S */
static void words_of_other_ages_are_unknown(void **state) {
    static const char *const old[] = {"LAST\r\n", "RPOP alice\r\n", "XTND XMIT\r\n", "XTND\r\n", "ETRN x\r\n"};

    (void)state;
    h.config.max_bad_commands = 100;
    start_and_skip_greeting();
    for (size_t i = 0; i < COUNT_OF(old); i++)
        expect(&h, old[i], "-ERR unknown command\r\n");
    expect(&h, LOGIN, "+OK send PASS\r\n" WELCOME);
    for (size_t i = 0; i < COUNT_OF(old); i++)
        expect(&h, old[i], "-ERR unknown command\r\n");
}

/* holds: POP-GRT-7 S, POP-GRT-6 S */
static void tls_is_followed_by_no_greeting(void **state) {
    static const poplin_tls_facts facts = {.verified = false};

    (void)state;
    h.config.stls = true;
    start_and_skip_greeting();
    expect(&h, "STLS\r\n", "+OK begin TLS\r\n");
    assert_int_equal(poplin_session_tls(h.session, &facts), POPLIN_OK);
    assert_int_equal(host_pump(&h), POPLIN_NEED_INPUT);
    assert_string_equal(host_heard(&h), "");
    assert_int_equal(poplin_session_phase(h.session), POPLIN_AUTHORIZATION);
    expect(&h, "NOOP\r\n", "-ERR log in first\r\n");
}

/* holds: POP-USER-3 S */
static void user_is_answered_without_a_code(void **state) {
    static const struct {
        int status;
        enum poplin_code code;
    } refusals[] = {{POPLIN_ERR_AUTH, POPLIN_CODE_AUTH}, {POPLIN_ERR_TEMPORARY, POPLIN_CODE_LOGIN_DELAY}};

    (void)state;
    h.config.max_failed_logins = 100;
    start_and_skip_greeting();
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        h.check_status = refusals[i].status;
        h.code = refusals[i].code;
        expect(&h, "USER nobody\r\n", "+OK send PASS\r\n"); /* whoever that is, and however often it failed */
        host_say(&h, "PASS x\r\n");
        assert_memory_equal(host_heard(&h), "-ERR [", 6);
    }
    expect(&h, "USER a b\r\n", "-ERR wrong arguments\r\n");
}

/* holds: POP-APOP-3 S */
static void apop_can_be_had_without_user(void **state) {
    (void)state;
    h.config.asks = POPLIN_ASK_SECRET;
    h.config.mechanisms = "APOP";
    start_and_skip_greeting();
    expect(&h, "USER alice\r\n", "-ERR not offered here\r\n");
    host_say(&h, "CAPA\r\n");
    assert_null(strstr(host_heard(&h), "USER"));
}

/* holds: POP-CAPA-8 S */
static void every_capability_is_a_registered_one(void **state) {
    static const char registered[] = " TOP USER SASL RESP-CODES LOGIN-DELAY PIPELINING EXPIRE UIDL IMPLEMENTATION STLS "
                                     "AUTH-RESP-CODE UTF8 LANG ";
    char text[1024], name[64];
    size_t count = 0;

    (void)state;
    h.config.stls = h.config.utf8 = true;
    h.config.languages = "de\n";
    h.config.expire = 1;
    h.config.login_delay = 1;
    start_and_skip_greeting();
    host_say(&h, "CAPA\r\n");
    copy_text(text, sizeof text, host_heard(&h));
    (void)strtok(text, "\r\n");
    for (const char *line; strcmp(line = strtok(NULL, "\r\n"), ".") != 0; count++) {
        snprintf(name, sizeof name, " %.*s ", (int)strcspn(line, " "), line);
        assert_non_null(strstr(registered, name));
    }
    assert_int_equal(count, 13); /* all there are */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SESSION_TEST(keywords_may_be_in_any_case_and_arguments_have_one_space),
        SESSION_TEST(every_reply_begins_with_one_of_two_words),
        SESSION_TEST(words_of_other_ages_are_unknown),
        SESSION_TEST(tls_is_followed_by_no_greeting),
        SESSION_TEST(user_is_answered_without_a_code),
        SESSION_TEST(apop_can_be_had_without_user),
        SESSION_TEST(every_capability_is_a_registered_one),
    };

    return cmocka_run_group_tests_name("session rules", tests, NULL, NULL);
}
