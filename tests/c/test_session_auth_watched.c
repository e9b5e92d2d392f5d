/*
 * test_session_auth_watched.c - logins of a watched session: each line is told with its secret masked, and may be left undone or
 * replaced in the middle of an exchange.
 */
#include "session_auth.h"

static const char *chosen; /* the form of a line, as shown, that the host acts on */
static const char *other;  /* what is carried out instead; NULL: nothing */
static size_t times;       /* that it still does so */

static void interfere(struct host *host, const poplin_session_line *line) {
    if (chosen == NULL || times == 0 || strcmp(line->shown, chosen) != 0)
        return;
    times--;
    if (other == NULL)
        assert_int_equal(poplin_session_skip(host->session), POPLIN_OK);
    else
        assert_int_equal(poplin_session_substitute(host->session, (poplin_slice){other, strlen(other)}), POPLIN_OK);
}

static void start_watched(const char *line, const char *instead) {
    begin_again();
    h.config.watched = true;
    h.config.max_failed_logins = h.config.max_bad_commands = 100;
    h.heed = interfere;
    chosen = line;
    other = instead;
    times = 1;
    h.config.asks = POPLIN_ASK_SECRET | POPLIN_ASK_TOKEN;
    h.config.mechanisms = "USER APOP SCRAM-SHA-256 OAUTHBEARER XOAUTH2 PLAIN LOGIN CRAM-MD5 ANONYMOUS";
    start_and_skip_greeting();
    host_talk(&h);
}

static void expect_talk(const char *said, const char *talk) {
    host_say(&h, said);
    assert_string_equal(host_talk(&h), talk);
}

#define BEARER "bixhPWFsaWNlLAFhdXRoPUJlYXJlciB4AQE="
#define JSON "eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0="

/* holds: T-SEC-1 S, POP-AUTH-5 S */
static void secrets_of_every_way_are_masked(void **state) {
    (void)state;
    start_watched(NULL, NULL);
    h.check_status = POPLIN_ERR_AUTH;
    expect_talk("AUTH LOGIN\r\ndGlt\r\nc2VjcmV0\r\n",
                "C: AUTH 0: AUTH LOGIN\r\nS: + VXNlcm5hbWU6\r\nC: AUTH 0 response secret: ****\r\n"
                "S: + UGFzc3dvcmQ6\r\nC: AUTH 0 response secret: ****\r\nS: " WRONG);
    expect_talk("auth oauthbearer " BEARER "\r\nAQ==\r\n",
                "C: AUTH 0 initial secret: auth oauthbearer ****\r\nS: + " JSON "\r\n"
                "C: AUTH 0 response secret: ****\r\nS: " WRONG);
    expect_talk("AUTH OAUTHBEARER\r\n" BEARER "\r\n*\r\n",
                "C: AUTH 0: AUTH OAUTHBEARER\r\nS: + \r\nC: AUTH 0 response secret: ****\r\nS: + " JSON "\r\n"
                "C: AUTH 0 response: *\r\nS: " WRONG);
    expect_talk("APOP alice c4c9334bac560ecc979e58001b3e22fb\r\n", "C: APOP 0 secret: APOP alice ****\r\nS: " WRONG);
    expect_talk("APOP alice secret\r\n", "C: APOP 0 secret: APOP ****\r\nS: -ERR APOP takes a name and a digest of 32 "
                                         "lower-case hex digits\r\n");
    expect_talk("AUTH ANONYMOUS =\r\n", "C: AUTH 0 initial: AUTH ANONYMOUS =\r\nS: " WELCOME);
}

