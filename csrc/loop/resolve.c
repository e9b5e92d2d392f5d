/*
 * loop/resolve.c - getaddrinfo on detached threads: a bounded crew, a queue of names, answers posted to the loop.
 *
 * A resolve belongs to its owner in the loop and to the crew at once, so it is counted. The owner forgets it by
 * taking the loop out, under the lock that the crew posts under: an answer for a loop that is gone goes nowhere.
 */
#include "loop/resolve.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { CREW_MAX = 16, ADDRESSES_MAX = 64, HOST_MAX = 256 };

struct poplin_resolve {
    poplin_resolve *next; /* in the queue of names */
    unsigned owners;      /* guarded by crew_lock, as is loop */
    poplin_loop *loop;    /* NULL: the owner has forgotten it */
    poplin_ready *ready;
    char host[HOST_MAX];
    char service[6];
    poplin_address addresses[ADDRESSES_MAX];
    size_t count;
    int failure;      /* of getaddrinfo */
    bool answered;    /* what the thread wrote may be read: only the loop's thread sets and reads this */
    bool out_of_help; /* no thread could be made */
};

static pthread_mutex_t crew_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t crew_once = PTHREAD_ONCE_INIT;
static unsigned crew_size;
static poplin_resolve *first_name, *last_name;

/* ---- the crew and what lies outside this file's control: fork, and being unloaded ---- */

static void before_fork(void) {
    (void)pthread_mutex_lock(&crew_lock);
}

static void after_fork(void) {
    (void)pthread_mutex_unlock(&crew_lock);
}

/* The crew stayed behind in the parent. */
static void in_child(void) {
    crew_size = 0;
    first_name = last_name = NULL;
    (void)pthread_mutex_unlock(&crew_lock);
}

