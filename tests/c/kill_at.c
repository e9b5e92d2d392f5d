/*
 * kill_at.c - loaded into a program (LD_PRELOAD), this ends it by SIGKILL at a system call that the environment names, or has
 * its disk run full. For tests that kill a fetch at each of its steps: see tests/python/killing.py.
 *
 *     KILL_AT=fsync:3        before the third fsync
 *     KILL_AT=write:3:half   when half of the third write is done
 *     KILL_AT=any:40         before the fortieth of all calls that are named below
 *     DISK_ROOM=100000       writing to files fails with ENOSPC when so many octets have been written, as far as they fit
 *     MAIL_ROOM=100000       the same for write alone, by which mail is written, and SQLite writes nothing
 *     REFUSED=renameat2      this call fails with ENOSYS, as a file system may have it
 *     LOCKS=none             locks of open files fail with EINVAL, as where a file system does not know them
 *     CALLS_TO=PATH          when the program ends in good order the file has how often each was called: "fsync 3"
 *
 * A killed process loses nothing that it has handed to the system, so that nothing needs to be flushed to a disk: fsync and
 * fdatasync say that they have done it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

/* What is counted, in the order of names. */
#define CALL_TABLE(X) \
    X(fdatasync) \
    X(fsync) \
    X(ftruncate64) \
    X(link) \
    X(linkat) \
    X(pwrite64) \
    X(renameat2) \
    X(send) \
    X(sync_file_range) \
    X(unlink) \
    X(unlinkat) \
    X(write)

enum call {
#define CALL_ENUM(name) CALL_##name,
    CALL_TABLE(CALL_ENUM)
#undef CALL_ENUM
        CALLS
};

static const char *const names[] = {
#define CALL_NAME(name) #name,
    CALL_TABLE(CALL_NAME)
#undef CALL_NAME
};

static atomic_ulong counts[CALLS], all;
static atomic_llong room = -1; /* octets that still fit; -1: any number */
static bool room_is_for_mail;
static int killed_call = -1; /* CALLS: any */
static unsigned long killed_at;
static bool killed_half;
static int refused_call = -1;
static bool lockless;

/* ---- what is asked for ---- */

static int call_of(const char *name) {
    int call = 0;
    while (call < CALLS && strcmp(name, names[call]) != 0)
        call++;
    return call;
}

static void read_kill(const char *text) {
    char name[16] = "", half[8] = "";
    if (sscanf(text, "%15[^:]:%lu:%7s", name, &killed_at, half) < 2 ||
        ((killed_call = call_of(name)) == CALLS && strcmp(name, "any") != 0)) {
        fprintf(stderr, "kill_at: KILL_AT=%s\n", text);
        abort();
    }
    killed_half = half[0] != '\0';
}

__attribute__((constructor)) static void begin(void) {
    const char *kill_text = getenv("KILL_AT"), *refused_text = getenv("REFUSED");
    const char *disk_text = getenv("DISK_ROOM"), *mail_text = getenv("MAIL_ROOM");
    if (kill_text != NULL)
        read_kill(kill_text);
    if (disk_text != NULL || mail_text != NULL)
        room = strtoll(disk_text != NULL ? disk_text : mail_text, NULL, 10);
    room_is_for_mail = disk_text == NULL;
    if (refused_text != NULL)
        refused_call = call_of(refused_text);
    lockless = getenv("LOCKS") != NULL;
}

__attribute__((destructor)) static void end(void) {
    const char *path = getenv("CALLS_TO");
    FILE *file = path == NULL ? NULL : fopen(path, "w");
    if (file == NULL)
        return;
    for (int call = 0; call < CALLS; call++)
        fprintf(file, "%s %lu\n", names[call], counts[call]);
    fprintf(file, "any %lu\n", all);
    (void)fclose(file);
}

/* ---- at a call ---- */

/* The system's own function. */
static void *real(enum call call) {
    static _Atomic(void *) found[CALLS];
    if (found[call] == NULL)
        found[call] = dlsym(RTLD_NEXT, names[call]);
    return found[call];
}

