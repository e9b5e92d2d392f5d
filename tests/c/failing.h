/*
 * failing.h - memory runs out where a test says. The linker puts the functions below in the place of the C library's
 * (CMakeLists.txt names the tests for which it does).
 */
#ifndef FAILING_H
#define FAILING_H

#include <stdbool.h>

#include <poplin/status.h>

#include "support.h"

static size_t allocations, failing; /* counted from 1; 0: none fails */

static bool runs_out(void) {
    return ++allocations == failing;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size) {
    return runs_out() ? NULL : __real_malloc(size);
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size) {
    return runs_out() ? NULL : __real_calloc(count, size);
}

void *__real_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size) {
    return runs_out() ? NULL : __real_realloc(memory, size);
}

/* Plays until no allocation fails any more. */
static inline void assert_told_at_each_allocation(int (*play)(void)) {
    size_t played = 0;

    do {
        allocations = 0;
        failing = ++played;
        int status = play();

        if (allocations >= failing)
            assert_int_equal(status, POPLIN_ERR_NOMEM);
        else
            assert_int_equal(status, POPLIN_OK);
    } while (allocations >= failing);
    assert_true(played > 10);
    failing = 0;
}

#endif
