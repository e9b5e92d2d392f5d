/*
 * server/commands.c - command lines: read, checked against the state, and handed to what does them; and the commands
 * that need no more than a line or two. One table says who does what; POPLIN_VERB_TABLE says when it may be done.
 */
#include "server/machine.h"

#include <stdlib.h>
#include <string.h>

/* A line without end is swallowed this far, then the session closes (POP-GEN-6). */
enum { SWALLOW_MAX = 65536 };

/*
 * How long a user has to stay away, and mail stays: before the login what holds for all, with USER where it is only the worst of all;
 * then the user's own (RFC 2449 sections 6.5 and 6.7).
 */
static void write_terms(poplin_session *session) {
    const poplin_session_config *config = &session->config;
    bool before = session->phase == POPLIN_AUTHORIZATION;
    uint32_t login_delay = before ? config->login_delay : session->login_delay;
    uint32_t expire = before ? config->expire : session->expire;
    const char *more = before && config->expire_by_user ? " USER" : "";

    if (config->login_delay > 0)
        poplin_turn_reply(session, "LOGIN-DELAY %u%s", (unsigned)login_delay,
                          before && config->login_delay_by_user ? " USER" : "");
    if (expire == POPLIN_EXPIRE_NEVER)
        poplin_turn_reply(session, "EXPIRE NEVER%s", more);
    else if (expire != POPLIN_EXPIRE_UNSAID)
        poplin_turn_reply(session, "EXPIRE %u%s", (unsigned)expire, more);
}

static void capa(poplin_session *session, const poplin_parsed_command *command) {
    (void)command;
    poplin_turn_reply(session, "+OK capabilities follow");
    poplin_turn_reply(session, "TOP");
    poplin_turn_write_offers(session);
    poplin_turn_reply(session, "RESP-CODES");
    poplin_turn_reply(session, "AUTH-RESP-CODE");
    write_terms(session);
    poplin_turn_reply(session, "PIPELINING");
    poplin_turn_reply(session, "UIDL");
    if (session->config.utf8)
        poplin_turn_reply(session, "UTF8 USER");
    if (session->config.languages != NULL && *session->config.languages != '\0')
        poplin_turn_reply(session, "LANG");
    poplin_turn_reply(session, "IMPLEMENTATION poplin");
    if (session->phase == POPLIN_AUTHORIZATION && session->config.stls && !session->tls && !session->utf8)
        poplin_turn_reply(session, "STLS");
    poplin_turn_reply(session, ".");
}

static void stls(poplin_session *session, const poplin_parsed_command *command) {
    (void)command;
    if (session->tls || !session->config.stls) {
        poplin_turn_bad_command(session, session->tls ? "TLS is active already" : "no TLS here");
    } else if (session->utf8) {
        poplin_turn_bad_command(session, "STLS goes before UTF8"); /* RFC 6856 section 2.1 */
    } else if (session->cursor < session->end) {
        poplin_turn_reply(session, "-ERR nothing may follow STLS before TLS stands");
        poplin_turn_end(session, POPLIN_FAILED, POPLIN_ERR_PROTOCOL, "STLS", "octets came in clear behind STLS");
    } else {
        poplin_turn_reply(session, "+OK begin TLS");
        session->turn = TURN_START_TLS;
    }
}

static void utf8(poplin_session *session, const poplin_parsed_command *command) {
    (void)command;
    if (!session->config.utf8) {
        poplin_turn_bad_command(session, "no UTF8 here");
        return;
    }
    session->utf8 = true;
    poplin_turn_reply(session, "+OK UTF-8 from here on");
}

static void noop(poplin_session *session, const poplin_parsed_command *command) {
    (void)command;
    poplin_turn_reply(session, "+OK nothing done");
}

static void dele(poplin_session *session, const poplin_parsed_command *command) {
    size_t index = command->number - 1;

    if (!poplin_turn_has_message(session, command->number))
        return;
    if (poplin_turn_is_read_only(session)) {
        poplin_turn_reply(session, "-ERR nothing can be deleted here");
        return;
    }
    poplin_mailbox_mark(&session->mailbox, index);
    poplin_turn_reply(session, "+OK message %u marked", (unsigned)command->number);
}

