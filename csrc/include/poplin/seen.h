/*
 * poplin/seen.h - the memory of what was fetched: one SQLite file for all accounts, which several programs may use at
 * a time, in any language.
 *
 * The extension for Python does not have the functions on poplin_seen: it would bring a second SQLite into the process, and
 * two of them on one file break each other's locks. It uses Python's own, with the statements that poplin_seen_statement gives,
 * so that there is one schema and one way to use it:
 *
 *     SETTINGS; VERSION
 *     where that is 0: BEGIN, VERSION once more, and where it is still 0 TABLE, VIEW, STAMP, STAMP_VERSION; COMMIT
 *     SOUND; JOURNAL, SETTINGS
 *
 * A file that is not a store of this version is left as it is. JOURNAL may fail: not every file system has what SQLite's
 * write-ahead log needs, and what is written is as safe without.
 */
#ifndef POPLIN_SEEN_H
#define POPLIN_SEEN_H

#include <poplin/fetch.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The statements, with what is bound and what each row gives. They stand in csrc/fetch/seen_statements.c. */
#define POPLIN_SEEN_STATEMENT_TABLE(X) \
    X(SETTINGS) /* several: what each connection sets; rows mean nothing */ \
    X(JOURNAL)  /* several: makes it faster from now on; rows mean nothing */ \
    X(VERSION)  /* -> the schema's version that the file has; 0: it is empty; -1: it is another program's */ \
    X(TABLE) \
    X(VIEW) /* for people: the same with readable times */ \
    X(STAMP) \
    X(STAMP_VERSION) \
    X(SOUND) /* the text of TABLE -> 1: the file has it as it was made, and nothing that acts behind it */ \
    X(BEGIN) \
    X(COMMIT) \
    X(ROLLBACK) \
    X(RECALL)     /* account -> uid, copy, step, octets (NULL: unknown), first_seen, changed, gone (NULL: listed) */ \
    X(RECORD)     /* account, uid, copy, step, octets, first_seen, changed, gone */ \
    X(FORGET)     /* account, uid, copy */ \
    X(FORGET_UID) /* account, uid: all copies */ \
    X(FORGET_ACCOUNT) /* account */ \
    X(MARK)           /* account, uid, step, when: of all copies */ \
    X(ACCOUNTS)       /* -> account, messages */

enum poplin_seen_statement {
#define POPLIN_SEEN_STATEMENT_ENUM(name) POPLIN_SEEN_##name,
    POPLIN_SEEN_STATEMENT_TABLE(POPLIN_SEEN_STATEMENT_ENUM)
#undef POPLIN_SEEN_STATEMENT_ENUM
        POPLIN_SEEN_STATEMENTS
};

/* The SQL of a statement. Static. */
POPLIN_API const char *poplin_seen_statement(enum poplin_seen_statement statement);

/* Its name ("RECALL"). Static. */
POPLIN_API const char *poplin_seen_statement_name(enum poplin_seen_statement statement);

/* The version of the schema that this library writes. */
#define POPLIN_SEEN_SCHEMA_VERSION 1

/* The octets of the longest account and unique-id on record, and the latest time: the end of the year 9999. */
#define POPLIN_SEEN_ACCOUNT_MAX 1000
#define POPLIN_SEEN_UID_MAX 1600
#define POPLIN_SEEN_TIME_MAX INT64_C(253402300799)

/* Rows that one look at the file brings at most, and the octets of the largest value that is read. */
#define POPLIN_SEEN_ROWS_MAX 2000000
#define POPLIN_SEEN_LENGTH_MAX 100000

/* What cannot be used, or done; what to do about it belongs to each. */
#define POPLIN_SEEN_PROBLEM_TABLE(X) \
    X(BUSY, "another program has been writing to it for half a minute: try again when that is done") \
    X(READ_ONLY, "it cannot be written to: see to the permissions of the file and of its folder") \
    X(DISK, "the disk failed when it was read or written") \
    X(FULL, "the disk is full, or the file may grow no larger: make room and try again") \
    X(NOT_OPENED, "it cannot be opened: see that it and its folder are there and may be written to") \
    X(DAMAGED, "it is damaged: restore a copy, or move the file away, with the -wal and -shm beside it; " \
               "without it all mail on the servers counts as new") \
    X(NOT_SQLITE, "it is no SQLite file: name another, or move it away") \
    X(FOREIGN, "it is another program's: name another file") \
    X(CHANGED, "another program has changed what is in it, and poplin cannot use it so: restore a copy, or move the " \
               "file away; without it all mail on the servers counts as new") \
    X(LATER, "it was made by a later version of poplin: use that one, or name another file") \
    X(A_FOLDER, "it is a folder: name a file") \
    X(A_LINK, "it is a symbolic link: name the file itself") \
    X(NO_FILE, "it is no ordinary file: name another") \
    X(TOO_MANY, "it holds more than 2,000,000 of them: forget some") \
    X(OTHER, "SQLite failed")

