/*
 * tls/filter.c - one TLS connection as a filter: GnuTLS with its pull and push functions over octets that the host
 * lends and takes, so that it never sees a socket.
 *
 * GnuTLS answers AGAIN not only where it wants more ciphertext but also after a record that carries no application
 * data (each TLS 1.3 ticket, a key update). So AGAIN becomes NEED_INPUT only once all that was lent is used up.
 *
 * A session that is resumed (resume.c) is verified as a new one is. There is no early data (POP-TLS-14).
 */
#include <errno.h>
#include <gnutls/gnutls.h>
#include <poplin/tls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls/filter.h"
#include "tls/key_log.h"
#include "tls/resume.h"
#include "tls/sni.h"
#include "tls/trust.h"
#include "wire/failure.h"
#include "wire/grammar.h"

enum {
    RECORD_MAX = 16384,
    RECORD_OVERHEAD = 64 /* header, nonce, tag and content type take less */
};

static const char HANDSHAKE[] = "TLS handshake";

static const gnutls_datum_t POP3 = {(unsigned char[]){'p', 'o', 'p', '3'}, 4};

/* ---- what GnuTLS calls ---- */

static ssize_t pull(gnutls_transport_ptr_t pointer, void *data, size_t size) {
    poplin_tls *tls = pointer;
    if (tls->lent.size == 0) {
        gnutls_transport_set_errno(tls->session, EAGAIN);
        return -1;
    }
    size_t taken = size < tls->lent.size ? size : tls->lent.size;
    memcpy(data, tls->lent.data, taken);
    tls->lent.data += taken;
    tls->lent.size -= taken;
    return (ssize_t)taken;
}

static ssize_t push(gnutls_transport_ptr_t pointer, const giovec_t *pieces, int count) {
    poplin_tls *tls = pointer;
    size_t total = 0;
    for (int i = 0; i < count; i++) {
        if (poplin_buffer_append(&tls->output, pieces[i].iov_base, pieces[i].iov_len) != POPLIN_OK) {
            tls->out_of_memory = true;
            gnutls_transport_set_errno(tls->session, ENOMEM);
            return -1;
        }
        total += pieces[i].iov_len;
    }
    return (ssize_t)total;
}

/*
 * A client calls it before its Finished and its own certificate go out, so that a wrong server gets neither; a server also where
 * the client gave no certificate. That the peer holds the key is for GnuTLS to see, before the handshake is done.
 */
static int verify(gnutls_session_t session) {
    return poplin_trust_check(gnutls_session_get_ptr(session)) == POPLIN_OK ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

/* ---- making and freeing ---- */

static int prepare_client(poplin_tls *tls) {
    if (poplin_trust_is_checked(tls->credentials))
        gnutls_session_set_verify_function(tls->session, verify);
    poplin_resume_begin(tls);
    if (!tls->named || tls->name.address_size > 0)
        return POPLIN_OK;
    int code = gnutls_server_name_set(tls->session, GNUTLS_NAME_DNS, tls->name.text, strlen(tls->name.text));
    return code < 0 ? POPLIN_ERR_NOMEM : POPLIN_OK;
}

/* Nothing is asked for that nobody can use: a certificate tells who its owner is (SASL-EXT-2). */
static int prepare_server(poplin_tls *tls) {
    poplin_resume_offer(tls);
    poplin_sni_offer(tls);
    if (tls->credentials->asks_clients) {
        gnutls_certificate_server_set_request(tls->session, GNUTLS_CERT_REQUEST);
        gnutls_session_set_verify_function(tls->session, verify);
    }
    return POPLIN_OK;
}

static int prepare(poplin_tls *tls) {
    bool server = tls->credentials->server;
    unsigned role = server ? GNUTLS_SERVER : GNUTLS_CLIENT;
    unsigned tickets = tls->credentials->no_resumption ? GNUTLS_NO_TICKETS : 0;
    if (gnutls_init(&tls->session, role | tickets | GNUTLS_NONBLOCK) < 0)
        return POPLIN_ERR_NOMEM;
    gnutls_session_t session = tls->session;
    if (gnutls_priority_set(session, tls->credentials->priority) < 0 ||
        gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls->credentials->certificates) < 0 ||
        /* Mandatory means: of a peer that uses ALPN. One that is silent about it is accepted, on both sides. */
        gnutls_alpn_set_protocols(session, &POP3, 1, GNUTLS_ALPN_MANDATORY) < 0)
        return POPLIN_ERR_NOMEM;
    gnutls_session_set_ptr(session, tls);
    poplin_key_log_begin(session);
    gnutls_transport_set_ptr(session, tls);
    gnutls_transport_set_pull_function(session, pull);
    gnutls_transport_set_vec_push_function(session, push);
    return server ? prepare_server(tls) : prepare_client(tls);
}

/* A name that is none fails the handshake before anything is sent. */
static void no_name(poplin_tls *tls, const char *text, const char *what) {
    poplin_fail(&tls->error, POPLIN_ERR_CERTIFICATE, HANDSHAKE, "\"%s\" is no %s", text, what);
    tls->state = POPLIN_TLS_FAILED;
}

