/*
 * maildrop/maildir_look.c - reading the folders of a Maildir that others change at the same time.
 *
 * What readdir gives of a folder that changes meanwhile is not certain: a file that is renamed may come twice, or not at all.
 * So the folders' times of change are compared before and after, and where they differ the folders are read once more; what
 * was seen in any of these passes counts, the last name that was seen first of all.
 *
 * What changed in the clock's present step, some milliseconds, may change again without a new time: it is read once more too.
 *
 * The same times save looks: a client that asks for each of a thousand messages that are gone costs one look, not a thousand.
 * Since a file system may count time in seconds, that holds only for what changed a while ago.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "maildrop/maildir.h"
#include "wire/failure.h"

enum { PASSES = 4, FILES_MAX = 1000000, SETTLED_SECONDS = 3 };

/* A file that was seen. */
typedef struct file {
    size_t name;    /* in the look's names */
    size_t message; /* of another look: whose it is */
    uint16_t base_size;
    uint8_t folder;
} file;

typedef struct looking {
    const poplin_maildir *maildir;
    bool first; /* the messages are not known yet */
    const char *doing;
    poplin_error *error;
    poplin_buffer names;
    file *files; /* in the order in which they were seen */
    size_t count;
    size_t capacity;
    poplin_maildir_state state;
} looking;

static int out_of_memory(const looking *look) {
    return poplin_fail(look->error, POPLIN_ERR_NOMEM, look->doing, "out of memory");
}

/* ---- times of change ---- */

/* False: they are not to be had. */
static bool read_times(const poplin_maildir *maildir, struct timespec times[POPLIN_MAILDIR_FOLDERS]) {
    for (size_t i = 0; i < POPLIN_MAILDIR_FOLDERS; i++) {
        struct stat facts;
        if (fstat(maildir->folders[i], &facts) != 0)
            return false;
        times[i] = facts.st_mtim;
    }
    return true;
}

/* Whether the folders still stand as they did at these times. */
static bool are_unchanged(const poplin_maildir *maildir, const struct timespec times[POPLIN_MAILDIR_FOLDERS]) {
    struct timespec now[POPLIN_MAILDIR_FOLDERS];
    if (!read_times(maildir, now))
        return false;
    for (size_t i = 0; i < POPLIN_MAILDIR_FOLDERS; i++)
        if (now[i].tv_sec != times[i].tv_sec || now[i].tv_nsec != times[i].tv_nsec)
            return false;
    return true;
}

/* Whether they are older by more than so many seconds than the clock by which the system dates changes. */
static bool are_past(const struct timespec times[POPLIN_MAILDIR_FOLDERS], time_t seconds) {
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME_COARSE, &now) != 0)
        return false;
    now.tv_sec -= seconds;
    for (size_t i = 0; i < POPLIN_MAILDIR_FOLDERS; i++)
        if (times[i].tv_sec > now.tv_sec || (times[i].tv_sec == now.tv_sec && times[i].tv_nsec >= now.tv_nsec))
            return false;
    return true;
}

bool poplin_maildir_may_have_changed(const poplin_maildir *maildir) {
    return !maildir->state.settled || !are_unchanged(maildir, maildir->state.changed);
}

/* ---- reading ---- */

