/* test_scram.c - both halves of SCRAM (RFC 5802, RFC 7677): the vectors, each half against the other, and stored keys. */
#include "scram_support.h"

#include <stdio.h>

/* ---- the vectors ---- */

static void assert_client_plays(const struct vector *vector) {
    poplin_sasl_client *client = new_client(vector);

    assert_int_equal(client_hears(client, (poplin_slice){NULL, 0}, vector->client_first), POPLIN_OK);
    assert_false(poplin_sasl_client_is_complete(client));
    assert_int_equal(client_hears(client, poplin_slice_of(vector->server_first), vector->client_final), POPLIN_OK);
    assert_false(poplin_sasl_client_is_complete(client));
    assert_int_equal(client_hears(client, poplin_slice_of(vector->server_final), ""), POPLIN_OK);
    assert_true(poplin_sasl_client_is_complete(client));
    assert_null(poplin_sasl_client_answer(client).data);
    poplin_sasl_client_free(client);
}

static void assert_server_plays(const struct vector *vector) {
    poplin_sasl_server *server = server_at_final(vector);
    poplin_sasl_turn turn;

    server_hears(server, poplin_slice_of(vector->client_final), POPLIN_SASL_CHALLENGE, &turn);
    assert_true(poplin_slice_equal(turn.message, poplin_slice_of(vector->server_final)));
    server_hears(server, SLICE(""), POPLIN_SASL_DONE, &turn);
    assert_true(poplin_slice_equal(turn.user, poplin_slice_of(vector->user)));
    poplin_sasl_server_free(server);
}

/* holds: SASL-SCRAM-1 C, VEC-SCRAM-1 C, VEC-SCRAM-2 C */
static void client_plays_the_vectors(void **state) {
    (void)state;
    assert_client_plays(SHA_1);
    assert_client_plays(SHA_256);
}

/* holds: SASL-SCRAM-1 S, VEC-SCRAM-1 S, VEC-SCRAM-2 S */
static void server_plays_the_vectors(void **state) {
    (void)state;
    assert_server_plays(SHA_1);
    assert_server_plays(SHA_256);
}

/* holds: SASL-CB-1 C, VEC-SCRAM-3 C, VEC-SCRAM-4 C */
static void client_binds(void **state) {
    (void)state;
    assert_client_plays(PLUS);
    assert_client_plays(UNSEEN);
    assert_client_plays(END_POINT);
}

/* holds: SASL-CB-2 S, VEC-SCRAM-3 S, VEC-SCRAM-4 S */
static void server_binds(void **state) {
    (void)state;
    assert_server_plays(PLUS);
    assert_server_plays(UNSEEN);
    assert_server_plays(END_POINT);
}

/* holds: SASL-SCRAM-7 B, VEC-SCRAM-5 B */
static void names_are_escaped(void **state) {
    (void)state;
    assert_client_plays(FOR_ANOTHER);
    assert_client_plays(AS_ONESELF);
    assert_server_plays(AS_ONESELF);
}

/* holds: SASL-CB-1 C */
static void who_chose_not_to_bind_does_not_say_y(void **state) {
    poplin_sasl_client_config config = client_config(UNSEEN);
    poplin_sasl_client *client;
    const char *reason;

    (void)state;
    config.plus_offered = true;
    assert_int_equal(poplin_sasl_client_new(UNSEEN->mechanism, &config, &client, &reason), POPLIN_OK);
    assert_int_equal(client_hears(client, (poplin_slice){NULL, 0}, "n,,n=user,r=" NONCE_2), POPLIN_OK);
    poplin_sasl_client_free(client);
}

/* ---- one half against the other ---- */

struct login {
    enum poplin_mechanism mechanism;
    const char *user;
    poplin_slice password, known; /* of the client's, of the server's */
    const poplin_scram_keys *keys;
    uint64_t *seed; /* cuts a message at random */
    unsigned cut;   /* which */
    bool complete;  /* what came of it */
};

/* The end of the message is lost. */
static void shorten(const struct login *login, poplin_buffer *message) {
    message->size = random_below(login->seed, message->size);
}

