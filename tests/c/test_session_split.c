/*
 * test_session_split.c - a session does the same however its input is cut, its output drained, its questions answered and
 * its messages lent: what the client sees, octet by octet, and what the host is asked.
 */
#include "session_host.h"

#define TIMES_10(text) text text text text text text text text text text
#define LOGIN "USER alice\r\nPASS the secret \r\n"
#define LONG TIMES_10(TIMES_10("0123456789"))
#define FLOOD TIMES_10(LONG)
#define HUNDRED TIMES_10("0123456789")

/* What clients said, good and bad. */
static const char *const streams[] = {
    LOGIN "STAT\r\nLIST\r\nUIDL\r\nRETR 1\r\nTOP 2 1\r\nDELE 1\r\nQUIT\r\n",
    "CAPA\r\nAUTH PLAIN AGFsaWNlAHNlY3JldA==\r\nCAPA\r\nRETR 2\r\nLIST 2\r\nRETR 1\r\nNOOP\r\nQUIT\r\n",
    "AUTH PLAIN\r\nAGFsaWNlAHNlY3JldA==\r\nRETR 3\r\nRETR 4\r\nLIST\r\nTOP 1 0\r\nTOP 3 99\r\nUIDL 4\r\nQUIT\r\n",
    "AUTH PLAIN\r\n*\r\nAUTH PLAIN =\r\nAUTH PLAIN\r\n\r\nUSER a\r\nSTAT\r\nPASS b\r\nQUIT\r\n",
    "USER\r\nPASS\r\nNOOP x\r\nSTAT 1\r\n\r\n \r\nRETR 1\r\nAUTH\r\nxyz\r\nUSER a b\r\nQUIT\r\n",
    LOGIN "RETR\r\nRETR 0\r\nRETR 9\r\nTOP 1\r\nNOOP\r\nLIST x\r\nDELE  1\r\nA\rB\nC\r\nA\n\rB\r\r\nQUIT\r\n",
    LOGIN "DELE 1\r\nDELE 1\r\nRSET\r\nDELE 4\r\nDELE 2\r\nLIST\r\nSTAT\r\nUIDL 2\r\nQUIT\r\nNOOP\r\n",
    LOGIN "DELE 1\r\nRSET\r\nQUIT\r\n",
    LOGIN "DELE 1\r\nRETR 2\r\nQU",
    LOGIN "a\r\nb\r\nc\r\nd\r\ne\r\nf\r\ng\r\nh\r\ni\r\nj\r\nk\r\nQUIT\r\n",
    "USER a\r\nPASS 1\r\nUSER " LONG "\r\nPASS 2\r\nNOOP " LONG LONG "\r\n" LOGIN "NOOP " LONG "\r\n" LONG LONG
    "\r\nSTAT\r\nQUIT\r\n",
    "AUTH PLAIN\r\n" LONG LONG "\r\nQUIT\r\n",
    LOGIN FLOOD FLOOD FLOOD FLOOD FLOOD FLOOD FLOOD "\r\nQUIT\r\n",
    /* a line that ends a few octets behind the place where the session gives it up */
    LOGIN FLOOD FLOOD FLOOD FLOOD FLOOD FLOOD LONG LONG LONG LONG LONG HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED
        HUNDRED HUNDRED "\r\nQUIT\r\n",
    "STLS\r\nQUIT x\r\nQUIT\r\n",
};

static const struct host_message messages[] = {
    {"vector", "From: a@b\r\n\r\n.\r\n..x\r\nline\r\n", 27},
    {"bare", "Subject: x\nTo: y\n\n.\n..\nno end\r", POPLIN_OCTETS_UNKNOWN},
    {"empty", "", POPLIN_OCTETS_UNKNOWN},
    {"wrong", "....\n....", 4},
};

/* Logins of each kind. The server's challenges are random, so that proofs are wrong; those that are right are in test_session_auth.c. */
static const char *const logins[] = {
    "AUTH LOGIN\r\nYWxpY2U=\r\nc2VjcmV0\r\nRETR 1\r\nQUIT\r\n",
    "AUTH LOGIN\r\n*\r\nAUTH LOGIN\r\nYWxpY2U=\r\n*\r\nAUTH LOGIN\r\n=\r\nUSER alice\r\nPASS secret\r\nDELE "
    "1\r\nQUIT\r\n",
    "AUTH XOAUTH2 dXNlcj1hbGljZQFhdXRoPUJlYXJlciB4AQE=\r\nCAPA\r\nQUIT\r\n",
    "AUTH XOAUTH2 dXNlcj1hbGljZQFhdXRoPQEB\r\n\r\nAUTH OAUTHBEARER bixhPWFsaWNlLAFhdXRoPQEB\r\nAQ==\r\nNOOP\r\nAUTH "
    "PLAIN AGEAYg==\r\n",
    "AUTH OAUTHBEARER\r\nbixhPWFsaWNlLAFhdXRoPUJlYXJlciB4AQE=\r\nSTAT\r\nQUIT\r\n",
    "AUTH SCRAM-SHA-256 biwsbj1hbGljZSxyPWFiYw==\r\nYz1iaXdz\r\nAUTH "
    "SCRAM-SHA-1\r\nbiwsbj1hbGljZSxyPWFiYw==\r\n*\r\nQUIT\r\n",
    "AUTH CRAM-MD5\r\nYWxpY2UgMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\r\nAUTH ANONYMOUS c2lyaGM=\r\nDELE "
    "1\r\nQUIT\r\n",
    "APOP alice c4c9334bac560ecc979e58001b3e22fb\r\nAUTH EXTERNAL =\r\nAUTH ANONYMOUS\r\n\r\nLIST\r\nQUIT\r\n",
    "USER a\r\nPASS b\r\nAUTH PLAIN AGEAYg==\r\nAUTH PLAIN =\r\nQUIT\r\n",
    "AUTH CRAM-MD5 eA==\r\nAUTH GSSAPI\r\nAUTH PLAIN\r\n" LONG LONG "\r\nQUIT\r\n",
};

