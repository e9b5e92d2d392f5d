/*
 * test_client_exchange.c - the exchange of AUTH line by line, against the server's half of each mechanism: initial response or
 * two steps, challenges that never end, servers that say +OK too early, tokens that are refused.
 */
#include "login_support.h"

static const struct {
    enum poplin_mechanism mechanism;
    const poplin_credentials *login;
    bool first;        /* the client begins */
    size_t challenges; /* behind that */
} mechanisms[] = {
    {POPLIN_MECHANISM_SCRAM_SHA_256_PLUS, &alice, true, 2},
    {POPLIN_MECHANISM_SCRAM_SHA_1_PLUS, &alice, true, 2},
    {POPLIN_MECHANISM_SCRAM_SHA_256, &alice, true, 2},
    {POPLIN_MECHANISM_SCRAM_SHA_1, &alice, true, 2},
    {POPLIN_MECHANISM_OAUTHBEARER, &with_token, true, 0},
    {POPLIN_MECHANISM_XOAUTH2, &with_token, true, 0},
    {POPLIN_MECHANISM_PLAIN, &alice, true, 0},
    {POPLIN_MECHANISM_LOGIN, &alice, false, 2},
    {POPLIN_MECHANISM_CRAM_MD5, &alice, false, 1},
    {POPLIN_MECHANISM_EXTERNAL, &alice, true, 0},
    {POPLIN_MECHANISM_ANONYMOUS, &alice, true, 0},
};

static poplin_slice secret_of(const poplin_credentials *login) {
    return login->token.data != NULL ? login->token : login->password;
}

/* ---- to the end ---- */

/* holds: POP-AUTH-3 C, POP-AUTH-16 C, SASL-SCRAM-11 C */
static void each_mechanism_logs_in(void **state) {
    (void)state;
    for (size_t i = 0; i < 2 * COUNT_OF(mechanisms); i++) {
        enum poplin_mechanism mechanism = mechanisms[i / 2].mechanism;
        bool two_step = i % 2 == 1, first = mechanisms[i / 2].first;
        const poplin_credentials *login = mechanisms[i / 2].login;
        host peer = new_host(mechanism, secret_of(login));
        conversation *talk = login_by_one(mechanism, login, two_step);
        size_t challenges = play_exchange(talk, &peer, poplin_mechanism_name(mechanism), first && !two_step);
        assert_int_equal(challenges, mechanisms[i / 2].challenges + (first && two_step));
        assert_events(talk, "OPENED #1 OK: in\n");
        assert_string_equal(poplin_client_mechanism(talk->client), poplin_mechanism_name(mechanism));
        assert_int_equal(poplin_client_phase(talk->client), POPLIN_TRANSACTION);
        poplin_sasl_server_free(peer.server);
        hang_up(talk);
    }
}

/* holds: POP-RESP-6 C, POP-GEN-17 C */
static void wrong_secret_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(mechanisms); i++) {
        enum poplin_mechanism mechanism = mechanisms[i].mechanism;
        if (mechanism == POPLIN_MECHANISM_EXTERNAL || mechanism == POPLIN_MECHANISM_ANONYMOUS)
            continue;
        host peer = new_host(mechanism, SLICE("another"));
        conversation *talk = login_by_one(mechanism, mechanisms[i].login, false);
        play_exchange(talk, &peer, poplin_mechanism_name(mechanism), mechanisms[i].first);
        assert_events(talk, "OPENED #1 AUTH: no\n");
        assert_null(poplin_client_mechanism(talk->client));
        assert_int_equal(poplin_client_phase(talk->client), POPLIN_AUTHORIZATION);
        poplin_sasl_server_free(peer.server);
        hang_up(talk);
    }
}