static void take_peer(poplin_tls *tls, const poplin_tls_peer *peer) {
    tls->port = peer->port;
    tls->named = peer->name != NULL && poplin_peer_name_parse(peer->name, &tls->name) == POPLIN_OK;
    if (peer->name != NULL && !tls->named && tls->credentials->verify)
        no_name(tls, peer->name, "host name");
    if (peer->mail_domain == NULL)
        return;
    tls->has_domain =
        poplin_peer_name_parse(peer->mail_domain, &tls->domain) == POPLIN_OK && tls->domain.address_size == 0;
    if (!tls->has_domain)
        no_name(tls, peer->mail_domain, "domain");
}

static int filter_new(poplin_tls_credentials *credentials, const poplin_tls_peer *peer, poplin_tls **tls) {
    poplin_tls *made = calloc(1, sizeof *made);
    if (made == NULL)
        return POPLIN_ERR_NOMEM;
    made->credentials = poplin_tls_credentials_ref(credentials);
    made->first_octet = -1;
    take_peer(made, peer);
    int status = prepare(made);
    if (status == POPLIN_OK)
        *tls = made;
    else
        poplin_tls_free(made);
    return status;
}

int poplin_tls_client_open(poplin_tls_credentials *credentials, const poplin_tls_peer *peer, poplin_tls **tls) {
    if (credentials->server || (peer->name == NULL && credentials->verify))
        return POPLIN_ERR_STATE;
    int status = filter_new(credentials, peer, tls);
    if (status == POPLIN_OK)
        poplin_tls_handshake(*tls); /* writes the first flight; a failure is kept and told by the host's call */
    return status;
}

int poplin_tls_client_new(poplin_tls_credentials *credentials, const char *server_name, poplin_tls **tls) {
    return poplin_tls_client_open(credentials, &(poplin_tls_peer){.name = server_name}, tls);
}

int poplin_tls_server_new(poplin_tls_credentials *credentials, poplin_tls **tls) {
    return credentials->server ? filter_new(credentials, &(poplin_tls_peer){0}, tls) : POPLIN_ERR_STATE;
}

void poplin_tls_free(poplin_tls *tls) {
    if (tls == NULL)
        return;
    if (tls->session != NULL)
        gnutls_deinit(tls->session);
    poplin_buffer_free(&tls->output);
    poplin_tls_credentials_free(tls->credentials);
    free(tls);
}

/* ---- failing ---- */

static void send_alert(poplin_tls *tls, gnutls_alert_description_t alert) {
    gnutls_alert_send(tls->session, GNUTLS_AL_FATAL, alert);
}

/* The peer may send any number; not each has a name. */
static int alert_received(poplin_tls *tls, const char *doing) {
    gnutls_alert_description_t alert = gnutls_alert_get(tls->session);
    const char *name = gnutls_alert_get_name(alert);
    if (name != NULL)
        return poplin_fail(&tls->error, POPLIN_ERR_TLS, doing, "the peer ended it with the alert \"%s\"", name);
    return poplin_fail(&tls->error, POPLIN_ERR_TLS, doing, "the peer ended it with an alert that nobody knows, %d",
                       (int)alert);
}

/* Something that is not TLS at all gets a message of its own: a wrong port is the usual cause. */
static bool peer_speaks_tls(const poplin_tls *tls) {
    return tls->first_octet < 0 || (tls->first_octet >= 20 && tls->first_octet <= 23);
}

/* Keeps the failure that GnuTLS reported, once, and tells the peer. Returns the status. */
static int fail(poplin_tls *tls, int code, const char *doing) {
    poplin_error *error = &tls->error;
    tls->state = POPLIN_TLS_FAILED;
    tls->lent = (poplin_slice){NULL, 0};
    if (tls->out_of_memory || code == GNUTLS_E_MEMORY_ERROR)
        return poplin_fail(error, POPLIN_ERR_NOMEM, doing, "out of memory");
    if (error->status != POPLIN_OK) { /* verify has told it */
        send_alert(tls, tls->refusal);
        return error->status;
    }
    if (code == GNUTLS_E_FATAL_ALERT_RECEIVED)
        return alert_received(tls, doing);
    if (code == GNUTLS_E_REHANDSHAKE) {
        send_alert(tls, GNUTLS_A_NO_RENEGOTIATION);
        return poplin_fail(error, POPLIN_ERR_TLS, doing, "the peer asked for a renegotiation");
    }
    int level;
    send_alert(tls, (gnutls_alert_description_t)gnutls_error_to_alert(code, &level));
    if (!peer_speaks_tls(tls))
        return poplin_fail(error, POPLIN_ERR_TLS, doing, "the peer does not speak TLS on this port");
    return poplin_fail(error, POPLIN_ERR_TLS, doing, "%s", gnutls_strerror(code));
}

/* ---- input and handshake ---- */

