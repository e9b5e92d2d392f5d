/*
 * sasl/sasl.c - the table of mechanisms, and the way from the edge to the family that plays one.
 *
 * What holds for every mechanism stands here: who begins, and which answer fits which question.
 */
#include "sasl/family.h"
#include "wire/grammar.h"

static const struct mechanism {
    const char *name;
    enum poplin_sasl_proof proof;
    unsigned traits;
    const poplin_sasl_family *family;
} mechanisms[] = {
#define MECHANISM_ROW(id, name, proof, traits, family) {name, POPLIN_PROOF_##proof, traits, &poplin_family_##family},
    POPLIN_MECHANISM_TABLE(MECHANISM_ROW)
#undef MECHANISM_ROW
};

const char *poplin_mechanism_name(enum poplin_mechanism mechanism) {
    return mechanisms[mechanism].name;
}

enum poplin_sasl_proof poplin_mechanism_proof(enum poplin_mechanism mechanism) {
    return mechanisms[mechanism].proof;
}

unsigned poplin_mechanism_traits(enum poplin_mechanism mechanism) {
    return mechanisms[mechanism].traits;
}

enum poplin_mechanism poplin_mechanism_lookup(poplin_slice name) {
    enum poplin_mechanism found = 0;

    while (found < POPLIN_MECHANISM_COUNT && !poplin_slice_equal_nocase(name, mechanisms[found].name))
        found++;
    return found;
}

static bool client_begins(enum poplin_mechanism mechanism) {
    return (mechanisms[mechanism].traits & POPLIN_SASL_CLIENT_FIRST) != 0;
}

/* ---- the client's half ---- */

int poplin_sasl_client_new(enum poplin_mechanism mechanism, const poplin_sasl_client_config *config,
                           poplin_sasl_client **client, const char **reason) {
    const poplin_sasl_family *family = mechanisms[mechanism].family;

    *client = NULL;
    *reason = "the credentials do not fit the mechanism";
    int status = family->client_new(mechanism, config, client, reason);

    if (status != POPLIN_OK)
        return status;
    (*client)->family = family;
    (*client)->mechanism = mechanism;
    return POPLIN_OK;
}

int poplin_sasl_client_step(poplin_sasl_client *client, poplin_slice challenge, poplin_buffer *response,
                            const char **reason) {
    bool first = !client->begun;

    client->begun = true;
    *reason = "the server broke the mechanism's rules";
    if (first && client_begins(client->mechanism) && challenge.size > 0) {
        *reason = "the server began, where the client does";
        return POPLIN_ERR_PROTOCOL;
    }
    return client->family->client_step(client, challenge, response, reason);
}

bool poplin_sasl_client_is_complete(const poplin_sasl_client *client) {
    return client->complete;
}

poplin_slice poplin_sasl_client_answer(const poplin_sasl_client *client) {
    return client->family->client_answer != NULL ? client->family->client_answer(client) : (poplin_slice){NULL, 0};
}

void poplin_sasl_client_free(poplin_sasl_client *client) {
    if (client != NULL)
        client->family->client_free(client);
}

/* ---- the server's half ---- */

int poplin_sasl_server_new(enum poplin_mechanism mechanism, const poplin_sasl_server_config *config,
                           poplin_sasl_server **server) {
    const poplin_sasl_family *family = mechanisms[mechanism].family;

    *server = NULL;
    int status = family->server_new(mechanism, config, server);

    if (status != POPLIN_OK)
        return status;
    (*server)->family = family;
    (*server)->mechanism = mechanism;
    return POPLIN_OK;
}

/* Notes what the exchange wants now; one that broke off wants nothing more. */
static int go_on(poplin_sasl_server *server, int status, const poplin_sasl_turn *turn) {
    server->wish = status == POPLIN_OK ? turn->wish : POPLIN_SASL_FAILED;
    return status;
}

int poplin_sasl_server_step(poplin_sasl_server *server, poplin_slice response, poplin_sasl_turn *turn) {
    bool first = !server->begun, begins = client_begins(server->mechanism);

    *turn = (poplin_sasl_turn){.wish = POPLIN_SASL_FAILED};
    if (server->wish != POPLIN_SASL_CHALLENGE)
        return POPLIN_ERR_STATE;
    server->begun = true;
    if (first && begins && response.data == NULL) {
        turn->wish = POPLIN_SASL_CHALLENGE;
        return POPLIN_OK;
    }
    if (first && !begins && response.data != NULL) {
        turn->malformed = true;
        return go_on(server, POPLIN_OK, turn);
    }
    return go_on(server, server->family->server_step(server, response, turn), turn);
}

static int answer(poplin_sasl_server *server, enum poplin_sasl_answer given, poplin_slice secret,
                  const poplin_scram_keys *keys, poplin_sasl_turn *turn) {
    bool decides = given == POPLIN_ANSWER_YES || given == POPLIN_ANSWER_NO;
    bool asked = decides ? server->wish == POPLIN_SASL_CHECK || server->wish == POPLIN_SASL_TOKEN
                         : server->wish == POPLIN_SASL_SECRET;

    *turn = (poplin_sasl_turn){.wish = POPLIN_SASL_FAILED};
    if (!asked)
        return POPLIN_ERR_STATE;
    return go_on(server, server->family->server_answer(server, given, secret, keys, turn), turn);
}

int poplin_sasl_server_accept(poplin_sasl_server *server, poplin_sasl_turn *turn) {
    return answer(server, POPLIN_ANSWER_YES, (poplin_slice){NULL, 0}, NULL, turn);
}

int poplin_sasl_server_refuse(poplin_sasl_server *server, poplin_sasl_turn *turn) {
    return answer(server, POPLIN_ANSWER_NO, (poplin_slice){NULL, 0}, NULL, turn);
}

int poplin_sasl_server_secret(poplin_sasl_server *server, poplin_slice password, poplin_sasl_turn *turn) {
    return answer(server, POPLIN_ANSWER_SECRET, password, NULL, turn);
}

int poplin_sasl_server_keys(poplin_sasl_server *server, const poplin_scram_keys *keys, poplin_sasl_turn *turn) {
    return answer(server, POPLIN_ANSWER_KEYS, (poplin_slice){NULL, 0}, keys, turn);
}

int poplin_sasl_server_unknown(poplin_sasl_server *server, poplin_sasl_turn *turn) {
    return answer(server, POPLIN_ANSWER_UNKNOWN, (poplin_slice){NULL, 0}, NULL, turn);
}

void poplin_sasl_server_free(poplin_sasl_server *server) {
    if (server != NULL)
        server->family->server_free(server);
}
