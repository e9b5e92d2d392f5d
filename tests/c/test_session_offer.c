/*
 * test_session_offer.c - what CAPA says of the ways to log in, for each thing that the host can be asked, each choice of its owner and
 * each kind of link; that nothing else is taken; the greeting, APOP, and what failed logins have to wait for.
 */
#include "session_auth.h"

#include "sasl/apop.h"

/* ---- CAPA ---- */

/* The lines of CAPA that say who may log in: "USER SASL PLAIN", "" where there are none. */
static const char *offers(void) {
    static char lines[512];
    char text[1024];

    host_heard(&h);
    host_say(&h, "CAPA\r\n");
    copy_text(text, sizeof text, host_heard(&h));
    lines[0] = '\0';
    for (char *line = strtok(text, "\r\n"); line != NULL; line = strtok(NULL, "\r\n"))
        if (strcmp(line, "USER") == 0 || memcmp(line, "SASL", 4) == 0 || strcmp(line, "STLS") == 0)
            snprintf(lines + strlen(lines), sizeof lines - strlen(lines), "%s%s", *lines != '\0' ? "|" : "", line);
    return lines;
}

enum link { BARE, PROTECTED, CLEARTEXT, WITH_STLS, TLS_BARE, TLS_FULL };

static void start_on(enum link link, unsigned asks, const char *mechanisms) {
    static const poplin_tls_facts unverified = {.identity_size = 5, .identity = "alice"};

    begin_again();
    h.config.asks = asks;
    h.config.mechanisms = mechanisms;
    h.config.max_bad_commands = 1000;
    h.config.link_protected = link == PROTECTED;
    h.config.allow_cleartext = link == CLEARTEXT;
    h.config.stls = link == WITH_STLS;
    if (link == TLS_BARE || link == TLS_FULL)
        start_with_tls(link == TLS_FULL ? &full_facts : &unverified);
    else
        start_and_skip_greeting();
}

#define SCRAMS "SCRAM-SHA-256 SCRAM-SHA-1"
#define PLUS "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS "
#define BY_NAME "LOGIN CRAM-MD5 EXTERNAL ANONYMOUS APOP"

static const struct {
    enum link link;
    unsigned asks;
    const char *mechanisms;
    const char *offers;
} rows[] = {
    {BARE, POPLIN_ASK_CHECK, NULL, ""},
    {PROTECTED, POPLIN_ASK_CHECK, NULL, "USER|SASL PLAIN"},
    {CLEARTEXT, POPLIN_ASK_CHECK, NULL, "USER|SASL PLAIN"},
    {WITH_STLS, POPLIN_ASK_CHECK, NULL, "STLS"},
    {TLS_BARE, POPLIN_ASK_CHECK, NULL, "USER|SASL PLAIN"},
    {TLS_FULL, POPLIN_ASK_CHECK, NULL, "USER|SASL PLAIN"},
    {BARE, POPLIN_ASK_SECRET, NULL, "SASL " SCRAMS},
    {PROTECTED, POPLIN_ASK_SECRET, NULL, "USER|SASL " SCRAMS " PLAIN"},
    {WITH_STLS, POPLIN_ASK_SECRET, NULL, "SASL " SCRAMS "|STLS"},
    {TLS_BARE, POPLIN_ASK_SECRET, NULL, "USER|SASL " SCRAMS " PLAIN"},
    {TLS_FULL, POPLIN_ASK_SECRET, NULL, "USER|SASL " PLUS SCRAMS " PLAIN"},
    {BARE, POPLIN_ASK_KEYS, NULL, "SASL SCRAM-SHA-256"},
    {TLS_FULL, POPLIN_ASK_KEYS, NULL, "USER|SASL SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN"},
    {TLS_FULL, POPLIN_ASK_KEYS, "SCRAM-SHA-1 SCRAM-SHA-1-PLUS CRAM-MD5 APOP", "SASL SCRAM-SHA-1-PLUS SCRAM-SHA-1"},
    {BARE, POPLIN_ASK_TOKEN, NULL, ""},
    {CLEARTEXT, POPLIN_ASK_TOKEN, NULL, ""},
    {PROTECTED, POPLIN_ASK_TOKEN, NULL, "SASL OAUTHBEARER XOAUTH2"},
    {TLS_BARE, POPLIN_ASK_TOKEN, NULL, "SASL OAUTHBEARER XOAUTH2"},
    {TLS_BARE, POPLIN_ASK_CHECK | POPLIN_ASK_TOKEN, "xoauth2 plain", "SASL XOAUTH2 PLAIN"},
    {BARE, POPLIN_ASK_SECRET, BY_NAME, "SASL CRAM-MD5 ANONYMOUS"},
    {PROTECTED, POPLIN_ASK_SECRET, BY_NAME, "SASL LOGIN CRAM-MD5 ANONYMOUS"},
    {PROTECTED, POPLIN_ASK_CHECK, BY_NAME, "SASL LOGIN ANONYMOUS"},
    {TLS_BARE, POPLIN_ASK_CHECK, BY_NAME, "SASL LOGIN ANONYMOUS"},
    {TLS_FULL, POPLIN_ASK_CHECK, BY_NAME, "SASL LOGIN EXTERNAL ANONYMOUS"},
    {TLS_FULL, 0, NULL, ""},
    {TLS_FULL, 0, "EXTERNAL", "SASL EXTERNAL"},
    {TLS_FULL, POPLIN_ASK_CHECK, "user", "USER"},
    {TLS_FULL, POPLIN_ASK_CHECK, "SCRAM-SHA-256", ""},
};

