/*
 * test_fetch_allocation.c - memory runs out in a fetch, at each allocation of the engine and of the client's machine in turn: it is
 * told, and nothing is lost, taken twice, or used after it is gone.
 */
#include "failing.h"
#include "played_link.h"

#include <poplin/fetch.h>

#include "wire/grammar.h"

enum { MESSAGES = 6, RECORDS = 32, LONG_ID = 400 };

/* The server, the store and the Maildir: nothing that takes memory. */
static struct {
    poplin_link link;
    bool no_uidl, there[MESSAGES], marked[MESSAGES];
    size_t numbers[MESSAGES], count; /* which message has which number in this session */
    char said[16 * 1024];

    char uids[RECORDS][LONG_ID + 80];
    poplin_seen_record records[RECORDS];
    size_t record_count;

    size_t delivered[MESSAGES];
    bool begun;
} world;

/* ---- the server ---- */

/* Two messages have one unique-id, another's holds what has to be escaped, and is long. */
static void tell_id(poplin_link *link, size_t number) {
    static const char *const ids[MESSAGES] = {"a", "same", "same", "%", "e", "f"};
    const size_t message = world.numbers[number - 1];
    played_tell(link, "%zu %s", number, ids[message]);
    for (size_t i = 0; message == 3 && i < LONG_ID; i++)
        played_tell(link, "x");
    played_tell(link, "\r\n");
}

static void list(poplin_link *link, bool ids) {
    played_tell(link, "+OK\r\n");
    for (size_t number = 1; number <= world.count; number++)
        if (ids)
            tell_id(link, number);
        else
            played_tell(link, "%zu %zu\r\n", number, 20 + world.numbers[number - 1]);
    played_tell(link, ".\r\n");
}

static void quit(poplin_link *link) {
    for (size_t i = 0; i < MESSAGES; i++)
        world.there[i] = world.there[i] && !world.marked[i];
    link->hung_up = true;
    played_tell(link, "+OK\r\n");
}

/* The last message is always refused. */
static void answer(poplin_link *link, poplin_slice command) {
    poplin_parsed_command parsed = {0};
    (void)poplin_command_parse(command, &parsed);
    const size_t message = parsed.number > 0 ? world.numbers[parsed.number - 1] : 0;
    const bool refused = parsed.verb == POPLIN_RETR && message == MESSAGES - 1;
    if (parsed.verb == POPLIN_CAPA)
        played_tell(link, "+OK\r\nUSER\r\nPIPELINING\r\n.\r\n");
    else if (parsed.verb == POPLIN_QUIT)
        quit(link);
    else if (refused || (parsed.verb == POPLIN_UIDL && world.no_uidl))
        played_tell(link, "-ERR no\r\n");
    else if (parsed.verb == POPLIN_LIST || parsed.verb == POPLIN_UIDL)
        list(link, parsed.verb == POPLIN_UIDL);
    else if (parsed.verb == POPLIN_RETR || parsed.verb == POPLIN_TOP)
        played_tell(link, "+OK\r\nSubject: %zu\r\n\r\n.\r\n", message);
    else
        played_tell(link, "+OK\r\n");
    if (parsed.verb == POPLIN_DELE)
        world.marked[message] = true;
}

static int connect_to(poplin_fetch *fetch) {
    played_close(&world.link);
    world.count = 0;
    for (size_t i = 0; i < MESSAGES; i++) {
        world.marked[i] = false;
        if (world.there[i])
            world.numbers[world.count++] = i;
    }
    world.link = (poplin_link){
        .answer = answer, .said = world.said, .room = sizeof world.said, .portion = 7, .drop_after = SIZE_MAX};
    int status = played_open(&world.link);
    return status == POPLIN_OK ? poplin_fetch_use(fetch, &world.link) : status;
}

/* ---- the store ---- */

static void write_record(const poplin_seen_record *record) {
    size_t i = 0;
    while (i < world.record_count &&
           (world.records[i].copy != record->copy || !poplin_slice_equal(record->uid, poplin_slice_of(world.uids[i]))))
        i++;
    assert_true(i < RECORDS && record->uid.size < sizeof world.uids[i] && record->step != POPLIN_STEP_NONE);
    memcpy(world.uids[i], record->uid.data, record->uid.size);
    world.uids[i][record->uid.size] = '\0';
    world.records[i] = *record;
    world.record_count += i == world.record_count;
}

