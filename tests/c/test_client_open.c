/*
 * test_client_open.c - the opening and the login: STLS and its attackers, what is sent when, and what is never sent.
 */
#include "client_support.h"

#include "client/machine.h"

static poplin_client_config config_with(enum poplin_tls_mode mode) {
    poplin_client_config config;
    poplin_client_config_init(&config);
    config.tls = mode;
    return config;
}

static void tls_stands(conversation *talk) {
    assert_int_equal(poplin_client_tls(talk->client, &(poplin_tls_facts){.verified = true}), POPLIN_OK);
}

/* Nothing that was sent holds the password, plain or as PLAIN's message. */
static void assert_no_secret_sent(conversation *talk) {
    drain(talk);
    poplin_slice sent = poplin_buffer_slice(&talk->sent);
    if (sent.size == 0)
        return;
    assert_null(memmem(sent.data, sent.size, "secret", 6));
    assert_null(memmem(sent.data, sent.size, "AGFsaWNl", 8));
    assert_null(memmem(sent.data, sent.size, "AUTH", 4));
    assert_null(memmem(sent.data, sent.size, "USER", 4));
}

/* ---- the ways in ---- */

/* holds: POP-AUTH-20 B, POP-AUTH-6 C */
static void auth_plain_in_one_line(void **state) {
    (void)state;
    poplin_client_config config = protected_config();
    conversation *talk = opening(&config, SLICE("+OK\r\nSASL LOGIN plain\r\nUSER\r\n.\r\n"));
    assert_null(poplin_client_mechanism(talk->client));
    assert_sends(talk, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n");
    says(talk, "+OK welcome\r\n");
    assert_events(talk, "GREETING ready\nOPENED #1 OK: welcome\n");
    assert_string_equal(poplin_client_mechanism(talk->client), "PLAIN");
    assert_int_equal(poplin_client_phase(talk->client), POPLIN_TRANSACTION);
    assert_int_equal(poplin_client_outstanding(talk->client), 0);
    hang_up(talk);
}

/* A password so long that PLAIN's message takes exactly so many characters of base64. */
static conversation *opening_with_base64(size_t characters, bool strict) {
    poplin_client_config config = protected_config();
    config.strict = strict;
    conversation *talk = converse(&config);
    char password[255];
    memset(password, 'p', sizeof password);
    poplin_credentials credentials = {.user = {"alice", 5}, .password = {password, characters / 4 * 3 - 7}};
    assert_int_equal(poplin_client_open(talk->client, &credentials, 1), POPLIN_OK);
    says(talk, "+OK ready\r\n");
    assert_sends(talk, "CAPA\r\n");
    says(talk, "+OK\r\nSASL PLAIN\r\n.\r\n");
    return talk;
}

/* holds: POP-AUTH-6 C, POP-GEN-5 C */
static void auth_plain_in_two_lines_where_one_is_too_long(void **state) {
    (void)state;
    conversation *talk = opening_with_base64(240, false);
    drain(talk);
    assert_int_equal(talk->sent.size, 253);
    hang_up(talk);

    talk = opening_with_base64(244, false);
    assert_sends(talk, "AUTH PLAIN\r\n");
    says(talk, "+ \r\n");
    drain(talk);
    assert_int_equal(talk->sent.size, 246);
    says(talk, "+OK\r\n");
    assert_events(talk, "GREETING ready\nOPENED #1 OK\n");
    hang_up(talk);
}

/* holds: POP-USER-4 C, POP-PASS-1 B, POP-PIPE-4 C */
static void user_and_pass_one_after_the_other(void **state) {
    (void)state;
    poplin_client_config config = protected_config();
    conversation *talk = opening(&config, SLICE("+OK\r\nUSER\r\nPIPELINING\r\n.\r\n"));
    assert_sends(talk, "USER alice\r\n");
    assert_sends(talk, "");
    says(talk, "+OK\r\n");
    assert_sends(talk, "PASS secret\r\n");
    says(talk, "+OK 3 messages\r\n");
    assert_events(talk, "GREETING ready\nOPENED #1 OK: 3 messages\n");
    assert_string_equal(poplin_client_mechanism(talk->client), "USER");
    hang_up(talk);
}

/* holds: POP-GEN-21 C, POP-CAPA-2 C, POP-AUTH-2 C */
static void server_without_capa_is_asked_by_user(void **state) {
    (void)state;
    poplin_client_config config = protected_config();
    conversation *talk = opening(&config, SLICE("-ERR what?\r\n"));
    assert_sends(talk, "USER alice\r\n");
    assert_int_equal(poplin_client_capability_count(talk->client), 0);
    hang_up(talk);
}

static void opening_without_credentials_ends_before_the_login(void **state) {
    (void)state;
    poplin_client_config config = protected_config();
    conversation *talk = converse(&config);
    assert_int_equal(poplin_client_open(talk->client, NULL, 4), POPLIN_OK);
    assert_int_equal(poplin_client_outstanding(talk->client), 1);
    assert_int_equal(poplin_client_open(talk->client, NULL, 4), POPLIN_ERR_STATE);
    says(talk, "+OK ready\r\n");
    assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_QUIT}, 1), POPLIN_ERR_STATE);
    assert_sends(talk, "CAPA\r\n");
    says(talk, "+OK\r\nSASL PLAIN\r\n.\r\n");
    assert_events(talk, "GREETING ready\nOPENED #4 OK\n");
    assert_int_equal(poplin_client_phase(talk->client), POPLIN_AUTHORIZATION);

    assert_int_equal(poplin_client_login(talk->client, &alice, 5), POPLIN_OK);
    assert_sends(talk, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n");
    says(talk, "+OK\r\n");
    assert_events(talk, "OPENED #5 OK\n");
    hang_up(talk);
}

