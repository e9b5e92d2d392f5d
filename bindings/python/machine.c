/*
 * machine.c - what the two state machines have in common: see machine.h.
 */
#include "machine.h"

#include <string.h>

bool poplin_py_feed_enter(PyObject *self, poplin_py_feed *feed) {
    if (feed->busy) {
        poplin_py_raise_state(poplin_py_state_of(self),
                              "another call is in this object: it is for one thread at a time");
        return false;
    }
    feed->busy = true;
    return true;
}

void poplin_py_feed_leave(poplin_py_feed *feed) {
    feed->busy = false;
}

/* ---- octets ---- */

/* STATE, among others, where the machine has not read all of what was lent before. */
static int lend(poplin_py_feed *feed, PyObject *data, const poplin_py_mouth *mouth, void *machine) {
    int status = mouth->input(machine, PyBytes_AsString(data), (size_t)PyBytes_Size(data));
    if (status == POPLIN_OK) {
        Py_XDECREF(feed->lent);
        feed->lent = Py_NewRef(data);
    }
    return status;
}

int poplin_py_feed_put(poplin_py_feed *feed, PyObject *data, const poplin_py_mouth *mouth, void *machine) {
    if (!PyBytes_Check(data)) {
        PyErr_Format(PyExc_TypeError, "data must be bytes, not %R", Py_TYPE(data));
        return POPLIN_PY_RAISED;
    }
    if (feed->ended) {
        return POPLIN_ERR_STATE;
    }
    if (PyBytes_Size(data) == 0) {
        return POPLIN_OK;
    }
    int status = feed->later == NULL ? lend(feed, data, mouth, machine) : POPLIN_ERR_STATE;
    if (status != POPLIN_ERR_STATE || feed->lent == NULL) {
        return status;
    }
    if (feed->later != NULL) {
        return PyList_Append(feed->later, data) < 0 ? POPLIN_PY_RAISED : POPLIN_OK;
    }
    feed->later = Py_BuildValue("[O]", data);
    return feed->later == NULL ? POPLIN_PY_RAISED : POPLIN_OK;
}

void poplin_py_feed_release(poplin_py_feed *feed) {
    Py_CLEAR(feed->lent);
}

/* The first of those that wait. The list may be long, where a host receives while a question is open. */
static bool lend_next(poplin_py_feed *feed, const poplin_py_mouth *mouth, void *machine) {
    PyObject *data = PyList_GetItem(feed->later, feed->next);
    if (data == NULL || lend(feed, data, mouth, machine) != POPLIN_OK) {
        return false;
    }
    (void)PyList_SetItem(feed->later, feed->next++, Py_NewRef(Py_None));
    if (feed->next == PyList_Size(feed->later)) {
        Py_CLEAR(feed->later);
        feed->next = 0;
    }
    return true;
}

bool poplin_py_feed_go_on(poplin_py_feed *feed, int status, bool starts_tls, const poplin_py_mouth *mouth,
                          void *machine) {
    if (status < 0 || (status == POPLIN_OK && !starts_tls)) {
        return false;
    }
    if (feed->later != NULL) {
        return lend_next(feed, mouth, machine);
    }
    if (status == POPLIN_OK || !feed->ended || feed->told) {
        return false;
    }
    feed->told = true;
    return mouth->eof(machine, feed->clean) == POPLIN_OK;
}

void poplin_py_feed_stop(poplin_py_feed *feed) {
    feed->ended = true;
    feed->told = true;
    poplin_py_feed_clear(feed);
}

void poplin_py_feed_clear(poplin_py_feed *feed) {
    Py_CLEAR(feed->lent);
    Py_CLEAR(feed->later);
    feed->next = 0;
}

/* ---- TLS ---- */

static int take_octets(PyObject *value, const char *name, size_t least, size_t room, void *octets, size_t *size) {
    poplin_slice slice;
    if (poplin_py_slice(value, name, &slice) < 0) {
        return -1;
    }
    if (slice.data != NULL && (slice.size < least || slice.size > room)) {
        PyErr_Format(PyExc_ValueError, "%s must have %zu to %zu octets", name, least, room);
        return -1;
    }
    if (slice.size > 0) {
        memcpy(octets, slice.data, slice.size);
    }
    *size = slice.size;
    return 0;
}

int poplin_py_facts(PyObject *arguments, poplin_tls_facts *facts) {
    int verified = 0;
    PyObject *exporter = NULL;
    PyObject *end_point = NULL;
    PyObject *identity = NULL;
    *facts = (poplin_tls_facts){0};
    if (!PyArg_ParseTuple(arguments, "pOOO:tls", &verified, &exporter, &end_point, &identity)) {
        return -1;
    }
    facts->verified = verified != 0;
    if (take_octets(exporter, "exporter", sizeof facts->exporter, sizeof facts->exporter, facts->exporter,
                    &facts->exporter_size) < 0 ||
        take_octets(end_point, "end_point", 1, sizeof facts->end_point, facts->end_point, &facts->end_point_size) < 0) {
        return -1;
    }
    return take_octets(identity, "identity", 1, sizeof facts->identity, facts->identity, &facts->identity_size);
}
