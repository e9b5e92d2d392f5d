/*
 * testkit/settings.c - the table of settings, and their values read and written.
 */
#include "testkit/settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testkit/nearest.h"
#include "wire/grammar.h"

enum { MILLI_DIGITS = 3, BILLIONTH_DIGITS = 9, NUMBER_TEXT = 32 };

static const poplin_setting_row rows[] = {
#define ROW(id, name, kind, part, meaning, ...) {name, POPLIN_SETTING_##kind, meaning},
    POPLIN_FAULT_TABLE(ROW)
#undef ROW
        {NULL, POPLIN_SETTING_FLAG, NULL},
};

static const poplin_setting_rule rules[] = {
#define RULE(id, name_, kind_, part_, meaning, ...) \
    {.name = (name_), .kind = POPLIN_SETTING_##kind_, .part = POPLIN_PART_##part_, __VA_ARGS__},
    POPLIN_FAULT_TABLE(RULE)
#undef RULE
};

const poplin_setting_row *poplin_testkit_settings(void) {
    return rows;
}

const poplin_setting_rule *poplin_setting_rule_of(enum poplin_fault_setting setting) {
    return &rules[setting];
}

enum poplin_fault_setting poplin_setting_lookup(const char *name) {
    int setting = 0;

    while (setting < POPLIN_FAULT_SETTINGS && strcmp(rules[setting].name, name) != 0)
        setting++;
    return (enum poplin_fault_setting)setting;
}

static const char *name_at(size_t index) {
    return rows[index].name;
}

const char *poplin_setting_nearest(const char *name) {
    return poplin_nearest(name, name_at);
}

/* ---- words ---- */

poplin_slice poplin_word_at(const char *words, size_t index) {
    size_t size = strcspn(words, " ");

    for (; index > 0 && words[size] != '\0'; index--) {
        words += size + 1;
        size = strcspn(words, " ");
    }
    return index > 0 ? (poplin_slice){NULL, 0} : (poplin_slice){words, size};
}

int poplin_word_index(const char *words, poplin_slice word) {
    poplin_slice at;

    for (int index = 0; (at = poplin_word_at(words, (size_t)index)).data != NULL; index++)
        if (at.size == word.size && strncasecmp(at.data, word.data, word.size) == 0)
            return index;
    return -1;
}

/* ---- reading ---- */

static int64_t highest(const poplin_setting_rule *rule) {
    return rule->high > 0 ? rule->high : INT64_MAX;
}

static bool read_whole(poplin_slice text, bool with_sign, int64_t *number) {
    bool negative = with_sign && text.size > 0 && text.data[0] == '-';
    uint64_t digits;

    if (with_sign && text.size > 0 && (text.data[0] == '-' || text.data[0] == '+'))
        text = (poplin_slice){text.data + 1, text.size - 1};
    if (poplin_number_take(&text, INT64_MAX, &digits) < 0 || text.size > 0)
        return false;
    *number = negative ? -(int64_t)digits : (int64_t)digits;
    return true;
}

/*
 * A decimal number, in units of 10^-digits; what is finer is dropped. Not strtod's, whose decimal point is the locale's.
 */
static bool read_decimal(poplin_slice text, int digits, int64_t *number) {
    const char *point = text.size > 0 ? memchr(text.data, '.', text.size) : NULL;
    size_t whole_size = point != NULL ? (size_t)(point - text.data) : text.size;
    poplin_slice whole = {text.data, whole_size};
    int64_t value = 0;

    if (text.size == 0 || (point != NULL && text.size == 1) || (whole_size > 0 && !read_whole(whole, false, &value)) ||
        value > POPLIN_SETTING_BILLION)
        return false;
    for (size_t i = whole_size + 1; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        if (digits > 0)
            value = value * 10 + (text.data[i] - '0');
        digits -= digits > 0;
    }
    for (; digits > 0; digits--)
        value *= 10;
    *number = value;
    return true;
}

/* One line: no octet that would end it. */
static bool is_line(poplin_slice text) {
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == '\0' || text.data[i] == '\r' || text.data[i] == '\n')
            return false;
    return true;
}

static int keep_octets(poplin_slice text, poplin_value *value) {
    char *copy = malloc(text.size > 0 ? text.size : 1);

    if (copy == NULL)
        return POPLIN_ERR_NOMEM;
    if (text.size > 0)
        memcpy(copy, text.data, text.size);
    value->given = true;
    value->octets = (poplin_slice){copy, text.size};
    return POPLIN_OK;
}

