/*
 * still_clock.h - for tests of deadlines: time stands still but for poplin_loop_advance. libuv's clock is replaced for
 * the whole executable.
 */
#ifndef STILL_CLOCK_H
#define STILL_CLOCK_H

#include <uv.h>

uint64_t uv_hrtime(void) {
    return 5000000000;
}

#endif
