/*
 * sasl/prepare.h - names and passwords prepared by SASLprep (RFC 4013), which GNU libidn does.
 */
#ifndef POPLIN_SASL_PREPARE_H
#define POPLIN_SASL_PREPARE_H

#include "wire/buffer.h"

/* STORED refuses code points that Unicode 3.2 has not assigned, QUERY lets them pass (RFC 3454 section 7). */
enum poplin_prepare { POPLIN_PREPARE_STORED, POPLIN_PREPARE_QUERY };

/*
 * Appends the prepared form of text to prepared. Plain ASCII without controls comes out as it is (PREP-2). PROTOCOL: it is no UTF-8, holds what is prohibited or
 * not assigned, mixes directions, is longer than 4096 octets, or nothing is left of it. NOMEM.
 */
int poplin_prepare(poplin_slice text, enum poplin_prepare how, poplin_buffer *prepared);

#endif
