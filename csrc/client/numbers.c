/*
 * client/numbers.c - message numbers that a hostile listing might repeat or invent (POP-LIST-3, T-NUM-4).
 *
 * Memory grows with what arrives and is bounded: a bit for each number up to the limit on listings.
 */
#include "client/machine.h"

#include <stdlib.h>
#include <string.h>

void poplin_numbers_begin(poplin_numbers *numbers) {
    if (numbers->size > 0)
        memset(numbers->seen, 0, numbers->size);
    numbers->highest = 0;
}

static bool make_room(poplin_numbers *numbers, size_t octet) {
    if (octet < numbers->size)
        return true;
    size_t size = 2 * octet + 64;
    unsigned char *seen = realloc(numbers->seen, size);
    if (seen == NULL)
        return false;
    memset(seen + numbers->size, 0, size - numbers->size);
    numbers->seen = seen;
    numbers->size = size;
    return true;
}

int poplin_numbers_add(poplin_numbers *numbers, uint32_t number, size_t most) {
    if (numbers->bounded && number > numbers->last)
        return POPLIN_ERR_PROTOCOL;
    if (number > most)
        return POPLIN_ERR_LIMIT;
    size_t octet = number / 8;
    unsigned char bit = (unsigned char)(1u << (number % 8));
    if (!make_room(numbers, octet))
        return POPLIN_ERR_NOMEM;
    if ((numbers->seen[octet] & bit) != 0)
        return POPLIN_ERR_PROTOCOL;
    numbers->seen[octet] |= bit;
    if (number > numbers->highest)
        numbers->highest = number;
    return POPLIN_OK;
}

void poplin_numbers_listed(poplin_numbers *numbers) {
    /* A listing leaves out what is deleted, so only an untouched maildrop's tells its last number. */
    if (numbers->bounded || numbers->deleted > 0)
        return;
    numbers->bounded = true;
    numbers->last = numbers->highest;
}

void poplin_numbers_forget(poplin_numbers *numbers) {
    numbers->bounded = false;
    numbers->deleted = POPLIN_NUMBER_MAX;
}

void poplin_numbers_stat(poplin_numbers *numbers, uint32_t count) {
    uint32_t room = POPLIN_NUMBER_MAX - count;
    numbers->bounded = true;
    numbers->last = count + (numbers->deleted < room ? numbers->deleted : room);
}