/* How a run goes. */
struct way {
    void (*heed)(struct host *host, const poplin_session_line *line);
    bool watched;
    size_t piece;
    size_t drain;
    size_t max_output;
    bool late;
    bool logins; /* all kinds of them, and failures are delayed */
};

struct record {
    char *heard;
    char *events;
    char *talk;
};

static void begin(struct host *host, struct way way) {
    host_init(host);
    host->messages = messages;
    host->count = COUNT_OF(messages);
    host->piece = way.piece;
    host->drain = way.drain;
    host->late = way.late;
    host->heed = way.heed;
    host->config.watched = way.watched;
    host->config.max_line = 255; /* so that a line over the limit is short enough to be cut everywhere */
    host->config.max_sasl_line = 1026;
    if (way.logins) {
        host->config.asks = POPLIN_ASK_SECRET | POPLIN_ASK_TOKEN;
        host->config.mechanisms =
            "USER APOP SCRAM-SHA-256 SCRAM-SHA-1 OAUTHBEARER XOAUTH2 PLAIN LOGIN CRAM-MD5 ANONYMOUS";
        host->config.delays = true;
        host->config.pepper = (poplin_slice){"pepper", 6};
    }
    if (way.max_output > 0)
        host->config.max_output = way.max_output;
    host_start(host);
}

/* What was heard, or told of, without what is random in it: challenges, and the timestamp of the greeting. */
static char *without_chance(const char *text) {
    char *copy = strdup(text), *to = copy;

    assert_non_null(copy);
    while (*text != '\0') {
        bool challenge = strncmp(text, "+ ", 2) == 0 || strncmp(text, "S: + ", 5) == 0;
        size_t size = strcspn(text, "\n"), kept = challenge ? 2 : strcspn(text, "\n<");

        memcpy(to, text, kept);
        to += kept;
        text += size;
        if (*text == '\n')
            *to++ = *text++;
    }
    *to = '\0';
    return copy;
}

/* Ends the session as the client's going does, and takes what it leaves. */
static struct record end(struct host *host) {
    struct record record;

    if (poplin_session_phase(host->session) != 0)
        host_eof(host);
    record.heard = without_chance(host_heard(host));
    record.events = strdup(host_events(host));
    record.talk = without_chance(host_talk(host));
    assert_non_null(record.events);
    host_free(host);
    return record;
}

static struct record run_cut_at(const char *stream, size_t cut, struct way way) {
    struct host host;

    begin(&host, way);
    if (cut > 0)
        host_feed(&host, stream, cut);
    host_feed(&host, stream + cut, strlen(stream) - cut);
    return end(&host);
}

static struct record run_random(const char *stream, size_t most, uint64_t seed, struct way way) {
    struct host host;
    size_t size = strlen(stream);

    begin(&host, way);
    for (size_t from = 0, to; from < size; from = to) {
        to = from + 1 + random_below(&seed, most);
        if (to > size)
            to = size;
        host_feed(&host, stream + from, to - from);
    }
    return end(&host);
}

static void free_record(struct record record) {
    free(record.heard);
    free(record.events);
    free(record.talk);
}

static void assert_same(struct record actual, struct record expected) {
    assert_string_equal(actual.heard, expected.heard);
    assert_string_equal(actual.events, expected.events);
    assert_string_equal(actual.talk, expected.talk);
    free_record(actual);
}

/* holds: POP-PIPE-1 S, T-STLS-2 S */
static void every_single_cut(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(streams); i++) {
        struct record whole = run_cut_at(streams[i], 0, (struct way){0});
        size_t size = strlen(streams[i]), step = size > 10000 ? 97 : 1;

        for (size_t cut = 1; cut < size; cut += step)
            assert_same(run_cut_at(streams[i], cut, (struct way){0}), whole);
        free_record(whole);
    }
}

