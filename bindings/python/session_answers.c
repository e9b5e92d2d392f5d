/*
 * session_answers.c - the methods of SessionMachine that answer its questions.
 */
#include "machine.h"

/* Ends an answer. */
static PyObject *finish_answer(poplin_py_session *self, int status) {
    return poplin_py_session_finish(self, status,
                                    "this question is not open any more, or takes another kind of answer");
}

PyObject *poplin_py_session_accept(PyObject *object, PyObject *question) {
    uint64_t number = 0;
    if (poplin_py_unsigned(question, "question", UINT64_MAX, &number) < 0) {
        return NULL;
    }
    poplin_py_session *self = poplin_py_session_enter(object);
    return self == NULL ? NULL : finish_answer(self, poplin_session_accept(self->session, number));
}

/* Answers with octets: answer is the function that takes them. */
static PyObject *answer_octets(PyObject *object, PyObject *arguments,
                               int (*answer)(poplin_session *session, uint64_t question, poplin_slice octets)) {
    unsigned long long question = 0;
    PyObject *bytes = NULL;
    poplin_slice octets;
    if (!PyArg_ParseTuple(arguments, "KO", &question, &bytes) || poplin_py_slice(bytes, "the answer", &octets) < 0) {
        return NULL;
    }
    poplin_py_session *self = poplin_py_session_enter(object);
    return self == NULL ? NULL : finish_answer(self, answer(self->session, question, octets));
}

PyObject *poplin_py_session_accept_as(PyObject *object, PyObject *arguments) {
    return answer_octets(object, arguments, poplin_session_accept_as);
}

PyObject *poplin_py_session_secret(PyObject *object, PyObject *arguments) {
    return answer_octets(object, arguments, poplin_session_secret);
}

static int answer_keys(poplin_session *session, uint64_t question, poplin_slice text) {
    poplin_scram_keys keys;
    char storage[POPLIN_SCRAM_STORAGE];
    int status = poplin_scram_keys_parse(text, storage, &keys);
    if (status == POPLIN_OK) {
        return poplin_session_keys(session, question, &keys);
    }
    PyErr_SetString(PyExc_ValueError, "these are no SCRAM keys"); /* which they are is not shown */
    return POPLIN_PY_RAISED;
}

PyObject *poplin_py_session_keys(PyObject *object, PyObject *arguments) {
    return answer_octets(object, arguments, answer_keys);
}

PyObject *poplin_py_session_refuse(PyObject *object, PyObject *arguments) {
    unsigned long long question = 0;
    int status = 0;
    const char *text = NULL;
    if (!PyArg_ParseTuple(arguments, "Kiz:refuse", &question, &status, &text)) {
        return NULL;
    }
    poplin_py_session *self = poplin_py_session_enter(object);
    return self == NULL ? NULL : finish_answer(self, poplin_session_refuse(self->session, question, status, text));
}

PyObject *poplin_py_session_refuse_delay(PyObject *object, PyObject *arguments) {
    unsigned long long question = 0;
    const char *text = NULL;
    if (!PyArg_ParseTuple(arguments, "Kz:refuse_delay", &question, &text)) {
        return NULL;
    }
    poplin_py_session *self = poplin_py_session_enter(object);
    return self == NULL ? NULL
                        : finish_answer(
                              self, poplin_session_refuse_with(self->session, question, POPLIN_CODE_LOGIN_DELAY, text));
}

/* The messages of a list of (unique-id, octets or None, utf8), for PyMem_Free(). NULL with an exception. */
static poplin_listing *listings_of(PyObject *list, size_t count) {
    poplin_listing *listings = PyMem_Malloc((count + 1) * sizeof *listings);
    if (listings == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        PyObject *octets = NULL;
        PyObject *unique_id = NULL;
        int utf8 = 0;
        listings[i].octets = POPLIN_OCTETS_UNKNOWN;
        if (!PyArg_ParseTuple(PyList_GetItem(list, (Py_ssize_t)i), "OOp", &unique_id, &octets, &utf8) ||
            poplin_py_slice(unique_id, "a unique-id", &listings[i].unique_id) < 0 ||
            (octets != Py_None && poplin_py_unsigned(octets, "octets", UINT64_MAX - 1, &listings[i].octets) < 0)) {
            PyMem_Free(listings);
            return NULL;
        }
        listings[i].utf8 = utf8 != 0;
    }
    return listings;
}

