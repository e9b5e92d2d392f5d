/*
 * wire/buffer.h - octets that grow, for what must be kept between two calls: cut lines, output, secrets.
 *
 * Whatever is freed or moved is wiped first, so that no copy of a secret stays behind.
 */
#ifndef POPLIN_WIRE_BUFFER_H
#define POPLIN_WIRE_BUFFER_H

#include <poplin/types.h>

/* All zero is an empty buffer. Live octets are data[start .. start+size). */
typedef struct poplin_buffer {
    char *memory;
    size_t start;
    size_t size;
    size_t capacity;
} poplin_buffer;

/* The live octets. */
poplin_slice poplin_buffer_slice(const poplin_buffer *buffer);

/* Makes room for size more octets behind the live ones and returns where they go; NULL: out of memory. */
char *poplin_buffer_reserve(poplin_buffer *buffer, size_t size);

/* Says that size octets were written to what reserve returned. */
void poplin_buffer_grow(poplin_buffer *buffer, size_t size);

/* Appends a copy. POPLIN_OK or POPLIN_ERR_NOMEM. */
int poplin_buffer_append(poplin_buffer *buffer, const void *data, size_t size);

/* Drops size octets from the front. */
void poplin_buffer_consume(poplin_buffer *buffer, size_t size);

/* Empties the buffer, wiping it; the memory is kept. */
void poplin_buffer_clear(poplin_buffer *buffer);

/* Wipes and frees the memory; the buffer is empty and usable. */
void poplin_buffer_free(poplin_buffer *buffer);

/* Overwrites secret octets in a way that the compiler does not remove. */
void poplin_wipe(void *memory, size_t size);

#endif
