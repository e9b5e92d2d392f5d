/*
 * tls_clients.h - what the tests of clients' certificates share: a CA that vouches for clients, a server that asks for what it
 * signed, and clients that have a certificate, ours and GnuTLS itself.
 */
#ifndef TLS_CLIENTS_H
#define TLS_CLIENTS_H

#include "tls_ends.h"

#include <gnutls/abstract.h>
#include <stdio.h>
#include <unistd.h>

static const char *const VERSIONS[] = {TLS13, TLS12};

/* The CA that vouches for clients, and a server that asks for what it signed. */
static certificate ca;
static poplin_slice ca_text;
static poplin_tls_credentials *asking;

static inline poplin_tls_credentials *new_server_credentials(void) {
    poplin_tls_credentials *credentials;
    assert_int_equal(poplin_tls_server_credentials_pem(poplin_slice_of(identity.cert_pem),
                                                       poplin_slice_of(identity.key_pem), &credentials, NULL),
                     POPLIN_OK);
    return credentials;
}

static inline poplin_tls_credentials *asking_for(poplin_slice trusted) {
    poplin_tls_credentials *credentials = new_server_credentials();
    assert_int_equal(poplin_tls_server_credentials_clients(credentials, NULL, trusted, NULL), POPLIN_OK);
    return credentials;
}

static inline int set_up_all(void **state) {
    set_up(state);
    ca = certificate_new((certificate_order){.is_ca = true, .common_name = "the CA"});
    ca_text = certificate_pem(&ca);
    asking = asking_for(ca_text);
    return 0;
}

static inline int tear_down_all(void **state) {
    poplin_tls_credentials_free(asking);
    pem_free(ca_text);
    certificate_free(&ca);
    return tear_down(state);
}

static inline certificate new_fred(void) {
    return certificate_new(
        (certificate_order){.issuer = &ca, .common_name = "fred", .purpose = GNUTLS_KP_TLS_WWW_CLIENT});
}

/* ---- a client that is GnuTLS, and gives its certificate whatever CA the server asks for ---- */

typedef struct outcome {
    int status; /* the server's */
    poplin_error error;
    poplin_tls_facts facts;
    gnutls_alert_description_t alert; /* what the client was told; -1: nothing */
} outcome;

/* Handed to GnuTLS ready-made and under some name, since it reads the names of what it loads itself and takes no strange ones. */
static inline void raw_present(raw_peer *raw, const certificate *leaf, const certificate *keyed) {
    gnutls_pcert_st chain;
    gnutls_privkey_t key;
    const char *name = "a client";
    must(gnutls_pcert_import_x509(&chain, leaf->crt, 0));
    must(gnutls_privkey_init(&key));
    must(gnutls_privkey_import_x509(key, keyed->key, GNUTLS_PRIVKEY_IMPORT_COPY));
    gnutls_certificate_set_flags(raw->credentials, GNUTLS_CERTIFICATE_SKIP_KEY_CERT_MATCH);
    must(gnutls_certificate_set_key(raw->credentials, &name, 1, &chain, 1, key)); /* which owns both now */
}

/* leaf NULL: it has none. */
static inline void raw_client(raw_peer *raw, const char *version, const certificate *leaf) {
    raw_open(raw, GNUTLS_CLIENT | GNUTLS_FORCE_CLIENT_CERT, version, NULL);
    if (leaf != NULL)
        raw_present(raw, leaf, leaf);
}

/* Shakes hands between a raw client and a server of these credentials, which are then closed. */
static inline outcome shake_hands(poplin_tls_credentials *credentials, raw_peer *raw) {
    outcome seen = {.alert = (gnutls_alert_description_t)-1};
    poplin_tls *server;
    int code;
    char octet;
    assert_int_equal(poplin_tls_server_new(credentials, &server), POPLIN_OK);
    seen.status = shake_raw(server, raw, &code);
    seen.error = *poplin_tls_error(server);
    assert_int_equal(poplin_tls_get_facts(server, &seen.facts),
                     seen.status == POPLIN_OK ? POPLIN_OK : POPLIN_ERR_STATE);
    if (code == 0) /* a client of TLS 1.3 learns what became of its certificate only behind the handshake */
        code = (int)gnutls_record_recv(raw->session, &octet, 1);
    if (code == GNUTLS_E_FATAL_ALERT_RECEIVED)
        seen.alert = gnutls_alert_get(raw->session);
    poplin_tls_free(server);
    return seen;
}

static inline outcome visit(poplin_tls_credentials *credentials, const char *version, const certificate *leaf) {
    raw_peer raw;
    raw_client(&raw, version, leaf);
    outcome seen = shake_hands(credentials, &raw);
    raw_close(&raw);
    return seen;
}

/* ---- a client of ours ---- */

/* Writes both texts to a temporary file. */
static inline void write_file(char name[32], poplin_slice cert, poplin_slice key) {
    strcpy(name, "/tmp/poplin-test-XXXXXX");
    int descriptor = mkstemp(name);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, cert.data, cert.size), (ssize_t)cert.size);
    assert_int_equal(write(descriptor, key.data, key.size), (ssize_t)key.size);
    close(descriptor);
}

/* A client of ours that has this certificate, and trusts our server's CA or another. */
static inline poplin_tls_credentials *holder(poplin_slice cert, poplin_slice key, poplin_slice trusted) {
    char file[32];
    poplin_tls_credentials *credentials;
    write_file(file, cert, key);
    poplin_tls_trust trust = {.verify = true, .ca_pem = trusted, .cert_file = file};
    assert_int_equal(poplin_tls_client_credentials(&trust, &credentials, NULL), POPLIN_OK);
    unlink(file);
    return credentials;
}

static inline poplin_tls_credentials *holder_of(const certificate *leaf, poplin_slice trusted) {
    poplin_slice cert = certificate_pem(leaf), key = certificate_key_pem(leaf);
    poplin_tls_credentials *credentials = holder(cert, key, trusted);
    pem_free(cert);
    pem_free(key);
    return credentials;
}

#endif
