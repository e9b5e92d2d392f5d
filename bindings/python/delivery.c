/*
 * delivery.c - the type Delivery: a Maildir that a fetch delivers to. Messages reach it through the fetch, in C.
 */
#include <stdlib.h>
#include <string.h>

#include "fetch.h"

static PyObject *delivery_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    (void)keywords;
    PyObject *path = NULL;
    int crlf = 0;
    if (!PyArg_ParseTuple(arguments, "O&p:Delivery", PyUnicode_FSConverter, &path, &crlf)) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    poplin_py_delivery *self = (poplin_py_delivery *)allocate(type, 0);
    if (self == NULL) {
        Py_DECREF(path);
        return NULL;
    }
    const char *octets = PyBytes_AsString(path);
    poplin_error error = {0};
    int status;
    Py_BEGIN_ALLOW_THREADS status = poplin_delivery_open(octets, crlf != 0, &self->delivery, &error);
    Py_END_ALLOW_THREADS Py_DECREF(path);
    if (status != POPLIN_OK) {
        poplin_py_raise(PyType_GetModuleState(type), status, &error);
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void delivery_dealloc(PyObject *object) {
    poplin_py_delivery *self = (poplin_py_delivery *)object;
    poplin_delivery_free(self->delivery);
    free(self->name);
    poplin_py_free(object);
}

int poplin_py_delivery_begin(poplin_py_delivery *self, const poplin_fetch_event *event, poplin_error *error) {
    int status = poplin_delivery_begin(self->delivery, event->account, event->message, error);
    self->out = status != POPLIN_OK;
    return status;
}

int poplin_py_delivery_write(poplin_py_delivery *self, poplin_slice octets, poplin_error *error) {
    int status = poplin_delivery_write(self->delivery, octets, error);
    self->out = status != POPLIN_OK;
    return status;
}

int poplin_py_delivery_end(poplin_py_delivery *self, poplin_error *error) {
    const char *name = NULL;
    int status = poplin_delivery_end(self->delivery, &name, error);
    self->out = status != POPLIN_OK;
    free(self->name);
    self->name = status == POPLIN_OK ? strdup(name) : NULL; /* without memory the report lacks it */
    return status;
}

PyDoc_STRVAR(type_doc, "Delivery(path, crlf, /)\n--\n\nA Maildir that a Fetch delivers to; made where there is none.");

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)type_doc},
    {Py_tp_new, delivery_new},
    {Py_tp_dealloc, delivery_dealloc},
    {0, NULL},
};

PyType_Spec poplin_py_delivery_spec = {
    .name = "poplin._core.Delivery",
    .basicsize = sizeof(poplin_py_delivery),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
