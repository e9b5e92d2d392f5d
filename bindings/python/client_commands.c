/*
 * client_commands.c - the methods of ClientMachine that log in and queue commands.
 */
#include "machine.h"

#define LOGIN_MISUSE "user, password or token is missing, empty, too long, or holds CR, LF or NUL"

PyObject *poplin_py_client_login(PyObject *object, PyObject *arguments) {
    static const char *const names[] = {"user", "password", "token", "authorize"};
    PyObject *values[4] = {Py_None, Py_None, Py_None, Py_None};
    poplin_slice slices[4];
    unsigned long long tag = 0;
    int opening = 0;
    int wanted = 0;
    if (!PyArg_ParseTuple(arguments, "KppO|OOO:login", &tag, &opening, &wanted, &values[0], &values[1], &values[2],
                          &values[3])) {
        return NULL;
    }
    for (size_t i = 0; i < 4; i++) {
        if (poplin_py_slice(values[i], names[i], &slices[i]) < 0) {
            return NULL;
        }
    }
    const poplin_credentials credentials = {slices[0], slices[1], slices[2], slices[3]};
    const poplin_credentials *given = wanted ? &credentials : NULL;
    poplin_py_client *self = poplin_py_client_enter(object);
    if (self == NULL) {
        return NULL;
    }
    return poplin_py_client_finish(
        self, opening ? poplin_client_open(self->client, given, tag) : poplin_client_login(self->client, given, tag),
        LOGIN_MISUSE);
}

PyObject *poplin_py_client_submit(PyObject *object, PyObject *arguments) {
    unsigned long long tag = 0;
    int verb = 0;
    PyObject *number = NULL;
    PyObject *lines = NULL;
    PyObject *octets = NULL;
    PyObject *language = NULL;
    poplin_command command = {.verb = POPLIN_NO_VERB};
    uint64_t line_count = 0;
    if (!PyArg_ParseTuple(arguments, "KiOOOO:submit", &tag, &verb, &number, &lines, &octets, &language) ||
        poplin_py_message_number(number, &command.number) < 0 ||
        poplin_py_unsigned(lines, "lines", POPLIN_NUMBER_MAX, &line_count) < 0 ||
        poplin_py_unsigned(octets, "octets", UINT64_MAX, &command.octets) < 0 ||
        poplin_py_slice(language, "language", &command.language) < 0) {
        return NULL;
    }
    command.verb = (enum poplin_verb)verb;
    command.lines = (uint32_t)line_count;
    poplin_py_client *self = poplin_py_client_enter(object);
    return self == NULL ? NULL
                        : poplin_py_client_finish(self, poplin_client_submit(self->client, &command, tag),
                                                  verb == POPLIN_LANG ? "language is no tag or range"
                                                                      : "a message number is needed");
}

PyObject *poplin_py_client_command(PyObject *object, PyObject *arguments) {
    unsigned long long tag = 0;
    PyObject *line = NULL;
    int multiline = 0;
    int secret = 0;
    poplin_slice slice;
    if (!PyArg_ParseTuple(arguments, "KOpp:command", &tag, &line, &multiline, &secret) ||
        poplin_py_slice(line, "line", &slice) < 0) {
        return NULL;
    }
    poplin_py_client *self = poplin_py_client_enter(object);
    return self == NULL
               ? NULL
               : poplin_py_client_finish(
                     self, poplin_client_command(self->client, slice, multiline != 0, secret != 0, tag),
                     "a command is one line, without CR, LF and NUL, of at most 65,536 octets; STLS and QUIT have "
                     "methods of their own");
}

/* The messages of a list of (number, octets), for free(). NULL with an exception. */
static poplin_wanted *wanted_of(PyObject *list, size_t count) {
    poplin_wanted *wanted = PyMem_Malloc((count + 1) * sizeof *wanted);
    if (wanted == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        PyObject *pair = PyList_GetItem(list, (Py_ssize_t)i);
        PyObject *number = NULL;
        PyObject *octets = NULL;
        if (pair == NULL || !PyArg_ParseTuple(pair, "OO", &number, &octets) ||
            poplin_py_message_number(number, &wanted[i].number) < 0 ||
            poplin_py_unsigned(octets, "octets", UINT64_MAX, &wanted[i].octets) < 0) {
            PyMem_Free(wanted);
            return NULL;
        }
    }
    return wanted;
}

PyObject *poplin_py_client_retr_all(PyObject *object, PyObject *arguments) {
    unsigned long long tag = 0;
    PyObject *list = NULL;
    if (!PyArg_ParseTuple(arguments, "KO:retr_all", &tag, &list)) {
        return NULL;
    }
    if (!PyList_Check(list)) {
        PyErr_SetString(PyExc_TypeError, "wanted must be a list");
        return NULL;
    }
    size_t count = (size_t)PyList_Size(list);
    poplin_py_client *self = poplin_py_client_enter(object);
    if (self == NULL) {
        return NULL;
    }
    poplin_wanted *wanted = wanted_of(list, count);
    int status = wanted == NULL ? POPLIN_PY_RAISED : poplin_client_retr_all(self->client, wanted, count, tag);
    PyMem_Free(wanted);
    return poplin_py_client_finish(self, status, "a message number is needed");
}

PyObject *poplin_py_client_retr_stop(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_py_client *self = poplin_py_client_enter(object);
    if (self == NULL) {
        return NULL;
    }
    PyObject *unsent = PyLong_FromSize_t(poplin_client_retr_stop(self->client));
    poplin_py_feed_leave(&self->feed);
    return unsent;
}
