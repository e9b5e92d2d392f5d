/*
 * test_logins.c - the users who logged in a short while ago: how long each has to wait, and that nobody is kept for longer.
 */
#include "loop/logins.h"

#include <stdio.h>

#include "support.h"

/* holds: POP-RESP-5 S */
static void test_a_user_waits_from_the_last_login_on(void **state) {
    poplin_logins logins = {.delay = 60};
    (void)state;
    assert_int_equal(poplin_logins_wait(&logins, SLICE("alice"), 1000), 0);
    poplin_logins_note(&logins, SLICE("alice"), logins.delay, 1000);
    assert_int_equal(poplin_logins_wait(&logins, SLICE("alice"), 1000), 60);
    assert_int_equal(poplin_logins_wait(&logins, SLICE("alice"), 1059), 1);
    assert_int_equal(poplin_logins_wait(&logins, SLICE("alice"), 1060), 0);
    poplin_logins_note(&logins, SLICE("alice"), logins.delay, 1060);
    assert_int_equal(poplin_logins_wait(&logins, SLICE("alice"), 1061), 59);
    poplin_logins_free(&logins);
}

static void test_names_are_octets(void **state) {
    poplin_logins logins = {.delay = 60};
    (void)state;
    poplin_logins_note(&logins, SLICE("a\0b"), logins.delay, 0);
    poplin_logins_note(&logins, SLICE(""), logins.delay, 0);
    assert_int_equal(poplin_logins_wait(&logins, SLICE("a\0b"), 0), 60);
    assert_int_equal(poplin_logins_wait(&logins, SLICE(""), 0), 60);
    assert_int_equal(poplin_logins_wait(&logins, SLICE("a"), 0), 0);
    assert_int_equal(poplin_logins_wait(&logins, SLICE("a\0c"), 0), 0);
    assert_int_equal(poplin_logins_wait(&logins, SLICE("A\0b"), 0), 0);
    poplin_logins_free(&logins);
}

/* Where maildrops are not locked, two sessions may ask for one at the same time. */
static void test_a_second_login_moves_the_first(void **state) {
    poplin_logins logins = {.delay = 60};
    (void)state;
    poplin_logins_note(&logins, SLICE("alice"), logins.delay, 0);
    poplin_logins_note(&logins, SLICE("bob"), logins.delay, 10);
    poplin_logins_note(&logins, SLICE("carol"), logins.delay, 20);
    poplin_logins_note(&logins, SLICE("bob"), logins.delay, 30);
    poplin_logins_note(&logins, SLICE("alice"), logins.delay, 40);
    poplin_logins_note(&logins, SLICE("alice"), logins.delay, 50);
    assert_int_equal(logins.names.count, 3);
    assert_int_equal(poplin_logins_wait(&logins, SLICE("carol"), 80), 0);
    assert_int_equal(poplin_logins_wait(&logins, SLICE("bob"), 80), 10);
    assert_int_equal(poplin_logins_wait(&logins, SLICE("alice"), 80), 30);
    assert_int_equal(poplin_logins_wait(&logins, SLICE("bob"), 90), 0);
    assert_int_equal(logins.names.count, 1);
    assert_int_equal(poplin_logins_wait(&logins, SLICE("alice"), 110), 0);
    assert_int_equal(logins.names.count, 0);
    poplin_logins_free(&logins);
}

static void test_who_may_come_again_is_forgotten(void **state) {
    poplin_logins logins = {.delay = 100};
    (void)state;
    for (uint64_t i = 0; i < 10000; i++) {
        char name[32];
        int size = snprintf(name, sizeof name, "user-%llu", (unsigned long long)i);
        poplin_logins_note(&logins, (poplin_slice){name, (size_t)size}, logins.delay, i);
        assert_true(logins.names.count <= 100);
    }
    assert_int_equal(logins.names.count, 100);
    assert_int_equal(poplin_logins_wait(&logins, SLICE("user-9999"), 10000), 99);
    assert_int_equal(poplin_logins_wait(&logins, SLICE("user-9900"), 10000), 0);
    assert_int_equal(poplin_logins_wait(&logins, SLICE("nobody"), 20000), 0);
    assert_int_equal(logins.names.count, 0);
    poplin_logins_free(&logins);
}

static void test_without_a_delay_nobody_is_kept(void **state) {
    poplin_logins logins = {0};
    (void)state;
    poplin_logins_note(&logins, SLICE("alice"), logins.delay, 5);
    assert_int_equal(logins.names.count, 0);
    assert_int_equal(poplin_logins_wait(&logins, SLICE("alice"), 5), 0);
    poplin_logins_free(&logins);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_user_waits_from_the_last_login_on),
        cmocka_unit_test(test_names_are_octets),
        cmocka_unit_test(test_a_second_login_moves_the_first),
        cmocka_unit_test(test_who_may_come_again_is_forgotten),
        cmocka_unit_test(test_without_a_delay_nobody_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
