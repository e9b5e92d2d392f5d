/* test_prepare.c - names and passwords prepared by SASLprep (RFC 4013). */
#include "support.h"

#include "sasl/prepare.h"
#include "wire/grammar.h"

static void assert_prepared(poplin_slice text, enum poplin_prepare how, const char *expected) {
    poplin_buffer prepared = {0};

    assert_int_equal(poplin_buffer_append(&prepared, "=", 1), POPLIN_OK);
    if (expected == NULL) {
        assert_int_equal(poplin_prepare(text, how, &prepared), POPLIN_ERR_PROTOCOL);
        assert_int_equal(prepared.size, 1);
    } else {
        assert_int_equal(poplin_prepare(text, how, &prepared), POPLIN_OK);
        poplin_buffer_consume(&prepared, 1);
        assert_true(poplin_slice_equal(poplin_buffer_slice(&prepared), poplin_slice_of(expected)));
    }
    poplin_buffer_free(&prepared);
}

struct row {
    poplin_slice text;
    const char *expected; /* NULL: refused */
};

static void assert_rows(const struct row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        assert_prepared(rows[i].text, POPLIN_PREPARE_STORED, rows[i].expected);
        assert_prepared(rows[i].text, POPLIN_PREPARE_QUERY, rows[i].expected);
    }
}

/* holds: PREP-1 B, VEC-PREP-1 B */
static void the_vectors(void **state) {
    const struct row rows[] = {
        {SLICE("I\u00ADX"), "IX"},  {SLICE("user"), "user"},       {SLICE("USER"), "USER"},
        {SLICE("\u00AA"), "a"},     {SLICE("\u2168"), "IX"},       {SLICE("\a"), NULL},
        {SLICE("\u06271"), NULL},   {SLICE("\u00BD"), "1\u20442"}, {SLICE("\u00B4"), " \u0301"},
        {SLICE("a\u00A0b"), "a b"}, {SLICE("e\u0301"), "\u00E9"},
    };

    (void)state;
    assert_rows(rows, COUNT_OF(rows));
}

/* holds: PREP-1 B, VEC-PREP-1 B */
static void unassigned_code_points_are_for_queries(void **state) {
    (void)state;
    assert_prepared(SLICE("\u0221"), POPLIN_PREPARE_STORED, NULL);
    assert_prepared(SLICE("\u0221"), POPLIN_PREPARE_QUERY, "\u0221");
}

/* holds: PREP-2 B */
static void ascii_is_itself_and_nothing_is_nothing(void **state) {
    const struct row rows[] = {
        {SLICE(" !\"#$%&'()*+,-./0:;<=>?@[\\]^_`{|}~ "), " !\"#$%&'()*+,-./0:;<=>?@[\\]^_`{|}~ "},
        {SLICE(""), NULL},
        {SLICE("\u00AD"), NULL},
        {SLICE("a\0b"), NULL},
        {SLICE("a\x7F"), NULL},
        {SLICE("a\r\n"), NULL},
        {SLICE("\u00E9\0b"), NULL},
    };

    (void)state;
    assert_rows(rows, COUNT_OF(rows));
}

/* holds: PREP-3 B, PREP-4 B */
static void it_is_saslprep_and_not_precis(void **state) {
    (void)state;
    assert_prepared(SLICE("\uFF21"), POPLIN_PREPARE_STORED, "A"); /* a width that PRECIS keeps in a password */
    assert_prepared(SLICE("\u2168"), POPLIN_PREPARE_STORED, "IX");
    assert_prepared(SLICE("a\u00ADb"), POPLIN_PREPARE_STORED, "ab");
}

/* holds: T-SCR-6 S */
static void what_is_no_utf_8_is_refused(void **state) {
    const struct row rows[] = {
        {SLICE("a\x80"), NULL},
        {SLICE("\xC3"), NULL},
        {SLICE("\xC3 "), NULL},
        {SLICE("\xC0\xAF"), NULL},
        {SLICE("\xE0\x80\xAF"), NULL},
        {SLICE("\xF0\x80\x80\xAF"), NULL},
        {SLICE("\xED\xA0\x80"), NULL},
        {SLICE("\xE2\x82"), NULL},
        {SLICE("\xF4\x90\x80\x80"), NULL},
        {SLICE("\xF8\x88\x80\x80\x80"), NULL},
        {SLICE("\xFF"), NULL},
    };

    (void)state;
    assert_rows(rows, COUNT_OF(rows));
}

/* The largest growth there is: eighteen code points for one. */
static void growth_has_room(void **state) {
    char text[3 * 1365];
    poplin_buffer prepared = {0};

    (void)state;
    for (size_t i = 0; i < sizeof text; i += 3)
        memcpy(text + i, "\uFDFA", 3);
    assert_int_equal(poplin_prepare((poplin_slice){text, sizeof text}, POPLIN_PREPARE_STORED, &prepared), POPLIN_OK);
    assert_int_equal(prepared.size, sizeof text / 3 * 33);
    poplin_buffer_free(&prepared);
}

/* holds: T-SASL-6 C */
static void length_is_bounded(void **state) {
    char text[4097];
    poplin_buffer prepared = {0};

    (void)state;
    memset(text, 'a', sizeof text);
    assert_int_equal(poplin_prepare((poplin_slice){text, 4096}, POPLIN_PREPARE_QUERY, &prepared), POPLIN_OK);
    assert_int_equal(poplin_prepare((poplin_slice){text, 4097}, POPLIN_PREPARE_QUERY, &prepared), POPLIN_ERR_PROTOCOL);
    assert_int_equal(poplin_prepare((poplin_slice){text, SIZE_MAX}, POPLIN_PREPARE_QUERY, &prepared),
                     POPLIN_ERR_PROTOCOL);
    assert_int_equal(prepared.size, 4096);
    poplin_buffer_free(&prepared);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors),
        cmocka_unit_test(unassigned_code_points_are_for_queries),
        cmocka_unit_test(ascii_is_itself_and_nothing_is_nothing),
        cmocka_unit_test(it_is_saslprep_and_not_precis),
        cmocka_unit_test(what_is_no_utf_8_is_refused),
        cmocka_unit_test(growth_has_room),
        cmocka_unit_test(length_is_bounded),
    };

    return cmocka_run_group_tests_name("prepare", tests, NULL, NULL);
}
