/*
 * test_seen.c - the seen store: what is recorded is there again, for whoever opens the file, also where several programs write
 * and one is killed, or the disk is full.
 */
#include <sys/resource.h>
#include <sys/wait.h>

#include "child.h"
#include "fetch/seen_database.h"
#include "seen_support.h"

/* ---- remembered ---- */

/* holds: POP-UIDL-5 C */
static void what_is_recorded_is_there_again(void **state) {
    struct store *store = *state;
    poplin_seen_record records[] = {record_of("b", POPLIN_STEP_TAKEN), record_of("B", POPLIN_STEP_DELIVERED),
                                    record_of("sha256 00ff", POPLIN_STEP_DELETED),
                                    record_of("b", POPLIN_STEP_CONFIRMED)};
    records[1].octets = POPLIN_OCTETS_UNKNOWN;
    records[3].copy = UINT32_MAX;
    records[3].octets = INT64_MAX;
    records[3].gone = POPLIN_SEEN_TIME_MAX;
    open_store(store);
    assert_int_equal(record(store, records, COUNT_OF(records)), POPLIN_OK);
    static const char EXPECTED[] = "B/0 delivered -1 1763800000 1763800001 0\n"
                                   "b/0 taken 120 1763800000 1763800001 0\n"
                                   "b/4294967295 confirmed 9223372036854775807 1763800000 1763800001 253402300799\n"
                                   "sha256 00ff/0 deleted 120 1763800000 1763800001 0\n";
    assert_string_equal(recalled(store, ACCOUNT), EXPECTED);
    open_store(store);
    assert_string_equal(recalled(store, ACCOUNT), EXPECTED);
    assert_string_equal(recalled(store, "another"), "");
}

static void a_step_takes_the_place_of_the_one_before(void **state) {
    struct store *store = *state;
    poplin_seen_record one = record_of("a", POPLIN_STEP_TAKEN);
    open_store(store);
    for (enum poplin_step step = POPLIN_STEP_TAKEN; step <= POPLIN_STEP_CONFIRMED; step++) {
        char expected[100];
        one.step = step;
        must_record(store, one);
        snprintf(expected, sizeof expected, "a/0 %s 120 1763800000 1763800001 0\n", poplin_step_name(step));
        assert_string_equal(recalled(store, ACCOUNT), expected);
        assert_int_equal(poplin_step_parse((poplin_slice){poplin_step_name(step), strlen(poplin_step_name(step))}),
                         step);
    }
    one.copy = 1;
    must_record(store, one);
    one.step = POPLIN_STEP_NONE;
    must_record(store, one);
    must_record(store, one);
    assert_string_equal(recalled(store, ACCOUNT), "a/0 confirmed 120 1763800000 1763800001 0\n");
    assert_int_equal(poplin_step_parse(SLICE("Taken")), POPLIN_STEP_NONE);
    assert_null(poplin_step_name(POPLIN_STEP_NONE));
}

static void a_size_beyond_all_measure_is_unknown(void **state) {
    struct store *store = *state;
    poplin_seen_record one = record_of("a", POPLIN_STEP_TAKEN);
    one.octets = (uint64_t)INT64_MAX + 1;
    open_store(store);
    must_record(store, one);
    assert_string_equal(recalled(store, ACCOUNT), "a/0 taken -1 1763800000 1763800001 0\n");
}

/* holds: POP-UIDL-5 C */
static void accounts_are_kept_apart(void **state) {
    struct store *store = *state;
    const poplin_seen_record one = record_of("a", POPLIN_STEP_TAKEN);
    open_store(store);
    assert_string_equal(accounts(store), "");
    assert_int_equal(poplin_seen_record_all(store->seen, "Bob", &one, 1, NULL), POPLIN_OK);
    assert_int_equal(poplin_seen_record_all(store->seen, "bob", &one, 1, NULL), POPLIN_OK);
    assert_int_equal(poplin_seen_record_all(store->seen,
                                            "b\xC3\xB6"
                                            "b",
                                            &one, 1, NULL),
                     POPLIN_OK);
    assert_string_equal(accounts(store), "Bob 1\nbob 1\nb\xC3\xB6"
                                         "b 1\n");
    uint64_t forgotten = 0;
    assert_int_equal(poplin_seen_forget(store->seen, "bob", NULL, &forgotten, NULL), POPLIN_OK);
    assert_int_equal(forgotten, 1);
    assert_string_equal(accounts(store), "Bob 1\nb\xC3\xB6"
                                         "b 1\n");
}

