/*
 * test_tap.c - a server with a tap: what the tap is told, and that each of its steps is carried out, in clear and under TLS.
 */
#include "served_tap.h"

/* ---- listening ---- */

static void test_a_tap_that_only_listens(void **state) {
    static const char *const beginnings[] = {
        "opened 127.0.0.1\nreply \n",
        "opened 127.0.0.1\nreply \ncommand STLS\nreply \nsecured TLS\n",
        "opened 127.0.0.1\nsecured TLS\nreply \n",
    };
    static const char rest[] = "command USER alice\nreply \n"
                               "command PASS ****\nlogin alice USER\nreply \n"
                               "command RETR 2 <2> ...\nreply \n"
                               "command DELE 1 <1> ...\nreply \n"
                               "command XYZ ...\nreply \n"
                               "command QUIT\nended committed\nreply \n"
                               "closed\n";
    for (enum mode mode = CLEAR; mode < MODES; mode++) {
        struct tapped tapped;
        struct raw raw;
        tapped_tap(&tapped, *state, mode, NULL, 0);
        served_from_memory(tapped.served, 2);
        tapped_dial(&tapped, &raw);
        if (mode != BY_STLS)
            raw_expect(&raw, "+OK");
        raw_say(&raw, "USER alice\r\n");
        raw_expect(&raw, "+OK");
        raw_say(&raw, "PASS secret\r\n");
        raw_expect(&raw, "+OK");
        raw_say(&raw, "RETR 2\r\nDELE 1\r\nXYZ\r\nQUIT\r\n");
        raw_expect(&raw, "+OK");
        raw_expect(&raw, "message");
        raw_expect(&raw, ".");
        raw_expect(&raw, "+OK");
        raw_expect(&raw, "-ERR");
        raw_expect(&raw, "+OK");
        raw_expect_closed(&raw);
        assert_true(mode == CLEAR || tapped_was_notified(&raw));
        raw_close(&raw);
        tapped_until_gone(&tapped);
        assert_int_equal(strncmp(tapped.script.log, beginnings[mode], strlen(beginnings[mode])), 0);
        assert_string_equal(tapped.script.log + strlen(beginnings[mode]), rest);
        tapped_finish(&tapped, &raw);
    }
}

static void test_who_it_is(void **state) {
    struct tapped tapped;
    struct unix_address address;
    struct raw raw;
    tapped_tap(&tapped, *state, CLEAR, NULL, 0);
    tapped.served->config.path = unix_address_new(&address);
    served_from_memory(tapped.served, 0);
    raw_dial_unix(&raw, tapped.served->loop, address.path);
    raw_expect(&raw, "+OK");
    tapped_expect_log(&tapped, "opened", "opened unix\nreply \n");
    raw_say(&raw, "AUTH PLAIN\r\n");
    raw_expect(&raw, "+ ");
    raw_say(&raw, "AGFsaWNlAHNlY3JldA==\r\n");
    raw_expect(&raw, "+OK");
    tapped_expect_log(&tapped, "command AUTH", "command AUTH PLAIN\nreply \ncommand ****\nlogin alice PLAIN\nreply \n");
    raw_close(&raw);
    unix_address_free(&address, tapped.served);
}

/* The way in is known also where nobody was asked who it is. */
static void test_who_is_not_asked_for(void **state) {
    struct tapped tapped;
    struct raw raw;
    tapped_tap(&tapped, *state, CLEAR, NULL, 0);
    tapped.served->config.session.mechanisms = "ANONYMOUS";
    assert_int_equal(poplin_memory_add_user(tapped.served->memory, SLICE("anonymous"), SLICE("-")), POPLIN_OK);
    served_from_memory(tapped.served, 0);
    served_dial(tapped.served, &raw);
    raw_expect(&raw, "+OK");
    raw_say(&raw, "AUTH ANONYMOUS =\r\n");
    raw_expect(&raw, "+OK");
    tapped_expect_in_log(&tapped, "login anonymous ANONYMOUS\n");
    tapped_finish(&tapped, &raw);
}

