/*
 * maildrop/maildir_remove.c - deleting messages of a Maildir, at the end of a session and nowhere else.
 *
 * Each is unlinked under the name that was seen last. Where that fails because there is no such file, another program
 * has renamed or removed it, and the folders are read again, until none of the messages is seen any more.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "maildrop/maildir.h"
#include "wire/failure.h"

enum { ROUNDS = 8 };

static const char DELETING[] = "deleting messages";

/* What is to be deleted, and how it has gone. */
typedef struct removal {
    poplin_maildir *maildir;
    const size_t *indexes;
    size_t count;
    int status; /* the first failure, which is the one that is told */
    poplin_error *error;
} removal;

static poplin_maildir_message_facts *message_of(const removal *work, size_t i) {
    return &work->maildir->messages[work->indexes[i]];
}

/* Where the next failure is told: nowhere once there was one. */
static poplin_error *next_error(const removal *work) {
    return work->status == POPLIN_OK ? work->error : NULL;
}

static void note(removal *work, int status) {
    if (work->status == POPLIN_OK)
        work->status = status;
}

/* Removes one file. False: it was not there under this name, or there is none. */
static bool unlink_one(removal *work, poplin_maildir_message_facts *message) {
    const poplin_maildir *maildir = work->maildir;
    if (message->name == POPLIN_MAILDIR_ABSENT)
        return false;
    const char *name = poplin_buffer_slice(&maildir->names).data + message->name;
    if (unlinkat(maildir->folders[message->folder], name, 0) != 0) {
        if (errno == ENOENT)
            return false;
        note(work, poplin_maildir_failed_at(maildir, next_error(work), DELETING, message->folder, name));
        message->removing = false;
        return true;
    }
    message->name = POPLIN_MAILDIR_ABSENT;
    return true;
}

/* Whether that was all; else the folders are to be read again. */
static bool unlink_known(removal *work) {
    bool complete = !work->maildir->doubled;
    for (size_t i = 0; i < work->count; i++) {
        poplin_maildir_message_facts *message = message_of(work, i);
        if (message->removing && !unlink_one(work, message))
            complete = false;
    }
    return complete;
}

static bool is_any_left(const removal *work) {
    for (size_t i = 0; i < work->count; i++) {
        const poplin_maildir_message_facts *message = message_of(work, i);
        if (message->removing && message->name != POPLIN_MAILDIR_ABSENT)
            return true;
    }
    return false;
}

static void unlink_all(removal *work) {
    for (int round = 0; round < ROUNDS && !unlink_known(work); round++) {
        int status = poplin_maildir_look_again(work->maildir, DELETING, next_error(work));
        if (status != POPLIN_OK) {
            note(work, status);
            return;
        }
        if (!is_any_left(work))
            return;
    }
    if (is_any_left(work))
        note(work,
             poplin_fail(next_error(work), POPLIN_ERR_IO, DELETING, "other programs rename the messages all the time"));
}

/* Some file systems have no such call for folders, and say so. */
static void make_durable(removal *work) {
    for (size_t i = 0; i < POPLIN_MAILDIR_FOLDERS; i++)
        if (fsync(work->maildir->folders[i]) != 0 && errno != EINVAL && errno != ENOTSUP)
            note(work, poplin_maildir_failed_at(work->maildir, next_error(work), DELETING, i, ""));
}

int poplin_maildir_remove(poplin_maildir *maildir, const size_t *indexes, size_t count, poplin_error *error) {
    removal work = {.maildir = maildir, .indexes = indexes, .count = count, .error = error};
    if (count == 0)
        return POPLIN_OK;
    for (size_t i = 0; i < count; i++)
        message_of(&work, i)->removing = true;
    unlink_all(&work);
    make_durable(&work);
    return work.status;
}
