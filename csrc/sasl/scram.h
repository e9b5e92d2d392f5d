/*
 * sasl/scram.h - what the halves of SCRAM share (RFC 5802, RFC 7677): attributes, names, keys and signatures.
 */
#ifndef POPLIN_SASL_SCRAM_H
#define POPLIN_SASL_SCRAM_H

#include <poplin/scram.h>

#include "sasl/family.h"

enum {
    SCRAM_HASH_MAX = 32,
    SCRAM_NONCE_MAX = 1024, /* of both sides' halves together */
    SCRAM_MESSAGE_MAX = 8192
};

/* The hash of a mechanism; its size in octets. */
enum poplin_scram_hash poplin_scram_hash_of(enum poplin_mechanism mechanism);
size_t poplin_scram_size(enum poplin_scram_hash hash);

/* ---- scram.c: messages ---- */

/*
 * Takes "attribute=value" and the comma behind it from the front of *message. False: there stands something else, an empty value, a NUL, or
 * nothing behind the comma.
 */
bool poplin_scram_take(poplin_slice *message, char attribute, poplin_slice *value);

/*
 * Takes extensions, which are ignored, up to this attribute; 0: up to the end. False: an attribute that has its place elsewhere, m=, or
 * one that comes twice.
 */
bool poplin_scram_skip(poplin_slice *message, char attribute);

/* Printable ASCII without comma, at least one octet and at most SCRAM_NONCE_MAX. */
bool poplin_scram_is_nonce(poplin_slice nonce);

/* Appends each part. OK or NOMEM. */
int poplin_scram_join(poplin_buffer *output, const poplin_slice *parts, size_t count);

/* Appends the given octets or, where they are {NULL, 0}, random ones as printable text. OK; NOMEM; IO. */
int poplin_scram_nonce(poplin_slice given, poplin_buffer *output);

/* Appends the name as it travels (= and comma escaped), or what an escaped one stands for: PROTOCOL for any other =. NOMEM. */
int poplin_scram_escape(poplin_slice name, poplin_buffer *output);
int poplin_scram_unescape(poplin_slice text, poplin_buffer *output);

/* ---- scram_keys.c: what GnuTLS computes; OK, NOMEM, or IO where it refuses ---- */

typedef struct poplin_scram_derived {
    unsigned char client_key[SCRAM_HASH_MAX];
    unsigned char stored_key[SCRAM_HASH_MAX];
    unsigned char server_key[SCRAM_HASH_MAX];
} poplin_scram_derived;

/* The keys of a prepared password. */
int poplin_scram_derive(enum poplin_scram_hash hash, poplin_slice password, poplin_slice salt, uint32_t iterations,
                        poplin_scram_derived *derived);

int poplin_scram_hmac(enum poplin_scram_hash hash, const void *key, size_t size, poplin_slice text,
                      unsigned char digest[SCRAM_HASH_MAX]);
int poplin_scram_digest(enum poplin_scram_hash hash, poplin_slice text, unsigned char digest[SCRAM_HASH_MAX]);
int poplin_scram_random(void *octets, size_t size);

/* Whether they are the same, in a time that does not tell where they differ. */
bool poplin_scram_same(const void *a, const void *b, size_t size);

/* ---- the halves ---- */

int poplin_scram_client_new(enum poplin_mechanism mechanism, const poplin_sasl_client_config *config,
                            poplin_sasl_client **client, const char **reason);
int poplin_scram_client_step(poplin_sasl_client *client, poplin_slice challenge, poplin_buffer *response,
                             const char **reason);
void poplin_scram_client_free(poplin_sasl_client *client);

int poplin_scram_server_new(enum poplin_mechanism mechanism, const poplin_sasl_server_config *config,
                            poplin_sasl_server **server);
int poplin_scram_server_step(poplin_sasl_server *server, poplin_slice response, poplin_sasl_turn *turn);
int poplin_scram_server_answer(poplin_sasl_server *server, enum poplin_sasl_answer answer, poplin_slice secret,
                               const poplin_scram_keys *keys, poplin_sasl_turn *turn);
void poplin_scram_server_free(poplin_sasl_server *server);

#endif
