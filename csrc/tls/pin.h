/*
 * tls/pin.h - a public key by its fingerprint: the base64 form of the SHA-256 of its SubjectPublicKeyInfo (RFC 7469 section 2.4).
 */
#ifndef POPLIN_TLS_PIN_H
#define POPLIN_TLS_PIN_H

#include <gnutls/x509.h>
#include <poplin/types.h>
#include <stdbool.h>

typedef struct poplin_pin {
    char text[45];
} poplin_pin;

/* Reads a pin; false: the text is none. */
bool poplin_pin_parse(poplin_slice text, poplin_pin *pin);

/* The pin of a certificate's key; false: out of memory, or it cannot be read. */
bool poplin_pin_of(gnutls_x509_crt_t certificate, poplin_pin *pin);

bool poplin_pin_equal(const poplin_pin *one, const poplin_pin *other);

#endif