/* What holds for this user alone, where login_delay or expire is not None. A status, or RAISED. */
static int give_terms(poplin_py_session *self, uint64_t question, PyObject *login_delay, PyObject *expire) {
    uint64_t numbers[2] = {0, 0};
    if ((login_delay != Py_None && poplin_py_unsigned(login_delay, "login_delay", UINT32_MAX, &numbers[0]) < 0) ||
        (expire != Py_None && poplin_py_unsigned(expire, "expire", UINT32_MAX, &numbers[1]) < 0)) {
        return POPLIN_PY_RAISED;
    }
    const poplin_user_terms terms = {
        .own_login_delay = login_delay != Py_None,
        .own_expire = expire != Py_None,
        .login_delay = (uint32_t)numbers[0],
        .expire = (uint32_t)numbers[1],
    };
    int status = poplin_session_terms(self->session, question, &terms);
    if (status != POPLIN_ERR_LIMIT) {
        return status;
    }
    PyErr_SetString(PyExc_ValueError,
                    "login_delay and expire of a user need login_delay_by_user= and expire_by_user=, and cannot "
                    "be harder than what was announced before the login");
    return POPLIN_PY_RAISED;
}

static int give_listings(poplin_py_session *self, uint64_t question, PyObject *list) {
    size_t count = (size_t)PyList_Size(list);
    size_t bad = 0;
    poplin_listing *listings = listings_of(list, count);
    if (listings == NULL) {
        return POPLIN_PY_RAISED;
    }
    int status = poplin_session_open(self->session, question, listings, count, &bad);
    PyMem_Free(listings);
    if (status == POPLIN_ERR_PROTOCOL) {
        PyErr_Format(PyExc_ValueError,
                     "message %zu: a unique-id must be 1 to 70 of the characters \"!\" to \"~\", and stand once; the "
                     "login was refused",
                     bad + 1);
    } else if (status == POPLIN_ERR_LIMIT) {
        PyErr_SetString(PyExc_ValueError, "there are more messages than max_messages; the login was refused");
    } else {
        return status;
    }
    return POPLIN_PY_RAISED;
}

PyObject *poplin_py_session_open(PyObject *object, PyObject *arguments) {
    unsigned long long question = 0;
    PyObject *list = NULL;
    PyObject *login_delay = NULL;
    PyObject *expire = NULL;
    if (!PyArg_ParseTuple(arguments, "KOOO:open", &question, &list, &login_delay, &expire)) {
        return NULL;
    }
    if (!PyList_Check(list)) {
        PyErr_SetString(PyExc_TypeError, "messages must be a list");
        return NULL;
    }
    poplin_py_session *self = poplin_py_session_enter(object);
    if (self == NULL) {
        return NULL;
    }
    int status = give_terms(self, question, login_delay, expire);
    return finish_answer(self, status == POPLIN_OK ? give_listings(self, question, list) : status);
}

PyObject *poplin_py_session_body(PyObject *object, PyObject *arguments) {
    unsigned long long question = 0;
    PyObject *data = NULL;
    int last = 0;
    poplin_slice slice;
    if (!PyArg_ParseTuple(arguments, "KOp:body", &question, &data, &last) ||
        poplin_py_slice(data, "data", &slice) < 0) {
        return NULL;
    }
    poplin_py_session *self = poplin_py_session_enter(object);
    if (self == NULL) {
        return NULL;
    }
    int status = PyList_Append(self->bodies, data) < 0 ? POPLIN_PY_RAISED : POPLIN_OK;
    if (status == POPLIN_OK) {
        status = poplin_session_body(self->session, question, slice.data, slice.size, last != 0);
        if (status != POPLIN_OK) { /* a late answer: nothing keeps what it brought */
            Py_ssize_t count = PyList_Size(self->bodies);
            (void)PyList_SetSlice(self->bodies, count - 1, count, NULL);
        }
    }
    return finish_answer(self, status);
}

PyObject *poplin_py_session_gone(PyObject *object, PyObject *list) {
    if (!PyList_Check(list)) {
        PyErr_SetString(PyExc_TypeError, "unique_ids must be a list");
        return NULL;
    }
    size_t count = (size_t)PyList_Size(list);
    poplin_slice *unique_ids = PyMem_Malloc((count + 1) * sizeof *unique_ids);
    if (unique_ids == NULL) {
        return PyErr_NoMemory();
    }
    PyObject *result = NULL;
    size_t taken = 0;
    while (taken < count &&
           poplin_py_slice(PyList_GetItem(list, (Py_ssize_t)taken), "a unique-id", &unique_ids[taken]) == 0) {
        taken++;
    }
    poplin_py_session *self = taken == count ? poplin_py_session_enter(object) : NULL;
    if (self != NULL) {
        result = poplin_py_session_finish(self, poplin_session_gone(self->session, unique_ids, count),
                                          "no maildrop is open");
    }
    PyMem_Free(unique_ids);
    return result;
}