/* holds: POP-GEN-16 S */
static void octet_by_octet_and_at_random(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(streams); i++) {
        struct record whole = run_cut_at(streams[i], 0, (struct way){0});

        assert_same(run_random(streams[i], 1, 0, (struct way){0}), whole);
        for (uint64_t seed = 1; seed <= 50; seed++)
            assert_same(run_random(streams[i], 2 + seed * seed, seed, (struct way){0}), whole);
        free_record(whole);
    }
}

/* holds: T-UPD-4 S, T-RES-4 S */
static void late_answers_small_pieces_and_slow_clients(void **state) {
    static const struct way ways[] = {
        {.late = true},
        {.max_output = 1},
        {.max_output = 1, .drain = 1, .late = true},
        {.piece = 1},
        {.piece = 1, .late = true, .max_output = 3},
        {.piece = 5, .drain = 7, .max_output = 20},
        {.piece = 13, .max_output = 64, .late = true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(streams); i++) {
        struct record whole = run_cut_at(streams[i], 0, (struct way){0});

        for (size_t way = 0; way < COUNT_OF(ways); way++) {
            struct record pieces = run_cut_at(streams[i], 0, ways[way]);

            assert_string_equal(pieces.heard, whole.heard);
            if (ways[way].piece == 0)
                assert_string_equal(pieces.events, whole.events);
            for (uint64_t seed = 1; seed <= 10; seed++)
                assert_same(run_random(streams[i], 2 + seed * seed, seed, ways[way]), pieces);
            free_record(pieces);
        }
        free_record(whole);
    }
}

/* Leaves some lines undone, and carries out others in the place of some. */
static void meddle(struct host *host, const poplin_session_line *line) {
    static const char *const others[] = {"RETR 1", "QUIT", "NOOP", "A\nB", "*", "DELE 3"};
    size_t place = (size_t)poplin_session_commands(host->session) + line->line.size;

    if (place % 7 == 1) {
        assert_int_equal(poplin_session_skip(host->session), POPLIN_OK);
    } else if (place % 5 == 1) {
        const char *other = others[place % COUNT_OF(others)];

        assert_int_equal(poplin_session_substitute(host->session, (poplin_slice){other, strlen(other)}), POPLIN_OK);
    }
}

/* holds: POP-PIPE-1 S */
static void watched_session_does_the_same(void **state) {
    static const struct way ways[] = {
        {.watched = true},
        {.watched = true, .late = true, .max_output = 1, .drain = 1},
        {.watched = true, .piece = 5, .drain = 7, .max_output = 20},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(streams); i++) {
        struct record unwatched = run_cut_at(streams[i], 0, (struct way){0});
        struct record whole = run_cut_at(streams[i], 0, ways[0]);

        assert_string_equal(whole.heard, unwatched.heard);
        assert_string_equal(whole.events, unwatched.events);
        for (size_t way = 1; way < COUNT_OF(ways); way++) {
            struct record other = run_random(streams[i], 100, way, ways[way]);

            assert_string_equal(other.heard, whole.heard);
            assert_string_equal(other.talk, whole.talk);
            free_record(other);
        }
        free_record(unwatched);
        free_record(whole);
    }
}

/* holds: POP-PIPE-1 S */
static void every_single_cut_of_a_watched_session(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(streams); i++) {
        size_t size = strlen(streams[i]), step = size > 10000 ? 197 : 1;

        for (size_t meddled = 0; meddled < 2; meddled++) {
            struct way way = {.watched = true, .heed = meddled ? meddle : NULL};
            struct record whole = run_cut_at(streams[i], 0, way);

            for (size_t cut = 1; cut < size; cut += step)
                assert_same(run_cut_at(streams[i], cut, way), whole);
            assert_same(run_random(streams[i], 1, 0, way), whole);
            free_record(whole);
        }
    }
}

/* holds: POP-PIPE-1 S, T-SASL-9 S */
static void every_single_cut_of_a_login(void **state) {
    static const struct way ways[] = {
        {.logins = true},
        {.logins = true, .late = true, .drain = 1, .max_output = 1},
        {.logins = true, .watched = true},
        {.logins = true, .watched = true, .heed = meddle},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(logins); i++)
        for (size_t j = 0; j < COUNT_OF(ways); j++) {
            size_t size = strlen(logins[i]), step = size > 1000 ? 17 : 1;
            struct record whole = run_cut_at(logins[i], 0, ways[j]);

            for (size_t cut = 1; cut < size; cut += step)
                assert_same(run_cut_at(logins[i], cut, ways[j]), whole);
            assert_same(run_random(logins[i], 1, 0, ways[j]), whole);
            if (j == 1) {
                struct record at_once = run_cut_at(logins[i], 0, ways[0]);

                assert_same(at_once, whole);
            }
            free_record(whole);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_single_cut),
        cmocka_unit_test(octet_by_octet_and_at_random),
        cmocka_unit_test(late_answers_small_pieces_and_slow_clients),
        cmocka_unit_test(watched_session_does_the_same),
        cmocka_unit_test(every_single_cut_of_a_watched_session),
        cmocka_unit_test(every_single_cut_of_a_login),
    };

    return cmocka_run_group_tests_name("session split", tests, NULL, NULL);
}
