/*
 * fetch/delivery.c - delivery into a Maildir: the order of the steps, so that a message stands in new whole, or not at all.
 *
 *     look for it    write to tmp             of each message
 *     fsync    close    move to new           of all messages of a group, one step after the other
 *     fsync new
 *
 * Whatever fails, the file in tmp is removed.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fetch/delivery.h"
#include "fetch/places.h"
#include "wire/failure.h"

enum { SECONDS_MAX = 24 * 60 * 60 };

const char poplin_delivery_doing[] = "delivering a message";

/* ---- open, free ---- */

int poplin_delivery_open(const char *path, bool crlf, poplin_delivery **delivery, poplin_error *error) {
    poplin_delivery *made = malloc(sizeof *made);
    if (made == NULL)
        return poplin_fail(error, POPLIN_ERR_NOMEM, poplin_delivery_doing, "out of memory");
    memset(made, 0, offsetof(poplin_delivery, output));
    made->crlf = crlf;
    made->file.descriptor = -1;
    for (size_t i = 0; i < POPLIN_DELIVERY_FOLDERS; i++)
        made->folders[i] = -1;
    int status = poplin_delivery_names_init(made, error);
    if (status == POPLIN_OK)
        status = poplin_delivery_folders_open(made, path, error);
    if (status == POPLIN_OK) {
        poplin_delivery_clean(made);
        poplin_delivery_rest(made);
        *delivery = made;
    } else {
        poplin_delivery_free(made);
    }
    return status;
}

void poplin_delivery_free(poplin_delivery *delivery) {
    if (delivery == NULL)
        return;
    if (delivery->places != NULL)
        poplin_places_forget(delivery);
    poplin_delivery_abandon(delivery);
    poplin_delivery_group_drop(delivery);
    poplin_delivery_rest(delivery);
    free(delivery->path);
    poplin_buffer_free(&delivery->hashed);
    free(delivery);
}

void poplin_delivery_rest(poplin_delivery *delivery) {
    poplin_delivery_folders_close(delivery);
    poplin_known_free(delivery->known);
    delivery->known = NULL;
}

/* ---- one message ---- */

/* By a clock that nobody sets and that goes on while the machine sleeps. */
static int64_t seconds_now(void) {
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec;
}

int poplin_delivery_begin(poplin_delivery *delivery, const char *account, const poplin_fetch_message *message,
                          poplin_error *error) {
    if (delivery->state != POPLIN_DELIVERY_IDLE)
        return poplin_fail(error, POPLIN_ERR_STATE, poplin_delivery_doing, "another message is begun");
    if (poplin_delivery_make_key(delivery, account, message) != POPLIN_OK)
        return poplin_fail(error, POPLIN_ERR_NOMEM, poplin_delivery_doing, "out of memory");
    bool found = false;
    int status = poplin_delivery_folders_wake(delivery, error);
    if (status == POPLIN_OK)
        status = poplin_known_find(delivery, message->resumed, &found, error);
    if (status == POPLIN_OK && !found)
        status = poplin_delivery_file_open(delivery, error);
    if (status != POPLIN_OK)
        return status;
    delivery->file.number = message->number;
    delivery->begun = seconds_now();
    delivery->state = found ? POPLIN_DELIVERY_FOUND : POPLIN_DELIVERY_WRITING;
    return POPLIN_OK;
}

/* Whether one is begun, and not for too long. */
static int check(const poplin_delivery *delivery, poplin_error *error) {
    if (delivery->state == POPLIN_DELIVERY_IDLE)
        return poplin_fail(error, POPLIN_ERR_STATE, poplin_delivery_doing, "no message is begun");
    if (seconds_now() - delivery->begun > SECONDS_MAX)
        return poplin_fail(error, POPLIN_ERR_LIMIT, poplin_delivery_doing, "it takes more than 24 hours");
    return POPLIN_OK;
}

int poplin_delivery_write(poplin_delivery *delivery, poplin_slice octets, poplin_error *error) {
    int status = check(delivery, error);
    if (status == POPLIN_OK && delivery->state == POPLIN_DELIVERY_WRITING)
        status = poplin_delivery_file_write(delivery, octets, error);
    if (status != POPLIN_OK)
        poplin_delivery_abandon(delivery);
    return status;
}

/* Has the complete file wait for its place in new, or finds that the message stands there. */
static int complete(poplin_delivery *delivery, poplin_error *error) {
    int status = poplin_delivery_file_complete(delivery, error);
    bool found = status == POPLIN_OK && poplin_known_find_equal(delivery);
    if (status == POPLIN_OK && !found)
        status = poplin_delivery_group_name(delivery, &found, error);
    if (status != POPLIN_OK)
        return status;
    if (found) {
        poplin_delivery_file_remove(delivery, &delivery->file);
        delivery->state = POPLIN_DELIVERY_FOUND;
    } else {
        poplin_delivery_group_add(delivery);
        poplin_known_add(delivery);
    }
    return POPLIN_OK;
}

int poplin_delivery_end(poplin_delivery *delivery, const char **name, poplin_error *error) {
    int status = check(delivery, error);
    if (status == POPLIN_OK && delivery->state == POPLIN_DELIVERY_WRITING)
        status = complete(delivery, error);
    if (status != POPLIN_OK) {
        poplin_delivery_abandon(delivery);
        return status;
    }
    /* What was found may have been put there, or moved on, by a program that was stopped before it was safe. */
    delivery->unsettled[POPLIN_DELIVERY_NEW] = true;
    if (delivery->state == POPLIN_DELIVERY_FOUND)
        delivery->unsettled[POPLIN_DELIVERY_CUR] = true;
    delivery->state = POPLIN_DELIVERY_IDLE;
    if (name != NULL)
        *name = delivery->file.name;
    return POPLIN_OK;
}

void poplin_delivery_abandon(poplin_delivery *delivery) {
    if (delivery->state == POPLIN_DELIVERY_WRITING)
        poplin_delivery_file_remove(delivery, &delivery->file);
    delivery->state = POPLIN_DELIVERY_IDLE;
}

/* ---- all that was delivered ---- */

static int flush_folders(poplin_delivery *delivery, poplin_error *error) {
    for (size_t folder = 0; folder < POPLIN_DELIVERY_FOLDERS; folder++) {
        if (!delivery->unsettled[folder])
            continue;
        int status = poplin_delivery_flush_folder(delivery, folder, error);
        if (status != POPLIN_OK)
            return status;
        delivery->unsettled[folder] = false;
    }
    return POPLIN_OK;
}

int poplin_delivery_settle_each(poplin_delivery *delivery, size_t *missed, poplin_error *error) {
    poplin_delivery_group_place(delivery);
    int status = flush_folders(delivery, error);
    const bool known = status == POPLIN_OK && delivery->missed_count <= POPLIN_DELIVERY_GROUP_MAX;
    *missed = known ? delivery->missed_count : 0;
    if (delivery->missed_count > 0) {
        status = delivery->group_error.status;
        if (error != NULL)
            *error = delivery->group_error;
    }
    delivery->missed_count = 0; /* they are told */
    return status;
}

int poplin_delivery_settle(poplin_delivery *delivery, poplin_error *error) {
    size_t missed;
    return poplin_delivery_settle_each(delivery, &missed, error);
}
