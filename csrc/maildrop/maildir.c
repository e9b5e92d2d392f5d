/*
 * maildrop/maildir.c - a Maildir as a session sees it: opened, its messages listed and opened one by one, let go of.
 */
#include "maildrop/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire/failure.h"
#include "wire/grammar.h"

enum { ATTEMPTS = 4, PATH_SHOWN = 140, NAME_SHOWN = 70 };

static const char OPENING[] = "opening a Maildir";
static const char READING[] = "reading a message";

/* ---- failing ---- */

const char *poplin_maildir_folder_name(size_t folder) {
    return folder == POPLIN_MAILDIR_NEW ? "new" : "cur";
}

static const char *shown(const char *path) {
    return poplin_visible_end(path, PATH_SHOWN);
}

int poplin_maildir_failed_at(const poplin_maildir *maildir, poplin_error *error, const char *doing, size_t folder,
                             const char *name) {
    return poplin_fail(error, POPLIN_ERR_IO, doing, "%s/%s%s%s: %s", shown(maildir->path),
                       poplin_maildir_folder_name(folder), name[0] == '\0' ? "" : "/",
                       poplin_visible_end(name, NAME_SHOWN), strerror(errno));
}

/* ---- opening ---- */

static int no_maildir(const poplin_maildir *maildir, size_t folder, poplin_error *error) {
    const char *name = poplin_maildir_folder_name(folder);
    if (errno == ENOENT)
        return poplin_fail(error, POPLIN_ERR_IO, OPENING, "%s is no Maildir: it has no folder \"%s\"",
                           shown(maildir->path), name);
    if (errno == ENOTDIR || errno == ELOOP)
        return poplin_fail(error, POPLIN_ERR_IO, OPENING, "%s is no Maildir: its \"%s\" is no folder (a link is none)",
                           shown(maildir->path), name);
    return poplin_maildir_failed_at(maildir, error, OPENING, folder, "");
}

static int open_folders(poplin_maildir *maildir, poplin_error *error) {
    int root = open(maildir->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return poplin_fail(error, POPLIN_ERR_IO, OPENING, "%s: %s", shown(maildir->path), strerror(errno));
    int status = POPLIN_OK;
    for (size_t i = 0; status == POPLIN_OK && i < POPLIN_MAILDIR_FOLDERS; i++) {
        maildir->folders[i] =
            openat(root, poplin_maildir_folder_name(i), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (maildir->folders[i] < 0)
            status = no_maildir(maildir, i, error);
    }
    (void)close(root);
    return status;
}

int poplin_maildir_open(const char *path, poplin_maildir **maildir, poplin_error *error) {
    poplin_maildir *made = calloc(1, sizeof *made);
    char *copy = strdup(path);
    if (made == NULL || copy == NULL) {
        free(made);
        free(copy);
        return poplin_fail(error, POPLIN_ERR_NOMEM, OPENING, "out of memory");
    }
    made->path = copy;
    for (size_t i = 0; i < POPLIN_MAILDIR_FOLDERS; i++)
        made->folders[i] = -1;
    int status = open_folders(made, error);
    if (status == POPLIN_OK)
        status = poplin_maildir_first_look(made, error);
    if (status == POPLIN_OK)
        *maildir = made;
    else
        poplin_maildir_free(made);
    return status;
}

void poplin_maildir_free(poplin_maildir *maildir) {
    if (maildir == NULL)
        return;
    for (size_t i = 0; i < POPLIN_MAILDIR_FOLDERS; i++)
        if (maildir->folders[i] >= 0)
            (void)close(maildir->folders[i]);
    poplin_buffer_free(&maildir->ids);
    poplin_buffer_free(&maildir->names);
    free(maildir->messages);
    free(maildir->hashed);
    free(maildir->path);
    free(maildir);
}

/* ---- listing ---- */

size_t poplin_maildir_count(const poplin_maildir *maildir) {
    return maildir->count;
}

poplin_listing poplin_maildir_get(const poplin_maildir *maildir, size_t index) {
    const poplin_maildir_message_facts *message = &maildir->messages[index];
    const char *ids = poplin_buffer_slice(&maildir->ids).data;
    return (poplin_listing){{ids + message->unique_id, message->unique_id_size}, POPLIN_OCTETS_UNKNOWN, false};
}

/* ---- one message ---- */

/* What has taken the place of the file is not it: a link is not followed, a pipe not waited for. */
static int open_regular(int folder, const char *name) {
    int descriptor = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat facts;
    if (descriptor >= 0 && (fstat(descriptor, &facts) != 0 || !S_ISREG(facts.st_mode))) {
        (void)close(descriptor);
        descriptor = -1;
        errno = ENOENT;
    }
    return descriptor;
}

/* Opens it under the name that was seen last. END: there is no such file. */
static int open_known(const poplin_maildir *maildir, size_t index, int *descriptor, poplin_error *error) {
    const poplin_maildir_message_facts *message = &maildir->messages[index];
    if (message->name == POPLIN_MAILDIR_ABSENT)
        return POPLIN_END;
    const char *name = poplin_buffer_slice(&maildir->names).data + message->name;
    *descriptor = open_regular(maildir->folders[message->folder], name);
    if (*descriptor >= 0)
        return POPLIN_OK;
    if (errno == ENOENT || errno == ELOOP || errno == ENXIO)
        return POPLIN_END;
    return poplin_maildir_failed_at(maildir, error, READING, message->folder, name);
}

int poplin_maildir_message(poplin_maildir *maildir, size_t index, int *descriptor, poplin_error *error) {
    const poplin_maildir_message_facts *message = &maildir->messages[index];
    bool may_be_there = message->name != POPLIN_MAILDIR_ABSENT || poplin_maildir_may_have_changed(maildir);
    int status = open_known(maildir, index, descriptor, error);
    /* It may be renamed again between the look and the opening. */
    for (int attempt = 0; status == POPLIN_END && may_be_there && attempt < ATTEMPTS; attempt++) {
        status = poplin_maildir_look_again(maildir, READING, error);
        if (status == POPLIN_OK)
            status = open_known(maildir, index, descriptor, error);
        may_be_there = message->name != POPLIN_MAILDIR_ABSENT;
    }
    if (status != POPLIN_END)
        return status;
    return poplin_fail(error, POPLIN_ERR_REFUSED, "", "the message is no longer there");
}