static void marked_and_forgotten_by_hand(void **state) {
    struct store *store = *state;
    poplin_seen_record records[] = {record_of("a", POPLIN_STEP_TAKEN), record_of("a", POPLIN_STEP_TAKEN)};
    const poplin_slice uids[] = {SLICE("a"), SLICE("new")};
    uint64_t forgotten = 0;
    records[1].copy = 1;
    open_store(store);
    assert_int_equal(record(store, records, COUNT_OF(records)), POPLIN_OK);
    assert_int_equal(poplin_seen_mark(store->seen, ACCOUNT, uids, 2, POPLIN_STEP_DELIVERED, DAY + 7, &store->error),
                     POPLIN_OK);
    assert_string_equal(recalled(store, ACCOUNT), "a/0 delivered 120 1763800000 1763800007 0\n"
                                                  "a/1 delivered 120 1763800000 1763800007 0\n"
                                                  "new/0 delivered -1 1763800007 1763800007 0\n");
    assert_int_equal(poplin_seen_forget(store->seen, ACCOUNT, &uids[0], &forgotten, &store->error), POPLIN_OK);
    assert_int_equal(forgotten, 2);
    assert_string_equal(recalled(store, ACCOUNT), "new/0 delivered -1 1763800007 1763800007 0\n");
    assert_int_equal(poplin_seen_forget(store->seen, ACCOUNT, &uids[0], &forgotten, &store->error), POPLIN_OK);
    assert_int_equal(forgotten, 0);
}

/* holds: T-UID-3 C */
static void what_a_server_says_is_only_ever_data(void **state) {
    struct store *store = *state;
    static const char *const HOSTILE[] = {
        "'); DROP TABLE seen; --", "%s%n", "../../etc/passwd", "?1", "\"", "a' OR '1'='1"};
    open_store(store);
    for (size_t i = 0; i < COUNT_OF(HOSTILE); i++) {
        const poplin_seen_record one = record_of(HOSTILE[i], POPLIN_STEP_DELIVERED);
        char expected[100];
        assert_int_equal(poplin_seen_record_all(store->seen, HOSTILE[i], &one, 1, &store->error), POPLIN_OK);
        snprintf(expected, sizeof expected, "%s/0 delivered 120 1763800000 1763800001 0\n", HOSTILE[i]);
        assert_string_equal(recalled(store, HOSTILE[i]), expected);
    }
    for (size_t i = 0; i < COUNT_OF(HOSTILE); i++) {
        const poplin_slice uid = {HOSTILE[i], strlen(HOSTILE[i])};
        uint64_t forgotten = 0;
        assert_int_equal(poplin_seen_forget(store->seen, HOSTILE[i], &uid, &forgotten, NULL), POPLIN_OK);
        assert_int_equal(forgotten, 1);
    }
}

