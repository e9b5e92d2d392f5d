/*
 * test_play.c - an exchange under faults: what takes the command's place, when which octets leave, and how it ends.
 */
#include "fault_support.h"

#define MAIL "+OK 3 octets\r\na\r\n.\r\n"

static const struct {
    const char *line;
    const char *faults[4];
    poplin_slice reply, expected;
    bool faithful;
} rows[] = {
    /* none that fits: the reply as it is */
    {"NOOP", {"LIST cut=0"}, SLICE("+OK\r\n"), SLICE("+OK\r\n"), true},
    /* instead of the command; what a session that skips it says is nothing, and would be dropped */
    {"RETR 1", {"RETR refuse=\"[SYS/TEMP] later\""}, SLICE(""), SLICE("(skipped)-ERR [SYS/TEMP] later\r\n"), false},
    {"RETR 1", {"RETR refuse=\"\""}, SLICE(MAIL), SLICE("(skipped)-ERR \r\n"), false},
    {"RETR 1", {"RETR reply=\"+OK 3\""}, SLICE(""), SLICE("(skipped)+OK 3\r\n"), false},
    {"RETR 1", {"RETR raw=\"\\x00\\n\""}, SLICE(""), SLICE("(skipped)\0\n"), false},
    {"RETR 1", {"RETR raw="}, SLICE(""), SLICE("(skipped)"), false},
    {"GREETING", {"GREETING reply=\"220 hi\""}, SLICE("+OK hi\r\n"), SLICE("(skipped)220 hi\r\n"), false},
    {"AUTOLOGOUT", {"AUTOLOGOUT reply=\"421 bye\""}, SLICE(""), SLICE("(skipped)421 bye\r\n"), false},
    {"XTND x", {"XTND reply=+OK"}, SLICE(""), SLICE("(skipped)+OK\r\n"), false},
    {"TOP 2 3", {"TOP run=RETR"}, SLICE(MAIL), SLICE("(RETR 2)" MAIL), true},
    {"RETR 2", {"RETR run=TOP"}, SLICE(MAIL), SLICE("(TOP 2 0)" MAIL), true},
    {"TOP 2 3", {"TOP run=TOP"}, SLICE(MAIL), SLICE("(TOP 2 3)" MAIL), true},
    {"LIST 2", {"LIST run=UIDL"}, SLICE("+OK 2 a\r\n"), SLICE("(UIDL 2)+OK 2 a\r\n"), true},
    {"LIST", {"LIST run=UIDL"}, SLICE("+OK\r\n.\r\n"), SLICE("(UIDL)+OK\r\n.\r\n"), true},
    {"DELE 2", {"DELE run=NOOP"}, SLICE("+OK\r\n"), SLICE("(NOOP)+OK\r\n"), true},
    /* effects know the command that was carried out, and see the answer in its place */
    {"NOOP", {"NOOP run=CAPA add=X"}, SLICE("+OK\r\n.\r\n"), SLICE("(CAPA)+OK\r\nX\r\n.\r\n"), false},
    {"RETR 1", {"RETR run=NOOP", "* no_terminator"}, SLICE("+OK\r\n"), SLICE("(NOOP)+OK\r\n"), true},
    {"RETR 1", {"RETR reply=+OK", "* add=a append=b"}, SLICE(""), SLICE("(skipped)+OK\r\na\r\nb"), false},
    {"CAPA", {"* cut=4", "CAPA refuse=no"}, SLICE(""), SLICE("(skipped)-ERR"), false},
    /* the first that takes the command's place */
    {"NOOP",
     {"NOOP append=x", "NOOP refuse=a", "NOOP reply=b append=y"},
     SLICE(""),
     SLICE("(skipped)-ERR a\r\nxy"),
     false},
    {"NOOP", {"NOOP refuse=a", "NOOP drop_before"}, SLICE(""), SLICE("(skipped)-ERR a\r\n"), false},
    {"NOOP", {"NOOP drop_before", "NOOP refuse=a append=b"}, SLICE(""), SLICE("(skipped)(cut)"), false},
    /* the end, before */
    {"QUIT", {"QUIT drop_before"}, SLICE(""), SLICE("(skipped)(cut)"), false},
    {"QUIT", {"QUIT reset_before"}, SLICE(""), SLICE("(skipped)(reset)"), false},
    {"QUIT", {"QUIT close_before"}, SLICE(""), SLICE("(skipped)(closed)"), false},
    {"QUIT", {"QUIT stall_before delay=1"}, SLICE(""), SLICE("(skipped)(1000 ms)(silence)"), false},
    {"GREETING", {"GREETING stall_before"}, SLICE("+OK\r\n"), SLICE("(skipped)(silence)"), false},
    /* and after: at once, inside, behind */
    {"RETR 1", {"RETR drop_after=0"}, SLICE(MAIL), SLICE("(cut)"), false},
    {"RETR 1", {"RETR drop_after=15"}, SLICE(MAIL), SLICE("+OK 3 octets\r\na(cut)"), false},
    {"RETR 1", {"RETR drop_after=19"}, SLICE(MAIL), SLICE("+OK 3 octets\r\na\r\n.\r(cut)"), false},
    {"RETR 1", {"RETR drop_after=20"}, SLICE(MAIL), SLICE(MAIL "(cut)"), true},
    {"RETR 1", {"RETR reset_after=99"}, SLICE(MAIL), SLICE(MAIL "(reset)"), true},
    {"RETR 1", {"RETR close_after=3"}, SLICE(MAIL), SLICE("+OK(closed)"), false},
    {"RETR 1", {"RETR stall_after=3"}, SLICE(MAIL), SLICE("+OK(silence)"), false},
    {"QUIT", {"QUIT drop_after=0"}, SLICE(""), SLICE("(cut)"), true},
    {"RETR 1", {"RETR append=xyz drop_after=22"}, SLICE(MAIL), SLICE(MAIL "xy(cut)"), false},
    {"STLS", {"STLS reply=+OK stall_after=512"}, SLICE(""), SLICE("(skipped)+OK\r\n(silence)"), false},
    /* the nearest end holds; of two at the same place the first */
    {"RETR 1", {"RETR drop_after=5", "RETR reset_after=3"}, SLICE(MAIL), SLICE("+OK(reset)"), false},
    {"RETR 1", {"RETR drop_after=3", "RETR reset_after=5"}, SLICE(MAIL), SLICE("+OK(cut)"), false},
    {"RETR 1", {"RETR drop_after=3", "RETR reset_after=3"}, SLICE(MAIL), SLICE("+OK(cut)"), false},
    /* time */
    {"NOOP", {"NOOP delay=0.05"}, SLICE("+OK\r\n"), SLICE("(50 ms)+OK\r\n"), true},
    {"NOOP", {"NOOP delay=0.05", "* delay=1"}, SLICE("+OK\r\n"), SLICE("(1050 ms)+OK\r\n"), true},
    {"NOOP", {"NOOP delay=0"}, SLICE("+OK\r\n"), SLICE("+OK\r\n"), true},
    {"NOOP", {"NOOP delay=2"}, SLICE(""), SLICE("(2000 ms)"), true},
    {"NOOP", {"NOOP refuse=no delay=1 drop_after=4"}, SLICE(""), SLICE("(skipped)(1000 ms)-ERR(cut)"), false},
    {"NOOP", {"NOOP trickle=2"}, SLICE("+OK\r\n"), SLICE("+O(10 ms)K\r(10 ms)\n"), true},
    {"NOOP", {"NOOP trickle=5 every=1"}, SLICE("+OK\r\n"), SLICE("+OK\r\n"), true},
    {"NOOP", {"NOOP trickle=4 every=0.001"}, SLICE("+OK\r\n"), SLICE("+OK\r(1 ms)\n"), true},
    {"NOOP", {"NOOP trickle=1 every=0"}, SLICE("+OK\r\n"), SLICE("+OK\r\n"), true},
    {"NOOP", {"NOOP trickle=2", "NOOP trickle=1 every=9"}, SLICE("+OK\r\n"), SLICE("+O(10 ms)K\r(10 ms)\n"), true},
    {"NOOP",
     {"NOOP trickle=2 every=1 delay=3 drop_after=4"},
     SLICE("+OK\r\n"),
     SLICE("(3000 ms)+O(1000 ms)K\r(cut)"),
     false},
    {"NOOP",
     {"NOOP delay=1000000", "NOOP delay=1000000", "NOOP delay=1000000", "NOOP delay=1000000 jitter=1000000"},
     SLICE("+OK\r\n"),
     SLICE("(4000000000 ms)+OK\r\n"),
     true},
};

