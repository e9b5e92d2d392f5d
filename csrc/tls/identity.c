/*
 * tls/identity.c - a certificate and its key, made for tests and demonstrations.
 */
#include "tls/identity.h"

#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "wire/buffer.h"

enum { SERIAL_SIZE = 16, KEY_ID_SIZE = 20, WEAK_BITS = 1024 };

static bool set_serial(gnutls_x509_crt_t certificate) {
    unsigned char serial[SERIAL_SIZE];
    if (gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof serial) < 0)
        return false;
    serial[0] =
        (unsigned char)((serial[0] & 0x3F) | 0x40); /* positive, and of full length (RFC 5280 section 4.1.2.2) */
    return gnutls_x509_crt_set_serial(certificate, serial, sizeof serial) >= 0;
}

static bool make_key(gnutls_x509_privkey_t key, bool weak) {
    gnutls_pk_algorithm_t algorithm = weak ? GNUTLS_PK_RSA : GNUTLS_PK_ECDSA;
    unsigned bits = weak ? WEAK_BITS : GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1);
    return gnutls_x509_privkey_generate(key, algorithm, bits, 0) >= 0;
}

bool poplin_identity_new(const poplin_identity_order *order, poplin_identity *identity) {
    *identity = (poplin_identity){0};
    if (gnutls_x509_crt_init(&identity->certificate) < 0 || gnutls_x509_privkey_init(&identity->key) < 0)
        return false;
    unsigned char id[KEY_ID_SIZE];
    size_t id_size = sizeof id;
    gnutls_x509_crt_t certificate = identity->certificate;
    return make_key(identity->key, order->weak) && gnutls_x509_crt_set_version(certificate, 3) >= 0 &&
           set_serial(certificate) && gnutls_x509_crt_set_activation_time(certificate, order->from) >= 0 &&
           gnutls_x509_crt_set_expiration_time(certificate, order->until) >= 0 &&
           (order->common_name == NULL || poplin_identity_add_common_name(identity, order->common_name)) &&
           gnutls_x509_crt_set_key(certificate, identity->key) >= 0 &&
           gnutls_x509_crt_get_key_id(certificate, 0, id, &id_size) >= 0 &&
           gnutls_x509_crt_set_subject_key_id(certificate, id, id_size) >= 0;
}

void poplin_identity_free(poplin_identity *identity) {
    gnutls_x509_crt_deinit(identity->certificate);
    gnutls_x509_privkey_deinit(identity->key);
    *identity = (poplin_identity){0};
}

bool poplin_identity_add_common_name(poplin_identity *identity, const char *name) {
    return gnutls_x509_crt_set_dn_by_oid(identity->certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                         (unsigned)strlen(name)) >= 0;
}

bool poplin_identity_add_name(poplin_identity *identity, const poplin_peer_name *name) {
    bool literal = name->address_size > 0;
    const void *data = literal ? (const void *)name->address : name->text;
    size_t size = literal ? name->address_size : strlen(name->text);
    return gnutls_x509_crt_set_subject_alt_name(identity->certificate,
                                                literal ? GNUTLS_SAN_IPADDRESS : GNUTLS_SAN_DNSNAME, data,
                                                (unsigned)size, GNUTLS_FSAN_APPEND) >= 0;
}

bool poplin_identity_add_mailbox(poplin_identity *identity, const char *mailbox) {
    return gnutls_x509_crt_set_subject_alt_name(identity->certificate, GNUTLS_SAN_RFC822NAME, mailbox,
                                                (unsigned)strlen(mailbox), GNUTLS_FSAN_APPEND) >= 0;
}

/* It signs OCSP responses too, which is neither a certificate nor a CRL. */
bool poplin_identity_make_ca(poplin_identity *identity) {
    return gnutls_x509_crt_set_basic_constraints(identity->certificate, 1, 0) >= 0 &&
           gnutls_x509_crt_set_key_usage(identity->certificate, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN |
                                                                    GNUTLS_KEY_DIGITAL_SIGNATURE) >= 0;
}

bool poplin_identity_make_leaf(poplin_identity *identity, const char *purpose) {
    return gnutls_x509_crt_set_basic_constraints(identity->certificate, 0, -1) >= 0 &&
           gnutls_x509_crt_set_key_usage(identity->certificate, GNUTLS_KEY_DIGITAL_SIGNATURE) >= 0 &&
           gnutls_x509_crt_set_key_purpose_oid(identity->certificate, purpose, 0) >= 0;
}

bool poplin_identity_sign(poplin_identity *identity, const poplin_identity *by) {
    unsigned char id[KEY_ID_SIZE];
    size_t id_size = sizeof id;
    return gnutls_x509_crt_get_key_id(by->certificate, 0, id, &id_size) >= 0 &&
           gnutls_x509_crt_set_authority_key_id(identity->certificate, id, id_size) >= 0 &&
           gnutls_x509_crt_sign2(identity->certificate, by->certificate, by->key, GNUTLS_DIG_SHA256, 0) >= 0;
}

/* Takes over what GnuTLS allocated, as a string of our own. */
static char *text_of(gnutls_datum_t *exported) {
    char *text = malloc((size_t)exported->size + 1);
    if (text != NULL) {
        memcpy(text, exported->data, exported->size);
        text[exported->size] = '\0';
    }
    poplin_wipe(exported->data, exported->size);
    gnutls_free(exported->data);
    return text;
}

char *poplin_identity_certificate_pem(const poplin_identity *identity) {
    gnutls_datum_t exported;
    int code = gnutls_x509_crt_export2(identity->certificate, GNUTLS_X509_FMT_PEM, &exported);
    return code >= 0 ? text_of(&exported) : NULL;
}

char *poplin_identity_key_pem(const poplin_identity *identity) {
    gnutls_datum_t exported;
    int code = gnutls_x509_privkey_export2(identity->key, GNUTLS_X509_FMT_PEM, &exported);
    return code >= 0 ? text_of(&exported) : NULL;
}