/* holds: POP-CAPA-7 C */
static void capabilities_are_asked_again_where_they_depend_on_the_user(void **state) {
    (void)state;
    poplin_client_config config = protected_config();
    conversation *talk = opening(&config, SLICE("+OK\r\nUSER\r\nEXPIRE 0 USER\r\n.\r\n"));
    assert_sends(talk, "USER alice\r\n");
    says(talk, "+OK\r\n");
    assert_sends(talk, "PASS secret\r\n");
    says(talk, "+OK in\r\n");
    assert_sends(talk, "CAPA\r\n");
    says(talk, "+OK\r\nEXPIRE NEVER\r\n.\r\n");
    assert_events(talk, "GREETING ready\nOPENED #1 OK: in\n");
    assert_int_equal(poplin_client_capability_count(talk->client), 1);
    hang_up(talk);
}

/* ---- refusals ---- */

/* holds: POP-RESP-7 C, POP-RESP-5 B, POP-ST-5 C */
static void refused_login_leaves_the_session(void **state) {
    (void)state;
    static const struct {
        const char *capabilities, *reply, *events;
    } cases[] = {
        {"", "-ERR no\r\n", "OPENED #1 AUTH: no\n"},
        {"", "-ERR [IN-USE] no\r\n", "OPENED #1 AUTH: [IN-USE] no\n"},
        {"RESP-CODES\r\n", "-ERR [IN-USE] no\r\n", "OPENED #1 IN_USE [IN-USE]: no\n"},
        {"RESP-CODES\r\n", "-ERR [LOGIN-DELAY] no\r\n", "OPENED #1 TEMPORARY [LOGIN-DELAY]: no\n"},
        {"RESP-CODES\r\n", "-ERR [AUTH] no\r\n", "OPENED #1 AUTH [AUTH]: no\n"},
        {"RESP-CODES\r\n", "-ERR no\r\n", "OPENED #1 AUTH: no\n"},
        {"RESP-CODES\r\nAUTH-RESP-CODE\r\n", "-ERR no\r\n", "OPENED #1 REFUSED: no\n"},
        {"RESP-CODES\r\nAUTH-RESP-CODE\r\n", "-ERR [AUTH] no\r\n", "OPENED #1 AUTH [AUTH]: no\n"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char capa[128];
        poplin_client_config config = protected_config();
        snprintf(capa, sizeof capa, "+OK\r\nSASL PLAIN\r\nUSER\r\n%s.\r\n", cases[i].capabilities);
        conversation *talk = opening(&config, poplin_slice_of(capa));
        drain(talk);
        poplin_buffer_clear(&talk->events);
        server_says(talk, poplin_slice_of(cases[i].reply));
        assert_events(talk, cases[i].events);
        poplin_buffer_clear(&talk->sent);
        assert_sends(talk, ""); /* no step down to USER */
        assert_int_equal(poplin_client_phase(talk->client), POPLIN_AUTHORIZATION);
        assert_null(poplin_client_mechanism(talk->client));
        assert_int_equal(poplin_client_login(talk->client, &alice, 9), POPLIN_OK);
        assert_sends(talk, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n");
        hang_up(talk);
    }
}

/* holds: POP-GEN-17 C, POP-USER-1 C */
static void refused_user_is_a_refused_login(void **state) {
    (void)state;
    poplin_client_config config = protected_config();
    conversation *talk = opening(&config, SLICE("+OK\r\nUSER\r\n.\r\n"));
    drain(talk);
    says(talk, "-ERR no\r\n");
    assert_events(talk, "GREETING ready\nOPENED #1 AUTH: no\n");
    assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_QUIT}, 2), POPLIN_OK);
    hang_up(talk);
}

