/*
 * test_server_delays.c - what a server makes clients wait for: the answer to a failed login, which comes the later the more often it
 * was wrong and holds up nobody else; and the next login of a user who was there a moment ago. On a clock that only the tests move.
 */
#include "still_clock.h"

#include "served.h"

#define MINUTES(n) ((uint64_t)(n)*60 * 1000)
#define GUESS "USER alice\r\nPASS wrong\r\n"

static void pass(struct served *served, uint64_t milliseconds) {
    raw_settle(served->loop);
    poplin_loop_advance(served->loop, milliseconds);
    raw_settle(served->loop);
}

/* What was guessed is told after so many milliseconds, and not before. */
static void expect_refusal_after(struct served *served, struct raw *raw, uint64_t milliseconds) {
    raw_expect(raw, "+OK send PASS");
    raw_expect_silence(raw);
    pass(served, milliseconds - 1);
    raw_expect_silence(raw);
    pass(served, 1);
    raw_expect(raw, "-ERR [AUTH]");
}

/* A connection from this address of the machine, greeted. */
static void dial_from(struct served *served, struct raw *raw, uint32_t host) {
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(host)};
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(poplin_server_port(served->server))};
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(descriptor, (struct sockaddr *)&own, sizeof own), 0);
    assert_int_equal(connect(descriptor, (struct sockaddr *)&server, sizeof server), 0);
    raw_init(raw, served->loop, descriptor);
    raw_expect(raw, "+OK");
}

static void dial(struct served *served, struct raw *raw) {
    dial_from(served, raw, INADDR_LOOPBACK);
}

/* The machine's own addresses count like any other. */
static void be_strict(struct served *served) {
    served->config.failed_login_ms = 1000;
    served->config.loopback_protected = false;
    served->config.session.allow_cleartext = true;
}

/* One that guesses once, and goes as soon as it has been told. */
static void guess_once(struct served *served, uint32_t host, uint64_t milliseconds) {
    struct raw raw;
    dial_from(served, &raw, host);
    raw_say(&raw, GUESS);
    expect_refusal_after(served, &raw, milliseconds);
    raw_close(&raw);
    served_until_sessions(served, 0);
}

/* ---- in one session ---- */

/* holds: T-BRU-1 S */
static void test_each_failure_is_told_later_than_the_last(void **state) {
    struct served *served = *state;
    static const uint64_t delays[] = {1000, 2000, 4000, 8000, 16000, 16000, 16000};
    struct raw raw;
    poplin_server_config_init(&served->config);
    served->config.session.max_failed_logins = COUNT_OF(delays) + 1;
    served_from_memory(served, 0);
    dial(served, &raw);
    for (size_t i = 0; i < COUNT_OF(delays); i++) {
        raw_say(&raw, GUESS);
        expect_refusal_after(served, &raw, delays[i]);
    }
    raw_say(&raw, "USER alice\r\nPASS secret\r\n"); /* what is right is told at once */
    raw_expect(&raw, "+OK");
    raw_expect(&raw, "+OK");
    raw_close(&raw);
}

/* holds: T-BRU-1 S */
static void test_others_are_served_meanwhile(void **state) {
    struct served *served = *state;
    struct raw guesser, raw;
    served->config.failed_login_ms = 1000;
    served_from_memory(served, 1);
    dial(served, &guesser);
    raw_say(&guesser, GUESS "NOOP\r\n");
    raw_expect(&guesser, "+OK send PASS");
    served_login(served, &raw);
    raw_say(&raw, "RETR 1\r\nQUIT\r\n");
    raw_expect(&raw, "+OK");
    assert_int_equal(raw_skip_lines(&raw), 1);
    raw_expect(&raw, "+OK");
    raw_expect_silence(&guesser); /* what it said behind its guess is not read yet either */
    pass(served, 1000);
    raw_expect(&guesser, "-ERR [AUTH]");
    raw_expect(&guesser, "-ERR log in first");
    raw_close(&raw);
    raw_close(&guesser);
}

