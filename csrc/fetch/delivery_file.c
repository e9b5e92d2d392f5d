/*
 * fetch/delivery_file.c - one message as a file in tmp: made, written, compared with another, or removed.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fetch/delivery.h"
#include "fetch/marks.h"

enum { OPEN_ATTEMPTS = 8, HALF = 8 * 1024 };

int poplin_delivery_file_failed(const poplin_delivery *delivery, const poplin_delivery_file *file,
                                poplin_error *error) {
    return poplin_delivery_failed_at(delivery, error, poplin_delivery_doing, POPLIN_DELIVERY_TMP, file->temporary);
}

/* ---- written in tmp ---- */

/* Under a name that nothing has; -1: errno says why not. */
static int make(poplin_delivery *delivery) {
    int made = -1;
    for (int attempt = 0; attempt < OPEN_ATTEMPTS && made < 0; attempt++) {
        poplin_delivery_name_temporary(delivery);
        made = openat(delivery->folders[POPLIN_DELIVERY_TMP], delivery->file.temporary,
                      O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (made < 0 && errno != EEXIST && errno != EINTR)
            break;
    }
    return made;
}

int poplin_delivery_file_open(poplin_delivery *delivery, poplin_error *error) {
    poplin_delivery_file *file = &delivery->file;
    delivery->filled = 0;
    delivery->held_cr = false;
    file->descriptor = make(delivery);
    if (file->descriptor < 0 && (errno == EMFILE || errno == ENFILE) && delivery->group_count > 0) {
        poplin_delivery_group_place(delivery); /* which closes them */
        file->descriptor = make(delivery);
    }
    return file->descriptor < 0 ? poplin_delivery_file_failed(delivery, file, error) : POPLIN_OK;
}

static int write_out(poplin_delivery *delivery, const char *data, size_t size, poplin_error *error) {
    while (size > 0) {
        ssize_t written = write(delivery->file.descriptor, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            errno = written == 0 ? ENOSPC : errno;
            return poplin_delivery_file_failed(delivery, &delivery->file, error);
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

/* ---- compared, or removed ---- */

bool poplin_delivery_file_equals(const poplin_delivery *delivery, const poplin_delivery_file *file, int other) {
    char room[2 * HALF]; /* output may hold what is written of another message */
    int own = openat(delivery->folders[POPLIN_DELIVERY_TMP], file->temporary, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    bool equal = own >= 0 && poplin_files_are_same(own, other, room, HALF);
    if (own >= 0)
        (void)close(own);
    return equal;
}

void poplin_delivery_file_remove(const poplin_delivery *delivery, poplin_delivery_file *file) {
    if (file->descriptor >= 0)
        (void)close(file->descriptor);
    file->descriptor = -1;
    (void)unlinkat(delivery->folders[POPLIN_DELIVERY_TMP], file->temporary, 0);
}
