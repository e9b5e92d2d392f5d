/*
 * test_server_tls.c - the server under TLS: implicit and by STLS, octets slipped in before it, handshakes that fail or never
 * end, and links that are cut.
 */
#include "secured.h"
#include "served.h"

static void start(struct served *served, enum poplin_tls_mode mode, int messages) {
    served->config.credentials = secure.identity;
    served->config.tls = mode;
    served_from_memory(served, messages);
}

static void begin_stls(struct served *served, struct raw *raw) {
    served_dial(served, raw);
    raw_expect(raw, "+OK");
    raw_say(raw, "STLS\r\n");
    raw_expect(raw, "+OK");
    assert_int_equal(raw_shake_hands(raw, secure.trust, "localhost"), POPLIN_OK);
}

/* holds: POP-TLS-1 S, T-TLS-11 S */
static void test_implicit_tls(void **state) {
    struct served *served = *state;
    struct raw raw;
    start(served, POPLIN_TLS_IMPLICIT, 2);
    for (int cut = 0; cut < 3; cut++) {
        served_dial(served, &raw);
        raw_expect_silence(&raw); /* no greeting in clear */
        assert_int_equal(raw_shake_hands(&raw, secure.trust, "localhost"), POPLIN_OK);
        raw_login(&raw, "alice", "secret");
        raw_say(&raw, "RETR 2\r\nDELE 1\r\n");
        raw_expect(&raw, "+OK");
        assert_int_equal(raw_skip_lines(&raw), 1);
        raw_expect(&raw, "+OK");
        if (cut == 1) {
            assert_int_equal(poplin_tls_close(raw.tls), POPLIN_OK);
            raw_flush_tls(&raw);
        }
        if (cut == 2) {
            raw_say(&raw, "QUIT\r\n");
            raw_expect(&raw, "+OK");
            raw_expect_closed(&raw); /* by close_notify */
        }
        raw_close(&raw);
        served_until_sessions(served, 0);
        assert_int_equal(served_count(served), cut == 2 ? 1 : 2);
    }
}

/* holds: POP-STLS-2 S, T-STLS-18 S, T-STLS-11 S */
static void test_stls(void **state) {
    struct served *served = *state;
    struct raw raw;
    start(served, POPLIN_TLS_STLS, 1);
    served_dial(served, &raw);
    raw_expect(&raw, "+OK");
    raw_say(&raw, "USER alice\r\nSTLS\r\n");
    raw_expect(&raw, "+OK");
    raw_expect(&raw, "+OK");
    assert_int_equal(raw_shake_hands(&raw, secure.trust, "localhost"), POPLIN_OK);
    raw_say(&raw, "PASS secret\r\nSTLS\r\nUSER alice\r\nPASS secret\r\nSTAT\r\n");
    raw_expect(&raw, "-ERR"); /* USER was said in clear */
    raw_expect(&raw, "-ERR");
    raw_expect(&raw, "+OK");
    raw_expect(&raw, "+OK");
    raw_expect(&raw, "+OK 1 ");
    raw_close(&raw);
}

/*
 * Whatever came in clear behind STLS, in the same segment or another, whole lines or parts, or a ClientHello that
 * did not wait for the +OK: it ends the session, and no command of it is run.
 * holds: T-STLS-1 S, T-STLS-2 S, T-STLS-3 S
 */
static void test_octets_slipped_in_before_tls(void **state) {
    struct served *served = *state;
    static const char *const sent[][2] = {
        {"STLS\r\nUSER alice\r\nPASS secret\r\nDELE 1\r\nQUIT\r\n", ""},
        {"STLS\r\n", "USER alice\r\nPASS secret\r\nDELE 1\r\nQUIT\r\n"},
        {"ST", "LS\r\nN"},
        {"STLS\r\n", "NOO"},
        {"STLS\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"},
    };
    start(served, POPLIN_TLS_STLS, 1);
    for (size_t i = 0; i < COUNT_OF(sent); i++) {
        struct raw raw;
        served_dial(served, &raw);
        raw_expect(&raw, "+OK");
        raw_say(&raw, sent[i][0]);
        raw_say(&raw, sent[i][1]); /* the server has not run yet: both are there before it says +OK */
        const char *line;
        while ((line = raw_line(&raw)) != NULL)
            assert_null(strstr(line, "message"));
        served_until_sessions(served, 0);
        assert_int_equal(served_count(served), 1);
        raw_close(&raw);
    }
}

/*
 * The +OK waits for room in the socket when a ClientHello comes, which would be a good one a moment later.
 * holds: T-STLS-2 S, T-STLS-3 S, POP-STLS-3 S
 */
