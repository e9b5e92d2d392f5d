/*
 * test_wire.c - the grammar: buffers, lines, commands, replies, listings, statuses in words.
 */
#include "support.h"

#include "wire/grammar.h"
#include "wire/line.h"

#include <stdio.h>

#define assert_slice(slice, string) assert_text(slice, SLICE(string))

static void assert_text(poplin_slice got, poplin_slice wanted) {
    if (!poplin_slice_equal(got, wanted))
        fail_msg("got \"%.*s\", not \"%.*s\"", (int)got.size, got.data, (int)wanted.size, wanted.data);
}

/* ---- buffers ---- */

static void buffer_keeps_octets_in_order(void **state) {
    (void)state;
    poplin_buffer buffer = {0};
    unsigned char next_in = 0, next_out = 0;
    uint64_t seed = 1;
    for (int round = 0; round < 2000; round++) {
        for (size_t n = random_below(&seed, 40); n > 0; n--, next_in++)
            assert_int_equal(poplin_buffer_append(&buffer, &next_in, 1), POPLIN_OK);
        size_t consumed = random_below(&seed, buffer.size + 1);
        poplin_slice live = poplin_buffer_slice(&buffer);
        for (size_t i = 0; i < consumed; i++)
            assert_int_equal((unsigned char)live.data[i], next_out++);
        poplin_buffer_consume(&buffer, consumed);
    }
    poplin_buffer_free(&buffer);
    assert_null(poplin_buffer_slice(&buffer).data);
}

/* holds: T-SEC-2 B */
static void cleared_buffer_holds_nothing_of_a_secret(void **state) {
    (void)state;
    poplin_buffer buffer = {0};
    poplin_buffer_append(&buffer, "PASS hunter2", 12);
    poplin_buffer_consume(&buffer, 12);
    poplin_buffer_clear(&buffer);
    for (size_t i = 0; i < buffer.capacity; i++)
        assert_int_equal(buffer.memory[i], 0);
    poplin_buffer_free(&buffer);
}

static void buffer_refuses_an_impossible_size(void **state) {
    (void)state;
    poplin_buffer buffer = {0};
    poplin_buffer_append(&buffer, "x", 1);
    assert_null(poplin_buffer_reserve(&buffer, SIZE_MAX));
    assert_null(poplin_buffer_reserve(&buffer, SIZE_MAX / 2 + 2));
    assert_slice(poplin_buffer_slice(&buffer), "x");
    poplin_buffer_free(&buffer);
}

/* ---- lines ---- */

/* Appends what the reader makes of octets: lines in brackets, L for a line over the limit, P before a bad one. */
static void read_lines(poplin_line_reader *reader, const char *data, size_t size, poplin_buffer *seen) {
    char *copy = malloc(size > 0 ? size : 1); /* its own block, so that the sanitizer sees a step too far */
    memcpy(copy, data, size);
    const char *cursor = copy;
    poplin_slice line;
    int result;
    while ((result = poplin_line_take(reader, &cursor, copy + size, &line)) != POPLIN_NEED_INPUT) {
        if (result == POPLIN_ERR_LIMIT) {
            poplin_buffer_append(seen, "L", 1);
            continue;
        }
        if (result == POPLIN_ERR_PROTOCOL)
            poplin_buffer_append(seen, "P", 1);
        else
            assert_int_equal(result, POPLIN_OK);
        poplin_buffer_append(seen, "[", 1);
        poplin_buffer_append(seen, line.data, line.size);
        poplin_buffer_append(seen, "]", 1);
    }
    assert_ptr_equal(cursor, copy + size);
    free(copy);
}

/* Reads text cut at these places, and compares. */
static void assert_lines(poplin_slice text, poplin_line_reader reader, const size_t *cuts, size_t count,
                         poplin_slice wanted) {
    poplin_buffer seen = {0};
    size_t from = 0;
    for (size_t i = 0; i <= count; i++) {
        size_t to = i < count ? cuts[i] : text.size;
        read_lines(&reader, text.data + from, to - from, &seen);
        from = to;
    }
    assert_text(poplin_buffer_slice(&seen), wanted);
    poplin_line_free(&reader);
    poplin_buffer_free(&seen);
}

