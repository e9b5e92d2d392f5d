/*
 * delivery.c - the type Delivery: a Maildir that a fetch delivers to. Messages reach it through the fetch, in C.
 */
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
    poplin_py_free(object);
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
