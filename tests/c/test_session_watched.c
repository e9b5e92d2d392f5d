/*
 * test_session_watched.c - a watched session tells of each line before it is carried out and of each reply when it is
 * whole, and leaves a line undone or carries out another as the host says. That it does all else as an unwatched one,
 * however its octets come, is held in test_session_split.c.
 */
#include "session_host.h"

static int set_up_watched(void **state) {
    (void)state;
    host_init(&h);
    h.config.watched = true;
    return 0;
}

#define WATCHED_TEST(function) cmocka_unit_test_setup_teardown(function, set_up_watched, tear_down)

static void start_and_skip_greeting_told(void) {
    start_and_skip_greeting();
    assert_string_equal(host_talk(&h), "S: +OK poplin ready\r\n");
}

/* Says something and compares what the session tells. */
static void expect_talk(const char *said, const char *talk) {
    host_say(&h, said);
    assert_string_equal(host_talk(&h), talk);
}

/* ---- what is told ---- */

/* holds: POP-ML-1 S, POP-PIPE-1 S */
static void every_command_and_its_reply(void **state) {
    static const char *const rows[][2] = {
        {"STAT\r\n", "C: STAT 0: STAT\r\nS: +OK 2 52\r\n"},
        {"list\r\n", "C: LIST 0: list\r\nS: +OK 2 messages\r\n1 20\r\n2 32\r\n.\r\n"},
        {"LIST 2\r\n", "C: LIST 2: LIST 2\r\nS: +OK 2 32\r\n"},
        {"UIDL\r\n", "C: UIDL 0: UIDL\r\nS: +OK 2 messages\r\n1 one\r\n2 two\r\n.\r\n"},
        {"RETR 1\r\n", "C: RETR 1: RETR 1\r\nS: +OK 20 octets\r\nSubject: 1\r\n\r\nbody\r\n.\r\n"},
        {"TOP 2 1\r\n", "C: TOP 2: TOP 2 1\r\nS: +OK top of message follows\r\nSubject: 2\r\n\r\n..dot\r\n.\r\n"},
        {"DELE 2\r\n", "C: DELE 2: DELE 2\r\nS: +OK message 2 marked\r\n"},
        {"RETR 2\r\n", "C: RETR 2: RETR 2\r\nS: -ERR no such message\r\n"},
        {"RSET\r\n", "C: RSET 0: RSET\r\nS: +OK no message is marked\r\n"},
        {"NOOP\r\n", "C: NOOP 0: NOOP\r\nS: +OK nothing done\r\n"},
        {"CAPA\r\n", "C: CAPA 0: CAPA\r\nS: +OK capabilities follow\r\nTOP\r\nUSER\r\nSASL PLAIN\r\nRESP-CODES\r\n"
                     "AUTH-RESP-CODE\r\nPIPELINING\r\nUIDL\r\nIMPLEMENTATION poplin\r\n.\r\n"},
        {"QUIT\r\n", "C: QUIT 0: QUIT\r\nE: +OK bye\r\n"},
    };

    (void)state;
    start_and_skip_greeting_told();
    expect_talk("USER alice\r\nPASS secret\r\n", "C: USER 0: USER alice\r\nS: +OK send PASS\r\n"
                                                 "C: PASS 0 secret: PASS ****\r\nS: +OK 2 messages\r\n");
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        expect_talk(rows[i][0], rows[i][1]);
}

/* holds: POP-GEN-14 S, T-RES-6 S */
static void lines_that_are_no_commands(void **state) {
    static const char *const rows[][2] = {
        {"\r\n", "C: ? 0: \r\nS: -ERR unknown command\r\n"},
        {"RETR 1 2\r\n", "C: RETR 0: RETR 1 2\r\nS: -ERR log in first\r\n"},
        {"RETR 0\r\n", "C: RETR 0: RETR 0\r\nS: -ERR log in first\r\n"},
        {"PASSS secret\r\n", "C: ? 0 secret: PASSS ****\r\nS: -ERR unknown command\r\n"},
        {"NOOP\nPASS x\r\n", "C: ? 0 secret: NOOP****\r\nS: -ERR NUL, bare CR or bare LF in a line\r\n"},
        {"USER a\rb\r\n", "C: ? 0 secret: USER ****\r\nS: -ERR NUL, bare CR or bare LF in a line\r\n"},
    };

    (void)state;
    start_and_skip_greeting_told();
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        expect_talk(rows[i][0], rows[i][1]);
    say_line_of(1025, "USER ", 'u');
    assert_string_equal(host_talk(&h), "C: ? 0 secret: (line too long)\r\nS: -ERR line too long\r\n");
    say_line_of(20000, "PASS ", 'u');
    assert_string_equal(host_talk(&h), "C: ? 0 secret: (line too long)\r\nS: -ERR line too long\r\n");
    assert_string_equal(host_events(&h), "");
}

