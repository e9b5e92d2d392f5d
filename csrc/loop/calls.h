/*
 * loop/calls.h - how the replies of one link find those who asked: shared by call.c, series.c and link.c.
 *
 * Replies come in the order of the commands, each with a tag that is the address of the call or series that asked.
 * Whoever asks for a result routes events until that result is complete; what belongs to others is kept with them.
 */
#ifndef POPLIN_LOOP_CALLS_H
#define POPLIN_LOOP_CALLS_H

#include "loop/gather.h"

enum { POPLIN_REPLY_TEXT_MAX = 512 };

/* What a call and a series begin with. Its address is the tag of the commands. */
typedef struct poplin_asker poplin_asker;
struct poplin_asker {
    poplin_link *link;
    poplin_asker *next;
    poplin_asker **place; /* what points here */
    /*
     * An event that answers one of its commands; it may free itself. asked: the host waits for this very asker. OK,
     * ERR_NOMEM, or ERR_LIMIT: more content than LIM-9 allows would be kept for somebody who is not asking.
     */
    int (*take)(poplin_asker *asker, const poplin_client_event *event, bool asked);
    /* The receive buffer is about to be reused: copy what is held by reference. OK or ERR_NOMEM. */
    int (*keep)(poplin_asker *asker);
    /* Frees it at once; it is not in the list any more. */
    void (*destroy)(poplin_asker *asker);
};

/* What a link knows of its calls and series. All zero is none. */
typedef struct poplin_calls {
    poplin_asker *askers;  /* all that live, those included that the host has freed and that wait for their replies */
    poplin_asker deles;    /* of every poplin_link_dele; it holds nothing and is not in the list */
    poplin_series *series; /* the one that the host has now; NULL: none */
    poplin_error refusal;  /* the last refusal that nobody asked for; status 0: none */
    bool refusal_is_new;   /* nobody has been told yet */
} poplin_calls;

/* Puts an asker into its link's list and takes it out. */
void poplin_calls_add(poplin_asker *asker);
void poplin_calls_remove(poplin_asker *asker);

/*
 * Pulls one event and gives it to whom it belongs. asker is the one that is waited for: content for others is kept, up
 * to a limit. OK, NEED_INPUT, or the link's failure.
 */
int poplin_calls_route(poplin_link *link, const poplin_asker *asker);

/* Another command is about to be sent and waited for: no further RETR until what came of the series has been taken. */
void poplin_series_hold(poplin_link *link);

/* Tells a refusal that nobody was told of yet: its status once, and POPLIN_OK otherwise. */
int poplin_calls_refused(poplin_link *link);

/* Frees all calls and series of a link that is being freed. */
void poplin_calls_free(poplin_link *link);

#endif