static void rset(poplin_session *session, const poplin_parsed_command *command) {
    (void)command;
    poplin_mailbox_unmark_all(&session->mailbox);
    poplin_turn_reply(session, "+OK no message is marked");
}

/*
 * With EXPIRE 0 what was fetched is as good as marked, here and no sooner, so that RSET takes none of it back (RFC 2449 section 6.7);
 * who may delete nothing leaves it.
 */
static void quit(poplin_session *session, const poplin_parsed_command *command) {
    (void)command;
    if (session->phase == POPLIN_AUTHORIZATION) {
        poplin_turn_reply(session, "+OK bye");
        poplin_turn_end(session, POPLIN_LEFT, POPLIN_OK, NULL, NULL);
        return;
    }
    bool once = session->expire == 0 && !poplin_turn_is_read_only(session);

    session->indexes = poplin_mailbox_leaving(&session->mailbox, once, &session->index_count);
    if (session->indexes == NULL)
        poplin_turn_commit_refused(session, POPLIN_ERR_NOMEM, POPLIN_CODE_SYS_TEMP, NULL);
    else if (session->index_count == 0)
        poplin_turn_committed(session);
    else
        poplin_turn_ask(session, POPLIN_SESSION_COMMIT);
}

void poplin_turn_committed(poplin_session *session) {
    poplin_turn_reply(session, "+OK bye");
    poplin_turn_end(session, POPLIN_COMMITTED, POPLIN_OK, NULL, NULL);
}

void poplin_turn_commit_refused(poplin_session *session, int status, enum poplin_code code, const char *text) {
    poplin_turn_reply_refused(session, code, text);
    poplin_turn_end(session, POPLIN_FAILED, status < 0 ? status : POPLIN_ERR_TEMPORARY, "QUIT",
                    text != NULL ? text : "the messages were not deleted");
}

static void (*const handlers[POPLIN_VERB_COUNT])(poplin_session *session, const poplin_parsed_command *command) = {
    [POPLIN_USER] = poplin_turn_user,
    [POPLIN_PASS] = poplin_turn_pass,
    [POPLIN_APOP] = poplin_turn_apop,
    [POPLIN_AUTH] = poplin_turn_auth,
    [POPLIN_STLS] = stls,
    [POPLIN_UTF8] = utf8,
    [POPLIN_LANG] = poplin_turn_lang,
    [POPLIN_CAPA] = capa,
    [POPLIN_QUIT] = quit,
    [POPLIN_STAT] = poplin_turn_list,
    [POPLIN_LIST] = poplin_turn_list,
    [POPLIN_UIDL] = poplin_turn_list,
    [POPLIN_RETR] = poplin_turn_retr,
    [POPLIN_TOP] = poplin_turn_top,
    [POPLIN_DELE] = dele,
    [POPLIN_NOOP] = noop,
    [POPLIN_RSET] = rset,
};

void poplin_turn_bad_command(poplin_session *session, const char *text) {
    poplin_turn_reply(session, "-ERR %s", text);
    if (++session->bad_commands >= session->config.max_bad_commands)
        poplin_turn_end(session, POPLIN_FAILED, POPLIN_ERR_LIMIT, NULL, "too many bad commands");
}

bool poplin_turn_has_message(poplin_session *session, uint32_t number) {
    const poplin_mailbox *mailbox = &session->mailbox;
    bool there = number <= mailbox->count && !poplin_mailbox_is_marked(mailbox, number - 1);

    if (!there)
        poplin_turn_reply(session, "-ERR no such message");
    return there;
}

static void run(poplin_session *session, poplin_slice line) {
    poplin_parsed_command command;
    int parsed = poplin_command_parse(line, &command);

    if (parsed == POPLIN_ERR_UNSUPPORTED || handlers[command.verb] == NULL)
        poplin_turn_bad_command(session, "unknown command");
    else if ((poplin_verb_lookup(command.verb)->phases & (unsigned)session->phase) == 0)
        poplin_turn_bad_command(session, session->phase == POPLIN_AUTHORIZATION ? "log in first" : "already logged in");
    else if (parsed < 0)
        poplin_turn_bad_command(session, "wrong arguments");
    else
        handlers[command.verb](session, &command);
}

