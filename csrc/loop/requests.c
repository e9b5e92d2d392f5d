/*
 * loop/requests.c - the table of places and the numbers made of them.
 */
#include "loop/requests.h"

#include <stdlib.h>

#define PLACE_BITS 20

static bool make_room(poplin_requests *requests) {
    if (requests->count < requests->capacity)
        return true;
    size_t wanted = requests->capacity == 0 ? 16 : requests->capacity * 2;
    poplin_place *places = realloc(requests->places, wanted * sizeof *places);
    if (places == NULL)
        return false;
    requests->places = places;
    requests->capacity = wanted;
    return true;
}

int poplin_requests_enter(poplin_requests *requests, struct poplin_connection *connection, size_t *place) {
    if (requests->first_free != 0) {
        *place = requests->first_free - 1;
        requests->first_free = requests->places[*place].next_free;
        requests->places[*place].connection = connection;
        return POPLIN_OK;
    }
    if (requests->count == POPLIN_PLACES_MAX)
        return POPLIN_ERR_LIMIT;
    if (!make_room(requests))
        return POPLIN_ERR_NOMEM;
    *place = requests->count++;
    requests->places[*place] = (poplin_place){.connection = connection};
    return POPLIN_OK;
}

void poplin_requests_leave(poplin_requests *requests, size_t place) {
    poplin_place *left = &requests->places[place];
    left->connection = NULL;
    left->next_free = requests->first_free;
    requests->first_free = place + 1;
}

poplin_request poplin_requests_open(poplin_requests *requests, size_t place) {
    poplin_place *opened = &requests->places[place];
    opened->opened++;
    return opened->opened << PLACE_BITS | place;
}

struct poplin_connection *poplin_requests_find(const poplin_requests *requests, poplin_request request) {
    size_t index = request & (POPLIN_PLACES_MAX - 1);
    if (index >= requests->count)
        return NULL;
    const poplin_place *place = &requests->places[index];
    return place->opened == request >> PLACE_BITS ? place->connection : NULL;
}

void poplin_requests_free(poplin_requests *requests) {
    free(requests->places);
    *requests = (poplin_requests){0};
}
