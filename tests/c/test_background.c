/*
 * test_background.c - a server on a thread of its own: started and stopped in whatever state its sessions are, its clock moved
 * from other threads, and forks.
 */
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include <poplin/background.h>
#include <poplin/memory.h>

#include "child.h"
#include "scripted_tap.h"
#include "secured.h"

enum { PATIENCE_S = 120 };

struct fixture {
    poplin_memory *memory;
    poplin_server_config config;
    poplin_backend backend; /* that of memory, but for what a test puts in */
    poplin_background *background;
};

/* What the server's thread tells the tests. */
static atomic_int sessions_closed;
static atomic_int signals_let_through;
static atomic_int answer_of_advance;
static poplin_background *asked_about;

static void count_close(void *context, void *maildrop, const poplin_session_end *end) {
    poplin_memory_backend()->close(context, maildrop, end);
    atomic_fetch_add(&sessions_closed, 1);
}

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    (void)alarm(PATIENCE_S);
    assert_int_equal(poplin_memory_new(&fixture->memory), POPLIN_OK);
    assert_int_equal(poplin_memory_add_user(fixture->memory, SLICE("alice"), SLICE("secret")), POPLIN_OK);
    assert_int_equal(poplin_memory_deliver(fixture->memory, SLICE("alice"), "message\r\n", 9, NULL), POPLIN_OK);
    poplin_server_config_init(&fixture->config);
    fixture->config.lock = POPLIN_LOCK_NONE;
    fixture->backend = *poplin_memory_backend();
    fixture->backend.close = count_close;
    atomic_store(&sessions_closed, 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    poplin_background_free(fixture->background);
    poplin_memory_free(fixture->memory);
    free(fixture);
    return 0;
}

static void make(struct fixture *fixture) {
    assert_int_equal(
        poplin_background_new(&fixture->config, &fixture->backend, fixture->memory, &fixture->background, NULL),
        POPLIN_OK);
}

static void start(struct fixture *fixture) {
    make(fixture);
    assert_int_equal(poplin_background_start(fixture->background), POPLIN_OK);
}

static void stop(struct fixture *fixture) {
    poplin_background_free(fixture->background);
    fixture->background = NULL;
}

/* ---- a client that blocks ---- */

static int dial(const struct fixture *fixture) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(poplin_background_port(fixture->background))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(descriptor, (struct sockaddr *)&address, sizeof address), 0);
    return descriptor;
}

