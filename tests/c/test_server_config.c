/*
 * test_server_config.c - what a server makes of its owner's wishes about logins: what is offered follows from the backend's
 * functions, nonsense is refused with a reason, and nothing of the owner's is needed later.
 */
#include "served.h"

static void say_no(poplin_server *server, poplin_request request) {
    (void)poplin_server_refuse(server, request, POPLIN_ERR_AUTH, NULL);
}

static void check(void *context, poplin_server *server, poplin_request request, poplin_slice user,
                  poplin_slice password) {
    (void)context, (void)user, (void)password;
    say_no(server, request);
}

static void secret(void *context, poplin_server *server, poplin_request request, poplin_slice user,
                   const char *mechanism) {
    (void)context, (void)user, (void)mechanism;
    say_no(server, request);
}

/* What CAPA says of logins, one line each with a comma behind it. */
static void read_offers(struct served *served, char *offers, size_t size) {
    struct raw raw;
    size_t used = 0;
    served_dial(served, &raw);
    raw_expect(&raw, "+OK");
    raw_say(&raw, "CAPA\r\n");
    raw_expect(&raw, "+OK");
    for (const char *line = raw_line(&raw); strcmp(line, ".") != 0; line = raw_line(&raw))
        if (strcmp(line, "USER") == 0 || strncmp(line, "SASL", 4) == 0)
            used += (size_t)snprintf(offers + used, size - used, "%s,", line);
    raw_close(&raw);
}

static void expect_offers(struct served *served, const char *expected) {
    char offers[512] = "";
    read_offers(served, offers, sizeof offers);
    assert_string_equal(offers, expected);
}

