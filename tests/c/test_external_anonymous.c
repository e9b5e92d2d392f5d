/* test_external_anonymous.c - EXTERNAL (RFC 4422 appendix A) and ANONYMOUS (RFC 4505), in which no secret is said. */
#include "mechanisms.h"

#define EXTERNAL POPLIN_MECHANISM_EXTERNAL
#define ANONYMOUS POPLIN_MECHANISM_ANONYMOUS

static const poplin_sasl_server_config fred_server = {.external = SLICE("fred@example.org")}, bare_server = {0};

/* A client of this config says expected, and has then said all. */
static void assert_one_message(enum poplin_mechanism mechanism, const poplin_sasl_client_config *config,
                               poplin_slice expected) {
    poplin_sasl_client *client = new_client(mechanism, config);

    assert_false(poplin_sasl_client_is_complete(client));
    assert_says(client, nothing, expected);
    assert_true(poplin_sasl_client_is_complete(client));
    assert_cancels(client, nothing);
    poplin_sasl_client_free(client);
}

/* holds: SASL-EXT-1 C */
static void external_client_says_as_whom_it_acts(void **state) {
    const poplin_sasl_client_config none = {0}, fred = {.user = SLICE("fred@example.org")},
                                    urs = {.user = SLICE("fred"), .authorize = SLICE("urs")};

    (void)state;
    assert_one_message(EXTERNAL, &none, SLICE(""));
    assert_one_message(EXTERNAL, &fred, SLICE("fred@example.org"));
    assert_one_message(EXTERNAL, &urs, SLICE("urs"));
}

/* holds: SASL-EXT-1 C, T-SASL-6 C */
static void external_client_refuses_names(void **state) {
    const poplin_slice rows[] = {SLICE("fr\0ed"), SLICE("\xFF")};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const poplin_sasl_client_config config = {.user = rows[i]};

        assert_no_client(EXTERNAL, &config, POPLIN_ERR_PROTOCOL);
    }
    for (size_t i = 0; i < COUNT_OF(huge_sizes); i++) {
        const poplin_sasl_client_config config = {.user = {"fred", huge_sizes[i]}};

        assert_too_long(EXTERNAL, &config);
        assert_no_client(ANONYMOUS, &config, POPLIN_ERR_PROTOCOL);
    }
}

/* holds: T-SASL-1 C */
static void clients_cancel_where_the_server_begins(void **state) {
    const poplin_sasl_client_config fred = {.user = SLICE("fred")};

    (void)state;
    for (enum poplin_mechanism mechanism = EXTERNAL; mechanism <= ANONYMOUS; mechanism++) {
        poplin_sasl_client *client = new_client(mechanism, &fred);

        assert_cancels(client, SLICE("who?"));
        assert_false(poplin_sasl_client_is_complete(client));
        poplin_sasl_client_free(client);
    }
}

/* holds: SASL-EXT-1 S */
static void external_server_lets_in_who_the_certificate_is(void **state) {
    const poplin_sasl_server_config spelled = {.external = SLICE("fre\xCC\x81"
                                                                 "d")};
    const poplin_slice rows[] = {SLICE(""), SLICE("fred@example.org"), SLICE("fred\xC2\xAD@example.org")};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        poplin_sasl_server *server = new_server(EXTERNAL, &fred_server);

        assert_slice(take_step(server, rows[i], POPLIN_SASL_DONE).user, SLICE("fred@example.org"));
        poplin_sasl_server_free(server);
    }

    poplin_sasl_server *server = new_server(EXTERNAL, &spelled);
    assert_int_equal(take_step(server, nothing, POPLIN_SASL_CHALLENGE).message.size, 0);
    assert_slice(take_step(server, nothing, POPLIN_SASL_DONE).user, SLICE("fr\xC3\xA9"
                                                                          "d"));
    poplin_sasl_server_free(server);
}

