/*
 * maildrop/maildir_names.c - what the name of a file in a Maildir tells, and messages found by it.
 *
 * Names are not parsed but for the ":" and the number in front: neither the sizes that some programs write into them
 * (S=, W=), which nobody checks, nor the flags.
 */
#include <gnutls/crypto.h>
#include <stdio.h>
#include <string.h>

#include "maildrop/maildir.h"
#include "wire/grammar.h"

enum { SHA256_SIZE = 32 };

poplin_slice poplin_maildir_base(const char *name) {
    return (poplin_slice){name, strcspn(name, ":")};
}

/* ---- the order ---- */

static bool is_digit(char letter) {
    return letter >= '0' && letter <= '9';
}

/* The digits in front without the zeros that lead: compared as they are, a number of any length fits. */
static poplin_slice leading_number(poplin_slice base) {
    size_t begin = 0;
    while (begin < base.size && base.data[begin] == '0')
        begin++;
    size_t end = begin;
    while (end < base.size && is_digit(base.data[end]))
        end++;
    return (poplin_slice){base.data + begin, end - begin};
}

static int compare_octets(poplin_slice a, poplin_slice b) {
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

int poplin_maildir_compare(poplin_slice a, poplin_slice b) {
    poplin_slice a_number = leading_number(a), b_number = leading_number(b);
    if (a_number.size != b_number.size)
        return a_number.size < b_number.size ? -1 : 1;
    int order = compare_octets(a_number, b_number);
    return order != 0 ? order : compare_octets(a, b);
}

/* ---- unique-ids ---- */

static bool looks_like_a_hash(poplin_slice base) {
    if (base.size != POPLIN_MAILDIR_HASH_SIZE || base.data[0] != '~')
        return false;
    size_t i = 1;
    while (i < base.size && (is_digit(base.data[i]) || (base.data[i] >= 'a' && base.data[i] <= 'f')))
        i++;
    return i == base.size;
}

bool poplin_maildir_is_plain(poplin_slice base) {
    return poplin_unique_id_valid(base) && !looks_like_a_hash(base);
}

int poplin_maildir_hash(poplin_slice base, char hash[POPLIN_MAILDIR_HASH_SIZE]) {
    static const char DIGITS[] = "0123456789abcdef";
    unsigned char digest[SHA256_SIZE];
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, base.data, base.size, digest) < 0)
        return POPLIN_ERR_NOMEM; /* no policy forbids this hash */
    *hash++ = '~';
    for (size_t i = 0; i < sizeof digest; i++) {
        *hash++ = DIGITS[digest[i] >> 4];
        *hash++ = DIGITS[digest[i] & 15];
    }
    return POPLIN_OK;
}

/* ---- finding ---- */

poplin_slice poplin_maildir_base_of(const poplin_maildir *maildir, size_t index) {
    const poplin_maildir_message_facts *message = &maildir->messages[index];
    return (poplin_slice){poplin_buffer_slice(&maildir->ids).data + message->base, message->base_size};
}

/* How what stands at a place in an order compares with what is looked for. */
typedef int compare_at(const poplin_maildir *maildir, size_t place, poplin_slice wanted);

static int compare_base(const poplin_maildir *maildir, size_t place, poplin_slice wanted) {
    return poplin_maildir_compare(poplin_maildir_base_of(maildir, place), wanted);
}

static int compare_hash(const poplin_maildir *maildir, size_t place, poplin_slice wanted) {
    return compare_octets(poplin_maildir_get(maildir, maildir->hashed[place]).unique_id, wanted);
}

static bool search(const poplin_maildir *maildir, size_t count, compare_at *compare, poplin_slice wanted,
                   size_t *place) {
    size_t low = 0, high = count;
    while (low < high) {
        *place = low + (high - low) / 2;
        int order = compare(maildir, *place, wanted);
        if (order == 0)
            return true;
        if (order < 0)
            low = *place + 1;
        else
            high = *place;
    }
    return false;
}

bool poplin_maildir_search(const poplin_maildir *maildir, poplin_slice base, size_t *index) {
    return search(maildir, maildir->count, compare_base, base, index);
}

static bool search_hashes(const poplin_maildir *maildir, poplin_slice unique_id, size_t *index) {
    size_t place;
    bool found = search(maildir, maildir->hashed_count, compare_hash, unique_id, &place);
    if (found)
        *index = maildir->hashed[place];
    return found;
}

int poplin_maildir_find(const poplin_maildir *maildir, poplin_slice unique_id, size_t *index) {
    size_t found = 0;
    bool is_there = looks_like_a_hash(unique_id)
                        ? search_hashes(maildir, unique_id, &found)
                        : poplin_maildir_search(maildir, unique_id, &found) && poplin_maildir_is_plain(unique_id);
    if (!is_there)
        return POPLIN_ERR_REFUSED;
    *index = found;
    return POPLIN_OK;
}
