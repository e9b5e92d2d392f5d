/*
 * test_kit_allocation.c - memory runs out in a kit, at each allocation in turn: it is told, by the call itself or at the
 * latest by the next reply or the record, and nothing is lost or used after it is gone.
 */
#include "failing.h"
#include "tapped.h"

/* Says it, and is answered by this. Returns what the tap says to the reply. */
static int say(void *tap, const char *line, const char *answer) {
    bool skipped = tapped_command(tap, line) == POPLIN_SKIP;
    int status = tapped_reply(tap, skipped ? "" : answer, true);
    if (status == POPLIN_ERR_NOMEM)
        return status;
    (void)tapped_send(tap, SIZE_MAX);
    return POPLIN_OK;
}

/* A session that uses everything; it ends where the tap says that memory ran out. */
static int play_session(poplin_testkit *kit) {
    static const char *const lines[][2] = {
        {"USER alice", "+OK\r\n"},       {"PASS secret", "+OK\r\n"},
        {"LIST", "+OK\r\n1 5\r\n.\r\n"}, {"RETR 1", "+OK 5 octets\r\nmail\r\n.\r\n"},
        {"DELE 2", "+OK\r\n"},           {"NOOP", "+OK\r\n"},
    };
    void *tap;
    int status = poplin_testkit_tap()->opened(kit, "127.0.0.1:4000", &tap);
    if (status != POPLIN_OK)
        return status;
    status = tapped_reply(tap, "+OK ready\r\n", true);
    poplin_testkit_tap()->secured(tap, "TLS1.3 AES-256-GCM");
    for (size_t i = 0; status >= POPLIN_OK && i < COUNT_OF(lines); i++) {
        status = say(tap, lines[i][0], lines[i][1]);
        if (i == 1)
            poplin_testkit_tap()->login(tap, SLICE("alice"), "USER");
    }
    tapped_end(tap, status >= POPLIN_OK ? POPLIN_DROPPED : POPLIN_FAILED);
    tapped_close(tap);
    return status >= POPLIN_OK ? POPLIN_OK : status;
}

/* Everything that is made from the session. */
static int judge(poplin_testkit *kit) {
    const char *const wanted[] = {"id-1", "id-2"};
    poplin_record *record;
    int status = poplin_testkit_record(kit, 0, &record);
    if (status != POPLIN_OK)
        return status;
    assert_string_equal(record->retrieved[0], "id-1");
    assert_string_equal(record->marked[0], "id-2");
    char *transcript = poplin_record_transcript(record);
    char *explanation = poplin_record_check_deleted(record, wanted, 2);
    assert_non_null(explanation);
    if (transcript == NULL || strncmp(explanation, "out of memory", 13) == 0)
        status = POPLIN_ERR_NOMEM;
    poplin_explanation_free(explanation);
    free(transcript);
    poplin_record_free(record);
    return status;
}

static int play(void) {
    poplin_slice secret = SLICE("secret");
    poplin_testkit_config config;
    poplin_testkit *kit = NULL;
    poplin_testkit_config_init(&config);
    config.secrets = &secret;
    config.secret_count = 1;
    int status = poplin_testkit_new(&config, &kit);
    if (status == POPLIN_OK)
        status = poplin_testkit_add_secret(kit, SLICE("p\xC3\xA9p\xC3\xA9"));
    if (status == POPLIN_OK)
        status = poplin_testkit_add_fault_text(kit, "NOOP status=\"+OK secret\"", NULL, NULL);
    if (status == POPLIN_OK)
        status = play_session(kit);
    if (status == POPLIN_OK)
        status = judge(kit);
    poplin_testkit_free(kit);
    return status;
}

/* holds: T-API-5 S */
static void test_a_kit_tells_that_memory_ran_out(void **state) {
    (void)state;
    assert_told_at_each_allocation(play);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_kit_tells_that_memory_ran_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
