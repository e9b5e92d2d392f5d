/*
 * loop/link.c - one client connection as its host sees it: opened, asked, ended.
 *
 * connect.c brings it to a connection that stands, pull.c runs the client machine over it; the calls and the series of
 * poplin/link.h are built on top, in call.c and series.c.
 */
#include "loop/link.h"
#include "wire/grammar.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the end ---- */

/* Sends close_notify and FIN as far as that is possible at once, and closes. What was not sent yet stays unsent. */
static void hang_up(poplin_link *link) {
    poplin_dial_free(link->dial);
    link->dial = NULL;
    if (link->stage == POPLIN_LINK_TALKING && !poplin_transport_is_pending(&link->transport))
        (void)poplin_transport_shutdown(&link->transport);
    poplin_transport_close(&link->transport);
    poplin_deadline_clear(&link->connect);
    poplin_deadline_clear(&link->handshake);
    poplin_deadline_clear(&link->reply);
    poplin_deadline_clear(&link->total);
}

int poplin_link_end(poplin_link *link, const poplin_error *error) {
    if (link->stage == POPLIN_LINK_ENDED)
        return link->error.status;
    hang_up(link);
    link->stage = POPLIN_LINK_ENDED;
    link->error = *error;
    if (link->error.host[0] == '\0')
        (void)snprintf(link->error.host, sizeof link->error.host, "%s", link->where);
    poplin_link_trace_end(link);
    poplin_ready_queue(&link->ready);
    return link->error.status;
}

int poplin_link_fail_because(poplin_link *link, int status, const char *doing, const char *reason, ...) {
    poplin_error error = {.status = status};
    va_list arguments;
    (void)snprintf(error.doing, sizeof error.doing, "%s", doing);
    va_start(arguments, reason);
    (void)vsnprintf(error.reason, sizeof error.reason, reason, arguments);
    va_end(arguments);
    return poplin_link_end(link, &error);
}

int poplin_link_fail(poplin_link *link, int status, const char *reason) {
    return poplin_link_fail_because(link, status, "", "%s", reason);
}

/* ---- what the loop's step does ---- */

static void run(void *context) {
    poplin_link *link = context;
    if (poplin_link_advance(link) == POPLIN_OK)
        (void)poplin_link_flush(link);
    if (link->on_ready)
        link->on_ready(link->on_ready_context); /* may free the link */
}

/* ---- for the host ---- */

void poplin_link_config_init(poplin_link_config *config) {
    *config = (poplin_link_config){
        .descriptor = -1, .loopback_protected = true, .connect_ms = 30000, .handshake_ms = 30000, .reply_ms = 120000};
    poplin_client_config_init(&config->client);
}

static void name_peer(poplin_link *link) {
    const poplin_link_config *config = &link->config;
    char *where = link->where;
    const size_t size = sizeof link->where;
    if (config->path && config->descriptor < 0)
        (void)snprintf(where, size, "%s", config->path);
    else if (!config->host)
        (void)snprintf(where, size, "descriptor %d", config->descriptor);
    else if (config->descriptor >= 0)
        (void)snprintf(where, size, "%s", config->host);
    else if (strchr(config->host, ':'))
        (void)snprintf(where, size, "[%s]:%u", config->host, (unsigned)config->port);
    else
        (void)snprintf(where, size, "%s:%u", config->host, (unsigned)config->port);
}

static int keep(poplin_buffer *kept, poplin_slice given) {
    return given.data != NULL ? poplin_buffer_append(kept, given.data, given.size) : POPLIN_OK;
}

/* Copies what config and login point to. */
static int copy(poplin_link *link, const poplin_link_config *config, const poplin_credentials *login) {
    link->config = *config;
    link->config.host = config->host ? strdup(config->host) : NULL;
    link->config.path = config->path ? strdup(config->path) : NULL;
    link->config.mail_domain = config->mail_domain ? strdup(config->mail_domain) : NULL;
    if (config->credentials)
        link->config.credentials = poplin_tls_credentials_ref(config->credentials);
    const char *mechanisms = config->client.mechanisms;
    link->config.client.mechanisms = mechanisms ? strdup(mechanisms) : NULL;
    link->config.client.host = link->config.host;
    link->config.client.port = link->config.port;
    if ((config->host && !link->config.host) || (config->path && !link->config.path) ||
        (config->mail_domain && !link->config.mail_domain) || (mechanisms && !link->config.client.mechanisms))
        return POPLIN_ERR_NOMEM;
    link->has_login = login != NULL;
    if (!login)
        return POPLIN_OK;
    int status = keep(&link->user, login->user);
    if (status == POPLIN_OK)
        status = keep(&link->password, login->password);
    if (status == POPLIN_OK)
        status = keep(&link->token, login->token);
    return status == POPLIN_OK ? keep(&link->authorize, login->authorize) : status;
}

