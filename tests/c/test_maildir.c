/*
 * test_maildir.c - Maildirs as maildrops: what a session sees of one, and what becomes of it while other programs deliver,
 * rename and remove.
 */
#include "maildir_support.h"

/* SHA-256 of nothing: FIPS 180-4's example files have it. */
#define HASH_OF_NOTHING "~e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* ---- the snapshot ---- */

static void an_empty_maildir_has_no_messages(void **state) {
    struct mail *mail = *state;
    size_t index;
    mail_open(mail);
    assert_int_equal(poplin_maildir_count(mail->maildir), 0);
    assert_int_equal(poplin_maildir_find(mail->maildir, SLICE("1.a"), &index), POPLIN_ERR_REFUSED);
    assert_int_equal(poplin_maildir_remove(mail->maildir, NULL, 0, NULL), POPLIN_OK);
}

/* holds: MDIR-5 S */
static void messages_stand_in_the_order_of_delivery(void **state) {
    struct mail *mail = *state;
    static const char *const FILES[] = {"new/1000.b",      "cur/999.z:2,S",
                                        "cur/1000.a:2,RS", "cur/1000.B:2,",
                                        "new/01000.c",     "new/x",
                                        "cur/2.q",         "new/1000.M10P1.h",
                                        "new/1000.M9P1.h", "new/99999999999999999999999.a",
                                        "cur/3",           "cur/99999999999999999999998.a:2,",
                                        "new/1000"};
    for (size_t i = 0; i < COUNT_OF(FILES); i++)
        mail_put(mail, FILES[i]);
    for (int session = 0; session < 2; session++) {
        mail_open(mail);
        MAIL_EXPECT(mail, "x", "2.q", "3", "999.z", "01000.c", "1000", "1000.B", "1000.M10P1.h", "1000.M9P1.h",
                    "1000.a", "1000.b", "99999999999999999999998.a", "99999999999999999999999.a");
    }
    mail_expect_text(mail, 3, "cur/999.z:2,S");
}

/* holds: MDIR-5 S */
static void only_regular_files_without_a_dot_are_messages(void **state) {
    struct mail *mail = *state;
    mail_put(mail, "new/1.a");
    mail_put(mail, "tmp/2.not-delivered");
    mail_put(mail, "new/.3.hidden");
    mail_put(mail, "cur/.nfs0004");
    mail_put(mail, "dovecot-uidlist");
    mail_mkdir(mail, "cur/5.folder");
    mail_mkdir(mail, ".Sent");
    mail_mkdir(mail, ".Sent/new");
    mail_put(mail, ".Sent/new/6.a");
    assert_int_equal(symlink("/etc/passwd", mail_path(mail, "cur/7.link")), 0);
    assert_int_equal(symlink("1.a", mail_path(mail, "new/8.link")), 0);
    assert_int_equal(mkfifo(mail_path(mail, "new/9.pipe"), 0600), 0);
    mail_open(mail);
    MAIL_EXPECT(mail, "1.a");
}

/* holds: MDIR-5 S, POP-UIDL-2 S */
static void the_unique_id_is_the_base_name_whatever_the_flags(void **state) {
    struct mail *mail = *state;
    mail_put(mail, "new/1352486421.M1P2.host,S=1234,W=1250");
    mail_put(mail, "cur/1352486422.a!b:2,S");
    mail_open(mail);
    MAIL_EXPECT(mail, "1352486421.M1P2.host,S=1234,W=1250", "1352486422.a!b");
    mail_rename(mail, "new/1352486421.M1P2.host,S=1234,W=1250", "cur/1352486421.M1P2.host,S=1234,W=1250:2,FS");
    mail_rename(mail, "cur/1352486422.a!b:2,S", "cur/1352486422.a!b:3,:S");
    mail_open(mail);
    MAIL_EXPECT(mail, "1352486421.M1P2.host,S=1234,W=1250", "1352486422.a!b");
}

static void a_message_in_both_folders_is_there_once(void **state) {
    struct mail *mail = *state;
    mail_put(mail, "new/1.a");
    mail_put(mail, "cur/1.a:2,S");
    mail_put(mail, "cur/1.a:2,");
    mail_put(mail, "cur/1.ab");
    mail_open(mail);
    MAIL_EXPECT(mail, "1.a", "1.ab");
    assert_int_equal(MAIL_REMOVE(mail, 0), POPLIN_OK);
    mail_open(mail);
    MAIL_EXPECT(mail, "1.ab");
}

