/*
 * test_url.c - where to connect, as people write it.
 */
#include "support.h"

#include <poplin/url.h>

static int parse(const char *text, poplin_url *url, poplin_error *error) {
    return poplin_url_parse(text, strlen(text), url, error);
}

/* holds: POP-URL-1 C, POP-URL-5 C */
static void urls_parse(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum poplin_scheme scheme;
        const char *user, *auth, *host;
        uint16_t port;
    } cases[] = {
        {"mail.example.org", POPLIN_SCHEME_POP3S, "", "", "mail.example.org", 995},
        {"mail.example.org:1995", POPLIN_SCHEME_POP3S, "", "", "mail.example.org", 1995},
        {"[::1]:110", POPLIN_SCHEME_POP3S, "", "", "::1", 110},
        {"[::1]", POPLIN_SCHEME_POP3S, "", "", "::1", 995},
        {"pop3s://h", POPLIN_SCHEME_POP3S, "", "", "h", 995},
        {"POPS://h", POPLIN_SCHEME_POP3S, "", "", "h", 995},
        {"pop3://h", POPLIN_SCHEME_POP3, "", "", "h", 110},
        {"pop://alice@h:65535", POPLIN_SCHEME_POP3, "alice", "", "h", 65535},
        {"pop3s://alice@example.org@h", POPLIN_SCHEME_POP3S, "alice@example.org", "", "h", 995},
        {"pop://alice%40example.org;AUTH=*@h", POPLIN_SCHEME_POP3, "alice@example.org", "*", "h", 110},
        {"pop://a;auth=%2BAPOP@[fe80::1%25eth0]:1", POPLIN_SCHEME_POP3, "a", "+APOP", "fe80::1%eth0", 1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        poplin_url url;
        poplin_error error;
        assert_int_equal(parse(cases[i].text, &url, &error), POPLIN_OK);
        assert_int_equal(url.scheme, cases[i].scheme);
        assert_string_equal(url.user, cases[i].user);
        assert_string_equal(url.auth, cases[i].auth);
        assert_string_equal(url.host, cases[i].host);
        assert_int_equal(url.port, cases[i].port);
    }
}

/* holds: POP-URL-2 C, T-INJ-2 C */
static void bad_urls_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",        "pop3s://", "http://h", "imap://h",          "h:",        "h:0",
        "h:65536", "h:+1",     "h:1x",     "h:99999999999",     "h/",        "pop3s://h/x",
        "h?x",     "h#x",      "::1",      "fe80::1",           "[::1",      "[::1]x",
        "[]",      "[::1]:",   "@h",       "pop3s://;AUTH=*@h", "a;AUTH=@h", "a%@h",
        "a%4@h",   "a%zz@h",   "a%00@h",   "a%0d%0aDELE@h",     "a\r\nb@h",  "h\r\n",
        "h h",     "h%0a",     "a@h%2f",   "h_\xC3\xA9",        "a@",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        poplin_url url;
        poplin_error error = {0};
        if (parse(bad[i], &url, &error) != POPLIN_ERR_PROTOCOL)
            fail_msg("\"%s\" was taken", bad[i]);
        assert_int_equal(error.status, POPLIN_ERR_PROTOCOL);
        assert_true(error.reason[0] != '\0');
        assert_int_equal(parse(bad[i], &url, NULL), POPLIN_ERR_PROTOCOL);
    }
}

/* holds: T-INJ-2 C, T-SEC-1 B */
static void password_in_a_url_is_refused_and_not_repeated(void **state) {
    (void)state;
    poplin_url url;
    poplin_error error;
    assert_int_equal(parse("pop3s://alice:hunter2@h", &url, &error), POPLIN_ERR_PROTOCOL);
    assert_non_null(strstr(error.reason, "password="));
    assert_null(strstr(error.reason, "hunter2"));
    assert_string_equal(url.user, "");
}

static void overlong_parts_are_refused(void **state) {
    (void)state;
    char text[600];
    poplin_url url;
    memset(text, 'a', sizeof text);
    assert_int_equal(poplin_url_parse(text, 255, &url, NULL), POPLIN_OK);
    assert_int_equal(poplin_url_parse(text, 256, &url, NULL), POPLIN_ERR_PROTOCOL);
    text[255] = '@';
    assert_int_equal(poplin_url_parse(text, 260, &url, NULL), POPLIN_OK);
    text[255] = 'a', text[256] = '@';
    assert_int_equal(poplin_url_parse(text, 260, &url, NULL), POPLIN_ERR_PROTOCOL);
}

/* holds: T-STLS-15 C */
static void tls_words_choose_mode_and_port(void **state) {
    (void)state;
    static const struct {
        const char *text, *word;
        enum poplin_tls_mode mode;
        uint16_t port;
    } cases[] = {
        {"h", "auto", POPLIN_TLS_IMPLICIT, 995},
        {"pop3://h", "auto", POPLIN_TLS_AUTO, 110},
        {"pop3://h", "implicit", POPLIN_TLS_IMPLICIT, 995},
        {"pop3://h:110", "implicit", POPLIN_TLS_IMPLICIT, 110},
        {"h", "stls", POPLIN_TLS_STLS, 110},
        {"h:995", "never", POPLIN_TLS_NEVER, 995},
        {"h", "never", POPLIN_TLS_NEVER, 110},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        poplin_url url;
        enum poplin_tls_mode mode;
        assert_int_equal(parse(cases[i].text, &url, NULL), POPLIN_OK);
        assert_int_equal(poplin_url_tls(&url, cases[i].word, &mode), POPLIN_OK);
        assert_int_equal(mode, cases[i].mode);
        assert_int_equal(url.port, cases[i].port);
        assert_int_equal(poplin_url_tls(&url, "always", &mode), POPLIN_ERR_PROTOCOL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_parse),
        cmocka_unit_test(bad_urls_are_refused),
        cmocka_unit_test(password_in_a_url_is_refused_and_not_repeated),
        cmocka_unit_test(overlong_parts_are_refused),
        cmocka_unit_test(tls_words_choose_mode_and_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
