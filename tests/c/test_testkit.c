/*
 * test_testkit.c - the kit on a real server: what it writes down of sessions of every kind, and when.
 */
#include "kitted.h"

static struct kitted kitted;

static int set_up(void **state) {
    int status = served_set_up(state);
    kitted_init(&kitted, *state);
    return status;
}

static int tear_down(void **state) {
    kitted_free(&kitted);
    return served_tear_down(state);
}

/* Dials, and says all of it at once; what comes back is read to the end. */
static void play(const char *text) {
    struct raw peer;
    served_dial(kitted.served, &peer);
    raw_say(&peer, text);
    while (raw_line(&peer) != NULL)
        ;
    raw_close(&peer);
}

#define LOG_IN "USER alice\r\nPASS secret\r\n"

static void test_a_session_is_written_down(void **state) {
    struct raw peer;
    (void)state;
    kitted_start(&kitted, 2, 0);
    served_login(kitted.served, &peer);
    raw_say(&peer, "LIST\r\nRETR 2\r\nTOP 1 0\r\nDELE 1\r\nXFOO\r\nQUIT\r\n");
    while (raw_line(&peer) != NULL)
        ;
    raw_close(&peer);
    const poplin_record *record = kitted_ended(&kitted, 0);
    assert_int_equal(record->number, 1);
    assert_memory_equal(record->peer, "127.0.0.1:", 10);
    assert_false(record->open);
    assert_int_equal(record->outcome, POPLIN_COMMITTED);
    assert_string_equal(poplin_record_outcome(record), "committed");
    assert_string_equal(record->user, "alice");
    assert_string_equal(record->mechanism, "USER");
    assert_string_equal(record->tls, "");
    assert_string_equal(record->error, "");
    expect_unique_ids(record->retrieved, 1, (const char *const[]){kitted.ids[1]});
    expect_unique_ids(record->marked, 1, (const char *const[]){kitted.ids[0]});
    expect_unique_ids(record->deleted, 1, (const char *const[]){kitted.ids[0]});
    assert_int_equal(record->exchange_count, 9);
    (void)expect_exchange(record, 0, "", "+OK poplin ready");
    (void)expect_exchange(record, 1, "USER alice", "+OK send PASS");
    const poplin_exchange *pass = expect_exchange(record, 2, "PASS ****", "+OK 2 messages");
    assert_true(pass->secret && pass->leaked && !pass->tls && pass->complete);
    const poplin_exchange *list = expect_exchange(record, 3, "LIST", "+OK 2 messages");
    assert_string_equal(list->text, "1 11\n2 11\n.\n");
    assert_int_equal(list->octets, strlen("+OK 2 messages\r\n1 11\r\n2 11\r\n.\r\n"));
    const poplin_exchange *retr = expect_exchange(record, 4, "RETR 2", "+OK 11 octets");
    assert_string_equal(retr->text, "");
    assert_string_equal(retr->unique_id, kitted.ids[1]);
    assert_int_equal(retr->verb, POPLIN_RETR);
    assert_int_equal(retr->octets, strlen("+OK 11 octets\r\nmessage 2\r\n.\r\n"));
    assert_int_equal(retr->octets_given, retr->octets);
    assert_string_equal(expect_exchange(record, 5, "TOP 1 0", "+OK top of message follows")->text, "");
    (void)expect_exchange(record, 7, "XFOO", "-ERR unknown command");
    assert_int_equal(expect_exchange(record, 8, "QUIT", "+OK bye")->verb, POPLIN_QUIT);
    uint64_t octets = 0;
    for (size_t i = 0; i < record->exchange_count; i++)
        octets += record->exchanges[i].octets;
    assert_int_equal(record->octets_out, octets);
    assert_int_equal(record->octets_in, strlen(LOG_IN "LIST\r\nRETR 2\r\nTOP 1 0\r\nDELE 1\r\nXFOO\r\nQUIT\r\n"));
}

