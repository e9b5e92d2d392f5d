/*
 * testkit/fault.c - a fault is made: what may not stand together, what needs what, and what would never have an
 * effect is refused in words that say what to do, since a fault that silently does nothing makes a test that proves
 * nothing.
 */
#include "testkit/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/grammar.h"

enum { COMMAND_MAX = 40, WHY_SIZE = 96, SHOWN_SIZE = 64 };

int poplin_fault_fail(poplin_error *error, int status, const char *format, ...) {
    if (error != NULL) {
        va_list arguments;

        *error = (poplin_error){.status = status};
        va_start(arguments, format);
        vsnprintf(error->reason, sizeof error->reason, format, arguments);
        va_end(arguments);
    }
    return status;
}

poplin_fault *poplin_fault_ref(poplin_fault *fault) {
    atomic_fetch_add(&fault->owners, 1);
    return fault;
}

void poplin_fault_free(poplin_fault *fault) {
    if (fault == NULL || atomic_fetch_sub(&fault->owners, 1) > 1)
        return;
    for (size_t i = 0; i < POPLIN_FAULT_SETTINGS; i++)
        poplin_value_free(&fault->values[i]);
    free(fault->command);
    free(fault->name);
    free(fault);
}

/* The text with a NUL behind it; NULL: out of memory. */
static char *copy_text(poplin_slice text) {
    char *copy = malloc(text.size + 1);

    if (copy != NULL)
        *(char *)mempcpy(copy, text.data, text.size) = '\0';
    return copy;
}

/* ---- the command ---- */

