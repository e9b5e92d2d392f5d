/*
 * test_kit_log.c - the kit's log without a server: what of a reply is written down when, how much is kept, and what is masked.
 */
#include "tapped.h"

#include "testkit/kit.h"

/* ---- on the way out ---- */

static void test_offered_octets_stay_where_they_are(void **state) {
    poplin_testkit *kit = tapped_kit(10, 10);
    void *tap = tapped_open(kit);
    poplin_slice offered, again;
    uint32_t milliseconds;
    char *large = malloc(40001);
    (void)state;
    memset(large, 'x', 40000);
    large[40000] = '\0';
    tapped_exchange(tap, "NOOP", "+OK first\r\n");
    assert_int_equal(poplin_testkit_tap()->next(tap, &offered, &milliseconds), POPLIN_TAP_SEND);
    (void)tapped_command(tap, "RETR 1");
    assert_int_equal(tapped_reply(tap, large, false), POPLIN_OK);
    assert_int_equal(tapped_reply(tap, large, true), POPLIN_WAITING);
    assert_memory_equal(offered.data, "+OK first\r\n", 11);
    poplin_testkit_tap()->sent(tap, 4);
    assert_int_equal(poplin_testkit_tap()->next(tap, &again, &milliseconds), POPLIN_TAP_SEND);
    assert_ptr_equal(again.data, offered.data + 4);
    assert_int_equal(again.size, 7);
    assert_int_equal(tapped_send(tap, SIZE_MAX), POPLIN_TAP_IDLE);
    tapped_close(tap);
    poplin_record *record = tapped_record(kit, 0);
    assert_int_equal(record->octets_out, 11 + 11 + 80000);
    assert_int_equal(record->exchanges[1].octets, 11);
    assert_int_equal(record->exchanges[2].octets, 80000);
    assert_string_equal(record->exchanges[1].reply, "+OK first");
    poplin_record_free(record);
    poplin_testkit_free(kit);
    free(large);
}

static void test_pipelined_replies_leave_together_and_land_one_by_one(void **state) {
    poplin_testkit *kit = tapped_kit(10, 10);
    void *tap = tapped_open(kit);
    (void)state;
    tapped_exchange(tap, "RETR 1", "+OK\r\n1\r\n.\r\n");
    tapped_exchange(tap, "RETR 2", "+OK\r\n2\r\n.\r\n");
    tapped_exchange(tap, "RETR 3", "+OK\r\n3\r\n.\r\n");
    poplin_record *before = tapped_record(kit, 0);
    assert_string_equal(before->exchanges[1].reply, "");
    assert_int_equal(tapped_send(tap, 22), POPLIN_TAP_SEND);
    poplin_record *record = tapped_record(kit, 0);
    assert_string_equal(record->retrieved[0], "id-1");
    assert_string_equal(record->retrieved[1], "id-2"); /* 22 octets are both, to the last */
    assert_null(record->retrieved[2]);
    assert_true(record->exchanges[2].complete);
    assert_false(record->exchanges[3].complete);
    assert_string_equal(record->exchanges[3].reply, "+OK"); /* it was offered */
    assert_int_equal(record->exchanges[3].octets, 0);
    tapped_close(tap);
    poplin_record_free(before);
    poplin_record_free(record);
    poplin_testkit_free(kit);
}

static void test_the_last_reply_leaves_alone(void **state) {
    poplin_testkit *kit = tapped_kit(10, 10);
    void *tap = tapped_open(kit);
    poplin_slice octets;
    uint32_t milliseconds;
    (void)state;
    tapped_exchange(tap, "RETR 1", "+OK\r\n1\r\n.\r\n");
    (void)tapped_command(tap, "QUIT");
    tapped_end(tap, POPLIN_COMMITTED);
    assert_int_equal(tapped_reply(tap, "+OK bye\r\n", true), POPLIN_OK);
    assert_int_equal(poplin_testkit_tap()->next(tap, &octets, &milliseconds), POPLIN_TAP_SEND);
    assert_int_equal(octets.size, 11);
    poplin_testkit_tap()->sent(tap, octets.size);
    poplin_record *record = tapped_record(kit, 0);
    assert_string_equal(record->retrieved[0], "id-1");
    assert_int_equal(record->outcome, POPLIN_COMMITTED);
    assert_int_equal(poplin_testkit_tap()->next(tap, &octets, &milliseconds), POPLIN_TAP_SEND);
    assert_int_equal(octets.size, 9);
    tapped_close(tap);
    poplin_record_free(record);
    poplin_testkit_free(kit);
}

