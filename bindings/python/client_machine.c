/*
 * client_machine.c - the type ClientMachine: the client's state machine without any I/O. Octets go in, events come out, each as
 * a tuple that begins with its kind. poplin.protocol makes something pleasant of it.
 *
 * Neighbouring slices of a body are joined here, so that one with many dots does not become as many objects.
 */
#include <stdio.h>
#include <string.h>

#include "machine.h"

/* Slices of a body that are joined to one event, at most. */
enum { SLICES_MAX = 256 };

static int feed_client(void *machine, const void *data, size_t size) {
    return poplin_client_input(machine, data, size);
}

static int end_client(void *machine, bool clean) {
    return poplin_client_eof(machine, clean);
}

static const poplin_py_mouth mouth = {feed_client, end_client};

/* ---- made and freed ---- */

#define SETTING(name, kind) \
    { #name, POPLIN_PY_##kind, offsetof(poplin_client_config, name) }
static const poplin_py_setting settings[] = {
    SETTING(tls, ENUM),
    SETTING(link_protected, BOOL),
    SETTING(strict, BOOL),
    SETTING(mechanisms, STRING),
    SETTING(two_step, BOOL),
    SETTING(host, STRING),
    SETTING(port, U16),
    SETTING(utf8, BOOL),
    SETTING(pipelining, BOOL),
    SETTING(max_line, SIZE),
    SETTING(max_listing, SIZE),
    SETTING(max_listings, SIZE),
    SETTING(max_capabilities, SIZE),
    SETTING(max_message, U64),
    SETTING(window_commands, SIZE),
    SETTING(window_octets, U64),
    {NULL, POPLIN_PY_BOOL, 0},
};
#undef SETTING

static PyObject *raise_config(PyTypeObject *type, int status) {
    if (status == POPLIN_ERR_LIMIT || status == POPLIN_ERR_UNSUPPORTED) {
        PyErr_SetString(PyExc_ValueError, status == POPLIN_ERR_LIMIT ? "a limit must be 1 or more"
                                                                     : "auth= names no mechanism that is known");
        return NULL;
    }
    return poplin_py_raise(PyType_GetModuleState(type), status, NULL);
}

static PyObject *machine_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    (void)keywords;
    PyObject *dictionary = NULL;
    poplin_client_config config;
    poplin_client_config_init(&config);
    if (!PyArg_ParseTuple(arguments, "O:ClientMachine", &dictionary) ||
        poplin_py_settings(dictionary, settings, &config) < 0) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    poplin_py_client *self = (poplin_py_client *)allocate(type, 0);
    if (self == NULL) {
        return NULL;
    }
    int status = poplin_client_new(&config, &self->client);
    if (status != POPLIN_OK) {
        Py_DECREF(self);
        return raise_config(type, status);
    }
    if (config.host != NULL && config.port > 0) {
        (void)snprintf(self->where, sizeof self->where, "%s:%u", config.host, (unsigned)config.port);
    } else if (config.host != NULL) {
        (void)snprintf(self->where, sizeof self->where, "%s", config.host);
    }
    return (PyObject *)self;
}

static void machine_dealloc(PyObject *object) {
    poplin_py_client *self = (poplin_py_client *)object;
    poplin_client_free(self->client);
    poplin_py_feed_clear(&self->feed);
    Py_XDECREF(self->stashed);
    poplin_py_free(object);
}

/* ---- failures ---- */

static PyObject *raise_failure(poplin_py_client *self) {
    poplin_error error = *self->failure;
    memcpy(error.host, self->where, sizeof error.host);
    return poplin_py_raise(poplin_py_state_of((PyObject *)self), error.status, &error);
}

static void fail(poplin_py_client *self, const poplin_client_event *event) {
    self->failure = event->error;
    poplin_py_feed_stop(&self->feed);
}

static const char *misfit(const poplin_py_client *self) {
    int phase = poplin_client_phase(self->client);
    if (self->closed || self->feed.ended) {
        return "the session is over";
    }
    if (phase == 0) {
        return "the server has not greeted yet, or the session is over";
    }
    return phase == POPLIN_AUTHORIZATION ? "log in first, or wait until what was asked for before has ended"
                                         : "this is possible only before the login, or what was asked for before has "
                                           "to end first";
}

