/*
 * test_client_own.c - lines of the host's own: queued, sent and answered in order, and believed in nothing.
 */
#include "client_support.h"

static int command(conversation *talk, const char *line, bool multiline, uint64_t tag) {
    return poplin_client_command(talk->client, poplin_slice_of(line), multiline, false, tag);
}

static int secret(conversation *talk, const char *line, uint64_t tag) {
    return poplin_client_command(talk->client, poplin_slice_of(line), false, true, tag);
}

/* A conversation with a server that has greeted and was asked nothing. */
static conversation *greeted(void) {
    poplin_client_config config = protected_config();
    conversation *talk = converse(&config);
    says(talk, "+OK ready\r\n");
    assert_events(talk, "GREETING ready\n");
    return talk;
}

static void answer_comes_whole(void **state) {
    (void)state;
    poplin_client_config config = protected_config();
    conversation *talk = logged_in(&config, "RESP-CODES\r\n");
    assert_int_equal(command(talk, "XTND XLST Subject", true, 7), POPLIN_OK);
    assert_int_equal(command(talk, "XSENDER 1", false, 8), POPLIN_OK);
    assert_int_equal(command(talk, "XTND XMIT", true, 9), POPLIN_OK);
    assert_int_equal(poplin_client_outstanding(talk->client), 3);
    assert_sends(talk, "XTND XLST Subject\r\n");
    says(talk, "+OK list\r\n1 ..\r\n..2\r\n\r\n.\r\n");
    assert_sends(talk, "XSENDER 1\r\n");
    says(talk, "+OK [AUTH] alice\r\n");
    assert_sends(talk, "XTND XMIT\r\n");
    says(talk, "-ERR [IN-USE] no\r\n");
    assert_events(talk,
                  "REPLY #7 ? OK: list ...\nBODY 1 ..\\r\\n.2\\r\\n\\r\\n\nEND 12\nREPLY #8 ? OK [AUTH]: [AUTH] alice\n"
                  "REPLY #9 ? IN_USE [IN-USE]: [IN-USE] no\n");
    assert_int_equal(poplin_client_outstanding(talk->client), 0);
    hang_up(talk);
}

static void line_is_told_as_it_came(void **state) {
    (void)state;
    static const char greeting[] = "+OK  hello \r\n";
    static const char replies[] = "+OK\r\n-ERR  no\r\n";
    poplin_client_config config = protected_config();
    poplin_client_event event;
    conversation *talk = converse(&config);
    assert_int_equal(poplin_client_input(talk->client, greeting, strlen(greeting)), POPLIN_OK);
    assert_int_equal(poplin_client_next(talk->client, &event), POPLIN_OK);
    assert_true(poplin_slice_equal(event.line, poplin_slice_of("+OK  hello ")));
    assert_int_equal(poplin_client_next(talk->client, &event), POPLIN_NEED_INPUT);
    assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_CAPA}, 1), POPLIN_OK);
    assert_int_equal(command(talk, "NOOP", false, 2), POPLIN_OK);
    drain(talk);
    assert_int_equal(poplin_client_input(talk->client, "-ERR\r\n", 6), POPLIN_OK);
    assert_int_equal(poplin_client_next(talk->client, &event), POPLIN_OK);
    assert_true(poplin_slice_equal(event.line, poplin_slice_of("-ERR")));
    assert_int_equal(poplin_client_next(talk->client, &event), POPLIN_NEED_INPUT);
    drain(talk);
    assert_int_equal(poplin_client_input(talk->client, replies + 5, strlen(replies) - 5), POPLIN_OK);
    assert_int_equal(poplin_client_next(talk->client, &event), POPLIN_OK);
    assert_true(poplin_slice_equal(event.line, poplin_slice_of("-ERR  no")));
    assert_int_equal(event.tag, 2);
    hang_up(talk);
}

/* holds: T-INJ-1 C */
static void one_line_and_no_more(void **state) {
    (void)state;
    static const char *const bad[] = {"NOOP\r\nDELE 1", "NOOP\n", "NOOP\r", "STLS", "quit", "Quit now"};
    conversation *talk = greeted();
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(command(talk, bad[i], false, 1), POPLIN_ERR_PROTOCOL);
    assert_int_equal(poplin_client_command(talk->client, SLICE("NO\0OP"), false, false, 1), POPLIN_ERR_PROTOCOL);
    char *large = calloc(65537, 1);
    memset(large, 'x', 65537);
    const poplin_slice line = {large, 65537};
    assert_int_equal(poplin_client_command(talk->client, line, false, false, 1), POPLIN_ERR_LIMIT);
    assert_sends(talk, "");
    assert_int_equal(poplin_client_command(talk->client, (poplin_slice){large, 65536}, false, false, 1), POPLIN_OK);
    free(large);
    drain(talk);
    assert_int_equal(poplin_buffer_slice(&talk->sent).size, 65538);
    assert_int_equal(poplin_client_outstanding(talk->client), 1);
    hang_up(talk);
}