static void test_a_message_that_the_session_breaks_off_is_not_retrieved(void **state) {
    poplin_testkit *kit = tapped_kit(10, 10);
    void *tap = tapped_open(kit);
    (void)state;
    (void)tapped_command(tap, "RETR 1");
    (void)tapped_reply(tap, "+OK 9 octets\r\nhalf", false);
    tapped_end(tap, POPLIN_FAILED);
    (void)tapped_reply(tap, " of it\r\n", true);
    (void)tapped_send(tap, SIZE_MAX);
    tapped_close(tap);
    poplin_record *record = tapped_record(kit, 0);
    assert_null(record->retrieved[0]);
    assert_false(record->exchanges[1].complete);
    poplin_record_free(record);
    poplin_testkit_free(kit);
}

static void test_rset_takes_marks_back_only_where_it_was_done(void **state) {
    poplin_testkit *kit = tapped_kit(10, 100);
    void *tap = tapped_open(kit);
    (void)state;
    tapped_fault(kit, "RSET nth=1 refuse=no");
    tapped_say(tap, "DELE 3", "+OK\r\n");
    tapped_say(tap, "DELE 1", "+OK\r\n");
    tapped_say(tap, "DELE 9", "-ERR no such message\r\n");
    tapped_say(tap, "RSET", "+OK\r\n");
    poplin_record *record = tapped_record(kit, 0);
    assert_string_equal(record->marked[0], "id-3");
    assert_string_equal(record->marked[1], "id-1");
    assert_null(record->marked[2]);
    poplin_record_free(record);
    tapped_say(tap, "RSET", "+OK\r\n");
    tapped_say(tap, "DELE 2", "+OK\r\n");
    tapped_quit(tap);
    record = tapped_record(kit, 0);
    assert_string_equal(record->deleted[0], "id-2");
    assert_null(record->deleted[1]);
    poplin_record_free(record);
    poplin_testkit_free(kit);
}

/* ---- what is kept ---- */

static void expect_numbers(poplin_testkit *kit, uint64_t not_kept, const uint64_t *numbers, size_t count) {
    uint64_t sessions, gone;
    poplin_record *record;
    poplin_testkit_count(kit, &sessions, &gone);
    assert_int_equal(gone, not_kept);
    assert_int_equal(sessions, not_kept + count);
    for (size_t i = 0; i < count; i++) {
        record = tapped_record(kit, i);
        assert_int_equal(record->number, numbers[i]);
        poplin_record_free(record);
        assert_int_equal(poplin_testkit_record_numbered(kit, numbers[i], &record), POPLIN_OK);
        assert_int_equal(record->number, numbers[i]);
        poplin_record_free(record);
    }
    assert_int_equal(poplin_testkit_record(kit, count, &record), POPLIN_ERR_REFUSED);
    assert_null(record);
}

static void test_the_oldest_ended_sessions_go_first(void **state) {
    poplin_testkit *kit = tapped_kit(3, 10);
    void *taps[6];
    poplin_record *record;
    (void)state;
    for (size_t i = 0; i < 5; i++)
        taps[i] = tapped_open(kit);
    expect_numbers(kit, 0, (const uint64_t[]){1, 2, 3, 4, 5}, 5); /* open ones stay, however many */
    tapped_end(taps[3], POPLIN_DROPPED);
    expect_numbers(kit, 1, (const uint64_t[]){1, 2, 3, 5}, 4);
    tapped_quit(taps[1]);
    expect_numbers(kit, 2, (const uint64_t[]){1, 3, 5}, 3);
    tapped_quit(taps[0]);
    expect_numbers(kit, 2, (const uint64_t[]){1, 3, 5}, 3);
    taps[5] = tapped_open(kit);
    expect_numbers(kit, 3, (const uint64_t[]){3, 5, 6}, 3);
    assert_int_equal(poplin_testkit_record_numbered(kit, 4, &record), POPLIN_ERR_REFUSED);
    tapped_say(taps[3], "NOOP", "+OK\r\n"); /* forgotten, but its connection lives on */
    tapped_close(taps[3]);
    tapped_quit(taps[2]);
    tapped_quit(taps[4]);
    tapped_quit(taps[5]);
    for (size_t i = 7; i < 100; i++)
        tapped_quit(tapped_open(kit));
    expect_numbers(kit, 96, (const uint64_t[]){97, 98, 99}, 3);
    poplin_testkit_free(kit);
}