/* holds: T-UID-3 C */
static void what_can_be_no_record_is_refused_and_nothing_is_written(void **state) {
    struct store *store = *state;
    static char long_text[POPLIN_SEEN_UID_MAX + 2];
    memset(long_text, 'x', sizeof long_text - 1);
    const char *const UIDS[] = {"", "a\nb", "a\x1B[2J", "b\xC3\xB6", "\x7F", long_text};
    open_store(store);
    for (size_t i = 0; i < COUNT_OF(UIDS); i++) {
        poplin_seen_record records[] = {record_of("good", POPLIN_STEP_TAKEN), record_of(UIDS[i], POPLIN_STEP_TAKEN)};
        assert_int_equal(record(store, records, 2), POPLIN_ERR_PROTOCOL);
        assert_int_equal(poplin_seen_mark(store->seen, ACCOUNT, &records[1].uid, 1, POPLIN_STEP_TAKEN, DAY, NULL),
                         POPLIN_ERR_PROTOCOL);
        assert_int_equal(poplin_seen_forget(store->seen, ACCOUNT, &records[1].uid, NULL, NULL), POPLIN_ERR_PROTOCOL);
    }
    const poplin_slice nul = {"a\0b", 3};
    assert_int_equal(poplin_seen_mark(store->seen, ACCOUNT, &nul, 1, POPLIN_STEP_TAKEN, DAY, NULL),
                     POPLIN_ERR_PROTOCOL);
    poplin_seen_record bad = record_of("a", POPLIN_STEP_TAKEN);
    bad.first_seen = -1;
    assert_int_equal(record(store, &bad, 1), POPLIN_ERR_PROTOCOL);
    bad.first_seen = 0;
    bad.changed = POPLIN_SEEN_TIME_MAX + 1;
    assert_int_equal(record(store, &bad, 1), POPLIN_ERR_PROTOCOL);
    bad = record_of("a", (enum poplin_step)(POPLIN_STEP_CONFIRMED + 1));
    assert_int_equal(record(store, &bad, 1), POPLIN_ERR_PROTOCOL);
    const char *const ACCOUNTS[] = {"", "a\nb", "\x7F", long_text};
    for (size_t i = 0; i < COUNT_OF(ACCOUNTS); i++) {
        const poplin_seen_record one = record_of("a", POPLIN_STEP_TAKEN);
        size_t count = 0;
        assert_int_equal(poplin_seen_record_all(store->seen, ACCOUNTS[i], &one, 1, NULL), POPLIN_ERR_PROTOCOL);
        assert_int_equal(poplin_seen_recall(store->seen, ACCOUNTS[i], count_record, &count, NULL), POPLIN_ERR_PROTOCOL);
    }
    assert_string_equal(accounts(store), "");
}

static int stop_at_first(void *context, const poplin_seen_record *record) {
    count_record(context, record);
    return POPLIN_ERR_CANCELLED;
}

static void the_caller_may_stop(void **state) {
    struct store *store = *state;
    poplin_seen_record records[] = {record_of("a", POPLIN_STEP_TAKEN), record_of("b", POPLIN_STEP_TAKEN)};
    size_t count = 0;
    open_store(store);
    assert_int_equal(record(store, records, 2), POPLIN_OK);
    assert_int_equal(poplin_seen_recall(store->seen, ACCOUNT, stop_at_first, &count, NULL), POPLIN_ERR_CANCELLED);
    assert_int_equal(count, 1);
    must_record(store, record_of("c", POPLIN_STEP_TAKEN));
}

/* ---- several programs ---- */

enum { WRITERS = 4, ROUNDS = 25 };

/* In a child: records ROUNDS messages, one after the other, of an account of its own and of one of all. */
static void write_much(const struct store *store, int number) {
    poplin_seen *seen = NULL;
    bool well = poplin_seen_open(store->path, &seen, NULL) == POPLIN_OK;
    for (int i = 0; well && i < ROUNDS; i++) {
        char uid[32], account[32];
        snprintf(uid, sizeof uid, "%d-%d", number, i);
        snprintf(account, sizeof account, "account %d", number);
        const poplin_seen_record one = record_of(uid, POPLIN_STEP_DELIVERED);
        well = poplin_seen_record_all(seen, account, &one, 1, NULL) == POPLIN_OK &&
               poplin_seen_record_all(seen, ACCOUNT, &one, 1, NULL) == POPLIN_OK;
    }
    poplin_seen_free(seen);
    _exit(well ? 0 : 1);
}

static void several_programs_make_it_and_write_at_once(void **state) {
    struct store *store = *state;
    pid_t children[WRITERS];
    for (int i = 0; i < WRITERS; i++)
        if ((children[i] = fork()) == 0)
            write_much(store, i);
    for (int i = 0; i < WRITERS; i++) {
        int result = -1;
        assert_int_equal(waitpid(children[i], &result, 0), children[i]);
        assert_int_equal(result, 0);
    }
    open_store(store);
    size_t count = 0;
    assert_int_equal(poplin_seen_recall(store->seen, ACCOUNT, count_record, &count, NULL), POPLIN_OK);
    assert_int_equal(count, WRITERS * ROUNDS);
    assert_string_equal(accounts(store), "account 0 25\naccount 1 25\naccount 2 25\naccount 3 25\n" ACCOUNT " 100\n");
}

/* What stands in for another program: when the store's connection is about to begin, it has made the schema. */
static struct {
    const struct store *store;
    bool done;
} other_program;