static void test_ipv6_peers(void **state) {
    struct tapped tapped;
    struct raw raw;
    tapped_tap(&tapped, *state, CLEAR, NULL, 0);
    tapped.served->config.host = "::";
    served_from_memory(tapped.served, 0);
    served_dial(tapped.served, &raw); /* to 127.0.0.1, inside IPv6 */
    raw_expect(&raw, "+OK");
    tapped_expect_in_log(&tapped, "opened 127.0.0.1\n");
    raw_close(&raw);
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    address.sin6_port = htons(poplin_server_port(tapped.served->server));
    int descriptor = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(descriptor, (struct sockaddr *)&address, sizeof address), 0);
    raw_init(&raw, tapped.served->loop, descriptor);
    raw_expect(&raw, "+OK");
    tapped_expect_in_log(&tapped, "opened [::1]:");
    tapped_finish(&tapped, &raw);
}

/* ---- each step ---- */

/* The reply comes when the time has passed, and what was pipelined is not touched before. */
static void test_pause(void **state) {
    static const struct scene scenes[] = {
        {.at = "NOOP",
         .moves = {{POPLIN_TAP_SEND, "+OK ", 0}, {POPLIN_TAP_PAUSE, NULL, 5000}, {POPLIN_TAP_SEND, THE_REPLY, 0}}}};
    for (enum mode mode = CLEAR; mode < MODES; mode++) {
        struct tapped tapped;
        struct raw raw;
        tapped_tap(&tapped, *state, mode, scenes, COUNT_OF(scenes));
        served_from_memory(tapped.served, 0);
        tapped_login(&tapped, &raw);
        raw_say(&raw, "NOOP\r\nSTAT\r\n");
        tapped_pass(&tapped, 4900);
        while (raw_receive(&raw, SIZE_MAX))
            ;
        assert_int_equal(raw.size - raw.at, 4);
        assert_null(strstr(tapped.script.log, "STAT"));
        tapped_pass(&tapped, 200);
        raw_expect(&raw, "+OK +OK nothing done");
        raw_expect(&raw, "+OK 0 0");
        tapped_finish(&tapped, &raw);
    }
}

/* Nothing runs out while a reply is held back, and the client's own time begins behind it. */
static void test_a_pause_is_nobodys_delay(void **state) {
    static const struct scene scenes[] = {
        {.at = "NOOP", .moves = {{POPLIN_TAP_PAUSE, NULL, 3600 * 1000}, {POPLIN_TAP_SEND, THE_REPLY, 0}}}};
    struct tapped tapped;
    struct raw raw;
    tapped_tap(&tapped, *state, CLEAR, scenes, COUNT_OF(scenes));
    served_from_memory(tapped.served, 0);
    tapped_login(&tapped, &raw);
    raw_say(&raw, "NOOP\r\n");
    tapped_pass(&tapped, TAPPED_MINUTES(59));
    raw_expect_silence(&raw);
    tapped_pass(&tapped, TAPPED_MINUTES(2));
    raw_expect(&raw, "+OK");
    tapped_pass(&tapped, TAPPED_MINUTES(9));
    raw_expect_silence(&raw);
    tapped_pass(&tapped, TAPPED_MINUTES(2));
    raw_expect_closed(&raw);
    tapped_finish(&tapped, &raw);
}

static void test_silence(void **state) {
    static const struct scene scenes[] = {
        {.at = "STAT", .moves = {{POPLIN_TAP_SEND, "+O", 0}, {POPLIN_TAP_SILENCE, NULL, 0}}}};
    for (enum mode mode = CLEAR; mode < MODES; mode++) {
        struct tapped tapped;
        struct raw raw;
        tapped_tap(&tapped, *state, mode, scenes, COUNT_OF(scenes));
        served_from_memory(tapped.served, 1);
        tapped_login(&tapped, &raw);
        raw_say(&raw, "DELE 1\r\nSTAT\r\nQUIT\r\n");
        raw_expect(&raw, "+OK");
        raw_settle(tapped.served->loop);
        raw_say(&raw, "QUIT\r\n");
        tapped_pass(&tapped, TAPPED_MINUTES(60));
        while (raw_receive(&raw, SIZE_MAX))
            ;
        assert_int_equal(raw.size - raw.at, 2);
        assert_false(raw.closed);
        assert_int_equal(poplin_server_sessions(tapped.served->server), 1);
        raw_close(&raw);
        tapped_until_gone(&tapped);
        tapped_expect_log(&tapped, "ended",
                          "ended dropped: the client went away after a fault had silenced the server\nclosed\n");
        assert_int_equal(served_count(tapped.served), 1);
        tapped_finish(&tapped, &raw);
        assert_int_equal(poplin_memory_remove_user(tapped.served->memory, SLICE("alice")), POPLIN_OK);
        assert_int_equal(poplin_memory_add_user(tapped.served->memory, SLICE("alice"), SLICE("secret")), POPLIN_OK);
    }
}

