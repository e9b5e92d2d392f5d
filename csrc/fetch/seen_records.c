/*
 * fetch/seen_records.c - the seen store's records: read, written, marked, forgotten; and accounts claimed. What comes from the
 * file is checked as what a peer sends: another program may have written it.
 */
#include <string.h>

#include "fetch/seen_database.h"
#include "wire/failure.h"

static const char READING[] = "reading the seen store";
static const char WRITING[] = "writing the seen store";
static const char CLAIMING[] = "claiming the account";

/* ---- what can be on record ---- */

static bool is_account(poplin_slice account) {
    for (size_t i = 0; i < account.size; i++)
        if ((unsigned char)account.data[i] < 0x20 || account.data[i] == 0x7F)
            return false;
    return account.size > 0 && account.size <= POPLIN_SEEN_ACCOUNT_MAX;
}

static bool is_uid(poplin_slice uid) {
    for (size_t i = 0; i < uid.size; i++)
        if (uid.data[i] < 0x20 || uid.data[i] > 0x7E)
            return false;
    return uid.size > 0 && uid.size <= POPLIN_SEEN_UID_MAX;
}

static bool is_time(int64_t time) {
    return time >= 0 && time <= POPLIN_SEEN_TIME_MAX;
}

static bool is_record(const poplin_seen_record *record) {
    return is_uid(record->uid) && is_time(record->first_seen) && is_time(record->changed) && is_time(record->gone) &&
           (record->step == POPLIN_STEP_NONE || poplin_step_name(record->step) != NULL);
}

static int check_account(const poplin_seen *seen, const char *account, const char *doing, poplin_error *error) {
    int status = poplin_seen_check_process(seen, doing, error);
    if (status == POPLIN_OK && !is_account((poplin_slice){account, strlen(account)}))
        status = poplin_fail(error, POPLIN_ERR_PROTOCOL, doing,
                             "an account's name has 1 to 1,000 octets, none of them a control character");
    return status;
}

static int no_record(poplin_error *error) {
    return poplin_fail(
        error, POPLIN_ERR_PROTOCOL, WRITING,
        "this cannot be recorded: a unique-id has 1 to 1,600 octets of printable ASCII, %%XX for others; "
        "a time is in the years 1970 to 9999");
}

/* ---- rows ---- */

static bool text_at(sqlite3_stmt *row, int column, poplin_slice *text) {
    if (sqlite3_column_type(row, column) != SQLITE_TEXT)
        return false;
    text->data = (const char *)sqlite3_column_text(row, column);
    text->size = (size_t)sqlite3_column_bytes(row, column);
    return text->data != NULL;
}

static bool number_at(sqlite3_stmt *row, int column, int64_t max, int64_t *number) {
    if (sqlite3_column_type(row, column) != SQLITE_INTEGER)
        return false;
    *number = sqlite3_column_int64(row, column);
    return *number >= 0 && *number <= max;
}

/* As number_at, or NULL, which leaves number as it is. */
static bool number_or_null_at(sqlite3_stmt *row, int column, int64_t max, int64_t *number) {
    return sqlite3_column_type(row, column) == SQLITE_NULL || number_at(row, column, max, number);
}

static bool record_at(sqlite3_stmt *row, poplin_seen_record *record) {
    poplin_slice step;
    int64_t copy = 0, octets = -1, gone = 0;
    if (!text_at(row, 0, &record->uid) || !number_at(row, 1, UINT32_MAX, &copy) || !text_at(row, 2, &step) ||
        !number_or_null_at(row, 3, INT64_MAX, &octets) ||
        !number_at(row, 4, POPLIN_SEEN_TIME_MAX, &record->first_seen) ||
        !number_at(row, 5, POPLIN_SEEN_TIME_MAX, &record->changed) ||
        !number_or_null_at(row, 6, POPLIN_SEEN_TIME_MAX, &gone))
        return false;
    record->copy = (uint32_t)copy;
    record->step = poplin_step_parse(step);
    record->octets = octets < 0 ? POPLIN_OCTETS_UNKNOWN : (uint64_t)octets;
    record->gone = gone;
    return is_record(record) && record->step != POPLIN_STEP_NONE;
}

