/*
 * traced.h - what the tests of traces share: a host that writes down each line it is told, without the peer, whose port differs from
 * run to run.
 */
#ifndef TRACED_H
#define TRACED_H

#include <inttypes.h>
#include <stdio.h>

#include <poplin/trace.h>

#include "support.h"

struct traced {
    poplin_loop *loop;
    size_t count;
    size_t size;
    char text[1 << 18]; /* "C1 > RETR 1\n" */
    char peer[300];     /* of the last line */
};

static inline void traced_write(struct traced *traced, const poplin_trace_line *line) {
    const char *peer = line->connection > 0 ? line->peer : "-";
    char buffer[POPLIN_TRACE_LINE_MAX];
    int written = snprintf(traced->text + traced->size, sizeof traced->text - traced->size, "%c%" PRIu64 " %c %s\n",
                           line->server ? 'S' : 'C', line->connection, "><-"[line->kind], line -> text);

    assert_true(strlen(line->text) < POPLIN_TRACE_MAX);
    assert_non_null(strstr(poplin_trace_format(line, buffer, sizeof buffer), peer));
    copy_text(traced->peer, sizeof traced->peer, line->peer);
    traced->size += (size_t)written;
    traced->count++;
    assert_true(traced->size < sizeof traced->text);
}

/* What poplin_loop_trace is given. */
static inline void traced_line(void *context, const poplin_trace_line *line) {
    traced_write(context, line);
}

static inline void traced_begin(struct traced *traced, poplin_loop *loop, unsigned kinds) {
    traced->loop = loop;
    traced->size = traced->count = 0;
    traced->text[0] = '\0';
    assert_int_equal(poplin_loop_trace(loop, kinds, traced_line, traced), POPLIN_OK);
}

/* The lines were these, in this order, among others of the same loop. */
static inline void traced_expect(const struct traced *traced, const char *const *lines) {
    const char *at = traced->text;

    for (; *lines != NULL; lines++) {
        const char *found = strstr(at, *lines);
        if (found == NULL)
            fail_msg("\"%s\" does not follow in:\n%s", *lines, traced->text);
        at = found + strlen(*lines);
    }
}

#define TRACED_EXPECT(traced, ...) traced_expect(traced, (const char *const[]){__VA_ARGS__, NULL})

static inline void traced_lack(const struct traced *traced, const char *text) {
    if (strstr(traced->text, text) != NULL)
        fail_msg("\"%s\" is in:\n%s", text, traced->text);
}

#endif
