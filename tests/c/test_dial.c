/*
 * test_dial.c - names and addresses: the resolver's crew, Happy Eyeballs, what is said when nothing connects.
 *
 * The C library's getaddrinfo is replaced for the whole executable: names that end in ".test" have the addresses that a
 * test gives them, and one that begins with "dead" gets no answer before the test says so.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "loop/deadline.h"
#include "loop/dial.h"
#include "loop/resolve.h"
#include "still_clock.h"
#include "support.h"

/* ---- the replaced resolver ---- */

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate = PTHREAD_COND_INITIALIZER;
static bool open_to_the_dead;
static int waiting, most_waiting, asked;
static const char *answers[4]; /* the literals that names in .test have */

static int look_up_literals(const char *service, struct addrinfo **found) {
    struct addrinfo **next = found;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};

    *found = NULL;
    for (size_t i = 0; i < COUNT_OF(answers) && answers[i]; i++) {
        struct addrinfo *one = calloc(1, sizeof *one + sizeof(struct sockaddr_storage));
        struct sockaddr_storage *address = (struct sockaddr_storage *)(one + 1);
        struct sockaddr_in *v4 = (struct sockaddr_in *)address;
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
        uint16_t port = htons((uint16_t)atoi(service));
        *one = hints;
        one->ai_addr = (struct sockaddr *)address;
        if (inet_pton(AF_INET, answers[i], &v4->sin_addr) == 1) {
            v4->sin_family = AF_INET;
            v4->sin_port = port;
            one->ai_addrlen = sizeof *v4;
        } else {
            inet_pton(AF_INET6, answers[i], &v6->sin6_addr);
            v6->sin6_family = AF_INET6;
            v6->sin6_port = port;
            one->ai_addrlen = sizeof *v6;
        }
        one->ai_family = address->ss_family;
        *next = one;
        next = &one->ai_next;
    }
    return *found ? 0 : EAI_NONAME;
}

static void wait_at_the_gate(void) {
    pthread_mutex_lock(&gate_lock);
    waiting++;
    asked++;
    if (waiting > most_waiting)
        most_waiting = waiting;
    pthread_cond_broadcast(&gate);
    while (!open_to_the_dead)
        pthread_cond_wait(&gate, &gate_lock);
    waiting--;
    pthread_cond_broadcast(&gate);
    pthread_mutex_unlock(&gate_lock);
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    struct in_addr v4;
    struct in6_addr v6;

    if (inet_pton(AF_INET, node, &v4) == 1 || inet_pton(AF_INET6, node, &v6) == 1) {
        const char *kept[4];
        memcpy(kept, answers, sizeof kept);
        answers[0] = node;
        answers[1] = NULL;
        int failure = look_up_literals(service, found);
        memcpy(answers, kept, sizeof kept);
        return failure;
    }
    if (hints->ai_flags & AI_NUMERICHOST)
        return EAI_NONAME;
    if (strncmp(node, "dead", 4) == 0) {
        wait_at_the_gate();
        return EAI_AGAIN;
    }
    return strstr(node, ".test") ? look_up_literals(service, found) : EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *found) {
    while (found) {
        struct addrinfo *next = found->ai_next;
        free(found);
        found = next;
    }
}

static void open_the_gate(void) {
    pthread_mutex_lock(&gate_lock);
    open_to_the_dead = true;
    pthread_cond_broadcast(&gate);
    while (waiting > 0)
        pthread_cond_wait(&gate, &gate_lock);
    open_to_the_dead = false;
    most_waiting = asked = 0;
    pthread_mutex_unlock(&gate_lock);
}

static void wait_until_asked(int count) {
    pthread_mutex_lock(&gate_lock);
    while (asked < count)
        pthread_cond_wait(&gate, &gate_lock);
    pthread_mutex_unlock(&gate_lock);
}

/* ---- a loop, and somebody on it ---- */

struct caller {
    poplin_loop *loop;
    poplin_ready ready;
};

static void nothing(void *context) {
    (void)context;
}

static int make(void **state) {
    struct caller *caller = calloc(1, sizeof *caller);

    if (!caller || poplin_loop_new(&caller->loop) != POPLIN_OK)
        return -1;
    poplin_ready_init(&caller->ready, caller->loop, nothing, NULL);
    memset(answers, 0, sizeof answers);
    *state = caller;
    return 0;
}

static int destroy(void **state) {
    struct caller *caller = *state;

    poplin_ready_remove(&caller->ready);
    poplin_loop_free(caller->loop);
    free(caller);
    return 0;
}

