/*
 * wire/failure.h - a poplin_error, filled in.
 */
#ifndef POPLIN_WIRE_FAILURE_H
#define POPLIN_WIRE_FAILURE_H

#include <poplin/status.h>

/*
 * Writes status, what was being done and why it failed; what came from a peer or a file may stand in the arguments
 * as it is, since the reason is made visible here. error may be NULL. Returns status.
 */
__attribute__((format(printf, 4, 5))) int poplin_fail(poplin_error *error, int status, const char *doing,
                                                      const char *format, ...);

#endif
