/*
 * tls/verify.h - is the peer who the user meant? Chain, validity, purpose and name of a server's certificate.
 */
#ifndef POPLIN_TLS_VERIFY_H
#define POPLIN_TLS_VERIFY_H

#include <gnutls/gnutls.h>
#include <poplin/status.h>

/* Whom the user meant: a host name, or an IP address. */
typedef struct poplin_peer_name {
    char text[256]; /* the name in A-labels without a last dot, or the literal without its zone */
    unsigned char address[16];
    size_t address_size; /* 4 or 16; 0: a host name */
} poplin_peer_name;

/* Reads a host name or an IP literal. OK, or ERR_CERTIFICATE: it is neither, so that no certificate can match it. */
int poplin_peer_name_parse(const char *text, poplin_peer_name *name);

/*
 * Verifies the certificate that the peer has presented on session, and that it is for name. OK; ERR_CERTIFICATE or
 * ERR_NOMEM with *error filled in and *alert what to tell the peer.
 */
int poplin_peer_verify(gnutls_session_t session, const poplin_peer_name *name, poplin_error *error,
                       gnutls_alert_description_t *alert);

#endif
