/*
 * loop/transport.h - one connected stream socket, TCP or Unix, in clear or under TLS: what link and server share.
 *
 * The owner embeds a poplin_transport, gives it its poplin_ready, and from its run function (or any other
 * function outside uv_run) does this, in clear and under TLS alike:
 *
 *     input     poplin_transport_peek        -> lend it to the machine; when the machine answers NEED_INPUT:
 *               poplin_transport_consume, peek again; on NEED_INPUT return to the loop; on END tell the machine
 *     output    poplin_X_output, poplin_transport_write, poplin_X_sent(taken); where less was taken, return to the loop
 *
 * The owner's poplin_ready is queued whenever asking again may bring something: octets came, the peer closed, the
 * socket has room after a write that it did not take whole.
 *
 * Octets from the socket go into one buffer, which is taken from a pool of the loop when they arrive and given
 * back when it is empty; under TLS plaintext has a second one. Nothing in a buffer moves before it is consumed.
 * Reading stops only when the buffer is full and goes on when it is empty again: so a host that does not pull
 * slows the peer. Output is not copied: what the socket did not take stays in the machine (under TLS up to 64 KiB
 * of ciphertext wait in the filter).
 *
 * A write to a peer that is gone is no failure of its own: the output is dropped, and reading tells what came
 * before the end, and then the end. That is how a server's last words are heard, and how a QUIT counts whose sender
 * did not wait.
 */
#ifndef POPLIN_LOOP_TRANSPORT_H
#define POPLIN_LOOP_TRANSPORT_H

#include "loop/watch.h"

/* Octets received: data[start .. end) are live, the first lent of them are with the TLS filter. */
typedef struct poplin_received {
    char *data; /* NULL while it is empty */
    size_t start, end;
    size_t lent;
} poplin_received;

typedef struct poplin_transport {
    poplin_loop *loop;
    poplin_ready *ready;
    poplin_pool *pool;
    poplin_watch *watch;   /* NULL: closed */
    poplin_tls *tls;       /* NULL: in clear */
    poplin_received raw;   /* as it came from the socket */
    poplin_received plain; /* decrypted; unused in clear */
    uint64_t octets;       /* received from the socket so far */
    char first[4];         /* the first of them, or the first since TLS started: they tell a wrong port */
    size_t first_size;
    int error;            /* errno that ended reading, or else writing; 0: none */
    bool loopback;        /* the peer is a loopback address or a Unix socket */
    bool ended;           /* nothing more comes from the socket */
    bool full;            /* the buffer was full when more came: reading has stopped */
    bool starved;         /* there was no memory for a buffer */
    int broken;           /* what poplin_tls_read ended with: END, TLS; OK while it has not */
    bool notified;        /* the peer sent close_notify */
    bool notifying, shut; /* poplin_transport_shutdown has asked for close_notify, and has sent FIN */
    bool blocked;         /* the socket was full: tell the owner when there is room */
    bool deaf;            /* the socket takes nothing any more: output is dropped */
    bool discarding;      /* what comes is dropped: see poplin_transport_discard */
} poplin_transport;

/*
 * Takes over a connected descriptor: makes it non-blocking and close-on-exec, turns Nagle's algorithm off, and reads
 * into buffers of pool (&loop->large for links, &loop->small for sessions). IO (errno is set), NOMEM: the descriptor has been closed.
 */
int poplin_transport_init(poplin_transport *transport, poplin_loop *loop, int descriptor, poplin_pool *pool,
                          poplin_ready *ready);

/* ---- octets ---- */

/*
 * What has come, decrypted where TLS stands: OK with *octets not empty, which stay where they are until they are
 * consumed (and at least until poplin_transport_free). NEED_INPUT: nothing now. END: nothing ever again, see
 * poplin_transport_is_clean. TLS: see poplin_tls_error(transport->tls). NOMEM.
 */
int poplin_transport_peek(poplin_transport *transport, poplin_slice *octets);

/* The first size octets of what peek gave are used up. */
void poplin_transport_consume(poplin_transport *transport, size_t size);

/*
 * More is waited for behind the size octets that have just come: has the system acknowledge them now, if they are few. A
 * peer that sends a reply in pieces, by Nagle's algorithm, holds the next one back until then, which may be 40 ms.
 */
void poplin_transport_acknowledge(poplin_transport *transport, uint64_t size);

/*
 * Sends from size octets at data; *taken is how many need not be given again: they are sent, or encrypted and
 * waiting in the filter, or the peer is gone. Where *taken is less than size the socket is full, and the ready hook is
 * queued when it has room. With size 0 it only sends what waits in the filter. TLS, NOMEM.
 */
int poplin_transport_write(poplin_transport *transport, const void *data, size_t size, size_t *taken);

/* True while ciphertext waits in the filter for room in the socket; the transport sends it on by itself. */
bool poplin_transport_is_pending(const poplin_transport *transport);

/* After END: the peer closed in good order: in clear by closing, under TLS by close_notify. False: cut, reset. */
bool poplin_transport_is_clean(const poplin_transport *transport);

/*
 * After a deadline has expired: looks at the socket once more. True: octets or the end came since the last look,
 * or were there already; it was not silent.
 */
bool poplin_transport_poll_again(poplin_transport *transport);

/* ---- TLS ---- */

/*
 * True where octets in clear are there that nobody has consumed, in the buffer or still in the socket. Before TLS
 * starts there must be none (POP-STLS-3, POP-STLS-4): the server asks right before it writes the last of its +OK to STLS, the
 * client right before poplin_transport_start_tls.
 */
bool poplin_transport_is_unread(poplin_transport *transport);

/* Puts the filter in; it is the transport's from now on. All that comes and goes from here on passes through it. */
void poplin_transport_start_tls(poplin_transport *transport, poplin_tls *tls);

/*
 * Goes on with the handshake: OK: TLS stands. NEED_INPUT: not yet, the ready hook comes. CLOSED: the peer closed in the
 * middle. TLS, CERTIFICATE: it failed, the alert was sent; see poplin_tls_error(transport->tls).
 */
int poplin_transport_handshake(poplin_transport *transport);

/* ---- the end ---- */

/*
 * Ends sending in good order: close_notify where TLS stands, then, with all output sent, FIN. OK: done; WAITING: output
 * waits for room, call again when ready. Reading goes on.
 */
int poplin_transport_shutdown(poplin_transport *transport);

/* Has poplin_transport_shutdown end TLS without close_notify. */
void poplin_transport_omit_notify(poplin_transport *transport);

/* Has closing send a reset. What the kernel has not delivered by then is lost. A Unix socket knows no reset: it just closes. */
void poplin_transport_reset_at_close(poplin_transport *transport);

/*
 * From now on drops what comes without reading it, until the peer closes (peek answers END). Between shutdown and close
 * it keeps a last answer from being lost to the reset that closing with unread input would send.
 */
void poplin_transport_discard(poplin_transport *transport);

/* Closes the socket at once; buffers and filter stay as they are. May be called twice. */
void poplin_transport_close(poplin_transport *transport);

/* Closes, gives back the buffers, frees the filter. A transport that is all zero is allowed. */
void poplin_transport_free(poplin_transport *transport);

#endif
