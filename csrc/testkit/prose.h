/*
 * testkit/prose.h - text for people, written piece by piece.
 */
#ifndef POPLIN_TESTKIT_PROSE_H
#define POPLIN_TESTKIT_PROSE_H

#include "wire/buffer.h"

/* All zero is an empty text. */
typedef struct poplin_prose {
    poplin_buffer text;
    bool failed; /* out of memory */
} poplin_prose;

void poplin_prose_add(poplin_prose *prose, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Octets as poplin_visible shows them. */
void poplin_prose_add_visible(poplin_prose *prose, poplin_slice octets);

/* The text, ended by NUL, for the caller to free(); NULL: memory ran out on the way. prose is empty again. */
char *poplin_prose_take(poplin_prose *prose);

#endif
