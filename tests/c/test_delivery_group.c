/*
 * test_delivery_group.c - messages that wait in tmp and go into new together: in which order, when without being asked, and what
 * becomes of the others where one fails.
 */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "delivery_calls.h"
#include "fetch/delivery.h"

static const char *const uids[] = {"1", "2", "3"};

/* Delivers three messages, each of which holds its unique-id, and begins to count calls. */
static poplin_delivery *deliver_three(struct mail *mail, bool resumed) {
    poplin_delivery *delivery = delivery_to(mail, false);
    for (size_t i = 0; i < COUNT_OF(uids); i++)
        deliver_one_more(mail, delivery, letter(uids[i], FIRST_SEEN, resumed), uids[i]);
    reset_calls();
    calls.armed = true;
    return delivery;
}

/* Each of the three once, and nothing else; delivers them again for that. */
static void expect_three(struct mail *mail, poplin_delivery *delivery) {
    for (size_t i = 0; i < COUNT_OF(uids); i++)
        (void)deliver(mail, delivery, letter(uids[i], FIRST_SEEN, true), uids[i]);
    expect_counts(mail, 0, COUNT_OF(uids), 0);
    for (size_t i = 0; i < COUNT_OF(uids); i++) {
        char path[320];
        snprintf(path, sizeof path, "new/%s", deliver(mail, delivery, letter(uids[i], FIRST_SEEN, true), uids[i]));
        expect_content(mail, path, slice_of(uids[i]));
    }
}

/* ---- one step after the other ---- */

/* holds: MDIR-1 C */
static void all_are_flushed_before_any_is_moved(void **state) {
    static const char *const expected[] = {"sync_file_range", "sync_file_range",
                                           "sync_file_range", /* the disk has them all */
                                           "fsync",           "close",
                                           "fsync",           "close", /* is waited for */
                                           "fsync",           "close",
                                           "renameat2",       "renameat2", /* one after the other is there */
                                           "renameat2",       "fsync"};    /* and the folder safe */
    struct mail *mail = *state;
    poplin_delivery *delivery = deliver_three(mail, false);
    expect_counts(mail, 3, 0, 0);
    settle(mail, delivery);
    calls.armed = false;
    expect_counts(mail, 0, 3, 0);
    assert_int_equal(calls.count, COUNT_OF(expected));
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        assert_string_equal(calls.last[i], expected[i]);
    expect_three(mail, delivery);
    poplin_delivery_free(delivery);
}

/* holds: MDIR-3 C */
static void what_waits_outlives_others_and_not_the_delivery(void **state) {
    struct mail *mail = *state;
    poplin_delivery *delivery = deliver_three(mail, false);
    assert_int_equal(poplin_delivery_begin(delivery, "a", letter("4", FIRST_SEEN, false), NULL), POPLIN_OK);
    expect_counts(mail, 4, 0, 0);
    poplin_delivery_abandon(delivery);
    poplin_delivery_abandon(delivery);
    expect_counts(mail, 3, 0, 0);
    poplin_delivery_free(delivery);
    expect_counts(mail, 0, 0, 0);
}

/* holds: T-DLV-4 C, MDIR-1 C */
static void killed_before_it_is_settled_nothing_is_there(void **state) {
    struct mail *mail = *state;
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)deliver_three(mail, false);
        (void)raise(SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    expect_counts(mail, 3, 0, 0);
    empty_folder(mail, "tmp"); /* as after 36 hours */
    poplin_delivery *delivery = delivery_to(mail, false);
    expect_three(mail, delivery);
    poplin_delivery_free(delivery);
}

static void one_that_is_begun_goes_on_while_others_are_settled(void **state) {
    struct mail *mail = *state;
    poplin_delivery *delivery = deliver_three(mail, false);
    deliver_anew(mail, letter("2", FIRST_SEEN, false), "2"); /* takes a name: there is something to compare */
    assert_int_equal(poplin_delivery_begin(delivery, "a", letter("4", FIRST_SEEN, false), NULL), POPLIN_OK);
    assert_int_equal(poplin_delivery_write(delivery, SLICE("fo\r"), NULL), POPLIN_OK);
    settle(mail, delivery);
    expect_counts(mail, 1, 3, 0);
    assert_int_equal(poplin_delivery_write(delivery, SLICE("\nur"), NULL), POPLIN_OK);
    const char *name = NULL;
    char path[320];
    assert_int_equal(poplin_delivery_end(delivery, &name, NULL), POPLIN_OK);
    snprintf(path, sizeof path, "new/%s", name);
    settle(mail, delivery);
    expect_counts(mail, 0, 4, 0);
    expect_content(mail, path, SLICE("fo\nur"));
    poplin_delivery_free(delivery);
}

