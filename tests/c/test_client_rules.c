/*
 * test_client_rules.c - rules of the protocol that belong to no single command, on the client's side: how commands are written, the
 * states, and what a server may do without that being wrong.
 */
#include "client_support.h"

/* Logged in by USER and PASS, with nothing noted. */
static conversation *log_in(void) {
    poplin_client_config config = protected_config();
    conversation *talk = converse(&config);
    assert_int_equal(poplin_client_phase(talk->client), 0);
    assert_int_equal(poplin_client_open(talk->client, &alice, 1), POPLIN_OK);
    says(talk, "+OK\r\n");
    assert_int_equal(poplin_client_phase(talk->client), POPLIN_AUTHORIZATION);
    assert_sends(talk, "CAPA\r\n");
    says(talk, "+OK\r\nUSER\r\n.\r\n");
    assert_sends(talk, "USER alice\r\n");
    says(talk, "+OK\r\n");
    assert_int_equal(poplin_client_phase(talk->client), POPLIN_AUTHORIZATION);
    assert_sends(talk, "PASS secret\r\n");
    says(talk, "+OK\r\n");
    poplin_buffer_clear(&talk->events);
    return talk;
}

static void ask_and_answer(conversation *talk, poplin_command command, const char *sent, const char *answer) {
    assert_int_equal(submit(talk, command, 2), POPLIN_OK);
    assert_sends(talk, sent);
    server_says(talk, poplin_slice_of(answer));
}

/* holds: POP-GEN-2 C, POP-GEN-3 C */
static void commands_are_written_as_the_grammar_wants(void **state) {
    (void)state;
    static const struct {
        poplin_command command;
        const char *line, *answer;
    } rows[] = {
        {{.verb = POPLIN_STAT}, "STAT\r\n", "+OK 1 2\r\n"},
        {{.verb = POPLIN_LIST}, "LIST\r\n", "+OK\r\n.\r\n"},
        {{.verb = POPLIN_LIST, .number = 10}, "LIST 10\r\n", "+OK 10 1\r\n"},
        {{.verb = POPLIN_TOP, .number = 1}, "TOP 1 0\r\n", "-ERR\r\n"},
        {{.verb = POPLIN_TOP, .number = POPLIN_NUMBER_MAX, .lines = POPLIN_NUMBER_MAX},
         "TOP 2147483647 2147483647\r\n",
         "-ERR\r\n"},
        {{.verb = POPLIN_LANG, .language = SLICE("x")}, "LANG x\r\n", "-ERR\r\n"},
        {{.verb = POPLIN_NOOP, .number = 3, .lines = 4, .language = SLICE("de")}, "NOOP\r\n", "+OK\r\n"},
    };
    conversation *talk = log_in();
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ask_and_answer(talk, rows[i].command, rows[i].line, rows[i].answer);
    hang_up(talk);
}

/* holds: POP-ST-1 C, POP-AUTH-4 C */
static void the_states_follow_one_another(void **state) {
    (void)state;
    conversation *talk = log_in();
    assert_int_equal(poplin_client_phase(talk->client), POPLIN_TRANSACTION);
    assert_int_equal(poplin_client_login(talk->client, &alice, 2), POPLIN_ERR_STATE); /* one success is all */
    ask_and_answer(talk, (poplin_command){.verb = POPLIN_QUIT}, "QUIT\r\n", "+OK\r\n");
    assert_int_equal(poplin_client_phase(talk->client), 0);
    assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_NOOP}, 3), POPLIN_ERR_STATE);
    server_closes(talk, true);
    assert_events(talk, "REPLY #2 QUIT OK\nCLOSED\n");
    hang_up(talk);
}

/* holds: POP-RETR-3 C */
static void a_wrong_size_in_the_listing_is_no_failure(void **state) {
    (void)state;
    conversation *talk = log_in();
    ask_and_answer(talk, (poplin_command){.verb = POPLIN_LIST}, "LIST\r\n", "+OK\r\n1 5\r\n.\r\n");
    ask_and_answer(talk, (poplin_command){.verb = POPLIN_RETR, .number = 1, .octets = 5}, "RETR 1\r\n",
                   "+OK 5 octets\r\nmuch more than that\r\n.\r\n");
    ask_and_answer(talk, (poplin_command){.verb = POPLIN_RETR, .number = 1, .octets = 5}, "RETR 1\r\n",
                   "+OK 5 octets\r\n.\r\n");
    assert_events(talk, "REPLY #2 LIST OK ...\nLISTING 1 5\nEND 0\n"
                        "REPLY #2 RETR 1 OK: 5 octets ...\nBODY much more than that\\r\\n\nEND 21\n"
                        "REPLY #2 RETR 1 OK: 5 octets ...\nEND 0\n");
    hang_up(talk);
}

/* holds: POP-TOP-2 C, POP-GEN-17 C */
static void top_need_not_be_there_nor_have_an_empty_line(void **state) {
    (void)state;
    conversation *talk = log_in();
    ask_and_answer(talk, (poplin_command){.verb = POPLIN_TOP, .number = 1}, "TOP 1 0\r\n", "-ERR what is that?\r\n");
    ask_and_answer(talk, (poplin_command){.verb = POPLIN_TOP, .number = 1}, "TOP 1 0\r\n",
                   "+OK\r\nSubject: x\r\n.\r\n");
    ask_and_answer(talk, (poplin_command){.verb = POPLIN_TOP, .number = 1}, "TOP 1 0\r\n", "+OK\r\n.\r\n");
    assert_events(talk, "REPLY #2 TOP 1 REFUSED: what is that?\n"
                        "REPLY #2 TOP 1 OK ...\nBODY Subject: x\\r\\n\nEND 12\n"
                        "REPLY #2 TOP 1 OK ...\nEND 0\n");
    hang_up(talk);
}

/* holds: POP-UIDL-3 C, T-UID-4 C */
static void two_messages_may_have_one_unique_id(void **state) {
    (void)state;
    conversation *talk = log_in();
    ask_and_answer(talk, (poplin_command){.verb = POPLIN_UIDL}, "UIDL\r\n", "+OK\r\n1 same\r\n2 same\r\n.\r\n");
    assert_events(talk, "REPLY #2 UIDL OK ...\nLISTING 1 same\nLISTING 2 same\nEND 0\n");
    hang_up(talk);
}

/* holds: VEC-STUFF-1 C */
static void stuffed_dots_go(void **state) {
    (void)state;
    conversation *talk = log_in();
    ask_and_answer(talk, (poplin_command){.verb = POPLIN_RETR, .number = 1}, "RETR 1\r\n",
                   "+OK\r\nFrom: a@b\r\n\r\n..\r\n...x\r\nline\r\n.\r\n");
    assert_events(talk, "REPLY #2 RETR 1 OK ...\nBODY From: a@b\\r\\n\\r\\n.\\r\\n..x\\r\\nline\\r\\n\nEND 27\n");
    hang_up(talk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_written_as_the_grammar_wants),
        cmocka_unit_test(the_states_follow_one_another),
        cmocka_unit_test(a_wrong_size_in_the_listing_is_no_failure),
        cmocka_unit_test(top_need_not_be_there_nor_have_an_empty_line),
        cmocka_unit_test(two_messages_may_have_one_unique_id),
        cmocka_unit_test(stuffed_dots_go),
    };
    return cmocka_run_group_tests_name("client rules", tests, NULL, NULL);
}
