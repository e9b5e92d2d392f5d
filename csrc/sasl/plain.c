/*
 * sasl/plain.c - PLAIN: [authzid] NUL authcid NUL passwd (RFC 4616 section 2).
 */
#include "sasl/plain.h"
#include "wire/grammar.h"

#include <string.h>

/* The longest field that a server has to take (RFC 4616 section 2), and the longest that it takes here. */
#define FIELD_MAX 255

static bool is_sendable(poplin_slice field) {
    return field.size > 0 && memchr(field.data, 0, field.size) == NULL;
}

int poplin_plain_encode(const poplin_credentials *credentials, poplin_buffer *message) {
    if (!is_sendable(credentials->user) || !is_sendable(credentials->password))
        return POPLIN_ERR_PROTOCOL;

    const poplin_slice user = credentials->user, password = credentials->password;
    char *at = poplin_buffer_reserve(message, user.size + password.size + 2);

    if (at == NULL)
        return POPLIN_ERR_NOMEM;
    at[0] = 0;
    memcpy(at + 1, user.data, user.size);
    at[1 + user.size] = 0;
    memcpy(at + 2 + user.size, password.data, password.size);
    poplin_buffer_grow(message, user.size + password.size + 2);
    return POPLIN_OK;
}

/* Takes what stands before the next NUL from the front of *rest, and the NUL. False: there is none. */
static bool take_field(poplin_slice *rest, poplin_slice *field) {
    const char *nul = rest->size > 0 ? memchr(rest->data, 0, rest->size) : NULL;

    if (nul == NULL)
        return false;
    *field = (poplin_slice){rest->data, (size_t)(nul - rest->data)};
    rest->data = nul + 1;
    rest->size -= field->size + 1;
    return true;
}

int poplin_plain_decode(poplin_slice message, poplin_credentials *credentials) {
    poplin_slice identity, user, password = message;

    if (!take_field(&password, &identity) || !take_field(&password, &user) || !is_sendable(user) ||
        !is_sendable(password))
        return POPLIN_ERR_PROTOCOL;
    if (user.size > FIELD_MAX || password.size > FIELD_MAX)
        return POPLIN_ERR_PROTOCOL;
    if (identity.size > 0 && !poplin_slice_equal(identity, user))
        return POPLIN_ERR_PROTOCOL;
    *credentials = (poplin_credentials){user, password};
    return POPLIN_OK;
}
