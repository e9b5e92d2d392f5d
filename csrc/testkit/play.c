/*
 * testkit/play.c - one exchange under its faults. First all effects are applied to the whole reply, fault by fault;
 * then what is left leaves by a plan: wait, send so much at a time, and end so.
 */
#include "testkit/play.h"

#include <stdlib.h>
#include <string.h>

#include "testkit/random.h"
#include "testkit/rewrite.h"
#include "testkit/shape.h"
#include "wire/grammar.h"

enum { TRICKLE_MILLISECONDS = 10 };

struct chosen {
    poplin_fault *fault;
    uint64_t random;
};

/* How what is left of the reply leaves. */
struct plan {
    uint64_t delay;   /* milliseconds */
    uint64_t trickle; /* octets at a time; 0: all */
    uint32_t every;   /* milliseconds between two pieces */
    uint64_t end_at;  /* UINT64_MAX: there is no end */
    enum poplin_tap_step end;
};

struct poplin_play {
    struct chosen *chosen;
    size_t count;
    const poplin_fault *instead; /* the one that takes the command's place; NULL: it is carried out */
    char *names;
    poplin_parsed_command command; /* that is carried out; verb, number and lines only */
    poplin_buffer line;            /* of a substitute */
    uint32_t *marked;
    size_t marked_count;
    poplin_buffer reply; /* as the session gave it */
    poplin_buffer wire;  /* as it leaves */
    bool ready;
    bool same; /* wire is what the session gave, before the plan ends it */
    size_t given;
    struct plan plan;
    size_t sent;
    size_t paused_at; /* the last piece that a pause followed */
};

/* ---- a play is made ---- */

int poplin_play_new(const poplin_occasion *occasion, poplin_play **result) {
    poplin_play *play = calloc(1, sizeof *play);
    const poplin_tap_command *line = occasion->line;

    if (play == NULL)
        return POPLIN_ERR_NOMEM;
    if (line != NULL && !line->response)
        (void)poplin_command_parse(line->line, &play->command);
    play->command = (poplin_parsed_command){
        .verb = line != NULL ? line->verb : POPLIN_NO_VERB,
        .number = line != NULL ? line->number : 0,
        .lines = play->command.lines,
    };
    if (occasion->marked_count > 0) {
        play->marked = calloc(occasion->marked_count, sizeof *play->marked);
        if (play->marked == NULL) {
            free(play);
            return POPLIN_ERR_NOMEM;
        }
        memcpy(play->marked, occasion->marked, occasion->marked_count * sizeof *play->marked);
        play->marked_count = occasion->marked_count;
    }
    *result = play;
    return POPLIN_OK;
}

static bool is_instead(const poplin_fault *fault) {
    bool instead = false;

    for (int i = 0; i < POPLIN_FAULT_SETTINGS; i++)
        instead = instead || (fault->values[i].given &&
                              poplin_setting_rule_of((enum poplin_fault_setting)i)->part == POPLIN_PART_INSTEAD);
    return instead;
}

int poplin_play_add(poplin_play *play, poplin_fault *fault, uint64_t random) {
    struct chosen *chosen = realloc(play->chosen, (play->count + 1) * sizeof *chosen);

    if (chosen == NULL)
        return POPLIN_ERR_NOMEM;
    play->chosen = chosen;
    play->chosen[play->count++] = (struct chosen){poplin_fault_ref(fault), random};
    if (play->instead == NULL && is_instead(fault))
        play->instead = fault;
    return POPLIN_OK;
}

/* Whether an earlier fault has the name of the one at index. */
static bool is_named_before(const poplin_play *play, size_t index) {
    for (size_t i = 0; i < index; i++)
        if (strcmp(play->chosen[i].fault->name, play->chosen[index].fault->name) == 0)
            return true;
    return false;
}

static int join_names(poplin_play *play) {
    size_t size = 1;

    for (size_t i = 0; i < play->count; i++)
        size += strlen(play->chosen[i].fault->name) + 2;
    char *at = play->names = malloc(size);

    if (at == NULL)
        return POPLIN_ERR_NOMEM;
    *at = '\0';
    for (size_t i = 0; i < play->count; i++)
        if (!is_named_before(play, i))
            at = stpcpy(stpcpy(at, i > 0 ? ", " : ""), play->chosen[i].fault->name);
    return POPLIN_OK;
}

