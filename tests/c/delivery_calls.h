/*
 * delivery_calls.h - what a delivery asks of the system, counted, and made to fail where a test says. The linker puts the
 * functions below in the place of the C library's (CMakeLists.txt names the tests for which it does).
 */
#ifndef DELIVERY_CALLS_H
#define DELIVERY_CALLS_H

#include "delivery_support.h"

enum how { FAIL, BREAK_OFF, DIE_BEFORE, DIE_AFTER };

static struct {
    bool armed;       /* calls are a delivery's, and count */
    size_t count, at; /* the call that it happens to; 0: none */
    enum how how;
    int error;
    const char *hit; /* the call that it happened to; NULL: none yet */
    bool short_writes, no_rename, no_link;
    void (*on_make)(const char *name); /* before a file is made */
    const char *host;                  /* the name that the host says it has; NULL: none, for it fails */
    time_t ahead;                      /* how much later it is */
    bool still;                        /* the clock that people set stands */
    size_t made, looked, read, written, started, synced, synced_all, closed, renamed, linked, unlinked, scanned;
    const char *last[64]; /* the calls, as far as there is room */
} calls;

/* Whether this is the call, and does not come to pass. */
static bool fails(const char *call, bool can_be_broken_off) {
    if (calls.armed && calls.count < COUNT_OF(calls.last))
        calls.last[calls.count] = call;
    if (!calls.armed || ++calls.count != calls.at || (calls.how == BREAK_OFF && !can_be_broken_off))
        return false;
    calls.hit = call;
    if (calls.how == DIE_BEFORE)
        _exit(0);
    errno = calls.how == BREAK_OFF ? EINTR : calls.error;
    return calls.how != DIE_AFTER;
}

static void after(void) {
    if (calls.armed && calls.hit != NULL && calls.how == DIE_AFTER)
        _exit(0);
}

/* A function that is counted, may fail instead, and may be the last. */
#define WRAP(type, function, counter, can_be_broken_off, parameters, arguments) \
    type __real_##function parameters; \
    type __wrap_##function parameters; \
    type __wrap_##function parameters { \
        calls.counter += calls.armed; \
        if (fails(#function, can_be_broken_off)) \
            return -1; \
        type result = __real_##function arguments; \
        after(); \
        return result; \
    }

WRAP(int, mkdirat, made, false, (int folder, const char *name, mode_t mode), (folder, name, mode))
WRAP(int, unlinkat, unlinked, false, (int folder, const char *name, int flags), (folder, name, flags))
WRAP(ssize_t, pread, read, true, (int file, void *room, size_t size, off_t place), (file, room, size, place))

WRAP(int, fstatat, looked, false, (int folder, const char *name, struct stat *facts, int flags),
     (folder, name, facts, flags))
WRAP(int, sync_file_range, started, true, (int file, off64_t from, off64_t size, unsigned flags),
     (file, from, size, flags))

/* That it is asked for counts here, and disks are slow. */
int __wrap_fsync(int file);
int __wrap_fsync(int file) {
    calls.synced += calls.armed;
    if (fails("fsync", true))
        return -1;
    after();
    return fcntl(file, F_GETFD) < 0 ? -1 : 0;
}

int __wrap_syncfs(int file);
int __wrap_syncfs(int file) {
    calls.synced_all += calls.armed;
    if (fails("syncfs", false))
        return -1;
    return fcntl(file, F_GETFD) < 0 ? -1 : 0;
}

ssize_t __real_write(int file, const void *data, size_t size);
ssize_t __wrap_write(int file, const void *data, size_t size);
ssize_t __wrap_write(int file, const void *data, size_t size) {
    calls.written += calls.armed;
    if (fails("write", true))
        return -1;
    bool cut = size > 1 && (calls.short_writes || (calls.hit != NULL && calls.how == DIE_AFTER));
    ssize_t result = __real_write(file, data, cut ? size / 2 : size);
    after();
    return result;
}

int __real_close(int file);
int __wrap_close(int file);
int __wrap_close(int file) {
    calls.closed += calls.armed;
    bool failed = fails("close", true);
    int reason = errno;
    int result = __real_close(file);
    after();
    errno = failed ? reason : errno;
    return failed ? -1 : result;
}

int __real_openat(int folder, const char *name, int flags, ...);
int __wrap_openat(int folder, const char *name, int flags, ...);
int __wrap_openat(int folder, const char *name, int flags, ...) {
    bool makes = (flags & O_CREAT) != 0;
    calls.made += calls.armed && makes;
    if (calls.on_make != NULL && makes)
        calls.on_make(name);
    if (fails("openat", makes))
        return -1;
    int result = __real_openat(folder, name, flags, 0600);
    after();
    return result;
}

int __real_renameat2(int from, const char *name, int to, const char *other, unsigned flags);
int __wrap_renameat2(int from, const char *name, int to, const char *other, unsigned flags);
int __wrap_renameat2(int from, const char *name, int to, const char *other, unsigned flags) {
    calls.renamed += calls.armed;
    if (calls.no_rename) {
        errno = EINVAL;
        return -1;
    }
    if (fails("renameat2", false))
        return -1;
    int result = __real_renameat2(from, name, to, other, flags);
    after();
    return result;
}

int __real_linkat(int from, const char *name, int to, const char *other, int flags);
int __wrap_linkat(int from, const char *name, int to, const char *other, int flags);
int __wrap_linkat(int from, const char *name, int to, const char *other, int flags) {
    calls.linked += calls.armed;
    if (calls.no_link) {
        errno = EPERM;
        return -1;
    }
    if (fails("linkat", false))
        return -1;
    int result = __real_linkat(from, name, to, other, flags);
    after();
    return result;
}

DIR *__real_fdopendir(int descriptor);
DIR *__wrap_fdopendir(int descriptor);
DIR *__wrap_fdopendir(int descriptor) {
    calls.scanned += calls.armed;
    return fails("fdopendir", false) ? NULL : __real_fdopendir(descriptor);
}

int __real_gethostname(char *name, size_t size);
int __wrap_gethostname(char *name, size_t size);
int __wrap_gethostname(char *name, size_t size) {
    if (calls.host == NULL)
        return -1;
    strncpy(name, calls.host, size);
    return 0;
}

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now) {
    int result = __real_clock_gettime(clock, now);
    if (clock == CLOCK_BOOTTIME)
        now->tv_sec += calls.ahead;
    if (clock == CLOCK_REALTIME && calls.still)
        *now = (struct timespec){.tv_sec = FIRST_SEEN};
    return result;
}

/* From here on calls are counted anew, and none fails. */
static void reset_calls(void) {
    memset(&calls, 0, sizeof calls);
    calls.host = "host.example";
}

static int calls_set_up(void **state) {
    reset_calls();
    return mail_set_up(state);
}

static int calls_tear_down(void **state) {
    reset_calls();
    return mail_tear_down(state);
}

#define CALLS_TEST(function) cmocka_unit_test_setup_teardown(function, calls_set_up, calls_tear_down)

#endif