/* holds: VEC-LOGIN-1 C, VEC-CRAM-1 C, POP-AUTH-9 C */
static void vectors_of_mechanisms_where_the_server_begins(void **state) {
    (void)state;
    static const poplin_credentials tim = {.user = {"tim", 3}, .password = {"tanstaaftanstaaf", 16}};
    static const char *const prompts[][2] = {{"+ VXNlcm5hbWU6\r\n", "+ UGFzc3dvcmQ6\r\n"},
                                             {"+ VXNlciBOYW1lAA==\r\n", "+ UGFzc3dvcmQA\r\n"},
                                             {"+ \r\n", "+ \r\n"}};
    for (size_t i = 0; i < COUNT_OF(prompts); i++) {
        conversation *talk = login_by_one(POPLIN_MECHANISM_LOGIN, &tim, false);
        assert_sends(talk, "AUTH LOGIN\r\n");
        server_says(talk, poplin_slice_of(prompts[i][0]));
        assert_sends(talk, "dGlt\r\n");
        server_says(talk, poplin_slice_of(prompts[i][1]));
        assert_sends(talk, "dGFuc3RhYWZ0YW5zdGFhZg==\r\n");
        hang_up(talk);
    }
    conversation *talk = login_by_one(POPLIN_MECHANISM_CRAM_MD5, &tim, false);
    assert_sends(talk, "AUTH CRAM-MD5\r\n");
    says(talk, "+ PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\r\n");
    assert_sends(talk, "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\r\n");
    hang_up(talk);
}

/* holds: SASL-OAB-1 C, VEC-OAB-1 C, VEC-XOA-1 C */
static void vectors_of_mechanisms_where_the_client_begins(void **state) {
    (void)state;
    static const struct {
        enum poplin_mechanism mechanism;
        const char *host;
        poplin_credentials login;
        const char *response;
    } cases[] = {
        {POPLIN_MECHANISM_OAUTHBEARER,
         "server.example.com",
         {.user = SLICE("user@example.com"), .token = SLICE("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==")},
         "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9OTk1AWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52"
         "YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"},
        {POPLIN_MECHANISM_XOAUTH2,
         NULL,
         {.user = SLICE("someuser@example.com"), .token = SLICE(TOKEN)},
         "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0"
         "Q2cBAQ=="},
        {POPLIN_MECHANISM_PLAIN,
         NULL,
         {.user = SLICE("tim"), .password = SLICE("tanstaaftanstaaf")},
         "AHRpbQB0YW5zdGFhZnRhbnN0YWFm"},
        {POPLIN_MECHANISM_ANONYMOUS, NULL, {.user = SLICE("sirhc")}, "c2lyaGM="},
        {POPLIN_MECHANISM_EXTERNAL, NULL, {.user = {NULL, 0}}, ""},
    };
    for (size_t i = 0; i < 2 * COUNT_OF(cases); i++) {
        const char *name = poplin_mechanism_name(cases[i / 2].mechanism), *response = cases[i / 2].response;
        char announced[64], line[400];
        poplin_client_config config = config_of(POPLIN_TLS_IMPLICIT, name);
        poplin_tls_facts facts = facts_of(0, 0);
        config.host = cases[i / 2].host;
        config.port = cases[i / 2].host != NULL ? 995 : 0;
        config.two_step = i % 2 == 1;
        snprintf(announced, sizeof announced, "SASL %s\r\n", name);
        conversation *talk = login_with(&config, &facts, &cases[i / 2].login, announced);
        snprintf(line, sizeof line, "AUTH %s %s\r\n", name, response[0] != '\0' ? response : "=");
        if (config.two_step) {
            snprintf(line, sizeof line, "AUTH %s\r\n", name);
            assert_sends(talk, line);
            says(talk, "+ \r\n");
            snprintf(line, sizeof line, "%s\r\n", response); /* an empty one is an empty line here (POP-AUTH-11) */
        }
        assert_sends(talk, line);
        says(talk, "+OK\r\n");
        assert_events(talk, "OPENED #1 OK\n");
        hang_up(talk);
    }
}

/* ---- servers that cheat ---- */

/* Up to the line behind which the server has had so many challenges answered. */
static conversation *exchange_after(size_t i, size_t challenges, host *peer) {
    enum poplin_mechanism mechanism = mechanisms[i].mechanism;
    poplin_buffer message = {0};
    *peer = new_host(mechanism, secret_of(mechanisms[i].login));
    conversation *talk = login_by_one(mechanism, mechanisms[i].login, false);
    hear_auth(peer, poplin_mechanism_name(mechanism), take_sent(talk), mechanisms[i].first);
    for (size_t said = 0; said < challenges; said++) {
        challenge(talk, peer->turn.message);
        decode(take_sent(talk), &message);
        hear(peer, message.size > 0 ? poplin_buffer_slice(&message) : poplin_slice_of(""));
    }
    poplin_buffer_free(&message);
    return talk;
}

