/*
 * served.h - what the tests of the server share: a loop with a server on it, whose backend is maildrops in memory, or a
 * queue of questions that the test answers when it likes.
 */
#ifndef SERVED_H
#define SERVED_H

#include <poplin/memory.h>
#include <poplin/questions.h>

#include "raw_client.h"

struct served {
    poplin_loop *loop;
    poplin_memory *memory;
    poplin_questions *questions;
    poplin_server *server;
    poplin_server_config config; /* may be changed before served_start */
    poplin_question question;    /* the last one taken */
    size_t released;             /* how often served_released was called */
};

static inline int served_set_up(void **state) {
    struct served *served = calloc(1, sizeof *served);
    assert_int_equal(poplin_loop_new(&served->loop), POPLIN_OK);
    assert_int_equal(poplin_memory_new(&served->memory), POPLIN_OK);
    assert_int_equal(poplin_memory_add_user(served->memory, SLICE("alice"), SLICE("secret")), POPLIN_OK);
    assert_int_equal(poplin_questions_new(&served->questions), POPLIN_OK);
    poplin_server_config_init(&served->config);
    served->config.failed_login_ms = 0; /* but where a test is about the delay */
    *state = served;
    return 0;
}

static inline void served_stop(struct served *served) {
    poplin_server_free(served->server);
    served->server = NULL;
}

static inline int served_tear_down(void **state) {
    struct served *served = *state;
    served_stop(served);
    poplin_questions_free(served->questions);
    poplin_memory_free(served->memory);
    poplin_loop_free(served->loop);
    free(served);
    return 0;
}

static inline void served_start(struct served *served, const poplin_backend *backend, void *context) {
    assert_int_equal(poplin_server_new(served->loop, &served->config, backend, context, &served->server, NULL),
                     POPLIN_OK);
    assert_int_equal(poplin_server_start(served->server), POPLIN_OK);
}

/* Alice has as many messages, each "message n". */
static inline void served_from_memory(struct served *served, int messages) {
    for (int i = 1; i <= messages; i++) {
        char text[32];
        snprintf(text, sizeof text, "message %d\r\n", i);
        assert_int_equal(poplin_memory_deliver(served->memory, SLICE("alice"), text, strlen(text), NULL), POPLIN_OK);
    }
    served_start(served, poplin_memory_backend(), served->memory);
}

/* A script that answers CHECK, where the test says nothing else. */
static inline void served_by_questions(struct served *served) {
    unsigned asks = served->config.session.asks;
    served->config.session.asks = asks != 0 ? asks : POPLIN_ASK_CHECK;
    served_start(served, poplin_questions_backend(), served->questions);
    served->config.session.asks = asks;
}

static inline size_t served_count(const struct served *served) {
    return poplin_memory_count(served->memory, SLICE("alice"));
}

static inline void served_dial(struct served *served, struct raw *peer) {
    raw_dial(peer, served->loop, poplin_server_port(served->server), 0);
}

/* A session of alice's. */
static inline void served_login(struct served *served, struct raw *peer) {
    served_dial(served, peer);
    raw_login(peer, "alice", "secret");
}

static inline void served_step(struct served *served) {
    (void)alarm(RAW_PATIENCE_S);
    assert_int_equal(poplin_loop_step(served->loop, 1000), POPLIN_OK);
}

static inline void served_until_sessions(struct served *served, size_t count) {
    while (poplin_server_sessions(served->server) != count)
        served_step(served);
}

/* Takes the next question, if there is one; that a login failed is passed over where nobody waits for it. */
static inline bool served_has_question(struct served *served, enum poplin_question_kind wanted) {
    int status;
    do
        status = poplin_questions_next(served->questions, &served->question);
    while (status == POPLIN_OK && served->question.kind == POPLIN_QUESTION_LOGIN_FAILED &&
           wanted != POPLIN_QUESTION_LOGIN_FAILED);
    return status == POPLIN_OK;
}

/* Waits for the next question, which is of this kind; its number. */
static inline poplin_request served_question(struct served *served, enum poplin_question_kind kind) {
    while (!served_has_question(served, kind))
        served_step(served);
    assert_int_equal(served->question.kind, kind);
    return served->question.request;
}

static inline void served_no_question(struct served *served) {
    raw_settle(served->loop);
    assert_int_equal(poplin_questions_next(served->questions, &served->question), POPLIN_END);
}

/* A session that the questions let in, to a maildrop with as many messages of unknown size: "id-1", "id-2", ... */
static inline void served_let_in(struct served *served, struct raw *peer, void *maildrop, size_t messages) {
    poplin_listing listings[16];
    char ids[16][32];
    assert_true(messages <= COUNT_OF(listings));
    for (size_t i = 0; i < messages; i++) {
        snprintf(ids[i], sizeof ids[i], "id-%zu", i + 1);
        listings[i] = (poplin_listing){{ids[i], strlen(ids[i])}, POPLIN_OCTETS_UNKNOWN, false};
    }
    served_dial(served, peer);
    raw_expect(peer, "+OK");
    raw_say(peer, "USER alice\r\nPASS secret\r\n");
    raw_expect(peer, "+OK");
    poplin_request check = served_question(served, POPLIN_QUESTION_CHECK);
    assert_int_equal(poplin_server_accept(served->server, check), POPLIN_OK);
    poplin_request open = served_question(served, POPLIN_QUESTION_MAILDROP);
    assert_int_equal(poplin_server_open(served->server, open, maildrop, listings, messages), POPLIN_OK);
    raw_expect(peer, "+OK");
}

/* The maildrop was closed with this outcome, and nothing else was asked meanwhile. */
static inline void served_expect_close(struct served *served, const void *maildrop, enum poplin_outcome outcome) {
    (void)served_question(served, POPLIN_QUESTION_CLOSE);
    assert_ptr_equal(served->question.maildrop, maildrop);
    assert_int_equal(served->question.outcome, outcome);
}

/* A folder of its own with a name for a Unix socket in it: its buffers, unlike TCP's, change only when somebody reads. */
struct unix_address {
    char folder[32];
    char path[64];
};

static inline const char *unix_address_new(struct unix_address *address) {
    strcpy(address->folder, "/tmp/poplin-XXXXXX");
    assert_non_null(mkdtemp(address->folder));
    (void)snprintf(address->path, sizeof address->path, "%s/pop3", address->folder);
    return address->path;
}

static inline void unix_address_free(const struct unix_address *address, struct served *served) {
    served_stop(served);
    assert_int_equal(rmdir(address->folder), 0);
}

/* Counts what is given back; context is the fixture. */
static inline void served_released(void *context, const void *data) {
    struct served *served = context;
    (void)data;
    served->released++;
}

#define SERVED_TEST(function) cmocka_unit_test_setup_teardown(function, served_set_up, served_tear_down)

#endif
