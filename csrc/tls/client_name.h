/*
 * tls/client_name.h - whom a client's certificate names, for EXTERNAL (RFC 4422 appendix A).
 */
#ifndef POPLIN_TLS_CLIENT_NAME_H
#define POPLIN_TLS_CLIENT_NAME_H

#include <gnutls/gnutls.h>
#include <stddef.h>

/*
 * Writes the name in the first certificate of the peer, which has been verified, into name, and returns its octets; 0: it names
 * nobody, or nobody for certain. Of room octets the last is never used, so that a name in zeroed memory ends in NUL.
 */
size_t poplin_client_name(gnutls_session_t session, char *name, size_t room);

#endif
