/* test_cram.c - both halves of CRAM-MD5 (RFC 2195). */
#include "mechanisms.h"

#include "sasl/digest.h"

#define CHALLENGE "<1896.697170952@postoffice.reston.mci.net>"
#define DIGEST "b913a602c7eda7a495b4e6e7334d3890"

static const poplin_sasl_client_config tim = {.user = SLICE("tim"), .password = SLICE("tanstaaftanstaaf")};
static const poplin_sasl_server_config vector_server = {.nonce = SLICE(CHALLENGE)};

static char long_key[] = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk";

/* VEC-CRAM-1, and keys above 64 octets, which are hashed; the hash of the last has a NUL in it (VEC-CRAM-2, -3). */
static const struct {
    poplin_slice secret;
    const char *answer;
} vectors[] = {
    {SLICE("tanstaaftanstaaf"), "tim " DIGEST},
    {{long_key, 65}, "tim c26f650abcb485a907fa679a2807bdac"},
    {{long_key, 79}, "tim f1bb459eff2dcda64c0a8b408571ddef"},
};

/* holds: VEC-CRAM-2 C, VEC-CRAM-3 C, T-SASL-13 C */
static void client_answers_the_vectors(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        const poplin_sasl_client_config config = {.user = SLICE("tim"), .password = vectors[i].secret};
        poplin_sasl_client *client = new_client(POPLIN_MECHANISM_CRAM_MD5, &config);

        assert_says(client, decoded("PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+"),
                    poplin_slice_of(vectors[i].answer));
        assert_true(poplin_sasl_client_is_complete(client));
        assert_cancels(client, SLICE(CHALLENGE));
        poplin_sasl_client_free(client);
    }
}

/* holds: VEC-CRAM-1 S, VEC-CRAM-2 S, VEC-CRAM-3 S */
static void server_takes_the_vectors(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        poplin_sasl_server *server = new_server(POPLIN_MECHANISM_CRAM_MD5, &vector_server);
        poplin_sasl_turn turn;

        assert_slice(take_step(server, nothing, POPLIN_SASL_CHALLENGE).message, SLICE(CHALLENGE));
        turn = take_step(server, poplin_slice_of(vectors[i].answer), POPLIN_SASL_SECRET);
        assert_slice(turn.user, SLICE("tim"));
        assert_int_equal(poplin_sasl_server_secret(server, vectors[i].secret, &turn), POPLIN_OK);
        assert_int_equal(turn.wish, POPLIN_SASL_DONE);
        assert_slice(turn.user, SLICE("tim"));
        poplin_sasl_server_free(server);
    }
}

/* holds: T-SASL-7 C, T-SASL-3 C */
static void client_takes_challenges_of_any_length_but_none(void **state) {
    char *challenge = malloc(100000);
    poplin_buffer response = {0};
    poplin_sasl_client *client = new_client(POPLIN_MECHANISM_CRAM_MD5, &tim);
    const char *reason;

    (void)state;
    memset(challenge, '<', 100000);
    assert_cancels(client, nothing);
    assert_cancels(client, SLICE(""));
    assert_false(poplin_sasl_client_is_complete(client));
    assert_int_equal(poplin_sasl_client_step(client, (poplin_slice){challenge, 100000}, &response, &reason), POPLIN_OK);
    assert_int_equal(response.size, 3 + 1 + 32);
    poplin_buffer_free(&response);
    poplin_sasl_client_free(client);
    free(challenge);
}

