/*
 * fetch/delivery.h - what a delivery is made of, for the files that share the work:
 *
 *   delivery.c           the public calls, and the order of the steps
 *   delivery_folders.c   the three folders: made, opened, flushed; what was left in tmp for long is removed
 *   delivery_names.c     names: in tmp unlike any other, in new the same for the same message
 *   delivery_file.c      the file in tmp: written, compared, or removed
 *   delivery_group.c     complete files that wait in tmp: flushed and put into new, all at once
 *   delivery_known.c     what was delivered before
 */
#ifndef POPLIN_FETCH_DELIVERY_H
#define POPLIN_FETCH_DELIVERY_H

#include <poplin/delivery.h>

#include "wire/buffer.h"

enum poplin_delivery_folder { POPLIN_DELIVERY_TMP, POPLIN_DELIVERY_NEW, POPLIN_DELIVERY_CUR, POPLIN_DELIVERY_FOLDERS };

enum { POPLIN_DELIVERY_HOST_SIZE = 101, POPLIN_DELIVERY_NAME_SIZE = 224, POPLIN_DELIVERY_OUTPUT_SIZE = 64 * 1024 };

/* So many complete files wait at most. Each is open, so it is not many. */
enum { POPLIN_DELIVERY_GROUP_MAX = 64 };

enum poplin_delivery_state {
    POPLIN_DELIVERY_IDLE,
    POPLIN_DELIVERY_WRITING, /* a file in tmp is open */
    POPLIN_DELIVERY_FOUND    /* the message is there already: what is written is dropped */
};

/* Of account, unique-id and copy. */
typedef struct poplin_delivery_hash {
    uint64_t high, low;
} poplin_delivery_hash;

/* What the name of a delivered file tells. */
typedef struct poplin_delivery_key {
    poplin_delivery_hash hash;
    int64_t seconds;
} poplin_delivery_key;

/*
 * One message's file. It stays open until it is flushed: a file that is opened again may not tell of a write that failed
 * before.
 */
typedef struct poplin_delivery_file {
    int descriptor;  /* -1: not open */
    uint32_t number; /* of the message, in its session */
    poplin_delivery_key key;
    char temporary[POPLIN_DELIVERY_NAME_SIZE]; /* in tmp */
    char name[POPLIN_DELIVERY_NAME_SIZE];      /* in new */
    int turn;                                  /* of the name */
} poplin_delivery_file;

/* What was delivered before: see delivery_known.c. */
typedef struct poplin_known poplin_known;

struct poplin_delivery {
    char *path;                           /* absolute */
    int folders[POPLIN_DELIVERY_FOLDERS]; /* descriptors; -1: not open, the delivery rests */
    bool unsettled[POPLIN_DELIVERY_FOLDERS];
    bool crlf;
    bool links; /* this file system renames only with replacing: files are linked into new */

    char host[POPLIN_DELIVERY_HOST_SIZE];
    uint64_t random;
    uint64_t counter;
    poplin_buffer hashed;         /* what the hash is made of */
    poplin_known *known;          /* NULL: not looked for yet */
    struct poplin_places *places; /* that it is one of; NULL: none */
    size_t place;
    bool look_again; /* something noted there did not come true */

    enum poplin_delivery_state state; /* what follows is of the message that is begun */
    bool held_cr;                     /* a CR was the last octet, and whether an LF follows is not known yet */
    int64_t begun;
    poplin_delivery_file file;
    size_t filled;

    size_t group_count;
    uint32_t missed[POPLIN_DELIVERY_GROUP_MAX]; /* the numbers of messages of groups that are not in new, after all */
    size_t missed_count;                        /* of more than that no numbers are kept */
    poplin_error group_error;                   /* why the first is not */
    char output[POPLIN_DELIVERY_OUTPUT_SIZE];   /* not written yet */
    poplin_delivery_file group[POPLIN_DELIVERY_GROUP_MAX];
};

/*
 * Closes what is open, until a message is begun: known is looked for again then. Nothing may be begun, and all must be
 * settled.
 */
void poplin_delivery_rest(poplin_delivery *delivery);

/*
 * As poplin_delivery_settle; *missed: where that fails, how many messages it fails for, the first of missed being their numbers
 * until one is begun. 0: it fails for all.
 */
int poplin_delivery_settle_each(poplin_delivery *delivery, size_t *missed, poplin_error *error);

extern const char poplin_delivery_doing[]; /* "delivering a message" */