static bool is_command(const char *command) {
    size_t size = strspn(command, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

    return size > 0 && size <= COMMAND_MAX && command[size] == '\0';
}

static int take_command(poplin_fault *fault, const char *command, poplin_error *error) {
    char shown[SHOWN_SIZE];

    if (command == NULL || strcmp(command, "*") == 0)
        return POPLIN_OK;
    if (!is_command(command)) {
        poplin_visible(poplin_slice_of(command), shown, sizeof shown);
        return poplin_fault_fail(error, POPLIN_ERR_STATE,
                                 "'%s' is no command: name one, GREETING, AUTOLOGOUT, or * for any command", shown);
    }
    if ((fault->command = copy_text(poplin_slice_of(command))) == NULL)
        return poplin_fault_fail(error, POPLIN_ERR_NOMEM, "out of memory");
    for (char *at = fault->command; *at != '\0'; at++)
        if (*at >= 'a' && *at <= 'z')
            *at = (char)(*at - 'a' + 'A');
    return POPLIN_OK;
}

/* ---- the settings ---- */

static int take_setting(poplin_fault *fault, const poplin_setting *given, poplin_error *error) {
    enum poplin_fault_setting setting = poplin_setting_lookup(given->name);
    char why[WHY_SIZE], shown[SHOWN_SIZE];

    if (setting == POPLIN_FAULT_SETTINGS) {
        const char *nearest = poplin_setting_nearest(given->name);

        poplin_visible(poplin_slice_of(given->name), shown, sizeof shown);
        return poplin_fault_fail(error, POPLIN_ERR_UNSUPPORTED, "no setting '%s'%s%s%s", shown,
                                 nearest != NULL ? ": did you mean " : "", nearest != NULL ? nearest : "",
                                 nearest != NULL ? "?" : "");
    }
    if (fault->values[setting].given)
        return poplin_fault_fail(error, POPLIN_ERR_STATE, "%s is given twice: keep one, or make two faults",
                                 given->name);
    int status = poplin_value_read(setting, given->value, &fault->values[setting], why, sizeof why);

    poplin_visible(given->value, shown, sizeof shown);
    if (status == POPLIN_ERR_STATE)
        poplin_fault_fail(error, status, "%s='%s': it takes %s", given->name, shown, why);
    else if (status < 0)
        poplin_fault_fail(error, status, "out of memory");
    return status;
}

/* ---- what fits together ---- */

enum { NONE = POPLIN_FAULT_SETTINGS, MOST = 8 };

/* Of each of these sets at most one may be given. */
static const struct {
    int settings[MOST + 1];
    const char *why;
} exclusive[] = {
    {{POPLIN_FAULT_REFUSE, POPLIN_FAULT_REPLY, POPLIN_FAULT_RAW, POPLIN_FAULT_RUN, POPLIN_FAULT_DROP_BEFORE,
      POPLIN_FAULT_RESET_BEFORE, POPLIN_FAULT_CLOSE_BEFORE, POPLIN_FAULT_STALL_BEFORE, NONE},
     "both take the command's place: keep one, or make two faults told apart by nth, session or message"},
    {{POPLIN_FAULT_DROP_AFTER, POPLIN_FAULT_RESET_AFTER, POPLIN_FAULT_CLOSE_AFTER, POPLIN_FAULT_STALL_AFTER, NONE},
     "a reply ends in one way: keep one"},
    {{POPLIN_FAULT_DOUBLE_CR, POPLIN_FAULT_BARE_LF, NONE}, "both say how lines end: keep one"},
    {{POPLIN_FAULT_UNSTUFF, POPLIN_FAULT_STUFF_EVERY, NONE}, "both say which dots go out unstuffed: keep one"},
};

/* The first means nothing without one of the others. */
static const struct {
    int setting;
    int needed[4];
} needs[] = {
    {POPLIN_FAULT_AT, {POPLIN_FAULT_INSERT, POPLIN_FAULT_GARBAGE, NONE}},
    {POPLIN_FAULT_TEXT, {POPLIN_FAULT_REPLACE_LINE, NONE}},
    {POPLIN_FAULT_REPLACE_LINE, {POPLIN_FAULT_TEXT, NONE}},
    {POPLIN_FAULT_EVERY, {POPLIN_FAULT_TRICKLE, NONE}},
    {POPLIN_FAULT_SEED, {POPLIN_FAULT_PROBABILITY, POPLIN_FAULT_JITTER, POPLIN_FAULT_GARBAGE, NONE}},
};

static const char *name_of(int setting) {
    return poplin_setting_rule_of((enum poplin_fault_setting)setting)->name;
}

/* The first of the settings from index on that is given. */
static size_t find_given(const poplin_fault *fault, const int *settings, size_t index) {
    while (settings[index] != NONE && !fault->values[settings[index]].given)
        index++;
    return index;
}

static int check_exclusive(const poplin_fault *fault, poplin_error *error) {
    for (size_t i = 0; i < sizeof exclusive / sizeof *exclusive; i++) {
        const int *settings = exclusive[i].settings;
        size_t first = find_given(fault, settings, 0);
        size_t second = settings[first] == NONE ? first : find_given(fault, settings, first + 1);

        if (settings[second] != NONE)
            return poplin_fault_fail(error, POPLIN_ERR_STATE, "%s and %s exclude each other: %s",
                                     name_of(settings[first]), name_of(settings[second]), exclusive[i].why);
    }
    return POPLIN_OK;
}

static int check_needs(const poplin_fault *fault, poplin_error *error) {
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        const int *needed = needs[i].needed;
        bool met = !fault->values[needs[i].setting].given || needed[find_given(fault, needed, 0)] != NONE;

        if (met)
            continue;
        char names[WHY_SIZE] = "";

        for (size_t j = 0; needed[j] != NONE; j++)
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", j > 0 ? " or " : "",
                     name_of(needed[j]));
        return poplin_fault_fail(error, POPLIN_ERR_STATE, "%s needs %s", name_of(needs[i].setting), names);
    }
    return POPLIN_OK;
}

static bool lists(const char *words, const char *command) {
    return poplin_word_index(words, poplin_slice_of(command)) >= 0;
}

/* The command whose reply the effects see: what run puts in the command's place. */
static void reply_of(const poplin_fault *fault, char *command, size_t size) {
    const poplin_value *run = &fault->values[POPLIN_FAULT_RUN];
    poplin_slice word = {NULL, 0};

    if (run->given)
        word = poplin_word_at(poplin_setting_rule_of(POPLIN_FAULT_RUN)->words, (size_t)run->number);
    snprintf(command, size, "%.*s", (int)word.size, word.data != NULL ? word.data : "");
    if (!run->given && fault->command != NULL)
        snprintf(command, size, "%s", fault->command);
}

