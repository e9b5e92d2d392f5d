/*
 * test_client.c - the client's machine in TRANSACTION: replies, listings, bodies, limits, the end.
 */
#include "client_support.h"

/* ---- the greeting ---- */

/* holds: POP-GRT-6 B, T-STLS-10 C, POP-GRT-3 C */
static void greeting_never_means_a_login(void **state) {
    (void)state;
    poplin_client_config config = protected_config();
    conversation *talk = converse(&config);
    assert_int_equal(poplin_client_phase(talk->client), 0);
    says(talk, "+OK maildrop has 2 messages\r\n");
    assert_events(talk, "GREETING maildrop has 2 messages\n");
    assert_int_equal(poplin_client_phase(talk->client), POPLIN_AUTHORIZATION);
    assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_STAT}, 1), POPLIN_ERR_STATE);
    says(talk, "1 120\r\n2 200\r\n");
    assert_failed(talk, POPLIN_ERR_PROTOCOL, "", "nothing had asked for");
    assert_string_equal(talk->error.peer, "1 120");
    hang_up(talk);
}

/* holds: POP-GRT-2 C, T-FRM-13 C, T-STLS-17 C */
static void wrong_greetings_fail(void **state) {
    (void)state;
    static const char *const bad[] = {"+ok hi\r\n",          "+OKAY\r\n", "OK\r\n",       "*ERR x\r\n", "220 hi\r\n",
                                      "SSH-2.0-x\r\n",       "\r\n",      "\n+OK hi\r\n", "+ \r\n",     "+OK\n\r\n",
                                      "HTTP/1.1 400 Bad\r\n"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        poplin_client_config config = protected_config();
        conversation *talk = converse(&config);
        assert_int_equal(poplin_client_open(talk->client, &alice, 1), POPLIN_OK);
        server_says(talk, poplin_slice_of(bad[i]));
        assert_failed(talk, POPLIN_ERR_PROTOCOL, "greeting", "");
        hang_up(talk);
    }
}

/* holds: POP-GRT-2 C, POP-RESP-4 C */
static void refusing_greeting_fails_with_its_code(void **state) {
    (void)state;
    static const struct {
        const char *line, *peer;
        int status;
        enum poplin_code code;
    } cases[] = {
        {"-ERR go away\r\n", "go away", POPLIN_ERR_REFUSED, POPLIN_CODE_NONE},
        {"-ERR [SYS/TEMP] too busy\r\n", "too busy", POPLIN_ERR_TEMPORARY, POPLIN_CODE_SYS_TEMP},
        {"-ERR [IN-USE] wait\r\n", "wait", POPLIN_ERR_IN_USE, POPLIN_CODE_IN_USE},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        poplin_client_config config = protected_config();
        conversation *talk = converse(&config);
        assert_int_equal(poplin_client_open(talk->client, &alice, 1), POPLIN_OK);
        server_says(talk, poplin_slice_of(cases[i].line));
        assert_failed(talk, cases[i].status, "greeting", "refused");
        assert_int_equal(talk->error.code, cases[i].code);
        assert_string_equal(talk->error.peer, cases[i].peer);
        hang_up(talk);
    }
}

/* holds: T-TXT-1 C */
static void hostile_words_are_shown_harmless(void **state) {
    (void)state;
    poplin_client_config config = protected_config();
    conversation *talk = converse(&config);
    says(talk, "-ERR \x1B[2J%s%n\xFF\r\n");
    assert_failed(talk, POPLIN_ERR_REFUSED, "greeting", "refused");
    assert_string_equal(talk->error.peer, "\\x1B[2J%s%n\\xFF");
    hang_up(talk);
}

/* ---- single-line replies ---- */

/* holds: POP-GEN-16 S, POP-STAT-2 C, POP-LIST-2 C */
static void replies_come_with_tag_and_facts(void **state) {
    (void)state;
    conversation *talk = transaction("");
    ask(talk, (poplin_command){.verb = POPLIN_STAT});
    says(talk, "+OK 3 18211 and more\r\n");
    ask(talk, (poplin_command){.verb = POPLIN_LIST, .number = 2});
    says(talk, "+OK 2 200 x\r\n");
    ask(talk, (poplin_command){.verb = POPLIN_UIDL, .number = 2});
    says(talk, "+OK 2 whqtswO00WBw418f9t5JxYwZ\r\n");
    ask(talk, (poplin_command){.verb = POPLIN_DELE, .number = 2});
    says(talk, "-ERR no such message\r\n");
    ask(talk, (poplin_command){.verb = POPLIN_NOOP});
    says(talk, "+OK\r\n");
    ask(talk, (poplin_command){.verb = POPLIN_RSET});
    says(talk, "+OK done\r\n");
    assert_events(talk, "REPLY #7 STAT OK: 3 18211 and more = 3 messages = 18211 octets\n"
                        "REPLY #7 LIST 2 OK: 2 200 x = 200 octets\n"
                        "REPLY #7 UIDL 2 OK: whqtswO00WBw418f9t5JxYwZ\n"
                        "REPLY #7 DELE 2 REFUSED: no such message\n"
                        "REPLY #7 NOOP OK\n"
                        "REPLY #7 RSET OK: done\n");
    assert_int_equal(poplin_client_outstanding(talk->client), 0);
    hang_up(talk);
}

