/*
 * fuzz.h - what the fuzz drivers share: the fuzzer's octets read as choices, and checks that end the run.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/buffer.h"
#include "wire/grammar.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort(); \
        } \
    } while (0)

/* The fuzzer's octets, taken from the front; at their end every choice is 0. */
typedef struct fuzz_tape {
    const uint8_t *data;
    size_t size;
} fuzz_tape;

static inline uint8_t take(fuzz_tape *tape) {
    if (tape->size == 0)
        return 0;
    tape->size--;
    return *tape->data++;
}

/* A number below bound, which is at most 256. */
static inline size_t choose(fuzz_tape *tape, size_t bound) {
    return take(tape) % bound;
}

static inline bool flip(fuzz_tape *tape) {
    return (take(tape) & 1) != 0;
}

/* Octets as they stand on the tape, fewer than bound. */
static inline poplin_slice take_octets(fuzz_tape *tape, size_t bound) {
    size_t size = choose(tape, bound);

    if (size > tape->size)
        size = tape->size;
    poplin_slice octets = {(const char *)tape->data, size};

    tape->data += size;
    tape->size -= size;
    return octets;
}

/* A copy in a block of its own, so that the sanitizer sees whoever reads too far or too late. */
static inline char *copy_of(poplin_slice octets) {
    char *copy = malloc(octets.size > 0 ? octets.size : 1);

    CHECK(copy != NULL);
    if (octets.size > 0)
        memcpy(copy, octets.data, octets.size);
    return copy;
}

static inline bool contains(poplin_slice text, const char *part) {
    return text.size > 0 && memmem(text.data, text.size, part, strlen(part)) != NULL;
}

static inline void put(poplin_buffer *buffer, poplin_slice text) {
    CHECK(poplin_buffer_append(buffer, text.data, text.size) == POPLIN_OK);
}

/* Octets that the heap has given out; the sanitizer has a heap of its own. */
#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
size_t __sanitizer_get_current_allocated_bytes(void);

static inline size_t allocated(void) {
    return __sanitizer_get_current_allocated_bytes();
}
#else
static inline size_t allocated(void) {
    struct mallinfo2 heap = mallinfo2();

    return heap.uordblks + heap.hblkhd;
}
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