/* Whoever has the reply to QUIT finds all that the session did, also where everything was pipelined. */
static void test_the_books_are_closed_before_the_last_reply(void **state) {
    struct raw peer;
    (void)state;
    kitted_start(&kitted, 2, 100);
    for (size_t i = 0; i < 2; i++) {
        const poplin_record *record = NULL;
        served_dial(kitted.served, &peer);
        raw_expect(&peer, "+OK");
        raw_say(&peer, LOG_IN "RETR 1\r\nDELE 2\r\nRSET\r\nQUIT\r\n");
        /* One octet at a time: the log is looked at as soon as an octet of the last reply can be read. */
        while (peer.size < 4 || memmem(peer.data, peer.size, "+OK b", 5) == NULL)
            while (!raw_receive(&peer, 1))
                raw_step(&peer);
        record = kitted_look(&kitted, i);
        assert_false(record->open);
        assert_int_equal(record->outcome, POPLIN_COMMITTED);
        expect_unique_ids(record->retrieved, 1, (const char *const[]){kitted.ids[0]});
        expect_unique_ids(record->marked, 0, NULL);
        expect_judgement(poplin_record_check_quit(record), NULL);
        raw_close(&peer);
    }
}

static void test_every_outcome_is_told_apart(void **state) {
    struct raw peer;
    (void)state;
    kitted_start(&kitted, 1, 0);
    play("QUIT\r\n");
    assert_int_equal(kitted_ended(&kitted, 0)->outcome, POPLIN_LEFT);
    assert_string_equal(poplin_record_outcome(kitted.record), "left");

    served_login(kitted.served, &peer);
    raw_say(&peer, "DELE 1\r\n");
    raw_expect(&peer, "+OK");
    raw_close(&peer);
    const poplin_record *dropped = kitted_ended(&kitted, 1);
    assert_int_equal(dropped->outcome, POPLIN_DROPPED);
    expect_unique_ids(dropped->marked, 1, (const char *const[]){kitted.ids[0]});
    expect_unique_ids(dropped->deleted, 0, NULL);

    served_login(kitted.served, &peer);
    raw_settle(kitted.served->loop);
    assert_string_equal(poplin_record_outcome(kitted_look(&kitted, 2)), "open");
    poplin_loop_advance(kitted.served->loop, 600001);
    assert_int_equal(kitted_ended(&kitted, 2)->outcome, POPLIN_TIMED_OUT);
    expect_contains(kitted.record->error, "no command within the time allowed");
    raw_close(&peer);

    play("X\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\n");
    const poplin_record *failed = kitted_ended(&kitted, 3);
    assert_int_equal(failed->outcome, POPLIN_FAILED);
    assert_string_not_equal(failed->error, "");
    assert_true(failed->exchanges[failed->exchange_count - 1].complete);
}

/* holds: T-SEC-1 S */
static void test_nothing_that_is_given_out_holds_a_secret(void **state) {
    static const char *const forms[] = {"Xyzzy9!", "WHl6enk5IQ", "AGJvYgBYeXp6eTkh", "YgBYeXp6eTkh"};
    (void)state;
    kitted_start(&kitted, 1, 0);
    assert_int_equal(poplin_memory_add_user(kitted.served->memory, SLICE("bob"), SLICE("Xyzzy9!")), POPLIN_OK);
    assert_int_equal(poplin_testkit_add_secret(kitted.kit, SLICE("Xyzzy9!")), POPLIN_OK);
    kitted_fault(&kitted, "NOOP reply=\"+OK you are bob:Xyzzy9! or WHl6enk5IQ==\" name=\"a Xyzzy9! name\"");
    kitted_fault(&kitted, "CAPA add=\"X-AGJvYgBYeXp6eTkh Xyzzy9!\"");
    play("AUTH PLAIN\r\nAGJvYgBYeXp6eTkh\r\nNOOP\r\nCAPA\r\nXyzzy9!\r\nAGJvYgBYeXp6eTkh\r\nUSER Xyzzy9!\r\n"
         "PASS Xyzzy9!\r\nSECRE Xyzzy9!\r\nRETR Xyzzy9!\r\nAPOP Xyzzy9! Xyzzy9!\r\nQUIT\r\n");
    play("AUTH PLAIN AGJvYgBYeXp6eTkh\r\nAUTH AGJvYgBYeXp6eTkh\r\nQUIT\r\n");
    for (size_t i = 0; i < 2; i++) {
        const poplin_record *record = kitted_ended(&kitted, i);
        char *transcript = poplin_record_transcript(record);
        char *explanation = poplin_record_check_no_cleartext_secret(record);
        for (size_t form = 0; form < COUNT_OF(forms); form++) {
            assert_null(strstr(transcript, forms[form]));
            assert_null(strstr(explanation, forms[form]));
            for (size_t at = 0; at < record->exchange_count; at++) {
                assert_null(strstr(record->exchanges[at].command, forms[form]));
                assert_null(strstr(record->exchanges[at].reply, forms[form]));
                assert_null(strstr(record->exchanges[at].text, forms[form]));
                assert_null(strstr(record->exchanges[at].fault, forms[form]));
            }
        }
        free(transcript);
        poplin_explanation_free(explanation);
    }
    const poplin_record *record = kitted_look(&kitted, 0);
    (void)expect_exchange(record, 3, "NOOP", "+OK you are bob:**** or ****");
    assert_string_equal(record->exchanges[3].fault, "a **** name");
    assert_true(record->exchanges[1].secret == false && record->exchanges[2].leaked);
    for (size_t i = 5; i < record->exchange_count - 1; i++)
        assert_true(record->exchanges[i].leaked);
    assert_false(record->exchanges[record->exchange_count - 1].leaked);
}

