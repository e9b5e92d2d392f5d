/*
 * maildir.c - the type Maildir: a Maildir as a session sees it.
 *
 * Whatever asks the file system lets go of the interpreter's lock meanwhile, so a call from a second thread is refused
 * while one is at work. Messages are known here by their unique-ids.
 */
#include <stdlib.h>

#include "core.h"

typedef struct maildir {
    PyObject_HEAD poplin_maildir *maildir; /* NULL once closed */
    bool busy; /* a thread is in one of its methods, perhaps without the interpreter's lock */
} maildir;

static PyObject *maildir_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    (void)keywords;
    PyObject *path = NULL;
    if (!PyArg_ParseTuple(arguments, "O&:Maildir", PyUnicode_FSConverter, &path)) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    maildir *self = (maildir *)allocate(type, 0);
    if (self == NULL) {
        Py_DECREF(path);
        return NULL;
    }
    const char *octets = PyBytes_AsString(path);
    poplin_error error = {0};
    int status;
    Py_BEGIN_ALLOW_THREADS status = poplin_maildir_open(octets, &self->maildir, &error);
    Py_END_ALLOW_THREADS Py_DECREF(path);
    if (status != POPLIN_OK) {
        poplin_py_raise(PyType_GetModuleState(type), status, &error);
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

PyDoc_STRVAR(expire_doc,
             "expire($type, path, days, /)\n--\n\nOf the class: removes what has been there for so many days.");

static PyObject *maildir_expire(PyObject *type, PyObject *arguments) {
    PyObject *path = NULL;
    PyObject *value = NULL;
    uint64_t days = 0;
    if (!PyArg_ParseTuple(arguments, "O&O:expire", PyUnicode_FSConverter, &path, &value)) {
        return NULL;
    }
    if (poplin_py_unsigned(value, "expire", UINT32_MAX, &days) < 0) {
        Py_DECREF(path);
        return NULL;
    }
    const char *octets = PyBytes_AsString(path);
    poplin_error error = {0};
    int status;
    Py_BEGIN_ALLOW_THREADS status = poplin_maildir_expire(octets, (uint32_t)days, &error);
    Py_END_ALLOW_THREADS Py_DECREF(path);
    if (status != POPLIN_OK) {
        return poplin_py_raise(PyType_GetModuleState((PyTypeObject *)type), status, &error);
    }
    Py_RETURN_NONE;
}

static void maildir_dealloc(PyObject *object) {
    poplin_maildir_free(((maildir *)object)->maildir);
    poplin_py_free(object);
}

/* NULL with StateError: it is closed, or at work for another thread. */
static maildir *ready(PyObject *object) {
    maildir *self = (maildir *)object;
    if (self->maildir != NULL && !self->busy) {
        return self;
    }
    poplin_py_raise_state(poplin_py_state_of(object),
                          self->busy ? "another thread uses this Maildir" : "this Maildir is closed");
    return NULL;
}

/* The index of a unique-id. 0, or -1 with TypeError or ValueError. */
static int index_of(const maildir *self, PyObject *uid, size_t *index) {
    Py_ssize_t size = 0;
    if (!PyUnicode_Check(uid)) {
        PyErr_Format(PyExc_TypeError, "a unique-id must be a str, not %R", Py_TYPE(uid));
        return -1;
    }
    const char *text = PyUnicode_AsUTF8AndSize(uid, &size);
    if (text == NULL) {
        return -1;
    }
    if (poplin_maildir_find(self->maildir, (poplin_slice){text, (size_t)size}, index) != POPLIN_OK) {
        PyErr_Format(PyExc_ValueError, "there is no message %R", uid);
        return -1;
    }
    return 0;
}

PyDoc_STRVAR(unique_ids_doc, "unique_ids($self, /)\n--\n\nThose of the snapshot, in its order.");

static PyObject *maildir_unique_ids(PyObject *object, PyObject *unused) {
    (void)unused;
    maildir *self = ready(object);
    if (self == NULL) {
        return NULL;
    }
    size_t count = poplin_maildir_count(self->maildir);
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list != NULL && i < count; i++) {
        PyObject *uid = poplin_py_octets_text(poplin_maildir_get(self->maildir, i).unique_id);
        if (uid == NULL || PyList_SetItem(list, (Py_ssize_t)i, uid) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

PyDoc_STRVAR(open_doc,
             "open($self, uid, /)\n--\n\nA descriptor of the message's file. Refused: it is no longer there.");

static PyObject *maildir_open(PyObject *object, PyObject *uid) {
    maildir *self = ready(object);
    size_t index = 0;
    if (self == NULL || index_of(self, uid, &index) < 0) {
        return NULL;
    }
    poplin_error error = {0};
    int descriptor = -1;
    int status;
    self->busy = true;
    Py_BEGIN_ALLOW_THREADS status = poplin_maildir_message(self->maildir, index, &descriptor, &error);
    Py_END_ALLOW_THREADS self->busy = false;
    if (status != POPLIN_OK) {
        return poplin_py_raise(poplin_py_state_of(object), status, &error);
    }
    return PyLong_FromLong(descriptor);
}

/* The indexes of a list of unique-ids, for free(). NULL with TypeError, ValueError or MemoryError. */
static size_t *indexes_of(const maildir *self, PyObject *uids, size_t count) {
    size_t *indexes = malloc((count + 1) * sizeof *indexes);
    if (indexes == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        PyObject *uid = PyList_GetItem(uids, (Py_ssize_t)i);
        if (uid == NULL || index_of(self, uid, &indexes[i]) < 0) {
            free(indexes);
            return NULL;
        }
    }
    return indexes;
}

PyDoc_STRVAR(remove_doc, "remove($self, uids, /)\n--\n\nDeletes the messages of a list of unique-ids.");

static PyObject *maildir_remove(PyObject *object, PyObject *uids) {
    maildir *self = ready(object);
    if (self == NULL) {
        return NULL;
    }
    if (!PyList_Check(uids)) {
        PyErr_SetString(PyExc_TypeError, "uids must be a list");
        return NULL;
    }
    size_t count = (size_t)PyList_Size(uids);
    size_t *indexes = indexes_of(self, uids, count);
    if (indexes == NULL) {
        return NULL;
    }
    poplin_error error = {0};
    int status;
    self->busy = true;
    Py_BEGIN_ALLOW_THREADS status = poplin_maildir_remove(self->maildir, indexes, count, &error);
    Py_END_ALLOW_THREADS self->busy = false;
    free(indexes);
    if (status != POPLIN_OK) {
        return poplin_py_raise(poplin_py_state_of(object), status, &error);
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(close_doc, "close($self, /)\n--\n\nLets go of the folders. Closing twice is peaceful.");

static PyObject *maildir_close(PyObject *object, PyObject *unused) {
    (void)unused;
    maildir *self = (maildir *)object;
    if (self->maildir != NULL && ready(object) == NULL) {
        return NULL;
    }
    poplin_maildir_free(self->maildir);
    self->maildir = NULL;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"expire", maildir_expire, METH_VARARGS | METH_CLASS, expire_doc},
    {"unique_ids", maildir_unique_ids, METH_NOARGS, unique_ids_doc},
    {"open", maildir_open, METH_O, open_doc},
    {"remove", maildir_remove, METH_O, remove_doc},
    {"close", maildir_close, METH_NOARGS, close_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(type_doc, "Maildir(path, /)\n--\n\nA snapshot of a folder in Maildir format.");

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)type_doc},
    {Py_tp_new, maildir_new},
    {Py_tp_dealloc, maildir_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec poplin_py_maildir_spec = {
    .name = "poplin._core.Maildir",
    .basicsize = sizeof(maildir),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
