/*
 * tls/trust.c - is the peer who it should be, by all that the credentials ask for? The CAs first (verify.c), or what is kept of
 * the first contact in their place (known_keys.c), and then the pins.
 */
#include "tls/trust.h"

#include <gnutls/ocsp.h>
#include <gnutls/x509.h>

#include "tls/known_keys.h"
#include "wire/failure.h"

static const char DOING[] = "certificate check";

gnutls_x509_crt_t poplin_peer_certificate(gnutls_session_t session) {
    unsigned count = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
    gnutls_x509_crt_t certificate;
    if (chain == NULL || count == 0 || gnutls_x509_crt_init(&certificate) < 0)
        return NULL;
    if (gnutls_x509_crt_import(certificate, &chain[0], GNUTLS_X509_FMT_DER) >= 0)
        return certificate;
    gnutls_x509_crt_deinit(certificate);
    return NULL;
}

bool poplin_trust_is_checked(const poplin_tls_credentials *credentials) {
    return credentials->verify || credentials->pins_count > 0;
}

/* The pin of the key that the server has presented. */
static int presented_pin(poplin_tls *tls, poplin_pin *pin) {
    gnutls_x509_crt_t certificate = poplin_peer_certificate(tls->session);
    bool known = certificate != NULL && poplin_pin_of(certificate, pin);
    if (certificate != NULL)
        gnutls_x509_crt_deinit(certificate);
    if (known)
        return POPLIN_OK;
    return poplin_fail(&tls->error, POPLIN_ERR_CERTIFICATE, DOING,
                       "the server presented no certificate whose key can be read");
}

static int check_pins(poplin_tls *tls, const poplin_pin *pin) {
    const poplin_tls_credentials *credentials = tls->credentials;
    for (size_t i = 0; i < credentials->pins_count; i++)
        if (poplin_pin_equal(pin, &credentials->pins[i]))
            return POPLIN_OK;
    return poplin_fail(&tls->error, POPLIN_ERR_CERTIFICATE, DOING,
                       "the server's key, %s, is none of those pinned; if its owner tells you that it has a new "
                       "key, pin that",
                       pin->text);
}

/* A key is kept only once the handshake is done, and the server has shown that it holds it. */
static int check_first_use(poplin_tls *tls, const poplin_pin *pin, bool keep) {
    char peer[POPLIN_PEER_KEY_SIZE];
    bool added = false;
    poplin_peer_name_key(&tls->name, tls->port, peer);
    int status = poplin_known_key(tls->credentials->known_keys, peer, pin, keep, &added, &tls->error);
    tls->proof = added ? POPLIN_TLS_PROOF_FIRST_USE : POPLIN_TLS_PROOF_KNOWN_KEY;
    return status;
}

static int check_by_key(poplin_tls *tls) {
    poplin_pin pin;
    int status = presented_pin(tls, &pin);
    if (status == POPLIN_OK && tls->credentials->pins_count > 0) {
        status = check_pins(tls, &pin);
        tls->proof = tls->credentials->verify ? POPLIN_TLS_PROOF_CA_AND_PIN : POPLIN_TLS_PROOF_PIN;
    }
    if (status == POPLIN_OK && tls->credentials->known_keys != NULL)
        status = check_first_use(tls, &pin, false);
    return status;
}

static int check_server(poplin_tls *tls) {
    const poplin_tls_credentials *credentials = tls->credentials;
    tls->refusal = GNUTLS_A_BAD_CERTIFICATE;
    if (credentials->verify && credentials->known_keys == NULL) {
        const poplin_peer_name *domain = tls->has_domain ? &tls->domain : NULL;
        int status = poplin_credentials_read_system(tls->credentials, &tls->error);
        if (status == POPLIN_OK)
            status = poplin_server_verify(tls->session, &tls->name, domain, &tls->error, &tls->refusal);
        if (status != POPLIN_OK)
            return status;
        tls->proof = POPLIN_TLS_PROOF_CA;
        tls->refusal = GNUTLS_A_BAD_CERTIFICATE;
    }
    return credentials->pins_count > 0 || credentials->known_keys != NULL ? check_by_key(tls) : POPLIN_OK;
}

static int check_client(poplin_tls *tls) {
    bool certified = false;
    int status = poplin_client_verify(tls->session, &certified, &tls->error, &tls->refusal);
    tls->proof = certified ? POPLIN_TLS_PROOF_CA : POPLIN_TLS_PROOF_NONE;
    return status;
}

int poplin_trust_finish(poplin_tls *tls) {
    poplin_pin pin;
    if (tls->credentials->server || tls->credentials->known_keys == NULL)
        return POPLIN_OK;
    tls->refusal = GNUTLS_A_BAD_CERTIFICATE;
    int status = presented_pin(tls, &pin);
    return status == POPLIN_OK ? check_first_use(tls, &pin, true) : status;
}

int poplin_trust_check(poplin_tls *tls) {
    tls->proof = POPLIN_TLS_PROOF_NONE;
    int status = tls->credentials->server ? check_client(tls) : check_server(tls);
    if (status != POPLIN_OK)
        tls->proof = POPLIN_TLS_PROOF_NONE;
    return status;
}

/* ---- for how long ---- */

/* When the staple of the server's certificate ends; -1: there is none, or it does not say. */
static time_t staple_end(gnutls_session_t session) {
    gnutls_datum_t der;
    gnutls_ocsp_resp_t staple;
    time_t end = -1;
    if (gnutls_ocsp_status_request_get2(session, 0, &der) < 0 || gnutls_ocsp_resp_init(&staple) < 0)
        return -1;
    if (gnutls_ocsp_resp_import(staple, &der) < 0 ||
        gnutls_ocsp_resp_get_single(staple, 0, NULL, NULL, NULL, NULL, NULL, NULL, &end, NULL, NULL) < 0)
        end = -1;
    gnutls_ocsp_resp_deinit(staple);
    return end;
}

time_t poplin_trust_end(const poplin_tls *tls) {
    if (tls->proof != POPLIN_TLS_PROOF_CA && tls->proof != POPLIN_TLS_PROOF_CA_AND_PIN)
        return -1;
    gnutls_x509_crt_t certificate = poplin_peer_certificate(tls->session);
    if (certificate == NULL)
        return -1;
    time_t end = gnutls_x509_crt_get_expiration_time(certificate);
    time_t staple = staple_end(tls->session);
    gnutls_x509_crt_deinit(certificate);
    return staple != -1 && staple < end ? staple : end;
}
