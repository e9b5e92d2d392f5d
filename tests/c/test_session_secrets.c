/*
 * test_session_secrets.c - passwords in a session's memory and words: gone as soon as the question is answered, wherever the
 * line was cut, watched or not, and never in what is said of the session.
 */
#include "heap.h"

#include <poplin/session.h>

#define PASSWORD "correct-horse-battery"
#define ENCODED "AGFsaWNlAGNvcnJlY3QtaG9yc2UtYmF0dGVyeQ=="
#define OTHER "Tr0ub4dor-and-3"
#define OTHER_ENCODED "AGFsaWNlAFRyMHViNGRvci1hbmQtMw=="

/* How a run goes. */
struct way {
    bool watched;
    bool substituted; /* watched: every password is replaced by another */
    int check_status;
    int maildrop_status;
    bool skipped; /* watched: every line with a secret is left undone */
    bool delayed; /* DELAY is asked for */
    unsigned asks;
    const char *mechanisms;
};

static struct way way;
static poplin_session *session;
static char heard[1 << 16];
static size_t heard_size;
static size_t checks;

static void take_output(void) {
    const char *data;
    size_t size;

    poplin_session_output(session, &data, &size);
    assert_true(heard_size + size < sizeof heard);
    if (size > 0)
        memcpy(heard + heard_size, data, size);
    heard_size += size;
    poplin_session_sent(session, size);
}

static int answer(uint64_t question, int status) {
    return status == POPLIN_OK ? poplin_session_accept(session, question)
                               : poplin_session_refuse(session, question, status, NULL);
}

static void check(const poplin_session_event *event) {
    const char *expected = way.substituted ? OTHER : PASSWORD;
    const poplin_slice shown = event->kind == POPLIN_SESSION_CHECK ? event->password : event->token;

    assert_int_equal(shown.size, strlen(expected));
    assert_memory_equal(shown.data, expected, strlen(expected));
    checks++;
    assert_int_equal(answer(event->question, way.check_status), POPLIN_OK);
}

/* The host's own copy is on the stack, where nobody looks. */
static void tell_secret(const poplin_session_event *event) {
    const char secret[] = PASSWORD;

    checks++;
    assert_int_equal(way.check_status == POPLIN_OK
                         ? poplin_session_secret(session, event->question, (poplin_slice){secret, sizeof secret - 1})
                         : answer(event->question, way.check_status),
                     POPLIN_OK);
}

static void heed(const poplin_session_line *line) {
    poplin_slice other = SLICE("PASS " OTHER);

    assert_false(heap_shows(line->shown, strlen(line->shown)));
    if (way.skipped && line->secret)
        assert_int_equal(poplin_session_skip(session), POPLIN_OK);
    if (!way.substituted || (line->verb != POPLIN_PASS && !line->response && !line->initial))
        return;
    if (line->verb == POPLIN_AUTH)
        other = line->response ? SLICE(OTHER_ENCODED) : SLICE("AUTH PLAIN " OTHER_ENCODED);
    assert_int_equal(poplin_session_substitute(session, other), POPLIN_OK);
}

static void take_event(const poplin_session_event *event) {
    if (event->kind == POPLIN_SESSION_CHECK || event->kind == POPLIN_SESSION_TOKEN)
        check(event);
    else if (event->kind == POPLIN_SESSION_SECRET)
        tell_secret(event);
    else if (event->kind == POPLIN_SESSION_DELAY)
        assert_int_equal(poplin_session_accept(session, event->question), POPLIN_OK);
    else if (event->kind == POPLIN_SESSION_COMMAND)
        heed(event->command);
    else if (event->kind == POPLIN_SESSION_MAILDROP && way.maildrop_status == POPLIN_OK)
        assert_int_equal(poplin_session_open(session, event->question, NULL, 0, NULL), POPLIN_OK);
    else if (event->kind == POPLIN_SESSION_MAILDROP)
        assert_int_equal(answer(event->question, way.maildrop_status), POPLIN_OK);
    else if (event->kind == POPLIN_SESSION_CLOSED && event->error != NULL)
        assert_false(heap_shows(event->error, sizeof *event->error));
}

static void say(const char *text, size_t size) {
    poplin_session_event event;
    int result;

    if (size == 0 || poplin_session_phase(session) == 0)
        return;
    assert_int_equal(poplin_session_input(session, text, size), POPLIN_OK);
    while ((result = poplin_session_next(session, &event)) != POPLIN_NEED_INPUT && result != POPLIN_ERR_STATE) {
        if (result == POPLIN_OK)
            take_event(&event);
        take_output();
    }
    take_output();
}

static void begin(void) {
    poplin_session_config config;

    poplin_session_config_init(&config);
    config.link_protected = true;
    config.watched = way.watched;
    config.delays = way.delayed;
    config.mechanisms = way.mechanisms;
    if (way.asks != 0)
        config.asks = way.asks;
    config.max_failed_logins = 2;
    heard_size = 0;
    assert_int_equal(poplin_session_new(&config, &session), POPLIN_OK);
}

