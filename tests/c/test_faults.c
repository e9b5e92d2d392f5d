/*
 * test_faults.c - faults as text and as settings, what is refused and in which words; conditions, counters, chance, names.
 */
#include "fault_support.h"

/* ---- the text ---- */

static const struct {
    const char *text, *name;
} texts[] = {
    {"RETR drop_after=100", "RETR drop_after=100"},
    {" \t retr\tdrop_after=100 nth=2  ", "RETR nth=2 drop_after=100"},
    {"* pipelined drop_before", "* pipelined drop_before"},
    {"* pipelined=YES drop_before=yes reset_before=no", "* pipelined drop_before"},
    {"XTND reply=\"+OK fine\"", "XTND reply=\"+OK fine\""},
    {"NOOP raw=\"\\r\\n\\t\\\"\\\\\\x00\\xFf\"", "NOOP raw=\"\\r\\n\\t\\\"\\\\\\x00\\xff\""},
    {"NOOP raw=\"\"", "NOOP raw=\"\""},
    {"NOOP raw=", "NOOP raw=\"\""},
    {"NOOP raw=a=b", "NOOP raw=a=b"},
    {"NOOP reply=\"+OK\"", "NOOP reply=+OK"},
    {"STAT delay=.5 jitter=2.5000", "STAT delay=0.5 jitter=2.5"},
    {"STAT delay=3. times=1", "STAT times=1 delay=3"},
    {"STAT delay=0.30000000000000004", "STAT delay=0.3"},
    {"STAT probability=1 cut=0", "STAT probability=1 cut=0"},
    {"STAT probability=0.25 cut=0", "STAT probability=0.25 cut=0"},
    {"STAT miscount=-3", "STAT miscount=-3"},
    {"STAT miscount=7", "STAT miscount=+7"},
    {"RETR tls=NO unstuff=All", "RETR tls=no unstuff=all"},
    {"AUTH initial refuse=\"[SYS/TEMP] later\"", "AUTH initial refuse=\"[SYS/TEMP] later\""},
    {"GREETING session=9223372036854775807 cut=1", "GREETING session=9223372036854775807 cut=1"},
    {"RETR cut=1 name=\"my fault\"", "my fault"},
    {"RETR run=top", "RETR run=TOP"},
};

static void text_is_read_and_written_in_one_way(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        poplin_error error = {0};
        char *name = name_of(texts[i].text, &error), *again;

        if (name == NULL)
            fail_msg("%s: %s", texts[i].text, error.reason);
        assert_string_equal(name, texts[i].name);
        if (strstr(texts[i].text, "name=") == NULL) {
            assert_non_null(again = name_of(name, &error));
            assert_string_equal(again, name);
            free(again);
        }
        free(name);
    }
}

/* Every setting of the table can be given, and is written as it is read. */
static void every_setting_is_understood(void **state) {
    static const char *const values[] = {
        [POPLIN_SETTING_FLAG] = "",         [POPLIN_SETTING_NUMBER] = "=7",   [POPLIN_SETTING_SIGNED] = "=+7",
        [POPLIN_SETTING_SECONDS] = "=0.25", [POPLIN_SETTING_SHARE] = "=0.25", [POPLIN_SETTING_TEXT] = "=x",
        [POPLIN_SETTING_OCTETS] = "=x",
    };
    size_t count = 0;

    (void)state;
    for (const poplin_setting_row *row = poplin_testkit_settings(); row->name != NULL; row++, count++) {
        const poplin_setting_rule *rule = poplin_setting_rule_of((enum poplin_fault_setting)count);
        char text[128], command[16] = "*";
        char word[16] = "=";

        assert_string_equal(row->name, rule->name);
        assert_true(strlen(row->meaning) > 10);
        if (rule->words != NULL)
            strncat(word, rule->words, strcspn(rule->words, " "));
        if (rule->commands != NULL)
            snprintf(command, sizeof command, "%.*s", (int)strcspn(rule->commands, " "), rule->commands);
        snprintf(text, sizeof text, "%s %s%s", command, row->name,
                 row->kind == POPLIN_SETTING_WORD ? word : values[row->kind]);

        poplin_error error = {0};
        char *name = name_of(text, &error);
        bool effect = rule->part >= POPLIN_PART_INSTEAD && strcmp(row->name, "replace_line") != 0;

        assert_int_equal(error.status, effect ? POPLIN_OK : POPLIN_ERR_STATE);
        if (effect)
            assert_string_equal(name, text);
        free(name);
    }
    assert_int_equal(count, POPLIN_FAULT_SETTINGS);
}