static void assert_read_however_cut(poplin_slice text, poplin_line_reader reader, poplin_slice wanted) {
    size_t every[128];
    assert_lines(text, reader, NULL, 0, wanted);
    for (size_t cut = 0; cut <= text.size; cut++)
        assert_lines(text, reader, &cut, 1, wanted);
    for (size_t i = 0; i < text.size; i++)
        every[i] = i + 1;
    assert_lines(text, reader, every, text.size, wanted);
}

static void assert_lines_however_cut(poplin_slice text, size_t limit, poplin_slice wanted) {
    assert_read_however_cut(text, (poplin_line_reader){.limit = limit}, wanted);
}

/* holds: T-FRM-5 C, POP-ML-5 C */
static void lines_are_the_same_however_cut(void **state) {
    (void)state;
    assert_lines_however_cut(SLICE("+OK\r\n\r\n-ERR no\r\nrest"), 100, SLICE("[+OK][][-ERR no]"));
}

/* holds: POP-GEN-18 B, T-FRM-10 C, T-FRM-11 C */
static void only_crlf_ends_a_line(void **state) {
    (void)state;
    assert_lines_however_cut(SLICE("a\nb\r\nc\rd\r\n\ne\r\n\r\r\n"), 100, SLICE("P[a\nb]P[c\rd]P[\ne]P[\r]"));
    assert_lines_however_cut(SLICE("a\0b\r\nc\r\n"), 100, SLICE("P[a\0b][c]"));
    assert_lines_however_cut(SLICE("\n\r\nx\r\n"), 100, SLICE("P[\n][x]"));
}

/* holds: T-FRM-11 C */
static void who_is_impatient_waits_for_no_crlf_behind_a_bare_lf(void **state) {
    (void)state;
    const poplin_line_reader reader = {.limit = 8, .impatient = true};
    assert_read_however_cut(SLICE("a\r\n\r\nb\r\nrest"), reader, SLICE("[a][][b]"));
    assert_read_however_cut(SLICE("a\n"), reader, SLICE("P[a\n]"));
    assert_read_however_cut(SLICE("\n"), reader, SLICE("P[\n]"));
    assert_read_however_cut(SLICE("a\nb\r\nc\rd\r\n\r\r\n"), reader, SLICE("P[a\n][b]P[c\rd]P[\r]"));
    assert_read_however_cut(SLICE("1234567\n"), reader, SLICE("P[1234567\n]"));
    assert_read_however_cut(SLICE("12345678\n\r\nok\r\n"), reader, SLICE("L[ok]"));
}

/* holds: T-FRM-1 C, POP-GEN-6 S, POP-GEN-12 C */
static void line_over_the_limit_is_swallowed_whole(void **state) {
    (void)state;
    assert_lines_however_cut(SLICE("123456\r\nok\r\n"), 8, SLICE("[123456][ok]"));
    assert_lines_however_cut(SLICE("1234567\r\nok\r\n"), 8, SLICE("L[ok]"));
    assert_lines_however_cut(SLICE("1234567890\r2345\n789\r\r\nok\r\n"), 8, SLICE("L[ok]"));
    assert_lines_however_cut(SLICE("12345678901234567890"), 8, SLICE("L"));
}

/* ---- numbers and words ---- */

static int take(const char *string, uint64_t max, uint64_t *number) {
    poplin_slice text = poplin_slice_of(string);
    return poplin_number_take(&text, max, number);
}