/* holds: POP-RESP-4 C, POP-RESP-2 C, POP-RESP-6 B */
static void codes_count_only_where_announced(void **state) {
    (void)state;
    static const struct {
        const char *capabilities, *events;
    } cases[] = {
        {"", "REPLY #7 NOOP REFUSED: [SYS/TEMP] later\n"},
        {"RESP-CODES\r\n", "REPLY #7 NOOP TEMPORARY [SYS/TEMP]: later\n"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        conversation *talk = transaction(cases[i].capabilities);
        ask(talk, (poplin_command){.verb = POPLIN_NOOP});
        says(talk, "-ERR [SYS/TEMP] later\r\n");
        assert_events(talk, cases[i].events);
        hang_up(talk);
    }
}

/* A reply that must fail the machine. */
typedef struct bad_reply {
    poplin_command command;
    poplin_slice reply;
    const char *doing, *words;
} bad_reply;

static void assert_all_fail(const bad_reply *cases, size_t count, int status) {
    for (size_t i = 0; i < count; i++) {
        conversation *talk = transaction("");
        ask(talk, cases[i].command);
        server_says(talk, cases[i].reply);
        assert_failed(talk, status, cases[i].doing, cases[i].words);
        hang_up(talk);
    }
}

/* holds: T-NUM-1 C, T-NUM-3 C, POP-LIST-4 C */
static void numbers_out_of_form_or_of_another_message_fail(void **state) {
    (void)state;
    static const poplin_command stat = {.verb = POPLIN_STAT}, list = {.verb = POPLIN_LIST, .number = 2},
                                uidl = {.verb = POPLIN_UIDL, .number = 2};
    const bad_reply cases[] = {
        {stat, SLICE("+OK\r\n"), "STAT", "two numbers"},
        {stat, SLICE("+OK 3\r\n"), "STAT", "two numbers"},
        {stat, SLICE("+OK -3 1\r\n"), "STAT", "two numbers"},
        {stat, SLICE("+OK 4294967296 1\r\n"), "STAT", "two numbers"},
        {stat, SLICE("+OK 1 9223372036854775808\r\n"), "STAT", "two numbers"},
        {list, SLICE("+OK 3 200\r\n"), "LIST 2", "no listing of the message"},
        {list, SLICE("+OK 2\r\n"), "LIST 2", "no listing"},
        {list, SLICE("+OK 2 0x10\r\n"), "LIST 2", "no listing"},
        {uidl, SLICE("+OK 3 abc\r\n"), "UIDL 2", "no listing of the message"},
        {uidl, SLICE("+OK 2 \r\n"), "UIDL 2", "no listing"},
    };
    assert_all_fail(cases, COUNT_OF(cases), POPLIN_ERR_PROTOCOL);
}

/* holds: T-FRM-10 C, T-FRM-11 C, T-FRM-14 C */
static void broken_status_lines_fail(void **state) {
    (void)state;
    static const poplin_command noop = {.verb = POPLIN_NOOP};
    const bad_reply cases[] = {
        {noop, SLICE("+ok\r\n"), "NOOP", "neither"},
        {noop, SLICE("+ more\r\n"), "NOOP", "neither"},
        {noop, SLICE("\r\n"), "NOOP", "neither"},
        {noop, SLICE("+OK a\0b\r\n"), "NOOP", "NUL"},
        {noop, SLICE("+OK a\rb\r\n"), "NOOP", "CRLF"},
        {noop, SLICE("\n+OK\r\n"), "NOOP", "CRLF"},
        {noop, SLICE("+OK\n+OK\r\n"), "NOOP", "CRLF"},
        {noop, SLICE("+OK\r\n+OK\r\n"), "", "nothing had asked"},
        {noop, SLICE("-ERR\r\nwhy\r\n"), "", "nothing had asked"},
    };
    assert_all_fail(cases, COUNT_OF(cases), POPLIN_ERR_PROTOCOL);
}

/* holds: T-FRM-11 C, POP-GEN-18 C */
static void nothing_is_waited_for_behind_a_bare_lf(void **state) {
    (void)state;
    const bad_reply cases[] = {
        {{.verb = POPLIN_NOOP}, SLICE("+OK\n"), "NOOP", "CRLF"},
        {{.verb = POPLIN_NOOP}, SLICE("-ERR no\n"), "NOOP", "CRLF"},
        {{.verb = POPLIN_RETR, .number = 1}, SLICE("+OK\nSubject: hi\n\n.\n"), "RETR 1", "CRLF"},
        {{.verb = POPLIN_LIST}, SLICE("+OK\r\n1 120\n"), "LIST", "CRLF"},
        {{.verb = POPLIN_CAPA}, SLICE("+OK\r\nTOP\r\n.\n"), "CAPA", "CRLF"},
    };
    assert_all_fail(cases, COUNT_OF(cases), POPLIN_ERR_PROTOCOL);

    const poplin_client_config config = protected_config();
    conversation *talk = converse(&config);
    says(talk, "+OK hello\n");
    assert_failed(talk, POPLIN_ERR_PROTOCOL, "greeting", "CRLF");
    hang_up(talk);

    talk = transaction("");
    ask(talk, (poplin_command){.verb = POPLIN_NOOP});
    says(talk, "+OK\r");
    says(talk, "\n");
    assert_events(talk, "REPLY #7 NOOP OK\n");
    ask(talk, (poplin_command){.verb = POPLIN_RETR, .number = 1});
    says(talk, "+OK\r\na\n.\nb\n");
    says(talk, "\r\n.\r\n");
    assert_events(talk, "REPLY #7 RETR 1 OK ...\nBODY a\\n.\\nb\\n\\r\\n\nEND 8\n");
    hang_up(talk);
}

/* holds: T-FRM-12 C */
static void unasked_octets_fail_at_once(void **state) {
    (void)state;
    conversation *talk = transaction("");
    says(talk, "+");
    assert_failed(talk, POPLIN_ERR_PROTOCOL, "", "nothing had asked for");
    hang_up(talk);

    talk = transaction("");
    assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_NOOP}, 1), POPLIN_OK);
    says(talk, "+OK before NOOP was sent\r\n");
    assert_failed(talk, POPLIN_ERR_PROTOCOL, "", "nothing had asked for");
    hang_up(talk);
}

