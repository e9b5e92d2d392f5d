/*
 * loop/names.c - the names, in chains.
 *
 * Only names that a backend has let in come here, so their hash needs no secret.
 */
#include "loop/names.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a. */
static uint64_t hash_of(poplin_slice name) {
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < name.size; i++)
        hash = (hash ^ (unsigned char)name.data[i]) * 1099511628211u;
    return hash;
}

static poplin_named **bucket_of(const poplin_names *names, uint64_t hash) {
    return &names->buckets[hash & (names->bucket_count - 1)];
}

poplin_named *poplin_names_find(const poplin_names *names, poplin_slice name) {
    uint64_t hash = hash_of(name);
    if (names->bucket_count == 0)
        return NULL;
    for (poplin_named *named = *bucket_of(names, hash); named != NULL; named = named->next)
        if (named->hash == hash && named->size == name.size && memcmp(named->name, name.data, name.size) == 0)
            return named;
    return NULL;
}

static void insert(poplin_names *names, poplin_named *named) {
    poplin_named **bucket = bucket_of(names, named->hash);
    named->next = *bucket;
    *bucket = named;
}

/* Keeps the chains short: as many buckets as there are names, at least. */
static bool make_room(poplin_names *names) {
    if (names->count < names->bucket_count)
        return true;
    poplin_names wider = {.bucket_count = names->bucket_count == 0 ? 16 : names->bucket_count * 2};
    wider.buckets = calloc(wider.bucket_count, sizeof(poplin_named *));
    if (wider.buckets == NULL)
        return false;
    for (size_t i = 0; i < names->bucket_count; i++) {
        for (poplin_named *named = names->buckets[i], *next; named != NULL; named = next) {
            next = named->next;
            insert(&wider, named);
        }
    }
    free(names->buckets);
    names->buckets = wider.buckets;
    names->bucket_count = wider.bucket_count;
    return true;
}

poplin_named *poplin_names_enter(poplin_names *names, poplin_slice name, size_t size) {
    poplin_named *made = calloc(1, size + name.size + 1);
    if (made == NULL || !make_room(names)) {
        free(made);
        return NULL;
    }
    made->hash = hash_of(name);
    made->size = name.size;
    made->name = (char *)made + size;
    if (name.size > 0)
        memcpy(made->name, name.data, name.size);
    insert(names, made);
    names->count++;
    return made;
}

void poplin_names_remove(poplin_names *names, poplin_named *named) {
    poplin_named **place = bucket_of(names, named->hash);
    while (*place != named)
        place = &(*place)->next;
    *place = named->next;
    names->count--;
    free(named);
}

void poplin_names_free(poplin_names *names) {
    for (size_t i = 0; i < names->bucket_count; i++) {
        for (poplin_named *named = names->buckets[i], *next; named != NULL; named = next) {
            next = named->next;
            free(named);
        }
    }
    free(names->buckets);
    *names = (poplin_names){0};
}
