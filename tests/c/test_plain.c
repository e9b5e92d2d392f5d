/* test_plain.c - both halves of PLAIN (RFC 4616). */
#include "mechanisms.h"

static const poplin_sasl_client_config tim = {.user = SLICE("tim"), .password = SLICE("tanstaaftanstaaf")};
static const poplin_sasl_server_config plain_server = {0};

/* holds: SASL-PLAIN-1 C, VEC-PLAIN-1 C, VEC-PLAIN-2 C */
static void exchange_sends_the_vectors(void **state) {
    const poplin_sasl_client_config test = {
        .user = SLICE("test"), .authorize = SLICE("test"), .password = SLICE("test")};
    poplin_sasl_client *client = new_client(POPLIN_MECHANISM_PLAIN, &tim);

    (void)state;
    assert_false(poplin_sasl_client_is_complete(client));
    assert_says(client, nothing, decoded("AHRpbQB0YW5zdGFhZnRhbnN0YWFm"));
    assert_true(poplin_sasl_client_is_complete(client));
    assert_cancels(client, nothing);
    poplin_sasl_client_free(client);

    client = new_client(POPLIN_MECHANISM_PLAIN, &test);
    assert_says(client, SLICE(""), decoded("dGVzdAB0ZXN0AHRlc3Q="));
    poplin_sasl_client_free(client);
}

/* holds: T-SASL-1 C */
static void client_cancels_where_the_server_begins(void **state) {
    poplin_sasl_client *client = new_client(POPLIN_MECHANISM_PLAIN, &tim);

    (void)state;
    assert_cancels(client, SLICE("password?"));
    assert_false(poplin_sasl_client_is_complete(client));
    poplin_sasl_client_free(client);
}

