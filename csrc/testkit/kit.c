/*
 * testkit/kit.c - a kit: made and freed, and its faults and secrets, each under the lock.
 */
#include "testkit/kit.h"

#include <stdlib.h>

enum { SESSIONS_KEPT = 10000, EXCHANGES_KEPT = 10000 };

void poplin_testkit_config_init(poplin_testkit_config *config) {
    *config = (poplin_testkit_config){.sessions_kept = SESSIONS_KEPT, .exchanges_kept = EXCHANGES_KEPT};
}

int poplin_testkit_new(const poplin_testkit_config *config, poplin_testkit **made) {
    poplin_testkit *kit = calloc(1, sizeof *kit);
    *made = NULL;
    if (kit == NULL)
        return POPLIN_ERR_NOMEM;
    kit->log.sessions_kept = config->sessions_kept;
    kit->log.exchanges_kept = config->exchanges_kept;
    (void)pthread_mutex_init(&kit->lock, NULL);
    kit->faults = poplin_faults_new();
    int status = kit->faults != NULL ? POPLIN_OK : POPLIN_ERR_NOMEM;
    for (size_t i = 0; status == POPLIN_OK && i < config->secret_count; i++)
        status = poplin_secrets_add(&kit->secrets, config->secrets[i]);
    if (status == POPLIN_OK)
        *made = kit;
    else
        poplin_testkit_free(kit);
    return status;
}

void poplin_testkit_free(poplin_testkit *kit) {
    if (kit == NULL)
        return;
    poplin_faults_free(kit->faults);
    poplin_secrets_free(&kit->secrets);
    poplin_log_free(&kit->log);
    (void)pthread_mutex_destroy(&kit->lock);
    free(kit);
}

void poplin_kit_lock(poplin_testkit *kit) {
    (void)pthread_mutex_lock(&kit->lock);
}

void poplin_kit_unlock(poplin_testkit *kit) {
    (void)pthread_mutex_unlock(&kit->lock);
}

int poplin_testkit_add_secret(poplin_testkit *kit, poplin_slice secret) {
    poplin_kit_lock(kit);
    int status = poplin_secrets_add(&kit->secrets, secret);
    poplin_kit_unlock(kit);
    return status;
}

void poplin_testkit_reset(poplin_testkit *kit) {
    poplin_kit_lock(kit);
    poplin_faults_clear(kit->faults);
    poplin_log_reset(&kit->log);
    poplin_kit_unlock_changed(kit);
}

/* ---- faults ---- */

int poplin_testkit_add_fault(poplin_testkit *kit, const char *command, const poplin_setting *settings, size_t count,
                             poplin_fault_handle *handle, poplin_error *error) {
    poplin_kit_lock(kit);
    int status = poplin_faults_add(kit->faults, command, settings, count, handle, error);
    poplin_kit_unlock(kit);
    return status;
}

int poplin_testkit_add_fault_text(poplin_testkit *kit, const char *text, poplin_fault_handle *handle,
                                  poplin_error *error) {
    poplin_kit_lock(kit);
    int status = poplin_faults_add_text(kit->faults, text, handle, error);
    poplin_kit_unlock(kit);
    return status;
}

int poplin_testkit_add_profile(poplin_testkit *kit, const char *name, poplin_fault_handle *handle,
                               poplin_error *error) {
    poplin_kit_lock(kit);
    int status = poplin_faults_add_profile(kit->faults, name, handle, error);
    poplin_kit_unlock(kit);
    return status;
}

int poplin_testkit_remove(poplin_testkit *kit, uint64_t id, uint64_t *fired) {
    poplin_kit_lock(kit);
    int status = poplin_faults_remove(kit->faults, id, fired);
    poplin_kit_unlock(kit);
    return status;
}

uint64_t poplin_testkit_fired(poplin_testkit *kit, uint64_t id) {
    poplin_kit_lock(kit);
    uint64_t fired = poplin_faults_fired(kit->faults, id);
    poplin_kit_unlock(kit);
    return fired;
}