static int listen_at(const char *literal, uint16_t port, int backlog) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    assert_int_equal(inet_pton(AF_INET, literal, &address.sin_addr), 1);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, backlog), 0);
    return listener;
}

static uint16_t port_of(int listener) {
    struct sockaddr_in address;
    socklen_t size = sizeof address;

    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

/* A port that nothing listens on: it is kept bound, so that nobody else takes it. */
static int reserve_port(uint16_t *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int reserved = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(reserved, (struct sockaddr *)&address, sizeof address), 0);
    *port = port_of(reserved);
    return reserved;
}

static int wait_for(struct caller *caller, poplin_dial *dial, int *descriptor, const char **reason) {
    int status;

    while ((status = poplin_dial_result(dial, descriptor, reason)) == POPLIN_NEED_INPUT)
        assert_int_equal(poplin_loop_step(caller->loop, -1), POPLIN_OK);
    return status;
}

static poplin_dial *dial(struct caller *caller, const char *host, uint16_t port) {
    poplin_dial *made;

    assert_int_equal(poplin_dial_new(caller->loop, host, port, NULL, &caller->ready, &made), POPLIN_OK);
    return made;
}

static void expect_peer(int descriptor, const char *literal) {
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    char name[INET_ADDRSTRLEN];

    assert_int_equal(getpeername(descriptor, (struct sockaddr *)&peer, &size), 0);
    assert_string_equal(inet_ntop(AF_INET, &peer.sin_addr, name, sizeof name), literal);
}

static void a_literal_and_localhost_connect_without_a_thread(void **state) {
    struct caller *caller = *state;
    static const char *const hosts[] = {"127.0.0.1", "localhost", "LocalHost"};
    int listener = listen_at("127.0.0.1", 0, 8), descriptor;
    const char *reason;

    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        poplin_resolve *resolve;
        const poplin_address *addresses;
        size_t count;
        assert_int_equal(poplin_resolve_new(caller->loop, hosts[i], 1, &caller->ready, &resolve), POPLIN_OK);
        assert_int_equal(poplin_resolve_result(resolve, &addresses, &count, &reason), POPLIN_OK);
        poplin_resolve_free(resolve);
        poplin_dial *made = dial(caller, hosts[i], port_of(listener));
        assert_int_equal(wait_for(caller, made, &descriptor, &reason), POPLIN_OK);
        expect_peer(descriptor, "127.0.0.1");
        close(descriptor);
        poplin_dial_free(made);
    }
    close(listener);
}

static void a_dead_name_holds_up_no_live_one(void **state) {
    struct caller *caller = *state;
    int listener = listen_at("127.0.0.1", 0, 8), descriptor;
    const char *reason;

    answers[0] = "127.0.0.1";
    poplin_dial *dead = dial(caller, "dead.test", 110);
    wait_until_asked(1);
    poplin_dial *live = dial(caller, "live.test", port_of(listener));
    assert_int_equal(wait_for(caller, live, &descriptor, &reason), POPLIN_OK);
    assert_int_equal(poplin_dial_result(dead, &(int){0}, &reason), POPLIN_NEED_INPUT);
    assert_string_equal(poplin_dial_doing(dead), "resolving the host name");
    open_the_gate();
    assert_int_equal(wait_for(caller, dead, &(int){0}, &reason), POPLIN_ERR_IO);
    assert_string_equal(reason, gai_strerror(EAI_AGAIN));
    close(descriptor);
    poplin_dial_free(live);
    poplin_dial_free(dead);
    close(listener);
}

static void the_crew_is_bounded_and_the_queue_is_served(void **state) {
    enum { NAMES = 40, CREW = 16 };
    struct caller *caller = *state;
    poplin_resolve *resolves[NAMES];
    const poplin_address *addresses;
    const char *reason;
    size_t count, answered = 0;

    for (size_t i = 0; i < NAMES; i++)
        assert_int_equal(poplin_resolve_new(caller->loop, "dead.test", 1, &caller->ready, &resolves[i]), POPLIN_OK);
    wait_until_asked(CREW);
    poplin_resolve_free(resolves[0]);         /* at work */
    poplin_resolve_free(resolves[NAMES - 1]); /* in the queue */
    pthread_mutex_lock(&gate_lock);
    assert_int_equal(most_waiting, CREW);
    open_to_the_dead = true;
    pthread_cond_broadcast(&gate);
    pthread_mutex_unlock(&gate_lock);
    while (answered < NAMES - 2) {
        assert_int_equal(poplin_loop_step(caller->loop, -1), POPLIN_OK);
        answered = 0;
        for (size_t i = 1; i < NAMES - 1; i++)
            answered += poplin_resolve_result(resolves[i], &addresses, &count, &reason) != POPLIN_NEED_INPUT;
    }
    for (size_t i = 1; i < NAMES - 1; i++)
        poplin_resolve_free(resolves[i]);
    open_the_gate();
    assert_int_equal(most_waiting, 0);
}

