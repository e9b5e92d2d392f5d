/* test_login.c - both halves of the LOGIN mechanism (draft-murchison-sasl-login-00). */
#include "mechanisms.h"

static const poplin_sasl_client_config tim = {.user = SLICE("tim"), .password = SLICE("tanstaaftanstaaf")};
static const poplin_sasl_server_config login_server = {0};

/* holds: SASL-LOGIN-1 C, VEC-LOGIN-1 C */
static void client_answers_any_two_prompts(void **state) {
    static const char *const prompts[][2] = {
        {"VXNlcm5hbWU6", "UGFzc3dvcmQ6"},
        {"VXNlciBOYW1lAA==", "UGFzc3dvcmQA"},
        {"UGFzc3dvcmQ6", "VXNlcm5hbWU6"},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(prompts); i++) {
        poplin_sasl_client *client = new_client(POPLIN_MECHANISM_LOGIN, &tim);

        assert_says(client, decoded(prompts[i][0]), SLICE("tim"));
        assert_false(poplin_sasl_client_is_complete(client));
        assert_says(client, decoded(prompts[i][1]), SLICE("tanstaaftanstaaf"));
        assert_true(poplin_sasl_client_is_complete(client));
        assert_cancels(client, SLICE("Token:"));
        poplin_sasl_client_free(client);
    }
}

/* holds: T-SASL-7 C */
static void client_takes_prompts_of_any_length(void **state) {
    char *prompt = malloc(100000);
    poplin_sasl_client *client = new_client(POPLIN_MECHANISM_LOGIN, &tim);

    (void)state;
    memset(prompt, 'U', 100000);
    assert_says(client, (poplin_slice){prompt, 100000}, SLICE("tim"));
    assert_says(client, (poplin_slice){prompt, 100000}, SLICE("tanstaaftanstaaf"));
    poplin_sasl_client_free(client);
    free(prompt);
}

/* holds: SASL-LOGIN-1 C, T-SASL-6 C */
static void client_refuses_what_cannot_be_said(void **state) {
    const struct {
        poplin_sasl_client_config config;
        int status;
    } rows[] = {
        {{.password = SLICE("secret")}, POPLIN_ERR_STATE},
        {{.user = SLICE("tim")}, POPLIN_ERR_STATE},
        {{.user = SLICE(""), .password = SLICE("secret")}, POPLIN_ERR_PROTOCOL},
        {{.user = SLICE("tim"), .password = SLICE("")}, POPLIN_ERR_PROTOCOL},
        {{.user = SLICE("ti\0m"), .password = SLICE("secret")}, POPLIN_ERR_PROTOCOL},
        {{.user = SLICE("tim"), .password = SLICE("\xFF")}, POPLIN_ERR_PROTOCOL},
        {{.user = SLICE("tim"), .authorize = SLICE("urs"), .password = SLICE("secret")}, POPLIN_ERR_PROTOCOL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_no_client(POPLIN_MECHANISM_LOGIN, &rows[i].config, rows[i].status);
    for (size_t i = 0; i < COUNT_OF(huge_sizes); i++) {
        const poplin_sasl_client_config config = {.user = SLICE("tim"), .password = {"secret", huge_sizes[i]}};

        assert_too_long(POPLIN_MECHANISM_LOGIN, &config);
    }
}

/* holds: SASL-LOGIN-2 S, VEC-LOGIN-1 S */
static void server_prompts_twice(void **state) {
    poplin_sasl_server *server = new_server(POPLIN_MECHANISM_LOGIN, &login_server);
    poplin_sasl_turn turn;

    (void)state;
    assert_slice(take_step(server, nothing, POPLIN_SASL_CHALLENGE).message, decoded("VXNlcm5hbWU6"));
    assert_slice(take_step(server, decoded("dGlt"), POPLIN_SASL_CHALLENGE).message, decoded("UGFzc3dvcmQ6"));
    turn = take_step(server, decoded("dGFuc3RhYWZ0YW5zdGFhZg=="), POPLIN_SASL_CHECK);
    assert_slice(turn.user, SLICE("tim"));
    assert_slice(turn.password, SLICE("tanstaaftanstaaf"));
    assert_int_equal(poplin_sasl_server_step(server, SLICE("more"), &turn), POPLIN_ERR_STATE);
    poplin_sasl_server_free(server);
}

/* holds: T-SASL-2 S */
static void server_refuses_an_initial_response(void **state) {
    (void)state;
    assert_refused(POPLIN_MECHANISM_LOGIN, &login_server, SLICE("tim"), true);
    assert_refused(POPLIN_MECHANISM_LOGIN, &login_server, SLICE(""), true);
}

/* holds: SASL-LOGIN-2 S, T-SASL-3 S, PREP-1 S */
static void server_refuses_names_and_passwords(void **state) {
    static const char a256[] =
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const poplin_slice rows[] = {
        nothing, SLICE(""), SLICE("\0"), SLICE("tim\0"), SLICE("\xFF"), SLICE("\xC2\xAD"), {a256, 256},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        poplin_sasl_server *server = new_server(POPLIN_MECHANISM_LOGIN, &login_server);

        take_step(server, nothing, POPLIN_SASL_CHALLENGE);
        assert_true(take_step(server, rows[i], POPLIN_SASL_FAILED).malformed);
        poplin_sasl_server_free(server);

        server = new_server(POPLIN_MECHANISM_LOGIN, &login_server);
        take_step(server, nothing, POPLIN_SASL_CHALLENGE);
        take_step(server, (poplin_slice){a256, 255}, POPLIN_SASL_CHALLENGE);
        assert_true(take_step(server, rows[i], POPLIN_SASL_FAILED).malformed);
        poplin_sasl_server_free(server);
    }
}

/* holds: SASL-LOGIN-1 C, SASL-LOGIN-2 S */
static void both_halves_agree(void **state) {
    const account owner = {SLICE("tim"), SLICE("tanstaaftanstaaf")}, other = {SLICE("tim"), SLICE("tanstaaf")};
    const account accented = {SLICE("ti\xC3\xA9"), SLICE("IX")};
    const poplin_sasl_client_config spelled = {.user = SLICE("tie\xCC\x81"), .password = SLICE("\xE2\x85\xA8")};

    (void)state;
    assert_let_in(POPLIN_MECHANISM_LOGIN, &tim, &login_server, &owner);
    assert_kept_out(POPLIN_MECHANISM_LOGIN, &tim, &login_server, &other);
    assert_let_in(POPLIN_MECHANISM_LOGIN, &spelled, &login_server, &accented);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_answers_any_two_prompts),
        cmocka_unit_test(client_takes_prompts_of_any_length),
        cmocka_unit_test(client_refuses_what_cannot_be_said),
        cmocka_unit_test(server_prompts_twice),
        cmocka_unit_test(server_refuses_an_initial_response),
        cmocka_unit_test(server_refuses_names_and_passwords),
        cmocka_unit_test(both_halves_agree),
    };

    return cmocka_run_group_tests_name("login", tests, NULL, NULL);
}
