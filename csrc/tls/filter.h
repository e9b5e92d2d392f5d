/*
 * tls/filter.h - one TLS connection, for the files that make it: filter.c moves its octets, trust.c decides about the peer,
 * facts.c tells what became of it.
 */
#ifndef POPLIN_TLS_FILTER_H
#define POPLIN_TLS_FILTER_H

#include <gnutls/gnutls.h>
#include <poplin/tls.h>

#include "tls/credentials.h"
#include "tls/verify.h"
#include "wire/buffer.h"

/* Where the connection stands. Of the four only FAILED is reached from each of the others. */
enum poplin_tls_state { POPLIN_TLS_HANDSHAKING, POPLIN_TLS_STANDING, POPLIN_TLS_ENDED, POPLIN_TLS_FAILED };

struct poplin_tls {
    gnutls_session_t session;
    poplin_tls_credentials *credentials;
    enum poplin_tls_state state; /* ENDED: the peer sent close_notify; writing goes on */
    bool closed;                 /* we sent close_notify */
    bool remembered;             /* the session was kept for a later connection */
    bool out_of_memory;
    bool named;        /* name is set */
    int first_octet;   /* that the peer sent; -1: none came yet */
    poplin_slice lent; /* ciphertext not yet read */
    poplin_buffer output;
    poplin_peer_name name;
    poplin_peer_name domain; /* of the user's mail address, where has_domain */
    bool has_domain;
    uint16_t port;
    enum poplin_tls_proof proof;        /* of who the peer is */
    gnutls_alert_description_t refusal; /* what to tell a peer whose certificate was refused */
    char description[64];               /* "" before the handshake is done */
    poplin_error error;
};

#endif
