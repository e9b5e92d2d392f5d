/*
 * tls/credentials.c - certificates, keys and trusted CAs, read from PEM, with the versions and ciphers allowed.
 */
#include "tls/credentials.h"

#include <errno.h>
#include <gnutls/ocsp.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>

#include "tls/failure.h"
#include "wire/buffer.h"

/*
 * TLS 1.2 and 1.3 with authenticated encryption and forward secrecy only, AES-GCM first, keys worth 112 bits at
 * least, and renegotiation_info demanded of the peer (RFC 9325 sections 3.1, 3.5, 4.2, 4.5). Compression does not exist in
 * GnuTLS any more; extended master secret is its default.
 */
static const char PRIORITY[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
                               ":-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305"
                               ":-RSA:%PROFILE_MEDIUM:%SAFE_RENEGOTIATION:%SERVER_PRECEDENCE";

static const char DOING[] = "TLS credentials";

/* A PEM text, and where it came from for messages. */
typedef struct pem {
    gnutls_datum_t text;
    const char *origin;
} pem;

static gnutls_datum_t datum_of(poplin_slice slice) {
    return (gnutls_datum_t){(unsigned char *)(uintptr_t)slice.data, (unsigned)slice.size};
}

static int load(const char *path, pem *loaded, poplin_error *error) {
    loaded->origin = path;
    errno = 0;
    int code = gnutls_load_file(path, &loaded->text);
    if (code >= 0)
        return POPLIN_OK;
    if (code == GNUTLS_E_MEMORY_ERROR)
        return poplin_tls_failure(error, POPLIN_ERR_NOMEM, DOING, "out of memory");
    return poplin_tls_failure(error, POPLIN_ERR_CERTIFICATE, DOING, "cannot read %s: %s", path,
                              errno != 0 ? strerror(errno) : gnutls_strerror(code));
}

/* Keys come the same way as certificates, so all that was loaded is wiped. */
static void unload(pem *loaded) {
    poplin_wipe(loaded->text.data, loaded->text.size);
    gnutls_free(loaded->text.data);
    loaded->text.data = NULL;
}

static int credentials_new(bool server, poplin_tls_credentials **credentials, poplin_error *error) {
    poplin_tls_credentials *made = calloc(1, sizeof *made);
    if (made != NULL) {
        atomic_init(&made->owners, 1);
        made->server = server;
        if (gnutls_certificate_allocate_credentials(&made->certificates) >= 0 &&
            gnutls_priority_init2(&made->priority, PRIORITY, NULL, 0) >= 0) {
            *credentials = made;
            return POPLIN_OK;
        }
        poplin_tls_credentials_free(made);
    }
    return poplin_tls_failure(error, POPLIN_ERR_NOMEM, DOING, "out of memory");
}

poplin_tls_credentials *poplin_tls_credentials_ref(poplin_tls_credentials *credentials) {
    atomic_fetch_add_explicit(&credentials->owners, 1, memory_order_relaxed);
    return credentials;
}

void poplin_tls_credentials_free(poplin_tls_credentials *credentials) {
    if (credentials == NULL || atomic_fetch_sub_explicit(&credentials->owners, 1, memory_order_acq_rel) > 1)
        return;
    if (credentials->priority != NULL)
        gnutls_priority_deinit(credentials->priority);
    if (credentials->certificates != NULL)
        gnutls_certificate_free_credentials(credentials->certificates);
    free(credentials);
}

/* What GnuTLS says of a key: 0, or its error. */
static int try_key(const pem *key) {
    gnutls_x509_privkey_t parsed;
    int code = gnutls_x509_privkey_init(&parsed);
    if (code < 0)
        return code;
    code = gnutls_x509_privkey_import2(parsed, &key->text, GNUTLS_X509_FMT_PEM, NULL, 0);
    gnutls_x509_privkey_deinit(parsed);
    return code;
}

static int add_key(poplin_tls_credentials *credentials, const pem *cert, const pem *key, poplin_error *error) {
    int code =
        gnutls_certificate_set_x509_key_mem(credentials->certificates, &cert->text, &key->text, GNUTLS_X509_FMT_PEM);
    if (code >= 0)
        return POPLIN_OK;
    if (code == GNUTLS_E_MEMORY_ERROR)
        return poplin_tls_failure(error, POPLIN_ERR_NOMEM, DOING, "out of memory");
    if (code == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
        return poplin_tls_failure(error, POPLIN_ERR_CERTIFICATE, DOING, "the key in %s is not that of the certificate",
                                  key->origin);
    int key_code = try_key(key);
    if (key_code < 0)
        return poplin_tls_failure(error, POPLIN_ERR_CERTIFICATE, DOING,
                                  "the private key in %s cannot be used; it must be PEM, unencrypted: %s", key->origin,
                                  gnutls_strerror(key_code));
    return poplin_tls_failure(error, POPLIN_ERR_CERTIFICATE, DOING,
                              "the certificate chain in %s cannot be used; it must be PEM: %s", cert->origin,
                              gnutls_strerror(code));
}

/* cert_file and key_file as in the header: without key_file the key is in cert_file. */
static int add_key_files(poplin_tls_credentials *credentials, const char *cert_file, const char *key_file,
                         poplin_error *error) {
    pem cert = {0};
    pem key = {0};
    int status = load(cert_file, &cert, error);
    if (status == POPLIN_OK)
        status = load(key_file != NULL ? key_file : cert_file, &key, error);
    if (status == POPLIN_OK)
        status = add_key(credentials, &cert, &key, error);
    unload(&cert);
    unload(&key);
    return status;
}

static int add_trusted(poplin_tls_credentials *credentials, const pem *trusted, poplin_error *error) {
    int count = gnutls_certificate_set_x509_trust_mem(credentials->certificates, &trusted->text, GNUTLS_X509_FMT_PEM);
    if (count > 0)
        return POPLIN_OK;
    return poplin_tls_failure(error, POPLIN_ERR_CERTIFICATE, DOING, "%s holds no CA certificate in PEM form",
                              trusted->origin);
}

static int trust_system(poplin_tls_credentials *credentials, poplin_error *error) {
    if (gnutls_certificate_set_x509_system_trust(credentials->certificates) > 0)
        return POPLIN_OK;
    return poplin_tls_failure(error, POPLIN_ERR_CERTIFICATE, DOING,
                              "the system has no trusted CAs; install ca-certificates, or pass ca_file=");
}

static int fill_trust(poplin_tls_credentials *credentials, const poplin_tls_trust *trust, poplin_error *error) {
    int status = POPLIN_OK;
    if (trust->ca_file != NULL) {
        pem file = {0};
        status = load(trust->ca_file, &file, error);
        if (status == POPLIN_OK)
            status = add_trusted(credentials, &file, error);
        unload(&file);
    }
    if (status == POPLIN_OK && trust->ca_pem.size > 0)
        status = add_trusted(credentials, &(pem){datum_of(trust->ca_pem), "the CA text"}, error);
    if (status == POPLIN_OK && trust->verify && trust->ca_file == NULL && trust->ca_pem.size == 0)
        status = trust_system(credentials, error);
    if (status == POPLIN_OK && trust->cert_file != NULL)
        status = add_key_files(credentials, trust->cert_file, trust->key_file, error);
    return status;
}

/* Hands the finished credentials out, or frees what was begun. */
static int finish(int status, poplin_tls_credentials *made, poplin_tls_credentials **credentials) {
    if (status == POPLIN_OK)
        *credentials = made;
    else
        poplin_tls_credentials_free(made);
    return status;
}

int poplin_tls_client_credentials(const poplin_tls_trust *trust, poplin_tls_credentials **credentials,
                                  poplin_error *error) {
    poplin_tls_credentials *made;
    int status = credentials_new(false, &made, error);
    if (status != POPLIN_OK)
        return status;
    made->verify = trust->verify;
    return finish(fill_trust(made, trust, error), made, credentials);
}

int poplin_tls_server_credentials(const char *cert_file, const char *key_file, poplin_tls_credentials **credentials,
                                  poplin_error *error) {
    poplin_tls_credentials *made;
    int status = credentials_new(true, &made, error);
    if (status != POPLIN_OK)
        return status;
    return finish(add_key_files(made, cert_file, key_file, error), made, credentials);
}

int poplin_tls_server_credentials_pem(poplin_slice cert, poplin_slice key, poplin_tls_credentials **credentials,
                                      poplin_error *error) {
    poplin_tls_credentials *made;
    int status = credentials_new(true, &made, error);
    if (status != POPLIN_OK)
        return status;
    pem cert_pem = {datum_of(cert), "the certificate text"};
    pem key_pem = key.size > 0 ? (pem){datum_of(key), "the key text"} : cert_pem;
    return finish(add_key(made, &cert_pem, &key_pem, error), made, credentials);
}

/* What GnuTLS says of it: 0, or its error. */
static int try_response(const gnutls_datum_t *der) {
    gnutls_ocsp_resp_t parsed;
    int code = gnutls_ocsp_resp_init(&parsed);
    if (code < 0)
        return code;
    code = gnutls_ocsp_resp_import(parsed, der);
    gnutls_ocsp_resp_deinit(parsed);
    return code;
}

/*
 * Whether it fits the certificate, and whether it is good news, is for clients to find out: GnuTLS staples neither a stale
 * response nor one that says "revoked" unless it is told not to look, and then it takes any octets.
 */
int poplin_tls_server_credentials_staple(poplin_tls_credentials *credentials, poplin_slice response,
                                         poplin_error *error) {
    if (!credentials->server)
        return poplin_tls_failure(error, POPLIN_ERR_STATE, DOING, "only servers staple an OCSP response");
    gnutls_datum_t der = datum_of(response);
    int code = try_response(&der);
    gnutls_certificate_set_flags(credentials->certificates, GNUTLS_CERTIFICATE_SKIP_OCSP_RESPONSE_CHECK);
    if (code >= 0)
        code = gnutls_certificate_set_ocsp_status_request_mem(credentials->certificates, &der, 0, GNUTLS_X509_FMT_DER);
    if (code >= 0)
        return POPLIN_OK;
    if (code == GNUTLS_E_MEMORY_ERROR)
        return poplin_tls_failure(error, POPLIN_ERR_NOMEM, DOING, "out of memory");
    return poplin_tls_failure(error, POPLIN_ERR_CERTIFICATE, DOING,
                              "the OCSP response cannot be used; it must be DER: %s", gnutls_strerror(code));
}
