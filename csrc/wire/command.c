/*
 * wire/command.c - command lines: "RETR 3" parsed by the server and written by the client (RFC 1939 section 3,
 * RFC 2449 section 3, RFC 5034 section 4).
 */
#include "wire/grammar.h"

#include <string.h>

enum { MECHANISM_MAX = 20, DIGITS_MAX = 10 };

/* Takes the one SP that must stand before each argument. */
static bool take_space(poplin_slice *text) {
    if (text->size == 0 || text->data[0] != ' ')
        return false;
    text->data++;
    text->size--;
    return true;
}

/* Takes octets up to the next SP or the end. */
static poplin_slice take_word(poplin_slice *text) {
    const char *space = text->size > 0 ? memchr(text->data, ' ', text->size) : NULL;
    size_t size = space != NULL ? (size_t)(space - text->data) : text->size;
    poplin_slice word = {text->data, size};
    if (size > 0) {
        text->data += size;
        text->size -= size;
    }
    return word;
}

static bool take_number(poplin_slice *text, uint32_t *number) {
    uint64_t value;
    if (!take_space(text) || poplin_number_take(text, POPLIN_NUMBER_MAX, &value) < 0)
        return false;
    *number = (uint32_t)value;
    return true;
}

static bool take_message_number(poplin_slice *text, uint32_t *number) {
    return take_number(text, number) && *number > 0;
}

static bool is_parameter(poplin_slice word) {
    for (size_t i = 0; i < word.size; i++)
        if (word.data[i] < 0x21 || word.data[i] > 0x7E)
            return false;
    return word.size > 0;
}

static bool is_mechanism(poplin_slice word) {
    for (size_t i = 0; i < word.size; i++) {
        char c = word.data[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '_')
            return false;
    }
    return word.size > 0 && word.size <= MECHANISM_MAX;
}

static bool take_parameter(poplin_slice *text, poplin_slice *word) {
    if (!take_space(text))
        return false;
    *word = take_word(text);
    return is_parameter(*word);
}

/* As take_parameter, but what is not ASCII passes: whether it may stand there is the session's to say (RFC 6856 section 2.2). */
static bool take_name(poplin_slice *text, poplin_slice *name) {
    if (!take_space(text))
        return false;
    *name = take_word(text);
    for (size_t i = 0; i < name->size; i++) {
        unsigned char octet = (unsigned char)name->data[i];
        if (octet <= 0x20 || octet == 0x7F)
            return false;
    }
    return name->size > 0;
}

static bool take_arguments(poplin_slice *text, enum poplin_arguments arguments, poplin_parsed_command *command) {
    switch (arguments) {
    case POPLIN_ARGS_NONE:
        return true;
    case POPLIN_ARGS_NUMBER:
        return take_message_number(text, &command->number);
    case POPLIN_ARGS_NUMBER_OPTIONAL:
        return text->size == 0 || take_message_number(text, &command->number);
    case POPLIN_ARGS_NUMBER_LINES:
        return take_message_number(text, &command->number) && take_number(text, &command->lines);
    case POPLIN_ARGS_NAME:
        return take_name(text, &command->argument);
    case POPLIN_ARGS_NAME_OPTIONAL:
        return text->size == 0 || take_parameter(text, &command->argument);
    case POPLIN_ARGS_REST:
        if (!take_space(text) || text->size == 0)
            return false;
        command->argument = *text;
        text->size = 0;
        return true;
    case POPLIN_ARGS_MECHANISM:
        if (!take_parameter(text, &command->argument) || !is_mechanism(command->argument))
            return false;
        return text->size == 0 || take_parameter(text, &command->initial);
    }
    return false;
}

int poplin_command_parse(poplin_slice line, poplin_parsed_command *command) {
    *command = (poplin_parsed_command){0};
    poplin_slice text = line;
    command->verb = poplin_verb_parse(take_word(&text));
    if (command->verb == POPLIN_NO_VERB)
        return POPLIN_ERR_UNSUPPORTED;
    bool good = take_arguments(&text, poplin_verb_lookup(command->verb)->arguments, command);
    return good && text.size == 0 ? POPLIN_OK : POPLIN_ERR_PROTOCOL;
}

static char *put(char *at, poplin_slice text) {
    if (text.size > 0)
        memcpy(at, text.data, text.size);
    return at + text.size;
}

static char *put_number(char *at, uint32_t number) {
    char digits[DIGITS_MAX];
    size_t first = DIGITS_MAX;
    do {
        digits[--first] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    *at++ = ' ';
    return put(at, (poplin_slice){digits + first, DIGITS_MAX - first});
}

static char *put_word(char *at, poplin_slice word) {
    *at++ = ' ';
    return put(at, word);
}

int poplin_command_write(poplin_buffer *output, const poplin_parsed_command *command) {
    const poplin_verb_row *row = poplin_verb_lookup(command->verb);
    poplin_slice name = poplin_slice_of(row->name);
    size_t most = name.size + 2 * (size_t)(1 + DIGITS_MAX) + 2 + command->argument.size + command->initial.size + 2;
    char *line = poplin_buffer_reserve(output, most);
    if (line == NULL)
        return POPLIN_ERR_NOMEM;

    char *at = put(line, name);
    switch (row->arguments) {
    case POPLIN_ARGS_NONE:
        break;
    case POPLIN_ARGS_NUMBER:
        at = put_number(at, command->number);
        break;
    case POPLIN_ARGS_NUMBER_OPTIONAL:
        if (command->number > 0)
            at = put_number(at, command->number);
        break;
    case POPLIN_ARGS_NUMBER_LINES:
        at = put_number(put_number(at, command->number), command->lines);
        break;
    case POPLIN_ARGS_NAME:
    case POPLIN_ARGS_REST:
        at = put_word(at, command->argument);
        break;
    case POPLIN_ARGS_NAME_OPTIONAL:
        if (command->argument.size > 0)
            at = put_word(at, command->argument);
        break;
    case POPLIN_ARGS_MECHANISM:
        at = put_word(at, command->argument);
        if (command->initial.data != NULL)
            at = put_word(at, command->initial);
        break;
    }
    at = put(at, (poplin_slice){"\r\n", 2});
    poplin_buffer_grow(output, (size_t)(at - line));
    return POPLIN_OK;
}
