/*
 * fuzz_sasl.c - both halves of a mechanism, each of them fed what the fuzzer likes: octets of its own, what peers might say, and
 * what the other half said, as it is or with an octet changed.
 */
#include "sasl/prepare.h"
#include "sasl/sasl.h"

#include "fuzz.h"

enum { MEMORY_MAX = 1 << 18, ITERATIONS_MAX = 4096 };

struct run {
    fuzz_tape tape;
    enum poplin_mechanism mechanism;
    bool same;    /* both halves have the same secret */
    bool relayed; /* one heard what the other said */
    poplin_sasl_client *client;
    poplin_sasl_server *server;
    bool client_over;
    poplin_sasl_turn turn;                  /* the server's last */
    poplin_buffer client_says, server_says; /* last */
};

static const poplin_sasl_binding binding = {"tls-exporter", {"0123456789abcdef0123456789abcdef", 32}};

/* What either might say. */
static const poplin_slice phrases[] = {
#define PHRASE(text) \
    { text, sizeof(text) - 1 }
    PHRASE("n,,n=alice,r=client"),
    PHRASE("y,,n=alice,r=client"),
    PHRASE("p=tls-exporter,,n=alice,r=client"),
    PHRASE("n,a=alice,n=a=2Cb=3Dc,r=client,x=y"),
    PHRASE("r=clientserver,s=c2FsdA==,i=10"),
    PHRASE("r=clientserver,s=c2FsdA==,i=4097"),
    PHRASE("c=biws,r=clientserver,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="),
    PHRASE("c=biws,r=clientserver,x=1,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
    PHRASE("v=rmF9pqV8S7suAoZWja4dJRkFsKQ="),
    PHRASE("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="),
    PHRASE("e=invalid-proof"),
    PHRASE("\0alice\0s3cr3t"),
    PHRASE("alice\0alice\0s3cr3t"),
    PHRASE("alice"),
    PHRASE("s3cr3t"),
    PHRASE("Username:"),
    PHRASE("<1896.697170952@mail.example.org>"),
    PHRASE("alice b913a602c7eda7a495b4e6e7334d3890"),
    PHRASE("user=alice\1auth=Bearer t0k3n\1\1"),
    PHRASE("n,a=alice,\1host=mail.example.org\1port=995\1auth=Bearer t0k3n\1\1"),
    PHRASE("n,,\1auth=\1\1"),
    PHRASE("{\"status\":\"invalid_token\"}"),
    PHRASE("\1"),
    PHRASE("\xC3\xBC\xC2\xAA"),
    PHRASE(""),
};

static bool is_scram(const struct run *run) {
    return (poplin_mechanism_traits(run->mechanism) & POPLIN_SASL_MUTUAL) != 0;
}

/* ---- what is heard ---- */

/* The next message, in a block of its own: *copy is to be freed. */
static poplin_slice make_message(struct run *run, const poplin_buffer *other, char **copy) {
    size_t how = choose(&run->tape, 5);
    poplin_slice message = how == 0   ? take_octets(&run->tape, 200)
                           : how == 1 ? phrases[choose(&run->tape, COUNT_OF(phrases))]
                                      : poplin_buffer_slice(other);

    run->relayed |= how > 1;
    *copy = copy_of(message);
    if (how == 2 && message.size > 0) {
        size_t at = take(&run->tape) % message.size;

        (*copy)[at] = (char)((*copy)[at] ^ (1 << choose(&run->tape, 8)));
    }
    return (poplin_slice){*copy, message.size};
}

/* SCRAM shows no secret, and nobody gets through it who does not have one. */
static void check_end(const struct run *run, bool content) {
    if (is_scram(run) && (!run->same || !run->relayed))
        CHECK(!content);
}

static void client_hears(struct run *run) {
    char *copy = NULL;
    const char *reason = NULL;
    poplin_slice message = {NULL, 0};

    if (flip(&run->tape))
        message = make_message(run, &run->server_says, &copy);
    poplin_buffer_clear(&run->client_says);
    int status = poplin_sasl_client_step(run->client, message, &run->client_says, &reason);

    free(copy);
    CHECK(status == POPLIN_OK || status == POPLIN_ERR_PROTOCOL || status == POPLIN_ERR_AUTH ||
          status == POPLIN_ERR_STATE);
    CHECK(reason != NULL);
    run->client_over = status != POPLIN_OK;
    check_end(run, poplin_sasl_client_is_complete(run->client));
    CHECK(!is_scram(run) || !contains(poplin_buffer_slice(&run->client_says), "s3cr3t"));
    CHECK(poplin_sasl_client_answer(run->client).size <= 8192);
}

/* ---- what the server's owner says ---- */

static const poplin_scram_keys *keys_of(const struct run *run) {
    static char storage[2][POPLIN_SCRAM_STORAGE];
    static poplin_scram_keys keys[2];
    bool sha_1 = run->mechanism == POPLIN_MECHANISM_SCRAM_SHA_1 || run->mechanism == POPLIN_MECHANISM_SCRAM_SHA_1_PLUS;
    enum poplin_scram_hash hash = sha_1 ? POPLIN_SCRAM_SHA_1 : POPLIN_SCRAM_SHA_256;

    if (keys[hash].iterations == 0)
        CHECK(poplin_scram_keys_make(hash, poplin_slice_of("s3cr3t"), poplin_slice_of("salt"), 0, storage[hash],
                                     &keys[hash]) == POPLIN_OK);
    return &keys[hash];
}

static int give_secret(struct run *run) {
    size_t how = choose(&run->tape, 4);

    if (how == 0)
        return poplin_sasl_server_unknown(run->server, &run->turn);
    if (how == 1)
        return poplin_sasl_server_keys(run->server, keys_of(run), &run->turn);
    return is_scram(run) ? poplin_sasl_server_keys(run->server, keys_of(run), &run->turn)
                         : poplin_sasl_server_secret(run->server, poplin_slice_of("s3cr3t"), &run->turn);
}

static void check_turn(const struct run *run) {
    const poplin_sasl_turn *turn = &run->turn;
    bool names = turn->wish == POPLIN_SASL_CHECK || turn->wish == POPLIN_SASL_SECRET;

    CHECK(!names || turn->user.size > 0);
    CHECK(turn->wish != POPLIN_SASL_CHECK || turn->password.size > 0 ||
          poplin_mechanism_proof(run->mechanism) != POPLIN_PROOF_PASSWORD);
    CHECK(turn->wish != POPLIN_SASL_TOKEN || turn->token.size > 0);
    check_end(run, turn->wish == POPLIN_SASL_DONE);
}

static void owner_answers(struct run *run) {
    int status = POPLIN_OK;

    while (status == POPLIN_OK && run->turn.wish != POPLIN_SASL_CHALLENGE && run->turn.wish < POPLIN_SASL_DONE) {
        if (run->turn.wish == POPLIN_SASL_SECRET)
            status = give_secret(run);
        else if (flip(&run->tape))
            status = poplin_sasl_server_accept(run->server, &run->turn);
        else
            status = poplin_sasl_server_refuse(run->server, &run->turn);
        CHECK(status == POPLIN_OK);
        check_turn(run);
    }
}

static void server_hears(struct run *run) {
    char *copy = NULL;
    poplin_slice message = {NULL, 0};

    if (flip(&run->tape))
        message = make_message(run, &run->client_says, &copy);
    bool over = run->turn.wish != POPLIN_SASL_CHALLENGE;
    int status = poplin_sasl_server_step(run->server, message, &run->turn);

    free(copy);
    CHECK(status == (over ? POPLIN_ERR_STATE : POPLIN_OK));
    if (over)
        return;
    check_turn(run);
    owner_answers(run);
    poplin_buffer_clear(&run->server_says);
    if (run->turn.wish == POPLIN_SASL_CHALLENGE)
        put(&run->server_says, run->turn.message);
}

/* ---- a run ---- */

static void begin(struct run *run) {
    run->mechanism = (enum poplin_mechanism)choose(&run->tape, POPLIN_MECHANISM_COUNT);
    uint8_t bits = take(&run->tape);
    const char *reason = NULL;

    run->same = (bits & 1) != 0;
    const poplin_sasl_client_config own = {
        .user = poplin_slice_of("alice"),
        .authorize = (bits & 2) != 0 ? poplin_slice_of("alice") : (poplin_slice){NULL, 0},
        .password = poplin_slice_of(run->same ? "s3cr3t" : "other"),
        .token = poplin_slice_of("t0k3n"),
        .host = "mail.example.org",
        .port = 995,
        .binding = binding,
        .plus_offered = (bits & 4) != 0,
        .min_iterations = 1,
        .max_iterations = ITERATIONS_MAX,
        .nonce = poplin_slice_of("client"),
    };
    const poplin_sasl_server_config theirs = {
        .host = "mail.example.org",
        .port = (bits & 8) != 0 ? 995 : 0,
        .exporter = binding,
        .plus_offered = (bits & 4) != 0,
        .external = (bits & 16) != 0 ? poplin_slice_of("alice") : (poplin_slice){NULL, 0},
        .pepper = poplin_slice_of("pepper"),
        .keeps_keys = true,
        .nonce = poplin_slice_of("server"),
    };

    CHECK(poplin_sasl_client_new(run->mechanism, &own, &run->client, &reason) == POPLIN_OK);
    CHECK(poplin_sasl_server_new(run->mechanism, &theirs, &run->server) == POPLIN_OK);
}

/* A name or a password of any octets: what comes out of its preparation is not changed by another. */
static void prepare(fuzz_tape *tape) {
    char *copy;
    enum poplin_prepare how = flip(tape) ? POPLIN_PREPARE_STORED : POPLIN_PREPARE_QUERY;
    poplin_slice text = take_octets(tape, 100);
    poplin_buffer prepared = {0};

    copy = copy_of(text);
    if (poplin_prepare((poplin_slice){copy, text.size}, how, &prepared) == POPLIN_OK)
        CHECK(prepared.size > 0);
    else
        CHECK(prepared.size == 0);
    poplin_buffer_free(&prepared);
    free(copy);
}

/* Stored keys of any octets: what can be read is written as it stood. */
static void parse_keys(fuzz_tape *tape) {
    char storage[POPLIN_SCRAM_STORAGE], written[POPLIN_SCRAM_TEXT];
    poplin_scram_keys keys;
    poplin_slice text = take_octets(tape, 256);

    if (poplin_scram_keys_parse(text, storage, &keys) != POPLIN_OK)
        return;
    CHECK(poplin_scram_keys_write(&keys, written, sizeof written) == POPLIN_OK);
    CHECK(poplin_slice_equal_nocase(text, written));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct run run = {.tape = {data, size}};
    size_t before;

    (void)keys_of(&(struct run){.mechanism = POPLIN_MECHANISM_SCRAM_SHA_1});
    (void)keys_of(&(struct run){.mechanism = POPLIN_MECHANISM_SCRAM_SHA_256});
    before = allocated();
    if (choose(&run.tape, 8) == 0) {
        prepare(&run.tape);
        parse_keys(&run.tape);
        return 0;
    }
    begin(&run);
    for (size_t i = 0; i < 12 && run.tape.size > 0; i++) {
        if (flip(&run.tape) && !run.client_over)
            client_hears(&run);
        else
            server_hears(&run);
    }
    CHECK(allocated() < before + MEMORY_MAX);
    poplin_sasl_client_free(run.client);
    poplin_sasl_server_free(run.server);
    poplin_buffer_free(&run.client_says);
    poplin_buffer_free(&run.server_says);
    return 0;
}
