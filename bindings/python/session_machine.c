/*
 * session_machine.c - the type SessionMachine: the server's state machine of one session without any I/O. Octets go in, events
 * and questions come out, each as a tuple that begins with its kind, and answers go in. poplin.protocol makes something pleasant
 * of it.
 */
#include "machine.h"

static int feed_session(void *machine, const void *data, size_t size) {
    return poplin_session_input(machine, data, size);
}

static int end_session(void *machine, bool clean) {
    return poplin_session_eof(machine, clean);
}

static const poplin_py_mouth mouth = {feed_session, end_session};

/* ---- made and freed ---- */

#define SETTING(name, kind, member) \
    { name, POPLIN_PY_##kind, offsetof(poplin_session_config, member) }
static const poplin_py_setting settings[] = {
    SETTING("stls", BOOL, stls),
    SETTING("link_protected", BOOL, link_protected),
    SETTING("allow_cleartext", BOOL, allow_cleartext),
    SETTING("asks", U32, asks),
    SETTING("mechanisms", STRING, mechanisms),
    SETTING("name", STRING, host),
    SETTING("port", U16, port),
    SETTING("pepper", OCTETS, pepper),
    SETTING("iterations", U32, iterations),
    SETTING("utf8", BOOL, utf8),
    SETTING("languages", STRING, languages),
    SETTING("delays", BOOL, delays),
    SETTING("login_delay", U32, login_delay),
    SETTING("expire", U32, expire),
    SETTING("login_delay_by_user", BOOL, login_delay_by_user),
    SETTING("expire_by_user", BOOL, expire_by_user),
    SETTING("greeting", STRING, greeting),
    SETTING("max_line", SIZE, max_line),
    SETTING("max_sasl_line", SIZE, max_sasl_line),
    SETTING("max_bad_commands", U32, max_bad_commands),
    SETTING("max_failed_logins", U32, max_failed_logins),
    SETTING("max_messages", SIZE, max_messages),
    SETTING("max_output", SIZE, max_output),
    {NULL, POPLIN_PY_BOOL, 0},
};
#undef SETTING

static PyObject *raise_config(PyTypeObject *type, int status) {
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {{POPLIN_ERR_LIMIT, "a limit is too small"},
                   {POPLIN_ERR_UNSUPPORTED, "auth= names no mechanism that is known"},
                   {POPLIN_ERR_PROTOCOL, "languages= cannot be used"}};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (reasons[i].status == status) {
            PyErr_SetString(PyExc_ValueError, reasons[i].reason);
            return NULL;
        }
    }
    return poplin_py_raise(PyType_GetModuleState(type), status, NULL);
}

static PyObject *machine_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    (void)keywords;
    PyObject *dictionary = NULL;
    if (!PyArg_ParseTuple(arguments, "O:SessionMachine", &dictionary)) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    poplin_py_session *self = (poplin_py_session *)allocate(type, 0);
    if (self == NULL) {
        return NULL;
    }
    poplin_session_config config;
    poplin_session_config_init(&config);
    self->settings = PyDict_Copy(dictionary);
    self->bodies = PyList_New(0);
    if (self->settings == NULL || self->bodies == NULL || poplin_py_settings(self->settings, settings, &config) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    int status = poplin_session_new(&config, &self->session);
    if (status != POPLIN_OK) {
        Py_DECREF(self);
        return raise_config(type, status);
    }
    return (PyObject *)self;
}

static void machine_dealloc(PyObject *object) {
    poplin_py_session *self = (poplin_py_session *)object;
    poplin_session_free(self->session);
    poplin_py_feed_clear(&self->feed);
    Py_XDECREF(self->bodies);
    Py_XDECREF(self->settings);
    poplin_py_free(object);
}

poplin_py_session *poplin_py_session_enter(PyObject *object) {
    poplin_py_session *self = (poplin_py_session *)object;
    return poplin_py_feed_enter(object, &self->feed) ? self : NULL;
}

