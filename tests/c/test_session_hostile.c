/*
 * test_session_hostile.c - a session under clients and mail that mean harm: lines of every length and octet, words that
 * would be formats, mail of any shape, and two users at once.
 */
#include "session_host.h"

#include "wire/grammar.h"

/* ---- lines ---- */

static const char *const keywords[] = {"USER", "PASS", "AUTH", "STLS", "CAPA", "QUIT", "STAT", "LIST",
                                       "UIDL", "RETR", "TOP",  "DELE", "NOOP", "RSET", "APOP", "XTND"};

/* One line came back, which says no. */
static void assert_one_err(void) {
    const char *heard = host_heard(&h);

    assert_memory_equal(heard, "-ERR ", 5);
    assert_ptr_equal(strchr(heard, '\n'), heard + strlen(heard) - 1);
}

/* holds: T-RES-3 S, POP-GEN-6 S */
static void arguments_of_any_length(void **state) {
    static const size_t sizes[] = {254, 255, 256, 257, 511, 512, 513, 807, 1023, 1024, 1025, 1026, 4096, 12288, 65536};

    (void)state;
    for (int logged_in = 0; logged_in < 2; logged_in++) {
        host_init(&h);
        h.config.max_bad_commands = 1000;
        h.config.watched = logged_in == 1;
        host_start(&h);
        host_say(&h, logged_in ? "USER alice\r\nPASS secret\r\n" : "CAPA\r\n");
        host_heard(&h);
        for (size_t i = 0; i < COUNT_OF(keywords); i++)
            for (size_t j = 0; j < COUNT_OF(sizes); j++) {
                char start[16];

                if (!logged_in && strcmp(keywords[i], "USER") == 0 && sizes[j] <= 1024)
                    continue; /* a long name is one all the same */
                snprintf(start, sizeof start, "%s ", keywords[i]);
                say_line_of(sizes[j], start, 'x');
                assert_one_err();
            }
        expect(&h, "NOOP\r\n", logged_in ? "+OK nothing done\r\n" : "-ERR log in first\r\n");
        host_events(&h);
        host_free(&h);
    }
    host_init(&h);
    start_and_skip_greeting();
}

/* holds: T-RES-3 S, T-USR-2 S */
static void name_of_a_thousand_octets_is_asked_for_whole(void **state) {
    (void)state;
    h.no_answer = true;
    start_and_skip_greeting();
    say_line_of(1000, "USER ", 'u');
    say_line_of(1000, "PASS ", 'p');
    assert_int_equal(h.asked.kind, POPLIN_SESSION_CHECK);
    assert_int_equal(h.asked.user.size, 1000 - 7);
    assert_int_equal(h.asked.password.size, 1000 - 7);
}

/* holds: T-RES-6 S, POP-GEN-18 S */
static void every_octet_alone_and_in_a_command(void **state) {
    static const char command[] = "RETR 1\r\n";

    (void)state;
    h.config.max_bad_commands = 100000;
    h.config.watched = true;
    host_start_logged_in(&h);
    for (unsigned octet = 0; octet < 256; octet++) {
        const char alone[] = {(char)octet, '\r', '\n'};

        host_feed(&h, alone, sizeof alone);
        assert_one_err();
        for (size_t place = 0; place < strlen(command) - 2; place++) {
            char line[sizeof command];
            poplin_parsed_command parsed;

            memcpy(line, command, sizeof line);
            line[place] = (char)octet;
            if (poplin_command_parse((poplin_slice){line, strlen(command) - 2}, &parsed) == POPLIN_OK &&
                parsed.number <= h.count)
                continue;
            host_feed(&h, line, strlen(command));
            assert_one_err();
        }
    }
    assert_string_equal(host_events(&h), "");
    expect(&h, "NOOP\r\n", "+OK nothing done\r\n");
}

