/*
 * tls/resume.h - sessions taken up again at a later connection, both sides.
 */
#ifndef POPLIN_TLS_RESUME_H
#define POPLIN_TLS_RESUME_H

#include "tls/filter.h"

/* A client's, before its first flight: offers the session that is kept of this peer, if there is one. */
void poplin_resume_begin(poplin_tls *tls);

/* A server's, before the handshake: has tickets issued and accepted, where that is safe. */
void poplin_resume_offer(poplin_tls *tls);

/* After the handshake: a session that was resumed is checked as a new one is. As poplin_trust_check. */
int poplin_resume_check(poplin_tls *tls);

/* A client's, at any time after the handshake: keeps the session, once what is needed to resume it has come. */
void poplin_resume_keep(poplin_tls *tls);

#endif
