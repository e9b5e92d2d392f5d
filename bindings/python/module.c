/*
 * module.c - the module poplin._core: its types, its functions, and the numbers that the package uses.
 */
#include <time.h>

#include "core.h"

poplin_py_state *poplin_py_state_of(PyObject *self) {
    return PyType_GetModuleState(Py_TYPE(self));
}

int64_t poplin_py_milliseconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

PyDoc_STRVAR(need_no_secret_doc, "need_no_secret($module, mechanisms, /)\n--\n\n"
                                 "Whether one of the named mechanisms logs in without password or token.");

static PyObject *module_need_no_secret(PyObject *module, PyObject *mechanisms) {
    (void)module;
    const char *names = PyUnicode_AsUTF8AndSize(mechanisms, NULL);
    return names == NULL ? NULL : PyBool_FromLong(poplin_mechanisms_need_no_secret(names));
}

PyDoc_STRVAR(parse_url_doc,
             "parse_url($module, text, tls, /)\n--\n\n(scheme, host, port, user or None, auth or None, TLS mode) of "
             "a URL or host and a tls= word.");
PyDoc_STRVAR(format_url_doc, "format_url($module, scheme, host, port, user, auth, /)\n--\n\nThe URL; port 0 is the "
                             "scheme's own.");
PyDoc_STRVAR(account_doc,
             "account($module, address, /)\n--\n\n(domain, users, the two names to look up) of an address or domain.");
PyDoc_STRVAR(discover_doc,
             "discover($module, domain, records, numbers, cleartext, /)\n--\n\nA list of (host, port, tls= word, "
             "verified) from a list of (pop3s, priority, weight, port, target, signed) and four random "
             "octets for each.");

PyDoc_STRVAR(scram_keys_doc,
             "scram_keys($module, password, hash_number, iterations, salt, /)\n--\n\nSCRAM keys as text.");

static PyMethodDef functions[] = {
    {"need_no_secret", module_need_no_secret, METH_O, need_no_secret_doc},
    {"parse_url", poplin_py_parse_url, METH_VARARGS, parse_url_doc},
    {"format_url", poplin_py_format_url, METH_VARARGS, format_url_doc},
    {"account", poplin_py_account, METH_O, account_doc},
    {"discover", poplin_py_discover, METH_VARARGS, discover_doc},
    {"scram_keys", poplin_py_scram_keys, METH_VARARGS, scram_keys_doc},
    {NULL, NULL, 0, NULL},
};

/* ---- the numbers ---- */

static int add_numbers(PyObject *module) {
    static const struct {
        const char *name;
        int value;
    } numbers[] = {{"TLS_IMPLICIT", POPLIN_TLS_IMPLICIT},
                   {"TLS_STLS", POPLIN_TLS_STLS},
                   {"TLS_AUTO", POPLIN_TLS_AUTO},
                   {"TLS_NEVER", POPLIN_TLS_NEVER},
                   {"LOCK_EXCLUSIVE", POPLIN_LOCK_EXCLUSIVE},
                   {"LOCK_SNAPSHOT", POPLIN_LOCK_SNAPSHOT},
                   {"LOCK_NONE", POPLIN_LOCK_NONE},
                   {"QUESTION_CHECK", POPLIN_QUESTION_CHECK},
                   {"QUESTION_SECRET", POPLIN_QUESTION_SECRET},
                   {"QUESTION_TOKEN", POPLIN_QUESTION_TOKEN},
                   {"QUESTION_MAILDROP", POPLIN_QUESTION_MAILDROP},
                   {"QUESTION_BODY", POPLIN_QUESTION_BODY},
                   {"QUESTION_PIECE", POPLIN_QUESTION_PIECE},
                   {"QUESTION_PIECES_DONE", POPLIN_QUESTION_PIECES_DONE},
                   {"QUESTION_COMMIT", POPLIN_QUESTION_COMMIT},
                   {"QUESTION_CLOSE", POPLIN_QUESTION_CLOSE},
                   {"QUESTION_PROBLEM", POPLIN_QUESTION_PROBLEM},
                   {"QUESTION_LOGIN_FAILED", POPLIN_QUESTION_LOGIN_FAILED},
                   {"EVENT_GREETING", POPLIN_CLIENT_GREETING},
                   {"EVENT_START_TLS", POPLIN_CLIENT_START_TLS},
                   {"EVENT_REPLY", POPLIN_CLIENT_REPLY},
                   {"EVENT_LISTING", POPLIN_CLIENT_LISTING},
                   {"EVENT_BODY", POPLIN_CLIENT_BODY},
                   {"EVENT_END", POPLIN_CLIENT_END},
                   {"EVENT_OPENED", POPLIN_CLIENT_OPENED},
                   {"EVENT_CLOSED", POPLIN_CLIENT_CLOSED},
                   {"SESSION_CHECK", POPLIN_SESSION_CHECK},
                   {"SESSION_SECRET", POPLIN_SESSION_SECRET},
                   {"SESSION_TOKEN", POPLIN_SESSION_TOKEN},
                   {"SESSION_DELAY", POPLIN_SESSION_DELAY},
                   {"SESSION_MAILDROP", POPLIN_SESSION_MAILDROP},
                   {"SESSION_BODY", POPLIN_SESSION_BODY},
                   {"SESSION_BODY_DONE", POPLIN_SESSION_BODY_DONE},
                   {"SESSION_COMMIT", POPLIN_SESSION_COMMIT},
                   {"SESSION_START_TLS", POPLIN_SESSION_START_TLS},
                   {"SESSION_MISMATCH", POPLIN_SESSION_MISMATCH},
                   {"SESSION_CLOSED", POPLIN_SESSION_CLOSED},
                   {"ASK_CHECK", POPLIN_ASK_CHECK},
                   {"ASK_SECRET", POPLIN_ASK_SECRET},
                   {"ASK_KEYS", POPLIN_ASK_KEYS},
                   {"ASK_TOKEN", POPLIN_ASK_TOKEN},
                   {"SCRAM_SHA_1", POPLIN_SCRAM_SHA_1},
                   {"SCRAM_SHA_256", POPLIN_SCRAM_SHA_256},
                   {"CHOICE_TAKE", POPLIN_CHOICE_TAKE},
                   {"CHOICE_SKIP", POPLIN_CHOICE_SKIP},
                   {"CHOICE_REJECT", POPLIN_CHOICE_REJECT},
#define STATUS(name, value, text) {#name, value},
                   POPLIN_STATUS_TABLE(STATUS)
#undef STATUS
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (PyModule_AddIntConstant(module, numbers[i].name, numbers[i].value) < 0)
            return -1;
    }
    if (PyModule_AddIntConstant(module, "EXPIRE_NEVER", (long)POPLIN_EXPIRE_NEVER) < 0) {
        return -1;
    }
    return PyModule_AddStringConstant(module, "__version__", poplin_version());
}

