/*
 * tls/authority.c - a CA that exists only to vouch for the servers of tests and demonstrations, with certificates that
 * are good, or that have one blemish, and for their clients.
 */
#include <poplin/tls.h>
#include <stdlib.h>
#include <string.h>

#include "tls/identity.h"
#include "tls/staple.h"
#include "wire/grammar.h"
#include "wire/utf8.h"

enum { DAY = 24 * 60 * 60, VALID_DAYS = 30 };

static const char WRONG_NAME[] = "wrong.invalid";

struct poplin_tls_authority {
    poplin_identity ca;
};

/* ---- blemishes ---- */

static const struct blemish {
    const char *word;
    const char *meaning;
} BLEMISHES[] = {
#define ROW(name, word, meaning) {word, meaning},
    POPLIN_BLEMISH_TABLE(ROW)
#undef ROW
};

static bool is_blemish(enum poplin_blemish blemish) {
    return (unsigned)blemish < POPLIN_BLEMISH_COUNT;
}

const char *poplin_blemish_word(enum poplin_blemish blemish) {
    return is_blemish(blemish) ? BLEMISHES[blemish].word : NULL;
}

const char *poplin_blemish_meaning(enum poplin_blemish blemish) {
    return is_blemish(blemish) ? BLEMISHES[blemish].meaning : NULL;
}

/* ---- the CA ---- */

static bool make_ca(const char *name, poplin_identity *ca) {
    time_t now = time(NULL);
    poplin_identity_order order = {.common_name = name, .from = now - DAY, .until = now + (time_t)VALID_DAYS * DAY};
    return poplin_identity_new(&order, ca) && poplin_identity_make_ca(ca) && poplin_identity_sign(ca, ca);
}

int poplin_tls_authority_new(poplin_tls_authority **authority) {
    poplin_tls_authority *made = calloc(1, sizeof *made);
    if (made == NULL || !make_ca("poplin throw-away CA", &made->ca)) {
        poplin_tls_authority_free(made);
        return POPLIN_ERR_NOMEM;
    }
    *authority = made;
    return POPLIN_OK;
}

void poplin_tls_authority_free(poplin_tls_authority *authority) {
    if (authority == NULL)
        return;
    poplin_identity_free(&authority->ca);
    free(authority);
}

/* ---- a server's certificate ---- */

static poplin_identity_order order_for(enum poplin_blemish blemish) {
    time_t now = time(NULL);
    poplin_identity_order order = {
        .common_name = "poplin throw-away server", .from = now - DAY, .until = now + (time_t)VALID_DAYS * DAY};
    if (blemish == POPLIN_BLEMISH_EXPIRED) {
        order.from = now - (time_t)VALID_DAYS * DAY;
        order.until = now - DAY;
    } else if (blemish == POPLIN_BLEMISH_NOT_YET_VALID) {
        order.from = now + DAY;
    } else if (blemish == POPLIN_BLEMISH_WEAK_KEY) {
        order.weak = true;
    } else if (blemish == POPLIN_BLEMISH_NAME_ONLY_IN_CN) {
        order.common_name = NULL;
    }
    return order;
}

static int add_names(poplin_identity *server, enum poplin_blemish blemish, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        poplin_peer_name name;
        int status = poplin_peer_name_parse(names[i], &name);
        if (status != POPLIN_OK)
            return status;
        bool added = blemish == POPLIN_BLEMISH_WRONG_HOST        ? true
                     : blemish == POPLIN_BLEMISH_NAME_ONLY_IN_CN ? poplin_identity_add_common_name(server, name.text)
                                                                 : poplin_identity_add_name(server, &name);
        if (!added)
            return POPLIN_ERR_NOMEM;
    }
    return POPLIN_OK;
}

static bool add_wrong_name(poplin_identity *server) {
    poplin_peer_name name;
    return poplin_peer_name_parse(WRONG_NAME, &name) == POPLIN_OK && poplin_identity_add_name(server, &name);
}

/* By a CA that is forgotten at once, and whose name is not that of the CA given out. */
static bool sign_by_stranger(poplin_identity *server) {
    poplin_identity stranger = {0};
    bool done = make_ca("another throw-away CA", &stranger) && poplin_identity_sign(server, &stranger);
    poplin_identity_free(&stranger);
    return done;
}

static bool finish_server(const poplin_tls_authority *authority, enum poplin_blemish blemish, poplin_identity *server) {
    const char *purpose = blemish == POPLIN_BLEMISH_WRONG_PURPOSE ? GNUTLS_KP_TLS_WWW_CLIENT : GNUTLS_KP_TLS_WWW_SERVER;
    if (blemish == POPLIN_BLEMISH_WRONG_HOST && !add_wrong_name(server))
        return false;
    if (!poplin_identity_make_leaf(server, purpose))
        return false;
    if (blemish == POPLIN_BLEMISH_UNKNOWN_ROOT)
        return sign_by_stranger(server);
    return poplin_identity_sign(server, blemish == POPLIN_BLEMISH_SELF_SIGNED ? server : &authority->ca);
}

