/*
 * poplin/scram.h - SCRAM keys (RFC 5802 section 3), for a server whose owner stores them in the place of passwords: who reads
 * them can check a login, and cannot log in.
 */
#ifndef POPLIN_SCRAM_H
#define POPLIN_SCRAM_H

#include <poplin/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Which mechanism the keys are for, with or without -PLUS. */
enum poplin_scram_hash { POPLIN_SCRAM_SHA_1, POPLIN_SCRAM_SHA_256 };

/* What an iteration count of 0 stands for, and the least that is announced or made (RFC 7677 section 4). */
#define POPLIN_SCRAM_ITERATIONS 4096

/* The longest salt, and where the octets of keys and their text fit. */
#define POPLIN_SCRAM_SALT_MAX 64
#define POPLIN_SCRAM_STORAGE (POPLIN_SCRAM_SALT_MAX + 32 + 32)
#define POPLIN_SCRAM_TEXT 256

typedef struct poplin_scram_keys {
    uint32_t iterations;
    poplin_slice salt;
    poplin_slice stored_key; /* 20 or 32 octets: which hash they are for */
    poplin_slice server_key; /* as long */
} poplin_scram_keys;

/*
 * Makes the keys of a password, which is prepared by SASLprep first. salt: 1 to POPLIN_SCRAM_SALT_MAX octets, {NULL, 0}: 16 random
 * ones. iterations: at least POPLIN_SCRAM_ITERATIONS, 0: that many; the time that this takes, and each login of a client, grows with
 * it. The slices of *keys point into storage, POPLIN_SCRAM_STORAGE octets of the caller's, who also wipes it where that is wanted.
 * OK. PROTOCOL: the password is empty, longer than 4096 octets, no UTF-8 or holds what SASLprep prohibits. LIMIT: salt or iterations out of
 * range. IO: no random numbers, or GnuTLS refuses. NOMEM. From any thread.
 */
POPLIN_API int poplin_scram_keys_make(enum poplin_scram_hash hash, poplin_slice password, poplin_slice salt,
                                      uint32_t iterations, char storage[POPLIN_SCRAM_STORAGE], poplin_scram_keys *keys);

/*
 * Writes keys as text, "SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>" in base64 (RFC 5803 section 2), ended by NUL.
 * size: of text; POPLIN_SCRAM_TEXT is always enough. OK. PROTOCOL: they are no keys. LIMIT: text is too small. NOMEM.
 */
POPLIN_API int poplin_scram_keys_write(const poplin_scram_keys *keys, char *text, size_t size);

/*
 * Reads what poplin_scram_keys_write and other servers write. The slices of *keys point into storage. OK. PROTOCOL: it is not of that
 * form, or its salt is longer than POPLIN_SCRAM_SALT_MAX. NOMEM.
 */
POPLIN_API int poplin_scram_keys_parse(poplin_slice text, char storage[POPLIN_SCRAM_STORAGE], poplin_scram_keys *keys);

#ifdef __cplusplus
}
#endif
#endif
