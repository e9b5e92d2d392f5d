/*
 * client_support.h - a conversation with the client's machine, its events written down as text:
 *
 *     GREETING hello                       REPLY #7 RETR 1 OK: 120 octets ...     (... : more lines follow)
 *     LISTING 1 120                        BODY Subject: hi\r\n\r\n               (neighbouring slices joined)
 *     END 14                               OPENED #1 AUTH [AUTH]: no
 *     START_TLS, CLOSED                    FAILED PROTOCOL, RETR 1: what went wrong
 */
#ifndef CLIENT_SUPPORT_H
#define CLIENT_SUPPORT_H

#include "support.h"

#include <poplin/client.h>

#include "wire/grammar.h"

#include <stdio.h>

typedef struct conversation {
    poplin_client *client;
    poplin_buffer events;
    poplin_buffer sent;
    bool in_body;
    poplin_error error;
} conversation;

/* A link that needs no TLS. */
static inline poplin_client_config protected_config(void) {
    poplin_client_config config;
    poplin_client_config_init(&config);
    config.tls = POPLIN_TLS_AUTO;
    config.link_protected = true;
    return config;
}

static inline conversation *converse(const poplin_client_config *config) {
    conversation *talk = calloc(1, sizeof *talk);
    assert_non_null(talk);
    assert_int_equal(poplin_client_new(config, &talk->client), POPLIN_OK);
    return talk;
}

static inline void hang_up(conversation *talk) {
    poplin_client_free(talk->client);
    poplin_buffer_free(&talk->events);
    poplin_buffer_free(&talk->sent);
    free(talk);
}

/* ---- writing down ---- */

static inline void note(conversation *talk, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline void note(conversation *talk, const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    poplin_buffer_append(&talk->events, text, strlen(text));
}

static inline void note_octets(conversation *talk, poplin_slice octets) {
    for (size_t i = 0; i < octets.size; i++) {
        char shown[8];
        char c = octets.data[i];
        poplin_visible((poplin_slice){&c, 1}, shown, sizeof shown);
        note(talk, "%s", c == '\r' ? "\\r" : c == '\n' ? "\\n" : shown);
    }
}

static inline void note_status(conversation *talk, const poplin_client_event *event) {
    note(talk, " %s", poplin_status_name(event->status));
    if (event->code != POPLIN_CODE_NONE)
        note(talk, " [%s]", poplin_code_text(event->code));
    if (event->text.size > 0) {
        note(talk, ": ");
        note_octets(talk, event->text);
    }
}

static inline void note_reply(conversation *talk, const poplin_client_event *event) {
    note(talk, "REPLY #%d %s", (int)event->tag, poplin_verb_name(event->verb));
    if (event->number > 0)
        note(talk, " %u", event->number);
    note_status(talk, event);
    if (event->verb == POPLIN_STAT && event->status == POPLIN_OK)
        note(talk, " = %u messages", event->count);
    if (event->octets > 0)
        note(talk, " = %llu octets", (unsigned long long)event->octets);
    note(talk, event->complete ? "\n" : " ...\n");
}

static inline void note_event(conversation *talk, const poplin_client_event *event) {
    if (talk->in_body && event->kind != POPLIN_CLIENT_BODY) {
        note(talk, "\n");
        talk->in_body = false;
    }
    switch (event->kind) {
    case POPLIN_CLIENT_GREETING:
        note(talk, "GREETING ");
        note_octets(talk, event->text);
        note(talk, "\n");
        break;
    case POPLIN_CLIENT_START_TLS:
        note(talk, "START_TLS\n");
        break;
    case POPLIN_CLIENT_REPLY:
        note_reply(talk, event);
        break;
    case POPLIN_CLIENT_LISTING:
        note(talk, "LISTING %u ", event->number);
        if (event->verb == POPLIN_LIST)
            note(talk, "%llu", (unsigned long long)event->octets);
        note_octets(talk, event->text);
        note(talk, "\n");
        break;
    case POPLIN_CLIENT_BODY:
        assert_true(event->text.size > 0);
        if (!talk->in_body)
            note(talk, "BODY ");
        talk->in_body = true;
        note_octets(talk, event->text);
        break;
    case POPLIN_CLIENT_END:
        note(talk, "END %llu\n", (unsigned long long)event->octets);
        break;
    case POPLIN_CLIENT_OPENED:
        note(talk, "OPENED #%d", (int)event->tag);
        note_status(talk, event);
        note(talk, "\n");
        break;
    case POPLIN_CLIENT_CLOSED:
        note(talk, "CLOSED\n");
        break;
    case POPLIN_CLIENT_FAILED:
        talk->error = *event->error;
        note(talk, "FAILED %s, %s: %s\n", poplin_status_name(event->error->status), event->error->doing,
             event->error->reason);
        break;
    }
}

/* ---- talking ---- */

/* Pulls every event; what next answered at last is returned. */
static inline int pull(conversation *talk) {
    poplin_client_event event;
    int result;
    while ((result = poplin_client_next(talk->client, &event)) == POPLIN_OK)
        note_event(talk, &event);
    return result;
}

/* Sends what the machine wants sent. */
static inline void drain(conversation *talk) {
    const char *data;
    size_t size;
    poplin_client_output(talk->client, &data, &size);
    poplin_buffer_append(&talk->sent, data, size);
    poplin_client_sent(talk->client, size);
}

/* Lends octets, in a block of their own so that the sanitizer sees a step too far, and pulls. */
static inline int server_says(conversation *talk, poplin_slice octets) {
    char *lent = malloc(octets.size > 0 ? octets.size : 1);
    memcpy(lent, octets.data, octets.size);
    assert_int_equal(poplin_client_input(talk->client, lent, octets.size), POPLIN_OK);
    int result = pull(talk);
    free(lent);
    return result;
}

#define says(talk, literal) server_says(talk, SLICE(literal))

static inline int server_closes(conversation *talk, bool clean) {
    assert_int_equal(poplin_client_eof(talk->client, clean), POPLIN_OK);
    return pull(talk);
}

static inline int submit(conversation *talk, poplin_command command, uint64_t tag) {
    return poplin_client_submit(talk->client, &command, tag);
}

static inline void assert_text(poplin_buffer *got, const char *wanted) {
    poplin_slice text = poplin_buffer_slice(got);
    if (!poplin_slice_equal(text, poplin_slice_of(wanted)))
        fail_msg("got:\n%.*s\nwanted:\n%s", (int)text.size, text.data, wanted);
    poplin_buffer_clear(got);
}

/* These are the events since the last time, and this is what is sent. */
static inline void assert_events(conversation *talk, const char *events) {
    if (talk->in_body)
        note(talk, "\n");
    talk->in_body = false;
    assert_text(&talk->events, events);
}

static inline void assert_sends(conversation *talk, const char *octets) {
    drain(talk);
    assert_text(&talk->sent, octets);
}

/* The machine has failed so, hands that out once, and does nothing any more. */
static inline void assert_failed(conversation *talk, int status, const char *doing, const char *words) {
    poplin_client_event event;
    const char *data;
    size_t size;
    if (talk->error.status == POPLIN_OK)
        fail_msg("no failure, but:\n%.*s", (int)talk->events.size, poplin_buffer_slice(&talk->events).data);
    assert_string_equal(poplin_status_name(talk->error.status), poplin_status_name(status));
    assert_string_equal(talk->error.doing, doing);
    if (strstr(talk->error.reason, words) == NULL)
        fail_msg("the reason is: %s", talk->error.reason);
    poplin_client_output(talk->client, &data, &size);
    assert_int_equal(size, 0);
    assert_int_equal(poplin_client_next(talk->client, &event), POPLIN_ERR_STATE);
    assert_int_equal(poplin_client_input(talk->client, "x", 1), POPLIN_ERR_STATE);
    assert_int_equal(poplin_client_eof(talk->client, true), POPLIN_ERR_STATE);
    assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_QUIT}, 0), POPLIN_ERR_STATE);
    assert_int_equal(poplin_client_phase(talk->client), 0);
    assert_int_equal(poplin_client_outstanding(talk->client), 0);
}

