/*
 * test_kit_wait.c - waiting for the log to change, from many threads.
 */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "tapped.h"

enum { THREADS = 4, CHANGES = 1000, MEDDLINGS = 200 };

static void test_what_was_not_seen_is_not_waited_for(void **state) {
    poplin_testkit *kit = tapped_kit(10, 10);
    uint64_t seen = poplin_testkit_changes(kit);
    (void)state;
    assert_int_equal(poplin_testkit_wait(kit, seen, 0), POPLIN_ERR_TIMEOUT);
    assert_int_equal(poplin_testkit_wait(kit, seen, 1), POPLIN_ERR_TIMEOUT);
    tapped_quit(tapped_open(kit));
    assert_true(poplin_testkit_changes(kit) > seen);
    assert_int_equal(poplin_testkit_wait(kit, seen, -1), POPLIN_OK);
    assert_int_equal(poplin_testkit_wait(kit, poplin_testkit_changes(kit), 0), POPLIN_ERR_TIMEOUT);
    seen = poplin_testkit_changes(kit);
    poplin_testkit_reset(kit);
    assert_int_equal(poplin_testkit_wait(kit, seen, -1), POPLIN_OK);
    poplin_testkit_free(kit);
}

/* A thread that waits for each session in turn, and tells when it has seen it. */
struct watcher {
    pthread_t thread;
    poplin_testkit *kit;
    sem_t *seen;
    const char *complaint;
};

static uint64_t count_sessions(poplin_testkit *kit) {
    uint64_t sessions, not_kept;
    poplin_testkit_count(kit, &sessions, &not_kept);
    return sessions;
}

static void *watch(void *argument) {
    struct watcher *watcher = argument;
    poplin_testkit *kit = watcher->kit;
    for (size_t i = 0; i < CHANGES; i++) {
        for (uint64_t seen = poplin_testkit_changes(kit); count_sessions(kit) <= i; seen = poplin_testkit_changes(kit))
            if (poplin_testkit_wait(kit, seen, -1) != POPLIN_OK)
                watcher->complaint = "the wait failed";
        (void)sem_post(watcher->seen);
    }
    return NULL;
}

/* Each session is one change, and the next does not come before all have seen it: a wake-up that is lost hangs. */
static void test_no_wake_up_is_lost(void **state) {
    static void *taps[CHANGES];
    poplin_testkit *kit = tapped_kit(CHANGES, 10);
    struct watcher watchers[THREADS];
    sem_t seen;
    (void)state;
    (void)alarm(60);
    assert_int_equal(sem_init(&seen, 0, 0), 0);
    for (size_t i = 0; i < THREADS; i++) {
        watchers[i] = (struct watcher){.kit = kit, .seen = &seen};
        assert_int_equal(pthread_create(&watchers[i].thread, NULL, watch, &watchers[i]), 0);
    }
    for (size_t i = 0; i < CHANGES; i++) {
        assert_int_equal(poplin_testkit_tap()->opened(kit, "unix", &taps[i]), POPLIN_OK);
        for (size_t told = 0; told < THREADS; told++)
            assert_int_equal(sem_wait(&seen), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(watchers[i].thread, NULL), 0);
        assert_null(watchers[i].complaint);
    }
    (void)alarm(0);
    for (size_t i = 0; i < CHANGES; i++)
        tapped_close(taps[i]);
    (void)sem_destroy(&seen);
    poplin_testkit_free(kit);
}

/* Everybody may add faults and secrets, reset and read while a server writes. */
static void *meddle(void *argument) {
    poplin_testkit *kit = argument;
    for (int i = 0; i < MEDDLINGS; i++) {
        poplin_record *record = NULL;
        poplin_fault_handle handle;
        if (poplin_testkit_add_fault_text(kit, "NOOP status=\"+OK fault\"", &handle, NULL) != POPLIN_OK)
            return "no fault was added";
        free(handle.name);
        (void)poplin_testkit_add_secret(kit, SLICE("secret"));
        (void)poplin_testkit_fired(kit, handle.id);
        if (poplin_testkit_record(kit, 0, &record) == POPLIN_OK)
            free(poplin_record_transcript(record));
        poplin_record_free(record);
        (void)poplin_testkit_remove(kit, handle.id, NULL);
        if (i % 16 == 0)
            poplin_testkit_reset(kit);
    }
    return NULL;
}

static void test_everybody_at_once(void **state) {
    poplin_testkit *kit = tapped_kit(20, 10);
    pthread_t threads[THREADS];
    (void)state;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, meddle, kit), 0);
    for (size_t i = 0; i < MEDDLINGS; i++) {
        void *tap = tapped_open(kit);
        tapped_say(tap, "NOOP", "+OK\r\n");
        tapped_say(tap, "X-secret", "-ERR\r\n");
        tapped_quit(tap);
    }
    for (size_t i = 0; i < THREADS; i++) {
        void *complaint;
        assert_int_equal(pthread_join(threads[i], &complaint), 0);
        assert_null(complaint);
    }
    poplin_testkit_free(kit);
}

/* What a server on another thread does, while this one stands in its loop. */
static void *connect_and_quit(void *argument) {
    tapped_quit(tapped_open(argument));
    return NULL;
}

static void test_a_loop_is_woken(void **state) {
    poplin_testkit *kit = tapped_kit(100, 10);
    poplin_loop *loop;
    pthread_t thread;
    (void)state;
    assert_int_equal(poplin_loop_new(&loop), POPLIN_OK);
    poplin_testkit_wake(kit, loop);
    (void)alarm(60);
    for (size_t i = 1; i <= 100; i++) {
        assert_int_equal(pthread_create(&thread, NULL, connect_and_quit, kit), 0);
        while (count_sessions(kit) < i)
            assert_int_equal(poplin_loop_step(loop, -1), POPLIN_OK);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    (void)alarm(0);
    poplin_testkit_wake(kit, NULL);
    poplin_loop_free(loop);
    tapped_quit(tapped_open(kit));
    poplin_testkit_free(kit);
}

static void ignore(int number) {
    (void)number;
}

/* The timer goes on until the wait has been broken, so that it does not matter which comes first. */
static void test_a_signal_breaks_the_wait(void **state) {
    poplin_testkit *kit = tapped_kit(10, 10);
    struct sigaction action = {.sa_handler = ignore}, before;
    const struct itimerspec often = {.it_interval = {.tv_nsec = 5000000}, .it_value = {.tv_nsec = 5000000}};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    timer_t timer;
    (void)state;
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    assert_int_equal(timer_settime(timer, 0, &often, NULL), 0);
    assert_int_equal(poplin_testkit_wait(kit, poplin_testkit_changes(kit), -1), POPLIN_INTERRUPTED);
    assert_int_equal(timer_delete(timer), 0);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
    poplin_testkit_free(kit);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_not_seen_is_not_waited_for),
        cmocka_unit_test(test_no_wake_up_is_lost),
        cmocka_unit_test(test_everybody_at_once),
        cmocka_unit_test(test_a_loop_is_woken),
        cmocka_unit_test(test_a_signal_breaks_the_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
