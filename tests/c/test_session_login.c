/* test_session_login.c - how a client gets into a session: greeting, USER and PASS, AUTH, STLS. */
#include "session_host.h"

#include "wire/base64.h"

/* ---- greeting and login ---- */

/* holds: POP-GRT-1 S, POP-GRT-6 S, POP-RESP-3 S */
static void greeting_is_one_positive_line(void **state) {
    (void)state;
    h.config.greeting = "[IN-USE] hello\r\n+OK forged \x1b";
    host_start(&h);
    assert_int_equal(host_pump(&h), POPLIN_NEED_INPUT);
    assert_string_equal(host_heard(&h), "+OK (IN-USE] hello\r\n");
    assert_int_equal(poplin_session_phase(h.session), POPLIN_AUTHORIZATION);
    expect(&h, "STAT\r\n", "-ERR log in first\r\n");
}

/* holds: POP-ST-1 S, POP-ST-4 S, POP-PASS-1 S */
static void user_and_pass_open_the_maildrop(void **state) {
    (void)state;
    start_and_skip_greeting();
    expect(&h, "user alice\r\n", "+OK send PASS\r\n");
    expect(&h, "Pass secret\r\n", "+OK 2 messages\r\n");
    assert_string_equal(host_events(&h), "CHECK alice secret USER\nMAILDROP alice\n");
    assert_int_equal(poplin_session_phase(h.session), POPLIN_TRANSACTION);
    assert_int_equal(poplin_session_commands(h.session), 2);
}

/* holds: POP-PASS-2 S, T-RES-5 S, T-USR-2 S */
static void password_and_name_are_plain_data(void **state) {
    (void)state;
    start_and_skip_greeting();
    host_say(&h, "USER %s%n$(x)../'\r\nPASS   two %s  words \r\n");
    assert_string_equal(host_events(&h), "CHECK %s%n$(x)../'   two %s  words  USER\nMAILDROP %s%n$(x)../'\n");
}

/* holds: POP-USER-1 S, POP-USER-5 S, POP-PASS-1 S */
static void pass_goes_right_behind_user(void **state) {
    (void)state;
    start_and_skip_greeting();
    expect(&h, "PASS secret\r\n", "-ERR PASS goes right behind USER\r\n");
    host_say(&h, "USER alice\r\nCAPA\r\n");
    host_heard(&h);
    expect(&h, "PASS secret\r\n", "-ERR PASS goes right behind USER\r\n");
    expect(&h, "USER alice\r\nWHAT\r\nPASS secret\r\n",
           "+OK send PASS\r\n-ERR unknown command\r\n-ERR PASS goes right behind USER\r\n");
    assert_string_equal(host_events(&h), "");
    expect(&h, "USER bob\r\nUSER alice\r\nPASS secret\r\n", "+OK send PASS\r\n+OK send PASS\r\n+OK 2 messages\r\n");
    assert_string_equal(host_events(&h), "CHECK alice secret USER\nMAILDROP alice\n");
}

/* holds: POP-USER-2 S, POP-RESP-8 S, POP-PASS-4 S */
static void refused_login_says_why_and_goes_back(void **state) {
    (void)state;
    start_and_skip_greeting();
    h.check_status = POPLIN_ERR_AUTH;
    expect(&h, "USER nobody\r\nPASS x\r\n", "+OK send PASS\r\n-ERR [AUTH] name or password not accepted\r\n");
    assert_int_equal(poplin_session_phase(h.session), POPLIN_AUTHORIZATION);
    expect(&h, "PASS x\r\n", "-ERR PASS goes right behind USER\r\n");
    h.check_status = POPLIN_OK;
    h.maildrop_status = POPLIN_ERR_IN_USE;
    expect(&h, "USER alice\r\nPASS x\r\n",
           "+OK send PASS\r\n-ERR [IN-USE] the maildrop is in use by another session\r\n");
    h.maildrop_status = POPLIN_OK;
    expect(&h, "USER alice\r\nPASS x\r\n", "+OK send PASS\r\n+OK 2 messages\r\n");
}

