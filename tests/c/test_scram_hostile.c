/* test_scram_hostile.c - SCRAM against a peer that breaks the rules: servers, then clients. */
#include "scram_support.h"

#include <stdio.h>

#define LOW "r=" NONCE_2 "xyz,s=W22ZaJ0SNY7soEsUEjb6gQ==,"
#define EXTENDED "r=" NONCE_2 "xyz"

/* ---- hostile servers ---- */

static void assert_refused(const struct vector *vector, poplin_slice first, poplin_slice final, int status) {
    poplin_sasl_client *client = new_client(vector);

    assert_int_equal(client_hears(client, (poplin_slice){NULL, 0}, NULL), POPLIN_OK);
    if (final.data == NULL) {
        assert_int_equal(client_hears(client, first, NULL), status);
    } else {
        assert_int_equal(client_hears(client, first, NULL), POPLIN_OK);
        assert_int_equal(client_hears(client, final, NULL), status);
    }
    assert_false(poplin_sasl_client_is_complete(client));
    /* It stays refused, whatever the server says then. */
    assert_int_equal(client_hears(client, poplin_slice_of(vector->server_final), NULL), POPLIN_ERR_PROTOCOL);
    assert_false(poplin_sasl_client_is_complete(client));
    poplin_sasl_client_free(client);
}

static void assert_first_refused(const char *first) {
    assert_refused(SHA_256, poplin_slice_of(first), (poplin_slice){NULL, 0}, POPLIN_ERR_PROTOCOL);
}

/* holds: T-SCR-1 C, SASL-SCRAM-4 C, LIM-12 C */
static void iterations_out_of_range(void **state) {
    static const char *const rows[] = {
        LOW "i=0",          LOW "i=1",          LOW "i=4095",          LOW "i=04096", LOW "i=-1",
        LOW "i=2147483648", LOW "i=4294971392", LOW "i=1000000000000", LOW "i=",      LOW "i=1000001",
        LOW "i=4096 ",      LOW "i=0x1000",     LOW "i=4096.0",        LOW "i",       "r=" NONCE_2 "xyz,s=W22ZaA==",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_first_refused(rows[i]);
}

/* holds: SASL-SCRAM-4 C */
static void the_range_of_iterations_can_be_set(void **state) {
    static const struct {
        const char *first;
        int status;
    } rows[] = {{LOW "i=99", POPLIN_ERR_PROTOCOL},
                {LOW "i=100", POPLIN_OK},
                {LOW "i=200", POPLIN_OK},
                {LOW "i=201", POPLIN_ERR_PROTOCOL}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        poplin_sasl_client_config config = client_config(SHA_256);
        poplin_sasl_client *client;
        const char *reason;

        config.min_iterations = 100;
        config.max_iterations = 200;
        assert_int_equal(poplin_sasl_client_new(SHA_256->mechanism, &config, &client, &reason), POPLIN_OK);
        assert_int_equal(client_hears(client, (poplin_slice){NULL, 0}, NULL), POPLIN_OK);
        assert_int_equal(client_hears(client, poplin_slice_of(rows[i].first), NULL), rows[i].status);
        poplin_sasl_client_free(client);
    }
}

/* holds: T-SCR-2 C, SASL-SCRAM-3 C */
static void nonces_that_are_not_ours_and_more(void **state) {
    static const char rest[] = ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    static const char *const rows[] = {
        "r=" NONCE_1 "xyz,s=W22ZaA==,i=4096",
        "r=" NONCE_2 ",s=W22ZaA==,i=4096",
        "r=xyz,s=W22ZaA==,i=4096",
        "r=,s=W22ZaA==,i=4096",
        "r=x" NONCE_2 ",s=W22ZaA==,i=4096",
        EXTENDED ",,s=W22ZaA==,i=4096",
        EXTENDED " ,s=W22ZaA==,i=4096",
        EXTENDED "\x7F,s=W22ZaA==,i=4096",
        EXTENDED "\xC3\xA9,s=W22ZaA==,i=4096",
    };
    const size_t sizes[] = {1025, 8000, 100000};
    char *large = malloc(110000);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_first_refused(rows[i]);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        memset(large, 'x', 110000);
        memcpy(large, EXTENDED, strlen(EXTENDED));
        memcpy(large + 2 + sizes[i], rest, sizeof rest);
        assert_first_refused(large);
    }
    free(large);
}

