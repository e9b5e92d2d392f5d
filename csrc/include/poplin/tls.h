/*
 * poplin/tls.h - TLS as a filter, octets in and octets out, over GnuTLS; credentials; throw-away certificates.
 *
 * A poplin_tls sits between a link and a machine and does no I/O. Ciphertext from the peer is lent with input and
 * plaintext taken with read; plaintext for the peer is given to write and the ciphertext taken with output and sent.
 *
 * TLS 1.2 and 1.3 only, AES-GCM preferred, ALPN "pop3", no renegotiation, no compression, no early data
 * (RFC 8997, RFC 9325, protocol.md section 9).
 */
#ifndef POPLIN_TLS_H
#define POPLIN_TLS_H

#include <poplin/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Certificates and keys, of a client (what it trusts) or of a server (who it is). Counted references, thread-safe. */
typedef struct poplin_tls_credentials poplin_tls_credentials;

/* The filter for one connection. It belongs to one thread at a time. */
typedef struct poplin_tls poplin_tls;

typedef struct poplin_tls_trust {
    bool verify;           /* check chain, validity, purpose and name: false only where the user said so by name */
    bool no_resumption;    /* shake hands in full each time */
    const char *ca_file;   /* PEM file of trusted CAs; NULL with no ca_pem: the system's */
    poplin_slice ca_pem;   /* trusted CAs as PEM text */
    const char *cert_file; /* client certificate chain, PEM; NULL: none */
    const char *key_file;  /* its key, PEM; NULL: in cert_file */
    /* Keys of which the server must have one, besides what verify asks for: each the base64 form of the SHA-256 of its
     * SubjectPublicKeyInfo (RFC 7469 section 2.4), separated by spaces. NULL: any key. */
    const char *pins;
    /* Trust on first use: the file that keeps the servers' keys; NULL: none. It takes the CAs' place: chain, validity, purpose and
     * name are not looked at. Needs verify, and no CAs. */
    const char *first_use_file;
} poplin_tls_trust;

/*
 * What a client trusts. CERTIFICATE: a file cannot be read or holds no certificate, a pin is none, or two settings exclude each
 * other; *error (may be NULL) tells which. NOMEM. The system's CAs are read when the first certificate is looked at: where there are
 * none, it is that handshake that fails.
 *
 * The credentials keep what is needed to take up a session again at a later connection, for the last 32 servers, told apart by name and port,
 * each session for one connection; filters of several threads may share them. Who the server is, is checked anew each time; once the
 * certificate that a session began with has ended, or what was stapled to it, the session is not taken up, so that the server shows new ones.
 *
 * The file of first_use_file has a line for each server, "mail.example.org:995" and the pin of its key, and belongs to its user, who may
 * remove a line. At the first contact, and only then, a line is added, once the handshake is done and before anything is said; a key that is
 * another than the one kept is refused with CERTIFICATE, a file that cannot be used or written with IO, LIMIT or CERTIFICATE. Several threads
 * and processes may share the file. Who adds a line holds its lock (flock): one that is held by another for 2 s is not waited for any longer (IO).
 */
POPLIN_API int poplin_tls_client_credentials(const poplin_tls_trust *trust, poplin_tls_credentials **credentials,
                                             poplin_error *error);

/* Who a server is, from PEM files; key_file NULL: the key is in cert_file. Failures as above. */
POPLIN_API int poplin_tls_server_credentials(const char *cert_file, const char *key_file,
                                             poplin_tls_credentials **credentials, poplin_error *error);

/* Who a server is, from PEM text. Failures as above. */
POPLIN_API int poplin_tls_server_credentials_pem(poplin_slice cert, poplin_slice key,
                                                 poplin_tls_credentials **credentials, poplin_error *error);

/*
 * Gives a server a further certificate, from PEM files or as PEM text (key_file NULL, key empty: with the certificate). The client's SNI chooses,
 * by the names of the certificates: the first that is for the name, by RFC 9525. A client that sends none is shown the first certificate.
 * A server that has several refuses a name that none is for with the alert unrecognized_name (RFC 6066 section 3); one with a single
 * certificate shows that, and leaves it to the client. To be done before the credentials are used. Failures as above; CERTIFICATE: it
 * names no host; LIMIT: more than 64; STATE: a client's credentials, or poplin_tls_server_credentials_clients came first.
 */
