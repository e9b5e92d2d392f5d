/*
 * test_link_tls.c - one client connection under TLS, from the first octet or by STLS, and who breaks it off.
 */
#include "linked.h"

#include <arpa/inet.h>
#include <netinet/in.h>

/* ---- TLS from the first octet ---- */

/* holds: POP-TLS-1 C, POP-TLS-15 C, T-STLS-15 C */
static void implicit_tls_from_the_first_octet_to_close_notify(void **state) {
    struct linked *linked = *state;

    linked_use_tls(linked);
    linked_open(linked);
    assert_non_null(poplin_link_tls(linked->link));
    assert_non_null(strstr(poplin_link_tls(linked->link), "TLS1."));
    assert_true(poplin_link_protected(linked->link));
    linked_submit(linked, POPLIN_QUIT, 0, 1);
    peer_hear(&linked->peer, "QUIT\r\n");
    peer_say(&linked->peer, "+OK bye\r\n");
    linked_expect(linked, POPLIN_CLIENT_REPLY);
    poplin_link_free(linked->link);
    linked->link = NULL;
    peer_hear_end(&linked->peer); /* which is close_notify here */
}

/* holds: T-TLS-9 C, POP-TLS-16 C */
static void a_cut_under_tls_is_a_truncation(void **state) {
    struct linked *linked = *state;

    linked_use_tls(linked);
    linked_open(linked);
    linked_submit(linked, POPLIN_RETR, 1, 1);
    peer_hear(&linked->peer, "RETR 1\r\n");
    peer_say(&linked->peer, "+OK\r\nSubject: half\r\n");
    peer_close(&linked->peer);
    linked_expect(linked, POPLIN_CLIENT_REPLY);
    linked_expect(linked, POPLIN_CLIENT_BODY);
    linked_expect_failure(linked, POPLIN_ERR_CLOSED, "TLS was cut");
}

/* holds: T-TLS-10 C */
static void close_notify_in_the_middle_of_a_reply_is_a_truncation_too(void **state) {
    struct linked *linked = *state;

    linked_use_tls(linked);
    linked_open(linked);
    linked_submit(linked, POPLIN_RETR, 1, 1);
    peer_hear(&linked->peer, "RETR 1\r\n");
    peer_say(&linked->peer, "+OK\r\nSubject: half\r\n");
    assert_int_equal(poplin_tls_close(linked->peer.tls), POPLIN_OK);
    peer_flush(&linked->peer);
    linked_expect(linked, POPLIN_CLIENT_REPLY);
    linked_expect(linked, POPLIN_CLIENT_BODY);
    linked_expect_failure(linked, POPLIN_ERR_CLOSED, "before its reply was complete");
}

/* holds: T-TLS-1 C, POP-STLS-6 C */
static void an_unknown_authority_ends_the_link_before_any_secret(void **state) {
    struct linked *linked = *state;
    const poplin_credentials login = {.user = SLICE("alice"), .password = SLICE("secret")};

    linked_use_tls(linked);
    linked->config.credentials = NULL; /* the system's authorities */
    linked_begin(linked, &login);
    assert_int_equal(poplin_tls_server_new(linked->identity, &linked->peer.tls), POPLIN_OK);
    peer_lend(&linked->peer);
    (void)poplin_tls_handshake(linked->peer.tls);
    peer_flush(&linked->peer);
    linked_expect_failure(linked, POPLIN_ERR_CERTIFICATE, "");
    assert_string_equal(poplin_link_error(linked->link)->host, "pop.example.org");
    assert_null(poplin_link_client(linked->link) ? poplin_client_mechanism(poplin_link_client(linked->link)) : NULL);
}

static int listen_here(struct sockaddr_in *where) {
    socklen_t size = sizeof *where;
    *where = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(listener >= 0);
    assert_int_equal(bind(listener, (struct sockaddr *)where, size), 0);
    assert_int_equal(listen(listener, 4), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)where, &size), 0);
    assert_int_equal(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
    return listener;
}

/*
 * The server wants a lower version, or says so: that is the end, on this connection and on any other.
 *
 * holds: POP-TLS-3 C, T-TLS-8 C
 */
static void no_lower_version_is_tried_after_a_failure(void **state) {
    static const char refusal[] = "\x15\x03\x03\x00\x02\x02\x46"; /* a fatal alert, protocol_version */
    struct linked *linked = *state;
    struct sockaddr_in where;
    int listener = listen_here(&where);

    linked_use_tls(linked);
    (void)close(linked->config.descriptor);
    linked->config.descriptor = -1;
    linked->config.host = "127.0.0.1";
    linked->config.port = ntohs(where.sin_port);
    linked_begin(linked, NULL);
    peer_close(&linked->peer);
    while ((linked->peer.descriptor = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) < 0)
        assert_int_equal(poplin_loop_step(linked->loop, 0), POPLIN_OK);
    peer_say_octets(&linked->peer, refusal, sizeof refusal - 1);
    linked_expect_failure(linked, POPLIN_ERR_TLS, "ended it with the alert");
    for (int i = 0; i < 10; i++)
        linked_step(linked);
    assert_int_equal(accept(listener, NULL, NULL), -1);
    assert_int_equal(errno, EAGAIN);
    (void)close(listener);
}

