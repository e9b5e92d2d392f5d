/*
 * tls/credentials.h - what a filter needs of its credentials. But for the sessions and the system's CAs, which have locks, read only
 * once they are made, so that any number of threads may share them.
 */
#ifndef POPLIN_TLS_CREDENTIALS_H
#define POPLIN_TLS_CREDENTIALS_H

#include <gnutls/x509.h>
#include <poplin/tls.h>
#include <pthread.h>
#include <stdatomic.h>

#include "tls/pin.h"
#include "tls/sessions.h"

/* One certificate of a server, with its key. */
typedef struct poplin_certified {
    gnutls_certificate_credentials_t certificates;
    gnutls_x509_crt_t leaf; /* for its names */
} poplin_certified;

enum { POPLIN_CERTIFICATES_MAX = 64 };

struct poplin_tls_credentials {
    atomic_size_t owners;
    bool server;
    bool verify;       /* a client's: check the peer's certificate */
    bool asks_clients; /* a server's: for a certificate that its trusted CAs signed */
    poplin_pin *pins;  /* a client's: the server has one of these keys; NULL: any */
    size_t pins_count;
    pthread_mutex_t system_lock;
    bool system_unread; /* a client's: the system's CAs are trusted, and not in certificates yet; see read_system */
    char *known_keys;   /* a client's: the file of its servers' keys, which takes the CAs' place; NULL: none */
    poplin_sessions sessions; /* a client's */
    bool no_resumption;
    int key_log;                                   /* a descriptor; -1: none */
    gnutls_datum_t ticket_key;                     /* a server's, from which GnuTLS makes those that it uses */
    gnutls_certificate_credentials_t certificates; /* a client's, or a server's first */
    poplin_certified *others;                      /* a server's, by SNI; where there are any, first is set too */
    size_t others_count;
    gnutls_x509_crt_t first; /* the leaf in certificates */
    gnutls_priority_t priority;
};

/*
 * The system's CAs, where they are what a client trusts, are read when the first certificate is looked at: there are more than a
 * hundred, which takes milliseconds, and many a connection (a test's, one over loopback) needs none. CERTIFICATE: there are none.
 */
int poplin_credentials_read_system(poplin_tls_credentials *credentials, poplin_error *error);

#endif
