/*
 * fetch/places_open.c - how many Maildirs are open at a time, and what of them is not settled yet.
 *
 * An open Maildir holds the descriptors of its folders, and of each message that is not settled. Where there are too many, the
 * ones whose last message is the longest ago are settled, which is never too early, and rest until they get one again.
 */
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

/* What failed once is not asked again: the system may have forgotten it. */
static bool settle(poplin_places *places, poplin_place *place) {
    poplin_error error = {.status = POPLIN_OK};
    if (place->unsettled == 0)
        return true;
    place->unsettled = 0;
    int status = poplin_delivery_settle(place->delivery, &error);
    if (status != POPLIN_OK && !places->unsafe) {
        places->unsafe = true;
        places->unsettled = error;
        places->unsettled.status = status;
    }
    return status == POPLIN_OK;
}

bool poplin_places_settle(poplin_places *places, bool only_taking) {
    for (size_t i = 0; i < places->count; i++)
        if (!only_taking || places->places[i].takes)
            (void)settle(places, &places->places[i]);
    return !places->unsafe;
}

bool poplin_places_make_room(poplin_places *places) {
    poplin_place *unused;
    while (count_descriptors(places) > places->descriptors && (unused = longest_unused(places)) != NULL) {
        if (!settle(places, unused))
            return false;
        poplin_delivery_rest(unused->delivery);
        unused->open = false;
    }
    if (count_descriptors(places) > places->descriptors)
        (void)poplin_places_settle(places, true);
    return !places->unsafe;
}