/* holds: T-SASL-10 C, POP-AUTH-17 C, SASL-SCRAM-5 C */
static void ok_before_the_end_fails(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(mechanisms); i++)
        for (size_t said = 0; said < mechanisms[i].challenges; said++) {
            host peer;
            conversation *talk = exchange_after(i, said, &peer);
            says(talk, "+OK welcome\r\n");
            assert_failed(talk, POPLIN_ERR_PROTOCOL, "AUTH", "before it was complete");
            assert_null(poplin_client_mechanism(talk->client));
            poplin_sasl_server_free(peer.server);
            hang_up(talk);
        }
}

/* holds: T-SASL-8 C, POP-AUTH-12 C, LIM-4 C */
static void challenges_without_end_are_cancelled(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(mechanisms); i++) {
        host peer;
        conversation *talk = exchange_after(i, mechanisms[i].challenges, &peer);
        bool token = secret_of(mechanisms[i].login).data == with_token.token.data; /* its refusal is a challenge more */
        challenge(talk, SLICE("{}"));
        if (token) {
            assert_int_equal(take_sent(talk).size, mechanisms[i].mechanism == POPLIN_MECHANISM_XOAUTH2 ? 0 : 4);
            challenge(talk, SLICE("{}"));
        }
        assert_sends(talk, "*\r\n");
        challenge(talk, SLICE("{}"));
        assert_failed(talk, POPLIN_ERR_PROTOCOL, "AUTH", "");
        assert_string_equal(talk->error.peer, "");
        poplin_sasl_server_free(peer.server);
        hang_up(talk);
    }
}

/* holds: T-SASL-4 C, POP-AUTH-13 C, POP-AUTH-10 C */
static void challenges_that_are_not_base64_are_cancelled(void **state) {
    (void)state;
    static const char *const lines[] = {"+ =AAA\r\n",  "+ AAA=BBB\r\n", "+ AAA\r\n",       "+ AA AA\r\n",
                                        "+ AAAA=\r\n", "+ QR==\r\n",    "+ -ERR no, \r\n", "+ \xFF\xFF\xFF\xFF\r\n"};
    for (size_t i = 0; i < COUNT_OF(mechanisms); i++)
        for (size_t j = 0; j < COUNT_OF(lines); j++) {
            conversation *talk = login_by_one(mechanisms[i].mechanism, mechanisms[i].login, false);
            drain(talk);
            poplin_buffer_clear(&talk->sent);
            server_says(talk, poplin_slice_of(lines[j]));
            assert_sends(talk, "*\r\n");
            says(talk, "-ERR cancelled\r\n");
            assert_failed(talk, POPLIN_ERR_PROTOCOL, "AUTH", "is not base64");
            hang_up(talk);
        }
}

/* holds: T-SASL-1 C, SASL-OAB-4 C */
static void server_does_not_begin_where_the_client_does(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(mechanisms); i++) {
        if (!mechanisms[i].first)
            continue;
        conversation *talk = login_by_one(mechanisms[i].mechanism, mechanisms[i].login, true);
        drain(talk);
        poplin_buffer_clear(&talk->sent);
        says(talk, "+ aGVsbG8=\r\n");
        assert_sends(talk, "*\r\n");
        says(talk, "-ERR cancelled\r\n");
        assert_failed(talk, POPLIN_ERR_PROTOCOL, "AUTH", "lets the client begin");
        hang_up(talk);
    }
}

/* A SCRAM login whose proof is out; the server has its final message ready. */
static conversation *scram_at_the_end(host *peer) {
    return exchange_after(2, 1, peer);
}

