/*
 * test_tls_binding.c - the channel bindings that a connection gives to SCRAM-...-PLUS: what they are made of, when there are none,
 * and that they differ where somebody is in between.
 */
#include "tls_ends.h"

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>

#include "sasl/sasl.h"

static poplin_tls_facts facts_of(const poplin_tls *tls) {
    poplin_tls_facts facts;
    assert_int_equal(poplin_tls_get_facts(tls, &facts), POPLIN_OK);
    return facts;
}

/* The exporter of RFC 9266 section 2, as the raw peer computes it. */
static void check_exporter(raw_peer *raw, const poplin_tls_facts *facts) {
    static const char LABEL[] = "EXPORTER-Channel-Binding";
    char expected[32];
    must(gnutls_prf_rfc5705(raw->session, sizeof LABEL - 1, LABEL, 0, "", sizeof expected, expected));
    assert_int_equal(facts->exporter_size, sizeof expected);
    assert_memory_equal(facts->exporter, expected, sizeof expected);
}

/* holds: SASL-CB-4 B */
static void the_exporter_is_that_of_rfc_9266(void **state) {
    (void)state;
    static const char *const VERSIONS[] = {TLS13, TLS12};
    for (size_t i = 0; i < COUNT_OF(VERSIONS); i++) {
        raw_peer raw;
        poplin_tls *client = client_of(&raw, VERSIONS[i]);
        poplin_tls_facts facts = facts_of(client);
        check_exporter(&raw, &facts);
        poplin_tls_free(client);
        raw_close(&raw);
        poplin_tls *server = server_of(&raw, VERSIONS[i]);
        facts = facts_of(server);
        check_exporter(&raw, &facts);
        poplin_tls_free(server);
        raw_close(&raw);
    }
}

/* holds: SASL-CB-5 B, SASL-CB-6 B, T-TLS-13 B */
static void without_extended_master_secret_there_is_no_binding(void **state) {
    (void)state;
    raw_peer raw;
    poplin_tls *client = client_of(&raw, TLS12 ":%NO_SESSION_HASH");
    poplin_tls_facts facts = facts_of(client);
    assert_int_equal(facts.exporter_size + facts.end_point_size, 0);
    poplin_tls_free(client);
    raw_close(&raw);
    poplin_tls *server = server_of(&raw, TLS12 ":%NO_SESSION_HASH");
    facts = facts_of(server);
    assert_int_equal(facts.exporter_size + facts.end_point_size, 0);
    poplin_tls_free(server);
    raw_close(&raw);
}

/* ---- tls-server-end-point ---- */

static certificate keyed(gnutls_pk_algorithm_t algorithm, unsigned bits, gnutls_digest_algorithm_t hash) {
    const poplin_slice name = SLICE("localhost");
    certificate made = certificate_new((certificate_order){.dns = &name, .dns_count = 1});
    gnutls_x509_privkey_deinit(made.key);
    must(gnutls_x509_privkey_init(&made.key));
    must(gnutls_x509_privkey_generate(made.key, algorithm, bits, 0));
    must(gnutls_x509_crt_set_key(made.crt, made.key));
    must(gnutls_x509_crt_sign2(made.crt, made.crt, made.key, hash, 0));
    return made;
}

/* Both ends of a connection whose server has this certificate. */
static void bind_by(const certificate *leaf, poplin_tls_facts *ours, poplin_tls_facts *theirs) {
    poplin_slice cert = certificate_pem(leaf), key = certificate_key_pem(leaf);
    poplin_tls_trust trust = {.verify = false};
    poplin_tls_credentials *client, *server;
    poplin_tls *near, *far;
    int status;
    assert_int_equal(poplin_tls_client_credentials(&trust, &client, NULL), POPLIN_OK);
    assert_int_equal(poplin_tls_server_credentials_pem(cert, key, &server, NULL), POPLIN_OK);
    assert_int_equal(poplin_tls_client_new(client, "localhost", &near), POPLIN_OK);
    assert_int_equal(poplin_tls_server_new(server, &far), POPLIN_OK);
    assert_int_equal(shake(near, far, &status), POPLIN_OK);
    *ours = facts_of(near);
    *theirs = facts_of(far);
    poplin_tls_free(near);
    poplin_tls_free(far);
    poplin_tls_credentials_free(client);
    poplin_tls_credentials_free(server);
    pem_free(cert);
    pem_free(key);
}