POPLIN_API int poplin_tls_server_credentials_add(poplin_tls_credentials *credentials, const char *cert_file,
                                                 const char *key_file, poplin_error *error);
POPLIN_API int poplin_tls_server_credentials_add_pem(poplin_tls_credentials *credentials, poplin_slice cert,
                                                     poplin_slice key, poplin_error *error);

/*
 * Has a server shake hands in full each time. Else it hands out tickets for a session to be taken up again within six hours, under a key
 * of these credentials that changes by itself; but none where it asks its clients for certificates, nor by TLS 1.2 without extended master
 * secret. To be done before the credentials are used. STATE: a client's credentials.
 */
POPLIN_API int poplin_tls_server_credentials_no_resumption(poplin_tls_credentials *credentials, poplin_error *error);

/*
 * Staples an OCSP response (DER, RFC 6066 section 8) to the certificate that a server's credentials were given last, to be done before they are
 * used. What it says is not looked at. CERTIFICATE: it is no OCSP response; STATE: a client's credentials.
 */
POPLIN_API int poplin_tls_server_credentials_staple(poplin_tls_credentials *credentials, poplin_slice response,
                                                    poplin_error *error);

/*
 * Has a server ask its clients for certificates, which one of these CAs signed: from a PEM file or as PEM text, one of the two. A client
 * need not give one; one that does gives a good one or gets no further. To be done before the credentials are used, and only where
 * EXTERNAL is on, since nothing else comes of it (SASL-EXT-2). CERTIFICATE: they cannot be read; STATE: a client's credentials.
 */
POPLIN_API int poplin_tls_server_credentials_clients(poplin_tls_credentials *credentials, const char *ca_file,
                                                     poplin_slice ca_pem, poplin_error *error);

/*
 * Has the secrets of each connection appended to a file, in the form that Wireshark reads (NSS key log): for debugging, since whoever
 * reads the file reads the connections. It is created, and kept, for its owner only (mode 0600). Nothing else turns this on; the
 * environment's SSLKEYLOGFILE is not looked at. Of a client or a server, to be done before the credentials are used; a write that fails
 * fails the handshake. IO: the file cannot be opened, or is no regular file; STATE: there is one already.
 */
POPLIN_API int poplin_tls_credentials_key_log(poplin_tls_credentials *credentials, const char *path,
                                              poplin_error *error);

/* One more owner. Returns credentials. */
POPLIN_API poplin_tls_credentials *poplin_tls_credentials_ref(poplin_tls_credentials *credentials);

/* One owner less; the last one frees. NULL is allowed. */
POPLIN_API void poplin_tls_credentials_free(poplin_tls_credentials *credentials);

/*
 * A throw-away CA and a server certificate that it signed, for tests and demonstrations: ECDSA P-256, valid from a
 * day ago for 30 days, for the host names and IP literals given. The PEM texts end in NUL and are freed with
 * poplin_tls_throwaway_free, which wipes the key. CERTIFICATE: one of the names is no host name; NOMEM: out of memory,
 * or GnuTLS cannot make one.
 */
typedef struct poplin_tls_throwaway {
    char *ca_pem;
    char *cert_pem;
    char *key_pem;
    char *staple; /* an OCSP response, DER, of staple_size octets, for a revoked certificate; else NULL */
    size_t staple_size;
} poplin_tls_throwaway;

/* What is wrong with a certificate that a client must refuse, or nothing. */
#define POPLIN_BLEMISH_TABLE(X) \
    X(NONE, "none", "nothing: it is good") \
    X(EXPIRED, "expired", "its validity ended yesterday") \
    X(NOT_YET_VALID, "not-yet-valid", "its validity begins tomorrow") \
    X(WRONG_HOST, "wrong-host", "it is for another name, wrong.invalid") \
    X(UNKNOWN_ROOT, "unknown-root", "a CA signed it that is not the one given out") \
    X(SELF_SIGNED, "self-signed", "it signed itself") \
    X(WEAK_KEY, "weak-key", "its RSA key has 1024 bits") \
    X(WRONG_PURPOSE, "wrong-purpose", "it is for clients only") \
    X(REVOKED, "revoked", "the OCSP response that is stapled to it says so") \
    X(NAME_ONLY_IN_CN, "name-only-in-cn", "its names stand in the subject's CN and in no subjectAltName")