/* The verbs, in a dictionary of their own, since AUTH is a status too. */
static int add_verbs(PyObject *module) {
    PyObject *verbs = PyDict_New();
    for (int verb = POPLIN_NO_VERB + 1; verbs != NULL && verb < POPLIN_VERB_COUNT; verb++) {
        PyObject *value = PyLong_FromLong(verb);
        if (value == NULL || PyDict_SetItemString(verbs, poplin_verb_name((enum poplin_verb)verb), value) < 0)
            Py_CLEAR(verbs);
        Py_XDECREF(value);
    }
    int status = PyModule_AddObjectRef(module, "VERBS", verbs);
    Py_XDECREF(verbs);
    return status;
}

/* ---- the types ---- */

/* Each type, with its place in the state. */
static const struct {
    PyType_Spec *spec;
    size_t place;
} types[] = {
#define TYPE(name) \
    { &poplin_py_##name##_spec, offsetof(poplin_py_state, name) }
    TYPE(credentials),    TYPE(loop),
    TYPE(link),           TYPE(call),
    TYPE(series),         TYPE(message),
    TYPE(server),         TYPE(background),
    TYPE(memory),         TYPE(testkit),
    TYPE(record),         TYPE(authority),
    TYPE(client_machine), TYPE(session_machine),
    TYPE(maildir),        TYPE(fetch),
    TYPE(delivery),       TYPE(claim),
#undef TYPE
};

enum { TYPE_COUNT = sizeof types / sizeof *types };

static PyTypeObject **place_of(poplin_py_state *state, size_t index) {
    return (PyTypeObject **)((char *)state + types[index].place);
}

static int add_types(PyObject *module) {
    poplin_py_state *state = PyModule_GetState(module);
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        PyTypeObject *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, types[i].spec, NULL);
        *place_of(state, i) = type;
        if (type == NULL || PyModule_AddType(module, type) < 0)
            return -1;
    }
    return 0;
}

/* Now and not at the first failure, which may come when the interpreter ends and nothing can be imported any more. */
static int find_functions(poplin_py_state *state) {
    PyObject *errors = PyImport_ImportModule("poplin._errors");
    if (errors == NULL) {
        return -1;
    }
    state->make_error = PyObject_GetAttrString(errors, "make");
    Py_DECREF(errors);
    return state->make_error == NULL ? -1 : poplin_py_trace_find(state);
}

static int module_exec(PyObject *module) {
    if (find_functions(PyModule_GetState(module)) < 0 || add_types(module) < 0 || add_numbers(module) < 0 ||
        add_verbs(module) < 0)
        return -1;
    return poplin_py_add_tables(module);
}

static int module_traverse(PyObject *module, visitproc visit, void *arg) {
    poplin_py_state *state = PyModule_GetState(module);
    for (size_t i = 0; i < TYPE_COUNT; i++)
        Py_VISIT(*place_of(state, i));
    Py_VISIT(state->make_error);
    Py_VISIT(state->trace_kinds);
    Py_VISIT(state->trace_emit);
    return 0;
}

static int module_clear(PyObject *module) {
    poplin_py_state *state = PyModule_GetState(module);
    for (size_t i = 0; i < TYPE_COUNT; i++)
        Py_CLEAR(*place_of(state, i));
    Py_CLEAR(state->make_error);
    Py_CLEAR(state->trace_kinds);
    Py_CLEAR(state->trace_emit);
    return 0;
}

static void module_free(void *module) {
    (void)module_clear(module);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

PyDoc_STRVAR(module_doc, "poplin's C core, as the package uses it. Private: use poplin.");

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,  .m_name = "poplin._core", .m_doc = module_doc,           .m_size = sizeof(poplin_py_state),
    .m_methods = functions, .m_slots = slots,         .m_traverse = module_traverse, .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC PyInit__core(void) {
    return PyModuleDef_Init(&definition);
}
