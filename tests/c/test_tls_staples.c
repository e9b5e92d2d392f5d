/*
 * test_tls_staples.c - what a server's CA says of its certificate by OCSP, stapled to it, by TLS 1.3 and by TLS 1.2: good, revoked,
 * out of date, about somebody else; and certificates that demand a staple.
 */
#include "tls_support.h"

#include "tls/staple.h"

static const poplin_slice NAME[] = {{"localhost", 9}};
static const poplin_staple_order GOOD = {.from_days = -1, .until_days = 1};

static certificate ca;
static poplin_tls_credentials *trusting;

static int set_up_ca(void **state) {
    (void)state;
    ca = certificate_new((certificate_order){.is_ca = true});
    poplin_slice text = certificate_pem(&ca);
    poplin_tls_trust trust = {.verify = true, .ca_pem = text, .no_resumption = true};
    assert_int_equal(poplin_tls_client_credentials(&trust, &trusting, NULL), POPLIN_OK);
    pem_free(text);
    return 0;
}

static int tear_down_ca(void **state) {
    (void)state;
    poplin_tls_credentials_free(trusting);
    certificate_free(&ca);
    return 0;
}

static certificate new_server(bool must_staple) {
    return certificate_new((certificate_order){.issuer = &ca, .dns = NAME, .dns_count = 1, .must_staple = must_staple});
}

static poplin_buffer staple(const certificate *issuer, const certificate *about, const poplin_staple_order *order) {
    const poplin_identity by = {issuer->crt, issuer->key}, of = {about->crt, about->key};
    poplin_buffer response = {0};
    assert_true(poplin_staple_write(&by, &of, order, &response));
    return response;
}

/* Meets a server of ours, or one that speaks TLS 1.2 only. response NULL: nothing is stapled. */
static poplin_error meet(const certificate *leaf, const poplin_buffer *response, bool older) {
    poplin_slice cert = certificate_pem(leaf), key = certificate_key_pem(leaf);
    poplin_tls_credentials *credentials;
    poplin_tls *client, *server = NULL;
    raw_peer raw;
    int code;
    assert_int_equal(poplin_tls_client_new(trusting, "localhost", &client), POPLIN_OK);
    assert_int_equal(poplin_tls_server_credentials_pem(cert, key, &credentials, NULL), POPLIN_OK);
    if (response != NULL)
        assert_int_equal(poplin_tls_server_credentials_staple(credentials, poplin_buffer_slice(response), NULL),
                         POPLIN_OK);
    if (older) {
        poplin_tls_throwaway pem = {.cert_pem = strndup(cert.data, cert.size), .key_pem = strndup(key.data, key.size)};
        raw_open(&raw, GNUTLS_SERVER, "NORMAL:-VERS-ALL:+VERS-TLS1.2", &pem);
        poplin_tls_throwaway_free(&pem);
        if (response != NULL) {
            poplin_slice octets = poplin_buffer_slice(response);
            gnutls_datum_t der = {(unsigned char *)(uintptr_t)octets.data, (unsigned)octets.size};
            gnutls_certificate_set_flags(raw.credentials, GNUTLS_CERTIFICATE_SKIP_OCSP_RESPONSE_CHECK);
            must(gnutls_certificate_set_ocsp_status_request_mem(raw.credentials, &der, 0, GNUTLS_X509_FMT_DER));
        }
        (void)shake_raw(client, &raw, &code);
        raw_close(&raw);
    } else {
        assert_int_equal(poplin_tls_server_new(credentials, &server), POPLIN_OK);
        (void)shake(client, server, &code);
    }
    poplin_error error = *poplin_tls_error(client);
    assert_int_equal(poplin_tls_handshake(client), error.status);
    poplin_tls_free(client);
    poplin_tls_free(server);
    poplin_tls_credentials_free(credentials);
    pem_free(cert);
    pem_free(key);
    return error;
}

/* By both versions. reason NULL: it must be accepted. */
static void check(const certificate *leaf, const poplin_buffer *response, const char *reason) {
    for (int older = 0; older < 2; older++) {
        poplin_error error = meet(leaf, response, older != 0);
        if (error.status != (reason == NULL ? POPLIN_OK : POPLIN_ERR_CERTIFICATE) ||
            (reason != NULL && strstr(error.reason, reason) == NULL))
            fail_msg("older %d: status %d, \"%s\"", older, error.status, error.reason);
    }
}

static void check_stapled(const certificate *leaf, const certificate *issuer, const certificate *about,
                          poplin_staple_order order, const char *reason) {
    poplin_buffer response = staple(issuer, about, &order);
    check(leaf, &response, reason);
    poplin_buffer_free(&response);
}