/* ---- refusals ---- */

static const struct {
    const char *text;
    int status;
    const char *reason;
} refusals[] = {
    {"RETR drop_afer=3", POPLIN_ERR_UNSUPPORTED, "no setting 'drop_afer': did you mean drop_after?"},
    {"RETR nht=3 cut=1", POPLIN_ERR_UNSUPPORTED, "no setting 'nht': did you mean nth?"},
    {"RETR explode", POPLIN_ERR_UNSUPPORTED, "no setting 'explode'"},
    {"RETR =3", POPLIN_ERR_UNSUPPORTED, "no setting ''"},
    {"RETR \x1b[2J=3", POPLIN_ERR_UNSUPPORTED, "no setting '\\x1B[2J'"},
    {"", POPLIN_ERR_STATE, "a fault begins with a command, GREETING, AUTOLOGOUT, or * for any command, not with ''"},
    {"drop_after=3", POPLIN_ERR_STATE,
     "a fault begins with a command, GREETING, AUTOLOGOUT, or * for any command, not with 'drop_after=3'"},
    {"pipelined drop_before", POPLIN_ERR_STATE,
     "a fault begins with a command, GREETING, AUTOLOGOUT, or * for any command, not with 'pipelined'"},
    {"RE,TR cut=1", POPLIN_ERR_STATE, "'RE,TR' is no command: name one, GREETING, AUTOLOGOUT, or * for any command"},
    {"RETR", POPLIN_ERR_STATE, "the fault has no effect: say what happens (drop_after=100, say)"},
    {"RETR nth=2 session=1", POPLIN_ERR_STATE, "the fault has no effect: say what happens (drop_after=100, say)"},
    {"RETR cut=1 cut=2", POPLIN_ERR_STATE, "cut is given twice: keep one, or make two faults"},
    {"RETR times=0 cut=1", POPLIN_ERR_STATE, "times='0': it takes a whole number from 1"},
    {"RETR nth=-1 cut=1", POPLIN_ERR_STATE, "nth='-1': it takes a whole number from 1"},
    {"RETR cut=1x", POPLIN_ERR_STATE, "cut='1x': it takes a whole number from 0"},
    {"RETR cut=", POPLIN_ERR_STATE, "cut='': it takes a whole number from 0"},
    {"RETR cut=9223372036854775808", POPLIN_ERR_STATE, "cut='9223372036854775808': it takes a whole number from 0"},
    {"RETR garbage=16777217", POPLIN_ERR_STATE, "garbage='16777217': it takes a whole number from 1 to 16777216"},
    {"RETR miscount=--1", POPLIN_ERR_STATE, "miscount='--1': it takes a whole number, with or without a sign"},
    {"RETR delay=-1", POPLIN_ERR_STATE, "delay='-1': it takes seconds as a decimal number, at most 1000000"},
    {"RETR delay=.", POPLIN_ERR_STATE, "delay='.': it takes seconds as a decimal number, at most 1000000"},
    {"RETR delay=nan", POPLIN_ERR_STATE, "delay='nan': it takes seconds as a decimal number, at most 1000000"},
    {"RETR delay=1000000.001", POPLIN_ERR_STATE,
     "delay='1000000.001': it takes seconds as a decimal number, at most 1000000"},
    {"RETR probability=1.1 cut=1", POPLIN_ERR_STATE, "probability='1.1': it takes a decimal number from 0 to 1"},
    {"RETR tls=maybe cut=1", POPLIN_ERR_STATE, "tls='maybe': it takes one of: yes no"},
    {"RETR run=USER", POPLIN_ERR_STATE,
     "run='USER': it takes one of: STLS CAPA QUIT STAT LIST UIDL RETR TOP DELE NOOP RSET"},
    {"RETR bare_lf=maybe", POPLIN_ERR_STATE, "bare_lf='maybe': it takes yes, no or nothing"},
    {"RETR refuse=\"a\\r\\nb\"", POPLIN_ERR_STATE,
     "refuse='a\\x0D\\x0Ab': it takes one line of text, without CR, LF and NUL"},
    {"RETR raw=\"a", POPLIN_ERR_STATE, "a double quote is missing at the end of a value"},
    {"RETR raw=\"a\\", POPLIN_ERR_STATE,
     "behind a backslash stands one of r n t \" \\ or x and two hexadecimal digits"},
    {"RETR raw=\"\\x1\"", POPLIN_ERR_STATE,
     "behind a backslash stands one of r n t \" \\ or x and two hexadecimal digits"},
    {"RETR raw=\"a\"b", POPLIN_ERR_STATE, "a space is missing behind a double quote"},
    {"RETR raw=a\\r\\n", POPLIN_ERR_STATE,
     "a value with a quote or a backslash stands in double quotes, there as \\\" and \\\\"},
    {"RETR cut=1 name=", POPLIN_ERR_STATE, "name is empty"},
    {"RETR refuse=a reply=b", POPLIN_ERR_STATE,
     "refuse and reply exclude each other: both take the command's place: keep one, or make two faults told apart by "
     "nth, "
     "session or message"},
    {"RETR drop_after=1 stall_after=2", POPLIN_ERR_STATE,
     "drop_after and stall_after exclude each other: a reply ends in one way: keep one"},
    {"RETR bare_lf double_cr", POPLIN_ERR_STATE,
     "double_cr and bare_lf exclude each other: both say how lines end: keep one"},
    {"RETR unstuff=all stuff_every=3", POPLIN_ERR_STATE,
     "unstuff and stuff_every exclude each other: both say which dots go out unstuffed: keep one"},
    {"RETR drop_before append=x", POPLIN_ERR_STATE,
     "drop_before leaves no reply for append: use the setting that ends in _after"},
    {"RETR cut=1 at=3", POPLIN_ERR_STATE, "at needs insert or garbage"},
    {"RETR cut=1 text=x", POPLIN_ERR_STATE, "text needs replace_line"},
    {"RETR replace_line=1", POPLIN_ERR_STATE, "replace_line needs text"},
    {"RETR cut=1 every=1", POPLIN_ERR_STATE, "every needs trickle"},
    {"RETR cut=1 seed=1", POPLIN_ERR_STATE, "seed needs probability or jitter or garbage"},
    {"RETR initial cut=1", POPLIN_ERR_STATE, "initial has no effect on RETR, only on: AUTH"},
    {"NOOP message=1 cut=1", POPLIN_ERR_STATE, "message has no effect on NOOP, only on: LIST UIDL RETR TOP DELE"},
    {"RETR strip=X run=NOOP", POPLIN_ERR_STATE, "strip has no effect on NOOP, only on: CAPA LIST UIDL RETR TOP"},
    {"GREETING user=alice cut=1", POPLIN_ERR_STATE, "user has no effect on GREETING"},
    {"AUTOLOGOUT run=NOOP", POPLIN_ERR_STATE, "run has no effect on AUTOLOGOUT"},
};

