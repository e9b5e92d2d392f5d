/*
 * test_session_allocation.c - memory runs out in each login in turn, at each allocation: it is told, and nobody gets in by it.
 */
#include "failing.h"

#include <poplin/session.h>
#include <stdio.h>

#include "sasl/apop.h"
#include "sasl/sasl.h"
#include "wire/base64.h"

enum { MOST = 4096 };

/* A login that is played. */
static struct {
    enum poplin_mechanism mechanism;
    bool command; /* USER and PASS, or APOP, in the place of a mechanism */
    const char *user, *password;
    unsigned asks;
    const poplin_scram_keys *keys;
    bool refused, delays, watched;
} played;

static const poplin_sasl_client_config credentials = {
    .user = SLICE("\xE2\x85\xA8"), /* which has to be prepared */
    .password = SLICE("secr\xC3\xA9t"),
    .token = SLICE("t0ken"),
    .binding = {"tls-exporter", SLICE("the thirty-two octets: exporter!")},
    .plus_offered = true,
};
static const poplin_tls_facts facts = {
    .verified = true,
    .exporter_size = 32,
    .exporter = "the thirty-two octets: exporter!",
    .identity_size = 3,
    .identity = "\xE2\x85\xA8",
};

static poplin_session *session;
static char heard[MOST];

static int answer(const poplin_session_event *event) {
    uint64_t question = event->question;

    switch (event->kind) {
    case POPLIN_SESSION_CHECK:
    case POPLIN_SESSION_TOKEN:
        if (played.refused)
            return poplin_session_refuse(session, question, POPLIN_ERR_AUTH, NULL);
        return poplin_session_accept_as(session, question, SLICE("somebody"));
    case POPLIN_SESSION_SECRET:
        if (played.refused)
            return poplin_session_refuse(session, question, POPLIN_ERR_AUTH, NULL);
        return played.keys != NULL ? poplin_session_keys(session, question, played.keys)
                                   : poplin_session_secret(session, question, credentials.password);
    case POPLIN_SESSION_DELAY:
        return poplin_session_accept(session, question);
    case POPLIN_SESSION_MAILDROP:
        return poplin_session_open(session, question, NULL, 0, NULL);
    default:
        return POPLIN_OK;
    }
}

static void take_output(void) {
    const char *data;
    size_t size, used = strlen(heard);

    poplin_session_output(session, &data, &size);
    assert_true(used + size < MOST);
    if (size > 0)
        memcpy(heard + used, data, size);
    heard[used + size] = '\0';
    poplin_session_sent(session, size);
}

/* Says it cut in two, so that a line has to be kept. */
static int say(const char *text, size_t size) {
    int status = POPLIN_OK;

    heard[0] = '\0';
    for (size_t i = 0; status == POPLIN_OK && i < 2; i++) {
        poplin_session_event event;
        int result;

        assert_int_equal(poplin_session_input(session, i == 0 ? text : text + size - 1, i == 0 ? size - 1 : 1),
                         POPLIN_OK);
        while (status == POPLIN_OK && (result = poplin_session_next(session, &event)) != POPLIN_NEED_INPUT) {
            assert_int_equal(result, POPLIN_OK);
            if (event.kind == POPLIN_SESSION_CLOSED)
                return event.error->status;
            status = answer(&event);
            take_output();
        }
        take_output();
    }
    return status;
}

/* The client's own allocations do not fail. */
static size_t set_aside(void) {
    size_t kept = failing;

    failing = 0;
    return kept;
}

static void go_back(size_t kept, size_t counted) {
    failing = kept;
    allocations = counted;
}

/* What the client answers to what it heard, as a line. */
static size_t next_line(poplin_sasl_client *client, char *line) {
    poplin_buffer challenge = {0}, response = {0}, text = {0};
    size_t kept = set_aside(), counted = allocations;
    const char *reason;

    assert_int_equal(poplin_base64_decode((poplin_slice){heard + 2, strcspn(heard + 2, "\r")}, &challenge), POPLIN_OK);
    int status = poplin_sasl_client_step(client, poplin_buffer_slice(&challenge), &response, &reason);

    assert_int_equal(status, POPLIN_OK);
    assert_int_equal(poplin_base64_encode(poplin_buffer_slice(&response), &text), POPLIN_OK);
    size_t size = text.size;

    if (size > 0)
        memcpy(line, poplin_buffer_slice(&text).data, size);
    memcpy(line + size, "\r\n", 2);
    poplin_buffer_free(&challenge);
    poplin_buffer_free(&response);
    poplin_buffer_free(&text);
    go_back(kept, counted);
    return size + 2;
}

