/*
 * loop/locks.c - the names of the maildrops in use, in a hash table with chains.
 *
 * Only names that a backend has let in come here, so their hash needs no secret.
 */
#include "loop/locks.h"

#include <stdlib.h>
#include <string.h>

struct poplin_lock_held {
    poplin_lock_held *next;
    uint64_t hash;
    size_t size;
    char name[];
};

/* FNV-1a. */
static uint64_t hash_of(poplin_slice name) {
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < name.size; i++)
        hash = (hash ^ (unsigned char)name.data[i]) * 1099511628211u;
    return hash;
}

static poplin_lock_held **bucket_of(const poplin_locks *locks, uint64_t hash) {
    return &locks->buckets[hash & (locks->bucket_count - 1)];
}

static bool is_held(const poplin_locks *locks, poplin_slice name, uint64_t hash) {
    if (locks->bucket_count == 0)
        return false;
    for (poplin_lock_held *held = *bucket_of(locks, hash); held != NULL; held = held->next)
        if (held->hash == hash && held->size == name.size && memcmp(held->name, name.data, name.size) == 0)
            return true;
    return false;
}

static void insert(poplin_locks *locks, poplin_lock_held *held) {
    poplin_lock_held **bucket = bucket_of(locks, held->hash);
    held->next = *bucket;
    *bucket = held;
}

/* Keeps the chains short: as many buckets as there are names, at least. */
static bool make_room(poplin_locks *locks) {
    if (locks->count < locks->bucket_count)
        return true;
    poplin_locks wider = {.bucket_count = locks->bucket_count == 0 ? 16 : locks->bucket_count * 2};
    wider.buckets = calloc(wider.bucket_count, sizeof(poplin_lock_held *));
    if (wider.buckets == NULL)
        return false;
    for (size_t i = 0; i < locks->bucket_count; i++) {
        for (poplin_lock_held *held = locks->buckets[i], *next; held != NULL; held = next) {
            next = held->next;
            insert(&wider, held);
        }
    }
    free(locks->buckets);
    locks->buckets = wider.buckets;
    locks->bucket_count = wider.bucket_count;
    return true;
}

int poplin_locks_take(poplin_locks *locks, poplin_slice name, poplin_lock_held **held) {
    uint64_t hash = hash_of(name);
    if (is_held(locks, name, hash))
        return POPLIN_ERR_IN_USE;
    poplin_lock_held *made = malloc(sizeof *made + name.size);
    if (made == NULL || !make_room(locks)) {
        free(made);
        return POPLIN_ERR_NOMEM;
    }
    made->hash = hash;
    made->size = name.size;
    if (name.size > 0)
        memcpy(made->name, name.data, name.size);
    insert(locks, made);
    locks->count++;
    *held = made;
    return POPLIN_OK;
}

void poplin_locks_drop(poplin_locks *locks, poplin_lock_held *held) {
    if (held == NULL)
        return;
    poplin_lock_held **place = bucket_of(locks, held->hash);
    while (*place != held)
        place = &(*place)->next;
    *place = held->next;
    locks->count--;
    free(held);
}

void poplin_locks_free(poplin_locks *locks) {
    free(locks->buckets);
    *locks = (poplin_locks){0};
}
