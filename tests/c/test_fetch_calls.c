/* Calls that do not fit what the engine asked, records that cannot be; and a hostile server's great many messages. */
#include <stdlib.h>

#include "played_link.h"
#include "support.h"

#include <poplin/fetch.h>

#include "wire/grammar.h"

enum { MANY = 200000, ROOM = 8 << 20 };

/* The server lists so many messages, all with the same unique-id or all with none, and gives none of them. */
static struct {
    poplin_link link;
    char *said;
    size_t messages;
    bool nameless;
    size_t retrieved, connects, results;
} world;

static void list(poplin_link *link, bool ids) {
    played_tell(link, "+OK\r\n");
    for (size_t number = 1; number <= world.messages && !(ids && world.nameless); number++)
        played_tell(link, "%zu %s\r\n", number, ids ? "x" : "1");
    played_tell(link, ".\r\n");
}

static void answer(poplin_link *link, poplin_slice command) {
    poplin_parsed_command parsed = {0};
    (void)poplin_command_parse(command, &parsed);
    world.retrieved += parsed.verb == POPLIN_RETR;
    if (parsed.verb == POPLIN_CAPA)
        played_tell(link, "+OK\r\nUSER\r\nPIPELINING\r\n.\r\n");
    else if (parsed.verb == POPLIN_LIST || parsed.verb == POPLIN_UIDL)
        list(link, parsed.verb == POPLIN_UIDL);
    else if (parsed.verb == POPLIN_TOP)
        played_tell(link, "+OK\r\nSubject: %u\r\n\r\n.\r\n", parsed.number);
    else
        played_tell(link, parsed.verb == POPLIN_RETR ? "-ERR no\r\n" : "+OK\r\n");
    link->hung_up = parsed.verb == POPLIN_QUIT;
}

static int connect_to(poplin_fetch *fetch) {
    world.connects++;
    played_close(&world.link);
    world.link =
        (poplin_link){.answer = answer, .said = world.said, .room = ROOM, .portion = SIZE_MAX, .drop_after = SIZE_MAX};
    assert_int_equal(played_open(&world.link), POPLIN_OK);
    return poplin_fetch_use(fetch, &world.link);
}

static int set_up(void **state) {
    (void)state;
    memset(&world, 0, sizeof world);
    world.said = malloc(ROOM);
    return world.said == NULL;
}

static int tear_down(void **state) {
    (void)state;
    played_close(&world.link);
    free(world.said);
    return 0;
}

static int run(const poplin_fetch_config *config) {
    poplin_fetch *fetch;
    poplin_fetch_event event;
    int status;
    assert_int_equal(poplin_fetch_new(config, &fetch), POPLIN_OK);
    while ((status = poplin_fetch_next(fetch, &event)) == POPLIN_OK) {
        if (event.kind == POPLIN_FETCH_RESULT)
            world.results++;
        else if (event.kind == POPLIN_FETCH_CONNECT)
            assert_int_equal(poplin_fetch_answer(fetch, connect_to(fetch), NULL), POPLIN_OK);
        else
            assert_int_equal(poplin_fetch_answer(fetch, POPLIN_OK, NULL), POPLIN_OK);
    }
    poplin_fetch_free(fetch);
    return status;
}

/* If each that is set aside were looked for among all the others, this would take hours. */
/* holds: T-UID-4 C */
static void test_one_id_for_a_great_many(void **state) {
    (void)state;
    world.messages = MANY;
    assert_int_equal(run(&(poplin_fetch_config){.account = "a", .commit_every = MANY / 2}), POPLIN_END);
    assert_int_equal(world.connects, 2);
    assert_int_equal(world.retrieved, MANY / 2); /* the others have the id of those that failed */
    assert_int_equal(world.results, MANY / 2);
}

/* holds: T-NUM-6 C */
static void test_no_id_for_a_great_many(void **state) {
    (void)state;
    world.messages = MANY;
    world.nameless = true;
    assert_int_equal(run(&(poplin_fetch_config){.account = "a", .commit_every = 1}), POPLIN_END);
    assert_int_equal(world.results, MANY);
    assert_int_equal(world.retrieved, 0);
}

