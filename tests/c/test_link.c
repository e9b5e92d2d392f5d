/*
 * test_link.c - one client connection opens: greeting, login, what is refused before and after it.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "linked.h"

static void a_link_opens_and_answers_commands(void **state) {
    struct linked *linked = *state;

    linked_open(linked);
    assert_int_equal(poplin_link_greeting(linked->link).size, 5);
    assert_memory_equal(poplin_link_greeting(linked->link).data, "ready", 5);
    assert_null(poplin_link_tls(linked->link));
    assert_true(poplin_link_protected(linked->link));
    assert_null(poplin_link_error(linked->link));
    assert_int_equal(poplin_client_phase(poplin_link_client(linked->link)), POPLIN_TRANSACTION);
    linked_submit(linked, POPLIN_STAT, 0, 7);
    linked_submit(linked, POPLIN_NOOP, 0, 8);
    peer_hear(&linked->peer, "STAT\r\nNOOP\r\n"); /* in one write: both were submitted before the step */
    peer_say(&linked->peer, "+OK 2 320\r\n+OK\r\n");
    poplin_client_event event = linked_expect(linked, POPLIN_CLIENT_REPLY);
    assert_int_equal(event.tag, 7);
    assert_int_equal(event.count, 2);
    assert_int_equal(event.octets, 320);
    event = linked_expect(linked, POPLIN_CLIENT_REPLY);
    assert_int_equal(event.tag, 8);
    assert_int_equal(poplin_link_next(linked->link, &event), POPLIN_NEED_INPUT);
    assert_null(linked->link->transport.raw.data); /* an idle link holds no buffer */
}

static void an_idle_link_holds_no_buffer_and_misses_nothing(void **state) {
    struct linked *linked = *state;
    const poplin_command command = {.verb = POPLIN_STAT};
    poplin_call *call;

    linked_open(linked);
    assert_null(linked->link->transport.raw.data);
    assert_int_equal(poplin_link_call(linked->link, &command, false, &call), POPLIN_OK);
    peer_hear(&linked->peer, "STAT\r\n");
    peer_say(&linked->peer, "+OK 0 0\r\n+OK unasked\r\n");
    while (poplin_call_done(call) == POPLIN_NEED_INPUT)
        linked_wait(linked);
    poplin_call_free(call);
    linked_expect_failure(linked, POPLIN_ERR_PROTOCOL, "");
}

/* ---- acknowledgements, which a server waits for that sends a reply in pieces ---- */

#ifdef TCP_QUICKACK
/* Link and peer get the ends of a connection of TCP. */
static void use_tcp(struct linked *linked) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    peer_close(&linked->peer);
    close(linked->config.descriptor);
    linked->config.descriptor = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(linked->config.descriptor, (struct sockaddr *)&address, size), 0);
    linked->peer.descriptor = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(linked->peer.descriptor >= 0);
    close(listener);
}

static void allow_delay(const struct linked *linked) {
    const int off = 0;
    assert_int_equal(
        setsockopt(poplin_watch_descriptor(linked->link->transport.watch), IPPROTO_TCP, TCP_QUICKACK, &off, sizeof off),
        0);
}

static bool is_acknowledged_at_once(const struct linked *linked) {
    int value = 0;
    socklen_t size = sizeof value;
    assert_int_equal(
        getsockopt(poplin_watch_descriptor(linked->link->transport.watch), IPPROTO_TCP, TCP_QUICKACK, &value, &size),
        0);
    return value != 0;
}

/* The link asks again after more octets have come, of a reply that is not complete. */
static void say_a_piece(struct linked *linked, const char *text) {
    poplin_client_event event;
    uint64_t before = linked->link->transport.octets;

    assert_int_equal(poplin_link_next(linked->link, &event), POPLIN_NEED_INPUT);
    peer_say(&linked->peer, text);
    while (linked->link->transport.octets == before)
        linked_wait(linked);
    assert_int_equal(poplin_link_next(linked->link, &event), POPLIN_NEED_INPUT);
}

