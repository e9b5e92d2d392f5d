/*
 * test_server.c - the server and its sessions as clients see them: commands in any mix, ends of every kind and what they
 * delete, and the lock.
 */
#include "served.h"

static void test_a_whole_session(void **state) {
    struct served *served = *state;
    struct raw peer;
    served_from_memory(served, 2);
    served_login(served, &peer);
    raw_say(&peer, "STAT\r\n");
    raw_expect(&peer, "+OK 2 22");
    raw_say(&peer, "RETR 2\r\n");
    raw_expect(&peer, "+OK");
    raw_expect(&peer, "message 2");
    raw_expect(&peer, ".");
    raw_say(&peer, "DELE 2\r\nQUIT\r\n");
    raw_expect(&peer, "+OK");
    raw_expect(&peer, "+OK");
    raw_expect_closed(&peer);
    assert_false(peer.reset);
    assert_int_equal(served_count(served), 1);
    assert_int_equal(poplin_server_sessions(served->server), 0);
    raw_close(&peer);
}

static void test_the_whole_session_in_one_write(void **state) {
    struct served *served = *state;
    struct raw peer;
    served_from_memory(served, 2);
    served_dial(served, &peer);
    raw_say(&peer, "USER alice\r\nPASS secret\r\nSTAT\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n");
    for (int i = 0; i < 5; i++)
        raw_expect(&peer, "+OK");
    raw_expect(&peer, "message 1");
    raw_expect(&peer, ".");
    raw_expect(&peer, "+OK");
    raw_expect(&peer, "+OK");
    raw_expect_closed(&peer);
    assert_int_equal(served_count(served), 1);
    raw_close(&peer);
}

/* holds: T-UPD-4 S */
static void test_marks_pipelined_in_any_mix(void **state) {
    struct served *served = *state;
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
    served_from_memory(served, 5);
    for (size_t i = 0; i < COUNT_OF(mixes); i++) {
        struct raw peer;
        served_login(served, &peer);
        raw_say(&peer, mixes[i].commands);
        for (int reply = 0; reply < mixes[i].replies; reply++)
            raw_expect(&peer, "+OK");
        raw_expect_closed(&peer);
        assert_int_equal(served_count(served), mixes[i].left);
        raw_close(&peer);
    }
}

/* holds: T-UPD-1 S, POP-UPD-2 S */
static void test_no_other_end_than_quit_deletes(void **state) {
    struct served *served = *state;
    served_from_memory(served, 3);
    for (int way = 0; way < 4; way++) {
        struct raw peer;
        served_login(served, &peer);
        raw_say(&peer, "DELE 1\r\nDELE 2\r\n");
        raw_expect(&peer, "+OK");
        raw_expect(&peer, "+OK");
        if (way == 0)
            raw_close(&peer);
        else if (way == 1)
            raw_reset(&peer);
        else if (way == 2)
            raw_say(&peer, "X\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nQUIT\r\n");
        else
            assert_int_equal(shutdown(peer.descriptor, SHUT_WR), 0);
        served_until_sessions(served, 0);
        raw_close(&peer);
        assert_int_equal(served_count(served), 3);
    }
}

/* holds: T-UPD-3 S, POP-UPD-4 S */
static void test_a_quit_that_was_sent_counts(void **state) {
    struct served *served = *state;
    served_from_memory(served, 3);
    for (size_t i = 0; i < 3; i++) {
        struct raw peer;
        served_login(served, &peer);
        raw_say(&peer, "DELE 1\r\nQUIT\r\n");
        if (i == 0)
            raw_reset(&peer); /* with the commands still unread */
        else
            raw_close(&peer);
        served_until_sessions(served, 0);
        assert_int_equal(served_count(served), 2 - i);
    }
}

/* holds: T-UPD-3 S */
static void test_the_commit_runs_to_its_end_without_its_client(void **state) {
    struct served *served = *state;
    struct raw peer;
    int maildrop;
    served_by_questions(served);
    served_let_in(served, &peer, &maildrop, 3);
    raw_say(&peer, "DELE 3\r\nDELE 1\r\nQUIT\r\n");
    poplin_request commit = served_question(served, POPLIN_QUESTION_COMMIT);
    assert_int_equal(served->question.count, 2);
    assert_memory_equal(served->question.unique_ids[0].data, "id-1", 4);
    assert_memory_equal(served->question.unique_ids[1].data, "id-3", 4);
    raw_reset(&peer);
    served_no_question(served);
    assert_int_equal(poplin_server_sessions(served->server), 1);
    assert_int_equal(poplin_server_accept(served->server, commit), POPLIN_OK);
    served_expect_close(served, &maildrop, POPLIN_COMMITTED);
    served_no_question(served);
}

