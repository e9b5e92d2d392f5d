/*
 * test_rewrite.c - every effect on a reply, octet by octet: on replies with and without content, on refusals, on
 * nothing, and whatever the pieces that the reply comes in.
 */
#include "fault_support.h"

#define MAIL "+OK 24 octets\r\nA: b\r\n\r\n..c\r\nd\r\n...\r\n..\r\n.\r\n"
#define LIST "+OK 3 messages\r\n1 120\r\n3 1024\r\n4 0\r\n.\r\n"
#define UIDL "+OK 2 messages\r\n1 aa\r\n2 bb\r\n.\r\n"
#define CAPA "+OK capabilities follow\r\nTOP\r\nSASL PLAIN\r\nSTLS\r\n.\r\n"
#define TEN_X "xxxxxxxxxx"
#define NINETY_X TEN_X TEN_X TEN_X TEN_X TEN_X TEN_X TEN_X TEN_X TEN_X

static const uint32_t marked[] = {2, 5};

static const struct {
    const char *line, *effect; /* of a fault for any command */
    poplin_slice reply, expected;
} rows[] = {
    /* deleted messages */
    {"LIST", "show_deleted", SLICE(LIST), SLICE("+OK 5 messages\r\n1 120\r\n2 0\r\n3 1024\r\n4 0\r\n5 0\r\n.\r\n")},
    {"LIST", "show_deleted", SLICE("+OK 0 messages\r\n.\r\n"), SLICE("+OK 2 messages\r\n2 0\r\n5 0\r\n.\r\n")},
    {"LIST", "show_deleted", SLICE("+OK\r\n.\r\n"), SLICE("+OK\r\n2 0\r\n5 0\r\n.\r\n")},
    {"LIST 2", "show_deleted", SLICE("-ERR no such message\r\n"), SLICE("+OK 2 0\r\n")},
    {"LIST 9", "show_deleted", SLICE("-ERR no such message\r\n"), SLICE("-ERR no such message\r\n")},
    {"LIST 1", "show_deleted", SLICE("+OK 1 120\r\n"), SLICE("+OK 1 120\r\n")},
    {"STAT", "show_deleted", SLICE("+OK 3 1144\r\n"), SLICE("+OK 5 1144\r\n")},
    {"STAT", "show_deleted", SLICE("-ERR [SYS/TEMP] no\r\n"), SLICE("-ERR [SYS/TEMP] no\r\n")},
    {"UIDL", "show_deleted", SLICE(UIDL), SLICE(UIDL)},
    /* sizes */
    {"LIST", "guess_sizes", SLICE(LIST), SLICE("+OK 3 messages\r\n1 1024\r\n3 1024\r\n4 0\r\n.\r\n")},
    {"LIST 1", "guess_sizes", SLICE("+OK 1 1025\r\n"), SLICE("+OK 1 2048\r\n")},
    {"STAT", "guess_sizes", SLICE("+OK 3 1144\r\n"), SLICE("+OK 3 2048\r\n")},
    {"LIST 1", "guess_sizes", SLICE("+OK 1 18446744073709551615\r\n"), SLICE("+OK 1 18446744073709551615\r\n")},
    {"LIST 1", "guess_sizes", SLICE("+OK 1 99999999999999999999\r\n"), SLICE("+OK 1 99999999999999999999\r\n")},
    {"LIST", "miscount=+7", SLICE(LIST), SLICE("+OK 3 messages\r\n1 127\r\n3 1031\r\n4 7\r\n.\r\n")},
    {"LIST", "miscount=-121", SLICE(LIST), SLICE("+OK 3 messages\r\n1 0\r\n3 903\r\n4 0\r\n.\r\n")},
    {"LIST 3", "miscount=-1", SLICE("+OK 3 1024 octets\r\n"), SLICE("+OK 3 1023 octets\r\n")},
    {"STAT", "miscount=1", SLICE("+OK 3 1144\r\n"), SLICE("+OK 3 1145\r\n")},
    {"RETR 1", "miscount=1", SLICE(MAIL), SLICE("+OK 25 octets\r\nA: b\r\n\r\n..c\r\nd\r\n...\r\n..\r\n.\r\n")},
    {"RETR 1", "miscount=1", SLICE("+OK message follows\r\n.\r\n"), SLICE("+OK message follows\r\n.\r\n")},
    {"RETR 1", "miscount=1", SLICE("-ERR 24 problems\r\n"), SLICE("-ERR 24 problems\r\n")},
    {"TOP 1 1", "miscount=1", SLICE(MAIL), SLICE(MAIL)},
    {"STAT", "miscount=9223372036854775807", SLICE("+OK 3 18446744073709551614\r\n"),
     SLICE("+OK 3 18446744073709551615\r\n")},
    /* numbers and unique-ids */
    {"LIST", "no_numbers", SLICE(LIST), SLICE("+OK 3 messages\r\n120\r\n1024\r\n0\r\n.\r\n")},
    {"UIDL", "no_numbers", SLICE(UIDL), SLICE("+OK 2 messages\r\naa\r\nbb\r\n.\r\n")},
    {"UIDL 1", "no_numbers", SLICE("+OK 1 aa\r\n"), SLICE("+OK aa\r\n")},
    {"UIDL 1", "no_numbers", SLICE("+OK\r\n"), SLICE("+OK\r\n")},
    {"STAT", "no_numbers", SLICE("+OK 3 1144\r\n"), SLICE("+OK 3 1144\r\n")},
    {"LIST", "unique_ids=same", SLICE(LIST), SLICE(LIST)},
    {"XTND", "guess_sizes", SLICE("+OK 3 1144\r\n"), SLICE("+OK 3 1144\r\n")},
    {"UIDL", "unique_ids=same", SLICE(UIDL), SLICE("+OK 2 messages\r\n1 same\r\n2 same\r\n.\r\n")},
    {"UIDL 2", "unique_ids=same", SLICE("+OK 2 bb\r\n"), SLICE("+OK 2 same\r\n")},
    {"UIDL 2", "unique_ids=long", SLICE("+OK 2 bb\r\n"), SLICE("+OK 2 bb" NINETY_X "xxxxxxxx\r\n")},
    /* status */
    {"RETR 1", "status=\"-ERR no\"", SLICE("+OK\r\na\r\n.\r\n"), SLICE("-ERR no\r\na\r\n.\r\n")},
    {"NOOP", "status=*OK", SLICE("+OK\r\n"), SLICE("*OK\r\n")},
    {"NOOP", "status=*OK", SLICE(""), SLICE("")},
    /* lines */
    {"TOP 1 2", "count_header_lines", SLICE(MAIL), SLICE("+OK 24 octets\r\nA: b\r\n\r\n.\r\n")},
    {"TOP 1 9", "count_header_lines", SLICE(MAIL), SLICE(MAIL)},
    {"TOP 1 0", "count_header_lines", SLICE(MAIL), SLICE(MAIL)},
    {"CAPA", "strip=sasl", SLICE(CAPA), SLICE("+OK capabilities follow\r\nTOP\r\nSTLS\r\n.\r\n")},
    {"CAPA", "strip=TO", SLICE(CAPA), SLICE(CAPA)},
    {"CAPA", "strip=\"SASL PLAIN\"", SLICE(CAPA), SLICE("+OK capabilities follow\r\nTOP\r\nSTLS\r\n.\r\n")},
    {"CAPA", "strip=STLS", SLICE("-ERR\r\n"), SLICE("-ERR\r\n")},
    {"CAPA", "add=\"EXPIRE 0\"", SLICE(CAPA),
     SLICE("+OK capabilities follow\r\nTOP\r\nSASL PLAIN\r\nSTLS\r\nEXPIRE 0\r\n.\r\n")},
    {"CAPA", "add=X", SLICE("-ERR\r\n"), SLICE("-ERR\r\n")},
    {"LIST", "duplicate_line=2", SLICE(LIST), SLICE("+OK 3 messages\r\n1 120\r\n3 1024\r\n3 1024\r\n4 0\r\n.\r\n")},
    {"LIST", "duplicate_line=4", SLICE(LIST), SLICE(LIST)},
    {"LIST", "omit_line=1", SLICE(LIST), SLICE("+OK 3 messages\r\n3 1024\r\n4 0\r\n.\r\n")},
    {"LIST 1", "omit_line=1", SLICE("+OK 1 120\r\n"), SLICE("+OK 1 120\r\n")},
    {"LIST", "replace_line=3 text=\"4 -1\"", SLICE(LIST), SLICE("+OK 3 messages\r\n1 120\r\n3 1024\r\n4 -1\r\n.\r\n")},
    {"LIST", "replace_line=3 text=\".\"", SLICE(LIST), SLICE("+OK 3 messages\r\n1 120\r\n3 1024\r\n.\r\n.\r\n")},
    {"NOOP", "long_line=9", SLICE("+OK\r\n"), SLICE("+OK xxx\r\n")},
    {"NOOP", "long_line=6", SLICE("+OK\r\n"), SLICE("+OK \r\n")},
    {"NOOP", "long_line=5", SLICE("+OK\r\n"), SLICE("+OK\r\n")},
    {"NOOP", "long_line=1", SLICE("+OK\r\n"), SLICE("+OK\r\n")},
    {"NOOP", "long_line=9", SLICE(""), SLICE("")},
    {"RETR 1", "long_line=9", SLICE("+OK\r\na\r\nb\r\n.\r\n"), SLICE("+OK\r\na xxxxx\r\nb\r\n.\r\n")},
    {"RETR 1", "long_line=9", SLICE("+OK\r\n.\r\n"), SLICE("+OK xxx\r\n.\r\n")},
    /* dots */
    {"RETR 1", "unstuff=all", SLICE(MAIL), SLICE("+OK 24 octets\r\nA: b\r\n\r\n.c\r\nd\r\n..\r\n.\r\n.\r\n")},
    {"RETR 1", "unstuff=first", SLICE(MAIL), SLICE(MAIL)},
    {"RETR 1", "unstuff=first", SLICE("+OK\r\n..a\r\n..b\r\n.\r\n"), SLICE("+OK\r\n.a\r\n..b\r\n.\r\n")},
    {"RETR 1", "unstuff=all", SLICE("+OK\r\n.\r\n"), SLICE("+OK\r\n.\r\n")},
    {"NOOP", "unstuff=all", SLICE("..\r\n"), SLICE("..\r\n")},
    {"RETR 1", "stuff_every=4", SLICE("+OK\r\n..a\r\n..\r\n..\r\n.\r\n"), SLICE("+OK\r\n.a\r\n.\r\n..\r\n.\r\n")},
    {"RETR 1", "stuff_every=7", SLICE("+OK\r\n..a\r\n..\r\n..\r\n.\r\n"), SLICE("+OK\r\n.a\r\n..\r\n.\r\n.\r\n")},
    /* ends */
    {"RETR 1", "abort_at=0", SLICE("+OK\r\na\r\nb\r\n.\r\n"),
     SLICE("+OK\r\na\r\n.\r\n-ERR the message could not be read, internal error\r\n")},
    {"RETR 1", "abort_at=2", SLICE("+OK\r\na\r\nb\r\n.\r\n"),
     SLICE("+OK\r\na\r\n.\r\n-ERR the message could not be read, internal error\r\n")},
    {"RETR 1", "abort_at=3", SLICE("+OK\r\na\r\nb\r\nc\r\n.\r\n"),
     SLICE("+OK\r\na\r\nb\r\n.\r\n-ERR the message could not be read, internal error\r\n")},
    {"RETR 1", "abort_at=3", SLICE("+OK\r\na\r\n.\r\n"), SLICE("+OK\r\na\r\n.\r\n")},
    {"RETR 1", "abort_at=0", SLICE("-ERR\r\n"), SLICE("-ERR\r\n")},
    {"RETR 1", "no_terminator", SLICE("+OK\r\na\r\n.\r\n"), SLICE("+OK\r\na\r\n")},
    {"RETR 1", "no_terminator", SLICE("-ERR\r\n"), SLICE("-ERR\r\n")},
    {"RETR 1", "cut=7", SLICE("+OK\r\na\r\n.\r\n"), SLICE("+OK\r\na\r")},
    {"RETR 1", "cut=0", SLICE("+OK\r\na\r\n.\r\n"), SLICE("")},
    {"RETR 1", "cut=99", SLICE("+OK\r\na\r\n.\r\n"), SLICE("+OK\r\na\r\n.\r\n")},
    /* line ends */
    {"RETR 1", "double_cr", SLICE("+OK\r\na\r\r\nb\r\n.\r\n"), SLICE("+OK\r\na\r\r\r\nb\r\r\n.\r\n")},
    {"NOOP", "double_cr", SLICE("+OK\r\n"), SLICE("+OK\r\r\n")},
    {"RETR 1", "bare_lf", SLICE("+OK\r\na\rb\r\n.\r\n"), SLICE("+OK\na\rb\n.\n")},
    {"NOOP", "bare_lf", SLICE("+OK\r\n"), SLICE("+OK\n")},
    {"NOOP", "bare_lf", SLICE(""), SLICE("")},
    /* octets that do not belong there */
    {"NOOP", "insert=\"\\x00\\xff\"", SLICE("+OK\r\n"), SLICE("+OK\r\n\0\xff")},
    {"NOOP", "insert=ab at=3", SLICE("+OK\r\n"), SLICE("+OKab\r\n")},
    {"NOOP", "insert=ab at=0", SLICE("+OK\r\n"), SLICE("ab+OK\r\n")},
    {"NOOP", "insert=ab at=99", SLICE("+OK\r\n"), SLICE("+OK\r\nab")},
    {"NOOP", "insert=ab", SLICE(""), SLICE("ab")},
    {"NOOP", "append=\"+OK\\r\\n\"", SLICE("+OK\r\n"), SLICE("+OK\r\n+OK\r\n")},
    /* several in one fault: in the order of the table, however they were written */
    {"LIST", "cut=30 append=x no_numbers omit_line=2 guess_sizes", SLICE(LIST),
     SLICE("+OK 3 messages\r\n1024\r\n0\r\n.\r\nx")},
    {"CAPA", "add=Z strip=TOP omit_line=1 status=+OK", SLICE(CAPA), SLICE("+OK\r\nSTLS\r\nZ\r\n.\r\n")},
    {"RETR 1", "bare_lf no_terminator unstuff=all", SLICE("+OK\r\n..\r\n.\r\n"), SLICE("+OK\n.\n")},
};

