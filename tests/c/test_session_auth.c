/*
 * test_session_auth.c - every mechanism through a session, with and without an initial response: who is asked what, and how it
 * ends. What a mechanism says is held by its own tests; what breaks its rules is in test_session_refused.c.
 */
#include "session_auth.h"

/* What the host hears where alice logs in, as it should be. */
static void expected_events(enum poplin_mechanism mechanism, bool checks, char *events, size_t size) {
    const char *name = poplin_mechanism_name(mechanism);

    switch (poplin_mechanism_proof(mechanism)) {
    case POPLIN_PROOF_TOKEN:
        snprintf(events, size, "TOKEN alice t0ken %s\nMAILDROP alice\n", name);
        break;
    case POPLIN_PROOF_PASSWORD:
        snprintf(events, size, checks ? "CHECK alice secret %s\nMAILDROP alice\n" : "SECRET alice %s\nMAILDROP alice\n",
                 name);
        break;
    default:
        snprintf(events, size, "MAILDROP %s\n", mechanism == POPLIN_MECHANISM_ANONYMOUS ? "anonymous" : "alice");
        break;
    }
}

static void let_in(enum poplin_mechanism mechanism, unsigned asks, bool initial, bool late) {
    const poplin_sasl_client_config config = alice_by(mechanism);
    char events[256];

    h.late = late;
    start_with_all(asks);
    assert_string_equal(authenticate(mechanism, &config, initial), WELCOME);
    expected_events(mechanism, (asks & POPLIN_ASK_SECRET) == 0, events, sizeof events);
    assert_string_equal(host_events(&h), events);
    assert_int_equal(poplin_session_phase(h.session), POPLIN_TRANSACTION);
    expect(&h, "AUTH PLAIN\r\n", "-ERR already logged in\r\n");
    begin_again();
}

/* holds: POP-AUTH-8 S, POP-AUTH-16 S, POP-AUTH-18 S */
static void every_mechanism_lets_in(void **state) {
    (void)state;
    for (enum poplin_mechanism mechanism = 0; mechanism < POPLIN_MECHANISM_COUNT; mechanism++)
        for (unsigned way = 0; way < 4; way++) {
            bool initial = (way & 1) != 0, late = (way & 2) != 0;

            if (!initial || (poplin_mechanism_traits(mechanism) & POPLIN_SASL_CLIENT_FIRST) != 0)
                let_in(mechanism, POPLIN_ASK_SECRET | POPLIN_ASK_TOKEN, initial, late);
        }
    let_in(POPLIN_MECHANISM_PLAIN, POPLIN_ASK_CHECK, true, true);
    let_in(POPLIN_MECHANISM_LOGIN, POPLIN_ASK_CHECK, false, false);
}

/* holds: POP-AUTH-8 S, T-SASL-9 S */
static void it_does_not_matter_how_they_are_cut(void **state) {
    static const size_t sizes[] = {1, 2, 7, 50};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        for (enum poplin_mechanism mechanism = 0; mechanism < POPLIN_MECHANISM_COUNT; mechanism++) {
            said_at_a_time = sizes[i];
            let_in(mechanism, POPLIN_ASK_SECRET | POPLIN_ASK_TOKEN, false, i % 2 == 0);
        }
    said_at_a_time = 0;
}

/* holds: POP-AUTH-14 S, POP-RESP-8 S */
static void every_proof_that_is_wrong_is_told_alike(void **state) {
    (void)state;
    for (enum poplin_mechanism mechanism = 0; mechanism < POPLIN_MECHANISM_EXTERNAL; mechanism++) {
        bool token = poplin_mechanism_proof(mechanism) == POPLIN_PROOF_TOKEN;
        poplin_sasl_client_config config = alice_by(mechanism);

        config.password = SLICE("secreT");
        h.check_status = token ? POPLIN_ERR_AUTH : POPLIN_OK;
        start_with_all(POPLIN_ASK_SECRET | POPLIN_ASK_TOKEN);
        assert_string_equal(authenticate(mechanism, &config, false), WRONG);
        assert_int_equal(poplin_session_phase(h.session), POPLIN_AUTHORIZATION);
        config = alice();
        host_events(&h);
        h.check_status = POPLIN_OK;
        assert_string_equal(authenticate(POPLIN_MECHANISM_PLAIN, &config, true), WELCOME);
        assert_string_equal(host_events(&h), "SECRET alice PLAIN\nMAILDROP alice\n");
        begin_again();
    }
}

