/*
 * testkit.c - the type Testkit: faults and quirks of a server, and the log of what happened.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core.h"

typedef struct testkit {
    PyObject_HEAD poplin_testkit *kit;
    pid_t process;
} testkit;

static const poplin_py_setting settings[] = {
    {"keep_sessions", POPLIN_PY_SIZE, offsetof(poplin_testkit_config, sessions_kept)},
    {"exchanges_kept", POPLIN_PY_SIZE, offsetof(poplin_testkit_config, exchanges_kept)},
    {NULL, POPLIN_PY_BOOL, 0},
};

int poplin_py_testkit_of(poplin_py_state *state, PyObject *value, poplin_testkit **kit) {
    *kit = NULL;
    if (value == Py_None) {
        return 0;
    }
    if (Py_TYPE(value) != state->testkit) {
        PyErr_Format(PyExc_TypeError, "a tap must be a Testkit, not %R", Py_TYPE(value));
        return -1;
    }
    *kit = ((testkit *)value)->kit;
    return 0;
}

static PyObject *testkit_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    (void)keywords;
    PyObject *dictionary = NULL;
    poplin_testkit_config config;
    poplin_testkit_config_init(&config);
    if (!PyArg_ParseTuple(arguments, "O:Testkit", &dictionary) ||
        poplin_py_settings(dictionary, settings, &config) < 0) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    testkit *self = (testkit *)allocate(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->process = getpid();
    int status = poplin_testkit_new(&config, &self->kit);
    if (status != POPLIN_OK) {
        poplin_py_raise(PyType_GetModuleState(type), status, NULL);
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void testkit_dealloc(PyObject *object) {
    poplin_testkit_free(((testkit *)object)->kit);
    poplin_py_free(object);
}

/* The kit, or NULL with StateError in a child after fork. */
static poplin_testkit *kit_of(PyObject *object) {
    testkit *self = (testkit *)object;
    return poplin_py_is_ours(object, self->process) ? self->kit : NULL;
}

