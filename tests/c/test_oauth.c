/* test_oauth.c - both halves of OAUTHBEARER (RFC 7628) and XOAUTH2. */
#include "mechanisms.h"

#define BEARER POPLIN_MECHANISM_OAUTHBEARER
#define XOAUTH2 POPLIN_MECHANISM_XOAUTH2

static const poplin_sasl_client_config bearer_client = {
    .user = SLICE("user@example.com"),
    .token = SLICE("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="),
    .host = "server.example.com",
    .port = 143,
};
static const poplin_sasl_client_config google_client = {
    .user = SLICE("someuser@example.com"),
    .token = SLICE("ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"),
    .host = "pop.gmail.com",
    .port = 995,
};
static const poplin_sasl_server_config any_server = {0};
static const poplin_sasl_server_config named_server = {.host = "Server.Example.com", .port = 143};

static const char bearer_text[] =
    "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52"
    "YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB";
static const char bearer_995[] =
    "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9OTk1AWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52"
    "YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB";
static const char bearer_empty[] =
    "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9AQE=";
static const char bearer_json[] =
    "eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NvcGUiOiJleGFtcGxlX3Njb3BlIiwib3BlbmlkLWNvbmZpZ3VyYXRpb24iOiJodHRwczov"
    "L2V4YW1wbGUuY29tLy53ZWxsLWtub3duL29wZW5pZC1jb25maWd1cmF0aW9uIn0=";
static const char google_text[] =
    "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0"
    "Q2cBAQ==";
static const char google_json[] = "eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIG1hYyIsInNjb3BlIjoiaHR0cHM6Ly9tYWlsLmdv"
                                  "b2dsZS5jb20vIn0K";

/* holds: SASL-OAB-1 C, VEC-OAB-1 C, VEC-XOA-1 C */
static void client_sends_the_vectors(void **state) {
    poplin_sasl_client_config secured = bearer_client;
    poplin_sasl_client *client = new_client(BEARER, &bearer_client);

    (void)state;
    assert_says(client, nothing, decoded(bearer_text));
    assert_true(poplin_sasl_client_is_complete(client));
    poplin_sasl_client_free(client);
    secured.port = 995;
    client = new_client(BEARER, &secured);
    assert_says(client, SLICE(""), decoded(bearer_995));
    poplin_sasl_client_free(client);
    client = new_client(XOAUTH2, &google_client);
    assert_says(client, nothing, decoded(google_text));
    assert_true(poplin_sasl_client_is_complete(client));
    poplin_sasl_client_free(client);
}

/* holds: SASL-OAB-1 C, SASL-XOA-1 C */
static void client_says_whose_mail_it_wants(void **state) {
    poplin_sasl_client_config config = {.authorize = SLICE("a=b,c"), .user = SLICE("tim"), .token = SLICE("t")};
    poplin_sasl_client *client = new_client(BEARER, &config);

    (void)state;
    assert_says(client, nothing, SLICE("n,a=a=3Db=2Cc,\1auth=Bearer t\1\1"));
    poplin_sasl_client_free(client);
    client = new_client(XOAUTH2, &config);
    assert_says(client, nothing, SLICE("user=a=b,c\1auth=Bearer t\1\1"));
    poplin_sasl_client_free(client);
    config.authorize = config.user = nothing;
    client = new_client(BEARER, &config);
    assert_says(client, nothing, SLICE("n,,\1auth=Bearer t\1\1"));
    poplin_sasl_client_free(client);
}

/* holds: SASL-OAB-3 C, VEC-OAB-2 C, VEC-XOA-1 C */
static void client_answers_a_refusal_once(void **state) {
    const struct {
        enum poplin_mechanism mechanism;
        const char *json;
        poplin_slice answer;
    } rows[] = {{BEARER, bearer_json, SLICE("\1")}, {XOAUTH2, google_json, SLICE("")}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        poplin_sasl_client *client = new_client(rows[i].mechanism, &google_client);
        poplin_buffer first = {0};
        const char *reason;

        assert_int_equal(poplin_sasl_client_step(client, nothing, &first, &reason), POPLIN_OK);
        assert_null(poplin_sasl_client_answer(client).data);
        assert_says(client, decoded(rows[i].json), rows[i].answer);
        assert_false(poplin_sasl_client_is_complete(client));
        assert_cancels(client, decoded(rows[i].json));
        assert_cancels(client, nothing);
        assert_slice(poplin_sasl_client_answer(client), decoded(rows[i].json));
        poplin_buffer_free(&first);
        poplin_sasl_client_free(client);
    }
}

