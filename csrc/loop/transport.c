/*
 * loop/transport.c - octets between one socket and its owner, through TLS where it stands.
 *
 * The socket is read inside libuv's callback, straight into the buffer that the owner is lent; everything else
 * (decrypting, writing) happens when the owner asks.
 */
#include "loop/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/listen.h"
#include "wire/buffer.h"

enum { ENCRYPT_OCTETS = 64 << 10, DISCARD_OCTETS = 16 << 10, DISCARD_ROUNDS = 16, ACKNOWLEDGED_OCTETS = 16 << 10 };

/* ---- buffers ---- */

static bool is_live(const poplin_received *received) {
    return received->start < received->end;
}

/* Room behind the live octets; 0 where the buffer is full, or memory is out. */
static size_t room(poplin_transport *transport, poplin_received *received) {
    if (!received->data)
        received->data = poplin_pool_take(transport->pool);
    return received->data ? transport->pool->size - received->end : 0;
}

static void give_back(poplin_transport *transport, poplin_received *received) {
    if (received->data && transport->pool->secret)
        poplin_wipe(received->data, received->end);
    poplin_pool_give(transport->pool, received->data);
    *received = (poplin_received){0};
}

/* Gives an empty buffer back. */
static void tidy(poplin_transport *transport, poplin_received *received) {
    if (!is_live(received))
        give_back(transport, received);
}

static void drop(poplin_transport *transport, poplin_received *received) {
    received->start = received->end;
    tidy(transport, received);
}

/* ---- the socket ---- */

static void ask(poplin_transport *transport) {
    if (!transport->watch)
        return;
    poplin_watch_ask(transport->watch, (!transport->ended && !transport->full ? POPLIN_READABLE : 0) |
                                           (transport->blocked ? POPLIN_WRITABLE : 0));
}

/* Octets of the socket: their number, 0 for none now. The end is noted. */
static size_t receive(poplin_transport *transport, void *buffer, size_t size) {
    ssize_t got;
    do
        got = recv(poplin_watch_descriptor(transport->watch), buffer, size, 0);
    while (got < 0 && errno == EINTR);
    if (got > 0)
        return (size_t)got;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    transport->ended = true;
    if (got < 0)
        transport->error = errno;
    return 0;
}

static void keep_first(poplin_transport *transport, const char *data, size_t size) {
    for (size_t i = 0; i < size && transport->first_size < sizeof transport->first; i++)
        transport->first[transport->first_size++] = data[i];
}

/* Reads once, as far as there is room. True: something came, be it the end. */
static bool fill(poplin_transport *transport) {
    poplin_received *raw = &transport->raw;
    if (transport->ended || !transport->watch)
        return false;
    size_t size = room(transport, raw);
    if (size == 0) {
        transport->full = true;
        transport->starved = !raw->data;
        return transport->starved;
    }
    size_t got = receive(transport, raw->data + raw->end, size);
    keep_first(transport, raw->data + raw->end, got);
    raw->end += got;
    transport->octets += got;
    tidy(transport, raw);
    return got > 0 || transport->ended;
}

/* Reads and forgets, for a while: a peer that floods must not hold up the others. True: the end came. */
static bool throw_away(poplin_transport *transport) {
    char waste[DISCARD_OCTETS];
    for (int round = 0; round < DISCARD_ROUNDS && !transport->ended; round++)
        if (receive(transport, waste, sizeof waste) == 0)
            break;
    return transport->ended;
}

/* Sends what fits; returns how much. A peer that is gone takes everything. */
static size_t send_some(poplin_transport *transport, const char *data, size_t size) {
    size_t sent = 0;
    while (sent < size && !transport->deaf && !transport->blocked) {
        ssize_t n = send(poplin_watch_descriptor(transport->watch), data + sent, size - sent, MSG_NOSIGNAL);
        if (n >= 0) {
            sent += (size_t)n;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            transport->blocked = true;
            ask(transport);
        } else if (errno != EINTR) {
            transport->deaf = true;
            if (transport->error == 0)
                transport->error = errno;
        }
    }
    return transport->deaf ? size : sent;
}

