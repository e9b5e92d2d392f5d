/*
 * test_delivery.c - delivery into a real Maildir: the folders, what is stored, what is left behind and what is cleaned away.
 */
#include "delivery_support.h"

/* ---- the folders ---- */

static void expect_mode(const struct mail *mail, const char *name, unsigned mode) {
    struct stat facts;
    assert_int_equal(lstat(mail_path(mail, name), &facts), 0);
    assert_int_equal(facts.st_mode & 07777, mode);
}

/* holds: MDIR-1 C */
static void a_maildir_that_is_not_there_is_made(void **state) {
    static const char *const names[] = {"/fresh", "/fresh/tmp", "/fresh/new", "/fresh/cur"};
    struct mail *mail = *state;
    poplin_delivery *delivery = NULL;
    assert_int_equal(poplin_delivery_open(mail_path(mail, "fresh/"), false, &delivery, &mail->error), POPLIN_OK);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        expect_mode(mail, names[i], 0700);
    (void)deliver(mail, delivery, letter("1", FIRST_SEEN, false), "text\r\n");
    poplin_delivery_free(delivery);
    char path[320];
    assert_int_equal(count_files(mail, "fresh/new", path), 1);
    expect_mode(mail, path, 0600);
}

static void a_folder_that_is_missing_is_made(void **state) {
    struct mail *mail = *state;
    assert_int_equal(rmdir(mail_path(mail, "tmp")), 0);
    assert_int_equal(rmdir(mail_path(mail, "cur")), 0);
    mail_put(mail, "new/1.a");
    poplin_delivery_free(delivery_to(mail, false));
    expect_counts(mail, 0, 1, 0);
}

