/*
 * random_inputs.c - a fuzz driver as a test: inputs drawn from a fixed seed, in place of a fuzzer that learns. It finds little that
 * is new, but shows on every run that the driver and what it drives hold together. `make fuzz` is the real thing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fuzz.h"

enum { INPUTS = 20000, INPUT_MAX = 600 };

/* Words that lead further into a conversation, or a fault, than single octets would. */
static const char *const words[] = {
    "\r\n",        ".\r\n",    "+OK ",      "-ERR ",     "+ ",         "[IN-USE] ",   "USER a\r\n",     "PASS b\r\n",
    "AUTH PLAIN ", "AGEAYg==", "CAPA\r\n",  "STLS\r\n",  "RETR 1\r\n", "TOP 1 2\r\n", "DELE 1\r\n",     "QUIT\r\n",
    "LIST\r\n",    "UIDL\r\n", "1 120\r\n", "2 abc\r\n", "nth=2 ",     "cut=7 ",      "raw=\"\\x00\" ", "drop_after=0 ",
};

/* xorshift64: small, and the same everywhere. */
static uint64_t draw(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static size_t make_input(uint64_t *state, uint8_t *input) {
    size_t size = 0, wanted = draw(state) % INPUT_MAX;

    while (size < wanted) {
        const char *word = words[draw(state) % COUNT_OF(words)];
        size_t length = strlen(word);

        if (draw(state) % 3 == 0 || size + length > INPUT_MAX) {
            input[size++] = (uint8_t)draw(state);
        } else {
            memcpy(input + size, word, length);
            size += length;
        }
    }
    return size;
}

/* holds: T-API-7 B */
static void random_inputs_do_no_harm(void **unused) {
    (void)unused;
    uint64_t state = 0x9E3779B97F4A7C15;
    uint8_t input[INPUT_MAX];

    for (int i = 0; i < INPUTS; i++) {
        poplin_slice made = {(const char *)input, make_input(&state, input)};
        char *copy = copy_of(made); /* in a block of its own, as the fuzzer's are */

        assert_int_equal(LLVMFuzzerTestOneInput((const uint8_t *)copy, made.size), 0);
        free(copy);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_inputs_do_no_harm)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
