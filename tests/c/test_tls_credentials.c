/*
 * test_tls_credentials.c - certificates and keys as they are read, from files and from text, of servers and of clients;
 * and those that cannot be used.
 */
#include "tls_support.h"

#include <stdio.h>
#include <unistd.h>

/* Writes text to a temporary file; the name is 32 octets at most. */
static void write_file(char name[32], poplin_slice text) {
    strcpy(name, "/tmp/poplin-test-XXXXXX");
    int descriptor = mkstemp(name);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, text.data, text.size), (ssize_t)text.size);
    close(descriptor);
}

static void credentials_are_read_from_files(void **state) {
    (void)state;
    static const char *const NAMES[] = {"localhost"};
    poplin_tls_throwaway throwaway;
    assert_int_equal(poplin_tls_throwaway_new(NAMES, 1, &throwaway), POPLIN_OK);
    char cert[32], key[32], both[32], all[8192];
    snprintf(all, sizeof all, "%s%s", throwaway.cert_pem, throwaway.key_pem);
    write_file(cert, poplin_slice_of(throwaway.cert_pem));
    write_file(key, poplin_slice_of(throwaway.key_pem));
    write_file(both, poplin_slice_of(all));
    poplin_tls_credentials *credentials;
    assert_int_equal(poplin_tls_server_credentials(cert, key, &credentials, NULL), POPLIN_OK);
    poplin_tls_credentials_free(credentials);
    assert_int_equal(poplin_tls_server_credentials(both, NULL, &credentials, NULL), POPLIN_OK);
    assert_ptr_equal(poplin_tls_credentials_ref(credentials), credentials);
    poplin_tls_credentials_free(credentials);
    poplin_tls *tls; /* the second owner's reference still holds */
    assert_int_equal(poplin_tls_server_new(credentials, &tls), POPLIN_OK);
    poplin_tls_credentials_free(credentials);
    poplin_tls_free(tls);
    poplin_tls_trust trust = {.verify = true, .ca_file = cert, .cert_file = both};
    assert_int_equal(poplin_tls_client_credentials(&trust, &credentials, NULL), POPLIN_OK);
    poplin_tls_credentials_free(credentials);
    unlink(cert);
    unlink(key);
    unlink(both);
    poplin_tls_throwaway_free(&throwaway);
}

/* holds: T-STLS-19 S */
static void bad_credentials_say_what_is_wrong(void **state) {
    (void)state;
    static const char *const NAMES[] = {"localhost"};
    poplin_tls_throwaway one, two;
    assert_int_equal(poplin_tls_throwaway_new(NAMES, 1, &one), POPLIN_OK);
    assert_int_equal(poplin_tls_throwaway_new(NAMES, 1, &two), POPLIN_OK);
    poplin_tls_credentials *credentials = NULL;
    poplin_error error;
    assert_int_equal(poplin_tls_server_credentials("/nonexistent/cert.pem", NULL, &credentials, &error),
                     POPLIN_ERR_CERTIFICATE);
    assert_string_equal(error.reason, "cannot read /nonexistent/cert.pem: No such file or directory");
    assert_int_equal(poplin_tls_server_credentials_pem(poplin_slice_of(one.cert_pem), poplin_slice_of(two.key_pem),
                                                       &credentials, &error),
                     POPLIN_ERR_CERTIFICATE);
    assert_string_equal(error.reason, "the key in the key text is not that of the certificate");
    assert_int_equal(
        poplin_tls_server_credentials_pem(SLICE("hello"), poplin_slice_of(one.key_pem), &credentials, &error),
        POPLIN_ERR_CERTIFICATE);
    assert_non_null(strstr(error.reason, "the certificate chain in the certificate text cannot be used"));
    assert_int_equal(poplin_tls_server_credentials_pem(poplin_slice_of(one.cert_pem), SLICE(""), &credentials, &error),
                     POPLIN_ERR_CERTIFICATE);
    assert_non_null(strstr(error.reason, "the private key in the certificate text cannot be used"));
    poplin_tls_trust trust = {.verify = true, .ca_pem = SLICE("hello")};
    assert_int_equal(poplin_tls_client_credentials(&trust, &credentials, &error), POPLIN_ERR_CERTIFICATE);
    assert_string_equal(error.reason, "the CA text holds no CA certificate in PEM form");
    trust = (poplin_tls_trust){.verify = true, .ca_file = "/nonexistent/ca\n.pem"};
    assert_int_equal(poplin_tls_client_credentials(&trust, &credentials, &error), POPLIN_ERR_CERTIFICATE);
    assert_string_equal(error.reason, "cannot read /nonexistent/ca\\x0A.pem: No such file or directory");
    assert_null(credentials);
    poplin_tls_throwaway_free(&one);
    poplin_tls_throwaway_free(&two);
}

/* Nobody is asked for the password, and nothing of the key is told; of a client's files the same. */
static void an_encrypted_key_and_a_foreign_one_are_refused(void **state) {
    (void)state;
    certificate one = certificate_new((certificate_order){.purpose = GNUTLS_KP_TLS_WWW_CLIENT});
    certificate two = certificate_new((certificate_order){.purpose = GNUTLS_KP_TLS_WWW_CLIENT});
    poplin_slice cert = certificate_pem(&one), foreign = certificate_key_pem(&two);
    gnutls_datum_t locked;
    must(gnutls_x509_privkey_export2_pkcs8(one.key, GNUTLS_X509_FMT_PEM, "secret", GNUTLS_PKCS_PBES2_AES_256, &locked));
    const struct {
        poplin_slice key;
        const char *reason;
    } cases[] = {
        {{(char *)locked.data, locked.size}, "cannot be used; it must be PEM, unencrypted: Decryption has failed."},
        {foreign, "is not that of the certificate"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        poplin_tls_credentials *credentials = NULL;
        poplin_error error;
        char cert_file[32], key_file[32];
        write_file(cert_file, cert);
        write_file(key_file, cases[i].key);
        const poplin_tls_trust trust = {.verify = false, .cert_file = cert_file, .key_file = key_file};
        assert_int_equal(poplin_tls_client_credentials(&trust, &credentials, &error), POPLIN_ERR_CERTIFICATE);
        assert_non_null(strstr(error.reason, cases[i].reason));
        assert_non_null(strstr(error.reason, key_file));
        assert_int_equal(poplin_tls_server_credentials(cert_file, key_file, &credentials, &error),
                         POPLIN_ERR_CERTIFICATE);
        assert_non_null(strstr(error.reason, cases[i].reason));
        assert_null(credentials);
        unlink(cert_file);
        unlink(key_file);
    }
    gnutls_free(locked.data);
    pem_free(cert);
    pem_free(foreign);
    certificate_free(&one);
    certificate_free(&two);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(credentials_are_read_from_files),
        cmocka_unit_test(bad_credentials_say_what_is_wrong),
        cmocka_unit_test(an_encrypted_key_and_a_foreign_one_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
