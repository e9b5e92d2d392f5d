/*
 * loop/connect.c - a link's way to a connection that stands: dialling, the machine made, the TLS handshake.
 *
 * Each stage is entered again and again, by the loop's step and by the host's pulls, until it is done.
 */
#include "loop/link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- TLS on a port that speaks none, and the reverse (T-STLS-17) ---- */

static bool began_with(const poplin_link *link, const char *first) {
    size_t size = strlen(first);
    return link->transport.first_size >= size && memcmp(link->transport.first, first, size) == 0;
}

/* What the server sent first is text, where TLS was expected. */
static bool answered_in_clear(const poplin_link *link) {
    return began_with(link, "+OK") || began_with(link, "-ERR");
}

bool poplin_link_is_answered_in_tls(const poplin_link *link) {
    return !link->transport.tls && (began_with(link, "\x15\x03") || began_with(link, "\x16\x03"));
}

int poplin_link_tls_failed(poplin_link *link) {
    poplin_error error = *poplin_tls_error(link->transport.tls);
    if (answered_in_clear(link))
        (void)snprintf(error.reason, sizeof error.reason, "%s",
                       link->config.client.tls == POPLIN_TLS_IMPLICIT
                           ? "the server answered in clear: this port speaks no TLS from the first octet; use "
                             "pop3://, which starts TLS by STLS"
                           : "the server went on in clear where TLS had to start");
    return poplin_link_end(link, &error);
}

/* ---- connecting ---- */

static int start_tls(poplin_link *link) {
    poplin_tls_credentials *credentials = link->config.credentials;
    poplin_error error = {0};
    poplin_tls *tls;
    int status = POPLIN_OK;
    if (!credentials)
        status = poplin_loop_trust(link->loop, &credentials, &error);
    if (status != POPLIN_OK) {
        error.status = status;
        return poplin_link_end(link, &error);
    }
    const poplin_tls_peer peer = {
        .name = link->config.host, .port = link->config.port, .mail_domain = link->config.mail_domain};
    status = poplin_tls_client_open(credentials, &peer, &tls);
    if (status == POPLIN_ERR_STATE)
        return poplin_link_fail_because(link, status, "TLS handshake",
                                        "there is no host name to check the certificate for");
    if (status != POPLIN_OK)
        return poplin_link_fail_because(link, status, "TLS handshake", "%s", poplin_status_text(status));
    link->stage = POPLIN_LINK_SHAKING;
    poplin_deadline_set(&link->handshake, link->config.handshake_ms);
    poplin_transport_start_tls(&link->transport, tls);
    return POPLIN_OK;
}

int poplin_link_start_stls(poplin_link *link) {
    poplin_transport_consume(&link->transport, link->lent);
    link->lent = 0;
    if (poplin_transport_is_unread(&link->transport))
        return poplin_link_fail_because(
            link, POPLIN_ERR_PROTOCOL, "STLS",
            "the server, or somebody in between, sent octets in clear behind its answer to STLS");
    return start_tls(link);
}

static int make_machine(poplin_link *link) {
    const poplin_credentials login = {
        .user = poplin_buffer_slice(&link->user),
        .password = poplin_buffer_slice(&link->password),
        .token = poplin_buffer_slice(&link->token),
        .authorize = poplin_buffer_slice(&link->authorize),
    };
    int status = poplin_client_new(&link->config.client, &link->client);
    if (status == POPLIN_OK)
        status = poplin_client_open(link->client, link->has_login ? &login : NULL, POPLIN_OPENING_TAG);
    poplin_buffer_free(&link->user);
    poplin_buffer_free(&link->password);
    poplin_buffer_free(&link->token);
    poplin_buffer_free(&link->authorize);
    if (status != POPLIN_OK)
        return poplin_link_fail_because(link, status, "login", "%s", poplin_status_text(status));
    return POPLIN_OK;
}

