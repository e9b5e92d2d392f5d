/*
 * testkit/nearest.h - which of several names one that does not exist was most likely meant to be.
 */
#ifndef POPLIN_TESTKIT_NEAREST_H
#define POPLIN_TESTKIT_NEAREST_H

#include <stddef.h>

/*
 * The nearest of the names that name_at gives for 0, 1, ... up to NULL; NULL where none is near: more than a third of the
 * name would have to change.
 */
const char *poplin_nearest(const char *name, const char *(*name_at)(size_t index));

#endif
