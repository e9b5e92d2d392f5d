/*
 * testkit/faults.c - the list of faults: added, removed, and chosen for an exchange by their conditions and
 * counters.
 */
#include "testkit/faults.h"

#include <stdlib.h>
#include <string.h>

#include "testkit/nearest.h"
#include "testkit/play.h"
#include "testkit/random.h"
#include "wire/grammar.h"

enum { FEWEST = 8, SHOWN_SIZE = 64 };

/* A fault with what is counted of it. */
struct entry {
    poplin_fault *fault;
    uint64_t id;     /* that it shares with the others of its profile */
    uint64_t fitted; /* how often command and conditions fitted */
    uint64_t fired;
    uint64_t random;
};

struct poplin_faults {
    struct entry *entries;
    size_t count;
    size_t capacity;
    uint64_t last_id;
};

poplin_faults *poplin_faults_new(void) {
    return calloc(1, sizeof(poplin_faults));
}

void poplin_faults_clear(poplin_faults *faults) {
    for (size_t i = 0; i < faults->count; i++)
        poplin_fault_free(faults->entries[i].fault);
    faults->count = 0;
}

void poplin_faults_free(poplin_faults *faults) {
    if (faults == NULL)
        return;
    poplin_faults_clear(faults);
    free(faults->entries);
    free(faults);
}

/* ---- adding ---- */

/*
 * Where a fault's random numbers begin: its seed, or one of its own for each name, so that two faults do not agree by
 * chance.
 */
static uint64_t seed_of(const poplin_fault *fault) {
    const poplin_value *seed = &fault->values[POPLIN_FAULT_SEED];
    uint64_t hash = 0xCBF29CE484222325u; /* FNV-1a */

    if (seed->given)
        return (uint64_t)seed->number;
    for (const char *at = fault->name; *at != '\0'; at++)
        hash = (hash ^ (unsigned char)*at) * 0x100000001B3u;
    return hash;
}

static bool has_room(poplin_faults *faults) {
    if (faults->count < faults->capacity)
        return true;
    size_t capacity = faults->capacity > 0 ? faults->capacity * 2 : FEWEST;
    struct entry *entries = realloc(faults->entries, capacity * sizeof *entries);

    if (entries == NULL)
        return false;
    faults->entries = entries;
    faults->capacity = capacity;
    return true;
}

/* Takes the fault over, which gets the next id. */
static int take(poplin_faults *faults, poplin_fault *fault, poplin_error *error) {
    if (!has_room(faults)) {
        poplin_fault_free(fault);
        return poplin_fault_fail(error, POPLIN_ERR_NOMEM, "out of memory");
    }
    faults->entries[faults->count++] =
        (struct entry){.fault = fault, .id = faults->last_id + 1, .random = seed_of(fault)};
    return POPLIN_OK;
}

/* The faults from first on are there to stay, or go again. */
static int settle(poplin_faults *faults, size_t first, int status, poplin_fault_handle *handle, poplin_error *error) {
    char *name = status == POPLIN_OK && handle != NULL ? strdup(faults->entries[first].fault->name) : NULL;

    if (status == POPLIN_OK && handle != NULL && name == NULL)
        status = poplin_fault_fail(error, POPLIN_ERR_NOMEM, "out of memory");
    while (status < 0 && faults->count > first)
        poplin_fault_free(faults->entries[--faults->count].fault);
    if (status < 0)
        return status;
    faults->last_id++;
    if (handle != NULL)
        *handle = (poplin_fault_handle){faults->last_id, name};
    return POPLIN_OK;
}

int poplin_faults_add(poplin_faults *faults, const char *command, const poplin_setting *settings, size_t count,
                      poplin_fault_handle *handle, poplin_error *error) {
    size_t first = faults->count;
    poplin_fault *fault;
    int status = poplin_fault_new(command, settings, count, NULL, &fault, error);

    if (status == POPLIN_OK)
        status = take(faults, fault, error);
    return settle(faults, first, status, handle, error);
}

static int take_text(poplin_faults *faults, const char *text, const char *name, poplin_error *error) {
    poplin_fault *fault;
    int status = poplin_fault_parse(text, name, &fault, error);

    return status == POPLIN_OK ? take(faults, fault, error) : status;
}

int poplin_faults_add_text(poplin_faults *faults, const char *text, poplin_fault_handle *handle, poplin_error *error) {
    size_t first = faults->count;

    return settle(faults, first, take_text(faults, text, NULL, error), handle, error);
}

/* ---- profiles ---- */

/* The profile at index, attacks behind quirks; NULL behind the last. */
static const poplin_profile *profile_at(size_t index) {
    const poplin_profile *profile = poplin_testkit_quirks();

    for (; index > 0 && profile->name != NULL; index--)
        profile++;
    if (profile->name == NULL)
        profile = poplin_testkit_attacks();
    for (; index > 0 && profile->name != NULL; index--)
        profile++;
    return profile->name != NULL ? profile : NULL;
}

static const char *profile_name_at(size_t index) {
    const poplin_profile *profile = profile_at(index);

    return profile != NULL ? profile->name : NULL;
}

static const poplin_profile *find_profile(const char *name) {
    const poplin_profile *profile;
    size_t index = 0;

    while ((profile = profile_at(index)) != NULL && strcmp(profile->name, name) != 0)
        index++;
    return profile;
}

