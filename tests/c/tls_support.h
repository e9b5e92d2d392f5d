/*
 * tls_support.h - what the TLS tests share: certificates made to order, and a peer that is GnuTLS itself, so that it
 * can do what poplin never does.
 */
#ifndef TLS_SUPPORT_H
#define TLS_SUPPORT_H

#include "support.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509-ext.h>
#include <gnutls/x509.h>
#include <poplin/tls.h>
#include <time.h>

#include "wire/grammar.h"

enum { DAY = 24 * 60 * 60 };

/* ---- certificates ---- */

typedef struct certificate {
    gnutls_x509_crt_t crt;
    gnutls_x509_privkey_t key;
} certificate;

/* What a certificate is to be; all zero is a server's that is valid now, without any name. */
typedef struct certificate_order {
    const certificate *issuer; /* NULL: it signs itself */
    const char *common_name;   /* NULL: one that is no host name */
    const poplin_slice *names; /* values of the subject's CNs as they stand in DER, in place of common_name */
    size_t names_count;
    const char *organization; /* NULL: none; behind the names */
    const poplin_slice *dns;  /* dNSName entries */
    size_t dns_count;
    poplin_slice address;          /* one iPAddress entry */
    const poplin_slice *mailboxes; /* rfc822Name entries */
    size_t mailboxes_count;
    const poplin_slice *services; /* SRVNames (RFC 4985) */
    size_t services_count;
    unsigned char service_form; /* the last number of the otherNames' OID in place of SRVName's 7; 0: that */
    poplin_slice uri;           /* one uniformResourceIdentifier entry */
    bool is_ca;
    int path_length;                  /* of a CA; 0: no limit, so that -1 is a limit of 0 */
    const char *purpose;              /* NULL: serverAuth; "": none at all */
    const char *permitted;            /* of a CA: the only domain that it may vouch for */
    int from_days, until_days;        /* from now; both 0: -1 and 30 */
    bool must_staple;                 /* by its TLS feature extension (RFC 7633) */
    gnutls_digest_algorithm_t digest; /* of the signature; 0: SHA-256 */
} certificate_order;

static inline void must(int code) {
    if (code < 0)
        fail_msg("GnuTLS: %s", gnutls_strerror(code));
}

static inline void certificate_constrain(gnutls_x509_crt_t crt, const char *permitted) {
    gnutls_x509_name_constraints_t constraints;
    gnutls_datum_t domain = {(unsigned char *)(uintptr_t)permitted, (unsigned)strlen(permitted)};
    must(gnutls_x509_name_constraints_init(&constraints));
    must(gnutls_x509_name_constraints_add_permitted(constraints, GNUTLS_SAN_DNSNAME, &domain));
    must(gnutls_x509_crt_set_name_constraints(crt, constraints, 1));
    gnutls_x509_name_constraints_deinit(constraints);
}

static inline void certificate_must_staple(gnutls_x509_crt_t crt) {
    enum { STATUS_REQUEST = 5 };
    gnutls_x509_tlsfeatures_t features;
    must(gnutls_x509_tlsfeatures_init(&features));
    must(gnutls_x509_tlsfeatures_add(features, STATUS_REQUEST));
    must(gnutls_x509_crt_set_tlsfeatures(crt, features));
    gnutls_x509_tlsfeatures_deinit(features);
}

static inline unsigned char *write_header(unsigned char *end, unsigned char type, size_t size) {
    *end++ = type;
    if (size > 0x7F) {
        *end++ = 0x82;
        *end++ = (unsigned char)(size >> 8);
    }
    *end++ = (unsigned char)size;
    return end;
}

static inline unsigned char *write_name(unsigned char *end, unsigned char type, poplin_slice name) {
    end = write_header(end, type, name.size);
    memcpy(end, name.data, name.size);
    return end + name.size;
}

/* An otherName, whose value is an IA5String; each is shorter than 100 octets. */
static inline unsigned char *write_service(unsigned char *end, poplin_slice service, unsigned char form) {
    const unsigned char SRV_NAME[] = {0x06, 0x08, 0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x08, form != 0 ? form : 0x07};
    enum { OTHER_NAME = 0xA0, VALUE = 0xA0, IA5_STRING = 0x16 };
    end = write_header(end, OTHER_NAME, sizeof SRV_NAME + service.size + 4);
    memcpy(end, SRV_NAME, sizeof SRV_NAME);
    end = write_header(end + sizeof SRV_NAME, VALUE, service.size + 2);
    return write_name(end, IA5_STRING, service);
}

