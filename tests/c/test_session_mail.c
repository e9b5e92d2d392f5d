/* test_session_mail.c - what a session does with its messages, and what it does when the host refuses. */
#include "session_host.h"

/* ---- TRANSACTION ---- */

/* holds: POP-STAT-1 S, POP-LIST-1 S, POP-UIDL-1 S */
static void listings(void **state) {
    (void)state;
    host_start_logged_in(&h);
    expect(&h, "STAT\r\n", "+OK 2 52\r\n");
    expect(&h, "LIST\r\n", "+OK 2 messages\r\n1 20\r\n2 32\r\n.\r\n");
    expect(&h, "LIST 2\r\n", "+OK 2 32\r\n");
    expect(&h, "UIDL\r\n", "+OK 2 messages\r\n1 one\r\n2 two\r\n.\r\n");
    expect(&h, "UIDL 1\r\n", "+OK 1 one\r\n");
    expect(&h, "LIST 3\r\nUIDL 3\r\n", "-ERR no such message\r\n-ERR no such message\r\n");
    expect(&h, "DELE 1\r\nSTAT\r\nLIST\r\nUIDL\r\n",
           "+OK message 1 marked\r\n+OK 1 32\r\n+OK 1 messages\r\n2 32\r\n.\r\n+OK 1 messages\r\n2 two\r\n.\r\n");
}

/* holds: POP-LIST-1 S, POP-STAT-1 S */
static void empty_maildrop(void **state) {
    (void)state;
    h.count = 0;
    host_start_logged_in(&h);
    expect(&h, "STAT\r\nLIST\r\nUIDL\r\nRSET\r\n",
           "+OK 0 0\r\n+OK 0 messages\r\n.\r\n+OK 0 messages\r\n.\r\n+OK no message is marked\r\n");
    expect(&h, "RETR 1\r\nQUIT\r\n", "-ERR no such message\r\n+OK bye\r\n");
    assert_string_equal(host_events(&h), "CLOSED 0 -\n");
}

/* holds: POP-SIZE-3 S, POP-ST-4 S */
static void unknown_sizes_are_counted_once(void **state) {
    const struct host_message messages[] = {
        {"a", "x\n", POPLIN_OCTETS_UNKNOWN}, {"b", "y\n", POPLIN_OCTETS_UNKNOWN}, {"c", "z\n", POPLIN_OCTETS_UNKNOWN}};

    (void)state;
    h.messages = messages;
    h.count = COUNT_OF(messages);
    host_start_logged_in(&h);
    expect(&h, "UIDL\r\n", "+OK 3 messages\r\n1 a\r\n2 b\r\n3 c\r\n.\r\n");
    assert_string_equal(host_events(&h), "");
    expect(&h, "LIST 2\r\n", "+OK 2 3\r\n");
    assert_string_equal(host_events(&h), "BODY b\nBODY_DONE b\n");
    expect(&h, "RETR 3\r\n", "+OK message follows\r\nz\r\n.\r\n");
    assert_string_equal(host_events(&h), "BODY c\nBODY_DONE c\n");
    expect(&h, "DELE 1\r\nSTAT\r\nLIST\r\n",
           "+OK message 1 marked\r\n+OK 2 6\r\n+OK 2 messages\r\n2 3\r\n3 3\r\n.\r\n");
    assert_string_equal(host_events(&h), "");
    expect(&h, "RSET\r\nSTAT\r\nRETR 1\r\n", "+OK no message is marked\r\n+OK 3 9\r\n+OK 3 octets\r\nx\r\n.\r\n");
    assert_string_equal(host_events(&h), "BODY a\nBODY_DONE a\nBODY a\nBODY_DONE a\n");
}

/* holds: POP-RETR-1 S, POP-ML-2 S, POP-SIZE-2 S */
static void retr_and_top_stuff_the_message(void **state) {
    (void)state;
    host_start_logged_in(&h);
    expect(&h, "RETR 1\r\n", "+OK 20 octets\r\nSubject: 1\r\n\r\nbody\r\n.\r\n");
    expect(&h, "RETR 2\r\n", "+OK message follows\r\nSubject: 2\r\n\r\n..dot\r\n...\r\n..\r\nend\r\n.\r\n");
    expect(&h, "RETR 2\r\n", "+OK 32 octets\r\nSubject: 2\r\n\r\n..dot\r\n...\r\n..\r\nend\r\n.\r\n");
    expect(&h, "RETR 3\r\n", "-ERR no such message\r\n");
}

