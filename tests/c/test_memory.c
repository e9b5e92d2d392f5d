/*
 * test_memory.c - maildrops in memory, asked through their backend by a server and a raw client.
 */
#include <poplin/memory.h>

#include "raw_client.h"

struct fixture {
    poplin_loop *loop;
    poplin_memory *memory;
    poplin_server *server;
};

static int set_up_with(void **state, enum poplin_lock lock) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    poplin_server_config config;
    assert_int_equal(poplin_loop_new(&fixture->loop), POPLIN_OK);
    assert_int_equal(poplin_memory_new(&fixture->memory), POPLIN_OK);
    assert_int_equal(poplin_memory_add_user(fixture->memory, SLICE("alice"), SLICE("secret")), POPLIN_OK);
    poplin_server_config_init(&config);
    config.lock = lock;
    config.failed_login_ms = 0;
    assert_int_equal(
        poplin_server_new(fixture->loop, &config, poplin_memory_backend(), fixture->memory, &fixture->server, NULL),
        POPLIN_OK);
    assert_int_equal(poplin_server_start(fixture->server), POPLIN_OK);
    *state = fixture;
    return 0;
}

static int set_up(void **state) {
    return set_up_with(state, POPLIN_LOCK_EXCLUSIVE);
}

static int set_up_unlocked(void **state) {
    return set_up_with(state, POPLIN_LOCK_NONE);
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    poplin_server_free(fixture->server);
    poplin_memory_free(fixture->memory);
    poplin_loop_free(fixture->loop);
    free(fixture);
    return 0;
}

static void deliver(struct fixture *fixture, const char *text, char *unique_id) {
    assert_int_equal(poplin_memory_deliver(fixture->memory, SLICE("alice"), text, strlen(text), unique_id), POPLIN_OK);
}

static void dial(struct fixture *fixture, struct raw *peer) {
    raw_dial(peer, fixture->loop, poplin_server_port(fixture->server), 0);
}

static void test_users_are_added_once_and_mail_goes_to_users_only(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(poplin_memory_add_user(fixture->memory, SLICE("alice"), SLICE("other")), POPLIN_ERR_STATE);
    assert_int_equal(poplin_memory_add_user(fixture->memory, SLICE("al"), SLICE("x")), POPLIN_OK);
    assert_int_equal(poplin_memory_add_user(fixture->memory, SLICE("alices"), SLICE("x")), POPLIN_OK);
    assert_int_equal(poplin_memory_deliver(fixture->memory, SLICE("bob"), "x", 1, NULL), POPLIN_ERR_REFUSED);
    deliver(fixture, "one", NULL);
    assert_int_equal(poplin_memory_count(fixture->memory, SLICE("alice")), 1);
    assert_int_equal(poplin_memory_count(fixture->memory, SLICE("al")), 0);
    assert_int_equal(poplin_memory_count(fixture->memory, SLICE("bob")), 0);
}

/* holds: T-USR-1 S, T-CMP-1 B */
static void test_wrong_password_and_unknown_user_answer_alike(void **state) {
    struct fixture *fixture = *state;
    static const char *const attempts[][2] = {
        {"alice", "secre"}, {"alice", "secrets"}, {"alice", "Secret"}, {"nobody", "secret"}, {"nobody", "x"}};
    char first[512] = "";
    for (size_t i = 0; i < COUNT_OF(attempts); i++) {
        struct raw peer;
        char text[128];
        dial(fixture, &peer);
        raw_expect(&peer, "+OK");
        snprintf(text, sizeof text, "USER %s\r\nPASS %s\r\n", attempts[i][0], attempts[i][1]);
        raw_say(&peer, text);
        raw_expect(&peer, "+OK");
        raw_expect(&peer, "-ERR [AUTH]");
        if (i == 0)
            snprintf(first, sizeof first, "%s", peer.line);
        assert_string_equal(peer.line, first);
        raw_close(&peer);
    }
}

/* The memory tells passwords, so that SCRAM can be offered without anybody asking for it. */
static void test_passwords_in_memory_make_scram_possible(void **state) {
    struct fixture *fixture = *state;
    struct raw peer;
    bool offered = false;
    dial(fixture, &peer);
    raw_expect(&peer, "+OK");
    raw_say(&peer, "CAPA\r\n");
    for (const char *line = raw_line(&peer); strcmp(line, ".") != 0; line = raw_line(&peer))
        offered |= strcmp(line, "SASL SCRAM-SHA-256 SCRAM-SHA-1 PLAIN") == 0;
    assert_true(offered);
    raw_say(&peer, "AUTH SCRAM-SHA-256 biwsbj1hbGljZSxyPXg=\r\n"); /* n,,n=alice,r=x */
    raw_expect(&peer, "+ ");
    raw_close(&peer);
}