/* Whether the words have this one. */
static bool lists(const char *words, const char *word) {
    for (const char *at = strstr(words, word); at != NULL; at = strstr(at + 1, word)) {
        char before = at > words ? at[-1] : ' ', behind = at[strlen(word)];

        if ((before == ' ' || before == '|') && (behind == ' ' || behind == '|' || behind == '\0'))
            return true;
    }
    return false;
}

/* What is listed is taken, and nothing else (POP-CAPA-4). */
static void expect_what_is_offered(const char *offered) {
    char line[64];
    bool bound = false; /* which can be tried once only */

    for (enum poplin_mechanism mechanism = 0; mechanism < POPLIN_MECHANISM_COUNT; mechanism++) {
        const char *name = poplin_mechanism_name(mechanism);

        snprintf(line, sizeof line, "AUTH %s\r\n", name);
        host_say(&h, line);
        bool taken = *host_heard(&h) == '+';

        bool repeated = bound && (poplin_mechanism_traits(mechanism) & POPLIN_SASL_BINDS) != 0;

        assert_int_equal(taken, lists(offered, name) && !repeated);
        bound |= taken && (poplin_mechanism_traits(mechanism) & POPLIN_SASL_BINDS) != 0;
        if (taken)
            host_say(&h, "*\r\n");
        host_heard(&h);
    }
}

/* holds: POP-CAPA-4 S, POP-AUTH-21 S, SASL-CB-3 S */
static void capa_lists_what_can_be_used(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        start_on(rows[i].link, rows[i].asks, rows[i].mechanisms);
        assert_string_equal(offers(), rows[i].offers);
    }
}

/* holds: POP-CAPA-4 S, POP-AUTH-3 S, SASL-PLAIN-3 S */
static void only_what_is_listed_is_taken(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char offered[512];

        start_on(rows[i].link, rows[i].asks, rows[i].mechanisms);
        snprintf(offered, sizeof offered, "%s", offers());
        host_say(&h, "USER alice\r\n");
        assert_int_equal(*host_heard(&h) == '+', lists(offered, "USER"));
        expect_what_is_offered(offered);
        assert_string_equal(host_events(&h), "");
    }
}

/* holds: POP-CAPA-4 S, POP-CAPA-5 S */
static void offers_stay_after_a_login_and_change_with_tls(void **state) {
    const char *const mechanisms = all_mechanisms;
    char before[512];

    (void)state;
    start_on(WITH_STLS, POPLIN_ASK_SECRET | POPLIN_ASK_TOKEN, mechanisms);
    assert_string_equal(offers(), "SASL " SCRAMS " CRAM-MD5 ANONYMOUS|STLS");
    host_say(&h, "STLS\r\n");
    assert_int_equal(poplin_session_tls(h.session, &full_facts), POPLIN_OK);
    snprintf(before, sizeof before, "%s", offers());
    assert_string_equal(before, "SASL " PLUS SCRAMS " OAUTHBEARER XOAUTH2 PLAIN LOGIN CRAM-MD5 EXTERNAL ANONYMOUS");
    host_say(&h, "AUTH EXTERNAL =\r\n");
    assert_int_equal(poplin_session_phase(h.session), POPLIN_TRANSACTION);
    assert_string_equal(offers(), before);
}

