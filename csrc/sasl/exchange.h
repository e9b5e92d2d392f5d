/*
 * sasl/exchange.h - what the plainer mechanisms share: fields that are checked, taken apart and prepared, a client that
 * has one message to send, a server's exchange that keeps a name and a secret.
 */
#ifndef POPLIN_SASL_EXCHANGE_H
#define POPLIN_SASL_EXCHANGE_H

#include "sasl/family.h"

enum {
    /* The largest message, which fits the largest line that either side can be set to take: 65536 octets of base64
       (POP-AUTH-15). Nothing longer is measured, added up or copied (T-SASL-6). */
    POPLIN_MESSAGE_MAX = 49152,
    /* The longest name or password that a server takes: what RFC 4616 section 2 asks for. */
    POPLIN_FIELD_MAX = 255
};

/* ---- fields ---- */

/*
 * Whether a client can send this name or password: UTF-8 without NUL, at least one octet. STATE: it is {NULL, 0};
 * PROTOCOL: *reason says why.
 */
int poplin_check_field(poplin_slice field, const char **reason);

/* As poplin_check_field, for a mechanism that names one user: authorize must be that one, or none. */
int poplin_check_user(const poplin_sasl_client_config *config, const char **reason);

/* True for text with an octet of 0x00-0x1F or 0x7F. */
bool poplin_has_control(poplin_slice text);

/* Takes what stands before the next end from the front of *rest, and the end. False: there is none. */
bool poplin_take_field(poplin_slice *rest, char end, poplin_slice *field);

/*
 * Appends a name or password that came from a client, prepared: as a query (RFC 4616 section 2). PROTOCOL: it is empty,
 * longer than POPLIN_FIELD_MAX, or cannot be prepared; NOMEM.
 */
int poplin_prepare_field(poplin_slice field, poplin_buffer *prepared);

/* ---- a client with one message, for mechanisms in which the server says nothing ---- */

typedef struct poplin_exchange_client {
    poplin_sasl_client head;
    poplin_buffer message;
} poplin_exchange_client;

/* The message is the pieces, joined. PROTOCOL: they are too long together, *reason; NOMEM. */
int poplin_exchange_client_new(const poplin_slice *pieces, size_t count, poplin_sasl_client **client,
                               const char **reason);
int poplin_exchange_client_step(poplin_sasl_client *client, poplin_slice challenge, poplin_buffer *response,
                                const char **reason);
void poplin_exchange_client_free(poplin_sasl_client *client);

/* ---- a server that learns a name, and perhaps a secret ---- */

typedef struct poplin_exchange_server {
    poplin_sasl_server head;
    bool prompted;        /* in a server-first mechanism: the first challenge is out */
    poplin_buffer user;   /* prepared */
    poplin_buffer secret; /* password, token; wiped as soon as it is answered for */
} poplin_exchange_server;

int poplin_exchange_server_new(enum poplin_mechanism mechanism, const poplin_sasl_server_config *config,
                               poplin_sasl_server **server);
void poplin_exchange_server_free(poplin_sasl_server *server);

/* Wipes what an exchange keeps, which lies inside of something larger. */
void poplin_exchange_server_wipe(poplin_exchange_server *exchange);

/* The answer to a CHECK, which is the end: DONE or FAILED. */
int poplin_exchange_server_answer(poplin_sasl_server *server, enum poplin_sasl_answer answer, poplin_slice secret,
                                  const poplin_scram_keys *keys, poplin_sasl_turn *turn);

/* ---- turns ---- */

void poplin_sasl_challenge(poplin_sasl_turn *turn, poplin_slice message);

/* CHECK, SECRET, TOKEN or DONE, with what the exchange keeps for it. */
void poplin_sasl_ask(poplin_sasl_turn *turn, enum poplin_sasl_wish wish, const poplin_exchange_server *exchange);

/*
 * Makes FAILED of a message that broke the rules (PROTOCOL, malformed) or of a proof that was wrong (AUTH), which are
 * turns of an exchange and no errors: then returns OK. Any other status stays what it is.
 */
int poplin_sasl_settle(poplin_sasl_turn *turn, int status);

#endif
