/* Unique-ids that are repeated, used again, exchanged, missing or strange: nothing is lost, and nothing deleted unseen. */
#include "fetched.h"

static const char A[] = "message A\r\n", B[] = "message B\r\n", C[] = "a longer message\r\n";

static void start(struct fetched *fetched) {
    kitted_start(&fetched->kitted, 0, 0);
}

/* holds: T-UID-4 C, POP-UIDL-3 C */
static void test_repeated_id(void **state) {
    struct fetched *fetched = *state;
    const char *const both[] = {A, B, C};
    start(fetched);
    fetched_has(fetched, both, 3);
    fetched_tell_ids(fetched, "1 same\\r\\n2 same\\r\\n3 other\\r\\n");
    fetched_complete(fetched);
    assert_int_equal(fetched_count_of(fetched, A) * fetched_count_of(fetched, B) * fetched_count_of(fetched, C), 1);
    fetched_complete(fetched);
    assert_int_equal(fetched->mail_count, 3);
    assert_int_equal(fetched->pieces, 0);
    fetched->config.keep = 0;
    fetched_complete(fetched);
    assert_int_equal(served_count(fetched->served), 0);
}

/* The second message of an id may stand before the first: on the word of the record it would be deleted unseen. */
/* holds: T-UID-4 C */
static void test_id_that_comes_to_be_repeated(void **state) {
    struct fetched *fetched = *state;
    const char *const first[] = {A}, *const second[] = {B, A};
    start(fetched);
    fetched_has(fetched, first, 1);
    fetched_tell_ids(fetched, "1 same\\r\\n");
    fetched_complete(fetched);
    fetched_has(fetched, second, 2);
    fetched_tell_ids(fetched, "1 same\\r\\n2 same\\r\\n");
    fetched->config.keep = 0;
    fetched_complete(fetched);
    assert_int_equal(fetched_count_of(fetched, B), 1);
    assert_true(fetched_count_of(fetched, A) >= 1);
    assert_int_equal(served_count(fetched->served), 0);
}

/* holds: T-UID-5 C */
static void test_id_used_again(void **state) {
    struct fetched *fetched = *state;
    const char *const first[] = {A}, *const second[] = {C};
    start(fetched);
    fetched->config.keep = 14 * 86400;
    fetched_has(fetched, first, 1);
    fetched_tell_ids(fetched, "1 same\\r\\n");
    fetched_complete(fetched);
    fetched_has(fetched, second, 1);
    fetched->config.now += 15 * 86400;
    fetched_complete(fetched); /* its time is over, but it is not the one that was taken */
    assert_int_equal(fetched_count_of(fetched, C), 1);
    assert_int_equal(served_count(fetched->served), 1);
    fetched->config.now += 15 * 86400;
    fetched_complete(fetched);
    assert_int_equal(served_count(fetched->served), 0);
}

/* What is confirmed as gone and listed again is a new message, also within the same second. */
static void test_id_used_again_after_the_deletion(void **state) {
    struct fetched *fetched = *state;
    const char *const first[] = {A}, *const second[] = {B};
    start(fetched);
    fetched->config.keep = 0;
    fetched_has(fetched, first, 1);
    fetched_tell_ids(fetched, "1 same\\r\\n");
    fetched_complete(fetched);
    fetched_has(fetched, second, 1);
    fetched_complete(fetched);
    assert_int_equal(fetched_count_of(fetched, A) * fetched_count_of(fetched, B), 1);
}

/* ... and its time begins when it is seen first, not when the other was. */
static void test_time_of_an_id_used_again(void **state) {
    struct fetched *fetched = *state;
    const char *const first[] = {A}, *const second[] = {B};
    start(fetched);
    fetched->config.keep = 14 * 86400;
    fetched_has(fetched, first, 1);
    fetched_tell_ids(fetched, "1 same\\r\\n");
    fetched_complete(fetched);
    fetched->config.now += 14 * 86400;
    fetched_complete(fetched);
    fetched_has(fetched, second, 1);
    fetched_complete(fetched);
    assert_int_equal(fetched_count_of(fetched, B), 1);
    assert_int_equal(served_count(fetched->served), 1);
}

