/*
 * errors.c - failures of the core as exceptions of the package.
 *
 * The classes are written in Python (poplin._errors); the module asks that file for an instance and knows no class.
 */
#include <stdio.h>
#include <unistd.h>

#include "core.h"

PyObject *poplin_py_make_error(poplin_py_state *state, int status, const poplin_error *error) {
    if (error == NULL) {
        const char *text = poplin_status_text(status);
        return PyObject_CallFunction(state->make_error, "sssssss", poplin_status_name(status), text, "", "", text, "",
                                     NULL);
    }
    char message[1024];
    poplin_error_format(error, message, sizeof message);
    return PyObject_CallFunction(state->make_error, "sssssss", poplin_status_name(status), message, error->doing,
                                 error->host, error->reason, error->peer, poplin_code_text(error->code));
}

PyObject *poplin_py_raise(poplin_py_state *state, int status, const poplin_error *error) {
    if (status == POPLIN_ERR_NOMEM) {
        return PyErr_NoMemory();
    }
    PyObject *exception = poplin_py_make_error(state, status, error);
    if (exception != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
        Py_DECREF(exception);
    }
    return NULL;
}

void poplin_py_raise_state(poplin_py_state *state, const char *reason) {
    poplin_error error = {.status = POPLIN_ERR_STATE};
    snprintf(error.reason, sizeof error.reason, "%s", reason);
    (void)poplin_py_raise(state, POPLIN_ERR_STATE, &error);
}

bool poplin_py_is_ours(PyObject *self, pid_t process) {
    if (process == getpid()) {
        return true;
    }
    poplin_py_raise_state(poplin_py_state_of(self), "it belongs to the parent process: make another in this one");
    return false;
}