/* Writes the subjectAltName octet for octet, since GnuTLS would cut a name at a NUL. All names together: 1000 octets. */
static inline void certificate_name(gnutls_x509_crt_t crt, const certificate_order *order) {
    enum { SEQUENCE = 0x30, RFC822_NAME = 0x81, DNS_NAME = 0x82, URI = 0x86, IP_ADDRESS = 0x87 };
    unsigned char names[1000], der[1004];
    unsigned char *end = names;
    for (size_t i = 0; i < order->dns_count; i++)
        end = write_name(end, DNS_NAME, order->dns[i]);
    if (order->address.size > 0)
        end = write_name(end, IP_ADDRESS, order->address);
    for (size_t i = 0; i < order->mailboxes_count; i++)
        end = write_name(end, RFC822_NAME, order->mailboxes[i]);
    for (size_t i = 0; i < order->services_count; i++)
        end = write_service(end, order->services[i], order->service_form);
    if (order->uri.size > 0)
        end = write_name(end, URI, order->uri);
    end = write_name(der, SEQUENCE, (poplin_slice){(const char *)names, (size_t)(end - names)});
    must(gnutls_x509_crt_set_extension_by_oid(crt, GNUTLS_X509EXT_OID_SAN, der, (size_t)(end - der), 0));
}

/* The subject: the names in DER, or one in plain text. */
static inline void certificate_subject(gnutls_x509_crt_t crt, const certificate_order *order) {
    const char *name = order->common_name != NULL ? order->common_name : order->is_ca ? "a CA" : "a server";
    for (size_t i = 0; i < order->names_count; i++)
        must(gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 1, order->names[i].data,
                                           (unsigned)order->names[i].size));
    if (order->organization != NULL)
        must(gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, 0, order->organization,
                                           (unsigned)strlen(order->organization)));
    if (order->names == NULL && order->organization == NULL)
        must(gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned)strlen(name)));
}

