/* test_password.c - shown passwords against what a server's owner keeps. */
#include "support.h"

#include "sasl/password.h"

static const poplin_slice nobody = {NULL, 0};

static poplin_scram_keys keys_of(enum poplin_scram_hash hash, poplin_slice password, char *storage) {
    poplin_scram_keys keys;

    assert_int_equal(poplin_scram_keys_make(hash, password, SLICE("salt of sixteen."), 0, storage, &keys), POPLIN_OK);
    return keys;
}

/* holds: SASL-PLAIN-2 S, PREP-1 S */
static void same_once_prepared(void **state) {
    static const poplin_slice pairs[][2] = {
        {SLICE("secret"), SLICE("secret")},
        {SLICE("I\xC2\xADX"), SLICE("IX")},
        {SLICE("IX"), SLICE("\xE2\x85\xA8")},
        {SLICE("e\xCC\x81"), SLICE("\xC3\xA9")},
        {SLICE("\xFF\x00\x01"), SLICE("\xFF\x00\x01")}, /* cannot be prepared, and is itself all the same */
        {SLICE(" a b "), SLICE(" a b ")},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(pairs); i++)
        assert_int_equal(poplin_password_verify(pairs[i][0], pairs[i][1]), POPLIN_OK);
}

/* holds: T-CMP-1 S, T-USR-1 S */
static void anything_else_is_not(void **state) {
    static const poplin_slice pairs[][2] = {
        {SLICE("secret"), SLICE("secreT")},
        {SLICE("secret"), SLICE("Secret")},
        {SLICE("secret"), SLICE("secre")},
        {SLICE("secre"), SLICE("secret")},
        {SLICE("s"), SLICE("secret")},
        {SLICE("ss"), SLICE("s")},
        {SLICE(""), SLICE("secret")},
        {SLICE("secret"), {NULL, 0}},
        {SLICE("secret"), SLICE("")},
        {SLICE(""), SLICE("")},
        {{NULL, 0}, {NULL, 0}},
        {SLICE("a\0b"), SLICE("a\0c")},
        {SLICE("secretsecret"), SLICE("secret")},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(pairs); i++)
        assert_int_equal(poplin_password_verify(pairs[i][0], pairs[i][1]), POPLIN_ERR_AUTH);
}

/* holds: SASL-SCRAM-2 S, PREP-1 S */
static void keys_of_either_hash_are_checked(void **state) {
    char storage[POPLIN_SCRAM_STORAGE];

    (void)state;
    for (int hash = POPLIN_SCRAM_SHA_1; hash <= POPLIN_SCRAM_SHA_256; hash++) {
        const poplin_scram_keys keys = keys_of((enum poplin_scram_hash)hash, SLICE("IX"), storage);

        assert_int_equal(poplin_password_verify_keys(SLICE("IX"), &keys, 0), POPLIN_OK);
        assert_int_equal(poplin_password_verify_keys(SLICE("I\xC2\xADX"), &keys, 99999), POPLIN_OK);
        assert_int_equal(poplin_password_verify_keys(SLICE("ix"), &keys, 0), POPLIN_ERR_AUTH);
        assert_int_equal(poplin_password_verify_keys(SLICE("\xFF"), &keys, 0), POPLIN_ERR_AUTH);
        assert_int_equal(poplin_password_verify_keys(SLICE(""), &keys, 0), POPLIN_ERR_AUTH);
        assert_int_equal(poplin_password_verify_keys(nobody, &keys, 0), POPLIN_ERR_AUTH);
    }
}

/* holds: T-USR-1 S */
static void nobody_has_keys(void **state) {
    (void)state;
    assert_int_equal(poplin_password_verify_keys(SLICE("secret"), NULL, 0), POPLIN_ERR_AUTH);
    assert_int_equal(poplin_password_verify_keys(SLICE("secret"), NULL, 5000), POPLIN_ERR_AUTH);
    assert_int_equal(poplin_password_verify_keys(nobody, NULL, 1), POPLIN_ERR_AUTH);
}

static void keys_that_are_none_let_nobody_in(void **state) {
    char storage[POPLIN_SCRAM_STORAGE];
    const poplin_scram_keys good = keys_of(POPLIN_SCRAM_SHA_256, SLICE("secret"), storage);
    poplin_scram_keys bad[6] = {good, good, good, good, good, {0}};

    (void)state;
    bad[0].iterations = 0;
    bad[1].salt = nobody;
    bad[2].salt.size = POPLIN_SCRAM_SALT_MAX + 1;
    bad[3].stored_key.size = 31;
    bad[4].stored_key = nobody;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(poplin_password_verify_keys(SLICE("secret"), &bad[i], 0), POPLIN_ERR_AUTH);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_once_prepared),
        cmocka_unit_test(anything_else_is_not),
        cmocka_unit_test(keys_of_either_hash_are_checked),
        cmocka_unit_test(nobody_has_keys),
        cmocka_unit_test(keys_that_are_none_let_nobody_in),
    };

    return cmocka_run_group_tests_name("password", tests, NULL, NULL);
}
