/*
 * test_server_secrets.c - passwords in a server: in no block of memory once the backend has answered, in no reply, no error;
 * and one user's answer is never another's.
 */
#include "heap.h"
#include "secured.h"
#include "served.h"

#define PASSWORD "correct-horse-battery"
#define ENCODED "AGFsaWNlAGNvcnJlY3QtaG9yc2UtYmF0dGVyeQ==" /* alice's, by PLAIN */

#define SECRET "another-horse-and-battery" /* the owner's */
#define TOKEN "ya29.token-of-alice"
#define ENCODED_TOKEN "dXNlcj1hbGljZQFhdXRoPUJlYXJlciB5YTI5LnRva2VuLW9mLWFsaWNlAQE=" /* by XOAUTH2 */

static const char *const logins[] = {
    "USER alice\r\nPASS " PASSWORD "\r\n",
    "AUTH PLAIN " ENCODED "\r\n",
    "AUTH PLAIN\r\n" ENCODED "\r\n",
};

/* Waits until a reply begins so; those before it are passed over. */
static void pass_over_until(struct raw *raw, const char *beginning) {
    const char *line;

    do {
        line = raw_line(raw);
        assert_non_null(line);
    } while (strncmp(line, beginning, strlen(beginning)) != 0);
}

static void dial(struct served *served, struct raw *raw) {
    served_dial(served, raw);
    if (served->config.tls == POPLIN_TLS_IMPLICIT)
        assert_int_equal(raw_shake_hands(raw, secure.trust, "localhost"), POPLIN_OK);
    raw_expect(raw, "+OK");
}

/* Says it in two parts, the first of which is dealt with before the second comes. */
static void say_cut_at(struct raw *raw, const char *text, size_t cut) {
    raw_send(raw, text, cut);
    raw_settle(raw->loop);
    raw_say(raw, text + cut);
}

static void refuse_logins(struct served *served) {
    struct raw raw;

    served_from_memory(served, 0);
    heap_look_for(PASSWORD, ENCODED, NULL);
    for (size_t i = 0; i < COUNT_OF(logins); i++)
        for (size_t cut = 1; cut < strlen(logins[i]); cut++) {
            dial(served, &raw);
            say_cut_at(&raw, logins[i], cut);
            pass_over_until(&raw, "-ERR [AUTH]");
            raw_settle(served->loop);
            heap_assert_clean(); /* the session, its buffers, and every reply that came */
            raw_close(&raw);
            served_until_sessions(served, 0);
        }
    heap_assert_clean();
}

/* holds: T-SEC-2 B, T-SEC-1 S */
static void test_refused_passwords_are_forgotten(void **state) {
    refuse_logins(*state);
}

/* holds: T-SEC-2 B, T-SEC-1 S */
static void test_refused_passwords_are_forgotten_under_tls(void **state) {
    struct served *served = *state;

    served->config.credentials = secure.identity;
    served->config.tls = POPLIN_TLS_IMPLICIT;
    refuse_logins(served);
}

/* holds: T-SEC-2 B */
static void test_good_password_is_forgotten_when_the_login_is_over(void **state) {
    struct served *served = *state;
    struct raw raw;
    int maildrop = 0;

    served_by_questions(served);
    heap_look_for(PASSWORD, ENCODED, NULL);
    for (size_t i = 0; i < COUNT_OF(logins); i++) {
        dial(served, &raw);
        raw_say(&raw, logins[i]);
        poplin_request check = served_question(served, POPLIN_QUESTION_CHECK);

        assert_true(heap_shows(served->question.password.data, served->question.password.size));
        assert_int_equal(poplin_server_accept(served->server, check), POPLIN_OK);
        poplin_request open = served_question(served, POPLIN_QUESTION_MAILDROP);

        assert_int_equal(poplin_server_open(served->server, open, &maildrop, NULL, 0), POPLIN_OK);
        pass_over_until(&raw, "+OK 0");
        raw_settle(served->loop);
        heap_assert_clean();
        raw_close(&raw);
        served_expect_close(served, &maildrop, POPLIN_DROPPED);
        heap_assert_clean();
    }
}

