/*
 * wire/base64.c - strict base64 (RFC 4648 section 4): four characters for three octets, nothing else let through.
 */
#include "wire/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int poplin_base64_encode(poplin_slice data, poplin_buffer *output) {
    if (data.size == 0)
        return POPLIN_OK;
    if (data.size > SIZE_MAX / 2)
        return POPLIN_ERR_NOMEM;

    size_t size = (data.size + 2) / 3 * 4;
    char *at = poplin_buffer_reserve(output, size);

    if (at == NULL)
        return POPLIN_ERR_NOMEM;
    for (size_t i = 0; i < data.size; i += 3, at += 4) {
        size_t left = data.size - i;
        unsigned group = (unsigned)(unsigned char)data.data[i] << 16;

        if (left > 1)
            group |= (unsigned)(unsigned char)data.data[i + 1] << 8;
        if (left > 2)
            group |= (unsigned char)data.data[i + 2];
        at[0] = alphabet[group >> 18];
        at[1] = alphabet[group >> 12 & 63];
        at[2] = left > 1 ? alphabet[group >> 6 & 63] : '=';
        at[3] = left > 2 ? alphabet[group & 63] : '=';
    }
    poplin_buffer_grow(output, size);
    return POPLIN_OK;
}

/* The six bits that a character stands for; -1: it is not of the alphabet. */
static int bits_of(char character) {
    if (character >= 'A' && character <= 'Z')
        return character - 'A';
    if (character >= 'a' && character <= 'z')
        return character - 'a' + 26;
    if (character >= '0' && character <= '9')
        return character - '0' + 52;
    if (character == '+')
        return 62;
    return character == '/' ? 63 : -1;
}

/* Decodes four characters, of which the last pads are "=". False: they stand for nothing. */
static bool decode_group(const char *text, size_t pads, char *octets) {
    unsigned group = 0;

    for (size_t i = 0; i < 4; i++) {
        int bits = i < 4 - pads ? bits_of(text[i]) : 0;

        if (bits < 0)
            return false;
        group = group << 6 | (unsigned)bits;
    }
    if ((group & ((1u << 8 * pads) - 1)) != 0)
        return false;
    for (size_t i = 0; i < 3 - pads; i++)
        octets[i] = (char)(group >> (16 - 8 * i) & 0xFF);
    return true;
}

int poplin_base64_decode(poplin_slice text, poplin_buffer *output) {
    if (text.size == 0)
        return POPLIN_OK;
    if (text.size % 4 != 0)
        return POPLIN_ERR_PROTOCOL;

    size_t pads = text.data[text.size - 1] != '=' ? 0 : text.data[text.size - 2] != '=' ? 1 : 2;
    size_t size = text.size / 4 * 3 - pads;
    char *octets = poplin_buffer_reserve(output, size);

    if (octets == NULL)
        return POPLIN_ERR_NOMEM;
    for (size_t group = 0; group < text.size / 4; group++) {
        bool last = (group + 1) * 4 == text.size;

        if (!decode_group(text.data + group * 4, last ? pads : 0, octets + group * 3)) {
            poplin_wipe(octets, size);
            return POPLIN_ERR_PROTOCOL;
        }
    }
    poplin_buffer_grow(output, size);
    return POPLIN_OK;
}