static void what_makes_no_sense_is_refused_in_words(void **state) {
    poplin_faults *faults = poplin_faults_new();

    (void)state;
    assert_non_null(faults);
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        poplin_error error = {0};

        assert_int_equal(poplin_faults_add_text(faults, refusals[i].text, NULL, &error), refusals[i].status);
        assert_string_equal(error.reason, refusals[i].reason);
        assert_int_equal(error.status, refusals[i].status);
        assert_int_equal(poplin_faults_add_text(faults, refusals[i].text, NULL, NULL), refusals[i].status);
    }
    assert_null(choose(faults, &(struct scene){.line = "RETR 1"}));
    poplin_faults_free(faults);
}

/* One setting more than there are cannot overrun anything. */
static void no_text_has_too_many_settings(void **state) {
    char text[4 * POPLIN_FAULT_SETTINGS + 64] = "NOOP raw=x";
    poplin_error error = {0};

    (void)state;
    for (size_t i = 0; i < POPLIN_FAULT_SETTINGS + 8; i++)
        strcat(text, " a=b");
    assert_null(name_of(text, &error));
    assert_int_equal(error.status, POPLIN_ERR_UNSUPPORTED);
}

/* ---- settings by name ---- */

static void settings_are_taken_as_octets(void **state) {
    const poplin_setting settings[] = {{"raw", SLICE("a\0b \"c\"\r\n")}, {"times", SLICE("2")}};
    poplin_faults *faults = poplin_faults_new();
    poplin_fault_handle handle;
    struct outcome outcome;

    (void)state;
    assert_int_equal(poplin_faults_add(faults, "noop", settings, COUNT_OF(settings), &handle, NULL), POPLIN_OK);
    assert_string_equal(handle.name, "NOOP times=2 raw=\"a\\x00b \\\"c\\\"\\r\\n\"");
    act(faults, &(struct scene){.line = "NOOP"}, SLICE(""), 0, &outcome);
    assert_seen(&outcome, SLICE("(skipped)a\0b \"c\"\r\n"));
    assert_string_equal(outcome.names, handle.name);
    assert_int_equal(poplin_faults_fired(faults, handle.id), 1);
    assert_int_equal(poplin_faults_add(faults, NULL, settings, COUNT_OF(settings), NULL, NULL), POPLIN_OK);
    poplin_faults_free(faults);
    free(handle.name);
}

