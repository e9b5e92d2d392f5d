/*
 * testkit/effects_lines.c - faults in the lines of a reply: replaced, missing, too many, too long, not stuffed.
 */
#include "testkit/effects.h"

#include <string.h>

#include "wire/grammar.h"

/* A content line on its way through an effect. */
struct line {
    poplin_slice text; /* with its line end */
    uint64_t number;   /* from 1 */
    uint64_t at;       /* the octet of the unstuffed content that it begins at */
    const poplin_rewriting *about;
};

typedef int line_effect(const struct line *line, poplin_buffer *output);

/* Puts the reply with each line of its content rewritten. */
static int put_lines(const poplin_rewriting *about, const poplin_reply_shape *reply, line_effect *effect,
                     poplin_buffer *output) {
    struct line line = {.number = 1, .about = about};
    poplin_slice content = reply->content;
    int status = POPLIN_PUT(output, reply->status);

    for (; status == POPLIN_OK && poplin_line_next(&content, &line.text); line.number++) {
        status = effect(&line, output);
        line.at += line.text.size - (*line.text.data == '.');
    }
    return status == POPLIN_OK ? POPLIN_PUT(output, reply->terminator, reply->rest) : status;
}

static const poplin_value *value_of(const struct line *line, enum poplin_fault_setting setting) {
    return &line->about->values[setting];
}

static bool is_numbered(const struct line *line, enum poplin_fault_setting setting) {
    return line->number == (uint64_t)value_of(line, setting)->number;
}

static int put_nothing(void) {
    return POPLIN_OK;
}

/* ---- single lines ---- */

int poplin_effect_status(const poplin_rewriting *about, const poplin_reply_shape *reply, poplin_buffer *output) {
    poplin_slice status = about->values[POPLIN_FAULT_STATUS].octets;

    if (reply->status.size == 0)
        return POPLIN_OK;
    return POPLIN_PUT(output, status, POPLIN_LINE_END, reply->content, reply->terminator, reply->rest);
}

int poplin_effect_add(const poplin_rewriting *about, const poplin_reply_shape *reply, poplin_buffer *output) {
    poplin_slice line = about->values[POPLIN_FAULT_ADD].octets;

    if (!about->multi_line)
        return POPLIN_PUT(output, reply->whole);
    return POPLIN_PUT(output, reply->status, reply->content, line, POPLIN_LINE_END, reply->terminator, reply->rest);
}

static int strip_line(const struct line *line, poplin_buffer *output) {
    poplin_slice word = value_of(line, POPLIN_FAULT_STRIP)->octets, start = poplin_slice_head(line->text, word.size);
    poplin_slice behind = poplin_slice_tail(line->text, word.size);
    bool same = start.size == word.size && strncasecmp(start.data, word.data, word.size) == 0;
    bool ends = behind.size == 0 || *behind.data == ' ' || *behind.data == '\r' || *behind.data == '\n';

    return same && ends ? put_nothing() : POPLIN_PUT(output, line->text);
}

int poplin_effect_strip(const poplin_rewriting *about, const poplin_reply_shape *reply, poplin_buffer *output) {
    return put_lines(about, reply, strip_line, output);
}

static int duplicate_line(const struct line *line, poplin_buffer *output) {
    bool twice = is_numbered(line, POPLIN_FAULT_DUPLICATE_LINE);

    return POPLIN_PUT(output, line->text, poplin_slice_head(line->text, twice ? line->text.size : 0));
}

int poplin_effect_duplicate_line(const poplin_rewriting *about, const poplin_reply_shape *reply,
                                 poplin_buffer *output) {
    return put_lines(about, reply, duplicate_line, output);
}

static int omit_line(const struct line *line, poplin_buffer *output) {
    return is_numbered(line, POPLIN_FAULT_OMIT_LINE) ? put_nothing() : POPLIN_PUT(output, line->text);
}

