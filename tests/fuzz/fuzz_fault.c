/*
 * fuzz_fault.c - any text as a fault, any octets as a reply.
 *
 * The fuzzer's octets are a program: faults, as they stand on the tape or put together from the names of settings,
 * then exchanges. It is run twice, the second time with replies that come and go in single octets: the same must come
 * out of it. A fault that is accepted has a text that is accepted as the same fault. CONTRIBUTING.md says how it is
 * built and run.
 */
#include "testkit/faults.h"
#include "testkit/play.h"
#include "testkit/settings.h"

#include "fuzz.h"

enum { TEXT_MAX = 256, STEPS_MAX = 1 << 16, PAUSE_MARK = 0x1000000 };

struct run {
    fuzz_tape tape;
    bool cut; /* replies come and go in single octets */
    poplin_faults *faults;
    poplin_buffer seen; /* octets and, between them, everything else that happened */
};

static const char *const lines[] = {
    "RETR 1",   "RETR 2", "TOP 1 2", "TOP 2 0", "LIST", "LIST 2", "UIDL", "UIDL 1",          "STAT",
    "CAPA",     "STLS",   "DELE 3",  "QUIT",    "NOOP", "RSET",   "XTND", "AUTH PLAIN AGE=", "USER alice",
    "GREETING", "",
};

/* Values that mean something to some settings. */
static const char *const values[] = {
    "1",
    "0",
    "2",
    "7",
    "100",
    "+3",
    "-3",
    "0.5",
    "yes",
    "no",
    "first",
    "all",
    "long",
    "same",
    "RETR",
    "CAPA",
    "SASL",
    "\"a b\"",
    "\"\\r\\n.\\r\\n\"",
    "\"\\x00\"",
    "+OK",
    "-ERR",
    "",
};

/* ---- faults ---- */

/* The text of a fault is taken for the same fault. */
static void check_text(const char *text) {
    poplin_faults *others = poplin_faults_new();
    poplin_fault_handle handle;

    CHECK(poplin_faults_add_text(others, text, &handle, NULL) == POPLIN_OK);
    CHECK(strcmp(handle.name, text) == 0);
    free(handle.name);
    poplin_faults_free(others);
}

/* Takes the text of a fault from the tape. */
static void take_text(struct run *run, char text[TEXT_MAX]) {
    const poplin_setting_row *rows = poplin_testkit_settings();
    size_t settings = choose(&run->tape, 6);

    if (settings == 0) {
        poplin_slice octets = take_octets(&run->tape, TEXT_MAX);

        snprintf(text, TEXT_MAX, "%.*s", (int)octets.size, octets.data);
        return;
    }
    const char *command = lines[choose(&run->tape, COUNT_OF(lines))];
    size_t size = (size_t)snprintf(text, TEXT_MAX, "%.*s", flip(&run->tape) ? 0 : (int)strcspn(command, " "), command);

    if (size == 0)
        size = (size_t)snprintf(text, TEXT_MAX, "*");
    for (; settings > 1 && size < TEXT_MAX; settings--)
        size += (size_t)snprintf(text + size, TEXT_MAX - size, " %s=%s",
                                 rows[choose(&run->tape, POPLIN_FAULT_SETTINGS)].name,
                                 values[choose(&run->tape, COUNT_OF(values))]);
}

static void add(struct run *run) {
    poplin_error error = {0};
    char text[TEXT_MAX];

    take_text(run, text);
    poplin_fault_handle handle = {0, NULL};
    int status = poplin_faults_add_text(run->faults, text, &handle, &error);

    CHECK(status == POPLIN_OK || status == POPLIN_ERR_STATE || status == POPLIN_ERR_UNSUPPORTED);
    CHECK((status == POPLIN_OK) == (error.reason[0] == '\0'));
    if (status == POPLIN_OK && strstr(text, "name") == NULL)
        check_text(handle.name);
    free(handle.name);
}

static void add_profile(struct run *run) {
    const poplin_profile *profile = flip(&run->tape) ? poplin_testkit_quirks() : poplin_testkit_attacks();

    for (size_t i = choose(&run->tape, 20); i > 0 && profile[1].name != NULL; i--)
        profile++;
    int status = poplin_faults_add_profile(run->faults, profile->name, NULL, NULL);

    CHECK(status == POPLIN_OK || status == POPLIN_ERR_STATE);
}

/* ---- exchanges ---- */

