/*
 * maildrop/memory.c - maildrops in memory: users, and their messages.
 *
 * A message is counted: the user's list, every session's snapshot, every list that was taken and every body on its way
 * hold a reference, so what is removed stays where it is until the last octet of it has gone out. Unique-ids are a random
 * prefix of the memory's and a number that only counts up, so none ever comes twice, in a later process neither.
 */
#include "maildrop/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "wire/buffer.h"
#include "wire/dots.h"

enum { DEFAULT_LIMIT = 256 << 20, DAY_MS = 24 * 60 * 60 * 1000 };

void poplin_memory_lock(poplin_memory *memory) {
    (void)pthread_mutex_lock(&memory->lock);
}

void poplin_memory_unlock(poplin_memory *memory) {
    (void)pthread_mutex_unlock(&memory->lock);
}

/* ---- messages ---- */

static uint64_t octets_as_sent(const char *data, size_t size) {
    poplin_stuffer counter = {0};
    const char *cursor = data;
    (void)poplin_stuff(&counter, &cursor, data + size, NULL, 0);
    (void)poplin_stuff_end(&counter, NULL);
    return counter.octets;
}

/* Whether anything before the first empty line is not ASCII. */
static bool has_utf8_header(const char *data, size_t size) {
    bool line_is_empty = true;
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)data[i] >= 0x80)
            return true;
        if (data[i] == '\n' && line_is_empty)
            return false;
        line_is_empty = data[i] == '\n' || (data[i] == '\r' && line_is_empty);
    }
    return false;
}

poplin_stored *poplin_stored_new(const void *data, size_t size) {
    if (size > SIZE_MAX - sizeof(poplin_stored))
        return NULL;
    poplin_stored *message = malloc(sizeof *message + size);
    if (message == NULL)
        return NULL;
    atomic_init(&message->references, 1);
    message->removed = false;
    message->delivered = 0;
    message->size = size;
    message->unique_id[0] = '\0';
    if (size > 0)
        memcpy(message->data, data, size);
    message->octets = octets_as_sent(message->data, size);
    message->utf8 = has_utf8_header(message->data, size);
    return message;
}

void poplin_stored_release(poplin_stored *message) {
    if (atomic_fetch_sub_explicit(&message->references, 1, memory_order_acq_rel) == 1)
        free(message);
}

/* ---- users ---- */

static int compare_names(const char *a, size_t a_size, const char *b, size_t b_size) {
    size_t common = a_size < b_size ? a_size : b_size;
    int order = common == 0 ? 0 : memcmp(a, b, common);
    return order != 0 ? order : (a_size > b_size) - (a_size < b_size);
}