/* holds: POP-TOP-1 S */
static void top_gives_header_and_lines(void **state) {
    (void)state;
    host_start_logged_in(&h);
    expect(&h, "TOP 2 0\r\n", "+OK top of message follows\r\nSubject: 2\r\n\r\n.\r\n");
    expect(&h, "TOP 2 2\r\n", "+OK top of message follows\r\nSubject: 2\r\n\r\n..dot\r\n...\r\n.\r\n");
    expect(&h, "TOP 2 2147483647\r\n",
           "+OK top of message follows\r\nSubject: 2\r\n\r\n..dot\r\n...\r\n..\r\nend\r\n.\r\n");
    h.piece = 3;
    host_events(&h);
    expect(&h, "TOP 1 0\r\n", "+OK top of message follows\r\nSubject: 1\r\n\r\n.\r\n");
    assert_string_equal(host_events(&h), "BODY one\nBODY one\nBODY one\nBODY one\nBODY one\nBODY_DONE one\n");
    expect(&h, "LIST 2\r\n", "+OK 2 32\r\n"); /* a TOP is no measure of a message */
}

/* holds: T-FRM-9 S, POP-SIZE-1 S, POP-MSG-1 S */
static void listed_sizes_are_the_octets_sent(void **state) {
    const struct host_message messages[] = {{"1", "a\n.\nb\r.\rc\r", POPLIN_OCTETS_UNKNOWN},
                                            {"2", "", POPLIN_OCTETS_UNKNOWN},
                                            {"3", "....", POPLIN_OCTETS_UNKNOWN},
                                            {"4", "\xff\xfe no end", POPLIN_OCTETS_UNKNOWN},
                                            {"5", ".", POPLIN_OCTETS_UNKNOWN},
                                            {"6", "\n\n\r\n", POPLIN_OCTETS_UNKNOWN}};

    (void)state;
    h.messages = messages;
    h.count = COUNT_OF(messages);
    host_start_logged_in(&h);
    expect(&h, "LIST\r\n", "+OK 6 messages\r\n1 14\r\n2 0\r\n3 6\r\n4 11\r\n5 3\r\n6 6\r\n.\r\n");
    expect(&h, "RETR 1\r\n", "+OK 14 octets\r\na\r\n..\r\nb\r.\rc\r\r\n.\r\n");
    expect(&h, "RETR 2\r\nRETR 3\r\n", "+OK 0 octets\r\n.\r\n+OK 6 octets\r\n.....\r\n.\r\n");
    expect(&h, "RETR 4\r\nRETR 5\r\n", "+OK 11 octets\r\n\xff\xfe no end\r\n.\r\n+OK 3 octets\r\n..\r\n.\r\n");
    expect(&h, "RETR 6\r\n", "+OK 6 octets\r\n\r\n\r\n\r\n.\r\n");
    assert_null(strstr(host_events(&h), "MISMATCH"));
}

/* holds: POP-SIZE-3 S */
static void body_of_another_size_is_sent_whole_and_told(void **state) {
    const struct host_message messages[] = {{"a", "1234\n", 5}};

    (void)state;
    h.messages = messages;
    h.count = 1;
    host_start_logged_in(&h);
    expect(&h, "RETR 1\r\nLIST 1\r\n", "+OK 5 octets\r\n1234\r\n.\r\n+OK 1 5\r\n");
    assert_string_equal(host_events(&h), "BODY a\nBODY_DONE a\nMISMATCH a 5 6\n");
    expect(&h, "TOP 1 0\r\n", "+OK top of message follows\r\n1234\r\n.\r\n");
    assert_string_equal(host_events(&h), "BODY a\nBODY_DONE a\n");
}

