/*
 * sasl/family.h - what a family of mechanisms gives to sasl.c: its two halves, and their state behind a common head.
 */
#ifndef POPLIN_SASL_FAMILY_H
#define POPLIN_SASL_FAMILY_H

#include "sasl/sasl.h"

/* The head of every exchange of the client's; a family's own struct begins with it. */
struct poplin_sasl_client {
    const struct poplin_sasl_family *family;
    enum poplin_mechanism mechanism;
    bool begun;    /* sasl.c's: a first step was made */
    bool complete; /* the family's: +OK may be believed */
};

struct poplin_sasl_server {
    const struct poplin_sasl_family *family;
    enum poplin_mechanism mechanism;
    bool begun;                 /* sasl.c's, as all of the head */
    enum poplin_sasl_wish wish; /* what was asked last: an answer must fit it */
};

/* What the owner of a server answers. */
enum poplin_sasl_answer {
    POPLIN_ANSWER_YES,
    POPLIN_ANSWER_NO,
    POPLIN_ANSWER_SECRET,
    POPLIN_ANSWER_KEYS,
    POPLIN_ANSWER_UNKNOWN
};

/*
 * sasl.c sees to who begins: it refuses a first challenge that is not empty for a client-first mechanism, and an initial
 * response for a server-first one, and asks for a first message that did not come with the command. It also wipes *turn
 * beforehand, and lets a family's server_answer see only what was asked for: YES and NO for CHECK and TOKEN, the others for SECRET.
 */
typedef struct poplin_sasl_family {
    /* As poplin_sasl_client_new: allocates the family's struct; sasl.c fills in the head. */
    int (*client_new)(enum poplin_mechanism mechanism, const poplin_sasl_client_config *config,
                      poplin_sasl_client **client, const char **reason);
    int (*client_step)(poplin_sasl_client *client, poplin_slice challenge, poplin_buffer *response,
                       const char **reason);
    poplin_slice (*client_answer)(const poplin_sasl_client *client); /* NULL: never any */
    void (*client_free)(poplin_sasl_client *client);
    int (*server_new)(enum poplin_mechanism mechanism, const poplin_sasl_server_config *config,
                      poplin_sasl_server **server);
    int (*server_step)(poplin_sasl_server *server, poplin_slice response, poplin_sasl_turn *turn);
    /* secret is the password's for SECRET; keys for KEYS. NULL: it asks for nothing. */
    int (*server_answer)(poplin_sasl_server *server, enum poplin_sasl_answer answer, poplin_slice secret,
                         const poplin_scram_keys *keys, poplin_sasl_turn *turn);
    void (*server_free)(poplin_sasl_server *server);
} poplin_sasl_family;

extern const poplin_sasl_family poplin_family_scram, poplin_family_oauth, poplin_family_plain, poplin_family_login,
    poplin_family_cram, poplin_family_external, poplin_family_anonymous;

#endif
