/*
 * test_scram_work.c - what a login costs a server that speaks SCRAM, known or not, counted at GnuTLS's door (CMakeLists.txt has the
 * linker put the functions below in the place of the real ones); and memory that runs out in either half.
 */
#include "failing.h"
#include "scram_support.h"

#include <gnutls/crypto.h>

/* ---- what is asked of GnuTLS ---- */

static struct work { size_t iterations, hmacs, compared; } work;

int __real_gnutls_pbkdf2(gnutls_mac_algorithm_t mac, const gnutls_datum_t *key, const gnutls_datum_t *salt,
                         unsigned iterations, void *output, size_t length);
int __wrap_gnutls_pbkdf2(gnutls_mac_algorithm_t mac, const gnutls_datum_t *key, const gnutls_datum_t *salt,
                         unsigned iterations, void *output, size_t length);
int __wrap_gnutls_pbkdf2(gnutls_mac_algorithm_t mac, const gnutls_datum_t *key, const gnutls_datum_t *salt,
                         unsigned iterations, void *output, size_t length) {
    work.iterations += iterations;
    return __real_gnutls_pbkdf2(mac, key, salt, iterations, output, length);
}

int __real_gnutls_hmac_fast(gnutls_mac_algorithm_t mac, const void *key, size_t key_size, const void *text, size_t size,
                            void *digest);
int __wrap_gnutls_hmac_fast(gnutls_mac_algorithm_t mac, const void *key, size_t key_size, const void *text, size_t size,
                            void *digest);
int __wrap_gnutls_hmac_fast(gnutls_mac_algorithm_t mac, const void *key, size_t key_size, const void *text, size_t size,
                            void *digest) {
    work.hmacs++;
    return __real_gnutls_hmac_fast(mac, key, key_size, text, size, digest);
}

int __real_gnutls_memcmp(const void *a, const void *b, size_t size);
int __wrap_gnutls_memcmp(const void *a, const void *b, size_t size);
int __wrap_gnutls_memcmp(const void *a, const void *b, size_t size) {
    work.compared += size;
    return __real_gnutls_memcmp(a, b, size);
}

/* ---- logins that fail ---- */

enum who { BY_PASSWORD, BY_KEYS, UNKNOWN };

struct attempt {
    enum who who;
    bool keeps_keys;
    char first[200]; /* what the server said to the name */
    struct work work;
};

static int give(poplin_sasl_server *server, enum who who, poplin_sasl_turn *turn) {
    static char storage[POPLIN_SCRAM_STORAGE];
    static poplin_scram_keys keys;

    if (who == BY_PASSWORD)
        return poplin_sasl_server_secret(server, SLICE("secret"), turn);
    if (who == UNKNOWN)
        return poplin_sasl_server_unknown(server, turn);
    if (keys.iterations == 0) {
        const struct work before = work;

        assert_int_equal(
            poplin_scram_keys_make(POPLIN_SCRAM_SHA_256, SLICE("secret"), SLICE("sixteen octets.."), 0, storage, &keys),
            POPLIN_OK);
        work = before;
    }
    return poplin_sasl_server_keys(server, &keys, turn);
}

