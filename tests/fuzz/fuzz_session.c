/*
 * fuzz_session.c - a hostile client, a slow link, and a host that answers late, twice, wrongly or not at all, against
 * the server's machine; also a watched one, whose host leaves lines undone and carries out others.
 *
 * The fuzzer's octets are a program: how the session is configured, then steps of client and host. It is run twice, the
 * second time with all that the client says cut into single octets: the same must come out of it. CONTRIBUTING.md says
 * how it is built and run.
 */
#include "session_answers.h"

/* What a client might say. */
static const char *const phrases[] = {
    "USER alice\r\nPASS secret\r\n",
    "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n",
    "AUTH PLAIN\r\n",
    "AGFsaWNlAHNlY3JldA==\r\n",
    "AUTH PLAIN =\r\n",
    "AUTH LOGIN\r\n",
    "AUTH LOGIN\r\nYWxpY2U=\r\nc2VjcmV0\r\n",
    "c2VjcmV0\r\n",
    "AUTH CRAM-MD5\r\nYWxpY2UgMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\r\n",
    "AUTH SCRAM-SHA-256 biwsbj1hbGljZSxyPWFiYw==\r\n",
    "AUTH SCRAM-SHA-1\r\nbiwsbj1hbGljZSxyPWFiYw==\r\nYz1iaXdzLHI9YWJjLHA9QUFBQQ==\r\n",
    "AUTH SCRAM-SHA-256-PLUS cD10bHMtZXhwb3J0ZXIsLG49YWxpY2Uscj1hYmM=\r\n",
    "AUTH OAUTHBEARER bixhPWFsaWNlLAFhdXRoPUJlYXJlciB4AQE=\r\n",
    "AUTH OAUTHBEARER\r\nbiwsAWF1dGg9QmVhcmVyIHgBAQ==\r\n",
    "AUTH XOAUTH2 dXNlcj1hbGljZQFhdXRoPUJlYXJlciB4AQE=\r\n",
    "AQ==\r\n",
    "\r\n",
    "AUTH EXTERNAL =\r\n",
    "AUTH ANONYMOUS c2lyaGM=\r\n",
    "APOP alice c4c9334bac560ecc979e58001b3e22fb\r\n",
    "*\r\n",
    "CAPA\r\n",
    "STLS\r\n",
    "STLS\r\nUSER mallory\r\n",
    "UTF8\r\n",
    "LANG\r\n",
    "LANG de-CH\r\n",
    "USER caf\xC3\xA9\r\nPASS \xC2\xAA\r\n",
    "STAT\r\n",
    "LIST\r\n",
    "UIDL\r\n",
    "LIST 1\r\n",
    "UIDL 2\r\n",
    "RETR 1\r\n",
    "RETR 2\r\nRETR 3\r\n",
    "TOP 1 1\r\n",
    "TOP 2 0\r\n",
    "DELE 1\r\n",
    "DELE 2\r\n",
    "RSET\r\n",
    "QUIT\r\n",
    "NOOP\r\nNOOP\r\nNOOP\r\n",
    "RETR 0\r\n",
    "TOP 1\r\n",
};

/* ---- what comes out ---- */

/* Every line ends in CRLF, whatever the messages hold (POP-ML-7); a reply begins as one must. */
static void check_heard(const struct run *run) {
    poplin_slice heard = poplin_buffer_slice(&run->heard);

    for (size_t i = 0; i < heard.size; i++)
        CHECK(heard.data[i] != '\n' || (i > 0 && heard.data[i - 1] == '\r'));
    CHECK(heard.size < 3 || memcmp(heard.data, "+OK", 3) == 0);
}

static void drain(struct run *run, bool all) {
    const char *data;
    size_t size;

    poplin_session_output(run->session, &data, &size);
    CHECK(size <= run->config.max_output + SLACK);
    if (!all && size > 0)
        size = choose(&run->tape, 256) % (size + 1);
    put(&run->heard, (poplin_slice){data, size});
    poplin_session_sent(run->session, size);
}

/* Whole: one line, or lines up to one that is a dot; nothing where the line was left undone (POP-ML-1). */
static void check_reply(struct run *run) {
    drain(run, true);
    poplin_slice heard = poplin_buffer_slice(&run->heard);
    poplin_slice reply = {heard.data + run->reply_from, heard.size - run->reply_from};

    run->reply_from = heard.size;
    if (reply.size == 0)
        return;
    const char *line_end = memchr(reply.data, '\n', reply.size);

    CHECK(line_end != NULL && (reply.data[0] == '+' || reply.data[0] == '-'));
    if ((size_t)(line_end - reply.data) + 1 < reply.size)
        CHECK(memcmp(reply.data, "+OK", 3) == 0 && memcmp(reply.data + reply.size - 5, "\r\n.\r\n", 5) == 0);
}