/* What the session hides to be safe is no leak: nobody knows it for a secret. */
static void test_hidden_arguments_are_no_leak(void **state) {
    (void)state;
    kitted_start(&kitted, 1, 0);
    play("CAPA\r\nXTND XMIT\r\nQUIT\r\n");
    const poplin_record *record = kitted_ended(&kitted, 0);
    (void)expect_exchange(record, 2, "XTND ****", "-ERR unknown command");
    expect_judgement(poplin_record_check_no_cleartext_secret(record), NULL);
}

static void test_a_mail_is_retrieved_when_all_of_it_went_out_unchanged(void **state) {
    static const struct {
        const char *fault;
        bool complete, retrieved;
    } cases[] = {
        {"RETR delay=0.001", true, true},      {"RETR trickle=20 every=0", true, true},
        {"RETR drop_after=300", true, true},   {"RETR cut=50", false, false},
        {"RETR drop_after=50", false, false},  {"RETR no_terminator", false, false},
        {"RETR stall_after=50", false, false}, {"RETR refuse=no", false, false},
        {"RETR run=TOP", true, false},
    };
    (void)state;
    kitted_start(&kitted, 1, 20);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct raw peer;
        poplin_testkit_reset(kitted.kit);
        kitted_fault(&kitted, cases[i].fault);
        served_login(kitted.served, &peer);
        raw_say(&peer, "RETR 1\r\n");
        while (raw_waiting(&peer) == 0)
            raw_step(&peer);
        for (int step = 0; step < 40; step++) {
            poplin_loop_advance(kitted.served->loop, 10);
            raw_settle(kitted.served->loop);
        }
        raw_close(&peer);
        const poplin_record *record = kitted_ended(&kitted, 0);
        const poplin_exchange *retr = &record->exchanges[3];
        if ((*record->retrieved != NULL) != cases[i].retrieved || retr->complete != cases[i].complete)
            fail_msg("%s: retrieved %s, complete %d", cases[i].fault, *record->retrieved, retr->complete);
        assert_string_equal(retr->fault, cases[i].fault);
    }
}

static void test_a_mail_that_the_client_does_not_take_is_not_retrieved(void **state) {
    struct raw peer;
    (void)state;
    kitted_start(&kitted, 1, 2000000);
    raw_dial(&peer, kitted.served->loop, poplin_server_port(kitted.served->server), 4096);
    raw_login(&peer, "alice", "secret");
    raw_say(&peer, "RETR 1\r\n");
    raw_expect(&peer, "+OK");
    const poplin_record *record = kitted_look(&kitted, 0);
    assert_true(record->open);
    raw_close(&peer);
    record = kitted_ended(&kitted, 0);
    expect_unique_ids(record->retrieved, 0, NULL);
    assert_true(record->exchanges[3].octets > 4096);
    assert_false(record->exchanges[3].complete);
    const char *const wanted[] = {kitted.ids[0]};
    expect_judgement(poplin_record_check_retrieved(record, wanted, 1), "RETR 1 was answered, but broke off after ");
}

