/*
 * testkit/faults.h - the faults of a kit: parsed from their settings, kept in order, chosen for an exchange. No I/O,
 * no lock: the kit holds its own around every call.
 */
#ifndef POPLIN_TESTKIT_FAULTS_H
#define POPLIN_TESTKIT_FAULTS_H

#include <poplin/testkit.h>

typedef struct poplin_faults poplin_faults;

/* What a fault's conditions are held against. */
typedef struct poplin_occasion {
    const char
        *command; /* the keyword in capitals as the client gave it, "GREETING", "AUTOLOGOUT", "AUTH" for a response */
    const poplin_tap_command *line; /* NULL for GREETING and AUTOLOGOUT */
    uint64_t session;               /* its number */
    poplin_slice user;              /* who has logged in or, before that, whom the last USER named; {NULL, 0} */
    bool tls;
    const uint32_t *marked; /* message numbers marked as deleted, ascending */
    size_t marked_count;
} poplin_occasion;

/* What the chosen faults do to one exchange; see play.h. */
typedef struct poplin_play poplin_play;

poplin_faults *poplin_faults_new(void); /* NULL: out of memory */
void poplin_faults_free(poplin_faults *faults);
void poplin_faults_clear(poplin_faults *faults);

/* As poplin_testkit_add_fault, _add_fault_text, _add_profile, _remove and _fired. */
int poplin_faults_add(poplin_faults *faults, const char *command, const poplin_setting *settings, size_t count,
                      poplin_fault_handle *handle, poplin_error *error);
int poplin_faults_add_text(poplin_faults *faults, const char *text, poplin_fault_handle *handle, poplin_error *error);
int poplin_faults_add_profile(poplin_faults *faults, const char *name, poplin_fault_handle *handle,
                              poplin_error *error);
int poplin_faults_remove(poplin_faults *faults, uint64_t id, uint64_t *fired);
uint64_t poplin_faults_fired(const poplin_faults *faults, uint64_t id);

/*
 * Counts the occasion for every fault and chooses those that take effect: *play, or NULL where none does. The play is
 * independent of the faults from here on. NOMEM.
 */
int poplin_faults_choose(poplin_faults *faults, const poplin_occasion *occasion, poplin_play **play);

#endif
