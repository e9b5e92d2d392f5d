/*
 * claim.c - the type Claim: that no other fetch of an account is under way. See poplin/seen.h.
 */
#include "core.h"

typedef struct {
    PyObject_HEAD poplin_claim *claim; /* NULL once released */
} claim_object;

static PyObject *claim_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    (void)keywords;
    PyObject *store = NULL;
    const char *account = NULL;
    if (!PyArg_ParseTuple(arguments, "O&s:Claim", PyUnicode_FSConverter, &store, &account)) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    claim_object *self = (claim_object *)allocate(type, 0);
    if (self == NULL) {
        Py_DECREF(store);
        return NULL;
    }
    const char *path = PyBytes_AsString(store);
    poplin_error error = {0};
    int status;
    Py_BEGIN_ALLOW_THREADS status = poplin_claim_take(path, account, &self->claim, &error);
    Py_END_ALLOW_THREADS Py_DECREF(store);
    if (status != POPLIN_OK) {
        poplin_py_raise(PyType_GetModuleState(type), status, &error);
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static PyObject *claim_release(PyObject *object, PyObject *unused) {
    (void)unused;
    claim_object *self = (claim_object *)object;
    poplin_claim *claim = self->claim;
    self->claim = NULL;
    Py_BEGIN_ALLOW_THREADS poplin_claim_free(claim);
    Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

static void claim_dealloc(PyObject *object) {
    poplin_claim_free(((claim_object *)object)->claim);
    poplin_py_free(object);
}

PyDoc_STRVAR(type_doc, "Claim(store, account, /)\n--\n\nNobody else has the account of the store at this path.");
PyDoc_STRVAR(release_doc, "release($self, /)\n--\n\nLets go of the account. Twice is peaceful.");

static PyMethodDef methods[] = {
    {"release", claim_release, METH_NOARGS, release_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)type_doc},
    {Py_tp_new, claim_new},
    {Py_tp_dealloc, claim_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec poplin_py_claim_spec = {
    .name = "poplin._core.Claim",
    .basicsize = sizeof(claim_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
