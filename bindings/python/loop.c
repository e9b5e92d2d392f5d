/*
 * loop.c - the type Loop: a loop for many links and servers, driven by a host that has an event loop of its own.
 *
 * The host steps it and is told who asks for attention; nothing here waits, so the interpreter's lock is kept throughout,
 * and all that is on the loop belongs to the thread that steps it.
 */
#include "core.h"

PyObject *poplin_py_loop_of(poplin_py_state *state, PyObject *value) {
    if (value == Py_None || Py_IS_TYPE(value, state->loop)) {
        return value;
    }
    PyErr_SetString(PyExc_TypeError, "loop must be a Loop or None");
    return NULL;
}

static PyObject *loop_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    (void)keywords;
    if (!PyArg_ParseTuple(arguments, ":Loop")) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    poplin_py_loop *self = (poplin_py_loop *)allocate(type, 0);
    int status = self == NULL ? POPLIN_ERR_NOMEM : poplin_loop_new(&self->loop);
    if (status == POPLIN_OK) {
        return (PyObject *)self;
    }
    Py_XDECREF((PyObject *)self);
    return poplin_py_raise(PyType_GetModuleState(type), status, NULL);
}

static void loop_dealloc(PyObject *object) {
    poplin_loop_free(((poplin_py_loop *)object)->loop);
    poplin_py_free(object);
}

PyDoc_STRVAR(fileno_doc, "fileno($self, /)\n--\n\nA descriptor that is readable when there is something to do.");

static PyObject *loop_fileno(PyObject *object, PyObject *unused) {
    (void)unused;
    return PyLong_FromLong(poplin_loop_fileno(((poplin_py_loop *)object)->loop));
}

PyDoc_STRVAR(timeout_doc, "timeout($self, /)\n--\n\nMilliseconds until step must be called; -1: never.");

static PyObject *loop_timeout(PyObject *object, PyObject *unused) {
    (void)unused;
    return PyLong_FromLong(poplin_loop_timeout(((poplin_py_loop *)object)->loop));
}

PyDoc_STRVAR(advance_doc,
             "advance($self, milliseconds, /)\n--\n\nMove the clock; what is due then is handled by the next step.");

static PyObject *loop_advance(PyObject *object, PyObject *milliseconds) {
    uint64_t number = 0;
    if (poplin_py_unsigned(milliseconds, "milliseconds", UINT32_MAX, &number) < 0) {
        return NULL;
    }
    poplin_loop_advance(((poplin_py_loop *)object)->loop, number);
    Py_RETURN_NONE;
}

/* ---- who asks for attention ---- */

void poplin_py_loop_note(void *context) {
    poplin_py_link *link = context;
    if (!link->noted) {
        link->noted = true;
        link->next_noted = link->shared->noted;
        link->shared->noted = link;
    }
}

void poplin_py_loop_forget(poplin_py_link *link) {
    poplin_py_link **place = &link->shared->noted;
    while (link->noted && *place != link) {
        place = &(*place)->next_noted;
    }
    if (link->noted) {
        *place = link->next_noted;
    }
    link->noted = false;
}

PyDoc_STRVAR(step_doc,
             "step($self, /)\n--\n\nDo what there is to do, without waiting: a list of the Links that should be asked "
             "again.");

static PyObject *loop_step(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_py_loop *self = (poplin_py_loop *)object;
    int status = poplin_loop_step(self->loop, 0);
    poplin_py_trace_hand_over(poplin_py_state_of(object), self->loop);
    if (status < 0) {
        return poplin_py_raise(poplin_py_state_of(object), status, NULL);
    }
    PyObject *list = PyList_New(0);
    while (list != NULL && self->noted != NULL) {
        poplin_py_link *link = self->noted;
        if (PyList_Append(list, (PyObject *)link) < 0) {
            Py_CLEAR(list);
        } else {
            poplin_py_loop_forget(link);
        }
    }
    return list;
}

static PyMethodDef methods[] = {
    {"fileno", loop_fileno, METH_NOARGS, fileno_doc},
    {"timeout", loop_timeout, METH_NOARGS, timeout_doc},
    {"advance", loop_advance, METH_O, advance_doc},
    {"step", loop_step, METH_NOARGS, step_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(type_doc, "Loop()\n--\n\nAn event loop that a host's own one drives.");

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)type_doc},
    {Py_tp_new, loop_new},
    {Py_tp_dealloc, loop_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec poplin_py_loop_spec = {
    .name = "poplin._core.Loop",
    .basicsize = sizeof(poplin_py_loop),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
