/*
 * testkit/shape.h - where the parts of a whole reply lie. Which replies have content is known from the command, not
 * guessed from octets (RFC 1939 section 3).
 */
#ifndef POPLIN_TESTKIT_SHAPE_H
#define POPLIN_TESTKIT_SHAPE_H

#include <poplin/types.h>

/* The whole, and its parts, which lie one behind the other; each may be empty. */
typedef struct poplin_reply_shape {
    poplin_slice whole;
    poplin_slice status;     /* the first line, with its line end */
    poplin_slice content;    /* stuffed, up to the terminator */
    poplin_slice terminator; /* ".\r\n" */
    poplin_slice rest;       /* what follows: nothing in a reply of a session */
} poplin_reply_shape;

bool poplin_reply_is_ok(poplin_slice reply);

/*
 * Whether the reply to a command has content behind its status line: it is +OK, and the command is CAPA, RETR, TOP, or
 * LIST or UIDL without a message number (0).
 */
bool poplin_reply_is_multi_line(enum poplin_verb verb, uint32_t number, bool ok);

/* Finds the parts. What is not there yet, or not any more, is empty. */
poplin_reply_shape poplin_reply_split(poplin_slice reply, bool multi_line);

/* Takes a line with its LF, or what is left of one, from the front of *text. False: there is none. */
bool poplin_line_next(poplin_slice *text, poplin_slice *line);

#endif
