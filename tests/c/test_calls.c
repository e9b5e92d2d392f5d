/*
 * test_calls.c - single commands on a link and what came of each: listings, replies that find those who asked, refusals
 * that nobody waited for, failures.
 */
#include "linked.h"

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
    const poplin_credentials wrong = {.user = SLICE("alice"), .password = SLICE("wrong")},
                             right = {.user = SLICE("alice"), .password = SLICE("secret")};
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
