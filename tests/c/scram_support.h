/*
 * scram_support.h - what the tests of SCRAM share: the vectors, and both halves played one message at a time.
 */
#ifndef SCRAM_SUPPORT_H
#define SCRAM_SUPPORT_H

#include "support.h"

#include "sasl/sasl.h"
#include "wire/base64.h"
#include "wire/grammar.h"

#define NONCE_1 "fyko+d2lbbFgONRv9qkxdawL"
#define NONCE_2 "rOprNGfwEbeRWgbNEkqO"
#define NONCE_1_SERVER "3rfcNHYJY1ZVvWVs7j"
#define NONCE_2_SERVER "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define FIRST_2 "r=" NONCE_2 NONCE_2_SERVER ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define BOUND_TO \
    "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A\x0B\x0C\x0D\x0E\x0F\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1A\x1B" \
    "\x1C\x1D\x1E\x1F"

struct vector {
    enum poplin_mechanism mechanism;
    const char *binding; /* the type; NULL: the client can bind to nothing */
    const char *authorize, *user;
    const char *nonce, *server_nonce;
    const char *salt; /* base64 */
    const char *client_first, *server_first, *client_final, *server_final;
};

/* VEC-SCRAM-1 to -5; two more, where one acts as oneself, and where the binding is the server's certificate. */
static const struct vector vectors[] = {
    {POPLIN_MECHANISM_SCRAM_SHA_1, NULL, NULL, "user", NONCE_1, NONCE_1_SERVER, "QSXCR+Q6sek8bf92",
     "n,,n=user,r=" NONCE_1, "r=" NONCE_1 NONCE_1_SERVER ",s=QSXCR+Q6sek8bf92,i=4096",
     "c=biws,r=" NONCE_1 NONCE_1_SERVER ",p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="},
    {POPLIN_MECHANISM_SCRAM_SHA_256, NULL, NULL, "user", NONCE_2, NONCE_2_SERVER,
     "W22ZaJ0SNY7soEsUEjb6gQ==", "n,,n=user,r=" NONCE_2, FIRST_2,
     "c=biws,r=" NONCE_2 NONCE_2_SERVER ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
     "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
    {POPLIN_MECHANISM_SCRAM_SHA_256_PLUS, "tls-exporter", NULL, "user", NONCE_2, NONCE_2_SERVER,
     "W22ZaJ0SNY7soEsUEjb6gQ==", "p=tls-exporter,,n=user,r=" NONCE_2, FIRST_2,
     "c=cD10bHMtZXhwb3J0ZXIsLAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f,r=" NONCE_2 NONCE_2_SERVER
     ",p=QC6CS20quADQRb3mT99YUH+n3VJxUvzuK0K0E1Vrs2M=",
     "v=2GiAgapEppLVlUXbxUDksL3VgYHzuqiK5tR4mhJGgvs="},
    {POPLIN_MECHANISM_SCRAM_SHA_256, "tls-exporter", NULL, "user", NONCE_2, NONCE_2_SERVER,
     "W22ZaJ0SNY7soEsUEjb6gQ==", "y,,n=user,r=" NONCE_2, FIRST_2,
     "c=eSws,r=" NONCE_2 NONCE_2_SERVER ",p=FoqiHTtQEDE8lz1CdaEe3tK4mS+iMDTl77SPyDS53DY=",
     "v=dI4KpiQJwBr1+V+K6U1dA6l6I4I9DUNXWND4pcpRU3U="},
    {POPLIN_MECHANISM_SCRAM_SHA_256, NULL, "other,one", "a=b,c", NONCE_2, NONCE_2_SERVER,
     "W22ZaJ0SNY7soEsUEjb6gQ==", "n,a=other=2Cone,n=a=3Db=2Cc,r=" NONCE_2, FIRST_2,
     "c=bixhPW90aGVyPTJDb25lLA==,r=" NONCE_2 NONCE_2_SERVER ",p=e9XNKKUsn/4FRNDyMOT4o/br+wSKl+PDSlWuDEIDwCI=",
     "v=qtyg80WhoCX+vhKrEpJYVU2QcC6OL64oK36A/H++Pss="},
    {POPLIN_MECHANISM_SCRAM_SHA_256, NULL, "a=b,c", "a=b,c", NONCE_2, NONCE_2_SERVER,
     "W22ZaJ0SNY7soEsUEjb6gQ==", "n,a=a=3Db=2Cc,n=a=3Db=2Cc,r=" NONCE_2, FIRST_2,
     "c=bixhPWE9M0RiPTJDYyw=,r=" NONCE_2 NONCE_2_SERVER ",p=VPko8/2wCDR+J8hq+26xi7/J1HpuOdk3puxpSRr1iNo=",
     "v=t0F6Y20qXZu/m1EwBhgY9RFOZYXg+87Xd/hINBB32qk="},
    {POPLIN_MECHANISM_SCRAM_SHA_256_PLUS, "tls-server-end-point", NULL, "user", NONCE_2, NONCE_2_SERVER,
     "W22ZaJ0SNY7soEsUEjb6gQ==", "p=tls-server-end-point,,n=user,r=" NONCE_2, FIRST_2,
     "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,r=" NONCE_2 NONCE_2_SERVER
     ",p=nY1Wus9a+gM2DrbQ1msXFgyhW6KM5ktOxWiU+/P/EGY=",
     "v=RwppMGddhz/J0lFYaRReBjXcQeNUFP5Qc76Lo5Exrig="},
};

#define SHA_1 (&vectors[0])
#define SHA_256 (&vectors[1])
#define PLUS (&vectors[2])
#define UNSEEN (&vectors[3])
#define FOR_ANOTHER (&vectors[4])
#define AS_ONESELF (&vectors[5])
#define END_POINT (&vectors[6])

static inline poplin_slice maybe(const char *text) {
    return text != NULL ? poplin_slice_of(text) : (poplin_slice){NULL, 0};
}

/* ---- the client ---- */

static inline poplin_sasl_client_config client_config(const struct vector *vector) {
    return (poplin_sasl_client_config){
        .user = poplin_slice_of(vector->user),
        .authorize = maybe(vector->authorize),
        .password = SLICE("pencil"),
        .binding = {vector->binding, vector->binding != NULL ? SLICE(BOUND_TO) : (poplin_slice){NULL, 0}},
        .nonce = poplin_slice_of(vector->nonce),
    };
}

static inline poplin_sasl_client *new_client(const struct vector *vector) {
    const poplin_sasl_client_config config = client_config(vector);
    poplin_sasl_client *client;
    const char *reason;

    assert_int_equal(poplin_sasl_client_new(vector->mechanism, &config, &client, &reason), POPLIN_OK);
    return client;
}

/* The client hears this, in a block of its own, and says what is expected; NULL: it does not matter. */
static inline int client_hears(poplin_sasl_client *client, poplin_slice challenge, const char *expected) {
    poplin_buffer heard = {0}, response = {0};
    const char *reason = NULL;

    assert_int_equal(poplin_buffer_append(&heard, challenge.data, challenge.size), POPLIN_OK);
    int status = poplin_sasl_client_step(client, poplin_buffer_slice(&heard), &response, &reason);

    assert_non_null(reason);
    if (status != POPLIN_OK)
        assert_int_equal(response.size, 0);
    else if (expected != NULL)
        assert_true(poplin_slice_equal(poplin_buffer_slice(&response), poplin_slice_of(expected)));
    poplin_buffer_free(&heard);
    poplin_buffer_free(&response);
    return status;
}

/* ---- the server ---- */

static inline poplin_sasl_server_config server_config(const struct vector *vector) {
    bool end_point = vector->binding != NULL && strcmp(vector->binding, "tls-server-end-point") == 0;
    poplin_sasl_server_config config = {
        .pepper = SLICE("pepper"),
        .nonce = poplin_slice_of(vector->server_nonce),
        .exporter = {"tls-exporter", SLICE(BOUND_TO)},
    };

    if (end_point)
        config.end_point = (poplin_sasl_binding){vector->binding, SLICE(BOUND_TO)};
    return config;
}

static inline poplin_sasl_server *new_server(const struct vector *vector, const poplin_sasl_server_config *config) {
    poplin_sasl_server_config with_salt = *config;
    poplin_buffer salt = {0};
    poplin_sasl_server *server;

    assert_int_equal(poplin_base64_decode(poplin_slice_of(vector->salt), &salt), POPLIN_OK);
    with_salt.salt = poplin_buffer_slice(&salt);
    assert_int_equal(poplin_sasl_server_new(vector->mechanism, &with_salt, &server), POPLIN_OK);
    poplin_buffer_free(&salt);
    return server;
}

static inline poplin_sasl_server *new_default_server(const struct vector *vector) {
    const poplin_sasl_server_config config = server_config(vector);

    return new_server(vector, &config);
}

/* The server hears this, and wants that. */
static inline void server_hears(poplin_sasl_server *server, poplin_slice response, enum poplin_sasl_wish wish,
                                poplin_sasl_turn *turn) {
    poplin_buffer heard = {0};

    assert_int_equal(poplin_buffer_append(&heard, response.data, response.size), POPLIN_OK);
    poplin_slice lent = response.size > 0 ? poplin_buffer_slice(&heard) : response;

    assert_int_equal(poplin_sasl_server_step(server, lent, turn), POPLIN_OK);
    assert_int_equal(turn->wish, wish);
    poplin_buffer_free(&heard);
}

/* Goes as far as the server's first message. */
static inline poplin_sasl_server *server_at_final(const struct vector *vector) {
    poplin_sasl_server *server = new_default_server(vector);
    poplin_sasl_turn turn;

    server_hears(server, poplin_slice_of(vector->client_first), POPLIN_SASL_SECRET, &turn);
    assert_true(poplin_slice_equal(turn.user, poplin_slice_of(vector->user)));
    assert_int_equal(poplin_sasl_server_secret(server, SLICE("pencil"), &turn), POPLIN_OK);
    assert_int_equal(turn.wish, POPLIN_SASL_CHALLENGE);
    assert_true(poplin_slice_equal(turn.message, poplin_slice_of(vector->server_first)));
    return server;
}

#endif
