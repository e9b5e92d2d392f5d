/*
 * loop/locks.c - the names of the maildrops in use, each with its queue.
 */
#include "loop/locks.h"

static poplin_lock_held *find(const poplin_locks *locks, poplin_slice name) {
    return (poplin_lock_held *)(void *)poplin_names_find(locks, name);
}

int poplin_locks_take(poplin_locks *locks, poplin_slice name, poplin_lock_held **held) {
    if (find(locks, name) != NULL)
        return POPLIN_ERR_IN_USE;
    poplin_named *made = poplin_names_enter(locks, name, sizeof **held);
    if (made == NULL)
        return POPLIN_ERR_NOMEM;
    *held = (poplin_lock_held *)(void *)made;
    return POPLIN_OK;
}

void poplin_locks_queue(poplin_locks *locks, poplin_slice name, poplin_lock_place *place) {
    poplin_lock_held *held = find(locks, name);
    *place = (poplin_lock_place){.awaited = held, .previous = held->last};
    *(held->last != NULL ? &held->last->next : &held->first) = place;
    held->last = place;
}

void poplin_locks_leave(poplin_lock_place *place) {
    poplin_lock_held *held = place->awaited;
    if (held == NULL)
        return;
    *(place->previous != NULL ? &place->previous->next : &held->first) = place->next;
    *(place->next != NULL ? &place->next->previous : &held->last) = place->previous;
    *place = (poplin_lock_place){0};
}

poplin_lock_place *poplin_locks_drop(poplin_locks *locks, poplin_lock_held *held) {
    poplin_lock_place *next = held != NULL ? held->first : NULL;
    if (next != NULL)
        poplin_locks_leave(next);
    else if (held != NULL)
        poplin_names_remove(locks, &held->named);
    return next;
}

void poplin_locks_free(poplin_locks *locks) {
    poplin_names_free(locks);
}
