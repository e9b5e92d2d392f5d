/*
 * client/open.c - the opening (greeting, CAPA, STLS, CAPA) and the login (AUTH PLAIN, or USER and PASS), as commands of
 * the machine's own: each reply decides what comes next (RFC 2595 section 4, RFC 5034 section 4, RFC 1939 section 7).
 *
 * Policy is settled before any secret is sent, and there is no step down: a login that was refused, or an STLS that
 * did not come about, is never followed by a weaker attempt.
 */
#include "client/machine.h"

#include "sasl/plain.h"
#include "wire/base64.h"

#include <string.h>

enum {
    FIELD_MAX = 255,           /* octets of a name or password (RFC 4616 section 2) */
    ARGUMENT_MAX = 248,        /* the same behind USER and PASS (POP-GEN-5) */
    INITIAL_RESPONSE_MAX = 240 /* base64 that fits an AUTH PLAIN line of 255 octets (POP-AUTH-6) */
};

static const poplin_slice nothing = {NULL, 0};

static int queue_own(poplin_client *client, enum poplin_verb verb) {
    return poplin_step_queue(client, &(poplin_pending){.verb = verb, .internal = true});
}

/* Ends a step that queued something. */
static int going_on(poplin_client *client, int status) {
    if (status < 0)
        return poplin_step_fail(client, status, nothing, poplin_status_text(status));
    return POPLIN_AGAIN;
}

static bool tls_wanted(const poplin_client *client) {
    enum poplin_tls_mode mode = client->config.tls;
    return !client->tls && (mode == POPLIN_TLS_STLS || (mode == POPLIN_TLS_AUTO && !client->config.link_protected));
}

static void forget_secrets(poplin_opening *opening) {
    poplin_buffer_free(&opening->user);
    poplin_buffer_free(&opening->password);
    poplin_buffer_free(&opening->response);
}

void poplin_opening_end(poplin_client *client) {
    forget_secrets(&client->opening);
    client->opening.active = false;
    client->opening.due = POPLIN_NOTHING_DUE;
}

static bool holds(poplin_slice words, const poplin_buffer *secret) {
    poplin_slice sought = poplin_buffer_slice(secret);
    return sought.size > 0 && words.size > 0 && memmem(words.data, words.size, sought.data, sought.size) != NULL;
}

poplin_slice poplin_opening_conceal(const poplin_client *client, poplin_slice words) {
    bool repeated = holds(words, &client->opening.password) || holds(words, &client->opening.response);
    return repeated ? poplin_slice_of("(words that repeat the password)") : words;
}

static int opened(poplin_client *client, int status, poplin_client_event *event) {
    poplin_opening *opening = &client->opening;
    *event = (poplin_client_event){
        .kind = POPLIN_CLIENT_OPENED,
        .tag = opening->tag,
        .status = status,
        .code = opening->code,
        .text = poplin_buffer_slice(&opening->said),
    };
    poplin_opening_end(client);
    return POPLIN_OK;
}

/* ---- begun by the host ---- */

static int check_credentials(const poplin_credentials *credentials) {
    poplin_slice user = credentials->user, password = credentials->password;
    if (user.size == 0 || password.size == 0)
        return POPLIN_ERR_PROTOCOL;
    if (user.size > FIELD_MAX || password.size > FIELD_MAX)
        return POPLIN_ERR_LIMIT;
    static const char forbidden[] = {'\0', '\r', '\n'};
    for (size_t i = 0; i < sizeof forbidden; i++)
        if (memchr(user.data, forbidden[i], user.size) != NULL ||
            memchr(password.data, forbidden[i], password.size) != NULL)
            return POPLIN_ERR_PROTOCOL;
    return POPLIN_OK;
}

static int begin(poplin_client *client, const poplin_credentials *credentials, uint64_t tag) {
    poplin_opening *opening = &client->opening;
    int status = credentials != NULL ? check_credentials(credentials) : POPLIN_OK;
    if (status < 0)
        return status;
    if (credentials != NULL &&
        (poplin_buffer_append(&opening->user, credentials->user.data, credentials->user.size) < 0 ||
         poplin_buffer_append(&opening->password, credentials->password.data, credentials->password.size) < 0)) {
        forget_secrets(opening);
        return POPLIN_ERR_NOMEM;
    }
    opening->active = true;
    opening->wants_login = credentials != NULL;
    opening->tag = tag;
    opening->code = POPLIN_CODE_NONE;
    poplin_buffer_clear(&opening->said);
    return POPLIN_OK;
}

int poplin_client_open(poplin_client *client, const poplin_credentials *credentials, uint64_t tag) {
    if (client->reading != POPLIN_READING_GREETING || client->opening.active)
        return POPLIN_ERR_STATE;
    return begin(client, credentials, tag);
}

int poplin_opening_ask(poplin_client *client) {
    return client->opening.active ? queue_own(client, POPLIN_CAPA) : POPLIN_OK;
}

/* ---- the login ---- */

