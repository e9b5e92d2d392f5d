/*
 * loop/names.h - a table of users' names, for what is known of each: a hash table with chains, made of its entries.
 */
#ifndef POPLIN_LOOP_NAMES_H
#define POPLIN_LOOP_NAMES_H

#include <poplin/types.h>

/* One name; embedded, as the first member, in what is known of it. */
typedef struct poplin_named {
    struct poplin_named *next;
    uint64_t hash;
    size_t size;
    char *name;
} poplin_named;

/* All zero is an empty table. */
typedef struct poplin_names {
    poplin_named **buckets;
    size_t bucket_count; /* a power of two, or 0 */
    size_t count;
} poplin_names;

/* The entry of this name; NULL: there is none. */
poplin_named *poplin_names_find(const poplin_names *names, poplin_slice name);

/*
 * Makes an entry of this name, which is in none, in an allocation of size octets with the name behind them; what follows the
 * poplin_named in it is all zero. NULL: out of memory.
 */
poplin_named *poplin_names_enter(poplin_names *names, poplin_slice name, size_t size);

/* Takes the entry out and frees it. */
void poplin_names_remove(poplin_names *names, poplin_named *named);

/* Frees the table, and all that is in it. */
void poplin_names_free(poplin_names *names);

#endif
