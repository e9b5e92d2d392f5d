/*
 * test_delivery_system.c - what a delivery asks of the system, how often, and what it makes of what the system is like: its file
 * system, its name, its clock, links that others laid.
 */
#include "delivery_calls.h"

/* ---- the file system ---- */

/* holds: MDIR-1 C */
static void where_files_cannot_be_moved_so_they_are_linked(void **state) {
    struct mail *mail = *state;
    poplin_delivery *delivery = delivery_to(mail, false);
    calls.no_rename = calls.armed = true;
    (void)deliver(mail, delivery, letter("1", FIRST_SEEN, false), "one");
    (void)deliver(mail, delivery, letter("2", FIRST_SEEN, false), "two");
    calls.armed = false;
    assert_int_equal(calls.renamed, 1); /* it is not asked again */
    assert_int_equal(calls.linked, 2);
    assert_int_equal(calls.unlinked, 2);
    expect_counts(mail, 0, 2, 0);
    calls.no_link = true;
    deliver_one_more(mail, delivery, letter("3", FIRST_SEEN, false), "three");
    assert_int_equal(poplin_delivery_settle(delivery, &mail->error), POPLIN_ERR_IO);
    assert_non_null(strstr(mail->error.reason, "can neither link a file nor rename it without replacing another"));
    expect_counts(mail, 0, 2, 0);
    poplin_delivery_free(delivery);
}

static const struct mail *in_the_way;
static size_t obstacles; /* how many are still to be laid */
static size_t attempts;

static void lay_link(const char *name) {
    char path[320];
    attempts++;
    if (obstacles == 0)
        return;
    obstacles--;
    snprintf(path, sizeof path, "tmp/%s", name);
    assert_int_equal(symlink("../target", mail_path(in_the_way, path)), 0);
}

/* holds: T-DLV-4 C, MDIR-2 C */
static void a_link_in_tmp_is_not_followed(void **state) {
    struct mail *mail = *state;
    poplin_delivery *delivery = delivery_to(mail, false);
    mail_write(mail, "target", "precious");
    in_the_way = mail;
    calls.on_make = lay_link;
    calls.still = true; /* the time alone makes no name another one */
    obstacles = 2;
    attempts = 0;
    calls.armed = true;
    (void)deliver(mail, delivery, letter("1", FIRST_SEEN, false), "text");
    assert_int_equal(attempts, 3);
    expect_counts(mail, 2, 1, 0);
    obstacles = 1000;
    attempts = 0;
    assert_int_equal(poplin_delivery_begin(delivery, "a", letter("2", FIRST_SEEN, false), &mail->error), POPLIN_ERR_IO);
    assert_non_null(strstr(mail->error.reason, ": File exists"));
    assert_in_range(attempts, 2, 20);
    expect_content(mail, "target", SLICE("precious"));
    poplin_delivery_free(delivery);
}

static void expect_host(struct mail *mail, const char *host, const char *expected) {
    calls.host = host;
    poplin_delivery *delivery = delivery_to(mail, false);
    const char *name = deliver(mail, delivery, letter("1", FIRST_SEEN, false), "text");
    const char *end = strrchr(name, '.');
    assert_non_null(end);
    assert_string_equal(end + 1, expected);
    expect_one(mail, SLICE("text"));
    calls.host = "elsewhere";
    deliver_anew(mail, letter("1", FIRST_SEEN, true), "a name whose host is another is the message's too");
    expect_one(mail, SLICE("text"));
    empty_folder(mail, "new");
    poplin_delivery_free(delivery);
}

/* holds: MDIR-2 C, T-DLV-4 C */
static void the_hosts_name_cannot_lead_elsewhere(void **state) {
    char many[65] = "", escaped[101] = "";
    memset(many, '/', 64);
    for (int i = 0; i < 25; i++)
        strcat(escaped, "\\057");
    expect_host(*state, "mail", "mail");
    expect_host(*state, "../a:2,S", "\\057a\\0722\\054S");
    expect_host(*state, "a\\b c\n\xC3\xA9", "a\\134b\\040c\\012\\303\\251");
    expect_host(*state, many, escaped);
    expect_host(*state, "", "localhost");
    expect_host(*state, NULL, "localhost");
}