static void test_exchanges_beyond_the_limit_are_counted(void **state) {
    poplin_testkit *kit = tapped_kit(10, 3);
    void *tap = tapped_open(kit);
    (void)state;
    for (int i = 0; i < 5; i++)
        tapped_say(tap, "NOOP", "+OK\r\n");
    tapped_say(tap, "RETR 1", "+OK\r\nx\r\n.\r\n");
    tapped_say(tap, "DELE 1", "+OK\r\n");
    tapped_quit(tap);
    poplin_record *record = tapped_record(kit, 0);
    assert_int_equal(record->exchange_count, 3);
    assert_int_equal(record->exchanges_not_kept, 6);
    assert_string_equal(record->retrieved[0], "id-1");
    assert_string_equal(record->deleted[0], "id-1");
    assert_int_equal(record->octets_out, 11 + 5 * 5 + 11 + 5 + 9);
    poplin_record_free(record);
    poplin_testkit_free(kit);
}

/* holds: T-RES-4 S */
static void test_a_client_that_never_stops_does_not_fill_the_log(void **state) {
    poplin_testkit *kit = tapped_kit(10, 3);
    void *tap = tapped_open(kit);
    (void)state;
    tapped_fault(kit, "NOOP append=x");
    for (int i = 0; i < 3; i++)
        tapped_say(tap, "NOOP", "+OK\r\n");
    const poplin_logged_session *session = poplin_log_find(&kit->log, 1);
    size_t words = session->words.size, said = session->said.size;
    for (int i = 0; i < 1000; i++) {
        tapped_say(tap, "NOOP", "+OK\r\n");
        tapped_say(tap, "DELE 1", "-ERR\r\n");
    }
    assert_int_equal(session->words.size, words);
    assert_int_equal(session->said.size, said);
    tapped_close(tap);
    poplin_testkit_free(kit);
}

static void test_a_reset_forgets_all_but_open_sessions(void **state) {
    poplin_testkit *kit = tapped_kit(10, 10);
    void *open = tapped_open(kit);
    void *answered = tapped_open(kit);
    (void)state;
    uint64_t fault = tapped_fault(kit, "NOOP reply=\"+OK fault\"");
    tapped_end(answered, POPLIN_LEFT);
    poplin_testkit_reset(kit);
    tapped_close(answered);
    expect_numbers(kit, 0, (const uint64_t[]){1}, 1);
    tapped_say(open, "NOOP", "+OK\r\n");
    assert_int_equal(poplin_testkit_remove(kit, fault, NULL), POPLIN_ERR_STATE);
    void *later = tapped_open(kit);
    expect_numbers(kit, 0, (const uint64_t[]){1, 3}, 2);
    tapped_quit(open);
    tapped_quit(later);
    poplin_testkit_reset(kit);
    expect_numbers(kit, 0, NULL, 0);
    tapped_quit(tapped_open(kit)); /* numbers begin anew where nobody has one */
    expect_numbers(kit, 0, (const uint64_t[]){1}, 1);
    poplin_testkit_free(kit);
}

/* ---- what is shown ---- */

