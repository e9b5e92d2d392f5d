/*
 * wire/dots.h - dot-stuffing: the content of multi-line replies, read and written (RFC 1939 section 3).
 *
 * Reading copies nothing: it hands out slices of what it was lent, cut only where a stuffed dot falls out. Writing
 * makes line ends CRLF as well, since a line end that is not CRLF must not leave the server (POP-ML-7).
 */
#ifndef POPLIN_WIRE_DOTS_H
#define POPLIN_WIRE_DOTS_H

#include "wire/buffer.h"

/* Where in a line the reader stands. All zero is the start of the content. */
typedef struct poplin_unstuffer {
    enum poplin_unstuffer_place {
        POPLIN_AT_LINE_START,
        POPLIN_AFTER_DOT,
        POPLIN_AFTER_DOT_CR,
        POPLIN_IN_LINE,
        POPLIN_AFTER_CR
    } place;
} poplin_unstuffer;

/*
 * Takes the next slice of content from [*cursor, end) and moves *cursor. OK: *content holds at least one octet, in the lent
 * octets or in static storage. NEED_INPUT: all is used up. END: the terminator was read; *cursor is behind it and
 * the reader is at the start of a content again. Never fails: any octet is content but for CRLF . CRLF (POP-ML-6).
 */
int poplin_unstuff(poplin_unstuffer *reader, const char **cursor, const char *end, poplin_slice *content);

/* What a writer remembers between two pieces. All zero is the start of a message. */
typedef struct poplin_stuffer {
    bool in_line;    /* the last octet sent was not the end of a line */
    bool after_cr;   /* the last octet was a CR */
    uint64_t octets; /* of the content as the client will see it: no stuffed dot, no terminator (POP-SIZE-1, -2, -4) */
    uint64_t body_lines_left; /* for TOP; see top */
    bool top;                 /* stop after the header, the empty line and body_lines_left lines */
    bool in_body;             /* TOP: the empty line was passed */
    bool line_empty;          /* TOP: nothing but the line's end yet */
} poplin_stuffer;

/*
 * Appends to output the wire form of as much of [*cursor, end) as keeps output within limit octets (a little slack for
 * one dot or CR is the writer's own), and moves *cursor; output may be NULL: then only octets are counted. Returns OK: *cursor is end;
 * WAITING: output is full; END: TOP needs no more; ERR_NOMEM.
 */
int poplin_stuff(poplin_stuffer *writer, const char **cursor, const char *end, poplin_buffer *output, size_t limit);

/* Ends the content: a missing last line end is added (and counted), then, unless output is NULL, the terminator. OK or ERR_NOMEM. */
int poplin_stuff_end(poplin_stuffer *writer, poplin_buffer *output);

#endif
