/*
 * consumer.c - a program of somebody else's, built against an installed poplin: links, runs, and tells its version.
 */
#include <poplin.h>
#include <stdio.h>

int main(void) {
    poplin_loop *loop;
    if (poplin_loop_new(&loop) != POPLIN_OK)
        return 1;
    poplin_loop_free(loop);
    puts(poplin_version());
    return 0;
}