/* holds: T-RES-5 S, T-USR-2 S */
static void words_are_never_formats(void **state) {
    static const char formats[] = "%s%n%x%1000000c%p";
    char line[64];

    (void)state;
    h.config.greeting = formats;
    h.config.max_bad_commands = 1000;
    h.config.watched = true;
    h.check_status = POPLIN_ERR_AUTH;
    h.words = formats;
    host_start(&h);
    host_pump(&h);
    assert_string_equal(host_heard(&h), "+OK %s%n%x%1000000c%p\r\n");
    for (size_t i = 0; i < COUNT_OF(keywords); i++) {
        bool user = strcmp(keywords[i], "USER") == 0;

        snprintf(line, sizeof line, "%s %s\r\n", keywords[i], formats);
        host_say(&h, line);
        if (strcmp(keywords[i], "PASS") == 0)
            assert_string_equal(host_heard(&h), "-ERR [AUTH] %s%n%x%1000000c%p\r\n");
        else if (user)
            assert_string_equal(host_heard(&h), "+OK send PASS\r\n");
        else
            assert_one_err();
        assert_non_null(strstr(host_talk(&h), user ? "USER %s%n%x%1000000c%p\r\n" : " ****\r\n"));
    }
    snprintf(line, sizeof line, "%s\r\n", formats);
    expect(&h, line, "-ERR unknown command\r\n");
    expect(&h, "AUTH PLAIN\r\n%s%n\r\n", "+ \r\n-ERR malformed PLAIN message\r\n");
    assert_string_equal(host_events(&h), "CHECK %s%n%x%1000000c%p %s%n%x%1000000c%p USER\n");
    assert_int_equal(poplin_session_abort(h.session, POPLIN_ERR_IO, formats), POPLIN_OK);
    host_pump(&h);
    assert_string_equal(h.closed.error->reason, formats);
}

/* ---- mail ---- */

/* A message that is made as it is read: a pattern again and again, then an end. */
struct endless {
    const char *pattern;
    uint64_t times;
    const char *end;
};

enum { PIECE = 65536 };

/* Sends the message to nobody: counts the octets that came out, and looks at what is kept meanwhile. */
static uint64_t octets_sent(const char *command, const struct endless *message) {
    static char piece[PIECE];
    size_t size = strlen(message->pattern), repeated = PIECE / size;
    uint64_t left = message->times, sent = 0;
    poplin_session_event event;
    int result;

    for (size_t i = 0; i < repeated; i++)
        memcpy(piece + i * size, message->pattern, size);
    assert_int_equal(poplin_session_input(h.session, command, strlen(command)), POPLIN_OK);
    while ((result = poplin_session_next(h.session, &event)) != POPLIN_NEED_INPUT) {
        const char *data;
        size_t kept;

        poplin_session_output(h.session, &data, &kept);
        assert_in_range(kept, 0, h.config.max_output + 512);
        if (result == POPLIN_WAITING) {
            sent += kept;
            poplin_session_sent(h.session, kept);
        } else if (event.kind == POPLIN_SESSION_BODY && left > 0) {
            size_t now = left < repeated ? (size_t)left : repeated;

            left -= now;
            assert_int_equal(poplin_session_body(h.session, event.question, piece, now * size, false), POPLIN_OK);
        } else if (event.kind == POPLIN_SESSION_BODY) {
            assert_int_equal(poplin_session_body(h.session, event.question, message->end, strlen(message->end), true),
                             POPLIN_OK);
        }
    }
    const char *data;
    size_t rest;

    poplin_session_output(h.session, &data, &rest);
    poplin_session_sent(h.session, rest);
    return sent + rest;
}

#define REPLY (sizeof "+OK message follows\r\n" - 1)
#define TOP_REPLY (sizeof "+OK top of message follows\r\n" - 1)
#define TERMINATOR 3

static const struct host_message unknown[] = {{"unknown", NULL, POPLIN_OCTETS_UNKNOWN}};

static void start_with_unknown(void) {
    h.messages = unknown;
    h.count = COUNT_OF(unknown);
    h.config.max_output = 16384;
    host_start_logged_in(&h);
}

/* holds: T-RES-7 S, POP-SIZE-1 S */
static void million_lines_and_a_line_of_a_hundred_million_octets(void **state) {
    static const struct endless lines = {".\n", 1000000, "end"}, one_line = {"xxxxxxxxxx", 10000000, ""};

    (void)state;
    start_with_unknown();
    assert_int_equal(octets_sent("RETR 1\r\n", &lines), REPLY + 1000000 * 4 + 5 + TERMINATOR);
    expect(&h, "LIST 1\r\n", "+OK 1 3000005\r\n");
    host_free(&h);

    host_init(&h);
    start_with_unknown();
    assert_int_equal(octets_sent("RETR 1\r\n", &one_line), REPLY + 100000000 + 2 + TERMINATOR);
    expect(&h, "STAT\r\n", "+OK 1 100000002\r\n");
}