/* ---- challenges ---- */

/* holds: T-SASL-1 C, T-SASL-8 B, POP-AUTH-12 B */
static void challenge_behind_the_initial_response_is_cancelled(void **state) {
    (void)state;
    static const char *const challenges[] = {"+ \r\n", "+\r\n", "+ aGk=\r\n", "+ not base64!\r\n"};
    for (size_t i = 0; i < COUNT_OF(challenges); i++) {
        const char *reason = i == 3 ? "is not base64" : "more than the mechanism has to say";
        poplin_client_config config = protected_config();
        conversation *talk = opening(&config, SLICE("+OK\r\nSASL PLAIN\r\n.\r\n"));
        drain(talk);
        poplin_buffer_clear(&talk->sent);
        server_says(talk, poplin_slice_of(challenges[i]));
        assert_sends(talk, "*\r\n");
        says(talk, "-ERR cancelled\r\n");
        assert_failed(talk, POPLIN_ERR_PROTOCOL, "AUTH", reason);
        hang_up(talk);
    }
}

/* holds: T-SASL-1 C, T-SASL-4 B, POP-AUTH-10 S */
static void challenge_with_data_is_cancelled_and_gets_no_secret(void **state) {
    (void)state;
    static const struct {
        const char *challenge;
        bool strict, good;
    } cases[] = {
        {"+ aGk=\r\n", false, false}, {"+ -ERR no\r\n", false, false}, {"+ \xFF\r\n", false, false},
        {"+\r\n", true, false},       {"+\r\n", false, true},          {"+ \r\n", true, true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        conversation *talk = opening_with_base64(244, cases[i].strict);
        drain(talk);
        poplin_buffer_clear(&talk->sent);
        server_says(talk, poplin_slice_of(cases[i].challenge));
        drain(talk);
        assert_int_equal(talk->sent.size, cases[i].good ? 246 : 3);
        says(talk, "-ERR no\r\n");
        if (cases[i].good)
            assert_events(talk, "GREETING ready\nOPENED #1 AUTH: no\n");
        else
            assert_failed(talk, POPLIN_ERR_PROTOCOL, "AUTH", cases[i].strict ? "SP" : "challenge");
        hang_up(talk);
    }
}

/* holds: T-SASL-8 B, POP-AUTH-17 C, T-FRM-12 C */
static void impossible_answers_to_auth_fail(void **state) {
    (void)state;
    static const struct {
        const char *first, *second, *words;
    } cases[] = {
        {"+OK welcome\r\n", "", "before it was complete"},
        {"+ \r\n", "+ \r\n", NULL},
        {"+ \r\n+OK welcome\r\n", "", "nothing had asked for"},
        {"+ aGk=\r\n", "+ aGk=\r\n", "begin"},
        {"+ aGk=\r\n", "+OK\r\n", "begin"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        conversation *talk = opening_with_base64(244, false);
        drain(talk);
        server_says(talk, poplin_slice_of(cases[i].first));
        drain(talk);
        if (cases[i].second[0] != '\0')
            server_says(talk, poplin_slice_of(cases[i].second));
        if (cases[i].words == NULL) {
            poplin_buffer_clear(&talk->sent);
            assert_sends(talk, "*\r\n");
            says(talk, "-ERR\r\n");
        }
        assert_failed(talk, POPLIN_ERR_PROTOCOL, "AUTH",
                      cases[i].words != NULL ? cases[i].words : "more than the mechanism has to say");
        hang_up(talk);
    }
}

/* holds: T-SASL-5 B, LIM-3 C */
static void endless_challenge_fails(void **state) {
    (void)state;
    poplin_client_config config = protected_config();
    conversation *talk = opening(&config, SLICE("+OK\r\nSASL PLAIN\r\n.\r\n"));
    drain(talk);
    says_long(talk, "+ ", 12288, "");
    assert_failed(talk, POPLIN_ERR_LIMIT, "AUTH", "longer than the limit");
    hang_up(talk);
}

/* ---- STLS ---- */

/* holds: POP-STLS-2 B, POP-CAPA-6 C, T-STLS-12 C */
static void stls_then_capabilities_anew(void **state) {
    (void)state;
    for (int automatic = 0; automatic <= 1; automatic++) {
        poplin_client_config config = config_with(automatic ? POPLIN_TLS_AUTO : POPLIN_TLS_STLS);
        conversation *talk = opening(&config, SLICE("+OK\r\nSTLS\r\nSASL PLAIN\r\nPIPELINING\r\n.\r\n"));
        assert_sends(talk, "STLS\r\n");
        assert_int_equal(poplin_client_tls(talk->client, NULL), POPLIN_ERR_STATE);
        assert_int_equal(says(talk, "+OK begin\r\n"), POPLIN_WAITING);
        assert_events(talk, "GREETING ready\nSTART_TLS\n");
        assert_sends(talk, "");
        tls_stands(talk);
        assert_int_equal(poplin_client_capability_count(talk->client), 0);
        assert_sends(talk, "CAPA\r\n");
        says(talk, "+OK\r\nUSER\r\n.\r\n");
        assert_sends(talk, "USER alice\r\n");
        says(talk, "+OK\r\n");
        assert_sends(talk, "PASS secret\r\n");
        says(talk, "+OK\r\n");
        assert_events(talk, "OPENED #1 OK\n");
        hang_up(talk);
    }
}

/* holds: T-STLS-4 C, T-STLS-5 C, POP-STLS-4 C */
static void octets_behind_the_answer_to_stls_fail(void **state) {
    (void)state;
    static const char *const injected[] = {"+OK\r\nSASL PLAIN\r\n.\r\n+OK logged in\r\n", "+", "\n", "\x16\x03\x03"};
    for (size_t i = 0; i < 2 * COUNT_OF(injected); i++) {
        poplin_client_config config = config_with(POPLIN_TLS_STLS);
        conversation *talk = opening(&config, SLICE("+OK\r\nSTLS\r\n.\r\n"));
        drain(talk);
        poplin_buffer_clear(&talk->sent);
        if (i % 2 == 0) {
            char reply[128];
            snprintf(reply, sizeof reply, "+OK begin\r\n%s", injected[i / 2]);
            server_says(talk, poplin_slice_of(reply));
        } else {
            says(talk, "+OK begin\r\n");
            assert_events(talk, "GREETING ready\nSTART_TLS\n");
            server_says(talk, poplin_slice_of(injected[i / 2]));
        }
        assert_failed(talk, POPLIN_ERR_PROTOCOL, "STLS", "injecting");
        assert_int_equal(poplin_client_tls(talk->client, NULL), POPLIN_ERR_STATE);
        hang_up(talk);
    }
}

/* The driver that lends without pulling: TLS must not take over while octets in clear are still lent. */
/* holds: T-STLS-5 C */
static void tls_does_not_begin_over_lent_octets(void **state) {
    (void)state;
    poplin_client_config config = config_with(POPLIN_TLS_STLS);
    conversation *talk = opening(&config, SLICE("+OK\r\nSTLS\r\n.\r\n"));
    drain(talk);
    says(talk, "+OK begin\r\n");
    assert_int_equal(poplin_client_input(talk->client, "+OK\r\n", 5), POPLIN_OK);
    assert_int_equal(poplin_client_tls(talk->client, NULL), POPLIN_ERR_STATE);
    pull(talk);
    assert_failed(talk, POPLIN_ERR_PROTOCOL, "STLS", "injecting");
    hang_up(talk);
}

/* holds: T-STLS-6 C, T-STLS-8 C, T-STLS-9 C */
static void no_stls_no_session(void **state) {
    (void)state;
    static const char *const answers[] = {"+OK\r\nSASL PLAIN\r\nUSER\r\n.\r\n", "+OK\r\n.\r\n",
                                          "-ERR unknown command\r\n"};
    for (size_t i = 0; i < 2 * COUNT_OF(answers); i++) {
        poplin_client_config config = config_with(i % 2 == 0 ? POPLIN_TLS_STLS : POPLIN_TLS_AUTO);
        conversation *talk = opening(&config, poplin_slice_of(answers[i / 2]));
        assert_failed(talk, POPLIN_ERR_UNSUPPORTED, "login", "the server offers no STLS; use pop3s://");
        assert_no_secret_sent(talk);
        hang_up(talk);
    }
}

/* holds: T-STLS-7 C, POP-STLS-9 C */
static void refused_stls_ends_the_session(void **state) {
    (void)state;
    poplin_client_config config = config_with(POPLIN_TLS_STLS);
    conversation *talk = opening(&config, SLICE("+OK\r\nSTLS\r\nUSER\r\n.\r\n"));
    drain(talk);
    says(talk, "-ERR not today\r\n");
    assert_failed(talk, POPLIN_ERR_TLS, "STLS", "refused STLS");
    assert_string_equal(talk->error.peer, "not today");
    assert_no_secret_sent(talk);
    hang_up(talk);
}

/* holds: T-STLS-14 B */
static void end_of_connection_where_tls_was_to_begin_fails(void **state) {
    (void)state;
    poplin_client_config config = config_with(POPLIN_TLS_STLS);
    conversation *talk = opening(&config, SLICE("+OK\r\nSTLS\r\n.\r\n"));
    drain(talk);
    says(talk, "+OK\r\n");
    server_closes(talk, true);
    assert_failed(talk, POPLIN_ERR_CLOSED, "STLS", "where TLS was to begin");
    hang_up(talk);
}

/* holds: T-STLS-9 C */
static void unasked_octets_behind_capabilities_are_no_answer_to_stls(void **state) {
    (void)state;
    poplin_client_config config = config_with(POPLIN_TLS_STLS);
    conversation *talk = opening(&config, SLICE("+OK\r\nSTLS\r\n.\r\n+OK begin\r\n"));
    assert_failed(talk, POPLIN_ERR_PROTOCOL, "login", "nothing had asked for");
    hang_up(talk);
}

/* holds: POP-STLS-2 B, POP-PIPE-4 C */
static void stls_by_the_host(void **state) {
    (void)state;
    poplin_client_config config = config_with(POPLIN_TLS_NEVER);
    conversation *talk = converse(&config);
    assert_int_equal(poplin_client_open(talk->client, NULL, 1), POPLIN_OK);
    says(talk, "+OK hi\r\n");
    drain(talk);
    says(talk, "+OK\r\nSTLS\r\nPIPELINING\r\n.\r\n");
    poplin_buffer_clear(&talk->sent);
    poplin_buffer_clear(&talk->events);
    assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_STLS}, 2), POPLIN_OK);
    assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_CAPA}, 3), POPLIN_OK);
    assert_sends(talk, "STLS\r\n");
    assert_int_equal(says(talk, "+OK\r\n"), POPLIN_WAITING);
    assert_events(talk, "REPLY #2 STLS OK\nSTART_TLS\n");
    assert_sends(talk, "");
    tls_stands(talk);
    assert_sends(talk, "CAPA\r\n");
    says(talk, "+OK\r\nSASL PLAIN\r\n.\r\n");
    assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_STLS}, 2), POPLIN_ERR_STATE);
    assert_int_equal(poplin_client_login(talk->client, &alice, 5), POPLIN_OK);
    assert_sends(talk, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n");
    hang_up(talk);
}

