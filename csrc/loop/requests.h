/*
 * loop/requests.h - request numbers: unique on a server, never used again, found in constant time.
 *
 * Each session has a place in a table and at most one request open. A number is the place and how many requests were
 * opened there before, which outlives the session: a late answer finds that the count has gone on, or nobody.
 */
#ifndef POPLIN_LOOP_REQUESTS_H
#define POPLIN_LOOP_REQUESTS_H

#include <poplin/server.h>

struct poplin_connection;

/* How many sessions the numbers have room for; 2^44 requests for each place. */
#define POPLIN_PLACES_MAX ((size_t)1 << 20)

typedef struct poplin_place {
    struct poplin_connection *connection; /* NULL: free */
    uint64_t opened;                      /* requests opened here, ever */
    size_t next_free;
} poplin_place;

/* All zero is an empty table. */
typedef struct poplin_requests {
    poplin_place *places;
    size_t count;
    size_t capacity;
    size_t first_free; /* 1 more than its index; 0: none */
} poplin_requests;

/* Gives the connection a place. OK; ERR_LIMIT: all are taken; ERR_NOMEM. */
int poplin_requests_enter(poplin_requests *requests, struct poplin_connection *connection, size_t *place);

/* Takes the place back. */
void poplin_requests_leave(poplin_requests *requests, size_t place);

/* Opens the connection's next request and gives its number. */
poplin_request poplin_requests_open(poplin_requests *requests, size_t place);

/* Whose last request this is, open or answered; NULL: nobody's (any more). */
struct poplin_connection *poplin_requests_find(const poplin_requests *requests, poplin_request request);

void poplin_requests_free(poplin_requests *requests);

#endif
