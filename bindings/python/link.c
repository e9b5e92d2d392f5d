/*
 * link.c - the type Link: one client connection on a loop of its own, and how a method waits on it.
 *
 * A Link is used by one thread at a time; while one waits without the interpreter's lock, another gets StateError.
 */
#include <stdlib.h>
#include <unistd.h>

#include "core.h"

/* What was dropped by another thread while this one was in the link. */
typedef struct poplin_py_orphan {
    void (*drop)(void *subject);
    void *subject;
    struct poplin_py_orphan *next;
} poplin_py_orphan;

/* ---- in and out ---- */

bool poplin_py_link_enter(poplin_py_link *self) {
    const char *reason = NULL;
    if (self->busy) {
        reason = "this connection is in use: another thread, or what a signal has interrupted, waits on it";
    } else if (self->link == NULL) {
        reason = "this connection is closed";
    }
    if (reason != NULL) {
        poplin_py_raise_state(poplin_py_state_of((PyObject *)self), reason);
        return false;
    }
    self->busy = true;
    return true;
}

static void drop_orphans(poplin_py_link *self) {
    while (self->orphans != NULL) {
        poplin_py_orphan *orphan = self->orphans;
        self->orphans = orphan->next;
        if (self->link != NULL) {
            orphan->drop(orphan->subject);
        }
        free(orphan);
    }
}

void poplin_py_link_leave(poplin_py_link *self) {
    drop_orphans(self);
    if (self->loop != NULL) {
        poplin_py_trace_hand_over(poplin_py_state_of((PyObject *)self), self->loop);
    }
    self->busy = false;
}

void poplin_py_link_drop(poplin_py_link *self, void (*drop)(void *subject), void *subject) {
    if (subject == NULL || self->link == NULL) {
        return;
    }
    if (!self->busy) {
        drop(subject);
        return;
    }
    poplin_py_orphan *orphan = malloc(sizeof *orphan);
    if (orphan != NULL) { /* else it is freed with its link */
        *orphan = (poplin_py_orphan){drop, subject, self->orphans};
        self->orphans = orphan;
    }
}

/* ---- waiting ---- */

/*
 * Without the interpreter's lock: steps and asks, until there is an answer, a signal came, or it is time to look
 * for one. Returns what the last step answered.
 */
static int step_and_ask(poplin_link *link, int (*ask)(void *subject), void *subject, int *status) {
    const int64_t until = poplin_py_milliseconds_now() + POPLIN_PY_SIGNAL_MS;
    int64_t left = POPLIN_PY_SIGNAL_MS;
    int stepped = POPLIN_OK;
    while (*status == POPLIN_NEED_INPUT && stepped == POPLIN_OK && left > 0) {
        stepped = poplin_link_wait(link, (int)left);
        *status = ask(subject);
        left = until - poplin_py_milliseconds_now();
    }
    return stepped;
}

int poplin_py_link_ask(poplin_py_link *self, int (*ask)(void *subject), void *subject) {
    int status = ask(subject);
    while (status == POPLIN_NEED_INPUT && self->shared == NULL) {
        int stepped;
        Py_BEGIN_ALLOW_THREADS stepped = step_and_ask(self->link, ask, subject, &status);
        Py_END_ALLOW_THREADS if (PyErr_CheckSignals() < 0) {
            poplin_link_cancel(self->link);
            return POPLIN_PY_RAISED;
        }
        if (stepped < 0 && status == POPLIN_NEED_INPUT) {
            return stepped;
        }
    }
    return status;
}

/* Raises why verb does not fit the state. */
static PyObject *raise_misfit(poplin_py_link *self, enum poplin_verb verb) {
    poplin_error error = {0};
    poplin_link_explain(self->link, verb, &error);
    return poplin_py_raise(poplin_py_state_of((PyObject *)self), POPLIN_ERR_STATE, &error);
}

