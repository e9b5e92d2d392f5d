/*
 * tls/throwaway.c - a CA that exists only to vouch for one server certificate, for tests and demonstrations. Its key
 * is forgotten as soon as it has signed.
 */
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <poplin/tls.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tls/verify.h"
#include "wire/buffer.h"

enum { DAY = 24 * 60 * 60, VALID_DAYS = 30, SERIAL_SIZE = 16, KEY_ID_SIZE = 20 };

/* A certificate and its key. */
typedef struct identity {
    gnutls_x509_crt_t certificate;
    gnutls_x509_privkey_t key;
} identity;

static void identity_free(identity *who) {
    gnutls_x509_crt_deinit(who->certificate);
    gnutls_x509_privkey_deinit(who->key);
}

static bool set_serial(gnutls_x509_crt_t certificate) {
    unsigned char serial[SERIAL_SIZE];
    if (gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof serial) < 0)
        return false;
    serial[0] =
        (unsigned char)((serial[0] & 0x3F) | 0x40); /* positive, and of full length (RFC 5280 section 4.1.2.2) */
    return gnutls_x509_crt_set_serial(certificate, serial, sizeof serial) >= 0;
}

/* A new key and what every certificate has; name is for people. */
static bool identity_new(const char *name, identity *who) {
    *who = (identity){0};
    if (gnutls_x509_crt_init(&who->certificate) < 0 || gnutls_x509_privkey_init(&who->key) < 0)
        return false;
    time_t now = time(NULL);
    unsigned char id[KEY_ID_SIZE];
    size_t id_size = sizeof id;
    gnutls_x509_crt_t certificate = who->certificate;
    return gnutls_x509_privkey_generate(who->key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1),
                                        0) >= 0 &&
           gnutls_x509_crt_set_version(certificate, 3) >= 0 && set_serial(certificate) &&
           gnutls_x509_crt_set_activation_time(certificate, now - DAY) >= 0 &&
           gnutls_x509_crt_set_expiration_time(certificate, now + (time_t)VALID_DAYS * DAY) >= 0 &&
           gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned)strlen(name)) >=
               0 &&
           gnutls_x509_crt_set_key(certificate, who->key) >= 0 &&
           gnutls_x509_crt_get_key_id(certificate, 0, id, &id_size) >= 0 &&
           gnutls_x509_crt_set_subject_key_id(certificate, id, id_size) >= 0;
}

static bool sign(gnutls_x509_crt_t certificate, const identity *by) {
    unsigned char id[KEY_ID_SIZE];
    size_t id_size = sizeof id;
    return gnutls_x509_crt_get_key_id(by->certificate, 0, id, &id_size) >= 0 &&
           gnutls_x509_crt_set_authority_key_id(certificate, id, id_size) >= 0 &&
           gnutls_x509_crt_sign2(certificate, by->certificate, by->key, GNUTLS_DIG_SHA256, 0) >= 0;
}

static bool make_ca(identity *ca) {
    return identity_new("poplin throw-away CA", ca) &&
           gnutls_x509_crt_set_basic_constraints(ca->certificate, 1, 0) >= 0 &&
           gnutls_x509_crt_set_key_usage(ca->certificate, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN) >= 0 &&
           sign(ca->certificate, ca);
}

static bool add_name(gnutls_x509_crt_t certificate, const poplin_peer_name *name) {
    bool literal = name->address_size > 0;
    const void *data = literal ? (const void *)name->address : name->text;
    size_t size = literal ? name->address_size : strlen(name->text);
    return gnutls_x509_crt_set_subject_alt_name(certificate, literal ? GNUTLS_SAN_IPADDRESS : GNUTLS_SAN_DNSNAME, data,
                                                (unsigned)size, GNUTLS_FSAN_APPEND) >= 0;
}

static int add_names(gnutls_x509_crt_t certificate, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        poplin_peer_name name;
        int status = poplin_peer_name_parse(names[i], &name);
        if (status != POPLIN_OK)
            return status;
        if (!add_name(certificate, &name))
            return POPLIN_ERR_NOMEM;
    }
    return POPLIN_OK;
}

static int make_server(identity *server, const identity *ca, const char *const *names, size_t count) {
    if (!identity_new("poplin throw-away server", server))
        return POPLIN_ERR_NOMEM;
    int status = add_names(server->certificate, names, count);
    if (status != POPLIN_OK)
        return status;
    bool signed_by_ca = gnutls_x509_crt_set_basic_constraints(server->certificate, 0, -1) >= 0 &&
                        gnutls_x509_crt_set_key_usage(server->certificate, GNUTLS_KEY_DIGITAL_SIGNATURE) >= 0 &&
                        gnutls_x509_crt_set_key_purpose_oid(server->certificate, GNUTLS_KP_TLS_WWW_SERVER, 0) >= 0 &&
                        sign(server->certificate, ca);
    return signed_by_ca ? POPLIN_OK : POPLIN_ERR_NOMEM;
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

static char *certificate_text(gnutls_x509_crt_t certificate) {
    gnutls_datum_t exported;
    return gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &exported) >= 0 ? text_of(&exported) : NULL;
}

static char *key_text(gnutls_x509_privkey_t key) {
    gnutls_datum_t exported;
    return gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &exported) >= 0 ? text_of(&exported) : NULL;
}

static int export_all(const identity *ca, const identity *server, poplin_tls_throwaway *throwaway) {
    throwaway->ca_pem = certificate_text(ca->certificate);
    throwaway->cert_pem = certificate_text(server->certificate);
    throwaway->key_pem = key_text(server->key);
    if (throwaway->ca_pem != NULL && throwaway->cert_pem != NULL && throwaway->key_pem != NULL)
        return POPLIN_OK;
    poplin_tls_throwaway_free(throwaway);
    return POPLIN_ERR_NOMEM;
}

int poplin_tls_throwaway_new(const char *const *names, size_t count, poplin_tls_throwaway *throwaway) {
    *throwaway = (poplin_tls_throwaway){0};
    identity ca = {0};
    identity server = {0};
    int status = make_ca(&ca) ? make_server(&server, &ca, names, count) : POPLIN_ERR_NOMEM;
    if (status == POPLIN_OK)
        status = export_all(&ca, &server, throwaway);
    identity_free(&server);
    identity_free(&ca);
    return status;
}

void poplin_tls_throwaway_free(poplin_tls_throwaway *throwaway) {
    free(throwaway->ca_pem);
    free(throwaway->cert_pem);
    if (throwaway->key_pem != NULL)
        poplin_wipe(throwaway->key_pem, strlen(throwaway->key_pem));
    free(throwaway->key_pem);
    *throwaway = (poplin_tls_throwaway){0};
}
