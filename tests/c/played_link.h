/*
 * played_link.h - a link without sockets: the client's machine, with a server that is a function of the test. It stands in for what
 * the fetch engine calls of poplin/link.h, and takes no memory but the machine's.
 */
#ifndef PLAYED_LINK_H
#define PLAYED_LINK_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <poplin/link.h>

struct poplin_link {
    poplin_client *client;
    poplin_error error;
    void (*answer)(struct poplin_link *link, poplin_slice command); /* says what the server says */
    bool (*pauses)(
        struct poplin_link *link); /* whether there is nothing to read now; NULL: as soon as something was said */
    void *context;
    char *said; /* what the client has not read yet: [read, filled) */
    size_t room, filled, read, lent;
    size_t portion;    /* octets that come at a time */
    size_t drop_after; /* octets from the server after which the line is cut; SIZE_MAX: never */
    bool hung_up;
    char command[300];
    size_t command_size;
};

static inline void played_say(poplin_link *link, const char *text, size_t size) {
    if (size > link->room - link->filled)
        size = link->room - link->filled;
    memcpy(link->said + link->filled, text, size);
    link->filled += size;
}

__attribute__((format(printf, 2, 3))) static inline void played_tell(poplin_link *link, const char *format, ...) {
    char text[700];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    played_say(link, text, (size_t)size);
}

/* Has the server answer what the client has sent. */
static inline void played_send(poplin_link *link) {
    const char *data;
    size_t size;
    poplin_client_output(link->client, &data, &size);
    for (size_t i = 0; i < size && !link->hung_up; i++) {
        if (link->command_size < sizeof link->command)
            link->command[link->command_size++] = data[i];
        if (data[i] != '\n')
            continue;
        link->answer(link, (poplin_slice){link->command, link->command_size - 2});
        link->command_size = 0;
    }
    poplin_client_sent(link->client, size);
}

/* Lends the machine what comes next. OK, or NEED_INPUT: nothing does. */
static inline int played_receive(poplin_link *link) {
    link->read += link->lent;
    link->lent = 0;
    if (link->read == link->filled)
        link->read = link->filled = 0;
    played_send(link);
    size_t size = link->filled - link->read;
    if (link->drop_after == 0 || (size == 0 && link->hung_up))
        return poplin_client_eof(link->client, false);
    if (size == 0 || (link->pauses != NULL && link->pauses(link)))
        return POPLIN_NEED_INPUT;
    size = size < link->portion ? size : link->portion;
    size = size < link->drop_after ? size : link->drop_after;
    link->drop_after -= link->drop_after == SIZE_MAX ? 0 : size;
    link->lent = size;
    return poplin_client_input(link->client, link->said + link->read, size);
}

static inline int played_pull(poplin_link *link, poplin_client_event *event) {
    for (;;) {
        if (link->error.status != POPLIN_OK)
            return link->error.status;
        int status = poplin_client_next(link->client, event);
        if (status == POPLIN_OK && event->kind != POPLIN_CLIENT_FAILED)
            return POPLIN_OK;
        if (status == POPLIN_OK)
            link->error = *event->error;
        else if (status != POPLIN_NEED_INPUT)
            return status;
        else if ((status = played_receive(link)) != POPLIN_OK)
            return status;
    }
}

/* Says the greeting and logs in. The link's functions and room are set already. OK or a failure. */
static inline int played_open(poplin_link *link) {
    const poplin_credentials login = {.user = {"alice", 5}, .password = {"secret", 6}};
    poplin_client_config config;
    poplin_client_event event;
    poplin_client_config_init(&config);
    config.tls = POPLIN_TLS_NEVER;
    config.link_protected = true;
    config.mechanisms = "USER";
    int status = poplin_client_new(&config, &link->client);
    if (status == POPLIN_OK)
        status = poplin_client_open(link->client, &login, 1);
    played_tell(link, "+OK\r\n");
    if (status != POPLIN_OK)
        return status;
    while ((status = played_pull(link, &event)) == POPLIN_OK || status == POPLIN_NEED_INPUT)
        if (status == POPLIN_OK && event.kind == POPLIN_CLIENT_OPENED)
            return event.status;
    return status;
}

static inline void played_close(poplin_link *link) {
    poplin_client_free(link->client);
    link->client = NULL;
}

/* ---- what the engine calls ---- */

int poplin_link_submit(poplin_link *link, const poplin_command *command, uint64_t tag) {
    return link->error.status != POPLIN_OK ? link->error.status : poplin_client_submit(link->client, command, tag);
}

int poplin_link_next(poplin_link *link, poplin_client_event *event) {
    return played_pull(link, event);
}

const poplin_error *poplin_link_error(const poplin_link *link) {
    return link->error.status != POPLIN_OK ? &link->error : NULL;
}

const poplin_client *poplin_link_client(const poplin_link *link) {
    return link->client;
}

int poplin_link_wait(poplin_link *link, int milliseconds) {
    (void)link;
    (void)milliseconds;
    return POPLIN_OK;
}

#endif
