/*
 * loop/listen.h - listening sockets: TCP at an IP literal or "localhost", Unix sockets; and who is local.
 */
#ifndef POPLIN_LOOP_LISTEN_H
#define POPLIN_LOOP_LISTEN_H

#include <netinet/in.h>
#include <sys/types.h>

#include <poplin/types.h>

/* A socket that listens, non-blocking and closed on exec. path is to be freed by its owner. */
typedef struct poplin_listener {
    int descriptor;
    uint16_t port; /* 0 for a Unix socket */
    char *path;    /* NULL for TCP */
    dev_t device;  /* of the Unix socket's name, so that only our own is removed at the end */
    ino_t inode;
} poplin_listener;

/* OK; ERR_IO or ERR_NOMEM, with *error filled in. */
int poplin_listen_tcp(const char *host, uint16_t port, poplin_listener *listener, poplin_error *error);

/* A name that is a socket already is removed first. Answers as above. */
int poplin_listen_unix(const char *path, poplin_listener *listener, poplin_error *error);

/* Removes the Unix socket's name, if it still is the one that was made. The descriptor is the caller's to close. */
void poplin_listener_remove_name(const poplin_listener *listener);

/*
 * Writes who is at the other end into text, cut to size: "127.0.0.1:40000", "[::1]:40000", "unix"; "?" where the system
 * does not know any more.
 */
void poplin_peer_name(int descriptor, char *text, size_t size);

/* Where a peer is, without its port. */
typedef struct poplin_origin {
    bool has_network;               /* false: a Unix socket, or the system does not know */
    uint64_t network;               /* one IPv4 address, or the 64 bits that one owner of IPv6 addresses has */
    char address[INET6_ADDRSTRLEN]; /* as text; "" where it has no network */
} poplin_origin;

void poplin_peer_origin(int descriptor, poplin_origin *origin);

/* True for a Unix socket and for a peer at a loopback address (POP-TLS-20). */
bool poplin_peer_is_local(int descriptor);

#endif