static void expect_no_delivery(struct mail *mail, const char *path, const char *reason) {
    poplin_delivery *delivery = NULL;
    assert_int_equal(poplin_delivery_open(mail_path(mail, path), false, &delivery, &mail->error), POPLIN_ERR_IO);
    assert_null(delivery);
    assert_string_equal(mail->error.doing, "opening a Maildir for delivery");
    if (strstr(mail->error.reason, reason) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", mail->error.reason, reason);
}

static void what_is_no_maildir_is_refused(void **state) {
    struct mail *mail = *state;
    mail_put(mail, "file");
    expect_no_delivery(mail, "file", "/Maildir/file: Not a directory");
    expect_no_delivery(mail, "none/inside", "/Maildir/none/inside: No such file or directory");
    assert_int_equal(rmdir(mail_path(mail, "new")), 0);
    assert_int_equal(symlink("cur", mail_path(mail, "new")), 0);
    expect_no_delivery(mail, "", "is no Maildir: its \"new\" is no folder (a link is none)");
    mail_unlink(mail, "new");
    mail_put(mail, "new");
    expect_no_delivery(mail, "", "is no Maildir: its \"new\" is no folder");
}

/* A program may go elsewhere in the file system after it opened a delivery. */
static void a_relative_path_stays_where_it_was(void **state) {
    struct mail *mail = *state;
    poplin_delivery *delivery = NULL;
    char *before = realpath(".", NULL);
    assert_int_equal(chdir(mail_path(mail, "")), 0);
    assert_int_equal(poplin_delivery_open(".", false, &delivery, &mail->error), POPLIN_OK);
    assert_int_equal(chdir("/"), 0);
    (void)deliver(mail, delivery, letter("1", FIRST_SEEN, true), "text");
    expect_one(mail, SLICE("text"));
    poplin_delivery_free(delivery);
    assert_int_equal(chdir(before), 0);
    free(before);
}

/* ---- what is stored ---- */

static const struct {
    poplin_slice sent, stored;
} contents[] = {
    {{"", 0}, {"", 0}},
    {SLICE("Subject: a\r\n\r\nbody\r\n"), SLICE("Subject: a\n\nbody\n")},
    {SLICE("no header\r\n"), SLICE("no header\n")},
    {SLICE("From a\r\n>From b\r\n.\r\n..\r\n"), SLICE("From a\n>From b\n.\n..\n")},
    {SLICE("no end"), SLICE("no end")},
    {SLICE("\0"), SLICE("\0")},
    {SLICE("\0\0\0\0"), SLICE("\0\0\0\0")},
    {SLICE("\0\r\n\0\r"), SLICE("\0\n\0\r")},
    {SLICE("\r\n"), SLICE("\n")},
    {SLICE("\r"), SLICE("\r")},
    {SLICE("\n"), SLICE("\n")},
    {SLICE("\r\r"), SLICE("\r\r")},
    {SLICE("\r\r\n"), SLICE("\r\n")},
    {SLICE("a\r\r\n\r\r\nb\r\r\n"), SLICE("a\r\n\r\nb\r\n")},
    {SLICE("\r\r\r\n\n\r\r"), SLICE("\r\r\n\n\r\r")},
    {SLICE("a\nb\rc\r\nd\n\r\n\r"), SLICE("a\nb\rc\nd\n\n\r")},
    {SLICE("\xFF\xFE\x80\r\n"), SLICE("\xFF\xFE\x80\n")},
};

/* Writes the text in three pieces. */
static void deliver_cut(struct mail *mail, poplin_delivery *delivery, poplin_slice text, size_t first, size_t second) {
    const poplin_slice pieces[] = {
        {text.data, first}, {text.data + first, second - first}, {text.data + second, text.size - second}};
    assert_int_equal(poplin_delivery_begin(delivery, "a", letter("1", FIRST_SEEN, false), &mail->error), POPLIN_OK);
    for (size_t i = 0; i < COUNT_OF(pieces); i++)
        assert_int_equal(poplin_delivery_write(delivery, pieces[i], &mail->error), POPLIN_OK);
    assert_int_equal(poplin_delivery_end(delivery, NULL, &mail->error), POPLIN_OK);
    settle(mail, delivery);
}

static void store_all_ways(struct mail *mail, bool crlf) {
    poplin_delivery *delivery = delivery_to(mail, crlf);
    for (size_t i = 0; i < COUNT_OF(contents); i++) {
        poplin_slice sent = contents[i].sent;
        for (size_t first = 0; first <= sent.size; first++) {
            for (size_t second = first; second <= first + 1 && second <= sent.size; second++) {
                deliver_cut(mail, delivery, sent, first, second);
                expect_one(mail, crlf ? sent : contents[i].stored);
                empty_folder(mail, "new");
            }
        }
    }
    poplin_delivery_free(delivery);
}

/* holds: MDIR-6 C, MDIR-4 C, T-DLV-6 C */
static void line_ends_become_lf_and_nothing_else_changes(void **state) {
    store_all_ways(*state, false);
}

/* holds: MDIR-6 C, T-DLV-6 C */
static void line_ends_stay_where_that_is_wanted(void **state) {
    store_all_ways(*state, true);
}

/* holds: MDIR-6 C, T-DLV-6 C */
static void octets_come_one_by_one(void **state) {
    struct mail *mail = *state;
    poplin_delivery *delivery = delivery_to(mail, false);
    for (size_t i = 0; i < COUNT_OF(contents); i++) {
        poplin_slice sent = contents[i].sent;
        assert_int_equal(poplin_delivery_begin(delivery, "a", letter("1", FIRST_SEEN, false), NULL), POPLIN_OK);
        for (size_t at = 0; at < sent.size; at++)
            assert_int_equal(poplin_delivery_write(delivery, (poplin_slice){sent.data + at, 1}, NULL), POPLIN_OK);
        assert_int_equal(poplin_delivery_end(delivery, NULL, NULL), POPLIN_OK);
        settle(mail, delivery);
        expect_one(mail, contents[i].stored);
        empty_folder(mail, "new");
    }
    poplin_delivery_free(delivery);
}

enum { LARGE = 64 * 1024 * 1024 };

/* Lines of lengths that change, so that ends fall on each place of a buffer. */
static char *make_large(size_t size) {
    char *text = malloc(size);
    uint64_t seed = 1;
    memset(text, 'x', size);
    for (size_t at = random_below(&seed, 200); at + 2 <= size; at += 2 + random_below(&seed, 200))
        memcpy(text + at, "\r\n", 2);
    return text;
}

static size_t without_cr(char *text, size_t size) {
    size_t kept = 0;
    for (size_t i = 0; i < size; i++)
        if (text[i] != '\r')
            text[kept++] = text[i];
    return kept;
}

/* holds: MDIR-6 C */
static void a_large_message_is_stored_whole(void **state) {
    struct mail *mail = *state;
    size_t size = LARGE / test_stride();
    char *text = make_large(size);
    uint64_t seed = 2;
    for (int crlf = 1; crlf >= 0; crlf--) {
        poplin_delivery *delivery = delivery_to(mail, crlf == 1);
        assert_int_equal(poplin_delivery_begin(delivery, "a", letter("1", FIRST_SEEN, false), NULL), POPLIN_OK);
        for (size_t at = 0, piece; at < size; at += piece) {
            piece = random_below(&seed, 200000);
            piece = piece < size - at ? piece : size - at;
            assert_int_equal(poplin_delivery_write(delivery, (poplin_slice){text + at, piece}, NULL), POPLIN_OK);
        }
        assert_int_equal(poplin_delivery_end(delivery, NULL, NULL), POPLIN_OK);
        settle(mail, delivery);
        expect_one(mail, (poplin_slice){text, crlf == 1 ? size : without_cr(text, size)});
        empty_folder(mail, "new");
        poplin_delivery_free(delivery);
    }
    free(text);
}

/* ---- states ---- */

static void calls_out_of_order_are_refused(void **state) {
    struct mail *mail = *state;
    poplin_delivery *delivery = delivery_to(mail, false);
    poplin_delivery_abandon(delivery);
    assert_int_equal(poplin_delivery_write(delivery, SLICE("text"), &mail->error), POPLIN_ERR_STATE);
    assert_string_equal(mail->error.reason, "no message is begun");
    assert_int_equal(poplin_delivery_end(delivery, NULL, &mail->error), POPLIN_ERR_STATE);
    assert_int_equal(poplin_delivery_begin(delivery, "a", letter("1", FIRST_SEEN, false), NULL), POPLIN_OK);
    assert_int_equal(poplin_delivery_begin(delivery, "a", letter("2", FIRST_SEEN, false), &mail->error),
                     POPLIN_ERR_STATE);
    assert_string_equal(mail->error.reason, "another message is begun");
    assert_int_equal(poplin_delivery_write(delivery, SLICE("text"), &mail->error), POPLIN_OK);
    assert_int_equal(poplin_delivery_end(delivery, NULL, &mail->error), POPLIN_OK);
    assert_int_equal(poplin_delivery_end(delivery, NULL, &mail->error), POPLIN_ERR_STATE);
    assert_int_equal(poplin_delivery_settle(delivery, &mail->error), POPLIN_OK);
    expect_one(mail, SLICE("text"));
    assert_int_equal(poplin_delivery_settle(delivery, &mail->error), POPLIN_OK);
    poplin_delivery_free(delivery);
}

/* holds: MDIR-3 C */
static void what_is_abandoned_leaves_nothing(void **state) {
    struct mail *mail = *state;
    poplin_delivery *delivery = delivery_to(mail, false);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(poplin_delivery_begin(delivery, "a", letter("1", FIRST_SEEN, false), NULL), POPLIN_OK);
        assert_int_equal(poplin_delivery_write(delivery, SLICE("te\r"), NULL), POPLIN_OK);
        expect_counts(mail, 1, 0, 0);
        poplin_delivery_abandon(delivery);
        expect_counts(mail, 0, 0, 0);
    }
    (void)deliver(mail, delivery, letter("1", FIRST_SEEN, false), "xt");
    expect_one(mail, SLICE("xt"));
    assert_int_equal(poplin_delivery_begin(delivery, "a", letter("2", FIRST_SEEN, false), NULL), POPLIN_OK);
    poplin_delivery_free(delivery);
    expect_one(mail, SLICE("xt"));
    poplin_delivery_free(NULL);
}

