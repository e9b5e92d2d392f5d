/*
 * core.h - what the files of poplin._core share: the module's state, its types, and the way in and out of Python.
 *
 * The module knows nothing of the protocol: it turns Python values into what poplin's public headers take and back.
 * Methods are positional; keywords, defaults and names live in the Python package. Nothing here calls a script: the
 * package pulls questions and results. Whatever may wait, and what touches much memory, lets go of the interpreter's lock.
 */
#ifndef POPLIN_PY_CORE_H
#define POPLIN_PY_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <sys/types.h>

#include <poplin.h>

/* A setting that a dictionary may hold: its key, and where in a C struct it goes. */
enum poplin_py_kind {
    POPLIN_PY_BOOL,
    POPLIN_PY_ENUM,
    POPLIN_PY_U16,
    POPLIN_PY_U32,
    POPLIN_PY_U64,
    POPLIN_PY_SIZE,
    POPLIN_PY_STRING, /* borrowed from the dictionary's value */
    POPLIN_PY_OCTETS  /* a poplin_slice of a bytes object; borrowed as well */
};

typedef struct poplin_py_setting {
    const char *name; /* NULL ends a table */
    enum poplin_py_kind kind;
    size_t offset;
} poplin_py_setting;

/* The module's state: its types, and the function of the package that makes exceptions. */
typedef struct poplin_py_state {
    PyTypeObject *credentials;
    PyTypeObject *loop;
    PyTypeObject *link;
    PyTypeObject *call;
    PyTypeObject *series;
    PyTypeObject *message;
    PyTypeObject *server;
    PyTypeObject *background;
    PyTypeObject *memory;
    PyTypeObject *maildir;
    PyTypeObject *fetch;
    PyTypeObject *delivery;
    PyTypeObject *claim;
    PyTypeObject *testkit;
    PyTypeObject *record;
    PyTypeObject *authority;
    PyTypeObject *client_machine;
    PyTypeObject *session_machine;
    PyObject *make_error;               /* poplin._errors.make */
    PyObject *trace_kinds, *trace_emit; /* the same of poplin._trace */
} poplin_py_state;

/* The state of the module that self's type, or a type itself, belongs to. */
poplin_py_state *poplin_py_state_of(PyObject *self);

/* By a clock that nothing sets or moves. Needs no interpreter. */
int64_t poplin_py_milliseconds_now(void);

/* How long a wait goes on before signals are looked for, also where one was missed by a hair. */
#define POPLIN_PY_SIGNAL_MS 1000

/* ---- errors.c ---- */

/* Makes the exception for status; error may be NULL. A new reference, or NULL with another exception set. */
PyObject *poplin_py_make_error(poplin_py_state *state, int status, const poplin_error *error);

/* Raises it. Returns NULL, so that a method can return what this returns. */
PyObject *poplin_py_raise(poplin_py_state *state, int status, const poplin_error *error);

/* Raises StateError with this reason. */
void poplin_py_raise_state(poplin_py_state *state, const char *reason);

/*
 * False with StateError in a child after fork, process being the one that made self: what self guards with a lock may
 * have been held by a thread that the child does not have.
 */
bool poplin_py_is_ours(PyObject *self, pid_t process);

/* ---- trace.c ---- */

/* Finds the package's functions. 0, or -1 with an exception. */
int poplin_py_trace_find(poplin_py_state *state);

/* Has the loop keep its trace, if that is logged just now. */
void poplin_py_trace_begin(poplin_py_state *state, poplin_loop *loop, bool server);

/* Has the package log what the loop has kept; an exception that is set stays set. */
void poplin_py_trace_hand_over(poplin_py_state *state, poplin_loop *loop);

/* ---- convert.c ---- */

/* Writes what the dictionary holds into config. 0, or -1 with TypeError or ValueError. Unknown keys are a TypeError. */
int poplin_py_settings(PyObject *dictionary, const poplin_py_setting *table, void *config);

/* A whole number from 0 to max, exactly. 0, or -1 with TypeError or ValueError. */
int poplin_py_unsigned(PyObject *value, const char *name, uint64_t max, uint64_t *number);

/* A message number, or 0 for None. 0, or -1 with TypeError or ValueError. */
int poplin_py_message_number(PyObject *value, uint32_t *number);

/* The octets of bytes, or none for None. 0, or -1 with TypeError. */
int poplin_py_slice(PyObject *value, const char *name, poplin_slice *slice);

/*
 * A tuple of text as C strings, which the tuple owns, ended by NULL, in an array for free(). NULL with TypeError or
 * ValueError (a NUL), which name what they are.
 */