/* holds: POP-DELE-1 S, POP-RSET-1 S, T-NUM-8 S */
static void marked_messages_are_gone_until_rset(void **state) {
    (void)state;
    host_start_logged_in(&h);
    expect(&h, "DELE 1\r\nDELE 1\r\nRETR 1\r\nTOP 1 0\r\nLIST 1\r\nUIDL 1\r\n",
           "+OK message 1 marked\r\n-ERR no such message\r\n-ERR no such message\r\n-ERR no such message\r\n"
           "-ERR no such message\r\n-ERR no such message\r\n");
    expect(&h, "UIDL 2\r\nSTAT\r\n", "+OK 2 two\r\n+OK 1 32\r\n");
    expect(&h, "RSET\r\nSTAT\r\nUIDL 1\r\n", "+OK no message is marked\r\n+OK 2 52\r\n+OK 1 one\r\n");
}

/* holds: T-NUM-7 S, POP-GEN-19 S */
static void numbers_that_are_none(void **state) {
    static const char *const rows[] = {"RETR 0",   "RETR -1",  "RETR 99999999999999999999",
                                       "TOP 1 -1", "TOP 1",    "TOP",
                                       "DELE abc", "RETR 1 1", "DELE 01",
                                       "LIST +1",  "UIDL 0x1", "RETR 1.0",
                                       "DELE ",    "TOP 1 ",   "RETR 2147483648"};
    char line[64];

    (void)state;
    h.config.max_bad_commands = 100;
    host_start_logged_in(&h);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        snprintf(line, sizeof line, "%s\r\n", rows[i]);
        expect(&h, line, "-ERR wrong arguments\r\n");
    }
    expect(&h, "RETR 2147483647\r\n", "-ERR no such message\r\n");
    assert_string_equal(host_events(&h), "");
}

/* holds: POP-PIPE-1 S, POP-GEN-10 S, POP-NOOP-1 S */
static void pipelined_commands_are_answered_in_order(void **state) {
    (void)state;
    host_start(&h);
    h.late = true;
    expect(&h, "USER a\r\nPASS b\r\nDELE 2\r\nRETR 1\r\nNOOP\r\nLIST\r\nRSET\r\nSTAT\r\nQUIT\r\nNOOP\r\n",
           "+OK poplin ready\r\n+OK send PASS\r\n+OK 2 messages\r\n+OK message 2 marked\r\n+OK 20 octets\r\n"
           "Subject: 1\r\n\r\nbody\r\n.\r\n+OK nothing done\r\n+OK 1 messages\r\n1 20\r\n.\r\n+OK no message is "
           "marked\r\n+OK 2 52\r\n"
           "+OK bye\r\n");
}

/* ---- refusals and late answers ---- */

/* holds: POP-RESP-6 S, T-LCK-2 S */
static void body_refused_before_its_first_octet(void **state) {
    const struct host_message messages[] = {{"a", NULL, 7}, {"b", NULL, POPLIN_OCTETS_UNKNOWN}};

    (void)state;
    h.messages = messages;
    h.count = 2;
    host_start_logged_in(&h);
    expect(&h, "RETR 1\r\n", "-ERR [SYS/TEMP] not possible just now\r\n");
    h.words = "it has gone";
    expect(&h, "TOP 1 0\r\nNOOP\r\n", "-ERR [SYS/TEMP] it has gone\r\n+OK nothing done\r\n");
    expect(&h, "LIST\r\nSTAT\r\nLIST 1\r\n",
           "-ERR [SYS/TEMP] it has gone\r\n-ERR [SYS/TEMP] it has gone\r\n+OK 1 7\r\n");
    assert_string_equal(host_events(&h), "BODY a\nBODY a\nBODY b\nBODY b\n");
}

/* holds: POP-UPD-2 S, POP-ML-10 C */
static void body_refused_in_its_middle_ends_without_terminator(void **state) {
    (void)state;
    h.broken = "one";
    h.piece = 12;
    host_start_logged_in(&h);
    expect(&h, "DELE 2\r\nRETR 1\r\nQUIT\r\n", "+OK message 2 marked\r\n+OK 20 octets\r\nSubject: 1\r\n");
    assert_string_equal(host_events(&h), "BODY one\nBODY one\nBODY_DONE one\nCLOSED 4 TEMPORARY\n");
}

