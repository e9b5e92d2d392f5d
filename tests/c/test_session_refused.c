/*
 * test_session_refused.c - messages of every mechanism that break its rules, and exchanges that are broken off: the host is not
 * asked, nothing is left, and the client may begin again.
 */
#include "session_auth.h"

static void start_patient(void) {
    h.config.max_failed_logins = h.config.max_bad_commands = 100000;
    start_with_all(POPLIN_ASK_SECRET | POPLIN_ASK_TOKEN);
}

static bool is_client_first(enum poplin_mechanism mechanism) {
    return (poplin_mechanism_traits(mechanism) & POPLIN_SASL_CLIENT_FIRST) != 0;
}

/* All that can be tried again and again on one connection. */
static bool is_repeatable(enum poplin_mechanism mechanism) {
    return (poplin_mechanism_traits(mechanism) & POPLIN_SASL_BINDS) == 0;
}

static const char *malformed(enum poplin_mechanism mechanism) {
    static char text[64];

    snprintf(text, sizeof text, "-ERR malformed %s message\r\n", poplin_mechanism_name(mechanism));
    return text;
}

static void expect_malformed(enum poplin_mechanism mechanism, const char *said) {
    expect(&h, said, malformed(mechanism));
    assert_string_equal(host_events(&h), "");
}

/* ---- what is no base64 ---- */

static const char *const no_base64[] = {"=AAA",    "AAA=BBB", "AAA",        "AAAA=", "QR==",  "A",
                                        "====",    "**",      "*x",         "A\tAA", "+OK",   "-ERR",
                                        "AAA\x80", "QUIT",    "AUTH PLAIN", "STLS",  "A\rAA", "A\nAA"};

/* holds: T-SASL-4 S, POP-AUTH-13 S, T-SASL-9 S */
static void base64_is_strict_everywhere(void **state) {
    char line[128];

    (void)state;
    start_patient();
    for (enum poplin_mechanism mechanism = 0; mechanism < POPLIN_MECHANISM_COUNT; mechanism++)
        for (size_t i = 0; i < COUNT_OF(no_base64) && is_repeatable(mechanism); i++) {
            const char *name = poplin_mechanism_name(mechanism);

            snprintf(line, sizeof line, "AUTH %s\r\n", name);
            host_say(&h, line);
            assert_memory_equal(host_heard(&h), "+ ", 2);
            snprintf(line, sizeof line, "%s\r\n", no_base64[i]);
            expect_malformed(mechanism, line);
            snprintf(line, sizeof line, "AUTH %s %s\r\n", name, no_base64[i]);
            if (i < 9 && is_client_first(mechanism))
                expect_malformed(mechanism, line);
        }
    assert_int_equal(poplin_session_phase(h.session), POPLIN_AUTHORIZATION);
}

/* holds: T-SASL-3 S, POP-AUTH-5 S */
static void equals_sign_is_an_empty_message_only_behind_a_command(void **state) {
    (void)state;
    start_patient();
    expect(&h, "AUTH EXTERNAL\r\n=\r\n", "+ \r\n-ERR malformed EXTERNAL message\r\n");
    expect(&h, "AUTH ANONYMOUS\r\n=\r\n", "+ \r\n-ERR malformed ANONYMOUS message\r\n");
    expect(&h, "AUTH LOGIN\r\n=\r\n", "+ VXNlcm5hbWU6\r\n-ERR malformed LOGIN message\r\n");
    expect_malformed(POPLIN_MECHANISM_PLAIN, "AUTH PLAIN =\r\n");
    expect_malformed(POPLIN_MECHANISM_SCRAM_SHA_256, "AUTH SCRAM-SHA-256 =\r\n");
    expect_malformed(POPLIN_MECHANISM_OAUTHBEARER, "AUTH OAUTHBEARER =\r\n");
    expect(&h, "AUTH EXTERNAL\r\n\r\n", "+ \r\n" WELCOME);
}

