/*
 * tls/sni.h - a server with several certificates shows the one that is for the name that its client sends.
 */
#ifndef POPLIN_TLS_SNI_H
#define POPLIN_TLS_SNI_H

#include "tls/filter.h"

/* A server's, before the handshake: has the certificate chosen when the client's hello is there. */
void poplin_sni_offer(poplin_tls *tls);

#endif
