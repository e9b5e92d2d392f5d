/*
 * test_client_split.c - the client's events do not depend on how the server's octets were cut.
 *
 * Recorded conversations are played whole, then cut at every single position, one octet at a time, and at random. Each
 * piece is lent in a block of its own that is freed at once, so that the sanitizer sees what the machine keeps of it.
 */
#include "client_support.h"

/* What the host does, and what the server says when the machine has sent all that it may. */
struct exchange {
    void (*host)(poplin_client *client);
    poplin_slice server;
};

struct recording {
    const char *name;
    poplin_client_config (*config)(void);
    const struct exchange *exchanges;
    size_t count;
    bool closes;
};

/* Where octets are cut: at one position of the whole conversation, in pieces of one octet, or at random. */
struct cutter {
    enum { WHOLE, AT, EACH, RANDOM } how;
    size_t position;
    uint64_t seed;
};

static size_t piece(struct cutter *cutter, size_t offset, size_t left) {
    switch (cutter->how) {
    case AT:
        return cutter->position > offset && cutter->position - offset < left ? cutter->position - offset : left;
    case EACH:
        return 1;
    case RANDOM: {
        size_t size = 1 + random_below(&cutter->seed, random_below(&cutter->seed, 4) == 0 ? 200 : 8);
        return size < left ? size : left;
    }
    default:
        return left;
    }
}

/* Plays a recording; events are left in talk. Returns how many octets the server said. */
static size_t play(conversation *talk, const struct recording *recording, struct cutter *cutter) {
    size_t offset = 0;
    for (size_t i = 0; i < recording->count && talk->error.status == POPLIN_OK; i++) {
        const struct exchange *exchange = &recording->exchanges[i];
        if (exchange->host != NULL)
            exchange->host(talk->client);
        drain(talk);
        poplin_slice rest = exchange->server;
        while (rest.size > 0 && talk->error.status == POPLIN_OK) {
            size_t size = piece(cutter, offset, rest.size);
            server_says(talk, (poplin_slice){rest.data, size});
            drain(talk);
            rest.data += size;
            rest.size -= size;
            offset += size;
        }
    }
    if (recording->closes && talk->error.status == POPLIN_OK)
        server_closes(talk, true);
    return offset;
}

static void assert_same(const struct recording *recording, const conversation *whole, struct cutter cutter) {
    poplin_client_config config = recording->config();
    conversation *talk = converse(&config);
    struct cutter used = cutter;
    play(talk, recording, &used);
    poplin_slice got = poplin_buffer_slice(&talk->events), wanted = poplin_buffer_slice(&whole->events);
    if (!poplin_slice_equal(got, wanted))
        fail_msg("%s, cut %d at %zu, seed %llu:\n%.*s\ninstead of:\n%.*s", recording->name, (int)cutter.how,
                 cutter.position, (unsigned long long)cutter.seed, (int)got.size, got.data, (int)wanted.size,
                 wanted.data);
    assert_true(poplin_slice_equal(poplin_buffer_slice(&talk->sent), poplin_buffer_slice(&whole->sent)));
    hang_up(talk);
}

static void assert_same_however_cut(const struct recording *recording, const char *last_event) {
    poplin_client_config config = recording->config();
    conversation *whole = converse(&config);
    size_t octets = play(whole, recording, &(struct cutter){.how = WHOLE});
    poplin_slice events = poplin_buffer_slice(&whole->events);
    poplin_slice last = poplin_slice_of(last_event);
    if (events.size < last.size || memmem(events.data, events.size, last.data, last.size) == NULL)
        fail_msg("%s ends otherwise:\n%.*s", recording->name, (int)events.size, events.data);

    for (size_t position = 1; position < octets; position++)
        assert_same(recording, whole, (struct cutter){.how = AT, .position = position});
    assert_same(recording, whole, (struct cutter){.how = EACH});
    for (uint64_t seed = 0; seed < 300; seed++)
        assert_same(recording, whole, (struct cutter){.how = RANDOM, .seed = seed});
    hang_up(whole);
}

/* ---- what hosts do ---- */

static void command(poplin_client *client, enum poplin_verb verb, uint32_t number) {
    assert_int_equal(poplin_client_submit(client, &(poplin_command){.verb = verb, .number = number, .lines = 1}, verb),
                     POPLIN_OK);
}

static void open_and_log_in(poplin_client *client) {
    assert_int_equal(poplin_client_open(client, &alice, 1), POPLIN_OK);
}

