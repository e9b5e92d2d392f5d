/*
 * maildir_support.h - what the tests of Maildirs share: a real Maildir in a folder of the test's own, in which the test
 * does what other programs do to one, and what a session sees of it.
 */
#ifndef MAILDIR_SUPPORT_H
#define MAILDIR_SUPPORT_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poplin/maildir.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "support.h"

struct mail {
    char folder[32]; /* removed with all that is in it */
    poplin_maildir *maildir;
    poplin_error error;
};

/* The path of name in the Maildir; lives until the call after the next. */
static inline const char *mail_path(const struct mail *mail, const char *name) {
    static char paths[2][512];
    static int turn;
    turn = 1 - turn;
    snprintf(paths[turn], sizeof paths[turn], "%s/Maildir%s%s", mail->folder, name[0] == '\0' ? "" : "/", name);
    return paths[turn];
}

static inline void mail_mkdir(const struct mail *mail, const char *name) {
    assert_int_equal(mkdir(mail_path(mail, name), 0700), 0);
}

static inline int mail_set_up(void **state) {
    struct mail *mail = calloc(1, sizeof *mail);
    strcpy(mail->folder, "/tmp/poplin-XXXXXX");
    assert_non_null(mkdtemp(mail->folder));
    mail_mkdir(mail, "");
    mail_mkdir(mail, "tmp");
    mail_mkdir(mail, "new");
    mail_mkdir(mail, "cur");
    *state = mail;
    return 0;
}

static inline int mail_tear_down(void **state) {
    struct mail *mail = *state;
    char command[64];
    poplin_maildir_free(mail->maildir);
    snprintf(command, sizeof command, "rm -r %s", mail->folder);
    assert_int_equal(system(command), 0);
    free(mail);
    return 0;
}

/* A file whose text is its own name, or another. */
static inline void mail_write(const struct mail *mail, const char *name, const char *text) {
    int descriptor = open(mail_path(mail, name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, text, strlen(text)), (ssize_t)strlen(text));
    close(descriptor);
}

static inline void mail_put(const struct mail *mail, const char *name) {
    mail_write(mail, name, name);
}

static inline void mail_rename(const struct mail *mail, const char *from, const char *to) {
    assert_int_equal(rename(mail_path(mail, from), mail_path(mail, to)), 0);
}

static inline void mail_unlink(const struct mail *mail, const char *name) {
    assert_int_equal(unlink(mail_path(mail, name)), 0);
}

static inline bool mail_exists(const struct mail *mail, const char *name) {
    struct stat facts;
    return lstat(mail_path(mail, name), &facts) == 0;
}

/* As if the last change had been then. */
static inline void mail_changed_at(const struct mail *mail, time_t second) {
    const struct timespec times[2] = {{.tv_sec = second}, {.tv_sec = second}};
    assert_int_equal(utimensat(AT_FDCWD, mail_path(mail, "new"), times, 0), 0);
    assert_int_equal(utimensat(AT_FDCWD, mail_path(mail, "cur"), times, 0), 0);
}

/* As if nothing had happened there for an hour. */
static inline void mail_age(const struct mail *mail) {
    mail_changed_at(mail, time(NULL) - 3600);
}

/* Takes a snapshot, in place of the one before. */
static inline void mail_open(struct mail *mail) {
    poplin_maildir_free(mail->maildir);
    mail->maildir = NULL;
    if (poplin_maildir_open(mail_path(mail, ""), &mail->maildir, &mail->error) != POPLIN_OK)
        fail_msg("%s", mail->error.reason);
}

/* The snapshot has these unique-ids, in this order, ended by NULL; each leads back to its message. */
static inline void mail_expect(const struct mail *mail, const char *const *unique_ids) {
    size_t count = 0;
    while (unique_ids[count] != NULL)
        count++;
    assert_int_equal(poplin_maildir_count(mail->maildir), count);
    for (size_t i = 0; i < count; i++) {
        poplin_listing listing = poplin_maildir_get(mail->maildir, i);
        size_t index = SIZE_MAX;
        if (listing.unique_id.size != strlen(unique_ids[i]) ||
            memcmp(listing.unique_id.data, unique_ids[i], listing.unique_id.size) != 0)
            fail_msg("message %zu is \"%.*s\", not \"%s\"", i, (int)listing.unique_id.size, listing.unique_id.data,
                     unique_ids[i]);
        assert_true(listing.octets == POPLIN_OCTETS_UNKNOWN);
        assert_int_equal(poplin_maildir_find(mail->maildir, listing.unique_id, &index), POPLIN_OK);
        assert_int_equal(index, i);
    }
}

#define MAIL_EXPECT(mail, ...) mail_expect(mail, (const char *const[]){__VA_ARGS__, NULL})

/* Opens a message and reads it: what it holds, until the next call. NULL: it is refused as gone. */
static inline const char *mail_text(struct mail *mail, size_t index) {
    static char text[512];
    int descriptor = -1;
    int status = poplin_maildir_message(mail->maildir, index, &descriptor, &mail->error);
    if (status == POPLIN_ERR_REFUSED) {
        assert_string_equal(mail->error.reason, "the message is no longer there");
        assert_string_equal(mail->error.doing, "");
        assert_int_equal(descriptor, -1);
        return NULL;
    }
    if (status != POPLIN_OK)
        fail_msg("%s", mail->error.reason);
    ssize_t size = read(descriptor, text, sizeof text - 1);
    assert_true(size >= 0);
    text[size] = '\0';
    close(descriptor);
    return text;
}

static inline void mail_expect_text(struct mail *mail, size_t index, const char *expected) {
    const char *text = mail_text(mail, index);
    assert_non_null(text);
    assert_string_equal(text, expected);
}

#define MAIL_REMOVE(mail, ...) \
    poplin_maildir_remove((mail)->maildir, (const size_t[]){__VA_ARGS__}, COUNT_OF(((const size_t[]){__VA_ARGS__})), \
                          &(mail)->error)

#define MAIL_TEST(function) cmocka_unit_test_setup_teardown(function, mail_set_up, mail_tear_down)

#endif