static void exchanges_go_as_their_faults_say(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool jitters = strstr(rows[i].faults[3] != NULL ? rows[i].faults[3] : "", "jitter") != NULL;

        for (size_t cut = 0; cut <= rows[i].reply.size; cut++) {
            poplin_faults *faults = poplin_faults_new();
            struct outcome outcome;

            for (size_t j = 0; j < COUNT_OF(rows[i].faults) && rows[i].faults[j] != NULL; j++)
                add_fault(faults, rows[i].faults[j]);
            act(faults, &(struct scene){.line = rows[i].line}, rows[i].reply, cut, &outcome);
            poplin_faults_free(faults);
            if (jitters)
                assert_memory_equal(outcome.seen, "(4", 2);
            else if (outcome.size != rows[i].expected.size ||
                     memcmp(outcome.seen, rows[i].expected.data, outcome.size) != 0)
                fail_msg("row %zu, %s with %s, cut at %zu: %s", i, rows[i].line, rows[i].faults[0], cut, outcome.seen);
            assert_int_equal(outcome.faithful, rows[i].faithful);
        }
    }
}

/*
 * What a session says is touched only by a fault that was asked for: none is there from the start, and none is left behind.
 *
 * holds: T-API-6 S
 */
static void without_a_fault_nothing_is_touched(void **state) {
    static const char *const lines[] = {"GREETING",        "AUTOLOGOUT", "CAPA", "STLS",
                                        "AUTH PLAIN AGE=", "RETR 1",     "QUIT", ""};
    poplin_faults *faults = poplin_faults_new();

    (void)state;
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT_OF(lines); i++)
            assert_null(choose(faults, &(struct scene){.line = lines[i], .pipelined = true, .session = 1}));
        for (const poplin_profile *quirk = poplin_testkit_quirks(); quirk->name != NULL; quirk++) {
            poplin_fault_handle handle;

            assert_int_equal(poplin_faults_add_profile(faults, quirk->name, &handle, NULL), POPLIN_OK);
            assert_int_equal(poplin_faults_remove(faults, handle.id, NULL), POPLIN_OK);
            free(handle.name);
        }
        add_fault(faults, "XTND raw=\"\\x00\"");
    }
    poplin_faults_free(faults);
}