enum poplin_seen_problem {
#define POPLIN_SEEN_PROBLEM_ENUM(name, text) POPLIN_SEEN_PROBLEM_##name,
    POPLIN_SEEN_PROBLEM_TABLE(POPLIN_SEEN_PROBLEM_ENUM)
#undef POPLIN_SEEN_PROBLEM_ENUM
        POPLIN_SEEN_PROBLEMS
};

/* The words, and the name ("BUSY"). Static. */
POPLIN_API const char *poplin_seen_problem_text(enum poplin_seen_problem problem);
POPLIN_API const char *poplin_seen_problem_name(enum poplin_seen_problem problem);

/* Which it is that a result code of SQLite's stands for. */
POPLIN_API enum poplin_seen_problem poplin_seen_problem_of(int sqlite_code);

typedef struct poplin_seen poplin_seen;

/*
 * Opens the file, and makes it, for its owner alone (mode 0600), where there is none or an empty one. IO: it cannot be
 * opened, is no SQLite file, another program's, a link, or damaged; UNSUPPORTED: of a later version than this library
 * knows; NOMEM. *error (may be NULL) says which, and what to do. A file that cannot be used is not changed.
 *
 * One poplin_seen belongs to one thread at a time, and to the process that opened it: in a child after fork each call
 * fails with STATE, and _free leaves the connection behind.
 */
POPLIN_API int poplin_seen_open(const char *path, poplin_seen **seen, poplin_error *error);

/* NULL is allowed. */
POPLIN_API void poplin_seen_free(poplin_seen *seen);

/*
 * Has tell called with each record of the account, in the order of unique-ids; what it is given lives during the call, and
 * it must not call seen. What it answers other than OK ends it and is returned, *error untouched. IO, NOMEM; LIMIT: there
 * are more than POPLIN_SEEN_ROWS_MAX.
 */
POPLIN_API int poplin_seen_recall(poplin_seen *seen, const char *account,
                                  int (*tell)(void *context, const poplin_seen_record *record), void *context,
                                  poplin_error *error);

/*
 * Writes the records in one transaction, durable when this returns; step NONE forgets. Octets above INT64_MAX are written
 * as unknown. PROTOCOL: this is no account, or no record, that poplin/fetch.h allows; IO, NOMEM. All or none.
 */
POPLIN_API int poplin_seen_record_all(poplin_seen *seen, const char *account, const poplin_seen_record *records,
                                      size_t count, poplin_error *error);

/*
 * Sets the step of these unique-ids, as they stand on record, in all copies; one that nothing is known of is recorded as seen
 * now, which is given in seconds since 1970. As poplin_seen_record_all otherwise.
 */
POPLIN_API int poplin_seen_mark(poplin_seen *seen, const char *account, const poplin_slice *uids, size_t count,
                                enum poplin_step step, int64_t now, poplin_error *error);

/* Forgets a unique-id, or with uid NULL the whole account; *forgotten (may be NULL): how many records. As above otherwise. */
POPLIN_API int poplin_seen_forget(poplin_seen *seen, const char *account, const poplin_slice *uid, uint64_t *forgotten,
                                  poplin_error *error);

/* Has tell called with each account on file and how many messages are remembered of it; as poplin_seen_recall. */
POPLIN_API int poplin_seen_accounts(poplin_seen *seen,
                                    int (*tell)(void *context, const char *account, uint64_t messages), void *context,
                                    poplin_error *error);

/*
 * A claim on an account of a store: while one stands nobody else gets one, in this process or another, in any language. A
 * fetch has one from before it connects until it is over, since two at once would both find the same messages new. The
 * engine does not ask for it: who drives it takes it. It ends when it is freed, or with the process, however that ends; in
 * a child after fork it stands until one of the two has ended, or the parent frees it.
 *
 * It is a lock (F_OFD_SETLK, for writing) on one octet of the file whose name is the store's with this ending; at the place that
 * the first 62 bits of the account's SHA-256 tell. The file is empty, is made where there is none,
 * with the mode of the store (by root: and its owner), and stays.
 * A file system that knows no such locks gives a claim that keeps nobody away: then only the server can.
 */
typedef struct poplin_claim poplin_claim;

#define POPLIN_CLAIMS_ENDING "-claims"

/*
 * Claims the account, at once or not at all. IN_USE: somebody else has it; IO: the file cannot be opened or made; PROTOCOL: this is
 * no account; NOMEM, STATE. The claim may outlive seen, and may be freed by any thread.
 */
POPLIN_API int poplin_seen_claim(const poplin_seen *seen, const char *account, poplin_claim **claim,
                                 poplin_error *error);

/* The same by the store's path, for who has the store open otherwise; any account is one. Without SQLite. */
POPLIN_API int poplin_claim_take(const char *store, const char *account, poplin_claim **claim, poplin_error *error);

/* Lets go of the account. NULL is allowed. */
POPLIN_API void poplin_claim_free(poplin_claim *claim);

/* Does what one of the engine's events asks for and answers it: RECALL, RECORD. Returns whether the event was of these. */
POPLIN_API bool poplin_seen_serve(poplin_seen *seen, poplin_fetch *fetch, const poplin_fetch_event *event);

#ifdef __cplusplus
}
#endif
#endif