/* holds: T-OAU-2 C, T-SASL-7 C */
static void client_keeps_any_refusal_as_text(void **state) {
    static char huge[100000];
    const poplin_slice rows[] = {
        SLICE(""), SLICE("no JSON"), SLICE("{\"status\""), SLICE("\0\xFF\x80"), {huge, 8192}, {huge, sizeof huge},
    };

    (void)state;
    memset(huge, '[', sizeof huge);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        poplin_sasl_client *client = new_client(BEARER, &bearer_client);
        poplin_slice expected = rows[i];

        if (expected.size > 8192)
            expected.size = 8192;
        assert_says(client, nothing, decoded(bearer_text));
        assert_says(client, rows[i], SLICE("\1"));
        assert_slice(poplin_sasl_client_answer(client), expected);
        poplin_sasl_client_free(client);
    }
}

/* holds: T-SASL-1 C, SASL-OAB-4 C */
static void client_cancels_where_the_server_begins(void **state) {
    (void)state;
    for (enum poplin_mechanism mechanism = BEARER; mechanism <= XOAUTH2; mechanism++) {
        poplin_sasl_client *client = new_client(mechanism, &bearer_client);

        assert_cancels(client, decoded(bearer_json));
        assert_false(poplin_sasl_client_is_complete(client));
        assert_null(poplin_sasl_client_answer(client).data);
        poplin_sasl_client_free(client);
    }
}

/* holds: T-OAU-3 C, T-SASL-6 C */
static void client_refuses_tokens(void **state) {
    const poplin_slice rows[] = {
        SLICE(""),
        SLICE("a\1b"),
        SLICE("a\1auth=Bearer b"),
        SLICE("a\rb"),
        SLICE("a\nb"),
        SLICE("a b"),
        SLICE(" a"),
        SLICE("a\0b"),
        SLICE("\xC3\xA9"),
        SLICE("a\x7F"),
        SLICE("a\tb"),
        SLICE("a\xA0"
              "b"),
    };
    poplin_sasl_client_config config = bearer_client;

    (void)state;
    for (enum poplin_mechanism mechanism = BEARER; mechanism <= XOAUTH2; mechanism++) {
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            config.token = rows[i];
            assert_no_client(mechanism, &config, POPLIN_ERR_PROTOCOL);
        }
        for (size_t i = 0; i < COUNT_OF(huge_sizes); i++) {
            config.token = (poplin_slice){"token", huge_sizes[i]};
            assert_too_long(mechanism, &config);
        }
        config.token = nothing;
        assert_no_client(mechanism, &config, POPLIN_ERR_STATE);
    }
}

/* holds: SASL-OAB-1 C, SASL-XOA-1 C, T-SASL-6 C */
static void client_refuses_names(void **state) {
    const poplin_slice rows[] = {SLICE("a\1auth=Bearer x"), SLICE("a\0b"), SLICE("a\nb"), SLICE("\xFF")};
    poplin_sasl_client_config config = bearer_client;

    (void)state;
    for (enum poplin_mechanism mechanism = BEARER; mechanism <= XOAUTH2; mechanism++) {
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            config.user = rows[i];
            assert_no_client(mechanism, &config, POPLIN_ERR_PROTOCOL);
        }
        for (size_t i = 0; i < COUNT_OF(huge_sizes); i++) {
            config.user = (poplin_slice){"name", huge_sizes[i]};
            assert_too_long(mechanism, &config);
        }
    }
    config.user = nothing;
    assert_no_client(XOAUTH2, &config, POPLIN_ERR_STATE);
    config.user = SLICE("tim");
    config.host = "pop\1auth=x";
    assert_no_client(BEARER, &config, POPLIN_ERR_PROTOCOL);
}

/* holds: T-SASL-6 C */
static void client_measures_the_message_as_a_whole(void **state) {
    static char token[49152];
    const size_t around = sizeof "user=tim\1auth=Bearer \1\1" - 1;
    poplin_sasl_client_config config = {.user = SLICE("tim"), .token = {token, sizeof token - around}};

    (void)state;
    memset(token, 'e', sizeof token);
    poplin_sasl_client_free(new_client(XOAUTH2, &config));
    config.token.size++;
    assert_too_long(XOAUTH2, &config);
}

