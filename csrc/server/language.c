/*
 * server/language.c - LANG (RFC 6856 section 3): the languages that the host has texts in, told, chosen and spoken.
 *
 * A reply is made in English and then looked up, so nothing else need know of this: what the catalogue has no text for stays as it is.
 * Response codes, numbers and what a reply tells to programs are no texts, and are never translated (POP-LANG-2).
 */
#include "server/machine.h"

#include "wire/utf8.h"

#include <string.h>

enum { TAG_MAX = 35, TEXT_MAX = 400 };

static const char own_tag[] = "i-default"; /* RFC 2277 section 4.5: for everybody, so English */

/* ---- the catalogue ---- */

typedef struct language {
    poplin_slice tag;
    poplin_slice description;
    poplin_slice texts; /* its lines, each TAB text TAB translation LF */
} language;

/* Takes what stands before the octet, which goes too, or all. */
static poplin_slice take_until(poplin_slice *rest, char end) {
    const char *found = rest->size > 0 ? memchr(rest->data, end, rest->size) : NULL;
    size_t size = found != NULL ? (size_t)(found - rest->data) : rest->size;
    poplin_slice taken = {rest->data, size};

    size += found != NULL;
    rest->data += size;
    rest->size -= size;
    return taken;
}

static bool take_language(poplin_slice *rest, language *taken) {
    if (rest->size == 0)
        return false;
    taken->description = take_until(rest, '\n');
    taken->tag = take_until(&taken->description, ' ');
    taken->texts = (poplin_slice){rest->data, 0};
    while (rest->size > 0 && rest->data[0] == '\t')
        (void)take_until(rest, '\n');
    taken->texts.size = (size_t)(rest->data - taken->texts.data);
    return true;
}

static bool take_text(poplin_slice *texts, poplin_slice *text, poplin_slice *translation) {
    if (texts->size == 0)
        return false;
    *translation = take_until(texts, '\n');
    (void)take_until(translation, '\t');
    *text = take_until(translation, '\t');
    return true;
}

/* Parts of letters and digits with a "-" between each two. */
static bool is_tag(poplin_slice tag) {
    size_t part = 0;

    for (size_t i = 0; i < tag.size; i++) {
        char c = tag.data[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');

        if (!letter && !(c >= '0' && c <= '9') && !(c == '-' && part > 0))
            return false;
        part = c == '-' ? 0 : part + 1;
    }
    return part > 0 && tag.size <= TAG_MAX && !poplin_slice_equal_nocase(tag, own_tag);
}

/* One line of a reply, or part of one. */
static bool is_text(poplin_slice text) {
    for (size_t i = 0; i < text.size; i++)
        if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7F)
            return false;
    return text.size > 0 && text.size <= TEXT_MAX && text.data[0] != '[';
}

bool poplin_languages_are_good(const char *languages) {
    poplin_slice rest = poplin_slice_of(languages != NULL ? languages : "");
    poplin_slice text, translation;
    language next;

    if (!poplin_is_utf8(rest) || (rest.size > 0 && rest.data[rest.size - 1] != '\n'))
        return false;
    while (take_language(&rest, &next)) {
        if (!is_tag(next.tag) || (next.description.size > 0 && !is_text(next.description)))
            return false;
        while (take_text(&next.texts, &text, &translation))
            if (!is_text(text) || !is_text(translation))
                return false;
    }
    return true;
}

/* ---- the choice ---- */

static bool begins_with(poplin_slice tag, poplin_slice range) {
    char start[TAG_MAX + 1];

    if (range.size > tag.size || range.size > TAG_MAX)
        return false;
    memcpy(start, range.data, range.size);
    start[range.size] = '\0';
    return poplin_slice_equal_nocase((poplin_slice){tag.data, range.size}, start);
}

/* The language of this very tag; or, loosely, the first whose tag has further parts behind it: "de-AT" for "de". */
static bool find(poplin_slice languages, poplin_slice range, bool loosely, language *found) {
    while (take_language(&languages, found)) {
        bool same = found->tag.size == range.size ||
                    (loosely && found->tag.size > range.size && found->tag.data[range.size] == '-');

        if (same && begins_with(found->tag, range))
            return true;
    }
    *found = (language){.tag = poplin_slice_of(own_tag)};
    return found->tag.size == range.size && begins_with(found->tag, range);
}