/* holds: SASL-CRAM-1 C, T-SASL-6 C, PREP-1 C */
static void client_refuses_what_cannot_be_said(void **state) {
    const struct {
        poplin_sasl_client_config config;
        int status;
    } rows[] = {
        {{.password = SLICE("secret")}, POPLIN_ERR_STATE},
        {{.user = SLICE("tim")}, POPLIN_ERR_STATE},
        {{.user = SLICE("tim"), .password = SLICE("")}, POPLIN_ERR_PROTOCOL},
        {{.user = SLICE("tim"), .password = SLICE("\xFF")}, POPLIN_ERR_PROTOCOL},
        {{.user = SLICE("tim"), .password = SLICE("sec\aret")}, POPLIN_ERR_PROTOCOL},
        {{.user = SLICE("tim"), .password = SLICE("\xC8\xA1")}, POPLIN_ERR_PROTOCOL}, /* U+0221: not assigned */
        {{.user = SLICE("tim"), .authorize = SLICE("urs"), .password = SLICE("secret")}, POPLIN_ERR_PROTOCOL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_no_client(POPLIN_MECHANISM_CRAM_MD5, &rows[i].config, rows[i].status);
    for (size_t i = 0; i < COUNT_OF(huge_sizes); i++) {
        const poplin_sasl_client_config config = {.user = SLICE("tim"), .password = {"secret", huge_sizes[i]}};

        assert_too_long(POPLIN_MECHANISM_CRAM_MD5, &config);
    }
}

/* holds: T-SASL-2 S */
static void server_refuses_an_initial_response(void **state) {
    (void)state;
    assert_refused(POPLIN_MECHANISM_CRAM_MD5, &vector_server, SLICE("tim " DIGEST), true);
    assert_refused(POPLIN_MECHANISM_CRAM_MD5, &vector_server, SLICE(""), true);
}

/* holds: SASL-CRAM-2 S, T-SASL-3 S */
static void server_refuses_what_is_no_answer(void **state) {
    char name[256 + 33];
    const poplin_slice rows[] = {
        nothing,
        SLICE(""),
        SLICE("tim"),
        SLICE(DIGEST),
        SLICE(" " DIGEST),
        SLICE("tim" DIGEST),
        SLICE("tim  b913a602c7eda7a495b4e6e7334d389"),
        SLICE("tim b913a602c7eda7a495b4e6e7334d389g"),
        SLICE("tim B913A602C7EDA7A495B4E6E7334D3890"),
        SLICE("tim " DIGEST " "),
        SLICE("tim\0" DIGEST),
        SLICE("\xFF " DIGEST),
        SLICE("ti\0m " DIGEST),
        {name, sizeof name},
    };

    (void)state;
    memset(name, 'a', 256);
    memcpy(name + 256, " " DIGEST, 33);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        poplin_sasl_server *server = new_server(POPLIN_MECHANISM_CRAM_MD5, &vector_server);

        take_step(server, nothing, POPLIN_SASL_CHALLENGE);
        assert_true(take_step(server, rows[i], POPLIN_SASL_FAILED).malformed);
        poplin_sasl_server_free(server);
    }
}

/* holds: SASL-CRAM-2 S, T-CMP-1 S */
static void wrong_digests_and_unknown_users_fail_alike(void **state) {
    static const char *const answers[] = {
        "tim c913a602c7eda7a495b4e6e7334d3890",
        "tim b913a602c7eda7a495b4e6e7334d3891",
        "tim " DIGEST,
        "tim " DIGEST,
        "tim " DIGEST,
    };
    const poplin_slice secrets[] = {tim.password, tim.password, nothing, SLICE("sec\aret"), SLICE("other")};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        poplin_sasl_server *server = new_server(POPLIN_MECHANISM_CRAM_MD5, &vector_server);
        poplin_sasl_turn turn;

        take_step(server, nothing, POPLIN_SASL_CHALLENGE);
        take_step(server, poplin_slice_of(answers[i]), POPLIN_SASL_SECRET);
        if (secrets[i].data == NULL)
            assert_int_equal(poplin_sasl_server_unknown(server, &turn), POPLIN_OK);
        else
            assert_int_equal(poplin_sasl_server_secret(server, secrets[i], &turn), POPLIN_OK);
        assert_int_equal(turn.wish, POPLIN_SASL_FAILED);
        assert_false(turn.malformed);
        poplin_sasl_server_free(server);
    }
}