static int on_statement(unsigned kind, void *context, void *prepared, void *sql) {
    (void)kind, (void)context, (void)prepared;
    if (!other_program.done && strcmp(sql, poplin_seen_statement(POPLIN_SEEN_BEGIN)) == 0) {
        other_program.done = true;
        for (int statement = POPLIN_SEEN_TABLE; statement <= POPLIN_SEEN_STAMP_VERSION; statement++)
            run_sql(other_program.store, poplin_seen_statement((enum poplin_seen_statement)statement));
    }
    return 0;
}

static int watch_connection(sqlite3 *database) {
    return sqlite3_trace_v2(database, SQLITE_TRACE_STMT, on_statement, NULL);
}

static void a_program_that_was_quicker_has_made_it(void **state) {
    struct store *store = *state;
    other_program.store = store;
    other_program.done = false;
    assert_int_equal(sqlite3_auto_extension((void (*)(void))watch_connection), SQLITE_OK);
    open_store(store);
    sqlite3_reset_auto_extension();
    assert_true(other_program.done);
    must_record(store, record_of("a", POPLIN_STEP_TAKEN));
}

static void a_program_that_writes_for_too_long_is_told(void **state) {
    struct store *store = *state;
    const poplin_seen_record one = record_of("a", POPLIN_STEP_TAKEN);
    sqlite3 *other;
    open_store(store);
    assert_int_equal(sqlite3_busy_timeout(store->seen->database, 1), SQLITE_OK); /* of thirty thousand */
    assert_int_equal(sqlite3_open(store->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(record(store, &one, 1), POPLIN_ERR_IO);
    assert_non_null(strstr(store->error.reason, "another program has been writing to it for half a minute"));
    assert_string_equal(accounts(store), "");
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    must_record(store, one);
}

static void a_batch_that_is_broken_off_is_taken_back(void **state) {
    struct store *store = *state;
    const poplin_seen_record records[] = {record_of("good", POPLIN_STEP_TAKEN), record_of("bad", POPLIN_STEP_TAKEN)};
    open_store(store);
    run_sql(store, "CREATE TRIGGER t BEFORE INSERT ON seen WHEN new.uid = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END");
    assert_int_equal(record(store, records, 2), POPLIN_ERR_IO);
    assert_non_null(strstr(store->error.reason, "another program has changed what is in it"));
    assert_string_equal(accounts(store), "");
    must_record(store, records[0]);
    assert_string_equal(accounts(store), ACCOUNT " 1\n");
}

/* In a child: records batches of ten without end, telling the parent after each. */
static void write_until_killed(const struct store *store, int told) {
    poplin_seen *seen = NULL;
    if (poplin_seen_open(store->path, &seen, NULL) != POPLIN_OK)
        _exit(1);
    for (int batch = 0;; batch++) {
        poplin_seen_record records[10];
        char uids[10][32];
        for (int i = 0; i < 10; i++) {
            snprintf(uids[i], sizeof uids[i], "%06d-%d", batch, i);
            records[i] = record_of(uids[i], POPLIN_STEP_TAKEN);
        }
        if (poplin_seen_record_all(seen, ACCOUNT, records, 10, NULL) != POPLIN_OK ||
            write(told, &batch, sizeof batch) != sizeof batch)
            _exit(1);
    }
}

/* holds: T-DLV-1 C */
static void a_program_that_is_killed_leaves_whole_transactions(void **state) {
    struct store *store = *state;
    for (int round = 0; round < 8; round++) {
        int ends[2], batch = -1, last = -1;
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        pid_t child = fork();
        if (child == 0)
            write_until_killed(store, ends[1]);
        close(ends[1]);
        for (int i = 0; i < 1 + 3 * round; i++)
            assert_int_equal(read(ends[0], &last, sizeof last), sizeof last);
        kill(child, SIGKILL);
        while (read(ends[0], &batch, sizeof batch) == sizeof batch)
            last = batch;
        assert_int_equal(waitpid(child, NULL, 0), child);
        close(ends[0]);
        size_t count = 0;
        open_store(store);
        assert_int_equal(poplin_seen_recall(store->seen, ACCOUNT, count_record, &count, NULL), POPLIN_OK);
        assert_int_equal(count % 10, 0);
        assert_true(count >= 10 * ((size_t)last + 1));
        close_store(store);
        assert_string_equal(sql_answer(store, "PRAGMA integrity_check"), "ok");
    }
}

static void a_store_is_of_no_use_in_a_child(void **state) {
    struct store *store = *state;
    open_store(store);
    must_record(store, record_of("a", POPLIN_STEP_TAKEN));
    pid_t child = fork();
    if (child == 0) {
        const poplin_seen_record one = record_of("b", POPLIN_STEP_TAKEN);
        size_t count = 0;
        bool well = record(store, &one, 1) == POPLIN_ERR_STATE &&
                    poplin_seen_recall(store->seen, ACCOUNT, count_record, &count, NULL) == POPLIN_ERR_STATE &&
                    poplin_seen_accounts(store->seen, note_account, NULL, NULL) == POPLIN_ERR_STATE;
        poplin_seen_free(store->seen);
        report(well);
    }
    expect_report(child);
    must_record(store, record_of("c", POPLIN_STEP_TAKEN));
    assert_string_equal(accounts(store), ACCOUNT " 2\n");
}

/* ---- writing fails ---- */

/* A limit for files stands for a disk that is full: SQLite tells both as one. */
static void a_file_that_cannot_grow_is_told_and_keeps_what_it_has(void **state) {
    struct store *store = *state;
    struct rlimit before, less;
    enum { COUNT = 2000 };
    static poplin_seen_record records[COUNT];
    static char uids[COUNT][64];
    open_store(store);
    must_record(store, record_of("kept", POPLIN_STEP_DELIVERED));
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(uids[i], sizeof uids[i], "%050zu", i);
        records[i] = record_of(uids[i], POPLIN_STEP_TAKEN);
    }
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    less = before;
    less.rlim_cur = 65536;
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &less), 0);
    int status = record(store, records, COUNT);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, POPLIN_ERR_IO);
    assert_string_equal(store->error.doing, "writing the seen store");
    assert_non_null(strstr(store->error.reason, "the disk"));
    assert_string_equal(accounts(store), ACCOUNT " 1\n");
    assert_int_equal(record(store, records, COUNT), POPLIN_OK);
    assert_string_equal(accounts(store), ACCOUNT " 2001\n");
}

