/*
 * loop/dial.c - Happy Eyeballs (RFC 8305): addresses of both families in turn, a new attempt every 250 ms or as soon as
 * one has failed, and the first that connects wins.
 *
 * Nothing happens inside libuv's callbacks but a note; poplin_dial_result, which the owner's run function asks,
 * goes on from there.
 */
#include "loop/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "loop/deadline.h"
#include "loop/descriptors.h"
#include "loop/resolve.h"
#include "loop/watch.h"

enum {
    NEXT_ATTEMPT_MS = 250, /* RFC 8305 section 5 */
    BACKLOG_FULL_MS = 10   /* a Unix socket whose queue is full has no other way to tell when it is not */
};

/* One address that is being tried. */
struct attempt {
    struct attempt *next;
    poplin_dial *dial;
    poplin_address address;
    poplin_watch *watch;
    bool happened;
};

struct poplin_dial {
    poplin_loop *loop;
    poplin_ready *ready;
    poplin_resolve *resolve; /* NULL once its addresses were taken, and for a Unix socket */
    poplin_address *addresses;
    size_t count, tried; /* those before tried were tried */
    struct attempt *attempts;
    poplin_deadline next;
    char failures[256]; /* what became of each address */
    char doing[96];
};

/* ---- words ---- */

static void name_address(const poplin_address *address, char *buffer, size_t size) {
    if (address->storage.ss_family == AF_UNIX || getnameinfo((const struct sockaddr *)&address->storage, address->size,
                                                             buffer, (socklen_t)size, NULL, 0, NI_NUMERICHOST) != 0)
        (void)snprintf(buffer, size, "the socket");
}

static void note_failure(poplin_dial *dial, const poplin_address *address, int error) {
    char name[INET6_ADDRSTRLEN + 20];
    size_t used = strlen(dial->failures);
    name_address(address, name, sizeof name);
    (void)snprintf(dial->failures + used, sizeof dial->failures - used, "%s%s: %s%s", used > 0 ? "; " : "", name,
                   strerror(error), error == ECONNREFUSED ? " (nothing listens there)" : "");
}

const char *poplin_dial_doing(poplin_dial *dial) {
    if (dial->resolve)
        return "resolving the host name";
    if (!dial->attempts)
        return "connecting";
    char name[INET6_ADDRSTRLEN + 20];
    name_address(&dial->attempts->address, name, sizeof name);
    (void)snprintf(dial->doing, sizeof dial->doing, "connecting to %s%s", name, dial->count > 1 ? " and others" : "");
    return dial->doing;
}

/* ---- addresses ---- */

static size_t next_of_family(const poplin_address *addresses, size_t count, size_t from, int family, bool same) {
    while (from < count && (addresses[from].storage.ss_family == family) != same)
        from++;
    return from;
}

/* The families in turn, beginning with the one that the resolver prefers (RFC 8305 section 4). */
static int take_addresses(poplin_dial *dial, const poplin_address *found, size_t count) {
    int family = found[0].storage.ss_family;
    size_t preferred = next_of_family(found, count, 0, family, true);
    size_t other = next_of_family(found, count, 0, family, false);
    dial->addresses = malloc(count * sizeof *dial->addresses);
    if (!dial->addresses)
        return POPLIN_ERR_NOMEM;
    while (preferred < count || other < count) {
        if (preferred < count) {
            dial->addresses[dial->count++] = found[preferred];
            preferred = next_of_family(found, count, preferred + 1, family, true);
        }
        if (other < count) {
            dial->addresses[dial->count++] = found[other];
            other = next_of_family(found, count, other + 1, family, false);
        }
    }
    return POPLIN_OK;
}

static int take_path(poplin_dial *dial, const char *path) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    dial->addresses = calloc(1, sizeof *dial->addresses);
    if (!dial->addresses)
        return POPLIN_ERR_NOMEM;
    dial->count = 1;
    if (strlen(path) >= sizeof name.sun_path) {
        dial->tried = 1;
        (void)snprintf(dial->failures, sizeof dial->failures, "the path is too long for a Unix socket");
        return POPLIN_OK;
    }
    memcpy(name.sun_path, path, strlen(path));
    memcpy(&dial->addresses[0].storage, &name, sizeof name);
    dial->addresses[0].size = (socklen_t)sizeof name;
    return POPLIN_OK;
}

/* ---- attempts ---- */

/* Inside uv_run: only notes. */
static void happened(void *context, int events) {
    struct attempt *attempt = context;
    (void)events;
    attempt->happened = true;
    poplin_watch_ask(attempt->watch, 0);
    poplin_ready_queue(attempt->dial->ready);
}

/* Takes the attempt at *place out of its list and ends it. */
static void end_attempt(struct attempt **place) {
    struct attempt *attempt = *place;
    *place = attempt->next;
    poplin_watch_close(attempt->watch);
    free(attempt);
}

/* Keeps a socket that is connecting. The descriptor is closed on failure. */
static int add_attempt(poplin_dial *dial, const poplin_address *address, int descriptor) {
    struct attempt *attempt = calloc(1, sizeof *attempt);
    int status = POPLIN_ERR_NOMEM;
    if (attempt)
        status = poplin_watch_new(dial->loop, descriptor, happened, attempt, &attempt->watch);
    if (status != POPLIN_OK) {
        int error = status == POPLIN_ERR_NOMEM ? ENOMEM : errno;
        (void)close(descriptor);
        free(attempt);
        note_failure(dial, address, error);
        return status;
    }
    attempt->dial = dial;
    attempt->address = *address;
    attempt->next = dial->attempts;
    dial->attempts = attempt;
    poplin_watch_ask(attempt->watch, POPLIN_WRITABLE);
    return POPLIN_OK;
}

