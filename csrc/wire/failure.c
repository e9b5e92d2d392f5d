/*
 * wire/failure.c - a poplin_error, filled in.
 */
#include "wire/failure.h"

#include <stdarg.h>
#include <stdio.h>

#include "wire/grammar.h"

int poplin_fail(poplin_error *error, int status, const char *doing, const char *format, ...) {
    if (error == NULL)
        return status;
    char reason[sizeof error->reason];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    *error = (poplin_error){.status = status};
    snprintf(error->doing, sizeof error->doing, "%s", doing);
    poplin_visible(poplin_slice_of(reason), error->reason, sizeof error->reason);
    return status;
}
