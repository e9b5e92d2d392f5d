/*
 * loop/questions.c - a queue between the server and a script: every question copied, one allocation each.
 *
 * The order is the order in which the server asked, so a maildrop's CLOSE comes behind whatever else names it.
 */
#include <poplin/questions.h>

#include <stdlib.h>
#include <string.h>

#include "wire/buffer.h"

/* A question and, behind it in the same allocation, what its pointers point to. */
struct node {
    struct node *next;
    size_t size; /* of the whole allocation */
    poplin_question question;
    char *free_space; /* where the next copy goes */
};

struct poplin_questions {
    struct node *first;
    struct node **last;
    struct node *taken; /* what the script is looking at */
};

static struct node *node_new(enum poplin_question_kind kind, size_t space) {
    struct node *node = calloc(1, sizeof *node + space);
    if (node == NULL)
        return NULL;
    node->size = sizeof *node + space;
    node->question.kind = kind;
    node->free_space = (char *)(node + 1);
    return node;
}

static void node_free(struct node *node) {
    if (node == NULL)
        return;
    poplin_wipe(node, node->size);
    free(node);
}

static poplin_slice copy(struct node *node, poplin_slice slice) {
    if (slice.data == NULL)
        return slice;
    poplin_slice copied = {node->free_space, slice.size};
    if (slice.size > 0)
        memcpy(node->free_space, slice.data, slice.size);
    node->free_space += slice.size;
    return copied;
}

/* Called before copy, since only the start of the free space is aligned for it. */
static void copy_error(struct node *node, const poplin_error *error) {
    if (error == NULL)
        return;
    poplin_error *copied = (poplin_error *)(void *)node->free_space;
    *copied = *error;
    node->question.error = copied;
    node->free_space += sizeof *copied;
}

static void append(poplin_questions *questions, struct node *node) {
    *questions->last = node;
    questions->last = &node->next;
}

/* A node for a question that wants an answer. Where there is no memory for it, the answer is given here: not now. */
static struct node *question_new(enum poplin_question_kind kind, size_t space, poplin_server *server,
                                 poplin_request request, void *maildrop) {
    struct node *node = node_new(kind, space);
    if (node == NULL) {
        (void)poplin_server_refuse(server, request, POPLIN_ERR_TEMPORARY, NULL);
        return NULL;
    }
    node->question.server = server;
    node->question.request = request;
    node->question.maildrop = maildrop;
    return node;
}

/* ---- the backend ---- */

static void check(void *context, poplin_server *server, poplin_request request, poplin_slice user,
                  poplin_slice password) {
    struct node *node = question_new(POPLIN_QUESTION_CHECK, user.size + password.size, server, request, NULL);
    if (node == NULL)
        return;
    node->question.user = copy(node, user);
    node->question.password = copy(node, password);
    append(context, node);
}

static void secret(void *context, poplin_server *server, poplin_request request, poplin_slice user,
                   const char *mechanism) {
    struct node *node = question_new(POPLIN_QUESTION_SECRET, user.size, server, request, NULL);
    if (node == NULL)
        return;
    node->question.user = copy(node, user);
    node->question.mechanism = mechanism;
    append(context, node);
}

static void token(void *context, poplin_server *server, poplin_request request, poplin_slice user, poplin_slice shown) {
    struct node *node = question_new(POPLIN_QUESTION_TOKEN, user.size + shown.size, server, request, NULL);
    if (node == NULL)
        return;
    node->question.user = copy(node, user);
    node->question.token = copy(node, shown);
    append(context, node);
}

static void maildrop(void *context, poplin_server *server, poplin_request request, poplin_slice user) {
    struct node *node = question_new(POPLIN_QUESTION_MAILDROP, user.size, server, request, NULL);
    if (node == NULL)
        return;
    node->question.user = copy(node, user);
    append(context, node);
}

