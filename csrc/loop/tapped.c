/*
 * loop/tapped.c - the way out of a connection: what its session says or, where the server has a tap, what that makes of it.
 *
 * With a tap (poplin/tap.h) nothing leaves the session but into the tap's hands, and nothing leaves the connection but out of
 * them. The tap's last answer is kept until it has been acted on, so that a pause is not asked for twice.
 */
#include <stdlib.h>

#include "loop/serving.h"

struct poplin_tapped {
    const poplin_tap *tap;
    void *state;
    enum poplin_tap_step step; /* what next answered last; IDLE is asked anew */
    poplin_slice octets;       /* SEND */
    uint32_t milliseconds;     /* PAUSE */
    uint64_t pauses;
    bool held;     /* the session does not go on before next is IDLE */
    bool owing;    /* the reply to the last command, or the greeting, was not given whole yet */
    size_t given;  /* octets that it got since it was IDLE last */
    uint64_t mark; /* octets that had gone out when the last command was told */
    int failure;   /* it could not do its work, or answered nonsense: a status */
};

/* ---- its life ---- */

int poplin_tapped_open(poplin_connection *connection, const char *peer) {
    const poplin_server_config *config = &connection->server->config;
    struct poplin_tapped *tapped = calloc(1, sizeof *tapped);
    if (tapped == NULL)
        return POPLIN_ERR_NOMEM;
    tapped->tap = config->tap;
    tapped->owing = true;
    int status = config->tap->opened(config->tap_context, peer, &tapped->state);
    if (status == POPLIN_OK)
        connection->tapped = tapped;
    else
        free(tapped);
    return status;
}

void poplin_tapped_close(poplin_connection *connection) {
    struct poplin_tapped *tapped = connection->tapped;
    if (tapped == NULL)
        return;
    connection->tapped = NULL;
    tapped->tap->closed(tapped->state);
    free(tapped);
}

void poplin_tapped_forget(poplin_connection *connection) {
    free(connection->tapped);
    connection->tapped = NULL;
}

static void fail(struct poplin_tapped *tapped, int status) {
    if (tapped->failure == POPLIN_OK)
        tapped->failure = status < 0 ? status : POPLIN_ERR_STATE;
}

int poplin_tapped_failure(const poplin_connection *connection) {
    return connection->tapped != NULL ? connection->tapped->failure : POPLIN_OK;
}

/* ---- what it is told ---- */

void poplin_tapped_secured(poplin_connection *connection) {
    struct poplin_tapped *tapped = connection->tapped;
    if (tapped != NULL)
        tapped->tap->secured(tapped->state, poplin_tls_describe(connection->transport.tls));
}

void poplin_tapped_login(poplin_connection *connection) {
    struct poplin_tapped *tapped = connection->tapped;
    poplin_slice user = {connection->user, connection->user_size};
    if (tapped != NULL)
        tapped->tap->login(tapped->state, user, connection->mechanism);
}

void poplin_tapped_commit(poplin_connection *connection, const poplin_session_event *event) {
    const struct poplin_tapped *tapped = connection->tapped;
    const poplin_session *session = connection->session;
    if (tapped == NULL || tapped->tap->implied == NULL)
        return;
    for (size_t i = 0; i < event->count; i++)
        if (!poplin_session_is_marked(session, event->indexes[i]))
            tapped->tap->implied(tapped->state, poplin_session_unique_id(session, event->indexes[i]));
}

void poplin_tapped_command(poplin_connection *connection, const poplin_session_line *line) {
    struct poplin_tapped *tapped = connection->tapped;
    poplin_session *session = connection->session;
    poplin_slice substitute = line->line;
    poplin_tap_command command = {
        .verb = line->verb,
        .response = line->response,
        .initial = line->initial,
        .secret = line->secret,
        .pipelined = line->pipelined,
        .number = line->number,
        .line = line->line,
        .shown = line->shown,
    };
    if (line->number > 0)
        command.unique_id = poplin_session_unique_id(session, line->number - 1);
    tapped->owing = true;
    tapped->mark = connection->taken;
    enum poplin_verdict verdict = tapped->tap->command(tapped->state, &command, &substitute);
    if (verdict == POPLIN_SKIP)
        (void)poplin_session_skip(session);
    else if (verdict == POPLIN_SUBSTITUTE && poplin_session_substitute(session, substitute) != POPLIN_OK)
        fail(tapped, POPLIN_ERR_NOMEM);
    else if (verdict != POPLIN_CARRY_OUT && verdict != POPLIN_SUBSTITUTE)
        fail(tapped, POPLIN_ERR_STATE);
}