static void test_the_backends_functions_say_what_is_offered(void **state) {
    struct served *served = *state;
    static const struct {
        poplin_backend backend;
        unsigned asks;
        const char *offers;
    } rows[] = {
        {{.check = check}, 0, "USER,SASL PLAIN,"},
        {{.secret = secret}, 0, "USER,SASL SCRAM-SHA-256 SCRAM-SHA-1 PLAIN,"},
        {{.token = check}, 0, "SASL OAUTHBEARER XOAUTH2,"},
        {{.check = check, .token = check}, 0, "USER,SASL OAUTHBEARER XOAUTH2 PLAIN,"},
        {{.secret = secret}, POPLIN_ASK_KEYS, "USER,SASL SCRAM-SHA-256 PLAIN,"},
        {{.check = check, .secret = secret, .token = check}, POPLIN_ASK_CHECK, "USER,SASL PLAIN,"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        served->config.session.asks = rows[i].asks;
        served_start(served, &rows[i].backend, NULL);
        expect_offers(served, rows[i].offers);
        served_stop(served);
    }
}

static void expect_none(struct served *served, const poplin_backend *backend, int status, const char *reason) {
    poplin_error error;
    assert_int_equal(poplin_server_new(served->loop, &served->config, backend, NULL, &served->server, &error), status);
    assert_int_equal(error.status, status);
    if (strstr(error.reason, reason) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", reason, error.reason);
}

/* holds: POP-ST-2 S */
static void test_a_server_that_lets_nobody_in(void **state) {
    struct served *served = *state;
    static const poplin_backend none = {.check = NULL}, checks = {.check = check};
    static const char *const mechanisms[] = {"XOAUTH2", "SCRAM-SHA-256", "CRAM-MD5 APOP"};
    expect_none(served, &none, POPLIN_ERR_STATE, "nobody could log in");
    for (size_t i = 0; i < COUNT_OF(mechanisms); i++) {
        served->config.session.mechanisms = mechanisms[i];
        expect_none(served, &checks, POPLIN_ERR_STATE, "nobody could log in");
    }
    served->config.session.mechanisms = "ANONYMOUS"; /* for which nobody is asked */
    served_start(served, &none, NULL);
    expect_offers(served, "SASL ANONYMOUS,");
}

static void test_a_backend_without_the_function(void **state) {
    struct served *served = *state;
    static const unsigned asks[] = {POPLIN_ASK_CHECK, POPLIN_ASK_SECRET, POPLIN_ASK_KEYS, POPLIN_ASK_TOKEN};
    static const poplin_backend backends[] = {
        {.secret = secret, .token = check}, {.check = check}, {.check = check}, {.check = check, .secret = secret}};
    for (size_t i = 0; i < COUNT_OF(asks); i++) {
        served->config.session.asks = asks[i] | POPLIN_ASK_CHECK;
        if (backends[i].check == NULL)
            served->config.session.asks = asks[i] | POPLIN_ASK_TOKEN;
        expect_none(served, &backends[i], POPLIN_ERR_STATE, "has no function");
    }
}

/* holds: POP-EXP-1 S, POP-DLY-1 S */
static void test_users_that_differ_from_nothing(void **state) {
    struct served *served = *state;
    static const poplin_backend backend = {.check = check};
    served->config.session.expire_by_user = true;
    expect_none(served, &backend, POPLIN_ERR_STATE, "expire_by_user goes with expire,");
    served->config.session.expire = 0;
    served->config.session.login_delay_by_user = true;
    expect_none(served, &backend, POPLIN_ERR_STATE, "login_delay_by_user goes with login_delay,");
    served->config.session.login_delay = 1;
    served_start(served, &backend, NULL);
}

static void test_an_unknown_mechanism_is_told_with_those_known(void **state) {
    struct served *served = *state;
    static const poplin_backend backend = {.check = check};
    static const char *const names[] = {"PLAIN GSSAPI", "", "PLAIN,LOGIN"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        served->config.session.mechanisms = names[i];
        expect_none(served, &backend, POPLIN_ERR_UNSUPPORTED, " SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS ");
        expect_none(served, &backend, POPLIN_ERR_UNSUPPORTED, " ANONYMOUS USER APOP");
    }
}

static void test_a_name_that_is_no_host_name(void **state) {
    struct served *served = *state;
    static const poplin_backend backend = {.check = check};
    char long_name[257] = "";
    const char *const names[] = {"", "a b", "pop>example.org", "pop.example.org\r\n", long_name};
    memset(long_name, 'a', sizeof long_name - 1);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        served->config.session.host = names[i];
        expect_none(served, &backend, POPLIN_ERR_STATE, "no host name");
    }
    long_name[255] = '\0';
    served->config.session.host = long_name;
    served_start(served, &backend, NULL);
    served_stop(served);
    served->config.session.host = "::1"; /* OAUTHBEARER may name it */
    served_start(served, &backend, NULL);
}

static void test_iterations_that_are_too_few(void **state) {
    struct served *served = *state;
    static const poplin_backend backend = {.check = check};
    served->config.session.iterations = 4095;
    expect_none(served, &backend, POPLIN_ERR_LIMIT, "4096");
    served->config.session.iterations = 4096;
    served_start(served, &backend, NULL);
}

/* holds: POP-GRT-1 S */
static void test_what_is_pointed_to_is_copied(void **state) {
    struct served *served = *state;
    char greeting[] = "good day", mechanisms[] = "APOP PLAIN", host[] = "pop.example.org";
    struct raw raw;
    served->config.session.greeting = greeting;
    served->config.session.mechanisms = mechanisms;
    served->config.session.host = host;
    served_from_memory(served, 0);
    memset(greeting, 'x', sizeof greeting - 1);
    memset(mechanisms, 'x', sizeof mechanisms - 1);
    memset(host, 'x', sizeof host - 1);
    served_dial(served, &raw);
    raw_expect(&raw, "+OK good day <");
    assert_non_null(strstr(raw.line, "@pop.example.org>"));
    raw_close(&raw);
    expect_offers(served, "SASL PLAIN,");
}

static void test_the_defaults(void **state) {
    poplin_server_config config;
    (void)state;
    poplin_server_config_init(&config);
    assert_int_equal(config.failed_login_ms, 1000);
    assert_int_equal(config.session.asks, 0);
    assert_null(config.session.mechanisms);
    assert_int_equal(config.session.login_delay, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVED_TEST(test_the_backends_functions_say_what_is_offered),
        SERVED_TEST(test_a_server_that_lets_nobody_in),
        SERVED_TEST(test_users_that_differ_from_nothing),
        SERVED_TEST(test_a_backend_without_the_function),
        SERVED_TEST(test_an_unknown_mechanism_is_told_with_those_known),
        SERVED_TEST(test_a_name_that_is_no_host_name),
        SERVED_TEST(test_iterations_that_are_too_few),
        SERVED_TEST(test_what_is_pointed_to_is_copied),
        cmocka_unit_test(test_the_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
