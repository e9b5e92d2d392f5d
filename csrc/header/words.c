/*
 * header/words.c - encoded words read and their Q and B undone, forgiving: wire/base64.h is strict, as SASL wants it.
 */
#include "header/words.h"

#include <string.h>

enum { TOKEN_MAX = 64 }; /* octets of a charset or language: no registered one has as many */

/* Takes from *text what stands before any of the ends, at most TOKEN_MAX octets, all of them visible ASCII. */
static poplin_slice take_token(poplin_slice *text, const char *ends) {
    poplin_slice token = {text->data, 0};

    while (token.size < text->size && token.size < TOKEN_MAX) {
        char c = text->data[token.size];

        if (c <= ' ' || c > '~' || strchr(ends, c) != NULL)
            break;
        token.size++;
    }
    text->data += token.size;
    text->size -= token.size;
    return token;
}

static bool take_char(poplin_slice *text, char wanted) {
    if (text->size == 0 || *text->data != wanted)
        return false;
    text->data++;
    text->size--;
    return true;
}

bool poplin_word_read(poplin_slice text, poplin_word *word) {
    poplin_slice rest = text;

    if (!take_char(&rest, '=') || !take_char(&rest, '?'))
        return false;
    word->charset = take_token(&rest, "?*");
    if (take_char(&rest, '*'))
        (void)take_token(&rest, "?");
    if (word->charset.size == 0 || !take_char(&rest, '?'))
        return false;
    word->base64 = take_char(&rest, 'B') || take_char(&rest, 'b');
    if (!word->base64 && !take_char(&rest, 'Q') && !take_char(&rest, 'q'))
        return false;
    if (!take_char(&rest, '?'))
        return false;
    /* The text ends at the first "?": so no octet is looked at for more than two beginnings. */
    const char *end = rest.size > 0 ? memchr(rest.data, '?', rest.size) : NULL;

    if (end == NULL)
        return false;
    word->text = (poplin_slice){rest.data, (size_t)(end - rest.data)};
    word->size = (size_t)(end - text.data) + 2;
    return word->size <= text.size && end[1] == '=';
}

static int digit_of(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Writes to octets, which has room, and returns how many they are. */
static size_t undo_q(poplin_slice text, char *octets) {
    size_t count = 0;

    for (size_t i = 0; i < text.size; i++) {
        int high = text.data[i] == '=' && text.size - i > 2 ? digit_of(text.data[i + 1]) : -1;
        int low = high >= 0 ? digit_of(text.data[i + 2]) : -1;

        octets[count++] = low >= 0 ? (char)(high * 16 + low) : text.data[i] == '_' ? ' ' : text.data[i];
        if (low >= 0)
            i += 2;
    }
    return count;
}

static int bits_of(char c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The same; *letters is how many of the alphabet were read, up to the first "=" that can be padding. */
static size_t undo_b(poplin_slice text, char *octets, size_t *letters) {
    unsigned group = 0;
    size_t count = 0;

    *letters = 0;
    for (size_t i = 0; i < text.size; i++) {
        int bits = bits_of(text.data[i]);

        if (text.data[i] == '=' && *letters % 4 >= 2)
            break;
        if (bits < 0)
            continue;
        group = (group << 6 | (unsigned)bits) & 0xFFFFFF;
        if (++*letters % 4 == 0)
            for (int shift = 16; shift >= 0; shift -= 8)
                octets[count++] = (char)(group >> shift & 0xFF);
    }
    if (*letters % 4 == 3)
        octets[count++] = (char)(group >> 10 & 0xFF);
    if (*letters % 4 == 3)
        octets[count++] = (char)(group >> 2 & 0xFF);
    if (*letters % 4 == 2)
        octets[count++] = (char)(group >> 4 & 0xFF);
    return count;
}

int poplin_word_decode(const poplin_word *word, poplin_buffer *output) {
    size_t letters = 0;
    char *octets = poplin_buffer_reserve(output, word->text.size);

    if (octets == NULL)
        return POPLIN_ERR_NOMEM;
    size_t count = word->base64 ? undo_b(word->text, octets, &letters) : undo_q(word->text, octets);

    if (letters % 4 == 1)
        return POPLIN_ERR_PROTOCOL;
    poplin_buffer_grow(output, count);
    return POPLIN_OK;
}