/* Says of the message at this index that its unique-id is a hash; it. */
static poplin_slice hash_at(const struct mail *mail, size_t index) {
    size_t found;
    poplin_slice unique_id = poplin_maildir_get(mail->maildir, index).unique_id;
    assert_int_equal(unique_id.size, strlen(HASH_OF_NOTHING));
    assert_int_equal(unique_id.data[0], '~');
    for (size_t i = 1; i < unique_id.size; i++)
        assert_non_null(strchr("0123456789abcdef", unique_id.data[i]));
    assert_int_equal(poplin_maildir_find(mail->maildir, unique_id, &found), POPLIN_OK);
    assert_int_equal(found, index);
    return unique_id;
}

/* holds: POP-UIDL-1 S, MDIR-5 S */
static void a_base_name_that_can_be_no_unique_id_is_hashed(void **state) {
    struct mail *mail = *state;
    static const char SEVENTY[] = "5.34567890123456789012345678901234567890123456789012345678901234567890";
    char longest[100], longer[100], twin[100];
    snprintf(longest, sizeof longest, "new/%s", SEVENTY);
    snprintf(longer, sizeof longer, "new/%sx", SEVENTY);
    snprintf(twin, sizeof twin, "new/%sy", SEVENTY);
    static const char *const ODD[] = {"new/1.with space", "new/2.\303\244", "new/3.\x01\n", "cur/4.\x7F:2,S"};
    for (size_t i = 0; i < COUNT_OF(ODD); i++)
        mail_put(mail, ODD[i]);
    mail_put(mail, longest);
    mail_put(mail, longer);
    mail_put(mail, twin);
    mail_put(mail, "new/6");
    mail_open(mail);
    assert_int_equal(poplin_maildir_count(mail->maildir), 8);
    char seen[8][70];
    for (size_t i = 0; i < 8; i++) {
        bool plain = i == 4 || i == 7;
        poplin_slice id = plain ? poplin_maildir_get(mail->maildir, i).unique_id : hash_at(mail, i);
        snprintf(seen[i], sizeof seen[i], "%.*s", (int)id.size, id.data);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(seen[i], seen[j]);
    }
    assert_memory_equal(poplin_maildir_get(mail->maildir, 4).unique_id.data, SEVENTY, 70);
    for (size_t i = 0; i < COUNT_OF(ODD); i++)
        mail_expect_text(mail, i, ODD[i]);
    size_t index;
    assert_int_equal(poplin_maildir_find(mail->maildir, SLICE("1.with space"), &index), POPLIN_ERR_REFUSED);
}

/* A file that has a hash for a name, and the message that has that hash: two unique-ids. */
static void a_name_that_looks_like_a_hash_is_no_other_messages(void **state) {
    struct mail *mail = *state;
    mail_write(mail, "cur/:2,S", "no base name");
    mail_write(mail, "cur/" HASH_OF_NOTHING ":2,", "named like a hash");
    mail_write(mail, "cur/" HASH_OF_NOTHING "0", "only nearly");
    mail_open(mail);
    assert_int_equal(poplin_maildir_count(mail->maildir), 3);
    size_t index;
    assert_int_equal(poplin_maildir_find(mail->maildir, SLICE(HASH_OF_NOTHING), &index), POPLIN_OK);
    mail_expect_text(mail, index, "no base name");
    assert_int_equal(poplin_maildir_find(mail->maildir, SLICE(HASH_OF_NOTHING "0"), &index), POPLIN_OK);
    mail_expect_text(mail, index, "only nearly");
    mail_expect_text(mail, 1, "named like a hash");
    assert_memory_not_equal(hash_at(mail, 1).data, HASH_OF_NOTHING, 65);
}

/* ---- what is no Maildir ---- */