static void say(int descriptor, const char *text) {
    assert_int_equal(send(descriptor, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads one line, octet by octet, and looks how it begins. */
static void hear(int descriptor, const char *beginning) {
    char line[256] = "";
    size_t size = 0;
    while (size + 1 < sizeof line && recv(descriptor, line + size, 1, 0) == 1 && line[size] != '\n')
        line[++size] = '\0';
    assert_int_equal(strncmp(line, beginning, strlen(beginning)), 0);
}

static void hear_end(int descriptor) {
    char octet;
    assert_int_equal(recv(descriptor, &octet, 1, 0), 0);
    (void)close(descriptor);
}

static int login(const struct fixture *fixture) {
    int descriptor = dial(fixture);
    hear(descriptor, "+OK");
    say(descriptor, "USER alice\r\nPASS secret\r\n");
    hear(descriptor, "+OK");
    hear(descriptor, "+OK");
    return descriptor;
}

/* ---- starting and stopping ---- */

static void test_a_session(void **state) {
    struct fixture *fixture = *state;
    start(fixture);
    int descriptor = login(fixture);
    say(descriptor, "DELE 1\r\nQUIT\r\n");
    hear(descriptor, "+OK");
    hear(descriptor, "+OK");
    hear_end(descriptor);
    assert_int_equal(poplin_memory_count(fixture->memory, SLICE("alice")), 0);
}

/* The port is known and clients may come before anybody serves them. */
static void test_clients_before_the_start(void **state) {
    struct fixture *fixture = *state;
    make(fixture);
    assert_true(poplin_background_port(fixture->background) > 0);
    int early = dial(fixture);
    assert_int_equal(poplin_background_advance(fixture->background, 1), POPLIN_ERR_STATE);
    assert_int_equal(poplin_background_start(fixture->background), POPLIN_OK);
    assert_int_equal(poplin_background_start(fixture->background), POPLIN_ERR_STATE);
    hear(early, "+OK");
    (void)close(early);
}

static void test_never_started(void **state) {
    struct fixture *fixture = *state;
    poplin_background *second;
    poplin_error error;
    make(fixture);
    fixture->config.port = poplin_background_port(fixture->background);
    assert_int_equal(poplin_background_new(&fixture->config, &fixture->backend, fixture->memory, &second, &error),
                     POPLIN_ERR_IO);
    assert_string_not_equal(error.reason, "");
    poplin_background_free(NULL);
}

/* Two hundred times, with sessions in every phase: silent, held back, in the middle of a message, not yet secured. */
static void test_start_and_stop_in_any_state(void **state) {
    static const struct scene scenes[] = {
        {.at = "STAT", .moves = {{POPLIN_TAP_SILENCE, NULL, 0}}},
        {.at = "NOOP", .moves = {{POPLIN_TAP_PAUSE, NULL, 3600 * 1000}, {POPLIN_TAP_SEND, THE_REPLY, 0}}},
    };
    enum { LARGE = 8 << 20 };
    static char large[LARGE];
    struct fixture *fixture = *state;
    memset(large, 'x', LARGE);
    assert_int_equal(poplin_memory_deliver(fixture->memory, SLICE("alice"), large, LARGE, NULL), POPLIN_OK);
    for (int round = 0; round < 200; round++) {
        struct script script = {.scenes = scenes, .count = COUNT_OF(scenes)};
        bool secured = round % 4 == 3;
        fixture->config.tap = scripted_tap();
        fixture->config.tap_context = &script;
        fixture->config.credentials = secured ? secure.identity : NULL;
        fixture->config.tls = secured ? POPLIN_TLS_IMPLICIT : POPLIN_TLS_NEVER;
        start(fixture);
        int clients[4];
        for (size_t i = 0; i < COUNT_OF(clients); i++) {
            static const char *const last[] = {"STAT\r\n", "NOOP\r\n", "RETR 2\r\n", "DELE 1\r\n"};
            clients[i] = secured ? dial(fixture) : login(fixture);
            say(clients[i], secured ? "\x16\x03\x01" : last[i]);
            if (!secured && i >= 2)
                hear(clients[i], "+OK");
        }
        stop(fixture);
        assert_int_equal(script.open, 0);
        for (size_t i = 0; i < COUNT_OF(clients); i++)
            (void)close(clients[i]);
    }
    assert_int_equal(atomic_load(&sessions_closed), 600);
    assert_int_equal(poplin_memory_count(fixture->memory, SLICE("alice")), 2);
}

static void look_at_signals(void *context, poplin_server *server, poplin_request request, poplin_slice user) {
    sigset_t blocked;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    atomic_store(&signals_let_through, !sigismember(&blocked, SIGINT) || !sigismember(&blocked, SIGTERM));
    poplin_memory_backend()->maildrop(context, server, request, user);
}

static void test_the_thread_takes_no_signals(void **state) {
    struct fixture *fixture = *state;
    sigset_t before, after;
    fixture->backend.maildrop = look_at_signals;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &before);
    atomic_store(&signals_let_through, -1);
    start(fixture);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(sigismember(&after, SIGINT), sigismember(&before, SIGINT));
    (void)close(login(fixture));
    assert_int_equal(atomic_load(&signals_let_through), 0);
}

/* ---- the clock ---- */

/* When advance has returned the session is over, and its maildrop closed. */
static void test_advance_to_the_autologout(void **state) {
    struct fixture *fixture = *state;
    start(fixture);
    for (int round = 1; round <= 50; round++) {
        int descriptor = login(fixture);
        assert_int_equal(poplin_background_advance(fixture->background, 599 * 1000), POPLIN_OK);
        assert_int_equal(atomic_load(&sessions_closed), round - 1);
        assert_int_equal(poplin_background_advance(fixture->background, 2 * 1000), POPLIN_OK);
        assert_int_equal(atomic_load(&sessions_closed), round);
        hear_end(descriptor);
    }
}

static void *advance_often(void *argument) {
    const struct fixture *fixture = argument;
    for (int i = 0; i < 200; i++)
        if (poplin_background_advance(fixture->background, 1000) != POPLIN_OK)
            return argument;
    return NULL;
}

static void test_several_threads_advance(void **state) {
    struct fixture *fixture = *state;
    pthread_t threads[4];
    start(fixture);
    int descriptor = login(fixture);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, advance_often, fixture), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(atomic_load(&sessions_closed), 1); /* 800 seconds have passed */
    hear_end(descriptor);
}

static void advance_from_inside(void *context, poplin_server *server, poplin_request request, poplin_slice user) {
    atomic_store(&answer_of_advance, poplin_background_advance(asked_about, 1000));
    poplin_memory_backend()->maildrop(context, server, request, user);
}

/* It would wait for itself. */
static void test_the_thread_itself_cannot_wait(void **state) {
    struct fixture *fixture = *state;
    fixture->backend.maildrop = advance_from_inside;
    make(fixture);
    asked_about = fixture->background;
    assert_int_equal(poplin_background_start(fixture->background), POPLIN_OK);
    (void)close(login(fixture));
    assert_int_equal(atomic_load(&answer_of_advance), POPLIN_ERR_STATE);
}

static void *advance_loop(void *argument) {
    static int answer;
    answer = poplin_loop_advance_and_wait(argument, 1000);
    return &answer;
}

/* Nobody drives the loop, and then it is freed. */
static void test_a_loop_that_is_freed_meanwhile(void **state) {
    poplin_loop *loop;
    pthread_t thread;
    void *answer;
    (void)state;
    assert_int_equal(poplin_loop_new(&loop), POPLIN_OK);
    assert_int_equal(poplin_loop_step(loop, 0), POPLIN_OK);
    assert_int_equal(pthread_create(&thread, NULL, advance_loop, loop), 0);
    struct pollfd posted = {.fd = poplin_loop_fileno(loop), .events = POLLIN};
    assert_int_equal(poll(&posted, 1, -1), 1);
    poplin_loop_free(loop);
    assert_int_equal(pthread_join(thread, &answer), 0);
    assert_int_equal(*(int *)answer, POPLIN_ERR_CANCELLED);
}

/* ---- forks ---- */

/* The child holds nothing open when it has freed the server, and the parent's goes on. */
static void test_a_forked_child(void **state) {
    struct fixture *fixture = *state;
    int hold[2], freed[2];
    char octet = 0;
    start(fixture);
    int descriptor = login(fixture);
    assert_int_equal(poplin_background_advance(fixture->background, 0), POPLIN_OK);
    assert_int_equal(pipe(hold), 0);
    assert_int_equal(pipe(freed), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)close(hold[1]);
        bool refused = poplin_background_advance(fixture->background, 1) == POPLIN_ERR_STATE;
        poplin_background_free(fixture->background);
        refused = refused && write(freed[1], &octet, 1) == 1;
        report(read(hold[0], &octet, 1) == 0 && refused);
    }
    (void)close(hold[0]);
    assert_int_equal(read(freed[0], &octet, 1), 1);
    say(descriptor, "DELE 1\r\nQUIT\r\n");
    hear(descriptor, "+OK");
    hear(descriptor, "+OK");
    hear_end(descriptor); /* though the child lives */
    stop(fixture);
    (void)close(hold[1]);
    expect_report(child);
    (void)close(freed[0]);
    (void)close(freed[1]);
    assert_int_equal(poplin_memory_count(fixture->memory, SLICE("alice")), 0);
}

#define BACKGROUND_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        BACKGROUND_TEST(test_a_session),
        BACKGROUND_TEST(test_clients_before_the_start),
        BACKGROUND_TEST(test_never_started),
        BACKGROUND_TEST(test_start_and_stop_in_any_state),
        BACKGROUND_TEST(test_the_thread_takes_no_signals),
        BACKGROUND_TEST(test_advance_to_the_autologout),
        BACKGROUND_TEST(test_several_threads_advance),
        BACKGROUND_TEST(test_the_thread_itself_cannot_wait),
        BACKGROUND_TEST(test_a_loop_that_is_freed_meanwhile),
        BACKGROUND_TEST(test_a_forked_child),
    };
    return cmocka_run_group_tests(tests, secure_set_up, secure_tear_down);
}