/* The ways to close: what was sent before arrives, marks are forgotten, the lock is free at once. */
static void test_close_cut_and_reset(void **state) {
    static const enum poplin_tap_step steps[] = {POPLIN_TAP_CLOSE, POPLIN_TAP_CUT, POPLIN_TAP_RESET};
    for (enum mode mode = CLEAR; mode < MODES; mode++) {
        for (size_t i = 0; i < COUNT_OF(steps); i++) {
            const struct scene scenes[] = {
                {.at = "STAT", .moves = {{POPLIN_TAP_SEND, THE_REPLY, 0}, {steps[i], NULL, 0}}}};
            struct tapped tapped;
            struct raw raw;
            tapped_tap(&tapped, *state, mode, scenes, COUNT_OF(scenes));
            served_from_memory(tapped.served, 1);
            tapped_login(&tapped, &raw);
            raw_say(&raw, "DELE 1\r\nSTAT\r\nQUIT\r\n");
            raw_expect(&raw, "+OK");
            raw_expect(&raw, "+OK");
            raw_expect_closed(&raw);
            while (mode != CLEAR && !raw.reset && raw_waiting(&raw) > 0) /* FIN behind close_notify */
                (void)raw_receive(&raw, SIZE_MAX);
            assert_int_equal(raw.reset, steps[i] == POPLIN_TAP_RESET);
            assert_true(mode == CLEAR || tapped_was_notified(&raw) == (steps[i] == POPLIN_TAP_CLOSE));
            tapped_expect_in_log(&tapped, "reply \nended dropped: closed by a fault\n");
            assert_int_equal(poplin_server_sessions(tapped.served->server), 0);
            raw_close(&raw);
            tapped_login(&tapped, &raw);
            tapped_finish(&tapped, &raw);
        }
    }
    assert_int_equal(served_count(*state), 6 + 3);
}

/* Every step as the very first: what is silenced under implicit TLS is the greeting, not the handshake. */
static void test_steps_in_place_of_the_greeting(void **state) {
    static const enum poplin_tap_step steps[] = {POPLIN_TAP_PAUSE, POPLIN_TAP_SILENCE, POPLIN_TAP_CLOSE, POPLIN_TAP_CUT,
                                                 POPLIN_TAP_RESET};
    for (enum mode mode = CLEAR; mode < MODES; mode++) {
        for (size_t i = 0; i < COUNT_OF(steps); i++) {
            const struct scene scenes[] = {
                {.at = "GREETING", .moves = {{steps[i], NULL, 100}, {POPLIN_TAP_SEND, THE_REPLY, 0}}}};
            struct tapped tapped;
            struct raw raw;
            tapped_tap(&tapped, *state, mode, scenes, COUNT_OF(scenes));
            served_from_memory(tapped.served, 0);
            served_dial(tapped.served, &raw);
            if (mode == IMPLICIT)
                assert_int_equal(raw_shake_hands(&raw, secure.trust, "localhost"), POPLIN_OK);
            raw_settle(tapped.served->loop);
            if (steps[i] == POPLIN_TAP_PAUSE) {
                raw_expect_silence(&raw);
                tapped_pass(&tapped, 200);
                raw_expect(&raw, "+OK");
            } else if (steps[i] == POPLIN_TAP_SILENCE) {
                raw_say(&raw, "CAPA\r\n");
                raw_expect_silence(&raw);
                assert_null(strstr(tapped.script.log, "CAPA"));
            } else {
                raw_expect_closed(&raw);
                assert_int_equal(raw.reset, steps[i] == POPLIN_TAP_RESET);
            }
            tapped_finish(&tapped, &raw);
        }
    }
}

