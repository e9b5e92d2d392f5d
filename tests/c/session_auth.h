/*
 * session_auth.h - a client that logs in to the session of session_host.h by a mechanism, played by the client's half of it.
 */
#ifndef SESSION_AUTH_H
#define SESSION_AUTH_H

#include "mechanisms.h"
#include "session_host.h"

/* All that the server said in the last call of authenticate. */
static char conversation[1 << 16];

#define WELCOME "+OK 2 messages\r\n"
#define WRONG "-ERR [AUTH] name or password not accepted\r\n"

/* Octets that the client sends at a time; 0: whole lines. */
static size_t said_at_a_time;

static inline void say_in_pieces(poplin_slice line) {
    size_t piece = said_at_a_time > 0 ? said_at_a_time : line.size;

    for (size_t from = 0; from < line.size; from += piece)
        host_feed(&h, line.data + from, piece < line.size - from ? piece : line.size - from);
}

/* Says start, the message in base64, and CRLF. An empty message is "=" behind a command, and nothing by itself. */
static inline void say_message(const char *start, poplin_slice message) {
    poplin_buffer line = {0};

    append(&line, start, strlen(start));
    if (message.size == 0 && *start != '\0')
        append(&line, "=", 1);
    assert_int_equal(poplin_base64_encode(message, &line), POPLIN_OK);
    append(&line, "\r\n", 2);
    say_in_pieces(poplin_buffer_slice(&line));
    poplin_buffer_free(&line);
}

/* Says the message as the response, or with the command, and returns the answer. */
static inline const char *response_is_answered(poplin_slice message) {
    say_message("", message);
    return host_heard(&h);
}

static inline const char *initial_is_answered(const char *mechanism, poplin_slice message) {
    char start[64];

    snprintf(start, sizeof start, "AUTH %s ", mechanism);
    say_message(start, message);
    return host_heard(&h);
}

/* What a challenge line holds; lives until the fourth call from now. */
static inline poplin_slice challenge_in(const char *line) {
    char text[8192];

    assert_memory_equal(line, "+ ", 2);
    assert_true(strlen(line) < sizeof text);
    snprintf(text, sizeof text, "%.*s", (int)strcspn(line + 2, "\r"), line + 2);
    return decoded(text);
}

/* The last line that the server has said; noted as part of the conversation. */
static inline const char *next_reply(void) {
    const char *heard = host_heard(&h);

    assert_true(strlen(conversation) + strlen(heard) < sizeof conversation);
    return strcat(conversation, heard) + strlen(conversation) - strlen(heard);
}

static inline void begin_authentication(enum poplin_mechanism mechanism, poplin_sasl_client *client, bool initial) {
    char start[64];
    poplin_buffer said = {0};
    const char *reason;

    conversation[0] = '\0';
    if (initial) {
        snprintf(start, sizeof start, "AUTH %s ", poplin_mechanism_name(mechanism));
        assert_int_equal(poplin_sasl_client_step(client, nothing, &said, &reason), POPLIN_OK);
        say_message(start, poplin_buffer_slice(&said));
    } else {
        snprintf(start, sizeof start, "AUTH %s\r\n", poplin_mechanism_name(mechanism));
        host_say(&h, start);
    }
    poplin_buffer_free(&said);
}

/* Logs in to the session, which may wait in the middle of it; returns the server's last line. */
static inline const char *authenticate(enum poplin_mechanism mechanism, const poplin_sasl_client_config *config,
                                       bool initial) {
    poplin_sasl_client *client = new_client(mechanism, config);
    const char *reply, *reason;

    begin_authentication(mechanism, client, initial);
    while (*(reply = next_reply()) == '+' && reply[1] == ' ') {
        poplin_buffer said = {0};

        if (poplin_sasl_client_step(client, challenge_in(reply), &said, &reason) == POPLIN_OK)
            say_message("", poplin_buffer_slice(&said));
        else
            host_say(&h, "*\r\n");
        poplin_buffer_free(&said);
    }
    if (strncmp(reply, "+OK", 3) == 0)
        assert_true(poplin_sasl_client_is_complete(client));
    poplin_sasl_client_free(client);
    return reply;
}

/* What TLS gave to the connection: both kinds of channel binding, and a certificate of alice's. */
static const poplin_tls_facts full_facts = {
    .verified = true,
    .exporter_size = 32,
    .exporter = "the thirty-two octets: exporter!",
    .end_point_size = 32,
    .end_point = "the hash of a server certificate",
    .identity_size = 5,
    .identity = "alice",
};

/* A session on a link with TLS, its greeting heard. */
static inline void start_with_tls(const poplin_tls_facts *facts) {
    h.config.link_protected = false;
    host_start(&h);
    assert_int_equal(poplin_session_tls(h.session, facts), POPLIN_OK);
    host_pump(&h);
    host_heard(&h);
}

static const char all_mechanisms[] =
    "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 OAUTHBEARER XOAUTH2 PLAIN LOGIN CRAM-MD5 EXTERNAL "
    "ANONYMOUS";

static inline poplin_sasl_client_config alice(void) {
    return (poplin_sasl_client_config){
        .user = SLICE("alice"),
        .password = SLICE("secret"),
        .token = SLICE("t0ken"),
        .host = "mail.example.org",
        .port = 995,
    };
}

static inline bool binds(enum poplin_mechanism mechanism) {
    return (poplin_mechanism_traits(mechanism) & POPLIN_SASL_BINDS) != 0;
}

/* As alice, with the channel binding that the mechanism needs. */
static inline poplin_sasl_client_config alice_by(enum poplin_mechanism mechanism) {
    poplin_sasl_client_config config = alice();

    if (binds(mechanism))
        config.binding = (poplin_sasl_binding){"tls-exporter", {(const char *)full_facts.exporter, 32}};
    return config;
}

/* All mechanisms, on a link with TLS. */
static inline void start_with_all(unsigned asks) {
    h.config.asks = asks;
    h.config.mechanisms = all_mechanisms;
    h.config.host = "mail.example.org";
    h.config.port = 995;
    start_with_tls(&full_facts);
}

static inline void begin_again(void) {
    host_free(&h);
    host_init(&h);
}

#endif