PyObject *poplin_py_session_finish(poplin_py_session *self, int status, const char *misfit) {
    poplin_py_state *state = poplin_py_state_of((PyObject *)self);
    PyObject *result = NULL;
    if (status == POPLIN_OK) {
        result = Py_NewRef(Py_None);
    } else if (status == POPLIN_ERR_STATE) {
        poplin_py_raise_state(state, misfit);
    } else if (status != POPLIN_PY_RAISED) {
        poplin_py_raise(state, status, NULL);
    }
    poplin_py_feed_leave(&self->feed);
    return result;
}

#define IS_OVER "the session is over, or TLS has to stand first"

/* ---- octets in and out ---- */

PyDoc_STRVAR(input_doc, "input($self, data, /)\n--\n\n"
                        "Take in octets from the client.");

static PyObject *machine_input(PyObject *object, PyObject *data) {
    poplin_py_session *self = poplin_py_session_enter(object);
    return self == NULL
               ? NULL
               : poplin_py_session_finish(self, poplin_py_feed_put(&self->feed, data, &mouth, self->session), IS_OVER);
}

PyDoc_STRVAR(eof_doc, "eof($self, clean, /)\n--\n\n"
                      "The client closed.");

static PyObject *machine_eof(PyObject *object, PyObject *clean) {
    poplin_py_session *self = poplin_py_session_enter(object);
    if (self == NULL) {
        return NULL;
    }
    self->feed.clean = self->feed.ended ? self->feed.clean : clean == Py_True;
    self->feed.ended = true;
    return poplin_py_session_finish(self, POPLIN_OK, IS_OVER);
}

PyDoc_STRVAR(output_doc, "output($self, /)\n--\n\n"
                         "Take what is to be sent.");

static PyObject *machine_output(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_py_session *self = poplin_py_session_enter(object);
    if (self == NULL) {
        return NULL;
    }
    poplin_slice output = {NULL, 0};
    poplin_session_output(self->session, &output.data, &output.size);
    PyObject *bytes = poplin_py_bytes(output);
    if (bytes != NULL) {
        poplin_session_sent(self->session, output.size);
    }
    poplin_py_feed_leave(&self->feed);
    return bytes;
}

PyDoc_STRVAR(tls_doc, "tls($self, verified, exporter, end_point, identity, /)\n--\n\n"
                      "TLS now stands.");

static PyObject *machine_tls(PyObject *object, PyObject *arguments) {
    poplin_tls_facts facts;
    if (poplin_py_facts(arguments, &facts) < 0) {
        return NULL;
    }
    poplin_py_session *self = poplin_py_session_enter(object);
    return self == NULL ? NULL
                        : poplin_py_session_finish(self, poplin_session_tls(self->session, &facts),
                                                   "TLS begins before the first octet, or after StartTLS");
}

/* ---- how the host ends it ---- */

PyDoc_STRVAR(timeout_doc, "timeout($self, /)\n--\n\n"
                          "Autologout.");

static PyObject *machine_timeout(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_py_session *self = poplin_py_session_enter(object);
    return self == NULL ? NULL
                        : poplin_py_session_finish(self, poplin_session_timeout(self->session),
                                                   "the session is over, or waits for the answer to Commit");
}

PyDoc_STRVAR(abort_doc, "abort($self, status, reason, /)\n--\n\n"
                        "Give up.");

static PyObject *machine_abort(PyObject *object, PyObject *arguments) {
    int status = 0;
    const char *reason = NULL;
    if (!PyArg_ParseTuple(arguments, "iz:abort", &status, &reason)) {
        return NULL;
    }
    poplin_py_session *self = poplin_py_session_enter(object);
    return self == NULL ? NULL
                        : poplin_py_session_finish(self, poplin_session_abort(self->session, status, reason), IS_OVER);
}

/* ---- events ---- */

