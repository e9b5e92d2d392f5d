/*
 * test_trace.c - the trace of a loop: which lines, when, from whom; hostile words; what its function may do; lines that are
 * kept.
 */
#include "linked.h"

#include "child.h"
#include "traced.h"

static struct traced traced;

static void begin(struct linked *linked) {
    traced_begin(&traced, linked->loop, POPLIN_TRACE_ALL);
}

/* ---- lines ---- */

static void test_a_conversation(void **state) {
    struct linked *linked = *state;
    poplin_body body;
    begin(linked);
    linked_open(linked);
    assert_string_equal(traced.text, "C1 - connected to unix\n"
                                     "C1 < +OK ready\n"
                                     "C1 > CAPA\n"
                                     "C1 < +OK\n"
                                     "C1 < SASL PLAIN\n"
                                     "C1 < PIPELINING\n"
                                     "C1 < RESP-CODES\n"
                                     "C1 < STLS\n"
                                     "C1 < UIDL\n"
                                     "C1 < TOP\n"
                                     "C1 > AUTH PLAIN ****\n"
                                     "C1 < +OK\n"
                                     "C1 - logged in as alice by PLAIN\n");
    traced_begin(&traced, linked->loop, POPLIN_TRACE_ALL);
    linked_exchange(linked, POPLIN_LIST, "LIST\r\n", "+OK 2\r\n1 10\r\n2 20\r\n.\r\n");
    poplin_call *call = linked_call(linked, POPLIN_RETR, 2, false);
    linked_go_on_call(call);
    peer_hear(&linked->peer, "RETR 2\r\n");
    peer_say(&linked->peer, "+OK 20 octets\r\nSubject: x\r\n\r\n..dot\r\n.\r\n");
    assert_int_equal(linked_done(linked, call), POPLIN_OK);
    assert_int_equal(poplin_call_body(call, &body), POPLIN_OK);
    poplin_call_free(call);
    linked_exchange(linked, POPLIN_QUIT, "QUIT\r\n", "+OK bye\r\n");
    peer_close(&linked->peer);
    poplin_client_event event;
    (void)linked_event(linked, &event);
    assert_string_equal(traced.text, "C1 > LIST\n"
                                     "C1 < +OK 2\n"
                                     "C1 < 2 lines of listing\n"
                                     "C1 > RETR 2\n"
                                     "C1 < +OK 20 octets\n"
                                     "C1 < 20 octets of message\n"
                                     "C1 > QUIT\n"
                                     "C1 < +OK bye\n"
                                     "C1 - closed: the session has ended with QUIT\n");
    assert_true(strncmp(traced.peer, "descriptor ", 11) == 0);
}

static void test_off_there_is_nothing(void **state) {
    struct linked *linked = *state;
    begin(linked);
    assert_int_equal(poplin_loop_trace(linked->loop, POPLIN_TRACE_NONE, traced_line, &traced), POPLIN_OK);
    linked_open(linked);
    assert_int_equal(traced.count, 0);
    begin(linked); /* in the midst of it */
    linked_exchange(linked, POPLIN_NOOP, "NOOP\r\n", "+OK\r\n");
    assert_int_equal(poplin_loop_trace(linked->loop, POPLIN_TRACE_NONE, NULL, NULL), POPLIN_OK);
    linked_exchange(linked, POPLIN_RSET, "RSET\r\n", "+OK\r\n");
    poplin_link_free(linked->link);
    linked->link = NULL;
    assert_non_null(strstr(traced.text, "C1 < +OK\n"));
    traced_lack(&traced, "RSET");
    traced_lack(&traced, "closed");
}

static void test_notes_alone(void **state) {
    struct linked *linked = *state;
    traced_begin(&traced, linked->loop, POPLIN_TRACE_ONLY(POPLIN_TRACE_NOTE));
    linked_open(linked);
    poplin_link_free(linked->link);
    linked->link = NULL;
    assert_string_equal(traced.text, "C1 - connected to unix\n"
                                     "C1 - logged in as alice by PLAIN\n"
                                     "C1 - closed without QUIT\n");
}

