/*
 * fetch/delivery_folders.c - the folders of a Maildir: made and opened, flushed to the disk; tmp cleaned of what was left in it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fetch/delivery.h"
#include "wire/failure.h"
#include "wire/grammar.h"

enum { PATH_SHOWN = 120, NAME_SHOWN = 100, FORGOTTEN_SECONDS = 36 * 60 * 60 };

static const char OPENING[] = "opening a Maildir for delivery";

static const char *const FOLDER_NAMES[POPLIN_DELIVERY_FOLDERS] = {"tmp", "new", "cur"};

/* ---- failing ---- */

int poplin_delivery_failed_at(const poplin_delivery *delivery, poplin_error *error, const char *doing, size_t folder,
                              const char *name) {
    return poplin_fail(error, POPLIN_ERR_IO, doing, "%s/%s%s%s: %s", poplin_visible_end(delivery->path, PATH_SHOWN),
                       FOLDER_NAMES[folder], name[0] == '\0' ? "" : "/", poplin_visible_end(name, NAME_SHOWN),
                       strerror(errno));
}

static int failed_at_path(const char *path, poplin_error *error) {
    return poplin_fail(error, POPLIN_ERR_IO, OPENING, "%s: %s", poplin_visible_end(path, PATH_SHOWN), strerror(errno));
}

/* ---- flushing ---- */

/* Some file systems have no such call for folders, and say so. */
static bool flush(int folder) {
    int result;
    do
        result = fsync(folder);
    while (result != 0 && errno == EINTR);
    return result == 0 || errno == EINVAL || errno == ENOTSUP;
}

int poplin_delivery_flush_folder(poplin_delivery *delivery, size_t folder, poplin_error *error) {
    if (!flush(delivery->folders[folder]))
        return poplin_delivery_failed_at(delivery, error, poplin_delivery_doing, folder, "");
    return POPLIN_OK;
}

/* Flushes the folder that name leads to from root; where it may not be read, all that its file system holds. */
static bool flush_at(int root, const char *name) {
    int folder = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 && errno == EACCES)
        return syncfs(root) == 0;
    bool flushed = folder >= 0 && flush(folder);
    int reason = errno;
    if (folder >= 0)
        (void)close(folder);
    errno = reason;
    return flushed;
}

/* ---- opening ---- */

/* Opens what is there, or makes it first. *made: it did. -1: neither can be done. */
static int open_or_make(int parent, const char *path, int flags, bool *made) {
    int folder = openat(parent, path, flags | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0 || errno != ENOENT)
        return folder;
    if (mkdirat(parent, path, 0700) == 0)
        *made = true;
    else if (errno != EEXIST) /* another delivery was quicker */
        return -1;
    return openat(parent, path, flags | O_DIRECTORY | O_CLOEXEC);
}

static int no_folder(const poplin_delivery *delivery, size_t folder, poplin_error *error) {
    if (errno == ENOTDIR || errno == ELOOP)
        return poplin_fail(error, POPLIN_ERR_IO, OPENING, "%s is no Maildir: its \"%s\" is no folder (a link is none)",
                           poplin_visible_end(delivery->path, PATH_SHOWN), FOLDER_NAMES[folder]);
    return poplin_delivery_failed_at(delivery, error, OPENING, folder, "");
}

static int open_each(poplin_delivery *delivery, int root, poplin_error *error) {
    bool made = false;
    for (size_t i = 0; i < POPLIN_DELIVERY_FOLDERS; i++) {
        delivery->folders[i] = open_or_make(root, FOLDER_NAMES[i], O_RDONLY | O_NOFOLLOW, &made);
        if (delivery->folders[i] < 0)
            return no_folder(delivery, i, error);
    }
    return made && !flush_at(root, ".") ? failed_at_path(delivery->path, error) : POPLIN_OK;
}

int poplin_delivery_folders_open(poplin_delivery *delivery, const char *path, poplin_error *error) {
    bool made = false;
    int root = open_or_make(AT_FDCWD, path, O_PATH, &made);
    if (root < 0)
        return failed_at_path(path, error);
    int status = made && !flush_at(root, "..") ? failed_at_path(path, error) : POPLIN_OK;
    char *absolute = realpath(path, NULL);
    if (absolute == NULL)
        absolute = strdup(path);
    delivery->path = absolute;
    if (status == POPLIN_OK && absolute == NULL)
        status = poplin_fail(error, POPLIN_ERR_NOMEM, OPENING, "out of memory");
    if (status == POPLIN_OK)
        status = open_each(delivery, root, error);
    (void)close(root);
    return status;
}

int poplin_delivery_folders_wake(poplin_delivery *delivery, poplin_error *error) {
    int status = POPLIN_OK;
    if (delivery->folders[POPLIN_DELIVERY_FOLDERS - 1] >= 0)
        return POPLIN_OK;
    int root = openat(AT_FDCWD, delivery->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return failed_at_path(delivery->path, error);
    for (size_t i = 0; status == POPLIN_OK && i < POPLIN_DELIVERY_FOLDERS; i++) {
        delivery->folders[i] = openat(root, FOLDER_NAMES[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (delivery->folders[i] < 0)
            status = no_folder(delivery, i, error);
    }
    (void)close(root);
    if (status != POPLIN_OK)
        poplin_delivery_folders_close(delivery);
    return status;
}

void poplin_delivery_folders_close(poplin_delivery *delivery) {
    for (size_t i = 0; i < POPLIN_DELIVERY_FOLDERS; i++) {
        if (delivery->folders[i] >= 0)
            (void)close(delivery->folders[i]);
        delivery->folders[i] = -1;
    }
}

/* ---- cleaning ---- */

static bool is_forgotten(int folder, const char *name, time_t now) {
    struct stat facts;
    if (fstatat(folder, name, &facts, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(facts.st_mode))
        return false;
    time_t touched = facts.st_mtime > facts.st_atime ? facts.st_mtime : facts.st_atime;
    return touched < now - FORGOTTEN_SECONDS;
}

void poplin_delivery_clean(const poplin_delivery *delivery) {
    int folder = delivery->folders[POPLIN_DELIVERY_TMP];
    int descriptor = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = descriptor < 0 ? NULL : fdopendir(descriptor);
    if (stream == NULL) {
        if (descriptor >= 0)
            (void)close(descriptor);
        return;
    }
    time_t now = time(NULL);
    const struct dirent *entry;
    while ((entry = readdir(stream)) != NULL)
        if (poplin_delivery_is_temporary(entry->d_name) && is_forgotten(folder, entry->d_name, now))
            (void)unlinkat(folder, entry->d_name, 0);
    (void)closedir(stream);
}
