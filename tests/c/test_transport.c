/*
 * test_transport.c - one socket with its buffers: what is kept, when reading stops, what becomes of writes.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>

#include "loop/transport.h"
#include "peer.h"

struct end {
    poplin_loop *loop;
    poplin_ready ready;
    poplin_transport transport;
    struct peer peer;
    int wakes;
};

static void woken(void *context) {
    ((struct end *)context)->wakes++;
}

static int make(void **state) {
    struct end *end = calloc(1, sizeof *end);

    if (!end || poplin_loop_new(&end->loop) != POPLIN_OK)
        return -1;
    poplin_ready_init(&end->ready, end->loop, woken, end);
    int descriptor = peer_open(&end->peer, end->loop);
    *state = end;
    return poplin_transport_init(&end->transport, end->loop, descriptor, &end->loop->small, &end->ready);
}

static int destroy(void **state) {
    struct end *end = *state;

    poplin_transport_free(&end->transport);
    poplin_ready_remove(&end->ready);
    peer_close(&end->peer);
    poplin_loop_free(end->loop);
    free(end);
    return 0;
}

static void step(struct end *end) {
    assert_int_equal(poplin_loop_step(end->loop, 0), POPLIN_OK);
    assert_int_equal(poplin_loop_step(end->loop, 0), POPLIN_OK);
}

static void expect_octets(struct end *end, const char *text) {
    poplin_slice octets;

    assert_int_equal(poplin_transport_peek(&end->transport, &octets), POPLIN_OK);
    assert_int_equal(octets.size, strlen(text));
    assert_memory_equal(octets.data, text, octets.size);
}

static void expect_status(struct end *end, int status) {
    poplin_slice octets;

    assert_int_equal(poplin_transport_peek(&end->transport, &octets), status);
}

static void a_buffer_is_held_only_while_it_is_needed(void **state) {
    struct end *end = *state;

    step(end);
    assert_null(end->transport.raw.data);
    expect_status(end, POPLIN_NEED_INPUT);
    peer_say(&end->peer, "+OK\r\n");
    step(end);
    assert_int_equal(end->wakes, 1);
    expect_octets(end, "+OK\r\n");
    poplin_transport_consume(&end->transport, 5);
    assert_null(end->transport.raw.data);
    assert_int_equal(end->loop->small.count, 1);
    expect_status(end, POPLIN_NEED_INPUT);
}

static void lent_octets_stay_where_they_are_while_more_come(void **state) {
    struct end *end = *state;
    poplin_slice lent, more;

    peer_say(&end->peer, "first");
    step(end);
    assert_int_equal(poplin_transport_peek(&end->transport, &lent), POPLIN_OK);
    peer_say(&end->peer, " second");
    step(end);
    assert_memory_equal(lent.data, "first", 5);
    poplin_transport_consume(&end->transport, lent.size);
    assert_int_equal(poplin_transport_peek(&end->transport, &more), POPLIN_OK);
    assert_ptr_equal(more.data, lent.data + lent.size);
    expect_octets(end, " second");
}

static size_t say_as_much_as_fits(struct end *end) {
    char block[4096];
    size_t said = 0;
    ssize_t sent;

    memset(block, 'x', sizeof block);
    while ((sent = send(end->peer.descriptor, block, sizeof block, MSG_NOSIGNAL)) > 0)
        said += (size_t)sent;
    assert_int_equal(errno, EAGAIN);
    return said;
}

static void reading_stops_when_the_buffer_is_full_and_goes_on(void **state) {
    struct end *end = *state;
    size_t said = 0, heard = 0;
    poplin_slice octets;

    for (int i = 0; i < 10; i++) {
        said += say_as_much_as_fits(end);
        step(end);
    }
    assert_int_equal(end->transport.octets, end->loop->small.size);
    int wakes = end->wakes;
    step(end);
    assert_int_equal(end->wakes, wakes); /* nobody is woken for what cannot be taken */
    assert_int_equal(poplin_loop_timeout(end->loop), -1);
    assert_int_equal(poll(&(struct pollfd){.fd = poplin_loop_fileno(end->loop), .events = POLLIN}, 1, 0), 0);
    for (;;) {
        int status = poplin_transport_peek(&end->transport, &octets);
        if (status == POPLIN_NEED_INPUT && heard == said)
            break;
        if (status == POPLIN_NEED_INPUT) {
            assert_int_equal(poplin_loop_step(end->loop, -1), POPLIN_OK);
            continue;
        }
        heard += octets.size;
        poplin_transport_consume(&end->transport, octets.size);
    }
}