static int recall(poplin_fetch *fetch) {
    int status = POPLIN_OK;
    for (size_t i = 0; i < world.record_count && status == POPLIN_OK; i++) {
        world.records[i].uid = poplin_slice_of(world.uids[i]);
        status = poplin_fetch_recall(fetch, &world.records[i]);
    }
    return status;
}

/* ---- a fetch ---- */

static int serve(poplin_fetch *fetch, const poplin_fetch_event *event) {
    if (event->kind == POPLIN_FETCH_CONNECT)
        return connect_to(fetch);
    if (event->kind == POPLIN_FETCH_RECALL)
        return recall(fetch);
    for (size_t i = 0; i < event->count && event->kind == POPLIN_FETCH_RECORD; i++)
        write_record(&event->records[i]);
    if (event->kind == POPLIN_FETCH_BEGIN)
        world.begun = true;
    if (event->kind == POPLIN_FETCH_DELIVER) { /* once, as in a Maildir */
        world.delivered[world.numbers[event->message->number - 1]] = 1;
        world.begun = false;
    }
    return POPLIN_OK;
}

static int run(poplin_fetch *fetch) {
    poplin_fetch_event event;
    int status;
    while ((status = poplin_fetch_next(fetch, &event)) == POPLIN_OK) {
        if (event.kind == POPLIN_FETCH_ABANDON)
            world.begun = false;
        else if (event.kind == POPLIN_FETCH_FILTER)
            assert_int_equal(poplin_fetch_choose(fetch, POPLIN_CHOICE_TAKE), POPLIN_OK);
        else if (event.kind != POPLIN_FETCH_RESULT)
            assert_int_equal(poplin_fetch_answer(fetch, serve(fetch, &event), NULL), POPLIN_OK);
    }
    assert_false(world.begun);
    return status;
}

/* Nothing is nowhere. */
static void expect_nothing_lost(void) {
    for (size_t i = 0; i < MESSAGES; i++)
        assert_true(world.there[i] || world.delivered[i] == 1);
}

static int fetch_all(void) {
    const poplin_fetch_config config = {
        .account = "a", .filter = true, .commit_every = 2, .settle_every = 2, .now = 1763800000};
    poplin_fetch *fetch;
    int status = poplin_fetch_new(&config, &fetch);
    if (status == POPLIN_OK)
        status = run(fetch);
    poplin_fetch_free(fetch);
    played_close(&world.link);
    expect_nothing_lost();
    return status;
}

/* Only that the one message that fails is told without its reason costs no more than that. */
static void run_out_everywhere(void) {
    size_t told = 0, forgiven = 0;
    const bool no_uidl = world.no_uidl;
    for (bool ran_out = true; ran_out;) {
        memset(&world, 0, sizeof world);
        memset(world.there, true, sizeof world.there);
        world.no_uidl = no_uidl;
        failing++;
        allocations = 0;
        int status = fetch_all();
        ran_out = allocations >= failing;
        assert_true(status == POPLIN_END || (ran_out && status == POPLIN_ERR_NOMEM));
        told += status == POPLIN_ERR_NOMEM;
        forgiven += ran_out && status == POPLIN_END;
        allocations = failing;
        assert_int_equal(fetch_all(), POPLIN_END);
        for (size_t i = 0; i < MESSAGES; i++)
            assert_int_equal(world.there[i], i == MESSAGES - 1);
    }
    assert_true(told > 20);
    assert_int_equal(forgiven, 1);
    failing = 0;
}

/* holds: T-API-5 C */
static void fetch_tells_that_memory_ran_out(void **state) {
    (void)state;
    world.no_uidl = false;
    run_out_everywhere();
}

/* holds: T-API-5 C */
static void fetch_without_ids_tells_that_memory_ran_out(void **state) {
    (void)state;
    world.no_uidl = true;
    run_out_everywhere();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fetch_tells_that_memory_ran_out),
        cmocka_unit_test(fetch_without_ids_tells_that_memory_ran_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