/* ---- the vectors ---- */

/* holds: VEC-XOA-1 S, VEC-OAB-1 S */
static void tokens_of_the_vectors(void **state) {
    (void)state;
    h.config.asks = POPLIN_ASK_TOKEN;
    start_with_tls(&full_facts);
    expect(
        &h,
        "AUTH XOAUTH2 dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1s"
        "emRHRXVZMjl0Q2cBAQ==\r\n",
        WELCOME);
    assert_string_equal(host_events(&h), "TOKEN someuser@example.com ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg "
                                         "XOAUTH2\nMAILDROP someuser@example.com\n");
    begin_again();
    h.config.asks = POPLIN_ASK_TOKEN;
    h.config.host = "server.example.com";
    h.config.port = 143;
    start_with_tls(&full_facts);
    expect(
        &h,
        "AUTH OAUTHBEARER bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZG"
        "OWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB\r\n",
        WELCOME);
    assert_string_equal(host_events(&h), "TOKEN user@example.com vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg== "
                                         "OAUTHBEARER\nMAILDROP user@example.com\n");
}

/* holds: VEC-LOGIN-1 S, SASL-LOGIN-2 S */
static void login_of_the_vectors(void **state) {
    (void)state;
    h.config.mechanisms = "LOGIN";
    start_and_skip_greeting();
    expect(&h, "AUTH LOGIN\r\n", "+ VXNlcm5hbWU6\r\n");
    expect(&h, "dGlt\r\n", "+ UGFzc3dvcmQ6\r\n");
    expect(&h, "dGFuc3RhYWZ0YW5zdGFhZg==\r\n", WELCOME);
    assert_string_equal(host_events(&h), "CHECK tim tanstaaftanstaaf LOGIN\nMAILDROP tim\n");
}

/* ---- SCRAM ---- */

static char storage[POPLIN_SCRAM_STORAGE];

static poplin_scram_keys keys_of(enum poplin_scram_hash hash, poplin_slice password, uint32_t iterations) {
    poplin_scram_keys keys;

    assert_int_equal(poplin_scram_keys_make(hash, password, SLICE("0123456789abcdef"), iterations, storage, &keys),
                     POPLIN_OK);
    return keys;
}

/* holds: SASL-SCRAM-2 S, POP-RESP-8 S */
static void keys_are_as_good_as_the_password(void **state) {
    static const enum poplin_mechanism mechanisms[] = {POPLIN_MECHANISM_SCRAM_SHA_256_PLUS,
                                                       POPLIN_MECHANISM_SCRAM_SHA_256, POPLIN_MECHANISM_PLAIN,
                                                       POPLIN_MECHANISM_LOGIN};
    const poplin_scram_keys keys = keys_of(POPLIN_SCRAM_SHA_256, SLICE("secret"), 5000);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(mechanisms); i++)
        for (unsigned asks = POPLIN_ASK_KEYS; asks <= (POPLIN_ASK_KEYS | POPLIN_ASK_SECRET); asks += POPLIN_ASK_CHECK) {
            poplin_sasl_client_config right = alice_by(mechanisms[i]), wrong = right;

            if (asks == (POPLIN_ASK_KEYS | POPLIN_ASK_CHECK) && i >= 2)
                continue; /* then a check is enough */
            wrong.password = SLICE("Secret");
            h.keys = &keys;
            start_with_all(asks);
            assert_string_equal(authenticate(mechanisms[i], &wrong, false), WRONG);
            if (binds(mechanisms[i]))
                begin_again();
            h.keys = &keys;
            if (binds(mechanisms[i]))
                start_with_all(asks);
            assert_string_equal(authenticate(mechanisms[i], &right, false), WELCOME);
            begin_again();
        }
}