/* One fault, one exchange, in a maildrop where messages 2 and 5 are marked. */
static void play_row(const char *fault, const char *line, poplin_slice reply, size_t cut, struct outcome *outcome) {
    poplin_faults *faults = poplin_faults_new();

    add_fault(faults, fault);
    act(faults, &(struct scene){.line = line, .marked = marked, .marked_count = COUNT_OF(marked)}, reply, cut, outcome);
    poplin_faults_free(faults);
}

static void effects_rewrite_replies_cut_anywhere(void **state) {
    struct outcome outcome;
    char fault[256];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        snprintf(fault, sizeof fault, "* %s", rows[i].effect);
        for (size_t cut = 0; cut <= rows[i].reply.size; cut++) {
            play_row(fault, rows[i].line, rows[i].reply, cut, &outcome);
            if (outcome.size != rows[i].expected.size || memcmp(outcome.seen, rows[i].expected.data, outcome.size) != 0)
                fail_msg("row %zu, %s with %s, cut at %zu: %s", i, rows[i].line, fault, cut, outcome.seen);
            assert_int_equal(outcome.faithful, poplin_slice_equal(rows[i].reply, rows[i].expected));
        }
    }
}

/* Every effect of the table has a row above, or a test of its own below. */
static void no_effect_is_without_a_row(void **state) {
    (void)state;
    for (int i = 0; i < POPLIN_FAULT_SETTINGS; i++) {
        const poplin_setting_rule *rule = poplin_setting_rule_of((enum poplin_fault_setting)i);
        bool found = rule->part != POPLIN_PART_REWRITE || i == POPLIN_FAULT_GARBAGE;

        for (size_t j = 0; j < COUNT_OF(rows) && !found; j++)
            found = strncmp(rows[j].effect, rule->name, strlen(rule->name)) == 0;
        if (!found)
            fail_msg("no row for %s", rule->name);
    }
}