static void not_before_the_greeting_nor_behind_quit(void **state) {
    (void)state;
    poplin_client_config config = protected_config();
    conversation *talk = converse(&config);
    assert_int_equal(command(talk, "NOOP", false, 1), POPLIN_ERR_STATE);
    assert_int_equal(poplin_client_open(talk->client, NULL, 1), POPLIN_OK);
    says(talk, "+OK\r\n");
    assert_int_equal(command(talk, "NOOP", false, 1), POPLIN_ERR_STATE);
    drain(talk);
    says(talk, "-ERR\r\n");
    assert_int_equal(command(talk, "NOOP", false, 1), POPLIN_OK);
    assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_QUIT}, 2), POPLIN_OK);
    assert_int_equal(command(talk, "NOOP", false, 1), POPLIN_ERR_STATE);
    hang_up(talk);
}

/* holds: POP-PIPE-4 C */
static void nothing_goes_behind_what_may_be_a_login(void **state) {
    (void)state;
    static const char *const logins[] = {"PASS secret", "pass secret", "APOP alice 0", "AUTH PLAIN"};
    for (size_t i = 0; i < COUNT_OF(logins); i++) {
        char expected[64];
        poplin_client_config config = protected_config();
        conversation *talk = logged_in(&config, "PIPELINING\r\n");
        assert_int_equal(command(talk, "NOOP", false, 1), POPLIN_OK);
        assert_int_equal(command(talk, logins[i], false, 2), POPLIN_OK);
        assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_STAT}, 3), POPLIN_OK);
        snprintf(expected, sizeof expected, "NOOP\r\n%s\r\n", logins[i]);
        assert_sends(talk, expected);
        says(talk, "+OK\r\n+OK\r\n");
        assert_sends(talk, "STAT\r\n");
        hang_up(talk);
    }
}

static void goes_ahead_where_the_window_lets_it(void **state) {
    (void)state;
    poplin_client_config config = protected_config();
    config.window_octets = 100000;
    conversation *talk = logged_in(&config, "PIPELINING\r\n");
    for (uint64_t tag = 1; tag <= 3; tag++)
        assert_int_equal(command(talk, "XTND", true, tag), POPLIN_OK);
    assert_int_equal(command(talk, "NOOP", false, 4), POPLIN_OK);
    assert_sends(talk, "XTND\r\n"); /* content of unknown size counts 65,536 */
    says(talk, "+OK\r\n.\r\n");
    assert_sends(talk, "XTND\r\n");
    says(talk, "-ERR\r\n");
    assert_sends(talk, "XTND\r\nNOOP\r\n");
    hang_up(talk);
}

/* holds: T-SEC-1 C */
static void secret_is_not_repeated(void **state) {
    (void)state;
    conversation *talk = greeted();
    poplin_client_event event;
    assert_int_equal(secret(talk, "PASS hush hush", 1), POPLIN_OK);
    drain(talk);
    const poplin_slice reply = SLICE("-ERR hush hush is wrong\r\n");
    assert_int_equal(poplin_client_input(talk->client, reply.data, reply.size), POPLIN_OK);
    assert_int_equal(poplin_client_next(talk->client, &event), POPLIN_OK);
    assert_true(poplin_slice_equal(event.text, poplin_slice_of("(words that repeat the password)")));
    assert_true(poplin_slice_equal(event.line, poplin_slice_of("-ERR (words that repeat the secret)")));
    assert_int_equal(poplin_client_next(talk->client, &event), POPLIN_NEED_INPUT);
    assert_int_equal(command(talk, "AUTH PLAIN AGh1c2g=", false, 2), POPLIN_OK); /* it says so itself */
    drain(talk);
    says(talk, "+OK AGh1c2g=\r\n");
    assert_events(talk, "REPLY #2 ? OK: (words that repeat the password)\n");
    assert_int_equal(secret(talk, "PASS hush ", 2), POPLIN_OK);
    drain(talk);
    says(talk, "-ERR hush is wrong\r\n");
    assert_events(talk, "REPLY #2 ? REFUSED: (words that repeat the password)\n");
    assert_int_equal(secret(talk, "hush", 3), POPLIN_OK);
    drain(talk);
    says(talk, "what is hush?\r\n");
    assert_failed(talk, POPLIN_ERR_PROTOCOL, "****", "no reply");
    assert_null(strstr(talk->error.peer, "hush"));
    hang_up(talk);
}

