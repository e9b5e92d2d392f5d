/*
 * test_session_unknown.c - who does not exist is answered as who gave a wrong password is, octet for octet but for what is random;
 * refused tokens; and what the host may answer, and when.
 */
#include "session_auth.h"

#include <gnutls/crypto.h>

/* The challenge in a line without what is random in it, as text: the server's nonce, and a salt unless they are to be seen. */
static void append_challenge(poplin_buffer *seen, const char *line, bool with_salt) {
    const poplin_slice text = challenge_in(line);
    const char *salt = text.size > 0 ? memmem(text.data, text.size, ",s=", 3) : NULL;

    append(seen, "+ ", 2);
    if (salt != NULL && text.data[0] == 'r')
        append(seen, with_salt ? salt : salt + 3 + strcspn(salt + 3, ","),
               text.size - (size_t)((with_salt ? salt : salt + 3 + strcspn(salt + 3, ",")) - text.data));
    else if (text.size > 0 && text.data[0] != '<')
        append(seen, text.data, text.size);
    append(seen, "\r\n", 2);
}

/* What the server said in the last authenticate. */
static poplin_buffer what_was_seen(bool with_salt) {
    poplin_buffer seen = {0};

    for (const char *line = conversation; *line != '\0'; line = strchr(line, '\n') + 1)
        if (memcmp(line, "+ ", 2) == 0)
            append_challenge(&seen, line, with_salt);
        else
            append(&seen, line, strcspn(line, "\n") + 1);
    return seen;
}

static poplin_sasl_client_config with_wrong_password(enum poplin_mechanism mechanism) {
    poplin_sasl_client_config config = alice_by(mechanism);

    config.password = SLICE("wrong");
    return config;
}

static const poplin_scram_keys *kept_keys(void) {
    static char storage[POPLIN_SCRAM_STORAGE];
    static poplin_scram_keys keys;

    assert_int_equal(
        poplin_scram_keys_make(POPLIN_SCRAM_SHA_256, SLICE("secret"), SLICE("0123456789abcdef"), 0, storage, &keys),
        POPLIN_OK);
    return &keys;
}

/* A wrong password, and then nobody: the same is seen. */
static void expect_alike(enum poplin_mechanism mechanism, unsigned asks) {
    const poplin_sasl_client_config config = with_wrong_password(mechanism);
    poplin_buffer seen[2];

    for (size_t unknown = 0; unknown < 2; unknown++) {
        begin_again();
        h.keys = (asks & POPLIN_ASK_KEYS) != 0 ? kept_keys() : NULL;
        h.words = "there is no such user";
        h.check_status = unknown ? POPLIN_ERR_AUTH : POPLIN_OK;
        start_with_all(asks);
        assert_string_equal(authenticate(mechanism, &config, false), WRONG);
        seen[unknown] = what_was_seen(false);
    }
    assert_true(poplin_slice_equal(poplin_buffer_slice(&seen[0]), poplin_buffer_slice(&seen[1])));
    poplin_buffer_free(&seen[0]);
    poplin_buffer_free(&seen[1]);
}

/* holds: T-USR-1 S, POP-RESP-8 S, SASL-SCRAM-9 S */
static void unknown_user_is_told_as_a_wrong_password_is(void **state) {
    (void)state;
    for (enum poplin_mechanism mechanism = 0; mechanism < POPLIN_MECHANISM_EXTERNAL; mechanism++) {
        unsigned needs = poplin_mechanism_traits(mechanism) & POPLIN_SASL_NEEDS_SECRET;
        bool short_hash = mechanism == POPLIN_MECHANISM_SCRAM_SHA_1 || mechanism == POPLIN_MECHANISM_SCRAM_SHA_1_PLUS;

        if (poplin_mechanism_proof(mechanism) != POPLIN_PROOF_PASSWORD)
            continue;
        expect_alike(mechanism, POPLIN_ASK_SECRET);
        if (needs == 0 && !short_hash)
            expect_alike(mechanism, POPLIN_ASK_KEYS);
    }
}

