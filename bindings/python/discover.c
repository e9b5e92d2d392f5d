/*
 * discover.c - an address taken apart, and SRV records as servers to try.
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"

PyObject *poplin_py_account(PyObject *module, PyObject *address) {
    (void)module;
    Py_ssize_t size = 0;
    poplin_account account;
    poplin_error error = {0};
    const char *text = PyUnicode_AsUTF8AndSize(address, &size);
    if (text == NULL) {
        return NULL;
    }
    if (poplin_account_parse(text, (size_t)size, &account, &error) != POPLIN_OK) {
        PyErr_SetString(PyExc_ValueError, error.reason);
        return NULL;
    }
    if (account.user_count == 0) {
        return Py_BuildValue("s()ss", account.domain, account.pop3s_name, account.pop3_name);
    }
    return Py_BuildValue("s(ss)ss", account.domain, account.users[0], account.users[1], account.pop3s_name,
                         account.pop3_name);
}

/* What a discovery works on. */
typedef struct work {
    poplin_srv *records;
    poplin_candidate *candidates;
    size_t count;
    poplin_slice numbers; /* four random octets for each record: there is no choice that needs more */
} work;

static uint32_t draw(void *context, uint32_t most) {
    poplin_slice *numbers = context;
    uint32_t number = 0;
    if (numbers->size < sizeof number) {
        return 0;
    }
    memcpy(&number, numbers->data, sizeof number);
    numbers->data += sizeof number;
    numbers->size -= sizeof number;
    return (uint32_t)(number * ((uint64_t)most + 1) >> 32);
}

/* (pop3s, priority, weight, port, target, signed); the target is borrowed. */
static int read_record(PyObject *tuple, poplin_srv *record) {
    int pop3s = 0;
    int is_signed = 0;
    PyObject *numbers[3] = {NULL, NULL, NULL};
    static const char *const names[] = {"priority", "weight", "port"};
    uint16_t *const places[] = {&record->priority, &record->weight, &record->port};
    PyObject *target = NULL;
    Py_ssize_t size = 0;
    if (!PyTuple_Check(tuple)) {
        PyErr_SetString(PyExc_TypeError, "a record must be a tuple");
        return -1;
    }
    if (!PyArg_ParseTuple(tuple, "pOOOUp:record", &pop3s, &numbers[0], &numbers[1], &numbers[2], &target, &is_signed)) {
        return -1;
    }
    record->target.data = PyUnicode_AsUTF8AndSize(target, &size);
    if (record->target.data == NULL) {
        return -1;
    }
    for (size_t i = 0; i < 3; i++) {
        uint64_t number = 0;
        if (poplin_py_unsigned(numbers[i], names[i], UINT16_MAX, &number) < 0) {
            return -1;
        }
        *places[i] = (uint16_t)number;
    }
    record->target.size = (size_t)size;
    record->pop3s = pop3s != 0;
    record->is_signed = is_signed != 0;
    return 0;
}

static int read_records(PyObject *list, work *of) {
    of->count = (size_t)PyList_Size(list);
    of->records = calloc(of->count + 1, sizeof *of->records);
    of->candidates = calloc(2 * of->count + 1, sizeof *of->candidates);
    if (of->records == NULL || of->candidates == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < of->count; i++) {
        if (read_record(PyList_GetItem(list, (Py_ssize_t)i), &of->records[i]) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *candidate_tuple(const poplin_candidate *candidate) {
    return Py_BuildValue("s#isO", candidate->host.data, (Py_ssize_t)candidate->host.size, (int)candidate->record->port,
                         poplin_tls_mode_word(candidate->tls), candidate->verified ? Py_True : Py_False);
}

static PyObject *candidate_list(const poplin_candidate *candidates, size_t found) {
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < found; i++) {
        PyObject *tuple = candidate_tuple(&candidates[i]);
        if (tuple == NULL || PyList_Append(list, tuple) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(tuple);
    }
    return list;
}

PyObject *poplin_py_discover(PyObject *module, PyObject *arguments) {
    (void)module;
    const char *domain = NULL;
    PyObject *list = NULL;
    PyObject *numbers = NULL;
    PyObject *found_list = NULL;
    int cleartext = 0;
    work of = {0};
    size_t found = 0;
    if (!PyArg_ParseTuple(arguments, "sO!Op:discover", &domain, &PyList_Type, &list, &numbers, &cleartext) ||
        poplin_py_slice(numbers, "numbers", &of.numbers) < 0) {
        return NULL;
    }
    if (read_records(list, &of) == 0) {
        const poplin_discovery discovery = {domain, cleartext != 0, draw, &of.numbers};
        poplin_discover(&discovery, of.records, of.count, of.candidates, &found);
        found_list = candidate_list(of.candidates, found);
    }
    free(of.records);
    free(of.candidates);
    return found_list;
}
