/*
 * fuzz_header.c - any octets as a header, and words composed of their pieces.
 */
#include <poplin/header.h>

#include "wire/utf8.h"

#include "fuzz.h"

enum { TEXT_MAX = 4096 };

/* A header of the pieces that headers are made of, with octets of the tape among them; the caller frees it. */
static char *compose(fuzz_tape *tape, size_t *size) {
    static const char *const pieces[] = {
        "Subject: ", "X:",       "=?",     "utf-8",  "iso-8859-1", "iso-2022-jp",   "gb18030", "big5-hkscs",
        "utf-7",     "utf-16",   "cp1255", "*de",    "?q?",        "?B?",           "?=",      " ",
        "\r\n ",     "\n\t",     "\r\n",   "\n\n",   "=C3",        "=BC",           "w7w=",    "GyRCRnwbKEI",
        "\xC3",      "\xBC",     "_",      "=0D=0A", "=?utf-8?q?", "?= =?utf-8?b?", "euc-kr",  "iso-2022-kr",
        "=1B$)C=0E", "shift_jis"};
    char text[TEXT_MAX];

    for (*size = 0; tape->size > 0 && *size < sizeof text - 300;) {
        size_t chosen = choose(tape, COUNT_OF(pieces) + 4);
        poplin_slice piece = chosen < COUNT_OF(pieces) ? poplin_slice_of(pieces[chosen]) : take_octets(tape, 8);

        if (piece.size > 0)
            memcpy(text + *size, piece.data, piece.size);
        *size += piece.size;
    }
    return copy_of((poplin_slice){text, *size});
}

static void check_value(poplin_decoder *decoder, poplin_slice value) {
    poplin_slice text;

    CHECK(poplin_decoder_value(decoder, value, &text) == POPLIN_OK);
    CHECK(poplin_is_utf8(text));
    CHECK(text.size <= 16 * value.size + 16);
    for (size_t i = 0; i < text.size; i++)
        CHECK(text.data[i] != '\0' && text.data[i] != '\r' && text.data[i] != '\n');
}

/* Fields follow each other, and can be found by their names. */
static void check_fields(poplin_decoder *decoder, poplin_slice header) {
    const char *at = header.data, *end = header.data + header.size;
    poplin_slice rest = header;
    poplin_field field;

    while (poplin_header_next(&rest, &field) == POPLIN_OK) {
        poplin_slice again = header;
        poplin_field found;
        char name[TEXT_MAX];

        CHECK(field.name.size > 0 && field.name.data >= at && field.value.data > field.name.data);
        at = field.value.data + field.value.size;
        CHECK(at <= end && rest.data + rest.size == end);
        memcpy(name, field.name.data, field.name.size);
        name[field.name.size] = '\0';
        CHECK(poplin_header_find(&again, name, &found) == POPLIN_OK && found.name.data <= field.name.data);
        check_value(decoder, field.value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_tape tape = {data, size};
    poplin_decoder *decoder = NULL;
    poplin_slice header;
    size_t length = size < TEXT_MAX ? size : TEXT_MAX - 1;
    char *text;

    if (size > 0 && flip(&tape))
        text = compose(&tape, &length);
    else
        text = copy_of((poplin_slice){(const char *)data, length});
    CHECK(poplin_decoder_new(&decoder) == POPLIN_OK);
    CHECK(poplin_header_of((poplin_slice){text, length}, &header) == POPLIN_OK);
    CHECK(header.size <= length);
    check_fields(decoder, header);
    check_value(decoder, (poplin_slice){text, length});
    poplin_decoder_free(decoder);
    free(text);
    return 0;
}