int poplin_tls_input(poplin_tls *tls, const void *data, size_t size) {
    if (tls->lent.size > 0)
        return POPLIN_ERR_STATE;
    if (tls->state == POPLIN_TLS_ENDED || tls->state == POPLIN_TLS_FAILED || size == 0)
        return POPLIN_OK; /* nothing that follows is looked at any more */
    tls->lent = (poplin_slice){data, size};
    if (tls->first_octet < 0)
        tls->first_octet = ((const unsigned char *)data)[0];
    return POPLIN_OK;
}

/* No failure: a record was read that carries nothing for us, or ciphertext ran out. */
static bool is_harmless(ssize_t code) {
    return code == GNUTLS_E_AGAIN || code == GNUTLS_E_INTERRUPTED || code == GNUTLS_E_WARNING_ALERT_RECEIVED;
}

int poplin_tls_handshake(poplin_tls *tls) {
    if (tls->state == POPLIN_TLS_FAILED)
        return tls->error.status;
    if (tls->state != POPLIN_TLS_HANDSHAKING)
        return POPLIN_OK;
    int code;
    do
        code = gnutls_handshake(tls->session);
    while (is_harmless(code) && tls->lent.size > 0);
    if (is_harmless(code))
        return POPLIN_NEED_INPUT;
    if (code >= 0 && (poplin_resume_check(tls) != POPLIN_OK || poplin_trust_finish(tls) != POPLIN_OK))
        code = GNUTLS_E_CERTIFICATE_ERROR;
    if (code < 0)
        return fail(tls, code, HANDSHAKE);
    tls->state = POPLIN_TLS_STANDING;
    poplin_resume_keep(tls);
    snprintf(tls->description, sizeof tls->description, "%s %s",
             gnutls_protocol_get_name(gnutls_protocol_get_version(tls->session)),
             gnutls_cipher_get_name(gnutls_cipher_get(tls->session)));
    return POPLIN_OK;
}

/* ---- records ---- */

/* An idle connection keeps no output buffer, so that a thousand of them stay small. */
static int need_input(poplin_tls *tls) {
    if (tls->output.size == 0 && tls->output.memory != NULL)
        poplin_buffer_free(&tls->output);
    return POPLIN_NEED_INPUT;
}

int poplin_tls_read(poplin_tls *tls, void *buffer, size_t size, size_t *got) {
    *got = 0;
    if (tls->state == POPLIN_TLS_HANDSHAKING)
        return POPLIN_ERR_STATE;
    ssize_t code = 0;
    while (tls->state == POPLIN_TLS_STANDING && *got < size) {
        code = gnutls_record_recv(tls->session, (char *)buffer + *got, size - *got);
        if (code > 0) {
            *got += (size_t)code;
        } else if (code == 0) {
            tls->state = POPLIN_TLS_ENDED;
            tls->lent = (poplin_slice){NULL, 0};
        } else if (!is_harmless(code)) {
            fail(tls, (int)code, "reading TLS records");
        } else if (tls->lent.size == 0) {
            break;
        }
    }
    poplin_resume_keep(tls);
    if (*got > 0)
        return POPLIN_OK; /* an end or a failure is told by the next call */
    if (tls->state == POPLIN_TLS_ENDED)
        return POPLIN_END;
    return tls->state == POPLIN_TLS_FAILED ? tls->error.status : need_input(tls);
}

int poplin_tls_write(poplin_tls *tls, const void *data, size_t size) {
    if (tls->state == POPLIN_TLS_FAILED)
        return tls->error.status;
    if (tls->state == POPLIN_TLS_HANDSHAKING || tls->closed)
        return POPLIN_ERR_STATE;
    /* One allocation at the most, however many records it takes. */
    size_t overhead = (size / RECORD_MAX + 1) * RECORD_OVERHEAD;
    if (size > SIZE_MAX - overhead || poplin_buffer_reserve(&tls->output, size + overhead) == NULL) {
        tls->out_of_memory = true;
        return fail(tls, GNUTLS_E_MEMORY_ERROR, "writing TLS records");
    }
    for (size_t done = 0; done < size;) {
        ssize_t code = gnutls_record_send(tls->session, (const char *)data + done, size - done);
        if (code < 0)
            return fail(tls, (int)code, "writing TLS records");
        done += (size_t)code;
    }
    return POPLIN_OK;
}

int poplin_tls_close(poplin_tls *tls) {
    if (tls->state == POPLIN_TLS_FAILED)
        return tls->error.status;
    if (tls->state == POPLIN_TLS_HANDSHAKING)
        return POPLIN_ERR_STATE;
    if (tls->closed)
        return POPLIN_OK;
    tls->closed = true;
    int code = gnutls_bye(tls->session, GNUTLS_SHUT_WR);
    return code < 0 ? fail(tls, code, "closing TLS") : POPLIN_OK;
}

void poplin_tls_output(poplin_tls *tls, const char **data, size_t *size) {
    poplin_slice output = poplin_buffer_slice(&tls->output);
    *data = output.data;
    *size = output.size;
}

void poplin_tls_sent(poplin_tls *tls, size_t size) {
    poplin_buffer_consume(&tls->output, size);
}

/* ---- what went wrong ---- */

const poplin_error *poplin_tls_error(const poplin_tls *tls) {
    return &tls->error;
}
