/*
 * loop/server.c - a server: binds, accepts, counts its connections, and ends them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/descriptors.h"
#include "loop/serving.h"

/* Connections taken in one pass, so that a crowd at the door does not keep those inside waiting. */
#define ACCEPTED_AT_ONCE 64

/* How long accepting pauses when the system has no descriptor left. */
#define PAUSE_MS 100

void poplin_server_config_init(poplin_server_config *config) {
    *config = (poplin_server_config){
        .host = "127.0.0.1",
        .tls = POPLIN_TLS_NEVER,
        .loopback_protected = true,
        .lock = POPLIN_LOCK_EXCLUSIVE,
        .max_sessions = 10000,
        .inactivity_ms = 600000,
        .handshake_ms = 30000,
        .stall_ms = 120000,
        .failed_login_ms = 1000,
    };
    poplin_session_config_init(&config->session);
    config->session.asks = 0;
}

/* ---- the list of connections ---- */

void poplin_server_add(poplin_server *server, poplin_connection *connection) {
    connection->next = server->connections;
    if (connection->next != NULL)
        connection->next->previous = connection;
    server->connections = connection;
    server->connection_count++;
    server->sessions++;
    server->references++;
}

void poplin_server_remove(poplin_server *server, poplin_connection *connection) {
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        server->connections = connection->next;
    server->connection_count--;
}

bool poplin_server_is_crowded(const poplin_server *server) {
    return server->connection_count - server->sessions > server->config.max_sessions;
}

/* ---- accepting ---- */

/* One short line, if the socket takes it; under implicit TLS there is nothing that could be said. */
static void turn_away(const poplin_server *server, int descriptor) {
    static const char words[] = "-ERR [SYS/TEMP] too many sessions\r\n";
    if (server->config.tls != POPLIN_TLS_IMPLICIT)
        (void)send(descriptor, words, sizeof words - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)close(descriptor);
}

static void pause_accepting(poplin_server *server) {
    poplin_watch_ask(server->watch, 0);
    poplin_deadline_set(&server->pause, PAUSE_MS);
}

static bool is_exhaustion(int error) {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* Any other failure is the connection's own: it was gone before it was accepted. */
static void accept_some(poplin_server *server) {
    for (int i = 0; i < ACCEPTED_AT_ONCE; i++) {
        int descriptor = poplin_descriptor_above(
            accept4(poplin_watch_descriptor(server->watch), NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (descriptor < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (descriptor < 0 && is_exhaustion(errno)) {
            pause_accepting(server);
            return;
        }
        if (descriptor < 0)
            continue;
        if (server->sessions >= server->config.max_sessions)
            turn_away(server, descriptor);
        else
            poplin_connection_begin(server, descriptor);
    }
}

static void run(void *context) {
    poplin_server *server = context;
    if (server->pause.expired) {
        poplin_deadline_clear(&server->pause);
        poplin_watch_ask(server->watch, POPLIN_READABLE);
    }
    accept_some(server);
}

static void on_connect(void *context, int events) {
    poplin_server *server = context;
    (void)events;
    poplin_ready_queue(&server->ready);
}

/* ---- the life of a server ---- */

/* Frees the memory; what the system knows of the server is gone. */
void poplin_server_release(poplin_server *server) {
    if (--server->references > 0)
        return;
    poplin_requests_free(&server->requests);
    poplin_locks_free(&server->locks);
    poplin_failures_free(&server->failures);
    poplin_logins_free(&server->logins);
    poplin_server_forget_config(server);
    free(server->listener.path);
    free(server);
}

static int listen_as_configured(poplin_server *server, poplin_error *error) {
    const poplin_server_config *config = &server->config;
    int status = config->path != NULL ? poplin_listen_unix(config->path, &server->listener, error)
                                      : poplin_listen_tcp(config->host, config->port, &server->listener, error);
    if (status != POPLIN_OK)
        return status;
    status = poplin_watch_new(server->loop, server->listener.descriptor, on_connect, server, &server->watch);
    if (status != POPLIN_OK) {
        (void)poplin_server_fail(error, status, strerror(errno));
        poplin_listener_remove_name(&server->listener);
        (void)close(server->listener.descriptor);
    }
    return status;
}

int poplin_server_new(poplin_loop *loop, const poplin_server_config *config, const poplin_backend *backend,
                      void *context, poplin_server **server, poplin_error *error) {
    poplin_error unwanted;
    if (error == NULL)
        error = &unwanted;
    if (!poplin_loop_is_ours(loop))
        return poplin_server_fail(error, POPLIN_ERR_STATE, "the loop belongs to the parent process");
    poplin_server *made = calloc(1, sizeof *made);
    if (made == NULL)
        return poplin_server_fail(error, POPLIN_ERR_NOMEM, "");
    made->references = 1;
    made->loop = loop;
    made->context = context;
    poplin_ready_init(&made->ready, loop, run, made);
    poplin_deadline_init(&made->pause, &made->ready);
    int status = poplin_server_configure(made, config, backend, error);
    if (status == POPLIN_OK)
        status = listen_as_configured(made, error);
    if (status != POPLIN_OK) {
        poplin_server_release(made);
        return status;
    }
    *server = made;
    return POPLIN_OK;
}

int poplin_server_start(poplin_server *server) {
    if (!poplin_loop_is_ours(server->loop))
        return POPLIN_ERR_STATE;
    poplin_watch_ask(server->watch, POPLIN_READABLE);
    return POPLIN_OK;
}

void poplin_server_free(poplin_server *server) {
    if (server == NULL || server->stopped)
        return;
    bool ours = poplin_loop_is_ours(server->loop);
    server->stopped = true;
    poplin_deadline_clear(&server->pause);
    poplin_ready_remove(&server->ready);
    if (ours)
        poplin_listener_remove_name(&server->listener);
    poplin_watch_close(server->watch);
    while (server->connections != NULL) {
        if (ours)
            poplin_connection_stop(server->connections);
        else
            poplin_connection_forget(server->connections);
    }
    poplin_server_release(server);
}

void poplin_server_abandon(poplin_server *server) {
    (void)close(server->listener.descriptor);
}

uint16_t poplin_server_port(const poplin_server *server) {
    return server->listener.port;
}

size_t poplin_server_sessions(const poplin_server *server) {
    return server->sessions;
}