/* holds: SASL-EXT-1 S, T-SASL-3 S */
static void external_server_refuses_anybody_else(void **state) {
    const poplin_sasl_server_config unfit = {.external = SLICE("\xFF")};
    char name[256];
    const struct {
        const poplin_sasl_server_config *config;
        poplin_slice asked;
        bool malformed;
    } rows[] = {
        {&bare_server, SLICE(""), false},
        {&bare_server, SLICE("fred@example.org"), false},
        {&unfit, SLICE(""), false},
        {&fred_server, SLICE("urs"), false},
        {&fred_server, SLICE("fred"), false},
        {&fred_server, SLICE("FRED@example.org"), false},
        {&fred_server, SLICE("="), false},
        {&fred_server, SLICE("fred@example.org\0"), true},
        {&fred_server, SLICE("\0"), true},
        {&fred_server, SLICE("\xFF"), true},
        {&fred_server, SLICE("\xC2\xAD"), true},
        {&fred_server, {name, sizeof name}, true},
    };

    (void)state;
    memset(name, 'a', sizeof name);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_refused(EXTERNAL, rows[i].config, rows[i].asked, rows[i].malformed);
}

/* holds: SASL-ANON-1 C, VEC-ANON-1 C */
static void anonymous_client_says_its_trace(void **state) {
    const poplin_sasl_client_config none = {0}, sirhc = {.user = SLICE("sirhc")};

    (void)state;
    assert_one_message(ANONYMOUS, &none, SLICE(""));
    assert_one_message(ANONYMOUS, &sirhc, decoded("c2lyaGM="));
}

/* A trace of 255 characters of two octets, and one more. */
static char accents[512];

/* holds: SASL-ANON-1 B */
static void traces_have_bounds(void **state) {
    const poplin_slice rows[] = {
        SLICE("a\nb"), SLICE("a\0b"), SLICE("a\x7F"), SLICE("\xFF"), SLICE("\xE2\x82"), {accents, 512},
    };

    (void)state;
    for (size_t i = 0; i < sizeof accents; i += 2)
        memcpy(accents + i, "\xC3\xA9", 2);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const poplin_sasl_client_config config = {.user = rows[i]};

        assert_no_client(ANONYMOUS, &config, POPLIN_ERR_PROTOCOL);
        assert_refused(ANONYMOUS, &bare_server, rows[i], true);
    }

    const poplin_sasl_client_config longest = {.user = {accents, 510}};
    assert_one_message(ANONYMOUS, &longest, longest.user);
}

/* holds: SASL-ANON-1 S, VEC-ANON-1 S */
static void anonymous_server_takes_no_trace_for_a_name(void **state) {
    const poplin_slice rows[] = {SLICE(""), SLICE("sirhc"), SLICE("root"), {accents, 510}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        poplin_sasl_server *server = new_server(ANONYMOUS, &bare_server);

        assert_slice(take_step(server, rows[i], POPLIN_SASL_DONE).user, SLICE("anonymous"));
        poplin_sasl_server_free(server);
    }
}

/* holds: SASL-EXT-1 B, SASL-ANON-1 B */
static void both_halves_agree(void **state) {
    const poplin_sasl_client_config fred = {.user = SLICE("fred@example.org")}, urs = {.user = SLICE("urs")},
                                    none = {0};
    const account owner = {.user = SLICE("fred@example.org")}, anonymous = {.user = SLICE("anonymous")};

    (void)state;
    assert_let_in(EXTERNAL, &fred, &fred_server, &owner);
    assert_let_in(EXTERNAL, &none, &fred_server, &owner);
    assert_kept_out(EXTERNAL, &urs, &fred_server, &owner);
    assert_let_in(ANONYMOUS, &urs, &bare_server, &anonymous);
    assert_let_in(ANONYMOUS, &none, &bare_server, &anonymous);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(external_client_says_as_whom_it_acts),
        cmocka_unit_test(external_client_refuses_names),
        cmocka_unit_test(clients_cancel_where_the_server_begins),
        cmocka_unit_test(external_server_lets_in_who_the_certificate_is),
        cmocka_unit_test(external_server_refuses_anybody_else),
        cmocka_unit_test(anonymous_client_says_its_trace),
        cmocka_unit_test(traces_have_bounds),
        cmocka_unit_test(anonymous_server_takes_no_trace_for_a_name),
        cmocka_unit_test(both_halves_agree),
    };

    return cmocka_run_group_tests_name("external and anonymous", tests, NULL, NULL);
}
