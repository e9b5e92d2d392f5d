/*
 * server/auth.c - AUTH: an exchange of a mechanism, its messages in base64 (RFC 5034 section 4).
 *
 * The exchange says what it wants next: a challenge sent, the host asked, or that it is over. Whatever it asks the host for, the
 * answer comes back to it through login.c.
 */
#include "server/machine.h"

#include "wire/base64.h"

void poplin_turn_leave_exchange(poplin_session *session) {
    struct poplin_login *login = &session->login;

    login->shown = (poplin_slice){NULL, 0};
    poplin_sasl_server_free(login->exchange);
    login->exchange = NULL;
}

/* ---- what the exchange wants ---- */

/* "+ " and the message: not by poplin_turn_reply, since it may be longer than a status line. */
static void challenge(poplin_session *session, poplin_slice message) {
    poplin_buffer *output = &session->output;

    if (poplin_buffer_append(output, "+ ", 2) != POPLIN_OK || poplin_base64_encode(message, output) != POPLIN_OK ||
        poplin_buffer_append(output, "\r\n", 2) != POPLIN_OK)
        session->out_of_memory = true;
    poplin_turn_trace_challenge(session);
    session->turn = TURN_RESPOND;
}

static void ask(poplin_session *session, const poplin_sasl_turn *turn) {
    struct poplin_login *login = &session->login;

    if (!poplin_turn_keep_user(session, turn->user))
        return;
    if (turn->wish == POPLIN_SASL_TOKEN) {
        login->shown = turn->token;
        poplin_turn_ask(session, POPLIN_SESSION_TOKEN);
    } else if (turn->wish == POPLIN_SASL_CHECK) {
        poplin_turn_verify(session, turn->password);
    } else {
        poplin_turn_ask(session, POPLIN_SESSION_SECRET);
    }
}

/* The name may be another's by rule (poplin_session_accept_as); a token may have come without one. */
static void done(poplin_session *session, poplin_slice user) {
    struct poplin_login *login = &session->login;

    if (!login->named && !poplin_turn_keep_user(session, user))
        return;
    if (login->user.size > 0)
        poplin_turn_logged_in(session);
    else
        poplin_turn_login_refused(session, POPLIN_ERR_TEMPORARY, POPLIN_CODE_SYS_TEMP, NULL);
}

/* To a refused token any answer is as good as another. */
static void failed(poplin_session *session, bool malformed) {
    if (malformed && !session->login.refused)
        poplin_turn_login_malformed(session);
    else
        poplin_turn_login_refused(session, POPLIN_ERR_AUTH, POPLIN_CODE_AUTH, NULL);
}

void poplin_turn_follow(poplin_session *session, int status, const poplin_sasl_turn *turn) {
    if (status == POPLIN_ERR_NOMEM) {
        session->out_of_memory = true;
        return;
    }
    if (status != POPLIN_OK) { /* no random numbers, or a hash that this machine does not allow */
        poplin_turn_login_refused(session, POPLIN_ERR_TEMPORARY, POPLIN_CODE_SYS_TEMP, NULL);
        return;
    }
    switch (turn->wish) {
    case POPLIN_SASL_CHALLENGE:
        challenge(session, turn->message);
        break;
    case POPLIN_SASL_CHECK:
    case POPLIN_SASL_SECRET:
    case POPLIN_SASL_TOKEN:
        ask(session, turn);
        break;
    case POPLIN_SASL_DONE:
        done(session, turn->user);
        break;
    case POPLIN_SASL_FAILED:
        failed(session, turn->malformed);
        break;
    }
}

/* ---- what the client says ---- */

static poplin_sasl_binding binding(const char *type, const unsigned char *data, size_t size) {
    return (poplin_sasl_binding){size > 0 ? type : NULL, {(const char *)data, size}};
}

static bool offers_binding(const poplin_session *session) {
    return poplin_turn_why_not(session, POPLIN_MECHANISM_SCRAM_SHA_256_PLUS) == NULL ||
           poplin_turn_why_not(session, POPLIN_MECHANISM_SCRAM_SHA_1_PLUS) == NULL;
}

