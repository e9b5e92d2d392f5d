/*
 * tls/verify.c - is the peer who the user meant? Chain, validity and purpose are GnuTLS's; the name is checked here
 * by RFC 9525, since GnuTLS still falls back on the subject's common name (POP-TLS-5, -6, -7). A client is meant by nobody: its
 * certificate needs no name.
 */
#include "tls/verify.h"

#include <arpa/inet.h>
#include <gnutls/x509-ext.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "wire/failure.h"
#include "wire/grammar.h"

static const char DOING[] = "certificate check";

enum { LABEL_MAX = 63, NAME_MAX_OCTETS = 253, NAMES_SHOWN = 3 };

/* ---- the name that the user gave ---- */

static bool is_label_octet(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* A last label of digits alone is an address in some notation, never a name (RFC 1123 section 2.1). */
static bool is_host_name(const char *text) {
    size_t label = 0;
    bool number = false;
    for (const char *c = text; *c != '\0'; c++) {
        bool dot = *c == '.';
        if (dot ? label == 0 : !is_label_octet(*c) || label == LABEL_MAX)
            return false;
        number = (label == 0 || number) && *c >= '0' && *c <= '9';
        label = dot ? 0 : label + 1;
    }
    return label > 0 && !number && strlen(text) <= NAME_MAX_OCTETS;
}

/* The mapping to A-labels drops in silence what ASCII has besides letters, digits and the hyphen. */
static bool may_be_mapped(const char *text) {
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < 0x80 && *c != '.' && !is_label_octet(*c))
            return false;
    return true;
}

static int host_name_parse(const char *text, poplin_peer_name *name) {
    gnutls_datum_t mapped;
    if (!may_be_mapped(text) || gnutls_idna_map(text, (unsigned)strlen(text), &mapped, 0) < 0)
        return POPLIN_ERR_CERTIFICATE;
    size_t size = mapped.size;
    if (size > 0 && mapped.data[size - 1] == '.')
        size--;
    bool fits = size < sizeof name->text && memchr(mapped.data, '\0', size) == NULL;
    if (fits) {
        memcpy(name->text, mapped.data, size);
        name->text[size] = '\0';
    }
    gnutls_free(mapped.data);
    return fits && is_host_name(name->text) ? POPLIN_OK : POPLIN_ERR_CERTIFICATE;
}

/* The zone of an IPv6 address means something on this machine only: no certificate holds it. */
int poplin_peer_name_parse(const char *text, poplin_peer_name *name) {
    *name = (poplin_peer_name){0};
    snprintf(name->text, sizeof name->text, "%.*s", (int)strcspn(text, "%"), text);
    if (inet_pton(AF_INET, text, name->address) == 1)
        name->address_size = 4;
    else if (inet_pton(AF_INET6, name->text, name->address) == 1)
        name->address_size = 16;
    else
        return host_name_parse(text, name);
    return POPLIN_OK;
}

void poplin_peer_name_key(const poplin_peer_name *name, uint16_t port, char key[POPLIN_PEER_KEY_SIZE]) {
    char text[sizeof name->text];
    size_t size = 0;
    for (; name->text[size] != '\0'; size++)
        text[size] =
            (char)(name->text[size] >= 'A' && name->text[size] <= 'Z' ? name->text[size] | 0x20 : name->text[size]);
    text[size] = '\0';
    if (name->address_size == 16)
        (void)inet_ntop(AF_INET6, name->address, text, sizeof text);
    snprintf(key, POPLIN_PEER_KEY_SIZE, name->address_size == 16 ? "[%s]:%u" : "%s:%u", text, (unsigned)port);
}

/* ---- the names in the certificate ---- */

/*
 * A wildcard is the whole left-most label, stands for exactly one, and leaves at least two labels, so that nobody
 * holds a certificate for all of a top-level domain. A NUL or a second star in the certificate's name matches nothing, since
 * no reference holds one.
 */