/* ---- what becomes of commands ---- */

/* A command that is skipped has no reply but the tap's; another may be carried out in its place. */
static void test_skip_and_substitute(void **state) {
    static const struct scene scenes[] = {
        {.at = "DELE", .verdict = POPLIN_SKIP, .moves = {{POPLIN_TAP_SEND, "+OK as you say\r\n", 0}}},
        {.at = "NOOP", .verdict = POPLIN_SKIP},
        {.at = "RSET", .verdict = POPLIN_SUBSTITUTE, .substitute = "STAT", .moves = {{POPLIN_TAP_SEND, THE_REPLY, 0}}},
    };
    struct tapped tapped;
    struct raw raw;
    tapped_tap(&tapped, *state, CLEAR, scenes, COUNT_OF(scenes));
    served_from_memory(tapped.served, 1);
    tapped_login(&tapped, &raw);
    raw_say(&raw, "DELE 1\r\nNOOP\r\nRSET\r\nQUIT\r\n");
    raw_expect(&raw, "+OK as you say");
    raw_expect(&raw, "+OK 1 11");
    raw_expect(&raw, "+OK bye");
    tapped_expect_in_log(
        &tapped, "command DELE 1 <1> ...\nreply empty\ncommand NOOP ...\nreply empty\ncommand RSET ...\nreply \n");
    assert_int_equal(served_count(tapped.served), 1);
    tapped_finish(&tapped, &raw);
}

/* A tap that need not be waited for: what is pipelined goes on behind its back. */
static void test_a_reply_that_is_not_waited_for(void **state) {
    static const struct scene scenes[] = {
        {.at = "NOOP",
         .flowing = true,
         .moves = {{POPLIN_TAP_SEND, "+OK 1\r\n", 0}, {POPLIN_TAP_SEND, "+OK 2\r\n", 0}}}};
    struct tapped tapped;
    struct raw raw;
    tapped_tap(&tapped, *state, CLEAR, scenes, COUNT_OF(scenes));
    served_from_memory(tapped.served, 0);
    tapped_login(&tapped, &raw);
    raw_say(&raw, "NOOP\r\n");
    raw_expect(&raw, "+OK 1");
    raw_expect(&raw, "+OK 2");
    tapped_finish(&tapped, &raw);
}

/* ---- QUIT ---- */

static void test_the_end_before_the_commit(void **state) {
    static const enum poplin_tap_step steps[] = {POPLIN_TAP_CLOSE, POPLIN_TAP_CUT, POPLIN_TAP_RESET};
    struct served *served = *state;
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        const struct scene scenes[] = {{.at = "QUIT", .verdict = POPLIN_SKIP, .moves = {{steps[i], NULL, 0}}}};
        struct tapped tapped;
        struct raw raw;
        tapped_tap(&tapped, served, CLEAR, scenes, COUNT_OF(scenes));
        served_from_memory(served, 1);
        tapped_login(&tapped, &raw);
        raw_say(&raw, "DELE 1\r\nQUIT\r\n");
        raw_expect(&raw, "+OK");
        raw_expect_closed(&raw);
        tapped_expect_in_log(&tapped, "command QUIT\nreply empty\nended dropped: closed by a fault\n");
        tapped_finish(&tapped, &raw);
    }
    assert_int_equal(served_count(served), 3);
}

