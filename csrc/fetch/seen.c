/*
 * fetch/seen.c - the seen store as a file: found to be one, made where there is none, opened, let go of.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fetch/seen_database.h"
#include "wire/failure.h"
#include "wire/grammar.h"

enum { PATH_SHOWN = 110 };

static const char OPENING[] = "opening the seen store";

/* ---- failing ---- */

static const char *shown(const char *path) {
    return poplin_visible_end(path, PATH_SHOWN);
}

static int fail_with(const poplin_seen *seen, const char *doing, enum poplin_seen_problem problem, const char *detail,
                     poplin_error *error) {
    int status = problem == POPLIN_SEEN_PROBLEM_LATER      ? POPLIN_ERR_UNSUPPORTED
                 : problem == POPLIN_SEEN_PROBLEM_TOO_MANY ? POPLIN_ERR_LIMIT
                                                           : POPLIN_ERR_IO;
    bool told = detail[0] != '\0';
    return poplin_fail(error, status, doing, "%s: %s%s%s%s", shown(seen->path), poplin_seen_problem_text(problem),
                       told ? " (" : "", detail, told ? ")" : "");
}

int poplin_seen_fail(const poplin_seen *seen, const char *doing, enum poplin_seen_problem problem,
                     poplin_error *error) {
    return fail_with(seen, doing, problem, "", error);
}

static int out_of_memory(const char *doing, poplin_error *error) {
    return poplin_fail(error, POPLIN_ERR_NOMEM, doing, "out of memory");
}

int poplin_seen_failed(const poplin_seen *seen, const char *doing, poplin_error *error) {
    int code = sqlite3_errcode(seen->database) & 0xFF;
    if (code == SQLITE_NOMEM)
        return out_of_memory(doing, error);
    enum poplin_seen_problem problem = poplin_seen_problem_of(code);
    int reason = sqlite3_system_errno(seen->database);
    const char *detail = "";
    if (problem == POPLIN_SEEN_PROBLEM_OTHER)
        detail = sqlite3_errmsg(seen->database);
    else if ((problem == POPLIN_SEEN_PROBLEM_DISK || problem == POPLIN_SEEN_PROBLEM_NOT_OPENED) && reason != 0)
        detail = strerror(reason);
    return fail_with(seen, doing, problem, detail, error);
}

int poplin_seen_check_process(const poplin_seen *seen, const char *doing, poplin_error *error) {
    if (seen->process == getpid())
        return POPLIN_OK;
    return poplin_fail(error, POPLIN_ERR_STATE, doing, "the process that opened it has forked: open it in the child");
}

/* ---- statements ---- */

int poplin_seen_prepare(poplin_seen *seen, enum poplin_seen_statement statement, const char *doing,
                        sqlite3_stmt **prepared, poplin_error *error) {
    sqlite3_stmt **kept = &seen->prepared[statement];
    if (*kept == NULL && sqlite3_prepare_v3(seen->database, poplin_seen_statement(statement), -1,
                                            SQLITE_PREPARE_PERSISTENT, kept, NULL) != SQLITE_OK)
        *kept = NULL;
    *prepared = *kept;
    return *kept == NULL ? poplin_seen_failed(seen, doing, error) : POPLIN_OK;
}

void poplin_seen_release(sqlite3_stmt *prepared) {
    if (prepared == NULL)
        return;
    (void)sqlite3_reset(prepared); /* tells once more how its last run failed */
    (void)sqlite3_clear_bindings(prepared);
}

int poplin_seen_run(const poplin_seen *seen, enum poplin_seen_statement statement, const char *doing,
                    poplin_error *error) {
    if (sqlite3_exec(seen->database, poplin_seen_statement(statement), NULL, NULL, NULL) != SQLITE_OK)
        return poplin_seen_failed(seen, doing, error);
    return POPLIN_OK;
}

