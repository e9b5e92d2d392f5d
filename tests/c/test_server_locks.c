/*
 * test_server_locks.c - several sessions of one user: a login that waits its turn, for a while and by the clock; and sessions side by
 * side, each with its snapshot. On a clock that only the tests move.
 */
#include "still_clock.h"

#include "served.h"

#define LOGIN "USER alice\r\nPASS secret\r\n"

static void pass(struct served *served, uint64_t milliseconds) {
    raw_settle(served->loop);
    poplin_loop_advance(served->loop, milliseconds);
    raw_settle(served->loop);
}

/* Somebody who has said all that a login takes, and is not answered yet. */
static void ask_to_enter(struct served *served, struct raw *raw) {
    served_dial(served, raw);
    raw_expect(raw, "+OK");
    raw_say(raw, LOGIN);
    raw_expect(raw, "+OK send PASS");
    raw_expect_silence(raw);
}

static void leave(struct raw *raw) {
    raw_say(raw, "QUIT\r\n");
    raw_expect(raw, "+OK bye");
    raw_close(raw);
}

/* holds: POP-ST-3 S */
static void test_logins_wait_their_turn(void **state) {
    struct served *served = *state;
    struct raw first, second, third, bob;
    served->config.lock_wait_ms = 5000;
    assert_int_equal(poplin_memory_add_user(served->memory, SLICE("bob"), SLICE("secret")), POPLIN_OK);
    served_from_memory(served, 2);
    served_login(served, &first);
    ask_to_enter(served, &second);
    ask_to_enter(served, &third);
    served_dial(served, &bob); /* nobody else is held up */
    raw_login(&bob, "bob", "secret");
    raw_close(&bob);
    raw_say(&first, "DELE 1\r\n");
    raw_expect(&first, "+OK");
    leave(&first);
    raw_expect(&second, "+OK 1 messages"); /* in the order in which they came, after the deletion */
    raw_expect_silence(&third);
    leave(&second);
    raw_expect(&third, "+OK 1 messages");
    leave(&third);
}

/* holds: POP-RESP-5 S, POP-PASS-4 S */
static void test_who_waits_too_long_is_told_in_use(void **state) {
    struct served *served = *state;
    struct raw first, second;
    served->config.lock_wait_ms = 5000;
    served_from_memory(served, 1);
    served_login(served, &first);
    ask_to_enter(served, &second);
    pass(served, 4999);
    raw_expect_silence(&second);
    pass(served, 1);
    raw_expect(&second, "-ERR [IN-USE] another session");
    raw_say(&second, LOGIN); /* and may wait again */
    raw_expect(&second, "+OK send PASS");
    pass(served, 4999);
    raw_expect_silence(&second);
    leave(&first);
    raw_expect(&second, "+OK 1 messages");
    pass(served, 5000); /* that it waited is over */
    leave(&second);
}

/*
 * Two that wait do not come in right behind each other where a delay is announced; nor does the second one keep the lock.
 * holds: POP-RESP-5 S
 */
static void test_a_wait_does_not_undo_the_login_delay(void **state) {
    struct served *served = *state;
    struct raw first, second, third;
    served->config.lock_wait_ms = 100000;
    served->config.session.login_delay = 60;
    served_from_memory(served, 1);
    served_login(served, &first);
    pass(served, 60000);
    ask_to_enter(served, &second);
    ask_to_enter(served, &third);
    leave(&first);
    raw_expect(&second, "+OK 1 messages");
    pass(served, 10000);
    leave(&second);
    raw_expect(&third, "-ERR [LOGIN-DELAY] wait 50 s");
    pass(served, 50000);
    raw_say(&third, LOGIN);
    raw_expect(&third, "+OK send PASS");
    raw_expect(&third, "+OK 1 messages");
    leave(&third);
}

/*
 * A session that is dead but for its connection keeps the lock until its time is over, and no longer.
 * holds: T-LCK-1 S
 */
static void test_the_lock_of_who_is_timed_out_goes_to_the_next(void **state) {
    struct served *served = *state;
    struct raw first, second;
    served->config.lock_wait_ms = 1000000;
    served_from_memory(served, 2);
    served_login(served, &first);
    raw_say(&first, "DELE 1\r\n");
    raw_expect(&first, "+OK");
    ask_to_enter(served, &second);
    pass(served, 599999);
    raw_expect_silence(&second);
    pass(served, 1);
    raw_expect(&second, "+OK 2 messages");
    raw_expect_closed(&first);
    raw_close(&first);
    leave(&second);
}

