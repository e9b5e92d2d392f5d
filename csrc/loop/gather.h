/*
 * loop/gather.h - the content of one reply as it comes in: held by reference while it can be, copied when it must be.
 *
 * A message that lies whole in the receive buffer is so handed to the host as slices of that buffer, and copied once,
 * by the host, to where it wants it. One that does not is copied out whenever the buffer is about to be reused.
 */
#ifndef POPLIN_LOOP_GATHER_H
#define POPLIN_LOOP_GATHER_H

#include <poplin/link.h>

enum { POPLIN_GATHER_SLICES = 64 };

/* All zero is an empty gather. */
typedef struct poplin_gather {
    poplin_slice *slices; /* room for 1 + POPLIN_GATHER_SLICES: [0] is what was copied, the others are by reference */
    size_t references;
    char *memory; /* of the copies */
    size_t capacity;
    size_t size; /* of everything */
} poplin_gather;

/* Adds octets by reference. They may go away after the next poplin_gather_keep. OK or ERR_NOMEM. */
int poplin_gather_add(poplin_gather *gather, poplin_slice octets);

/* Copies what is held by reference. OK or ERR_NOMEM. */
int poplin_gather_keep(poplin_gather *gather);

/* What was gathered; lives until the gather changes or the referenced octets go away. */
poplin_body poplin_gather_body(const poplin_gather *gather);

/* Empties the gather; memory of an ordinary size is kept for the next content. */
void poplin_gather_reset(poplin_gather *gather);

/* Frees the memory; the gather is empty and usable. */
void poplin_gather_free(poplin_gather *gather);

#endif
