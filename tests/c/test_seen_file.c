/*
 * test_seen_file.c - the seen store as a file: how it is made; and what is no store, or not any more, which is told and left alone.
 */
#include <dirent.h>

#include "seen_support.h"

/* ---- the file ---- */

static void it_is_its_owners_alone_and_readable(void **state) {
    struct store *store = *state;
    struct stat facts;
    mode_t before = umask(0);
    open_store(store);
    must_record(store, record_of("a", POPLIN_STEP_DELIVERED));
    umask(before);
    DIR *folder = opendir(store->folder);
    size_t files = 0;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        assert_int_equal(strncmp(entry->d_name, "seen.db", 7), 0);
        assert_int_equal(fstatat(dirfd(folder), entry->d_name, &facts, 0), 0);
        assert_int_equal(facts.st_mode & 0777, 0600);
        files++;
    }
    closedir(folder);
    assert_int_equal(files, 3); /* with -wal and -shm */
    close_store(store);
    assert_string_equal(sql_answer(store, "SELECT step || ' ' || first_seen FROM readable"),
                        "delivered 2025-11-22 08:26:40 UTC");
    assert_string_equal(sql_answer(store, "PRAGMA user_version"), "1");
    assert_string_equal(sql_answer(store, "PRAGMA journal_mode"), "wal");
    assert_string_equal(sql_answer(store, "PRAGMA integrity_check"), "ok");
}

static bool linkless;

int __real_link(const char *from, const char *to);
int __wrap_link(const char *from, const char *to);
int __wrap_link(const char *from, const char *to) {
    if (!linkless)
        return __real_link(from, to);
    errno = EPERM;
    return -1;
}