/* holds: SASL-SCRAM-8 S */
static void server_announces_what_its_owner_says(void **state) {
    const poplin_scram_keys keys = keys_of(POPLIN_SCRAM_SHA_256, SLICE("secret"), 5000);

    (void)state;
    h.config.asks = POPLIN_ASK_SECRET | POPLIN_ASK_KEYS;
    h.config.iterations = 6000;
    start_and_skip_greeting();
    const char *heard = initial_is_answered("SCRAM-SHA-256", SLICE("n,,n=alice,r=abc"));

    assert_non_null(memmem(challenge_in(heard).data, challenge_in(heard).size, ",i=6000", 7));
    host_say(&h, "*\r\n");
    host_heard(&h);
    h.keys = &keys;
    heard = initial_is_answered("SCRAM-SHA-256", SLICE("n,,n=alice,r=abc"));
    assert_non_null(
        memmem(challenge_in(heard).data, challenge_in(heard).size, ",s=MDEyMzQ1Njc4OWFiY2RlZg==,i=5000", 34));
}

/* Keys of SHA-1 are asked for only where that is named, and those of the other hash are none. */
static void keys_are_of_one_hash(void **state) {
    const poplin_sasl_client_config config = alice();
    const poplin_scram_keys keys = keys_of(POPLIN_SCRAM_SHA_1, SLICE("secret"), 0);

    (void)state;
    h.config.asks = POPLIN_ASK_KEYS;
    h.keys = &keys;
    start_and_skip_greeting();
    expect(&h, "AUTH SCRAM-SHA-1\r\n", "-ERR unknown mechanism\r\n");
    assert_string_equal(authenticate(POPLIN_MECHANISM_SCRAM_SHA_256, &config, true), WRONG);
    assert_string_equal(authenticate(POPLIN_MECHANISM_PLAIN, &config, true), WELCOME);
    begin_again();
    h.config.asks = POPLIN_ASK_KEYS;
    h.config.mechanisms = "SCRAM-SHA-1";
    h.keys = &keys;
    start_and_skip_greeting();
    assert_string_equal(authenticate(POPLIN_MECHANISM_SCRAM_SHA_1, &config, true), WELCOME);
}

/* These need the password itself. */
static void keys_are_no_password(void **state) {
    const poplin_sasl_client_config config = alice();
    const poplin_scram_keys keys = keys_of(POPLIN_SCRAM_SHA_256, SLICE("secret"), 0);

    (void)state;
    h.config.asks = POPLIN_ASK_SECRET | POPLIN_ASK_KEYS;
    h.config.mechanisms = "CRAM-MD5 APOP";
    h.keys = &keys;
    start_and_skip_greeting();
    assert_string_equal(authenticate(POPLIN_MECHANISM_CRAM_MD5, &config, false), WRONG);
    expect(&h, "APOP alice c4c9334bac560ecc979e58001b3e22fb\r\n", WRONG);
    assert_string_equal(host_events(&h), "SECRET alice CRAM-MD5\nSECRET alice APOP\n");
}

/* ---- channel binding ---- */

/* holds: SASL-CB-2 S, SASL-CB-9 S, T-SCR-8 S */
static void channel_binding_is_tried_once(void **state) {
    poplin_sasl_client_config config = alice_by(POPLIN_MECHANISM_SCRAM_SHA_256_PLUS);

    (void)state;
    config.binding.data = SLICE("of another connection");
    start_with_all(POPLIN_ASK_SECRET);
    assert_string_equal(authenticate(POPLIN_MECHANISM_SCRAM_SHA_256_PLUS, &config, true),
                        "-ERR [AUTH] name or password not accepted\r\n");
    expect(&h, "AUTH SCRAM-SHA-256-PLUS\r\n", "-ERR channel binding was tried on this connection: reconnect\r\n");
    expect(&h, "AUTH SCRAM-SHA-1-PLUS\r\n", "-ERR channel binding was tried on this connection: reconnect\r\n");
    config = alice();
    assert_string_equal(authenticate(POPLIN_MECHANISM_SCRAM_SHA_256, &config, true), WELCOME);
}

/* Also an attempt that was cancelled, or never went on, is one. */
static void attempt_that_was_cancelled_is_one(void **state) {
    (void)state;
    start_with_all(POPLIN_ASK_SECRET);
    expect(&h, "AUTH SCRAM-SHA-1-PLUS\r\n*\r\n", "+ \r\n-ERR cancelled\r\n");
    expect(&h, "AUTH SCRAM-SHA-256-PLUS\r\n", "-ERR channel binding was tried on this connection: reconnect\r\n");
}

