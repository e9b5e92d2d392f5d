/*
 * server/login.c - how a client gets from AUTHORIZATION to TRANSACTION: USER and PASS, APOP (RFC 1939 section 7), and what the host
 * answers to these and to AUTH; then the maildrop; or the -ERR, perhaps after a while.
 */
#include "server/machine.h"

#include <stdlib.h>
#include <string.h>

#include "sasl/apop.h"
#include "sasl/password.h"
#include "sasl/prepare.h"

/* The host may well give back the name that it was asked about, which lies in what is replaced. */
bool poplin_turn_keep_user(poplin_session *session, poplin_slice user) {
    poplin_buffer kept = {0};

    if (poplin_buffer_append(&kept, user.data, user.size) != POPLIN_OK) {
        session->out_of_memory = true;
        return false;
    }
    poplin_buffer_free(&session->login.user);
    session->login.user = kept;
    return true;
}

void poplin_turn_begin_login(poplin_session *session, unsigned way) {
    session->login.way = way;
    session->login.named = false;
    session->login.refused = false;
}

/* Wipes what was shown, also where a cut line left it in the reader, which is between two lines whenever this is called. */
void poplin_turn_forget_login(poplin_session *session) {
    poplin_turn_leave_exchange(session);
    poplin_buffer_free(&session->login.secret);
    poplin_line_free(&session->reader);
}

void poplin_turn_wipe_login(poplin_session *session) {
    poplin_turn_leave_exchange(session);
    poplin_buffer_free(&session->login.secret);
    poplin_buffer_free(&session->login.late);
}

/* ---- what the client says ---- */

static bool is_ascii(poplin_slice text) {
    for (size_t i = 0; i < text.size; i++)
        if ((unsigned char)text.data[i] >= 0x80)
            return false;
    return true;
}

/*
 * Keeps what USER or PASS said. What is not ASCII is prepared, where it may be said at all (RFC 6856 section 2.2); in plain ASCII there
 * is nothing to prepare. OK; PROTOCOL: it cannot be; NOMEM.
 */
static int keep_said(const poplin_session *session, poplin_slice said, poplin_buffer *kept) {
    if (session->config.utf8 && !is_ascii(said))
        return poplin_prepare(said, POPLIN_PREPARE_QUERY, kept);
    return poplin_buffer_append(kept, said.data, said.size);
}

static int keep_name(poplin_session *session, poplin_slice name) {
    poplin_buffer_clear(&session->login.user);
    return session->config.utf8 || is_ascii(name) ? keep_said(session, name, &session->login.user)
                                                  : POPLIN_ERR_PROTOCOL;
}

void poplin_turn_user(poplin_session *session, const poplin_parsed_command *command) {
    const char *why_not = poplin_turn_why_not(session, POPLIN_WAY_USER);

    if (why_not != NULL) {
        poplin_turn_bad_command(session, why_not);
    } else {
        int status = keep_name(session, command->argument);

        if (status == POPLIN_OK) {
            session->login.user_line = session->lines;
            poplin_turn_reply(session, "+OK send PASS");
        } else if (status == POPLIN_ERR_NOMEM) {
            session->out_of_memory = true;
        } else {
            poplin_turn_bad_command(session, "wrong arguments");
        }
    }
}

void poplin_turn_pass(poplin_session *session, const poplin_parsed_command *command) {
    struct poplin_login *login = &session->login;
    const char *why_not = poplin_turn_why_not(session, POPLIN_WAY_USER);

    if (why_not != NULL) {
        poplin_turn_bad_command(session, why_not);
    } else if (login->user_line == 0 || login->user_line + 1 != session->lines) {
        poplin_turn_bad_command(session, "PASS goes right behind USER");
    } else {
        int status = keep_said(session, command->argument, &login->secret);

        poplin_turn_begin_login(session, POPLIN_WAY_USER);
        if (status == POPLIN_OK)
            poplin_turn_verify(session, poplin_buffer_slice(&login->secret));
        else if (status == POPLIN_ERR_NOMEM)
            session->out_of_memory = true;
        else
            poplin_turn_login_malformed(session);
    }
}

