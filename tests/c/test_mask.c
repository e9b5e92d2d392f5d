/* test_mask.c - command lines as people and logs may see them: what is shown, what is hidden, and that no password gets out. */
#include "support.h"

#include <stdio.h>

#include "wire/base64.h"
#include "wire/grammar.h"
#include "wire/mask.h"

static char shown[POPLIN_SHOWN_MAX];

static bool mask(const char *line) {
    return poplin_mask((poplin_slice){line, strlen(line)}, false, shown, sizeof shown);
}

/* holds: T-SEC-1 B */
static void what_is_no_secret_is_shown(void **state) {
    static const char *const lines[] = {
        "",
        "  ",
        "USER alice",
        "user a@b.example",
        "USER",
        "USER ",
        "PASS",
        "PASS ",
        "QUIT",
        " NOOP",
        "\tstat",
        "RETR 3",
        "retr 0",
        "TOP 1 10",
        "LIST ",
        "LIST +1",
        "TOP 1",
        "RETR  1",
        "AUTH",
        "AUTH ",
        "AUTH PLAIN",
        "auth cram-md5",
        "AUTH SCRAM-SHA-256",
        "AUTH EXTERNAL =",
        "XTND",
        "HELO",
        "apop",
        "APOP ",
        "DELE 99999999999999999999",
        "USER alice@[127.0.0.1]",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        bool secret = mask(lines[i]);

        assert_string_equal(shown, lines[i][0] == '\t' ? "\\x09stat" : lines[i]);
        assert_false(secret);
    }
}