/* ---- and it takes as long ---- */

static unsigned long derived; /* iterations that GnuTLS was asked for */

int __real_gnutls_pbkdf2(gnutls_mac_algorithm_t mac, const gnutls_datum_t *key, const gnutls_datum_t *salt,
                         unsigned iterations, void *output, size_t size);
int __wrap_gnutls_pbkdf2(gnutls_mac_algorithm_t mac, const gnutls_datum_t *key, const gnutls_datum_t *salt,
                         unsigned iterations, void *output, size_t size);
int __wrap_gnutls_pbkdf2(gnutls_mac_algorithm_t mac, const gnutls_datum_t *key, const gnutls_datum_t *salt,
                         unsigned iterations, void *output, size_t size) {
    derived += iterations;
    return __real_gnutls_pbkdf2(mac, key, salt, iterations, output, size);
}

/* How many iterations a login with a wrong password costs, where the owner asks for fewer than are sensible. */
static unsigned long cost(enum poplin_mechanism mechanism, unsigned asks, bool keys, bool known) {
    const poplin_sasl_client_config config = with_wrong_password(mechanism);

    begin_again();
    h.config.iterations = 1;
    h.keys = keys ? kept_keys() : NULL;
    h.check_status = known ? POPLIN_OK : POPLIN_ERR_AUTH;
    start_with_all(asks);
    derived = 0;
    assert_string_equal(authenticate(mechanism, &config, false), WRONG);
    return derived;
}

/* holds: T-CMP-1 S, T-USR-1 S, SASL-SCRAM-9 S */
static void unknown_user_costs_the_same(void **state) {
    static const enum poplin_mechanism mechanisms[] = {POPLIN_MECHANISM_SCRAM_SHA_256, POPLIN_MECHANISM_PLAIN,
                                                       POPLIN_MECHANISM_LOGIN};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(mechanisms); i++) {
        assert_int_equal(cost(mechanisms[i], POPLIN_ASK_SECRET, false, true),
                         cost(mechanisms[i], POPLIN_ASK_SECRET, false, false));
        assert_int_equal(cost(mechanisms[i], POPLIN_ASK_KEYS, true, true),
                         cost(mechanisms[i], POPLIN_ASK_KEYS, true, false));
    }
    const unsigned both = POPLIN_ASK_SECRET | POPLIN_ASK_KEYS; /* of some there are keys, and passwords of others */
    unsigned long unknown = cost(POPLIN_MECHANISM_PLAIN, both, false, false);

    assert_true(unknown >= 4096);
    assert_int_equal(cost(POPLIN_MECHANISM_PLAIN, both, true, true), unknown);
    assert_int_equal(cost(POPLIN_MECHANISM_PLAIN, both, false, true), unknown);
}

/* holds: T-USR-1 S, POP-USER-2 S, POP-APOP-5 S */
static void unknown_user_without_a_mechanism(void **state) {
    static const int statuses[] = {POPLIN_OK, POPLIN_ERR_AUTH};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        begin_again();
        h.config.asks = POPLIN_ASK_SECRET;
        h.config.mechanisms = "USER APOP";
        h.words = "there is no such user";
        h.check_status = statuses[i];
        start_and_skip_greeting();
        expect(&h, "USER alice\r\nPASS wrong\r\n", "+OK send PASS\r\n" WRONG);
        expect(&h, "APOP alice c4c9334bac560ecc979e58001b3e22fb\r\n", WRONG);
        assert_string_equal(host_events(&h), "SECRET alice USER\nSECRET alice APOP\n");
    }
}