static void tell_wanted(const poplin_setting_rule *rule, char *why, size_t size) {
    switch (rule->kind) {
    case POPLIN_SETTING_FLAG:
        snprintf(why, size, "yes, no or nothing");
        break;
    case POPLIN_SETTING_SIGNED:
        snprintf(why, size, "a whole number, with or without a sign");
        break;
    case POPLIN_SETTING_SECONDS:
        snprintf(why, size, "seconds as a decimal number, at most %d", POPLIN_SETTING_MILLISECONDS_MAX / 1000);
        break;
    case POPLIN_SETTING_SHARE:
        snprintf(why, size, "a decimal number from 0 to 1");
        break;
    case POPLIN_SETTING_WORD:
        snprintf(why, size, "one of: %s", rule->words);
        break;
    case POPLIN_SETTING_TEXT:
        snprintf(why, size, "one line of text, without CR, LF and NUL");
        break;
    default:
        if (rule->high > 0)
            snprintf(why, size, "a whole number from %" PRId64 " to %" PRId64, rule->low, rule->high);
        else
            snprintf(why, size, "a whole number from %" PRId64, rule->low);
        break;
    }
}

static bool read_number(const poplin_setting_rule *rule, poplin_slice text, int64_t *number) {
    bool read = false;

    if (rule->kind == POPLIN_SETTING_SECONDS)
        read = read_decimal(text, MILLI_DIGITS, number);
    else if (rule->kind == POPLIN_SETTING_SHARE)
        read = read_decimal(text, BILLIONTH_DIGITS, number);
    else
        read = read_whole(text, rule->kind == POPLIN_SETTING_SIGNED, number);
    return read && *number >= rule->low && *number <= highest(rule);
}

static int read_flag(poplin_slice text, poplin_value *value) {
    bool no = poplin_slice_equal_nocase(text, "no");

    value->given = !no;
    return no || text.size == 0 || poplin_slice_equal_nocase(text, "yes") ? POPLIN_OK : POPLIN_ERR_STATE;
}

static int read_word(const poplin_setting_rule *rule, poplin_slice text, poplin_value *value) {
    value->number = poplin_word_index(rule->words, text);
    value->given = value->number >= 0;
    return value->given ? POPLIN_OK : POPLIN_ERR_STATE;
}

int poplin_value_read(enum poplin_fault_setting setting, poplin_slice text, poplin_value *value, char *why,
                      size_t size) {
    const poplin_setting_rule *rule = &rules[setting];
    int status;

    *value = (poplin_value){0};
    switch (rule->kind) {
    case POPLIN_SETTING_FLAG:
        status = read_flag(text, value);
        break;
    case POPLIN_SETTING_WORD:
        status = read_word(rule, text, value);
        break;
    case POPLIN_SETTING_TEXT:
        status = is_line(text) ? keep_octets(text, value) : POPLIN_ERR_STATE;
        break;
    case POPLIN_SETTING_OCTETS:
        status = keep_octets(text, value);
        break;
    default:
        value->given = read_number(rule, text, &value->number);
        status = value->given ? POPLIN_OK : POPLIN_ERR_STATE;
        break;
    }
    if (status == POPLIN_ERR_STATE)
        tell_wanted(rule, why, size);
    return status;
}

void poplin_value_free(poplin_value *value) {
    free((char *)value->octets.data);
    *value = (poplin_value){0};
}

/* ---- writing ---- */

static int write_decimal(int64_t number, int digits, poplin_buffer *output) {
    char text[NUMBER_TEXT];
    int64_t unit = 1;

    for (int i = 0; i < digits; i++)
        unit *= 10;
    int size = snprintf(text, sizeof text, "%" PRId64 ".%0*" PRId64, number / unit, digits, number % unit);

    while (text[size - 1] == '0')
        size--;
    if (text[size - 1] == '.')
        size--;
    return poplin_buffer_append(output, text, (size_t)size);
}

int poplin_value_write(enum poplin_fault_setting setting, const poplin_value *value, poplin_buffer *output) {
    const poplin_setting_rule *rule = &rules[setting];
    char text[NUMBER_TEXT];
    poplin_slice word;

    switch (rule->kind) {
    case POPLIN_SETTING_FLAG:
        return POPLIN_OK;
    case POPLIN_SETTING_TEXT:
    case POPLIN_SETTING_OCTETS:
        return poplin_buffer_append(output, value->octets.data, value->octets.size);
    case POPLIN_SETTING_WORD:
        word = poplin_word_at(rule->words, (size_t)value->number);
        return poplin_buffer_append(output, word.data, word.size);
    case POPLIN_SETTING_SECONDS:
        return write_decimal(value->number, MILLI_DIGITS, output);
    case POPLIN_SETTING_SHARE:
        return write_decimal(value->number, BILLIONTH_DIGITS, output);
    default:
        snprintf(text, sizeof text, rule->kind == POPLIN_SETTING_SIGNED ? "%+" PRId64 : "%" PRId64, value->number);
        return poplin_buffer_append(output, text, strlen(text));
    }
}
