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

/* What stands at the front of a text. */
enum poplin_utf8_front {
    POPLIN_UTF8_CHARACTER,
    POPLIN_UTF8_BROKEN, /* octets that begin no character */
    POPLIN_UTF8_CUT     /* the beginning of a character, and the text ends */
};

/*
 * Says so of a text that is not empty, and of how many octets: of what is broken, as many as could have begun a character,
 * for which one U+FFFD stands (Unicode, section 3.9), and at least one.
 */
enum poplin_utf8_front poplin_utf8_front(poplin_slice text, size_t *size);

#endif
