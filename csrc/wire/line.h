/*
 * wire/line.h - takes CRLF-ended lines out of lent octets, joining the ones that were cut.
 */
#ifndef POPLIN_WIRE_LINE_H
#define POPLIN_WIRE_LINE_H

#include "wire/buffer.h"

/* All zero but for limit and impatient is a reader at the start of a line. */
typedef struct poplin_line_reader {
    poplin_buffer held; /* the beginning of a line that was cut */
    bool returned;      /* held was handed out as a line: it is cleared at the next call */
    bool skipping;      /* inside a line that was over the limit */
    bool skipped_cr;    /* and the last octet skipped was a CR */
    bool impatient;     /* a bare LF is answered at once: what sends it may send no CRLF ever, and is waited for */
    size_t limit;       /* octets of a line, CRLF included; may be changed between lines */
} poplin_line_reader;

/*
 * Takes the next line from [*cursor, end) and moves *cursor behind it. OK: *line is the line without CRLF; it lies in
 * the lent octets or in the reader and lives until the next call. NEED_INPUT: the rest was held, *cursor is end.
 * ERR_LIMIT: the line is over the limit; the reader swallows what is left of it in the next calls, and answers
 * ERR_LIMIT once, as soon as the limit is passed. ERR_PROTOCOL: the line, complete, holds NUL, a bare CR or a bare LF
 * (POP-GEN-18); *line is the line all the same, and a bare LF does not end it. Only an impatient reader is done at a
 * bare LF, which is then the last octet of *line. ERR_NOMEM.
 */
int poplin_line_take(poplin_line_reader *reader, const char **cursor, const char *end, poplin_slice *line);

/* Whether a line, without its CRLF, holds no NUL, CR or LF. */
bool poplin_line_is_clean(poplin_slice line);

/* Frees what is held. */
void poplin_line_free(poplin_line_reader *reader);

#endif