/* ---- conditions ---- */

static const struct {
    const char *fault;
    struct scene fits, does_not;
} conditions[] = {
    {"RETR cut=0", {.line = "RETR 1"}, {.line = "TOP 1 0"}},
    {"* cut=0", {.line = "XTND"}, {.line = "GREETING"}},
    {"* cut=0", {.line = "NOOP"}, {.line = "AUTOLOGOUT"}},
    {"XTND cut=0", {.line = "XTND"}, {.line = "XTNE"}},
    {"GREETING cut=0", {.line = "GREETING"}, {.line = "NOOP"}},
    {"AUTH cut=0", {.line = "AGE=", .response = true}, {.line = "AGE="}},
    {"* session=2 cut=0", {.line = "NOOP", .session = 2}, {.line = "NOOP", .session = 1}},
    {"* user=alice cut=0", {.line = "NOOP", .user = "alice"}, {.line = "NOOP", .user = "alic"}},
    {"* user=alice cut=0", {.line = "NOOP", .user = "alice"}, {.line = "NOOP"}},
    {"* message=2 cut=0", {.line = "DELE 2"}, {.line = "DELE 1"}},
    {"* message=2 cut=0", {.line = "TOP 2 1"}, {.line = "TOP 1 2"}},
    {"RETR unique_id=b cut=0", {.line = "RETR 2", .unique_id = "b"}, {.line = "RETR 1", .unique_id = "a"}},
    {"* tls=yes cut=0", {.line = "NOOP", .tls = true}, {.line = "NOOP"}},
    {"* tls=no cut=0", {.line = "NOOP"}, {.line = "NOOP", .tls = true}},
    {"* pipelined cut=0", {.line = "NOOP", .pipelined = true}, {.line = "NOOP"}},
    {"AUTH initial cut=0", {.line = "AUTH PLAIN AGE="}, {.line = "AUTH PLAIN"}},
    {"AUTH initial cut=0", {.line = "AUTH PLAIN ="}, {.line = "AGE=", .response = true}},
};