static bool host_name_matches(const char *reference, poplin_slice presented) {
    if (poplin_slice_equal_nocase(presented, reference))
        return true;
    if (presented.size < 2 || memcmp(presented.data, "*.", 2) != 0)
        return false;
    poplin_slice parent = {presented.data + 2, presented.size - 2};
    const char *dot = strchr(reference, '.');
    return dot != NULL && memchr(parent.data, '.', parent.size) != NULL && poplin_slice_equal_nocase(parent, dot + 1);
}

static bool name_matches(const poplin_peer_name *name, unsigned type, const gnutls_datum_t *presented) {
    if (name->address_size > 0)
        return type == GNUTLS_SAN_IPADDRESS && presented->size == name->address_size &&
               memcmp(presented->data, name->address, name->address_size) == 0;
    return type == GNUTLS_SAN_DNSNAME &&
           host_name_matches(name->text, (poplin_slice){(const char *)presented->data, presented->size});
}

/*
 * "_pop3s.example.org" or "_pop3.example.org" in an SRVName: which service it is goes by the domain, and by the service alone; the SRVName of
 * another service of the same domain is no proof. It comes as the IA5String that it is in DER.
 */
static bool service_matches(const poplin_peer_name *domain, const gnutls_datum_t *oid,
                            const gnutls_datum_t *presented) {
    static const char SRV_NAME[] = "1.3.6.1.5.5.7.8.7";
    static const char *const SERVICES[] = {"_pop3s.", "_pop3."};
    enum { IA5_STRING = 0x16, LONGEST_IN_ONE_OCTET = 0x7F };
    size_t oid_size = sizeof SRV_NAME - 1;
    if (oid->size < oid_size || memcmp(oid->data, SRV_NAME, oid_size) != 0 ||
        (oid->size > oid_size && oid->data[oid_size] != '\0') || presented->size < 2 ||
        presented->data[0] != IA5_STRING || presented->data[1] > LONGEST_IN_ONE_OCTET ||
        presented->data[1] != presented->size - 2)
        return false;
    poplin_slice text = {(const char *)presented->data + 2, presented->size - 2};
    for (size_t i = 0; i < sizeof SERVICES / sizeof *SERVICES; i++) {
        size_t size = strlen(SERVICES[i]);
        if (text.size > size && poplin_slice_equal_nocase((poplin_slice){text.data, size}, SERVICES[i]) &&
            poplin_slice_equal_nocase((poplin_slice){text.data + size, text.size - size}, domain->text))
            return true;
    }
    return false;
}

/* What a certificate is for, in words, as far as a message has room for it. */
typedef struct names_text {
    char text[160];
    size_t count;
} names_text;

static void names_add(names_text *names, unsigned type, const gnutls_datum_t *presented) {
    char shown[80] = "";
    if (type == GNUTLS_SAN_DNSNAME)
        poplin_visible((poplin_slice){(const char *)presented->data, presented->size}, shown, sizeof shown);
    else if (type == GNUTLS_SAN_IPADDRESS && (presented->size == 4 || presented->size == 16))
        inet_ntop(presented->size == 4 ? AF_INET : AF_INET6, presented->data, shown, sizeof shown);
    if (shown[0] == '\0')
        return;
    names->count++;
    size_t used = strlen(names->text);
    if (names->count <= NAMES_SHOWN && used + strlen(shown) + 3 < sizeof names->text)
        snprintf(names->text + used, sizeof names->text - used, "%s%s", used > 0 ? ", " : "", shown);
    else if (names->count == NAMES_SHOWN + 1)
        snprintf(names->text + used, sizeof names->text - used, ", ...");
}

/* Reads the certificate's subjectAltName, looking for name, or for domain if that is not NULL. */
static bool find_name(gnutls_x509_crt_t certificate, const poplin_peer_name *name, const poplin_peer_name *domain,
                      names_text *names) {
    gnutls_datum_t extension = {0};
    gnutls_subject_alt_names_t list;
    if (gnutls_x509_crt_get_extension_by_oid2(certificate, GNUTLS_X509EXT_OID_SAN, 0, &extension, NULL) < 0)
        return false;
    if (gnutls_subject_alt_names_init(&list) < 0) {
        gnutls_free(extension.data);
        return false;
    }
    bool found = false;
    if (gnutls_x509_ext_import_subject_alt_names(&extension, list, 0) >= 0) {
        unsigned type;
        gnutls_datum_t presented, oid;
        for (unsigned i = 0; !found && gnutls_subject_alt_names_get(list, i, &type, &presented, &oid) >= 0; i++) {
            found = name_matches(name, type, &presented);
            if (domain != NULL)
                found = found || name_matches(domain, type, &presented) ||
                        (type == GNUTLS_SAN_OTHERNAME && service_matches(domain, &oid, &presented));
            names_add(names, type, &presented);
        }
    }
    gnutls_subject_alt_names_deinit(list);
    gnutls_free(extension.data);
    return found;
}

