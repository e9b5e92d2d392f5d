/*
 * sasl/ways.c - the ways to log in, by name.
 */
#include "sasl/ways.h"

#include <string.h>

#include "wire/grammar.h"

const char *poplin_way_name(unsigned way) {
    if (way == POPLIN_WAY_USER)
        return "USER";
    return way == POPLIN_WAY_APOP ? "APOP" : poplin_mechanism_name((enum poplin_mechanism)way);
}

enum poplin_sasl_proof poplin_way_proof(unsigned way) {
    return way < POPLIN_MECHANISM_COUNT ? poplin_mechanism_proof((enum poplin_mechanism)way) : POPLIN_PROOF_PASSWORD;
}

unsigned poplin_way_traits(unsigned way) {
    if (way < POPLIN_MECHANISM_COUNT)
        return poplin_mechanism_traits((enum poplin_mechanism)way);
    return way == POPLIN_WAY_USER ? POPLIN_SASL_SHOWS : POPLIN_SASL_NEEDS_SECRET | POPLIN_SASL_BY_NAME;
}

unsigned poplin_way_lookup(poplin_slice name) {
    unsigned way = 0;

    while (way < POPLIN_WAY_COUNT && !poplin_slice_equal_nocase(name, poplin_way_name(way)))
        way++;
    return way;
}

static unsigned all_but_by_name(void) {
    unsigned ways = 0;

    for (unsigned way = 0; way < POPLIN_WAY_COUNT; way++)
        if ((poplin_way_traits(way) & POPLIN_SASL_BY_NAME) == 0)
            ways |= 1u << way;
    return ways;
}

unsigned poplin_ways_parse(const char *names) {
    unsigned ways = 0;

    if (names == NULL)
        return all_but_by_name();
    while (*names != '\0') {
        size_t size = strcspn(names, " ");
        unsigned way = size > 0 ? poplin_way_lookup((poplin_slice){names, size}) : POPLIN_WAY_COUNT;

        if (size > 0 && way == POPLIN_WAY_COUNT)
            return 0;
        if (size > 0)
            ways |= 1u << way;
        names += size;
        names += *names == ' ';
    }
    return ways;
}
