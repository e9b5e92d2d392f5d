/*
 * test_delivery_calls.c - what stands in the Maildir when a call of the system's fails, is broken off or is the last.
 */
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "delivery_calls.h"
#include "failing.h"

/* ---- a delivery from beginning to end, of messages that take several writes each ---- */

enum { TEXT_SIZE = 150000, GROUP = 3, CALLS_MIN = 40, CALLS_MAX = 90 };

static struct {
    char octets[TEXT_SIZE];
    char stored[TEXT_SIZE];
    size_t stored_size;
} text;

static void make_text(void) {
    memset(text.octets, 'x', sizeof text.octets);
    for (size_t i = 0; i + 2 <= sizeof text.octets; i += 67)
        memcpy(text.octets + i, "\r\n", 2);
    text.stored_size = 0;
    for (size_t i = 0; i < sizeof text.octets; i++)
        if (text.octets[i] != '\r')
            text.stored[text.stored_size++] = text.octets[i];
}

static poplin_slice stored(void) {
    return (poplin_slice){text.stored, text.stored_size};
}

static int deliver_text(poplin_delivery *delivery, const char *uid, bool resumed, poplin_error *error) {
    int status = poplin_delivery_begin(delivery, "a", letter(uid, FIRST_SEEN, resumed), error);
    for (size_t at = 0; status == POPLIN_OK && at < TEXT_SIZE; at += TEXT_SIZE / 3)
        status = poplin_delivery_write(delivery, (poplin_slice){text.octets + at, TEXT_SIZE / 3}, error);
    return status == POPLIN_OK ? poplin_delivery_end(delivery, NULL, error) : status;
}

/* Delivers a group, and settles it whether one of it has failed or not. The first failure. */
static int deliver_group(poplin_delivery *delivery, bool resumed, poplin_error *error) {
    static const char *const uids[GROUP] = {"1", "2", "3"};
    int first = POPLIN_OK;
    for (size_t i = 0; i <= GROUP; i++) {
        poplin_error told = {0};
        int status =
            i == GROUP ? poplin_delivery_settle(delivery, &told) : deliver_text(delivery, uids[i], resumed, &told);
        if (first == POPLIN_OK && status != POPLIN_OK && error != NULL)
            *error = told;
        first = first == POPLIN_OK ? status : first;
    }
    return first;
}

/* Into a Maildir that is to be made. *opened: it was. */
static int play(const struct mail *mail, bool resumed, bool *opened, poplin_error *error) {
    poplin_delivery *delivery = NULL;
    calls.armed = true;
    int status = poplin_delivery_open(mail_path(mail, "fresh"), false, &delivery, error);
    *opened = status == POPLIN_OK;
    if (status == POPLIN_OK)
        status = deliver_group(delivery, resumed, error);
    poplin_delivery_free(delivery);
    calls.armed = false;
    return status;
}

static size_t count_in(const struct mail *mail, const char *folder, char last[320]) {
    return mail_exists(mail, folder) ? count_files(mail, folder, last) : 0;
}

/* Whatever stands in new is a whole message. How many there are. */
static size_t count_whole(const struct mail *mail) {
    size_t count = 0;
    DIR *stream = opendir(mail_path(mail, "fresh/new"));
    for (const struct dirent *entry; stream != NULL && (entry = readdir(stream)) != NULL;) {
        char path[320];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "fresh/new/%s", entry->d_name);
        expect_content(mail, path, stored());
        count++;
    }
    if (stream != NULL)
        closedir(stream);
    return count;
}

static void expect_whole(const struct mail *mail) {
    assert_int_equal(count_whole(mail), GROUP);
    assert_int_equal(count_in(mail, "fresh/cur", NULL), 0);
}

static void start_afresh(const struct mail *mail, bool no_rename) {
    char command[300];
    snprintf(command, sizeof command, "rm -rf %s", mail_path(mail, "fresh"));
    if (mail_exists(mail, "fresh"))
        assert_int_equal(system(command), 0);
    reset_calls();
    calls.no_rename = no_rename;
}

