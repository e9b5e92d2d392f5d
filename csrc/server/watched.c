/*
 * server/watched.c - what a watched session does beyond an ordinary one: it tells of each line before it is carried out,
 * takes the host's word on what becomes of it, and tells where each reply ends.
 */
#include "server/machine.h"

#include <stdlib.h>

int poplin_turn_watch(poplin_session *session) {
    session->watched = calloc(1, sizeof *session->watched);
    if (session->watched == NULL)
        return POPLIN_ERR_NOMEM;
    session->watched->replying = true; /* the greeting */
    return POPLIN_OK;
}

void poplin_turn_unwatch(poplin_session *session) {
    if (session->watched == NULL)
        return;
    poplin_buffer_free(&session->watched->substitute);
    free(session->watched);
}

/* What the host is told of the line at hand. */
static void describe(poplin_session *session) {
    struct poplin_watched *watched = session->watched;
    poplin_session_line *told = &watched->told;

    /* What is left of a line that is too long, and still being swallowed, is nothing behind it. */
    *told = (poplin_session_line){
        .verb = watched->response ? POPLIN_AUTH : POPLIN_NO_VERB,
        .response = watched->response,
        .pipelined = session->cursor < session->end && !session->reader.skipping,
        .shown = watched->result == POPLIN_ERR_LIMIT ? "(line too long)" : watched->shown,
        .secret = true,
    };
    if (watched->result != POPLIN_ERR_LIMIT)
        told->secret = poplin_mask(watched->line, watched->response, watched->shown, sizeof watched->shown);
    if (watched->result != POPLIN_OK)
        return;
    told->line = watched->line;
    if (watched->response)
        return;
    poplin_parsed_command command;

    if (poplin_command_parse(watched->line, &command) == POPLIN_OK)
        told->number = command.number;
    told->verb = command.verb;
    told->initial = command.initial.data != NULL;
}

void poplin_turn_tell(poplin_session *session, int result, poplin_slice line) {
    struct poplin_watched *watched = session->watched;

    watched->response = session->turn == TURN_RESPOND;
    watched->result = result;
    watched->line = line;
    describe(session);
    session->turn = TURN_TELL;
}

/* The line at hand is over. */
static void let_go(poplin_session *session) {
    session->watched->replying = true;
    session->watched->line = (poplin_slice){NULL, 0};
    session->watched->told = (poplin_session_line){0};
    poplin_buffer_free(&session->watched->substitute);
}

void poplin_turn_carry_out(poplin_session *session) {
    struct poplin_watched *watched = session->watched;

    session->turn = watched->response ? TURN_RESPOND : TURN_READ;
    poplin_turn_act(session, watched->result, watched->line);
    let_go(session);
}

bool poplin_turn_has_replied(poplin_session *session) {
    bool whole = session->turn == TURN_READ || session->turn == TURN_RESPOND || session->turn == TURN_START_TLS;

    if (!session->watched->replying || !whole)
        return false;
    session->watched->replying = false;
    return true;
}

int poplin_session_skip(poplin_session *session) {
    if (session->turn != TURN_TOLD)
        return POPLIN_ERR_STATE;
    struct poplin_login *login = &session->login;

    if (login->user_line > 0 && login->user_line + 1 == session->lines)
        login->user_line++; /* PASS may still follow */
    if (session->watched->response)
        poplin_turn_leave_exchange(session);
    session->turn = TURN_READ;
    let_go(session);
    return POPLIN_OK;
}

int poplin_session_substitute(poplin_session *session, poplin_slice line) {
    struct poplin_watched *watched = session->watched;
    poplin_buffer copy = {0};

    if (session->turn != TURN_TOLD)
        return POPLIN_ERR_STATE;
    if (poplin_buffer_append(&copy, line.data, line.size) < 0)
        return POPLIN_ERR_NOMEM;
    poplin_buffer_free(&watched->substitute);
    watched->substitute = copy;
    watched->line = poplin_buffer_slice(&copy);
    watched->result = POPLIN_OK;
    if (poplin_turn_is_too_long(session, watched->response, line))
        watched->result = POPLIN_ERR_LIMIT;
    else if (!poplin_line_is_clean(line))
        watched->result = POPLIN_ERR_PROTOCOL;
    return POPLIN_OK;
}