/* Both were queued in clear; the second goes out under TLS, where no server may accept it. */
/* holds: POP-STLS-1 C */
static void stls_is_not_begun_under_tls(void **state) {
    (void)state;
    poplin_client_config config = config_with(POPLIN_TLS_NEVER);
    for (int accepted = 0; accepted <= 1; accepted++) {
        conversation *talk = converse(&config);
        says(talk, "+OK hi\r\n");
        ask(talk, (poplin_command){.verb = POPLIN_STLS});
        ask(talk, (poplin_command){.verb = POPLIN_STLS});
        says(talk, "+OK\r\n");
        tls_stands(talk);
        assert_sends(talk, "STLS\r\n");
        poplin_buffer_clear(&talk->events);
        if (accepted) {
            says(talk, "+OK\r\n");
            assert_failed(talk, POPLIN_ERR_PROTOCOL, "STLS", "TLS stands already");
        } else {
            says(talk, "-ERR TLS is active\r\n");
            assert_events(talk, "REPLY #7 STLS REFUSED: TLS is active\n");
        }
        hang_up(talk);
    }
}

static void implicit_tls_comes_before_any_input(void **state) {
    (void)state;
    poplin_client_config config = config_with(POPLIN_TLS_IMPLICIT);
    conversation *talk = converse(&config);
    assert_int_equal(poplin_client_input(talk->client, "+OK\r\n", 5), POPLIN_ERR_STATE);
    tls_stands(talk);
    assert_int_equal(poplin_client_tls(talk->client, NULL), POPLIN_ERR_STATE);
    assert_int_equal(poplin_client_open(talk->client, &alice, 1), POPLIN_OK);
    says(talk, "+OK hi\r\n");
    assert_sends(talk, "CAPA\r\n");
    says(talk, "+OK\r\nSTLS\r\nSASL PLAIN\r\n.\r\n");
    assert_sends(talk, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n");
    hang_up(talk);
}

/* ---- policy and secrets ---- */

/* holds: POP-TLS-17 B, POP-TLS-20 B, SASL-PLAIN-3 C */
static void passwords_go_in_clear_only_by_name(void **state) {
    (void)state;
    poplin_client_config config = config_with(POPLIN_TLS_NEVER);
    conversation *talk = opening(&config, SLICE("+OK\r\nSASL PLAIN\r\nUSER\r\nSTLS\r\n.\r\n"));
    assert_sends(talk, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n");
    hang_up(talk);
}

static void server_without_a_login_that_fits(void **state) {
    (void)state;
    poplin_client_config config = protected_config();
    conversation *talk = opening(&config, SLICE("+OK\r\nSASL SCRAM-SHA-9 PLAINER LOGIN\r\nTOP\r\n.\r\n"));
    assert_failed(talk, POPLIN_ERR_UNSUPPORTED, "login", "the server offers LOGIN (it is used only where it is named)");
    hang_up(talk);
}

static poplin_slice repeated(char *room, char c, size_t size) {
    memset(room, c, size);
    return (poplin_slice){room, size};
}

/* holds: T-INJ-1 C, POP-PASS-3 C, T-SASL-6 C */
static void impossible_credentials_are_refused_locally(void **state) {
    (void)state;
    char room[300], other[300];
    const struct {
        poplin_credentials credentials;
        int status;
    } cases[] = {
        {{.user = SLICE(""), .password = SLICE("x")}, POPLIN_ERR_PROTOCOL},
        {{.user = SLICE("x"), .password = SLICE("")}, POPLIN_ERR_PROTOCOL},
        {{.user = SLICE("a\r\nDELE 1"), .password = SLICE("x")}, POPLIN_ERR_PROTOCOL},
        {{.user = SLICE("a\0b"), .password = SLICE("x")}, POPLIN_ERR_PROTOCOL},
        {{.user = SLICE("a"), .password = SLICE("x\n")}, POPLIN_ERR_PROTOCOL},
        {{.user = SLICE("a"), .password = SLICE("x\0")}, POPLIN_ERR_PROTOCOL},
        {{.user = repeated(room, 'a', 256), .password = SLICE("x")}, POPLIN_ERR_LIMIT},
        {{.user = SLICE("a"), .password = repeated(other, 'a', 256)}, POPLIN_ERR_LIMIT},
        {{.user = SLICE("two words"), .password = SLICE(" two words ")}, POPLIN_OK},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        poplin_client_config config = protected_config();
        conversation *talk = converse(&config);
        assert_int_equal(poplin_client_open(talk->client, &cases[i].credentials, 1), cases[i].status);
        hang_up(talk);
    }
}

/* holds: POP-GEN-5 C, POP-PASS-3 C, POP-UTF8-4 C */
static void what_user_and_pass_cannot_carry_is_not_sent(void **state) {
    (void)state;
    char room[255];
    const struct {
        poplin_credentials credentials;
        const char *capa;
        int status;
    } cases[] = {
        {{.user = SLICE("alice"), .password = repeated(room, 'x', 248)}, "+OK\r\nUSER\r\n.\r\n", POPLIN_OK},
        {{.user = SLICE("alice"), .password = repeated(room, 'x', 249)},
         "+OK\r\nUSER\r\n.\r\n",
         POPLIN_ERR_UNSUPPORTED},
        {{.user = SLICE("\xC3\xA9"), .password = SLICE("x")}, "+OK\r\nUSER\r\n.\r\n", POPLIN_ERR_UNSUPPORTED},
        {{.user = SLICE("a b"), .password = SLICE("x")}, "+OK\r\nUSER\r\n.\r\n", POPLIN_ERR_UNSUPPORTED},
        {{.user = SLICE("alice"), .password = SLICE("\xC3\xA9")},
         "+OK\r\nUSER\r\nUTF8\r\n.\r\n",
         POPLIN_ERR_UNSUPPORTED},
        {{.user = SLICE("alice"), .password = SLICE("\xC3\xA9")}, "+OK\r\nUSER\r\nUTF8 USER\r\n.\r\n", POPLIN_OK},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        poplin_client_config config = protected_config();
        conversation *talk = converse(&config);
        assert_int_equal(poplin_client_open(talk->client, &cases[i].credentials, 1), POPLIN_OK);
        says(talk, "+OK\r\n");
        assert_sends(talk, "CAPA\r\n");
        server_says(talk, poplin_slice_of(cases[i].capa));
        if (cases[i].status < 0)
            assert_failed(talk, cases[i].status, "login", "");
        else
            assert_sends(talk, "USER alice\r\n");
        hang_up(talk);
    }
}

/* holds: POP-PASS-3 C, SASL-PLAIN-1 C */
static void name_with_a_space_goes_by_plain(void **state) {
    (void)state;
    poplin_client_config config = protected_config();
    conversation *talk = converse(&config);
    const poplin_credentials credentials = {.user = SLICE("a b"), .password = SLICE("x")};
    assert_int_equal(poplin_client_open(talk->client, &credentials, 1), POPLIN_OK);
    says(talk, "+OK\r\n");
    assert_sends(talk, "CAPA\r\n");
    says(talk, "+OK\r\nSASL PLAIN\r\n.\r\n");
    assert_sends(talk, "AUTH PLAIN AGEgYgB4\r\n");
    hang_up(talk);
}

/* A server that repeats what it was sent, as some do with a command that they do not know. */
/* holds: T-SEC-1 C, T-TXT-1 C */
static void secrets_that_the_server_repeats_are_not_shown(void **state) {
    (void)state;
    static const char concealed[] = "(words that repeat the password)";
    static const char *const echoes[] = {"no such command: AUTH PLAIN AGFsaWNlAHNlY3JldA==", "bad password secret!"};
    for (size_t i = 0; i < COUNT_OF(echoes); i++) {
        poplin_client_config config = protected_config();
        conversation *talk = opening(&config, SLICE("+OK\r\nSASL PLAIN\r\n.\r\n"));
        char line[128], events[128];
        drain(talk);
        poplin_buffer_clear(&talk->events);
        snprintf(line, sizeof line, "-ERR %s\r\n", echoes[i]);
        snprintf(events, sizeof events, "OPENED #1 AUTH: %s\n", concealed);
        server_says(talk, poplin_slice_of(line));
        assert_events(talk, events);
        hang_up(talk);

        talk = opening(&config, SLICE("+OK\r\nSASL PLAIN\r\n.\r\n"));
        drain(talk);
        snprintf(line, sizeof line, "%s\r\n", echoes[i]);
        server_says(talk, poplin_slice_of(line));
        assert_failed(talk, POPLIN_ERR_PROTOCOL, "AUTH", "neither");
        assert_string_equal(talk->error.peer, concealed);
        hang_up(talk);
    }
}

/* Has the machine's output sent in two steps and sees that nothing of it is left. */
static void assert_wiped_when_sent(conversation *talk, const char *beginning) {
    const char *data;
    size_t size;
    poplin_client_output(talk->client, &data, &size);
    assert_memory_equal(data, beginning, strlen(beginning));
    poplin_client_sent(talk->client, 9);
    poplin_client_sent(talk->client, size - 9);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(data[i], 0);
}

/* holds: T-SEC-2 B, T-SEC-1 B */
static void secrets_are_wiped_when_sent(void **state) {
    (void)state;
    poplin_client_config config = protected_config();
    conversation *talk = opening(&config, SLICE("+OK\r\nSASL PLAIN\r\n.\r\n"));
    assert_wiped_when_sent(talk, "AUTH PLAIN AGFsaWNl");
    says(talk, "oops\r\n");
    assert_failed(talk, POPLIN_ERR_PROTOCOL, "AUTH", "neither");
    hang_up(talk);

    talk = opening(&config, SLICE("+OK\r\nUSER\r\n.\r\n"));
    drain(talk);
    says(talk, "+OK\r\n");
    assert_wiped_when_sent(talk, "PASS secret");
    hang_up(talk);

    talk = opening_with_base64(244, false);
    drain(talk);
    says(talk, "+ \r\n");
    assert_wiped_when_sent(talk, "AGFsaWNlAHBw");
    hang_up(talk);
}

/* holds: T-SEC-2 B, T-SASL-9 C */
static void secrets_are_forgotten_with_the_answer(void **state) {
    (void)state;
    static const char *const answers[] = {"+OK\r\n", "-ERR\r\n", "oops\r\n", NULL};
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        poplin_client_config config = protected_config();
        conversation *talk = opening(&config, SLICE("+OK\r\nSASL PLAIN\r\nEXPIRE 1 USER\r\n.\r\n"));
        drain(talk);
        if (answers[i] != NULL)
            server_says(talk, poplin_slice_of(answers[i]));
        else
            server_closes(talk, true);
        assert_null(talk->client->opening.password.memory);
        assert_null(talk->client->opening.response.memory);
        hang_up(talk);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auth_plain_in_one_line),
        cmocka_unit_test(auth_plain_in_two_lines_where_one_is_too_long),
        cmocka_unit_test(user_and_pass_one_after_the_other),
        cmocka_unit_test(server_without_capa_is_asked_by_user),
        cmocka_unit_test(opening_without_credentials_ends_before_the_login),
        cmocka_unit_test(capabilities_are_asked_again_where_they_depend_on_the_user),
        cmocka_unit_test(refused_login_leaves_the_session),
        cmocka_unit_test(refused_user_is_a_refused_login),
        cmocka_unit_test(challenge_behind_the_initial_response_is_cancelled),
        cmocka_unit_test(challenge_with_data_is_cancelled_and_gets_no_secret),
        cmocka_unit_test(impossible_answers_to_auth_fail),
        cmocka_unit_test(endless_challenge_fails),
        cmocka_unit_test(stls_then_capabilities_anew),
        cmocka_unit_test(octets_behind_the_answer_to_stls_fail),
        cmocka_unit_test(tls_does_not_begin_over_lent_octets),
        cmocka_unit_test(no_stls_no_session),
        cmocka_unit_test(refused_stls_ends_the_session),
        cmocka_unit_test(end_of_connection_where_tls_was_to_begin_fails),
        cmocka_unit_test(unasked_octets_behind_capabilities_are_no_answer_to_stls),
        cmocka_unit_test(stls_by_the_host),
        cmocka_unit_test(stls_is_not_begun_under_tls),
        cmocka_unit_test(implicit_tls_comes_before_any_input),
        cmocka_unit_test(passwords_go_in_clear_only_by_name),
        cmocka_unit_test(server_without_a_login_that_fits),
        cmocka_unit_test(impossible_credentials_are_refused_locally),
        cmocka_unit_test(what_user_and_pass_cannot_carry_is_not_sent),
        cmocka_unit_test(name_with_a_space_goes_by_plain),
        cmocka_unit_test(secrets_that_the_server_repeats_are_not_shown),
        cmocka_unit_test(secrets_are_wiped_when_sent),
        cmocka_unit_test(secrets_are_forgotten_with_the_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
