/*
 * fetch/seen_statements.c - the seen store's SQL, and what may be wrong with such a file, in words. Without SQLite: the
 * extension for Python has this file too, and hands both to Python's own.
 *
 * Each step of a message is recorded as a word, and a time as seconds since 1970. What a server said is only ever bound to a
 * statement. The text of TABLE is part of the schema: SOUND compares a file's with it, so a change is a new version.
 */
#include <poplin/seen.h>

/* Octets that this program's stores have in the place that SQLite keeps for it: "popl". */
#define APPLICATION "1886351468"

/*
 * Types are checked by hand, since SQLite before 3.37 has no STRICT, and its own affinities forgive almost
 * everything. There is nothing in them that a later SQLite or a setting could make mean something else.
 */
#define CREATE_TABLE \
    "CREATE TABLE seen (\n" \
    "    account TEXT NOT NULL\n" \
    "        CHECK (typeof(account) = 'text' AND length(CAST(account AS BLOB)) BETWEEN 1 AND 1000),\n" \
    "    uid TEXT NOT NULL\n" \
    "        CHECK (typeof(uid) = 'text' AND length(CAST(uid AS BLOB)) BETWEEN 1 AND 1600\n" \
    "               AND uid NOT GLOB '*[^ -~]*'),\n" \
    "    copy INTEGER NOT NULL\n" \
    "        CHECK (typeof(copy) = 'integer' AND copy BETWEEN 0 AND 4294967295),\n" \
    "    step TEXT NOT NULL\n" \
    "        CHECK (step IN ('taken', 'headers', 'delivered', 'rejected', 'deleted', 'confirmed')),\n" \
    "    octets INTEGER\n" \
    "        CHECK (octets IS NULL OR typeof(octets) = 'integer' AND octets >= 0),\n" \
    "    first_seen INTEGER NOT NULL\n" \
    "        CHECK (typeof(first_seen) = 'integer' AND first_seen BETWEEN 0 AND 253402300799),\n" \
    "    changed INTEGER NOT NULL\n" \
    "        CHECK (typeof(changed) = 'integer' AND changed BETWEEN 0 AND 253402300799),\n" \
    "    gone INTEGER\n" \
    "        CHECK (gone IS NULL OR typeof(gone) = 'integer' AND gone BETWEEN 1 AND 253402300799),\n" \
    "    PRIMARY KEY (account, uid, copy)\n" \
    ") WITHOUT ROWID"

#define CREATE_VIEW \
    "CREATE VIEW readable AS SELECT account, uid, copy, step, octets,\n" \
    "    datetime(first_seen, 'unixepoch') || ' UTC' AS first_seen,\n" \
    "    datetime(changed, 'unixepoch') || ' UTC' AS changed,\n" \
    "    datetime(gone, 'unixepoch') || ' UTC' AS gone\n" \
    "FROM seen"

/*
 * EXTRA is FULL, each commit on the disk before it is told, and also holds where the log cannot be had. A file of someone
 * else's may hold views and triggers: no function that does more than compute is called from them. The table's checks are for
 * people and for other programs: what is written here has been checked, and they take as long as the writing itself.
 */
#define SETTINGS \
    "PRAGMA busy_timeout = 30000; PRAGMA synchronous = EXTRA; PRAGMA trusted_schema = OFF; " \
    "PRAGMA cell_size_check = ON; PRAGMA ignore_check_constraints = ON;"

/* While other programs have the file open it stays as it is, and the next one to open it asks again. */
#define JOURNAL "PRAGMA busy_timeout = 200; PRAGMA journal_mode = WAL;"

#define APPLICATION_NOW "(SELECT application_id FROM pragma_application_id)"
#define VERSION_NOW "(SELECT user_version FROM pragma_user_version)"
#define VERSION \
    "SELECT CASE WHEN " APPLICATION_NOW " = " APPLICATION " AND " VERSION_NOW " > 0 THEN " VERSION_NOW \
    " WHEN " APPLICATION_NOW " = 0 AND " VERSION_NOW " = 0 AND NOT EXISTS (SELECT 1 FROM sqlite_master) THEN 0" \
    " ELSE -1 END"

#define SOUND \
    "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'seen' AND sql = ?1)" \
    " AND (SELECT count(*) FROM sqlite_master WHERE lower(name) = 'seen') = 1" \
    " AND NOT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'trigger' OR type = 'index' AND sql IS NOT NULL)"

#define RECALL \
    "SELECT uid, copy, step, octets, first_seen, changed, gone FROM seen WHERE account = ?1 ORDER BY uid, copy"

