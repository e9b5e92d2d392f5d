/*
 * fault_support.h - an exchange under faults, written down: "(skipped)-ERR no\r\n(50 ms)(cut)" is what the client would
 * see and when.
 */
#ifndef FAULT_SUPPORT_H
#define FAULT_SUPPORT_H

#include "support.h"

#include <stdio.h>

#include "testkit/faults.h"
#include "testkit/play.h"
#include "testkit/settings.h"
#include "testkit/shape.h"
#include "wire/grammar.h"

enum { SEEN_MAX = 4096, KEYWORD_MAX = 32 };

/* What a client says, and the circumstances. */
struct scene {
    const char *line; /* "RETR 1"; "GREETING" and "AUTOLOGOUT" stand for themselves */
    bool tls;
    bool pipelined;
    bool response;
    uint64_t session;
    const char *user;
    const char *unique_id;
    const uint32_t *marked;
    size_t marked_count;
};

/* What became of it. */
struct outcome {
    char seen[SEEN_MAX];
    size_t size;
    char names[1024];
    bool faithful;
};

static inline void note(struct outcome *outcome, const char *data, size_t size) {
    assert_true(outcome->size + size < sizeof outcome->seen);
    if (size > 0)
        memcpy(outcome->seen + outcome->size, data, size);
    outcome->size += size;
    outcome->seen[outcome->size] = '\0';
}

static inline void note_text(struct outcome *outcome, const char *text) {
    note(outcome, text, strlen(text));
}

/* Sends what there is to send, an octet first and then the rest of each piece, until nothing more is to be done. */
static inline void watch(poplin_play *play, struct outcome *outcome) {
    static const char *const ends[] = {[POPLIN_TAP_IDLE] = "",
                                       [POPLIN_TAP_SILENCE] = "(silence)",
                                       [POPLIN_TAP_CLOSE] = "(closed)",
                                       [POPLIN_TAP_CUT] = "(cut)",
                                       [POPLIN_TAP_RESET] = "(reset)"};
    enum poplin_tap_step step;
    uint32_t milliseconds = 0;
    poplin_slice octets;
    char text[32];

    while ((step = poplin_play_next(play, &octets, &milliseconds)) == POPLIN_TAP_SEND || step == POPLIN_TAP_PAUSE) {
        if (step == POPLIN_TAP_PAUSE) {
            assert_true(milliseconds > 0);
            snprintf(text, sizeof text, "(%u ms)", (unsigned)milliseconds);
            note_text(outcome, text);
            continue;
        }
        size_t size = octets.size > 1 ? octets.size - 1 : 1;

        assert_true(octets.size > 0);
        note(outcome, octets.data, size);
        poplin_play_sent(play, size);
    }
    note_text(outcome, ends[step]);
    assert_int_equal(poplin_play_next(play, &octets, &milliseconds), step);
}

static inline void note_verdict(const poplin_play *play, struct outcome *outcome) {
    poplin_slice line = {NULL, 0};

    switch (poplin_play_verdict(play, &line)) {
    case POPLIN_CARRY_OUT:
        break;
    case POPLIN_SKIP:
        note_text(outcome, "(skipped)");
        break;
    case POPLIN_SUBSTITUTE:
        note_text(outcome, "(");
        note(outcome, line.data, line.size);
        note_text(outcome, ")");
        break;
    }
}

/* Chooses the faults for a scene; NULL: none takes effect. */
static inline poplin_play *choose(poplin_faults *faults, const struct scene *scene) {
    bool unasked = strcmp(scene->line, "GREETING") == 0 || strcmp(scene->line, "AUTOLOGOUT") == 0;
    poplin_slice line = poplin_slice_of(scene->line);
    poplin_parsed_command parsed = {0};
    poplin_play *play;
    char keyword[KEYWORD_MAX];

    if (!scene->response)
        (void)poplin_command_parse(line, &parsed);
    const poplin_tap_command command = {
        .verb = scene->response ? POPLIN_AUTH : parsed.verb,
        .response = scene->response,
        .initial = parsed.initial.data != NULL,
        .pipelined = scene->pipelined,
        .number = parsed.number,
        .unique_id = poplin_slice_of(scene->unique_id != NULL ? scene->unique_id : ""),
        .line = line,
        .shown = scene->line,
    };
    snprintf(keyword, sizeof keyword, "%.*s", (int)strcspn(scene->line, " "), scene->line);
    const poplin_occasion occasion = {
        .command = scene->response ? "AUTH" : keyword,
        .line = unasked ? NULL : &command,
        .session = scene->session,
        .user = poplin_slice_of(scene->user != NULL ? scene->user : ""),
        .tls = scene->tls,
        .marked = scene->marked,
        .marked_count = scene->marked_count,
    };

    assert_int_equal(poplin_faults_choose(faults, &occasion, &play), POPLIN_OK);
    return play;
}

/* Plays a scene whose reply comes in two pieces, cut at an octet. */
static inline void act(poplin_faults *faults, const struct scene *scene, poplin_slice reply, size_t cut,
                       struct outcome *outcome) {
    poplin_play *play = choose(faults, scene);
    poplin_slice octets;
    uint32_t milliseconds;

    *outcome = (struct outcome){.faithful = true};
    if (play == NULL) {
        note(outcome, reply.data, reply.size);
        return;
    }
    note_verdict(play, outcome);
    assert_int_equal(poplin_play_reply(play, (poplin_slice){reply.data, cut}, false), POPLIN_OK);
    assert_int_equal(poplin_play_next(play, &octets, &milliseconds), POPLIN_TAP_IDLE);
    assert_int_equal(poplin_play_reply(play, (poplin_slice){reply.data + cut, reply.size - cut}, true), POPLIN_OK);
    watch(play, outcome);
    outcome->faithful = poplin_play_is_faithful(play);
    snprintf(outcome->names, sizeof outcome->names, "%s", poplin_play_names(play));
    poplin_play_free(play);
}

static inline void assert_seen(const struct outcome *outcome, poplin_slice expected) {
    assert_string_equal(outcome->seen, expected.data);
    assert_int_equal(outcome->size, expected.size);
}

/* The id of a fault that is added. */
static inline uint64_t add_fault(poplin_faults *faults, const char *text) {
    poplin_fault_handle handle;
    poplin_error error = {0};

    if (poplin_faults_add_text(faults, text, &handle, &error) != POPLIN_OK)
        fail_msg("%s: %s", text, error.reason);
    free(handle.name);
    return handle.id;
}

/* The name of a fault of this text, freed by free(); NULL, and why, where it is none. */
static inline char *name_of(const char *text, poplin_error *error) {
    poplin_faults *faults = poplin_faults_new();
    poplin_fault_handle handle = {0, NULL};

    (void)poplin_faults_add_text(faults, text, &handle, error);
    poplin_faults_free(faults);
    return handle.name;
}

#endif