/* holds: T-BRU-2 S */
static void test_a_thousand_pipelined_guesses(void **state) {
    struct served *served = *state;
    struct raw raw;
    unsigned checks = 0;
    served->config.failed_login_ms = 1000;
    served_by_questions(served);
    dial(served, &raw);
    for (int i = 0; i < 1000; i++)
        raw_say(&raw, GUESS);
    for (uint64_t delay = 1000; delay <= 4000; delay *= 2, checks++) {
        poplin_request check = served_question(served, POPLIN_QUESTION_CHECK);
        assert_int_equal(poplin_server_refuse(served->server, check, POPLIN_ERR_AUTH, NULL), POPLIN_OK);
        expect_refusal_after(served, &raw, delay);
    }
    raw_expect_closed(&raw);
    assert_int_equal(checks, 3);
    (void)poplin_questions_next(served->questions, &served->question);
    served_no_question(served);
    raw_close(&raw);
}

/* The backend answers at once, so that nothing but the delay stands between two guesses. */
static void test_pipelined_guesses_wait_for_each_other(void **state) {
    struct served *served = *state;
    struct raw raw;
    served->config.failed_login_ms = 1000;
    served_from_memory(served, 0);
    dial(served, &raw);
    raw_say(&raw, GUESS GUESS GUESS GUESS);
    for (uint64_t delay = 1000; delay <= 4000; delay *= 2)
        expect_refusal_after(served, &raw, delay);
    raw_expect_closed(&raw);
    raw_close(&raw);
}

static void test_failures_of_others_making_are_not_delayed(void **state) {
    struct served *served = *state;
    static const struct {
        int status;
        const char *reply;
    } rows[] = {{POPLIN_ERR_IN_USE, "-ERR [IN-USE]"}, {POPLIN_ERR_TEMPORARY, "-ERR [SYS/TEMP]"}};
    struct raw raw;
    served->config.failed_login_ms = 1000;
    served->config.session.max_failed_logins = 1;
    served_by_questions(served);
    dial(served, &raw);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        raw_say(&raw, "USER alice\r\nPASS secret\r\n");
        raw_expect(&raw, "+OK");
        (void)poplin_server_accept(served->server, served_question(served, POPLIN_QUESTION_CHECK));
        poplin_request open = served_question(served, POPLIN_QUESTION_MAILDROP);
        (void)poplin_server_refuse(served->server, open, rows[i].status, NULL);
        raw_expect(&raw, rows[i].reply);
    }
    served_no_question(served); /* nor is the owner told of a wrong password */
    raw_close(&raw);
}

static void test_a_second_answer_does_not_end_the_delay(void **state) {
    struct served *served = *state;
    struct raw raw;
    served->config.failed_login_ms = 1000;
    served_by_questions(served);
    dial(served, &raw);
    raw_say(&raw, GUESS);
    poplin_request check = served_question(served, POPLIN_QUESTION_CHECK);
    assert_int_equal(poplin_server_refuse(served->server, check, POPLIN_ERR_AUTH, NULL), POPLIN_OK);
    raw_settle(served->loop);
    assert_int_equal(poplin_server_refuse(served->server, check, POPLIN_ERR_AUTH, NULL), POPLIN_ERR_STATE);
    for (poplin_request guess = check; guess < check + ((poplin_request)4 << 20); guess += (poplin_request)1 << 20)
        assert_int_equal(poplin_server_refuse(served->server, guess, POPLIN_ERR_AUTH, NULL), POPLIN_ERR_STATE);
    expect_refusal_after(served, &raw, 1000);
    raw_close(&raw);
}

/* ---- a delay that ends otherwise ---- */