/* Makes the line that run puts in the command's place. */
static int substitute(poplin_play *play, const poplin_value *run) {
    poplin_slice word = poplin_word_at(poplin_setting_rule_of(POPLIN_FAULT_RUN)->words, (size_t)run->number);

    play->command.verb = poplin_verb_parse(word);
    return poplin_command_write(&play->line, &play->command);
}

int poplin_play_begin(poplin_play *play) {
    int status = join_names(play);

    if (status == POPLIN_OK && play->instead != NULL && play->instead->values[POPLIN_FAULT_RUN].given)
        status = substitute(play, &play->instead->values[POPLIN_FAULT_RUN]);
    return status;
}

void poplin_play_free(poplin_play *play) {
    if (play == NULL)
        return;
    for (size_t i = 0; i < play->count; i++)
        poplin_fault_free(play->chosen[i].fault);
    free(play->chosen);
    free(play->names);
    free(play->marked);
    poplin_buffer_free(&play->line);
    poplin_buffer_free(&play->reply);
    poplin_buffer_free(&play->wire);
    free(play);
}

enum poplin_verdict poplin_play_verdict(const poplin_play *play, poplin_slice *line) {
    poplin_slice written = poplin_buffer_slice(&play->line);

    if (play->instead == NULL)
        return POPLIN_CARRY_OUT;
    if (written.size == 0)
        return POPLIN_SKIP;
    *line = (poplin_slice){written.data, written.size - strlen("\r\n")};
    return POPLIN_SUBSTITUTE;
}

const char *poplin_play_names(const poplin_play *play) {
    return play->names;
}

/* ---- the reply is rewritten ---- */

static bool is_skipped(const poplin_play *play) {
    return play->instead != NULL && play->line.size == 0;
}

static int put_answer(poplin_buffer *wire, const char *before, poplin_slice text, const char *behind) {
    if (poplin_buffer_append(wire, before, strlen(before)) < 0 || poplin_buffer_append(wire, text.data, text.size) < 0)
        return POPLIN_ERR_NOMEM;
    return poplin_buffer_append(wire, behind, strlen(behind));
}

/* What is answered in place of the session, perhaps nothing. */
static int answer(poplin_play *play) {
    const poplin_value *values = play->instead->values;

    if (values[POPLIN_FAULT_REFUSE].given)
        return put_answer(&play->wire, "-ERR ", values[POPLIN_FAULT_REFUSE].octets, "\r\n");
    if (values[POPLIN_FAULT_REPLY].given)
        return put_answer(&play->wire, "", values[POPLIN_FAULT_REPLY].octets, "\r\n");
    return put_answer(&play->wire, "", values[POPLIN_FAULT_RAW].octets, "");
}

static int rewrite(poplin_play *play) {
    poplin_slice start = poplin_buffer_slice(&play->wire);
    poplin_rewriting about = {
        .verb = play->command.verb,
        .number = play->command.number,
        .lines = play->command.lines,
        .multi_line = poplin_reply_is_multi_line(play->command.verb, play->command.number, poplin_reply_is_ok(start)),
        .marked = play->marked,
        .marked_count = play->marked_count,
    };
    int status = POPLIN_OK;

    for (size_t i = 0; i < play->count && status == POPLIN_OK; i++) {
        about.values = play->chosen[i].fault->values;
        about.random = &play->chosen[i].random;
        status = poplin_rewrite(&about, &play->wire);
    }
    return status;
}

/* ---- the plan is made ---- */

/* The ways in which a session ends: before the command, or at an octet of the reply. */
static const struct {
    enum poplin_fault_setting before, after;
    enum poplin_tap_step step;
} ends[] = {
    {POPLIN_FAULT_DROP_BEFORE, POPLIN_FAULT_DROP_AFTER, POPLIN_TAP_CUT},
    {POPLIN_FAULT_RESET_BEFORE, POPLIN_FAULT_RESET_AFTER, POPLIN_TAP_RESET},
    {POPLIN_FAULT_CLOSE_BEFORE, POPLIN_FAULT_CLOSE_AFTER, POPLIN_TAP_CLOSE},
    {POPLIN_FAULT_STALL_BEFORE, POPLIN_FAULT_STALL_AFTER, POPLIN_TAP_SILENCE},
};

static void plan_end(struct plan *plan, enum poplin_tap_step step, uint64_t at) {
    if (at < plan->end_at) {
        plan->end = step;
        plan->end_at = at;
    }
}