static void end(void) {
    take_output();
    assert_false(heap_shows(heard, heard_size));
    poplin_session_free(session);
    heap_assert_clean();
}

static const char *const conversations[] = {
    "USER alice\r\nPASS " PASSWORD "\r\n",
    "AUTH PLAIN " ENCODED "\r\n",
    "AUTH PLAIN\r\n" ENCODED "\r\n",
    "AUTH PLAIN\r\n" ENCODED "!\r\n",
    "AUTH PLAIN =" ENCODED "\r\n",
    "PASS " PASSWORD "\r\n",
    "USER alice\r\nPASS\t" PASSWORD "\r\n",
    "USER alice\r\nPASSS " PASSWORD "\r\n",
    "USER alice\r\nPASS " PASSWORD "\n\r\n",
    "USER alice " PASSWORD "\r\n",
    PASSWORD "\r\n",
    "AUTH LOGIN " ENCODED "\r\n",
    "APOP alice " PASSWORD "\r\n",
    "USER alice\r\nPASS " PASSWORD "\r\nUSER alice\r\nPASS " PASSWORD "\r\n",
    "USER alice\r\nPASS " PASSWORD PASSWORD PASSWORD PASSWORD PASSWORD PASSWORD PASSWORD PASSWORD PASSWORD PASSWORD
        PASSWORD PASSWORD PASSWORD PASSWORD PASSWORD "\n\r\n",
};

static const struct way ways[] = {
    {.check_status = POPLIN_OK},
    {.check_status = POPLIN_ERR_AUTH},
    {.check_status = POPLIN_ERR_TEMPORARY},
    {.maildrop_status = POPLIN_ERR_IN_USE},
    {.watched = true},
    {.watched = true, .check_status = POPLIN_ERR_AUTH},
    {.watched = true, .substituted = true},
    {.watched = true, .substituted = true, .check_status = POPLIN_ERR_AUTH},
};

static void talk_cut_at(const char *said, size_t cut) {
    begin();
    say(said, cut);
    say(said + cut, strlen(said) - cut);
    heap_assert_clean();
    end();
}

#define ALL POPLIN_ASK_SECRET | POPLIN_ASK_TOKEN
#define NAMES "USER APOP SCRAM-SHA-256 OAUTHBEARER XOAUTH2 PLAIN LOGIN CRAM-MD5"

/* A digest is as good as a password; PASSWORD stands for all that is shown. */
#define DIGEST "0123456789abcdef0123456789abcdef"
#define ANSWER "YWxpY2UgMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#define BEARER "bixhPWFsaWNlLAFhdXRoPUJlYXJlciBjb3JyZWN0LWhvcnNlLWJhdHRlcnkBAQ=="
#define XOAUTH "dXNlcj1hbGljZQFhdXRoPUJlYXJlciBjb3JyZWN0LWhvcnNlLWJhdHRlcnkBAQ=="
#define LOGIN_PASSWORD "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5"

static const char *const other_conversations[] = {
    "USER alice\r\nPASS " PASSWORD "\r\n",
    "AUTH PLAIN " ENCODED "\r\n",
    "AUTH LOGIN\r\nYWxpY2U=\r\n" LOGIN_PASSWORD "\r\n",
    "AUTH LOGIN\r\nYWxpY2U=\r\n" LOGIN_PASSWORD "!\r\n",
    "AUTH LOGIN\r\n" LOGIN_PASSWORD "\r\n*\r\n",
    "AUTH OAUTHBEARER " BEARER "\r\nAQ==\r\n",
    "AUTH OAUTHBEARER\r\n" BEARER "\r\n*\r\n",
    "AUTH XOAUTH2 " XOAUTH "\r\n\r\n",
    "AUTH XOAUTH2\r\n" XOAUTH "\r\n" XOAUTH "\r\n",
    "AUTH CRAM-MD5\r\n" ANSWER "\r\n",
    "APOP alice " DIGEST "\r\n",
    "APOP alice " DIGEST "x\r\n",
    "AUTH SCRAM-SHA-256 biwsbj1hbGljZSxyPWFiYw==\r\n" ENCODED "\r\n",
};

static const struct way other_ways[] = {
    {.asks = ALL, .mechanisms = NAMES},
    {.asks = ALL, .mechanisms = NAMES, .check_status = POPLIN_ERR_AUTH},
    {.asks = ALL, .mechanisms = NAMES, .check_status = POPLIN_ERR_AUTH, .delayed = true},
    {.asks = ALL, .mechanisms = NAMES, .check_status = POPLIN_ERR_TEMPORARY, .watched = true},
    {.asks = ALL, .mechanisms = NAMES, .check_status = POPLIN_ERR_AUTH, .watched = true},
    {.asks = ALL, .mechanisms = NAMES, .watched = true, .skipped = true},
    {.asks = POPLIN_ASK_KEYS | POPLIN_ASK_TOKEN, .mechanisms = NAMES, .check_status = POPLIN_ERR_AUTH},
};