bool poplin_certificate_is_for(gnutls_x509_crt_t certificate, const poplin_peer_name *name) {
    names_text names = {0};
    return find_name(certificate, name, NULL, &names);
}

bool poplin_certificate_names_hosts(gnutls_x509_crt_t certificate) {
    static const poplin_peer_name NOBODY = {.text =
                                                "."}; /* whom no certificate is for, so that all names are counted */
    names_text names = {0};
    (void)find_name(certificate, &NOBODY, NULL, &names);
    return names.count > 0;
}

static int check_name(gnutls_x509_crt_t certificate, const poplin_peer_name *name, const poplin_peer_name *domain,
                      poplin_error *error) {
    names_text names = {0};
    if (find_name(certificate, name, domain, &names))
        return POPLIN_OK;
    if (names.count == 0)
        return poplin_fail(error, POPLIN_ERR_CERTIFICATE, DOING,
                           "the certificate names no host (no subjectAltName), so it is not for %s", name->text);
    return poplin_fail(error, POPLIN_ERR_CERTIFICATE, DOING, "the certificate is for %s, not %s%s%s", names.text,
                       name->text, domain != NULL ? " nor the POP3 server of " : "",
                       domain != NULL ? domain->text : "");
}

/* ---- the chain ---- */

/* In what the two kinds of peers differ. */
typedef struct peer_kind {
    const char *purpose;
    const char *wrong_purpose; /* what to say */
    const char *unknown_ca;    /* what to do about it */
    const char *old_ca;
    const char *is_ca;
} peer_kind;

static const peer_kind SERVER = {
    .purpose = GNUTLS_KP_TLS_WWW_SERVER,
    .wrong_purpose = "the certificate is not meant for servers (its purposes do not include serverAuth)",
    .unknown_ca = "pass ca_file= with the CA that you trust",
    .old_ca = "a CA certificate that vouches for the server is out of its time",
    .is_ca = "the certificate is that of a CA, not of a server",
};

static const peer_kind CLIENT = {
    .purpose = GNUTLS_KP_TLS_WWW_CLIENT,
    .wrong_purpose = "the certificate is not meant for clients (its purposes do not include clientAuth)",
    .unknown_ca = "it takes one of the CAs that this server trusts for clients",
    .old_ca = "a CA certificate that vouches for the client is out of its time",
    .is_ca = "the certificate is that of a CA, not of a client",
};

