/*
 * fetch/places.c - the places that a fetch delivers to: each of the engine's events, done in every place that the message goes to,
 * and the message's octets collected for the program.
 *
 * Each gets the message, also where another has failed with it; the engine is told of a failure once nobody is left who would
 * get the rest, or at the message's end.
 */
#include "fetch/places.h"

#include <stdlib.h>
#include <string.h>

#include "fetch/delivery.h"
#include "wire/failure.h"

/* Memory for a message's octets: what it grows by at least, and what is kept for the next. */
enum { OCTETS_MORE = 65536, OCTETS_KEPT = 1 << 20 };

/* ---- made, added, freed ---- */

int poplin_places_new(poplin_places **places) {
    *places = calloc(1, sizeof **places);
    if (*places == NULL)
        return POPLIN_ERR_NOMEM;
    (*places)->descriptors = poplin_places_allowance();
    return POPLIN_OK;
}

static void abandon(poplin_places *places) {
    for (size_t i = 0; i < places->count; i++) {
        poplin_place *place = &places->places[i];
        if (place->takes)
            poplin_delivery_abandon(place->delivery);
        place->takes = false;
    }
}

void poplin_places_free(poplin_places *places) {
    if (places == NULL)
        return;
    abandon(places);
    for (size_t i = 0; i < places->count; i++)
        if (places->places[i].delivery != NULL)
            places->places[i].delivery->places = NULL;
    free(places->places);
    free(places->missed);
    free(places->octets);
    free(places);
}

int poplin_places_add(poplin_places *places, poplin_delivery *delivery) {
    if (delivery == NULL || (delivery->places != NULL && delivery->places != places))
        return POPLIN_ERR_STATE;
    if (delivery->places == NULL) {
        poplin_place *more = realloc(places->places, (places->count + 1) * sizeof *more);
        if (more == NULL)
            return POPLIN_ERR_NOMEM;
        places->places = more;
        more[places->count] = (poplin_place){.delivery = delivery};
        delivery->places = places;
        delivery->place = places->count++;
    }
    places->places[delivery->place].chosen = true;
    return POPLIN_OK;
}

void poplin_places_clear(poplin_places *places) {
    for (size_t i = 0; i < places->count; i++)
        places->places[i].chosen = false;
}

void poplin_places_collect(poplin_places *places, bool collects) {
    places->collects = collects;
}

/* ---- failures ---- */

/* This place has failed with the message: the first to do so says why. */
static void note(poplin_places *places, poplin_place *place, int status, const poplin_error *error) {
    place->takes = false;
    if (places->failed)
        return;
    places->failed = true;
    places->failure = *error;
    places->failure.status = status;
}

static void note_closed(poplin_places *places, poplin_place *place) {
    poplin_error error;
    (void)poplin_fail(&error, POPLIN_ERR_STATE, poplin_delivery_doing, "the Maildir was closed meanwhile");
    note(places, place, POPLIN_ERR_STATE, &error);
}

void poplin_places_forget(poplin_delivery *delivery) {
    poplin_places *places = delivery->places;
    poplin_place *place = &places->places[delivery->place];
    if (place->takes)
        note_closed(places, place);
    if (place->unsettled > 0 && !places->unsafe) {
        places->unsafe = true;
        (void)poplin_fail(&places->unsettled, POPLIN_ERR_STATE, poplin_delivery_doing,
                          "the Maildir was closed before what it took was safe");
    }
    *place = (poplin_place){.chosen = place->chosen};
}

/* Answers BEGIN and PIECE: a failure is the message's where nobody is left who would get the rest. */
static void answer(poplin_places *places, poplin_fetch *fetch) {
    bool lost = places->failed && !places->collecting;
    for (size_t i = 0; lost && i < places->count; i++)
        lost = !places->places[i].takes;
    (void)poplin_fetch_answer(fetch, lost ? places->failure.status : POPLIN_OK, lost ? &places->failure : NULL);
}

/* ---- octets for the program ---- */

static void drop_octets(poplin_places *places) {
    places->collecting = false;
    places->octet_count = 0;
    if (places->octet_room > OCTETS_KEPT) { /* the next message is rarely that large */
        free(places->octets);
        places->octets = NULL;
        places->octet_room = 0;
    }
}

/* False: there is no memory. */
static bool collect(poplin_places *places, poplin_slice octets) {
    if (octets.size > places->octet_room - places->octet_count) {
        const size_t room = 2 * places->octet_room + octets.size + OCTETS_MORE;
        char *more = realloc(places->octets, room);
        if (more == NULL)
            return false;
        places->octets = more;
        places->octet_room = room;
    }
    memcpy(places->octets + places->octet_count, octets.data, octets.size);
    places->octet_count += octets.size;
    return true;
}

poplin_slice poplin_places_octets(const poplin_places *places) {
    const char *octets = places->octets == NULL ? "" : places->octets;
    return places->collecting ? (poplin_slice){octets, places->octet_count} : (poplin_slice){NULL, 0};
}

/* ---- one message ---- */

