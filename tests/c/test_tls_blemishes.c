/*
 * test_tls_blemishes.c - the certificates that a throw-away CA issues: the good one is accepted, and each blemish is
 * refused for the reason that it is named after, by TLS 1.3 and by TLS 1.2.
 */
#include "tls_support.h"

#include <gnutls/ocsp.h>

static const char *const NAMES[] = {"localhost", "mail.example.org", "127.0.0.1", "::1"};

static poplin_tls_authority *authority;

static int set_up(void **state) {
    (void)state;
    assert_int_equal(poplin_tls_authority_new(&authority), POPLIN_OK);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    poplin_tls_authority_free(authority);
    return 0;
}

/* A server's credentials with a certificate of this kind; *throwaway is the caller's to free. */
static poplin_tls_credentials *serving(enum poplin_blemish blemish, poplin_tls_throwaway *throwaway) {
    poplin_tls_credentials *credentials;
    assert_int_equal(poplin_tls_authority_issue(authority, blemish, NAMES, COUNT_OF(NAMES), throwaway), POPLIN_OK);
    poplin_slice cert = poplin_slice_of(throwaway->cert_pem), key = poplin_slice_of(throwaway->key_pem);
    assert_int_equal(poplin_tls_server_credentials_pem(cert, key, &credentials, NULL), POPLIN_OK);
    if (throwaway->staple != NULL)
        assert_int_equal(poplin_tls_server_credentials_staple(
                             credentials, (poplin_slice){throwaway->staple, throwaway->staple_size}, NULL),
                         POPLIN_OK);
    return credentials;
}

static poplin_tls_credentials *trusting(const char *ca_pem) {
    poplin_tls_credentials *credentials;
    poplin_tls_trust trust = {.verify = true, .ca_pem = poplin_slice_of(ca_pem)};
    assert_int_equal(poplin_tls_client_credentials(&trust, &credentials, NULL), POPLIN_OK);
    return credentials;
}

/* What became of a handshake as host with this server: *error, status OK included. */
static void meet(poplin_tls_credentials *server, const char *ca_pem, const char *host, poplin_error *error) {
    poplin_tls_credentials *client = trusting(ca_pem);
    poplin_tls *ours, *theirs;
    int server_status;
    assert_int_equal(poplin_tls_client_new(client, host, &ours), POPLIN_OK);
    assert_int_equal(poplin_tls_server_new(server, &theirs), POPLIN_OK);
    int status = shake(ours, theirs, &server_status);
    *error = *poplin_tls_error(ours);
    assert_int_equal(error->status, status);
    poplin_tls_free(ours);
    poplin_tls_free(theirs);
    poplin_tls_credentials_free(client);
}

/* The same with a server that knows TLS 1.2 only. */
static void meet_older(const poplin_tls_throwaway *throwaway, const char *host, poplin_error *error) {
    poplin_tls_credentials *client = trusting(throwaway->ca_pem);
    poplin_tls *ours;
    raw_peer theirs;
    int code;
    assert_int_equal(poplin_tls_client_new(client, host, &ours), POPLIN_OK);
    raw_open(&theirs, GNUTLS_SERVER, "NORMAL:-VERS-ALL:+VERS-TLS1.2", throwaway);
    if (throwaway->staple != NULL) {
        gnutls_datum_t staple = {(unsigned char *)throwaway->staple, (unsigned)throwaway->staple_size};
        gnutls_certificate_set_flags(theirs.credentials, GNUTLS_CERTIFICATE_SKIP_OCSP_RESPONSE_CHECK);
        must(gnutls_certificate_set_ocsp_status_request_mem(theirs.credentials, &staple, 0, GNUTLS_X509_FMT_DER));
    }
    int status = shake_raw(ours, &theirs, &code);
    *error = *poplin_tls_error(ours);
    assert_int_equal(error->status, status);
    raw_close(&theirs);
    poplin_tls_free(ours);
    poplin_tls_credentials_free(client);
}

static void expect_refusal(const poplin_error *error, const char *reason) {
    if (error->status != POPLIN_ERR_CERTIFICATE || strstr(error->reason, reason) == NULL)
        fail_msg("status %d, \"%s\" does not say \"%s\"", error->status, error->reason, reason);
}

