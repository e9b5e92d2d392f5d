/*
 * wire/verbs.c - the commands' names and properties, from the one table in <poplin/types.h>.
 */
#include "wire/grammar.h"

#define ROW(name, phases, arguments) [POPLIN_##name] = {#name, phases, arguments},
static const poplin_verb_row rows[POPLIN_VERB_COUNT] = {[POPLIN_NO_VERB] = {"?", 0, POPLIN_ARGS_NONE},
                                                        POPLIN_VERB_TABLE(ROW)};
#undef ROW

const poplin_verb_row *poplin_verb_lookup(enum poplin_verb verb) {
    bool known = (unsigned)verb < POPLIN_VERB_COUNT;
    return &rows[known ? verb : POPLIN_NO_VERB];
}

const char *poplin_verb_name(enum poplin_verb verb) {
    return poplin_verb_lookup(verb)->name;
}

enum poplin_verb poplin_verb_parse(poplin_slice keyword) {
    for (unsigned verb = POPLIN_NO_VERB + 1; verb < POPLIN_VERB_COUNT; verb++)
        if (poplin_slice_equal_nocase(keyword, rows[verb].name))
            return (enum poplin_verb)verb;
    return POPLIN_NO_VERB;
}
