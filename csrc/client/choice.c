/*
 * client/choice.c - which way to log in: the strongest that the server offers, the credentials allow and the link permits; policy
 * comes before strength (POP-AUTH-24). When none fits it tells what was offered, and why each was passed over.
 */
#include "client/machine.h"

#include <string.h>

/*
 * Strongest first: the mechanisms as their table has them, with USER and PASS, which say as much as PLAIN, behind it, and APOP
 * behind CRAM-MD5, which is its better form.
 */
static const unsigned order[] = {
    POPLIN_MECHANISM_SCRAM_SHA_256_PLUS,
    POPLIN_MECHANISM_SCRAM_SHA_1_PLUS,
    POPLIN_MECHANISM_SCRAM_SHA_256,
    POPLIN_MECHANISM_SCRAM_SHA_1,
    POPLIN_MECHANISM_OAUTHBEARER,
    POPLIN_MECHANISM_XOAUTH2,
    POPLIN_MECHANISM_PLAIN,
    POPLIN_WAY_USER,
    POPLIN_MECHANISM_LOGIN,
    POPLIN_MECHANISM_CRAM_MD5,
    POPLIN_WAY_APOP,
    POPLIN_MECHANISM_EXTERNAL,
    POPLIN_MECHANISM_ANONYMOUS,
};
_Static_assert(sizeof order / sizeof *order == POPLIN_WAY_COUNT, "a way is missing");

enum {
    ARGUMENT_MAX = 248,  /* octets of a name or password behind USER and PASS (POP-GEN-5) */
    APOP_NAME_MAX = 215, /* of a name that a digest follows */
    NAME_MAX_SIZE = 20,  /* of a mechanism (RFC 4422 section 3.1) */
    MECHANISMS_MAX = 64  /* LIM-8 */
};

static const char tried[] = "channel binding was tried on this connection: reconnect";

bool poplin_choice_is_free(unsigned ways) {
    return (ways & (1u << POPLIN_MECHANISM_EXTERNAL | 1u << POPLIN_MECHANISM_ANONYMOUS)) != 0;
}

bool poplin_mechanisms_need_no_secret(const char *mechanisms) {
    return mechanisms != NULL && poplin_choice_is_free(poplin_ways_parse(mechanisms));
}

/* ---- what the server offers ---- */

static bool is_offered(const poplin_client *client, unsigned way) {
    const poplin_capabilities *announced = &client->capabilities;
    if (way == POPLIN_WAY_USER) /* a server without CAPA has nothing else */
        return announced->count == 0 || poplin_capabilities_have(announced, "USER", NULL);
    if (way == POPLIN_WAY_APOP)
        return client->timestamp.size > 0;
    return poplin_capabilities_have(announced, "SASL", poplin_way_name(way));
}

/* ---- why not ---- */

static bool is_ascii(poplin_slice text) {
    for (size_t i = 0; i < text.size; i++)
        if ((unsigned char)text.data[i] > 0x7E)
            return false;
    return true;
}

/* What USER and PASS cannot carry in their lines, or APOP in its one (POP-GEN-5, POP-UTF8-4). */
static const char *why_not_in_a_line(const poplin_client *client, unsigned way) {
    poplin_slice user = poplin_buffer_slice(&client->opening.user);
    poplin_slice password = poplin_buffer_slice(&client->opening.password);
    bool utf8 = poplin_capabilities_have(&client->capabilities, "UTF8", "USER");
    poplin_slice authorize = poplin_buffer_slice(&client->opening.authorize);
    bool digest = way == POPLIN_WAY_APOP; /* of the password, which is not sent */
    if (authorize.size > 0 && !poplin_slice_equal(authorize, user))
        return "it cannot say that one user acts as another";
    if (user.size > (digest ? APOP_NAME_MAX : ARGUMENT_MAX) || (!digest && password.size > ARGUMENT_MAX))
        return "name or password is too long for its line";
    if (memchr(user.data, ' ', user.size) != NULL)
        return "the name holds a space";
    if (!utf8 && (!is_ascii(user) || (!digest && !is_ascii(password))))
        return "name or password is not plain ASCII";
    return NULL;
}

