/*
 * testkit/shape.c - a reply taken apart.
 */
#include "testkit/shape.h"

#include <string.h>

#include "wire/grammar.h"

bool poplin_reply_is_ok(poplin_slice reply) {
    return reply.size >= 3 && memcmp(reply.data, "+OK", 3) == 0;
}

bool poplin_reply_is_multi_line(enum poplin_verb verb, uint32_t number, bool ok) {
    bool content = verb == POPLIN_CAPA || verb == POPLIN_RETR || verb == POPLIN_TOP;
    bool listing = (verb == POPLIN_LIST || verb == POPLIN_UIDL) && number == 0;

    return ok && (content || listing);
}

bool poplin_line_next(poplin_slice *text, poplin_slice *line) {
    if (text->size == 0)
        return false;
    const char *end = memchr(text->data, '\n', text->size);

    line->data = text->data;
    line->size = end != NULL ? (size_t)(end + 1 - text->data) : text->size;
    text->data += line->size;
    text->size -= line->size;
    return true;
}

static bool is_terminator(poplin_slice line) {
    return poplin_slice_equal(line, (poplin_slice){".\r\n", 3}) || poplin_slice_equal(line, (poplin_slice){".\n", 2});
}

poplin_reply_shape poplin_reply_split(poplin_slice reply, bool multi_line) {
    poplin_reply_shape shape = {.whole = reply, .rest = reply};
    poplin_slice line;

    (void)poplin_line_next(&shape.rest, &shape.status);
    if (!multi_line)
        return shape;
    shape.content.data = shape.rest.data;
    while (poplin_line_next(&shape.rest, &line)) {
        if (is_terminator(line)) {
            shape.terminator = line;
            break;
        }
        shape.content.size += line.size;
    }
    return shape;
}
