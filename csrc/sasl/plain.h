/*
 * sasl/plain.h - the PLAIN mechanism, both halves (RFC 4616).
 */
#ifndef POPLIN_SASL_PLAIN_H
#define POPLIN_SASL_PLAIN_H

#include "wire/buffer.h"

/* The client's one message. ERR_PROTOCOL: an empty name or password, or a NUL in one. ERR_NOMEM. */
int poplin_plain_encode(const poplin_credentials *credentials, poplin_buffer *message);

/*
 * The server's reading of it; slices point into message. ERR_PROTOCOL: not exactly two NULs, an empty name or password, a
 * field over 255 octets, or an authorization identity that is neither empty nor the name (SASL-PLAIN-2).
 */
int poplin_plain_decode(poplin_slice message, poplin_credentials *credentials);

#endif