static void open_with_long_password(poplin_client *client) {
    char password[250];
    memset(password, 'p', sizeof password);
    poplin_credentials credentials = {.user = {"alice", 5}, .password = {password, sizeof password}};
    assert_int_equal(poplin_client_open(client, &credentials, 1), POPLIN_OK);
}

static void open_with_token(poplin_client *client) {
    poplin_credentials credentials = {.user = {"alice", 5}, .token = {"token", 5}};
    assert_int_equal(poplin_client_open(client, &credentials, 1), POPLIN_OK);
}

static void log_in_again(poplin_client *client) {
    assert_int_equal(poplin_client_login(client, &alice, 2), POPLIN_OK);
}

static void tls_stands(poplin_client *client) {
    assert_int_equal(poplin_client_tls(client, &(poplin_tls_facts){.verified = true}), POPLIN_OK);
}

static void list_everything(poplin_client *client) {
    command(client, POPLIN_STAT, 0);
    command(client, POPLIN_LIST, 0);
    command(client, POPLIN_UIDL, 0);
    command(client, POPLIN_LIST, 2);
    command(client, POPLIN_UIDL, 3);
    command(client, POPLIN_CAPA, 0);
}

static void retrieve_everything(poplin_client *client) {
    const poplin_wanted wanted[] = {{1, 10}, {2, 0}, {3, 3}, {4, 0}, {5, 0}, {6, 0}};
    assert_int_equal(poplin_client_retr_all(client, wanted, COUNT_OF(wanted), 50), POPLIN_OK);
    command(client, POPLIN_TOP, 2);
    command(client, POPLIN_DELE, 1);
    command(client, POPLIN_DELE, 9);
    command(client, POPLIN_NOOP, 0);
}

static void retrieve_one(poplin_client *client) {
    command(client, POPLIN_RETR, 1);
}

static void list_one_reply(poplin_client *client) {
    command(client, POPLIN_LIST, 0);
}

static void quit(poplin_client *client) {
    command(client, POPLIN_QUIT, 0);
}

static poplin_client_config usual(void) {
    return protected_config();
}

static poplin_client_config old_mechanisms(void) {
    poplin_client_config config = protected_config();
    config.mechanisms = "CRAM-MD5 LOGIN XOAUTH2";
    return config;
}

static poplin_client_config small_window(void) {
    poplin_client_config config = protected_config();
    config.window_commands = 3;
    return config;
}

static poplin_client_config with_stls(void) {
    poplin_client_config config = protected_config();
    config.tls = POPLIN_TLS_STLS;
    return config;
}

static poplin_client_config with_limits(void) {
    poplin_client_config config = protected_config();
    config.max_message = 20;
    config.max_listing = 16;
    config.max_line = 64;
    return config;
}

/* ---- good conversations ---- */

#define OPENED_BY_USER \
    {open_and_log_in, SLICE("+OK POP3 ready <1896.697170952@dbc.mtview.ca.us>\r\n")}, \
        {NULL, SLICE("-ERR unknown\r\n")}, {NULL, SLICE("+OK\r\n")}, { \
        NULL, SLICE("+OK maildrop locked and ready\r\n") \
    }

#define OPENED_WITH_PIPELINING \
    {open_and_log_in, SLICE("+OK hello\r\n")}, \
        {NULL, SLICE("+OK\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nsasl login plain\r\n\r\n..\r\nPIPELINING\r\nEXPIRE NEVER " \
                     "USER\r\n.\r\n")}, \
        {NULL, SLICE("+OK in\r\n")}, { \
        NULL, SLICE("+OK again\r\nPIPELINING\r\nRESP-CODES\r\nUIDL\r\nIMPLEMENTATION x y\r\n.\r\n") \
    }

static void session_with_pipelining(void **state) {
    (void)state;
    static const char listings[] =
        "+OK 6 320 whatever\r\n+OK\r\n1 120\r\n2 200 extra\r\n6 0\r\n3 1\r\n4 9223372036854775807\r\n5 1\r\n.\r\n"
        "+OK\r\n1 a\r\n2 a\r\n3 !~\xC3\xA9\r\n.4 dot\r\n.\r\n+OK 2 200\r\n-ERR [SYS/TEMP/X] "
        "busy\r\n+OK\r\nPIPELINING\r\n"
        "RESP-CODES\r\n.\r\n";
    static const char bodies[] = "+OK top\r\nSubject: x\r\n\r\n..\r\n.\r\n+OK\r\n-ERR [IN-USE]\r\n+OK\r\n"
                                 "+OK 10 octets\r\nFrom: a@b\r\n\r\n..\r\n...x\r\nline\r\n.\r\n"
                                 "+OK\r\n.\r\n"
                                 "+OK\r\n..\r\n..\r\n.\r\n"
                                 "+OK\r\n.x\r\n.\rx\r\n\r.\r\n\n.\r\n.\n\r\n..\r.\r\n.\r\r\n\r\r\n.\r\n"
                                 "-ERR [SYS/PERM] no such message\r\n"
                                 "+OK\r\n\0\xFF\x80\n.\r\n+OK\r\n\r\n.\n\r\n.\r\n";
    const struct exchange exchanges[] = {
        OPENED_WITH_PIPELINING,
        {list_everything, {listings, sizeof listings - 1}},
        {retrieve_everything, {bodies, sizeof bodies - 1}},
        {quit, SLICE("+OK bye\r\n")},
    };
    assert_same_however_cut(&(struct recording){"pipelining", usual, exchanges, COUNT_OF(exchanges), true}, "CLOSED\n");
}

