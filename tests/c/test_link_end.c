/*
 * test_link_end.c - how a client connection ends, what its ready function may do to it, and what a forked child may not.
 */
#include <poll.h>

#include "child.h"
#include "linked.h"

static void quit_ends_in_good_order(void **state) {
    struct linked *linked = *state;

    linked_open(linked);
    linked_submit(linked, POPLIN_QUIT, 0, 1);
    peer_hear(&linked->peer, "QUIT\r\n");
    peer_say(&linked->peer, "+OK bye\r\n");
    linked_expect(linked, POPLIN_CLIENT_REPLY);
    peer_close(&linked->peer);
    linked_expect(linked, POPLIN_CLIENT_CLOSED);
    linked_expect_failure(linked, POPLIN_ERR_CLOSED, "ended with QUIT");
}

/* holds: POP-UPD-6 C, T-API-2 C */
static void an_abandoned_link_sends_no_quit(void **state) {
    struct linked *linked = *state;

    linked_open(linked);
    linked_submit(linked, POPLIN_DELE, 1, 1);
    peer_hear(&linked->peer, "DELE 1\r\n");
    peer_say(&linked->peer, "+OK\r\n");
    linked_expect(linked, POPLIN_CLIENT_REPLY);
    poplin_link_free(linked->link);
    linked->link = NULL;
    peer_hear_end(&linked->peer);
}

static void a_cancelled_link_fails_and_sends_no_quit(void **state) {
    struct linked *linked = *state;
    poplin_client_event event;

    linked_open(linked);
    linked_submit(linked, POPLIN_STAT, 0, 1);
    assert_int_equal(poplin_link_next(linked->link, &event), POPLIN_NEED_INPUT);
    linked_submit(linked, POPLIN_QUIT, 0, 2);
    poplin_link_cancel(linked->link);
    poplin_link_cancel(linked->link);
    linked_expect_failure(linked, POPLIN_ERR_CANCELLED, "");
    assert_int_equal(poplin_link_submit(linked->link, &(poplin_command){.verb = POPLIN_NOOP}, 3), POPLIN_ERR_CANCELLED);
    peer_hear(&linked->peer, "STAT\r\n");
    peer_hear_end(&linked->peer);
}

static void tell(void *context) {
    ++*(int *)context;
}

static void cancelling_wakes_whoever_waits(void **state) {
    struct linked *linked = *state;
    int calls = 0;

    linked_open(linked);
    linked_step(linked);
    poplin_link_on_ready(linked->link, tell, &calls);
    poplin_link_cancel(linked->link);
    assert_int_equal(calls, 0); /* never from inside a call */
    assert_int_equal(poplin_loop_timeout(linked->loop), 0);
    linked_step(linked);
    assert_int_equal(calls, 1);
}

/* ---- hooks ---- */

struct visitor {
    struct linked *linked;
    struct peer peer;
    poplin_link *other;
    int calls;
    bool answered;
};

/* A callback that blocks on another link of the same loop. */
static void block_on_the_other(void *context) {
    struct visitor *visitor = context;
    poplin_client_event event;
    int status;

    if (visitor->calls++ > 0)
        return;
    while ((status = poplin_link_next(visitor->other, &event)) == POPLIN_NEED_INPUT) {
        if (visitor->calls == 1)
            peer_say(&visitor->peer, "+OK other\r\n");
        visitor->calls = 2;
        assert_int_equal(poplin_link_wait(visitor->other, -1), POPLIN_OK);
    }
    assert_int_equal(status, POPLIN_OK);
    assert_int_equal(event.kind, POPLIN_CLIENT_GREETING);
    visitor->answered = true;
}

/* holds: T-API-1 C */
static void a_callback_may_wait_on_the_same_loop(void **state) {
    struct linked *linked = *state;
    struct visitor visitor = {.linked = linked};
    poplin_link_config config = linked->config;

    config.descriptor = peer_open(&visitor.peer, linked->loop);
    assert_int_equal(poplin_link_open(linked->loop, &config, NULL, &visitor.other), POPLIN_OK);
    linked_open(linked);
    poplin_link_on_ready(linked->link, block_on_the_other, &visitor);
    peer_say(&linked->peer, "+");
    while (!visitor.answered)
        assert_int_equal(poplin_loop_step(linked->loop, -1), POPLIN_OK);
    poplin_link_on_ready(linked->link, NULL, NULL);
    poplin_link_free(visitor.other);
    peer_close(&visitor.peer);
}