/* The digest under a key that is no secret lets nobody in: it is the one that is worked out for unknown users. */
/* holds: SASL-CRAM-2 S */
static void nobody_proves_an_unknown_user(void **state) {
    const poplin_sasl_client_config guess = {.user = SLICE("urs"), .password = SLICE(CHALLENGE)};
    const account owner = {SLICE("tim"), SLICE("tanstaaftanstaaf")};

    (void)state;
    assert_kept_out(POPLIN_MECHANISM_CRAM_MD5, &guess, &vector_server, &owner);
}

/* U+0221 is not assigned: a client could say it as a query, and no stored password is it. */
/* holds: PREP-1 S */
static void server_prepares_the_secret_as_stored(void **state) {
    const poplin_slice secret = SLICE("\xC8\xA1");
    poplin_sasl_server *server = new_server(POPLIN_MECHANISM_CRAM_MD5, &vector_server);
    char answer[4 + POPLIN_DIGEST_SIZE] = "tim ";
    poplin_sasl_turn turn;

    (void)state;
    assert_int_equal(poplin_digest_keyed(SLICE(CHALLENGE), secret, answer + 4), POPLIN_OK);
    take_step(server, nothing, POPLIN_SASL_CHALLENGE);
    take_step(server, (poplin_slice){answer, sizeof answer}, POPLIN_SASL_SECRET);
    assert_int_equal(poplin_sasl_server_secret(server, secret, &turn), POPLIN_OK);
    assert_int_equal(turn.wish, POPLIN_SASL_FAILED);
    poplin_sasl_server_free(server);
}

/* holds: SASL-CRAM-1 S */
static void server_never_says_a_challenge_twice(void **state) {
    const poplin_sasl_server_config config = {.host = "mail.example.org"};
    poplin_sasl_server *servers[2];
    poplin_slice challenges[2];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        servers[i] = new_server(POPLIN_MECHANISM_CRAM_MD5, &config);
        challenges[i] = take_step(servers[i], nothing, POPLIN_SASL_CHALLENGE).message;
        assert_memory_equal(challenges[i].data + challenges[i].size - 18, "@mail.example.org>", 18);
    }
    assert_false(poplin_slice_equal(challenges[0], challenges[1]));
    poplin_sasl_server_free(servers[0]);
    poplin_sasl_server_free(servers[1]);
}

/* holds: SASL-CRAM-1 B, SASL-CRAM-2 S */
static void both_halves_agree(void **state) {
    const poplin_sasl_server_config server = {0};
    const account owner = {SLICE("tim"), SLICE("tanstaaftanstaaf")}, other = {SLICE("tim"), SLICE("tanstaaf")};
    const account spaced = {SLICE("Tim T. Tim"), SLICE("IX")};
    const poplin_sasl_client_config spelled = {.user = spaced.user, .password = SLICE("\xE2\x85\xA8")};

    (void)state;
    assert_let_in(POPLIN_MECHANISM_CRAM_MD5, &tim, &server, &owner);
    assert_kept_out(POPLIN_MECHANISM_CRAM_MD5, &tim, &server, &other);
    assert_let_in(POPLIN_MECHANISM_CRAM_MD5, &spelled, &server, &spaced);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_answers_the_vectors),
        cmocka_unit_test(server_takes_the_vectors),
        cmocka_unit_test(client_takes_challenges_of_any_length_but_none),
        cmocka_unit_test(client_refuses_what_cannot_be_said),
        cmocka_unit_test(server_refuses_an_initial_response),
        cmocka_unit_test(server_refuses_what_is_no_answer),
        cmocka_unit_test(wrong_digests_and_unknown_users_fail_alike),
        cmocka_unit_test(nobody_proves_an_unknown_user),
        cmocka_unit_test(server_prepares_the_secret_as_stored),
        cmocka_unit_test(server_never_says_a_challenge_twice),
        cmocka_unit_test(both_halves_agree),
    };

    return cmocka_run_group_tests_name("cram", tests, NULL, NULL);
}
