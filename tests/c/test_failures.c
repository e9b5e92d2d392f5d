/*
 * test_failures.c - failed logins by where they came from: what counts as one place, how often it failed, and when that is forgotten.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

#include "loop/failures.h"
#include "loop/listen.h"

#include "support.h"

/* ---- where a peer is: the system is asked, and says what the test wants ---- */

static const char *peer; /* an address as text; NULL: a Unix socket; "": the system does not know */

static socklen_t write_address(void *address) {
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(4711)};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(4711)};
    struct sockaddr local = {.sa_family = AF_UNIX};
    if (peer == NULL) {
        memcpy(address, &local, sizeof local);
        return sizeof local.sa_family;
    }
    if (inet_pton(AF_INET, peer, &v4.sin_addr) == 1) {
        memcpy(address, &v4, sizeof v4);
        return sizeof v4;
    }
    assert_int_equal(inet_pton(AF_INET6, peer, &v6.sin6_addr), 1);
    memcpy(address, &v6, sizeof v6);
    return sizeof v6;
}

/* Stands in for the system's, in the whole executable. */
int getpeername(int descriptor, struct sockaddr *address, socklen_t *size) {
    (void)descriptor;
    if (peer != NULL && *peer == '\0') {
        errno = ENOTCONN;
        return -1;
    }
    *size = write_address(address);
    return 0;
}

static poplin_origin origin_of(const char *address) {
    poplin_origin origin;
    peer = address;
    poplin_peer_origin(0, &origin);
    return origin;
}

static bool are_one(const char *one, const char *other) {
    return origin_of(one).network == origin_of(other).network;
}

/* holds: T-BRU-1 S */
static void test_who_counts_as_one(void **state) {
    (void)state;
    assert_true(are_one("192.0.2.1", "192.0.2.1"));
    assert_false(are_one("192.0.2.1", "192.0.2.2"));
    assert_true(are_one("192.0.2.1", "::ffff:192.0.2.1"));
    assert_true(are_one("2001:db8:0:1::1", "2001:db8::1:ffff:ffff:ffff:ffff"));
    assert_false(are_one("2001:db8:0:1::1", "2001:db8:0:2::1"));
    assert_false(are_one("0.0.0.0", "::1"));
}

static void test_a_place_as_text_has_no_port(void **state) {
    (void)state;
    assert_string_equal(origin_of("192.0.2.1").address, "192.0.2.1");
    assert_string_equal(origin_of("::ffff:192.0.2.1").address, "192.0.2.1");
    assert_string_equal(origin_of("2001:db8::1:2").address, "2001:db8::1:2");
    assert_true(origin_of("::1").has_network);
    assert_false(origin_of(NULL).has_network);
    assert_string_equal(origin_of(NULL).address, "");
    assert_false(origin_of("").has_network);
}

/* ---- how often ---- */

/* holds: T-BRU-1 S */
static void test_failures_are_counted_for_each_place(void **state) {
    poplin_failures failures = {0};
    (void)state;
    for (unsigned i = 1; i <= 8; i++) {
        assert_int_equal(poplin_failures_note(&failures, 7, i), i < 5 ? i : 5);
        assert_int_equal(poplin_failures_note(&failures, 0, i), i < 5 ? i : 5);
    }
    assert_int_equal(poplin_failures_note(&failures, 8, 9), 1);
    poplin_failures_free(&failures);
}

static void test_a_failure_counts_for_ten_minutes(void **state) {
    poplin_failures failures = {0};
    const uint64_t start = 5000;
    (void)state;
    assert_int_equal(poplin_failures_note(&failures, 7, start), 1);
    assert_int_equal(poplin_failures_note(&failures, 7, start + POPLIN_FAILURES_KEPT_MS - 1), 2);
    assert_int_equal(poplin_failures_note(&failures, 7, start + POPLIN_FAILURES_KEPT_MS), 2);
    assert_int_equal(poplin_failures_note(&failures, 7, start + 3 * POPLIN_FAILURES_KEPT_MS), 1);
    for (unsigned i = 0; i < 20; i++)
        (void)poplin_failures_note(&failures, 7, start + 4 * POPLIN_FAILURES_KEPT_MS);
    assert_int_equal(poplin_failures_note(&failures, 7, start + 5 * POPLIN_FAILURES_KEPT_MS), 1);
    poplin_failures_free(&failures);
}

static void test_what_is_over_makes_room(void **state) {
    poplin_failures failures = {0};
    (void)state;
    for (uint64_t i = 0; i < 1000; i++)
        assert_int_equal(poplin_failures_note(&failures, i, i * POPLIN_FAILURES_KEPT_MS), 1);
    assert_int_equal(failures.count, 1);
    poplin_failures_free(&failures);
}

/* holds: T-BRU-1 S */
static void test_a_crowd_drives_out_the_oldest(void **state) {
    poplin_failures failures = {0};
    uint64_t now = 0;
    (void)state;
    for (uint64_t network = 0; network < POPLIN_FAILURES_MAX; network++)
        assert_int_equal(poplin_failures_note(&failures, network, now++), 1);
    assert_int_equal(poplin_failures_note(&failures, 0, now++), 2);
    assert_int_equal(poplin_failures_note(&failures, 100000, now++), 1); /* in the place of 1 */
    assert_int_equal(failures.count, POPLIN_FAILURES_MAX);
    assert_int_equal(poplin_failures_note(&failures, 0, now++), 3);
    assert_int_equal(poplin_failures_note(&failures, 2, now++), 2);
    assert_int_equal(poplin_failures_note(&failures, 1, now++), 1);
    assert_int_equal(poplin_failures_note(&failures, 100000, now++), 2);
    assert_int_equal(failures.count, POPLIN_FAILURES_MAX);
    poplin_failures_free(&failures);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_counts_as_one),
        cmocka_unit_test(test_a_place_as_text_has_no_port),
        cmocka_unit_test(test_failures_are_counted_for_each_place),
        cmocka_unit_test(test_a_failure_counts_for_ten_minutes),
        cmocka_unit_test(test_what_is_over_makes_room),
        cmocka_unit_test(test_a_crowd_drives_out_the_oldest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