static void test_a_client_that_goes_is_kept_no_longer(void **state) {
    struct served *served = *state;
    struct raw raw;
    served->config.failed_login_ms = 1000;
    served_from_memory(served, 0);
    for (int i = 0; i < 2; i++) {
        dial(served, &raw);
        raw_say(&raw, GUESS);
        raw_expect(&raw, "+OK");
        raw_settle(served->loop);
        if (i == 0)
            raw_close(&raw);
        else
            raw_reset(&raw);
        raw_settle(served->loop);
        pass(served, 1000);
        assert_int_equal(poplin_server_sessions(served->server), 0);
    }
}

static void test_a_server_stops_during_a_delay(void **state) {
    struct served *served = *state;
    struct raw raw;
    served->config.failed_login_ms = 1000;
    served_from_memory(served, 0);
    dial(served, &raw);
    raw_say(&raw, GUESS);
    raw_expect(&raw, "+OK");
    raw_expect_silence(&raw);
    served_stop(served);
    raw_expect_closed(&raw); /* and is told nothing */
    raw_settle(served->loop);
    assert_int_equal(poplin_loop_timeout(served->loop), -1);
    raw_close(&raw);
}

/* The inactivity that ends a session is the client's own. */
static void test_autologout_does_not_run_meanwhile(void **state) {
    struct served *served = *state;
    struct raw raw;
    served->config.failed_login_ms = 1000;
    served->config.inactivity_ms = 500;
    served_from_memory(served, 0);
    dial(served, &raw);
    raw_say(&raw, GUESS);
    expect_refusal_after(served, &raw, 1000);
    pass(served, 499);
    raw_expect_silence(&raw);
    pass(served, 1);
    raw_expect_closed(&raw);
    raw_close(&raw);
}

/* ---- by address ---- */

/* holds: T-BRU-1 S */
static void test_who_comes_again_waits_longer(void **state) {
    struct served *served = *state;
    be_strict(served);
    served_from_memory(served, 0);
    guess_once(served, INADDR_LOOPBACK, 1000);
    guess_once(served, INADDR_LOOPBACK, 2000);
    guess_once(served, INADDR_LOOPBACK + 1, 1000); /* another address */
    guess_once(served, INADDR_LOOPBACK, 4000);
    guess_once(served, INADDR_LOOPBACK, 8000);
    guess_once(served, INADDR_LOOPBACK, 16000);
    guess_once(served, INADDR_LOOPBACK, 16000);
    pass(served, MINUTES(10));
    guess_once(served, INADDR_LOOPBACK, 1000);
}

/* holds: T-BRU-1 S */
static void test_guesses_side_by_side_count_together(void **state) {
    struct served *served = *state;
    struct raw raw[3];
    be_strict(served);
    served_from_memory(served, 0);
    for (size_t i = 0; i < COUNT_OF(raw); i++) {
        dial(served, &raw[i]);
        raw_say(&raw[i], GUESS);
        raw_expect(&raw[i], "+OK send PASS");
        raw_settle(served->loop);
    }
    for (size_t i = 0; i < COUNT_OF(raw); i++) {
        raw_expect_silence(&raw[i]);
        pass(served, i == 0 ? 1000 : (uint64_t)1000 << (i - 1)); /* at 1, 2 and 4 seconds */
        raw_expect(&raw[i], "-ERR [AUTH]");
        raw_close(&raw[i]);
    }
}

/* An address is forgotten after a while, but no session forgets. */
static void test_a_patient_guesser_gains_nothing(void **state) {
    struct served *served = *state;
    struct raw raw;
    be_strict(served);
    served->config.inactivity_ms = (uint32_t)MINUTES(20);
    served_from_memory(served, 0);
    dial(served, &raw);
    for (uint64_t delay = 1000; delay <= 4000; delay *= 2) {
        raw_say(&raw, GUESS);
        expect_refusal_after(served, &raw, delay);
        pass(served, MINUTES(11));
    }
    raw_close(&raw);
}