/* holds: T-RES-7 S, POP-TOP-1 S */
static void million_headers_go_through_top(void **state) {
    static const struct endless headers = {"A: b\r\n", 1000000, "\r\n1\r\n2\r\n"},
                                folded = {" \t\n", 1000000, "\n1\n2\n"};

    (void)state;
    start_with_unknown();
    assert_int_equal(octets_sent("TOP 1 1\r\n", &headers), TOP_REPLY + 1000000 * 6 + 2 + 3 + TERMINATOR);
    assert_int_equal(octets_sent("TOP 1 0\r\n", &folded), TOP_REPLY + 1000000 * 4 + 2 + TERMINATOR);
}

/* holds: T-RES-7 S */
static void nested_mime_is_octets(void **state) {
    static const struct endless nested = {"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n", 100000,
                                          "--a--\r\n"};
    const size_t level = strlen(nested.pattern);

    (void)state;
    start_with_unknown();
    assert_int_equal(octets_sent("RETR 1\r\n", &nested), REPLY + 100000 * level + 7 + TERMINATOR);
    assert_int_equal(octets_sent("TOP 1 3\r\n", &nested), TOP_REPLY + level + 43 + 2 + TERMINATOR);
}

/* ---- users ---- */

static void assert_asks(struct host *host, const char *user, const char *password) {
    assert_int_equal(host->asked.kind, POPLIN_SESSION_CHECK);
    assert_int_equal(host->asked.user.size, strlen(user));
    assert_memory_equal(host->asked.user.data, user, strlen(user));
    assert_int_equal(host->asked.password.size, strlen(password));
    assert_memory_equal(host->asked.password.data, password, strlen(password));
}

/* holds: T-SEC-3 S, POP-USER-2 S */
static void failed_login_leaves_nothing_to_the_next(void **state) {
    (void)state;
    h.config.max_failed_logins = 100;
    h.check_status = POPLIN_ERR_AUTH;
    start_and_skip_greeting();
    host_say(&h, "USER alice\r\nPASS good\r\nAUTH PLAIN AGJvYgBiYWQ=\r\nUSER bob\r\nPASS good\r\n");
    assert_string_equal(host_events(&h), "CHECK alice good USER\nCHECK bob bad PLAIN\nCHECK bob good USER\n");
    h.check_status = POPLIN_OK;
    h.maildrop_status = POPLIN_ERR_IN_USE; /* a password that was good once is asked for again */
    host_say(&h, "USER alice\r\nPASS good\r\nUSER alice\r\nPASS bad\r\n");
    assert_string_equal(host_events(&h),
                        "CHECK alice good USER\nMAILDROP alice\nCHECK alice bad USER\nMAILDROP alice\n");
}

/* holds: T-SEC-3 S */
static void two_sessions_share_nothing(void **state) {
    struct host other;

    (void)state;
    host_init(&other);
    h.no_answer = other.no_answer = true;
    host_start(&h);
    host_start(&other);
    host_say(&h, "USER alice\r\n");
    host_say(&other, "USER bob\r\n");
    host_say(&other, "PASS bob's\r\n");
    host_say(&h, "PASS alice's\r\n");
    assert_asks(&h, "alice", "alice's");
    assert_asks(&other, "bob", "bob's");
    answer(&h);
    host_pump(&h);
    assert_int_equal(h.asked.kind, POPLIN_SESSION_MAILDROP);
    open_maildrop(&h, h.asked.question);
    host_pump(&h);
    assert_int_equal(poplin_session_phase(h.session), POPLIN_TRANSACTION);
    assert_int_equal(poplin_session_phase(other.session), POPLIN_AUTHORIZATION);
    other.check_status = POPLIN_ERR_AUTH;
    answer(&other);
    host_pump(&other);
    host_heard(&other);
    expect(&other, "STAT\r\n", "-ERR log in first\r\n");
    host_heard(&h);
    expect(&h, "DELE 1\r\n", "+OK message 1 marked\r\n");
    host_free(&other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(arguments_of_any_length, tear_down),
        SESSION_TEST(name_of_a_thousand_octets_is_asked_for_whole),
        SESSION_TEST(every_octet_alone_and_in_a_command),
        SESSION_TEST(words_are_never_formats),
        SESSION_TEST(million_lines_and_a_line_of_a_hundred_million_octets),
        SESSION_TEST(million_headers_go_through_top),
        SESSION_TEST(nested_mime_is_octets),
        SESSION_TEST(failed_login_leaves_nothing_to_the_next),
        SESSION_TEST(two_sessions_share_nothing),
    };

    return cmocka_run_group_tests_name("session hostile", tests, NULL, NULL);
}
