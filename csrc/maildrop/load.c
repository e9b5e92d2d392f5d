/*
 * maildrop/load.c - messages read from what lies on the disk: a file, an mbox, a Maildir, a folder of files. All of them
 * are read before the first is delivered, so that a failure delivers none.
 *
 * An mbox is read as mboxrd (RFC 4155 appendix A leaves the quoting open): every line that begins with "From " begins a message, a ">"
 * is taken off each line that begins with ">From ", ">>From " and so on, and the empty line before the next message is not part of one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "maildrop/memory.h"
#include "wire/failure.h"
#include "wire/grammar.h"

enum { CHUNK = 16384, PATH_SHOWN = 160 };

static const char FROM[] = "From ";
static const size_t FROM_SIZE = sizeof FROM - 1;

/* What has been read so far. */
typedef struct loading {
    size_t limit; /* of one message */
    poplin_stored **messages;
    size_t count;
    size_t capacity;
    poplin_buffer octets; /* of the message being read */
    poplin_error *error;
} loading;

/* A file that is being read, and the piece of it that was read last. */
typedef struct source {
    const char *path;
    int descriptor;
    bool begun;  /* of an mbox: its first line was read */
    size_t line; /* of an mbox: where its last line begins in the octets read so far */
    size_t size; /* of the piece */
    char piece[CHUNK];
} source;

/* ---- failing ---- */

static const char LOADING[] = "loading mail";

static const char *shown(const char *path) {
    return poplin_visible_end(path, PATH_SHOWN);
}

static int out_of_memory(const loading *load) {
    return poplin_fail(load->error, POPLIN_ERR_NOMEM, LOADING, "out of memory");
}

static int unreadable(const loading *load, const char *path) {
    return poplin_fail(load->error, POPLIN_ERR_IO, LOADING, "cannot read %s: %s", shown(path), strerror(errno));
}

static int too_large(const loading *load, const char *path) {
    return poplin_fail(load->error, POPLIN_ERR_LIMIT, LOADING, "%s holds a message of more than %zu octets, the limit",
                       shown(path), load->limit);
}

static int no_user(poplin_error *error, poplin_slice user) {
    char name[64];
    poplin_visible(user, name, sizeof name);
    return poplin_fail(error, POPLIN_ERR_REFUSED, LOADING, "there is no user \"%s\"", name);
}

/* ---- one message ---- */

static bool make_room(loading *load) {
    if (load->count < load->capacity)
        return true;
    size_t wanted = load->capacity == 0 ? 16 : load->capacity * 2;
    poplin_stored **moved = realloc(load->messages, wanted * sizeof(poplin_stored *));
    if (moved == NULL)
        return false;
    load->messages = moved;
    load->capacity = wanted;
    return true;
}

/* The octets read so far are a whole message. */
static int end_message(loading *load, const char *path) {
    poplin_slice octets = poplin_buffer_slice(&load->octets);
    if (octets.size > load->limit)
        return too_large(load, path);
    poplin_stored *message = make_room(load) ? poplin_stored_new(octets.data, octets.size) : NULL;
    if (message == NULL)
        return out_of_memory(load);
    load->messages[load->count++] = message;
    poplin_buffer_consume(&load->octets, load->octets.size);
    return POPLIN_OK;
}

/* ---- one file ---- */

/* Reads the next piece; at the end it is empty. */
static int read_piece(const loading *load, source *from) {
    ssize_t got;
    do
        got = read(from->descriptor, from->piece, sizeof from->piece);
    while (got < 0 && errno == EINTR);
    from->size = got > 0 ? (size_t)got : 0;
    return got < 0 ? unreadable(load, from->path) : POPLIN_OK;
}

/* The first piece was read. */
static int read_whole(loading *load, source *from, uint64_t expected) {
    int status = expected > load->limit ? too_large(load, from->path) : POPLIN_OK;
    while (status == POPLIN_OK && from->size > 0) {
        if (poplin_buffer_append(&load->octets, from->piece, from->size) != POPLIN_OK)
            status = out_of_memory(load);
        else if (load->octets.size > load->limit) /* it grows while it is read */
            status = too_large(load, from->path);
        else
            status = read_piece(load, from);
    }
    return status == POPLIN_OK ? end_message(load, from->path) : status;
}

