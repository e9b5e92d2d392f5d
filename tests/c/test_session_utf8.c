/*
 * test_session_utf8.c - UTF8 and LANG on the server's side (RFC 6856): announced, asked for, and what then may be said and seen.
 */
#include "session_auth.h"

static const struct host_message letters[] = {
    {"plain", "Subject: a\n\nb\n", POPLIN_OCTETS_UNKNOWN},
    {"utf8", "Subject: caf\xC3\xA9\n\nb\n", POPLIN_OCTETS_UNKNOWN},
};

static void start_with_letters(bool utf8) {
    h.config.utf8 = utf8;
    h.messages = letters;
    h.count = COUNT_OF(letters);
    start_and_skip_greeting();
}

static const char *capabilities(void) {
    host_heard(&h);
    host_say(&h, "CAPA\r\n");
    return host_heard(&h);
}

#define UTF8_ON "+OK UTF-8 from here on\r\n"
#define LOGIN "USER alice\r\nPASS secret\r\n"
#define NEEDS_UTF8 "-ERR [UTF8] this message is for clients that send UTF8 before they log in\r\n"

/* holds: POP-UTF8-1 S, POP-CAPA-4 S */
static void utf8_is_announced_and_taken_before_the_login_only(void **state) {
    (void)state;
    start_with_letters(true);
    assert_non_null(strstr(capabilities(), "\r\nUTF8 USER\r\n"));
    expect(&h, "UTF8 now\r\n", "-ERR wrong arguments\r\n");
    expect(&h, "utf8\r\nUTF8\r\n", UTF8_ON UTF8_ON);
    expect(&h, LOGIN, "+OK send PASS\r\n" WELCOME);
    assert_non_null(strstr(capabilities(), "\r\nUTF8 USER\r\n"));
    expect(&h, "UTF8\r\n", "-ERR already logged in\r\n");
}

/* holds: POP-UTF8-1 S */
static void utf8_is_refused_where_it_is_not_offered(void **state) {
    (void)state;
    start_with_letters(false);
    assert_null(strstr(capabilities(), "UTF8"));
    expect(&h, "UTF8\r\n", "-ERR no UTF8 here\r\n");
    expect(&h, "USER caf\xC3\xA9\r\n", "-ERR wrong arguments\r\n");
    expect(&h, LOGIN, "+OK send PASS\r\n" WELCOME);
    expect(&h, "TOP 2 0\r\n", "+OK top of message follows\r\nSubject: caf\xC3\xA9\r\n\r\n.\r\n"); /* as it is stored */
}

/* holds: POP-UTF8-2 S, POP-RESP-6 S */
static void a_message_with_utf8_is_kept_from_who_has_not_asked(void **state) {
    (void)state;
    start_with_letters(true);
    expect(&h, LOGIN, "+OK send PASS\r\n" WELCOME);
    expect(&h, "RETR 2\r\nTOP 2 0\r\n", NEEDS_UTF8 NEEDS_UTF8);
    expect(&h, "RETR 1\r\n", "+OK message follows\r\nSubject: a\r\n\r\nb\r\n.\r\n");
    expect(&h, "LIST 2\r\nUIDL 2\r\nDELE 2\r\nRETR 2\r\n",
           "+OK 2 21\r\n+OK 2 utf8\r\n+OK message 2 marked\r\n-ERR no such message\r\n");
}

/* holds: POP-UTF8-2 S, POP-UTF8-3 S, POP-SIZE-3 S */
static void a_message_with_utf8_goes_whole_and_as_lines_to_who_has(void **state) {
    (void)state;
    start_with_letters(true);
    expect(&h, "UTF8\r\n" LOGIN, UTF8_ON "+OK send PASS\r\n" WELCOME);
    expect(&h, "LIST 2\r\nRETR 2\r\n", "+OK 2 21\r\n+OK 21 octets\r\nSubject: caf\xC3\xA9\r\n\r\nb\r\n.\r\n");
}

