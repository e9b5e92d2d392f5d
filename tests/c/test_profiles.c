/*
 * test_profiles.c - every quirk and every attack does to a sample exchange what its name says, and leaves alone what
 * it is not about.
 */
#include "fault_support.h"

#define MAIL "+OK 11 octets\r\n..a\r\n\r\n..b\r\n.\r\n"
#define CAPA "+OK\r\nUSER\r\nSASL PLAIN\r\nPIPELINING\r\nUIDL\r\nSTLS\r\n.\r\n"
#define TEN_X "xxxxxxxxxx"
#define NINETY_X TEN_X TEN_X TEN_X TEN_X TEN_X TEN_X TEN_X TEN_X TEN_X

static const uint32_t marked[] = {1};

static const struct {
    const char *profile;
    struct scene scene;
    poplin_slice reply, expected;
} rows[] = {
    {"first-dot-unstuffed", {.line = "RETR 1"}, SLICE(MAIL), SLICE("+OK 11 octets\r\n.a\r\n\r\n..b\r\n.\r\n")},
    {"first-dot-unstuffed", {.line = "TOP 1 9"}, SLICE(MAIL), SLICE("+OK 11 octets\r\n.a\r\n\r\n..b\r\n.\r\n")},
    {"top-sends-everything", {.line = "TOP 1 0"}, SLICE(MAIL), SLICE("(RETR 1)" MAIL)},
    {"error-inside-message",
     {.line = "RETR 1"},
     SLICE(MAIL),
     SLICE("+OK 11 octets\r\n..a\r\n.\r\n-ERR the message could not be read, internal error\r\n")},
    {"error-inside-message",
     {.line = "TOP 1 1"},
     SLICE(MAIL),
     SLICE("+OK 11 octets\r\n..a\r\n.\r\n-ERR the message could not be read, internal error\r\n")},
    {"doubled-cr", {.line = "RETR 1"}, SLICE(MAIL), SLICE("+OK 11 octets\r\n..a\r\r\n\r\r\n..b\r\r\n.\r\n")},
    {"doubled-cr", {.line = "TOP 1 1"}, SLICE(MAIL), SLICE("+OK 11 octets\r\n..a\r\r\n\r\r\n..b\r\r\n.\r\n")},
    {"dots-stuffed-per-chunk", {.line = "RETR 1"}, SLICE(MAIL), SLICE("+OK 11 octets\r\n.a\r\n\r\n..b\r\n.\r\n")},
    {"dots-stuffed-per-chunk", {.line = "TOP 1 1"}, SLICE(MAIL), SLICE("+OK 11 octets\r\n.a\r\n\r\n..b\r\n.\r\n")},
    {"deleted-listed-as-empty",
     {.line = "LIST", .marked = marked, .marked_count = 1},
     SLICE("+OK 1 messages\r\n2 9\r\n.\r\n"),
     SLICE("+OK 2 messages\r\n1 0\r\n2 9\r\n.\r\n")},
    {"deleted-listed-as-empty",
     {.line = "STAT", .marked = marked, .marked_count = 1},
     SLICE("+OK 1 9\r\n"),
     SLICE("+OK 2 9\r\n")},
    {"header-lines-counted", {.line = "TOP 1 1"}, SLICE(MAIL), SLICE("(RETR 1)+OK 11 octets\r\n..a\r\n.\r\n")},
    {"header-lines-counted", {.line = "TOP 1 0"}, SLICE(MAIL), SLICE("(RETR 1)" MAIL)},
    {"bye-like-imap", {.line = "QUIT"}, SLICE("+OK bye\r\n"), SLICE("+OK bye\r\n* BYE Server shutting down.\r\n")},
    {"bye-like-imap", {.line = "AUTOLOGOUT"}, SLICE(""), SLICE("(skipped)* BYE Server shutting down.\r\n")},
    {"timeout-like-smtp",
     {.line = "AUTOLOGOUT"},
     SLICE(""),
     SLICE("(skipped)421 Timeout waiting for data from client.\r\n")},
    {"guessed-sizes", {.line = "LIST"}, SLICE("+OK\r\n1 3\r\n.\r\n"), SLICE("+OK\r\n1 1024\r\n.\r\n")},
    {"guessed-sizes", {.line = "STAT"}, SLICE("+OK 1 3\r\n"), SLICE("+OK 1 1024\r\n")},
    {"guessed-sizes", {.line = "RETR 1"}, SLICE(MAIL), SLICE(MAIL)},
    {"two-step-auth-only", {.line = "AUTH PLAIN AGE="}, SLICE(""), SLICE("(skipped)-ERR Protocol error. 10\r\n")},
    {"two-step-auth-only", {.line = "AUTH PLAIN"}, SLICE("+ \r\n"), SLICE("+ \r\n")},
    {"two-step-auth-only", {.line = "AGE=", .response = true}, SLICE("+OK\r\n"), SLICE("+OK\r\n")},
    {"drops-pipelining-unannounced",
     {.line = "CAPA"},
     SLICE(CAPA),
     SLICE("+OK\r\nUSER\r\nSASL PLAIN\r\nUIDL\r\nSTLS\r\n.\r\n")},
    {"drops-pipelining-unannounced", {.line = "RETR 1", .pipelined = true}, SLICE(""), SLICE("(skipped)(cut)")},
    {"announces-pipelining-in-vain", {.line = "CAPA"}, SLICE(CAPA), SLICE(CAPA)},
    {"announces-pipelining-in-vain", {.line = "RETR 1", .pipelined = true}, SLICE(""), SLICE("(skipped)(cut)")},
    {"listing-without-numbers", {.line = "LIST"}, SLICE("+OK\r\n1 3\r\n.\r\n"), SLICE("+OK\r\n3\r\n.\r\n")},
    {"listing-without-numbers", {.line = "UIDL 1"}, SLICE("+OK 1 aa\r\n"), SLICE("+OK aa\r\n")},
    {"long-unique-ids",
     {.line = "UIDL"},
     SLICE("+OK\r\n1 a\r\n2 bb\r\n.\r\n"),
     SLICE("+OK\r\n1 a" NINETY_X "xxxxxxxxx\r\n2 bb" NINETY_X "xxxxxxxx\r\n.\r\n")},
    {"repeated-unique-ids",
     {.line = "UIDL"},
     SLICE("+OK\r\n1 a\r\n2 bb\r\n.\r\n"),
     SLICE("+OK\r\n1 same\r\n2 same\r\n.\r\n")},
    {"stls-stripped", {.line = "CAPA"}, SLICE(CAPA), SLICE("+OK\r\nUSER\r\nSASL PLAIN\r\nPIPELINING\r\nUIDL\r\n.\r\n")},
    {"stls-stripped", {.line = "CAPA", .tls = true}, SLICE(CAPA), SLICE(CAPA)},
    {"stls-refused", {.line = "STLS"}, SLICE(""), SLICE("(skipped)-ERR TLS is not available just now\r\n")},
    {"stls-refused", {.line = "CAPA"}, SLICE(CAPA), SLICE(CAPA)},
    {"stls-hidden", {.line = "CAPA"}, SLICE(""), SLICE("(skipped)-ERR unknown command\r\n")},
    {"stls-hidden", {.line = "STLS"}, SLICE(""), SLICE("(skipped)-ERR unknown command\r\n")},
    {"stls-silent", {.line = "STLS"}, SLICE(""), SLICE("(skipped)+OK begin TLS\r\n(silence)")},
    {"stls-injected-reply",
     {.line = "STLS"},
     SLICE("+OK begin TLS\r\n"),
     SLICE("+OK begin TLS\r\n+OK\r\nSASL PLAIN LOGIN\r\nUSER\r\n.\r\n+OK\r\n+OK\r\n")},
    {"stls-injected-fragment", {.line = "STLS"}, SLICE("+OK begin TLS\r\n"), SLICE("+OK begin TLS\r\n-ERR [AUTH] ")},
    {"capabilities-differ",
     {.line = "CAPA"},
     SLICE(CAPA),
     SLICE("+OK\r\nUSER\r\nSASL PLAIN\r\nPIPELINING\r\nSTLS\r\nEXPIRE 0\r\n.\r\n")},
    {"capabilities-differ",
     {.line = "CAPA", .tls = true},
     SLICE("+OK\r\nUSER\r\nPIPELINING\r\nUIDL\r\n.\r\n"),
     SLICE("+OK\r\nUSER\r\nUIDL\r\nLOGIN-DELAY 1\r\n.\r\n")},
    {"preauthenticated-greeting",
     {.line = "GREETING"},
     SLICE("+OK hi\r\n"),
     SLICE("(skipped)+OK maildrop has 2 messages (320 octets)\r\n")},
    {"preauthenticated-greeting", {.line = "GREETING", .tls = true}, SLICE("+OK hi\r\n"), SLICE("+OK hi\r\n")},
    {"greeting-with-listing", {.line = "GREETING"}, SLICE("+OK hi\r\n"), SLICE("+OK hi\r\n1 120\r\n2 200\r\n.\r\n")},
    {"apop-bait",
     {.line = "GREETING"},
     SLICE("+OK hi\r\n"),
     SLICE("(skipped)+OK ready <1896.697170952@dbc.mtview.ca.us>\r\n")},
    {"apop-bait",
     {.line = "CAPA"},
     SLICE(CAPA),
     SLICE("+OK\r\nPIPELINING\r\nUIDL\r\nSTLS\r\nUSER\r\nSASL PLAIN LOGIN CRAM-MD5\r\n.\r\n")},
};

