/*
 * test_allocation.c - memory runs out in either machine, at each allocation in turn: it is told, and nothing is lost,
 * used after it is gone, or half done.
 */
#include "failing.h"
#include "fault_support.h"

#include <poplin/client.h>
#include <poplin/session.h>

#include "wire/grammar.h"

/* ---- the client ---- */

static char long_password[240]; /* so long that PLAIN's message goes on a line of its own */

static int open_and_log_in(poplin_client *client) {
    memset(long_password, 'p', sizeof long_password);
    const poplin_credentials credentials = {.user = SLICE("alice"), .password = {long_password, sizeof long_password}};

    return poplin_client_open(client, &credentials, 1);
}

static int start_tls(poplin_client *client) {
    return poplin_client_tls(client, &(poplin_tls_facts){0});
}

static int submit_many(poplin_client *client) {
    const poplin_wanted wanted[] = {{1, 10}, {2, 10}};
    int status = POPLIN_OK;

    for (size_t i = 0; i < 20 && status == POPLIN_OK; i++)
        status = poplin_client_submit(client, &(poplin_command){.verb = POPLIN_LIST}, i);
    return status == POPLIN_OK ? poplin_client_retr_all(client, wanted, COUNT_OF(wanted), 50) : status;
}

static int own_lines(poplin_client *client) {
    int status = poplin_client_command(client, SLICE("XTND XLST"), true, false, 1);

    return status == POPLIN_OK ? poplin_client_command(client, SLICE("PASS secret"), false, true, 2) : status;
}

static int open_with_token(poplin_client *client) {
    const poplin_credentials credentials = {.user = SLICE("alice"), .token = SLICE("token"), .authorize = SLICE("bob")};

    return poplin_client_open(client, &credentials, 1);
}

static int log_in(poplin_client *client) {
    return poplin_client_login(client, &(poplin_credentials){.user = SLICE("alice"), .password = SLICE("secret")}, 2);
}

struct exchange {
    int (*host)(poplin_client *client);
    const char *server;
};

static const struct exchange exchanges[] = {
    {open_and_log_in, "+OK hi\r\n"},
    {NULL, "+OK\r\nSTLS\r\nPIPELINING\r\n.\r\n"},
    {NULL, "+OK begin\r\n"},
    {start_tls, "+OK\r\nSASL PLAIN\r\nEXPIRE 0 USER\r\n.\r\n"},
    {NULL, "+ \r\n"},
    {NULL, "+OK welcome\r\n"},
    {NULL, "+OK\r\nPIPELINING\r\n.\r\n"},
    {submit_many, "+OK\r\n1 1\r\n5000 1\r\n.\r\n"},
    {own_lines, "+OK\r\n.\r\n"},
};

static const struct exchange logins[] = {
    {open_with_token, "+OK hi <1@b>\r\n"},
    {NULL, "+OK\r\nSASL XOAUTH2 CRAM-MD5\r\n.\r\n"},
    {NULL, "+ e30=\r\n"}, /* {} */
    {NULL, "-ERR no\r\n"},
    {log_in, "+ PGFAYj4=\r\n"},
    {NULL, "-ERR no\r\n"},
};

/* What is offered fits none; what the error would say has to be gathered. */
static const struct exchange passed_over[] = {
    {open_with_token, "+OK hi\r\n"},
    {NULL, "+OK\r\nSASL PLAIN SCRAM-SHA-1 X-A-MECHANISM\r\n.\r\n"},
};

static int pull(poplin_client *client) {
    poplin_client_event event;
    int result;

    while ((result = poplin_client_next(client, &event)) == POPLIN_OK)
        if (event.kind == POPLIN_CLIENT_FAILED)
            return event.error->status;
    return result == POPLIN_NEED_INPUT || result == POPLIN_WAITING ? POPLIN_OK : result;
}