enum poplin_blemish {
#define POPLIN_BLEMISH_ENUM(name, word, meaning) POPLIN_BLEMISH_##name,
    POPLIN_BLEMISH_TABLE(POPLIN_BLEMISH_ENUM)
#undef POPLIN_BLEMISH_ENUM
        POPLIN_BLEMISH_COUNT
};

/* The word, "expired", and what it means; NULL for a number that is none. Static. */
POPLIN_API const char *poplin_blemish_word(enum poplin_blemish blemish);
POPLIN_API const char *poplin_blemish_meaning(enum poplin_blemish blemish);

/* A throw-away CA that lives on, for several certificates. Belongs to one thread at a time. */
typedef struct poplin_tls_authority poplin_tls_authority;

/* NOMEM: out of memory, or GnuTLS cannot make one. */
POPLIN_API int poplin_tls_authority_new(poplin_tls_authority **authority);
POPLIN_API void poplin_tls_authority_free(poplin_tls_authority *authority);

/*
 * Issues a server certificate for these names, with this blemish; ca_pem is the authority's own certificate in each case. Failures as
 * poplin_tls_throwaway_new; STATE: a number that is no blemish.
 */
POPLIN_API int poplin_tls_authority_issue(poplin_tls_authority *authority, enum poplin_blemish blemish,
                                          const char *const *names, size_t count, poplin_tls_throwaway *throwaway);

/*
 * Issues a client certificate for this user: the name stands as rfc822Name in subjectAltName where it has an "@" and is
 * ASCII, and as CN of the subject. Failures as above; CERTIFICATE: the name is empty, longer than 64 octets, or no plain text in UTF-8.
 */
POPLIN_API int poplin_tls_authority_issue_client(poplin_tls_authority *authority, const char *user,
                                                 poplin_tls_throwaway *throwaway);

POPLIN_API int poplin_tls_throwaway_new(const char *const *names, size_t count, poplin_tls_throwaway *throwaway);
POPLIN_API void poplin_tls_throwaway_free(poplin_tls_throwaway *throwaway);

/* Whom a client means to meet. */
typedef struct poplin_tls_peer {
    /* That the user configured: sent as SNI and checked against the certificate (RFC 9525); an IP literal is compared with iPAddress
     * entries and not sent. NULL: no name is checked, which only credentials without verify allow. */
    const char *name;
    uint16_t port; /* tells the servers of one name apart, where something about them is kept; 0: not known */
    /* Of the user's address, as he gave it: a certificate is good for it too, by an SRVName for POP3 (RFC 4985, RFC 7817 section 3) or a
     * dNSName; NULL: only for name. name says who is connected to, and may have come from the DNS; this did not. */
    const char *mail_domain;
} poplin_tls_peer;

/*
 * A client's filter; peer is copied. The first flight is in output at once. A name or domain that is none fails the handshake with
 * CERTIFICATE. STATE: credentials of a server, or no name where one is needed; NOMEM.
 */
POPLIN_API int poplin_tls_client_open(poplin_tls_credentials *credentials, const poplin_tls_peer *peer,
                                      poplin_tls **tls);

/* The same for a peer of whom nothing but the name is known. */
POPLIN_API int poplin_tls_client_new(poplin_tls_credentials *credentials, const char *server_name, poplin_tls **tls);

/* A server's filter. STATE: credentials of a client; NOMEM. */
POPLIN_API int poplin_tls_server_new(poplin_tls_credentials *credentials, poplin_tls **tls);

/* Frees the filter; sends nothing. NULL is allowed. */
POPLIN_API void poplin_tls_free(poplin_tls *tls);

/*
 * Lends size octets of ciphertext. They must stay where they are until handshake or read answers anything but OK.
 * After a failure or END they are not looked at. STATE: octets are still lent.
 */
POPLIN_API int poplin_tls_input(poplin_tls *tls, const void *data, size_t size);

/*
 * Goes on with the handshake. OK: TLS stands, and what is still lent is for read. NEED_INPUT: all that was lent is
 * used up. TLS, CERTIFICATE: it failed; the alert for the peer is in output, and *error of poplin_tls_error says why.
 */
