/*
 * test_tls_client_names.c - whom a client's certificate names, for EXTERNAL, and the certificates that a throw-away CA issues for users.
 */
#include "tls_clients.h"

/* ---- whom a certificate names ---- */

/* expected {NULL, 0}: nobody. */
static void check_identity(certificate_order order, const char *version, poplin_slice expected) {
    order.issuer = &ca;
    if (order.purpose == NULL)
        order.purpose = GNUTLS_KP_TLS_WWW_CLIENT;
    certificate leaf = certificate_new(order);
    outcome seen = visit(asking, version, &leaf);
    if (seen.status != POPLIN_OK)
        fail_msg("status %d, \"%s\"", seen.status, seen.error.reason);
    assert_true(seen.facts.verified);
    if (seen.facts.identity_size != expected.size)
        fail_msg("it names \"%.*s\"", (int)seen.facts.identity_size, seen.facts.identity);
    if (expected.size > 0)
        assert_memory_equal(seen.facts.identity, expected.data, expected.size);
    assert_int_equal(seen.facts.identity[expected.size], '\0');
    certificate_free(&leaf);
}

#define MAILBOXES(...) \
    .mailboxes = (const poplin_slice[]){__VA_ARGS__}, .mailboxes_count = COUNT_OF(((const poplin_slice[]){__VA_ARGS__}))
#define NAMES(...) \
    .names = (const poplin_slice[]){__VA_ARGS__}, .names_count = COUNT_OF(((const poplin_slice[]){__VA_ARGS__}))
#define HOSTS(...) \
    .dns = (const poplin_slice[]){__VA_ARGS__}, .dns_count = COUNT_OF(((const poplin_slice[]){__VA_ARGS__}))

static const poplin_slice FRED = {"fred@example.org", 16}, URS = {"urs@example.org", 15}, NOBODY = {NULL, 0};

static void a_mailbox_names_the_client(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(VERSIONS); i++) {
        check_identity((certificate_order){MAILBOXES(FRED)}, VERSIONS[i], FRED);
        check_identity((certificate_order){MAILBOXES(FRED), .common_name = "urs", HOSTS(SLICE("example.org"))},
                       VERSIONS[i], FRED);
    }
    check_identity((certificate_order){MAILBOXES(FRED), .purpose = ""}, TLS13, FRED); /* no purposes: any */
}

static void without_a_mailbox_the_common_name_does(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(VERSIONS); i++)
        check_identity((certificate_order){.common_name = "fred"}, VERSIONS[i], SLICE("fred"));
    check_identity((certificate_order){.common_name = "fred", HOSTS(SLICE("example.org"), SLICE("fred.example.org"))},
                   TLS13, SLICE("fred"));
    /* As it stands, and not as it is written for people: "O'Neil\, Fred + 1", say, or "#616263". */
    check_identity((certificate_order){.common_name = "O'Neil, Fred + 1"}, TLS13, SLICE("O'Neil, Fred + 1"));
    check_identity((certificate_order){.common_name = "#616263"}, TLS13, SLICE("#616263"));
    check_identity((certificate_order){.common_name = "J\xC3\xB6rg"}, TLS13, SLICE("J\xC3\xB6rg"));
}

static void one_of_several_names_is_nobody(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(VERSIONS); i++)
        check_identity((certificate_order){MAILBOXES(FRED, URS), .common_name = "fred"}, VERSIONS[i], NOBODY);
    check_identity((certificate_order){MAILBOXES(FRED, FRED), .common_name = "fred"}, TLS13, NOBODY);
    check_identity((certificate_order){NAMES(SLICE("\x0C\4fred"), SLICE("\x0C\3urs"))}, TLS13, NOBODY);
}

/*
 * A mailbox that is no name is not made good by a CN (CVE-2019-3814).
 *
 * holds: T-TLS-17 S
 */
