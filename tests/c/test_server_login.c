/*
 * test_server_login.c - what a server asks of its backend when somebody logs in, and what may be answered: a secret, keys, a
 * token's owner; at once, or late while others are served.
 */
#include "served_login.h"

static const poplin_sasl_client_config alice = {.user = SLICE("alice"), .password = SLICE("secret")};

static void assert_slice(poplin_slice slice, const char *text) {
    assert_int_equal(slice.size, strlen(text));
    assert_memory_equal(slice.data, text, slice.size);
}

/* Waits for this question about the user, while somebody else is greeted and answered. */
static poplin_request asked_late(struct served *served, enum poplin_question_kind kind, const char *user) {
    struct raw other;
    poplin_request request = served_question(served, kind);
    assert_slice(served->question.user, user);
    served_dial(served, &other);
    raw_say(&other, "QUIT\r\n");
    raw_expect(&other, "+OK");
    raw_expect(&other, "+OK");
    raw_expect_closed(&other);
    raw_close(&other);
    return request;
}

/* The maildrop is asked for, of this user; the login ends well. */
static void expect_let_in(struct served *served, struct raw *raw, const char *user) {
    int maildrop;
    poplin_request open = asked_late(served, POPLIN_QUESTION_MAILDROP, user);
    assert_int_equal(poplin_server_open(served->server, open, &maildrop, NULL, 0), POPLIN_OK);
    raw_expect(raw, "+OK 0 messages");
}

static void ask_for(struct served *served, unsigned asks) {
    served->config.session.asks = asks;
    served_by_questions(served);
}

/* ---- secrets ---- */

static void expect_scram(struct served *served, struct served_login *login, bool good) {
    served_login_step(login);
    if (good) {
        served_login_step(login);
        assert_true(poplin_sasl_client_is_complete(login->client));
        expect_let_in(served, &login->raw, "alice");
    } else {
        raw_expect(&login->raw, "-ERR [AUTH]");
    }
    served_login_end(login);
    if (good)
        (void)served_question(served, POPLIN_QUESTION_CLOSE);
}

/* holds: POP-AUTH-16 S, POP-AUTH-18 S */
static void test_a_secret_that_comes_late(void **state) {
    struct served *served = *state;
    static const enum poplin_mechanism mechanisms[] = {POPLIN_MECHANISM_SCRAM_SHA_256, POPLIN_MECHANISM_SCRAM_SHA_1};
    struct served_login login;
    ask_for(served, POPLIN_ASK_SECRET);
    for (size_t i = 0; i < COUNT_OF(mechanisms); i++)
        for (int good = 0; good < 2; good++) {
            served_login_begin(served, &login, mechanisms[i], &alice);
            poplin_request request = asked_late(served, POPLIN_QUESTION_SECRET, "alice");
            assert_string_equal(served->question.mechanism, poplin_mechanism_name(mechanisms[i]));
            poplin_slice secret = good ? SLICE("secret") : SLICE("other");
            assert_int_equal(poplin_server_secret(served->server, request, secret), POPLIN_OK);
            expect_scram(served, &login, good);
        }
}

static void test_keys_that_come_late(void **state) {
    struct served *served = *state;
    static const char *const passwords[] = {"other", "secret"};
    struct served_login login;
    ask_for(served, POPLIN_ASK_KEYS);
    for (int good = 0; good < 2; good++) {
        char storage[POPLIN_SCRAM_STORAGE];
        poplin_slice password = {passwords[good], strlen(passwords[good])};
        poplin_scram_keys keys;
        served_login_begin(served, &login, POPLIN_MECHANISM_SCRAM_SHA_256, &alice);
        poplin_request request = asked_late(served, POPLIN_QUESTION_SECRET, "alice");
        assert_int_equal(poplin_scram_keys_make(POPLIN_SCRAM_SHA_256, password, SLICE("salt"), 0, storage, &keys),
                         POPLIN_OK);
        assert_int_equal(poplin_server_keys(served->server, request, &keys), POPLIN_OK);
        memset(storage, 'x', sizeof storage);
        expect_scram(served, &login, good);
    }
}

