/*
 * test_loop.c - the loop's promises: posts, the clock, deadlines, nesting, signals, fork.
 *
 * Time stands still here unless a test moves it: libuv's clock is replaced for the whole executable.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "child.h"
#include "loop/deadline.h"
#include "support.h"

static uint64_t nanoseconds = 5000000000;

uint64_t uv_hrtime(void) {
    return nanoseconds;
}

static void pass_time(uint64_t milliseconds) {
    nanoseconds += milliseconds * 1000000;
}

static int make(void **state) {
    poplin_loop *loop;

    if (poplin_loop_new(&loop) != POPLIN_OK || poplin_loop_step(loop, 0) != POPLIN_OK)
        return -1;
    *state = loop;
    return 0;
}

static int destroy(void **state) {
    poplin_loop_free(*state);
    return 0;
}

/* ---- posts ---- */

enum { POSTERS = 4, POSTS = 500 };

struct mailbox {
    poplin_loop *loop;
    pthread_t owner;
    int next[POSTERS];
    int received;
};

struct note {
    struct mailbox *mailbox;
    int poster, number;
};

struct poster {
    struct mailbox *mailbox;
    int number;
};

static void receive(void *argument) {
    struct note *note = argument;

    assert_true(pthread_equal(pthread_self(), note->mailbox->owner));
    assert_int_equal(note->mailbox->next[note->poster]++, note->number);
    note->mailbox->received++;
    free(note);
}

static void *post_many(void *argument) {
    struct poster *poster = argument;

    for (int i = 0; i < POSTS; i++) {
        struct note *note = malloc(sizeof *note);
        if (!note)
            abort();
        *note = (struct note){poster->mailbox, poster->number, i};
        if (poplin_loop_post(poster->mailbox->loop, receive, note) != POPLIN_OK)
            abort();
    }
    return NULL;
}

static void posts_of_other_threads_arrive_in_order(void **state) {
    struct mailbox mailbox = {.loop = *state, .owner = pthread_self()};
    struct poster posters[POSTERS];
    pthread_t threads[POSTERS];

    for (int i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){&mailbox, i};
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
    }
    while (mailbox.received < POSTERS * POSTS)
        assert_int_equal(poplin_loop_step(mailbox.loop, -1), POPLIN_OK);
    for (int i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
}

static void count(void *argument) {
    ++*(int *)argument;
}

static void a_post_wakes_the_descriptor(void **state) {
    poplin_loop *loop = *state;
    struct pollfd backend = {.fd = poplin_loop_fileno(loop), .events = POLLIN};
    int calls = 0;

    while (poplin_loop_timeout(loop) == 0)
        assert_int_equal(poplin_loop_step(loop, 0), POPLIN_OK);
    assert_int_equal(poplin_loop_timeout(loop), -1);
    assert_int_equal(poll(&backend, 1, 0), 0);
    assert_int_equal(poplin_loop_post(loop, count, &calls), POPLIN_OK);
    assert_int_equal(poll(&backend, 1, 0), 1);
    assert_int_equal(calls, 0);
    assert_int_equal(poplin_loop_step(loop, 0), POPLIN_OK);
    assert_int_equal(calls, 1);
    assert_int_equal(poll(&backend, 1, 0), 0);
}

struct farewell {
    poplin_loop *loop;
    bool closing;
    int calls;
};

static void say_farewell(void *argument) {
    struct farewell *farewell = argument;

    farewell->closing = poplin_loop_is_closing(farewell->loop);
    farewell->calls++;
}

static void free_calls_what_was_posted(void **state) {
    struct farewell farewell = {0};

    (void)state;
    assert_int_equal(poplin_loop_new(&farewell.loop), POPLIN_OK);
    assert_int_equal(poplin_loop_timeout(farewell.loop), 0); /* the first step must come before the first wait */
    assert_int_equal(poplin_loop_post(farewell.loop, say_farewell, &farewell), POPLIN_OK);
    poplin_loop_free(farewell.loop);
    assert_int_equal(farewell.calls, 1);
    assert_true(farewell.closing);
}

static void a_free_of_nothing_is_peaceful(void **state) {
    (void)state;
    poplin_loop_free(NULL);
}

/* ---- deadlines ---- */

struct sleeper {
    poplin_ready ready;
    poplin_deadline deadline;
    int woken;
    int order;
    int *sequence;
};

static void wake(void *context) {
    struct sleeper *sleeper = context;

    sleeper->woken++;
    sleeper->order = ++*sleeper->sequence;
}