static int log_in_plain(poplin_client *client) {
    poplin_opening *opening = &client->opening;
    poplin_buffer message = {0};
    poplin_credentials credentials = {poplin_buffer_slice(&opening->user), poplin_buffer_slice(&opening->password)};
    int status = poplin_plain_encode(&credentials, &message);
    if (status == POPLIN_OK)
        status = poplin_base64_encode(poplin_buffer_slice(&message), &opening->response);
    poplin_buffer_free(&message);
    opening->initial = opening->response.size <= INITIAL_RESPONSE_MAX;
    opening->responded = opening->initial;
    opening->refusal = NULL;
    if (status == POPLIN_OK)
        status = queue_own(client, POPLIN_AUTH);
    return going_on(client, status);
}

static bool is_ascii(poplin_slice text) {
    for (size_t i = 0; i < text.size; i++)
        if ((unsigned char)text.data[i] > 0x7E)
            return false;
    return true;
}

static int log_in_user(poplin_client *client) {
    poplin_slice user = poplin_buffer_slice(&client->opening.user);
    poplin_slice password = poplin_buffer_slice(&client->opening.password);
    if (user.size > ARGUMENT_MAX || password.size > ARGUMENT_MAX)
        return poplin_step_fail(client, POPLIN_ERR_LIMIT, nothing,
                                "name or password is longer than the 248 octets that USER and PASS can carry, and the "
                                "server does not offer AUTH PLAIN");
    if (memchr(user.data, ' ', user.size) != NULL)
        return poplin_step_fail(client, POPLIN_ERR_UNSUPPORTED, nothing,
                                "the name holds a space, which USER cannot carry, and the server does not offer AUTH "
                                "PLAIN");
    if ((!is_ascii(user) || !is_ascii(password)) && !poplin_capabilities_have(&client->capabilities, "UTF8", "USER"))
        return poplin_step_fail(client, POPLIN_ERR_UNSUPPORTED, nothing,
                                "name or password is not plain ASCII, which this server takes neither by AUTH PLAIN "
                                "nor by USER and PASS");
    return going_on(client, queue_own(client, POPLIN_USER));
}

static int log_in(poplin_client *client) {
    const poplin_capabilities *announced = &client->capabilities;
    if (tls_wanted(client))
        return poplin_step_fail(client, POPLIN_ERR_TLS, nothing,
                                "TLS is demanded and has not been started; submit STLS before the login");
    if (poplin_capabilities_have(announced, "SASL", "PLAIN"))
        return log_in_plain(client);
    if (announced->count == 0 || poplin_capabilities_have(announced, "USER", NULL))
        return log_in_user(client);
    return poplin_step_fail(client, POPLIN_ERR_UNSUPPORTED, nothing,
                            client->tls ? "the server offers neither AUTH PLAIN nor USER and PASS"
                                        : "the server offers neither AUTH PLAIN nor USER and PASS on this link; many "
                                          "servers do only under TLS: use pop3s:// or tls='stls'");
}

int poplin_client_login(poplin_client *client, const poplin_credentials *credentials, uint64_t tag) {
    if (client->phase != POPLIN_AUTHORIZATION || client->reading != POPLIN_READING_REPLY || client->opening.active ||
        client->quitting || client->queue.count > 0)
        return POPLIN_ERR_STATE;
    int status = begin(client, credentials, tag);
    if (status == POPLIN_OK)
        log_in(client); /* a policy that is not met fails the machine: the next event */
    return status;
}

int poplin_opening_go_on(poplin_client *client, poplin_client_event *event) {
    if (tls_wanted(client)) {
        if (poplin_capabilities_have(&client->capabilities, "STLS", NULL))
            return going_on(client, queue_own(client, POPLIN_STLS));
        return poplin_step_fail(
            client, POPLIN_ERR_UNSUPPORTED, nothing,
            "the server offers no STLS; use pop3s://, or tls='never' to send the password in clear");
    }
    if (client->opening.wants_login && client->phase == POPLIN_AUTHORIZATION)
        return log_in(client);
    return opened(client, POPLIN_OK, event);
}

/* ---- what is sent ---- */

void poplin_opening_arguments(poplin_client *client, poplin_parsed_command *line) {
    poplin_opening *opening = &client->opening;
    switch (line->verb) {
    case POPLIN_USER:
        line->argument = poplin_buffer_slice(&opening->user);
        break;
    case POPLIN_PASS:
        line->argument = poplin_buffer_slice(&opening->password);
        client->output_secret = true;
        break;
    case POPLIN_AUTH:
        line->argument = poplin_slice_of("PLAIN");
        if (opening->initial)
            line->initial = poplin_buffer_slice(&opening->response);
        client->output_secret = true;
        break;
    default:
        break;
    }
}

int poplin_opening_write_due(poplin_client *client) {
    poplin_opening *opening = &client->opening;
    bool response = opening->due == POPLIN_RESPONSE_DUE;
    poplin_slice line = response ? poplin_buffer_slice(&opening->response) : poplin_slice_of("*");
    opening->due = POPLIN_NOTHING_DUE;
    client->output_secret = true;
    if (poplin_buffer_append(&client->output, line.data, line.size) < 0)
        return POPLIN_ERR_NOMEM;
    return poplin_buffer_append(&client->output, "\r\n", 2);
}

