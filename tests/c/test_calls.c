/*
 * test_calls.c - single commands on a link and what came of each: contents by reference and in pieces, listings, replies
 * that find those who asked, refusals that nobody waited for.
 */
#include "linked.h"

/* ---- contents ---- */

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

/* ---- listings and replies ---- */

enum { LINES = 3000 };

/* In one piece, so that the kernel holds it all while nobody asks. */
static void say_listing(struct peer *peer, bool unique_ids) {
    char *listing = malloc((size_t)LINES * 70 + 20), *end = stpcpy(listing, "+OK\r\n");

    for (int i = 1; i <= LINES; i++)
        end += unique_ids ? sprintf(end, "%d id%0*d\r\n", i, i % 50 + 5, i) : sprintf(end, "%d %d\r\n", i, 1000 + i);
    (void)stpcpy(end, ".\r\n");
    peer_say(peer, listing);
    free(listing);
}

static void listings_keep_their_lines_while_they_grow(void **state) {
    struct linked *linked = *state;
    size_t sizes, ids;
    char expected[128];

    linked->loop->large.size = 100;
    linked_open(linked);
    poplin_call *list = linked_call(linked, POPLIN_LIST, 0, false);
    poplin_call *uidl = linked_call(linked, POPLIN_UIDL, 0, false);
    peer_hear(&linked->peer, "LIST\r\nUIDL\r\n");
    say_listing(&linked->peer, false);
    assert_int_equal(linked_done(linked, list), POPLIN_OK);
    say_listing(&linked->peer, true);
    assert_int_equal(linked_done(linked, uidl), POPLIN_OK);
    const poplin_line *size_lines = poplin_call_lines(list, &sizes), *id_lines = poplin_call_lines(uidl, &ids);
    assert_int_equal(sizes, LINES);
    assert_int_equal(ids, LINES);
    for (int i = 1; i <= LINES; i++) {
        const poplin_line *line = &id_lines[i - 1];
        int length = snprintf(expected, sizeof expected, "id%0*d", i % 50 + 5, i);
        assert_int_equal(line->number, i);
        assert_int_equal(line->unique_id.size, length);
        assert_memory_equal(line->unique_id.data, expected, (size_t)length);
        assert_int_equal(size_lines[i - 1].number, i);
        assert_int_equal(size_lines[i - 1].octets, 1000 + i);
    }
}

static void a_listing_may_be_empty(void **state) {
    struct linked *linked = *state;
    size_t count = 1;

    linked_open(linked);
    poplin_call *list = linked_call(linked, POPLIN_LIST, 0, false);
    peer_hear(&linked->peer, "LIST\r\n");
    peer_say(&linked->peer, "+OK\r\n.\r\n");
    assert_int_equal(linked_done(linked, list), POPLIN_OK);
    (void)poplin_call_lines(list, &count);
    assert_int_equal(count, 0);
}

/* holds: POP-PIPE-2 C */
static void replies_find_those_who_asked_whoever_waits_first(void **state) {
    struct linked *linked = *state;
    poplin_body body;

    linked->loop->large.size = 16; /* so that what is by reference has to be copied meanwhile */
    linked_open(linked);
    poplin_call *retr = linked_call(linked, POPLIN_RETR, 1, false);
    poplin_call *stat = linked_call(linked, POPLIN_STAT, 0, false);
    poplin_call *uidl = linked_call(linked, POPLIN_UIDL, 3, false);
    poplin_call *list = linked_call(linked, POPLIN_LIST, 2, false);
    peer_hear(&linked->peer, "RETR 1\r\nSTAT\r\nUIDL 3\r\nLIST 2\r\n");
    peer_say(&linked->peer,
             "+OK\r\n..a message of some length\r\n.\r\n+OK 3 4294967296\r\n+OK 3 the-id\r\n+OK 2 77\r\n");
    assert_int_equal(linked_reply(linked, list)->octets, 77);
    assert_int_equal(poplin_call_reply(list)->number, 2);
    const poplin_reply *reply = linked_reply(linked, uidl);
    assert_int_equal(reply->text.size, 6);
    assert_memory_equal(reply->text.data, "the-id", 6);
    reply = linked_reply(linked, stat);
    assert_int_equal(reply->count, 3);
    assert_int_equal(reply->octets, (uint64_t)1 << 32);
    assert_int_equal(linked_done(linked, retr), POPLIN_OK);
    assert_int_equal(poplin_call_body(retr, &body), POPLIN_OK);
    assert_body_is(&body, ".a message of some length\r\n");
}