static void put_to_sleep(struct sleeper *sleeper, poplin_loop *loop, int *sequence, uint64_t milliseconds) {
    *sleeper = (struct sleeper){.sequence = sequence};
    poplin_ready_init(&sleeper->ready, loop, wake, sleeper);
    poplin_deadline_init(&sleeper->deadline, &sleeper->ready);
    poplin_deadline_set(&sleeper->deadline, milliseconds);
}

static void step(poplin_loop *loop) {
    assert_int_equal(poplin_loop_step(loop, 0), POPLIN_OK);
}

/* After two idle seconds a deadline of one second is one second away, and not a second ago. */
static void a_deadline_counts_from_now(void **state) {
    poplin_loop *loop = *state;
    struct sleeper sleeper;
    int sequence = 0;

    step(loop);
    pass_time(2000);
    put_to_sleep(&sleeper, loop, &sequence, 1000);
    assert_int_equal(poplin_loop_timeout(loop), 1000);
    pass_time(999);
    assert_int_equal(poplin_loop_timeout(loop), 1);
    step(loop);
    assert_int_equal(sleeper.woken, 0);
    pass_time(1);
    assert_int_equal(poplin_loop_timeout(loop), 0);
    step(loop);
    assert_int_equal(sleeper.woken, 1);
    assert_true(sleeper.deadline.expired);
    assert_int_equal(poplin_loop_timeout(loop), -1);
}

static void advance_makes_deadlines_due_in_order(void **state) {
    poplin_loop *loop = *state;
    struct sleeper sleepers[4];
    int sequence = 0;
    uint64_t before = poplin_loop_now(loop);

    put_to_sleep(&sleepers[0], loop, &sequence, 3000);
    put_to_sleep(&sleepers[1], loop, &sequence, 1000);
    put_to_sleep(&sleepers[2], loop, &sequence, 2000);
    put_to_sleep(&sleepers[3], loop, &sequence, 60000);
    poplin_loop_advance(loop, 3000);
    assert_int_equal(poplin_loop_now(loop), before + 3000);
    assert_int_equal(poplin_loop_timeout(loop), 0);
    step(loop);
    assert_int_equal(sleepers[1].order, 1);
    assert_int_equal(sleepers[2].order, 2);
    assert_int_equal(sleepers[0].order, 3);
    assert_int_equal(sleepers[3].woken, 0);
    assert_int_equal(poplin_loop_timeout(loop), 57000);
    poplin_deadline_clear(&sleepers[3].deadline);
    assert_int_equal(poplin_loop_timeout(loop), -1);
}

static void a_deadline_can_be_moved_and_stopped(void **state) {
    poplin_loop *loop = *state;
    struct sleeper later, sooner, stopped;
    int sequence = 0;

    put_to_sleep(&later, loop, &sequence, 1000);
    put_to_sleep(&sooner, loop, &sequence, 5000);
    put_to_sleep(&stopped, loop, &sequence, 500);
    poplin_deadline_set(&later.deadline, 4000);
    poplin_deadline_set(&sooner.deadline, 2000);
    poplin_deadline_clear(&stopped.deadline);
    assert_int_equal(poplin_loop_timeout(loop), 2000);
    poplin_loop_advance(loop, 2000);
    step(loop);
    assert_int_equal(sooner.woken, 1);
    assert_int_equal(later.woken, 0);
    assert_int_equal(poplin_loop_timeout(loop), 2000);
    poplin_deadline_set(&sooner.deadline, 1000);
    assert_false(sooner.deadline.expired);
    poplin_loop_advance(loop, 2000);
    step(loop);
    assert_int_equal(sooner.order, 2);
    assert_int_equal(later.order, 3);
    assert_int_equal(stopped.woken, 0);
}