/* ---- one of three fails ---- */

/* The nth call from here on does, as settling asks for it. The two others are there, and the next delivery brings the third. */
static void expect_two(struct mail *mail, size_t nth, const char *call, const char *where) {
    poplin_delivery *delivery = deliver_three(mail, false);
    calls.at = nth;
    calls.error = EIO;
    memset(&mail->error, 0, sizeof mail->error);
    assert_int_equal(poplin_delivery_settle(delivery, &mail->error), POPLIN_ERR_IO);
    calls.armed = false;
    assert_string_equal(calls.hit, call);
    assert_string_equal(mail->error.doing, "delivering a message");
    assert_non_null(strstr(mail->error.reason, where));
    assert_non_null(strstr(mail->error.reason, strerror(EIO)));
    expect_counts(mail, 0, 2, 0);
    assert_int_equal(poplin_delivery_settle(delivery, &mail->error), POPLIN_OK); /* it was told */
    expect_three(mail, delivery);
    empty_folder(mail, "new");
    poplin_delivery_free(delivery);
}

/* holds: T-DLV-4 C, MDIR-3 C, MDIR-1 C */
static void one_that_fails_holds_back_no_other(void **state) {
    expect_two(*state, 4, "fsync", "/Maildir/tmp/");
    expect_two(*state, 6, "fsync", "/Maildir/tmp/");
    expect_two(*state, 7, "close", "/Maildir/tmp/");
    expect_two(*state, 8, "fsync", "/Maildir/tmp/");
    expect_two(*state, 10, "renameat2", "/Maildir/new/");
    expect_two(*state, 12, "renameat2", "/Maildir/new/");
}

static void of_two_failures_the_first_is_told(void **state) {
    struct mail *mail = *state;
    poplin_delivery *delivery = deliver_three(mail, false);
    calls.no_rename = calls.no_link = true; /* this fails for the two that are left */
    calls.at = 4;
    calls.error = EIO;
    assert_int_equal(poplin_delivery_settle(delivery, &mail->error), POPLIN_ERR_IO);
    assert_non_null(strstr(mail->error.reason, strerror(EIO)));
    expect_counts(mail, 0, 0, 0);
    poplin_delivery_free(delivery);
}

static void a_disk_that_cannot_be_told_beforehand_is_waited_for(void **state) {
    struct mail *mail = *state;
    for (size_t at = 1; at <= 3; at++) {
        poplin_delivery *delivery = deliver_three(mail, false);
        calls.at = at;
        calls.error = ESPIPE;
        settle(mail, delivery);
        assert_string_equal(calls.hit, "sync_file_range");
        expect_counts(mail, 0, 3, 0);
        empty_folder(mail, "new");
        poplin_delivery_free(delivery);
    }
}

/* ---- names that others take meanwhile ---- */

/* Delivers a message, which waits. Returns its name. */
static const char *deliver_first(struct mail *mail, poplin_delivery *delivery) {
    const char *name = NULL;
    if (try_to_deliver(delivery, letter("1", FIRST_SEEN, false), SLICE("text\r\n"), &name, &mail->error) != POPLIN_OK)
        fail_msg("%s", mail->error.reason);
    return name;
}

/* The path of such a name's nth turn. */
static void find_turn(const char *name, int turn, char path[320]) {
    enum { BEFORE_HOST = 10 + 1 + 32 };
    char mark[16] = "";
    if (turn > 1)
        snprintf(mark, sizeof mark, "~%d", turn);
    snprintf(path, 320, "new/%.*s%s%s", BEFORE_HOST, name, mark, name + BEFORE_HOST);
}

/* holds: T-DLV-4 C, MDIR-2 C */
static void a_name_that_is_taken_meanwhile_stays_the_others(void **state) {
    struct mail *mail = *state;
    char first[320], second[320];
    for (int same = 0; same < 2; same++) {
        poplin_delivery *delivery = delivery_to(mail, false);
        const char *name = deliver_first(mail, delivery);
        find_turn(name, 1, first);
        find_turn(name, 2, second);
        mail_write(mail, first, same == 0 ? "other\n" : "text\n");
        settle(mail, delivery);
        expect_counts(mail, 0, same == 0 ? 2 : 1, 0);
        expect_content(mail, first, same == 0 ? SLICE("other\n") : SLICE("text\n"));
        if (same == 0)
            expect_content(mail, second, SLICE("text\n"));
        empty_folder(mail, "new");
        poplin_delivery_free(delivery);
    }
}