static void expect_no_maildir(struct mail *mail, const char *path, const char *reason) {
    poplin_maildir *none = NULL;
    assert_int_equal(poplin_maildir_open(path, &none, &mail->error), POPLIN_ERR_IO);
    assert_int_equal(mail->error.status, POPLIN_ERR_IO);
    assert_string_equal(mail->error.doing, "opening a Maildir");
    if (strstr(mail->error.reason, reason) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", mail->error.reason, reason);
    assert_int_equal(poplin_maildir_open(path, &none, NULL), POPLIN_ERR_IO);
    assert_null(none);
}

static void what_is_no_maildir_is_named(void **state) {
    struct mail *mail = *state;
    mail_put(mail, "file");
    expect_no_maildir(mail, mail_path(mail, "nothing\n"), "/Maildir/nothing\\x0A: No such file or directory");
    expect_no_maildir(mail, mail_path(mail, "file"), "/Maildir/file: Not a directory");
    expect_no_maildir(mail, "", ": No such file or directory");
    expect_no_maildir(mail, mail->folder, " is no Maildir: it has no folder \"new\"");
    assert_int_equal(rmdir(mail_path(mail, "cur")), 0);
    expect_no_maildir(mail, mail_path(mail, ""), "/Maildir is no Maildir: it has no folder \"cur\"");
    mail_put(mail, "cur");
    expect_no_maildir(mail, mail_path(mail, ""), "/Maildir is no Maildir: its \"cur\" is no folder");
    mail_unlink(mail, "cur");
    assert_int_equal(symlink("/etc", mail_path(mail, "cur")), 0);
    expect_no_maildir(mail, mail_path(mail, ""), "its \"cur\" is no folder (a link is none)");
}

static void a_long_path_leaves_room_for_the_reason(void **state) {
    struct mail *mail = *state;
    char path[900];
    for (size_t i = 0; i < sizeof path; i++)
        path[i] = i % 100 == 99 ? '/' : 'x';
    strcpy(path + 880, "/the-end");
    expect_no_maildir(mail, path, "/the-end: No such file or directory");
    for (size_t i = 0; i < 880; i++)
        path[i] = i % 100 == 99 ? '/' : i % 2 == 0 ? '\xC3' : '\xBC';
    expect_no_maildir(mail, path, "/the-end: No such file or directory");
}

/* A link in the path is the owner's own affair. */
static void the_path_may_lead_through_links(void **state) {
    struct mail *mail = *state;
    char link[64];
    mail_put(mail, "new/1.a");
    snprintf(link, sizeof link, "%s/link", mail->folder);
    assert_int_equal(symlink("Maildir", link), 0);
    assert_int_equal(poplin_maildir_open(link, &mail->maildir, NULL), POPLIN_OK);
    MAIL_EXPECT(mail, "1.a");
}

/* ---- messages ---- */

/* The descriptor is the caller's, begins at the start, and goes on when the maildir is gone. */
static void a_message_is_read_as_it_is(void **state) {
    struct mail *mail = *state;
    char text[8] = "";
    int descriptor;
    mail_write(mail, "cur/1.a:2,S", "a\nb\r\nc");
    mail_open(mail);
    mail_expect_text(mail, 0, "a\nb\r\nc");
    assert_int_equal(poplin_maildir_message(mail->maildir, 0, &descriptor, NULL), POPLIN_OK);
    poplin_maildir_free(mail->maildir);
    mail->maildir = NULL;
    assert_int_equal(fcntl(descriptor, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(read(descriptor, text, sizeof text), 6);
    assert_string_equal(text, "a\nb\r\nc");
    close(descriptor);
}

/* holds: T-LCK-2 S */
static void new_mail_is_for_the_next_session(void **state) {
    struct mail *mail = *state;
    mail_put(mail, "new/2.a");
    mail_open(mail);
    mail_put(mail, "new/1.a");
    mail_put(mail, "new/3.a");
    mail_rename(mail, "new/2.a", "cur/2.a:2,S"); /* which makes it look again */
    mail_expect_text(mail, 0, "new/2.a");
    MAIL_EXPECT(mail, "2.a");
    mail_open(mail);
    MAIL_EXPECT(mail, "1.a", "2.a", "3.a");
}

/* holds: T-LCK-2 S */
static void a_message_that_was_renamed_is_found(void **state) {
    struct mail *mail = *state;
    static const char *const NAMES[] = {"new/1.a", "cur/1.a:2,", "cur/1.a:2,S", "new/1.a", "cur/1.a:2,FRS"};
    mail_put(mail, "new/1.a");
    mail_put(mail, "new/2.a");
    mail_open(mail);
    for (size_t i = 1; i < COUNT_OF(NAMES); i++) {
        mail_rename(mail, NAMES[i - 1], NAMES[i]);
        mail_expect_text(mail, 0, "new/1.a");
        mail_expect_text(mail, 1, "new/2.a");
    }
}

/* holds: T-LCK-2 S */
static void a_message_that_vanished_is_refused_and_no_other_is_sent(void **state) {
    struct mail *mail = *state;
    mail_put(mail, "new/1.a");
    mail_put(mail, "new/2.a");
    mail_put(mail, "new/3.a");
    mail_open(mail);
    mail_unlink(mail, "new/2.a");
    mail_put(mail, "new/2.ab");
    mail_put(mail, "new/2");
    for (int i = 0; i < 2; i++) {
        assert_null(mail_text(mail, 1));
        mail_expect_text(mail, 0, "new/1.a");
        mail_expect_text(mail, 2, "new/3.a");
    }
    mail_rename(mail, "new/1.a", "cur/2.a:2,S"); /* the program that did this says that it is message 2.a */
    mail_expect_text(mail, 1, "new/1.a");
    assert_null(mail_text(mail, 0));
}

/* One that is gone by a look that is settled comes back. */
static void a_message_that_came_back_is_found(void **state) {
    struct mail *mail = *state;
    mail_put(mail, "cur/1.a");
    mail_open(mail);
    mail_rename(mail, "cur/1.a", "tmp/1.a");
    mail_age(mail);
    assert_null(mail_text(mail, 0));
    assert_null(mail_text(mail, 0));
    mail_rename(mail, "tmp/1.a", "new/1.a");
    mail_expect_text(mail, 0, "cur/1.a");
}

/* A clock of the file system's that stands still for a while hides changes: so they are looked for all the same. */
static void a_change_that_leaves_no_new_time_is_seen(void **state) {
    struct mail *mail = *state;
    time_t then = time(NULL) + 3600;
    mail_put(mail, "cur/1.a");
    mail_open(mail);
    mail_rename(mail, "cur/1.a", "tmp/1.a");
    mail_changed_at(mail, then);
    assert_null(mail_text(mail, 0));
    mail_rename(mail, "tmp/1.a", "new/1.a");
    mail_changed_at(mail, then);
    mail_expect_text(mail, 0, "cur/1.a");
}

/* holds: T-LCK-2 S */
static void what_took_the_place_of_a_message_is_not_followed(void **state) {
    struct mail *mail = *state;
    for (int kind = 0; kind < 3; kind++) {
        mail_put(mail, "new/1.a");
        mail_open(mail);
        mail_unlink(mail, "new/1.a");
        if (kind == 0)
            assert_int_equal(symlink("/etc/passwd", mail_path(mail, "new/1.a")), 0);
        else if (kind == 1)
            assert_int_equal(mkfifo(mail_path(mail, "new/1.a"), 0600), 0); /* opening it would wait for a writer */
        else
            mail_mkdir(mail, "new/1.a");
        assert_null(mail_text(mail, 0));
        assert_int_equal(remove(mail_path(mail, "new/1.a")), 0);
    }
}

/* Its descriptors hold on to the folders, not to the path. */
static void a_maildir_that_was_moved_goes_on(void **state) {
    struct mail *mail = *state;
    mail_put(mail, "new/1.a");
    mail_put(mail, "cur/2.a:2,");
    mail_open(mail);
    char other[64];
    snprintf(other, sizeof other, "%s/other", mail->folder);
    assert_int_equal(rename(mail_path(mail, ""), other), 0);
    assert_int_equal(symlink("/etc", mail_path(mail, "")), 0);
    mail_expect_text(mail, 1, "cur/2.a:2,");
    assert_int_equal(MAIL_REMOVE(mail, 0), POPLIN_OK);
    assert_null(mail_text(mail, 0));
}

/* ---- deleting ---- */

/* holds: POP-UPD-3 S */
static void only_these_are_deleted(void **state) {
    struct mail *mail = *state;
    mail_put(mail, "new/1.a");
    mail_put(mail, "cur/1.a2:2,S");
    mail_put(mail, "cur/2.a:2,S");
    mail_put(mail, "cur/3.a:2,S");
    mail_put(mail, "tmp/1.a");
    mail_open(mail);
    mail_put(mail, "new/1.a3");
    assert_int_equal(MAIL_REMOVE(mail, 3, 0, 3), POPLIN_OK);
    assert_null(mail_text(mail, 0));
    assert_null(mail_text(mail, 3));
    mail_expect_text(mail, 1, "cur/1.a2:2,S");
    assert_true(mail_exists(mail, "tmp/1.a"));
    mail_open(mail);
    MAIL_EXPECT(mail, "1.a2", "1.a3", "2.a");
}

/* holds: T-LCK-2 S */
static void what_was_renamed_is_deleted_and_what_is_gone_counts_as_deleted(void **state) {
    struct mail *mail = *state;
    static const char *const FILES[] = {"new/1.a", "cur/2.a:2,", "cur/3.a:2,S", "cur/4.a:2,S"};
    for (size_t i = 0; i < COUNT_OF(FILES); i++)
        mail_put(mail, FILES[i]);
    mail_open(mail);
    mail_rename(mail, "new/1.a", "cur/1.a:2,");
    mail_rename(mail, "cur/2.a:2,", "cur/2.a:2,RS");
    mail_unlink(mail, "cur/3.a:2,S");
    assert_int_equal(MAIL_REMOVE(mail, 0, 1, 2), POPLIN_OK);
    assert_int_equal(MAIL_REMOVE(mail, 0, 1, 2), POPLIN_OK);
    mail_expect_text(mail, 3, "cur/4.a:2,S");
    mail_open(mail);
    MAIL_EXPECT(mail, "4.a");
}

/* Copied by hand, or by a program that moves by link and unlink: both are the message. */
static void what_was_doubled_meanwhile_is_deleted_twice(void **state) {
    struct mail *mail = *state;
    mail_put(mail, "new/1.a");
    mail_put(mail, "cur/2.a:2,");
    mail_open(mail);
    mail_put(mail, "cur/1.a:2,");
    mail_put(mail, "cur/1.a:2,S");
    mail_rename(mail, "cur/2.a:2,", "cur/2.a:2,S");
    mail_expect_text(mail, 1, "cur/2.a:2,"); /* by another look */
    assert_int_equal(MAIL_REMOVE(mail, 0), POPLIN_OK);
    mail_open(mail);
    MAIL_EXPECT(mail, "2.a");
}

/* A message that the session did not find any more may be back when it ends. */
static void what_came_back_is_deleted(void **state) {
    struct mail *mail = *state;
    mail_put(mail, "cur/1.a");
    mail_open(mail);
    mail_rename(mail, "cur/1.a", "tmp/1.a");
    mail_age(mail);
    assert_null(mail_text(mail, 0));
    mail_rename(mail, "tmp/1.a", "new/1.a");
    assert_int_equal(MAIL_REMOVE(mail, 0), POPLIN_OK);
    assert_false(mail_exists(mail, "new/1.a"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        MAIL_TEST(an_empty_maildir_has_no_messages),
        MAIL_TEST(messages_stand_in_the_order_of_delivery),
        MAIL_TEST(only_regular_files_without_a_dot_are_messages),
        MAIL_TEST(the_unique_id_is_the_base_name_whatever_the_flags),
        MAIL_TEST(a_message_in_both_folders_is_there_once),
        MAIL_TEST(a_base_name_that_can_be_no_unique_id_is_hashed),
        MAIL_TEST(a_name_that_looks_like_a_hash_is_no_other_messages),
        MAIL_TEST(what_is_no_maildir_is_named),
        MAIL_TEST(a_long_path_leaves_room_for_the_reason),
        MAIL_TEST(the_path_may_lead_through_links),
        MAIL_TEST(a_message_is_read_as_it_is),
        MAIL_TEST(new_mail_is_for_the_next_session),
        MAIL_TEST(a_message_that_was_renamed_is_found),
        MAIL_TEST(a_message_that_vanished_is_refused_and_no_other_is_sent),
        MAIL_TEST(a_message_that_came_back_is_found),
        MAIL_TEST(a_change_that_leaves_no_new_time_is_seen),
        MAIL_TEST(what_took_the_place_of_a_message_is_not_followed),
        MAIL_TEST(a_maildir_that_was_moved_goes_on),
        MAIL_TEST(only_these_are_deleted),
        MAIL_TEST(what_was_renamed_is_deleted_and_what_is_gone_counts_as_deleted),
        MAIL_TEST(what_was_doubled_meanwhile_is_deleted_twice),
        MAIL_TEST(what_came_back_is_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
