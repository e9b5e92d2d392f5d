/*
 * peer.h - the other end of a link, in the test's own thread: it says and hears exact octets, in clear or under TLS.
 *
 * Where it has to wait it steps the loop that the link lives on, so a test is one sequence of steps without any clock;
 * a link that is still opening is asked for its progress by its own ready function.
 */
#ifndef PEER_H
#define PEER_H

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <poplin/link.h>
#include <poplin/tls.h>

#include "support.h"

struct peer {
    poplin_loop *loop;
    int descriptor;
    poplin_tls *tls;
    char lent[16384]; /* ciphertext that the filter was lent */
};

/* One end of a socket pair for the peer; returns the other one. */
static inline int peer_open(struct peer *peer, poplin_loop *loop) {
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
    peer->loop = loop;
    peer->descriptor = pair[0];
    peer->tls = NULL;
    return pair[1];
}

static inline void peer_close(struct peer *peer) {
    if (peer->descriptor >= 0)
        close(peer->descriptor);
    peer->descriptor = -1;
    poplin_tls_free(peer->tls);
    peer->tls = NULL;
}

static inline void peer_send(struct peer *peer, const char *data, size_t size) {
    while (size > 0) {
        ssize_t sent = send(peer->descriptor, data, size, MSG_NOSIGNAL);
        if (sent > 0) {
            data += sent;
            size -= (size_t)sent;
        } else {
            assert_int_equal(errno, EAGAIN);
            assert_int_equal(poplin_loop_step(peer->loop, 0), POPLIN_OK);
        }
    }
}

static inline void peer_flush(struct peer *peer) {
    const char *data;
    size_t size;

    poplin_tls_output(peer->tls, &data, &size);
    peer_send(peer, data, size);
    poplin_tls_sent(peer->tls, size);
}

static inline void peer_say_octets(struct peer *peer, const char *data, size_t size) {
    if (!peer->tls) {
        peer_send(peer, data, size);
        return;
    }
    assert_int_equal(poplin_tls_write(peer->tls, data, size), POPLIN_OK);
    peer_flush(peer);
}

static inline void peer_say(struct peer *peer, const char *text) {
    peer_say_octets(peer, text, strlen(text));
}

/* Octets of the socket; steps the loop until there are some. 0: the link has closed. */
static inline size_t peer_receive(struct peer *peer, char *buffer, size_t size) {
    for (;;) {
        ssize_t got = recv(peer->descriptor, buffer, size, 0);
        if (got >= 0)
            return (size_t)got;
        assert_int_equal(errno, EAGAIN);
        assert_int_equal(poplin_loop_step(peer->loop, -1), POPLIN_OK);
    }
}

/* Lends the filter what comes next. */
static inline void peer_lend(struct peer *peer) {
    size_t got = peer_receive(peer, peer->lent, sizeof peer->lent);

    assert_true(got > 0);
    assert_int_equal(poplin_tls_input(peer->tls, peer->lent, got), POPLIN_OK);
}

/* The server's side of a handshake. */
static inline void peer_shake(struct peer *peer, poplin_tls_credentials *credentials) {
    int status = POPLIN_NEED_INPUT;

    assert_int_equal(poplin_tls_server_new(credentials, &peer->tls), POPLIN_OK);
    while (status == POPLIN_NEED_INPUT) {
        peer_lend(peer);
        status = poplin_tls_handshake(peer->tls);
        peer_flush(peer);
    }
    assert_int_equal(status, POPLIN_OK);
}

/* At most size octets of what the link sends, decrypted; 0: it has closed, or sent close_notify. */
static inline size_t peer_read(struct peer *peer, char *buffer, size_t size) {
    size_t got = 0;

    if (!peer->tls)
        return peer_receive(peer, buffer, size);
    for (;;) {
        int status = poplin_tls_read(peer->tls, buffer, size, &got);
        if (status == POPLIN_OK)
            return got;
        if (status == POPLIN_END)
            return 0;
        assert_int_equal(status, POPLIN_NEED_INPUT);
        peer_lend(peer);
    }
}

/* The link sends exactly this next. */
static inline void peer_hear(struct peer *peer, const char *text) {
    char buffer[4096];
    size_t size = strlen(text), got = 0;

    assert_true(size < sizeof buffer);
    while (got < size) {
        size_t more = peer_read(peer, buffer + got, size - got);
        assert_true(more > 0);
        got += more;
    }
    buffer[size] = '\0';
    assert_string_equal(buffer, text);
}

/* The link sends nothing more and closes; under TLS it says so with close_notify. */
static inline void peer_hear_end(struct peer *peer) {
    char octet;

    assert_int_equal(peer_read(peer, &octet, 1), 0);
}

/* Nothing has been sent that the peer has not heard. */
static inline void peer_hear_nothing(struct peer *peer) {
    char octet;

    assert_int_equal(recv(peer->descriptor, &octet, 1, 0), -1);
    assert_int_equal(errno, EAGAIN);
}

#endif