/* holds: T-DLV-4 C */
static void where_others_take_all_names_it_is_told(void **state) {
    struct mail *mail = *state;
    char path[320];
    poplin_delivery *delivery = delivery_to(mail, false);
    const char *name = deliver_first(mail, delivery);
    for (int turn = 1; turn <= 9; turn++) {
        find_turn(name, turn, path);
        mail_write(mail, path, "other");
    }
    assert_int_equal(poplin_delivery_settle(delivery, &mail->error), POPLIN_ERR_IO);
    assert_non_null(strstr(mail->error.reason, ": File exists"));
    expect_counts(mail, 0, 9, 0);
    poplin_delivery_free(delivery);
}

/* ---- the same message twice, and one of the same unique-id ---- */

static void what_waits_is_known(void **state) {
    struct mail *mail = *state;
    poplin_delivery *delivery = delivery_to(mail, false);
    deliver_one_more(mail, delivery, letter("1", FIRST_SEEN, true), "one");
    deliver_one_more(mail, delivery, letter("1", FIRST_SEEN, true), "one, whatever comes");
    expect_counts(mail, 1, 0, 0);
    deliver_one_more(mail, delivery, letter("1", FIRST_SEEN + 1, false),
                     "one"); /* by its content, which is read in new */
    expect_counts(mail, 0, 1, 0);
    deliver_one_more(mail, delivery, letter("1", FIRST_SEEN, false), "two");
    settle(mail, delivery);
    expect_counts(mail, 0, 2, 0);
    poplin_delivery_free(delivery);
}

/* holds: T-DLV-4 C */
static void what_did_not_get_there_is_not_known(void **state) {
    struct mail *mail = *state;
    poplin_delivery *delivery = deliver_three(mail, true);
    calls.at = 4;
    calls.error = EIO;
    assert_int_equal(poplin_delivery_settle(delivery, &mail->error), POPLIN_ERR_IO);
    calls.armed = false;
    expect_three(mail, delivery);
    poplin_delivery_free(delivery);
}

/* ---- placed without being asked ---- */

enum { MANY = 64 };

static void deliver_many(struct mail *mail, poplin_delivery *delivery, size_t from, size_t to) {
    for (size_t i = from; i <= to; i++) {
        char uid[32];
        snprintf(uid, sizeof uid, "%zu", i);
        deliver_one_more(mail, delivery, letter(uid, FIRST_SEEN, false), uid);
    }
}

static void not_more_than_64_wait(void **state) {
    struct mail *mail = *state;
    poplin_delivery *delivery = delivery_to(mail, false);
    deliver_many(mail, delivery, 1, MANY);
    expect_counts(mail, MANY, 0, 0);
    deliver_many(mail, delivery, MANY + 1, MANY + 1);
    expect_counts(mail, 1, MANY, 0);
    settle(mail, delivery);
    expect_counts(mail, 0, MANY + 1, 0);
    poplin_delivery_free(delivery);
}

/* What settling says of so many messages, of which none gets into new: how many it fails for. */
static size_t missed_of(struct mail *mail, size_t messages) {
    poplin_delivery *delivery = delivery_to(mail, false);
    size_t missed = 0, none = 1;
    calls.no_rename = calls.no_link = true;
    deliver_many(mail, delivery, 1, messages);
    calls.armed = true;
    assert_int_equal(poplin_delivery_settle_each(delivery, &missed, &mail->error), POPLIN_ERR_IO);
    calls.armed = false;
    for (size_t i = 0; i < missed; i++)
        assert_int_equal(delivery->missed[i], i + 1);
    assert_int_equal(poplin_delivery_settle_each(delivery, &none, &mail->error), POPLIN_OK); /* it was told */
    assert_int_equal(none, 0);
    expect_counts(mail, 0, 0, 0);
    poplin_delivery_free(delivery);
    return missed;
}

/* holds: T-DLV-3 C */
static void for_which_messages_it_fails_is_told(void **state) {
    assert_int_equal(missed_of(*state, 3), 3);
    assert_int_equal(missed_of(*state, MANY), MANY);
    assert_int_equal(missed_of(*state, MANY + 1), 0); /* so many numbers are not kept: it fails for all */
}

