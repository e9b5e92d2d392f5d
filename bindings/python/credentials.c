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
    bool no_resumption;
    const char *pins;
    const char *first_use_file;
    const char *key_log; /* of either */
    const char *ca_file;
    const char *cert_file;
    const char *key_file;
    const char *ca_pem;
    const char *cert_pem;
    const char *key_pem;
    poplin_slice staple;         /* an OCSP response for the server's certificate */
    const char *clients_ca_file; /* the CAs of clients who log in by certificate */
    const char *clients_ca_pem;
    PyObject *others; /* a server's further certificates: a tuple of pairs, borrowed; NULL: none */
} files;

static const poplin_py_setting settings[] = {
    {"server", POPLIN_PY_BOOL, offsetof(files, server)},
    {"verify", POPLIN_PY_BOOL, offsetof(files, verify)},
    {"no_resumption", POPLIN_PY_BOOL, offsetof(files, no_resumption)},
    {"pins", POPLIN_PY_STRING, offsetof(files, pins)},
    {"trust_on_first_use", POPLIN_PY_STRING, offsetof(files, first_use_file)},
    {"key_log", POPLIN_PY_STRING, offsetof(files, key_log)},
    {"ca_file", POPLIN_PY_STRING, offsetof(files, ca_file)},
    {"cert_file", POPLIN_PY_STRING, offsetof(files, cert_file)},
    {"key_file", POPLIN_PY_STRING, offsetof(files, key_file)},
    {"ca_pem", POPLIN_PY_STRING, offsetof(files, ca_pem)},
    {"cert_pem", POPLIN_PY_STRING, offsetof(files, cert_pem)},
    {"key_pem", POPLIN_PY_STRING, offsetof(files, key_pem)},
    {"staple", POPLIN_PY_OCTETS, offsetof(files, staple)},
    {"clients_ca_file", POPLIN_PY_STRING, offsetof(files, clients_ca_file)},
    {"clients_ca_pem", POPLIN_PY_STRING, offsetof(files, clients_ca_pem)},
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

static int make_client(const files *given, poplin_tls_credentials **credentials, poplin_error *error) {
    poplin_tls_trust trust = {.verify = given->verify,
                              .no_resumption = given->no_resumption,
                              .pins = given->pins,
                              .first_use_file = given->first_use_file,
                              .ca_file = given->ca_file,
                              .ca_pem = text_slice(given->ca_pem),
                              .cert_file = given->cert_file,
                              .key_file = given->key_file};
    return poplin_tls_client_credentials(&trust, credentials, error);
}

/* A pair of paths, the certificate's and its key's or None; they are encoded by the package. */
static int add_certificate(PyObject *pair, poplin_tls_credentials *credentials, poplin_error *error) {
    PyObject *key = PyTuple_GetItem(pair, 1);
    const char *cert_file = PyBytes_AsString(PyTuple_GetItem(pair, 0));
    const char *key_file = key == Py_None ? NULL : PyBytes_AsString(key);
    return poplin_tls_server_credentials_add(credentials, cert_file, key_file, error);
}

static int add_certificates(PyObject *pairs, poplin_tls_credentials *credentials, poplin_error *error) {
    int status = POPLIN_OK;
    Py_ssize_t count = pairs == NULL ? 0 : PyTuple_Size(pairs);
    for (Py_ssize_t i = 0; status == POPLIN_OK && i < count; i++) {
        status = add_certificate(PyTuple_GetItem(pairs, i), credentials, error);
    }
    return status;
}

/* What goes with a server's certificate. The staple is the first one's, and who asks clients has all its certificates. */
static int complete_server(const files *given, poplin_tls_credentials **credentials, poplin_error *error) {
    int status = POPLIN_OK;
    if (given->no_resumption) {
        status = poplin_tls_server_credentials_no_resumption(*credentials, error);
    }
    if (status == POPLIN_OK && given->staple.data != NULL) {
        status = poplin_tls_server_credentials_staple(*credentials, given->staple, error);
    }
    if (status == POPLIN_OK) {
        status = add_certificates(given->others, *credentials, error);
    }
    if (status == POPLIN_OK && (given->clients_ca_file != NULL || given->clients_ca_pem != NULL)) {
        status = poplin_tls_server_credentials_clients(*credentials, given->clients_ca_file,
                                                       text_slice(given->clients_ca_pem), error);
    }
    return status;
}

static int make(const files *given, poplin_tls_credentials **credentials, poplin_error *error) {
    int status = given->server ? make_server(given, credentials, error) : make_client(given, credentials, error);
    if (status == POPLIN_OK && given->server) {
        status = complete_server(given, credentials, error);
    }
    if (status == POPLIN_OK && given->key_log != NULL) {
        status = poplin_tls_credentials_key_log(*credentials, given->key_log, error);
    }
    return status;
}

static PyObject *credentials_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    (void)keywords;
    PyObject *dictionary = NULL;
    files given = {.verify = true};
    if (!PyArg_ParseTuple(arguments, "O|O!:Credentials", &dictionary, &PyTuple_Type, &given.others) ||
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

PyDoc_STRVAR(type_doc, "Credentials(settings, others=(), /)\n--\n\nWhat is shown and believed in TLS.");

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)type_doc},
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
