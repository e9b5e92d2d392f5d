/*
 * tls/known_keys.c - trust on first use: a file that keeps the key of each server from the first contact on, a line each,
 * "mail.example.org:995 " and its pin. Empty lines and those that begin with "#" are the user's.
 *
 * GnuTLS has such a file too, but its functions neither tell which key is kept, nor keep two processes that meet a server at
 * the same time from each keeping the key that it saw. Here a key is added under a lock, once it is clear that there is still none.
 * Who only looks needs no lock: lines are added whole and never changed. What a crash has left of one was trusted by nobody, and
 * gives way to the next; a last line that lacks nothing but its line end was written by the user, and counts.
 */
#include "tls/known_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
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

/* END: there is no file, and flags create none. */
static int open_file(key_file *file, int flags) {
    file->descriptor = open(file->path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    if (file->descriptor < 0)
        return errno == ENOENT && (flags & O_CREAT) == 0 ? POPLIN_END : cannot(file, "open");
    struct stat about;
    if (fstat(file->descriptor, &about) != 0)
        return cannot(file, "look at");
    if (!S_ISREG(about.st_mode))
        return poplin_fail(file->error, POPLIN_ERR_IO, DOING, "%s, for known keys, is no regular file", file->path);
    if (about.st_size > FILE_MAX)
        return poplin_fail(file->error, POPLIN_ERR_LIMIT, DOING, "the file of known keys, %s, is too long", file->path);
    return POPLIN_OK;
}

static void close_file(key_file *file) {
    if (file->descriptor >= 0)
        (void)close(file->descriptor); /* lets go of the lock */
    poplin_buffer_free(&file->text);
}

/* Others hold it for as long as a write takes; one that has stopped in the middle must not stop this process too. */
static int lock(key_file *file) {
    enum { TRIES = 200 };
    const struct timespec pause = {.tv_nsec = 10L * 1000 * 1000};
    for (int i = 0; i < TRIES; i++) {
        if (flock(file->descriptor, LOCK_EX | LOCK_NB) == 0)
            return POPLIN_OK;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return cannot(file, "lock");
        (void)nanosleep(&pause, NULL);
    }
    return poplin_fail(file->error, POPLIN_ERR_IO, DOING,
                       "another process holds the lock of the file of known keys, %s, and does not let go", file->path);
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
    for (size_t number = 1; rest.size > 0; number++) {
        const char *end = memchr(rest.data, '\n', rest.size);
        poplin_slice line = {rest.data, end != NULL ? (size_t)(end - rest.data) : rest.size}, name = {NULL, 0};
        poplin_pin pin;
        bool remark = line.size == 0 || line.data[0] == '#';
        if (!remark && !read_line(line, &name, &pin)) {
            if (end == NULL)
                break; /* the beginning of a line */
            return damaged(file, number);
        }
        size_t taken = line.size + (end != NULL);
        rest = (poplin_slice){rest.data + taken, rest.size - taken};
        if (remark || !poplin_slice_equal_nocase(name, peer))
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
    char line[POPLIN_PEER_KEY_SIZE + sizeof pin->text + 3];
    bool ended = file->whole == 0 || poplin_buffer_slice(&file->text).data[file->whole - 1] == '\n';
    int size = snprintf(line, sizeof line, "%s%s %s\n", ended ? "" : "\n", peer, pin->text);
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

/* OK: this key is kept; END: none is. */
static int compare(key_file *file, const char *peer, const poplin_pin *pin) {
    poplin_pin known;
    int status = read_all(file);
    if (status == POPLIN_OK)
        status = find(file, peer, &known);
    if (status == POPLIN_OK && !poplin_pin_equal(&known, pin))
        status = changed(file, peer, &known, pin);
    return status;
}

static int look_up(const char *path, const char *peer, const poplin_pin *pin, poplin_error *error) {
    key_file file = {.path = path, .descriptor = -1, .error = error};
    int status = open_file(&file, O_RDONLY);
    if (status == POPLIN_OK)
        status = compare(&file, peer, pin);
    close_file(&file);
    return status;
}

/* Another process may have been faster. */
static int keep_first(const char *path, const char *peer, const poplin_pin *pin, bool *added, poplin_error *error) {
    key_file file = {.path = path, .descriptor = -1, .error = error};
    int status = open_file(&file, O_RDWR | O_CREAT | O_APPEND);
    if (status == POPLIN_OK)
        status = lock(&file);
    if (status == POPLIN_OK)
        status = compare(&file, peer, pin);
    if (status == POPLIN_END) {
        status = add(&file, peer, pin);
        *added = status == POPLIN_OK;
    }
    close_file(&file);
    return status;
}

int poplin_known_key(const char *path, const char *peer, const poplin_pin *pin, bool keep, bool *added,
                     poplin_error *error) {
    *added = false;
    int status = look_up(path, peer, pin, error);
    if (status == POPLIN_END)
        status = keep ? keep_first(path, peer, pin, added, error) : POPLIN_OK;
    return status;
}
