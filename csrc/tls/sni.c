/*
 * tls/sni.c - a server with several certificates shows the one that is for the name that its client sends (RFC 6066 section 3).
 *
 * GnuTLS would choose by itself, but compares names octet for octet, without wildcards, and shows any certificate to a client whose
 * name none is for. Nothing is kept of the names that clients send (T-TLS-16).
 */
#include "tls/sni.h"

#include <string.h>

/* NULL: no certificate is for this name. */
static gnutls_certificate_credentials_t find(const poplin_tls_credentials *credentials, const poplin_peer_name *name) {
    if (poplin_certificate_is_for(credentials->first, name))
        return credentials->certificates;
    for (size_t i = 0; i < credentials->others_count; i++)
        if (poplin_certificate_is_for(credentials->others[i].leaf, name))
            return credentials->others[i].certificates;
    return NULL;
}

/* GnuTLS calls it once the hello is read. */
static int choose(gnutls_session_t session) {
    const poplin_tls *tls = gnutls_session_get_ptr(session);
    char sent[sizeof tls->name.text];
    size_t size = sizeof sent;
    unsigned type;
    poplin_peer_name name;
    int code = gnutls_server_name_get(session, sent, &size, &type, 0);
    if (code == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
        return 0; /* it sent none, and is shown the first */
    if (code < 0 || type != GNUTLS_NAME_DNS || poplin_peer_name_parse(sent, &name) != POPLIN_OK)
        return GNUTLS_E_UNRECOGNIZED_NAME;
    gnutls_certificate_credentials_t chosen = find(tls->credentials, &name);
    return chosen != NULL ? gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, chosen)
                          : GNUTLS_E_UNRECOGNIZED_NAME;
}

void poplin_sni_offer(poplin_tls *tls) {
    if (tls->credentials->others_count > 0)
        gnutls_handshake_set_post_client_hello_function(tls->session, choose);
}
