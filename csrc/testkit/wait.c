/*
 * testkit/wait.c - waiting for the log to change. Each waiter has a descriptor of its own, so that no wake-up is taken by another
 * and a signal breaks the wait.
 */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "testkit/kit.h"

void poplin_kit_unlock_changed(poplin_testkit *kit) {
    static const uint64_t one = 1;
    kit->changes++;
    for (poplin_waiter *waiter = kit->waiters; waiter != NULL; waiter = waiter->next) {
        if (!waiter->woken)
            (void)!write(waiter->descriptor, &one, sizeof one); /* cannot fail: the count is 0 */
        waiter->woken = true;
    }
    if (kit->woken != NULL)
        poplin_loop_wake(kit->woken);
    poplin_kit_unlock(kit);
}

void poplin_testkit_wake(poplin_testkit *kit, poplin_loop *loop) {
    poplin_kit_lock(kit);
    kit->woken = loop;
    poplin_kit_unlock(kit);
}

uint64_t poplin_testkit_changes(poplin_testkit *kit) {
    poplin_kit_lock(kit);
    uint64_t changes = kit->changes;
    poplin_kit_unlock(kit);
    return changes;
}

/* Puts the waiter in, unless there is nothing to wait for. */
static bool enter(poplin_testkit *kit, poplin_waiter *waiter, uint64_t seen) {
    poplin_kit_lock(kit);
    bool unchanged = kit->changes == seen;
    if (unchanged) {
        waiter->next = kit->waiters;
        kit->waiters = waiter;
    }
    poplin_kit_unlock(kit);
    return unchanged;
}

/* Takes it out. Returns whether it was woken. */
static bool leave(poplin_testkit *kit, poplin_waiter *waiter) {
    poplin_kit_lock(kit);
    poplin_waiter **place = &kit->waiters;
    while (*place != waiter)
        place = &(*place)->next;
    *place = waiter->next;
    poplin_kit_unlock(kit);
    return waiter->woken;
}

int poplin_testkit_wait(poplin_testkit *kit, uint64_t seen, int milliseconds) {
    poplin_waiter waiter = {.descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (waiter.descriptor < 0)
        return POPLIN_ERR_IO;
    int status = POPLIN_OK;
    if (enter(kit, &waiter, seen)) {
        struct pollfd woken = {.fd = waiter.descriptor, .events = POLLIN};
        int count = poll(&woken, 1, milliseconds < 0 ? -1 : milliseconds);
        int reason = errno;
        if (!leave(kit, &waiter))
            status = count == 0 ? POPLIN_ERR_TIMEOUT : reason == EINTR ? POPLIN_INTERRUPTED : POPLIN_ERR_IO;
    }
    (void)close(waiter.descriptor);
    return status;
}
