/*
 * maildrop/maildir_expire.c - removing the messages of a Maildir that have been there for longer than they may stay.
 *
 * A look of its own finds them, and lets go of the folders again: what is removed is no part of any session. A file that is renamed
 * between the look and the question for its age is passed over, and found by the next session.
 */
#include <errno.h>
#include <fcntl.h>
#include <poplin/session.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "maildrop/maildir.h"
#include "wire/failure.h"

enum { DAY_SECONDS = 24 * 60 * 60 };

static const char EXPIRING[] = "removing old messages";

/* The old messages of a Maildir. */
typedef struct aged {
    const poplin_maildir *maildir;
    struct timespec limit; /* a file is old that was modified then or before */
    size_t *indexes;
    size_t count;
    poplin_error *error;
} aged;

static bool is_old(const aged *work, const struct stat *facts) {
    const struct timespec *time = &facts->st_mtim, *limit = &work->limit;
    return S_ISREG(facts->st_mode) &&
           (time->tv_sec < limit->tv_sec || (time->tv_sec == limit->tv_sec && time->tv_nsec <= limit->tv_nsec));
}

/* OK, also where there is no such file any more. */
static int look_at(aged *work, size_t index) {
    const poplin_maildir *maildir = work->maildir;
    const poplin_maildir_message_facts *message = &maildir->messages[index];
    const char *name = poplin_buffer_slice(&maildir->names).data + message->name;
    struct stat facts;
    if (fstatat(maildir->folders[message->folder], name, &facts, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? POPLIN_OK
                               : poplin_maildir_failed_at(maildir, work->error, EXPIRING, message->folder, name);
    if (is_old(work, &facts))
        work->indexes[work->count++] = index;
    return POPLIN_OK;
}

/* Finds the old ones, as far as it can. The first failure is what it returns. */
static int find_old(aged *work) {
    int status = POPLIN_OK;
    for (size_t i = 0; i < work->maildir->count; i++) {
        int looked = look_at(work, i);
        if (status == POPLIN_OK && looked != POPLIN_OK) {
            status = looked;
            work->error = NULL;
        }
    }
    return status;
}

static int remove_old(poplin_maildir *maildir, struct timespec limit, poplin_error *error) {
    aged work = {.maildir = maildir, .limit = limit, .error = error};
    work.indexes = malloc((maildir->count + 1) * sizeof *work.indexes);
    if (work.indexes == NULL)
        return poplin_fail(error, POPLIN_ERR_NOMEM, EXPIRING, "out of memory");
    int found = find_old(&work);
    int removed = poplin_maildir_remove(maildir, work.indexes, work.count, work.error);
    free(work.indexes);
    return found != POPLIN_OK ? found : removed;
}

int poplin_maildir_expire(const char *path, uint32_t days, poplin_error *error) {
    struct timespec limit;
    poplin_maildir *maildir;
    if (days == 0 || days >= POPLIN_EXPIRE_NEVER)
        return POPLIN_OK;
    (void)clock_gettime(CLOCK_REALTIME, &limit); /* which every system has */
    limit.tv_sec -= (time_t)days * DAY_SECONDS;
    int status = poplin_maildir_open(path, &maildir, error);
    if (status != POPLIN_OK)
        return status;
    status = remove_old(maildir, limit, error);
    poplin_maildir_free(maildir);
    return status;
}