static void words_tell_why_not(void **state) {
    (void)state;
    start_on(WITH_STLS, POPLIN_ASK_TOKEN, NULL);
    expect(&h, "AUTH XOAUTH2\r\n", "-ERR no passwords without TLS: use STLS first\r\n");
    expect(&h, "AUTH PLAIN\r\nAUTH GSSAPI\r\nAUTH USER\r\nAUTH APOP\r\n",
           "-ERR unknown mechanism\r\n-ERR unknown mechanism\r\n-ERR unknown mechanism\r\n-ERR unknown mechanism\r\n");
    expect(&h, "USER a\r\nPASS b\r\nAPOP a c4c9334bac560ecc979e58001b3e22fb\r\n",
           "-ERR not offered here\r\n-ERR not offered here\r\n-ERR not offered here\r\n");
    assert_string_equal(host_events(&h), "");
}

static void mechanisms_that_are_none(void **state) {
    static const char *const names[] = {"", " ", "PLAIN GSSAPI", "PLAINX", "PLAIN,LOGIN"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        poplin_session *session = NULL;

        h.config.mechanisms = names[i];
        assert_int_equal(poplin_session_new(&h.config, &session), POPLIN_ERR_UNSUPPORTED);
        assert_null(session);
    }
    start_on(PROTECTED, POPLIN_ASK_CHECK, " plain  User ");
    assert_string_equal(offers(), "USER|SASL PLAIN");
}

/* holds: POP-DLY-1 S */
static void login_delay_is_announced_in_both_states(void **state) {
    (void)state;
    h.config.login_delay = 90;
    start_and_skip_greeting();
    host_say(&h, "CAPA\r\n");
    assert_non_null(strstr(host_heard(&h), "\r\nLOGIN-DELAY 90\r\n"));
    host_say(&h, "AUTH PLAIN AGEAYg==\r\nCAPA\r\n");
    assert_non_null(strstr(host_heard(&h), "\r\nLOGIN-DELAY 90\r\n"));
}

/* holds: POP-EXP-1 S, POP-CAPA-4 S */
static void expire_is_announced_in_both_states(void **state) {
    static const struct {
        uint32_t expire;
        const char *line;
    } announced[] = {{0, "\r\nEXPIRE 0\r\n"}, {31, "\r\nEXPIRE 31\r\n"}, {POPLIN_EXPIRE_NEVER, "\r\nEXPIRE NEVER\r\n"}};

    (void)state;
    start_and_skip_greeting();
    host_say(&h, "CAPA\r\n");
    assert_null(strstr(host_heard(&h), "EXPIRE"));
    for (size_t i = 0; i < COUNT_OF(announced); i++) {
        begin_again();
        h.config.expire = announced[i].expire;
        start_and_skip_greeting();
        host_say(&h, "CAPA\r\n");
        assert_non_null(strstr(host_heard(&h), announced[i].line));
        host_say(&h, "AUTH PLAIN AGEAYg==\r\nCAPA\r\n");
        assert_non_null(strstr(host_heard(&h), announced[i].line));
    }
}

/* ---- the greeting, and APOP ---- */

static const char *greeting(void) {
    host_start(&h);
    host_pump(&h);
    return host_heard(&h);
}

static const char *apop_line(const char *user, poplin_slice timestamp, poplin_slice secret) {
    static char line[512];
    char digest[POPLIN_DIGEST_SIZE];

    assert_int_equal(poplin_apop_digest(timestamp, secret, digest), POPLIN_OK);
    snprintf(line, sizeof line, "APOP %s %.*s\r\n", user, (int)sizeof digest, digest);
    return line;
}

/* Starts with APOP, and returns the timestamp, which lives until the next call. */
static poplin_slice start_with_apop(void) {
    static char text[1024];
    poplin_slice timestamp;

    begin_again();
    h.config.asks = POPLIN_ASK_SECRET;
    h.config.mechanisms = "APOP SCRAM-SHA-256";
    h.config.max_bad_commands = 100;
    h.config.host = "mail.example.org";
    copy_text(text, sizeof text, greeting());
    assert_true(poplin_apop_timestamp((poplin_slice){text, strlen(text)}, &timestamp));
    return timestamp;
}

/* holds: POP-APOP-1 S, POP-GRT-4 S, POP-APOP-4 S */
static void apop_lets_in(void **state) {
    poplin_slice timestamp = start_with_apop();

    (void)state;
    assert_non_null(memmem(timestamp.data, timestamp.size, "@mail.example.org>", 18));
    expect(&h, apop_line("alice", timestamp, SLICE("secreT")), WRONG);
    expect(&h, apop_line("alice", timestamp, SLICE("secret")), WELCOME);
    assert_string_equal(host_events(&h), "SECRET alice APOP\nSECRET alice APOP\nMAILDROP alice\n");
}

