/*
 * machines.c - the two state machines, without any I/O, as the types ClientMachine and SessionMachine.
 *
 * Octets go in, events come out, each as a tuple that begins with its kind. The property tests drive these; nothing
 * in the package does.
 */
#include "core.h"

/* ---- what both have ---- */

typedef struct machine {
    PyObject_HEAD poplin_client *client;
    poplin_session *session;
    PyObject *lent;   /* the bytes that the machine reads, until it needs more */
    PyObject *bodies; /* the session's: contents that were lent, kept to the end */
} machine;

static PyObject *machine_alloc(PyTypeObject *type) {
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    return allocate(type, 0);
}

static void machine_dealloc(PyObject *object) {
    machine *self = (machine *)object;
    poplin_client_free(self->client);
    poplin_session_free(self->session);
    Py_XDECREF(self->lent);
    Py_XDECREF(self->bodies);
    poplin_py_free(object);
}

/* None, or the exception for a failure. */
static PyObject *none_or_raise(PyObject *self, int status) {
    if (status == POPLIN_OK)
        Py_RETURN_NONE;
    return poplin_py_raise(poplin_py_state_of(self), status, NULL);
}

PyDoc_STRVAR(input_doc, "input(data)\n--\n\nLend octets from the peer.");

static PyObject *machine_input(PyObject *object, PyObject *data) {
    machine *self = (machine *)object;
    poplin_slice slice;
    if (poplin_py_slice(data, "data", &slice) < 0)
        return NULL;
    int status = self->client != NULL ? poplin_client_input(self->client, slice.data, slice.size)
                                      : poplin_session_input(self->session, slice.data, slice.size);
    if (status == POPLIN_OK)
        self->lent = Py_NewRef(data);
    return none_or_raise(object, status);
}

PyDoc_STRVAR(output_doc, "output()\n--\n\nTake what is to be sent.");

static PyObject *machine_output(PyObject *object, PyObject *unused) {
    (void)unused;
    machine *self = (machine *)object;
    poplin_slice output = {NULL, 0};
    if (self->client != NULL)
        poplin_client_output(self->client, &output.data, &output.size);
    else
        poplin_session_output(self->session, &output.data, &output.size);
    PyObject *bytes = PyBytes_FromStringAndSize(output.data, (Py_ssize_t)output.size);
    if (bytes != NULL && self->client != NULL)
        poplin_client_sent(self->client, output.size);
    else if (bytes != NULL)
        poplin_session_sent(self->session, output.size);
    return bytes;
}

PyDoc_STRVAR(tls_doc, "tls()\n--\n\nTLS now stands.");

static PyObject *machine_tls(PyObject *object, PyObject *unused) {
    (void)unused;
    machine *self = (machine *)object;
    const poplin_tls_facts facts = {.verified = true};
    return none_or_raise(object, self->client != NULL ? poplin_client_tls(self->client, &facts)
                                                      : poplin_session_tls(self->session, &facts));
}

PyDoc_STRVAR(eof_doc, "eof(clean)\n--\n\nThe peer closed.");

static PyObject *machine_eof(PyObject *object, PyObject *clean) {
    machine *self = (machine *)object;
    return none_or_raise(object, self->client != NULL ? poplin_client_eof(self->client, clean == Py_True)
                                                      : poplin_session_eof(self->session, clean == Py_True));
}

/* What next answers where there is no event: None; more input may then be lent or, waiting, may not. */
static PyObject *no_event(PyObject *object, int status) {
    machine *self = (machine *)object;
    if (status == POPLIN_NEED_INPUT)
        Py_CLEAR(self->lent);
    if (status == POPLIN_NEED_INPUT || status == POPLIN_WAITING)
        Py_RETURN_NONE;
    return poplin_py_raise(poplin_py_state_of(object), status, NULL);
}

static const char *reason_of(const poplin_error *error) {
    return error == NULL ? NULL : error->reason;
}

/* ---- the client ---- */

