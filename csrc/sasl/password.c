/*
 * sasl/password.c - shown passwords, verified.
 */
#include "sasl/password.h"

#include "sasl/prepare.h"
#include "sasl/scram.h"
#include "wire/buffer.h"

/* The prepared form, or the octets as they are. */
static int prepare(poplin_slice text, enum poplin_prepare how, poplin_buffer *prepared) {
    int status = text.size > 0 ? poplin_prepare(text, how, prepared) : POPLIN_ERR_PROTOCOL;

    if (status != POPLIN_ERR_PROTOCOL)
        return status;
    poplin_buffer_clear(prepared);
    return text.size > 0 ? poplin_buffer_append(prepared, text.data, text.size) : POPLIN_OK;
}

/* The work depends on what was shown only. secret is not empty where shown is not. */
static bool is_same(poplin_slice shown, poplin_slice secret) {
    size_t difference = shown.size ^ secret.size;

    for (size_t i = 0; i < shown.size; i++)
        difference |= (unsigned char)(secret.data[i % secret.size] ^ shown.data[i]);
    return difference == 0;
}

int poplin_password_verify(poplin_slice shown, poplin_slice secret) {
    poplin_buffer given = {0}, kept = {0};
    bool known = secret.size > 0;
    int status = prepare(shown, POPLIN_PREPARE_QUERY, &given);

    if (status == POPLIN_OK)
        status = prepare(known ? secret : shown, POPLIN_PREPARE_STORED, &kept);
    if (status == POPLIN_OK && !(is_same(poplin_buffer_slice(&given), poplin_buffer_slice(&kept)) && known))
        status = POPLIN_ERR_AUTH;
    poplin_buffer_free(&given);
    poplin_buffer_free(&kept);
    return status;
}

/* What stands in for the keys of a user that does not exist: no password is known to have them. */
static const poplin_scram_keys nobody = {0, {"nobody's salt", 13}, {"00000000000000000000000000000000", 32}, {"", 0}};

static bool is_usable(const poplin_scram_keys *keys) {
    return keys->iterations > 0 && keys->salt.size > 0 && keys->salt.size <= POPLIN_SCRAM_SALT_MAX &&
           (keys->stored_key.size == poplin_scram_size(POPLIN_SCRAM_SHA_1) ||
            keys->stored_key.size == poplin_scram_size(POPLIN_SCRAM_SHA_256));
}

int poplin_password_verify_keys(poplin_slice shown, const poplin_scram_keys *keys, uint32_t iterations) {
    bool known = keys != NULL && is_usable(keys);
    poplin_scram_keys kept = known ? *keys : nobody;
    poplin_buffer given = {0};
    poplin_scram_derived derived;
    int status = prepare(shown, POPLIN_PREPARE_STORED, &given);

    if (!known)
        kept.iterations = iterations < POPLIN_SCRAM_ITERATIONS ? POPLIN_SCRAM_ITERATIONS : iterations;
    bool short_hash = kept.stored_key.size == poplin_scram_size(POPLIN_SCRAM_SHA_1);

    if (status == POPLIN_OK)
        status = poplin_scram_derive(short_hash ? POPLIN_SCRAM_SHA_1 : POPLIN_SCRAM_SHA_256,
                                     poplin_buffer_slice(&given), kept.salt, kept.iterations, &derived);
    if (status == POPLIN_OK &&
        !(poplin_scram_same(derived.stored_key, kept.stored_key.data, kept.stored_key.size) && known))
        status = POPLIN_ERR_AUTH;
    poplin_wipe(&derived, sizeof derived);
    poplin_buffer_free(&given);
    return status;
}