static void test_a_handshake_that_does_not_wait_for_the_reply(void **state) {
    struct served *served = *state;
    char folder[] = "/tmp/poplin-XXXXXX", path[64];
    struct raw raw;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/pop3", folder);
    served->config.path = path;
    start(served, POPLIN_TLS_STLS, 0);
    raw_dial_unix(&raw, served->loop, path);
    raw_expect(&raw, "+OK");
    size_t asked = raw_fill(&raw);
    raw_say(&raw, "STLS\r\n");
    raw_settle(served->loop);
    assert_int_equal(poplin_tls_client_new(secure.trust, "localhost", &raw.tls), POPLIN_OK);
    raw_flush_tls(&raw);
    raw_settle(served->loop);
    poplin_tls_free(raw.tls);
    raw.tls = NULL;
    while (asked-- > 1) {
        raw_expect(&raw, "+OK");
        (void)raw_skip_lines(&raw);
    }
    while (raw_line(&raw) != NULL) /* the last CAPA, as far as it went out */
        assert_null(strstr(raw.line, "begin TLS"));
    served_until_sessions(served, 0);
    assert_int_equal(raw.at, raw.size); /* and no ServerHello */
    raw_close(&raw);
    served_stop(served);
    assert_int_equal(rmdir(folder), 0);
}

/*
 * After the +OK whatever comes is TLS or the end: nothing in clear is run.
 * holds: T-STLS-2 S, T-STLS-14 S, POP-STLS-7 S
 */
static void test_no_way_back_to_clear(void **state) {
    struct served *served = *state;
    struct raw raw;
    start(served, POPLIN_TLS_STLS, 1);
    served_dial(served, &raw);
    raw_expect(&raw, "+OK");
    raw_say(&raw, "STLS\r\n");
    raw_expect(&raw, "+OK");
    raw_say(&raw, "USER alice\r\nPASS secret\r\nDELE 1\r\nQUIT\r\n");
    while (!raw.closed)
        if (!raw_receive(&raw, SIZE_MAX))
            raw_step(&raw);
    assert_null(raw.size == raw.at ? NULL : memmem(raw.data + raw.at, raw.size - raw.at, "+OK", 3));
    assert_int_equal(served_count(served), 1);
    raw_close(&raw);
}

/* holds: T-STLS-14 S, T-TLS-15 S */
static void test_clear_text_at_an_implicit_port(void **state) {
    struct served *served = *state;
    static const char *const said[] = {"CAPA\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\xff\xff"};
    start(served, POPLIN_TLS_IMPLICIT, 0);
    for (size_t i = 0; i < COUNT_OF(said); i++) {
        struct raw raw;
        served_dial(served, &raw);
        raw_say(&raw, said[i]);
        assert_int_equal(shutdown(raw.descriptor, SHUT_WR), 0);
        while (!raw.closed)
            if (!raw_receive(&raw, SIZE_MAX))
                raw_step(&raw);
        assert_null(raw.size == 0 ? NULL : memmem(raw.data, raw.size, "+OK", 3));
        served_until_sessions(served, 0);
        raw_close(&raw);
    }
}

/* holds: T-TLS-16 S, T-RES-1 S */
static void test_a_handshake_has_its_own_limit(void **state) {
    struct served *served = *state;
    start(served, POPLIN_TLS_IMPLICIT, 0);
    struct raw silent;
    served_dial(served, &silent);
    raw_expect_silence(&silent);
    assert_int_equal(poplin_server_sessions(served->server), 1);
    poplin_loop_advance(served->loop, 29 * 1000);
    raw_say(&silent, "\x16"); /* an octet now and then buys no time */
    raw_expect_silence(&silent);
    poplin_loop_advance(served->loop, 2 * 1000);
    raw_settle(served->loop);
    assert_int_equal(poplin_server_sessions(served->server), 0);
    raw_close(&silent);

    served_stop(served);
    start(served, POPLIN_TLS_STLS, 0);
    served_dial(served, &silent);
    raw_expect(&silent, "+OK");
    raw_say(&silent, "STLS\r\n");
    raw_expect(&silent, "+OK");
    poplin_loop_advance(served->loop, 31 * 1000);
    raw_settle(served->loop);
    assert_int_equal(poplin_server_sessions(served->server), 0);
    raw_close(&silent);
}

/* holds: POP-TMO-2 S, POP-TLS-15 S */
static void test_autologout_under_tls(void **state) {
    struct served *served = *state;
    struct raw raw;
    start(served, POPLIN_TLS_STLS, 1);
    begin_stls(served, &raw);
    raw_say(&raw, "USER alice\r\nPASS secret\r\nDELE 1\r\n");
    for (int i = 0; i < 3; i++)
        raw_expect(&raw, "+OK");
    raw_expect_silence(&raw);
    poplin_loop_advance(served->loop, 11 * 60 * 1000);
    raw_expect_closed(&raw); /* nothing but close_notify */
    assert_int_equal(served_count(served), 1);
    raw_close(&raw);
}