int poplin_seen_transaction(poplin_seen *seen, const char *doing,
                            int (*work)(poplin_seen *seen, void *context, poplin_error *error), void *context,
                            poplin_error *error) {
    int status = poplin_seen_run(seen, POPLIN_SEEN_BEGIN, doing, error);
    if (status == POPLIN_OK)
        status = work(seen, context, error);
    if (status == POPLIN_OK)
        status = poplin_seen_run(seen, POPLIN_SEEN_COMMIT, doing, error);
    if (status != POPLIN_OK && !sqlite3_get_autocommit(seen->database))
        (void)poplin_seen_run(seen, POPLIN_SEEN_ROLLBACK, doing, NULL);
    return status;
}

/* The one number that a statement gives, with at most one text bound. */
static int ask(poplin_seen *seen, enum poplin_seen_statement statement, const char *bound, sqlite3_int64 *number,
               poplin_error *error) {
    sqlite3_stmt *prepared;
    int status = poplin_seen_prepare(seen, statement, OPENING, &prepared, error);
    if (status != POPLIN_OK)
        return status;
    if ((bound != NULL && sqlite3_bind_text(prepared, 1, bound, -1, SQLITE_STATIC) != SQLITE_OK) ||
        sqlite3_step(prepared) != SQLITE_ROW)
        status = poplin_seen_failed(seen, OPENING, error);
    else
        *number = sqlite3_column_int64(prepared, 0);
    poplin_seen_release(prepared);
    return status;
}

/* ---- the file ---- */

/* Makes an empty file that cannot take another's place, where links are not to be had. */
static int make_in_place(const char *path) {
    int descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor < 0)
        return errno == EEXIST ? 0 : errno;
    (void)close(descriptor);
    return 0;
}

/*
 * Makes the file, for its owner alone, before SQLite opens it. It gets its name only after it was closed: to close a file
 * drops the locks that this process has on it, and by then another thread may have opened it. 0 or errno.
 */
static int make(const char *path) {
    static const char ENDING[] = ".XXXXXX";
    size_t size = strlen(path) + sizeof ENDING;
    char *made = malloc(size);
    if (made == NULL)
        return ENOMEM;
    snprintf(made, size, "%s%s", path, ENDING);
    int descriptor = mkostemp(made, O_CLOEXEC);
    int reason = descriptor < 0 ? errno : 0;
    if (descriptor >= 0) {
        (void)close(descriptor);
        if (link(made, path) != 0 && errno != EEXIST)
            reason = make_in_place(path);
        (void)unlink(made);
    }
    free(made);
    return reason;
}

/* Nothing but a file of the name's own is opened: SQLite would wait for a pipe, and follow a link. */
static int find_or_make(const poplin_seen *seen, poplin_error *error) {
    struct stat facts;
    int reason = 0;
    if (lstat(seen->path, &facts) != 0) {
        reason = errno == ENOENT ? make(seen->path) : errno;
        if (reason == ENOMEM)
            return out_of_memory(OPENING, error);
        if (reason != 0)
            return fail_with(seen, OPENING, POPLIN_SEEN_PROBLEM_NOT_OPENED, strerror(reason), error);
    } else if (S_ISLNK(facts.st_mode)) {
        return poplin_seen_fail(seen, OPENING, POPLIN_SEEN_PROBLEM_A_LINK, error);
    } else if (S_ISDIR(facts.st_mode)) {
        return poplin_seen_fail(seen, OPENING, POPLIN_SEEN_PROBLEM_A_FOLDER, error);
    } else if (!S_ISREG(facts.st_mode)) {
        return poplin_seen_fail(seen, OPENING, POPLIN_SEEN_PROBLEM_NO_FILE, error);
    }
    return POPLIN_OK;
}

/* ---- the schema ---- */

static int check_version(const poplin_seen *seen, sqlite3_int64 version, poplin_error *error) {
    if (version < 0)
        return poplin_seen_fail(seen, OPENING, POPLIN_SEEN_PROBLEM_FOREIGN, error);
    if (version > POPLIN_SEEN_SCHEMA_VERSION)
        return poplin_seen_fail(seen, OPENING, POPLIN_SEEN_PROBLEM_LATER, error);
    return POPLIN_OK;
}