/* The list against a plain model of it. */
static void deadlines_agree_with_a_model(void **state) {
    enum { COUNT = 20 };
    poplin_loop *loop = *state;
    struct sleeper sleepers[COUNT];
    uint64_t due[COUNT] = {0}, seed = 1;
    int sequence = 0;

    for (size_t i = 0; i < COUNT; i++) {
        put_to_sleep(&sleepers[i], loop, &sequence, 0);
        poplin_deadline_clear(&sleepers[i].deadline);
    }
    for (int round = 0; round < 5000; round++) {
        size_t i = random_below(&seed, COUNT), wait = 1 + random_below(&seed, 500);
        switch (random_below(&seed, 4)) {
        case 0:
            poplin_deadline_clear(&sleepers[i].deadline);
            due[i] = 0;
            break;
        case 1:
            poplin_loop_advance(loop, random_below(&seed, 100));
            step(loop);
            for (size_t k = 0; k < COUNT; k++) {
                bool expected = due[k] != 0 && due[k] <= poplin_loop_now(loop);
                assert_int_equal(sleepers[k].deadline.expired, expected);
                if (expected)
                    poplin_deadline_clear(&sleepers[k].deadline);
                due[k] = expected ? 0 : due[k];
            }
            break;
        default:
            poplin_deadline_set(&sleepers[i].deadline, wait);
            due[i] = poplin_loop_now(loop) + wait;
        }
    }
    for (size_t i = 0; i < COUNT; i++) {
        poplin_deadline_clear(&sleepers[i].deadline);
        poplin_ready_remove(&sleepers[i].ready);
    }
}

/* ---- who is run, and who is not ---- */

struct actor {
    poplin_ready ready;
    poplin_loop *loop;
    struct actor *other;
    int runs, depth, deepest;
    bool nests, repeats, leaves;
};

static void act(void *context) {
    struct actor *actor = context;

    actor->runs++;
    actor->depth++;
    if (actor->depth > actor->deepest)
        actor->deepest = actor->depth;
    if (actor->repeats)
        poplin_ready_queue(&actor->ready);
    if (actor->nests) {
        actor->nests = false;
        poplin_ready_queue(&actor->ready);
        if (actor->other)
            poplin_ready_queue(&actor->other->ready);
        step(actor->loop);
    }
    actor->depth--;
    if (actor->leaves)
        poplin_ready_remove(&actor->ready);
}

static void enter(struct actor *actor, poplin_loop *loop) {
    *actor = (struct actor){.loop = loop};
    poplin_ready_init(&actor->ready, loop, act, actor);
}

/* holds: T-API-1 C */
static void a_nested_step_runs_the_others_and_not_the_running(void **state) {
    poplin_loop *loop = *state;
    struct actor outer, inner;

    enter(&outer, loop);
    enter(&inner, loop);
    outer.nests = true;
    outer.other = &inner;
    poplin_ready_queue(&outer.ready);
    step(loop);
    assert_int_equal(inner.runs, 1);
    assert_int_equal(outer.deepest, 1);
    assert_int_equal(outer.runs, 1);
    assert_int_equal(poplin_loop_timeout(loop), 0);
    step(loop);
    assert_int_equal(outer.runs, 2);
}

static void whoever_waits_in_the_outer_step_is_run_by_the_nested_one(void **state) {
    poplin_loop *loop = *state;
    struct actor outer, behind;

    enter(&outer, loop);
    enter(&behind, loop);
    outer.nests = true;
    poplin_ready_queue(&outer.ready);
    poplin_ready_queue(&behind.ready);
    step(loop);
    assert_int_equal(behind.runs, 1);
    assert_int_equal(outer.deepest, 1);
    poplin_ready_remove(&outer.ready);
}

static void whoever_is_always_ready_holds_nobody_up(void **state) {
    poplin_loop *loop = *state;
    struct actor busy, other;

    enter(&busy, loop);
    enter(&other, loop);
    busy.repeats = true;
    poplin_ready_queue(&busy.ready);
    poplin_ready_queue(&other.ready);
    step(loop);
    assert_int_equal(busy.runs, 1);
    assert_int_equal(other.runs, 1);
    assert_int_equal(poplin_loop_timeout(loop), 0);
    poplin_ready_remove(&busy.ready);
    assert_int_equal(poplin_loop_timeout(loop), -1);
}

static void an_object_may_go_while_it_runs(void **state) {
    poplin_loop *loop = *state;
    struct actor *leaving = malloc(sizeof *leaving);

    assert_non_null(leaving);
    enter(leaving, loop);
    leaving->leaves = true;
    leaving->repeats = true;
    poplin_ready_queue(&leaving->ready);
    step(loop);
    free(leaving);
    step(loop);
    assert_int_equal(poplin_loop_timeout(loop), -1);
}

struct poster_that_steps {
    poplin_loop *loop;
    int calls;
};

static void post_and_step(void *argument) {
    struct poster_that_steps *poster = argument;

    poster->calls++;
    step(poster->loop);
}