static void test_marks_follow_what_the_session_answered(void **state) {
    (void)state;
    kitted_start(&kitted, 3, 0);
    kitted_fault(&kitted, "DELE message=1 refuse=\"not now\"");
    kitted_fault(&kitted, "DELE message=2 status=\"-ERR though it is marked\"");
    play(LOG_IN "DELE 1\r\nDELE 2\r\nDELE 3\r\nDELE 3\r\nQUIT\r\n");
    const poplin_record *record = kitted_ended(&kitted, 0);
    const char *const expected[] = {kitted.ids[1], kitted.ids[2]};
    expect_unique_ids(record->deleted, 2, expected);
    (void)expect_exchange(record, 3, "DELE 1", "-ERR not now");
    (void)expect_exchange(record, 4, "DELE 2", "-ERR though it is marked");
    assert_int_equal(served_count(kitted.served), 1);
}

/* A fault at QUIT before the commit: nothing is deleted, and the record says so. */
static void test_a_quit_that_another_command_replaces_commits_nothing(void **state) {
    (void)state;
    kitted_start(&kitted, 1, 0);
    kitted_fault(&kitted, "QUIT drop_before");
    play(LOG_IN "DELE 1\r\nQUIT\r\n");
    const poplin_record *record = kitted_ended(&kitted, 0);
    assert_int_equal(record->outcome, POPLIN_DROPPED);
    expect_contains(record->error, "fault");
    expect_unique_ids(record->deleted, 0, NULL);
    (void)expect_exchange(record, 4, "QUIT", "");
    assert_int_equal(served_count(kitted.served), 1);
}

static void test_words_at_the_end_are_an_exchange_of_their_own(void **state) {
    struct raw peer;
    (void)state;
    kitted_start(&kitted, 1, 0);
    kitted_fault(&kitted, "AUTOLOGOUT raw=\"-ERR idle for too long\\r\\n\"");
    served_login(kitted.served, &peer);
    raw_settle(kitted.served->loop);
    poplin_loop_advance(kitted.served->loop, 600001);
    raw_expect(&peer, "-ERR idle for too long");
    raw_expect_closed(&peer);
    raw_close(&peer);
    const poplin_record *record = kitted_ended(&kitted, 0);
    assert_int_equal(record->outcome, POPLIN_TIMED_OUT);
    (void)expect_exchange(record, 3, "", "-ERR idle for too long");
}

static void test_faults_know_user_session_and_tls(void **state) {
    (void)state;
    kitted_start(&kitted, 1, 0);
    kitted_fault(&kitted, "PASS user=alice session=2 status=\"+OK alice\" times=1");
    kitted_fault(&kitted, "NOOP user=alice tls=no status=\"+OK in clear\"");
    kitted_fault(&kitted, "NOOP user=bob status=\"+OK bob\"");
    play(LOG_IN "NOOP\r\nQUIT\r\n");
    play(LOG_IN "NOOP\r\nQUIT\r\n");
    (void)expect_exchange(kitted_ended(&kitted, 0), 2, "PASS ****", "+OK 1 messages");
    (void)expect_exchange(kitted.record, 3, "NOOP", "+OK in clear");
    (void)expect_exchange(kitted_look(&kitted, 1), 2, "PASS ****", "+OK alice");
}

/* ---- TLS ---- */

static void offer_tls(poplin_tls_throwaway *throwaway, poplin_tls_credentials **trust, enum poplin_tls_mode mode) {
    const char *name = "localhost";
    poplin_error error;
    assert_int_equal(poplin_tls_throwaway_new(&name, 1, throwaway), POPLIN_OK);
    assert_int_equal(poplin_tls_server_credentials_pem((poplin_slice){throwaway->cert_pem, strlen(throwaway->cert_pem)},
                                                       (poplin_slice){throwaway->key_pem, strlen(throwaway->key_pem)},
                                                       &kitted.served->config.credentials, &error),
                     POPLIN_OK);
    const poplin_tls_trust trusted = {.ca_pem = {throwaway->ca_pem, strlen(throwaway->ca_pem)}, .verify = true};
    assert_int_equal(poplin_tls_client_credentials(&trusted, trust, &error), POPLIN_OK);
    kitted.served->config.tls = mode;
}