/* holds: T-UPD-2 S */
static void test_a_refused_commit_is_told_and_unlocks(void **state) {
    struct served *served = *state;
    struct raw peer;
    int maildrop;
    served_by_questions(served);
    served_let_in(served, &peer, &maildrop, 1);
    raw_say(&peer, "DELE 1\r\nQUIT\r\n");
    raw_expect(&peer, "+OK");
    poplin_request commit = served_question(served, POPLIN_QUESTION_COMMIT);
    assert_int_equal(poplin_server_refuse(served->server, commit, POPLIN_ERR_TEMPORARY, "disk full"), POPLIN_OK);
    raw_expect(&peer, "-ERR [SYS/TEMP] disk full");
    served_expect_close(served, &maildrop, POPLIN_FAILED);
    raw_expect_closed(&peer);
    raw_close(&peer);
    served_let_in(served, &peer, &maildrop, 1);
    raw_close(&peer);
}

/*
 * The message is too large for the sockets' buffers, so it cannot have been received.
 * holds: POP-UPD-2 S
 */
static void test_a_quit_behind_a_message_that_was_not_sent_deletes_nothing(void **state) {
    struct served *served = *state;
    enum { SIZE = 32 << 20 };
    struct raw peer;
    char *large = malloc(SIZE);
    memset(large, 'x', SIZE);
    assert_int_equal(poplin_memory_deliver(served->memory, SLICE("alice"), large, SIZE, NULL), POPLIN_OK);
    free(large);
    served_from_memory(served, 0);
    served_login(served, &peer);
    raw_say(&peer, "RETR 1\r\nDELE 1\r\nQUIT\r\n");
    raw_expect(&peer, "+OK");
    raw_reset(&peer);
    served_until_sessions(served, 0);
    assert_int_equal(served_count(served), 1);
}

/*
 * The host still looks for the message when its client is gone: the session ends at once, and the lock is free.
 * holds: T-LCK-1 S, T-UPD-1 S
 */
static void test_a_client_that_resets_while_the_host_looks(void **state) {
    struct served *served = *state;
    struct raw peer;
    int maildrop;
    served_by_questions(served);
    served_let_in(served, &peer, &maildrop, 2);
    raw_say(&peer, "DELE 2\r\nRETR 1\r\nQUIT\r\n");
    raw_expect(&peer, "+OK");
    poplin_request body = served_question(served, POPLIN_QUESTION_BODY);
    raw_reset(&peer);
    served_expect_close(served, &maildrop, POPLIN_DROPPED);
    assert_int_equal(poplin_server_body(served->server, body, "late", 4, NULL, NULL), POPLIN_ERR_STATE);
    served_let_in(served, &peer, &maildrop, 2);
    raw_close(&peer);
}

/* holds: T-LCK-1 S, POP-ST-3 S */
static void test_one_session_at_a_time(void **state) {
    struct served *served = *state;
    struct raw one, two;
    served_from_memory(served, 1);
    served_login(served, &one);
    served_dial(served, &two);
    raw_expect(&two, "+OK");
    raw_say(&two, "USER alice\r\nPASS secret\r\n");
    raw_expect(&two, "+OK");
    raw_expect(&two, "-ERR [IN-USE]");
    raw_say(&one, "RETR 1\r\n");
    raw_expect(&one, "+OK");
    for (int i = 0; i < 2; i++) {
        i == 0 ? raw_close(&one) : raw_reset(&one);
        served_until_sessions(served, 1);
        raw_say(&two, "USER alice\r\nPASS secret\r\n");
        raw_expect(&two, "+OK");
        raw_expect(&two, "+OK");
        raw_say(&two, "QUIT\r\n");
        raw_expect(&two, "+OK");
        served_login(served, &one); /* at once: the reply to QUIT comes when the lock is free */
        raw_close(&two);
        served_dial(served, &two);
        raw_expect(&two, "+OK");
    }
    raw_close(&one);
    raw_close(&two);
}

