/*
 * test_maildir_calls.c - what a Maildir asks of the system: how often, also for ten thousand messages; what it makes of
 * failures; and what of changes that come between two calls. The linker puts the functions below in the place of the C
 * library's.
 */
#include "failing.h"
#include "maildir_support.h"

enum { MANY = 10000 };

/* What was called, and what the next calls are to do. */
static struct {
    size_t scans, opens, stats, unlinks, syncs;
    const struct mail *mail;
    void (*on_scan)(size_t scan);           /* before a folder is read; the number of it, from 1 */
    void (*on_open)(const char *name);      /* before a file is opened */
    void (*on_unlink)(const char *name);    /* before it is unlinked */
    void (*on_stat)(const char *name);      /* before its facts are asked for */
    bool untyped;                           /* readdir does not tell what kind of file it is */
    bool endless;                           /* the folders have no end */
    int read_error, open_error, sync_error; /* errno of these calls; 0: they work */
    int stat_error;                         /* the same, of fstatat for what is kept */
    const char *kept;                       /* what begins so cannot be opened or unlinked: EACCES */
} calls;

static bool is_kept(const char *name) {
    return calls.kept != NULL && strncmp(name, calls.kept, strlen(calls.kept)) == 0;
}

DIR *__real_fdopendir(int descriptor);
DIR *__wrap_fdopendir(int descriptor);
DIR *__wrap_fdopendir(int descriptor) {
    calls.scans++;
    if (calls.on_scan != NULL)
        calls.on_scan(calls.scans);
    return __real_fdopendir(descriptor);
}

struct dirent *__real_readdir(DIR *stream);
struct dirent *__wrap_readdir(DIR *stream);
struct dirent *__wrap_readdir(DIR *stream) {
    static struct dirent invented = {.d_type = DT_REG, .d_name = "1.a"};
    struct dirent *entry = calls.endless ? &invented : __real_readdir(stream);
    if (calls.read_error != 0) {
        errno = calls.read_error;
        return NULL;
    }
    if (entry != NULL && calls.untyped)
        entry->d_type = DT_UNKNOWN;
    return entry;
}

int __real_openat(int folder, const char *name, int flags, ...);
int __wrap_openat(int folder, const char *name, int flags, ...);
int __wrap_openat(int folder, const char *name, int flags, ...) {
    bool is_file = (flags & O_DIRECTORY) == 0;
    calls.opens += is_file;
    if (is_file && calls.on_open != NULL)
        calls.on_open(name);
    if (calls.open_error != 0 || is_kept(name)) {
        errno = calls.open_error != 0 ? calls.open_error : EACCES;
        return -1;
    }
    return __real_openat(folder, name, flags);
}

int __real_fstatat(int folder, const char *name, struct stat *facts, int flags);
int __wrap_fstatat(int folder, const char *name, struct stat *facts, int flags);
int __wrap_fstatat(int folder, const char *name, struct stat *facts, int flags) {
    calls.stats++;
    if (calls.on_stat != NULL)
        calls.on_stat(name);
    if (calls.stat_error != 0 && is_kept(name)) {
        errno = calls.stat_error;
        return -1;
    }
    return __real_fstatat(folder, name, facts, flags);
}

int __real_unlinkat(int folder, const char *name, int flags);
int __wrap_unlinkat(int folder, const char *name, int flags);
int __wrap_unlinkat(int folder, const char *name, int flags) {
    calls.unlinks++;
    if (calls.on_unlink != NULL)
        calls.on_unlink(name);
    if (is_kept(name)) {
        errno = EACCES;
        return -1;
    }
    return __real_unlinkat(folder, name, flags);
}

int __real_fsync(int descriptor);
int __wrap_fsync(int descriptor);
int __wrap_fsync(int descriptor) {
    calls.syncs++;
    errno = calls.sync_error;
    return calls.sync_error != 0 ? -1 : __real_fsync(descriptor);
}

/* From here on calls are counted anew and do what they should. */
static void reset_calls(const struct mail *mail) {
    memset(&calls, 0, sizeof calls);
    calls.mail = mail;
}

static int calls_set_up(void **state) {
    int status = mail_set_up(state);
    reset_calls(*state);
    return status;
}

