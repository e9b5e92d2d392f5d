/*
 * test_claim.c - claims on accounts: one at a time has one, whoever it is, and nobody keeps it who is not there any more.
 */
#include <stdarg.h>

#include "child.h"
#include "seen_support.h"

/* ---- a file system without locks ---- */

static int lock_failure; /* what it says to a lock; 0: it has them */

int __real_fcntl(int descriptor, int command, ...);
int __wrap_fcntl(int descriptor, int command, ...);
int __wrap_fcntl(int descriptor, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if (command != F_OFD_SETLK || lock_failure == 0)
        return __real_fcntl(descriptor, command, argument);
    errno = lock_failure;
    return -1;
}

/* ---- a file system that is far away ---- */

static int interruptions; /* of the next calls of open that make or open claims */

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    if (interruptions == 0 || strstr(path, POPLIN_CLAIMS_ENDING) == NULL)
        return __real_open(path, flags, mode);
    interruptions--;
    errno = EINTR;
    return -1;
}

/* ---- what the tests share ---- */

static poplin_claim *must_claim(struct store *store, const char *account) {
    poplin_claim *claim = NULL;
    if (poplin_seen_claim(store->seen, account, &claim, &store->error) != POPLIN_OK)
        fail_msg("%s", store->error.reason);
    assert_non_null(claim);
    return claim;
}

static void expect_in_use(struct store *store, const char *account) {
    char words[320];
    poplin_claim *claim = NULL;
    assert_int_equal(poplin_seen_claim(store->seen, account, &claim, &store->error), POPLIN_ERR_IN_USE);
    assert_null(claim);
    assert_int_equal(store->error.status, POPLIN_ERR_IN_USE);
    assert_string_equal(store->error.doing, "claiming the account");
    snprintf(words, sizeof words, "another fetch of %s is under way: try again when that is done", account);
    assert_string_equal(store->error.reason, words);
    assert_int_equal(poplin_seen_claim(store->seen, account, &claim, NULL), POPLIN_ERR_IN_USE);
}

static void expect_free(struct store *store, const char *account) {
    poplin_claim_free(must_claim(store, account));
}

/* The path of the file that they stand in, until the next call. */
static const char *claims_path(const struct store *store) {
    static char path[sizeof store->path + sizeof POPLIN_CLAIMS_ENDING];
    snprintf(path, sizeof path, "%s" POPLIN_CLAIMS_ENDING, store->path);
    return path;
}

/* The next descriptor that is given out: where none is left behind, the same as before. */
static int next_descriptor(void) {
    int descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(descriptor);
    return descriptor;
}

/* ---- one at a time ---- */

static void one_at_a_time_has_a_claim(void **state) {
    struct store *store = *state;
    open_store(store);
    int next = next_descriptor();
    poplin_claim *claim = must_claim(store, ACCOUNT);
    expect_in_use(store, ACCOUNT);
    poplin_claim_free(claim);
    claim = must_claim(store, ACCOUNT);
    expect_in_use(store, ACCOUNT);
    poplin_claim_free(claim);
    poplin_claim_free(NULL);
    expect_free(store, ACCOUNT);
    assert_int_equal(next_descriptor(), next);
}

static void accounts_and_stores_do_not_get_in_each_others_way(void **state) {
    struct store *store = *state, other = *store;
    open_store(store);
    poplin_claim *claims[] = {must_claim(store, "alice"), must_claim(store, "Alice"), NULL};
    other.seen = NULL;
    snprintf(other.path, sizeof other.path, "%s/other.db", store->folder);
    open_store(&other);
    claims[2] = must_claim(&other, "alice");
    expect_in_use(store, "alice");
    expect_in_use(store, "Alice");
    expect_in_use(&other, "alice");
    expect_free(&other, "Alice");
    close_store(&other);
    for (size_t i = 0; i < COUNT_OF(claims); i++)
        poplin_claim_free(claims[i]);
}

static void a_claim_is_on_the_store_whatever_it_is_called(void **state) {
    struct store *store = *state, other = *store;
    poplin_claim *by_path = NULL;
    char link_path[48];
    int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    snprintf(link_path, sizeof link_path, "%s/link", store->folder);
    assert_int_equal(symlink(".", link_path), 0);
    open_store(store);
    other.seen = NULL;
    assert_int_equal(chdir(store->folder), 0);
    copy_text(other.path, sizeof other.path, "link/seen.db");
    open_store(&other);
    assert_int_equal(fchdir(here), 0);
    poplin_claim *claim = must_claim(&other, ACCOUNT); /* from elsewhere than where it was opened */
    expect_in_use(store, ACCOUNT);
    assert_int_equal(poplin_claim_take(store->path, ACCOUNT, &by_path, &store->error), POPLIN_ERR_IN_USE);
    poplin_claim_free(claim);
    close_store(&other);
    assert_int_equal(poplin_claim_take(store->path, ACCOUNT, &by_path, &store->error), POPLIN_OK);
    expect_in_use(store, ACCOUNT);
    poplin_claim_free(by_path);
    close(here);
}