static bool is_regular(const looking *look, size_t folder, const struct dirent *entry) {
    struct stat facts;
    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type == DT_REG;
    return fstatat(look->maildir->folders[folder], entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(facts.st_mode);
}

static bool make_room(looking *look) {
    if (look->count < look->capacity)
        return true;
    size_t wanted = look->capacity == 0 ? 64 : look->capacity * 2;
    file *moved = realloc(look->files, wanted * sizeof *moved);
    if (moved == NULL)
        return false;
    look->files = moved;
    look->capacity = wanted;
    return true;
}

/* Notes the file, unless it is no message, or one that came after the snapshot. */
static int take(looking *look, size_t folder, const struct dirent *entry) {
    poplin_slice base = poplin_maildir_base(entry->d_name);
    size_t message = 0;
    if (entry->d_name[0] == '.' || (!look->first && !poplin_maildir_search(look->maildir, base, &message)) ||
        !is_regular(look, folder, entry))
        return POPLIN_OK;
    size_t name = look->names.size;
    if (!make_room(look) || poplin_buffer_append(&look->names, entry->d_name, strlen(entry->d_name) + 1) != POPLIN_OK)
        return out_of_memory(look);
    look->files[look->count++] = (file){name, message, (uint16_t)base.size, (uint8_t)folder};
    return POPLIN_OK;
}

/* A stream of its own, which begins at the folder's start. */
static DIR *open_stream(int folder) {
    int descriptor = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = descriptor < 0 ? NULL : fdopendir(descriptor);
    if (stream == NULL && descriptor >= 0) {
        int reason = errno;
        (void)close(descriptor);
        errno = reason;
    }
    return stream;
}

/* Takes what is in the folder, up to a file too many. */
static int read_entries(looking *look, size_t folder, DIR *stream) {
    size_t limit = look->count + FILES_MAX;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (entry == NULL)
            break;
        int status = take(look, folder, entry);
        if (status != POPLIN_OK)
            return status;
        if (look->count > limit)
            return poplin_fail(look->error, POPLIN_ERR_LIMIT, look->doing, "there are more than %d messages in it",
                               (int)FILES_MAX);
    }
    if (errno == 0)
        return POPLIN_OK;
    return poplin_maildir_failed_at(look->maildir, look->error, look->doing, folder, "");
}

static int read_folder(looking *look, size_t folder) {
    DIR *stream = open_stream(look->maildir->folders[folder]);
    if (stream == NULL)
        return poplin_maildir_failed_at(look->maildir, look->error, look->doing, folder, "");
    int status = read_entries(look, folder, stream);
    (void)closedir(stream);
    return status;
}

/* new before cur, the way that a message goes: so one that is moved meanwhile is seen. */
static int read_folders(looking *look) {
    bool stood_still = false;
    for (int pass = 0; pass < PASSES && !stood_still; pass++) {
        bool timed = read_times(look->maildir, look->state.changed);
        bool reliable = timed && are_past(look->state.changed, 0);
        bool past = reliable && are_past(look->state.changed, SETTLED_SECONDS);
        for (size_t folder = 0; folder < POPLIN_MAILDIR_FOLDERS; folder++) {
            int status = read_folder(look, folder);
            if (status != POPLIN_OK)
                return status;
        }
        stood_still = reliable && are_unchanged(look->maildir, look->state.changed);
        look->state.settled = stood_still && past;
    }
    return POPLIN_OK;
}

static void free_look(looking *look) {
    poplin_buffer_free(&look->names);
    free(look->files);
}

/* The names that were seen are those that the maildir goes by from now on. */
static void hand_over(looking *look, poplin_maildir *maildir) {
    poplin_buffer_free(&maildir->names);
    maildir->names = look->names;
    maildir->state = look->state;
    look->names = (poplin_buffer){0};
}

/* ---- the first look ---- */

static poplin_slice base_of(const looking *look, const file *seen) {
    return (poplin_slice){poplin_buffer_slice(&look->names).data + seen->name, seen->base_size};
}

/* In the snapshot's order; of the files of one message the one that was seen last comes first. */
static int compare_files(const void *a, const void *b, void *context) {
    const looking *look = context;
    const file *first = a, *second = b;
    int order = poplin_maildir_compare(base_of(look, first), base_of(look, second));
    return order != 0 ? order : (first->name < second->name) - (first->name > second->name);
}

static int add_message(looking *look, poplin_maildir *maildir, const file *seen) {
    poplin_slice base = base_of(look, seen);
    size_t at = maildir->ids.size;
    poplin_maildir_message_facts *message = &maildir->messages[maildir->count];
    *message = (poplin_maildir_message_facts){
        .base = at, .unique_id = at, .name = seen->name, .base_size = seen->base_size, .folder = seen->folder};
    int status = poplin_buffer_append(&maildir->ids, base.data, base.size);
    if (status == POPLIN_OK && !poplin_maildir_is_plain(base)) {
        char hash[POPLIN_MAILDIR_HASH_SIZE];
        status = poplin_maildir_hash(base, hash);
        if (status == POPLIN_OK)
            status = poplin_buffer_append(&maildir->ids, hash, sizeof hash);
        message->unique_id = at + base.size;
        message->unique_id_size = sizeof hash;
        message->hashed = true;
        maildir->hashed_count++;
    } else {
        message->unique_id_size = (uint8_t)base.size;
    }
    maildir->count++;
    return status;
}