PyObject *poplin_py_link_raise(poplin_py_link *self, int status) {
    if (status == POPLIN_PY_RAISED) {
        return NULL;
    }
    const poplin_error *error = poplin_link_error(self->link);
    const poplin_error *refusal = poplin_link_refusal(self->link);
    if (error == NULL && refusal != NULL && refusal->status == status) {
        error = refusal;
    }
    if (error == NULL && status == POPLIN_ERR_STATE) {
        return raise_misfit(self, POPLIN_NO_VERB);
    }
    return poplin_py_raise(poplin_py_state_of((PyObject *)self), status, error);
}

/* ---- making and ending ---- */

/* All that Link takes: the connection's settings, and who logs in. */
typedef struct wishes {
    poplin_link_config config;
    poplin_credentials login;
    bool wants_login;
} wishes;

#define SETTING(name, kind, member) \
    { name, POPLIN_PY_##kind, offsetof(wishes, config.member) }
static const poplin_py_setting settings[] = {
    SETTING("host", STRING, host),
    SETTING("port", U16, port),
    SETTING("path", STRING, path),
    SETTING("mail_domain", STRING, mail_domain),
    SETTING("loopback_protected", BOOL, loopback_protected),
    SETTING("connect_ms", U32, connect_ms),
    SETTING("handshake_ms", U32, handshake_ms),
    SETTING("reply_ms", U32, reply_ms),
    SETTING("total_ms", U32, total_ms),
    SETTING("tls", ENUM, client.tls),
    SETTING("strict", BOOL, client.strict),
    SETTING("utf8", BOOL, client.utf8),
    SETTING("mechanisms", STRING, client.mechanisms),
    SETTING("two_step", BOOL, client.two_step),
    SETTING("pipelining", BOOL, client.pipelining),
    SETTING("max_line", SIZE, client.max_line),
    SETTING("max_listing", SIZE, client.max_listing),
    SETTING("max_listings", SIZE, client.max_listings),
    SETTING("max_capabilities", SIZE, client.max_capabilities),
    SETTING("max_message", U64, client.max_message),
    SETTING("window_commands", SIZE, client.window_commands),
    SETTING("window_octets", U64, client.window_octets),
    {"wants_login", POPLIN_PY_BOOL, offsetof(wishes, wants_login)},
    {"token", POPLIN_PY_OCTETS, offsetof(wishes, login.token)},
    {"authorize", POPLIN_PY_OCTETS, offsetof(wishes, login.authorize)},
    {NULL, POPLIN_PY_BOOL, 0},
};
#undef SETTING

/* The descriptor was taken over, but there is no link to own it. */
static void close_descriptor(const wishes *wanted) {
    if (wanted->config.descriptor >= 0) {
        (void)close(wanted->config.descriptor);
    }
}

static int open_link(poplin_py_link *self, const wishes *wanted) {
    int status = POPLIN_OK;
    if (self->shared != NULL) {
        self->loop = self->shared->loop;
    } else {
        status = poplin_loop_new(&self->loop);
    }
    if (status != POPLIN_OK) {
        close_descriptor(wanted);
        return status;
    }
    poplin_py_trace_begin(poplin_py_state_of((PyObject *)self), self->loop, false);
    status = poplin_link_open(self->loop, &wanted->config, wanted->wants_login ? &wanted->login : NULL, &self->link);
    if (status == POPLIN_OK && self->shared != NULL) {
        poplin_link_on_ready(self->link, poplin_py_loop_note, self);
    }
    return status;
}

#define LOGIN_MISUSE "user or password is empty, too long for any login, or holds what none can carry"
#define AUTH_MISUSE "auth= names no mechanism, or one that is not known"
#define LIMIT_MISUSE "a limit is 0, or user or password is too long for any login"

static PyObject *raise_open(poplin_py_state *state, int status) {
    const char *misuse = status == POPLIN_ERR_PROTOCOL      ? LOGIN_MISUSE
                         : status == POPLIN_ERR_LIMIT       ? LIMIT_MISUSE
                         : status == POPLIN_ERR_UNSUPPORTED ? AUTH_MISUSE
                                                            : NULL;
    if (misuse == NULL) {
        return poplin_py_raise(state, status, NULL);
    }
    PyErr_SetString(PyExc_ValueError, misuse);
    return NULL;
}

/*
 * Link(settings, credentials or None, user or None, password or None, descriptor or -1, loop=None): begins to connect, on
 * a Loop that its host steps or on a loop of its own. The descriptor is taken over, also where this fails.
 */
static PyObject *link_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    (void)keywords;
    PyObject *dictionary = NULL;
    PyObject *credentials = NULL;
    PyObject *user = NULL;
    PyObject *password = NULL;
    PyObject *loop = Py_None;
    wishes wanted = {0};
    poplin_link_config_init(&wanted.config);
    poplin_py_state *state = PyType_GetModuleState(type);
    if (!PyArg_ParseTuple(arguments, "OOOOi|O:Link", &dictionary, &credentials, &user, &password,
                          &wanted.config.descriptor, &loop)) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *self = NULL;
    if (poplin_py_loop_of(state, loop) != NULL && poplin_py_settings(dictionary, settings, &wanted) == 0 &&
        poplin_py_credentials_of(state, credentials, &wanted.config.credentials) == 0 &&
        poplin_py_slice(user, "user", &wanted.login.user) == 0 &&
        poplin_py_slice(password, "password", &wanted.login.password) == 0) {
        self = allocate(type, 0);
    }
    if (self == NULL) {
        close_descriptor(&wanted);
        return NULL;
    }
    ((poplin_py_link *)self)->shared = loop == Py_None ? NULL : (poplin_py_loop *)Py_NewRef(loop);
    int status = open_link((poplin_py_link *)self, &wanted);
    if (status != POPLIN_OK) {
        raise_open(state, status);
        Py_DECREF(self);
        return NULL;
    }
    return self;
}