/* holds: POP-GEN-19 B, T-NUM-1 C */
static void numbers_are_plain_digits_in_range(void **state) {
    (void)state;
    uint64_t number = 0;
    static const char *const bad[] = {
        "", "+1", "-1", "01", "00", " 1", "x1", "18446744073709551616", "99999999999999999999999", "\xD9\xA1"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(take(bad[i], UINT64_MAX, &number), POPLIN_ERR_PROTOCOL);
    assert_int_equal(take("0", 0, &number), POPLIN_OK);
    assert_int_equal(take("18446744073709551615", UINT64_MAX, &number), POPLIN_OK);
    assert_true(number == UINT64_MAX);
    assert_int_equal(take("2147483647", POPLIN_NUMBER_MAX, &number), POPLIN_OK);
    assert_int_equal(take("2147483648", POPLIN_NUMBER_MAX, &number), POPLIN_ERR_PROTOCOL);
    assert_int_equal(take("9223372036854775808", INT64_MAX, &number), POPLIN_ERR_PROTOCOL);
    assert_int_equal(take("7", 6, &number), POPLIN_ERR_PROTOCOL);

    poplin_slice text = SLICE("12 x");
    assert_int_equal(poplin_number_take(&text, 99, &number), POPLIN_OK);
    assert_true(number == 12);
    assert_slice(text, " x");
}

static void words_compare_by_octets_or_by_letters(void **state) {
    (void)state;
    assert_true(poplin_slice_equal((poplin_slice){NULL, 0}, SLICE("")));
    assert_false(poplin_slice_equal(SLICE("a"), SLICE("A")));
    assert_true(poplin_slice_equal_nocase(SLICE("sys/Temp"), "SYS/TEMP"));
    assert_false(poplin_slice_equal_nocase(SLICE("SYS"), "SYS/TEMP"));
    assert_false(poplin_slice_equal_nocase(SLICE("SYS/TEMP2"), "SYS/TEMP"));
    assert_false(poplin_slice_equal_nocase(SLICE("\xE1"), "\xC1"));
}

/* holds: T-TXT-1 C */
static void peer_words_are_made_visible_and_cut(void **state) {
    (void)state;
    char text[64], small[8];
    poplin_visible(SLICE("a\x1B[31m\0\r\n%s\xC3\xA9~"), text, sizeof text);
    assert_string_equal(text, "a\\x1B[31m\\x00\\x0D\\x0A%s\\xC3\\xA9~");
    poplin_visible(SLICE("1234567890"), small, sizeof small);
    assert_string_equal(small, "1234567");
    poplin_visible(SLICE("12345\x01"), small, sizeof small);
    assert_string_equal(small, "12345");
    assert_string_equal(poplin_visible_end("1234567890", 7), "4567890");
    assert_string_equal(poplin_visible_end("1234\xC3\xA9\n67", 13), "\xA9\n67");
    assert_string_equal(poplin_visible_end("1234\xC3\xA9\n67", 14), "\xC3\xA9\n67");
    assert_string_equal(poplin_visible_end("1234", 100), "1234");
    assert_string_equal(poplin_visible_end("\xC3", 3), "");
}

/* ---- commands ---- */

static int parse(poplin_slice line, poplin_parsed_command *command) {
    return poplin_command_parse(line, command);
}

static void commands_parse(void **state) {
    (void)state;
    poplin_parsed_command command;
    assert_int_equal(parse(SLICE("retr 3"), &command), POPLIN_OK);
    assert_int_equal(command.verb, POPLIN_RETR);
    assert_int_equal(command.number, 3);
    assert_int_equal(parse(SLICE("ToP 2147483647 0"), &command), POPLIN_OK);
    assert_int_equal(command.number, POPLIN_NUMBER_MAX);
    assert_int_equal(command.lines, 0);
    assert_int_equal(parse(SLICE("LIST"), &command), POPLIN_OK);
    assert_int_equal(command.number, 0);
    assert_int_equal(parse(SLICE("UIDL 7"), &command), POPLIN_OK);
    assert_int_equal(command.number, 7);
    assert_int_equal(parse(SLICE("USER alice@example.org"), &command), POPLIN_OK);
    assert_slice(command.argument, "alice@example.org");
}

/* holds: POP-PASS-2 S */
static void password_is_the_rest_of_the_line(void **state) {
    (void)state;
    poplin_parsed_command command;
    assert_int_equal(parse(SLICE("USER \xC3\xA9"), &command),
                     POPLIN_OK); /* whether it may be said, the session knows */
    assert_slice(command.argument, "\xC3\xA9");
    assert_int_equal(parse(SLICE("LANG de-AT"), &command), POPLIN_OK);
    assert_slice(command.argument, "de-AT");
    assert_int_equal(parse(SLICE("LANG"), &command), POPLIN_OK);
    assert_int_equal(command.argument.size, 0);
    assert_int_equal(parse(SLICE("PASS  two  words \x80 "), &command), POPLIN_OK);
    assert_slice(command.argument, " two  words \x80 ");
    assert_int_equal(parse(SLICE("PASS"), &command), POPLIN_ERR_PROTOCOL);
    assert_int_equal(parse(SLICE("PASS "), &command), POPLIN_ERR_PROTOCOL);
}

/* holds: POP-AUTH-3 B, POP-AUTH-5 B */
static void auth_parses(void **state) {
    (void)state;
    poplin_parsed_command command;
    assert_int_equal(parse(SLICE("AUTH plain"), &command), POPLIN_OK);
    assert_slice(command.argument, "plain");
    assert_null(command.initial.data);
    assert_int_equal(parse(SLICE("AUTH EXTERNAL ="), &command), POPLIN_OK);
    assert_slice(command.initial, "=");
    static const char *const bad[] = {"AUTH",        "AUTH ",          "AUTH PLAIN ",
                                      "AUTH PL.AIN", "AUTH PLAIN a b", "AUTH A23456789B123456789C1"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(parse(poplin_slice_of(bad[i]), &command), POPLIN_ERR_PROTOCOL);
}

/* holds: POP-GEN-15 S, T-NUM-7 S, T-RES-6 S */
static void bad_commands_are_told_from_unknown_ones(void **state) {
    (void)state;
    poplin_parsed_command command;
    static const char *const bad[] = {
        "NOOP x",          "STAT 1",  "QUIT ",    "RETR",     "RETR ",     "RETR 0",    "RETR -1",
        "RETR 1 2",        "RETR  1", "RETR 1 ",  "RETR x",   "RETR 1x",   "RETR 01",   "RETR\t1",
        "DELE abc",        "TOP",     "TOP 1",    "TOP 1 -1", "TOP 1 2 3", "LIST ",     "LIST 0",
        "UIDL x",          "USER",    "USER a b", "USER ",    "USER a\tb", "USER \x7F", "RETR 99999999999999999999",
        "RETR 2147483648", "CAPA ",   "STLS now", "TOP 1  0", "RSET 1"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        int wanted = strncmp(bad[i], "RETR\t", 5) == 0 ? POPLIN_ERR_UNSUPPORTED : POPLIN_ERR_PROTOCOL;
        assert_int_equal(parse(poplin_slice_of(bad[i]), &command), wanted);
    }
    static const char *const unknown[] = {"",       " ",    " RETR 1", "X",     ":",       "LAST",
                                          "RPOP a", "XTND", "RETRX 1", "RET 1", "\x80\xFF"};
    for (size_t i = 0; i < COUNT_OF(unknown); i++)
        assert_int_equal(parse(poplin_slice_of(unknown[i]), &command), POPLIN_ERR_UNSUPPORTED);
}

/* holds: POP-GEN-3 C */
static void commands_are_written_plainly(void **state) {
    (void)state;
    static const struct {
        poplin_parsed_command command;
        const char *line;
    } cases[] = {
        {{.verb = POPLIN_NOOP}, "NOOP\r\n"},
        {{.verb = POPLIN_LIST}, "LIST\r\n"},
        {{.verb = POPLIN_LIST, .number = 10}, "LIST 10\r\n"},
        {{.verb = POPLIN_RETR, .number = POPLIN_NUMBER_MAX}, "RETR 2147483647\r\n"},
        {{.verb = POPLIN_TOP, .number = 1}, "TOP 1 0\r\n"},
        {{.verb = POPLIN_PASS, .argument = {" a b ", 5}}, "PASS  a b \r\n"},
        {{.verb = POPLIN_AUTH, .argument = {"PLAIN", 5}}, "AUTH PLAIN\r\n"},
        {{.verb = POPLIN_AUTH, .argument = {"PLAIN", 5}, .initial = {"AAA=", 4}}, "AUTH PLAIN AAA=\r\n"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        poplin_buffer output = {0};
        assert_int_equal(poplin_command_write(&output, &cases[i].command), POPLIN_OK);
        assert_text(poplin_buffer_slice(&output), poplin_slice_of(cases[i].line));
        poplin_buffer_free(&output);
    }
}

static void verbs_have_names_both_ways(void **state) {
    (void)state;
    for (unsigned verb = POPLIN_NO_VERB + 1; verb < POPLIN_VERB_COUNT; verb++)
        assert_int_equal(poplin_verb_parse(poplin_slice_of(poplin_verb_name((enum poplin_verb)verb))), verb);
    assert_string_equal(poplin_verb_name(POPLIN_VERB_COUNT), "?");
    assert_string_equal(poplin_verb_name(POPLIN_NO_VERB), "?");
    assert_int_equal(poplin_verb_parse(SLICE("?")), POPLIN_NO_VERB);
}

/* ---- replies ---- */

/* holds: POP-GEN-8 C, POP-GEN-9 C, T-FRM-13 C */
static void indicators_are_exact(void **state) {
    (void)state;
    poplin_status_line status;
    assert_int_equal(poplin_status_parse(SLICE("+OK"), &status), POPLIN_OK);
    assert_true(status.ok);
    assert_slice(status.text, "");
    assert_int_equal(poplin_status_parse(SLICE("+OK "), &status), POPLIN_OK);
    assert_int_equal(poplin_status_parse(SLICE("-ERR no  such"), &status), POPLIN_OK);
    assert_false(status.ok);
    assert_slice(status.text, "no  such");
    static const char *const bad[] = {"",       "+ok",       "+OKAY", "+OK\tx", "OK",  "-err", "-ERROR x", "*ERR",
                                      "220 hi", "SSH-2.0-x", " +OK",  "+O",     "-ER", "-",    "+x"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(poplin_status_parse(poplin_slice_of(bad[i]), &status), POPLIN_ERR_PROTOCOL);
}

static void challenges_are_told_apart(void **state) {
    (void)state;
    poplin_status_line status;
    assert_int_equal(poplin_status_parse(SLICE("+ abc="), &status), POPLIN_OK);
    assert_true(status.challenge);
    assert_false(status.ok);
    assert_slice(status.text, "abc=");
    assert_int_equal(poplin_status_parse(SLICE("+ "), &status), POPLIN_OK);
    assert_true(status.challenge && status.text.data != NULL && status.text.size == 0);
    assert_int_equal(poplin_status_parse(SLICE("+"), &status), POPLIN_OK);
    assert_true(status.challenge && status.text.data == NULL);
}

/* holds: POP-RESP-1 S, POP-RESP-2 C */
static void response_codes_parse(void **state) {
    (void)state;
    static const struct {
        const char *line;
        enum poplin_code code;
        const char *rest;
    } cases[] = {
        {"-ERR [IN-USE] busy", POPLIN_CODE_IN_USE, "busy"},
        {"-ERR [in-use]", POPLIN_CODE_IN_USE, ""},
        {"-ERR [SYS/TEMP/DISK] full", POPLIN_CODE_SYS_TEMP, "full"},
        {"-ERR [Sys/Perm] x", POPLIN_CODE_SYS_PERM, "x"},
        {"-ERR [AUTH/X]no space", POPLIN_CODE_AUTH, "no space"},
        {"-ERR [LOGIN-DELAY] x", POPLIN_CODE_LOGIN_DELAY, "x"},
        {"-ERR [UTF8] x", POPLIN_CODE_UTF8, "x"},
        {"-ERR [SYS] x", POPLIN_CODE_NONE, "[SYS] x"},
        {"-ERR [SYS/TEMPO] x", POPLIN_CODE_NONE, "[SYS/TEMPO] x"},
        {"-ERR [X-OURS] x", POPLIN_CODE_NONE, "[X-OURS] x"},
        {"-ERR x [AUTH]", POPLIN_CODE_NONE, "x [AUTH]"},
        {"-ERR [AUTH", POPLIN_CODE_NONE, "[AUTH"},
        {"-ERR []", POPLIN_CODE_NONE, "[]"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        poplin_status_line status;
        assert_int_equal(poplin_status_parse(poplin_slice_of(cases[i].line), &status), POPLIN_OK);
        assert_int_equal(status.code, cases[i].code);
        assert_text(status.rest, poplin_slice_of(cases[i].rest));
    }
}

static void codes_become_statuses(void **state) {
    (void)state;
    assert_int_equal(poplin_code_status(POPLIN_CODE_NONE), POPLIN_ERR_REFUSED);
    assert_int_equal(poplin_code_status(POPLIN_CODE_LOGIN_DELAY), POPLIN_ERR_TEMPORARY);
    assert_int_equal(poplin_code_status(POPLIN_CODE_AUTH), POPLIN_ERR_AUTH);
    assert_string_equal(poplin_code_text(POPLIN_CODE_SYS_PERM), "SYS/PERM");
    assert_null(poplin_code_text(POPLIN_CODE_NONE));
}

/* holds: POP-STAT-2 C, POP-LIST-2 C, T-NUM-1 C */
static void listings_parse(void **state) {
    (void)state;
    uint32_t number;
    uint64_t octets;
    assert_int_equal(poplin_stat_parse(SLICE("0 0"), &number, &octets), POPLIN_OK);
    assert_int_equal(poplin_stat_parse(SLICE("2 9223372036854775807 and more"), &number, &octets), POPLIN_OK);
    assert_int_equal(number, 2);
    assert_true(octets == INT64_MAX);
    assert_int_equal(poplin_listing_parse(SLICE("1 120 x"), &number, &octets), POPLIN_OK);
    static const char *const bad[] = {"",      "1",    "1 ",           " 1 2",         "1  2",
                                      "1\t2",  "+1 2", "1 +2",         "1 -2",         "1 0x2",
                                      "1 2.0", "1 2x", "4294967296 1", "2147483648 1", "1 9223372036854775808",
                                      "01 2",  "1 02", "\xD9\xA1 2"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(poplin_stat_parse(poplin_slice_of(bad[i]), &number, &octets), POPLIN_ERR_PROTOCOL);
        assert_int_equal(poplin_listing_parse(poplin_slice_of(bad[i]), &number, &octets), POPLIN_ERR_PROTOCOL);
    }
    assert_int_equal(poplin_listing_parse(SLICE("0 1"), &number, &octets), POPLIN_ERR_PROTOCOL);
}

/* holds: POP-UIDL-4 C, T-UID-1 C, T-UID-2 C */
static void unique_ids_parse(void **state) {
    (void)state;
    uint32_t number;
    poplin_slice id;
    char line[600];
    assert_int_equal(poplin_unique_id_parse(SLICE("7 whqtswO00WBw418f9t5JxYwZ"), true, &number, &id), POPLIN_OK);
    assert_int_equal(number, 7);
    assert_slice(id, "whqtswO00WBw418f9t5JxYwZ");
    for (size_t size = 68; size < 520; size++) {
        snprintf(line, sizeof line, "1 %0*d", (int)size, 0);
        assert_int_equal(poplin_unique_id_parse(poplin_slice_of(line), true, &number, &id) == POPLIN_OK, size <= 70);
        assert_int_equal(poplin_unique_id_parse(poplin_slice_of(line), false, &number, &id) == POPLIN_OK, size <= 512);
    }
    assert_int_equal(poplin_unique_id_parse(SLICE("1 \xC3\xA9"), false, &number, &id), POPLIN_OK);
    assert_int_equal(poplin_unique_id_parse(SLICE("1 \xC3\xA9"), true, &number, &id), POPLIN_ERR_PROTOCOL);
    static const char *const bad[] = {"1",    "1 ",      "",        "0 x",    "1 a b", "1 a ",
                                      "1  a", "1 a\x1B", "1 a\x7F", "1 a\tb", "x y"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(poplin_unique_id_parse(poplin_slice_of(bad[i]), false, &number, &id), POPLIN_ERR_PROTOCOL);
}

/* holds: POP-UIDL-1 S */
static void valid_unique_ids(void **state) {
    (void)state;
    assert_true(poplin_unique_id_valid(SLICE("!~")));
    assert_false(poplin_unique_id_valid(SLICE("")));
    assert_false(poplin_unique_id_valid(SLICE("a b")));
    assert_false(poplin_unique_id_valid(SLICE("a\x7F")));
}

/* ---- statuses in words ---- */

static void statuses_have_names_and_phrases(void **state) {
    (void)state;
    assert_string_equal(poplin_status_name(POPLIN_ERR_TIMEOUT), "TIMEOUT");
    assert_string_equal(poplin_status_name(POPLIN_OK), "OK");
    assert_null(poplin_status_name(-99));
    assert_string_equal(poplin_status_text(POPLIN_ERR_TIMEOUT), "the time allowed ran out");
    assert_string_equal(poplin_status_text(99), "unknown status");
    assert_string_equal(poplin_version(), "0.1.0");
}

static void errors_are_put_into_words(void **state) {
    (void)state;
    char text[256], small[10];
    poplin_error error = {.status = POPLIN_ERR_CLOSED,
                          .doing = "RETR 3",
                          .host = "mail.example.org:995",
                          .reason = "the connection was closed",
                          .peer = "bye"};
    size_t size = poplin_error_format(&error, text, sizeof text);
    assert_string_equal(text, "RETR 3 at mail.example.org:995: the connection was closed; the peer said: bye");
    assert_int_equal(size, strlen(text));
    assert_int_equal(poplin_error_format(&error, small, sizeof small), 9);
    assert_string_equal(small, "RETR 3 at");
    assert_int_equal(poplin_error_format(&error, NULL, 0), 0);
    poplin_error bare = {.status = POPLIN_ERR_TIMEOUT};
    poplin_error_format(&bare, text, sizeof text);
    assert_string_equal(text, "the time allowed ran out");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_keeps_octets_in_order),
        cmocka_unit_test(cleared_buffer_holds_nothing_of_a_secret),
        cmocka_unit_test(buffer_refuses_an_impossible_size),
        cmocka_unit_test(lines_are_the_same_however_cut),
        cmocka_unit_test(only_crlf_ends_a_line),
        cmocka_unit_test(who_is_impatient_waits_for_no_crlf_behind_a_bare_lf),
        cmocka_unit_test(line_over_the_limit_is_swallowed_whole),
        cmocka_unit_test(numbers_are_plain_digits_in_range),
        cmocka_unit_test(words_compare_by_octets_or_by_letters),
        cmocka_unit_test(peer_words_are_made_visible_and_cut),
        cmocka_unit_test(commands_parse),
        cmocka_unit_test(password_is_the_rest_of_the_line),
        cmocka_unit_test(auth_parses),
        cmocka_unit_test(bad_commands_are_told_from_unknown_ones),
        cmocka_unit_test(commands_are_written_plainly),
        cmocka_unit_test(verbs_have_names_both_ways),
        cmocka_unit_test(indicators_are_exact),
        cmocka_unit_test(challenges_are_told_apart),
        cmocka_unit_test(response_codes_parse),
        cmocka_unit_test(codes_become_statuses),
        cmocka_unit_test(listings_parse),
        cmocka_unit_test(unique_ids_parse),
        cmocka_unit_test(valid_unique_ids),
        cmocka_unit_test(statuses_have_names_and_phrases),
        cmocka_unit_test(errors_are_put_into_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