/* holds: T-UID-5 C */
static void test_all_ids_change(void **state) {
    struct fetched *fetched = *state;
    const char *const mail[] = {A, B};
    start(fetched);
    fetched->config.keep = 86400;
    fetched_has(fetched, mail, 2);
    fetched_tell_ids(fetched, "1 a\\r\\n2 b\\r\\n");
    fetched_complete(fetched);
    fetched_tell_ids(fetched, "1 c\\r\\n2 d\\r\\n");
    fetched->config.now += 2 * 86400;
    fetched_complete(fetched);
    assert_int_equal(served_count(fetched->served), 2);
    assert_int_equal(fetched->record_count, 4);
    fetched_tell_ids(fetched, "1 a\\r\\n2 b\\r\\n"); /* and back: they are still known, and their time is over */
    fetched_complete(fetched);
    assert_int_equal(served_count(fetched->served), 0);
    assert_int_equal(fetched->pieces, 0);
}

/* What nobody lists any more is forgotten after 90 days, and not before. */
static void test_records_are_forgotten(void **state) {
    struct fetched *fetched = *state;
    const char *const mail[] = {A};
    start(fetched);
    fetched->config.keep = 0;
    fetched_has(fetched, mail, 1);
    fetched_complete(fetched);
    fetched->config.now += 90 * 86400;
    fetched_complete(fetched);
    assert_int_equal(fetched->record_count, 1);
    fetched->config.now += 1;
    fetched_complete(fetched);
    assert_int_equal(fetched->record_count, 0);
}

/* holds: T-NUM-6 C */
static void test_message_without_id_is_left(void **state) {
    struct fetched *fetched = *state;
    const char *const mail[] = {A, B};
    start(fetched);
    fetched->config.keep = 0;
    fetched_has(fetched, mail, 2);
    fetched_tell_ids(fetched, "2 b\\r\\n");
    fetched_complete(fetched);
    assert_int_equal(served_count(fetched->served), 1);
    assert_int_equal(fetched_count_of(fetched, A), 0);
    assert_int_equal(fetched->results[0].result, POPLIN_RESULT_NO_ID);
}

/* holds: T-UID-3 C, POP-UIDL-5 C */
static void test_strange_ids(void **state) {
    static const char *const ids[] = {"../../x", "-rf", "%s%n", "a:2,S", "';DROP", ".", "\\\\"};
    struct fetched *fetched = *state;
    const char *mail[COUNT_OF(ids)];
    char lines[200] = "";
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        mail[i] = i % 2 ? A : C;
        (void)snprintf(lines + strlen(lines), sizeof lines - strlen(lines), "%zu %s\\r\\n", i + 1, ids[i]);
    }
    start(fetched);
    fetched_has(fetched, mail, COUNT_OF(ids));
    fetched_tell_ids(fetched, lines);
    fetched_complete(fetched);
    assert_int_equal(fetched->mail_count, COUNT_OF(ids));
    assert_non_null(fetched_find(fetched, SLICE("../../x"), 0));
    assert_non_null(fetched_find(fetched, SLICE("%25s%25n"), 0));
    fetched_complete(fetched);
    assert_int_equal(fetched->pieces, 0);
}

/* Ids of other octets, which only a lenient client takes, are recorded in ASCII. */
static void test_ids_outside_ascii(void **state) {
    struct fetched *fetched = *state;
    const char *const mail[] = {A};
    start(fetched);
    fetched_has(fetched, mail, 1);
    fetched_tell_ids(fetched, "1 \\xe4\\xff\\r\\n");
    fetched_complete(fetched);
    assert_non_null(fetched_find(fetched, SLICE("%E4%FF"), 0));
}

