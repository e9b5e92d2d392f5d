/*
 * fetch/delivery_known.c - which messages stand in a Maildir already, by the names that deliveries give.
 *
 * The folders are read once, when it is first asked, as a session of a server reads them (maildrop/maildir.h): that finds a file
 * again which another program has renamed meanwhile. What this delivery adds later is noted, so that they need not be read again.
 *
 * Where a fetch was stopped that took the message, a file of the very name that it would get is it, unless the file is empty, as a
 * disk may leave it that lost its power and does not keep its promises. One that was there and is there no more was delivered,
 * and removed by its reader.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fetch/delivery.h"
#include "maildrop/maildir.h"
#include "wire/failure.h"

#define NONE UINT32_MAX

enum { ADDED_MAX = 1000000 };

/* One file. */
typedef struct entry {
    poplin_delivery_key key;
    uint32_t index; /* in the maildir; NONE: this delivery added it later */
    uint32_t next;  /* of the same place in heads; NONE: the last */
} entry;

struct poplin_known {
    poplin_maildir *maildir;
    entry *entries;
    size_t count;
    size_t capacity; /* a power of two, of entries and of heads */
    size_t added;    /* of the entries, by this delivery */
    uint32_t *heads;
};

/* ---- the table ---- */

static uint32_t *head_of(const poplin_known *known, poplin_delivery_hash hash) {
    return &known->heads[hash.low & (known->capacity - 1)];
}

static void hang(poplin_known *known, size_t i) {
    uint32_t *head = head_of(known, known->entries[i].key.hash);
    known->entries[i].next = *head;
    *head = (uint32_t)i;
}

static bool make_room(poplin_known *known) {
    if (known->count < known->capacity)
        return true;
    size_t wanted = known->capacity == 0 ? 64 : known->capacity * 2;
    entry *entries = realloc(known->entries, wanted * sizeof *entries);
    if (entries != NULL)
        known->entries = entries;
    uint32_t *heads = entries == NULL ? NULL : malloc(wanted * sizeof *heads);
    if (heads == NULL)
        return false;
    free(known->heads);
    known->heads = heads;
    known->capacity = wanted;
    memset(heads, 0xFF, wanted * sizeof *heads);
    for (size_t i = 0; i < known->count; i++)
        hang(known, i);
    return true;
}

static bool add(poplin_known *known, poplin_delivery_key key, uint32_t index) {
    if (!make_room(known))
        return false;
    known->entries[known->count] = (entry){.key = key, .index = index};
    hang(known, known->count++);
    return true;
}

/* The next of the entries with that hash; from: the one before, NULL: the first is wanted. NULL: there is none. */
static const entry *next_entry(const poplin_known *known, poplin_delivery_hash hash, const entry *from) {
    if (known->count == 0)
        return NULL;
    uint32_t i = from == NULL ? *head_of(known, hash) : from->next;
    while (i != NONE) {
        const entry *found = &known->entries[i];
        if (found->key.hash.high == hash.high && found->key.hash.low == hash.low)
            return found;
        i = found->next;
    }
    return NULL;
}

/* ---- reading the folders ---- */

void poplin_known_free(poplin_known *known) {
    if (known == NULL)
        return;
    poplin_maildir_free(known->maildir);
    free(known->entries);
    free(known->heads);
    free(known);
}

static bool add_all(poplin_known *known) {
    for (size_t i = 0; i < poplin_maildir_count(known->maildir); i++) {
        poplin_delivery_key key;
        if (poplin_delivery_parse(poplin_maildir_base_of(known->maildir, i), &key) && !add(known, key, (uint32_t)i))
            return false;
    }
    return true;
}

