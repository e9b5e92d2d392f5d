/*
 * convert.c - Python values to C ones and back: settings, numbers, slices, content.
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"

/* Content at least this large is copied without the interpreter's lock: some 20 microseconds of copying. */
#define LARGE_BODY ((size_t)256 * 1024)

/* A whole number from least to most. */
static int number_between(PyObject *value, const char *name, uint64_t least, uint64_t most, uint64_t *number) {
    if (!PyLong_Check(value) || PyBool_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s must be an int, not %R", name, Py_TYPE(value));
        return -1;
    }
    unsigned long long parsed = PyLong_AsUnsignedLongLong(value);
    bool fits = parsed != (unsigned long long)-1 || PyErr_Occurred() == NULL;
    PyErr_Clear(); /* OverflowError, the only failure for an int */
    if (!fits || parsed < least || parsed > most) {
        PyErr_Format(PyExc_ValueError, "%s must be from %llu to %llu", name, (unsigned long long)least,
                     (unsigned long long)most);
        return -1;
    }
    *number = parsed;
    return 0;
}

int poplin_py_unsigned(PyObject *value, const char *name, uint64_t max, uint64_t *number) {
    return number_between(value, name, 0, max, number);
}

int poplin_py_message_number(PyObject *value, uint32_t *number) {
    uint64_t parsed = 0;
    if (value != Py_None && number_between(value, "a message number", 1, POPLIN_NUMBER_MAX, &parsed) < 0) {
        return -1;
    }
    *number = (uint32_t)parsed;
    return 0;
}

int poplin_py_slice(PyObject *value, const char *name, poplin_slice *slice) {
    *slice = (poplin_slice){NULL, 0};
    if (value == Py_None) {
        return 0;
    }
    if (!PyBytes_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s must be bytes, not %R", name, Py_TYPE(value));
        return -1;
    }
    *slice = (poplin_slice){PyBytes_AsString(value), (size_t)PyBytes_Size(value)};
    return 0;
}

static int string_setting(PyObject *value, const char *name, const char **string) {
    const char *text = NULL;
    Py_ssize_t size = 0;
    if (PyBytes_Check(value)) {
        text = PyBytes_AsString(value);
        size = PyBytes_Size(value);
    } else if (PyUnicode_Check(value)) {
        text = PyUnicode_AsUTF8AndSize(value, &size);
    } else {
        PyErr_Format(PyExc_TypeError, "%s must be a str, not %R", name, Py_TYPE(value));
    }
    if (text == NULL) {
        return -1;
    }
    if (memchr(text, '\0', (size_t)size) != NULL) {
        PyErr_Format(PyExc_ValueError, "%s holds a NUL", name);
        return -1;
    }
    *string = text;
    return 0;
}

/* The largest value of each kind that is a number. */
static uint64_t largest(enum poplin_py_kind kind) {
    switch (kind) {
    case POPLIN_PY_U16:
        return UINT16_MAX;
    case POPLIN_PY_U32:
        return UINT32_MAX;
    case POPLIN_PY_SIZE:
        return SIZE_MAX;
    case POPLIN_PY_ENUM:
        return INT32_MAX;
    default:
        return UINT64_MAX;
    }
}

static int number_setting(PyObject *value, const poplin_py_setting *setting, void *place) {
    uint64_t number = 0;
    if (poplin_py_unsigned(value, setting->name, largest(setting->kind), &number) < 0) {
        return -1;
    }
    switch (setting->kind) {
    case POPLIN_PY_U16:
        *(uint16_t *)place = (uint16_t)number;
        break;
    case POPLIN_PY_U32:
        *(uint32_t *)place = (uint32_t)number;
        break;
    case POPLIN_PY_SIZE:
        *(size_t *)place = (size_t)number;
        break;
    case POPLIN_PY_ENUM:
        *(int *)place = (int)number;
        break;
    default:
        *(uint64_t *)place = number;
    }
    return 0;
}

static int apply(PyObject *value, const poplin_py_setting *setting, void *config) {
    void *place = (char *)config + setting->offset;
    if (setting->kind == POPLIN_PY_STRING) {
        return string_setting(value, setting->name, (const char **)place);
    }
    if (setting->kind == POPLIN_PY_OCTETS) {
        return poplin_py_slice(value, setting->name, place);
    }
    if (setting->kind == POPLIN_PY_BOOL) {
        int truth = PyObject_IsTrue(value);
        *(bool *)place = truth > 0;
        return truth < 0 ? -1 : 0;
    }
    return number_setting(value, setting, place);
}

int poplin_py_settings(PyObject *dictionary, const poplin_py_setting *table, void *config) {
    PyObject *key = NULL;
    PyObject *value = NULL;
    Py_ssize_t position = 0;
    if (!PyDict_Check(dictionary)) {
        PyErr_SetString(PyExc_TypeError, "settings must be a dict");
        return -1;
    }
    while (PyDict_Next(dictionary, &position, &key, &value)) {
        const poplin_py_setting *setting = table;
        while (setting->name != NULL &&
               !(PyUnicode_Check(key) && PyUnicode_CompareWithASCIIString(key, setting->name) == 0)) {
            setting++;
        }
        if (setting->name == NULL) {
            PyErr_Format(PyExc_TypeError, "there is no setting %R", key);
            return -1;
        }
        if (apply(value, setting, config) < 0) {
            return -1;
        }
    }
    return 0;
}

/* As string_setting, but for text alone: no bytes. */
static int text_item(PyObject *value, const char *name, const char **string) {
    if (PyBytes_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s must be a str, not bytes", name);
        return -1;
    }
    return string_setting(value, name, string);
}

const char **poplin_py_strings(PyObject *tuple, const char *name) {
    size_t count = (size_t)PyTuple_Size(tuple);
    const char **strings = calloc(count + 1, sizeof *strings);
    if (strings == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (text_item(PyTuple_GetItem(tuple, (Py_ssize_t)i), name, &strings[i]) < 0) {
            free(strings);
            return NULL;
        }
    }
    return strings;
}

PyObject *poplin_py_text(poplin_slice slice) {
    return PyUnicode_DecodeUTF8(slice.data, (Py_ssize_t)slice.size, "backslashreplace");
}

PyObject *poplin_py_octets_text(poplin_slice slice) {
    return PyUnicode_DecodeLatin1(slice.data, (Py_ssize_t)slice.size, NULL);
}

PyObject *poplin_py_bytes(poplin_slice slice) {
    return PyBytes_FromStringAndSize(slice.data, (Py_ssize_t)slice.size);
}

PyObject *poplin_py_body(const poplin_body *body) {
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)body->size);
    if (bytes == NULL || body->size == 0) {
        return bytes;
    }
    char *destination = PyBytes_AsString(bytes);
    if (body->size < LARGE_BODY) {
        poplin_body_copy(body, destination);
    } else {
        Py_BEGIN_ALLOW_THREADS poplin_body_copy(body, destination);
        Py_END_ALLOW_THREADS
    }
    return bytes;
}

void poplin_py_free(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}