static int play_mechanism(void) {
    size_t kept = set_aside(), counted = allocations;
    poplin_sasl_client *client;
    const char *reason;
    char line[MOST];

    assert_int_equal(poplin_sasl_client_new(played.mechanism, &credentials, &client, &reason), POPLIN_OK);
    go_back(kept, counted);
    int size = snprintf(line, sizeof line, "AUTH %s\r\n", poplin_mechanism_name(played.mechanism));
    int status = say(line, (size_t)size);

    while (status == POPLIN_OK && memcmp(heard, "+ ", 2) == 0)
        status = say(line, next_line(client, line));
    poplin_sasl_client_free(client);
    return status;
}

static int play_commands(void) {
    static const char apop[] = "APOP \xE2\x85\xA8 c4c9334bac560ecc979e58001b3e22fb\r\n";
    static const char user[] = "USER alice\r\n", pass[] = "PASS secr\xC3\xA9t\r\n";
    int status = say(apop, sizeof apop - 1);

    if (status == POPLIN_OK)
        status = say(user, sizeof user - 1);
    return status == POPLIN_OK ? say(pass, sizeof pass - 1) : status;
}

/* Nobody is asked about who comes by a certificate, or as nobody. */
static bool is_let_in(void) {
    return !played.refused || played.mechanism >= POPLIN_MECHANISM_EXTERNAL;
}

static int play(void) {
    poplin_session_config config;

    poplin_session_config_init(&config);
    config.asks = played.asks;
    config.mechanisms = played.command ? "USER APOP" : poplin_mechanism_name(played.mechanism);
    config.host = "mail.example.org";
    config.pepper = SLICE("pepper");
    config.delays = played.delays;
    config.watched = played.watched;
    session = NULL;
    int status = poplin_session_new(&config, &session);

    if (status == POPLIN_OK)
        status = poplin_session_tls(session, &facts);
    for (size_t i = 0; i < 4 && status == POPLIN_OK; i++)
        status = say("CAPA\r\n", 6);
    if (status == POPLIN_OK)
        status = played.command ? play_commands() : play_mechanism();
    if (allocations < failing && !played.command) /* none has failed */
        assert_int_equal(poplin_session_phase(session), is_let_in() ? POPLIN_TRANSACTION : POPLIN_AUTHORIZATION);
    poplin_session_free(session);
    return status;
}

/* Every way, let in and kept out. */
static void play_all(void) {
    for (unsigned bits = 0; bits < 4; bits++) {
        played.refused = (bits & 1) != 0;
        played.delays = played.watched = (bits & 2) != 0;
        played.command = true;
        assert_told_at_each_allocation(play);
        played.command = false;
        for (played.mechanism = 0; played.mechanism < POPLIN_MECHANISM_COUNT; played.mechanism++)
            assert_told_at_each_allocation(play);
    }
}

/* holds: T-API-5 S */
static void logins_tell_that_memory_ran_out(void **state) {
    (void)state;
    played.asks = POPLIN_ASK_SECRET | POPLIN_ASK_TOKEN;
    play_all();
}

/* holds: T-API-5 S */
static void logins_by_check_or_keys_tell_it_too(void **state) {
    char storage[POPLIN_SCRAM_STORAGE];
    poplin_scram_keys keys;

    (void)state;
    assert_int_equal(
        poplin_scram_keys_make(POPLIN_SCRAM_SHA_256, credentials.password, SLICE("salt"), 0, storage, &keys),
        POPLIN_OK);
    played.mechanism = POPLIN_MECHANISM_PLAIN;
    played.asks = POPLIN_ASK_CHECK;
    assert_told_at_each_allocation(play);
    played.asks = POPLIN_ASK_KEYS;
    played.keys = &keys;
    assert_told_at_each_allocation(play);
    played.mechanism = POPLIN_MECHANISM_SCRAM_SHA_256;
    assert_told_at_each_allocation(play);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logins_tell_that_memory_ran_out),
        cmocka_unit_test(logins_by_check_or_keys_tell_it_too),
    };

    return cmocka_run_group_tests_name("session without memory", tests, NULL, NULL);
}