static bool takes_effect(poplin_faults *faults, const struct scene *scene) {
    poplin_play *play = choose(faults, scene);

    poplin_play_free(play);
    return play != NULL;
}

static void conditions_are_held_against_the_occasion(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(conditions); i++) {
        poplin_faults *faults = poplin_faults_new();

        uint64_t id = add_fault(faults, conditions[i].fault);

        if (!takes_effect(faults, &conditions[i].fits))
            fail_msg("%s: not with %s", conditions[i].fault, conditions[i].fits.line);
        if (takes_effect(faults, &conditions[i].does_not))
            fail_msg("%s: with %s", conditions[i].fault, conditions[i].does_not.line);
        assert_int_equal(poplin_faults_fired(faults, id), 1);
        poplin_faults_free(faults);
    }
}

/* ---- counters ---- */

/* For the first ten times: x where the fault takes effect. */
static void assert_fires(const char *fault, const char *expected) {
    poplin_faults *faults = poplin_faults_new();
    char seen[11] = "";

    add_fault(faults, fault);
    for (size_t i = 0; i < 10; i++) {
        (void)takes_effect(faults, &(struct scene){.line = "RETR 2"}); /* fits none of them, and counts for none */
        strcat(seen, takes_effect(faults, &(struct scene){.line = "RETR 1"}) ? "x" : ".");
    }
    assert_string_equal(seen, expected);
    poplin_faults_free(faults);
}

static void counters_say_when_and_how_often(void **state) {
    (void)state;
    assert_fires("RETR message=1 cut=0", "xxxxxxxxxx");
    assert_fires("RETR message=1 cut=0 nth=3", "..x.......");
    assert_fires("RETR message=1 cut=0 nth=3 times=2", "..xx......");
    assert_fires("RETR message=1 cut=0 times=4", "xxxx......");
    assert_fires("RETR message=1 cut=0 probability=0", "..........");
    assert_fires("RETR message=1 cut=0 probability=1", "xxxxxxxxxx");
    assert_fires("RETR message=1 cut=0 probability=1 nth=9 times=5", "........xx");
}

/* ---- chance ---- */

enum { TRIES = 4000 };

static size_t draw(const char *fault, char seen[TRIES + 1]) {
    poplin_faults *faults = poplin_faults_new();
    size_t count = 0;

    add_fault(faults, fault);
    for (size_t i = 0; i < TRIES; i++) {
        bool fires = takes_effect(faults, &(struct scene){.line = "NOOP"});

        seen[i] = fires ? 'x' : '.';
        count += fires;
    }
    seen[TRIES] = '\0';
    poplin_faults_free(faults);
    return count;
}

static void chance_is_repeated_by_its_seed(void **state) {
    char first[TRIES + 1], again[TRIES + 1], other[TRIES + 1];
    size_t count = draw("NOOP probability=0.25 seed=7 cut=0", first);

    (void)state;
    assert_in_range(count, TRIES / 4 - TRIES / 20, TRIES / 4 + TRIES / 20);
    draw("NOOP probability=0.25 seed=7 cut=0", again);
    assert_string_equal(first, again);
    draw("NOOP probability=0.25 seed=8 cut=0", other);
    assert_string_not_equal(first, other);
}

/* Without a seed too; but two faults do not agree with each other. */
static void chance_without_a_seed_is_each_faults_own(void **state) {
    char first[TRIES + 1], again[TRIES + 1], other[TRIES + 1];

    (void)state;
    draw("NOOP probability=0.5 cut=0", first);
    draw("NOOP probability=0.5 cut=0", again);
    draw("NOOP probability=0.5 cut=1", other);
    assert_string_equal(first, again);
    assert_string_not_equal(first, other);
}

/* ---- names ---- */