static void test_tls_and_what_was_verified(void **state) {
    struct linked *linked = *state;
    const poplin_credentials login = {.user = SLICE("alice"), .password = SLICE("secret")};
    begin(linked);
    linked_use_tls(linked);
    linked_greet(linked, &login);
    peer_hear(&linked->peer, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n");
    TRACED_EXPECT(&traced, "C1 - connected to unix\n", "C1 - TLS1.", ", TLS_", "; certificate verified\n",
                  "C1 < +OK ready\n");
    assert_string_equal(traced.peer, "pop.example.org");
}

/* ---- what goes wrong ---- */

static void test_a_body_that_is_cut(void **state) {
    struct linked *linked = *state;
    begin(linked);
    linked_open(linked);
    poplin_call *call = linked_call(linked, POPLIN_RETR, 1, false);
    linked_go_on_call(call);
    peer_hear(&linked->peer, "RETR 1\r\n");
    peer_say(&linked->peer, "+OK\r\n0123456789");
    peer_close(&linked->peer);
    assert_int_equal(linked_done(linked, call), POPLIN_ERR_CLOSED);
    TRACED_EXPECT(&traced, "C1 > RETR 1\n", "C1 < +OK\n", "C1 < 10 octets of message, and no more\n",
                  "C1 - failed: RETR 1: the server closed the connection before its reply was complete");
}

/* holds: T-TXT-1 C */
static void test_hostile_words(void **state) {
    struct linked *linked = *state;
    char flood[4096] = "-ERR ";
    begin(linked);
    linked_open(linked);
    linked_exchange(linked, POPLIN_NOOP, "NOOP\r\n", "+OK \x1b]0;pwned\x07\x7f %s%n \xc3\xa4\t\r\n");
    TRACED_EXPECT(&traced, "C1 < +OK \\x1B]0;pwned\\x07\\x7F %s%n \\xC3\\xA4\\x09\n");
    memset(flood + 5, '\x01', 4000);
    memcpy(flood + 4005, "\r\n", 3);
    poplin_call *call = linked_call(linked, POPLIN_NOOP, 0, false);
    linked_go_on_call(call);
    peer_hear(&linked->peer, "NOOP\r\n");
    peer_say(&linked->peer, flood);
    (void)linked_reply(linked, call);
    poplin_call_free(call);
    TRACED_EXPECT(&traced, "C1 < -ERR \\x01\\x01"); /* traced_write holds its length */
}

static int log_in_and_be_told(struct linked *linked, const char *reply) {
    const poplin_credentials login = {.user = SLICE("alice"), .password = SLICE("secret")};
    begin(linked);
    linked_greet(linked, &login);
    peer_hear(&linked->peer, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n");
    peer_say(&linked->peer, reply);
    return linked_opened(linked);
}

/* holds: T-SEC-1 B */
static void test_a_server_that_repeats_the_password(void **state) {
    struct linked *linked = *state;
    assert_int_equal(log_in_and_be_told(linked, "-ERR no such password: secret\r\n"), POPLIN_ERR_AUTH);
    TRACED_EXPECT(&traced, "C1 > AUTH PLAIN ****\n", "C1 < -ERR (words that repeat the password)\n");
    traced_lack(&traced, "secret");
}

/* holds: T-SEC-1 B */
static void test_a_server_that_repeats_the_response(void **state) {
    struct linked *linked = *state;
    assert_int_equal(log_in_and_be_told(linked, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"), POPLIN_ERR_PROTOCOL);
    TRACED_EXPECT(&traced, "C1 > AUTH PLAIN ****\n", "C1 < (words that repeat the password)\n", "C1 - failed: ");
    traced_lack(&traced, "AGFs");
}

/* ---- the function ---- */

struct meddler {
    struct linked *linked;
    size_t lines, posts;
    int stepped;
};

static void count_post(void *argument) {
    struct meddler *meddler = argument;
    meddler->posts++;
}

static void meddle(void *context, const poplin_trace_line *line) {
    struct meddler *meddler = context;
    (void)line;
    if (meddler->lines++ > 0)
        return;
    meddler->stepped = poplin_loop_step(meddler->linked->loop, -1);
    assert_int_equal(poplin_loop_post(meddler->linked->loop, count_post, meddler), POPLIN_OK);
    assert_int_equal(poplin_loop_trace(meddler->linked->loop, POPLIN_TRACE_NONE, NULL, NULL), POPLIN_OK);
}

static void test_what_the_function_may_do(void **state) {
    struct linked *linked = *state;
    struct meddler meddler = {.linked = linked};
    assert_int_equal(poplin_loop_trace(linked->loop, POPLIN_TRACE_ALL, meddle, &meddler), POPLIN_OK);
    linked_open(linked);
    assert_int_equal(meddler.stepped, POPLIN_ERR_STATE);
    assert_int_equal(meddler.posts, 1);
    assert_int_equal(meddler.lines, 1);
}

/* ---- lines that are kept ---- */

static void test_lines_are_kept(void **state) {
    struct linked *linked = *state;
    poplin_trace_line line;
    begin(linked);
    assert_int_equal(poplin_loop_trace(linked->loop, POPLIN_TRACE_ALL, NULL, NULL), POPLIN_OK);
    assert_int_equal(poplin_loop_trace_next(linked->loop, &line), POPLIN_END);
    linked_open(linked);
    for (size_t i = 0; i < 13; i++) {
        assert_int_equal(poplin_loop_trace_next(linked->loop, &line), POPLIN_OK);
        traced_write(&traced, &line);
        assert_int_equal(line.connection, 1);
    }
    assert_int_equal(poplin_loop_trace_next(linked->loop, &line), POPLIN_END);
    TRACED_EXPECT(&traced, "C1 - connected to unix\n", "C1 > CAPA\n", "C1 < TOP\n",
                  "C1 - logged in as alice by PLAIN\n");
}

static void test_not_without_bound(void **state) {
    struct linked *linked = *state;
    poplin_trace_line line;
    size_t octets = 0, lines = 0, lost;
    char end;
    begin(linked);
    linked_open(linked);
    assert_int_equal(poplin_loop_trace(linked->loop, POPLIN_TRACE_ALL, NULL, NULL), POPLIN_OK);
    for (int i = 0; i < 15000; i++)
        linked_exchange(linked, POPLIN_NOOP, "NOOP\r\n", "+OK\r\n");
    while (poplin_loop_trace_next(linked->loop, &line) == POPLIN_OK && line.connection > 0) {
        octets += strlen(line.peer) + strlen(line.text);
        lines++;
    }
    assert_true(octets < 1 << 20 && lines > 1000);
    assert_int_equal(line.kind, POPLIN_TRACE_NOTE);
    if (sscanf(line.text, "%zu lines of the trace were not kep%c", &lost, &end) != 2)
        fail_msg("%s", line.text);
    assert_int_equal(lines + lost, 30000);
    assert_int_equal(poplin_loop_trace_next(linked->loop, &line), POPLIN_END);
    linked_exchange(linked, POPLIN_NOOP, "NOOP\r\n", "+OK\r\n");
    assert_int_equal(poplin_loop_trace_next(linked->loop, &line), POPLIN_OK);
    assert_string_equal(line.text, "NOOP");
}

/* ---- after fork ---- */

static void test_a_child_tells_nothing(void **state) {
    struct linked *linked = *state;
    begin(linked);
    linked_open(linked);
    size_t count = traced.count;
    pid_t child = fork();
    if (child == 0) {
        bool refused = poplin_loop_trace(linked->loop, POPLIN_TRACE_ALL, traced_line, &traced) == POPLIN_ERR_STATE;
        poplin_link_cancel(linked->link);
        poplin_link_free(linked->link);
        report(refused && traced.count == count);
    }
    expect_report(child);
    poplin_link_cancel(linked->link);
    assert_int_equal(traced.count, count + 1);
    TRACED_EXPECT(&traced, "C1 - failed: ");
}

#define LINKED_TEST(function) cmocka_unit_test_setup_teardown(function, linked_set_up, linked_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        LINKED_TEST(test_a_conversation),
        LINKED_TEST(test_off_there_is_nothing),
        LINKED_TEST(test_notes_alone),
        LINKED_TEST(test_tls_and_what_was_verified),
        LINKED_TEST(test_a_body_that_is_cut),
        LINKED_TEST(test_hostile_words),
        LINKED_TEST(test_a_server_that_repeats_the_password),
        LINKED_TEST(test_a_server_that_repeats_the_response),
        LINKED_TEST(test_what_the_function_may_do),
        LINKED_TEST(test_lines_are_kept),
        LINKED_TEST(test_not_without_bound),
        LINKED_TEST(test_a_child_tells_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