static void test_protected_addresses_are_none(void **state) {
    struct served *served = *state;
    served->config.failed_login_ms = 1000;
    served_from_memory(served, 0);
    for (int i = 0; i < 3; i++)
        guess_once(served, INADDR_LOOPBACK, 1000);
}

static void test_unix_sockets_have_no_address(void **state) {
    struct served *served = *state;
    struct unix_address address;
    struct raw raw;
    be_strict(served);
    served->config.path = unix_address_new(&address);
    served_by_questions(served);
    for (int i = 0; i < 3; i++) {
        raw_dial_unix(&raw, served->loop, address.path);
        raw_expect(&raw, "+OK");
        raw_say(&raw, GUESS);
        poplin_request check = served_question(served, POPLIN_QUESTION_CHECK);
        assert_int_equal(poplin_server_refuse(served->server, check, POPLIN_ERR_AUTH, NULL), POPLIN_OK);
        (void)served_question(served, POPLIN_QUESTION_LOGIN_FAILED);
        assert_string_equal(served->question.address, "");
        expect_refusal_after(served, &raw, 1000);
        raw_close(&raw);
    }
    unix_address_free(&address, served);
}

/* ---- the owner is told ---- */

static void expect_told(struct served *served, const char *user, const char *mechanism) {
    (void)served_question(served, POPLIN_QUESTION_LOGIN_FAILED);
    assert_int_equal(served->question.user.size, strlen(user));
    assert_memory_equal(served->question.user.data, user, strlen(user));
    assert_string_equal(served->question.address, "127.0.0.1");
    assert_string_equal(served->question.mechanism, mechanism);
}

/* holds: T-BRU-1 S */
static void test_the_owner_is_told_who_failed_and_from_where(void **state) {
    struct served *served = *state;
    struct raw raw;
    served->config.session.asks = POPLIN_ASK_SECRET;
    served_by_questions(served); /* with and without a delay */
    for (int i = 0; i < 2; i++) {
        dial(served, &raw);
        raw_say(&raw, "USER alice\r\nPASS wrong\r\nAUTH PLAIN AGJvYgB3cm9uZw==\r\n");
        poplin_request request = served_question(served, POPLIN_QUESTION_SECRET);
        assert_int_equal(poplin_server_secret(served->server, request, SLICE("secret")), POPLIN_OK);
        expect_told(served, "alice", "USER");
        pass(served, 1000);
        request = served_question(served, POPLIN_QUESTION_SECRET);
        assert_int_equal(poplin_server_refuse(served->server, request, POPLIN_ERR_AUTH, NULL), POPLIN_OK);
        expect_told(served, "bob", "PLAIN");
        raw_close(&raw);
        served_stop(served);
        served->config.failed_login_ms = 1000;
        served_by_questions(served);
    }
}

static void stop_when_told(void *context, poplin_slice user, const char *address, const char *mechanism) {
    struct served *served = context;
    served_stop(served);
    assert_memory_equal(user.data, "alice", 5); /* they live during the call */
    assert_string_equal(address, "127.0.0.1");
    assert_string_equal(mechanism, "USER");
}

static void refuse_at_once(void *context, poplin_server *server, poplin_request request, poplin_slice user,
                           poplin_slice password) {
    (void)context, (void)user, (void)password;
    (void)poplin_server_refuse(server, request, POPLIN_ERR_AUTH, NULL);
}

static void test_the_server_is_freed_by_who_is_told(void **state) {
    struct served *served = *state;
    const poplin_backend backend = {.check = refuse_at_once, .login_failed = stop_when_told};
    for (uint32_t delay = 0; delay <= 1000; delay += 1000) {
        struct raw raw;
        served->config.failed_login_ms = delay;
        served_start(served, &backend, served);
        dial(served, &raw);
        raw_say(&raw, GUESS);
        while (served->server != NULL)
            served_step(served);
        raw_expect(&raw, "+OK send PASS");
        raw_expect_closed(&raw);
        raw_close(&raw);
    }
}

