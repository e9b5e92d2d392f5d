/*
 * loop/deadline.c - the deadlines of a loop, as a pairing heap: to enter one costs nothing, to take one out about the
 * logarithm of how many there are, and since it is made of the deadlines themselves no memory can be missing.
 *
 * Most deadlines are moved back again and again, as octets arrive, and hardly ever run out. Moving one back only notes
 * the new time; the heap is put right when the old one comes to its top.
 */
#include "loop/deadline.h"

/* Two heaps become one: the later top is the first child of the other. Each may be NULL. Neither has siblings. */
static poplin_deadline *meld(poplin_deadline *one, poplin_deadline *other) {
    if (!one || !other)
        return one ? one : other;
    poplin_deadline *top = other->place < one->place ? other : one;
    poplin_deadline *child = top == one ? other : one;
    child->next = top->child;
    if (child->next)
        child->next->previous = child;
    child->previous = top;
    top->child = child;
    return top;
}

/* Siblings become one heap: two by two first, which is what keeps the heap flat. */
static poplin_deadline *meld_all(poplin_deadline *list) {
    poplin_deadline *pairs = NULL, *top = NULL;
    while (list) {
        poplin_deadline *one = list, *other = list->next;
        list = other ? other->next : NULL;
        one->next = NULL;
        if (other)
            other->next = NULL;
        one = meld(one, other);
        one->next = pairs;
        pairs = one;
    }
    while (pairs) {
        poplin_deadline *pair = pairs;
        pairs = pair->next;
        pair->next = NULL;
        top = meld(top, pair);
    }
    if (top)
        top->previous = NULL;
    return top;
}

/* previous is the parent where the deadline is its first child. */
static void unlink_from_siblings(poplin_deadline *deadline) {
    if (deadline->previous->child == deadline)
        deadline->previous->child = deadline->next;
    else
        deadline->previous->next = deadline->next;
    if (deadline->next)
        deadline->next->previous = deadline->previous;
}

static void take_out(poplin_deadline *deadline) {
    poplin_loop *loop = deadline->ready->loop;
    poplin_deadline *children = meld_all(deadline->child);
    if (deadline == loop->first) {
        loop->first = children;
    } else {
        unlink_from_siblings(deadline);
        loop->first = meld(loop->first, children);
    }
    deadline->child = deadline->next = deadline->previous = NULL;
}

static void enter(poplin_deadline *deadline) {
    poplin_loop *loop = deadline->ready->loop;
    deadline->place = deadline->due;
    loop->first = meld(loop->first, deadline);
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
