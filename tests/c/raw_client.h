/*
 * raw_client.h - a raw POP3 client for the tests of the server, on the thread that steps the server's loop.
 *
 * It sends exactly the octets that it is told and reads line by line, in clear or under TLS. Whatever it waits for, it
 * steps the loop: there is no sleep, and an alarm ends a test that waits for what never comes.
 */
#ifndef RAW_CLIENT_H
#define RAW_CLIENT_H

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <poplin/loop.h>
#include <poplin/tls.h>

#include "support.h"

#define RAW_PATIENCE_S 120

struct raw {
    poplin_loop *loop;
    int descriptor;
    poplin_tls *tls;
    char *data; /* received, decrypted: [at, size) has not been read by the test */
    size_t at, size, capacity;
    bool closed; /* the server closed */
    bool reset;  /* with a reset */
    char *line;  /* the last one read */
};

static inline void raw_step(struct raw *raw) {
    (void)alarm(RAW_PATIENCE_S);
    assert_int_equal(poplin_loop_step(raw->loop, 1000), POPLIN_OK);
}

static inline void raw_init(struct raw *raw, poplin_loop *loop, int descriptor) {
    *raw = (struct raw){.loop = loop, .descriptor = descriptor};
    assert_int_equal(fcntl(descriptor, F_SETFL, O_NONBLOCK), 0);
}

/* The kernel completes the connection, accepted or not. receive_buffer 0: the system's. */
static inline void raw_dial(struct raw *raw, poplin_loop *loop, uint16_t port, int receive_buffer) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(descriptor >= 0);
    if (receive_buffer > 0)
        (void)setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    assert_int_equal(connect(descriptor, (struct sockaddr *)&address, sizeof address), 0);
    raw_init(raw, loop, descriptor);
}

static inline void raw_dial_unix(struct raw *raw, poplin_loop *loop, const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(descriptor, (struct sockaddr *)&address, sizeof address), 0);
    raw_init(raw, loop, descriptor);
}

