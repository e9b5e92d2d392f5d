/*
 * wire/base64.h - base64 as SASL wants it: strict (RFC 5034 section 4; protocol.md POP-AUTH-13).
 */
#ifndef POPLIN_WIRE_BASE64_H
#define POPLIN_WIRE_BASE64_H

#include "wire/buffer.h"

/* Appends the base64 form of data, without line end. OK or ERR_NOMEM. */
int poplin_base64_encode(poplin_slice data, poplin_buffer *output);

/*
 * Appends what text stands for. ERR_PROTOCOL: a character outside the alphabet, a wrong length, = anywhere but at the end,
 * trailing bits that are not zero; output is then as it was. ERR_NOMEM.
 */
int poplin_base64_decode(poplin_slice text, poplin_buffer *output);

#endif
