/*
 * wire/utf8.c - UTF-8 by the table of well-formed sequences (RFC 3629 section 4).
 */
#include "wire/utf8.h"

/* What a lead octet says: how many octets follow, and between which bounds the first of them lies. */
typedef struct lead_octet {
    size_t following;
    unsigned char low, high;
} lead_octet;

static bool read_lead(unsigned char octet, lead_octet *read) {
    *read = (lead_octet){1, 0x80, 0xBF};
    if (octet < 0x80)
        read->following = 0;
    else if (octet < 0xC2 || octet > 0xF4)
        return false;
    else if (octet >= 0xF0)
        *read = (lead_octet){3, octet == 0xF0 ? 0x90 : 0x80, octet == 0xF4 ? 0x8F : 0xBF};
    else if (octet >= 0xE0)
        *read = (lead_octet){2, octet == 0xE0 ? 0xA0 : 0x80, octet == 0xED ? 0x9F : 0xBF};
    return true;
}

bool poplin_is_utf8(poplin_slice text) {
    for (size_t i = 0; i < text.size;) {
        lead_octet lead;

        if (!read_lead((unsigned char)text.data[i++], &lead) || lead.following > text.size - i)
            return false;
        for (; lead.following > 0; lead.following--, lead.low = 0x80, lead.high = 0xBF) {
            unsigned char octet = (unsigned char)text.data[i++];

            if (octet < lead.low || octet > lead.high)
                return false;
        }
    }
    return true;
}

size_t poplin_utf8_length(poplin_slice text) {
    size_t length = 0;

    for (size_t i = 0; i < text.size; i++)
        length += ((unsigned char)text.data[i] & 0xC0) != 0x80;
    return length;
}

enum poplin_utf8_front poplin_utf8_front(poplin_slice text, size_t *size) {
    lead_octet lead;

    *size = 1;
    if (!read_lead((unsigned char)*text.data, &lead))
        return POPLIN_UTF8_BROKEN;
    for (; lead.following > 0; lead.following--, lead.low = 0x80, lead.high = 0xBF, ++*size) {
        if (*size == text.size)
            return POPLIN_UTF8_CUT;
        unsigned char octet = (unsigned char)text.data[*size];

        if (octet < lead.low || octet > lead.high)
            return POPLIN_UTF8_BROKEN;
    }
    return POPLIN_UTF8_CHARACTER;
}
