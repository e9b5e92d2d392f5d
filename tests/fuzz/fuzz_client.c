/*
 * fuzz_client.c - a hostile server, a careless host, and any cuts, against the client's machine.
 *
 * The fuzzer's octets are a program: how the machine is configured, then steps of server and host. It is run twice, the
 * second time with all that the server says cut into single octets: the same must come out of it. CONTRIBUTING.md says
 * how it is built and run.
 */
#include <poplin/client.h>

#include "fuzz.h"

enum { MEMORY_MAX = 1 << 20 }; /* what a machine with the limits below may hold */

struct run {
    fuzz_tape tape;
    bool cut;  /* the server's octets are lent one by one */
    bool idle; /* the host pulls only so many events after each piece, and so the two runs may differ */
    poplin_client_config config;
    poplin_client *client;
    bool tls;
    bool over;
    bool opening; /* commands of the machine's own are under way */
    bool body;    /* the last event was a slice of a body */
    size_t in_flight, lines;
    poplin_credentials login;
    char *lent;
    poplin_slice octets;   /* what is lent */
    poplin_buffer history; /* what came out */
    poplin_buffer sent;
};

/* What the host logs in with, and by: the mechanisms without a nonce of the client's own, which no second run repeats. */
static const poplin_credentials logins[] = {
    {.user = {"alice", 5}, .password = {"s3cr3t", 6}},
    {.user = {"alice", 5}, .token = {"t0k3n", 5}},
    {.user = {"alice", 5}, .password = {"s3cr3t", 6}, .authorize = {"bob", 3}},
};
static const char *const mechanisms[] = {
    "USER PLAIN XOAUTH2 OAUTHBEARER", "LOGIN XOAUTH2", "CRAM-MD5", "APOP", "EXTERNAL", "ANONYMOUS OAUTHBEARER",
};

/* What a server might say. */
static const char *const phrases[] = {
    "+OK\r\n",
    "-ERR no\r\n",
    "+OK 2 320 and more\r\n",
    "+OK 1 120\r\n",
    "+OK 2 uid\r\n",
    "+ \r\n",
    "+ YQ==\r\n",
    "+ eyJzdGF0dXMiOiI0MDEifQ==\r\n",
    "+OK <1@b>\r\n",
    "+OK\r\nSASL XOAUTH2 CRAM-MD5 OAUTHBEARER EXTERNAL X-NEW\r\nSASL ANONYMOUS PLAIN LOGIN\r\n.\r\n",
    ".\r\n",
    "..\r\n",
    "\r\n",
    "1 120\r\n2 200\r\n",
    "1 a\r\n2 b\r\n",
    "3 1\r\n4 1\r\n",
    "+OK 9 9\r\n",
    "Subject: x\r\n\r\n..dot\r\n\r\n.\r\n",
    "+OK\r\nline\r\n.\r\n",
    "+OK\r\nCAPA\r\nUSER\r\nPIPELINING\r\nRESP-CODES\r\nSTLS\r\n.\r\n",
    "+OK\r\nSASL PLAIN LOGIN\r\nPIPELINING\r\nEXPIRE 3 USER\r\n.\r\n",
    "-ERR [IN-USE] busy\r\n",
    "-ERR [SYS/TEMP/x]\r\n",
    "+OK begin\r\n+OK injected\r\n",
    "+OK\r\nUTF8 USER\r\nLANG\r\nSTLS\r\n.\r\n",
    "+OK de gut\r\n",
    "+OK\r\nde Deutsch\r\ntlh\r\n.\r\n",
};

static void note(struct run *run, const void *data, size_t size) {
    put(&run->history, (poplin_slice){data, size});
}

/* ---- events ---- */

static void check_slice(const struct run *run, poplin_slice text) {
    CHECK(text.size > 0);
    bool in_lent = text.data >= run->octets.data && text.data + text.size <= run->octets.data + run->octets.size;

    CHECK(in_lent || poplin_slice_equal(text, poplin_slice_of("\r")));
}