static void what_may_only_be_read_is_told_when_it_is_written(void **state) {
    struct store *store = *state;
    open_store(store);
    must_record(store, record_of("a", POPLIN_STEP_DELIVERED));
    close_store(store);
    assert_int_equal(chmod(store->path, 0400), 0);
    if (geteuid() == 0) { /* for whom modes mean nothing: as somebody else, in a child */
        assert_int_equal(chmod(store->folder, 0755), 0);
        assert_int_equal(chmod(store->path, 0444), 0);
    }
    pid_t child = fork();
    if (child == 0) {
        const poplin_seen_record one = record_of("b", POPLIN_STEP_TAKEN);
        bool well = geteuid() != 0 || setuid(65534) == 0;
        int status = poplin_seen_open(store->path, &store->seen, &store->error);
        if (status == POPLIN_OK)
            status = record(store, &one, 1);
        well = well && status == POPLIN_ERR_IO &&
               strstr(store->error.reason, "see to the permissions of the file and of its folder") != NULL;
        if (!well)
            fprintf(stderr, "%d %s\n", status, store->error.reason);
        _exit(well ? 0 : 1);
    }
    int result = -1;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SEEN_TEST(what_is_recorded_is_there_again),
        SEEN_TEST(a_step_takes_the_place_of_the_one_before),
        SEEN_TEST(a_size_beyond_all_measure_is_unknown),
        SEEN_TEST(accounts_are_kept_apart),
        SEEN_TEST(marked_and_forgotten_by_hand),
        SEEN_TEST(what_a_server_says_is_only_ever_data),
        SEEN_TEST(what_can_be_no_record_is_refused_and_nothing_is_written),
        SEEN_TEST(the_caller_may_stop),
        SEEN_TEST(several_programs_make_it_and_write_at_once),
        SEEN_TEST(a_program_that_was_quicker_has_made_it),
        SEEN_TEST(a_program_that_writes_for_too_long_is_told),
        SEEN_TEST(a_batch_that_is_broken_off_is_taken_back),
        SEEN_TEST(a_program_that_is_killed_leaves_whole_transactions),
        SEEN_TEST(a_store_is_of_no_use_in_a_child),
        SEEN_TEST(a_file_that_cannot_grow_is_told_and_keeps_what_it_has),
        SEEN_TEST(what_may_only_be_read_is_told_when_it_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