static void test_lines_are_shown_as_they_were(void **state) {
    poplin_testkit *kit = tapped_kit(10, 10);
    void *tap = tapped_open(kit);
    (void)state;
    tapped_say(tap, "LIST", "+OK a\x01\xC3\xA9\n1 2\r\n2 \r3\n.\r\nrest");
    poplin_record *record = tapped_record(kit, 0);
    assert_string_equal(record->exchanges[1].reply, "+OK a\\x01\\xC3\\xA9\\x0A");
    assert_string_equal(record->exchanges[1].text, "1 2\n2 \\x0D3\\x0A\n.\nrest\n");
    tapped_close(tap);
    poplin_record_free(record);
    poplin_testkit_free(kit);
}

/* However it is cut into pieces, and however much there is. */
static void test_long_replies_are_cut(void **state) {
    poplin_testkit *kit = tapped_kit(10, 10);
    void *tap = tapped_open(kit);
    char line[3001];
    (void)state;
    memset(line, 'y', 3000);
    line[3000] = '\0';
    (void)tapped_command(tap, "UIDL");
    for (int i = 0; i < 5; i++)
        (void)tapped_reply(tap, line, false);
    (void)tapped_send(tap, SIZE_MAX);
    for (int i = 0; i < 5; i++) {
        (void)tapped_reply(tap, "\r\n", false);
        (void)tapped_send(tap, SIZE_MAX);
        (void)tapped_reply(tap, line, i == 4);
        (void)tapped_send(tap, SIZE_MAX);
    }
    poplin_record *record = tapped_record(kit, 0);
    assert_int_equal(strlen(record->exchanges[1].reply), 1024 + 3);
    assert_int_equal(strlen(record->exchanges[1].text), 4096 - 1 + 4); /* one CRLF became LF, and "...\n" */
    assert_int_equal(record->exchanges[1].octets, 30010);
    tapped_close(tap);
    poplin_record_free(record);
    poplin_testkit_free(kit);
}

/* A secret of which only the beginning was kept is none to be shown either. */
static void test_a_secret_that_is_cut_is_masked(void **state) {
    poplin_testkit *kit = tapped_kit(10, 10);
    void *tap = tapped_open(kit);
    char text[5000];
    (void)state;
    assert_int_equal(poplin_testkit_add_secret(kit, SLICE("hunter2")), POPLIN_OK);
    snprintf(text, sizeof text, "+OK\r\n%4092dhunter2%200d", 0, 0);
    tapped_say(tap, "CAPA", text);
    snprintf(text, sizeof text, "+OK %1016dhunter2%200d\r\n", 0, 0);
    tapped_say(tap, "NOOP", text);
    poplin_record *record = tapped_record(kit, 0);
    assert_string_equal(record->exchanges[1].text + 4092, "****...\n");
    assert_string_equal(record->exchanges[2].reply + 1020, "****...");
    tapped_close(tap);
    poplin_record_free(record);
    poplin_testkit_free(kit);
}

static void expect_masked(const poplin_secrets *secrets, const char *text, bool cut, const char *expected) {
    poplin_buffer masked = {0};
    assert_int_equal(poplin_secrets_mask(secrets, poplin_slice_of(text), cut, &masked), POPLIN_OK);
    assert_int_equal(poplin_buffer_append(&masked, "", 1), POPLIN_OK);
    assert_string_equal(poplin_buffer_slice(&masked).data, expected);
    poplin_buffer_free(&masked);
}

