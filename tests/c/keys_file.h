/* keys_file.h - a path for a file of known keys that is not there yet, for each test. */
#ifndef KEYS_FILE_H
#define KEYS_FILE_H

#include <stdlib.h>
#include <unistd.h>

#include "support.h"

static char path[32];

static int set_up_file(void **state) {
    (void)state;
    strcpy(path, "/tmp/poplin-test-XXXXXX");
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    close(descriptor);
    unlink(path);
    return 0;
}

static int tear_down_file(void **state) {
    (void)state;
    unlink(path);
    return 0;
}

#endif
