/*
 * test_tap_links.c - a server with a tap where links begin, end and break: STLS, autologout, clients that go, taps that fail,
 * servers that stop; and that a tap takes nothing from what a server promises.
 */
#include "served_tap.h"

#include "child.h"

/* ---- STLS ---- */

static void start_in_clear(struct tapped *tapped, struct raw *raw) {
    served_from_memory(tapped->served, 1);
    served_dial(tapped->served, raw);
    raw_expect(raw, "+OK");
    raw_say(raw, "STLS\r\n");
}

/* All that the tap makes of the reply to STLS goes out in clear, and TLS begins behind it. */
static void test_octets_injected_into_the_reply_to_stls(void **state) {
    static const struct scene scenes[] = {
        {.at = "STLS", .moves = {{POPLIN_TAP_SEND, THE_REPLY, 0}, {POPLIN_TAP_SEND, "+OK injected\r\n", 0}}}};
    struct tapped tapped;
    struct raw raw;
    tapped_tap(&tapped, *state, BY_STLS, scenes, COUNT_OF(scenes));
    start_in_clear(&tapped, &raw);
    raw_expect(&raw, "+OK begin TLS");
    raw_expect(&raw, "+OK injected");
    assert_int_equal(raw_shake_hands(&raw, secure.trust, "localhost"), POPLIN_OK);
    raw_say(&raw, "CAPA\r\n");
    raw_expect(&raw, "+OK");
    tapped_expect_in_log(&tapped, "command STLS\nreply \nsecured TLS");
    tapped_finish(&tapped, &raw);
}

/* The client may begin its handshake when it has the first line, though the tap has more to say. */
static void test_a_handshake_that_begins_in_the_middle_of_the_reply(void **state) {
    static const struct scene scenes[] = {
        {.at = "STLS", .moves = {{POPLIN_TAP_SEND, THE_REPLY, 0}, {POPLIN_TAP_PAUSE, NULL, 1000}}}};
    struct tapped tapped;
    struct raw raw;
    tapped_tap(&tapped, *state, BY_STLS, scenes, COUNT_OF(scenes));
    start_in_clear(&tapped, &raw);
    raw_expect(&raw, "+OK begin TLS");
    assert_int_equal(poplin_tls_client_new(secure.trust, "localhost", &raw.tls), POPLIN_OK);
    raw_flush_tls(&raw);
    raw_settle(tapped.served->loop);
    assert_null(strstr(tapped.script.log, "secured"));
    tapped_pass(&tapped, 1100);
    char octets[16384];
    ssize_t got = recv(raw.descriptor, octets, sizeof octets, 0);
    assert_true(got > 0);
    assert_int_equal(poplin_tls_input(raw.tls, octets, (size_t)got), POPLIN_OK);
    assert_int_equal(poplin_tls_handshake(raw.tls), POPLIN_OK);
    raw_flush_tls(&raw);
    raw_say(&raw, "CAPA\r\n");
    raw_expect(&raw, "+OK");
    tapped_finish(&tapped, &raw);
}

/*
 * Commands slipped in behind STLS are found with a tap as without: before the reply or, where a tap held that back, by the
 * handshake.
 * holds: T-STLS-1 S, T-STLS-2 S
 */
static void test_commands_behind_stls_are_found(void **state) {
    static const struct scene held[] = {
        {.at = "STLS", .moves = {{POPLIN_TAP_PAUSE, NULL, 1000}, {POPLIN_TAP_SEND, THE_REPLY, 0}}}};
    for (size_t scenes = 0; scenes < 2; scenes++) {
        struct tapped tapped;
        struct raw raw;
        tapped_tap(&tapped, *state, BY_STLS, held, scenes);
        start_in_clear(&tapped, &raw);
        if (scenes > 0)
            raw_settle(tapped.served->loop);
        raw_say(&raw, "USER alice\r\nPASS secret\r\nDELE 1\r\nQUIT\r\n");
        tapped_pass(&tapped, 1100);
        while (!raw.closed)
            if (!raw_receive(&raw, SIZE_MAX))
                raw_step(&raw);
        tapped_expect_in_log(&tapped, scenes > 0 ? "ended failed: the TLS handshake failed: the peer does not speak TLS"
                                                 : "ended failed: octets came in clear behind STLS");
        assert_null(strstr(tapped.script.log, "DELE"));
        tapped_finish(&tapped, &raw);
    }
}