/* holds: SASL-OAB-2 S, VEC-OAB-1 S, VEC-XOA-1 S */
static void server_asks_about_the_token(void **state) {
    const struct {
        enum poplin_mechanism mechanism;
        poplin_slice message, user, token;
    } rows[] = {
        {BEARER, decoded(bearer_text), bearer_client.user, bearer_client.token},
        {XOAUTH2, decoded(google_text), google_client.user, google_client.token},
        {BEARER, SLICE("n,,\1auth=Bearer t\1\1"), SLICE(""), SLICE("t")},
        {BEARER, SLICE("y,a=a=3Db=2Cc,\1auth=bearer  t\1\1"), SLICE("a=b,c"), SLICE("t")},
        {BEARER, SLICE("n,a=\xE2\x85\xA8,\1auth=BEARER t\1\1"), SLICE("IX"), SLICE("t")},
        {XOAUTH2, SLICE("auth=Bearer t=\1user=\xE2\x85\xA8\1\1"), SLICE("IX"), SLICE("t=")},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        poplin_sasl_server *server = new_server(rows[i].mechanism, &named_server);
        poplin_sasl_turn turn;

        assert_int_equal(take_step(server, nothing, POPLIN_SASL_CHALLENGE).message.size, 0);
        turn = take_step(server, rows[i].message, POPLIN_SASL_TOKEN);
        assert_slice(turn.user, rows[i].user);
        assert_slice(turn.token, rows[i].token);
        assert_int_equal(poplin_sasl_server_accept(server, &turn), POPLIN_OK);
        assert_int_equal(turn.wish, POPLIN_SASL_DONE);
        assert_slice(turn.user, rows[i].user);
        assert_null(turn.token.data);
        poplin_sasl_server_free(server);
    }
}

/* holds: SASL-OAB-2 S, T-OAU-4 S */
static void server_passes_over_unknown_keys(void **state) {
    const poplin_slice message =
        SLICE("n,a=tim,\1qs=a=b&c\1host=server.example.COM\1x=\1port=143\1auth=Bearer t\1qs=2\1\1");
    poplin_sasl_server *server = new_server(BEARER, &named_server);

    (void)state;
    assert_slice(take_step(server, message, POPLIN_SASL_TOKEN).token, SLICE("t"));
    poplin_sasl_server_free(server);
    server = new_server(XOAUTH2, &named_server);
    assert_slice(take_step(server, SLICE("user=tim\1host=else\1auth=Bearer t\1\1"), POPLIN_SASL_TOKEN).token,
                 SLICE("t"));
    poplin_sasl_server_free(server);
}

