/*
 * server.c - the type Server: a listening server on a loop of its own, or on one that it shares, whose questions are pulled.
 *
 * It belongs to the thread that calls wait, or steps the shared loop and calls take; only wake and advance may be called from another. What the server lends from bytes
 * objects comes back while the interpreter's lock is not held: it is put on a list and let go of at the next wait.
 */
#include "core.h"

/* Questions that follow each other without a wait let the loop run at least this often, so that answers get out. */
#define STEP_EVERY_MS 5

/* How often a server that ends looks whether those in advance have left. */
#define ADVANCE_LOOK_MS 1

static int listen_to(poplin_py_server *self, const poplin_server_config *config, poplin_error *error) {
    int status = POPLIN_OK;
    if (self->shared != NULL) {
        self->loop = self->shared->loop;
    } else {
        status = poplin_loop_new(&self->loop);
    }
    if (status == POPLIN_OK) {
        status = poplin_questions_new(&self->questions);
    }
    if (status == POPLIN_OK) {
        status =
            poplin_server_new(self->loop, config, poplin_questions_backend(), self->questions, &self->server, error);
    }
    return status;
}

/* Server(settings, credentials or None, kit or None, loop=None): binds and listens, on a Loop that its host steps or on one of its own. */
static PyObject *server_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    (void)keywords;
    PyObject *dictionary = NULL;
    PyObject *credentials = NULL;
    PyObject *kit = NULL;
    PyObject *loop = Py_None;
    poplin_server_config config;
    poplin_py_state *state = PyType_GetModuleState(type);
    if (!PyArg_ParseTuple(arguments, "OOO|O:Server", &dictionary, &credentials, &kit, &loop) ||
        poplin_py_loop_of(state, loop) == NULL ||
        poplin_py_server_config(state, dictionary, credentials, kit, &config) < 0) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    poplin_py_server *self = (poplin_py_server *)allocate(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->kit = Py_NewRef(kit);
    self->login_delay_by_user = config.session.login_delay_by_user;
    self->expire_by_user = config.session.expire_by_user;
    self->shared = loop == Py_None ? NULL : (poplin_py_loop *)Py_NewRef(loop);
    poplin_error error = {0};
    int status = listen_to(self, &config, &error);
    if (status != POPLIN_OK) {
        poplin_py_raise_server(state, status, &error);
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* ---- the questions ---- */

static PyObject *unique_id_list(const poplin_question *question) {
    PyObject *list = PyList_New((Py_ssize_t)question->count);
    for (size_t i = 0; list != NULL && i < question->count; i++) {
        PyObject *unique_id = poplin_py_octets_text(question->unique_ids[i]);
        if (unique_id == NULL || PyList_SetItem(list, (Py_ssize_t)i, unique_id) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

/* A token may come without a name. */
static PyObject *name_or_none(poplin_slice user) {
    return user.data == NULL ? Py_NewRef(Py_None) : poplin_py_bytes(user);
}

/* The error that belongs to a question, or None. */
static PyObject *error_of(poplin_py_server *self, const poplin_question *question) {
    const poplin_error *error = question->error;
    if (error == NULL) {
        return Py_NewRef(Py_None);
    }
    return poplin_py_make_error(poplin_py_state_of((PyObject *)self), error->status, error);
}

/* The question as a tuple that begins with its kind; the package knows what follows. Takes over what it hands back. */
static PyObject *question_tuple(poplin_py_server *self, const poplin_question *question) {
    const int kind = (int)question->kind;
    const unsigned long long request = question->request;
    PyObject *maildrop = question->maildrop;
    PyObject *pieces = question->pieces;
    switch (question->kind) {
    case POPLIN_QUESTION_CHECK:
        return Py_BuildValue("iKNN", kind, request, poplin_py_bytes(question->user),
                             poplin_py_bytes(question->password));
    case POPLIN_QUESTION_SECRET:
        return Py_BuildValue("iKN", kind, request, poplin_py_bytes(question->user));
    case POPLIN_QUESTION_TOKEN:
        return Py_BuildValue("iKNN", kind, request, name_or_none(question->user), poplin_py_bytes(question->token));
    case POPLIN_QUESTION_LOGIN_FAILED:
        return Py_BuildValue("iNs", kind, poplin_py_text(question->user), question->address);
    case POPLIN_QUESTION_MAILDROP:
        return Py_BuildValue("iKN", kind, request, poplin_py_bytes(question->user));
    case POPLIN_QUESTION_BODY:
        return Py_BuildValue("iKON", kind, request, maildrop, poplin_py_octets_text(question->unique_id));
    case POPLIN_QUESTION_PIECE:
        return Py_BuildValue("iKO", kind, request, pieces);
    case POPLIN_QUESTION_PIECES_DONE:
        return Py_BuildValue("iN", kind, pieces);
    case POPLIN_QUESTION_COMMIT:
        return Py_BuildValue("iKON", kind, request, maildrop, unique_id_list(question));
    case POPLIN_QUESTION_CLOSE:
        return Py_BuildValue("iNsN", kind, maildrop, poplin_outcome_word(question->outcome), error_of(self, question));
    case POPLIN_QUESTION_PROBLEM:
        break;
    }
    return Py_BuildValue("iN", kind, error_of(self, question));
}

PyDoc_STRVAR(take_doc, "take($self, /)\n--\n\nThe next question that is there already, or None.");

static PyObject *server_take(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_py_server *self = (poplin_py_server *)object;
    poplin_question question;
    poplin_py_server_empty_trash(self);
    if (poplin_questions_next(self->questions, &question) != POPLIN_OK) {
        Py_RETURN_NONE;
    }
    return question_tuple(self, &question);
}

static int step(poplin_py_server *self, int milliseconds) {
    int status;
    self->busy = true;
    Py_BEGIN_ALLOW_THREADS status = poplin_loop_step(self->loop, milliseconds);
    Py_END_ALLOW_THREADS self->busy = false;
    self->stepped = poplin_loop_now(self->loop);
    poplin_py_trace_hand_over(poplin_py_state_of((PyObject *)self), self->loop);
    return status;
}

PyDoc_STRVAR(wait_doc, "wait($self, /)\n--\n\nWait for the next question: a tuple; None: woken by wake.");

static PyObject *server_wait(PyObject *object, PyObject *unused) {
    poplin_py_server *self = (poplin_py_server *)object;
    if (!poplin_py_server_ready(self)) {
        return NULL;
    }
    int status = POPLIN_OK;
    if (poplin_loop_now(self->loop) - self->stepped >= STEP_EVERY_MS) {
        status = step(self, 0);
    }
    for (;;) {
        if (status < 0) {
            return poplin_py_raise(poplin_py_state_of(object), status, NULL);
        }
        if (PyErr_CheckSignals() < 0) {
            return NULL;
        }
        if (self->woken) {
            self->woken = false;
            Py_RETURN_NONE;
        }
        PyObject *question = server_take(object, unused);
        if (question != Py_None) {
            return question;
        }
        Py_DECREF(question);
        status = step(self, -1);
    }
}

static void note_wake(void *argument) {
    ((poplin_py_server *)argument)->woken = true;
}

PyDoc_STRVAR(wake_doc,
             "wake($self, /)\n--\n\nFrom any thread: has wait return None. False: not possible (after fork).");

static PyObject *server_wake(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_py_server *self = (poplin_py_server *)object;
    return PyBool_FromLong(poplin_loop_post(self->loop, note_wake, self) == POPLIN_OK);
}

/* ---- beginning and ending ---- */

bool poplin_py_server_ready(poplin_py_server *self) {
    if (self->server != NULL && !self->busy) {
        return true;
    }
    poplin_py_raise_state(poplin_py_state_of((PyObject *)self),
                          self->busy ? "this server is in use by another thread" : "this server is stopped");
    return false;
}

PyDoc_STRVAR(start_doc, "start($self, /)\n--\n\nAccept connections.");

static PyObject *server_start(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_py_server *self = (poplin_py_server *)object;
    if (!poplin_py_server_ready(self)) {
        return NULL;
    }
    poplin_py_trace_begin(poplin_py_state_of(object), self->loop, true);
    int status = poplin_server_start(self->server);
    if (status != POPLIN_OK) {
        return poplin_py_raise(poplin_py_state_of(object), status, NULL);
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(sessions_doc, "sessions($self, /)\n--\n\nHow many are open; 0 after close.");

static PyObject *server_sessions(PyObject *object, PyObject *unused) {
    (void)unused;
    const poplin_py_server *self = (const poplin_py_server *)object;
    return PyLong_FromSize_t(self->server == NULL ? 0 : poplin_server_sessions(self->server));
}

PyDoc_STRVAR(port_doc, "port($self, /)\n--\n\nThe port bound; 0 for a Unix socket.");

static PyObject *server_port(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_py_server *self = (poplin_py_server *)object;
    if (!poplin_py_server_ready(self)) {
        return NULL;
    }
    return PyLong_FromUnsignedLong(poplin_server_port(self->server));
}

PyDoc_STRVAR(by_user_doc, "by_user($self, /)\n--\n\nIn what users differ: the names of the maildrops' attributes.");

static PyObject *server_by_user(PyObject *object, PyObject *unused) {
    (void)unused;
    const poplin_py_server *self = (poplin_py_server *)object;
    if (self->login_delay_by_user && self->expire_by_user) {
        return Py_BuildValue("(ss)", "login_delay", "expire");
    }
    if (self->login_delay_by_user || self->expire_by_user) {
        return Py_BuildValue("(s)", self->expire_by_user ? "expire" : "login_delay");
    }
    return PyTuple_New(0);
}

/* A thread in advance waits for the loop's next steps, which nobody else takes once this thread has ended the server. */
static void let_advances_end(poplin_py_server *self) {
    while (self->advancing > 0 && step(self, ADVANCE_LOOK_MS) >= 0) {
    }
}

PyDoc_STRVAR(close_doc,
             "close($self, /)\n--\n\nEnd the server; take gives what it asked last. Closing twice is peaceful.");

static PyObject *server_close(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_py_server *self = (poplin_py_server *)object;
    if (self->server != NULL) {
        if (!poplin_py_server_ready(self)) {
            return NULL;
        }
        poplin_server_free(self->server);
        self->server = NULL;
        poplin_py_trace_hand_over(poplin_py_state_of(object), self->loop);
        let_advances_end(self);
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(advance_doc,
             "advance($self, milliseconds, /)\n--\n\nFrom any thread but the one that calls wait, which must go on "
             "calling it: move the clock, and return when what was due then has been handled.");

static PyObject *server_advance(PyObject *object, PyObject *milliseconds) {
    poplin_py_server *self = (poplin_py_server *)object;
    uint64_t number = 0;
    int status;
    if (poplin_py_unsigned(milliseconds, "milliseconds", UINT32_MAX, &number) < 0) {
        return NULL;
    }
    if (self->server == NULL) {
        poplin_py_raise_state(poplin_py_state_of(object), "this server is stopped");
        return NULL;
    }
    self->advancing++;
    Py_BEGIN_ALLOW_THREADS status = poplin_loop_advance_and_wait(self->loop, number);
    Py_END_ALLOW_THREADS self->advancing--;
    if (status != POPLIN_OK) {
        return poplin_py_raise(poplin_py_state_of(object), status, NULL);
    }
    Py_RETURN_NONE;
}

/* Lets go of what the questions nobody took hold of. */
static void drop_questions(poplin_questions *questions) {
    poplin_question question;
    while (poplin_questions_next(questions, &question) == POPLIN_OK) {
        if (question.kind == POPLIN_QUESTION_CLOSE) {
            Py_DECREF((PyObject *)question.maildrop);
        } else if (question.kind == POPLIN_QUESTION_PIECES_DONE) {
            Py_DECREF((PyObject *)question.pieces);
        }
    }
}

static void server_dealloc(PyObject *object) {
    poplin_py_server *self = (poplin_py_server *)object;
    poplin_server_free(self->server);
    if (self->questions != NULL) {
        drop_questions(self->questions);
        poplin_questions_free(self->questions);
    }
    if (self->shared == NULL) {
        poplin_loop_free(self->loop);
    }
    Py_XDECREF((PyObject *)self->shared);
    poplin_py_server_empty_trash(self);
    Py_XDECREF(self->kit);
    poplin_py_free(object);
}

PyDoc_STRVAR(accept_doc,
             "accept($self, request, user=None, /)\n--\n\nYes; it is this user who logs in. False: too late, as for "
             "all answers.");
PyDoc_STRVAR(secret_doc, "secret($self, request, password, /)\n--\n\nThe user's password.");
PyDoc_STRVAR(keys_doc, "keys($self, request, text, /)\n--\n\nThe user's SCRAM keys. ValueError: they are none.");
PyDoc_STRVAR(refuse_doc, "refuse($self, request, status, text, /)\n--\n\nNo; status is one of the module's numbers.");
PyDoc_STRVAR(open_doc,
             "open($self, request, maildrop, entries, login_delay=None, expire=None, /)\n--\n\nA maildrop, its list of "
             "(unique-id, "
             "octets or None), and what is the user's own. ValueError: that is not within what the server announces.");
PyDoc_STRVAR(body_doc, "body($self, request, data, /)\n--\n\nA whole message; the bytes are kept until they are sent.");
PyDoc_STRVAR(body_file_doc,
             "body_file($self, request, descriptor, /)\n--\n\nA message in a file; the descriptor is taken over.");
PyDoc_STRVAR(pieces_doc, "pieces($self, request, pieces, /)\n--\n\nA message that will come in pieces.");
PyDoc_STRVAR(piece_doc, "piece($self, request, data, last, /)\n--\n\nThe next piece.");

static PyMethodDef methods[] = {
    {"wait", server_wait, METH_NOARGS, wait_doc},
    {"take", server_take, METH_NOARGS, take_doc},
    {"wake", server_wake, METH_NOARGS, wake_doc},
    {"start", server_start, METH_NOARGS, start_doc},
    {"close", server_close, METH_NOARGS, close_doc},
    {"port", server_port, METH_NOARGS, port_doc},
    {"sessions", server_sessions, METH_NOARGS, sessions_doc},
    {"by_user", server_by_user, METH_NOARGS, by_user_doc},
    {"advance", server_advance, METH_O, advance_doc},
    {"accept", poplin_py_server_accept, METH_VARARGS, accept_doc},
    {"secret", poplin_py_server_secret, METH_VARARGS, secret_doc},
    {"keys", poplin_py_server_keys, METH_VARARGS, keys_doc},
    {"refuse", poplin_py_server_refuse, METH_VARARGS, refuse_doc},
    {"open", poplin_py_server_open, METH_VARARGS, open_doc},
    {"body", poplin_py_server_body, METH_VARARGS, body_doc},
    {"body_file", poplin_py_server_body_file, METH_VARARGS, body_file_doc},
    {"pieces", poplin_py_server_pieces, METH_VARARGS, pieces_doc},
    {"piece", poplin_py_server_piece, METH_VARARGS, piece_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(
    type_doc,
    "Server(settings, credentials, kit, loop=None, /)\n--\n\nA server whose questions are answered by the host.");

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)type_doc},
    {Py_tp_new, server_new},
    {Py_tp_dealloc, server_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec poplin_py_server_spec = {
    .name = "poplin._core.Server",
    .basicsize = sizeof(poplin_py_server),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
