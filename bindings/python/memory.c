/*
 * memory.c - the type Memory: maildrops in memory, a backend without a script.
 *
 * Names, passwords and messages are bytes here. What a lock guards is touched without the interpreter's lock where it
 * may take long: delivering, loading. Not for a child after fork, in which the core's lock may be held for ever.
 */
#include "core.h"

typedef struct memory {
    PyObject_HEAD poplin_memory *memory;
} memory;

int poplin_py_memory_of(poplin_py_state *state, PyObject *value, poplin_memory **found) {
    if (Py_TYPE(value) != state->memory) {
        PyErr_Format(PyExc_TypeError, "maildrops must be a Memory, not %R", Py_TYPE(value));
        return -1;
    }
    *found = ((memory *)value)->memory;
    return 0;
}

static PyObject *memory_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    (void)keywords;
    if (!PyArg_ParseTuple(arguments, ":Memory")) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    memory *self = (memory *)allocate(type, 0);
    if (self == NULL) {
        return NULL;
    }
    int status = poplin_memory_new(&self->memory);
    if (status != POPLIN_OK) {
        poplin_py_raise(PyType_GetModuleState(type), status, NULL);
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void memory_dealloc(PyObject *object) {
    poplin_memory_free(((memory *)object)->memory);
    poplin_py_free(object);
}

static poplin_memory *memory_of(PyObject *object) {
    return ((memory *)object)->memory;
}

/* None, or the exception for a failure; missing is what REFUSED stands for. */
static PyObject *none_or_raise(PyObject *object, int status, const char *missing, const poplin_error *error) {
    if (status == POPLIN_ERR_REFUSED) {
        PyErr_SetString(PyExc_ValueError, missing);
        return NULL;
    }
    if (status != POPLIN_OK) {
        bool told = error != NULL && error->status != POPLIN_OK;
        return poplin_py_raise(poplin_py_state_of(object), status, told ? error : NULL);
    }
    Py_RETURN_NONE;
}

static const char no_user[] = "there is no such user";

PyDoc_STRVAR(limit_doc, "limit($self, octets, /)\n--\n\nThe largest message that is taken from now on.");

static PyObject *memory_limit(PyObject *object, PyObject *value) {
    poplin_memory *self = memory_of(object);
    uint64_t octets = 0;
    if (poplin_py_unsigned(value, "max_message", SIZE_MAX, &octets) < 0) {
        return NULL;
    }
    poplin_memory_limit(self, (size_t)octets);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(add_user_doc, "add_user($self, name, password, /)\n--\n\nValueError: there is one of this name.");

static PyObject *memory_add_user(PyObject *object, PyObject *arguments) {
    poplin_memory *self = memory_of(object);
    poplin_slice name = {NULL, 0};
    poplin_slice password = {NULL, 0};
    PyObject *values[2] = {NULL, NULL};
    if (!PyArg_ParseTuple(arguments, "OO:add_user", &values[0], &values[1]) ||
        poplin_py_slice(values[0], "name", &name) < 0 || poplin_py_slice(values[1], "password", &password) < 0) {
        return NULL;
    }
    int status = poplin_memory_add_user(self, name, password);
    if (status == POPLIN_ERR_STATE) {
        PyErr_SetString(PyExc_ValueError, "there is a user of this name already");
        return NULL;
    }
    return none_or_raise(object, status, NULL, NULL);
}

PyDoc_STRVAR(set_token_doc,
             "set_token($self, name, token, /)\n--\n\nThe user's OAuth 2 token. ValueError: no such user.");

static PyObject *memory_set_token(PyObject *object, PyObject *arguments) {
    PyObject *values[2] = {NULL, NULL};
    poplin_slice name;
    poplin_slice token;
    if (!PyArg_ParseTuple(arguments, "OO:set_token", &values[0], &values[1]) ||
        poplin_py_slice(values[0], "name", &name) < 0 || poplin_py_slice(values[1], "token", &token) < 0) {
        return NULL;
    }
    return none_or_raise(object, poplin_memory_set_token(memory_of(object), name, token), no_user, NULL);
}

PyDoc_STRVAR(remove_user_doc, "remove_user($self, name, /)\n--\n\nValueError: there is none of this name.");

static PyObject *memory_remove_user(PyObject *object, PyObject *value) {
    poplin_memory *self = memory_of(object);
    poplin_slice name;
    if (poplin_py_slice(value, "name", &name) < 0) {
        return NULL;
    }
    return none_or_raise(object, poplin_memory_remove_user(self, name), no_user, NULL);
}

PyDoc_STRVAR(deliver_doc, "deliver($self, user, message, /)\n--\n\nThe message's unique-id. ValueError: no such user.");

static PyObject *memory_deliver(PyObject *object, PyObject *arguments) {
    poplin_memory *self = memory_of(object);
    PyObject *values[2] = {NULL, NULL};
    poplin_slice user;
    poplin_slice data;
    char unique_id[POPLIN_UNIQUE_ID_MAX + 1] = "";
    int status;
    if (!PyArg_ParseTuple(arguments, "OO:deliver", &values[0], &values[1]) ||
        poplin_py_slice(values[0], "user", &user) < 0 || poplin_py_slice(values[1], "message", &data) < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS status = poplin_memory_deliver(self, user, data.data, data.size, unique_id);
    Py_END_ALLOW_THREADS if (status == POPLIN_OK) {
        return PyUnicode_FromString(unique_id);
    }
    poplin_error error = {.status = status, .reason = "the message is larger than max_message"};
    return none_or_raise(object, status, no_user, status == POPLIN_ERR_LIMIT ? &error : NULL);
}

PyDoc_STRVAR(remove_doc, "remove($self, user, unique_id, /)\n--\n\nValueError: no such user or message.");

static PyObject *memory_remove(PyObject *object, PyObject *arguments) {
    poplin_memory *self = memory_of(object);
    PyObject *name = NULL;
    const char *unique_id = NULL;
    Py_ssize_t size = 0;
    poplin_slice user;
    if (!PyArg_ParseTuple(arguments, "Os#:remove", &name, &unique_id, &size) ||
        poplin_py_slice(name, "user", &user) < 0) {
        return NULL;
    }
    int status = poplin_memory_remove(self, user, (poplin_slice){unique_id, (size_t)size});
    return none_or_raise(object, status, "there is no such user or message", NULL);
}

/* A list of what item makes of each message; they are let go of. */
static PyObject *listed(poplin_memory_list *messages, PyObject *(*item)(const poplin_memory_message *message)) {
    size_t count = poplin_memory_list_count(messages);
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list != NULL && i < count; i++) {
        poplin_memory_message message = poplin_memory_list_get(messages, i);
        PyObject *made = item(&message);
        if (made == NULL || PyList_SetItem(list, (Py_ssize_t)i, made) < 0) {
            Py_CLEAR(list);
        }
    }
    poplin_memory_list_free(messages);
    return list;
}

/* The same of all of a user's messages. */
static PyObject *list_all(PyObject *object, PyObject *name, PyObject *(*item)(const poplin_memory_message *message)) {
    poplin_slice user;
    poplin_memory_list *messages = NULL;
    if (poplin_py_slice(name, "user", &user) < 0) {
        return NULL;
    }
    int status = poplin_memory_list_new(memory_of(object), user, &messages);
    return status == POPLIN_OK ? listed(messages, item) : none_or_raise(object, status, no_user, NULL);
}

PyDoc_STRVAR(messages_doc,
             "messages($self, user, /)\n--\n\nA list of (unique-id, octets, data). ValueError: no such user.");
PyDoc_STRVAR(unique_ids_doc, "unique_ids($self, user, /)\n--\n\nOnly the unique-ids. ValueError: no such user.");

static PyObject *message_tuple(const poplin_memory_message *message) {
    return Py_BuildValue("sKN", message->unique_id, (unsigned long long)message->octets,
                         poplin_py_bytes(message->data));
}

static PyObject *message_name(const poplin_memory_message *message) {
    return PyUnicode_FromString(message->unique_id);
}

static PyObject *memory_messages(PyObject *object, PyObject *name) {
    return list_all(object, name, message_tuple);
}

static PyObject *memory_unique_ids(PyObject *object, PyObject *name) {
    return list_all(object, name, message_name);
}

PyDoc_STRVAR(load_doc,
             "load($self, user, path, /)\n--\n\nThe unique-ids of what is at path. ValueError: no such user.");

static PyObject *memory_load(PyObject *object, PyObject *arguments) {
    poplin_memory *self = memory_of(object);
    PyObject *name = NULL;
    PyObject *path = NULL;
    poplin_slice user;
    poplin_memory_list *delivered = NULL;
    poplin_error error = {0};
    int status;
    if (!PyArg_ParseTuple(arguments, "OO&:load", &name, PyUnicode_FSConverter, &path)) {
        return NULL;
    }
    if (poplin_py_slice(name, "user", &user) < 0) {
        Py_DECREF(path);
        return NULL;
    }
    const char *octets = PyBytes_AsString(path);
    Py_BEGIN_ALLOW_THREADS status = poplin_memory_load(self, user, octets, &delivered, &error);
    Py_END_ALLOW_THREADS Py_DECREF(path);
    return status == POPLIN_OK ? listed(delivered, message_name) : none_or_raise(object, status, no_user, &error);
}

static PyMethodDef methods[] = {
    {"limit", memory_limit, METH_O, limit_doc},
    {"add_user", memory_add_user, METH_VARARGS, add_user_doc},
    {"set_token", memory_set_token, METH_VARARGS, set_token_doc},
    {"remove_user", memory_remove_user, METH_O, remove_user_doc},
    {"deliver", memory_deliver, METH_VARARGS, deliver_doc},
    {"load", memory_load, METH_VARARGS, load_doc},
    {"remove", memory_remove, METH_VARARGS, remove_doc},
    {"messages", memory_messages, METH_O, messages_doc},
    {"unique_ids", memory_unique_ids, METH_O, unique_ids_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(type_doc, "Memory()\n--\n\nUsers and their mail, in memory.");

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)type_doc},
    {Py_tp_new, memory_new},
    {Py_tp_dealloc, memory_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec poplin_py_memory_spec = {
    .name = "poplin._core.Memory",
    .basicsize = sizeof(memory),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
