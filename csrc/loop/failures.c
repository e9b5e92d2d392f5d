/*
 * loop/failures.c - the networks that failed, in no order: each failure looks through all of them, which takes less time than
 * the login that failed.
 */
#include "loop/failures.h"

#include <stdlib.h>

static uint64_t last_time(const poplin_failing *failing) {
    return failing->times[(failing->count - 1) % POPLIN_FAILURES_COUNTED];
}

/* Room for one more; NULL: there is none, or no memory. */
static poplin_failing *append(poplin_failures *failures) {
    if (failures->count == POPLIN_FAILURES_MAX)
        return NULL;
    if (failures->count == failures->capacity) {
        size_t capacity = failures->capacity == 0 ? 16 : failures->capacity * 2;
        poplin_failing *moved = realloc(failures->networks, capacity * sizeof *moved);
        if (moved == NULL)
            return NULL;
        failures->networks = moved;
        failures->capacity = capacity;
    }
    return &failures->networks[failures->count++];
}

/* The entry of this network: its own, or a new one, which may have been another's. NULL: no memory. */
static poplin_failing *entry_of(poplin_failures *failures, uint64_t network, uint64_t now) {
    poplin_failing *oldest = NULL;
    for (size_t i = 0; i < failures->count; i++) {
        poplin_failing *failing = &failures->networks[i];
        if (failing->network == network)
            return failing;
        if (oldest == NULL || last_time(failing) < last_time(oldest))
            oldest = failing;
    }
    bool is_over = oldest != NULL && now - last_time(oldest) >= POPLIN_FAILURES_KEPT_MS;
    poplin_failing *made = is_over ? NULL : append(failures);
    if (made == NULL)
        made = oldest;
    if (made != NULL)
        *made = (poplin_failing){.network = network};
    return made;
}

static unsigned count_lately(const poplin_failing *failing, uint64_t now) {
    unsigned lately = 0;
    for (unsigned i = 0; i < POPLIN_FAILURES_COUNTED && i < failing->count; i++)
        lately += now - failing->times[i] < POPLIN_FAILURES_KEPT_MS;
    return lately;
}

unsigned poplin_failures_note(poplin_failures *failures, uint64_t network, uint64_t now) {
    poplin_failing *failing = entry_of(failures, network, now);
    if (failing == NULL)
        return 1;
    failing->times[failing->count % POPLIN_FAILURES_COUNTED] = now;
    failing->count++;
    return count_lately(failing, now);
}

void poplin_failures_free(poplin_failures *failures) {
    free(failures->networks);
    *failures = (poplin_failures){0};
}