static void free_the_link(void *context) {
    struct linked *linked = context;

    poplin_link_free(linked->link);
    linked->link = NULL;
}

static void a_callback_may_free_its_link(void **state) {
    struct linked *linked = *state;

    linked_open(linked);
    poplin_link_on_ready(linked->link, free_the_link, linked);
    peer_say(&linked->peer, "+");
    while (linked->link)
        assert_int_equal(poplin_loop_step(linked->loop, -1), POPLIN_OK);
    linked_step(linked);
}

/* What an embedding host lives by: a submit makes the loop want a step at once. */
static void a_submit_marks_the_loop(void **state) {
    struct linked *linked = *state;
    struct pollfd backend = {.fd = poplin_loop_fileno(linked->loop), .events = POLLIN};

    linked_open(linked);
    linked_step(linked);
    assert_int_equal(poplin_loop_timeout(linked->loop), -1);
    linked_submit(linked, POPLIN_NOOP, 0, 1);
    peer_hear_nothing(&linked->peer);
    assert_int_equal(poplin_loop_timeout(linked->loop), 0);
    linked_step(linked);
    peer_hear(&linked->peer, "NOOP\r\n");
    assert_int_equal(poplin_loop_timeout(linked->loop), -1);
    assert_int_equal(poll(&backend, 1, 0), 0);
    peer_say(&linked->peer, "+OK\r\n");
    assert_int_equal(poll(&backend, 1, 0), 1);
}

/* ---- fork ---- */

static bool a_child_is_refused(struct linked *linked) {
    poplin_client_event event;
    poplin_link *another;
    poplin_link_config config = linked->config;
    const poplin_command command = {.verb = POPLIN_QUIT};
    config.descriptor = dup(linked->peer.descriptor);
    bool refused = poplin_link_next(linked->link, &event) == POPLIN_ERR_STATE &&
                   poplin_link_opened(linked->link) == POPLIN_ERR_STATE &&
                   poplin_link_wait(linked->link, 0) == POPLIN_ERR_STATE &&
                   poplin_link_submit(linked->link, &command, 9) == POPLIN_ERR_STATE &&
                   poplin_link_open(linked->loop, &config, NULL, &another) == POPLIN_ERR_STATE;
    bool closed = fcntl(config.descriptor, F_GETFD) == -1; /* owned from open on, also where open fails */
    poplin_link_cancel(linked->link);
    poplin_link_free(linked->link);
    poplin_loop_free(linked->loop);
    return refused && closed;
}

static void fork_and_check(struct linked *linked) {
    pid_t child = fork();

    if (child == 0)
        report(a_child_is_refused(linked));
    expect_report(child);
}

static void a_forked_child_leaves_the_connection_alone(void **state) {
    struct linked *linked = *state;

    linked_open(linked);
    linked_submit(linked, POPLIN_STAT, 0, 1);
    fork_and_check(linked);
    peer_hear_nothing(&linked->peer);
    peer_hear(&linked->peer, "STAT\r\n");
    peer_say(&linked->peer, "+OK 1 1\r\n");
    linked_expect(linked, POPLIN_CLIENT_REPLY);
}

static void a_forked_child_sends_no_alert(void **state) {
    struct linked *linked = *state;

    linked_use_tls(linked);
    linked_open(linked);
    fork_and_check(linked);
    peer_hear_nothing(&linked->peer);
    linked_submit(linked, POPLIN_NOOP, 0, 1);
    peer_hear(&linked->peer, "NOOP\r\n");
    peer_say(&linked->peer, "+OK\r\n");
    linked_expect(linked, POPLIN_CLIENT_REPLY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        LINKED_TEST(quit_ends_in_good_order),
        LINKED_TEST(an_abandoned_link_sends_no_quit),
        LINKED_TEST(a_cancelled_link_fails_and_sends_no_quit),
        LINKED_TEST(cancelling_wakes_whoever_waits),
        LINKED_TEST(a_callback_may_wait_on_the_same_loop),
        LINKED_TEST(a_callback_may_free_its_link),
        LINKED_TEST(a_submit_marks_the_loop),
        LINKED_TEST(a_forked_child_leaves_the_connection_alone),
        LINKED_TEST(a_forked_child_sends_no_alert),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
