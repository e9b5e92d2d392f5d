/*
 * test_tls_info.c - what a connection tells of itself: version, cipher suite, group, ALPN, names, the peer's certificate, and what
 * was verified.
 */
#include "tls_ends.h"

#include <gnutls/crypto.h>
#include <stdio.h>

#include "wire/base64.h"

static poplin_tls_info info_of(const poplin_tls *tls) {
    poplin_tls_info info;
    assert_int_equal(poplin_tls_get_info(tls, &info), POPLIN_OK);
    return info;
}

/* holds: POP-TLS-2 B, POP-TLS-11 C, POP-TLS-12 B */
static void both_ends_tell_what_was_negotiated(void **state) {
    (void)state;
    poplin_tls *client, *server;
    new_pair(&client, &server);
    poplin_tls_info ours = info_of(client), theirs = info_of(server);
    assert_string_equal(ours.version, "TLS1.3");
    assert_string_equal(ours.cipher, "TLS_AES_128_GCM_SHA256");
    assert_string_equal(ours.alpn, "pop3");
    assert_string_equal(ours.server_name, "localhost");
    assert_false(ours.resumed);
    assert_true(strlen(ours.group) > 0);
    assert_string_equal(ours.group, theirs.group);
    assert_string_equal(theirs.version, ours.version);
    assert_string_equal(theirs.cipher, ours.cipher);
    assert_string_equal(theirs.alpn, "pop3");
    assert_string_equal(theirs.server_name, "localhost");
    assert_int_equal(ours.proof, POPLIN_TLS_PROOF_CA);
    assert_int_equal(theirs.proof, POPLIN_TLS_PROOF_NONE);
    assert_string_equal(theirs.certificate, "");
    assert_string_equal(theirs.pin, "");
    assert_int_equal(theirs.not_after, 0);
    poplin_tls_free(client);
    poplin_tls_free(server);
}

static void older_tls_is_told_by_its_names(void **state) {
    (void)state;
    raw_peer raw;
    poplin_tls *client = client_of(&raw, TLS12 ":-GROUP-ALL:+GROUP-X25519");
    poplin_tls_info info = info_of(client);
    assert_string_equal(info.version, "TLS1.2");
    assert_string_equal(info.cipher, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
    assert_string_equal(info.group, "X25519");
    assert_string_equal(info.alpn, "");
    poplin_tls_free(client);
    raw_close(&raw);
}

static gnutls_x509_crt_t parsed(const char *pem) {
    gnutls_x509_crt_t crt;
    gnutls_datum_t text = {(unsigned char *)(uintptr_t)pem, (unsigned)strlen(pem)};
    must(gnutls_x509_crt_init(&crt));
    must(gnutls_x509_crt_import(crt, &text, GNUTLS_X509_FMT_PEM));
    return crt;
}

/* The certificate is hashed as it stands in its PEM text; the key as GnuTLS's own id of it is made. */
static void the_certificate_and_its_key_are_told(void **state) {
    (void)state;
    raw_peer raw;
    poplin_tls *client = client_of(&raw, TLS13);
    poplin_tls_info info = info_of(client);
    gnutls_x509_crt_t crt = parsed(identity.cert_pem);
    gnutls_datum_t der;
    unsigned char hash[32];
    char text[65];
    must(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der));
    must(gnutls_hash_fast(GNUTLS_DIG_SHA256, der.data, der.size, hash));
    for (size_t i = 0; i < sizeof hash; i++)
        sprintf(text + 2 * i, "%02x", hash[i]);
    assert_string_equal(info.certificate, text);
    size_t size = sizeof hash;
    poplin_buffer pin = {0};
    must(gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, hash, &size));
    assert_int_equal(poplin_base64_encode((poplin_slice){(const char *)hash, sizeof hash}, &pin), POPLIN_OK);
    assert_int_equal(pin.size, strlen(info.pin));
    assert_memory_equal(poplin_buffer_slice(&pin).data, info.pin, pin.size);
    assert_int_equal(info.not_after, gnutls_x509_crt_get_expiration_time(crt));
    poplin_buffer_free(&pin);
    gnutls_free(der.data);
    gnutls_x509_crt_deinit(crt);
    poplin_tls_free(client);
    raw_close(&raw);
}

static void nothing_is_told_before_tls_stands(void **state) {
    (void)state;
    poplin_tls_info info;
    poplin_tls *client = new_client();
    assert_int_equal(poplin_tls_get_info(client, &info), POPLIN_ERR_STATE);
    poplin_tls_free(client);
}

static void an_address_is_sent_to_nobody(void **state) {
    (void)state;
    poplin_tls_credentials *credentials;
    poplin_tls_trust trust = {.verify = false};
    assert_int_equal(poplin_tls_client_credentials(&trust, &credentials, NULL), POPLIN_OK);
    static const char *const NAMES[] = {"127.0.0.1", "::1", NULL};
    for (size_t i = 0; i < COUNT_OF(NAMES); i++) {
        poplin_tls *client, *server = new_server();
        int server_status;
        assert_int_equal(poplin_tls_client_new(credentials, NAMES[i], &client), POPLIN_OK);
        assert_int_equal(shake(client, server, &server_status), POPLIN_OK);
        assert_string_equal(info_of(client).server_name, "");
        assert_string_equal(info_of(server).server_name, "");
        assert_int_equal(info_of(client).proof, POPLIN_TLS_PROOF_NONE);
        poplin_tls_free(client);
        poplin_tls_free(server);
    }
    poplin_tls_credentials_free(credentials);
}

static void the_words_for_proofs(void **state) {
    (void)state;
    assert_string_equal(poplin_tls_proof_word(POPLIN_TLS_PROOF_NONE), "");
    assert_string_equal(poplin_tls_proof_word(POPLIN_TLS_PROOF_CA_AND_PIN), "ca+pin");
    assert_string_equal(poplin_tls_proof_word(POPLIN_TLS_PROOF_KNOWN_KEY), "known-key");
    assert_null(poplin_tls_proof_word(POPLIN_TLS_PROOF_COUNT));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_tell_what_was_negotiated),   cmocka_unit_test(older_tls_is_told_by_its_names),
        cmocka_unit_test(the_certificate_and_its_key_are_told), cmocka_unit_test(nothing_is_told_before_tls_stands),
        cmocka_unit_test(an_address_is_sent_to_nobody),         cmocka_unit_test(the_words_for_proofs),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
