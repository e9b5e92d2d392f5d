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

/*
 * The same work whatever the outcome and whether there is such a user or not, so that timing tells nobody which
 * names exist or how far a guess was right (T-USR-1, T-CMP-1). The NUL behind the password keeps size + 1 above 0.
 */
static bool password_is_right(const poplin_memory_user *user, poplin_slice given) {
    const char *kept = user == NULL ? "" : user->password;
    size_t kept_size = user == NULL ? 0 : user->password_size;
    size_t difference = (user == NULL) | (kept_size ^ given.size);
    for (size_t i = 0; i < given.size; i++)
        difference |= (unsigned char)(kept[i % (kept_size + 1)] ^ given.data[i]);
    return difference == 0;
}

static void check(void *context, poplin_server *server, poplin_request request, poplin_slice name,
                  poplin_slice password) {
    poplin_memory *memory = context;
    poplin_memory_lock(memory);
    bool right = password_is_right(poplin_memory_find(memory, name), password);
    poplin_memory_unlock(memory);
    if (right)
        (void)poplin_server_accept(server, request);
    else
        (void)poplin_server_refuse(server, request, POPLIN_ERR_AUTH, NULL);
}

static void free_opened(opened *maildrop) {
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
        made->list = poplin_memory_list_of(made->user->messages, made->user->count);
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
        listings[i] = (poplin_listing){{message->unique_id, strlen(message->unique_id)}, message->octets};
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
        free_opened(made);
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
    (void)context;
    (void)end;
    free_opened(maildrop);
}

static const poplin_backend backend = {
    .check = check, .maildrop = maildrop, .body = body, .commit = commit, .close = close_maildrop};

const poplin_backend *poplin_memory_backend(void) {
    return &backend;
}
