/* loop/descriptors.c - nothing of ours on descriptors 0 to 2. */
#include "loop/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <poplin/types.h>

/* By sockets that lead nowhere: a process that has closed all it had may have no /dev/null either, having changed its root. */
int poplin_descriptors_hold(poplin_held *held) {
    bool done = true;
    for (int i = 0; i <= STDERR_FILENO; i++) {
        bool is_free = fcntl(i, F_GETFD) < 0;
        held->descriptors[i] = is_free ? socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;
        done &= !is_free || held->descriptors[i] >= 0;
    }
    if (done)
        return POPLIN_OK;
    poplin_descriptors_release(held);
    return POPLIN_ERR_IO;
}

void poplin_descriptors_release(const poplin_held *held) {
    for (int i = 0; i <= STDERR_FILENO; i++)
        if (held->descriptors[i] >= 0)
            (void)close(held->descriptors[i]);
}

int poplin_descriptor_above(int descriptor) {
    if (descriptor < 0 || descriptor > STDERR_FILENO)
        return descriptor;
    int above = fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int error = errno;
    (void)close(descriptor);
    errno = error;
    return above;
}
