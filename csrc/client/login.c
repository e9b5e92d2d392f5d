/*
 * client/login.c - the login: USER and PASS (RFC 1939 section 7), APOP (the same), or an exchange of AUTH (RFC 5034 section 4),
 * as commands of the machine's own. There is no step down: a login that was refused is never followed by a weaker one.
 */
#include "client/machine.h"

#include "sasl/apop.h"
#include "wire/base64.h"

#include <stdio.h>
#include <string.h>

enum {
    FIELD_MAX = 255,     /* octets of a name or password (RFC 4616 section 2) */
    TOKEN_MAX = 65536,   /* of a token; some have over 10,000 */
    AUTH_LINE_MAX = 255, /* octets of a command line, CRLF included (POP-AUTH-6) */
    NAMES_SHOWN = 200    /* octets of what was passed over, in the error's text */
};

static const poplin_slice nothing = {NULL, 0};

void poplin_login_forget(poplin_opening *opening) {
    poplin_sasl_client_free(opening->exchange);
    opening->exchange = NULL;
    poplin_buffer_free(&opening->user);
    poplin_buffer_free(&opening->password);
    poplin_buffer_free(&opening->token);
    poplin_buffer_free(&opening->authorize);
    poplin_buffer_free(&opening->message);
    poplin_buffer_free(&opening->response);
}

static bool holds(poplin_slice words, const poplin_buffer *secret) {
    poplin_slice sought = poplin_buffer_slice(secret);
    return sought.size > 0 && words.size > 0 && memmem(words.data, words.size, sought.data, sought.size) != NULL;
}

/* The digest at the end of what CRAM-MD5 and APOP send: with what it is of, passwords can be tried against it. */
static bool holds_digest(poplin_slice words, const poplin_opening *opening) {
    poplin_slice sent = poplin_buffer_slice(&opening->message);
    bool made = sent.size > POPLIN_DIGEST_SIZE &&
                (opening->way == POPLIN_MECHANISM_CRAM_MD5 || opening->way == POPLIN_WAY_APOP);
    return made && words.size > 0 &&
           memmem(words.data, words.size, sent.data + sent.size - POPLIN_DIGEST_SIZE, POPLIN_DIGEST_SIZE) != NULL;
}

poplin_slice poplin_login_conceal(const poplin_client *client, poplin_slice words) {
    const poplin_opening *opening = &client->opening;
    const poplin_pending *head = poplin_step_head(client);
    bool repeated = (head != NULL && poplin_own_repeated(head, words)) || holds(words, &opening->password) ||
                    holds(words, &opening->token) || holds(words, &opening->response) || holds_digest(words, opening);
    return repeated ? poplin_slice_of("(words that repeat the password)") : words;
}

/* ---- what the host gives ---- */

static int check_field(poplin_slice field, size_t most) {
    static const char forbidden[] = {'\0', '\r', '\n'};
    if (field.data == NULL)
        return POPLIN_OK;
    if (field.size == 0)
        return POPLIN_ERR_PROTOCOL;
    if (field.size > most)
        return POPLIN_ERR_LIMIT;
    for (size_t i = 0; i < sizeof forbidden; i++)
        if (memchr(field.data, forbidden[i], field.size) != NULL)
            return POPLIN_ERR_PROTOCOL;
    return POPLIN_OK;
}

static int check_credentials(const poplin_client *client, const poplin_credentials *credentials) {
    const poplin_slice fields[] = {credentials->user, credentials->password, credentials->authorize,
                                   credentials->token};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        int status = check_field(fields[i], i < 3 ? FIELD_MAX : TOKEN_MAX);
        if (status < 0)
            return status;
    }
    bool proof = credentials->password.data != NULL || credentials->token.data != NULL;
    return (proof && credentials->user.data != NULL) || (client->named && poplin_choice_is_free(client->ways))
               ? POPLIN_OK
               : POPLIN_ERR_PROTOCOL;
}