static void a_piece_of_a_reply_is_acknowledged_at_once(void **state) {
    struct linked *linked = *state;

    use_tcp(linked);
    linked_open(linked);
    linked_submit(linked, POPLIN_NOOP, 0, 7);
    peer_hear(&linked->peer, "NOOP\r\n");
    allow_delay(linked);
    say_a_piece(linked, "+OK ");
    assert_true(is_acknowledged_at_once(linked));
    peer_say(&linked->peer, "done\r\n");
    (void)linked_expect(linked, POPLIN_CLIENT_REPLY);

    linked_submit(linked, POPLIN_NOOP, 0, 8);
    peer_hear(&linked->peer, "NOOP\r\n");
    allow_delay(linked);
    peer_say(&linked->peer, "+OK done\r\n");
    (void)linked_expect(linked, POPLIN_CLIENT_REPLY);
    assert_false(is_acknowledged_at_once(linked)); /* the next command does that */
}

/* A server that writes each reply by itself waits for that as well. */
static void replies_to_commands_in_flight_are_acknowledged_at_once(void **state) {
    struct linked *linked = *state;
    poplin_client_event event;

    use_tcp(linked);
    linked_open(linked);
    for (uint64_t tag = 1; tag <= 3; tag++)
        linked_submit(linked, POPLIN_NOOP, 0, tag);
    peer_hear(&linked->peer, "NOOP\r\nNOOP\r\nNOOP\r\n");
    allow_delay(linked);
    peer_say(&linked->peer, "+OK\r\n");
    (void)linked_expect(linked, POPLIN_CLIENT_REPLY);
    assert_int_equal(poplin_link_next(linked->link, &event), POPLIN_NEED_INPUT);
    assert_true(is_acknowledged_at_once(linked));
}
#endif

/* ---- what is refused ---- */

/* holds: POP-ST-5 C */
static void a_refused_login_leaves_the_link_up(void **state) {
    struct linked *linked = *state;
    const poplin_credentials login = {.user = SLICE("alice"), .password = SLICE("wrong")};
    poplin_client_event event;

    linked_begin(linked, &login);
    linked_say_hello(linked);
    peer_hear(&linked->peer, "AUTH PLAIN AGFsaWNlAHdyb25n\r\n");
    peer_say(&linked->peer, "-ERR [AUTH] no such user\r\n");
    assert_int_equal(linked_opened(linked), POPLIN_ERR_AUTH);
    assert_int_equal(poplin_link_opened(linked->link), POPLIN_ERR_AUTH);
    assert_null(poplin_link_error(linked->link));
    assert_non_null(poplin_link_refusal(linked->link));
    assert_non_null(strstr(poplin_link_refusal(linked->link)->peer, "no such user"));
    assert_string_equal(poplin_link_refusal(linked->link)->doing, "login");
    linked_submit(linked, POPLIN_QUIT, 0, 1);
    peer_hear(&linked->peer, "QUIT\r\n");
    peer_say(&linked->peer, "+OK\r\n");
    peer_close(&linked->peer);
    linked_expect(linked, POPLIN_CLIENT_REPLY);
    linked_expect(linked, POPLIN_CLIENT_CLOSED);
    assert_int_equal(linked_event(linked, &event), POPLIN_ERR_CLOSED);
}

/* holds: POP-TLS-20 C, POP-TLS-17 C */
static void a_strict_link_sends_no_password_in_clear(void **state) {
    struct linked *linked = *state;
    const poplin_credentials login = {.user = SLICE("alice"), .password = SLICE("secret")};

    linked->config.client.tls = POPLIN_TLS_AUTO;
    linked->config.loopback_protected = false;
    linked_begin(linked, &login);
    linked_say_hello(linked);
    peer_hear(&linked->peer, "STLS\r\n");
    peer_say(&linked->peer, "-ERR not now\r\n");
    linked_expect_failure(linked, POPLIN_ERR_TLS, "refused STLS");
    assert_false(poplin_link_protected(linked->link));
    peer_hear_end(&linked->peer);
}

static void a_login_that_cannot_be_sent_is_refused_before_anything_is(void **state) {
    struct linked *linked = *state;
    const poplin_credentials login = {.user = SLICE("alice"), .password = SLICE("sec\r\nDELE 1")};

    assert_int_equal(poplin_link_open(linked->loop, &linked->config, &login, &linked->link), POPLIN_ERR_PROTOCOL);
    assert_null(linked->link);
    peer_hear_end(&linked->peer);
}