static void close_link(poplin_py_link *self) {
    poplin_link_free(self->link);
    self->link = NULL;
    drop_orphans(self);
    if (self->shared == NULL) {
        poplin_loop_free(self->loop);
    } else {
        poplin_py_loop_forget(self);
        Py_CLEAR(self->shared);
    }
    self->loop = NULL;
}

static void link_dealloc(PyObject *self) {
    close_link((poplin_py_link *)self);
    poplin_py_free(self);
}

PyDoc_STRVAR(close_doc, "close($self, /)\n--\n\nDrop the connection without QUIT. Closing twice is peaceful.");

static PyObject *link_close(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_py_link *self = (poplin_py_link *)object;
    if (self->link != NULL) {
        if (!poplin_py_link_enter(self)) {
            return NULL;
        }
        poplin_link_free(self->link); /* which is told, as long as there is a loop */
        self->link = NULL;
        poplin_py_trace_hand_over(poplin_py_state_of(object), self->loop);
        close_link(self);
        poplin_py_link_leave(self);
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(answer_doc, "answer($self, /)\n--\n\nWhat the server said of a refused token, or None.");

static PyObject *link_answer(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_py_link *self = (poplin_py_link *)object;
    poplin_slice answer = self->link != NULL ? poplin_link_token_answer(self->link) : (poplin_slice){NULL, 0};
    if (answer.size == 0) {
        Py_RETURN_NONE;
    }
    return PyUnicode_DecodeUTF8(answer.data, (Py_ssize_t)answer.size, "replace");
}

PyDoc_STRVAR(cancel_doc, "cancel($self, /)\n--\n\nFail the connection as Cancelled; no QUIT is sent.");

static PyObject *link_cancel(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_py_link *self = (poplin_py_link *)object;
    if (!poplin_py_link_enter(self)) {
        return NULL;
    }
    poplin_link_cancel(self->link);
    poplin_py_link_leave(self);
    Py_RETURN_NONE;
}

/* ---- commands ---- */

/* What a submitting function answered at once: PROTOCOL and LIMIT are of the arguments then, not of the peer. */
static PyObject *raise_submit(poplin_py_link *self, int status, enum poplin_verb verb) {
    if (poplin_link_error(self->link) != NULL) {
        return poplin_py_link_raise(self, status);
    }
    if (status == POPLIN_ERR_PROTOCOL || status == POPLIN_ERR_LIMIT) {
        PyErr_SetString(PyExc_ValueError, verb == POPLIN_NO_VERB ? LOGIN_MISUSE
                                          : verb == POPLIN_LANG
                                              ? "a language is a tag of letters, digits and '-', or '*'"
                                              : "this command needs a message number");
        return NULL;
    }
    return status == POPLIN_ERR_STATE ? raise_misfit(self, verb) : poplin_py_link_raise(self, status);
}

static int ask_opened(void *subject) {
    return poplin_link_opened(subject);
}

PyDoc_STRVAR(opened_doc,
             "opened($self, wait, /)\n--\n\nTrue once connected and logged in, None before; with wait, it waits.");

static PyObject *link_opened(PyObject *object, PyObject *wait) {
    poplin_py_link *self = (poplin_py_link *)object;
    if (!poplin_py_link_enter(self)) {
        return NULL;
    }
    int status = wait == Py_True ? poplin_py_link_ask(self, ask_opened, self->link) : poplin_link_opened(self->link);
    PyObject *result = NULL;
    if (status == POPLIN_OK || status == POPLIN_NEED_INPUT) {
        result = Py_NewRef(status == POPLIN_OK ? Py_True : Py_None);
    } else {
        poplin_py_link_raise(self, status);
    }
    poplin_py_link_leave(self);
    return result;
}

PyDoc_STRVAR(call_doc,
             "call($self, verb, number, lines, octets, streamed, language=None, /)\n--\n\nSubmit a command: a Call.");

static PyObject *link_call(PyObject *object, PyObject *arguments) {
    poplin_py_link *self = (poplin_py_link *)object;
    int verb = 0;
    int streamed = 0;
    PyObject *number = NULL;
    PyObject *lines = NULL;
    PyObject *octets = NULL;
    PyObject *language = Py_None;
    uint32_t number_value = 0;
    uint64_t lines_value = 0;
    uint64_t octets_value = 0;
    poplin_slice language_value = {NULL, 0};
    if (!PyArg_ParseTuple(arguments, "iOOOp|O:call", &verb, &number, &lines, &octets, &streamed, &language) ||
        poplin_py_slice(language, "language", &language_value) < 0 ||
        poplin_py_message_number(number, &number_value) < 0 ||
        poplin_py_unsigned(lines, "lines", POPLIN_NUMBER_MAX, &lines_value) < 0 ||
        poplin_py_unsigned(octets, "octets", UINT64_MAX, &octets_value) < 0 || !poplin_py_link_enter(self)) {
        return NULL;
    }
    poplin_command command = {(enum poplin_verb)verb, number_value, (uint32_t)lines_value, octets_value,
                              language_value};
    poplin_call *call = NULL;
    int status = poplin_link_call(self->link, &command, streamed != 0, &call);
    PyObject *result =
        status == POPLIN_OK ? poplin_py_call_new(self, call, command.verb) : raise_submit(self, status, command.verb);
    poplin_py_link_leave(self);
    return result;
}

PyDoc_STRVAR(login_doc, "login($self, user, password, /)\n--\n\nLog in: a Call.");

static PyObject *link_login(PyObject *object, PyObject *arguments) {
    poplin_py_link *self = (poplin_py_link *)object;
    PyObject *user = NULL;
    PyObject *password = NULL;
    poplin_credentials login = {0};
    if (!PyArg_ParseTuple(arguments, "OO:login", &user, &password) || poplin_py_slice(user, "user", &login.user) < 0 ||
        poplin_py_slice(password, "password", &login.password) < 0 || !poplin_py_link_enter(self)) {
        return NULL;
    }
    poplin_call *call = NULL;
    int status = poplin_link_login(self->link, &login, &call);
    PyObject *result = status == POPLIN_OK ? poplin_py_call_new(self, call, POPLIN_NO_VERB)
                                           : raise_submit(self, status, POPLIN_NO_VERB);
    poplin_py_link_leave(self);
    return result;
}

PyDoc_STRVAR(dele_doc, "dele($self, number, /)\n--\n\nSubmit a DELE that nobody waits for.");

static PyObject *link_dele(PyObject *object, PyObject *number) {
    poplin_py_link *self = (poplin_py_link *)object;
    uint32_t value = 0;
    if (poplin_py_message_number(number, &value) < 0 || !poplin_py_link_enter(self)) {
        return NULL;
    }
    int status = poplin_link_dele(self->link, value);
    PyObject *result = status == POPLIN_OK ? Py_NewRef(Py_None) : raise_submit(self, status, POPLIN_DELE);
    poplin_py_link_leave(self);
    return result;
}

/* The messages of a list as an array of new references; NULL with an exception. */
static poplin_py_message **message_array(poplin_py_link *self, PyObject *list, size_t count) {
    poplin_py_message **messages = calloc(count + 1, sizeof(poplin_py_message *));
    if (messages == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    PyTypeObject *type = poplin_py_state_of((PyObject *)self)->message;
    for (size_t i = 0; i < count; i++) {
        PyObject *message = PyList_GetItem(list, (Py_ssize_t)i);
        if (message == NULL || !PyObject_TypeCheck(message, type)) {
            PyErr_SetString(PyExc_TypeError, "wanted must be a list of Messages");
            poplin_py_messages_free(messages, i);
            return NULL;
        }
        messages[i] = (poplin_py_message *)Py_NewRef(message);
    }
    return messages;
}

/* Begins the series that brings these messages; they are the caller's where this fails. */
static int begin_series(poplin_py_link *self, poplin_py_message *const *messages, size_t count,
                        poplin_series **series) {
    poplin_wanted *wanted = calloc(count + 1, sizeof *wanted);
    if (wanted == NULL) {
        return POPLIN_ERR_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        wanted[i] = (poplin_wanted){messages[i]->number, messages[i]->octets};
    }
    int status = poplin_link_retr_all(self->link, wanted, count, series);
    free(wanted);
    return status;
}

PyDoc_STRVAR(retr_all_doc, "retr_all($self, wanted, /)\n--\n\nBegin a Series over a list of Messages.");

static PyObject *link_retr_all(PyObject *object, PyObject *list) {
    poplin_py_link *self = (poplin_py_link *)object;
    if (!PyList_Check(list)) {
        PyErr_SetString(PyExc_TypeError, "wanted must be a list");
        return NULL;
    }
    size_t count = (size_t)PyList_Size(list);
    poplin_py_message **messages = message_array(self, list, count);
    if (messages == NULL) {
        return NULL;
    }
    if (!poplin_py_link_enter(self)) {
        poplin_py_messages_free(messages, count);
        return NULL;
    }
    poplin_series *series = NULL;
    PyObject *result = NULL;
    int status = begin_series(self, messages, count, &series);
    if (status == POPLIN_OK) {
        result = poplin_py_series_new(self, series, messages, count);
    } else {
        poplin_py_messages_free(messages, count);
        raise_submit(self, status, POPLIN_RETR);
    }
    poplin_py_link_leave(self);
    return result;
}

/* ---- what is known of it ---- */

static PyObject *capabilities_of(const poplin_client *client) {
    size_t count = client == NULL ? 0 : poplin_client_capability_count(client);
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list != NULL && i < count; i++) {
        poplin_capability capability = {{NULL, 0}, {NULL, 0}};
        poplin_client_capability(client, i, &capability);
        PyObject *pair =
            Py_BuildValue("NN", poplin_py_octets_text(capability.name), poplin_py_octets_text(capability.parameters));
        if (pair == NULL || PyList_SetItem(list, (Py_ssize_t)i, pair) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

PyDoc_STRVAR(facts_doc, "facts($self, /)\n--\n\n(greeting or None, protected, phase, mechanism or None).");

static PyObject *link_facts(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_py_link *self = (poplin_py_link *)object;
    if (!poplin_py_link_enter(self)) {
        return NULL;
    }
    poplin_slice greeting = poplin_link_greeting(self->link);
    const poplin_client *client = poplin_link_client(self->link);
    PyObject *text = greeting.data == NULL ? Py_NewRef(Py_None) : poplin_py_text(greeting);
    PyObject *facts = Py_BuildValue("NNiz", text, PyBool_FromLong(poplin_link_protected(self->link)),
                                    client == NULL ? 0 : poplin_client_phase(client),
                                    client == NULL ? NULL : poplin_client_mechanism(client));
    poplin_py_link_leave(self);
    return facts;
}

PyDoc_STRVAR(tls_doc,
             "tls($self, /)\n--\n\nWhat was negotiated, a tuple in the order of poplin.TLSInfo; None without TLS.");

/* A text that is None where it is empty; new. */
static PyObject *text_or_none(const char *text) {
    return text[0] == '\0' ? Py_NewRef(Py_None) : PyUnicode_FromString(text);
}

static PyObject *tls_tuple(const poplin_link *link) {
    poplin_tls_info info;
    if (poplin_link_tls_info(link, &info) != POPLIN_OK) {
        return Py_NewRef(Py_None);
    }
    return Py_BuildValue("sssNNNNNNNL", poplin_link_tls(link), info.version, info.cipher, text_or_none(info.group),
                         text_or_none(info.alpn), text_or_none(info.server_name), PyBool_FromLong(info.resumed),
                         text_or_none(poplin_tls_proof_word(info.proof)), text_or_none(info.certificate),
                         text_or_none(info.pin), (long long)info.not_after);
}

static PyObject *link_tls(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_py_link *self = (poplin_py_link *)object;
    if (!poplin_py_link_enter(self)) {
        return NULL;
    }
    PyObject *tuple = tls_tuple(self->link);
    poplin_py_link_leave(self);
    return tuple;
}

PyDoc_STRVAR(capabilities_doc, "capabilities($self, /)\n--\n\nWhat the last CAPA told: a list of (name, parameters).");

static PyObject *link_capabilities(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_py_link *self = (poplin_py_link *)object;
    if (!poplin_py_link_enter(self)) {
        return NULL;
    }
    PyObject *list = capabilities_of(poplin_link_client(self->link));
    poplin_py_link_leave(self);
    return list;
}

static PyMethodDef methods[] = {
    {"opened", link_opened, METH_O, opened_doc},
    {"call", link_call, METH_VARARGS, call_doc},
    {"login", link_login, METH_VARARGS, login_doc},
    {"dele", link_dele, METH_O, dele_doc},
    {"retr_all", link_retr_all, METH_O, retr_all_doc},
    {"facts", link_facts, METH_NOARGS, facts_doc},
    {"tls", link_tls, METH_NOARGS, tls_doc},
    {"capabilities", link_capabilities, METH_NOARGS, capabilities_doc},
    {"answer", link_answer, METH_NOARGS, answer_doc},
    {"cancel", link_cancel, METH_NOARGS, cancel_doc},
    {"close", link_close, METH_NOARGS, close_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(type_doc, "Link(settings, credentials, user, password, descriptor, loop=None, /)\n--\n\nA client's "
                       "connection. descriptor: an open one, or -1.");

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)type_doc},
    {Py_tp_new, link_new},
    {Py_tp_dealloc, link_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec poplin_py_link_spec = {
    .name = "poplin._core.Link",
    .basicsize = sizeof(poplin_py_link),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