static uint64_t add_profile(poplin_faults *faults, const char *name) {
    poplin_fault_handle handle;
    poplin_error error = {0};

    if (poplin_faults_add_profile(faults, name, &handle, &error) != POPLIN_OK)
        fail_msg("%s: %s", name, error.reason);
    assert_string_equal(handle.name, name);
    free(handle.name);
    return handle.id;
}

static void each_does_what_its_name_says(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (size_t cut = 0; cut <= rows[i].reply.size; cut++) {
            poplin_faults *faults = poplin_faults_new();
            struct outcome outcome;

            add_profile(faults, rows[i].profile);
            act(faults, &rows[i].scene, rows[i].reply, cut, &outcome);
            if (outcome.size != rows[i].expected.size || memcmp(outcome.seen, rows[i].expected.data, outcome.size) != 0)
                fail_msg("%s, %s, cut at %zu: %s", rows[i].profile, rows[i].scene.line, cut, outcome.seen);
            if (*outcome.names != '\0')
                assert_string_equal(outcome.names, rows[i].profile);
            poplin_faults_free(faults);
        }
}

/* Whether the profile's rows make each of its faults fire: they are added one by one, under their own text. */
static void assert_all_fire(const poplin_profile *profile) {
    for (size_t i = 0; profile->faults[i] != NULL; i++) {
        poplin_faults *faults = poplin_faults_new();
        struct outcome outcome;

        uint64_t id = add_fault(faults, profile->faults[i]);

        for (size_t j = 0; j < COUNT_OF(rows); j++)
            if (strcmp(rows[j].profile, profile->name) == 0)
                act(faults, &rows[j].scene, rows[j].reply, 0, &outcome);
        if (poplin_faults_fired(faults, id) == 0)
            fail_msg("%s: no row for %s", profile->name, profile->faults[i]);
        poplin_faults_free(faults);
    }
}

