/*
 * tls/staple.h - an OCSP response (RFC 6960) for a server to staple to its certificate.
 */
#ifndef POPLIN_TLS_STAPLE_H
#define POPLIN_TLS_STAPLE_H

#include "tls/identity.h"
#include "wire/buffer.h"

/*
 * Appends the response, DER, in which the CA says that it revoked the certificate yesterday. The CA's key is ECDSA P-256.
 * False: out of memory, or GnuTLS cannot sign.
 */
bool poplin_staple_revoked(const poplin_identity *ca, const poplin_identity *server, poplin_buffer *response);

#endif
