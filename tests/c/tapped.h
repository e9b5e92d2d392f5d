/*
 * tapped.h - a kit's tap driven by hand, as a server drives it: what is said and answered is what the test says.
 */
#ifndef TAPPED_H
#define TAPPED_H

#include <stdio.h>

#include <poplin/testkit.h>

#include "support.h"
#include "wire/grammar.h"

static inline poplin_testkit *tapped_kit(size_t sessions_kept, size_t exchanges_kept) {
    poplin_testkit_config config;
    poplin_testkit *kit;
    poplin_testkit_config_init(&config);
    config.sessions_kept = sessions_kept;
    config.exchanges_kept = exchanges_kept;
    assert_int_equal(poplin_testkit_new(&config, &kit), POPLIN_OK);
    return kit;
}

static inline int tapped_reply(void *tap, const char *reply, bool last) {
    return poplin_testkit_tap()->reply(tap, poplin_slice_of(reply), last);
}

/* Sends what there is to send, at most so many octets of it. */
static inline enum poplin_tap_step tapped_send(void *tap, size_t size) {
    enum poplin_tap_step step;
    poplin_slice octets;
    uint32_t milliseconds;
    while ((step = poplin_testkit_tap()->next(tap, &octets, &milliseconds)) == POPLIN_TAP_SEND && size > 0) {
        size_t taken = octets.size < size ? octets.size : size;
        poplin_testkit_tap()->sent(tap, taken);
        size -= taken;
    }
    return step;
}

/* A client has come and has its greeting. */
static inline void *tapped_open(poplin_testkit *kit) {
    void *tap;
    assert_int_equal(poplin_testkit_tap()->opened(kit, "127.0.0.1:4000", &tap), POPLIN_OK);
    assert_int_equal(tapped_reply(tap, "+OK ready\r\n", true), POPLIN_OK);
    (void)tapped_send(tap, SIZE_MAX);
    return tap;
}

/* The client says this, about the message with this unique-id ("id-2" for message 2). */
static inline enum poplin_verdict tapped_command(void *tap, const char *line) {
    poplin_parsed_command parsed;
    poplin_slice substitute;
    char unique_id[32] = "";
    (void)poplin_command_parse(poplin_slice_of(line), &parsed);
    if (parsed.number > 0)
        snprintf(unique_id, sizeof unique_id, "id-%u", parsed.number);
    const poplin_tap_command command = {
        .verb = parsed.verb,
        .number = parsed.number,
        .unique_id = poplin_slice_of(unique_id),
        .line = poplin_slice_of(line),
        .shown = parsed.verb == POPLIN_PASS ? "PASS ****" : line,
        .secret = parsed.verb == POPLIN_PASS,
    };
    return poplin_testkit_tap()->command(tap, &command, &substitute);
}

/* The same, and is answered; nothing is sent. */
static inline void tapped_exchange(void *tap, const char *line, const char *reply) {
    bool skipped = tapped_command(tap, line) == POPLIN_SKIP;
    (void)tapped_reply(tap, skipped ? "" : reply, true);
}

/* The same, and it is sent. */
static inline void tapped_say(void *tap, const char *line, const char *reply) {
    tapped_exchange(tap, line, reply);
    (void)tapped_send(tap, SIZE_MAX);
}

static inline void tapped_end(void *tap, enum poplin_outcome outcome) {
    poplin_testkit_tap()->ended(tap, outcome, NULL);
}

static inline void tapped_close(void *tap) {
    poplin_testkit_tap()->closed(tap);
}

/* Says QUIT, is answered, and is gone. */
static inline void tapped_quit(void *tap) {
    (void)tapped_command(tap, "QUIT");
    tapped_end(tap, POPLIN_COMMITTED);
    (void)tapped_reply(tap, "+OK bye\r\n", true);
    (void)tapped_send(tap, SIZE_MAX);
    tapped_close(tap);
}

/* The record at index, to be freed. */
static inline poplin_record *tapped_record(poplin_testkit *kit, size_t index) {
    poplin_record *record;
    assert_int_equal(poplin_testkit_record(kit, index, &record), POPLIN_OK);
    return record;
}

/* The id of a fault that is added. */
static inline uint64_t tapped_fault(poplin_testkit *kit, const char *text) {
    poplin_fault_handle handle;
    poplin_error error;
    if (poplin_testkit_add_fault_text(kit, text, &handle, &error) != POPLIN_OK)
        fail_msg("%s: %s", text, error.reason);
    free(handle.name);
    return handle.id;
}

#endif