static void test_a_refused_maildrop_is_not_locked(void **state) {
    struct served *served = *state;
    struct raw peer;
    int maildrop;
    served_by_questions(served);
    served_dial(served, &peer);
    raw_expect(&peer, "+OK");
    for (int i = 0; i < 2; i++) {
        raw_say(&peer, "USER alice\r\nPASS secret\r\n");
        raw_expect(&peer, "+OK");
        poplin_request check = served_question(served, POPLIN_QUESTION_CHECK);
        assert_int_equal(poplin_server_accept(served->server, check), POPLIN_OK);
        poplin_request open = served_question(served, POPLIN_QUESTION_MAILDROP);
        if (i == 0) {
            assert_int_equal(poplin_server_refuse(served->server, open, POPLIN_ERR_IN_USE, NULL), POPLIN_OK);
            raw_expect(&peer, "-ERR [IN-USE]");
        } else {
            poplin_listing bad[] = {{SLICE("same"), 1, false}, {SLICE("same"), 1, false}};
            assert_int_equal(poplin_server_open(served->server, open, &maildrop, bad, 2), POPLIN_ERR_PROTOCOL);
            raw_expect(&peer, "-ERR [SYS/TEMP]");
            (void)served_question(served, POPLIN_QUESTION_PROBLEM);
            assert_non_null(strstr(served->question.error->reason, "index 1"));
        }
    }
    raw_close(&peer);
    served_let_in(served, &peer, &maildrop, 1);
    raw_close(&peer);
    served_expect_close(served, &maildrop, POPLIN_DROPPED);
    served_no_question(served);
}

static void test_stopping_in_the_middle_of_everything(void **state) {
    struct served *served = *state;
    struct raw greeted, checked, opened, sending, piecewise, committing;
    int maildrops[4], pieces;
    served->config.lock = POPLIN_LOCK_NONE;
    served_by_questions(served);
    served_dial(served, &greeted);
    raw_expect(&greeted, "+OK");
    served_dial(served, &checked);
    raw_say(&checked, "USER alice\r\nPASS secret\r\n");
    poplin_request check = served_question(served, POPLIN_QUESTION_CHECK);
    served_let_in(served, &opened, &maildrops[0], 1);
    served_let_in(served, &sending, &maildrops[1], 1);
    raw_say(&sending, "RETR 1\r\n");
    poplin_request body = served_question(served, POPLIN_QUESTION_BODY);
    static char large[8 << 20];
    memset(large, 'x', sizeof large);
    assert_int_equal(poplin_server_body(served->server, body, large, sizeof large, served_released, served), POPLIN_OK);
    served_let_in(served, &piecewise, &maildrops[2], 1);
    raw_say(&piecewise, "RETR 1\r\n");
    body = served_question(served, POPLIN_QUESTION_BODY);
    assert_int_equal(poplin_server_body_pieces(served->server, body, &pieces), POPLIN_OK);
    (void)served_question(served, POPLIN_QUESTION_PIECE);
    served_let_in(served, &committing, &maildrops[3], 1);
    raw_say(&committing, "DELE 1\r\nQUIT\r\n");
    (void)served_question(served, POPLIN_QUESTION_COMMIT);
    (void)check;
    served_stop(served);
    assert_int_equal(served->released, 1);
    bool closed[4] = {false}, pieces_done = false;
    while (poplin_questions_next(served->questions, &served->question) == POPLIN_OK) {
        if (served->question.kind == POPLIN_QUESTION_PIECES_DONE) {
            assert_false(pieces_done || closed[2]);
            pieces_done = true;
            continue;
        }
        assert_int_equal(served->question.kind, POPLIN_QUESTION_CLOSE);
        assert_int_equal(served->question.outcome, POPLIN_FAILED);
        size_t which = (size_t)((int *)served->question.maildrop - maildrops);
        assert_false(closed[which]);
        closed[which] = true;
    }
    assert_true(pieces_done && closed[0] && closed[1] && closed[2] && closed[3]);
    struct raw *peers[] = {&greeted, &checked, &opened, &sending, &piecewise, &committing};
    for (size_t i = 0; i < COUNT_OF(peers); i++) {
        while (!peers[i]->closed)
            assert_true(raw_receive(peers[i], SIZE_MAX) || peers[i]->closed);
        raw_close(peers[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVED_TEST(test_a_whole_session),
        SERVED_TEST(test_the_whole_session_in_one_write),
        SERVED_TEST(test_marks_pipelined_in_any_mix),
        SERVED_TEST(test_no_other_end_than_quit_deletes),
        SERVED_TEST(test_a_quit_that_was_sent_counts),
        SERVED_TEST(test_the_commit_runs_to_its_end_without_its_client),
        SERVED_TEST(test_a_refused_commit_is_told_and_unlocks),
        SERVED_TEST(test_a_quit_behind_a_message_that_was_not_sent_deletes_nothing),
        SERVED_TEST(test_a_client_that_resets_while_the_host_looks),
        SERVED_TEST(test_one_session_at_a_time),
        SERVED_TEST(test_a_refused_maildrop_is_not_locked),
        SERVED_TEST(test_stopping_in_the_middle_of_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
