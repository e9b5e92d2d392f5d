/*
 * seen_support.h - what the tests of the seen store share: a store in a folder of the test's own, what is in it, and the file as
 * another program has it.
 */
#ifndef SEEN_SUPPORT_H
#define SEEN_SUPPORT_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poplin/seen.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

#define ACCOUNT "pop3s://alice@mail.example.org"
#define DAY 1763800000

struct store {
    char folder[32]; /* removed with all that is in it */
    char path[64];
    poplin_seen *seen;
    poplin_error error;
};

static inline int seen_set_up(void **state) {
    struct store *store = calloc(1, sizeof *store);
    strcpy(store->folder, "/tmp/poplin-XXXXXX");
    assert_non_null(mkdtemp(store->folder));
    snprintf(store->path, sizeof store->path, "%s/seen.db", store->folder);
    *state = store;
    return 0;
}

static inline int seen_tear_down(void **state) {
    struct store *store = *state;
    char command[64];
    poplin_seen_free(store->seen);
    snprintf(command, sizeof command, "rm -r %s", store->folder);
    assert_int_equal(system(command), 0);
    free(store);
    return 0;
}

static inline void close_store(struct store *store) {
    poplin_seen_free(store->seen);
    store->seen = NULL;
}

/* Opens it, again if it was open. */
static inline void open_store(struct store *store) {
    close_store(store);
    if (poplin_seen_open(store->path, &store->seen, &store->error) != POPLIN_OK)
        fail_msg("%s", store->error.reason);
}

/* It cannot be opened, and says so in these words, with the path whole in front. */
static inline void expect_refused(struct store *store, int status, const char *words) {
    close_store(store);
    assert_int_equal(poplin_seen_open(store->path, &store->seen, &store->error), status);
    assert_null(store->seen);
    assert_int_equal(store->error.status, status);
    assert_string_equal(store->error.doing, "opening the seen store");
    if (strstr(store->error.reason, words) == NULL || strstr(store->error.reason, store->path) != store->error.reason)
        fail_msg("\"%s\", not \"%s\"", store->error.reason, words);
    assert_int_equal(poplin_seen_open(store->path, &store->seen, NULL), status);
}

/* ---- the file as another program has it ---- */

static inline void run_sql(const struct store *store, const char *sql) {
    sqlite3 *database;
    char *problem = NULL;
    assert_int_equal(sqlite3_open(store->path, &database), SQLITE_OK);
    if (sqlite3_exec(database, sql, NULL, NULL, &problem) != SQLITE_OK)
        fail_msg("%s", problem);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

/* The first value of the first row. */
static inline const char *sql_answer(const struct store *store, const char *sql) {
    static char answer[256];
    sqlite3 *database;
    sqlite3_stmt *prepared;
    assert_int_equal(sqlite3_open(store->path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(database, sql, -1, &prepared, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(prepared), SQLITE_ROW);
    const char *text = (const char *)sqlite3_column_text(prepared, 0);
    snprintf(answer, sizeof answer, "%s", text == NULL ? "NULL" : text);
    assert_int_equal(sqlite3_finalize(prepared), SQLITE_OK);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    return answer;
}

static inline void write_file(const struct store *store, const char *octets, size_t size) {
    int descriptor = open(store->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, octets, size), (ssize_t)size);
    assert_int_equal(close(descriptor), 0);
}

/* What the file holds, to be freed. */
static inline char *read_file(const struct store *store, size_t *size) {
    struct stat facts;
    int descriptor = open(store->path, O_RDONLY | O_CLOEXEC);
    assert_true(descriptor >= 0);
    assert_int_equal(fstat(descriptor, &facts), 0);
    *size = (size_t)facts.st_size;
    char *octets = malloc(*size + 1);
    assert_int_equal(read(descriptor, octets, *size), facts.st_size);
    assert_int_equal(close(descriptor), 0);
    return octets;
}

/* As expect_refused; and the file is octet by octet what it was. */
static inline void expect_refused_and_kept(struct store *store, int status, const char *words) {
    size_t before_size, after_size;
    char *before = read_file(store, &before_size);
    expect_refused(store, status, words);
    char *after = read_file(store, &after_size);
    assert_int_equal(before_size, after_size);
    assert_memory_equal(before, after, before_size);
    free(before);
    free(after);
}

/* ---- records ---- */

static inline poplin_seen_record record_of(const char *uid, enum poplin_step step) {
    return (poplin_seen_record){
        .uid = {uid, strlen(uid)}, .step = step, .octets = 120, .first_seen = DAY, .changed = DAY + 1};
}

static inline int record(struct store *store, const poplin_seen_record *records, size_t count) {
    return poplin_seen_record_all(store->seen, ACCOUNT, records, count, &store->error);
}

static inline void must_record(struct store *store, poplin_seen_record one) {
    if (record(store, &one, 1) != POPLIN_OK)
        fail_msg("%s", store->error.reason);
}

/* Appends "uid/copy step octets first_seen changed gone" and a line end. */
static inline int note_record(void *context, const poplin_seen_record *record) {
    char *text = context;
    size_t used = strlen(text);
    snprintf(text + used, 1024 - used, "%.*s/%u %s %lld %lld %lld %lld\n", (int)record->uid.size, record->uid.data,
             record->copy, poplin_step_name(record->step), (long long)record->octets, (long long)record->first_seen,
             (long long)record->changed, (long long)record->gone);
    return POPLIN_OK;
}

/* What is recalled of an account, until the next call. */
static inline const char *recalled(struct store *store, const char *account) {
    static char text[1024];
    text[0] = '\0';
    if (poplin_seen_recall(store->seen, account, note_record, text, &store->error) != POPLIN_OK)
        fail_msg("%s", store->error.reason);
    return text;
}

static inline int note_account(void *context, const char *account, uint64_t messages) {
    char *text = context;
    size_t used = strlen(text);
    snprintf(text + used, 1024 - used, "%s %llu\n", account, (unsigned long long)messages);
    return POPLIN_OK;
}

static inline const char *accounts(struct store *store) {
    static char text[1024];
    text[0] = '\0';
    if (poplin_seen_accounts(store->seen, note_account, text, &store->error) != POPLIN_OK)
        fail_msg("%s", store->error.reason);
    return text;
}

static inline int count_record(void *context, const poplin_seen_record *record) {
    size_t *count = context;
    (void)record;
    (*count)++;
    return POPLIN_OK;
}

#define SEEN_TEST(function) cmocka_unit_test_setup_teardown(function, seen_set_up, seen_tear_down)

#endif