/* ---- events ---- */

static bool stands_at(poplin_slice text, size_t at, const char *words) {
    size_t size = strlen(words);

    return size <= text.size - at && memcmp(text.data + at, words, size) == 0;
}

/*
 * What is to be deleted is what the client was told to be marked, in ascending order (POP-UPD-3), and where mail stays until it was
 * fetched some of what the host has given whole.
 */
static void check_commit(struct run *run, const poplin_session_event *event) {
    static const char *const words[MESSAGES] = {"+OK message 1 marked\r\n", "+OK message 2 marked\r\n",
                                                "+OK message 3 marked\r\n"};
    bool marked[MESSAGES] = {false};
    size_t count = 0;

    drain(run, true);
    poplin_slice heard = poplin_buffer_slice(&run->heard);

    for (size_t at = 0; at < heard.size; at++) {
        if (stands_at(heard, at, "+OK no message is marked\r\n"))
            memset(marked, 0, sizeof marked);
        for (size_t i = 0; i < MESSAGES; i++)
            marked[i] |= stands_at(heard, at, words[i]);
    }
    for (size_t i = 0; i < MESSAGES; i++) {
        bool leaves = count < event->count && event->indexes[count] == i;
        bool fetched = run->expire == 0 && run->given[i];

        CHECK(leaves ? marked[i] || fetched : !marked[i]);
        count += leaves;
    }
    CHECK(count > 0 && count == event->count);
}

/* Leaves the line undone, puts another in its place, or lets it be. */
static void meddle(struct run *run) {
    size_t choice = choose(&run->tape, 8);

    if (choice == 1) {
        CHECK(poplin_session_skip(run->session) == POPLIN_OK);
        CHECK(poplin_session_skip(run->session) == POPLIN_ERR_STATE);
        run->told = false;
    } else if (choice == 2 || choice == 3) {
        poplin_slice line =
            choice == 2 ? poplin_slice_of(phrases[choose(&run->tape, COUNT_OF(phrases))]) : take_octets(&run->tape, 64);

        if (choice == 2) /* its first line, without its end */
            line.size = (size_t)(strchr(line.data, '\r') - line.data);
        char *copy = copy_of(line);

        CHECK(poplin_session_substitute(run->session, (poplin_slice){copy, line.size}) == POPLIN_OK);
        free(copy);
    }
}

static void hear_line(struct run *run, const poplin_session_line *line) {
    const uint64_t facts[] = {line->verb, line->response, line->initial, line->secret, line->number};

    CHECK(run->config.watched && !run->replying);
    CHECK(strlen(line->shown) < 256);
    CHECK(line->verb != POPLIN_PASS || line->secret || line->line.size < sizeof "PASS x" - 1);
    put(&run->history, (poplin_slice){(const char *)facts, sizeof facts});
    put(&run->history, line->line);
    put(&run->history, poplin_slice_of(line->shown));
    run->told = true;
    run->replying = true;
    meddle(run);
}

static void handle(struct run *run, const poplin_session_event *event) {
    const uint64_t facts[] = {event->kind,      event->question, event->index,   event->count,
                              event->announced, event->octets,   event->outcome, event->failures};

    CHECK(!run->over);
    put(&run->history, (poplin_slice){(const char *)facts, sizeof facts});
    put(&run->history, event->user);
    put(&run->history, event->password);
    put(&run->history, event->token);
    if (event->mechanism != NULL)
        put(&run->history, poplin_slice_of(event->mechanism));
    put(&run->history, event->unique_id);
    switch (event->kind) {
    case POPLIN_SESSION_COMMIT:
        check_commit(run, event);
        /* fallthrough */
    case POPLIN_SESSION_BODY:
    case POPLIN_SESSION_CHECK:
    case POPLIN_SESSION_SECRET:
    case POPLIN_SESSION_TOKEN:
    case POPLIN_SESSION_DELAY:
    case POPLIN_SESSION_MAILDROP:
        CHECK(event->question > run->asked.question);
        if (event->kind == POPLIN_SESSION_BODY)
            give_up_piece(run);
        run->asked = *event;
        run->open = true;
        if (!run->free)
            answer(run);
        break;
    case POPLIN_SESSION_BODY_DONE:
        CHECK(run->reading);
        run->reading = false;
        give_up_piece(run);
        break;
    case POPLIN_SESSION_COMMAND:
        hear_line(run, event->command);
        break;
    case POPLIN_SESSION_REPLIED:
        CHECK(run->config.watched && run->replying);
        run->replying = false;
        check_reply(run);
        break;
    case POPLIN_SESSION_START_TLS:
        CHECK(!run->replying);
        break;
    case POPLIN_SESSION_CLOSED:
        CHECK(!run->reading && poplin_session_phase(run->session) == 0);
        CHECK(event->outcome != POPLIN_COMMITTED || event->error == NULL);
        run->over = true;
        run->outcome = event->outcome;
        run->injected = event->error != NULL && event->error->status == POPLIN_ERR_PROTOCOL;
        break;
    default:
        break;
    }
}

