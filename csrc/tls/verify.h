/*
 * tls/verify.h - is the peer who the user meant? Chain, validity, purpose and name of a server's certificate; of a client's all
 * but the name.
 */
#ifndef POPLIN_TLS_VERIFY_H
#define POPLIN_TLS_VERIFY_H

#include <gnutls/x509.h>
#include <poplin/status.h>
#include <stdbool.h>
#include <stdint.h>

/* Whom the user meant: a host name, or an IP address. */
typedef struct poplin_peer_name {
    char text[256]; /* the name in A-labels without a last dot, or the literal without its zone */
    unsigned char address[16];
    size_t address_size; /* 4 or 16; 0: a host name */
} poplin_peer_name;

enum { POPLIN_PEER_KEY_SIZE = 270 };

/* Reads a host name or an IP literal. OK, or ERR_CERTIFICATE: it is neither, so that no certificate can match it. */
int poplin_peer_name_parse(const char *text, poplin_peer_name *name);

/* Whether the certificate is for name, by RFC 9525: by its subjectAltName and nothing else. */
bool poplin_certificate_is_for(gnutls_x509_crt_t certificate, const poplin_peer_name *name);

/* Whether its subjectAltName has any name of a host, or address. */
bool poplin_certificate_names_hosts(gnutls_x509_crt_t certificate);

/* Writes "mail.example.org:995", "[::1]:995": the same for all spellings of one name. */
void poplin_peer_name_key(const poplin_peer_name *name, uint16_t port, char key[POPLIN_PEER_KEY_SIZE]);

/*
 * Verifies the certificate that a server has presented on session, and that it is for name, or for domain (NULL: none) as its POP3
 * server. OK; ERR_CERTIFICATE or
 * ERR_NOMEM with *error filled in and *alert what to tell the peer.
 */
int poplin_server_verify(gnutls_session_t session, const poplin_peer_name *name, const poplin_peer_name *domain,
                         poplin_error *error, gnutls_alert_description_t *alert);

/*
 * Verifies the certificate of a client, if it gave one: *verified is whether it gave one that is good. Answers as above; OK where it
 * gave none.
 */
int poplin_client_verify(gnutls_session_t session, bool *verified, poplin_error *error,
                         gnutls_alert_description_t *alert);

#endif