static void errors_name_the_command(void **state) {
    (void)state;
    static const char *const shown[][2] = {{"PASS hush", "PASS ****"}, {"RETR 3", "RETR 3"}, {"XTND 1 2", "XTND ****"}};
    for (size_t i = 0; i < COUNT_OF(shown); i++) {
        conversation *talk = greeted();
        assert_int_equal(command(talk, shown[i][0], false, 1), POPLIN_OK);
        drain(talk);
        server_closes(talk, true);
        assert_failed(talk, POPLIN_ERR_CLOSED, shown[i][1], "closed");
        hang_up(talk);
    }
}

static void challenge_is_answered_by_another_line(void **state) {
    (void)state;
    conversation *talk = greeted();
    poplin_client_event event;
    assert_int_equal(command(talk, "AUTH XOAUTH2", false, 1), POPLIN_OK);
    assert_sends(talk, "AUTH XOAUTH2\r\n");
    assert_int_equal(poplin_client_input(talk->client, "+ \r\n", 4), POPLIN_OK);
    assert_int_equal(poplin_client_next(talk->client, &event), POPLIN_OK);
    assert_true(event.challenge && event.complete);
    assert_int_equal(event.tag, 1);
    assert_int_equal(poplin_client_next(talk->client, &event), POPLIN_NEED_INPUT);
    assert_int_equal(command(talk, "QUIT", false, 2), POPLIN_OK); /* base64, and a secret */
    assert_sends(talk, "QUIT\r\n");
    says(talk, "+ QUIT\r\n");
    assert_int_equal(poplin_client_command(talk->client, (poplin_slice){NULL, 0}, false, false, 3), POPLIN_OK);
    assert_sends(talk, "\r\n");
    says(talk, "-ERR no\r\n");
    assert_events(talk, "REPLY #2 ? OK: (words that repeat the password)\nREPLY #3 ? REFUSED: no\n");
    assert_int_equal(command(talk, "NOOP", false, 4), POPLIN_OK);
    drain(talk);
    says(talk, "+ what?\r\n");
    assert_failed(talk, POPLIN_ERR_PROTOCOL, "NOOP", "no reply");
    hang_up(talk);
}

/* holds: POP-PIPE-4 C */
static void challenge_is_answered_first(void **state) {
    (void)state;
    static const poplin_command stat = {.verb = POPLIN_STAT}, quit = {.verb = POPLIN_QUIT};
    static const poplin_wanted wanted = {.number = 1};
    poplin_client_config config = protected_config();
    conversation *talk = logged_in(&config, "PIPELINING\r\n");
    assert_int_equal(command(talk, "AUTH LOGIN", false, 1), POPLIN_OK);
    for (uint64_t tag = 2; tag < 18; tag++) /* as many as there is room for at first, and one more */
        assert_int_equal(submit(talk, stat, tag), POPLIN_OK);
    assert_sends(talk, "AUTH LOGIN\r\n");
    says(talk, "+ VXNlcg==\r\n");
    assert_sends(talk, ""); /* STAT is no response */
    assert_int_equal(submit(talk, stat, 30), POPLIN_ERR_STATE);
    assert_int_equal(submit(talk, quit, 30), POPLIN_ERR_STATE);
    assert_int_equal(poplin_client_retr_all(talk->client, &wanted, 1, 30), POPLIN_ERR_STATE);
    assert_int_equal(command(talk, "YWxpY2U=", false, 20), POPLIN_OK);
    assert_sends(talk, "YWxpY2U=\r\n");
    says(talk, "+ UGFzcw==\r\n");
    assert_int_equal(command(talk, "aHVzaA==", false, 21), POPLIN_OK);
    assert_int_equal(submit(talk, quit, 22), POPLIN_OK); /* the challenge has its response */
    assert_sends(talk, "aHVzaA==\r\n");
    says(talk, "+ YWdhaW4=\r\n");
    assert_int_equal(command(talk, "*", false, 23), POPLIN_OK); /* QUIT has not been sent */
    assert_int_equal(command(talk, "NOOP", false, 24), POPLIN_ERR_STATE);
    assert_sends(talk, "*\r\n");
    says(talk, "-ERR no\r\n");
    drain(talk);
    const poplin_slice sent = poplin_buffer_slice(&talk->sent);
    assert_int_equal(sent.size, 16 * strlen("STAT\r\n") + strlen("QUIT\r\n"));
    hang_up(talk);

    talk = greeted();
    assert_int_equal(command(talk, "AUTH PLAIN", false, 1), POPLIN_OK);
    drain(talk);
    says(talk, "+ \r\n");
    const poplin_credentials credentials = {.user = SLICE("alice"), .password = SLICE("secret")};
    assert_int_equal(poplin_client_login(talk->client, &credentials, 2), POPLIN_ERR_STATE);
    hang_up(talk);
}

