/*
 * test_tls_verify.c - whom a client believes: chains, dates, purposes and names of certificates.
 */
#include "tls_support.h"

static certificate ca;
static poplin_slice ca_text;

static int set_up(void **state) {
    (void)state;
    ca = certificate_new((certificate_order){.is_ca = true, .common_name = "the CA"});
    ca_text = certificate_pem(&ca);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    pem_free(ca_text);
    certificate_free(&ca);
    return 0;
}

static poplin_tls_credentials *trusting(poplin_slice trusted) {
    poplin_tls_credentials *credentials;
    poplin_tls_trust trust = {.verify = true, .ca_pem = trusted};
    assert_int_equal(poplin_tls_client_credentials(&trust, &credentials, NULL), POPLIN_OK);
    return credentials;
}

static poplin_tls_credentials *serving(const certificate *leaf, poplin_slice intermediate) {
    poplin_tls_credentials *credentials;
    poplin_slice cert = certificate_pem(leaf);
    poplin_slice key = certificate_key_pem(leaf);
    poplin_buffer chain = {0};
    poplin_buffer_append(&chain, cert.data, cert.size);
    poplin_buffer_append(&chain, intermediate.data, intermediate.size);
    assert_int_equal(poplin_tls_server_credentials_pem(poplin_buffer_slice(&chain), key, &credentials, NULL),
                     POPLIN_OK);
    poplin_buffer_free(&chain);
    pem_free(cert);
    pem_free(key);
    return credentials;
}

/* Whom the client means, whatever host that is. */
static const char *mail_domain;

/* Shakes hands as host with a server of these credentials; what became of it is in *error, status OK included. */
static void meet(poplin_tls_credentials *server, poplin_slice trusted, const char *host, poplin_error *error) {
    poplin_tls_credentials *client = trusting(trusted);
    poplin_tls *ours, *theirs;
    const poplin_tls_peer peer = {.name = host, .mail_domain = mail_domain};
    assert_int_equal(poplin_tls_client_open(client, &peer, &ours), POPLIN_OK);
    assert_int_equal(poplin_tls_server_new(server, &theirs), POPLIN_OK);
    int server_status;
    int status = shake(ours, theirs, &server_status);
    *error = *poplin_tls_error(ours);
    assert_int_equal(error->status, status);
    /* A refusal reaches the server as an alert, so that its log can tell why. */
    assert_int_equal(server_status, status == POPLIN_OK ? POPLIN_OK : POPLIN_ERR_TLS);
    poplin_tls_facts facts = {0};
    assert_int_equal(poplin_tls_get_facts(ours, &facts), status == POPLIN_OK ? POPLIN_OK : POPLIN_ERR_STATE);
    assert_int_equal(facts.verified, status == POPLIN_OK);
    poplin_tls_free(ours);
    poplin_tls_free(theirs);
    poplin_tls_credentials_free(client);
}

/* The same for one certificate, made to order. reason NULL: it must be accepted; else it stands in the message. */
static void check_order(certificate_order order, poplin_slice intermediate, const char *host, const char *reason) {
    certificate leaf = certificate_new(order);
    poplin_tls_credentials *server = serving(&leaf, intermediate);
    poplin_error error;
    meet(server, ca_text, host, &error);
    if (error.status != (reason == NULL ? POPLIN_OK : POPLIN_ERR_CERTIFICATE) ||
        (reason != NULL && strstr(error.reason, reason) == NULL))
        fail_msg("%s: status %d, \"%s\"", host, error.status, error.reason);
    poplin_tls_credentials_free(server);
    certificate_free(&leaf);
}

static void check_name(poplin_slice presented, const char *host, bool accepted) {
    check_order((certificate_order){.issuer = &ca, .dns = &presented, .dns_count = 1}, SLICE(""), host,
                accepted ? NULL : "the certificate is for ");
}

static const poplin_slice MAIL[] = {{"mail.example.org", 16}};
static const certificate_order GOOD = {.issuer = &ca, .dns = MAIL, .dns_count = 1};

