/*
 * testkit/random.h - random numbers that a seed repeats (splitmix64): for faults, never for secrets.
 */
#ifndef POPLIN_TESTKIT_RANDOM_H
#define POPLIN_TESTKIT_RANDOM_H

#include <stdint.h>

static inline uint64_t poplin_random_next(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15u;

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* A number below bound, which is not 0. */
static inline uint64_t poplin_random_below(uint64_t *state, uint64_t bound) {
    return poplin_random_next(state) % bound;
}

#endif
