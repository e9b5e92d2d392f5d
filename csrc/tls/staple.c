/*
 * tls/staple.c - an OCSP response (RFC 6960 section 4.2) that says "good" or "revoked", signed by the CA itself. GnuTLS reads such
 * responses and makes none, so this writes the DER.
 *
 * DER puts the length of a value before it: so each value is written first, and then wrapped, what it holds already
 * behind it. Explicit tags are one more wrapping.
 */
#include "tls/staple.h"

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <string.h>

enum { DAY = 24 * 60 * 60, HASH_SIZE = 20, SERIAL_MAX = 64 };

enum tag {
    INTEGER = 0x02,
    BIT_STRING = 0x03,
    OCTET_STRING = 0x04,
    ENUMERATED = 0x0A,
    GENERALIZED_TIME = 0x18,
    SEQUENCE = 0x30,
    GOOD = 0x80, /* of CertStatus */
    CONTEXT_0 = 0xA0,
    CONTEXT_1 = 0xA1
};

/* AlgorithmIdentifiers, and the type of a response, as they stand in DER. */
static const unsigned char SHA1[] = {0x30, 0x09, 0x06, 0x05, 0x2B, 0x0E, 0x03, 0x02, 0x1A, 0x05, 0x00};
static const unsigned char ECDSA_WITH_SHA256[] = {0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86,
                                                  0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02};
static const unsigned char BASIC_RESPONSE[] = {0x06, 0x09, 0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01};

/* ---- DER ---- */

static bool put(poplin_buffer *der, const void *data, size_t size) {
    return poplin_buffer_append(der, data, size) == POPLIN_OK;
}

/* What was written from start on becomes the content of one value; it is shorter than 64 KiB. */
static bool wrap(poplin_buffer *der, size_t start, enum tag tag) {
    size_t size = der->size - start;
    unsigned char header[4] = {(unsigned char)tag};
    size_t header_size = 2;
    if (size > 0xFF) {
        header[1] = 0x82;
        header[header_size++] = (unsigned char)(size >> 8);
        header[header_size++] = (unsigned char)size;
    } else if (size > 0x7F) {
        header[1] = 0x81;
        header[header_size++] = (unsigned char)size;
    } else {
        header[1] = (unsigned char)size;
    }
    if (!put(der, header, header_size)) /* makes room */
        return false;
    char *first = der->memory + der->start + start;
    memmove(first + header_size, first, size);
    memcpy(first, header, header_size);
    return true;
}

static bool put_value(poplin_buffer *der, enum tag tag, const void *data, size_t size) {
    size_t start = der->size;
    return put(der, data, size) && wrap(der, start, tag);
}

static bool put_time(poplin_buffer *der, time_t when) {
    char text[sizeof "YYYYMMDDHHMMSSZ"];
    struct tm parts;
    return gmtime_r(&when, &parts) != NULL && strftime(text, sizeof text, "%Y%m%d%H%M%SZ", &parts) > 0 &&
           put_value(der, GENERALIZED_TIME, text, strlen(text));
}

/* ---- which certificate, and by whom ---- */

static bool put_hash(poplin_buffer *der, const void *data, size_t size) {
    unsigned char hash[HASH_SIZE];
    return gnutls_hash_fast(GNUTLS_DIG_SHA1, data, size, hash) >= 0 && put_value(der, OCTET_STRING, hash, sizeof hash);
}

static bool put_ca_name(poplin_buffer *der, const poplin_identity *ca, bool hashed) {
    gnutls_datum_t name;
    if (gnutls_x509_crt_get_raw_dn(ca->certificate, &name) < 0)
        return false;
    bool done = hashed ? put_hash(der, name.data, name.size) : put(der, name.data, name.size);
    gnutls_free(name.data);
    return done;
}

/* Of the point itself, without the tag and length of the OCTET STRING that GnuTLS exports. */
static bool put_ca_key_hash(poplin_buffer *der, const poplin_identity *ca) {
    gnutls_pubkey_t key;
    gnutls_datum_t parameters = {0}, point = {0};
    if (gnutls_pubkey_init(&key) < 0)
        return false;
    bool done = gnutls_pubkey_import_x509(key, ca->certificate, 0) >= 0 &&
                gnutls_pubkey_export_ecc_x962(key, &parameters, &point) >= 0 && point.size > 2 &&
                put_hash(der, point.data + 2, point.size - 2);
    gnutls_free(parameters.data);
    gnutls_free(point.data);
    gnutls_pubkey_deinit(key);
    return done;
}

