/*
 * relay.c - a TCP relay that delays: what arrives at either end leaves at the other a fixed time later. It keeps all
 * that is under way in memory, so bandwidth is not limited.
 *
 * Started as: relay HOST PORT MILLISECONDS, which is the delay of one way. It prints its port and serves until killed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_SIZE = 256 * 1024, PAIRS = 64 };

/* Octets under way; size 0 is the end of the stream. */
struct parcel {
    struct parcel *next;
    int64_t due; /* nanoseconds */
    size_t sent, size;
    char data[];
};

/* One direction of one connection. */
struct lane {
    int from, to;
    bool read_end;
    bool blocked; /* the socket takes no more for now */
    bool done;
    struct parcel *first, **last;
};

struct pair {
    int client, server; /* client -1: free */
    struct lane lanes[2];
};

static struct pair pairs[PAIRS];
static int64_t delay;

static void must(bool holds, const char *what) {
    if (!holds) {
        perror(what);
        exit(1);
    }
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* ---- connections ---- */

static void lane_init(struct lane *lane, int from, int to) {
    lane->from = from;
    lane->to = to;
    lane->read_end = lane->blocked = lane->done = false;
    lane->first = NULL;
    lane->last = &lane->first;
}

static void accept_pair(int listener, const struct sockaddr_in *target) {
    int on = 1;
    int client = accept(listener, NULL, NULL);
    int server = socket(AF_INET, SOCK_STREAM, 0);
    must(client >= 0 && server >= 0, "accept");
    must(connect(server, (const struct sockaddr *)target, sizeof *target) == 0, "connect");
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    for (size_t i = 0; i < PAIRS; i++) {
        if (pairs[i].client >= 0)
            continue;
        pairs[i].client = client;
        pairs[i].server = server;
        lane_init(&pairs[i].lanes[0], client, server);
        lane_init(&pairs[i].lanes[1], server, client);
        return;
    }
    must(false, "too many connections");
}

static void close_pair(struct pair *pair) {
    for (size_t i = 0; i < 2; i++) {
        while (pair->lanes[i].first != NULL) {
            struct parcel *dropped = pair->lanes[i].first;
            pair->lanes[i].first = dropped->next;
            free(dropped);
        }
    }
    close(pair->client);
    close(pair->server);
    pair->client = -1;
}

/* ---- lanes ---- */

static void lane_read(struct lane *lane) {
    static char buffer[READ_SIZE];
    ssize_t got = recv(lane->from, buffer, sizeof buffer, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    size_t size = got > 0 ? (size_t)got : 0;
    lane->read_end = size == 0;
    struct parcel *parcel = malloc(sizeof *parcel + size);
    must(parcel != NULL, "malloc");
    parcel->next = NULL;
    parcel->due = now() + delay;
    parcel->sent = 0;
    parcel->size = size;
    memcpy(parcel->data, buffer, size);
    *lane->last = parcel;
    lane->last = &parcel->next;
}

/* Sends what is due. */
static void lane_write(struct lane *lane) {
    int64_t time = now();
    lane->blocked = false;
    while (lane->first != NULL && lane->first->due <= time) {
        struct parcel *parcel = lane->first;
        ssize_t sent = 0;
        if (parcel->size > parcel->sent)
            sent =
                send(lane->to, parcel->data + parcel->sent, parcel->size - parcel->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            lane->blocked = true;
            return;
        }
        parcel->sent += sent > 0 ? (size_t)sent : 0;
        if (sent < 0 || parcel->size == 0) {
            shutdown(lane->to, SHUT_WR);
            lane->done = true;
        } else if (parcel->sent < parcel->size) {
            continue;
        }
        lane->first = parcel->next;
        if (lane->first == NULL)
            lane->last = &lane->first;
        free(parcel);
    }
}

static struct pollfd polled(int descriptor, const struct lane *from, const struct lane *to) {
    short events = (short)((from->read_end ? 0 : POLLIN) | (to->blocked ? POLLOUT : 0));
    return (struct pollfd){.fd = events != 0 ? descriptor : -1, .events = events};
}

/* Waits for something to read, room to write, or the next parcel's time. */
static void wait_all(int listener, struct pollfd *descriptors) {
    int64_t due = INT64_MAX;
    descriptors[0] = (struct pollfd){.fd = listener, .events = POLLIN};
    for (size_t i = 0; i < PAIRS; i++) {
        struct pollfd *both = &descriptors[1 + 2 * i];
        both[0].fd = both[1].fd = -1;
        if (pairs[i].client < 0)
            continue;
        struct lane *lanes = pairs[i].lanes;
        both[0] = polled(pairs[i].client, &lanes[0], &lanes[1]);
        both[1] = polled(pairs[i].server, &lanes[1], &lanes[0]);
        for (size_t j = 0; j < 2; j++)
            if (lanes[j].first != NULL && !lanes[j].blocked && lanes[j].first->due < due)
                due = lanes[j].first->due;
    }
    int64_t left = due == INT64_MAX ? 0 : due - now();
    struct timespec timeout = {.tv_sec = left > 0 ? left / 1000000000 : 0, .tv_nsec = left > 0 ? left % 1000000000 : 0};
    ppoll(descriptors, 1 + 2 * PAIRS, due == INT64_MAX ? NULL : &timeout, NULL);
}

static void move_all(const struct pollfd *descriptors) {
    for (size_t i = 0; i < PAIRS; i++) {
        if (pairs[i].client < 0)
            continue;
        for (size_t j = 0; j < 2; j++)
            if (descriptors[1 + 2 * i + j].revents & (POLLIN | POLLHUP | POLLERR) && !pairs[i].lanes[j].read_end)
                lane_read(&pairs[i].lanes[j]);
        for (size_t j = 0; j < 2; j++)
            lane_write(&pairs[i].lanes[j]);
        if (pairs[i].lanes[0].done && pairs[i].lanes[1].done)
            close_pair(&pairs[i]);
    }
}

int main(int argc, char **argv) {
    must(argc == 4, "usage: relay HOST PORT MILLISECONDS");
    struct sockaddr_in target = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10))};
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof own;
    must(inet_pton(AF_INET, argv[1], &target.sin_addr) == 1, "not an address");
    delay = strtol(argv[3], NULL, 10) * 1000000;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    must(bind(listener, (struct sockaddr *)&own, sizeof own) == 0 && listen(listener, PAIRS) == 0, "listen");
    must(getsockname(listener, (struct sockaddr *)&own, &size) == 0, "getsockname");
    printf("%u\n", ntohs(own.sin_port));
    fflush(stdout);
    for (size_t i = 0; i < PAIRS; i++)
        pairs[i].client = -1;
    for (;;) {
        struct pollfd descriptors[1 + 2 * PAIRS];
        wait_all(listener, descriptors);
        if (descriptors[0].revents & POLLIN)
            accept_pair(listener, &target);
        move_all(descriptors);
    }
}
