/*
 * wire/utf8.h - whether octets are UTF-8 (RFC 3629).
 */
#ifndef POPLIN_WIRE_UTF8_H
#define POPLIN_WIRE_UTF8_H

#include <poplin/types.h>

/* True for well-formed UTF-8: no overlong form, no surrogate, nothing above U+10FFFF. */
bool poplin_is_utf8(poplin_slice text);

/* How many characters well-formed UTF-8 has. */
size_t poplin_utf8_length(poplin_slice text);

#endif
