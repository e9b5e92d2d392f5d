/*
 * fetch/marks.h - what servers that keep mail in an mbox write into its header as time goes by: whether it was seen, which
 * unique-id it was given. A message is the same with them and without.
 */
#ifndef POPLIN_FETCH_MARKS_H
#define POPLIN_FETCH_MARKS_H

#include <poplin/types.h>

/* More octets of a line's beginning than are looked at. */
enum { POPLIN_MARK_SIZE = 16 };

/* Whether the line of a header, or its beginning, begins such a field; one that is folded goes on in lines that begin with white space. */
bool poplin_is_mark(poplin_slice line);

/* Whether the line goes on with the field of the line before. */
bool poplin_is_folded(poplin_slice line);

/*
 * Whether the two regular files hold the same message, from their beginnings: marks do not count, nor empty lines at the end. room: twice half octets to read
 * into; half is at least POPLIN_MARK_SIZE.
 */
bool poplin_files_are_same(int file, int other, char *room, size_t half);

#endif
