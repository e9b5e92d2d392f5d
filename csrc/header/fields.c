/*
 * header/fields.c - a header cut into fields (RFC 5322 section 2.2). Only where a field begins and ends is looked at.
 */
#include <poplin/header.h>

#include "wire/grammar.h"

#include <string.h>

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

static poplin_slice behind(poplin_slice text, size_t size) {
    return size == 0 ? text : (poplin_slice){text.data + size, text.size - size};
}

/* Octets of the first line, its end included. */
static size_t line_size(poplin_slice text) {
    const char *end = text.size > 0 ? memchr(text.data, '\n', text.size) : NULL;

    return end != NULL ? (size_t)(end - text.data) + 1 : text.size;
}

static bool is_empty_line(poplin_slice line) {
    return poplin_slice_equal(line, poplin_slice_of("\n")) || poplin_slice_equal(line, poplin_slice_of("\r\n"));
}

int poplin_header_of(poplin_slice message, poplin_slice *header) {
    static const size_t most = POPLIN_HEADER_MAX + 2; /* with the empty line */
    poplin_slice rest = {message.data, message.size > most ? most : message.size};

    *header = (poplin_slice){message.data, 0};
    while (rest.size > 0) {
        size_t size = line_size(rest);

        if (is_empty_line((poplin_slice){rest.data, size}))
            break;
        header->size += size;
        rest = behind(rest, size);
    }
    return header->size > POPLIN_HEADER_MAX ? POPLIN_ERR_LIMIT : POPLIN_OK;
}

/* A line with all that continue it. */
static poplin_slice take_folded(poplin_slice *rest) {
    size_t size = line_size(*rest);

    while (size < rest->size && is_blank(rest->data[size]))
        size += line_size(behind(*rest, size));
    poplin_slice folded = {rest->data, size};

    *rest = behind(*rest, size);
    return folded;
}

static poplin_slice without_line_end(poplin_slice line) {
    if (line.size > 0 && line.data[line.size - 1] == '\n') {
        line.size--;
        if (line.size > 0 && line.data[line.size - 1] == '\r')
            line.size--;
    }
    return line;
}

static bool is_name(poplin_slice name) {
    for (size_t i = 0; i < name.size; i++)
        if (name.data[i] < 0x21 || name.data[i] > 0x7E)
            return false;
    return name.size > 0;
}

/* False: it is no field. */
static bool split(poplin_slice folded, poplin_field *field) {
    poplin_slice text = without_line_end(folded);
    const char *colon = text.size > 0 ? memchr(text.data, ':', text.size) : NULL;

    if (colon == NULL)
        return false;
    field->name = (poplin_slice){text.data, (size_t)(colon - text.data)};
    field->value = behind(text, field->name.size + 1);
    while (field->name.size > 0 && is_blank(field->name.data[field->name.size - 1]))
        field->name.size--;
    return is_name(field->name);
}

int poplin_header_next(poplin_slice *header, poplin_field *field) {
    while (header->size > 0) {
        if (is_empty_line((poplin_slice){header->data, line_size(*header)}))
            break;
        if (split(take_folded(header), field))
            return POPLIN_OK;
    }
    return POPLIN_END;
}

int poplin_header_find(poplin_slice *header, const char *name, poplin_field *field) {
    while (poplin_header_next(header, field) == POPLIN_OK)
        if (poplin_slice_equal_nocase(field->name, name))
            return POPLIN_OK;
    return POPLIN_END;
}