/* What waits has to stand there first. */
static int look(poplin_delivery *delivery, poplin_error *error) {
    poplin_delivery_group_place(delivery);
    delivery->look_again = false;
    poplin_known_free(delivery->known);
    delivery->known = NULL;
    poplin_known *known = calloc(1, sizeof *known);
    int status = known == NULL ? POPLIN_ERR_NOMEM : poplin_maildir_open(delivery->path, &known->maildir, error);
    if (status == POPLIN_OK && !add_all(known))
        status = POPLIN_ERR_NOMEM;
    if (status == POPLIN_OK)
        delivery->known = known;
    else
        poplin_known_free(known);
    if (status == POPLIN_ERR_NOMEM)
        (void)poplin_fail(error, status, poplin_delivery_doing, "out of memory");
    return status;
}

/* ---- finding ---- */

/* Calls matches with the entry's file, opened, and flushes it if it does: nobody else may have. */
static bool is_match(poplin_delivery *delivery, const entry *candidate, bool (*matches)(poplin_delivery *, int),
                     bool otherwise) {
    int file = -1;
    int status = poplin_maildir_message(delivery->known->maildir, candidate->index, &file, NULL);
    if (status == POPLIN_ERR_REFUSED)
        return otherwise;
    bool is_so = status == POPLIN_OK && matches(delivery, file) && fsync(file) == 0;
    if (file >= 0)
        (void)close(file);
    return is_so;
}

static bool is_equal(poplin_delivery *delivery, int file) {
    return poplin_delivery_file_equals(delivery, &delivery->file, file);
}

static bool is_not_empty(poplin_delivery *delivery, int file) {
    struct stat facts;
    (void)delivery;
    return fstat(file, &facts) == 0 && facts.st_size > 0;
}

/* Sets name to how the entry's file is called, without its flags. */
static void take_name(poplin_delivery *delivery, const entry *found) {
    if (found->index == NONE) {
        poplin_delivery_name_final(delivery, &delivery->file, 1);
        return;
    }
    poplin_slice base = poplin_maildir_base_of(delivery->known->maildir, found->index);
    char *name = delivery->file.name;
    size_t size = base.size < POPLIN_DELIVERY_NAME_SIZE ? base.size : POPLIN_DELIVERY_NAME_SIZE - 1;
    memcpy(name, base.data, size);
    name[size] = '\0';
}

/* Whether this delivery had the same hash since the folders were read, and more than the name is to be known of the file. */
static bool is_outdated(const poplin_delivery *delivery, bool resumed) {
    const entry *each = NULL;
    while ((each = next_entry(delivery->known, delivery->file.key.hash, each)) != NULL)
        if (each->index == NONE && !(resumed && each->key.seconds == delivery->file.key.seconds))
            return true;
    return false;
}

int poplin_known_find(poplin_delivery *delivery, bool resumed, bool *found, poplin_error *error) {
    *found = false;
    if (delivery->known == NULL || delivery->look_again || is_outdated(delivery, resumed)) {
        int status = look(delivery, error);
        if (status != POPLIN_OK)
            return status;
    }
    const entry *each = NULL;
    while (resumed && !*found && (each = next_entry(delivery->known, delivery->file.key.hash, each)) != NULL) {
        if (each->key.seconds != delivery->file.key.seconds)
            continue;
        *found = each->index == NONE || is_match(delivery, each, is_not_empty, true);
        if (*found)
            take_name(delivery, each);
    }
    return POPLIN_OK;
}

bool poplin_known_find_equal(poplin_delivery *delivery) {
    const entry *each = NULL;
    while ((each = next_entry(delivery->known, delivery->file.key.hash, each)) != NULL) {
        if (each->index != NONE && is_match(delivery, each, is_equal, false)) {
            take_name(delivery, each);
            return true;
        }
    }
    return false;
}

void poplin_known_add(poplin_delivery *delivery) {
    poplin_known *known = delivery->known;
    if (known == NULL || (known->added++ < ADDED_MAX && add(known, delivery->file.key, NONE)))
        return;
    poplin_known_free(known); /* there is no room: the folders are read again when it is asked next */
    delivery->known = NULL;
}