/* The session's output becomes the tap's. */
static void hand_over(poplin_connection *connection, bool last) {
    struct poplin_tapped *tapped = connection->tapped;
    poplin_slice octets;
    poplin_session_output(connection->session, &octets.data, &octets.size);
    int status = tapped->tap->reply(tapped->state, octets, last);
    poplin_session_sent(connection->session, octets.size);
    tapped->given += octets.size;
    if (last)
        tapped->owing = false;
    if (status == POPLIN_WAITING)
        tapped->held = true;
    else if (status != POPLIN_OK)
        fail(tapped, status);
}

void poplin_tapped_replied(poplin_connection *connection) {
    hand_over(connection, true);
}

void poplin_tapped_ended(poplin_connection *connection, const poplin_session_event *event) {
    struct poplin_tapped *tapped = connection->tapped;
    if (tapped == NULL)
        return;
    tapped->tap->ended(tapped->state, event->outcome, event->error);
    if (!connection->mute && (tapped->owing || poplin_connection_has_output(connection)))
        hand_over(connection, true);
}

/* ---- what it answers ---- */

static void ask(struct poplin_tapped *tapped) {
    tapped->octets = (poplin_slice){NULL, 0};
    tapped->milliseconds = 0;
    tapped->step = tapped->tap->next(tapped->state, &tapped->octets, &tapped->milliseconds);
    if (tapped->step == POPLIN_TAP_PAUSE)
        tapped->pauses++;
    else if (tapped->step > POPLIN_TAP_RESET || (tapped->step == POPLIN_TAP_SEND && tapped->octets.size == 0))
        fail(tapped, POPLIN_ERR_STATE);
}

bool poplin_connection_has_output(const poplin_connection *connection) {
    const char *data;
    size_t size;
    poplin_session_output(connection->session, &data, &size);
    return size > 0;
}

/* The tap is asked until it has octets, or has none and all that the session said so far. */
bool poplin_outward_next(poplin_connection *connection, poplin_slice *octets) {
    struct poplin_tapped *tapped = connection->tapped;
    if (tapped == NULL) {
        poplin_session_output(connection->session, &octets->data, &octets->size);
        return octets->size > 0;
    }
    while (tapped->failure == POPLIN_OK) {
        if (tapped->step == POPLIN_TAP_IDLE)
            ask(tapped);
        *octets = tapped->octets;
        if (tapped->failure != POPLIN_OK || tapped->step != POPLIN_TAP_IDLE)
            break;
        tapped->held = false;
        tapped->given = 0;
        if (!poplin_connection_has_output(connection))
            return false;
        hand_over(connection, false);
    }
    return tapped->failure == POPLIN_OK && tapped->step == POPLIN_TAP_SEND;
}

void poplin_outward_sent(poplin_connection *connection, size_t size) {
    struct poplin_tapped *tapped = connection->tapped;
    connection->taken += size;
    if (tapped == NULL) {
        poplin_session_sent(connection->session, size);
    } else if (size > 0) {
        tapped->tap->sent(tapped->state, size);
        ask(tapped);
    }
}

bool poplin_outward_is_empty(const poplin_connection *connection) {
    const struct poplin_tapped *tapped = connection->tapped;
    bool idle = tapped == NULL || (tapped->step == POPLIN_TAP_IDLE && tapped->failure == POPLIN_OK);
    return idle && !poplin_connection_has_output(connection);
}

bool poplin_outward_is_open(const poplin_connection *connection) {
    const struct poplin_tapped *tapped = connection->tapped;
    if (tapped == NULL)
        return true;
    bool sending = tapped->step == POPLIN_TAP_IDLE || tapped->step == POPLIN_TAP_SEND;
    return sending && !tapped->held && tapped->failure == POPLIN_OK &&
           tapped->given < connection->server->config.session.max_output;
}

enum poplin_tap_step poplin_outward_step(const poplin_connection *connection) {
    return connection->tapped != NULL ? connection->tapped->step : POPLIN_TAP_IDLE;
}

bool poplin_outward_has_begun(const poplin_connection *connection) {
    return connection->tapped != NULL && connection->taken != connection->tapped->mark;
}

/* ---- pauses ---- */

uint64_t poplin_tapped_pauses(const poplin_connection *connection) {
    return connection->tapped != NULL ? connection->tapped->pauses : 0;
}

uint32_t poplin_tapped_pause(const poplin_connection *connection) {
    return connection->tapped != NULL ? connection->tapped->milliseconds : 0;
}

/* What the tap has behind the pause comes before anything that the session might say. */
void poplin_tapped_resume(poplin_connection *connection) {
    struct poplin_tapped *tapped = connection->tapped;
    if (tapped == NULL || tapped->step != POPLIN_TAP_PAUSE)
        return;
    tapped->step = POPLIN_TAP_IDLE;
    tapped->held = true;
}