static void check_refused(enum poplin_blemish blemish, const char *reason) {
    poplin_tls_throwaway throwaway;
    poplin_tls_credentials *server = serving(blemish, &throwaway);
    poplin_error error;
    for (size_t i = 0; i < COUNT_OF(NAMES); i++) {
        meet(server, throwaway.ca_pem, NAMES[i], &error);
        expect_refusal(&error, reason);
    }
    meet_older(&throwaway, NAMES[0], &error);
    expect_refusal(&error, reason);
    poplin_tls_credentials_free(server);
    poplin_tls_throwaway_free(&throwaway);
}

/* A day as a message tells it, counted from today. */
static const char *day(const char *format, int days) {
    static char text[80];
    time_t when = time(NULL) + days * DAY;
    struct tm parts;
    strftime(text, sizeof text, format, gmtime_r(&when, &parts));
    return text;
}

/* ---- what is good ---- */

static void a_good_certificate_is_accepted_under_all_its_names(void **state) {
    (void)state;
    poplin_tls_throwaway throwaway;
    poplin_tls_credentials *server = serving(POPLIN_BLEMISH_NONE, &throwaway);
    poplin_error error;
    assert_null(throwaway.staple);
    for (size_t i = 0; i < COUNT_OF(NAMES); i++) {
        meet(server, throwaway.ca_pem, NAMES[i], &error);
        assert_int_equal(error.status, POPLIN_OK);
    }
    meet_older(&throwaway, NAMES[0], &error);
    assert_int_equal(error.status, POPLIN_OK);
    poplin_tls_credentials_free(server);
    poplin_tls_throwaway_free(&throwaway);
}

static void one_authority_vouches_for_several_servers(void **state) {
    (void)state;
    poplin_tls_throwaway one, two;
    poplin_tls_credentials *first = serving(POPLIN_BLEMISH_NONE, &one);
    poplin_tls_credentials *second = serving(POPLIN_BLEMISH_NONE, &two);
    poplin_error error;
    assert_string_equal(one.ca_pem, two.ca_pem);
    assert_string_not_equal(one.key_pem, two.key_pem);
    meet(first, two.ca_pem, "localhost", &error);
    assert_int_equal(error.status, POPLIN_OK);
    meet(second, one.ca_pem, "localhost", &error);
    assert_int_equal(error.status, POPLIN_OK);
    poplin_tls_credentials_free(first);
    poplin_tls_credentials_free(second);
    poplin_tls_throwaway_free(&one);
    poplin_tls_throwaway_free(&two);
}

/* ---- blemishes ---- */

/* holds: T-TLS-3 C */
static void a_certificate_out_of_its_time_is_refused(void **state) {
    (void)state;
    check_refused(POPLIN_BLEMISH_EXPIRED, day("the certificate expired on %Y-%m-%d", -1));
    check_refused(POPLIN_BLEMISH_NOT_YET_VALID, day("the certificate is not valid before %Y-%m-%d", 1));
}

/* holds: T-TLS-2 C */
static void one_for_another_host_is_refused(void **state) {
    (void)state;
    check_refused(POPLIN_BLEMISH_WRONG_HOST, "the certificate is for wrong.invalid, not ");
}

/* holds: T-TLS-1 C */
static void one_that_nobody_vouches_for_is_refused(void **state) {
    (void)state;
    check_refused(POPLIN_BLEMISH_UNKNOWN_ROOT, "signed by an unknown CA; pass ca_file=");
    check_refused(POPLIN_BLEMISH_SELF_SIGNED, "self-signed; pass ca_file=");
}

static void a_weak_key_is_refused(void **state) {
    (void)state;
    check_refused(POPLIN_BLEMISH_WEAK_KEY, "a key or signature in the certificate chain is too weak");
}

/* holds: T-TLS-4 C */
static void one_for_clients_is_refused(void **state) {
    (void)state;
    check_refused(POPLIN_BLEMISH_WRONG_PURPOSE, "not meant for servers");
}

/* holds: T-TLS-5 C */
static void a_revoked_one_is_refused(void **state) {
    (void)state;
    check_refused(POPLIN_BLEMISH_REVOKED, "the certificate was revoked by its CA");
}