/* Refused by the tap, or never answered: there is no TLS, and no way to talk the server into it later. */
static void test_stls_that_is_not_carried_out(void **state) {
    static const struct scene refused[] = {
        {.at = "STLS", .verdict = POPLIN_SKIP, .moves = {{POPLIN_TAP_SEND, "-ERR no\r\n", 0}}}};
    static const struct scene silent[] = {
        {.at = "STLS", .moves = {{POPLIN_TAP_SEND, THE_REPLY, 0}, {POPLIN_TAP_SILENCE, NULL, 0}}}};
    struct tapped tapped;
    struct raw raw;
    tapped_tap(&tapped, *state, BY_STLS, refused, COUNT_OF(refused));
    start_in_clear(&tapped, &raw);
    raw_expect(&raw, "-ERR no");
    raw_say(&raw, "CAPA\r\n");
    raw_expect(&raw, "+OK");
    (void)raw_skip_lines(&raw);
    tapped_finish(&tapped, &raw);

    tapped_tap(&tapped, *state, BY_STLS, silent, COUNT_OF(silent));
    start_in_clear(&tapped, &raw);
    raw_expect(&raw, "+OK begin TLS");
    assert_int_equal(poplin_tls_client_new(secure.trust, "localhost", &raw.tls), POPLIN_OK);
    raw_flush_tls(&raw);
    raw_expect_silence(&raw);
    tapped_finish(&tapped, &raw);
    assert_null(strstr(tapped.script.log, "secured"));
}

/* Why a handshake failed is told. */
static void test_a_handshake_that_fails(void **state) {
    static const char *const why[] = {
        "ended failed: the TLS handshake failed: the peer does not speak TLS on this port\n",
        "ended failed: the TLS handshake failed: the client closed the connection\n",
        "ended failed: the TLS handshake failed: the peer ended it with the alert",
        "ended failed: the TLS handshake took too long\n",
    };
    for (size_t i = 0; i < COUNT_OF(why); i++) {
        struct tapped tapped;
        struct raw raw;
        tapped_tap(&tapped, *state, IMPLICIT, NULL, 0);
        served_from_memory(tapped.served, 0);
        served_dial(tapped.served, &raw);
        if (i == 0)
            raw_say(&raw, "CAPA\r\n");
        else if (i == 1)
            raw_close(&raw);
        else if (i == 2)
            assert_int_equal(raw_shake_hands(&raw, secure.trust, "other.example"), POPLIN_ERR_CERTIFICATE);
        else
            tapped_pass(&tapped, TAPPED_MINUTES(1));
        while (strstr(tapped.script.log, "ended") == NULL)
            served_step(tapped.served);
        tapped_expect_in_log(&tapped, why[i]);
        tapped_finish(&tapped, &raw);
    }
}

/* ---- autologout ---- */

/* holds: POP-TMO-2 S */
static void test_autologout_says_nothing_by_itself(void **state) {
    for (enum mode mode = CLEAR; mode < MODES; mode++) {
        struct tapped tapped;
        struct raw raw;
        tapped_tap(&tapped, *state, mode, NULL, 0);
        served_from_memory(tapped.served, 1);
        tapped_login(&tapped, &raw);
        raw_say(&raw, "DELE 1\r\n");
        raw_expect(&raw, "+OK");
        tapped_pass(&tapped, TAPPED_MINUTES(11));
        raw_expect_closed(&raw);
        assert_false(raw.reset);
        tapped_expect_in_log(&tapped, "reply \nended timed out: no command within the time allowed\n");
        raw_close(&raw);
        tapped_until_gone(&tapped);
        tapped_finish(&tapped, &raw);
        assert_int_equal(served_count(tapped.served), (size_t)mode + 1);
    }
}

