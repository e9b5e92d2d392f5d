/*
 * test_tls_clients.c - certificates of clients: when a server asks for one, when a client gives it, and which are refused. By
 * TLS 1.3 and by TLS 1.2.
 */
#include "tls_clients.h"

/* ---- what is asked for ---- */

static int requests;
static gnutls_datum_t requested_name;

static int note_request(gnutls_session_t session, const gnutls_datum_t *names, int count,
                        const gnutls_pk_algorithm_t *algorithms, int algorithms_count, gnutls_retr2_st *answer) {
    (void)session, (void)algorithms, (void)algorithms_count;
    requests++;
    assert_int_equal(count, 1);
    requested_name = (gnutls_datum_t){malloc(names[0].size), names[0].size};
    memcpy(requested_name.data, names[0].data, names[0].size);
    *answer = (gnutls_retr2_st){.cert_type = GNUTLS_CRT_X509};
    return 0;
}

/* How often a server of these credentials asks; the one CA that it names is in requested_name, to be freed. */
static int count_requests(poplin_tls_credentials *credentials, const char *version) {
    raw_peer raw;
    requests = 0;
    requested_name = (gnutls_datum_t){0};
    raw_open(&raw, GNUTLS_CLIENT, version, NULL);
    gnutls_certificate_set_retrieve_function(raw.credentials, note_request);
    assert_int_equal(shake_hands(credentials, &raw).status, POPLIN_OK);
    raw_close(&raw);
    return requests;
}

/* holds: SASL-EXT-2 S */
static void a_server_asks_only_where_it_was_told_to_and_names_the_ca(void **state) {
    (void)state;
    gnutls_datum_t name;
    must(gnutls_x509_crt_get_raw_dn(ca.crt, &name));
    for (size_t i = 0; i < COUNT_OF(VERSIONS); i++) {
        assert_int_equal(count_requests(server_credentials, VERSIONS[i]), 0);
        assert_int_equal(count_requests(asking, VERSIONS[i]), 1);
        assert_int_equal(requested_name.size, name.size);
        assert_memory_equal(requested_name.data, name.data, name.size);
        free(requested_name.data);
    }
    gnutls_free(name.data);
}

/* Nothing that a client gives unasked is looked at. */
static void a_certificate_that_was_not_asked_for_counts_for_nothing(void **state) {
    (void)state;
    certificate fred = new_fred();
    for (size_t i = 0; i < COUNT_OF(VERSIONS); i++) {
        outcome seen = visit(server_credentials, VERSIONS[i], &fred);
        assert_int_equal(seen.status, POPLIN_OK);
        assert_false(seen.facts.verified);
        assert_int_equal(seen.facts.identity_size, 0);
    }
    certificate_free(&fred);
}

static void a_client_without_one_gets_through_as_nobody(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(VERSIONS); i++) {
        outcome seen = visit(asking, VERSIONS[i], NULL);
        assert_int_equal(seen.status, POPLIN_OK);
        assert_false(seen.facts.verified);
        assert_int_equal(seen.facts.identity_size, 0);
        assert_int_equal(seen.facts.exporter_size, 32);
        assert_true(seen.facts.end_point_size > 0);
    }
}

/* ---- which are refused ---- */

static void check_refused(const certificate *leaf, const char *reason, gnutls_alert_description_t alert) {
    for (size_t i = 0; i < COUNT_OF(VERSIONS); i++) {
        outcome seen = visit(asking, VERSIONS[i], leaf);
        if (seen.status != POPLIN_ERR_CERTIFICATE || strstr(seen.error.reason, reason) == NULL || seen.alert != alert)
            fail_msg("%s: status %d, \"%s\", alert %d", reason, seen.status, seen.error.reason, (int)seen.alert);
    }
}

static void check_order_refused(certificate_order order, const char *reason, gnutls_alert_description_t alert) {
    if (order.purpose == NULL)
        order.purpose = GNUTLS_KP_TLS_WWW_CLIENT;
    certificate leaf = certificate_new(order);
    check_refused(&leaf, reason, alert);
    certificate_free(&leaf);
}

