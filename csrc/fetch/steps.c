/*
 * fetch/steps.c - how far a message has come, and what became of it: the names.
 */
#include <poplin/fetch.h>

#include "wire/grammar.h"

const char *poplin_step_name(enum poplin_step step) {
    switch (step) {
#define STEP_NAME(name, text) \
    case POPLIN_STEP_##name: \
        return text;
        POPLIN_STEP_TABLE(STEP_NAME)
#undef STEP_NAME
    case POPLIN_STEP_NONE:
        break;
    }
    return NULL;
}

enum poplin_step poplin_step_parse(poplin_slice name) {
#define STEP_PARSE(step, text) \
    if (poplin_slice_equal(name, poplin_slice_of(text))) \
        return POPLIN_STEP_##step;
    POPLIN_STEP_TABLE(STEP_PARSE)
#undef STEP_PARSE
    return POPLIN_STEP_NONE;
}

const char *poplin_result_name(enum poplin_result result) {
    switch (result) {
#define RESULT_NAME(name, text) \
    case POPLIN_RESULT_##name: \
        return text;
        POPLIN_RESULT_TABLE(RESULT_NAME)
#undef RESULT_NAME
    case POPLIN_RESULT_NONE:
        break;
    }
    return NULL;
}
