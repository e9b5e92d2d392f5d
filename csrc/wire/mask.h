/*
 * wire/mask.h - command lines made fit for people and logs: what may be a secret is hidden, what cannot be printed is
 * spelled out.
 */
#ifndef POPLIN_WIRE_MASK_H
#define POPLIN_WIRE_MASK_H

#include <poplin/types.h>

/* Room for a line as it is shown, its NUL included. */
enum { POPLIN_SHOWN_MAX = 256 };

/*
 * Writes the line (without CRLF; any octets, a legal command or not) to shown, cut to size, which is at least 8: "PASS ****",
 * "APOP name ****", "AUTH PLAIN ****", "RETR 3". Octets that are not printable ASCII become \xNN. response: the line answers an
 * AUTH challenge; only a cancelling "*" is shown of those. Returns true where something is hidden.
 */
bool poplin_mask(poplin_slice line, bool response, char *shown, size_t size);

#endif