/* ---- what is answered ---- */

/* Keeps code and words of the login's reply for OPENED, which may come later. */
static int keep_words(poplin_client *client, const poplin_status_line *status) {
    poplin_opening *opening = &client->opening;
    bool codes = client->capabilities.codes;
    poplin_slice words = poplin_opening_conceal(client, codes ? status->rest : status->text);
    opening->code = codes ? status->code : POPLIN_CODE_NONE;
    poplin_buffer_clear(&opening->said);
    return poplin_buffer_append(&opening->said, words.data, words.size);
}

/* The login was refused. Without a code that means the credentials, unless the server marks those (POP-RESP-7). */
static int refused(poplin_client *client, const poplin_status_line *line, poplin_client_event *event) {
    int status = keep_words(client, line);
    if (status < 0)
        return going_on(client, status);
    bool told = poplin_capabilities_have(&client->capabilities, "AUTH-RESP-CODE", NULL);
    enum poplin_code code = client->opening.code;
    return opened(client, code == POPLIN_CODE_NONE && !told ? POPLIN_ERR_AUTH : poplin_code_status(code), event);
}

/* The login succeeded. What depends on the user is asked for again (RFC 2449 sections 6.5 and 6.7). */
static int logged_in(poplin_client *client, const poplin_status_line *line, const char *mechanism,
                     poplin_client_event *event) {
    const poplin_capabilities *announced = &client->capabilities;
    int status = keep_words(client, line);
    if (status < 0)
        return going_on(client, status);
    client->phase = POPLIN_TRANSACTION;
    client->mechanism = mechanism;
    forget_secrets(&client->opening);
    if (poplin_capabilities_have(announced, "LOGIN-DELAY", "USER") ||
        poplin_capabilities_have(announced, "EXPIRE", "USER"))
        return going_on(client, queue_own(client, POPLIN_CAPA));
    return opened(client, POPLIN_OK, event);
}

/* PLAIN has one message, and the client begins: the only good challenge is one empty one (T-SASL-1, POP-AUTH-10). */
static int challenged(poplin_client *client, poplin_slice challenge) {
    poplin_opening *opening = &client->opening;
    if (opening->refusal != NULL)
        return poplin_step_fail(client, POPLIN_ERR_PROTOCOL, challenge, opening->refusal);
    if (opening->responded)
        opening->refusal = "the server asked for more than PLAIN has to say";
    else if (challenge.size > 0)
        opening->refusal = "the server sent a challenge where PLAIN lets the client begin";
    else if (challenge.data == NULL && client->config.strict)
        opening->refusal = "the server's empty challenge lacks its SP";
    opening->due = opening->refusal != NULL ? POPLIN_CANCEL_DUE : POPLIN_RESPONSE_DUE;
    opening->responded = true;
    return POPLIN_AGAIN;
}

static int authenticated(poplin_client *client, const poplin_status_line *status, poplin_client_event *event) {
    poplin_opening *opening = &client->opening;
    if (opening->refusal != NULL)
        return poplin_step_fail(client, POPLIN_ERR_PROTOCOL, status->text, opening->refusal);
    if (status->ok && !opening->responded)
        return poplin_step_fail(client, POPLIN_ERR_PROTOCOL, status->text,
                                "the server accepted the login before it was complete");
    poplin_step_answered(client);
    return status->ok ? logged_in(client, status, "PLAIN", event) : refused(client, status, event);
}

static int stls_answered(poplin_client *client, const poplin_status_line *status) {
    if (!status->ok)
        return poplin_step_fail(client, POPLIN_ERR_TLS, status->text,
                                "the server refused STLS; use pop3s://, or tls='never' to send the password in clear");
    poplin_step_answered(client);
    client->reading = POPLIN_STARTING_TLS;
    return POPLIN_AGAIN;
}

int poplin_opening_reply(poplin_client *client, const poplin_status_line *status, poplin_client_event *event) {
    switch (poplin_step_head(client)->verb) {
    case POPLIN_CAPA:
        if (status->ok) {
            poplin_capabilities_clear(&client->capabilities);
            client->reading = POPLIN_READING_CAPABILITIES;
            return POPLIN_AGAIN;
        }
        poplin_step_answered(client);
        return poplin_opening_go_on(client, event);
    case POPLIN_STLS:
        return stls_answered(client, status);
    case POPLIN_USER:
        poplin_step_answered(client);
        return status->ok ? going_on(client, queue_own(client, POPLIN_PASS)) : refused(client, status, event);
    case POPLIN_PASS:
        poplin_step_answered(client);
        return status->ok ? logged_in(client, status, "USER", event) : refused(client, status, event);
    default:
        return status->challenge ? challenged(client, status->text) : authenticated(client, status, event);
    }
}