/* holds: T-FRM-13 C */
static void nothing_is_sent_after_a_failure(void **state) {
    (void)state;
    conversation *talk = transaction("");
    const char *data;
    size_t size;
    ask(talk, (poplin_command){.verb = POPLIN_NOOP});
    assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_QUIT}, 1), POPLIN_OK);
    says(talk, "+OK\r\n");
    poplin_client_output(talk->client, &data, &size);
    assert_int_equal(size, 6);
    says(talk, "220 hi\r\n");
    assert_failed(talk, POPLIN_ERR_PROTOCOL, "QUIT", "neither");
    hang_up(talk);
}

/* ---- listings ---- */

static void listings_are_handed_out_line_by_line(void **state) {
    (void)state;
    conversation *talk = transaction("");
    ask(talk, (poplin_command){.verb = POPLIN_LIST});
    says(talk, "+OK 2 messages\r\n2 200\r\n1 120 extra\r\n.\r\n");
    ask(talk, (poplin_command){.verb = POPLIN_UIDL});
    says(talk, "+OK\r\n1 abc\r\n2 abc\r\n.\r\n");
    ask(talk, (poplin_command){.verb = POPLIN_LIST});
    says(talk, "-ERR not now\r\n");
    assert_events(talk, "REPLY #7 LIST OK: 2 messages ...\nLISTING 2 200\nLISTING 1 120\nEND 0\n"
                        "REPLY #7 UIDL OK ...\nLISTING 1 abc\nLISTING 2 abc\nEND 0\n"
                        "REPLY #7 LIST REFUSED: not now\n");
    hang_up(talk);
}

/* holds: POP-ML-4 C */
static void empty_listing_is_a_listing(void **state) {
    (void)state;
    conversation *talk = transaction("");
    ask(talk, (poplin_command){.verb = POPLIN_LIST});
    says(talk, "+OK\r\n.\r\n");
    assert_events(talk, "REPLY #7 LIST OK ...\nEND 0\n");
    hang_up(talk);
}

