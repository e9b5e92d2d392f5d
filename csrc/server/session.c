/*
 * server/session.c - the session as its host sees it: made and freed, octets in and out, events pulled, questions
 * answered, and the ways in which it ends. What the commands do is in the files beside it.
 */
#include "server/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GREETING_MAX = 400, SASL_LINE = 12288, TOKEN_LINE = 20480 };

const char *poplin_outcome_word(enum poplin_outcome outcome) {
    static const char *const words[] = {
        [POPLIN_COMMITTED] = "committed", [POPLIN_LEFT] = "left",     [POPLIN_DROPPED] = "dropped",
        [POPLIN_TIMED_OUT] = "timed out", [POPLIN_FAILED] = "failed",
    };
    return words[outcome];
}

void poplin_session_config_init(poplin_session_config *config) {
    *config = (poplin_session_config){
        .asks = POPLIN_ASK_CHECK,
        .expire = POPLIN_EXPIRE_UNSAID,
        .greeting = "poplin ready",
        .max_line = 1024,
        .max_bad_commands = 10,
        .max_failed_logins = 3,
        .max_messages = 1000000,
        .max_output = 65536,
    };
}

/* The least that the RFCs let a server accept: RFC 2449 section 4, and PLAIN's three fields of 255 octets. */
static bool limits_are_usable(const poplin_session_config *config) {
    return config->max_line >= 255 && (config->max_sasl_line == 0 || config->max_sasl_line >= 1026) &&
           config->max_bad_commands > 0 && config->max_failed_logins > 0 && config->max_messages > 0 &&
           config->max_messages <= POPLIN_NUMBER_MAX && config->max_output > 0;
}

static int keep_config(poplin_session *session, const poplin_session_config *config) {
    session->config = *config;
    session->config.greeting = session->config.mechanisms = session->config.host = NULL;
    session->config.pepper = (poplin_slice){NULL, 0};
    if (config->max_sasl_line == 0)
        session->config.max_sasl_line = (config->asks & POPLIN_ASK_TOKEN) != 0 ? TOKEN_LINE : SASL_LINE;
    if (config->host != NULL && (session->host = strdup(config->host)) == NULL)
        return POPLIN_ERR_NOMEM;
    if (config->pepper.size > 0 &&
        poplin_buffer_append(&session->pepper, config->pepper.data, config->pepper.size) != POPLIN_OK)
        return POPLIN_ERR_NOMEM;
    return poplin_turn_set_ways(session, config);
}

/* One line, of which the timestamp is whole and the only thing in angle brackets (POP-GRT-1, POP-GRT-4). */
static int greet(poplin_session *session, const char *text) {
    char words[GREETING_MAX];
    int status = poplin_turn_make_timestamp(session);
    const poplin_slice timestamp = poplin_buffer_slice(&session->timestamp);

    poplin_turn_clean(text != NULL ? text : "poplin ready", words, sizeof words - timestamp.size);
    for (char *at = words; *at != '\0'; at++)
        *at = *at == '<' ? '(' : *at == '>' ? ')' : *at;
    if (timestamp.size > 0)
        poplin_turn_reply(session, "+OK %s %.*s", words, (int)timestamp.size, timestamp.data);
    else
        poplin_turn_reply(session, "+OK %s", words);
    return session->out_of_memory ? POPLIN_ERR_NOMEM : status;
}

int poplin_session_new(const poplin_session_config *config, poplin_session **session) {
    if (!limits_are_usable(config))
        return POPLIN_ERR_LIMIT;
    if (!poplin_languages_are_good(config->languages))
        return POPLIN_ERR_PROTOCOL;
    poplin_session *new = calloc(1, sizeof *new);

    if (new == NULL)
        return POPLIN_ERR_NOMEM;
    new->phase = POPLIN_AUTHORIZATION;
    int status = keep_config(new, config);

    if (status == POPLIN_OK)
        status = greet(new, config->greeting);
    if (status == POPLIN_OK && config->watched)
        status = poplin_turn_watch(new);
    if (status == POPLIN_OK)
        *session = new;
    else
        poplin_session_free(new);
    return status;
}