static void refused_measure_is_only_an_err(void **state) {
    const struct host_message messages[] = {{"a", "octets", POPLIN_OCTETS_UNKNOWN}};

    (void)state;
    h.messages = messages;
    h.count = 1;
    h.broken = "a";
    h.piece = 3;
    host_start_logged_in(&h);
    expect(&h, "LIST\r\nNOOP\r\n", "-ERR [SYS/TEMP] not possible just now\r\n+OK nothing done\r\n");
    assert_string_equal(host_events(&h), "BODY a\nBODY a\nBODY_DONE a\n");
    h.broken = NULL;
    expect(&h, "LIST\r\n", "+OK 1 messages\r\n1 8\r\n.\r\n");
}

/* holds: POP-STAT-1 S, POP-LIST-1 S */
static void a_vanished_message_counts_as_empty(void **state) {
    const struct host_message messages[] = {{"a", "1\n", POPLIN_OCTETS_UNKNOWN},
                                            {"gone", NULL, POPLIN_OCTETS_UNKNOWN},
                                            {"b", "22\n", POPLIN_OCTETS_UNKNOWN}};

    (void)state;
    h.messages = messages;
    h.count = COUNT_OF(messages);
    h.unreadable = POPLIN_ERR_REFUSED;
    h.words = "it has vanished";
    host_start_logged_in(&h);
    expect(&h, "STAT\r\nLIST\r\n", "+OK 3 7\r\n+OK 3 messages\r\n1 3\r\n2 0\r\n3 4\r\n.\r\n");
    assert_string_equal(host_events(&h), "BODY a\nBODY_DONE a\nBODY gone\nBODY b\nBODY_DONE b\n"); /* each once */
    expect(&h, "RETR 2\r\nDELE 2\r\nSTAT\r\n", "-ERR it has vanished\r\n+OK message 2 marked\r\n+OK 2 7\r\n");
}

/* holds: T-API-1 S, T-API-4 S */
static void answers_fit_one_open_question_only(void **state) {
    uint64_t question;

    (void)state;
    h.no_answer = true;
    start_and_skip_greeting();
    assert_int_equal(poplin_session_accept(h.session, 0), POPLIN_ERR_STATE);
    assert_int_equal(poplin_session_accept(h.session, 1), POPLIN_ERR_STATE);
    expect(&h, "USER a\r\nPASS b\r\nNOOP\r\n", "+OK send PASS\r\n");
    question = h.asked.question;
    assert_int_equal(poplin_session_open(h.session, question, NULL, 0, NULL), POPLIN_ERR_STATE);
    assert_int_equal(poplin_session_body(h.session, question, "", 0, true), POPLIN_ERR_STATE);
    assert_int_equal(poplin_session_accept(h.session, question + 1), POPLIN_ERR_STATE);
    assert_int_equal(poplin_session_input(h.session, "NOOP\r\n", 6), POPLIN_ERR_STATE);
    assert_int_equal(poplin_session_accept(h.session, question), POPLIN_OK);
    assert_int_equal(poplin_session_accept(h.session, question), POPLIN_ERR_STATE);
    assert_int_equal(poplin_session_refuse(h.session, question, POPLIN_ERR_AUTH, NULL), POPLIN_ERR_STATE);
    assert_int_equal(host_pump(&h), POPLIN_WAITING);
    assert_int_equal(poplin_session_accept(h.session, h.asked.question), POPLIN_ERR_STATE);
    assert_int_equal(poplin_session_open(h.session, h.asked.question, NULL, 0, NULL), POPLIN_OK);
    host_pump(&h);
    assert_string_equal(host_heard(&h), "+OK 0 messages\r\n+OK nothing done\r\n");
}

static int open_with(const poplin_listing *messages, size_t count, size_t *bad) {
    h.no_answer = true;
    host_say(&h, "USER a\r\nPASS b\r\n");
    poplin_session_accept(h.session, h.asked.question);
    host_pump(&h);
    int result = poplin_session_open(h.session, h.asked.question, messages, count, bad);

    host_pump(&h);
    return result;
}

