/*
 * maildrop/backend.c - maildrops in memory as a backend: what a server asks of them. Each question is decided under the
 * memory's lock and answered without it.
 */
#include <stdlib.h>
#include <string.h>

#include "maildrop/memory.h"

/* What a session works on: its maildrop as the server knows it. */
typedef struct opened {
    poplin_memory_user *user;
    poplin_memory_list *list;
} opened;

/* One owner more, so that it stays also where it is removed meanwhile. NULL: there is none of this name. */
static poplin_memory_user *take_user(poplin_memory *memory, poplin_slice name) {
    poplin_memory_lock(memory);
    poplin_memory_user *user = poplin_memory_find(memory, name);
    if (user != NULL)
        atomic_fetch_add_explicit(&user->references, 1, memory_order_relaxed);
    poplin_memory_unlock(memory);
    return user;
}

static void secret(void *context, poplin_server *server, poplin_request request, poplin_slice name,
                   const char *mechanism) {
    (void)mechanism;
    poplin_memory_user *user = take_user(context, name);
    if (user == NULL) {
        (void)poplin_server_refuse(server, request, POPLIN_ERR_AUTH, NULL);
        return;
    }
    (void)poplin_server_secret(server, request, (poplin_slice){user->password, user->password_size});
    poplin_memory_user_release(user);
}

/* The time that this takes depends on the sizes, not on where they differ. */
static bool is_same(poplin_slice shown, const char *kept, size_t size) {
    size_t difference = shown.size ^ size;
    for (size_t i = 0; i < shown.size && i < size; i++)
        difference |= (unsigned char)(shown.data[i] ^ kept[i]);
    return difference == 0 && size > 0;
}

/* One owner more of who has this token and, where one is given, this name; all are looked at. NULL: nobody. */
static poplin_memory_user *take_user_by_token(poplin_memory *memory, poplin_slice name, poplin_slice shown) {
    poplin_memory_user *found = NULL;
    poplin_memory_lock(memory);
    const poplin_memory_user *named = name.data == NULL ? NULL : poplin_memory_find(memory, name);
    for (size_t i = 0; i < memory->count; i++) {
        poplin_memory_user *user = memory->users[i];
        if (is_same(shown, user->token, user->token_size) && (name.data == NULL || user == named))
            found = user;
    }
    if (found != NULL)
        atomic_fetch_add_explicit(&found->references, 1, memory_order_relaxed);
    poplin_memory_unlock(memory);
    return found;
}

static void token(void *context, poplin_server *server, poplin_request request, poplin_slice name, poplin_slice shown) {
    poplin_memory_user *user = take_user_by_token(context, name, shown);
    if (user == NULL) {
        (void)poplin_server_refuse(server, request, POPLIN_ERR_AUTH, NULL);
        return;
    }
    (void)poplin_server_accept_as(server, request, (poplin_slice){user->name, user->name_size});
    poplin_memory_user_release(user);
}

static void free_opened(poplin_memory *memory, opened *maildrop) {
    poplin_memory_lock(memory);
    maildrop->user->sessions--;
    poplin_memory_unlock(memory);
    poplin_memory_list_free(maildrop->list);
    poplin_memory_user_release(maildrop->user);
    free(maildrop);
}

/* AUTH: no such user any more; NOMEM. */
static int open_maildrop(poplin_memory *memory, poplin_slice name, opened **maildrop) {
    opened *made = calloc(1, sizeof *made);
    if (made == NULL)
        return POPLIN_ERR_NOMEM;
    poplin_memory_lock(memory);
    made->user = poplin_memory_find(memory, name);
    if (made->user != NULL) {
        atomic_fetch_add_explicit(&made->user->references, 1, memory_order_relaxed);
        poplin_memory_age(memory, made->user);
        made->list = poplin_memory_list_of(made->user->messages, made->user->count);
        made->user->sessions += made->list != NULL;
    }
    poplin_memory_unlock(memory);
    if (made->list != NULL) {
        *maildrop = made;
        return POPLIN_OK;
    }
    int status = made->user == NULL ? POPLIN_ERR_AUTH : POPLIN_ERR_NOMEM;
    if (made->user != NULL)
        poplin_memory_user_release(made->user);
    free(made);
    return status;
}

static poplin_listing *listings_of(const poplin_memory_list *list) {
    poplin_listing *listings = malloc((list->count + 1) * sizeof *listings);
    for (size_t i = 0; listings != NULL && i < list->count; i++) {
        const poplin_stored *message = list->messages[i];
        listings[i] =
            (poplin_listing){{message->unique_id, strlen(message->unique_id)}, message->octets, message->utf8};
    }
    return listings;
}

static void maildrop(void *context, poplin_server *server, poplin_request request, poplin_slice name) {
    opened *made;
    int status = open_maildrop(context, name, &made);
    if (status != POPLIN_OK) {
        (void)poplin_server_refuse(server, request, status == POPLIN_ERR_AUTH ? status : POPLIN_ERR_TEMPORARY, NULL);
        return;
    }
    poplin_listing *listings = listings_of(made->list);
    if (listings == NULL)
        (void)poplin_server_refuse(server, request, POPLIN_ERR_TEMPORARY, NULL);
    if (listings == NULL || poplin_server_open(server, request, made, listings, made->list->count) != POPLIN_OK)
        free_opened(context, made);
    free(listings);
}

static void body_released(void *context, const void *data) {
    (void)data;
    poplin_stored_release(context);
}

static void body(void *context, poplin_server *server, poplin_request request, void *maildrop, size_t index,
                 poplin_slice unique_id) {
    (void)unique_id;
    const opened *session = maildrop;
    poplin_stored *message = session->list->messages[index];
    poplin_memory_lock(context);
    bool removed = message->removed;
    poplin_memory_unlock(context);
    if (removed) {
        (void)poplin_server_refuse(server, request, POPLIN_ERR_REFUSED, "the message is no longer there");
        return;
    }
    atomic_fetch_add_explicit(&message->references, 1, memory_order_relaxed);
    (void)poplin_server_body(server, request, message->data, message->size, body_released, message);
}

static void commit(void *context, poplin_server *server, poplin_request request, void *maildrop, const size_t *indexes,
                   const poplin_slice *unique_ids, size_t count) {
    (void)unique_ids;
    const opened *session = maildrop;
    poplin_memory_lock(context);
    for (size_t i = 0; i < count; i++)
        session->list->messages[indexes[i]]->removed = true;
    poplin_memory_sweep(session->user);
    poplin_memory_unlock(context);
    (void)poplin_server_accept(server, request);
}

static void close_maildrop(void *context, void *maildrop, const poplin_session_end *end) {
    (void)end;
    free_opened(context, maildrop);
}

static const poplin_backend backend = {
    .secret = secret, .maildrop = maildrop, .body = body, .commit = commit, .close = close_maildrop};

static const poplin_backend token_backend = {
    .secret = secret, .token = token, .maildrop = maildrop, .body = body, .commit = commit, .close = close_maildrop};

const poplin_backend *poplin_memory_backend(void) {
    return &backend;
}

const poplin_backend *poplin_memory_token_backend(void) {
    return &token_backend;
}