static int compare_hashes(const void *a, const void *b, void *context) {
    const poplin_maildir *maildir = context;
    return memcmp(poplin_maildir_get(maildir, *(const uint32_t *)a).unique_id.data,
                  poplin_maildir_get(maildir, *(const uint32_t *)b).unique_id.data, POPLIN_MAILDIR_HASH_SIZE);
}

static int index_hashes(poplin_maildir *maildir) {
    if (maildir->hashed_count == 0)
        return POPLIN_OK;
    maildir->hashed = malloc(maildir->hashed_count * sizeof *maildir->hashed);
    if (maildir->hashed == NULL)
        return POPLIN_ERR_NOMEM;
    size_t next = 0;
    for (size_t i = 0; i < maildir->count; i++)
        if (maildir->messages[i].hashed)
            maildir->hashed[next++] = (uint32_t)i;
    qsort_r(maildir->hashed, maildir->hashed_count, sizeof *maildir->hashed, compare_hashes, maildir);
    return POPLIN_OK;
}

/* A file that was seen in several passes is one. */
static bool is_same_file(const looking *look, const file *a, size_t folder, size_t name) {
    const char *names = poplin_buffer_slice(&look->names).data;
    return a->folder == folder && strcmp(names + a->name, names + name) == 0;
}

/* Makes messages of the files, one of all that have one base name. */
static int make_messages(looking *look, poplin_maildir *maildir) {
    if (look->count == 0)
        return POPLIN_OK;
    qsort_r(look->files, look->count, sizeof *look->files, compare_files, look);
    maildir->messages = malloc(look->count * sizeof *maildir->messages);
    int status = maildir->messages == NULL ? POPLIN_ERR_NOMEM : POPLIN_OK;
    for (size_t i = 0; status == POPLIN_OK && i < look->count; i++) {
        const file *seen = &look->files[i], *before = i > 0 ? seen - 1 : NULL;
        if (before != NULL && poplin_maildir_compare(base_of(look, seen), base_of(look, before)) == 0)
            maildir->doubled = maildir->doubled || !is_same_file(look, seen, before->folder, before->name);
        else
            status = add_message(look, maildir, seen);
    }
    return status == POPLIN_OK ? index_hashes(maildir) : status;
}

int poplin_maildir_first_look(poplin_maildir *maildir, poplin_error *error) {
    looking look = {.maildir = maildir, .first = true, .doing = "opening a Maildir", .error = error};
    int status = read_folders(&look);
    if (status == POPLIN_OK) {
        status = make_messages(&look, maildir);
        if (status != POPLIN_OK)
            (void)out_of_memory(&look);
        hand_over(&look, maildir);
    }
    free_look(&look);
    return status;
}

/* ---- another look ---- */

int poplin_maildir_look_again(poplin_maildir *maildir, const char *doing, poplin_error *error) {
    looking look = {.maildir = maildir, .doing = doing, .error = error};
    int status = read_folders(&look);
    if (status == POPLIN_OK) {
        for (size_t i = 0; i < maildir->count; i++)
            maildir->messages[i].name = POPLIN_MAILDIR_ABSENT;
        for (size_t i = 0; i < look.count; i++) {
            const file *seen = &look.files[i];
            poplin_maildir_message_facts *message = &maildir->messages[seen->message];
            if (message->name != POPLIN_MAILDIR_ABSENT && !is_same_file(&look, seen, message->folder, message->name))
                maildir->doubled = true;
            message->name = seen->name;
            message->folder = seen->folder;
        }
        hand_over(&look, maildir);
    }
    free_look(&look);
    return status;
}