static void what_the_socket_does_not_take_stays_with_the_owner(void **state) {
    struct end *end = *state;
    size_t size = 4 << 20, sent = 0, heard = 0, taken;
    char *data = malloc(size), *back = malloc(size);
    uint64_t seed = 2;

    assert_non_null(data);
    assert_non_null(back);
    for (size_t i = 0; i < size; i++)
        data[i] = (char)random_below(&seed, 256);
    assert_int_equal(poplin_transport_write(&end->transport, data, size, &taken), POPLIN_OK);
    assert_true(taken > 0 && taken < size);
    sent = taken;
    step(end);
    assert_int_equal(end->wakes, 0); /* no room yet */
    while (heard < size) {
        heard += peer_receive(&end->peer, back + heard, size - heard);
        step(end);
        if (sent < size) {
            assert_int_equal(poplin_transport_write(&end->transport, data + sent, size - sent, &taken), POPLIN_OK);
            sent += taken;
        }
    }
    assert_true(end->wakes > 0);
    assert_memory_equal(data, back, size);
    free(data);
    free(back);
}

/* With SIGPIPE at its default, which kills. What the peer said last is still read. */
static void writing_to_a_peer_that_is_gone_is_no_failure(void **state) {
    struct end *end = *state;
    size_t taken = 0;

    assert_ptr_equal(signal(SIGPIPE, SIG_DFL), SIG_DFL);
    peer_say(&end->peer, "-ERR good bye\r\n");
    peer_close(&end->peer);
    assert_int_equal(poplin_transport_write(&end->transport, "NOOP\r\n", 6, &taken), POPLIN_OK);
    assert_int_equal(taken, 6);
    step(end);
    expect_octets(end, "-ERR good bye\r\n");
    poplin_transport_consume(&end->transport, 15);
    step(end);
    expect_status(end, POPLIN_END);
}

static void the_end_is_told_behind_what_came_before(void **state) {
    struct end *end = *state;

    peer_say(&end->peer, "last");
    peer_close(&end->peer);
    step(end);
    expect_octets(end, "last");
    poplin_transport_consume(&end->transport, 4);
    expect_status(end, POPLIN_END);
    assert_true(poplin_transport_is_clean(&end->transport));
    assert_int_equal(poplin_loop_timeout(end->loop), -1);
}

static void a_second_look_finds_what_no_step_has_seen(void **state) {
    struct end *end = *state;

    assert_false(poplin_transport_poll_again(&end->transport));
    peer_say(&end->peer, "+OK\r\n");
    assert_true(poplin_transport_poll_again(&end->transport));
    expect_octets(end, "+OK\r\n");
}

/* holds: T-STLS-2 S, T-STLS-5 C */
static void unread_octets_in_clear_are_found_in_the_buffer_and_in_the_socket(void **state) {
    struct end *end = *state;

    assert_false(poplin_transport_is_unread(&end->transport));
    peer_say(&end->peer, "+O");
    assert_true(poplin_transport_is_unread(&end->transport));
    assert_true(poplin_transport_is_unread(&end->transport));
    poplin_transport_consume(&end->transport, 2);
    assert_false(poplin_transport_is_unread(&end->transport));
}

static void a_farewell_outlives_unread_input(void **state) {
    struct end *end = *state;
    size_t taken;

    say_as_much_as_fits(end);
    step(end);
    assert_int_equal(poplin_transport_write(&end->transport, "-ERR too much\r\n", 15, &taken), POPLIN_OK);
    assert_int_equal(poplin_transport_shutdown(&end->transport), POPLIN_OK);
    poplin_transport_discard(&end->transport);
    assert_null(end->transport.raw.data);
    expect_status(end, POPLIN_NEED_INPUT);
    peer_hear(&end->peer, "-ERR too much\r\n");
    peer_hear_end(&end->peer);
    for (int i = 0; i < 10; i++) {
        assert_true(say_as_much_as_fits(end) > 0);
        step(end);
    }
    assert_int_equal(shutdown(end->peer.descriptor, SHUT_WR), 0);
    int wakes = end->wakes;
    while (end->wakes == wakes)
        step(end);
    expect_status(end, POPLIN_END);
}

static int listen_on(struct sockaddr_in *address) {
    socklen_t size = sizeof *address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(listener, (struct sockaddr *)address, sizeof *address), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)address, &size), 0);
    return listener;
}