static void a_long_reply_text_is_cut(void **state) {
    struct linked *linked = *state;
    char line[1000];

    linked_open(linked);
    poplin_call *call = linked_call(linked, POPLIN_NOOP, 0, false);
    peer_hear(&linked->peer, "NOOP\r\n");
    memset(line, 'x', sizeof line);
    memcpy(line, "+OK ", 4);
    memcpy(line + sizeof line - 3, "\r\n", 3);
    peer_say(&linked->peer, line);
    assert_int_equal(linked_reply(linked, call)->text.size, POPLIN_REPLY_TEXT_MAX);
}

/* ---- logging in on an open link ---- */

/* holds: POP-ST-5 C */
static void a_login_is_a_call(void **state) {
    struct linked *linked = *state;
    const poplin_credentials wrong = {SLICE("alice"), SLICE("wrong")}, right = {SLICE("alice"), SLICE("secret")};
    poplin_call *call, *second;
    poplin_error error;

    linked_greet(linked, NULL);
    assert_int_equal(linked_opened(linked), POPLIN_OK);
    assert_int_equal(poplin_link_login(linked->link, &wrong, &call), POPLIN_OK);
    assert_int_equal(poplin_link_login(linked->link, &right, &second), POPLIN_ERR_STATE);
    assert_null(second);
    peer_hear(&linked->peer, "AUTH PLAIN AGFsaWNlAHdyb25n\r\n");
    peer_say(&linked->peer, "-ERR [AUTH] no\r\n");
    assert_int_equal(linked_reply(linked, call)->status, POPLIN_ERR_AUTH);
    poplin_link_describe(linked->link, POPLIN_NO_VERB, poplin_call_reply(call), &error);
    assert_string_equal(error.doing, "login");
    assert_string_equal(error.peer, "no");
    poplin_call_free(call);
    assert_int_equal(poplin_link_login(linked->link, &right, &call), POPLIN_OK);
    peer_hear(&linked->peer, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n");
    peer_say(&linked->peer, "+OK\r\n");
    assert_int_equal(linked_reply(linked, call)->status, POPLIN_OK);
    assert_int_equal(poplin_client_phase(poplin_link_client(linked->link)), POPLIN_TRANSACTION);
}

/* ---- deletions that nobody waits for ---- */

/* holds: POP-DELE-2 C */
static void a_refused_deletion_is_told_at_quit_and_only_once(void **state) {
    struct linked *linked = *state;

    linked_open(linked);
    assert_null(poplin_link_refusal(linked->link));
    assert_int_equal(poplin_link_dele(linked->link, 1), POPLIN_OK);
    assert_int_equal(poplin_link_dele(linked->link, 2), POPLIN_OK);
    assert_int_equal(poplin_link_dele(linked->link, 3), POPLIN_OK);
    poplin_call *noop = linked_call(linked, POPLIN_NOOP, 0, false);
    poplin_call *quit = linked_call(linked, POPLIN_QUIT, 0, false);
    assert_int_equal(poplin_link_dele(linked->link, 4), POPLIN_ERR_STATE);
    peer_hear(&linked->peer, "DELE 1\r\nDELE 2\r\nDELE 3\r\nNOOP\r\nQUIT\r\n");
    peer_say(&linked->peer, "+OK\r\n-ERR [SYS/PERM] read only\r\n-ERR no\r\n+OK\r\n+OK\r\n");
    assert_int_equal(linked_done(linked, noop), POPLIN_OK); /* not told here */
    assert_int_equal(linked_done(linked, quit), POPLIN_ERR_REFUSED);
    const poplin_error *refusal = poplin_link_refusal(linked->link);
    assert_string_equal(refusal->doing, "DELE 2");
    assert_string_equal(refusal->peer, "read only");
    assert_int_equal(refusal->code, POPLIN_CODE_SYS_PERM);
    assert_int_equal(linked_done(linked, quit), POPLIN_OK);
    assert_int_equal(poplin_call_reply(quit)->status, POPLIN_OK);
    assert_non_null(poplin_link_refusal(linked->link));
}

static void ten_thousand_deletions_cost_nothing_but_their_lines(void **state) {
    struct linked *linked = *state;
    enum { DELETIONS = 10000 };
    char line[32];

    linked_open(linked);
    for (uint32_t i = 1; i <= DELETIONS; i++)
        assert_int_equal(poplin_link_dele(linked->link, i), POPLIN_OK);
    assert_null(linked->link->calls.askers); /* so there is no list to go through at each reply */
    poplin_call *quit = linked_call(linked, POPLIN_QUIT, 0, false);
    for (uint32_t i = 1; i <= DELETIONS; i++) {
        (void)snprintf(line, sizeof line, "DELE %u\r\n", i);
        peer_hear(&linked->peer, line);
        peer_say(&linked->peer, i == DELETIONS ? "-ERR\r\n" : "+OK\r\n");
        assert_int_equal(poplin_call_done(quit), POPLIN_NEED_INPUT);
    }
    peer_hear(&linked->peer, "QUIT\r\n");
    peer_say(&linked->peer, "+OK\r\n");
    assert_int_equal(linked_done(linked, quit), POPLIN_ERR_REFUSED);
    assert_string_equal(poplin_link_refusal(linked->link)->doing, "DELE 10000");
    assert_int_equal(linked_done(linked, quit), POPLIN_OK);
}

/* ---- freeing ---- */

static void a_call_may_be_freed_before_its_reply(void **state) {
    struct linked *linked = *state;
    poplin_body body;

    linked->loop->large.size = 12;
    linked_open(linked);
    poplin_call *retr = linked_call(linked, POPLIN_RETR, 1, false);
    poplin_call_free(linked_call(linked, POPLIN_LIST, 0, false));
    poplin_call_free(linked_call(linked, POPLIN_RETR, 2, false));
    poplin_call_free(linked_call(linked, POPLIN_NOOP, 0, false));
    poplin_call *stream = linked_call(linked, POPLIN_RETR, 3, true);
    poplin_call *stat = linked_call(linked, POPLIN_STAT, 0, false);
    peer_hear(&linked->peer, "RETR 1\r\nLIST\r\nRETR 2\r\nNOOP\r\nRETR 3\r\nSTAT\r\n");
    peer_say(&linked->peer, "+OK\r\nhalf of a message\r\n");
    linked_step(linked);
    assert_int_equal(poplin_call_done(retr), POPLIN_NEED_INPUT);
    poplin_call_free(retr); /* in the middle of its content */
    peer_say(&linked->peer, "and the rest of it\r\n.\r\n+OK\r\n1 200\r\n2 300\r\n.\r\n+OK\r\nanother message\r\n.\r\n"
                            "-ERR\r\n+OK\r\nthe streamed one\r\n.\r\n+OK 3 600\r\n");
    assert_int_equal(linked_piece(linked, stream, &body), POPLIN_OK);
    assert_body_is(&body, "the streamed one\r\n");
    poplin_call_free(stream); /* with its piece handed out */
    assert_int_equal(linked_reply(linked, stat)->count, 3);
    poplin_call_free(stat);
    assert_null(linked->link->calls.askers);
    poplin_call_free(NULL);
}

/* holds: T-API-2 C */
static void a_link_is_freed_with_its_calls_and_without_quit(void **state) {
    struct linked *linked = *state;
    poplin_body body;
    size_t count;

    linked_open(linked);
    poplin_call *retr = linked_call(linked, POPLIN_RETR, 1, false);
    poplin_call *uidl = linked_call(linked, POPLIN_UIDL, 0, false);
    assert_int_equal(poplin_link_dele(linked->link, 1), POPLIN_OK);
    poplin_call *half = linked_call(linked, POPLIN_RETR, 2, true);
    poplin_call_free(linked_call(linked, POPLIN_STAT, 0, false));
    peer_hear(&linked->peer, "RETR 1\r\nUIDL\r\nDELE 1\r\nRETR 2\r\nSTAT\r\n");
    peer_say(&linked->peer, "+OK\r\n..by reference\r\n.\r\n+OK\r\n1 a\r\n2 b\r\n.\r\n+OK\r\n+OK\r\nhalf");
    assert_int_equal(linked_done(linked, uidl), POPLIN_OK);
    assert_int_equal(poplin_call_piece(half, &body), POPLIN_NEED_INPUT);
    assert_int_equal(poplin_call_body(retr, &body), POPLIN_OK);
    assert_body_is(&body, ".by reference\r\n");
    (void)poplin_call_lines(uidl, &count);
    assert_int_equal(count, 2);
    poplin_link_free(linked->link);
    linked->link = NULL;
    peer_hear_end(&linked->peer);
}

/* ---- failures ---- */

/* holds: T-API-4 B */
static void a_call_on_a_failed_link_fails_as_the_link_did(void **state) {
    struct linked *linked = *state;
    poplin_body body;

    linked_open(linked);
    poplin_call *done = linked_call(linked, POPLIN_RETR, 1, false);
    poplin_call *stat = linked_call(linked, POPLIN_STAT, 0, false);
    poplin_call *waiting = linked_call(linked, POPLIN_NOOP, 0, false);
    peer_hear(&linked->peer, "RETR 1\r\nSTAT\r\nNOOP\r\n");
    peer_say(&linked->peer, "+OK\r\nwhole\r\n.\r\n*OK what\r\n");
    assert_int_equal(linked_done(linked, stat), POPLIN_ERR_PROTOCOL);
    assert_int_equal(linked_done(linked, waiting), POPLIN_ERR_PROTOCOL);
    assert_int_equal(linked_done(linked, done), POPLIN_OK); /* it came whole before that */
    assert_int_equal(poplin_call_body(done, &body), POPLIN_OK);
    assert_body_is(&body, "whole\r\n");
    assert_int_equal(poplin_link_dele(linked->link, 1), POPLIN_ERR_PROTOCOL);
    linked_expect_failed(linked, POPLIN_ERR_PROTOCOL, "neither +OK nor -ERR");
    poplin_call_free(waiting);
}

static void what_cannot_be_sent_makes_no_call(void **state) {
    struct linked *linked = *state;
    const poplin_command pass = {.verb = POPLIN_PASS}, nought = {.verb = POPLIN_RETR};
    poplin_call *call;

    linked_open(linked);
    assert_int_equal(poplin_link_call(linked->link, &pass, false, &call), POPLIN_ERR_STATE);
    assert_null(call);
    assert_int_equal(poplin_link_call(linked->link, &nought, false, &call), POPLIN_ERR_PROTOCOL);
    assert_null(call);
    assert_int_equal(poplin_link_dele(linked->link, 0), POPLIN_ERR_PROTOCOL);
    assert_null(linked->link->calls.askers);
    linked_exchange(linked, POPLIN_NOOP, "NOOP\r\n", "+OK\r\n");
}

/* ---- words ---- */

static void a_refusal_is_put_into_words(void **state) {
    struct linked *linked = *state;
    poplin_error error;
    char message[400];

    linked->config.host = "pop.example.org";
    linked_open(linked);
    poplin_call *retr = linked_call(linked, POPLIN_RETR, 12, false);
    poplin_call *quit = linked_call(linked, POPLIN_QUIT, 0, false);
    peer_hear(&linked->peer, "RETR 12\r\nQUIT\r\n");
    peer_say(&linked->peer, "-ERR no such\tmessage\x7f\r\n-ERR [SYS/TEMP] some were not removed\r\n");
    poplin_link_describe(linked->link, POPLIN_RETR, linked_reply(linked, retr), &error);
    assert_int_equal(error.status, POPLIN_ERR_REFUSED);
    (void)poplin_error_format(&error, message, sizeof message);
    assert_string_equal(message, "RETR 12 at pop.example.org: the server refused (-ERR); the peer said: no "
                                 "such\\x09message\\x7F");
    poplin_link_describe(linked->link, POPLIN_QUIT, linked_reply(linked, quit), &error);
    assert_int_equal(error.status, POPLIN_ERR_TEMPORARY);
    assert_int_equal(error.code, POPLIN_CODE_SYS_TEMP);
    (void)poplin_error_format(&error, message, sizeof message);
    assert_string_equal(message,
                        "QUIT at pop.example.org: the server cannot do this just now; the peer said: some were "
                        "not removed");
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
        LINKED_TEST(listings_keep_their_lines_while_they_grow),
        LINKED_TEST(a_listing_may_be_empty),
        LINKED_TEST(replies_find_those_who_asked_whoever_waits_first),
        LINKED_TEST(a_long_reply_text_is_cut),
        LINKED_TEST(a_login_is_a_call),
        LINKED_TEST(a_refused_deletion_is_told_at_quit_and_only_once),
        LINKED_TEST(ten_thousand_deletions_cost_nothing_but_their_lines),
        LINKED_TEST(a_call_may_be_freed_before_its_reply),
        LINKED_TEST(a_link_is_freed_with_its_calls_and_without_quit),
        LINKED_TEST(a_call_on_a_failed_link_fails_as_the_link_did),
        LINKED_TEST(what_cannot_be_sent_makes_no_call),
        LINKED_TEST(a_refusal_is_put_into_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