static bool begins_message(poplin_slice line) {
    return line.size >= FROM_SIZE && memcmp(line.data, FROM, FROM_SIZE) == 0;
}

static bool is_quoted(poplin_slice line) {
    size_t quotes = 0;
    while (quotes < line.size && line.data[quotes] == '>')
        quotes++;
    return quotes > 0 && begins_message((poplin_slice){line.data + quotes, line.size - quotes});
}

/* Shortens the octets; what is cut off is overwritten by what follows, or wiped with the rest. */
static void cut(poplin_buffer *octets, size_t size) {
    octets->size = size;
}

/* The empty line that ends a message in an mbox is not its own. */
static void cut_empty_line(poplin_buffer *octets) {
    poplin_slice text = poplin_buffer_slice(octets);
    size_t end = text.size;
    if (end == 0 || text.data[end - 1] != '\n')
        return;
    end--;
    if (end > 0 && text.data[end - 1] == '\r')
        end--;
    if (end == 0 || text.data[end - 1] == '\n')
        cut(octets, end);
}

/* The last line of an mbox is whole. */
static int end_line(loading *load, source *from) {
    poplin_slice octets = poplin_buffer_slice(&load->octets);
    poplin_slice line = {octets.data + from->line, octets.size - from->line};
    int status = POPLIN_OK;
    if (begins_message(line)) {
        cut(&load->octets, from->line);
        cut_empty_line(&load->octets);
        if (from->begun)
            status = end_message(load, from->path);
        from->begun = true;
    } else if (is_quoted(line)) {
        char *first = load->octets.memory + load->octets.start + from->line;
        memmove(first, first + 1, line.size - 1);
        cut(&load->octets, octets.size - 1);
    }
    from->line = load->octets.size;
    return status;
}

/* What the line that is not yet whole may add to a message at its limit before it is known what it is. */
static bool outgrows(const loading *load) {
    return load->octets.size > load->limit && load->octets.size - load->limit > CHUNK;
}

static int split_piece(loading *load, source *from) {
    const char *end = from->piece + from->size;
    int status = POPLIN_OK;
    for (const char *at = from->piece; status == POPLIN_OK && at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *next = newline == NULL ? end : newline + 1;
        if (poplin_buffer_append(&load->octets, at, (size_t)(next - at)) != POPLIN_OK)
            status = out_of_memory(load);
        else if (newline != NULL)
            status = end_line(load, from);
        if (status == POPLIN_OK && outgrows(load))
            status = too_large(load, from->path);
        at = next;
    }
    return status;
}

/* The first piece was read. */
static int read_mbox(loading *load, source *from) {
    int status = POPLIN_OK;
    while (status == POPLIN_OK && from->size > 0) {
        status = split_piece(load, from);
        if (status == POPLIN_OK)
            status = read_piece(load, from);
    }
    if (status == POPLIN_OK && load->octets.size > from->line) /* the last line has no end */
        status = end_line(load, from);
    cut_empty_line(&load->octets);
    return status == POPLIN_OK ? end_message(load, from->path) : status;
}