static void test_a_shown_password_is_held_against_a_secret(void **state) {
    struct served *served = *state;
    struct raw raw;
    ask_for(served, POPLIN_ASK_SECRET);
    served_dial(served, &raw);
    raw_expect(&raw, "+OK");
    raw_say(&raw, "USER alice\r\nPASS wrong\r\n");
    raw_expect(&raw, "+OK");
    poplin_request request = asked_late(served, POPLIN_QUESTION_SECRET, "alice");
    assert_string_equal(served->question.mechanism, "USER");
    assert_int_equal(poplin_server_secret(served->server, request, SLICE("secret")), POPLIN_OK);
    raw_expect(&raw, "-ERR [AUTH]");
    raw_say(&raw, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n");
    request = asked_late(served, POPLIN_QUESTION_SECRET, "alice");
    assert_string_equal(served->question.mechanism, "PLAIN");
    assert_int_equal(poplin_server_secret(served->server, request, SLICE("secret")), POPLIN_OK);
    expect_let_in(served, &raw, "alice");
    raw_close(&raw);
}

/* ---- tokens ---- */

/* holds: POP-AUTH-3 B */
static void test_a_token_that_is_looked_at_late(void **state) {
    struct served *served = *state;
    static const enum poplin_mechanism mechanisms[] = {POPLIN_MECHANISM_OAUTHBEARER, POPLIN_MECHANISM_XOAUTH2};
    const poplin_sasl_client_config config = {.user = SLICE("alice"), .token = SLICE("a.token")};
    struct served_login login;
    ask_for(served, POPLIN_ASK_TOKEN);
    for (size_t i = 0; i < COUNT_OF(mechanisms); i++)
        for (int good = 0; good < 2; good++) {
            served_login_begin(served, &login, mechanisms[i], &config);
            poplin_request request = asked_late(served, POPLIN_QUESTION_TOKEN, "alice");
            if (good) {
                assert_int_equal(poplin_server_accept(served->server, request), POPLIN_OK);
                expect_let_in(served, &login.raw, "alice");
            } else {
                assert_int_equal(poplin_server_refuse(served->server, request, POPLIN_ERR_AUTH, NULL), POPLIN_OK);
                served_login_step(&login); /* the reason, which the client takes note of */
                raw_expect(&login.raw, "-ERR [AUTH]");
            }
            served_login_end(&login);
            if (good)
                (void)served_question(served, POPLIN_QUESTION_CLOSE);
        }
}

/*
 * Who hears what the server says to a wrong token need not stay for the -ERR.
 * holds: T-BRU-1 S
 */
static void test_a_wrong_token_counts_before_it_is_told(void **state) {
    struct served *served = *state;
    const poplin_sasl_client_config config = {.user = SLICE("alice"), .token = SLICE("a.token")};
    struct served_login login;
    ask_for(served, POPLIN_ASK_TOKEN);
    served_login_begin(served, &login, POPLIN_MECHANISM_XOAUTH2, &config);
    poplin_request request = served_question(served, POPLIN_QUESTION_TOKEN);
    assert_int_equal(poplin_server_refuse(served->server, request, POPLIN_ERR_AUTH, NULL), POPLIN_OK);
    raw_settle(served->loop);
    assert_true(served_has_question(served, POPLIN_QUESTION_LOGIN_FAILED));
    assert_int_equal(served->question.kind, POPLIN_QUESTION_LOGIN_FAILED);
    assert_slice(served->question.user, "alice");
    assert_string_equal(served->question.mechanism, "XOAUTH2");
    served_login_step(&login);
    raw_expect(&login.raw, "-ERR [AUTH]");
    served_no_question(served);
    served_login_end(&login);
}

static void test_a_token_says_who_it_is(void **state) {
    struct served *served = *state;
    const poplin_sasl_client_config config = {.token = SLICE("carol's")};
    struct served_login login;
    ask_for(served, POPLIN_ASK_TOKEN);
    served_login_begin(served, &login, POPLIN_MECHANISM_OAUTHBEARER, &config);
    poplin_request request = asked_late(served, POPLIN_QUESTION_TOKEN, "");
    assert_int_equal(poplin_server_accept_as(served->server, request, SLICE("carol")), POPLIN_OK);
    expect_let_in(served, &login.raw, "carol");
    served_login_end(&login);

    served_login_begin(served, &login, POPLIN_MECHANISM_OAUTHBEARER, &config);
    (void)served_question(served, POPLIN_QUESTION_CLOSE); /* that of the one before */
    request = served_question(served, POPLIN_QUESTION_TOKEN);
    assert_null(served->question.user.data);
    assert_slice(served->question.token, "carol's");
    assert_int_equal(poplin_server_accept(served->server, request), POPLIN_OK); /* but who is it? */
    raw_expect(&login.raw, "-ERR [SYS/TEMP]");
    served_login_end(&login);
}

/* ---- names that are another's by rule ---- */

static poplin_request ask_to_check(struct served *served, struct raw *raw, const char *user) {
    char text[64];
    served_dial(served, raw);
    raw_expect(raw, "+OK");
    (void)snprintf(text, sizeof text, "USER %s\r\nPASS secret\r\n", user);
    raw_say(raw, text);
    raw_expect(raw, "+OK");
    return asked_late(served, POPLIN_QUESTION_CHECK, user);
}

static void test_a_name_may_be_anothers(void **state) {
    struct served *served = *state;
    struct raw raw, other;
    ask_for(served, POPLIN_ASK_CHECK);
    poplin_request request = ask_to_check(served, &raw, "Alice@Example.ORG");
    assert_int_equal(poplin_server_accept_as(served->server, request, SLICE("alice")), POPLIN_OK);
    expect_let_in(served, &raw, "alice");
    request = ask_to_check(served, &other, "alice"); /* it is her maildrop that is in use */
    assert_int_equal(poplin_server_accept(served->server, request), POPLIN_OK);
    raw_expect(&other, "-ERR [IN-USE]");
    raw_close(&other);
    raw_close(&raw);
}

static void test_nobody_is_no_name(void **state) {
    struct served *served = *state;
    struct raw raw;
    ask_for(served, POPLIN_ASK_CHECK);
    poplin_request request = ask_to_check(served, &raw, "alice");
    assert_int_equal(poplin_server_accept_as(served->server, request, SLICE("")), POPLIN_ERR_LIMIT);
    raw_expect(&raw, "-ERR [SYS/TEMP]");
    raw_close(&raw);
}

/* ---- unknown users ---- */

/* What SCRAM's first challenge says behind the nonce, as text to be freed. */
static char *challenge_to_nobody(struct served *served, const char *user) {
    const poplin_sasl_client_config config = {.user = {user, strlen(user)}, .password = SLICE("x")};
    struct served_login login;
    served_login_begin(served, &login, POPLIN_MECHANISM_SCRAM_SHA_256, &config);
    poplin_request request = served_question(served, POPLIN_QUESTION_SECRET);
    assert_int_equal(poplin_server_refuse(served->server, request, POPLIN_ERR_AUTH, NULL), POPLIN_OK);
    poplin_buffer heard = served_login_hear(&login);
    poplin_slice text = poplin_buffer_slice(&heard);
    const char *salt = memmem(text.data, text.size, ",s=", 3);
    assert_non_null(salt);
    char *copy = strndup(salt, text.size - (size_t)(salt - text.data));
    served_login_say(&login, text, "");
    raw_expect(&login.raw, "-ERR [AUTH] name or password not accepted");
    poplin_buffer_free(&heard);
    served_login_end(&login);
    return copy;
}

static void assert_same_challenge(struct served *served, const char *user, char *expected, bool same) {
    char *challenge = challenge_to_nobody(served, user);
    assert_int_equal(strcmp(challenge, expected) == 0, same);
    free(challenge);
}

/* holds: SASL-SCRAM-9 S, T-USR-1 S */
static void test_unknown_users_have_salts_as_long_as_the_server_lives(void **state) {
    struct served *served = *state;
    ask_for(served, POPLIN_ASK_SECRET);
    char *first = challenge_to_nobody(served, "nobody");
    assert_same_challenge(served, "nobody", first, true);
    assert_same_challenge(served, "nobody else", first, false);
    served_stop(served);
    ask_for(served, POPLIN_ASK_SECRET);
    assert_same_challenge(served, "nobody", first, false);
    free(first);
}

static void test_or_as_long_as_the_owners_pepper_does(void **state) {
    struct served *served = *state;
    char pepper[] = "the owner's own pepper";
    served->config.session.pepper = (poplin_slice){pepper, strlen(pepper)};
    ask_for(served, POPLIN_ASK_SECRET);
    served->config.session.pepper = SLICE("the owner's own pepper");
    memset(pepper, 'x', sizeof pepper); /* it was copied */
    char *first = challenge_to_nobody(served, "nobody");
    served_stop(served);
    ask_for(served, POPLIN_ASK_SECRET);
    assert_same_challenge(served, "nobody", first, true);
    free(first);
}

/* ---- answers that fit no question ---- */

static void assert_fits_none(struct served *served, poplin_request request, enum poplin_question_kind kind) {
    static const poplin_scram_keys keys;
    bool yes_or_no = kind == POPLIN_QUESTION_CHECK || kind == POPLIN_QUESTION_TOKEN;
    poplin_server *server = served->server;
    if (!yes_or_no) {
        assert_int_equal(poplin_server_accept(server, request), POPLIN_ERR_STATE);
        assert_int_equal(poplin_server_accept_as(server, request, SLICE("bob")), POPLIN_ERR_STATE);
    }
    if (kind != POPLIN_QUESTION_SECRET) {
        assert_int_equal(poplin_server_secret(server, request, SLICE("secret")), POPLIN_ERR_STATE);
        assert_int_equal(poplin_server_keys(server, request, &keys), POPLIN_ERR_STATE);
    }
    assert_int_equal(poplin_server_open(server, request, served, NULL, 0), POPLIN_ERR_STATE);
    assert_int_equal(poplin_server_accept_as(server, request + 1, SLICE("bob")), POPLIN_ERR_STATE);
    assert_int_equal(poplin_server_secret(server, request + 1, SLICE("secret")), POPLIN_ERR_STATE);
    assert_int_equal(poplin_server_keys(server, request + 1, &keys), POPLIN_ERR_STATE);
    assert_int_equal(poplin_server_refuse(server, request, POPLIN_ERR_TEMPORARY, NULL), POPLIN_OK);
    assert_int_equal(poplin_server_secret(server, request, SLICE("secret")), POPLIN_ERR_STATE);
    assert_int_equal(poplin_server_accept_as(server, request, SLICE("bob")), POPLIN_ERR_STATE);
}

/* holds: T-API-1 S */
static void test_answers_fit_their_questions(void **state) {
    struct served *served = *state;
    static const struct {
        unsigned asks;
        enum poplin_question_kind kind;
        const char *says;
    } rows[] = {
        {POPLIN_ASK_CHECK, POPLIN_QUESTION_CHECK, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"},
        {POPLIN_ASK_SECRET, POPLIN_QUESTION_SECRET, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"},
        {POPLIN_ASK_TOKEN, POPLIN_QUESTION_TOKEN, "AUTH XOAUTH2 dXNlcj1hAWF1dGg9QmVhcmVyIHgBAQ==\r\n"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct raw raw;
        ask_for(served, rows[i].asks);
        served_dial(served, &raw);
        raw_expect(&raw, "+OK");
        raw_say(&raw, rows[i].says);
        assert_fits_none(served, served_question(served, rows[i].kind), rows[i].kind);
        raw_expect(&raw, "-ERR [SYS/TEMP]");
        raw_close(&raw);
        served_stop(served);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVED_TEST(test_a_secret_that_comes_late),
        SERVED_TEST(test_keys_that_come_late),
        SERVED_TEST(test_a_shown_password_is_held_against_a_secret),
        SERVED_TEST(test_a_token_that_is_looked_at_late),
        SERVED_TEST(test_a_wrong_token_counts_before_it_is_told),
        SERVED_TEST(test_a_token_says_who_it_is),
        SERVED_TEST(test_a_name_may_be_anothers),
        SERVED_TEST(test_nobody_is_no_name),
        SERVED_TEST(test_unknown_users_have_salts_as_long_as_the_server_lives),
        SERVED_TEST(test_or_as_long_as_the_owners_pepper_does),
        SERVED_TEST(test_answers_fit_their_questions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
