/*
 * testkit/fault_text.c - faults as text: RETR nth=2 drop_after=100. Words are separated by SP or TAB. A value that is
 * empty or holds anything but visible ASCII, a quote or a backslash stands in double quotes, where \r \n \t \" \\ and
 * \xNN are known.
 */
#include "testkit/fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/grammar.h"

/* No fault can have more settings than there are, but one more to be told of. */
enum { MOST = POPLIN_FAULT_SETTINGS + 1, SHOWN_SIZE = 64 };

/* A text on its way to a command and settings. What they point to is kept in memory, which the text's size bounds. */
struct reader {
    const char *at;
    char *memory;
    char *free;
    const char *command;
    poplin_setting settings[MOST];
    size_t count;
    poplin_error *error;
};

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

static bool is_word_end(char c) {
    return c == '\0' || is_blank(c);
}

/* Keeps the octets with a NUL behind them. */
static char *keep(struct reader *reader, const char *data, size_t size) {
    char *kept = reader->free;

    memcpy(kept, data, size);
    kept[size] = '\0';
    reader->free += size + 1;
    return kept;
}

static int hexadecimal(char c) {
    static const char digits[] = "0123456789abcdef";
    const char *digit = c == '\0' ? NULL : strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);

    return digit != NULL ? (int)(digit - digits) : -1;
}

/* Takes what stands behind a backslash. */
static bool take_escape(struct reader *reader, char *octet) {
    static const char names[] = "rnt\"\\", octets[] = "\r\n\t\"\\";
    const char *name = *reader->at != '\0' ? strchr(names, *reader->at) : NULL;

    if (name != NULL) {
        *octet = octets[name - names];
        reader->at++;
        return true;
    }
    int high = *reader->at == 'x' ? hexadecimal(reader->at[1]) : -1;
    int low = high >= 0 ? hexadecimal(reader->at[2]) : -1;

    if (low < 0)
        return false;
    *octet = (char)(high << 4 | low);
    reader->at += 3;
    return true;
}

static int take_quoted(struct reader *reader, poplin_slice *value) {
    char *start = reader->free;

    for (reader->at++; *reader->at != '"'; reader->free++) {
        if (*reader->at == '\0')
            return poplin_fault_fail(reader->error, POPLIN_ERR_STATE,
                                     "a double quote is missing at the end of a value");
        *reader->free = *reader->at++;
        if (*reader->free == '\\' && !take_escape(reader, reader->free))
            return poplin_fault_fail(reader->error, POPLIN_ERR_STATE,
                                     "behind a backslash stands one of r n t \" \\ or x and two hexadecimal digits");
    }
    reader->at++;
    *value = (poplin_slice){start, (size_t)(reader->free - start)};
    *reader->free++ = '\0';
    if (!is_word_end(*reader->at))
        return poplin_fault_fail(reader->error, POPLIN_ERR_STATE, "a space is missing behind a double quote");
    return POPLIN_OK;
}

static int take_bare(struct reader *reader, poplin_slice *value) {
    size_t size = strcspn(reader->at, " \t");

    *value = (poplin_slice){keep(reader, reader->at, size), size};
    if (memchr(value->data, '"', size) != NULL || memchr(value->data, '\\', size) != NULL)
        return poplin_fault_fail(reader->error, POPLIN_ERR_STATE,
                                 "a value with a quote or a backslash stands in double quotes, there as \\\" and \\\\");
    reader->at += size;
    return POPLIN_OK;
}

static int take_setting(struct reader *reader) {
    poplin_setting *setting = &reader->settings[reader->count++];
    size_t size = strcspn(reader->at, "= \t");

    setting->name = keep(reader, reader->at, size);
    setting->value = (poplin_slice){"", 0};
    reader->at += size;
    if (*reader->at != '=')
        return POPLIN_OK;
    reader->at++;
    return *reader->at == '"' ? take_quoted(reader, &setting->value) : take_bare(reader, &setting->value);
}