/* The messages of a COMMIT: a list of (index, unique-id). */
static PyObject *marked(poplin_py_session *self, const poplin_session_event *event) {
    PyObject *list = PyList_New((Py_ssize_t)event->count);
    for (size_t i = 0; list != NULL && i < event->count; i++) {
        poplin_slice unique_id = poplin_session_unique_id(self->session, event->indexes[i]);
        PyObject *pair = Py_BuildValue("KN", (unsigned long long)event->indexes[i], poplin_py_octets_text(unique_id));
        if (pair == NULL || PyList_SetItem(list, (Py_ssize_t)i, pair) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *closed_tuple(poplin_py_session *self, const poplin_session_event *event) {
    PyObject *error = event->error == NULL ? Py_NewRef(Py_None)
                                           : poplin_py_make_error(poplin_py_state_of((PyObject *)self),
                                                                  event->error->status, event->error);
    return Py_BuildValue("isN", (int)event->kind, poplin_outcome_word(event->outcome), error);
}

/* None for a name that was not given. It is not text yet: a client may name itself by any octets. */
static PyObject *name_of(poplin_slice user) {
    return user.data == NULL ? Py_NewRef(Py_None) : poplin_py_bytes(user);
}

static PyObject *login_tuple(const poplin_session_event *event) {
    const int kind = (int)event->kind;
    const unsigned long long question = event->question;
    PyObject *user = name_of(event->user);
    switch (event->kind) {
    case POPLIN_SESSION_CHECK:
        return Py_BuildValue("iKNNs", kind, question, user, poplin_py_bytes(event->password), event->mechanism);
    case POPLIN_SESSION_TOKEN:
        return Py_BuildValue("iKNNs", kind, question, user, poplin_py_bytes(event->token), event->mechanism);
    case POPLIN_SESSION_DELAY:
        return Py_BuildValue("iKNIs", kind, question, user, event->failures, event->mechanism);
    case POPLIN_SESSION_MAILDROP:
        return Py_BuildValue("iKNsN", kind, question, user, event->mechanism, PyBool_FromLong(event->read_only));
    default:
        return Py_BuildValue("iKNs", kind, question, user, event->mechanism);
    }
}

static PyObject *event_tuple(poplin_py_session *self, const poplin_session_event *event) {
    const int kind = (int)event->kind;
    const unsigned long long index = event->index;
    switch (event->kind) {
    case POPLIN_SESSION_CHECK:
    case POPLIN_SESSION_SECRET:
    case POPLIN_SESSION_TOKEN:
    case POPLIN_SESSION_DELAY:
    case POPLIN_SESSION_MAILDROP:
        return login_tuple(event);
    case POPLIN_SESSION_BODY:
        return Py_BuildValue("iKKN", kind, (unsigned long long)event->question, index,
                             poplin_py_octets_text(event->unique_id));
    case POPLIN_SESSION_BODY_DONE:
        return Py_BuildValue("iKN", kind, index, poplin_py_octets_text(event->unique_id));
    case POPLIN_SESSION_COMMIT:
        return Py_BuildValue("iKN", kind, (unsigned long long)event->question, marked(self, event));
    case POPLIN_SESSION_MISMATCH:
        return Py_BuildValue("iKNKK", kind, index, poplin_py_octets_text(event->unique_id),
                             (unsigned long long)event->announced, (unsigned long long)event->octets);
    case POPLIN_SESSION_CLOSED:
        return closed_tuple(self, event);
    default:
        return Py_BuildValue("(i)", kind);
    }
}

/* What was lent before a BODY or BODY_DONE is not needed any more. */
static void let_go_of_bodies(poplin_py_session *self, const poplin_session_event *event) {
    if (event->kind == POPLIN_SESSION_BODY || event->kind == POPLIN_SESSION_BODY_DONE) {
        (void)PyList_SetSlice(self->bodies, 0, PyList_Size(self->bodies), NULL);
    }
}

static PyObject *next_event(poplin_py_session *self) {
    poplin_session_event event;
    int status;
    do {
        status = poplin_session_next(self->session, &event);
        if (status == POPLIN_NEED_INPUT) {
            poplin_py_feed_release(&self->feed);
        }
    } while (poplin_py_feed_go_on(&self->feed, status, event.kind == POPLIN_SESSION_START_TLS, &mouth, self->session));
    if (status == POPLIN_NEED_INPUT || status == POPLIN_WAITING) {
        return PyErr_Occurred() != NULL ? NULL : Py_NewRef(status == POPLIN_WAITING ? Py_False : Py_None);
    }
    if (status == POPLIN_ERR_STATE) {
        poplin_py_raise_state(poplin_py_state_of((PyObject *)self), "the session is over");
        return NULL;
    }
    if (status != POPLIN_OK) {
        return poplin_py_raise(poplin_py_state_of((PyObject *)self), status, NULL);
    }
    PyObject *tuple = event_tuple(self, &event);
    let_go_of_bodies(self, &event);
    if (event.kind == POPLIN_SESSION_CLOSED) {
        poplin_py_feed_stop(&self->feed);
    }
    return tuple;
}

PyDoc_STRVAR(
    next_doc,
    "next($self, /)\n--\n\nThe next event, a tuple that begins with its kind; None: octets are needed; False: it waits "
    "for an answer, for TLS, or until what is to be sent was taken.");

static PyObject *machine_next(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_py_session *self = poplin_py_session_enter(object);
    if (self == NULL) {
        return NULL;
    }
    PyObject *event = next_event(self);
    poplin_py_feed_leave(&self->feed);
    return event;
}

/* ---- what is known ---- */

PyDoc_STRVAR(facts_doc, "facts($self, /)\n--\n\n"
                        "(phase, commands that were read).");

static PyObject *machine_facts(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_py_session *self = (poplin_py_session *)object;
    return Py_BuildValue("iK", poplin_session_phase(self->session),
                         (unsigned long long)poplin_session_commands(self->session));
}

/* ---- answers: session_answers.c ---- */

PyDoc_STRVAR(accept_doc, "accept($self, question, /)\n--\n\n"
                         "Yes.");
PyDoc_STRVAR(accept_as_doc, "accept_as($self, question, user, /)\n--\n\n"
                            "Yes; it is this user who logs in.");
PyDoc_STRVAR(secret_doc, "secret($self, question, password, /)\n--\n\n"
                         "The user's password.");
PyDoc_STRVAR(keys_doc, "keys($self, question, text, /)\n--\n\n"
                       "The user's SCRAM keys.");
PyDoc_STRVAR(refuse_doc, "refuse($self, question, status, text, /)\n--\n\n"
                         "No.");
PyDoc_STRVAR(refuse_delay_doc, "refuse_delay($self, question, text, /)\n--\n\n"
                               "No: it is too soon (LOGIN-DELAY).");
PyDoc_STRVAR(open_doc, "open($self, question, messages, login_delay, expire, /)\n--\n\n"
                       "The maildrop: a list of (unique-id, octets or None, utf8).");
PyDoc_STRVAR(body_doc, "body($self, question, data, last, /)\n--\n\n"
                       "Content.");
PyDoc_STRVAR(gone_doc, "gone($self, unique_ids, /)\n--\n\n"
                       "These messages of the snapshot were deleted by somebody else.");

static PyMethodDef methods[] = {
    {"input", machine_input, METH_O, input_doc},
    {"eof", machine_eof, METH_O, eof_doc},
    {"output", machine_output, METH_NOARGS, output_doc},
    {"tls", machine_tls, METH_VARARGS, tls_doc},
    {"timeout", machine_timeout, METH_NOARGS, timeout_doc},
    {"abort", machine_abort, METH_VARARGS, abort_doc},
    {"next", machine_next, METH_NOARGS, next_doc},
    {"accept", poplin_py_session_accept, METH_O, accept_doc},
    {"accept_as", poplin_py_session_accept_as, METH_VARARGS, accept_as_doc},
    {"secret", poplin_py_session_secret, METH_VARARGS, secret_doc},
    {"keys", poplin_py_session_keys, METH_VARARGS, keys_doc},
    {"refuse", poplin_py_session_refuse, METH_VARARGS, refuse_doc},
    {"refuse_delay", poplin_py_session_refuse_delay, METH_VARARGS, refuse_delay_doc},
    {"open", poplin_py_session_open, METH_VARARGS, open_doc},
    {"body", poplin_py_session_body, METH_VARARGS, body_doc},
    {"gone", poplin_py_session_gone, METH_O, gone_doc},
    {"facts", machine_facts, METH_NOARGS, facts_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(type_doc, "SessionMachine(settings, /)\n--\n\nThe server's end of one session, without input or output.");

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)type_doc},
    {Py_tp_new, machine_new},
    {Py_tp_dealloc, machine_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec poplin_py_session_machine_spec = {
    .name = "poplin._core.SessionMachine",
    .basicsize = sizeof(poplin_py_session),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
