/*
 * fetch.c - the type Fetch: the engine as the package drives it. It hands out the events that are Python's to deal with, as
 * tuples (fetch_events.c), and does the others itself (fetch_run.c).
 *
 * A Fetch is used by one thread at a time, as the link that it uses.
 */
#include "fetch.h"

/* ---- in and out ---- */

static bool enter(poplin_py_fetch *self) {
    if (self->busy) {
        poplin_py_raise_state(poplin_py_state_of((PyObject *)self), "another thread uses this fetch");
        return false;
    }
    if (self->link != NULL && !poplin_py_link_enter(self->link)) {
        return false;
    }
    self->busy = true;
    return true;
}

static void leave(poplin_py_fetch *self) {
    self->busy = false;
    if (self->link != NULL) {
        poplin_py_link_leave(self->link);
    }
}

static bool is_asked(poplin_py_fetch *self, bool asked) {
    if (!asked) {
        poplin_py_raise_state(poplin_py_state_of((PyObject *)self), "nothing of the kind was asked");
    }
    return asked;
}

/* ---- making and ending ---- */

static int add(poplin_py_fetch *self, PyObject *object) {
    poplin_py_state *state = poplin_py_state_of((PyObject *)self);
    if (!Py_IS_TYPE(object, state->delivery)) {
        PyErr_Format(PyExc_TypeError, "a Delivery is wanted, not %R", Py_TYPE(object));
        return -1;
    }
    const size_t before = poplin_places_count(self->places);
    const int status = poplin_places_add(self->places, ((poplin_py_delivery *)object)->delivery);
    if (status != POPLIN_OK) {
        poplin_py_raise(state, status, NULL);
        return -1;
    }
    return poplin_places_count(self->places) == before ? 0 : PyList_Append(self->deliveries, object);
}

/* From the next message on these get each and no other, and Python its octets where it wants them. */
static int choose_places(poplin_py_fetch *self, PyObject *deliveries, bool wants) {
    if (!PyTuple_Check(deliveries)) {
        PyErr_SetString(PyExc_TypeError, "deliveries must be a tuple");
        return -1;
    }
    poplin_places_clear(self->places);
    poplin_places_collect(self->places, wants);
    for (Py_ssize_t i = 0; i < PyTuple_Size(deliveries); i++) {
        if (add(self, PyTuple_GetItem(deliveries, i)) < 0) {
            return -1;
        }
    }
    return 0;
}

/* All that Fetch takes: the engine's configuration, and what the binding does. */
typedef struct wishes {
    poplin_fetch_config config;
    bool tells;
} wishes;

