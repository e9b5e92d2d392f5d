/*
 * loop/configured.c - what a server's owner configured: checked, completed, and copied as far as it points to something.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop/serving.h"
#include "sasl/scram.h"
#include "sasl/ways.h"
#include "server/offer.h"

/* Octets of a pepper that is made here. */
#define PEPPER_SIZE 32

/* Of what the server is called: the longest name in DNS. */
#define NAME_MAX_OCTETS 255

int poplin_server_fail(poplin_error *error, int status, const char *reason) {
    *error = (poplin_error){.status = status};
    snprintf(error->doing, sizeof error->doing, "start a server");
    snprintf(error->reason, sizeof error->reason, "%s", reason);
    return status;
}

/* ---- checks ---- */

/* An implicit port without a certificate must not open, nor STLS be offered that would fail (POP-STLS-10). */
static int check_server(const poplin_server_config *config, poplin_error *error) {
    if (config->host == NULL && config->path == NULL)
        return poplin_server_fail(error, POPLIN_ERR_STATE, "there is neither a host nor a path to listen on");
    if (config->tls != POPLIN_TLS_NEVER && config->credentials == NULL)
        return poplin_server_fail(error, POPLIN_ERR_STATE,
                                  "TLS was asked for without a certificate; give one, or tls = never");
    if (config->max_sessions == 0 || config->max_sessions > POPLIN_PLACES_MAX)
        return poplin_server_fail(error, POPLIN_ERR_LIMIT, "max_sessions is not from 1 to 1,048,576");
    return POPLIN_OK;
}

static int tell_unknown_mechanism(poplin_error *error) {
    char reason[sizeof error->reason];
    size_t used = (size_t)snprintf(reason, sizeof reason, "a way to log in is not known, or none is named; known are");
    for (unsigned way = 0; way < POPLIN_WAY_COUNT && used < sizeof reason; way++)
        used += (size_t)snprintf(reason + used, sizeof reason - used, " %s", poplin_way_name(way));
    return poplin_server_fail(error, POPLIN_ERR_UNSUPPORTED, reason);
}

/* Makes a session of these settings, as each connection will. */
static int try_session(const poplin_session_config *config, poplin_error *error) {
    poplin_session *session;
    int status = poplin_session_new(config, &session);
    switch (status) {
    case POPLIN_OK:
        poplin_session_free(session);
        return POPLIN_OK;
    case POPLIN_ERR_UNSUPPORTED:
        return tell_unknown_mechanism(error);
    case POPLIN_ERR_LIMIT:
        return poplin_server_fail(error, status,
                                  "a limit is too small or too large: max_line is 255 at least, max_sasl_line 1026, "
                                  "max_messages 2,147,483,647 at most, and none is 0");
    case POPLIN_ERR_PROTOCOL:
        return poplin_server_fail(
            error, POPLIN_ERR_STATE,
            "languages is not as it should be: tags (not i-default, which is there) have up to 35 letters and digits "
            "with - "
            "between them; texts are one line of UTF-8, of 1 to 400 octets, and do not begin with [");
    default:
        return poplin_server_fail(error, status, "");
    }
}

/* KEYS are asked for by the same function as SECRET. */
static bool can_answer_all(const poplin_backend *backend, unsigned asks) {
    bool keeps = (asks & (POPLIN_ASK_SECRET | POPLIN_ASK_KEYS)) != 0;
    return ((asks & POPLIN_ASK_CHECK) == 0 || backend->check != NULL) && (!keeps || backend->secret != NULL) &&
           ((asks & POPLIN_ASK_TOKEN) == 0 || backend->token != NULL);
}

static int check_session(const poplin_session_config *config, const poplin_backend *backend, poplin_error *error) {
    if (!can_answer_all(backend, config->asks))
        return poplin_server_fail(error, POPLIN_ERR_STATE, "asks has what the backend has no function for");
    int status = try_session(config, error);
    if (status == POPLIN_OK && poplin_offered_ways(config) == 0)
        return poplin_server_fail(
            error, POPLIN_ERR_STATE,
            "nobody could log in: what the backend can be asked fits none of the ways that are allowed");
    return status;
}