static const char *why_not_by_proof(const poplin_client *client, unsigned way) {
    const poplin_opening *opening = &client->opening;
    switch (poplin_way_proof(way)) {
    case POPLIN_PROOF_PASSWORD:
        if (opening->user.size == 0)
            return "it needs a user name";
        return opening->password.size > 0 ? NULL : "it needs a password";
    case POPLIN_PROOF_TOKEN:
        return opening->token.size > 0 ? NULL : "it needs a token";
    default:
        return NULL;
    }
}

/*
 * What the link forbids. A token never goes in clear over a network, whoever asks (RFC 7628 section 3); where passwords were
 * allowed to, by tls NEVER, that was asked for by name. APOP needs the server to be known: its digest can be guessed at
 * leisure, and its timestamp be made up to that end (T-APOP-1).
 */
static const char *why_not_by_link(const poplin_client *client, unsigned way) {
    unsigned traits = poplin_way_traits(way);
    bool protected = client->tls || client->config.link_protected;
    if ((traits & POPLIN_SASL_TLS_ONLY) != 0 && !protected)
        return "it is never used without TLS";
    if ((traits & POPLIN_SASL_SHOWS) != 0 && !protected && client->config.tls != POPLIN_TLS_NEVER)
        return "it shows the password, and there is no TLS";
    if (way == POPLIN_WAY_APOP && !client->facts.verified && !client->config.link_protected)
        return "it is used only under TLS with a verified certificate";
    if ((traits & POPLIN_SASL_BINDS) != 0 && client->bound)
        return tried;
    if ((traits & POPLIN_SASL_BINDS) != 0 && client->facts.exporter_size == 0 && client->facts.end_point_size == 0)
        return "this link has no channel binding";
    return NULL;
}

static const char *why_not(const poplin_client *client, unsigned way) {
    if ((client->ways & (1u << way)) == 0)
        return client->named ? "it is not among those to be used" : "it is used only where it is named";
    const char *reason = why_not_by_proof(client, way);
    if (reason == NULL)
        reason = why_not_by_link(client, way);
    if (reason == NULL && way >= POPLIN_MECHANISM_COUNT)
        reason = why_not_in_a_line(client, way);
    return reason;
}

/* ---- the exchange ---- */

/*
 * tls-exporter where there is one: it is TLS 1.3's own (SASL-CB-4). Mechanisms that do not bind are told as well, for the
 * "y" that brings to light who removed the -PLUS names from the list (T-SASL-11).
 */
static poplin_sasl_binding binding_of(const poplin_client *client) {
    const poplin_tls_facts *facts = &client->facts;
    if (facts->exporter_size > 0)
        return (poplin_sasl_binding){"tls-exporter", {(const char *)facts->exporter, facts->exporter_size}};
    if (facts->end_point_size > 0)
        return (poplin_sasl_binding){"tls-server-end-point", {(const char *)facts->end_point, facts->end_point_size}};
    return (poplin_sasl_binding){NULL, {NULL, 0}};
}

static bool plus_is_offered(const poplin_client *client) {
    return is_offered(client, POPLIN_MECHANISM_SCRAM_SHA_256_PLUS) ||
           is_offered(client, POPLIN_MECHANISM_SCRAM_SHA_1_PLUS);
}

/* Begins an exchange of the mechanism. OK; PROTOCOL: *reason says what it cannot carry. */
static int begin(poplin_client *client, unsigned way, const char **reason) {
    poplin_opening *opening = &client->opening;
    const poplin_sasl_client_config config = {
        .user = poplin_buffer_slice(&opening->user),
        .authorize = poplin_buffer_slice(&opening->authorize),
        .password = poplin_buffer_slice(&opening->password),
        .token = poplin_buffer_slice(&opening->token),
        .host = client->host,
        .port = client->config.port,
        .binding = binding_of(client),
        .plus_offered = plus_is_offered(client),
    };
    *reason = NULL;
    int status = poplin_sasl_client_new((enum poplin_mechanism)way, &config, &opening->exchange, reason);
    if (status == POPLIN_OK && (poplin_way_traits(way) & POPLIN_SASL_BINDS) != 0)
        client->bound = true;
    return status;
}

/* ---- what is told when none fits ---- */

