/*
 * test_tls_sni.c - a server with several certificates: which one it shows to whom, and whom it refuses.
 */
#include "tls_ends.h"

static poplin_tls_authority *authority;
static poplin_tls_throwaway first, second, third;
static poplin_tls_credentials *several;

static poplin_tls_throwaway issue(const char *name) {
    poplin_tls_throwaway made;
    assert_int_equal(poplin_tls_authority_issue(authority, POPLIN_BLEMISH_NONE, &name, 1, &made), POPLIN_OK);
    return made;
}

static int add(poplin_tls_credentials *credentials, const poplin_tls_throwaway *throwaway, poplin_error *error) {
    return poplin_tls_server_credentials_add_pem(credentials, poplin_slice_of(throwaway->cert_pem),
                                                 poplin_slice_of(throwaway->key_pem), error);
}

static int set_up_several(void **state) {
    set_up(state);
    assert_int_equal(poplin_tls_authority_new(&authority), POPLIN_OK);
    first = issue("one.example"), second = issue("two.example"), third = issue("pop.two.example");
    assert_int_equal(poplin_tls_server_credentials_pem(poplin_slice_of(first.cert_pem), poplin_slice_of(first.key_pem),
                                                       &several, NULL),
                     POPLIN_OK);
    assert_int_equal(add(several, &second, NULL), POPLIN_OK);
    assert_int_equal(add(several, &third, NULL), POPLIN_OK);
    return 0;
}

static int tear_down_several(void **state) {
    poplin_tls_credentials_free(several);
    poplin_tls_throwaway_free(&first);
    poplin_tls_throwaway_free(&second);
    poplin_tls_throwaway_free(&third);
    poplin_tls_authority_free(authority);
    return tear_down(state);
}

/* Meets the server as name. Returns the client's answer; *reason is the client's and ends in NUL. */
static int meet(poplin_tls_credentials *server, const char *ca_pem, const char *name, char reason[320]) {
    poplin_tls_credentials *client;
    poplin_tls_trust trust = {.verify = true, .ca_pem = poplin_slice_of(ca_pem)};
    poplin_tls *ours, *theirs;
    int server_status;
    assert_int_equal(poplin_tls_client_credentials(&trust, &client, NULL), POPLIN_OK);
    assert_int_equal(poplin_tls_client_new(client, name, &ours), POPLIN_OK);
    assert_int_equal(poplin_tls_server_new(server, &theirs), POPLIN_OK);
    int status = shake(ours, theirs, &server_status);
    strcpy(reason, poplin_tls_error(ours)->reason);
    poplin_tls_free(ours);
    poplin_tls_free(theirs);
    poplin_tls_credentials_free(client);
    return status;
}

static void each_name_gets_its_certificate(void **state) {
    (void)state;
    static const char *const NAMES[] = {"one.example", "two.example", "POP.two.example", "one.example"};
    char reason[320];
    for (size_t i = 0; i < COUNT_OF(NAMES); i++)
        if (meet(several, first.ca_pem, NAMES[i], reason) != POPLIN_OK)
            fail_msg("%s: %s", NAMES[i], reason);
}

/* holds: POP-TLS-11 S */
static void a_name_that_none_is_for_is_refused(void **state) {
    (void)state;
    static const char *const NAMES[] = {"three.example", "example", "a.one.example"};
    char reason[320];
    for (size_t i = 0; i < COUNT_OF(NAMES); i++) {
        assert_int_equal(meet(several, first.ca_pem, NAMES[i], reason), POPLIN_ERR_TLS);
        assert_non_null(strstr(reason, "server name"));
    }
}

/* By TLS 1.3 and 1.2; a raw client checks nothing, so that it sees what it is shown. */
static void check_shown(const char *version, const char *name, const poplin_tls_throwaway *expected) {
    raw_peer raw;
    poplin_tls *server;
    int code;
    unsigned count;
    raw_open(&raw, GNUTLS_CLIENT, version, NULL);
    if (name != NULL)
        must(gnutls_server_name_set(raw.session, GNUTLS_NAME_DNS, name, strlen(name)));
    assert_int_equal(poplin_tls_server_new(several, &server), POPLIN_OK);
    assert_int_equal(shake_raw(server, &raw, &code), POPLIN_OK);
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(raw.session, &count);
    gnutls_datum_t text;
    must(gnutls_pem_base64_encode2("CERTIFICATE", &chain[0], &text));
    assert_int_equal(text.size, strlen(expected->cert_pem));
    assert_memory_equal(text.data, expected->cert_pem, text.size);
    gnutls_free(text.data);
    poplin_tls_free(server);
    raw_close(&raw);
}

