/*
 * tls/pin.c - a public key by its fingerprint (RFC 7469 section 2.4).
 */
#include "tls/pin.h"

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <string.h>

#include "wire/base64.h"

enum { HASH_SIZE = 32 };

/*
 * Strict base64 has one form for each hash, so pins are compared as texts: 43 digits, the last of which holds the last four bits of the
 * hash and two that are 0. No memory is needed, so a line of the user's file is never taken for damaged because there was none.
 */
bool poplin_pin_parse(poplin_slice text, poplin_pin *pin) {
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static const char LAST_DIGITS[] = "AEIMQUYcgkosw048";
    enum { COUNT = 43 };
    if (text.size != sizeof pin->text - 1)
        return false;
    memcpy(pin->text, text.data, text.size);
    pin->text[text.size] = '\0';
    return strspn(pin->text, DIGITS) == COUNT && strchr(LAST_DIGITS, pin->text[COUNT - 1]) != NULL &&
           pin->text[COUNT] == '=';
}

static bool pin_from_hash(const unsigned char *hash, poplin_pin *pin) {
    poplin_buffer text = {0};
    bool done = poplin_base64_encode((poplin_slice){(const char *)hash, HASH_SIZE}, &text) == POPLIN_OK &&
                text.size == sizeof pin->text - 1;
    if (done) {
        memcpy(pin->text, poplin_buffer_slice(&text).data, text.size);
        pin->text[text.size] = '\0';
    }
    poplin_buffer_free(&text);
    return done;
}

bool poplin_pin_of(gnutls_x509_crt_t certificate, poplin_pin *pin) {
    gnutls_pubkey_t key;
    gnutls_datum_t info = {0};
    unsigned char hash[HASH_SIZE];
    if (gnutls_pubkey_init(&key) < 0)
        return false;
    bool done = gnutls_pubkey_import_x509(key, certificate, 0) >= 0 &&
                gnutls_pubkey_export2(key, GNUTLS_X509_FMT_DER, &info) >= 0 &&
                gnutls_hash_fast(GNUTLS_DIG_SHA256, info.data, info.size, hash) >= 0 && pin_from_hash(hash, pin);
    gnutls_free(info.data);
    gnutls_pubkey_deinit(key);
    return done;
}

bool poplin_pin_equal(const poplin_pin *one, const poplin_pin *other) {
    return strcmp(one->text, other->text) == 0;
}
