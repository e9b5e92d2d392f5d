/*
 * testkit/outflow.c - replies on their way out.
 */
#include "testkit/outflow.h"

#include <stdlib.h>
#include <string.h>

#include "testkit/shape.h"

enum { FEWEST = 4, ENOUGH = 65536, KEPT_CAPACITY = 4096 };

void poplin_outflow_free(poplin_outflow *outflow) {
    poplin_buffer_free(&outflow->leaving);
    poplin_buffer_free(&outflow->gathering);
    poplin_play_free(outflow->play);
    free(outflow->flights);
    *outflow = (poplin_outflow){0};
}

/* ---- flights ---- */

static bool has_room(poplin_outflow *outflow) {
    if (outflow->count < outflow->capacity)
        return true;
    if (outflow->first > outflow->capacity / 2) {
        outflow->count -= outflow->first;
        outflow->offering -= outflow->first;
        memmove(outflow->flights, outflow->flights + outflow->first, outflow->count * sizeof *outflow->flights);
        outflow->first = 0;
        return true;
    }
    size_t capacity = outflow->capacity == 0 ? FEWEST : outflow->capacity * 2;
    poplin_flight *flights = realloc(outflow->flights, capacity * sizeof *flights);
    if (flights == NULL)
        return false;
    outflow->flights = flights;
    outflow->capacity = capacity;
    return true;
}

poplin_flight *poplin_outflow_begin(poplin_outflow *outflow, poplin_play *play) {
    if (!has_room(outflow)) {
        poplin_play_free(play);
        return NULL;
    }
    outflow->play = play;
    poplin_flight *flight = &outflow->flights[outflow->count++];
    *flight = (poplin_flight){.end = UINT64_MAX};
    return flight;
}

static poplin_flight *last(const poplin_outflow *outflow) {
    return outflow->count > outflow->first ? &outflow->flights[outflow->count - 1] : NULL;
}

poplin_flight *poplin_outflow_open(const poplin_outflow *outflow) {
    poplin_flight *flight = last(outflow);
    return flight != NULL && !flight->over ? flight : NULL;
}

size_t poplin_outflow_offer(poplin_outflow *outflow, size_t size, poplin_flight **flight) {
    while (outflow->flights[outflow->offering].end <= outflow->offered)
        outflow->offering++;
    *flight = &outflow->flights[outflow->offering];
    uint64_t left = (*flight)->end - outflow->offered;
    if (size > left)
        size = (size_t)left;
    outflow->offered += size;
    return size;
}

size_t poplin_outflow_sent(poplin_outflow *outflow, size_t size, poplin_flight **flight) {
    size_t at = outflow->first;
    while (outflow->flights[at].end <= outflow->sent)
        at++;
    *flight = &outflow->flights[at];
    uint64_t left = (*flight)->end - outflow->sent;
    if (size > left)
        size = (size_t)left;
    outflow->sent += size;
    if (outflow->leaving.size > 0)
        poplin_buffer_consume(&outflow->leaving, size);
    else
        poplin_play_sent(outflow->play, size);
    return size;
}

bool poplin_outflow_has_landed(const poplin_outflow *outflow) {
    return outflow->first < outflow->count && outflow->flights[outflow->first].end <= outflow->sent;
}

poplin_flight *poplin_outflow_landed(poplin_outflow *outflow) {
    if (!poplin_outflow_has_landed(outflow))
        return NULL;
    poplin_flight *flight = &outflow->flights[outflow->first++];
    if (outflow->first == outflow->count)
        outflow->first = outflow->offering = outflow->count = 0;
    else if (outflow->offering < outflow->first)
        outflow->offering = outflow->first;
    return flight;
}

/* ---- octets ---- */

int poplin_outflow_give(poplin_outflow *outflow, poplin_slice octets, bool is_last) {
    poplin_flight *flight = last(outflow);
    if (flight->given == 0)
        flight->ok = poplin_reply_is_ok(octets);
    flight->given += octets.size;
    flight->over = is_last;
    if (outflow->play != NULL) {
        int status = poplin_play_reply(outflow->play, octets, is_last);
        return status == POPLIN_OK && is_last ? POPLIN_WAITING : status;
    }
    if (poplin_buffer_append(&outflow->gathering, octets.data, octets.size) != POPLIN_OK)
        return POPLIN_ERR_NOMEM;
    outflow->given += octets.size;
    if (is_last) {
        flight->end = outflow->given;
        flight->faithful = true;
    }
    return outflow->leaving.size + outflow->gathering.size > ENOUGH ? POPLIN_WAITING : POPLIN_OK;
}

/* What was gathered leaves next. The memory of a large reply is not kept by a connection that waits for its client. */
static void turn_over(poplin_outflow *outflow) {
    poplin_buffer empty = outflow->leaving;
    outflow->leaving = outflow->gathering;
    outflow->gathering = empty;
    if (outflow->gathering.capacity > KEPT_CAPACITY)
        poplin_buffer_free(&outflow->gathering);
}

/* The play has nothing more to send: all that it sent is the reply. */
static void settle_play(poplin_outflow *outflow) {
    poplin_flight *flight = last(outflow);
    if (flight == NULL || flight->end != UINT64_MAX)
        return;
    flight->end = outflow->given = outflow->offered;
    flight->over = true;
    flight->faithful = poplin_play_is_faithful(outflow->play);
}

static enum poplin_tap_step next_of_play(poplin_outflow *outflow, poplin_slice *octets, uint32_t *milliseconds) {
    bool done = poplin_outflow_open(outflow) == NULL;
    enum poplin_tap_step step = poplin_play_next(outflow->play, octets, milliseconds);
    if (step == POPLIN_TAP_SEND || step == POPLIN_TAP_PAUSE || (step == POPLIN_TAP_IDLE && !done))
        return step;
    settle_play(outflow);
    if (step == POPLIN_TAP_IDLE) {
        poplin_play_free(outflow->play);
        outflow->play = NULL;
    }
    return step;
}

enum poplin_tap_step poplin_outflow_next(poplin_outflow *outflow, poplin_slice *octets, uint32_t *milliseconds) {
    if (outflow->leaving.size == 0)
        turn_over(outflow);
    *octets = poplin_buffer_slice(&outflow->leaving);
    if (octets->size > 0) {
        if (outflow->sent < outflow->barrier && octets->size > outflow->barrier - outflow->sent)
            octets->size = (size_t)(outflow->barrier - outflow->sent);
        return POPLIN_TAP_SEND;
    }
    return outflow->play != NULL ? next_of_play(outflow, octets, milliseconds) : POPLIN_TAP_IDLE;
}
