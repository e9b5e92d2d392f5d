/*
 * tls/sessions.c - what a client keeps of its sessions, to take them up again.
 */
#include "tls/sessions.h"

#include <stdio.h>
#include <string.h>

#include "wire/buffer.h"

enum { DATA_MAX = 64 * 1024 }; /* with the server's certificates; a longer one is not worth its room */

void poplin_sessions_init(poplin_sessions *sessions) {
    (void)pthread_mutex_init(&sessions->lock, NULL); /* which cannot fail without attributes */
}

void poplin_session_data_free(gnutls_datum_t *data) {
    if (data->data != NULL)
        poplin_wipe(data->data, data->size);
    gnutls_free(data->data);
    *data = (gnutls_datum_t){NULL, 0};
}

void poplin_sessions_free(poplin_sessions *sessions) {
    for (unsigned i = 0; i < POPLIN_SESSIONS_MAX; i++)
        poplin_session_data_free(&sessions->kept[i].data);
    (void)pthread_mutex_destroy(&sessions->lock);
}

/* NULL: nothing is kept of this peer. */
static poplin_session_kept *find(poplin_sessions *sessions, const char *peer) {
    for (unsigned i = 0; i < POPLIN_SESSIONS_MAX; i++)
        if (sessions->kept[i].data.data != NULL && strcmp(sessions->kept[i].peer, peer) == 0)
            return &sessions->kept[i];
    return NULL;
}

void poplin_sessions_keep(poplin_sessions *sessions, const char *peer, gnutls_datum_t data, time_t until) {
    if (data.size == 0 || data.size > DATA_MAX) {
        poplin_session_data_free(&data);
        return;
    }
    (void)pthread_mutex_lock(&sessions->lock);
    poplin_session_kept *kept = find(sessions, peer);
    if (kept == NULL) {
        kept = &sessions->kept[sessions->next];
        sessions->next = (sessions->next + 1) % POPLIN_SESSIONS_MAX;
    }
    poplin_session_data_free(&kept->data);
    snprintf(kept->peer, sizeof kept->peer, "%s", peer);
    kept->data.data = data.data; /* one by one: a copy of the whole takes what lies between the two along */
    kept->data.size = data.size;
    kept->until = until;
    (void)pthread_mutex_unlock(&sessions->lock);
}

bool poplin_sessions_take(poplin_sessions *sessions, const char *peer, gnutls_datum_t *data) {
    (void)pthread_mutex_lock(&sessions->lock);
    poplin_session_kept *kept = find(sessions, peer);
    bool good = kept != NULL && (kept->until == -1 || time(NULL) < kept->until);
    if (good) {
        *data = kept->data;
        kept->data = (gnutls_datum_t){NULL, 0};
    } else if (kept != NULL) {
        poplin_session_data_free(&kept->data);
    }
    (void)pthread_mutex_unlock(&sessions->lock);
    return good;
}
