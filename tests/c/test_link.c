/*
 * test_link.c - one client connection: opening, events, deadlines, TLS, every way in which it can end.
 */
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>

#include "child.h"
#include "loop/link.h"
#include "peer.h"

/* Time stands still but for poplin_loop_advance: libuv's clock is replaced for the whole executable. */
uint64_t uv_hrtime(void) {
    return 5000000000;
}

struct world {
    poplin_loop *loop;
    struct peer peer;
    poplin_link_config config;
    poplin_link *link;
    poplin_tls_credentials *trust, *identity;
};

static int make(void **state) {
    struct world *world = calloc(1, sizeof *world);

    if (!world || poplin_loop_new(&world->loop) != POPLIN_OK)
        return -1;
    poplin_link_config_init(&world->config);
    world->config.descriptor = peer_open(&world->peer, world->loop);
    world->config.client.tls = POPLIN_TLS_NEVER;
    *state = world;
    return 0;
}

static int destroy(void **state) {
    struct world *world = *state;

    poplin_link_free(world->link);
    peer_close(&world->peer);
    poplin_tls_credentials_free(world->trust);
    poplin_tls_credentials_free(world->identity);
    poplin_loop_free(world->loop);
    free(world);
    return 0;
}

static void go_on_opening(void *context) {
    (void)poplin_link_opened(context);
}

static void open_link(struct world *world, const poplin_credentials *login) {
    assert_int_equal(poplin_link_open(world->loop, &world->config, login, &world->link), POPLIN_OK);
    world->config.descriptor = -1;
    poplin_link_on_ready(world->link, go_on_opening, world->link);
}

static void step(struct world *world) {
    assert_int_equal(poplin_loop_step(world->loop, 0), POPLIN_OK);
    assert_int_equal(poplin_loop_step(world->loop, 0), POPLIN_OK);
}

/* The next event, or the failure that comes instead. */
static int wait_for(struct world *world, poplin_client_event *event) {
    int status;

    while ((status = poplin_link_next(world->link, event)) == POPLIN_NEED_INPUT)
        assert_int_equal(poplin_link_wait(world->link, -1), POPLIN_OK);
    return status;
}

static poplin_client_event expect(struct world *world, enum poplin_client_event_kind kind) {
    poplin_client_event event;

    assert_int_equal(wait_for(world, &event), POPLIN_OK);
    assert_int_equal(event.kind, kind);
    return event;
}

static int wait_until_opened(struct world *world) {
    int status;

    while ((status = poplin_link_opened(world->link)) == POPLIN_NEED_INPUT)
        assert_int_equal(poplin_link_wait(world->link, -1), POPLIN_OK);
    return status;
}

static const char capabilities[] = "+OK\r\nSASL PLAIN\r\nPIPELINING\r\nRESP-CODES\r\nSTLS\r\n.\r\n";

/* Greeting and CAPA, without a login. */
static void greet(struct world *world) {
    peer_say(&world->peer, "+OK ready\r\n");
    peer_hear(&world->peer, "CAPA\r\n");
    peer_say(&world->peer, capabilities);
}

