/*
 * message.c - the type Message: what poplin.Message is made of. Thousands are made for one listing and filled one by one
 * in a loop, so their fields are C members; their methods are the package's, in a subclass.
 */
#include "core.h"

#include <structmember.h>

poplin_py_message *poplin_py_message_new(PyTypeObject *type, PyObject *client, const poplin_line *line,
                                         PyObject *unique_id) {
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    poplin_py_message *self = (poplin_py_message *)allocate(type, 0);
    if (self != NULL) {
        self->number = line->number;
        self->octets = line->octets;
        self->client = Py_NewRef(client);
        self->unique_id = Py_NewRef(unique_id);
    }
    return self;
}

static PyObject *message_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    (void)keywords;
    PyObject *client = NULL;
    PyObject *unique_id = NULL;
    PyObject *number = NULL;
    PyObject *octets = NULL;
    poplin_line line = {.number = 0};
    if (!PyArg_ParseTuple(arguments, "OOOO:Message", &client, &number, &unique_id, &octets) ||
        poplin_py_message_number(number, &line.number) < 0 ||
        poplin_py_unsigned(octets, "octets", UINT64_MAX, &line.octets) < 0) {
        return NULL;
    }
    return (PyObject *)poplin_py_message_new(type, client, &line, unique_id);
}

static int message_traverse(PyObject *object, visitproc visit, void *arg) {
    poplin_py_message *self = (poplin_py_message *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->client);
    Py_VISIT(self->unique_id);
    Py_VISIT(self->data);
    return 0;
}

static int message_clear(PyObject *object) {
    poplin_py_message *self = (poplin_py_message *)object;
    Py_CLEAR(self->client);
    Py_CLEAR(self->unique_id);
    Py_CLEAR(self->data);
    return 0;
}

static void message_dealloc(PyObject *object) {
    PyObject_GC_UnTrack(object);
    (void)message_clear(object);
    poplin_py_free(object);
}

static PyMemberDef members[] = {
    {"_client", T_OBJECT, offsetof(poplin_py_message, client), READONLY, NULL},
    {"number", T_UINT, offsetof(poplin_py_message, number), READONLY, NULL},
    {"uid", T_OBJECT, offsetof(poplin_py_message, unique_id), READONLY, NULL},
    {"octets", T_ULONGLONG, offsetof(poplin_py_message, octets), READONLY, NULL},
    {"data", T_OBJECT, offsetof(poplin_py_message, data), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(type_doc, "Message(client, number, uid, octets, /)\n--\n\nOne message of a maildrop.");

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)type_doc},
    {Py_tp_new, message_new},
    {Py_tp_dealloc, message_dealloc},
    {Py_tp_traverse, message_traverse},
    {Py_tp_clear, message_clear},
    {Py_tp_members, members},
    {0, NULL},
};

PyType_Spec poplin_py_message_spec = {
    .name = "poplin._core.Message",
    .basicsize = sizeof(poplin_py_message),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

/* ---- a listing ---- */

PyObject *poplin_py_messages(PyTypeObject *type, PyObject *client, const poplin_line *lines, size_t count) {
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list != NULL && i < count; i++) {
        bool named = lines[i].unique_id.data != NULL;
        PyObject *unique_id = named ? poplin_py_octets_text(lines[i].unique_id) : Py_NewRef(Py_None);
        PyObject *message =
            unique_id == NULL ? NULL : (PyObject *)poplin_py_message_new(type, client, &lines[i], unique_id);
        Py_XDECREF(unique_id);
        if (message == NULL || PyList_SetItem(list, (Py_ssize_t)i, message) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}