/* holds: T-APOP-2 S, POP-GRT-4 S */
static void digest_is_good_for_one_connection(void **state) {
    poplin_slice timestamp = start_with_apop();
    char line[512];

    (void)state;
    snprintf(line, sizeof line, "%s", apop_line("alice", timestamp, SLICE("secret")));
    expect(&h, line, WELCOME);
    start_with_apop();
    expect(&h, line, WRONG);
}

/* holds: POP-GRT-4 S, POP-APOP-4 S */
static void timestamp_stands_only_where_apop_is_on(void **state) {
    (void)state;
    h.config.mechanisms = "APOP PLAIN"; /* which the host cannot answer for */
    assert_string_equal(greeting(), "+OK poplin ready\r\n");
    expect(&h, "APOP alice c4c9334bac560ecc979e58001b3e22fb\r\n", "-ERR not offered here\r\n");
    begin_again();
    h.config.asks = POPLIN_ASK_SECRET;
    h.config.greeting = "hello <1896.697170952@dbc.mtview.ca.us> [x] <";
    assert_string_equal(greeting(), "+OK hello (1896.697170952@dbc.mtview.ca.us) [x] (\r\n");
    expect(&h, "APOP alice c4c9334bac560ecc979e58001b3e22fb\r\n", "-ERR not offered here\r\n");
}

/* holds: POP-GEN-11 S, POP-GRT-4 S */
static void greeting_is_never_too_long(void **state) {
    static char long_words[1000];
    static char long_host[254];
    poplin_slice timestamp;

    (void)state;
    memset(long_words, '<', sizeof long_words - 1);
    memset(long_host, 'h', sizeof long_host - 1);
    h.config.asks = POPLIN_ASK_SECRET;
    h.config.mechanisms = "APOP";
    h.config.greeting = long_words;
    h.config.host = long_host;
    const char *heard = greeting();

    assert_in_range(strlen(heard), 300, 512);
    assert_true(poplin_apop_timestamp((poplin_slice){heard, strlen(heard)}, &timestamp));
    assert_int_equal(strchr(heard, '\n') - heard, strlen(heard) - 1);
}

/* holds: T-USR-2 S, T-RES-5 S */
static void apop_lines_that_are_none(void **state) {
    static const char *const lines[] = {
        "APOP alice\r\n",
        "APOP c4c9334bac560ecc979e58001b3e22fb\r\n",
        "APOP  c4c9334bac560ecc979e58001b3e22fb\r\n",
        "APOP alice c4c9334bac560ecc979e58001b3e22f\r\n",
        "APOP alice C4C9334BAC560ECC979E58001B3E22FB\r\n",
        "APOP alice  c4c9334bac560ecc979e58001b3e22fb\r\n",
        "APOP alice c4c9334bac560ecc979e58001b3e22fb \r\n",
        "APOP \xff c4c9334bac560ecc979e58001b3e22fb\r\n",
        "APOP al\tice c4c9334bac560ecc979e58001b3e22fb\r\n",
        "APOP alice %s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s\r\n",
    };

    (void)state;
    start_with_apop();
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        expect(&h, lines[i], "-ERR APOP takes a name and a digest of 32 lower-case hex digits\r\n");
    expect(&h, "APOP\r\n", "-ERR wrong arguments\r\n");
    assert_string_equal(host_events(&h), "");
    expect(&h, "APOP %s$(x)'../ c4c9334bac560ecc979e58001b3e22fb\r\n", WRONG);
    assert_string_equal(host_events(&h), "SECRET %s$(x)'../ APOP\n");
}

/* holds: POP-UTF8-5 S */
static void name_of_apop_is_prepared(void **state) {
    poplin_slice timestamp = start_with_apop();

    (void)state;
    expect(&h, apop_line("\xE2\x85\xA8", timestamp, SLICE("secret")), WELCOME);
    assert_string_equal(host_events(&h), "SECRET IX APOP\nMAILDROP IX\n");
}

/* ---- delays ---- */

static void start_with_delays(void) {
    begin_again();
    h.config.delays = true;
    h.config.max_failed_logins = 2;
    h.check_status = POPLIN_ERR_AUTH;
    h.holds_delays = true;
    start_and_skip_greeting();
}

/* The client may hear of it now. */
static void let_it_hear(void) {
    assert_int_equal(h.asked.kind, POPLIN_SESSION_DELAY);
    answer(&h);
    host_pump(&h);
}

