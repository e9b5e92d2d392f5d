/*
 * fetch/delivery_serve.c - a delivery that does what the engine's events ask for.
 */
#include "fetch/delivery.h"

/* The answer to an event that is one of a delivery's and wants one. */
static int serve(poplin_delivery *delivery, const poplin_fetch_event *event, poplin_error *error) {
    if (event->kind == POPLIN_FETCH_BEGIN)
        return poplin_delivery_begin(delivery, event->account, event->message, error);
    if (event->kind == POPLIN_FETCH_PIECE)
        return poplin_delivery_write(delivery, event->text, error);
    if (event->kind == POPLIN_FETCH_DELIVER)
        return poplin_delivery_end(delivery, NULL, error);
    return poplin_delivery_settle(delivery, error);
}

bool poplin_delivery_serve(poplin_delivery *delivery, poplin_fetch *fetch, const poplin_fetch_event *event) {
    poplin_error error = {0};
    switch (event->kind) {
    case POPLIN_FETCH_BEGIN:
    case POPLIN_FETCH_PIECE:
    case POPLIN_FETCH_DELIVER:
    case POPLIN_FETCH_SETTLE: {
        int status = serve(delivery, event, &error);
        (void)poplin_fetch_answer(fetch, status, &error);
        return true;
    }
    case POPLIN_FETCH_ABANDON:
        poplin_delivery_abandon(delivery);
        return true;
    default:
        return false;
    }
}