/* Other programs, and later versions, find it there: SHA-256 of "alice" begins with 2bd806c97f0e00af. */
static void it_stands_where_the_header_says(void **state) {
    struct store *store = *state;
    struct flock octet = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)(UINT64_C(0x2bd806c97f0e00af) >> 2), .l_len = 1};
    struct stat facts;
    open_store(store);
    mode_t before = umask(0);
    expect_free(store, "alice");
    umask(before);
    assert_int_equal(stat(claims_path(store), &facts), 0);
    assert_int_equal(facts.st_mode & 07777, 0600);
    assert_int_equal(facts.st_size, 0);
    int descriptor = open(claims_path(store), O_RDWR | O_CLOEXEC);
    assert_int_equal(fcntl(descriptor, F_OFD_SETLK, &octet), 0);
    expect_in_use(store, "alice");
    expect_free(store, "bob");
    close(descriptor);
    expect_free(store, "alice");
}

static void a_claim_outlives_the_store(void **state) {
    struct store *store = *state;
    open_store(store);
    poplin_claim *claim = must_claim(store, ACCOUNT);
    open_store(store);
    expect_in_use(store, ACCOUNT);
    close_store(store);
    poplin_claim_free(claim);
}

/* ---- other processes ---- */

/* Waits for an octet of a child's, whose end of the pipe this closes. */
static void await(const int *ends) {
    char octet;
    close(ends[1]);
    assert_int_equal(read(ends[0], &octet, 1), 1);
}

static void tell(const int *ends) {
    if (write(ends[1], "x", 1) != 1)
        _exit(2);
}

static void who_is_killed_lets_go(void **state) {
    struct store *store = *state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        open_store(store);
        must_claim(store, ACCOUNT);
        tell(ends);
        for (;;)
            pause();
    }
    await(ends);
    open_store(store);
    expect_in_use(store, ACCOUNT);
    kill(child, SIGKILL);
    expect_report(child);
    expect_free(store, ACCOUNT);
    close(ends[0]);
}

static void a_program_that_was_started_meanwhile_does_not_keep_it(void **state) {
    struct store *store = *state;
    int ends[2], input[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pipe(input), 0);
    pid_t child = fork();
    if (child == 0) {
        open_store(store);
        must_claim(store, ACCOUNT);
        if (fork() == 0) { /* it tells that it runs, and goes on until its input ends */
            dup2(input[0], STDIN_FILENO);
            dup2(ends[1], STDOUT_FILENO);
            close(input[1]);
            execl("/bin/sh", "sh", "-c", "echo; cat", (char *)NULL);
            _exit(2);
        }
        for (;;)
            pause();
    }
    await(ends);
    kill(child, SIGKILL);
    expect_report(child);
    open_store(store);
    expect_free(store, ACCOUNT);
    close(input[0]);
    close(input[1]);
    close(ends[0]);
}

/* A child has the open file, too; but not the say. */
static void a_fork_does_not_let_go_for_both(void **state) {
    struct store *store = *state;
    int ends[2], input[2];
    open_store(store);
    poplin_claim *claim = must_claim(store, ACCOUNT);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pipe(input), 0);
    pid_t freeing = fork();
    if (freeing == 0) {
        poplin_claim *another = NULL;
        bool refused = poplin_seen_claim(store->seen, "bob", &another, NULL) == POPLIN_ERR_STATE;
        poplin_claim_free(claim);
        report(refused);
    }
    expect_report(freeing);
    expect_in_use(store, ACCOUNT);
    pid_t keeping = fork();
    if (keeping == 0) {
        char octet;
        tell(ends);
        close(input[1]);
        report(read(input[0], &octet, 1) == 0);
    }
    await(ends);
    poplin_claim_free(claim);
    expect_free(store, ACCOUNT); /* while the child is there */
    close(input[1]);
    expect_report(keeping);
    close(input[0]);
    close(ends[0]);
}

/* ---- whose the file is ---- */

/* As SQLite does with what it puts beside the store: who fetches as root once does not lock out whom it belongs to. */
static void the_file_is_for_whom_the_store_is(void **state) {
    struct store *store = *state;
    struct stat facts;
    uid_t owner = geteuid() == 0 ? 4711 : geteuid();
    gid_t group = geteuid() == 0 ? 4712 : getegid();
    open_store(store);
    assert_int_equal(chown(store->path, owner, group), 0);
    assert_int_equal(chmod(store->path, 0660), 0);
    mode_t before = umask(077);
    expect_free(store, ACCOUNT);
    umask(before);
    assert_int_equal(stat(claims_path(store), &facts), 0);
    assert_int_equal(facts.st_mode & 07777, 0660);
    assert_int_equal(facts.st_uid, owner);
    assert_int_equal(facts.st_gid, group);
}

