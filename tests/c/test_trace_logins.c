/*
 * test_trace_logins.c - the trace of both sides, link and server on one loop, for each way to log in: TLS is told, logins are told,
 * and no secret is.
 */
#include "secured.h"
#include "served.h"

#include <poplin/background.h>
#include <poplin/link.h>

#include "testkit/secrets.h"
#include "traced.h"
#include "wire/grammar.h"

static const char PASSWORD[] = "Sesame-0pen-Sesame";
static const char TOKEN[] = "ya29.a0AfH6-token-of-carol";

static struct traced traced;

static void accept_token(void *context, poplin_server *server, poplin_request request, poplin_slice user,
                         poplin_slice token) {
    (void)context;
    (void)user;
    if (token.size == strlen(TOKEN) && memcmp(token.data, TOKEN, token.size) == 0)
        (void)poplin_server_accept(server, request);
    else
        (void)poplin_server_refuse(server, request, POPLIN_ERR_AUTH, NULL);
}

/* A server that offers everything, with carol's mail; the loop is traced. */
static void start(struct served *served, enum poplin_tls_mode mode, unsigned kinds) {
    static const char all[] = "SCRAM-SHA-256-PLUS SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN CRAM-MD5 USER APOP OAUTHBEARER "
                              "XOAUTH2";
    poplin_backend backend = *poplin_memory_backend();
    backend.token = accept_token;
    assert_int_equal(poplin_memory_add_user(served->memory, SLICE("carol"), poplin_slice_of(PASSWORD)), POPLIN_OK);
    assert_int_equal(poplin_memory_deliver(served->memory, SLICE("carol"), "Subject: x\n\nhello\n", 18, NULL),
                     POPLIN_OK);
    served->config.credentials = mode == POPLIN_TLS_NEVER ? NULL : secure.identity;
    served->config.tls = mode;
    served->config.session.mechanisms = all;
    traced_begin(&traced, served->loop, kinds);
    served_start(served, &backend, served->memory);
}

/* A link that logs in by this; what came of it. */
static int log_in_at(struct served *served, uint16_t port, const char *mechanism, const char *secret,
                     poplin_link **link) {
    poplin_link_config config;
    poplin_credentials login = {.user = SLICE("carol")};
    bool token = strstr(mechanism, "OAUTH") != NULL;
    int status;
    poplin_link_config_init(&config);
    config.host = "127.0.0.1";
    config.port = port;
    config.credentials = served->config.credentials != NULL ? secure.trust : NULL;
    config.client.tls = served->config.tls;
    config.client.mechanisms = mechanism;
    *(token ? &login.token : &login.password) = poplin_slice_of(secret);
    assert_int_equal(poplin_link_open(served->loop, &config, &login, link), POPLIN_OK);
    while ((status = poplin_link_opened(*link)) == POPLIN_NEED_INPUT)
        assert_int_equal(poplin_link_wait(*link, -1), POPLIN_OK);
    return status;
}

static int log_in(struct served *served, const char *mechanism, const char *secret, poplin_link **link) {
    return log_in_at(served, poplin_server_port(served->server), mechanism, secret, link);
}

static void run(poplin_link *link, enum poplin_verb verb, uint32_t number) {
    const poplin_command command = {.verb = verb, .number = number};
    poplin_call *call;
    assert_int_equal(poplin_link_call(link, &command, false, &call), POPLIN_OK);
    while (poplin_call_done(call) == POPLIN_NEED_INPUT)
        assert_int_equal(poplin_link_wait(link, -1), POPLIN_OK);
    assert_int_equal(poplin_call_reply(call)->status, POPLIN_OK);
    poplin_call_free(call);
}

/* Whether a line of an exchange, and any line at all, shows what it must not. */
static void assert_no_secret(void) {
    poplin_secrets secrets = {0};
    const char *line = traced.text;
    bool exchange[2] = {false, false};
    assert_int_equal(poplin_secrets_add(&secrets, poplin_slice_of(PASSWORD)), POPLIN_OK);
    assert_int_equal(poplin_secrets_add(&secrets, poplin_slice_of(TOKEN)), POPLIN_OK);
    for (const char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        const poplin_slice shown = {line, (size_t)(end - line)};
        const char *text = strchr(line, ' ') + 3;
        bool *in_exchange = &exchange[line[0] == 'S'];
        assert_false(poplin_secrets_turn_up(&secrets, shown));
        bool hidden =
            strncmp(text, "****\n", 5) == 0 || strncmp(text, "+ ****\n", 7) == 0 || strncmp(text, "*\n", 2) == 0;
        if (*in_exchange && !hidden && strncmp(text, "+OK", 3) != 0 && strncmp(text, "-ERR", 4) != 0)
            fail_msg("shown inside an exchange: %.*s", (int)shown.size, line);
        *in_exchange = strncmp(text, "AUTH ", 5) == 0 || (*in_exchange && hidden);
    }
    poplin_secrets_free(&secrets);
}

