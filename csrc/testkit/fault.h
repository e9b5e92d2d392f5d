/*
 * testkit/fault.h - one fault: its command and its settings, checked when it is made and never changed afterwards. Kit and
 * plays share it: it has a count of owners, who may be on several threads.
 */
#ifndef POPLIN_TESTKIT_FAULT_H
#define POPLIN_TESTKIT_FAULT_H

#include <stdatomic.h>

#include "testkit/settings.h"

typedef struct poplin_fault {
    atomic_uint owners;
    char *command; /* in capitals; NULL: any command */
    char *name;
    poplin_value values[POPLIN_FAULT_SETTINGS];
} poplin_fault;

/*
 * Makes a fault. name (may be NULL) is what it is known by in place of its own. Failures as poplin_testkit_add_fault.
 */
int poplin_fault_new(const char *command, const poplin_setting *settings, size_t count, const char *name,
                     poplin_fault **fault, poplin_error *error);

/* The same from text (fault_text.c). */
int poplin_fault_parse(const char *text, const char *name, poplin_fault **fault, poplin_error *error);

/* Appends the fault's text without its name: what is parsed as the same fault again (fault_text.c). OK or ERR_NOMEM. */
int poplin_fault_write(const poplin_fault *fault, poplin_buffer *output);

poplin_fault *poplin_fault_ref(poplin_fault *fault);
void poplin_fault_free(poplin_fault *fault); /* NULL is allowed */

/* Fills in *error, which may be NULL. Returns status. */
__attribute__((format(printf, 3, 4))) int poplin_fault_fail(poplin_error *error, int status, const char *format, ...);

#endif