/*
 * As RFC 4647 section 3.4 looks it up, after what its section 3.3.1 lets pass: "de-AT-1996" finds "de-AT", or "de". What is longer than
 * any tag is not looked for, so that a range of five hundred parts is no more work than a short one.
 */
static bool choose(poplin_slice languages, poplin_slice range, language *found) {
    if (poplin_slice_equal(range, poplin_slice_of("*")))
        return take_language(&languages, found);
    while (range.size > 0) {
        if (range.size <= TAG_MAX && (find(languages, range, false, found) || find(languages, range, true, found)))
            return true;
        while (range.size > 0 && range.data[--range.size] != '-')
            continue;
    }
    return false;
}

static void list(poplin_session *session, poplin_slice languages) {
    language next;

    poplin_turn_reply(session, "+OK languages follow");
    while (take_language(&languages, &next)) {
        int tag = (int)next.tag.size, description = (int)next.description.size;

        if (description > 0)
            poplin_turn_reply(session, "%.*s %.*s", tag, next.tag.data, description, next.description.data);
        else
            poplin_turn_reply(session, "%.*s", tag, next.tag.data);
    }
    poplin_turn_reply(session, "%s English", own_tag);
    poplin_turn_reply(session, ".");
}

void poplin_turn_lang(poplin_session *session, const poplin_parsed_command *command) {
    poplin_slice languages = poplin_slice_of(session->config.languages != NULL ? session->config.languages : "");
    char text[TEXT_MAX + 1];
    language found;

    if (languages.size == 0) {
        poplin_turn_bad_command(session, "no other language here");
    } else if (command->argument.size == 0) {
        list(session, languages);
    } else if (!choose(languages, command->argument, &found)) {
        poplin_turn_reply(session, "-ERR no such language");
    } else {
        session->texts = found.texts;
        session->translated = found.texts.data != NULL;
        size_t size = poplin_turn_translate(session, poplin_slice_of("language changed"), text, sizeof text);

        poplin_turn_reply(session, "+OK %.*s %.*s", (int)found.tag.size, found.tag.data, (int)size, text);
    }
}

/* ---- the texts ---- */

/* Where the first number of the text begins and ends, or twice its end. */
static void find_number(poplin_slice text, size_t *begin, size_t *end) {
    for (*begin = 0; *begin < text.size && (text.data[*begin] < '0' || text.data[*begin] > '9');)
        ++*begin;
    for (*end = *begin; *end < text.size && text.data[*end] >= '0' && text.data[*end] <= '9';)
        ++*end;
}

/* Replaces what stands between begin and end. The size; 0: no room. */
static size_t replace(poplin_slice text, size_t begin, size_t end, poplin_slice with, char *buffer, size_t room) {
    size_t size = text.size - (end - begin) + with.size;

    if (size > room)
        return 0;
    memcpy(buffer, text.data, begin);
    if (with.size > 0)
        memcpy(buffer + begin, with.data, with.size);
    memcpy(buffer + begin + with.size, text.data + end, text.size - end);
    return size;
}

size_t poplin_turn_translate(const poplin_session *session, poplin_slice text, char *buffer, size_t size) {
    poplin_slice texts = session->texts, known, translation;
    char key[TEXT_MAX];
    size_t begin, end;

    find_number(text, &begin, &end);
    poplin_slice number = {text.data + begin, end - begin};
    poplin_slice hole = poplin_slice_of(end > begin ? "{}" : "");
    poplin_slice sought = {key, replace(text, begin, end, hole, key, sizeof key)};

    while (take_text(&texts, &known, &translation)) {
        if (!poplin_slice_equal(known, sought))
            continue;
        const char *place = memmem(translation.data, translation.size, "{}", 2);
        size_t at = place != NULL && hole.size > 0 ? (size_t)(place - translation.data) : translation.size;
        bool holed = at < translation.size;
        size_t written =
            replace(translation, at, holed ? at + 2 : at, holed ? number : (poplin_slice){"", 0}, buffer, size);

        if (written > 0)
            return written;
    }
    return replace(text, 0, 0, (poplin_slice){"", 0}, buffer, size);
}