/* holds: T-SEC-2 B, T-SEC-1 S */
static void test_password_of_a_client_that_goes_is_forgotten(void **state) {
    struct served *served = *state;
    struct raw raw;

    served_by_questions(served);
    heap_look_for(PASSWORD, ENCODED, NULL);
    for (size_t i = 0; i < COUNT_OF(logins); i++)
        for (size_t cut = 1; cut < strlen(logins[i]); cut += 3) {
            dial(served, &raw);
            raw_send(&raw, logins[i], cut);
            raw_settle(served->loop);
            raw_close(&raw);
            served_until_sessions(served, 0);
            served_no_question(served);
            heap_assert_clean();
        }
    dial(served, &raw);
    raw_say(&raw, logins[0]);
    poplin_request check = served_question(served, POPLIN_QUESTION_CHECK);

    raw_reset(&raw);
    assert_int_equal(poplin_server_refuse(served->server, check, POPLIN_ERR_AUTH, NULL), POPLIN_OK);
    (void)served_question(served, POPLIN_QUESTION_LOGIN_FAILED);
    served_until_sessions(served, 0);
    served_no_question(served);
    heap_assert_clean();
}

/* What the owner answers with is forgotten as well. */
static void answer_with_secret(struct served *served, struct raw *raw, const char *said, bool good) {
    int maildrop;

    dial(served, raw);
    raw_say(raw, said);
    poplin_request request = served_question(served, POPLIN_QUESTION_SECRET);

    assert_int_equal(poplin_server_secret(served->server, request, good ? SLICE(PASSWORD) : SLICE(SECRET)), POPLIN_OK);
    if (good) {
        request = served_question(served, POPLIN_QUESTION_MAILDROP);
        assert_int_equal(poplin_server_open(served->server, request, &maildrop, NULL, 0), POPLIN_OK);
    }
    pass_over_until(raw, good ? "+OK 0" : "-ERR [AUTH]");
}

/* holds: T-SEC-2 B */
static void test_secrets_of_the_owner_are_forgotten(void **state) {
    struct served *served = *state;
    struct raw raw;

    served->config.session.asks = POPLIN_ASK_SECRET;
    served_by_questions(served);
    heap_look_for(PASSWORD, SECRET, ENCODED);
    for (size_t i = 0; i < COUNT_OF(logins); i++)
        for (int good = 0; good < 2; good++) {
            answer_with_secret(served, &raw, logins[i], good);
            raw_settle(served->loop);
            heap_assert_clean();
            raw_close(&raw);
            served_until_sessions(served, 0);
            if (good)
                (void)served_question(served, POPLIN_QUESTION_CLOSE);
        }
    served_no_question(served);
    heap_assert_clean();
}

/* holds: T-SEC-2 B, T-SEC-1 S */
static void test_tokens_are_forgotten(void **state) {
    struct served *served = *state;
    struct raw raw;

    served->config.session.asks = POPLIN_ASK_TOKEN;
    served_by_questions(served);
    heap_look_for(TOKEN, ENCODED_TOKEN, NULL);
    dial(served, &raw);
    raw_say(&raw, "AUTH XOAUTH2 " ENCODED_TOKEN "\r\n");
    poplin_request request = served_question(served, POPLIN_QUESTION_TOKEN);

    assert_true(heap_shows(served->question.token.data, served->question.token.size));
    assert_int_equal(poplin_server_refuse(served->server, request, POPLIN_ERR_AUTH, NULL), POPLIN_OK);
    raw_expect(&raw, "+ ");
    raw_say(&raw, "\r\n");
    raw_expect(&raw, "-ERR [AUTH]");
    (void)served_question(served, POPLIN_QUESTION_LOGIN_FAILED);
    served_no_question(served);
    heap_assert_clean();
    raw_close(&raw);
}

/* The server's own secret ends with it; each session has had a copy. */
static void test_the_pepper_is_forgotten_at_the_end(void **state) {
    struct served *served = *state;
    struct raw raw;

    served->config.session.pepper = SLICE("pepper-and-salt");
    heap_look_for("pepper-and-salt", NULL, NULL);
    served_by_questions(served);
    dial(served, &raw);
    raw_close(&raw);
    served_until_sessions(served, 0);
    served_stop(served);
    heap_assert_clean();
}

