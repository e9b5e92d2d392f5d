/*
 * fetch.h - what fetch.c, fetch_events.c and delivery.c share: a fetch, and the Maildirs that it delivers to.
 */
#ifndef POPLIN_PY_FETCH_H
#define POPLIN_PY_FETCH_H

#include "core.h"

/* ---- delivery.c: one Maildir ---- */

typedef struct poplin_py_delivery {
    PyObject_HEAD poplin_delivery *delivery;
    bool out;   /* it failed with the message that is being delivered, or has no part in it */
    char *name; /* of the file of the last message; NULL: none */
} poplin_py_delivery;

/* Do what poplin/delivery.h says, without the interpreter's lock; what fails is out. */
int poplin_py_delivery_begin(poplin_py_delivery *self, const poplin_fetch_event *event, poplin_error *error);
int poplin_py_delivery_write(poplin_py_delivery *self, poplin_slice octets, poplin_error *error);
int poplin_py_delivery_end(poplin_py_delivery *self, poplin_error *error);

/* ---- fetch.c ---- */

typedef struct poplin_py_fetch {
    PyObject_HEAD poplin_fetch *fetch;
    poplin_py_link *link;          /* that the engine uses; NULL: none */
    poplin_py_delivery **attached; /* all that were ever delivered to; new references */
    size_t attached_count;
    poplin_fetch_event event;
    bool asked;  /* Python has the event and is to answer it */
    bool routed; /* Python says for each message where it goes */
    bool wants;  /* Python wants the octets of this message */
    bool always; /* ... and of each that is not routed */
    bool tells;  /* Python wants to be told of progress */
    bool heard;  /* ... and was, once at least */
    bool busy;   /* a thread is in one of its methods, perhaps without the interpreter's lock */
    bool failed; /* failure is why the message that is being delivered will count as not delivered */
    poplin_error failure;
    poplin_fetch_progress told;
    char *octets; /* of the message, where Python wants them */
    size_t octet_count, octet_room;
} poplin_py_fetch;

/* ---- fetch_serve.c: without the interpreter's lock ---- */

/* What run answers besides a status. */
#define POPLIN_PY_FETCH_TELL (-1001)

/*
 * Has the engine go on until there is an event for Python (OK), progress to be told (TELL), nothing to do without waiting
 * (NEED_INPUT, where it may not wait), it is time to look for signals (INTERRUPTED, where it may), or all is over (END, or a failure).
 */
int poplin_py_fetch_run(poplin_py_fetch *self, bool wait);

/* Begins the message of the event with all attached deliveries that are not out, and answers. */
void poplin_py_fetch_begin(poplin_py_fetch *self);

/* ---- fetch_events.c ---- */

/* The event as a tuple; NULL with an exception. */
PyObject *poplin_py_fetch_event_of(const poplin_py_fetch *self);

/* The progress as a tuple. */
PyObject *poplin_py_fetch_progress_of(const poplin_fetch_progress *progress);

/* A row of the seen store as the engine takes it; uid is borrowed from row. 0, or -1 with TypeError or ValueError. */
int poplin_py_fetch_row(PyObject *row, poplin_seen_record *record);

#endif
