/*
 * sasl/apop.c - APOP: timestamps found and made, digests made and verified (RFC 1939 section 7).
 */
#include "sasl/apop.h"
#include "sasl/prepare.h"
#include "wire/grammar.h"

#include <gnutls/crypto.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A greeting has 512 octets at most (RFC 2449 section 4), of which "+OK " and CRLF are not the timestamp's. */
enum { TIMESTAMP_MAX = 506, HOST_MAX = 253 };

/* ---- the client's half ---- */

static size_t count(poplin_slice text, char octet) {
    size_t found = 0;

    for (size_t i = 0; i < text.size; i++)
        found += text.data[i] == octet;
    return found;
}

static bool is_visible_ascii(poplin_slice text) {
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < 0x21 || text.data[i] > 0x7E)
            return false;
    return true;
}

bool poplin_apop_timestamp(poplin_slice greeting, poplin_slice *timestamp) {
    if (greeting.size == 0 || count(greeting, '<') != 1 || count(greeting, '>') != 1)
        return false;

    const char *open = memchr(greeting.data, '<', greeting.size);
    const char *close = memchr(greeting.data, '>', greeting.size);

    if (open > close || close - open >= TIMESTAMP_MAX)
        return false;
    *timestamp = (poplin_slice){open, (size_t)(close - open) + 1};

    return is_visible_ascii(*timestamp) && count(*timestamp, '@') == 1 && open[1] != '@' && close[-1] != '@';
}

int poplin_apop_digest(poplin_slice timestamp, poplin_slice secret, char digest[POPLIN_DIGEST_SIZE]) {
    poplin_buffer prepared = {0};
    int status = poplin_prepare(secret, POPLIN_PREPARE_STORED, &prepared);

    if (status == POPLIN_OK)
        status = poplin_digest_plain(timestamp, poplin_buffer_slice(&prepared), digest);
    poplin_buffer_free(&prepared);
    return status;
}

/* ---- the server's half ---- */

int poplin_apop_verify(poplin_slice timestamp, poplin_slice secret, poplin_slice digest) {
    char expected[POPLIN_DIGEST_SIZE];
    bool usable = secret.size > 0;
    int status = poplin_apop_digest(timestamp, usable ? secret : timestamp, expected);

    if (status == POPLIN_ERR_PROTOCOL) /* a secret that nobody can say */
        return POPLIN_ERR_AUTH;
    if (status != POPLIN_OK)
        return status;

    bool equal = poplin_digest_valid(digest) && poplin_digest_equal(expected, digest.data);
    poplin_wipe(expected, sizeof expected);
    return equal && usable ? POPLIN_OK : POPLIN_ERR_AUTH;
}

/* Clients that check a timestamp want its host to be what RFC 822 calls a domain. */
static bool is_host_name(const char *host) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
    size_t size = strlen(host);

    return size > 0 && size <= HOST_MAX && strspn(host, letters) == size && host[0] != '.' && host[size - 1] != '.' &&
           strstr(host, "..") == NULL;
}

int poplin_apop_make_timestamp(const char *host, poplin_buffer *timestamp) {
    char text[TIMESTAMP_MAX];
    uint64_t drawn[2];

    if (gnutls_rnd(GNUTLS_RND_NONCE, drawn, sizeof drawn) < 0)
        return POPLIN_ERR_IO;
    if (host == NULL || !is_host_name(host))
        host = "localhost";
    int size = snprintf(text, sizeof text, "<%" PRIu64 "%020" PRIu64 "@%s>", drawn[0], drawn[1], host);
    return poplin_buffer_append(timestamp, text, (size_t)size);
}