static void take_back_tls(poplin_tls_throwaway *throwaway, poplin_tls_credentials *trust) {
    served_stop(kitted.served);
    poplin_tls_credentials_free(kitted.served->config.credentials);
    poplin_tls_credentials_free(trust);
    poplin_tls_throwaway_free(throwaway);
}

static void test_stls_is_written_down(void **state) {
    poplin_tls_throwaway throwaway;
    poplin_tls_credentials *trust;
    struct raw peer;
    (void)state;
    offer_tls(&throwaway, &trust, POPLIN_TLS_STLS);
    kitted_start(&kitted, 1, 0);
    served_dial(kitted.served, &peer);
    raw_expect(&peer, "+OK");
    raw_say(&peer, "STLS\r\n");
    raw_expect(&peer, "+OK");
    assert_int_equal(raw_shake_hands(&peer, trust, "localhost"), POPLIN_OK);
    raw_say(&peer, LOG_IN "QUIT\r\n");
    while (raw_line(&peer) != NULL)
        ;
    raw_close(&peer);
    const poplin_record *record = kitted_ended(&kitted, 0);
    assert_memory_equal(record->tls, "TLS1.3", 6);
    assert_false(record->exchanges[1].tls);
    assert_true(record->exchanges[3].tls && record->exchanges[3].secret && !record->exchanges[3].leaked);
    expect_judgement(poplin_record_check_no_cleartext_secret(record), NULL);
    char *transcript = poplin_record_transcript(record);
    expect_contains(transcript, "C: STLS\nS: +OK");
    expect_contains(transcript, "\n-- TLS1.3");
    free(transcript);
    take_back_tls(&throwaway, trust);
}

static void test_a_client_that_injects_commands_is_found_out(void **state) {
    poplin_tls_throwaway throwaway;
    poplin_tls_credentials *trust;
    (void)state;
    offer_tls(&throwaway, &trust, POPLIN_TLS_STLS);
    kitted_start(&kitted, 1, 0);
    play("STLS\r\nUSER mallory\r\n");
    const poplin_record *record = kitted_ended(&kitted, 0);
    assert_int_equal(record->outcome, POPLIN_FAILED);
    expect_contains(record->error, "in clear behind STLS");
    take_back_tls(&throwaway, trust);
}

#define KIT_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

/*
 * However small the pieces are in which a reply leaves, and however fast its client is: others get their turn.
 * holds: T-RES-4 S
 */
static void test_a_trickle_without_pauses_is_interrupted(void **state) {
    struct raw raw;
    (void)state;
    kitted_start(&kitted, 1, 2000);
    kitted_fault(&kitted, "RETR trickle=1 every=0");
    served_login(kitted.served, &raw);
    raw_say(&raw, "RETR 1\r\n");
    while (kitted_look(&kitted, 0)->exchange_count < 4)
        served_step(kitted.served);
    assert_in_range(kitted_look(&kitted, 0)->exchanges[3].octets, 1, 1000);
    raw_expect(&raw, "+OK");
    (void)raw_skip_lines(&raw);
    raw_say(&raw, "QUIT\r\n");
    raw_expect(&raw, "+OK");
    assert_true(kitted_ended(&kitted, 0)->exchanges[3].complete);
    raw_close(&raw);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        KIT_TEST(test_a_session_is_written_down),
        KIT_TEST(test_the_books_are_closed_before_the_last_reply),
        KIT_TEST(test_every_outcome_is_told_apart),
        KIT_TEST(test_nothing_that_is_given_out_holds_a_secret),
        KIT_TEST(test_hidden_arguments_are_no_leak),
        KIT_TEST(test_a_mail_is_retrieved_when_all_of_it_went_out_unchanged),
        KIT_TEST(test_a_mail_that_the_client_does_not_take_is_not_retrieved),
        KIT_TEST(test_marks_follow_what_the_session_answered),
        KIT_TEST(test_a_quit_that_another_command_replaces_commits_nothing),
        KIT_TEST(test_words_at_the_end_are_an_exchange_of_their_own),
        KIT_TEST(test_faults_know_user_session_and_tls),
        KIT_TEST(test_stls_is_written_down),
        KIT_TEST(test_a_client_that_injects_commands_is_found_out),
        KIT_TEST(test_a_trickle_without_pauses_is_interrupted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
