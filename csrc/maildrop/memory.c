/*
 * maildrop/memory.c - maildrops in memory: users, their messages, and the backend that serves them.
 *
 * A message is counted: the user's list, every session's snapshot and every body on its way hold a reference, so
 * what a commit removes stays where it is until the last octet of it has gone out. Unique-ids are a random prefix
 * of the memory's and a number that only counts up, so none ever comes twice, in a later process neither.
 */
#include <poplin/memory.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "wire/buffer.h"
#include "wire/dots.h"

struct message {
    size_t references;
    bool removed; /* by a commit: the user's list no longer holds it */
    uint64_t octets;
    size_t size;
    char unique_id[POPLIN_UNIQUE_ID_MAX + 1];
    char data[];
};

struct user {
    char *name;
    size_t name_size;
    char *password;
    size_t password_size;
    struct message **messages; /* in the order of delivery */
    size_t count;
    size_t capacity;
};

struct poplin_memory {
    struct user **users; /* ordered by name */
    size_t count;
    size_t capacity;
    uint64_t prefix;
    uint64_t delivered;
};

/* What a session works on: its maildrop as the server knows it. */
struct snapshot {
    struct user *user;
    size_t count;
    struct message *messages[];
};

static void message_release(struct message *message) {
    if (--message->references == 0)
        free(message);
}

/* ---- users ---- */

static int compare_names(const char *a, size_t a_size, const char *b, size_t b_size) {
    size_t common = a_size < b_size ? a_size : b_size;
    int order = common == 0 ? 0 : memcmp(a, b, common);
    return order != 0 ? order : (a_size > b_size) - (a_size < b_size);
}

