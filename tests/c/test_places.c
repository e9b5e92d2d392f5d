/*
 * test_places.c - the places that a fetch delivers to: who gets a message, what becomes of it where one fails, and the octets for
 * the program (poplin/places.h).
 */
#include "failing.h"
#include "fetch/delivery.h"
#include "places_support.h"

/* ---- where messages go ---- */

static void each_place_gets_each_message(void **state) {
    struct placed *placed = *state;
    assert_int_equal(poplin_places_count(placed->places), MAILDIRS);
    bring(placed->places, "1", "text\r\n");
    for (size_t i = 0; i < MAILDIRS; i++)
        assert_non_null(strstr(poplin_places_name(placed->places, i), "1763800000."));
    assert_null(poplin_places_failure(placed->places));
    expect_delivered(placed->places, POPLIN_OK);
    for (size_t i = 0; i < MAILDIRS; i++)
        assert_null(poplin_places_name(placed->places, i));
    bring(placed->places, "2", "text\r\n");
    expect_delivered(placed->places, POPLIN_OK);
    expect_settled(placed->places, POPLIN_OK);
    for (int maildir = 'a'; maildir <= 'c'; maildir++)
        expect_in(placed, (char)maildir, 2);
}

static void only_those_get_a_message_that_were_added_for_it(void **state) {
    struct placed *placed = *state;
    poplin_places_clear(placed->places);
    assert_int_equal(poplin_places_add(placed->places, placed->deliveries[1]), POPLIN_OK);
    bring(placed->places, "1", "text");
    assert_null(poplin_places_name(placed->places, 0));
    assert_non_null(poplin_places_name(placed->places, 1));
    poplin_places_clear(placed->places); /* from the next message on */
    expect_delivered(placed->places, POPLIN_OK);
    bring(placed->places, "2", "text"); /* nobody's, and no failure */
    expect_delivered(placed->places, POPLIN_OK);
    assert_int_equal(poplin_places_add(placed->places, placed->deliveries[2]), POPLIN_OK);
    assert_int_equal(poplin_places_add(placed->places, placed->deliveries[2]), POPLIN_OK);
    bring(placed->places, "3", "text");
    expect_delivered(placed->places, POPLIN_OK);
    expect_settled(placed->places, POPLIN_OK);
    expect_in(placed, 'a', 0);
    expect_in(placed, 'b', 1);
    expect_in(placed, 'c', 1);
    assert_int_equal(poplin_places_count(placed->places), MAILDIRS);
}

static void a_delivery_is_of_one_fetch_at_a_time(void **state) {
    struct placed *placed = *state;
    poplin_places *others = NULL;
    assert_int_equal(poplin_places_new(&others), POPLIN_OK);
    assert_int_equal(poplin_places_add(others, NULL), POPLIN_ERR_STATE);
    assert_int_equal(poplin_places_add(others, placed->deliveries[0]), POPLIN_ERR_STATE);
    poplin_places_free(placed->places);
    placed->places = others;
    assert_int_equal(poplin_places_add(others, placed->deliveries[0]), POPLIN_OK);
    bring(others, "1", "text");
    expect_delivered(others, POPLIN_OK);
    expect_settled(others, POPLIN_OK);
    expect_in(placed, 'a', 1);
    poplin_places_free(NULL);
}

static void events_of_others_are_left_alone(void **state) {
    static const enum poplin_fetch_event_kind others[] = {
        POPLIN_FETCH_CONNECT, POPLIN_FETCH_RECALL, POPLIN_FETCH_RECORD, POPLIN_FETCH_FILTER, POPLIN_FETCH_RESULT};
    struct placed *placed = *state;
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        assert_false(serve(placed->places, others[i], "1", SLICE("")));
        assert_int_equal(answered.count, 0);
    }
}

/* ---- failures ---- */

/* holds: T-DLV-3 C */
static void where_one_fails_the_others_go_on(void **state) {
    struct placed *placed = *state;
    for (enum step step = BEGIN; step <= END; step++) {
        const char uid[] = {(char)('0' + step), '\0'};
        fail_in(placed->deliveries[1], step);
        bring(placed->places, uid, "text");
        assert_non_null(poplin_places_name(placed->places, 0));
        assert_null(poplin_places_name(placed->places, 1));
        assert_string_equal(poplin_places_failure(placed->places)->reason, "the disk is full");
        expect_delivered(placed->places, POPLIN_ERR_IO);
        assert_string_equal(answered.reason, "the disk is full");
        expect_in(placed, 'a', step); /* no SETTLE comes, where no message was delivered everywhere */
        expect_in(placed, 'b', 0);
        expect_in(placed, 'c', step);
    }
    fail_in(NULL, 0);
    bring(placed->places, "1", "text"); /* again: it stands in a and c already */
    expect_delivered(placed->places, POPLIN_OK);
    expect_settled(placed->places, POPLIN_OK);
    expect_in(placed, 'a', END);
    expect_in(placed, 'b', 1);
}

