/*
 * testkit/effects_octets.c - faults that do not care what the octets mean: where a reply ends, how its lines do, and what
 * does not belong there.
 */
#include "testkit/effects.h"

#include <string.h>

#include "testkit/random.h"

/* ---- the end ---- */

int poplin_effect_abort_at(const poplin_rewriting *about, const poplin_reply_shape *reply, poplin_buffer *output) {
    static const char words[] = ".\r\n-ERR the message could not be read, internal error\r\n";
    uint64_t at = (uint64_t)about->values[POPLIN_FAULT_ABORT_AT].number;
    poplin_slice behind = poplin_slice_tail(reply->content, at), line;

    if (!poplin_line_next(&behind, &line))
        return POPLIN_PUT(output, reply->whole);
    return POPLIN_PUT(output, reply->status, poplin_slice_head(reply->content, reply->content.size - behind.size),
                      {words, sizeof words - 1});
}

int poplin_effect_no_terminator(const poplin_rewriting *about, const poplin_reply_shape *reply, poplin_buffer *output) {
    (void)about;
    return POPLIN_PUT(output, reply->status, reply->content, reply->rest);
}

int poplin_effect_cut(const poplin_rewriting *about, const poplin_reply_shape *reply, poplin_buffer *output) {
    return POPLIN_PUT(output, poplin_slice_head(reply->whole, (uint64_t)about->values[POPLIN_FAULT_CUT].number));
}

/* ---- line ends ---- */

/* Puts text with another line end for each CRLF. */
static int put_ended(poplin_slice text, const char *end, poplin_buffer *output) {
    poplin_slice line;
    int status = POPLIN_OK;

    while (status == POPLIN_OK && poplin_line_next(&text, &line)) {
        bool whole = line.size >= 2 && memcmp(line.data + line.size - 2, "\r\n", 2) == 0;

        status = POPLIN_PUT(output, poplin_slice_head(line, whole ? line.size - 2 : line.size),
                            {end, whole ? strlen(end) : 0});
    }
    return status;
}

int poplin_effect_double_cr(const poplin_rewriting *about, const poplin_reply_shape *reply, poplin_buffer *output) {
    static const char end[] = "\r\r\n";

    if (!about->multi_line)
        return put_ended(reply->status, end, output) < 0 ? POPLIN_ERR_NOMEM : POPLIN_PUT(output, reply->rest);
    if (POPLIN_PUT(output, reply->status) < 0 || put_ended(reply->content, end, output) < 0)
        return POPLIN_ERR_NOMEM;
    return POPLIN_PUT(output, reply->terminator, reply->rest);
}

int poplin_effect_bare_lf(const poplin_rewriting *about, const poplin_reply_shape *reply, poplin_buffer *output) {
    (void)about;
    return put_ended(reply->whole, "\n", output);
}

/* ---- what does not belong there ---- */

/* Where insert and garbage go. */
static uint64_t place(const poplin_rewriting *about) {
    const poplin_value *at = &about->values[POPLIN_FAULT_AT];

    return at->given ? (uint64_t)at->number : UINT64_MAX;
}

int poplin_effect_insert(const poplin_rewriting *about, const poplin_reply_shape *reply, poplin_buffer *output) {
    poplin_slice octets = about->values[POPLIN_FAULT_INSERT].octets;

    return POPLIN_PUT(output, poplin_slice_head(reply->whole, place(about)), octets,
                      poplin_slice_tail(reply->whole, place(about)));
}

int poplin_effect_garbage(const poplin_rewriting *about, const poplin_reply_shape *reply, poplin_buffer *output) {
    size_t size = (size_t)about->values[POPLIN_FAULT_GARBAGE].number;

    if (POPLIN_PUT(output, poplin_slice_head(reply->whole, place(about))) < 0)
        return POPLIN_ERR_NOMEM;
    char *octets = poplin_buffer_reserve(output, size);

    if (octets == NULL)
        return POPLIN_ERR_NOMEM;
    for (size_t i = 0; i < size; i++)
        octets[i] = (char)poplin_random_below(about->random, 256);
    poplin_buffer_grow(output, size);
    return POPLIN_PUT(output, poplin_slice_tail(reply->whole, place(about)));
}

int poplin_effect_append(const poplin_rewriting *about, const poplin_reply_shape *reply, poplin_buffer *output) {
    return POPLIN_PUT(output, reply->whole, about->values[POPLIN_FAULT_APPEND].octets);
}