static void check_failed(struct run *run, const poplin_error *error) {
    const char *data;
    size_t size;

    CHECK(error != NULL && error->status < 0);
    CHECK(memchr(error->reason, '\0', sizeof error->reason) != NULL && error->reason[0] != '\0');
    poplin_client_output(run->client, &data, &size);
    CHECK(size == 0);
}

/* Counts the replies against the commands that were written. */
static void check_order(struct run *run, const poplin_client_event *event) {
    bool last = event->kind == POPLIN_CLIENT_END || (event->kind == POPLIN_CLIENT_REPLY && event->complete);

    CHECK(event->kind != POPLIN_CLIENT_REPLY || event->verb != POPLIN_NO_VERB);
    CHECK(!last || run->in_flight > 0);
    run->in_flight -= last;
}

static void handle(struct run *run, const poplin_client_event *event) {
    bool joins = run->body && event->kind == POPLIN_CLIENT_BODY;

    run->body = event->kind == POPLIN_CLIENT_BODY;
    check_order(run, event);
    CHECK(event->kind != POPLIN_CLIENT_START_TLS || !run->tls);
    if (event->kind == POPLIN_CLIENT_BODY)
        check_slice(run, event->text);
    if (event->kind == POPLIN_CLIENT_FAILED)
        check_failed(run, event->error);
    run->opening &= event->kind != POPLIN_CLIENT_OPENED;
    run->over |= event->kind == POPLIN_CLIENT_FAILED || event->kind == POPLIN_CLIENT_CLOSED;
    if (event->kind == POPLIN_CLIENT_START_TLS)
        return; /* where octets in clear follow, the cut decides whether they are seen before it or behind it */
    const uint64_t facts[] = {event->kind,   event->verb,           event->tag,
                              event->number, (uint64_t)event->code, (uint64_t)event->status,
                              event->count,  event->octets,         event->complete};

    if (!joins)
        note(run, facts, sizeof facts);
    note(run, event->text.data, event->text.size);
    if (event->error != NULL)
        note(run, &event->error->status, sizeof event->error->status);
}

static void give_back(struct run *run) {
    free(run->lent);
    run->lent = NULL;
    run->octets = (poplin_slice){NULL, 0};
}

static void pull(struct run *run, size_t most) {
    poplin_client_event event;
    int result = POPLIN_OK;

    while (most-- > 0 && (result = poplin_client_next(run->client, &event)) == POPLIN_OK)
        handle(run, &event);
    if (result == POPLIN_NEED_INPUT || result == POPLIN_WAITING)
        give_back(run);
    CHECK(result == POPLIN_OK || result == POPLIN_NEED_INPUT || result == POPLIN_WAITING || result == POPLIN_ERR_STATE);
    CHECK(result != POPLIN_ERR_STATE || run->over);
    if (!run->over)
        return;
    CHECK(poplin_client_next(run->client, &event) == POPLIN_ERR_STATE);
    CHECK(poplin_client_input(run->client, "x", 1) == POPLIN_ERR_STATE);
    CHECK(poplin_client_outstanding(run->client) == 0 && poplin_client_phase(run->client) == 0);
}

/* ---- the server ---- */

static void lend(struct run *run, poplin_slice octets) {
    char *copy = copy_of(octets);

    if (run->lent != NULL || poplin_client_input(run->client, copy, octets.size) != POPLIN_OK) {
        free(copy);
        return;
    }
    run->lent = copy;
    run->octets = (poplin_slice){copy, octets.size};
    pull(run, run->idle ? choose(&run->tape, 4) : SIZE_MAX);
}

static void server_says(struct run *run, poplin_slice octets) {
    if (!run->cut && octets.size > 0)
        lend(run, octets);
    for (size_t i = 0; run->cut && i < octets.size; i++)
        lend(run, (poplin_slice){octets.data + i, 1});
}

