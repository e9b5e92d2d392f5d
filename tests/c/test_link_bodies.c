/*
 * test_link_bodies.c - messages on one client connection: slices that live on, a slow host, a server that ends too soon.
 */
#include <signal.h>

#include "linked.h"

/* A message of size octets whose lines number themselves. */
static char *make_message(size_t size) {
    char *message = malloc(size + 1);
    size_t used = 0;

    assert_non_null(message);
    for (unsigned line = 0; used < size; line++) {
        size_t left = size - used, length = left < 64 || left - 64 < 3 ? left : 64;
        memset(message + used, 'a' + (int)(line % 26), length);
        message[used + length - 2] = '\r';
        message[used + length - 1] = '\n';
        used += length;
    }
    message[size] = '\0';
    return message;
}

static void body_slices_live_until_more_is_needed(void **state) {
    struct linked *linked = *state;
    const size_t size = (size_t)3 << 20;
    char *message = make_message(size), *taken = malloc(size), *copy = malloc(size);
    poplin_slice slices[1024];
    size_t count = 0, got = 0, copied = 0, sent = 0;
    poplin_client_event event = {0};

    linked_open(linked);
    linked_submit(linked, POPLIN_RETR, 1, 1);
    peer_hear(&linked->peer, "RETR 1\r\n");
    peer_say(&linked->peer, "+OK\r\n");
    while (event.kind != POPLIN_CLIENT_END) {
        while (sent < size) {
            ssize_t n = send(linked->peer.descriptor, message + sent, size - sent, MSG_NOSIGNAL);
            if (n < 0)
                break;
            sent += (size_t)n;
            if (sent == size)
                peer_say(&linked->peer, ".\r\n");
        }
        int status = poplin_link_next(linked->link, &event);
        if (status == POPLIN_OK && event.kind == POPLIN_CLIENT_BODY) {
            assert_true(count < COUNT_OF(slices));
            slices[count++] = event.text;
            assert_true(got + event.text.size <= size);
            memcpy(taken + got, event.text.data, event.text.size);
            got += event.text.size;
        } else if (status == POPLIN_NEED_INPUT || event.kind == POPLIN_CLIENT_END) {
            for (size_t i = 0; i < count; copied += slices[i++].size) /* only now, and still the same */
                memcpy(copy + copied, slices[i].data, slices[i].size);
            count = 0;
            if (status == POPLIN_NEED_INPUT)
                assert_int_equal(poplin_link_wait(linked->link, sent < size ? 0 : -1), POPLIN_OK);
        } else {
            assert_int_equal(status, POPLIN_OK);
        }
    }
    assert_int_equal(event.octets, size);
    assert_int_equal(got, size);
    assert_int_equal(copied, size);
    assert_memory_equal(taken, message, size);
    assert_memory_equal(copy, message, size);
    free(message);
    free(taken);
    free(copy);
}

static void a_host_that_does_not_pull_slows_the_server(void **state) {
    struct linked *linked = *state;
    char block[4096];
    size_t said = 0;

    memset(block, 'x', sizeof block);
    block[sizeof block - 2] = '\r';
    block[sizeof block - 1] = '\n';
    linked_open(linked);
    linked_submit(linked, POPLIN_RETR, 1, 1);
    peer_hear(&linked->peer, "RETR 1\r\n");
    uint64_t before = linked->link->transport.octets;
    peer_say(&linked->peer, "+OK\r\n");
    for (int i = 0; i < 20; i++) {
        ssize_t n;
        while ((n = send(linked->peer.descriptor, block, sizeof block, MSG_NOSIGNAL)) > 0)
            said += (size_t)n;
        linked_step(linked);
    }
    assert_int_equal(linked->link->transport.octets - before, linked->loop->large.size);
    assert_true(said < 2 * linked->loop->large.size + ((size_t)1 << 20));
    assert_int_equal(poplin_loop_timeout(linked->loop), -1); /* nobody waits: no deadline, nothing to do */
}

static void a_large_message_passes_under_tls(void **state) {
    struct linked *linked = *state;
    const size_t size = (size_t)2 << 20, piece = 50000;
    char *message = make_message(size), *taken = malloc(size);
    size_t got = 0, sent = 0;
    poplin_client_event event = {0};

    linked_use_tls(linked);
    linked_open(linked);
    linked_submit(linked, POPLIN_RETR, 1, 1);
    peer_hear(&linked->peer, "RETR 1\r\n");
    peer_say(&linked->peer, "+OK\r\n");
    while (event.kind != POPLIN_CLIENT_END) {
        if (sent < size) {
            size_t n = size - sent < piece ? size - sent : piece;
            peer_say_octets(&linked->peer, message + sent, n);
            sent += n;
            if (sent == size)
                peer_say(&linked->peer, ".\r\n");
        }
        int status = poplin_link_next(linked->link, &event);
        if (status == POPLIN_NEED_INPUT)
            assert_int_equal(poplin_link_wait(linked->link, sent < size ? 0 : -1), POPLIN_OK);
        else
            assert_int_equal(status, POPLIN_OK);
        if (event.kind == POPLIN_CLIENT_BODY) {
            assert_true(got + event.text.size <= size);
            memcpy(taken + got, event.text.data, event.text.size);
            got += event.text.size;
            event.kind = 0;
        }
    }
    assert_int_equal(got, size);
    assert_memory_equal(taken, message, size);
    linked_step(linked);
    assert_int_equal(poplin_link_next(linked->link, &event), POPLIN_NEED_INPUT);
    assert_int_equal(poplin_link_next(linked->link, &event), POPLIN_NEED_INPUT);
    assert_null(linked->link->transport.raw.data);
    assert_null(linked->link->transport.plain.data);
    free(message);
    free(taken);
}

/* holds: POP-ML-10 C, T-FRM-4 C */
static void an_end_in_the_middle_of_a_body_is_a_failure(void **state) {
    struct linked *linked = *state;

    linked_open(linked);
    linked_submit(linked, POPLIN_RETR, 1, 1);
    peer_hear(&linked->peer, "RETR 1\r\n");
    peer_say(&linked->peer, "+OK\r\nSubject: half\r\n");
    peer_close(&linked->peer);
    linked_expect(linked, POPLIN_CLIENT_REPLY);
    linked_expect(linked, POPLIN_CLIENT_BODY);
    linked_expect_failure(linked, POPLIN_ERR_CLOSED, "closed");
}

static void the_last_words_of_a_server_are_heard(void **state) {
    struct linked *linked = *state;

    assert_ptr_equal(signal(SIGPIPE, SIG_DFL), SIG_DFL);
    linked_open(linked);
    peer_say(&linked->peer, "-ERR [SYS/TEMP] shutting down\r\n");
    peer_close(&linked->peer);
    linked_submit(linked, POPLIN_STAT, 0, 1);
    poplin_client_event event = linked_expect(linked, POPLIN_CLIENT_REPLY);
    assert_int_equal(event.status, POPLIN_ERR_TEMPORARY);
    linked_expect_failure(linked, POPLIN_ERR_CLOSED, "closed");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        LINKED_TEST(body_slices_live_until_more_is_needed), LINKED_TEST(a_host_that_does_not_pull_slows_the_server),
        LINKED_TEST(a_large_message_passes_under_tls),      LINKED_TEST(an_end_in_the_middle_of_a_body_is_a_failure),
        LINKED_TEST(the_last_words_of_a_server_are_heard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
