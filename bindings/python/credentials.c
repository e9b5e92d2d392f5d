/*
 * credentials.c - the type Credentials: what a client trusts, or who a server is.
 */
#include <string.h>

#include "core.h"

int poplin_py_credentials_of(poplin_py_state *state, PyObject *value, poplin_tls_credentials **credentials) {
    *credentials = NULL;
    if (value == Py_None) {
        return 0;
    }
    if (Py_TYPE(value) != state->credentials) {
        PyErr_Format(PyExc_TypeError, "credentials must be Credentials, not %R", Py_TYPE(value));
        return -1;
    }
    *credentials = ((poplin_py_credentials *)value)->credentials;
    return 0;
}

/* What both kinds are made of: a poplin_tls_trust, and for a server PEM text instead of files. */
typedef struct files {
    bool server;
    bool verify;
    const char *ca_file;
    const char *cert_file;
    const char *key_file;
    const char *ca_pem;
    const char *cert_pem;
    const char *key_pem;
    poplin_slice staple; /* an OCSP response for the server's certificate */
} files;

static const poplin_py_setting settings[] = {
    {"server", POPLIN_PY_BOOL, offsetof(files, server)},
    {"verify", POPLIN_PY_BOOL, offsetof(files, verify)},
    {"ca_file", POPLIN_PY_STRING, offsetof(files, ca_file)},
    {"cert_file", POPLIN_PY_STRING, offsetof(files, cert_file)},
    {"key_file", POPLIN_PY_STRING, offsetof(files, key_file)},
    {"ca_pem", POPLIN_PY_STRING, offsetof(files, ca_pem)},
    {"cert_pem", POPLIN_PY_STRING, offsetof(files, cert_pem)},
    {"key_pem", POPLIN_PY_STRING, offsetof(files, key_pem)},
    {"staple", POPLIN_PY_OCTETS, offsetof(files, staple)},
    {NULL, POPLIN_PY_BOOL, 0},
};

static poplin_slice text_slice(const char *text) {
    return (poplin_slice){text, text == NULL ? 0 : strlen(text)};
}

static int make_server(const files *given, poplin_tls_credentials **credentials, poplin_error *error) {
    if (given->cert_pem == NULL) {
        return poplin_tls_server_credentials(given->cert_file, given->key_file, credentials, error);
    }
    poplin_slice key = text_slice(given->key_pem == NULL ? given->cert_pem : given->key_pem);
    return poplin_tls_server_credentials_pem(text_slice(given->cert_pem), key, credentials, error);
}

static int make(const files *given, poplin_tls_credentials **credentials, poplin_error *error) {
    if (!given->server) {
        poplin_tls_trust trust = {.verify = given->verify,
                                  .ca_file = given->ca_file,
                                  .ca_pem = text_slice(given->ca_pem),
                                  .cert_file = given->cert_file,
                                  .key_file = given->key_file};
        return poplin_tls_client_credentials(&trust, credentials, error);
    }
    int status = make_server(given, credentials, error);
    if (status == POPLIN_OK && given->staple.data != NULL) {
        status = poplin_tls_server_credentials_staple(*credentials, given->staple, error);
    }
    return status;
}

static PyObject *credentials_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    (void)keywords;
    PyObject *dictionary = NULL;
    files given = {.verify = true};
    if (!PyArg_ParseTuple(arguments, "O:Credentials", &dictionary) ||
        poplin_py_settings(dictionary, settings, &given) < 0) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *self = allocate(type, 0);
    if (self == NULL) {
        return NULL;
    }
    poplin_error error = {0};
    int status = make(&given, &((poplin_py_credentials *)self)->credentials, &error);
    if (status != POPLIN_OK) {
        poplin_py_raise(poplin_py_state_of(self), status, &error);
        Py_DECREF(self);
        return NULL;
    }
    return self;
}

static void credentials_dealloc(PyObject *self) {
    poplin_tls_credentials_free(((poplin_py_credentials *)self)->credentials);
    poplin_py_free(self);
}

static PyType_Slot slots[] = {
    {Py_tp_dealloc, credentials_dealloc},
    {Py_tp_new, credentials_new},
    {0, NULL},
};

PyType_Spec poplin_py_credentials_spec = {
    .name = "poplin._core.Credentials",
    .basicsize = sizeof(poplin_py_credentials),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