static void where_all_fail_the_rest_is_not_wanted(void **state) {
    struct placed *placed = *state;
    fail_in(NULL, BEGIN);
    expect_answer(placed->places, POPLIN_FETCH_BEGIN, "1", "", POPLIN_ERR_IO);
    assert_string_equal(answered.reason, "the disk is full");
    fail_in(NULL, WRITE);
    expect_answer(placed->places, POPLIN_FETCH_BEGIN, "1", "", POPLIN_OK);
    expect_answer(placed->places, POPLIN_FETCH_PIECE, "1", "text", POPLIN_ERR_IO);
    fail_in(NULL, 0);
    bring(placed->places, "1", "text");
    expect_delivered(placed->places, POPLIN_OK);
}

/* The program gets it also where no Maildir does. */
static void where_all_fail_the_program_still_gets_it(void **state) {
    struct placed *placed = *state;
    poplin_places_collect(placed->places, true);
    fail_in(NULL, BEGIN);
    bring(placed->places, "1", "text");
    assert_int_equal(poplin_places_octets(placed->places).size, 4);
    expect_delivered(placed->places, POPLIN_ERR_IO);
    assert_string_equal(answered.reason, "the disk is full");
}

/* holds: T-DLV-3 C */
static void what_the_program_says_goes_before(void **state) {
    struct placed *placed = *state;
    poplin_error error = {.status = POPLIN_ERR_TEMPORARY, .reason = "not today"};
    fail_in(placed->deliveries[0], WRITE);
    bring(placed->places, "1", "text");
    assert_int_equal(poplin_places_answer(placed->places, NULL, POPLIN_ERR_TEMPORARY, &error), POPLIN_OK);
    assert_int_equal(answered.status, POPLIN_ERR_TEMPORARY);
    assert_string_equal(answered.reason, "not today");
    expect_in(placed, 'a', 0);
    expect_in(placed, 'b', 1);
}

static void all_are_settled_and_the_first_failure_is_told(void **state) {
    struct placed *placed = *state;
    bring(placed->places, "1", "text");
    expect_delivered(placed->places, POPLIN_OK);
    fail_in(placed->deliveries[0], SETTLE);
    expect_settled(placed->places, POPLIN_ERR_IO);
    assert_string_equal(answered.reason, "the disk is full");
    expect_in(placed, 'b', 1);
    expect_in(placed, 'c', 1);
    fail_in(NULL, 0);
    expect_settled(placed->places, POPLIN_ERR_IO); /* what is not safe once is not asked again */
}

static void remove_new(const struct placed *placed, char maildir) {
    const char name[] = {maildir, '/', 'n', 'e', 'w', '\0'};
    assert_int_equal(rmdir(mail_path(placed->mail, name)), 0);
}

static void delivered_to(const struct placed *placed, size_t maildir, const char *uid) {
    poplin_places_clear(placed->places);
    assert_int_equal(poplin_places_add(placed->places, placed->deliveries[maildir]), POPLIN_OK);
    bring(placed->places, uid, "text\r\n");
    expect_delivered(placed->places, POPLIN_OK);
}

/* holds: T-DLV-3 C */
static void what_does_not_get_there_when_it_is_settled_holds_back_no_other(void **state) {
    struct placed *placed = *state;
    delivered_to(placed, 0, "7");
    delivered_to(placed, 1, "8");
    remove_new(placed, 'a');
    expect_settled(placed->places, POPLIN_OK);
    assert_int_equal(answered.unsettled, 1);
    assert_int_equal(answered.number, 7);
    assert_non_null(strstr(answered.missed, "/a/new/1763800000."));
    expect_in(placed, 'b', 1);
    expect_settled(placed->places, POPLIN_OK); /* it is told once */
    assert_int_equal(answered.unsettled, 0);
}

/* holds: T-DLV-3 C */
static void the_program_gets_a_message_that_stands_in_its_place(void **state) {
    struct placed *placed = *state;
    poplin_places_collect(placed->places, true);
    bring(placed->places, "1", "text\r\n");
    for (int maildir = 'a'; maildir <= 'c'; maildir++)
        expect_in(placed, (char)maildir, 1);
    expect_delivered(placed->places, POPLIN_OK);
    expect_settled(placed->places, POPLIN_OK);
}

/* Up to DELIVER, into a Maildir whose new goes after BEGIN. */
static void bring_without_new(const struct placed *placed, const char *uid) {
    poplin_places_clear(placed->places);
    assert_int_equal(poplin_places_add(placed->places, placed->deliveries[0]), POPLIN_OK);
    expect_answer(placed->places, POPLIN_FETCH_BEGIN, uid, "", POPLIN_OK);
    remove_new(placed, 'a');
    expect_answer(placed->places, POPLIN_FETCH_PIECE, uid, "text\r\n", POPLIN_OK);
    assert_false(serve(placed->places, POPLIN_FETCH_DELIVER, uid, SLICE("")));
}

