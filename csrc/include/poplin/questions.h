/*
 * poplin/questions.h - a backend for scripts: what the server asks waits in a queue until the script takes it.
 *
 * A binding that must not be called back pulls instead: it steps the loop, takes the questions one by one, lets the
 * script's function answer each, and answers with the functions of poplin/server.h, at once or later.
 */
#ifndef POPLIN_QUESTIONS_H
#define POPLIN_QUESTIONS_H

#include <poplin/server.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct poplin_questions poplin_questions;

enum poplin_question_kind {
    POPLIN_QUESTION_CHECK,       /* request, user, password */
    POPLIN_QUESTION_SECRET,      /* request, user, mechanism */
    POPLIN_QUESTION_TOKEN,       /* request, user, token */
    POPLIN_QUESTION_MAILDROP,    /* request, user */
    POPLIN_QUESTION_BODY,        /* request, maildrop, index, unique_id */
    POPLIN_QUESTION_PIECE,       /* request, maildrop, pieces */
    POPLIN_QUESTION_PIECES_DONE, /* no answer: maildrop, pieces */
    POPLIN_QUESTION_COMMIT,      /* request, maildrop, unique_ids, count */
    POPLIN_QUESTION_CLOSE,       /* no answer: maildrop, outcome, error or NULL */
    POPLIN_QUESTION_PROBLEM,     /* no answer: error */
    POPLIN_QUESTION_LOGIN_FAILED /* no answer: user, address, mechanism */
};

/* One question; what it points to belongs to the queue and lives until the next call of poplin_questions_next. */
typedef struct poplin_question {
    enum poplin_question_kind kind;
    poplin_server *server;
    poplin_request request;
    void *maildrop; /* what the script gave to poplin_server_open */
    void *pieces;   /* what the script gave to poplin_server_body_pieces */
    poplin_slice user;
    poplin_slice password; /* wiped at the next call, as is token */
    poplin_slice token;
    const char *mechanism; /* static */
    const char *address;
    size_t index;
    poplin_slice unique_id;
    const poplin_slice *unique_ids;
    size_t count;
    enum poplin_outcome outcome;
    const poplin_error *error;
} poplin_question;

POPLIN_API int poplin_questions_new(poplin_questions **questions);

/*
 * Frees the queue; the server that uses it must have been freed before, and what it told last been taken: its CLOSE and
 * PIECES_DONE. What it asked before that has nobody left to answer to: its server must not be named any more.
 */
POPLIN_API void poplin_questions_free(poplin_questions *questions);

/*
 * The backend to give to poplin_server_new, with the queue as context. It has all of the functions, so that config.session.asks has to
 * say which of them the script has.
 */
POPLIN_API const poplin_backend *poplin_questions_backend(void);

/* Takes the next question: OK, or END where there is none now. */
POPLIN_API int poplin_questions_next(poplin_questions *questions, poplin_question *question);

#ifdef __cplusplus
}
#endif
#endif