/* "name digest"; the digest is kept where a password would be: it is as good as one. OK; PROTOCOL; NOMEM. */
static int read_apop(struct poplin_login *login, poplin_slice argument) {
    const char *space = memchr(argument.data, ' ', argument.size);

    if (space == NULL)
        return POPLIN_ERR_PROTOCOL;
    const poplin_slice user = {argument.data, (size_t)(space - argument.data)};
    const poplin_slice digest = {space + 1, argument.size - user.size - 1};

    if (!poplin_digest_valid(digest))
        return POPLIN_ERR_PROTOCOL;
    poplin_buffer_clear(&login->user);
    int status = poplin_prepare(user, POPLIN_PREPARE_QUERY, &login->user);

    return status == POPLIN_OK ? poplin_buffer_append(&login->secret, digest.data, digest.size) : status;
}

void poplin_turn_apop(poplin_session *session, const poplin_parsed_command *command) {
    const char *why_not = poplin_turn_why_not(session, POPLIN_WAY_APOP);

    if (why_not != NULL) {
        poplin_turn_bad_command(session, why_not);
        return;
    }
    int status = read_apop(&session->login, command->argument);

    if (status == POPLIN_ERR_NOMEM) {
        session->out_of_memory = true;
    } else if (status != POPLIN_OK) {
        poplin_turn_bad_command(session, "APOP takes a name and a digest of 32 lower-case hex digits");
    } else {
        poplin_turn_begin_login(session, POPLIN_WAY_APOP);
        poplin_turn_ask(session, POPLIN_SESSION_SECRET);
    }
}

/* ---- what the host says ---- */

void poplin_turn_verify(poplin_session *session, poplin_slice password) {
    unsigned asks = session->config.asks;
    bool by_secret = (asks & POPLIN_ASK_SECRET) != 0 || (asks & POPLIN_ASK_CHECK) == 0;

    session->login.shown = password;
    poplin_turn_ask(session, by_secret ? POPLIN_SESSION_SECRET : POPLIN_SESSION_CHECK);
}

void poplin_turn_accepted(poplin_session *session) {
    struct poplin_login *login = &session->login;
    poplin_sasl_turn turn;

    if (login->exchange == NULL) {
        poplin_turn_logged_in(session);
    } else {
        int status = poplin_sasl_server_accept(login->exchange, &turn);

        poplin_turn_follow(session, status, &turn);
    }
}

/* Holds what was shown against what the host keeps. Where that may be keys, every login takes the work that they do. */
static int verify(const poplin_session *session, poplin_slice secret, const poplin_scram_keys *keys) {
    const struct poplin_login *login = &session->login;
    int status = POPLIN_ERR_AUTH;

    if (login->way == POPLIN_WAY_APOP)
        return poplin_apop_verify(poplin_buffer_slice(&session->timestamp), secret,
                                  poplin_buffer_slice(&login->secret));
    if (keys != NULL || (session->config.asks & POPLIN_ASK_KEYS) != 0)
        status = poplin_password_verify_keys(login->shown, keys, session->config.iterations);
    return keys == NULL && status == POPLIN_ERR_AUTH ? poplin_password_verify(login->shown, secret) : status;
}

/* The exchange takes it from here; to CRAM-MD5 keys are as good as nothing. */
static void continue_exchange(poplin_session *session, poplin_slice secret, const poplin_scram_keys *keys) {
    poplin_sasl_server *exchange = session->login.exchange;
    poplin_sasl_turn turn;
    int status;

    if (keys != NULL)
        status = poplin_sasl_server_keys(exchange, keys, &turn);
    else if (secret.size > 0)
        status = poplin_sasl_server_secret(exchange, secret, &turn);
    else
        status = poplin_sasl_server_unknown(exchange, &turn);
    poplin_turn_follow(session, status, &turn);
}

void poplin_turn_secret(poplin_session *session, poplin_slice secret, const poplin_scram_keys *keys) {
    if (session->login.exchange != NULL && session->login.shown.data == NULL) {
        continue_exchange(session, secret, keys);
        return;
    }
    int status = verify(session, secret, keys);

    if (status == POPLIN_OK)
        poplin_turn_accepted(session);
    else if (status == POPLIN_ERR_NOMEM)
        session->out_of_memory = true;
    else if (status == POPLIN_ERR_AUTH)
        poplin_turn_login_refused(session, POPLIN_ERR_AUTH, POPLIN_CODE_AUTH, NULL);
    else
        poplin_turn_login_refused(session, POPLIN_ERR_TEMPORARY, POPLIN_CODE_SYS_TEMP, NULL);
}