/* A thread that waits for a name server must not lose its code when the host unloads this library: it stays mapped. */
static void prepare_crew(void) {
    Dl_info library;
    (void)pthread_atfork(before_fork, after_fork, in_child);
    if (dladdr(&crew_lock, &library) != 0 && library.dli_fname)
        (void)dlopen(library.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

static void disown(poplin_resolve *resolve) {
    (void)pthread_mutex_lock(&crew_lock);
    bool last = --resolve->owners == 0;
    (void)pthread_mutex_unlock(&crew_lock);
    if (last)
        free(resolve);
}

/* ---- looking up ---- */

/* Adds the addresses of host. Returns what getaddrinfo does. */
static int look_up(poplin_resolve *resolve, const char *host, int flags) {
    const struct addrinfo hints = {.ai_flags = flags | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int failure = getaddrinfo(host, resolve->service, &hints, &found);
    if (failure != 0)
        return failure;
    for (const struct addrinfo *at = found; at && resolve->count < ADDRESSES_MAX; at = at->ai_next) {
        if (at->ai_family != AF_INET && at->ai_family != AF_INET6)
            continue;
        poplin_address *address = &resolve->addresses[resolve->count++];
        memcpy(&address->storage, at->ai_addr, at->ai_addrlen);
        address->size = at->ai_addrlen;
    }
    freeaddrinfo(found);
    return resolve->count > 0 ? 0 : EAI_NONAME;
}

/* In the loop's thread. */
static void answer(void *argument) {
    poplin_resolve *resolve = argument;
    if (resolve->loop) { /* written by this thread only */
        resolve->answered = true;
        poplin_ready_queue(resolve->ready);
    }
    disown(resolve);
}

/* The next name that somebody still wants; NULL, and one less in the crew: none. */
static poplin_resolve *next_name(void) {
    poplin_resolve *resolve;
    (void)pthread_mutex_lock(&crew_lock);
    while ((resolve = first_name)) {
        first_name = resolve->next;
        if (!first_name)
            last_name = NULL;
        if (resolve->loop)
            break;
        free(resolve); /* its owner was the other one */
    }
    if (!resolve)
        crew_size--;
    (void)pthread_mutex_unlock(&crew_lock);
    return resolve;
}

static void *work(void *unused) {
    poplin_resolve *resolve;
    (void)unused;
    while ((resolve = next_name())) {
        resolve->failure = look_up(resolve, resolve->host, 0);
        (void)pthread_mutex_lock(&crew_lock);
        bool posted = resolve->loop && poplin_loop_post(resolve->loop, answer, resolve) == POPLIN_OK;
        (void)pthread_mutex_unlock(&crew_lock);
        if (!posted)
            disown(resolve);
    }
    return NULL;
}

/* One more thread, which takes no signals: they are the host's. Called under crew_lock. */
static int hire(void) {
    sigset_t all, before;
    pthread_attr_t detached;
    pthread_t thread;
    if (pthread_attr_init(&detached) != 0)
        return -1;
    (void)pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&thread, &detached, work, NULL);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&detached);
    return failure == 0 ? 0 : -1;
}

static int give_to_crew(poplin_resolve *resolve) {
    int status = POPLIN_OK;
    (void)pthread_once(&crew_once, prepare_crew);
    (void)pthread_mutex_lock(&crew_lock);
    if (crew_size < CREW_MAX && hire() == 0)
        crew_size++;
    if (crew_size > 0) {
        resolve->owners++;
        if (last_name)
            last_name->next = resolve;
        else
            first_name = resolve;
        last_name = resolve;
    } else {
        status = POPLIN_ERR_IO;
    }
    (void)pthread_mutex_unlock(&crew_lock);
    return status;
}

/* ---- for the owner ---- */

/* What needs no name server. IPv6 first, as getaddrinfo would have it. */
static bool look_up_here(poplin_resolve *resolve) {
    if (strcasecmp(resolve->host, "localhost") != 0)
        return look_up(resolve, resolve->host, AI_NUMERICHOST) == 0;
    (void)look_up(resolve, "::1", AI_NUMERICHOST);
    return look_up(resolve, "127.0.0.1", AI_NUMERICHOST) == 0;
}

int poplin_resolve_new(poplin_loop *loop, const char *host, uint16_t port, poplin_ready *ready, poplin_resolve **made) {
    poplin_resolve *resolve = calloc(1, sizeof *resolve);
    *made = NULL;
    if (!resolve)
        return POPLIN_ERR_NOMEM;
    resolve->owners = 1;
    resolve->loop = loop;
    resolve->ready = ready;
    (void)snprintf(resolve->service, sizeof resolve->service, "%u", (unsigned)port);
    if ((size_t)snprintf(resolve->host, sizeof resolve->host, "%s", host) >= sizeof resolve->host)
        resolve->failure = EAI_NONAME;
    if (resolve->failure != 0 || look_up_here(resolve)) {
        resolve->answered = true;
        poplin_ready_queue(ready);
    } else if (give_to_crew(resolve) != POPLIN_OK) {
        resolve->answered = resolve->out_of_help = true;
        poplin_ready_queue(ready);
    }
    *made = resolve;
    return POPLIN_OK;
}

int poplin_resolve_result(const poplin_resolve *resolve, const poplin_address **addresses, size_t *count,
                          const char **reason) {
    if (!resolve->answered)
        return POPLIN_NEED_INPUT;
    if (resolve->out_of_help) {
        *reason = "no thread could be made to resolve the name";
        return POPLIN_ERR_IO;
    }
    if (resolve->failure == EAI_MEMORY)
        return POPLIN_ERR_NOMEM;
    if (resolve->failure != 0) {
        *reason = resolve->failure == EAI_NONAME ? "no such host name is known; check its spelling"
                                                 : gai_strerror(resolve->failure);
        return POPLIN_ERR_IO;
    }
    *addresses = resolve->addresses;
    *count = resolve->count;
    return POPLIN_OK;
}

void poplin_resolve_free(poplin_resolve *resolve) {
    if (!resolve)
        return;
    (void)pthread_mutex_lock(&crew_lock);
    resolve->loop = NULL;
    bool last = --resolve->owners == 0;
    (void)pthread_mutex_unlock(&crew_lock);
    if (last)
        free(resolve);
}