/* Not waiting: what was a regular file a moment ago may be a pipe by now. */
static int read_file(loading *load, const char *path, bool may_be_mbox) {
    source from = {.path = path, .descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
    if (from.descriptor < 0)
        return unreadable(load, path);
    struct stat facts;
    int status;
    if (fstat(from.descriptor, &facts) != 0)
        status = unreadable(load, path);
    else if (!S_ISREG(facts.st_mode))
        status = poplin_fail(load->error, POPLIN_ERR_IO, LOADING, "%s is no regular file", shown(path));
    else
        status = read_piece(load, &from);
    if (status == POPLIN_OK)
        status = may_be_mbox && begins_message((poplin_slice){from.piece, from.size})
                     ? read_mbox(load, &from)
                     : read_whole(load, &from, (uint64_t)facts.st_size);
    (void)close(from.descriptor);
    return status;
}

/* ---- folders ---- */

static int is_visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Freed by free(). NULL: out of memory. */
static char *path_in(const char *folder, const char *name) {
    char *path;
    return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

/* What is no file, a folder say, is passed over; a link that leads nowhere is not. */
static int read_entry(loading *load, const char *folder, const char *name) {
    char *path = path_in(folder, name);
    if (path == NULL)
        return out_of_memory(load);
    struct stat facts;
    int status = POPLIN_OK;
    if (stat(path, &facts) != 0)
        status = unreadable(load, path);
    else if (S_ISREG(facts.st_mode))
        status = read_file(load, path, false);
    free(path);
    return status;
}

static int read_folder(loading *load, const char *folder) {
    struct dirent **entries;
    int count = scandir(folder, &entries, is_visible, by_name);
    if (count < 0)
        return errno == ENOMEM ? out_of_memory(load) : unreadable(load, folder);
    int status = POPLIN_OK;
    for (int i = 0; i < count; i++) {
        if (status == POPLIN_OK)
            status = read_entry(load, folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return status;
}

static bool is_folder(const char *path) {
    struct stat facts;
    return stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
}

/* A folder that holds both of these is a Maildir; what is in its third, tmp, has not been delivered. */
static int read_folder_or_maildir(loading *load, const char *path) {
    char *old = path_in(path, "cur");
    char *fresh = path_in(path, "new");
    int status;
    if (old == NULL || fresh == NULL) {
        status = out_of_memory(load);
    } else if (is_folder(old) && is_folder(fresh)) {
        status = read_folder(load, old);
        if (status == POPLIN_OK)
            status = read_folder(load, fresh);
    } else {
        status = read_folder(load, path);
    }
    free(old);
    free(fresh);
    return status;
}

/* ---- the whole ---- */

static int read_path(loading *load, const char *path) {
    struct stat facts;
    if (stat(path, &facts) != 0)
        return unreadable(load, path);
    if (S_ISDIR(facts.st_mode))
        return read_folder_or_maildir(load, path);
    if (S_ISREG(facts.st_mode))
        return read_file(load, path, true);
    return poplin_fail(load->error, POPLIN_ERR_IO, LOADING, "%s is neither a file nor a folder", shown(path));
}

static bool has_user(poplin_memory *memory, poplin_slice user) {
    poplin_memory_lock(memory);
    bool found = poplin_memory_find(memory, user) != NULL;
    poplin_memory_unlock(memory);
    return found;
}

/* *delivered gets a list, unless it is NULL. */
static int deliver(poplin_memory *memory, poplin_slice user, const loading *load, poplin_memory_list **delivered) {
    poplin_memory_list *list = delivered == NULL ? NULL : poplin_memory_list_of(load->messages, load->count);
    if (delivered != NULL && list == NULL)
        return out_of_memory(load);
    poplin_memory_lock(memory);
    int status = poplin_memory_append(memory, user, load->messages, load->count);
    poplin_memory_unlock(memory);
    if (status == POPLIN_OK && delivered != NULL)
        *delivered = list;
    else
        poplin_memory_list_free(list);
    if (status == POPLIN_ERR_REFUSED) /* removed meanwhile */
        return no_user(load->error, user);
    return status == POPLIN_OK ? POPLIN_OK : out_of_memory(load);
}

int poplin_memory_load(poplin_memory *memory, poplin_slice user, const char *path, poplin_memory_list **delivered,
                       poplin_error *error) {
    if (!has_user(memory, user))
        return no_user(error, user);
    loading load = {.limit = poplin_memory_get_limit(memory), .error = error};
    int status = read_path(&load, path);
    if (status == POPLIN_OK)
        status = deliver(memory, user, &load, delivered);
    for (size_t i = 0; status != POPLIN_OK && i < load.count; i++)
        poplin_stored_release(load.messages[i]);
    free(load.messages);
    poplin_buffer_free(&load.octets);
    return status;
}