/* holds: POP-RESP-6 S, POP-RESP-5 S */
static void refusal_of_a_login_carries_the_code_that_fits(void **state) {
    const struct {
        int status;
        const char *words, *heard;
    } rows[] = {
        {POPLIN_ERR_TEMPORARY, NULL, "-ERR [SYS/TEMP] not possible just now\r\n"},
        {POPLIN_ERR_IO, "disk", "-ERR [SYS/TEMP] disk\r\n"},
        {POPLIN_ERR_REFUSED, "", "-ERR [SYS/PERM] refused\r\n"},
        {POPLIN_ERR_AUTH, "no %s such\tone", "-ERR [AUTH] no %s such?one\r\n"},
        {POPLIN_ERR_IN_USE, "[busy]\r\n+OK", "-ERR [IN-USE] (busy]\r\n"},
    };

    (void)state;
    h.config.max_failed_logins = COUNT_OF(rows) + 1;
    start_and_skip_greeting();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        h.check_status = rows[i].status;
        h.words = rows[i].words;
        host_say(&h, "USER alice\r\n");
        host_heard(&h);
        expect(&h, "PASS secret\r\n", rows[i].heard);
    }
}

/* holds: POP-USER-6 S, POP-AUTH-21 S, POP-TLS-17 S */
static void no_password_is_looked_at_on_a_bare_link(void **state) {
    (void)state;
    h.config.link_protected = false;
    start_and_skip_greeting();
    expect(&h, "CAPA\r\n",
           "+OK capabilities follow\r\nTOP\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nUIDL\r\n"
           "IMPLEMENTATION poplin\r\n.\r\n");
    expect(&h, "USER alice\r\nPASS secret\r\nAUTH PLAIN AGEAYg==\r\nAUTH PLAIN\r\n",
           "-ERR not offered here\r\n-ERR not offered here\r\n-ERR not offered here\r\n-ERR not offered here\r\n");
    assert_string_equal(host_events(&h), "");
}

/* holds: T-RES-8 S */
static void nobody_is_anonymous_unasked(void **state) {
    (void)state;
    start_and_skip_greeting();
    host_say(&h, "CAPA\r\n");
    assert_null(strstr(host_heard(&h), "ANONYMOUS"));
    expect(&h, "AUTH ANONYMOUS c2lyaGM=\r\nSTAT\r\n", "-ERR unknown mechanism\r\n-ERR log in first\r\n");
    assert_string_equal(host_events(&h), "");
}

/* holds: POP-TLS-1 S, POP-TLS-17 S */
static void implicit_tls_permits_passwords(void **state) {
    const poplin_tls_facts facts = {0};

    (void)state;
    h.config.link_protected = false;
    h.config.stls = true;
    host_start(&h);
    assert_int_equal(poplin_session_tls(h.session, &facts), POPLIN_OK);
    assert_int_equal(poplin_session_tls(h.session, &facts), POPLIN_ERR_STATE);
    host_pump(&h);
    host_heard(&h);
    expect(&h, "STLS\r\n", "-ERR TLS is active already\r\n");
    host_say(&h, "CAPA\r\n");
    assert_null(strstr(host_heard(&h), "STLS"));
    expect(&h, "USER alice\r\nPASS secret\r\n", "+OK send PASS\r\n+OK 2 messages\r\n");
}

/* holds: POP-USER-6 S, POP-AUTH-21 S */
static void owner_may_allow_cleartext_or_forbid_a_method(void **state) {
    (void)state;
    h.config.link_protected = false;
    h.config.allow_cleartext = true;
    h.config.mechanisms = "PLAIN";
    start_and_skip_greeting();
    host_say(&h, "CAPA\r\n");
    const char *capabilities = host_heard(&h);

    assert_null(strstr(capabilities, "USER\r\n"));
    assert_non_null(strstr(capabilities, "SASL PLAIN\r\n"));
    expect(&h, "USER alice\r\n", "-ERR not offered here\r\n");
    expect(&h, "AUTH PLAIN AGEAYg==\r\n", "+OK 2 messages\r\n");
}

/* holds: POP-CAPA-1 S, POP-CAPA-4 S, POP-CAPA-5 S */
static void capa_in_both_states(void **state) {
    static const char common[] =
        "+OK capabilities follow\r\nTOP\r\nUSER\r\nSASL PLAIN\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n"
        "PIPELINING\r\nUIDL\r\nIMPLEMENTATION poplin\r\n%s.\r\n";
    char expected[512];

    (void)state;
    h.config.stls = true;
    start_and_skip_greeting();
    snprintf(expected, sizeof expected, common, "STLS\r\n");
    expect(&h, "CAPA\r\n", expected);
    host_say(&h, "AUTH PLAIN AGEAYg==\r\n");
    host_heard(&h);
    snprintf(expected, sizeof expected, common, "");
    expect(&h, "capa\r\n", expected);
    expect(&h, "CAPA x\r\n", "-ERR wrong arguments\r\n");
}