static int calls_tear_down(void **state) {
    reset_calls(*state);
    return mail_tear_down(state);
}

static void expect_error(const struct mail *mail, const char *doing, const char *reason) {
    assert_string_equal(mail->error.doing, doing);
    if (strstr(mail->error.reason, reason) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", mail->error.reason, reason);
}

/* ---- ten thousand messages ---- */

/* The name of each of the many, with flags or without. */
static const char *many_name(const char *format, int i) {
    static char name[2][64];
    static int turn;
    turn = 1 - turn;
    snprintf(name[turn], sizeof name[turn], format, i);
    return name[turn];
}

static void put_many(const struct mail *mail) {
    for (int i = 0; i < MANY; i++)
        mail_put(mail, many_name("new/%d.a", i));
}

/* Whether this file system tells kinds of files when it lists them. */
static void expect_scans_only(size_t most) {
    assert_true(calls.scans <= most);
    assert_true(calls.stats == 0 || calls.stats == MANY);
}

static void ten_thousand_cost_a_call_each_at_most(void **state) {
    struct mail *mail = *state;
    put_many(mail);
    mail_age(mail);
    mail_open(mail);
    expect_scans_only(2);
    assert_int_equal(calls.opens, 0);
    for (size_t i = 0; i < MANY; i++)
        mail_expect_text(mail, i, many_name("new/%d.a", (int)i));
    assert_int_equal(calls.opens, MANY);
    assert_int_equal(calls.scans, 2);
    size_t all[MANY];
    for (size_t i = 0; i < MANY; i++)
        all[i] = i;
    assert_int_equal(poplin_maildir_remove(mail->maildir, all, MANY, NULL), POPLIN_OK);
    assert_int_equal(calls.unlinks, MANY);
    assert_int_equal(calls.scans, 2);
    assert_int_equal(calls.syncs, 2);
    assert_int_equal(rmdir(mail_path(mail, "new")), 0);
}

/* One that is not found under its name leads to a look, which finds all the others too. */
static void ten_thousand_renamed_cost_one_look(void **state) {
    struct mail *mail = *state;
    put_many(mail);
    mail_open(mail);
    for (int i = 0; i < MANY; i++)
        mail_rename(mail, many_name("new/%d.a", i), many_name("cur/%d.a:2,S", i));
    mail_age(mail);
    reset_calls(mail);
    for (size_t i = 0; i < MANY; i++)
        mail_expect_text(mail, i, many_name("new/%d.a", (int)i));
    expect_scans_only(2);
    assert_int_equal(calls.opens, MANY + 1);
}

/* holds: T-LCK-2 S */
static void thousands_that_are_gone_cost_one_look(void **state) {
    struct mail *mail = *state;
    put_many(mail);
    mail_open(mail);
    for (int i = 0; i < MANY; i += 2)
        mail_unlink(mail, many_name("new/%d.a", i));
    mail_age(mail); /* else it could change once more without a new time */
    reset_calls(mail);
    for (size_t i = 0; i < MANY; i += 2)
        assert_null(mail_text(mail, i));
    assert_int_equal(calls.scans, 2);
    size_t all[MANY];
    for (size_t i = 0; i < MANY; i++)
        all[i] = i;
    assert_int_equal(poplin_maildir_remove(mail->maildir, all, MANY, NULL), POPLIN_OK);
    assert_int_equal(calls.unlinks, MANY / 2);
    assert_in_range(calls.scans, 4, 10); /* a look is of more than one pass until the clock has moved on */
}

static void a_folder_without_end_is_refused(void **state) {
    struct mail *mail = *state;
    calls.endless = true;
    poplin_maildir *none = NULL;
    assert_int_equal(poplin_maildir_open(mail_path(mail, ""), &none, &mail->error), POPLIN_ERR_LIMIT);
    expect_error(mail, "opening a Maildir", "more than 1000000 messages");
    assert_null(none);
}

/* ---- kinds of files that are not told ---- */

static void kinds_are_asked_for_where_the_listing_does_not_tell(void **state) {
    struct mail *mail = *state;
    calls.untyped = true;
    mail_put(mail, "new/1.a");
    mail_mkdir(mail, "new/2.folder");
    assert_int_equal(symlink("1.a", mail_path(mail, "new/3.link")), 0);
    mail_age(mail);
    mail_open(mail);
    MAIL_EXPECT(mail, "1.a");
    assert_int_equal(calls.stats, 3);
}

/* ---- changes in the middle of a look ---- */

/* From the folder that is yet to be read to the one that was. */
static void flee(size_t scan) {
    if (scan == 2)
        mail_rename(calls.mail, "cur/1.a:2,S", "new/1.a");
}

/* holds: T-LCK-2 S */
static void a_message_that_moves_while_the_folders_are_read_is_seen(void **state) {
    struct mail *mail = *state;
    mail_put(mail, "cur/1.a:2,S");
    mail_put(mail, "cur/2.a:2,S");
    mail_age(mail);
    calls.on_scan = flee;
    mail_open(mail);
    calls.on_scan = NULL;
    MAIL_EXPECT(mail, "1.a", "2.a");
    mail_expect_text(mail, 0, "cur/1.a:2,S");
}

static time_t standing;

static void flee_in_no_time(size_t scan) {
    flee(scan);
    mail_changed_at(calls.mail, standing);
}

/* A change in the same step of the clock as the one before leaves no trace: so the folders are read once more. */
/* holds: T-LCK-2 S */
static void a_message_that_moves_while_the_clock_stands_is_seen(void **state) {
    struct mail *mail = *state;
    standing = time(NULL) + 3600;
    mail_put(mail, "cur/1.a:2,S");
    mail_changed_at(mail, standing);
    calls.on_scan = flee_in_no_time;
    mail_open(mail);
    MAIL_EXPECT(mail, "1.a");
    mail_expect_text(mail, 0, "cur/1.a:2,S");
}

/* What several passes saw is deleted like what one saw, without another look. */
static void a_file_that_is_seen_in_each_pass_is_one(void **state) {
    struct mail *mail = *state;
    mail_put(mail, "new/1.a");
    mail_put(mail, "cur/1.b");
    mail_put(mail, "new/2.a");
    mail_changed_at(mail, time(NULL) + 3600);
    mail_open(mail);
    assert_int_equal(calls.scans, 8);
    mail_rename(mail, "new/2.a", "cur/2.a:2,S");
    mail_changed_at(mail, time(NULL) + 3600);
    mail_expect_text(mail, 2, "new/2.a");
    assert_int_equal(calls.scans, 16);
    assert_int_equal(MAIL_REMOVE(mail, 0, 1, 2), POPLIN_OK);
    assert_int_equal(calls.scans, 16);
}

static void move_on(size_t scan) {
    if (scan == 2)
        mail_rename(calls.mail, "new/1.a", "cur/1.a:2,");
}

/* Seen in both: it is the later name that counts. */
static void a_message_that_moves_on_while_the_folders_are_read_is_there_once(void **state) {
    struct mail *mail = *state;
    mail_put(mail, "new/1.a");
    calls.on_scan = move_on;
    mail_open(mail);
    reset_calls(mail);
    MAIL_EXPECT(mail, "1.a");
    mail_expect_text(mail, 0, "new/1.a");
    assert_int_equal(calls.scans, 0);
}

static void come_and_go(size_t scan) {
    if (scan % 2 == 0)
        mail_rename(calls.mail, "cur/1.a", "new/1.a");
    else if (scan > 1)
        mail_rename(calls.mail, "new/1.a", "cur/1.a");
}

/* It is never in the folder that is read; and yet looking ends. */
static void folders_that_change_all_the_time_are_not_read_for_ever(void **state) {
    struct mail *mail = *state;
    mail_put(mail, "cur/1.a");
    mail_age(mail);
    calls.on_scan = come_and_go;
    mail_open(mail);
    assert_true(calls.scans <= 8);
}

/* Gives the file its other name, with a flag or without, where it has this one. */
static void rename_away(const char *name) {
    char from[64], to[64];
    size_t base = strcspn(name, ":");
    snprintf(from, sizeof from, "cur/%s", name);
    snprintf(to, sizeof to, "cur/%.*s%s", (int)base, name, strcmp(name + base, ":2,S") == 0 ? ":2," : ":2,S");
    (void)rename(mail_path(calls.mail, from), mail_path(calls.mail, to));
}

static void rename_away_once(const char *name) {
    calls.on_open = calls.on_unlink = NULL;
    rename_away(name);
}

static void rename_away_twice(const char *name) {
    calls.on_open = calls.on_unlink = rename_away_once;
    rename_away(name);
}

/* holds: T-LCK-2 S */
static void a_message_renamed_between_look_and_call_is_found(void **state) {
    struct mail *mail = *state;
    mail_put(mail, "cur/1.a:2,");
    mail_open(mail);
    calls.on_open = rename_away_twice;
    mail_expect_text(mail, 0, "cur/1.a:2,");
    calls.on_open = NULL;
    calls.on_unlink = rename_away_twice;
    assert_int_equal(MAIL_REMOVE(mail, 0), POPLIN_OK);
    assert_int_equal(rmdir(mail_path(mail, "cur")), 0);
}

/* Whoever renames for ever wins, but it is told. */
static void a_message_renamed_all_the_time_is_not_looked_for_for_ever(void **state) {
    struct mail *mail = *state;
    mail_put(mail, "cur/1.a:2,");
    mail_open(mail);
    calls.on_open = rename_away;
    assert_null(mail_text(mail, 0));
    assert_true(calls.opens < 10);
    calls.on_unlink = rename_away;
    assert_int_equal(MAIL_REMOVE(mail, 0), POPLIN_ERR_IO);
    expect_error(mail, "deleting messages", "other programs rename the messages all the time");
    assert_true(calls.unlinks < 20);
    calls.on_unlink = NULL;
    assert_int_equal(MAIL_REMOVE(mail, 0), POPLIN_OK);
    assert_int_equal(rmdir(mail_path(mail, "cur")), 0);
}

/* ---- failures ---- */

static void folders_that_cannot_be_read_are_told(void **state) {
    struct mail *mail = *state;
    mail_put(mail, "new/1.a");
    mail_open(mail);
    calls.read_error = EIO;
    poplin_maildir *none = NULL;
    assert_int_equal(poplin_maildir_open(mail_path(mail, ""), &none, &mail->error), POPLIN_ERR_IO);
    expect_error(mail, "opening a Maildir", "/Maildir/new: Input/output error");
    calls.open_error = EMFILE;
    assert_int_equal(poplin_maildir_open(mail_path(mail, ""), &none, &mail->error), POPLIN_ERR_IO);
    expect_error(mail, "opening a Maildir", "/Maildir/new: Too many open files");
    calls.open_error = 0;
    mail_rename(mail, "new/1.a", "cur/1.a");
    int descriptor;
    assert_int_equal(poplin_maildir_message(mail->maildir, 0, &descriptor, &mail->error), POPLIN_ERR_IO);
    expect_error(mail, "reading a message", "/Maildir/new: Input/output error");
    assert_int_equal(MAIL_REMOVE(mail, 0), POPLIN_ERR_IO);
    expect_error(mail, "deleting messages", "/Maildir/new: Input/output error");
    calls.read_error = 0;
    mail_expect_text(mail, 0, "new/1.a");
}

static void a_message_that_cannot_be_opened_is_told_and_is_not_gone(void **state) {
    struct mail *mail = *state;
    int descriptor;
    mail_put(mail, "new/1.a\n");
    mail_open(mail);
    calls.kept = "1.a";
    assert_int_equal(poplin_maildir_message(mail->maildir, 0, &descriptor, &mail->error), POPLIN_ERR_IO);
    expect_error(mail, "reading a message", "/Maildir/new/1.a\\x0A: Permission denied");
    calls.kept = NULL;
    mail_expect_text(mail, 0, "new/1.a\n");
    char name[96] = "new/2.";
    memset(name + strlen(name), '\xFF', 80);
    strcpy(name + 86, ".h");
    mail_put(mail, name);
    mail_open(mail);
    calls.kept = "2.";
    assert_int_equal(poplin_maildir_message(mail->maildir, 1, &descriptor, &mail->error), POPLIN_ERR_IO);
    expect_error(mail, "reading a message", "\\xFF\\xFF.h: Permission denied");
}

/* holds: T-UPD-2 S, POP-UPD-3 S */
static void a_failure_in_the_middle_is_told_and_the_others_are_deleted(void **state) {
    struct mail *mail = *state;
    mail_put(mail, "new/1.a");
    mail_put(mail, "new/2.kept");
    mail_put(mail, "cur/2.kept.too:2,S");
    mail_put(mail, "new/3.a");
    mail_put(mail, "cur/4.a");
    mail_open(mail);
    mail_rename(mail, "new/3.a", "cur/3.a:2,");
    calls.kept = "2.kept";
    assert_int_equal(MAIL_REMOVE(mail, 0, 1, 2, 3), POPLIN_ERR_IO);
    expect_error(mail, "deleting messages", "/Maildir/new/2.kept: Permission denied");
    assert_int_equal(calls.unlinks, 5); /* a second time only what was renamed */
    assert_int_equal(calls.syncs, 2);
    calls.kept = NULL;
    mail_expect_text(mail, 1, "new/2.kept");
    mail_open(mail);
    MAIL_EXPECT(mail, "2.kept", "2.kept.too", "4.a");
    assert_int_equal(MAIL_REMOVE(mail, 0, 1), POPLIN_OK);
}

/* holds: POP-UPD-4 S */
static void what_is_not_safe_on_the_disk_is_told(void **state) {
    struct mail *mail = *state;
    mail_put(mail, "new/1.a");
    mail_put(mail, "new/2.a");
    mail_open(mail);
    calls.sync_error = EIO;
    assert_int_equal(MAIL_REMOVE(mail, 0), POPLIN_ERR_IO);
    expect_error(mail, "deleting messages", "/Maildir/new: Input/output error");
    assert_int_equal(MAIL_REMOVE(mail, 0), POPLIN_ERR_IO); /* it is gone, but who knows for how long */
    calls.sync_error = EINVAL;                             /* this file system cannot do it to folders */
    assert_int_equal(MAIL_REMOVE(mail, 0, 1), POPLIN_OK);
}

/* ---- old messages ---- */

static void put_old(const struct mail *mail, const char *name) {
    const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    mail_put(mail, name);
    assert_int_equal(utimensat(AT_FDCWD, mail_path(mail, name), times, 0), 0);
}

static int expire(struct mail *mail) {
    return poplin_maildir_expire(mail_path(mail, ""), 7, &mail->error);
}

/* holds: T-UPD-2 S */
static void old_messages_that_cannot_be_removed_stay_and_are_told(void **state) {
    struct mail *mail = *state;
    put_old(mail, "new/1.a");
    put_old(mail, "new/2.kept");
    put_old(mail, "cur/3.a:2,S");
    calls.kept = "2.kept";
    assert_int_equal(expire(mail), POPLIN_ERR_IO);
    expect_error(mail, "deleting messages", "/Maildir/new/2.kept: Permission denied");
    calls.kept = NULL;
    mail_open(mail);
    MAIL_EXPECT(mail, "2.kept");
}

static void a_message_whose_age_is_not_known_stays(void **state) {
    static const int errors[] = {EIO, ENOENT}; /* the second: it was renamed or removed, which is none */
    struct mail *mail = *state;
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        put_old(mail, "new/1.a");
        put_old(mail, "new/2.kept");
        put_old(mail, "new/3.a");
        calls.kept = "2.kept";
        calls.stat_error = errors[i];
        assert_int_equal(expire(mail), errors[i] == EIO ? POPLIN_ERR_IO : POPLIN_OK);
        if (errors[i] == EIO)
            expect_error(mail, "removing old messages", "/Maildir/new/2.kept: Input/output error");
        mail_open(mail);
        MAIL_EXPECT(mail, "2.kept");
        mail_unlink(mail, "new/2.kept");
    }
}