/* Goes on to the next event, which is of this kind. */
static void expect_event(poplin_fetch *fetch, enum poplin_fetch_event_kind kind) {
    poplin_fetch_event event;
    assert_int_equal(poplin_fetch_next(fetch, &event), POPLIN_OK);
    assert_int_equal(event.kind, kind);
    assert_int_equal(poplin_fetch_next(fetch, &event), POPLIN_ERR_STATE);
}

static void expect_no_record(poplin_fetch *fetch, poplin_seen_record record) {
    assert_int_equal(poplin_fetch_recall(fetch, &record), POPLIN_ERR_PROTOCOL);
}

static void test_records_that_cannot_be(void **state) {
    const poplin_seen_record good = {.uid = SLICE("x"), .step = POPLIN_STEP_TAKEN, .first_seen = 1, .changed = 1};
    poplin_fetch *fetch;
    (void)state;
    assert_int_equal(poplin_fetch_new(&(poplin_fetch_config){.account = "a"}, &fetch), POPLIN_OK);
    expect_event(fetch, POPLIN_FETCH_CONNECT);
    assert_int_equal(poplin_fetch_recall(fetch, &good), POPLIN_ERR_STATE);
    assert_int_equal(poplin_fetch_answer(fetch, connect_to(fetch), NULL), POPLIN_OK);
    expect_event(fetch, POPLIN_FETCH_RECALL);
    poplin_seen_record records[] = {good, good, good, good, good, good};
    records[0].uid = SLICE("");
    records[1].uid = SLICE("a\n");
    records[2].step = POPLIN_STEP_NONE;
    records[3].first_seen = INT64_MIN;
    records[4].changed = -1;
    records[5].gone = INT64_MAX;
    for (size_t i = 0; i < COUNT_OF(records); i++)
        expect_no_record(fetch, records[i]);
    assert_int_equal(poplin_fetch_recall(fetch, &good), POPLIN_OK);
    poplin_fetch_free(fetch);
}

static void test_answers_that_do_not_fit(void **state) {
    poplin_fetch *fetch;
    (void)state;
    world.messages = 1;
    assert_int_equal(poplin_fetch_new(&(poplin_fetch_config){.account = "a", .filter = true}, &fetch), POPLIN_OK);
    assert_int_equal(poplin_fetch_answer(fetch, POPLIN_OK, NULL), POPLIN_ERR_STATE);
    assert_int_equal(poplin_fetch_use(fetch, &world.link), POPLIN_ERR_STATE);
    assert_int_equal(poplin_fetch_wait(fetch, 0), POPLIN_ERR_STATE);
    expect_event(fetch, POPLIN_FETCH_CONNECT);
    assert_int_equal(poplin_fetch_answer(fetch, POPLIN_OK, NULL), POPLIN_ERR_STATE);
    assert_int_equal(poplin_fetch_answer(fetch, connect_to(fetch), NULL), POPLIN_OK);
    expect_event(fetch, POPLIN_FETCH_RECALL);
    assert_int_equal(poplin_fetch_choose(fetch, POPLIN_CHOICE_TAKE), POPLIN_ERR_STATE);
    assert_int_equal(poplin_fetch_answer(fetch, POPLIN_OK, NULL), POPLIN_OK);
    expect_event(fetch, POPLIN_FETCH_FILTER);
    assert_int_equal(poplin_fetch_answer(fetch, POPLIN_OK, NULL), POPLIN_ERR_STATE); /* but take it, or not? */
    assert_int_equal(poplin_fetch_choose(fetch, (enum poplin_choice)7), POPLIN_ERR_PROTOCOL);
    assert_int_equal(poplin_fetch_choose(fetch, POPLIN_CHOICE_TAKE), POPLIN_OK);
    expect_event(fetch, POPLIN_FETCH_RECORD);
    poplin_fetch_free(fetch);
}

#define CALLS_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CALLS_TEST(test_one_id_for_a_great_many),
        CALLS_TEST(test_no_id_for_a_great_many),
        CALLS_TEST(test_records_that_cannot_be),
        CALLS_TEST(test_answers_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
