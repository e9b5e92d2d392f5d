/*
 * testkit/rewrite.h - what a fault does to a whole reply.
 */
#ifndef POPLIN_TESTKIT_REWRITE_H
#define POPLIN_TESTKIT_REWRITE_H

#include "testkit/settings.h"

/* A fault's settings, and what they have to know of the exchange. */
typedef struct poplin_rewriting {
    const poplin_value *values; /* POPLIN_FAULT_SETTINGS of them */
    enum poplin_verb verb;      /* that the reply answers */
    uint32_t number;            /* that it named; 0: none */
    uint32_t lines;             /* of TOP */
    bool multi_line;            /* the reply had content before anything was rewritten */
    const uint32_t *marked;     /* message numbers marked as deleted, ascending */
    size_t marked_count;
    uint64_t *random;
} poplin_rewriting;

/* Applies the effects of one fault in the order of the table of settings. OK or ERR_NOMEM: then *reply is of no use. */
int poplin_rewrite(const poplin_rewriting *about, poplin_buffer *reply);

#endif
