/*
 * test_kit_check.c - sessions judged: each explanation names what was expected and what came nearest to it.
 */
#include "tapped.h"

static poplin_testkit *kit;
static void *tap;
static poplin_record *record;

static int set_up(void **state) {
    (void)state;
    kit = tapped_kit(10, 1000);
    tap = tapped_open(kit);
    record = NULL;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    poplin_record_free(record);
    poplin_testkit_free(kit);
    return 0;
}

static const poplin_record *look(void) {
    poplin_record_free(record);
    record = tapped_record(kit, 0);
    return record;
}

/* The explanation holds all of this, and the transcript; none is expected where expected is NULL. It is freed. */
static void expect(char *explanation, const char *expected) {
    if (expected == NULL && explanation != NULL)
        fail_msg("%s", explanation);
    if (expected != NULL && explanation == NULL)
        fail_msg("expected \"%s\", but nothing was wrong", expected);
    if (expected != NULL && strstr(explanation, expected) == NULL)
        fail_msg("expected \"%s\" in:\n%s", expected, explanation);
    if (expected != NULL)
        assert_non_null(strstr(explanation, "\n\nsession 1 from 127.0.0.1:4000\nS: +OK ready\n"));
    poplin_explanation_free(explanation);
}

#define LIST_OF(...) \
    (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)

static void test_quit(void **state) {
    (void)state;
    expect(poplin_record_check_quit(look()), "expected QUIT to be said and answered +OK\n"
                                             "  it was never said; nothing was");
    tapped_say(tap, "USER alice", "+OK\r\n");
    expect(poplin_record_check_quit(look()), "it was never said; the last command was USER alice");
    tapped_fault(kit, "QUIT nth=1 cut=0 name=\"no goodbye\"");
    tapped_say(tap, "QUIT", "+OK\r\n");
    expect(poplin_record_check_quit(look()), "QUIT was not answered (fault no goodbye)");
    tapped_say(tap, "QUIT", "-ERR [SYS/TEMP] disk full\r\n");
    expect(poplin_record_check_quit(look()), "QUIT was answered \"-ERR [SYS/TEMP] disk full\"\n");
    tapped_quit(tap);
    expect(poplin_record_check_quit(look()), NULL);
}

static void test_deleted(void **state) {
    (void)state;
    tapped_fault(kit, "DELE message=4 reply=+OK name=liar");
    tapped_say(tap, "DELE 1", "+OK\r\n");
    tapped_say(tap, "RSET", "+OK\r\n");
    tapped_say(tap, "DELE 2", "+OK\r\n");
    tapped_say(tap, "DELE 3", "-ERR no such message\r\n");
    tapped_say(tap, "DELE 4", "+OK\r\n");
    expect(poplin_record_check_deleted(look(), LIST_OF("id-2")), "id-2: was marked, but the session is still open");
    tapped_end(tap, POPLIN_DROPPED);
    tapped_close(tap);
    expect(poplin_record_check_deleted(look(), LIST_OF("id-1", "id-2", "id-3", "id-4", "id-5")),
           "expected these messages to be deleted: id-1, id-2, id-3, id-4, id-5\n"
           "but these were: none\n"
           "  id-1: was marked by DELE 1, and unmarked by RSET\n"
           "  id-2: was marked, but the session ended as dropped\n"
           "  id-3: DELE 3 was answered \"-ERR no such message\"\n"
           "  id-4: DELE 4 was answered +OK, but not carried out (fault liar)\n"
           "  id-5: was never marked: no DELE named it\n");
    expect(poplin_record_check_deleted(look(), NULL, 0), NULL);
}

static void test_deleted_and_nothing_else(void **state) {
    (void)state;
    tapped_say(tap, "DELE 1", "+OK\r\n");
    tapped_say(tap, "DELE 2", "+OK\r\n");
    tapped_quit(tap);
    expect(poplin_record_check_deleted(look(), LIST_OF("id-2", "id-1")), NULL);
    expect(poplin_record_check_deleted(look(), LIST_OF("id-1")), "id-2: was deleted, and should not be\n");
    expect(poplin_record_check_deleted(look(), NULL, 0), "expected these messages to be deleted: none\n"
                                                         "but these were: id-1, id-2\n");
}