/* The names passed over so far: those with the same reason stand together, and that behind the last of them. */
typedef struct passed_over {
    poplin_buffer *names;
    const char *reason; /* of the last name; NULL: there is none */
} passed_over;

static int append(poplin_buffer *text, const char *words) {
    return poplin_buffer_append(text, words, strlen(words));
}

static int tell_reason(passed_over *passed) {
    if (passed->reason == NULL)
        return POPLIN_OK;
    const char *const words[] = {" (", passed->reason, ")"};
    int status = POPLIN_OK;
    for (size_t i = 0; i < 3 && status == POPLIN_OK; i++)
        status = append(passed->names, words[i]);
    passed->reason = NULL;
    return status;
}

static int note(passed_over *passed, poplin_slice name, const char *reason) {
    bool first = passed->reason == NULL;
    int status = POPLIN_OK;
    if (!first && strcmp(passed->reason, reason) != 0)
        status = tell_reason(passed);
    if (status == POPLIN_OK && !first)
        status = append(passed->names, ", ");
    if (status == POPLIN_OK)
        status = poplin_buffer_append(passed->names, name.data, name.size);
    passed->reason = reason;
    return status;
}

/* The server's word stands in the text only where it has the form of a mechanism's name. */
static bool is_unknown_mechanism(poplin_slice word) {
    if (word.size == 0 || word.size > NAME_MAX_SIZE || poplin_way_lookup(word) != POPLIN_WAY_COUNT)
        return false;
    for (size_t i = 0; i < word.size; i++) {
        char c = word.data[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!letter && (c < '0' || c > '9') && c != '-' && c != '_')
            return false;
    }
    return true;
}

static int note_unknown(passed_over *passed, poplin_slice words) {
    int status = POPLIN_OK;
    for (size_t i = 0; i < MECHANISMS_MAX && words.size > 0 && status == POPLIN_OK; i++) {
        const char *space = memchr(words.data, ' ', words.size);
        poplin_slice word = {words.data, space != NULL ? (size_t)(space - words.data) : words.size};
        size_t taken = word.size + (space != NULL);
        if (is_unknown_mechanism(word))
            status = note(passed, word, "not known here");
        words.data += taken;
        words.size -= taken;
    }
    return status;
}

static int none_fits(const poplin_client *client, passed_over *passed) {
    poplin_capability capability;
    int status = POPLIN_OK;
    for (size_t i = 0; status == POPLIN_OK && poplin_client_capability(client, i, &capability) == POPLIN_OK; i++)
        if (poplin_slice_equal(capability.name, poplin_slice_of("SASL")))
            status = note_unknown(passed, capability.parameters);
    if (status == POPLIN_OK)
        status = tell_reason(passed);
    return status == POPLIN_OK ? POPLIN_ERR_UNSUPPORTED : status;
}

/* Begins this way. OK. UNSUPPORTED: *reason says why it does not fit. */
static int take(poplin_client *client, unsigned way, const char **reason) {
    *reason = why_not(client, way);
    if (*reason != NULL)
        return POPLIN_ERR_UNSUPPORTED;
    int status = way < POPLIN_MECHANISM_COUNT ? begin(client, way, reason) : POPLIN_OK;
    if (status != POPLIN_ERR_PROTOCOL && status != POPLIN_ERR_STATE)
        return status;
    if (*reason == NULL)
        *reason = "it cannot carry this name or secret";
    return POPLIN_ERR_UNSUPPORTED;
}

/*
 * Where channel binding was tried, everything behind it would be a step down, and just what somebody between client and
 * server would like to see after it has failed (SASL-CB-9, POP-AUTH-24).
 */
int poplin_choice_make(poplin_client *client, poplin_buffer *why) {
    passed_over passed = {.names = why};
    const char *reason = NULL;
    for (size_t i = 0; i < POPLIN_WAY_COUNT && reason != tried; i++) {
        unsigned way = order[i];
        if (!is_offered(client, way))
            continue;
        client->opening.way = way;
        int status = take(client, way, &reason);
        if (status != POPLIN_ERR_UNSUPPORTED)
            return status;
        status = note(&passed, poplin_slice_of(poplin_way_name(way)), reason);
        if (status != POPLIN_OK)
            return status;
    }
    return none_fits(client, &passed);
}