/* ---- AUTH ---- */

/* holds: POP-AUTH-5 S, POP-AUTH-8 S, POP-AUTH-18 S */
static void auth_plain_with_and_without_initial_response(void **state) {
    (void)state;
    start_and_skip_greeting();
    h.check_status = POPLIN_ERR_AUTH;
    expect(&h, "AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n", "-ERR [AUTH] name or password not accepted\r\n");
    h.check_status = POPLIN_OK;
    expect(&h, "auth plain\r\n", "+ \r\n");
    expect(&h, "dGVzdAB0ZXN0AHRlc3Q=\r\n", "+OK 2 messages\r\n");
    assert_string_equal(host_events(&h), "CHECK tim tanstaaftanstaaf PLAIN\nCHECK test test PLAIN\nMAILDROP test\n");
    expect(&h, "AUTH PLAIN\r\n", "-ERR already logged in\r\n");
}

/* holds: POP-AUTH-12 S, POP-AUTH-14 S, T-SASL-9 S */
static void auth_can_be_cancelled_and_begun_again(void **state) {
    (void)state;
    start_and_skip_greeting();
    expect(&h, "AUTH PLAIN\r\n*\r\n", "+ \r\n-ERR cancelled\r\n");
    expect(&h, "AUTH PLAIN\r\nQUIT\r\n", "+ \r\n-ERR malformed PLAIN message\r\n");
    expect(&h, "AUTH PLAIN\r\nAUTH PLAIN\r\n", "+ \r\n-ERR malformed PLAIN message\r\n");
    assert_int_equal(poplin_session_phase(h.session), POPLIN_AUTHORIZATION);
    expect(&h, "USER alice\r\nPASS secret\r\n", "+OK send PASS\r\n+OK 2 messages\r\n");
}

/* holds: POP-AUTH-3 S, POP-AUTH-25 S, T-SASL-2 S */
static void auth_of_what_is_not_offered(void **state) {
    (void)state;
    start_and_skip_greeting();
    expect(&h, "AUTH\r\n", "-ERR wrong arguments\r\n");
    expect(&h, "AUTH CRAM-MD5 AAAA\r\n", "-ERR unknown mechanism\r\n");
    expect(&h, "AUTH LOGIN dGlt\r\n", "-ERR unknown mechanism\r\n");
    expect(&h, "AUTH ABCDEFGHIJKLMNOPQRSTU\r\n", "-ERR wrong arguments\r\n");
    expect(&h, "AUTH PLAIN AAAA AAAA\r\n", "-ERR wrong arguments\r\n");
    assert_string_equal(host_events(&h), "");
}

/* holds: T-SASL-3 S, T-SASL-4 S, T-PLN-1 S */
static void malformed_plain_is_refused_unseen(void **state) {
    static const char *const rows[] = {"",     "=",    "=AAA",     "AAA",      "AA AA",    "AAAA=", "QR==",
                                       "AAAA", "AAA=", "YQBiAA==", "AABiYg==", "AGEAYgBj", "*x",    "+OK"};
    char line[64];

    (void)state;
    h.config.max_failed_logins = 1000;
    start_and_skip_greeting();
    expect(&h, "AUTH PLAIN =\r\n", "-ERR malformed PLAIN message\r\n");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        snprintf(line, sizeof line, "AUTH PLAIN\r\n%s\r\n", rows[i]);
        expect(&h, line, "+ \r\n-ERR malformed PLAIN message\r\n");
    }
    host_feed(&h, "AUTH PLAIN\r\nAA\0A\r\n", 18);
    assert_string_equal(host_heard(&h), "+ \r\n-ERR malformed PLAIN message\r\n");
    expect(&h, "AUTH PLAIN VXJzZWwAS3VydAB4aXBqM3BsbXE=\r\n", "-ERR [AUTH] name or password not accepted\r\n");
    assert_string_equal(host_events(&h), "");
    expect(&h, "AUTH PLAIN AGEAYg==\r\n", "+OK 2 messages\r\n");
}