/* holds: T-BRU-1 S, POP-PIPE-1 S */
static void reply_is_told_when_the_client_may_hear_it(void **state) {
    (void)state;
    begin_again();
    h.config.watched = h.config.delays = true;
    h.check_status = POPLIN_ERR_AUTH;
    h.holds_delays = true;
    host_start(&h);
    host_say(&h, "AUTH PLAIN AGEAYg==\r\nNOOP\r\n");
    assert_string_equal(host_talk(&h), "S: +OK poplin ready\r\nC: AUTH 0 initial secret: AUTH PLAIN ****\r\n");
    answer(&h);
    host_pump(&h);
    assert_string_equal(host_talk(&h), "S: " WRONG "C: NOOP 0: NOOP\r\nS: -ERR log in first\r\n");
}

/* A line that is left undone ends the exchange that it belongs to, wherever that is. */
static void skipped_response_ends_the_exchange(void **state) {
    static const char *const said[] = {
        "AUTH LOGIN\r\ndGlt\r\n",
        "AUTH CRAM-MD5\r\ndGlt\r\n",
        "AUTH SCRAM-SHA-256\r\nbiwsbj1hbGljZSxyPWFiYw==\r\n",
        "AUTH SCRAM-SHA-256 biwsbj1hbGljZSxyPWFiYw==\r\nYz1iaXdz\r\n",
        "AUTH XOAUTH2\r\ndXNlcj1hbGljZQFhdXRoPUJlYXJlciB4AQE=\r\n",
        "AUTH XOAUTH2 dXNlcj1hbGljZQFhdXRoPQEB\r\neA==\r\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(said); i++) {
        start_watched("****", NULL);
        host_say(&h, said[i]);
        assert_int_equal(times, 0);
        assert_null(strstr(host_events(&h), "MAILDROP"));
        host_heard(&h);
        expect(&h, "c2VjcmV0\r\n", "-ERR unknown command\r\n");
        expect(&h, "USER alice\r\nPASS secret\r\n", "+OK send PASS\r\n" WELCOME);
    }
}

/* holds: T-API-6 S */
static void other_response_is_carried_out_instead(void **state) {
    (void)state;
    start_watched("****", "Ym9i"); /* bob */
    expect(&h, "AUTH LOGIN\r\nYWxpY2U=\r\nc2VjcmV0\r\n", "+ VXNlcm5hbWU6\r\n+ UGFzc3dvcmQ6\r\n" WELCOME);
    assert_string_equal(host_events(&h), "SECRET bob LOGIN\nMAILDROP bob\n");
    start_watched("****", "*");
    expect(&h, "AUTH XOAUTH2\r\n" BEARER "\r\n", "+ \r\n-ERR cancelled\r\n");
    start_watched("****", "");
    expect(&h, "AUTH ANONYMOUS\r\neA==\r\n", "+ \r\n" WELCOME);
    start_watched("AUTH LOGIN", "AUTH ANONYMOUS =");
    expect(&h, "AUTH LOGIN\r\n", WELCOME);
    start_watched("NOOP", "APOP alice c4c9334bac560ecc979e58001b3e22fb");
    expect(&h, "NOOP\r\n", WRONG);
}

/* A login by SCRAM, of which each line is told, and let be. */
static void watched_login_is_a_login(void **state) {
    const poplin_sasl_client_config config = alice();

    (void)state;
    start_watched(NULL, NULL);
    assert_string_equal(authenticate(POPLIN_MECHANISM_SCRAM_SHA_256, &config, true), WELCOME);
    const char *talk = host_talk(&h);

    assert_null(strstr(talk, "c="));
    assert_non_null(strstr(talk, "C: AUTH 0 initial secret: AUTH SCRAM-SHA-256 ****\r\nS: + "));
    assert_non_null(strstr(talk, "C: AUTH 0 response: \r\nS: " WELCOME));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SESSION_TEST(secrets_of_every_way_are_masked),    SESSION_TEST(reply_is_told_when_the_client_may_hear_it),
        SESSION_TEST(skipped_response_ends_the_exchange), SESSION_TEST(other_response_is_carried_out_instead),
        SESSION_TEST(watched_login_is_a_login),
    };

    return cmocka_run_group_tests_name("session auth watched", tests, NULL, NULL);
}