static poplin_play *choose_play(struct run *run) {
    static const uint32_t marked[] = {1, 3, 7};
    const char *line = lines[choose(&run->tape, COUNT_OF(lines))];
    uint8_t bits = take(&run->tape);
    poplin_parsed_command parsed = {0};
    char keyword[32];
    poplin_play *play;

    (void)poplin_command_parse(poplin_slice_of(line), &parsed);
    snprintf(keyword, sizeof keyword, "%.*s", (int)strcspn(line, " "), line);
    const poplin_tap_command command = {
        .verb = parsed.verb,
        .response = (bits & 1) != 0,
        .initial = parsed.initial.data != NULL,
        .pipelined = (bits & 2) != 0,
        .number = parsed.number,
        .unique_id = parsed.number > 0 ? (poplin_slice){"a", 1} : (poplin_slice){NULL, 0},
        .line = poplin_slice_of(line),
        .shown = line,
    };
    const poplin_occasion occasion = {
        .command = keyword,
        .line = strcmp(line, "GREETING") == 0 ? NULL : &command,
        .session = 1,
        .user = (bits & 4) != 0 ? poplin_slice_of("alice") : (poplin_slice){NULL, 0},
        .tls = (bits & 8) != 0,
        .marked = (bits & 16) != 0 ? marked : NULL,
        .marked_count = (bits & 16) != 0 ? COUNT_OF(marked) : 0,
    };

    CHECK(poplin_faults_choose(run->faults, &occasion, &play) == POPLIN_OK);
    return play;
}

static void note(struct run *run, uint32_t what) {
    put(&run->seen, (poplin_slice){(const char *)&what, sizeof what});
}

/* Sends all that the play has to send, and notes it. */
static size_t watch(struct run *run, poplin_play *play) {
    enum poplin_tap_step step;
    uint32_t milliseconds = 0;
    poplin_slice octets;
    size_t size = 0;

    for (;;) {
        step = poplin_play_next(play, &octets, &milliseconds);
        if (step == POPLIN_TAP_PAUSE) {
            CHECK(milliseconds > 0);
            note(run, PAUSE_MARK | milliseconds);
        } else if (step == POPLIN_TAP_SEND) {
            size_t portion = run->cut && octets.size < STEPS_MAX ? 1 : octets.size;

            CHECK(octets.size > 0);
            put(&run->seen, (poplin_slice){octets.data, portion});
            poplin_play_sent(play, portion);
            size += portion;
        } else {
            note(run, step);
            return size;
        }
    }
}

static void give(struct run *run, poplin_play *play, poplin_slice reply) {
    uint32_t milliseconds;
    poplin_slice octets;

    for (size_t i = 0; run->cut && i < reply.size; i++) {
        char *copy = copy_of((poplin_slice){reply.data + i, 1});

        CHECK(poplin_play_reply(play, (poplin_slice){copy, 1}, false) == POPLIN_OK);
        CHECK(poplin_play_next(play, &octets, &milliseconds) == POPLIN_TAP_IDLE);
        free(copy);
    }
    char *copy = copy_of(reply);

    CHECK(poplin_play_reply(play, (poplin_slice){copy, run->cut ? 0 : reply.size}, true) == POPLIN_OK);
    free(copy);
}

static void exchange(struct run *run) {
    static const char *const replies[] = {
        "+OK 12 octets\r\n..a\r\n\r\n..\r\nb\r\n.\r\n",
        "+OK\r\n1 120\r\n2 99999999999999999999\r\n4 0 x\r\n.\r\n",
        "+OK 3 120\r\n",
        "-ERR no\r\n",
        "+OK 1 \r\n \r\n1\r\n\r\n1  \r\n.\r\n",
        "+OK capabilities\r\nSASL PLAIN\r\nSASL\r\nTOP\r\n.\r\n",
    };
    poplin_play *play = choose_play(run);
    poplin_slice reply = flip(&run->tape) ? take_octets(&run->tape, 128)
                                          : poplin_slice_of(replies[choose(&run->tape, COUNT_OF(replies))]);
    poplin_slice line = {NULL, 0};

    if (play == NULL)
        return;
    enum poplin_verdict verdict = poplin_play_verdict(play, &line);
    size_t from = run->seen.size;

    CHECK((verdict == POPLIN_SUBSTITUTE) == (line.size > 0));
    note(run, verdict);
    give(run, play, reply);
    from += sizeof(uint32_t);
    size_t size = watch(run, play);
    bool faithful = poplin_play_is_faithful(play);

    CHECK(!faithful || (size == reply.size && verdict != POPLIN_SKIP));
    if (faithful && run->seen.size == from + size + sizeof(uint32_t)) /* no pause in between */
        CHECK(size == 0 || memcmp(poplin_buffer_slice(&run->seen).data + from, reply.data, size) == 0);
    put(&run->seen, poplin_slice_of(poplin_play_names(play)));
    poplin_play_free(play);
}

/* ---- a run ---- */

static void play(struct run *run) {
    run->faults = poplin_faults_new();
    CHECK(run->faults != NULL);
    for (size_t steps = 0; run->tape.size > 0 && steps < 64; steps++)
        switch (choose(&run->tape, 8)) {
        case 0:
        case 1:
        case 2:
            add(run);
            break;
        case 3:
            add_profile(run);
            break;
        default:
            exchange(run);
            break;
        }
    poplin_faults_free(run->faults);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct run whole = {.tape = {data, size}}, pieces = {.tape = {data, size}, .cut = true};

    play(&whole);
    play(&pieces);
    CHECK(poplin_slice_equal(poplin_buffer_slice(&whole.seen), poplin_buffer_slice(&pieces.seen)));
    poplin_buffer_free(&whole.seen);
    poplin_buffer_free(&pieces.seen);
    return 0;
}