/* Adds what a fault says to the plan: delays add up, the first trickle and the nearest end hold. */
static void plan_fault(poplin_play *play, struct chosen *chosen) {
    const poplin_value *values = chosen->fault->values;
    struct plan *plan = &play->plan;

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (play->instead == chosen->fault && values[ends[i].before].given)
            plan_end(plan, ends[i].step, 0);
        if (values[ends[i].after].given)
            plan_end(plan, ends[i].step, (uint64_t)values[ends[i].after].number);
    }
    plan->delay += (uint64_t)values[POPLIN_FAULT_DELAY].number;
    if (values[POPLIN_FAULT_JITTER].given)
        plan->delay += poplin_random_below(&chosen->random, (uint64_t)values[POPLIN_FAULT_JITTER].number + 1);
    if (plan->trickle == 0 && values[POPLIN_FAULT_TRICKLE].given) {
        const poplin_value *every = &values[POPLIN_FAULT_EVERY];

        plan->trickle = (uint64_t)values[POPLIN_FAULT_TRICKLE].number;
        plan->every = every->given ? (uint32_t)every->number : TRICKLE_MILLISECONDS;
    }
}

static void make_plan(poplin_play *play) {
    play->plan = (struct plan){.end_at = UINT64_MAX, .end = POPLIN_TAP_IDLE};
    for (size_t i = 0; i < play->count; i++)
        plan_fault(play, &play->chosen[i]);
    if (play->plan.delay > UINT32_MAX)
        play->plan.delay = UINT32_MAX;
    if (play->plan.end_at < play->wire.size)
        play->wire.size = (size_t)play->plan.end_at;
}

static bool has_rewrites(const poplin_play *play) {
    bool found = false;

    for (size_t i = 0; i < play->count; i++)
        for (int j = 0; j < POPLIN_FAULT_SETTINGS; j++)
            found = found || (play->chosen[i].fault->values[j].given &&
                              poplin_setting_rule_of((enum poplin_fault_setting)j)->part == POPLIN_PART_REWRITE);
    return found;
}

/* The reply is whole: what is sent of it, and how, is settled. */
static int settle(poplin_play *play) {
    poplin_slice reply = poplin_buffer_slice(&play->reply);
    bool rewritten = has_rewrites(play);
    int status = POPLIN_OK;

    play->given = reply.size;
    if (is_skipped(play)) {
        status = answer(play);
    } else if (rewritten) {
        status = poplin_buffer_append(&play->wire, reply.data, reply.size);
    } else {
        play->wire = play->reply;
        play->reply = (poplin_buffer){0};
        play->same = true;
    }
    if (status == POPLIN_OK && rewritten)
        status = rewrite(play);
    if (status < 0)
        return status;
    if (rewritten && !is_skipped(play))
        play->same = poplin_slice_equal(reply, poplin_buffer_slice(&play->wire));
    poplin_buffer_free(&play->reply);
    make_plan(play);
    play->ready = true;
    return POPLIN_OK;
}

int poplin_play_reply(poplin_play *play, poplin_slice octets, bool last) {
    if (!is_skipped(play) && poplin_buffer_append(&play->reply, octets.data, octets.size) < 0)
        return POPLIN_ERR_NOMEM;
    return last ? settle(play) : POPLIN_OK;
}

/* ---- the plan is carried out ---- */

static enum poplin_tap_step pause_for(uint64_t milliseconds, uint32_t *result) {
    *result = (uint32_t)milliseconds;
    return POPLIN_TAP_PAUSE;
}

enum poplin_tap_step poplin_play_next(poplin_play *play, poplin_slice *octets, uint32_t *milliseconds) {
    struct plan *plan = &play->plan;
    poplin_slice wire = poplin_buffer_slice(&play->wire);
    uint64_t delay = plan->delay;

    if (!play->ready)
        return POPLIN_TAP_IDLE;
    plan->delay = 0;
    if (delay > 0)
        return pause_for(delay, milliseconds);
    if (play->sent == wire.size)
        return plan->end;
    size_t size = wire.size - play->sent;

    if (plan->trickle > 0) {
        uint64_t into = play->sent % plan->trickle;

        if (into == 0 && play->sent > play->paused_at && plan->every > 0) {
            play->paused_at = play->sent;
            return pause_for(plan->every, milliseconds);
        }
        if (size > plan->trickle - into)
            size = (size_t)(plan->trickle - into);
    }
    *octets = (poplin_slice){wire.data + play->sent, size};
    return POPLIN_TAP_SEND;
}

void poplin_play_sent(poplin_play *play, size_t size) {
    play->sent += size;
}

bool poplin_play_is_faithful(const poplin_play *play) {
    return play->same && play->sent == play->given;
}