void poplin_session_free(poplin_session *session) {
    if (session == NULL)
        return;
    poplin_turn_unwatch(session);
    poplin_line_free(&session->reader);
    poplin_buffer_free(&session->output);
    poplin_turn_wipe_login(session);
    poplin_buffer_free(&session->login.user);
    poplin_buffer_free(&session->pepper);
    poplin_buffer_free(&session->timestamp);
    poplin_mailbox_free(&session->mailbox);
    free(session->host);
    free(session->facts);
    free(session->indexes);
    free(session);
}

/* ---- octets ---- */

int poplin_session_input(poplin_session *session, const void *data, size_t size) {
    bool lent = session->cursor != session->end || session->turn == TURN_TOLD;

    if (session->turn >= TURN_CLOSE || session->eof || lent)
        return POPLIN_ERR_STATE;
    if (size > 0) {
        session->cursor = data;
        session->end = session->cursor + size;
        session->input_seen = true;
    }
    return POPLIN_OK;
}

int poplin_session_eof(poplin_session *session, bool clean) {
    if (session->turn >= TURN_CLOSE || session->eof)
        return POPLIN_ERR_STATE;
    session->eof = true;
    session->eof_clean = clean;
    return POPLIN_OK;
}

void poplin_session_output(poplin_session *session, const char **data, size_t *size) {
    poplin_slice output = poplin_buffer_slice(&session->output);

    *data = output.data;
    *size = output.size;
}

void poplin_session_sent(poplin_session *session, size_t size) {
    bool idle = session->turn == TURN_READ && session->cursor == session->end;

    poplin_buffer_consume(&session->output, size < session->output.size ? size : session->output.size);
    if (idle && session->output.size == 0)
        poplin_buffer_free(&session->output); /* many sessions wait for their client: each costs little meanwhile */
}

int poplin_session_tls(poplin_session *session, const poplin_tls_facts *facts) {
    bool implicit = session->turn == TURN_READ && !session->input_seen && !session->tls;

    if (session->turn == TURN_HANDSHAKE && session->cursor < session->end) {
        poplin_turn_end(session, POPLIN_FAILED, POPLIN_ERR_PROTOCOL, "STLS", "octets came in clear behind STLS");
        return POPLIN_ERR_STATE;
    }
    if (session->turn != TURN_HANDSHAKE && !implicit)
        return POPLIN_ERR_STATE;
    session->facts = malloc(sizeof *facts);
    if (session->facts == NULL)
        session->out_of_memory = true;
    else
        *session->facts = *facts;
    session->tls = true;
    session->turn = TURN_READ;
    session->binds = facts->exporter_size > 0 || facts->end_point_size > 0;
    session->certified = facts->verified && facts->identity_size > 0;
    session->login.user_line = 0; /* nothing that was said in clear counts (POP-STLS-5) */
    session->translated = false;
    session->texts = (poplin_slice){NULL, 0};
    poplin_buffer_free(&session->login.user);
    return POPLIN_OK;
}

/* ---- events ---- */

void poplin_turn_ask(poplin_session *session, enum poplin_session_event_kind kind) {
    session->asks = kind;
    session->turn = TURN_ASK;
}

static void fill_login(const poplin_session *session, poplin_session_event *event) {
    event->mechanism = poplin_way_name(session->login.way);
    event->read_only = poplin_turn_is_read_only(session);
    event->user = poplin_buffer_slice(&session->login.user);
    if (event->user.size == 0)
        event->user = (poplin_slice){NULL, 0};
    if (session->asks == POPLIN_SESSION_CHECK)
        event->password = session->login.shown;
    else if (session->asks == POPLIN_SESSION_TOKEN)
        event->token = session->login.shown;
}

