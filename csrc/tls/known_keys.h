/*
 * tls/known_keys.h - trust on first use: a file that keeps the key of each server from the first contact on.
 */
#ifndef POPLIN_TLS_KNOWN_KEYS_H
#define POPLIN_TLS_KNOWN_KEYS_H

#include <poplin/status.h>

#include "tls/pin.h"

/*
 * Looks up peer, a text without spaces, in the file. OK: this key is kept of it; or none was, and, where keep says so, this one is now:
 * *added, on the disk.
 * CERTIFICATE: another one is kept. IO, LIMIT, CERTIFICATE, NOMEM: the file cannot be used. *error is filled in. Any number of threads
 * and processes may do this at the same time.
 */
int poplin_known_key(const char *path, const char *peer, const poplin_pin *pin, bool keep, bool *added,
                     poplin_error *error);

#endif
