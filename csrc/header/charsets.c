/*
 * header/charsets.c - from the charsets that mail names to UTF-8, by iconv(3); UTF-8 itself is checked here.
 *
 * Only names that charset_names.c knows get to iconv, which may load a module for each: a header opens few of them, each
 * once.
 */
#include "header/charsets.h"

#include <errno.h>
#include <string.h>

#include "wire/utf8.h"

enum { CHARACTER_MAX = 16 }; /* octets of one character with its shifts, in any charset */

static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */

/* ---- names ---- */

/* A conversion that this system does not have is remembered too: it is asked for once. */
static int open_charset(poplin_charset *charset, const char *name) {
    *charset = (poplin_charset){.name = name, .utf8 = *name == '\0', .known = true};
    if (charset->utf8)
        return POPLIN_OK;
    charset->conversion = iconv_open("UTF-8", name);
    charset->known = charset->conversion != (iconv_t)-1;
    return !charset->known && errno == ENOMEM ? POPLIN_ERR_NOMEM : POPLIN_OK;
}

int poplin_charsets_find(poplin_charsets *charsets, poplin_slice name, poplin_charset **charset) {
    const char *known = poplin_charset_known(name);
    *charset = NULL;
    if (known == NULL)
        return POPLIN_OK;
    for (size_t i = 0; i < charsets->count; i++)
        if (charsets->list[i].name == known) {
            *charset = charsets->list[i].known ? &charsets->list[i] : NULL;
            return POPLIN_OK;
        }
    if (charsets->count == POPLIN_HEADER_CHARSETS)
        return POPLIN_OK;
    poplin_charset *made = &charsets->list[charsets->count];
    int status = open_charset(made, known);

    if (status == POPLIN_OK)
        charsets->count++;
    *charset = made->known ? made : NULL;
    return status;
}

void poplin_charsets_free(poplin_charsets *charsets) {
    for (size_t i = 0; i < charsets->count; i++)
        if (charsets->list[i].known && !charsets->list[i].utf8)
            iconv_close(charsets->list[i].conversion);
    charsets->count = 0;
}

/* ---- octets ---- */

static int put_replacement(poplin_buffer *output) {
    return poplin_buffer_append(output, replacement, sizeof replacement - 1);
}

/* What is put in the place of the character of that size at the front; NULL: it stays. */
static const char *in_place_of(char first, enum poplin_utf8_front front) {
    if (front != POPLIN_UTF8_CHARACTER || first == '\0')
        return replacement;
    return first == '\r' || first == '\n' ? " " : NULL;
}

int poplin_put_utf8(poplin_slice text, bool last, poplin_buffer *output, size_t *used) {
    size_t run = 0; /* where that begins which goes through unchanged */
    int status = POPLIN_OK;

    *used = 0;
    while (*used < text.size && status == POPLIN_OK) {
        const poplin_slice rest = {text.data + *used, text.size - *used};
        size_t size;
        enum poplin_utf8_front front = poplin_utf8_front(rest, &size);

        if (front == POPLIN_UTF8_CUT && !last)
            break;
        const char *instead = in_place_of(*rest.data, front);

        if (instead != NULL) {
            status = poplin_buffer_append(output, text.data + run, *used - run);
            if (status == POPLIN_OK)
                status = poplin_buffer_append(output, instead, strlen(instead));
            run = *used + size;
        }
        *used += size;
    }
    return status == POPLIN_OK && *used > run ? poplin_buffer_append(output, text.data + run, *used - run) : status;
}

/* One call of iconv, with what came out put to the output. *why is why it ended before the input did, 0 where it did not. */
static int convert_some(iconv_t conversion, poplin_slice *input, int *why, poplin_buffer *output) {
    char room[512], *from = (char *)input->data, *to = room;
    size_t left = input->size, space = sizeof room, used;

    errno = 0;
    size_t answer = iconv(conversion, input->data != NULL ? &from : NULL, &left, &to, &space);

    *why = answer == (size_t)-1 ? errno : 0;
    if (*why == E2BIG && space == sizeof room && left == input->size)
        *why = EILSEQ; /* nothing moves */
    if (input->data != NULL)
        *input = (poplin_slice){from, left};
    return poplin_put_utf8((poplin_slice){room, sizeof room - space}, true, output, &used);
}

/* *input is left with the character that breaks off at its end, if one does. */
static int convert_all(iconv_t conversion, poplin_slice *input, poplin_buffer *output) {
    poplin_slice none = {NULL, 0};
    int why = 0, status = POPLIN_OK;

    iconv(conversion, NULL, NULL, NULL, NULL); /* as at the beginning of a text */
    while (status == POPLIN_OK && input->size > 0) {
        status = convert_some(conversion, input, &why, output);
        if (why == EINVAL && input->size <= CHARACTER_MAX)
            break;
        if (status == POPLIN_OK && why != 0 && why != E2BIG && input->size > 0) {
            status = put_replacement(output);
            *input = (poplin_slice){input->data + 1, input->size - 1};
        }
    }
    /* Some hold a character back until they know whether an accent follows. */
    return status == POPLIN_OK ? convert_some(conversion, &none, &why, output) : status;
}

int poplin_charset_convert(poplin_charset *charset, poplin_buffer *pending, bool last, poplin_buffer *output) {
    poplin_slice input = poplin_buffer_slice(pending);
    size_t used = 0;
    int status = POPLIN_OK;

    if (charset->utf8)
        status = poplin_put_utf8(input, last, output, &used);
    else if (input.size > 0)
        status = convert_all(charset->conversion, &input, output);
    if (!charset->utf8)
        used = pending->size - input.size;
    poplin_buffer_consume(pending, used);
    if (!last || pending->size == 0 || status != POPLIN_OK)
        return status;
    poplin_buffer_consume(pending, pending->size);
    return put_replacement(output);
}
