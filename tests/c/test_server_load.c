/*
 * test_server_load.c - many clients and greedy ones: limits, fairness, back-pressure.
 */
#include "served.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/resource.h>

#ifdef __SANITIZE_ADDRESS__
size_t __sanitizer_get_current_allocated_bytes(void);
#endif

/* holds: T-RES-2 S */
static void test_more_sessions_than_allowed_are_turned_away(void **state) {
    struct served *served = *state;
    struct raw in[2], out;
    served->config.max_sessions = 2;
    served_from_memory(served, 0);
    for (size_t i = 0; i < COUNT_OF(in); i++) {
        served_dial(served, &in[i]);
        raw_expect(&in[i], "+OK");
    }
    served_dial(served, &out);
    raw_expect(&out, "-ERR [SYS/TEMP]");
    raw_expect_closed(&out);
    raw_close(&out);
    raw_say(&in[0], "QUIT\r\n");
    raw_expect(&in[0], "+OK");
    served_dial(served, &out);
    raw_expect(&out, "+OK");
    raw_close(&out);
    raw_close(&in[0]);
    raw_close(&in[1]);
}

static bool is_hung_up(const struct raw *raw) {
    struct pollfd peer = {.fd = raw->descriptor};
    return poll(&peer, 1, 0) == 1 && (peer.revents & POLLHUP) != 0;
}

/*
 * A session that has ended is none any more, but its connection stays while its last words wait for the client: not for
 * any number of clients.
 * holds: T-RES-2 S
 */
static void test_no_crowd_is_waited_for_at_the_exit(void **state) {
    struct served *served = *state;
    enum { CLIENTS = 6, SESSIONS = 2 };
    struct unix_address address;
    struct raw peers[CLIENTS];
    size_t waited_for = 0;
    served->config.path = unix_address_new(&address);
    served->config.max_sessions = SESSIONS;
    served_from_memory(served, 0);
    for (size_t i = 0; i < CLIENTS; i++) {
        raw_dial_unix(&peers[i], served->loop, address.path);
        (void)raw_fill(&peers[i]);
        raw_say(&peers[i], "QUIT\r\n");
        raw_settle(served->loop);
        assert_int_equal(poplin_server_sessions(served->server), 0);
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        waited_for += !is_hung_up(&peers[i]);
        raw_close(&peers[i]);
    }
    assert_int_equal(waited_for, SESSIONS);
    unix_address_free(&address, served);
}

/* Raises the limit of descriptors as far as it goes; how many connections there may be, both ends of which are ours. */
static size_t room_for_connections(void) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return (size_t)(limit.rlim_cur - 64) / 2;
}

/* Octets on the heap; valgrind's knows none. */
static size_t heap_in_use(void) {
#ifdef __SANITIZE_ADDRESS__
    return __sanitizer_get_current_allocated_bytes();
#else
    return mallinfo2().uordblks;
#endif
}

/* What the client has read is not counted against the server. */
static void become_idle(struct raw *raw) {
    free(raw->data);
    free(raw->line);
    raw->data = raw->line = NULL;
    raw->at = raw->size = raw->capacity = 0;
}

/*
 * Each has logged in and waits; one more is turned away. All of them are served, and all are left when their time is over.
 * holds: T-RES-2 S
 */
static void test_five_thousand_connections(void **state) {
    struct served *served = *state;
    enum { WANTED = 5000, LEAST = 1000, OCTETS_EACH = 8 << 10 };
    static struct raw peers[WANTED];
    struct raw out;
    size_t room = room_for_connections(), count = room < WANTED ? room : WANTED;
    assert_true(count >= LEAST);
    served->config.max_sessions = count;
    served->config.lock = POPLIN_LOCK_NONE;
    served_from_memory(served, 3);
    size_t before = heap_in_use();
    for (size_t i = 0; i < count; i++) {
        served_login(served, &peers[i]);
        become_idle(&peers[i]);
    }
    raw_settle(served->loop);
    assert_true((heap_in_use() - before) / count <= OCTETS_EACH);
    served_dial(served, &out);
    raw_expect(&out, "-ERR [SYS/TEMP]");
    raw_close(&out);
    for (size_t i = 0; i < count; i++)
        raw_say(&peers[i], "NOOP\r\n");
    for (size_t i = 0; i < count; i++)
        raw_expect(&peers[i], "+OK");
    assert_int_equal(poplin_server_sessions(served->server), count);
    poplin_loop_advance(served->loop, 300 * 1000);
    raw_settle(served->loop);
    assert_int_equal(poplin_server_sessions(served->server), count);
    poplin_loop_advance(served->loop, 400 * 1000);
    raw_settle(served->loop);
    assert_int_equal(poplin_server_sessions(served->server), 0);
    for (size_t i = 0; i < count; i++)
        raw_close(&peers[i]);
}