static void one_out_of_its_time_is_refused(void **state) {
    (void)state;
    check_order_refused((certificate_order){.issuer = &ca, .from_days = -30, .until_days = -1},
                        "the certificate expired on ", GNUTLS_A_CERTIFICATE_EXPIRED);
    check_order_refused((certificate_order){.issuer = &ca, .from_days = 1, .until_days = 30},
                        "the certificate is not valid before ", GNUTLS_A_CERTIFICATE_EXPIRED);
}

/* holds: POP-STLS-6 S */
static void one_that_the_server_s_cas_do_not_vouch_for_is_refused(void **state) {
    (void)state;
    certificate other = certificate_new((certificate_order){.is_ca = true, .common_name = "another CA"});
    certificate double_of = certificate_new((certificate_order){.is_ca = true, .common_name = "the CA"});
    check_order_refused((certificate_order){.issuer = &other}, "signed by an unknown CA; it takes one of the CAs that",
                        GNUTLS_A_UNKNOWN_CA);
    check_order_refused((certificate_order){.issuer = &double_of}, "a signature in the certificate chain is wrong",
                        GNUTLS_A_BAD_CERTIFICATE);
    check_order_refused((certificate_order){.common_name = "fred"}, "the certificate is self-signed; ",
                        GNUTLS_A_UNKNOWN_CA);
    certificate_free(&other);
    certificate_free(&double_of);
}

static void one_for_something_else_is_refused(void **state) {
    (void)state;
    check_order_refused((certificate_order){.issuer = &ca, .purpose = GNUTLS_KP_TLS_WWW_SERVER},
                        "not meant for clients (its purposes do not include clientAuth)",
                        GNUTLS_A_UNSUPPORTED_CERTIFICATE);
    check_order_refused((certificate_order){.issuer = &ca, .is_ca = true}, "that of a CA, not of a client",
                        GNUTLS_A_BAD_CERTIFICATE);
}

/* Somebody else's certificate can be had by anyone; the key is what counts. */
static void one_without_its_key_is_refused(void **state) {
    (void)state;
    certificate fred = new_fred();
    certificate thief = certificate_new((certificate_order){.common_name = "thief"});
    for (size_t i = 0; i < COUNT_OF(VERSIONS); i++) {
        raw_peer raw;
        raw_client(&raw, VERSIONS[i], NULL);
        raw_present(&raw, &fred, &thief);
        assert_int_equal(shake_hands(asking, &raw).status, POPLIN_ERR_TLS);
        raw_close(&raw);
    }
    certificate_free(&fred);
    certificate_free(&thief);
}

/* ---- no connection inherits from another ---- */

/*
 * The server keeps no sessions and gives no tickets, so that who comes back with those of another connection is asked again: who he was
 * does not count.
 */
static void who_comes_back_is_asked_again(void **state) {
    (void)state;
    certificate fred = new_fred();
    for (size_t i = 0; i < COUNT_OF(VERSIONS); i++) {
        raw_peer first, second;
        gnutls_datum_t kept = {0};
        raw_client(&first, VERSIONS[i], &fred);
        assert_int_equal(shake_hands(asking, &first).facts.identity_size, 4);
        assert_false(gnutls_session_get_flags(first.session) & GNUTLS_SFLAGS_SESSION_TICKET);
        must(gnutls_session_get_data2(first.session, &kept));
        raw_client(&second, VERSIONS[i], NULL);
        must(gnutls_session_set_data(second.session, kept.data, kept.size));
        outcome seen = shake_hands(asking, &second);
        assert_int_equal(seen.status, POPLIN_OK);
        assert_false(gnutls_session_is_resumed(second.session));
        assert_false(seen.facts.verified);
        assert_int_equal(seen.facts.identity_size, 0);
        gnutls_free(kept.data);
        raw_close(&first);
        raw_close(&second);
    }
    certificate_free(&fred);
}

/* ---- the client's side ---- */

