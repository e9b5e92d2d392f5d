/*
 * fetch/delivery_group.c - complete files that wait in tmp, and go into new together: to flush many at once takes a disk little longer
 * than to flush one.
 *
 * A file moves by a rename that replaces nothing, one step that cannot be stopped half way; where the file system has none, it is
 * linked into new, which replaces nothing either, and unlinked from tmp.
 *
 * What cannot be flushed or moved is removed and holds back nobody else, but the delivery cannot be settled then.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fetch/delivery.h"
#include "wire/failure.h"

enum { TURNS = 9 };

/* ---- names in new ---- */

/* Whether what stands in new under the name is this very message: another delivery of it came first. */
static bool is_there(const poplin_delivery *delivery, const poplin_delivery_file *file) {
    int other = openat(delivery->folders[POPLIN_DELIVERY_NEW], file->name,
                       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    bool equal = other >= 0 && poplin_delivery_file_equals(delivery, file, other) && fsync(other) == 0;
    if (other >= 0)
        (void)close(other);
    return equal;
}

static bool has_no_such_call(int reason) {
    return reason == EINVAL || reason == ENOSYS || reason == ENOTSUP;
}

static int not_placed(const poplin_delivery *delivery, const poplin_delivery_file *file, poplin_error *error) {
    if (delivery->links && (errno == EPERM || has_no_such_call(errno)))
        return poplin_fail(error, POPLIN_ERR_IO, poplin_delivery_doing,
                           "the file system of %s can neither link a file nor rename it without replacing another",
                           delivery->path);
    return poplin_delivery_failed_at(delivery, error, poplin_delivery_doing, POPLIN_DELIVERY_NEW, file->name);
}

int poplin_delivery_group_name(poplin_delivery *delivery, bool *found, poplin_error *error) {
    poplin_delivery_file *file = &delivery->file;
    struct stat facts;
    *found = false;
    for (int turn = 1; turn <= TURNS && !*found; turn++) {
        poplin_delivery_name_final(delivery, file, turn);
        if (fstatat(delivery->folders[POPLIN_DELIVERY_NEW], file->name, &facts, AT_SYMLINK_NOFOLLOW) != 0)
            return errno == ENOENT ? POPLIN_OK : not_placed(delivery, file, error);
        *found = is_there(delivery, file);
    }
    errno = EEXIST;
    return *found ? POPLIN_OK : not_placed(delivery, file, error);
}

/* ---- one after the other ---- */

/* Has the disk begin with all of them, so that it has the more to choose from, before one is waited for. */
static void begin_flushing(const poplin_delivery *delivery) {
#ifdef SYNC_FILE_RANGE_WRITE
    for (size_t i = 0; i < delivery->group_count && delivery->group_count > 1; i++)
        (void)sync_file_range(delivery->group[i].descriptor, 0, 0, SYNC_FILE_RANGE_WRITE);
#else
    (void)delivery;
#endif
}

static int flush_and_close(poplin_delivery *delivery, poplin_delivery_file *file, poplin_error *error) {
    int result;
    do
        result = fsync(file->descriptor);
    while (result != 0 && errno == EINTR);
    if (result != 0) /* what failed once is not asked again: the system may have forgotten it */
        return poplin_delivery_file_failed(delivery, file, error);
    result = close(file->descriptor);
    file->descriptor = -1; /* closed, whatever it said */
    return result != 0 && errno != EINTR ? poplin_delivery_file_failed(delivery, file, error) : POPLIN_OK;
}

/* Whether it stands in new now; else errno says why not. */
static bool move(poplin_delivery *delivery, const poplin_delivery_file *file) {
    int from = delivery->folders[POPLIN_DELIVERY_TMP], to = delivery->folders[POPLIN_DELIVERY_NEW];
    if (!delivery->links) {
        if (renameat2(from, file->temporary, to, file->name, RENAME_NOREPLACE) == 0)
            return true;
        delivery->links = has_no_such_call(errno);
        if (!delivery->links)
            return false;
    }
    if (linkat(from, file->temporary, to, file->name, 0) != 0)
        return false;
    (void)unlinkat(from, file->temporary, 0); /* else it is removed when it is old */
    return true;
}

/* Under its name, or the next, where another program has taken it meanwhile. */
static int place(poplin_delivery *delivery, poplin_delivery_file *file, poplin_error *error) {
    while (!move(delivery, file)) {
        if (errno != EEXIST)
            return not_placed(delivery, file, error);
        if (is_there(delivery, file)) {
            poplin_delivery_file_remove(delivery, file);
            return POPLIN_OK;
        }
        errno = EEXIST;
        if (file->turn == TURNS)
            return not_placed(delivery, file, error);
        poplin_delivery_name_final(delivery, file, file->turn + 1);
    }
    return POPLIN_OK;
}

/* ---- all together ---- */

/* Takes each that wait a step further; one with which that fails waits no more. */
static void advance(poplin_delivery *delivery,
                    int (*step)(poplin_delivery *delivery, poplin_delivery_file *file, poplin_error *error)) {
    size_t kept = 0;
    for (size_t i = 0; i < delivery->group_count; i++) {
        poplin_delivery_file *file = &delivery->group[i];
        poplin_error error = {0};
        if (step(delivery, file, &error) == POPLIN_OK) {
            delivery->group[kept++] = *file;
            continue;
        }
        poplin_delivery_file_remove(delivery, file);
        if (delivery->missed_count == 0)
            delivery->group_error = error;
        if (delivery->missed_count < POPLIN_DELIVERY_GROUP_MAX)
            delivery->missed[delivery->missed_count] = file->number;
        delivery->missed_count++;
        delivery->look_again = true;
    }
    delivery->group_count = kept;
}

void poplin_delivery_group_place(poplin_delivery *delivery) {
    begin_flushing(delivery);
    advance(delivery, flush_and_close);
    advance(delivery, place);
    delivery->group_count = 0;
}

/* Whether so many files are open, in all of this process, that others may soon want for some. */
static bool is_crowded(int descriptor) {
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 && (rlim_t)descriptor >= limit.rlim_cur / 2;
}

void poplin_delivery_group_add(poplin_delivery *delivery) {
    if (delivery->group_count == POPLIN_DELIVERY_GROUP_MAX || is_crowded(delivery->file.descriptor))
        poplin_delivery_group_place(delivery);
    delivery->group[delivery->group_count++] = delivery->file;
    delivery->file.descriptor = -1;
}

void poplin_delivery_group_drop(poplin_delivery *delivery) {
    for (size_t i = 0; i < delivery->group_count; i++)
        poplin_delivery_file_remove(delivery, &delivery->group[i]);
    delivery->group_count = 0;
}
