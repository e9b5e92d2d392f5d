/*
 * server/login.c - how a client gets from AUTHORIZATION to TRANSACTION: USER and PASS (RFC 1939 section 7), AUTH PLAIN
 * (RFC 5034, RFC 4616), then the maildrop.
 */
#include "server/machine.h"

#include "sasl/plain.h"
#include "wire/base64.h"

/* Passwords go over a protected link, or where the owner said so by name (RFC 8314 section 4.1). */
static bool link_permits(const poplin_session *session) {
    return session->tls || session->config.link_protected || session->config.allow_cleartext;
}

bool poplin_turn_offers_user(const poplin_session *session) {
    return session->config.user_pass && link_permits(session);
}

bool poplin_turn_offers_plain(const poplin_session *session) {
    return session->config.plain && link_permits(session);
}

static void refuse_method(poplin_session *session) {
    bool stls = !link_permits(session) && session->config.stls;

    poplin_turn_bad_command(session, stls ? "no passwords without TLS: use STLS first" : "not offered here");
}

/* Keeps the name; a login that fails or starts anew replaces it. */
static bool keep_user(poplin_session *session, poplin_slice user) {
    poplin_buffer_clear(&session->user);
    if (poplin_buffer_append(&session->user, user.data, user.size) == POPLIN_OK)
        return true;
    session->out_of_memory = true;
    return false;
}

static void check(poplin_session *session, const char *mechanism, poplin_slice password) {
    session->mechanism = mechanism;
    session->password = password;
    poplin_turn_ask(session, POPLIN_SESSION_CHECK);
}

/* Wipes the password, also where a cut line left it in the reader, which is between two lines whenever this is called. */
static void forget_password(poplin_session *session) {
    session->password = (poplin_slice){NULL, 0};
    poplin_buffer_free(&session->secret);
    poplin_line_free(&session->reader);
}

/* Counts a login that was answered with -ERR, and goes back to AUTHORIZATION or ends (LIM-10). */
static void login_failed(poplin_session *session) {
    session->turn = TURN_READ;
    forget_password(session);
    if (++session->failed_logins >= session->config.max_failed_logins)
        poplin_turn_end(session, POPLIN_FAILED, POPLIN_ERR_LIMIT, NULL, "too many failed logins");
}

void poplin_turn_user(poplin_session *session, const poplin_parsed_command *command) {
    if (!poplin_turn_offers_user(session)) {
        refuse_method(session);
    } else if (keep_user(session, command->argument)) {
        session->user_line = session->lines;
        poplin_turn_reply(session, "+OK send PASS");
    }
}

void poplin_turn_pass(poplin_session *session, const poplin_parsed_command *command) {
    if (!poplin_turn_offers_user(session))
        refuse_method(session);
    else if (session->user_line == 0 || session->user_line + 1 != session->lines)
        poplin_turn_bad_command(session, "PASS goes right behind USER");
    else if (poplin_buffer_append(&session->secret, command->argument.data, command->argument.size) < 0)
        session->out_of_memory = true;
    else
        check(session, "USER", poplin_buffer_slice(&session->secret));
}

/* Reads PLAIN's one message, in base64. */
static void take_plain(poplin_session *session, poplin_slice text) {
    poplin_credentials credentials;
    int result = poplin_base64_decode(text, &session->secret);

    if (result == POPLIN_OK)
        result = poplin_plain_decode(poplin_buffer_slice(&session->secret), &credentials);
    if (result == POPLIN_OK && keep_user(session, credentials.user)) {
        check(session, "PLAIN", credentials.password);
    } else if (result == POPLIN_ERR_PROTOCOL) {
        poplin_turn_reply(session, "-ERR malformed PLAIN message");
        login_failed(session);
    } else {
        session->out_of_memory = true;
    }
}

void poplin_turn_auth(poplin_session *session, const poplin_parsed_command *command) {
    if (!poplin_slice_equal_nocase(command->argument, "PLAIN")) {
        poplin_turn_bad_command(session, "unknown mechanism");
    } else if (!poplin_turn_offers_plain(session)) {
        refuse_method(session);
    } else if (command->initial.data == NULL) {
        poplin_turn_reply(session, "+ ");
        session->turn = TURN_RESPOND;
    } else {
        bool empty = poplin_slice_equal(command->initial, poplin_slice_of("="));

        take_plain(session, empty ? (poplin_slice){NULL, 0} : command->initial);
    }
}

void poplin_turn_response(poplin_session *session, int result, poplin_slice line) {
    session->turn = TURN_READ;
    if (result == POPLIN_ERR_LIMIT) {
        poplin_turn_reply(session, "-ERR line too long");
        poplin_turn_end(session, POPLIN_FAILED, POPLIN_ERR_LIMIT, "AUTH", "a response over the limit");
    } else if (result == POPLIN_OK && poplin_slice_equal(line, poplin_slice_of("*"))) {
        poplin_turn_reply(session, "-ERR cancelled");
    } else {
        take_plain(session, line); /* a line that is not clean is not base64 either */
    }
}

void poplin_turn_checked(poplin_session *session) {
    forget_password(session);
    poplin_turn_ask(session, POPLIN_SESSION_MAILDROP);
}

void poplin_turn_opened(poplin_session *session) {
    session->phase = POPLIN_TRANSACTION;
    session->turn = TURN_READ;
    poplin_turn_reply(session, "+OK %zu messages", session->mailbox.count);
}

void poplin_turn_login_refused(poplin_session *session, int status, const char *text) {
    poplin_turn_reply_refused(session, status, text);
    login_failed(session);
}