static void a_mailbox_that_is_no_name_is_nobody(void **state) {
    (void)state;
    const poplin_slice bad[] = {
        SLICE("fred@example.org\0.evil.example"),
        SLICE("\0fred@example.org"),
        SLICE("fred@example.org\r\n"),
        SLICE("fr\x7F"
              "ed@example.org"),
        SLICE("fr\xFF"
              "ed@example.org"),
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        check_identity((certificate_order){MAILBOXES(bad[i]), .common_name = "fred"}, TLS13, NOBODY);
}

/*
 * GnuTLS of today cannot read such a certificate, and ends the handshake.
 *
 * holds: T-TLS-17 S
 */
static void an_empty_mailbox_is_nobody(void **state) {
    (void)state;
    certificate leaf = certificate_new((certificate_order){
        .issuer = &ca, MAILBOXES(SLICE("")), .common_name = "fred", .purpose = GNUTLS_KP_TLS_WWW_CLIENT});
    for (size_t i = 0; i < COUNT_OF(VERSIONS); i++) {
        outcome seen = visit(asking, VERSIONS[i], &leaf);
        assert_true(seen.status == POPLIN_ERR_TLS || seen.status == POPLIN_OK);
        assert_int_equal(seen.facts.identity_size, 0);
    }
    certificate_free(&leaf);
}

static void a_common_name_that_is_no_name_is_nobody(void **state) {
    (void)state;
    const poplin_slice bad[] = {
        SLICE("\x0C\0"),               /* nothing */
        SLICE("\x0C\7fred\0us"),       /* cut by who takes it for a C string */
        SLICE("\x0C\5fred\n"),         /* a control character */
        SLICE("\x0C\4fr\xFF\x64"),     /* no UTF-8 */
        SLICE("\x1E\x08\0f\0r\0e\0d"), /* UTF-16 */
        SLICE("\x14\4fred"),           /* T.61 */
        SLICE("\x04\4fred"),           /* no text at all */
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        check_identity((certificate_order){NAMES(bad[i])}, TLS13, NOBODY);
    check_identity((certificate_order){.organization = "fred"}, TLS13, NOBODY);
    check_identity((certificate_order){NAMES(SLICE("\x0C\4fred")), .organization = "urs"}, TLS13, SLICE("fred"));
    check_identity((certificate_order){NAMES(SLICE("\x13\4fred"))}, TLS13, SLICE("fred"));
    check_identity((certificate_order){NAMES(SLICE("\x16\4fred"))}, TLS13, SLICE("fred"));
}

static void a_name_is_never_cut(void **state) {
    (void)state;
    char longest[256];
    memset(longest, 'a', sizeof longest);
    memcpy(longest + 200, "@", 1);
    check_identity((certificate_order){MAILBOXES(((poplin_slice){longest, 255}))}, TLS13, (poplin_slice){longest, 255});
    check_identity((certificate_order){MAILBOXES(((poplin_slice){longest, 256}))}, TLS13, NOBODY);
}

/* ---- a throw-away CA's clients ---- */

/* Our client with a certificate for this user, as our server sees it. */
static void check_issued(poplin_tls_authority *authority, poplin_tls_credentials *server, const char *user) {
    poplin_tls_throwaway issued;
    poplin_tls_facts facts;
    poplin_tls *ours, *theirs;
    int server_status;
    assert_int_equal(poplin_tls_authority_issue_client(authority, user, &issued), POPLIN_OK);
    assert_null(issued.staple);
    poplin_tls_credentials *client =
        holder(poplin_slice_of(issued.cert_pem), poplin_slice_of(issued.key_pem), poplin_slice_of(identity.ca_pem));
    assert_int_equal(poplin_tls_client_new(client, "localhost", &ours), POPLIN_OK);
    assert_int_equal(poplin_tls_server_new(server, &theirs), POPLIN_OK);
    assert_int_equal(shake(ours, theirs, &server_status), POPLIN_OK);
    assert_int_equal(server_status, POPLIN_OK);
    assert_int_equal(poplin_tls_get_facts(theirs, &facts), POPLIN_OK);
    assert_true(facts.verified);
    assert_string_equal(facts.identity, user);
    assert_int_equal(poplin_tls_get_facts(ours, &facts), POPLIN_OK);
    assert_true(facts.verified);
    assert_int_equal(facts.identity_size, 0); /* it is for servers */
    poplin_tls_free(ours);
    poplin_tls_free(theirs);
    poplin_tls_credentials_free(client);
    poplin_tls_throwaway_free(&issued);
}

/* Of the issued certificate: how many rfc822Names, which must be the user. */
static int mailboxes_of(poplin_tls_authority *authority, const char *user) {
    poplin_tls_throwaway issued;
    gnutls_x509_crt_t crt;
    char name[128], common[128];
    size_t size = sizeof name, common_size = sizeof common;
    assert_int_equal(poplin_tls_authority_issue_client(authority, user, &issued), POPLIN_OK);
    gnutls_datum_t text = {(unsigned char *)issued.cert_pem, (unsigned)strlen(issued.cert_pem)};
    must(gnutls_x509_crt_init(&crt));
    must(gnutls_x509_crt_import(crt, &text, GNUTLS_X509_FMT_PEM));
    must(gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, common, &common_size));
    assert_string_equal(common, user);
    int type = gnutls_x509_crt_get_subject_alt_name(crt, 0, name, &size, NULL);
    assert_true(type == GNUTLS_SAN_RFC822NAME || type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE);
    if (type >= 0)
        assert_memory_equal(name, user, strlen(user));
    gnutls_x509_crt_deinit(crt);
    poplin_tls_throwaway_free(&issued);
    return type >= 0;
}

static void an_authority_issues_certificates_for_users(void **state) {
    (void)state;
    poplin_tls_authority *authority;
    poplin_tls_throwaway issued;
    assert_int_equal(poplin_tls_authority_new(&authority), POPLIN_OK);
    assert_int_equal(poplin_tls_authority_issue_client(authority, "fred", &issued), POPLIN_OK);
    poplin_tls_credentials *server = asking_for(poplin_slice_of(issued.ca_pem));
    poplin_tls_throwaway_free(&issued);
    char longest[66] = "";
    memset(longest, 'a', 64);
    const char *const good[] = {"fred", "fred@example.org", "J\xC3\xB6rg", "j\xC3\xB6rg@example.org", longest};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        check_issued(authority, server, good[i]);
    assert_int_equal(mailboxes_of(authority, "fred"), 0);
    assert_int_equal(mailboxes_of(authority, "fred@example.org"), 1);
    longest[64] = 'a';
    const char *const bad[] = {"", longest, "fr\ned", "fr\xFF\xFF"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(poplin_tls_authority_issue_client(authority, bad[i], &issued), POPLIN_ERR_CERTIFICATE);
        assert_null(issued.key_pem);
    }
    poplin_tls_credentials_free(server);
    poplin_tls_authority_free(authority);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mailbox_names_the_client),
        cmocka_unit_test(without_a_mailbox_the_common_name_does),
        cmocka_unit_test(one_of_several_names_is_nobody),
        cmocka_unit_test(a_mailbox_that_is_no_name_is_nobody),
        cmocka_unit_test(an_empty_mailbox_is_nobody),
        cmocka_unit_test(a_common_name_that_is_no_name_is_nobody),
        cmocka_unit_test(a_name_is_never_cut),
        cmocka_unit_test(an_authority_issues_certificates_for_users),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