/* Has each row of a statement told, until one is not OK. */
static int each_row(const poplin_seen *seen, sqlite3_stmt *prepared,
                    int (*tell)(const poplin_seen *seen, sqlite3_stmt *row, void *context, poplin_error *error),
                    void *context, poplin_error *error) {
    int status = POPLIN_OK, answer = SQLITE_ROW;
    for (size_t rows = 0; status == POPLIN_OK && (answer = sqlite3_step(prepared)) == SQLITE_ROW; rows++)
        status = rows < POPLIN_SEEN_ROWS_MAX ? tell(seen, prepared, context, error)
                                             : poplin_seen_fail(seen, READING, POPLIN_SEEN_PROBLEM_TOO_MANY, error);
    if (status == POPLIN_OK && answer != SQLITE_DONE)
        status = poplin_seen_failed(seen, READING, error);
    return status;
}

/* ---- reading ---- */

struct recall {
    int (*tell)(void *context, const poplin_seen_record *record);
    void *context;
};

static int tell_record(const poplin_seen *seen, sqlite3_stmt *row, void *context, poplin_error *error) {
    const struct recall *recall = context;
    poplin_seen_record record = {.step = POPLIN_STEP_NONE};
    if (!record_at(row, &record))
        return poplin_seen_fail(seen, READING, POPLIN_SEEN_PROBLEM_CHANGED, error);
    return recall->tell(recall->context, &record);
}

static int bind_text(const poplin_seen *seen, sqlite3_stmt *prepared, int place, poplin_slice text, const char *doing,
                     poplin_error *error) {
    if (sqlite3_bind_text(prepared, place, text.data, (int)text.size, SQLITE_STATIC) != SQLITE_OK)
        return poplin_seen_failed(seen, doing, error);
    return POPLIN_OK;
}

/* Prepares a statement whose first value is the account. */
static int prepare_for(poplin_seen *seen, enum poplin_seen_statement statement, const char *account, const char *doing,
                       sqlite3_stmt **prepared, poplin_error *error) {
    int status = poplin_seen_prepare(seen, statement, doing, prepared, error);
    if (status == POPLIN_OK)
        status = bind_text(seen, *prepared, 1, (poplin_slice){account, strlen(account)}, doing, error);
    return status;
}

int poplin_seen_recall(poplin_seen *seen, const char *account,
                       int (*tell)(void *context, const poplin_seen_record *record), void *context,
                       poplin_error *error) {
    struct recall recall = {tell, context};
    sqlite3_stmt *prepared = NULL;
    int status = check_account(seen, account, READING, error);
    if (status == POPLIN_OK)
        status = prepare_for(seen, POPLIN_SEEN_RECALL, account, READING, &prepared, error);
    if (status == POPLIN_OK)
        status = each_row(seen, prepared, tell_record, &recall, error);
    poplin_seen_release(prepared);
    return status;
}

struct accounts {
    int (*tell)(void *context, const char *account, uint64_t messages);
    void *context;
};

static int tell_account(const poplin_seen *seen, sqlite3_stmt *row, void *context, poplin_error *error) {
    const struct accounts *accounts = context;
    poplin_slice account;
    int64_t messages;
    if (!text_at(row, 0, &account) || !is_account(account) || !number_at(row, 1, INT64_MAX, &messages))
        return poplin_seen_fail(seen, READING, POPLIN_SEEN_PROBLEM_CHANGED, error);
    return accounts->tell(accounts->context, account.data, (uint64_t)messages);
}