static const char *expected_line;

static void compare_line(struct host *host, const poplin_session_line *line) {
    (void)host;
    assert_int_equal(line->line.size, strlen(expected_line));
    if (line->line.size > 0)
        assert_memory_equal(line->line.data, expected_line, line->line.size);
}

static void expect_line(const char *said, const char *line) {
    expected_line = line;
    host_say(&h, said);
}

/* holds: POP-GEN-18 S */
static void line_is_given_as_it_came_or_not_at_all(void **state) {
    (void)state;
    h.heed = compare_line;
    start_and_skip_greeting();
    expect_line("user alice\r\n", "user alice");
    host_say(&h, "PASS the se");
    expect_line("cret \r\n", "PASS the secret ");
    expect_line("RE\nTR 1\r\n", "");
    expect_line("\xff\xfe\r\n", "\xff\xfe");
    expected_line = "";
    say_line_of(1025, "NOOP ", 'x');
    assert_int_equal(poplin_session_commands(h.session), 5);
}

/* holds: POP-AUTH-5 S, POP-AUTH-14 S, T-SEC-1 S */
static void authentication_is_told_step_by_step(void **state) {
    (void)state;
    h.check_status = POPLIN_ERR_AUTH;
    start_and_skip_greeting_told();
    expect_talk("AUTH PLAIN AHRpbQB0YW4=\r\n", "C: AUTH 0 initial secret: AUTH PLAIN ****\r\n"
                                               "S: -ERR [AUTH] name or password not accepted\r\n");
    expect_talk("auth plain\r\n*\r\n",
                "C: AUTH 0: auth plain\r\nS: + \r\nC: AUTH 0 response: *\r\nS: -ERR cancelled\r\n");
    h.check_status = POPLIN_OK;
    expect_talk("AUTH PLAIN\r\nAHRpbQB0YW4=\r\n", "C: AUTH 0: AUTH PLAIN\r\nS: + \r\n"
                                                  "C: AUTH 0 response secret: ****\r\nS: +OK 2 messages\r\n");
}

/* holds: T-SASL-9 S */
static void illegal_response_is_one_still(void **state) {
    (void)state;
    h.config.max_sasl_line = 1026;
    start_and_skip_greeting_told();
    expect_talk("AUTH PLAIN\r\nAH\nRp\r\n", "C: AUTH 0: AUTH PLAIN\r\nS: + \r\nC: AUTH 0 response secret: ****\r\n"
                                            "S: -ERR malformed PLAIN message\r\n");
    host_say(&h, "AUTH PLAIN\r\n");
    host_talk(&h);
    say_line_of(1027, "", 'A');
    assert_string_equal(host_talk(&h), "C: AUTH 0 response secret: (line too long)\r\nE: -ERR line too long\r\n");
}

static char piped[16];

static void note_pipelined(struct host *host, const poplin_session_line *line) {
    (void)host;
    strcat(piped, line->pipelined ? "+" : "-");
}

/* holds: POP-PIPE-1 S */
static void what_lies_behind_a_line_is_told(void **state) {
    (void)state;
    piped[0] = '\0';
    h.heed = note_pipelined;
    start_and_skip_greeting();
    host_say(&h, "USER alice\r\n");
    host_say(&h, "PASS secret\r\nNOOP\r\n");
    host_say(&h, "NOOP\r\nNO");
    host_say(&h, "OP\r\n");
    say_line_of(20000, "NOOP ", 'x');
    assert_string_equal(piped, "-+-+--");
}

/* ---- when ---- */

static bool pull(poplin_session_event *event) {
    return poplin_session_next(h.session, event) == POPLIN_OK;
}

