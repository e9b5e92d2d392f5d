/*
 * scripted_tap.h - a tap that plays what a test tells it to, and writes down what it is told.
 *
 * A script is a list of scenes, each for a command ("GREETING" and "AUTOLOGOUT" are two more occasions). A scene decides what
 * becomes of the command, gathers the reply and makes it into moves. Whatever no scene is for is passed on as it is.
 */
#ifndef SCRIPTED_TAP_H
#define SCRIPTED_TAP_H

#include <stdio.h>

#include <poplin/tap.h>

#include "support.h"

/* In place of a move's octets: the reply as the session gave it. */
#define THE_REPLY "\1"

struct move {
    enum poplin_tap_step step;
    const char *octets;    /* SEND */
    uint32_t milliseconds; /* PAUSE */
};

struct scene {
    const char *at;
    enum poplin_verdict verdict;
    const char *substitute;
    struct move moves[6]; /* up to the first IDLE */
    bool flowing;         /* the session need not wait for the moves */
    int failure;          /* what reply answers instead */
};

struct script {
    const struct scene *scenes;
    size_t count;
    int refusal; /* what opened answers, unless OK */
    char log[16384];
    size_t size;
    size_t most_held; /* octets that waited in it at a time */
    int open;         /* connections that it was told of, less those that are gone */
};

struct scripted_octets {
    char *data;
    size_t at, size;
};

struct scripted {
    struct script *script;
    const struct scene *scene;
    struct move moves[8];
    size_t at, count;
    struct scripted_octets passed_on, gathered; /* gathered is what a scene rewrites */
    size_t sent;                                /* of the move at hand */
};

__attribute__((format(printf, 2, 3))) static inline void script_note(struct script *script, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(script->log + script->size, sizeof script->log - script->size, format, arguments);
    va_end(arguments);
    if (size > 0 && script->size + (size_t)size < sizeof script->log)
        script->size += (size_t)size;
    script->log[script->size] = '\0';
}

static inline const struct scene *script_scene(const struct script *script, const char *at) {
    for (size_t i = 0; i < script->count; i++)
        if (strcmp(script->scenes[i].at, at) == 0)
            return &script->scenes[i];
    return NULL;
}

static inline void scripted_begin(struct scripted *scripted, const char *at) {
    scripted->scene = script_scene(scripted->script, at);
}

/* The scene's moves begin. */
static inline void scripted_perform(struct scripted *scripted) {
    const struct scene *scene = scripted->scene;
    scripted->at = scripted->count = scripted->sent = 0;
    while (scripted->count < COUNT_OF(scene->moves) && scene->moves[scripted->count].step != POPLIN_TAP_IDLE) {
        scripted->moves[scripted->count] = scene->moves[scripted->count];
        scripted->count++;
    }
    scripted->scene = NULL;
}

static inline int scripted_opened(void *context, const char *peer, void **state) {
    struct script *script = context;
    script_note(script, "opened %.9s\n", peer);
    if (script->refusal != POPLIN_OK)
        return script->refusal;
    struct scripted *scripted = calloc(1, sizeof *scripted);
    scripted->script = script;
    scripted_begin(scripted, "GREETING");
    script->open++;
    *state = scripted;
    return POPLIN_OK;
}

static inline void scripted_secured(void *state, const char *description) {
    struct scripted *scripted = state;
    script_note(scripted->script, "secured %.3s\n", description);
}

static inline enum poplin_verdict scripted_command(void *state, const poplin_tap_command *command, poplin_slice *line) {
    struct scripted *scripted = state;
    const char *name = command->verb == POPLIN_NO_VERB ? "?" : poplin_verb_name(command->verb);
    script_note(scripted->script, "command %s", command->shown);
    if (command->unique_id.data != NULL)
        script_note(scripted->script, " <%u>", command->number);
    script_note(scripted->script, "%s\n", command->pipelined ? " ..." : "");
    scripted_begin(scripted, name);
    if (scripted->scene == NULL)
        return POPLIN_CARRY_OUT;
    if (scripted->scene->substitute != NULL)
        *line = (poplin_slice){scripted->scene->substitute, strlen(scripted->scene->substitute)};
    return scripted->scene->verdict;
}

