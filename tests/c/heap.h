/*
 * heap.h - the heap under watch: does a secret stand in a block that is in use, or did it in one that was given back?
 *
 * The linker puts the functions below in the place of the C library's. New blocks are filled, so that nothing of an older one
 * is found in them. Secrets are looked for in parts, since a cut line may leave one.
 */
#ifndef HEAP_H
#define HEAP_H

#include <stdbool.h>

#include "support.h"

enum { HEAP_BLOCKS = 4096, HEAP_SECRETS = 3, HEAP_PART = 8 };

struct heap_block {
    char *memory;
    size_t size;
};

static struct {
    struct heap_block blocks[HEAP_BLOCKS];
    size_t count;
    const char *secrets[HEAP_SECRETS]; /* each of a part's octets or more; NULL: none */
    size_t part;                       /* octets of a secret that tell it; HEAP_PART where chance does not */
    bool spilled;                      /* one was found in a block that was given back */
} heap;

void *__real_malloc(size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void __wrap_free(void *memory);

/* Whether a part of a secret is in the octets. */
static inline bool heap_shows(const void *octets, size_t size) {
    for (size_t i = 0; i < HEAP_SECRETS && heap.secrets[i] != NULL; i++)
        for (const char *part = heap.secrets[i]; strlen(part) >= heap.part; part++)
            if (memmem(octets, size, part, heap.part) != NULL)
                return true;
    return false;
}

static inline void *heap_enter(void *memory, size_t size) {
    if (memory == NULL)
        return NULL;
    assert_true(heap.count < HEAP_BLOCKS);
    heap.blocks[heap.count++] = (struct heap_block){memory, size};
    return memory;
}

void *__wrap_malloc(size_t size) {
    void *memory = __real_malloc(size > 0 ? size : 1);

    if (memory != NULL)
        memset(memory, 0xA5, size);
    return heap_enter(memory, size);
}

void *__wrap_calloc(size_t count, size_t size) {
    void *memory = __wrap_malloc(count * size);

    return memory != NULL ? memset(memory, 0, count * size) : NULL;
}

static inline struct heap_block *heap_find(const void *memory) {
    for (size_t i = heap.count; i > 0; i--)
        if (heap.blocks[i - 1].memory == memory)
            return &heap.blocks[i - 1];
    return NULL;
}

void __wrap_free(void *memory) {
    struct heap_block *block = memory != NULL ? heap_find(memory) : NULL;

    if (block != NULL) { /* others are of libraries that are not under watch */
        heap.spilled |= heap_shows(block->memory, block->size);
        *block = heap.blocks[--heap.count];
    }
    __real_free(memory);
}

void *__wrap_realloc(void *memory, size_t size) {
    struct heap_block *block = memory != NULL ? heap_find(memory) : NULL;
    void *moved = __wrap_malloc(size);

    assert_true(memory == NULL || block != NULL);
    if (block != NULL && moved != NULL)
        memcpy(moved, memory, block->size < size ? block->size : size);
    if (moved != NULL)
        __wrap_free(memory);
    return moved;
}

/* Looks for these from now on; NULL: no more. */
static inline void heap_look_for(const char *first, const char *second, const char *third) {
    heap.secrets[0] = first;
    heap.secrets[1] = second;
    heap.secrets[2] = third;
    heap.part = HEAP_PART;
    heap.spilled = false;
}

/* Nothing of a secret is in a block, or was in one when it was given back. */
static inline void heap_assert_clean(void) {
    assert_false(heap.spilled);
    for (size_t i = 0; i < heap.count; i++)
        assert_false(heap_shows(heap.blocks[i].memory, heap.blocks[i].size));
}

#endif
