/*
 * record.c - the type Record: one session as it was at one moment, and the core's judgement of it.
 *
 * A record never changes and has no lock, so that it may be read in any thread and any process.
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"

typedef struct record {
    PyObject_HEAD poplin_record *record;
} record;

PyObject *poplin_py_record_new(poplin_py_state *state, poplin_record *made) {
    allocfunc allocate = (allocfunc)PyType_GetSlot(state->record, Py_tp_alloc);
    record *self = (record *)allocate(state->record, 0);
    if (self == NULL) {
        poplin_record_free(made);
        return NULL;
    }
    self->record = made;
    return (PyObject *)self;
}

static void record_dealloc(PyObject *object) {
    poplin_record_free(((record *)object)->record);
    poplin_py_free(object);
}

static const poplin_record *record_of(PyObject *object) {
    return ((record *)object)->record;
}

static PyObject *text(const char *string) {
    return poplin_py_text((poplin_slice){string, strlen(string)});
}

/* ---- its fields ---- */

/* Fields of one kind share a getter, whose closure is the field's offset. */
#define FIELD(name, get) \
    { #name, get, NULL, NULL, (void *)offsetof(poplin_record, name) }

static const void *field(PyObject *object, void *offset) {
    return (const char *)record_of(object) + (size_t)offset;
}

static PyObject *get_text(PyObject *object, void *offset) {
    return text(*(const char *const *)field(object, offset));
}

static PyObject *get_number(PyObject *object, void *offset) {
    return PyLong_FromUnsignedLongLong(*(const uint64_t *)field(object, offset));
}

static PyObject *get_flag(PyObject *object, void *offset) {
    return PyBool_FromLong(*(const bool *)field(object, offset));
}

static PyObject *get_texts(PyObject *object, void *offset) {
    const char *const *texts = *(const char *const *const *)field(object, offset);
    size_t count = 0;
    while (texts[count] != NULL) {
        count++;
    }
    PyObject *tuple = PyTuple_New((Py_ssize_t)count);
    for (size_t i = 0; tuple != NULL && i < count; i++) {
        PyObject *item = text(texts[i]);
        if (item == NULL || PyTuple_SetItem(tuple, (Py_ssize_t)i, item) < 0) {
            Py_CLEAR(tuple);
        }
    }
    return tuple;
}

static PyObject *get_outcome(PyObject *object, void *unused) {
    (void)unused;
    const poplin_record *self = record_of(object);
    return self->open ? Py_NewRef(Py_None) : text(poplin_record_outcome(self));
}

static PyObject *exchange_tuple(const poplin_exchange *exchange) {
    return Py_BuildValue("NNNKNNNNN", text(exchange->command), text(exchange->reply), text(exchange->text),
                         (unsigned long long)exchange->octets, PyBool_FromLong(exchange->tls),
                         PyBool_FromLong(exchange->secret), PyBool_FromLong(exchange->leaked),
                         PyBool_FromLong(exchange->complete), text(exchange->fault));
}

static PyObject *get_exchanges(PyObject *object, void *unused) {
    (void)unused;
    const poplin_record *self = record_of(object);
    PyObject *list = PyList_New((Py_ssize_t)self->exchange_count);
    for (size_t i = 0; list != NULL && i < self->exchange_count; i++) {
        PyObject *item = exchange_tuple(&self->exchanges[i]);
        if (item == NULL || PyList_SetItem(list, (Py_ssize_t)i, item) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyGetSetDef fields[] = {
    FIELD(number, get_number),
    FIELD(peer, get_text),
    FIELD(open, get_flag),
    {"outcome", get_outcome, NULL, NULL, NULL},
    FIELD(error, get_text),
    FIELD(tls, get_text),
    FIELD(user, get_text),
    FIELD(mechanism, get_text),
    FIELD(octets_in, get_number),
    FIELD(octets_out, get_number),
    FIELD(retrieved, get_texts),
    FIELD(deleted, get_texts),
    FIELD(marked, get_texts),
    {"exchanges", get_exchanges, NULL, NULL, NULL},
    FIELD(exchanges_not_kept, get_number),
    {NULL, NULL, NULL, NULL, NULL},
};

/* ---- what the core says of it ---- */

PyDoc_STRVAR(transcript_doc, "transcript($self, /)\n--\n\nThe conversation for a person, masked.");

static PyObject *record_transcript(PyObject *object, PyObject *unused) {
    (void)unused;
    char *transcript = poplin_record_transcript(record_of(object));
    if (transcript == NULL) {
        return PyErr_NoMemory();
    }
    PyObject *result = text(transcript);
    free(transcript);
    return result;
}

/* None where all is well. Frees the explanation. */
static PyObject *judgement(char *explanation) {
    PyObject *result = explanation == NULL ? Py_NewRef(Py_None) : text(explanation);
    poplin_explanation_free(explanation);
    return result;
}

PyDoc_STRVAR(check_quit_doc, "check_quit($self, /)\n--\n\nNone, or what is wrong, for a person; as all checks.");
PyDoc_STRVAR(check_no_cleartext_secret_doc, "check_no_cleartext_secret($self, /)\n--\n\n");
PyDoc_STRVAR(check_deleted_doc, "check_deleted($self, /, *unique_ids)\n--\n\n");
PyDoc_STRVAR(check_retrieved_doc, "check_retrieved($self, /, *unique_ids)\n--\n\n");
PyDoc_STRVAR(check_order_doc, "check_order($self, /, *commands)\n--\n\n");

static PyObject *record_check_quit(PyObject *object, PyObject *unused) {
    (void)unused;
    return judgement(poplin_record_check_quit(record_of(object)));
}

static PyObject *record_check_no_cleartext_secret(PyObject *object, PyObject *unused) {
    (void)unused;
    return judgement(poplin_record_check_no_cleartext_secret(record_of(object)));
}

static PyObject *check_against(PyObject *object, PyObject *tuple, const char *name,
                               char *(*check)(const poplin_record *record, const char *const *texts, size_t count)) {
    const char **texts = poplin_py_strings(tuple, name);
    if (texts == NULL) {
        return NULL;
    }
    PyObject *result = judgement(check(record_of(object), texts, (size_t)PyTuple_Size(tuple)));
    free(texts);
    return result;
}

static PyObject *record_check_deleted(PyObject *object, PyObject *unique_ids) {
    return check_against(object, unique_ids, "a unique-id", poplin_record_check_deleted);
}

static PyObject *record_check_retrieved(PyObject *object, PyObject *unique_ids) {
    return check_against(object, unique_ids, "a unique-id", poplin_record_check_retrieved);
}

static PyObject *record_check_order(PyObject *object, PyObject *commands) {
    return check_against(object, commands, "a command", poplin_record_check_order);
}

static PyMethodDef methods[] = {
    {"transcript", record_transcript, METH_NOARGS, transcript_doc},
    {"check_quit", record_check_quit, METH_NOARGS, check_quit_doc},
    {"check_no_cleartext_secret", record_check_no_cleartext_secret, METH_NOARGS, check_no_cleartext_secret_doc},
    {"check_deleted", record_check_deleted, METH_VARARGS, check_deleted_doc},
    {"check_retrieved", record_check_retrieved, METH_VARARGS, check_retrieved_doc},
    {"check_order", record_check_order, METH_VARARGS, check_order_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, record_dealloc},
    {Py_tp_getset, fields},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec poplin_py_record_spec = {
    .name = "poplin._core.Record",
    .basicsize = sizeof(record),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};