/* What the server says at the end, and then that all is well. */
/* holds: T-SCR-4 C, SASL-SCRAM-5 C, POP-AUTH-17 C */
static void server_that_does_not_prove_itself_fails(void **state) {
    (void)state;
    static const struct {
        const char *final, *words;
    } cases[] = {
        {"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "signature is wrong"},
        {"v=AAAA", "signature is wrong"},
        {"v=", "holds no signature"},
        {"v=????", "signature is wrong"},
        {"", "holds no signature"},
        {"x=1", "holds no signature"},
        {"e=other-error", "does not accept name or password"},
        {"e=channel-bindings-dont-match", "somebody may sit between them"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        host peer;
        conversation *talk = scram_at_the_end(&peer);
        challenge(talk, poplin_slice_of(cases[i].final));
        assert_sends(talk, "*\r\n");
        says(talk, "+OK welcome\r\n");
        assert_failed(talk, POPLIN_ERR_PROTOCOL, "AUTH", cases[i].words);
        poplin_sasl_server_free(peer.server);
        hang_up(talk);
    }
}

/* e= says that the secret is wrong, as -ERR does; a wrong signature says that the server is. */
/* holds: SASL-SCRAM-5 C, POP-RESP-7 C */
static void server_that_refuses_in_the_exchange_refuses_the_login(void **state) {
    (void)state;
    host peer;
    conversation *talk = scram_at_the_end(&peer);
    challenge(talk, SLICE("e=invalid-proof"));
    assert_sends(talk, "*\r\n");
    says(talk, "-ERR no\r\n");
    assert_events(talk, "OPENED #1 AUTH: no\n");
    assert_int_equal(poplin_client_phase(talk->client), POPLIN_AUTHORIZATION);
    poplin_sasl_server_free(peer.server);
    hang_up(talk);

    talk = scram_at_the_end(&peer);
    challenge(talk, SLICE("v=AAAA"));
    assert_sends(talk, "*\r\n");
    says(talk, "-ERR no\r\n");
    assert_failed(talk, POPLIN_ERR_PROTOCOL, "AUTH", "signature is wrong");
    poplin_sasl_server_free(peer.server);
    hang_up(talk);
}

/* ---- secrets ---- */

/* A server that sends back what it was sent, in base64 or as it decoded it: refused, as no reply, as a challenge. */
/* holds: T-SEC-1 C */
static void secrets_that_come_back_are_not_shown(void **state) {
    (void)state;
    static const char *const forms[] = {"-ERR no %.*s\r\n", "What is %.*s?\r\n", "+ %.*s\r\n",
                                        "-ERR no %.*s for bob\r\n"};
    static const struct {
        const char *name;
        size_t challenges;
        bool digest;
    } ways[] = {{"CRAM-MD5", 1, true}, {"APOP", 0, true}, {"LOGIN", 2, false}, {"PLAIN", 0, false}};
    for (size_t i = 0; i < COUNT_OF(ways) * COUNT_OF(forms); i++) {
        size_t way = i / COUNT_OF(forms);
        conversation *talk = login_by(ways[way].name, &alice, EVERYTHING);
        poplin_slice said = take_sent(talk);
        poplin_buffer message = {0};
        char line[200];
        for (size_t j = 0; j < ways[way].challenges; j++) {
            says(talk, "+ PGFAYj4=\r\n");
            said = take_sent(talk);
        }
        poplin_slice secret = said;
        if (way == 0) {
            decode(said, &message);
            secret = poplin_buffer_slice(&message);
        }
        if (ways[way].digest)
            secret = (poplin_slice){secret.data + secret.size - 32, 32};
        snprintf(line, sizeof line, forms[i % COUNT_OF(forms)], (int)secret.size, secret.data);
        server_says(talk, poplin_slice_of(line));
        drain(talk);
        note(talk, "%s %s", talk->error.reason, talk->error.peer);
        poplin_slice shown = poplin_buffer_slice(&talk->events);
        assert_null(memmem(shown.data, shown.size, secret.data, secret.size));
        poplin_buffer_free(&message);
        hang_up(talk);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_mechanism_logs_in),
        cmocka_unit_test(wrong_secret_is_refused),
        cmocka_unit_test(vectors_of_mechanisms_where_the_server_begins),
        cmocka_unit_test(vectors_of_mechanisms_where_the_client_begins),
        cmocka_unit_test(ok_before_the_end_fails),
        cmocka_unit_test(challenges_without_end_are_cancelled),
        cmocka_unit_test(challenges_that_are_not_base64_are_cancelled),
        cmocka_unit_test(server_does_not_begin_where_the_client_does),
        cmocka_unit_test(server_that_does_not_prove_itself_fails),
        cmocka_unit_test(server_that_refuses_in_the_exchange_refuses_the_login),
        cmocka_unit_test(secrets_that_come_back_are_not_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
