/*
 * testkit/secrets.h - strings that are never shown: found and masked in whatever was said, as they are and inside base64.
 */
#ifndef POPLIN_TESTKIT_SECRETS_H
#define POPLIN_TESTKIT_SECRETS_H

#include "wire/buffer.h"

typedef struct poplin_secret_form poplin_secret_form;

/* All zero: there is none. */
typedef struct poplin_secrets {
    poplin_secret_form *first[256]; /* the forms that begin with this octet, the longest first */
} poplin_secrets;

/* Copies a secret that is not empty. NOMEM. */
int poplin_secrets_add(poplin_secrets *secrets, poplin_slice secret);

/* Wipes and frees them all. */
void poplin_secrets_free(poplin_secrets *secrets);

/*
 * Whether one stands in the line. One of fewer than 4 octets does not count: it would stand in every other line by chance.
 */
bool poplin_secrets_turn_up(const poplin_secrets *secrets, poplin_slice line);

/*
 * Appends text, with **** for each secret. cut: text goes on where it came from, so that its last octets may be the beginning
 * of a secret. OK or NOMEM.
 */
int poplin_secrets_mask(const poplin_secrets *secrets, poplin_slice text, bool cut, poplin_buffer *masked);

#endif