/* What the machine would refuse when the connection stands is refused before there is one. */
static int check(const poplin_loop *loop, const poplin_link_config *config, const poplin_credentials *login) {
    poplin_client *client = NULL;
    if (!poplin_loop_is_ours(loop) || (!config->host && !config->path && config->descriptor < 0))
        return POPLIN_ERR_STATE;
    int status = poplin_client_new(&config->client, &client);
    if (status == POPLIN_OK)
        status = poplin_client_open(client, login, POPLIN_OPENING_TAG);
    poplin_client_free(client);
    return status;
}

int poplin_link_open(poplin_loop *loop, const poplin_link_config *config, const poplin_credentials *login,
                     poplin_link **made) {
    poplin_link *link = NULL;
    int status = check(loop, config, login);
    *made = NULL;
    if (status == POPLIN_OK && !(link = calloc(1, sizeof *link)))
        status = POPLIN_ERR_NOMEM;
    if (status != POPLIN_OK) {
        if (config->descriptor >= 0)
            (void)close(config->descriptor);
        return status;
    }
    link->loop = loop;
    link->number = ++loop->connections;
    poplin_ready_init(&link->ready, loop, run, link);
    poplin_deadline_init(&link->connect, &link->ready);
    poplin_deadline_init(&link->handshake, &link->ready);
    poplin_deadline_init(&link->reply, &link->ready);
    poplin_deadline_init(&link->total, &link->ready);
    status = copy(link, config, login);
    if (status == POPLIN_OK && config->descriptor < 0)
        status =
            poplin_dial_new(loop, link->config.host, link->config.port, link->config.path, &link->ready, &link->dial);
    if (status != POPLIN_OK) {
        poplin_link_free(link);
        return status;
    }
    name_peer(link);
    poplin_deadline_set(&link->connect, link->config.connect_ms);
    poplin_ready_queue(&link->ready);
    *made = link;
    return POPLIN_OK;
}

void poplin_link_free(poplin_link *link) {
    if (!link)
        return;
    bool ours = poplin_loop_is_ours(link->loop);
    if (ours && link->stage != POPLIN_LINK_ENDED) {
        hang_up(link);
        poplin_link_trace_end(link);
    }
    poplin_calls_free(link);
    poplin_dial_free(link->dial);
    if (link->config.descriptor >= 0)
        (void)close(link->config.descriptor);
    poplin_transport_free(&link->transport);
    poplin_client_free(link->client);
    poplin_tls_credentials_free(link->config.credentials);
    poplin_buffer_free(&link->user);
    poplin_buffer_free(&link->password);
    poplin_buffer_free(&link->token);
    poplin_buffer_free(&link->authorize);
    poplin_buffer_free(&link->greeting);
    poplin_buffer_free(&link->answer);
    poplin_ready_remove(&link->ready);
    free((char *)link->config.host);
    free((char *)link->config.path);
    free((char *)link->config.mail_domain);
    free((char *)link->config.client.mechanisms);
    free(link);
}

void poplin_link_cancel(poplin_link *link) {
    if (poplin_loop_is_ours(link->loop))
        (void)poplin_link_fail_because(link, POPLIN_ERR_CANCELLED, "", "%s", poplin_status_text(POPLIN_ERR_CANCELLED));
}

const poplin_error *poplin_link_error(const poplin_link *link) {
    return link->stage == POPLIN_LINK_ENDED ? &link->error : NULL;
}

void poplin_link_on_ready(poplin_link *link, void (*ready)(void *context), void *context) {
    link->on_ready = ready;
    link->on_ready_context = context;
}

int poplin_link_opened(poplin_link *link) {
    poplin_client_event event;
    int status = poplin_loop_is_ours(link->loop) ? POPLIN_OK : POPLIN_ERR_STATE;
    while (!link->opened && status == POPLIN_OK)
        status = poplin_link_pull(link, &event);
    return poplin_link_answer(link, status == POPLIN_OK ? link->opening : status);
}

poplin_slice poplin_link_token_answer(const poplin_link *link) {
    return poplin_buffer_slice(&link->answer);
}

poplin_slice poplin_link_greeting(const poplin_link *link) {
    poplin_slice greeting = poplin_buffer_slice(&link->greeting);
    if (greeting.size == 0)
        return (poplin_slice){NULL, 0};
    return (poplin_slice){greeting.data, greeting.size - 1};
}

const char *poplin_link_tls(const poplin_link *link) {
    bool stands = link->transport.tls && link->stage != POPLIN_LINK_SHAKING;
    return stands ? poplin_tls_describe(link->transport.tls) : NULL;
}

int poplin_link_tls_info(const poplin_link *link, poplin_tls_info *info) {
    return poplin_link_tls(link) != NULL ? poplin_tls_get_info(link->transport.tls, info) : POPLIN_ERR_STATE;
}

bool poplin_link_protected(const poplin_link *link) {
    return poplin_link_tls(link) != NULL || link->config.client.link_protected;
}

const poplin_client *poplin_link_client(const poplin_link *link) {
    return link->client;
}

/* ---- low ---- */

/* Whether anything may be submitted now. */
static int usable(const poplin_link *link) {
    if (!poplin_loop_is_ours(link->loop))
        return POPLIN_ERR_STATE;
    if (link->stage == POPLIN_LINK_ENDED)
        return link->error.status;
    return link->client ? POPLIN_OK : POPLIN_ERR_STATE;
}

