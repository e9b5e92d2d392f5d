/*
 * server/reply.c - the server's status lines: at most 512 octets each (POP-GEN-11), printable ASCII, and never a
 * response code that was not meant as one (RFC 2449 section 8).
 */
#include "server/machine.h"

#include <stdarg.h>
#include <stdio.h>

enum { REPLY_MAX = 512, WORDS_MAX = 400 };

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

void poplin_turn_reply_refused(poplin_session *session, int status, const char *text) {
    bool login = session->phase == POPLIN_AUTHORIZATION;
    enum poplin_code code = POPLIN_CODE_SYS_TEMP;
    const char *words = "not possible just now";
    char clean[WORDS_MAX];

    if (status == POPLIN_ERR_REFUSED) {
        code = login ? POPLIN_CODE_SYS_PERM : POPLIN_CODE_NONE;
        words = "refused";
    } else if (login && status == POPLIN_ERR_AUTH) {
        code = POPLIN_CODE_AUTH;
        words = "name or password not accepted";
    } else if (login && status == POPLIN_ERR_IN_USE) {
        code = POPLIN_CODE_IN_USE;
        words = "the maildrop is in use by another session";
    }
    poplin_turn_clean(text != NULL && *text != '\0' ? text : words, clean, sizeof clean);
    if (code == POPLIN_CODE_NONE)
        poplin_turn_reply(session, "-ERR %s", clean);
    else
        poplin_turn_reply(session, "-ERR [%s] %s", poplin_code_text(code), clean);
}
