/* test_mechanisms_allocation.c - memory runs out at each place of an exchange in turn: that is told. */
#include "failing.h"

#include "mechanisms.h"
#include "sasl/apop.h"

static const poplin_sasl_client_config tim = {
    .user = SLICE("ti\xC3\xA9"),
    .password = SLICE("tanstaaf\xC3\xA9"),
    .token = SLICE("tanstaaf"),
    .host = "localhost",
    .port = 995,
};
static const poplin_sasl_client_config traced = {.user = SLICE("sirhc")};

/* An exchange of each mechanism that is no SCRAM, let in or kept out. */
static int play_exchanges(bool wrong) {
    const poplin_sasl_server_config server = {.host = "localhost", .port = 995, .external = tim.user};
    const account password = {tim.user, wrong ? SLICE("other") : tim.password};
    const account token = {tim.user, wrong ? SLICE("other") : tim.token};
    int status = POPLIN_OK;
    ending end;

    for (enum poplin_mechanism mechanism = POPLIN_MECHANISM_OAUTHBEARER; mechanism < POPLIN_MECHANISM_COUNT;
         mechanism++) {
        bool shows_token = poplin_mechanism_proof(mechanism) == POPLIN_PROOF_TOKEN;

        if (status == POPLIN_OK)
            status = converse(mechanism, mechanism == POPLIN_MECHANISM_ANONYMOUS ? &traced : &tim, &server,
                              shows_token ? &token : &password, &end);
    }
    return status;
}

static int play_right(void) {
    return play_exchanges(false);
}

static int play_wrong(void) {
    return play_exchanges(true);
}

static int play_apop(void) {
    int status = POPLIN_OK;

    for (size_t i = 0; i < 4 && status == POPLIN_OK; i++) {
        char digest[POPLIN_DIGEST_SIZE];
        poplin_buffer timestamp = {0};

        status = poplin_apop_make_timestamp("localhost", &timestamp);
        if (status == POPLIN_OK)
            status = poplin_apop_digest(poplin_buffer_slice(&timestamp), tim.password, digest);
        if (status == POPLIN_OK)
            status = poplin_apop_verify(poplin_buffer_slice(&timestamp), tim.password,
                                        (poplin_slice){digest, sizeof digest});
        poplin_buffer_free(&timestamp);
    }
    return status;
}

/* holds: T-API-5 B */
static void exchanges_tell_that_memory_ran_out(void **state) {
    (void)state;
    assert_told_at_each_allocation(play_right);
    assert_told_at_each_allocation(play_wrong);
}

/* holds: T-API-5 B */
static void apop_tells_that_memory_ran_out(void **state) {
    (void)state;
    assert_told_at_each_allocation(play_apop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exchanges_tell_that_memory_ran_out),
        cmocka_unit_test(apop_tells_that_memory_ran_out),
    };

    return cmocka_run_group_tests_name("mechanisms without memory", tests, NULL, NULL);
}
