/*
 * login_support.h - logins of the client's machine: what the server offers, and the server's half of a mechanism at the
 * other end of the lines.
 */
#ifndef LOGIN_SUPPORT_H
#define LOGIN_SUPPORT_H

#include "client_support.h"

#include "sasl/sasl.h"
#include "wire/base64.h"

#define TIMESTAMP "<1896.697170952@dbc.mtview.ca.us>"
#define TOKEN "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"
#define EVERYTHING \
    "USER\r\nSASL ANONYMOUS EXTERNAL CRAM-MD5 LOGIN PLAIN XOAUTH2 OAUTHBEARER SCRAM-SHA-1 SCRAM-SHA-256 " \
    "SCRAM-SHA-1-PLUS SCRAM-SHA-256-PLUS\r\n"

static const poplin_slice none = {NULL, 0};
static const poplin_credentials with_token = {.user = {"alice", 5}, .token = {TOKEN, sizeof TOKEN - 1}};

/* TLS with a verified server, and what there is to bind to. */
static inline poplin_tls_facts facts_of(size_t exporter, size_t end_point) {
    poplin_tls_facts facts = {.verified = true, .exporter_size = exporter, .end_point_size = end_point};
    memset(facts.exporter, 'x', exporter);
    memset(facts.end_point, 'e', end_point);
    return facts;
}

static inline poplin_client_config config_of(enum poplin_tls_mode tls, const char *mechanisms) {
    poplin_client_config config;
    poplin_client_config_init(&config);
    config.tls = tls;
    config.mechanisms = mechanisms;
    return config;
}

/* As far as the login, which what the server announces decides. facts: of implicit TLS; NULL: none. */
static inline conversation *login_with(const poplin_client_config *config, const poplin_tls_facts *facts,
                                       const poplin_credentials *login, const char *announced) {
    char capa[1024];
    conversation *talk = converse(config);
    if (facts != NULL)
        assert_int_equal(poplin_client_tls(talk->client, facts), POPLIN_OK);
    assert_int_equal(poplin_client_open(talk->client, login, 1), POPLIN_OK);
    if (config->mechanisms != NULL && strstr(config->mechanisms, "APOP") != NULL)
        says(talk, "+OK ready " TIMESTAMP "\r\n");
    else
        says(talk, "+OK ready\r\n");
    assert_sends(talk, "CAPA\r\n");
    poplin_buffer_clear(&talk->events);
    snprintf(capa, sizeof capa, "+OK\r\n%s.\r\n", announced);
    server_says(talk, poplin_slice_of(capa));
    return talk;
}

/* Under TLS, which gives the bindings asked for. */
static inline conversation *login_by(const char *mechanisms, const poplin_credentials *login, const char *announced) {
    poplin_client_config config = config_of(POPLIN_TLS_IMPLICIT, mechanisms);
    poplin_tls_facts facts = facts_of(32, 32);
    return login_with(&config, &facts, login, announced);
}

/* Offers the mechanism alone, and names it. */
static inline conversation *login_by_one(enum poplin_mechanism mechanism, const poplin_credentials *login,
                                         bool two_step) {
    char announced[64];
    poplin_client_config config = config_of(POPLIN_TLS_IMPLICIT, poplin_mechanism_name(mechanism));
    poplin_tls_facts facts = facts_of(32, 32);
    config.two_step = two_step;
    snprintf(announced, sizeof announced, "SASL %s\r\n", poplin_mechanism_name(mechanism));
    return login_with(&config, &facts, login, announced);
}

/* The machine sends something that begins so. */
static inline void assert_begins(conversation *talk, const char *beginning) {
    drain(talk);
    poplin_slice sent = poplin_buffer_slice(&talk->sent);
    if (sent.size < strlen(beginning) || memcmp(sent.data, beginning, strlen(beginning)) != 0)
        fail_msg("sent: %.*s(reason: %s)\nwanted: %s", (int)sent.size, sent.data != NULL ? sent.data : "",
                 talk->error.reason, beginning);
    poplin_buffer_clear(&talk->sent);
}

/* The line that the machine sends, without its CRLF; lives until the next. */
static inline poplin_slice take_sent(conversation *talk) {
    static char line[70000];
    drain(talk);
    poplin_slice sent = poplin_buffer_slice(&talk->sent);
    assert_true(sent.size >= 2 && sent.size < sizeof line);
    memcpy(line, sent.data, sent.size);
    assert_memory_equal(line + sent.size - 2, "\r\n", 2);
    poplin_buffer_clear(&talk->sent);
    return (poplin_slice){line, sent.size - 2};
}

