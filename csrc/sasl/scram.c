/*
 * sasl/scram.c - SCRAM-SHA-1, SCRAM-SHA-256 and their -PLUS forms (RFC 5802, RFC 7677): the grammar of the messages, and the family.
 */
#include "sasl/scram.h"
#include "wire/base64.h"
#include "wire/grammar.h"

#include <string.h>

enum { NONCE_OCTETS = 18 };

enum poplin_scram_hash poplin_scram_hash_of(enum poplin_mechanism mechanism) {
    bool sha_1 = mechanism == POPLIN_MECHANISM_SCRAM_SHA_1 || mechanism == POPLIN_MECHANISM_SCRAM_SHA_1_PLUS;

    return sha_1 ? POPLIN_SCRAM_SHA_1 : POPLIN_SCRAM_SHA_256;
}

/* ---- attributes ---- */

static bool is_letter(char octet) {
    return (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z');
}

static bool take_any(poplin_slice *message, char *attribute, poplin_slice *value) {
    if (message->size < 3 || !is_letter(message->data[0]) || message->data[1] != '=')
        return false;

    const char *start = message->data + 2, *end = message->data + message->size;
    const char *comma = memchr(start, ',', (size_t)(end - start));

    *attribute = message->data[0];
    *value = (poplin_slice){start, (size_t)((comma != NULL ? comma : end) - start)};
    if (value->size == 0 || memchr(value->data, 0, value->size) != NULL || (comma != NULL && comma + 1 == end))
        return false;
    *message = comma != NULL ? (poplin_slice){comma + 1, (size_t)(end - comma - 1)} : (poplin_slice){end, 0};
    return true;
}

bool poplin_scram_take(poplin_slice *message, char attribute, poplin_slice *value) {
    char found;

    return take_any(message, &found, value) && found == attribute;
}

bool poplin_scram_skip(poplin_slice *message, char attribute) {
    /* Those of RFC 5802 have a place of their own. */
    bool seen[128] = {['a'] = true, ['c'] = true, ['e'] = true, ['i'] = true, ['m'] = true,
                      ['n'] = true, ['p'] = true, ['r'] = true, ['s'] = true, ['v'] = true};

    while (message->size > 0 && message->data[0] != attribute) {
        char found;
        poplin_slice ignored;

        if (!take_any(message, &found, &ignored) || seen[(unsigned char)found])
            return false;
        seen[(unsigned char)found] = true;
    }
    return attribute == 0 ? message->size == 0 : message->size > 0;
}

bool poplin_scram_is_nonce(poplin_slice nonce) {
    for (size_t i = 0; i < nonce.size; i++)
        if (nonce.data[i] <= ' ' || nonce.data[i] > '~' || nonce.data[i] == ',')
            return false;
    return nonce.size > 0 && nonce.size <= SCRAM_NONCE_MAX;
}

/* ---- writing ---- */

int poplin_scram_join(poplin_buffer *output, const poplin_slice *parts, size_t count) {
    int status = POPLIN_OK;

    for (size_t i = 0; i < count && status == POPLIN_OK; i++)
        status = poplin_buffer_append(output, parts[i].data, parts[i].size);
    return status;
}

int poplin_scram_nonce(poplin_slice given, poplin_buffer *output) {
    char octets[NONCE_OCTETS];

    if (given.size > 0)
        return poplin_buffer_append(output, given.data, given.size);
    int status = poplin_scram_random(octets, sizeof octets);

    if (status == POPLIN_OK)
        status = poplin_base64_encode((poplin_slice){octets, sizeof octets}, output);
    return status;
}

int poplin_scram_escape(poplin_slice name, poplin_buffer *output) {
    int status = POPLIN_OK;

    for (size_t i = 0; i < name.size && status == POPLIN_OK; i++) {
        poplin_slice as_is = {name.data + i, 1};
        poplin_slice octet = name.data[i] == ','   ? poplin_slice_of("=2C")
                             : name.data[i] == '=' ? poplin_slice_of("=3D")
                                                   : as_is;

        status = poplin_buffer_append(output, octet.data, octet.size);
    }
    return status;
}

int poplin_scram_unescape(poplin_slice text, poplin_buffer *output) {
    int status = POPLIN_OK;

    while (text.size > 0 && status == POPLIN_OK) {
        poplin_slice escape = {text.data, text.size < 3 ? text.size : 3};
        const char *octet = text.data;
        size_t taken = 1;

        if (*octet == '=') {
            bool comma = poplin_slice_equal(escape, poplin_slice_of("=2C"));

            if (!comma && !poplin_slice_equal(escape, poplin_slice_of("=3D")))
                return POPLIN_ERR_PROTOCOL;
            octet = comma ? "," : "=";
            taken = 3;
        }
        status = poplin_buffer_append(output, octet, 1);
        text.data += taken;
        text.size -= taken;
    }
    return status;
}

const poplin_sasl_family poplin_family_scram = {
    .client_new = poplin_scram_client_new,
    .client_step = poplin_scram_client_step,
    .client_free = poplin_scram_client_free,
    .server_new = poplin_scram_server_new,
    .server_step = poplin_scram_server_step,
    .server_answer = poplin_scram_server_answer,
    .server_free = poplin_scram_server_free,
};
