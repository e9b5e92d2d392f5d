/*
 * sasl/password.h - a password that a client has shown (PLAIN, LOGIN, USER and PASS), held against what the server's owner keeps of it.
 */
#ifndef POPLIN_SASL_PASSWORD_H
#define POPLIN_SASL_PASSWORD_H

#include <poplin/scram.h>

/*
 * Whether they are the same once prepared (SASLprep); what cannot be prepared is compared as it is. secret: {NULL, 0} where there is no
 * such user, which is told in the same time as a wrong password (T-USR-1). OK; AUTH; NOMEM.
 */
int poplin_password_verify(poplin_slice shown, poplin_slice secret);

/*
 * Whether these are the keys of the password. keys: NULL where there is no such user, which takes as long as iterations do, at
 * least POPLIN_SCRAM_ITERATIONS. OK; AUTH; NOMEM; IO: GnuTLS refuses.
 */
int poplin_password_verify_keys(poplin_slice shown, const poplin_scram_keys *keys, uint32_t iterations);

#endif
