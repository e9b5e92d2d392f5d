/*
 * test_known_keys.c - the file of known keys by itself: where it cannot be used, and where several processes want it at the same time.
 */
#include "keys_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tls/known_keys.h"

static const char STRANGER[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/* Ends in NUL; static. */
static const char *read_keys(void) {
    static char text[4096];
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    assert_int_equal(fclose(file), 0);
    return text;
}

static void a_file_that_cannot_be_used_lets_nobody_in(void **state) {
    (void)state;
    static const char *const PATHS[] = {"/nonexistent/keys", "/tmp", "/dev/null"};
    for (size_t i = 0; i < COUNT_OF(PATHS); i++) {
        bool added = true;
        poplin_error error;
        poplin_pin pin;
        strcpy(pin.text, STRANGER);
        assert_int_equal(poplin_known_key(PATHS[i], "localhost:995", &pin, true, &added, &error), POPLIN_ERR_IO);
        assert_false(added);
        assert_non_null(strstr(error.reason, PATHS[i]));
    }
}

static unsigned pauses;
static int lock_holder = -1; /* if it is not -1, no time passes, and after so many pauses it lets go of its lock */
static unsigned pauses_of_holder;

/* In place of the C library's: time passes as a test wants it. */
int nanosleep(const struct timespec *time, struct timespec *left) {
    pauses++;
    if (lock_holder == -1)
        return clock_nanosleep(CLOCK_REALTIME, 0, time, left);
    if (pauses == pauses_of_holder)
        assert_int_equal(flock(lock_holder, LOCK_UN), 0);
    return 0;
}

static int meet_stranger(bool *added, poplin_error *error) {
    poplin_pin pin;
    strcpy(pin.text, STRANGER);
    return poplin_known_key(path, "localhost:995", &pin, true, added, error);
}

/* As another process that was stopped in the middle would. */
static void hold_the_lock(unsigned how_long) {
    lock_holder = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(lock_holder >= 0);
    assert_int_equal(flock(lock_holder, LOCK_EX), 0);
    pauses = 0;
    pauses_of_holder = how_long;
}

static void let_go(void) {
    close(lock_holder);
    lock_holder = -1;
}

static void who_holds_the_lock_for_long_is_not_waited_for(void **state) {
    (void)state;
    bool added;
    poplin_error error = {0};
    hold_the_lock(1000000);
    assert_int_equal(meet_stranger(&added, &error), POPLIN_ERR_IO);
    assert_false(added);
    assert_non_null(strstr(error.reason, "another process holds the lock of the file of known keys, /tmp/"));
    assert_string_equal(read_keys(), "");
    let_go();
}

static void who_holds_it_for_a_moment_is_waited_for_but_not_for_a_look(void **state) {
    (void)state;
    bool added;
    hold_the_lock(3);
    assert_int_equal(meet_stranger(&added, NULL), POPLIN_OK);
    assert_true(added);
    assert_int_equal(pauses, 3);
    let_go();
    hold_the_lock(3);
    assert_int_equal(meet_stranger(&added, NULL), POPLIN_OK);
    assert_false(added);
    assert_int_equal(pauses, 0);
    let_go();
}

/* What one process does: 0: its key was kept; 1: another's was. */
static int meet_once(int number, int gate) {
    poplin_pin pin;
    bool added;
    char octet;
    strcpy(pin.text, STRANGER);
    pin.text[0] = (char)('A' + number);
    (void)!read(gate, &octet, 1); /* until all are there */
    int status = poplin_known_key(path, "localhost:995", &pin, true, &added, NULL);
    return status == POPLIN_OK && added ? 0 : status == POPLIN_ERR_CERTIFICATE && !added ? 1 : 2;
}

static void meet_together(void) {
    enum { CHILDREN = 8 };
    pid_t children[CHILDREN];
    int gate[2], kept = 0;
    assert_int_equal(pipe(gate), 0);
    for (int i = 0; i < CHILDREN; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            close(gate[1]);
            _exit(meet_once(i, gate[0]));
        }
    }
    close(gate[0]);
    close(gate[1]);
    for (int i = 0; i < CHILDREN; i++) {
        int how;
        assert_int_equal(waitpid(children[i], &how, 0), children[i]);
        assert_true(WIFEXITED(how) && WEXITSTATUS(how) < 2);
        kept += WEXITSTATUS(how) == 0;
    }
    assert_int_equal(kept, 1);
}

/* Each process has seen another key: one of them is kept, and the others are refused. */
static void processes_at_the_same_time_keep_one_key(void **state) {
    (void)state;
    for (int round = 0; round < 40; round++) {
        meet_together();
        assert_int_equal(strlen(read_keys()), strlen("localhost:995 \n") + strlen(STRANGER));
        unlink(path);
    }
}

#define FILE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up_file, tear_down_file)

int main(void) {
    const struct CMUnitTest tests[] = {
        FILE_TEST(a_file_that_cannot_be_used_lets_nobody_in),
        FILE_TEST(who_holds_the_lock_for_long_is_not_waited_for),
        FILE_TEST(who_holds_it_for_a_moment_is_waited_for_but_not_for_a_look),
        FILE_TEST(processes_at_the_same_time_keep_one_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
