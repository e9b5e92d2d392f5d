/*
 * test_calls_content.c - the content of RETR and TOP: by reference, copied where it must be, in pieces.
 */
#include "linked.h"

/* All slices lie in this buffer. */
static void assert_in(const poplin_received *buffer, const poplin_body *body) {
    assert_non_null(buffer->data);
    for (size_t i = 0; i < body->count; i++) {
        assert_true(body->slices[i].data >= buffer->data + buffer->start);
        assert_true(body->slices[i].data + body->slices[i].size <= buffer->data + buffer->end);
    }
}

static void take_by_reference(struct linked *linked, const poplin_received *buffer) {
    poplin_body body;
    poplin_call *call = linked_call(linked, POPLIN_RETR, 7, false);

    peer_hear(&linked->peer, "RETR 7\r\n");
    peer_say(&linked->peer, "+OK 3 octets\r\n..dot\r\nno.dot\r\n...\r\n....\r\n..\r\n.\r\n");
    const poplin_reply *reply = linked_reply(linked, call);
    assert_int_equal(reply->status, POPLIN_OK);
    assert_int_equal(reply->number, 7);
    assert_int_equal(reply->octets, 26);
    assert_int_equal(poplin_call_body(call, &body), POPLIN_OK);
    assert_int_equal(body.count, 4);
    assert_in(buffer, &body);
    assert_body_is(&body, ".dot\r\nno.dot\r\n..\r\n...\r\n.\r\n");
    poplin_call_free(call);
}

/* holds: POP-ML-3 C, T-FRM-6 C, T-NUM-5 C */
static void a_message_whole_in_the_buffer_is_handed_by_reference(void **state) {
    struct linked *linked = *state;

    linked_open(linked);
    take_by_reference(linked, &linked->link->transport.raw);
}

/* holds: POP-ML-3 C, T-FRM-6 C */
static void the_same_under_tls(void **state) {
    struct linked *linked = *state;

    linked_use_tls(linked);
    linked_open(linked);
    take_by_reference(linked, &linked->link->transport.plain);
}

/* Collects, then streams, a content through buffers of this size. */
static void pass_through(struct linked *linked, size_t buffer, size_t size) {
    poplin_body body;
    size_t got = 0;
    char *content = make_content(&size, size + buffer);
    char *streamed = malloc(size);

    poplin_call *call = linked_call(linked, POPLIN_RETR, 1, false);
    poplin_call *stream = linked_call(linked, POPLIN_RETR, 1, true);
    peer_hear(&linked->peer, "RETR 1\r\nRETR 1\r\n");
    peer_say_content(&linked->peer, "+OK\r\n", content);
    assert_int_equal(linked_reply(linked, call)->octets, size);
    assert_int_equal(poplin_call_body(call, &body), POPLIN_OK);
    assert_body(&body, content, size);
    peer_say_content(&linked->peer, "+OK\r\n", content);
    int status;
    while ((status = linked_piece(linked, stream, &body)) == POPLIN_OK) {
        assert_true(got + body.size <= size);
        poplin_body_copy(&body, streamed + got);
        got += body.size;
        assert_true(body.size >= (size_t)64 << 10 || got == size);
    }
    assert_int_equal(status, POPLIN_END);
    assert_int_equal(linked_piece(linked, stream, &body), POPLIN_END);
    assert_int_equal(got, size);
    assert_memory_equal(streamed, content, size);
    assert_int_equal(poplin_call_reply(stream)->octets, size);
    assert_int_equal(poplin_call_body(call, &body), POPLIN_OK); /* still, though its buffer has gone */
    assert_body(&body, content, size);
    poplin_call_free(call);
    poplin_call_free(stream);
    free(content);
    free(streamed);
}

/* holds: POP-ML-5 C, POP-ML-9 C */
static void a_message_that_spans_buffers_comes_out_equal(void **state) {
    struct linked *linked = *state;
    static const size_t buffers[] = {8, 9, 64, 100, 4096};

    for (size_t i = 0; i < COUNT_OF(buffers); i++) {
        linked->loop->large.size = buffers[i];
        linked_open(linked);
        for (size_t size = 1; size < 3000; size += 300)
            pass_through(linked, buffers[i], size);
        assert_int_equal(linked_tear_down(state), 0);
        assert_int_equal(linked_set_up(state), 0);
        linked = *state;
    }
}

/* holds: POP-ML-5 C, POP-ML-9 C */
static void and_so_it_does_under_tls(void **state) {
    struct linked *linked = *state;

    linked->loop->large.size = 1000;
    linked_use_tls(linked);
    linked_open(linked);
    for (size_t size = 1; size < 12000; size = 3 * size)
        pass_through(linked, 1000, size);
}

