/*
 * tls/credentials.c - certificates, keys and trusted CAs, read from PEM, with the versions and ciphers allowed.
 */
#include "tls/credentials.h"

#include <errno.h>
#include <gnutls/ocsp.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/buffer.h"
#include "wire/failure.h"

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
        return poplin_fail(error, POPLIN_ERR_NOMEM, DOING, "out of memory");
    return poplin_fail(error, POPLIN_ERR_CERTIFICATE, DOING, "cannot read %s: %s", path,
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
        made->key_log = -1;
        (void)pthread_mutex_init(&made->system_lock, NULL);
        poplin_sessions_init(&made->sessions);
        if (gnutls_certificate_allocate_credentials(&made->certificates) >= 0 &&
            gnutls_priority_init2(&made->priority, PRIORITY, NULL, 0) >= 0 &&
            (!server || gnutls_session_ticket_key_generate(&made->ticket_key) >= 0)) {
            *credentials = made;
            return POPLIN_OK;
        }
        poplin_tls_credentials_free(made);
    }
    return poplin_fail(error, POPLIN_ERR_NOMEM, DOING, "out of memory");
}

poplin_tls_credentials *poplin_tls_credentials_ref(poplin_tls_credentials *credentials) {
    atomic_fetch_add_explicit(&credentials->owners, 1, memory_order_relaxed);
    return credentials;
}

static void certified_free(poplin_certified *certified) {
    if (certified->certificates != NULL)
        gnutls_certificate_free_credentials(certified->certificates);
    if (certified->leaf != NULL)
        gnutls_x509_crt_deinit(certified->leaf);
}