/* holds: T-SEC-2 B, T-SEC-1 S */
static void nothing_is_left_behind_an_answer(void **state) {
    (void)state;
    heap_look_for(PASSWORD, ENCODED, OTHER);
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        way = ways[i];
        checks = 0;
        for (size_t j = 0; j < COUNT_OF(conversations); j++)
            for (size_t cut = 0; cut < strlen(conversations[j]); cut++)
                talk_cut_at(conversations[j], cut);
        assert_true(checks > 100);
    }
}

/* holds: T-SEC-2 B */
static void nothing_is_left_behind_a_session_that_ends_early(void **state) {
    (void)state;
    heap_look_for(PASSWORD, ENCODED, OTHER_ENCODED);
    for (size_t i = 0; i < COUNT_OF(ways); i++)
        for (size_t j = 0; j < COUNT_OF(conversations); j++)
            for (size_t cut = 0; cut < strlen(conversations[j]); cut++) {
                way = ways[i];
                begin();
                say(conversations[j], cut);
                end();
            }
}

static void look_for_what_they_show(size_t conversation) {
    const char *said = other_conversations[conversation];

    if (strstr(said, BEARER) != NULL || strstr(said, XOAUTH) != NULL) {
        heap_look_for(PASSWORD, BEARER, XOAUTH);
    } else if (strstr(said, DIGEST) != NULL || strstr(said, ANSWER) != NULL) {
        heap_look_for(DIGEST, ANSWER, PASSWORD);
        heap.part = 2 * HEAP_PART; /* a few of its digits stand in the challenge of one session among thousands, too */
    } else {
        heap_look_for(PASSWORD, ENCODED, LOGIN_PASSWORD);
    }
}

/* holds: T-SEC-2 B, T-SEC-1 S */
static void nothing_is_left_of_any_mechanism(void **state) {
    (void)state;
    checks = 0;
    for (size_t i = 0; i < COUNT_OF(other_ways); i++)
        for (size_t j = 0; j < COUNT_OF(other_conversations); j++) {
            size_t size = strlen(other_conversations[j]);

            look_for_what_they_show(j);
            way = other_ways[i];
            for (size_t cut = 0; cut < size; cut += 1 + size / 40) {
                talk_cut_at(other_conversations[j], cut);
                begin();
                say(other_conversations[j], cut);
                end();
            }
        }
    assert_true(checks > 1000);
}

/* Pulls the question for the password, which is then open. */
static uint64_t ask(const char *line) {
    poplin_session_event event;

    begin();
    assert_int_equal(poplin_session_input(session, line, strlen(line)), POPLIN_OK);
    do
        assert_int_equal(poplin_session_next(session, &event), POPLIN_OK);
    while (event.kind != POPLIN_SESSION_CHECK);
    return event.question;
}

/* holds: T-SEC-2 B, T-API-4 S */
static void the_answer_itself_wipes(void **state) {
    (void)state;
    heap_look_for(PASSWORD, ENCODED, OTHER_ENCODED);
    for (size_t watched = 0; watched < 2; watched++) {
        way = (struct way){.watched = watched == 1};
        uint64_t question = ask("USER alice\r\nPASS " PASSWORD "\r\n");

        assert_int_equal(poplin_session_accept(session, question), POPLIN_OK);
        heap_assert_clean();
        end();
        question = ask("AUTH PLAIN " ENCODED "\r\n");
        assert_int_equal(poplin_session_refuse(session, question, POPLIN_ERR_AUTH, NULL), POPLIN_OK);
        heap_assert_clean();
        end();
        (void)ask("AUTH PLAIN " ENCODED "\r\n");
        assert_int_equal(poplin_session_timeout(session), POPLIN_OK);
        heap_assert_clean();
        end();
        (void)ask("USER alice\r\nPASS " PASSWORD "\r\n");
        assert_int_equal(poplin_session_abort(session, POPLIN_ERR_IO, "the disk is full"), POPLIN_OK);
        heap_assert_clean();
        end();
    }
}

/* What would not be found is not proved absent. */
static void the_watch_sees_what_is_left(void **state) {
    char *block = malloc(64);

    (void)state;
    assert_non_null(block);
    heap_look_for(PASSWORD, NULL, NULL);
    heap_assert_clean();
    memcpy(block + 10, &PASSWORD[3], HEAP_PART);
    assert_true(heap_shows(block, 64));
    free(block);
    assert_true(heap.spilled);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_left_behind_an_answer),
        cmocka_unit_test(nothing_is_left_behind_a_session_that_ends_early),
        cmocka_unit_test(nothing_is_left_of_any_mechanism),
        cmocka_unit_test(the_answer_itself_wipes),
        cmocka_unit_test(the_watch_sees_what_is_left),
    };

    return cmocka_run_group_tests_name("session secrets", tests, NULL, NULL);
}
