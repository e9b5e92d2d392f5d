/*
 * header/charsets.h - octets in the charsets that mail names, as UTF-8 on one line.
 */
#ifndef POPLIN_HEADER_CHARSETS_H
#define POPLIN_HEADER_CHARSETS_H

#include <poplin/header.h>

#include <iconv.h>

#include "wire/buffer.h"

/* A charset that a header has named. */
typedef struct poplin_charset {
    const char *name; /* as iconv has it: of what poplin_charset_known answers */
    bool known;       /* this system converts it */
    bool utf8;        /* or what is read as such: no iconv is needed */
    iconv_t conversion;
} poplin_charset;

/* All zero is none. */
typedef struct poplin_charsets {
    poplin_charset list[POPLIN_HEADER_CHARSETS];
    size_t count;
} poplin_charsets;

/*
 * What iconv(3) calls the charset of this name; "": it is read as UTF-8 is; NULL: none that mail is written in. Static: one
 * pointer for all names of a charset.
 */
const char *poplin_charset_known(poplin_slice name);

/* *charset is what has this name; NULL: unknown, or one too many. OK or NOMEM. */
int poplin_charsets_find(poplin_charsets *charsets, poplin_slice name, poplin_charset **charset);

void poplin_charsets_free(poplin_charsets *charsets);

/*
 * Appends what the octets in pending mean. A character that breaks off at their end stays in pending for what may
 * follow; where nothing does, last, it becomes U+FFFD. OK or NOMEM.
 */
int poplin_charset_convert(poplin_charset *charset, poplin_buffer *pending, bool last, poplin_buffer *output);

/*
 * Appends text that claims to be UTF-8: what is not becomes U+FFFD, CR and LF a space, NUL U+FFFD too. *used is how many
 * octets that were: without last, a character that breaks off at the end is not among them. OK or NOMEM.
 */
int poplin_put_utf8(poplin_slice text, bool last, poplin_buffer *output, size_t *used);

#endif