/* Where the name stands, or where it would be put in; *found says which. */
static size_t find_place(const poplin_memory *memory, poplin_slice name, bool *found) {
    size_t low = 0, high = memory->count;
    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const poplin_memory_user *user = memory->users[middle];
        int order = compare_names(user->name, user->name_size, name.data, name.size);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

poplin_memory_user *poplin_memory_find(const poplin_memory *memory, poplin_slice name) {
    bool found;
    size_t place = find_place(memory, name, &found);
    return found ? memory->users[place] : NULL;
}

static void free_secret(char *secret, size_t size) {
    if (secret != NULL)
        poplin_wipe(secret, size);
    free(secret);
}

void poplin_memory_user_release(poplin_memory_user *user) {
    if (atomic_fetch_sub_explicit(&user->references, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < user->count; i++)
        poplin_stored_release(user->messages[i]);
    free(user->messages);
    free_secret(user->password, user->password_size);
    free_secret(user->token, user->token_size);
    free(user->name);
    free(user);
}

/* Ended by NUL. */
static char *copy_of(poplin_slice slice) {
    char *copy = malloc(slice.size + 1);
    if (copy == NULL)
        return NULL;
    if (slice.size > 0)
        memcpy(copy, slice.data, slice.size);
    copy[slice.size] = '\0';
    return copy;
}

static poplin_memory_user *user_new(poplin_slice name, poplin_slice password) {
    poplin_memory_user *user = calloc(1, sizeof *user);
    if (user == NULL)
        return NULL;
    atomic_init(&user->references, 1);
    user->name = copy_of(name);
    user->name_size = name.size;
    user->password = copy_of(password);
    user->password_size = password.size;
    if (user->name != NULL && user->password != NULL)
        return user;
    poplin_memory_user_release(user);
    return NULL;
}

/* The array, moved where needed so that more pointers fit; NULL: out of memory, and the array is as it was. */
static void *grown(void *array, size_t *capacity, size_t count, size_t more) {
    if (more > SIZE_MAX / sizeof(void *) / 2 - count)
        return NULL;
    size_t wanted = *capacity == 0 ? 16 : *capacity;
    while (wanted < count + more)
        wanted *= 2;
    if (wanted == *capacity)
        return array;
    void *moved = realloc(array, wanted * sizeof(void *));
    if (moved != NULL)
        *capacity = wanted;
    return moved;
}

static bool make_room_for_user(poplin_memory *memory) {
    poplin_memory_user **users = grown(memory->users, &memory->capacity, memory->count, 1);
    if (users != NULL)
        memory->users = users;
    return users != NULL;
}

static bool make_room_for_messages(poplin_memory_user *user, size_t more) {
    poplin_stored **messages = grown(user->messages, &user->capacity, user->count, more);
    if (messages != NULL)
        user->messages = messages;
    return messages != NULL;
}

/* With the lock held. The user is taken over only where this returns OK. */
static int put_in(poplin_memory *memory, poplin_memory_user *user) {
    bool found;
    size_t place = find_place(memory, (poplin_slice){user->name, user->name_size}, &found);
    if (found)
        return POPLIN_ERR_STATE;
    if (!make_room_for_user(memory))
        return POPLIN_ERR_NOMEM;
    poplin_memory_user **at = memory->users + place;
    memmove(at + 1, at, (memory->count - place) * sizeof *at);
    *at = user;
    memory->count++;
    return POPLIN_OK;
}

int poplin_memory_add_user(poplin_memory *memory, poplin_slice name, poplin_slice password) {
    poplin_memory_user *user = user_new(name, password);
    if (user == NULL)
        return POPLIN_ERR_NOMEM;
    poplin_memory_lock(memory);
    int status = put_in(memory, user);
    poplin_memory_unlock(memory);
    if (status != POPLIN_OK)
        poplin_memory_user_release(user);
    return status;
}

int poplin_memory_set_token(poplin_memory *memory, poplin_slice name, poplin_slice token) {
    char *copy = token.data == NULL ? NULL : copy_of(token);
    if (token.data != NULL && copy == NULL)
        return POPLIN_ERR_NOMEM;
    poplin_memory_lock(memory);
    poplin_memory_user *user = poplin_memory_find(memory, name);
    char *gone = user == NULL ? copy : user->token;
    size_t gone_size = user == NULL ? token.size : user->token_size;
    if (user != NULL) {
        user->token = copy;
        user->token_size = token.size;
    }
    poplin_memory_unlock(memory);
    free_secret(gone, gone_size);
    return user == NULL ? POPLIN_ERR_REFUSED : POPLIN_OK;
}

/* With the lock held. NULL: there is none of this name. */
static poplin_memory_user *take_out(poplin_memory *memory, poplin_slice name) {
    bool found;
    size_t place = find_place(memory, name, &found);
    if (!found)
        return NULL;
    poplin_memory_user **at = memory->users + place;
    poplin_memory_user *user = *at;
    memory->count--;
    memmove(at, at + 1, (memory->count - place) * sizeof *at);
    return user;
}

int poplin_memory_remove_user(poplin_memory *memory, poplin_slice name) {
    poplin_memory_lock(memory);
    poplin_memory_user *user = take_out(memory, name);
    if (user != NULL) {
        for (size_t i = 0; i < user->count; i++)
            user->messages[i]->removed = true;
        poplin_memory_sweep(user);
    }
    poplin_memory_unlock(memory);
    if (user == NULL)
        return POPLIN_ERR_REFUSED;
    poplin_memory_user_release(user);
    return POPLIN_OK;
}

/* ---- the whole ---- */

int poplin_memory_new(poplin_memory **memory) {
    poplin_memory *made = calloc(1, sizeof *made);
    if (made == NULL)
        return POPLIN_ERR_NOMEM;
    int status = POPLIN_OK;
    if (getrandom(&made->prefix, sizeof made->prefix, 0) != (ssize_t)sizeof made->prefix)
        status = POPLIN_ERR_IO;
    else if (pthread_mutex_init(&made->lock, NULL) != 0)
        status = POPLIN_ERR_NOMEM;
    if (status != POPLIN_OK) {
        free(made);
        return status;
    }
    made->limit = DEFAULT_LIMIT;
    *memory = made;
    return POPLIN_OK;
}

void poplin_memory_free(poplin_memory *memory) {
    if (memory == NULL)
        return;
    for (size_t i = 0; i < memory->count; i++)
        poplin_memory_user_release(memory->users[i]);
    free(memory->users);
    (void)pthread_mutex_destroy(&memory->lock);
    free(memory);
}

void poplin_memory_limit(poplin_memory *memory, size_t octets) {
    poplin_memory_lock(memory);
    memory->limit = octets;
    poplin_memory_unlock(memory);
}

size_t poplin_memory_get_limit(poplin_memory *memory) {
    poplin_memory_lock(memory);
    size_t limit = memory->limit;
    poplin_memory_unlock(memory);
    return limit;
}

/* ---- delivering and removing ---- */

static void append(poplin_memory *memory, poplin_memory_user *user, poplin_stored *message) {
    (void)snprintf(message->unique_id, sizeof message->unique_id, "%016" PRIx64 ".%" PRIu64, memory->prefix,
                   ++memory->delivered);
    message->delivered = memory->loop == NULL ? 0 : poplin_loop_now(memory->loop);
    user->messages[user->count++] = message;
}

int poplin_memory_append(poplin_memory *memory, poplin_slice name, poplin_stored *const *messages, size_t count) {
    poplin_memory_user *user = poplin_memory_find(memory, name);
    if (user == NULL)
        return POPLIN_ERR_REFUSED;
    if (!make_room_for_messages(user, count))
        return POPLIN_ERR_NOMEM;
    for (size_t i = 0; i < count; i++)
        append(memory, user, messages[i]);
    return POPLIN_OK;
}

int poplin_memory_deliver(poplin_memory *memory, poplin_slice name, const void *data, size_t size,
                          char unique_id[POPLIN_UNIQUE_ID_MAX + 1]) {
    if (size > poplin_memory_get_limit(memory))
        return POPLIN_ERR_LIMIT;
    poplin_stored *message = poplin_stored_new(data, size);
    if (message == NULL)
        return POPLIN_ERR_NOMEM;
    poplin_memory_lock(memory);
    int status = poplin_memory_append(memory, name, &message, 1);
    if (status == POPLIN_OK && unique_id != NULL)
        memcpy(unique_id, message->unique_id, sizeof message->unique_id);
    poplin_memory_unlock(memory);
    if (status != POPLIN_OK)
        poplin_stored_release(message);
    return status;
}

void poplin_memory_sweep(poplin_memory_user *user) {
    size_t kept = 0;
    for (size_t i = 0; i < user->count; i++) {
        if (user->messages[i]->removed)
            poplin_stored_release(user->messages[i]);
        else
            user->messages[kept++] = user->messages[i];
    }
    user->count = kept;
}

static bool is_known_as(const poplin_stored *message, poplin_slice unique_id) {
    return strlen(message->unique_id) == unique_id.size &&
           memcmp(message->unique_id, unique_id.data, unique_id.size) == 0;
}

int poplin_memory_remove(poplin_memory *memory, poplin_slice name, poplin_slice unique_id) {
    int status = POPLIN_ERR_REFUSED;
    poplin_memory_lock(memory);
    poplin_memory_user *user = poplin_memory_find(memory, name);
    for (size_t i = 0; user != NULL && status != POPLIN_OK && i < user->count; i++) {
        if (!is_known_as(user->messages[i], unique_id))
            continue;
        user->messages[i]->removed = true;
        poplin_memory_sweep(user);
        status = POPLIN_OK;
    }
    poplin_memory_unlock(memory);
    return status;
}

/* ---- growing old ---- */

static void date_all(const poplin_memory *memory, uint64_t now) {
    for (size_t i = 0; i < memory->count; i++)
        for (size_t j = 0; j < memory->users[i]->count; j++)
            memory->users[i]->messages[j]->delivered = now;
}

void poplin_memory_expire(poplin_memory *memory, poplin_loop *loop, uint32_t days) {
    bool ages = loop != NULL && days > 0 && days < POPLIN_EXPIRE_NEVER;
    poplin_memory_lock(memory);
    memory->loop = ages ? loop : NULL;
    memory->lifetime = (uint64_t)days * DAY_MS;
    if (ages)
        date_all(memory, poplin_loop_now(loop));
    poplin_memory_unlock(memory);
}

void poplin_memory_age(const poplin_memory *memory, poplin_memory_user *user) {
    if (memory->loop == NULL || user->sessions > 0)
        return;
    uint64_t now = poplin_loop_now(memory->loop);
    for (size_t i = 0; i < user->count; i++)
        if (now - user->messages[i]->delivered >= memory->lifetime)
            user->messages[i]->removed = true;
    poplin_memory_sweep(user);
}

/* ---- looking ---- */

size_t poplin_memory_count(poplin_memory *memory, poplin_slice name) {
    poplin_memory_lock(memory);
    const poplin_memory_user *user = poplin_memory_find(memory, name);
    size_t count = user == NULL ? 0 : user->count;
    poplin_memory_unlock(memory);
    return count;
}

poplin_memory_list *poplin_memory_list_of(poplin_stored *const *messages, size_t count) {
    poplin_memory_list *list = malloc(sizeof *list + count * sizeof(poplin_stored *));
    if (list == NULL)
        return NULL;
    list->count = count;
    for (size_t i = 0; i < count; i++) {
        list->messages[i] = messages[i];
        atomic_fetch_add_explicit(&list->messages[i]->references, 1, memory_order_relaxed);
    }
    return list;
}

int poplin_memory_list_new(poplin_memory *memory, poplin_slice name, poplin_memory_list **list) {
    poplin_memory_lock(memory);
    const poplin_memory_user *user = poplin_memory_find(memory, name);
    poplin_memory_list *taken = user == NULL ? NULL : poplin_memory_list_of(user->messages, user->count);
    poplin_memory_unlock(memory);
    if (taken == NULL)
        return user == NULL ? POPLIN_ERR_REFUSED : POPLIN_ERR_NOMEM;
    *list = taken;
    return POPLIN_OK;
}

size_t poplin_memory_list_count(const poplin_memory_list *list) {
    return list->count;
}

poplin_memory_message poplin_memory_list_get(const poplin_memory_list *list, size_t index) {
    const poplin_stored *message = list->messages[index];
    return (poplin_memory_message){message->unique_id, message->octets, {message->data, message->size}};
}

void poplin_memory_list_free(poplin_memory_list *list) {
    if (list == NULL)
        return;
    for (size_t i = 0; i < list->count; i++)
        poplin_stored_release(list->messages[i]);
    free(list);
}
