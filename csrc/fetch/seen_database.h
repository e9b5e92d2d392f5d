/*
 * fetch/seen_database.h - what the two halves of the seen store share: the connection, statements, and how they fail.
 */
#ifndef POPLIN_FETCH_SEEN_DATABASE_H
#define POPLIN_FETCH_SEEN_DATABASE_H

#include <poplin/seen.h>
#include <sqlite3.h>
#include <sys/types.h>

struct poplin_seen {
    sqlite3 *database;
    sqlite3_stmt *prepared[POPLIN_SEEN_STATEMENTS]; /* those used so far: to prepare one costs as much as many rows */
    char *path;
    pid_t process; /* that may use it: what SQLite knows of locks is not true in another */
};

/* Fails with this problem of the file. */
int poplin_seen_fail(const poplin_seen *seen, const char *doing, enum poplin_seen_problem problem, poplin_error *error);

/* Fails with what SQLite said last. */
int poplin_seen_failed(const poplin_seen *seen, const char *doing, poplin_error *error);

/* STATE where this is not the process that opened it. */
int poplin_seen_check_process(const poplin_seen *seen, const char *doing, poplin_error *error);

/* Gives a statement that is ready to have values bound; the caller releases it. NULL after a failure. */
int poplin_seen_prepare(poplin_seen *seen, enum poplin_seen_statement statement, const char *doing,
                        sqlite3_stmt **prepared, poplin_error *error);

/* Ends what it was doing, and lets go of what is bound to it. NULL is allowed. */
void poplin_seen_release(sqlite3_stmt *prepared);

/* Runs a statement, or several, with nothing bound. */
int poplin_seen_run(const poplin_seen *seen, enum poplin_seen_statement statement, const char *doing,
                    poplin_error *error);

/* Has work done between BEGIN and COMMIT, or ROLLBACK where one of these fails. */
int poplin_seen_transaction(poplin_seen *seen, const char *doing,
                            int (*work)(poplin_seen *seen, void *context, poplin_error *error), void *context,
                            poplin_error *error);

#endif