/* holds: T-SASL-2 S, POP-AUTH-9 S */
static void server_begins_where_it_has_to(void **state) {
    (void)state;
    start_patient();
    expect_malformed(POPLIN_MECHANISM_CRAM_MD5, "AUTH CRAM-MD5 dGltIGI5MTM=\r\n");
    expect_malformed(POPLIN_MECHANISM_CRAM_MD5, "AUTH CRAM-MD5 =\r\n");
    expect_malformed(POPLIN_MECHANISM_LOGIN, "AUTH LOGIN dGlt\r\n");
    expect_malformed(POPLIN_MECHANISM_LOGIN, "AUTH LOGIN =\r\n");
}

/* ---- messages ---- */

struct message {
    enum poplin_mechanism mechanism;
    poplin_slice text;
};

#define FIRST(text) \
    {POPLIN_MECHANISM_SCRAM_SHA_256, SLICE(text)}, { \
        POPLIN_MECHANISM_SCRAM_SHA_1, SLICE(text) \
    }
#define BEARER(text) \
    { POPLIN_MECHANISM_OAUTHBEARER, SLICE(text) }
#define XOAUTH(text) \
    { POPLIN_MECHANISM_XOAUTH2, SLICE(text) }
#define TOKEN_BEHIND "\1auth=Bearer x\1\1"

static const struct message scram_messages[] = {
    FIRST("n"),
    FIRST("n,,"),
    FIRST("n,,n=alice"),
    FIRST("n,,n=,r=abc"),
    FIRST("n,,n=alice,r="),
    FIRST("n,,r=abc,n=alice"),
    FIRST("n,,n=a=2cb,r=abc"),
    FIRST("n,,n=a=,r=abc"),
    FIRST("n,,n=a=00,r=abc"),
    FIRST("n,,n=a,b,r=abc"),
    FIRST("n,,n=\xFF,r=abc"),
    FIRST("n,,n=\xC2\xAD,r=abc"),
    FIRST("n,,n=al\0ice,r=abc"),
    FIRST("n,,m=1,n=alice,r=abc"),
    FIRST("n,,n=alice,r=a c\x7F"),
    FIRST("n,a=\xFF,n=alice,r=abc"),
    FIRST("n,b=alice,n=alice,r=abc"),
    FIRST("x,,n=alice,r=abc"),
    FIRST("p,,n=alice,r=abc"),
    FIRST("p=tls-unique,,n=alice,r=abc"),
    FIRST("p=tls-exporter,,n=alice,r=abc"),
    FIRST("y,,n=alice,r=abc"),
};

static const struct message token_messages[] = {
    BEARER("\1"),
    BEARER("n,a=alice,\1auth=Bearer x\1"),
    BEARER("n,a=alice,\1auth=Bearer x"),
    BEARER("n,a=alice,auth=Bearer x\1\1"),
    BEARER("n,a=alice,\1host=mail.example.org\1port=995\1\1"),
    BEARER("n,a=alice,\1auth=Bearer x\1auth=Bearer x\1\1"),
    BEARER("n,a=alice,\1=x" TOKEN_BEHIND),
    BEARER("n,a=alice,\1x" TOKEN_BEHIND),
    BEARER("n,a=alice," TOKEN_BEHIND "\1"),
    BEARER("n,a=a=2cb," TOKEN_BEHIND),
    BEARER("n,a=," TOKEN_BEHIND),
    BEARER("n,alice," TOKEN_BEHIND),
    BEARER("p=tls-exporter,a=alice," TOKEN_BEHIND),
    BEARER("n,a=\xFF," TOKEN_BEHIND),
    XOAUTH("\1"),
    XOAUTH("user=alice\1auth=Bearer x\1"),
    XOAUTH("user=alice\1\1"),
    XOAUTH("auth=Bearer x\1\1"),
    XOAUTH("user=" TOKEN_BEHIND),
    XOAUTH("user=alice\1user=bob" TOKEN_BEHIND),
    XOAUTH("user=alice\1auth=Bearer x" TOKEN_BEHIND),
    XOAUTH("user=al\0ice" TOKEN_BEHIND),
};