static void test_autologout_with_last_words(void **state) {
    static const struct scene scenes[] = {
        {.at = "AUTOLOGOUT", .moves = {{POPLIN_TAP_PAUSE, NULL, 1000}, {POPLIN_TAP_SEND, "421 bye\r\n", 0}}}};
    for (enum mode mode = CLEAR; mode < MODES; mode++) {
        struct tapped tapped;
        struct raw raw;
        tapped_tap(&tapped, *state, mode, scenes, COUNT_OF(scenes));
        served_from_memory(tapped.served, 0);
        tapped_login(&tapped, &raw);
        tapped_pass(&tapped, TAPPED_MINUTES(11));
        assert_int_equal(poplin_server_sessions(tapped.served->server), 0);
        raw_expect_silence(&raw);
        tapped_pass(&tapped, 1100);
        raw_expect(&raw, "421 bye");
        raw_expect_closed(&raw);
        assert_true(mode == CLEAR || tapped_was_notified(&raw));
        tapped_finish(&tapped, &raw);
    }
}

/* ---- clients that go ---- */

static void test_a_client_that_resets_is_not_waited_for(void **state) {
    static const struct scene scenes[] = {
        {.at = "NOOP", .moves = {{POPLIN_TAP_PAUSE, NULL, 3600 * 1000}, {POPLIN_TAP_SEND, THE_REPLY, 0}}}};
    struct tapped tapped;
    struct raw raw;
    tapped_tap(&tapped, *state, CLEAR, scenes, COUNT_OF(scenes));
    served_from_memory(tapped.served, 0);
    tapped_login(&tapped, &raw);
    raw_say(&raw, "NOOP\r\n");
    raw_settle(tapped.served->loop);
    raw_reset(&raw);
    tapped_until_gone(&tapped);
    tapped_expect_in_log(&tapped, "ended dropped: the client went away in the middle of a reply\nclosed\n");
    tapped_finish(&tapped, &raw);
}

/* What nobody will get is not given to the tap either. */
static void test_a_client_that_resets_while_the_host_looks(void **state) {
    struct tapped tapped;
    struct raw raw;
    int maildrop;
    tapped_tap(&tapped, *state, CLEAR, NULL, 0);
    served_by_questions(tapped.served);
    served_let_in(tapped.served, &raw, &maildrop, 1);
    raw_say(&raw, "RETR 1\r\n");
    (void)served_question(tapped.served, POPLIN_QUESTION_BODY);
    raw_reset(&raw);
    served_expect_close(tapped.served, &maildrop, POPLIN_DROPPED);
    tapped_until_gone(&tapped);
    tapped_expect_log(&tapped, "command RETR",
                      "command RETR 1 <1>\n"
                      "ended dropped: the client went away in the middle of a message\n"
                      "closed\n");
    tapped_finish(&tapped, &raw);
}

/* One that only sends no more still gets its answers, and its QUIT counts. */
static void test_a_client_that_only_listens_is_waited_for(void **state) {
    static const struct scene scenes[] = {
        {.at = "NOOP", .moves = {{POPLIN_TAP_PAUSE, NULL, 5000}, {POPLIN_TAP_SEND, THE_REPLY, 0}}}};
    struct tapped tapped;
    struct raw raw;
    tapped_tap(&tapped, *state, CLEAR, scenes, COUNT_OF(scenes));
    served_from_memory(tapped.served, 1);
    tapped_login(&tapped, &raw);
    raw_say(&raw, "NOOP\r\nDELE 1\r\nQUIT\r\n");
    assert_int_equal(shutdown(raw.descriptor, SHUT_WR), 0);
    tapped_pass(&tapped, 4000);
    assert_int_equal(poplin_server_sessions(tapped.served->server), 1);
    tapped_pass(&tapped, 2000);
    for (int i = 0; i < 3; i++)
        raw_expect(&raw, "+OK");
    raw_expect_closed(&raw);
    assert_int_equal(served_count(tapped.served), 0);
    tapped_finish(&tapped, &raw);
}

/* ---- much ---- */

