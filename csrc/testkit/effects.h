/*
 * testkit/effects.h - the single effects, each of which reads a reply and appends what becomes of it to an empty
 * output: OK or ERR_NOMEM. Where a reply has not what the effect is about, it stays as it is.
 */
#ifndef POPLIN_TESTKIT_EFFECTS_H
#define POPLIN_TESTKIT_EFFECTS_H

#include "testkit/rewrite.h"
#include "testkit/shape.h"

typedef int poplin_effect(const poplin_rewriting *about, const poplin_reply_shape *reply, poplin_buffer *output);

/* effects_listing.c: message numbers, sizes, unique-ids */
poplin_effect poplin_effect_show_deleted, poplin_effect_guess_sizes, poplin_effect_miscount, poplin_effect_no_numbers,
    poplin_effect_unique_ids;

/* effects_lines.c: lines, and the dots before them */
poplin_effect poplin_effect_status, poplin_effect_count_header_lines, poplin_effect_strip, poplin_effect_add,
    poplin_effect_duplicate_line, poplin_effect_omit_line, poplin_effect_replace_line, poplin_effect_long_line,
    poplin_effect_unstuff, poplin_effect_stuff_every;

/* effects_octets.c: where a reply ends, how its lines do, and octets that do not belong there */
poplin_effect poplin_effect_abort_at, poplin_effect_no_terminator, poplin_effect_double_cr, poplin_effect_bare_lf,
    poplin_effect_insert, poplin_effect_garbage, poplin_effect_append, poplin_effect_cut;

/* Appends slices one behind the other. OK or ERR_NOMEM. */
int poplin_put(poplin_buffer *output, const poplin_slice *slices, size_t count);

#define POPLIN_PUT(output, ...) \
    poplin_put(output, (const poplin_slice[]){__VA_ARGS__}, \
               sizeof((const poplin_slice[]){__VA_ARGS__}) / sizeof(poplin_slice))

#define POPLIN_LINE_END ((poplin_slice){"\r\n", 2})

/* The first size octets, or all where there are fewer; and what is behind them. */
poplin_slice poplin_slice_head(poplin_slice slice, uint64_t size);
poplin_slice poplin_slice_tail(poplin_slice slice, uint64_t size);

#endif