static const struct message other_messages[] = {
    {POPLIN_MECHANISM_EXTERNAL, SLICE("ali\0ce")},
    {POPLIN_MECHANISM_EXTERNAL, SLICE("\xFF")},
    {POPLIN_MECHANISM_EXTERNAL, SLICE("\xC2\xAD")},
    {POPLIN_MECHANISM_ANONYMOUS, SLICE("si\trhc")},
    {POPLIN_MECHANISM_ANONYMOUS, SLICE("\xFF")},
    {POPLIN_MECHANISM_ANONYMOUS, SLICE("a\0")},
    {POPLIN_MECHANISM_PLAIN, SLICE("\0alice\0\xFF")},
    {POPLIN_MECHANISM_PLAIN, SLICE("\xFF\0alice\0secret")},
    {POPLIN_MECHANISM_PLAIN, SLICE("\0\xD8\xA7\x31\0secret")},
};

/* Each with the command, and behind it. */
static void expect_all_malformed(const struct message *messages, size_t count) {
    char command[64];

    start_patient();
    for (size_t i = 0; i < count; i++) {
        const char *name = poplin_mechanism_name(messages[i].mechanism);

        assert_string_equal(initial_is_answered(name, messages[i].text), malformed(messages[i].mechanism));
        snprintf(command, sizeof command, "AUTH %s\r\n", name);
        expect(&h, command, "+ \r\n");
        assert_string_equal(response_is_answered(messages[i].text), malformed(messages[i].mechanism));
    }
    assert_string_equal(host_events(&h), "");
}

/* holds: T-SCR-5 S, T-SCR-6 S, SASL-SCRAM-7 S */
static void scram_that_is_none(void **state) {
    (void)state;
    expect_all_malformed(scram_messages, COUNT_OF(scram_messages));
}

/* holds: T-OAU-4 S, SASL-OAB-2 S */
static void tokens_that_are_none(void **state) {
    static const struct message elsewhere[] = {
        BEARER("n,a=alice,\1host=imap.example.org" TOKEN_BEHIND),
        BEARER("n,a=alice,\1port=110" TOKEN_BEHIND),
        BEARER("n,a=alice,\1port=995x" TOKEN_BEHIND),
        BEARER("n,a=alice,\1port=65536" TOKEN_BEHIND),
    };

    (void)state;
    start_patient();
    for (size_t i = 0; i < COUNT_OF(elsewhere); i++)
        assert_string_equal(initial_is_answered("OAUTHBEARER", elsewhere[i].text), WRONG);
    begin_again();
    expect_all_malformed(token_messages, COUNT_OF(token_messages));
    assert_string_equal(
        initial_is_answered("OAUTHBEARER", SLICE("n,a=alice,\1x=y\1host=MAIL.example.org" TOKEN_BEHIND)), WELCOME);
}

/* holds: T-PLN-1 S, POP-AUTH-19 S */
static void names_that_are_none(void **state) {
    (void)state;
    expect_all_malformed(other_messages, COUNT_OF(other_messages));
}

/* Says a response, of so many octets, to this challenge of LOGIN. */
static void expect_login_field(const char *name, size_t size, const char *answer) {
    char text[300];
    char command[64];

    memset(text, 'n', sizeof text);
    snprintf(command, sizeof command, "AUTH LOGIN\r\n%s", name);
    host_say(&h, command);
    host_heard(&h);
    assert_string_equal(response_is_answered((poplin_slice){text, size}), answer);
}

/* holds: T-SASL-3 S, T-USR-2 S */
static void login_fields_that_are_none(void **state) {
    static const char bad[] = "-ERR malformed LOGIN message\r\n";

    (void)state;
    start_patient();
    expect_login_field("", 0, bad);
    expect_login_field("", 256, bad);
    expect_login_field("dGlt\r\n", 0, bad);
    expect_login_field("dGlt\r\n", 256, bad);
    expect_login_field("", 255, "+ UGFzc3dvcmQ6\r\n");
    host_say(&h, "*\r\n");
    host_heard(&h);
    assert_string_equal(host_events(&h), "");
    expect_login_field("dGlt\r\n", 255, WRONG);
    assert_string_equal(host_events(&h), "SECRET tim LOGIN\n");
}