/* Fails at the proof, whoever it is. */
static void attempt_login(struct attempt *attempt) {
    const poplin_sasl_server_config config = {
        .pepper = SLICE("pepper"), .nonce = SLICE("server"), .keeps_keys = attempt->keeps_keys};
    poplin_sasl_server *server;
    poplin_sasl_turn turn;

    work = (struct work){0};
    assert_int_equal(poplin_sasl_server_new(POPLIN_MECHANISM_SCRAM_SHA_256, &config, &server), POPLIN_OK);
    server_hears(server, SLICE("n,,n=alice,r=client"), POPLIN_SASL_SECRET, &turn);
    assert_int_equal(give(server, attempt->who, &turn), POPLIN_OK);
    assert_true(turn.message.size < sizeof attempt->first);
    memcpy(attempt->first, turn.message.data, turn.message.size);
    server_hears(server, SLICE("c=biws,r=clientserver,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
                 POPLIN_SASL_FAILED, &turn);
    assert_false(turn.malformed);
    attempt->work = work;
    poplin_sasl_server_free(server);
}

static void assert_same_work(const struct work *a, const struct work *b) {
    assert_int_equal(a->iterations, b->iterations);
    assert_int_equal(a->hmacs, b->hmacs);
    assert_int_equal(a->compared, b->compared);
}

/* holds: T-CMP-1 S, SASL-SCRAM-9 S, SASL-SCRAM-8 S */
static void an_unknown_user_looks_and_costs_like_one_with_a_password(void **state) {
    struct attempt known = {.who = BY_PASSWORD}, unknown = {.who = UNKNOWN}, again = {.who = UNKNOWN};

    (void)state;
    attempt_login(&known);
    attempt_login(&unknown);
    attempt_login(&again);
    assert_same_work(&known.work, &unknown.work);
    assert_int_equal(known.work.iterations, 4096);
    assert_true(known.work.compared >= 32); /* in constant time */
    assert_string_equal(known.first, unknown.first);
    assert_string_equal(again.first, unknown.first);
}

/* holds: T-CMP-1 S, SASL-SCRAM-9 S */
static void an_unknown_user_looks_and_costs_like_one_with_keys(void **state) {
    struct attempt known = {.who = BY_KEYS, .keeps_keys = true}, unknown = {.who = UNKNOWN, .keeps_keys = true};

    (void)state;
    attempt_login(&known);
    attempt_login(&unknown);
    assert_same_work(&known.work, &unknown.work);
    assert_int_equal(known.work.iterations, 0);
    assert_int_equal(strlen(known.first), strlen(unknown.first));
    assert_non_null(strstr(unknown.first, ",i=4096"));
}

/* What a server of this pepper says first to an unknown user. */
static void hear_first(const char *pepper, const char *client_first, char *first, size_t size) {
    const poplin_sasl_server_config config = {.pepper = maybe(pepper), .nonce = SLICE("server")};
    poplin_sasl_server *server;
    poplin_sasl_turn turn;

    assert_int_equal(poplin_sasl_server_new(POPLIN_MECHANISM_SCRAM_SHA_256, &config, &server), POPLIN_OK);
    server_hears(server, poplin_slice_of(client_first), POPLIN_SASL_SECRET, &turn);
    assert_int_equal(poplin_sasl_server_unknown(server, &turn), POPLIN_OK);
    assert_true(turn.message.size < size);
    memcpy(first, turn.message.data, turn.message.size);
    poplin_sasl_server_free(server);
}

/* holds: SASL-SCRAM-9 S */
static void salts_are_of_a_name_and_a_server(void **state) {
    static const char *const rows[][2] = {{"pepper", "n,,n=alice,r=client"},
                                          {"pepper", "n,,n=alicf,r=client"},
                                          {"peppes", "n,,n=alice,r=client"},
                                          {NULL, "n,,n=alice,r=client"},
                                          {NULL, "n,,n=alice,r=client"}};
    char first[COUNT_OF(rows)][200] = {{0}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        hear_first(rows[i][0], rows[i][1], first[i], sizeof first[i]);
        for (size_t before = 0; before < i; before++)
            assert_string_not_equal(first[before], first[i]);
    }
}

/* holds: T-SCR-1 C */
static void nothing_is_hashed_for_a_count_out_of_range(void **state) {
    poplin_sasl_client *client = new_client(SHA_256);

    (void)state;
    work = (struct work){0};
    assert_int_equal(client_hears(client, (poplin_slice){NULL, 0}, NULL), POPLIN_OK);
    assert_int_equal(client_hears(client, SLICE("r=" NONCE_2 "xyz,s=W22ZaA==,i=1000001"), NULL), POPLIN_ERR_PROTOCOL);
    assert_int_equal(work.iterations, 0);
    assert_int_equal(work.hmacs, 0);
    poplin_sasl_client_free(client);
}

/* ---- memory ---- */

static int client_steps(poplin_sasl_client *client) {
    const poplin_slice heard[] = {{NULL, 0}, poplin_slice_of(PLUS->server_first), poplin_slice_of(PLUS->server_final)};
    const char *reason;
    int status = POPLIN_OK;

    for (size_t i = 0; i < COUNT_OF(heard) && status == POPLIN_OK; i++) {
        poplin_buffer response = {0};

        status = poplin_sasl_client_step(client, heard[i], &response, &reason);
        poplin_buffer_free(&response);
    }
    assert_true(poplin_sasl_client_is_complete(client) == (status == POPLIN_OK));
    return status;
}

static int play_client(void) {
    poplin_sasl_client_config config = client_config(PLUS);
    poplin_sasl_client *client;
    const char *reason;

    config.user = SLICE("user");
    config.authorize = (poplin_slice){NULL, 0};
    int status = poplin_sasl_client_new(PLUS->mechanism, &config, &client, &reason);

    if (status == POPLIN_OK)
        status = client_steps(client);
    poplin_sasl_client_free(client);
    return status;
}

static int server_steps(poplin_sasl_server *server) {
    poplin_sasl_turn turn;
    int status = poplin_sasl_server_step(server, poplin_slice_of(AS_ONESELF->client_first), &turn);

    if (status == POPLIN_OK)
        status = poplin_sasl_server_secret(server, SLICE("p\u00AAncil"), &turn);
    if (status == POPLIN_OK)
        status = poplin_sasl_server_step(server, poplin_slice_of(AS_ONESELF->client_final), &turn);
    if (status == POPLIN_OK)
        assert_int_equal(turn.wish, POPLIN_SASL_FAILED); /* another password */
    return status;
}

static int play_server(void) {
    const poplin_sasl_server_config config = server_config(END_POINT);
    poplin_sasl_server *server;
    int status = poplin_sasl_server_new(AS_ONESELF->mechanism, &config, &server);

    if (status == POPLIN_OK)
        status = server_steps(server);
    poplin_sasl_server_free(server);
    return status;
}

static int play_keys(void) {
    char storage[POPLIN_SCRAM_STORAGE], text[POPLIN_SCRAM_TEXT];
    poplin_scram_keys keys;
    int status =
        poplin_scram_keys_make(POPLIN_SCRAM_SHA_256, SLICE("p\u00AAncil"), (poplin_slice){NULL, 0}, 0, storage, &keys);

    if (status == POPLIN_OK)
        status = poplin_scram_keys_write(&keys, text, sizeof text);
    return status != POPLIN_OK ? status : poplin_scram_keys_parse(poplin_slice_of(text), storage, &keys);
}

static int play_all(void) {
    int status = play_client();

    if (status == POPLIN_OK)
        status = play_server();
    return status == POPLIN_OK ? play_keys() : status;
}

/* holds: T-API-5 B */
static void memory_runs_out(void **state) {
    (void)state;
    assert_told_at_each_allocation(play_all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_user_looks_and_costs_like_one_with_a_password),
        cmocka_unit_test(an_unknown_user_looks_and_costs_like_one_with_keys),
        cmocka_unit_test(salts_are_of_a_name_and_a_server),
        cmocka_unit_test(nothing_is_hashed_for_a_count_out_of_range),
        cmocka_unit_test(memory_runs_out),
    };

    return cmocka_run_group_tests_name("scram work", tests, NULL, NULL);
}
