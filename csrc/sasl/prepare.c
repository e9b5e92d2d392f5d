/*
 * sasl/prepare.c - SASLprep (RFC 4013): UTF-8 to code points, GNU libidn's profile over them, and back.
 *
 * The code points are laid out here, and wiped here: libidn's own functions on UTF-8 would leave more copies of a password
 * behind than its normaliser has to.
 */
#include "sasl/prepare.h"

#include <stdlib.h>
#include <stringprep.h>

enum {
    TEXT_MAX = 4096, /* libidn sorts runs of combining marks in quadratic time */
    GROWTH = 6,      /* code points for an octet at most: U+FDFA, of three octets, becomes 18 */
    UTF8_MAX = 6     /* what stringprep_unichar_to_utf8 may write */
};

static bool is_plain(poplin_slice text) {
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < ' ' || text.data[i] > '~')
            return false;
    return true;
}

/* Takes a code point from the front of *text (RFC 3629: shortest form, no surrogates). False: it is no UTF-8. */
static bool take_code_point(poplin_slice *text, uint32_t *code_point) {
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *octets = (const unsigned char *)text->data;
    size_t more = octets[0] < 0x80 ? 0 : octets[0] < 0xE0 ? 1 : octets[0] < 0xF0 ? 2 : 3;
    uint32_t value = more == 0 ? octets[0] : octets[0] & (0x3Fu >> more);

    if ((octets[0] >= 0x80 && octets[0] < 0xC0) || octets[0] >= 0xF8 || text->size <= more)
        return false;
    for (size_t i = 1; i <= more; i++) {
        if ((octets[i] & 0xC0) != 0x80)
            return false;
        value = value << 6 | (octets[i] & 0x3F);
    }
    if (value < least[more] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return false;
    text->data += more + 1;
    text->size -= more + 1;
    *code_point = value;
    return true;
}

/* NUL is not for libidn, which takes it for the end. */
static int decode(poplin_slice text, uint32_t *points, size_t *count) {
    for (*count = 0; text.size > 0; ++*count)
        if (!take_code_point(&text, &points[*count]) || points[*count] == 0)
            return POPLIN_ERR_PROTOCOL;
    return POPLIN_OK;
}

static int encode(const uint32_t *points, size_t count, poplin_buffer *output) {
    char *start = poplin_buffer_reserve(output, count * UTF8_MAX), *at = start;

    if (start == NULL)
        return POPLIN_ERR_NOMEM;
    for (size_t i = 0; i < count; i++)
        at += stringprep_unichar_to_utf8(points[i], at);
    poplin_buffer_grow(output, (size_t)(at - start));
    return POPLIN_OK;
}

static int normalize(uint32_t *points, size_t *count, size_t room, enum poplin_prepare how) {
    Stringprep_profile_flags flags = how == POPLIN_PREPARE_STORED ? STRINGPREP_NO_UNASSIGNED : 0;

    switch (stringprep_4i(points, count, room, flags, stringprep_saslprep)) {
    case STRINGPREP_OK:
        return *count > 0 ? POPLIN_OK : POPLIN_ERR_PROTOCOL;
    case STRINGPREP_NFKC_FAILED: /* for want of memory, and for nothing else */
    case STRINGPREP_MALLOC_ERROR:
        return POPLIN_ERR_NOMEM;
    default:
        return POPLIN_ERR_PROTOCOL;
    }
}

int poplin_prepare(poplin_slice text, enum poplin_prepare how, poplin_buffer *prepared) {
    if (text.size == 0 || text.size > TEXT_MAX)
        return POPLIN_ERR_PROTOCOL;
    if (is_plain(text))
        return poplin_buffer_append(prepared, text.data, text.size);

    size_t count, room = text.size * GROWTH + 1;
    uint32_t *points = calloc(room, sizeof *points);

    if (points == NULL)
        return POPLIN_ERR_NOMEM;
    int status = decode(text, points, &count);

    if (status == POPLIN_OK)
        status = normalize(points, &count, room, how);
    if (status == POPLIN_OK)
        status = encode(points, count, prepared);
    poplin_wipe(points, room * sizeof *points);
    free(points);
    return status;
}