/* A place is nothing that outlives its owner. */
static void test_who_waits_may_go(void **state) {
    struct served *served = *state;
    struct raw first, second, third;
    served->config.lock_wait_ms = 5000;
    served_from_memory(served, 1);
    served_login(served, &first);
    ask_to_enter(served, &second);
    ask_to_enter(served, &third);
    raw_close(&second);
    leave(&first);
    raw_expect(&third, "+OK 1 messages");
    leave(&third);
}

static void test_the_server_stops_while_somebody_waits(void **state) {
    struct served *served = *state;
    struct raw first, second, third;
    served->config.lock_wait_ms = 5000;
    served_from_memory(served, 1);
    served_login(served, &first);
    ask_to_enter(served, &second);
    ask_to_enter(served, &third);
    served_stop(served);
    raw_close(&first);
    raw_close(&second);
    raw_close(&third);
}

/* The lock passes on from a login that came to nothing, too. */
static void test_a_refused_maildrop_lets_the_next_one_in(void **state) {
    struct served *served = *state;
    struct raw first, second;
    int maildrop;
    served->config.lock_wait_ms = 5000;
    served_by_questions(served);
    served_dial(served, &first);
    raw_say(&first, LOGIN);
    (void)poplin_server_accept(served->server, served_question(served, POPLIN_QUESTION_CHECK));
    poplin_request open = served_question(served, POPLIN_QUESTION_MAILDROP);
    served_dial(served, &second);
    raw_say(&second, LOGIN);
    (void)poplin_server_accept(served->server, served_question(served, POPLIN_QUESTION_CHECK));
    served_no_question(served);
    assert_int_equal(poplin_server_refuse(served->server, open, POPLIN_ERR_TEMPORARY, NULL), POPLIN_OK);
    open = served_question(served, POPLIN_QUESTION_MAILDROP);
    assert_int_equal(poplin_server_open(served->server, open, &maildrop, NULL, 0), POPLIN_OK);
    raw_expect(&second, "+OK");
    raw_expect(&second, "+OK send PASS");
    raw_expect(&second, "+OK 0 messages");
    raw_close(&first);
    raw_close(&second);
    served_expect_close(served, &maildrop, POPLIN_DROPPED);
}

/* ---- side by side ---- */

/* holds: POP-ST-4 S */
static void test_snapshots_keep_what_others_delete(void **state) {
    struct served *served = *state;
    struct raw one, other;
    served->config.lock = POPLIN_LOCK_SNAPSHOT;
    served_from_memory(served, 3);
    served_login(served, &one);
    served_login(served, &other);
    raw_say(&one, "DELE 1\r\nDELE 3\r\n");
    raw_expect(&one, "+OK");
    raw_expect(&one, "+OK");
    raw_say(&other, "STAT\r\nRETR 1\r\n"); /* a mark is nothing yet */
    raw_expect(&other, "+OK 3 33");
    raw_expect(&other, "+OK 11 octets");
    raw_expect(&other, "message 1");
    raw_expect(&other, ".");
    leave(&one);
    raw_say(&other, "STAT\r\nRETR 1\r\nTOP 3 0\r\nUIDL 1\r\nDELE 1\r\nDELE 2\r\n");
    raw_expect(&other, "+OK 3 33");
    raw_expect(&other, "-ERR another session has deleted this message");
    raw_expect(&other, "-ERR another session has deleted this message");
    raw_expect(&other, "+OK 1 ");
    raw_expect(&other, "+OK message 1 marked");
    raw_expect(&other, "+OK message 2 marked");
    leave(&other);
    assert_int_equal(served_count(served), 0);
}