/* holds: POP-LIST-3 C, T-NUM-4 C, T-UID-2 C */
static void bad_listings_fail(void **state) {
    (void)state;
    static const poplin_command list = {.verb = POPLIN_LIST}, uidl = {.verb = POPLIN_UIDL};
    const bad_reply cases[] = {
        {list, SLICE("+OK\r\n0 1\r\n"), "LIST", "no listing"},
        {list, SLICE("+OK\r\n1 1\r\n2 1\r\n1 1\r\n"), "LIST", "twice"},
        {list, SLICE("+OK\r\n1\r\n"), "LIST", "no listing"},
        {list, SLICE("+OK\r\n\r\n"), "LIST", "no listing"},
        {list, SLICE("+OK\r\n1 1\n.\r\n"), "LIST", "CRLF"},
        {list, SLICE("+OK\r\n1 \0001\r\n"), "LIST", "NUL"},
        {list, SLICE("+OK\r\n1 1\r\n.\r\n."), "", "nothing had asked"},
        {uidl, SLICE("+OK\r\n1 \r\n"), "UIDL", "no listing"},
        {uidl, SLICE("+OK\r\n1 a b\r\n"), "UIDL", "no listing"},
        {uidl, SLICE("+OK\r\n7 a\r\n7 b\r\n"), "UIDL", "twice"},
    };
    assert_all_fail(cases, COUNT_OF(cases), POPLIN_ERR_PROTOCOL);
}

/* holds: POP-LIST-3 C, T-NUM-4 C, T-NUM-6 C */
static void numbers_above_what_stat_or_list_counted_fail(void **state) {
    (void)state;
    conversation *talk = transaction("");
    ask(talk, (poplin_command){.verb = POPLIN_STAT});
    says(talk, "+OK 2 200\r\n");
    ask(talk, (poplin_command){.verb = POPLIN_UIDL});
    says(talk, "+OK\r\n2 a\r\n3 b\r\n");
    assert_failed(talk, POPLIN_ERR_PROTOCOL, "UIDL", "does not exist");
    hang_up(talk);

    talk = transaction("");
    ask(talk, (poplin_command){.verb = POPLIN_LIST});
    says(talk, "+OK\r\n1 1\r\n.\r\n");
    ask(talk, (poplin_command){.verb = POPLIN_UIDL});
    says(talk, "+OK\r\n2 a\r\n");
    assert_failed(talk, POPLIN_ERR_PROTOCOL, "UIDL", "does not exist");
    hang_up(talk);
}

/* holds: POP-LIST-3 C */
static void stat_after_deletions_bounds_what_is_left_and_what_was_deleted(void **state) {
    (void)state;
    conversation *talk = transaction("");
    ask(talk, (poplin_command){.verb = POPLIN_DELE, .number = 1});
    says(talk, "+OK\r\n");
    ask(talk, (poplin_command){.verb = POPLIN_STAT});
    says(talk, "+OK 2 200\r\n");
    ask(talk, (poplin_command){.verb = POPLIN_LIST});
    says(talk, "+OK\r\n2 100\r\n3 100\r\n.\r\n");
    ask(talk, (poplin_command){.verb = POPLIN_RSET});
    says(talk, "+OK\r\n");
    ask(talk, (poplin_command){.verb = POPLIN_LIST});
    says(talk, "+OK\r\n1 1\r\n2 1\r\n3 1\r\n.\r\n");
    ask(talk, (poplin_command){.verb = POPLIN_LIST});
    says(talk, "+OK\r\n4 1\r\n");
    assert_failed(talk, POPLIN_ERR_PROTOCOL, "LIST", "does not exist");
    hang_up(talk);
}

/* holds: POP-LIST-3 C */
static void deletions_taken_back_bound_nothing(void **state) {
    (void)state;
    conversation *talk = transaction("");
    ask(talk, (poplin_command){.verb = POPLIN_DELE, .number = 3});
    says(talk, "+OK\r\n");
    ask(talk, (poplin_command){.verb = POPLIN_LIST});
    says(talk, "+OK\r\n1 1\r\n2 1\r\n.\r\n");
    ask(talk, (poplin_command){.verb = POPLIN_RSET});
    says(talk, "+OK\r\n");
    ask(talk, (poplin_command){.verb = POPLIN_LIST});
    says(talk, "+OK\r\n1 1\r\n2 1\r\n3 1\r\n.\r\n");
    assert_int_equal(talk->error.status, POPLIN_OK);
    ask(talk, (poplin_command){.verb = POPLIN_STAT});
    says(talk, "+OK 3 3\r\n");
    ask(talk, (poplin_command){.verb = POPLIN_LIST});
    says(talk, "+OK\r\n4 1\r\n");
    assert_failed(talk, POPLIN_ERR_PROTOCOL, "LIST", "does not exist");
    hang_up(talk);
}

/* holds: T-UID-1 C, T-UID-3 C */
static void strict_unique_ids(void **state) {
    (void)state;
    for (int strict = 0; strict <= 1; strict++) {
        poplin_client_config config = protected_config();
        config.strict = strict == 1;
        conversation *talk = logged_in(&config, "");
        ask(talk, (poplin_command){.verb = POPLIN_UIDL});
        says(talk, "+OK\r\n1 ../../%s\\:-\r\n2 \xE9\r\n");
        if (config.strict)
            assert_failed(talk, POPLIN_ERR_PROTOCOL, "UIDL", "no listing");
        else
            assert_events(talk, "REPLY #7 UIDL OK ...\nLISTING 1 ../../%s\\:-\nLISTING 2 \\xE9\n");
        hang_up(talk);
    }
}