const char **poplin_py_strings(PyObject *tuple, const char *name);

/* Text of a peer's: UTF-8 where it is, \xNN where it is not. */
PyObject *poplin_py_text(poplin_slice slice);

/* A unique-id or a capability: one character for each octet, so that nothing is lost. */
PyObject *poplin_py_octets_text(poplin_slice slice);

PyObject *poplin_py_bytes(poplin_slice slice);

/* The content as bytes, copied once; without the interpreter's lock where it is large. */
PyObject *poplin_py_body(const poplin_body *body);

/* ---- the types ---- */

extern PyType_Spec poplin_py_credentials_spec;
extern PyType_Spec poplin_py_loop_spec;
extern PyType_Spec poplin_py_link_spec;
extern PyType_Spec poplin_py_call_spec;
extern PyType_Spec poplin_py_series_spec;
extern PyType_Spec poplin_py_message_spec;
extern PyType_Spec poplin_py_server_spec;
extern PyType_Spec poplin_py_background_spec;
extern PyType_Spec poplin_py_memory_spec;
extern PyType_Spec poplin_py_maildir_spec;
extern PyType_Spec poplin_py_fetch_spec;
extern PyType_Spec poplin_py_delivery_spec;
extern PyType_Spec poplin_py_claim_spec;
extern PyType_Spec poplin_py_testkit_spec;
extern PyType_Spec poplin_py_record_spec;
extern PyType_Spec poplin_py_authority_spec;
extern PyType_Spec poplin_py_client_machine_spec;
extern PyType_Spec poplin_py_session_machine_spec;

/* Frees an object of a heap type, and lets go of the type. */
void poplin_py_free(PyObject *self);

/* ---- credentials.c ---- */

typedef struct poplin_py_credentials {
    PyObject_HEAD poplin_tls_credentials *credentials;
} poplin_py_credentials;

/* Credentials or None. 0, or -1 with TypeError; *credentials is borrowed. */
int poplin_py_credentials_of(poplin_py_state *state, PyObject *value, poplin_tls_credentials **credentials);

/* ---- loop.c ---- */

typedef struct poplin_py_loop {
    PyObject_HEAD poplin_loop *loop;
    struct poplin_py_link *noted; /* those that ask for attention; each leaves the list when it is closed */
} poplin_py_loop;

/* A Loop or None, as it was given; NULL with TypeError where it is neither. */
PyObject *poplin_py_loop_of(poplin_py_state *state, PyObject *value);

/* What a link on a shared loop is given to call when asking again may bring something; context is the poplin_py_link. */
void poplin_py_loop_note(void *context);

/* This link asks for no attention any more. */
void poplin_py_loop_forget(struct poplin_py_link *link);

/* ---- link.c ---- */

typedef struct poplin_py_link {
    PyObject_HEAD poplin_py_loop *shared; /* the loop that it shares, NULL for one of its own */
    poplin_loop *loop;
    poplin_link *link; /* NULL once closed */
    bool busy;         /* a thread is in one of its methods, perhaps without the interpreter's lock */
    bool noted;        /* in the list of its shared loop */
    struct poplin_py_link *next_noted;
    struct poplin_py_orphan *orphans;
} poplin_py_link;

/* Begins a method: false with StateError where the link is closed or another thread uses it. */
bool poplin_py_link_enter(poplin_py_link *self);

void poplin_py_link_leave(poplin_py_link *self);

/* What poplin_py_link_ask answers where an exception is set already. */
#define POPLIN_PY_RAISED (-1000)

/*
 * Asks until the answer is not NEED_INPUT, stepping the loop in between without the interpreter's lock. A
 * signal handler that raises cancels the link: RAISED. On a shared loop, which its host steps, NEED_INPUT is answered.
 */
int poplin_py_link_ask(poplin_py_link *self, int (*ask)(void *subject), void *subject);

/* Raises what status, answered by the link or by what belongs to it, stands for. Returns NULL. */
PyObject *poplin_py_link_raise(poplin_py_link *self, int status);

/*
 * Has drop(subject) called, at once or, while another thread is in the link, when that thread leaves it. Not at all where
 * the link is closed, since what belongs to a link is freed with it.
 */
void poplin_py_link_drop(poplin_py_link *self, void (*drop)(void *subject), void *subject);

/* ---- message.c ---- */

typedef struct poplin_py_message {
    PyObject_HEAD PyObject *client;
    PyObject *unique_id; /* str or None */
    PyObject *data;      /* bytes; NULL until it is fetched */
    unsigned int number;
    unsigned long long octets;
} poplin_py_message;

