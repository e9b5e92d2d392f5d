/*
 * wire/mask.c - command lines without their secrets.
 *
 * A client that is being tested says all kinds of things, so nothing is shown because it does not look like a password: of a
 * line only the beginning is shown that the grammar says is none, which is the keyword, USER's and APOP's name, AUTH's
 * mechanism, and numbers. A keyword that is not known is shown where it is short and of one case; so it is hardly a piece of
 * base64 that came outside its exchange.
 */
#include "wire/mask.h"

#include <string.h>

#include "wire/grammar.h"

enum { FOREIGN_MIN = 3, FOREIGN_MAX = 5, MECHANISM_MAX = 20, DIGEST_DIGITS = 32 };

static const char hidden[] = "****";

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

static bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}

static bool is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_hexadecimal(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Where the word that begins at from ends: at a blank, a control character, or the line's end. */
static size_t word_end(poplin_slice line, size_t from) {
    while (from < line.size && (unsigned char)line.data[from] > ' ' && line.data[from] != 0x7F)
        from++;
    return from;
}

static bool ends_or_has_space(poplin_slice line, size_t at) {
    return at == line.size || line.data[at] == ' ';
}

/* Letters of one case, and the characters of others. */
static bool is_of_one_case(poplin_slice word, const char *others) {
    bool lower = false, upper = false;

    for (size_t i = 0; i < word.size; i++) {
        char c = word.data[i];

        lower |= is_lower(c);
        upper |= is_upper(c);
        if (!is_lower(c) && !is_upper(c) && (c == '\0' || strchr(others, c) == NULL))
            return false;
    }
    return !(lower && upper);
}

/* The end of USER's name at from, where it is the last word; from: it is not. */
static size_t behind_last_name(poplin_slice line, size_t from) {
    size_t end = word_end(line, from);

    return end == line.size ? end : from;
}

/* Behind APOP's name at from and its SP, where a digest and nothing else follows; from: it does not. */
static size_t behind_name_of_digest(poplin_slice line, size_t from) {
    size_t end = word_end(line, from), digits = 0;

    if (end == from || line.size != end + 1 + DIGEST_DIGITS || line.data[end] != ' ')
        return from;
    while (digits < DIGEST_DIGITS && is_hexadecimal(line.data[end + 1 + digits]))
        digits++;
    return digits == DIGEST_DIGITS ? end + 1 : from;
}

/* Behind the mechanism at from and its SP, and behind an empty initial response; from: there is no mechanism. */
static size_t behind_mechanism(poplin_slice line, size_t from) {
    size_t end = word_end(line, from);
    poplin_slice word = {line.data + from, end - from};

    if (word.size == 0 || word.size > MECHANISM_MAX || !is_of_one_case(word, "0123456789-_") ||
        !ends_or_has_space(line, end))
        return from;
    if (end == line.size)
        return end;
    return line.size == end + 2 && line.data[end + 1] == '=' ? line.size : end + 1;
}

/* Behind all the numbers at from, also such as no message can have; from: something else is among them. */
static size_t behind_numbers(poplin_slice line, size_t from) {
    size_t at = from;

    while (at < line.size && (is_digit(line.data[at]) || strchr(" +-", line.data[at]) != NULL) && line.data[at] != '\0')
        at++;
    return at == line.size ? at : from;
}

/* How much may be seen of a command whose known keyword ends at end. */
static size_t visible_of_arguments(poplin_slice line, poplin_slice keyword, size_t end) {
    size_t from = end + 1;

    if (end == line.size || !is_blank(line.data[end]))
        return end;
    if (line.data[end] != ' ')
        return from;
    if (poplin_slice_equal_nocase(keyword, "APOP"))
        return behind_name_of_digest(line, from);
    switch (poplin_verb_parse(keyword)) {
    case POPLIN_USER:
        return behind_last_name(line, from);
    case POPLIN_PASS:
        return from;
    case POPLIN_AUTH:
        return behind_mechanism(line, from);
    default:
        return behind_numbers(line, from);
    }
}

/* How many octets of the command line, from its start, may be seen. */
static size_t visible_of_command(poplin_slice line) {
    size_t start = 0;

    while (start < line.size && is_blank(line.data[start]))
        start++;
    size_t end = start;

    while (end < line.size && (is_lower(line.data[end]) || is_upper(line.data[end]) || is_digit(line.data[end])))
        end++;
    if (end == start)
        return start;
    poplin_slice keyword = {line.data + start, end - start};

    if (poplin_verb_parse(keyword) != POPLIN_NO_VERB || poplin_slice_equal_nocase(keyword, "APOP"))
        return visible_of_arguments(line, keyword, end);
    bool foreign = keyword.size >= FOREIGN_MIN && keyword.size <= FOREIGN_MAX && is_of_one_case(keyword, "");

    if (foreign && end == line.size)
        return end;
    return foreign && is_blank(line.data[end]) ? end + 1 : start;
}

bool poplin_mask(poplin_slice line, bool response, char *shown, size_t size) {
    bool cancel = response && poplin_slice_equal(line, poplin_slice_of("*"));
    size_t visible = response ? 0 : visible_of_command(line);

    if (cancel)
        visible = line.size;
    bool hides = visible < line.size;

    poplin_visible((poplin_slice){line.data, visible}, shown, hides ? size - strlen(hidden) : size);
    if (hides)
        memcpy(shown + strlen(shown), hidden, sizeof hidden);
    return hides;
}