/* holds: POP-PIPE-5 S, POP-ML-2 S */
static void reply_is_whole_only_when_all_of_it_was_put_out(void **state) {
    (void)state;
    h.config.max_output = 8;
    h.piece = 3;
    h.late = true;
    start_and_skip_greeting_told();
    expect_talk("USER alice\r\nPASS secret\r\nLIST\r\nRETR 2\r\n",
                "C: USER 0: USER alice\r\nS: +OK send PASS\r\nC: PASS 0 secret: PASS ****\r\nS: +OK 2 messages\r\n"
                "C: LIST 0: LIST\r\nS: +OK 2 messages\r\n1 20\r\n2 32\r\n.\r\n"
                "C: RETR 2: RETR 2\r\nS: +OK 32 octets\r\nSubject: 2\r\n\r\n..dot\r\n...\r\n..\r\nend\r\n.\r\n");
}

/* holds: POP-PIPE-1 S, T-UPD-4 S */
static void nothing_is_replied_before_the_answer(void **state) {
    (void)state;
    start_and_skip_greeting_told();
    host_say(&h, "USER alice\r\n");
    host_talk(&h);
    h.no_answer = true;
    expect_talk("PASS secret\r\nNOOP\r\n", "C: PASS 0 secret: PASS ****\r\n");
    assert_int_equal(poplin_session_accept(h.session, h.asked.question), POPLIN_OK);
    assert_int_equal(host_pump(&h), POPLIN_WAITING);
    assert_string_equal(host_talk(&h), "");
    open_maildrop(&h, h.asked.question);
    host_pump(&h);
    assert_string_equal(host_talk(&h), "S: +OK 2 messages\r\nC: NOOP 0: NOOP\r\nS: +OK nothing done\r\n");
}

/* holds: POP-STLS-1 S, POP-STLS-2 S */
static void reply_to_stls_is_told_before_tls_starts(void **state) {
    static const enum poplin_session_event_kind kinds[] = {POPLIN_SESSION_REPLIED, POPLIN_SESSION_COMMAND,
                                                           POPLIN_SESSION_REPLIED, POPLIN_SESSION_START_TLS};
    poplin_session_event event;

    (void)state;
    h.config.stls = true;
    host_start(&h);
    assert_int_equal(poplin_session_input(h.session, "STLS\r\n", 6), POPLIN_OK);
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        assert_true(pull(&event));
        assert_int_equal(event.kind, kinds[i]);
        while (take_output(&h))
            continue;
        poplin_buffer_clear(&h.reply);
    }
    assert_int_equal(host_pump(&h), POPLIN_WAITING);
    assert_int_equal(poplin_session_tls(h.session, &(poplin_tls_facts){0}), POPLIN_OK);
    expect_talk("NOOP\r\n", "C: NOOP 0: NOOP\r\nS: -ERR log in first\r\n");
}

/* holds: POP-UPD-1 S, T-UPD-2 S */
static void last_reply_is_ended_by_the_end(void **state) {
    (void)state;
    h.config.max_bad_commands = 2;
    start_and_skip_greeting_told();
    expect_talk("X\r\nX\r\n", "C: ? 0 secret: ****\r\nS: -ERR unknown command\r\n"
                              "C: ? 0 secret: ****\r\nE: -ERR unknown command\r\n");
    host_free(&h);

    set_up_watched(NULL);
    h.commit_status = POPLIN_ERR_TEMPORARY;
    host_start_logged_in(&h);
    expect_talk("DELE 1\r\nQUIT\r\n", "C: DELE 1: DELE 1\r\nS: +OK message 1 marked\r\n"
                                      "C: QUIT 0: QUIT\r\nE: -ERR [SYS/TEMP] not possible just now\r\n");
}

/* holds: POP-UPD-2 S, POP-TMO-2 S */
static void line_that_was_told_of_is_not_carried_out_after_the_end(void **state) {
    static const char quit[] = "QUIT\r\n";
    poplin_session_event event;

    (void)state;
    host_start_logged_in(&h);
    host_say(&h, "DELE 1\r\n");
    assert_int_equal(poplin_session_input(h.session, quit, sizeof quit - 1), POPLIN_OK);
    assert_true(pull(&event));
    assert_int_equal(event.kind, POPLIN_SESSION_COMMAND);
    assert_int_equal(poplin_session_timeout(h.session), POPLIN_OK);
    assert_int_equal(poplin_session_skip(h.session), POPLIN_ERR_STATE);
    host_pump(&h);
    assert_string_equal(host_events(&h), "CLOSED 3 TIMEOUT\n");
}

