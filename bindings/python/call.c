/*
 * call.c - the type Call: one command that was submitted, and what came of it.
 */
#include "core.h"

typedef struct call_object {
    PyObject_HEAD poplin_py_link *owner;
    poplin_call *call;
    enum poplin_verb verb;
} call_object;

static void drop_call(void *subject) {
    poplin_call_free(subject);
}

PyObject *poplin_py_call_new(poplin_py_link *owner, poplin_call *call, enum poplin_verb verb) {
    PyTypeObject *type = poplin_py_state_of((PyObject *)owner)->call;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    call_object *self = (call_object *)allocate(type, 0);
    if (self == NULL) {
        poplin_call_free(call);
        return NULL;
    }
    self->owner = (poplin_py_link *)Py_NewRef((PyObject *)owner);
    self->call = call;
    self->verb = verb;
    return (PyObject *)self;
}

static void call_dealloc(PyObject *object) {
    call_object *self = (call_object *)object;
    poplin_py_link_drop(self->owner, drop_call, self->call);
    Py_DECREF((PyObject *)self->owner);
    poplin_py_free(object);
}

static int ask_done(void *subject) {
    return poplin_call_done(subject);
}

PyDoc_STRVAR(done_doc, "done($self, wait, /)\n--\n\nTrue once the reply is there, None before; with wait, it waits.");

static PyObject *call_done(PyObject *object, PyObject *wait) {
    call_object *self = (call_object *)object;
    if (!poplin_py_link_enter(self->owner)) {
        return NULL;
    }
    int status = wait == Py_True ? poplin_py_link_ask(self->owner, ask_done, self->call) : poplin_call_done(self->call);
    PyObject *result = NULL;
    if (status == POPLIN_OK || status == POPLIN_NEED_INPUT) {
        result = Py_NewRef(status == POPLIN_OK ? Py_True : Py_None);
    } else {
        poplin_py_link_raise(self->owner, status);
    }
    poplin_py_link_leave(self->owner);
    return result;
}

PyDoc_STRVAR(reply_doc, "reply($self, /)\n--\n\nThe finished call's (text, number, count, octets); an -ERR is raised.");

static PyObject *call_reply(PyObject *object, PyObject *unused) {
    (void)unused;
    call_object *self = (call_object *)object;
    if (!poplin_py_link_enter(self->owner)) {
        return NULL;
    }
    const poplin_reply *reply = poplin_call_reply(self->call);
    PyObject *result = NULL;
    if (reply->status == POPLIN_OK) {
        PyObject *text = self->verb == POPLIN_UIDL ? poplin_py_octets_text(reply->text) : poplin_py_text(reply->text);
        result = Py_BuildValue("NkkK", text, (unsigned long)reply->number, (unsigned long)reply->count,
                               (unsigned long long)reply->octets);
    } else {
        poplin_error error = {0};
        poplin_link_describe(self->owner->link, self->verb, reply, &error);
        poplin_py_raise(poplin_py_state_of(object), reply->status, &error);
    }
    poplin_py_link_leave(self->owner);
    return result;
}

static PyObject *size_pair(const poplin_line *line) {
    return Py_BuildValue("kK", (unsigned long)line->number, (unsigned long long)line->octets);
}

static PyObject *unique_id_pair(const poplin_line *line) {
    return Py_BuildValue("kN", (unsigned long)line->number, poplin_py_octets_text(line->unique_id));
}

/* The finished call's lines as a list. */
static PyObject *line_list(call_object *self, PyObject *(*pair_of)(const poplin_line *line)) {
    if (!poplin_py_link_enter(self->owner)) {
        return NULL;
    }
    size_t count = 0;
    const poplin_line *lines = poplin_call_lines(self->call, &count);
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list != NULL && i < count; i++) {
        PyObject *pair = pair_of(&lines[i]);
        if (pair == NULL || PyList_SetItem(list, (Py_ssize_t)i, pair) < 0) {
            Py_CLEAR(list);
        }
    }
    poplin_py_link_leave(self->owner);
    return list;
}

PyDoc_STRVAR(sizes_doc, "sizes($self, /)\n--\n\nThe lines of a finished LIST: (number, octets).");

static PyObject *call_sizes(PyObject *object, PyObject *unused) {
    (void)unused;
    return line_list((call_object *)object, size_pair);
}

PyDoc_STRVAR(unique_ids_doc, "unique_ids($self, /)\n--\n\nThe lines of a finished UIDL: (number, unique-id).");