/* holds: T-SCR-3 C, SASL-SCRAM-1 C, SASL-SCRAM-3 C */
static void what_is_no_first_message(void **state) {
    static const char *const rows[] = {
        "",
        ",",
        "r",
        "pencil",
        EXTENDED,
        EXTENDED ",i=4096",
        EXTENDED ",s=,i=4096",
        EXTENDED ",s=====,i=4096",
        EXTENDED ",s=W22Za,i=4096",
        EXTENDED ",s=W22ZaJ==,i=4096",
        EXTENDED ",s=W2 2ZaA==,i=4096",
        EXTENDED ",i=4096,s=W22ZaA==",
        "s=W22ZaA==," EXTENDED ",i=4096",
        EXTENDED ",s=W22ZaA==,s=W22ZaA==,i=4096",
        EXTENDED ",s=W22ZaA==,i=4096,i=4096",
        EXTENDED ",s=W22ZaA==,i=4096," EXTENDED,
        "m=x," EXTENDED ",s=W22ZaA==,i=4096",
        EXTENDED ",m=x,s=W22ZaA==,i=4096",
        EXTENDED ",s=W22ZaA==,i=4096,m=x",
        EXTENDED ",x=y,s=W22ZaA==,i=4096",
        EXTENDED ",s=W22ZaA==,i=4096,",
        EXTENDED ",s=W22ZaA==,i=4096,x",
        EXTENDED ",s=W22ZaA==,i=4096,x=",
        EXTENDED ",s=W22ZaA==,i=4096,1=2",
        EXTENDED ",s=W22ZaA==,i=4096,x=1,x=2",
        "R=" NONCE_2 "xyz,s=W22ZaA==,i=4096",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_first_refused(rows[i]);
    assert_refused(SHA_256, SLICE(EXTENDED ",s=W22ZaA==,i=4096,x=a\0b"), (poplin_slice){NULL, 0}, POPLIN_ERR_PROTOCOL);
}

static void a_salt_has_a_bound(void **state) {
    char message[4000], salt[2800];

    (void)state;
    memset(salt, 'A', sizeof salt);
    assert_true(snprintf(message, sizeof message, EXTENDED ",s=%.1364s,i=4096", salt) > 0); /* 1023 octets */
    poplin_sasl_client *client = new_client(SHA_256);

    assert_int_equal(client_hears(client, (poplin_slice){NULL, 0}, NULL), POPLIN_OK);
    assert_int_equal(client_hears(client, poplin_slice_of(message), NULL), POPLIN_OK);
    poplin_sasl_client_free(client);
    assert_true(snprintf(message, sizeof message, EXTENDED ",s=%.1368s,i=4096", salt) > 0); /* 1026 octets */
    assert_first_refused(message);
}

/* holds: SASL-SCRAM-1 C */
static void extensions_are_ignored(void **state) {
    poplin_sasl_client *client = new_client(SHA_256);

    (void)state;
    assert_int_equal(client_hears(client, (poplin_slice){NULL, 0}, NULL), POPLIN_OK);
    assert_int_equal(client_hears(client, SLICE(FIRST_2 ",x=any=thing,Y=1"), NULL), POPLIN_OK);
    poplin_sasl_client_free(client);
}

/* holds: T-SCR-4 C, SASL-SCRAM-5 C */
static void signatures_that_prove_nothing(void **state) {
    static const char *const rows[] = {
        "",
        "v=",
        "v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G0=",
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=",
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl9",
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4A",
        "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=,",
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=,m=x",
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=,v=x",
        "x=1,v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        "e=",
        "e=channel-bindings-dont-match",
        "e=server-does-support-channel-binding",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_refused(SHA_256, SLICE(FIRST_2), poplin_slice_of(rows[i]), POPLIN_ERR_PROTOCOL);
    assert_refused(SHA_256, SLICE(FIRST_2), SLICE("e=other-error"), POPLIN_ERR_AUTH);
    assert_refused(SHA_256, SLICE(FIRST_2), SLICE("e=invalid-proof"), POPLIN_ERR_AUTH);
    assert_refused(SHA_256, SLICE("e=unknown-user"), (poplin_slice){NULL, 0}, POPLIN_ERR_AUTH);
    assert_refused(UNSEEN, SLICE(FIRST_2), poplin_slice_of(SHA_256->server_final), POPLIN_ERR_PROTOCOL);
}

/* holds: T-SASL-1 C */
static void a_server_does_not_begin(void **state) {
    poplin_sasl_client *client = new_client(SHA_256);

    (void)state;
    assert_int_equal(client_hears(client, SLICE(FIRST_2), NULL), POPLIN_ERR_PROTOCOL);
    assert_false(poplin_sasl_client_is_complete(client));
    poplin_sasl_client_free(client);
}

static void a_server_does_not_go_on_for_ever(void **state) {
    poplin_sasl_client *client = new_client(SHA_256);

    (void)state;
    assert_int_equal(client_hears(client, (poplin_slice){NULL, 0}, NULL), POPLIN_OK);
    assert_int_equal(client_hears(client, SLICE(FIRST_2), NULL), POPLIN_OK);
    assert_int_equal(client_hears(client, poplin_slice_of(SHA_256->server_final), ""), POPLIN_OK);
    assert_int_equal(client_hears(client, poplin_slice_of(SHA_256->server_final), NULL), POPLIN_ERR_PROTOCOL);
    assert_false(poplin_sasl_client_is_complete(client));
    poplin_sasl_client_free(client);
}

/* holds: T-INJ-1 C, SASL-SCRAM-12 C */
static void a_client_says_what_it_cannot_send(void **state) {
    const struct {
        poplin_slice user, password, authorize;
        int status;
    } rows[] = {
        {SLICE(""), SLICE("pencil"), {NULL, 0}, POPLIN_ERR_STATE},
        {SLICE("user"), {NULL, 0}, {NULL, 0}, POPLIN_ERR_STATE},
        {SLICE("us\0er"), SLICE("pencil"), {NULL, 0}, POPLIN_ERR_PROTOCOL},
        {SLICE("us\r\ner"), SLICE("pencil"), {NULL, 0}, POPLIN_ERR_PROTOCOL},
        {SLICE("us\xFF"), SLICE("pencil"), {NULL, 0}, POPLIN_ERR_PROTOCOL},
        {SLICE("user"), SLICE("pen\0cil"), {NULL, 0}, POPLIN_ERR_PROTOCOL},
        {SLICE("user"), SLICE("pen\xFF"), {NULL, 0}, POPLIN_ERR_PROTOCOL},
        {SLICE("user"), SLICE("\u0221"), {NULL, 0}, POPLIN_ERR_PROTOCOL},
        {SLICE("user"), SLICE("pencil"), SLICE("\n"), POPLIN_ERR_PROTOCOL},
        {SLICE("\u0221"), SLICE("pencil"), {NULL, 0}, POPLIN_OK},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const poplin_sasl_client_config config = {
            .user = rows[i].user, .password = rows[i].password, .authorize = rows[i].authorize};
        poplin_sasl_client *client;
        const char *reason = NULL;

        assert_int_equal(poplin_sasl_client_new(SHA_256->mechanism, &config, &client, &reason), rows[i].status);
        assert_true(reason != NULL && strstr(reason, "pencil") == NULL);
        poplin_sasl_client_free(client);
    }
}

/* holds: SASL-CB-1 C */
static void plus_needs_something_to_bind_to(void **state) {
    poplin_sasl_client_config config = client_config(SHA_256);
    poplin_sasl_client *client;
    const char *reason;

    (void)state;
    assert_int_equal(poplin_sasl_client_new(PLUS->mechanism, &config, &client, &reason), POPLIN_ERR_STATE);
    config.binding = (poplin_sasl_binding){"tls-exporter", {NULL, 0}};
    assert_int_equal(poplin_sasl_client_new(PLUS->mechanism, &config, &client, &reason), POPLIN_ERR_STATE);
}

/* ---- hostile clients ---- */

static void assert_fails(poplin_sasl_server *server, poplin_slice message, bool malformed) {
    poplin_sasl_turn turn;

    server_hears(server, message, POPLIN_SASL_FAILED, &turn);
    assert_int_equal(turn.malformed, malformed);
    assert_null(turn.user.data);
    assert_int_equal(poplin_sasl_server_step(server, SLICE(""), &turn), POPLIN_ERR_STATE);
    poplin_sasl_server_free(server);
}

static void assert_malformed(poplin_sasl_server *server, poplin_slice message) {
    assert_fails(server, message, true);
}

static void assert_final_malformed(const struct vector *vector, const char *final) {
    assert_malformed(server_at_final(vector), poplin_slice_of(final));
}

/* Its c= is another's, which breaks no rule but may mean that somebody is between the two. */
static void assert_final_refused(const struct vector *vector, const char *final) {
    assert_fails(server_at_final(vector), poplin_slice_of(final), false);
}

/* holds: T-SCR-5 S, SASL-SCRAM-6 S, SASL-CB-2 S */
static void final_messages_of_elsewhere(void **state) {
    poplin_sasl_server_config config = server_config(SHA_256);

    (void)state;
    config.nonce = SLICE("anothernonce"); /* a later session: what was heard in the first one is worth nothing */
    poplin_sasl_server *later = new_server(SHA_256, &config);
    poplin_sasl_turn turn;

    server_hears(later, poplin_slice_of(SHA_256->client_first), POPLIN_SASL_SECRET, &turn);
    assert_int_equal(poplin_sasl_server_secret(later, SLICE("pencil"), &turn), POPLIN_OK);
    assert_malformed(later, poplin_slice_of(SHA_256->client_final));
    assert_final_malformed(SHA_256, "c=biws,r=" NONCE_2 ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    assert_final_refused(SHA_256, UNSEEN->client_final);
    assert_final_refused(UNSEEN, SHA_256->client_final);
    assert_final_refused(PLUS, SHA_256->client_final);
    assert_final_refused(SHA_256, PLUS->client_final); /* n header, but p content */
    assert_final_refused(PLUS, END_POINT->client_final);
    assert_final_refused(SHA_256, "c=biwt,r=" NONCE_2 NONCE_2_SERVER ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    assert_final_refused(SHA_256, "c=biw=,r=" NONCE_2 NONCE_2_SERVER ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
}

/* holds: T-SCR-5 S, T-SCR-8 S */
static void another_channel(void **state) {
    poplin_sasl_server_config config = server_config(PLUS);
    poplin_sasl_turn turn;

    (void)state;
    config.exporter.data = SLICE("the key of another connection...");
    poplin_sasl_server *server = new_server(PLUS, &config);

    server_hears(server, poplin_slice_of(PLUS->client_first), POPLIN_SASL_SECRET, &turn);
    assert_int_equal(poplin_sasl_server_secret(server, SLICE("pencil"), &turn), POPLIN_OK);
    assert_fails(server, poplin_slice_of(PLUS->client_final), false);
}

/* holds: T-SCR-5 S, SASL-CB-2 S */
static void flags_that_do_not_fit(void **state) {
    static const struct {
        const struct vector *vector;
        const char *header;
        bool plus_offered;
    } rows[] = {
        {SHA_256, "y,,", true}, /* somebody took -PLUS from the list */
        {SHA_256, "p=tls-exporter,,", true},
        {PLUS, "n,,", true},
        {PLUS, "y,,", true},
        {PLUS, "y,,", false},
        {PLUS, "p=tls-unique,,", true},
        {PLUS, "p=tls-server-end-point,,", true},
        {PLUS, "p=tls-exporte,,", true},
        {PLUS, "p=TLS-EXPORTER,,", true},
        {PLUS, "p=,,", true},
        {PLUS, "p,,", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        poplin_sasl_server_config config = server_config(rows[i].vector);
        char message[100];

        config.plus_offered = rows[i].plus_offered;
        snprintf(message, sizeof message, "%sn=user,r=" NONCE_2, rows[i].header);
        assert_malformed(new_server(rows[i].vector, &config), poplin_slice_of(message));
    }
}

/* holds: T-SCR-6 S, SASL-SCRAM-7 S */
static void names_that_are_none(void **state) {
    static const char *const names[] = {
        "a=2cb", "a=",   "a=2",   "a=00",  "a=3d", "=2D",    "a==2C",   "a,b",
        "",      "\xFF", "a\xC3", "a\x80", "\a",   "\u00AD", "\u06271",
    };
    const size_t large = 1000000;
    char *message = malloc(large + 100);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        snprintf(message, large, "n,,n=%s,r=" NONCE_2, names[i]);
        assert_malformed(new_default_server(SHA_256), poplin_slice_of(message));
        if (names[i][0] == '\0')
            continue;
        snprintf(message, large, "n,a=%s,n=user,r=" NONCE_2, names[i]);
        assert_malformed(new_default_server(SHA_256), poplin_slice_of(message));
    }
    memset(message, 'a', large + 100);
    memcpy(message, "n,,n=", 5);
    memcpy(message + large, ",r=" NONCE_2, sizeof ",r=" NONCE_2);
    assert_malformed(new_default_server(SHA_256), poplin_slice_of(message));
    assert_malformed(new_default_server(SHA_256), SLICE("n,,n=us\0er,r=" NONCE_2));
    free(message);
}

/* holds: SASL-SCRAM-1 S */
static void what_is_no_first_message_of_a_client(void **state) {
    static const char *const rows[] = {
        "",
        "n",
        "n,",
        "n,,",
        "n,,n=user",
        "n,,n=user,",
        "n,,n=user,r=",
        "n,,r=" NONCE_2 ",n=user",
        "n,,n=user,n=user,r=" NONCE_2,
        "n,,n=user,r=" NONCE_2 ",r=" NONCE_2,
        "n,,m=x,n=user,r=" NONCE_2,
        "n,,n=user,m=x,r=" NONCE_2,
        "n,,n=user,r=" NONCE_2 ",m=x",
        "n,,n=user,r=" NONCE_2 ",",
        "n,,n=user,r=no nce",
        "n,,n=user,r=\xC3\xA9",
        "n,user,n=user,r=" NONCE_2,
        "n,b=user,n=user,r=" NONCE_2,
        "n,a=,n=user,r=" NONCE_2,
        "N,,n=user,r=" NONCE_2,
        "n=user,r=" NONCE_2,
        ",,n=user,r=" NONCE_2,
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_malformed(new_default_server(SHA_256), poplin_slice_of(rows[i]));
}

/* holds: SASL-SCRAM-1 S */
static void what_is_no_final_message_of_a_client(void **state) {
#define PROOF "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define NONCES "r=" NONCE_2 NONCE_2_SERVER
    static const char *const rows[] = {
        "",
        PROOF,
        "c=biws," NONCES,
        "c=biws," NONCES ",",
        "c=biws," NONCES ",p=",
        "c=biws," PROOF,
        NONCES ",c=biws," PROOF,
        "c=biws," PROOF "," NONCES,
        "c=biws," NONCES "," PROOF ",",
        "c=biws," NONCES "," PROOF ",x=1",
        "c=biws," NONCES "," PROOF "," PROOF,
        "c=biws," NONCES ",m=x," PROOF,
        "c=biws," NONCES ",c=biws," PROOF,
        "c=," NONCES "," PROOF,
        "c=biws," NONCES "x," PROOF,
        "c=biws," NONCES ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7And",
        "c=biws," NONCES ",p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        "c=biws," NONCES "," PROOF "AAAA",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_final_malformed(SHA_256, rows[i]);
}

/* holds: SASL-SCRAM-6 S, SASL-SCRAM-10 S */
static void a_wrong_proof_is_not_malformed(void **state) {
    poplin_sasl_server *server = server_at_final(SHA_256);
    poplin_sasl_turn turn;

    (void)state;
    server_hears(server, SLICE("c=biws," NONCES ",p=eHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="), POPLIN_SASL_FAILED,
                 &turn);
    assert_false(turn.malformed);
    assert_null(turn.message.data);
    poplin_sasl_server_free(server);
}

/* Whoever acts for another is refused before anything is asked about either. */
static void nobody_acts_for_another(void **state) {
    poplin_sasl_server *server = new_default_server(FOR_ANOTHER);
    poplin_sasl_turn turn;

    (void)state;
    server_hears(server, poplin_slice_of(FOR_ANOTHER->client_first), POPLIN_SASL_FAILED, &turn);
    assert_false(turn.malformed);
    poplin_sasl_server_free(server);
}

/* holds: SASL-SCRAM-11 S */
static void a_client_confirms_by_nothing(void **state) {
    poplin_sasl_server *server = server_at_final(SHA_256);
    poplin_sasl_turn turn;

    (void)state;
    server_hears(server, poplin_slice_of(SHA_256->client_final), POPLIN_SASL_CHALLENGE, &turn);
    assert_malformed(server, SLICE("x"));
}

/* An answer that was not asked for changes nothing. */
static void answers_fit_questions(void **state) {
    poplin_sasl_server *server = new_default_server(SHA_256);
    poplin_sasl_turn turn;

    (void)state;
    assert_int_equal(poplin_sasl_server_secret(server, SLICE("pencil"), &turn), POPLIN_ERR_STATE);
    server_hears(server, (poplin_slice){NULL, 0}, POPLIN_SASL_CHALLENGE, &turn);
    assert_int_equal(turn.message.size, 0);
    server_hears(server, poplin_slice_of(SHA_256->client_first), POPLIN_SASL_SECRET, &turn);
    assert_int_equal(poplin_sasl_server_accept(server, &turn), POPLIN_ERR_STATE);
    assert_int_equal(poplin_sasl_server_refuse(server, &turn), POPLIN_ERR_STATE);
    assert_int_equal(poplin_sasl_server_step(server, poplin_slice_of(SHA_256->client_final), &turn), POPLIN_ERR_STATE);
    assert_int_equal(poplin_sasl_server_secret(server, SLICE("pencil"), &turn), POPLIN_OK);
    assert_int_equal(poplin_sasl_server_unknown(server, &turn), POPLIN_ERR_STATE);
    server_hears(server, poplin_slice_of(SHA_256->client_final), POPLIN_SASL_CHALLENGE, &turn);
    server_hears(server, SLICE(""), POPLIN_SASL_DONE, &turn);
    assert_int_equal(poplin_sasl_server_step(server, SLICE(""), &turn), POPLIN_ERR_STATE);
    poplin_sasl_server_free(server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(iterations_out_of_range),
        cmocka_unit_test(the_range_of_iterations_can_be_set),
        cmocka_unit_test(nonces_that_are_not_ours_and_more),
        cmocka_unit_test(what_is_no_first_message),
        cmocka_unit_test(a_salt_has_a_bound),
        cmocka_unit_test(extensions_are_ignored),
        cmocka_unit_test(signatures_that_prove_nothing),
        cmocka_unit_test(a_server_does_not_begin),
        cmocka_unit_test(a_server_does_not_go_on_for_ever),
        cmocka_unit_test(a_client_says_what_it_cannot_send),
        cmocka_unit_test(plus_needs_something_to_bind_to),
        cmocka_unit_test(final_messages_of_elsewhere),
        cmocka_unit_test(another_channel),
        cmocka_unit_test(flags_that_do_not_fit),
        cmocka_unit_test(names_that_are_none),
        cmocka_unit_test(what_is_no_first_message_of_a_client),
        cmocka_unit_test(what_is_no_final_message_of_a_client),
        cmocka_unit_test(a_wrong_proof_is_not_malformed),
        cmocka_unit_test(nobody_acts_for_another),
        cmocka_unit_test(a_client_confirms_by_nothing),
        cmocka_unit_test(answers_fit_questions),
    };

    return cmocka_run_group_tests_name("scram hostile", tests, NULL, NULL);
}
