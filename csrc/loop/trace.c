/*
 * loop/trace.c - where the lines of a trace go: to the host's function, or into a queue of bounded size.
 */
#include "loop/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "wire/grammar.h"

/* Octets of lines that are kept for a host that does not take them. */
enum { KEPT_MAX = 1 << 20 };

/* What stands in the queue before peer and text, each of which ends in NUL. */
typedef struct kept_line {
    enum poplin_trace_kind kind;
    bool server;
    uint64_t connection;
    size_t peer_size, text_size;
} kept_line;

int poplin_loop_trace(poplin_loop *loop, unsigned kinds, void (*function)(void *context, const poplin_trace_line *line),
                      void *context) {
    struct poplin_tracing *trace = &loop->trace;
    if (!poplin_loop_is_ours(loop))
        return POPLIN_ERR_STATE;
    trace->kinds = kinds & POPLIN_TRACE_ALL;
    trace->function = function;
    trace->context = context;
    return POPLIN_OK;
}

void poplin_trace_free(poplin_loop *loop) {
    poplin_buffer_free(&loop->trace.kept);
}

/* ---- lines that are kept ---- */

static void keep(struct poplin_tracing *trace, const poplin_trace_line *line) {
    const kept_line kept = {line->kind, line->server, line->connection, strlen(line->peer) + 1, strlen(line->text) + 1};
    const size_t size = sizeof kept + kept.peer_size + kept.text_size;
    char *place = NULL;
    if (trace->lost == 0 && trace->kept.size - trace->taken + size <= KEPT_MAX)
        place = poplin_buffer_reserve(&trace->kept, size);
    if (place == NULL) {
        trace->lost++;
        return;
    }
    memcpy(place, &kept, sizeof kept);
    memcpy(place + sizeof kept, line->peer, kept.peer_size);
    memcpy(place + sizeof kept + kept.peer_size, line->text, kept.text_size);
    poplin_buffer_grow(&trace->kept, size);
}

/* Behind all that was kept stands how much was not. */
static int tell_lost(struct poplin_tracing *trace, poplin_trace_line *line) {
    if (trace->lost == 0)
        return POPLIN_END;
    (void)snprintf(trace->lost_text, sizeof trace->lost_text, "%" PRIu64 " lines of the trace were not kept",
                   trace->lost);
    trace->lost = 0;
    *line = (poplin_trace_line){.kind = POPLIN_TRACE_NOTE, .peer = "", .text = trace->lost_text};
    return POPLIN_OK;
}

int poplin_loop_trace_next(poplin_loop *loop, poplin_trace_line *line) {
    struct poplin_tracing *trace = &loop->trace;
    kept_line kept;
    poplin_buffer_consume(&trace->kept, trace->taken);
    trace->taken = 0;
    if (trace->kept.size == 0) {
        poplin_buffer_free(&trace->kept);
        return tell_lost(trace, line);
    }
    const char *place = poplin_buffer_slice(&trace->kept).data;
    memcpy(&kept, place, sizeof kept);
    *line = (poplin_trace_line){
        .kind = kept.kind,
        .server = kept.server,
        .connection = kept.connection,
        .peer = place + sizeof kept,
        .text = place + sizeof kept + kept.peer_size,
    };
    trace->taken = sizeof kept + kept.peer_size + kept.text_size;
    return POPLIN_OK;
}

void poplin_loop_tell(poplin_loop *loop, const poplin_trace_line *line) {
    struct poplin_tracing *trace = &loop->trace;
    if (!poplin_loop_traces(loop, line->kind) || trace->telling || !poplin_loop_is_ours(loop))
        return;
    if (trace->function == NULL) {
        keep(trace, line);
        return;
    }
    trace->telling = true;
    trace->function(trace->context, line);
    trace->telling = false;
}

/* ---- words ---- */

static const char *proof_words(enum poplin_tls_proof proof, bool server) {
    static const char *const words[POPLIN_TLS_PROOF_COUNT] = {
        [POPLIN_TLS_PROOF_NONE] = "certificate not verified",
        [POPLIN_TLS_PROOF_CA] = "certificate verified",
        [POPLIN_TLS_PROOF_CA_AND_PIN] = "certificate and pinned key verified",
        [POPLIN_TLS_PROOF_PIN] = "pinned key verified, certificate not",
        [POPLIN_TLS_PROOF_FIRST_USE] = "key seen for the first time and kept",
        [POPLIN_TLS_PROOF_KNOWN_KEY] = "key known from an earlier contact",
    };
    if (server)
        return proof == POPLIN_TLS_PROOF_NONE ? NULL : "client certificate verified";
    return (unsigned)proof < POPLIN_TLS_PROOF_COUNT ? words[proof] : NULL;
}

void poplin_trace_tls(const poplin_tls *tls, bool server, char *text, size_t size) {
    poplin_tls_info info;
    if (poplin_tls_get_info(tls, &info) != POPLIN_OK) {
        (void)snprintf(text, size, "TLS");
        return;
    }
    const char *proof = proof_words(info.proof, server);
    (void)snprintf(text, size, "%s, %s%s%s%s", info.version, info.cipher, info.resumed ? ", resumed" : "",
                   proof != NULL ? "; " : "", proof != NULL ? proof : "");
}

void poplin_trace_failure(const poplin_error *error, char *text, size_t size) {
    const char *reason = error->reason[0] != '\0' ? error->reason : poplin_status_text(error->status);
    bool doing = error->doing[0] != '\0', peer = error->peer[0] != '\0';
    (void)snprintf(text, size, "%s%s%s%s%s%s", doing ? error->doing : "", doing ? ": " : "", reason,
                   peer ? "; the peer said: \"" : "", error->peer, peer ? "\"" : "");
}

const char *poplin_trace_format(const poplin_trace_line *line, char *buffer, size_t size) {
    static const char signs[] = {[POPLIN_TRACE_SENT] = '>', [POPLIN_TRACE_RECEIVED] = '<', [POPLIN_TRACE_NOTE] = '-'};
    if (line->connection == 0)
        (void)snprintf(buffer, size, "- %s", line->text);
    else
        (void)snprintf(buffer, size, "%c %s #%" PRIu64 " %c %s", line->server ? 'S' : 'C', line->peer, line->connection,
                       signs[line->kind], line->text);
    return buffer;
}
