/*
 * client/capabilities.c - the table of what the server announced with CAPA (RFC 2449 section 5).
 */
#include "client/machine.h"

#include <string.h>

/* LIM-8: mechanisms beyond these are not looked at. */
enum { PARAMETERS_MAX = 64 };

void poplin_capabilities_clear(poplin_capabilities *capabilities) {
    poplin_buffer_clear(&capabilities->lines);
    poplin_buffer_clear(&capabilities->places);
    capabilities->count = 0;
    capabilities->lines_read = 0;
    capabilities->pipelining = false;
    capabilities->codes = false;
}

void poplin_capabilities_free(poplin_capabilities *capabilities) {
    poplin_buffer_free(&capabilities->lines);
    poplin_buffer_free(&capabilities->places);
}

/* The length of the tag at the start of line; 0: there is none (POP-CAPA-3). */
static size_t tag_size(poplin_slice line) {
    size_t size = 0;
    while (size < line.size && line.data[size] > 0x20 && line.data[size] < 0x7F && line.data[size] != '.')
        size++;
    return size == line.size || line.data[size] == ' ' ? size : 0;
}

int poplin_capabilities_add(poplin_capabilities *capabilities, poplin_slice line) {
    capabilities->lines_read++;
    size_t name = tag_size(line);
    if (name == 0)
        return POPLIN_OK;
    size_t at = capabilities->lines.size;
    size_t behind = name < line.size ? name + 1 : name;
    const poplin_capability_place place = {at, name, at + behind, line.size - behind};
    if (poplin_buffer_append(&capabilities->lines, line.data, line.size) < 0 ||
        poplin_buffer_append(&capabilities->places, &place, sizeof place) < 0)
        return POPLIN_ERR_NOMEM;
    char *tag = capabilities->lines.memory + capabilities->lines.start + at;
    for (size_t i = 0; i < name; i++)
        if (tag[i] >= 'a' && tag[i] <= 'z')
            tag[i] = (char)(tag[i] - ('a' - 'A'));
    capabilities->count++;
    return POPLIN_OK;
}

static poplin_capability at(const poplin_capabilities *capabilities, size_t index) {
    poplin_capability_place place;
    const char *lines = poplin_buffer_slice(&capabilities->lines).data;
    memcpy(&place, poplin_buffer_slice(&capabilities->places).data + index * sizeof place, sizeof place);
    return (poplin_capability){{lines + place.name, place.name_size},
                               {lines + place.parameters, place.parameters_size}};
}

static bool has_parameter(poplin_slice parameters, const char *wanted) {
    for (size_t i = 0; i < PARAMETERS_MAX && parameters.size > 0; i++) {
        const char *space = memchr(parameters.data, ' ', parameters.size);
        size_t size = space != NULL ? (size_t)(space - parameters.data) : parameters.size;
        if (poplin_slice_equal_nocase((poplin_slice){parameters.data, size}, wanted))
            return true;
        size_t taken = space != NULL ? size + 1 : size;
        parameters.data += taken;
        parameters.size -= taken;
    }
    return false;
}

bool poplin_capabilities_have(const poplin_capabilities *capabilities, const char *name, const char *parameter) {
    for (size_t i = 0; i < capabilities->count; i++) {
        poplin_capability capability = at(capabilities, i);
        if (poplin_slice_equal(capability.name, poplin_slice_of(name)) &&
            (parameter == NULL || has_parameter(capability.parameters, parameter)))
            return true;
    }
    return false;
}

void poplin_capabilities_done(poplin_capabilities *capabilities) {
    capabilities->pipelining = poplin_capabilities_have(capabilities, "PIPELINING", NULL);
    capabilities->codes = poplin_capabilities_have(capabilities, "RESP-CODES", NULL) ||
                          poplin_capabilities_have(capabilities, "AUTH-RESP-CODE", NULL);
}

size_t poplin_client_capability_count(const poplin_client *client) {
    return client->capabilities.count;
}

int poplin_client_capability(const poplin_client *client, size_t index, poplin_capability *capability) {
    if (index >= client->capabilities.count)
        return POPLIN_END;
    *capability = at(&client->capabilities, index);
    return POPLIN_OK;
}
