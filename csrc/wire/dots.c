/*
 * wire/dots.c - dot-stuffing both ways, by whole spans.
 *
 * Messages are mostly octets that mean nothing here, so both directions jump with memchr from one octet that could
 * matter to the next and look at its neighbours. Only where a piece was cut is anything remembered.
 */
#include "wire/dots.h"

#include <string.h>

/* Where a reader that was at place before from stands at at, the octets between being content. */
static enum poplin_unstuffer_place place_at(enum poplin_unstuffer_place place, const char *from, const char *at) {
    if (at == from)
        return place;
    if (at[-1] == '\r')
        return POPLIN_AFTER_CR;
    if (at[-1] == '\n' && (at - 1 == from ? place == POPLIN_AFTER_CR : at[-2] == '\r'))
        return POPLIN_AT_LINE_START;
    return POPLIN_IN_LINE;
}

enum { BLOCK = 64, BLOCKS = 16 };

/* Whether a dot stands behind an LF in a block, or at its start behind one: without branches, for the compiler to vectorize. */
static bool has_leading_dot(const char block[BLOCK]) {
    unsigned char found = 0;

    for (int i = 0; i < BLOCK; i++)
        found |= (unsigned char)((block[i] == '.') & (block[i - 1] == '\n'));
    return found != 0;
}

/*
 * The first dot of [from, end) that stands at the start of a line; end if there is none. Where there are no dots, as in base64,
 * memchr is the quickest; in prose it would stop in every other line, so behind a dot the next KiB goes by blocks.
 */
static const char *find_leading_dot(enum poplin_unstuffer_place place, const char *from, const char *end) {
    const char *dot = from;

    while ((dot = memchr(dot, '.', (size_t)(end - dot))) != NULL) {
        if (place_at(place, from, dot) == POPLIN_AT_LINE_START)
            return dot;
        dot++;
        for (int i = 0; i < BLOCKS && end - dot >= BLOCK && !has_leading_dot(dot); i++)
            dot += BLOCK;
    }
    return end;
}

int poplin_unstuff(poplin_unstuffer *reader, const char **cursor, const char *end, poplin_slice *content) {
    while (*cursor < end) {
        const char *from = *cursor;

        if (reader->place == POPLIN_AFTER_DOT && *from == '\r') {
            reader->place = POPLIN_AFTER_DOT_CR;
            (*cursor)++;
        } else if (reader->place == POPLIN_AFTER_DOT) {
            reader->place = POPLIN_IN_LINE;
        } else if (reader->place == POPLIN_AFTER_DOT_CR && *from == '\n') {
            reader->place = POPLIN_AT_LINE_START;
            (*cursor)++;
            return POPLIN_END;
        } else if (reader->place == POPLIN_AFTER_DOT_CR) {
            /* The line goes on behind ".CR": the CR is content, and may have been lent in an earlier piece. */
            reader->place = POPLIN_AFTER_CR;
            *content = (poplin_slice){"\r", 1};
            return POPLIN_OK;
        } else {
            const char *dot = find_leading_dot(reader->place, from, end);

            if (dot < end) {
                reader->place = POPLIN_AFTER_DOT;
                *cursor = dot + 1;
            } else {
                reader->place = place_at(reader->place, from, end);
                *cursor = end;
            }
            if (dot > from) {
                *content = (poplin_slice){from, (size_t)(dot - from)};
                return POPLIN_OK;
            }
        }
    }
    return POPLIN_NEED_INPUT;
}

/* Where stuffed octets go: room for limit of them and a few more at data, or nowhere where only counting is asked for. */
struct sink {
    char *data;
    size_t size;
    size_t limit;
};

static void put(struct sink *sink, const char *data, size_t size) {
    if (sink->data != NULL)
        memcpy(sink->data + sink->size, data, size);
    sink->size += size;
}

/*
 * The first LF of [from, end) at which the octets cannot go on as they are: it lacks its CR, or a dot follows, or the
 * writer counts lines. NULL: none.
 */
static const char *find_line_end(const poplin_stuffer *writer, const char *from, const char *end) {
    const char *lf = from;

    while ((lf = memchr(lf, '\n', (size_t)(end - lf))) != NULL) {
        bool bare = lf == from ? !writer->after_cr : lf[-1] != '\r';

        if (bare || writer->top || (lf + 1 < end && lf[1] == '.'))
            return lf;
        lf++;
    }
    return NULL;
}

/* Puts [from, end), which holds no LF that find_line_end names. */
static void put_span(poplin_stuffer *writer, struct sink *sink, const char *from, const char *end) {
    bool starts_line = !writer->in_line;

    put(sink, from, (size_t)(end - from));
    writer->octets += (uint64_t)(end - from);
    writer->after_cr = end[-1] == '\r';
    writer->in_line = end[-1] != '\n';
    writer->line_empty = starts_line && writer->after_cr && end - from == 1;
}

/* Puts the end of a line whose CR, if it has one, was put before. */
static void put_line_end(poplin_stuffer *writer, struct sink *sink) {
    bool empty = !writer->in_line || writer->line_empty;
    size_t size = writer->after_cr ? 1 : 2;

    put(sink, size == 1 ? "\n" : "\r\n", size);
    writer->octets += size;
    writer->in_line = writer->after_cr = writer->line_empty = false;
    if (writer->in_body)
        writer->body_lines_left--;
    else
        writer->in_body = writer->top && empty;
}

/* Puts [*cursor, end) as far as the sink has room. */
static int stuff(poplin_stuffer *writer, const char **cursor, const char *end, struct sink *sink) {
    for (;;) {
        if (writer->top && writer->in_body && writer->body_lines_left == 0)
            return POPLIN_END;
        if (*cursor == end)
            return POPLIN_OK;
        if (sink->size >= sink->limit)
            return POPLIN_WAITING;

        if (!writer->in_line && **cursor == '.')
            put(sink, ".", 1);
        size_t room = sink->limit > sink->size ? sink->limit - sink->size : 1;
        const char *stop = (size_t)(end - *cursor) > room ? *cursor + room : end;
        const char *lf = find_line_end(writer, *cursor, stop);
        const char *span = lf != NULL ? lf : stop;

        if (span > *cursor)
            put_span(writer, sink, *cursor, span);
        *cursor = span;
        if (lf != NULL) {
            put_line_end(writer, sink);
            (*cursor)++;
        }
    }
}

int poplin_stuff(poplin_stuffer *writer, const char **cursor, const char *end, poplin_buffer *output, size_t limit) {
    struct sink sink = {NULL, 0, SIZE_MAX};

    if (output != NULL && *cursor < end) {
        size_t most = 2 * (size_t)(end - *cursor); /* nothing but LF, or LF and dot in turn */

        sink.limit = limit > output->size ? limit - output->size : 0;
        sink.data = poplin_buffer_reserve(output, (most < sink.limit ? most : sink.limit) + 2);
        if (sink.data == NULL)
            return POPLIN_ERR_NOMEM;
    }
    int result = stuff(writer, cursor, end, &sink);

    if (sink.data != NULL)
        poplin_buffer_grow(output, sink.size);
    return result;
}

int poplin_stuff_end(poplin_stuffer *writer, poplin_buffer *output) {
    const char *rest = writer->in_line ? "\r\n.\r\n" : ".\r\n";

    if (writer->in_line)
        writer->octets += 2;
    writer->in_line = false;
    return output == NULL ? POPLIN_OK : poplin_buffer_append(output, rest, strlen(rest));
}