static int answer_secret(const struct login *login, poplin_sasl_server *server, poplin_sasl_turn *turn) {
    assert_true(turn->user.size > 0);
    if (login->keys != NULL)
        return poplin_sasl_server_keys(server, login->keys, turn);
    return login->known.size > 0 ? poplin_sasl_server_secret(server, login->known, turn)
                                 : poplin_sasl_server_unknown(server, turn);
}

/* Plays until one of them gives up or both are content. */
static bool converse(struct login *login, poplin_sasl_client *client, poplin_sasl_server *server) {
    poplin_buffer said = {0};
    poplin_sasl_turn turn = {.wish = POPLIN_SASL_CHALLENGE};
    const char *reason;

    for (unsigned message = 1; turn.wish == POPLIN_SASL_CHALLENGE; message += 2) {
        poplin_buffer_clear(&said);
        assert_int_equal(poplin_buffer_append(&said, turn.message.data, turn.message.size), POPLIN_OK);
        if (login->cut + 1 == message && said.size > 0)
            shorten(login, &said);
        poplin_buffer response = {0};
        int status = poplin_sasl_client_step(client, poplin_buffer_slice(&said), &response, &reason);

        if (status == POPLIN_OK) {
            if (login->cut == message && response.size > 0)
                shorten(login, &response);
            poplin_slice heard = response.size > 0 ? poplin_buffer_slice(&response) : SLICE("");

            assert_int_equal(poplin_sasl_server_step(server, heard, &turn), POPLIN_OK);
        }
        poplin_buffer_free(&response);
        if (status != POPLIN_OK)
            break;
        if (turn.wish == POPLIN_SASL_SECRET)
            assert_int_equal(answer_secret(login, server, &turn), POPLIN_OK);
    }
    poplin_buffer_free(&said);
    login->complete = poplin_sasl_client_is_complete(client);
    return turn.wish == POPLIN_SASL_DONE;
}

static bool log_in(struct login *login) {
    const poplin_sasl_binding binding = {"tls-exporter", SLICE(BOUND_TO)};
    const poplin_sasl_client_config own = {
        .user = poplin_slice_of(login->user), .password = login->password, .binding = binding, .plus_offered = true};
    const poplin_sasl_server_config theirs = {.exporter = binding, .plus_offered = true, .pepper = SLICE("pepper")};
    poplin_sasl_client *client;
    poplin_sasl_server *server;
    const char *reason;

    assert_int_equal(poplin_sasl_client_new(login->mechanism, &own, &client, &reason), POPLIN_OK);
    assert_int_equal(poplin_sasl_server_new(login->mechanism, &theirs, &server), POPLIN_OK);
    bool done = converse(login, client, server);

    poplin_sasl_client_free(client);
    poplin_sasl_server_free(server);
    return done;
}

static const enum poplin_mechanism all[] = {POPLIN_MECHANISM_SCRAM_SHA_1, POPLIN_MECHANISM_SCRAM_SHA_256,
                                            POPLIN_MECHANISM_SCRAM_SHA_1_PLUS, POPLIN_MECHANISM_SCRAM_SHA_256_PLUS};

/* holds: SASL-SCRAM-12 B */
static void the_halves_understand_each_other(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct login login = {all[i], "J\u00FCrgen, =", SLICE("p\u00AAss \u2168"), SLICE("pass IX"), NULL, NULL, 0,
                              false};

        assert_true(log_in(&login));
        assert_true(login.complete);
    }
}

/* holds: SASL-SCRAM-5 C, SASL-SCRAM-6 S */
static void a_wrong_password_is_not_let_in(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct login login = {all[i], "alice", SLICE("pencil"), SLICE("Pencil"), NULL, NULL, 0, false};

        assert_false(log_in(&login));
        assert_false(login.complete);
    }
}

/* Not even with what an unknown user's keys are made of. */
static void nobody_who_is_unknown_is_let_in(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct login login = {.mechanism = all[i], .user = "alice", .password = SLICE("pepper")};

        assert_false(log_in(&login));
        assert_false(login.complete);
    }
}

/* No message does without its end: whoever gets less is not content with it. */
static void cut_messages_log_nobody_in(void **state) {
    uint64_t seed = 5802;

    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        struct login login = {all[i % 4], "alice", SLICE("pencil"), SLICE("pencil"), NULL, &seed, 1 + i % 4, false};

        assert_false(log_in(&login));
        assert_false(login.complete);
    }
}

