/* test_apop.c - APOP's timestamps and digests (RFC 1939 section 7). */
#include "mechanisms.h"

#include "sasl/apop.h"

#define TIMESTAMP "<1896.697170952@dbc.mtview.ca.us>"
#define DIGEST "c4c9334bac560ecc979e58001b3e22fb"

static const poplin_slice timestamp = SLICE(TIMESTAMP);

/* holds: POP-APOP-1 B, VEC-APOP-1 B */
static void digest_is_the_vector(void **state) {
    char digest[POPLIN_DIGEST_SIZE];

    (void)state;
    assert_int_equal(poplin_apop_digest(timestamp, SLICE("tanstaaf"), digest), POPLIN_OK);
    assert_memory_equal(digest, DIGEST, sizeof digest);
    assert_int_equal(poplin_apop_verify(timestamp, SLICE("tanstaaf"), SLICE(DIGEST)), POPLIN_OK);
}

/* holds: POP-UTF8-5 S, PREP-1 B */
static void secrets_are_prepared_as_stored(void **state) {
    char plain[POPLIN_DIGEST_SIZE], spelled[POPLIN_DIGEST_SIZE];

    (void)state;
    assert_int_equal(poplin_apop_digest(timestamp, SLICE("IX"), plain), POPLIN_OK);
    assert_int_equal(poplin_apop_digest(timestamp, SLICE("\xE2\x85\xA8"), spelled), POPLIN_OK);
    assert_memory_equal(plain, spelled, sizeof plain);
    assert_int_equal(poplin_apop_digest(timestamp, SLICE(""), plain), POPLIN_ERR_PROTOCOL);
    assert_int_equal(poplin_apop_digest(timestamp, SLICE("a\aa"), plain), POPLIN_ERR_PROTOCOL);
    assert_int_equal(poplin_apop_digest(timestamp, SLICE("\xC8\xA1"), plain), POPLIN_ERR_PROTOCOL);
    assert_int_equal(poplin_apop_digest(timestamp, SLICE("\xFF"), plain), POPLIN_ERR_PROTOCOL);
}

/* holds: POP-APOP-5 S, T-CMP-1 S */
static void wrong_digests_and_unknown_users_fail_alike(void **state) {
    const struct {
        poplin_slice secret, digest;
    } rows[] = {
        {SLICE("tanstaaf"), SLICE("d4c9334bac560ecc979e58001b3e22fb")},
        {SLICE("tanstaaf"), SLICE("c4c9334bac560ecc979e58001b3e22fc")},
        {SLICE("tanstaaf"), SLICE("C4C9334BAC560ECC979E58001B3E22FB")},
        {SLICE("tanstaaf"), SLICE("c4c9334bac560ecc979e58001b3e22f")},
        {SLICE("tanstaaf"), SLICE(DIGEST "0")},
        {SLICE("tanstaaf"), SLICE("")},
        {SLICE("tanstaaf"), nothing},
        {SLICE("tanstaafl"), SLICE(DIGEST)},
        {SLICE("a\aa"), SLICE(DIGEST)},
        {nothing, SLICE(DIGEST)},
    };
    char digest[POPLIN_DIGEST_SIZE];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(poplin_apop_verify(timestamp, rows[i].secret, rows[i].digest), POPLIN_ERR_AUTH);

    /* What is worked out for an unknown user lets nobody in. */
    assert_int_equal(poplin_apop_digest(timestamp, timestamp, digest), POPLIN_OK);
    assert_int_equal(poplin_apop_verify(timestamp, nothing, (poplin_slice){digest, sizeof digest}), POPLIN_ERR_AUTH);
}

/* holds: POP-GRT-5 C */
static void timestamp_is_found_in_a_greeting(void **state) {
    const poplin_slice rows[] = {
        SLICE("POP3 server ready " TIMESTAMP),
        SLICE(TIMESTAMP),
        SLICE(TIMESTAMP " at your service"),
        SLICE("mail@example.org says " TIMESTAMP "@"),
    };
    poplin_slice found;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_true(poplin_apop_timestamp(rows[i], &found));
        assert_true(poplin_slice_equal(found, timestamp));
    }
}