/*
 * A message far larger than all buffers, and a client that does not read: what waits in the tap is bounded, and then the
 * client is left. One that reads gets all of it.
 * holds: T-RES-4 S, T-RES-1 S
 */
static void test_a_tap_is_not_flooded(void **state) {
    enum { SIZE = 16 << 20, COMMANDS = 20000 };
    static char large[SIZE], commands[COMMANDS * 6];
    memset(large, 'x', SIZE);
    for (size_t i = 0; i < COMMANDS; i++)
        memcpy(commands + i * 6, "CAPA\r\n", 6);
    for (enum mode mode = CLEAR; mode < MODES; mode++) {
        struct tapped tapped;
        struct raw raw;
        tapped_tap(&tapped, *state, mode, NULL, 0);
        served_from_memory(tapped.served, 0);
        assert_int_equal(poplin_memory_deliver(tapped.served->memory, SLICE("alice"), large, SIZE, NULL), POPLIN_OK);
        tapped_login(&tapped, &raw);
        raw_say(&raw, "RETR 1\r\n");
        tapped_pass(&tapped, 1000);
        raw_expect(&raw, "+OK");
        for (size_t got = raw.size - raw.at; got < SIZE + 5; got += raw.size - raw.at) {
            raw_forget(&raw);
            while (!raw_receive(&raw, 1 << 16))
                raw_step(&raw);
            assert_false(raw.closed);
        }
        raw_forget(&raw);
        size_t at = 0;
        for (int full = 0; full < 100 && at < sizeof commands && mode == CLEAR;) {
            ssize_t sent = send(raw.descriptor, commands + at, sizeof commands - at, MSG_NOSIGNAL);
            at += sent > 0 ? (size_t)sent : 0;
            full = sent > 0 ? 0 : full + 1;
            assert_int_equal(poplin_loop_step(tapped.served->loop, 0), POPLIN_OK);
        }
        raw_settle(tapped.served->loop);
        assert_true(tapped.script.most_held < 256 << 10);
        for (int i = 0; i < 5 && mode == CLEAR; i++)
            tapped_pass(&tapped, 121 * 1000);
        assert_int_equal(poplin_server_sessions(tapped.served->server), mode == CLEAR ? 0 : 1);
        tapped_finish(&tapped, &raw);
    }
}

/* ---- what a server promises holds with a tap as well ---- */

/* holds: T-UPD-4 S */
static void test_marks_pipelined_in_any_mix(void **state) {
    static const struct {
        const char *commands;
        int replies;
        size_t left;
    } mixes[] = {
        {"DELE 1\r\nRSET\r\nQUIT\r\n", 3, 5},
        {"DELE 1\r\nDELE 2\r\nRSET\r\nDELE 3\r\nQUIT\r\n", 5, 4},
        {"RSET\r\nDELE 1\r\nDELE 2\r\nQUIT\r\n", 4, 2},
        {"DELE 1\r\nQUIT\r\nRSET\r\nDELE 2\r\n", 2, 1},
    };
    struct tapped tapped;
    tapped_tap(&tapped, *state, CLEAR, NULL, 0);
    served_from_memory(tapped.served, 5);
    for (size_t i = 0; i < COUNT_OF(mixes); i++) {
        struct raw raw;
        tapped_login(&tapped, &raw);
        raw_say(&raw, mixes[i].commands);
        for (int reply = 0; reply < mixes[i].replies; reply++)
            raw_expect(&raw, "+OK");
        raw_expect_closed(&raw);
        assert_int_equal(served_count(tapped.served), mixes[i].left);
        raw_close(&raw);
    }
    served_stop(tapped.served);
}

/*
 * Closing and a reset: nothing is deleted without QUIT, all of it with one, once.
 * holds: T-UPD-1 S, T-UPD-3 S
 */
