/*
 * server/reply.c - the server's status lines: at most 512 octets each (POP-GEN-11), printable ASCII unless the client has asked for
 * UTF-8 (POP-GEN-20), and never a response code that was not meant as one (RFC 2449 section 8).
 */
#include "server/machine.h"

#include "wire/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { REPLY_MAX = 512, WORDS_MAX = 400 };

/* Replaces the text of a status line, which is what stands behind indicator and response code. Returns the line's size. */
static size_t translate(const poplin_session *session, char *line, size_t size) {
    size_t from = memcmp(line, "+OK ", 4) == 0 ? 4 : memcmp(line, "-ERR ", 5) == 0 ? 5 : 0;
    const char *behind = from > 0 && line[from] == '[' ? memmem(line, size, "] ", 2) : NULL;
    char text[REPLY_MAX];

    if (behind != NULL)
        from = (size_t)(behind - line) + 2;
    if (from == 0)
        return size;
    size_t written =
        poplin_turn_translate(session, (poplin_slice){line + from, size - from}, text, REPLY_MAX - 2 - from);

    memcpy(line + from, text, written);
    return written > 0 ? from + written : size;
}

void poplin_turn_reply(poplin_session *session, const char *format, ...) {
    char *line = poplin_buffer_reserve(&session->output, REPLY_MAX);
    va_list arguments;

    if (line == NULL) {
        session->out_of_memory = true;
        return;
    }
    va_start(arguments, format);
    size_t size = (size_t)vsnprintf(line, REPLY_MAX - 2, format, arguments);
    va_end(arguments);
    if (session->translated)
        size = translate(session, line, size);
    poplin_turn_trace_reply(session, (poplin_slice){line, size});
    line[size] = '\r';
    line[size + 1] = '\n';
    poplin_buffer_grow(&session->output, size + 2);
}

void poplin_turn_clean(const char *text, char *buffer, size_t size) {
    size_t used = 0;

    for (; used + 1 < size && text[used] != '\0' && text[used] != '\r' && text[used] != '\n'; used++)
        buffer[used] = text[used] >= 0x20 && text[used] <= 0x7E ? text[used] : '?';
    buffer[used] = '\0';
    if (buffer[0] == '[')
        buffer[0] = '(';
}

/* The same for a client that reads UTF-8: only whole characters are left, and no controls. */
static void clean_utf8(const char *text, char *buffer, size_t size) {
    size_t used = strcspn(text, "\r\n");

    if (used >= size)
        for (used = size - 1; ((unsigned char)text[used] & 0xC0) == 0x80;)
            used--;
    for (size_t i = 0; i < used; i++)
        buffer[i] = (unsigned char)text[i] >= 0x20 && text[i] != 0x7F ? text[i] : '?';
    buffer[used] = '\0';
    if (buffer[0] == '[')
        buffer[0] = '(';
}

enum poplin_code poplin_turn_code_of(const poplin_session *session, int status) {
    bool login = session->phase == POPLIN_AUTHORIZATION;

    if (status == POPLIN_ERR_REFUSED)
        return login ? POPLIN_CODE_SYS_PERM : POPLIN_CODE_NONE;
    if (login && status == POPLIN_ERR_AUTH)
        return POPLIN_CODE_AUTH;
    return login && status == POPLIN_ERR_IN_USE ? POPLIN_CODE_IN_USE : POPLIN_CODE_SYS_TEMP;
}

static const char *words_for(enum poplin_code code) {
    switch (code) {
    case POPLIN_CODE_AUTH:
        return "name or password not accepted";
    case POPLIN_CODE_IN_USE:
        return "the maildrop is in use by another session";
    case POPLIN_CODE_LOGIN_DELAY:
        return "too soon after the last login";
    case POPLIN_CODE_SYS_TEMP:
        return "not possible just now";
    case POPLIN_CODE_UTF8:
        return "this message is for clients that send UTF8 before they log in";
    case POPLIN_CODE_SYS_PERM:
    case POPLIN_CODE_NONE:
        break;
    }
    return "refused";
}

void poplin_turn_reply_refused(poplin_session *session, enum poplin_code code, const char *text) {
    char clean[WORDS_MAX];

    if (text == NULL || *text == '\0')
        text = words_for(code);
    if ((session->utf8 || session->translated) && poplin_is_utf8(poplin_slice_of(text)))
        clean_utf8(text, clean, sizeof clean);
    else
        poplin_turn_clean(text, clean, sizeof clean);
    if (code == POPLIN_CODE_NONE)
        poplin_turn_reply(session, "-ERR %s", clean);
    else
        poplin_turn_reply(session, "-ERR [%s] %s", poplin_code_text(code), clean);
}