#define RECORD \
    "REPLACE INTO seen (account, uid, copy, step, octets, first_seen, changed, gone)" \
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"

const char *poplin_seen_statement(enum poplin_seen_statement statement) {
    static const char *const statements[] = {
        [POPLIN_SEEN_SETTINGS] = SETTINGS,
        [POPLIN_SEEN_JOURNAL] = JOURNAL,
        [POPLIN_SEEN_VERSION] = VERSION,
        [POPLIN_SEEN_TABLE] = CREATE_TABLE,
        [POPLIN_SEEN_VIEW] = CREATE_VIEW,
        [POPLIN_SEEN_STAMP] = "PRAGMA application_id = " APPLICATION,
        [POPLIN_SEEN_STAMP_VERSION] = "PRAGMA user_version = 1",
        [POPLIN_SEEN_SOUND] = SOUND,
        [POPLIN_SEEN_BEGIN] = "BEGIN IMMEDIATE",
        [POPLIN_SEEN_COMMIT] = "COMMIT",
        [POPLIN_SEEN_ROLLBACK] = "ROLLBACK",
        [POPLIN_SEEN_RECALL] = RECALL,
        [POPLIN_SEEN_RECORD] = RECORD,
        [POPLIN_SEEN_FORGET] = "DELETE FROM seen WHERE account = ?1 AND uid = ?2 AND copy = ?3",
        [POPLIN_SEEN_FORGET_UID] = "DELETE FROM seen WHERE account = ?1 AND uid = ?2",
        [POPLIN_SEEN_FORGET_ACCOUNT] = "DELETE FROM seen WHERE account = ?1",
        [POPLIN_SEEN_MARK] = "UPDATE seen SET step = ?3, changed = ?4 WHERE account = ?1 AND uid = ?2",
        [POPLIN_SEEN_ACCOUNTS] = "SELECT account, count(*) FROM seen GROUP BY account ORDER BY account",
    };
    return statements[statement];
}

const char *poplin_seen_statement_name(enum poplin_seen_statement statement) {
    static const char *const names[] = {
#define STATEMENT_NAME(name) #name,
        POPLIN_SEEN_STATEMENT_TABLE(STATEMENT_NAME)
#undef STATEMENT_NAME
    };
    return names[statement];
}

const char *poplin_seen_problem_text(enum poplin_seen_problem problem) {
    switch (problem) {
#define PROBLEM_TEXT(name, text) \
    case POPLIN_SEEN_PROBLEM_##name: \
        return text;
        POPLIN_SEEN_PROBLEM_TABLE(PROBLEM_TEXT)
#undef PROBLEM_TEXT
    case POPLIN_SEEN_PROBLEMS:
        break;
    }
    return "";
}

const char *poplin_seen_problem_name(enum poplin_seen_problem problem) {
    static const char *const names[] = {
#define PROBLEM_NAME(name, text) #name,
        POPLIN_SEEN_PROBLEM_TABLE(PROBLEM_NAME)
#undef PROBLEM_NAME
    };
    return names[problem];
}

/* The numbers are part of SQLite's file and interface promises; its header is not to be had in the extension. */
enum poplin_seen_problem poplin_seen_problem_of(int sqlite_code) {
    switch (sqlite_code & 0xFF) {
    case 3:  /* SQLITE_PERM */
    case 8:  /* SQLITE_READONLY */
    case 23: /* SQLITE_AUTH */
        return POPLIN_SEEN_PROBLEM_READ_ONLY;
    case 5:  /* SQLITE_BUSY */
    case 6:  /* SQLITE_LOCKED */
    case 15: /* SQLITE_PROTOCOL: could not get a lock on the log in a long time */
        return POPLIN_SEEN_PROBLEM_BUSY;
    case 10: /* SQLITE_IOERR */
        return POPLIN_SEEN_PROBLEM_DISK;
    case 11: /* SQLITE_CORRUPT */
        return POPLIN_SEEN_PROBLEM_DAMAGED;
    case 13: /* SQLITE_FULL */
        return POPLIN_SEEN_PROBLEM_FULL;
    case 14: /* SQLITE_CANTOPEN */
        return POPLIN_SEEN_PROBLEM_NOT_OPENED;
    case 18: /* SQLITE_TOOBIG */
    case 19: /* SQLITE_CONSTRAINT */
        return POPLIN_SEEN_PROBLEM_CHANGED;
    case 26: /* SQLITE_NOTADB */
        return POPLIN_SEEN_PROBLEM_NOT_SQLITE;
    default:
        return POPLIN_SEEN_PROBLEM_OTHER;
    }
}