static void give_back(struct run *run) {
    free(run->lent);
    run->lent = NULL;
}

static void pull(struct run *run, size_t most) {
    poplin_session_event event;
    int result = POPLIN_OK;

    while (most-- > 0) {
        run->told = false;
        result = poplin_session_next(run->session, &event);
        const char *data;
        size_t size;

        poplin_session_output(run->session, &data, &size);
        if (result == POPLIN_OK)
            handle(run, &event);
        else if (result == POPLIN_WAITING && !run->free && size > 0)
            drain(run, true);
        else
            break;
    }
    CHECK(result == POPLIN_OK || result == POPLIN_NEED_INPUT || result == POPLIN_WAITING || result == POPLIN_ERR_STATE);
    CHECK(result != POPLIN_ERR_STATE || run->over);
    if (result == POPLIN_NEED_INPUT) {
        CHECK(poplin_session_input(run->session, NULL, 0) == POPLIN_OK);
        give_back(run);
    }
    if (!run->free)
        drain(run, true);
}

/* ---- steps ---- */

static void lend(struct run *run, poplin_slice octets) {
    char *copy = copy_of(octets);

    if (run->lent != NULL || poplin_session_input(run->session, copy, octets.size) != POPLIN_OK) {
        free(copy);
        return;
    }
    run->lent = copy;
    pull(run, run->free ? choose(&run->tape, 8) : SIZE_MAX);
}

static void client_says(struct run *run, poplin_slice octets) {
    if (!run->cut && octets.size > 0)
        lend(run, octets);
    for (size_t i = 0; run->cut && i < octets.size; i++)
        lend(run, (poplin_slice){octets.data + i, 1});
}

/* The end, in one of the ways in which it can come; a commit that is asked for survives all but an abort or a drop. */
static void end(struct run *run) {
    bool committing = run->open && run->asked.kind == POPLIN_SESSION_COMMIT;

    switch (choose(&run->tape, 4)) {
    case 0:
        if (run->lent == NULL)
            (void)poplin_session_eof(run->session, flip(&run->tape));
        break;
    case 1:
        CHECK(poplin_session_timeout(run->session) != POPLIN_OK || !committing);
        break;
    case 2:
        (void)poplin_session_drop(run->session, POPLIN_ERR_CLOSED, flip(&run->tape) ? "sent away" : NULL);
        run->open = false;
        committing = false;
        break;
    default:
        (void)poplin_session_abort(run->session, POPLIN_ERR_IO, flip(&run->tape) ? "write failed" : NULL);
        run->open = false;
        committing = false;
        break;
    }
    pull(run, SIZE_MAX);
    if (committing && !run->over) {
        CHECK(poplin_session_accept(run->session, run->asked.question) == POPLIN_OK);
        run->open = false;
        pull(run, SIZE_MAX);
        CHECK(run->over && run->outcome == POPLIN_COMMITTED);
    }
}

static void start_tls(struct run *run) {
    const poplin_tls_facts facts = {
        .verified = flip(&run->tape),
        .exporter_size = flip(&run->tape) ? 32 : 0,
        .end_point_size = flip(&run->tape) ? 64 : 0,
        .identity_size = flip(&run->tape) ? 5 : 0,
        .identity = "alice",
    };

    (void)poplin_session_tls(run->session, &facts);
    pull(run, SIZE_MAX);
}

static void step(struct run *run) {
    switch (choose(&run->tape, 10)) {
    case 0:
    case 1:
    case 2:
        client_says(run, poplin_slice_of(phrases[choose(&run->tape, COUNT_OF(phrases))]));
        break;
    case 3:
        client_says(run, take_octets(&run->tape, 64));
        break;
    case 4:
        for (size_t i = choose(&run->tape, 6); i > 0; i--)
            client_says(run, (poplin_slice){"NOOPNOOPNOOPNOOPNOOPNOOPNOOPNOOPNOOPNOOPNOOPNOOPNOOPNOOPNOOPNOOP", 64});
        break;
    case 5:
        start_tls(run);
        break;
    case 6:
        if (choose(&run->tape, 4) == 0)
            end(run);
        break;
    case 7:
        answer_wrongly(run);
        break;
    case 8:
        if (run->open)
            answer(run);
        pull(run, run->free ? choose(&run->tape, 8) : SIZE_MAX);
        break;
    default:
        drain(run, flip(&run->tape) || !run->free);
        pull(run, run->free ? 1 : SIZE_MAX);
        break;
    }
}