int poplin_effect_omit_line(const poplin_rewriting *about, const poplin_reply_shape *reply, poplin_buffer *output) {
    return put_lines(about, reply, omit_line, output);
}

static int replace_line(const struct line *line, poplin_buffer *output) {
    if (!is_numbered(line, POPLIN_FAULT_REPLACE_LINE))
        return POPLIN_PUT(output, line->text);
    return POPLIN_PUT(output, value_of(line, POPLIN_FAULT_TEXT)->octets, POPLIN_LINE_END);
}

int poplin_effect_replace_line(const poplin_rewriting *about, const poplin_reply_shape *reply, poplin_buffer *output) {
    return put_lines(about, reply, replace_line, output);
}

static int count_line(const struct line *line, poplin_buffer *output) {
    return line->number > line->about->lines ? put_nothing() : POPLIN_PUT(output, line->text);
}

int poplin_effect_count_header_lines(const poplin_rewriting *about, const poplin_reply_shape *reply,
                                     poplin_buffer *output) {
    return about->lines == 0 ? POPLIN_PUT(output, reply->whole) : put_lines(about, reply, count_line, output);
}

/* ---- long ones ---- */

/* Puts a line and, before its CRLF, an SP and as many letters as bring it to size octets. */
static int put_padded(poplin_slice line, uint64_t size, poplin_buffer *output) {
    size_t missing = size > line.size ? (size_t)size - line.size : 0;
    size_t end = line.size >= 2 && line.data[line.size - 2] == '\r' ? 2 : 0;

    if (poplin_buffer_append(output, line.data, line.size - end) < 0)
        return POPLIN_ERR_NOMEM;
    char *padding = poplin_buffer_reserve(output, missing);

    if (padding == NULL)
        return POPLIN_ERR_NOMEM;
    memset(padding, 'x', missing);
    if (missing > 0)
        *padding = ' ';
    poplin_buffer_grow(output, missing);
    return POPLIN_PUT(output, poplin_slice_tail(line, line.size - end));
}

int poplin_effect_long_line(const poplin_rewriting *about, const poplin_reply_shape *reply, poplin_buffer *output) {
    uint64_t size = (uint64_t)about->values[POPLIN_FAULT_LONG_LINE].number;
    bool in_content = reply->content.size > 0;
    poplin_slice before = in_content ? reply->status : poplin_slice_head(reply->whole, 0), line = reply->status;
    poplin_slice from = in_content ? reply->content : reply->whole;

    if (!poplin_line_next(&from, &line))
        return POPLIN_OK;
    poplin_slice behind = poplin_slice_tail(reply->whole, before.size + line.size);

    if (POPLIN_PUT(output, before) < 0 || put_padded(line, size, output) < 0)
        return POPLIN_ERR_NOMEM;
    return POPLIN_PUT(output, behind);
}

/* ---- dots ---- */

static int put_unstuffed(const struct line *line, bool here, poplin_buffer *output) {
    bool stuffed = poplin_slice_equal(poplin_slice_head(line->text, 2), (poplin_slice){"..", 2});

    return POPLIN_PUT(output, poplin_slice_tail(line->text, here && stuffed ? 1 : 0));
}

static int unstuff_line(const struct line *line, poplin_buffer *output) {
    bool all = value_of(line, POPLIN_FAULT_UNSTUFF)->number == 1;

    return put_unstuffed(line, all || line->number == 1, output);
}

int poplin_effect_unstuff(const poplin_rewriting *about, const poplin_reply_shape *reply, poplin_buffer *output) {
    return put_lines(about, reply, unstuff_line, output);
}

static int stuff_line(const struct line *line, poplin_buffer *output) {
    uint64_t chunk = (uint64_t)value_of(line, POPLIN_FAULT_STUFF_EVERY)->number;

    return put_unstuffed(line, line->at % chunk == 0, output);
}

int poplin_effect_stuff_every(const poplin_rewriting *about, const poplin_reply_shape *reply, poplin_buffer *output) {
    return put_lines(about, reply, stuff_line, output);
}
