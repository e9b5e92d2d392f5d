/*
 * secured.h - a certificate for the tests of servers under TLS, made once for a group of tests, and the trust in it.
 */
#ifndef SECURED_H
#define SECURED_H

#include <poplin/tls.h>

#include "support.h"

struct secure {
    poplin_tls_credentials *identity, *trust;
};

static struct secure secure;

static inline int secure_set_up(void **state) {
    static const char *const names[] = {"localhost", "127.0.0.1"};
    poplin_tls_throwaway made;
    poplin_tls_trust trust = {.verify = true};
    (void)state;
    assert_int_equal(poplin_tls_throwaway_new(names, COUNT_OF(names), &made), POPLIN_OK);
    trust.ca_pem = (poplin_slice){made.ca_pem, strlen(made.ca_pem)};
    assert_int_equal(poplin_tls_server_credentials_pem((poplin_slice){made.cert_pem, strlen(made.cert_pem)},
                                                       (poplin_slice){made.key_pem, strlen(made.key_pem)},
                                                       &secure.identity, NULL),
                     POPLIN_OK);
    assert_int_equal(poplin_tls_client_credentials(&trust, &secure.trust, NULL), POPLIN_OK);
    poplin_tls_throwaway_free(&made);
    return 0;
}

static inline int secure_tear_down(void **state) {
    (void)state;
    poplin_tls_credentials_free(secure.identity);
    poplin_tls_credentials_free(secure.trust);
    return 0;
}

#endif
