/*
 * delivery_support.h - what the tests of deliveries share: messages to deliver, and what stands in the Maildir afterwards.
 */
#ifndef DELIVERY_SUPPORT_H
#define DELIVERY_SUPPORT_H

#include <poplin/delivery.h>

#include "maildir_support.h"

enum { FIRST_SEEN = 1763800000 };

/* The message whose unique-id this is. */
struct letter {
    poplin_seen_record record;
    poplin_fetch_message message;
};

static inline poplin_slice slice_of(const char *text) {
    return (poplin_slice){text, strlen(text)};
}

/* Lives until the call after the next. */
static inline const poplin_fetch_message *letter(const char *uid, int64_t first_seen, bool resumed) {
    static struct letter letters[2];
    static int turn;
    struct letter *made = &letters[turn = 1 - turn];
    *made = (struct letter){.record = {.uid = slice_of(uid), .first_seen = first_seen}};
    made->message = (poplin_fetch_message){.unique_id = made->record.uid, .resumed = resumed};
    made->message.number = (uint32_t)strtoul(uid, NULL, 10); /* where a test gives it one */
    made->message.record = &made->record;
    return &made->message;
}

static inline poplin_delivery *delivery_to(struct mail *mail, bool crlf) {
    poplin_delivery *delivery = NULL;
    if (poplin_delivery_open(mail_path(mail, ""), crlf, &delivery, &mail->error) != POPLIN_OK)
        fail_msg("%s", mail->error.reason);
    return delivery;
}

/* Begins, writes and ends; the first failure. *name may be NULL. */
static inline int try_to_deliver(poplin_delivery *delivery, const poplin_fetch_message *message, poplin_slice text,
                                 const char **name, poplin_error *error) {
    int status = poplin_delivery_begin(delivery, "alice@example.org", message, error);
    if (status == POPLIN_OK)
        status = poplin_delivery_write(delivery, text, error);
    if (status == POPLIN_OK)
        status = poplin_delivery_end(delivery, name, error);
    return status;
}

/* Delivers one that waits with others to be settled. */
static inline void deliver_one_more(struct mail *mail, poplin_delivery *delivery, const poplin_fetch_message *message,
                                    const char *text) {
    if (try_to_deliver(delivery, message, slice_of(text), NULL, &mail->error) != POPLIN_OK)
        fail_msg("%s", mail->error.reason);
}

static inline void settle(struct mail *mail, poplin_delivery *delivery) {
    if (poplin_delivery_settle(delivery, &mail->error) != POPLIN_OK)
        fail_msg("%s", mail->error.reason);
}

/* Delivers and settles. The name that it has now; lives until the next call of this. */
static inline const char *deliver(struct mail *mail, poplin_delivery *delivery, const poplin_fetch_message *message,
                                  const char *text) {
    static char kept[256];
    const char *name = NULL;
    if (try_to_deliver(delivery, message, slice_of(text), &name, &mail->error) != POPLIN_OK)
        fail_msg("%s", mail->error.reason);
    copy_text(kept, sizeof kept, name);
    settle(mail, delivery);
    return kept;
}

/* The same, with a delivery of its own. */
static inline void deliver_anew(struct mail *mail, const poplin_fetch_message *message, const char *text) {
    poplin_delivery *delivery = delivery_to(mail, false);
    (void)deliver(mail, delivery, message, text);
    poplin_delivery_free(delivery);
}

/* How many there are in the folder; *last (may be NULL) is the path in the Maildir of the one that was read last. */
static inline size_t count_files(const struct mail *mail, const char *folder, char last[320]) {
    size_t count = 0;
    DIR *stream = opendir(mail_path(mail, folder));
    assert_non_null(stream);
    for (const struct dirent *entry; (entry = readdir(stream)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        count++;
        if (last != NULL)
            snprintf(last, 320, "%s/%s", folder, entry->d_name);
    }
    closedir(stream);
    return count;
}

static inline void expect_counts(const struct mail *mail, size_t temporary, size_t fresh, size_t current) {
    assert_int_equal(count_files(mail, "tmp", NULL), temporary);
    assert_int_equal(count_files(mail, "new", NULL), fresh);
    assert_int_equal(count_files(mail, "cur", NULL), current);
}

/* The file holds exactly this. */
static inline void expect_content(const struct mail *mail, const char *path, poplin_slice expected) {
    char *content = malloc(expected.size + 1);
    int file = open(mail_path(mail, path), O_RDONLY | O_CLOEXEC);
    assert_true(file >= 0);
    ssize_t size = read(file, content, expected.size + 1);
    close(file);
    assert_int_equal(size, expected.size);
    if (expected.size > 0)
        assert_memory_equal(content, expected.data, expected.size);
    free(content);
}

/* One file is in new, no other anywhere, and it holds this. */
static inline void expect_one(const struct mail *mail, poplin_slice expected) {
    char path[320];
    expect_counts(mail, 0, 1, 0);
    (void)count_files(mail, "new", path);
    expect_content(mail, path, expected);
}

static inline void empty_folder(const struct mail *mail, const char *folder) {
    char path[320];
    while (count_files(mail, folder, path) > 0)
        mail_unlink(mail, path);
}

#endif