static void test_a_thousand_sessions_at_once(void **state) {
    struct served *served = *state;
    enum { SESSIONS = 1000 };
    static struct raw peers[SESSIONS];
    assert_true(room_for_connections() >= SESSIONS);
    served->config.lock = POPLIN_LOCK_NONE;
    served_from_memory(served, 3);
    for (size_t i = 0; i < SESSIONS; i++)
        served_login(served, &peers[i]);
    assert_int_equal(poplin_server_sessions(served->server), SESSIONS);
    for (size_t i = 0; i < SESSIONS; i++)
        raw_say(&peers[i], "RETR 1\r\nRETR 2\r\nRETR 3\r\nQUIT\r\n");
    for (size_t i = 0; i < SESSIONS; i++) {
        for (int message = 0; message < 3; message++) {
            raw_expect(&peers[i], "+OK");
            assert_int_equal(raw_skip_lines(&peers[i]), 1);
        }
        raw_expect(&peers[i], "+OK");
        raw_expect_closed(&peers[i]);
        raw_close(&peers[i]);
    }
    assert_int_equal(poplin_server_sessions(served->server), 0);
}

/* The last descriptors are gone: who calls then waits in the kernel, and nothing spins. */
static void test_without_descriptors_accepting_pauses(void **state) {
    struct served *served = *state;
    struct rlimit before, none;
    struct raw first, second;
    served_from_memory(served, 0);
    served_dial(served, &first);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)first.descriptor + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    raw_settle(served->loop);
    assert_int_equal(poplin_server_sessions(served->server), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    poplin_loop_advance(served->loop, 1000);
    served_dial(served, &second);
    raw_expect(&second, "+OK");
    raw_close(&first);
    raw_close(&second);
}

/*
 * The flood's replies all fit the socket, and it was there first; still the other one gets its answer in between.
 * holds: T-RES-4 S
 */
static void test_a_flood_does_not_starve_others(void **state) {
    struct served *served = *state;
    enum { COMMANDS = 4000 };
    static char commands[COMMANDS * 8];
    struct raw flood, other;
    served_from_memory(served, 1);
    served_dial(served, &other);
    raw_expect(&other, "+OK");
    served_login(served, &flood);
    for (size_t i = 0; i < COMMANDS; i++)
        memcpy(commands + i * 8, "RETR 1\r\n", 8);
    raw_send(&flood, commands, sizeof commands);
    raw_say(&other, "CAPA\r\n");
    raw_expect(&other, "+OK");
    while (raw_receive(&flood, SIZE_MAX))
        ;
    assert_true(flood.size < COMMANDS * strlen("+OK 11 octets\r\nmessage 1\r\n.\r\n") / 2);
    for (size_t i = 0; i < COMMANDS; i++) {
        raw_expect(&flood, "+OK");
        assert_int_equal(raw_skip_lines(&flood), 1);
    }
    raw_close(&flood);
    raw_close(&other);
}

/*
 * A client that sends and never reads: the server stops reading it, and what it keeps is bounded.
 * holds: T-RES-4 S, T-RES-1 S, LIM-9 S
 */
static void test_a_client_that_does_not_read_is_not_read(void **state) {
    struct served *served = *state;
    static char commands[65536];
    size_t sent_in_all = 0;
    struct raw peer;
    served_from_memory(served, 0);
    raw_dial(&peer, served->loop, poplin_server_port(served->server), 4096);
    for (size_t i = 0; i + 6 <= sizeof commands; i += 6)
        memcpy(commands + i, "CAPA\r\n", 6);
    for (int silent = 0; silent < 100;) {
        ssize_t sent = send(peer.descriptor, commands, sizeof commands / 6 * 6, MSG_NOSIGNAL);
        silent = sent > 0 ? 0 : silent + 1;
        sent_in_all += sent > 0 ? (size_t)sent : 0;
        assert_int_equal(poplin_loop_step(served->loop, 0), POPLIN_OK);
        assert_true(sent_in_all < 256u << 20);
    }
    raw_settle(served->loop); /* and nothing spins */
    raw_close(&peer);
}

/* ---- logins ---- */

/* A guess in each way that a password can be shown or proved, with what the server says to it. */
static const struct guess {
    const char *said;
    size_t lines;
} guesses[] = {
    {"USER alice\r\nPASS wrong\r\n", 2},
    {"USER nobody\r\nPASS wrong\r\n", 2},
    {"AUTH PLAIN AGFsaWNlAHdyb25n\r\n", 1},
    {"AUTH LOGIN\r\nbm9ib2R5\r\nd3Jvbmc=\r\n", 3},
    {"AUTH CRAM-MD5\r\nYWxpY2UgMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\r\n", 2},
    {"APOP alice 0123456789abcdef0123456789abcdef\r\n", 1},
};

/* Three guesses, the last of which ends the session; or one, and the client is gone before it is judged or told. */
static void guess(struct served *served, size_t number) {
    const struct guess *made = &guesses[number % COUNT_OF(guesses)];
    bool stays = number % 5 < 3;
    struct raw raw;
    served_dial(served, &raw);
    raw_expect(&raw, "+OK");
    for (size_t i = 0; i < (stays ? 3 : 1); i++)
        raw_say(&raw, made->said);
    for (size_t i = 0; stays && i < 3 * made->lines; i++)
        raw_expect(&raw, (i + 1) % made->lines == 0 ? "-ERR [AUTH]" : "+");
    if (stays)
        raw_expect_closed(&raw);
    if (number % 5 == 3)
        raw_reset(&raw);
    else
        raw_close(&raw);
    served_until_sessions(served, 0);
    raw_settle(served->loop);
}