/* What a name gets as its salt, from a session of its own. */
static poplin_buffer salt_of(const char *name, poplin_slice pepper, int check_status) {
    poplin_sasl_client_config config = with_wrong_password(POPLIN_MECHANISM_SCRAM_SHA_256);

    begin_again();
    config.user = (poplin_slice){name, strlen(name)};
    h.check_status = check_status;
    h.config.pepper = pepper;
    start_with_all(POPLIN_ASK_SECRET);
    assert_string_equal(authenticate(POPLIN_MECHANISM_SCRAM_SHA_256, &config, true), WRONG);
    return what_was_seen(true);
}

static bool same_salts(poplin_buffer first, poplin_buffer second) {
    bool same = poplin_slice_equal(poplin_buffer_slice(&first), poplin_buffer_slice(&second));

    poplin_buffer_free(&first);
    poplin_buffer_free(&second);
    return same;
}

/* holds: SASL-SCRAM-9 S, T-USR-1 S */
static void salt_of_a_name_stays_as_long_as_the_pepper(void **state) {
    const poplin_slice pepper = SLICE("grown in secret"), other = SLICE("grown elsewhere");
    const int known = POPLIN_OK, unknown = POPLIN_ERR_AUTH;

    (void)state;
    assert_true(same_salts(salt_of("alice", pepper, unknown), salt_of("alice", pepper, unknown)));
    assert_true(same_salts(salt_of("alice", pepper, unknown), salt_of("alice", pepper, known)));
    assert_false(same_salts(salt_of("alice", pepper, unknown), salt_of("bob", pepper, unknown)));
    assert_false(same_salts(salt_of("alice", pepper, unknown), salt_of("alice", other, unknown)));
    assert_false(same_salts(salt_of("alice", nothing, unknown), salt_of("alice", nothing, unknown)));
}

/* ---- tokens ---- */

static void refuse_token(const char *command) {
    h.check_status = POPLIN_ERR_AUTH;
    h.config.max_failed_logins = 100;
    h.config.asks = POPLIN_ASK_TOKEN;
    start_and_skip_greeting();
    host_say(&h, command);
}

#define BEARER_X "AUTH OAUTHBEARER bixhPWFsaWNlLAFhdXRoPUJlYXJlciB4AQE=\r\n"
#define XOAUTH2_X "AUTH XOAUTH2 dXNlcj1hbGljZQFhdXRoPUJlYXJlciB4AQE=\r\n"

/* holds: SASL-OAB-3 S, SASL-XOA-1 S, POP-RESP-8 S */
static void refused_token_is_told_in_the_exchange_first(void **state) {
    static const struct {
        const char *command, *json;
    } rows[] = {{BEARER_X, "{\"status\":\"invalid_token\"}"},
                {XOAUTH2_X, "{\"status\":\"401\",\"schemes\":\"bearer\"}"}};
    static const char *const answers[] = {"AQ==\r\n", "\r\n", "*\r\n", "bm8=\r\n", "=\r\n"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin_again();
        refuse_token(rows[i].command);
        for (size_t j = 0; j < COUNT_OF(answers); j++) {
            if (j > 0)
                host_say(&h, rows[i].command);
            assert_slice(challenge_in(host_heard(&h)), (poplin_slice){rows[i].json, strlen(rows[i].json)});
            expect(&h, answers[j], WRONG);
        }
        expect(&h, "AUTH XOAUTH2\r\n*\r\n", "+ \r\n-ERR cancelled\r\n"); /* an exchange in which none was */
        h.check_status = POPLIN_OK;
        expect(&h, rows[i].command, WELCOME);
    }
}

/* holds: VEC-OAB-2 S, SASL-OAB-3 S */
static void token_that_is_not_there_is_refused_unasked(void **state) {
    (void)state;
    refuse_token(
        "AUTH OAUTHBEARER bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9AQE=\r\n");
    assert_memory_equal(host_heard(&h), "+ ", 2);
    expect(&h, "AQ==\r\n", WRONG);
    assert_string_equal(host_events(&h), "");
}

