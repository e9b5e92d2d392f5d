/*
 * loop/descriptors.h - keeps what is opened here away from descriptors 0 to 2, which a process may have closed.
 *
 * Whoever writes to standard error afterwards would write into a connection; and libuv aborts the process that closes one
 * of its own there.
 */
#ifndef POPLIN_LOOP_DESCRIPTORS_H
#define POPLIN_LOOP_DESCRIPTORS_H

/* What stands on the descriptors that were free of 0 to 2; -1: nothing was free. */
typedef struct poplin_held {
    int descriptors[3];
} poplin_held;

/* Fills those that are free, until released; libuv opens what it needs above them. OK, or IO: the system has none left. */
int poplin_descriptors_hold(poplin_held *held);

/* Frees them again. */
void poplin_descriptors_release(const poplin_held *held);

/*
 * The same socket as a descriptor above 2, closed on exec; itself where it is one already, and where it is a failure, less
 * than 0. Less than 0, with errno, where the system has none left: the socket is closed.
 */
int poplin_descriptor_above(int descriptor);

#endif
