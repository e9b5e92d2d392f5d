/*
 * sasl/ways.h - the ways to log in, by name: the mechanisms, and the two that are commands of their own, USER with PASS and APOP.
 * A set of them is a bit for each, 1u << way.
 */
#ifndef POPLIN_SASL_WAYS_H
#define POPLIN_SASL_WAYS_H

#include "sasl/sasl.h"

enum { POPLIN_WAY_USER = POPLIN_MECHANISM_COUNT, POPLIN_WAY_APOP, POPLIN_WAY_COUNT };

/* "USER", "APOP" or the mechanism's name. Static. */
const char *poplin_way_name(unsigned way);
enum poplin_sasl_proof poplin_way_proof(unsigned way);
unsigned poplin_way_traits(unsigned way);

/* The way of this name, in any case; POPLIN_WAY_COUNT: none that is known. */
unsigned poplin_way_lookup(poplin_slice name);

/* The set that names has, with SP between them; 0: one is unknown, or there is none. NULL: all but those that are used only by name. */
unsigned poplin_ways_parse(const char *names);

#endif
