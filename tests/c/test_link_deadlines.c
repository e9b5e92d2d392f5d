/*
 * test_link_deadlines.c - what a client connection waits for no longer than it was told.
 */
#include <netinet/in.h>

#include "linked.h"
#include "still_clock.h"

/* holds: LIM-11 C */
static void a_silent_server_is_timed_out_while_somebody_waits(void **state) {
    struct linked *linked = *state;
    poplin_client_event event;

    linked->config.reply_ms = 5000;
    linked_open(linked);
    linked_submit(linked, POPLIN_STAT, 0, 1);
    assert_int_equal(poplin_link_next(linked->link, &event), POPLIN_NEED_INPUT);
    poplin_loop_advance(linked->loop, 4000);
    peer_say(&linked->peer, "+O"); /* half an answer: the silence begins anew */
    linked_step(linked);
    assert_int_equal(poplin_link_next(linked->link, &event), POPLIN_NEED_INPUT);
    poplin_loop_advance(linked->loop, 4000);
    linked_step(linked);
    assert_int_equal(poplin_link_next(linked->link, &event), POPLIN_NEED_INPUT);
    poplin_loop_advance(linked->loop, 1000);
    linked_expect_failure(linked, POPLIN_ERR_TIMEOUT, "nothing for 5 s");
    peer_hear(&linked->peer, "STAT\r\n");
    peer_hear_end(&linked->peer); /* and no QUIT */
}

static void an_expired_deadline_is_only_a_suspicion(void **state) {
    struct linked *linked = *state;
    poplin_client_event event;

    linked->config.reply_ms = 5000;
    linked_open(linked);
    linked_submit(linked, POPLIN_STAT, 0, 1);
    assert_int_equal(poplin_link_next(linked->link, &event), POPLIN_NEED_INPUT);
    linked_step(linked);
    poplin_loop_advance(linked->loop, 6000);
    linked_step(linked);
    assert_true(linked->link->reply.expired);
    peer_say(&linked->peer, "+OK 1 1\r\n"); /* no step has seen it */
    assert_int_equal(poplin_link_next(linked->link, &event), POPLIN_OK);
    assert_int_equal(event.kind, POPLIN_CLIENT_REPLY);
}

static void a_deadline_does_not_run_while_nobody_waits(void **state) {
    struct linked *linked = *state;

    linked->config.reply_ms = 5000;
    linked_open(linked);
    linked_submit(linked, POPLIN_STAT, 0, 1);
    linked_step(linked);
    assert_int_equal(poplin_loop_timeout(linked->loop), -1);
    poplin_loop_advance(linked->loop, 3600000);
    linked_step(linked);
    assert_null(poplin_link_error(linked->link));
    peer_hear(&linked->peer, "STAT\r\n");
    peer_say(&linked->peer, "+OK 1 1\r\n");
    linked_expect(linked, POPLIN_CLIENT_REPLY);
    assert_int_equal(poplin_loop_timeout(linked->loop), -1);
}

/* holds: T-FRM-3 C */
static void a_reply_without_end_meets_the_total(void **state) {
    struct linked *linked = *state;
    poplin_client_event event;

    linked->config.reply_ms = 5000;
    linked->config.total_ms = 20000;
    linked_open(linked);
    linked_submit(linked, POPLIN_STAT, 0, 1);
    for (int i = 0; poplin_link_next(linked->link, &event) == POPLIN_NEED_INPUT; i++) {
        assert_true(i < 7);
        peer_say(&linked->peer, "+");
        poplin_loop_advance(linked->loop, 4000);
        linked_step(linked);
    }
    linked_expect_failure(linked, POPLIN_ERR_TIMEOUT, "within 20 s");
}

/* holds: T-STLS-17 C */
static void a_mute_port_may_want_tls(void **state) {
    struct linked *linked = *state;

    linked->config.reply_ms = 1500;
    linked_begin(linked, NULL);
    assert_int_equal(poplin_link_opened(linked->link), POPLIN_NEED_INPUT);
    poplin_loop_advance(linked->loop, 1500);
    linked_expect_failure(linked, POPLIN_ERR_TIMEOUT, "nothing for 1500 ms; if this port speaks TLS");
    assert_string_equal(poplin_link_error(linked->link)->doing, "waiting for the greeting");
}

/* holds: POP-TMO-5 C */
static void connecting_has_a_deadline_for_all_addresses(void **state) {
    struct linked *linked = *state;
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), fillers[3];

    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    for (size_t i = 0; i < COUNT_OF(fillers); i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fillers[i], (struct sockaddr *)&address, size);
    }
    close(linked->config.descriptor);
    linked->config.descriptor = -1;
    linked->config.host = "127.0.0.1";
    linked->config.port = ntohs(address.sin_port);
    linked->config.connect_ms = 7000;
    linked_begin(linked, NULL);
    linked_step(linked);
    poplin_loop_advance(linked->loop, 6999);
    linked_step(linked);
    assert_null(poplin_link_error(linked->link));
    poplin_loop_advance(linked->loop, 1);
    linked_expect_failure(linked, POPLIN_ERR_TIMEOUT, "no connection within 7 s");
    assert_string_equal(poplin_link_error(linked->link)->doing, "connecting to 127.0.0.1");
    for (size_t i = 0; i < COUNT_OF(fillers); i++)
        close(fillers[i]);
    close(listener);
}

/* holds: T-STLS-13 C */
static void a_handshake_that_does_not_come_has_its_own_deadline(void **state) {
    struct linked *linked = *state;
    char hello[16384];

    linked->config.handshake_ms = 9000;
    linked_begin_stls(linked);
    peer_say(&linked->peer, "+OK begin\r\n");
    assert_true(peer_receive(&linked->peer, hello, sizeof hello) > 0);
    poplin_loop_advance(linked->loop, 9000);
    linked_expect_failure(linked, POPLIN_ERR_TIMEOUT, "within 9 s");
    assert_string_equal(poplin_link_error(linked->link)->doing, "TLS handshake");
}

static void a_server_that_does_not_close_after_quit_is_not_waited_for(void **state) {
    struct linked *linked = *state;
    poplin_client_event event;

    linked->config.reply_ms = 5000;
    linked_open(linked);
    linked_submit(linked, POPLIN_QUIT, 0, 1);
    peer_hear(&linked->peer, "QUIT\r\n");
    peer_say(&linked->peer, "+OK bye\r\n");
    linked_expect(linked, POPLIN_CLIENT_REPLY);
    assert_int_equal(poplin_link_next(linked->link, &event), POPLIN_NEED_INPUT);
    poplin_loop_advance(linked->loop, 5000);
    linked_expect(linked, POPLIN_CLIENT_CLOSED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        LINKED_TEST(a_silent_server_is_timed_out_while_somebody_waits),
        LINKED_TEST(an_expired_deadline_is_only_a_suspicion),
        LINKED_TEST(a_deadline_does_not_run_while_nobody_waits),
        LINKED_TEST(a_reply_without_end_meets_the_total),
        LINKED_TEST(a_mute_port_may_want_tls),
        LINKED_TEST(connecting_has_a_deadline_for_all_addresses),
        LINKED_TEST(a_handshake_that_does_not_come_has_its_own_deadline),
        LINKED_TEST(a_server_that_does_not_close_after_quit_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