static void test_ends_of_clients(void **state) {
    struct tapped tapped;
    tapped_tap(&tapped, *state, CLEAR, NULL, 0);
    served_from_memory(tapped.served, 4);
    for (int way = 0; way < 4; way++) {
        struct raw raw;
        bool quits = way >= 2, resets = way % 2 == 1;
        tapped_login(&tapped, &raw);
        raw_settle(tapped.served->loop);
        raw_say(&raw, quits ? "DELE 1\r\nQUIT\r\n" : "DELE 1\r\n");
        resets ? raw_reset(&raw) : raw_close(&raw);
        tapped_until_gone(&tapped);
        assert_int_equal(served_count(tapped.served), (size_t)(quits ? 5 - way : 4));
    }
    tapped_expect_in_log(&tapped, "ended dropped");
    tapped_expect_in_log(&tapped, "ended committed");
    served_stop(tapped.served);
}

/*
 * A commit that fails, whose reply the tap holds back: the maildrop is free before the client knows.
 * holds: T-UPD-2 S, T-LCK-1 S
 */
static void test_a_refused_commit(void **state) {
    static const struct scene scenes[] = {
        {.at = "QUIT", .moves = {{POPLIN_TAP_PAUSE, NULL, 5000}, {POPLIN_TAP_SEND, THE_REPLY, 0}}}};
    struct tapped tapped;
    struct raw first, second;
    int maildrops[2];
    tapped_tap(&tapped, *state, CLEAR, scenes, COUNT_OF(scenes));
    served_by_questions(tapped.served);
    served_let_in(tapped.served, &first, &maildrops[0], 1);
    raw_say(&first, "DELE 1\r\nQUIT\r\n");
    raw_expect(&first, "+OK");
    poplin_request commit = served_question(tapped.served, POPLIN_QUESTION_COMMIT);
    assert_int_equal(poplin_server_refuse(tapped.served->server, commit, POPLIN_ERR_TEMPORARY, "disk full"), POPLIN_OK);
    served_expect_close(tapped.served, &maildrops[0], POPLIN_FAILED);
    served_let_in(tapped.served, &second, &maildrops[1], 1);
    raw_expect_silence(&first);
    tapped_pass(&tapped, 5100);
    raw_expect(&first, "-ERR [SYS/TEMP] disk full");
    raw_expect_closed(&first);
    raw_close(&first);
    tapped_finish(&tapped, &second);
}

/* ---- taps that fail ---- */

static void test_a_tap_that_answers_nonsense(void **state) {
    const struct scene scenes[] = {
        {.at = "NOOP", .moves = {{(enum poplin_tap_step)77, NULL, 0}}},
        {.at = "STAT", .moves = {{POPLIN_TAP_SEND, "", 0}}},
        {.at = "RSET", .verdict = (enum poplin_verdict)77},
        {.at = "LIST", .failure = POPLIN_ERR_NOMEM},
        {.at = "UIDL", .failure = 77},
    };
    for (size_t i = 0; i < COUNT_OF(scenes); i++) {
        struct tapped tapped;
        struct raw raw;
        char command[16];
        tapped_tap(&tapped, *state, CLEAR, scenes, COUNT_OF(scenes));
        served_from_memory(tapped.served, 1);
        tapped_login(&tapped, &raw);
        snprintf(command, sizeof command, "%s\r\n", scenes[i].at);
        raw_say(&raw, "DELE 1\r\n");
        raw_expect(&raw, "+OK");
        raw_say(&raw, command);
        raw_expect_closed(&raw);
        tapped_expect_in_log(&tapped, "ended failed: the server's tap failed\n");
        tapped_finish(&tapped, &raw);
        assert_int_equal(served_count(tapped.served), i + 1);
    }
}

static void test_a_tap_that_refuses_a_connection(void **state) {
    struct tapped tapped;
    struct raw raw;
    tapped_tap(&tapped, *state, CLEAR, NULL, 0);
    tapped.script.refusal = POPLIN_ERR_NOMEM;
    served_from_memory(tapped.served, 0);
    served_dial(tapped.served, &raw);
    raw_expect_closed(&raw);
    assert_string_equal(tapped.script.log, "opened 127.0.0.1\n");
    tapped_finish(&tapped, &raw);
}

/* ---- servers that stop ---- */