static int no_profile(const char *name, poplin_error *error) {
    const char *nearest = poplin_nearest(name, profile_name_at);
    char shown[SHOWN_SIZE];

    poplin_visible(poplin_slice_of(name), shown, sizeof shown);
    return poplin_fault_fail(error, POPLIN_ERR_UNSUPPORTED, "no quirk or attack '%s'%s%s%s", shown,
                             nearest != NULL ? ": did you mean " : "", nearest != NULL ? nearest : "",
                             nearest != NULL ? "?" : "");
}

static bool is_known(const poplin_faults *faults, const char *name) {
    bool known = false;

    for (size_t i = 0; i < faults->count; i++)
        known = known || strcmp(faults->entries[i].fault->name, name) == 0;
    return known;
}

int poplin_faults_add_profile(poplin_faults *faults, const char *name, poplin_fault_handle *handle,
                              poplin_error *error) {
    const poplin_profile *profile = find_profile(name);
    size_t first = faults->count;
    int status = POPLIN_OK;

    if (profile == NULL)
        return no_profile(name, error);
    if (is_known(faults, name))
        return poplin_fault_fail(error, POPLIN_ERR_STATE, "there is %s already: remove it first", name);
    for (size_t i = 0; profile->faults[i] != NULL && status == POPLIN_OK; i++)
        status = take_text(faults, profile->faults[i], name, error);
    return settle(faults, first, status, handle, error);
}

/* ---- by id ---- */

int poplin_faults_remove(poplin_faults *faults, uint64_t id, uint64_t *fired) {
    uint64_t total = poplin_faults_fired(faults, id);
    size_t kept = 0, count = faults->count;

    for (size_t i = 0; i < count; i++)
        if (faults->entries[i].id == id)
            poplin_fault_free(faults->entries[i].fault);
        else
            faults->entries[kept++] = faults->entries[i];
    faults->count = kept;
    if (kept == count)
        return POPLIN_ERR_STATE;
    if (fired != NULL)
        *fired = total;
    return POPLIN_OK;
}

uint64_t poplin_faults_fired(const poplin_faults *faults, uint64_t id) {
    uint64_t fired = 0;

    for (size_t i = 0; i < faults->count; i++)
        if (faults->entries[i].id == id)
            fired += faults->entries[i].fired;
    return fired;
}

/* ---- choosing ---- */

static bool fits_command(const poplin_fault *fault, const poplin_occasion *occasion) {
    if (fault->command == NULL)
        return occasion->line != NULL;
    return strcmp(fault->command, occasion->command) == 0;
}

/* The conditions, each of which holds where it was not given. */
static bool fits(const poplin_fault *fault, const poplin_occasion *occasion) {
    static const poplin_tap_command none;
    const poplin_tap_command *line = occasion->line != NULL ? occasion->line : &none;
    const poplin_value *values = fault->values, *session = &values[POPLIN_FAULT_SESSION],
                       *user = &values[POPLIN_FAULT_USER], *message = &values[POPLIN_FAULT_MESSAGE],
                       *unique_id = &values[POPLIN_FAULT_UNIQUE_ID], *tls = &values[POPLIN_FAULT_TLS];

    return fits_command(fault, occasion) && (!session->given || (uint64_t)session->number == occasion->session) &&
           (!user->given || poplin_slice_equal(user->octets, occasion->user)) &&
           (!message->given || (uint64_t)message->number == line->number) &&
           (!unique_id->given || poplin_slice_equal(unique_id->octets, line->unique_id)) &&
           (!tls->given || (tls->number == 0) == occasion->tls) &&
           (!values[POPLIN_FAULT_PIPELINED].given || line->pipelined) &&
           (!values[POPLIN_FAULT_INITIAL].given || line->initial);
}

/* Counts the occasion, which fits, and says whether the fault takes effect. */
static bool fires(struct entry *entry) {
    const poplin_value *values = entry->fault->values, *nth = &values[POPLIN_FAULT_NTH],
                       *times = &values[POPLIN_FAULT_TIMES], *probability = &values[POPLIN_FAULT_PROBABILITY];
    uint64_t most = times->given ? (uint64_t)times->number : nth->given ? 1 : UINT64_MAX;

    entry->fitted++;
    if ((nth->given && entry->fitted < (uint64_t)nth->number) || entry->fired >= most)
        return false;
    if (probability->given &&
        poplin_random_below(&entry->random, POPLIN_SETTING_BILLION) >= (uint64_t)probability->number)
        return false;
    entry->fired++;
    return true;
}

int poplin_faults_choose(poplin_faults *faults, const poplin_occasion *occasion, poplin_play **play) {
    int status = POPLIN_OK;

    *play = NULL;
    for (size_t i = 0; i < faults->count && status == POPLIN_OK; i++) {
        struct entry *entry = &faults->entries[i];

        if (!fits(entry->fault, occasion) || !fires(entry))
            continue;
        if (*play == NULL)
            status = poplin_play_new(occasion, play);
        if (status == POPLIN_OK)
            status = poplin_play_add(*play, entry->fault, poplin_random_next(&entry->random));
    }
    if (status == POPLIN_OK && *play != NULL)
        status = poplin_play_begin(*play);
    if (status < 0) {
        poplin_play_free(*play);
        *play = NULL;
    }
    return status;
}
