/* test_base64.c - base64 is what RFC 4648 says, and strict. */
#include "support.h"
#include "wire/base64.h"

static void assert_decodes(poplin_slice text, int expected_result, poplin_slice expected) {
    poplin_buffer output = {0};

    assert_int_equal(poplin_buffer_append(&output, "kept", 4), POPLIN_OK);
    assert_int_equal(poplin_base64_decode(text, &output), expected_result);
    assert_int_equal(output.size, 4 + expected.size);
    assert_memory_equal(poplin_buffer_slice(&output).data, "kept", 4);
    assert_memory_equal(poplin_buffer_slice(&output).data + 4, expected.data, expected.size);
    poplin_buffer_free(&output);
}

static void vectors_of_rfc_4648(void **state) {
    const struct {
        poplin_slice plain, text;
    } rows[] = {
        {SLICE(""), SLICE("")},
        {SLICE("f"), SLICE("Zg==")},
        {SLICE("fo"), SLICE("Zm8=")},
        {SLICE("foo"), SLICE("Zm9v")},
        {SLICE("foob"), SLICE("Zm9vYg==")},
        {SLICE("fooba"), SLICE("Zm9vYmE=")},
        {SLICE("foobar"), SLICE("Zm9vYmFy")},
        {SLICE("\xfb\xff\xbf"), SLICE("+/+/")},
        {SLICE("\0"), SLICE("AA==")},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        poplin_buffer output = {0};

        assert_int_equal(poplin_base64_encode(rows[i].plain, &output), POPLIN_OK);
        assert_true(output.size == rows[i].text.size);
        if (output.size > 0)
            assert_memory_equal(poplin_buffer_slice(&output).data, rows[i].text.data, output.size);
        poplin_buffer_free(&output);
        assert_decodes(rows[i].text, POPLIN_OK, rows[i].plain);
    }
}

/* holds: POP-AUTH-13 S, T-SASL-4 S, VEC-B64-1 B */
static void what_is_not_base64_is_refused_and_leaves_no_trace(void **state) {
    const poplin_slice rows[] = {SLICE("=AAA"),  SLICE("AAA=BBB"), SLICE("AAA"),      SLICE("AA AA"),
                                 SLICE("AAAA="), SLICE("QR=="),    SLICE("QUJ="),     SLICE("===="),
                                 SLICE("="),     SLICE("A==="),    SLICE("AA=A"),     SLICE("QQ==QQ=="),
                                 SLICE("AAA\n"), SLICE("AAA\0"),   SLICE("AAA-"),     SLICE("AA_A"),
                                 SLICE("*"),     SLICE("AAA\xc3"), SLICE("AAAAAAA "), SLICE("AAAA====")};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_decodes(rows[i], POPLIN_ERR_PROTOCOL, SLICE(""));
    assert_decodes(SLICE("QQ=="), POPLIN_OK, SLICE("A"));
    assert_decodes(SLICE("AA=="), POPLIN_OK, SLICE("\0"));
}

static void random_octets_come_back(void **state) {
    uint64_t seed = 64;

    (void)state;
    for (size_t round = 0; round < 2000; round++) {
        char octets[100];
        size_t size = random_below(&seed, sizeof octets);
        poplin_buffer text = {0}, back = {0};

        for (size_t i = 0; i < size; i++)
            octets[i] = (char)random_below(&seed, 256);
        assert_int_equal(poplin_base64_encode((poplin_slice){octets, size}, &text), POPLIN_OK);
        assert_int_equal(poplin_base64_decode(poplin_buffer_slice(&text), &back), POPLIN_OK);
        assert_true(back.size == size);
        if (size > 0)
            assert_memory_equal(poplin_buffer_slice(&back).data, octets, size);
        poplin_buffer_free(&text);
        poplin_buffer_free(&back);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_rfc_4648),
        cmocka_unit_test(what_is_not_base64_is_refused_and_leaves_no_trace),
        cmocka_unit_test(random_octets_come_back),
    };

    return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
