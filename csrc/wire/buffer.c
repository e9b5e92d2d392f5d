/*
 * wire/buffer.c - octets that grow. Secrets never leave memory unwiped: what is consumed stays inside the
 * allocation, and the whole of it is overwritten when it is cleared, outgrown or freed.
 */
#include "wire/buffer.h"

#include <stdlib.h>
#include <string.h>

enum { SMALLEST = 256 };

void poplin_wipe(void *memory, size_t size) {
    if (memory != NULL)
        explicit_bzero(memory, size);
}

poplin_slice poplin_buffer_slice(const poplin_buffer *buffer) {
    if (buffer->memory == NULL)
        return (poplin_slice){NULL, 0};
    return (poplin_slice){buffer->memory + buffer->start, buffer->size};
}

/* Moves the live octets to the start of a larger allocation. */
static bool enlarge(poplin_buffer *buffer, size_t needed) {
    size_t capacity = buffer->capacity < SMALLEST ? SMALLEST : buffer->capacity;
    while (capacity < needed) {
        if (capacity > SIZE_MAX / 2)
            return false;
        capacity *= 2;
    }
    char *memory = malloc(capacity);
    if (memory == NULL)
        return false;
    if (buffer->memory != NULL)
        memcpy(memory, buffer->memory + buffer->start, buffer->size);
    poplin_wipe(buffer->memory, buffer->capacity);
    free(buffer->memory);
    *buffer = (poplin_buffer){.memory = memory, .size = buffer->size, .capacity = capacity};
    return true;
}

char *poplin_buffer_reserve(poplin_buffer *buffer, size_t size) {
    if (size > SIZE_MAX - buffer->size)
        return NULL;
    size_t needed = buffer->size + size;
    bool fits = buffer->memory != NULL && needed <= buffer->capacity - buffer->start;
    /* Moving to the front pays only where it frees at least as much as it moves. */
    bool movable = buffer->memory != NULL && needed <= buffer->capacity && buffer->start >= buffer->size;
    if (!fits && movable) {
        memmove(buffer->memory, buffer->memory + buffer->start, buffer->size);
        buffer->start = 0;
    } else if (!fits && !enlarge(buffer, needed)) {
        return NULL;
    }
    return buffer->memory + buffer->start + buffer->size;
}

void poplin_buffer_grow(poplin_buffer *buffer, size_t size) {
    buffer->size += size;
}

int poplin_buffer_append(poplin_buffer *buffer, const void *data, size_t size) {
    if (size == 0)
        return POPLIN_OK;
    char *end = poplin_buffer_reserve(buffer, size);
    if (end == NULL)
        return POPLIN_ERR_NOMEM;
    memcpy(end, data, size);
    buffer->size += size;
    return POPLIN_OK;
}

void poplin_buffer_consume(poplin_buffer *buffer, size_t size) {
    buffer->size -= size;
    buffer->start = buffer->size == 0 ? 0 : buffer->start + size;
}

void poplin_buffer_clear(poplin_buffer *buffer) {
    poplin_wipe(buffer->memory, buffer->capacity);
    buffer->start = 0;
    buffer->size = 0;
}

void poplin_buffer_free(poplin_buffer *buffer) {
    poplin_wipe(buffer->memory, buffer->capacity);
    free(buffer->memory);
    *buffer = (poplin_buffer){0};
}