static void fill_question(poplin_session *session, poplin_session_event *event) {
    event->kind = session->asks;
    event->question = ++session->question;
    switch (session->asks) {
    case POPLIN_SESSION_CHECK:
    case POPLIN_SESSION_SECRET:
    case POPLIN_SESSION_TOKEN:
    case POPLIN_SESSION_MAILDROP:
        fill_login(session, event);
        break;
    case POPLIN_SESSION_DELAY:
        event->failures = session->failed_logins;
        fill_login(session, event);
        break;
    case POPLIN_SESSION_BODY:
        event->index = session->transfer.index;
        event->unique_id = poplin_mailbox_unique_id(&session->mailbox, event->index);
        break;
    default:
        event->indexes = session->indexes;
        event->count = session->index_count;
        break;
    }
}

/* Hands out what is owed about the last message. False: nothing is. */
static bool pay(poplin_session *session, poplin_session_event *event) {
    struct poplin_owed *owed = &session->owed;

    if (!owed->done && !owed->mismatch)
        return false;
    event->kind = owed->done ? POPLIN_SESSION_BODY_DONE : POPLIN_SESSION_MISMATCH;
    event->index = owed->index;
    event->unique_id = poplin_mailbox_unique_id(&session->mailbox, owed->index);
    if (owed->done) {
        owed->done = false;
    } else {
        owed->mismatch = false;
        event->announced = owed->announced;
        event->octets = owed->octets;
    }
    return true;
}

static void fill_closed(const poplin_session *session, poplin_session_event *event) {
    event->kind = POPLIN_SESSION_CLOSED;
    event->outcome = session->outcome;
    event->error = session->error.status != POPLIN_OK ? &session->error : NULL;
}

/* What may come at TURN_HANDSHAKE is the end of the connection or an attack (POP-STLS-3). */
static int await_tls(poplin_session *session) {
    if (session->cursor < session->end)
        poplin_turn_end(session, POPLIN_FAILED, POPLIN_ERR_PROTOCOL, "STLS", "octets came in clear behind STLS");
    else if (session->eof)
        poplin_turn_end(session, POPLIN_DROPPED, POPLIN_OK, NULL, NULL);
    else
        return POPLIN_WAITING;
    return POPLIN_END;
}

/* Does what it is the turn of. END: the turn has passed on, or there is more to do. */
static int take_turn(poplin_session *session, poplin_session_event *event) {
    if (session->out_of_memory && session->turn < TURN_CLOSE)
        poplin_turn_end(session, POPLIN_FAILED, POPLIN_ERR_NOMEM, NULL, NULL);
    if (pay(session, event))
        return POPLIN_OK;
    if (session->watched != NULL && poplin_turn_has_replied(session)) {
        event->kind = POPLIN_SESSION_REPLIED;
        return POPLIN_OK;
    }
    switch (session->turn) {
    case TURN_READ:
    case TURN_RESPOND:
        return poplin_turn_read(session);
    case TURN_TELL:
        event->kind = POPLIN_SESSION_COMMAND;
        event->command = &session->watched->told;
        session->turn = TURN_TOLD;
        return POPLIN_OK;
    case TURN_TOLD:
        poplin_turn_carry_out(session);
        return POPLIN_END;
    case TURN_ASK:
        fill_question(session, event);
        session->turn = TURN_ASKED;
        return POPLIN_OK;
    case TURN_ASKED:
        return POPLIN_WAITING;
    case TURN_SEND:
        return poplin_turn_send(session);
    case TURN_LIST:
        return poplin_turn_list_lines(session);
    case TURN_START_TLS:
        event->kind = POPLIN_SESSION_START_TLS;
        session->turn = TURN_HANDSHAKE;
        return POPLIN_OK;
    case TURN_HANDSHAKE:
        return await_tls(session);
    case TURN_CLOSE:
        fill_closed(session, event);
        session->turn = TURN_CLOSED;
        return POPLIN_OK;
    case TURN_CLOSED:
        break;
    }
    return POPLIN_ERR_STATE;
}

int poplin_session_next(poplin_session *session, poplin_session_event *event) {
    int result;

    *event = (poplin_session_event){0};
    do
        result = take_turn(session, event);
    while (result == POPLIN_END);
    return result;
}