/* ---- bodies ---- */

/* holds: POP-ML-3 C, T-FRM-6 C, T-FRM-7 C */
static void bodies_lose_one_dot_a_line(void **state) {
    (void)state;
    conversation *talk = transaction("");
    ask(talk, (poplin_command){.verb = POPLIN_RETR, .number = 1});
    says(talk, "+OK 99 octets\r\n..x\r\n...\r\n..\r\na.b\r\n.text\r\n.\r\n");
    assert_events(talk, "REPLY #7 RETR 1 OK: 99 octets ...\nBODY .x\\r\\n..\\r\\n.\\r\\na.b\\r\\ntext\\r\\n\nEND 22\n");
    hang_up(talk);
}

/* holds: POP-ML-6 C, T-FRM-8 C, POP-ML-9 C */
static void only_crlf_dot_crlf_ends_a_body(void **state) {
    (void)state;
    conversation *talk = transaction("");
    ask(talk, (poplin_command){.verb = POPLIN_TOP, .number = 1, .lines = 3});
    says(talk, "+OK\r\na\n.\r\n+OK\r\n.\n1 2\r.\r\n\n.\n\r\n.\rx\0\xFF\r\n.\r\n");
    assert_events(talk, "REPLY #7 TOP 1 OK ...\n"
                        "BODY a\\n.\\r\\n+OK\\r\\n\\n1 2\\r.\\r\\n\\n.\\n\\r\\n\\rx\\x00\\xFF\\r\\n\nEND 29\n");
    hang_up(talk);
}

/* holds: POP-ML-1 C */
static void empty_body_is_a_body(void **state) {
    (void)state;
    conversation *talk = transaction("");
    ask(talk, (poplin_command){.verb = POPLIN_RETR, .number = 1});
    says(talk, "+OK\r\n.\r\n");
    assert_events(talk, "REPLY #7 RETR 1 OK ...\nEND 0\n");
    hang_up(talk);
}

/* The promise that bindings rest on: no copy, so a slice lives as long as what was lent. */
static void body_slices_lie_in_the_lent_octets(void **state) {
    (void)state;
    static const char reply[] = "+OK\r\nline one\r\n..two\r\n.\r\n";
    conversation *talk = transaction("");
    poplin_client_event event;
    ask(talk, (poplin_command){.verb = POPLIN_RETR, .number = 1});
    assert_int_equal(poplin_client_input(talk->client, reply, sizeof reply - 1), POPLIN_OK);
    assert_int_equal(poplin_client_input(talk->client, reply, 1), POPLIN_ERR_STATE);
    assert_int_equal(poplin_client_next(talk->client, &event), POPLIN_OK);
    assert_int_equal(poplin_client_next(talk->client, &event), POPLIN_OK);
    assert_ptr_equal(event.text.data, reply + 5);
    assert_int_equal(event.text.size, 10);
    hang_up(talk);
}

/* holds: T-NUM-5 C, POP-RETR-2 C, POP-GEN-13 C */
static void announced_octets_are_decoration(void **state) {
    (void)state;
    conversation *talk = transaction("");
    ask(talk, (poplin_command){.verb = POPLIN_RETR, .number = 1, .octets = 2});
    says(talk, "+OK 18446744073709551616 octets\r\nabcdef\r\n.\r\n");
    assert_events(talk, "REPLY #7 RETR 1 OK: 18446744073709551616 octets ...\nBODY abcdef\\r\\n\nEND 8\n");
    hang_up(talk);
}

/* ---- limits ---- */

/* holds: T-FRM-1 C, POP-GEN-12 C, LIM-2 C */
static void status_lines_have_a_limit(void **state) {
    (void)state;
    for (int strict = 0; strict <= 1; strict++) {
        size_t limit = strict ? 512 : 8192;
        poplin_client_config config = protected_config();
        config.strict = strict == 1;
        for (size_t over = 0; over <= 1; over++) {
            conversation *talk = logged_in(&config, "");
            ask(talk, (poplin_command){.verb = POPLIN_NOOP});
            says_long(talk, "+OK ", limit + over - 6, "\r\n");
            if (over == 1)
                assert_failed(talk, POPLIN_ERR_LIMIT, "NOOP", "longer than the limit");
            else
                assert_int_equal(poplin_client_outstanding(talk->client), 0);
            hang_up(talk);
        }
    }
}

