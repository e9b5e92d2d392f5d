/*
 * sasl/oauth.c - OAUTHBEARER (RFC 7628) and XOAUTH2, which Google and Microsoft wrote before it: a token of OAuth 2
 * in a list of keys and values, each closed by the octet 0x01.
 *
 * A refused token is told by one challenge in JSON, which the client answers with as good as nothing, and only then
 * by -ERR. The client keeps that JSON as the octets that came: what they mean is for who asked for the token to find
 * out.
 */
#include "sasl/exchange.h"
#include "wire/grammar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLOSE = 1, ANSWER_MAX = 8192 };

/* ---- the client's half ---- */

typedef struct oauth_client {
    poplin_sasl_client head;
    poplin_buffer message;
    poplin_buffer answer; /* the server's */
    bool said, refused;
} oauth_client;

static void client_free(poplin_sasl_client *client) {
    oauth_client *oauth = (oauth_client *)client;

    poplin_buffer_free(&oauth->message);
    poplin_buffer_free(&oauth->answer);
    free(oauth);
}

/*
 * Visible ASCII: more than RFC 6750's characters, which not every provider keeps to, and nothing that could end a
 * value.
 */
static bool is_token(poplin_slice token) {
    for (size_t i = 0; i < token.size; i++)
        if (token.data[i] < 0x21 || token.data[i] > 0x7E)
            return false;
    return token.size > 0;
}

/* The name in the message is whose mail is asked for; in OAUTHBEARER it may stay away (RFC 7628 section 3.1). */
static int check_config(enum poplin_mechanism mechanism, poplin_slice name, const poplin_sasl_client_config *config,
                        const char **reason) {
    bool optional = mechanism == POPLIN_MECHANISM_OAUTHBEARER && name.size == 0;
    int status = optional ? POPLIN_OK : poplin_check_field(name, reason);

    if (status != POPLIN_OK)
        return status;
    if (config->token.data == NULL)
        return POPLIN_ERR_STATE;
    if (poplin_has_control(name) || (config->host != NULL && poplin_has_control(poplin_slice_of(config->host))))
        *reason = "a user or host name has a control character in it";
    else if (config->token.size > POPLIN_MESSAGE_MAX)
        *reason = "the token is too long for one message";
    else if (!is_token(config->token))
        *reason = "a token is visible ASCII without spaces, and not empty";
    else
        return POPLIN_OK;
    return POPLIN_ERR_PROTOCOL;
}

static int append(poplin_buffer *message, poplin_slice text) {
    return text.size > 0 ? poplin_buffer_append(message, text.data, text.size) : POPLIN_OK;
}

/* As SCRAM writes names (RFC 5801 section 4). */
static int append_escaped(poplin_buffer *message, poplin_slice name) {
    int status = POPLIN_OK;

    for (size_t i = 0; i < name.size && status == POPLIN_OK; i++) {
        char octet = name.data[i];

        if (octet == ',' || octet == '=')
            status = poplin_buffer_append(message, octet == ',' ? "=2C" : "=3D", 3);
        else
            status = poplin_buffer_append(message, &octet, 1);
    }
    return status;
}

/* "n,a=name,", and where the client believes itself to be. */
static int write_bearer_head(poplin_buffer *message, poplin_slice name, const poplin_sasl_client_config *config) {
    char port[sizeof "\1port=65535"];
    int size = snprintf(port, sizeof port, "\1port=%u", (unsigned)config->port);
    int status = append(message, poplin_slice_of(name.size > 0 ? "n,a=" : "n,"));

    if (status == POPLIN_OK)
        status = append_escaped(message, name);
    if (status == POPLIN_OK)
        status = append(message, poplin_slice_of(","));
    if (status == POPLIN_OK && config->host != NULL)
        status = append(message, poplin_slice_of("\1host="));
    if (status == POPLIN_OK && config->host != NULL)
        status = append(message, poplin_slice_of(config->host));
    if (status == POPLIN_OK && config->port > 0)
        status = append(message, (poplin_slice){port, (size_t)size});
    return status;
}