/* holds: POP-UPD-4 S, T-API-4 S */
static void line_that_was_told_of_stays_lent(void **state) {
    char *quit = strdup("QUIT\r\n");
    poplin_session_event event;

    (void)state;
    host_start_logged_in(&h);
    host_say(&h, "DELE 1\r\n");
    assert_non_null(quit);
    assert_int_equal(poplin_session_input(h.session, quit, 6), POPLIN_OK);
    assert_true(pull(&event));
    assert_int_equal(poplin_session_input(h.session, "NOOP\r\n", 6), POPLIN_ERR_STATE);
    assert_int_equal(poplin_session_tls(h.session, &(poplin_tls_facts){0}), POPLIN_ERR_STATE);
    assert_int_equal(poplin_session_eof(h.session, true), POPLIN_OK);
    host_pump(&h);
    assert_string_equal(host_events(&h), "COMMIT 0\nCLOSED 0 -\n");
    free(quit);
}

/* ---- what the host may do ---- */

static const char *skipped; /* the shown form of a line that is left undone */
static const char *replaced;
static const char *replacement;

static void interfere(struct host *host, const poplin_session_line *line) {
    if (skipped != NULL && strcmp(line->shown, skipped) == 0)
        assert_int_equal(poplin_session_skip(host->session), POPLIN_OK);
    if (replaced == NULL || strcmp(line->shown, replaced) != 0)
        return;
    size_t size = strlen(replacement);
    char *copy = malloc(size > 0 ? size : 1); /* it need not live on */

    assert_non_null(copy);
    memcpy(copy, replacement, size);
    assert_int_equal(poplin_session_substitute(host->session, (poplin_slice){copy, size}), POPLIN_OK);
    memset(copy, 'x', size);
    free(copy);
}

static void will_skip(const char *line) {
    h.heed = interfere;
    skipped = line;
    replaced = NULL;
}

static void will_replace(const char *line, const char *other) {
    h.heed = interfere;
    skipped = NULL;
    replaced = line;
    replacement = other;
}

/* holds: POP-UPD-1 S, T-UPD-1 S */
static void skipped_line_has_no_effect_and_no_reply(void **state) {
    (void)state;
    host_start_logged_in(&h);
    will_skip("DELE 1");
    expect_talk("DELE 1\r\nDELE 2\r\n", "C: DELE 1: DELE 1\r\nS: \r\nC: DELE 2: DELE 2\r\nS: +OK message 2 marked\r\n");
    will_skip("QUIT");
    expect_talk("QUIT\r\nNOOP\r\n", "C: QUIT 0: QUIT\r\nS: \r\nC: NOOP 0: NOOP\r\nS: +OK nothing done\r\n");
    host_eof(&h);
    assert_string_equal(host_events(&h), "CLOSED 2 -\n");
}

/* holds: T-API-6 S */
static void skipped_line_is_as_if_it_had_not_come(void **state) {
    (void)state;
    h.config.stls = true;
    h.config.max_bad_commands = 1;
    start_and_skip_greeting();
    will_skip("XXX ****");
    expect(&h, "USER alice\r\nXXX x\r\nPASS secret\r\n", "+OK send PASS\r\n+OK 2 messages\r\n");
    host_free(&h);

    set_up_watched(NULL);
    h.config.stls = true;
    start_and_skip_greeting();
    will_skip("STLS");
    expect(&h, "STLS\r\n", "");
    will_skip("USER bob");
    expect(&h, "USER alice\r\nUSER bob\r\nPASS secret\r\n", "+OK send PASS\r\n+OK 2 messages\r\n");
    assert_string_equal(host_events(&h), "CHECK alice secret USER\nMAILDROP alice\n");
}

/* holds: T-API-6 S, T-SEC-1 S */
static void skipped_password_is_not_checked(void **state) {
    (void)state;
    start_and_skip_greeting_told();
    will_skip("PASS ****");
    expect_talk("USER alice\r\nPASS secret\r\n",
                "C: USER 0: USER alice\r\nS: +OK send PASS\r\nC: PASS 0 secret: PASS ****\r\nS: \r\n");
    assert_string_equal(host_events(&h), "");
    will_skip("****");
    expect_talk("AUTH PLAIN\r\nAGEAYg==\r\nNOOP\r\n",
                "C: AUTH 0: AUTH PLAIN\r\nS: + \r\nC: AUTH 0 response secret: ****\r\nS: \r\n"
                "C: NOOP 0: NOOP\r\nS: -ERR log in first\r\n");
    assert_string_equal(host_events(&h), "");
    will_skip("AUTH PLAIN");
    expect_talk("AUTH PLAIN\r\nCAPA x\r\n", "C: AUTH 0: AUTH PLAIN\r\nS: \r\n"
                                            "C: CAPA 0 secret: CAPA ****\r\nS: -ERR wrong arguments\r\n");
}

