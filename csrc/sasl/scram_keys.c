/*
 * sasl/scram_keys.c - SCRAM's keys (RFC 5802 section 3): derived by GnuTLS's primitives, and kept as text (RFC 5803).
 */
#include "sasl/exchange.h"
#include "sasl/prepare.h"
#include "sasl/scram.h"
#include "wire/base64.h"
#include "wire/grammar.h"

#include <stdio.h>
#include <string.h>

#include <gnutls/crypto.h>

enum { SALT_OCTETS = 16 };

static const struct hash {
    const char *name; /* in the text form: the mechanism's */
    gnutls_mac_algorithm_t mac;
    gnutls_digest_algorithm_t digest;
    size_t size;
} hashes[] = {
    [POPLIN_SCRAM_SHA_1] = {"SCRAM-SHA-1", GNUTLS_MAC_SHA1, GNUTLS_DIG_SHA1, 20},
    [POPLIN_SCRAM_SHA_256] = {"SCRAM-SHA-256", GNUTLS_MAC_SHA256, GNUTLS_DIG_SHA256, 32},
};

enum { HASH_COUNT = sizeof hashes / sizeof *hashes };

size_t poplin_scram_size(enum poplin_scram_hash hash) {
    return hashes[hash].size;
}

/* ---- primitives ---- */

static int status_of(int result) {
    return result >= 0 ? POPLIN_OK : result == GNUTLS_E_MEMORY_ERROR ? POPLIN_ERR_NOMEM : POPLIN_ERR_IO;
}

int poplin_scram_random(void *octets, size_t size) {
    return status_of(gnutls_rnd(GNUTLS_RND_RANDOM, octets, size));
}

int poplin_scram_hmac(enum poplin_scram_hash hash, const void *key, size_t size, poplin_slice text,
                      unsigned char digest[SCRAM_HASH_MAX]) {
    return status_of(gnutls_hmac_fast(hashes[hash].mac, key, size, text.data, text.size, digest));
}

int poplin_scram_digest(enum poplin_scram_hash hash, poplin_slice text, unsigned char digest[SCRAM_HASH_MAX]) {
    return status_of(gnutls_hash_fast(hashes[hash].digest, text.data, text.size, digest));
}

bool poplin_scram_same(const void *a, const void *b, size_t size) {
    return gnutls_memcmp(a, b, size) == 0;
}

/* GnuTLS takes both as data that it may write to, and does not. */
static gnutls_datum_t datum(poplin_slice octets) {
    return (gnutls_datum_t){(unsigned char *)octets.data, (unsigned)octets.size};
}

int poplin_scram_derive(enum poplin_scram_hash hash, poplin_slice password, poplin_slice salt, uint32_t iterations,
                        poplin_scram_derived *derived) {
    const gnutls_datum_t key = datum(password), grains = datum(salt);
    unsigned char salted[SCRAM_HASH_MAX];
    size_t size = hashes[hash].size;
    int status = status_of(gnutls_pbkdf2(hashes[hash].mac, &key, &grains, iterations, salted, size));

    if (status == POPLIN_OK)
        status = poplin_scram_hmac(hash, salted, size, poplin_slice_of("Client Key"), derived->client_key);
    if (status == POPLIN_OK)
        status = poplin_scram_hmac(hash, salted, size, poplin_slice_of("Server Key"), derived->server_key);
    if (status == POPLIN_OK)
        status =
            poplin_scram_digest(hash, (poplin_slice){(const char *)derived->client_key, size}, derived->stored_key);
    poplin_wipe(salted, sizeof salted);
    return status;
}

/* ---- the owner's keys ---- */

/* Copies octets to *storage, which moves on, and says where they are now. */
static poplin_slice store(char **storage, poplin_slice octets) {
    char *place = *storage;

    memcpy(place, octets.data, octets.size);
    *storage += octets.size;
    return (poplin_slice){place, octets.size};
}

static void store_keys(char *storage, const poplin_scram_keys *keys, poplin_scram_keys *stored) {
    stored->iterations = keys->iterations;
    stored->salt = store(&storage, keys->salt);
    stored->stored_key = store(&storage, keys->stored_key);
    stored->server_key = store(&storage, keys->server_key);
}

int poplin_scram_keys_make(enum poplin_scram_hash hash, poplin_slice password, poplin_slice salt, uint32_t iterations,
                           char storage[POPLIN_SCRAM_STORAGE], poplin_scram_keys *keys) {
    poplin_scram_derived derived;
    poplin_buffer prepared = {0};
    char random[SALT_OCTETS];

    if (iterations == 0)
        iterations = POPLIN_SCRAM_ITERATIONS;
    if (salt.size > POPLIN_SCRAM_SALT_MAX || iterations < POPLIN_SCRAM_ITERATIONS)
        return POPLIN_ERR_LIMIT;
    int status = poplin_prepare(password, POPLIN_PREPARE_STORED, &prepared);

    if (status == POPLIN_OK && salt.size == 0) {
        status = poplin_scram_random(random, sizeof random);
        salt = (poplin_slice){random, sizeof random};
    }
    if (status == POPLIN_OK)
        status = poplin_scram_derive(hash, poplin_buffer_slice(&prepared), salt, iterations, &derived);
    if (status == POPLIN_OK) {
        const poplin_slice stored_key = {(const char *)derived.stored_key, hashes[hash].size};
        const poplin_slice server_key = {(const char *)derived.server_key, hashes[hash].size};

        store_keys(storage, &(poplin_scram_keys){iterations, salt, stored_key, server_key}, keys);
    }
    poplin_wipe(&derived, sizeof derived);
    poplin_buffer_free(&prepared);
    return status;
}

