/*
 * server/offer.h - the ways to log in that a session's settings allow, for whoever has to know before there is a session.
 */
#ifndef POPLIN_SERVER_OFFER_H
#define POPLIN_SERVER_OFFER_H

#include <poplin/session.h>

/* Those that its owner allows and that the host can be asked about, a set as in sasl/ways.h. */
unsigned poplin_offered_ways(const poplin_session_config *config);

#endif
