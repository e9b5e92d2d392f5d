/*
 * machine.h - what the two state machines have in common as Python sees them: octets that are fed to them as they come, the
 * facts about TLS, and one thread at a time.
 *
 * Their methods never let go of the interpreter's lock. What they allocate may still run a script's code (a finalizer), and an
 * exception is made by the package's: a call that comes in the middle of another is refused.
 */
#ifndef POPLIN_PY_MACHINE_H
#define POPLIN_PY_MACHINE_H

#include "core.h"

/* What waits to be read by a machine. */
typedef struct poplin_py_feed {
    bool busy;       /* one of the machine's methods runs */
    bool ended;      /* the peer has closed: nothing is received any more */
    bool clean;      /* and not in the middle of TLS */
    bool told;       /* the machine knows of it */
    PyObject *lent;  /* the bytes that the machine reads; NULL: none */
    PyObject *later; /* a list of bytes that have come behind them; NULL: none */
    Py_ssize_t next; /* the first of the list that was not lent yet */
} poplin_py_feed;

/* How a machine takes octets and learns of their end. */
typedef struct poplin_py_mouth {
    int (*input)(void *machine, const void *data, size_t size);
    int (*eof)(void *machine, bool clean);
} poplin_py_mouth;

/* Begins a method: false with StateError where another one runs. */
bool poplin_py_feed_enter(PyObject *self, poplin_py_feed *feed);

void poplin_py_feed_leave(poplin_py_feed *feed);

/* Takes bytes in: lends them now, or when those before them are read. A status, or RAISED. */
int poplin_py_feed_put(poplin_py_feed *feed, PyObject *data, const poplin_py_mouth *mouth, void *machine);

/* The machine has read all that was lent. */
void poplin_py_feed_release(poplin_py_feed *feed);

/*
 * The machine has answered with this status, and with an event that starts TLS or another one. Lends what has come since, or tells
 * of the end: true where the machine is to be asked again. What waits where TLS starts has come in clear: the machine has to see
 * it now, and fails, since later it would count as what came under TLS (T-STLS-1, T-STLS-4).
 */
bool poplin_py_feed_go_on(poplin_py_feed *feed, int status, bool starts_tls, const poplin_py_mouth *mouth,
                          void *machine);

/* The machine has come to its end: nothing is taken in any more, and what waits is let go of. */
void poplin_py_feed_stop(poplin_py_feed *feed);

void poplin_py_feed_clear(poplin_py_feed *feed);

/* The facts from the arguments (verified, exporter, end_point, identity), each of the last three bytes or None. 0, or -1. */
int poplin_py_facts(PyObject *arguments, poplin_tls_facts *facts);

/* ---- client_machine.c, client_commands.c ---- */

typedef struct poplin_py_client {
    PyObject_HEAD poplin_client *client;
    poplin_py_feed feed;
    const poplin_error *failure;                 /* the machine's; NULL: it has not failed */
    bool closed;                                 /* CLOSED was handed out */
    PyObject *stashed;                           /* the event that came behind a body; NULL: none */
    char where[sizeof((poplin_error *)0)->host]; /* "host:port", or empty */
} poplin_py_client;

/* Begins a method: NULL with StateError where another one runs. */
poplin_py_client *poplin_py_client_enter(PyObject *object);

/* Ends it: None, or the exception. misuse: what PROTOCOL and LIMIT, which the caller's arguments cause, mean; or NULL. */
PyObject *poplin_py_client_finish(poplin_py_client *self, int status, const char *misuse);

PyObject *poplin_py_client_login(PyObject *self, PyObject *arguments);
PyObject *poplin_py_client_submit(PyObject *self, PyObject *arguments);
PyObject *poplin_py_client_command(PyObject *self, PyObject *arguments);
PyObject *poplin_py_client_retr_all(PyObject *self, PyObject *arguments);
PyObject *poplin_py_client_retr_stop(PyObject *self, PyObject *unused);

/* ---- session_machine.c, session_answers.c ---- */

typedef struct poplin_py_session {
    PyObject_HEAD poplin_session *session;
    poplin_py_feed feed;
    PyObject *settings; /* a copy: the machine borrows the languages from it */
    PyObject *bodies;   /* contents that were lent since the last BODY or BODY_DONE */
} poplin_py_session;

/* As for the client. */
poplin_py_session *poplin_py_session_enter(PyObject *object);

/* Ends a method: None, or the exception. misfit: what STATE means. */
PyObject *poplin_py_session_finish(poplin_py_session *self, int status, const char *misfit);

PyObject *poplin_py_session_accept(PyObject *self, PyObject *question);
PyObject *poplin_py_session_accept_as(PyObject *self, PyObject *arguments);
PyObject *poplin_py_session_secret(PyObject *self, PyObject *arguments);
PyObject *poplin_py_session_keys(PyObject *self, PyObject *arguments);
PyObject *poplin_py_session_refuse(PyObject *self, PyObject *arguments);
PyObject *poplin_py_session_refuse_delay(PyObject *self, PyObject *arguments);
PyObject *poplin_py_session_open(PyObject *self, PyObject *arguments);
PyObject *poplin_py_session_body(PyObject *self, PyObject *arguments);
PyObject *poplin_py_session_gone(PyObject *self, PyObject *list);

#endif