/* ---- their text ---- */

/* The hash that keys are for; HASH_COUNT: they are no keys. */
static size_t hash_of(const poplin_scram_keys *keys) {
    size_t hash = 0;

    while (hash < HASH_COUNT && keys->stored_key.size != hashes[hash].size)
        hash++;
    bool sound = keys->iterations > 0 && keys->salt.size > 0 && keys->salt.size <= POPLIN_SCRAM_SALT_MAX;

    return sound && keys->server_key.size == keys->stored_key.size ? hash : HASH_COUNT;
}

static int write_keys(const struct hash *hash, const poplin_scram_keys *keys, poplin_buffer *text) {
    char head[64];
    int size = snprintf(head, sizeof head, "%s$%lu:", hash->name, (unsigned long)keys->iterations);
    int status = poplin_buffer_append(text, head, (size_t)size);

    if (status == POPLIN_OK)
        status = poplin_base64_encode(keys->salt, text);
    if (status == POPLIN_OK)
        status = poplin_buffer_append(text, "$", 1);
    if (status == POPLIN_OK)
        status = poplin_base64_encode(keys->stored_key, text);
    if (status == POPLIN_OK)
        status = poplin_buffer_append(text, ":", 1);
    if (status == POPLIN_OK)
        status = poplin_base64_encode(keys->server_key, text);
    return status != POPLIN_OK ? status : poplin_buffer_append(text, "", 1);
}

int poplin_scram_keys_write(const poplin_scram_keys *keys, char *text, size_t size) {
    poplin_buffer written = {0};
    size_t hash = hash_of(keys);

    if (hash == HASH_COUNT)
        return POPLIN_ERR_PROTOCOL;
    int status = write_keys(&hashes[hash], keys, &written);

    if (status == POPLIN_OK && written.size > size)
        status = POPLIN_ERR_LIMIT;
    if (status == POPLIN_OK)
        memcpy(text, poplin_buffer_slice(&written).data, written.size);
    poplin_buffer_free(&written);
    return status;
}

/* Decodes one field behind the others; *size says how many octets it has. */
static int decode_field(poplin_slice text, poplin_buffer *octets, size_t *size) {
    size_t before = octets->size;
    int status = poplin_base64_decode(text, octets);

    *size = octets->size - before;
    return status;
}

/* Decodes salt and keys, one behind the other. */
static int decode_fields(const poplin_slice fields[3], poplin_buffer *octets, poplin_scram_keys *keys) {
    size_t sizes[3];

    for (size_t i = 0; i < 3; i++) {
        int status = decode_field(fields[i], octets, &sizes[i]);

        if (status != POPLIN_OK)
            return status;
    }
    if (octets->size == 0)
        return POPLIN_ERR_PROTOCOL;
    keys->salt = (poplin_slice){poplin_buffer_slice(octets).data, sizes[0]};
    keys->stored_key = (poplin_slice){keys->salt.data + sizes[0], sizes[1]};
    keys->server_key = (poplin_slice){keys->stored_key.data + sizes[1], sizes[2]};
    return POPLIN_OK;
}

int poplin_scram_keys_parse(poplin_slice text, char storage[POPLIN_SCRAM_STORAGE], poplin_scram_keys *keys) {
    poplin_slice name, count, fields[3];
    poplin_scram_keys found;
    poplin_buffer octets = {0};
    uint64_t iterations;

    if (text.size > POPLIN_SCRAM_TEXT || !poplin_take_field(&text, '$', &name) ||
        !poplin_take_field(&text, ':', &count) || !poplin_take_field(&text, '$', &fields[0]) ||
        !poplin_take_field(&text, ':', &fields[1]))
        return POPLIN_ERR_PROTOCOL;
    fields[2] = text;
    if (poplin_number_take(&count, UINT32_MAX, &iterations) != POPLIN_OK || count.size > 0)
        return POPLIN_ERR_PROTOCOL;
    found.iterations = (uint32_t)iterations;
    int status = decode_fields(fields, &octets, &found);

    if (status == POPLIN_OK) {
        size_t hash = hash_of(&found);

        if (hash < HASH_COUNT && poplin_slice_equal_nocase(name, hashes[hash].name))
            store_keys(storage, &found, keys);
        else
            status = POPLIN_ERR_PROTOCOL;
    }
    poplin_buffer_free(&octets);
    return status;
}