static void a_file_system_needs_no_links(void **state) {
    struct store *store = *state;
    struct stat facts;
    linkless = true;
    mode_t before = umask(0);
    open_store(store);
    umask(before);
    linkless = false;
    must_record(store, record_of("a", POPLIN_STEP_TAKEN));
    assert_int_equal(stat(store->path, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);
}

static void an_empty_file_becomes_a_store(void **state) {
    struct store *store = *state;
    write_file(store, "", 0);
    open_store(store);
    must_record(store, record_of("a", POPLIN_STEP_DELIVERED));
}

static void names_that_mean_something_to_sqlite_are_files(void **state) {
    struct store *store = *state;
    static const char *const NAMES[] = {":memory:", "file:x?mode=memory"};
    int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(chdir(store->folder), 0);
    for (size_t i = 0; i < COUNT_OF(NAMES); i++) {
        copy_text(store->path, sizeof store->path, NAMES[i]);
        open_store(store);
        must_record(store, record_of("a", POPLIN_STEP_TAKEN));
        open_store(store);
        assert_string_equal(accounts(store), ACCOUNT " 1\n");
        close_store(store);
    }
    assert_int_equal(poplin_seen_open("", &store->seen, &store->error), POPLIN_ERR_IO);
    assert_int_equal(fchdir(here), 0);
    close(here);
}

/* holds: T-UID-6 C */
static void what_is_no_store_is_told_and_left_alone(void **state) {
    struct store *store = *state;
    char text[4096];
    memset(text, 'x', sizeof text);
    write_file(store, text, sizeof text);
    expect_refused_and_kept(store, POPLIN_ERR_IO, "it is no SQLite file: name another, or move it away");
    write_file(store, "alice 1\n", 8);
    expect_refused_and_kept(store, POPLIN_ERR_IO, "it is no SQLite file");
    assert_int_equal(truncate(store->path, (off_t)1 << 40), 0); /* a hole, mostly */
    expect_refused(store, POPLIN_ERR_IO, "it is no SQLite file");
    unlink(store->path);
    run_sql(store, "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)");
    expect_refused_and_kept(store, POPLIN_ERR_IO, "it is another program's");
    unlink(store->path);
    run_sql(store, "PRAGMA application_id = 7");
    expect_refused_and_kept(store, POPLIN_ERR_IO, "it is another program's");
    unlink(store->path);
    run_sql(store, "PRAGMA user_version = 1");
    expect_refused_and_kept(store, POPLIN_ERR_IO, "it is another program's");
}

static void a_later_version_is_left_alone(void **state) {
    struct store *store = *state;
    open_store(store);
    close_store(store);
    run_sql(store, "PRAGMA user_version = 2; DROP VIEW readable");
    expect_refused_and_kept(store, POPLIN_ERR_UNSUPPORTED, "a later version of poplin");
}

/* holds: T-UID-6 C */
static void what_is_no_file_is_told(void **state) {
    struct store *store = *state;
    assert_int_equal(mkdir(store->path, 0700), 0);
    expect_refused(store, POPLIN_ERR_IO, "it is a folder");
    assert_int_equal(rmdir(store->path), 0);
    assert_int_equal(mkfifo(store->path, 0600), 0);
    expect_refused(store, POPLIN_ERR_IO, "it is no ordinary file");
    assert_int_equal(unlink(store->path), 0);
    assert_int_equal(symlink("elsewhere.db", store->path), 0);
    expect_refused(store, POPLIN_ERR_IO, "it is a symbolic link: name the file itself");
    assert_int_equal(unlink(store->path), 0);
    snprintf(store->path, sizeof store->path, "%s/no/seen.db", store->folder);
    expect_refused(store, POPLIN_ERR_IO, "see that it and its folder are there and may be written to (No such file");
}

static void a_long_path_leaves_room_for_what_to_do(void **state) {
    struct store *store = *state;
    char path[600];
    memset(path, 'd', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    assert_int_equal(poplin_seen_open(path, &store->seen, &store->error), POPLIN_ERR_IO);
    assert_non_null(
        strstr(store->error.reason, "ddd: it cannot be opened: see that it and its folder are there and may"));
    for (int problem = 0; problem < POPLIN_SEEN_PROBLEMS; problem++)
        assert_true(strlen(poplin_seen_problem_text((enum poplin_seen_problem)problem)) + 112 <
                    sizeof store->error.reason);
}

/* holds: T-UID-6 C */
static void a_file_that_is_cut_or_spoilt_anywhere_is_told(void **state) {
    struct store *store = *state;
    poplin_seen_record records[200];
    char uids[200][40];
    size_t size, told = 0;
    open_store(store);
    for (size_t i = 0; i < COUNT_OF(records); i++) {
        snprintf(uids[i], sizeof uids[i], "%04zu-0123456789012345678901234567890", i);
        records[i] = record_of(uids[i], POPLIN_STEP_DELIVERED);
    }
    assert_int_equal(record(store, records, COUNT_OF(records)), POPLIN_OK);
    close_store(store);
    char *whole = read_file(store, &size);
    assert_true(size > 12288);
    for (size_t at = 0; at < size; at += 97 * test_stride()) {
        for (int cut = 0; cut < 2; cut++) {
            size_t count = 0;
            int status = POPLIN_OK;
            write_file(store, whole, cut ? at : size);
            if (!cut) {
                char spoilt[64];
                int descriptor = open(store->path, O_WRONLY | O_CLOEXEC);
                memset(spoilt, (int)(at % 251), sizeof spoilt);
                assert_true(
                    pwrite(descriptor, spoilt, sizeof spoilt < size - at ? sizeof spoilt : size - at, (off_t)at) > 0);
                close(descriptor);
            }
            status = poplin_seen_open(store->path, &store->seen, &store->error);
            if (status == POPLIN_OK)
                status = poplin_seen_recall(store->seen, ACCOUNT, count_record, &count, &store->error);
            if (status != POPLIN_OK) {
                assert_true(status == POPLIN_ERR_IO || status == POPLIN_ERR_UNSUPPORTED);
                assert_non_null(strstr(store->error.reason, store->path));
                told++;
            }
            assert_true(count <= 10 * COUNT_OF(records));
            close_store(store);
        }
    }
    assert_true(told > size / 97 / test_stride() / 2);
    free(whole);
}

/* The table as it is, but without checks and rows of any kind. */
static void lay_out_without_checks(struct store *store, const char *rows) {
    open_store(store);
    close_store(store);
    run_sql(store, "PRAGMA ignore_check_constraints = ON;");
    sqlite3 *database;
    char *problem = NULL;
    assert_int_equal(sqlite3_open(store->path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, "PRAGMA ignore_check_constraints = ON", NULL, NULL, NULL), SQLITE_OK);
    if (sqlite3_exec(database, rows, NULL, NULL, &problem) != SQLITE_OK)
        fail_msg("%s: %s", rows, problem);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

#define ROW(uid, copy, step, octets, first_seen, changed, gone) \
    "REPLACE INTO seen VALUES ('" ACCOUNT "', " uid ", " copy ", " step ", " octets ", " first_seen ", " changed \
    ", " gone ")"

/* holds: T-UID-6 C */
static void rows_that_poplin_never_wrote_are_told(void **state) {
    struct store *store = *state;
    static const char *const ROWS[] = {
        ROW("x'6100'", "0", "'taken'", "1", "1", "1", "NULL"),
        ROW("x'61'", "0", "'taken'", "1", "1", "1", "NULL"),
        ROW("char(97, 0, 98)", "0", "'taken'", "1", "1", "1", "NULL"),
        ROW("char(246)", "0", "'taken'", "1", "1", "1", "NULL"),
        ROW("''", "0", "'taken'", "1", "1", "1", "NULL"),
        ROW("hex(zeroblob(801))", "0", "'taken'", "1", "1", "1", "NULL"),
        ROW("hex(zeroblob(5000000))", "0", "'taken'", "1", "1", "1", "NULL"),
        ROW("'a'", "-1", "'taken'", "1", "1", "1", "NULL"),
        ROW("'a'", "4294967296", "'taken'", "1", "1", "1", "NULL"),
        ROW("'a'", "'many'", "'taken'", "1", "1", "1", "NULL"),
        ROW("'a'", "0", "'stolen'", "1", "1", "1", "NULL"),
        ROW("'a'", "0", "x'00'", "1", "1", "1", "NULL"),
        ROW("'a'", "0", "'taken'", "-1", "1", "1", "NULL"),
        ROW("'a'", "0", "'taken'", "1.5", "1", "1", "NULL"),
        ROW("'a'", "0", "'taken'", "1", "-1", "1", "NULL"),
        ROW("'a'", "0", "'taken'", "1", "'then'", "1", "NULL"),
        ROW("'a'", "0", "'taken'", "1", "1", "253402300800", "NULL"),
        ROW("'a'", "0", "'taken'", "1", "1", "1", "'never'"),
    };
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        size_t count = 0;
        unlink(store->path);
        lay_out_without_checks(store, ROWS[i]);
        open_store(store);
        if (poplin_seen_recall(store->seen, ACCOUNT, count_record, &count, &store->error) != POPLIN_ERR_IO)
            fail_msg("%s", ROWS[i]);
        assert_non_null(strstr(store->error.reason, "another program has changed what is in it"));
        assert_string_equal(store->error.doing, "reading the seen store");
        assert_int_equal(count, 0);
        close_store(store);
    }
    unlink(store->path);
    lay_out_without_checks(store, "REPLACE INTO seen VALUES (char(27), 'a', 0, 'taken', 1, 1, 1, NULL)");
    open_store(store);
    assert_int_equal(poplin_seen_accounts(store->seen, note_account, (char[1024]){""}, &store->error), POPLIN_ERR_IO);
}

/* A view in the place of the table, whose rows have no end. */
static const char ENDLESS[] =
    "DROP TABLE seen; CREATE VIEW seen AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
    " SELECT 'a' AS account, i AS uid, 0 AS copy, 'taken' AS step, 1 AS octets, 1 AS first_seen, 1 AS changed,"
    " NULL AS gone FROM n";

/* holds: T-UID-6 C */
static void a_schema_that_poplin_never_made_is_told(void **state) {
    struct store *store = *state;
    static const char *const CHANGES[] = {
        "CREATE TRIGGER t AFTER INSERT ON seen BEGIN DELETE FROM seen; END",
        "DROP TABLE seen",
        "DROP TABLE seen; CREATE TABLE seen (account, uid, copy, step, octets, first_seen, changed, gone)",
        ENDLESS,
        "ALTER TABLE seen ADD COLUMN more",
        "CREATE INDEX slow ON seen (hex(uid))",
    };
    for (size_t i = 0; i < COUNT_OF(CHANGES); i++) {
        unlink(store->path);
        open_store(store);
        close_store(store);
        run_sql(store, "DROP VIEW readable");
        run_sql(store, CHANGES[i]);
        expect_refused_and_kept(store, POPLIN_ERR_IO, "another program has changed what is in it");
    }
}

/* Each check of the table, and no more: what is_record refuses never gets so far. */
static void the_table_checks_what_any_program_writes(void **state) {
    struct store *store = *state;
    static const char *const ROWS[] = {
        ROW("''", "0", "'taken'", "1", "1", "1", "NULL"),
        ROW("x'61'", "0", "'taken'", "1", "1", "1", "NULL"),
        ROW("'a' || char(10)", "0", "'taken'", "1", "1", "1", "NULL"),
        ROW("'a'", "-1", "'taken'", "1", "1", "1", "NULL"),
        ROW("'a'", "0", "'gone'", "1", "1", "1", "NULL"),
        ROW("'a'", "0", "'taken'", "-1", "1", "1", "NULL"),
        ROW("'a'", "0", "'taken'", "1", "'x'", "1", "NULL"),
        ROW("'a'", "0", "'taken'", "1", "1", "-1", "NULL"),
        ROW("'a'", "0", "'taken'", "1", "1", "1", "0"),
    };
    sqlite3 *database;
    open_store(store);
    assert_int_equal(sqlite3_open(store->path, &database), SQLITE_OK);
    for (size_t i = 0; i < COUNT_OF(ROWS); i++)
        if (sqlite3_exec(database, ROWS[i], NULL, NULL, NULL) != SQLITE_CONSTRAINT)
            fail_msg("%s", ROWS[i]);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SEEN_TEST(it_is_its_owners_alone_and_readable),
        SEEN_TEST(a_file_system_needs_no_links),
        SEEN_TEST(an_empty_file_becomes_a_store),
        SEEN_TEST(names_that_mean_something_to_sqlite_are_files),
        SEEN_TEST(what_is_no_store_is_told_and_left_alone),
        SEEN_TEST(a_later_version_is_left_alone),
        SEEN_TEST(what_is_no_file_is_told),
        SEEN_TEST(a_long_path_leaves_room_for_what_to_do),
        SEEN_TEST(a_file_that_is_cut_or_spoilt_anywhere_is_told),
        SEEN_TEST(rows_that_poplin_never_wrote_are_told),
        SEEN_TEST(a_schema_that_poplin_never_made_is_told),
        SEEN_TEST(the_table_checks_what_any_program_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