/* Tries the next address. OK: connected at once; NEED_INPUT: it is on its way; IO: it failed and was noted. */
static int try_next(poplin_dial *dial, int *connected) {
    const poplin_address *address = &dial->addresses[dial->tried];
    int descriptor =
        poplin_descriptor_above(socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    int error = 0;
    if (descriptor < 0 || connect(descriptor, (const struct sockaddr *)&address->storage, address->size) != 0)
        error = errno;
    if (error == 0) {
        *connected = descriptor;
        return POPLIN_OK;
    }
    if (error == EAGAIN && address->storage.ss_family == AF_UNIX) {
        (void)close(descriptor);
        poplin_deadline_set(&dial->next, BACKLOG_FULL_MS);
        return POPLIN_NEED_INPUT;
    }
    dial->tried++;
    if (error == EINPROGRESS) {
        poplin_deadline_set(&dial->next, NEXT_ATTEMPT_MS);
        return add_attempt(dial, address, descriptor) == POPLIN_OK ? POPLIN_NEED_INPUT : POPLIN_ERR_IO;
    }
    if (descriptor >= 0)
        (void)close(descriptor);
    note_failure(dial, address, error);
    return POPLIN_ERR_IO;
}

/* What became of an attempt: as try_next. */
static int look_at(struct attempt *attempt, int *connected) {
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    int descriptor = poplin_watch_descriptor(attempt->watch), error = 0;
    socklen_t error_size = sizeof error;
    attempt->happened = false;
    (void)getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &error_size);
    if (error != 0) {
        note_failure(attempt->dial, &attempt->address, error);
        return POPLIN_ERR_IO;
    }
    if (getpeername(descriptor, (struct sockaddr *)&peer, &size) != 0) {
        poplin_watch_ask(attempt->watch, POPLIN_WRITABLE); /* woken too early */
        return POPLIN_NEED_INPUT;
    }
    *connected = poplin_watch_release(attempt->watch);
    attempt->watch = NULL;
    return POPLIN_OK;
}

static void end_all(poplin_dial *dial) {
    while (dial->attempts)
        end_attempt(&dial->attempts);
    poplin_deadline_clear(&dial->next);
}

/* Looks at what has happened to the attempts and ends those that failed; failed: there was one. */
static int look_at_all(poplin_dial *dial, int *connected, bool *failed) {
    struct attempt **place = &dial->attempts;
    while (*place) {
        int status = (*place)->happened ? look_at(*place, connected) : POPLIN_NEED_INPUT;
        if (status == POPLIN_OK)
            return status;
        if (status == POPLIN_NEED_INPUT) {
            place = &(*place)->next;
        } else {
            *failed = true;
            end_attempt(place);
        }
    }
    return POPLIN_NEED_INPUT;
}

/* Starts what is due to start: the first, the next after 250 ms, the next at once after a failure. */
static int go_on(poplin_dial *dial, int *connected) {
    bool failed = false;
    int status = look_at_all(dial, connected, &failed);
    if (status == POPLIN_OK)
        return status;
    bool due = failed || !dial->next.set;
    while (due && dial->tried < dial->count) {
        poplin_deadline_clear(&dial->next);
        status = try_next(dial, connected);
        if (status != POPLIN_ERR_IO)
            return status;
    }
    return dial->attempts || dial->tried < dial->count ? POPLIN_NEED_INPUT : POPLIN_ERR_IO;
}

/* ---- for the owner ---- */

int poplin_dial_new(poplin_loop *loop, const char *host, uint16_t port, const char *path, poplin_ready *ready,
                    poplin_dial **made) {
    poplin_dial *dial = calloc(1, sizeof *dial);
    *made = NULL;
    if (!dial)
        return POPLIN_ERR_NOMEM;
    dial->loop = loop;
    dial->ready = ready;
    poplin_deadline_init(&dial->next, ready);
    int status = path ? take_path(dial, path) : poplin_resolve_new(loop, host, port, ready, &dial->resolve);
    if (status != POPLIN_OK) {
        poplin_dial_free(dial);
        return status;
    }
    poplin_ready_queue(ready);
    *made = dial;
    return POPLIN_OK;
}

/* Takes the addresses out of the resolve. */
static int resolved(poplin_dial *dial, const char **reason) {
    const poplin_address *found;
    size_t count;
    int status = poplin_resolve_result(dial->resolve, &found, &count, reason);
    if (status != POPLIN_OK)
        return status;
    status = take_addresses(dial, found, count);
    poplin_resolve_free(dial->resolve);
    dial->resolve = NULL;
    return status;
}

int poplin_dial_result(poplin_dial *dial, int *descriptor, const char **reason) {
    *reason = NULL;
    int status = dial->resolve ? resolved(dial, reason) : POPLIN_OK;
    if (status == POPLIN_OK)
        status = go_on(dial, descriptor);
    if (status == POPLIN_OK)
        end_all(dial);
    else if (status == POPLIN_ERR_IO && !*reason)
        *reason = dial->failures;
    return status;
}

void poplin_dial_free(poplin_dial *dial) {
    if (!dial)
        return;
    poplin_resolve_free(dial->resolve);
    end_all(dial);
    free(dial->addresses);
    free(dial);
}