int poplin_session_gone(poplin_session *session, const poplin_slice *unique_ids, size_t count) {
    if (session->phase != POPLIN_TRANSACTION)
        return POPLIN_ERR_STATE;
    return poplin_mailbox_lose(&session->mailbox, unique_ids, count);
}

uint64_t poplin_session_commands(const poplin_session *session) {
    return session->lines;
}

poplin_slice poplin_session_unique_id(const poplin_session *session, size_t index) {
    if (index >= session->mailbox.count)
        return (poplin_slice){NULL, 0};
    return poplin_mailbox_unique_id(&session->mailbox, index);
}

bool poplin_session_is_marked(const poplin_session *session, size_t index) {
    return index < session->mailbox.count && poplin_mailbox_is_marked(&session->mailbox, index);
}

int poplin_session_phase(const poplin_session *session) {
    return session->phase;
}

/* ---- ends ---- */

void poplin_turn_end(poplin_session *session, enum poplin_outcome outcome, int status, const char *doing,
                     const char *reason) {
    poplin_turn_trace_message(session, ", and no more");
    poplin_turn_release(session);
    session->turn = TURN_CLOSE;
    session->phase = 0;
    session->outcome = outcome;
    session->error.status = status;
    if (doing != NULL)
        snprintf(session->error.doing, sizeof session->error.doing, "%s", doing);
    if (reason != NULL)
        poplin_visible(poplin_slice_of(reason), session->error.reason, sizeof session->error.reason);
    poplin_turn_wipe_login(session);
}

static bool in_update(const poplin_session *session) {
    return (session->turn == TURN_ASK || session->turn == TURN_ASKED) && session->asks == POPLIN_SESSION_COMMIT;
}

int poplin_session_timeout(poplin_session *session) {
    if (session->turn >= TURN_CLOSE || in_update(session))
        return POPLIN_ERR_STATE;
    poplin_buffer_free(&session->output);
    poplin_turn_end(session, POPLIN_TIMED_OUT, POPLIN_ERR_TIMEOUT, NULL, "no command within the time allowed");
    return POPLIN_OK;
}

int poplin_session_abort(poplin_session *session, int status, const char *reason) {
    if (session->turn >= TURN_CLOSE)
        return POPLIN_ERR_STATE;
    poplin_turn_end(session, POPLIN_FAILED, status < 0 ? status : POPLIN_ERR_CANCELLED, NULL, reason);
    return POPLIN_OK;
}

int poplin_session_drop(poplin_session *session, int status, const char *reason) {
    if (session->turn >= TURN_CLOSE)
        return POPLIN_ERR_STATE;
    poplin_turn_end(session, POPLIN_DROPPED, status, NULL, reason);
    return POPLIN_OK;
}

/* ---- answers ---- */

static bool is_open(const poplin_session *session, uint64_t question) {
    return session->turn == TURN_ASKED && question == session->question;
}

static bool is_asked(const poplin_session *session, uint64_t question, enum poplin_session_event_kind kind) {
    return is_open(session, question) && session->asks == kind;
}

int poplin_session_accept(poplin_session *session, uint64_t question) {
    if (is_asked(session, question, POPLIN_SESSION_CHECK) || is_asked(session, question, POPLIN_SESSION_TOKEN))
        poplin_turn_accepted(session);
    else if (is_asked(session, question, POPLIN_SESSION_DELAY))
        poplin_turn_delay_over(session);
    else if (is_asked(session, question, POPLIN_SESSION_COMMIT))
        poplin_turn_committed(session);
    else
        return POPLIN_ERR_STATE;
    return POPLIN_OK;
}

int poplin_session_accept_as(poplin_session *session, uint64_t question, poplin_slice user) {
    if (!is_asked(session, question, POPLIN_SESSION_CHECK) && !is_asked(session, question, POPLIN_SESSION_TOKEN))
        return POPLIN_ERR_STATE;
    if (user.size == 0) {
        poplin_turn_question_refused(session, POPLIN_ERR_TEMPORARY, POPLIN_CODE_SYS_TEMP, NULL);
        return POPLIN_ERR_LIMIT;
    }
    session->login.named = poplin_turn_keep_user(session, user);
    poplin_turn_accepted(session);
    return POPLIN_OK;
}