/* holds: T-BRU-1 S, LIM-10 S */
static void refused_tokens_are_failed_logins_however_they_end(void **state) {
    (void)state;
    h.config.delays = true;
    h.config.max_failed_logins = 2;
    h.config.asks = POPLIN_ASK_TOKEN;
    h.check_status = POPLIN_ERR_AUTH;
    start_and_skip_greeting();
    host_say(&h, BEARER_X "*\r\n" XOAUTH2_X "*\r\nNOOP\r\n");
    assert_string_equal(host_events(&h), "TOKEN alice x OAUTHBEARER\nDELAY alice 1 OAUTHBEARER\n"
                                         "TOKEN alice x XOAUTH2\nDELAY alice 2 XOAUTH2\nCLOSED 4 LIMIT\n");
    begin_again();
    h.config.asks = POPLIN_ASK_TOKEN;
    start_and_skip_greeting();
    expect(&h, "AUTH XOAUTH2\r\n*\r\n" XOAUTH2_X, "+ \r\n-ERR cancelled\r\n" WELCOME);
}

/* holds: T-BRU-1 S, POP-PIPE-1 S */
static void refused_token_is_told_late_and_counted_before(void **state) {
    (void)state;
    h.config.delays = h.holds_delays = true;
    refuse_token(XOAUTH2_X "=\r\nNOOP\r\n");
    assert_string_equal(host_heard(&h), "");
    assert_string_equal(host_events(&h), "TOKEN alice x XOAUTH2\nDELAY alice 1 XOAUTH2\n");
    answer(&h);
    host_pump(&h);
    assert_string_equal(host_heard(&h),
                        "+ eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIn0=\r\n" WRONG "-ERR log in first\r\n");
    host_say(&h, XOAUTH2_X);
    answer(&h);
    host_eof(&h); /* who has been told need not stay */
    assert_string_equal(host_events(&h), "TOKEN alice x XOAUTH2\nDELAY alice 2 XOAUTH2\nCLOSED 2 -\n");
    host_heard(&h);
}

/* holds: T-SASL-5 S, POP-AUTH-15 S */
static void token_as_long_as_a_line_can_be(void **state) {
    static char message[9199];
    static const char head[] = "user=a\1auth=Bearer ";
    poplin_buffer line = {0};

    (void)state;
    memset(message, 't', sizeof message);
    memcpy(message, head, sizeof head - 1);
    message[sizeof message - 2] = message[sizeof message - 1] = '\1';
    h.config.asks = POPLIN_ASK_TOKEN;
    h.config.max_sasl_line = 12288;
    start_and_skip_greeting();
    append(&line, "AUTH XOAUTH2 ", 13);
    assert_int_equal(poplin_base64_encode((poplin_slice){message, sizeof message}, &line), POPLIN_OK);
    append(&line, "\r\n", 2);
    assert_in_range(line.size, 12280, 12288);
    host_feed(&h, poplin_buffer_slice(&line).data, line.size);
    assert_string_equal(host_heard(&h), WELCOME);
    poplin_buffer_free(&line);
}

/* ---- answers ---- */

/* No answer but the right ones is one. */
static void expect_no_answer_to(uint64_t question, enum poplin_session_event_kind asked) {
    static const poplin_scram_keys none = {0};

    if (asked != POPLIN_SESSION_CHECK && asked != POPLIN_SESSION_TOKEN) {
        assert_int_equal(poplin_session_accept_as(h.session, question, SLICE("bob")), POPLIN_ERR_STATE);
        assert_int_equal(poplin_session_accept_as(h.session, question, nothing), POPLIN_ERR_STATE);
    }
    if (asked == POPLIN_SESSION_SECRET || asked == POPLIN_SESSION_MAILDROP)
        assert_int_equal(poplin_session_accept(h.session, question), POPLIN_ERR_STATE);
    if (asked != POPLIN_SESSION_SECRET) {
        assert_int_equal(poplin_session_secret(h.session, question, SLICE("secret")), POPLIN_ERR_STATE);
        assert_int_equal(poplin_session_keys(h.session, question, &none), POPLIN_ERR_STATE);
    }
    if (asked != POPLIN_SESSION_MAILDROP)
        assert_int_equal(poplin_session_open(h.session, question, NULL, 0, NULL), POPLIN_ERR_STATE);
    assert_int_equal(poplin_session_body(h.session, question, "", 0, true), POPLIN_ERR_STATE);
}