/* holds: T-TLS-5 C, POP-TLS-10 C */
static void a_certificate_that_demands_a_staple_needs_a_good_one(void **state) {
    (void)state;
    certificate leaf = new_server(true);
    check(&leaf, NULL, "demands a stapled OCSP answer");
    check_stapled(&leaf, &ca, &leaf, GOOD, NULL);
    check_stapled(&leaf, &ca, &leaf, (poplin_staple_order){.from_days = -9, .until_days = -2}, "");
    certificate_free(&leaf);
}

/* What was stapled at first is kept with the session. */
static void a_resumed_session_keeps_its_staple(void **state) {
    (void)state;
    certificate leaf = new_server(true);
    poplin_slice cert = certificate_pem(&leaf), key = certificate_key_pem(&leaf), text = certificate_pem(&ca);
    poplin_buffer response = staple(&ca, &leaf, &GOOD);
    poplin_tls_trust trust = {.verify = true, .ca_pem = text};
    poplin_tls_credentials *client, *server;
    poplin_tls_info info;
    assert_int_equal(poplin_tls_client_credentials(&trust, &client, NULL), POPLIN_OK);
    assert_int_equal(poplin_tls_server_credentials_pem(cert, key, &server, NULL), POPLIN_OK);
    assert_int_equal(poplin_tls_server_credentials_staple(server, poplin_buffer_slice(&response), NULL), POPLIN_OK);
    for (int i = 0; i < 3; i++) {
        poplin_tls *ours, *theirs;
        int status;
        assert_int_equal(poplin_tls_client_new(client, "localhost", &ours), POPLIN_OK);
        assert_int_equal(poplin_tls_server_new(server, &theirs), POPLIN_OK);
        if (shake(ours, theirs, &status) != POPLIN_OK)
            fail_msg("%d: \"%s\"", i, poplin_tls_error(ours)->reason);
        assert_int_equal(poplin_tls_get_info(ours, &info), POPLIN_OK);
        assert_int_equal(info.resumed, i > 0);
        poplin_tls_free(ours);
        poplin_tls_free(theirs);
    }
    poplin_tls_credentials_free(client);
    poplin_tls_credentials_free(server);
    poplin_buffer_free(&response);
    pem_free(cert);
    pem_free(key);
    pem_free(text);
    certificate_free(&leaf);
}

/* holds: T-TLS-5 C */
static void a_staple_is_not_needed_where_it_is_not_demanded(void **state) {
    (void)state;
    certificate leaf = new_server(false);
    check(&leaf, NULL, NULL);
    check_stapled(&leaf, &ca, &leaf, GOOD, NULL);
    certificate_free(&leaf);
}

/* holds: T-TLS-5 C */
static void bad_news_ends_it(void **state) {
    (void)state;
    certificate leaf = new_server(false);
    check_stapled(&leaf, &ca, &leaf, POPLIN_STAPLE_REVOKED, "was revoked by its CA");
    check_stapled(&leaf, &ca, &leaf, (poplin_staple_order){.from_days = -9, .until_days = -2}, "is out of date");
    certificate_free(&leaf);
}

/* holds: T-TLS-5 C */
static void news_of_somebody_else_or_by_somebody_else_ends_it(void **state) {
    (void)state;
    certificate leaf = new_server(false), other = new_server(false);
    certificate stranger = certificate_new((certificate_order){.is_ca = true});
    check_stapled(&leaf, &ca, &other, GOOD, "the stapled OCSP answer is not valid");
    check_stapled(&leaf, &stranger, &leaf, GOOD, "the stapled OCSP answer is not valid");
    poplin_buffer response = staple(&ca, &leaf, &GOOD);
    char *last = response.memory + response.start + response.size - 1;
    *last = (char)(*last ^ 1); /* of the signature */
    check(&leaf, &response, "the stapled OCSP answer is not valid");
    poplin_buffer_free(&response);
    certificate_free(&stranger);
    certificate_free(&other);
    certificate_free(&leaf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_that_demands_a_staple_needs_a_good_one),
        cmocka_unit_test(a_resumed_session_keeps_its_staple),
        cmocka_unit_test(a_staple_is_not_needed_where_it_is_not_demanded),
        cmocka_unit_test(bad_news_ends_it),
        cmocka_unit_test(news_of_somebody_else_or_by_somebody_else_ends_it),
    };
    return cmocka_run_group_tests(tests, set_up_ca, tear_down_ca);
}