static int write_message(enum poplin_mechanism mechanism, poplin_slice name, const poplin_sasl_client_config *config,
                         poplin_buffer *message) {
    int status = POPLIN_OK;

    /* Room for all, so that no half of a token is moved about. */
    if (poplin_buffer_reserve(message, name.size * 3 + config->token.size + 1024) == NULL)
        return POPLIN_ERR_NOMEM;
    if (mechanism == POPLIN_MECHANISM_OAUTHBEARER) {
        status = write_bearer_head(message, name, config);
    } else {
        status = append(message, poplin_slice_of("user="));
        if (status == POPLIN_OK)
            status = append(message, name);
    }
    if (status == POPLIN_OK)
        status = append(message, poplin_slice_of("\1auth=Bearer "));
    if (status == POPLIN_OK)
        status = append(message, config->token);
    if (status == POPLIN_OK)
        status = append(message, poplin_slice_of("\1\1"));
    return status;
}

static int client_new(enum poplin_mechanism mechanism, const poplin_sasl_client_config *config,
                      poplin_sasl_client **client, const char **reason) {
    const poplin_slice name = config->authorize.size > 0 ? config->authorize : config->user;
    int status = check_config(mechanism, name, config, reason);

    if (status != POPLIN_OK)
        return status;

    oauth_client *oauth = calloc(1, sizeof *oauth);

    if (oauth == NULL)
        return POPLIN_ERR_NOMEM;
    status = write_message(mechanism, name, config, &oauth->message);
    if (status == POPLIN_OK && oauth->message.size > POPLIN_MESSAGE_MAX) {
        *reason = "name and token are too long for one message";
        status = POPLIN_ERR_PROTOCOL;
    }
    if (status == POPLIN_OK)
        *client = &oauth->head;
    else
        client_free(&oauth->head);
    return status;
}

/* Keeps what the server says against the token, cut to size, and answers it once (RFC 7628 section 3.2.3). */
static int take_refusal(oauth_client *oauth, poplin_slice challenge, poplin_buffer *response) {
    oauth->refused = true;
    oauth->head.complete = false;
    if (challenge.size > ANSWER_MAX)
        challenge.size = ANSWER_MAX;
    if (append(&oauth->answer, challenge) != POPLIN_OK)
        return POPLIN_ERR_NOMEM;
    return oauth->head.mechanism == POPLIN_MECHANISM_OAUTHBEARER ? append(response, poplin_slice_of("\1")) : POPLIN_OK;
}

static int client_step(poplin_sasl_client *client, poplin_slice challenge, poplin_buffer *response,
                       const char **reason) {
    oauth_client *oauth = (oauth_client *)client;

    if (oauth->refused) {
        *reason = "the server refuses the token a second time";
        return POPLIN_ERR_PROTOCOL;
    }
    if (oauth->said)
        return take_refusal(oauth, challenge, response);
    if (append(response, poplin_buffer_slice(&oauth->message)) != POPLIN_OK)
        return POPLIN_ERR_NOMEM;
    poplin_buffer_clear(&oauth->message);
    oauth->said = true;
    client->complete = true;
    return POPLIN_OK;
}

static poplin_slice client_answer(const poplin_sasl_client *client) {
    return poplin_buffer_slice(&((const oauth_client *)client)->answer);
}

/* ---- the server's half ---- */

typedef struct oauth_server {
    poplin_exchange_server exchange; /* secret is the token */
    poplin_buffer host;              /* with its NUL; empty: any */
    uint16_t port;                   /* 0: any */
    bool refused;                    /* the challenge in JSON is out */
} oauth_server;

static void server_free(poplin_sasl_server *server) {
    oauth_server *oauth = (oauth_server *)server;

    poplin_exchange_server_wipe(&oauth->exchange);
    poplin_buffer_free(&oauth->host);
    free(oauth);
}