/* What the server says is cut in two, so that lines have to be kept. */
static int exchange(poplin_client *client, const struct exchange *exchanged) {
    const char *text = exchanged->server, *data;
    size_t size, half = strlen(text) - 1;
    int status = exchanged->host != NULL ? exchanged->host(client) : POPLIN_OK;

    if (status < 0)
        return status;
    poplin_client_output(client, &data, &size);
    poplin_client_sent(client, size);
    status = pull(client);
    for (size_t i = 0; status == POPLIN_OK && i < 2; i++) {
        assert_int_equal(poplin_client_input(client, i == 0 ? text : text + half, i == 0 ? half : 1), POPLIN_OK);
        status = pull(client);
    }
    return status;
}

static int converse(const poplin_client_config *config, const struct exchange *played, size_t count) {
    poplin_client *client = NULL;
    int status = poplin_client_new(config, &client);

    for (size_t i = 0; status == POPLIN_OK && i < count; i++)
        status = exchange(client, &played[i]);
    poplin_client_free(client);
    return status;
}

static int play_client(void) {
    poplin_client_config config;

    poplin_client_config_init(&config);
    config.tls = POPLIN_TLS_STLS;
    return converse(&config, exchanges, COUNT_OF(exchanges));
}

static poplin_client_config on_a_protected_link(const char *mechanisms) {
    poplin_client_config config;

    poplin_client_config_init(&config);
    config.tls = POPLIN_TLS_NEVER;
    config.link_protected = true;
    config.mechanisms = mechanisms;
    config.host = "mail.example.org";
    return config;
}

static int play_logins(void) {
    const poplin_client_config config = on_a_protected_link("CRAM-MD5 XOAUTH2");

    return converse(&config, logins, COUNT_OF(logins));
}

static int play_apop(void) {
    static const struct exchange apop[] = {{NULL, "+OK hi <1@b>\r\n"}, {log_in, "-ERR no\r\n"}};
    const poplin_client_config config = on_a_protected_link("APOP");

    return converse(&config, apop, COUNT_OF(apop));
}

static int play_passed_over(void) {
    const poplin_client_config config = on_a_protected_link(NULL);
    int status = converse(&config, passed_over, COUNT_OF(passed_over));

    return status == POPLIN_ERR_UNSUPPORTED ? POPLIN_OK : status;
}

/* holds: T-API-5 C */
static void client_tells_that_memory_ran_out(void **state) {
    (void)state;
    assert_told_at_each_allocation(play_client);
    assert_told_at_each_allocation(play_logins);
    assert_told_at_each_allocation(play_apop);
    assert_told_at_each_allocation(play_passed_over);
}

/* ---- the session ---- */

static int answer(poplin_session *session, const poplin_session_event *event) {
    static const poplin_listing listings[] = {{{"a", 1}, 3, false}, {{"b", 1}, POPLIN_OCTETS_UNKNOWN, false}};

    switch (event->kind) {
    case POPLIN_SESSION_CHECK:
    case POPLIN_SESSION_COMMIT:
        return poplin_session_accept(session, event->question);
    case POPLIN_SESSION_MAILDROP:
        return poplin_session_open(session, event->question, listings, COUNT_OF(listings), NULL);
    case POPLIN_SESSION_BODY:
        return poplin_session_body(session, event->question, ".\n", 2, true);
    case POPLIN_SESSION_COMMAND:
        return event->command->verb == POPLIN_UIDL ? poplin_session_substitute(session, SLICE("TOP 2 1")) : POPLIN_OK;
    default:
        return POPLIN_OK;
    }
}

/* Says it cut in two, and takes the output as it comes. OK, or how the session ended, or an answer failed. */
static int say(poplin_session *session, const char *text) {
    size_t half = strlen(text) - 1;
    int status = POPLIN_OK;

    for (size_t i = 0; status == POPLIN_OK && i < 2; i++) {
        poplin_session_event event = {0};
        const char *data;
        size_t size;
        int result;

        assert_int_equal(poplin_session_input(session, i == 0 ? text : text + half, i == 0 ? half : 1), POPLIN_OK);
        while (status == POPLIN_OK && (result = poplin_session_next(session, &event)) != POPLIN_NEED_INPUT) {
            poplin_session_output(session, &data, &size);
            poplin_session_sent(session, size);
            if (result == POPLIN_OK && event.kind == POPLIN_SESSION_CLOSED)
                return event.error != NULL ? event.error->status : POPLIN_END;
            if (result == POPLIN_OK)
                status = answer(session, &event);
        }
        poplin_session_output(session, &data, &size);
        poplin_session_sent(session, size);
    }
    return status;
}