/* Plays with a failure at each call in turn; false: there were no more. */
static bool fail_at(struct mail *mail, bool no_rename, size_t at, int error) {
    bool opened;
    start_afresh(mail, no_rename);
    calls.at = at;
    calls.how = FAIL;
    calls.error = error;
    memset(&mail->error, 0, sizeof mail->error);
    int status = play(mail, false, &opened, &mail->error);
    if (calls.hit == NULL) {
        assert_int_equal(status, POPLIN_OK);
        expect_whole(mail);
        return false;
    }
    if (status != POPLIN_OK) {
        assert_int_equal(status, POPLIN_ERR_IO);
        assert_int_equal(mail->error.status, POPLIN_ERR_IO);
        assert_non_null(strstr(mail->error.reason, strerror(error)));
        assert_non_null(strstr(mail->error.reason, "/Maildir/fresh"));
    }
    if (status == POPLIN_OK)
        expect_whole(mail);
    else
        assert_in_range(count_whole(mail), opened ? GROUP - 1 : 0, opened ? GROUP : 0);
    assert_int_equal(count_in(mail, "fresh/tmp", NULL), strcmp(calls.hit, "unlinkat") == 0 ? 1 : 0);
    calls.at = 0;
    assert_int_equal(play(mail, true, &opened, &mail->error), POPLIN_OK);
    expect_whole(mail);
    return true;
}

/* holds: T-DLV-4 C, MDIR-1 C, MDIR-3 C */
static void whatever_fails_no_part_of_a_message_stands_in_new(void **state) {
    static const int errors[] = {ENOSPC, EIO, EDQUOT};
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        for (int no_rename = 0; no_rename < 2; no_rename++) {
            size_t at = 1;
            while (fail_at(*state, no_rename == 1, at, errors[i]))
                at++;
            assert_in_range(at, CALLS_MIN, CALLS_MAX);
        }
    }
}

/* Each of these must be told, and not only be survived. */
/* holds: MDIR-1 C, T-DLV-4 C */
static void every_write_flush_and_close_is_checked(void **state) {
    struct mail *mail = *state;
    static const char *const expected[] = {"openat", "write", "write",     "write", "fstatat",
                                           "fsync",  "close", "renameat2", "fsync"};
    deliver_anew(mail, letter("other", FIRST_SEEN, false), "other");
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        poplin_delivery *delivery = delivery_to(mail, false);
        deliver_one_more(mail, delivery, letter("other", FIRST_SEEN, true), ""); /* looks */
        settle(mail, delivery);
        reset_calls();
        calls.at = i + 1;
        calls.error = EIO;
        calls.armed = true;
        int status = deliver_text(delivery, "1", false, &mail->error);
        if (status == POPLIN_OK)
            status = poplin_delivery_settle(delivery, &mail->error);
        calls.armed = false;
        assert_int_equal(status, POPLIN_ERR_IO);
        assert_string_equal(calls.hit, expected[i]);
        assert_string_equal(mail->error.doing, "delivering a message");
        expect_counts(mail, 0, i + 1 < COUNT_OF(expected) ? 1 : 2, 0);
        poplin_delivery_free(delivery);
    }
}

static void what_a_signal_breaks_off_is_done_again(void **state) {
    struct mail *mail = *state;
    bool opened;
    for (size_t at = 1; at < CALLS_MAX; at++) {
        start_afresh(mail, false);
        calls.at = at;
        calls.how = BREAK_OFF;
        assert_int_equal(play(mail, false, &opened, &mail->error), POPLIN_OK);
        expect_whole(mail);
        assert_int_equal(count_in(mail, "fresh/tmp", NULL), 0);
    }
}

static void what_is_not_written_at_once_is_written_on(void **state) {
    struct mail *mail = *state;
    bool opened;
    start_afresh(mail, false);
    calls.short_writes = true;
    assert_int_equal(play(mail, false, &opened, &mail->error), POPLIN_OK);
    expect_whole(mail);
    assert_true(calls.written > 20);
}

/* ---- killed at each call ---- */

/* False: it came to its end. */
static bool die_at(struct mail *mail, bool no_rename, enum how how, size_t at) {
    bool opened;
    int status;
    start_afresh(mail, no_rename);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        calls.at = at;
        calls.how = how;
        _exit(play(mail, false, &opened, NULL) == POPLIN_OK ? 1 : 2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
    (void)count_whole(mail);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(play(mail, true, &opened, &mail->error), POPLIN_OK);
        expect_whole(mail);
        assert_in_range(count_in(mail, "fresh/tmp", NULL), 0, GROUP);
    }
    return WEXITSTATUS(status) == 0;
}

/* holds: MDIR-1 C, T-DLV-4 C */
static void killed_at_any_call_and_repeated_each_is_one_file(void **state) {
    for (int no_rename = 0; no_rename < 2; no_rename++) {
        for (enum how how = DIE_BEFORE; how <= DIE_AFTER; how++) {
            size_t at = 1;
            while (die_at(*state, no_rename == 1, how, at))
                at++;
            assert_in_range(at, CALLS_MIN, CALLS_MAX);
        }
    }
}