/* ---- delivery_folders.c ---- */

/* Makes what is missing, opens the folders, and makes path absolute. IO. */
int poplin_delivery_folders_open(poplin_delivery *delivery, const char *path, poplin_error *error);

/* Opens them again, where they are not open. IO: also where one is gone: it may be that a disk is not mounted any more. */
int poplin_delivery_folders_wake(poplin_delivery *delivery, poplin_error *error);

void poplin_delivery_folders_close(poplin_delivery *delivery);

/* Removes what deliveries that were stopped have left in tmp. What cannot be removed stays, and harms nobody. */
void poplin_delivery_clean(const poplin_delivery *delivery);

/* Flushes the folder's entries to the disk. IO. */
int poplin_delivery_flush_folder(poplin_delivery *delivery, size_t folder, poplin_error *error);

/* poplin_fail with IO, for what a call of the system's said of the name in the folder, or of the folder where name is "". */
int poplin_delivery_failed_at(const poplin_delivery *delivery, poplin_error *error, const char *doing, size_t folder,
                              const char *name);

/* ---- delivery_names.c ---- */

/* What the names of this delivery have in common. IO: the system has no random octets. */
int poplin_delivery_names_init(poplin_delivery *delivery, poplin_error *error);

/* Sets the file's key. NOMEM. */
int poplin_delivery_make_key(poplin_delivery *delivery, const char *account, const poplin_fetch_message *message);

/* Sets the file's temporary, to another name each time. */
void poplin_delivery_name_temporary(poplin_delivery *delivery);

/*
 * Sets the file's turn, and its name from that and its key. turn: 1; 2 and so on where a file of other content stands under the
 * name before.
 */
void poplin_delivery_name_final(const poplin_delivery *delivery, poplin_delivery_file *file, int turn);

/* Whether it is the base name of a file that was delivered, by anyone's delivery; what it tells. */
bool poplin_delivery_parse(poplin_slice base, poplin_delivery_key *key);

/* Whether a delivery gives such names to files in tmp. */
bool poplin_delivery_is_temporary(const char *name);

/* ---- delivery_file.c ---- */

/* poplin_fail with IO, for what a call of the system's said of the file in tmp. */
int poplin_delivery_file_failed(const poplin_delivery *delivery, const poplin_delivery_file *file, poplin_error *error);

/* Makes the file in tmp. IO. */
int poplin_delivery_file_open(poplin_delivery *delivery, poplin_error *error);

/* Writes the octets, line ends as they are to be stored. IO. */
int poplin_delivery_file_write(poplin_delivery *delivery, poplin_slice octets, poplin_error *error);

/* Writes what is still held back. IO. */
int poplin_delivery_file_complete(poplin_delivery *delivery, poplin_error *error);

/* Closes and removes the file in tmp. */
void poplin_delivery_file_remove(const poplin_delivery *delivery, poplin_delivery_file *file);

/* Whether the complete file in tmp holds the message that the other does, from their beginnings; marks do not count (marks.h). */
bool poplin_delivery_file_equals(const poplin_delivery *delivery, const poplin_delivery_file *file, int other);

/* ---- delivery_group.c ---- */

/* Sets the complete file's name to one that is free in new. *found: this very message stands there, under name. IO. */
int poplin_delivery_group_name(poplin_delivery *delivery, bool *found, poplin_error *error);

/* The complete file is to wait. Where too many do, they are placed first. */
void poplin_delivery_group_add(poplin_delivery *delivery);

/* Flushes all that wait to the disk and puts them into new. What does not get there is removed, and group_error says why. */
void poplin_delivery_group_place(poplin_delivery *delivery);

/* Removes all that wait. */
void poplin_delivery_group_drop(poplin_delivery *delivery);

/* ---- delivery_known.c ---- */

void poplin_known_free(poplin_known *known);

/*
 * Reads the folders where that is to be done, and, if it is resumed, looks for a file of the name that key gives, whatever its host
 * and flags. *found: there is one, and name is set to its base name. Else a unique-id may be another message's now: only
 * the content tells. NOMEM; IO; LIMIT: there are too many messages.
 */
int poplin_known_find(poplin_delivery *delivery, bool resumed, bool *found, poplin_error *error);

/* The same for one of the same hash with the content of the complete file in tmp; poplin_known_find came before it. */
bool poplin_known_find_equal(poplin_delivery *delivery);

/* Notes that the message was delivered. */
void poplin_known_add(poplin_delivery *delivery);

#endif