#define SETTING(name, kind) \
    { #name, POPLIN_PY_##kind, offsetof(poplin_client_config, name) }
static const poplin_py_setting client_settings[] = {
    SETTING(tls, ENUM),          SETTING(link_protected, BOOL),
    SETTING(strict, BOOL),       SETTING(pipelining, BOOL),
    SETTING(max_line, SIZE),     SETTING(max_listing, SIZE),
    SETTING(max_listings, SIZE), SETTING(max_capabilities, SIZE),
    SETTING(max_message, U64),   SETTING(window_commands, SIZE),
    SETTING(window_octets, U64), {NULL, POPLIN_PY_BOOL, 0},
};
#undef SETTING

static PyObject *client_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    (void)keywords;
    PyObject *dictionary = NULL;
    poplin_client_config config;
    poplin_client_config_init(&config);
    if (!PyArg_ParseTuple(arguments, "O:ClientMachine", &dictionary) ||
        poplin_py_settings(dictionary, client_settings, &config) < 0)
        return NULL;
    PyObject *self = machine_alloc(type);
    int status = self == NULL ? POPLIN_ERR_NOMEM : poplin_client_new(&config, &((machine *)self)->client);
    if (status == POPLIN_OK)
        return self;
    Py_XDECREF(self);
    return poplin_py_raise(PyType_GetModuleState(type), status, NULL);
}

PyDoc_STRVAR(client_next_doc,
             "next()\n--\n\nThe next event, or None: (kind, verb, tag, number, status, code, complete, "
             "text, count, octets, reason).");

static PyObject *client_next(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_client_event event;
    int status = poplin_client_next(((machine *)object)->client, &event);
    if (status != POPLIN_OK)
        return no_event(object, status);
    return Py_BuildValue("isKkizNNkKz", (int)event.kind, poplin_verb_name(event.verb), (unsigned long long)event.tag,
                         (unsigned long)event.number, event.status, poplin_code_text(event.code),
                         PyBool_FromLong(event.complete), poplin_py_bytes(event.text), (unsigned long)event.count,
                         (unsigned long long)event.octets, reason_of(event.error));
}

PyDoc_STRVAR(client_open_doc, "open(user, password, tag)\n--\n\nGreeting, capabilities, TLS and login in one.");

static PyObject *client_open(PyObject *object, PyObject *arguments) {
    PyObject *user = NULL;
    PyObject *password = NULL;
    unsigned long long tag = 0;
    poplin_credentials credentials = {0};
    if (!PyArg_ParseTuple(arguments, "OOK:open", &user, &password, &tag) ||
        poplin_py_slice(user, "user", &credentials.user) < 0 ||
        poplin_py_slice(password, "password", &credentials.password) < 0)
        return NULL;
    return none_or_raise(object, poplin_client_open(((machine *)object)->client,
                                                    credentials.user.data == NULL ? NULL : &credentials, tag));
}

PyDoc_STRVAR(client_submit_doc, "submit(verb, number, lines, octets, tag)\n--\n\nQueue a command.");

static PyObject *client_submit(PyObject *object, PyObject *arguments) {
    int verb = 0;
    unsigned long number = 0;
    unsigned long lines = 0;
    unsigned long long octets = 0;
    unsigned long long tag = 0;
    if (!PyArg_ParseTuple(arguments, "ikkKK:submit", &verb, &number, &lines, &octets, &tag))
        return NULL;
    const poplin_command command = {
        .verb = (enum poplin_verb)verb, .number = (uint32_t)number, .lines = (uint32_t)lines, .octets = octets};
    return none_or_raise(object, poplin_client_submit(((machine *)object)->client, &command, tag));
}

