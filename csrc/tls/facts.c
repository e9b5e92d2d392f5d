/*
 * tls/facts.c - what was negotiated and verified: for the machines, for a host, for people.
 */
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <string.h>

#include "tls/client_name.h"
#include "tls/filter.h"
#include "tls/trust.h"

/* ---- for the machines ---- */

/* Octets of channel binding of this type; 0: it is not to be had, for a certificate without a single hash say. */
static size_t bind(const poplin_tls *tls, gnutls_channel_binding_t type, unsigned char *octets, size_t room) {
    gnutls_datum_t data = {NULL, 0};
    if (gnutls_session_channel_binding(tls->session, type, &data) < 0)
        return 0;
    size_t size = data.size <= room ? data.size : 0;
    memcpy(octets, data.data, size);
    gnutls_free(data.data);
    return size;
}

/*
 * Whether the server's certificate is signed by way of one hash, which RFC 5929 section 4.1 then takes. GnuTLS takes SHA-512 for Ed25519,
 * where others take nothing.
 */
static bool has_end_point(const poplin_tls *tls) {
    unsigned count = 0;
    const gnutls_datum_t *shown = tls->credentials->server ? gnutls_certificate_get_ours(tls->session)
                                                           : gnutls_certificate_get_peers(tls->session, &count);
    gnutls_x509_crt_t certificate;
    if (shown == NULL || gnutls_x509_crt_init(&certificate) < 0)
        return false;
    int signature = gnutls_x509_crt_import(certificate, &shown[0], GNUTLS_X509_FMT_DER) >= 0
                        ? gnutls_x509_crt_get_signature_algorithm(certificate)
                        : GNUTLS_SIGN_UNKNOWN;
    gnutls_x509_crt_deinit(certificate);
    return signature > GNUTLS_SIGN_UNKNOWN && signature != GNUTLS_SIGN_EDDSA_ED25519 &&
           signature != GNUTLS_SIGN_EDDSA_ED448;
}

/* What is proved by a pin alone, or by an earlier contact, does not make a certificate good (POP-TLS-19). */
static bool is_verified(const poplin_tls *tls) {
    return tls->proof == POPLIN_TLS_PROOF_CA || tls->proof == POPLIN_TLS_PROOF_CA_AND_PIN;
}

int poplin_tls_get_facts(const poplin_tls *tls, poplin_tls_facts *facts) {
    if (tls->description[0] == '\0')
        return POPLIN_ERR_STATE;
    *facts = (poplin_tls_facts){.verified = is_verified(tls)};
    if (tls->credentials->server && facts->verified)
        facts->identity_size = poplin_client_name(tls->session, facts->identity, sizeof facts->identity);
    /* Below TLS 1.3 only the extended master secret ties both bindings to one connection (RFC 9266 section 2, RFC 7677 section 4). */
    if (gnutls_protocol_get_version(tls->session) < GNUTLS_TLS1_3 &&
        gnutls_session_ext_master_secret_status(tls->session) == 0)
        return POPLIN_OK;
    facts->exporter_size = bind(tls, GNUTLS_CB_TLS_EXPORTER, facts->exporter, sizeof facts->exporter);
    if (gnutls_session_is_resumed(tls->session))
        return POPLIN_OK; /* the server has shown no certificate, and may have another one by now */
    if (has_end_point(tls))
        facts->end_point_size = bind(tls, GNUTLS_CB_TLS_SERVER_END_POINT, facts->end_point, sizeof facts->end_point);
    return POPLIN_OK;
}

/* ---- for a host ---- */

static const char *const PROOFS[] = {
#define WORD(name, word, meaning) word,
    POPLIN_TLS_PROOF_TABLE(WORD)
#undef WORD
};

const char *poplin_tls_proof_word(enum poplin_tls_proof proof) {
    return (unsigned)proof < POPLIN_TLS_PROOF_COUNT ? PROOFS[proof] : NULL;
}

static void take_text(char *text, size_t room, const char *words) {
    snprintf(text, room, "%s", words != NULL ? words : "");
}

static void take_fingerprint(gnutls_x509_crt_t certificate, char text[65]) {
    unsigned char hash[32];
    size_t size = sizeof hash;
    if (gnutls_x509_crt_get_fingerprint(certificate, GNUTLS_DIG_SHA256, hash, &size) < 0)
        return;
    for (size_t i = 0; i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", hash[i]);
}

static void take_certificate(const poplin_tls *tls, poplin_tls_info *info) {
    gnutls_x509_crt_t certificate = poplin_peer_certificate(tls->session);
    poplin_pin pin;
    if (certificate == NULL)
        return;
    take_fingerprint(certificate, info->certificate);
    if (poplin_pin_of(certificate, &pin))
        take_text(info->pin, sizeof info->pin, pin.text);
    info->not_after = (int64_t)gnutls_x509_crt_get_expiration_time(certificate);
    gnutls_x509_crt_deinit(certificate);
}

/* What a client sends may be anything, so only a host name is taken. */
static void take_sent_name(const poplin_tls *tls, poplin_tls_info *info) {
    char sent[sizeof info->server_name];
    size_t size = sizeof sent;
    unsigned type;
    poplin_peer_name name;
    if (gnutls_server_name_get(tls->session, sent, &size, &type, 0) >= 0 && type == GNUTLS_NAME_DNS &&
        poplin_peer_name_parse(sent, &name) == POPLIN_OK && name.address_size == 0)
        take_text(info->server_name, sizeof info->server_name, name.text);
}

int poplin_tls_get_info(const poplin_tls *tls, poplin_tls_info *info) {
    if (tls->description[0] == '\0')
        return POPLIN_ERR_STATE;
    gnutls_session_t session = tls->session;
    gnutls_datum_t protocol;
    *info = (poplin_tls_info){.resumed = gnutls_session_is_resumed(session) != 0, .proof = tls->proof};
    take_text(info->version, sizeof info->version, gnutls_protocol_get_name(gnutls_protocol_get_version(session)));
    take_text(info->cipher, sizeof info->cipher, gnutls_ciphersuite_get(session));
    take_text(info->group, sizeof info->group, gnutls_group_get_name(gnutls_group_get(session)));
    if (gnutls_alpn_get_selected_protocol(session, &protocol) >= 0)
        snprintf(info->alpn, sizeof info->alpn, "%.*s", (int)protocol.size, (const char *)protocol.data);
    if (tls->credentials->server)
        take_sent_name(tls, info);
    else if (tls->named && tls->name.address_size == 0)
        take_text(info->server_name, sizeof info->server_name, tls->name.text);
    take_certificate(tls, info);
    return POPLIN_OK;
}

/* ---- for people ---- */

const char *poplin_tls_describe(const poplin_tls *tls) {
    return tls->description;
}