/* Raises what a call answered. Returns NULL. misuse: what PROTOCOL and LIMIT, which the caller's arguments cause, mean. */
static PyObject *raise_status(poplin_py_client *self, int status, const char *misuse) {
    poplin_py_state *state = poplin_py_state_of((PyObject *)self);
    if (status == POPLIN_PY_RAISED) {
        return NULL;
    }
    if (misuse != NULL && (status == POPLIN_ERR_PROTOCOL || status == POPLIN_ERR_LIMIT)) {
        PyErr_SetString(PyExc_ValueError, misuse);
        return NULL;
    }
    if (status == POPLIN_ERR_TLS) {
        poplin_error error = {.status = status, .reason = "TLS is demanded and does not stand yet; see stls()"};
        memcpy(error.host, self->where, sizeof error.host);
        return poplin_py_raise(state, status, &error);
    }
    if (status != POPLIN_ERR_STATE) {
        return poplin_py_raise(state, status, NULL);
    }
    if (self->failure != NULL) {
        return raise_failure(self);
    }
    poplin_py_raise_state(state, misfit(self));
    return NULL;
}

PyObject *poplin_py_client_finish(poplin_py_client *self, int status, const char *misuse) {
    PyObject *result = status == POPLIN_OK ? Py_NewRef(Py_None) : raise_status(self, status, misuse);
    poplin_py_feed_leave(&self->feed);
    return result;
}

poplin_py_client *poplin_py_client_enter(PyObject *object) {
    poplin_py_client *self = (poplin_py_client *)object;
    return poplin_py_feed_enter(object, &self->feed) ? self : NULL;
}

/* ---- octets in and out ---- */

PyDoc_STRVAR(input_doc, "input($self, data, /)\n--\n\n"
                        "Take in octets from the server.");

static PyObject *machine_input(PyObject *object, PyObject *data) {
    poplin_py_client *self = poplin_py_client_enter(object);
    return self == NULL
               ? NULL
               : poplin_py_client_finish(self, poplin_py_feed_put(&self->feed, data, &mouth, self->client), NULL);
}

PyDoc_STRVAR(eof_doc, "eof($self, clean, /)\n--\n\n"
                      "The server closed.");

static PyObject *machine_eof(PyObject *object, PyObject *clean) {
    poplin_py_client *self = poplin_py_client_enter(object);
    if (self == NULL) {
        return NULL;
    }
    self->feed.clean = self->feed.ended ? self->feed.clean : clean == Py_True;
    self->feed.ended = true;
    return poplin_py_client_finish(self, POPLIN_OK, NULL);
}

PyDoc_STRVAR(output_doc, "output($self, /)\n--\n\n"
                         "Take what is to be sent.");

