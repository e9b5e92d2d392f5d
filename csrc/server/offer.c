/*
 * server/offer.c - which ways to log in a session offers: those that its owner allows, that the host can be asked about, and that
 * the link permits as it is now (RFC 8314 section 4.1, RFC 5034 section 4).
 */
#include "server/machine.h"

#include <stdio.h>

#include "sasl/apop.h"
#include "server/offer.h"

enum { ASKS_SHOWN = POPLIN_ASK_CHECK | POPLIN_ASK_SECRET | POPLIN_ASK_KEYS };

/* Whether the host can be asked about it. */
static bool can_be_asked(unsigned way, unsigned asks, bool named) {
    unsigned traits = poplin_way_traits(way);

    switch (poplin_way_proof(way)) {
    case POPLIN_PROOF_TOKEN:
        return (asks & POPLIN_ASK_TOKEN) != 0;
    case POPLIN_PROOF_EXTERNAL:
    case POPLIN_PROOF_NONE:
        return true;
    case POPLIN_PROOF_PASSWORD:
        break;
    }
    if ((traits & POPLIN_SASL_NEEDS_SECRET) != 0 || (asks & POPLIN_ASK_SECRET) != 0)
        return (asks & POPLIN_ASK_SECRET) != 0;
    if ((traits & POPLIN_SASL_SHOWS) != 0)
        return (asks & ASKS_SHOWN) != 0;
    bool short_hash = way == POPLIN_MECHANISM_SCRAM_SHA_1 || way == POPLIN_MECHANISM_SCRAM_SHA_1_PLUS;

    return (asks & POPLIN_ASK_KEYS) != 0 && (named || !short_hash);
}

/* Those of the allowed ones that the host can be asked about. */
static unsigned offered_of(unsigned allowed, const poplin_session_config *config) {
    unsigned offered = 0;

    for (unsigned way = 0; way < POPLIN_WAY_COUNT; way++)
        if ((allowed & 1u << way) != 0 && can_be_asked(way, config->asks, config->mechanisms != NULL))
            offered |= 1u << way;
    return offered;
}

unsigned poplin_offered_ways(const poplin_session_config *config) {
    return offered_of(poplin_ways_parse(config->mechanisms), config);
}

int poplin_turn_set_ways(poplin_session *session, const poplin_session_config *config) {
    unsigned allowed = poplin_ways_parse(config->mechanisms);

    session->ways = offered_of(allowed, config);
    return allowed != 0 ? POPLIN_OK : POPLIN_ERR_UNSUPPORTED;
}

int poplin_turn_make_timestamp(poplin_session *session) {
    if ((session->ways & 1u << POPLIN_WAY_APOP) == 0)
        return POPLIN_OK;
    return poplin_apop_make_timestamp(session->host, &session->timestamp);
}

const char *poplin_turn_why_not(const poplin_session *session, unsigned way) {
    const poplin_session_config *config = &session->config;

    if (way == POPLIN_WAY_COUNT)
        return "unknown mechanism";
    if ((session->ways & 1u << way) == 0)
        return way < POPLIN_MECHANISM_COUNT ? "unknown mechanism" : "not offered here";
    unsigned traits = poplin_way_traits(way);
    unsigned guarded = config->allow_cleartext ? POPLIN_SASL_TLS_ONLY : POPLIN_SASL_TLS_ONLY | POPLIN_SASL_SHOWS;

    if ((traits & guarded) != 0 && !session->tls && !config->link_protected)
        return config->stls ? "no passwords without TLS: use STLS first" : "not offered here";
    if ((traits & POPLIN_SASL_BINDS) != 0 && !session->binds)
        return "no channel binding on this connection";
    if (way == POPLIN_MECHANISM_EXTERNAL && !session->certified)
        return "the client has shown no certificate that names a user";
    return NULL;
}

void poplin_turn_write_offers(poplin_session *session) {
    char names[256] = "";
    size_t used = 0;

    if (poplin_turn_why_not(session, POPLIN_WAY_USER) == NULL)
        poplin_turn_reply(session, "USER");
    for (unsigned way = 0; way < POPLIN_MECHANISM_COUNT; way++)
        if (poplin_turn_why_not(session, way) == NULL)
            used += (size_t)snprintf(names + used, sizeof names - used, " %s", poplin_way_name(way));
    if (used > 0)
        poplin_turn_reply(session, "SASL%s", names);
}
