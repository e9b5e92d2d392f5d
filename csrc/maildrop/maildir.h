/*
 * maildrop/maildir.h - what a Maildir's snapshot is made of, for the files that share the work:
 *
 *   maildir.c          opening one, its messages one by one, letting it go
 *   maildir_names.c    what a file's name tells: the base name, the order, the unique-id
 *   maildir_look.c     reading the folders: for the snapshot, and again when files were renamed
 *   maildir_remove.c   deleting
 *   maildir_expire.c   deleting what has been there for too long
 *
 * A message is found by its base name, what stands before the ":". Since the order of the snapshot is one of base names,
 * with no two alike, it serves as the index too.
 */
#ifndef POPLIN_MAILDROP_MAILDIR_H
#define POPLIN_MAILDROP_MAILDIR_H

#include <poplin/maildir.h>
#include <time.h>

#include "wire/buffer.h"

enum poplin_maildir_folder { POPLIN_MAILDIR_NEW, POPLIN_MAILDIR_CUR, POPLIN_MAILDIR_FOLDERS };

#define POPLIN_MAILDIR_ABSENT SIZE_MAX

/* Places are offsets into the octets of the maildir's ids or names. */
typedef struct poplin_maildir_message_facts {
    size_t base;      /* in ids, not ended */
    size_t unique_id; /* in ids: the base again, or the hash of it */
    size_t name;      /* in names, ended by NUL: how the file was last seen; ABSENT: not seen by the last look */
    uint16_t base_size;
    uint8_t unique_id_size;
    uint8_t folder;
    bool hashed;   /* the unique-id is a hash */
    bool removing; /* in poplin_maildir_remove, which sets it first: to be removed still */
} poplin_maildir_message_facts;

/* How the folders stood when they were last read. */
typedef struct poplin_maildir_state {
    struct timespec changed[POPLIN_MAILDIR_FOLDERS];
    bool settled; /* nothing changed meanwhile, and any change since shows in the times */
} poplin_maildir_state;

struct poplin_maildir {
    char *path;
    int folders[POPLIN_MAILDIR_FOLDERS]; /* descriptors; -1: not open */
    poplin_maildir_message_facts *messages;
    size_t count;
    uint32_t *hashed; /* the indexes of the messages with a hash as unique-id, in the order of these */
    size_t hashed_count;
    bool doubled; /* a look saw two files with one base name */
    poplin_buffer ids;
    poplin_buffer names;
    poplin_maildir_state state;
};

/* ---- maildir.c ---- */

/* "new" or "cur". */
const char *poplin_maildir_folder_name(size_t folder);

/*
 * poplin_fail with IO, for what a call of the system's said of the name in the folder, or of the folder where name is "".
 */
int poplin_maildir_failed_at(const poplin_maildir *maildir, poplin_error *error, const char *doing, size_t folder,
                             const char *name);

/* ---- maildir_names.c ---- */

/* What stands before the ":" of a file's name. */
poplin_slice poplin_maildir_base(const char *name);

/* The order of base names: below, equal to or above 0. */
int poplin_maildir_compare(poplin_slice a, poplin_slice b);

/* Whether the base name itself can be the unique-id. */
bool poplin_maildir_is_plain(poplin_slice base);

/* The hash that is the unique-id where it cannot. OK or NOMEM. */
enum { POPLIN_MAILDIR_HASH_SIZE = 65 };
int poplin_maildir_hash(poplin_slice base, char hash[POPLIN_MAILDIR_HASH_SIZE]);

/* The message's base name. */
poplin_slice poplin_maildir_base_of(const poplin_maildir *maildir, size_t index);

/* Finds a message by its base name; false: there is none. */
bool poplin_maildir_search(const poplin_maildir *maildir, poplin_slice base, size_t *index);

/* ---- maildir_look.c ---- */

/* Fills in the messages of a maildir that has none, and is not in use where this fails. */
int poplin_maildir_first_look(poplin_maildir *maildir, poplin_error *error);

/* Finds out under which names the messages are there now. IO, NOMEM: the names are as they were. */
int poplin_maildir_look_again(poplin_maildir *maildir, const char *doing, poplin_error *error);

/* Whether another look could find anything else than the last. */
bool poplin_maildir_may_have_changed(const poplin_maildir *maildir);

#endif