int poplin_seen_accounts(poplin_seen *seen, int (*tell)(void *context, const char *account, uint64_t messages),
                         void *context, poplin_error *error) {
    struct accounts accounts = {tell, context};
    sqlite3_stmt *prepared = NULL;
    int status = poplin_seen_check_process(seen, READING, error);
    if (status == POPLIN_OK)
        status = poplin_seen_prepare(seen, POPLIN_SEEN_ACCOUNTS, READING, &prepared, error);
    if (status == POPLIN_OK)
        status = each_row(seen, prepared, tell_account, &accounts, error);
    poplin_seen_release(prepared);
    return status;
}

/* ---- writing ---- */

/* Runs a prepared statement that gives no rows, and makes it ready to be run again. */
static int run_prepared(const poplin_seen *seen, sqlite3_stmt *prepared, poplin_error *error) {
    int status = POPLIN_OK;
    if (sqlite3_step(prepared) != SQLITE_DONE)
        status = poplin_seen_failed(seen, WRITING, error);
    (void)sqlite3_reset(prepared); /* tells the same failure again */
    return status;
}

/* Binds a number, or NULL. Cannot fail where the statement has such a place. */
static void bind_number(sqlite3_stmt *prepared, int place, bool known, int64_t number) {
    if (known)
        (void)sqlite3_bind_int64(prepared, place, number);
    else
        (void)sqlite3_bind_null(prepared, place);
}

static int write_record(const poplin_seen *seen, sqlite3_stmt *prepared, const poplin_seen_record *record,
                        poplin_error *error) {
    const char *step = poplin_step_name(record->step);
    int status = bind_text(seen, prepared, 2, record->uid, WRITING, error);
    if (status == POPLIN_OK)
        status = bind_text(seen, prepared, 4, (poplin_slice){step, strlen(step)}, WRITING, error);
    if (status != POPLIN_OK)
        return status;
    bind_number(prepared, 3, true, record->copy);
    bind_number(prepared, 5, record->octets <= INT64_MAX, (int64_t)record->octets);
    bind_number(prepared, 6, true, record->first_seen);
    bind_number(prepared, 7, true, record->changed);
    bind_number(prepared, 8, record->gone != 0, record->gone);
    return run_prepared(seen, prepared, error);
}

static int forget_record(const poplin_seen *seen, sqlite3_stmt *prepared, const poplin_seen_record *record,
                         poplin_error *error) {
    int status = bind_text(seen, prepared, 2, record->uid, WRITING, error);
    if (status != POPLIN_OK)
        return status;
    bind_number(prepared, 3, true, record->copy);
    return run_prepared(seen, prepared, error);
}

struct batch {
    const char *account;
    const poplin_seen_record *records;
    size_t count;
};

static int write_batch(poplin_seen *seen, void *context, poplin_error *error) {
    const struct batch *batch = context;
    sqlite3_stmt *record = NULL, *forget = NULL;
    int status = prepare_for(seen, POPLIN_SEEN_RECORD, batch->account, WRITING, &record, error);
    if (status == POPLIN_OK)
        status = prepare_for(seen, POPLIN_SEEN_FORGET, batch->account, WRITING, &forget, error);
    for (size_t i = 0; status == POPLIN_OK && i < batch->count; i++)
        status = batch->records[i].step == POPLIN_STEP_NONE ? forget_record(seen, forget, &batch->records[i], error)
                                                            : write_record(seen, record, &batch->records[i], error);
    poplin_seen_release(record);
    poplin_seen_release(forget);
    return status;
}

int poplin_seen_record_all(poplin_seen *seen, const char *account, const poplin_seen_record *records, size_t count,
                           poplin_error *error) {
    struct batch batch = {account, records, count};
    int status = check_account(seen, account, WRITING, error);
    for (size_t i = 0; status == POPLIN_OK && i < count; i++)
        if (!is_record(&records[i]))
            status = no_record(error);
    if (status != POPLIN_OK || count == 0)
        return status;
    return poplin_seen_transaction(seen, WRITING, write_batch, &batch, error);
}

