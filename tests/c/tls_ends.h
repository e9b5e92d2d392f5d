/*
 * tls_ends.h - both ends of a connection for the TLS tests: our clients and servers with one identity, alone, in pairs,
 * or facing a raw peer.
 */
#ifndef TLS_ENDS_H
#define TLS_ENDS_H

#include "tls_support.h"

static poplin_tls_throwaway identity;
static poplin_tls_credentials *client_credentials, *server_credentials;

/* What a raw peer talks unless a test wants otherwise. */
#define TLS13 "NORMAL:-VERS-ALL:+VERS-TLS1.3"
#define TLS12 "NORMAL:-VERS-ALL:+VERS-TLS1.2"

static inline int set_up(void **state) {
    (void)state;
    static const char *const NAMES[] = {"localhost"};
    assert_int_equal(poplin_tls_throwaway_new(NAMES, 1, &identity), POPLIN_OK);
    poplin_tls_trust trust = {.verify = true, .ca_pem = poplin_slice_of(identity.ca_pem)};
    assert_int_equal(poplin_tls_client_credentials(&trust, &client_credentials, NULL), POPLIN_OK);
    assert_int_equal(poplin_tls_server_credentials_pem(poplin_slice_of(identity.cert_pem),
                                                       poplin_slice_of(identity.key_pem), &server_credentials, NULL),
                     POPLIN_OK);
    /* So that a server's flight is its handshake and nothing else; test_tls_resume.c is about tickets. */
    return poplin_tls_server_credentials_no_resumption(server_credentials, NULL);
}

static inline int tear_down(void **state) {
    (void)state;
    poplin_tls_credentials_free(client_credentials);
    poplin_tls_credentials_free(server_credentials);
    poplin_tls_throwaway_free(&identity);
    return 0;
}

static inline poplin_tls *new_client(void) {
    poplin_tls *tls;
    assert_int_equal(poplin_tls_client_new(client_credentials, "localhost", &tls), POPLIN_OK);
    return tls;
}

static inline poplin_tls *new_server(void) {
    poplin_tls *tls;
    assert_int_equal(poplin_tls_server_new(server_credentials, &tls), POPLIN_OK);
    return tls;
}

/* A client and a server that have shaken hands. */
static inline void new_pair(poplin_tls **client, poplin_tls **server) {
    int server_status;
    *client = new_client();
    *server = new_server();
    assert_int_equal(shake(*client, *server, &server_status), POPLIN_OK);
    assert_int_equal(server_status, POPLIN_OK);
}

/* A client of ours with a raw server, after the handshake; what the server sent behind it stays in raw->out. */
static inline poplin_tls *client_of(raw_peer *raw, const char *priority) {
    int code;
    raw_open(raw, GNUTLS_SERVER, priority, &identity);
    poplin_tls *client = new_client();
    assert_int_equal(shake_raw(client, raw, &code), POPLIN_OK);
    assert_int_equal(code, 0);
    return client;
}

/* A server of ours with a raw client, after the handshake. */
static inline poplin_tls *server_of(raw_peer *raw, const char *priority) {
    int code;
    raw_open(raw, GNUTLS_CLIENT, priority, NULL);
    poplin_tls *server = new_server();
    assert_int_equal(shake_raw(server, raw, &code), POPLIN_OK);
    assert_int_equal(code, 0);
    return server;
}

/* Reads at most room octets a call until more input is needed or it ends; appends to text, which must be empty. */
static inline int read_all(poplin_tls *tls, size_t room, poplin_buffer *text) {
    char *buffer = malloc(room);
    size_t got;
    int status;
    while ((status = poplin_tls_read(tls, buffer, room, &got)) == POPLIN_OK) {
        assert_in_range(got, 1, room);
        assert_int_equal(poplin_buffer_append(text, buffer, got), POPLIN_OK);
    }
    assert_int_equal(got, 0);
    free(buffer);
    return status;
}

/* Lends all that the buffer holds, reads all of it, and empties the buffer. */
static inline int read_from(poplin_tls *tls, poplin_buffer *wire, poplin_buffer *text) {
    poplin_slice lent = poplin_buffer_slice(wire);
    assert_int_equal(poplin_tls_input(tls, lent.data, lent.size), POPLIN_OK);
    int status = read_all(tls, 100000, text);
    poplin_buffer_free(wire);
    return status;
}

static inline void assert_text(poplin_buffer *text, poplin_slice expected) {
    assert_int_equal(text->size, expected.size);
    assert_memory_equal(poplin_buffer_slice(text).data, expected.data, expected.size);
    poplin_buffer_free(text);
}

static inline void assert_failed_for_good(poplin_tls *tls, const char *reason) {
    char octet;
    size_t got;
    const poplin_error *error = poplin_tls_error(tls);
    assert_int_equal(error->status, POPLIN_ERR_TLS);
    if (strstr(error->reason, reason) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error->reason, reason);
    assert_int_equal(poplin_tls_input(tls, "more", 4), POPLIN_OK);
    assert_int_equal(poplin_tls_handshake(tls), POPLIN_ERR_TLS);
    assert_int_equal(poplin_tls_read(tls, &octet, 1, &got), POPLIN_ERR_TLS);
    assert_int_equal(poplin_tls_write(tls, "x", 1), POPLIN_ERR_TLS);
    assert_int_equal(poplin_tls_close(tls), POPLIN_ERR_TLS);
}

#endif