/* holds: T-FRM-3 C, LIM-5 C, LIM-6 C */
static void listings_have_limits(void **state) {
    (void)state;
    poplin_client_config config = protected_config();
    config.max_listings = 3;
    config.max_listing = 20;
    static const struct {
        poplin_command command;
        const char *reply, *words;
    } cases[] = {
        {{.verb = POPLIN_LIST}, "+OK\r\n1 1\r\n2 1\r\n3 1\r\n4 1\r\n", "more messages"},
        {{.verb = POPLIN_LIST}, "+OK\r\n2147483647 1\r\n", "more messages"},
        {{.verb = POPLIN_STAT}, "+OK 4 1\r\n", "more messages"},
        {{.verb = POPLIN_UIDL}, "+OK\r\n1 abcdefghijklmnopqrst\r\n", "longer than the limit"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        conversation *talk = logged_in(&config, "");
        ask(talk, cases[i].command);
        server_says(talk, poplin_slice_of(cases[i].reply));
        assert_failed(talk, POPLIN_ERR_LIMIT, poplin_verb_name(cases[i].command.verb), cases[i].words);
        hang_up(talk);
    }
}

/* holds: T-NUM-2 C */
static void listing_of_every_number_up_to_the_limit_fits(void **state) {
    (void)state;
    poplin_client_config config = protected_config();
    config.max_listings = 5000;
    conversation *talk = logged_in(&config, "");
    ask(talk, (poplin_command){.verb = POPLIN_LIST});
    says(talk, "+OK\r\n");
    for (unsigned number = 5000; number > 0; number--) {
        char line[32];
        snprintf(line, sizeof line, "%u 1\r\n", number);
        server_says(talk, poplin_slice_of(line));
    }
    poplin_buffer_clear(&talk->events);
    says(talk, ".\r\n");
    assert_events(talk, "END 0\n");
    hang_up(talk);
}

/* holds: T-FRM-3 C, T-FRM-2 C, LIM-7 C */
static void messages_have_a_limit(void **state) {
    (void)state;
    poplin_client_config config = protected_config();
    config.max_message = 10;
    conversation *talk = logged_in(&config, "");
    ask(talk, (poplin_command){.verb = POPLIN_RETR, .number = 1});
    says(talk, "+OK\r\n12345678\r\n.\r\n");
    assert_events(talk, "REPLY #7 RETR 1 OK ...\nBODY 12345678\\r\\n\nEND 10\n");
    ask(talk, (poplin_command){.verb = POPLIN_RETR, .number = 2});
    says(talk, "+OK\r\n12345678\r\n9\r\n.\r\n");
    assert_failed(talk, POPLIN_ERR_LIMIT, "RETR 2", "larger than the limit");
    hang_up(talk);

    config.max_message = 0;
    talk = logged_in(&config, "");
    ask(talk, (poplin_command){.verb = POPLIN_RETR, .number = 1});
    says(talk, "+OK\r\n12345678\r\n9\r\n.\r\n");
    assert_events(talk, "REPLY #7 RETR 1 OK ...\nBODY 12345678\\r\\n9\\r\\n\nEND 13\n");
    hang_up(talk);
}

/* holds: T-TXT-2 C, LIM-8 C */
static void capabilities_have_a_limit(void **state) {
    (void)state;
    poplin_client_config config = protected_config();
    config.max_capabilities = 3;
    conversation *talk = opening(&config, SLICE("+OK\r\nA\r\nB\r\n\r\nD\r\n"));
    assert_failed(talk, POPLIN_ERR_LIMIT, "CAPA", "more capabilities");
    hang_up(talk);
}

static void limits_of_nothing_are_refused(void **state) {
    (void)state;
    for (int i = 0; i < 6; i++) {
        poplin_client_config config;
        poplin_client *client;
        poplin_client_config_init(&config);
        size_t *limits[] = {&config.max_line, &config.max_listing, &config.max_listings, &config.max_capabilities,
                            &config.window_commands};
        if (i < 5)
            *limits[i] = 0;
        else
            config.window_octets = 0;
        assert_int_equal(poplin_client_new(&config, &client), POPLIN_ERR_LIMIT);
    }
}

/* ---- capabilities ---- */

static void assert_capability(poplin_client *client, size_t index, const char *name, const char *parameters) {
    poplin_capability capability;
    assert_int_equal(poplin_client_capability(client, index, &capability), POPLIN_OK);
    assert_true(poplin_slice_equal(capability.name, poplin_slice_of(name)));
    assert_true(poplin_slice_equal(capability.parameters, poplin_slice_of(parameters)));
}

/* holds: POP-CAPA-3 C, T-TXT-2 C */
static void capabilities_are_kept_as_announced(void **state) {
    (void)state;
    conversation *talk = transaction("");
    ask(talk, (poplin_command){.verb = POPLIN_CAPA});
    says(talk, "+OK\r\nuidl\r\n\r\n leading\r\nSASL plain X-MECH-OF-MORE-THAN-TWENTY\r\nBAD.TAG\r\n\xFF\xFE "
               "x\r\nUIDL\r\n..A\r\n"
               "IMPLEMENTATION a b\r\n.\r\n");
    assert_events(talk, "REPLY #7 CAPA OK ...\nEND 0\n");
    assert_int_equal(poplin_client_capability_count(talk->client), 4);
    assert_capability(talk->client, 0, "UIDL", "");
    assert_capability(talk->client, 1, "SASL", "plain X-MECH-OF-MORE-THAN-TWENTY");
    assert_capability(talk->client, 2, "UIDL", "");
    assert_capability(talk->client, 3, "IMPLEMENTATION", "a b");
    poplin_capability none;
    assert_int_equal(poplin_client_capability(talk->client, 4, &none), POPLIN_END);
    hang_up(talk);
}

/* ---- what the host may ask ---- */

/* holds: T-API-3 B, POP-GEN-19 B, POP-ST-6 C */
static void commands_out_of_place_are_refused(void **state) {
    (void)state;
    conversation *talk = transaction("");
    static const poplin_command wrong_state[] = {{.verb = POPLIN_USER},    {.verb = POPLIN_PASS},
                                                 {.verb = POPLIN_AUTH},    {.verb = POPLIN_STLS},
                                                 {.verb = POPLIN_NO_VERB}, {.verb = POPLIN_VERB_COUNT}};
    for (size_t i = 0; i < COUNT_OF(wrong_state); i++)
        assert_int_equal(submit(talk, wrong_state[i], 1), POPLIN_ERR_STATE);
    static const poplin_command wrong_number[] = {{.verb = POPLIN_RETR},
                                                  {.verb = POPLIN_DELE, .number = POPLIN_NUMBER_MAX + 1},
                                                  {.verb = POPLIN_TOP, .number = 1, .lines = UINT32_MAX},
                                                  {.verb = POPLIN_LIST, .number = UINT32_MAX}};
    for (size_t i = 0; i < COUNT_OF(wrong_number); i++)
        assert_int_equal(submit(talk, wrong_number[i], 1), POPLIN_ERR_PROTOCOL);
    const poplin_wanted wanted[] = {{1, 0}, {0, 0}};
    assert_int_equal(poplin_client_retr_all(talk->client, wanted, 2, 1), POPLIN_ERR_PROTOCOL);
    assert_int_equal(poplin_client_open(talk->client, NULL, 1), POPLIN_ERR_STATE);
    assert_int_equal(poplin_client_login(talk->client, &alice, 1), POPLIN_ERR_STATE);
    assert_int_equal(poplin_client_tls(talk->client, &(poplin_tls_facts){0}), POPLIN_ERR_STATE);
    assert_sends(talk, "");
    hang_up(talk);
}

/* ---- the end ---- */

/* holds: POP-UPD-5 C, POP-TLS-16 B */
static void quit_ends_a_good_session(void **state) {
    (void)state;
    for (int clean = 0; clean <= 1; clean++) {
        conversation *talk = transaction("");
        ask(talk, (poplin_command){.verb = POPLIN_QUIT});
        assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_NOOP}, 1), POPLIN_ERR_STATE);
        assert_int_equal(says(talk, "+OK bye\r\n"), POPLIN_NEED_INPUT);
        assert_int_equal(poplin_client_phase(talk->client), 0);
        assert_int_equal(server_closes(talk, clean == 1), POPLIN_ERR_STATE);
        assert_events(talk, "REPLY #7 QUIT OK: bye\nCLOSED\n");
        hang_up(talk);
    }
}