static void test_the_end_after_the_commit(void **state) {
    static const enum poplin_tap_step steps[] = {POPLIN_TAP_CLOSE, POPLIN_TAP_CUT, POPLIN_TAP_RESET,
                                                 POPLIN_TAP_SILENCE};
    struct served *served = *state;
    for (enum mode mode = CLEAR; mode < MODES; mode++) {
        for (size_t i = 0; i < COUNT_OF(steps); i++) {
            const struct scene scenes[] = {{.at = "QUIT", .moves = {{steps[i], NULL, 0}}}};
            struct tapped tapped;
            struct raw raw;
            tapped_tap(&tapped, served, mode, scenes, COUNT_OF(scenes));
            served_from_memory(served, 1);
            tapped_login(&tapped, &raw);
            raw_say(&raw, "DELE 1\r\nQUIT\r\n");
            raw_expect(&raw, "+OK");
            if (steps[i] == POPLIN_TAP_SILENCE)
                raw_expect_silence(&raw);
            else
                raw_expect_closed(&raw);
            assert_int_equal(raw.reset, steps[i] == POPLIN_TAP_RESET);
            assert_int_equal(served_count(served), 0);
            raw_close(&raw);
            tapped_until_gone(&tapped);
            tapped_expect_log(&tapped, "command QUIT", "command QUIT\nended committed\nreply \nclosed\n");
            tapped_finish(&tapped, &raw);
        }
    }
}

/* A tap that hurries: the commit that the host is at is neither taken back nor left without its outcome. */
static void test_a_commit_that_is_asked_for_is_not_taken_back(void **state) {
    static const struct scene scenes[] = {
        {.at = "DELE", .flowing = true, .moves = {{POPLIN_TAP_PAUSE, NULL, 1000}, {POPLIN_TAP_CLOSE, NULL, 0}}}};
    struct tapped tapped;
    struct raw raw;
    int maildrop;
    tapped_tap(&tapped, *state, CLEAR, scenes, COUNT_OF(scenes));
    served_by_questions(tapped.served);
    served_let_in(tapped.served, &raw, &maildrop, 1);
    raw_say(&raw, "DELE 1\r\nQUIT\r\n");
    poplin_request commit = served_question(tapped.served, POPLIN_QUESTION_COMMIT);
    tapped_pass(&tapped, 2000);
    assert_int_equal(poplin_server_sessions(tapped.served->server), 1);
    assert_int_equal(poplin_server_accept(tapped.served->server, commit), POPLIN_OK);
    raw_expect_closed(&raw);
    served_expect_close(tapped.served, &maildrop, POPLIN_COMMITTED);
    tapped_expect_in_log(&tapped, "ended committed\n");
    tapped_finish(&tapped, &raw);
}

/* What is pipelined behind it, the commit above all, is not carried out before the session ends. */
static void test_nothing_is_done_behind_a_tap_that_failed(void **state) {
    static const struct scene scenes[] = {{.at = "DELE", .failure = POPLIN_ERR_NOMEM}};
    struct tapped tapped;
    struct raw raw;
    tapped_tap(&tapped, *state, CLEAR, scenes, COUNT_OF(scenes));
    served_from_memory(tapped.served, 1);
    tapped_login(&tapped, &raw);
    raw_say(&raw, "DELE 1\r\nQUIT\r\n");
    raw_expect_closed(&raw);
    tapped_expect_log(&tapped, "command DELE",
                      "command DELE 1 <1> ...\nreply \nended failed: the server's tap failed\n");
    tapped_finish(&tapped, &raw);
    assert_int_equal(served_count(tapped.served), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVED_TEST(test_a_tap_that_only_listens),
        SERVED_TEST(test_who_it_is),
        SERVED_TEST(test_who_is_not_asked_for),
        SERVED_TEST(test_ipv6_peers),
        SERVED_TEST(test_pause),
        SERVED_TEST(test_a_pause_is_nobodys_delay),
        SERVED_TEST(test_silence),
        SERVED_TEST(test_close_cut_and_reset),
        SERVED_TEST(test_steps_in_place_of_the_greeting),
        SERVED_TEST(test_skip_and_substitute),
        SERVED_TEST(test_a_reply_that_is_not_waited_for),
        SERVED_TEST(test_the_end_before_the_commit),
        SERVED_TEST(test_the_end_after_the_commit),
        SERVED_TEST(test_a_commit_that_is_asked_for_is_not_taken_back),
        SERVED_TEST(test_nothing_is_done_behind_a_tap_that_failed),
    };
    return cmocka_run_group_tests(tests, secure_set_up, secure_tear_down);
}