/* holds: T-TLS-7 C */
static void a_name_in_the_common_name_only_is_refused(void **state) {
    (void)state;
    check_refused(POPLIN_BLEMISH_NAME_ONLY_IN_CN, "names no host (no subjectAltName)");
}

/* What is wrong is what is named, and nothing else: without it the certificate is good. */
static void only_the_blemish_is_wrong(void **state) {
    (void)state;
    poplin_tls_throwaway throwaway;
    poplin_error error;
    poplin_tls_credentials *server = serving(POPLIN_BLEMISH_WRONG_HOST, &throwaway);
    meet(server, throwaway.ca_pem, "wrong.invalid", &error);
    assert_int_equal(error.status, POPLIN_OK);
    poplin_tls_credentials_free(server);
    poplin_tls_throwaway_free(&throwaway);

    server = serving(POPLIN_BLEMISH_SELF_SIGNED, &throwaway); /* trusted by itself */
    meet(server, throwaway.cert_pem, "localhost", &error);
    assert_int_equal(error.status, POPLIN_OK);
    poplin_tls_credentials_free(server);
    poplin_tls_throwaway_free(&throwaway);

    assert_int_equal(poplin_tls_authority_issue(authority, POPLIN_BLEMISH_REVOKED, NAMES, COUNT_OF(NAMES), &throwaway),
                     POPLIN_OK);
    assert_int_equal(poplin_tls_server_credentials_pem(poplin_slice_of(throwaway.cert_pem),
                                                       poplin_slice_of(throwaway.key_pem), &server, NULL),
                     POPLIN_OK); /* and not stapled: nobody is told */
    meet(server, throwaway.ca_pem, "localhost", &error);
    assert_int_equal(error.status, POPLIN_OK);
    poplin_tls_credentials_free(server);
    poplin_tls_throwaway_free(&throwaway);
}

/* ---- stapling ---- */

static gnutls_x509_crt_t parsed(const char *pem) {
    gnutls_x509_crt_t crt;
    gnutls_datum_t text = {(unsigned char *)(uintptr_t)pem, (unsigned)strlen(pem)};
    must(gnutls_x509_crt_init(&crt));
    must(gnutls_x509_crt_import(crt, &text, GNUTLS_X509_FMT_PEM));
    return crt;
}

/* The response as GnuTLS reads it: signed by the CA, about this certificate, revoked yesterday, news for long enough. */
static void a_revocation_is_well_formed(void **state) {
    (void)state;
    poplin_tls_throwaway throwaway;
    assert_int_equal(poplin_tls_authority_issue(authority, POPLIN_BLEMISH_REVOKED, NAMES, 1, &throwaway), POPLIN_OK);
    gnutls_datum_t der = {(unsigned char *)throwaway.staple, (unsigned)throwaway.staple_size};
    gnutls_x509_crt_t ca = parsed(throwaway.ca_pem), server = parsed(throwaway.cert_pem);
    gnutls_ocsp_resp_t response;
    unsigned status, verification;
    time_t revoked, from, until, now = time(NULL);
    must(gnutls_ocsp_resp_init(&response));
    must(gnutls_ocsp_resp_import(response, &der));
    assert_int_equal(gnutls_ocsp_resp_get_status(response), GNUTLS_OCSP_RESP_SUCCESSFUL);
    must(gnutls_ocsp_resp_check_crt(response, 0, server));
    must(gnutls_ocsp_resp_verify_direct(response, ca, &verification, 0));
    assert_int_equal(verification, 0);
    must(gnutls_ocsp_resp_get_single(response, 0, NULL, NULL, NULL, NULL, &status, &from, &until, &revoked, NULL));
    assert_int_equal(status, GNUTLS_OCSP_CERT_REVOKED);
    assert_in_range(now - revoked, DAY, DAY + 60);
    assert_in_range(now - from, DAY, DAY + 60);
    assert_true(until > now + DAY);
    gnutls_ocsp_resp_deinit(response);
    gnutls_x509_crt_deinit(ca);
    gnutls_x509_crt_deinit(server);
    poplin_tls_throwaway_free(&throwaway);
}