static void where_the_folder_is_not_safe_nothing_is(void **state) {
    struct mail *mail = *state;
    poplin_delivery *delivery = deliver_three(mail, false);
    size_t missed = 1;
    calls.at = 13;
    calls.error = EIO;
    assert_int_equal(poplin_delivery_settle_each(delivery, &missed, &mail->error), POPLIN_ERR_IO);
    assert_string_equal(calls.hit, "fsync");
    assert_int_equal(missed, 0);
    poplin_delivery_free(delivery);
}

/* The one that has no part in it is delivered; that others are not is told when all is to be safe. */
/* holds: T-DLV-4 C */
static void what_fails_unasked_is_told_when_it_is_settled(void **state) {
    struct mail *mail = *state;
    poplin_delivery *delivery = delivery_to(mail, false);
    deliver_many(mail, delivery, 1, MANY);
    calls.armed = true;
    calls.at = 3 + MANY + 1; /* after what the next message takes, and what the disk is told beforehand */
    calls.error = EIO;
    deliver_many(mail, delivery, MANY + 1, MANY + 1);
    assert_string_equal(calls.hit, "fsync");
    calls.armed = false;
    expect_counts(mail, 1, MANY - 1, 0);
    assert_int_equal(poplin_delivery_settle(delivery, &mail->error), POPLIN_ERR_IO);
    assert_non_null(strstr(mail->error.reason, strerror(EIO)));
    expect_counts(mail, 0, MANY, 0);
    poplin_delivery_free(delivery);
}

/* holds: T-DLV-3 C */
static void where_no_file_can_be_opened_those_that_wait_make_room(void **state) {
    static const int errors[] = {EMFILE, ENFILE, ENOSPC};
    struct mail *mail = *state;
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        poplin_delivery *delivery = deliver_three(mail, false);
        calls.at = 1;
        calls.error = errors[i];
        int status = poplin_delivery_begin(delivery, "a", letter("4", FIRST_SEEN, false), &mail->error);
        assert_string_equal(calls.hit, "openat");
        assert_int_equal(status, errors[i] == ENOSPC ? POPLIN_ERR_IO : POPLIN_OK);
        expect_counts(mail, errors[i] == ENOSPC ? 3 : 1, errors[i] == ENOSPC ? 0 : 3, 0);
        calls.armed = false;
        poplin_delivery_free(delivery);
        empty_folder(mail, "new");
    }
}

/* How many descriptors are taken at most while MANY messages are delivered, where the process may have so many. */
static size_t most_taken(struct mail *mail, rlim_t limit) {
    struct rlimit limits;
    size_t most = 0;
    poplin_delivery *delivery = delivery_to(mail, false);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limits), 0);
    limits.rlim_cur = limit;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limits), 0);
    for (size_t message = 1; message <= MANY; message++) {
        size_t taken = 0;
        deliver_many(mail, delivery, message, message);
        for (rlim_t i = 0; i < limit; i++)
            taken += fcntl((int)i, F_GETFD) >= 0;
        most = taken > most ? taken : most;
    }
    settle(mail, delivery);
    poplin_delivery_free(delivery);
    return most;
}

static void half_of_the_descriptors_are_left_to_others(void **state) {
    enum { LIMIT = 60 };
    struct mail *mail = *state;
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit((int)most_taken(mail, LIMIT));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_in_range(WEXITSTATUS(status), 1, LIMIT / 2 + 1);
    expect_counts(mail, 0, MANY, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CALLS_TEST(all_are_flushed_before_any_is_moved),
        CALLS_TEST(what_waits_outlives_others_and_not_the_delivery),
        CALLS_TEST(killed_before_it_is_settled_nothing_is_there),
        CALLS_TEST(one_that_is_begun_goes_on_while_others_are_settled),
        CALLS_TEST(one_that_fails_holds_back_no_other),
        CALLS_TEST(of_two_failures_the_first_is_told),
        CALLS_TEST(a_disk_that_cannot_be_told_beforehand_is_waited_for),
        CALLS_TEST(a_name_that_is_taken_meanwhile_stays_the_others),
        CALLS_TEST(where_others_take_all_names_it_is_told),
        CALLS_TEST(what_waits_is_known),
        CALLS_TEST(what_did_not_get_there_is_not_known),
        CALLS_TEST(not_more_than_64_wait),
        CALLS_TEST(for_which_messages_it_fails_is_told),
        CALLS_TEST(where_the_folder_is_not_safe_nothing_is),
        CALLS_TEST(what_fails_unasked_is_told_when_it_is_settled),
        CALLS_TEST(where_no_file_can_be_opened_those_that_wait_make_room),
        CALLS_TEST(half_of_the_descriptors_are_left_to_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
