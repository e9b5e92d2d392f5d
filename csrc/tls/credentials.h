/*
 * tls/credentials.h - what a filter needs of its credentials. Read only once they are made, so that any number of
 * threads may share them.
 */
#ifndef POPLIN_TLS_CREDENTIALS_H
#define POPLIN_TLS_CREDENTIALS_H

#include <gnutls/gnutls.h>
#include <poplin/tls.h>
#include <stdatomic.h>

struct poplin_tls_credentials {
    atomic_size_t owners;
    bool server;
    bool verify; /* a client's: check the peer's certificate */
    gnutls_certificate_credentials_t certificates;
    gnutls_priority_t priority;
};

#endif