static void be_replaced(const char *name) {
    const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    const char *path = mail_path(calls.mail, "new/1.a");
    calls.on_stat = NULL;
    assert_string_equal(name, "1.a");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("elsewhere", path), 0);
    assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void what_took_the_place_of_an_old_message_is_left_alone(void **state) {
    struct mail *mail = *state;
    put_old(mail, "new/1.a");
    calls.on_stat = be_replaced;
    assert_int_equal(expire(mail), POPLIN_OK);
    assert_null(calls.on_stat);
    assert_true(mail_exists(mail, "new/1.a"));
}

static void of_two_failures_the_first_is_told(void **state) {
    struct mail *mail = *state;
    put_old(mail, "new/1.a");
    put_old(mail, "new/2.kept");
    calls.kept = "2.kept";
    calls.stat_error = EIO;
    calls.sync_error = ENOSPC;
    assert_int_equal(expire(mail), POPLIN_ERR_IO);
    expect_error(mail, "removing old messages", "/Maildir/new/2.kept: Input/output error");
    assert_false(mail_exists(mail, "new/1.a"));
}

/* ---- memory ---- */

static const struct mail *play_in;

static int play(void) {
    poplin_maildir *maildir = NULL;
    int descriptor = -1;
    mail_put(play_in, "new/1.a");
    mail_put(play_in, "cur/2.odd name:2,S");
    put_old(play_in, "new/0.old");
    int status = poplin_maildir_expire(mail_path(play_in, ""), 7, NULL);
    assert_int_equal(mail_exists(play_in, "new/0.old"), status != POPLIN_OK);
    (void)unlink(mail_path(play_in, "new/0.old"));
    if (status == POPLIN_OK)
        status = poplin_maildir_open(mail_path(play_in, ""), &maildir, NULL);
    mail_rename(play_in, "new/1.a", "cur/1.a:2,S");
    if (status == POPLIN_OK)
        status = poplin_maildir_message(maildir, 0, &descriptor, NULL);
    if (descriptor >= 0)
        close(descriptor);
    mail_rename(play_in, "cur/1.a:2,S", "cur/1.a:2,RS");
    if (status == POPLIN_OK)
        status = poplin_maildir_remove(maildir, (const size_t[]){0}, 1, NULL);
    assert_int_equal(mail_exists(play_in, "cur/1.a:2,RS"), status != POPLIN_OK);
    poplin_maildir_free(maildir);
    (void)unlink(mail_path(play_in, "cur/1.a:2,RS"));
    mail_unlink(play_in, "cur/2.odd name:2,S");
    return status;
}