/* ---- tmp is cleaned ---- */

static void put_touched(const struct mail *mail, const char *name, time_t ago) {
    const struct timespec times[2] = {{.tv_sec = time(NULL) - ago}, {.tv_sec = time(NULL) - ago}};
    mail_put(mail, name);
    assert_int_equal(utimensat(AT_FDCWD, mail_path(mail, name), times, 0), 0);
}

#define LEFT "tmp/1763800000.M000001P2Q3R0123456789abcdef-poplin."

/* holds: MDIR-3 C */
static void what_was_left_in_tmp_is_removed_when_it_is_old(void **state) {
    static const char *const kept[] = {LEFT "young", "tmp/1763800000.M000001P2Q3R0123456789abcdef.other", "tmp/1.a",
                                       "tmp/1763800000.M000001P2Q3.other"};
    const time_t hour = 3600;
    struct mail *mail = *state;
    put_touched(mail, LEFT "old", 37 * hour);
    put_touched(mail, LEFT "older", 1000 * hour);
    put_touched(mail, kept[0], 35 * hour);
    for (size_t i = 1; i < COUNT_OF(kept); i++)
        put_touched(mail, kept[i], 1000 * hour);
    const struct timespec old[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    assert_int_equal(symlink("elsewhere", mail_path(mail, LEFT "link")), 0);
    assert_int_equal(utimensat(AT_FDCWD, mail_path(mail, LEFT "link"), old, AT_SYMLINK_NOFOLLOW), 0);
    poplin_delivery_free(delivery_to(mail, false));
    assert_false(mail_exists(mail, LEFT "old"));
    assert_false(mail_exists(mail, LEFT "older"));
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        assert_true(mail_exists(mail, kept[i]));
    expect_counts(mail, COUNT_OF(kept) + 1, 0, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        MAIL_TEST(a_maildir_that_is_not_there_is_made),
        MAIL_TEST(a_folder_that_is_missing_is_made),
        MAIL_TEST(what_is_no_maildir_is_refused),
        MAIL_TEST(a_relative_path_stays_where_it_was),
        MAIL_TEST(line_ends_become_lf_and_nothing_else_changes),
        MAIL_TEST(line_ends_stay_where_that_is_wanted),
        MAIL_TEST(octets_come_one_by_one),
        MAIL_TEST(a_large_message_is_stored_whole),
        MAIL_TEST(calls_out_of_order_are_refused),
        MAIL_TEST(what_is_abandoned_leaves_nothing),
        MAIL_TEST(what_was_left_in_tmp_is_removed_when_it_is_old),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
