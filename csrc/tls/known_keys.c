/*
 * tls/known_keys.c - trust on first use: a file that keeps the key of each server from the first contact on, a line each,
 * "mail.example.org:995 " and its pin. Empty lines and those that begin with "#" are the user's.
 *
 * GnuTLS has such a file too, but its functions neither tell which key is kept, nor keep two processes that meet a server at
 * the same time from each keeping the key that it saw. Here look-up and addition are one step under a lock, and a line counts only
 * once its line end is written: what a crash has left of one was trusted by nobody, and gives way to the next.
 */
#include "tls/known_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tls/verify.h"
#include "wire/buffer.h"
#include "wire/failure.h"
#include "wire/grammar.h"

static const char DOING[] = "certificate check";

enum { FILE_MAX = 4 << 20 };

typedef struct key_file {
    const char *path;
    int descriptor;
    poplin_buffer text;
    size_t whole; /* octets of the lines that are complete */
    poplin_error *error;
} key_file;

static int cannot(const key_file *file, const char *what) {
    return poplin_fail(file->error, POPLIN_ERR_IO, DOING, "cannot %s the file of known keys, %s: %s", what, file->path,
                       strerror(errno));
}

static int open_locked(key_file *file) {
    file->descriptor = open(file->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    if (file->descriptor < 0)
        return cannot(file, "open");
    struct stat about;
    if (fstat(file->descriptor, &about) != 0)
        return cannot(file, "look at");
    if (!S_ISREG(about.st_mode))
        return poplin_fail(file->error, POPLIN_ERR_IO, DOING, "%s, for known keys, is no regular file", file->path);
    if (about.st_size > FILE_MAX)
        return poplin_fail(file->error, POPLIN_ERR_LIMIT, DOING, "the file of known keys, %s, is too long", file->path);
    int code;
    do
        code = flock(file->descriptor, LOCK_EX);
    while (code != 0 && errno == EINTR);
    return code == 0 ? POPLIN_OK : cannot(file, "lock");
}

/* Others may have added to it since it was looked at, so the limit is that of what is read. */
static int read_all(key_file *file) {
    enum { PIECE = 16384 };
    for (;;) {
        char *room = poplin_buffer_reserve(&file->text, PIECE);
        if (room == NULL)
            return poplin_fail(file->error, POPLIN_ERR_NOMEM, DOING, "out of memory");
        ssize_t got = read(file->descriptor, room, PIECE);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return cannot(file, "read");
        if (got == 0)
            return POPLIN_OK;
        poplin_buffer_grow(&file->text, (size_t)got);
        if (file->text.size > FILE_MAX + PIECE)
            return poplin_fail(file->error, POPLIN_ERR_LIMIT, DOING, "the file of known keys, %s, is too long",
                               file->path);
    }
}

/* Splits a line at its space. False: it is not as this file writes it. */
static bool read_line(poplin_slice line, poplin_slice *peer, poplin_pin *pin) {
    const char *space = memchr(line.data, ' ', line.size);
    if (space == NULL || space == line.data)
        return false;
    *peer = (poplin_slice){line.data, (size_t)(space - line.data)};
    return poplin_pin_parse((poplin_slice){space + 1, line.size - peer->size - 1}, pin);
}

static int damaged(const key_file *file, size_t number) {
    return poplin_fail(file->error, POPLIN_ERR_CERTIFICATE, DOING,
                       "line %zu of the file of known keys, %s, cannot be understood; mend or remove it", number,
                       file->path);
}

/* OK: *known is what is kept of the peer; END: nothing is. */
static int find(key_file *file, const char *peer, poplin_pin *known) {
    poplin_slice rest = poplin_buffer_slice(&file->text);
    int status = POPLIN_END;
    for (size_t number = 1;; number++) {
        const char *end = rest.size > 0 ? memchr(rest.data, '\n', rest.size) : NULL;
        if (end == NULL)
            break;
        poplin_slice line = {rest.data, (size_t)(end - rest.data)}, name;
        poplin_pin pin;
        rest = (poplin_slice){end + 1, rest.size - line.size - 1};
        if (line.size == 0 || line.data[0] == '#')
            continue;
        if (!read_line(line, &name, &pin))
            return damaged(file, number);
        if (!poplin_slice_equal_nocase(name, peer))
            continue;
        if (status == POPLIN_OK && !poplin_pin_equal(&pin, known))
            return damaged(file, number); /* a second line that says otherwise: which one is to be believed? */
        *known = pin;
        status = POPLIN_OK;
    }
    file->whole = file->text.size - rest.size;
    return status;
}

/* What a crash has left goes first; what cannot be written whole is taken back. */
static int add(key_file *file, const char *peer, const poplin_pin *pin) {
    char line[POPLIN_PEER_KEY_SIZE + sizeof pin->text + 2];
    int size = snprintf(line, sizeof line, "%s %s\n", peer, pin->text);
    if (file->whole < file->text.size && ftruncate(file->descriptor, (off_t)file->whole) != 0)
        return cannot(file, "mend");
    ssize_t written = write(file->descriptor, line, (size_t)size);
    if (written == size && fsync(file->descriptor) == 0)
        return POPLIN_OK;
    if (written >= 0 && written < size)
        errno = ENOSPC;
    int status = cannot(file, "write");
    (void)!ftruncate(file->descriptor, (off_t)file->whole);
    return status;
}

static int changed(const key_file *file, const char *peer, const poplin_pin *known, const poplin_pin *pin) {
    return poplin_fail(file->error, POPLIN_ERR_CERTIFICATE, DOING,
                       "the server's key is now %s, and was %s: if its owner tells you that it has a new key, "
                       "remove the line of %s from %s; else somebody may be in between",
                       pin->text, known->text, peer, file->path);
}

static int look_up(key_file *file, const char *peer, const poplin_pin *pin, bool keep, bool *added) {
    poplin_pin known;
    int status = open_locked(file);
    if (status == POPLIN_OK)
        status = read_all(file);
    if (status == POPLIN_OK)
        status = find(file, peer, &known);
    if (status == POPLIN_OK && !poplin_pin_equal(&known, pin))
        status = changed(file, peer, &known, pin);
    if (status == POPLIN_END && keep) {
        status = add(file, peer, pin);
        *added = status == POPLIN_OK;
    }
    return status == POPLIN_END ? POPLIN_OK : status;
}

int poplin_known_key(const char *path, const char *peer, const poplin_pin *pin, bool keep, bool *added,
                     poplin_error *error) {
    key_file file = {.path = path, .descriptor = -1, .error = error};
    *added = false;
    int status = look_up(&file, peer, pin, keep, added);
    if (file.descriptor >= 0)
        (void)close(file.descriptor); /* lets go of the lock */
    poplin_buffer_free(&file.text);
    return status;
}