/* holds: POP-GEN-6 S, T-RES-3 S */
static void line_that_is_too_long_can_be_skipped(void **state) {
    (void)state;
    h.config.max_bad_commands = 1;
    start_and_skip_greeting_told();
    will_skip("(line too long)");
    say_line_of(20000, "PASS ", 'x');
    assert_string_equal(host_talk(&h), "C: ? 0 secret: (line too long)\r\nS: \r\n");
    expect(&h, "USER alice\r\n", "+OK send PASS\r\n");
}

/* holds: T-API-6 S */
static void other_line_is_carried_out_instead(void **state) {
    (void)state;
    host_start_logged_in(&h);
    will_replace("TOP 1 0", "RETR 1");
    expect_talk("TOP 1 0\r\nTOP 2 0\r\n",
                "C: TOP 1: TOP 1 0\r\nS: +OK 20 octets\r\nSubject: 1\r\n\r\nbody\r\n.\r\n"
                "C: TOP 2: TOP 2 0\r\nS: +OK top of message follows\r\nSubject: 2\r\n\r\n.\r\n");
    will_replace("QUIT", "DELE 2");
    expect(&h, "QUIT\r\n",
           "+OK 20 octets\r\nSubject: 1\r\n\r\nbody\r\n.\r\n+OK top of message follows\r\n"
           "Subject: 2\r\n\r\n.\r\n+OK message 2 marked\r\n");
    will_replace("NOOP", "QUIT");
    host_say(&h, "NOOP\r\n");
    assert_string_equal(host_events(&h), "BODY one\nBODY_DONE one\nBODY two\nBODY_DONE two\nCOMMIT 1\nCLOSED 0 -\n");
}

static void credentials_are_substituted(void **state) {
    (void)state;
    h.check_status = POPLIN_ERR_AUTH;
    start_and_skip_greeting();
    will_replace("PASS ****", "PASS other words");
    host_say(&h, "USER alice\r\nPASS secret\r\n");
    will_replace("****", "AGEAYg==");
    host_say(&h, "AUTH PLAIN\r\nAAAA\r\n");
    h.check_status = POPLIN_OK;
    will_replace("*", "AGMAZA==");
    host_say(&h, "AUTH PLAIN\r\n*\r\n");
    assert_string_equal(host_events(&h),
                        "CHECK alice other words USER\nCHECK a b PLAIN\nCHECK c d PLAIN\nMAILDROP c\n");
}

/* holds: POP-GEN-18 S, T-API-6 S */
static void substitute_is_held_to_the_same_rules(void **state) {
    static char line[1024];

    (void)state;
    h.config.max_bad_commands = 100;
    host_start_logged_in(&h);
    will_replace("NOOP", "");
    expect(&h, "NOOP\r\n", "-ERR unknown command\r\n");
    will_replace("NOOP", "STAT\r\nQUIT");
    expect(&h, "NOOP\r\n", "-ERR NUL, bare CR or bare LF in a line\r\n");
    memset(line, ' ', sizeof line - 1);
    memcpy(line, "STAT", 4);
    will_replace("NOOP", line);
    expect(&h, "NOOP\r\n", "-ERR line too long\r\n");
    line[1022] = '\0'; /* the longest with its CRLF */
    expect(&h, "NOOP\r\n", "-ERR wrong arguments\r\n");
    will_replace("(line too long)", "NOOP");
    say_line_of(5000, "NOOP ", 'x');
    assert_string_equal(host_heard(&h), "+OK nothing done\r\n");
}

