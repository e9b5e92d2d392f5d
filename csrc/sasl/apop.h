/*
 * sasl/apop.h - APOP: the timestamp in the greeting, and the digest that answers it (RFC 1939 section 7). It is a
 * command of its own and no SASL mechanism, but of the kind.
 *
 * The secret goes into the digest as a "stored" string of SASLprep, on both sides, and the name has to be prepared as
 * a "query" by who compares it (RFC 6856 section 2.2).
 */
#ifndef POPLIN_SASL_APOP_H
#define POPLIN_SASL_APOP_H

#include "sasl/digest.h"

/*
 * The client's: finds the timestamp in a greeting's text; *timestamp points into it, brackets included. False, and
 * APOP is not offered, unless the text has one "<" and one ">", and what they hold is plain: octets of 0x21-0x7E with
 * one "@" and something on both its sides. What else would do are hiding places for MD5 collisions (POP-GRT-5,
 * CVE-2007-1558).
 */
bool poplin_apop_timestamp(poplin_slice greeting, poplin_slice *timestamp);

/* PROTOCOL: the secret is empty or cannot be prepared; UNSUPPORTED: no MD5 on this machine; NOMEM. */
int poplin_apop_digest(poplin_slice timestamp, poplin_slice secret, char digest[POPLIN_DIGEST_SIZE]);

/*
 * The server's: whether digest proves secret, which is {NULL, 0} for a user that does not exist; that takes as long
 * and fails as well (POP-APOP-5). OK; AUTH; UNSUPPORTED; NOMEM.
 */
int poplin_apop_verify(poplin_slice timestamp, poplin_slice secret, poplin_slice digest);

/*
 * The server's, and CRAM-MD5's: appends "<digits@host>", plain enough for every client. The digits are 128
 * random bits: without clock, process or counter it is never told twice, whatever else runs or ran before
 * (POP-GRT-4). A host that is NULL or no name of letters, digits, "-" and "." becomes "localhost". IO: no random
 * numbers; NOMEM.
 */
int poplin_apop_make_timestamp(const char *host, poplin_buffer *timestamp);

#endif
