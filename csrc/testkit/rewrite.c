/*
 * testkit/rewrite.c - the effects of a fault, one after the other.
 */
#include "testkit/rewrite.h"

#include <string.h>

#include "testkit/effects.h"
#include "wire/grammar.h"

static poplin_effect *const effects[POPLIN_FAULT_SETTINGS] = {
    [POPLIN_FAULT_SHOW_DELETED] = poplin_effect_show_deleted,
    [POPLIN_FAULT_GUESS_SIZES] = poplin_effect_guess_sizes,
    [POPLIN_FAULT_MISCOUNT] = poplin_effect_miscount,
    [POPLIN_FAULT_NO_NUMBERS] = poplin_effect_no_numbers,
    [POPLIN_FAULT_UNIQUE_IDS] = poplin_effect_unique_ids,
    [POPLIN_FAULT_STATUS] = poplin_effect_status,
    [POPLIN_FAULT_COUNT_HEADER_LINES] = poplin_effect_count_header_lines,
    [POPLIN_FAULT_STRIP] = poplin_effect_strip,
    [POPLIN_FAULT_ADD] = poplin_effect_add,
    [POPLIN_FAULT_DUPLICATE_LINE] = poplin_effect_duplicate_line,
    [POPLIN_FAULT_OMIT_LINE] = poplin_effect_omit_line,
    [POPLIN_FAULT_REPLACE_LINE] = poplin_effect_replace_line,
    [POPLIN_FAULT_LONG_LINE] = poplin_effect_long_line,
    [POPLIN_FAULT_UNSTUFF] = poplin_effect_unstuff,
    [POPLIN_FAULT_STUFF_EVERY] = poplin_effect_stuff_every,
    [POPLIN_FAULT_ABORT_AT] = poplin_effect_abort_at,
    [POPLIN_FAULT_NO_TERMINATOR] = poplin_effect_no_terminator,
    [POPLIN_FAULT_DOUBLE_CR] = poplin_effect_double_cr,
    [POPLIN_FAULT_BARE_LF] = poplin_effect_bare_lf,
    [POPLIN_FAULT_INSERT] = poplin_effect_insert,
    [POPLIN_FAULT_GARBAGE] = poplin_effect_garbage,
    [POPLIN_FAULT_APPEND] = poplin_effect_append,
    [POPLIN_FAULT_CUT] = poplin_effect_cut,
};

int poplin_put(poplin_buffer *output, const poplin_slice *slices, size_t count) {
    int status = POPLIN_OK;

    for (size_t i = 0; i < count && status == POPLIN_OK; i++)
        status = poplin_buffer_append(output, slices[i].data, slices[i].size);
    return status;
}

poplin_slice poplin_slice_head(poplin_slice slice, uint64_t size) {
    return (poplin_slice){slice.data, size < slice.size ? (size_t)size : slice.size};
}

poplin_slice poplin_slice_tail(poplin_slice slice, uint64_t size) {
    size_t skipped = poplin_slice_head(slice, size).size;

    return skipped == 0 ? slice : (poplin_slice){slice.data + skipped, slice.size - skipped};
}

/* Whether an effect is about replies to this command: a fault for any command meets others too. */
static bool applies(const poplin_rewriting *about, enum poplin_fault_setting setting) {
    const poplin_setting_rule *rule = poplin_setting_rule_of(setting);
    poplin_slice verb = poplin_slice_of(poplin_verb_name(about->verb));

    return about->values[setting].given &&
           (rule->commands == NULL || rule->asked || poplin_word_index(rule->commands, verb) >= 0);
}

int poplin_rewrite(const poplin_rewriting *about, poplin_buffer *reply) {
    int status = POPLIN_OK;

    for (size_t i = 0; i < POPLIN_FAULT_SETTINGS && status == POPLIN_OK; i++) {
        if (effects[i] == NULL || !applies(about, (enum poplin_fault_setting)i))
            continue;
        poplin_reply_shape shape = poplin_reply_split(poplin_buffer_slice(reply), about->multi_line);
        poplin_buffer output = {0};

        status = effects[i](about, &shape, &output);
        poplin_buffer_free(reply);
        *reply = output;
    }
    return status;
}