/* Sends what waits in the filter. True: nothing is left. */
static bool flush(poplin_transport *transport) {
    const char *data;
    size_t size = 0;
    if (!transport->tls)
        return true;
    poplin_tls_output(transport->tls, &data, &size);
    while (size > 0) {
        size_t sent = send_some(transport, data, size);
        if (sent == 0)
            return false;
        poplin_tls_sent(transport->tls, sent);
        poplin_tls_output(transport->tls, &data, &size);
    }
    return true;
}

/* Inside uv_run. */
static void happened(void *context, int events) {
    poplin_transport *transport = context;
    bool news = false;
    if ((events & POPLIN_WRITABLE) && transport->blocked) {
        transport->blocked = false;
        (void)flush(transport);
        news = !transport->blocked;
    }
    if (events & POPLIN_READABLE)
        news = (transport->discarding ? throw_away(transport) : fill(transport)) || news;
    ask(transport);
    if (news)
        poplin_ready_queue(transport->ready);
}

static void set_up(int descriptor) {
    int flags = fcntl(descriptor, F_GETFD), on = 1;
    if (flags >= 0)
        (void)fcntl(descriptor, F_SETFD, flags | FD_CLOEXEC);
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on,
                     sizeof on); /* fails on a Unix socket, which has no need */
}

int poplin_transport_init(poplin_transport *transport, poplin_loop *loop, int descriptor, poplin_pool *pool,
                          poplin_ready *ready) {
    *transport = (poplin_transport){.loop = loop, .ready = ready, .pool = pool};
    set_up(descriptor);
    transport->loopback = poplin_peer_is_local(descriptor);
    int status = poplin_watch_new(loop, descriptor, happened, transport, &transport->watch);
    if (status != POPLIN_OK) {
        int error = errno;
        (void)close(descriptor);
        errno = error;
        return status;
    }
    ask(transport);
    return POPLIN_OK;
}

/* ---- octets ---- */

/* The raw buffer has been used up: it goes, and reading goes on. */
static void used_up(poplin_transport *transport) {
    tidy(transport, &transport->raw);
    if (!transport->raw.data && transport->full) {
        transport->full = false;
        ask(transport);
    }
}

/* Lends the filter what has come; false: it has nothing and gets nothing. */
static bool lend_to_tls(poplin_transport *transport) {
    poplin_received *raw = &transport->raw;
    if (raw->lent == 0 && is_live(raw)) {
        raw->lent = raw->end - raw->start;
        (void)poplin_tls_input(transport->tls, raw->data + raw->start, raw->lent);
    }
    return raw->lent > 0;
}

static void taken_by_tls(poplin_transport *transport) {
    transport->raw.start += transport->raw.lent;
    transport->raw.lent = 0;
    used_up(transport);
}

/* Decrypts until the plaintext buffer is full or the ciphertext used up. OK, or what ends reading. */
static int decrypt(poplin_transport *transport) {
    poplin_received *plain = &transport->plain;
    while (transport->broken == POPLIN_OK && lend_to_tls(transport)) {
        size_t size = room(transport, plain), got = 0;
        if (size == 0)
            return plain->data ? POPLIN_OK : POPLIN_ERR_NOMEM;
        int status = poplin_tls_read(transport->tls, plain->data + plain->end, size, &got);
        if (status == POPLIN_OK)
            plain->end += got;
        else if (status == POPLIN_NEED_INPUT)
            taken_by_tls(transport);
        else
            transport->broken = status;
    }
    (void)flush(transport); /* reading may make the filter answer: a new key, an alert */
    if (transport->broken == POPLIN_END && !transport->notified) {
        transport->notified = transport->ended = true;
        ask(transport);
    }
    tidy(transport, plain);
    return transport->broken;
}

int poplin_transport_peek(poplin_transport *transport, poplin_slice *octets) {
    poplin_received *received = transport->tls ? &transport->plain : &transport->raw;
    int status = POPLIN_OK;
    *octets = (poplin_slice){NULL, 0};
    if (transport->tls && !is_live(received) && !transport->discarding)
        status = decrypt(transport);
    if (is_live(received)) {
        *octets = (poplin_slice){received->data + received->start, received->end - received->start};
        return POPLIN_OK;
    }
    if (status != POPLIN_OK)
        return status;
    if (transport->starved)
        return POPLIN_ERR_NOMEM;
    return transport->ended || !transport->watch ? POPLIN_END : POPLIN_NEED_INPUT;
}

