/*
 * background.c - the type Background: a server of maildrops in memory on a thread of the core's own, which never takes the
 * interpreter's lock.
 *
 * It holds its Memory and its Testkit, which outlive it. One that is forgotten is ended by its destructor.
 */
#include "core.h"

typedef struct background {
    PyObject_HEAD poplin_background *background; /* NULL once closed */
    PyObject *memory;
    poplin_memory *maildrops; /* its own */
    PyObject *kit;
    uint16_t port;
    bool busy; /* a thread is in one of its methods, without the interpreter's lock */
} background;

/* Background(settings, credentials or None, memory, kit or None): binds and listens. */
static PyObject *background_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    (void)keywords;
    PyObject *dictionary = NULL;
    PyObject *credentials = NULL;
    PyObject *maildrops = NULL;
    PyObject *kit = NULL;
    poplin_memory *memory = NULL;
    poplin_server_config config;
    poplin_py_state *state = PyType_GetModuleState(type);
    if (!PyArg_ParseTuple(arguments, "OOOO:Background", &dictionary, &credentials, &maildrops, &kit) ||
        poplin_py_memory_of(state, maildrops, &memory) < 0 ||
        poplin_py_server_config(state, dictionary, credentials, kit, &config) < 0) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    background *self = (background *)allocate(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->memory = Py_NewRef(maildrops);
    self->maildrops = memory;
    self->kit = Py_NewRef(kit);
    poplin_error error = {0};
    const poplin_backend *backend =
        (config.session.asks & POPLIN_ASK_TOKEN) != 0 ? poplin_memory_token_backend() : poplin_memory_backend();
    int status = poplin_background_new(&config, backend, memory, &self->background, &error);
    if (status != POPLIN_OK) {
        poplin_py_raise_server(state, status, &error);
        Py_DECREF(self);
        return NULL;
    }
    poplin_memory_expire(memory, poplin_background_loop(self->background), config.session.expire);
    self->port = poplin_background_port(self->background);
    return (PyObject *)self;
}

/* Whether a method may begin; if not, StateError is set. */
static bool enter(background *self) {
    if (self->background != NULL && !self->busy) {
        return true;
    }
    poplin_py_raise_state(poplin_py_state_of((PyObject *)self),
                          self->busy ? "this server is in use by another thread" : "this server is stopped");
    return false;
}

PyDoc_STRVAR(start_doc, "start($self, /)\n--\n\nServe, on a thread of the core's own.");

static PyObject *background_start(PyObject *object, PyObject *unused) {
    (void)unused;
    background *self = (background *)object;
    if (!enter(self)) {
        return NULL;
    }
    int status = poplin_background_start(self->background);
    if (status != POPLIN_OK) {
        return poplin_py_raise(poplin_py_state_of(object), status, NULL);
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(advance_doc,
             "advance($self, milliseconds, /)\n--\n\nMove the clock, and return when what was due then has been "
             "handled.");

static PyObject *background_advance(PyObject *object, PyObject *value) {
    background *self = (background *)object;
    uint64_t milliseconds = 0;
    int status;
    if (poplin_py_unsigned(value, "milliseconds", UINT32_MAX, &milliseconds) < 0 || !enter(self)) {
        return NULL;
    }
    self->busy = true;
    Py_BEGIN_ALLOW_THREADS status = poplin_background_advance(self->background, milliseconds);
    Py_END_ALLOW_THREADS self->busy = false;
    if (status != POPLIN_OK) {
        return poplin_py_raise(poplin_py_state_of(object), status, NULL);
    }
    Py_RETURN_NONE;
}

/* The maildrops, which may live on, lose the clock. In a child after fork their lock may be held for ever. */
static void end(poplin_background *ended, poplin_memory *maildrops) {
    if (ended != NULL && poplin_loop_fileno(poplin_background_loop(ended)) >= 0) {
        poplin_memory_expire(maildrops, NULL, 0);
    }
    poplin_background_free(ended);
}

PyDoc_STRVAR(close_doc, "close($self, /)\n--\n\nEnd the server and its thread. Closing twice is peaceful.");

static PyObject *background_close(PyObject *object, PyObject *unused) {
    (void)unused;
    background *self = (background *)object;
    poplin_background *ended = self->background;
    if (ended != NULL) {
        if (!enter(self)) {
            return NULL;
        }
        self->background = NULL;
        Py_BEGIN_ALLOW_THREADS end(ended, self->maildrops);
        Py_END_ALLOW_THREADS
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(port_doc, "port($self, /)\n--\n\nThe port bound; 0 for a Unix socket.");

static PyObject *background_port(PyObject *object, PyObject *unused) {
    (void)unused;
    return PyLong_FromUnsignedLong(((background *)object)->port);
}

/*
 * Keeps the interpreter's lock: the thread that is joined never wants it, and one that lets go of it while the interpreter ends
 * may never get it back.
 */
static void background_dealloc(PyObject *object) {
    background *self = (background *)object;
    end(self->background, self->maildrops);
    Py_XDECREF(self->kit);
    Py_XDECREF(self->memory);
    poplin_py_free(object);
}

static PyMethodDef methods[] = {
    {"start", background_start, METH_NOARGS, start_doc},
    {"advance", background_advance, METH_O, advance_doc},
    {"close", background_close, METH_NOARGS, close_doc},
    {"port", background_port, METH_NOARGS, port_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(type_doc, "Background(settings, credentials, memory, kit, /)\n--\n\nA server on a thread of the core's "
                       "own, with its mail in memory.");

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)type_doc},
    {Py_tp_new, background_new},
    {Py_tp_dealloc, background_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec poplin_py_background_spec = {
    .name = "poplin._core.Background",
    .basicsize = sizeof(background),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