/* It goes into challenges, and is compared with what clients call the server: a host's name or an address, NULL for none. */
static bool is_name(const char *name) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:";
    size_t size = name == NULL ? 1 : strlen(name);
    return name == NULL || (size > 0 && size <= NAME_MAX_OCTETS && strspn(name, letters) == size);
}

static int check_logins(const poplin_session_config *config, poplin_error *error) {
    if (!is_name(config->host))
        return poplin_server_fail(error, POPLIN_ERR_STATE, "what the server is called is no host name");
    if (config->iterations != 0 && config->iterations < POPLIN_SCRAM_ITERATIONS)
        return poplin_server_fail(error, POPLIN_ERR_LIMIT, "iterations are fewer than 4096");
    if (config->login_delay_by_user && config->login_delay == 0)
        return poplin_server_fail(error, POPLIN_ERR_STATE,
                                  "login_delay_by_user goes with login_delay, the largest of all users'");
    if (config->expire_by_user && config->expire == POPLIN_EXPIRE_UNSAID)
        return poplin_server_fail(error, POPLIN_ERR_STATE,
                                  "expire_by_user goes with expire, the smallest of all users'");
    return POPLIN_OK;
}

/* ---- completion ---- */

static unsigned asks_of(const poplin_backend *backend) {
    return (backend->check != NULL ? POPLIN_ASK_CHECK : 0u) | (backend->secret != NULL ? POPLIN_ASK_SECRET : 0u) |
           (backend->token != NULL ? POPLIN_ASK_TOKEN : 0u);
}

/* A copy at *copy, where there is a text, and *text points to it then. False: out of memory. */
static bool keep_text(const char **text, char **copy) {
    if (*text == NULL)
        return true;
    *copy = strdup(*text);
    *text = *copy;
    return *copy != NULL;
}

/* The owner's, or one made up here, which lasts as long as the server. */
static int keep_pepper(poplin_slice *pepper, poplin_buffer *copy) {
    size_t size = pepper->size > 0 ? pepper->size : PEPPER_SIZE;
    char *octets = poplin_buffer_reserve(copy, size);
    int status = POPLIN_OK;
    if (octets == NULL)
        return POPLIN_ERR_NOMEM;
    if (pepper->size > 0)
        memcpy(octets, pepper->data, size);
    else
        status = poplin_scram_random(octets, size);
    poplin_buffer_grow(copy, size);
    *pepper = poplin_buffer_slice(copy);
    return status;
}

static int keep_session(poplin_session_config *session, poplin_config_copies *copies) {
    if (!keep_text(&session->greeting, &copies->greeting) || !keep_text(&session->mechanisms, &copies->mechanisms) ||
        !keep_text(&session->host, &copies->host) || !keep_text(&session->languages, &copies->languages))
        return POPLIN_ERR_NOMEM;
    return keep_pepper(&session->pepper, &copies->pepper);
}

int poplin_server_configure(poplin_server *server, const poplin_server_config *config, const poplin_backend *backend,
                            poplin_error *error) {
    int status = check_server(config, error);
    if (status == POPLIN_OK)
        status = check_logins(&config->session, error);
    if (status != POPLIN_OK)
        return status;
    server->config = *config;
    server->backend = *backend;
    server->logins.delay = (uint64_t)config->session.login_delay * 1000;
    if (config->credentials != NULL)
        server->config.credentials = poplin_tls_credentials_ref(config->credentials);
    if (config->session.asks == 0)
        server->config.session.asks = asks_of(backend);
    status = keep_session(&server->config.session, &server->copies);
    if (status != POPLIN_OK)
        return poplin_server_fail(error, status, status == POPLIN_ERR_IO ? "the system has no random numbers" : "");
    return check_session(&server->config.session, backend, error);
}

void poplin_server_forget_config(poplin_server *server) {
    poplin_tls_credentials_free(server->config.credentials);
    free(server->copies.greeting);
    free(server->copies.mechanisms);
    free(server->copies.host);
    free(server->copies.languages);
    poplin_buffer_free(&server->copies.pepper);
}