static PyObject *machine_output(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_py_client *self = poplin_py_client_enter(object);
    if (self == NULL) {
        return NULL;
    }
    poplin_slice output = {NULL, 0};
    poplin_client_output(self->client, &output.data, &output.size);
    PyObject *bytes = poplin_py_bytes(output);
    if (bytes != NULL) {
        poplin_client_sent(self->client, output.size);
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
    poplin_py_client *self = poplin_py_client_enter(object);
    return self == NULL ? NULL : poplin_py_client_finish(self, poplin_client_tls(self->client, &facts), NULL);
}

/* ---- events ---- */

/* The exception for a REPLY or OPENED that is a failure; None for one that is none. */
static PyObject *refusal(poplin_py_client *self, const poplin_client_event *event) {
    poplin_error error;
    if (event->status == POPLIN_OK) {
        return Py_NewRef(Py_None);
    }
    poplin_client_describe(event, &error);
    memcpy(error.host, self->where, sizeof error.host);
    return poplin_py_make_error(poplin_py_state_of((PyObject *)self), event->status, &error);
}

static const char *verb_name(const poplin_client_event *event) {
    return event->verb == POPLIN_NO_VERB ? NULL : poplin_verb_name(event->verb);
}

static PyObject *reply_tuple(poplin_py_client *self, const poplin_client_event *event) {
    PyObject *text = event->verb == POPLIN_UIDL ? poplin_py_octets_text(event->text) : poplin_py_text(event->text);
    return Py_BuildValue("iKzkNzNkKNNNN", (int)event->kind, (unsigned long long)event->tag, verb_name(event),
                         (unsigned long)event->number, PyBool_FromLong(event->status == POPLIN_OK),
                         poplin_code_text(event->code), text, (unsigned long)event->count,
                         (unsigned long long)event->octets, PyBool_FromLong(event->complete),
                         PyBool_FromLong(event->challenge), poplin_py_bytes(event->line), refusal(self, event));
}

static PyObject *listing_tuple(const poplin_client_event *event) {
    PyObject *text = event->verb == POPLIN_UIDL ? poplin_py_octets_text(event->text) : poplin_py_text(event->text);
    return Py_BuildValue("iKskKN", (int)event->kind, (unsigned long long)event->tag, poplin_verb_name(event->verb),
                         (unsigned long)event->number, (unsigned long long)event->octets, text);
}

static PyObject *event_tuple(poplin_py_client *self, const poplin_client_event *event) {
    const int kind = (int)event->kind;
    const unsigned long long tag = event->tag;
    switch (event->kind) {
    case POPLIN_CLIENT_GREETING:
        return Py_BuildValue("iNN", kind, poplin_py_text(event->text), poplin_py_bytes(event->line));
    case POPLIN_CLIENT_REPLY:
        return reply_tuple(self, event);
    case POPLIN_CLIENT_LISTING:
        return listing_tuple(event);
    case POPLIN_CLIENT_BODY:
        return Py_BuildValue("iKN", kind, tag, poplin_py_bytes(event->text));
    case POPLIN_CLIENT_END:
        return Py_BuildValue("iKK", kind, tag, (unsigned long long)event->octets);
    case POPLIN_CLIENT_OPENED:
        return Py_BuildValue("iKNzNNN", kind, tag, PyBool_FromLong(event->status == POPLIN_OK),
                             poplin_code_text(event->code), poplin_py_text(event->text), poplin_py_text(event->answer),
                             refusal(self, event));
    case POPLIN_CLIENT_CLOSED:
        self->closed = true;
        poplin_py_feed_stop(&self->feed);
        return Py_BuildValue("iN", kind, PyBool_FromLong(self->feed.clean));
    case POPLIN_CLIENT_FAILED:
        fail(self, event);
        return raise_failure(self);
    case POPLIN_CLIENT_START_TLS:
        break;
    }
    return Py_BuildValue("(i)", kind);
}

/* One piece of the slices. */
static PyObject *join(const poplin_slice *slices, size_t count) {
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += slices[i].size;
    }
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    char *place = bytes == NULL ? NULL : PyBytes_AsString(bytes);
    for (size_t i = 0; place != NULL && i < count; i++) {
        memcpy(place, slices[i].data, slices[i].size);
        place += slices[i].size;
    }
    return bytes;
}

/*
 * The body's first slice with those that follow it, which all lie in what is lent. What comes behind them is stashed;
 * a failure is noted, and raised when it is asked for.
 */
static PyObject *body_tuple(poplin_py_client *self, poplin_client_event *event) {
    poplin_slice slices[SLICES_MAX];
    const int kind = (int)event->kind;
    const unsigned long long tag = event->tag;
    size_t count = 0;
    int status;
    do {
        slices[count++] = event->text;
        status = count < SLICES_MAX ? poplin_client_next(self->client, event) : POPLIN_NEED_INPUT;
    } while (status == POPLIN_OK && event->kind == POPLIN_CLIENT_BODY);
    PyObject *tuple = Py_BuildValue("iKN", kind, tag, join(slices, count));
    if (status != POPLIN_OK) {
        return tuple;
    }
    if (event->kind == POPLIN_CLIENT_FAILED) {
        fail(self, event);
    } else if (tuple != NULL) {
        self->stashed = event_tuple(self, event);
        if (self->stashed == NULL) {
            Py_CLEAR(tuple);
        }
    }
    return tuple;
}

static PyObject *next_event(poplin_py_client *self) {
    poplin_client_event event;
    int status;
    if (self->stashed != NULL) {
        PyObject *stashed = self->stashed;
        self->stashed = NULL;
        return stashed;
    }
    if (self->failure != NULL) {
        return raise_failure(self);
    }
    do {
        status = poplin_client_next(self->client, &event);
        if (status == POPLIN_NEED_INPUT) {
            poplin_py_feed_release(&self->feed);
        }
    } while (poplin_py_feed_go_on(&self->feed, status, event.kind == POPLIN_CLIENT_START_TLS, &mouth, self->client));
    if (status == POPLIN_NEED_INPUT || status == POPLIN_WAITING) {
        return PyErr_Occurred() != NULL ? NULL : Py_NewRef(status == POPLIN_WAITING ? Py_False : Py_None);
    }
    if (status != POPLIN_OK) {
        return raise_status(self, status, NULL);
    }
    return event.kind == POPLIN_CLIENT_BODY ? body_tuple(self, &event) : event_tuple(self, &event);
}