static void garbage_is_repeated_by_its_seed(void **state) {
    struct outcome first, again, other;

    (void)state;
    play_row("NOOP garbage=64 at=3 seed=1", "NOOP", SLICE("+OK\r\n"), 0, &first);
    play_row("NOOP garbage=64 at=3 seed=1", "NOOP", SLICE("+OK\r\n"), 0, &again);
    play_row("NOOP garbage=64 at=3 seed=2", "NOOP", SLICE("+OK\r\n"), 0, &other);
    assert_int_equal(first.size, 69);
    assert_memory_equal(first.seen, "+OK", 3);
    assert_memory_equal(first.seen + 67, "\r\n", 2);
    assert_memory_equal(first.seen, again.seen, 69);
    assert_memory_not_equal(first.seen, other.seen, 69);
}

static void a_line_can_be_very_long(void **state) {
    poplin_faults *faults = poplin_faults_new();
    poplin_slice octets = {NULL, 0};
    uint32_t milliseconds;

    (void)state;
    add_fault(faults, "NOOP long_line=16777216");
    poplin_play *play = choose(faults, &(struct scene){.line = "NOOP"});

    assert_int_equal(poplin_play_reply(play, SLICE("+OK\r\n"), true), POPLIN_OK);
    assert_int_equal(poplin_play_next(play, &octets, &milliseconds), POPLIN_TAP_SEND);
    assert_int_equal(octets.size, 16777216);
    assert_memory_equal(octets.data + octets.size - 3, "x\r\n", 3);
    poplin_play_free(play);
    poplin_faults_free(faults);
}