static void more_slices_than_are_held_by_reference_lose_nothing(void **state) {
    struct linked *linked = *state;
    char content[3 * POPLIN_GATHER_SLICES * 4 + 1];
    poplin_body body;

    linked_open(linked);
    for (size_t lines = POPLIN_GATHER_SLICES - 2; lines < (size_t)3 * POPLIN_GATHER_SLICES; lines++) {
        char *end = content;
        for (size_t i = 0; i < lines; i++) {
            *end++ = '.';
            *end++ = (char)('0' + i % 10);
            *end++ = '\r';
            *end++ = '\n';
        }
        *end = '\0';
        poplin_call *call = linked_call(linked, POPLIN_RETR, 1, false);
        peer_hear(&linked->peer, "RETR 1\r\n");
        peer_say_content(&linked->peer, "+OK\r\n", content);
        assert_int_equal(linked_done(linked, call), POPLIN_OK);
        assert_int_equal(poplin_call_body(call, &body), POPLIN_OK);
        assert_in_range(body.count, 1, 1 + POPLIN_GATHER_SLICES);
        assert_body(&body, content, 4 * lines);
        poplin_call_free(call);
    }
}

static void streamed_pieces_are_worth_a_hosts_attention(void **state) {
    struct linked *linked = *state;

    linked->loop->large.size = 5000;
    linked_open(linked);
    pass_through(linked, 5000, 60000);
    pass_through(linked, 5000, 140000);
}

/* holds: POP-ML-4 C */
static void an_empty_content_has_no_octets(void **state) {
    struct linked *linked = *state;
    poplin_body body = {.size = 1};

    linked_open(linked);
    poplin_call *call = linked_call(linked, POPLIN_RETR, 1, false);
    poplin_call *stream = linked_call(linked, POPLIN_RETR, 2, true);
    peer_hear(&linked->peer, "RETR 1\r\nRETR 2\r\n");
    peer_say(&linked->peer, "+OK\r\n.\r\n+OK\r\n.\r\n");
    assert_int_equal(linked_reply(linked, call)->octets, 0);
    assert_int_equal(poplin_call_body(call, &body), POPLIN_OK);
    assert_int_equal(body.size, 0);
    assert_int_equal(body.count, 0);
    poplin_body_copy(&body, NULL);
    assert_int_equal(linked_piece(linked, stream, &body), POPLIN_END);
    assert_int_equal(poplin_call_reply(stream)->status, POPLIN_OK);
}

static void a_refused_stream_has_no_pieces_and_a_reply(void **state) {
    struct linked *linked = *state;
    poplin_body body;

    linked_open(linked);
    poplin_call *stream = linked_call(linked, POPLIN_RETR, 9, true);
    peer_hear(&linked->peer, "RETR 9\r\n");
    peer_say(&linked->peer, "-ERR [SYS/TEMP] not now\r\n");
    assert_int_equal(linked_piece(linked, stream, &body), POPLIN_END);
    const poplin_reply *reply = poplin_call_reply(stream);
    assert_int_equal(reply->status, POPLIN_ERR_TEMPORARY);
    assert_int_equal(reply->code, POPLIN_CODE_SYS_TEMP);
    assert_int_equal(reply->text.size, 7);
    assert_memory_equal(reply->text.data, "not now", 7);
}

/* A piece that was handed out has gone when more comes in, whoever waits for it: it is neither lost nor told twice. */
static void a_stream_and_another_call_do_not_mix(void **state) {
    struct linked *linked = *state;
    size_t size = 200000, got = 0;
    char *content = make_content(&size, 1), *streamed = malloc(size);
    poplin_body body;
    int status;

    linked->loop->large.size = 70000;
    linked_open(linked);
    poplin_call *stream = linked_call(linked, POPLIN_RETR, 1, true);
    poplin_call *noop = linked_call(linked, POPLIN_NOOP, 0, false);
    peer_hear(&linked->peer, "RETR 1\r\nNOOP\r\n");
    peer_say_content(&linked->peer, "+OK\r\n", content);
    peer_say(&linked->peer, "+OK\r\n");
    assert_int_equal(linked_piece(linked, stream, &body), POPLIN_OK);
    poplin_body_copy(&body, streamed);
    got = body.size;
    assert_true(got < size);
    assert_int_equal(linked_done(linked, noop), POPLIN_OK);
    while ((status = linked_piece(linked, stream, &body)) == POPLIN_OK) {
        assert_true(got + body.size <= size);
        poplin_body_copy(&body, streamed + got);
        got += body.size;
    }
    assert_int_equal(status, POPLIN_END);
    assert_int_equal(got, size);
    assert_memory_equal(streamed, content, size);
    free(content);
    free(streamed);
}