static void begin_in(poplin_places *places, poplin_place *place, const poplin_fetch_event *event) {
    poplin_error error = {.status = POPLIN_OK};
    place->open = true;
    place->used = places->turn;
    int status = poplin_delivery_begin(place->delivery, event->account, event->message, &error);
    if (status != POPLIN_OK)
        note(places, place, status, &error);
}

static void begin(poplin_places *places, poplin_fetch *fetch, const poplin_fetch_event *event) {
    places->failed = false;
    places->number = event->message->number;
    places->collecting = places->collects;
    places->octet_count = 0;
    places->turn++;
    for (size_t i = 0; i < places->count; i++) {
        poplin_place *place = &places->places[i];
        place->name = NULL;
        place->takes = place->chosen && place->delivery != NULL;
        if (place->chosen && !place->takes)
            note_closed(places, place);
    }
    if (!poplin_places_make_room(places)) {
        abandon(places);
        (void)poplin_fetch_answer(fetch, places->unsettled.status, &places->unsettled);
        return;
    }
    for (size_t i = 0; i < places->count; i++)
        if (places->places[i].takes)
            begin_in(places, &places->places[i], event);
    answer(places, fetch);
}

static void take_piece(poplin_places *places, poplin_fetch *fetch, poplin_slice octets) {
    if (places->collecting && octets.size > 0 && !collect(places, octets)) {
        abandon(places);
        drop_octets(places);
        (void)poplin_fetch_answer(fetch, POPLIN_ERR_NOMEM, NULL);
        return;
    }
    for (size_t i = 0; i < places->count; i++) {
        poplin_place *place = &places->places[i];
        poplin_error error = {.status = POPLIN_OK};
        int status = place->takes ? poplin_delivery_write(place->delivery, octets, &error) : POPLIN_OK;
        if (status != POPLIN_OK)
            note(places, place, status, &error);
    }
    answer(places, fetch);
}

/* The program, which gets the message too, finds it in its place. */
static int settle_at_once(poplin_places *places, poplin_place *place, poplin_error *error) {
    place->unsettled++;
    const bool safe = poplin_places_settle_one(places, place);
    if (!safe)
        *error = places->unsettled;
    return !safe || poplin_places_take_missed(places, error) ? error->status : POPLIN_OK;
}

static void end(poplin_places *places) {
    for (size_t i = 0; i < places->count; i++) {
        poplin_place *place = &places->places[i];
        poplin_error error = {.status = POPLIN_OK};
        if (!place->takes)
            continue;
        int status = poplin_delivery_end(place->delivery, &place->name, &error);
        if (status == POPLIN_OK && places->collecting)
            status = settle_at_once(places, place, &error);
        if (status != POPLIN_OK) {
            place->name = NULL;
            note(places, place, status, &error);
        }
    }
}

static void settle(poplin_places *places, poplin_fetch *fetch) {
    if (!poplin_places_settle(places, false)) {
        (void)poplin_fetch_answer(fetch, places->unsettled.status, &places->unsettled);
        return;
    }
    for (size_t i = 0; i < places->missed_count; i++) { /* STATE: another place had missed it, too */
        const poplin_missed *missed = &places->missed[i];
        (void)poplin_fetch_unsettled(fetch, missed->number, missed->error.status, &missed->error);
    }
    places->missed_count = 0;
    (void)poplin_fetch_answer(fetch, POPLIN_OK, NULL);
}

int poplin_places_answer(poplin_places *places, poplin_fetch *fetch, int status, const poplin_error *error) {
    if (status == POPLIN_OK && places->failed) {
        status = places->failure.status;
        error = &places->failure;
    }
    for (size_t i = 0; i < places->count && !places->collecting; i++)
        places->places[i].unsettled += places->places[i].takes;
    if (status != POPLIN_OK) { /* there may be no SETTLE, since for the engine there is nothing to settle */
        poplin_error known;
        (void)poplin_places_settle(places, true);
        (void)poplin_places_take_missed(places, &known);
    }
    for (size_t i = 0; i < places->count; i++) {
        places->places[i].takes = false;
        places->places[i].name = NULL;
    }
    drop_octets(places);
    return poplin_fetch_answer(fetch, status, error);
}

size_t poplin_places_count(const poplin_places *places) {
    return places->count;
}

const char *poplin_places_name(const poplin_places *places, size_t index) {
    return places->places[index].name;
}

const poplin_error *poplin_places_failure(const poplin_places *places) {
    return places->failed ? &places->failure : NULL;
}

/* ---- the engine's events ---- */

bool poplin_places_serve(poplin_places *places, poplin_fetch *fetch, const poplin_fetch_event *event) {
    switch (event->kind) {
    case POPLIN_FETCH_BEGIN:
        begin(places, fetch, event);
        return true;
    case POPLIN_FETCH_PIECE:
        take_piece(places, fetch, event->text);
        return true;
    case POPLIN_FETCH_DELIVER:
        end(places);
        return false;
    case POPLIN_FETCH_ABANDON:
        abandon(places);
        drop_octets(places);
        return true;
    case POPLIN_FETCH_SETTLE:
        settle(places, fetch);
        return true;
    default:
        return false;
    }
}