static void test_retrieved(void **state) {
    (void)state;
    tapped_fault(kit, "RETR message=2 cut=10 name=short");
    tapped_fault(kit, "RETR message=3 append=x name=odd");
    tapped_fault(kit, "RETR message=6 stall_before name=mute");
    tapped_say(tap, "RETR 1", "+OK\r\nmail\r\n.\r\n");
    tapped_say(tap, "RETR 2", "+OK\r\nmail\r\n.\r\n");
    tapped_say(tap, "RETR 3", "+OK\r\nmail\r\n.\r\n");
    tapped_say(tap, "RETR 4", "-ERR [SYS/TEMP] gone\r\n");
    tapped_say(tap, "TOP 5 0", "+OK\r\n\r\n.\r\n");
    tapped_exchange(tap, "RETR 6", "+OK\r\nmail\r\n.\r\n");
    (void)tapped_send(tap, SIZE_MAX);
    tapped_close(tap);
    expect(poplin_record_check_retrieved(look(), LIST_OF("id-1")), NULL);
    expect(poplin_record_check_retrieved(look(), LIST_OF("id-1", "id-2", "id-3", "id-4", "id-5", "id-6", "id-7")),
           "but of them were not:\n"
           "  id-2: RETR 2 was answered, but only 10 of 14 octets went out (fault short)\n"
           "  id-3: RETR 3 was answered, but not with the whole message as it is (fault odd)\n"
           "  id-4: RETR 4 was answered \"-ERR [SYS/TEMP] gone\"\n"
           "  id-5: no RETR named it, only TOP 5 0\n"
           "  id-6: RETR 6 was not answered (fault mute)\n"
           "  id-7: no RETR named it\n");
}

static void test_no_cleartext_secret(void **state) {
    (void)state;
    tapped_say(tap, "USER alice", "+OK\r\n");
    expect(poplin_record_check_no_cleartext_secret(look()), NULL);
    tapped_say(tap, "PASS secret", "+OK\r\n");
    expect(poplin_record_check_no_cleartext_secret(look()), "expected no secret to cross without TLS\n"
                                                            "  PASS ****: crossed in clear\n");
    tapped_close(tap);
}

static void test_no_secret_in_clear_under_tls(void **state) {
    (void)state;
    poplin_testkit_tap()->secured(tap, "TLS1.3 AES-256-GCM");
    tapped_say(tap, "PASS secret", "+OK\r\n");
    expect(poplin_record_check_no_cleartext_secret(look()), NULL);
    assert_true(look()->exchanges[1].secret);
    tapped_close(tap);
}

static void test_order(void **state) {
    (void)state;
    tapped_say(tap, "CAPA", "+OK\r\n.\r\n");
    tapped_say(tap, "user alice", "+OK\r\n");
    tapped_say(tap, "PASS secret", "+OK\r\n");
    tapped_say(tap, "DELE 21", "+OK\r\n");
    tapped_say(tap, "NOOP", "+OK\r\n");
    tapped_quit(tap);
    expect(poplin_record_check_order(look(), LIST_OF("CAPA", "USER", "PASS", "QUIT")), NULL);
    expect(poplin_record_check_order(look(), LIST_OF("USER alice", "dele 21")), NULL);
    expect(poplin_record_check_order(look(), NULL, 0), NULL);
    expect(poplin_record_check_order(look(), LIST_OF("CAPA", "PASS", "DELE 2", "QUIT")),
           "expected these commands in this order: CAPA, PASS, DELE 2, QUIT\n"
           "  in order came: CAPA, PASS\n"
           "  then, where DELE 2 should come: DELE 21, NOOP, QUIT\n");
    expect(poplin_record_check_order(look(), LIST_OF("QUIT", "NOOP")),
           "  in order came: QUIT\n"
           "  then, where NOOP should come: no command any more\n");
    expect(poplin_record_check_order(look(), LIST_OF("STLS")), "  in order came: none\n");
}

/* What was not written down any more is judged by what is known of it. */
static void test_what_came_behind_the_last_exchange_that_is_kept(void **state) {
    poplin_testkit *brief = tapped_kit(10, 3);
    void *session = tapped_open(brief);
    (void)state;
    for (int i = 0; i < 4; i++)
        tapped_say(session, "CAPA", "+OK\r\n.\r\n");
    tapped_say(session, "PASS secret", "+OK\r\n");
    record = tapped_record(brief, 0);
    expect(poplin_record_check_quit(record), "it was never said");
    expect(poplin_record_check_no_cleartext_secret(record), "expected no secret to cross without TLS\n"
                                                            "  commands of exchanges that are not kept: 1\n");
    poplin_record_free(record);
    tapped_quit(session);
    record = tapped_record(brief, 0);
    expect(poplin_record_check_quit(record), NULL);
    tapped_close(tap);
    poplin_testkit_free(brief);
}

