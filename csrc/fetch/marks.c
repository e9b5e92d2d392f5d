/*
 * fetch/marks.c - messages told apart by what their senders wrote, and not by what the server did: fields like Status and
 * X-UIDL, which GNU Mailutils, qpopper and others put into a message at the end of the first session that sees it, so that
 * it is another, and larger, in the second.
 */
#include "fetch/marks.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const names[] = {
    "Status:", "X-Status:", "X-UID:", "X-UIDL:", "X-Keywords:", "X-IMAP:", "X-IMAPbase:"};

bool poplin_is_mark(poplin_slice line) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t size = strlen(names[i]);
        if (line.size >= size && strncasecmp(line.data, names[i], size) == 0)
            return true;
    }
    return false;
}

bool poplin_is_folded(poplin_slice line) {
    return line.size > 0 && (*line.data == ' ' || *line.data == '\t');
}

/* ---- comparing files ---- */

/* A file, read on as it is compared. */
typedef struct reader {
    int file;
    char *room;
    size_t size; /* of room */
    off_t place; /* up to which it is read */
    size_t at;   /* what is before it in room is done with */
    size_t filled;
    size_t piece; /* octets from at on that are to be compared */
    bool inside;  /* a line has begun before at */
    bool mark;    /* ... of a field that does not count */
    bool body;
    bool failed;
} reader;

/* Has the whole file, or more than a mark's beginning, in room. */
static void fill(reader *from) {
    if (from->filled - from->at >= POPLIN_MARK_SIZE)
        return;
    memmove(from->room, from->room + from->at, from->filled - from->at);
    from->filled -= from->at;
    from->at = 0;
    while (from->filled < from->size) {
        ssize_t got = pread(from->file, from->room + from->filled, from->size - from->filled, from->place);
        if (got < 0 && errno == EINTR)
            continue;
        from->failed = from->failed || got < 0;
        if (got <= 0)
            return;
        from->filled += (size_t)got;
        from->place += got;
    }
}

static bool is_empty(poplin_slice line) {
    return (line.size > 0 && *line.data == '\n') || (line.size > 1 && memcmp(line.data, "\r\n", 2) == 0);
}

/* Finds the next octets that count, one of a line's at most while it is in the header. False: the file has ended. */
static bool find(reader *from) {
    while (from->piece == 0) {
        fill(from);
        poplin_slice left = {from->room + from->at, from->filled - from->at};
        if (left.size == 0)
            return false;
        if (!from->inside) {
            from->body = from->body || is_empty(left);
            from->mark = !from->body && (poplin_is_folded(left) ? from->mark : poplin_is_mark(left));
        }
        const char *end = from->body ? NULL : memchr(left.data, '\n', left.size);
        size_t size = end == NULL ? left.size : (size_t)(end - left.data) + 1;
        from->inside = end == NULL;
        if (from->mark)
            from->at += size;
        else
            from->piece = size;
    }
    return true;
}

static void advance(reader *from, size_t size) {
    from->at += size;
    from->piece -= size;
}

static bool is_regular(int file) {
    struct stat facts;
    return fstat(file, &facts) == 0 && S_ISREG(facts.st_mode);
}

/* Whether nothing more comes of it than line ends, which some servers add behind a header without a body. */
static bool ends(reader *from) {
    while (find(from)) {
        for (; from->piece > 0; advance(from, 1))
            if (from->room[from->at] != '\n' && from->room[from->at] != '\r')
                return false;
    }
    return !from->failed;
}

bool poplin_files_are_same(int file, int other, char *room, size_t half) {
    if (!is_regular(file) || !is_regular(other))
        return false;
    reader ours = {.file = file, .room = room, .size = half};
    reader theirs = {.file = other, .room = room + half, .size = half};
    for (;;) {
        bool more = find(&ours), others_more = find(&theirs);
        if (!more || !others_more)
            return ends(&ours) && ends(&theirs);
        size_t size = ours.piece < theirs.piece ? ours.piece : theirs.piece;
        if (memcmp(ours.room + ours.at, theirs.room + theirs.at, size) != 0)
            return false;
        advance(&ours, size);
        advance(&theirs, size);
    }
}