/* ---- a full disk ---- */

enum { FITS_NOT = 77, CANNOT_MOUNT = 78 };

/* In a small file system that only this process sees: how many messages fit; each of the others is told as one too many. */
static int fill_disk(struct mail *mail) {
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "", MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", mail_path(mail, ""), "tmpfs", 0, "size=400k") != 0)
        return CANNOT_MOUNT;
    bool delivered;
    int count = 0;
    poplin_delivery *delivery = NULL;
    if (poplin_delivery_open(mail_path(mail, ""), false, &delivery, NULL) != POPLIN_OK)
        return FITS_NOT;
    for (int i = 0; i < 10; i++) {
        char uid[2] = {(char)('0' + i), '\0'};
        int status = try_to_deliver(delivery, letter(uid, FIRST_SEEN, false), (poplin_slice){text.octets, TEXT_SIZE},
                                    NULL, &mail->error);
        delivered = status == POPLIN_OK;
        if (!delivered && (status != POPLIN_ERR_IO || strstr(mail->error.reason, "No space left on device") == NULL))
            return FITS_NOT;
        count += delivered;
    }
    bool clean = poplin_delivery_settle(delivery, NULL) == POPLIN_OK && count_files(mail, "tmp", NULL) == 0 &&
                 count_files(mail, "new", NULL) == (size_t)count;
    poplin_delivery_free(delivery);
    return clean ? count : FITS_NOT;
}

/* holds: T-DLV-4 C, MDIR-3 C */
static void a_disk_that_is_full_is_told_and_holds_whole_messages_only(void **state) {
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(fill_disk(*state));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == CANNOT_MOUNT)
        skip();
    assert_int_equal(WEXITSTATUS(status), 2);
}

/* ---- memory ---- */

static struct mail *play_in;

static int play_short_of_memory(void) {
    poplin_delivery *delivery = NULL;
    mail_put(play_in, "new/1763800000.00112233445566778899aabbccddeeff.a");
    mail_put(play_in, "cur/an odd name:2,S");
    int status = poplin_delivery_open(mail_path(play_in, ""), false, &delivery, NULL);
    for (int i = 0; status == POPLIN_OK && i < 2; i++)
        status = deliver_text(delivery, "1", i == 1, NULL);
    if (status == POPLIN_OK)
        status = poplin_delivery_settle(delivery, NULL);
    poplin_delivery_free(delivery);
    assert_int_equal(count_files(play_in, "tmp", NULL), 0);
    assert_int_equal(count_files(play_in, "new", NULL), status == POPLIN_OK ? 2 : 1);
    empty_folder(play_in, "new");
    empty_folder(play_in, "cur");
    return status;
}

/* holds: T-API-5 B */
static void memory_that_runs_out_is_told(void **state) {
    play_in = *state;
    assert_told_at_each_allocation(play_short_of_memory);
}

/* The message stands there: what cannot be noted is read from the folder later. */
static void a_message_that_cannot_be_noted_is_delivered_all_the_same(void **state) {
    struct mail *mail = *state;
    char uid[32];
    for (size_t which = 1; which <= 2; which++) {
        poplin_delivery *delivery = delivery_to(mail, false);
        for (int i = 0; i < 65; i++) { /* there is room for 64 */
            snprintf(uid, sizeof uid, "%d", i);
            allocations = 0;
            failing = i == 64 ? which : 0;
            deliver_one_more(mail, delivery, letter(uid, FIRST_SEEN, true), "text");
        }
        assert_true(allocations >= which);
        failing = 0;
        for (int i = 0; i < 65; i++) {
            snprintf(uid, sizeof uid, "%d", i);
            deliver_one_more(mail, delivery, letter(uid, FIRST_SEEN, true), "text");
        }
        settle(mail, delivery);
        expect_counts(mail, 0, 65, 0);
        empty_folder(mail, "new");
        poplin_delivery_free(delivery);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CALLS_TEST(whatever_fails_no_part_of_a_message_stands_in_new),
        CALLS_TEST(every_write_flush_and_close_is_checked),
        CALLS_TEST(what_a_signal_breaks_off_is_done_again),
        CALLS_TEST(what_is_not_written_at_once_is_written_on),
        CALLS_TEST(killed_at_any_call_and_repeated_each_is_one_file),
        CALLS_TEST(a_disk_that_is_full_is_told_and_holds_whole_messages_only),
        CALLS_TEST(memory_that_runs_out_is_told),
        CALLS_TEST(a_message_that_cannot_be_noted_is_delivered_all_the_same),
    };
    make_text();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