static int server_new(enum poplin_mechanism mechanism, const poplin_sasl_server_config *config,
                      poplin_sasl_server **server) {
    oauth_server *oauth = calloc(1, sizeof *oauth);

    (void)mechanism;
    if (oauth == NULL)
        return POPLIN_ERR_NOMEM;
    oauth->port = config->port;
    if (config->host != NULL &&
        poplin_buffer_append(&oauth->host, config->host, strlen(config->host) + 1) != POPLIN_OK) {
        server_free(&oauth->exchange.head);
        return POPLIN_ERR_NOMEM;
    }
    *server = &oauth->exchange.head;
    return POPLIN_OK;
}

/* The values of a message; data is NULL where one is not there. */
typedef struct oauth_message {
    poplin_slice user, auth, host, port;
} oauth_message;

static poplin_slice *value_of(oauth_message *message, poplin_slice key, bool bearer) {
    if (poplin_slice_equal(key, poplin_slice_of("auth")))
        return &message->auth;
    if (!bearer)
        return poplin_slice_equal(key, poplin_slice_of("user")) ? &message->user : NULL;
    if (poplin_slice_equal(key, poplin_slice_of("host")))
        return &message->host;
    return poplin_slice_equal(key, poplin_slice_of("port")) ? &message->port : NULL;
}

/*
 * Reads "key=value" 0x01 until a lone 0x01, which ends the message. Unknown keys are passed over (RFC 7628 section
 * 3.1).
 */
static int read_pairs(poplin_slice rest, bool bearer, oauth_message *message) {
    poplin_slice pair, key;

    for (;;) {
        if (!poplin_take_field(&rest, CLOSE, &pair))
            return POPLIN_ERR_PROTOCOL;
        if (pair.size == 0)
            return rest.size == 0 && message->auth.data != NULL ? POPLIN_OK : POPLIN_ERR_PROTOCOL;
        if (!poplin_take_field(&pair, '=', &key) || key.size == 0)
            return POPLIN_ERR_PROTOCOL;

        poplin_slice *value = value_of(message, key, bearer);
        if (value != NULL && value->data != NULL) /* twice: which of them would count? */
            return POPLIN_ERR_PROTOCOL;
        if (value != NULL)
            *value = pair;
    }
}

/*
 * "n,a=name," 0x01: the name may be missing, channel binding may not be there (RFC 7628 section 3.1, RFC 5801 section
 * 4).
 */
static bool take_head(poplin_slice *rest, poplin_slice *name) {
    poplin_slice flag, nothing;

    if (!poplin_take_field(rest, ',', &flag) || flag.size != 1 || (flag.data[0] != 'n' && flag.data[0] != 'y'))
        return false;
    if (!poplin_take_field(rest, ',', name) || !poplin_take_field(rest, CLOSE, &nothing) || nothing.size > 0)
        return false;
    if (name->size == 0)
        return true;
    if (name->size < 3 || memcmp(name->data, "a=", 2) != 0)
        return false;
    *name = (poplin_slice){name->data + 2, name->size - 2};
    return true;
}

/* Appends the name that "=2C" and "=3D" spell. */
static int append_unescaped(poplin_buffer *name, poplin_slice escaped) {
    for (size_t i = 0; i < escaped.size; i++) {
        char octet = escaped.data[i];

        if (octet == '=') {
            if (escaped.size - i < 3)
                return POPLIN_ERR_PROTOCOL;
            if (memcmp(&escaped.data[i], "=2C", 3) == 0)
                octet = ',';
            else if (memcmp(&escaped.data[i], "=3D", 3) != 0)
                return POPLIN_ERR_PROTOCOL;
            i += 2;
        }
        if (poplin_buffer_append(name, &octet, 1) != POPLIN_OK)
            return POPLIN_ERR_NOMEM;
    }
    return POPLIN_OK;
}

static int read_bearer(poplin_slice text, oauth_message *message, poplin_buffer *name) {
    poplin_slice escaped;

    if (!take_head(&text, &escaped) || escaped.size > (size_t)POPLIN_FIELD_MAX * 3)
        return POPLIN_ERR_PROTOCOL;
    int status = append_unescaped(name, escaped);
    message->user = poplin_buffer_slice(name);
    return status == POPLIN_OK ? read_pairs(text, true, message) : status;
}

