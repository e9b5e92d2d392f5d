/*
 * url.c - URLs read and written.
 */
#include <string.h>

#include "core.h"

PyObject *poplin_py_parse_url(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *url_text = NULL;
    Py_ssize_t size = 0;
    const char *word = NULL;
    if (!PyArg_ParseTuple(arguments, "Us:parse_url", &url_text, &word)) {
        return NULL;
    }
    const char *text = PyUnicode_AsUTF8AndSize(url_text, &size);
    if (text == NULL) {
        return NULL;
    }
    poplin_url url = {0};
    poplin_error error = {0};
    enum poplin_tls_mode mode = POPLIN_TLS_IMPLICIT;
    if (poplin_url_parse(text, (size_t)size, &url, &error) != POPLIN_OK) {
        PyErr_SetString(PyExc_ValueError, error.reason);
        return NULL;
    }
    if (poplin_url_tls(&url, word, &mode) != POPLIN_OK) {
        PyErr_Format(PyExc_ValueError, "tls must be 'auto', 'implicit', 'stls' or 'never', not '%s'", word);
        return NULL;
    }
    return Py_BuildValue("ssizzi", poplin_scheme_word(url.scheme), url.host, (int)url.port,
                         url.user[0] == '\0' ? NULL : url.user, url.auth[0] == '\0' ? NULL : url.auth, (int)mode);
}

static int scheme_of(const char *word, enum poplin_scheme *scheme) {
    for (int number = POPLIN_SCHEME_POP3S; number <= POPLIN_SCHEME_POP; number++) {
        *scheme = (enum poplin_scheme)number;
        if (strcmp(word, poplin_scheme_word(*scheme)) == 0) {
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError, "scheme must be 'pop3s', 'pop3' or 'pop', not '%s'", word);
    return -1;
}

/* Copies a part; None leaves it empty. An empty string is not the same as none, and no part of a URL. */
static int copy_part(const char *name, const char *part, char *to, size_t size) {
    size_t length = part == NULL ? 0 : strlen(part);
    if (part != NULL && (length == 0 || length >= size)) {
        PyErr_Format(PyExc_ValueError, "%s is %s", name, length == 0 ? "empty" : "too long");
        return -1;
    }
    memcpy(to, part == NULL ? "" : part, length);
    return 0;
}

PyObject *poplin_py_format_url(PyObject *module, PyObject *arguments) {
    (void)module;
    const char *scheme = NULL;
    const char *host = NULL;
    const char *user = NULL;
    const char *auth = NULL;
    PyObject *port = NULL;
    uint64_t number = 0;
    poplin_url url = {0};
    poplin_error error = {0};
    char text[POPLIN_URL_TEXT];
    if (!PyArg_ParseTuple(arguments, "ssOzz:format_url", &scheme, &host, &port, &user, &auth) ||
        scheme_of(scheme, &url.scheme) < 0 || poplin_py_unsigned(port, "port", UINT16_MAX, &number) < 0 ||
        copy_part("host", host, url.host, sizeof url.host) < 0 ||
        copy_part("user", user, url.user, sizeof url.user) < 0 ||
        copy_part("auth", auth, url.auth, sizeof url.auth) < 0) {
        return NULL;
    }
    url.port = number == 0 ? poplin_scheme_port(url.scheme) : (uint16_t)number;
    if (poplin_url_format(&url, text, &error) != POPLIN_OK) {
        PyErr_SetString(PyExc_ValueError, error.reason);
        return NULL;
    }
    return PyUnicode_FromString(text);
}