/* holds: T-SEC-1 S */
static void test_secrets_are_masked_in_every_form(void **state) {
    poplin_secrets secrets = {0};
    (void)state;
    expect_masked(&secrets, "nothing is secret", true, "nothing is secret");
    assert_int_equal(poplin_secrets_add(&secrets, SLICE("hunter2")), POPLIN_OK);
    assert_int_equal(poplin_secrets_add(&secrets, SLICE("hunter2-longer")), POPLIN_OK);
    assert_int_equal(poplin_secrets_add(&secrets, SLICE("p\xC3\xA9p\xC3\xA9")), POPLIN_OK);
    assert_int_equal(poplin_secrets_add(&secrets, SLICE("x")), POPLIN_OK);
    assert_int_equal(poplin_secrets_add(&secrets, SLICE("")), POPLIN_OK);
    expect_masked(&secrets, "hunter2", false, "****");
    expect_masked(&secrets, "hunter2hunter2", false, "********");
    expect_masked(&secrets, "a hunter2-longer b", false, "a **** b");
    expect_masked(&secrets, "hunter hunter1 x", false, "hunter hunter1 ****");
    expect_masked(&secrets, "p\xC3\xA9p\xC3\xA9 p\\xC3\\xA9p\\xC3\\xA9", false, "**** ****");
    expect_masked(&secrets, "aHVudGVyMg==", false, "****");                 /* hunter2 */
    expect_masked(&secrets, "-AGFsaWNlAGh1bnRlcjI= b", false, "-**** b");   /* NUL alice NUL hunter2 */
    expect_masked(&secrets, "AGFsAGh1bnRlcjI=", false, "****");             /* NUL al NUL hunter2 */
    expect_masked(&secrets, "AGEAaHVudGVyMg==", false, "****");             /* NUL a NUL hunter2 */
    expect_masked(&secrets, "dXNlcj1hAWh1bnRlcjIBAQ== !", false, "**** !"); /* with octets behind it */
    expect_masked(&secrets, "the hunt", false, "the hunt");
    expect_masked(&secrets, "the hunt", true, "the ****"); /* it may go on as hunter2 */
    poplin_secrets_free(&secrets);
}

static void test_a_short_secret_is_no_leak_by_chance(void **state) {
    poplin_secrets secrets = {0};
    (void)state;
    assert_int_equal(poplin_secrets_add(&secrets, SLICE("1")), POPLIN_OK);
    assert_int_equal(poplin_secrets_add(&secrets, SLICE("secret")), POPLIN_OK);
    assert_false(poplin_secrets_turn_up(&secrets, SLICE("RETR 1")));
    assert_false(poplin_secrets_turn_up(&secrets, SLICE("secre")));
    assert_true(poplin_secrets_turn_up(&secrets, SLICE("X-FOO my secret")));
    assert_true(poplin_secrets_turn_up(&secrets, SLICE("X AGFsaWNlAHNlY3JldA==")));
    poplin_secrets_free(&secrets);
}

/* A secret that became one after it was said is masked all the same. */
static void test_a_record_is_masked_when_it_is_made(void **state) {
    poplin_testkit *kit = tapped_kit(10, 10);
    void *tap = tapped_open(kit);
    (void)state;
    (void)tapped_command(tap, "CAPA");
    (void)tapped_reply(tap, "+OK\r\nX-sec", false);
    (void)tapped_send(tap, SIZE_MAX);
    (void)tapped_reply(tap, "ret\r\n.\r\n", true);
    (void)tapped_send(tap, SIZE_MAX);
    assert_int_equal(poplin_testkit_add_secret(kit, SLICE("secret")), POPLIN_OK);
    poplin_record *record = tapped_record(kit, 0);
    assert_string_equal(record->exchanges[1].text, "X-****\n.\n");
    tapped_close(tap);
    poplin_record_free(record);
    poplin_testkit_free(kit);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offered_octets_stay_where_they_are),
        cmocka_unit_test(test_pipelined_replies_leave_together_and_land_one_by_one),
        cmocka_unit_test(test_the_last_reply_leaves_alone),
        cmocka_unit_test(test_a_message_that_the_session_breaks_off_is_not_retrieved),
        cmocka_unit_test(test_rset_takes_marks_back_only_where_it_was_done),
        cmocka_unit_test(test_the_oldest_ended_sessions_go_first),
        cmocka_unit_test(test_exchanges_beyond_the_limit_are_counted),
        cmocka_unit_test(test_a_client_that_never_stops_does_not_fill_the_log),
        cmocka_unit_test(test_a_reset_forgets_all_but_open_sessions),
        cmocka_unit_test(test_lines_are_shown_as_they_were),
        cmocka_unit_test(test_long_replies_are_cut),
        cmocka_unit_test(test_a_secret_that_is_cut_is_masked),
        cmocka_unit_test(test_secrets_are_masked_in_every_form),
        cmocka_unit_test(test_a_short_secret_is_no_leak_by_chance),
        cmocka_unit_test(test_a_record_is_masked_when_it_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
