/*
 * fetch/delivery_file.c - one message as a file: in tmp while it is written, in new when it is whole and safe.
 *
 * It moves by a rename that replaces nothing, one step that cannot be stopped half way; where the file system has none, it is
 * linked into new, which replaces nothing either, and unlinked from tmp.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fetch/delivery.h"
#include "fetch/marks.h"
#include "wire/failure.h"

enum { OPEN_ATTEMPTS = 8, PLACE_ATTEMPTS = 9, HALF = POPLIN_DELIVERY_OUTPUT_SIZE / 2 };

static int failed(const poplin_delivery *delivery, poplin_error *error) {
    return poplin_delivery_failed_at(delivery, error, poplin_delivery_doing, POPLIN_DELIVERY_TMP, delivery->temporary);
}

/* ---- written in tmp ---- */

int poplin_delivery_file_open(poplin_delivery *delivery, poplin_error *error) {
    int folder = delivery->folders[POPLIN_DELIVERY_TMP];
    delivery->file = -1;
    delivery->filled = 0;
    delivery->held_cr = false;
    for (int attempt = 0; attempt < OPEN_ATTEMPTS && delivery->file < 0; attempt++) {
        poplin_delivery_name_temporary(delivery);
        delivery->file =
            openat(folder, delivery->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (delivery->file < 0 && errno != EEXIST && errno != EINTR)
            break;
    }
    return delivery->file < 0 ? failed(delivery, error) : POPLIN_OK;
}

static int write_out(poplin_delivery *delivery, const char *data, size_t size, poplin_error *error) {
    while (size > 0) {
        ssize_t written = write(delivery->file, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            errno = written == 0 ? ENOSPC : errno;
            return failed(delivery, error);
        }
        data += written;
        size -= (size_t)written;
    }
    return POPLIN_OK;
}

static int write_filled(poplin_delivery *delivery, poplin_error *error) {
    size_t filled = delivery->filled;
    delivery->filled = 0;
    return write_out(delivery, delivery->output, filled, error);
}

/* Gathers what is small: a call of the system's costs as much as copying some thousand octets. */
static int put(poplin_delivery *delivery, const char *data, size_t size, poplin_error *error) {
    if (size > POPLIN_DELIVERY_OUTPUT_SIZE - delivery->filled) {
        int status = write_filled(delivery, error);
        if (status != POPLIN_OK || size >= POPLIN_DELIVERY_OUTPUT_SIZE)
            return status != POPLIN_OK ? status : write_out(delivery, data, size, error);
    }
    memcpy(delivery->output + delivery->filled, data, size);
    delivery->filled += size;
    return POPLIN_OK;
}

/* Leaves out each CR that stands before an LF; one at the very end is held until the next octet is known. */
static int put_lines(poplin_delivery *delivery, const char *at, size_t size, poplin_error *error) {
    const char *end = at + size;
    int status = POPLIN_OK;
    if (delivery->held_cr && *at != '\n')
        status = put(delivery, "\r", 1, error);
    delivery->held_cr = false;
    while (status == POPLIN_OK && at < end) {
        const char *cr = memchr(at, '\r', (size_t)(end - at));
        const char *next = cr == NULL ? end : cr + 1;
        bool kept = cr != NULL && next < end && *next != '\n';
        delivery->held_cr = cr != NULL && next == end;
        status = put(delivery, at, (size_t)((cr == NULL || kept ? next : cr) - at), error);
        at = next;
    }
    return status;
}

int poplin_delivery_file_write(poplin_delivery *delivery, poplin_slice octets, poplin_error *error) {
    if (octets.size == 0)
        return POPLIN_OK;
    return delivery->crlf ? put(delivery, octets.data, octets.size, error)
                          : put_lines(delivery, octets.data, octets.size, error);
}

int poplin_delivery_file_complete(poplin_delivery *delivery, poplin_error *error) {
    int status = delivery->held_cr ? put(delivery, "\r", 1, error) : POPLIN_OK;
    delivery->held_cr = false;
    return status == POPLIN_OK ? write_filled(delivery, error) : status;
}

/* ---- compared ---- */

bool poplin_delivery_file_equals(poplin_delivery *delivery, int other) {
    int file = openat(delivery->folders[POPLIN_DELIVERY_TMP], delivery->temporary, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    /* output serves to read into: all that was in it is written */
    bool equal = file >= 0 && poplin_files_are_same(file, other, delivery->output, HALF);
    if (file >= 0)
        (void)close(file);
    return equal;
}

/* Whether what stands in new under the name is this very message: another delivery of it came first. */
static bool is_placed(poplin_delivery *delivery) {
    int other = openat(delivery->folders[POPLIN_DELIVERY_NEW], delivery->name,
                       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    bool equal = other >= 0 && poplin_delivery_file_equals(delivery, other) && fsync(other) == 0;
    if (other >= 0)
        (void)close(other);
    return equal;
}

/* ---- put in its place ---- */

static int flush_and_close(poplin_delivery *delivery, poplin_error *error) {
    int result;
    do
        result = fsync(delivery->file);
    while (result != 0 && errno == EINTR);
    if (result != 0)
        return failed(delivery, error); /* what failed once is not asked again: the system may have forgotten it */
    result = close(delivery->file);
    delivery->file = -1; /* closed, whatever it said */
    return result != 0 && errno != EINTR ? failed(delivery, error) : POPLIN_OK;
}

static bool has_no_such_call(int reason) {
    return reason == EINVAL || reason == ENOSYS || reason == ENOTSUP;
}

/* Whether it stands in new now; else errno says why not. */
static bool move(poplin_delivery *delivery) {
    int from = delivery->folders[POPLIN_DELIVERY_TMP], to = delivery->folders[POPLIN_DELIVERY_NEW];
    if (!delivery->links) {
        if (renameat2(from, delivery->temporary, to, delivery->name, RENAME_NOREPLACE) == 0)
            return true;
        delivery->links = has_no_such_call(errno);
        if (!delivery->links)
            return false;
    }
    if (linkat(from, delivery->temporary, to, delivery->name, 0) != 0)
        return false;
    (void)unlinkat(from, delivery->temporary, 0); /* else it is removed when it is old */
    return true;
}

static int not_placed(const poplin_delivery *delivery, poplin_error *error) {
    if (delivery->links && (errno == EPERM || has_no_such_call(errno)))
        return poplin_fail(error, POPLIN_ERR_IO, poplin_delivery_doing,
                           "the file system of %s can neither link a file nor rename it without replacing another",
                           delivery->path);
    return poplin_delivery_failed_at(delivery, error, poplin_delivery_doing, POPLIN_DELIVERY_NEW, delivery->name);
}

int poplin_delivery_file_place(poplin_delivery *delivery, poplin_error *error) {
    int status = flush_and_close(delivery, error);
    if (status != POPLIN_OK)
        return status;
    for (int turn = 1;; turn++) {
        poplin_delivery_name_final(delivery, turn);
        if (move(delivery))
            return POPLIN_OK;
        if (errno != EEXIST || turn == PLACE_ATTEMPTS)
            return not_placed(delivery, error);
        if (is_placed(delivery)) {
            poplin_delivery_file_remove(delivery);
            return POPLIN_OK;
        }
    }
}

void poplin_delivery_file_remove(poplin_delivery *delivery) {
    if (delivery->file >= 0)
        (void)close(delivery->file);
    delivery->file = -1;
    (void)unlinkat(delivery->folders[POPLIN_DELIVERY_TMP], delivery->temporary, 0);
}