/* holds: POP-UIDL-1 S, POP-UIDL-2 S */
static void test_unique_ids_differ_and_stay(void **state) {
    struct fixture *fixture = *state;
    char ids[3][POPLIN_UNIQUE_ID_MAX + 1], expected[256];
    struct raw peer;
    deliver(fixture, "same", ids[0]);
    deliver(fixture, "same", ids[1]);
    assert_string_not_equal(ids[0], ids[1]);
    for (int session = 0; session < 2; session++) {
        dial(fixture, &peer);
        raw_login(&peer, "alice", "secret");
        raw_say(&peer, session == 0 ? "UIDL 1\r\nUIDL 2\r\nDELE 1\r\nQUIT\r\n" : "UIDL 1\r\nQUIT\r\n");
        for (int i = session; i < 2; i++) {
            snprintf(expected, sizeof expected, "+OK %d %s", session == 0 ? i + 1 : 1, ids[i]);
            raw_expect(&peer, expected);
        }
        raw_expect(&peer, "+OK");
        if (session == 0)
            raw_expect(&peer, "+OK");
        raw_expect_closed(&peer);
        raw_close(&peer);
    }
    deliver(fixture, "same", ids[2]);
    assert_string_not_equal(ids[2], ids[0]);
    assert_string_not_equal(ids[2], ids[1]);
}

/* holds: T-FRM-9 S */
static void test_sizes_are_those_on_the_wire(void **state) {
    struct fixture *fixture = *state;
    struct raw peer;
    deliver(fixture, "a\nb\r\nc", NULL); /* a CRLF b CRLF c CRLF */
    deliver(fixture, "", NULL);
    deliver(fixture, ".\n..\n", NULL);
    dial(fixture, &peer);
    raw_login(&peer, "alice", "secret");
    raw_say(&peer, "LIST\r\nRETR 3\r\nRETR 2\r\nQUIT\r\n");
    raw_expect(&peer, "+OK");
    raw_expect(&peer, "1 9");
    raw_expect(&peer, "2 0");
    raw_expect(&peer, "3 7");
    raw_expect(&peer, ".");
    raw_expect(&peer, "+OK 7 ");
    raw_expect(&peer, "..");
    raw_expect(&peer, "...");
    raw_expect(&peer, ".");
    raw_expect(&peer, "+OK 0 ");
    raw_expect(&peer, ".");
    raw_expect(&peer, "+OK");
    raw_expect_closed(&peer);
    raw_close(&peer);
}

/* holds: T-LCK-2 S */
static void test_mail_delivered_during_a_session_is_for_the_next(void **state) {
    struct fixture *fixture = *state;
    struct raw peer;
    deliver(fixture, "one", NULL);
    dial(fixture, &peer);
    raw_login(&peer, "alice", "secret");
    deliver(fixture, "two", NULL);
    raw_say(&peer, "STAT\r\nRETR 2\r\nDELE 1\r\nQUIT\r\n");
    raw_expect(&peer, "+OK 1 5");
    raw_expect(&peer, "-ERR");
    raw_expect(&peer, "+OK");
    raw_expect(&peer, "+OK");
    raw_expect_closed(&peer);
    raw_close(&peer);
    assert_int_equal(poplin_memory_count(fixture->memory, SLICE("alice")), 1);
    dial(fixture, &peer);
    raw_login(&peer, "alice", "secret");
    raw_say(&peer, "RETR 1\r\n");
    raw_expect(&peer, "+OK");
    raw_expect(&peer, "two");
    raw_close(&peer);
}

/* holds: T-LCK-2 S, POP-UPD-3 S */
static void test_what_another_session_removed_is_refused(void **state) {
    struct fixture *fixture = *state;
    struct raw one, two;
    deliver(fixture, "first", NULL);
    deliver(fixture, "second", NULL);
    deliver(fixture, "third", NULL);
    dial(fixture, &one);
    dial(fixture, &two);
    raw_login(&one, "alice", "secret");
    raw_login(&two, "alice", "secret");
    raw_say(&one, "DELE 1\r\nDELE 2\r\nQUIT\r\n");
    for (int i = 0; i < 3; i++)
        raw_expect(&one, "+OK");
    raw_expect_closed(&one);
    raw_say(&two, "RETR 1\r\nRETR 3\r\nDELE 2\r\nQUIT\r\n");
    raw_expect(&two, "-ERR");
    raw_expect(&two, "+OK");
    raw_expect(&two, "third");
    raw_expect(&two, ".");
    raw_expect(&two, "+OK");
    raw_expect(&two, "+OK");
    raw_close(&one);
    raw_close(&two);
    assert_int_equal(poplin_memory_count(fixture->memory, SLICE("alice")), 1);
}