static void what_does_not_get_there_is_told_before_the_program_has_it(void **state) {
    struct placed *placed = *state;
    poplin_places_collect(placed->places, true);
    bring_without_new(placed, "1");
    assert_non_null(strstr(poplin_places_failure(placed->places)->reason, "/a/new/1763800000."));
    assert_null(poplin_places_name(placed->places, 0));
    expect_delivered(placed->places, POPLIN_ERR_IO);
    expect_settled(placed->places, POPLIN_OK);
    assert_int_equal(answered.unsettled, 0);
}

static void what_has_failed_is_not_told_of_again(void **state) {
    struct placed *placed = *state;
    bring_without_new(placed, "1");
    assert_int_equal(poplin_places_answer(placed->places, NULL, POPLIN_ERR_LIMIT, NULL), POPLIN_OK);
    assert_int_equal(answered.status, POPLIN_ERR_LIMIT);
    expect_settled(placed->places, POPLIN_OK);
    assert_int_equal(answered.unsettled, 0);
}

static void only_what_is_not_settled_is_settled(void **state) {
    struct placed *placed = *state;
    poplin_places_clear(placed->places);
    assert_int_equal(poplin_places_add(placed->places, placed->deliveries[2]), POPLIN_OK);
    bring(placed->places, "1", "text");
    expect_delivered(placed->places, POPLIN_OK);
    expect_settled(placed->places, POPLIN_OK);
    expect_settled(placed->places, POPLIN_OK);
    assert_int_equal(failing_delivery.settled, 1);
}

static void what_is_abandoned_leaves_nothing(void **state) {
    struct placed *placed = *state;
    poplin_places_collect(placed->places, true);
    expect_answer(placed->places, POPLIN_FETCH_BEGIN, "1", "", POPLIN_OK);
    expect_answer(placed->places, POPLIN_FETCH_PIECE, "1", "text", POPLIN_OK);
    assert_int_equal(count_files(placed->mail, "a/tmp", NULL), 1);
    assert_true(serve(placed->places, POPLIN_FETCH_ABANDON, "1", SLICE("")));
    assert_int_equal(answered.count, 0);
    expect_in(placed, 'a', 0);
    assert_null(poplin_places_octets(placed->places).data);
    bring(placed->places, "1", "whole");
    assert_int_equal(poplin_places_octets(placed->places).size, 5);
    expect_delivered(placed->places, POPLIN_OK);
    expect_answer(placed->places, POPLIN_FETCH_BEGIN, "2", "", POPLIN_OK);
    poplin_places_free(placed->places);
    placed->places = NULL;
    assert_int_equal(poplin_delivery_settle(placed->deliveries[0], NULL), POPLIN_OK);
    expect_in(placed, 'a', 1);
}

/* ---- octets for the program ---- */

static void expect_octets(const struct placed *placed, poplin_slice expected) {
    poplin_slice octets = poplin_places_octets(placed->places);
    assert_non_null(octets.data);
    assert_int_equal(octets.size, expected.size);
    assert_memory_equal(octets.data, expected.data, expected.size);
}

static void octets_are_collected_where_they_are_wanted(void **state) {
    struct placed *placed = *state;
    bring(placed->places, "1", "text");
    assert_null(poplin_places_octets(placed->places).data);
    poplin_places_collect(placed->places, true);
    assert_null(poplin_places_octets(placed->places).data); /* from the next message on */
    expect_delivered(placed->places, POPLIN_OK);
    bring(placed->places, "2", "");
    expect_octets(placed, SLICE(""));
    expect_delivered(placed->places, POPLIN_OK);
    assert_null(poplin_places_octets(placed->places).data);
    expect_answer(placed->places, POPLIN_FETCH_BEGIN, "3", "", POPLIN_OK);
    expect_answer(placed->places, POPLIN_FETCH_PIECE, "3", "one\r", POPLIN_OK);
    expect_answer(placed->places, POPLIN_FETCH_PIECE, "3", "\ntwo", POPLIN_OK);
    assert_false(serve(placed->places, POPLIN_FETCH_DELIVER, "3", SLICE("")));
    expect_octets(placed, SLICE("one\r\ntwo"));
    expect_delivered(placed->places, POPLIN_OK);
    bring(placed->places, "4", "other");
    expect_octets(placed, SLICE("other"));
    expect_delivered(placed->places, POPLIN_OK);
}

enum { PIECE = 100000, PIECES = 50 };

