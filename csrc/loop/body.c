/*
 * loop/body.c - where a message's octets come from: lent by the host at once or in pieces, or read from a file.
 *
 * What the host lends goes to the session as it is, without a copy, and is given back when the session asks for more or
 * has done with the message. A file is read into one buffer, which is refilled when the session has used it up.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loop/serving.h"

#define FILE_BUFFER_MAX ((size_t)256 * 1024)
#define FILE_BUFFER_MIN ((size_t)4096)

/* The host may do anything in released: so the source forgets first. */
static void give_back(poplin_source *source) {
    if (!source->is_lent)
        return;
    source->is_lent = false;
    if (source->released != NULL)
        source->released(source->release_context, source->lent);
}

static void refuse(poplin_connection *connection, int status) {
    (void)poplin_session_refuse(connection->session, connection->question, status, NULL);
}

void poplin_body_ask(poplin_connection *connection, const poplin_session_event *event) {
    poplin_server *server = connection->server;
    if (connection->source.kind != POPLIN_SOURCE_NONE) {
        connection->question = event->question;
        connection->source.wanted = true;
        give_back(&connection->source);
        return;
    }
    poplin_request request = poplin_ask(connection, POPLIN_ASKED_BODY, event->question);
    server->backend.body(server->context, server, request, connection->maildrop, event->index, event->unique_id);
}

int poplin_body_lend(poplin_connection *connection, const void *data, size_t size, bool last,
                     void (*released)(void *release_context, const void *data), void *release_context) {
    poplin_source *source = &connection->source;
    if (source->kind == POPLIN_SOURCE_NONE)
        source->kind = POPLIN_SOURCE_OCTETS;
    source->lent = data;
    source->released = released;
    source->release_context = release_context;
    source->is_lent = true;
    return poplin_session_body(connection->session, connection->question, data, size, last);
}

/* ---- files ---- */

static size_t buffer_size(off_t remaining) {
    if (remaining < 0)
        remaining = 0;
    size_t wanted = (uint64_t)remaining >= FILE_BUFFER_MAX ? FILE_BUFFER_MAX : (size_t)remaining + 1;
    return wanted < FILE_BUFFER_MIN ? FILE_BUFFER_MIN : wanted;
}

int poplin_body_from_file(poplin_connection *connection, int descriptor) {
    struct stat facts;
    int status = POPLIN_OK;
    char *buffer = NULL;
    size_t capacity = 0;
    if (fstat(descriptor, &facts) != 0 || !S_ISREG(facts.st_mode)) {
        status = POPLIN_ERR_UNSUPPORTED;
    } else {
        capacity = buffer_size(facts.st_size - lseek(descriptor, 0, SEEK_CUR));
        buffer = malloc(capacity);
        if (buffer == NULL)
            status = POPLIN_ERR_NOMEM;
    }
    if (status != POPLIN_OK) {
        (void)close(descriptor);
        refuse(connection, POPLIN_ERR_TEMPORARY);
        if (status == POPLIN_ERR_UNSUPPORTED)
            poplin_server_problem(connection, status, "body_file", "not a regular file");
        return status;
    }
    connection->source = (poplin_source){
        .kind = POPLIN_SOURCE_FILE, .wanted = true, .descriptor = descriptor, .buffer = buffer, .capacity = capacity};
    return POPLIN_OK;
}

/* Fills the buffer. *last: the file has no more. False: it cannot be read. */
static bool fill(poplin_source *source, size_t *size, bool *last) {
    *size = 0;
    *last = false;
    while (*size < source->capacity && !*last) {
        ssize_t got = read(source->descriptor, source->buffer + *size, source->capacity - *size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        *size += (size_t)got;
        *last = got == 0;
    }
    return true;
}

static void read_file(poplin_connection *connection) {
    size_t size;
    bool last;
    if (fill(&connection->source, &size, &last)) {
        (void)poplin_session_body(connection->session, connection->question, connection->source.buffer, size, last);
        return;
    }
    const char *reason = strerror(errno);
    refuse(connection, POPLIN_ERR_TEMPORARY);
    poplin_body_done(connection);
    poplin_server_problem(connection, POPLIN_ERR_IO, "read a message's file", reason);
}

/* ---- all kinds ---- */

void poplin_body_produce(poplin_connection *connection) {
    poplin_server *server = connection->server;
    connection->source.wanted = false;
    if (connection->source.kind == POPLIN_SOURCE_FILE) {
        read_file(connection);
        return;
    }
    poplin_request request = poplin_ask(connection, POPLIN_ASKED_PIECE, connection->question);
    server->backend.piece(server->context, server, request, connection->maildrop, connection->source.pieces);
}

/* What was lent goes first: if the host frees the server meanwhile, the rest has been done by then. */
void poplin_body_done(poplin_connection *connection) {
    poplin_server *server = connection->server;
    give_back(&connection->source);
    poplin_source source = connection->source;
    connection->source = (poplin_source){0};
    if (source.kind == POPLIN_SOURCE_FILE) {
        (void)close(source.descriptor);
        free(source.buffer);
    }
    if (source.kind == POPLIN_SOURCE_PIECES)
        server->backend.pieces_done(server->context, connection->maildrop, source.pieces);
}