/* Each of them is known by an id, whatever others are called. */
static void faults_of_one_name_are_told_apart(void **state) {
    poplin_faults *faults = poplin_faults_new();
    const struct scene noop = {.line = "NOOP"};
    struct outcome outcome;
    uint64_t fired = 77;

    (void)state;
    uint64_t first = add_fault(faults, "NOOP append=a name=one"), second = add_fault(faults, "NOOP append=b");
    uint64_t third = add_fault(faults, "NOOP append=c name=one"), fourth = add_fault(faults, "NOOP append=b times=1");

    act(faults, &noop, SLICE("+OK\r\n"), 0, &outcome);
    assert_seen(&outcome, SLICE("+OK\r\nabcb"));
    assert_string_equal(outcome.names, "one, NOOP append=b, NOOP times=1 append=b");
    assert_int_equal(poplin_faults_remove(faults, third, &fired), POPLIN_OK);
    assert_int_equal(fired, 1);
    act(faults, &noop, SLICE("+OK\r\n"), 0, &outcome);
    assert_seen(&outcome, SLICE("+OK\r\nab"));
    assert_int_equal(poplin_faults_fired(faults, first), 2);
    assert_int_equal(poplin_faults_fired(faults, second), 2);
    assert_int_equal(poplin_faults_fired(faults, third), 0);
    assert_int_equal(poplin_faults_fired(faults, fourth), 1);
    poplin_faults_free(faults);
}

/* An id is never used again, so that nobody removes what another has added. */
static void faults_are_removed_once(void **state) {
    poplin_faults *faults = poplin_faults_new();
    const struct scene noop = {.line = "NOOP"};
    struct outcome outcome;
    uint64_t fired = 77;

    (void)state;
    uint64_t first = add_fault(faults, "NOOP append=a");

    assert_int_equal(poplin_faults_remove(faults, first + 1, &fired), POPLIN_ERR_STATE);
    assert_int_equal(poplin_faults_remove(faults, first, NULL), POPLIN_OK);
    uint64_t second = add_fault(faults, "NOOP append=a");

    assert_int_not_equal(first, second);
    assert_int_equal(poplin_faults_remove(faults, first, &fired), POPLIN_ERR_STATE);
    assert_int_equal(fired, 77);
    act(faults, &noop, SLICE("+OK\r\n"), 0, &outcome);
    assert_seen(&outcome, SLICE("+OK\r\na"));

    poplin_faults_clear(faults);
    act(faults, &noop, SLICE("+OK\r\n"), 0, &outcome);
    assert_seen(&outcome, SLICE("+OK\r\n"));
    add_fault(faults, "NOOP append=a");
    assert_int_equal(poplin_faults_remove(faults, second, NULL), POPLIN_ERR_STATE);
    poplin_faults_free(faults);
}

/* What has begun goes on, whatever becomes of the fault. */
static void a_play_outlives_its_fault(void **state) {
    poplin_faults *faults = poplin_faults_new();
    struct outcome outcome = {0};

    (void)state;
    add_fault(faults, "NOOP refuse=no name=gone");
    poplin_play *play = choose(faults, &(struct scene){.line = "NOOP"});

    poplin_faults_free(faults);
    assert_int_equal(poplin_play_reply(play, SLICE(""), true), POPLIN_OK);
    watch(play, &outcome);
    assert_seen(&outcome, SLICE("-ERR no\r\n"));
    assert_string_equal(poplin_play_names(play), "gone");
    poplin_play_free(play);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_read_and_written_in_one_way),
        cmocka_unit_test(every_setting_is_understood),
        cmocka_unit_test(what_makes_no_sense_is_refused_in_words),
        cmocka_unit_test(no_text_has_too_many_settings),
        cmocka_unit_test(settings_are_taken_as_octets),
        cmocka_unit_test(conditions_are_held_against_the_occasion),
        cmocka_unit_test(counters_say_when_and_how_often),
        cmocka_unit_test(chance_is_repeated_by_its_seed),
        cmocka_unit_test(chance_without_a_seed_is_each_faults_own),
        cmocka_unit_test(faults_of_one_name_are_told_apart),
        cmocka_unit_test(faults_are_removed_once),
        cmocka_unit_test(a_play_outlives_its_fault),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
