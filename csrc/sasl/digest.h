/*
 * sasl/digest.h - MD5, alone (APOP) and keyed (CRAM-MD5), as the 32 lower-case hex digits that go over the wire.
 */
#ifndef POPLIN_SASL_DIGEST_H
#define POPLIN_SASL_DIGEST_H

#include "wire/buffer.h"

enum { POPLIN_DIGEST_SIZE = 32 };

/* Of text followed by secret. UNSUPPORTED: this machine's policy forbids MD5 (FIPS 140); NOMEM. */
int poplin_digest_plain(poplin_slice text, poplin_slice secret, char digest[POPLIN_DIGEST_SIZE]);

/* HMAC (RFC 2104) of text under the key secret, of any length. UNSUPPORTED as above. */
int poplin_digest_keyed(poplin_slice text, poplin_slice secret, char digest[POPLIN_DIGEST_SIZE]);

/* True for 32 lower-case hex digits. */
bool poplin_digest_valid(poplin_slice digest);

/* Compares digests in a time that tells nothing of where they differ. */
bool poplin_digest_equal(const char a[POPLIN_DIGEST_SIZE], const char b[POPLIN_DIGEST_SIZE]);

#endif
