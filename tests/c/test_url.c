/*
 * test_url.c - where to connect, as people write it.
 */
#include "support.h"

#include <poplin/url.h>

static int parse(const char *text, poplin_url *url, poplin_error *error) {
    return poplin_url_parse(text, strlen(text), url, error);
}

/* holds: POP-URL-1 C, POP-URL-5 C, POP-GEN-1 C */
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
        {"pop://alice@h:65535", POPLIN_SCHEME_POP, "alice", "", "h", 65535},
        {"pop3s://alice@example.org@h", POPLIN_SCHEME_POP3S, "alice@example.org", "", "h", 995},
        {"pop://alice%40example.org;AUTH=*@h", POPLIN_SCHEME_POP, "alice@example.org", "*", "h", 110},
        {"pop://a;auth=%2Bapop@[fe80::1%25eth0]:1", POPLIN_SCHEME_POP, "a", "+APOP", "fe80::1%eth0", 1},
        {"pop://a;AUTH=scram-sha-256-plus@h", POPLIN_SCHEME_POP, "a", "SCRAM-SHA-256-PLUS", "h", 110},
        {"pop://%61%3A%3B%2f%3f%23%25@h", POPLIN_SCHEME_POP, "a:;/?#%", "", "h", 110},
        {"pop3s://EXAMPLE\\j%C3%BCrgen@h", POPLIN_SCHEME_POP3S, "EXAMPLE\\j\xC3\xBCrgen", "", "h", 995},
        {"[fe80::1%25%6Co]", POPLIN_SCHEME_POP3S, "", "", "fe80::1%lo", 995},
        {"pop3s://[2001:db8::192.0.2.1]", POPLIN_SCHEME_POP3S, "", "", "2001:db8::192.0.2.1", 995},
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
        "",
        "pop3s://",
        "http://h",
        "imap://h",
        "h:",
        "h:0",
        "h:65536",
        "h:+1",
        "h:1x",
        "h:99999999999",
        "h/",
        "pop3s://h/x",
        "h?x",
        "h#x",
        "::1",
        "fe80::1",
        "[::1",
        "[::1]x",
        "[]",
        "[::1]:",
        "@h",
        "pop3s://;AUTH=*@h",
        "a;AUTH=@h",
        "a%@h",
        "a%4@h",
        "a%zz@h",
        "a%00@h",
        "a%0d%0aDELE@h",
        "a\r\nb@h",
        "h\r\n",
        "h h",
        "h%0a",
        "a@h%2f",
        "h_\xC3\xA9",
        "a@",
        /* what others read as host and path is no user name here */
        "evil.example/@h",
        "evil.example?@h",
        "evil.example#@h",
        "//h",
        "pop3s:///a@h",
        /* mechanisms that are none */
        "a;AUTH=+@h",
        "a;AUTH=**@h",
        "a;AUTH=PLAIN%20LOGIN@h",
        "a;AUTH=PLAIN,LOGIN@h",
        "a;AUTH=a23456789012345678901@h",
        "a;AUTH=%00@h",
        "a;AUTH=++APOP@h",
        "a;AUTH=PLAIN;AUTH=LOGIN@h",
        "a;ATUH=PLAIN@h",
        "a;AUTH@h",
        "a;@h",
        /* no UTF-8 */
        "\xFF@h",
        "a%C3@h",
        "a%ED%A0%80@h",
        "a%C0%AF@h",
        /* no addresses */
        "[h]",
        "[1.2.3.4]",
        "[::1%25]",
        "[::1%25a/b]",
        "[::g]",
        "[:]",
        "[dead:beef]",
        "[1:2:3:4:5:6:7:8:9]",
        "[::1.2.3.256]",
        "[0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:1]",
        /* decoded, these would be other addresses */
        "[%3A%3A1]",
        "[::%31]",
        "[fe80::1%31]",
        "[fe80::1%]",
        "[fe80::1%eth0]",
        "[fe80::1%25a%25b]",
        "[::1]:x",
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
    static const char *const texts[] = {"pop3s://alice:hunter2@h", "pop3s://alice:hunter2/@h", "alice:hunter2?x@h",
                                        "pop://alice:hunter2#@h:110"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_int_equal(parse(texts[i], &url, &error), POPLIN_ERR_PROTOCOL);
        assert_non_null(strstr(error.reason, "password="));
        assert_null(strstr(error.reason, "hunter2"));
        assert_string_equal(url.user, "");
    }
}

static void assert_same(const poplin_url *a, const poplin_url *b) {
    assert_int_equal(a->scheme, b->scheme);
    assert_string_equal(a->host, b->host);
    assert_string_equal(a->user, b->user);
    assert_string_equal(a->auth, b->auth);
    assert_int_equal(a->port, b->port);
}

