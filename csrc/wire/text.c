/*
 * wire/text.c - slices compared, numbers read, and a peer's words made fit to be seen.
 */
#include "wire/grammar.h"

#include <stdio.h>
#include <string.h>

static unsigned char lower(char c) {
    unsigned char octet = (unsigned char)c;
    if (octet >= 'A' && octet <= 'Z')
        octet |= 0x20;
    return octet;
}

poplin_slice poplin_slice_of(const char *string) {
    return (poplin_slice){string, strlen(string)};
}

bool poplin_slice_equal(poplin_slice a, poplin_slice b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool poplin_slice_equal_nocase(poplin_slice a, const char *b) {
    for (size_t i = 0; i < a.size; i++)
        if (b[i] == '\0' || lower(a.data[i]) != lower(b[i]))
            return false;
    return b[a.size] == '\0';
}

int poplin_number_take(poplin_slice *text, uint64_t max, uint64_t *number) {
    uint64_t value = 0;
    size_t digits = 0;
    while (digits < text->size && text->data[digits] >= '0' && text->data[digits] <= '9') {
        uint64_t digit = (uint64_t)(text->data[digits] - '0');
        if (digits > 0 && text->data[0] == '0')
            return POPLIN_ERR_PROTOCOL;
        if (value > max / 10 || digit > max - value * 10)
            return POPLIN_ERR_PROTOCOL;
        value = value * 10 + digit;
        digits++;
    }
    if (digits == 0)
        return POPLIN_ERR_PROTOCOL;
    text->data += digits;
    text->size -= digits;
    *number = value;
    return POPLIN_OK;
}

static bool is_shown_plain(char octet) {
    return octet >= 0x20 && octet <= 0x7E;
}

static size_t shown_size(char octet) {
    return is_shown_plain(octet) ? 1 : sizeof "\\xNN" - 1;
}

void poplin_visible(poplin_slice text, char *buffer, size_t size) {
    if (size == 0)
        return;
    size_t used = 0;
    for (size_t i = 0; i < text.size; i++) {
        char octet = text.data[i];
        if (used + shown_size(octet) >= size)
            break;
        if (is_shown_plain(octet))
            buffer[used++] = octet;
        else
            used += (size_t)snprintf(buffer + used, size - used, "\\x%02X", (unsigned char)octet);
    }
    buffer[used] = '\0';
}

const char *poplin_visible_end(const char *string, size_t room) {
    const char *begin = string + strlen(string);
    while (begin > string && shown_size(begin[-1]) <= room)
        room -= shown_size(*--begin);
    return begin;
}