/* This is no question, or none any more. */
static void expect_over(uint64_t question) {
    for (int kind = POPLIN_SESSION_CHECK; kind <= POPLIN_SESSION_MAILDROP; kind++)
        expect_no_answer_to(question, (enum poplin_session_event_kind)kind);
    assert_int_equal(poplin_session_accept(h.session, question), POPLIN_ERR_STATE);
    assert_int_equal(poplin_session_refuse(h.session, question, POPLIN_ERR_AUTH, NULL), POPLIN_ERR_STATE);
    assert_int_equal(poplin_session_refuse_with(h.session, question, POPLIN_CODE_AUTH, NULL), POPLIN_ERR_STATE);
}

/* The question is open: nothing else is an answer to it, and none is one twice. */
static void expect_one_answer(enum poplin_session_event_kind kind) {
    uint64_t question = h.asked.question;

    assert_int_equal(h.asked.kind, kind);
    expect_over(question + 1);
    expect_over(question - 1);
    expect_no_answer_to(question, kind);
    answer(&h);
    expect_over(question);
    host_pump(&h);
    expect_over(question);
}

static void start_unanswered(unsigned asks) {
    begin_again();
    h.no_answer = true;
    h.config.delays = true;
    h.config.mechanisms = "USER PLAIN XOAUTH2 CRAM-MD5";
    h.config.asks = asks;
    start_and_skip_greeting();
}

/* holds: T-API-4 S */
static void each_question_has_one_answer(void **state) {
    (void)state;
    start_unanswered(POPLIN_ASK_CHECK);
    host_say(&h, "USER alice\r\nPASS secret\r\n");
    expect_one_answer(POPLIN_SESSION_CHECK);
    expect_one_answer(POPLIN_SESSION_MAILDROP);
    start_unanswered(POPLIN_ASK_SECRET);
    host_say(&h, "USER alice\r\nPASS secret\r\n");
    expect_one_answer(POPLIN_SESSION_SECRET);
    start_unanswered(POPLIN_ASK_TOKEN);
    host_say(&h, XOAUTH2_X);
    expect_one_answer(POPLIN_SESSION_TOKEN);
    start_unanswered(POPLIN_ASK_CHECK);
    host_say(&h, "AUTH PLAIN AGEAYg==\r\n");
    assert_int_equal(poplin_session_refuse(h.session, h.asked.question, POPLIN_ERR_AUTH, NULL), POPLIN_OK);
    host_pump(&h);
    expect_one_answer(POPLIN_SESSION_DELAY);
    assert_string_equal(host_heard(&h), WRONG);
    host_say(&h, "AUTH PLAIN AGEAYg==\r\n");
    assert_int_equal(poplin_session_drop(h.session, POPLIN_OK, NULL), POPLIN_OK);
    expect_over(h.asked.question);
}