/* As it is, also beside TLS. A server that is gone is not told. */
static inline void raw_send_clear(struct raw *raw, const void *data, size_t size) {
    for (const char *octets = data; size > 0;) {
        ssize_t sent = send(raw->descriptor, octets, size, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
            return;
        assert_true(sent > 0 || errno == EAGAIN);
        if (sent < 0) {
            raw_step(raw);
            continue;
        }
        octets += sent;
        size -= (size_t)sent;
    }
}

static inline void raw_flush_tls(struct raw *raw) {
    const char *data;
    size_t size;
    poplin_tls_output(raw->tls, &data, &size);
    raw_send_clear(raw, data, size);
    poplin_tls_sent(raw->tls, size);
}

static inline void raw_send(struct raw *raw, const void *data, size_t size) {
    if (raw->tls == NULL) {
        raw_send_clear(raw, data, size);
        return;
    }
    assert_int_equal(poplin_tls_write(raw->tls, data, size), POPLIN_OK);
    raw_flush_tls(raw);
}

static inline void raw_say(struct raw *raw, const char *text) {
    raw_send(raw, text, strlen(text));
}

static inline void raw_keep(struct raw *raw, const void *data, size_t size) {
    if (raw->size + size > raw->capacity) {
        raw->capacity = (raw->size + size) * 2;
        raw->data = realloc(raw->data, raw->capacity);
        assert_non_null(raw->data);
    }
    memcpy(raw->data + raw->size, data, size);
    raw->size += size;
}

static inline void raw_decrypt(struct raw *raw, const void *data, size_t size) {
    char plain[16384];
    size_t got;
    int status;
    if (size > 0)
        assert_int_equal(poplin_tls_input(raw->tls, data, size), POPLIN_OK);
    while ((status = poplin_tls_read(raw->tls, plain, sizeof plain, &got)) == POPLIN_OK)
        raw_keep(raw, plain, got);
    if (status == POPLIN_END)
        raw->closed = true;
    else
        assert_int_equal(status, POPLIN_NEED_INPUT);
}

/* Takes what has come, at most size octets, without waiting. False: nothing. */
static inline bool raw_receive(struct raw *raw, size_t size) {
    char octets[65536];
    ssize_t got = recv(raw->descriptor, octets, size < sizeof octets ? size : sizeof octets, 0);
    if (got < 0 && errno == EAGAIN)
        return false;
    if (got <= 0) {
        raw->closed = true;
        raw->reset = got < 0;
    } else if (raw->tls != NULL) {
        raw_decrypt(raw, octets, (size_t)got);
    } else {
        raw_keep(raw, octets, (size_t)got);
    }
    return true;
}

/* Forgets what has been received. */
static inline void raw_forget(struct raw *raw) {
    raw->at = raw->size = 0;
}

/* The next line without its CRLF; NULL: the server closed. */
static inline const char *raw_line(struct raw *raw) {
    for (;;) {
        size_t left = raw->size - raw->at;
        const char *end = left == 0 ? NULL : memmem(raw->data + raw->at, left, "\r\n", 2);
        if (end != NULL) {
            size_t size = (size_t)(end - raw->data) - raw->at;
            free(raw->line);
            raw->line = strndup(raw->data + raw->at, size);
            raw->at += size + 2;
            return raw->line;
        }
        if (raw->closed)
            return NULL;
        while (!raw_receive(raw, SIZE_MAX))
            raw_step(raw);
    }
}

/* The next line begins so. */
static inline void raw_expect(struct raw *raw, const char *beginning) {
    const char *line = raw_line(raw);
    if (line == NULL || strncmp(line, beginning, strlen(beginning)) != 0)
        fail_msg("expected \"%s...\", got \"%s\"", beginning, line == NULL ? "(closed)" : line);
}

/* Skips lines up to the "." that ends a multi-line reply; their number. */
static inline size_t raw_skip_lines(struct raw *raw) {
    size_t count = 0;
    for (const char *line = raw_line(raw); line == NULL || strcmp(line, ".") != 0; line = raw_line(raw)) {
        assert_non_null(line);
        count++;
    }
    return count;
}

/* Nothing more comes but the end. */
static inline void raw_expect_closed(struct raw *raw) {
    const char *line = raw_line(raw);
    if (line != NULL)
        fail_msg("expected the end, got \"%s\"", line);
    assert_int_equal(raw->at, raw->size);
}

/* Everything that a server has to do now is done; one that never gets done spins. */
static inline void raw_settle(poplin_loop *loop) {
    struct pollfd backend = {.fd = poplin_loop_fileno(loop), .events = POLLIN};
    for (int steps = 0; poplin_loop_timeout(loop) == 0 || poll(&backend, 1, 0) == 1; steps++) {
        assert_int_equal(poplin_loop_step(loop, 0), POPLIN_OK);
        assert_true(steps < 100000);
    }
}

/* Nothing has come, and the connection stands. */
static inline void raw_expect_silence(struct raw *raw) {
    raw_settle(raw->loop);
    while (raw_receive(raw, SIZE_MAX) && !raw->closed)
        ;
    assert_false(raw->closed);
    assert_int_equal(raw->at, raw->size);
}

static inline int raw_waiting(const struct raw *raw) {
    int count = 0;
    assert_int_equal(ioctl(raw->descriptor, FIONREAD, &count), 0);
    return count;
}

/* Asks for CAPA until a reply no longer arrives, since the sockets hold no more; how often. Nothing is read. */
static inline size_t raw_fill(struct raw *raw) {
    size_t asked = 0;
    for (int before = -1; before < raw_waiting(raw); asked++) {
        before = raw_waiting(raw);
        raw_say(raw, "CAPA\r\n");
        raw_settle(raw->loop);
    }
    return asked;
}

/* Begins TLS and waits for its outcome; CLOSED: the server closed. */
static inline int raw_shake_hands(struct raw *raw, poplin_tls_credentials *trust, const char *name) {
    static char octets[65536];
    int status;
    assert_int_equal(poplin_tls_client_new(trust, name, &raw->tls), POPLIN_OK);
    raw_flush_tls(raw);
    while ((status = poplin_tls_handshake(raw->tls)) == POPLIN_NEED_INPUT) {
        ssize_t got;
        raw_flush_tls(raw);
        while ((got = recv(raw->descriptor, octets, sizeof octets, 0)) < 0 && errno == EAGAIN)
            raw_step(raw);
        if (got <= 0)
            return POPLIN_ERR_CLOSED;
        assert_int_equal(poplin_tls_input(raw->tls, octets, (size_t)got), POPLIN_OK);
    }
    raw_flush_tls(raw);
    if (status == POPLIN_OK)
        raw_decrypt(raw, NULL, 0); /* what stands behind the handshake in the same octets */
    return status;
}

/* Closes with FIN, whatever has not been read. */
static inline void raw_close(struct raw *raw) {
    if (raw->descriptor >= 0)
        (void)close(raw->descriptor);
    poplin_tls_free(raw->tls);
    free(raw->data);
    free(raw->line);
    *raw = (struct raw){.loop = raw->loop, .descriptor = -1, .closed = true};
}

/* Closes with a reset. */
static inline void raw_reset(struct raw *raw) {
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(raw->descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    raw_close(raw);
}

/* Logs in; the greeting has not been read. */
static inline void raw_login(struct raw *raw, const char *user, const char *password) {
    char text[512];
    raw_expect(raw, "+OK");
    snprintf(text, sizeof text, "USER %s\r\nPASS %s\r\n", user, password);
    raw_say(raw, text);
    raw_expect(raw, "+OK");
    raw_expect(raw, "+OK");
}

#endif