static void what_is_no_ocsp_response_is_not_stapled(void **state) {
    (void)state;
    poplin_tls_throwaway throwaway;
    poplin_error error;
    poplin_tls_credentials *server = serving(POPLIN_BLEMISH_NONE, &throwaway);
    assert_int_equal(poplin_tls_server_credentials_staple(server, SLICE("hello"), &error), POPLIN_ERR_CERTIFICATE);
    assert_non_null(strstr(error.reason, "the OCSP response cannot be used; it must be DER"));
    assert_int_equal(poplin_tls_server_credentials_staple(server, SLICE(""), NULL), POPLIN_ERR_CERTIFICATE);
    poplin_tls_credentials *client = trusting(throwaway.ca_pem);
    assert_int_equal(poplin_tls_server_credentials_staple(client, SLICE("hello"), &error), POPLIN_ERR_STATE);
    assert_non_null(strstr(error.reason, "only servers"));
    poplin_tls_credentials_free(client);
    poplin_tls_credentials_free(server);
    poplin_tls_throwaway_free(&throwaway);
}

/* A response about another certificate is taken, since tests want it, and clients refuse it. */
static void a_response_for_another_certificate_is_refused_by_clients(void **state) {
    (void)state;
    poplin_tls_throwaway throwaway, other;
    poplin_error error;
    poplin_tls_credentials *server = serving(POPLIN_BLEMISH_NONE, &throwaway);
    assert_int_equal(poplin_tls_authority_issue(authority, POPLIN_BLEMISH_REVOKED, NAMES, 1, &other), POPLIN_OK);
    assert_int_equal(
        poplin_tls_server_credentials_staple(server, (poplin_slice){other.staple, other.staple_size}, NULL), POPLIN_OK);
    poplin_tls_throwaway_free(&other); /* it was copied */
    meet(server, throwaway.ca_pem, "localhost", &error);
    expect_refusal(&error, "the stapled OCSP answer is not valid");
    poplin_tls_credentials_free(server);
    poplin_tls_throwaway_free(&throwaway);
}

/* ---- words ---- */

static void every_blemish_has_a_word_and_a_meaning(void **state) {
    (void)state;
    poplin_tls_throwaway throwaway;
    for (int i = 0; i < POPLIN_BLEMISH_COUNT; i++) {
        assert_non_null(poplin_blemish_word((enum poplin_blemish)i));
        assert_non_null(poplin_blemish_meaning((enum poplin_blemish)i));
    }
    assert_string_equal(poplin_blemish_word(POPLIN_BLEMISH_NOT_YET_VALID), "not-yet-valid");
    assert_null(poplin_blemish_word(POPLIN_BLEMISH_COUNT));
    assert_null(poplin_blemish_meaning((enum poplin_blemish) - 1));
    assert_int_equal(poplin_tls_authority_issue(authority, POPLIN_BLEMISH_COUNT, NAMES, 1, &throwaway),
                     POPLIN_ERR_STATE);
    static const char *const BAD[] = {"localhost", "no host"};
    for (int i = 0; i < POPLIN_BLEMISH_COUNT; i++) {
        assert_int_equal(poplin_tls_authority_issue(authority, (enum poplin_blemish)i, BAD, 2, &throwaway),
                         POPLIN_ERR_CERTIFICATE);
        assert_null(throwaway.key_pem);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_certificate_is_accepted_under_all_its_names),
        cmocka_unit_test(one_authority_vouches_for_several_servers),
        cmocka_unit_test(a_certificate_out_of_its_time_is_refused),
        cmocka_unit_test(one_for_another_host_is_refused),
        cmocka_unit_test(one_that_nobody_vouches_for_is_refused),
        cmocka_unit_test(a_weak_key_is_refused),
        cmocka_unit_test(one_for_clients_is_refused),
        cmocka_unit_test(a_revoked_one_is_refused),
        cmocka_unit_test(a_name_in_the_common_name_only_is_refused),
        cmocka_unit_test(only_the_blemish_is_wrong),
        cmocka_unit_test(a_revocation_is_well_formed),
        cmocka_unit_test(what_is_no_ocsp_response_is_not_stapled),
        cmocka_unit_test(a_response_for_another_certificate_is_refused_by_clients),
        cmocka_unit_test(every_blemish_has_a_word_and_a_meaning),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