/* ---- the host ---- */

/* What goes out is whole commands, no secret goes out too early, and the window is never left. */
static void check_sent(struct run *run, poplin_slice octets) {
    bool bare = !run->tls && run->config.tls != POPLIN_TLS_NEVER &&
                !(run->config.tls == POPLIN_TLS_AUTO && run->config.link_protected);

    if (bare)
        CHECK(!contains(octets, "PASS") && !contains(octets, "AUTH") && !contains(octets, "USER") &&
              !contains(octets, "APOP"));
    CHECK(run->tls || run->config.link_protected || !contains(octets, "AUTH OAUTH"));
    CHECK(run->tls || run->config.link_protected || !contains(octets, "AUTH XOAUTH"));
    for (const char *at = octets.data, *end = at + octets.size; octets.size > 0 && at < end; at++)
        if (*at == '\n') {
            CHECK(at > octets.data && at[-1] == '\r');
            run->in_flight += !run->opening;
        }
    CHECK(run->in_flight <= run->config.window_commands || !run->config.pipelining);
}

static void drain(struct run *run, bool all) {
    const char *data;
    size_t size;

    poplin_client_output(run->client, &data, &size);
    if (size > run->lines)
        check_sent(run, (poplin_slice){data + run->lines, size - run->lines});
    run->lines = size;
    if (!all)
        size = size == 0 ? 0 : choose(&run->tape, 256) % (size + 1);
    put(&run->sent, (poplin_slice){data, size});
    run->lines -= size;
    poplin_client_sent(run->client, size);
}

/* A line of the host's own; bits: whether it is multi-line, whether secret. */
static void submit_own(struct run *run, uint32_t bits) {
    static const char *const lines[] = {"XTND XLST", "NOOP", "DELE 1", "", "STLS", "NOOP\r\nNOOP"};
    const poplin_slice line = poplin_slice_of(lines[choose(&run->tape, COUNT_OF(lines))]);

    (void)poplin_client_command(run->client, line, (bits & 1) != 0, (bits & 2) != 0, take(&run->tape));
}

static void submit(struct run *run) {
    poplin_command command = {.verb = (enum poplin_verb)choose(&run->tape, POPLIN_VERB_COUNT + 1)};

    command.number = (uint32_t)choose(&run->tape, 4);
    command.lines = (uint32_t)choose(&run->tape, 3);
    command.octets = flip(&run->tape) ? take(&run->tape) : UINT64_MAX - choose(&run->tape, 3);
    if (command.lines == 2)
        command.language = (poplin_slice){"de-AT\r\n", command.number + 4};
    if (command.verb == POPLIN_VERB_COUNT)
        submit_own(run, command.number);
    else
        (void)poplin_client_submit(run->client, &command, take(&run->tape));
}

static void retrieve(struct run *run) {
    poplin_wanted wanted[40];
    size_t count = choose(&run->tape, COUNT_OF(wanted));
    uint64_t octets = take(&run->tape);

    for (size_t i = 0; i < count; i++)
        wanted[i] = (poplin_wanted){(uint32_t)i + 1, octets};
    (void)poplin_client_retr_all(run->client, wanted, count, 99);
}

static void stop(struct run *run) {
    size_t before = poplin_client_outstanding(run->client), unsent = poplin_client_retr_stop(run->client);

    CHECK(before == 0 || poplin_client_outstanding(run->client) + unsent == before);
}