/* Where the name stands, or where it would be put in; *found says which. */
static size_t find_place(const poplin_memory *memory, const char *name, size_t size, bool *found) {
    size_t low = 0, high = memory->count;
    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_names(memory->users[middle]->name, memory->users[middle]->name_size, name, size);
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

static struct user *find_user(const poplin_memory *memory, const char *name, size_t size) {
    bool found;
    size_t place = find_place(memory, name, size, &found);
    return found ? memory->users[place] : NULL;
}

static void free_user(struct user *user) {
    if (user == NULL)
        return;
    for (size_t i = 0; i < user->count; i++)
        message_release(user->messages[i]);
    free(user->messages);
    if (user->password != NULL)
        poplin_wipe(user->password, user->password_size);
    free(user->password);
    free(user->name);
    free(user);
}

/* The array, moved where needed so that one more pointer fits; NULL: out of memory, and the array is as it was. */
static void *grown(void *array, size_t *capacity, size_t count) {
    if (count < *capacity)
        return array;
    size_t wanted = *capacity == 0 ? 16 : *capacity * 2;
    void *moved = realloc(array, wanted * sizeof(void *));
    if (moved != NULL)
        *capacity = wanted;
    return moved;
}

static bool make_room_for_user(poplin_memory *memory) {
    struct user **users = grown(memory->users, &memory->capacity, memory->count);
    if (users == NULL)
        return false;
    memory->users = users;
    return true;
}

static bool make_room_for_message(struct user *user) {
    struct message **messages = grown(user->messages, &user->capacity, user->count);
    if (messages == NULL)
        return false;
    user->messages = messages;
    return true;
}

int poplin_memory_new(poplin_memory **memory) {
    poplin_memory *made = calloc(1, sizeof *made);
    if (made == NULL)
        return POPLIN_ERR_NOMEM;
    if (getrandom(&made->prefix, sizeof made->prefix, 0) != (ssize_t)sizeof made->prefix) {
        free(made);
        return POPLIN_ERR_IO;
    }
    *memory = made;
    return POPLIN_OK;
}

void poplin_memory_free(poplin_memory *memory) {
    if (memory == NULL)
        return;
    for (size_t i = 0; i < memory->count; i++)
        free_user(memory->users[i]);
    free(memory->users);
    free(memory);
}

int poplin_memory_add_user(poplin_memory *memory, const char *name, const char *password) {
    bool found;
    size_t place = find_place(memory, name, strlen(name), &found);
    if (found)
        return POPLIN_ERR_STATE;
    struct user *user = calloc(1, sizeof *user);
    if (user == NULL)
        return POPLIN_ERR_NOMEM;
    user->name_size = strlen(name);
    user->password_size = strlen(password);
    user->name = strdup(name);
    user->password = strdup(password);
    if (user->name == NULL || user->password == NULL || !make_room_for_user(memory)) {
        free_user(user);
        return POPLIN_ERR_NOMEM;
    }
    memmove(memory->users + place + 1, memory->users + place, (memory->count - place) * sizeof(struct user *));
    memory->users[place] = user;
    memory->count++;
    return POPLIN_OK;
}

/* ---- messages ---- */

static uint64_t octets_as_sent(const char *data, size_t size) {
    poplin_stuffer counter = {0};
    const char *cursor = data;
    (void)poplin_stuff(&counter, &cursor, data + size, NULL, 0);
    (void)poplin_stuff_end(&counter, NULL);
    return counter.octets;
}

int poplin_memory_deliver(poplin_memory *memory, const char *name, const void *data, size_t size,
                          char unique_id[POPLIN_UNIQUE_ID_MAX + 1]) {
    struct user *user = find_user(memory, name, strlen(name));
    if (user == NULL)
        return POPLIN_ERR_REFUSED;
    if (size > SIZE_MAX - sizeof(struct message) || !make_room_for_message(user))
        return POPLIN_ERR_NOMEM;
    struct message *message = malloc(sizeof *message + size);
    if (message == NULL)
        return POPLIN_ERR_NOMEM;
    message->references = 1;
    message->removed = false;
    message->size = size;
    if (size > 0)
        memcpy(message->data, data, size);
    message->octets = octets_as_sent(message->data, size);
    snprintf(message->unique_id, sizeof message->unique_id, "%016" PRIx64 ".%" PRIu64, memory->prefix,
             ++memory->delivered);
    user->messages[user->count++] = message;
    if (unique_id != NULL)
        memcpy(unique_id, message->unique_id, sizeof message->unique_id);
    return POPLIN_OK;
}

size_t poplin_memory_count(const poplin_memory *memory, const char *name) {
    const struct user *user = find_user(memory, name, strlen(name));
    return user == NULL ? 0 : user->count;
}

/* ---- the backend ---- */

/*
 * The same work whatever the outcome and whether there is such a user or not, so that timing tells nobody which
 * names exist or how far a guess was right (T-USR-1, T-CMP-1). The NUL behind the password keeps size + 1 above 0.
 */
static bool password_is_right(const struct user *user, poplin_slice given) {
    const char *kept = user == NULL ? "" : user->password;
    size_t kept_size = user == NULL ? 0 : user->password_size;
    size_t difference = (user == NULL) | (kept_size ^ given.size);
    for (size_t i = 0; i < given.size; i++)
        difference |= (unsigned char)(kept[i % (kept_size + 1)] ^ given.data[i]);
    return difference == 0;
}

static void check(void *context, poplin_server *server, poplin_request request, poplin_slice name,
                  poplin_slice password) {
    if (password_is_right(find_user(context, name.data, name.size), password))
        (void)poplin_server_accept(server, request);
    else
        (void)poplin_server_refuse(server, request, POPLIN_ERR_AUTH, NULL);
}

static void free_snapshot(struct snapshot *snapshot) {
    for (size_t i = 0; i < snapshot->count; i++)
        message_release(snapshot->messages[i]);
    free(snapshot);
}

static struct snapshot *take_snapshot(struct user *user) {
    struct snapshot *snapshot = malloc(sizeof *snapshot + user->count * sizeof(struct message *));
    if (snapshot == NULL)
        return NULL;
    snapshot->user = user;
    snapshot->count = user->count;
    for (size_t i = 0; i < user->count; i++) {
        snapshot->messages[i] = user->messages[i];
        snapshot->messages[i]->references++;
    }
    return snapshot;
}

static poplin_listing *list(const struct snapshot *snapshot) {
    poplin_listing *listings = malloc((snapshot->count + 1) * sizeof *listings);
    for (size_t i = 0; listings != NULL && i < snapshot->count; i++) {
        const struct message *message = snapshot->messages[i];
        listings[i] = (poplin_listing){{message->unique_id, strlen(message->unique_id)}, message->octets};
    }
    return listings;
}

static void maildrop(void *context, poplin_server *server, poplin_request request, poplin_slice name) {
    struct user *user = find_user(context, name.data, name.size);
    if (user == NULL) {
        (void)poplin_server_refuse(server, request, POPLIN_ERR_AUTH, NULL);
        return;
    }
    struct snapshot *snapshot = take_snapshot(user);
    poplin_listing *listings = snapshot == NULL ? NULL : list(snapshot);
    if (listings == NULL)
        (void)poplin_server_refuse(server, request, POPLIN_ERR_TEMPORARY, NULL);
    if (snapshot != NULL &&
        (listings == NULL || poplin_server_open(server, request, snapshot, listings, snapshot->count) != POPLIN_OK))
        free_snapshot(snapshot);
    free(listings);
}

static void body_released(void *context, const void *data) {
    (void)data;
    message_release(context);
}

static void body(void *context, poplin_server *server, poplin_request request, void *opened, size_t index,
                 poplin_slice unique_id) {
    (void)context, (void)unique_id;
    struct snapshot *snapshot = opened;
    struct message *message = snapshot->messages[index];
    if (message->removed) {
        (void)poplin_server_refuse(server, request, POPLIN_ERR_REFUSED, "the message is no longer there");
        return;
    }
    message->references++;
    (void)poplin_server_body(server, request, message->data, message->size, body_released, message);
}

static void remove_marked(struct user *user) {
    size_t kept = 0;
    for (size_t i = 0; i < user->count; i++) {
        if (user->messages[i]->removed)
            message_release(user->messages[i]);
        else
            user->messages[kept++] = user->messages[i];
    }
    user->count = kept;
}

static void commit(void *context, poplin_server *server, poplin_request request, void *opened, const size_t *indexes,
                   const poplin_slice *unique_ids, size_t count) {
    (void)context, (void)unique_ids;
    struct snapshot *snapshot = opened;
    for (size_t i = 0; i < count; i++)
        snapshot->messages[indexes[i]]->removed = true;
    remove_marked(snapshot->user);
    (void)poplin_server_accept(server, request);
}

static void close_maildrop(void *context, void *opened, const poplin_session_end *end) {
    (void)context, (void)end;
    free_snapshot(opened);
}

static const poplin_backend backend = {
    .check = check, .maildrop = maildrop, .body = body, .commit = commit, .close = close_maildrop};

const poplin_backend *poplin_memory_backend(void) {
    return &backend;
}