static void a_large_message_is_collected_whole(void **state) {
    struct placed *placed = *state;
    char *piece = malloc(PIECE);
    poplin_places_collect(placed->places, true);
    expect_answer(placed->places, POPLIN_FETCH_BEGIN, "1", "", POPLIN_OK);
    for (int i = 0; i < PIECES; i++) {
        memset(piece, 'A' + i, PIECE);
        assert_true(serve(placed->places, POPLIN_FETCH_PIECE, "1", (poplin_slice){piece, PIECE}));
        assert_int_equal(answered.status, POPLIN_OK);
    }
    free(piece);
    assert_false(serve(placed->places, POPLIN_FETCH_DELIVER, "1", SLICE("")));
    poplin_slice octets = poplin_places_octets(placed->places);
    assert_int_equal(octets.size, PIECE * PIECES);
    for (size_t i = 0; i < octets.size; i++)
        if (octets.data[i] != 'A' + (char)(i / PIECE))
            fail_msg("octet %zu is %d", i, octets.data[i]);
    expect_delivered(placed->places, POPLIN_OK);
    bring(placed->places, "2", "small");
    expect_octets(placed, SLICE("small"));
    expect_delivered(placed->places, POPLIN_OK);
}

/* ---- memory ---- */

/* holds: T-API-5 C */
static void a_message_for_which_there_is_no_memory_fails_alone(void **state) {
    struct placed *placed = *state;
    poplin_places_collect(placed->places, true);
    expect_answer(placed->places, POPLIN_FETCH_BEGIN, "1", "", POPLIN_OK);
    allocations = 0;
    failing = 1;
    expect_answer(placed->places, POPLIN_FETCH_PIECE, "1", "text", POPLIN_ERR_NOMEM);
    failing = 0;
    for (int maildir = 'a'; maildir <= 'c'; maildir++)
        expect_in(placed, (char)maildir, 0);
    bring(placed->places, "1", "text");
    expect_delivered(placed->places, POPLIN_OK);
    expect_settled(placed->places, POPLIN_OK);
    expect_in(placed, 'a', 1);
}

static struct placed *played;

static int play(void) {
    poplin_places *places = NULL;
    int status = poplin_places_new(&places);
    for (size_t i = 0; status == POPLIN_OK && i < MAILDIRS; i++)
        status = poplin_places_add(places, played->deliveries[i]);
    if (status == POPLIN_OK) {
        poplin_places_collect(places, true);
        assert_true(serve(places, POPLIN_FETCH_BEGIN, "1", SLICE("")));
        assert_true(serve(places, POPLIN_FETCH_PIECE, "1", SLICE("text")));
        if ((status = answered.status) == POPLIN_OK) {
            assert_false(serve(places, POPLIN_FETCH_DELIVER, "1", SLICE("")));
            assert_int_equal(poplin_places_answer(places, NULL, POPLIN_OK, NULL), POPLIN_OK);
            status = answered.status;
        }
    }
    poplin_places_free(places);
    for (size_t i = 0; i < MAILDIRS; i++) { /* what the next one allocates is the same */
        assert_int_equal(poplin_delivery_settle(played->deliveries[i], NULL), POPLIN_OK);
        poplin_delivery_rest(played->deliveries[i]);
    }
    return status;
}

/* holds: T-API-5 C */
static void memory_that_runs_out_is_told(void **state) {
    played = *state;
    poplin_places_free(played->places);
    played->places = NULL;
    assert_told_at_each_allocation(play);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PLACES_TEST(each_place_gets_each_message),
        PLACES_TEST(only_those_get_a_message_that_were_added_for_it),
        PLACES_TEST(a_delivery_is_of_one_fetch_at_a_time),
        PLACES_TEST(events_of_others_are_left_alone),
        PLACES_TEST(where_one_fails_the_others_go_on),
        PLACES_TEST(where_all_fail_the_rest_is_not_wanted),
        PLACES_TEST(where_all_fail_the_program_still_gets_it),
        PLACES_TEST(what_the_program_says_goes_before),
        PLACES_TEST(all_are_settled_and_the_first_failure_is_told),
        PLACES_TEST(what_does_not_get_there_when_it_is_settled_holds_back_no_other),
        PLACES_TEST(the_program_gets_a_message_that_stands_in_its_place),
        PLACES_TEST(what_does_not_get_there_is_told_before_the_program_has_it),
        PLACES_TEST(what_has_failed_is_not_told_of_again),
        PLACES_TEST(only_what_is_not_settled_is_settled),
        PLACES_TEST(what_is_abandoned_leaves_nothing),
        PLACES_TEST(octets_are_collected_where_they_are_wanted),
        PLACES_TEST(a_large_message_is_collected_whole),
        PLACES_TEST(a_message_for_which_there_is_no_memory_fails_alone),
        PLACES_TEST(memory_that_runs_out_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