/* In the middle of everything: each connection is told of its end, once, and that it is gone. */
static void test_stopping(void **state) {
    static const struct scene scenes[] = {
        {.at = "NOOP", .moves = {{POPLIN_TAP_PAUSE, NULL, 5000}, {POPLIN_TAP_SEND, THE_REPLY, 0}}},
        {.at = "RSET", .moves = {{POPLIN_TAP_SILENCE, NULL, 0}}},
        {.at = "QUIT", .moves = {{POPLIN_TAP_PAUSE, NULL, 5000}, {POPLIN_TAP_SEND, THE_REPLY, 0}}},
    };
    static const char *const last[] = {"", "NOOP\r\n", "RSET\r\n", "RETR 1\r\n", "QUIT\r\n"};
    static const char *const ends[] = {
        "ended failed: the server was stopped\nclosed\n",
        "command NOOP\nreply \nended failed: the server was stopped\nclosed\n",
        "command RSET\nreply \nended failed: the server was stopped\nclosed\n",
        "command RETR 1 <1>\nended failed: the server was stopped\nreply empty\nclosed\n",
        "command QUIT\nended committed\nreply \nclosed\n",
    };
    for (enum mode mode = CLEAR; mode < MODES; mode++) {
        for (size_t i = 0; i < COUNT_OF(last); i++) {
            struct tapped tapped;
            struct raw raw;
            int maildrop = 0;
            tapped_tap(&tapped, *state, mode, scenes, COUNT_OF(scenes));
            if (mode == CLEAR) {
                served_by_questions(tapped.served);
                served_let_in(tapped.served, &raw, &maildrop, 1);
            } else {
                served_from_memory(tapped.served, 1);
                tapped_login(&tapped, &raw);
            }
            raw_say(&raw, last[i]);
            if (mode == CLEAR || i != 3)
                raw_settle(tapped.served->loop);
            served_stop(tapped.served);
            if (mode == CLEAR)
                tapped_expect_in_log(&tapped, ends[i]);
            while (mode == CLEAR &&
                   poplin_questions_next(tapped.served->questions, &tapped.served->question) == POPLIN_OK)
                ;
            while (!raw.closed)
                (void)raw_receive(&raw, SIZE_MAX);
            tapped_finish(&tapped, &raw);
        }
    }
}

static void test_a_child_tells_no_tap(void **state) {
    struct tapped tapped;
    struct raw raw;
    tapped_tap(&tapped, *state, CLEAR, NULL, 0);
    served_from_memory(tapped.served, 0);
    served_dial(tapped.served, &raw);
    raw_expect(&raw, "+OK");
    pid_t child = fork();
    if (child == 0) {
        size_t before = tapped.script.size;
        served_stop(tapped.served);
        report(tapped.script.size == before);
    }
    expect_report(child);
    tapped_finish(&tapped, &raw);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVED_TEST(test_octets_injected_into_the_reply_to_stls),
        SERVED_TEST(test_a_handshake_that_begins_in_the_middle_of_the_reply),
        SERVED_TEST(test_commands_behind_stls_are_found),
        SERVED_TEST(test_stls_that_is_not_carried_out),
        SERVED_TEST(test_a_handshake_that_fails),
        SERVED_TEST(test_autologout_says_nothing_by_itself),
        SERVED_TEST(test_autologout_with_last_words),
        SERVED_TEST(test_a_client_that_resets_is_not_waited_for),
        SERVED_TEST(test_a_client_that_resets_while_the_host_looks),
        SERVED_TEST(test_a_client_that_only_listens_is_waited_for),
        SERVED_TEST(test_a_tap_is_not_flooded),
        SERVED_TEST(test_marks_pipelined_in_any_mix),
        SERVED_TEST(test_ends_of_clients),
        SERVED_TEST(test_a_refused_commit),
        SERVED_TEST(test_a_tap_that_answers_nonsense),
        SERVED_TEST(test_a_tap_that_refuses_a_connection),
        SERVED_TEST(test_stopping),
        SERVED_TEST(test_a_child_tells_no_tap),
    };
    return cmocka_run_group_tests(tests, secure_set_up, secure_tear_down);
}