/* holds: T-TLS-1 C, POP-TLS-4 C, POP-AUTH-22 C */
static void an_unknown_issuer_is_refused(void **state) {
    (void)state;
    certificate other = certificate_new((certificate_order){.is_ca = true, .common_name = "another CA"});
    certificate_order order = GOOD;
    check_order(order, SLICE(""), "mail.example.org", NULL);
    order.issuer = &other;
    check_order(order, SLICE(""), "mail.example.org", "signed by an unknown CA; pass ca_file=");
    order.issuer = NULL;
    check_order(order, SLICE(""), "mail.example.org", "self-signed; pass ca_file=");
    certificate_free(&other);
}

/* holds: T-TLS-1 C */
static void a_chain_needs_its_intermediate(void **state) {
    (void)state;
    certificate middle =
        certificate_new((certificate_order){.issuer = &ca, .is_ca = true, .common_name = "in the middle"});
    poplin_slice middle_text = certificate_pem(&middle);
    certificate_order order = GOOD;
    order.issuer = &middle;
    check_order(order, middle_text, "mail.example.org", NULL);
    check_order(order, SLICE(""), "mail.example.org", "signed by an unknown CA");
    pem_free(middle_text);
    certificate_free(&middle);
}

/* holds: T-TLS-2 C, POP-TLS-9 C */
static void another_host_is_refused_by_name(void **state) {
    (void)state;
    poplin_slice names[] = {SLICE("other.example"), SLICE("a.example"), SLICE("b.example"), SLICE("c.example")};
    certificate_order order = {.issuer = &ca, .dns = names, .dns_count = 1};
    check_order(order, SLICE(""), "mail.example.org", "the certificate is for other.example, not mail.example.org");
    order.dns_count = 4;
    check_order(order, SLICE(""), "c.example", NULL);
    check_order(order, SLICE(""), "d.example", "is for other.example, a.example, b.example, ..., not d.example");
}

/* holds: T-TLS-3 C, POP-TLS-10 C */
static void a_certificate_out_of_its_time_is_refused(void **state) {
    (void)state;
    char reason[80];
    struct tm day;
    certificate_order order = GOOD;
    order.from_days = -20, order.until_days = -10;
    time_t until = time(NULL) - 10 * DAY;
    strftime(reason, sizeof reason, "the certificate expired on %Y-%m-%d", gmtime_r(&until, &day));
    check_order(order, SLICE(""), "mail.example.org", reason);
    order.from_days = 10, order.until_days = 20;
    time_t from = time(NULL) + 10 * DAY;
    strftime(reason, sizeof reason, "the certificate is not valid before %Y-%m-%d", gmtime_r(&from, &day));
    check_order(order, SLICE(""), "mail.example.org", reason);
}

/* holds: T-TLS-3 C */
static void an_expired_intermediate_is_refused(void **state) {
    (void)state;
    certificate middle = certificate_new((certificate_order){
        .issuer = &ca, .is_ca = true, .common_name = "old and in the middle", .from_days = -20, .until_days = -10});
    poplin_slice middle_text = certificate_pem(&middle);
    certificate_order order = GOOD;
    order.issuer = &middle;
    check_order(order, middle_text, "mail.example.org", "a CA certificate of the chain expired on ");
    pem_free(middle_text);
    certificate_free(&middle);
}

/* holds: T-TLS-4 C, POP-TLS-10 C */
static void a_certificate_for_something_else_is_refused(void **state) {
    (void)state;
    certificate_order order = GOOD;
    order.purpose = GNUTLS_KP_TLS_WWW_CLIENT;
    check_order(order, SLICE(""), "mail.example.org", "not meant for servers");
    order.purpose = GNUTLS_KP_ANY;
    check_order(order, SLICE(""), "mail.example.org", NULL);
    order.purpose = "";
    check_order(order, SLICE(""), "mail.example.org", NULL);
    order.is_ca = true;
    check_order(order, SLICE(""), "mail.example.org", "that of a CA, not of a server");
}

/* holds: T-TLS-4 C */
static void limits_that_a_ca_has_set_are_kept(void **state) {
    (void)state;
    certificate first = certificate_new((certificate_order){
        .issuer = &ca, .is_ca = true, .common_name = "first", .path_length = -1, .permitted = "example.org"});
    certificate second = certificate_new((certificate_order){.issuer = &first, .is_ca = true, .common_name = "second"});
    poplin_slice first_text = certificate_pem(&first);
    poplin_slice second_text = certificate_pem(&second);
    poplin_buffer both = {0};
    poplin_buffer_append(&both, second_text.data, second_text.size);
    poplin_buffer_append(&both, first_text.data, first_text.size);
    certificate_order order = GOOD;
    order.issuer = &first;
    check_order(order, first_text, "mail.example.org", NULL);
    order.issuer = &second;
    check_order(order, poplin_buffer_slice(&both), "mail.example.org", "breaks a limit that a CA has set");
    poplin_slice foreign = SLICE("mail.example.net");
    order = (certificate_order){.issuer = &first, .dns = &foreign, .dns_count = 1};
    check_order(order, first_text, "mail.example.net", "breaks a limit that a CA has set");
    poplin_buffer_free(&both);
    pem_free(first_text);
    pem_free(second_text);
    certificate_free(&first);
    certificate_free(&second);
}