/* holds: T-SASL-12 C */
static void no_secret_goes_where_tls_is_demanded(void **state) {
    (void)state;
    poplin_client_config config = protected_config();
    config.tls = POPLIN_TLS_STLS;
    conversation *talk = converse(&config);
    says(talk, "+OK\r\n");
    assert_int_equal(command(talk, "PASS hush", false, 1), POPLIN_ERR_TLS);
    assert_int_equal(command(talk, "AUTH PLAIN", false, 1), POPLIN_ERR_TLS);
    assert_int_equal(secret(talk, "XLOGIN hush", 1), POPLIN_ERR_TLS);
    assert_int_equal(command(talk, "NOOP", false, 1), POPLIN_OK);
    assert_sends(talk, "NOOP\r\n");
    hang_up(talk);
}

/* What was deleted by a line of the host's own is not known, so no number is too high afterwards. */
static void numbers_are_not_known_any_more(void **state) {
    (void)state;
    for (int own = 0; own <= 1; own++) {
        poplin_client_config config = protected_config();
        conversation *talk = logged_in(&config, "PIPELINING\r\n");
        if (own == 1)
            assert_int_equal(command(talk, "DELE 1", false, 1), POPLIN_OK);
        else
            assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_NOOP}, 1), POPLIN_OK);
        assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_STAT}, 2), POPLIN_OK);
        assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_LIST}, 3), POPLIN_OK);
        drain(talk);
        says(talk, "+OK\r\n+OK 1 20\r\n+OK\r\n2 20\r\n.\r\n");
        if (own == 0)
            assert_failed(talk, POPLIN_ERR_PROTOCOL, "LIST", "does not exist");
        else
            assert_int_equal(poplin_client_phase(talk->client), POPLIN_TRANSACTION);
        hang_up(talk);
    }
}

static void limit_of_content_holds(void **state) {
    (void)state;
    poplin_client_config config = protected_config();
    config.max_message = 10;
    conversation *talk = logged_in(&config, "");
    assert_int_equal(command(talk, "XTND", true, 1), POPLIN_OK);
    drain(talk);
    says(talk, "+OK\r\n0123456789abc\r\n.\r\n");
    assert_failed(talk, POPLIN_ERR_LIMIT, "XTND", "limit");
    hang_up(talk);
}

static void refusal_is_described(void **state) {
    (void)state;
    static const poplin_client_event events[] = {
        {.kind = POPLIN_CLIENT_REPLY,
         .verb = POPLIN_RETR,
         .number = 3,
         .status = POPLIN_ERR_IN_USE,
         .code = POPLIN_CODE_IN_USE,
         .text = {"no\t", 3}},
        {.kind = POPLIN_CLIENT_REPLY, .status = POPLIN_ERR_REFUSED},
        {.kind = POPLIN_CLIENT_OPENED, .status = POPLIN_ERR_AUTH},
    };
    static const char *const doing[] = {"RETR 3", "command", "login"};
    for (size_t i = 0; i < COUNT_OF(events); i++) {
        poplin_error error;
        poplin_client_describe(&events[i], &error);
        assert_string_equal(error.doing, doing[i]);
        assert_int_equal(error.status, events[i].status);
        assert_int_equal(error.code, events[i].code);
        assert_string_equal(error.peer, i == 0 ? "no\\x09" : "");
        assert_string_equal(error.reason, poplin_status_text(events[i].status));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answer_comes_whole),
        cmocka_unit_test(line_is_told_as_it_came),
        cmocka_unit_test(one_line_and_no_more),
        cmocka_unit_test(not_before_the_greeting_nor_behind_quit),
        cmocka_unit_test(nothing_goes_behind_what_may_be_a_login),
        cmocka_unit_test(goes_ahead_where_the_window_lets_it),
        cmocka_unit_test(secret_is_not_repeated),
        cmocka_unit_test(errors_name_the_command),
        cmocka_unit_test(challenge_is_answered_by_another_line),
        cmocka_unit_test(challenge_is_answered_first),
        cmocka_unit_test(no_secret_goes_where_tls_is_demanded),
        cmocka_unit_test(numbers_are_not_known_any_more),
        cmocka_unit_test(limit_of_content_holds),
        cmocka_unit_test(refusal_is_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
