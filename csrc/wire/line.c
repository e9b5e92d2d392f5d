/*
 * wire/line.c - takes lines out of lent octets. A line that lies whole in them is handed out where it lies; only a
 * cut one is copied.
 */
#include "wire/line.h"

#include <string.h>

/* The position behind the first CRLF in [from, end), where before is the octet in front of from; NULL: none. */
static const char *behind_line_end(const char *from, const char *end, char before) {
    for (const char *scan = from; scan < end; scan++) {
        scan = memchr(scan, '\n', (size_t)(end - scan));
        if (scan == NULL)
            return NULL;
        if ((scan > from ? scan[-1] : before) == '\r')
            return scan + 1;
    }
    return NULL;
}

/* What ends a line for this reader: the position behind it; NULL: none. */
static const char *behind_line(const poplin_line_reader *reader, const char *from, const char *end, char before) {
    if (!reader->impatient)
        return behind_line_end(from, end, before);
    const char *feed = memchr(from, '\n', (size_t)(end - from));
    return feed != NULL ? feed + 1 : NULL;
}

/* The line in all that was taken: without the CRLF, but with an LF alone, which tells that it is no line. */
static poplin_slice line_in(const char *data, size_t size) {
    bool ended = size >= 2 && data[size - 2] == '\r';
    return (poplin_slice){data, ended ? size - 2 : size};
}

bool poplin_line_is_clean(poplin_slice line) {
    return line.size == 0 || (memchr(line.data, '\0', line.size) == NULL &&
                              memchr(line.data, '\r', line.size) == NULL && memchr(line.data, '\n', line.size) == NULL);
}

/* Swallows as much of [*cursor, end) as belongs to a line that is over the limit. */
static void skip(poplin_line_reader *reader, const char **cursor, const char *end, char before) {
    const char *behind = behind_line_end(*cursor, end, before);
    reader->skipping = behind == NULL;
    reader->skipped_cr = end[-1] == '\r';
    *cursor = behind != NULL ? behind : end;
}

int poplin_line_take(poplin_line_reader *reader, const char **cursor, const char *end, poplin_slice *line) {
    if (reader->returned) {
        reader->returned = false;
        poplin_buffer_clear(&reader->held);
    }
    if (reader->skipping && *cursor < end)
        skip(reader, cursor, end, reader->skipped_cr ? '\r' : '\0');
    if (*cursor == end)
        return POPLIN_NEED_INPUT;

    poplin_slice held = poplin_buffer_slice(&reader->held);
    char before = '\0';
    if (held.size > 0)
        before = held.data[held.size - 1];
    const char *behind = behind_line(reader, *cursor, end, before);
    size_t taken = (size_t)((behind != NULL ? behind : end) - *cursor);
    size_t size = held.size + taken;
    if (size > reader->limit || (size == reader->limit && behind == NULL)) {
        poplin_buffer_clear(&reader->held);
        skip(reader, cursor, end, before);
        return POPLIN_ERR_LIMIT;
    }
    if (behind != NULL && held.size == 0) {
        *line = line_in(*cursor, size);
    } else {
        if (poplin_buffer_append(&reader->held, *cursor, taken) < 0)
            return POPLIN_ERR_NOMEM;
        if (behind == NULL) {
            *cursor = end;
            return POPLIN_NEED_INPUT;
        }
        reader->returned = true;
        *line = line_in(poplin_buffer_slice(&reader->held).data, size);
    }
    *cursor = behind;
    return poplin_line_is_clean(*line) ? POPLIN_OK : POPLIN_ERR_PROTOCOL;
}

void poplin_line_free(poplin_line_reader *reader) {
    poplin_buffer_free(&reader->held);
    reader->returned = false;
    reader->skipping = false;
}