/* hash GNUTLS_DIG_UNKNOWN: there is to be no binding. */
static void check_end_point(const certificate *leaf, gnutls_digest_algorithm_t hash) {
    poplin_tls_facts ours, theirs;
    bind_by(leaf, &ours, &theirs);
    size_t size = hash == GNUTLS_DIG_UNKNOWN ? 0 : gnutls_hash_get_len(hash);
    assert_int_equal(ours.end_point_size, size);
    assert_int_equal(theirs.end_point_size, size);
    if (size > 0) {
        unsigned char expected[64];
        gnutls_datum_t der;
        must(gnutls_x509_crt_export2(leaf->crt, GNUTLS_X509_FMT_DER, &der));
        must(gnutls_hash_fast(hash, der.data, der.size, expected));
        assert_memory_equal(ours.end_point, expected, size);
        assert_memory_equal(theirs.end_point, expected, size);
        gnutls_free(der.data);
    }
}

/* holds: SASL-CB-8 B */
static void the_end_point_is_hashed_as_its_certificate_is_signed(void **state) {
    (void)state;
    static const struct {
        gnutls_pk_algorithm_t algorithm;
        unsigned bits;
        gnutls_digest_algorithm_t signing, binding;
    } CASES[] = {
        {GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), GNUTLS_DIG_SHA256, GNUTLS_DIG_SHA256},
        {GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP384R1), GNUTLS_DIG_SHA384, GNUTLS_DIG_SHA384},
        {GNUTLS_PK_RSA, 2048, GNUTLS_DIG_SHA512, GNUTLS_DIG_SHA512},
        {GNUTLS_PK_RSA, 2048, GNUTLS_DIG_SHA1, GNUTLS_DIG_SHA256},
        {GNUTLS_PK_EDDSA_ED25519, 0, GNUTLS_DIG_SHA512, GNUTLS_DIG_UNKNOWN},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        certificate leaf = keyed(CASES[i].algorithm, CASES[i].bits, CASES[i].signing);
        check_end_point(&leaf, CASES[i].binding);
        certificate_free(&leaf);
    }
}

/* ---- somebody in between ---- */

/* A login by SCRAM-SHA-256-PLUS between a client on one connection and a server on another. */
static void log_in_by(const poplin_sasl_binding *near, const poplin_sasl_server_config *far, bool *let_in,
                      bool *complete) {
    const poplin_sasl_client_config own = {
        .user = SLICE("alice"), .password = SLICE("secret"), .binding = *near, .plus_offered = true};
    poplin_sasl_client *client;
    poplin_sasl_server *server;
    poplin_sasl_turn turn = {.wish = POPLIN_SASL_CHALLENGE};
    const char *reason;
    assert_int_equal(poplin_sasl_client_new(POPLIN_MECHANISM_SCRAM_SHA_256_PLUS, &own, &client, &reason), POPLIN_OK);
    assert_int_equal(poplin_sasl_server_new(POPLIN_MECHANISM_SCRAM_SHA_256_PLUS, far, &server), POPLIN_OK);
    while (turn.wish == POPLIN_SASL_CHALLENGE) {
        poplin_buffer response = {0};
        assert_int_equal(poplin_sasl_client_step(client, turn.message, &response, &reason), POPLIN_OK);
        poplin_slice heard = response.size > 0 ? poplin_buffer_slice(&response) : SLICE("");
        assert_int_equal(poplin_sasl_server_step(server, heard, &turn), POPLIN_OK);
        poplin_buffer_free(&response);
        if (turn.wish == POPLIN_SASL_SECRET)
            assert_int_equal(poplin_sasl_server_secret(server, SLICE("secret"), &turn), POPLIN_OK);
    }
    *let_in = turn.wish == POPLIN_SASL_DONE;
    *complete = poplin_sasl_client_is_complete(client);
    poplin_sasl_client_free(client);
    poplin_sasl_server_free(server);
}