static bool put_serial(poplin_buffer *der, const poplin_identity *server) {
    unsigned char serial[SERIAL_MAX];
    size_t size = sizeof serial;
    return gnutls_x509_crt_get_serial(server->certificate, serial, &size) >= 0 && put_value(der, INTEGER, serial, size);
}

static bool put_certificate_id(poplin_buffer *der, const poplin_identity *ca, const poplin_identity *server) {
    size_t start = der->size;
    return put(der, SHA1, sizeof SHA1) && put_ca_name(der, ca, true) && put_ca_key_hash(der, ca) &&
           put_serial(der, server) && wrap(der, start, SEQUENCE);
}

/* ---- the response ---- */

static bool put_tagged_time(poplin_buffer *der, time_t when, enum tag tag) {
    size_t start = der->size;
    return put_time(der, when) && wrap(der, start, tag);
}

static time_t days_from_now(int days) {
    return time(NULL) + (time_t)days * DAY;
}

static bool put_status(poplin_buffer *der, const poplin_staple_order *order) {
    return order->revoked ? put_tagged_time(der, days_from_now(order->from_days), CONTEXT_1)
                          : put_value(der, GOOD, "", 0);
}

/* SingleResponse: the certificate, what became of it, and from when until when this is news. */
static bool put_single(poplin_buffer *der, const poplin_identity *ca, const poplin_identity *server,
                       const poplin_staple_order *order) {
    size_t start = der->size;
    return put_certificate_id(der, ca, server) && put_status(der, order) &&
           put_time(der, days_from_now(order->from_days)) &&
           put_tagged_time(der, days_from_now(order->until_days), CONTEXT_0) && wrap(der, start, SEQUENCE);
}

/* ResponseData: who speaks, when, and one SingleResponse. */
static bool put_data(poplin_buffer *der, const poplin_identity *ca, const poplin_identity *server,
                     const poplin_staple_order *order) {
    size_t start = der->size;
    if (!put_ca_name(der, ca, false) || !wrap(der, start, CONTEXT_1) || !put_time(der, days_from_now(order->from_days)))
        return false;
    size_t singles = der->size;
    return put_single(der, ca, server, order) && wrap(der, singles, SEQUENCE) && wrap(der, start, SEQUENCE);
}

static bool sign(const poplin_identity *ca, poplin_slice text, gnutls_datum_t *signature) {
    gnutls_privkey_t key;
    gnutls_datum_t data = {(unsigned char *)(uintptr_t)text.data, (unsigned)text.size};
    if (gnutls_privkey_init(&key) < 0)
        return false;
    bool done = gnutls_privkey_import_x509(key, ca->key, 0) >= 0 &&
                gnutls_privkey_sign_data(key, GNUTLS_DIG_SHA256, 0, &data, signature) >= 0;
    gnutls_privkey_deinit(key);
    return done;
}

/* BasicOCSPResponse: the data, and the CA's signature of it, a BIT STRING without unused bits. */
static bool put_basic(poplin_buffer *der, const poplin_identity *ca, const poplin_identity *server,
                      const poplin_staple_order *order) {
    size_t start = der->size;
    if (!put_data(der, ca, server, order))
        return false;
    gnutls_datum_t signature = {0};
    poplin_slice all = poplin_buffer_slice(der);
    if (!sign(ca, (poplin_slice){all.data + start, all.size - start}, &signature))
        return false;
    bool done = put(der, ECDSA_WITH_SHA256, sizeof ECDSA_WITH_SHA256);
    size_t bits = der->size;
    done = done && put(der, "\0", 1) && put(der, signature.data, signature.size) && wrap(der, bits, BIT_STRING) &&
           wrap(der, start, SEQUENCE);
    gnutls_free(signature.data);
    return done;
}

const poplin_staple_order POPLIN_STAPLE_REVOKED = {.revoked = true, .from_days = -1, .until_days = 30};

bool poplin_staple_write(const poplin_identity *ca, const poplin_identity *server, const poplin_staple_order *order,
                         poplin_buffer *response) {
    size_t start = response->size;
    if (!put_value(response, ENUMERATED, "\0", 1)) /* successful */
        return false;
    size_t bytes = response->size;
    if (!put(response, BASIC_RESPONSE, sizeof BASIC_RESPONSE))
        return false;
    size_t basic = response->size;
    return put_basic(response, ca, server, order) && wrap(response, basic, OCTET_STRING) &&
           wrap(response, bytes, SEQUENCE) && wrap(response, bytes, CONTEXT_0) && wrap(response, start, SEQUENCE);
}
