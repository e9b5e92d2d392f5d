/*
 * tls/client_name.c - whom a client's certificate names: the one rfc822Name of its subjectAltName; where there is none, the one
 * CN of its subject.
 *
 * Who logs in by a certificate gets the maildrop of the name in it, so where anything about the name is in doubt there is none: not
 * the first of several, not what is left of one that was cut, and not the CN in place of an rfc822Name that is empty or malformed
 * (T-TLS-17; the NUL of CVE-2009-2666).
 */
#include "tls/client_name.h"

#include <gnutls/x509-ext.h>
#include <gnutls/x509.h>
#include <stdbool.h>
#include <string.h>

#include "tls/trust.h"
#include "wire/grammar.h"
#include "wire/utf8.h"

/* What was found in one of the places. The name points into what it was read from. */
typedef struct found {
    size_t count;
    gnutls_datum_t name; /* the last; {NULL, 0}: it is in an encoding that is not read */
    bool unreadable;     /* the place cannot be read to its end */
} found;

/* Octets of a name that is one for certain, copied; else 0. */
static size_t take(const found *names, char *name, size_t room) {
    const gnutls_datum_t *only = &names->name;
    if (names->count != 1 || names->unreadable || only->size >= room ||
        !poplin_is_utf8((poplin_slice){(const char *)only->data, only->size}))
        return 0;
    for (unsigned i = 0; i < only->size; i++)
        if (only->data[i] < 0x20 || only->data[i] == 0x7F)
            return 0;
    if (only->size > 0)
        memcpy(name, only->data, only->size);
    return only->size;
}

/* ---- subjectAltName ---- */

static void read_mailboxes(gnutls_subject_alt_names_t list, found *mailboxes) {
    unsigned type;
    gnutls_datum_t value;
    int code;
    for (unsigned i = 0; (code = gnutls_subject_alt_names_get(list, i, &type, &value, NULL)) >= 0; i++) {
        if (type == GNUTLS_SAN_RFC822NAME) {
            mailboxes->count++;
            mailboxes->name = value;
        }
    }
    mailboxes->unreadable = code != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE;
}

/* The mailboxes of the certificate; they point into list. */
static void find_mailboxes(gnutls_x509_crt_t certificate, gnutls_subject_alt_names_t list, found *mailboxes) {
    gnutls_datum_t extension = {0};
    int code = gnutls_x509_crt_get_extension_by_oid2(certificate, GNUTLS_X509EXT_OID_SAN, 0, &extension, NULL);
    if (code < 0)
        mailboxes->unreadable = code != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE;
    else if (gnutls_x509_ext_import_subject_alt_names(&extension, list, 0) < 0)
        mailboxes->unreadable = true;
    else
        read_mailboxes(list, mailboxes);
    gnutls_free(extension.data);
}

/* ---- the subject ---- */

static bool is_common_name(const gnutls_datum_t *oid) {
    size_t size = strlen(GNUTLS_OID_X520_COMMON_NAME);
    return oid->size >= size && memcmp(oid->data, GNUTLS_OID_X520_COMMON_NAME, size) == 0 &&
           (oid->size == size || oid->data[size] == '\0');
}

/* What is UTF-8 as it stands. The others, UTF-16 and what nobody uses any more, name nobody. */
static bool is_plain_string(unsigned long tag) {
    enum { UTF8_STRING = 12, PRINTABLE_STRING = 19, IA5_STRING = 22 };
    return tag == UTF8_STRING || tag == PRINTABLE_STRING || tag == IA5_STRING;
}

/* The attributes of one relative name: their number. */
static int read_relative_name(gnutls_x509_dn_t subject, int at, found *names) {
    gnutls_x509_ava_st attribute;
    int count = 0;
    int code;
    for (; (code = gnutls_x509_dn_get_rdn_ava(subject, at, count, &attribute)) >= 0; count++) {
        if (!is_common_name(&attribute.oid))
            continue;
        names->count++;
        names->name = is_plain_string(attribute.value_tag) ? attribute.value : (gnutls_datum_t){NULL, 0};
    }
    names->unreadable |= code != GNUTLS_E_ASN1_ELEMENT_NOT_FOUND;
    return count;
}

/* The CNs of the certificate's subject; they point into the certificate. */
static void find_common_names(gnutls_x509_crt_t certificate, found *names) {
    gnutls_x509_dn_t subject;
    names->unreadable = gnutls_x509_crt_get_subject(certificate, &subject) < 0;
    for (int at = 0; !names->unreadable && read_relative_name(subject, at, names) > 0; at++)
        continue;
}

/* ---- both ---- */

static size_t read_name(gnutls_x509_crt_t certificate, char *name, size_t room) {
    gnutls_subject_alt_names_t list;
    if (gnutls_subject_alt_names_init(&list) < 0)
        return 0;
    found names = {0};
    find_mailboxes(certificate, list, &names);
    if (names.count == 0 && !names.unreadable)
        find_common_names(certificate, &names);
    size_t size = take(&names, name, room);
    gnutls_subject_alt_names_deinit(list);
    return size;
}

size_t poplin_client_name(gnutls_session_t session, char *name, size_t room) {
    gnutls_x509_crt_t leaf = poplin_peer_certificate(session);
    if (leaf == NULL)
        return 0;
    size_t size = read_name(leaf, name, room);
    gnutls_x509_crt_deinit(leaf);
    return size;
}