/* As the machines bind: a client to the one, a server to either. */
static void check_login(const poplin_tls_facts *client, const poplin_tls_facts *server, bool by_exporter, bool good) {
    const poplin_slice ours = {(const char *)client->exporter, client->exporter_size};
    const poplin_slice our_end = {(const char *)client->end_point, client->end_point_size};
    const poplin_slice theirs = {(const char *)server->exporter, server->exporter_size};
    const poplin_slice their_end = {(const char *)server->end_point, server->end_point_size};
    const poplin_sasl_binding near = by_exporter ? (poplin_sasl_binding){"tls-exporter", ours}
                                                 : (poplin_sasl_binding){"tls-server-end-point", our_end};
    const poplin_sasl_server_config far = {
        .exporter = {"tls-exporter", theirs}, .end_point = {"tls-server-end-point", their_end}, .plus_offered = true};
    bool let_in, complete;
    log_in_by(&near, &far, &let_in, &complete);
    assert_int_equal(let_in, good);
    assert_int_equal(complete, good);
}

/*
 * The relay has a certificate of its own that its client believes: it is the server of one connection and the client of the
 * other, and hands on what is said.
 *
 * holds: T-SCR-8 B
 */
static void a_relay_lets_no_bound_login_through(void **state) {
    (void)state;
    static const char *const NAMES[] = {"localhost"};
    poplin_tls_throwaway relay;
    assert_int_equal(poplin_tls_throwaway_new(NAMES, 1, &relay), POPLIN_OK);
    poplin_tls_trust trust = {.verify = true, .ca_pem = poplin_slice_of(relay.ca_pem)};
    poplin_tls_credentials *fooled, *relaying;
    poplin_tls *client, *relay_server, *relay_client, *server;
    int status;
    assert_int_equal(poplin_tls_client_credentials(&trust, &fooled, NULL), POPLIN_OK);
    assert_int_equal(poplin_tls_server_credentials_pem(poplin_slice_of(relay.cert_pem), poplin_slice_of(relay.key_pem),
                                                       &relaying, NULL),
                     POPLIN_OK);
    assert_int_equal(poplin_tls_client_new(fooled, "localhost", &client), POPLIN_OK);
    assert_int_equal(poplin_tls_server_new(relaying, &relay_server), POPLIN_OK);
    assert_int_equal(shake(client, relay_server, &status), POPLIN_OK);
    new_pair(&relay_client, &server);
    const poplin_tls_facts near = facts_of(client), middle = facts_of(relay_server), far = facts_of(server);
    for (int by_exporter = 0; by_exporter < 2; by_exporter++) {
        check_login(&near, &far, by_exporter != 0, false);
        check_login(&near, &middle, by_exporter != 0, true); /* what would be, if the relay knew the password itself */
    }
    poplin_tls_free(client);
    poplin_tls_free(relay_server);
    poplin_tls_free(relay_client);
    poplin_tls_free(server);
    poplin_tls_credentials_free(fooled);
    poplin_tls_credentials_free(relaying);
    poplin_tls_throwaway_free(&relay);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_exporter_is_that_of_rfc_9266),
        cmocka_unit_test(without_extended_master_secret_there_is_no_binding),
        cmocka_unit_test(the_end_point_is_hashed_as_its_certificate_is_signed),
        cmocka_unit_test(a_relay_lets_no_bound_login_through),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
