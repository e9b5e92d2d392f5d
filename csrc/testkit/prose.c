/*
 * testkit/prose.c - text for people. Where memory runs out, the rest is not written, and the end says so.
 */
#include "testkit/prose.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "wire/grammar.h"

static char *room(poplin_prose *prose, size_t size) {
    char *place = prose->failed ? NULL : poplin_buffer_reserve(&prose->text, size);
    prose->failed = place == NULL;
    return place;
}

void poplin_prose_add(poplin_prose *prose, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    char *place = size >= 0 ? room(prose, (size_t)size + 1) : NULL;
    if (place != NULL) {
        (void)vsnprintf(place, (size_t)size + 1, format, again);
        poplin_buffer_grow(&prose->text, (size_t)size);
    }
    va_end(again);
    va_end(arguments);
}

void poplin_prose_add_visible(poplin_prose *prose, poplin_slice octets) {
    size_t size = 4 * octets.size + 1;
    char *place = room(prose, size);
    if (place == NULL)
        return;
    poplin_visible(octets, place, size);
    poplin_buffer_grow(&prose->text, strlen(place));
}

char *poplin_prose_take(poplin_prose *prose) {
    char *end = room(prose, 1);
    char *text = NULL;
    if (end != NULL) {
        *end = '\0';
        text = prose->text.memory; /* nothing was ever consumed: the text begins there */
    } else {
        poplin_buffer_free(&prose->text);
    }
    *prose = (poplin_prose){0};
    return text;
}