static int make_server(const poplin_tls_authority *authority, enum poplin_blemish blemish, const char *const *names,
                       size_t count, poplin_identity *server) {
    poplin_identity_order order = order_for(blemish);
    if (!poplin_identity_new(&order, server))
        return POPLIN_ERR_NOMEM;
    int status = add_names(server, blemish, names, count);
    if (status != POPLIN_OK)
        return status;
    return finish_server(authority, blemish, server) ? POPLIN_OK : POPLIN_ERR_NOMEM;
}

/* ---- a client's certificate ---- */

/* What poplin_client_name would read out of the certificate again; X.520 ends a CN at 64 characters. */
static bool is_user(const char *user) {
    enum { CN_MAX = 64 };
    size_t size = strlen(user);
    for (const char *c = user; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            return false;
    return size > 0 && size <= CN_MAX && poplin_is_utf8((poplin_slice){user, size});
}

/* An rfc822Name is ASCII (RFC 5280 section 4.2.1.6). */
static bool is_mailbox(const char *user) {
    return strchr(user, '@') != NULL && poplin_utf8_length(poplin_slice_of(user)) == strlen(user);
}

static bool make_client(const poplin_tls_authority *authority, const char *user, poplin_identity *client) {
    poplin_identity_order order = order_for(POPLIN_BLEMISH_NONE);
    order.common_name = user;
    return poplin_identity_new(&order, client) && (!is_mailbox(user) || poplin_identity_add_mailbox(client, user)) &&
           poplin_identity_make_leaf(client, GNUTLS_KP_TLS_WWW_CLIENT) && poplin_identity_sign(client, &authority->ca);
}

/* ---- what is given out ---- */

static bool staple_revocation(const poplin_tls_authority *authority, const poplin_identity *server,
                              poplin_tls_throwaway *throwaway) {
    poplin_buffer response = {0};
    bool made = poplin_staple_write(&authority->ca, server, &POPLIN_STAPLE_REVOKED, &response);
    if (made) {
        throwaway->staple = malloc(response.size);
        throwaway->staple_size = response.size;
    }
    if (throwaway->staple != NULL)
        memcpy(throwaway->staple, poplin_buffer_slice(&response).data, response.size);
    poplin_buffer_free(&response);
    return throwaway->staple != NULL;
}

static int export_all(const poplin_tls_authority *authority, const poplin_identity *server, enum poplin_blemish blemish,
                      poplin_tls_throwaway *throwaway) {
    throwaway->ca_pem = poplin_identity_certificate_pem(&authority->ca);
    throwaway->cert_pem = poplin_identity_certificate_pem(server);
    throwaway->key_pem = poplin_identity_key_pem(server);
    if (throwaway->ca_pem != NULL && throwaway->cert_pem != NULL && throwaway->key_pem != NULL &&
        (blemish != POPLIN_BLEMISH_REVOKED || staple_revocation(authority, server, throwaway)))
        return POPLIN_OK;
    poplin_tls_throwaway_free(throwaway);
    return POPLIN_ERR_NOMEM;
}

int poplin_tls_authority_issue(poplin_tls_authority *authority, enum poplin_blemish blemish, const char *const *names,
                               size_t count, poplin_tls_throwaway *throwaway) {
    *throwaway = (poplin_tls_throwaway){0};
    if (!is_blemish(blemish))
        return POPLIN_ERR_STATE;
    poplin_identity server = {0};
    int status = make_server(authority, blemish, names, count, &server);
    if (status == POPLIN_OK)
        status = export_all(authority, &server, blemish, throwaway);
    poplin_identity_free(&server);
    return status;
}

int poplin_tls_authority_issue_client(poplin_tls_authority *authority, const char *user,
                                      poplin_tls_throwaway *throwaway) {
    *throwaway = (poplin_tls_throwaway){0};
    if (!is_user(user))
        return POPLIN_ERR_CERTIFICATE;
    poplin_identity client = {0};
    int status = POPLIN_ERR_NOMEM;
    if (make_client(authority, user, &client))
        status = export_all(authority, &client, POPLIN_BLEMISH_NONE, throwaway);
    poplin_identity_free(&client);
    return status;
}

int poplin_tls_throwaway_new(const char *const *names, size_t count, poplin_tls_throwaway *throwaway) {
    *throwaway = (poplin_tls_throwaway){0};
    poplin_tls_authority *authority;
    int status = poplin_tls_authority_new(&authority);
    if (status != POPLIN_OK)
        return status;
    status = poplin_tls_authority_issue(authority, POPLIN_BLEMISH_NONE, names, count, throwaway);
    poplin_tls_authority_free(authority);
    return status;
}

void poplin_tls_throwaway_free(poplin_tls_throwaway *throwaway) {
    free(throwaway->ca_pem);
    free(throwaway->cert_pem);
    if (throwaway->key_pem != NULL)
        poplin_wipe(throwaway->key_pem, strlen(throwaway->key_pem));
    free(throwaway->key_pem);
    free(throwaway->staple);
    *throwaway = (poplin_tls_throwaway){0};
}