/* holds: POP-STLS-8 S */
static void stls_goes_before_utf8(void **state) {
    (void)state;
    h.config.stls = true;
    start_with_letters(true);
    assert_non_null(strstr(capabilities(), "\r\nSTLS\r\n"));
    expect(&h, "UTF8\r\n", UTF8_ON);
    assert_null(strstr(capabilities(), "STLS"));
    expect(&h, "STLS\r\n", "-ERR STLS goes before UTF8\r\n");
}

/* holds: POP-UTF8-5 S */
static void names_and_passwords_in_utf8_are_prepared(void **state) {
    (void)state;
    start_with_letters(true);
    expect(&h, "USER \xC2\xAA\r\nPASS \xE2\x85\xA8\r\n", "+OK send PASS\r\n" WELCOME); /* before UTF8, too */
    assert_non_null(strstr(host_events(&h), "CHECK a IX USER\n"));
}

/* holds: POP-UTF8-5 S */
static void what_is_no_utf8_or_prohibited_is_refused_and_not_asked_about(void **state) {
    static const char *const bad[] = {"caf\xC3", "\xFF", "\xEE\x80\x80", "\xD8\xA7\x31"}; /* the third: private use */
    char line[64];

    (void)state;
    h.config.max_bad_commands = h.config.max_failed_logins = 100;
    start_with_letters(true);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        snprintf(line, sizeof line, "USER %s\r\n", bad[i]);
        expect(&h, line, "-ERR wrong arguments\r\n");
        snprintf(line, sizeof line, "USER alice\r\nPASS %s\r\n", bad[i]);
        expect(&h, line, "+OK send PASS\r\n-ERR malformed USER message\r\n");
    }
    assert_string_equal(host_events(&h), "");
}

/* holds: POP-UTF8-6 S */
static void auth_takes_utf8_without_utf8(void **state) {
    (void)state;
    start_with_letters(false);
    expect(&h, "AUTH PLAIN AGNhZsOpAHNlY3JldA==\r\n", WELCOME);
    assert_non_null(strstr(host_events(&h), "CHECK caf\xC3\xA9 secret PLAIN\n"));
}

/* ---- LANG ---- */

static const char languages[] = "de-AT \xC3\x96sterreichisch\n"
                                "\tbye\tbaba\n"
                                "\t{} messages\t{} Nachrichten\n"
                                "\tlanguage changed\tServus\n"
                                "\tname or password not accepted\tfalsches Passwort f\xC3\xBCr alle\n"
                                "\tno such message\tohne Zahl\n"
                                "de Deutsch\n"
                                "tlh\n";

static void start_with_languages(void) {
    h.config.languages = languages;
    start_and_skip_greeting();
}

/* holds: POP-LANG-1 S */
static void lang_lists_the_languages(void **state) {
    (void)state;
    start_with_languages();
    assert_non_null(strstr(capabilities(), "\r\nLANG\r\n"));
    expect(&h, "LANG\r\n",
           "+OK languages follow\r\nde-AT \xC3\x96sterreichisch\r\nde Deutsch\r\ntlh\r\ni-default English\r\n.\r\n");
    begin_again();
    start_and_skip_greeting();
    assert_null(strstr(capabilities(), "LANG"));
    expect(&h, "LANG\r\n", "-ERR no other language here\r\n");
}

/* holds: POP-LANG-1 S, POP-LANG-2 S */
static void lang_chooses_by_range(void **state) {
    static const char *const rows[][2] = {
        {"*", "+OK de-AT Servus\r\n"},
        {"de-at", "+OK de-AT Servus\r\n"},
        {"DE", "+OK de language changed\r\n"},
        {"de-CH-1901", "+OK de language changed\r\n"},
        {"de-AT-1996", "+OK de-AT Servus\r\n"},
        {"tlh", "+OK tlh language changed\r\n"},
        {"i-default", "+OK i-default language changed\r\n"},
        {"fr", "-ERR no such language\r\n"},
        {"d", "-ERR no such language\r\n"},
        {"-", "-ERR no such language\r\n"},
        {"de-", "+OK de language changed\r\n"},
        {"de--AT", "+OK de language changed\r\n"},
        {"de-*", "+OK de language changed\r\n"},
        {"*-AT", "-ERR no such language\r\n"},
        {"de de", "-ERR wrong arguments\r\n"},
    };
    char line[64];

    (void)state;
    start_with_languages();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        expect(&h, "LANG i-default\r\n", "+OK i-default language changed\r\n");
        snprintf(line, sizeof line, "LANG %s\r\n", rows[i][0]);
        expect(&h, line, rows[i][1]);
    }
    h.config.languages = "de-AT\n"; /* a range stands for what has more parts, too */
    host_free(&h);
    h = (struct host){.config = h.config, .messages = h.messages, .count = h.count, .password = "secret"};
    start_and_skip_greeting();
    expect(&h, "LANG de\r\n", "+OK de-AT language changed\r\n");
}