/* ---- stored keys ---- */

/* holds: SASL-SCRAM-2 B, VEC-SCRAM-1 B, VEC-SCRAM-2 B */
static void keys_are_those_of_the_vectors(void **state) {
    static const struct {
        enum poplin_scram_hash hash;
        poplin_slice salt;
        const char *text;
    } rows[] = {
        {POPLIN_SCRAM_SHA_1, SLICE("A%\xC2G\xE4:\xB1\xE9<m\xFFv"),
         "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE="},
        {POPLIN_SCRAM_SHA_256, SLICE("[m\x99h\x9D\x12\x35\x8E\xEC\xA0K\x14\x12\x36\xFA\x81"),
         "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
         "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char storage[POPLIN_SCRAM_STORAGE], text[POPLIN_SCRAM_TEXT];
        poplin_scram_keys keys;

        assert_int_equal(poplin_scram_keys_make(rows[i].hash, SLICE("pencil"), rows[i].salt, 0, storage, &keys),
                         POPLIN_OK);
        assert_int_equal(poplin_scram_keys_write(&keys, text, sizeof text), POPLIN_OK);
        assert_string_equal(text, rows[i].text);
        assert_int_equal(poplin_scram_keys_write(&keys, text, strlen(rows[i].text)), POPLIN_ERR_LIMIT);
    }
}

/* holds: SASL-SCRAM-8 S */
static void keys_of_ones_own_have_a_salt_of_their_own(void **state) {
    char storage[2][POPLIN_SCRAM_STORAGE];
    poplin_scram_keys keys[2];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(poplin_scram_keys_make(POPLIN_SCRAM_SHA_256, SLICE("pencil"), (poplin_slice){NULL, 0}, 5000,
                                                storage[i], &keys[i]),
                         POPLIN_OK);
        assert_int_equal(keys[i].salt.size, 16);
        assert_int_equal(keys[i].iterations, 5000);
    }
    assert_false(poplin_slice_equal(keys[0].salt, keys[1].salt));
    assert_false(poplin_slice_equal(keys[0].stored_key, keys[1].stored_key));
}