/* holds: POP-RESP-5 S, POP-RESP-6 S, LIM-10 S */
static void only_guesses_are_failed_logins(void **state) {
    static const struct {
        int status;
        enum poplin_code code;
        const char *heard;
    } rows[] = {
        {POPLIN_ERR_IN_USE, POPLIN_CODE_NONE, "-ERR [IN-USE] the maildrop is in use by another session\r\n"},
        {POPLIN_ERR_TEMPORARY, POPLIN_CODE_NONE, "-ERR [SYS/TEMP] not possible just now\r\n"},
        {POPLIN_ERR_IO, POPLIN_CODE_NONE, "-ERR [SYS/TEMP] not possible just now\r\n"},
        {POPLIN_ERR_TEMPORARY, POPLIN_CODE_LOGIN_DELAY, "-ERR [LOGIN-DELAY] too soon after the last login\r\n"},
        {POPLIN_ERR_TEMPORARY, POPLIN_CODE_IN_USE, "-ERR [IN-USE] the maildrop is in use by another session\r\n"},
    };

    (void)state;
    h.config.max_failed_logins = 1;
    h.config.delays = true;
    h.config.asks = POPLIN_ASK_SECRET | POPLIN_ASK_TOKEN;
    start_and_skip_greeting();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        h.code = rows[i].code;
        h.check_status = rows[i].status;
        expect(&h, "AUTH PLAIN AGEAYg==\r\n", rows[i].heard);
        expect(&h, XOAUTH2_X, rows[i].heard);
        h.check_status = POPLIN_OK;
        h.maildrop_status = rows[i].status;
        expect(&h, XOAUTH2_X, rows[i].heard);
    }
    assert_null(strstr(host_events(&h), "DELAY"));
    h.maildrop_status = POPLIN_ERR_REFUSED;
    h.code = POPLIN_CODE_SYS_PERM;
    expect(&h, XOAUTH2_X, "-ERR [SYS/PERM] refused\r\n");
    assert_non_null(strstr(host_events(&h), "DELAY alice 1 XOAUTH2\nCLOSED 4 LIMIT\n"));
}

/* holds: POP-RESP-6 S, POP-RESP-3 S */
static void code_without_a_meaning_is_left_out(void **state) {
    static const struct {
        enum poplin_code code;
        const char *heard;
    } rows[] = {
        {POPLIN_CODE_AUTH, "-ERR why not\r\n"},        {POPLIN_CODE_IN_USE, "-ERR why not\r\n"},
        {POPLIN_CODE_LOGIN_DELAY, "-ERR why not\r\n"}, {POPLIN_CODE_SYS_TEMP, "-ERR [SYS/TEMP] why not\r\n"},
        {POPLIN_CODE_UTF8, "-ERR why not\r\n"},        {POPLIN_CODE_SYS_PERM, "-ERR [SYS/PERM] why not\r\n"},
        {POPLIN_CODE_NONE, "-ERR why not\r\n"},
    };

    (void)state;
    host_start_logged_in(&h);
    h.no_answer = true;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        host_say(&h, "RETR 1\r\n");
        assert_int_equal(poplin_session_refuse_with(h.session, h.asked.question, rows[i].code, "why not"), POPLIN_OK);
        host_pump(&h);
        assert_string_equal(host_heard(&h), rows[i].heard);
    }
    begin_again();
    h.code = POPLIN_CODE_UTF8; /* of messages only */
    h.check_status = POPLIN_ERR_REFUSED;
    start_and_skip_greeting();
    expect(&h, "AUTH PLAIN AGEAYg==\r\n", "-ERR refused\r\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SESSION_TEST(unknown_user_is_told_as_a_wrong_password_is),
        SESSION_TEST(unknown_user_costs_the_same),
        SESSION_TEST(unknown_user_without_a_mechanism),
        SESSION_TEST(salt_of_a_name_stays_as_long_as_the_pepper),
        SESSION_TEST(refused_token_is_told_in_the_exchange_first),
        SESSION_TEST(token_that_is_not_there_is_refused_unasked),
        SESSION_TEST(refused_tokens_are_failed_logins_however_they_end),
        SESSION_TEST(refused_token_is_told_late_and_counted_before),
        SESSION_TEST(token_as_long_as_a_line_can_be),
        SESSION_TEST(each_question_has_one_answer),
        SESSION_TEST(only_guesses_are_failed_logins),
        SESSION_TEST(code_without_a_meaning_is_left_out),
    };

    return cmocka_run_group_tests_name("session unknown", tests, NULL, NULL);
}
