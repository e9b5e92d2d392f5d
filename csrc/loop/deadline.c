/*
 * loop/deadline.c - one ordered list of deadlines a loop.
 *
 * Most deadlines are moved back again and again, as octets arrive, and hardly ever run out. Moving one back only notes
 * the new time; the list is put right when the old one comes to its head.
 */
#include "loop/deadline.h"

static void take_out(poplin_deadline *deadline) {
    poplin_loop *loop = deadline->ready->loop;
    if (deadline->previous)
        deadline->previous->next = deadline->next;
    else
        loop->first = deadline->next;
    if (deadline->next)
        deadline->next->previous = deadline->previous;
    else
        loop->last = deadline->previous;
    deadline->next = deadline->previous = NULL;
}

/* From the end: a new deadline is as a rule later than most. */
static void enter(poplin_deadline *deadline) {
    poplin_loop *loop = deadline->ready->loop;
    poplin_deadline *before = loop->last;
    deadline->place = deadline->due;
    while (before && before->place > deadline->place)
        before = before->previous;
    deadline->previous = before;
    deadline->next = before ? before->next : loop->first;
    if (deadline->next)
        deadline->next->previous = deadline;
    else
        loop->last = deadline;
    if (before)
        before->next = deadline;
    else
        loop->first = deadline;
}

/* The first deadline, once those that were moved back are where they belong. */
static poplin_deadline *first(poplin_loop *loop) {
    while (loop->first && loop->first->place < loop->first->due) {
        poplin_deadline *moved = loop->first;
        take_out(moved);
        enter(moved);
    }
    return loop->first;
}

void poplin_deadline_init(poplin_deadline *deadline, poplin_ready *ready) {
    *deadline = (poplin_deadline){.ready = ready};
}

void poplin_deadline_set(poplin_deadline *deadline, uint64_t milliseconds) {
    uint64_t now = poplin_loop_now(deadline->ready->loop);
    deadline->expired = false;
    deadline->due = milliseconds < UINT64_MAX - now ? now + milliseconds : UINT64_MAX;
    if (deadline->set && deadline->due >= deadline->place)
        return;
    if (deadline->set)
        take_out(deadline);
    deadline->set = true;
    enter(deadline);
}

void poplin_deadline_clear(poplin_deadline *deadline) {
    if (deadline->set)
        take_out(deadline);
    deadline->set = deadline->expired = false;
}

void poplin_deadlines_expire(poplin_loop *loop) {
    uint64_t now = poplin_loop_now(loop);
    for (poplin_deadline *due = first(loop); due && due->due <= now; due = first(loop)) {
        take_out(due);
        due->set = false;
        due->expired = true;
        poplin_ready_queue(due->ready);
    }
}

uint64_t poplin_deadlines_next(poplin_loop *loop) {
    const poplin_deadline *next = first(loop);
    return next ? next->due : UINT64_MAX;
}