/* holds: POP-UPD-3 S */
static void test_the_backend_is_asked_once_for_each_message(void **state) {
    struct served *served = *state;
    struct raw one, other, third;
    int maildrops[3];
    served->config.lock = POPLIN_LOCK_SNAPSHOT;
    served_by_questions(served);
    served_let_in(served, &one, &maildrops[0], 3);
    served_let_in(served, &other, &maildrops[1], 3);
    served_let_in(served, &third, &maildrops[2], 3);
    raw_say(&one, "DELE 2\r\nQUIT\r\n");
    (void)poplin_server_accept(served->server, served_question(served, POPLIN_QUESTION_COMMIT));
    served_expect_close(served, &maildrops[0], POPLIN_COMMITTED);
    raw_say(&other, "DELE 2\r\nDELE 3\r\nQUIT\r\n");
    poplin_request commit = served_question(served, POPLIN_QUESTION_COMMIT);
    assert_int_equal(served->question.count, 1);
    assert_memory_equal(served->question.unique_ids[0].data, "id-3", 4);
    (void)poplin_server_accept(served->server, commit);
    served_expect_close(served, &maildrops[1], POPLIN_COMMITTED);
    raw_say(&third, "DELE 2\r\nLIST 2\r\nQUIT\r\n"); /* nothing is left to ask for */
    served_expect_close(served, &maildrops[2], POPLIN_COMMITTED);
    raw_close(&one);
    raw_close(&other);
    raw_close(&third);
}

/* What has no known size and is gone before it was counted is not asked for: it counts as empty. */
static void test_what_is_gone_is_not_counted(void **state) {
    struct served *served = *state;
    struct raw one, other;
    int maildrops[2];
    served->config.lock = POPLIN_LOCK_SNAPSHOT;
    served_by_questions(served);
    served_let_in(served, &one, &maildrops[0], 1);
    served_let_in(served, &other, &maildrops[1], 1);
    raw_say(&one, "DELE 1\r\nQUIT\r\n");
    (void)poplin_server_accept(served->server, served_question(served, POPLIN_QUESTION_COMMIT));
    served_expect_close(served, &maildrops[0], POPLIN_COMMITTED);
    raw_say(&other, "LIST 1\r\nSTAT\r\n");
    raw_expect(&other, "+OK 1 0");
    raw_expect(&other, "+OK 1 0");
    raw_close(&one);
    raw_close(&other);
    served_expect_close(served, &maildrops[1], POPLIN_DROPPED);
}

static void test_a_refused_commit_takes_nothing_from_others(void **state) {
    struct served *served = *state;
    struct raw one, other;
    int maildrops[2];
    served->config.lock = POPLIN_LOCK_SNAPSHOT;
    served_by_questions(served);
    served_let_in(served, &one, &maildrops[0], 1);
    served_let_in(served, &other, &maildrops[1], 1);
    raw_say(&one, "DELE 1\r\nQUIT\r\n");
    poplin_request commit = served_question(served, POPLIN_QUESTION_COMMIT);
    (void)poplin_server_refuse(served->server, commit, POPLIN_ERR_TEMPORARY, NULL);
    served_expect_close(served, &maildrops[0], POPLIN_FAILED);
    raw_say(&other, "RETR 1\r\n");
    poplin_request body = served_question(served, POPLIN_QUESTION_BODY);
    (void)poplin_server_body(served->server, body, "still here\r\n", 12, NULL, NULL);
    raw_expect(&other, "+OK");
    raw_expect(&other, "still here");
    raw_close(&one);
    raw_close(&other);
    served_expect_close(served, &maildrops[1], POPLIN_DROPPED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVED_TEST(test_logins_wait_their_turn),
        SERVED_TEST(test_who_waits_too_long_is_told_in_use),
        SERVED_TEST(test_a_wait_does_not_undo_the_login_delay),
        SERVED_TEST(test_the_lock_of_who_is_timed_out_goes_to_the_next),
        SERVED_TEST(test_who_waits_may_go),
        SERVED_TEST(test_the_server_stops_while_somebody_waits),
        SERVED_TEST(test_a_refused_maildrop_lets_the_next_one_in),
        SERVED_TEST(test_snapshots_keep_what_others_delete),
        SERVED_TEST(test_the_backend_is_asked_once_for_each_message),
        SERVED_TEST(test_what_is_gone_is_not_counted),
        SERVED_TEST(test_a_refused_commit_takes_nothing_from_others),
    };
    return cmocka_run_group_tests_name("server locks", tests, NULL, NULL);
}