/* holds: POP-AUTH-7 S, POP-AUTH-15 S */
static void substitute_for_auth_may_be_as_long_as_auth(void **state) {
    static char line[2000];

    (void)state;
    h.config.max_failed_logins = 100;
    start_and_skip_greeting();
    memset(line, 'A', sizeof line - 1);
    memcpy(line, "AUTH PLAIN ", 11);
    will_replace("CAPA", line);
    expect(&h, "CAPA\r\n", "-ERR malformed PLAIN message\r\n");
    memcpy(line, "USER aaaaa ", 11);
    expect(&h, "CAPA\r\n", "-ERR line too long\r\n");
    memset(line, 'A', 11);
    will_replace("****", line);
    expect(&h, "AUTH PLAIN\r\nx\r\n", "+ \r\n-ERR malformed PLAIN message\r\n");
}

static void change_its_mind(struct host *host, const poplin_session_line *line) {
    if (line->verb == POPLIN_NOOP) {
        assert_int_equal(poplin_session_substitute(host->session, SLICE("QUIT")), POPLIN_OK);
        assert_int_equal(poplin_session_substitute(host->session, SLICE("STAT")), POPLIN_OK);
    } else if (line->verb == POPLIN_RSET) {
        assert_int_equal(poplin_session_substitute(host->session, SLICE("QUIT")), POPLIN_OK);
        assert_int_equal(poplin_session_skip(host->session), POPLIN_OK);
        assert_int_equal(poplin_session_skip(host->session), POPLIN_ERR_STATE);
        assert_int_equal(poplin_session_substitute(host->session, SLICE("QUIT")), POPLIN_ERR_STATE);
    }
}

static void last_word_counts(void **state) {
    (void)state;
    h.heed = change_its_mind;
    host_start_logged_in(&h);
    expect_talk("NOOP\r\nRSET\r\nSTAT\r\n",
                "C: NOOP 0: NOOP\r\nS: +OK 2 52\r\nC: RSET 0: RSET\r\nS: \r\nC: STAT 0: STAT\r\nS: +OK 2 52\r\n");
}

static void only_a_line_that_was_told_of_can_be_changed(void **state) {
    (void)state;
    host_start_logged_in(&h);
    assert_int_equal(poplin_session_skip(h.session), POPLIN_ERR_STATE);
    assert_int_equal(poplin_session_substitute(h.session, SLICE("NOOP")), POPLIN_ERR_STATE);
    h.no_answer = true;
    host_say(&h, "RETR 1\r\n");
    assert_int_equal(poplin_session_skip(h.session), POPLIN_ERR_STATE);
    host_free(&h);

    host_init(&h);
    host_start_logged_in(&h);
    host_say(&h, "NOOP\r\n");
    assert_int_equal(poplin_session_skip(h.session), POPLIN_ERR_STATE);
    assert_int_equal(poplin_session_substitute(h.session, SLICE("NOOP")), POPLIN_ERR_STATE);
    assert_string_equal(host_talk(&h), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WATCHED_TEST(every_command_and_its_reply),
        WATCHED_TEST(lines_that_are_no_commands),
        WATCHED_TEST(line_is_given_as_it_came_or_not_at_all),
        WATCHED_TEST(authentication_is_told_step_by_step),
        WATCHED_TEST(illegal_response_is_one_still),
        WATCHED_TEST(what_lies_behind_a_line_is_told),
        WATCHED_TEST(reply_is_whole_only_when_all_of_it_was_put_out),
        WATCHED_TEST(nothing_is_replied_before_the_answer),
        WATCHED_TEST(reply_to_stls_is_told_before_tls_starts),
        WATCHED_TEST(last_reply_is_ended_by_the_end),
        WATCHED_TEST(line_that_was_told_of_is_not_carried_out_after_the_end),
        WATCHED_TEST(line_that_was_told_of_stays_lent),
        WATCHED_TEST(skipped_line_has_no_effect_and_no_reply),
        WATCHED_TEST(skipped_line_is_as_if_it_had_not_come),
        WATCHED_TEST(skipped_password_is_not_checked),
        WATCHED_TEST(line_that_is_too_long_can_be_skipped),
        WATCHED_TEST(other_line_is_carried_out_instead),
        WATCHED_TEST(credentials_are_substituted),
        WATCHED_TEST(substitute_is_held_to_the_same_rules),
        WATCHED_TEST(substitute_for_auth_may_be_as_long_as_auth),
        WATCHED_TEST(last_word_counts),
        WATCHED_TEST(only_a_line_that_was_told_of_can_be_changed),
    };

    return cmocka_run_group_tests_name("session watched", tests, NULL, NULL);
}