/* holds: POP-URL-1 C, POP-URL-2 C */
static void urls_are_written_as_they_are_read(void **state) {
    (void)state;
    static const struct {
        const char *text, *written;
    } cases[] = {
        {"mail.example.org", "pop3s://mail.example.org"},
        {"h:110", "pop3s://h:110"},
        {"h:995", "pop3s://h:995"},
        {"POPS://h", "pop3s://h"},
        {"pop3://[::1]:1110", "pop3://[::1]:1110"},
        {"pop3://[fe80::1%25eth0]", "pop3://[fe80::1%25eth0]"},
        {"pop://alice@example.org;auth=*@h", "pop://alice%40example.org;AUTH=*@h"},
        {"pop://a b~;AUTH=%2Bapop@h:110", "pop://a%20b~;AUTH=+APOP@h:110"},
        {"pop://%E2%82%AC%25;AUTH=DIGEST-MD5@h", "pop://%E2%82%AC%25;AUTH=DIGEST-MD5@h"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        poplin_url url, again;
        char text[POPLIN_URL_TEXT];
        assert_int_equal(parse(cases[i].text, &url, NULL), POPLIN_OK);
        assert_int_equal(poplin_url_format(&url, text, NULL), POPLIN_OK);
        assert_string_equal(text, cases[i].written);
        assert_int_equal(parse(text, &again, NULL), POPLIN_OK);
        assert_same(&url, &again);
    }
}

/* Names of up to 255 octets, of whatever may stand in one. */
static void draw_user(uint64_t *seed, char user[256]) {
    static const char *const characters[] = {
        "a",  "Z", "0", "@", ":", ";", "/", "?", "#", "%", " ", "+", "=", "\xC3\xBC", "\xF0\x9F\x93\xAB",
        "\\", "[", "&", "~", "*"};
    size_t wanted = random_below(seed, 256);
    user[0] = '\0';
    for (;;) {
        const char *character = characters[random_below(seed, COUNT_OF(characters))];
        if (strlen(user) + strlen(character) > wanted)
            return;
        strcat(user, character);
    }
}

/* holds: POP-URL-2 C */
static void whatever_is_written_is_read_again(void **state) {
    (void)state;
    static const char *const hosts[] = {"h", "mail.example.org", "::1", "fe80::1%eth0"};
    static const char *const mechanisms[] = {"", "*", "+APOP", "SCRAM-SHA-256"};
    uint64_t seed = 1;
    for (size_t i = 0; i < 2000; i++) {
        poplin_url url = {.scheme = (enum poplin_scheme)random_below(&seed, 3)}, read;
        char text[POPLIN_URL_TEXT];
        draw_user(&seed, url.user);
        strcpy(url.host, hosts[random_below(&seed, COUNT_OF(hosts))]);
        if (url.user[0] != '\0')
            strcpy(url.auth, mechanisms[random_below(&seed, COUNT_OF(mechanisms))]);
        url.port = (uint16_t)(1 + random_below(&seed, 65535));
        assert_int_equal(poplin_url_format(&url, text, NULL), POPLIN_OK);
        assert_int_equal(parse(text, &read, NULL), POPLIN_OK);
        assert_same(&url, &read);
    }
}

static void parts_that_no_url_holds_are_not_written(void **state) {
    (void)state;
    static const poplin_url bad[] = {
        {.host = "", .port = 1},
        {.host = "h", .port = 0},
        {.host = "a@h", .port = 1},
        {.host = "h/", .port = 1},
        {.host = "h%41", .port = 1},
        {.host = "h:1", .port = 1},
        {.host = "h", .user = "a\nb", .port = 1},
        {.host = "h", .user = "\xFF", .port = 1},
        {.host = "h", .auth = "PLAIN", .port = 1},
        {.host = "h", .user = "a", .auth = "PLAIN LOGIN", .port = 1},
        {.host = "h", .user = "a", .auth = "+*", .port = 1},
        {.scheme = (enum poplin_scheme)9, .host = "h", .port = 1},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char text[POPLIN_URL_TEXT];
        poplin_error error = {0};
        if (poplin_url_format(&bad[i], text, &error) != POPLIN_ERR_PROTOCOL)
            fail_msg("\"%s\" was written", text);
        assert_true(error.reason[0] != '\0');
    }
    poplin_url longest = {.host = "h", .port = 1};
    char text[POPLIN_URL_TEXT];
    memset(longest.user, '%', 255);
    assert_int_equal(poplin_url_format(&longest, text, NULL), POPLIN_OK);
    memset(longest.host, '%', 255);
    assert_int_equal(poplin_url_format(&longest, text, NULL), POPLIN_ERR_PROTOCOL);
    assert_true(strlen(text) < POPLIN_URL_TEXT);
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
        {"pop://h", "auto", POPLIN_TLS_AUTO, 110},
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
        cmocka_unit_test(urls_are_written_as_they_are_read),
        cmocka_unit_test(whatever_is_written_is_read_again),
        cmocka_unit_test(parts_that_no_url_holds_are_not_written),
        cmocka_unit_test(overlong_parts_are_refused),
        cmocka_unit_test(tls_words_choose_mode_and_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