static inline void decode(poplin_slice text, poplin_buffer *octets) {
    poplin_buffer_clear(octets);
    assert_int_equal(poplin_base64_decode(text, octets), POPLIN_OK);
}

/* "+ ", what is to be said in base64, CRLF. */
static inline void challenge(conversation *talk, poplin_slice message) {
    poplin_buffer line = {0};
    poplin_buffer_append(&line, "+ ", 2);
    poplin_base64_encode(message, &line);
    poplin_buffer_append(&line, "\r\n", 2);
    server_says(talk, poplin_buffer_slice(&line));
    poplin_buffer_free(&line);
}

/* ---- a server ---- */

typedef struct host {
    poplin_sasl_server *server;
    poplin_sasl_turn turn;
    poplin_slice user, secret; /* who is let in */
} host;

static inline void decide(host *peer) {
    poplin_sasl_turn *turn = &peer->turn;
    bool known = poplin_slice_equal(turn->user, peer->user);
    poplin_slice shown = turn->wish == POPLIN_SASL_TOKEN ? turn->token : turn->password;
    bool good = known && poplin_slice_equal(shown, peer->secret);
    int status = turn->wish != POPLIN_SASL_SECRET ? good ? poplin_sasl_server_accept(peer->server, turn)
                                                         : poplin_sasl_server_refuse(peer->server, turn)
                 : known ? poplin_sasl_server_secret(peer->server, peer->secret, turn)
                                                  : poplin_sasl_server_unknown(peer->server, turn);
    assert_int_equal(status, POPLIN_OK);
}

static inline void hear(host *peer, poplin_slice message) {
    assert_int_equal(poplin_sasl_server_step(peer->server, message, &peer->turn), POPLIN_OK);
    while (peer->turn.wish == POPLIN_SASL_CHECK || peer->turn.wish == POPLIN_SASL_SECRET ||
           peer->turn.wish == POPLIN_SASL_TOKEN)
        decide(peer);
}

/* Hears the AUTH line of this mechanism, with the initial response where it has one. */
static inline void hear_auth(host *peer, const char *mechanism, poplin_slice line, bool initial) {
    char head[64];
    poplin_buffer message = {0};
    int size = snprintf(head, sizeof head, "AUTH %s", mechanism);
    assert_true(line.size >= (size_t)size && memcmp(line.data, head, (size_t)size) == 0);
    assert_int_equal(line.size > (size_t)size, initial);
    if (!initial) {
        hear(peer, none);
        return;
    }
    poplin_slice response = {line.data + size + 1, line.size - (size_t)size - 1};
    if (!poplin_slice_equal(response, poplin_slice_of("=")))
        decode(response, &message);
    hear(peer, message.size > 0 ? poplin_buffer_slice(&message) : poplin_slice_of(""));
    poplin_buffer_free(&message);
}

/* From the AUTH line to +OK or -ERR. Returns how many challenges there were. */
static inline size_t play_exchange(conversation *talk, host *peer, const char *mechanism, bool initial) {
    size_t challenges = 0;
    hear_auth(peer, mechanism, take_sent(talk), initial);
    for (; peer->turn.wish == POPLIN_SASL_CHALLENGE; challenges++) {
        poplin_buffer message = {0};
        challenge(talk, peer->turn.message);
        poplin_slice line = take_sent(talk);
        if (poplin_slice_equal(line, poplin_slice_of("*"))) {
            peer->turn.wish = POPLIN_SASL_FAILED;
            break;
        }
        decode(line, &message);
        hear(peer, message.size > 0 ? poplin_buffer_slice(&message) : poplin_slice_of(""));
        poplin_buffer_free(&message);
    }
    if (peer->turn.wish == POPLIN_SASL_DONE)
        says(talk, "+OK in\r\n");
    else
        says(talk, "-ERR no\r\n");
    return challenges;
}

static inline host new_host(enum poplin_mechanism mechanism, poplin_slice secret) {
    poplin_tls_facts facts = facts_of(32, 32);
    poplin_sasl_server_config config = {
        .exporter = {"tls-exporter", {(const char *)facts.exporter, 32}},
        .end_point = {"tls-server-end-point", {(const char *)facts.end_point, 32}},
        .plus_offered = (poplin_mechanism_traits(mechanism) & POPLIN_SASL_BINDS) != 0,
        .external = SLICE("alice"),
        .pepper = SLICE("pepper"),
    };
    host peer = {.user = SLICE("alice"), .secret = secret};
    assert_int_equal(poplin_sasl_server_new(mechanism, &config, &peer.server), POPLIN_OK);
    return peer;
}

#endif