static void an_answer_for_a_loop_that_is_gone_goes_nowhere(void **state) {
    struct caller *caller = *state;
    poplin_loop *loop;
    poplin_ready ready;
    poplin_dial *made;

    (void)caller;
    assert_int_equal(poplin_loop_new(&loop), POPLIN_OK);
    poplin_ready_init(&ready, loop, nothing, NULL);
    assert_int_equal(poplin_dial_new(loop, "dead.test", 110, NULL, &ready, &made), POPLIN_OK);
    wait_until_asked(1);
    poplin_dial_free(made);
    poplin_ready_remove(&ready);
    poplin_loop_free(loop);
    open_the_gate();
}

/* The answer is posted, and not taken yet, when its owner and the loop go. */
static void an_answer_on_its_way_is_freed_with_the_loop(void **state) {
    poplin_loop *loop;
    poplin_ready ready;
    poplin_dial *made;

    (void)state;
    answers[0] = "127.0.0.1";
    assert_int_equal(poplin_loop_new(&loop), POPLIN_OK);
    poplin_ready_init(&ready, loop, nothing, NULL);
    assert_int_equal(poplin_dial_new(loop, "live.test", 110, NULL, &ready, &made), POPLIN_OK);
    for (bool posted = false; !posted;) {
        pthread_mutex_lock(&loop->lock);
        posted = loop->posts != NULL;
        pthread_mutex_unlock(&loop->lock);
        sched_yield();
    }
    poplin_dial_free(made);
    poplin_ready_remove(&ready);
    poplin_loop_free(loop);
}

static void a_refused_address_gives_way_to_the_next_at_once(void **state) {
    struct caller *caller = *state;
    int listener = listen_at("127.0.0.2", 0, 8), descriptor;
    const char *reason;

    answers[0] = "127.0.0.1"; /* refuses: the port is taken on 127.0.0.2 only */
    answers[1] = "127.0.0.2";
    poplin_dial *made = dial(caller, "two.test", port_of(listener));
    assert_int_equal(wait_for(caller, made, &descriptor, &reason), POPLIN_OK);
    expect_peer(descriptor, "127.0.0.2");
    close(descriptor);
    poplin_dial_free(made);
    close(listener);
}

/* A listener whose queue is full answers no further SYN: Linux drops them. */
static void fill_the_queue(uint16_t port, int *filler, size_t count) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

    assert_int_equal(inet_pton(AF_INET, "127.0.0.1", &address.sin_addr), 1);
    for (size_t i = 0; i < count; i++) {
        filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(filler[i], (struct sockaddr *)&address, sizeof address);
    }
}

static void a_silent_address_is_overtaken_after_a_quarter_of_a_second(void **state) {
    enum { FILLERS = 3 };
    struct caller *caller = *state;
    int silent = listen_at("127.0.0.1", 0, 0), live = listen_at("127.0.0.2", port_of(silent), 8), descriptor;
    int fillers[FILLERS];
    const char *reason;

    fill_the_queue(port_of(silent), fillers, FILLERS);
    answers[0] = "127.0.0.1";
    answers[1] = "127.0.0.2";
    poplin_dial *made = dial(caller, "two.test", port_of(silent));
    while (poplin_dial_result(made, &descriptor, &reason) == POPLIN_NEED_INPUT &&
           poplin_deadlines_next(caller->loop) == UINT64_MAX)
        assert_int_equal(poplin_loop_step(caller->loop, -1), POPLIN_OK);
    assert_true(strstr(poplin_dial_doing(made), "connecting to 127.0.0.1") != NULL);
    for (int i = 0; i < 3; i++) { /* not before its time */
        assert_int_equal(poplin_dial_result(made, &descriptor, &reason), POPLIN_NEED_INPUT);
        assert_int_equal(poplin_loop_step(caller->loop, 0), POPLIN_OK);
    }
    uint64_t wait = poplin_deadlines_next(caller->loop) - poplin_loop_now(caller->loop);
    assert_int_equal(wait, 250);
    poplin_loop_advance(caller->loop, 250);
    assert_int_equal(wait_for(caller, made, &descriptor, &reason), POPLIN_OK);
    expect_peer(descriptor, "127.0.0.2");
    assert_true(poplin_deadlines_next(caller->loop) == UINT64_MAX);
    close(descriptor);
    poplin_dial_free(made);
    for (size_t i = 0; i < FILLERS; i++)
        close(fillers[i]);
    close(silent);
    close(live);
}