struct marking {
    const char *account;
    const poplin_slice *uids;
    size_t count;
    enum poplin_step step;
    int64_t now;
};

static int mark_one(const poplin_seen *seen, sqlite3_stmt *mark, sqlite3_stmt *record, const struct marking *marking,
                    poplin_slice uid, poplin_error *error) {
    const poplin_seen_record unknown = {.uid = uid,
                                        .step = marking->step,
                                        .octets = POPLIN_OCTETS_UNKNOWN,
                                        .first_seen = marking->now,
                                        .changed = marking->now};
    int status = bind_text(seen, mark, 2, uid, WRITING, error);
    if (status == POPLIN_OK)
        status = run_prepared(seen, mark, error);
    if (status == POPLIN_OK && sqlite3_changes(seen->database) == 0)
        status = write_record(seen, record, &unknown, error);
    return status;
}

static int mark_all(poplin_seen *seen, void *context, poplin_error *error) {
    const struct marking *marking = context;
    const char *step = poplin_step_name(marking->step);
    sqlite3_stmt *mark = NULL, *record = NULL;
    int status = prepare_for(seen, POPLIN_SEEN_MARK, marking->account, WRITING, &mark, error);
    if (status == POPLIN_OK)
        status = prepare_for(seen, POPLIN_SEEN_RECORD, marking->account, WRITING, &record, error);
    if (status == POPLIN_OK)
        status = bind_text(seen, mark, 3, (poplin_slice){step, strlen(step)}, WRITING, error);
    if (status == POPLIN_OK)
        bind_number(mark, 4, true, marking->now);
    for (size_t i = 0; status == POPLIN_OK && i < marking->count; i++)
        status = mark_one(seen, mark, record, marking, marking->uids[i], error);
    poplin_seen_release(mark);
    poplin_seen_release(record);
    return status;
}

int poplin_seen_mark(poplin_seen *seen, const char *account, const poplin_slice *uids, size_t count,
                     enum poplin_step step, int64_t now, poplin_error *error) {
    struct marking marking = {account, uids, count, step, now};
    int status = check_account(seen, account, WRITING, error);
    if (status == POPLIN_OK && (poplin_step_name(step) == NULL || !is_time(now)))
        status = no_record(error);
    for (size_t i = 0; status == POPLIN_OK && i < count; i++)
        if (!is_uid(uids[i]))
            status = no_record(error);
    if (status != POPLIN_OK || count == 0)
        return status;
    return poplin_seen_transaction(seen, WRITING, mark_all, &marking, error);
}

int poplin_seen_forget(poplin_seen *seen, const char *account, const poplin_slice *uid, uint64_t *forgotten,
                       poplin_error *error) {
    sqlite3_stmt *prepared = NULL;
    int status = check_account(seen, account, WRITING, error);
    if (status == POPLIN_OK && uid != NULL && !is_uid(*uid))
        status = no_record(error);
    if (status == POPLIN_OK)
        status = prepare_for(seen, uid == NULL ? POPLIN_SEEN_FORGET_ACCOUNT : POPLIN_SEEN_FORGET_UID, account, WRITING,
                             &prepared, error);
    if (status == POPLIN_OK && uid != NULL)
        status = bind_text(seen, prepared, 2, *uid, WRITING, error);
    if (status == POPLIN_OK)
        status = run_prepared(seen, prepared, error);
    if (status == POPLIN_OK && forgotten != NULL)
        *forgotten = (uint64_t)sqlite3_changes(seen->database);
    poplin_seen_release(prepared);
    return status;
}

/* ---- claiming ---- */

int poplin_seen_claim(const poplin_seen *seen, const char *account, poplin_claim **claim, poplin_error *error) {
    int status = check_account(seen, account, CLAIMING, error);
    if (status != POPLIN_OK)
        return status;
    return poplin_claim_take(sqlite3_db_filename(seen->database, "main"), account, claim,
                             error); /* wherever one is now */
}
