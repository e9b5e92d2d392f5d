/*
 * loop/listen.c - makes listening sockets, and tells local peers from others.
 */
#include "loop/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "loop/descriptors.h"

#define BACKLOG 4096 /* the kernel cuts it to what it allows */

static int fail(poplin_error *error, int status, const char *address, const char *reason) {
    *error = (poplin_error){.status = status};
    snprintf(error->doing, sizeof error->doing, "listen");
    snprintf(error->host, sizeof error->host, "%s", address);
    snprintf(error->reason, sizeof error->reason, "%s", reason);
    return status;
}

static void set_option(int descriptor, int level, int option, int value) {
    (void)setsockopt(descriptor, level, option, &value, sizeof value);
}

static int bind_and_listen(poplin_listener *listener, const struct sockaddr *address, socklen_t size) {
    listener->descriptor =
        poplin_descriptor_above(socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (listener->descriptor < 0)
        return -1;
    if (address->sa_family != AF_UNIX)
        set_option(listener->descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
    if (address->sa_family == AF_INET6)
        set_option(listener->descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 0); /* "::" serves both families */
    if (bind(listener->descriptor, address, size) == 0 && listen(listener->descriptor, BACKLOG) == 0)
        return 0;
    int reason = errno;
    (void)close(listener->descriptor);
    errno = reason;
    return -1;
}

/* A socket's address, whatever its family. */
union address {
    struct sockaddr_storage storage;
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static uint16_t port_of(int descriptor) {
    union address bound = {0};
    socklen_t size = sizeof bound;
    if (getsockname(descriptor, &bound.any, &size) != 0)
        return 0;
    return ntohs(bound.any.sa_family == AF_INET6 ? bound.v6.sin6_port : bound.v4.sin_port);
}

int poplin_listen_tcp(const char *host, uint16_t port, poplin_listener *listener, poplin_error *error) {
    char service[8], shown[sizeof error->host];
    snprintf(service, sizeof service, "%u", (unsigned)port);
    snprintf(shown, sizeof shown, strchr(host, ':') == NULL ? "%.256s:%s" : "[%.256s]:%s", host, service);
    struct addrinfo *found = NULL, hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    const char *literal = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    if (getaddrinfo(literal, service, &hints, &found) != 0)
        return fail(error, POPLIN_ERR_IO, shown, "not an IP address, nor \"localhost\"");
    *listener = (poplin_listener){0};
    int status = bind_and_listen(listener, found->ai_addr, found->ai_addrlen);
    if (status != 0)
        status = fail(error, POPLIN_ERR_IO, shown, strerror(errno));
    else
        listener->port = port_of(listener->descriptor);
    freeaddrinfo(found);
    return status;
}

static void remove_old_socket(const char *path) {
    struct stat old;
    if (lstat(path, &old) == 0 && S_ISSOCK(old.st_mode))
        (void)unlink(path);
}

int poplin_listen_unix(const char *path, poplin_listener *listener, poplin_error *error) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) == 0 || strlen(path) >= sizeof address.sun_path)
        return fail(error, POPLIN_ERR_IO, path, "not a path that a Unix socket can have: it is empty or too long");
    memcpy(address.sun_path, path, strlen(path));
    *listener = (poplin_listener){.path = strdup(path)};
    if (listener->path == NULL)
        return fail(error, POPLIN_ERR_NOMEM, path, "out of memory");
    remove_old_socket(path);
    struct stat made;
    if (bind_and_listen(listener, (struct sockaddr *)&address, sizeof address) != 0) {
        int status = fail(error, POPLIN_ERR_IO, path, strerror(errno));
        free(listener->path);
        listener->path = NULL;
        return status;
    }
    if (lstat(path, &made) == 0) {
        listener->device = made.st_dev;
        listener->inode = made.st_ino;
    }
    return POPLIN_OK;
}

void poplin_listener_remove_name(const poplin_listener *listener) {
    struct stat now;
    if (listener->path != NULL && lstat(listener->path, &now) == 0 && now.st_dev == listener->device &&
        now.st_ino == listener->inode)
        (void)unlink(listener->path);
}

static bool is_loopback(const union address *peer) {
    if (peer->any.sa_family == AF_INET)
        return ntohl(peer->v4.sin_addr.s_addr) >> 24 == 127;
    if (peer->any.sa_family != AF_INET6)
        return false;
    const struct in6_addr *address = &peer->v6.sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(address) || (IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr[12] == 127);
}

/* An IPv4 address inside an IPv6 one is shown as what it is. */
static void unmap(union address *peer) {
    if (peer->any.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&peer->v6.sin6_addr))
        return;
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = peer->v6.sin6_port};
    memcpy(&v4.sin_addr, &peer->v6.sin6_addr.s6_addr[12], sizeof v4.sin_addr);
    peer->v4 = v4;
}

void poplin_peer_name(int descriptor, char *text, size_t size) {
    union address peer = {0};
    socklen_t known = sizeof peer;
    char host[INET6_ADDRSTRLEN];
    snprintf(text, size, "?");
    if (getpeername(descriptor, &peer.any, &known) != 0)
        return;
    unmap(&peer);
    if (peer.any.sa_family == AF_UNIX)
        snprintf(text, size, "unix");
    else if (peer.any.sa_family == AF_INET && inet_ntop(AF_INET, &peer.v4.sin_addr, host, sizeof host) != NULL)
        snprintf(text, size, "%s:%u", host, (unsigned)ntohs(peer.v4.sin_port));
    else if (peer.any.sa_family == AF_INET6 && inet_ntop(AF_INET6, &peer.v6.sin6_addr, host, sizeof host) != NULL)
        snprintf(text, size, "[%s]:%u", host, (unsigned)ntohs(peer.v6.sin6_port));
}

/* IPv4 addresses stand where no host has its IPv6 ones: in 0:ffff::/32. */
static uint64_t network_of(const union address *peer) {
    const unsigned char *octets = peer->v6.sin6_addr.s6_addr;
    uint64_t network = 0;
    if (peer->any.sa_family == AF_INET)
        return (uint64_t)0xffff << 32 | ntohl(peer->v4.sin_addr.s_addr);
    for (size_t i = 0; i < sizeof network; i++)
        network = network << 8 | octets[i];
    return network;
}

void poplin_peer_origin(int descriptor, poplin_origin *origin) {
    union address peer = {0};
    socklen_t known = sizeof peer;
    *origin = (poplin_origin){0};
    if (getpeername(descriptor, &peer.any, &known) != 0)
        return;
    unmap(&peer);
    if (peer.any.sa_family != AF_INET && peer.any.sa_family != AF_INET6)
        return;
    const void *octets = peer.any.sa_family == AF_INET ? (void *)&peer.v4.sin_addr : (void *)&peer.v6.sin6_addr;
    origin->has_network = true;
    origin->network = network_of(&peer);
    (void)inet_ntop(peer.any.sa_family, octets, origin->address, sizeof origin->address);
}

bool poplin_peer_is_local(int descriptor) {
    union address peer = {0};
    socklen_t size = sizeof peer;
    if (getpeername(descriptor, &peer.any, &size) != 0)
        return false;
    return peer.any.sa_family == AF_UNIX || is_loopback(&peer);
}