static int take_command(struct reader *reader) {
    size_t size = strcspn(reader->at, " \t");

    reader->command = keep(reader, reader->at, size);
    if (size > 0 && strchr(reader->command, '=') == NULL &&
        poplin_setting_lookup(reader->command) == POPLIN_FAULT_SETTINGS) {
        reader->at += size;
        return POPLIN_OK;
    }
    char shown[SHOWN_SIZE];

    poplin_visible(poplin_slice_of(reader->command), shown, sizeof shown);
    return poplin_fault_fail(reader->error, POPLIN_ERR_STATE,
                             "a fault begins with a command, GREETING, AUTOLOGOUT, or * for any command, not with '%s'",
                             shown);
}

static void skip_blanks(struct reader *reader) {
    while (is_blank(*reader->at))
        reader->at++;
}

static int read_text(struct reader *reader) {
    skip_blanks(reader);
    int status = take_command(reader);

    for (skip_blanks(reader); status == POPLIN_OK && *reader->at != '\0' && reader->count < MOST; skip_blanks(reader))
        status = take_setting(reader);
    return status;
}

int poplin_fault_parse(const char *text, const char *name, poplin_fault **fault, poplin_error *error) {
    struct reader reader = {.at = text, .error = error};

    reader.memory = reader.free = malloc(2 * strlen(text) + 2); /* each word gets a NUL */
    if (reader.memory == NULL)
        return poplin_fault_fail(error, POPLIN_ERR_NOMEM, "out of memory");
    int status = read_text(&reader);

    if (status == POPLIN_OK)
        status = poplin_fault_new(reader.command, reader.settings, reader.count, name, fault, error);
    free(reader.memory);
    return status;
}

/* ---- writing ---- */

static bool is_plain(char c) {
    return c > 0x20 && c < 0x7F && c != '"' && c != '\\';
}

static bool needs_quotes(poplin_slice value) {
    bool plain = value.size > 0;

    for (size_t i = 0; i < value.size; i++)
        plain = plain && is_plain(value.data[i]);
    return !plain;
}

static int write_quoted_octet(char octet, poplin_buffer *output) {
    static const char names[] = "rnt\"\\", octets[] = "\r\n\t\"\\";
    const char *known = octet != '\0' ? strchr(octets, octet) : NULL;
    char text[sizeof "\\xNN"];

    if (known != NULL)
        snprintf(text, sizeof text, "\\%c", names[known - octets]);
    else if (octet == ' ' || is_plain(octet))
        snprintf(text, sizeof text, "%c", octet);
    else
        snprintf(text, sizeof text, "\\x%02x", (unsigned char)octet);
    return poplin_buffer_append(output, text, strlen(text));
}

static int write_value(poplin_slice value, poplin_buffer *output) {
    int status = POPLIN_OK;

    if (!needs_quotes(value))
        return poplin_buffer_append(output, value.data, value.size);
    if (poplin_buffer_append(output, "\"", 1) < 0)
        return POPLIN_ERR_NOMEM;
    for (size_t i = 0; i < value.size && status == POPLIN_OK; i++)
        status = write_quoted_octet(value.data[i], output);
    return status == POPLIN_OK ? poplin_buffer_append(output, "\"", 1) : status;
}

static int write_setting(enum poplin_fault_setting setting, const poplin_value *value, poplin_buffer *output) {
    const poplin_setting_rule *rule = poplin_setting_rule_of(setting);
    poplin_buffer text = {0};

    if (poplin_buffer_append(output, " ", 1) < 0 || poplin_buffer_append(output, rule->name, strlen(rule->name)) < 0)
        return POPLIN_ERR_NOMEM;
    if (rule->kind == POPLIN_SETTING_FLAG)
        return POPLIN_OK;
    int status = poplin_value_write(setting, value, &text);

    if (status == POPLIN_OK)
        status = poplin_buffer_append(output, "=", 1);
    if (status == POPLIN_OK)
        status = write_value(poplin_buffer_slice(&text), output);
    poplin_buffer_free(&text);
    return status;
}

int poplin_fault_write(const poplin_fault *fault, poplin_buffer *output) {
    const char *command = fault->command != NULL ? fault->command : "*";
    int status = poplin_buffer_append(output, command, strlen(command));

    for (int i = 0; i < POPLIN_FAULT_SETTINGS && status == POPLIN_OK; i++)
        if (fault->values[i].given && i != POPLIN_FAULT_NAME)
            status = write_setting((enum poplin_fault_setting)i, &fault->values[i], output);
    return status;
}
