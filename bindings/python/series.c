/*
 * series.c - the type Series: an iterator of (number, content), message after message while the pipeline stays full.
 *
 * This is the path that every fetched message takes: a message that lies in the buffer becomes bytes in one copy, and
 * the interpreter's lock is let go of only where there is something to wait for.
 */
#include "core.h"

typedef struct series_object {
    PyObject_HEAD poplin_py_link *owner;
    poplin_series *series;
} series_object;

static void drop_series(void *subject) {
    poplin_series_free(subject);
}

PyObject *poplin_py_series_new(poplin_py_link *owner, poplin_series *series) {
    PyTypeObject *type = poplin_py_state_of((PyObject *)owner)->series;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    series_object *self = (series_object *)allocate(type, 0);
    if (self == NULL) {
        poplin_series_free(series);
        return NULL;
    }
    self->owner = (poplin_py_link *)Py_NewRef((PyObject *)owner);
    self->series = series;
    return (PyObject *)self;
}

static void series_dealloc(PyObject *object) {
    series_object *self = (series_object *)object;
    poplin_py_link_drop(self->owner, drop_series, self->series);
    Py_DECREF((PyObject *)self->owner);
    poplin_py_free(object);
}

PyDoc_STRVAR(close_doc, "close()\n--\n\nEnd the series: what is in flight is dropped as it comes.");

static PyObject *series_close(PyObject *object, PyObject *unused) {
    (void)unused;
    series_object *self = (series_object *)object;
    poplin_py_link_drop(self->owner, drop_series, self->series);
    self->series = NULL;
    Py_RETURN_NONE;
}

/* What ask_next fills in. */
typedef struct next_request {
    poplin_series *series;
    poplin_message message;
} next_request;

static int ask_next(void *subject) {
    next_request *request = subject;
    return poplin_series_next(request->series, &request->message);
}

static PyObject *number_and_data(const poplin_message *message) {
    PyObject *data = poplin_py_body(&message->body);
    PyObject *number = PyLong_FromUnsignedLong(message->number);
    PyObject *pair = data == NULL || number == NULL ? NULL : PyTuple_Pack(2, number, data);
    Py_XDECREF(data);
    Py_XDECREF(number);
    return pair;
}

/* An -ERR to one RETR. */
static PyObject *raise_refusal(series_object *self, const poplin_message *message) {
    poplin_reply reply = {
        .status = message->status, .code = message->code, .text = message->text, .number = message->number};
    poplin_error error = {0};
    poplin_link_describe(self->owner->link, POPLIN_RETR, &reply, &error);
    return poplin_py_raise(poplin_py_state_of((PyObject *)self), message->status, &error);
}

static PyObject *series_next(PyObject *object) {
    series_object *self = (series_object *)object;
    if (self->series == NULL || !poplin_py_link_enter(self->owner)) {
        return NULL;
    }
    next_request request = {.series = self->series};
    int status = poplin_py_link_ask(self->owner, ask_next, &request);
    PyObject *result = NULL;
    if (status == POPLIN_OK && request.message.status == POPLIN_OK) {
        result = number_and_data(&request.message);
    } else if (status == POPLIN_OK) {
        raise_refusal(self, &request.message);
    } else if (status != POPLIN_END) {
        poplin_py_link_raise(self->owner, status);
    }
    poplin_py_link_leave(self->owner);
    return result;
}

static PyMethodDef methods[] = {
    {"close", series_close, METH_NOARGS, close_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, series_dealloc},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, series_next},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec poplin_py_series_spec = {
    .name = "poplin._core.Series",
    .basicsize = sizeof(series_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};