/* ---- the transcript ---- */

static void expect_transcript(const char *expected) {
    char *transcript = poplin_record_transcript(look());
    assert_string_equal(transcript, expected);
    free(transcript);
}

static void test_transcript(void **state) {
    (void)state;
    tapped_fault(kit, "RETR drop_after=10 name=\"cut in the mail\"");
    tapped_say(tap, "STLS", "+OK\r\n");
    poplin_testkit_tap()->secured(tap, "TLS1.3 AES-256-GCM");
    tapped_say(tap, "USER alice", "+OK\r\n");
    poplin_testkit_tap()->login(tap, SLICE("alice"), "USER");
    tapped_say(tap, "PASS secret", "+OK\r\n");
    tapped_say(tap, "LIST", "+OK 2 messages\r\n1 5\r\n2 5\r\n.\r\n");
    tapped_say(tap, "RETR 1", "+OK 6 octets\r\nmail\r\n.\r\n");
    expect_transcript("session 1 from 127.0.0.1:4000\n"
                      "S: +OK ready\n"
                      "C: STLS\n"
                      "S: +OK\n"
                      "-- TLS1.3 AES-256-GCM\n"
                      "C: USER alice\n"
                      "S: +OK\n"
                      "C: PASS ****\n"
                      "S: +OK\n"
                      "C: LIST\n"
                      "S: +OK 2 messages\n"
                      "     1 5\n"
                      "     2 5\n"
                      "     .\n"
                      "C: RETR 1\n"
                      "!! cut in the mail\n"
                      "S: +OK 6 octe\n"
                      "     (10 of 23 octets went out)\n"
                      "== open\n"
                      "   user: alice, by USER\n");
    tapped_end(tap, POPLIN_DROPPED);
    tapped_close(tap);
    assert_string_equal(look()->error, "the client went in the middle of the fault cut in the mail");
}

static void test_transcript_of_many_lines(void **state) {
    char text[1000] = "+OK\r\n";
    (void)state;
    for (int i = 0, at = 5; i < 100; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, "%d 1\r\n", i + 1);
    strcat(text, ".\r\n");
    tapped_say(tap, "LIST", text);
    tapped_quit(tap);
    char *transcript = poplin_record_transcript(look());
    assert_non_null(strstr(transcript, "     10 1\n     ... (90 more lines)\n     .\nC: QUIT\n"));
    free(transcript);
}

static size_t count_of(const char *text, const char *part) {
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
        count++;
    return count;
}

static void test_an_explanation_shows_beginning_and_end_of_a_long_session(void **state) {
    (void)state;
    for (int i = 0; i < 500; i++)
        tapped_say(tap, "NOOP", "+OK\r\n");
    tapped_end(tap, POPLIN_DROPPED);
    tapped_close(tap);
    char *transcript = poplin_record_transcript(look());
    assert_int_equal(count_of(transcript, "C: NOOP\n"), 500);
    char *explanation = poplin_record_check_quit(look());
    assert_int_equal(count_of(explanation, "C: NOOP\n"), 59);
    assert_non_null(strstr(explanation, ".. (441 exchanges are not shown)\n"));
    assert_non_null(strstr(explanation, "== dropped\n"));
    poplin_explanation_free(explanation);
    free(transcript);
}

#define CHECK_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CHECK_TEST(test_quit),
        CHECK_TEST(test_deleted),
        CHECK_TEST(test_deleted_and_nothing_else),
        CHECK_TEST(test_retrieved),
        CHECK_TEST(test_no_cleartext_secret),
        CHECK_TEST(test_no_secret_in_clear_under_tls),
        CHECK_TEST(test_order),
        CHECK_TEST(test_what_came_behind_the_last_exchange_that_is_kept),
        CHECK_TEST(test_transcript),
        CHECK_TEST(test_transcript_of_many_lines),
        CHECK_TEST(test_an_explanation_shows_beginning_and_end_of_a_long_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