/* What GnuTLS can find wrong, in the order in which it is worth telling; NULL: told with particulars. */
static const struct finding {
    unsigned flag;
    gnutls_alert_description_t alert;
    const char *reason;
} FINDINGS[] = {
    {GNUTLS_CERT_SIGNER_NOT_FOUND, GNUTLS_A_UNKNOWN_CA, NULL},
    {GNUTLS_CERT_SIGNATURE_FAILURE, GNUTLS_A_BAD_CERTIFICATE, "a signature in the certificate chain is wrong"},
    {GNUTLS_CERT_REVOKED, GNUTLS_A_CERTIFICATE_REVOKED, "the certificate was revoked by its CA"},
    {GNUTLS_CERT_EXPIRED, GNUTLS_A_CERTIFICATE_EXPIRED, NULL},
    {GNUTLS_CERT_NOT_ACTIVATED, GNUTLS_A_CERTIFICATE_EXPIRED, NULL},
    {GNUTLS_CERT_PURPOSE_MISMATCH, GNUTLS_A_UNSUPPORTED_CERTIFICATE, NULL},
    {GNUTLS_CERT_SIGNER_NOT_CA, GNUTLS_A_UNKNOWN_CA, "the certificate was signed by one that belongs to no CA"},
    {GNUTLS_CERT_SIGNER_CONSTRAINTS_FAILURE, GNUTLS_A_BAD_CERTIFICATE,
     "the certificate chain breaks a limit that a CA has set (path length or permitted names)"},
    {GNUTLS_CERT_INSECURE_ALGORITHM, GNUTLS_A_INSUFFICIENT_SECURITY,
     "a key or signature in the certificate chain is too weak"},
    {GNUTLS_CERT_MISSING_OCSP_STATUS, GNUTLS_A_BAD_CERTIFICATE,
     "the certificate demands a stapled OCSP answer, and the server sent none"},
    {GNUTLS_CERT_INVALID_OCSP_STATUS, GNUTLS_A_BAD_CERTIFICATE, "the stapled OCSP answer is not valid"},
    {GNUTLS_CERT_REVOCATION_DATA_SUPERSEDED, GNUTLS_A_BAD_CERTIFICATE, "the stapled OCSP answer is out of date"},
    {GNUTLS_CERT_REVOCATION_DATA_ISSUED_IN_FUTURE, GNUTLS_A_BAD_CERTIFICATE,
     "the stapled OCSP answer is dated in the future"},
    {GNUTLS_CERT_UNKNOWN_CRIT_EXTENSIONS, GNUTLS_A_UNSUPPORTED_CERTIFICATE,
     "the certificate has a critical extension that is not understood"},
};

static bool is_self_issued(gnutls_x509_crt_t certificate) {
    return gnutls_x509_crt_check_issuer(certificate, certificate) == 1;
}

/* What a peer has presented. */
typedef struct presented {
    const peer_kind *kind;
    gnutls_x509_crt_t leaf;
    const gnutls_datum_t *chain; /* the leaf first */
    unsigned count;
} presented;

static int unknown_ca(const presented *peer, poplin_error *error) {
    return poplin_fail(error, POPLIN_ERR_CERTIFICATE, DOING, "the certificate is %s; %s",
                       is_self_issued(peer->leaf) ? "self-signed" : "signed by an unknown CA", peer->kind->unknown_ca);
}

static int bad_date(const char *whose, const char *what, time_t date, poplin_error *error) {
    char day[32] = "an unknown day";
    struct tm parts;
    if (gmtime_r(&date, &parts) != NULL)
        strftime(day, sizeof day, "%Y-%m-%d", &parts);
    return poplin_fail(error, POPLIN_ERR_CERTIFICATE, DOING, "%s %s %s", whose, what, day);
}

/* Finds which certificate of the chain is out of its time, and tells its date. */
static int out_of_time(const presented *peer, poplin_error *error) {
    time_t now = time(NULL);
    int status = POPLIN_OK;
    for (unsigned i = 0; status == POPLIN_OK && i < peer->count; i++) {
        gnutls_x509_crt_t certificate;
        if (gnutls_x509_crt_init(&certificate) < 0)
            break;
        if (gnutls_x509_crt_import(certificate, &peer->chain[i], GNUTLS_X509_FMT_DER) >= 0) {
            const char *whose = i == 0 ? "the certificate" : "a CA certificate of the chain";
            time_t from = gnutls_x509_crt_get_activation_time(certificate);
            time_t until = gnutls_x509_crt_get_expiration_time(certificate);
            if (until < now)
                status = bad_date(whose, "expired on", until, error);
            else if (from > now)
                status = bad_date(whose, "is not valid before", from, error);
        }
        gnutls_x509_crt_deinit(certificate);
    }
    if (status == POPLIN_OK)
        status = poplin_fail(error, POPLIN_ERR_CERTIFICATE, DOING, "%s", peer->kind->old_ca);
    return status;
}