/* holds: SASL-CRAM-2 S, T-SASL-3 S */
static void cram_answers_that_are_none(void **state) {
    static const poplin_slice rows[] = {
        SLICE(""),
        SLICE("alice"),
        SLICE("0123456789abcdef0123456789abcdef"),
        SLICE(" 0123456789abcdef0123456789abcdef"),
        SLICE("alice 0123456789ABCDEF0123456789abcdef"),
        SLICE("alice 0123456789abcdef0123456789abcde"),
        SLICE("alice\t0123456789abcdef0123456789abcdef"),
        SLICE("\xFF 0123456789abcdef0123456789abcdef"),
    };

    (void)state;
    start_patient();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        host_say(&h, "AUTH CRAM-MD5\r\n");
        host_heard(&h);
        assert_string_equal(response_is_answered(rows[i]), "-ERR malformed CRAM-MD5 message\r\n");
    }
    assert_string_equal(host_events(&h), "");
}

/* ---- SCRAM's second message ---- */

/* A client's second message, changed: the attribute gets another value. */
static void change(poplin_buffer *message, char attribute, const char *value) {
    poplin_slice text = poplin_buffer_slice(message);
    const char start[] = {attribute, '=', '\0'};
    const char *from = memmem(text.data, text.size, start, 2);
    poplin_buffer changed = {0};

    assert_non_null(from);
    const char *end = memchr(from, ',', (size_t)(text.data + text.size - from));

    append(&changed, text.data, (size_t)(from - text.data) + 2);
    append(&changed, value, strlen(value));
    if (end != NULL)
        append(&changed, end, (size_t)(text.data + text.size - end));
    poplin_buffer_free(message);
    *message = changed;
}

/* Goes as far as the client's second message, which is the caller's then. */
static poplin_buffer second_message(void) {
    const poplin_sasl_client_config config = alice();
    poplin_sasl_client *client = new_client(POPLIN_MECHANISM_SCRAM_SHA_256, &config);
    poplin_buffer said = {0};
    const char *reason;

    begin_authentication(POPLIN_MECHANISM_SCRAM_SHA_256, client, true);
    assert_int_equal(poplin_sasl_client_step(client, challenge_in(next_reply()), &said, &reason), POPLIN_OK);
    poplin_sasl_client_free(client);
    return said;
}

/* holds: T-SCR-5 S, SASL-SCRAM-6 S */
static void scram_proofs_that_are_none(void **state) {
    static const struct {
        char attribute;
        const char *value;
        bool malformed;
    } rows[] = {
        {'c', "eSws", false},
        {'c', "", true},
        {'c', "cD10bHMtZXhwb3J0ZXIsLAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f", false},
        {'r', "abc", true},
        {'r', "", true},
        {'p', "", true},
        {'p', "AAAA", true},
        {'p', "****", true},
        {'p', "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", false},
    };

    (void)state;
    start_patient();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        poplin_buffer said = second_message();

        change(&said, rows[i].attribute, rows[i].value);
        assert_string_equal(response_is_answered(poplin_buffer_slice(&said)),
                            rows[i].malformed ? malformed(POPLIN_MECHANISM_SCRAM_SHA_256) : WRONG);
        poplin_buffer_free(&said);
    }
}

/* holds: T-SCR-5 S, SASL-SCRAM-6 S */
static void proof_of_another_exchange_proves_nothing(void **state) {
    (void)state;
    start_patient();
    poplin_buffer earlier = second_message(), now;

    host_say(&h, "*\r\n");
    host_heard(&h);
    now = second_message();
    assert_string_equal(response_is_answered(poplin_buffer_slice(&earlier)), malformed(POPLIN_MECHANISM_SCRAM_SHA_256));
    poplin_buffer_free(&now);
    now = second_message();
    assert_memory_equal(response_is_answered(poplin_buffer_slice(&now)), "+ ", 2);
    assert_string_equal(response_is_answered(SLICE("x")), malformed(POPLIN_MECHANISM_SCRAM_SHA_256));
    assert_int_equal(poplin_session_phase(h.session), POPLIN_AUTHORIZATION);
    poplin_buffer_free(&earlier);
    poplin_buffer_free(&now);
}

/* ---- exchanges that end early, or never ---- */

