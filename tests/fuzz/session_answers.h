/*
 * session_answers.h - what the session's fuzz driver plays with: a run, and the answers of its host, of every kind and at any time.
 */
#ifndef SESSION_ANSWERS_H
#define SESSION_ANSWERS_H

#include <poplin/session.h>

#include "fuzz.h"

enum {
    MESSAGES = 3,
    SLACK = 2048,        /* octets that output may have beyond max_output */
    MEMORY_MAX = 1 << 19 /* what a session with the limits below may hold */
};

struct run {
    fuzz_tape tape;
    bool cut;  /* the client's octets are lent one by one */
    bool free; /* the host answers, drains and pulls as the tape says; else at once, and the two runs must agree */
    poplin_session_config config;
    poplin_session *session;
    bool over;
    poplin_session_event asked; /* the last question */
    bool open;
    bool reading;         /* pieces of a message were lent, and the machine has not said that it is done */
    bool given[MESSAGES]; /* which were lent to their ends */
    uint32_t expire;      /* what holds for the user */
    char *piece;
    char *lent;
    enum poplin_outcome outcome;
    bool
        injected; /* octets came in clear behind STLS: the cut decides whether the +OK was sent before they were seen */

    bool told;         /* watched: of a line that is not carried out yet */
    bool replying;     /* watched: a reply is not whole yet */
    size_t reply_from; /* where in heard it begins */
    poplin_buffer history;
    poplin_buffer heard;
};

static const char *const bodies[] = {
    "", ".\r\n", "Subject: x\r\n\r\nbody\r\n", "bare\nlf\n.\n..\n", "no end", "\r\n.\r\n\r.\r\n", "\n.", "....\r",
};

static inline void give_up_piece(struct run *run) {
    free(run->piece);
    run->piece = NULL;
}

static inline void answer_body(struct run *run, uint64_t question) {
    poplin_slice text = poplin_slice_of(bodies[choose(&run->tape, COUNT_OF(bodies))]);
    char *piece = copy_of(text);
    bool last = choose(&run->tape, 4) != 1;

    if (poplin_session_body(run->session, question, piece, text.size, last) == POPLIN_OK) {
        give_up_piece(run);
        run->piece = piece;
        run->reading = true;
        run->given[run->asked.index] |= last;
    } else {
        free(piece);
    }
}

/* Terms of the user's own, which are taken where they keep to what was announced. */
static inline void answer_with_terms(struct run *run, uint64_t question, uint32_t expire) {
    const poplin_user_terms terms = {.own_expire = true, .expire = expire};
    bool fits = run->config.expire_by_user ? expire >= run->config.expire : expire == run->config.expire;

    CHECK(poplin_session_terms(run->session, question, &terms) == (fits ? POPLIN_OK : POPLIN_ERR_LIMIT));
    if (fits)
        run->expire = expire;
}

static inline void answer_maildrop(struct run *run, uint64_t question) {
    poplin_listing listings[MESSAGES] = {
        {{"a", 1}, 0, false}, {{"b", 1}, POPLIN_OCTETS_UNKNOWN, true}, {{"c", 1}, 20, false}};
    size_t count = choose(&run->tape, MESSAGES + 1), bad;
    uint8_t bits = take(&run->tape);

    listings[1].unique_id.size = (bits & 7) == 1 ? 0 : 1; /* bad ones, now and then */
    listings[2].unique_id.data = (bits & 7) == 2 ? "a" : "c";
    if ((bits & 8) != 0)
        listings[2].octets = INT64_MAX;
    run->expire = run->config.expire;
    if ((bits & 16) != 0)
        answer_with_terms(run, question, bits >> 5);
    (void)poplin_session_open(run->session, question, listings, count, &bad);
}

/* Keys of SHA-256, or such as no hash has. */
static inline void answer_with_keys(struct run *run, uint64_t question) {
    static const char octets[] = "0123456789abcdef0123456789abcdef";
    size_t size = choose(&run->tape, sizeof octets + 4) == 1 ? 20 : 32;
    const poplin_scram_keys keys = {4096, {octets, 16}, {octets, size}, {octets, 32}};

    (void)poplin_session_keys(run->session, question, &keys);
}

static inline void answer_login(struct run *run, uint64_t question) {
    poplin_slice name = {"bob", choose(&run->tape, 4)};

    if (run->asked.kind == POPLIN_SESSION_SECRET && choose(&run->tape, 4) == 1)
        (void)poplin_session_secret(run->session, question, (poplin_slice){"secret", choose(&run->tape, 7)});
    else if (run->asked.kind == POPLIN_SESSION_SECRET)
        answer_with_keys(run, question);
    else if (run->asked.kind != POPLIN_SESSION_DELAY && flip(&run->tape))
        (void)poplin_session_accept_as(run->session, question, name);
    else
        (void)poplin_session_accept(run->session, question);
}

static inline void refuse(struct run *run, uint64_t question) {
    static const int statuses[] = {POPLIN_ERR_AUTH, POPLIN_ERR_IN_USE, POPLIN_ERR_TEMPORARY, POPLIN_ERR_REFUSED,
                                   POPLIN_ERR_IO};
    const char *words = flip(&run->tape) ? "[words]\r\n+OK" : NULL;

    if (flip(&run->tape))
        (void)poplin_session_refuse(run->session, question, statuses[choose(&run->tape, COUNT_OF(statuses))], words);
    else
        (void)poplin_session_refuse_with(run->session, question,
                                         (enum poplin_code)choose(&run->tape, POPLIN_CODE_UTF8 + 1), words);
}

static inline void answer(struct run *run) {
    uint64_t question = run->asked.question;

    run->open = false;
    if (choose(&run->tape, 8) == 1)
        refuse(run, question);
    else if (run->asked.kind <= POPLIN_SESSION_DELAY)
        answer_login(run, question);
    else if (run->asked.kind == POPLIN_SESSION_BODY)
        answer_body(run, question);
    else if (run->asked.kind == POPLIN_SESSION_MAILDROP)
        answer_maildrop(run, question);
    else
        (void)poplin_session_accept(run->session, question);
    CHECK(poplin_session_accept(run->session, question) == POPLIN_ERR_STATE);
    CHECK(poplin_session_refuse(run->session, question, POPLIN_ERR_AUTH, NULL) == POPLIN_ERR_STATE);
    CHECK(poplin_session_secret(run->session, question, poplin_slice_of("x")) == POPLIN_ERR_STATE);
}

/* An answer of any kind to a question that was never asked, or of the wrong kind. */
static inline void answer_wrongly(struct run *run) {
    uint64_t question = run->asked.question + 1;

    CHECK(poplin_session_accept(run->session, question) == POPLIN_ERR_STATE);
    CHECK(poplin_session_accept_as(run->session, question, poplin_slice_of("bob")) == POPLIN_ERR_STATE);
    CHECK(poplin_session_keys(run->session, question, NULL) == POPLIN_ERR_STATE);
    CHECK(poplin_session_open(run->session, question, NULL, 0, NULL) == POPLIN_ERR_STATE);
    CHECK(poplin_session_terms(run->session, question, NULL) == POPLIN_ERR_STATE);
    if (!run->told) {
        CHECK(poplin_session_skip(run->session) == POPLIN_ERR_STATE);
        CHECK(poplin_session_substitute(run->session, poplin_slice_of("NOOP")) == POPLIN_ERR_STATE);
    }
    if (run->open && run->asked.kind != POPLIN_SESSION_BODY)
        CHECK(poplin_session_body(run->session, run->asked.question, "", 0, true) == POPLIN_ERR_STATE);
}

#endif
