/*
 * kitted.h - what the tests of the testkit share: a server on maildrops in memory with a kit as its tap, and looks into the
 * kit's records.
 */
#ifndef KITTED_H
#define KITTED_H

#include <poplin/testkit.h>

#include "served.h"

struct kitted {
    struct served *served;
    poplin_testkit *kit;
    char ids[16][POPLIN_UNIQUE_ID_MAX + 1]; /* of alice's messages */
    size_t messages;
    poplin_record *record; /* the last one looked at */
};

/* The kit knows alice's password, "secret", and is the tap of the server that will be started. */
static inline void kitted_init(struct kitted *kitted, struct served *served) {
    poplin_slice secret = SLICE("secret");
    poplin_testkit_config config;
    *kitted = (struct kitted){.served = served};
    poplin_testkit_config_init(&config);
    config.secrets = &secret;
    config.secret_count = 1;
    assert_int_equal(poplin_testkit_new(&config, &kitted->kit), POPLIN_OK);
    served->config.tap = poplin_testkit_tap();
    served->config.tap_context = kitted->kit;
}

static inline void kitted_free(struct kitted *kitted) {
    served_stop(kitted->served);
    poplin_record_free(kitted->record);
    poplin_testkit_free(kitted->kit);
}

/* Alice has as many messages, "message n" with so many lines of 10 octets behind it. */
static inline void kitted_start(struct kitted *kitted, size_t messages, size_t lines) {
    struct served *served = kitted->served;
    char *text = malloc(32 + 10 * lines);
    assert_non_null(text);
    for (size_t i = 0; i < messages; i++) {
        size_t size = (size_t)snprintf(text, 32, "message %zu\r\n", i + 1);
        for (size_t line = 0; line < lines; line++, size += 10)
            memcpy(text + size, "0123 567\r\n", 10);
        assert_int_equal(poplin_memory_deliver(served->memory, SLICE("alice"), text, size, kitted->ids[i]), POPLIN_OK);
    }
    free(text);
    kitted->messages = messages;
    served_start(served, poplin_memory_backend(), served->memory);
}

static inline void kitted_fault(struct kitted *kitted, const char *text) {
    poplin_error error;
    if (poplin_testkit_add_fault_text(kitted->kit, text, NULL, &error) != POPLIN_OK)
        fail_msg("%s: %s", text, error.reason);
}

/* The session at index, until the next look. */
static inline const poplin_record *kitted_look(struct kitted *kitted, size_t index) {
    poplin_record_free(kitted->record);
    assert_int_equal(poplin_testkit_record(kitted->kit, index, &kitted->record), POPLIN_OK);
    return kitted->record;
}

/* Steps until no session is open, then looks at the one at index. */
static inline const poplin_record *kitted_ended(struct kitted *kitted, size_t index) {
    served_until_sessions(kitted->served, 0);
    return kitted_look(kitted, index);
}

static inline void expect_unique_ids(const char *const *unique_ids, size_t count, const char *const *expected) {
    for (size_t i = 0; i < count; i++) {
        assert_non_null(unique_ids[i]);
        assert_string_equal(unique_ids[i], expected[i]);
    }
    assert_null(unique_ids[count]);
}

/* The exchange at index is this command with this reply. */
static inline const poplin_exchange *expect_exchange(const poplin_record *record, size_t index, const char *command,
                                                     const char *reply) {
    assert_true(index < record->exchange_count);
    assert_string_equal(record->exchanges[index].command, command);
    assert_string_equal(record->exchanges[index].reply, reply);
    return &record->exchanges[index];
}

static inline void expect_contains(const char *text, const char *part) {
    if (text == NULL || strstr(text, part) == NULL)
        fail_msg("expected \"%s\" in:\n%s", part, text == NULL ? "(nothing)" : text);
}

/* The judgement holds this, or there is none where part is NULL; it is freed. */
static inline void expect_judgement(char *explanation, const char *part) {
    if (part == NULL && explanation != NULL)
        fail_msg("%s", explanation);
    if (part != NULL)
        expect_contains(explanation, part);
    poplin_explanation_free(explanation);
}

#endif