/* Plays a login up to its step; false: it was over before. */
static bool play_up_to(enum poplin_mechanism mechanism, size_t step) {
    const poplin_sasl_client_config config = alice_by(mechanism);
    poplin_sasl_client *client = new_client(mechanism, &config);
    const char *reason;

    begin_authentication(mechanism, client, false);
    const char *reply = next_reply();

    while (memcmp(reply, "+ ", 2) == 0 && step-- > 0) {
        poplin_buffer said = {0};

        assert_int_equal(poplin_sasl_client_step(client, challenge_in(reply), &said, &reason), POPLIN_OK);
        say_message("", poplin_buffer_slice(&said));
        poplin_buffer_free(&said);
        reply = next_reply();
    }
    poplin_sasl_client_free(client);
    return memcmp(reply, "+ ", 2) == 0;
}

static void break_off(enum poplin_mechanism mechanism, size_t how) {
    static const char *const said[] = {"*\r\n", "QUIT\r\n", "AUTH PLAIN AGEAYg==\r\n"};
    const poplin_sasl_client_config config = alice();

    if (how < COUNT_OF(said)) {
        expect(&h, said[how], how == 0 ? "-ERR cancelled\r\n" : malformed(mechanism));
        assert_int_equal(poplin_session_phase(h.session), POPLIN_AUTHORIZATION);
        assert_string_equal(authenticate(POPLIN_MECHANISM_PLAIN, &config, true), WELCOME);
    } else if (how == COUNT_OF(said)) {
        host_say(&h, "AAA");
        host_eof(&h);
        assert_int_equal(h.closed.outcome, POPLIN_DROPPED);
    }
}

/* holds: T-SASL-9 S, POP-AUTH-12 S, POP-AUTH-14 S */
static void exchange_is_broken_off_at_each_step(void **state) {
    (void)state;
    for (enum poplin_mechanism mechanism = 0; mechanism < POPLIN_MECHANISM_COUNT; mechanism++)
        for (size_t how = 0; how < 5; how++)
            for (size_t step = 0, more = 1; more; step++) {
                assert_in_range(step, 0, 4);
                start_patient();
                more = play_up_to(mechanism, step);
                if (more)
                    break_off(mechanism, how);
                begin_again();
            }
}

/* holds: T-SASL-8 S */
static void no_exchange_is_endless(void **state) {
    static const poplin_slice texts[] = {SLICE(""), SLICE("n,,n=a,r=b"), SLICE("\0a\0b"), SLICE("user=a" TOKEN_BEHIND)};
    char command[64];

    (void)state;
    for (enum poplin_mechanism mechanism = 0; mechanism < POPLIN_MECHANISM_COUNT; mechanism++)
        for (size_t i = 0; i < COUNT_OF(texts); i++) {
            size_t steps = 0;

            h.check_status = POPLIN_ERR_AUTH;
            start_patient();
            snprintf(command, sizeof command, "AUTH %s\r\n", poplin_mechanism_name(mechanism));
            host_say(&h, command);
            while (memcmp(host_heard(&h), "+ ", 2) == 0) {
                assert_in_range(++steps, 1, 8);
                say_message("", texts[i]);
            }
            begin_again();
        }
}

/* holds: LIM-10 S, POP-AUTH-12 S */
static void cancelling_is_a_bad_command_and_no_failed_login(void **state) {
    (void)state;
    h.config.max_bad_commands = 4;
    h.config.max_failed_logins = 1;
    start_and_skip_greeting();
    for (size_t i = 0; i < 4; i++)
        expect(&h, "AUTH PLAIN\r\n*\r\n", "+ \r\n-ERR cancelled\r\n");
    assert_string_equal(host_events(&h), "CLOSED 4 LIMIT\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SESSION_TEST(base64_is_strict_everywhere),
        SESSION_TEST(equals_sign_is_an_empty_message_only_behind_a_command),
        SESSION_TEST(server_begins_where_it_has_to),
        SESSION_TEST(scram_that_is_none),
        SESSION_TEST(tokens_that_are_none),
        SESSION_TEST(names_that_are_none),
        SESSION_TEST(login_fields_that_are_none),
        SESSION_TEST(cram_answers_that_are_none),
        SESSION_TEST(scram_proofs_that_are_none),
        SESSION_TEST(proof_of_another_exchange_proves_nothing),
        SESSION_TEST(exchange_is_broken_off_at_each_step),
        SESSION_TEST(no_exchange_is_endless),
        SESSION_TEST(cancelling_is_a_bad_command_and_no_failed_login),
    };

    return cmocka_run_group_tests_name("session refused", tests, NULL, NULL);
}