int poplin_login_keep(poplin_client *client, const poplin_credentials *credentials) {
    poplin_opening *opening = &client->opening;
    int status = check_credentials(client, credentials);
    if (status < 0)
        return status;
    const struct {
        poplin_buffer *kept;
        poplin_slice given;
    } fields[] = {
        {&opening->user, credentials->user},
        {&opening->password, credentials->password},
        {&opening->token, credentials->token},
        {&opening->authorize, credentials->authorize},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (fields[i].given.size > 0 &&
            poplin_buffer_append(fields[i].kept, fields[i].given.data, fields[i].given.size) < 0) {
            poplin_login_forget(opening);
            return POPLIN_ERR_NOMEM;
        }
    return POPLIN_OK;
}

/* ---- the exchange of AUTH ---- */

static unsigned traits(const poplin_opening *opening) {
    return poplin_mechanism_traits((enum poplin_mechanism)opening->way);
}

/* Gives the mechanism the server's message; its answer is kept, and stands in response in base64. *reason: why it is over. */
static int advance(poplin_opening *opening, poplin_slice challenge, const char **reason) {
    poplin_buffer_free(&opening->message);
    poplin_buffer_free(&opening->response);
    int status = poplin_sasl_client_step(opening->exchange, challenge, &opening->message, reason);
    if (status == POPLIN_OK)
        status = poplin_base64_encode(poplin_buffer_slice(&opening->message), &opening->response);
    return status;
}

/* Whether AUTH, the mechanism's name and the response fit one line. An empty response stands there as "=". */
static bool fits_line(const poplin_opening *opening) {
    size_t name = strlen(poplin_way_name(opening->way));
    size_t response = opening->response.size > 0 ? opening->response.size : 1;
    return strlen("AUTH  \r\n") + name + response <= AUTH_LINE_MAX;
}

static int begin_exchange(poplin_client *client) {
    poplin_opening *opening = &client->opening;
    const char *reason = NULL;
    opening->held = opening->initial = false;
    if ((traits(opening) & POPLIN_SASL_CLIENT_FIRST) != 0) {
        int status = advance(opening, nothing, &reason);
        if (status == POPLIN_ERR_PROTOCOL)
            return poplin_step_fail(client, POPLIN_ERR_UNSUPPORTED, nothing, reason);
        if (status < 0)
            return poplin_opening_going_on(client, status);
        opening->initial = !client->config.two_step && fits_line(opening);
        opening->held = !opening->initial;
    }
    return poplin_opening_going_on(client, poplin_opening_queue(client, POPLIN_AUTH));
}

/* Ends the exchange from this side: the machine fails when the server has answered the "*". */
static int cancel(poplin_opening *opening, const char *refusal) {
    opening->refusal = refusal;
    opening->due = POPLIN_CANCEL_DUE;
    return POPLIN_AGAIN;
}

/* The first challenge to a client that was to begin is empty, and only lets it (T-SASL-1, POP-AUTH-10). */
static int release_held(poplin_opening *opening, poplin_slice challenge) {
    opening->held = false;
    if (challenge.size > 0)
        return cancel(opening, "the server sent a challenge where the mechanism lets the client begin");
    opening->due = POPLIN_RESPONSE_DUE;
    return POPLIN_AGAIN;
}

/* Keeps what the server said of a token while the exchange goes on. */
static int keep_answer(poplin_client *client) {
    poplin_opening *opening = &client->opening;
    poplin_slice answer = poplin_login_conceal(client, poplin_sasl_client_answer(opening->exchange));
    if (answer.size == 0 || opening->answer.size > 0)
        return POPLIN_OK;
    return poplin_buffer_append(&opening->answer, answer.data, answer.size);
}

/* Decodes a challenge and gives it to the mechanism. An empty one is a message too: {NULL, 0} would be none. */
static int take_challenge(poplin_client *client, poplin_slice challenge, const char **reason) {
    poplin_buffer decoded = {0};
    int status = poplin_base64_decode(challenge, &decoded);
    if (status == POPLIN_ERR_PROTOCOL)
        *reason = "the server's challenge is not base64";
    poplin_slice message = poplin_buffer_slice(&decoded);
    if (status == POPLIN_OK)
        status = advance(&client->opening, message.data != NULL ? message : poplin_slice_of(""), reason);
    poplin_buffer_free(&decoded);
    return status == POPLIN_OK ? keep_answer(client) : status;
}

/* How many challenges there may be is each mechanism's to say, and none takes more than three (LIM-4). */
static int challenged(poplin_client *client, poplin_slice challenge) {
    poplin_opening *opening = &client->opening;
    const char *reason = "the exchange went wrong";
    if (opening->refusal != NULL)
        return poplin_step_fail(client, POPLIN_ERR_PROTOCOL, nothing, opening->refusal);
    if (challenge.data == NULL && client->config.strict)
        return cancel(opening, "the server's empty challenge lacks its SP");
    if (opening->held)
        return release_held(opening, challenge);
    int status = take_challenge(client, challenge, &reason);
    if (status == POPLIN_ERR_PROTOCOL || status == POPLIN_ERR_AUTH) {
        opening->rejected = status == POPLIN_ERR_AUTH;
        return cancel(opening, reason);
    }
    if (status == POPLIN_OK)
        opening->due = POPLIN_RESPONSE_DUE;
    return poplin_opening_going_on(client, status);
}

/* ---- begun ---- */

/* The argument of APOP. */
static int digest(poplin_opening *opening, poplin_slice timestamp) {
    char text[POPLIN_DIGEST_SIZE];
    poplin_slice user = poplin_buffer_slice(&opening->user);
    poplin_buffer *argument = &opening->message;
    int status = poplin_apop_digest(timestamp, poplin_buffer_slice(&opening->password), text);
    if (status == POPLIN_OK)
        status = poplin_buffer_append(argument, user.data, user.size);
    if (status == POPLIN_OK)
        status = poplin_buffer_append(argument, " ", 1);
    if (status == POPLIN_OK)
        status = poplin_buffer_append(argument, text, POPLIN_DIGEST_SIZE);
    poplin_wipe(text, sizeof text);
    return status;
}

static int begin_apop(poplin_client *client) {
    int status = digest(&client->opening, poplin_buffer_slice(&client->timestamp));
    if (status == POPLIN_ERR_PROTOCOL)
        return poplin_step_fail(client, POPLIN_ERR_UNSUPPORTED, nothing, "APOP: SASLprep refuses the password");
    return poplin_opening_going_on(client, status == POPLIN_OK ? poplin_opening_queue(client, POPLIN_APOP) : status);
}

static int no_way(poplin_client *client, poplin_buffer *why) {
    char reason[sizeof client->error.reason];
    poplin_slice names = poplin_buffer_slice(why);
    int shown = (int)(names.size < NAMES_SHOWN ? names.size : NAMES_SHOWN);
    const char *hint = client->tls || client->config.link_protected
                           ? ""
                           : "; many servers offer more under TLS: use pop3s:// or tls='stls'";
    if (names.size == 0)
        (void)snprintf(reason, sizeof reason, "the server offers no way to log in that is known%s", hint);
    else
        (void)snprintf(reason, sizeof reason, "no way to log in fits; the server offers %.*s%s%s", shown, names.data,
                       names.size > NAMES_SHOWN ? "..." : "", hint);
    poplin_buffer_free(why);
    return poplin_step_fail(client, POPLIN_ERR_UNSUPPORTED, nothing, reason);
}

int poplin_login_begin(poplin_client *client) {
    poplin_buffer why = {0};
    if (poplin_opening_wants_tls(client))
        return poplin_step_fail(client, POPLIN_ERR_TLS, nothing,
                                "TLS is demanded and has not been started; submit STLS before the login");
    client->opening.refusal = NULL;
    client->opening.rejected = false;
    int status = poplin_choice_make(client, &why);
    if (status == POPLIN_ERR_UNSUPPORTED)
        return no_way(client, &why);
    poplin_buffer_free(&why);
    if (status < 0)
        return poplin_opening_going_on(client, status);
    if (client->opening.way < POPLIN_MECHANISM_COUNT)
        return begin_exchange(client);
    if (client->opening.way == POPLIN_WAY_USER)
        return poplin_opening_going_on(client, poplin_opening_queue(client, POPLIN_USER));
    return begin_apop(client);
}

/* ---- what is sent ---- */

void poplin_login_arguments(poplin_client *client, poplin_parsed_command *line) {
    poplin_opening *opening = &client->opening;
    poplin_slice response = poplin_buffer_slice(&opening->response);
    if (line->verb == POPLIN_USER) {
        line->argument = poplin_buffer_slice(&opening->user);
        return;
    }
    client->output_secret = true;
    if (line->verb == POPLIN_PASS) {
        line->argument = poplin_buffer_slice(&opening->password);
    } else if (line->verb == POPLIN_APOP) {
        line->argument = poplin_buffer_slice(&opening->message);
    } else {
        line->argument = poplin_slice_of(poplin_way_name(opening->way));
        if (opening->initial)
            line->initial = response.size > 0 ? response : poplin_slice_of("=");
    }
}

int poplin_login_write_due(poplin_client *client) {
    poplin_opening *opening = &client->opening;
    bool response = opening->due == POPLIN_RESPONSE_DUE;
    poplin_slice line = response ? poplin_buffer_slice(&opening->response) : poplin_slice_of("*");
    opening->due = POPLIN_NOTHING_DUE;
    client->output_secret = true;
    if (client->tell != NULL)
        poplin_trace_response(client, line);
    if (line.size > 0 && poplin_buffer_append(&client->output, line.data, line.size) < 0)
        return POPLIN_ERR_NOMEM;
    return poplin_buffer_append(&client->output, "\r\n", 2);
}

/* ---- what is answered ---- */

/* Keeps code and words of the login's reply for OPENED, which may come later. */
static int keep_words(poplin_client *client, const poplin_status_line *status) {
    poplin_opening *opening = &client->opening;
    bool codes = client->capabilities.codes;
    poplin_slice words = poplin_login_conceal(client, codes ? status->rest : status->text);
    opening->code = codes ? status->code : POPLIN_CODE_NONE;
    poplin_buffer_clear(&opening->said);
    return poplin_buffer_append(&opening->said, words.data, words.size);
}

/* The login was refused. Without a code that means the credentials, unless the server marks those (POP-RESP-7). */
static int refused(poplin_client *client, const poplin_status_line *line, poplin_client_event *event) {
    int status = keep_words(client, line);
    if (status < 0)
        return poplin_opening_going_on(client, status);
    bool told = poplin_capabilities_have(&client->capabilities, "AUTH-RESP-CODE", NULL);
    bool rejected = client->opening.rejected || client->opening.answer.size > 0; /* said inside the exchange */
    enum poplin_code code = client->opening.code;
    status = code == POPLIN_CODE_NONE && (rejected || !told) ? POPLIN_ERR_AUTH : poplin_code_status(code);
    return poplin_opening_done(client, status, event);
}

/* The login succeeded. What depends on the user is asked for again (RFC 2449 sections 6.5 and 6.7). */
static int logged_in(poplin_client *client, const poplin_status_line *line, poplin_client_event *event) {
    const poplin_capabilities *announced = &client->capabilities;
    int status = keep_words(client, line);
    if (status < 0)
        return poplin_opening_going_on(client, status);
    client->phase = POPLIN_TRANSACTION;
    client->mechanism = poplin_way_name(client->opening.way);
    if (client->tell != NULL)
        poplin_trace_login(client);
    poplin_login_forget(&client->opening);
    if (poplin_capabilities_have(announced, "LOGIN-DELAY", "USER") ||
        poplin_capabilities_have(announced, "EXPIRE", "USER"))
        return poplin_opening_going_on(client, poplin_opening_queue(client, POPLIN_CAPA));
    return poplin_opening_done(client, POPLIN_OK, event);
}

/* A +OK counts only where the mechanism has come to its end, with all that the server had to prove (POP-AUTH-17). */
static int authenticated(poplin_client *client, const poplin_status_line *status, poplin_client_event *event) {
    poplin_opening *opening = &client->opening;
    if (opening->refusal != NULL && (status->ok || !opening->rejected))
        return poplin_step_fail(client, POPLIN_ERR_PROTOCOL, status->text, opening->refusal);
    if (status->ok && (opening->held || !poplin_sasl_client_is_complete(opening->exchange)))
        return poplin_step_fail(client, POPLIN_ERR_PROTOCOL, status->text,
                                "the server accepted the login before it was complete");
    poplin_step_answered(client);
    return status->ok ? logged_in(client, status, event) : refused(client, status, event);
}

int poplin_login_reply(poplin_client *client, const poplin_status_line *status, poplin_client_event *event) {
    enum poplin_verb verb = poplin_step_head(client)->verb;
    if (verb == POPLIN_AUTH)
        return status->challenge ? challenged(client, status->text) : authenticated(client, status, event);
    poplin_step_answered(client);
    if (!status->ok)
        return refused(client, status, event);
    if (verb == POPLIN_USER)
        return poplin_opening_going_on(client, poplin_opening_queue(client, POPLIN_PASS));
    return logged_in(client, status, event);
}
