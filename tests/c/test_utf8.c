/* test_utf8.c - which octets are UTF-8, and how many characters they are (RFC 3629). */
#include "mechanisms.h"

#include "wire/utf8.h"

static void well_formed_sequences_are_counted(void **state) {
    const struct {
        poplin_slice text;
        size_t length;
    } rows[] = {
        {nothing, 0},
        {SLICE("a\0b\x7F"), 4},
        {SLICE("\xC2\x80\xDF\xBF"), 2},
        {SLICE("\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF"), 4},
        {SLICE("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"), 2},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_true(poplin_is_utf8(rows[i].text));
        assert_int_equal(poplin_utf8_length(rows[i].text), rows[i].length);
    }
}

static void anything_else_is_none(void **state) {
    const poplin_slice rows[] = {
        SLICE("\x80"),
        SLICE("\xBF"),
        SLICE("\xC0\x80"),
        SLICE("\xC1\xBF"),
        SLICE("\xC2"),
        SLICE("\xC2"
              "A"),
        SLICE("\xC2\xC0"),
        SLICE("\xE0\x9F\xBF"),
        SLICE("\xE2\x82"),
        SLICE("\xE2\x82"
              "A"),
        SLICE("\xED\xA0\x80"),
        SLICE("\xED\xBF\xBF"),
        SLICE("\xF0\x8F\xBF\xBF"),
        SLICE("\xF4\x90\x80\x80"),
        SLICE("\xF0\x90\x80"),
        SLICE("\xF5\x80\x80\x80"),
        SLICE("\xFE"),
        SLICE("a\xFF"),
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const poplin_slice copy = exact(rows[i]);

        assert_false(poplin_is_utf8(copy));
        free((char *)copy.data);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_formed_sequences_are_counted),
        cmocka_unit_test(anything_else_is_none),
    };

    return cmocka_run_group_tests_name("UTF-8", tests, NULL, NULL);
}