static void keys_have_bounds(void **state) {
    char storage[POPLIN_SCRAM_STORAGE], salt[POPLIN_SCRAM_SALT_MAX + 1] = "salt";
    poplin_scram_keys keys;
    const struct {
        poplin_slice password;
        size_t salt;
        uint32_t iterations;
        int status;
    } rows[] = {
        {SLICE("pencil"), sizeof salt - 1, 4096, POPLIN_OK}, {SLICE("pencil"), sizeof salt, 4096, POPLIN_ERR_LIMIT},
        {SLICE("pencil"), 4, 4095, POPLIN_ERR_LIMIT},        {SLICE(""), 4, 4096, POPLIN_ERR_PROTOCOL},
        {SLICE("\a"), 4, 4096, POPLIN_ERR_PROTOCOL},         {SLICE("\u0221"), 4, 4096, POPLIN_ERR_PROTOCOL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(poplin_scram_keys_make(POPLIN_SCRAM_SHA_256, rows[i].password,
                                                (poplin_slice){salt, rows[i].salt}, rows[i].iterations, storage, &keys),
                         rows[i].status);
}

/* Keys log in whoever has the password, and only with the hash that they are for. */
static void keys_log_in(void **state) {
    char storage[POPLIN_SCRAM_STORAGE], text[POPLIN_SCRAM_TEXT];
    poplin_scram_keys made, keys;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++)
        for (enum poplin_scram_hash hash = POPLIN_SCRAM_SHA_1; hash <= POPLIN_SCRAM_SHA_256; hash++) {
            struct login login = {all[i], "alice", SLICE("pencil"), SLICE(""), &keys, NULL, 0, false};

            assert_int_equal(poplin_scram_keys_make(hash, SLICE("pencil"), (poplin_slice){NULL, 0}, 0, storage, &made),
                             POPLIN_OK);
            assert_int_equal(poplin_scram_keys_write(&made, text, sizeof text), POPLIN_OK);
            memset(storage, 0, sizeof storage);
            assert_int_equal(poplin_scram_keys_parse(poplin_slice_of(text), storage, &keys), POPLIN_OK);
            assert_int_equal(log_in(&login), i % 2 == (size_t)hash);
            login.password = SLICE("Pencil");
            assert_false(log_in(&login));
        }
}

#define KEY_1 "6dlGYMOdZcOPutkcNY8U2g7vK9Y="
#define KEY_256 "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="

static void what_is_no_text_of_keys_is_refused(void **state) {
    static const char *const rows[] = {
        "",
        "pencil",
        "SCRAM-SHA-1$4096:$:",
        "SCRAM-SHA-1$4096:c2FsdA==$" KEY_1,
        "SCRAM-SHA-1$4096:c2FsdA==:" KEY_1 ":" KEY_1,
        "SCRAM-SHA-1$0:c2FsdA==$" KEY_1 ":" KEY_1,
        "SCRAM-SHA-1$04096:c2FsdA==$" KEY_1 ":" KEY_1,
        "SCRAM-SHA-1$4294967296:c2FsdA==$" KEY_1 ":" KEY_1,
        "SCRAM-SHA-1$4096 :c2FsdA==$" KEY_1 ":" KEY_1,
        "SCRAM-SHA-1$4096:$" KEY_1 ":" KEY_1,
        "SCRAM-SHA-1$4096:c2FsdA=$" KEY_1 ":" KEY_1,
        "SCRAM-SHA-1$4096:c2FsdA==$" KEY_1 ":" KEY_256,
        "SCRAM-SHA-1$4096:c2FsdA==$" KEY_256 ":" KEY_256,
        "SCRAM-SHA-256$4096:c2FsdA==$" KEY_1 ":" KEY_1,
        "SCRAM-SHA-512$4096:c2FsdA==$" KEY_256 ":" KEY_256,
        "SCRAM-SHA-1$4096:c2FsdA==$" KEY_1 ":" KEY_1 " ",
        "SCRAM-SHA-1$4096:" KEY_256 "AAAA" KEY_256 "AAAA$" KEY_1 ":" KEY_1,
    };
    char storage[POPLIN_SCRAM_STORAGE], long_text[1000], long_salt[300];
    poplin_scram_keys keys;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(poplin_scram_keys_parse(poplin_slice_of(rows[i]), storage, &keys), POPLIN_ERR_PROTOCOL);
    memset(long_text, 'A', sizeof long_text);
    assert_int_equal(poplin_scram_keys_parse((poplin_slice){long_text, sizeof long_text}, storage, &keys),
                     POPLIN_ERR_PROTOCOL);
    snprintf(long_salt, sizeof long_salt, "SCRAM-SHA-1$4096:%.88s$" KEY_1 ":" KEY_1, long_text); /* 66 octets */
    assert_int_equal(poplin_scram_keys_parse(poplin_slice_of(long_salt), storage, &keys), POPLIN_ERR_PROTOCOL);
    assert_int_equal(poplin_scram_keys_write(&(poplin_scram_keys){.iterations = 1}, long_text, sizeof long_text),
                     POPLIN_ERR_PROTOCOL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_plays_the_vectors),
        cmocka_unit_test(server_plays_the_vectors),
        cmocka_unit_test(client_binds),
        cmocka_unit_test(server_binds),
        cmocka_unit_test(names_are_escaped),
        cmocka_unit_test(who_chose_not_to_bind_does_not_say_y),
        cmocka_unit_test(the_halves_understand_each_other),
        cmocka_unit_test(a_wrong_password_is_not_let_in),
        cmocka_unit_test(nobody_who_is_unknown_is_let_in),
        cmocka_unit_test(cut_messages_log_nobody_in),
        cmocka_unit_test(keys_are_those_of_the_vectors),
        cmocka_unit_test(keys_of_ones_own_have_a_salt_of_their_own),
        cmocka_unit_test(keys_have_bounds),
        cmocka_unit_test(keys_log_in),
        cmocka_unit_test(what_is_no_text_of_keys_is_refused),
    };

    return cmocka_run_group_tests_name("scram", tests, NULL, NULL);
}