/* All of the opening: the link is in TRANSACTION then, and its ready function is gone. */
static void open_whole(struct world *world) {
    const poplin_credentials login = {SLICE("alice"), SLICE("secret")};

    open_link(world, &login);
    greet(world);
    peer_hear(&world->peer, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n");
    peer_say(&world->peer, "+OK\r\n");
    assert_int_equal(wait_until_opened(world), POPLIN_OK);
    poplin_link_on_ready(world->link, NULL, NULL);
}

static void submit(struct world *world, enum poplin_verb verb, uint32_t number, uint64_t tag) {
    const poplin_command command = {.verb = verb, .number = number};

    assert_int_equal(poplin_link_submit(world->link, &command, tag), POPLIN_OK);
}

static void expect_failure(struct world *world, int status, const char *reason) {
    poplin_client_event event;

    assert_int_equal(wait_for(world, &event), status);
    const poplin_error *error = poplin_link_error(world->link);
    assert_non_null(error);
    assert_int_equal(error->status, status);
    if (!strstr(error->reason, reason))
        fail_msg("\"%s\" is not in \"%s\"", reason, error->reason);
    assert_int_equal(poplin_link_next(world->link, &event), status);
}

/* ---- opening ---- */

static void a_link_opens_and_answers_commands(void **state) {
    struct world *world = *state;

    open_whole(world);
    assert_int_equal(poplin_link_greeting(world->link).size, 5);
    assert_memory_equal(poplin_link_greeting(world->link).data, "ready", 5);
    assert_null(poplin_link_tls(world->link));
    assert_true(poplin_link_protected(world->link));
    assert_null(poplin_link_error(world->link));
    assert_int_equal(poplin_client_phase(poplin_link_client(world->link)), POPLIN_TRANSACTION);
    submit(world, POPLIN_STAT, 0, 7);
    submit(world, POPLIN_NOOP, 0, 8);
    peer_hear(&world->peer, "STAT\r\nNOOP\r\n"); /* in one write: both were submitted before the step */
    peer_say(&world->peer, "+OK 2 320\r\n+OK\r\n");
    poplin_client_event event = expect(world, POPLIN_CLIENT_REPLY);
    assert_int_equal(event.tag, 7);
    assert_int_equal(event.count, 2);
    assert_int_equal(event.octets, 320);
    event = expect(world, POPLIN_CLIENT_REPLY);
    assert_int_equal(event.tag, 8);
    assert_int_equal(poplin_link_next(world->link, &event), POPLIN_NEED_INPUT);
    assert_null(world->link->transport.raw.data); /* an idle link holds no buffer */
}

static void an_idle_link_holds_no_buffer_and_misses_nothing(void **state) {
    struct world *world = *state;
    const poplin_command command = {.verb = POPLIN_STAT};
    poplin_call *call;

    open_whole(world);
    assert_null(world->link->transport.raw.data);
    assert_int_equal(poplin_link_call(world->link, &command, false, &call), POPLIN_OK);
    peer_hear(&world->peer, "STAT\r\n");
    peer_say(&world->peer, "+OK 0 0\r\n+OK unasked\r\n");
    while (poplin_call_done(call) == POPLIN_NEED_INPUT)
        assert_int_equal(poplin_link_wait(world->link, -1), POPLIN_OK);
    poplin_call_free(call);
    expect_failure(world, POPLIN_ERR_PROTOCOL, "");
}

/* holds: POP-ST-5 C */
static void a_refused_login_leaves_the_link_up(void **state) {
    struct world *world = *state;
    const poplin_credentials login = {SLICE("alice"), SLICE("wrong")};
    poplin_client_event event;

    open_link(world, &login);
    greet(world);
    peer_hear(&world->peer, "AUTH PLAIN AGFsaWNlAHdyb25n\r\n");
    peer_say(&world->peer, "-ERR [AUTH] no such user\r\n");
    assert_int_equal(wait_until_opened(world), POPLIN_ERR_AUTH);
    assert_int_equal(poplin_link_opened(world->link), POPLIN_ERR_AUTH);
    assert_null(poplin_link_error(world->link));
    assert_non_null(poplin_link_refusal(world->link));
    assert_non_null(strstr(poplin_link_refusal(world->link)->peer, "no such user"));
    assert_string_equal(poplin_link_refusal(world->link)->doing, "login");
    submit(world, POPLIN_QUIT, 0, 1);
    peer_hear(&world->peer, "QUIT\r\n");
    peer_say(&world->peer, "+OK\r\n");
    peer_close(&world->peer);
    expect(world, POPLIN_CLIENT_REPLY);
    expect(world, POPLIN_CLIENT_CLOSED);
    assert_int_equal(wait_for(world, &event), POPLIN_ERR_CLOSED);
}

/* holds: POP-TLS-20 C, POP-TLS-17 C */
static void a_strict_link_sends_no_password_in_clear(void **state) {
    struct world *world = *state;
    const poplin_credentials login = {SLICE("alice"), SLICE("secret")};

    world->config.client.tls = POPLIN_TLS_AUTO;
    world->config.loopback_protected = false;
    open_link(world, &login);
    greet(world);
    peer_hear(&world->peer, "STLS\r\n");
    peer_say(&world->peer, "-ERR not now\r\n");
    expect_failure(world, POPLIN_ERR_TLS, "refused STLS");
    assert_false(poplin_link_protected(world->link));
    peer_hear_end(&world->peer);
}

static void a_login_that_cannot_be_sent_is_refused_before_anything_is(void **state) {
    struct world *world = *state;
    const poplin_credentials login = {SLICE("alice"), SLICE("sec\r\nDELE 1")};

    assert_int_equal(poplin_link_open(world->loop, &world->config, &login, &world->link), POPLIN_ERR_PROTOCOL);
    assert_null(world->link);
    peer_hear_end(&world->peer);
}

static void a_limit_of_nothing_is_refused(void **state) {
    struct world *world = *state;

    world->config.client.max_line = 0;
    assert_int_equal(poplin_link_open(world->loop, &world->config, NULL, &world->link), POPLIN_ERR_LIMIT);
    assert_null(world->link);
    peer_hear_end(&world->peer);
}

static void expect_reason(const struct world *world, enum poplin_verb verb, const char *reason) {
    poplin_error error;

    poplin_link_explain(world->link, verb, &error);
    assert_int_equal(error.status, POPLIN_ERR_STATE);
    assert_non_null(strstr(error.reason, reason));
    assert_string_equal(error.doing, verb == POPLIN_NO_VERB ? "" : poplin_verb_name(verb));
}

static void what_does_not_fit_the_state_is_explained(void **state) {
    struct world *world = *state;

    open_link(world, NULL);
    expect_reason(world, POPLIN_STAT, "wait for that first");
    greet(world);
    assert_int_equal(wait_until_opened(world), POPLIN_OK);
    expect_reason(world, POPLIN_STAT, "log in first");
    expect_reason(world, POPLIN_NO_VERB, "what was asked for before");
}

static void what_comes_before_the_login_does_not_fit_behind_it(void **state) {
    struct world *world = *state;

    open_whole(world);
    expect_reason(world, POPLIN_STLS, "only before the login");
    expect_reason(world, POPLIN_NO_VERB, "only before the login");
}

static void nothing_can_be_submitted_before_the_connection_stands(void **state) {
    struct world *world = *state;
    const poplin_command command = {.verb = POPLIN_NOOP};

    open_link(world, NULL);
    assert_null(poplin_link_client(world->link));
    assert_int_equal(poplin_link_submit(world->link, &command, 1), POPLIN_ERR_STATE);
    assert_null(poplin_link_greeting(world->link).data);
}

static void an_address_is_needed(void **state) {
    struct world *world = *state;
    poplin_link_config config;
    poplin_link *link;

    poplin_link_config_init(&config);
    assert_int_equal(poplin_link_open(world->loop, &config, NULL, &link), POPLIN_ERR_STATE);
    assert_null(link);
    close(world->config.descriptor);
}

static void a_refused_connection_says_where_and_why(void **state) {
    struct world *world = *state;
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int reserved = socket(AF_INET, SOCK_STREAM, 0);
    char where[64];

    assert_int_equal(bind(reserved, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(reserved, (struct sockaddr *)&address, &size), 0);
    close(world->config.descriptor);
    world->config.descriptor = -1;
    world->config.host = "127.0.0.1";
    world->config.port = ntohs(address.sin_port);
    open_link(world, NULL);
    expect_failure(world, POPLIN_ERR_IO, "Connection refused (nothing listens there)");
    (void)snprintf(where, sizeof where, "127.0.0.1:%u", (unsigned)world->config.port);
    assert_string_equal(poplin_link_error(world->link)->host, where);
    assert_string_equal(poplin_link_error(world->link)->doing, "connecting");
    close(reserved);
}

/* ---- bodies ---- */

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
    struct world *world = *state;
    const size_t size = (size_t)3 << 20;
    char *message = make_message(size), *taken = malloc(size), *copy = malloc(size);
    poplin_slice slices[1024];
    size_t count = 0, got = 0, copied = 0, sent = 0;
    poplin_client_event event = {0};

    open_whole(world);
    submit(world, POPLIN_RETR, 1, 1);
    peer_hear(&world->peer, "RETR 1\r\n");
    peer_say(&world->peer, "+OK\r\n");
    while (event.kind != POPLIN_CLIENT_END) {
        while (sent < size) {
            ssize_t n = send(world->peer.descriptor, message + sent, size - sent, MSG_NOSIGNAL);
            if (n < 0)
                break;
            sent += (size_t)n;
            if (sent == size)
                peer_say(&world->peer, ".\r\n");
        }
        int status = poplin_link_next(world->link, &event);
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
                assert_int_equal(poplin_link_wait(world->link, sent < size ? 0 : -1), POPLIN_OK);
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
    struct world *world = *state;
    char block[4096];
    size_t said = 0;

    memset(block, 'x', sizeof block);
    block[sizeof block - 2] = '\r';
    block[sizeof block - 1] = '\n';
    open_whole(world);
    submit(world, POPLIN_RETR, 1, 1);
    peer_hear(&world->peer, "RETR 1\r\n");
    uint64_t before = world->link->transport.octets;
    peer_say(&world->peer, "+OK\r\n");
    for (int i = 0; i < 20; i++) {
        ssize_t n;
        while ((n = send(world->peer.descriptor, block, sizeof block, MSG_NOSIGNAL)) > 0)
            said += (size_t)n;
        step(world);
    }
    assert_int_equal(world->link->transport.octets - before, world->loop->large.size);
    assert_true(said < 2 * world->loop->large.size + ((size_t)1 << 20));
    assert_int_equal(poplin_loop_timeout(world->loop), -1); /* nobody waits: no deadline, nothing to do */
}

/* holds: POP-ML-10 C, T-FRM-4 C */
static void an_end_in_the_middle_of_a_body_is_a_failure(void **state) {
    struct world *world = *state;

    open_whole(world);
    submit(world, POPLIN_RETR, 1, 1);
    peer_hear(&world->peer, "RETR 1\r\n");
    peer_say(&world->peer, "+OK\r\nSubject: half\r\n");
    peer_close(&world->peer);
    expect(world, POPLIN_CLIENT_REPLY);
    expect(world, POPLIN_CLIENT_BODY);
    expect_failure(world, POPLIN_ERR_CLOSED, "closed");
}

static void the_last_words_of_a_server_are_heard(void **state) {
    struct world *world = *state;

    assert_ptr_equal(signal(SIGPIPE, SIG_DFL), SIG_DFL);
    open_whole(world);
    peer_say(&world->peer, "-ERR [SYS/TEMP] shutting down\r\n");
    peer_close(&world->peer);
    submit(world, POPLIN_STAT, 0, 1);
    poplin_client_event event = expect(world, POPLIN_CLIENT_REPLY);
    assert_int_equal(event.status, POPLIN_ERR_TEMPORARY);
    expect_failure(world, POPLIN_ERR_CLOSED, "closed");
}

/* ---- deadlines ---- */

static void a_silent_server_is_timed_out_while_somebody_waits(void **state) {
    struct world *world = *state;
    poplin_client_event event;

    world->config.reply_ms = 5000;
    open_whole(world);
    submit(world, POPLIN_STAT, 0, 1);
    assert_int_equal(poplin_link_next(world->link, &event), POPLIN_NEED_INPUT);
    poplin_loop_advance(world->loop, 4000);
    peer_say(&world->peer, "+O"); /* half an answer: the silence begins anew */
    step(world);
    assert_int_equal(poplin_link_next(world->link, &event), POPLIN_NEED_INPUT);
    poplin_loop_advance(world->loop, 4000);
    step(world);
    assert_int_equal(poplin_link_next(world->link, &event), POPLIN_NEED_INPUT);
    poplin_loop_advance(world->loop, 1000);
    expect_failure(world, POPLIN_ERR_TIMEOUT, "nothing for 5 s");
    peer_hear(&world->peer, "STAT\r\n");
    peer_hear_end(&world->peer); /* and no QUIT */
}

static void an_expired_deadline_is_only_a_suspicion(void **state) {
    struct world *world = *state;
    poplin_client_event event;

    world->config.reply_ms = 5000;
    open_whole(world);
    submit(world, POPLIN_STAT, 0, 1);
    assert_int_equal(poplin_link_next(world->link, &event), POPLIN_NEED_INPUT);
    step(world);
    poplin_loop_advance(world->loop, 6000);
    step(world);
    assert_true(world->link->reply.expired);
    peer_say(&world->peer, "+OK 1 1\r\n"); /* no step has seen it */
    assert_int_equal(poplin_link_next(world->link, &event), POPLIN_OK);
    assert_int_equal(event.kind, POPLIN_CLIENT_REPLY);
}

static void a_deadline_does_not_run_while_nobody_waits(void **state) {
    struct world *world = *state;

    world->config.reply_ms = 5000;
    open_whole(world);
    submit(world, POPLIN_STAT, 0, 1);
    step(world);
    assert_int_equal(poplin_loop_timeout(world->loop), -1);
    poplin_loop_advance(world->loop, 3600000);
    step(world);
    assert_null(poplin_link_error(world->link));
    peer_hear(&world->peer, "STAT\r\n");
    peer_say(&world->peer, "+OK 1 1\r\n");
    expect(world, POPLIN_CLIENT_REPLY);
    assert_int_equal(poplin_loop_timeout(world->loop), -1);
}

/* holds: T-FRM-3 C */
static void a_reply_without_end_meets_the_total(void **state) {
    struct world *world = *state;
    poplin_client_event event;

    world->config.reply_ms = 5000;
    world->config.total_ms = 20000;
    open_whole(world);
    submit(world, POPLIN_STAT, 0, 1);
    for (int i = 0; poplin_link_next(world->link, &event) == POPLIN_NEED_INPUT; i++) {
        assert_true(i < 7);
        peer_say(&world->peer, "+");
        poplin_loop_advance(world->loop, 4000);
        step(world);
    }
    expect_failure(world, POPLIN_ERR_TIMEOUT, "within 20 s");
}

/* holds: T-STLS-17 C */
static void a_mute_port_may_want_tls(void **state) {
    struct world *world = *state;

    world->config.reply_ms = 1500;
    open_link(world, NULL);
    assert_int_equal(poplin_link_opened(world->link), POPLIN_NEED_INPUT);
    poplin_loop_advance(world->loop, 1500);
    expect_failure(world, POPLIN_ERR_TIMEOUT, "nothing for 1500 ms; if this port speaks TLS");
    assert_string_equal(poplin_link_error(world->link)->doing, "waiting for the greeting");
}

static void connecting_has_a_deadline_for_all_addresses(void **state) {
    struct world *world = *state;
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
    close(world->config.descriptor);
    world->config.descriptor = -1;
    world->config.host = "127.0.0.1";
    world->config.port = ntohs(address.sin_port);
    world->config.connect_ms = 7000;
    open_link(world, NULL);
    step(world);
    poplin_loop_advance(world->loop, 6999);
    step(world);
    assert_null(poplin_link_error(world->link));
    poplin_loop_advance(world->loop, 1);
    expect_failure(world, POPLIN_ERR_TIMEOUT, "no connection within 7 s");
    assert_string_equal(poplin_link_error(world->link)->doing, "connecting to 127.0.0.1");
    for (size_t i = 0; i < COUNT_OF(fillers); i++)
        close(fillers[i]);
    close(listener);
}

/* ---- the end ---- */

static void quit_ends_in_good_order(void **state) {
    struct world *world = *state;

    open_whole(world);
    submit(world, POPLIN_QUIT, 0, 1);
    peer_hear(&world->peer, "QUIT\r\n");
    peer_say(&world->peer, "+OK bye\r\n");
    expect(world, POPLIN_CLIENT_REPLY);
    peer_close(&world->peer);
    expect(world, POPLIN_CLIENT_CLOSED);
    expect_failure(world, POPLIN_ERR_CLOSED, "ended with QUIT");
}

static void a_server_that_does_not_close_after_quit_is_not_waited_for(void **state) {
    struct world *world = *state;
    poplin_client_event event;

    world->config.reply_ms = 5000;
    open_whole(world);
    submit(world, POPLIN_QUIT, 0, 1);
    peer_hear(&world->peer, "QUIT\r\n");
    peer_say(&world->peer, "+OK bye\r\n");
    expect(world, POPLIN_CLIENT_REPLY);
    assert_int_equal(poplin_link_next(world->link, &event), POPLIN_NEED_INPUT);
    poplin_loop_advance(world->loop, 5000);
    expect(world, POPLIN_CLIENT_CLOSED);
}

/* holds: POP-UPD-6 C, T-API-2 C */
static void an_abandoned_link_sends_no_quit(void **state) {
    struct world *world = *state;

    open_whole(world);
    submit(world, POPLIN_DELE, 1, 1);
    peer_hear(&world->peer, "DELE 1\r\n");
    peer_say(&world->peer, "+OK\r\n");
    expect(world, POPLIN_CLIENT_REPLY);
    poplin_link_free(world->link);
    world->link = NULL;
    peer_hear_end(&world->peer);
}

static void a_cancelled_link_fails_and_sends_no_quit(void **state) {
    struct world *world = *state;
    poplin_client_event event;

    open_whole(world);
    submit(world, POPLIN_STAT, 0, 1);
    assert_int_equal(poplin_link_next(world->link, &event), POPLIN_NEED_INPUT);
    submit(world, POPLIN_QUIT, 0, 2);
    poplin_link_cancel(world->link);
    poplin_link_cancel(world->link);
    expect_failure(world, POPLIN_ERR_CANCELLED, "");
    assert_int_equal(poplin_link_submit(world->link, &(poplin_command){.verb = POPLIN_NOOP}, 3), POPLIN_ERR_CANCELLED);
    peer_hear(&world->peer, "STAT\r\n");
    peer_hear_end(&world->peer);
}

static void tell(void *context) {
    ++*(int *)context;
}

static void cancelling_wakes_whoever_waits(void **state) {
    struct world *world = *state;
    int calls = 0;

    open_whole(world);
    step(world);
    poplin_link_on_ready(world->link, tell, &calls);
    poplin_link_cancel(world->link);
    assert_int_equal(calls, 0); /* never from inside a call */
    assert_int_equal(poplin_loop_timeout(world->loop), 0);
    step(world);
    assert_int_equal(calls, 1);
}

/* ---- hooks ---- */

struct visitor {
    struct world *world;
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
    struct world *world = *state;
    struct visitor visitor = {.world = world};
    poplin_link_config config = world->config;

    config.descriptor = peer_open(&visitor.peer, world->loop);
    assert_int_equal(poplin_link_open(world->loop, &config, NULL, &visitor.other), POPLIN_OK);
    open_whole(world);
    poplin_link_on_ready(world->link, block_on_the_other, &visitor);
    peer_say(&world->peer, "+");
    while (!visitor.answered)
        assert_int_equal(poplin_loop_step(world->loop, -1), POPLIN_OK);
    poplin_link_on_ready(world->link, NULL, NULL);
    poplin_link_free(visitor.other);
    peer_close(&visitor.peer);
}

static void free_the_link(void *context) {
    struct world *world = context;

    poplin_link_free(world->link);
    world->link = NULL;
}

static void a_callback_may_free_its_link(void **state) {
    struct world *world = *state;

    open_whole(world);
    poplin_link_on_ready(world->link, free_the_link, world);
    peer_say(&world->peer, "+");
    while (world->link)
        assert_int_equal(poplin_loop_step(world->loop, -1), POPLIN_OK);
    step(world);
}

/* What an embedding host lives by: a submit makes the loop want a step at once. */
static void a_submit_marks_the_loop(void **state) {
    struct world *world = *state;
    struct pollfd backend = {.fd = poplin_loop_fileno(world->loop), .events = POLLIN};

    open_whole(world);
    step(world);
    assert_int_equal(poplin_loop_timeout(world->loop), -1);
    submit(world, POPLIN_NOOP, 0, 1);
    peer_hear_nothing(&world->peer);
    assert_int_equal(poplin_loop_timeout(world->loop), 0);
    step(world);
    peer_hear(&world->peer, "NOOP\r\n");
    assert_int_equal(poplin_loop_timeout(world->loop), -1);
    assert_int_equal(poll(&backend, 1, 0), 0);
    peer_say(&world->peer, "+OK\r\n");
    assert_int_equal(poll(&backend, 1, 0), 1);
}

/* ---- fork ---- */

static bool a_child_is_refused(struct world *world) {
    poplin_client_event event;
    poplin_link *another;
    poplin_link_config config = world->config;
    const poplin_command command = {.verb = POPLIN_QUIT};
    config.descriptor = dup(world->peer.descriptor);
    bool refused = poplin_link_next(world->link, &event) == POPLIN_ERR_STATE &&
                   poplin_link_opened(world->link) == POPLIN_ERR_STATE &&
                   poplin_link_wait(world->link, 0) == POPLIN_ERR_STATE &&
                   poplin_link_submit(world->link, &command, 9) == POPLIN_ERR_STATE &&
                   poplin_link_open(world->loop, &config, NULL, &another) == POPLIN_ERR_STATE;
    bool closed = fcntl(config.descriptor, F_GETFD) == -1; /* owned from open on, also where open fails */
    poplin_link_cancel(world->link);
    poplin_link_free(world->link);
    poplin_loop_free(world->loop);
    return refused && closed;
}

static void fork_and_check(struct world *world) {
    pid_t child = fork();

    if (child == 0)
        report(a_child_is_refused(world));
    expect_report(child);
}

static void a_forked_child_leaves_the_connection_alone(void **state) {
    struct world *world = *state;

    open_whole(world);
    submit(world, POPLIN_STAT, 0, 1);
    fork_and_check(world);
    peer_hear_nothing(&world->peer);
    peer_hear(&world->peer, "STAT\r\n");
    peer_say(&world->peer, "+OK 1 1\r\n");
    expect(world, POPLIN_CLIENT_REPLY);
}

/* ---- TLS ---- */

static void make_certificates(struct world *world) {
    static const char *const names[] = {"pop.example.org"};
    poplin_tls_throwaway throwaway;

    assert_int_equal(poplin_tls_throwaway_new(names, 1, &throwaway), POPLIN_OK);
    const poplin_tls_trust trust = {.verify = true, .ca_pem = {throwaway.ca_pem, strlen(throwaway.ca_pem)}};
    const poplin_slice cert = {throwaway.cert_pem, strlen(throwaway.cert_pem)};
    const poplin_slice key = {throwaway.key_pem, strlen(throwaway.key_pem)};
    assert_int_equal(poplin_tls_client_credentials(&trust, &world->trust, NULL), POPLIN_OK);
    assert_int_equal(poplin_tls_server_credentials_pem(cert, key, &world->identity, NULL), POPLIN_OK);
    poplin_tls_throwaway_free(&throwaway);
    world->config.credentials = world->trust;
    world->config.host = "pop.example.org";
    world->config.loopback_protected = false;
}

static void open_under_tls(struct world *world) {
    const poplin_credentials login = {SLICE("alice"), SLICE("secret")};

    make_certificates(world);
    world->config.client.tls = POPLIN_TLS_IMPLICIT;
    open_link(world, &login);
    peer_shake(&world->peer, world->identity);
    greet(world);
    peer_hear(&world->peer, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n");
    peer_say(&world->peer, "+OK\r\n");
    assert_int_equal(wait_until_opened(world), POPLIN_OK);
    poplin_link_on_ready(world->link, NULL, NULL);
}

/* holds: POP-TLS-1 C, POP-TLS-15 C, T-STLS-15 C */
static void implicit_tls_from_the_first_octet_to_close_notify(void **state) {
    struct world *world = *state;

    open_under_tls(world);
    assert_non_null(poplin_link_tls(world->link));
    assert_non_null(strstr(poplin_link_tls(world->link), "TLS1."));
    assert_true(poplin_link_protected(world->link));
    submit(world, POPLIN_QUIT, 0, 1);
    peer_hear(&world->peer, "QUIT\r\n");
    peer_say(&world->peer, "+OK bye\r\n");
    expect(world, POPLIN_CLIENT_REPLY);
    poplin_link_free(world->link);
    world->link = NULL;
    peer_hear_end(&world->peer); /* which is close_notify here */
}

static void a_large_message_passes_under_tls(void **state) {
    struct world *world = *state;
    const size_t size = (size_t)2 << 20, piece = 50000;
    char *message = make_message(size), *taken = malloc(size);
    size_t got = 0, sent = 0;
    poplin_client_event event = {0};

    open_under_tls(world);
    submit(world, POPLIN_RETR, 1, 1);
    peer_hear(&world->peer, "RETR 1\r\n");
    peer_say(&world->peer, "+OK\r\n");
    while (event.kind != POPLIN_CLIENT_END) {
        if (sent < size) {
            size_t n = size - sent < piece ? size - sent : piece;
            peer_say_octets(&world->peer, message + sent, n);
            sent += n;
            if (sent == size)
                peer_say(&world->peer, ".\r\n");
        }
        int status = poplin_link_next(world->link, &event);
        if (status == POPLIN_NEED_INPUT)
            assert_int_equal(poplin_link_wait(world->link, sent < size ? 0 : -1), POPLIN_OK);
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
    step(world);
    assert_int_equal(poplin_link_next(world->link, &event), POPLIN_NEED_INPUT);
    assert_int_equal(poplin_link_next(world->link, &event), POPLIN_NEED_INPUT);
    assert_null(world->link->transport.raw.data);
    assert_null(world->link->transport.plain.data);
    free(message);
    free(taken);
}

/* holds: T-TLS-9 C, POP-TLS-16 C */
static void a_cut_under_tls_is_a_truncation(void **state) {
    struct world *world = *state;

    open_under_tls(world);
    submit(world, POPLIN_RETR, 1, 1);
    peer_hear(&world->peer, "RETR 1\r\n");
    peer_say(&world->peer, "+OK\r\nSubject: half\r\n");
    peer_close(&world->peer);
    expect(world, POPLIN_CLIENT_REPLY);
    expect(world, POPLIN_CLIENT_BODY);
    expect_failure(world, POPLIN_ERR_CLOSED, "TLS was cut");
}

/* holds: T-TLS-10 C */
static void close_notify_in_the_middle_of_a_reply_is_a_truncation_too(void **state) {
    struct world *world = *state;

    open_under_tls(world);
    submit(world, POPLIN_RETR, 1, 1);
    peer_hear(&world->peer, "RETR 1\r\n");
    peer_say(&world->peer, "+OK\r\nSubject: half\r\n");
    assert_int_equal(poplin_tls_close(world->peer.tls), POPLIN_OK);
    peer_flush(&world->peer);
    expect(world, POPLIN_CLIENT_REPLY);
    expect(world, POPLIN_CLIENT_BODY);
    expect_failure(world, POPLIN_ERR_CLOSED, "before its reply was complete");
}

/* holds: T-TLS-1 C */
static void an_unknown_authority_ends_the_link_before_any_secret(void **state) {
    struct world *world = *state;
    const poplin_credentials login = {SLICE("alice"), SLICE("secret")};

    make_certificates(world);
    world->config.client.tls = POPLIN_TLS_IMPLICIT;
    world->config.credentials = NULL; /* the system's authorities */
    open_link(world, &login);
    assert_int_equal(poplin_tls_server_new(world->identity, &world->peer.tls), POPLIN_OK);
    peer_lend(&world->peer);
    (void)poplin_tls_handshake(world->peer.tls);
    peer_flush(&world->peer);
    expect_failure(world, POPLIN_ERR_CERTIFICATE, "");
    assert_string_equal(poplin_link_error(world->link)->host, "pop.example.org");
    assert_null(poplin_link_client(world->link) ? poplin_client_mechanism(poplin_link_client(world->link)) : NULL);
}

static void begin_stls(struct world *world) {
    const poplin_credentials login = {SLICE("alice"), SLICE("secret")};

    make_certificates(world);
    world->config.client.tls = POPLIN_TLS_STLS;
    open_link(world, &login);
    greet(world);
    peer_hear(&world->peer, "STLS\r\n");
}

/* holds: POP-STLS-2 C, POP-STLS-5 C, T-STLS-12 C */
static void stls_upgrades_the_link(void **state) {
    struct world *world = *state;

    begin_stls(world);
    peer_say(&world->peer, "+OK begin\r\n");
    peer_shake(&world->peer, world->identity);
    peer_hear(&world->peer, "CAPA\r\n");
    peer_say(&world->peer, "+OK\r\nUSER\r\n.\r\n");
    peer_hear(&world->peer, "USER alice\r\n"); /* PLAIN was offered in clear only: that list is forgotten */
    peer_say(&world->peer, "+OK\r\n");
    peer_hear(&world->peer, "PASS secret\r\n");
    peer_say(&world->peer, "+OK\r\n");
    assert_int_equal(wait_until_opened(world), POPLIN_OK);
    assert_non_null(poplin_link_tls(world->link));
}

/* The injected octets are in the socket, behind an answer that was read before they came. holds: T-STLS-4 C, POP-STLS-4 C */
static void octets_in_clear_behind_stls_end_the_link(void **state) {
    struct world *world = *state;

    begin_stls(world);
    poplin_link_on_ready(world->link, NULL, NULL);
    peer_say(&world->peer, "+OK begin\r\n");
    step(world);
    assert_true(world->link->transport.raw.end > 0);
    peer_say(&world->peer, "+OK injected\r\n");
    expect_failure(world, POPLIN_ERR_PROTOCOL, "in clear behind");
    peer_hear_end(&world->peer);
}

/* holds: T-STLS-13 C */
static void a_handshake_that_does_not_come_has_its_own_deadline(void **state) {
    struct world *world = *state;
    char hello[16384];

    world->config.handshake_ms = 9000;
    begin_stls(world);
    peer_say(&world->peer, "+OK begin\r\n");
    assert_true(peer_receive(&world->peer, hello, sizeof hello) > 0);
    poplin_loop_advance(world->loop, 9000);
    expect_failure(world, POPLIN_ERR_TIMEOUT, "within 9 s");
    assert_string_equal(poplin_link_error(world->link)->doing, "TLS handshake");
}

/* holds: T-STLS-17 C, T-STLS-14 C */
static void a_clear_greeting_on_a_tls_port_is_told_as_such(void **state) {
    struct world *world = *state;

    make_certificates(world);
    world->config.client.tls = POPLIN_TLS_IMPLICIT;
    open_link(world, NULL);
    peer_say(&world->peer, "+OK ready\r\n");
    expect_failure(world, POPLIN_ERR_TLS, "use pop3://");
}

/* holds: T-STLS-17 C */
static void tls_on_a_clear_port_is_told_as_such(void **state) {
    struct world *world = *state;

    open_link(world, NULL);
    peer_say_octets(&world->peer, "\x15\x03\x01\x00\x02\x02\x28\r\n", 9);
    expect_failure(world, POPLIN_ERR_PROTOCOL, "use pop3s://");
}

static void a_forked_child_sends_no_alert(void **state) {
    struct world *world = *state;

    open_under_tls(world);
    fork_and_check(world);
    peer_hear_nothing(&world->peer);
    submit(world, POPLIN_NOOP, 0, 1);
    peer_hear(&world->peer, "NOOP\r\n");
    peer_say(&world->peer, "+OK\r\n");
    expect(world, POPLIN_CLIENT_REPLY);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make, destroy)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_link_opens_and_answers_commands),
        TEST(an_idle_link_holds_no_buffer_and_misses_nothing),
        TEST(a_refused_login_leaves_the_link_up),
        TEST(a_strict_link_sends_no_password_in_clear),
        TEST(a_login_that_cannot_be_sent_is_refused_before_anything_is),
        TEST(a_limit_of_nothing_is_refused),
        TEST(what_does_not_fit_the_state_is_explained),
        TEST(what_comes_before_the_login_does_not_fit_behind_it),
        TEST(nothing_can_be_submitted_before_the_connection_stands),
        TEST(an_address_is_needed),
        TEST(a_refused_connection_says_where_and_why),
        TEST(body_slices_live_until_more_is_needed),
        TEST(a_host_that_does_not_pull_slows_the_server),
        TEST(an_end_in_the_middle_of_a_body_is_a_failure),
        TEST(the_last_words_of_a_server_are_heard),
        TEST(a_silent_server_is_timed_out_while_somebody_waits),
        TEST(an_expired_deadline_is_only_a_suspicion),
        TEST(a_deadline_does_not_run_while_nobody_waits),
        TEST(a_reply_without_end_meets_the_total),
        TEST(a_mute_port_may_want_tls),
        TEST(connecting_has_a_deadline_for_all_addresses),
        TEST(quit_ends_in_good_order),
        TEST(a_server_that_does_not_close_after_quit_is_not_waited_for),
        TEST(an_abandoned_link_sends_no_quit),
        TEST(a_cancelled_link_fails_and_sends_no_quit),
        TEST(cancelling_wakes_whoever_waits),
        TEST(a_callback_may_wait_on_the_same_loop),
        TEST(a_callback_may_free_its_link),
        TEST(a_submit_marks_the_loop),
        TEST(a_forked_child_leaves_the_connection_alone),
        TEST(implicit_tls_from_the_first_octet_to_close_notify),
        TEST(a_large_message_passes_under_tls),
        TEST(a_cut_under_tls_is_a_truncation),
        TEST(close_notify_in_the_middle_of_a_reply_is_a_truncation_too),
        TEST(an_unknown_authority_ends_the_link_before_any_secret),
        TEST(stls_upgrades_the_link),
        TEST(octets_in_clear_behind_stls_end_the_link),
        TEST(a_handshake_that_does_not_come_has_its_own_deadline),
        TEST(a_clear_greeting_on_a_tls_port_is_told_as_such),
        TEST(tls_on_a_clear_port_is_told_as_such),
        TEST(a_forked_child_sends_no_alert),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
