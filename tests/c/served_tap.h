/*
 * served_tap.h - what the tests of a server with a tap share: the server, in clear or under TLS, with a scripted tap.
 */
#ifndef SERVED_TAP_H
#define SERVED_TAP_H

#include "scripted_tap.h"
#include "secured.h"
#include "served.h"

#define TAPPED_MINUTES(n) ((uint64_t)(n)*60 * 1000)

/* How the conversation begins. */
enum mode { CLEAR, BY_STLS, IMPLICIT, MODES };

struct tapped {
    struct served *served;
    struct script script;
    enum mode mode;
};

static inline void tapped_tap(struct tapped *tapped, struct served *served, enum mode mode, const struct scene *scenes,
                              size_t count) {
    static const enum poplin_tls_mode modes[] = {POPLIN_TLS_NEVER, POPLIN_TLS_STLS, POPLIN_TLS_IMPLICIT};
    *tapped = (struct tapped){.served = served, .mode = mode, .script = {.scenes = scenes, .count = count}};
    served->config.tls = modes[mode];
    served->config.credentials = mode == CLEAR ? NULL : secure.identity;
    served->config.tap = scripted_tap();
    served->config.tap_context = &tapped->script;
}

static inline void tapped_dial(struct tapped *tapped, struct raw *raw) {
    served_dial(tapped->served, raw);
    if (tapped->mode == IMPLICIT)
        assert_int_equal(raw_shake_hands(raw, secure.trust, "localhost"), POPLIN_OK);
    if (tapped->mode != BY_STLS)
        return;
    raw_expect(raw, "+OK");
    raw_say(raw, "STLS\r\n");
    raw_expect(raw, "+OK");
    assert_int_equal(raw_shake_hands(raw, secure.trust, "localhost"), POPLIN_OK);
}

static inline void tapped_login(struct tapped *tapped, struct raw *raw) {
    tapped_dial(tapped, raw);
    if (tapped->mode != BY_STLS)
        raw_expect(raw, "+OK");
    raw_say(raw, "USER alice\r\nPASS secret\r\n");
    raw_expect(raw, "+OK");
    raw_expect(raw, "+OK");
}

/* The log, from the first place where it says begin, is this. */
static inline void tapped_expect_log(struct tapped *tapped, const char *begin, const char *log) {
    const char *from = strstr(tapped->script.log, begin);
    assert_non_null(from);
    assert_string_equal(from, log);
}

static inline void tapped_expect_in_log(struct tapped *tapped, const char *words) {
    if (strstr(tapped->script.log, words) == NULL)
        fail_msg("\"%s\" is not in:\n%s", words, tapped->script.log);
}

static inline void tapped_pass(struct tapped *tapped, uint64_t milliseconds) {
    raw_settle(tapped->served->loop);
    poplin_loop_advance(tapped->served->loop, milliseconds);
    raw_settle(tapped->served->loop);
}

static inline void tapped_until_gone(struct tapped *tapped) {
    while (tapped->script.open > 0)
        served_step(tapped->served);
}

/* Ends a round of a test that has several. */
static inline void tapped_finish(struct tapped *tapped, struct raw *raw) {
    raw_close(raw);
    served_stop(tapped->served);
    assert_int_equal(tapped->script.open, 0);
}

/* The server said close_notify before it closed. */
static inline bool tapped_was_notified(struct raw *raw) {
    char octet;
    size_t got;
    return poplin_tls_read(raw->tls, &octet, 1, &got) == POPLIN_END;
}

#endif
