/*
 * test_discover.c - SRV answers: which count, and in which order they are tried.
 */
#include "support.h"

#include <poplin/discover.h>

enum { ROOM = 24 };

/* Random numbers that the test fixes; what was asked for is kept. */
struct numbers {
    const uint32_t *next;
    size_t left;
    uint32_t most[ROOM];
    size_t asked;
};

static uint32_t give_number(void *context, uint32_t most) {
    struct numbers *numbers = context;
    assert_true(numbers->left > 0 && numbers->asked < ROOM);
    numbers->most[numbers->asked++] = most;
    numbers->left--;
    assert_true(*numbers->next <= most);
    return *numbers->next++;
}

static uint32_t give_random(void *context, uint32_t most) {
    return (uint32_t)random_below(context, (size_t)most + 1);
}

#define SRV(of_pop3s, p, w, at, to) \
    { .pop3s = (of_pop3s), .priority = (p), .weight = (w), .port = (at), .target = SLICE(to) }

/* The hosts in the order of the candidates, with spaces between; where TLS is not implicit, a mark behind. */
static const char *order_of(const poplin_candidate *candidates, size_t count) {
    static char text[1024];
    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            strcat(text, " ");
        strncat(text, candidates[i].host.data, candidates[i].host.size);
        strcat(text, candidates[i].tls == POPLIN_TLS_STLS ? "+" : candidates[i].tls == POPLIN_TLS_NEVER ? "-" : "");
    }
    return text;
}

static const char *discover(const poplin_srv *records, size_t count, bool cleartext, struct numbers *numbers) {
    static poplin_candidate candidates[2 * ROOM];
    const poplin_discovery discovery = {"example.org", cleartext, give_number, numbers};
    size_t found;
    assert_true(count <= ROOM);
    poplin_discover(&discovery, records, count, candidates, &found);
    assert_int_equal(numbers->left, 0);
    return order_of(candidates, found);
}

