/*
 * test_client_utf8.c - UTF8 and LANG on the client's side (RFC 6856): UTF8 by the opening or by itself, and what it rules out; and
 * the language asked for.
 */
#include "client_support.h"

/* A client that wants UTF8, and has read the capabilities. */
static conversation *open_to(const char *capabilities) {
    poplin_client_config config = protected_config();
    config.utf8 = true;
    conversation *talk = converse(&config);
    assert_int_equal(poplin_client_open(talk->client, &alice, 1), POPLIN_OK);
    says(talk, "+OK hi\r\n");
    assert_sends(talk, "CAPA\r\n");
    server_says(talk, poplin_slice_of(capabilities));
    return talk;
}

/* holds: POP-UTF8-1 C, POP-PIPE-4 C */
static void the_opening_asks_for_utf8_before_the_login(void **state) {
    (void)state;
    conversation *talk = open_to("+OK\r\nUSER\r\nUTF8\r\nPIPELINING\r\n.\r\n");
    assert_sends(talk, "UTF8\r\n");
    says(talk, "+OK on\r\n");
    assert_sends(talk, "USER alice\r\n");
    says(talk, "+OK\r\n");
    assert_sends(talk, "PASS secret\r\n");
    says(talk, "+OK in\r\n");
    assert_events(talk, "GREETING hi\nOPENED #1 OK: in\n");
    assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_UTF8}, 2), POPLIN_ERR_STATE);
    hang_up(talk);
}

/* holds: POP-UTF8-1 C, POP-GEN-21 C */
static void without_utf8_the_opening_goes_on(void **state) {
    (void)state;
    conversation *talk = open_to("+OK\r\nUSER\r\nUTF8\r\n.\r\n");
    assert_sends(talk, "UTF8\r\n");
    says(talk, "-ERR not today\r\n");
    assert_sends(talk, "USER alice\r\n");
    hang_up(talk);
    talk = open_to("+OK\r\nUSER\r\n.\r\n");
    assert_sends(talk, "USER alice\r\n");
    hang_up(talk);
}

/* holds: POP-STLS-8 C */
static void stls_comes_first_and_never_after_utf8(void **state) {
    (void)state;
    static const poplin_tls_facts facts = {.verified = true};
    poplin_client_config config = protected_config();
    config.utf8 = true;
    config.tls = POPLIN_TLS_STLS;
    conversation *talk = converse(&config);
    assert_int_equal(poplin_client_open(talk->client, NULL, 1), POPLIN_OK);
    says(talk, "+OK hi\r\n");
    assert_sends(talk, "CAPA\r\n");
    says(talk, "+OK\r\nSTLS\r\nUTF8\r\n.\r\n");
    assert_sends(talk, "STLS\r\n");
    says(talk, "+OK\r\n");
    assert_int_equal(poplin_client_tls(talk->client, &facts), POPLIN_OK);
    assert_sends(talk, "CAPA\r\n");
    says(talk, "+OK\r\nUTF8\r\n.\r\n");
    assert_sends(talk, "UTF8\r\n");
    hang_up(talk);

    config.utf8 = false;
    config.tls = POPLIN_TLS_NEVER;
    talk = converse(&config);
    says(talk, "+OK hi\r\n");
    assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_UTF8}, 1), POPLIN_OK);
    assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_STLS}, 2), POPLIN_ERR_STATE);
    assert_sends(talk, "UTF8\r\n");
    says(talk, "-ERR no\r\n");
    assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_STLS}, 2), POPLIN_OK); /* it was refused */
    hang_up(talk);
}

/* holds: POP-UTF8-6 C */
static void auth_carries_utf8_without_utf8(void **state) {
    (void)state;
    static const poplin_credentials cafe = {.user = SLICE("caf\xC3\xA9"), .password = SLICE("secret")};
    poplin_client_config config = protected_config();
    conversation *talk = converse(&config);
    assert_int_equal(poplin_client_open(talk->client, &cafe, 1), POPLIN_OK);
    says(talk, "+OK hi\r\n");
    assert_sends(talk, "CAPA\r\n");
    says(talk, "+OK\r\nSASL PLAIN\r\n.\r\n");
    assert_sends(talk, "AUTH PLAIN AGNhZsOpAHNlY3JldA==\r\n");
    hang_up(talk);
}