static inline void scripted_login(void *state, poplin_slice user, const char *mechanism) {
    struct scripted *scripted = state;
    script_note(scripted->script, "login %.*s %s\n", (int)user.size, user.data, mechanism);
}

static inline void scripted_keep(struct scripted_octets *octets, poplin_slice more) {
    if (more.size == 0)
        return;
    octets->data = realloc(octets->data, octets->size + more.size);
    memcpy(octets->data + octets->size, more.data, more.size);
    octets->size += more.size;
}

static inline int scripted_reply(void *state, poplin_slice octets, bool last) {
    struct scripted *scripted = state;
    const struct scene *scene = scripted->scene;
    scripted_keep(scene != NULL ? &scripted->gathered : &scripted->passed_on, octets);
    if (scripted->passed_on.size > scripted->script->most_held)
        scripted->script->most_held = scripted->passed_on.size;
    if (last)
        script_note(scripted->script, "reply %s\n", octets.size > 0 ? "" : "empty");
    if (scene == NULL)
        return POPLIN_OK;
    if (scene->failure != POPLIN_OK)
        return scene->failure;
    if (last)
        scripted_perform(scripted);
    return last && !scene->flowing ? POPLIN_WAITING : POPLIN_OK;
}

static inline void scripted_ended(void *state, enum poplin_outcome outcome, const poplin_error *error) {
    static const char *const words[] = {"committed", "left", "dropped", "timed out", "failed"};
    struct scripted *scripted = state;
    script_note(scripted->script, "ended %s%s%s\n", words[outcome], error != NULL ? ": " : "",
                error != NULL ? error->reason : "");
    if (outcome == POPLIN_TIMED_OUT && script_scene(scripted->script, "AUTOLOGOUT") != NULL) {
        scripted_begin(scripted, "AUTOLOGOUT");
        scripted_perform(scripted);
    }
}

static inline poplin_slice scripted_rest(const struct scripted *scripted, const struct move *move) {
    bool reply = move->octets != NULL && strcmp(move->octets, THE_REPLY) == 0;
    const char *data = reply ? scripted->gathered.data : move->octets;
    size_t size = reply ? scripted->gathered.size : data != NULL ? strlen(data) : 0;
    return size > 0 ? (poplin_slice){data + scripted->sent, size - scripted->sent} : (poplin_slice){NULL, 0};
}

static inline enum poplin_tap_step scripted_next(void *state, poplin_slice *octets, uint32_t *milliseconds) {
    struct scripted *scripted = state;
    const struct scripted_octets *passed_on = &scripted->passed_on;
    if (passed_on->size > 0) {
        *octets = (poplin_slice){passed_on->data + passed_on->at, passed_on->size - passed_on->at};
        return POPLIN_TAP_SEND;
    }
    if (scripted->at == scripted->count) {
        if (scripted->count > 0)
            scripted->gathered.size = 0;
        scripted->at = scripted->count = 0;
        return POPLIN_TAP_IDLE;
    }
    const struct move *move = &scripted->moves[scripted->at];
    if (move->step == POPLIN_TAP_SEND)
        *octets = scripted_rest(scripted, move);
    if (move->step == POPLIN_TAP_PAUSE) {
        *milliseconds = move->milliseconds;
        scripted->at++;
    }
    return move->step;
}

static inline void scripted_sent(void *state, size_t size) {
    struct scripted *scripted = state;
    struct scripted_octets *passed_on = &scripted->passed_on;
    if (passed_on->size > 0) {
        passed_on->at += size;
        if (passed_on->at == passed_on->size)
            passed_on->at = passed_on->size = 0;
        return;
    }
    scripted->sent += size;
    if (scripted_rest(scripted, &scripted->moves[scripted->at]).size == 0) {
        scripted->at++;
        scripted->sent = 0;
    }
}

static inline void scripted_closed(void *state) {
    struct scripted *scripted = state;
    scripted->script->open--;
    script_note(scripted->script, "closed\n");
    free(scripted->gathered.data);
    free(scripted->passed_on.data);
    free(scripted);
}

static inline const poplin_tap *scripted_tap(void) {
    static const poplin_tap tap = {
        scripted_opened, scripted_secured, scripted_command, scripted_login,  scripted_reply,
        scripted_ended,  scripted_next,    scripted_sent,    scripted_closed, NULL,
    };
    return &tap;
}

#endif
