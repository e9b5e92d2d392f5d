/*
 * tls/resume.c - sessions taken up again at a later connection, both sides.
 *
 * GnuTLS asks for no verification of a session that is resumed, since it was verified once. That may have been hours ago, so
 * here it is done again: a certificate that has expired, or a key that is not trusted any more, means no.
 *
 * A server that is polled often may resume for ever, and has no occasion to show the certificate and the staple that it has by now. So a
 * session is not offered any more once those that it began with have ended: there is nothing wrong, and the server shows the new ones.
 *
 * By TLS 1.2 without extended master secret a resumed session can be steered by somebody in between (RFC 7627 section 1): such
 * sessions are neither kept nor given tickets.
 */
#include "tls/resume.h"

#include "tls/trust.h"
#include "wire/failure.h"

/* ---- a client ---- */

void poplin_resume_begin(poplin_tls *tls) {
    char peer[POPLIN_PEER_KEY_SIZE];
    gnutls_datum_t data;
    if (tls->credentials->no_resumption || !tls->named)
        return;
    poplin_peer_name_key(&tls->name, tls->port, peer);
    if (!poplin_sessions_take(&tls->credentials->sessions, peer, &data))
        return;
    (void)gnutls_session_set_data(tls->session, data.data, data.size); /* one that has expired is none */
    poplin_session_data_free(&data);
}

static bool can_be_resumed(gnutls_session_t session) {
    if (gnutls_protocol_get_version(session) < GNUTLS_TLS1_3)
        return gnutls_session_ext_master_secret_status(session) != 0;
    return (gnutls_session_get_flags(session) & GNUTLS_SFLAGS_SESSION_TICKET) != 0;
}

void poplin_resume_keep(poplin_tls *tls) {
    char peer[POPLIN_PEER_KEY_SIZE];
    gnutls_datum_t data;
    if (tls->remembered || tls->credentials->server || tls->credentials->no_resumption || !tls->named ||
        tls->state == POPLIN_TLS_FAILED || !can_be_resumed(tls->session))
        return;
    tls->remembered = true;
    if (gnutls_session_get_data2(tls->session, &data) < 0)
        return;
    poplin_peer_name_key(&tls->name, tls->port, peer);
    poplin_sessions_keep(&tls->credentials->sessions, peer, data, poplin_trust_end(tls));
}

int poplin_resume_check(poplin_tls *tls) {
    if (tls->credentials->server || !gnutls_session_is_resumed(tls->session) ||
        !poplin_trust_is_checked(tls->credentials))
        return POPLIN_OK;
    return poplin_trust_check(tls);
}

/* ---- a server ---- */

enum { EXTENDED_MASTER_SECRET = 23, SUPPORTED_VERSIONS = 43 };

/* One extension of a client's hello; *context becomes true where it makes resumption safe. */
static int look_at(void *context, unsigned type, const unsigned char *data, unsigned size) {
    bool *safe = context;
    if (type == EXTENDED_MASTER_SECRET)
        *safe = true;
    for (unsigned i = 1; type == SUPPORTED_VERSIONS && i + 1 < size; i += 2)
        *safe |= data[i] == 3 && data[i + 1] == 4; /* TLS 1.3, which we then speak */
    return 0;
}

/* Before GnuTLS reads the hello: it takes its decision about a ticket in the midst of that. */
static int before_hello(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                        const gnutls_datum_t *message) {
    poplin_tls *tls = gnutls_session_get_ptr(session);
    bool safe = false;
    (void)type, (void)when;
    if (incoming && gnutls_ext_raw_parse(&safe, look_at, message, GNUTLS_EXT_RAW_FLAG_TLS_CLIENT_HELLO) >= 0 && safe)
        (void)gnutls_session_ticket_enable_server(session, &tls->credentials->ticket_key);
    return 0;
}

/* A client's certificate, which logs it in, is looked at anew each time: such servers resume nothing. */
void poplin_resume_offer(poplin_tls *tls) {
    if (!tls->credentials->no_resumption && !tls->credentials->asks_clients)
        gnutls_handshake_set_hook_function(tls->session, GNUTLS_HANDSHAKE_CLIENT_HELLO, GNUTLS_HOOK_PRE, before_hello);
}
