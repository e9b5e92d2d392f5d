/*
 * linked.h - what the tests of links, calls and series share: a link with a scripted peer at its other end, in clear or
 * under TLS, that opens as the test says.
 */
#ifndef LINKED_H
#define LINKED_H

#include <stdio.h>

#include "loop/link.h"
#include "peer.h"

#define LINKED_PATIENCE_S 60

struct linked {
    poplin_loop *loop;
    struct peer peer;
    poplin_link_config config; /* may be changed before linked_open */
    poplin_link *link;
    poplin_tls_credentials *trust, *identity;
};

static inline int linked_set_up(void **state) {
    struct linked *linked = calloc(1, sizeof *linked);

    (void)alarm(LINKED_PATIENCE_S);
    if (!linked || poplin_loop_new(&linked->loop) != POPLIN_OK)
        return -1;
    poplin_link_config_init(&linked->config);
    linked->config.descriptor = peer_open(&linked->peer, linked->loop);
    linked->config.client.tls = POPLIN_TLS_NEVER;
    *state = linked;
    return 0;
}

static inline int linked_tear_down(void **state) {
    struct linked *linked = *state;

    poplin_link_free(linked->link);
    peer_close(&linked->peer);
    poplin_tls_credentials_free(linked->trust);
    poplin_tls_credentials_free(linked->identity);
    poplin_loop_free(linked->loop);
    free(linked);
    return 0;
}

/* The link will speak TLS from the first octet. */
static inline void linked_use_tls(struct linked *linked) {
    static const char *const names[] = {"pop.example.org"};
    poplin_tls_throwaway throwaway;

    assert_int_equal(poplin_tls_throwaway_new(names, 1, &throwaway), POPLIN_OK);
    const poplin_tls_trust trust = {.verify = true, .ca_pem = {throwaway.ca_pem, strlen(throwaway.ca_pem)}};
    const poplin_slice cert = {throwaway.cert_pem, strlen(throwaway.cert_pem)};
    const poplin_slice key = {throwaway.key_pem, strlen(throwaway.key_pem)};
    assert_int_equal(poplin_tls_client_credentials(&trust, &linked->trust, NULL), POPLIN_OK);
    assert_int_equal(poplin_tls_server_credentials_pem(cert, key, &linked->identity, NULL), POPLIN_OK);
    poplin_tls_throwaway_free(&throwaway);
    linked->config.credentials = linked->trust;
    linked->config.host = "pop.example.org";
    linked->config.loopback_protected = false;
    linked->config.client.tls = POPLIN_TLS_IMPLICIT;
}

static inline void linked_step(struct linked *linked) {
    assert_int_equal(poplin_loop_step(linked->loop, 0), POPLIN_OK);
    assert_int_equal(poplin_loop_step(linked->loop, 0), POPLIN_OK);
}

static inline void linked_wait(struct linked *linked) {
    assert_int_equal(poplin_link_wait(linked->link, -1), POPLIN_OK);
}

static inline void linked_go_on_opening(void *context) {
    (void)poplin_link_opened(context);
}

static inline int linked_opened(struct linked *linked) {
    int status;

    while ((status = poplin_link_opened(linked->link)) == POPLIN_NEED_INPUT)
        linked_wait(linked);
    poplin_link_on_ready(linked->link, NULL, NULL);
    return status;
}

/* The link is on its way to be opened; login may be NULL. */
static inline void linked_begin(struct linked *linked, const poplin_credentials *login) {
    assert_int_equal(poplin_link_open(linked->loop, &linked->config, login, &linked->link), POPLIN_OK);
    linked->config.descriptor = -1;
    poplin_link_on_ready(linked->link, linked_go_on_opening, linked->link);
}

/* The peer greets and tells its capabilities. */
static inline void linked_say_hello(struct linked *linked) {
    peer_say(&linked->peer, "+OK ready\r\n");
    peer_hear(&linked->peer, "CAPA\r\n");
    peer_say(&linked->peer, "+OK\r\nSASL PLAIN\r\nPIPELINING\r\nRESP-CODES\r\nSTLS\r\nUIDL\r\nTOP\r\n.\r\n");
}

/* Opened as far as the capabilities; login may be NULL. */
static inline void linked_greet(struct linked *linked, const poplin_credentials *login) {
    linked_begin(linked, login);
    if (linked->identity)
        peer_shake(&linked->peer, linked->identity);
    linked_say_hello(linked);
}