/* holds: POP-TLS-20 B */
static void a_tcp_socket_is_set_up_and_its_peer_is_known_as_loopback(void **state) {
    struct end *end = *state;
    struct sockaddr_in address;
    int listener = listen_on(&address), connected = socket(AF_INET, SOCK_STREAM, 0), value = 0;
    socklen_t size = sizeof value;
    poplin_transport transport;

    assert_true(end->transport.loopback); /* a socket pair */
    assert_int_equal(connect(connected, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(poplin_transport_init(&transport, end->loop, connected, &end->loop->large, &end->ready),
                     POPLIN_OK);
    assert_true(transport.loopback);
    assert_int_equal(getsockopt(connected, IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
    assert_true(value);
    assert_true(fcntl(connected, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(connected, F_GETFL) & O_NONBLOCK);
    poplin_transport_free(&transport);
    assert_int_equal(fcntl(connected, F_GETFD), -1);
    close(listener);
}

static void a_reset_is_an_end_that_is_not_clean(void **state) {
    struct end *end = *state;
    struct sockaddr_in address;
    int listener = listen_on(&address), connected = socket(AF_INET, SOCK_STREAM, 0);
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    poplin_transport transport;
    poplin_slice octets;

    assert_int_equal(connect(connected, (struct sockaddr *)&address, sizeof address), 0);
    int accepted = accept(listener, NULL, NULL);
    assert_int_equal(setsockopt(accepted, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    assert_int_equal(poplin_transport_init(&transport, end->loop, connected, &end->loop->large, &end->ready),
                     POPLIN_OK);
    assert_int_equal(send(accepted, "last", 4, MSG_NOSIGNAL), 4);
    close(accepted);
    while (poplin_transport_peek(&transport, &octets) == POPLIN_NEED_INPUT)
        assert_int_equal(poplin_loop_step(end->loop, -1), POPLIN_OK);
    assert_int_equal(octets.size, 4); /* what came before the reset is read */
    poplin_transport_consume(&transport, octets.size);
    while (poplin_transport_peek(&transport, &octets) == POPLIN_NEED_INPUT)
        assert_int_equal(poplin_loop_step(end->loop, -1), POPLIN_OK);
    assert_int_equal(poplin_transport_peek(&transport, &octets), POPLIN_END);
    assert_false(poplin_transport_is_clean(&transport));
    assert_int_equal(transport.error, ECONNRESET);
    poplin_transport_free(&transport);
    close(listener);
}

static void a_descriptor_that_cannot_be_watched_is_refused_and_closed(void **state) {
    struct end *end = *state;
    poplin_transport transport;
    char name[] = "/tmp/poplin-transport-XXXXXX";
    int regular = mkstemp(name);

    unlink(name);
    assert_int_equal(poplin_transport_init(&transport, end->loop, regular, &end->loop->small, &end->ready),
                     POPLIN_ERR_IO);
    assert_int_equal(fcntl(regular, F_GETFD), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_buffer_is_held_only_while_it_is_needed, make, destroy),
        cmocka_unit_test_setup_teardown(lent_octets_stay_where_they_are_while_more_come, make, destroy),
        cmocka_unit_test_setup_teardown(reading_stops_when_the_buffer_is_full_and_goes_on, make, destroy),
        cmocka_unit_test_setup_teardown(what_the_socket_does_not_take_stays_with_the_owner, make, destroy),
        cmocka_unit_test_setup_teardown(writing_to_a_peer_that_is_gone_is_no_failure, make, destroy),
        cmocka_unit_test_setup_teardown(the_end_is_told_behind_what_came_before, make, destroy),
        cmocka_unit_test_setup_teardown(a_second_look_finds_what_no_step_has_seen, make, destroy),
        cmocka_unit_test_setup_teardown(unread_octets_in_clear_are_found_in_the_buffer_and_in_the_socket, make,
                                        destroy),
        cmocka_unit_test_setup_teardown(a_farewell_outlives_unread_input, make, destroy),
        cmocka_unit_test_setup_teardown(a_tcp_socket_is_set_up_and_its_peer_is_known_as_loopback, make, destroy),
        cmocka_unit_test_setup_teardown(a_reset_is_an_end_that_is_not_clean, make, destroy),
        cmocka_unit_test_setup_teardown(a_descriptor_that_cannot_be_watched_is_refused_and_closed, make, destroy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