/* ---- a run ---- */

/* Who may log in, and how. */
static void configure_logins(struct run *run) {
    static const char *const mechanisms[] = {
        NULL,
        "USER APOP SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 OAUTHBEARER XOAUTH2 PLAIN LOGIN "
        "CRAM-MD5 "
        "EXTERNAL ANONYMOUS",
        "PLAIN LOGIN CRAM-MD5 APOP",
        "OAUTHBEARER XOAUTH2 EXTERNAL",
    };
    uint8_t bits = take(&run->tape);

    run->config.asks = bits & 15;
    run->config.mechanisms = mechanisms[bits >> 4 & 3];
    run->config.host = (bits & 64) != 0 ? "localhost" : NULL;
    run->config.pepper = (bits & 128) != 0 ? poplin_slice_of("pepper") : (poplin_slice){NULL, 0};
}

static void configure(struct run *run) {
    poplin_session_config *config = &run->config;
    uint8_t bits = take(&run->tape);

    poplin_session_config_init(config);
    config->stls = (bits & 1) != 0;
    config->link_protected = (bits & 2) == 0;
    config->allow_cleartext = (bits & 4) != 0;
    config->delays = (bits & 8) != 0;
    run->free = (bits & 16) != 0;
    config->max_bad_commands = (bits & 32) != 0 ? 1000 : 10;
    config->max_failed_logins = (bits & 64) != 0 ? 1000 : 3;
    config->watched = (bits & 128) != 0;
    run->replying = config->watched;
    config->max_line = 255;
    config->max_sasl_line = 1026;
    config->max_output = 1 + (size_t)take(&run->tape);
    configure_logins(run);
    bits = take(&run->tape);
    config->utf8 = (bits & 1) != 0;
    config->languages =
        (bits & 2) != 0 ? "de Deutsch\n\tbye\ttsch\xC3\xBC\xC3\x9F\n\t{} messages\t{} Nachrichten\ntlh\n" : NULL;
    config->expire = (bits & 4) != 0 ? POPLIN_EXPIRE_NEVER : bits >> 4 & 3;
    config->expire_by_user = (bits & 8) != 0;
}

static void play(struct run *run) {
    size_t before = allocated();

    configure(run);
    CHECK(poplin_session_new(&run->config, &run->session) == POPLIN_OK);
    while (run->tape.size > 0 && !run->over)
        step(run);
    CHECK(allocated() < before + MEMORY_MAX + run->history.capacity + run->heard.capacity);
    check_heard(run);
    poplin_session_free(run->session);
    give_up_piece(run);
    give_back(run);
}

/* Takes a line from the front of *text, up to what is random in it: the challenge, or the timestamp of the greeting. */
static poplin_slice take_line(poplin_slice *text) {
    const char *end = memchr(text->data, '\n', text->size);
    size_t size = end != NULL ? (size_t)(end - text->data) + 1 : text->size;
    poplin_slice line = {text->data, size};
    const char *timestamp = memchr(line.data, '<', size);

    *text = (poplin_slice){text->data + size, text->size - size};
    if (timestamp != NULL)
        line.size = (size_t)(timestamp - line.data);
    return size > 2 && memcmp(line.data, "+ ", 2) == 0 ? (poplin_slice){line.data, 2} : line;
}

static bool same_but_for_chance(poplin_slice first, poplin_slice second) {
    while (first.size > 0 && second.size > 0)
        if (!poplin_slice_equal(take_line(&first), take_line(&second)))
            return false;
    return first.size == second.size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct run whole = {.tape = {data, size}}, pieces = {.tape = {data, size}, .cut = true};

    play(&whole);
    play(&pieces);
    if (!whole.free && !whole.injected && !pieces.injected) {
        CHECK(poplin_slice_equal(poplin_buffer_slice(&whole.history), poplin_buffer_slice(&pieces.history)));
        CHECK(same_but_for_chance(poplin_buffer_slice(&whole.heard), poplin_buffer_slice(&pieces.heard)));
    }
    struct run *runs[] = {&whole, &pieces};

    for (size_t i = 0; i < COUNT_OF(runs); i++) {
        poplin_buffer_free(&runs[i]->history);
        poplin_buffer_free(&runs[i]->heard);
    }
    return 0;
}
