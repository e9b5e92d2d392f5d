/*
 * answers.c - how a script's answers reach the server: yes and no, maildrops, content.
 *
 * Each answer returns True, or False where it was not taken: its request is not open any more (the session went), which
 * is no failure, since a peer may go at any time. Content is lent from bytes objects, never copied.
 */
#include <stdlib.h>
#include <unistd.h>

#include "core.h"

typedef struct poplin_py_lent {
    poplin_py_server *owner; /* outlives what it lends: its destructor ends the server first */
    PyObject *bytes;
    struct poplin_py_lent *next;
} poplin_py_lent;

void poplin_py_server_empty_trash(poplin_py_server *self) {
    while (self->trash != NULL) {
        poplin_py_lent *lent = self->trash;
        self->trash = lent->next;
        Py_DECREF(lent->bytes);
        free(lent);
    }
}

/* The server is done with lent octets; perhaps without the interpreter's lock. */
static void give_back(void *context, const void *data) {
    (void)data;
    poplin_py_lent *lent = context;
    lent->next = lent->owner->trash;
    lent->owner->trash = lent;
}

static poplin_py_lent *lend(poplin_py_server *owner, PyObject *bytes) {
    if (!PyBytes_Check(bytes)) {
        PyErr_Format(PyExc_TypeError, "a message must be bytes, not %R", Py_TYPE(bytes));
        return NULL;
    }
    poplin_py_lent *lent = malloc(sizeof *lent);
    if (lent == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    *lent = (poplin_py_lent){owner, Py_NewRef(bytes), NULL};
    return lent;
}

/*
 * Whether there is a server to answer to. If not, *result is what the method returns: False after the server's end, when
 * all answers are too late, or NULL with StateError while another thread is in wait.
 */
static bool may_answer(poplin_py_server *self, PyObject **result) {
    if (self->server == NULL) {
        *result = Py_NewRef(Py_False);
        return false;
    }
    *result = NULL;
    return poplin_py_server_ready(self);
}

/* True; False: too late, or no answer that can be used, which the server has refused and tells as a problem. */
static PyObject *answered(int status) {
    return status == POPLIN_ERR_NOMEM ? PyErr_NoMemory() : PyBool_FromLong(status == POPLIN_OK);
}

PyObject *poplin_py_server_accept(PyObject *object, PyObject *arguments) {
    poplin_py_server *self = (poplin_py_server *)object;
    PyObject *result = NULL;
    unsigned long long request = 0;
    PyObject *name = Py_None;
    poplin_slice user;
    if (!PyArg_ParseTuple(arguments, "K|O:accept", &request, &name) || poplin_py_slice(name, "user", &user) < 0 ||
        !may_answer(self, &result)) {
        return result;
    }
    return answered(name == Py_None ? poplin_server_accept(self->server, request)
                                    : poplin_server_accept_as(self->server, request, user));
}

PyObject *poplin_py_server_secret(PyObject *object, PyObject *arguments) {
    poplin_py_server *self = (poplin_py_server *)object;
    PyObject *result = NULL;
    unsigned long long request = 0;
    PyObject *bytes = NULL;
    poplin_slice password;
    if (!PyArg_ParseTuple(arguments, "KO:secret", &request, &bytes) ||
        poplin_py_slice(bytes, "password", &password) < 0 || !may_answer(self, &result)) {
        return result;
    }
    return answered(poplin_server_secret(self->server, request, password));
}

/* Whoever reads keys can check passwords, so no exception shows the text. */
PyObject *poplin_py_server_keys(PyObject *object, PyObject *arguments) {
    poplin_py_server *self = (poplin_py_server *)object;
    PyObject *result = NULL;
    unsigned long long request = 0;
    PyObject *bytes = NULL;
    poplin_slice text;
    poplin_scram_keys keys;
    char storage[POPLIN_SCRAM_STORAGE];
    if (!PyArg_ParseTuple(arguments, "KO:keys", &request, &bytes) || poplin_py_slice(bytes, "keys", &text) < 0 ||
        !may_answer(self, &result)) {
        return result;
    }
    int status = poplin_scram_keys_parse(text, storage, &keys);
    if (status == POPLIN_OK) {
        result = answered(poplin_server_keys(self->server, request, &keys));
    } else if (status == POPLIN_ERR_PROTOCOL) {
        PyErr_SetString(PyExc_ValueError, "scram_keys() must return what poplin.scram_keys makes");
    } else {
        PyErr_NoMemory();
    }
    return result;
}

PyObject *poplin_py_server_refuse(PyObject *object, PyObject *arguments) {
    poplin_py_server *self = (poplin_py_server *)object;
    PyObject *result = NULL;
    unsigned long long request = 0;
    int status = 0;
    const char *text = NULL;
    if (!PyArg_ParseTuple(arguments, "Kiz:refuse", &request, &status, &text) || !may_answer(self, &result)) {
        return result;
    }
    return answered(poplin_server_refuse(self->server, request, status, text));
}

/* ---- maildrops ---- */

/* One (unique-id, octets or None), with utf8 behind them or not, of what a script listed; kept owns the strings. */
static int read_entry(PyObject *entry, PyObject *kept, poplin_listing *listing) {
    PyObject *pair = PyTuple_Check(entry) ? Py_NewRef(entry) : NULL;
    Py_ssize_t fields = pair == NULL ? 0 : PyTuple_Size(pair);
    if (fields != 2 && fields != 3) {
        Py_XDECREF(pair);
        PyErr_Format(PyExc_TypeError,
                     "list() must give tuples (unique-id, octets) or (unique-id, octets, utf8), not %R", entry);
        return -1;
    }
    int appended = PyList_Append(kept, pair);
    Py_DECREF(pair);
    PyObject *unique_id = PyTuple_GetItem(entry, 0);
    PyObject *octets = PyTuple_GetItem(entry, 1);
    if (appended < 0 || unique_id == NULL || octets == NULL) {
        return -1;
    }
    if (!PyUnicode_Check(unique_id)) {
        PyErr_Format(PyExc_TypeError, "a unique-id must be a str, not %R", Py_TYPE(unique_id));
        return -1;
    }
    Py_ssize_t size = 0;
    const char *text = PyUnicode_AsUTF8AndSize(unique_id, &size);
    if (text == NULL) {
        return -1;
    }
    listing->unique_id = (poplin_slice){text, (size_t)size};
    listing->octets = POPLIN_OCTETS_UNKNOWN;
    if (fields == 3) {
        int utf8 = PyObject_IsTrue(PyTuple_GetItem(entry, 2));
        if (utf8 < 0) {
            return -1;
        }
        listing->utf8 = utf8 != 0;
    }
    return octets == Py_None ? 0 : poplin_py_unsigned(octets, "octets", POPLIN_OCTETS_UNKNOWN - 1, &listing->octets);
}

static poplin_listing *read_entries(PyObject *entries, PyObject *kept, size_t count) {
    poplin_listing *listings = calloc(count + 1, sizeof *listings);
    if (listings == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        PyObject *entry = PyList_GetItem(entries, (Py_ssize_t)i);
        if (entry == NULL || read_entry(entry, kept, &listings[i]) < 0) {
            free(listings);
            return NULL;
        }
    }
    return listings;
}

static PyObject *open_maildrop(poplin_py_server *self, uint64_t request, PyObject *maildrop,
                               const poplin_listing *listings, size_t count) {
    Py_INCREF(maildrop);
    int status = poplin_server_open(self->server, request, maildrop, listings, count);
    if (status != POPLIN_OK) {
        Py_DECREF(maildrop);
    }
    return answered(status);
}

/* A number that is there unless value is None. 0, or -1 with TypeError or ValueError. */
static int read_own(PyObject *value, const char *name, bool *own, uint32_t *number) {
    uint64_t wide = 0;
    *own = value != Py_None;
    if (*own && poplin_py_unsigned(value, name, UINT32_MAX, &wide) < 0) {
        return -1;
    }
    *number = (uint32_t)wide;
    return 0;
}

/* Tells what is the user's own, before the maildrop is given. 0, or -1 with an exception; too late is no failure. */
static int tell_terms(poplin_py_server *self, uint64_t request, PyObject *login_delay, PyObject *expire) {
    poplin_user_terms terms = {0};
    if (read_own(login_delay, "login_delay", &terms.own_login_delay, &terms.login_delay) < 0 ||
        read_own(expire, "expire", &terms.own_expire, &terms.expire) < 0) {
        return -1;
    }
    if (poplin_server_terms(self->server, request, &terms) != POPLIN_ERR_LIMIT) {
        return 0;
    }
    PyErr_SetString(PyExc_ValueError, "the maildrop's own login_delay is above the server's, or its expire below: "
                                      "before the login clients are told the largest delay, and the smallest expire");
    return -1;
}

PyObject *poplin_py_server_open(PyObject *object, PyObject *arguments) {
    poplin_py_server *self = (poplin_py_server *)object;
    PyObject *result = NULL;
    unsigned long long request = 0;
    PyObject *maildrop = NULL;
    PyObject *entries = NULL;
    PyObject *login_delay = Py_None;
    PyObject *expire = Py_None;
    if (!PyArg_ParseTuple(arguments, "KOO|OO:open", &request, &maildrop, &entries, &login_delay, &expire) ||
        !may_answer(self, &result)) {
        return result;
    }
    if (!PyList_Check(entries)) {
        PyErr_SetString(PyExc_TypeError, "entries must be a list");
        return NULL;
    }
    if (tell_terms(self, request, login_delay, expire) < 0) {
        return NULL;
    }
    PyObject *kept = PyList_New(0);
    size_t count = (size_t)PyList_Size(entries);
    poplin_listing *listings = kept == NULL ? NULL : read_entries(entries, kept, count);
    result = listings == NULL ? NULL : open_maildrop(self, request, maildrop, listings, count);
    free(listings);
    Py_XDECREF(kept);
    return result;
}

/* ---- content ---- */

PyObject *poplin_py_server_body(PyObject *object, PyObject *arguments) {
    poplin_py_server *self = (poplin_py_server *)object;
    PyObject *result = NULL;
    unsigned long long request = 0;
    PyObject *bytes = NULL;
    if (!PyArg_ParseTuple(arguments, "KO:body", &request, &bytes) || !may_answer(self, &result)) {
        return result;
    }
    poplin_py_lent *lent = lend(self, bytes);
    if (lent == NULL) {
        return NULL;
    }
    return answered(poplin_server_body(self->server, request, PyBytes_AsString(bytes), (size_t)PyBytes_Size(bytes),
                                       give_back, lent));
}

PyObject *poplin_py_server_body_file(PyObject *object, PyObject *arguments) {
    poplin_py_server *self = (poplin_py_server *)object;
    PyObject *result = NULL;
    unsigned long long request = 0;
    int descriptor = -1;
    if (!PyArg_ParseTuple(arguments, "Ki:body_file", &request, &descriptor)) {
        return NULL;
    }
    if (!may_answer(self, &result)) {
        close(descriptor);
        return result;
    }
    return answered(poplin_server_body_file(self->server, request, descriptor));
}

PyObject *poplin_py_server_pieces(PyObject *object, PyObject *arguments) {
    poplin_py_server *self = (poplin_py_server *)object;
    PyObject *result = NULL;
    unsigned long long request = 0;
    PyObject *pieces = NULL;
    if (!PyArg_ParseTuple(arguments, "KO:pieces", &request, &pieces) || !may_answer(self, &result)) {
        return result;
    }
    Py_INCREF(pieces);
    int status = poplin_server_body_pieces(self->server, request, pieces);
    if (status != POPLIN_OK) {
        Py_DECREF(pieces);
    }
    return answered(status);
}

PyObject *poplin_py_server_piece(PyObject *object, PyObject *arguments) {
    poplin_py_server *self = (poplin_py_server *)object;
    PyObject *result = NULL;
    unsigned long long request = 0;
    PyObject *bytes = NULL;
    int last = 0;
    if (!PyArg_ParseTuple(arguments, "KOp:piece", &request, &bytes, &last) || !may_answer(self, &result)) {
        return result;
    }
    poplin_py_lent *lent = lend(self, bytes);
    if (lent == NULL) {
        return NULL;
    }
    return answered(poplin_server_piece(self->server, request, PyBytes_AsString(bytes), (size_t)PyBytes_Size(bytes),
                                        last != 0, give_back, lent));
}