POPLIN_API int poplin_tls_handshake(poplin_tls *tls);

/*
 * Reads plaintext into buffer, as many records as are lent and fit: OK with *got > 0; NEED_INPUT: all that was lent is used up; END: the peer sent
 * close_notify, whatever follows is ignored; TLS: a broken record, a renegotiation request; STATE: before the handshake
 * is done. An end or a failure behind some plaintext is told by the call after the one that hands this out.
 */
POPLIN_API int poplin_tls_read(poplin_tls *tls, void *buffer, size_t size, size_t *got);

/*
 * Encrypts all of size octets into output, in records as large as TLS allows. The caller bounds what it gives before
 * output is sent. TLS, NOMEM; STATE: before the handshake is done, or after close.
 */
POPLIN_API int poplin_tls_write(poplin_tls *tls, const void *data, size_t size);

/*
 * Puts close_notify into output. Nothing may be written afterwards; reading goes on. A second call does nothing. STATE:
 * before the handshake is done.
 */
POPLIN_API int poplin_tls_close(poplin_tls *tls);

/* Ciphertext to be sent, and that it was: as poplin_client_output and poplin_client_sent. */
POPLIN_API void poplin_tls_output(poplin_tls *tls, const char **data, size_t *size);
POPLIN_API void poplin_tls_sent(poplin_tls *tls, size_t size);

/* What was negotiated, for the machines. STATE: before the handshake is done. */
POPLIN_API int poplin_tls_get_facts(const poplin_tls *tls, poplin_tls_facts *facts);

/* How one side was made sure of who the other is. */
#define POPLIN_TLS_PROOF_TABLE(X) \
    X(NONE, "", "not at all") \
    X(CA, "ca", \
      "a trusted CA vouches for the certificate, which is a server's and for the name; a client's needs no name") \
    X(CA_AND_PIN, "ca+pin", "the same, and the key is one of those pinned") \
    X(PIN, "pin", "the key is one of those pinned; nothing else was looked at") \
    X(FIRST_USE, "first-use", "the key was seen for the first time, and kept") \
    X(KNOWN_KEY, "known-key", "the key is the one that was kept at the first contact")

enum poplin_tls_proof {
#define POPLIN_TLS_PROOF_ENUM(name, word, meaning) POPLIN_TLS_PROOF_##name,
    POPLIN_TLS_PROOF_TABLE(POPLIN_TLS_PROOF_ENUM)
#undef POPLIN_TLS_PROOF_ENUM
        POPLIN_TLS_PROOF_COUNT
};

/* The word, "ca", "" for NONE; NULL for a number that is none. Static. */
POPLIN_API const char *poplin_tls_proof_word(enum poplin_tls_proof proof);

/* What was negotiated and what was verified. All strings end in NUL, and "" is none. */
typedef struct poplin_tls_info {
    char version[16];      /* "TLS1.3" */
    char cipher[64];       /* the cipher suite by its registered name, "TLS_AES_128_GCM_SHA256" */
    char group[32];        /* of the key exchange, "X25519"; "" where a session was resumed without one */
    char alpn[16];         /* the protocol agreed on, "pop3"; "": the other side does not speak of it */
    char server_name[256]; /* that the client sent (SNI); "": none, or to a server: no host name */
    bool resumed;          /* an earlier session was taken up again */
    enum poplin_tls_proof proof;
    char certificate[65]; /* the SHA-256 of the peer's certificate, in hexadecimal; "": it gave none */
    char pin[45];         /* of its key, as in poplin_tls_trust */
    int64_t not_after;    /* when the certificate ends, in seconds since 1970; 0: there is none */
} poplin_tls_info;

/* What was negotiated, for a host. STATE: before the handshake is done. */
POPLIN_API int poplin_tls_get_info(const poplin_tls *tls, poplin_tls_info *info);

/* What was negotiated, for people: "TLS1.3 AES-256-GCM"-like words. Ends in NUL; lives as long as the filter. */
POPLIN_API const char *poplin_tls_describe(const poplin_tls *tls);

/* The failure, after TLS or CERTIFICATE. Owned by the filter. */
POPLIN_API const poplin_error *poplin_tls_error(const poplin_tls *tls);

#ifdef __cplusplus
}
#endif
#endif