/* The machine has failed since the last pull, over octets that nobody had asked for say: why, instead of STATE. */
static int why_not(poplin_link *link) {
    poplin_client_event event;
    bool failed = link->opened && !link->quit && poplin_client_phase(link->client) == 0;
    int status = failed ? poplin_link_pull(link, &event) : POPLIN_ERR_STATE;

    return status < 0 ? status : POPLIN_ERR_STATE;
}

static const char *misfit(const poplin_link *link, enum poplin_verb verb) {
    if (!poplin_loop_is_ours(link->loop))
        return "this connection belongs to the parent process: connect anew in the child";
    if (!link->opened)
        return "the connection does not stand yet: wait for that first";
    const int phase = poplin_client_phase(link->client);
    const unsigned phases = verb == POPLIN_NO_VERB ? POPLIN_AUTHORIZATION : poplin_verb_lookup(verb)->phases;
    if (phase == 0)
        return "the session is over: connect anew";
    if ((phases & (unsigned)phase) == 0)
        return phase == POPLIN_AUTHORIZATION ? "log in first" : "this is possible only before the login";
    if (verb == POPLIN_STLS && poplin_link_tls(link))
        return "TLS stands already";
    if (verb == POPLIN_STLS)
        return "TLS goes before UTF8, and what was asked for before has to end first";
    return "what was asked for before has to end first";
}

void poplin_link_explain(const poplin_link *link, enum poplin_verb verb, poplin_error *error) {
    *error = (poplin_error){.status = POPLIN_ERR_STATE};
    if (verb != POPLIN_NO_VERB)
        (void)snprintf(error->doing, sizeof error->doing, "%s", poplin_verb_name(verb));
    (void)snprintf(error->host, sizeof error->host, "%s", link->where);
    (void)snprintf(error->reason, sizeof error->reason, "%s", misfit(link, verb));
}

/* What was submitted goes out with the next pull or the next step, whichever is first: so many go in one write. */
static int submitted(poplin_link *link, int status) {
    if (status == POPLIN_OK)
        poplin_ready_queue(&link->ready);
    return status == POPLIN_ERR_STATE ? why_not(link) : status;
}

int poplin_link_submit(poplin_link *link, const poplin_command *command, uint64_t tag) {
    int status = usable(link);
    return status == POPLIN_OK ? submitted(link, poplin_client_submit(link->client, command, tag)) : status;
}

int poplin_link_submit_login(poplin_link *link, const poplin_credentials *login, uint64_t tag) {
    int status = usable(link);
    return status == POPLIN_OK ? submitted(link, poplin_client_login(link->client, login, tag)) : status;
}

int poplin_link_submit_retr_all(poplin_link *link, const poplin_wanted *wanted, size_t count, uint64_t tag) {
    int status = usable(link);
    return status == POPLIN_OK ? submitted(link, poplin_client_retr_all(link->client, wanted, count, tag)) : status;
}

size_t poplin_link_stop_retr(poplin_link *link) {
    return usable(link) == POPLIN_OK ? poplin_client_retr_stop(link->client) : 0;
}

/* Starts the deadlines of a wait, or lets them run on: the silence counts from the last octet. */
static void wait_on(poplin_link *link) {
    bool awaited = !link->opened || link->quit || poplin_client_outstanding(link->client) > 0;
    if (!awaited)
        return;
    bool heard_more = link->transport.octets != link->heard;
    if (link->stage == POPLIN_LINK_TALKING && (!link->reply.set || heard_more)) {
        /* Between commands that go one by one, the next one acknowledges the reply. */
        if (heard_more && (link->reply.set || poplin_client_outstanding(link->client) > 1))
            poplin_transport_acknowledge(&link->transport, link->transport.octets - link->heard);
        link->heard = link->transport.octets;
        poplin_deadline_set(&link->reply, link->config.reply_ms);
    }
    if (link->config.total_ms > 0 && !link->total.set && !link->total.expired)
        poplin_deadline_set(&link->total, link->config.total_ms);
}

static int waited(poplin_link *link, int status) {
    if (!poplin_loop_is_ours(link->loop))
        return status;
    if (status == POPLIN_NEED_INPUT) {
        wait_on(link);
    } else {
        poplin_deadline_clear(&link->reply);
        poplin_deadline_clear(&link->total);
        link->looked = false;
    }
    return status;
}

int poplin_link_answer(poplin_link *link, int status) {
    if (waited(link, status) == POPLIN_OK)
        poplin_link_settle(link);
    return status;
}

int poplin_link_next(poplin_link *link, poplin_client_event *event) {
    int status;
    do
        status = poplin_link_pull(link, event);
    while (status == POPLIN_OK && event->kind == POPLIN_CLIENT_OPENED);
    if (status == POPLIN_WAITING) {
        poplin_ready_queue(&link->ready); /* more is here already: do not wait for the socket */
        status = POPLIN_NEED_INPUT;
    }
    return waited(link, status);
}

int poplin_link_wait(poplin_link *link, int milliseconds) {
    return poplin_loop_step(link->loop, milliseconds);
}