/* Opened as far as the command STLS, which the peer has not answered. */
static inline void linked_begin_stls(struct linked *linked) {
    const poplin_credentials login = {.user = SLICE("alice"), .password = SLICE("secret")};

    linked_use_tls(linked);
    linked->config.client.tls = POPLIN_TLS_STLS;
    linked_begin(linked, &login);
    linked_say_hello(linked);
    peer_hear(&linked->peer, "STLS\r\n");
}

static inline void linked_open(struct linked *linked) {
    const poplin_credentials login = {.user = SLICE("alice"), .password = SLICE("secret")};

    linked_greet(linked, &login);
    peer_hear(&linked->peer, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n");
    peer_say(&linked->peer, "+OK\r\n");
    assert_int_equal(linked_opened(linked), POPLIN_OK);
}

/* ---- events ---- */

static inline void linked_submit(struct linked *linked, enum poplin_verb verb, uint32_t number, uint64_t tag) {
    const poplin_command command = {.verb = verb, .number = number};

    assert_int_equal(poplin_link_submit(linked->link, &command, tag), POPLIN_OK);
}

/* The next event, or the failure that comes instead. */
static inline int linked_event(struct linked *linked, poplin_client_event *event) {
    int status;

    while ((status = poplin_link_next(linked->link, event)) == POPLIN_NEED_INPUT)
        linked_wait(linked);
    return status;
}

static inline poplin_client_event linked_expect(struct linked *linked, enum poplin_client_event_kind kind) {
    poplin_client_event event;

    assert_int_equal(linked_event(linked, &event), POPLIN_OK);
    assert_int_equal(event.kind, kind);
    return event;
}

/* The next event is that the link fails, which every later one is too. */
static inline void linked_expect_failure(struct linked *linked, int status, const char *reason) {
    poplin_client_event event;

    assert_int_equal(linked_event(linked, &event), status);
    const poplin_error *error = poplin_link_error(linked->link);
    assert_non_null(error);
    assert_int_equal(error->status, status);
    if (!strstr(error->reason, reason))
        fail_msg("\"%s\" is not in \"%s\"", reason, error->reason);
    assert_int_equal(poplin_link_next(linked->link, &event), status);
}

/* ---- calls ---- */

static inline poplin_call *linked_call(struct linked *linked, enum poplin_verb verb, uint32_t number, bool streamed) {
    const poplin_command command = {.verb = verb, .number = number, .lines = 1};
    poplin_call *call;

    assert_int_equal(poplin_link_call(linked->link, &command, streamed, &call), POPLIN_OK);
    return call;
}

static inline int linked_done(struct linked *linked, poplin_call *call) {
    int status;

    while ((status = poplin_call_done(call)) == POPLIN_NEED_INPUT)
        linked_wait(linked);
    return status;
}

static inline const poplin_reply *linked_reply(struct linked *linked, poplin_call *call) {
    assert_int_equal(linked_done(linked, call), POPLIN_OK);
    return poplin_call_reply(call);
}

static inline int linked_piece(struct linked *linked, poplin_call *call, poplin_body *body) {
    int status;

    while ((status = poplin_call_piece(call, body)) == POPLIN_NEED_INPUT)
        linked_wait(linked);
    return status;
}

static inline int linked_next(struct linked *linked, poplin_series *series, poplin_message *message) {
    int status;

    while ((status = poplin_series_next(series, message)) == POPLIN_NEED_INPUT)
        linked_wait(linked);
    return status;
}

static inline void linked_go_on_call(void *context) {
    (void)poplin_call_done(context);
}

/* A command and its reply; what is in flight before it is pulled meanwhile. */
static inline void linked_exchange(struct linked *linked, enum poplin_verb verb, const char *sent, const char *reply) {
    poplin_call *call = linked_call(linked, verb, 0, false);

    linked_go_on_call(call);
    poplin_link_on_ready(linked->link, linked_go_on_call, call);
    peer_hear(&linked->peer, sent);
    peer_say(&linked->peer, reply);
    assert_int_equal(linked_reply(linked, call)->status, POPLIN_OK);
    poplin_link_on_ready(linked->link, NULL, NULL);
    poplin_call_free(call);
}

/* The link has failed, so that one more command answers this. */
static inline void linked_expect_failed(struct linked *linked, int status, const char *reason) {
    const poplin_command command = {.verb = POPLIN_NOOP};
    const poplin_error *error = poplin_link_error(linked->link);
    poplin_call *call;

    assert_non_null(error);
    assert_int_equal(error->status, status);
    if (!strstr(error->reason, reason))
        fail_msg("\"%s\" is not in \"%s\"", reason, error->reason);
    assert_int_equal(poplin_link_call(linked->link, &command, false, &call), status);
    assert_null(call);
}

/* ---- contents ---- */

static inline void assert_body(const poplin_body *body, const void *expected, size_t size) {
    size_t sum = 0;

    for (size_t i = 0; i < body->count; i++)
        sum += body->slices[i].size;
    assert_int_equal(sum, size);
    assert_int_equal(body->size, size);
    char *copy = malloc(size + 1);
    assert_non_null(copy);
    poplin_body_copy(body, copy);
    assert_memory_equal(copy, expected, size);
    free(copy);
}

#define assert_body_is(body, literal) assert_body(body, literal, sizeof(literal) - 1)

/* A content of about size octets, many of whose lines begin with dots, ended by CRLF and NUL; *size becomes exact. */
static inline char *make_content(size_t *size, uint64_t seed) {
    const size_t wanted = *size;
    char *content = malloc(wanted + 100);
    size_t used = 0;

    assert_non_null(content);
    while (used < wanted) {
        size_t dots = random_below(&seed, 3), letters = random_below(&seed, 70);
        memset(content + used, '.', dots);
        memset(content + used + dots, 'a' + (int)random_below(&seed, 26), letters);
        memcpy(content + used + dots + letters, "\r\n", 2);
        used += dots + letters + 2;
    }
    content[used] = '\0';
    *size = used;
    return content;
}

/* Says a content that ends with CRLF as a multi-line reply: every leading dot doubled, and the terminator. */
static inline void peer_say_content(struct peer *peer, const char *status_line, const char *content) {
    char *wire = malloc(strlen(status_line) + 2 * strlen(content) + 4), *end = stpcpy(wire, status_line);

    for (const char *at = content; *at != '\0'; *end++ = *at++)
        if (*at == '.' && (at == content || at[-1] == '\n'))
            *end++ = '.';
    end = stpcpy(end, ".\r\n");
    peer_say_octets(peer, wire, (size_t)(end - wire));
    free(wire);
}

/* ---- series ---- */

/* A series over the messages 1 to count, of whose sizes nothing is known. */
static inline poplin_series *retrieve(struct linked *linked, uint32_t count) {
    poplin_wanted wanted[64];
    poplin_series *series;

    assert_true(count <= COUNT_OF(wanted));
    for (uint32_t i = 0; i < count; i++)
        wanted[i] = (poplin_wanted){.number = i + 1};
    assert_int_equal(poplin_link_retr_all(linked->link, wanted, count, &series), POPLIN_OK);
    memset(wanted, 0, sizeof wanted);
    return series;
}

/* "message n" is what message n says in the tests of series. */
static inline void say_message(struct linked *linked, uint32_t number) {
    char text[64];

    (void)snprintf(text, sizeof text, "+OK\r\nmessage %u\r\n.\r\n", number);
    peer_say(&linked->peer, text);
}

static inline void hear_retr(struct linked *linked, uint32_t first, uint32_t last) {
    char text[64];

    for (uint32_t i = first; i <= last; i++) {
        (void)snprintf(text, sizeof text, "RETR %u\r\n", i);
        peer_hear(&linked->peer, text);
    }
}

static inline void expect_message(struct linked *linked, poplin_series *series, uint32_t number) {
    poplin_message message;
    char text[64];

    assert_int_equal(linked_next(linked, series, &message), POPLIN_OK);
    assert_int_equal(message.number, number);
    assert_int_equal(message.status, POPLIN_OK);
    assert_body(&message.body, text, (size_t)snprintf(text, sizeof text, "message %u\r\n", number));
}

static inline void expect_end(struct linked *linked, poplin_series *series) {
    poplin_message message;

    assert_int_equal(linked_next(linked, series, &message), POPLIN_END);
    assert_int_equal(linked_next(linked, series, &message), POPLIN_END);
}

#define LINKED_TEST(function) cmocka_unit_test_setup_teardown(function, linked_set_up, linked_tear_down)

#endif
