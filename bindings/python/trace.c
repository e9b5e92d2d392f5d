/*
 * trace.c - the traces of loops on their way to the package (poplin._trace), which has them logged.
 *
 * The core keeps the lines, which come about without the interpreter's lock, and they are handed over where a method has that
 * lock and nothing is under way in the core. An exception that comes of that is nobody's: it is reported as unraisable.
 */
#include <string.h>

#include "core.h"

int poplin_py_trace_find(poplin_py_state *state) {
    PyObject *module = PyImport_ImportModule("poplin._trace");
    if (module == NULL) {
        return -1;
    }
    state->trace_kinds = PyObject_GetAttrString(module, "kinds");
    state->trace_emit = PyObject_GetAttrString(module, "emit");
    Py_DECREF(module);
    return state->trace_kinds == NULL || state->trace_emit == NULL ? -1 : 0;
}

/* Ctrl-C is kept for whoever looks for signals next. */
static void report(PyObject *function) {
    if (PyErr_ExceptionMatches(PyExc_KeyboardInterrupt)) {
        PyErr_Clear();
        PyErr_SetInterrupt();
    } else {
        PyErr_WriteUnraisable(function);
    }
}

void poplin_py_trace_begin(poplin_py_state *state, poplin_loop *loop, bool server) {
    PyObject *answer = PyObject_CallFunction(state->trace_kinds, "O", server ? Py_True : Py_False);
    unsigned long kinds = answer == NULL ? 0 : PyLong_AsUnsignedLong(answer);
    Py_XDECREF(answer);
    if (PyErr_Occurred() != NULL) {
        report(state->trace_kinds);
    } else if (kinds != POPLIN_TRACE_NONE) {
        (void)poplin_loop_trace(loop, (unsigned)kinds, NULL, NULL);
    }
}

static PyObject *line_tuple(const poplin_trace_line *line) {
    const poplin_slice peer = {line->peer, strlen(line->peer)};
    return Py_BuildValue("iOKNs", (int)line->kind, line->server ? Py_True : Py_False,
                         (unsigned long long)line->connection, poplin_py_text(peer), line->text);
}

/* The lines that are kept, beginning with this one: a list. */
static PyObject *line_list(poplin_loop *loop, poplin_trace_line *line) {
    PyObject *list = PyList_New(0);
    do {
        PyObject *tuple = list == NULL ? NULL : line_tuple(line);
        if (tuple == NULL || PyList_Append(list, tuple) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(tuple);
    } while (poplin_loop_trace_next(loop, line) == POPLIN_OK);
    return list;
}

void poplin_py_trace_hand_over(poplin_py_state *state, poplin_loop *loop) {
    poplin_trace_line line;
    PyObject *type, *value, *traceback;
    if (poplin_loop_trace_next(loop, &line) != POPLIN_OK) {
        return;
    }
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *lines = line_list(loop, &line);
    PyObject *result = lines == NULL ? NULL : PyObject_CallFunction(state->trace_emit, "O", lines);
    if (result == NULL) {
        report(state->trace_emit);
    }
    Py_XDECREF(result);
    Py_XDECREF(lines);
    PyErr_Restore(type, value, traceback);
}