/* holds: POP-ML-5 C, T-FRM-5 C */
static void session_one_by_one(void **state) {
    (void)state;
    const struct exchange exchanges[] = {
        OPENED_BY_USER,
        {list_one_reply, SLICE("+OK\r\n1 120\r\n2 200\r\n.\r\n")},
        {retrieve_one, SLICE("+OK\r\n..first\r\n\r\n.\r\r\n..\r\n.\r\n")},
        {retrieve_one, SLICE("-ERR [AUTH] gone\r\n")},
        {quit, SLICE("-ERR not all removed\r\n")},
    };
    assert_same_however_cut(&(struct recording){"one by one", usual, exchanges, COUNT_OF(exchanges), true}, "CLOSED\n");
}

static void session_with_stls_and_two_line_auth(void **state) {
    (void)state;
    const struct exchange exchanges[] = {
        {open_with_long_password, SLICE("+OK hello\r\n")},
        {NULL, SLICE("+OK\r\nSTLS\r\nPIPELINING\r\n.\r\n")},
        {NULL, SLICE("+OK begin\r\n")},
        {tls_stands, SLICE("+OK\r\nSASL PLAIN\r\nRESP-CODES\r\n.\r\n")},
        {NULL, SLICE("+ \r\n")},
        {NULL, SLICE("-ERR [AUTH] wrong\r\n")},
        {quit, SLICE("+OK\r\n")},
    };
    assert_same_however_cut(&(struct recording){"STLS", with_stls, exchanges, COUNT_OF(exchanges), true}, "CLOSED\n");
}

static void sessions_with_challenges(void **state) {
    (void)state;
    const struct exchange exchanges[] = {
        {open_with_token, SLICE("+OK hello\r\n")},
        {NULL, SLICE("+OK\r\nSASL CRAM-MD5\r\nSASL XOAUTH2\r\nRESP-CODES\r\n.\r\n")},
        {NULL, SLICE("+ eyJzdGF0dXMiOiI0MDEifQ==\r\n")},
        {NULL, SLICE("-ERR [AUTH] no\r\n")},
        {log_in_again, SLICE("+ PGFAYj4=\r\n")},
        {NULL, SLICE("+OK in\r\n")},
        {quit, SLICE("+OK\r\n")},
    };
    assert_same_however_cut(&(struct recording){"challenges", old_mechanisms, exchanges, COUNT_OF(exchanges), true},
                            "OPENED #2 OK: in\nREPLY");
    const struct exchange cancelled[] = {
        {open_and_log_in, SLICE("+OK hello\r\n")}, {NULL, SLICE("+OK\r\nSASL LOGIN\r\n.\r\n")},
        {NULL, SLICE("+ VXNlcm5hbWU6\r\n")},       {NULL, SLICE("+ not base64\r\n")},
        {NULL, SLICE("-ERR cancelled\r\n")},
    };
    assert_same_however_cut(&(struct recording){"cancelled", old_mechanisms, cancelled, COUNT_OF(cancelled), false},
                            "FAILED PROTOCOL, AUTH");
}

/* The server knows all answers before the window lets the questions out: only what is in flight may be lent. */
static void session_with_small_window(void **state) {
    (void)state;
    const struct exchange exchanges[] = {
        OPENED_WITH_PIPELINING,
        {retrieve_everything, SLICE("+OK\r\nx\r\n.\r\n+OK\r\n")},
        {NULL, SLICE("-ERR\r\n+OK\r\n")},
        {NULL, SLICE("+OK\r\n..\r\n.\r\n+OK\r\n.\r\n")},
        {NULL, SLICE("-ERR\r\n+OK\r\na\r\n.\r\n")},
        {NULL, SLICE("+OK\r\nb\r\n.\r\n+OK\r\nc\r\n.\r\n")},
        {quit, SLICE("+OK\r\n")},
    };
    assert_same_however_cut(&(struct recording){"small window", small_window, exchanges, COUNT_OF(exchanges), true},
                            "CLOSED\n");
}