/* What is longer than any tag is cut at its parts, down to what there is. */
static void long_ranges_are_no_others(void **state) {
    char line[1024] = "LANG de";

    (void)state;
    start_with_languages();
    for (size_t at = strlen(line); at + 4 < sizeof line; at += 2)
        strcpy(line + at, "-x");
    strcat(line, "\r\n");
    expect(&h, line, "+OK de language changed\r\n");
    memset(line + strlen("LANG de"), 'x', sizeof line - 16); /* one part of a thousand octets */
    strcpy(line + sizeof line - 8, "\r\n");
    expect(&h, line, "-ERR no such language\r\n");
}

/* holds: POP-LANG-2 S, POP-LANG-3 S, POP-GEN-20 S */
static void replies_are_told_in_the_language_and_codes_are_not(void **state) {
    (void)state;
    start_with_languages();
    expect(&h, "LANG de-AT\r\nLANG fr\r\n", "+OK de-AT Servus\r\n-ERR no such language\r\n");
    h.check_status = POPLIN_ERR_AUTH;
    expect(&h, LOGIN, "+OK send PASS\r\n-ERR [AUTH] falsches Passwort f\xC3\xBCr alle\r\n");
    h.words = "r\xC3\xBC"
              "ckw\xC3\xA4rts\r\nnie";
    expect(&h, LOGIN,
           "+OK send PASS\r\n-ERR [AUTH] r\xC3\xBC"
           "ckw\xC3\xA4rts\r\n");
    h.check_status = POPLIN_OK;
    expect(&h, LOGIN, "+OK send PASS\r\n+OK 2 Nachrichten\r\n");
    expect(&h, "STAT\r\nUIDL 1\r\nRETR 9\r\nNOOP\r\n",
           "+OK 2 52\r\n+OK 1 one\r\n-ERR ohne Zahl\r\n+OK nothing done\r\n");
    expect(&h, "LANG de\r\nQUIT\r\n", "+OK de language changed\r\n+OK bye\r\n");
}

/* holds: POP-STLS-5 S */
static void tls_starts_in_english(void **state) {
    static const poplin_tls_facts facts = {.verified = false};

    (void)state;
    h.config.stls = true;
    start_with_languages();
    expect(&h, "LANG de-AT\r\nSTLS\r\n", "+OK de-AT Servus\r\n+OK begin TLS\r\n");
    assert_int_equal(poplin_session_tls(h.session, &facts), POPLIN_OK);
    h.check_status = POPLIN_ERR_AUTH;
    h.words = "\xC3\xA9";
    expect(&h, LOGIN, "+OK send PASS\r\n-ERR [AUTH] ?\?\r\n"); /* and in ASCII */
    expect(&h, "QUIT\r\n", "+OK bye\r\n");
}

/* holds: POP-GEN-20 S, POP-RESP-3 S */
static void without_lang_and_utf8_words_are_ascii(void **state) {
    (void)state;
    start_with_languages();
    h.check_status = POPLIN_ERR_AUTH;
    h.words = "[f\xC3\xBCr]";
    expect(&h, LOGIN, "+OK send PASS\r\n-ERR [AUTH] (f??r]\r\n");
    expect(&h, "LANG *\r\n", "+OK de-AT Servus\r\n");
    expect(&h, LOGIN, "+OK send PASS\r\n-ERR [AUTH] (f\xC3\xBCr]\r\n");
    h.words = "f\xFCr";
    expect(&h, LOGIN, "+OK send PASS\r\n-ERR [AUTH] f?r\r\n");
}