static void the_families_are_tried_in_turn(void **state) {
    struct caller *caller = *state;
    uint16_t port;
    int reserved = reserve_port(&port), descriptor;
    const char *reason;

    answers[0] = "127.0.0.1";
    answers[1] = "127.0.0.2";
    answers[2] = "::1";
    poplin_dial *made = dial(caller, "three.test", port);
    assert_int_equal(wait_for(caller, made, &descriptor, &reason), POPLIN_ERR_IO);
    const char *first = strstr(reason, "127.0.0.1: "), *second = strstr(reason, "::1: "),
               *third = strstr(reason, "127.0.0.2: ");
    assert_true(first && second && third && first < second && second < third);
    assert_non_null(strstr(reason, "Connection refused (nothing listens there)"));
    poplin_dial_free(made);
    close(reserved);
}

static void a_name_that_is_not_known_says_so(void **state) {
    struct caller *caller = *state;
    char long_name[300];
    const char *reason;

    poplin_dial *made = dial(caller, "no-such-host.invalid", 110);
    assert_int_equal(wait_for(caller, made, &(int){0}, &reason), POPLIN_ERR_IO);
    assert_non_null(strstr(reason, "no such host name"));
    poplin_dial_free(made);
    memset(long_name, 'a', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    made = dial(caller, long_name, 110);
    assert_int_equal(wait_for(caller, made, &(int){0}, &reason), POPLIN_ERR_IO);
    poplin_dial_free(made);
}

static void a_unix_socket_is_reached_by_its_path(void **state) {
    struct caller *caller = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char folder[] = "/tmp/poplin-dial-XXXXXX";
    const char *reason;
    poplin_dial *made;
    int descriptor;

    assert_non_null(mkdtemp(folder));
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/pop", folder);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(poplin_dial_new(caller->loop, NULL, 0, address.sun_path, &caller->ready, &made), POPLIN_OK);
    assert_int_equal(wait_for(caller, made, &descriptor, &reason), POPLIN_ERR_IO);
    assert_non_null(strstr(reason, "Connection refused"));
    poplin_dial_free(made);

    /* A full queue is no refusal: it is tried again. */
    assert_int_equal(listen(listener, 0), 0);
    int first = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(first, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(poplin_dial_new(caller->loop, NULL, 0, address.sun_path, &caller->ready, &made), POPLIN_OK);
    assert_int_equal(poplin_dial_result(made, &descriptor, &reason), POPLIN_NEED_INPUT);
    close(accept(listener, NULL, NULL));
    poplin_loop_advance(caller->loop, 10);
    assert_int_equal(wait_for(caller, made, &descriptor, &reason), POPLIN_OK);
    close(descriptor);
    close(first);
    poplin_dial_free(made);
    close(listener);
    unlink(address.sun_path);
    rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_literal_and_localhost_connect_without_a_thread, make, destroy),
        cmocka_unit_test_setup_teardown(a_dead_name_holds_up_no_live_one, make, destroy),
        cmocka_unit_test_setup_teardown(the_crew_is_bounded_and_the_queue_is_served, make, destroy),
        cmocka_unit_test_setup_teardown(an_answer_for_a_loop_that_is_gone_goes_nowhere, make, destroy),
        cmocka_unit_test_setup_teardown(an_answer_on_its_way_is_freed_with_the_loop, make, destroy),
        cmocka_unit_test_setup_teardown(a_refused_address_gives_way_to_the_next_at_once, make, destroy),
        cmocka_unit_test_setup_teardown(a_silent_address_is_overtaken_after_a_quarter_of_a_second, make, destroy),
        cmocka_unit_test_setup_teardown(the_families_are_tried_in_turn, make, destroy),
        cmocka_unit_test_setup_teardown(a_name_that_is_not_known_says_so, make, destroy),
        cmocka_unit_test_setup_teardown(a_unix_socket_is_reached_by_its_path, make, destroy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