static int begin(poplin_session *session, unsigned way) {
    static const poplin_tls_facts none;
    const poplin_tls_facts *facts = session->facts != NULL ? session->facts : &none;
    const poplin_session_config *config = &session->config;
    const poplin_sasl_server_config exchange = {
        .host = session->host,
        .port = config->port,
        .exporter = binding("tls-exporter", facts->exporter, facts->exporter_size),
        .end_point = binding("tls-server-end-point", facts->end_point, facts->end_point_size),
        .plus_offered = offers_binding(session),
        .external = {facts->identity_size > 0 ? facts->identity : NULL, facts->identity_size},
        .pepper = poplin_buffer_slice(&session->pepper),
        .iterations = config->iterations,
        .keeps_keys = (config->asks & POPLIN_ASK_SECRET) == 0,
    };

    poplin_turn_begin_login(session, way);
    poplin_buffer_clear(&session->login.user);
    if ((poplin_way_traits(way) & POPLIN_SASL_BINDS) != 0)
        session->bound = true;
    return poplin_sasl_server_new((enum poplin_mechanism)way, &exchange, &session->login.exchange);
}

/* A message, decoded. "=" stands for an empty one only where it came with the command. */
static void step(poplin_session *session, poplin_slice text) {
    poplin_buffer message = {0};
    int status = poplin_base64_decode(text, &message);
    poplin_sasl_turn turn;

    if (status == POPLIN_OK) {
        poplin_slice response = poplin_buffer_slice(&message);

        if (response.data == NULL) /* an empty message is not the same as none */
            response = (poplin_slice){"", 0};
        status = poplin_sasl_server_step(session->login.exchange, response, &turn);
    } else if (status == POPLIN_ERR_PROTOCOL) {
        turn = (poplin_sasl_turn){.wish = POPLIN_SASL_FAILED, .malformed = true};
        status = POPLIN_OK;
    }
    poplin_turn_follow(session, status, &turn);
    poplin_buffer_free(&message);
}

static void start(poplin_session *session, unsigned way, poplin_slice initial) {
    int status = begin(session, way);
    poplin_sasl_turn turn;

    if (status != POPLIN_OK) {
        poplin_turn_follow(session, status, NULL);
    } else if (initial.data == NULL) {
        status = poplin_sasl_server_step(session->login.exchange, initial, &turn);
        poplin_turn_follow(session, status, &turn);
    } else {
        bool empty = poplin_slice_equal(initial, poplin_slice_of("="));

        step(session, empty ? (poplin_slice){"", 0} : initial);
    }
}

/*
 * One attempt with channel binding is all that a connection has: its data must not be used twice (SASL-CB-9), and who was between
 * the two once still is.
 */
void poplin_turn_auth(poplin_session *session, const poplin_parsed_command *command) {
    unsigned way = poplin_way_lookup(command->argument);
    const char *why_not = poplin_turn_why_not(session, way < POPLIN_MECHANISM_COUNT ? way : POPLIN_WAY_COUNT);

    if (why_not == NULL && session->bound && (poplin_way_traits(way) & POPLIN_SASL_BINDS) != 0)
        why_not = "channel binding was tried on this connection: reconnect";
    if (why_not != NULL)
        poplin_turn_bad_command(session, why_not);
    else
        start(session, way, command->initial);
}

/*
 * Who was told that the token is no good cannot make the attempt undone: there "*" is but one of the answers (RFC 7628 section
 * 3.2.3).
 */
static void cancel(poplin_session *session) {
    if (session->login.refused) {
        failed(session, false);
        return;
    }
    poplin_turn_forget_login(session);
    poplin_turn_bad_command(session, "cancelled");
}

void poplin_turn_response(poplin_session *session, int result, poplin_slice line) {
    session->turn = TURN_READ;
    if (result == POPLIN_ERR_LIMIT) {
        poplin_turn_reply(session, "-ERR line too long");
        poplin_turn_end(session, POPLIN_FAILED, POPLIN_ERR_LIMIT, "AUTH", "a response over the limit");
    } else if (result == POPLIN_OK && poplin_slice_equal(line, poplin_slice_of("*"))) {
        cancel(session);
    } else {
        step(session, line); /* a line that is not clean is not base64 either */
    }
}