/* holds: POP-GEN-11 S */
static void long_translations_stay_in_the_line(void **state) {
    static char catalogue[1024];

    (void)state;
    snprintf(catalogue, sizeof catalogue, "x\n\tnothing done\t%0400d\n", 0);
    h.config.languages = catalogue;
    start_and_skip_greeting();
    expect(&h, "LANG x\r\n", "+OK x language changed\r\n");
    host_say(&h, LOGIN "NOOP\r\n");
    assert_non_null(strstr(host_heard(&h), "\r\n+OK 0000"));
}

/* holds: POP-GEN-11 S, POP-GEN-20 S */
static void long_words_are_cut_between_two_characters(void **state) {
    static char words[1024];

    (void)state;
    h.config.utf8 = true;
    start_and_skip_greeting();
    expect(&h, "UTF8\r\n", UTF8_ON);
    h.check_status = POPLIN_ERR_AUTH;
    for (size_t first = 0; first < 2; first++) {
        memset(words, 'x', first);
        for (size_t at = first; at < 1000; at += 2)
            memcpy(words + at, "\xC3\xA9", 2);
        h.words = words;
        host_say(&h, LOGIN);
        const char *heard = host_heard(&h) + strlen("+OK send PASS\r\n");

        assert_in_range(strlen(heard), 390, 512);
        assert_memory_equal(heard + strlen(heard) - 4, "\xC3\xA9\r\n", 4);
    }
}

/* holds: POP-LANG-1 S */
static void a_catalogue_that_cannot_be_told_is_refused(void **state) {
    static const char *const bad[] = {
        "de",
        "d_e\n",
        "\n",
        " de\n",
        "de \xC3\n",
        "de\n\tbye\n",
        "de\n\tbye\t\n",
        "de\n\t\tciao\n",
        "de\n\tbye\tciao\r\n",
        "de\n\tbye\t[ciao]\n",
        "de\n\tbye\ta\tb\n",
        "i-default\n",
        "\tbye\tciao\n",
        "de [x\n",
        "-\n",
        "-de\n",
        "de-\n",
        "de--AT\n",
        "abcdefgh-abcdefgh-abcdefgh-abcdefghi\n",
        "de\n\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        poplin_session *session = NULL;

        h.config.languages = bad[i];
        if (poplin_session_new(&h.config, &session) != POPLIN_ERR_PROTOCOL)
            fail_msg("taken: %s", bad[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SESSION_TEST(utf8_is_announced_and_taken_before_the_login_only),
        SESSION_TEST(utf8_is_refused_where_it_is_not_offered),
        SESSION_TEST(a_message_with_utf8_is_kept_from_who_has_not_asked),
        SESSION_TEST(a_message_with_utf8_goes_whole_and_as_lines_to_who_has),
        SESSION_TEST(stls_goes_before_utf8),
        SESSION_TEST(names_and_passwords_in_utf8_are_prepared),
        SESSION_TEST(what_is_no_utf8_or_prohibited_is_refused_and_not_asked_about),
        SESSION_TEST(auth_takes_utf8_without_utf8),
        SESSION_TEST(lang_lists_the_languages),
        SESSION_TEST(lang_chooses_by_range),
        SESSION_TEST(long_ranges_are_no_others),
        SESSION_TEST(replies_are_told_in_the_language_and_codes_are_not),
        SESSION_TEST(tls_starts_in_english),
        SESSION_TEST(without_lang_and_utf8_words_are_ascii),
        SESSION_TEST(long_translations_stay_in_the_line),
        SESSION_TEST(long_words_are_cut_between_two_characters),
        SESSION_TEST(a_catalogue_that_cannot_be_told_is_refused),
    };

    return cmocka_run_group_tests_name("session utf8", tests, NULL, NULL);
}
