/*
 * test_questions.c - the queue of questions, without a server: what it copies, in which order, and what it forgets.
 */
#include <poplin/questions.h>

#include "support.h"

/* The queue never looks at it. */
static char stands_for_a_server;
#define SERVER ((poplin_server *)(void *)&stands_for_a_server)

static int set_up(void **state) {
    return poplin_questions_new((poplin_questions **)state);
}

static int tear_down(void **state) {
    poplin_questions_free(*state);
    return 0;
}

static void assert_slice(poplin_slice slice, const char *text) {
    assert_int_equal(slice.size, strlen(text));
    assert_memory_equal(slice.data, text, slice.size);
}

static void test_an_empty_queue_has_no_question(void **state) {
    poplin_question question;
    assert_int_equal(poplin_questions_next(*state, &question), POPLIN_END);
    assert_int_equal(poplin_questions_next(*state, &question), POPLIN_END);
}

/* holds: T-USR-2 S */
static void test_what_is_asked_is_copied(void **state) {
    const poplin_backend *backend = poplin_questions_backend();
    char user[] = "al\0ice", password[] = "p\0ss";
    poplin_question question;
    backend->check(*state, SERVER, 7, (poplin_slice){user, 6}, (poplin_slice){password, 4});
    memset(user, 'x', sizeof user);
    memset(password, 'x', sizeof password);
    assert_int_equal(poplin_questions_next(*state, &question), POPLIN_OK);
    assert_int_equal(question.kind, POPLIN_QUESTION_CHECK);
    assert_ptr_equal(question.server, SERVER);
    assert_int_equal(question.request, 7);
    assert_int_equal(question.user.size, 6);
    assert_memory_equal(question.user.data, "al\0ice", 6);
    assert_int_equal(question.password.size, 4);
    assert_memory_equal(question.password.data, "p\0ss", 4);
}

/* holds: T-USR-2 S */
static void test_what_tokens_and_secrets_are_asked_about_is_copied(void **state) {
    const poplin_backend *backend = poplin_questions_backend();
    char user[] = "al\0ice", token[] = "a.token", address[] = "192.0.2.1";
    poplin_question question;
    backend->secret(*state, SERVER, 7, (poplin_slice){user, 6}, "SCRAM-SHA-256");
    backend->token(*state, SERVER, 8, (poplin_slice){user, 6}, (poplin_slice){token, 7});
    backend->token(*state, SERVER, 9, (poplin_slice){NULL, 0}, (poplin_slice){token, 7});
    backend->login_failed(*state, (poplin_slice){user, 6}, address, "PLAIN");
    memset(user, 'x', sizeof user);
    memset(token, 'x', sizeof token);
    memset(address, 'x', sizeof address);

    assert_int_equal(poplin_questions_next(*state, &question), POPLIN_OK);
    assert_int_equal(question.kind, POPLIN_QUESTION_SECRET);
    assert_ptr_equal(question.server, SERVER);
    assert_int_equal(question.request, 7);
    assert_int_equal(question.user.size, 6);
    assert_memory_equal(question.user.data, "al\0ice", 6);
    assert_string_equal(question.mechanism, "SCRAM-SHA-256");
    assert_int_equal(poplin_questions_next(*state, &question), POPLIN_OK);
    assert_int_equal(question.kind, POPLIN_QUESTION_TOKEN);
    assert_int_equal(question.request, 8);
    assert_memory_equal(question.user.data, "al\0ice", 6);
    assert_slice(question.token, "a.token");
    assert_int_equal(poplin_questions_next(*state, &question), POPLIN_OK);
    assert_int_equal(question.request, 9);
    assert_null(question.user.data); /* the client named nobody, which is not the same as "" */
    assert_int_equal(poplin_questions_next(*state, &question), POPLIN_OK);
    assert_int_equal(question.kind, POPLIN_QUESTION_LOGIN_FAILED);
    assert_memory_equal(question.user.data, "al\0ice", 6);
    assert_string_equal(question.address, "192.0.2.1");
    assert_string_equal(question.mechanism, "PLAIN");
}

static void test_questions_come_in_the_order_asked(void **state) {
    const poplin_backend *backend = poplin_questions_backend();
    poplin_slice ids[] = {SLICE("first"), SLICE("second")};
    size_t indexes[] = {0, 4};
    int maildrop, pieces;
    poplin_question question;
    backend->maildrop(*state, SERVER, 1, SLICE("alice"));
    backend->body(*state, SERVER, 2, &maildrop, 4, SLICE("second"));
    backend->piece(*state, SERVER, 3, &maildrop, &pieces);
    backend->pieces_done(*state, &maildrop, &pieces);
    backend->commit(*state, SERVER, 4, &maildrop, indexes, ids, 2);

    assert_int_equal(poplin_questions_next(*state, &question), POPLIN_OK);
    assert_int_equal(question.kind, POPLIN_QUESTION_MAILDROP);
    assert_slice(question.user, "alice");
    assert_int_equal(poplin_questions_next(*state, &question), POPLIN_OK);
    assert_int_equal(question.kind, POPLIN_QUESTION_BODY);
    assert_int_equal(question.index, 4);
    assert_slice(question.unique_id, "second");
    assert_int_equal(poplin_questions_next(*state, &question), POPLIN_OK);
    assert_int_equal(question.kind, POPLIN_QUESTION_PIECE);
    assert_ptr_equal(question.pieces, &pieces);
    assert_int_equal(question.request, 3);
    assert_int_equal(poplin_questions_next(*state, &question), POPLIN_OK);
    assert_int_equal(question.kind, POPLIN_QUESTION_PIECES_DONE);
    assert_ptr_equal(question.maildrop, &maildrop);
    assert_int_equal(poplin_questions_next(*state, &question), POPLIN_OK);
    assert_int_equal(question.kind, POPLIN_QUESTION_COMMIT);
    assert_int_equal(question.count, 2);
    assert_slice(question.unique_ids[0], "first");
    assert_slice(question.unique_ids[1], "second");
    assert_int_equal(poplin_questions_next(*state, &question), POPLIN_END);
}

static void test_ends_and_problems_carry_their_error(void **state) {
    const poplin_backend *backend = poplin_questions_backend();
    poplin_error error = {.status = POPLIN_ERR_TIMEOUT, .reason = "too late"};
    poplin_session_end end = {POPLIN_TIMED_OUT, SLICE("bob"), &error};
    poplin_question question;
    int maildrop;
    backend->close(*state, &maildrop, &end);
    end.error = NULL;
    backend->close(*state, NULL, &end);
    backend->problem(*state, &error);
    memset(&error, 0, sizeof error);

    assert_int_equal(poplin_questions_next(*state, &question), POPLIN_OK);
    assert_int_equal(question.kind, POPLIN_QUESTION_CLOSE);
    assert_ptr_equal(question.maildrop, &maildrop);
    assert_int_equal(question.outcome, POPLIN_TIMED_OUT);
    assert_slice(question.user, "bob");
    assert_string_equal(question.error->reason, "too late");
    assert_int_equal(poplin_questions_next(*state, &question), POPLIN_OK);
    assert_null(question.error);
    assert_int_equal(poplin_questions_next(*state, &question), POPLIN_OK);
    assert_int_equal(question.kind, POPLIN_QUESTION_PROBLEM);
    assert_int_equal(question.error->status, POPLIN_ERR_TIMEOUT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_empty_queue_has_no_question, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_asked_is_copied, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_tokens_and_secrets_are_asked_about_is_copied, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_questions_come_in_the_order_asked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ends_and_problems_carry_their_error, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