/* Has the server say beginning, so many octets more, and end. */
static inline void says_long(conversation *talk, const char *beginning, size_t octets, const char *end) {
    poplin_buffer line = {0};
    poplin_buffer_append(&line, beginning, strlen(beginning));
    while (octets-- > 0)
        poplin_buffer_append(&line, "A", 1);
    poplin_buffer_append(&line, end, strlen(end));
    server_says(talk, poplin_buffer_slice(&line));
    poplin_buffer_free(&line);
}

static const poplin_credentials alice = {.user = {"alice", 5}, .password = {"secret", 6}};

/* A conversation in which the machine opens and logs in, up to what CAPA is answered. */
static inline conversation *opening(const poplin_client_config *config, poplin_slice capa) {
    conversation *talk = converse(config);
    assert_int_equal(poplin_client_open(talk->client, &alice, 1), POPLIN_OK);
    says(talk, "+OK ready\r\n");
    assert_sends(talk, "CAPA\r\n");
    server_says(talk, capa);
    return talk;
}

/* A conversation in TRANSACTION with a server that announces these lines, each with its CRLF. */
static inline conversation *logged_in(const poplin_client_config *config, const char *capabilities) {
    char capa[512];
    snprintf(capa, sizeof capa, "+OK\r\nUSER\r\n%s.\r\n", capabilities);
    conversation *talk = opening(config, poplin_slice_of(capa));
    assert_sends(talk, "USER alice\r\n");
    says(talk, "+OK\r\n");
    assert_sends(talk, "PASS secret\r\n");
    says(talk, "+OK\r\n");
    assert_events(talk, "GREETING ready\nOPENED #1 OK\n");
    assert_int_equal(poplin_client_phase(talk->client), POPLIN_TRANSACTION);
    return talk;
}

/* The same with the usual configuration. */
static inline conversation *transaction(const char *capabilities) {
    poplin_client_config config = protected_config();
    return logged_in(&config, capabilities);
}

/* Submits a command and has the machine send it. */
static inline void ask(conversation *talk, poplin_command command) {
    assert_int_equal(submit(talk, command, 7), POPLIN_OK);
    drain(talk);
    poplin_buffer_clear(&talk->sent);
}

#endif