static void refused_quit_ends_the_session_too(void **state) {
    (void)state;
    conversation *talk = transaction("");
    ask(talk, (poplin_command){.verb = POPLIN_QUIT});
    says(talk, "-ERR some messages not removed\r\n");
    server_closes(talk, true);
    assert_events(talk, "REPLY #7 QUIT REFUSED: some messages not removed\nCLOSED\n");
    hang_up(talk);
}

/* holds: T-FRM-12 C */
static void octets_behind_the_answer_to_quit_fail(void **state) {
    (void)state;
    conversation *talk = transaction("");
    ask(talk, (poplin_command){.verb = POPLIN_QUIT});
    says(talk, "+OK bye\r\n+OK\r\n");
    assert_failed(talk, POPLIN_ERR_PROTOCOL, "", "nothing had asked for");
    hang_up(talk);
}

/* holds: POP-ML-10 C, T-FRM-4 C, T-TLS-10 C */
static void end_of_connection_inside_a_reply_fails(void **state) {
    (void)state;
    static const char *const beginnings[] = {
        "", "+O", "+OK\r", "+OK\r\n", "+OK\r\nline", "+OK\r\nline\r\n", "+OK\r\nline\r\n.", "+OK\r\nline\r\n.\r"};
    for (size_t i = 0; i < 2 * COUNT_OF(beginnings); i++) {
        bool clean = i % 2 == 0;
        conversation *talk = transaction("");
        ask(talk, (poplin_command){.verb = POPLIN_RETR, .number = 1});
        server_says(talk, poplin_slice_of(beginnings[i / 2]));
        server_closes(talk, clean);
        assert_failed(talk, POPLIN_ERR_CLOSED, "RETR 1", clean ? "before its reply was complete" : "TLS was cut short");
        hang_up(talk);
    }
}