/* holds: DISC-2 C */
static void weights_are_chosen_by_running_sums(void **state) {
    (void)state;
    static const poplin_srv records[] = {
        SRV(true, 5, 10, 995, "a.example.org"),   SRV(true, 5, 0, 995, "z.example.org"),
        SRV(true, 5, 30, 995, "b.example.org"),   SRV(true, 1, 1, 995, "first.example.org"),
        SRV(true, 9, 0, 995, "last.example.org"),
    };
    static const struct {
        uint32_t numbers[2], most[2]; /* of the three in the middle, the last of which needs none */
        const char *order;
    } cases[] = {
        {{0, 0}, {40, 40}, "first.example.org z.example.org a.example.org b.example.org last.example.org"},
        {{1, 0}, {40, 30}, "first.example.org a.example.org z.example.org b.example.org last.example.org"},
        {{10, 1}, {40, 30}, "first.example.org a.example.org b.example.org z.example.org last.example.org"},
        {{11, 10}, {40, 10}, "first.example.org b.example.org a.example.org z.example.org last.example.org"},
        {{40, 0}, {40, 10}, "first.example.org b.example.org z.example.org a.example.org last.example.org"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct numbers numbers = {cases[i].numbers, 2, {0}, 0};
        assert_string_equal(discover(records, COUNT_OF(records), false, &numbers), cases[i].order);
        assert_memory_equal(numbers.most, cases[i].most, sizeof cases[i].most);
    }
}

/* holds: DISC-1 C, DISC-3 C, T-DSC-2 C */
static void tls_comes_first_and_cleartext_only_when_asked_for(void **state) {
    (void)state;
    static const poplin_srv records[] = {
        SRV(false, 0, 0, 110, "clear.example.org"),
        SRV(true, 20, 0, 995, "late.example.org"),
        SRV(true, 10, 0, 1995, "early.example.org"),
    };
    struct numbers none = {0};
    assert_string_equal(discover(records, 3, false, &none), "early.example.org late.example.org clear.example.org+");
    assert_string_equal(discover(records, 3, true, &none),
                        "early.example.org late.example.org clear.example.org+ clear.example.org-");
    assert_string_equal(discover(records, 1, false, &none), "clear.example.org+");
}

/* holds: DISC-1 C, T-DSC-4 C */
static void bad_records_are_skipped(void **state) {
    (void)state;
    static const poplin_srv records[] = {
        SRV(true, 0, 0, 995, "."),
        SRV(true, 0, 0, 0, "no-port.example.org"),
        SRV(true, 0, 0, 995, ""),
        SRV(true, 0, 0, 995, "a..example.org"),
        SRV(true, 0, 0, 995, ".example.org"),
        SRV(true, 0, 0, 995, "a b.example.org"),
        SRV(true, 0, 0, 995, "a\0.example.org"),
        SRV(true, 0, 0, 995, "a\r\n.example.org"),
        SRV(true, 0, 0, 995, "\xC3\xBC.example.org"),
        SRV(true, 0, 0, 995, "-x.example.org"),
        SRV(true, 0, 0, 995, "user@example.org"),
        SRV(true, 0, 0, 995, "127.0.0.1"),
        SRV(true, 0, 0, 995, "0x7f000001"),
        SRV(true, 0, 0, 995, "127.0.0.0X1F."),
        SRV(true, 0, 0, 995, "::1"),
        SRV(true, 0, 0, 995, "a123456789012345678901234567890123456789012345678901234567890123.example.org"),
        SRV(true, 3, 0, 995, "good.example.org."),
        SRV(true, 4, 0, 995, "0x7g"),
        SRV(true, 5, 0, 995, "0x"),
        SRV(true, 6, 0, 995, "7f"),
    };
    struct numbers none = {0};
    assert_string_equal(discover(records, COUNT_OF(records), false, &none), "good.example.org 0x7g 0x 7f");
    assert_string_equal(discover(records, COUNT_OF(records) - 4, true, &none), "");
    assert_string_equal(discover(NULL, 0, true, &none), "");
}

/* holds: DISC-4 C, T-DSC-1 C */
static void targets_elsewhere_are_not_verified(void **state) {
    (void)state;
    static const struct {
        const char *target;
        bool is_signed, verified;
    } cases[] = {
        {"example.org", false, true},
        {"pop.EXAMPLE.org.", false, true},
        {"a.b.example.org", false, true},
        {"evil.test", false, false},
        {"evil.test", true, true},
        {"notexample.org", false, false},
        {"example.org.evil.test", false, false},
        {"org", false, false},
        {"x-example.org", false, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const poplin_srv record = {.pop3s = true,
                                   .is_signed = cases[i].is_signed,
                                   .port = 995,
                                   .target = {cases[i].target, strlen(cases[i].target)}};
        const poplin_discovery discovery = {.domain = "example.org", .random = give_number};
        poplin_candidate candidates[2];
        size_t found;
        poplin_discover(&discovery, &record, 1, candidates, &found);
        assert_int_equal(found, 1);
        assert_int_equal(candidates[0].verified, cases[i].verified);
        assert_ptr_equal(candidates[0].record, &record);
    }
}

/* More records than count, every weight the largest: what comes is each of the first once, best priority first. */
/* holds: T-DSC-4 C */
static void a_flood_of_records_ends(void **state) {
    (void)state;
    enum { FLOOD = POPLIN_DISCOVER_MAX + 500 };
    static poplin_srv records[FLOOD];
    static poplin_candidate candidates[2 * FLOOD];
    static bool seen[FLOOD];
    uint64_t seed = 7;
    const poplin_discovery discovery = {"example.org", true, give_random, &seed};
    size_t found;
    for (size_t i = 0; i < FLOOD; i++)
        records[i] = (poplin_srv){.pop3s = i % 3 == 0,
                                  .priority = (uint16_t)(i % 2),
                                  .weight = UINT16_MAX,
                                  .port = 995,
                                  .target = SLICE("pop.example.org")};
    poplin_discover(&discovery, records, FLOOD, candidates, &found);
    assert_true(found > POPLIN_DISCOVER_MAX);
    for (size_t i = 0; i < POPLIN_DISCOVER_MAX; i++) {
        size_t record = (size_t)(candidates[i].record - records);
        assert_true(record < POPLIN_DISCOVER_MAX && !seen[record]);
        seen[record] = true;
        if (i == 0)
            continue;
        const poplin_srv *before = candidates[i - 1].record, *here = candidates[i].record;
        assert_true(before->pop3s >= here->pop3s);
        assert_true(before->pop3s != here->pop3s || before->priority <= here->priority);
    }
}

/* How often each of two servers comes first follows their weights. */
/* holds: DISC-2 C */
static void chances_follow_weights(void **state) {
    (void)state;
    static const poplin_srv records[] = {SRV(true, 0, 25, 995, "a.example.org"),
                                         SRV(true, 0, 75, 995, "b.example.org")};
    uint64_t seed = 3;
    const poplin_discovery discovery = {"example.org", false, give_random, &seed};
    poplin_candidate candidates[2 * COUNT_OF(records)];
    size_t found, first = 0;
    for (size_t i = 0; i < 10000; i++) {
        poplin_discover(&discovery, records, COUNT_OF(records), candidates, &found);
        assert_int_equal(found, 2);
        first += candidates[0].record == &records[0];
    }
    assert_in_range(first, 2400, 2800); /* 26 of 101 numbers, by the letter of RFC 2782 */
}

/* holds: DISC-1 C, DISC-5 C, DISC-8 C */
static void an_address_says_what_to_look_up_and_whom_to_try(void **state) {
    (void)state;
    poplin_account account;
    assert_int_equal(poplin_account_parse("j\xC3\xBC@x@Example.org.", 18, &account, NULL), POPLIN_OK);
    assert_string_equal(account.domain, "Example.org");
    assert_int_equal(account.user_count, 2);
    assert_string_equal(account.users[0], "j\xC3\xBC@x@Example.org");
    assert_string_equal(account.users[1], "j\xC3\xBC@x");
    assert_string_equal(account.pop3s_name, "_pop3s._tcp.Example.org");
    assert_string_equal(account.pop3_name, "_pop3._tcp.Example.org");
    assert_int_equal(poplin_account_parse("example.org", 11, &account, NULL), POPLIN_OK);
    assert_int_equal(account.user_count, 0);
    assert_string_equal(account.domain, "example.org");
}

/* holds: T-INJ-2 C */
static void bad_addresses_are_refused(void **state) {
    (void)state;
    static const poplin_slice bad[] = {
        SLICE(""),          SLICE("@"),         SLICE("@example.org"), SLICE("a@"),
        SLICE("a@."),       SLICE("a@b c"),     SLICE("a@b\r\n"),      SLICE("a\n@b"),
        SLICE("a\0@b"),     SLICE("a@b\0"),     SLICE("\xFF@b"),       SLICE("a@b..c"),
        SLICE("a@[::1]"),   SLICE("a@1.2.3.4"), SLICE("a@-b"),         SLICE("a@\xC3\xBC.org"),
        SLICE("pop3s://b"),
    };
    char text[600];
    poplin_account account;
    poplin_error error;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        error = (poplin_error){0};
        if (poplin_account_parse(bad[i].data, bad[i].size, &account, &error) != POPLIN_ERR_PROTOCOL)
            fail_msg("\"%s\" was taken", bad[i].data);
        assert_true(error.reason[0] != '\0');
        assert_int_equal(poplin_account_parse(bad[i].data, bad[i].size, &account, NULL), POPLIN_ERR_PROTOCOL);
    }
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 50 == 49 ? '.' : 'a';
    assert_int_equal(poplin_account_parse(text, 241, &account, NULL), POPLIN_OK);
    assert_int_equal(strlen(account.pop3s_name), 253);
    assert_int_equal(poplin_account_parse(text, 242, &account, NULL), POPLIN_ERR_PROTOCOL);
    memset(text, 'a', sizeof text);
    text[253] = '@';
    assert_int_equal(poplin_account_parse(text, 255, &account, NULL), POPLIN_OK);
    assert_int_equal(poplin_account_parse(text, 256, &account, NULL), POPLIN_ERR_PROTOCOL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_chosen_by_running_sums),
        cmocka_unit_test(tls_comes_first_and_cleartext_only_when_asked_for),
        cmocka_unit_test(bad_records_are_skipped),
        cmocka_unit_test(targets_elsewhere_are_not_verified),
        cmocka_unit_test(a_flood_of_records_ends),
        cmocka_unit_test(chances_follow_weights),
        cmocka_unit_test(an_address_says_what_to_look_up_and_whom_to_try),
        cmocka_unit_test(bad_addresses_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