/* holds: SASL-CB-2 S, T-SCR-5 S */
static void binding_fits_what_tls_gave(void **state) {
    poplin_tls_facts facts = {.end_point_size = 32, .end_point = "the hash of a server certificate"};
    poplin_sasl_client_config config = alice();

    (void)state;
    config.binding = (poplin_sasl_binding){"tls-server-end-point", {(const char *)full_facts.end_point, 32}};
    h.config.asks = POPLIN_ASK_SECRET;
    start_with_tls(&facts);
    assert_string_equal(initial_is_answered("SCRAM-SHA-256-PLUS", SLICE("p=tls-exporter,,n=alice,r=abc")),
                        "-ERR malformed SCRAM-SHA-256-PLUS message\r\n");
    begin_again();
    h.config.asks = POPLIN_ASK_SECRET;
    start_with_tls(&facts);
    assert_string_equal(authenticate(POPLIN_MECHANISM_SCRAM_SHA_1_PLUS, &config, true), WELCOME);
    begin_again();
    h.config.asks = POPLIN_ASK_SECRET;
    start_with_tls(&(poplin_tls_facts){.verified = true});
    expect(&h, "AUTH SCRAM-SHA-256-PLUS\r\n", "-ERR no channel binding on this connection\r\n");
}

/* holds: SASL-CB-2 S, T-SCR-5 S */
static void list_that_somebody_shortened_is_seen(void **state) {
    (void)state;
    h.config.asks = POPLIN_ASK_SECRET;
    start_with_tls(&full_facts);
    assert_string_equal(initial_is_answered("SCRAM-SHA-256", SLICE("y,,n=alice,r=abc")),
                        "-ERR malformed SCRAM-SHA-256 message\r\n");
    assert_string_equal(host_events(&h), "");
    begin_again();
    h.config.asks = POPLIN_ASK_SECRET;
    h.config.mechanisms = "SCRAM-SHA-256"; /* where no -PLUS is offered "y" is the truth */
    start_with_tls(&full_facts);
    assert_memory_equal(initial_is_answered("SCRAM-SHA-256", SLICE("y,,n=alice,r=abc")), "+ ", 2);
}

/* ---- tokens ---- */

static void token_says_who_it_is_for(void **state) {
    poplin_sasl_client_config config = alice();

    (void)state;
    config.user = nothing;
    h.as = "bob";
    start_with_all(POPLIN_ASK_TOKEN);
    assert_string_equal(authenticate(POPLIN_MECHANISM_OAUTHBEARER, &config, true), WELCOME);
    assert_string_equal(host_events(&h), "TOKEN t0ken OAUTHBEARER\nMAILDROP bob\n");
    begin_again();
    start_with_all(POPLIN_ASK_TOKEN); /* and here nobody does */
    assert_string_equal(authenticate(POPLIN_MECHANISM_OAUTHBEARER, &config, true),
                        "-ERR [SYS/TEMP] not possible just now\r\n");
    h.as = "";
    h.no_answer = true;
    config = alice();
    assert_string_equal(authenticate(POPLIN_MECHANISM_XOAUTH2, &config, true), "");
    assert_int_equal(poplin_session_accept_as(h.session, h.asked.question, nothing), POPLIN_ERR_LIMIT);
    host_pump(&h);
    assert_string_equal(host_heard(&h), "-ERR [SYS/TEMP] not possible just now\r\n");
}

static void name_may_be_another_by_rule(void **state) {
    const poplin_sasl_client_config config = alice();

    (void)state;
    h.as = "alice@example.org";
    start_and_skip_greeting();
    assert_string_equal(authenticate(POPLIN_MECHANISM_PLAIN, &config, true), WELCOME);
    assert_string_equal(host_events(&h), "CHECK alice secret PLAIN\nMAILDROP alice@example.org\n");
    begin_again();
    h.as = "alice@example.org";
    start_and_skip_greeting();
    expect(&h, "USER alice\r\nPASS secret\r\n", "+OK send PASS\r\n" WELCOME);
    assert_string_equal(host_events(&h), "CHECK alice secret USER\nMAILDROP alice@example.org\n");
}

/* The host says whom it was asked about, in the very octets that it was given. */
static void name_may_be_that_of_the_event(void **state) {
    static const unsigned asks[] = {POPLIN_ASK_CHECK, POPLIN_ASK_TOKEN};
    const poplin_sasl_client_config config = alice();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(asks); i++) {
        begin_again();
        h.no_answer = true;
        start_with_all(asks[i]);
        (void)authenticate(i == 0 ? POPLIN_MECHANISM_PLAIN : POPLIN_MECHANISM_XOAUTH2, &config, true);
        assert_int_equal(poplin_session_accept_as(h.session, h.asked.question, h.asked.user), POPLIN_OK);
        host_events(&h);
        host_pump(&h);
        assert_string_equal(host_events(&h), "MAILDROP alice\n");
    }
}