/* ---- what it costs ---- */

static void a_small_message_costs_six_calls(void **state) {
    struct mail *mail = *state;
    poplin_delivery *delivery = delivery_to(mail, false);
    (void)deliver(mail, delivery, letter("1", FIRST_SEEN, false), "looks");
    reset_calls();
    calls.armed = true;
    assert_int_equal(poplin_delivery_begin(delivery, "a", letter("2", FIRST_SEEN, false), NULL), POPLIN_OK);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(poplin_delivery_write(delivery, SLICE("a line\r\n"), NULL), POPLIN_OK);
    assert_int_equal(poplin_delivery_end(delivery, NULL, NULL), POPLIN_OK);
    assert_int_equal(calls.count, 3);
    assert_true(calls.made == 1 && calls.written == 1 && calls.looked == 1);
    settle(mail, delivery);
    assert_int_equal(calls.count, 7); /* one is the folder's */
    assert_true(calls.synced == 2 && calls.closed == 1 && calls.renamed == 1);
    poplin_delivery_free(delivery);
}

static void the_folders_are_read_once(void **state) {
    struct mail *mail = *state;
    char uid[32];
    deliver_anew(mail, letter("0", FIRST_SEEN, false), "text");
    mail_age(mail);
    poplin_delivery *delivery = delivery_to(mail, false);
    reset_calls();
    calls.armed = true;
    for (int i = 0; i < 200; i++) {
        snprintf(uid, sizeof uid, "%d", i);
        deliver_one_more(mail, delivery, letter(uid, FIRST_SEEN, i % 2 == 0), "text");
    }
    settle(mail, delivery);
    calls.armed = false;
    assert_int_equal(calls.scanned, 2);
    expect_counts(mail, 0, 200, 0);
    poplin_delivery_free(delivery);
}

/* What was moved on by its reader is to be safe in both folders; what was found at all may not be safe yet. */
static void settling_flushes_what_has_changed(void **state) {
    struct mail *mail = *state;
    char path[320], to[360];
    poplin_delivery *delivery = delivery_to(mail, false);
    deliver_one_more(mail, delivery, letter("1", FIRST_SEEN, false), "text");
    calls.armed = true;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(poplin_delivery_settle(delivery, NULL), POPLIN_OK);
        assert_int_equal(calls.synced, 2); /* the file and the folder */
    }
    calls.armed = false;
    (void)count_files(mail, "new", path);
    snprintf(to, sizeof to, "cur%s:2,S", path + strlen("new"));
    mail_rename(mail, path, to);
    poplin_delivery_free(delivery);
    delivery = delivery_to(mail, false);
    calls.armed = true;
    calls.synced = 0;
    deliver_one_more(mail, delivery, letter("1", FIRST_SEEN, true), "text");
    assert_int_equal(calls.synced, 1); /* the file */
    assert_int_equal(poplin_delivery_settle(delivery, NULL), POPLIN_OK);
    assert_int_equal(calls.synced, 3);
    poplin_delivery_free(delivery);
}

/* ---- time ---- */

/* holds: MDIR-3 C */
static void a_delivery_of_more_than_a_day_is_given_up(void **state) {
    enum { DAY = 24 * 60 * 60 };
    struct mail *mail = *state;
    poplin_delivery *delivery = delivery_to(mail, false);
    for (int i = 0; i < 2; i++) {
        calls.ahead = 0;
        assert_int_equal(poplin_delivery_begin(delivery, "a", letter("1", FIRST_SEEN, false), NULL), POPLIN_OK);
        calls.ahead = DAY - 60;
        assert_int_equal(poplin_delivery_write(delivery, SLICE("text"), NULL), POPLIN_OK);
        calls.ahead = DAY + 1;
        assert_int_equal(i == 0 ? poplin_delivery_write(delivery, SLICE("text"), &mail->error)
                                : poplin_delivery_end(delivery, NULL, &mail->error),
                         POPLIN_ERR_LIMIT);
        assert_string_equal(mail->error.reason, "it takes more than 24 hours");
        expect_counts(mail, 0, 0, 0);
    }
    poplin_delivery_free(delivery);
}

