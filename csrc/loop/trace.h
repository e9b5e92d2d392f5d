/*
 * loop/trace.h - how links and connections tell of themselves (poplin/trace.h).
 */
#ifndef POPLIN_LOOP_TRACE_INTERNAL_H
#define POPLIN_LOOP_TRACE_INTERNAL_H

#include "loop/internal.h"

/* Whether somebody wants to see lines of this kind. */
static inline bool poplin_loop_traces(const poplin_loop *loop, enum poplin_trace_kind kind) {
    return (loop->trace.kinds & POPLIN_TRACE_ONLY(kind)) != 0;
}

/* Whether somebody wants to see anything; or what is said. */
static inline bool poplin_loop_is_traced(const poplin_loop *loop) {
    return loop->trace.kinds != POPLIN_TRACE_NONE;
}

static inline bool poplin_loop_traces_talk(const poplin_loop *loop) {
    return (loop->trace.kinds & ~POPLIN_TRACE_ONLY(POPLIN_TRACE_NOTE)) != 0;
}

/* Gives the line to whoever wants lines of its kind. */
void poplin_loop_tell(poplin_loop *loop, const poplin_trace_line *line);

/* In words, in text, of size octets: "TLS1.3, TLS_AES_256_GCM_SHA384; certificate verified". */
void poplin_trace_tls(const poplin_tls *tls, bool server, char *text, size_t size);

/* The same of a failure: what was being done, the reason, the peer's words. */
void poplin_trace_failure(const poplin_error *error, char *text, size_t size);

/* Frees what is kept. */
void poplin_trace_free(poplin_loop *loop);

#endif