/* holds: T-OAU-4 S, SASL-OAB-2 S, T-SASL-3 S */
static void server_refuses_what_is_no_message(void **state) {
    const struct {
        enum poplin_mechanism mechanism;
        poplin_slice message;
    } rows[] = {
        {BEARER, SLICE("")},
        {BEARER, SLICE("=")},
        {BEARER, SLICE("\1")},
        {BEARER, SLICE("\1\1")},
        {BEARER, SLICE("n,,")},
        {BEARER, SLICE("n,,\1")},
        {BEARER, SLICE("n,,\1\1")},
        {BEARER, SLICE("n,,\1auth=Bearer t")},
        {BEARER, SLICE("n,,\1auth=Bearer t\1")},
        {BEARER, SLICE("n,,\1auth=Bearer t\1\1\1")},
        {BEARER, SLICE("n,,\1auth=Bearer t\1\1x=y\1\1")},
        {BEARER, SLICE("n,,\1auth=Bearer t\1auth=Bearer u\1\1")},
        {BEARER, SLICE("n,,\1host=server.example.com\1host=server.example.com\1auth=Bearer t\1\1")},
        {BEARER, SLICE("n,,\1=x\1auth=Bearer t\1\1")},
        {BEARER, SLICE("n,,\1x\1auth=Bearer t\1\1")},
        {BEARER, SLICE("n,a=t=2cm,\1auth=Bearer t\1\1")},
        {BEARER, SLICE("n,a=t=,\1auth=Bearer t\1\1")},
        {BEARER, SLICE("n,a=,\1auth=Bearer t\1\1")},
        {BEARER, SLICE("n,tim,\1auth=Bearer t\1\1")},
        {BEARER, SLICE("n,a=\xFF,\1auth=Bearer t\1\1")},
        {BEARER, SLICE("p=tls-exporter,,\1auth=Bearer t\1\1")},
        {BEARER, SLICE("F,n,,\1auth=Bearer t\1\1")},
        {BEARER, SLICE("n,,x\1auth=Bearer t\1\1")},
        {BEARER, SLICE("user=tim\1auth=Bearer t\1\1")},
        {XOAUTH2, SLICE("")},
        {XOAUTH2, SLICE("\1")},
        {XOAUTH2, SLICE("user=tim\1\1")},
        {XOAUTH2, SLICE("auth=Bearer t\1\1")},
        {XOAUTH2, SLICE("user=\1auth=Bearer t\1\1")},
        {XOAUTH2, SLICE("user=t\0m\1auth=Bearer t\1\1")},
        {XOAUTH2, SLICE("user=tim\1user=tim\1auth=Bearer t\1\1")},
        {XOAUTH2, SLICE("user=tim\1auth=Bearer t\1")},
        {XOAUTH2, SLICE("n,a=tim,\1auth=Bearer t\1\1")},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_refused(rows[i].mechanism, &named_server, rows[i].message, true);
}

/* holds: SASL-OAB-2 S, T-OAU-4 S */
static void tokens_for_another_server_are_refused(void **state) {
    const poplin_slice rows[] = {
        SLICE("n,,\1host=server.example.com\0\1auth=Bearer t\1\1"),
        SLICE("n,,\1host=other.example.com\1auth=Bearer t\1\1"),
        SLICE("n,,\1host=\1auth=Bearer t\1\1"),
        SLICE("n,,\1port=995\1auth=Bearer t\1\1"),
        SLICE("n,,\1port=\1auth=Bearer t\1\1"),
        SLICE("n,,\1port=143x\1auth=Bearer t\1\1"),
        SLICE("n,,\1port=65679\1auth=Bearer t\1\1"),
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_refused(BEARER, &named_server, rows[i], false);
}

/* holds: SASL-OAB-3 S, VEC-OAB-2 S */
static void server_tells_refusals_in_json(void **state) {
    const struct {
        enum poplin_mechanism mechanism;
        poplin_slice message;
        bool asks;
        const char *json;
    } rows[] = {
        {BEARER, decoded(bearer_text), true, "{\"status\":\"invalid_token\"}"},
        {BEARER, decoded(bearer_empty), false, "{\"status\":\"invalid_token\"}"},
        {BEARER, SLICE("n,,\1auth=Basic dDp0\1\1"), false, "{\"status\":\"invalid_token\"}"},
        {BEARER, SLICE("n,,\1auth=Bearer a b\1\1"), false, "{\"status\":\"invalid_token\"}"},
        {BEARER, SLICE("n,,\1auth=Bearer \1\1"), false, "{\"status\":\"invalid_token\"}"},
        {XOAUTH2, decoded(google_text), true, "{\"status\":\"401\",\"schemes\":\"bearer\"}"},
        {XOAUTH2, SLICE("user=tim\1auth=Bearer\1\1"), false, "{\"status\":\"401\",\"schemes\":\"bearer\"}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        poplin_sasl_server *server = new_server(rows[i].mechanism, &any_server);
        poplin_sasl_turn turn =
            take_step(server, rows[i].message, rows[i].asks ? POPLIN_SASL_TOKEN : POPLIN_SASL_CHALLENGE);

        if (rows[i].asks)
            assert_int_equal(poplin_sasl_server_refuse(server, &turn), POPLIN_OK);
        assert_int_equal(turn.wish, POPLIN_SASL_CHALLENGE);
        assert_slice(turn.message, poplin_slice_of(rows[i].json));
        assert_false(
            take_step(server, rows[i].mechanism == BEARER ? SLICE("\1") : nothing, POPLIN_SASL_FAILED).malformed);
        assert_int_equal(poplin_sasl_server_step(server, SLICE("\1"), &turn), POPLIN_ERR_STATE);
        poplin_sasl_server_free(server);
    }
}

/* holds: SASL-OAB-3 B, SASL-XOA-1 B */
static void both_halves_agree(void **state) {
    static char token[10240];
    const poplin_sasl_client_config long_client = {.user = SLICE("tim"), .token = {token, sizeof token}};
    const account owner = {SLICE("tim"), {token, sizeof token}}, other = {SLICE("tim"), SLICE("other")};

    (void)state;
    memset(token, 'e', sizeof token);
    for (enum poplin_mechanism mechanism = BEARER; mechanism <= XOAUTH2; mechanism++) {
        assert_let_in(mechanism, &long_client, &named_server, &owner);
        assert_kept_out(mechanism, &long_client, &named_server, &other);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_sends_the_vectors),
        cmocka_unit_test(client_says_whose_mail_it_wants),
        cmocka_unit_test(client_answers_a_refusal_once),
        cmocka_unit_test(client_keeps_any_refusal_as_text),
        cmocka_unit_test(client_cancels_where_the_server_begins),
        cmocka_unit_test(client_refuses_tokens),
        cmocka_unit_test(client_refuses_names),
        cmocka_unit_test(client_measures_the_message_as_a_whole),
        cmocka_unit_test(server_asks_about_the_token),
        cmocka_unit_test(server_passes_over_unknown_keys),
        cmocka_unit_test(server_refuses_what_is_no_message),
        cmocka_unit_test(tokens_for_another_server_are_refused),
        cmocka_unit_test(server_tells_refusals_in_json),
        cmocka_unit_test(both_halves_agree),
    };

    return cmocka_run_group_tests_name("oauth", tests, NULL, NULL);
}
