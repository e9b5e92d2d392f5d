/*
 * fetch/claim.c - claims on accounts: a lock of the system's on one octet of a file beside the seen store. Without SQLite:
 * the extension for Python has this file too.
 *
 * The lock belongs to the open file, and not to the process as fcntl's older ones do: so it also keeps apart two threads,
 * and nobody who closes the file elsewhere drops it. It ends with the process, however that ends, which a file that is made
 * and removed would not. The store's own file and its -wal and -shm are left alone: on them SQLite has locks of the older kind.
 */
#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <poplin/seen.h>

#include "loop/descriptors.h"
#include "wire/failure.h"
#include "wire/grammar.h"

enum { SHA256_SIZE = 32, PATH_SHOWN = 110 };

static const char OPENING[] = "opening the seen store";
static const char CLAIMING[] = "claiming the account";

struct poplin_claim {
    struct flock octet; /* as it is locked */
    int descriptor;
    pid_t process; /* that took it; a fork shares the lock, and must not end it for both */
};

/* ---- failing ---- */

static int out_of_memory(poplin_error *error) {
    return poplin_fail(error, POPLIN_ERR_NOMEM, CLAIMING, "out of memory");
}

static int fail(const char *path, enum poplin_seen_problem problem, int reason, poplin_error *error) {
    bool told = reason != 0;
    return poplin_fail(error, POPLIN_ERR_IO, OPENING, "%s: %s%s%s%s", poplin_visible_end(path, PATH_SHOWN),
                       poplin_seen_problem_text(problem), told ? " (" : "", told ? strerror(reason) : "",
                       told ? ")" : "");
}

static int fail_to_open(const char *path, int reason, poplin_error *error) {
    switch (reason) {
    case ELOOP:
        return fail(path, POPLIN_SEEN_PROBLEM_A_LINK, 0, error);
    case EISDIR:
        return fail(path, POPLIN_SEEN_PROBLEM_A_FOLDER, 0, error);
    case ENXIO: /* a socket */
        return fail(path, POPLIN_SEEN_PROBLEM_NO_FILE, 0, error);
    default:
        return fail(path, POPLIN_SEEN_PROBLEM_NOT_OPENED, reason, error);
    }
}

/* ---- the file ---- */

/* It is for whom the store is for, as SQLite has it with -wal: root, fetching once, must not lock out whose it is. */
static void give_to_owner_of(const char *store, int descriptor) {
    struct stat facts;
    if (stat(store, &facts) != 0)
        return;
    if (geteuid() == 0 && fchown(descriptor, facts.st_uid, facts.st_gid) != 0)
        return;
    (void)fchmod(descriptor, facts.st_mode & 0666);
}

/* Opens it, or makes it where there is none: then *made. It stays: who removes such a file lets in two. */
static int open_or_make(const char *path, bool *made) {
    static const int FLAGS = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    int descriptor;
    do {
        descriptor = open(path, FLAGS | O_CREAT | O_EXCL, 0600);
        *made = descriptor >= 0;
        if (!*made && errno == EEXIST)
            descriptor = open(path, FLAGS);
    } while (descriptor < 0 && errno == EINTR);
    return poplin_descriptor_above(descriptor);
}

static int open_file(const char *path, const char *store, int *opened, poplin_error *error) {
    struct stat facts;
    bool made;
    int descriptor = open_or_make(path, &made);
    if (descriptor < 0)
        return fail_to_open(path, errno, error);
    if (fstat(descriptor, &facts) != 0 || !S_ISREG(facts.st_mode)) {
        (void)close(descriptor);
        return fail(path, POPLIN_SEEN_PROBLEM_NO_FILE, 0, error);
    }
    if (made)
        give_to_owner_of(store, descriptor);
    *opened = descriptor;
    return POPLIN_OK;
}

static int open_beside(const char *store, int *opened, poplin_error *error) {
    size_t size = strlen(store) + sizeof POPLIN_CLAIMS_ENDING;
    char *path = malloc(size);
    if (path == NULL)
        return out_of_memory(error);
    snprintf(path, size, "%s%s", store, POPLIN_CLAIMS_ENDING);
    int status = open_file(path, store, opened, error);
    free(path);
    return status;
}

/* ---- the lock ---- */

/* Which octet is the account's: a number of 62 bits, the first ones of its SHA-256. */
static int find_octet(const char *account, struct flock *octet) {
    unsigned char digest[SHA256_SIZE];
    uint64_t place = 0;
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, account, strlen(account), digest) < 0)
        return POPLIN_ERR_NOMEM; /* no policy forbids this hash */
    for (size_t i = 0; i < sizeof place; i++)
        place = place << 8 | digest[i];
    *octet = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)(place >> 2), .l_len = 1};
    return POPLIN_OK;
}

_Static_assert(sizeof(off_t) >= sizeof(uint64_t), "the octets of a large file: _FILE_OFFSET_BITS=64");

/* 0 or errno. */
static int lock(const poplin_claim *claim, short type) {
    struct flock octet = claim->octet;
    int answer;
    octet.l_type = type;
    do
        answer = fcntl(claim->descriptor, F_OFD_SETLK, &octet);
    while (answer != 0 && errno == EINTR);
    return answer == 0 ? 0 : errno;
}

/* Locks, where that can be done: mail that is not fetched at all is worse than mail that two might fetch. */
static int take(const poplin_claim *claim, const char *account, poplin_error *error) {
    int reason = lock(claim, F_WRLCK);
    if (reason == EAGAIN || reason == EACCES)
        return poplin_fail(error, POPLIN_ERR_IN_USE, CLAIMING,
                           "another fetch of %.200s is under way: try again when that is done", account);
    return POPLIN_OK;
}

int poplin_claim_take(const char *store, const char *account, poplin_claim **claim, poplin_error *error) {
    poplin_claim *made = calloc(1, sizeof *made);
    if (made == NULL)
        return out_of_memory(error);
    made->process = getpid();
    made->descriptor = -1;
    int status = find_octet(account, &made->octet);
    if (status != POPLIN_OK)
        status = out_of_memory(error);
    if (status == POPLIN_OK)
        status = open_beside(store, &made->descriptor, error);
    if (status == POPLIN_OK)
        status = take(made, account, error);
    if (status == POPLIN_OK)
        *claim = made;
    else
        poplin_claim_free(made);
    return status;
}

void poplin_claim_free(poplin_claim *claim) {
    if (claim == NULL)
        return;
    if (claim->descriptor >= 0) {
        if (claim->process == getpid())
            (void)lock(claim, F_UNLCK); /* also for a child that was forked meanwhile, and has it open still */
        (void)close(claim->descriptor);
    }
    free(claim);
}