/* ---- LOGIN-DELAY ---- */

static void login_and_quit(struct served *served, const char *user) {
    struct raw raw;
    served_dial(served, &raw);
    raw_login(&raw, user, "secret");
    raw_say(&raw, "QUIT\r\n");
    raw_expect(&raw, "+OK");
    raw_expect_closed(&raw);
    raw_close(&raw);
}

static void expect_too_early(struct raw *raw, const char *reply) {
    raw_say(raw, "USER alice\r\nPASS secret\r\n");
    raw_expect(raw, "+OK");
    raw_expect(raw, reply);
}

/* holds: POP-RESP-5 S */
static void test_who_comes_too_early_is_told_to_wait(void **state) {
    struct served *served = *state;
    struct raw raw;
    served->config.session.login_delay = 60;
    served->config.session.max_failed_logins = 3;
    served->config.failed_login_ms = 1000;
    assert_int_equal(poplin_memory_add_user(served->memory, SLICE("bob"), SLICE("secret")), POPLIN_OK);
    served_from_memory(served, 0);
    login_and_quit(served, "alice");
    dial(served, &raw);
    for (int i = 0; i < 6; i++) /* this is no failure: it neither ends the session, nor is it told late */
        expect_too_early(&raw, "-ERR [LOGIN-DELAY] wait 60 s");
    raw_say(&raw, GUESS); /* a wrong password is still that */
    expect_refusal_after(served, &raw, 1000);
    pass(served, 58999);
    expect_too_early(&raw, "-ERR [LOGIN-DELAY] wait 1 s");
    login_and_quit(served, "bob"); /* others may */
    pass(served, 1);
    expect_too_early(&raw, "+OK");
    raw_close(&raw);
    served_until_sessions(served, 0);
    pass(served, 59999); /* the time runs from the last login on */
    dial(served, &raw);
    expect_too_early(&raw, "-ERR [LOGIN-DELAY]");
    raw_close(&raw);
}

/* holds: POP-RESP-5 S */
static void test_the_delay_is_announced(void **state) {
    struct served *served = *state;
    struct raw raw;
    bool announced = false;
    served->config.session.login_delay = 900;
    served_from_memory(served, 0);
    dial(served, &raw);
    raw_say(&raw, "CAPA\r\n");
    for (const char *line = raw_line(&raw); strcmp(line, ".") != 0; line = raw_line(&raw))
        announced |= strcmp(line, "LOGIN-DELAY 900") == 0;
    assert_true(announced);
    raw_close(&raw);
}

/* Only a login counts, not that somebody tried. */
static void test_a_login_without_a_maildrop_is_none(void **state) {
    struct served *served = *state;
    struct raw raw;
    int maildrop;
    served->config.session.login_delay = 60;
    served_by_questions(served);
    dial(served, &raw);
    raw_say(&raw, "USER alice\r\nPASS secret\r\n");
    raw_expect(&raw, "+OK");
    (void)poplin_server_accept(served->server, served_question(served, POPLIN_QUESTION_CHECK));
    poplin_request open = served_question(served, POPLIN_QUESTION_MAILDROP);
    (void)poplin_server_refuse(served->server, open, POPLIN_ERR_TEMPORARY, NULL);
    raw_expect(&raw, "-ERR [SYS/TEMP]");
    raw_close(&raw);
    served_let_in(served, &raw, &maildrop, 0);
    raw_close(&raw);
    served_expect_close(served, &maildrop, POPLIN_DROPPED);
    dial(served, &raw);
    raw_say(&raw, "USER alice\r\nPASS secret\r\n");
    raw_expect(&raw, "+OK");
    (void)poplin_server_accept(served->server, served_question(served, POPLIN_QUESTION_CHECK));
    raw_expect(&raw, "-ERR [LOGIN-DELAY]");
    served_no_question(served); /* the maildrop is not asked for */
    raw_close(&raw);
}

