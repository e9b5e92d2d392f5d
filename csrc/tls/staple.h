/*
 * tls/staple.h - an OCSP response (RFC 6960) for a server to staple to its certificate.
 */
#ifndef POPLIN_TLS_STAPLE_H
#define POPLIN_TLS_STAPLE_H

#include "tls/identity.h"
#include "wire/buffer.h"

/* What it is to say; days are counted from now. */
typedef struct poplin_staple_order {
    bool revoked;              /* from from_days on; else the certificate is good */
    int from_days, until_days; /* in which it is news */
} poplin_staple_order;

/* Revoked yesterday, and news until in 30 days. */
extern const poplin_staple_order POPLIN_STAPLE_REVOKED;

/*
 * Appends the response, DER, in which the CA says so of the certificate. The CA's key is ECDSA P-256. False: out of memory, or GnuTLS
 * cannot sign.
 */
bool poplin_staple_write(const poplin_identity *ca, const poplin_identity *server, const poplin_staple_order *order,
                         poplin_buffer *response);

#endif