static void who_sends_no_name_is_shown_the_first(void **state) {
    (void)state;
    static const char *const VERSIONS[] = {TLS13, TLS12};
    for (size_t i = 0; i < COUNT_OF(VERSIONS); i++) {
        check_shown(VERSIONS[i], NULL, &first);
        check_shown(VERSIONS[i], "one.example", &first);
        check_shown(VERSIONS[i], "two.example", &second);
        check_shown(VERSIONS[i], "pop.two.example", &third);
    }
}

static void a_wildcard_serves_what_it_stands_for(void **state) {
    (void)state;
    const poplin_slice name = SLICE("*.wild.example");
    certificate ca = certificate_new((certificate_order){.is_ca = true});
    certificate leaf = certificate_new((certificate_order){.issuer = &ca, .dns = &name, .dns_count = 1});
    poplin_slice ca_text = certificate_pem(&ca), cert = certificate_pem(&leaf), key = certificate_key_pem(&leaf);
    char *trusted = strndup(ca_text.data, ca_text.size), reason[320];
    poplin_tls_credentials *server;
    assert_int_equal(poplin_tls_server_credentials_pem(poplin_slice_of(first.cert_pem), poplin_slice_of(first.key_pem),
                                                       &server, NULL),
                     POPLIN_OK);
    assert_int_equal(poplin_tls_server_credentials_add_pem(server, cert, key, NULL), POPLIN_OK);
    assert_int_equal(meet(server, trusted, "pop.wild.example", reason), POPLIN_OK);
    assert_int_equal(meet(server, trusted, "wild.example", reason), POPLIN_ERR_TLS);
    poplin_tls_credentials_free(server);
    free(trusted);
    pem_free(ca_text);
    pem_free(cert);
    pem_free(key);
    certificate_free(&leaf);
    certificate_free(&ca);
}

/* One certificate is shown to everybody: what is wrong with it can then be told by name. */
static void a_single_certificate_is_shown_for_any_name(void **state) {
    (void)state;
    char reason[320];
    assert_int_equal(meet(server_credentials, identity.ca_pem, "three.example", reason), POPLIN_ERR_CERTIFICATE);
    assert_string_equal(reason, "the certificate is for localhost, not three.example");
}

static void what_cannot_be_added_is_told(void **state) {
    (void)state;
    poplin_error error;
    poplin_tls_throwaway nameless, named = issue("four.example");
    poplin_tls_credentials *server;
    static const char *const NAMES[] = {"x.example"};
    assert_int_equal(poplin_tls_server_credentials_pem(poplin_slice_of(first.cert_pem), poplin_slice_of(first.key_pem),
                                                       &server, NULL),
                     POPLIN_OK);
    assert_int_equal(poplin_tls_authority_issue(authority, POPLIN_BLEMISH_NAME_ONLY_IN_CN, NAMES, 1, &nameless),
                     POPLIN_OK);
    assert_int_equal(add(server, &nameless, &error), POPLIN_ERR_CERTIFICATE);
    assert_non_null(strstr(error.reason, "names no host"));
    assert_int_equal(poplin_tls_server_credentials_add_pem(server, poplin_slice_of(named.cert_pem),
                                                           poplin_slice_of(first.key_pem), &error),
                     POPLIN_ERR_CERTIFICATE);
    assert_int_equal(poplin_tls_server_credentials_add(server, "/nonexistent/cert.pem", NULL, &error),
                     POPLIN_ERR_CERTIFICATE);
    assert_non_null(strstr(error.reason, "cannot read /nonexistent/cert.pem"));
    char reason[320];
    for (int i = 1; i < 64; i++)
        assert_int_equal(add(server, &named, &error), POPLIN_OK);
    assert_int_equal(add(server, &named, &error), POPLIN_ERR_LIMIT);
    assert_int_equal(meet(server, first.ca_pem, "four.example", reason), POPLIN_OK);
    assert_int_equal(add(client_credentials, &named, &error), POPLIN_ERR_STATE);
    poplin_tls_credentials_free(server);
    poplin_tls_throwaway_free(&nameless);
    poplin_tls_throwaway_free(&named);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_name_gets_its_certificate),
        cmocka_unit_test(a_name_that_none_is_for_is_refused),
        cmocka_unit_test(who_sends_no_name_is_shown_the_first),
        cmocka_unit_test(a_wildcard_serves_what_it_stands_for),
        cmocka_unit_test(a_single_certificate_is_shown_for_any_name),
        cmocka_unit_test(what_cannot_be_added_is_told),
    };
    return cmocka_run_group_tests(tests, set_up_several, tear_down_several);
}
