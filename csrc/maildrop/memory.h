/*
 * maildrop/memory.h - what maildrops in memory are made of, for the files that share the work:
 *
 *   memory.c   users and their messages
 *   backend.c  sessions of a server that look at them
 *   load.c     messages read from files and folders
 *
 * Everything that can change is under the memory's lock, which nobody holds while calling a server: an answer may run the
 * session, which asks the next question before it returns. Messages and users are counted beside the lock, so that
 * whoever holds one lets go of it at any time, on any thread, also after both were removed.
 */
#ifndef POPLIN_MAILDROP_MEMORY_H
#define POPLIN_MAILDROP_MEMORY_H

#include <poplin/memory.h>
#include <pthread.h>
#include <stdatomic.h>

/* A message never changes; its unique-id is given to it as it is delivered. */
typedef struct poplin_stored {
    atomic_size_t references;
    bool removed; /* the user's list no longer holds it. Under the lock */
    bool utf8;    /* the header is not plain ASCII */
    uint64_t octets;
    uint64_t delivered; /* when, by the clock of the memory's loop, where it has one. Under the lock */
    size_t size;
    char unique_id[POPLIN_UNIQUE_ID_MAX + 1];
    char data[];
} poplin_stored;

/* Under the lock, but for the references and what is set once. */
typedef struct poplin_memory_user {
    atomic_size_t references; /* the memory's, and one for each session */
    char *name;               /* set once, as is the password; both may hold NULs and are ended by one more */
    size_t name_size;
    char *password;
    size_t password_size;
    char *token; /* or NULL. Under the lock */
    size_t token_size;
    size_t sessions;          /* that have the maildrop open */
    poplin_stored **messages; /* in the order of delivery */
    size_t count;
    size_t capacity;
} poplin_memory_user;

struct poplin_memory {
    pthread_mutex_t lock;
    poplin_memory_user **users; /* ordered by name */
    size_t count;
    size_t capacity;
    size_t limit;      /* octets of one message */
    poplin_loop *loop; /* NULL: nothing is removed for its age */
    uint64_t lifetime; /* of a message, in milliseconds */
    uint64_t prefix;
    uint64_t delivered;
};

struct poplin_memory_list {
    size_t count;
    poplin_stored *messages[];
};

void poplin_memory_lock(poplin_memory *memory);
void poplin_memory_unlock(poplin_memory *memory);

/* ---- with the lock held ---- */

/* NULL: there is none of this name. */
poplin_memory_user *poplin_memory_find(const poplin_memory *memory, poplin_slice name);

/* Delivers them, all or none; they are taken over only where this returns OK. REFUSED: no such user; NOMEM. */
int poplin_memory_append(poplin_memory *memory, poplin_slice name, poplin_stored *const *messages, size_t count);

/* Removes the user's messages that are too old, unless a session has them open. */
void poplin_memory_age(const poplin_memory *memory, poplin_memory_user *user);

/* Takes the messages that are marked as removed out of the user's list. */
void poplin_memory_sweep(poplin_memory_user *user);

/* ---- with or without it ---- */

/* A copy of the octets, with one owner; NULL: out of memory. */
poplin_stored *poplin_stored_new(const void *data, size_t size);

/* A list of them, each with one owner more; NULL: out of memory. */
poplin_memory_list *poplin_memory_list_of(poplin_stored *const *messages, size_t count);

void poplin_stored_release(poplin_stored *message);
void poplin_memory_user_release(poplin_memory_user *user);

/* ---- without it ---- */

/* The largest message taken. */
size_t poplin_memory_get_limit(poplin_memory *memory);

#endif
