/* loop/gather.c - see gather.h */
#include "loop/gather.h"

#include <stdlib.h>
#include <string.h>

/* Memory up to this size is worth keeping between two messages: mapping fresh pages costs as much as copying. */
enum { REUSED_OCTETS = 16 << 20 };

/* Makes room for size more octets of copies. */
static int make_room(poplin_gather *gather, size_t size) {
    poplin_slice *copied = &gather->slices[0];
    size_t capacity = gather->capacity ? gather->capacity : 4096;
    char *memory;

    if (size > SIZE_MAX / 2 - copied->size)
        return POPLIN_ERR_NOMEM;
    while (capacity < copied->size + size)
        capacity *= 2;
    if (capacity == gather->capacity)
        return POPLIN_OK;
    memory = realloc(gather->memory, capacity);
    if (!memory)
        return POPLIN_ERR_NOMEM;
    gather->memory = memory;
    copied->data = memory;
    gather->capacity = capacity;
    return POPLIN_OK;
}

int poplin_gather_add(poplin_gather *gather, poplin_slice octets) {
    if (!gather->slices)
        gather->slices = calloc(1 + POPLIN_GATHER_SLICES, sizeof *gather->slices);
    if (!gather->slices)
        return POPLIN_ERR_NOMEM;
    gather->size += octets.size;
    if (gather->references == POPLIN_GATHER_SLICES) {
        int status = poplin_gather_keep(gather);
        if (status != POPLIN_OK)
            return status;
    }
    gather->slices[++gather->references] = octets;
    return POPLIN_OK;
}

int poplin_gather_keep(poplin_gather *gather) {
    poplin_slice *copied;
    int status;

    if (gather->references == 0)
        return POPLIN_OK;
    copied = &gather->slices[0];
    status = make_room(gather, gather->size - copied->size);
    if (status != POPLIN_OK)
        return status;
    for (size_t i = 1; i <= gather->references; i++) {
        memcpy(gather->memory + copied->size, gather->slices[i].data, gather->slices[i].size);
        copied->size += gather->slices[i].size;
    }
    gather->references = 0;
    return POPLIN_OK;
}

poplin_body poplin_gather_body(const poplin_gather *gather) {
    bool copies;

    if (!gather->slices)
        return (poplin_body){.size = 0};
    copies = gather->slices[0].size > 0;
    return (poplin_body){
        .slices = gather->slices + !copies, .count = gather->references + copies, .size = gather->size};
}

void poplin_gather_reset(poplin_gather *gather) {
    if (gather->capacity > REUSED_OCTETS) {
        poplin_gather_free(gather);
        return;
    }
    if (gather->slices)
        gather->slices[0].size = 0;
    gather->references = 0;
    gather->size = 0;
}

void poplin_gather_free(poplin_gather *gather) {
    free(gather->memory);
    free(gather->slices);
    *gather = (poplin_gather){.capacity = 0};
}

void poplin_body_copy(const poplin_body *body, void *destination) {
    char *to = destination;

    for (size_t i = 0; i < body->count; i++) {
        memcpy(to, body->slices[i].data, body->slices[i].size);
        to += body->slices[i].size;
    }
}