static int tell_finding(const presented *peer, unsigned findings, poplin_error *error,
                        gnutls_alert_description_t *alert) {
    for (size_t i = 0; i < sizeof FINDINGS / sizeof *FINDINGS; i++) {
        const struct finding *finding = &FINDINGS[i];
        if ((findings & finding->flag) == 0)
            continue;
        *alert = finding->alert;
        if (finding->flag == GNUTLS_CERT_SIGNER_NOT_FOUND)
            return unknown_ca(peer, error);
        if (finding->flag == GNUTLS_CERT_EXPIRED || finding->flag == GNUTLS_CERT_NOT_ACTIVATED)
            return out_of_time(peer, error);
        return poplin_fail(error, POPLIN_ERR_CERTIFICATE, DOING, "%s",
                           finding->reason != NULL ? finding->reason : peer->kind->wrong_purpose);
    }
    return poplin_fail(error, POPLIN_ERR_CERTIFICATE, DOING, "the certificate is not valid");
}

/* A CA that shows its own certificate is a mistake or a theft, unless that certificate itself is trusted. */
static int check_role(const presented *peer, poplin_error *error) {
    if (gnutls_x509_crt_get_ca_status(peer->leaf, NULL) <= 0 || is_self_issued(peer->leaf))
        return POPLIN_OK;
    return poplin_fail(error, POPLIN_ERR_CERTIFICATE, DOING, "%s", peer->kind->is_ca);
}

/* name NULL: any will do. */
static int verify_leaf(gnutls_session_t session, const presented *peer, const poplin_peer_name *name,
                       const poplin_peer_name *domain, poplin_error *error, gnutls_alert_description_t *alert) {
    unsigned char *purpose = (unsigned char *)(uintptr_t)peer->kind->purpose; /* which GnuTLS only reads */
    gnutls_typed_vdata_st demand = {.type = GNUTLS_DT_KEY_PURPOSE_OID, .data = purpose};
    unsigned findings;
    int code = gnutls_certificate_verify_peers(session, &demand, 1, &findings);
    if (code < 0)
        return poplin_fail(error, POPLIN_ERR_CERTIFICATE, DOING, "the certificate cannot be verified: %s",
                           gnutls_strerror(code));
    if (findings != 0)
        return tell_finding(peer, findings, error, alert);
    int status = check_role(peer, error);
    return status == POPLIN_OK && name != NULL ? check_name(peer->leaf, name, domain, error) : status;
}

static int verify_presented(gnutls_session_t session, presented *peer, const poplin_peer_name *name,
                            const poplin_peer_name *domain, poplin_error *error, gnutls_alert_description_t *alert) {
    if (gnutls_x509_crt_init(&peer->leaf) < 0) {
        *alert = GNUTLS_A_INTERNAL_ERROR;
        return poplin_fail(error, POPLIN_ERR_NOMEM, DOING, "out of memory");
    }
    int status;
    if (gnutls_x509_crt_import(peer->leaf, &peer->chain[0], GNUTLS_X509_FMT_DER) < 0)
        status = poplin_fail(error, POPLIN_ERR_CERTIFICATE, DOING, "the certificate cannot be read");
    else
        status = verify_leaf(session, peer, name, domain, error, alert);
    gnutls_x509_crt_deinit(peer->leaf);
    return status;
}

static bool take_presented(gnutls_session_t session, presented *peer) {
    peer->chain = gnutls_certificate_get_peers(session, &peer->count);
    return peer->chain != NULL && peer->count > 0;
}

int poplin_server_verify(gnutls_session_t session, const poplin_peer_name *name, const poplin_peer_name *domain,
                         poplin_error *error, gnutls_alert_description_t *alert) {
    presented peer = {.kind = &SERVER};
    *alert = GNUTLS_A_BAD_CERTIFICATE;
    if (!take_presented(session, &peer))
        return poplin_fail(error, POPLIN_ERR_CERTIFICATE, DOING, "the server presented no certificate");
    return verify_presented(session, &peer, name, domain, error, alert);
}

int poplin_client_verify(gnutls_session_t session, bool *verified, poplin_error *error,
                         gnutls_alert_description_t *alert) {
    presented peer = {.kind = &CLIENT};
    *alert = GNUTLS_A_BAD_CERTIFICATE;
    *verified = false;
    if (!take_presented(session, &peer))
        return POPLIN_OK;
    int status = verify_presented(session, &peer, NULL, NULL, error, alert);
    *verified = status == POPLIN_OK;
    return status;
}