/* holds: T-SASL-5 S, POP-AUTH-7 S, POP-AUTH-15 S */
static void sasl_lines_are_taken_up_to_their_own_limit(void **state) {
    (void)state;
    h.config.max_failed_logins = 1000;
    start_and_skip_greeting();
    for (size_t size = 255; size <= 12288; size += size == 256 ? 12032 : size == 255 ? 1 : 12288) {
        say_line_of(size, "AUTH PLAIN ", 'A');
        assert_string_equal(host_heard(&h), "-ERR malformed PLAIN message\r\n");
        host_say(&h, "AUTH PLAIN\r\n");
        say_line_of(size, "", 'A');
        assert_string_equal(host_heard(&h), "+ \r\n-ERR malformed PLAIN message\r\n");
    }
    say_line_of(12289, "AUTH PLAIN ", 'A');
    assert_string_equal(host_heard(&h), "-ERR line too long\r\n");
    host_say(&h, "AUTH PLAIN\r\n");
    say_line_of(12289, "", 'A');
    assert_string_equal(host_heard(&h), "+ \r\n-ERR line too long\r\n");
    assert_string_equal(host_events(&h), "CLOSED 4 LIMIT\n");
}

/* holds: SASL-PLAIN-2 S, POP-AUTH-15 S */
static void longest_plain_fields_fit(void **state) {
    char message[3 * 255 + 2];
    poplin_buffer text = {0};

    (void)state;
    memset(message, 'a', sizeof message);
    message[255] = message[511] = '\0';
    assert_int_equal(poplin_base64_encode((poplin_slice){message, sizeof message}, &text), POPLIN_OK);
    assert_int_equal(poplin_buffer_append(&text, "\r\n", 2), POPLIN_OK);
    start_and_skip_greeting();
    host_say(&h, "AUTH PLAIN\r\n");
    host_feed(&h, poplin_buffer_slice(&text).data, text.size);
    assert_string_equal(host_heard(&h), "+ \r\n+OK 2 messages\r\n");
    poplin_buffer_free(&text);
}

/* ---- STLS ---- */

/* holds: POP-STLS-1 S, POP-STLS-2 S, POP-STLS-5 S */
static void stls_starts_tls_and_forgets(void **state) {
    const poplin_tls_facts facts = {0};

    (void)state;
    h.config.link_protected = false;
    h.config.stls = true;
    start_and_skip_greeting();
    expect(&h, "USER alice\r\n", "-ERR no passwords without TLS: use STLS first\r\n");
    assert_int_equal(poplin_session_input(h.session, "STLS\r\n", 6), POPLIN_OK);
    assert_int_equal(host_pump(&h), POPLIN_WAITING);
    assert_string_equal(host_heard(&h), "+OK begin TLS\r\n");
    assert_string_equal(host_events(&h), "START_TLS\n");
    assert_int_equal(poplin_session_tls(h.session, &facts), POPLIN_OK);
    assert_int_equal(poplin_session_phase(h.session), POPLIN_AUTHORIZATION);
    expect(&h, "PASS secret\r\n", "-ERR PASS goes right behind USER\r\n");
    expect(&h, "STLS\r\n", "-ERR TLS is active already\r\n");
    expect(&h, "USER alice\r\nPASS secret\r\n", "+OK send PASS\r\n+OK 2 messages\r\n");
}

/* holds: T-STLS-11 S, POP-STLS-5 S */
static void stls_clears_the_pending_user(void **state) {
    const poplin_tls_facts facts = {0};

    (void)state;
    h.config.stls = true;
    start_and_skip_greeting();
    host_say(&h, "USER mallory\r\nSTLS\r\n");
    assert_int_equal(poplin_session_tls(h.session, &facts), POPLIN_OK);
    host_heard(&h);
    host_events(&h);
    expect(&h, "PASS secret\r\n", "-ERR PASS goes right behind USER\r\n");
    assert_string_equal(host_events(&h), "");
    expect(&h, "USER a\r\nPASS b\r\nSTLS\r\n", "+OK send PASS\r\n+OK 2 messages\r\n-ERR already logged in\r\n");
}