static size_t count_descriptors(void) {
    size_t open = 0;
    for (int i = 0; i < 4096; i++)
        open += fcntl(i, F_GETFD) >= 0;
    return open;
}

/* holds: T-BRU-1 S, T-SASL-9 S */
static void test_ten_thousand_failed_logins_leave_nothing(void **state) {
    struct served *served = *state;
    enum { CLIENTS = 5000, OCTETS_EACH = 12 };
    served->config.session.mechanisms = "USER APOP PLAIN LOGIN CRAM-MD5";
    served->config.session.allow_cleartext = true;
    served->config.loopback_protected = false; /* so that the address is kept, too */
    served_from_memory(served, 0);
    for (size_t i = 0; i < COUNT_OF(guesses) * 5; i++)
        guess(served, i);
    size_t heap = heap_in_use(), descriptors = count_descriptors();
    for (size_t i = 0; i < CLIENTS; i++)
        guess(served, i);
    assert_true(heap_in_use() <= heap + (size_t)CLIENTS * OCTETS_EACH); /* what the allocator holds in reserve */
    assert_int_equal(count_descriptors(), descriptors);
}

/*
 * Ten million octets where a response belongs: little of it is kept, and others are served meanwhile.
 * holds: T-SASL-4 S, T-SASL-5 S, T-SCR-6 S
 */
static void test_a_response_without_end(void **state) {
    struct served *served = *state;
    enum { PIECE = 65536, PIECES = 160, OCTETS = 1 << 20 };
    static const char *const beginnings[] = {"AUTH PLAIN\r\n", "AUTH PLAIN ", "AUTH SCRAM-SHA-256 biwsbj1h",
                                             "AUTH SCRAM-SHA-256\r\nbiwsbj1h"};
    static char piece[PIECE];
    struct raw flood, other;
    memset(piece, 'A', sizeof piece);
    served_from_memory(served, 0);
    served_dial(served, &other);
    raw_expect(&other, "+OK");
    for (size_t i = 0; i < COUNT_OF(beginnings); i++) {
        served_dial(served, &flood);
        raw_expect(&flood, "+OK");
        raw_say(&flood, beginnings[i]);
        size_t heap = heap_in_use();
        for (size_t sent = 0; sent < PIECES; sent++) {
            raw_send(&flood, piece, sizeof piece);
            raw_say(&other, "CAPA\r\n");
            raw_expect(&other, "+OK");
            (void)raw_skip_lines(&other);
            assert_true(heap_in_use() <= heap + OCTETS);
        }
        raw_settle(served->loop);
        assert_int_equal(poplin_server_sessions(served->server), 1);
        raw_close(&flood);
    }
    raw_close(&other);
}

/* Each is answered inside the backend's function: a call deeper for each would be too deep. */
static void test_answers_at_once_need_no_stack(void **state) {
    struct served *served = *state;
    enum { COMMANDS = 100000 };
    struct raw peer;
    char *commands = malloc(COMMANDS * 8);
    size_t at = 0, messages = 0;
    served_from_memory(served, 1);
    served_login(served, &peer);
    for (size_t i = 0; i < COMMANDS; i++)
        memcpy(commands + i * 8, "RETR 1\r\n", 8);
    while (messages < COMMANDS) {
        ssize_t sent = at < COMMANDS * 8 ? send(peer.descriptor, commands + at, COMMANDS * 8 - at, MSG_NOSIGNAL) : 0;
        at += sent > 0 ? (size_t)sent : 0;
        if (!raw_receive(&peer, SIZE_MAX))
            served_step(served);
        for (const char *dot; (dot = memmem(peer.data + peer.at, peer.size - peer.at, "\r\n.\r\n", 5)) != NULL;) {
            peer.at = (size_t)(dot - peer.data) + 5;
            messages++;
        }
        memmove(peer.data, peer.data + peer.at, peer.size - peer.at);
        peer.size -= peer.at;
        peer.at = 0;
    }
    free(commands);
    raw_close(&peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVED_TEST(test_more_sessions_than_allowed_are_turned_away),
        SERVED_TEST(test_no_crowd_is_waited_for_at_the_exit),
        SERVED_TEST(test_five_thousand_connections),
        SERVED_TEST(test_a_thousand_sessions_at_once),
        SERVED_TEST(test_without_descriptors_accepting_pauses),
        SERVED_TEST(test_a_flood_does_not_starve_others),
        SERVED_TEST(test_a_client_that_does_not_read_is_not_read),
        SERVED_TEST(test_ten_thousand_failed_logins_leave_nothing),
        SERVED_TEST(test_a_response_without_end),
        SERVED_TEST(test_answers_at_once_need_no_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