int poplin_session_secret(poplin_session *session, uint64_t question, poplin_slice password) {
    if (!is_asked(session, question, POPLIN_SESSION_SECRET))
        return POPLIN_ERR_STATE;
    poplin_turn_secret(session, password, NULL);
    return POPLIN_OK;
}

int poplin_session_keys(poplin_session *session, uint64_t question, const poplin_scram_keys *keys) {
    if (!is_asked(session, question, POPLIN_SESSION_SECRET))
        return POPLIN_ERR_STATE;
    poplin_turn_secret(session, (poplin_slice){NULL, 0}, keys);
    return POPLIN_OK;
}

/* Answers no, where no is an answer. */
static int refuse(poplin_session *session, uint64_t question, int status, enum poplin_code code, const char *text) {
    if (!is_open(session, question))
        return POPLIN_ERR_STATE;
    if (session->asks == POPLIN_SESSION_BODY)
        poplin_turn_body_refused(session, status, code, text);
    else if (session->asks == POPLIN_SESSION_COMMIT)
        poplin_turn_commit_refused(session, status, code, text);
    else if (session->asks == POPLIN_SESSION_DELAY)
        poplin_turn_delay_over(session);
    else
        poplin_turn_question_refused(session, status, code, text);
    return POPLIN_OK;
}

int poplin_session_refuse(poplin_session *session, uint64_t question, int status, const char *text) {
    return refuse(session, question, status, poplin_turn_code_of(session, status), text);
}

int poplin_session_refuse_with(poplin_session *session, uint64_t question, enum poplin_code code, const char *text) {
    bool system =
        code == POPLIN_CODE_SYS_TEMP || code == POPLIN_CODE_SYS_PERM; /* to any command (RFC 3206 section 4) */
    bool login = session->phase == POPLIN_AUTHORIZATION && code != POPLIN_CODE_UTF8;

    return refuse(session, question, poplin_code_status(code), system || login ? code : POPLIN_CODE_NONE, text);
}

/* Whether these may be a user's own, given what all were told before the login. */
static bool are_kept_to(const poplin_session_config *config, const poplin_user_terms *terms) {
    bool delay = config->login_delay_by_user ? terms->login_delay <= config->login_delay
                                             : terms->login_delay == config->login_delay;
    bool expire = config->expire_by_user ? terms->expire >= config->expire : terms->expire == config->expire;

    return (!terms->own_login_delay || delay) &&
           (!terms->own_expire || (expire && terms->expire <= POPLIN_EXPIRE_NEVER));
}

int poplin_session_terms(poplin_session *session, uint64_t question, const poplin_user_terms *terms) {
    if (!is_asked(session, question, POPLIN_SESSION_MAILDROP))
        return POPLIN_ERR_STATE;
    if (!are_kept_to(&session->config, terms))
        return POPLIN_ERR_LIMIT;
    if (terms->own_login_delay)
        session->login_delay = terms->login_delay;
    if (terms->own_expire)
        session->expire = terms->expire;
    return POPLIN_OK;
}

int poplin_session_open(poplin_session *session, uint64_t question, const poplin_listing *messages, size_t count,
                        size_t *bad) {
    size_t wrong;

    if (!is_asked(session, question, POPLIN_SESSION_MAILDROP))
        return POPLIN_ERR_STATE;
    int result = poplin_mailbox_fill(&session->mailbox, messages, count, session->config.max_messages,
                                     bad != NULL ? bad : &wrong);

    if (result == POPLIN_OK)
        poplin_turn_opened(session);
    else
        poplin_turn_login_refused(session, POPLIN_ERR_TEMPORARY, POPLIN_CODE_SYS_TEMP, NULL);
    return result;
}

int poplin_session_body(poplin_session *session, uint64_t question, const void *data, size_t size, bool last) {
    if (!is_asked(session, question, POPLIN_SESSION_BODY))
        return POPLIN_ERR_STATE;
    poplin_turn_piece(session, size > 0 ? data : "", size, last);
    return POPLIN_OK;
}