/* holds: T-STLS-18 S, POP-STLS-10 S */
static void stls_that_cannot_be(void **state) {
    (void)state;
    start_and_skip_greeting();
    expect(&h, "STLS\r\n", "-ERR no TLS here\r\n");
    expect(&h, "STLS x\r\n", "-ERR wrong arguments\r\n");
    expect(&h, "USER alice\r\nPASS secret\r\n", "+OK send PASS\r\n+OK 2 messages\r\n");
}

/* holds: T-STLS-1 S, T-STLS-3 S, POP-STLS-3 S */
static void octets_behind_stls_end_the_session(void **state) {
    static const char *const rows[] = {"USER x\r\nPASS y\r\n", "\x16\x03\x01", "\r\n", "Q"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[64];

        host_init(&h);
        h.config.stls = true;
        start_and_skip_greeting();
        snprintf(text, sizeof text, "STLS\r\n%s", rows[i]);
        expect(&h, text, "-ERR nothing may follow STLS before TLS stands\r\n");
        assert_string_equal(host_events(&h), "CLOSED 4 PROTOCOL\n");
        assert_int_equal(poplin_session_tls(h.session, NULL), POPLIN_ERR_STATE);
        assert_int_equal(poplin_session_input(h.session, "NOOP\r\n", 6), POPLIN_ERR_STATE);
        if (i + 1 < COUNT_OF(rows))
            host_free(&h);
    }
}

/* holds: T-STLS-2 S, POP-STLS-3 S */
static void octets_before_tls_stands_end_the_session(void **state) {
    const poplin_tls_facts facts = {0};

    (void)state;
    h.config.stls = true;
    start_and_skip_greeting();
    host_say(&h, "ST");
    expect(&h, "LS\r\n", "+OK begin TLS\r\n");
    expect(&h, "U", "");
    assert_string_equal(host_events(&h), "START_TLS\nCLOSED 4 PROTOCOL\n");
    host_free(&h);

    host_init(&h);
    h.config.stls = true;
    start_and_skip_greeting();
    host_say(&h, "STLS\r\n");
    assert_int_equal(poplin_session_input(h.session, "USER x\r\n", 8), POPLIN_OK);
    assert_int_equal(poplin_session_tls(h.session, &facts), POPLIN_ERR_STATE);
    host_pump(&h);
    assert_string_equal(host_events(&h), "START_TLS\nCLOSED 4 PROTOCOL\n");
}

/* holds: POP-STLS-7 S */
static void eof_in_the_handshake(void **state) {
    (void)state;
    h.config.stls = true;
    start_and_skip_greeting();
    host_say(&h, "STLS\r\n");
    host_eof(&h);
    assert_string_equal(host_events(&h), "START_TLS\nCLOSED 2 -\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SESSION_TEST(greeting_is_one_positive_line),
        SESSION_TEST(user_and_pass_open_the_maildrop),
        SESSION_TEST(password_and_name_are_plain_data),
        SESSION_TEST(pass_goes_right_behind_user),
        SESSION_TEST(refused_login_says_why_and_goes_back),
        SESSION_TEST(refusal_of_a_login_carries_the_code_that_fits),
        SESSION_TEST(no_password_is_looked_at_on_a_bare_link),
        SESSION_TEST(nobody_is_anonymous_unasked),
        SESSION_TEST(implicit_tls_permits_passwords),
        SESSION_TEST(owner_may_allow_cleartext_or_forbid_a_method),
        SESSION_TEST(capa_in_both_states),
        SESSION_TEST(auth_plain_with_and_without_initial_response),
        SESSION_TEST(auth_can_be_cancelled_and_begun_again),
        SESSION_TEST(auth_of_what_is_not_offered),
        SESSION_TEST(malformed_plain_is_refused_unseen),
        SESSION_TEST(sasl_lines_are_taken_up_to_their_own_limit),
        SESSION_TEST(longest_plain_fields_fit),
        SESSION_TEST(stls_starts_tls_and_forgets),
        SESSION_TEST(stls_clears_the_pending_user),
        SESSION_TEST(stls_that_cannot_be),
        SESSION_TEST(octets_behind_stls_end_the_session),
        SESSION_TEST(octets_before_tls_stands_end_the_session),
        SESSION_TEST(eof_in_the_handshake),
    };

    return cmocka_run_group_tests_name("session login", tests, NULL, NULL);
}