/* Each fault works on what the one before it left. */
static void faults_work_one_after_the_other(void **state) {
    poplin_faults *faults = poplin_faults_new();
    struct outcome outcome;

    (void)state;
    add_fault(faults, "LIST status=\"-ERR no\" omit_line=1");
    add_fault(faults, "* append=y");
    add_fault(faults, "LIST omit_line=1 append=z");
    for (size_t cut = 0; cut <= sizeof LIST - 1; cut++) {
        act(faults, &(struct scene){.line = "LIST"}, SLICE(LIST), cut, &outcome);
        assert_seen(&outcome, SLICE("-ERR no\r\n4 0\r\n.\r\nyz"));
    }
    poplin_faults_free(faults);
}

/* The parts of a reply that is not, or not any more, as it should be. */
static void a_reply_is_taken_apart(void **state) {
    poplin_reply_shape shape = poplin_reply_split(SLICE("+OK\r\na\r\n.\r\nrest\r\n.\r\n"), true);

    (void)state;
    assert_true(poplin_slice_equal(shape.status, SLICE("+OK\r\n")));
    assert_true(poplin_slice_equal(shape.content, SLICE("a\r\n")));
    assert_true(poplin_slice_equal(shape.terminator, SLICE(".\r\n")));
    assert_true(poplin_slice_equal(shape.rest, SLICE("rest\r\n.\r\n")));
    shape = poplin_reply_split(SLICE("+OK\r\na\r\n.\r\n"), false);
    assert_true(poplin_slice_equal(shape.rest, SLICE("a\r\n.\r\n")));
    assert_int_equal(shape.content.size, 0);
    shape = poplin_reply_split(SLICE("+OK"), true);
    assert_true(poplin_slice_equal(shape.status, SLICE("+OK")));
    assert_int_equal(shape.terminator.size, 0);
    shape = poplin_reply_split((poplin_slice){NULL, 0}, true);
    assert_int_equal(shape.status.size, 0);

    assert_true(poplin_reply_is_ok(SLICE("+OK\r\n")));
    assert_false(poplin_reply_is_ok(SLICE("+O")));
    assert_false(poplin_reply_is_ok(SLICE("-ERR\r\n")));
    assert_true(poplin_reply_is_multi_line(POPLIN_LIST, 0, true));
    assert_false(poplin_reply_is_multi_line(POPLIN_LIST, 1, true));
    assert_true(poplin_reply_is_multi_line(POPLIN_TOP, 1, true));
    assert_false(poplin_reply_is_multi_line(POPLIN_RETR, 1, false));
    assert_false(poplin_reply_is_multi_line(POPLIN_STAT, 0, true));
    assert_false(poplin_reply_is_multi_line(POPLIN_NO_VERB, 0, true));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(effects_rewrite_replies_cut_anywhere), cmocka_unit_test(no_effect_is_without_a_row),
        cmocka_unit_test(garbage_is_repeated_by_its_seed),      cmocka_unit_test(a_line_can_be_very_long),
        cmocka_unit_test(faults_work_one_after_the_other),      cmocka_unit_test(a_reply_is_taken_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