/* holds: POP-UPD-5 C */
static void unanswered_quit_is_told_as_such(void **state) {
    (void)state;
    conversation *talk = transaction("");
    ask(talk, (poplin_command){.verb = POPLIN_QUIT});
    server_closes(talk, true);
    assert_failed(talk, POPLIN_ERR_CLOSED, "QUIT", "not known");
    hang_up(talk);
}

static void idle_end_of_connection_fails(void **state) {
    (void)state;
    conversation *talk = transaction("");
    server_closes(talk, true);
    assert_failed(talk, POPLIN_ERR_CLOSED, "", "too long a silence");
    hang_up(talk);

    poplin_client_config config = protected_config();
    talk = converse(&config);
    server_closes(talk, true);
    assert_failed(talk, POPLIN_ERR_CLOSED, "greeting", "check host and port");
    hang_up(talk);
}

/* holds: T-API-4 B */
static void odd_feeding_is_defined(void **state) {
    (void)state;
    conversation *talk = transaction("");
    assert_int_equal(poplin_client_input(talk->client, NULL, 0), POPLIN_OK);
    assert_int_equal(pull(talk), POPLIN_NEED_INPUT);
    assert_int_equal(poplin_client_eof(talk->client, true), POPLIN_OK);
    assert_int_equal(poplin_client_input(talk->client, "x", 1), POPLIN_ERR_STATE);
    poplin_client_sent(talk->client, 1000);
    hang_up(talk);
    poplin_client_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greeting_never_means_a_login),
        cmocka_unit_test(wrong_greetings_fail),
        cmocka_unit_test(refusing_greeting_fails_with_its_code),
        cmocka_unit_test(hostile_words_are_shown_harmless),
        cmocka_unit_test(replies_come_with_tag_and_facts),
        cmocka_unit_test(codes_count_only_where_announced),
        cmocka_unit_test(numbers_out_of_form_or_of_another_message_fail),
        cmocka_unit_test(broken_status_lines_fail),
        cmocka_unit_test(nothing_is_waited_for_behind_a_bare_lf),
        cmocka_unit_test(unasked_octets_fail_at_once),
        cmocka_unit_test(nothing_is_sent_after_a_failure),
        cmocka_unit_test(listings_are_handed_out_line_by_line),
        cmocka_unit_test(empty_listing_is_a_listing),
        cmocka_unit_test(bad_listings_fail),
        cmocka_unit_test(numbers_above_what_stat_or_list_counted_fail),
        cmocka_unit_test(stat_after_deletions_bounds_what_is_left_and_what_was_deleted),
        cmocka_unit_test(deletions_taken_back_bound_nothing),
        cmocka_unit_test(strict_unique_ids),
        cmocka_unit_test(bodies_lose_one_dot_a_line),
        cmocka_unit_test(only_crlf_dot_crlf_ends_a_body),
        cmocka_unit_test(empty_body_is_a_body),
        cmocka_unit_test(body_slices_lie_in_the_lent_octets),
        cmocka_unit_test(announced_octets_are_decoration),
        cmocka_unit_test(status_lines_have_a_limit),
        cmocka_unit_test(listings_have_limits),
        cmocka_unit_test(listing_of_every_number_up_to_the_limit_fits),
        cmocka_unit_test(messages_have_a_limit),
        cmocka_unit_test(capabilities_have_a_limit),
        cmocka_unit_test(limits_of_nothing_are_refused),
        cmocka_unit_test(capabilities_are_kept_as_announced),
        cmocka_unit_test(commands_out_of_place_are_refused),
        cmocka_unit_test(quit_ends_a_good_session),
        cmocka_unit_test(refused_quit_ends_the_session_too),
        cmocka_unit_test(octets_behind_the_answer_to_quit_fail),
        cmocka_unit_test(end_of_connection_inside_a_reply_fails),
        cmocka_unit_test(unanswered_quit_is_told_as_such),
        cmocka_unit_test(idle_end_of_connection_fails),
        cmocka_unit_test(odd_feeding_is_defined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