static void assert_well_formed(const poplin_profile *profiles) {
    for (; profiles->name != NULL; profiles++) {
        assert_int_equal(strspn(profiles->name, "abcdefghijklmnopqrstuvwxyz-"), strlen(profiles->name));
        assert_true(strlen(profiles->meaning) > 20);
        assert_non_null(profiles->faults[0]);
        assert_all_fire(profiles);
    }
}

static void every_fault_of_each_has_a_row(void **state) {
    (void)state;
    assert_well_formed(poplin_testkit_quirks());
    assert_well_formed(poplin_testkit_attacks());
}

static void they_are_known_by_their_names(void **state) {
    poplin_faults *faults = poplin_faults_new();
    poplin_error error = {0};
    struct outcome outcome;

    (void)state;
    uint64_t id = add_profile(faults, "doubled-cr");

    add_profile(faults, "first-dot-unstuffed");
    assert_int_equal(poplin_faults_add_profile(faults, "doubled-cr", NULL, &error), POPLIN_ERR_STATE);
    assert_string_equal(error.reason, "there is doubled-cr already: remove it first");
    act(faults, &(struct scene){.line = "RETR 1"}, SLICE(MAIL), 0, &outcome);
    assert_seen(&outcome, SLICE("+OK 11 octets\r\n.a\r\r\n\r\r\n..b\r\r\n.\r\n"));
    assert_string_equal(outcome.names, "doubled-cr, first-dot-unstuffed");
    assert_int_equal(poplin_faults_fired(faults, id), 1);
    assert_int_equal(poplin_faults_remove(faults, id, NULL), POPLIN_OK);
    act(faults, &(struct scene){.line = "TOP 1 1"}, SLICE(MAIL), 0, &outcome);
    assert_seen(&outcome, SLICE("+OK 11 octets\r\n.a\r\n\r\n..b\r\n.\r\n"));

    assert_int_equal(poplin_faults_add_profile(faults, "doubled-rc", NULL, &error), POPLIN_ERR_UNSUPPORTED);
    assert_string_equal(error.reason, "no quirk or attack 'doubled-rc': did you mean doubled-cr?");
    assert_int_equal(poplin_faults_add_profile(faults, "stls-striped", NULL, &error), POPLIN_ERR_UNSUPPORTED);
    assert_string_equal(error.reason, "no quirk or attack 'stls-striped': did you mean stls-stripped?");
    assert_int_equal(poplin_faults_add_profile(faults, "", NULL, &error), POPLIN_ERR_UNSUPPORTED);
    assert_string_equal(error.reason, "no quirk or attack ''");
    poplin_faults_free(faults);
}

/* All at once: whatever they make of an exchange, they do not get in each other's way. */
static void all_can_be_combined(void **state) {
    poplin_faults *faults = poplin_faults_new();
    struct outcome outcome;

    (void)state;
    for (const poplin_profile *profile = poplin_testkit_quirks(); profile->name != NULL; profile++)
        add_profile(faults, profile->name);
    for (const poplin_profile *profile = poplin_testkit_attacks(); profile->name != NULL; profile++)
        add_profile(faults, profile->name);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        act(faults, &rows[i].scene, rows[i].reply, 0, &outcome);
    poplin_faults_free(faults);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_does_what_its_name_says),
        cmocka_unit_test(every_fault_of_each_has_a_row),
        cmocka_unit_test(they_are_known_by_their_names),
        cmocka_unit_test(all_can_be_combined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
