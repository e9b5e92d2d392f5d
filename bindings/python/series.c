/*
 * series.c - the type Series: an iterator of Messages with their data, one after the other while the pipeline stays full.
 *
 * This is the path that every fetched message takes: a message that lies in the buffer becomes bytes in one copy, and
 * the interpreter's lock is let go of only where there is something to wait for.
 */
#include <stdlib.h>

#include "core.h"

typedef struct series_object {
    PyObject_HEAD poplin_py_link *owner;
    poplin_series *series;
    poplin_py_message **messages; /* those from next on are still to come; NULL once it is over */
    size_t count;
    size_t next;
    bool cut; /* closed before its last message was taken */
} series_object;

static void drop_series(void *subject) {
    poplin_series_free(subject);
}

void poplin_py_messages_free(poplin_py_message **messages, size_t count) {
    for (size_t i = 0; i < count; i++) {
        Py_XDECREF((PyObject *)messages[i]);
    }
    free(messages);
}

PyObject *poplin_py_series_new(poplin_py_link *owner, poplin_series *series, poplin_py_message **messages,
                               size_t count) {
    PyTypeObject *type = poplin_py_state_of((PyObject *)owner)->series;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    series_object *self = (series_object *)allocate(type, 0);
    if (self == NULL) {
        poplin_series_free(series);
        poplin_py_messages_free(messages, count);
        return NULL;
    }
    self->owner = (poplin_py_link *)Py_NewRef((PyObject *)owner);
    self->series = series;
    self->messages = messages;
    self->count = count;
    return (PyObject *)self;
}

static void drop_messages(series_object *self) {
    poplin_py_message **messages = self->messages;
    size_t count = self->count;
    self->messages = NULL;
    self->count = self->next = 0;
    poplin_py_messages_free(messages, count);
}

/* Ends the series, whatever is left of it. */
static void end(series_object *self) {
    poplin_series *series = self->series;
    self->series = NULL;
    self->cut = self->cut || self->next < self->count;
    poplin_py_link_drop(self->owner, drop_series, series);
    drop_messages(self);
}

static int series_traverse(PyObject *object, visitproc visit, void *arg) {
    series_object *self = (series_object *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT((PyObject *)self->owner);
    for (size_t i = self->next; i < self->count; i++) {
        Py_VISIT((PyObject *)self->messages[i]);
    }
    return 0;
}

static int series_clear(PyObject *object) {
    drop_messages((series_object *)object);
    return 0;
}

static void series_dealloc(PyObject *object) {
    series_object *self = (series_object *)object;
    PyObject_GC_UnTrack(object);
    end(self);
    Py_DECREF((PyObject *)self->owner);
    poplin_py_free(object);
}

PyDoc_STRVAR(close_doc, "close($self, /)\n--\n\nEnd the series: what is in flight is dropped as it comes.");

static PyObject *series_close(PyObject *object, PyObject *unused) {
    (void)unused;
    end((series_object *)object);
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

static PyObject *raise_ended(series_object *self) {
    poplin_py_raise_state(poplin_py_state_of((PyObject *)self),
                          "the loop was ended: another retr_all began, or the client was closed");
    return NULL;
}

/* The message that the series brings next, filled; the caller's from now on. */
static PyObject *take_message(series_object *self, const poplin_message *message) {
    PyObject *data = poplin_py_body(&message->body);
    if (data == NULL) {
        return NULL;
    }
    if (self->messages == NULL) { /* another thread has closed the series while this one waited or copied */
        Py_DECREF(data);
        return raise_ended(self);
    }
    poplin_py_message *taken = self->messages[self->next];
    self->messages[self->next++] = NULL;
    PyObject *before = taken->data;
    taken->data = data;
    Py_XDECREF(before);
    return (PyObject *)taken;
}

/* An -ERR to one RETR. */
static PyObject *raise_refusal(series_object *self, const poplin_message *message) {
    poplin_reply reply = {
        .status = message->status, .code = message->code, .text = message->text, .number = message->number};
    poplin_error error = {0};
    poplin_link_describe(self->owner->link, POPLIN_RETR, &reply, &error);
    return poplin_py_raise(poplin_py_state_of((PyObject *)self), message->status, &error);
}

/* The next message, or NULL without an exception at the end; None where it is not there yet and wait is false. */
static PyObject *next_message(series_object *self, bool wait) {
    if (self->series == NULL) {
        return self->cut ? raise_ended(self) : NULL;
    }
    if (!poplin_py_link_enter(self->owner)) {
        return NULL;
    }
    next_request request = {.series = self->series};
    int status = wait ? poplin_py_link_ask(self->owner, ask_next, &request) : ask_next(&request);
    PyObject *result = NULL;
    if (status == POPLIN_OK && request.message.status == POPLIN_OK) {
        result = take_message(self, &request.message);
    } else if (status == POPLIN_OK) {
        raise_refusal(self, &request.message);
    } else if (status == POPLIN_NEED_INPUT) {
        result = Py_NewRef(Py_None);
    } else if (status != POPLIN_END) {
        poplin_py_link_raise(self->owner, status);
    }
    poplin_py_link_leave(self->owner);
    return result;
}

static PyObject *series_next(PyObject *object) {
    return next_message((series_object *)object, true);
}

PyDoc_STRVAR(poll_doc,
             "poll($self, /)\n--\n\nThe next message, or None where it is not there yet. StopIteration: that was all.");

static PyObject *series_poll(PyObject *object, PyObject *unused) {
    (void)unused;
    PyObject *message = next_message((series_object *)object, false);
    if (message == NULL && PyErr_Occurred() == NULL) {
        PyErr_SetNone(PyExc_StopIteration);
    }
    return message;
}

static PyMethodDef methods[] = {
    {"poll", series_poll, METH_NOARGS, poll_doc},
    {"close", series_close, METH_NOARGS, close_doc},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, "Series[M]: of messages of type M, for annotations."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, series_dealloc},
    {Py_tp_traverse, series_traverse},
    {Py_tp_clear, series_clear},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, series_next},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec poplin_py_series_spec = {
    .name = "poplin._core.Series",
    .basicsize = sizeof(series_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};