/* What a connection tells of itself. */
static void the_link_tells_what_was_negotiated(void **state) {
    struct linked *linked = *state;
    poplin_tls_info info;

    linked_use_tls(linked);
    linked_begin(linked, NULL);
    assert_int_equal(poplin_link_tls_info(linked->link, &info), POPLIN_ERR_STATE);
    peer_shake(&linked->peer, linked->identity);
    linked_say_hello(linked);
    assert_int_equal(linked_opened(linked), POPLIN_OK);
    assert_int_equal(poplin_link_tls_info(linked->link, &info), POPLIN_OK);
    assert_string_equal(info.version, "TLS1.3");
    assert_string_equal(info.server_name, "pop.example.org");
    assert_int_equal(info.proof, POPLIN_TLS_PROOF_CA);
}

/*
 * The server's certificate is for pop.example.org, wherever it runs.
 *
 * holds: POP-TLS-8 C
 */
static void the_mail_domain_is_accepted_for_the_host(void **state) {
    struct linked *linked = *state;

    linked_use_tls(linked);
    linked->config.host = "mx7.provider.example";
    linked->config.mail_domain = "pop.example.org";
    linked_open(linked);
    assert_non_null(poplin_link_tls(linked->link));
}

/* ---- STLS ---- */

/* holds: POP-STLS-2 C, POP-STLS-5 C, POP-GRT-7 C */
static void stls_upgrades_the_link(void **state) {
    struct linked *linked = *state;

    linked_begin_stls(linked);
    peer_say(&linked->peer, "+OK begin\r\n");
    peer_shake(&linked->peer, linked->identity);
    peer_hear(&linked->peer, "CAPA\r\n");
    peer_say(&linked->peer, "+OK\r\nUSER\r\n.\r\n");
    peer_hear(&linked->peer, "USER alice\r\n"); /* PLAIN was offered in clear only: that list is forgotten */
    peer_say(&linked->peer, "+OK\r\n");
    peer_hear(&linked->peer, "PASS secret\r\n");
    peer_say(&linked->peer, "+OK\r\n");
    assert_int_equal(linked_opened(linked), POPLIN_OK);
    assert_non_null(poplin_link_tls(linked->link));
}

/*
 * The injected octets are in the socket, behind an answer that was read before they came.
 *
 * holds: T-STLS-4 C, POP-STLS-4 C
 */
static void octets_in_clear_behind_stls_end_the_link(void **state) {
    struct linked *linked = *state;

    linked_begin_stls(linked);
    poplin_link_on_ready(linked->link, NULL, NULL);
    peer_say(&linked->peer, "+OK begin\r\n");
    linked_step(linked);
    assert_true(linked->link->transport.raw.end > 0);
    peer_say(&linked->peer, "+OK injected\r\n");
    linked_expect_failure(linked, POPLIN_ERR_PROTOCOL, "in clear behind");
    peer_hear_end(&linked->peer);
}

/* ---- the wrong port ---- */

/* holds: T-STLS-17 C, T-STLS-14 C */
static void a_clear_greeting_on_a_tls_port_is_told_as_such(void **state) {
    struct linked *linked = *state;

    linked_use_tls(linked);
    linked_begin(linked, NULL);
    peer_say(&linked->peer, "+OK ready\r\n");
    linked_expect_failure(linked, POPLIN_ERR_TLS, "use pop3://");
}

/* holds: T-STLS-17 C */
static void tls_on_a_clear_port_is_told_as_such(void **state) {
    struct linked *linked = *state;

    linked_begin(linked, NULL);
    peer_say_octets(&linked->peer, "\x15\x03\x01\x00\x02\x02\x28\r\n", 9);
    linked_expect_failure(linked, POPLIN_ERR_PROTOCOL, "use pop3s://");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        LINKED_TEST(implicit_tls_from_the_first_octet_to_close_notify),
        LINKED_TEST(a_cut_under_tls_is_a_truncation),
        LINKED_TEST(close_notify_in_the_middle_of_a_reply_is_a_truncation_too),
        LINKED_TEST(an_unknown_authority_ends_the_link_before_any_secret),
        LINKED_TEST(no_lower_version_is_tried_after_a_failure),
        LINKED_TEST(the_link_tells_what_was_negotiated),
        LINKED_TEST(the_mail_domain_is_accepted_for_the_host),
        LINKED_TEST(stls_upgrades_the_link),
        LINKED_TEST(octets_in_clear_behind_stls_end_the_link),
        LINKED_TEST(a_clear_greeting_on_a_tls_port_is_told_as_such),
        LINKED_TEST(tls_on_a_clear_port_is_told_as_such),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
