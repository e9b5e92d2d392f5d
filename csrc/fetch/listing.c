/*
 * fetch/listing.c - what the server lists: a message's number, its size, and the key under which it is recorded.
 *
 * A key is the unique-id made harmless: octets outside 0x21-0x7E, which only a lenient client lets through, and "%" stand as %XX. A key
 * that is no unique-id holds a SP, which none can.
 */
#include "fetch/fetch.h"

#include <gnutls/crypto.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fetch/marks.h"

/* OCTETS_MAX: of all unique-ids, with which memory stays bounded; 3,500,000 of the longest that RFC 1939 allows. */
enum { DIGEST_SIZE = 32, OCTETS_MAX = 256 << 20 };

static int add_item(poplin_fetch *fetch, uint32_t number, uint64_t octets) {
    if (fetch->item_count == fetch->item_capacity) {
        size_t capacity = 2 * fetch->item_capacity + 64;
        poplin_item *items = realloc(fetch->items, capacity * sizeof *items);
        if (items == NULL)
            return POPLIN_ERR_NOMEM;
        fetch->items = items;
        fetch->item_capacity = capacity;
    }
    fetch->items[fetch->item_count++] = (poplin_item){.number = number, .octets = octets};
    return POPLIN_OK;
}

static int by_number(const void *left, const void *right) {
    const poplin_item *a = left, *b = right;
    return (a->number > b->number) - (a->number < b->number);
}

/* Appends octets to what items point into: where they stand there. */
static int keep(poplin_fetch *fetch, const char *data, size_t size, size_t *place) {
    *place = fetch->octets.size;
    return poplin_buffer_append(&fetch->octets, data, size);
}

static int keep_key(poplin_fetch *fetch, poplin_item *item, const char *key) {
    item->key_size = strlen(key);
    return keep(fetch, key, item->key_size, &item->key);
}

static bool is_plain(char octet) {
    return octet > ' ' && octet < 0x7F && octet != '%';
}

/* Appends the key that stands for a unique-id with other octets. */
static int keep_escaped(poplin_fetch *fetch, poplin_slice unique_id) {
    static const char digits[] = "0123456789ABCDEF";
    char *room = poplin_buffer_reserve(&fetch->octets, 3 * unique_id.size), *end = room;
    if (room == NULL)
        return POPLIN_ERR_NOMEM;
    for (size_t at = 0; at < unique_id.size; at++) {
        const unsigned char octet = (unsigned char)unique_id.data[at];
        if (is_plain(unique_id.data[at])) {
            *end++ = unique_id.data[at];
        } else {
            *end++ = '%';
            *end++ = digits[octet >> 4];
            *end++ = digits[octet & 15];
        }
    }
    poplin_buffer_grow(&fetch->octets, (size_t)(end - room));
    return POPLIN_OK;
}

static int add_unique_id(poplin_fetch *fetch, uint32_t number, poplin_slice unique_id) {
    const poplin_item wanted = {.number = number};
    poplin_item *item = bsearch(&wanted, fetch->items, fetch->item_count, sizeof wanted, by_number);
    if (item == NULL || item->uid_size > 0)
        return POPLIN_OK; /* LIST did not know it: it came meanwhile, say, and is the next session's */
    if (fetch->octets.size > OCTETS_MAX)
        return poplin_fetch_fail_because(fetch, POPLIN_ERR_LIMIT, "UIDL", "unique-ids of more than 256 MiB");
    int status = keep(fetch, unique_id.data, unique_id.size, &item->uid);
    item->uid_size = unique_id.size;
    item->key = item->uid; /* mostly the same */
    for (size_t at = 0; at < unique_id.size && status == POPLIN_OK; at++) {
        if (is_plain(unique_id.data[at]))
            continue;
        item->key = fetch->octets.size;
        status = keep_escaped(fetch, unique_id);
        break;
    }
    item->key_size = fetch->octets.size - item->key;
    return status;
}