static void a_weak_signature_is_refused(void **state) {
    (void)state;
    certificate_order order = GOOD;
    order.digest = GNUTLS_DIG_SHA1;
    check_order(order, SLICE(""), "mail.example.org", "a key or signature in the certificate chain is too weak");
}

/* holds: T-TLS-6 C, POP-TLS-5 C */
static void a_wildcard_stands_for_one_whole_label(void **state) {
    (void)state;
    check_name(SLICE("*.example.com"), "mail.example.com", true);
    check_name(SLICE("*.example.com"), "a.b.example.com", false);
    check_name(SLICE("*.example.com"), "example.com", false);
    check_name(SLICE("f*.example.com"), "foo.example.com", false);
    check_name(SLICE("*o.example.com"), "foo.example.com", false);
    check_name(SLICE("*.*.example.com"), "a.b.example.com", false);
    check_name(SLICE("mail.*.com"), "mail.example.com", false);
    check_name(SLICE("*.com"), "example.com", false);
    check_name(SLICE("*"), "localhost", false);
    check_name(SLICE("*."), "localhost", false);
}

/* holds: POP-TLS-5 C */
static void names_are_compared_without_case_as_a_labels(void **state) {
    (void)state;
    check_name(SLICE("MAIL.Example.Org"), "mail.eXample.org", true);
    check_name(SLICE("mail.example.org"), "mail.example.org.", true);
    check_name(SLICE("localhost"), "localhost", true);
    check_name(SLICE("xn--bcher-kva.example"),
               "b\xC3\xBC"
               "cher.example",
               true);
    check_name(SLICE("mail.example.org"), "mail.example.or", false);
    check_name(SLICE("mail.example.or"), "mail.example.org", false);
    check_name(SLICE("example.org"), "mail.example.org", false);
}

/* holds: T-TLS-7 C, POP-TLS-6 C */
static void a_name_in_disguise_is_refused(void **state) {
    (void)state;
    check_name(SLICE("mail.example.org\0.evil.example"), "mail.example.org", false);
    check_name(SLICE("192.0.2.7"), "192.0.2.7", false);
    check_order((certificate_order){.issuer = &ca, .common_name = "mail.example.org"}, SLICE(""), "mail.example.org",
                "names no host (no subjectAltName)");
}

/* holds: POP-TLS-7 C, T-TLS-7 C */
static void an_ip_literal_is_compared_with_addresses_only(void **state) {
    (void)state;
    certificate_order four = {.issuer = &ca, .address = SLICE("\xC0\x00\x02\x07")};
    check_order(four, SLICE(""), "192.0.2.7", NULL);
    check_order(four, SLICE(""), "192.0.2.8", "the certificate is for 192.0.2.7, not 192.0.2.8");
    check_order(four, SLICE(""), "::ffff:192.0.2.7", "the certificate is for 192.0.2.7, not ");
    certificate_order six = {.issuer = &ca, .address = SLICE("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01")};
    check_order(six, SLICE(""), "2001:db8::1", NULL);
    check_order(six, SLICE(""), "2001:DB8:0:0::1", NULL);
    check_order(six, SLICE(""), "::1", "the certificate is for 2001:db8::1, not ::1");
    certificate_order local = {.issuer = &ca, .address = SLICE("\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x01")};
    check_order(local, SLICE(""), "fe80::1%eth0", NULL); /* the zone is this machine's affair */
}

static void check_service(const char *name, const char *domain, bool accepted) {
    poplin_slice services[] = {SLICE("_imap.example.org"), poplin_slice_of(name)};
    certificate_order order = {.issuer = &ca, .services = services, .services_count = 2};
    mail_domain = domain;
    check_order(order, SLICE(""), "pop3.provider.example", accepted ? NULL : "the certificate names no host");
    order.service_form = 9; /* some other kind of name */
    check_order(order, SLICE(""), "pop3.provider.example", "the certificate names no host");
    mail_domain = NULL;
}