static void step(struct run *run) {
    switch (choose(&run->tape, 12)) {
    case 0:
    case 1:
    case 2:
        server_says(run, poplin_slice_of(phrases[choose(&run->tape, COUNT_OF(phrases))]));
        break;
    case 3:
        server_says(run, take_octets(&run->tape, 64));
        break;
    case 4:
    case 5:
        submit(run);
        break;
    case 6:
        retrieve(run);
        break;
    case 7:
        stop(run);
        break;
    case 8:
        run->tls |= poplin_client_tls(run->client, &(poplin_tls_facts){.verified = true}) == POPLIN_OK;
        break;
    case 9:
        if (run->lent == NULL && choose(&run->tape, 4) == 0) {
            (void)poplin_client_eof(run->client, flip(&run->tape));
            pull(run, SIZE_MAX);
            CHECK(run->over || poplin_client_next(run->client, &(poplin_client_event){0}) != POPLIN_NEED_INPUT);
        }
        break;
    case 10:
        run->opening |= poplin_client_login(run->client, &run->login, 7) == POPLIN_OK;
        pull(run, run->idle ? 1 : SIZE_MAX);
        break;
    default:
        drain(run, flip(&run->tape));
        break;
    }
}

/* ---- a run ---- */

static void configure(struct run *run) {
    poplin_client_config *config = &run->config;
    uint8_t bits = take(&run->tape);

    poplin_client_config_init(config);
    config->tls = (enum poplin_tls_mode)(bits & 3);
    config->link_protected = (bits & 4) != 0;
    config->strict = (bits & 8) != 0;
    config->pipelining = (bits & 16) != 0;
    run->idle = (bits & 32) != 0;
    config->max_line = (bits & 64) != 0 ? 8192 : 70;
    config->max_listings = 3;
    config->utf8 = (bits & 24) == 24;
    config->max_capabilities = 20;
    config->max_message = (bits & 128) != 0 ? 0 : 40;
    config->window_commands = 1 + choose(&run->tape, 9);
    config->window_octets = 1 + take(&run->tape);
    config->mechanisms = mechanisms[choose(&run->tape, COUNT_OF(mechanisms))];
    config->two_step = flip(&run->tape);
    run->login = logins[choose(&run->tape, COUNT_OF(logins))];
}

/* Goes straight to where the commands are. */
static void log_in(struct run *run) {
    static const char *const replies[] = {"+OK\r\n", "+OK\r\nSASL PLAIN\r\nPIPELINING\r\nRESP-CODES\r\n.\r\n",
                                          "+OK\r\n"};

    for (size_t i = 0; i < COUNT_OF(replies); i++) {
        server_says(run, poplin_slice_of(replies[i]));
        drain(run, true);
    }
}

static void play(struct run *run) {
    size_t before = allocated();

    configure(run);
    CHECK(poplin_client_new(&run->config, &run->client) == POPLIN_OK);
    if (run->config.tls == POPLIN_TLS_IMPLICIT && flip(&run->tape))
        run->tls = poplin_client_tls(run->client, &(poplin_tls_facts){.verified = true}) == POPLIN_OK;
    size_t how = choose(&run->tape, 4);

    run->opening = how > 0;
    if (run->opening)
        CHECK(poplin_client_open(run->client, how > 1 ? &run->login : NULL, 1) == POPLIN_OK);
    if (how == 3)
        log_in(run);
    while (run->tape.size > 0 && !run->over)
        step(run);
    CHECK(allocated() < before + MEMORY_MAX + run->history.capacity + run->sent.capacity);
    poplin_client_free(run->client);
    give_back(run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct run whole = {.tape = {data, size}}, pieces = {.tape = {data, size}, .cut = true};

    play(&whole);
    play(&pieces);
    if (!whole.idle) {
        CHECK(poplin_slice_equal(poplin_buffer_slice(&whole.history), poplin_buffer_slice(&pieces.history)));
        CHECK(poplin_slice_equal(poplin_buffer_slice(&whole.sent), poplin_buffer_slice(&pieces.sent)));
    }
    struct run *runs[] = {&whole, &pieces};

    for (size_t i = 0; i < COUNT_OF(runs); i++) {
        poplin_buffer_free(&runs[i]->history);
        poplin_buffer_free(&runs[i]->sent);
    }
    return 0;
}
