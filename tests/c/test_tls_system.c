/*
 * test_tls_system.c - the system's CAs: read when a certificate is looked at, once, whoever uses the credentials, and not before.
 */
#include "tls_ends.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static unsigned times_read;
static int answer; /* the system's: how many CAs it has, or what GnuTLS says in place of that; 1: the test's own */

int __wrap_gnutls_certificate_set_x509_system_trust(gnutls_certificate_credentials_t certificates);

int __wrap_gnutls_certificate_set_x509_system_trust(gnutls_certificate_credentials_t certificates) {
    times_read++;
    if (answer <= 0)
        return answer;
    const gnutls_datum_t ca = {(unsigned char *)identity.ca_pem, (unsigned)strlen(identity.ca_pem)};
    return gnutls_certificate_set_x509_trust_mem(certificates, &ca, GNUTLS_X509_FMT_PEM);
}

static poplin_tls_credentials *trusting(const poplin_tls_trust *trust) {
    poplin_tls_credentials *made;
    times_read = 0;
    assert_int_equal(poplin_tls_client_credentials(trust, &made, NULL), POPLIN_OK);
    assert_int_equal(times_read, 0);
    return made;
}

/* How a handshake with these credentials ends, and what the client then says of it. */
static int shake_with(poplin_tls_credentials *credentials, poplin_error *error) {
    poplin_tls *client, *server = new_server();
    int server_status;
    assert_int_equal(poplin_tls_client_new(credentials, "localhost", &client), POPLIN_OK);
    const int status = shake(client, server, &server_status);
    if (status != POPLIN_OK)
        *error = *poplin_tls_error(client);
    poplin_tls_free(client);
    poplin_tls_free(server);
    return status;
}

/* holds: POP-TLS-4 C */
static void they_are_read_with_the_first_certificate_and_once(void **state) {
    (void)state;
    poplin_error error;
    answer = 1;
    poplin_tls_credentials *credentials = trusting(&(poplin_tls_trust){.verify = true});
    assert_int_equal(shake_with(credentials, &error), POPLIN_OK);
    assert_int_equal(shake_with(credentials, &error), POPLIN_OK);
    assert_int_equal(times_read, 1);
    poplin_tls_credentials_free(credentials);
}

/* Nothing is trusted then, and they are looked for again: they may have been installed meanwhile. */
static void a_system_that_has_none_is_told_of(void **state) {
    (void)state;
    static const int NONE[] = {0, GNUTLS_E_UNIMPLEMENTED_FEATURE};
    for (size_t i = 0; i < COUNT_OF(NONE); i++) {
        poplin_error error;
        answer = NONE[i];
        poplin_tls_credentials *credentials = trusting(&(poplin_tls_trust){.verify = true});
        assert_int_equal(shake_with(credentials, &error), POPLIN_ERR_CERTIFICATE);
        assert_non_null(strstr(error.reason, "no trusted CAs; install ca-certificates, or pass ca_file="));
        answer = 1;
        assert_int_equal(shake_with(credentials, &error), POPLIN_OK);
        assert_int_equal(times_read, 2);
        poplin_tls_credentials_free(credentials);
    }
}

static void they_are_not_read_where_others_are_trusted_or_nobody_is_asked(void **state) {
    (void)state;
    poplin_error error;
    char folder[] = "/tmp/poplin-XXXXXX", keys[48];
    answer = 1;
    assert_non_null(mkdtemp(folder));
    snprintf(keys, sizeof keys, "%s/keys", folder);
    const poplin_tls_trust trusts[] = {
        {.verify = true, .ca_pem = poplin_slice_of(identity.ca_pem)},
        {.verify = false},
        {.verify = true, .first_use_file = keys},
    };
    for (size_t i = 0; i < COUNT_OF(trusts); i++) {
        poplin_tls_credentials *credentials = trusting(&trusts[i]);
        assert_int_equal(shake_with(credentials, &error), POPLIN_OK);
        assert_int_equal(times_read, 0);
        poplin_tls_credentials_free(credentials);
    }
    assert_int_equal(unlink(keys), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void *shake_often(void *credentials) {
    poplin_error error;
    for (int i = 0; i < 10; i++)
        if (shake_with(credentials, &error) != POPLIN_OK)
            return credentials;
    return NULL;
}

/* Each finds them read, though another one is at it. */
static void threads_that_share_credentials_read_them_once(void **state) {
    (void)state;
    pthread_t threads[4];
    void *failed = NULL;
    answer = 1;
    poplin_tls_credentials *credentials = trusting(&(poplin_tls_trust){.verify = true});
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, shake_often, credentials), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(times_read, 1);
    poplin_tls_credentials_free(credentials);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_read_with_the_first_certificate_and_once),
        cmocka_unit_test(a_system_that_has_none_is_told_of),
        cmocka_unit_test(they_are_not_read_where_others_are_trusted_or_nobody_is_asked),
        cmocka_unit_test(threads_that_share_credentials_read_them_once),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