/* What the reader allows is, before a login, the larger of two limits: AUTH has one of its own (LIM-1, LIM-3). */
bool poplin_turn_is_too_long(const poplin_session *session, bool response, poplin_slice line) {
    const poplin_session_config *config = &session->config;
    poplin_parsed_command command;
    size_t size = line.size + 2;

    if (response || size > session->reader.limit || (size <= config->max_line && size <= config->max_sasl_line))
        return size > session->reader.limit;
    (void)poplin_command_parse(line, &command);
    return size > (command.verb == POPLIN_AUTH ? config->max_sasl_line : config->max_line);
}

void poplin_turn_act(poplin_session *session, int result, poplin_slice line) {
    if (session->turn == TURN_RESPOND)
        poplin_turn_response(session, result, line);
    else if (result == POPLIN_ERR_LIMIT)
        poplin_turn_bad_command(session, "line too long");
    else if (result == POPLIN_ERR_PROTOCOL)
        poplin_turn_bad_command(session, "NUL, bare CR or bare LF in a line");
    else
        run(session, line);
}

/*
 * Takes a line. The reader is never shown more than it needs to see that a line is over the limit, so that how much of
 * such a line was swallowed does not depend on how the octets were cut.
 */
static int take_line(poplin_session *session, poplin_slice *line) {
    poplin_line_reader *reader = &session->reader;
    int result;

    do {
        bool skipping = reader->skipping;
        const char *from = session->cursor;
        size_t held = reader->returned ? 0 : reader->held.size;
        size_t window = skipping ? SWALLOW_MAX - session->swallowed : reader->limit - held;

        if (window > reader->limit)
            window = reader->limit;
        bool all = (size_t)(session->end - from) <= window;

        result = poplin_line_take(reader, &session->cursor, all ? session->end : from + window, line);
        session->swallowed = skipping && reader->skipping ? session->swallowed + (size_t)(session->cursor - from) : 0;
    } while (result == POPLIN_NEED_INPUT && session->cursor < session->end && session->swallowed < SWALLOW_MAX);
    return result;
}

/* Nothing is left to read: that is all for now, or for ever. */
static int run_dry(poplin_session *session) {
    if (session->swallowed >= SWALLOW_MAX)
        poplin_turn_end(session, POPLIN_FAILED, POPLIN_ERR_LIMIT, NULL, "a line without end");
    else if (session->eof && session->eof_clean)
        poplin_turn_end(session, POPLIN_DROPPED, POPLIN_OK, NULL, NULL);
    else if (session->eof && session->tls)
        poplin_turn_end(session, POPLIN_DROPPED, POPLIN_ERR_TLS, NULL, "the connection was cut inside TLS");
    else if (session->eof)
        poplin_turn_end(session, POPLIN_DROPPED, POPLIN_ERR_CLOSED, NULL, "the client reset the connection");
    else
        return POPLIN_NEED_INPUT;
    return POPLIN_END;
}

int poplin_turn_read(poplin_session *session) {
    const poplin_session_config *config = &session->config;
    bool sasl = session->phase == POPLIN_AUTHORIZATION && config->max_sasl_line > config->max_line;
    poplin_slice line = {NULL, 0};

    if (session->output.size >= config->max_output)
        return POPLIN_WAITING;
    bool response = session->turn == TURN_RESPOND;

    session->reader.limit = sasl || response ? config->max_sasl_line : config->max_line;
    int result = take_line(session, &line);

    if (result == POPLIN_NEED_INPUT)
        return run_dry(session);
    if (result == POPLIN_ERR_NOMEM) {
        session->out_of_memory = true;
        return POPLIN_END;
    }
    session->lines++;
    if (result == POPLIN_OK && poplin_turn_is_too_long(session, response, line))
        result = POPLIN_ERR_LIMIT;
    poplin_turn_trace_line(session, response, result, line);
    if (session->watched != NULL)
        poplin_turn_tell(session, result, line);
    else
        poplin_turn_act(session, result, line);
    return POPLIN_END;
}