/* Between what is said and jitter more, repeated by the seed, and not always the same. */
static void jitter_is_repeated_by_its_seed(void **state) {
    poplin_faults *faults = poplin_faults_new(), *same = poplin_faults_new();
    unsigned least = 500, most = 0;

    (void)state;
    add_fault(faults, "NOOP delay=0.1 jitter=0.2 seed=3");
    add_fault(same, "NOOP delay=0.1 jitter=0.2 seed=3");
    for (size_t i = 0; i < 200; i++) {
        struct outcome outcome, again;

        act(faults, &(struct scene){.line = "NOOP"}, SLICE("+OK\r\n"), 0, &outcome);
        act(same, &(struct scene){.line = "NOOP"}, SLICE("+OK\r\n"), 0, &again);
        assert_string_equal(outcome.seen, again.seen);
        assert_int_equal(*outcome.seen, '(');
        unsigned milliseconds = (unsigned)strtoul(outcome.seen + 1, NULL, 10);

        assert_in_range(milliseconds, 100, 300);
        least = milliseconds < least ? milliseconds : least;
        most = milliseconds > most ? milliseconds : most;
    }
    assert_true(least < 120 && most > 280);
    poplin_faults_free(faults);
    poplin_faults_free(same);
}

/* A play that its reply has not reached yet, or whose line goes first, can be given up at any time. */
static void a_play_is_given_up_at_any_time(void **state) {
    poplin_faults *faults = poplin_faults_new();
    poplin_slice octets;
    uint32_t milliseconds;

    (void)state;
    add_fault(faults, "* trickle=1 append=x");
    poplin_play *play = choose(faults, &(struct scene){.line = "NOOP"});

    poplin_play_free(play);
    play = choose(faults, &(struct scene){.line = "NOOP"});
    assert_int_equal(poplin_play_reply(play, SLICE("+O"), false), POPLIN_OK);
    assert_false(poplin_play_is_faithful(play));
    poplin_play_free(play);
    play = choose(faults, &(struct scene){.line = "NOOP"});
    assert_int_equal(poplin_play_reply(play, SLICE("+OK\r\n"), true), POPLIN_OK);
    assert_int_equal(poplin_play_next(play, &octets, &milliseconds), POPLIN_TAP_SEND);
    assert_int_equal(octets.size, 1);
    assert_int_equal(poplin_play_next(play, &octets, &milliseconds), POPLIN_TAP_SEND);
    poplin_play_sent(play, 1);
    poplin_play_free(play);
    poplin_play_free(NULL);
    poplin_faults_free(faults);
    poplin_faults_free(NULL);
}

/* What is not sent yet is not the reply. */
static void a_reply_is_faithful_when_all_of_it_went_out(void **state) {
    poplin_faults *faults = poplin_faults_new();

    (void)state;
    add_fault(faults, "* delay=1");
    poplin_play *play = choose(faults, &(struct scene){.line = "NOOP"});

    assert_int_equal(poplin_play_reply(play, SLICE("+OK\r\n"), true), POPLIN_OK);
    poplin_play_sent(play, 4);
    assert_false(poplin_play_is_faithful(play));
    poplin_play_sent(play, 1);
    assert_true(poplin_play_is_faithful(play));
    poplin_play_free(play);
    poplin_faults_free(faults);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exchanges_go_as_their_faults_say),
        cmocka_unit_test(without_a_fault_nothing_is_touched),
        cmocka_unit_test(jitter_is_repeated_by_its_seed),
        cmocka_unit_test(a_play_is_given_up_at_any_time),
        cmocka_unit_test(a_reply_is_faithful_when_all_of_it_went_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