PyDoc_STRVAR(
    next_doc,
    "next($self, /)\n--\n\nThe next event, a tuple that begins with its kind; None: octets are needed; False: it waits "
    "for TLS.");

static PyObject *machine_next(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_py_client *self = poplin_py_client_enter(object);
    if (self == NULL) {
        return NULL;
    }
    PyObject *event = next_event(self);
    poplin_py_feed_leave(&self->feed);
    return event;
}

/* ---- what is known ---- */

PyDoc_STRVAR(facts_doc, "facts($self, /)\n--\n\n"
                        "(phase, outstanding, mechanism or None).");

static PyObject *machine_facts(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_py_client *self = (poplin_py_client *)object;
    return Py_BuildValue("iKz", poplin_client_phase(self->client),
                         (unsigned long long)poplin_client_outstanding(self->client),
                         poplin_client_mechanism(self->client));
}

PyDoc_STRVAR(capabilities_doc, "capabilities($self, /)\n--\n\n"
                               "A list of (name, parameters).");

static PyObject *machine_capabilities(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_py_client *self = poplin_py_client_enter(object);
    poplin_capability capability;
    if (self == NULL) {
        return NULL;
    }
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && poplin_client_capability(self->client, i, &capability) == POPLIN_OK; i++) {
        PyObject *pair =
            Py_BuildValue("NN", poplin_py_octets_text(capability.name), poplin_py_octets_text(capability.parameters));
        if (pair == NULL || PyList_Append(list, pair) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(pair);
    }
    poplin_py_feed_leave(&self->feed);
    return list;
}

/* ---- commands: client_commands.c ---- */

PyDoc_STRVAR(login_doc, "login($self, tag, opening, wanted, user, password=None, token=None, authorize=None, "
                        "/)\n--\n\nLog in; opening: after the greeting, the "
                        "capabilities and TLS. Not wanted: those alone.");
PyDoc_STRVAR(submit_doc, "submit($self, tag, verb, number, lines, octets, language, /)\n--\n\n"
                         "Queue a command.");
PyDoc_STRVAR(command_doc, "command($self, tag, line, multiline, secret, /)\n--\n\n"
                          "Queue a line of the host's own.");
PyDoc_STRVAR(retr_all_doc, "retr_all($self, tag, wanted, /)\n--\n\n"
                           "Retrieve the messages of a list of (number, octets).");
PyDoc_STRVAR(retr_stop_doc, "retr_stop($self, /)\n--\n\n"
                            "Send no further RETR of the series; how many were not sent.");

static PyMethodDef methods[] = {
    {"input", machine_input, METH_O, input_doc},
    {"eof", machine_eof, METH_O, eof_doc},
    {"output", machine_output, METH_NOARGS, output_doc},
    {"tls", machine_tls, METH_VARARGS, tls_doc},
    {"next", machine_next, METH_NOARGS, next_doc},
    {"login", poplin_py_client_login, METH_VARARGS, login_doc},
    {"submit", poplin_py_client_submit, METH_VARARGS, submit_doc},
    {"command", poplin_py_client_command, METH_VARARGS, command_doc},
    {"retr_all", poplin_py_client_retr_all, METH_VARARGS, retr_all_doc},
    {"retr_stop", poplin_py_client_retr_stop, METH_NOARGS, retr_stop_doc},
    {"facts", machine_facts, METH_NOARGS, facts_doc},
    {"capabilities", machine_capabilities, METH_NOARGS, capabilities_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(type_doc, "ClientMachine(settings, /)\n--\n\nThe client's end of a connection, without input or output.");

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)type_doc},
    {Py_tp_new, machine_new},
    {Py_tp_dealloc, machine_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec poplin_py_client_machine_spec = {
    .name = "poplin._core.ClientMachine",
    .basicsize = sizeof(poplin_py_client),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