static void a_posted_function_may_step_the_loop(void **state) {
    struct poster_that_steps poster = {.loop = *state};
    int calls = 0;

    assert_int_equal(poplin_loop_post(poster.loop, post_and_step, &poster), POPLIN_OK);
    assert_int_equal(poplin_loop_post(poster.loop, count, &calls), POPLIN_OK);
    step(poster.loop);
    assert_int_equal(poster.calls, 1);
    assert_int_equal(calls, 1);
}

/* ---- signals ---- */

struct nuisance {
    pthread_t victim;
    atomic_bool enough;
};

static void ignore(int number) {
    (void)number;
}

static void *send_signals(void *argument) {
    struct nuisance *nuisance = argument;

    while (!atomic_load(&nuisance->enough)) {
        pthread_kill(nuisance->victim, SIGUSR1);
        sched_yield();
    }
    return NULL;
}

static void a_signal_breaks_the_wait(void **state) {
    struct sigaction action = {.sa_handler = ignore, .sa_flags = SA_RESTART}, before;
    struct nuisance nuisance = {.victim = pthread_self()};
    pthread_t thread;

    sigaction(SIGUSR1, &action, &before);
    assert_int_equal(pthread_create(&thread, NULL, send_signals, &nuisance), 0);
    int status = POPLIN_OK;
    while (status == POPLIN_OK)
        status = poplin_loop_step(*state, -1);
    atomic_store(&nuisance.enough, true);
    pthread_join(thread, NULL);
    assert_int_equal(status, POPLIN_INTERRUPTED);
    sigaction(SIGUSR1, &before, NULL);
    int calls = 0;
    assert_int_equal(poplin_loop_post(*state, count, &calls), POPLIN_OK);
    step(*state);
    assert_int_equal(calls, 1);
}

/* ---- fork ---- */

static bool everything_answers_state(poplin_loop *loop) {
    int calls = 0;
    int backend = uv_backend_fd(&loop->uv);
    bool refused = poplin_loop_step(loop, 0) == POPLIN_ERR_STATE && poplin_loop_step(loop, -1) == POPLIN_ERR_STATE &&
                   poplin_loop_post(loop, count, &calls) == POPLIN_ERR_STATE && poplin_loop_fileno(loop) == -1 &&
                   poplin_loop_timeout(loop) == 0;
    poplin_loop_free(loop);
    poplin_loop *fresh;
    bool closed = fcntl(backend, F_GETFD) == -1;
    bool usable = poplin_loop_new(&fresh) == POPLIN_OK && poplin_loop_step(fresh, 0) == POPLIN_OK;
    return refused && closed && usable && calls == 0;
}

static void a_child_is_refused_and_the_parent_goes_on(void **state) {
    int calls = 0;
    pid_t child = fork();

    if (child == 0)
        report(everything_answers_state(*state));
    expect_report(child);
    assert_int_equal(poplin_loop_post(*state, count, &calls), POPLIN_OK);
    assert_int_equal(poplin_loop_step(*state, -1), POPLIN_OK);
    assert_int_equal(calls, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(posts_of_other_threads_arrive_in_order, make, destroy),
        cmocka_unit_test_setup_teardown(a_post_wakes_the_descriptor, make, destroy),
        cmocka_unit_test(free_calls_what_was_posted),
        cmocka_unit_test(a_free_of_nothing_is_peaceful),
        cmocka_unit_test_setup_teardown(a_deadline_counts_from_now, make, destroy),
        cmocka_unit_test_setup_teardown(advance_makes_deadlines_due_in_order, make, destroy),
        cmocka_unit_test_setup_teardown(a_deadline_can_be_moved_and_stopped, make, destroy),
        cmocka_unit_test_setup_teardown(deadlines_agree_with_a_model, make, destroy),
        cmocka_unit_test_setup_teardown(a_nested_step_runs_the_others_and_not_the_running, make, destroy),
        cmocka_unit_test_setup_teardown(whoever_waits_in_the_outer_step_is_run_by_the_nested_one, make, destroy),
        cmocka_unit_test_setup_teardown(whoever_is_always_ready_holds_nobody_up, make, destroy),
        cmocka_unit_test_setup_teardown(an_object_may_go_while_it_runs, make, destroy),
        cmocka_unit_test_setup_teardown(a_posted_function_may_step_the_loop, make, destroy),
        cmocka_unit_test_setup_teardown(a_signal_breaks_the_wait, make, destroy),
        cmocka_unit_test_setup_teardown(a_child_is_refused_and_the_parent_goes_on, make, destroy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