/* holds: POP-TLS-8 C */
static void the_service_of_the_mail_domain_is_accepted(void **state) {
    (void)state;
    check_service("_pop3s.example.org", "example.org", true);
    check_service("_pop3.example.org", "example.org", true);
    check_service("_POP3.Example.ORG", "eXample.org", true);
    check_service("_pop3s.xn--bcher-kva.example",
                  "b\xC3\xBC"
                  "cher.example",
                  true);
    check_service("_pop3s.example.org", NULL, false);
    check_service("_pop3s.example.org", "example.net", false);
    check_service("_pop3s.example.org", "pop3.example.org", false);
    check_service("_imaps.example.org", "example.org", false);
    check_service("_pop3s.*.org", "example.org", false);
    check_service("_pop3s.", "example.org", false);
    check_service("_pop3sexample.org", "example.org", false);
    check_service("pop3.provider.example", "example.org", false); /* no host name, wherever it stands */
}

/* holds: POP-TLS-8 C, POP-TLS-4 C */
static void the_mail_domain_is_another_name_to_accept(void **state) {
    (void)state;
    mail_domain = "example.org";
    check_name(SLICE("example.org"), "pop3.provider.example", true);
    check_name(SLICE("pop3.provider.example"), "pop3.provider.example", true);
    check_order((certificate_order){.issuer = &ca, .dns = MAIL, .dns_count = 1}, SLICE(""), "pop3.provider.example",
                "is for mail.example.org, not pop3.provider.example nor the POP3 server of example.org");
    check_order((certificate_order){.issuer = &ca, .uri = SLICE("pop3://example.org")}, SLICE(""),
                "pop3.provider.example", "the certificate names no host");
    check_order((certificate_order){.issuer = &ca, .uri = SLICE("example.org")}, SLICE(""), "pop3.provider.example",
                "the certificate names no host");
    mail_domain = NULL;
    check_name(SLICE("example.org"), "pop3.provider.example", false);
}

static void what_is_no_mail_domain_is_refused(void **state) {
    (void)state;
    static const char *const DOMAINS[] = {"", "alice@example.org", "192.0.2.1", "::1", "*.example.org"};
    poplin_tls_credentials *credentials = trusting(ca_text);
    for (size_t i = 0; i < COUNT_OF(DOMAINS); i++) {
        poplin_tls *tls;
        const poplin_tls_peer peer = {.name = "localhost", .mail_domain = DOMAINS[i]};
        assert_int_equal(poplin_tls_client_open(credentials, &peer, &tls), POPLIN_OK);
        assert_int_equal(poplin_tls_handshake(tls), POPLIN_ERR_CERTIFICATE);
        assert_non_null(strstr(poplin_tls_error(tls)->reason, "is no domain"));
        poplin_tls_free(tls);
    }
    poplin_tls_credentials_free(credentials);
}

static void what_is_no_host_name_never_matches(void **state) {
    (void)state;
    static const char *const NAMES[] = {"",
                                        ".",
                                        "a..example",
                                        "*.example.org",
                                        "a b.example",
                                        "mail.example.org..",
                                        "mail.example.org\n",
                                        "mail\t.ex\xC3\xA4mple.org",
                                        "127.0.0.1%lo",
                                        "127.1",
                                        "\357\274\22127.0.0.1",
                                        "-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example"};
    poplin_tls_credentials *credentials = trusting(ca_text);
    for (size_t i = 0; i < COUNT_OF(NAMES); i++) {
        poplin_tls *tls;
        const char *data;
        size_t size;
        assert_int_equal(poplin_tls_client_new(credentials, NAMES[i], &tls), POPLIN_OK);
        poplin_tls_output(tls, &data, &size);
        assert_int_equal(size, 0);
        assert_int_equal(poplin_tls_handshake(tls), POPLIN_ERR_CERTIFICATE);
        assert_non_null(strstr(poplin_tls_error(tls)->reason, "is no host name"));
        poplin_tls_free(tls);
    }
    poplin_tls *tls;
    assert_int_equal(poplin_tls_client_new(credentials, NULL, &tls), POPLIN_ERR_STATE);
    assert_int_equal(poplin_tls_server_new(credentials, &tls), POPLIN_ERR_STATE);
    poplin_tls_credentials_free(credentials);
}