static bool fits(const oauth_server *oauth, const oauth_message *message) {
    poplin_slice port = message->port;
    uint64_t number;

    if (message->host.data != NULL && oauth->host.size > 0 &&
        !poplin_slice_equal_nocase(message->host, poplin_buffer_slice(&oauth->host).data))
        return false;
    if (port.data == NULL)
        return true;
    return poplin_number_take(&port, UINT16_MAX, &number) == POPLIN_OK && port.size == 0 &&
           (oauth->port == 0 || number == oauth->port);
}

/* The token behind "Bearer" and its spaces. False: another scheme, no token, or no text of one. */
static bool take_token(poplin_slice *auth) {
    poplin_slice scheme;

    if (!poplin_take_field(auth, ' ', &scheme) || !poplin_slice_equal_nocase(scheme, "Bearer"))
        return false;
    while (auth->size > 0 && auth->data[0] == ' ')
        auth->data++, auth->size--;
    return is_token(*auth);
}

static void refuse(oauth_server *oauth, poplin_sasl_turn *turn) {
    bool bearer = oauth->exchange.head.mechanism == POPLIN_MECHANISM_OAUTHBEARER;

    oauth->refused = true;
    poplin_sasl_challenge(turn, poplin_slice_of(bearer ? "{\"status\":\"invalid_token\"}"
                                                       : "{\"status\":\"401\",\"schemes\":\"bearer\"}"));
}

/* Well-formed, but for another server, is refused as any wrong proof is. */
static int use(oauth_server *oauth, oauth_message *message, bool bearer, poplin_sasl_turn *turn) {
    poplin_exchange_server *exchange = &oauth->exchange;
    int status = fits(oauth, message) ? POPLIN_OK : POPLIN_ERR_AUTH;

    if (status == POPLIN_OK && !(bearer && message->user.size == 0))
        status = poplin_prepare_field(message->user, &exchange->user);
    if (status != POPLIN_OK)
        return status;
    if (!take_token(&message->auth)) {
        refuse(oauth, turn);
        return POPLIN_OK;
    }
    status = append(&exchange->secret, message->auth);
    if (status == POPLIN_OK)
        poplin_sasl_ask(turn, POPLIN_SASL_TOKEN, exchange);
    return status;
}

static int server_step(poplin_sasl_server *server, poplin_slice response, poplin_sasl_turn *turn) {
    oauth_server *oauth = (oauth_server *)server;
    bool bearer = server->mechanism == POPLIN_MECHANISM_OAUTHBEARER;
    oauth_message message = {0};
    poplin_buffer name = {0};

    if (oauth->refused) /* whatever the client says to that */
        return poplin_sasl_settle(turn, POPLIN_ERR_AUTH);
    int status = bearer ? read_bearer(response, &message, &name) : read_pairs(response, false, &message);
    if (status == POPLIN_OK)
        status = use(oauth, &message, bearer, turn);
    poplin_buffer_free(&name);
    return poplin_sasl_settle(turn, status);
}

static int server_answer(poplin_sasl_server *server, enum poplin_sasl_answer answer, poplin_slice secret,
                         const poplin_scram_keys *keys, poplin_sasl_turn *turn) {
    if (answer == POPLIN_ANSWER_YES)
        return poplin_exchange_server_answer(server, answer, secret, keys, turn);

    oauth_server *oauth = (oauth_server *)server;

    poplin_buffer_free(&oauth->exchange.secret);
    refuse(oauth, turn);
    return POPLIN_OK;
}

const poplin_sasl_family poplin_family_oauth = {
    .client_new = client_new,
    .client_step = client_step,
    .client_answer = client_answer,
    .client_free = client_free,
    .server_new = server_new,
    .server_step = server_step,
    .server_answer = server_answer,
    .server_free = server_free,
};
