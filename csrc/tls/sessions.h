/*
 * tls/sessions.h - what a client keeps of its sessions, to take them up again: bounded, and shared by threads.
 */
#ifndef POPLIN_TLS_SESSIONS_H
#define POPLIN_TLS_SESSIONS_H

#include <gnutls/gnutls.h>
#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include "tls/verify.h"

enum { POPLIN_SESSIONS_MAX = 32 };

typedef struct poplin_session_kept {
    char peer[POPLIN_PEER_KEY_SIZE];
    gnutls_datum_t data; /* as GnuTLS packs it, with secrets; NULL: the place is empty */
    time_t until;        /* -1: no limit */
} poplin_session_kept;

typedef struct poplin_sessions {
    pthread_mutex_t lock;
    poplin_session_kept kept[POPLIN_SESSIONS_MAX]; /* the oldest first, at next */
    unsigned next;
} poplin_sessions;

void poplin_sessions_init(poplin_sessions *sessions);
void poplin_sessions_free(poplin_sessions *sessions);

/*
 * Keeps a session of this peer until then (-1: no limit), in place of an earlier one, or of the oldest. The data, GnuTLS's, is taken
 * over.
 */
void poplin_sessions_keep(poplin_sessions *sessions, const char *peer, gnutls_datum_t data, time_t until);

/* Takes out the session of this peer: one ticket for one connection (RFC 8446 appendix C.4). False: there is none any more. */
bool poplin_sessions_take(poplin_sessions *sessions, const char *peer, gnutls_datum_t *data);

/* Wipes and frees what take has given. */
void poplin_session_data_free(gnutls_datum_t *data);

#endif