void poplin_transport_consume(poplin_transport *transport, size_t size) {
    poplin_received *received = transport->tls ? &transport->plain : &transport->raw;
    received->start += size;
    if (transport->tls)
        tidy(transport, received);
    else
        used_up(transport);
}

void poplin_transport_acknowledge(poplin_transport *transport, uint64_t size) {
#ifdef TCP_QUICKACK /* of a stream of octets each second segment is acknowledged at once anyway */
    int on = 1;
    if (transport->watch && size < ACKNOWLEDGED_OCTETS)
        (void)setsockopt(poplin_watch_descriptor(transport->watch), IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
#else
    (void)transport, (void)size;
#endif
}

int poplin_transport_write(poplin_transport *transport, const void *data, size_t size, size_t *taken) {
    *taken = 0;
    if (transport->deaf || !transport->watch) {
        *taken = size;
        return POPLIN_OK;
    }
    if (!transport->tls) {
        *taken = send_some(transport, data, size);
        return POPLIN_OK;
    }
    while (flush(transport) && *taken < size) {
        size_t left = size - *taken, piece = left < ENCRYPT_OCTETS ? left : ENCRYPT_OCTETS;
        int status = poplin_tls_write(transport->tls, (const char *)data + *taken, piece);
        if (status != POPLIN_OK)
            return status;
        *taken += piece;
    }
    return POPLIN_OK;
}

bool poplin_transport_is_pending(const poplin_transport *transport) {
    const char *data;
    size_t size = 0;
    if (transport->tls)
        poplin_tls_output(transport->tls, &data, &size);
    return size > 0;
}

bool poplin_transport_is_clean(const poplin_transport *transport) {
    return transport->tls ? transport->notified : transport->ended && transport->error == 0;
}

bool poplin_transport_poll_again(poplin_transport *transport) {
    return fill(transport) || is_live(&transport->raw) || is_live(&transport->plain);
}

/* ---- TLS ---- */

bool poplin_transport_is_unread(poplin_transport *transport) {
    return is_live(&transport->raw) || (fill(transport) && is_live(&transport->raw));
}

void poplin_transport_start_tls(poplin_transport *transport, poplin_tls *tls) {
    transport->tls = tls;
    transport->first_size = 0;
    (void)flush(transport);
}

int poplin_transport_handshake(poplin_transport *transport) {
    int status;
    do {
        (void)lend_to_tls(transport);
        status = poplin_tls_handshake(transport->tls);
        (void)flush(transport);
        if (status == POPLIN_NEED_INPUT)
            taken_by_tls(transport);
    } while (status == POPLIN_NEED_INPUT && is_live(&transport->raw));
    if (status == POPLIN_NEED_INPUT && (transport->ended || !transport->watch))
        return POPLIN_ERR_CLOSED;
    return status;
}

/* ---- the end ---- */

int poplin_transport_shutdown(poplin_transport *transport) {
    if (!transport->watch || transport->shut)
        return POPLIN_OK;
    if (transport->tls && !transport->notifying) {
        transport->notifying = true;
        (void)poplin_tls_close(transport->tls);
    }
    if (!flush(transport))
        return POPLIN_WAITING;
    transport->shut = true;
    (void)shutdown(poplin_watch_descriptor(transport->watch), SHUT_WR);
    return POPLIN_OK;
}

void poplin_transport_omit_notify(poplin_transport *transport) {
    transport->notifying = true;
}

void poplin_transport_reset_at_close(poplin_transport *transport) {
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (transport->watch)
        (void)setsockopt(poplin_watch_descriptor(transport->watch), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

void poplin_transport_discard(poplin_transport *transport) {
    transport->discarding = true;
    transport->full = false;
    drop(transport, &transport->plain);
    drop(transport, &transport->raw);
    if (transport->watch && !transport->ended && throw_away(transport))
        poplin_ready_queue(transport->ready);
    ask(transport);
}

void poplin_transport_close(poplin_transport *transport) {
    poplin_watch_close(transport->watch);
    transport->watch = NULL;
    transport->deaf = true;
    transport->blocked = false;
}

void poplin_transport_free(poplin_transport *transport) {
    poplin_transport_close(transport);
    if (transport->pool) {
        give_back(transport, &transport->raw);
        give_back(transport, &transport->plain);
    }
    poplin_tls_free(transport->tls);
    *transport = (poplin_transport){0};
}