static inline certificate certificate_new(certificate_order order) {
    static unsigned char serial = 1;
    certificate made;
    time_t now = time(NULL);
    bool usual = order.from_days == 0 && order.until_days == 0;
    must(gnutls_x509_crt_init(&made.crt));
    must(gnutls_x509_privkey_init(&made.key));
    must(gnutls_x509_privkey_generate(made.key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
    must(gnutls_x509_crt_set_version(made.crt, 3));
    must(gnutls_x509_crt_set_serial(made.crt, &serial, 1));
    serial++;
    must(gnutls_x509_crt_set_activation_time(made.crt, now + (usual ? -1 : order.from_days) * DAY));
    must(gnutls_x509_crt_set_expiration_time(made.crt, now + (usual ? 30 : order.until_days) * DAY));
    certificate_subject(made.crt, &order);
    must(gnutls_x509_crt_set_key(made.crt, made.key));
    must(gnutls_x509_crt_set_basic_constraints(made.crt, order.is_ca,
                                               order.is_ca ? order.path_length == 0 ? -1 : order.path_length + 1 : -1));
    if (order.is_ca)
        must(gnutls_x509_crt_set_key_usage(made.crt, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_DIGITAL_SIGNATURE));
    else if (order.purpose == NULL || order.purpose[0] != '\0')
        must(
            gnutls_x509_crt_set_key_purpose_oid(made.crt, order.purpose ? order.purpose : GNUTLS_KP_TLS_WWW_SERVER, 0));
    if (order.permitted != NULL)
        certificate_constrain(made.crt, order.permitted);
    if (order.must_staple)
        certificate_must_staple(made.crt);
    if (order.dns_count + order.address.size + order.mailboxes_count + order.services_count + order.uri.size > 0)
        certificate_name(made.crt, &order);
    const certificate *issuer = order.issuer != NULL ? order.issuer : &made;
    must(gnutls_x509_crt_sign2(made.crt, issuer->crt, issuer->key,
                               order.digest != GNUTLS_DIG_UNKNOWN ? order.digest : GNUTLS_DIG_SHA256, 0));
    return made;
}

static inline void certificate_free(certificate *made) {
    gnutls_x509_crt_deinit(made->crt);
    gnutls_x509_privkey_deinit(made->key);
}

/* PEM texts are freed with gnutls_free. */
static inline poplin_slice certificate_pem(const certificate *made) {
    gnutls_datum_t text;
    must(gnutls_x509_crt_export2(made->crt, GNUTLS_X509_FMT_PEM, &text));
    return (poplin_slice){(char *)text.data, text.size};
}

static inline poplin_slice certificate_key_pem(const certificate *made) {
    gnutls_datum_t text;
    must(gnutls_x509_privkey_export2_pkcs8(made->key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &text));
    return (poplin_slice){(char *)text.data, text.size};
}

static inline void pem_free(poplin_slice text) {
    gnutls_free((void *)(uintptr_t)text.data);
}

/* ---- a peer that is GnuTLS ---- */

typedef struct raw_peer {
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
    poplin_buffer in, out;
} raw_peer;

static inline ssize_t raw_pull(gnutls_transport_ptr_t pointer, void *data, size_t size) {
    raw_peer *raw = pointer;
    poplin_slice in = poplin_buffer_slice(&raw->in);
    if (in.size == 0) {
        gnutls_transport_set_errno(raw->session, EAGAIN);
        return -1;
    }
    size_t taken = size < in.size ? size : in.size;
    memcpy(data, in.data, taken);
    poplin_buffer_consume(&raw->in, taken);
    return (ssize_t)taken;
}

static inline ssize_t raw_push(gnutls_transport_ptr_t pointer, const void *data, size_t size) {
    raw_peer *raw = pointer;
    assert_int_equal(poplin_buffer_append(&raw->out, data, size), POPLIN_OK);
    return (ssize_t)size;
}

/* role is GNUTLS_SERVER, with the identity in pem texts, or GNUTLS_CLIENT, which verifies nothing; other flags may be or-ed in. */
static inline void raw_open(raw_peer *raw, unsigned role, const char *priority, const poplin_tls_throwaway *identity) {
    *raw = (raw_peer){0};
    must(gnutls_certificate_allocate_credentials(&raw->credentials));
    if ((role & GNUTLS_SERVER) != 0) {
        gnutls_datum_t cert = {(unsigned char *)identity->cert_pem, (unsigned)strlen(identity->cert_pem)};
        gnutls_datum_t key = {(unsigned char *)identity->key_pem, (unsigned)strlen(identity->key_pem)};
        must(gnutls_certificate_set_x509_key_mem(raw->credentials, &cert, &key, GNUTLS_X509_FMT_PEM));
    }
    must(gnutls_init(&raw->session, role | GNUTLS_NONBLOCK));
    must(gnutls_priority_set_direct(raw->session, priority, NULL));
    must(gnutls_credentials_set(raw->session, GNUTLS_CRD_CERTIFICATE, raw->credentials));
    gnutls_transport_set_ptr(raw->session, raw);
    gnutls_transport_set_pull_function(raw->session, raw_pull);
    gnutls_transport_set_push_function(raw->session, raw_push);
}

static inline void raw_close(raw_peer *raw) {
    gnutls_deinit(raw->session);
    gnutls_certificate_free_credentials(raw->credentials);
    poplin_buffer_free(&raw->in);
    poplin_buffer_free(&raw->out);
}

/* ---- moving octets ---- */

/* Appends what tls wants to send to a buffer. */
static inline void take_output(poplin_tls *tls, poplin_buffer *buffer) {
    const char *data;
    size_t size;
    poplin_tls_output(tls, &data, &size);
    assert_int_equal(poplin_buffer_append(buffer, data, size), POPLIN_OK);
    poplin_tls_sent(tls, size);
}

/*
 * Gives the buffer's octets to the handshake of tls one at a time, each in memory of its own, so that a sanitizer
 * sees what is touched too late. Stops when the handshake is done or has failed. Returns its last answer.
 */
static inline int feed_handshake(poplin_tls *tls, poplin_buffer *buffer) {
    int status = poplin_tls_handshake(tls);
    while (status == POPLIN_NEED_INPUT && buffer->size > 0) {
        char *octet = malloc(1);
        *octet = *poplin_buffer_slice(buffer).data;
        poplin_buffer_consume(buffer, 1);
        assert_int_equal(poplin_tls_input(tls, octet, 1), POPLIN_OK);
        status = poplin_tls_handshake(tls);
        free(octet);
    }
    return status;
}

/*
 * Shakes hands between tls and the raw peer until neither goes on; what the peer sends behind its handshake stays in
 * raw->out. Returns the answer of tls; *raw_code is the peer's, 0 or an error of GnuTLS.
 */
static inline int shake_raw(poplin_tls *tls, raw_peer *raw, int *raw_code) {
    int status = POPLIN_NEED_INPUT;
    *raw_code = GNUTLS_E_AGAIN;
    for (int turn = 0; turn < 10; turn++) {
        take_output(tls, &raw->in);
        if (*raw_code == GNUTLS_E_AGAIN) {
            *raw_code = gnutls_handshake(raw->session);
            if (*raw_code < 0 && *raw_code != GNUTLS_E_AGAIN)
                gnutls_alert_send_appropriate(raw->session, *raw_code);
        }
        status = feed_handshake(tls, &raw->out);
    }
    return status;
}

/* Reads what came behind a handshake, which is tickets and no data, and empties the buffer. */
static inline void read_tickets(poplin_tls *tls, poplin_buffer *buffer) {
    poplin_slice lent = poplin_buffer_slice(buffer);
    char octet;
    size_t got;
    assert_int_equal(poplin_tls_input(tls, lent.data, lent.size), POPLIN_OK);
    assert_int_equal(poplin_tls_read(tls, &octet, 1, &got), POPLIN_NEED_INPUT);
    poplin_buffer_consume(buffer, lent.size);
}

/* Shakes hands between two filters. Returns the client's answer; *server_status is the server's. */
static inline int shake(poplin_tls *client, poplin_tls *server, int *server_status) {
    poplin_buffer to_server = {0};
    poplin_buffer to_client = {0};
    int status = POPLIN_NEED_INPUT;
    for (int turn = 0; turn < 10; turn++) {
        take_output(client, &to_server);
        *server_status = feed_handshake(server, &to_server);
        take_output(server, &to_client);
        status = feed_handshake(client, &to_client);
    }
    if (status == POPLIN_OK) {
        assert_int_equal(to_server.size, 0);
        read_tickets(client, &to_client);
    }
    poplin_buffer_free(&to_server);
    poplin_buffer_free(&to_client);
    return status;
}

#endif