/* Whether our client, with the certificate of fred, gives it to a raw server. TLS 1.2 lets everybody read it. */
static bool gives(poplin_tls_credentials *credentials, const char *version, gnutls_certificate_request_t request,
                  const certificate *wanted, int expected) {
    raw_peer raw;
    poplin_tls *client;
    int code;
    unsigned count = 0;
    raw_open(&raw, GNUTLS_SERVER, version, &identity);
    must(gnutls_certificate_set_x509_trust(raw.credentials, (gnutls_x509_crt_t *)(uintptr_t)&wanted->crt, 1));
    gnutls_certificate_server_set_request(raw.session, request);
    assert_int_equal(poplin_tls_client_new(credentials, "localhost", &client), POPLIN_OK);
    assert_int_equal(shake_raw(client, &raw, &code), expected);
    bool given = gnutls_certificate_get_peers(raw.session, &count) != NULL && count > 0;
    poplin_tls_free(client);
    raw_close(&raw);
    return given;
}

/* holds: SASL-EXT-3 C */
static void a_client_gives_its_certificate_only_where_asked_by_the_right_server(void **state) {
    (void)state;
    certificate other = certificate_new((certificate_order){.is_ca = true, .common_name = "another CA"});
    certificate fred = new_fred();
    poplin_tls_credentials *client = holder_of(&fred, poplin_slice_of(identity.ca_pem));
    poplin_tls_credentials *distrustful = holder_of(&fred, ca_text);
    for (size_t i = 0; i < COUNT_OF(VERSIONS); i++) {
        assert_false(gives(client, VERSIONS[i], GNUTLS_CERT_IGNORE, &ca, POPLIN_OK));
        assert_true(gives(client, VERSIONS[i], GNUTLS_CERT_REQUEST, &ca, POPLIN_OK));
        assert_false(gives(client, VERSIONS[i], GNUTLS_CERT_REQUEST, &other, POPLIN_OK));          /* not for it */
        assert_false(gives(client_credentials, VERSIONS[i], GNUTLS_CERT_REQUEST, &ca, POPLIN_OK)); /* has none */
        assert_false(gives(distrustful, VERSIONS[i], GNUTLS_CERT_REQUEST, &ca, POPLIN_ERR_CERTIFICATE));
    }
    poplin_tls_credentials_free(distrustful);
    poplin_tls_credentials_free(client);
    certificate_free(&fred);
    certificate_free(&other);
}

/* What TLS 1.2 sends in clear before the server has answered, or without being asked, is no certificate. */
static bool sends_in_clear(poplin_tls_credentials *credentials, gnutls_certificate_request_t request) {
    raw_peer raw;
    poplin_tls *client;
    poplin_buffer wire = {0};
    raw_open(&raw, GNUTLS_SERVER, TLS12, &identity);
    gnutls_certificate_server_set_request(raw.session, request);
    assert_int_equal(poplin_tls_client_new(credentials, "localhost", &client), POPLIN_OK);
    take_output(client, &raw.in);
    assert_null(memmem(raw.in.memory + raw.in.start, raw.in.size, "fred", 4));
    assert_int_equal(gnutls_handshake(raw.session), GNUTLS_E_AGAIN);
    assert_int_equal(feed_handshake(client, &raw.out), POPLIN_NEED_INPUT);
    take_output(client, &wire);
    bool sent = memmem(wire.memory + wire.start, wire.size, "fred", 4) != NULL;
    poplin_buffer_free(&wire);
    poplin_tls_free(client);
    raw_close(&raw);
    return sent;
}

/* holds: SASL-EXT-3 C */
static void nothing_of_the_certificate_leaves_a_client_that_was_not_asked(void **state) {
    (void)state;
    certificate fred = new_fred();
    poplin_tls_credentials *client = holder_of(&fred, poplin_slice_of(identity.ca_pem));
    assert_false(sends_in_clear(client, GNUTLS_CERT_IGNORE));
    assert_true(sends_in_clear(client, GNUTLS_CERT_REQUEST));
    poplin_tls_credentials_free(client);
    certificate_free(&fred);
}

