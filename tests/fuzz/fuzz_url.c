/*
 * fuzz_url.c - any text as a URL and as an address, any records as answers to a discovery.
 */
#include <poplin/discover.h>
#include <poplin/url.h>

#include "fuzz.h"

enum { RECORDS_MAX = 40 };

/* Text of the pieces that URLs and addresses are made of, which the caller frees. */
static char *compose(fuzz_tape *tape, size_t *size) {
    static const char *const pieces[] = {
        "pop3s://", "pop://", "pop3://", "alice", "@",           ":",     "995",   ";AUTH=",
        "+APOP",    "*",      "PLAIN",   "%40",   "%",           "%00",   "[::1]", "[fe80::1%25a",
        "\xC3\xBC", "]",      ".",       "/x",    "example.org", "_pop3", "[",     "%C3%BC",
        "+",        ";",      "alice@"};
    char text[256];

    for (*size = 0; tape->size > 0 && *size < sizeof text - 16;) {
        const char *piece = pieces[choose(tape, COUNT_OF(pieces))];

        memcpy(text + *size, piece, strlen(piece));
        *size += strlen(piece);
        if (choose(tape, 5) == 0)
            break;
    }
    return copy_of((poplin_slice){text, *size});
}

/* What can be read can be written, and means the same then. */
static void read_url(poplin_slice text) {
    poplin_url url, again;
    poplin_error error = {0};
    char written[POPLIN_URL_TEXT];

    if (poplin_url_parse(text.data, text.size, &url, &error) != POPLIN_OK) {
        CHECK(error.reason[0] != '\0');
        return;
    }
    CHECK(url.host[0] != '\0' && url.port != 0);
    CHECK(poplin_url_format(&url, written, NULL) == POPLIN_OK);
    CHECK(poplin_url_parse(written, strlen(written), &again, NULL) == POPLIN_OK);
    CHECK(strcmp(url.host, again.host) == 0 && strcmp(url.user, again.user) == 0 && strcmp(url.auth, again.auth) == 0);
    CHECK(url.scheme == again.scheme && url.port == again.port);
}

static void read_account(poplin_slice text, poplin_account *account) {
    if (poplin_account_parse(text.data, text.size, account, NULL) != POPLIN_OK) {
        *account = (poplin_account){.domain = "example.org"};
        return;
    }
    CHECK(account->domain[0] != '\0');
    CHECK(account->user_count == 0 || account->users[1][0] != '\0');
}

static uint32_t draw(void *context, uint32_t most) {
    fuzz_tape *tape = context;
    uint64_t part = take(tape);

    return (uint32_t)(part * most / 255);
}

/* Each candidate comes from another record, better ones first. */
static void check_order(const poplin_candidate *candidates, size_t found, const poplin_srv *records) {
    bool seen[RECORDS_MAX] = {false};

    for (size_t i = 0; i < found; i++) {
        const poplin_srv *here = candidates[i].record;
        const poplin_srv *before = i > 0 ? candidates[i - 1].record : here;

        CHECK(!seen[here - records]);
        seen[here - records] = true;
        CHECK(before->pop3s >= here->pop3s);
        CHECK(before->pop3s != here->pop3s || before->priority <= here->priority);
        CHECK(candidates[i].host.size > 0 && here->port != 0);
    }
}

static void discover(fuzz_tape *tape, const char *domain) {
    poplin_srv records[RECORDS_MAX];
    poplin_candidate candidates[2 * RECORDS_MAX];
    char *copies[RECORDS_MAX];
    size_t count = choose(tape, RECORDS_MAX), found;
    const poplin_discovery discovery = {domain, false, draw, tape};

    for (size_t i = 0; i < count; i++) {
        uint8_t bits = take(tape);
        poplin_slice target = (bits & 8) != 0 ? take_octets(tape, 20) : poplin_slice_of("pop.example.org.");

        copies[i] = copy_of(target);
        records[i] = (poplin_srv){.pop3s = (bits & 1) != 0,
                                  .is_signed = (bits & 2) != 0,
                                  .priority = bits & 4,
                                  .weight = take(tape),
                                  .port = take(tape),
                                  .target = {copies[i], target.size}};
    }
    poplin_discover(&discovery, records, count, candidates, &found);
    CHECK(found <= count);
    check_order(candidates, found, records);
    for (size_t i = 0; i < count; i++)
        free(copies[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_tape tape = {data, size};
    poplin_account account;
    poplin_slice octets;
    size_t length;
    char *text;

    if (flip(&tape)) {
        text = compose(&tape, &length);
    } else {
        octets = take_octets(&tape, 256);
        text = copy_of(octets);
        length = octets.size;
    }
    read_url((poplin_slice){text, length});
    read_account((poplin_slice){text, length}, &account);
    free(text);
    discover(&tape, account.domain);
    return 0;
}