/* A body on its way outlives its message: the address sanitizer would tell. */
static void test_a_removed_message_is_sent_to_its_end(void **state) {
    struct fixture *fixture = *state;
    enum { LINES = 400000 };
    char *large = malloc(LINES * 10 + 1);
    struct raw slow, quick;
    for (int i = 0; i < LINES; i++)
        memcpy(large + i * 10, "12345678\r\n", 11);
    deliver(fixture, large, NULL);
    free(large);
    raw_dial(&slow, fixture->loop, poplin_server_port(fixture->server), 8192);
    raw_login(&slow, "alice", "secret");
    raw_say(&slow, "RETR 1\r\n");
    raw_expect(&slow, "+OK");
    dial(fixture, &quick);
    raw_login(&quick, "alice", "secret");
    raw_say(&quick, "DELE 1\r\nQUIT\r\n");
    raw_expect(&quick, "+OK");
    raw_expect(&quick, "+OK");
    assert_int_equal(poplin_memory_count(fixture->memory, SLICE("alice")), 0);
    raw_close(&quick);
    assert_int_equal(raw_skip_lines(&slow), LINES);
    raw_close(&slow);
}

static void test_ten_thousand_messages(void **state) {
    struct fixture *fixture = *state;
    struct raw peer;
    for (int i = 0; i < 10000; i++)
        deliver(fixture, "Subject: hello\n\nworld\n", NULL);
    dial(fixture, &peer);
    raw_login(&peer, "alice", "secret");
    raw_say(&peer, "UIDL\r\n");
    raw_expect(&peer, "+OK");
    assert_int_equal(raw_skip_lines(&peer), 10000);
    for (int i = 1; i <= 10000; i += 2) {
        char text[32];
        snprintf(text, sizeof text, "DELE %d\r\n", i);
        raw_say(&peer, text);
    }
    for (int i = 1; i <= 10000; i += 2)
        raw_expect(&peer, "+OK");
    raw_say(&peer, "QUIT\r\n");
    raw_expect(&peer, "+OK");
    raw_expect_closed(&peer);
    raw_close(&peer);
    assert_int_equal(poplin_memory_count(fixture->memory, SLICE("alice")), 5000);
}

static void remove_message(struct fixture *fixture, const char *unique_id, int status) {
    assert_int_equal(
        poplin_memory_remove(fixture->memory, SLICE("alice"), (poplin_slice){unique_id, strlen(unique_id)}), status);
}

static void test_what_the_owner_removes_is_refused_at_once(void **state) {
    struct fixture *fixture = *state;
    char ids[3][POPLIN_UNIQUE_ID_MAX + 1];
    struct raw peer;
    deliver(fixture, "one", ids[0]);
    deliver(fixture, "two", ids[1]);
    deliver(fixture, "three", ids[2]);
    dial(fixture, &peer);
    raw_login(&peer, "alice", "secret");
    remove_message(fixture, ids[1], POPLIN_OK);
    remove_message(fixture, ids[1], POPLIN_ERR_REFUSED);
    remove_message(fixture, "", POPLIN_ERR_REFUSED);
    assert_int_equal(poplin_memory_remove(fixture->memory, SLICE("bob"), SLICE("x")), POPLIN_ERR_REFUSED);
    assert_int_equal(poplin_memory_count(fixture->memory, SLICE("alice")), 2);
    raw_say(&peer, "RETR 2\r\nRETR 3\r\nDELE 2\r\nDELE 1\r\nQUIT\r\n");
    raw_expect(&peer, "-ERR");
    raw_expect(&peer, "+OK");
    raw_expect(&peer, "three");
    raw_expect(&peer, ".");
    for (int i = 0; i < 3; i++)
        raw_expect(&peer, "+OK");
    raw_expect_closed(&peer);
    raw_close(&peer);
    assert_int_equal(poplin_memory_count(fixture->memory, SLICE("alice")), 1);
}

/* The session holds on to its maildrop, the name is free at once, and what the session commits is not the new user's. */
static void test_a_user_is_removed_while_a_session_goes_on(void **state) {
    struct fixture *fixture = *state;
    struct raw old, fresh;
    deliver(fixture, "one", NULL);
    deliver(fixture, "two", NULL);
    dial(fixture, &old);
    raw_login(&old, "alice", "secret");
    assert_int_equal(poplin_memory_remove_user(fixture->memory, SLICE("alice")), POPLIN_OK);
    assert_int_equal(poplin_memory_remove_user(fixture->memory, SLICE("alice")), POPLIN_ERR_REFUSED);
    assert_int_equal(poplin_memory_add_user(fixture->memory, SLICE("alice"), SLICE("changed")), POPLIN_OK);
    deliver(fixture, "new", NULL);
    raw_say(&old, "STAT\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n");
    raw_expect(&old, "+OK 2 ");
    raw_expect(&old, "-ERR");
    raw_expect(&old, "+OK");
    raw_expect(&old, "+OK");
    raw_expect_closed(&old);
    raw_close(&old);
    dial(fixture, &fresh);
    raw_login(&fresh, "alice", "changed");
    raw_say(&fresh, "RETR 1\r\n");
    raw_expect(&fresh, "+OK");
    raw_expect(&fresh, "new");
    raw_close(&fresh);
}