/* One that was there before is left as it is: it may be another name of a file that is somebody else's. */
static void a_file_that_is_there_is_not_changed(void **state) {
    struct store *store = *state;
    struct stat facts;
    open_store(store);
    assert_int_equal(close(open(claims_path(store), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), 0);
    assert_int_equal(chmod(store->path, 0660), 0);
    expect_free(store, ACCOUNT);
    assert_int_equal(stat(claims_path(store), &facts), 0);
    assert_int_equal(facts.st_mode & 07777, 0600);
}

static void a_signal_does_not_end_the_opening(void **state) {
    struct store *store = *state;
    open_store(store);
    interruptions = 2;
    expect_free(store, ACCOUNT);
    assert_int_equal(interruptions, 0);
    expect_free(store, ACCOUNT);
}

/* What is written to standard error goes nowhere then, and what is opened as that does not end the claim. */
static void it_is_not_among_the_standard_descriptors(void **state) {
    struct store *store = *state;
    pid_t child = fork();
    if (child == 0) {
        poplin_claim *claim, *another;
        bool free_still = true;
        for (int i = 0; i <= STDERR_FILENO; i++)
            (void)close(i);
        bool taken = poplin_claim_take(store->path, ACCOUNT, &claim, NULL) == POPLIN_OK;
        for (int i = 0; i <= STDERR_FILENO; i++)
            free_still &= fcntl(i, F_GETFD) < 0;
        report(taken && free_still && poplin_claim_take(store->path, ACCOUNT, &another, NULL) == POPLIN_ERR_IN_USE);
    }
    expect_report(child);
}

/* ---- what cannot be claimed ---- */

static void what_can_be_no_account_is_refused(void **state) {
    struct store *store = *state;
    poplin_claim *claim = NULL;
    open_store(store);
    assert_int_equal(poplin_seen_claim(store->seen, "", &claim, &store->error), POPLIN_ERR_PROTOCOL);
    assert_int_equal(poplin_seen_claim(store->seen, "a\nb", &claim, &store->error), POPLIN_ERR_PROTOCOL);
    assert_null(claim);
    assert_int_not_equal(access(claims_path(store), F_OK), 0);
}

static void expect_no_claims(struct store *store, const char *words) {
    poplin_claim *claim = NULL;
    assert_int_equal(poplin_seen_claim(store->seen, ACCOUNT, &claim, &store->error), POPLIN_ERR_IO);
    assert_null(claim);
    assert_string_equal(store->error.doing, "opening the seen store");
    if (strstr(store->error.reason, words) == NULL || strstr(store->error.reason, claims_path(store)) == NULL)
        fail_msg("\"%s\", not \"%s\"", store->error.reason, words);
}

static void what_is_no_file_is_told(void **state) {
    struct store *store = *state;
    const char *path = claims_path(store);
    open_store(store);
    int next = next_descriptor();
    assert_int_equal(mkdir(path, 0700), 0);
    expect_no_claims(store, "it is a folder");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_no_claims(store, "it is no ordinary file");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("elsewhere", path), 0);
    expect_no_claims(store, "it is a symbolic link: name the file itself");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(poplin_claim_take("/nowhere/at/all/seen.db", ACCOUNT, &(poplin_claim *){NULL}, &store->error),
                     POPLIN_ERR_IO);
    assert_string_equal(store->error.reason, "/nowhere/at/all/seen.db-claims: it cannot be opened: see that it and "
                                             "its folder are there and may be written to (No such file or directory)");
    assert_int_equal(next_descriptor(), next);
}

static void where_there_are_no_locks_a_claim_keeps_nobody_away(void **state) {
    struct store *store = *state;
    static const int FAILURES[] = {EINVAL, ENOLCK, EOPNOTSUPP, ENOSYS};
    open_store(store);
    for (size_t i = 0; i < COUNT_OF(FAILURES); i++) {
        lock_failure = FAILURES[i];
        poplin_claim *one = must_claim(store, ACCOUNT), *other = must_claim(store, ACCOUNT);
        poplin_claim_free(one);
        poplin_claim_free(other);
    }
    lock_failure = EACCES; /* as some systems say that another has it */
    expect_in_use(store, ACCOUNT);
    lock_failure = 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SEEN_TEST(one_at_a_time_has_a_claim),
        SEEN_TEST(accounts_and_stores_do_not_get_in_each_others_way),
        SEEN_TEST(a_claim_is_on_the_store_whatever_it_is_called),
        SEEN_TEST(it_stands_where_the_header_says),
        SEEN_TEST(a_claim_outlives_the_store),
        SEEN_TEST(who_is_killed_lets_go),
        SEEN_TEST(a_program_that_was_started_meanwhile_does_not_keep_it),
        SEEN_TEST(a_fork_does_not_let_go_for_both),
        SEEN_TEST(the_file_is_for_whom_the_store_is),
        SEEN_TEST(a_file_that_is_there_is_not_changed),
        SEEN_TEST(a_signal_does_not_end_the_opening),
        SEEN_TEST(it_is_not_among_the_standard_descriptors),
        SEEN_TEST(what_can_be_no_account_is_refused),
        SEEN_TEST(what_is_no_file_is_told),
        SEEN_TEST(where_there_are_no_locks_a_claim_keeps_nobody_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
