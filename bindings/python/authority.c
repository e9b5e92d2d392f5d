/*
 * authority.c - the type Authority: a throw-away CA in memory, which issues certificates of servers, good ones and bad ones, and of
 * clients.
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"

typedef struct authority {
    PyObject_HEAD poplin_tls_authority *authority;
} authority;

static PyObject *authority_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    (void)keywords;
    if (!PyArg_ParseTuple(arguments, ":Authority")) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    authority *self = (authority *)allocate(type, 0);
    if (self == NULL) {
        return NULL;
    }
    int status = poplin_tls_authority_new(&self->authority);
    if (status != POPLIN_OK) {
        poplin_py_raise(PyType_GetModuleState(type), status, NULL);
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void authority_dealloc(PyObject *object) {
    poplin_tls_authority_free(((authority *)object)->authority);
    poplin_py_free(object);
}

static int blemish_of(const char *word, enum poplin_blemish *blemish) {
    for (int number = 0; number < POPLIN_BLEMISH_COUNT; number++) {
        *blemish = (enum poplin_blemish)number;
        if (strcmp(word, poplin_blemish_word(*blemish)) == 0) {
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError, "there is no blemish '%s': poplin.testing.BLEMISHES has all", word);
    return -1;
}

/* What was issued as a tuple of PEM texts, which takes it over. */
static PyObject *parts_of(poplin_tls_throwaway *made) {
    PyObject *parts = Py_BuildValue("sssy#", made->ca_pem, made->cert_pem, made->key_pem, made->staple,
                                    (Py_ssize_t)made->staple_size);
    poplin_tls_throwaway_free(made);
    return parts;
}

PyDoc_STRVAR(issue_doc,
             "issue($self, names, blemish, /)\n--\n\n(CA, certificate, key) as PEM text, and the OCSP response that "
             "belongs to it as bytes or None.");

static PyObject *authority_issue(PyObject *object, PyObject *arguments) {
    PyObject *names = NULL;
    const char *word = NULL;
    enum poplin_blemish blemish;
    if (!PyArg_ParseTuple(arguments, "O!s:issue", &PyTuple_Type, &names, &word) || blemish_of(word, &blemish) < 0) {
        return NULL;
    }
    const char **array = poplin_py_strings(names, "a name");
    if (array == NULL) {
        return NULL;
    }
    poplin_tls_throwaway made = {0};
    int status = poplin_tls_authority_issue(((authority *)object)->authority, blemish, array,
                                            (size_t)PyTuple_Size(names), &made);
    free(array);
    if (status != POPLIN_OK) {
        poplin_error error = {.status = status, .reason = "a name is neither a host name nor an IP address"};
        return poplin_py_raise(poplin_py_state_of(object), status, status == POPLIN_ERR_CERTIFICATE ? &error : NULL);
    }
    return parts_of(&made);
}

PyDoc_STRVAR(issue_client_doc, "issue_client($self, user, /)\n--\n\nAs issue, for a client.");

static PyObject *authority_issue_client(PyObject *object, PyObject *user) {
    const char *name = PyUnicode_Check(user) ? PyUnicode_AsUTF8AndSize(user, NULL) : NULL;
    poplin_tls_throwaway made = {0};
    if (name == NULL) {
        return PyErr_Occurred() != NULL ? NULL
                                        : PyErr_Format(PyExc_TypeError, "user must be a str, not %R", Py_TYPE(user));
    }
    int status = poplin_tls_authority_issue_client(((authority *)object)->authority, name, &made);
    if (status != POPLIN_OK) {
        poplin_error error = {.status = status, .reason = "the name is empty, longer than 64 octets, or no plain text"};
        return poplin_py_raise(poplin_py_state_of(object), status, status == POPLIN_ERR_CERTIFICATE ? &error : NULL);
    }
    return parts_of(&made);
}

static PyMethodDef methods[] = {
    {"issue", authority_issue, METH_VARARGS, issue_doc},
    {"issue_client", authority_issue_client, METH_O, issue_client_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(type_doc, "Authority()\n--\n\nA certificate authority made on the spot, for tests.");

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)type_doc},
    {Py_tp_new, authority_new},
    {Py_tp_dealloc, authority_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec poplin_py_authority_spec = {
    .name = "poplin._core.Authority",
    .basicsize = sizeof(authority),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