/* A setting that cannot have an effect with this command is a mistake. */
static int check_commands(const poplin_fault *fault, poplin_error *error) {
    char effective[COMMAND_MAX + 1];

    reply_of(fault, effective, sizeof effective);
    for (int i = 0; i < POPLIN_FAULT_SETTINGS; i++) {
        const poplin_setting_rule *rule = poplin_setting_rule_of((enum poplin_fault_setting)i);
        const char *command = rule->part == POPLIN_PART_REWRITE && !rule->asked ? effective : fault->command;

        if (!fault->values[i].given || command == NULL || *command == '\0')
            continue;
        if (rule->commands != NULL && !lists(rule->commands, command))
            return poplin_fault_fail(error, POPLIN_ERR_STATE, "%s has no effect on %s, only on: %s", rule->name,
                                     command, rule->commands);
        if (rule->never != NULL && lists(rule->never, command))
            return poplin_fault_fail(error, POPLIN_ERR_STATE, "%s has no effect on %s", rule->name, command);
    }
    return POPLIN_OK;
}

/* What ends the session before the command leaves no reply to work on. */
static int check_ends(const poplin_fault *fault, poplin_error *error) {
    int end = NONE, effect = NONE;

    for (int i = 0; i < POPLIN_FAULT_SETTINGS; i++) {
        enum poplin_setting_part part = poplin_setting_rule_of((enum poplin_fault_setting)i)->part;
        bool waits = i == POPLIN_FAULT_DELAY || i == POPLIN_FAULT_JITTER;

        if (!fault->values[i].given)
            continue;
        if (i >= POPLIN_FAULT_DROP_BEFORE && i <= POPLIN_FAULT_STALL_BEFORE)
            end = i;
        else if (part == POPLIN_PART_REWRITE || (part == POPLIN_PART_LEAVING && !waits))
            effect = i;
    }
    if (end == NONE || effect == NONE)
        return POPLIN_OK;
    return poplin_fault_fail(error, POPLIN_ERR_STATE, "%s leaves no reply for %s: use the setting that ends in _after",
                             name_of(end), name_of(effect));
}

static int check_effect(const poplin_fault *fault, poplin_error *error) {
    for (int i = 0; i < POPLIN_FAULT_SETTINGS; i++)
        if (fault->values[i].given && poplin_setting_rule_of((enum poplin_fault_setting)i)->part >= POPLIN_PART_INSTEAD)
            return POPLIN_OK;
    return poplin_fault_fail(error, POPLIN_ERR_STATE,
                             "the fault has no effect: say what happens (drop_after=100, say)");
}

static int check(const poplin_fault *fault, poplin_error *error) {
    static int (*const checks[])(const poplin_fault *fault, poplin_error *error) = {
        check_effect, check_exclusive, check_needs, check_commands, check_ends};
    const poplin_value *name = &fault->values[POPLIN_FAULT_NAME];

    if (name->given && name->octets.size == 0)
        return poplin_fault_fail(error, POPLIN_ERR_STATE, "name is empty");
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        int status = checks[i](fault, error);

        if (status < 0)
            return status;
    }
    return POPLIN_OK;
}

/* ---- the whole ---- */

static int take_name(poplin_fault *fault, const char *name) {
    poplin_slice given = fault->values[POPLIN_FAULT_NAME].octets;
    poplin_buffer text = {0};

    if (name != NULL)
        fault->name = copy_text(poplin_slice_of(name));
    else if (given.size > 0)
        fault->name = copy_text(given);
    else if (poplin_fault_write(fault, &text) == POPLIN_OK)
        fault->name = copy_text(poplin_buffer_slice(&text));
    poplin_buffer_free(&text);
    return fault->name != NULL ? POPLIN_OK : POPLIN_ERR_NOMEM;
}

int poplin_fault_new(const char *command, const poplin_setting *settings, size_t count, const char *name,
                     poplin_fault **result, poplin_error *error) {
    poplin_fault *fault = calloc(1, sizeof *fault);

    if (fault == NULL)
        return poplin_fault_fail(error, POPLIN_ERR_NOMEM, "out of memory");
    atomic_init(&fault->owners, 1);
    int status = take_command(fault, command, error);

    for (size_t i = 0; i < count && status == POPLIN_OK; i++)
        status = take_setting(fault, &settings[i], error);
    if (status == POPLIN_OK)
        status = check(fault, error);
    if (status == POPLIN_OK && (status = take_name(fault, name)) < 0)
        poplin_fault_fail(error, status, "out of memory");
    if (status < 0) {
        poplin_fault_free(fault);
        return status;
    }
    *result = fault;
    return POPLIN_OK;
}