static PyObject *none_or_raise(PyObject *object, int status) {
    if (status != POPLIN_OK) {
        return poplin_py_raise(poplin_py_state_of(object), status, NULL);
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(add_secret_doc, "add_secret($self, secret, /)\n--\n\nOne more string that is never shown.");

static PyObject *testkit_add_secret(PyObject *object, PyObject *value) {
    poplin_testkit *kit = kit_of(object);
    poplin_slice secret;
    if (kit == NULL || poplin_py_slice(value, "secret", &secret) < 0) {
        return NULL;
    }
    return none_or_raise(object, poplin_testkit_add_secret(kit, secret));
}

PyDoc_STRVAR(reset_doc, "reset($self, /)\n--\n\nForget faults and ended sessions.");

static PyObject *testkit_reset(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_testkit *kit = kit_of(object);
    if (kit == NULL) {
        return NULL;
    }
    poplin_testkit_reset(kit);
    Py_RETURN_NONE;
}

/* ---- faults ---- */

/* The id and the name of what was added, or the core's words as ValueError. */
static PyObject *fault_added(PyObject *object, int status, const poplin_fault_handle *handle,
                             const poplin_error *error) {
    if (status == POPLIN_ERR_UNSUPPORTED || status == POPLIN_ERR_STATE) {
        PyErr_SetString(PyExc_ValueError, error->reason);
        return NULL;
    }
    if (status != POPLIN_OK) {
        return poplin_py_raise(poplin_py_state_of(object), status, NULL);
    }
    PyObject *name = poplin_py_text((poplin_slice){handle->name, strlen(handle->name)});
    free(handle->name);
    return name == NULL ? NULL : Py_BuildValue("KN", (unsigned long long)handle->id, name);
}

static int fault_setting(PyObject *pair, poplin_setting *setting) {
    PyObject *value = NULL;
    if (!PyArg_ParseTuple(pair, "sO", &setting->name, &value)) {
        return -1;
    }
    return poplin_py_slice(value, setting->name, &setting->value);
}

PyDoc_STRVAR(add_fault_doc, "add_fault($self, command, settings, /)\n--\n\nThe fault's id and its name. settings: a "
                            "tuple of (name, value as octets). "
                            "ValueError: it is no fault.");

static PyObject *testkit_add_fault(PyObject *object, PyObject *arguments) {
    poplin_testkit *kit = kit_of(object);
    const char *command = NULL;
    PyObject *pairs = NULL;
    if (kit == NULL || !PyArg_ParseTuple(arguments, "zO!:add_fault", &command, &PyTuple_Type, &pairs)) {
        return NULL;
    }
    size_t count = (size_t)PyTuple_Size(pairs);
    poplin_setting *given = calloc(count + 1, sizeof *given);
    if (given == NULL) {
        return PyErr_NoMemory();
    }
    PyObject *result = NULL;
    size_t read = 0;
    while (read < count && fault_setting(PyTuple_GetItem(pairs, (Py_ssize_t)read), &given[read]) == 0) {
        read++;
    }
    if (read == count) {
        poplin_fault_handle handle;
        poplin_error error = {0};
        int status = poplin_testkit_add_fault(kit, command, given, count, &handle, &error);
        result = fault_added(object, status, &handle, &error);
    }
    free(given);
    return result;
}

PyDoc_STRVAR(add_fault_text_doc, "add_fault_text($self, text, /)\n--\n\nThe same from text. ValueError: no fault.");
PyDoc_STRVAR(add_profile_doc, "add_profile($self, name, /)\n--\n\nA quirk or an attack. ValueError: there is none.");

/* What poplin_testkit_add_fault_text and _add_profile are alike in. */
static PyObject *add_by_text(PyObject *object, PyObject *text,
                             int (*add)(poplin_testkit *kit, const char *text, poplin_fault_handle *handle,
                                        poplin_error *error)) {
    poplin_testkit *kit = kit_of(object);
    poplin_fault_handle handle;
    poplin_error error = {0};
    const char *octets = NULL;
    if (kit == NULL || !PyArg_Parse(text, "s", &octets)) {
        return NULL;
    }
    int status = add(kit, octets, &handle, &error);
    return fault_added(object, status, &handle, &error);
}

static PyObject *testkit_add_fault_text(PyObject *object, PyObject *text) {
    return add_by_text(object, text, poplin_testkit_add_fault_text);
}

static PyObject *testkit_add_profile(PyObject *object, PyObject *name) {
    return add_by_text(object, name, poplin_testkit_add_profile);
}

PyDoc_STRVAR(remove_doc, "remove($self, fault, /)\n--\n\nHow often it took effect. None: it is not there any more.");

static PyObject *testkit_remove(PyObject *object, PyObject *value) {
    poplin_testkit *kit = kit_of(object);
    uint64_t id = 0, fired = 0;
    if (kit == NULL || poplin_py_unsigned(value, "id", UINT64_MAX, &id) < 0) {
        return NULL;
    }
    if (poplin_testkit_remove(kit, id, &fired) != POPLIN_OK) {
        Py_RETURN_NONE;
    }
    return PyLong_FromUnsignedLongLong(fired);
}

PyDoc_STRVAR(fired_doc, "fired($self, fault, /)\n--\n\nHow often it has taken effect so far.");

static PyObject *testkit_fired(PyObject *object, PyObject *value) {
    poplin_testkit *kit = kit_of(object);
    uint64_t id = 0;
    if (kit == NULL || poplin_py_unsigned(value, "id", UINT64_MAX, &id) < 0) {
        return NULL;
    }
    return PyLong_FromUnsignedLongLong(poplin_testkit_fired(kit, id));
}

/* ---- what happened ---- */

PyDoc_STRVAR(records_doc, "records($self, /)\n--\n\nThe sessions that are kept, oldest first: a list of Record.");

static PyObject *testkit_records(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_testkit *kit = kit_of(object);
    PyObject *list = kit == NULL ? NULL : PyList_New(0);
    int status = POPLIN_OK;
    for (size_t index = 0; list != NULL; index++) {
        poplin_record *record = NULL;
        Py_BEGIN_ALLOW_THREADS status = poplin_testkit_record(kit, index, &record);
        Py_END_ALLOW_THREADS if (status != POPLIN_OK) {
            break;
        }
        PyObject *item = poplin_py_record_new(poplin_py_state_of(object), record);
        if (item == NULL || PyList_Append(list, item) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(item);
    }
    if (list != NULL && status == POPLIN_ERR_NOMEM) {
        Py_DECREF(list);
        return PyErr_NoMemory();
    }
    return list;
}

PyDoc_STRVAR(record_doc,
             "record($self, number, /)\n--\n\nThe session of this number as it is now; None: it is not kept.");

static PyObject *testkit_record(PyObject *object, PyObject *value) {
    poplin_testkit *kit = kit_of(object);
    uint64_t number = 0;
    poplin_record *record = NULL;
    int status;
    if (kit == NULL || poplin_py_unsigned(value, "number", UINT64_MAX, &number) < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS status = poplin_testkit_record_numbered(kit, number, &record);
    Py_END_ALLOW_THREADS if (status == POPLIN_ERR_REFUSED) {
        Py_RETURN_NONE;
    }
    if (status != POPLIN_OK) {
        return poplin_py_raise(poplin_py_state_of(object), status, NULL);
    }
    return poplin_py_record_new(poplin_py_state_of(object), record);
}

PyDoc_STRVAR(count_doc,
             "count($self, /)\n--\n\n(sessions since the beginning or the last reset, those no longer kept).");

static PyObject *testkit_count(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_testkit *kit = kit_of(object);
    uint64_t sessions = 0;
    uint64_t not_kept = 0;
    if (kit == NULL) {
        return NULL;
    }
    poplin_testkit_count(kit, &sessions, &not_kept);
    return Py_BuildValue("KK", (unsigned long long)sessions, (unsigned long long)not_kept);
}

PyDoc_STRVAR(
    follow_doc,
    "follow($self, number, position, /)\n--\n\n(text, position): what of the session's transcript is new behind a "
    "position, 0 at first, and will not change; then None in its place. None: it is not kept.");

static PyObject *testkit_follow(PyObject *object, PyObject *arguments) {
    poplin_testkit *kit = kit_of(object);
    unsigned long long number = 0;
    unsigned long long behind = 0;
    char *added = NULL;
    int status;
    if (kit == NULL || !PyArg_ParseTuple(arguments, "KK:follow", &number, &behind)) {
        return NULL;
    }
    uint64_t position = behind;
    Py_BEGIN_ALLOW_THREADS status = poplin_testkit_follow(kit, number, &position, &added);
    Py_END_ALLOW_THREADS if (status == POPLIN_ERR_REFUSED) {
        Py_RETURN_NONE;
    }
    if (status != POPLIN_OK) {
        return poplin_py_raise(poplin_py_state_of(object), status, NULL);
    }
    PyObject *text = poplin_py_text((poplin_slice){added, strlen(added)});
    free(added);
    return position == POPLIN_TRANSCRIPT_OVER ? Py_BuildValue("NO", text, Py_None)
                                              : Py_BuildValue("NK", text, (unsigned long long)position);
}

PyDoc_STRVAR(changes_doc, "changes($self, /)\n--\n\nCounts up with everything that is logged.");

static PyObject *testkit_changes(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_testkit *kit = kit_of(object);
    return kit == NULL ? NULL : PyLong_FromUnsignedLongLong(poplin_testkit_changes(kit));
}

PyDoc_STRVAR(
    wait_doc,
    "wait($self, seen, milliseconds, /)\n--\n\nWait until changes() is not seen any more; -1: for ever. False: it "
    "still is. What a signal's handler raises ends the wait.");

/*
 * A signal that comes just before a wait, or to another thread, does not break it: it is looked for now and then. To
 * block signals up to the wait would help only a process of one thread: the others would get them.
 */
static PyObject *testkit_wait(PyObject *object, PyObject *arguments) {
    poplin_testkit *kit = kit_of(object);
    unsigned long long seen = 0;
    int milliseconds = 0;
    if (kit == NULL || !PyArg_ParseTuple(arguments, "Ki:wait", &seen, &milliseconds)) {
        return NULL;
    }
    const int64_t until = milliseconds < 0 ? INT64_MAX : poplin_py_milliseconds_now() + milliseconds;
    int64_t left = milliseconds < 0 ? INT64_MAX : milliseconds;
    int status;
    do {
        if (PyErr_CheckSignals() < 0) {
            return NULL;
        }
        const int slice = left < POPLIN_PY_SIGNAL_MS ? (int)left : POPLIN_PY_SIGNAL_MS;
        Py_BEGIN_ALLOW_THREADS status = poplin_testkit_wait(kit, seen, slice);
        Py_END_ALLOW_THREADS left = until - poplin_py_milliseconds_now();
    } while ((status == POPLIN_ERR_TIMEOUT || status == POPLIN_INTERRUPTED) && left > 0);
    if (status < 0 && status != POPLIN_ERR_TIMEOUT) {
        return poplin_py_raise(poplin_py_state_of(object), status, NULL);
    }
    return PyBool_FromLong(status == POPLIN_OK);
}

static PyMethodDef methods[] = {
    {"add_secret", testkit_add_secret, METH_O, add_secret_doc},
    {"reset", testkit_reset, METH_NOARGS, reset_doc},
    {"add_fault", testkit_add_fault, METH_VARARGS, add_fault_doc},
    {"add_fault_text", testkit_add_fault_text, METH_O, add_fault_text_doc},
    {"add_profile", testkit_add_profile, METH_O, add_profile_doc},
    {"remove", testkit_remove, METH_O, remove_doc},
    {"fired", testkit_fired, METH_O, fired_doc},
    {"records", testkit_records, METH_NOARGS, records_doc},
    {"record", testkit_record, METH_O, record_doc},
    {"count", testkit_count, METH_NOARGS, count_doc},
    {"follow", testkit_follow, METH_VARARGS, follow_doc},
    {"changes", testkit_changes, METH_NOARGS, changes_doc},
    {"wait", testkit_wait, METH_VARARGS, wait_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(type_doc, "Testkit(settings, /)\n--\n\nFaults to come, and records of the sessions that were.");

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)type_doc},
    {Py_tp_new, testkit_new},
    {Py_tp_dealloc, testkit_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec poplin_py_testkit_spec = {
    .name = "poplin._core.Testkit",
    .basicsize = sizeof(testkit),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
