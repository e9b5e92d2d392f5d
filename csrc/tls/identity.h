/*
 * tls/identity.h - a certificate and its key, made for tests and demonstrations.
 */
#ifndef POPLIN_TLS_IDENTITY_H
#define POPLIN_TLS_IDENTITY_H

#include <gnutls/x509.h>
#include <stdbool.h>
#include <time.h>

#include "tls/verify.h"

/* All zero is none. */
typedef struct poplin_identity {
    gnutls_x509_crt_t certificate;
    gnutls_x509_privkey_t key;
} poplin_identity;

/* What every certificate has. */
typedef struct poplin_identity_order {
    const char *common_name; /* NULL: the subject is given by poplin_identity_add_common_name */
    time_t from;
    time_t until;
    bool weak; /* RSA with 1024 bits instead of ECDSA P-256 */
} poplin_identity_order;

/* Each of these returns false where memory ran out, or GnuTLS cannot do it. */

/* A new key, and a certificate that is not signed yet. To be freed also where this fails. */
bool poplin_identity_new(const poplin_identity_order *order, poplin_identity *identity);
void poplin_identity_free(poplin_identity *identity);

/* Into the subject; several may stand there. */
bool poplin_identity_add_common_name(poplin_identity *identity, const char *name);

/* Into the subjectAltName: a host, and a user (rfc822Name, ASCII). */
bool poplin_identity_add_name(poplin_identity *identity, const poplin_peer_name *name);
bool poplin_identity_add_mailbox(poplin_identity *identity, const char *mailbox);

/* Makes it that of a CA, or of one that is none and that serves this purpose. */
bool poplin_identity_make_ca(poplin_identity *identity);
bool poplin_identity_make_leaf(poplin_identity *identity, const char *purpose);

/* The last step; by may be the identity itself. */
bool poplin_identity_sign(poplin_identity *identity, const poplin_identity *by);

/* PEM texts ended by NUL, freed by free() after being wiped; NULL: out of memory. */
char *poplin_identity_certificate_pem(const poplin_identity *identity);
char *poplin_identity_key_pem(const poplin_identity *identity);

#endif
