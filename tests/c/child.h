/*
 * child.h - a check in a forked child, told to the parent.
 *
 * The child that found all well ends by SIGKILL: what libuv holds is left behind in it, by contract, and no leak checker
 * shall look at that.
 */
#ifndef CHILD_H
#define CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

/* In the child: its last words. */
static inline void report(bool well) {
    if (well)
        kill(getpid(), SIGKILL);
    _exit(1);
}

/* In the parent: the child found all well. */
static inline void expect_report(pid_t child) {
    int result = 0;

    assert_true(child > 0);
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFSIGNALED(result));
    assert_int_equal(WTERMSIG(result), SIGKILL);
}

#endif