static const char *const ways[] = {"SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN",       "LOGIN",  "CRAM-MD5",
                                   "USER",          "APOP",        "OAUTHBEARER", "XOAUTH2"};

/* holds: T-SEC-1 B */
static void test_whole_sessions_by_each_way(void **state) {
    struct served *served = *state;
    start(served, POPLIN_TLS_NEVER, POPLIN_TRACE_ALL);
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        char client[64], server[64];
        poplin_link *link;
        traced_begin(&traced, served->loop, POPLIN_TRACE_ALL);
        bool token = strstr(ways[i], "OAUTH") != NULL;
        assert_int_equal(log_in(served, ways[i], token ? TOKEN : PASSWORD, &link), POPLIN_OK);
        run(link, POPLIN_UIDL, 0);
        run(link, POPLIN_RETR, 1);
        run(link, POPLIN_QUIT, 0);
        poplin_link_free(link);
        served_until_sessions(served, 0);
        assert_no_secret();
        (void)snprintf(client, sizeof client, " - logged in as carol by %s\n", ways[i]);
        TRACED_EXPECT(&traced, " - connected to 127.0.0.1:", "\nC", client, "> UIDL\n", "< 1 line of listing\n",
                      "> RETR 1\n", "< 21 octets of message\n", "> QUIT\n");
        (void)snprintf(server, sizeof server, " - logged in as carol by %s\n", ways[i]);
        TRACED_EXPECT(&traced, " - connected\n", "> +OK poplin ready", "\nS", server, "< UIDL\n",
                      "> 1 line of listing\n", "< RETR 1\n", "> 21 octets of message\n", "< QUIT\n", " - committed\n");
    }
}

/* holds: T-SEC-1 B */
static void test_refused_logins_by_each_way(void **state) {
    struct served *served = *state;
    start(served, POPLIN_TLS_NEVER, POPLIN_TRACE_ALL);
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        poplin_link *link;
        traced_begin(&traced, served->loop, POPLIN_TRACE_ALL);
        bool token = strstr(ways[i], "OAUTH") != NULL;
        assert_int_equal(log_in(served, ways[i], token ? PASSWORD : TOKEN, &link), POPLIN_ERR_AUTH);
        poplin_link_free(link);
        served_until_sessions(served, 0);
        assert_no_secret();
        TRACED_EXPECT(&traced, "< -ERR [AUTH] name or password not accepted\n");
        traced_lack(&traced, "logged in");
    }
}

/* holds: POP-TLS-18 S */
static void test_tls_is_told_with_each_login(void **state) {
    static const enum poplin_tls_mode modes[] = {POPLIN_TLS_IMPLICIT, POPLIN_TLS_STLS};
    struct served *served = *state;
    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        poplin_link *link;
        start(served, modes[i], POPLIN_TRACE_ONLY(POPLIN_TRACE_NOTE));
        assert_int_equal(log_in(served, "SCRAM-SHA-256-PLUS", PASSWORD, &link), POPLIN_OK);
        poplin_link_free(link);
        served_until_sessions(served, 0);
        TRACED_EXPECT(&traced, " - connected\n", " - TLS1.3, TLS_", " - logged in as carol by SCRAM-SHA-256-PLUS\n",
                      " - dropped");
        const char *server = strstr(traced.text, "- TLS1.3, TLS_");
        assert_non_null(strstr(server + 1, "- TLS1.3, TLS_")); /* by both sides */
        TRACED_EXPECT(&traced, "; certificate verified\n");
        traced_lack(&traced, " > ");
        traced_lack(&traced, " < ");
        assert_no_secret();
        served_stop(served);
        (void)poplin_memory_remove_user(served->memory, SLICE("carol"));
    }
}