/* holds: T-SEC-3 S */
static void name_of_one_login_is_not_that_of_the_next(void **state) {
    (void)state;
    h.as = "root";
    h.maildrop_status = POPLIN_ERR_IN_USE;
    start_with_all(POPLIN_ASK_CHECK);
    host_say(&h, "AUTH PLAIN AGEAYg==\r\n");
    assert_string_equal(host_events(&h), "CHECK a b PLAIN\nMAILDROP root\n");
    host_say(&h, "AUTH ANONYMOUS =\r\nAUTH EXTERNAL =\r\n");
    assert_string_equal(host_events(&h), "MAILDROP anonymous\nMAILDROP alice\n");
}

/* ---- certificates, and nobody ---- */

/* holds: T-TLS-17 S, SASL-EXT-1 S */
static void certificate_says_who_it_is(void **state) {
    poplin_tls_facts facts = full_facts;

    (void)state;
    h.config.mechanisms = "EXTERNAL";
    start_with_tls(&full_facts);
    expect(&h, "AUTH EXTERNAL Ym9i\r\n", WRONG);
    assert_string_equal(host_events(&h), "");
    expect(&h, "AUTH EXTERNAL =\r\n", WELCOME);
    assert_string_equal(host_events(&h), "MAILDROP alice\n");
    for (size_t i = 0; i < 2; i++) {
        begin_again();
        h.config.mechanisms = "EXTERNAL";
        facts.verified = i != 0;
        facts.identity_size = 0;
        if (i == 0)
            facts.identity_size = 5;
        start_with_tls(&facts);
        expect(&h, "AUTH EXTERNAL YWxpY2U=\r\n", "-ERR the client has shown no certificate that names a user\r\n");
    }
}

/* holds: T-RES-8 S, VEC-ANON-1 S */
static void anonymous_reads_and_deletes_nothing(void **state) {
    (void)state;
    h.config.mechanisms = "ANONYMOUS";
    start_and_skip_greeting();
    expect(&h, "AUTH ANONYMOUS c2lyaGM=\r\n", WELCOME);
    expect(&h, "DELE 1\r\nDELE 3\r\nSTAT\r\n",
           "-ERR nothing can be deleted here\r\n-ERR no such message\r\n+OK 2 52\r\n");
    expect(&h, "RETR 1\r\n", "+OK 20 octets\r\nSubject: 1\r\n\r\nbody\r\n.\r\n");
    expect(&h, "QUIT\r\n", "+OK bye\r\n");
    assert_string_equal(host_events(&h),
                        "MAILDROP anonymous\nBODY two\nBODY_DONE two\nBODY one\nBODY_DONE one\nCLOSED 0 -\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SESSION_TEST(every_mechanism_lets_in),
        SESSION_TEST(it_does_not_matter_how_they_are_cut),
        SESSION_TEST(every_proof_that_is_wrong_is_told_alike),
        SESSION_TEST(tokens_of_the_vectors),
        SESSION_TEST(login_of_the_vectors),
        SESSION_TEST(keys_are_as_good_as_the_password),
        SESSION_TEST(server_announces_what_its_owner_says),
        SESSION_TEST(keys_are_of_one_hash),
        SESSION_TEST(keys_are_no_password),
        SESSION_TEST(channel_binding_is_tried_once),
        SESSION_TEST(attempt_that_was_cancelled_is_one),
        SESSION_TEST(binding_fits_what_tls_gave),
        SESSION_TEST(list_that_somebody_shortened_is_seen),
        SESSION_TEST(token_says_who_it_is_for),
        SESSION_TEST(name_may_be_another_by_rule),
        SESSION_TEST(name_may_be_that_of_the_event),
        SESSION_TEST(name_of_one_login_is_not_that_of_the_next),
        SESSION_TEST(certificate_says_who_it_is),
        SESSION_TEST(anonymous_reads_and_deletes_nothing),
    };

    return cmocka_run_group_tests_name("session auth", tests, NULL, NULL);
}
