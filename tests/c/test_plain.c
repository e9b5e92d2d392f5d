/* test_plain.c - both halves of PLAIN (RFC 4616). */
#include "support.h"

#include "sasl/plain.h"
#include "wire/base64.h"
#include "wire/grammar.h"

static void assert_slice(poplin_slice actual, poplin_slice expected) {
    assert_true(poplin_slice_equal(actual, expected));
}

/* holds: SASL-PLAIN-1 C (VEC-PLAIN-2) */
static void client_sends_one_message(void **state) {
    const poplin_credentials tim = {SLICE("tim"), SLICE("tanstaaftanstaaf")};
    poplin_buffer message = {0}, text = {0};

    (void)state;
    assert_int_equal(poplin_plain_encode(&tim, &message), POPLIN_OK);
    assert_slice(poplin_buffer_slice(&message), SLICE("\0tim\0tanstaaftanstaaf"));
    assert_int_equal(poplin_base64_encode(poplin_buffer_slice(&message), &text), POPLIN_OK);
    assert_slice(poplin_buffer_slice(&text), SLICE("AHRpbQB0YW5zdGFhZnRhbnN0YWFm"));
    poplin_buffer_free(&message);
    poplin_buffer_free(&text);
}

/* holds: SASL-PLAIN-1 C */
static void client_refuses_what_cannot_be_said(void **state) {
    const poplin_credentials rows[] = {
        {SLICE(""), SLICE("secret")},
        {SLICE("tim"), SLICE("")},
        {SLICE("ti\0m"), SLICE("secret")},
        {SLICE("tim"), SLICE("sec\0ret")},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        poplin_buffer message = {0};

        assert_int_equal(poplin_plain_encode(&rows[i], &message), POPLIN_ERR_PROTOCOL);
        assert_int_equal(message.size, 0);
        poplin_buffer_free(&message);
    }
}

/* holds: SASL-PLAIN-1 S, SASL-PLAIN-2 S (VEC-PLAIN-1, -2) */
static void server_reads_the_vectors(void **state) {
    const struct {
        poplin_slice text, user, password;
    } rows[] = {
        {SLICE("dGVzdAB0ZXN0AHRlc3Q="), SLICE("test"), SLICE("test")},
        {SLICE("AHRpbQB0YW5zdGFhZnRhbnN0YWFm"), SLICE("tim"), SLICE("tanstaaftanstaaf")},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        poplin_credentials credentials;
        poplin_buffer message = {0};

        assert_int_equal(poplin_base64_decode(rows[i].text, &message), POPLIN_OK);
        assert_int_equal(poplin_plain_decode(poplin_buffer_slice(&message), &credentials), POPLIN_OK);
        assert_slice(credentials.user, rows[i].user);
        assert_slice(credentials.password, rows[i].password);
        poplin_buffer_free(&message);
    }
}

/* holds: T-PLN-1 S, SASL-PLAIN-2 S (VEC-PLAIN-3) */
static void server_refuses_what_is_no_message(void **state) {
    const poplin_slice rows[] = {
        {NULL, 0},
        SLICE("tim"),
        SLICE("\0tim"),
        SLICE("\0tim\0secret\0"),
        SLICE("\0tim\0sec\0ret"),
        SLICE("\0\0secret"),
        SLICE("\0tim\0"),
        SLICE("\0\0"),
        SLICE("Ursel\0Kurt\0xipj3plmq"),
        SLICE("tim \0tim\0secret"),
    };
    poplin_credentials credentials;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(poplin_plain_decode(rows[i], &credentials), POPLIN_ERR_PROTOCOL);
}

static int decode_fields(size_t identity, size_t user, size_t password) {
    char message[1000];
    size_t size = identity + user + password + 2;
    poplin_credentials credentials;

    memset(message, 'a', sizeof message);
    message[identity] = message[identity + 1 + user] = '\0';
    return poplin_plain_decode((poplin_slice){message, size}, &credentials);
}

/* holds: SASL-PLAIN-2 S, T-PLN-1 S */
static void fields_are_taken_up_to_255_octets(void **state) {
    (void)state;
    assert_int_equal(decode_fields(255, 255, 255), POPLIN_OK);
    assert_int_equal(decode_fields(0, 255, 255), POPLIN_OK);
    assert_int_equal(decode_fields(0, 256, 1), POPLIN_ERR_PROTOCOL);
    assert_int_equal(decode_fields(0, 1, 256), POPLIN_ERR_PROTOCOL);
    assert_int_equal(decode_fields(256, 256, 1), POPLIN_ERR_PROTOCOL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_sends_one_message),          cmocka_unit_test(client_refuses_what_cannot_be_said),
        cmocka_unit_test(server_reads_the_vectors),          cmocka_unit_test(server_refuses_what_is_no_message),
        cmocka_unit_test(fields_are_taken_up_to_255_octets),
    };

    return cmocka_run_group_tests_name("plain", tests, NULL, NULL);
}
