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

    assert_int_equal(event->password.size, strlen(expected));
    assert_memory_equal(event->password.data, expected, strlen(expected));
    checks++;
    assert_int_equal(answer(event->question, way.check_status), POPLIN_OK);
}

static void heed(const poplin_session_line *line) {
    poplin_slice other = SLICE("PASS " OTHER);

    assert_false(heap_shows(line->shown, strlen(line->shown)));
    if (!way.substituted || (line->verb != POPLIN_PASS && !line->response && !line->initial))
        return;
    if (line->verb == POPLIN_AUTH)
        other = line->response ? SLICE(OTHER_ENCODED) : SLICE("AUTH PLAIN " OTHER_ENCODED);
    assert_int_equal(poplin_session_substitute(session, other), POPLIN_OK);
}

static void take_event(const poplin_session_event *event) {
    if (event->kind == POPLIN_SESSION_CHECK)
        check(event);
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
        cmocka_unit_test(the_answer_itself_wipes),
        cmocka_unit_test(the_watch_sees_what_is_left),
    };

    return cmocka_run_group_tests_name("session secrets", tests, NULL, NULL);
}
