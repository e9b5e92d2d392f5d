/*
 * test_memory_expire.c - maildrops in memory in which mail stays for some days of the server's clock: gone when a session opens
 * them, and never while one has them open. On a clock that only the tests move.
 */
#include "still_clock.h"

#include "served.h"

#define DAYS(n) ((uint64_t)(n)*24 * 60 * 60 * 1000)

static void put(struct served *served) {
    assert_int_equal(poplin_memory_deliver(served->memory, SLICE("alice"), "hello\r\n", 7, NULL), POPLIN_OK);
}

/* A server whose mail stays for so many days, which it announces. */
static void start(struct served *served, uint32_t days) {
    served->config.session.expire = days;
    poplin_memory_expire(served->memory, served->loop, days);
    served_from_memory(served, 0);
}

/* What a session finds when it opens the maildrop. */
static void expect_messages(struct served *served, const char *stat) {
    struct raw raw;
    served_login(served, &raw);
    raw_say(&raw, "STAT\r\nQUIT\r\n");
    raw_expect(&raw, stat);
    raw_expect(&raw, "+OK bye");
    raw_expect_closed(&raw);
    raw_close(&raw);
    served_until_sessions(served, 0);
}

/* holds: POP-EXP-1 S */
static void test_mail_stays_for_its_days_and_no_longer(void **state) {
    struct served *served = *state;
    start(served, 7);
    put(served);
    poplin_loop_advance(served->loop, DAYS(3));
    put(served);
    poplin_loop_advance(served->loop, DAYS(4) - 1);
    expect_messages(served, "+OK 2 14");
    poplin_loop_advance(served->loop, 1);
    assert_int_equal(served_count(served), 2); /* nobody has opened it */
    expect_messages(served, "+OK 1 7");
    assert_int_equal(served_count(served), 1);
    poplin_loop_advance(served->loop, DAYS(3));
    expect_messages(served, "+OK 0 0");
}

/* holds: T-LCK-2 S */
static void test_nothing_goes_while_a_session_has_it_open(void **state) {
    struct served *served = *state;
    struct raw one, other;
    served->config.lock = POPLIN_LOCK_NONE;
    served->config.inactivity_ms = UINT32_MAX;
    start(served, 7);
    put(served);
    served_login(served, &one);
    poplin_loop_advance(served->loop, DAYS(8));
    served_login(served, &other);
    raw_say(&other, "STAT\r\nQUIT\r\n");
    raw_expect(&other, "+OK 1 7");
    raw_expect(&other, "+OK bye");
    raw_close(&other);
    raw_say(&one, "RETR 1\r\nQUIT\r\n");
    raw_expect(&one, "+OK 7 octets");
    raw_expect(&one, "hello");
    raw_expect(&one, ".");
    raw_expect(&one, "+OK bye");
    raw_close(&one);
    served_until_sessions(served, 0);
    expect_messages(served, "+OK 0 0");
}

static void test_no_days_and_never_remove_nothing(void **state) {
    static const uint32_t days[] = {0, POPLIN_EXPIRE_NEVER, POPLIN_EXPIRE_UNSAID};
    struct served *served = *state;
    put(served);
    for (size_t i = 0; i < COUNT_OF(days); i++) {
        start(served, days[i]);
        poplin_loop_advance(served->loop, DAYS(40));
        expect_messages(served, "+OK 1 7");
        served_stop(served);
    }
}

/* What was delivered before anybody said how long it stays counts from then on; and it may be said again, or taken back. */
static void test_days_count_from_where_they_were_named(void **state) {
    struct served *served = *state;
    put(served);
    poplin_loop_advance(served->loop, DAYS(30));
    start(served, 7);
    expect_messages(served, "+OK 1 7");
    poplin_loop_advance(served->loop, DAYS(7));
    poplin_memory_expire(served->memory, NULL, 0);
    expect_messages(served, "+OK 1 7");
    poplin_memory_expire(served->memory, served->loop, 1);
    poplin_loop_advance(served->loop, DAYS(1));
    expect_messages(served, "+OK 0 0");
}

/* holds: POP-UPD-7 S */
static void test_what_was_fetched_is_gone_from_the_maildrop(void **state) {
    struct served *served = *state;
    struct raw raw;
    start(served, 0);
    put(served);
    put(served);
    served_login(served, &raw);
    raw_say(&raw, "RETR 1\r\n");
    raw_expect(&raw, "+OK 7 octets");
    raw_expect(&raw, "hello");
    raw_expect(&raw, ".");
    raw_close(&raw); /* without QUIT */
    served_until_sessions(served, 0);
    assert_int_equal(served_count(served), 2);
    served_login(served, &raw);
    raw_say(&raw, "RETR 1\r\nRSET\r\nQUIT\r\n");
    raw_expect(&raw, "+OK 7 octets");
    raw_expect(&raw, "hello");
    raw_expect(&raw, ".");
    raw_expect(&raw, "+OK");
    raw_expect(&raw, "+OK bye");
    raw_close(&raw);
    assert_int_equal(served_count(served), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVED_TEST(test_mail_stays_for_its_days_and_no_longer),
        SERVED_TEST(test_nothing_goes_while_a_session_has_it_open),
        SERVED_TEST(test_no_days_and_never_remove_nothing),
        SERVED_TEST(test_days_count_from_where_they_were_named),
        SERVED_TEST(test_what_was_fetched_is_gone_from_the_maildrop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