/* ---- bad ones ---- */

static void assert_same_failure(const char *name, poplin_client_config (*config)(void), void (*host)(poplin_client *),
                                poplin_slice reply, bool closes, const char *failure) {
    const struct exchange exchanges[] = {OPENED_BY_USER, {host, reply}};
    assert_same_however_cut(&(struct recording){name, config, exchanges, COUNT_OF(exchanges), closes}, failure);
}

/* holds: T-FRM-5 C, T-FRM-13 C, T-FRM-14 C */
static void bad_replies_fail_alike(void **state) {
    (void)state;
    static const char *const bad[] = {"+ok x\r\n",   "+OKAY\r\n", "*ERR\r\n",     "\r\n",
                                      "+ go on\r\n", "+OK\n\r\n", "-ERR a\rb\r\n"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_same_failure(bad[i], usual, retrieve_one, poplin_slice_of(bad[i]), false, "FAILED PROTOCOL, RETR 1");
}

/* holds: T-NUM-1 C, T-NUM-4 C, T-FRM-10 C */
static void bad_listings_fail_alike(void **state) {
    (void)state;
    const poplin_slice bad[] = {SLICE("+OK\r\n1 1\r\n1 2\r\n"),
                                SLICE("+OK\r\n0 1\r\n"),
                                SLICE("+OK\r\n1 x\r\n"),
                                SLICE("+OK\r\n1 1\n2 2\r\n"),
                                SLICE("+OK\r\n1 1\0\r\n"),
                                SLICE("+OK\r\n.\n\r\n"),
                                SLICE("+OK\r\n1 99999999999999999999\r\n")};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_same_failure(bad[i].data, usual, list_one_reply, bad[i], false, "FAILED PROTOCOL, LIST");
}

/* holds: T-FRM-12 C */
static void unasked_octets_fail_alike(void **state) {
    (void)state;
    assert_same_failure("second reply", usual, retrieve_one, SLICE("+OK\r\n.\r\n+OK\r\n.\r\n"), false,
                        "FAILED PROTOCOL, :");
    assert_same_failure("behind QUIT", usual, quit, SLICE("+OK\r\n+OK\r\n"), false, "FAILED PROTOCOL, :");
}

/* holds: T-FRM-1 C, T-FRM-3 C */
static void limits_fail_alike(void **state) {
    (void)state;
    assert_same_failure("body", with_limits, retrieve_one, SLICE("+OK\r\n12345678\r\n..345678\r\n..\r\n\r\n.\r\n"),
                        false, "FAILED LIMIT, RETR 1");
    assert_same_failure("body of dots", with_limits, retrieve_one, SLICE("+OK\r\n1234567890123456789\r\n.\rx\r\n.\r\n"),
                        false, "FAILED LIMIT, RETR 1");
    assert_same_failure("listing", with_limits, list_one_reply,
                        SLICE("+OK\r\n1 234567890123\r\n1 2345678901234\r\n.\r\n"), false, "FAILED LIMIT, LIST");
    assert_same_failure("status", with_limits, retrieve_one,
                        SLICE("+OK 5678901234567890123456789012345678901234567890123456789012345\r\nx\r\n.\r\n"), false,
                        "FAILED LIMIT, RETR 1");
}

/* holds: T-FRM-4 C, POP-ML-10 C */
static void truncation_fails_alike(void **state) {
    (void)state;
    assert_same_failure("body", usual, retrieve_one, SLICE("+OK\r\nabc\r\n.\r"), true, "FAILED CLOSED, RETR 1");
    assert_same_failure("listing", usual, list_one_reply, SLICE("+OK\r\n1 1\r\n2 "), true, "FAILED CLOSED, LIST");
    assert_same_failure("status", usual, retrieve_one, SLICE("+OK"), true, "FAILED CLOSED, RETR 1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(session_with_pipelining),
        cmocka_unit_test(session_one_by_one),
        cmocka_unit_test(session_with_stls_and_two_line_auth),
        cmocka_unit_test(sessions_with_challenges),
        cmocka_unit_test(session_with_small_window),
        cmocka_unit_test(bad_replies_fail_alike),
        cmocka_unit_test(bad_listings_fail_alike),
        cmocka_unit_test(unasked_octets_fail_alike),
        cmocka_unit_test(limits_fail_alike),
        cmocka_unit_test(truncation_fails_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
