/*
 * test_maildir_expire.c - messages of a Maildir that have been there for longer than they may stay; the times of files are set as
 * delivery, long ago, would have left them.
 */
#include <poplin/session.h>

#include "maildir_support.h"

#define DAY ((time_t)24 * 60 * 60)

/* The file was modified so many seconds ago. */
static void written_ago(const struct mail *mail, const char *name, time_t seconds) {
    const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = time(NULL) - seconds}};
    assert_int_equal(utimensat(AT_FDCWD, mail_path(mail, name), times, AT_SYMLINK_NOFOLLOW), 0);
}

static void put_ago(const struct mail *mail, const char *name, time_t seconds) {
    mail_put(mail, name);
    written_ago(mail, name, seconds);
}

static int expire(struct mail *mail, uint32_t days) {
    return poplin_maildir_expire(mail_path(mail, ""), days, &mail->error);
}

/* holds: POP-EXP-1 S */
static void old_mail_goes_and_younger_stays(void **state) {
    struct mail *mail = *state;
    put_ago(mail, "new/1.old", 8 * DAY);
    put_ago(mail, "cur/2.old:2,S", 7 * DAY);
    put_ago(mail, "new/3.young", 7 * DAY - 60);
    put_ago(mail, "cur/4.young:2,", 0);
    put_ago(mail, "new/5.future", -DAY);
    assert_int_equal(expire(mail, 7), POPLIN_OK);
    mail_open(mail);
    MAIL_EXPECT(mail, "3.young", "4.young", "5.future");
    assert_false(mail_exists(mail, "cur/2.old:2,S"));
}

static void neither_the_name_nor_the_flags_make_it_old(void **state) {
    struct mail *mail = *state;
    put_ago(mail, "new/1000000000.M1P1.host", 0); /* of 2001, by its name */
    put_ago(mail, "new/9999999999.M1P1.host", 8 * DAY);
    mail_rename(mail, "new/9999999999.M1P1.host", "cur/9999999999.M1P1.host:2,RS"); /* which changes the other time */
    assert_int_equal(expire(mail, 7), POPLIN_OK);
    mail_open(mail);
    MAIL_EXPECT(mail, "1000000000.M1P1.host");
}

/* holds: POP-UPD-3 S */
static void what_is_no_message_is_left_alone(void **state) {
    static const char *const kept[] = {"new/.dotted", "tmp/1.a", "cur/pipe", "other", "cur/folder"};
    struct mail *mail = *state;
    mail_put(mail, "other");
    mail_put(mail, "new/.dotted");
    mail_put(mail, "tmp/1.a");
    mail_mkdir(mail, "cur/folder");
    assert_int_equal(mkfifo(mail_path(mail, "cur/pipe"), 0600), 0);
    assert_int_equal(symlink(mail_path(mail, "other"), mail_path(mail, "new/9.link")), 0);
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        written_ago(mail, kept[i], 1000 * DAY);
    written_ago(mail, "new/9.link", 1000 * DAY);
    assert_int_equal(expire(mail, 1), POPLIN_OK);
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        assert_true(mail_exists(mail, kept[i]));
    assert_true(mail_exists(mail, "new/9.link"));
}

static void no_days_and_never_remove_nothing(void **state) {
    static const uint32_t days[] = {0, POPLIN_EXPIRE_NEVER, POPLIN_EXPIRE_UNSAID};
    struct mail *mail = *state;
    put_ago(mail, "new/1.old", 10000 * DAY);
    for (size_t i = 0; i < COUNT_OF(days); i++)
        assert_int_equal(expire(mail, days[i]), POPLIN_OK);
    assert_int_equal(expire(mail, POPLIN_EXPIRE_NEVER - 1), POPLIN_OK); /* so long that nothing is as old */
    assert_true(mail_exists(mail, "new/1.old"));
}

/* To a session that has it open, without a lock, the message is gone as if any program had removed it. */
static void a_snapshot_taken_before_loses_the_message(void **state) {
    struct mail *mail = *state;
    put_ago(mail, "new/1.old", 2 * DAY);
    mail_open(mail);
    assert_int_equal(expire(mail, 1), POPLIN_OK);
    assert_null(mail_text(mail, 0));
}

static void what_is_no_maildir_is_told(void **state) {
    struct mail *mail = *state;
    assert_int_equal(rmdir(mail_path(mail, "cur")), 0);
    assert_int_equal(expire(mail, 1), POPLIN_ERR_IO);
    assert_non_null(strstr(mail->error.reason, "no folder \"cur\""));
    assert_int_equal(poplin_maildir_expire(mail_path(mail, ""), 1, NULL), POPLIN_ERR_IO);
    mail_mkdir(mail, "cur");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        MAIL_TEST(old_mail_goes_and_younger_stays),           MAIL_TEST(neither_the_name_nor_the_flags_make_it_old),
        MAIL_TEST(what_is_no_message_is_left_alone),          MAIL_TEST(no_days_and_never_remove_nothing),
        MAIL_TEST(a_snapshot_taken_before_loses_the_message), MAIL_TEST(what_is_no_maildir_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