/* The connection stands. */
static int connected(poplin_link *link, int descriptor) {
    poplin_dial_free(link->dial);
    link->dial = NULL;
    poplin_deadline_clear(&link->connect);
    int status = poplin_transport_init(&link->transport, link->loop, descriptor, &link->loop->large, &link->ready);
    if (status == POPLIN_ERR_IO)
        return poplin_link_fail_because(link, status, "connecting", "the descriptor cannot be used: %s",
                                        strerror(errno));
    if (status != POPLIN_OK)
        return poplin_link_fail_because(link, status, "connecting", "%s", poplin_status_text(status));
    link->config.client.link_protected = link->config.loopback_protected && link->transport.loopback;
    link->stage = POPLIN_LINK_TALKING;
    poplin_link_trace_connected(link);
    status = make_machine(link);
    if (status == POPLIN_OK && link->config.client.tls == POPLIN_TLS_IMPLICIT)
        status = start_tls(link);
    return status;
}

const char *poplin_duration(uint32_t milliseconds, char buffer[24]) {
    if (milliseconds % 1000 == 0)
        (void)snprintf(buffer, 24, "%u s", (unsigned)(milliseconds / 1000));
    else
        (void)snprintf(buffer, 24, "%u ms", (unsigned)milliseconds);
    return buffer;
}

int poplin_link_out_of_total(poplin_link *link, const char *doing) {
    char time[24];
    return poplin_link_fail_because(link, POPLIN_ERR_TIMEOUT, doing, "not done within %s, the time allowed in all",
                                    poplin_duration(link->config.total_ms, time));
}

static int dial(poplin_link *link) {
    int descriptor;
    const char *reason;
    char time[24];
    if (link->config.descriptor >= 0) {
        descriptor = link->config.descriptor;
        link->config.descriptor = -1;
        return connected(link, descriptor);
    }
    int status = poplin_dial_result(link->dial, &descriptor, &reason);
    if (status == POPLIN_OK)
        return connected(link, descriptor);
    if (status == POPLIN_NEED_INPUT && link->connect.expired)
        return poplin_link_fail_because(link, POPLIN_ERR_TIMEOUT, poplin_dial_doing(link->dial),
                                        "no connection within %s", poplin_duration(link->config.connect_ms, time));
    if (status == POPLIN_NEED_INPUT && link->total.expired)
        return poplin_link_out_of_total(link, poplin_dial_doing(link->dial));
    if (status == POPLIN_NEED_INPUT)
        return status;
    return poplin_link_fail_because(link, status, poplin_dial_doing(link->dial), "%s",
                                    reason ? reason : poplin_status_text(status));
}

/* An expired deadline is a suspicion: what has come meanwhile still counts, once. */
static int shake(poplin_link *link) {
    char time[24];
    int status = poplin_transport_handshake(&link->transport);
    bool late = link->handshake.expired || link->total.expired;
    if (status == POPLIN_NEED_INPUT && late && poplin_transport_poll_again(&link->transport))
        status = poplin_transport_handshake(&link->transport);
    if (status == POPLIN_NEED_INPUT && link->handshake.expired)
        return poplin_link_fail_because(link, POPLIN_ERR_TIMEOUT, "TLS handshake", "not finished within %s",
                                        poplin_duration(link->config.handshake_ms, time));
    if (status == POPLIN_NEED_INPUT && link->total.expired)
        return poplin_link_out_of_total(link, "TLS handshake");
    if (status == POPLIN_NEED_INPUT)
        return status;
    if (status == POPLIN_ERR_CLOSED)
        return poplin_link_fail_because(
            link, status, "TLS handshake", "the server closed the connection in the middle%s%s",
            link->transport.error ? ": " : "", link->transport.error ? strerror(link->transport.error) : "");
    if (status != POPLIN_OK)
        return poplin_link_tls_failed(link);

    poplin_tls_facts facts;
    poplin_deadline_clear(&link->handshake);
    link->stage = POPLIN_LINK_TALKING;
    poplin_link_trace_tls(link);
    status = poplin_tls_get_facts(link->transport.tls, &facts);
    if (status == POPLIN_OK)
        status = poplin_client_tls(link->client, &facts);
    return status == POPLIN_OK
               ? status
               : poplin_link_fail_because(link, status, "TLS handshake", "%s", poplin_status_text(status));
}

int poplin_link_advance(poplin_link *link) {
    int status = POPLIN_OK;
    if (link->stage == POPLIN_LINK_DIALLING)
        status = dial(link);
    if (status == POPLIN_OK && link->stage == POPLIN_LINK_SHAKING)
        status = shake(link);
    return link->stage == POPLIN_LINK_ENDED ? link->error.status : status;
}