static int take(poplin_fetch *fetch, const poplin_client_event *event) {
    switch (event->kind) {
    case POPLIN_CLIENT_REPLY:
        if (event->verb == POPLIN_LIST && event->status != POPLIN_OK) {
            poplin_error error;
            poplin_client_describe(event, &error);
            return poplin_fetch_fail(fetch, &error);
        }
        fetch->no_uidl = fetch->no_uidl || (event->verb == POPLIN_UIDL && event->status != POPLIN_OK);
        return POPLIN_OK;
    case POPLIN_CLIENT_LISTING:
        return event->verb == POPLIN_LIST ? add_item(fetch, event->number, event->octets)
                                          : add_unique_id(fetch, event->number, event->text);
    case POPLIN_CLIENT_END:
        if (event->verb == POPLIN_LIST && fetch->item_count > 0)
            qsort(fetch->items, fetch->item_count, sizeof *fetch->items, by_number);
        return POPLIN_OK;
    default:
        return POPLIN_OK;
    }
}

int poplin_fetch_list(poplin_fetch *fetch) {
    poplin_client_event event;
    poplin_item *none;
    int status = POPLIN_OK;
    if (!fetch->begun_phase) {
        fetch->begun_phase = true;
        status = poplin_fetch_submit(fetch, POPLIN_LIST, NULL);
        if (status == POPLIN_OK)
            status = poplin_fetch_submit(fetch, POPLIN_UIDL, NULL);
    }
    while (status == POPLIN_OK && fetch->in_flight > 0) {
        status = poplin_fetch_pull(fetch, &event, &none);
        if (status == POPLIN_OK)
            status = take(fetch, &event);
    }
    if (status != POPLIN_OK)
        return status;
    if (!fetch->planned)
        fetch->progress.listed = (uint32_t)fetch->item_count;
    return POPLIN_END;
}

/* The next line of what is left, with its line end, which is taken away from it. */
static poplin_slice next_line(poplin_slice *left) {
    const char *end = memchr(left->data, '\n', left->size);
    poplin_slice line = {left->data, end == NULL ? left->size : (size_t)(end - left->data) + 1};
    left->data += line.size;
    left->size -= line.size;
    return line;
}

/* Of the header without marks, which a server may add between two sessions. */
static int digest_header(poplin_slice header, unsigned char *digest) {
    gnutls_hash_hd_t hash;
    bool mark = false;
    if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) < 0)
        return POPLIN_ERR_UNSUPPORTED;
    int failure = 0;
    while (header.size > 0 && failure == 0) {
        poplin_slice line = next_line(&header);
        mark = poplin_is_folded(line) ? mark : poplin_is_mark(line);
        failure = mark ? 0 : gnutls_hash(hash, line.data, line.size);
    }
    gnutls_hash_deinit(hash, digest);
    return failure < 0 ? POPLIN_ERR_UNSUPPORTED : POPLIN_OK;
}

int poplin_fetch_key_by_header(poplin_fetch *fetch, poplin_item *item, poplin_slice header) {
    unsigned char digest[DIGEST_SIZE];
    char key[2 * DIGEST_SIZE + 8] = "sha256 ";
    int status = digest_header(header, digest);
    if (status != POPLIN_OK)
        return status;
    for (size_t at = 0; at < DIGEST_SIZE; at++)
        (void)snprintf(key + 7 + 2 * at, 3, "%02x", digest[at]);
    return keep_key(fetch, item, key);
}

int poplin_fetch_key_by_number(poplin_fetch *fetch) {
    uint64_t session;
    int status = POPLIN_OK;
    if (gnutls_rnd(GNUTLS_RND_NONCE, &session, sizeof session) < 0)
        return POPLIN_ERR_UNSUPPORTED;
    for (size_t index = 0; index < fetch->item_count && status == POPLIN_OK; index++) {
        poplin_item *item = &fetch->items[index];
        char key[64];
        (void)snprintf(key, sizeof key, "number %" PRIu32 " of %016" PRIx64, item->number, session);
        status = keep_key(fetch, item, key);
    }
    return status;
}