/* ---- and by user ---- */

/* A session that was let in with this delay of the user's own, and is over. */
static void log_in_with(struct served *served, uint32_t login_delay, const char *reply) {
    const poplin_user_terms terms = {.own_login_delay = true, .login_delay = login_delay};
    struct raw raw;
    int maildrop;
    dial(served, &raw);
    raw_say(&raw, "USER alice\r\nPASS secret\r\n");
    raw_expect(&raw, "+OK");
    poplin_request check = served_question(served, POPLIN_QUESTION_CHECK);
    assert_int_equal(poplin_server_terms(served->server, check, &terms), POPLIN_ERR_STATE);
    (void)poplin_server_accept(served->server, check);
    poplin_request open = served_question(served, POPLIN_QUESTION_MAILDROP);
    assert_int_equal(poplin_server_terms(served->server, open, &terms),
                     login_delay <= 60 ? POPLIN_OK : POPLIN_ERR_LIMIT);
    assert_int_equal(poplin_server_open(served->server, open, &maildrop, NULL, 0), POPLIN_OK);
    assert_int_equal(poplin_server_terms(served->server, open, &terms), POPLIN_ERR_STATE);
    raw_expect(&raw, reply);
    raw_close(&raw);
    served_expect_close(served, &maildrop, POPLIN_DROPPED);
}

/* holds: POP-DLY-1 S, POP-RESP-5 S */
static void test_a_users_own_delay_is_enforced(void **state) {
    static const struct {
        uint32_t own;
        uint64_t seconds;
    } rows[] = {{10, 10}, {60, 60}, {0, 0}, {61, 60}};
    struct served *served = *state;
    struct raw raw;
    served->config.session.login_delay = 60;
    served->config.session.login_delay_by_user = true;
    served_by_questions(served);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        log_in_with(served, rows[i].own, "+OK");
        if (rows[i].seconds == 0)
            continue;
        pass(served, rows[i].seconds * 1000 - 1);
        dial(served, &raw);
        raw_say(&raw, "USER alice\r\nPASS secret\r\n");
        raw_expect(&raw, "+OK");
        (void)poplin_server_accept(served->server, served_question(served, POPLIN_QUESTION_CHECK));
        raw_expect(&raw, "-ERR [LOGIN-DELAY] wait 1 s");
        raw_close(&raw);
        served_until_sessions(served, 0);
        pass(served, 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVED_TEST(test_each_failure_is_told_later_than_the_last),
        SERVED_TEST(test_others_are_served_meanwhile),
        SERVED_TEST(test_a_thousand_pipelined_guesses),
        SERVED_TEST(test_pipelined_guesses_wait_for_each_other),
        SERVED_TEST(test_failures_of_others_making_are_not_delayed),
        SERVED_TEST(test_a_second_answer_does_not_end_the_delay),
        SERVED_TEST(test_a_client_that_goes_is_kept_no_longer),
        SERVED_TEST(test_a_server_stops_during_a_delay),
        SERVED_TEST(test_autologout_does_not_run_meanwhile),
        SERVED_TEST(test_who_comes_again_waits_longer),
        SERVED_TEST(test_guesses_side_by_side_count_together),
        SERVED_TEST(test_a_patient_guesser_gains_nothing),
        SERVED_TEST(test_protected_addresses_are_none),
        SERVED_TEST(test_unix_sockets_have_no_address),
        SERVED_TEST(test_the_owner_is_told_who_failed_and_from_where),
        SERVED_TEST(test_the_server_is_freed_by_who_is_told),
        SERVED_TEST(test_who_comes_too_early_is_told_to_wait),
        SERVED_TEST(test_the_delay_is_announced),
        SERVED_TEST(test_a_login_without_a_maildrop_is_none),
        SERVED_TEST(test_a_users_own_delay_is_enforced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