/* holds: T-DLV-7 C */
static void test_one_message_for_all_numbers(void **state) {
    struct fetched *fetched = *state;
    const char *const mail[] = {A, B};
    start(fetched);
    fetched->config.keep = 14 * 86400;
    fetched_has(fetched, mail, 2);
    fetched_tell_ids(fetched, "1 a\\r\\n2 b\\r\\n");
    kitted_fault(&fetched->kitted, "RETR message=2 raw=\"+OK\\r\\nmessage A\\r\\n.\\r\\n\"");
    fetched_complete(fetched);
    assert_int_equal(fetched_count_of(fetched, A), 2);
    assert_int_equal(served_count(fetched->served), 2);
}

/* GNU Mailutils does that at the end of the first session that sees a message. */
/* holds: POP-UIDL-6 C */
static void test_fields_that_a_server_adds_are_not_of_the_header(void **state) {
    struct fetched *fetched = *state;
    const char *const before[] = {"Subject: 1\r\n\r\none\r\n", "X-UIDL: old\r\n\r\ntwo\r\n"};
    const char *const after[] = {"Subject: 1\r\nX-UIDL: 1\r\nX-Keywords: a,\r\n b\r\nStatus: RO\r\n\r\none\r\n",
                                 "x-status: F\r\n\r\ntwo\r\n"};
    const char *const others[] = {"Subject: 1\r\n more\r\n\r\none\r\n", "Statuses: 1\r\n\r\ntwo\r\n"};
    start(fetched);
    kitted_fault(&fetched->kitted, "UIDL refuse=no");
    fetched_has(fetched, before, 2);
    fetched_complete(fetched);
    fetched_has(fetched, after, 2);
    fetched_complete(fetched);
    assert_int_equal(fetched->pieces, 0);
    assert_int_equal(fetched->mail_count, 2);
    fetched_has(fetched, others, 2);
    fetched_complete(fetched);
    assert_int_equal(fetched->mail_count, 4);
}

/* As solid-pop3d does. */
static void test_server_that_hangs_up_after_some_unknown_commands(void **state) {
    struct fetched *fetched = *state;
    const char *const all[] = {A, B, C};
    start(fetched);
    kitted_fault(&fetched->kitted, "UIDL refuse=no");
    kitted_fault(&fetched->kitted, "TOP nth=5 drop_before"); /* the first of the second session that is one too many */
    kitted_fault(&fetched->kitted, "TOP refuse=no");
    fetched_has(fetched, all, 3);
    assert_int_equal(fetched_run(fetched), POPLIN_ERR_UNSUPPORTED);
    fetched->config.keep = 0;
    fetched_complete(fetched);
    assert_int_equal(fetched->mail_count, 3);
    assert_int_equal(served_count(fetched->served), 0);
}

static void test_message_without_a_header_to_be_had(void **state) {
    struct fetched *fetched = *state;
    const char *const all[] = {A, B, C};
    start(fetched);
    kitted_fault(&fetched->kitted, "UIDL refuse=no");
    kitted_fault(&fetched->kitted, "TOP message=1 refuse=no");
    fetched_has(fetched, all, 3);
    fetched_complete(fetched);
    assert_int_equal(fetched->mail_count, 2);
    assert_int_equal(fetched_count_of(fetched, A), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FETCHED_TEST(test_repeated_id),
        FETCHED_TEST(test_id_that_comes_to_be_repeated),
        FETCHED_TEST(test_id_used_again),
        FETCHED_TEST(test_id_used_again_after_the_deletion),
        FETCHED_TEST(test_time_of_an_id_used_again),
        FETCHED_TEST(test_all_ids_change),
        FETCHED_TEST(test_records_are_forgotten),
        FETCHED_TEST(test_message_without_id_is_left),
        FETCHED_TEST(test_strange_ids),
        FETCHED_TEST(test_ids_outside_ascii),
        FETCHED_TEST(test_fields_that_a_server_adds_are_not_of_the_header),
        FETCHED_TEST(test_server_that_hangs_up_after_some_unknown_commands),
        FETCHED_TEST(test_message_without_a_header_to_be_had),
        FETCHED_TEST(test_one_message_for_all_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
