/*
 * sasl/digest.c - MD5 by GnuTLS, and hex.
 */
#include "sasl/digest.h"

#include <gnutls/crypto.h>

enum { OCTETS = POPLIN_DIGEST_SIZE / 2 };

static const char digits[] = "0123456789abcdef";

static int spell(int result, unsigned char octets[OCTETS], char digest[POPLIN_DIGEST_SIZE]) {
    if (result < 0)
        return POPLIN_ERR_UNSUPPORTED;
    for (size_t i = 0; i < OCTETS; i++) {
        digest[2 * i] = digits[octets[i] >> 4];
        digest[2 * i + 1] = digits[octets[i] & 15];
    }
    poplin_wipe(octets, OCTETS);
    return POPLIN_OK;
}

int poplin_digest_plain(poplin_slice text, poplin_slice secret, char digest[POPLIN_DIGEST_SIZE]) {
    unsigned char octets[OCTETS];
    poplin_buffer joined = {0};

    if (poplin_buffer_append(&joined, text.data, text.size) != POPLIN_OK ||
        poplin_buffer_append(&joined, secret.data, secret.size) != POPLIN_OK) {
        poplin_buffer_free(&joined);
        return POPLIN_ERR_NOMEM;
    }
    int result = gnutls_hash_fast(GNUTLS_DIG_MD5, poplin_buffer_slice(&joined).data, joined.size, octets);
    poplin_buffer_free(&joined);
    return spell(result, octets, digest);
}

int poplin_digest_keyed(poplin_slice text, poplin_slice secret, char digest[POPLIN_DIGEST_SIZE]) {
    unsigned char octets[OCTETS];
    int result = gnutls_hmac_fast(GNUTLS_MAC_MD5, secret.data, secret.size, text.data, text.size, octets);

    return spell(result, octets, digest);
}

bool poplin_digest_valid(poplin_slice digest) {
    for (size_t i = 0; i < digest.size; i++) {
        char digit = digest.data[i];

        if (!(digit >= '0' && digit <= '9') && !(digit >= 'a' && digit <= 'f'))
            return false;
    }
    return digest.size == POPLIN_DIGEST_SIZE;
}

bool poplin_digest_equal(const char a[POPLIN_DIGEST_SIZE], const char b[POPLIN_DIGEST_SIZE]) {
    return gnutls_memcmp(a, b, POPLIN_DIGEST_SIZE) == 0;
}