/* holds: SASL-PLAIN-1 C, T-SASL-6 C */
static void client_refuses_names_and_passwords(void **state) {
    const struct {
        poplin_sasl_client_config config;
        int status;
    } rows[] = {
        {{.password = SLICE("secret")}, POPLIN_ERR_STATE},
        {{.user = SLICE("tim")}, POPLIN_ERR_STATE},
        {{.user = SLICE(""), .password = SLICE("secret")}, POPLIN_ERR_PROTOCOL},
        {{.user = SLICE("tim"), .password = SLICE("")}, POPLIN_ERR_PROTOCOL},
        {{.user = SLICE("ti\0m"), .password = SLICE("secret")}, POPLIN_ERR_PROTOCOL},
        {{.user = SLICE("tim"), .password = SLICE("sec\0ret")}, POPLIN_ERR_PROTOCOL},
        {{.user = SLICE("tim"), .authorize = SLICE("a\0b"), .password = SLICE("secret")}, POPLIN_ERR_PROTOCOL},
        {{.user = SLICE("t\xEFm"), .password = SLICE("secret")}, POPLIN_ERR_PROTOCOL},
        {{.user = SLICE("tim"), .password = SLICE("\xC0\xAF")}, POPLIN_ERR_PROTOCOL},
        {{.user = SLICE("tim"), .password = SLICE("\xED\xA0\x80")}, POPLIN_ERR_PROTOCOL},
        {{.user = SLICE("tim"), .password = SLICE("\xF4\x90\x80\x80")}, POPLIN_ERR_PROTOCOL},
        {{.user = SLICE("tim"), .password = SLICE("\xE2\x82")}, POPLIN_ERR_PROTOCOL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_no_client(POPLIN_MECHANISM_PLAIN, &rows[i].config, rows[i].status);
    for (size_t i = 0; i < COUNT_OF(huge_sizes); i++) {
        const poplin_sasl_client_config long_name = {.user = {"tim", huge_sizes[i]}, .password = SLICE("secret")};
        const poplin_sasl_client_config long_secret = {.user = SLICE("tim"), .password = {"secret", huge_sizes[i]}};

        assert_too_long(POPLIN_MECHANISM_PLAIN, &long_name);
        assert_too_long(POPLIN_MECHANISM_PLAIN, &long_secret);
    }
}

/* holds: T-SASL-6 C */
static void client_measures_the_message_as_a_whole(void **state) {
    char text[49152];
    poplin_sasl_client_config config = {.user = SLICE("tim"), .password = {text, sizeof text - 5}};
    poplin_sasl_client *client;

    (void)state;
    memset(text, 'k', sizeof text);
    client = new_client(POPLIN_MECHANISM_PLAIN, &config);
    poplin_sasl_client_free(client);
    config.password.size++;
    assert_no_client(POPLIN_MECHANISM_PLAIN, &config, POPLIN_ERR_PROTOCOL);
}

/* holds: SASL-PLAIN-1 S, VEC-PLAIN-1 S, VEC-PLAIN-2 S */
static void exchange_reads_the_vectors(void **state) {
    const struct {
        const char *text;
        poplin_slice user, password;
    } rows[] = {
        {"dGVzdAB0ZXN0AHRlc3Q=", SLICE("test"), SLICE("test")},
        {"AHRpbQB0YW5zdGFhZnRhbnN0YWFm", SLICE("tim"), SLICE("tanstaaftanstaaf")},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        poplin_sasl_server *server = new_server(POPLIN_MECHANISM_PLAIN, &plain_server);
        poplin_sasl_turn turn = take_step(server, decoded(rows[i].text), POPLIN_SASL_CHECK);

        assert_slice(turn.user, rows[i].user);
        assert_slice(turn.password, rows[i].password);
        poplin_sasl_server_free(server);
    }
}

/* holds: SASL-PLAIN-2 S, PREP-1 S */
static void server_asks_for_what_it_prepared(void **state) {
    poplin_sasl_server *server = new_server(POPLIN_MECHANISM_PLAIN, &plain_server);
    poplin_sasl_turn turn;

    (void)state;
    assert_int_equal(take_step(server, nothing, POPLIN_SASL_CHALLENGE).message.size, 0);
    turn = take_step(server, SLICE("IX\0\xE2\x85\xA8\0I\xC2\xADX"), POPLIN_SASL_CHECK);
    assert_slice(turn.user, SLICE("IX"));
    assert_slice(turn.password, SLICE("IX"));
    assert_int_equal(poplin_sasl_server_accept(server, &turn), POPLIN_OK);
    assert_int_equal(turn.wish, POPLIN_SASL_DONE);
    assert_slice(turn.user, SLICE("IX"));
    assert_null(turn.password.data);
    poplin_sasl_server_free(server);
}

/* holds: T-PLN-1 S, T-SASL-3 S, VEC-PLAIN-3 S */
static void exchange_refuses_what_is_no_message(void **state) {
    const struct {
        poplin_slice message;
        bool malformed;
    } rows[] = {
        {SLICE(""), true},
        {SLICE("="), true},
        {SLICE("tim"), true},
        {SLICE("\0tim"), true},
        {SLICE("\0tim\0secret\0"), true},
        {SLICE("\0tim\0sec\0ret"), true},
        {SLICE("\0\0secret"), true},
        {SLICE("\0tim\0"), true},
        {SLICE("\0\0"), true},
        {SLICE("Ursel\0Kurt\0xipj3plmq"), false},
        {SLICE("tim \0tim\0secret"), false},
        {SLICE("\0t\aim\0secret"), true},
        {SLICE("\0tim\0\xC2\xAD"), true},
        {SLICE("\0\xFF\0secret"), true},
        {SLICE("\xFF\0tim\0secret"), true},
        {SLICE("\0tim\0\xD8\xA7"
               "1"),
         true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_refused(POPLIN_MECHANISM_PLAIN, &plain_server, rows[i].message, rows[i].malformed);
}

/* The octets of "aaa" NUL "aaa" NUL "aaa" with fields of these sizes, read by a server. */
static poplin_sasl_turn read_fields(size_t identity, size_t user, size_t password) {
    char message[1000];
    poplin_sasl_server *server = new_server(POPLIN_MECHANISM_PLAIN, &plain_server);
    poplin_sasl_turn turn;

    memset(message, 'a', sizeof message);
    message[identity] = message[identity + 1 + user] = '\0';
    assert_int_equal(poplin_sasl_server_step(server, (poplin_slice){message, identity + user + password + 2}, &turn),
                     POPLIN_OK);
    poplin_sasl_server_free(server);
    return turn;
}

/* holds: SASL-PLAIN-2 S, T-PLN-1 S */
static void exchange_takes_fields_up_to_255_octets(void **state) {
    static const size_t rows[][3] = {{0, 256, 1}, {0, 1, 256}, {256, 255, 1}, {256, 256, 1}};

    (void)state;
    assert_int_equal(read_fields(255, 255, 255).wish, POPLIN_SASL_CHECK);
    assert_int_equal(read_fields(0, 255, 255).wish, POPLIN_SASL_CHECK);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        poplin_sasl_turn turn = read_fields(rows[i][0], rows[i][1], rows[i][2]);

        assert_int_equal(turn.wish, POPLIN_SASL_FAILED);
        assert_true(turn.malformed);
    }
}

/* holds: SASL-PLAIN-1 B, POP-AUTH-20 B */
static void both_halves_agree(void **state) {
    const account owner = {SLICE("tim"), SLICE("tanstaaftanstaaf")}, other = {SLICE("tim"), SLICE("tanstaaf")};
    poplin_sasl_client_config as_urs = tim;

    (void)state;
    as_urs.authorize = SLICE("urs");
    assert_let_in(POPLIN_MECHANISM_PLAIN, &tim, &plain_server, &owner);
    assert_kept_out(POPLIN_MECHANISM_PLAIN, &tim, &plain_server, &other);
    assert_kept_out(POPLIN_MECHANISM_PLAIN, &as_urs, &plain_server, &owner);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exchange_sends_the_vectors),
        cmocka_unit_test(client_cancels_where_the_server_begins),
        cmocka_unit_test(client_refuses_names_and_passwords),
        cmocka_unit_test(client_measures_the_message_as_a_whole),
        cmocka_unit_test(exchange_reads_the_vectors),
        cmocka_unit_test(server_asks_for_what_it_prepared),
        cmocka_unit_test(exchange_refuses_what_is_no_message),
        cmocka_unit_test(exchange_takes_fields_up_to_255_octets),
        cmocka_unit_test(both_halves_agree),
    };

    return cmocka_run_group_tests_name("plain", tests, NULL, NULL);
}
