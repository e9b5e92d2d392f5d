/*
 * test_client_token.c - logins by a token of OAuth 2: long ones, refused ones, and what the server says of those.
 */
#include "login_support.h"

#define REFUSED_TOKEN "{\"status\":\"invalid_token\",\"scope\":\"mail\"}"
#define REFUSED_LINE "+ eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NvcGUiOiJtYWlsIn0=\r\n"

/* holds: T-SASL-5 C, POP-AUTH-15 C, SASL-XOA-3 C */
static void long_tokens_go_in_a_line_of_their_own(void **state) {
    (void)state;
    static char token[40000];
    static const size_t sizes[] = {10240, sizeof token};
    memset(token, 'T', sizeof token);
    for (size_t i = 0; i < 2 * COUNT_OF(sizes); i++) {
        poplin_credentials login = {.user = {"alice", 5}, .token = {token, sizes[i / 2]}};
        enum poplin_mechanism mechanism = i % 2 == 0 ? POPLIN_MECHANISM_OAUTHBEARER : POPLIN_MECHANISM_XOAUTH2;
        host peer = new_host(mechanism, login.token);
        conversation *talk = login_by_one(mechanism, &login, false);
        assert_int_equal(play_exchange(talk, &peer, poplin_mechanism_name(mechanism), false), 1);
        assert_events(talk, "OPENED #1 OK: in\n");
        poplin_sasl_server_free(peer.server);
        hang_up(talk);
    }
}

/* ---- tokens that are refused ---- */

/* What OPENED says of a token, or NULL where it says nothing. */
static void assert_answer(conversation *talk, poplin_slice reply, int status, const char *answer) {
    poplin_client_event event;
    assert_int_equal(poplin_client_input(talk->client, reply.data, reply.size), POPLIN_OK);
    assert_int_equal(poplin_client_next(talk->client, &event), POPLIN_OK);
    assert_int_equal(event.kind, POPLIN_CLIENT_OPENED);
    assert_string_equal(poplin_status_name(event.status), poplin_status_name(status));
    assert_int_equal(event.answer.size, answer != NULL ? strlen(answer) : 0);
    assert_true(answer == NULL || poplin_slice_equal(event.answer, poplin_slice_of(answer)));
    assert_int_equal(poplin_client_next(talk->client, &event), POPLIN_NEED_INPUT);
}

/* holds: SASL-OAB-3 C, SASL-XOA-2 C, POP-AUTH-11 C */
static void refusal_is_answered_once_and_told(void **state) {
    (void)state;
    static const struct {
        const char *announced, *reply;
        int status, next;
    } cases[] = {
        {"", "-ERR no\r\n", POPLIN_ERR_AUTH, POPLIN_ERR_AUTH},
        {"RESP-CODES\r\nAUTH-RESP-CODE\r\n", "-ERR no\r\n", POPLIN_ERR_AUTH, POPLIN_ERR_REFUSED},
        {"RESP-CODES\r\nAUTH-RESP-CODE\r\n", "-ERR [AUTH] no\r\n", POPLIN_ERR_AUTH, POPLIN_ERR_REFUSED},
        {"RESP-CODES\r\n", "-ERR [SYS/TEMP] later\r\n", POPLIN_ERR_TEMPORARY, POPLIN_ERR_AUTH},
    };
    for (size_t i = 0; i < 2 * COUNT_OF(cases); i++) {
        const char *name = i % 2 == 0 ? "OAUTHBEARER" : "XOAUTH2";
        char announced[96];
        snprintf(announced, sizeof announced, "SASL %s\r\n%s", name, cases[i / 2].announced);
        conversation *talk = login_by(NULL, &with_token, announced);
        drain(talk);
        poplin_buffer_clear(&talk->sent);
        says(talk, REFUSED_LINE);
        assert_sends(talk, i % 2 == 0 ? "AQ==\r\n" : "\r\n");
        assert_answer(talk, poplin_slice_of(cases[i / 2].reply), cases[i / 2].status, REFUSED_TOKEN);
        assert_sends(talk, "");

        /* the next login begins without it */
        assert_int_equal(poplin_client_login(talk->client, &with_token, 2), POPLIN_OK);
        drain(talk);
        assert_answer(talk, SLICE("-ERR no\r\n"), cases[i / 2].next, NULL);
        hang_up(talk);
    }
}

/* holds: T-OAU-1 C, T-SASL-10 C */
static void refusal_and_then_ok_fails(void **state) {
    (void)state;
    conversation *talk = login_by(NULL, &with_token, "SASL XOAUTH2\r\n");
    drain(talk);
    says(talk, REFUSED_LINE);
    drain(talk);
    says(talk, "+OK welcome\r\n");
    assert_failed(talk, POPLIN_ERR_PROTOCOL, "AUTH", "before it was complete");
    hang_up(talk);
}

/* holds: T-OAU-2 C, T-SASL-7 C */
static void answers_are_handed_on_as_they_are(void **state) {
    (void)state;
    static char huge[9000];
    memset(huge, '[', sizeof huge - 1);
    static const char *const answers[] = {"no JSON", "\"\\u0000", "\x1B[2J\r\n", "[[[[[[[[", huge};
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        char shown[8193];
        snprintf(shown, sizeof shown, "%s", answers[i]);
        conversation *talk = login_by(NULL, &with_token, "SASL XOAUTH2\r\n");
        drain(talk);
        poplin_buffer_clear(&talk->sent);
        challenge(talk, poplin_slice_of(answers[i]));
        assert_sends(talk, "\r\n");
        assert_answer(talk, SLICE("-ERR no\r\n"), POPLIN_ERR_AUTH, shown);
        hang_up(talk);
    }
}

/* holds: T-SEC-1 C, T-OAU-2 C */
static void token_in_the_answer_is_not_told(void **state) {
    (void)state;
    static const char said[] = "(words that repeat the password)";
    conversation *talk = login_by(NULL, &with_token, "SASL OAUTHBEARER\r\n");
    drain(talk);
    challenge(talk, SLICE("{\"status\":\"invalid_token\",\"token\":\"" TOKEN "\"}"));
    drain(talk);
    assert_answer(talk, SLICE("-ERR no\r\n"), POPLIN_ERR_AUTH, said);
    hang_up(talk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_tokens_go_in_a_line_of_their_own),
        cmocka_unit_test(refusal_is_answered_once_and_told),
        cmocka_unit_test(refusal_and_then_ok_fails),
        cmocka_unit_test(answers_are_handed_on_as_they_are),
        cmocka_unit_test(token_in_the_answer_is_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