static void test_much_at_once_under_tls(void **state) {
    struct served *served = *state;
    enum { LINES = 300000, MESSAGES = 500 };
    char *large = malloc(LINES * 10 + 1), *commands = malloc(MESSAGES * 16);
    struct raw raw;
    size_t size = 0;
    for (int i = 0; i < LINES; i++)
        memcpy(large + i * 10, "12345678\r\n", 11);
    assert_int_equal(poplin_memory_deliver(served->memory, SLICE("alice"), large, LINES * 10, NULL), POPLIN_OK);
    start(served, POPLIN_TLS_IMPLICIT, MESSAGES);
    served_dial(served, &raw);
    assert_int_equal(raw_shake_hands(&raw, secure.trust, "127.0.0.1"), POPLIN_OK);
    raw_login(&raw, "alice", "secret");
    for (int i = 1; i <= MESSAGES; i++)
        size += (size_t)snprintf(commands + size, 16, "RETR %d\r\n", i);
    raw_say(&raw, commands);
    raw_expect(&raw, "+OK");
    assert_int_equal(raw_skip_lines(&raw), LINES);
    for (int i = 2; i <= MESSAGES; i++) {
        raw_expect(&raw, "+OK");
        assert_int_equal(raw_skip_lines(&raw), 1);
    }
    free(large);
    free(commands);
    raw_close(&raw);
}

/* holds: POP-TLS-20 S, POP-TLS-17 S */
static void test_no_password_in_clear_under_the_strict_policy(void **state) {
    struct served *served = *state;
    struct raw raw;
    served->config.loopback_protected = false;
    start(served, POPLIN_TLS_STLS, 0);
    served_dial(served, &raw);
    raw_expect(&raw, "+OK");
    raw_say(&raw, "USER alice\r\nPASS secret\r\n");
    raw_expect(&raw, "-ERR");
    raw_expect(&raw, "-ERR");
    raw_close(&raw);
    begin_stls(served, &raw);
    raw_say(&raw, "USER alice\r\nPASS secret\r\n");
    raw_expect(&raw, "+OK");
    raw_expect(&raw, "+OK");
    raw_close(&raw);
}

/* holds: T-STLS-19 S, POP-STLS-10 S */
static void test_without_a_certificate_there_is_no_tls(void **state) {
    struct served *served = *state;
    static const enum poplin_tls_mode modes[] = {POPLIN_TLS_IMPLICIT, POPLIN_TLS_STLS, POPLIN_TLS_AUTO};
    poplin_error error;
    struct raw raw;
    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        served->config.tls = modes[i];
        assert_int_equal(poplin_server_new(served->loop, &served->config, poplin_memory_backend(), served->memory,
                                           &served->server, &error),
                         POPLIN_ERR_STATE);
        assert_non_null(strstr(error.reason, "certificate"));
    }
    served->config.tls = POPLIN_TLS_NEVER;
    served_from_memory(served, 0);
    served_dial(served, &raw);
    raw_expect(&raw, "+OK");
    raw_say(&raw, "CAPA\r\n");
    raw_expect(&raw, "+OK");
    for (const char *line = raw_line(&raw); strcmp(line, ".") != 0; line = raw_line(&raw))
        assert_string_not_equal(line, "STLS");
    raw_say(&raw, "STLS\r\n");
    raw_expect(&raw, "-ERR");
    raw_close(&raw);
}

static void test_stopping_while_hands_are_shaken(void **state) {
    struct served *served = *state;
    struct raw implicit, stls, talking;
    start(served, POPLIN_TLS_IMPLICIT, 0);
    served_dial(served, &implicit);
    raw_expect_silence(&implicit);
    served_stop(served);
    start(served, POPLIN_TLS_STLS, 0);
    served_dial(served, &stls);
    raw_expect(&stls, "+OK");
    raw_say(&stls, "STLS\r\n");
    raw_expect(&stls, "+OK");
    begin_stls(served, &talking);
    served_stop(served);
    raw_expect_closed(&talking);
    raw_close(&implicit);
    raw_close(&stls);
    raw_close(&talking);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVED_TEST(test_implicit_tls),
        SERVED_TEST(test_stls),
        SERVED_TEST(test_octets_slipped_in_before_tls),
        SERVED_TEST(test_a_handshake_that_does_not_wait_for_the_reply),
        SERVED_TEST(test_no_way_back_to_clear),
        SERVED_TEST(test_clear_text_at_an_implicit_port),
        SERVED_TEST(test_a_handshake_has_its_own_limit),
        SERVED_TEST(test_autologout_under_tls),
        SERVED_TEST(test_much_at_once_under_tls),
        SERVED_TEST(test_no_password_in_clear_under_the_strict_policy),
        SERVED_TEST(test_without_a_certificate_there_is_no_tls),
        SERVED_TEST(test_stopping_while_hands_are_shaken),
    };
    return cmocka_run_group_tests(tests, secure_set_up, secure_tear_down);
}