/* holds: T-APOP-1 C, POP-GRT-5 C */
static void timestamps_that_are_not_plain_are_not_seen(void **state) {
    const poplin_slice rows[] = {
        nothing,
        SLICE("ready"),
        SLICE("<>"),
        SLICE("<@>"),
        SLICE("<a@>"),
        SLICE("<@b>"),
        SLICE("<ab>"),
        SLICE("<a@b"),
        SLICE("a@b>"),
        SLICE(">a@b<"),
        SLICE("<a@b@c>"),
        SLICE("<a@@b>"),
        SLICE("<<a@b>"),
        SLICE("<a<x@b>"),
        SLICE("<a@b>>"),
        SLICE("<a@b> <c@d>"),
        SLICE("<hello> <a@b>"),
        SLICE("<a b@c>"),
        SLICE("<a\t@c>"),
        SLICE("<a\0@c>"),
        SLICE("<a@c\x7F>"),
        SLICE("<\xC3\xA9@c>"),
        SLICE("<a@\x80>"),
    };
    poplin_slice found;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const poplin_slice copy = exact(rows[i]);

        assert_false(poplin_apop_timestamp(copy, &found));
        free((char *)copy.data);
    }
}

/* holds: T-APOP-1 C */
static void timestamps_have_a_longest(void **state) {
    const size_t sizes[] = {506, 507, 1000};
    char text[1000];
    poplin_slice found;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        memset(text, 'a', sizes[i]);
        text[0] = '<';
        text[sizes[i] - 1] = '>';
        text[2] = '@';
        assert_int_equal(poplin_apop_timestamp((poplin_slice){text, sizes[i]}, &found), sizes[i] == 506);
    }
}

/* "<digits@host>" and no more: some clients take no other. */
static void assert_plain(poplin_slice made, const char *host) {
    const char *digits = "0123456789";
    char text[400];

    memcpy(text, made.data, made.size);
    text[made.size] = '\0';
    size_t count = strspn(text + 1, digits);

    assert_int_equal(text[0], '<');
    assert_true(count > 20);
    assert_int_equal(text[1 + count], '@');
    assert_memory_equal(text + 2 + count, host, strlen(host));
    assert_string_equal(text + 2 + count + strlen(host), ">");
}

/* holds: POP-GRT-4 S */
static void timestamps_are_plain(void **state) {
    static const struct {
        const char *host, *shown;
    } rows[] = {
        {"dbc.mtview.ca.us", "dbc.mtview.ca.us"},
        {"localhost", "localhost"},
        {"127.0.0.1", "127.0.0.1"},
        {NULL, "localhost"},
        {"", "localhost"},
        {"::1", "localhost"},
        {"a b", "localhost"},
        {"a@b", "localhost"},
        {"a>\r\n+OK", "localhost"},
        {".org", "localhost"},
        {"org.", "localhost"},
        {"a..b", "localhost"},
        {"m\xC3\xBCnchen.example", "localhost"},
    };
    char name[255];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        poplin_buffer made = {0};
        poplin_slice found;

        assert_int_equal(poplin_apop_make_timestamp(rows[i].host, &made), POPLIN_OK);
        assert_plain(poplin_buffer_slice(&made), rows[i].shown);
        assert_true(poplin_apop_timestamp(poplin_buffer_slice(&made), &found));
        poplin_buffer_free(&made);
    }
    memset(name, 'a', sizeof name);
    for (size_t size = 253; size <= 254; size++) {
        poplin_buffer made = {0};

        name[size] = '\0';
        assert_int_equal(poplin_apop_make_timestamp(name, &made), POPLIN_OK);
        assert_plain(poplin_buffer_slice(&made), size == 253 ? name : "localhost");
        poplin_buffer_free(&made);
        name[size] = 'a';
    }
}

/* holds: T-APOP-2 S, POP-GRT-4 S */
static void timestamps_never_repeat(void **state) {
    enum { MADE = 200 };
    poplin_buffer made[MADE] = {0};

    (void)state;
    for (size_t i = 0; i < MADE; i++) {
        assert_int_equal(poplin_apop_make_timestamp("localhost", &made[i]), POPLIN_OK);
        for (size_t j = 0; j < i; j++)
            assert_false(poplin_slice_equal(poplin_buffer_slice(&made[i]), poplin_buffer_slice(&made[j])));
    }
    for (size_t i = 0; i < MADE; i++)
        poplin_buffer_free(&made[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digest_is_the_vector),
        cmocka_unit_test(secrets_are_prepared_as_stored),
        cmocka_unit_test(wrong_digests_and_unknown_users_fail_alike),
        cmocka_unit_test(timestamp_is_found_in_a_greeting),
        cmocka_unit_test(timestamps_that_are_not_plain_are_not_seen),
        cmocka_unit_test(timestamps_have_a_longest),
        cmocka_unit_test(timestamps_are_plain),
        cmocka_unit_test(timestamps_never_repeat),
    };

    return cmocka_run_group_tests_name("apop", tests, NULL, NULL);
}