/* What clients say that keep to no grammar. */
static void test_secrets_in_the_wrong_place(void **state) {
    struct served *served = *state;
    struct raw raw;
    start(served, POPLIN_TLS_NEVER, POPLIN_TRACE_ALL);
    served_dial(served, &raw);
    raw_expect(&raw, "+OK");
    raw_say(&raw, "PASS Sesame-0pen-Sesame\r\nSesame-0pen-Sesame\r\nAUTH PLAIN\r\nSesame-0pen-Sesame\r\n"
                  "USER carol Sesame-0pen-Sesame\r\n\r\n\x1b[2J\r\nQUIT\r\n");
    while (raw_line(&raw) != NULL)
        continue;
    raw_close(&raw);
    served_until_sessions(served, 0);
    assert_no_secret();
    TRACED_EXPECT(&traced, "< PASS ****\n", "< ****\n", "< AUTH PLAIN\n", "> + ****\n", "< ****\n", "< USER ****\n",
                  "< QUIT\n", "> +OK bye\n", " - left\n");
}

static void refuse_in_plain_words(void *context, poplin_server *server, poplin_request request, poplin_slice user,
                                  poplin_slice password) {
    char text[128];
    (void)context;
    (void)user;
    (void)snprintf(text, sizeof text, "no, not %.*s", (int)password.size, password.data);
    (void)poplin_server_refuse(server, request, POPLIN_ERR_REFUSED, text);
}

/* holds: T-SEC-1 B */
static void test_a_backend_that_repeats_the_password(void **state) {
    struct served *served = *state;
    const char *const mechanisms[] = {"USER", "PLAIN"};
    poplin_backend backend = *poplin_memory_backend();
    backend.secret = NULL;
    backend.check = refuse_in_plain_words;
    served_start(served, &backend, served->memory);
    for (size_t i = 0; i < COUNT_OF(mechanisms); i++) {
        poplin_link *link;
        traced_begin(&traced, served->loop, POPLIN_TRACE_ALL);
        assert_true(log_in(served, mechanisms[i], PASSWORD, &link) < 0);
        poplin_link_free(link);
        served_until_sessions(served, 0);
        assert_no_secret();
        TRACED_EXPECT(&traced, "> -ERR (words that repeat the password)\n",
                      "< -ERR (words that repeat the password)\n");
    }
}

/* No number is used twice, and each line names its own peer. */
static void test_connections_have_numbers(void **state) {
    struct served *served = *state;
    poplin_link *link;
    start(served, POPLIN_TLS_NEVER, POPLIN_TRACE_ALL);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(log_in(served, "USER", PASSWORD, &link), POPLIN_OK);
        poplin_link_free(link);
        served_until_sessions(served, 0);
    }
    TRACED_EXPECT(&traced, "C1 ", "S2 ", "C3 ", "S4 ", "C5 ", "S6 ");
    assert_int_equal(strncmp(traced.peer, "127.0.0.1:", 10), 0);
}

/* A server on a thread of its own is traced by that thread; all its lines are there once it has been joined. */
static void test_a_background_server(void **state) {
    struct served *served = *state;
    poplin_background *background;
    poplin_link *link;
    assert_int_equal(poplin_memory_add_user(served->memory, SLICE("carol"), poplin_slice_of(PASSWORD)), POPLIN_OK);
    assert_int_equal(poplin_background_new(&served->config, poplin_memory_backend(), served->memory, &background, NULL),
                     POPLIN_OK);
    traced_begin(&traced, poplin_background_loop(background), POPLIN_TRACE_ALL);
    assert_int_equal(poplin_background_start(background), POPLIN_OK);
    assert_int_equal(log_in_at(served, poplin_background_port(background), "USER", PASSWORD, &link), POPLIN_OK);
    run(link, POPLIN_QUIT, 0);
    poplin_link_free(link);
    poplin_background_free(background);
    TRACED_EXPECT(&traced, "S1 - connected\n", "S1 > +OK poplin ready", "S1 - logged in as carol by USER\n",
                  "S1 < QUIT\n", "S1 - committed\n");
    assert_no_secret();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVED_TEST(test_whole_sessions_by_each_way),
        SERVED_TEST(test_refused_logins_by_each_way),
        SERVED_TEST(test_tls_is_told_with_each_login),
        SERVED_TEST(test_secrets_in_the_wrong_place),
        SERVED_TEST(test_a_backend_that_repeats_the_password),
        SERVED_TEST(test_connections_have_numbers),
        SERVED_TEST(test_a_background_server),
    };
    return cmocka_run_group_tests(tests, secure_set_up, secure_tear_down);
}
