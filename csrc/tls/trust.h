/*
 * tls/trust.h - is the peer who it should be, by all that the credentials ask for?
 */
#ifndef POPLIN_TLS_TRUST_H
#define POPLIN_TLS_TRUST_H

#include <time.h>

#include "tls/filter.h"

/* Whether anything about a server is checked at all. */
bool poplin_trust_is_checked(const poplin_tls_credentials *credentials);

/*
 * Checks the certificate that the peer has presented, and notes what is proved by it in tls->proof. OK; else the status, with tls->error
 * filled in and tls->refusal what to tell the peer.
 */
int poplin_trust_check(poplin_tls *tls);

/*
 * After the handshake, and after a check that answered OK: keeps the server's key where this is the first contact. Answers as that. Waits
 * for a moment, 2 s at the most, where another process is writing to the file of known keys.
 */
int poplin_trust_finish(poplin_tls *tls);

/*
 * Until when what was checked of a server is good by its own dates: the end of its certificate, or of what was stapled to it. -1: no date was
 * looked at.
 */
time_t poplin_trust_end(const poplin_tls *tls);

/* The peer's own certificate, to be freed; NULL: it has presented none that can be read. */
gnutls_x509_crt_t poplin_peer_certificate(gnutls_session_t session);

#endif