static PyObject *call_unique_ids(PyObject *object, PyObject *unused) {
    (void)unused;
    return line_list((call_object *)object, unique_id_pair);
}

static PyObject *line_text(const poplin_line *line) {
    return poplin_py_text(line->unique_id);
}

PyDoc_STRVAR(texts_doc, "texts($self, /)\n--\n\nThe lines of a finished LANG, as they are.");

static PyObject *call_texts(PyObject *object, PyObject *unused) {
    (void)unused;
    return line_list((call_object *)object, line_text);
}

PyDoc_STRVAR(
    messages_doc,
    "messages($self, names, kind, client, /)\n--\n\nA finished LIST, with a finished UIDL or None, as a list of "
    "Messages of that type.");

static PyObject *call_messages(PyObject *object, PyObject *arguments) {
    call_object *self = (call_object *)object;
    poplin_py_state *state = poplin_py_state_of(object);
    PyObject *names = NULL;
    PyObject *type = NULL;
    PyObject *client = NULL;
    if (!PyArg_ParseTuple(arguments, "OOO:messages", &names, &type, &client)) {
        return NULL;
    }
    if ((names != Py_None && !Py_IS_TYPE(names, state->call)) || !PyType_Check(type) ||
        !PyType_IsSubtype((PyTypeObject *)type, state->message)) {
        PyErr_SetString(PyExc_TypeError, "messages() takes a Call or None, a type of Message, and a client");
        return NULL;
    }
    if (!poplin_py_link_enter(self->owner)) {
        return NULL;
    }
    PyObject *list = NULL;
    size_t count = 0;
    const poplin_line *lines = poplin_call_lines(self->call, &count);
    if (names != Py_None && poplin_call_join(self->call, ((call_object *)names)->call) != POPLIN_OK) {
        PyErr_NoMemory();
    } else {
        list = poplin_py_messages((PyTypeObject *)type, client, lines, count);
    }
    poplin_py_link_leave(self->owner);
    return list;
}

PyDoc_STRVAR(body_doc, "body($self, /)\n--\n\nThe finished call's content.");

static PyObject *call_body(PyObject *object, PyObject *unused) {
    (void)unused;
    call_object *self = (call_object *)object;
    if (!poplin_py_link_enter(self->owner)) {
        return NULL;
    }
    poplin_body body = {NULL, 0, 0};
    int status = poplin_call_body(self->call, &body);
    PyObject *bytes = status == POPLIN_OK ? poplin_py_body(&body) : poplin_py_link_raise(self->owner, status);
    poplin_py_link_leave(self->owner);
    return bytes;
}

/* What ask_piece fills in. */
typedef struct piece_request {
    poplin_call *call;
    poplin_body body;
} piece_request;

static int ask_piece(void *subject) {
    piece_request *request = subject;
    return poplin_call_piece(request->call, &request->body);
}

PyDoc_STRVAR(piece_doc, "piece($self, wait, /)\n--\n\nThe next piece of a streamed call's content, b\"\" behind the "
                        "last, None before it is "
                        "there; with wait, it waits.");

static PyObject *call_piece(PyObject *object, PyObject *wait) {
    call_object *self = (call_object *)object;
    if (!poplin_py_link_enter(self->owner)) {
        return NULL;
    }
    piece_request request = {self->call, {NULL, 0, 0}};
    int status = wait == Py_True ? poplin_py_link_ask(self->owner, ask_piece, &request) : ask_piece(&request);
    PyObject *bytes = NULL;
    if (status == POPLIN_OK) {
        bytes = poplin_py_body(&request.body);
    } else if (status == POPLIN_END) {
        bytes = PyBytes_FromStringAndSize(NULL, 0);
    } else if (status == POPLIN_NEED_INPUT) {
        bytes = Py_NewRef(Py_None);
    } else {
        poplin_py_link_raise(self->owner, status);
    }
    poplin_py_link_leave(self->owner);
    return bytes;
}

static PyMethodDef methods[] = {
    {"done", call_done, METH_O, done_doc},
    {"reply", call_reply, METH_NOARGS, reply_doc},
    {"sizes", call_sizes, METH_NOARGS, sizes_doc},
    {"unique_ids", call_unique_ids, METH_NOARGS, unique_ids_doc},
    {"texts", call_texts, METH_NOARGS, texts_doc},
    {"messages", call_messages, METH_VARARGS, messages_doc},
    {"body", call_body, METH_NOARGS, body_doc},
    {"piece", call_piece, METH_O, piece_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, call_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec poplin_py_call_spec = {
    .name = "poplin._core.Call",
    .basicsize = sizeof(call_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};
