/*
 * scram.c - SCRAM keys made of a password, for the scripts that store them.
 */
#include "core.h"

#define PASSWORD_MISUSE "the password is empty, too long, or holds what no login can carry"
#define NUMBERS_MISUSE "salt must have 1 to 64 octets, and iterations be 4096 or more"

static PyObject *raise_make(PyObject *module, int status) {
    if (status == POPLIN_ERR_PROTOCOL || status == POPLIN_ERR_LIMIT) {
        PyErr_SetString(PyExc_ValueError, status == POPLIN_ERR_PROTOCOL ? PASSWORD_MISUSE : NUMBERS_MISUSE);
        return NULL;
    }
    return poplin_py_raise(PyModule_GetState(module), status, NULL);
}

/* The keys are derived without the interpreter's lock: that takes milliseconds, and is meant to. */
PyObject *poplin_py_scram_keys(PyObject *module, PyObject *arguments) {
    PyObject *values[2] = {NULL, NULL};
    PyObject *count = NULL;
    int hash = 0;
    uint64_t iterations = 0;
    poplin_slice password;
    poplin_slice salt;
    poplin_scram_keys keys;
    char storage[POPLIN_SCRAM_STORAGE];
    char text[POPLIN_SCRAM_TEXT];
    int status;
    if (!PyArg_ParseTuple(arguments, "OiOO:scram_keys", &values[0], &hash, &count, &values[1]) ||
        poplin_py_slice(values[0], "password", &password) < 0 || poplin_py_slice(values[1], "salt", &salt) < 0 ||
        poplin_py_unsigned(count, "iterations", UINT32_MAX, &iterations) < 0) {
        return NULL;
    }
    if (iterations == 0 || (salt.data != NULL && salt.size == 0)) { /* the core would take its own */
        return raise_make(module, POPLIN_ERR_LIMIT);
    }
    Py_BEGIN_ALLOW_THREADS status =
        poplin_scram_keys_make((enum poplin_scram_hash)hash, password, salt, (uint32_t)iterations, storage, &keys);
    if (status == POPLIN_OK) {
        status = poplin_scram_keys_write(&keys, text, sizeof text);
    }
    Py_END_ALLOW_THREADS return status == POPLIN_OK ? PyUnicode_FromString(text) : raise_make(module, status);
}
