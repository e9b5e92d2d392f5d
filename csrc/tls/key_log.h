/*
 * tls/key_log.h - the secrets of connections in a file, for debugging, where the user has named it.
 */
#ifndef POPLIN_TLS_KEY_LOG_H
#define POPLIN_TLS_KEY_LOG_H

#include <gnutls/gnutls.h>

/* Before the handshake, of a session whose pointer is its poplin_tls: logs its secrets, if its credentials have a file. */
void poplin_key_log_begin(gnutls_session_t session);

#endif