/* The client's handshake is done when its certificate is refused (TLS 1.3): the alert meets its next read. */
static void a_client_learns_that_its_certificate_was_refused(void **state) {
    (void)state;
    certificate old = certificate_new(
        (certificate_order){.issuer = &ca, .purpose = GNUTLS_KP_TLS_WWW_CLIENT, .from_days = -30, .until_days = -1});
    poplin_tls_credentials *holds = holder_of(&old, poplin_slice_of(identity.ca_pem));
    poplin_tls *client, *server;
    poplin_buffer wire = {0}, text = {0};
    assert_int_equal(poplin_tls_client_new(holds, "localhost", &client), POPLIN_OK);
    assert_int_equal(poplin_tls_server_new(asking, &server), POPLIN_OK);
    take_output(client, &wire);
    assert_int_equal(feed_handshake(server, &wire), POPLIN_NEED_INPUT);
    take_output(server, &wire);
    assert_int_equal(feed_handshake(client, &wire), POPLIN_OK);
    take_output(client, &wire);
    assert_int_equal(feed_handshake(server, &wire), POPLIN_ERR_CERTIFICATE);
    poplin_buffer_free(&wire);
    take_output(server, &wire);
    assert_int_equal(read_from(client, &wire, &text), POPLIN_ERR_TLS);
    assert_non_null(strstr(poplin_tls_error(client)->reason, "the alert \"Certificate is expired\""));
    poplin_tls_free(client);
    poplin_tls_free(server);
    poplin_tls_credentials_free(holds);
    certificate_free(&old);
}

/* ---- credentials ---- */

static void bad_credentials_say_what_is_wrong(void **state) {
    (void)state;
    poplin_tls_credentials *credentials = NULL;
    poplin_error error;
    char file[32];
    write_file(file, poplin_slice_of(identity.cert_pem), poplin_slice_of(identity.key_pem));
    poplin_tls_trust trust = {.verify = true, .ca_file = file, .key_file = file};
    assert_int_equal(poplin_tls_client_credentials(&trust, &credentials, &error), POPLIN_ERR_CERTIFICATE);
    assert_non_null(strstr(error.reason, "but no certificate that it belongs to"));
    assert_non_null(strstr(error.reason, file));
    assert_null(credentials);

    credentials = new_server_credentials();
    assert_int_equal(poplin_tls_server_credentials_clients(credentials, NULL, SLICE(""), &error),
                     POPLIN_ERR_CERTIFICATE);
    assert_non_null(strstr(error.reason, "no CA is given"));
    assert_int_equal(poplin_tls_server_credentials_clients(credentials, NULL, SLICE("hello"), &error),
                     POPLIN_ERR_CERTIFICATE);
    assert_string_equal(error.reason, "the CA text holds no CA certificate in PEM form");
    assert_int_equal(poplin_tls_server_credentials_clients(credentials, "/nonexistent/ca.pem", SLICE(""), &error),
                     POPLIN_ERR_CERTIFICATE);
    assert_string_equal(error.reason, "cannot read /nonexistent/ca.pem: No such file or directory");
    assert_int_equal(count_requests(credentials, TLS13), 0);
    assert_int_equal(poplin_tls_server_credentials_clients(credentials, file, SLICE(""), &error), POPLIN_OK);
    assert_int_equal(count_requests(credentials, TLS13), 1);
    free(requested_name.data);
    poplin_tls_credentials_free(credentials);
    unlink(file);
    assert_int_equal(poplin_tls_server_credentials_clients(client_credentials, NULL, ca_text, &error),
                     POPLIN_ERR_STATE);
    assert_non_null(strstr(error.reason, "only servers"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_asks_only_where_it_was_told_to_and_names_the_ca),
        cmocka_unit_test(a_certificate_that_was_not_asked_for_counts_for_nothing),
        cmocka_unit_test(a_client_without_one_gets_through_as_nobody),
        cmocka_unit_test(one_out_of_its_time_is_refused),
        cmocka_unit_test(one_that_the_server_s_cas_do_not_vouch_for_is_refused),
        cmocka_unit_test(one_for_something_else_is_refused),
        cmocka_unit_test(one_without_its_key_is_refused),
        cmocka_unit_test(who_comes_back_is_asked_again),
        cmocka_unit_test(a_client_gives_its_certificate_only_where_asked_by_the_right_server),
        cmocka_unit_test(nothing_of_the_certificate_leaves_a_client_that_was_not_asked),
        cmocka_unit_test(a_client_learns_that_its_certificate_was_refused),
        cmocka_unit_test(bad_credentials_say_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