/* holds: POP-UIDL-1 S, T-API-3 S */
static void listing_that_is_wrong_is_refused_and_told(void **state) {
    char longest[72];
    const poplin_listing rows[][3] = {
        {{SLICE("a"), 1, false}, {SLICE("b"), 1, false}, {SLICE("a"), 1, false}},
        {{SLICE("a"), 1, false}, {SLICE("b"), 1, false}, {SLICE(""), 1, false}},
        {{SLICE("a"), 1, false}, {SLICE("b"), 1, false}, {SLICE("x y"), 1, false}},
        {{SLICE("a"), 1, false}, {SLICE("b"), 1, false}, {SLICE("x\xc3"), 1, false}},
        {{SLICE("a"), 1, false}, {SLICE("b"), 1, false}, {{longest, 71}, 1, false}},
        {{SLICE("a"), 1, false}, {SLICE("b"), 1, false}, {SLICE("c"), INT64_MAX, false}},
    };
    size_t bad;

    (void)state;
    memset(longest, 'u', sizeof longest);
    h.config.max_failed_logins = 100;
    h.config.max_messages = 3;
    start_and_skip_greeting();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bad = 0;
        assert_int_equal(open_with(rows[i], 3, &bad), POPLIN_ERR_PROTOCOL);
        assert_int_equal(bad, 2);
        assert_string_equal(host_heard(&h), "+OK send PASS\r\n-ERR [SYS/TEMP] not possible just now\r\n");
    }
    const poplin_listing two_bad[] = {{SLICE("a"), 1, false}, {SLICE("a"), 1, false}, {SLICE(""), 1, false}};

    assert_int_equal(open_with(two_bad, 3, &bad), POPLIN_ERR_PROTOCOL);
    assert_int_equal(bad, 1); /* the first, whatever is wrong with it */
    host_heard(&h);
    assert_int_equal(open_with(rows[0], 4, &bad), POPLIN_ERR_LIMIT);
    assert_int_equal(bad, 3);
    const poplin_listing good[] = {{{longest, 70}, 1, false}, {SLICE("b"), 1, false}};

    assert_int_equal(open_with(good, 2, &bad), POPLIN_OK);
}

/* holds: POP-LIST-3 S */
static void large_maildrop(void **state) {
    enum { COUNT = 100000 };
    static char names[COUNT][8];
    static poplin_listing listings[COUNT];
    const char *line = NULL;
    size_t bad = 0;

    (void)state;
    h.config.max_messages = COUNT;
    for (size_t i = 0; i < COUNT; i++) {
        int size = snprintf(names[i], sizeof names[i], "u%zu", i);

        listings[i] = (poplin_listing){{names[i], (size_t)size}, i, false};
    }
    start_and_skip_greeting();
    listings[COUNT - 1].unique_id = listings[COUNT / 2].unique_id;
    assert_int_equal(open_with(listings, COUNT, &bad), POPLIN_ERR_PROTOCOL);
    assert_int_equal(bad, COUNT - 1);
    listings[COUNT - 1].unique_id = SLICE("last");
    assert_int_equal(open_with(listings, COUNT, &bad), POPLIN_OK);
    host_heard(&h);
    expect(&h, "STAT\r\n", "+OK 100000 4999950000\r\n");
    host_say(&h, "UIDL\r\n");
    line = host_heard(&h);
    assert_string_equal(line + strlen(line) - 16, "100000 last\r\n.\r\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SESSION_TEST(listings),
        SESSION_TEST(empty_maildrop),
        SESSION_TEST(unknown_sizes_are_counted_once),
        SESSION_TEST(retr_and_top_stuff_the_message),
        SESSION_TEST(top_gives_header_and_lines),
        SESSION_TEST(listed_sizes_are_the_octets_sent),
        SESSION_TEST(body_of_another_size_is_sent_whole_and_told),
        SESSION_TEST(marked_messages_are_gone_until_rset),
        SESSION_TEST(numbers_that_are_none),
        SESSION_TEST(pipelined_commands_are_answered_in_order),
        SESSION_TEST(body_refused_before_its_first_octet),
        SESSION_TEST(body_refused_in_its_middle_ends_without_terminator),
        SESSION_TEST(refused_measure_is_only_an_err),
        SESSION_TEST(a_vanished_message_counts_as_empty),
        SESSION_TEST(answers_fit_one_open_question_only),
        SESSION_TEST(listing_that_is_wrong_is_refused_and_told),
        SESSION_TEST(large_maildrop),
    };

    return cmocka_run_group_tests_name("session mail", tests, NULL, NULL);
}
