/*
 * test_memory_threads.c - maildrops in memory used by many threads at once, while sessions of a server fetch from them.
 * What it is about shows under the thread sanitizer; the counts hold without it.
 */
#include "served.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { WORKERS = 4, ROUNDS = 2000, SESSIONS = 20, IN_FLIGHT = 16 };

static atomic_int running;

struct worker {
    pthread_t thread;
    poplin_memory *memory;
    char user[16]; /* one that comes and goes */
    char delivered[IN_FLIGHT][POPLIN_UNIQUE_ID_MAX + 1];
    int wrong; /* answers that should not have come */
};

static poplin_slice slice_of(const char *text) {
    return (poplin_slice){text, strlen(text)};
}

/* Looks at every message that there is, all of it. */
static void read_list(struct worker *worker, poplin_slice user) {
    poplin_memory_list *list;
    if (poplin_memory_list_new(worker->memory, user, &list) != POPLIN_OK) {
        worker->wrong++;
        return;
    }
    for (size_t i = 0; i < poplin_memory_list_count(list); i++) {
        poplin_memory_message message = poplin_memory_list_get(list, i);
        worker->wrong += message.data.size == 0 || message.data.data[0] != 'm' || message.unique_id[0] == '\0';
    }
    poplin_memory_list_free(list);
}

/* Delivers to alice, and takes away what was delivered some rounds ago, unless a session was quicker. */
static void deliver_and_remove(struct worker *worker, int round) {
    char *unique_id = worker->delivered[round % IN_FLIGHT];
    if (round >= IN_FLIGHT && round % 10 != 0)
        (void)poplin_memory_remove(worker->memory, SLICE("alice"), slice_of(unique_id));
    worker->wrong += poplin_memory_deliver(worker->memory, SLICE("alice"), "message\r\n", 9, unique_id) != POPLIN_OK;
}

static void come_and_go(struct worker *worker) {
    poplin_slice user = slice_of(worker->user);
    worker->wrong += poplin_memory_add_user(worker->memory, user, SLICE("secret")) != POPLIN_OK;
    worker->wrong += poplin_memory_deliver(worker->memory, user, "mine", 4, NULL) != POPLIN_OK;
    worker->wrong += poplin_memory_count(worker->memory, user) != 1;
    read_list(worker, user);
    worker->wrong += poplin_memory_remove_user(worker->memory, user) != POPLIN_OK;
}

static void *work(void *argument) {
    struct worker *worker = argument;
    for (int i = 0; i < ROUNDS; i++) {
        poplin_memory_limit(worker->memory, 1000);
        deliver_and_remove(worker, i);
        read_list(worker, SLICE("alice"));
        come_and_go(worker);
    }
    atomic_fetch_sub(&running, 1);
    return NULL;
}

/* Fetches what there is, or learns that it is gone, and deletes every other message; how many it deleted. */
static size_t fetch(struct served *served) {
    struct raw peer;
    char text[32];
    unsigned count;
    size_t deleted = 0;
    served_login(served, &peer);
    raw_say(&peer, "STAT\r\n");
    assert_int_equal(sscanf(raw_line(&peer), "+OK %u ", &count), 1);
    for (unsigned i = 1; i <= count; i++) {
        snprintf(text, sizeof text, "RETR %u\r\n", i);
        raw_say(&peer, text);
        if (strncmp(raw_line(&peer), "-ERR", 4) == 0)
            continue;
        raw_expect(&peer, "message");
        raw_expect(&peer, ".");
        if (i % 2 == 0)
            continue;
        snprintf(text, sizeof text, "DELE %u\r\n", i);
        raw_say(&peer, text);
        raw_expect(&peer, "+OK");
        deleted++;
    }
    raw_say(&peer, "QUIT\r\n");
    raw_expect(&peer, "+OK");
    raw_expect_closed(&peer);
    raw_close(&peer);
    return deleted;
}

static void test_threads_deliver_remove_and_list_while_sessions_fetch(void **state) {
    struct served *served = *state;
    struct worker workers[WORKERS];
    served_from_memory(served, 4);
    atomic_store(&running, WORKERS);
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.memory = served->memory};
        snprintf(workers[i].user, sizeof workers[i].user, "user-%d", i);
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < SESSIONS || atomic_load(&running) > 0; i++)
        (void)fetch(served);
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_int_equal(workers[i].wrong, 0);
    }
    size_t before = served_count(served);
    size_t deleted = fetch(served); /* nobody disturbs it now */
    assert_int_equal(deleted, (before + 1) / 2);
    assert_int_equal(served_count(served), before - deleted);
}

/* Who is removed while sessions begin, fetch and end: they end in peace, and no memory is touched too late. */
static void *come_and_go_as_alice(void *argument) {
    struct worker *worker = argument;
    for (int i = 0; i < ROUNDS; i++) {
        worker->wrong += poplin_memory_remove_user(worker->memory, SLICE("alice")) != POPLIN_OK;
        worker->wrong += poplin_memory_add_user(worker->memory, SLICE("alice"), SLICE("secret")) != POPLIN_OK;
        worker->wrong += poplin_memory_deliver(worker->memory, SLICE("alice"), "message\n", 8, NULL) != POPLIN_OK;
    }
    atomic_fetch_sub(&running, 1);
    return NULL;
}

static void test_a_user_comes_and_goes_under_sessions(void **state) {
    struct served *served = *state;
    struct worker worker = {.memory = served->memory};
    served->config.lock = POPLIN_LOCK_NONE;
    served_from_memory(served, 1);
    atomic_store(&running, 1);
    assert_int_equal(pthread_create(&worker.thread, NULL, come_and_go_as_alice, &worker), 0);
    for (int i = 0; i < SESSIONS || atomic_load(&running) > 0; i++) {
        struct raw peer;
        served_dial(served, &peer);
        raw_expect(&peer, "+OK");
        raw_say(&peer, "USER alice\r\nPASS secret\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n");
        while (raw_line(&peer) != NULL)
            ;
        raw_close(&peer);
    }
    assert_int_equal(pthread_join(worker.thread, NULL), 0);
    assert_int_equal(worker.wrong, 0);
    assert_in_range(served_count(served), 0, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVED_TEST(test_threads_deliver_remove_and_list_while_sessions_fetch),
        SERVED_TEST(test_a_user_comes_and_goes_under_sessions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
