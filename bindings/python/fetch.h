/*
 * fetch.h - what fetch.c, fetch_run.c, fetch_events.c and delivery.c share: a fetch, and the Maildirs that it delivers to.
 */
#ifndef POPLIN_PY_FETCH_H
#define POPLIN_PY_FETCH_H

#include "core.h"

/* ---- delivery.c: one Maildir ---- */

typedef struct poplin_py_delivery {
    PyObject_HEAD poplin_delivery *delivery;
} poplin_py_delivery;

/* ---- fetch.c ---- */

typedef struct poplin_py_fetch {
    PyObject_HEAD poplin_fetch *fetch;
    poplin_py_link *link;  /* that the engine uses; NULL: none */
    poplin_places *places; /* where messages go */
    PyObject *deliveries;  /* those of the places: a list, that they live as long */
    PyObject *names;       /* a dict: by number, in which files of Maildirs messages of this session stand */
    PyObject *results;     /* a list: what became of messages, until Python takes it */
    poplin_fetch_event event;
    bool asked;  /* Python has the event and is to answer it */
    bool routed; /* Python says for each message where it goes */
    bool tells;  /* Python wants to be told of progress */
    bool heard;  /* ... and was, once at least */
    bool busy;   /* a thread is in one of its methods, perhaps without the interpreter's lock */
    poplin_fetch_progress told;
} poplin_py_fetch;

/* ---- fetch_run.c: without the interpreter's lock ---- */

/* What run answers besides a status. */
#define POPLIN_PY_FETCH_TELL (-1001)

/*
 * Has the engine go on until there is an event for Python (OK), progress to be told (TELL), nothing to do without waiting
 * (NEED_INPUT, where it may not wait), it is time to look for signals (INTERRUPTED, where it may), or all is over (END, or a failure).
 */
int poplin_py_fetch_run(poplin_py_fetch *self, bool wait);

/* ---- fetch_events.c ---- */

/* The event as a tuple; NULL with an exception. */
PyObject *poplin_py_fetch_event_of(const poplin_py_fetch *self);

/* What RESULT tells, as a tuple. */
PyObject *poplin_py_fetch_result_of(const poplin_py_fetch *self);

/* The names of the files that the message of DELIVER stands in: a list. */
PyObject *poplin_py_fetch_names_of(const poplin_py_fetch *self);

/* The progress as a tuple. */
PyObject *poplin_py_fetch_progress_of(const poplin_fetch_progress *progress);

/* A row of the seen store as the engine takes it; uid is borrowed from row. 0, or -1 with TypeError or ValueError. */
int poplin_py_fetch_row(PyObject *row, poplin_seen_record *record);

#endif
