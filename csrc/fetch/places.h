/*
 * fetch/places.h - what places are made of, for the files that share the work:
 *
 *   places.c        each event, done in every place that the message goes to
 *   places_open.c   how many Maildirs are open at a time, and what of them is not settled yet
 */
#ifndef POPLIN_FETCH_PLACES_H
#define POPLIN_FETCH_PLACES_H

#include <poplin/places.h>

typedef struct poplin_place {
    poplin_delivery *delivery; /* NULL: it was freed */
    const char *name;          /* of the message, the delivery's */
    bool chosen;               /* it gets the next message */
    bool takes;                /* it gets the one that is begun, and has not failed with it */
    bool open;                 /* it holds descriptors */
    size_t unsettled;          /* messages */
    uint64_t used;             /* when it had its last message: the turn */
} poplin_place;

/* A message that a Maildir took, and that did not get there when it was settled. */
typedef struct poplin_missed {
    uint32_t number;
    poplin_error error;
} poplin_missed;

struct poplin_places {
    poplin_place *places;
    size_t count;
    size_t descriptors; /* that they may hold */
    uint64_t turn;      /* messages so far */
    bool unsafe;        /* nobody can say what is settled, or it was closed before: SETTLE fails with unsettled */
    poplin_error unsettled;
    poplin_missed *missed; /* to be told with SETTLE */
    size_t missed_count, missed_room;

    bool collects;   /* from the next message on */
    bool collecting; /* what follows is of the message that is begun */
    uint32_t number;
    char *octets;
    size_t octet_count, octet_room;
    bool failed;
    poplin_error failure; /* the first one */
};

/* A delivery is about to be freed. */
void poplin_places_forget(poplin_delivery *delivery);

/* ---- places_open.c ---- */

/* How many descriptors places may hold. */
size_t poplin_places_allowance(void);

/* Makes room for the message that is begun, where those that take it are marked. Returns whether all is safe still. */
bool poplin_places_make_room(poplin_places *places);

/*
 * Settles what is not; with only_taking, where the message that is begun went. Returns whether all but what was missed is safe
 * still.
 */
bool poplin_places_settle(poplin_places *places, bool only_taking);
bool poplin_places_settle_one(poplin_places *places, poplin_place *place);

/* Takes the message that is begun from those that were missed. Returns whether it was one, and in *error why. */
bool poplin_places_take_missed(poplin_places *places, poplin_error *error);

#endif