/* ---- failures of the look ---- */

/* Rather twice than never. */
static void a_file_that_cannot_be_read_is_not_the_message(void **state) {
    struct mail *mail = *state;
    deliver_anew(mail, letter("1", FIRST_SEEN, false), "text");
    poplin_delivery *delivery = delivery_to(mail, false);
    (void)deliver(mail, delivery, letter("2", FIRST_SEEN, false), "looks");
    calls.armed = true;
    calls.at = 1; /* it is opened */
    calls.error = EIO;
    (void)deliver(mail, delivery, letter("1", FIRST_SEEN, true), "tex2");
    assert_string_equal(calls.hit, "openat");
    expect_counts(mail, 0, 3, 0);
    poplin_delivery_free(delivery);
}

static void folders_that_cannot_be_read_are_told(void **state) {
    struct mail *mail = *state;
    poplin_delivery *delivery = delivery_to(mail, false);
    for (size_t at = 1; at <= 9; at++) {
        calls.armed = true;
        calls.count = 0;
        calls.at = at;
        calls.error = EMFILE;
        calls.hit = NULL;
        int status = poplin_delivery_begin(delivery, "a", letter("1", FIRST_SEEN, true), &mail->error);
        calls.armed = false;
        if (status == POPLIN_OK)
            poplin_delivery_abandon(delivery); /* a close */
        else
            assert_int_equal(status, POPLIN_ERR_IO);
        expect_counts(mail, 0, 0, 0);
    }
    calls.at = 0;
    (void)deliver(mail, delivery, letter("1", FIRST_SEEN, true), "text");
    expect_one(mail, SLICE("text"));
    poplin_delivery_free(delivery);
}

/* ---- folders that are made ---- */

static void open_counted(struct mail *mail, const char *path) {
    poplin_delivery *delivery = NULL;
    calls.synced = calls.synced_all = calls.count = 0;
    calls.armed = true;
    assert_int_equal(poplin_delivery_open(mail_path(mail, path), false, &delivery, &mail->error), POPLIN_OK);
    calls.armed = false;
    poplin_delivery_free(delivery);
}

/* holds: MDIR-1 C */
static void folders_that_are_made_are_flushed(void **state) {
    struct mail *mail = *state;
    open_counted(mail, "fresh");
    assert_int_equal(calls.synced, 2); /* its own entry and those in it */
    open_counted(mail, "fresh");
    assert_int_equal(calls.synced, 0);
    assert_int_equal(rmdir(mail_path(mail, "fresh/cur")), 0);
    open_counted(mail, "fresh");
    assert_int_equal(calls.synced, 1);
    assert_int_equal(calls.synced_all, 0);
}

static void where_a_folder_cannot_be_read_all_is_flushed(void **state) {
    struct mail *mail = *state;
    calls.at = 4; /* it is looked for, made, opened, and now the folder that it is in */
    calls.error = EACCES;
    open_counted(mail, "fresh");
    assert_string_equal(calls.hit, "openat");
    assert_int_equal(calls.synced_all, 1);
    assert_int_equal(calls.synced, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CALLS_TEST(where_files_cannot_be_moved_so_they_are_linked),
        CALLS_TEST(a_link_in_tmp_is_not_followed),
        CALLS_TEST(the_hosts_name_cannot_lead_elsewhere),
        CALLS_TEST(a_small_message_costs_six_calls),
        CALLS_TEST(the_folders_are_read_once),
        CALLS_TEST(settling_flushes_what_has_changed),
        CALLS_TEST(a_delivery_of_more_than_a_day_is_given_up),
        CALLS_TEST(a_file_that_cannot_be_read_is_not_the_message),
        CALLS_TEST(folders_that_cannot_be_read_are_told),
        CALLS_TEST(folders_that_are_made_are_flushed),
        CALLS_TEST(where_a_folder_cannot_be_read_all_is_flushed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