/* A message of this type, which is Message or a subclass, from a line of LIST. */
poplin_py_message *poplin_py_message_new(PyTypeObject *type, PyObject *client, const poplin_line *line,
                                         PyObject *unique_id);

/* The messages of a listing: a list. A line without unique-id gives one whose uid is None. */
PyObject *poplin_py_messages(PyTypeObject *type, PyObject *client, const poplin_line *lines, size_t count);

/* ---- call.c, series.c: each takes over what it is given, also where it fails ---- */

PyObject *poplin_py_call_new(poplin_py_link *owner, poplin_call *call, enum poplin_verb verb);

/* messages: those that the series brings, in its order; count new references in a malloced array. */
PyObject *poplin_py_series_new(poplin_py_link *owner, poplin_series *series, poplin_py_message **messages,
                               size_t count);

/* Lets go of count messages and frees the array. */
void poplin_py_messages_free(poplin_py_message **messages, size_t count);

/* ---- settings.c: what the two kinds of server are made from ---- */

/*
 * Fills in config from a dictionary, Credentials or None, and a Testkit or None, from all of which it borrows. 0, or -1
 * with TypeError or ValueError.
 */
int poplin_py_server_config(poplin_py_state *state, PyObject *dictionary, PyObject *credentials, PyObject *kit,
                            poplin_server_config *config);

/* Raises what a server that could not be made answered: ValueError for settings that cannot be meant, else the package's. */
void poplin_py_raise_server(poplin_py_state *state, int status, const poplin_error *error);

/* ---- scram.c ---- */

/* scram_keys(password, hash, iterations, salt or None): SCRAM keys as text. */
PyObject *poplin_py_scram_keys(PyObject *module, PyObject *arguments);

/* ---- url.c, discover.c: functions of the module, documented in module.c ---- */

PyObject *poplin_py_parse_url(PyObject *module, PyObject *arguments);
PyObject *poplin_py_format_url(PyObject *module, PyObject *arguments);
PyObject *poplin_py_account(PyObject *module, PyObject *address);
PyObject *poplin_py_discover(PyObject *module, PyObject *arguments);

/* ---- testkit.c, record.c, memory.c, tables.c ---- */

/* A Testkit or None. 0, or -1 with TypeError; *kit is borrowed. */
int poplin_py_testkit_of(poplin_py_state *state, PyObject *value, poplin_testkit **kit);

/* A Record, which takes the record over, also where this fails. */
PyObject *poplin_py_record_new(poplin_py_state *state, poplin_record *record);

/* A Memory. 0, or -1 with TypeError; *memory is borrowed. */
int poplin_py_memory_of(poplin_py_state *state, PyObject *value, poplin_memory **memory);

/* Adds the core's tables, which the package documents and checks by, to the module. */
int poplin_py_add_tables(PyObject *module);

/* ---- server.c, answers.c ---- */

/* Octets that the server borrows from a bytes object. */
struct poplin_py_lent;

typedef struct poplin_py_server {
    PyObject_HEAD poplin_py_loop *shared; /* the loop that it shares, NULL for one of its own */
    poplin_loop *loop;
    poplin_questions *questions;
    poplin_server *server;        /* NULL once closed */
    PyObject *kit;                /* the Testkit that taps it, or None */
    struct poplin_py_lent *trash; /* given back, to be let go of under the interpreter's lock */
    bool login_delay_by_user;     /* users differ in it */
    bool expire_by_user;
    bool busy; /* in wait, perhaps without the interpreter's lock */
    bool woken;
    size_t advancing; /* threads in advance, which need the loop to be driven on */
    uint64_t stepped; /* the loop's time at the last step */
} poplin_py_server;

/* The methods that answer questions; answers.c. */
PyObject *poplin_py_server_accept(PyObject *self, PyObject *arguments);
PyObject *poplin_py_server_secret(PyObject *self, PyObject *arguments);
PyObject *poplin_py_server_keys(PyObject *self, PyObject *arguments);
PyObject *poplin_py_server_refuse(PyObject *self, PyObject *arguments);
PyObject *poplin_py_server_open(PyObject *self, PyObject *arguments);
PyObject *poplin_py_server_body(PyObject *self, PyObject *arguments);
PyObject *poplin_py_server_body_file(PyObject *self, PyObject *arguments);
PyObject *poplin_py_server_pieces(PyObject *self, PyObject *arguments);
PyObject *poplin_py_server_piece(PyObject *self, PyObject *arguments);

/* Lets go of what the server gave back. */
void poplin_py_server_empty_trash(poplin_py_server *self);

/* False with StateError where the server is closed or in wait. */
bool poplin_py_server_ready(poplin_py_server *self);

#endif