#define SETTING(name, kind) \
    { #name, POPLIN_PY_##kind, offsetof(wishes, config.name) }
static const poplin_py_setting settings[] = {
    SETTING(account, STRING),  SETTING(keep, U64),
    SETTING(limit, U32),       SETTING(newest_first, BOOL),
    SETTING(max_octets, U64),  SETTING(large_headers, BOOL),
    SETTING(filter, BOOL),     SETTING(commit_every, U32),
    SETTING(dry_run, BOOL),    {"tells", POPLIN_PY_BOOL, offsetof(wishes, tells)},
    {NULL, POPLIN_PY_BOOL, 0},
};
#undef SETTING

static PyObject *fetch_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    (void)keywords;
    PyObject *dictionary = NULL;
    wishes wanted = {.tells = false};
    poplin_fetch_config_init(&wanted.config);
    if (!PyArg_ParseTuple(arguments, "O:Fetch", &dictionary) || poplin_py_settings(dictionary, settings, &wanted) < 0) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    poplin_py_fetch *self = (poplin_py_fetch *)allocate(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->tells = wanted.tells;
    self->routed = wanted.config.filter;
    self->deliveries = PyList_New(0);
    self->results = PyList_New(0);
    self->names = PyDict_New();
    const bool made = self->deliveries != NULL && self->results != NULL && self->names != NULL;
    int status = made ? poplin_places_new(&self->places) : POPLIN_ERR_NOMEM;
    if (status == POPLIN_OK) {
        status = poplin_fetch_new(&wanted.config, &self->fetch);
    }
    if (status == POPLIN_OK) {
        return (PyObject *)self;
    }
    if (status == POPLIN_ERR_PROTOCOL) {
        PyErr_SetString(PyExc_ValueError, "an account is 1 to 1,000 octets, none of them a control character");
    } else {
        PyErr_NoMemory();
    }
    Py_DECREF(self);
    return NULL;
}

PyDoc_STRVAR(deliver_to_doc,
             "deliver_to($self, deliveries, wants, /)\n--\n\nThese get each message that BEGIN is not asked about, and "
             "Python gets its octets where it wants them.");

static PyObject *fetch_deliver_to(PyObject *object, PyObject *arguments) {
    poplin_py_fetch *self = (poplin_py_fetch *)object;
    PyObject *deliveries = NULL;
    int wants = 0;
    if (!PyArg_ParseTuple(arguments, "Op:deliver_to", &deliveries, &wants) ||
        choose_places(self, deliveries, wants != 0) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static void fetch_dealloc(PyObject *object) {
    poplin_py_fetch *self = (poplin_py_fetch *)object;
    poplin_fetch_free(self->fetch);
    Py_XDECREF((PyObject *)self->link);
    poplin_places_free(self->places);
    Py_XDECREF(self->deliveries);
    Py_XDECREF(self->results);
    Py_XDECREF(self->names);
    poplin_py_free(object);
}

/* ---- events ---- */

/* What run has answered, for Python. The link of a session that is over is let go of. */
static PyObject *outcome(poplin_py_fetch *self, int status) {
    switch (status) {
    case POPLIN_OK:
        self->asked = true;
        return poplin_py_fetch_event_of(self);
    case POPLIN_PY_FETCH_TELL:
        return Py_BuildValue("sN", "PROGRESS", poplin_py_fetch_progress_of(&self->told));
    case POPLIN_END:
        return PyTuple_New(0);
    case POPLIN_NEED_INPUT:
        return Py_NewRef(Py_None);
    case POPLIN_PY_RAISED:
        return NULL;
    default:
        return poplin_py_raise(poplin_py_state_of((PyObject *)self), status, poplin_fetch_error(self->fetch));
    }
}

/* Where the message has failed, what it left in Maildirs is flushed. */
static int answer_delivery(poplin_py_fetch *self, const poplin_error *error) {
    int status;
    Py_BEGIN_ALLOW_THREADS status = poplin_places_answer(self->places, self->fetch, error->status, error);
    Py_END_ALLOW_THREADS return status;
}

/* DELIVER, where the message goes to Maildirs alone: there is no more to do than to keep their names for the report. */
static int end_delivery(poplin_py_fetch *self) {
    PyObject *number = PyLong_FromUnsignedLong(self->event.message->number);
    PyObject *names = poplin_py_fetch_names_of(self);
    const bool kept = number != NULL && names != NULL && PyDict_SetItem(self->names, number, names) == 0;
    Py_XDECREF(number);
    Py_XDECREF(names);
    const poplin_error fine = {.status = POPLIN_OK};
    return kept ? answer_delivery(self, &fine) : POPLIN_PY_RAISED;
}

static int keep_result(poplin_py_fetch *self) {
    PyObject *result = poplin_py_fetch_result_of(self);
    const bool kept = result != NULL && PyList_Append(self->results, result) == 0;
    Py_XDECREF(result);
    return kept ? POPLIN_OK : POPLIN_PY_RAISED;
}

static int run_unlocked(poplin_py_fetch *self, bool waits) {
    int status;
    Py_BEGIN_ALLOW_THREADS status = poplin_py_fetch_run(self, waits);
    Py_END_ALLOW_THREADS return status;
}

/* Goes on until there is something for Python, which is not asked about each message where it need not be. */
static int run(poplin_py_fetch *self, bool waits) {
    for (;;) {
        int status = run_unlocked(self, waits);
        if (status == POPLIN_OK && self->event.kind == POPLIN_FETCH_RESULT) {
            status = keep_result(self);
        } else if (status == POPLIN_OK && self->event.kind == POPLIN_FETCH_DELIVER && waits &&
                   poplin_places_octets(self->places).data == NULL) {
            status = end_delivery(self);
            self->asked = status == POPLIN_PY_RAISED; /* and may be asked again */
        } else if (status != POPLIN_INTERRUPTED || !waits) {
            return status;
        }
        if (status < 0) {
            return status;
        }
        if (PyErr_CheckSignals() < 0) {
            return POPLIN_PY_RAISED;
        }
    }
}

PyDoc_STRVAR(next_doc,
             "next($self, wait, /)\n--\n\nThe next event; () at the end; None where it would have to wait and "
             "may not. Raises why the fetch has failed, once all is recorded.");

static PyObject *fetch_next(PyObject *object, PyObject *wait) {
    poplin_py_fetch *self = (poplin_py_fetch *)object;
    if (!enter(self)) {
        return NULL;
    }
    const bool waits = wait == Py_True && self->link != NULL && self->link->shared == NULL;
    const int status = run(self, waits);
    PyObject *event = outcome(self, status);
    leave(self);
    if (status == POPLIN_OK && self->event.kind == POPLIN_FETCH_CONNECT) {
        PyDict_Clear(self->names); /* numbers are a session's own */
        poplin_py_link *over = self->link;
        self->link = NULL;
        Py_XDECREF((PyObject *)over);
    }
    return event;
}

PyDoc_STRVAR(again_doc, "again($self, /)\n--\n\nThe event that has not been answered yet, or None.");

static PyObject *fetch_again(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_py_fetch *self = (poplin_py_fetch *)object;
    return self->asked ? poplin_py_fetch_event_of(self) : Py_NewRef(Py_None);
}

PyDoc_STRVAR(cancel_doc, "cancel($self, /)\n--\n\nFail the connection, if there is one, as Cancelled.");

static PyObject *fetch_cancel(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_py_fetch *self = (poplin_py_fetch *)object;
    if (!enter(self)) {
        return NULL;
    }
    if (self->link != NULL) {
        poplin_link_cancel(self->link->link);
    }
    leave(self);
    Py_RETURN_NONE;
}

/* ---- answers ---- */

PyDoc_STRVAR(use_doc, "use($self, link, /)\n--\n\nCONNECT: this is the link, opened. It answers the event.");

static PyObject *fetch_use(PyObject *object, PyObject *link) {
    poplin_py_fetch *self = (poplin_py_fetch *)object;
    if (!Py_IS_TYPE(link, poplin_py_state_of(object)->link)) {
        PyErr_SetString(PyExc_TypeError, "use() takes a Link");
        return NULL;
    }
    poplin_py_link *used = (poplin_py_link *)link;
    if (!is_asked(self, self->asked && self->event.kind == POPLIN_FETCH_CONNECT) || !poplin_py_link_enter(used)) {
        return NULL;
    }
    int status = poplin_fetch_use(self->fetch, used->link);
    if (status == POPLIN_OK) {
        status = poplin_fetch_answer(self->fetch, POPLIN_OK, NULL);
    }
    poplin_py_link_leave(used);
    if (status != POPLIN_OK) {
        return poplin_py_raise(poplin_py_state_of(object), status, NULL);
    }
    self->link = (poplin_py_link *)Py_NewRef(link);
    self->asked = false;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(recall_doc, "recall($self, rows, /)\n--\n\nRECALL: these are on record. It answers the event.");

static PyObject *fetch_recall(PyObject *object, PyObject *rows) {
    poplin_py_fetch *self = (poplin_py_fetch *)object;
    if (!PyList_Check(rows)) {
        PyErr_SetString(PyExc_TypeError, "rows must be a list");
        return NULL;
    }
    if (!is_asked(self, self->asked && self->event.kind == POPLIN_FETCH_RECALL)) {
        return NULL;
    }
    int status = POPLIN_OK;
    for (Py_ssize_t i = 0; status == POPLIN_OK && i < PyList_Size(rows); i++) {
        poplin_seen_record record;
        if (poplin_py_fetch_row(PyList_GetItem(rows, i), &record) < 0) {
            return NULL;
        }
        status = poplin_fetch_recall(self->fetch, &record);
    }
    if (status != POPLIN_OK) {
        return poplin_py_raise(poplin_py_state_of(object), status, NULL);
    }
    (void)poplin_fetch_answer(self->fetch, POPLIN_OK, NULL);
    self->asked = false;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(choose_doc, "choose($self, choice, /)\n--\n\nFILTER: CHOICE_TAKE, CHOICE_SKIP or CHOICE_REJECT.");

static PyObject *fetch_choose(PyObject *object, PyObject *choice) {
    poplin_py_fetch *self = (poplin_py_fetch *)object;
    uint64_t number = 0;
    if (poplin_py_unsigned(choice, "choice", POPLIN_CHOICE_REJECT, &number) < 0 ||
        !is_asked(self, self->asked && self->event.kind == POPLIN_FETCH_FILTER)) {
        return NULL;
    }
    (void)poplin_fetch_choose(self->fetch, (enum poplin_choice)number);
    self->asked = false;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(begin_doc,
             "begin($self, deliveries, wants, /)\n--\n\nBEGIN: these get the message, and Python gets its octets "
             "where it wants them. It answers the event.");

static PyObject *fetch_begin(PyObject *object, PyObject *arguments) {
    poplin_py_fetch *self = (poplin_py_fetch *)object;
    PyObject *deliveries = NULL;
    int wants = 0;
    if (!PyArg_ParseTuple(arguments, "Op:begin", &deliveries, &wants) ||
        !is_asked(self, self->asked && self->event.kind == POPLIN_FETCH_BEGIN) || !enter(self)) {
        return NULL;
    }
    if (choose_places(self, deliveries, wants != 0) < 0) {
        leave(self);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS(void) poplin_places_serve(self->places, self->fetch, &self->event);
    Py_END_ALLOW_THREADS self->asked = false;
    leave(self);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(answer_doc,
             "answer($self, status, reason, /)\n--\n\nAnswers the event: 0, or one of the module's numbers and "
             "why. A message that a Maildir could not take is answered so in any case.");

static PyObject *fetch_answer(PyObject *object, PyObject *arguments) {
    poplin_py_fetch *self = (poplin_py_fetch *)object;
    poplin_error error = {0};
    const char *reason = NULL;
    if (!PyArg_ParseTuple(arguments, "is:answer", &error.status, &reason) ||
        !is_asked(self, self->asked && !self->busy)) {
        return NULL;
    }
    PyOS_snprintf(error.reason, sizeof error.reason, "%s", reason);
    self->busy = true;
    int status = self->event.kind == POPLIN_FETCH_DELIVER
                     ? answer_delivery(self, &error)
                     : poplin_fetch_answer(self->fetch, error.status, error.status == POPLIN_OK ? NULL : &error);
    self->busy = false;
    if (status != POPLIN_OK) {
        return poplin_py_raise(poplin_py_state_of(object), status, NULL);
    }
    self->asked = false;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(settle_each_doc, "settle_each($self, /)\n--\n\nFrom now on each message is recorded by itself.");

static PyObject *fetch_settle_each(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_fetch_settle_every(((poplin_py_fetch *)object)->fetch, 1);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(results_doc,
             "results($self, /)\n--\n\nWhat became of messages since the last time: a list of tuples of message, "
             "result, deleted, exception or None, and names of files or None.");

static PyObject *fetch_results(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_py_fetch *self = (poplin_py_fetch *)object;
    PyObject *results = self->results, *none = PyList_New(0);
    if (none == NULL) {
        return NULL;
    }
    self->results = none;
    return results;
}

PyDoc_STRVAR(progress_doc, "progress($self, /)\n--\n\nHow far it is, a tuple in the order of poplin.Progress.");

static PyObject *fetch_progress(PyObject *object, PyObject *unused) {
    (void)unused;
    poplin_fetch_progress progress;
    poplin_fetch_progress_now(((poplin_py_fetch *)object)->fetch, &progress);
    return poplin_py_fetch_progress_of(&progress);
}

static PyMethodDef methods[] = {
    {"deliver_to", fetch_deliver_to, METH_VARARGS, deliver_to_doc},
    {"next", fetch_next, METH_O, next_doc},
    {"again", fetch_again, METH_NOARGS, again_doc},
    {"cancel", fetch_cancel, METH_NOARGS, cancel_doc},
    {"use", fetch_use, METH_O, use_doc},
    {"recall", fetch_recall, METH_O, recall_doc},
    {"choose", fetch_choose, METH_O, choose_doc},
    {"begin", fetch_begin, METH_VARARGS, begin_doc},
    {"answer", fetch_answer, METH_VARARGS, answer_doc},
    {"settle_each", fetch_settle_each, METH_NOARGS, settle_each_doc},
    {"results", fetch_results, METH_NOARGS, results_doc},
    {"progress", fetch_progress, METH_NOARGS, progress_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(type_doc, "Fetch(settings, /)\n--\n\nOne fetch of one account.");

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)type_doc},
    {Py_tp_new, fetch_new},
    {Py_tp_dealloc, fetch_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec poplin_py_fetch_spec = {
    .name = "poplin._core.Fetch",
    .basicsize = sizeof(poplin_py_fetch),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