static PyMethodDef client_methods[] = {
    {"input", machine_input, METH_O, input_doc},
    {"next", client_next, METH_NOARGS, client_next_doc},
    {"output", machine_output, METH_NOARGS, output_doc},
    {"tls", machine_tls, METH_NOARGS, tls_doc},
    {"eof", machine_eof, METH_O, eof_doc},
    {"open", client_open, METH_VARARGS, client_open_doc},
    {"submit", client_submit, METH_VARARGS, client_submit_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot client_slots[] = {
    {Py_tp_new, client_new},
    {Py_tp_dealloc, machine_dealloc},
    {Py_tp_methods, client_methods},
    {0, NULL},
};

PyType_Spec poplin_py_client_machine_spec = {
    .name = "poplin._core.ClientMachine",
    .basicsize = sizeof(machine),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = client_slots,
};

/* ---- the session ---- */

#define SETTING(name, kind) \
    { #name, POPLIN_PY_##kind, offsetof(poplin_session_config, name) }
static const poplin_py_setting session_settings[] = {
    SETTING(stls, BOOL),       SETTING(link_protected, BOOL), SETTING(allow_cleartext, BOOL),
    SETTING(asks, U32),        SETTING(mechanisms, STRING),   SETTING(host, STRING),
    SETTING(pepper, OCTETS),   SETTING(delays, BOOL),         SETTING(greeting, STRING),
    SETTING(max_line, SIZE),   SETTING(max_sasl_line, SIZE),  SETTING(max_messages, SIZE),
    SETTING(max_output, SIZE), {NULL, POPLIN_PY_BOOL, 0},
};
#undef SETTING

static PyObject *session_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    (void)keywords;
    PyObject *dictionary = NULL;
    poplin_session_config config;
    poplin_session_config_init(&config);
    if (!PyArg_ParseTuple(arguments, "O:SessionMachine", &dictionary) ||
        poplin_py_settings(dictionary, session_settings, &config) < 0)
        return NULL;
    PyObject *self = machine_alloc(type);
    if (self == NULL)
        return NULL;
    ((machine *)self)->bodies = PyList_New(0);
    int status = poplin_session_new(&config, &((machine *)self)->session);
    if (status == POPLIN_OK && ((machine *)self)->bodies != NULL)
        return self;
    Py_DECREF(self);
    return poplin_py_raise(PyType_GetModuleState(type), status == POPLIN_OK ? POPLIN_ERR_NOMEM : status, NULL);
}

PyDoc_STRVAR(session_next_doc, "next()\n--\n\nThe next event, or None: (kind, question, user, password, mechanism, "
                               "index, unique_id, indexes, announced, octets, outcome, reason, token, failures).");

static PyObject *index_list(const poplin_session_event *event) {
    PyObject *list = PyList_New((Py_ssize_t)event->count);
    for (size_t i = 0; list != NULL && i < event->count; i++) {
        PyObject *index = PyLong_FromSize_t(event->indexes[i]);
        if (index == NULL || PyList_SetItem(list, (Py_ssize_t)i, index) < 0)
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *session_next(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_session_event event;
    int status = poplin_session_next(((machine *)object)->session, &event);
    if (status != POPLIN_OK)
        return no_event(object, status);
    return Py_BuildValue("iKNNzKNNKKizNI", (int)event.kind, (unsigned long long)event.question,
                         poplin_py_bytes(event.user), poplin_py_bytes(event.password), event.mechanism,
                         (unsigned long long)event.index, poplin_py_bytes(event.unique_id), index_list(&event),
                         (unsigned long long)event.announced, (unsigned long long)event.octets, (int)event.outcome,
                         reason_of(event.error), poplin_py_bytes(event.token), event.failures);
}

PyDoc_STRVAR(session_accept_doc, "accept(question)\n--\n\nYes.");

static PyObject *session_accept(PyObject *object, PyObject *question) {
    uint64_t number = 0;
    if (poplin_py_unsigned(question, "question", UINT64_MAX, &number) < 0)
        return NULL;
    return none_or_raise(object, poplin_session_accept(((machine *)object)->session, number));
}

/* Answers with octets: ask is the function that takes them. */
static PyObject *answer_octets(PyObject *object, PyObject *arguments,
                               int (*answer)(poplin_session *session, uint64_t question, poplin_slice octets)) {
    unsigned long long question = 0;
    PyObject *bytes = NULL;
    poplin_slice octets;
    if (!PyArg_ParseTuple(arguments, "KO", &question, &bytes) || poplin_py_slice(bytes, "the answer", &octets) < 0)
        return NULL;
    return none_or_raise(object, answer(((machine *)object)->session, question, octets));
}

PyDoc_STRVAR(session_accept_as_doc, "accept_as(question, user)\n--\n\nYes; it is this user who logs in.");

static PyObject *session_accept_as(PyObject *object, PyObject *arguments) {
    return answer_octets(object, arguments, poplin_session_accept_as);
}

PyDoc_STRVAR(session_secret_doc, "secret(question, password)\n--\n\nThe user's password.");

static PyObject *session_secret(PyObject *object, PyObject *arguments) {
    return answer_octets(object, arguments, poplin_session_secret);
}

PyDoc_STRVAR(session_keys_doc, "keys(question, text)\n--\n\nThe user's SCRAM keys.");

static PyObject *session_keys(PyObject *object, PyObject *arguments) {
    unsigned long long question = 0;
    const char *text = NULL;
    Py_ssize_t size = 0;
    poplin_scram_keys keys;
    char storage[POPLIN_SCRAM_STORAGE];
    if (!PyArg_ParseTuple(arguments, "Ks#:keys", &question, &text, &size))
        return NULL;
    int status = poplin_scram_keys_parse((poplin_slice){text, (size_t)size}, storage, &keys);
    return none_or_raise(
        object, status != POPLIN_OK ? status : poplin_session_keys(((machine *)object)->session, question, &keys));
}

PyDoc_STRVAR(session_refuse_doc, "refuse(question, status)\n--\n\nNo.");

static PyObject *session_refuse(PyObject *object, PyObject *arguments) {
    unsigned long long question = 0;
    int status = 0;
    if (!PyArg_ParseTuple(arguments, "Ki:refuse", &question, &status))
        return NULL;
    return none_or_raise(object, poplin_session_refuse(((machine *)object)->session, question, status, NULL));
}

PyDoc_STRVAR(session_open_doc, "open(question, unique_ids, octets)\n--\n\nMessages, all of the same size.");

static PyObject *session_open(PyObject *object, PyObject *arguments) {
    unsigned long long question = 0;
    unsigned long long octets = 0;
    PyObject *unique_ids = NULL;
    poplin_listing listings[16];
    if (!PyArg_ParseTuple(arguments, "KOK:open", &question, &unique_ids, &octets))
        return NULL;
    size_t count = (size_t)PyTuple_Size(unique_ids);
    for (size_t i = 0; i < count && i < 16; i++) {
        PyObject *unique_id = PyTuple_GetItem(unique_ids, (Py_ssize_t)i);
        if (unique_id == NULL || poplin_py_slice(unique_id, "unique_id", &listings[i].unique_id) < 0)
            return NULL;
        listings[i].octets = octets;
    }
    return none_or_raise(
        object, poplin_session_open(((machine *)object)->session, question, listings, count < 16 ? count : 16, NULL));
}

PyDoc_STRVAR(session_body_doc, "body(question, data, last)\n--\n\nContent.");

static PyObject *session_body(PyObject *object, PyObject *arguments) {
    machine *self = (machine *)object;
    unsigned long long question = 0;
    PyObject *data = NULL;
    int last = 0;
    poplin_slice slice;
    if (!PyArg_ParseTuple(arguments, "KOp:body", &question, &data, &last) ||
        poplin_py_slice(data, "data", &slice) < 0 || PyList_Append(self->bodies, data) < 0)
        return NULL;
    return none_or_raise(object, poplin_session_body(self->session, question, slice.data, slice.size, last != 0));
}

static PyMethodDef session_methods[] = {
    {"input", machine_input, METH_O, input_doc},
    {"next", session_next, METH_NOARGS, session_next_doc},
    {"output", machine_output, METH_NOARGS, output_doc},
    {"tls", machine_tls, METH_NOARGS, tls_doc},
    {"eof", machine_eof, METH_O, eof_doc},
    {"accept", session_accept, METH_O, session_accept_doc},
    {"accept_as", session_accept_as, METH_VARARGS, session_accept_as_doc},
    {"secret", session_secret, METH_VARARGS, session_secret_doc},
    {"keys", session_keys, METH_VARARGS, session_keys_doc},
    {"refuse", session_refuse, METH_VARARGS, session_refuse_doc},
    {"open", session_open, METH_VARARGS, session_open_doc},
    {"body", session_body, METH_VARARGS, session_body_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot session_slots[] = {
    {Py_tp_new, session_new},
    {Py_tp_dealloc, machine_dealloc},
    {Py_tp_methods, session_methods},
    {0, NULL},
};

PyType_Spec poplin_py_session_machine_spec = {
    .name = "poplin._core.SessionMachine",
    .basicsize = sizeof(machine),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = session_slots,
};
