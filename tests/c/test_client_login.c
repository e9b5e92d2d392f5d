/*
 * test_client_login.c - which way the client logs in: the strongest that the server offers, the credentials allow and the
 * link permits; and what it tells where there is none.
 */
#include "login_support.h"

/* The machine has failed, having sent no AUTH, USER or APOP, and says this of it. */
static void assert_no_way(conversation *talk, const char *words) {
    assert_failed(talk, POPLIN_ERR_UNSUPPORTED, "login", words);
    assert_sends(talk, "");
    hang_up(talk);
}

/* ---- strength ---- */

/* holds: POP-AUTH-24 C, SASL-LOGIN-1 C, SASL-CB-1 C */
static void strongest_offered_is_taken(void **state) {
    (void)state;
    static const struct {
        const char *announced, *line;
    } cases[] = {
        {EVERYTHING, "AUTH SCRAM-SHA-256-PLUS "},
        {"SASL PLAIN SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-1-PLUS\r\n", "AUTH SCRAM-SHA-1-PLUS "},
        {"SASL PLAIN SCRAM-SHA-1 SCRAM-SHA-256\r\n", "AUTH SCRAM-SHA-256 "},
        {"SASL PLAIN\r\nSASL scram-sha-1\r\n", "AUTH SCRAM-SHA-1 "},
        {"USER\r\nSASL LOGIN CRAM-MD5 PLAIN\r\n", "AUTH PLAIN "},
        {"USER\r\nSASL LOGIN CRAM-MD5 GSSAPI OAUTHBEARER XOAUTH2\r\n", "USER alice\r\n"},
        {"USER\r\n", "USER alice\r\n"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        conversation *talk = login_by(NULL, &alice, cases[i].announced);
        assert_begins(talk, cases[i].line);
        hang_up(talk);
    }
}

/* holds: POP-AUTH-24 C */
static void credentials_decide(void **state) {
    (void)state;
    static const poplin_credentials both = {
        .user = {"alice", 5}, .password = {"secret", 6}, .token = {TOKEN, sizeof TOKEN - 1}};
    static const struct {
        const poplin_credentials *login;
        const char *announced, *line;
    } cases[] = {
        {&with_token, EVERYTHING, "AUTH OAUTHBEARER "},
        {&with_token, "USER\r\nSASL PLAIN XOAUTH2\r\n", "AUTH XOAUTH2 "},
        {&both, EVERYTHING, "AUTH SCRAM-SHA-256-PLUS "},
        {&both, "USER\r\nSASL PLAIN XOAUTH2 OAUTHBEARER\r\n", "AUTH OAUTHBEARER "},
        {&both, "USER\r\nSASL PLAIN\r\n", "AUTH PLAIN "},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        conversation *talk = login_by(NULL, cases[i].login, cases[i].announced);
        assert_begins(talk, cases[i].line);
        hang_up(talk);
    }
}

/* holds: POP-AUTH-24 C, SASL-EXT-1 C, SASL-ANON-1 C */
static void what_is_named_is_taken_and_nothing_else(void **state) {
    (void)state;
    static const poplin_credentials nobody = {0};
    static const poplin_credentials name = {.user = {"alice", 5}};
    static const struct {
        const char *mechanisms;
        const poplin_credentials *login;
        const char *line;
    } cases[] = {
        {"PLAIN", &alice, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"},
        {"login", &alice, "AUTH LOGIN\r\n"},
        {"CRAM-MD5", &alice, "AUTH CRAM-MD5\r\n"},
        {"USER", &alice, "USER alice\r\n"},
        {"APOP", &alice, "APOP alice 3"},
        {"PLAIN  scram-sha-1 LOGIN", &alice, "AUTH SCRAM-SHA-1 "},
        {" CRAM-MD5 LOGIN ", &alice, "AUTH LOGIN\r\n"},
        {"XOAUTH2", &with_token, "AUTH XOAUTH2 "},
        {"EXTERNAL", &nobody, "AUTH EXTERNAL =\r\n"},
        {"EXTERNAL", &name, "AUTH EXTERNAL YWxpY2U=\r\n"},
        {"ANONYMOUS", &nobody, "AUTH ANONYMOUS =\r\n"},
        {"ANONYMOUS PLAIN EXTERNAL", &nobody, "AUTH EXTERNAL =\r\n"},
        {"ANONYMOUS PLAIN EXTERNAL", &alice, "AUTH PLAIN "},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        conversation *talk = login_by(cases[i].mechanisms, cases[i].login, EVERYTHING);
        assert_begins(talk, cases[i].line);
        hang_up(talk);
    }
}

static void names_that_are_none_are_refused(void **state) {
    (void)state;
    static const char *const names[] = {"", " ", "PLAIN,LOGIN", "PLAIN GSSAPI", "PLAI", "PLAINS", "DIGEST-MD5"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        poplin_client_config config = config_of(POPLIN_TLS_IMPLICIT, names[i]);
        poplin_client *client = NULL;
        assert_int_equal(poplin_client_new(&config, &client), POPLIN_ERR_UNSUPPORTED);
        assert_null(client);
    }
}

/* What needs no secret is nothing that a login without one would fall back to. */
static void login_without_a_secret_is_refused(void **state) {
    (void)state;
    static const poplin_credentials name = {.user = {"alice", 5}};
    static const char *const mechanisms[] = {NULL, "PLAIN LOGIN"};
    for (size_t i = 0; i < COUNT_OF(mechanisms); i++) {
        poplin_client_config config = config_of(POPLIN_TLS_IMPLICIT, mechanisms[i]);
        conversation *talk = converse(&config);
        assert_int_equal(poplin_client_open(talk->client, &name, 1), POPLIN_ERR_PROTOCOL);
        hang_up(talk);
    }
}

/* ---- why not ---- */

/* holds: POP-AUTH-24 C, T-SASL-11 C, POP-CAPA-9 C */
static void error_tells_why_each_was_passed_over(void **state) {
    (void)state;
    static const struct {
        const char *mechanisms;
        const poplin_credentials *login;
        const char *announced, *words;
    } cases[] = {
        {NULL, &alice, "SASL LOGIN CRAM-MD5 XOAUTH2 EXTERNAL\r\n",
         "the server offers XOAUTH2 (it needs a token), LOGIN, CRAM-MD5, EXTERNAL (it is used only where it is named)"},
        {NULL, &with_token, "USER\r\nSASL PLAIN\r\n", "the server offers PLAIN, USER (it needs a password)"},
        {"SCRAM-SHA-256 SCRAM-SHA-256-PLUS", &alice, "USER\r\nSASL PLAIN CRAM-MD5\r\n",
         "the server offers PLAIN, USER, CRAM-MD5 (it is not among those to be used)"},
        {NULL, &alice, "SASL GSSAPI NTLM\r\n", "the server offers GSSAPI, NTLM (not known here)"},
        {NULL, &alice, "SASL GSSAPI \x1B[2J <b> A-NAME-LONGER-THAN-20\r\nSASL LOGIN\r\n",
         "the server offers LOGIN (it is used only where it is named), GSSAPI (not known here)"},
        {NULL, &alice, "TOP\r\n", "the server offers no way to log in that is known"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_no_way(login_by(cases[i].mechanisms, cases[i].login, cases[i].announced), cases[i].words);
}

static void long_lists_are_cut(void **state) {
    (void)state;
    char announced[900] = "SASL";
    for (size_t i = 0; i < 40; i++)
        strcat(announced, " X-MECHANISM-ABCDEFG");
    strcat(announced, "\r\n");
    assert_no_way(login_by(NULL, &alice, announced), "X-MECHANISM...");
}

/* holds: T-OAU-3 C, T-INJ-1 C, T-SASL-6 C */
static void what_a_mechanism_cannot_carry_is_told(void **state) {
    (void)state;
    static const poplin_credentials cases[] = {
        {.user = {"alice", 5}, .token = {"to ken", 6}},
        {.user = {"alice", 5}, .token = {"to\1ken", 6}},
        {.user = {"alice", 5}, .token = {"to\xC3\xA9n", 5}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_no_way(login_by(NULL, &cases[i], "SASL OAUTHBEARER XOAUTH2\r\n"),
                      "OAUTHBEARER, XOAUTH2 (a token is visible ASCII without spaces");
    static const poplin_credentials bell = {.user = {"alice", 5}, .password = {"\a", 1}};
    assert_no_way(login_by("SCRAM-SHA-1", &bell, EVERYTHING), "SCRAM-SHA-1 (SASLprep refuses the password)");
    assert_no_way(login_by("APOP", &bell, EVERYTHING), "SASLprep refuses the password");
    static const poplin_credentials other = {.user = {"alice", 5}, .password = {"secret", 6}, .authorize = {"bob", 3}};
    assert_no_way(login_by("LOGIN CRAM-MD5 USER APOP", &other, EVERYTHING),
                  "USER, LOGIN, CRAM-MD5, APOP (it cannot say that one user acts as anoth...");
    conversation *talk = login_by(NULL, &other, "USER\r\nSASL PLAIN\r\n");
    assert_sends(talk, "AUTH PLAIN Ym9iAGFsaWNlAHNlY3JldA==\r\n");
    hang_up(talk);
}

/* ---- the link ---- */

/* holds: T-SASL-12 C, SASL-OAB-1 C, SASL-XOA-1 C */
static void tokens_never_go_in_clear(void **state) {
    (void)state;
    static const char *const mechanisms[] = {NULL, "OAUTHBEARER XOAUTH2"};
    for (size_t i = 0; i < COUNT_OF(mechanisms); i++) {
        poplin_client_config config = config_of(POPLIN_TLS_NEVER, mechanisms[i]);
        assert_no_way(login_with(&config, NULL, &with_token, "SASL OAUTHBEARER XOAUTH2\r\n"),
                      "OAUTHBEARER, XOAUTH2 (it is never used without TLS); many servers offer more under TLS");
        config.link_protected = true;
        conversation *talk = login_with(&config, NULL, &with_token, "SASL XOAUTH2\r\n");
        assert_begins(talk, "AUTH XOAUTH2 ");
        hang_up(talk);
    }
}

/* holds: SASL-CB-1 C, T-SASL-11 C, SASL-CB-4 C */
static void binding_follows_the_link(void **state) {
    (void)state;
    static const char both[] = "SASL SCRAM-SHA-256 SCRAM-SHA-256-PLUS\r\n", stripped[] = "SASL SCRAM-SHA-256\r\n";
    static const struct {
        size_t exporter, end_point;
        const char *mechanisms, *announced, *line, *flag;
    } cases[] = {
        {32, 32, NULL, both, "AUTH SCRAM-SHA-256-PLUS ", "p=tls-exporter,,"},
        {0, 32, NULL, both, "AUTH SCRAM-SHA-256-PLUS ", "p=tls-server-end-point,,"},
        {0, 0, NULL, both, "AUTH SCRAM-SHA-256 ", "n,,"},
        {32, 32, NULL, stripped, "AUTH SCRAM-SHA-256 ", "y,,"},
        {0, 0, NULL, stripped, "AUTH SCRAM-SHA-256 ", "n,,"},
        {32, 0, "SCRAM-SHA-256", both, "AUTH SCRAM-SHA-256 ", "n,,"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        poplin_client_config config = config_of(POPLIN_TLS_IMPLICIT, cases[i].mechanisms);
        poplin_tls_facts facts = facts_of(cases[i].exporter, cases[i].end_point);
        conversation *talk = login_with(&config, &facts, &alice, cases[i].announced);
        poplin_slice line = take_sent(talk);
        poplin_buffer message = {0};
        size_t head = strlen(cases[i].line);
        assert_memory_equal(line.data, cases[i].line, head);
        decode((poplin_slice){line.data + head, line.size - head}, &message);
        assert_memory_equal(poplin_buffer_slice(&message).data, cases[i].flag, strlen(cases[i].flag));
        poplin_buffer_free(&message);
        hang_up(talk);
    }
    assert_no_way(login_by("SCRAM-SHA-256-PLUS", &alice, stripped), "SCRAM-SHA-256 (it is not among those to be used)");
    poplin_client_config config = config_of(POPLIN_TLS_IMPLICIT, "SCRAM-SHA-256-PLUS");
    assert_no_way(login_with(&config, &(poplin_tls_facts){.verified = true}, &alice, both),
                  "SCRAM-SHA-256-PLUS (this link has no channel binding)");
}

/* Neither by the other hash, nor without binding, nor by what else is offered. */
/* holds: T-SCR-7 C, SASL-CB-9 C, POP-AUTH-24 C */
static void channel_is_bound_to_once(void **state) {
    (void)state;
    static const char *const mechanisms[] = {NULL, "SCRAM-SHA-256-PLUS", "PLAIN SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS"};
    for (size_t i = 0; i < COUNT_OF(mechanisms); i++) {
        conversation *talk = login_by(mechanisms[i], &alice, EVERYTHING);
        assert_begins(talk, "AUTH SCRAM-SHA-256-PLUS ");
        says(talk, "-ERR no\r\n");
        assert_events(talk, "OPENED #1 AUTH: no\n");
        assert_int_equal(poplin_client_login(talk->client, &alice, 2), POPLIN_OK);
        pull(talk);
        assert_no_way(talk, "SCRAM-SHA-256-PLUS (channel binding was tried on this connection: reconnect)");
    }
}

/* The names removed from the list that is asked for in between. */
/* holds: T-SASL-11 C, T-SCR-7 C */
static void flag_tells_what_was_stripped_later(void **state) {
    (void)state;
    conversation *talk = login_by(NULL, &alice, EVERYTHING);
    assert_begins(talk, "AUTH SCRAM-SHA-256-PLUS ");
    says(talk, "-ERR no\r\n");
    ask(talk, (poplin_command){.verb = POPLIN_CAPA});
    says(talk, "+OK\r\nSASL SCRAM-SHA-256\r\n.\r\n");
    assert_int_equal(poplin_client_login(talk->client, &alice, 2), POPLIN_OK);
    assert_begins(talk, "AUTH SCRAM-SHA-256 eSws"); /* y,, */
    hang_up(talk);
}

/* ---- APOP ---- */

static conversation *greeted_by(const poplin_client_config *config, const char *greeting,
                                const poplin_credentials *login) {
    conversation *talk = converse(config);
    if (config->tls == POPLIN_TLS_IMPLICIT)
        assert_int_equal(poplin_client_tls(talk->client, &(poplin_tls_facts){.verified = true}), POPLIN_OK);
    assert_int_equal(poplin_client_open(talk->client, login, 1), POPLIN_OK);
    server_says(talk, poplin_slice_of(greeting));
    drain(talk);
    poplin_buffer_clear(&talk->sent);
    says(talk, "+OK\r\nUSER\r\n.\r\n");
    return talk;
}

/* holds: POP-APOP-1 C, POP-APOP-2 C, VEC-APOP-1 C */
static void apop_is_taken_where_it_is_named(void **state) {
    (void)state;
    static const poplin_credentials mrose = {.user = {"mrose", 5}, .password = {"tanstaaf", 8}};
    poplin_client_config config = config_of(POPLIN_TLS_IMPLICIT, "APOP");
    conversation *talk = greeted_by(&config, "+OK POP3 server ready " TIMESTAMP "\r\n", &mrose);
    assert_sends(talk, "APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n");
    says(talk, "+OK maildrop has 1 message\r\n");
    assert_string_equal(poplin_client_mechanism(talk->client), "APOP");
    hang_up(talk);

    config = config_of(POPLIN_TLS_IMPLICIT, NULL);
    talk = greeted_by(&config, "+OK " TIMESTAMP "\r\n", &mrose);
    assert_sends(talk, "USER mrose\r\n");
    hang_up(talk);
}

/* holds: T-APOP-1 C, POP-GRT-5 C */
static void apop_wants_a_good_timestamp(void **state) {
    (void)state;
    static const char *const greetings[] = {
        "+OK ready\r\n",  "+OK <a@b@c>\r\n",      "+OK <ab>\r\n",
        "+OK <a<@b>\r\n", "+OK <\xC3\xA9@b>\r\n", "+OK <1@b> <2@b>\r\n",
    };
    poplin_client_config config = config_of(POPLIN_TLS_IMPLICIT, "APOP");
    for (size_t i = 0; i < COUNT_OF(greetings); i++)
        assert_no_way(greeted_by(&config, greetings[i], &alice), "USER (it is not among those to be used)");
}

/* holds: T-APOP-1 C, POP-APOP-4 C */
static void apop_wants_a_server_that_is_known(void **state) {
    (void)state;
    poplin_client_config config = config_of(POPLIN_TLS_NEVER, "APOP");
    assert_no_way(greeted_by(&config, "+OK " TIMESTAMP "\r\n", &alice), "APOP (it is used only under TLS");
    config = config_of(POPLIN_TLS_IMPLICIT, "APOP");
    assert_no_way(login_with(&config, &(poplin_tls_facts){.verified = false}, &alice, "USER\r\n"),
                  "APOP (it is used only under TLS with a verified certificate)");

    config = config_of(POPLIN_TLS_STLS, "APOP"); /* the timestamp came in clear */
    conversation *talk = login_with(&config, NULL, &alice, "STLS\r\n");
    assert_sends(talk, "STLS\r\n");
    says(talk, "+OK\r\n");
    assert_int_equal(poplin_client_tls(talk->client, &(poplin_tls_facts){.verified = true}), POPLIN_OK);
    assert_sends(talk, "CAPA\r\n");
    says(talk, "+OK\r\nUSER\r\n.\r\n");
    assert_no_way(talk, "the server offers USER (it is not among those to be used)");
}

/* holds: POP-GEN-5 C, POP-PASS-3 C */
static void apop_wants_a_name_that_fits_its_line(void **state) {
    (void)state;
    char name[216], password[255];
    memset(name, 'n', sizeof name);
    memset(password, 'p', sizeof password);
    for (size_t size = 215; size <= 216; size++) {
        poplin_credentials login = {.user = {name, size}, .password = {password, sizeof password}};
        conversation *talk = login_by("APOP", &login, "TOP\r\n");
        drain(talk);
        if (size == 215)
            assert_int_equal(talk->sent.size, 255);
        else
            assert_failed(talk, POPLIN_ERR_UNSUPPORTED, "login", "APOP (name or password is too long for its line)");
        hang_up(talk);
    }
    static const poplin_credentials spaced = {.user = {"a b", 3}, .password = {"secret", 6}};
    assert_no_way(login_by("APOP", &spaced, "TOP\r\n"), "APOP (the name holds a space)");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strongest_offered_is_taken),
        cmocka_unit_test(credentials_decide),
        cmocka_unit_test(what_is_named_is_taken_and_nothing_else),
        cmocka_unit_test(names_that_are_none_are_refused),
        cmocka_unit_test(login_without_a_secret_is_refused),
        cmocka_unit_test(error_tells_why_each_was_passed_over),
        cmocka_unit_test(long_lists_are_cut),
        cmocka_unit_test(what_a_mechanism_cannot_carry_is_told),
        cmocka_unit_test(tokens_never_go_in_clear),
        cmocka_unit_test(binding_follows_the_link),
        cmocka_unit_test(channel_is_bound_to_once),
        cmocka_unit_test(flag_tells_what_was_stripped_later),
        cmocka_unit_test(apop_is_taken_where_it_is_named),
        cmocka_unit_test(apop_wants_a_good_timestamp),
        cmocka_unit_test(apop_wants_a_server_that_is_known),
        cmocka_unit_test(apop_wants_a_name_that_fits_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