/* In a transaction: another program may have made it since it was found empty. */
static int make_schema(poplin_seen *seen, void *context, poplin_error *error) {
    sqlite3_int64 *version = context;
    int status = ask(seen, POPLIN_SEEN_VERSION, NULL, version, error);
    if (status != POPLIN_OK || *version != 0)
        return status;
    for (int statement = POPLIN_SEEN_TABLE; status == POPLIN_OK && statement <= POPLIN_SEEN_STAMP_VERSION; statement++)
        status = poplin_seen_run(seen, (enum poplin_seen_statement)statement, OPENING, error);
    *version = POPLIN_SEEN_SCHEMA_VERSION;
    return status;
}

static int check_schema(poplin_seen *seen, poplin_error *error) {
    sqlite3_int64 sound = 0;
    int status = ask(seen, POPLIN_SEEN_SOUND, poplin_seen_statement(POPLIN_SEEN_TABLE), &sound, error);
    if (status == POPLIN_OK && sound != 1)
        status = poplin_seen_fail(seen, OPENING, POPLIN_SEEN_PROBLEM_CHANGED, error);
    return status;
}

static int set_up(poplin_seen *seen, poplin_error *error) {
    sqlite3_int64 version = 0;
    sqlite3_limit(seen->database, SQLITE_LIMIT_LENGTH, POPLIN_SEEN_LENGTH_MAX);
    (void)sqlite3_db_config(seen->database, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    int status = poplin_seen_run(seen, POPLIN_SEEN_SETTINGS, OPENING, error);
    if (status == POPLIN_OK)
        status = ask(seen, POPLIN_SEEN_VERSION, NULL, &version, error);
    if (status == POPLIN_OK && version == 0)
        status = poplin_seen_transaction(seen, OPENING, make_schema, &version, error);
    if (status == POPLIN_OK)
        status = check_version(seen, version, error);
    if (status == POPLIN_OK)
        status = check_schema(seen, error);
    if (status != POPLIN_OK)
        return status;
    (void)poplin_seen_run(seen, POPLIN_SEEN_JOURNAL, OPENING, NULL);
    return poplin_seen_run(seen, POPLIN_SEEN_SETTINGS, OPENING, error);
}

/* ---- opening and closing ---- */

/* A copy of the path that means the same to SQLite, for which ":memory:" and "" are no files. */
static char *plain_path(const char *path) {
    size_t size = strlen(path) + sizeof "./";
    char *plain = malloc(size);
    if (plain != NULL)
        snprintf(plain, size, "%s%s", path[0] == '/' ? "" : "./", path);
    return plain;
}

int poplin_seen_open(const char *path, poplin_seen **seen, poplin_error *error) {
    poplin_seen *made = calloc(1, sizeof *made);
    if (made != NULL)
        made->path = plain_path(path);
    if (made == NULL || made->path == NULL) {
        free(made);
        return out_of_memory(OPENING, error);
    }
    made->process = getpid();
    int status = find_or_make(made, error);
    if (status == POPLIN_OK && sqlite3_open_v2(made->path, &made->database, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        status = made->database == NULL ? out_of_memory(OPENING, error) : poplin_seen_failed(made, OPENING, error);
    if (status == POPLIN_OK)
        status = set_up(made, error);
    if (status == POPLIN_OK)
        *seen = made;
    else
        poplin_seen_free(made);
    return status;
}

void poplin_seen_free(poplin_seen *seen) {
    if (seen == NULL)
        return;
    if (seen->process == getpid()) {
        for (size_t i = 0; i < POPLIN_SEEN_STATEMENTS; i++)
            (void)sqlite3_finalize(seen->prepared[i]);
        (void)sqlite3_close(seen->database);
    }
    free(seen->path);
    free(seen);
}