static void test_a_removed_user_cannot_log_in(void **state) {
    struct fixture *fixture = *state;
    struct raw peer;
    dial(fixture, &peer);
    raw_expect(&peer, "+OK");
    raw_say(&peer, "USER alice\r\n");
    raw_expect(&peer, "+OK");
    assert_int_equal(poplin_memory_remove_user(fixture->memory, SLICE("alice")), POPLIN_OK);
    raw_say(&peer, "PASS secret\r\n");
    raw_expect(&peer, "-ERR [AUTH]");
    raw_close(&peer);
}

static void test_names_and_passwords_may_hold_any_octet(void **state) {
    struct fixture *fixture = *state;
    poplin_slice odd = SLICE("al\0ice"), empty = {NULL, 0};
    assert_int_equal(poplin_memory_add_user(fixture->memory, odd, SLICE("p\0q")), POPLIN_OK);
    assert_int_equal(poplin_memory_add_user(fixture->memory, SLICE("al\0ic"), empty), POPLIN_OK);
    assert_int_equal(poplin_memory_add_user(fixture->memory, odd, empty), POPLIN_ERR_STATE);
    assert_int_equal(poplin_memory_deliver(fixture->memory, odd, NULL, 0, NULL), POPLIN_OK);
    assert_int_equal(poplin_memory_count(fixture->memory, odd), 1);
    assert_int_equal(poplin_memory_count(fixture->memory, SLICE("al")), 0);
    assert_int_equal(poplin_memory_remove_user(fixture->memory, odd), POPLIN_OK);
    assert_int_equal(poplin_memory_count(fixture->memory, odd), 0);
}

static void test_a_message_over_the_limit_is_not_taken(void **state) {
    struct fixture *fixture = *state;
    char unique_id[POPLIN_UNIQUE_ID_MAX + 1] = "as it was";
    poplin_memory_limit(fixture->memory, 4);
    deliver(fixture, "four", NULL);
    assert_int_equal(poplin_memory_deliver(fixture->memory, SLICE("alice"), "fives", 5, unique_id), POPLIN_ERR_LIMIT);
    assert_string_equal(unique_id, "as it was");
    poplin_memory_limit(fixture->memory, 5);
    deliver(fixture, "fives", NULL);
    assert_int_equal(poplin_memory_count(fixture->memory, SLICE("alice")), 2);
}

/* A list is of one moment, and holds on to its messages: the address sanitizer would tell. */
static void test_a_list_stays_as_it_was_taken(void **state) {
    struct fixture *fixture = *state;
    char id[POPLIN_UNIQUE_ID_MAX + 1];
    poplin_memory_list *list = NULL;
    assert_int_equal(poplin_memory_list_new(fixture->memory, SLICE("bob"), &list), POPLIN_ERR_REFUSED);
    assert_null(list);
    deliver(fixture, "one\n", id);
    deliver(fixture, "two", NULL);
    assert_int_equal(poplin_memory_list_new(fixture->memory, SLICE("alice"), &list), POPLIN_OK);
    deliver(fixture, "three", NULL);
    assert_int_equal(poplin_memory_remove_user(fixture->memory, SLICE("alice")), POPLIN_OK);
    assert_int_equal(poplin_memory_list_count(list), 2);
    poplin_memory_message first = poplin_memory_list_get(list, 0);
    assert_string_equal(first.unique_id, id);
    assert_int_equal(first.octets, 5);
    assert_int_equal(first.data.size, 4);
    assert_memory_equal(first.data.data, "one\n", 4);
    assert_memory_equal(poplin_memory_list_get(list, 1).data.data, "two", 3);
    poplin_memory_list_free(list);
    poplin_memory_list_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_users_are_added_once_and_mail_goes_to_users_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_password_and_unknown_user_answer_alike, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_passwords_in_memory_make_scram_possible, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unique_ids_differ_and_stay, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sizes_are_those_on_the_wire, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mail_delivered_during_a_session_is_for_the_next, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_another_session_removed_is_refused, set_up_unlocked, tear_down),
        cmocka_unit_test_setup_teardown(test_a_removed_message_is_sent_to_its_end, set_up_unlocked, tear_down),
        cmocka_unit_test_setup_teardown(test_ten_thousand_messages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_the_owner_removes_is_refused_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_user_is_removed_while_a_session_goes_on, set_up_unlocked, tear_down),
        cmocka_unit_test_setup_teardown(test_a_removed_user_cannot_log_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names_and_passwords_may_hold_any_octet, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_message_over_the_limit_is_not_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_list_stays_as_it_was_taken, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