/* holds: POP-LANG-1 C */
static void languages_are_listed_and_one_is_chosen(void **state) {
    (void)state;
    poplin_client_config config = protected_config();
    conversation *talk = converse(&config);
    says(talk, "+OK hi\r\n");
    assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_LANG}, 1), POPLIN_OK);
    assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_LANG, .language = SLICE("de-*")}, 2), POPLIN_OK);
    assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_LANG, .language = SLICE("*")}, 3), POPLIN_ERR_STATE);
    assert_sends(talk, "LANG\r\n");
    says(talk, "+OK\r\nde Deutsch\r\ntlh\r\n.\r\n");
    assert_sends(talk, "LANG de-*\r\n");
    says(talk, "+OK de-AT Servus die Damen\r\n");
    assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_LANG, .language = SLICE("*")}, 3), POPLIN_OK);
    assert_sends(talk, "LANG *\r\n");
    says(talk, "-ERR nie\r\n");
    assert_events(talk, "GREETING hi\nREPLY #1 LANG OK ...\nLISTING 0 de Deutsch\nLISTING 0 tlh\nEND 0\n"
                        "REPLY #2 LANG OK: de-AT\nREPLY #3 LANG REFUSED: nie\n");
    hang_up(talk);
}

/* holds: POP-LANG-1 C, T-FRM-3 C */
static void what_is_no_language_is_not_sent_and_not_believed(void **state) {
    (void)state;
    static const char *const hostile[] = {"+OK\r\n \r\n", "+OK\r\n\r\n", "+OK\r\na\r\nb\r\nc\r\n"};
    poplin_client_config config = protected_config();
    config.max_capabilities = 2;
    for (size_t i = 0; i < COUNT_OF(hostile); i++) {
        conversation *talk = converse(&config);
        says(talk, "+OK hi\r\n");
        assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_LANG, .language = SLICE("de\r\nQUIT")}, 1),
                         POPLIN_ERR_PROTOCOL);
        assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_LANG, .language = SLICE("")}, 1),
                         POPLIN_ERR_PROTOCOL);
        assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_LANG}, 1), POPLIN_OK);
        assert_sends(talk, "LANG\r\n");
        server_says(talk, poplin_slice_of(hostile[i]));
        assert_int_equal(talk->error.status, i < 2 ? POPLIN_ERR_PROTOCOL : POPLIN_ERR_LIMIT);
        hang_up(talk);
    }
}

/* holds: POP-LANG-3 C, POP-PIPE-4 C */
static void lang_waits_for_stls(void **state) {
    (void)state;
    poplin_client_config config = protected_config();
    config.tls = POPLIN_TLS_STLS;
    conversation *talk = converse(&config);
    assert_int_equal(poplin_client_open(talk->client, NULL, 1), POPLIN_OK);
    says(talk, "+OK hi\r\n");
    assert_int_equal(submit(talk, (poplin_command){.verb = POPLIN_LANG}, 2), POPLIN_ERR_STATE);
    hang_up(talk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_opening_asks_for_utf8_before_the_login),
        cmocka_unit_test(without_utf8_the_opening_goes_on),
        cmocka_unit_test(stls_comes_first_and_never_after_utf8),
        cmocka_unit_test(auth_carries_utf8_without_utf8),
        cmocka_unit_test(languages_are_listed_and_one_is_chosen),
        cmocka_unit_test(what_is_no_language_is_not_sent_and_not_believed),
        cmocka_unit_test(lang_waits_for_stls),
    };
    return cmocka_run_group_tests_name("client utf8", tests, NULL, NULL);
}