static void assert_asks_for(const struct served *served, poplin_slice user, poplin_slice password) {
    assert_int_equal(served->question.user.size, user.size);
    assert_memory_equal(served->question.user.data, user.data, user.size);
    assert_int_equal(served->question.password.size, password.size);
    assert_memory_equal(served->question.password.data, password.data, password.size);
}

/* Two log in at the same time; the answers come in the other order. */
static void log_in_both(struct served *served, struct raw *alice, struct raw *bob) {
    dial(served, alice);
    dial(served, bob);
    raw_say(alice, "USER alice\r\n");
    raw_say(bob, "USER bob\r\n");
    raw_expect(alice, "+OK");
    raw_expect(bob, "+OK");
    raw_say(alice, "PASS same words\r\n");
    poplin_request alices = served_question(served, POPLIN_QUESTION_CHECK);

    assert_asks_for(served, SLICE("alice"), SLICE("same words"));
    raw_say(bob, "PASS same words\r\n");
    poplin_request bobs = served_question(served, POPLIN_QUESTION_CHECK);

    assert_asks_for(served, SLICE("bob"), SLICE("same words"));
    assert_int_equal(poplin_server_refuse(served->server, bobs, POPLIN_ERR_AUTH, NULL), POPLIN_OK);
    raw_expect(bob, "-ERR [AUTH]");
    assert_int_equal(poplin_server_accept(served->server, alices), POPLIN_OK);
}

/* holds: T-SEC-3 S */
static void test_answers_reach_the_user_that_was_asked_for(void **state) {
    struct served *served = *state;
    struct raw alice, bob;
    int maildrop = 0;

    served_by_questions(served);
    log_in_both(served, &alice, &bob);
    poplin_request open = served_question(served, POPLIN_QUESTION_MAILDROP);

    assert_int_equal(served->question.user.size, 5);
    assert_memory_equal(served->question.user.data, "alice", 5);
    assert_int_equal(poplin_server_open(served->server, open, &maildrop, NULL, 0), POPLIN_OK);
    raw_expect(&alice, "+OK");
    raw_say(&bob, "STAT\r\n");
    raw_expect(&bob, "-ERR log in first");
    raw_close(&bob);
    raw_close(&alice);
    served_expect_close(served, &maildrop, POPLIN_DROPPED);
}

/* holds: T-SEC-3 S */
static void test_no_answer_is_kept_for_the_next_login(void **state) {
    struct served *served = *state;
    struct raw raw;
    int maildrop = 0;

    served_by_questions(served);
    served_let_in(served, &raw, &maildrop, 0);
    raw_close(&raw);
    served_expect_close(served, &maildrop, POPLIN_DROPPED);
    dial(served, &raw);
    raw_say(&raw, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"); /* by another way, as good as before */
    poplin_request check = served_question(served, POPLIN_QUESTION_CHECK);

    assert_asks_for(served, SLICE("alice"), SLICE("secret"));
    assert_int_equal(poplin_server_refuse(served->server, check, POPLIN_ERR_AUTH, NULL), POPLIN_OK);
    raw_expect(&raw, "-ERR [AUTH]");
    raw_close(&raw);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVED_TEST(test_refused_passwords_are_forgotten),
        SERVED_TEST(test_refused_passwords_are_forgotten_under_tls),
        SERVED_TEST(test_good_password_is_forgotten_when_the_login_is_over),
        SERVED_TEST(test_password_of_a_client_that_goes_is_forgotten),
        SERVED_TEST(test_secrets_of_the_owner_are_forgotten),
        SERVED_TEST(test_tokens_are_forgotten),
        SERVED_TEST(test_the_pepper_is_forgotten_at_the_end),
        SERVED_TEST(test_answers_reach_the_user_that_was_asked_for),
        SERVED_TEST(test_no_answer_is_kept_for_the_next_login),
    };

    return cmocka_run_group_tests_name("server secrets", tests, secure_set_up, secure_tear_down);
}