/* holds: T-BRU-1 S, T-BRU-2 S, LIM-10 S */
static void failed_login_is_told_when_the_host_says_so(void **state) {
    (void)state;
    start_with_delays();
    expect(&h, "USER alice\r\nPASS x\r\nAUTH PLAIN AGJvYgBi\r\nUSER carol\r\nPASS y\r\n", "+OK send PASS\r\n");
    assert_string_equal(host_events(&h), "CHECK alice x USER\nDELAY alice 1 USER\n");
    assert_int_equal(poplin_session_commands(h.session), 2);
    let_it_hear();
    assert_string_equal(host_heard(&h), WRONG);
    assert_string_equal(host_events(&h), "CHECK bob b PLAIN\nDELAY bob 2 PLAIN\n");
    assert_int_equal(poplin_session_commands(h.session), 3);
    let_it_hear();
    assert_string_equal(host_heard(&h), WRONG);
    assert_string_equal(host_events(&h), "CLOSED 4 LIMIT\n");
    assert_int_equal(poplin_session_commands(h.session), 3);
}

/* holds: T-BRU-1 S, POP-UPD-2 S */
static void delay_ends_with_the_session(void **state) {
    (void)state;
    start_with_delays();
    host_say(&h, "AUTH PLAIN AGEAYg==\r\n");
    assert_int_equal(poplin_session_eof(h.session, true), POPLIN_OK);
    assert_int_equal(host_pump(&h), POPLIN_WAITING);
    let_it_hear();
    assert_string_equal(host_events(&h), "CHECK a b PLAIN\nDELAY a 1 PLAIN\nCLOSED 2 -\n");
    start_with_delays();
    host_say(&h, "AUTH PLAIN AGEAYg==\r\n");
    assert_int_equal(poplin_session_abort(h.session, POPLIN_ERR_IO, "stopped"), POPLIN_OK);
    assert_int_equal(poplin_session_accept(h.session, h.asked.question), POPLIN_ERR_STATE);
    host_pump(&h);
    assert_string_equal(host_heard(&h), "");
}

/* A delay is over by any answer; what the client hears does not depend on it. */
static void delay_can_be_refused(void **state) {
    (void)state;
    start_with_delays();
    h.words = "no such user";
    host_say(&h, "AUTH PLAIN AGEAYg==\r\n");
    assert_int_equal(poplin_session_refuse(h.session, h.asked.question, POPLIN_ERR_IO, "x"), POPLIN_OK);
    host_pump(&h);
    assert_string_equal(host_heard(&h), "-ERR [AUTH] no such user\r\n");
}

/* Who was asked about before is not named for who was not. */
static void delay_names_nobody_where_none_was_taken(void **state) {
    (void)state;
    begin_again();
    h.config.delays = true;
    h.config.max_failed_logins = 100;
    h.check_status = POPLIN_ERR_AUTH;
    start_and_skip_greeting();
    expect(&h, "USER bob\r\nAUTH PLAIN VXJzZWwAS3VydAB4aXBqM3BsbXE=\r\n", "+OK send PASS\r\n" WRONG);
    assert_string_equal(host_events(&h), "DELAY 1 PLAIN\n");
    expect(&h, "AUTH PLAIN AGJvYgBi\r\n", WRONG);
    host_events(&h);
    expect(&h, "AUTH PLAIN VXJzZWwAS3VydAB4aXBqM3BsbXE=\r\n", WRONG);
    assert_string_equal(host_events(&h), "DELAY 3 PLAIN\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SESSION_TEST(capa_lists_what_can_be_used),
        SESSION_TEST(only_what_is_listed_is_taken),
        SESSION_TEST(offers_stay_after_a_login_and_change_with_tls),
        SESSION_TEST(words_tell_why_not),
        SESSION_TEST(mechanisms_that_are_none),
        SESSION_TEST(login_delay_is_announced_in_both_states),
        SESSION_TEST(expire_is_announced_in_both_states),
        SESSION_TEST(apop_lets_in),
        SESSION_TEST(digest_is_good_for_one_connection),
        SESSION_TEST(timestamp_stands_only_where_apop_is_on),
        SESSION_TEST(greeting_is_never_too_long),
        SESSION_TEST(apop_lines_that_are_none),
        SESSION_TEST(name_of_apop_is_prepared),
        SESSION_TEST(failed_login_is_told_when_the_host_says_so),
        SESSION_TEST(delay_ends_with_the_session),
        SESSION_TEST(delay_can_be_refused),
        SESSION_TEST(delay_names_nobody_where_none_was_taken),
    };

    return cmocka_run_group_tests_name("session offer", tests, NULL, NULL);
}