void poplin_tls_credentials_free(poplin_tls_credentials *credentials) {
    if (credentials == NULL || atomic_fetch_sub_explicit(&credentials->owners, 1, memory_order_acq_rel) > 1)
        return;
    if (credentials->priority != NULL)
        gnutls_priority_deinit(credentials->priority);
    if (credentials->certificates != NULL)
        gnutls_certificate_free_credentials(credentials->certificates);
    if (credentials->first != NULL)
        gnutls_x509_crt_deinit(credentials->first);
    for (size_t i = 0; i < credentials->others_count; i++)
        certified_free(&credentials->others[i]);
    free(credentials->others);
    if (credentials->key_log >= 0)
        (void)close(credentials->key_log);
    poplin_sessions_free(&credentials->sessions);
    (void)pthread_mutex_destroy(&credentials->system_lock);
    if (credentials->ticket_key.data != NULL)
        poplin_wipe(credentials->ticket_key.data, credentials->ticket_key.size);
    gnutls_free(credentials->ticket_key.data);
    free(credentials->pins);
    free(credentials->known_keys);
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

static int add_key(gnutls_certificate_credentials_t certificates, const pem *cert, const pem *key,
                   poplin_error *error) {
    int code = gnutls_certificate_set_x509_key_mem(certificates, &cert->text, &key->text, GNUTLS_X509_FMT_PEM);
    if (code >= 0)
        return POPLIN_OK;
    if (code == GNUTLS_E_MEMORY_ERROR)
        return poplin_fail(error, POPLIN_ERR_NOMEM, DOING, "out of memory");
    if (code == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
        return poplin_fail(error, POPLIN_ERR_CERTIFICATE, DOING, "the key in %s is not that of the certificate",
                           key->origin);
    int key_code = try_key(key);
    if (key_code < 0)
        return poplin_fail(error, POPLIN_ERR_CERTIFICATE, DOING,
                           "the private key in %s cannot be used; it must be PEM, unencrypted: %s", key->origin,
                           gnutls_strerror(key_code));
    return poplin_fail(error, POPLIN_ERR_CERTIFICATE, DOING,
                       "the certificate chain in %s cannot be used; it must be PEM: %s", cert->origin,
                       gnutls_strerror(code));
}

/* cert_file and key_file as in the header: without key_file the key is in cert_file. */
static int add_key_files(gnutls_certificate_credentials_t certificates, const char *cert_file, const char *key_file,
                         poplin_error *error) {
    pem cert = {0};
    pem key = {0};
    int status = load(cert_file, &cert, error);
    if (status == POPLIN_OK)
        status = load(key_file != NULL ? key_file : cert_file, &key, error);
    if (status == POPLIN_OK)
        status = add_key(certificates, &cert, &key, error);
    unload(&cert);
    unload(&key);
    return status;
}

/* The key is in the certificate's text where it has none of its own. */
static int add_key_text(gnutls_certificate_credentials_t certificates, poplin_slice cert, poplin_slice key,
                        poplin_error *error) {
    pem cert_pem = {datum_of(cert), "the certificate text"};
    pem key_pem = key.size > 0 ? (pem){datum_of(key), "the key text"} : cert_pem;
    return add_key(certificates, &cert_pem, &key_pem, error);
}

static int add_trusted(gnutls_certificate_credentials_t certificates, const pem *trusted, poplin_error *error) {
    int count = gnutls_certificate_set_x509_trust_mem(certificates, &trusted->text, GNUTLS_X509_FMT_PEM);
    if (count > 0)
        return POPLIN_OK;
    return poplin_fail(error, POPLIN_ERR_CERTIFICATE, DOING, "%s holds no CA certificate in PEM form", trusted->origin);
}

int poplin_credentials_read_system(poplin_tls_credentials *credentials, poplin_error *error) {
    (void)pthread_mutex_lock(&credentials->system_lock);
    if (credentials->system_unread)
        credentials->system_unread = gnutls_certificate_set_x509_system_trust(credentials->certificates) <= 0;
    const bool missing = credentials->system_unread;
    (void)pthread_mutex_unlock(&credentials->system_lock);
    if (!missing)
        return POPLIN_OK;
    return poplin_fail(error, POPLIN_ERR_CERTIFICATE, DOING,
                       "the system has no trusted CAs; install ca-certificates, or pass ca_file=");
}

/* From a file (NULL: none), from text (empty: none), or from both. */
static int add_all_trusted(gnutls_certificate_credentials_t certificates, const char *file, poplin_slice text,
                           poplin_error *error) {
    int status = POPLIN_OK;
    if (file != NULL) {
        pem loaded = {0};
        status = load(file, &loaded, error);
        if (status == POPLIN_OK)
            status = add_trusted(certificates, &loaded, error);
        unload(&loaded);
    }
    if (status == POPLIN_OK && text.size > 0)
        status = add_trusted(certificates, &(pem){datum_of(text), "the CA text"}, error);
    return status;
}

/* The first word of *text, which then goes on behind it; empty: there is none. */
static poplin_slice next_word(const char **text) {
    const char *start = *text + strspn(*text, " ");
    poplin_slice word = {start, strcspn(start, " ")};
    *text = start + word.size;
    return word;
}

static size_t count_words(const char *text) {
    size_t count = 0;
    while (next_word(&text).size > 0)
        count++;
    return count;
}

static int add_pins(poplin_tls_credentials *credentials, const char *pins, poplin_error *error) {
    size_t count = count_words(pins);
    if (count == 0)
        return poplin_fail(error, POPLIN_ERR_CERTIFICATE, DOING, "there is no pin among those given");
    credentials->pins = calloc(count, sizeof *credentials->pins);
    if (credentials->pins == NULL)
        return poplin_fail(error, POPLIN_ERR_NOMEM, DOING, "out of memory");
    for (; credentials->pins_count < count; credentials->pins_count++) {
        poplin_slice pin = next_word(&pins);
        if (!poplin_pin_parse(pin, &credentials->pins[credentials->pins_count]))
            return poplin_fail(error, POPLIN_ERR_CERTIFICATE, DOING,
                               "\"%.*s\" is no pin: that is the SHA-256 of a public key in base64, 44 characters",
                               (int)(pin.size < 100 ? pin.size : 100), pin.data);
    }
    return POPLIN_OK;
}

static int trust_on_first_use(poplin_tls_credentials *credentials, const poplin_tls_trust *trust, poplin_error *error) {
    if (!trust->verify || trust->ca_file != NULL || trust->ca_pem.size > 0)
        return poplin_fail(error, POPLIN_ERR_CERTIFICATE, DOING,
                           "trust on first use takes the place of the CAs, so it goes neither with CAs to trust nor "
                           "without verification");
    credentials->known_keys = strdup(trust->first_use_file);
    return credentials->known_keys != NULL ? POPLIN_OK : poplin_fail(error, POPLIN_ERR_NOMEM, DOING, "out of memory");
}

static int add_authorities(poplin_tls_credentials *credentials, const poplin_tls_trust *trust, poplin_error *error) {
    if (trust->first_use_file != NULL)
        return trust_on_first_use(credentials, trust, error);
    int status = add_all_trusted(credentials->certificates, trust->ca_file, trust->ca_pem, error);
    credentials->system_unread = trust->verify && trust->ca_file == NULL && trust->ca_pem.size == 0;
    return status;
}

static int fill_trust(poplin_tls_credentials *credentials, const poplin_tls_trust *trust, poplin_error *error) {
    if (trust->key_file != NULL && trust->cert_file == NULL)
        return poplin_fail(error, POPLIN_ERR_CERTIFICATE, DOING,
                           "there is a client's key, %s, but no certificate that it belongs to", trust->key_file);
    int status = trust->pins != NULL ? add_pins(credentials, trust->pins, error) : POPLIN_OK;
    if (status == POPLIN_OK)
        status = add_authorities(credentials, trust, error);
    if (status == POPLIN_OK && trust->cert_file != NULL)
        status = add_key_files(credentials->certificates, trust->cert_file, trust->key_file, error);
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
    made->no_resumption = trust->no_resumption;
    return finish(fill_trust(made, trust, error), made, credentials);
}

int poplin_tls_server_credentials(const char *cert_file, const char *key_file, poplin_tls_credentials **credentials,
                                  poplin_error *error) {
    poplin_tls_credentials *made;
    int status = credentials_new(true, &made, error);
    if (status != POPLIN_OK)
        return status;
    return finish(add_key_files(made->certificates, cert_file, key_file, error), made, credentials);
}

int poplin_tls_server_credentials_pem(poplin_slice cert, poplin_slice key, poplin_tls_credentials **credentials,
                                      poplin_error *error) {
    poplin_tls_credentials *made;
    int status = credentials_new(true, &made, error);
    if (status != POPLIN_OK)
        return status;
    return finish(add_key_text(made->certificates, cert, key, error), made, credentials);
}

/* ---- several certificates ---- */

/* The leaf of what was just added, in a copy. */
static int take_leaf(gnutls_certificate_credentials_t certificates, gnutls_x509_crt_t *leaf, poplin_error *error) {
    gnutls_datum_t der;
    if (gnutls_certificate_get_crt_raw(certificates, 0, 0, &der) >= 0 && gnutls_x509_crt_init(leaf) >= 0 &&
        gnutls_x509_crt_import(*leaf, &der, GNUTLS_X509_FMT_DER) >= 0)
        return POPLIN_OK;
    return poplin_fail(error, POPLIN_ERR_NOMEM, DOING, "out of memory");
}

/* Room for one more, empty. */
static int add_place(poplin_tls_credentials *credentials, poplin_certified **place, poplin_error *error) {
    if (!credentials->server || credentials->asks_clients)
        return poplin_fail(error, POPLIN_ERR_STATE, DOING,
                           "only servers have several certificates, and are given them first of all");
    if (credentials->others_count == POPLIN_CERTIFICATES_MAX - 1)
        return poplin_fail(error, POPLIN_ERR_LIMIT, DOING, "a server has %d certificates at the most",
                           POPLIN_CERTIFICATES_MAX);
    poplin_certified *others =
        realloc(credentials->others, (credentials->others_count + 1) * sizeof *credentials->others);
    if (others != NULL)
        credentials->others = others;
    if (others == NULL ||
        (credentials->first == NULL && take_leaf(credentials->certificates, &credentials->first, error) != POPLIN_OK))
        return poplin_fail(error, POPLIN_ERR_NOMEM, DOING, "out of memory");
    *place = &others[credentials->others_count];
    **place = (poplin_certified){NULL, NULL};
    if (gnutls_certificate_allocate_credentials(&(*place)->certificates) < 0)
        return poplin_fail(error, POPLIN_ERR_NOMEM, DOING, "out of memory");
    return POPLIN_OK;
}

/* The place is filled with certificate and key: it counts if it is good. */
static int keep_place(poplin_tls_credentials *credentials, poplin_certified *place, int status, poplin_error *error) {
    if (status == POPLIN_OK)
        status = take_leaf(place->certificates, &place->leaf, error);
    if (status == POPLIN_OK && !poplin_certificate_names_hosts(place->leaf))
        status = poplin_fail(error, POPLIN_ERR_CERTIFICATE, DOING,
                             "a further certificate is chosen by its names, and this one names no host");
    if (status == POPLIN_OK)
        credentials->others_count++;
    else
        certified_free(place);
    return status;
}

int poplin_tls_server_credentials_add(poplin_tls_credentials *credentials, const char *cert_file, const char *key_file,
                                      poplin_error *error) {
    poplin_certified *place = NULL;
    int status = add_place(credentials, &place, error);
    if (status != POPLIN_OK)
        return status;
    status = add_key_files(place->certificates, cert_file, key_file, error);
    return keep_place(credentials, place, status, error);
}

int poplin_tls_server_credentials_add_pem(poplin_tls_credentials *credentials, poplin_slice cert, poplin_slice key,
                                          poplin_error *error) {
    poplin_certified *place = NULL;
    int status = add_place(credentials, &place, error);
    if (status != POPLIN_OK)
        return status;
    status = add_key_text(place->certificates, cert, key, error);
    return keep_place(credentials, place, status, error);
}

/* ---- what else a server can be told ---- */

int poplin_tls_server_credentials_no_resumption(poplin_tls_credentials *credentials, poplin_error *error) {
    if (!credentials->server)
        return poplin_fail(error, POPLIN_ERR_STATE, DOING, "these are no server's");
    credentials->no_resumption = true;
    return POPLIN_OK;
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
        return poplin_fail(error, POPLIN_ERR_STATE, DOING, "only servers staple an OCSP response");
    gnutls_datum_t der = datum_of(response);
    int code = try_response(&der);
    gnutls_certificate_credentials_t last = credentials->others_count > 0
                                                ? credentials->others[credentials->others_count - 1].certificates
                                                : credentials->certificates;
    gnutls_certificate_set_flags(last, GNUTLS_CERTIFICATE_SKIP_OCSP_RESPONSE_CHECK);
    if (code >= 0)
        code = gnutls_certificate_set_ocsp_status_request_mem(last, &der, 0, GNUTLS_X509_FMT_DER);
    if (code >= 0)
        return POPLIN_OK;
    if (code == GNUTLS_E_MEMORY_ERROR)
        return poplin_fail(error, POPLIN_ERR_NOMEM, DOING, "out of memory");
    return poplin_fail(error, POPLIN_ERR_CERTIFICATE, DOING, "the OCSP response cannot be used; it must be DER: %s",
                       gnutls_strerror(code));
}

int poplin_tls_server_credentials_clients(poplin_tls_credentials *credentials, const char *ca_file, poplin_slice ca_pem,
                                          poplin_error *error) {
    if (!credentials->server)
        return poplin_fail(error, POPLIN_ERR_STATE, DOING, "only servers ask their clients for certificates");
    if (ca_file == NULL && ca_pem.size == 0)
        return poplin_fail(error, POPLIN_ERR_CERTIFICATE, DOING, "no CA is given for the clients' certificates");
    int status = add_all_trusted(credentials->certificates, ca_file, ca_pem, error);
    for (size_t i = 0; status == POPLIN_OK && i < credentials->others_count; i++)
        status = add_all_trusted(credentials->others[i].certificates, ca_file, ca_pem, error);
    if (status == POPLIN_OK)
        credentials->asks_clients = true;
    return status;
}