static void a_limit_of_nothing_is_refused(void **state) {
    struct linked *linked = *state;

    linked->config.client.max_line = 0;
    assert_int_equal(poplin_link_open(linked->loop, &linked->config, NULL, &linked->link), POPLIN_ERR_LIMIT);
    assert_null(linked->link);
    peer_hear_end(&linked->peer);
}

static void an_address_is_needed(void **state) {
    struct linked *linked = *state;
    poplin_link_config config;
    poplin_link *link;

    poplin_link_config_init(&config);
    assert_int_equal(poplin_link_open(linked->loop, &config, NULL, &link), POPLIN_ERR_STATE);
    assert_null(link);
    close(linked->config.descriptor);
}

static void a_refused_connection_says_where_and_why(void **state) {
    struct linked *linked = *state;
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int reserved = socket(AF_INET, SOCK_STREAM, 0);
    char where[64];

    assert_int_equal(bind(reserved, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(reserved, (struct sockaddr *)&address, &size), 0);
    close(linked->config.descriptor);
    linked->config.descriptor = -1;
    linked->config.host = "127.0.0.1";
    linked->config.port = ntohs(address.sin_port);
    linked_begin(linked, NULL);
    linked_expect_failure(linked, POPLIN_ERR_IO, "Connection refused (nothing listens there)");
    (void)snprintf(where, sizeof where, "127.0.0.1:%u", (unsigned)linked->config.port);
    assert_string_equal(poplin_link_error(linked->link)->host, where);
    assert_string_equal(poplin_link_error(linked->link)->doing, "connecting");
    close(reserved);
}

/* ---- what does not fit the state ---- */

static void expect_reason(const struct linked *linked, enum poplin_verb verb, const char *reason) {
    poplin_error error;

    poplin_link_explain(linked->link, verb, &error);
    assert_int_equal(error.status, POPLIN_ERR_STATE);
    assert_non_null(strstr(error.reason, reason));
    assert_string_equal(error.doing, verb == POPLIN_NO_VERB ? "" : poplin_verb_name(verb));
}

static void what_does_not_fit_the_state_is_explained(void **state) {
    struct linked *linked = *state;

    linked_begin(linked, NULL);
    expect_reason(linked, POPLIN_STAT, "wait for that first");
    linked_say_hello(linked);
    assert_int_equal(linked_opened(linked), POPLIN_OK);
    expect_reason(linked, POPLIN_STAT, "log in first");
    expect_reason(linked, POPLIN_NO_VERB, "what was asked for before");
}

static void what_comes_before_the_login_does_not_fit_behind_it(void **state) {
    struct linked *linked = *state;

    linked_open(linked);
    expect_reason(linked, POPLIN_STLS, "only before the login");
    expect_reason(linked, POPLIN_NO_VERB, "only before the login");
}

static void nothing_can_be_submitted_before_the_connection_stands(void **state) {
    struct linked *linked = *state;
    const poplin_command command = {.verb = POPLIN_NOOP};

    linked_begin(linked, NULL);
    assert_null(poplin_link_client(linked->link));
    assert_int_equal(poplin_link_submit(linked->link, &command, 1), POPLIN_ERR_STATE);
    assert_null(poplin_link_greeting(linked->link).data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        LINKED_TEST(a_link_opens_and_answers_commands),
        LINKED_TEST(an_idle_link_holds_no_buffer_and_misses_nothing),
#ifdef TCP_QUICKACK
        LINKED_TEST(a_piece_of_a_reply_is_acknowledged_at_once),
        LINKED_TEST(replies_to_commands_in_flight_are_acknowledged_at_once),
#endif
        LINKED_TEST(a_refused_login_leaves_the_link_up),
        LINKED_TEST(a_strict_link_sends_no_password_in_clear),
        LINKED_TEST(a_login_that_cannot_be_sent_is_refused_before_anything_is),
        LINKED_TEST(a_limit_of_nothing_is_refused),
        LINKED_TEST(an_address_is_needed),
        LINKED_TEST(a_refused_connection_says_where_and_why),
        LINKED_TEST(what_does_not_fit_the_state_is_explained),
        LINKED_TEST(what_comes_before_the_login_does_not_fit_behind_it),
        LINKED_TEST(nothing_can_be_submitted_before_the_connection_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
