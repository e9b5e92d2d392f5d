/*
 * fetch/places_open.c - how many Maildirs are open at a time, and what of them is not settled yet.
 *
 * An open Maildir holds the descriptors of its folders, and of each message that is not settled. Where there are too many, the
 * ones whose last message is the longest ago are settled, which is never too early, and rest until they get one again.
 */
#include <stdlib.h>
#include <sys/resource.h>

#include "fetch/delivery.h"
#include "fetch/places.h"

/* What the folders take, twice those that are read: to deliver to, and to look for what is known. A message takes one. */
enum { FOLDERS = 5 };

/* Of all that the process may have; and at most, where it may have very many. */
enum { SHARE = 4, ALLOWANCE_MAX = 4096 };

size_t poplin_places_allowance(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur / SHARE > ALLOWANCE_MAX)
        return ALLOWANCE_MAX;
    return (size_t)limit.rlim_cur / SHARE;
}

/* With those that the message that is begun will take. */
static size_t count_descriptors(const poplin_places *places) {
    size_t count = 0;
    for (size_t i = 0; i < places->count; i++) {
        const poplin_place *place = &places->places[i];
        count += place->unsettled + place->takes;
        if (place->open || place->takes)
            count += FOLDERS;
    }
    return count;
}

/* Of those that are open and do not get the message, the one that had none for the longest time; NULL: there is none. */
static poplin_place *longest_unused(poplin_places *places) {
    poplin_place *found = NULL;
    for (size_t i = 0; i < places->count; i++) {
        poplin_place *place = &places->places[i];
        if (place->open && !place->takes && (found == NULL || place->used < found->used))
            found = place;
    }
    return found;
}

/* False: there is no memory. */
static bool note_missed(poplin_places *places, const uint32_t *numbers, size_t count, const poplin_error *error) {
    if (count > places->missed_room - places->missed_count) {
        const size_t room = 2 * places->missed_count + count;
        poplin_missed *more = realloc(places->missed, room * sizeof *more);
        if (more == NULL)
            return false;
        places->missed = more;
        places->missed_room = room;
    }
    for (size_t i = 0; i < count; i++)
        places->missed[places->missed_count++] = (poplin_missed){.number = numbers[i], .error = *error};
    return true;
}

bool poplin_places_take_missed(poplin_places *places, poplin_error *error) {
    size_t kept = 0;
    for (size_t i = 0; i < places->missed_count; i++) {
        if (places->missed[i].number == places->number)
            *error = places->missed[i].error;
        else
            places->missed[kept++] = places->missed[i];
    }
    const bool taken = kept < places->missed_count;
    places->missed_count = kept;
    return taken;
}

/* What failed once is not asked again: the system may have forgotten it. */
bool poplin_places_settle_one(poplin_places *places, poplin_place *place) {
    poplin_error error = {.status = POPLIN_OK};
    size_t missed = 0;
    if (place->unsettled == 0)
        return true;
    place->unsettled = 0;
    int status = poplin_delivery_settle_each(place->delivery, &missed, &error);
    if (status == POPLIN_OK || (missed > 0 && note_missed(places, place->delivery->missed, missed, &error)))
        return true;
    if (!places->unsafe) {
        places->unsafe = true;
        places->unsettled = error;
        places->unsettled.status = status;
    }
    return false;
}

bool poplin_places_settle(poplin_places *places, bool only_taking) {
    for (size_t i = 0; i < places->count; i++)
        if (!only_taking || places->places[i].takes)
            (void)poplin_places_settle_one(places, &places->places[i]);
    return !places->unsafe;
}

bool poplin_places_make_room(poplin_places *places) {
    poplin_place *unused;
    while (count_descriptors(places) > places->descriptors && (unused = longest_unused(places)) != NULL) {
        if (!poplin_places_settle_one(places, unused))
            return false;
        poplin_delivery_rest(unused->delivery);
        unused->open = false;
    }
    if (count_descriptors(places) > places->descriptors)
        (void)poplin_places_settle(places, true);
    return !places->unsafe;
}