static int play(bool watched) {
    static const char *const lines[] = {"AUTH PLAIN\r\n", "AHQAdA==\r\n", "LIST\r\n",
                                        "RETR 2\r\n",     "UIDL\r\n",     "DELE 1\r\n"};
    poplin_session_config config;
    poplin_session *session = NULL;

    poplin_session_config_init(&config);
    config.link_protected = true;
    config.watched = watched;
    int status = poplin_session_new(&config, &session);

    for (size_t i = 0; status == POPLIN_OK && i < COUNT_OF(lines); i++)
        status = say(session, lines[i]);
    bool told = status == POPLIN_ERR_NOMEM, early = allocations >= failing;

    assert_true(told == early);
    if (status == POPLIN_OK)
        status = say(session, "QUIT\r\n");
    if (status == POPLIN_END) /* committed: that its reply could not be written does not undo it */
        status = allocations < failing ? POPLIN_OK : POPLIN_ERR_NOMEM;
    poplin_session_free(session);
    return status;
}

static int play_session(void) {
    return play(false);
}

static int play_watched_session(void) {
    return play(true);
}

/* holds: T-API-5 S */
static void session_tells_that_memory_ran_out(void **state) {
    (void)state;
    assert_told_at_each_allocation(play_session);
    assert_told_at_each_allocation(play_watched_session);
}

/* ---- faults ---- */

static int play_exchange(poplin_faults *faults) {
    static const uint32_t marked[] = {1, 3};
    const poplin_tap_command command = {.verb = POPLIN_LIST, .line = SLICE("LIST")};
    const poplin_occasion occasion = {
        .command = "LIST", .line = &command, .user = SLICE("alice"), .marked = marked, .marked_count = 2};
    poplin_play *play = NULL;
    int status = poplin_faults_choose(faults, &occasion, &play);

    if (status == POPLIN_OK)
        status = poplin_play_reply(play, SLICE("+OK 1 message\r\n2 "), false);
    if (status == POPLIN_OK)
        status = poplin_play_reply(play, SLICE("120\r\n.\r\n"), true);
    poplin_play_free(play);
    return status;
}

static int play_faults(void) {
    static const char *const texts[] = {
        ("LIST show_deleted guess_sizes status=+OK add=x duplicate_line=1 long_line=600 unstuff=all insert=a garbage=9 "
         "cut=700"),
        "LIST refuse=later nth=2 name=second",
        "* run=RETR append=b nth=3 delay=1 drop_after=3",
    };
    poplin_faults *faults = poplin_faults_new();
    int status = faults != NULL ? POPLIN_OK : POPLIN_ERR_NOMEM;

    for (size_t i = 0; i < COUNT_OF(texts) && status == POPLIN_OK; i++)
        status = poplin_faults_add_text(faults, texts[i], NULL, NULL);
    poplin_fault_handle handle = {0, NULL};
    if (status == POPLIN_OK)
        status = poplin_faults_add_profile(faults, "header-lines-counted", &handle, NULL);
    free(handle.name);
    for (size_t i = 0; i < 3 && status == POPLIN_OK; i++)
        status = play_exchange(faults);
    poplin_faults_free(faults);
    return status;
}

/* holds: T-API-5 S */
static void faults_tell_that_memory_ran_out(void **state) {
    (void)state;
    assert_told_at_each_allocation(play_faults);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_tells_that_memory_ran_out),
        cmocka_unit_test(session_tells_that_memory_ran_out),
        cmocka_unit_test(faults_tell_that_memory_ran_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