static void verification_is_off_only_where_the_user_said_so(void **state) {
    (void)state;
    certificate leaf = certificate_new((certificate_order){0});
    poplin_tls_credentials *server = serving(&leaf, SLICE(""));
    poplin_tls_credentials *client;
    poplin_tls_trust trust = {.verify = false};
    assert_int_equal(poplin_tls_client_credentials(&trust, &client, NULL), POPLIN_OK);
    poplin_tls *ours, *theirs;
    assert_int_equal(poplin_tls_client_new(client, NULL, &ours), POPLIN_OK);
    assert_int_equal(poplin_tls_server_new(server, &theirs), POPLIN_OK);
    int server_status;
    assert_int_equal(shake(ours, theirs, &server_status), POPLIN_OK);
    poplin_tls_facts facts = {.verified = true};
    assert_int_equal(poplin_tls_get_facts(ours, &facts), POPLIN_OK);
    assert_false(facts.verified);
    poplin_tls_free(ours);
    poplin_tls_free(theirs);
    poplin_tls_credentials_free(client);
    poplin_tls_credentials_free(server);
    certificate_free(&leaf);
}

static void a_throw_away_certificate_serves_all_its_names(void **state) {
    (void)state;
    static const char *const NAMES[] = {"localhost", "127.0.0.1", "::1", "mail.example.org"};
    poplin_tls_throwaway throwaway, other;
    assert_int_equal(poplin_tls_throwaway_new(NAMES, COUNT_OF(NAMES), &throwaway), POPLIN_OK);
    assert_int_equal(poplin_tls_throwaway_new(NAMES, COUNT_OF(NAMES), &other), POPLIN_OK);
    poplin_tls_credentials *server;
    assert_int_equal(poplin_tls_server_credentials_pem(poplin_slice_of(throwaway.cert_pem),
                                                       poplin_slice_of(throwaway.key_pem), &server, NULL),
                     POPLIN_OK);
    poplin_error error;
    for (size_t i = 0; i < COUNT_OF(NAMES); i++) {
        meet(server, poplin_slice_of(throwaway.ca_pem), NAMES[i], &error);
        assert_int_equal(error.status, POPLIN_OK);
    }
    meet(server, poplin_slice_of(throwaway.ca_pem), "example.org", &error);
    assert_int_equal(error.status, POPLIN_ERR_CERTIFICATE);
    meet(server, poplin_slice_of(other.ca_pem), "localhost", &error);
    assert_int_equal(error.status, POPLIN_ERR_CERTIFICATE);
    poplin_tls_credentials_free(server);
    poplin_tls_throwaway_free(&throwaway);
    poplin_tls_throwaway_free(&other);
    static const char *const BAD[] = {"no host"};
    assert_int_equal(poplin_tls_throwaway_new(BAD, 1, &other), POPLIN_ERR_CERTIFICATE);
    assert_null(other.key_pem);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_issuer_is_refused),
        cmocka_unit_test(a_chain_needs_its_intermediate),
        cmocka_unit_test(another_host_is_refused_by_name),
        cmocka_unit_test(a_certificate_out_of_its_time_is_refused),
        cmocka_unit_test(an_expired_intermediate_is_refused),
        cmocka_unit_test(a_certificate_for_something_else_is_refused),
        cmocka_unit_test(limits_that_a_ca_has_set_are_kept),
        cmocka_unit_test(a_weak_signature_is_refused),
        cmocka_unit_test(a_wildcard_stands_for_one_whole_label),
        cmocka_unit_test(names_are_compared_without_case_as_a_labels),
        cmocka_unit_test(a_name_in_disguise_is_refused),
        cmocka_unit_test(an_ip_literal_is_compared_with_addresses_only),
        cmocka_unit_test(the_service_of_the_mail_domain_is_accepted),
        cmocka_unit_test(the_mail_domain_is_another_name_to_accept),
        cmocka_unit_test(what_is_no_mail_domain_is_refused),
        cmocka_unit_test(what_is_no_host_name_never_matches),
        cmocka_unit_test(verification_is_off_only_where_the_user_said_so),
        cmocka_unit_test(a_throw_away_certificate_serves_all_its_names),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