/* holds: T-API-5 B */
static void memory_that_runs_out_is_told(void **state) {
    play_in = *state;
    assert_told_at_each_allocation(play);
}

#define CALLS_TEST(function) cmocka_unit_test_setup_teardown(function, calls_set_up, calls_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CALLS_TEST(ten_thousand_cost_a_call_each_at_most),
        CALLS_TEST(ten_thousand_renamed_cost_one_look),
        CALLS_TEST(thousands_that_are_gone_cost_one_look),
        CALLS_TEST(a_folder_without_end_is_refused),
        CALLS_TEST(kinds_are_asked_for_where_the_listing_does_not_tell),
        CALLS_TEST(a_message_that_moves_while_the_folders_are_read_is_seen),
        CALLS_TEST(a_message_that_moves_while_the_clock_stands_is_seen),
        CALLS_TEST(a_file_that_is_seen_in_each_pass_is_one),
        CALLS_TEST(a_message_that_moves_on_while_the_folders_are_read_is_there_once),
        CALLS_TEST(folders_that_change_all_the_time_are_not_read_for_ever),
        CALLS_TEST(a_message_renamed_between_look_and_call_is_found),
        CALLS_TEST(a_message_renamed_all_the_time_is_not_looked_for_for_ever),
        CALLS_TEST(folders_that_cannot_be_read_are_told),
        CALLS_TEST(a_message_that_cannot_be_opened_is_told_and_is_not_gone),
        CALLS_TEST(a_failure_in_the_middle_is_told_and_the_others_are_deleted),
        CALLS_TEST(what_is_not_safe_on_the_disk_is_told),
        CALLS_TEST(old_messages_that_cannot_be_removed_stay_and_are_told),
        CALLS_TEST(a_message_whose_age_is_not_known_stays),
        CALLS_TEST(what_took_the_place_of_an_old_message_is_left_alone),
        CALLS_TEST(of_two_failures_the_first_is_told),
        CALLS_TEST(memory_that_runs_out_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