#define REAL(name) ((__typeof__(&name))real(CALL_##name))

static void die(void) {
    (void)kill(getpid(), SIGKILL);
    for (;;)
        (void)pause();
}

/* Counts a call; whether it is the one in the middle of which the program is to die. */
static bool passes(enum call call) {
    const unsigned long nth = ++counts[call], of_all = ++all;
    const bool hit = killed_call == CALLS ? of_all == killed_at : killed_call == (int)call && nth == killed_at;
    if (hit && !killed_half)
        die();
    return hit;
}

/* How much of size octets is to be written to file; 0: there is no room, and errno says so. */
static size_t fitting(int file, size_t size) {
    struct stat facts;
    if (room < 0 || size == 0 || fstat(file, &facts) != 0 || !S_ISREG(facts.st_mode))
        return size;
    const size_t fits = (long long)size > room ? (size_t)room : size;
    room -= (long long)fits;
    if (fits == 0)
        errno = ENOSPC;
    return fits;
}

static bool is_refused(enum call call) {
    if (refused_call == (int)call)
        errno = ENOSYS;
    return refused_call == (int)call;
}

/* ---- the calls ---- */

ssize_t write(int file, const void *data, size_t size) {
    if (passes(CALL_write)) {
        (void)REAL(write)(file, data, size / 2);
        die();
    }
    const size_t fits = fitting(file, size);
    return fits == 0 && size > 0 ? -1 : REAL(write)(file, data, fits);
}

ssize_t pwrite64(int file, const void *data, size_t size, off64_t place) {
    if (passes(CALL_pwrite64)) {
        (void)REAL(pwrite64)(file, data, size / 2, place);
        die();
    }
    const size_t fits = room_is_for_mail ? size : fitting(file, size);
    return fits == 0 && size > 0 ? -1 : REAL(pwrite64)(file, data, fits, place);
}

ssize_t send(int file, const void *data, size_t size, int flags) {
    if (passes(CALL_send)) {
        (void)REAL(send)(file, data, size / 2, flags);
        die();
    }
    return REAL(send)(file, data, size, flags);
}

/* In the middle of what cannot be halved is behind it. */
#define BEHIND(call, result) \
    do { \
        const bool last_ = passes(call); \
        const int result_ = is_refused(call) ? -1 : (result); \
        if (last_) \
            die(); \
        return result_; \
    } while (0)

int fsync(int file) {
    (void)file;
    BEHIND(CALL_fsync, 0);
}

int fdatasync(int file) {
    (void)file;
    BEHIND(CALL_fdatasync, 0);
}

int sync_file_range(int file, off64_t from, off64_t size, unsigned flags) {
    BEHIND(CALL_sync_file_range, REAL(sync_file_range)(file, from, size, flags));
}

int ftruncate64(int file, off64_t size) {
    BEHIND(CALL_ftruncate64, REAL(ftruncate64)(file, size));
}

int link(const char *from, const char *to) {
    BEHIND(CALL_link, REAL(link)(from, to));
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    BEHIND(CALL_linkat, REAL(linkat)(from_folder, from, to_folder, to, flags));
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
    BEHIND(CALL_renameat2, REAL(renameat2)(from_folder, from, to_folder, to, flags));
}

int unlink(const char *path) {
    BEHIND(CALL_unlink, REAL(unlink)(path));
}

int unlinkat(int folder, const char *path, int flags) {
    BEHIND(CALL_unlinkat, REAL(unlinkat)(folder, path, flags));
}

/* Not counted. Whatever the last argument is, it fits a pointer. */
int fcntl(int file, int command, ...) {
    static _Atomic(void *) found;
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if (lockless && command == F_OFD_SETLK) {
        errno = EINVAL;
        return -1;
    }
    if (found == NULL)
        found = dlsym(RTLD_NEXT, "fcntl");
    return ((__typeof__(&fcntl))(void *)found)(file, command, argument);
}
