/*
 * support.h - what the C tests share: cmocka with its includes in order, and a random source that a seed repeats.
 */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* A slice of a string literal, NULs inside it included. */
#define SLICE(literal) ((poplin_slice){"" literal, sizeof(literal) - 1})

/* A copy, NUL included, that must fit. */
static inline void copy_text(char *room, size_t size, const char *text) {
    size_t length = strlen(text);

    assert_true(length < size);
    memcpy(room, text, length + 1);
}

/*
 * How far apart the cases are that a test of very many goes through: 1, or what the environment says for slow tools
 * (TEST_STRIDE, tools/run_tests.py).
 */
static inline size_t test_stride(void) {
    const char *text = getenv("TEST_STRIDE");
    size_t stride = text ? strtoul(text, NULL, 10) : 1;

    return stride ? stride : 1;
}

/* A number below bound, the same sequence for the same seed (splitmix64). */
static inline size_t random_below(uint64_t *seed, size_t bound) {
    uint64_t z = *seed += 0x9E3779B97F4A7C15u;

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return (size_t)((z ^ z >> 31) % bound);
}

#endif