/* ---- failures ---- */

/*
 * Counts a failed login. True: the client is to be told later, by what begins at this place of the output, which is kept until the
 * host says so.
 */
static bool count_failure(poplin_session *session, size_t from) {
    poplin_slice output = poplin_buffer_slice(&session->output);

    session->failed_logins++;
    if (!session->config.delays || session->out_of_memory)
        return false;
    if (poplin_buffer_append(&session->login.late, output.data + from, output.size - from) != POPLIN_OK)
        session->out_of_memory = true;
    session->output.size = from;
    poplin_turn_ask(session, POPLIN_SESSION_DELAY);
    return true;
}

/*
 * The exchange tells it (RFC 7628 section 3.2.2), as late as an -ERR would be told: who has heard that much need not stay for
 * more.
 */
static void refuse_token(poplin_session *session) {
    struct poplin_login *login = &session->login;
    size_t from = session->output.size;
    poplin_sasl_turn turn;
    int status = poplin_sasl_server_refuse(login->exchange, &turn);

    login->refused = true;
    login->shown = (poplin_slice){NULL, 0}; /* the exchange has wiped it */
    poplin_turn_follow(session, status, &turn);
    (void)count_failure(session, from);
}

/* An unknown user goes through the exchange like any other. */
void poplin_turn_question_refused(poplin_session *session, int status, enum poplin_code code, const char *text) {
    if (status == POPLIN_ERR_AUTH && session->asks == POPLIN_SESSION_SECRET)
        poplin_turn_secret(session, (poplin_slice){NULL, 0}, NULL);
    else if (status == POPLIN_ERR_AUTH && session->asks == POPLIN_SESSION_TOKEN)
        refuse_token(session);
    else
        poplin_turn_login_refused(session, status, code, text);
}

/* ---- the end of a login ---- */

void poplin_turn_logged_in(poplin_session *session) {
    poplin_turn_forget_login(session);
    session->login_delay = session->config.login_delay; /* unless the host says otherwise of this user */
    session->expire = session->config.expire;
    poplin_turn_ask(session, POPLIN_SESSION_MAILDROP);
}

/* Anybody may come by ANONYMOUS, and nobody's mail may go (RFC 4505 section 5). */
bool poplin_turn_is_read_only(const poplin_session *session) {
    return session->login.way == POPLIN_MECHANISM_ANONYMOUS;
}

void poplin_turn_opened(poplin_session *session) {
    session->phase = POPLIN_TRANSACTION;
    session->turn = TURN_READ;
    free(session->facts);
    session->facts = NULL;
    poplin_turn_reply(session, "+OK %zu messages", session->mailbox.count);
}

/* Back to AUTHORIZATION; or to the end, where it was one failure too many (LIM-10). */
static void conclude(poplin_session *session) {
    session->turn = TURN_READ;
    if (session->failed_logins >= session->config.max_failed_logins)
        poplin_turn_end(session, POPLIN_FAILED, POPLIN_ERR_LIMIT, NULL, "too many failed logins");
}

/* Where there still is an exchange, the client has to answer the challenge. */
void poplin_turn_delay_over(poplin_session *session) {
    poplin_buffer *late = &session->login.late;

    if (poplin_buffer_append(&session->output, poplin_buffer_slice(late).data, late->size) != POPLIN_OK)
        session->out_of_memory = true;
    poplin_buffer_free(late);
    if (session->login.exchange != NULL)
        session->turn = TURN_RESPOND;
    else
        conclude(session);
}

void poplin_turn_login_malformed(poplin_session *session) {
    poplin_turn_reply(session, "-ERR malformed %s message", poplin_way_name(session->login.way));
    poplin_turn_forget_login(session);
    session->failed_logins++;
    conclude(session);
}

/* Only what may have been a guess is one: not that a maildrop is in use, or a host out of order. */
void poplin_turn_login_refused(poplin_session *session, int status, enum poplin_code code, const char *text) {
    bool guess = (status == POPLIN_ERR_AUTH || status == POPLIN_ERR_REFUSED) && !session->login.refused;
    size_t from = session->output.size;

    poplin_turn_reply_refused(session, code, text);
    poplin_turn_forget_login(session);
    if (!guess || !count_failure(session, from))
        conclude(session);
}