static void body(void *context, poplin_server *server, poplin_request request, void *opened, size_t index,
                 poplin_slice unique_id) {
    struct node *node = question_new(POPLIN_QUESTION_BODY, unique_id.size, server, request, opened);
    if (node == NULL)
        return;
    node->question.index = index;
    node->question.unique_id = copy(node, unique_id);
    append(context, node);
}

static void piece(void *context, poplin_server *server, poplin_request request, void *opened, void *pieces) {
    struct node *node = question_new(POPLIN_QUESTION_PIECE, 0, server, request, opened);
    if (node == NULL)
        return;
    node->question.pieces = pieces;
    append(context, node);
}

static void pieces_done(void *context, void *opened, void *pieces) {
    struct node *node = node_new(POPLIN_QUESTION_PIECES_DONE, 0);
    if (node == NULL)
        return;
    node->question.maildrop = opened;
    node->question.pieces = pieces;
    append(context, node);
}

static void commit(void *context, poplin_server *server, poplin_request request, void *opened, const size_t *indexes,
                   const poplin_slice *unique_ids, size_t count) {
    (void)indexes;
    size_t space = count * sizeof(poplin_slice);
    for (size_t i = 0; i < count; i++)
        space += unique_ids[i].size;
    struct node *node = question_new(POPLIN_QUESTION_COMMIT, space, server, request, opened);
    if (node == NULL)
        return;
    poplin_slice *slices = (poplin_slice *)(void *)(node + 1);
    node->free_space += count * sizeof(poplin_slice);
    for (size_t i = 0; i < count; i++)
        slices[i] = copy(node, unique_ids[i]);
    node->question.unique_ids = slices;
    node->question.count = count;
    append(context, node);
}

static void close_maildrop(void *context, void *opened, const poplin_session_end *end) {
    size_t space = end->user.size + (end->error == NULL ? 0 : sizeof *end->error);
    struct node *node = node_new(POPLIN_QUESTION_CLOSE, space);
    if (node == NULL)
        return;
    node->question.maildrop = opened;
    copy_error(node, end->error);
    node->question.user = copy(node, end->user);
    node->question.outcome = end->outcome;
    append(context, node);
}

static void problem(void *context, const poplin_error *error) {
    struct node *node = node_new(POPLIN_QUESTION_PROBLEM, sizeof *error);
    if (node == NULL)
        return;
    copy_error(node, error);
    append(context, node);
}

static void login_failed(void *context, poplin_slice user, const char *address, const char *mechanism) {
    poplin_slice text = {address, strlen(address) + 1};
    struct node *node = node_new(POPLIN_QUESTION_LOGIN_FAILED, user.size + text.size);
    if (node == NULL)
        return;
    node->question.user = copy(node, user);
    node->question.address = copy(node, text).data;
    node->question.mechanism = mechanism;
    append(context, node);
}

static const poplin_backend backend = {
    .check = check,
    .secret = secret,
    .token = token,
    .maildrop = maildrop,
    .body = body,
    .piece = piece,
    .pieces_done = pieces_done,
    .commit = commit,
    .close = close_maildrop,
    .problem = problem,
    .login_failed = login_failed,
};

const poplin_backend *poplin_questions_backend(void) {
    return &backend;
}

/* ---- the queue ---- */

int poplin_questions_new(poplin_questions **questions) {
    poplin_questions *made = calloc(1, sizeof *made);
    if (made == NULL)
        return POPLIN_ERR_NOMEM;
    made->last = &made->first;
    *questions = made;
    return POPLIN_OK;
}

void poplin_questions_free(poplin_questions *questions) {
    if (questions == NULL)
        return;
    node_free(questions->taken);
    while (questions->first != NULL) {
        struct node *node = questions->first;
        questions->first = node->next;
        node_free(node);
    }
    free(questions);
}

int poplin_questions_next(poplin_questions *questions, poplin_question *question) {
    node_free(questions->taken);
    questions->taken = questions->first;
    if (questions->taken == NULL)
        return POPLIN_END;
    questions->first = questions->taken->next;
    if (questions->first == NULL)
        questions->last = &questions->first;
    *question = questions->taken->question;
    return POPLIN_OK;
}
