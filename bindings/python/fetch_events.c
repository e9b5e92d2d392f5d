/*
 * fetch_events.c - a fetch's events as tuples, and the seen store's rows as the engine takes them.
 *
 *     ("CONNECT", seconds)              ("RECALL",)                     ("RECORD", rows)
 *     ("FILTER", message, header)       ("BEGIN", message)              ("DELIVER", message, octets or None, names)
 *
 * and a RESULT as (message, result, deleted, exception or None, names or None). A message is (number, uid or None, octets
 * or None, resumed, headers only); a row is as poplin._seen has it.
 */
#include <string.h>

#include "fetch.h"

static PyObject *octets_or_none(uint64_t octets) {
    return octets == POPLIN_OCTETS_UNKNOWN ? Py_NewRef(Py_None) : PyLong_FromUnsignedLongLong(octets);
}

static PyObject *message_of(const poplin_fetch_message *message) {
    const bool named = message->unique_id.data != NULL;
    PyObject *uid = named ? poplin_py_octets_text(message->unique_id) : Py_NewRef(Py_None);
    return Py_BuildValue("kNNNN", (unsigned long)message->number, uid, octets_or_none(message->octets),
                         PyBool_FromLong(message->resumed), PyBool_FromLong(message->headers_only));
}

static PyObject *row_of(const poplin_seen_record *record) {
    PyObject *gone = record->gone == 0 ? Py_NewRef(Py_None) : PyLong_FromLongLong(record->gone);
    /* Octets beyond what SQLite can hold are written as unknown. */
    PyObject *octets = octets_or_none(record->octets > INT64_MAX ? POPLIN_OCTETS_UNKNOWN : record->octets);
    return Py_BuildValue("NkzNLLN", poplin_py_octets_text(record->uid), (unsigned long)record->copy,
                         poplin_step_name(record->step), octets, (long long)record->first_seen,
                         (long long)record->changed, gone);
}

static PyObject *rows_of(const poplin_seen_record *records, size_t count) {
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list != NULL && i < count; i++) {
        PyObject *row = row_of(&records[i]);
        if (row == NULL || PyList_SetItem(list, (Py_ssize_t)i, row) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

PyObject *poplin_py_fetch_names_of(const poplin_py_fetch *self) {
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < poplin_places_count(self->places); i++) {
        const char *name = poplin_places_name(self->places, i);
        PyObject *text = name == NULL ? NULL : PyUnicode_DecodeFSDefault(name);
        if (name != NULL && (text == NULL || PyList_Append(list, text) < 0)) {
            Py_CLEAR(list);
        }
        Py_XDECREF(text);
    }
    return list;
}

static PyObject *delivery_event(const poplin_py_fetch *self) {
    const poplin_slice octets = poplin_places_octets(self->places);
    PyObject *data = octets.data != NULL ? poplin_py_bytes(octets) : Py_NewRef(Py_None);
    return Py_BuildValue("sNNN", "DELIVER", message_of(self->event.message), data, poplin_py_fetch_names_of(self));
}

PyObject *poplin_py_fetch_result_of(const poplin_py_fetch *self) {
    const poplin_fetch_event *event = &self->event;
    PyObject *number = PyLong_FromUnsignedLong(event->message->number);
    PyObject *names = number == NULL ? NULL : PyDict_GetItemWithError(self->names, number);
    Py_XDECREF(number);
    if (names == NULL && PyErr_Occurred()) {
        return NULL;
    }
    poplin_py_state *state = poplin_py_state_of((PyObject *)self);
    PyObject *error =
        event->error == NULL ? Py_NewRef(Py_None) : poplin_py_make_error(state, event->error->status, event->error);
    return Py_BuildValue("NsNNO", message_of(event->message), poplin_result_name(event->result),
                         PyBool_FromLong(event->deleted), error, names == NULL ? Py_None : names);
}

PyObject *poplin_py_fetch_event_of(const poplin_py_fetch *self) {
    const poplin_fetch_event *event = &self->event;
    switch (event->kind) {
    case POPLIN_FETCH_CONNECT:
        return Py_BuildValue("sd", "CONNECT", (double)event->delay_ms / 1000);
    case POPLIN_FETCH_RECALL:
        return Py_BuildValue("(s)", "RECALL");
    case POPLIN_FETCH_RECORD:
        return Py_BuildValue("sN", "RECORD", rows_of(event->records, event->count));
    case POPLIN_FETCH_FILTER:
        return Py_BuildValue("sNN", "FILTER", message_of(event->message), poplin_py_bytes(event->text));
    case POPLIN_FETCH_BEGIN:
        return Py_BuildValue("sN", "BEGIN", message_of(event->message));
    default:
        return delivery_event(self);
    }
}

PyObject *poplin_py_fetch_progress_of(const poplin_fetch_progress *progress) {
    return Py_BuildValue("kkKKkkk", (unsigned long)progress->messages_done, (unsigned long)progress->messages_to_do,
                         (unsigned long long)progress->octets_done, (unsigned long long)progress->octets_to_do,
                         (unsigned long)progress->listed, (unsigned long)progress->known,
                         (unsigned long)progress->deleted);
}

/* A number that may be None, which stands for another. */
static int number_or(PyObject *value, const char *name, uint64_t none, uint64_t most, uint64_t *number) {
    *number = none;
    return value == Py_None ? 0 : poplin_py_unsigned(value, name, most, number);
}

int poplin_py_fetch_row(PyObject *row, poplin_seen_record *record) {
    const char *uid = NULL;
    const char *step = NULL;
    Py_ssize_t size = 0;
    PyObject *values[5];
    uint64_t copy = 0, first_seen = 0, changed = 0, gone = 0;
    *record = (poplin_seen_record){.copy = 0};
    if (!PyTuple_Check(row)) {
        PyErr_SetString(PyExc_TypeError, "a row must be a tuple");
        return -1;
    }
    if (!PyArg_ParseTuple(row, "s#OsOOOO:recall", &uid, &size, &values[0], &step, &values[1], &values[2], &values[3],
                          &values[4]) ||
        poplin_py_unsigned(values[0], "copy", UINT32_MAX, &copy) < 0 ||
        number_or(values[1], "octets", POPLIN_OCTETS_UNKNOWN, INT64_MAX, &record->octets) < 0 ||
        poplin_py_unsigned(values[2], "first_seen", POPLIN_SEEN_TIME_MAX, &first_seen) < 0 ||
        poplin_py_unsigned(values[3], "changed", POPLIN_SEEN_TIME_MAX, &changed) < 0 ||
        number_or(values[4], "gone", 0, POPLIN_SEEN_TIME_MAX, &gone) < 0) {
        return -1;
    }
    record->uid = (poplin_slice){uid, (size_t)size};
    record->copy = (uint32_t)copy;
    record->step = poplin_step_parse((poplin_slice){step, strlen(step)});
    record->first_seen = (int64_t)first_seen;
    record->changed = (int64_t)changed;
    record->gone = (int64_t)gone;
    return 0;
}