static void a_stream_that_nobody_takes_is_bounded(void **state) {
    struct linked *linked = *state;
    size_t size = 5000;
    char *content = make_content(&size, 2);
    poplin_body body;

    linked->config.client.window_octets = 4000;
    linked_open(linked);
    poplin_call *stream = linked_call(linked, POPLIN_RETR, 1, true);
    peer_hear(&linked->peer, "RETR 1\r\n");
    poplin_call *noop = linked_call(linked, POPLIN_NOOP, 0, false);
    peer_say_content(&linked->peer, "+OK\r\n", content);
    assert_int_equal(linked_done(linked, noop), POPLIN_ERR_LIMIT);
    assert_int_equal(linked_done(linked, noop), POPLIN_ERR_LIMIT);
    assert_int_equal(linked_piece(linked, stream, &body), POPLIN_ERR_LIMIT);
    linked_expect_failed(linked, POPLIN_ERR_LIMIT, "take the messages first");
    free(content);
}

/* holds: POP-ML-10 C, T-FRM-4 C */
static void a_content_that_is_cut_short_is_never_handed_over_as_whole(void **state) {
    struct linked *linked = *state;
    poplin_body body;

    linked_open(linked);
    poplin_call *call = linked_call(linked, POPLIN_RETR, 1, false);
    poplin_call *stream = linked_call(linked, POPLIN_RETR, 2, true);
    peer_hear(&linked->peer, "RETR 1\r\nRETR 2\r\n");
    peer_say(&linked->peer, "+OK 5 octets\r\nhalf\r\n");
    peer_close(&linked->peer);
    assert_int_equal(linked_piece(linked, stream, &body), POPLIN_ERR_CLOSED);
    assert_int_equal(linked_done(linked, call), POPLIN_ERR_CLOSED);
    assert_int_equal(poplin_call_body(call, &body), POPLIN_ERR_STATE);
    linked_expect_failed(linked, POPLIN_ERR_CLOSED, "before its reply was complete");
    poplin_call_free(stream);
}

static void content_is_asked_for_in_the_way_that_was_said(void **state) {
    struct linked *linked = *state;
    poplin_body body;

    linked_open(linked);
    poplin_call *call = linked_call(linked, POPLIN_TOP, 3, false);
    poplin_call *stream = linked_call(linked, POPLIN_TOP, 4, true);
    assert_int_equal(poplin_call_body(call, &body), POPLIN_ERR_STATE); /* not finished */
    assert_int_equal(poplin_call_piece(call, &body), POPLIN_ERR_STATE);
    assert_int_equal(poplin_call_body(stream, &body), POPLIN_ERR_STATE);
    peer_hear(&linked->peer, "TOP 3 1\r\nTOP 4 1\r\n");
    peer_say(&linked->peer, "+OK\r\nSubject: x\r\n\r\n.\r\n+OK\r\nSubject: y\r\n\r\n.\r\n");
    assert_int_equal(linked_done(linked, stream), POPLIN_OK);
    assert_int_equal(poplin_call_body(stream, &body), POPLIN_ERR_STATE);
    assert_int_equal(linked_piece(linked, stream, &body), POPLIN_OK);
    assert_body_is(&body, "Subject: y\r\n\r\n");
    assert_int_equal(poplin_call_body(call, &body), POPLIN_OK);
    assert_body_is(&body, "Subject: x\r\n\r\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        LINKED_TEST(a_message_whole_in_the_buffer_is_handed_by_reference),
        LINKED_TEST(the_same_under_tls),
        LINKED_TEST(a_message_that_spans_buffers_comes_out_equal),
        LINKED_TEST(and_so_it_does_under_tls),
        LINKED_TEST(more_slices_than_are_held_by_reference_lose_nothing),
        LINKED_TEST(streamed_pieces_are_worth_a_hosts_attention),
        LINKED_TEST(an_empty_content_has_no_octets),
        LINKED_TEST(a_refused_stream_has_no_pieces_and_a_reply),
        LINKED_TEST(a_stream_and_another_call_do_not_mix),
        LINKED_TEST(a_stream_that_nobody_takes_is_bounded),
        LINKED_TEST(a_content_that_is_cut_short_is_never_handed_over_as_whole),
        LINKED_TEST(content_is_asked_for_in_the_way_that_was_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