/* holds: T-SEC-1 B */
static void what_may_be_one_is_hidden(void **state) {
    static const char *const rows[][2] = {
        {"PASS secret", "PASS ****"},
        {"pass the secret", "pass ****"},
        {"PASS  secret", "PASS ****"},
        {" PASS secret", " PASS ****"},
        {"PASS\tsecret", "PASS\\x09****"},
        {"PASS:secret", "PASS****"},
        {"PASS=1234", "PASS****"},
        {"PASS1234", "****"},
        {"PASSsecret", "****"},
        {"PASSS secret", "PASSS ****"},
        {"pas secret", "pas ****"},
        {"USER alice secret", "USER ****"},
        {"USER alice ", "USER ****"},
        {"USER  1234", "USER ****"},
        {"USER\talice", "USER\\x09****"},
        {"APOP alice c4c9334bac560ecc979e58001b3e22fb", "APOP alice ****"},
        {"apop alice C4C9334BAC560ECC979E58001B3E22FB", "apop alice ****"},
        {"APOP alice c4c9334bac560ecc979e58001b3e22fb ", "APOP ****"},
        {"APOP alice c4c9334bac560ecc979e58001b3e22fg", "APOP ****"},
        {"APOP alice secret", "APOP ****"},
        {"APOP secret", "APOP ****"},
        {"APOP  secret x", "APOP ****"},
        {"AUTH PLAIN AGFsaWNlAHNlY3JldA==", "AUTH PLAIN ****"},
        {"auth plain  AGFsaWNl", "auth plain ****"},
        {"AUTH PLAIN = x", "AUTH PLAIN ****"},
        {"AUTH AGFsaWNlAHNlY3JldA==", "AUTH ****"},
        {"AUTH\tPLAIN AGFsaWNl", "AUTH\\x09****"},
        {"AUTH AGFsaWNlAHNl", "AUTH ****"},
        {"AUTH  PLAIN AGFsaWNl", "AUTH ****"},
        {"AGFsaWNlAHNlY3JldA==", "****"},
        {"YWJj", "****"},
        {"secret", "****"},
        {"  hunter2", "  ****"},
        {"STAT PASS secret", "STAT ****"},
        {"NOOP\nPASS secret", "NOOP****"},
        {"RETR x", "RETR ****"},
        {"GET / HTTP/1.1", "GET ****"},
        {"XAUTH AGFsaWNl", "XAUTH ****"},
        {"\xff\xfe", "****"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool secret = mask(rows[i][0]);

        assert_string_equal(shown, rows[i][1]);
        assert_true(secret);
    }
}

/* holds: T-SEC-1 B */
static void of_responses_only_the_cancel_is_shown(void **state) {
    (void)state;
    assert_true(poplin_mask(SLICE("QUIT"), true, shown, sizeof shown));
    assert_string_equal(shown, "****");
    assert_true(poplin_mask(SLICE("* "), true, shown, sizeof shown));
    assert_string_equal(shown, "****");
    assert_false(poplin_mask(SLICE("*"), true, shown, sizeof shown));
    assert_string_equal(shown, "*");
    assert_false(poplin_mask((poplin_slice){NULL, 0}, true, shown, sizeof shown));
    assert_string_equal(shown, "");
    assert_true(mask("*"));
}

/* holds: T-RES-6 S */
static void octets_that_cannot_be_printed_are_spelled_out(void **state) {
    (void)state;
    assert_false(mask("USER j\xc3\xbcrgen\xff"));
    assert_string_equal(shown, "USER j\\xC3\\xBCrgen\\xFF");
    assert_true(mask("USER a\x1b[31m"));
    assert_string_equal(shown, "USER ****");
    assert_true(poplin_mask(SLICE("USER a\0b"), false, shown, sizeof shown));
    assert_string_equal(shown, "USER ****");
    assert_true(poplin_mask(SLICE("RETR \0"), false, shown, sizeof shown));
    assert_string_equal(shown, "RETR ****");
    assert_true(poplin_mask(SLICE("APOP a\0 b c"), false, shown, sizeof shown));
    assert_string_equal(shown, "APOP ****");
}

/* holds: T-RES-3 S */
static void long_lines_are_cut(void **state) {
    static char line[2000];

    (void)state;
    memset(line, 'u', sizeof line - 1);
    memcpy(line, "USER ", 5);
    assert_false(mask(line));
    assert_int_equal(strlen(shown), sizeof shown - 1);
    memset(line + 5, '\xff', 1000);
    assert_false(mask(line));
    assert_in_range(strlen(shown), sizeof shown - 4, sizeof shown - 1);
    memcpy(line, "APOP ", 5);
    memset(line + 5, 'u', 1000);
    memcpy(line + 1005, " c4c9334bac560ecc979e58001b3e22fb", 34);
    assert_true(mask(line));
    assert_int_equal(strlen(shown), sizeof shown - 1);
    assert_string_equal(shown + sizeof shown - 5, "****");
    for (size_t size = 8; size < 40; size++) {
        char *exact = malloc(size); /* so that a sanitizer sees one octet too many */

        assert_non_null(exact);
        assert_true(poplin_mask(SLICE("AUTH SCRAM-SHA-256 biwsbj1hbGljZQ=="), false, exact, size));
        assert_in_range(strlen(exact), 4, size - 1);
        assert_string_equal(exact + strlen(exact) - 4, "****");
        free(exact);
    }
}

/* ---- whatever the password is ---- */

enum { SHORTEST = 6, LONGEST = 40 };

/* Where a password (%s), or its base64 form (%b), may stand in what a client says, rightly or not. */
static const char *const templates[] = {
    "PASS %s",
    "pass %s",
    "Pass  %s",
    " PASS %s",
    "PASS\t%s",
    "\tPASS\t%s",
    "PASS:%s",
    "PASS=%s",
    "PASS\x01%s",
    "PASS\n%s",
    "PASSS %s",
    "PAS %s",
    "PASSWORD %s",
    "APOP %s",
    "APOP alice %s",
    "APOP  alice %s",
    "USER alice %s",
    "USER alice\tPASS %s",
    "USER a PASS %s",
    "STAT\nPASS %s",
    "NOOP PASS %s",
    "LOGIN alice %s",
    "XAUTH %s",
    "CAPA PASS %s",
    "AUTH PLAIN %b",
    "auth plain  %b",
    "AUTH  PLAIN %b",
    "AUTH\tPLAIN\t%b",
    "AUTH LOGIN %b",
    "AUTH PLAIN\n%b",
    "AUTH LOGIN %s",
    "AUTH CRAM-MD5 x %s",
    "AUTH XOAUTH2 = %b",
    "AUTH %b =",
    "%b =",
    "XYZ %b",
    "%b",
    " %b",
    "AUTHPLAIN %b",
    "PASS",
    "*%s",
    "+%b",
};

static poplin_slice fill_in(const char *template, poplin_slice password, poplin_slice encoded, poplin_buffer *line) {
    poplin_buffer_clear(line);
    for (; *template != '\0'; template ++) {
        bool place = *template == '%';
        poplin_slice part = place ? *++template == 's' ? password : encoded : (poplin_slice){template, 1};

        assert_int_equal(poplin_buffer_append(line, part.data, part.size), POPLIN_OK);
    }
    return poplin_buffer_slice(line);
}

/* Any octets but NUL, or printable ones, or letters and digits; never digits alone. */
static poplin_slice random_password(uint64_t *seed, char password[LONGEST]) {
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    size_t size = SHORTEST + random_below(seed, LONGEST - SHORTEST), kind = random_below(seed, 3);

    for (size_t i = 0; i < size; i++)
        if (kind == 0)
            password[i] = (char)(1 + random_below(seed, 255));
        else if (kind == 1)
            password[i] = (char)(' ' + random_below(seed, 0x7F - ' '));
        else
            password[i] = alphabet[random_below(seed, sizeof alphabet - 1)];
    password[random_below(seed, size)] = 'q';
    return (poplin_slice){password, size};
}

static bool is_in(const char *text, poplin_slice part) {
    return memmem(text, strlen(text), part.data, part.size) != NULL;
}

/* Neither it, nor its form in base64, nor a third of either. */
static void assert_hidden(poplin_slice secret) {
    size_t third = secret.size / 3 + 2;

    for (size_t from = 0; from + third <= secret.size; from++)
        if (is_in(shown, (poplin_slice){secret.data + from, third}))
            fail_msg("\"%.*s\" is in \"%s\"", (int)secret.size, secret.data, shown);
}

/* holds: T-SEC-1 B */
static void no_password_is_shown_wherever_it_stands(void **state) {
    poplin_buffer line = {0}, encoded = {0};
    uint64_t seed = 20261;

    (void)state;
    for (size_t round = 0; round < 3000; round++) {
        char octets[LONGEST], plain[LONGEST + 7] = "\0alice";
        poplin_slice password = random_password(&seed, octets);

        memcpy(plain + 7, octets, password.size);
        poplin_buffer_clear(&encoded);
        assert_int_equal(poplin_base64_encode((poplin_slice){plain, 7 + password.size}, &encoded), POPLIN_OK);
        for (size_t i = 0; i < COUNT_OF(templates); i++)
            for (int response = 0; response < 2; response++) {
                poplin_slice said = fill_in(templates[i], password, poplin_buffer_slice(&encoded), &line);
                bool secret = poplin_mask(said, response == 1, shown, sizeof shown);

                assert_hidden(password);
                assert_hidden(poplin_buffer_slice(&encoded));
                assert_true(secret == (strstr(shown, "****") != NULL));
            }
    }
    poplin_buffer_free(&line);
    poplin_buffer_free(&encoded);
}

/* holds: T-RES-6 S */
static void any_octets_become_a_line_that_can_be_printed(void **state) {
    uint64_t seed = 7;

    (void)state;
    for (size_t round = 0; round < 20000; round++) {
        static const char *const starts[] = {"", "USER ", "APOP ", "AUTH ", "PASS ", "LIST ", " ", "XYZ "};
        char line[64];
        size_t size = random_below(&seed, 40);
        const char *start = starts[random_below(&seed, COUNT_OF(starts))];

        memcpy(line, start, strlen(start));
        for (size_t i = 0; i < size; i++)
            line[strlen(start) + i] = (char)random_below(&seed, 256);
        (void)poplin_mask((poplin_slice){line, strlen(start) + size}, random_below(&seed, 8) == 0, shown, sizeof shown);
        for (const char *at = shown; *at != '\0'; at++)
            assert_in_range(*at, 0x20, 0x7E);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_secret_is_shown),
        cmocka_unit_test(what_may_be_one_is_hidden),
        cmocka_unit_test(of_responses_only_the_cancel_is_shown),
        cmocka_unit_test(octets_that_cannot_be_printed_are_spelled_out),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(no_password_is_shown_wherever_it_stands),
        cmocka_unit_test(any_octets_become_a_line_that_can_be_printed),
    };

    return cmocka_run_group_tests_name("mask", tests, NULL, NULL);
}
